//! A mail within the mail (message/rfc822), made readable: who, when, what about, its text, and what is attached to it.
//!
//! Its first megabyte is read and looked at as a mail of its own is; its pictures stay away, and its files are had by downloading it.

use std::collections::HashMap;

use axum::body::Body;
use axum::response::Response;
use data_encoding::HEXLOWER;

use crate::base::entropy::random;
use crate::mail::header::HeaderBlock;
use crate::mail::manifest::Manifest;
use crate::mail::mime::{Indexer, LeafDecoder, Limits, Part, to_text};
use crate::text::Words;
use crate::text::page::{NestedPage, NestedText, autolink, plain_note};

use crate::web::answer::Problem;
use crate::web::app::App;

use super::sanitise::{Fragment, is_costly, plain, preformatted, sanitise};
use super::{MOST_HTML, Opened, frame};

/// Whether a part is a mail.
pub(super) fn is_mail(part: &Part) -> bool {
    matches!(part.content_type.as_str(), "message/rfc822" | "message/global")
}

/// The nested mail as a document of its own, in the sandbox in which the mail's HTML stands.
pub(super) async fn show(app: &App, opened: &Opened, part: &Part, words: Words<'_>) -> Result<Response, Problem> {
    let (bytes, mut cut) = opened.content(app).await?.start_of(part, MOST_HTML).await?;
    let mail = Nested::read(&bytes);
    cut |= mail.manifest.mime.cut;
    let text = match mail.text() {
        None => NestedText::Empty,
        Some((text, false)) => NestedText::Plain(autolink(&text)),
        Some((html, true)) => {
            let mark = HEXLOWER.encode(&random::<16>(app.entropy.as_ref()));
            let work = html.clone();
            let cleaned =
                app.cleaners.run(move || (!is_costly(&work)).then(|| sanitise(&work, HashMap::new(), &mark))).await?;
            NestedText::Html(match cleaned.flatten() {
                Some(fragments) => fragments.into_iter().filter_map(html_only).collect(),
                None => format!("<p><b>{}</b></p>{}", plain_note(words)?, plain(&html)),
            })
        }
    };
    let Manifest { from, to, cc, date, subject, .. } = &mail.manifest;
    let files = mail.files();
    let document = NestedPage { words, from, to, cc, date, subject, files: &files, text, cut };
    Ok(frame::sandboxed(Body::from(askama::Template::render(&document)?)))
}

/// Pictures are none of ours to give here.
fn html_only(fragment: Fragment) -> Option<String> {
    match fragment {
        Fragment::Html(html) => Some(html),
        Fragment::Picture(_) => None,
    }
}

/// A mail in memory.
struct Nested<'a> {
    bytes: &'a [u8],
    manifest: Manifest,
}

impl<'a> Nested<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let mut indexer = Indexer::new(Limits::default());
        indexer.push(bytes);
        let mime = indexer.finish();
        let header = mime.parts.first().and_then(|whole| slice(bytes, 0, whole.body)).unwrap_or_default();
        let facts = HeaderBlock::new(header).facts(&[]);
        Self { bytes, manifest: Manifest::new(&facts, mime) }
    }

    /// What it says, and whether that is HTML.
    fn text(&self) -> Option<(String, bool)> {
        let numbers = self.manifest.mime.shown().rich;
        let parts = &self.manifest.mime.parts;
        let leaves: Vec<&Part> =
            numbers.iter().filter_map(|n| parts.get(usize::try_from(*n).ok()?)).filter(|p| p.body < p.end).collect();
        let is_html = leaves.iter().any(|part| part.content_type == "text/html");
        let mut texts = Vec::new();
        for part in leaves {
            let mut out = Vec::new();
            let mut decoder = LeafDecoder::new(&part.encoding);
            decoder.push(slice(self.bytes, part.body, part.end)?, &mut out);
            decoder.finish(&mut out);
            let text = to_text(&part.charset, &out);
            let plain = is_html && part.content_type != "text/html";
            texts.push(if plain { preformatted(&text) } else { text });
        }
        (!texts.is_empty()).then(|| (texts.join("\n\n"), is_html))
    }

    /// The names of its files, as far as they have one.
    fn files(&self) -> Vec<&str> {
        let parts = &self.manifest.mime.parts;
        let listed = self.manifest.mime.attachments().into_iter().filter_map(|n| parts.get(usize::try_from(n).ok()?));
        listed.map(|part| part.name.as_str()).filter(|name| !name.is_empty()).collect()
    }
}

fn slice(bytes: &[u8], from: u64, to: u64) -> Option<&[u8]> {
    bytes.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mail_within_a_mail_is_read_as_a_mail() {
        let mail = b"From: Anna <anna@a.example>\r\nSubject: =?utf-8?q?=C3=A9=C3=A9n?=\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\n\
            Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\nDag=20Jan\r\n--x\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\n%PDF\r\n--x--\r\n";
        let nested = Nested::read(mail);
        let Manifest { from, subject, date, .. } = &nested.manifest;
        assert_eq!((from.as_str(), subject.as_str()), ("Anna <anna@a.example>", "\u{e9}\u{e9}n"));
        assert_eq!(date, "Sat, 21 Nov 2026 10:00:00 +0100");
        assert_eq!(nested.text(), Some(("Dag Jan".to_owned(), false)));
        assert_eq!(nested.files(), ["a.pdf"]);
    }

    proptest! {
        #[test]
        fn whatever_is_called_a_mail_is_looked_at(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let nested = Nested::read(&bytes);
            nested.text();
            nested.files();
        }
    }
}
