//! What a reader takes along: part of a file after a broken download, the appointment, the message as PDF.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use data_encoding::BASE64_MIME;

use crate::routes::assert_headers;
use crate::site::{Answer, Site, request, site};

const HEADER: &str = "From: Anna Jansen <a.jansen@zorg.example>\r\nTo: Jan <jan@else.example>\r\nSubject: [veilig] Uitslag\r\n\
    Date: Sat, 21 Nov 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=grens\r\n";

/// 300,000 bytes that tell where they stand: more than four sealed chunks.
fn plain() -> Vec<u8> {
    (0_u32..75_000).flat_map(u32::to_le_bytes).collect()
}

async fn opened(site: &Site, to: &str, parts: &[(&str, &[u8])]) -> String {
    let mut body = Vec::new();
    for (header, content) in parts {
        body.extend_from_slice(format!("--grens\r\n{header}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--grens--\r\n");
    let link = site.seal(to, HEADER, &body).await;
    site.unlock(&link).await
}

async fn ask(site: &Site, path: &str, cookie: &str, headers: &[(&str, &str)]) -> Answer {
    let mut asked = request(Method::GET, path).header("cookie", cookie);
    for (name, value) in headers {
        asked = asked.header(*name, *value);
    }
    site.ask(asked.body(Body::empty()).unwrap()).await
}

/// What is exactly sent of a file, and when all of it is.
async fn check_ranges(site: &Site, cookie: &str, path: &str, whole: &[u8]) {
    let len = whole.len();
    let first = site.read(path, cookie).await;
    let (etag, name) = (first.header("etag"), first.header("content-disposition"));
    assert_eq!((first.status, first.header("accept-ranges")), (StatusCode::OK, "bytes"));
    assert!(first.body == whole && first.header("cache-control") == "no-store", "{path}");
    assert_eq!(first.header("content-length"), len.to_string(), "{path}: a browser shows how far it is");
    assert!(etag.len() == 34 && etag.starts_with('"'), "{etag}");
    for (line, range) in [
        ("bytes=0-0", 0..1),
        ("bytes=65535-65536", 65_535..65_537),
        ("bytes=100001-200002", 100_001..200_003),
        ("bytes=-7", len - 7..len),
        ("bytes=12345-", 12_345..len),
        ("bytes=5-99999999999999999999", 5..len),
    ] {
        let part = ask(site, path, cookie, &[("range", line), ("if-range", etag)]).await;
        assert_headers(line, &part);
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT, "{path} {line}");
        assert!(part.body == whole[range.clone()], "{path} {line}");
        assert_eq!(part.header("content-range"), format!("bytes {}-{}/{len}", range.start, range.end - 1));
        assert_eq!(part.header("content-length"), range.len().to_string());
        assert_eq!((part.header("etag"), part.header("content-disposition")), (etag, name));
    }
    let none = ask(site, path, cookie, &[("range", "bytes=9000000-")]).await;
    assert_eq!((none.status, none.body.len()), (StatusCode::RANGE_NOT_SATISFIABLE, 0));
    assert_eq!(none.header("content-range"), format!("bytes */{len}"));
    for headers in [
        &[("range", "bytes=0-1,5-6")][..],
        &[("range", "bytes=-1-2")],
        &[("range", "bytes=7-3")],
        &[("range", "bytes=0-1"), ("range", "bytes=0-1")],
        &[("range", "bytes=0-1"), ("if-range", "\"anders\"")],
        &[("range", "bytes=0-1"), ("if-range", "Sat, 21 Nov 2026 10:00:00 GMT")],
    ] {
        let answer = ask(site, path, cookie, headers).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, len), "{headers:?}");
        assert_eq!(answer.header("content-range"), "", "{headers:?}");
    }
    assert_eq!(ask(site, path, "", &[("range", "bytes=0-1")]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn a_range_of_a_file_is_exactly_that() {
    let site = site();
    let plain = plain();
    let encoded = BASE64_MIME.encode(&plain);
    let binary: Vec<u8> = plain.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b'.' } else { *byte }).collect();
    let odd = encoded.replacen("\r\n", "\r\n \r\n", 1);
    let file =
        |encoding: &str| format!("Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: {encoding}");
    let (base64, eight, quoted) = (file("base64"), file("binary"), file("quoted-printable"));
    let parts: [(&str, &[u8]); 5] = [
        ("Content-Type: text/plain", b"Dag"),
        (&base64, encoded.as_bytes()),
        (&eight, &binary),
        (&base64, odd.as_bytes()),
        (&quoted, b"a=41b"),
    ];
    let cookie = opened(&site, "jan@else.example", &parts).await;
    let mail = site.read("/bericht/origineel.eml", &cookie).await.body;
    let files: [(&str, &[u8]); 3] =
        [("/bericht/bijlage/2", &plain), ("/bericht/bijlage/3", &binary), ("/bericht/origineel.eml", &mail)];
    for (path, whole) in files {
        check_ranges(&site, &cookie, path, whole).await;
    }
    // Of odd base64 and of quoted-printable there are neither length nor ranges: the whole comes.
    for (path, whole) in [("/bericht/bijlage/4", &plain[..]), ("/bericht/bijlage/5", b"aAb")] {
        let answer = ask(&site, path, &cookie, &[("range", "bytes=0-1")]).await;
        assert!((answer.status, answer.body.as_slice()) == (StatusCode::OK, whole), "{path}");
        assert_eq!((answer.header("content-range"), answer.header("content-length")), ("", ""));
        assert_eq!(answer.header("accept-ranges"), "");
    }
}

