//! Every route with every method, and the headers of every response.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use zegel::text::page::Accent;
use zegel::web::{Brand, Logo, Settings};

use crate::site::{Answer, form, request, settings, site, site_with};

const ALWAYS: [(&str, &str); 9] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-robots-tag", "noindex, nofollow"),
    ("strict-transport-security", "max-age=63072000; includeSubDomains"),
    ("x-permitted-cross-domain-policies", "none"),
    ("server", ""),
    ("access-control-allow-origin", ""),
];

pub fn assert_headers(what: &str, answer: &Answer) {
    for (name, value) in ALWAYS {
        assert_eq!(answer.header(name), value, "{what}: {name}");
    }
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors "), "{what}: {policy}");
    assert!(policy.contains("base-uri 'none'") && policy.contains("form-action "), "{what}: {policy}");
    for loose in ["unsafe", "*", "http:", "https:"] {
        assert!(!policy.contains(loose), "{what}: {loose} in {policy}");
    }
    // Scripts only on the page behind a session, only ours, and they speak to nobody else.
    for directive in policy.split("; ").filter(|d| d.starts_with("script-src") || d.starts_with("connect-src")) {
        assert!(matches!(what, "message" | "sms field") && directive.ends_with("-src 'self'"), "{what}: {directive}");
    }
    assert!(!answer.header("permissions-policy").is_empty(), "{what}");
    let kept = answer.header("cache-control");
    assert!(
        kept == "no-store"
            || ["/stijl.css", "/logo", "/sessie.js", "/antwoord.js", "/opnieuw.js"]
                .iter()
                .any(|path| what.contains(path))
                && kept.contains("immutable"),
        "{what}: {kept}"
    );
    if answer.status.is_client_error() || answer.status.is_server_error() {
        assert!(answer.header("content-type").starts_with("text/html"), "{what}");
    }
}

/// An address for every route and some for none, around one link: path, status of GET without a session, status of a bare POST.
pub fn table(link: &str) -> Vec<(String, u16, u16)> {
    let below = |below: &str| format!("{link}/{below}");
    let nowhere = "/b/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let of_link = [
        (link.to_owned(), 200, 400),
        (below("geen-code"), 200, 400),
        // This recipient opens with an access code: there is no other to send.
        (below("stuur-code"), 405, 404),
        (below("nummer"), 404, 404),
        (below("anders"), 200, 400),
        // It can still be read.
        (below("opnieuw"), 404, 404),
        (nowhere.to_owned(), 404, 404),
        (format!("{nowhere}/geen-code"), 404, 404),
        (format!("{nowhere}/opnieuw"), 404, 404),
    ];
    let others = [
        ("/", 200, 405),
        ("/b/kort", 404, 404),
        ("/b/", 404, 404),
        ("/bericht", 403, 405),
        ("/bericht/ander", 405, 403),
        ("/bericht/html", 403, 405),
        ("/bericht/bijlage/1", 403, 405),
        ("/bericht/bijlage/x", 403, 405),
        ("/bericht/bijlage/1/bekijken", 403, 405),
        ("/bericht/origineel.eml", 403, 405),
        ("/bericht/bericht.pdf", 403, 405),
        ("/echt", 200, 422),
        ("/verlengen", 405, 403),
        ("/bericht/antwoord", 303, 403),
        ("/bericht/antwoord/a/b", 403, 405),
        ("/uitloggen", 405, 200),
        ("/sessie.js", 200, 405),
        ("/antwoord.js", 200, 405),
        ("/opnieuw.js", 200, 405),
        ("/stijl.css", 200, 405),
        ("/logo", 200, 405),
        ("/robots.txt", 200, 405),
        ("/favicon.ico", 204, 405),
        ("/.git/config", 404, 404),
        ("/%00/..%2f", 404, 404),
    ];
    of_link.into_iter().chain(others.map(|(path, got, posted)| (path.to_owned(), got, posted))).collect()
}

