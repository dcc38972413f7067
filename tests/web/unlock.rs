//! The code: limits, exactness, and what a visitor learns.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use zegel::access::Limits;
use zegel::seal::code::Cost;

use crate::ended::retention;
use crate::routes::assert_headers;
use crate::site::{Link, Site, form, request, settings, site, site_costing, site_with};

/// No code that the gateway made in these tests.
const WRONG: &str = "00000000";

#[tokio::test(start_paused = true)]
async fn page_one_says_who_and_until_when() {
    let site = site();
    let link = site.seal_text("jan.devries@else.example", "Dag").await;
    let page = site.get(&link.path).await.text();
    for expected in [
        "Anna Jansen heeft u een beveiligd bericht gestuurd",
        "Anna Jansen, Voorbeeld Zorg",
        "j•••••s@else.example",
        "18 februari 2027",
        "autocomplete=\"one-time-code\"",
        "inputmode=\"numeric\"",
        "<label for=\"code\">",
    ] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
    for hidden in ["Uitslag", "jan.devries", "a.jansen@", "geheim", "role=\"alert\""] {
        assert!(!page.contains(hidden), "{hidden} in {page}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_right_code_opens() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    // As people type it, and as programs paste it.
    let typed = format!("%20{}-{}+", &link.code[..4], &link.code[4..]);
    let answer = site.try_code(&link, &typed).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/bericht"));
    assert_headers("opened", &answer);
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.starts_with("__Host-zegel=") && cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    let message = site.read("/bericht", &answer.cookie()).await;
    assert_eq!(message.status, StatusCode::OK);
    assert!(!message.text().contains(&link.path[3..]), "no token after unlocking");
}

#[tokio::test(start_paused = true)]
async fn wrong_codes_count_down_to_a_pause_and_a_close() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    for left in [4, 3, 2] {
        let answer = site.try_code(&link, WRONG).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.text().contains(&format!("U kunt het nog {left} keer proberen.")), "{}", answer.text());
        assert!(answer.text().contains("role=\"alert\"") && answer.text().contains("<title>Fout: "));
    }
    assert!(site.try_code(&link, WRONG).await.text().contains("U kunt het nog 1 keer proberen."));
    let last = site.try_code(&link, WRONG).await.text();
    // Five tries of five seconds after 10:04, and half an hour.
    assert!(last.contains("klopt niet") && last.contains("vanaf 10:34 uur"), "{last}");
    let paused = site.try_code(&link, &link.code).await;
    assert_eq!(paused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(
        paused.text().contains("vanaf 10:34 uur") && paused.text().contains("<input class=\"code\""),
        "{}",
        paused.text()
    );
    assert_eq!(paused.header("retry-after"), "1795");
    assert!(site.get(&link.path).await.text().contains("vanaf 10:34 uur"), "looking says it too");

    let token = site.get(&link.path).await.page_token();
    // Another network may still try, and 15 more wrong ones close the link for all.
    for round in 1..=15_u8 {
        let token = site.get(&link.path).await.page_token();
        site.clock.advance(Duration::from_secs(5));
        let post = form(&link.path, &format!("pagina={token}&code={WRONG}"));
        let answer = site.ask_from([203, 0, round, 1], post).await;
        assert_eq!(answer.text().contains("Dit bericht is nu gesloten."), round == 15, "{round}");
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    let closed = site.get(&link.path).await.text();
    assert!(closed.contains("Dit bericht is nu gesloten.") && !closed.contains("<input class=\"code\""), "{closed}");
    let right = site.ask(form(&link.path, &format!("pagina={token}&code={}", link.code))).await;
    assert_eq!(right.status, StatusCode::FORBIDDEN, "also with the right code");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_attempt() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let other = site.seal_text("piet@else.example", "Dag").await;
    let token = site.get(&link.path).await.page_token();
    let elsewhere = site.get(&other.path).await.page_token();
    site.clock.advance(Duration::from_secs(5));
    let before = site.store.counts().commits;
    let cases = [
        (format!("pagina={token}&code="), 422, "Vul uw toegangscode in."),
        (format!("pagina={token}&code=+-+"), 422, "Vul uw toegangscode in."),
        (format!("pagina={token}"), 422, "Vul uw toegangscode in."),
        (format!("code={}", link.code), 400, "De pagina stond te lang open."),
        (format!("pagina={elsewhere}&code={}", link.code), 400, "De pagina stond te lang open."),
    ];
    for (body, status, text) in cases {
        let answer = site.ask(form(&link.path, &body)).await;
        assert_eq!(answer.status.as_u16(), status, "{body}");
        assert!(answer.text().contains(text), "{}", answer.text());
        assert!(!answer.text().contains(&link.code), "a code comes back");
    }
    site.clock.advance(Duration::from_hours(25));
    let late = site.ask(form(&link.path, &format!("pagina={token}&code={}", link.code))).await;
    assert_eq!(late.status, StatusCode::BAD_REQUEST);
    assert_eq!(site.store.counts().commits, before, "nothing was counted");
    // The page that came back can be used at once.
    site.clock.advance(Duration::from_secs(5));
    let again = site.ask(form(&link.path, &format!("pagina={}&code={}", late.page_token(), link.code))).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER);
}

#[tokio::test(start_paused = true)]
async fn browsers_that_say_nothing_are_served() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let token = site.get(&link.path).await.page_token();
    site.clock.advance(Duration::from_secs(5));
    let post = request(Method::POST, &link.path).header("content-type", "application/x-www-form-urlencoded");
    let body = Body::from(format!("pagina={token}&code={}", link.code));
    assert_eq!(site.ask(post.body(body).unwrap()).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test(start_paused = true)]
async fn a_press_at_once_is_answered_after_two_seconds() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let token = site.get(&link.path).await.page_token();
    let pressed = tokio::time::Instant::now();
    let answer = site.ask(form(&link.path, &format!("pagina={token}&code={}", link.code))).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(pressed.elapsed() >= Duration::from_secs(2), "{:?}", pressed.elapsed());
}