#[tokio::test(start_paused = true)]
async fn an_appointment_stands_above_the_text() {
    let site = site();
    let event = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Gesprek <b>uitslag</b>\r\n\
        DTSTART;TZID=America/New_York:20261123T040000\r\nDTEND;TZID=America/New_York:20261123T043000\r\n\
        LOCATION:https://vergader.example/1\r\nORGANIZER;CN=Anna Jansen:mailto:a.jansen@zorg.example\r\nATTENDEE:mailto:jan@else.example\r\n\
        DESCRIPTION:Neem uw pas mee.\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let kind = "Content-Type: text/calendar; method=REQUEST; charset=utf-8";
    let cookie =
        opened(&site, "jan@else.example", &[("Content-Type: text/plain", b"Dag"), (kind, event.as_bytes())]).await;
    let page = site.read("/bericht", &cookie).await;
    assert_headers("message", &page);
    let text = page.text();
    for expected in [
        "<h2 id=\"afspraak\">Afspraak: Gesprek &#60;b&#62;uitslag&#60;/b&#62;</h2>",
        "maandag 23 november 2026, 10:00 tot 10:30 uur",
        "In de tijdzone van de afspraak (America/New_York): maandag 23 november 2026, 04:00 tot 04:30 uur",
        "<a href=\"https://vergader.example/1\" target=\"_blank\" rel=\"noopener noreferrer\">",
        "Anna Jansen (a.jansen@zorg.example)",
        "Neem uw pas mee.",
        "href=\"/bericht/bijlage/2\" download>Afspraak downloaden",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    // What cannot be read is a file like any other, and so is what is too long.
    let long = format!("{}X-LANG:{}\r\n", &event[..event.len() - 30], "x".repeat(300_000));
    for (number, broken) in ["BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:x\r\n", "", &long].into_iter().enumerate() {
        let to = format!("jan{number}@else.example");
        let cookie = opened(&site, &to, &[("Content-Type: text/plain", b"Dag"), (kind, broken.as_bytes())]).await;
        let page = site.read("/bericht", &cookie).await;
        assert!(page.status == StatusCode::OK && !page.text().contains("afspraak\""), "{broken:.40}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_message_can_be_kept_as_pdf() {
    let site = site();
    let html = "<p>Dag <b>Jan</b>,</p><script>alert(1)</script><p>De uitslag is &eacute;&eacute;n.</p>";
    for (kind, body) in
        [("text/html; charset=utf-8", html), ("text/plain; charset=utf-8", "Dag Jan,\r\n\r\nDe uitslag is één.")]
    {
        let kind = format!("Content-Type: {kind}\r\nContent-Transfer-Encoding: 8bit");
        let file = "Content-Type: application/pdf; name=brief.pdf\r\nContent-Disposition: attachment";
        let to = format!("jan{}@else.example", body.len());
        let cookie = opened(&site, &to, &[(&kind, body.as_bytes()), (file, b"%PDF")]).await;
        assert!(
            site.read("/bericht", &cookie)
                .await
                .text()
                .contains("href=\"/bericht/bericht.pdf\" download>Bewaren als PDF")
        );
        let pdf = site.read("/bericht/bericht.pdf", &cookie).await;
        assert_headers("pdf", &pdf);
        assert_eq!((pdf.status, pdf.header("content-type")), (StatusCode::OK, "application/pdf"));
        assert_eq!(pdf.header("content-disposition"), "attachment; filename=\"bericht.pdf\"");
        let text = text_of(&pdf.body);
        for expected in [
            "Uitslag\nVan: Anna Jansen, Voorbeeld Zorg (a.jansen@zorg.example)\nAan: Jan <jan@else.example>\nVerstuurd: zaterdag 21 november 2026, 10:00",
            "Dag Jan,\nDe uitslag is één.\n",
            "• brief.pdf (4 bytes)",
            "Bewaard op zaterdag 21 november 2026, 10:04",
        ] {
            let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat(&text).contains(&flat(expected)), "{expected} in {text}");
        }
        assert!(!text.contains("alert"));
        assert_eq!(site.read("/bericht/bericht.pdf", "").await.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_in_pieces_is_shown_whole_and_its_pictures_are_no_files() {
    let site = site();
    let png = |id: &str| {
        format!("Content-Type: image/png; name={id}.png\r\nContent-ID: <{id}>\r\nContent-Disposition: inline")
    };
    let (logo, photo) = (png("logo"), png("foto"));
    let html = |text: &str| format!("<p>{text}</p><img src=\"cid:logo\">");
    let (first, last) = (html("Het begin."), "<!-- nooit af <p>Weg.</p>".to_owned());
    let plain = "Content-Type: text/plain; charset=utf-8";
    let kind = "Content-Type: text/html; charset=utf-8";
    let parts: [(&str, &[u8]); 5] = [
        (kind, first.as_bytes()),
        (&logo, b"\x89PNG"),
        (kind, last.as_bytes()),
        (&photo, b"\x89PNG"),
        (plain, b"Het <eind> & meer."),
    ];
    let cookie = opened(&site, "jan@else.example", &parts).await;
    let frame = site.read("/bericht/html", &cookie).await.text();
    assert!(frame.contains("Het begin.") && frame.contains("<pre>Het &lt;eind&gt; &amp; meer.</pre>"), "{frame}");
    assert!(frame.contains("data:image/png;base64,"), "{frame}");
    let page = site.read("/bericht", &cookie).await.text();
    let pdf = text_of(&site.read("/bericht/bericht.pdf", &cookie).await.body);
    for (what, text) in [("page", &page), ("pdf", &pdf)] {
        assert!(!text.contains("logo.png") && text.contains("foto.png"), "{what}: {text}");
    }
    assert!(pdf.contains("Het begin.") && pdf.contains("Het <eind> & meer."), "{pdf}");
    // Without HTML it is one text.
    let parts: [(&str, &[u8]); 3] = [(plain, b"Hoi Jan,"), (&photo, b"\x89PNG"), (plain, b"Groet, Anna")];
    let cookie = opened(&site, "piet@else.example", &parts).await;
    let page = site.read("/bericht", &cookie).await.text();
    assert!(page.contains("Hoi Jan,\n\nGroet, Anna</div>"), "{page}");
}

pub fn text_of(pdf: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pdf");
    std::fs::write(&path, pdf).unwrap();
    let out = std::process::Command::new("pdftotext").arg(&path).arg("-").output().expect("pdftotext (tests/setup)");
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap()
}
