//! The routes, and what stands around all of them: limits, time, panics.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::access::Network;
use crate::access::crowd::Crowd;
use crate::base::{Clock, Entropy};
use crate::metrics::{Crowded, Page};
use crate::seal::hashers::Hashers;
use crate::store::Store;
use crate::store::records::Wish;
use crate::text::TextError;
use crate::text::page::{AGAIN_SCRIPT, Plain, PlainPage, SCRIPT, SESSION_SCRIPT};

use super::answer::{Problem, html};
use super::app::{App, Shared};
use super::client::Visitor;
use super::{Settings, again, ask, brand, dress, genuine, message, one_time, sms_reports, unlock};

/// Most bytes of a form: a code of 64 characters, encoded, and a page token.
const MOST_FORM: usize = 4096;

/// Until a response begins; a form that trickles in ends here too.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// The routes over a store, for tests in process.
///
/// # Errors
/// When this program's own texts do not load.
pub fn router(
    settings: Arc<Settings>,
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<Router, TextError> {
    Ok(observed(settings, store, clock, entropy, Page::default())?.0)
}

/// The routes over a store, counted, and where codes wait for their turn.
///
/// # Errors
/// When this program's own texts do not load.
pub fn observed(
    settings: Arc<Settings>,
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Page,
) -> Result<(Router, Hashers), TextError> {
    let app = Arc::new(App::new(settings, store, clock, entropy, metrics)?);
    let hashers = app.hashers.clone();
    let reports = get(sms_reports::take).post(sms_reports::take).head(sms_reports::look);
    let reports = reports.layer(DefaultBodyLimit::max(sms_reports::MOST));
    let pages = Router::new()
        .route("/", get(home))
        .route("/b/{token}", get(unlock::show).post(unlock::open))
        .route("/b/{token}/stuur-code", post(one_time::send))
        .route("/b/{token}/geen-code", get(unlock::lost).merge(ask::tell(Wish::Code)))
        .route("/b/{token}/nummer", ask::show(Wish::OtherNumber).merge(ask::tell(Wish::OtherNumber)))
        .route("/b/{token}/opnieuw", get(again::show).post(again::tell))
        .route("/b/{token}/anders", ask::show(Wish::OtherProof).merge(ask::tell(Wish::OtherProof)))
        .route("/echt", get(genuine::show).post(genuine::check))
        .route("/bericht", get(message::show))
        .route("/bericht/ander", post(message::open_other))
        .route("/bericht/html", get(message::show_frame))
        .route("/bericht/bijlage/{number}", get(message::attachment))
        .route("/bericht/bijlage/{number}/bekijken", get(message::preview))
        .route("/bericht/antwoord/{id}/{file}", get(message::answer::file))
        .route("/bericht/origineel.eml", get(message::original))
        .route("/bericht/bericht.pdf", get(message::keep))
        .route("/verlengen", post(message::extend))
        .route("/uitloggen", post(message::log_out))
        .route("/sms/{name}/{secret}", reports)
        .route("/stijl.css", get(style))
        .route("/logo", get(brand::logo))
        .route("/sessie.js", get(async || script(SESSION_SCRIPT)))
        .route("/antwoord.js", get(async || script(SCRIPT)))
        .route("/opnieuw.js", get(async || script(AGAIN_SCRIPT)))
        .route("/robots.txt", get(robots))
        // Browsers ask for it unbidden; without an answer they call it an error of the page.
        .route("/favicon.ico", get(async || StatusCode::NO_CONTENT))
        .fallback(async || Problem::NotFound);
    // What comes in here is bounded and timed by its handler.
    let uploads = Router::new().route("/bericht/antwoord", post(message::answer::post).get(message::answer::back));
    Ok((guarded(pages, uploads, app), hashers))
}

/// What stands around every route, from the inside out.
fn guarded(routes: Router<Shared>, uploads: Router<Shared>, app: Shared) -> Router {
    let places = Arc::new(Places {
        app: Arc::clone(&app),
        all: Arc::new(Semaphore::new(app.settings.max_requests.max(1))),
        networks: Arc::default(),
    });
    routes
        .layer(DefaultBodyLimit::max(MOST_FORM))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_TIME))
        .merge(uploads)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(places, in_place))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), dress::dress))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), counted))
        .with_state(app)
}

async fn home(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    html(StatusCode::OK, &PlainPage { page: app.page(visitor.lang("")), plain: Plain::Home, again: None })
}

/// A file of ours. Its address changes with its content, so it may be kept for ever.
pub(super) fn kept(kind: &'static str, content: Bytes) -> impl IntoResponse {
    let for_ever = HeaderValue::from_static("public, max-age=31536000, immutable");
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, for_ever)], content)
}

async fn style(State(app): State<Shared>) -> impl IntoResponse {
    kept("text/css; charset=utf-8", app.style_sheet.clone())
}

fn script(content: &'static str) -> impl IntoResponse {
    kept("text/javascript; charset=utf-8", Bytes::from_static(content.as_bytes()))
}

async fn robots() -> &'static str {
    "User-agent: *\nDisallow: /\n"
}