/// Whoever adds a route adds it to the table, and with that to every test that walks it.
#[test]
fn the_table_holds_every_route_of_the_router() {
    let source = include_str!("../../src/web/routes.rs");
    let (source, _) = source.split_once("#[cfg(test)]").unwrap();
    let routes: Vec<&str> = source.split(".route(").skip(1).map(|rest| rest.split('"').nth(1).unwrap()).collect();
    assert!(routes.len() > 15, "{routes:?}");
    let fits = |route: &str, path: &str| {
        let (route, path): (Vec<&str>, Vec<&str>) = (route.split('/').collect(), path.split('/').collect());
        route.len() == path.len() && route.iter().zip(path).all(|(r, p)| *r == p || r.starts_with('{') && !p.is_empty())
    };
    let table = table("/b/link");
    // Delivery reports are no page: reports.rs.
    for route in routes.into_iter().filter(|route| !route.starts_with("/sms/")) {
        assert!(table.iter().any(|(path, ..)| fits(route, path)), "{route}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_route_and_method() {
    let site = site_with(branded());
    let link = site.seal_text("jan@else.example", "Dag").await;
    for (path, got, posted) in table(&link.path) {
        let path = path.as_str();
        for (method, expected) in [
            (Method::GET, got),
            (Method::HEAD, got),
            (Method::POST, posted),
            (Method::PUT, if got == 404 && !path.starts_with("/b/") { 404 } else { 405 }),
            (Method::DELETE, if got == 404 && !path.starts_with("/b/") { 404 } else { 405 }),
            (Method::OPTIONS, if got == 404 && !path.starts_with("/b/") { 404 } else { 405 }),
            (Method::TRACE, if got == 404 && !path.starts_with("/b/") { 404 } else { 405 }),
        ] {
            let what = format!("{method} {path}");
            let answer = if method == Method::POST {
                site.ask(form(path, "")).await
            } else {
                site.ask(request(method, path).body(Body::empty()).unwrap()).await
            };
            let expected = if path == "/b/" && expected == 405 { 404 } else { expected };
            assert_eq!(answer.status.as_u16(), expected, "{what}");
            assert_headers(&what, &answer);
            assert_eq!(answer.status == StatusCode::METHOD_NOT_ALLOWED, !answer.header("allow").is_empty(), "{what}");
            assert_eq!(answer.header("set-cookie").is_empty(), what != "POST /uitloggen", "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn looking_changes_nothing() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let before = site.store.counts().commits;
    for path in
        [&link.path, &format!("{}/geen-code", link.path), "/bericht", "/", "/b/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
    {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            site.ask(request(method, path).body(Body::empty()).unwrap()).await;
        }
    }
    assert_eq!(site.store.counts().commits, before);
}

#[tokio::test(start_paused = true)]
async fn forms_that_are_none() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let before = site.store.counts().commits;
    let huge = format!("code={}", "1".repeat(5000));
    let cases = [
        (huge.as_str(), "application/x-www-form-urlencoded", 413),
        ("code=1&code=2", "application/x-www-form-urlencoded", 403),
        ("code=%ff%zz", "application/x-www-form-urlencoded", 400),
        ("{\"code\":\"1\"}", "application/json", 403),
        ("code=12345678", "text/plain", 403),
        ("code=12345678", "", 403),
    ];
    for (body, kind, expected) in cases {
        let post =
            request(Method::POST, &link.path).header("content-type", kind).body(Body::from(body.to_owned())).unwrap();
        let answer = site.ask(post).await;
        assert_eq!(answer.status.as_u16(), expected, "{body:.40} {kind}");
        assert_headers(body, &answer);
    }
    assert_eq!(site.store.counts().commits, before);
}

#[tokio::test(start_paused = true)]
async fn another_site_can_do_nothing() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let cookie = site.unlock(&link).await;
    let token = site.get(&link.path).await.page_token();
    let before = site.store.counts().commits;
    for (name, value) in
        [("origin", "https://kwaad.example"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]
    {
        for (path, body) in
            [(link.path.as_str(), format!("pagina={token}&code=00000000")), ("/uitloggen", String::new())]
        {
            let post = request(Method::POST, path)
                .header("content-type", "application/x-www-form-urlencoded")
                .header("cookie", &cookie)
                .header(name, value);
            let answer = site.ask(post.body(Body::from(body)).unwrap()).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {name}: {value}");
            assert_headers(path, &answer);
        }
    }
    assert_eq!(site.store.counts().commits, before);
    assert_eq!(site.read("/bericht", &cookie).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_are_turned_away_with_a_page() {
    let site = site_with(Settings { max_requests: 1, ..settings() });
    // Waits 200 ms for a link that leads nowhere, and holds the only place meanwhile.
    let (first, second) = tokio::join!(site.get("/b/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), site.get("/"));
    assert_eq!((first.status, second.status), (StatusCode::NOT_FOUND, StatusCode::SERVICE_UNAVAILABLE));
    assert!(!second.header("retry-after").is_empty());
    assert_headers("busy", &second);
    assert_eq!(site.get("/").await.status, StatusCode::OK, "the place is free again");
}

#[tokio::test(start_paused = true)]
async fn one_network_does_not_take_the_places_of_all() {
    let site = site_with(Settings { max_requests_per_network: 1, ..settings() });
    let ask = |peer: [u8; 4], path: &str| site.ask_from(peer, request(Method::GET, path).body(Body::empty()).unwrap());
    let slow = "/b/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let (first, neighbour, other) =
        tokio::join!(ask([198, 51, 100, 7], slow), ask([198, 51, 100, 8], "/"), ask([203, 0, 113, 1], "/"));
    assert_eq!(first.status, StatusCode::NOT_FOUND);
    assert_eq!((neighbour.status, other.status), (StatusCode::SERVICE_UNAVAILABLE, StatusCode::OK));
    assert_eq!(ask([198, 51, 100, 8], "/").await.status, StatusCode::OK, "the place is free again");
}

#[tokio::test(start_paused = true)]
async fn the_language_of_the_pages() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let of = |answer: &Answer| answer.text().split("<html lang=\"").nth(1).map(|rest| rest[..2].to_owned()).unwrap();
    let english =
        request(Method::GET, &link.path).header("accept-language", "en-GB,en;q=0.9").body(Body::empty()).unwrap();
    assert_eq!(of(&site.get(&link.path).await), "nl");
    assert_eq!(of(&site.ask(english).await), "en");
    assert_eq!(of(&site.get("/bestaat-niet?taal=en").await), "en");
    let chosen = site.get(&format!("{}?taal=en", link.path)).await;
    assert_eq!(of(&chosen), "en");
    assert!(chosen.text().contains(&format!("action=\"{}?taal=en\"", link.path)), "the choice goes along");
    site.clock.advance(std::time::Duration::from_secs(5));
    let body = format!("pagina={}&code={}", chosen.page_token(), link.code);
    let opened = site.ask(form(&format!("{}?taal=en", link.path), &body)).await;
    assert_eq!(opened.header("location"), "/bericht?taal=en");
}

#[tokio::test(start_paused = true)]
async fn no_hsts_in_the_demo() {
    let site = site_with(Settings { demo: true, ..settings() });
    assert_eq!(site.get("/").await.header("strict-transport-security"), "");
}

const LOGO: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"3\"/>";

fn branded() -> Settings {
    let brand = Brand { logo: Logo::new(LOGO.to_vec()), accent: Accent::parse("#1a5fb4") };
    Settings { brand, ..settings() }
}

#[tokio::test]
async fn logo_and_colour() {
    let site = site_with(branded());
    let page = site.get("/").await.text();
    let (_, rest) = page.split_once("<img class=\"logo\" src=\"").expect("a logo");
    let (address, rest) = rest.split_once('"').unwrap();
    assert!(rest.starts_with(" alt=\"Voorbeeld Zorg\">"), "{rest}");
    let logo = site.get(address).await;
    assert_headers("GET /logo", &logo);
    assert_eq!((logo.header("content-type"), &logo.body[..]), ("image/svg+xml", LOGO));
    assert!(logo.header("content-security-policy").contains("sandbox"), "an SVG by itself may run scripts");
    let (_, rest) = page.split_once("<link rel=\"stylesheet\" href=\"").unwrap();
    let style = site.get(rest.split_once('"').unwrap().0).await.text();
    assert!(style.trim_end().ends_with('}') && style.contains(":root{--seal:#1a5fb4;--seal-ink:#fff}"), "{style}");
    // Another colour has another address: browsers keep style sheets.
    let plain = site_with(settings()).get("/").await.text();
    assert!(plain.contains("<b>Voorbeeld Zorg</b>") && !plain.contains(rest.split_once('"').unwrap().0));
}
