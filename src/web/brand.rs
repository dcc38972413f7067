//! How the pages look as the organisation's own: its logo and its colour.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::text::page::Accent;

use super::answer::Problem;
use super::app::Shared;
use super::headers::DOWNLOAD_POLICY;
use super::message::begins_as;
use super::routes::kept;

/// Most bytes of a logo: it is a part of every first page.
pub const MOST_LOGO: u64 = 32 * 1024;

/// What an organisation may set.
#[derive(Debug, Clone, Default)]
pub struct Brand {
    /// Stands in the head of every page in place of the name.
    pub logo: Option<Logo>,
    /// Colour of buttons and marks.
    pub accent: Option<Accent>,
}

/// A picture that browsers show and that cannot do anything in an `img`.
#[derive(Debug, Clone)]
pub struct Logo {
    kind: &'static str,
    bytes: Bytes,
}

impl Logo {
    /// Takes SVG, PNG or WebP, at most [`MOST_LOGO`] bytes, by what it holds; `None` for anything else.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        let small = u64::try_from(bytes.len()).is_ok_and(|len| len <= MOST_LOGO);
        let picture = ["image/png", "image/webp"].into_iter().find(|kind| begins_as(kind, &bytes));
        let kind = picture.or_else(|| is_svg(&bytes).then_some("image/svg+xml"))?;
        small.then(|| Self { kind, bytes: bytes.into() })
    }

    /// What it holds.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Whether this is text whose first element is `svg` (SVG 2 §5.1.1).
fn is_svg(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let elements = text.split('<').skip(1).find(|element| !element.starts_with(['?', '!']));
    elements
        .and_then(|element| element.strip_prefix("svg"))
        .is_some_and(|rest| rest.starts_with([' ', '\n', '\r', '\t', '>']))
}

/// `GET /logo`: kept by browsers under an address that changes with it. Shown by itself it may run nothing.
pub(super) async fn logo(State(app): State<Shared>) -> Result<Response, Problem> {
    let logo = app.settings.brand.logo.as_ref().ok_or(Problem::NotFound)?;
    let mut response = kept(logo.kind, logo.bytes.clone()).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(DOWNLOAD_POLICY));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_logo_is() {
        let cases: [(&[u8], Option<&str>); 10] = [
            (b"\x89PNG\r\n\x1a\n...", Some("image/png")),
            (b"RIFF....WEBPVP8 ", Some("image/webp")),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", Some("image/svg+xml")),
            (b"\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!DOCTYPE svg>\n<!-- x -->\n<svg\n/>", Some("image/svg+xml")),
            (b"<svgx/>", None),
            (b"<html><svg/></html>", None),
            (b"\xff\xd8\xff\xe0", None),
            (b"GIF89a", None),
            (b"<svg \xff/>", None),
            (b"", None),
        ];
        for (bytes, kind) in cases {
            assert_eq!(Logo::new(bytes.to_vec()).map(|logo| logo.kind), kind, "{:?}", String::from_utf8_lossy(bytes));
        }
        let long = |len: usize| Logo::new([&b"<svg>"[..], &vec![b' '; len - 5]].concat());
        assert!(long(32 * 1024).is_some() && long(32 * 1024 + 1).is_none());
    }
}
