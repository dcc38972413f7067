//! The message behind a session: its text, frame, attachments, whole mail, and the end of the session.

use std::time::Duration;

use axum::http::StatusCode;
use data_encoding::BASE64;

use crate::routes::assert_headers;
use crate::site::{CHEAP, Link, Site, form, intake, site};

const HEADER: &str = "From: Anna Jansen <a.jansen@zorg.example>\r\nTo: Jan <jan@else.example>\r\nCc: Piet <piet@else.example>\r\n\
    Bcc: geheim@else.example\r\nSubject: [veilig] =?utf-8?q?Uitslag_=3Cb=3E?=\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=grens\r\n";

fn part(header: &str, body: &str) -> String {
    format!("--grens\r\n{header}\r\n\r\n{body}\r\n")
}

/// Cut into lines; ASCII only.
fn in_lines(text: &str, width: usize) -> String {
    let lines: Vec<&str> = text.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join("\r\n") + "\r\n"
}

fn base64(bytes: &[u8]) -> String {
    let encoded = BASE64.encode(bytes);
    in_lines(&encoded, 76)
}

/// HTML with a picture of its own, and attachments of every kind.
fn rich() -> String {
    let html = "<p onclick=x()>Dag <b>Jan</b></p><img src=\"cid:foto@zorg.example\" alt=foto><img src=\"https://kwaad.example/p.gif\">\
        <script>alert(1)</script><a href=\"https://voorbeeld.nl\">hier</a>";
    let file =
        |header: &str, bytes: &[u8]| part(&format!("{header}\r\nContent-Transfer-Encoding: base64"), &base64(bytes));
    [
        part("Content-Type: text/html; charset=utf-8", html),
        file("Content-Type: image/png\r\nContent-ID: <foto@zorg.example>\r\nContent-Disposition: inline", b"\x89PNG plaatje"),
        file("Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"uitslag \\\"1\\\".pdf\"", b"%PDF-1.7 \x00\xff"),
        file("Content-Type: text/html\r\nContent-Disposition: attachment; filename=\"../kwaad.html\"", b"<script>alert(1)</script>"),
        file("Content-Type: image/svg+xml\r\nContent-Disposition: attachment; filename*=UTF-8''%C3%A9%C3%A9n%E2%80%AEgvs.svg", b"<svg/>"),
        "--grens--\r\n".to_owned(),
    ]
    .concat()
}

async fn opened(site: &Site, body: &str) -> (Link, String) {
    let link = site.seal("jan@else.example", HEADER, body.as_bytes()).await;
    let cookie = site.unlock(&link).await;
    (link, cookie)
}

