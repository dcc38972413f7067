//! What the page shows of a mail and what it lists: structures of real programs, as data.

use super::super::*;
use super::{index, mixed};

/// What is shown and what is listed, as names of leaves (`name=`) or numbers.
#[test]
fn what_a_reader_sees() {
    let part = |kind: &str, rest: &str| format!("Content-Type: {kind}\r\n{rest}\r\nlong enough\r\n");
    let join = |boundary: &str, parts: &[String]| {
        let parts: String = parts.iter().map(|part| format!("--{boundary}\r\n{part}")).collect();
        format!("{parts}--{boundary}--\r\n")
    };
    let multi = |kind: &str, boundary: &str, parts: &[String]| {
        format!("Content-Type: multipart/{kind}; boundary={boundary}\r\n\r\n{}", join(boundary, parts))
    };
    let text = || part("text/plain", "");
    let html = || part("text/html", "");
    let pdf = || part("application/pdf; name=a.pdf", "Content-Disposition: attachment\r\n");
    let image = || part("image/png", "Content-ID: <i>\r\n");
    let empty = || "Content-Type: text/plain\r\n\r\n\r\n".to_owned();
    let named = || part("text/plain; name=a.txt", "");
    // Apple Mail's: text, picture, text; as text alone, and beside HTML that is cut in the same way.
    for (name, mail, plain, rich, listed) in [
        ("text behind a file", multi("mixed", "a", &[text(), pdf(), text()]), vec![1, 3], vec![1, 3], vec![2]),
        (
            "cut HTML",
            multi("alternative", "a", &[text(), multi("mixed", "b", &[html(), image(), html()])]),
            vec![1],
            vec![3, 5],
            vec![4],
        ),
        ("text and html side by side", multi("mixed", "a", &[text(), html()]), vec![1, 2], vec![1, 2], vec![]),
        (
            "a list's foot",
            multi("mixed", "a", &[multi("alternative", "b", &[text(), html()]), text()]),
            vec![2, 4],
            vec![3, 4],
            vec![],
        ),
        ("a file that is text", multi("mixed", "a", &[text(), named(), text()]), vec![1, 3], vec![1, 3], vec![2]),
        ("parts of a page", multi("related", "a", &[html(), image(), html()]), vec![1], vec![1], vec![2, 3]),
    ] {
        let found = index(&mail);
        assert_eq!((found.shown(), found.attachments()), (Shown { plain, rich }, listed), "{name}: {mail}");
    }
    for (name, mail, shown, listed) in [
        ("text", text(), (Some(0), None), vec![]),
        ("html", html(), (None, Some(0)), vec![]),
        ("pdf", pdf(), (None, None), vec![0]),
        ("unknown type, no name", part("application/x", ""), (None, None), vec![0]),
        ("alternative", multi("alternative", "b", &[text(), html()]), (Some(1), Some(2)), vec![]),
        ("last of each", multi("alternative", "b", &[text(), html(), text(), html()]), (Some(3), Some(4)), vec![]),
        ("amp", multi("alternative", "b", &[text(), part("text/x-amp-html", ""), html()]), (Some(1), Some(3)), vec![]),
        ("invitation", multi("alternative", "b", &[text(), part("text/calendar", "")]), (Some(1), None), vec![2]),
        (
            "with attachment",
            multi("mixed", "a", &[multi("alternative", "b", &[text(), html()]), pdf()]),
            (Some(2), Some(3)),
            vec![4],
        ),
        ("related", multi("related", "a", &[html(), image()]), (None, Some(1)), vec![2]),
        (
            "related in alternative",
            multi("alternative", "a", &[text(), multi("related", "b", &[html(), image()])]),
            (Some(1), Some(3)),
            vec![4],
        ),
        (
            "mixed in alternative",
            multi("alternative", "a", &[text(), multi("mixed", "b", &[html(), pdf()])]),
            (Some(1), Some(3)),
            vec![4],
        ),
        ("signed", multi("signed", "a", &[text(), part("application/pgp-signature", "")]), (Some(1), None), vec![2]),
        ("empty first text", multi("mixed", "a", &[empty(), pdf(), text()]), (Some(3), None), vec![2]),
        ("two letters", "Content-Type: text/plain\r\n\r\nok".into(), (Some(0), None), vec![]),
        ("file first", multi("mixed", "a", &[pdf(), text()]), (Some(2), None), vec![1]),
        (
            "text as attachment",
            multi("mixed", "a", &[part("text/plain", "Content-Disposition: attachment\r\n"), html()]),
            (None, Some(2)),
            vec![1],
        ),
        ("forwarded", multi("mixed", "a", &[text(), part("message/rfc822", "")]), (Some(1), None), vec![2]),
        (
            "encrypted",
            multi("encrypted", "a", &[part("application/pgp-encrypted", ""), part("application/octet-stream", "")]),
            (None, None),
            vec![1, 2],
        ),
        ("no boundary", "Content-Type: multipart/mixed\r\n\r\nlong enough".into(), (Some(0), None), vec![]),
        ("no parts", multi("mixed", "b", &[]), (Some(0), None), vec![]),
    ] {
        let found = index(&mail);
        let (text, html) = shown;
        let form = |first: Option<u32>, second: Option<u32>| first.or(second).into_iter().collect();
        let shown = Shown { plain: form(text, html), rich: form(html, text) };
        assert_eq!((found.shown(), found.attachments()), (shown, listed), "{name}: {mail}");
    }
}

#[test]
fn an_index_from_elsewhere_cannot_loop() {
    let mut found = index(&mixed("--b1\r\n\r\na\r\n--b1\r\n\r\nb\r\n--b1--\r\n"));
    found.parts[0].parent = Some(2);
    found.parts[1].parent = Some(1);
    found.parts[2].parent = Some(u32::MAX);
    let _ = (found.shown(), found.attachments());
    assert_eq!(MimeIndex::default().shown(), Shown::default());
}
