//! Strict mode on the page: what it says, how it opens, and that a restart ends it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use zegel::base::{Clock, JobId, ManualClock, SeededEntropy, Timestamp};
use zegel::policy::Mode;
use zegel::seal::code::Cost;
use zegel::seal::contact::Generation;
use zegel::seal::hashers::Memory;
use zegel::seal::keyring::RootKeyring;
use zegel::seal::token::LinkToken;
use zegel::store::Store;
use zegel::store::codes::NewCode;
use zegel::store::intake::NewJob;
use zegel::store::records::JobKind;

use crate::site::{Link, Site, settings, site, site_over};

const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
const WRONG: &str = "0000-0000-0000-0000";

fn strict() -> Site {
    Site { mode: Mode::Strict, ..site() }
}

/// Gives the contact behind a link a new code, as the operator does.
async fn new_code(site: &Site, link: &Link) -> String {
    let token = LinkToken::parse(&link.path[3..]).unwrap();
    let view = site.store.grant(&token).await.unwrap().unwrap();
    let entropy = SeededEntropy::new(77);
    let new = NewCode::strict(&site.store.keys().pepper, CHEAP, &entropy, &mut Memory::default()).unwrap();
    let contact = view.grant.contact;
    let mail = NewJob {
        id: JobId::random(&entropy),
        kind: JobKind::Code { contact },
        secret: None,
        due: site.clock.now() + Duration::from_hours(20),
    };
    let generation = Generation { contact, number: view.contact.generation + 1 };
    assert!(site.store.replace_code(contact, new.keep(generation, &entropy), mail).await.unwrap());
    new.code.expose().to_owned()
}

#[tokio::test(start_paused = true)]
async fn page_one_says_what_strict_costs() {
    let site = strict();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let page = site.get(&link.path).await.text();
    assert!(page.contains("Dit bericht is extra beveiligd.") && page.contains("inputmode=\"text\""), "{page}");
    assert!(!page.contains("Uitslag") && !page.contains("Eerdere toegangscode"), "{page}");
    let lost = site.get(&format!("{}/geen-code", link.path)).await.text();
    assert!(lost.contains("Dan kan niemand dit bericht nog openen, ook wij niet."), "{lost}");
    let english = site.get(&format!("{}?taal=en", link.path)).await.text();
    assert!(english.contains("This message has extra protection."), "{english}");
}

#[tokio::test(start_paused = true)]
async fn link_and_code_open_the_whole_message() {
    let site = strict();
    let header = "From: Anna Jansen <a.jansen@zorg.example>\r\nTo: Jan <jan@else.example>\r\nSubject: [veilig] Uitslag\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n";
    let body = "--b\r\nContent-Type: text/plain\r\n\r\nDe uitslag is goed.\r\n--b\r\nContent-Type: text/html\r\n\
        Content-Disposition: attachment; filename=brief.html\r\n\r\n<p>bijlage</p>\r\n--b--\r\n";
    let link = site.seal("jan@else.example", header, body.as_bytes()).await;
    assert_eq!(link.code.len(), 16);
    // As the mail shows it: capitals, in fours; and a letter O for a nought.
    let typed = link.code.to_uppercase().replace('0', "O");
    let typed: Vec<&str> = [0, 4, 8, 12].map(|at| &typed[at..at + 4]).into();
    let answer = site.try_code(&link, &typed.join("+")).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/bericht"), "{}", answer.text());
    let cookie = answer.cookie();
    let page = site.read("/bericht", &cookie).await.text();
    assert!(
        page.contains("<h1>Uitslag</h1>") && page.contains("De uitslag is goed.") && page.contains("brief.html"),
        "{page}"
    );
    let file = site.read("/bericht/bijlage/2", &cookie).await;
    assert_eq!((file.status, file.text().as_str()), (StatusCode::OK, "<p>bijlage</p>"));
    let whole = site.read("/bericht/origineel.eml", &cookie).await.text();
    assert!(whole.ends_with(body), "{whole}");
    let out = site
        .ask(
            crate::site::request(axum::http::Method::POST, "/uitloggen")
                .header("cookie", &cookie)
                .body(axum::body::Body::empty())
                .unwrap(),
        )
        .await;
    assert_eq!((out.status, site.store.open_keys()), (StatusCode::OK, 0));
}

#[tokio::test(start_paused = true)]
async fn wrong_codes_count_pause_and_close_as_in_assisted_mode() {
    let site = strict();
    let link = site.seal_text("jan@else.example", "Dag").await;
    for left in [4, 3, 2, 1] {
        let before = site.store.counts().commits;
        let page = site.try_code(&link, WRONG).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(page.text().contains(&format!("nog {left} keer proberen")), "{}", page.text());
        assert_eq!(site.store.counts().commits, before + 1, "counted, durably");
    }
    let last = site.try_code(&link, WRONG).await.text();
    assert!(last.contains("vanaf 10:34 uur"), "{last}");
    let paused = site.try_code(&link, &link.code).await;
    assert_eq!((paused.status, site.store.open_keys()), (StatusCode::TOO_MANY_REQUESTS, 0));
}

#[tokio::test(start_paused = true)]
async fn a_new_code_leaves_the_earlier_one_for_earlier_mail() {
    let site = strict();
    let first = site.seal_text("jan@else.example", "Dag").await;
    let cookie = site.unlock(&first).await;
    let code = new_code(&site, &first).await;
    assert_eq!(site.read("/bericht", &cookie).await.status, StatusCode::FORBIDDEN, "open sessions end");

    let page = site.get(&first.path).await.text();
    assert!(page.contains("Eerdere toegangscode") && page.contains("met de code die u daarvoor had"), "{page}");
    assert_eq!(site.try_code(&first, &code).await.status, StatusCode::FORBIDDEN);
    site.unlock(&first).await;

    let second = site.seal_text("jan@else.example", "Nog iets").await;
    let second = Link { path: second.path, code };
    assert!(!site.get(&second.path).await.text().contains("Eerdere"));
    assert_eq!(site.try_code(&second, &first.code).await.status, StatusCode::FORBIDDEN);
    site.unlock(&second).await;
}

#[tokio::test]
async fn a_restart_asks_for_the_code_again() {
    let folder = tempfile::tempdir().unwrap();
    let keyring = RootKeyring::generate(&SeededEntropy::new(1));
    let open = async |seed: u64| {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_795_251_840)));
        let entropy = Arc::new(SeededEntropy::new(seed));
        let place = zegel::store::Settings { folder: folder.path().to_owned(), min_free: 0 };
        let (store, _) = Store::open(place, keyring.clone(), clock.clone(), entropy.clone()).await.unwrap();
        Site { mode: Mode::Strict, ..site_over(store, settings(), CHEAP, (clock, entropy)) }
    };
    let site = open(2).await;
    let link = site.seal_text("jan@else.example", "Dag").await;
    let cookie = site.unlock(&link).await;
    assert_eq!(site.read("/bericht", &cookie).await.status, StatusCode::OK);
    site.store.close().await;
    drop(site);

    let site = open(3).await;
    for path in ["/bericht", "/bericht/html", "/bericht/origineel.eml"] {
        let page = site.read(path, &cookie).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        assert!(page.text().contains("Vul uw code nog een keer in"), "{}", page.text());
    }
    let cookie = site.unlock(&link).await;
    assert!(site.read("/bericht", &cookie).await.text().contains("Dag"));
    site.store.close().await;
}
