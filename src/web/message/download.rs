//! Attachments and the whole mail as files: names that no system trips over, types that no browser runs.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::mail::mime::Part;

use crate::web::answer::Problem;
use crate::web::app::Shared;
use crate::web::client::Visitor;
use crate::web::headers::DOWNLOAD_POLICY;

use super::{Opened, frame, nested, serve};

/// Types that a browser only shows or saves. Anything else, HTML, SVG and XML among it, is called a row of bytes.
const SAFE_TYPES: &[&str] = &[
    "application/gzip",
    "application/msword",
    "application/pdf",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/vnd.oasis.opendocument.presentation",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/zip",
    "audio/mpeg",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/calendar",
    "text/csv",
    "video/mp4",
];

/// `GET /bericht/bijlage/{number}`.
pub(in crate::web) async fn attachment(
    State(app): State<Shared>,
    Path(number): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let opened = Opened::of(&app, &headers, &uri).await?;
    let number: u32 = number.parse().map_err(|_| Problem::NoPart)?;
    let part = opened.attachment(number).ok_or(Problem::NoPart)?;
    let response = serve::file(&app, &opened, (number, part), (&method, &headers)).await?;
    as_response(safe_kind(&part.content_type), &file_name(part, number), response)
}

/// `GET /bericht/bijlage/{number}/bekijken`: a mail, or a picture, and that only if its first bytes say that it is the one that it is called.
pub(in crate::web) async fn preview(
    State(app): State<Shared>,
    Path(number): Path<String>,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let opened = Opened::of(&app, &headers, &uri).await?;
    let number: u32 = number.parse().map_err(|_| Problem::NoPart)?;
    let part = opened.attachment(number).filter(|part| has_preview(part)).ok_or(Problem::NoPart)?;
    if nested::is_mail(part) {
        let words = app.texts.in_language(visitor.lang(&opened.session.view.contact.language));
        return nested::show(&app, &opened, part, words).await;
    }
    let content = opened.content(&app).await?;
    let (start, _) = content.start_of(part, 64).await?;
    if !begins_as(&part.content_type, &start) {
        return Err(Problem::NoView);
    }
    let body = content.span(part.body, part.end, &part.encoding).into_body().await?;
    let mut response = as_file(&part.content_type, &file_name(part, number), None, body)?;
    let shown = disposition(&file_name(part, number)).replacen("attachment", "inline", 1);
    let shown = HeaderValue::from_str(&shown).map_err(|_| Problem::Broken)?;
    response.headers_mut().insert(header::CONTENT_DISPOSITION, shown);
    Ok(response)
}

/// Whether a part can be looked at in the browser.
pub(super) fn has_preview(part: &Part) -> bool {
    frame::is_picture(part) || nested::is_mail(part)
}

/// Whether a picture of this type begins with these bytes (PNG: RFC 2083 §3.1; JPEG: ISO 10918-1 B.1.1.3; `GIF89a` §17; WebP: RFC 9649 §2.3).
pub(in crate::web) fn begins_as(content_type: &str, start: &[u8]) -> bool {
    match content_type {
        "image/png" => start.starts_with(b"\x89PNG\r\n\x1a\n"),
        "image/jpeg" => start.starts_with(&[0xff, 0xd8, 0xff]),
        "image/gif" => start.starts_with(b"GIF87a") || start.starts_with(b"GIF89a"),
        "image/webp" => start.starts_with(b"RIFF") && start.get(8..12) == Some(b"WEBP"),
        _ => false,
    }
}

/// `GET /bericht/origineel.eml`: byte for byte as stored.
pub(in crate::web) async fn original(
    State(app): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let opened = Opened::of(&app, &headers, &uri).await?;
    let response = serve::whole_mail(&app, &opened, (&method, &headers)).await?;
    as_response("message/rfc822", "bericht.eml", response)
}

/// A type to call a file by.
pub(super) fn safe_kind(kind: &str) -> &str {
    if SAFE_TYPES.contains(&kind) { kind } else { "application/octet-stream" }
}

pub(super) fn as_file(kind: &str, name: &str, len: Option<u64>, body: axum::body::Body) -> Result<Response, Problem> {
    let mut response = as_response(kind, name, body.into_response())?;
    if let Some(len) = len {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    }
    Ok(response)
}

