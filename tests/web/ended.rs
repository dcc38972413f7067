//! Links whose message is gone: what their holder is told, and that nothing of it can be had any more.

use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;
use zegel::store::records::{JobKind, Wish};
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

/// The page behind a link in both languages; nothing of the message or its people is on it, and its link only to ask for it again.
async fn told(site: &Site, link: &Link, (status, again): (StatusCode, bool), words: [&str; 2]) {
    for (language, words) in ["nl", "en"].into_iter().zip(words) {
        for path in [link.path.clone(), format!("{}/geen-code", link.path)] {
            let answer = site.get(&format!("{path}?taal={language}")).await;
            assert_eq!(answer.status, status, "{path}");
            assert_headers(&path, &answer);
            let text = answer.text();
            // The one button of the page, but where it may have gone to the wrong person.
            let plain = if words.contains("ingetrokken") || words.contains("withdrawn") { " plain" } else { "" };
            let ask = format!("<a class=\"button{plain}\" href=\"{}/opnieuw?taal={language}\">", link.path);
            assert_eq!(text.matches(&ask).count(), usize::from(again), "{text}");
            let text = text.replace(&ask, "");
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
    told(&site, &link, (StatusCode::GONE, false), words).await;
    assert_eq!(site.read("/bericht", &cookie).await.status, StatusCode::FORBIDDEN);
    let retention = retention(&site);
    assert_eq!(retention.round().await.unwrap().expired, 1);
    told(&site, &link, (StatusCode::GONE, true), words).await;
    site.clock.advance(TOLD);
    let gone = ["Dit bericht is hier niet te vinden", "This message cannot be found here"];
    told(&site, &link, (StatusCode::NOT_FOUND, false), gone).await;
}

#[tokio::test(start_paused = true)]
async fn who_holds_the_link_hears_that_its_message_was_withdrawn() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let other = site.seal_text("piet@else.example", "Dag").await;
    let page = site.get(&link.path).await;
    let cookie = site.unlock(&link).await;
    recall(&site, "jan@else.example").await;
    told(&site, &link, (StatusCode::GONE, true), ["Dit bericht is ingetrokken", "This message was withdrawn"]).await;
    // The form that was open, with the right code; and the session.
    let post = form(&link.path, &format!("pagina={}&code={}", page.page_token(), link.code));
    assert_eq!(site.ask(post).await.status, StatusCode::GONE);
    for path in ["/bericht", "/bericht/origineel.eml"] {
        assert_eq!(site.read(path, &cookie).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    site.unlock(&other).await;
}

/// Whoever has the link of what is gone can ask for it again: on a page of its own, by a press, once a day. Looking changes nothing.
#[tokio::test(start_paused = true)]
async fn what_is_gone_can_be_asked_for_again() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let path = format!("{}/opnieuw", link.path);
    assert_eq!(site.get(&path).await.status, StatusCode::NOT_FOUND, "it can be read");
    recall(&site, "jan@else.example").await;
    let before = site.store.counts().commits;
    let page = site.get(&path).await;
    assert_headers("ask again", &page);
    assert!(page.status == StatusCode::OK && page.text().contains("Wilt u het bericht nog lezen?"), "{}", page.text());
    for token in ["", "1.aaaa"] {
        assert_eq!(site.ask(form(&path, &format!("pagina={token}"))).await.status, StatusCode::BAD_REQUEST);
    }
    let foreign = request(Method::POST, &path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "cross-site")
        .body(Body::from(format!("pagina={}", page.page_token())));
    assert_eq!(site.ask(foreign.unwrap()).await.status, StatusCode::FORBIDDEN);
    assert_eq!(site.store.counts().commits, before);
    for (title, said) in [
        ("Wij mailen de afzender", "Anna Jansen krijgt nu een e-mail van ons"),
        ("Wij hebben de afzender al gemaild", "Anna Jansen hier kort geleden al een e-mail over gestuurd"),
    ] {
        let done = site.ask(form(&path, &format!("pagina={}", page.page_token()))).await;
        assert!(done.status == StatusCode::OK && done.text().contains(said), "{}", done.text());
        assert!(done.text().contains(&format!("<h1>{title}</h1>")), "{}", done.text());
        assert!(done.text().contains("niet meer lezen") && !done.text().contains("<form"), "{}", done.text());
    }
    let jobs = site.store.jobs(9).await.unwrap();
    let asked = jobs.iter().filter(|(_, job)| matches!(job.kind, JobKind::Asked { wish: Wish::Again, .. }));
    assert_eq!(asked.count(), 1);
    // A link that was never given out is answered as ever.
    let nowhere = site.get("/b/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/opnieuw").await;
    assert!(nowhere.status == StatusCode::NOT_FOUND && nowhere.text().contains("niet te vinden"), "{}", nowhere.text());
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