#[tokio::test(start_paused = true)]
async fn the_message_page() {
    let site = site();
    let (link, cookie) = opened(&site, &rich()).await;
    let page = site.read("/bericht", &cookie).await;
    assert_headers("message", &page);
    let text = page.text();
    for expected in [
        "<h1>Uitslag &#60;b&#62;</h1>",
        "Anna Jansen, Voorbeeld Zorg",
        "a.jansen@zorg.example",
        "zaterdag 21 november 2026, 10:04",
        "piet@else.example",
        "<iframe class=\"w5 h5 m5 n5\" title=\"Inhoud van het bericht\" src=\"/bericht/html\" sandbox=\"allow-popups allow-popups-to-escape-sandbox\">",
        "action=\"/uitloggen\"",
        "href=\"/bericht/origineel.eml\"",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    for hidden in ["geheim@", "[veilig]", &link.path[3..], "kwaad.example", "\u{202e}"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    assert_eq!(text.matches("/bericht/bijlage/").count(), 3, "{text}");
    assert!(text.len() < 10_000);
}

#[tokio::test(start_paused = true)]
async fn plain_text_is_escaped_and_linked() {
    let site = site();
    let link =
        site.seal_text("jan@else.example", "Dag <b>Jan</b> & één\r\nZie https://voorbeeld.nl/?a=1&b=2.\r\n").await;
    let cookie = site.unlock(&link).await;
    let text = site.read("/bericht", &cookie).await.text();
    assert!(text.contains("Dag &#60;b&#62;Jan&#60;/b&#62; &#38; één"), "{text}");
    assert!(
        text.contains("<a href=\"https://voorbeeld.nl/?a=1&#38;b=2\" target=\"_blank\" rel=\"noopener noreferrer\">"),
        "{text}"
    );
    assert_eq!(site.read("/bericht/html", &cookie).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn the_frame_is_harmless_and_carries_its_pictures() {
    let site = site();
    let (_, cookie) = opened(&site, &rich()).await;
    let frame = site.read("/bericht/html", &cookie).await;
    assert_headers("frame", &frame);
    let policy = frame.header("content-security-policy");
    assert!(
        policy.contains("sandbox allow-popups allow-popups-to-escape-sandbox") && policy.contains("img-src data:;"),
        "{policy}"
    );
    assert!(!policy.contains("allow-scripts") && !policy.contains("allow-same-origin"));
    assert_eq!(
        (frame.header("x-frame-options"), frame.header("content-type")),
        ("SAMEORIGIN", "text/html; charset=utf-8")
    );
    let text = frame.text();
    let picture = format!("<img src=\"data:image/png;base64,{}\" alt=\"foto\">", BASE64.encode(b"\x89PNG plaatje"));
    assert!(text.contains(&picture) && text.contains("<p>Dag <b>Jan</b></p>"), "{text}");
    for gone in ["script", "onclick", "kwaad", "cid:"] {
        assert!(!text.contains(gone), "{gone} in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn attachments_are_files() {
    let site = site();
    let (_, cookie) = opened(&site, &rich()).await;
    let page = site.read("/bericht", &cookie).await.text();
    let paths: Vec<String> = page
        .split("href=\"/bericht/bijlage/")
        .skip(1)
        .map(|rest| format!("/bericht/bijlage/{}", rest.split('"').next().unwrap()))
        .collect();
    let expected: [(&str, &[u8], &str); 3] = [
        ("application/pdf", b"%PDF-1.7 \x00\xff", ".pdf\"; filename*=UTF-8''uitslag%20"),
        ("application/octet-stream", b"<script>alert(1)</script>", "filename=\"kwaad.html\""),
        ("application/octet-stream", b"<svg/>", "filename*=UTF-8''%C3%A9%C3%A9n"),
    ];
    for (path, (kind, bytes, name)) in paths.iter().zip(expected) {
        let file = site.read(path, &cookie).await;
        assert_headers(path, &file);
        assert_eq!((file.status, file.header("content-type"), file.body.as_slice()), (StatusCode::OK, kind, bytes));
        let disposition = file.header("content-disposition");
        assert!(disposition.starts_with("attachment; filename=\"") && disposition.contains(name), "{disposition}");
        assert!(!disposition.contains("..") && !disposition.contains("%E2%80%AE"), "{disposition}");
        assert!(file.header("content-security-policy").contains("sandbox;"));
    }
    for path in [
        "/bericht/bijlage/0",
        "/bericht/bijlage/1",
        "/bericht/bijlage/99",
        "/bericht/bijlage/-1",
        "/bericht/bijlage/1x",
    ] {
        assert_eq!(site.read(path, &cookie).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn pictures_can_be_looked_at_when_they_are_pictures() {
    let site = site();
    let file = |kind: &str, name: &str, bytes: &[u8]| {
        let header = format!("Content-Type: {kind}\r\nContent-Disposition: attachment; filename={name}");
        part(&format!("{header}\r\nContent-Transfer-Encoding: base64"), &base64(bytes))
    };
    let cases: [(&str, &str, &[u8], bool); 8] = [
        ("image/png", "a.png", b"\x89PNG\r\n\x1a\nrest", true),
        ("image/jpeg", "b.jpg", b"\xff\xd8\xff\xe0rest", true),
        ("image/gif", "c.gif", b"GIF89arest", true),
        ("image/webp", "d.webp", b"RIFF\x04\0\0\0WEBPrest", true),
        // A page, or nothing, that calls itself a picture; a picture that can hold a script; no picture.
        ("image/png", "e.png", b"<script>alert(1)</script>", false),
        ("image/gif", "f.gif", b"GIF8", false),
        ("image/svg+xml", "g.svg", b"<svg onload=alert(1)>", false),
        ("application/pdf", "h.pdf", b"%PDF-1.7", false),
    ];
    let mut body = part("Content-Type: text/plain", "Dag");
    for (kind, name, bytes, _) in cases {
        body.push_str(&file(kind, name, bytes));
    }
    let (_, cookie) = opened(&site, &(body + "--grens--\r\n")).await;
    let page = site.read("/bericht", &cookie).await.text();
    assert_eq!(page.matches("/bekijken\"").count(), 6, "what calls itself a picture is offered: {page}");
    for (n, (kind, name, bytes, shown)) in (2..).zip(cases) {
        let path = format!("/bericht/bijlage/{n}/bekijken");
        let answer = site.read(&path, &cookie).await;
        assert_headers(&path, &answer);
        if !shown {
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name}");
            let called = matches!(kind, "image/png" | "image/gif");
            let says = if called { "Deze bijlage kunt u hier niet bekijken" } else { "Deze bijlage is er niet" };
            assert!(answer.text().contains(says), "{name}: {}", answer.text());
            continue;
        }
        assert_eq!(
            (answer.status, answer.header("content-type"), answer.body.as_slice()),
            (StatusCode::OK, kind, bytes)
        );
        assert!(answer.header("content-disposition").starts_with(&format!("inline; filename=\"{name}\"")), "{name}");
        assert!(answer.header("content-security-policy").contains("sandbox;"));
        assert_eq!(site.read(&path, "").await.status, StatusCode::FORBIDDEN, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mail_within_the_mail_can_be_read() {
    let site = site();
    let inner = "From: Piet <piet@c.example>\r\nTo: anna@zorg.example\r\nSubject: <b>Vraag</b>\r\nContent-Type: text/html\r\n\r\n\
        <p onclick=x()>Hoe <b>gaat</b> het?</p><script>alert(1)</script><img src=\"https://kwaad.example/p.gif\">\r\n";
    let body = [
        part("Content-Type: text/plain", "Zie bijlage"),
        part("Content-Type: message/rfc822", inner),
        "--grens--\r\n".to_owned(),
    ];
    let (_, cookie) = opened(&site, &body.concat()).await;
    assert!(site.read("/bericht", &cookie).await.text().contains("/bericht/bijlage/2/bekijken\""));
    let answer = site.read("/bericht/bijlage/2/bekijken", &cookie).await;
    let text = answer.text();
    assert_headers("nested", &answer);
    assert_eq!(answer.status, StatusCode::OK, "{text}");
    assert!(answer.header("content-security-policy").contains("sandbox"));
    for there in ["Piet &#60;piet@c.example&#62;", "&#60;b&#62;Vraag", "Hoe <b>gaat</b> het?"] {
        assert!(text.contains(there), "{there} in {text}");
    }
    for gone in ["onclick", "alert", "kwaad.example", "<script", "<b>Vraag"] {
        assert!(!text.contains(gone), "{gone} in {text}");
    }
    assert_eq!(site.read("/bericht/bijlage/2/bekijken", "").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn the_whole_mail_byte_for_byte() {
    let site = site();
    let body = rich();
    let (_, cookie) = opened(&site, &body).await;
    let mail = site.read("/bericht/origineel.eml", &cookie).await;
    assert_headers("eml", &mail);
    let header = HEADER.replace("Bcc: geheim@else.example\r\n", "").replace("[veilig] ", "");
    assert_eq!(mail.text(), format!("{header}\r\n{body}"));
    assert_eq!(mail.header("content-length"), mail.body.len().to_string());
    assert_eq!(mail.header("content-type"), "message/rfc822");
}

#[tokio::test(start_paused = true)]
async fn large_parts_come_whole_and_long_texts_are_cut() {
    let site = site();
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
    let long = "Een lange regel tekst, en nog een stuk. ".repeat(80_000);
    let lines = in_lines(&long, 800);
    let file = part(
        "Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=groot.zip",
        &base64(&bytes),
    );
    let body = format!("{}{file}--grens--\r\n", part("Content-Type: text/plain", &lines));
    let (_, cookie) = opened(&site, &body).await;
    let page = site.read("/bericht", &cookie).await.text();
    assert!(page.contains("Dit bericht is te lang") && page.len() < 2_200_000, "{}", page.len());
    assert!(page.contains("1 MB") && !page.contains("1,0 MB"), "the size of the attachment");
    let number = page.split("/bericht/bijlage/").nth(1).unwrap().split('"').next().unwrap();
    let got = site.read(&format!("/bericht/bijlage/{number}"), &cookie).await;
    assert!(got.body == bytes, "{} bytes of {}", got.body.len(), bytes.len());
}

#[tokio::test(start_paused = true)]
async fn html_that_is_too_costly_is_shown_as_its_text() {
    let site = site();
    let html =
        format!("<p>Dag &lt;Jan&gt;<script>alert(1)</script>{}<b onclick=x()>einde</b>", "<p><b>".repeat(26_000));
    let body = format!("{}--grens--\r\n", part("Content-Type: text/html; charset=utf-8", &in_lines(&html, 900)));
    let (_, cookie) = opened(&site, &body).await;
    let frame = site.read("/bericht/html", &cookie).await;
    assert_eq!(frame.status, StatusCode::OK);
    let text = frame.text();
    assert!(text.contains("De opmaak van dit bericht is te zwaar") && text.len() < 100_000, "{}", text.len());
    assert!(text.contains("Dag &lt;Jan&gt;") && text.contains("einde"));
    assert!(!text.contains("alert") && !text.contains("onclick") && text.matches("<b>").count() == 1);
    assert!(frame.header("content-security-policy").contains("sandbox"));
}

#[tokio::test(start_paused = true)]
async fn sessions_are_apart() {
    let site = site();
    let jan = site.seal_text("jan@else.example", "Voor Jan").await;
    let piet = site.seal_text("piet@else.example", "Voor Piet").await;
    let (of_jan, of_piet) = (site.unlock(&jan).await, site.unlock(&piet).await);
    assert_ne!(of_jan, of_piet);
    let (page_jan, page_piet) =
        (site.read("/bericht", &of_jan).await.text(), site.read("/bericht", &of_piet).await.text());
    assert!(page_jan.contains("Voor Jan") && !page_jan.contains("Voor Piet"));
    assert!(page_piet.contains("Voor Piet") && !page_piet.contains("Voor Jan"));
    // The code of one opens nothing of the other.
    assert_eq!(site.try_code(&jan, &piet.code).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn who_opens_again_leaves_no_session_behind() {
    let site = site();
    let (link, first) = opened(&site, &rich()).await;
    let elsewhere = site.unlock(&link).await;
    let token = site.get(&link.path).await.page_token();
    site.clock.advance(Duration::from_secs(5));
    let mut again = form(&link.path, &format!("pagina={token}&code={}", link.code));
    again.headers_mut().insert("cookie", first.parse().unwrap());
    let second = site.ask(again).await.cookie();
    assert_eq!(site.read("/bericht", &first).await.status, StatusCode::FORBIDDEN, "the same browser had it");
    for open in [second, elsewhere] {
        assert_eq!(site.read("/bericht", &open).await.status, StatusCode::OK);
    }
}

#[tokio::test(start_paused = true)]
async fn cookies_that_open_nothing() {
    let site = site();
    let (_, cookie) = opened(&site, &rich()).await;
    let value = cookie.split_once('=').unwrap().1;
    let mut changed = value.to_owned();
    changed.replace_range(..1, if value.starts_with('A') { "B" } else { "A" });
    for wrong in ["", "__Host-zegel=", "__Host-zegel=x", &format!("zegel={value}"), &format!("__Host-zegel={changed}")]
    {
        for path in ["/bericht", "/bericht/html", "/bericht/bijlage/3", "/bericht/origineel.eml"] {
            let answer = site.read(path, wrong).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {wrong}");
            assert!(answer.text().contains("U bent niet ingelogd"), "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn logging_out() {
    let site = site();
    let (_, cookie) = opened(&site, &rich()).await;
    let mut post = form("/uitloggen", "");
    post.headers_mut().insert("cookie", cookie.parse().unwrap());
    let answer = site.ask(post).await;
    assert_eq!(
        (answer.status, answer.header("clear-site-data")),
        (StatusCode::OK, "\"cache\", \"cookies\", \"storage\"")
    );
    assert!(answer.header("set-cookie").starts_with("__Host-zegel=; Max-Age=0; Path=/; Secure"));
    assert!(answer.text().contains("U bent uitgelogd"));
    assert_headers("logged out", &answer);
    assert_eq!(site.read("/bericht", &cookie).await.status, StatusCode::FORBIDDEN);
}

/// Whoever logs out goes on in the language of before, whatever the browser asks for; without a session that counts.
#[tokio::test(start_paused = true)]
async fn the_page_after_logging_out_is_in_the_language_of_before() {
    let mut site = site();
    site.intake = intake((site.store.clone(), site.clock.clone()), CHEAP, "nl");
    let link = site.seal_text("jan@else.example", "Dag").await;
    for (session, query, lang) in [(true, "", "nl"), (true, "?taal=en", "en"), (false, "", "en")] {
        let cookie = if session { site.unlock(&link).await } else { "__Host-zegel=".to_owned() };
        let mut post = form(&format!("/uitloggen{query}"), "");
        post.headers_mut().insert("cookie", cookie.parse().unwrap());
        post.headers_mut().insert("accept-language", "en".parse().unwrap());
        let answer = site.ask(post).await.text();
        assert!(answer.contains(&format!("<html lang=\"{lang}\">")), "{session} {query}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_end() {
    let site = site();
    let (link, cookie) = opened(&site, &rich()).await;
    for _ in 0..5 {
        site.clock.advance(Duration::from_mins(14));
        assert_eq!(site.read("/bericht", &cookie).await.status, StatusCode::OK);
    }
    site.clock.advance(Duration::from_secs(15 * 60 + 1));
    assert_eq!(site.read("/bericht", &cookie).await.status, StatusCode::FORBIDDEN, "idle");

    let cookie = site.unlock(&link).await;
    for _ in 0..17 {
        site.clock.advance(Duration::from_mins(14));
        site.read("/bericht", &cookie).await;
    }
    site.clock.advance(Duration::from_mins(3));
    assert_eq!(site.read("/bericht", &cookie).await.status, StatusCode::FORBIDDEN, "four hours");
}

#[tokio::test(start_paused = true)]
async fn a_session_can_be_extended_until_its_longest() {
    let site = site();
    let (_, cookie) = opened(&site, &rich()).await;
    let extend = async |cookie: &str| {
        let mut post = form("/verlengen", "");
        post.headers_mut().insert("cookie", cookie.parse().unwrap());
        site.ask(post).await
    };
    assert!(site.read("/bericht", &cookie).await.text().contains("data-seconds=\"900\""));
    // From 13 minutes on the page offers it; 16 times is 3 hours and 28 minutes.
    for _ in 0..16 {
        site.clock.advance(Duration::from_mins(13));
        let answer = extend(&cookie).await;
        assert_eq!((answer.status, answer.header("zegel-session-seconds")), (StatusCode::NO_CONTENT, "900"));
    }
    // Opening took five seconds before the session began.
    for left in ["900", "360"] {
        site.clock.advance(Duration::from_mins(13));
        assert_eq!(extend(&cookie).await.header("zegel-session-seconds"), left);
    }
    site.clock.advance(Duration::from_mins(6));
    let answer = extend(&cookie).await;
    assert_eq!((answer.status, answer.header("zegel-session-seconds")), (StatusCode::FORBIDDEN, ""));
    assert_eq!(extend("").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn odd_mails_are_shown_somehow() {
    let site = site();
    let cases: [(&str, &str, &str); 6] = [
        ("From: a@b.nl\r\n", "", "Dit bericht heeft geen tekst."),
        ("Content-Type: multipart/mixed; boundary=x\r\n", "--x\r\n\r\nDag\r\n", "Dag"),
        ("Content-Type: multipart/mixed\r\n", "--x\r\nDag\r\n", "Bericht zonder onderwerp"),
        (
            "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n",
            "=E9=E9n=\r\n twee",
            "één twee",
        ),
        ("Content-Type: text/plain; charset=utf-7\r\n", "+ADw-script+AD4-alert(1)", "Bericht zonder onderwerp"),
        ("Content-Type: application/pdf; name=los.pdf\r\n", "%PDF", "los.pdf"),
    ];
    for (n, (header, body, expected)) in cases.into_iter().enumerate() {
        let link = site.seal(&format!("jan{n}@else.example"), header, body.as_bytes()).await;
        let cookie = site.unlock(&link).await;
        let page = site.read("/bericht", &cookie).await;
        assert_eq!(page.status, StatusCode::OK, "{header}");
        assert!(page.text().contains(expected), "{expected} in {}", page.text());
        let ours = ["/antwoord.js", "/sessie.js"].map(|script| format!("<script src=\"{script}?v="));
        let count = ours.iter().map(|script| page.text().matches(script.as_str()).count()).sum::<usize>();
        assert_eq!((page.text().matches("<script").count(), count), (2, 2), "{}", page.text());
    }
}