/// The same for a body that has its status and length already.
fn as_response(kind: &str, name: &str, mut response: Response) -> Result<Response, Problem> {
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| Problem::Broken);
    if response.status().is_client_error() {
        return Ok(response);
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, value(kind)?);
    headers.insert(header::CONTENT_DISPOSITION, value(&disposition(name))?);
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(DOWNLOAD_POLICY));
    Ok(response)
}

/// The name to save a part under.
fn file_name(part: &Part, number: u32) -> String {
    let name = tidy(&part.name);
    match (name.is_empty(), part.content_type.as_str()) {
        (false, _) => name,
        (true, "message/rfc822" | "message/global") => format!("bericht-{number}.eml"),
        (true, "application/pdf") => format!("bijlage-{number}.pdf"),
        (true, "image/jpeg") => format!("bijlage-{number}.jpg"),
        (true, "image/png") => format!("bijlage-{number}.png"),
        (true, _) => format!("bijlage-{number}"),
    }
}

/// A name without anything that a file system, a shell or an eye could misread; at most 120 characters, with its extension.
pub(super) fn tidy(name: &str) -> String {
    const LONGEST: usize = 120;
    let harmless = |c: char| {
        !c.is_control()
            && !matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let kept: String = name.chars().map(|c| if harmless(c) { c } else { '_' }).collect();
    let kept = kept.trim_start_matches(['.', ' ', '_', '-']).trim_end_matches(['.', ' ']);
    let over = kept.chars().count().saturating_sub(LONGEST);
    let shortened = match kept.rsplit_once('.') {
        Some((stem, extension)) if over > 0 && extension.chars().count() <= 10 => {
            let keep = stem.chars().count().saturating_sub(over);
            format!("{}.{extension}", stem.chars().take(keep).collect::<String>())
        }
        _ => kept.chars().take(LONGEST).collect(),
    };
    let stem = shortened.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let is_device = matches!(stem.as_str(), "con" | "prn" | "aux" | "nul")
        || (stem.len() == 4
            && ["com", "lpt"].iter().any(|device| stem.starts_with(device))
            && stem.ends_with(|c: char| c.is_ascii_digit()));
    if is_device { format!("bijlage-{shortened}") } else { shortened }
}

/// `Content-Disposition` with a plain name for old readers and the real one (RFC 6266 §4.3, RFC 8187).
fn disposition(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%') { c } else { '_' }).collect();
    let is_attr_char = |b: u8| b.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&b);
    let encoded: String =
        name.bytes().map(|b| if is_attr_char(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names() {
        let cases = [
            ("uitslag.pdf", "uitslag.pdf"),
            ("../../etc/passwd", "etc_passwd"),
            ("C:\\temp\\x.doc", "C__temp_x.doc"),
            (".bashrc", "bashrc"),
            ("-rf", "rf"),
            ("a\r\nSet-Cookie: x=1.pdf", "a__Set-Cookie_ x=1.pdf"),
            ("factuur\u{202e}fdp.exe", "factuur_fdp.exe"),
            ("nul", "bijlage-nul"),
            ("COM1.txt", "bijlage-COM1.txt"),
            ("compact.txt", "compact.txt"),
            ("naam. . ", "naam"),
            ("...", ""),
            ("\u{0}", ""),
            ("ziekenhuis één.pdf", "ziekenhuis één.pdf"),
        ];
        for (name, expected) in cases {
            assert_eq!(tidy(name), expected, "{name:?}");
        }
        let long = tidy(&format!("{}.pdf", "x".repeat(400)));
        assert_eq!((long.len(), long.ends_with("x.pdf")), (120, true));
        assert_eq!(tidy(&"é".repeat(400)).chars().count(), 120);
    }

    #[test]
    fn the_header_carries_both_names() {
        assert_eq!(
            disposition("één \"2\" 100%.pdf"),
            "attachment; filename=\"__n _2_ 100_.pdf\"; filename*=UTF-8''%C3%A9%C3%A9n%20%222%22%20100%25.pdf"
        );
    }

    proptest! {
        #[test]
        fn any_name_makes_one_valid_header(name in any::<String>()) {
            let value = HeaderValue::from_str(&disposition(&tidy(&name))).unwrap();
            let text = value.to_str().unwrap();
            prop_assert_eq!(text.matches('"').count(), 2);
            prop_assert!(!text.contains(['/', '\\', '\r', '\n']));
        }
    }
}