#[tokio::test(start_paused = true)]
async fn links_that_lead_nowhere_look_and_last_alike() {
    let site = site();
    let forgotten = site.seal_text("jan@else.example", "Dag").await;
    // Its message expired so long ago that not even that is known any more.
    for _ in 0..2 {
        site.clock.advance(Duration::from_hours(91 * 24));
        retention(&site).round().await.unwrap();
    }
    let mut seen = Vec::new();
    for path in [forgotten.path.as_str(), "/b/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "/b/kort", "/b/AAAA"] {
        for lost in ["", "/geen-code"] {
            let begun = tokio::time::Instant::now();
            let got = site.get(&format!("{path}{lost}")).await;
            seen.push((got.status, got.text(), begun.elapsed().as_millis(), format!("{:?}", got.headers)));
        }
        let begun = tokio::time::Instant::now();
        let posted = site.ask(form(path, "pagina=x&code=12345678")).await;
        seen.push((posted.status, posted.text(), begun.elapsed().as_millis(), format!("{:?}", posted.headers)));
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:#?}");
    assert_eq!(seen[0].0, StatusCode::NOT_FOUND);
}

/// Sends `count` wrong codes at once, each from the network that `from` gives it: how many answers say that the code is wrong,
/// and how many tries were written down.
async fn at_once(site: &Site, link: &Link, count: u8, from: fn(u8) -> [u8; 4]) -> (usize, u64) {
    let token = site.get(&link.path).await.page_token();
    site.clock.advance(Duration::from_secs(5));
    let before = site.store.counts().commits;
    let tries = (0..count).map(|n| site.ask_from(from(n), form(&link.path, &format!("pagina={token}&code={WRONG}"))));
    let answers = futures_util::future::join_all(tries).await;
    let wrong = answers.iter().filter(|answer| answer.text().contains("klopt niet")).count();
    assert!(answers.iter().all(|answer| [403, 429].contains(&answer.status.as_u16())));
    (wrong, site.store.counts().commits - before)
}

#[tokio::test]
async fn a_hundred_at_once_are_counted_exactly() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    assert_eq!(at_once(&site, &link, 100, |_| [198, 51, 100, 7]).await, (5, 5), "one network");

    let link = site.seal_text("piet@else.example", "Dag").await;
    // The twentieth closes the link, and says so instead.
    assert_eq!(at_once(&site, &link, 100, |n| [203, 0, n, 7]).await, (19, 20), "many networks");
    assert!(site.get(&link.path).await.text().contains("Dit bericht is nu gesloten."));
}

