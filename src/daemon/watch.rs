//! The listener for who watches the gateway: `/metrics` and `/healthz`, plain HTTP, on an address of its own.
//!
//! It answers from the moment that it is bound: a start that recovers for long says `starting`. Few connections, each bounded in size and
//! time; whoever floods it stops nothing else.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::StartError;
use super::health::{Health, Reason};
use super::vitals::Vitals;
use crate::metrics::Form;

/// Connections at the same time.
const CONNECTIONS: usize = 8;
/// Time for the header of a request.
const GREETING: Duration = Duration::from_secs(5);
/// Longest life of a connection: it carries one request.
const EXCHANGE: Duration = Duration::from_secs(10);
/// Bytes of a request's header.
const MOST_HEADER: usize = 16 * 1024;
/// Pause after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Set once everything runs.
pub(super) type Slot = Arc<OnceLock<Vitals>>;

/// The listener, before anything else runs. Dropped, it ends: a start that fails leaves nothing behind.
pub(super) struct Watch {
    /// Where it is, if anywhere.
    pub(super) address: Option<SocketAddr>,
    pub(super) slot: Slot,
    /// Where its task runs.
    pub(super) tasks: JoinSet<&'static str>,
}

impl Watch {
    /// Binds and serves, where an address is given.
    pub(super) async fn begin(address: Option<SocketAddr>, stop: &CancellationToken) -> Result<Self, StartError> {
        let mut watch = Self { address: None, slot: Slot::default(), tasks: JoinSet::new() };
        if let Some(address) = address {
            let listen = |cause| StartError::Listen { what: "metrics", cause };
            let listener = Listener::bind(address).await.map_err(listen)?;
            watch.address = listener.socket.local_addr().ok();
            let (slot, stop) = (watch.slot.clone(), stop.clone());
            watch.tasks.spawn(async {
                listener.serve(slot, stop).await;
                "metrics"
            });
        }
        Ok(watch)
    }
}

/// The bound socket.
#[derive(Debug)]
struct Listener {
    socket: TcpListener,
}

impl Listener {
    /// Binds; the error names the address.
    async fn bind(address: SocketAddr) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
        Ok(Self { socket: TcpListener::bind(address).await.map_err(named)? })
    }

    /// Serves until `stop`, and leaves whoever is connected then.
    async fn serve(self, vitals: Slot, stop: CancellationToken) {
        let router = router(vitals);
        let (places, tasks) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
        let serving = async {
            loop {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                match self.socket.accept().await {
                    Ok((stream, _)) => {
                        let router = router.clone();
                        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
                            let exchange = hyper::server::conn::http1::Builder::new()
                                .keep_alive(false)
                                .timer(TokioTimer::new())
                                .header_read_timeout(GREETING)
                                .max_buf_size(MOST_HEADER)
                                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
                            // How it ends is its client's business.
                            let _ = tokio::time::timeout(EXCHANGE, exchange).await;
                            drop(place);
                        }));
                    }
                    Err(cause) => {
                        warn!(%cause, "a connection for metrics could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        let _ = stop.run_until_cancelled(serving).await;
        tasks.close();
        tasks.wait().await;
    }
}

fn router(vitals: Slot) -> Router {
    Router::new().route("/metrics", get(metrics)).route("/healthz", get(healthz)).with_state(vitals)
}

async fn metrics(State(vitals): State<Slot>, headers: HeaderMap) -> Response {
    let Some(vitals) = vitals.get() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = Form::asked(accept);
    match vitals.text(form).await {
        Ok(text) => ([(header::CONTENT_TYPE, form.media_type())], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn healthz(State(vitals): State<Slot>) -> Response {
    let health = match vitals.get() {
        Some(vitals) => vitals.health().await,
        None => Health::of(vec![Reason::Starting]),
    };
    let status = if health.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], axum::Json(health)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use std::path::PathBuf;

    use super::*;
    use crate::base::{ManualClock, SeededEntropy, Timestamp};
    use crate::daemon::certificates::Certificates;
    use crate::daemon::hops::{Hops, InUse};
    use crate::daemon::vitals::Sources;
    use crate::metrics::Metrics;
    use crate::nexthop::{Host, NextHop, Settings, Tls};
    use crate::seal::keyring::RootKeyring;
    use crate::store::proof::SessionLimits;
    use crate::store::retention::ledger::Ledger;
    use crate::store::retention::{self, Retention};
    use crate::store::{OpenReport, Store};

    async fn ask(slot: &Slot, path: &str) -> (u16, String) {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let (head, body) = router(slot.clone()).oneshot(request).await.unwrap().into_parts();
        (head.status.as_u16(), String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    fn hop(name: &str, metrics: &Metrics) -> NextHop {
        let host = Host { name: "127.0.0.1".to_owned(), port: 25 };
        let settings = Settings { tls: Tls::Off, ..Settings::new(name, vec![host], "zegel.example") };
        NextHop::observed(settings, metrics.hops.hop(name)).unwrap()
    }

    #[tokio::test]
    async fn health_follows_what_happens() {
        let slot = Slot::default();
        assert_eq!(ask(&slot, "/healthz").await, (503, r#"{"status":"failing","reasons":["starting"]}"#.to_owned()));
        assert_eq!(ask(&slot, "/metrics").await.0, 503);

        let entropy = Arc::new(SeededEntropy::new(1));
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_800_000_000)));
        let store = Store::in_memory(RootKeyring::generate(&*entropy), clock.clone(), entropy);
        let metrics = Metrics::default();
        let sessions = SessionLimits { idle: Duration::from_mins(15), longest: Duration::from_hours(4) };
        let settings = retention::Settings { ended_links: Duration::from_hours(24), ledger: PathBuf::new(), sessions };
        let listener = metrics.smtp.listener("front");
        let sources = Sources {
            metrics: metrics.clone(),
            store: store.clone(),
            report: OpenReport { unerased: 1, ..OpenReport::default() },
            retention: Retention::new(store.clone(), settings, Ledger::in_memory()),
            hops: Hops::new(InUse { all: vec![hop("home", &metrics)], home: "home".to_owned() }),
            certificates: Arc::new(Certificates::load(None, None).unwrap()),
            users: None,
            hashers: Vec::new(),
            clock,
        };
        assert!(slot.set(Vitals::new(sources)).is_ok());
        let reasons = async || {
            let (status, body) = ask(&slot, "/healthz").await;
            let health: Health = serde_json::from_str(&body).unwrap();
            (status, health.reasons)
        };
        assert_eq!(reasons().await, (200, vec![Reason::JournalDamaged]));
        store.hold_queue("for a test").await.unwrap();
        assert_eq!(reasons().await, (200, vec![Reason::QueueHeld, Reason::JournalDamaged]));
        listener.accept_failed();
        assert_eq!(reasons().await.1.first(), Some(&Reason::NotAccepting));
        store.close().await;
        let (status, found) = reasons().await;
        assert_eq!((status, found.first()), (503, Some(&Reason::StoreClosed)));
        let (status, text) = ask(&slot, "/metrics").await;
        assert_eq!(status, 200, "a store that is closed silences nothing");
        assert!(text.contains("zegel_trouble{reason=\"store-closed\"} 1") && text.contains("zegel_ready 0"), "{text}");
        assert_eq!(ask(&slot, "/other").await.0, 404);
    }
}