/// Counts a request by the pattern of its route: what was asked for never becomes a label.
async fn counted(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let (method, route) = (request.method().clone(), request.extensions().get::<MatchedPath>().cloned());
    let response = next.run(request).await;
    let route = route.as_ref().map(MatchedPath::as_str);
    app.metrics.answered(route, method.as_str(), response.status().as_u16(), begun.elapsed());
    response
}

/// Places for the requests that are answered at the same time.
struct Places {
    app: Shared,
    all: Arc<Semaphore>,
    networks: Arc<Crowd<Network>>,
}

/// A place among the requests that are answered at the same time, in all and of one network, kept until the last byte of the answer is
/// sent.
async fn in_place(State(places): State<Arc<Places>>, request: Request, next: Next) -> Response {
    let settings = &places.app.settings;
    let (parts, body) = request.into_parts();
    let network = Visitor::of(&parts, &settings.trusted_proxies).network;
    let request = Request::from_parts(parts, body);
    let standing = places.networks.enter(network, settings.max_requests_per_network);
    let place = standing.ok_or(Crowded::RequestsOfNetwork).and_then(|standing| {
        let held = Arc::clone(&places.all).try_acquire_owned().map_err(|_| Crowded::Requests)?;
        Ok((standing, held))
    });
    let place = match place {
        Ok(place) => place,
        Err(reason) => {
            places.app.turned_away.count(reason);
            return busy();
        }
    };
    next.run(request).await.map(|body| {
        axum::body::Body::new(body.map_frame(move |frame| {
            let _held = &place;
            frame
        }))
    })
}

/// The answer to who finds no place.
fn busy() -> Response {
    let mut busy = Problem::Busy.into_response();
    busy.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
    busy
}

/// One request fails, the page goes on. The cause went to standard error by the panic hook; it is not shown.
fn panicked(_cause: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request panicked");
    Problem::Broken.into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt;

    use super::*;
    use crate::base::{ManualClock, SeededEntropy, Timestamp};
    use crate::metrics::{Commits, Form, Metrics};
    use crate::seal::keyring::RootKeyring;
    use crate::web::crowded::TurnedAway;
    use crate::web::tests::settings;

    fn app() -> Shared {
        let entropy = Arc::new(SeededEntropy::new(1));
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_795_255_200)));
        let store = Store::in_memory(RootKeyring::generate(&*entropy), clock.clone(), entropy.clone());
        Arc::new(App::new(Arc::new(settings()), store, clock, entropy, Page::default()).unwrap())
    }

    async fn ask(router: Router, path: &str) -> (StatusCode, String) {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let (head, body) = router.oneshot(request).await.unwrap().into_parts();
        assert!(head.headers.contains_key(header::CONTENT_SECURITY_POLICY), "{path}");
        (head.status, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_is_counted_and_said_once_a_second() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        let guard = tracing::subscriber::set_default(subscriber);
        let metrics = Metrics::default();
        let mut app = Arc::into_inner(app()).unwrap();
        app.turned_away = TurnedAway::new(metrics.page.clone());
        let (first, second) = (app.settings.max_requests, 3);
        let hangs = async || std::future::pending::<StatusCode>().await;
        let pages = Router::new().route("/hangt", get(hangs)).route("/", get(home));
        let router = guarded(pages, Router::new(), Arc::new(app));
        let hanging: Vec<_> = (0..first).map(|_| tokio::spawn(ask(router.clone(), "/hangt"))).collect();
        tokio::task::yield_now().await;
        for _ in 0..second {
            assert_eq!(ask(router.clone(), "/").await.0, StatusCode::SERVICE_UNAVAILABLE);
        }
        drop(guard);
        for hanging in hanging {
            hanging.abort();
        }
        let text = metrics.exposition(&Commits::default()).text(Form::OpenMetrics).unwrap();
        assert!(text.contains("zegel_page_turned_away_total{reason=\"requests-of-network\"} 3"), "{text}");
        let lines = log.0.lock().unwrap().clone();
        let lines = String::from_utf8(lines).unwrap();
        assert_eq!(lines.matches("the page has no place for more").count(), 1, "{lines}");
        assert!(lines.contains("WARN") && lines.contains("reason=\"requests-of-network\""), "{lines}");
    }

    /// A log in memory.
    #[derive(Clone, Default)]
    struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_or_a_hang_is_a_page_and_the_rest_goes_on() {
        let panics = async || -> StatusCode { panic!("geheim") };
        let hangs = async || std::future::pending::<StatusCode>().await;
        let pages = Router::new().route("/paniek", get(panics)).route("/hangt", get(hangs)).route("/", get(home));
        let router = guarded(pages, Router::new(), app());
        let (status, page) = ask(router.clone(), "/paniek").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(page.contains("Er ging iets mis bij ons") && !page.contains("geheim"), "{page}");
        let (status, page) = ask(router.clone(), "/hangt").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(page.contains("Het is nu erg druk"), "{page}");
        assert_eq!(ask(router, "/").await.0, StatusCode::OK);
    }
}