#[tokio::test]
async fn one_hasher_takes_them_in_turn() {
    let site = site_with(zegel::web::Settings { hashers: 1, ..settings() });
    let link = site.seal_text("jan@else.example", "Dag").await;
    assert_eq!(at_once(&site, &link, 5, |_| [198, 51, 100, 7]).await, (5, 5), "in turn");
}

/// Half a second per code, and room for one at a time: some wait longer than a try may wait.
#[tokio::test]
async fn an_overloaded_gateway_says_so_and_counts_only_what_it_compares() {
    let limits = Limits { per_network: 1000, per_grant: 1000, per_contact: 1000, ..Limits::default() };
    let cost = Cost { memory_kib: 64 * 1024, passes: 12, lanes: 1 };
    let site = site_costing(zegel::web::Settings { hashers: 1, limits, ..settings() }, cost);
    let link = site.seal_text("jan@else.example", "Dag").await;
    let token = site.get(&link.path).await.page_token();
    site.clock.advance(Duration::from_secs(5));
    let before = site.store.counts().commits;
    let tries = (0..60).map(|_| site.ask(form(&link.path, &format!("pagina={token}&code={WRONG}"))));
    let answers = futures_util::future::join_all(tries).await;
    let (busy, compared): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == StatusCode::SERVICE_UNAVAILABLE);
    assert!(!busy.is_empty() && !compared.is_empty(), "{} busy", busy.len());
    assert_eq!(site.store.counts().commits - before, compared.len() as u64);
    for answer in busy {
        assert!(answer.text().contains("Deze keer telt niet mee.") && answer.header("retry-after") == "60");
        assert_headers("busy", answer);
    }
}

#[tokio::test(start_paused = true)]
async fn the_network_comes_from_a_trusted_proxy_only() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let wrong = |token: String, client: String| {
        let mut post = form(&link.path, &format!("pagina={token}&code={WRONG}"));
        post.headers_mut().insert("x-forwarded-for", client.parse().unwrap());
        post
    };
    for n in 0..6 {
        let token = site.get(&link.path).await.page_token();
        site.clock.advance(Duration::from_secs(5));
        // The proxy adds what it saw; the rest is the client's own writing.
        let answer = site.ask_from([10, 0, 0, 1], wrong(token, format!("192.0.2.{n}, 198.51.100.7"))).await;
        let status = if n < 5 { StatusCode::FORBIDDEN } else { StatusCode::TOO_MANY_REQUESTS };
        assert_eq!(answer.status, status, "{n}");
    }
    let token = site.get(&link.path).await.page_token();
    site.clock.advance(Duration::from_secs(5));
    let spoofed = site.ask_from([198, 51, 100, 9], wrong(token, "203.0.113.77".to_owned())).await;
    assert_eq!(spoofed.status, StatusCode::TOO_MANY_REQUESTS, "the same network, whatever it claims");
}

#[tokio::test(start_paused = true)]
async fn no_code_or_lost() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let page = site.get(&format!("{}/geen-code", link.path)).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("Bel met Anna Jansen.") && page.text().contains("010 - 000 00 00"), "{}", page.text());
}
