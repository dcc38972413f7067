//! Links whose message is gone: what their holder is told, and that nothing of it can be had any more.

use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;
use zegel::store::retention::ledger::Ledger;
use zegel::store::retention::{Recall, Retention, Settings};

use crate::routes::assert_headers;
use crate::site::{Link, Site, form, request, settings, site};

const LIFE: Duration = Duration::from_hours(90 * 24);
const TOLD: Duration = Duration::from_hours(30 * 24);

/// What removes things from a site.
pub fn retention(site: &Site) -> Retention {
    let settings = Settings { ended_links: TOLD, ledger: std::path::PathBuf::new(), sessions: settings().sessions };
    Retention::new(site.store.clone(), settings, Ledger::in_memory())
}

pub async fn recall(site: &Site, recipient: &str) -> Recall {
    let (id, _) = site.store.find(recipient, None, 1).await.unwrap().remove(0);
    retention(site).recall(id, None).await.unwrap()
}

/// The page behind a link in both languages; nothing of the message or its people is on it.
async fn told(site: &Site, link: &Link, status: StatusCode, words: [&str; 2]) {
    for (language, words) in ["nl", "en"].into_iter().zip(words) {
        for path in [link.path.clone(), format!("{}/geen-code", link.path)] {
            let answer = site.get(&format!("{path}?taal={language}")).await;
            assert_eq!(answer.status, status, "{path}");
            assert_headers(&path, &answer);
            let text = answer.text();
            assert!(text.contains(&format!("<h1>{words}</h1>")), "{text}");
            for hidden in ["Anna", "Jansen", "jan@", "j•", "Uitslag", "<form", &link.path[3..]] {
                assert!(!text.contains(hidden), "{hidden} in {text}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_holds_the_link_hears_that_its_message_expired() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let cookie = site.unlock(&link).await;
    site.clock.advance(LIFE);
    let words = ["Dit bericht is verlopen", "This message has expired"];
    told(&site, &link, StatusCode::GONE, words).await;
    assert_eq!(site.read("/bericht", &cookie).await.status, StatusCode::FORBIDDEN);
    let retention = retention(&site);
    assert_eq!(retention.round().await.unwrap().expired, 1);
    told(&site, &link, StatusCode::GONE, words).await;
    site.clock.advance(TOLD);
    let gone = ["Dit bericht is hier niet te vinden", "This message cannot be found here"];
    told(&site, &link, StatusCode::NOT_FOUND, gone).await;
}

#[tokio::test(start_paused = true)]
async fn who_holds_the_link_hears_that_its_message_was_withdrawn() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let other = site.seal_text("piet@else.example", "Dag").await;
    let page = site.get(&link.path).await;
    let cookie = site.unlock(&link).await;
    recall(&site, "jan@else.example").await;
    told(&site, &link, StatusCode::GONE, ["Dit bericht is ingetrokken", "This message was withdrawn"]).await;
    // The form that was open, with the right code; and the session.
    let post = form(&link.path, &format!("pagina={}&code={}", page.page_token(), link.code));
    assert_eq!(site.ask(post).await.status, StatusCode::GONE);
    for path in ["/bericht", "/bericht/origineel.eml"] {
        assert_eq!(site.read(path, &cookie).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    site.unlock(&other).await;
}

/// Of a download that began before nothing more comes.
#[tokio::test(start_paused = true)]
async fn a_download_under_way_stops_when_its_message_is_withdrawn() {
    for withdrawn in [false, true] {
        let site = site();
        let text = "Een lange brief.\r\n".repeat(60_000);
        let link = site.seal_text("jan@else.example", &text).await;
        let other = site.seal_text("piet@else.example", "Dag").await;
        let cookie = site.unlock(&link).await;
        let mut request: Request<Body> =
            request(Method::GET, "/bericht/origineel.eml").header("cookie", cookie).body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(std::net::SocketAddr::from(([198, 51, 100, 7], 40_000))));
        let mut body = site.router.clone().oneshot(request).await.unwrap().into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap().len();
        // Another message's end disturbs nobody.
        assert!(matches!(recall(&site, "piet@else.example").await, Recall::Done { whole: true, .. }), "{}", other.path);
        if withdrawn {
            recall(&site, "jan@else.example").await;
        }
        let (mut read, mut broken) = (first, false);
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                broken = true;
                break;
            };
            read += frame.into_data().unwrap().len();
        }
        assert_eq!(broken, withdrawn, "after {read} bytes");
        assert_eq!(read > text.len(), !withdrawn);
        assert!(!withdrawn || read == first, "{read} bytes of what was withdrawn");
    }
}
