//! The mail's HTML in a document of its own: harmless by the sanitiser, and in a sandbox without scripts, origin or network.
//!
//! Pictures of the mail stand in the document itself as `data:` addresses, streamed while they are decrypted: a sandboxed
//! document has no origin of its own, so a browser would not send our cookie with a request for them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use futures_util::stream;
use sha2::{Digest, Sha256};

use crate::base::entropy::random;
use crate::mail::mime::Part;
use crate::text::page::{FRAME_STYLE, plain_note};

use crate::web::answer::{Problem, Rendered};
use crate::web::app::Shared;
use crate::web::client::Visitor;

use super::content::Content;
use super::mail::{Leaf, Leaves};
use super::sanitise::{Fragment, is_costly, plain, preformatted, sanitise};
use super::span::Span;
use super::{MOST_HTML, Opened};

/// Most bytes of pictures put into one document, each time one is shown; the rest is left out.
const MOST_PICTURES: u64 = 20 * 1024 * 1024;

/// Pictures that browsers show and that can hold no script.
const PICTURE_TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// `GET /bericht/html`.
pub(in crate::web) async fn show(
    State(app): State<Shared>,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let opened = Opened::of(&app, &headers, &uri).await?;
    let text = Leaves::of(&app, &opened, &opened.manifest.mime.shown().rich, (MOST_HTML, MOST_HTML)).await?;
    if !text.is_html() {
        return Err(Problem::NotFound);
    }
    let content = opened.content(&app).await?;
    let pictures = pictures(&opened);
    let mark = HEXLOWER.encode(&random::<16>(app.entropy.as_ref()));
    let leaves: Arc<[Leaf]> = text.leaves.into();
    let work = Arc::clone(&leaves);
    let clean = move || {
        let costly = work.iter().any(|leaf| leaf.is_html && is_costly(&leaf.text));
        (!costly).then(|| harmless(&work, &pictures, &mark))
    };
    let cleaned = app.cleaners.run(clean).await?;
    let words = app.texts.in_language(visitor.lang(&opened.session.view.contact.language));
    let fragments = if let Some(fragments) = cleaned.flatten() {
        fragments
    } else {
        let texts: String = leaves.iter().map(as_plain).collect();
        vec![Fragment::Html(format!("<p><b>{}</b></p>{texts}", plain_note(words)?))]
    };
    let head = format!(
        "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><meta name=\"referrer\" content=\"no-referrer\"><title>{}</title>\
         <style>{FRAME_STYLE}</style></head><body>",
        words.lang().tag(),
        words.get("message-frame")?,
    );
    Ok(answer(Document::new(head, &opened, content, fragments)))
}

/// The texts of a mail one after another, each closed in itself.
fn harmless(leaves: &[Leaf], pictures: &HashMap<String, u32>, mark: &str) -> Vec<Fragment> {
    let fragments = leaves.iter().map(|leaf| {
        if leaf.is_html { sanitise(&leaf.text, pictures.clone(), mark) } else { vec![Fragment::Html(as_plain(leaf))] }
    });
    fragments.flatten().collect()
}

/// A text without layout.
fn as_plain(leaf: &Leaf) -> String {
    if leaf.is_html { plain(&leaf.text) } else { preformatted(&leaf.text) }
}

/// Which part a Content-ID means.
fn pictures(opened: &Opened) -> HashMap<String, u32> {
    let numbered = (0_u32..).zip(&opened.manifest.mime.parts);
    let shown = numbered.filter(|(_, part)| !part.content_id.is_empty() && is_picture(part));
    shown.map(|(number, part)| (part.content_id.clone(), number)).collect()
}

/// Whether a part can be shown in the text.
pub(super) fn is_picture(part: &Part) -> bool {
    PICTURE_TYPES.contains(&part.content_type.as_str())
}

fn answer(document: Document) -> Response {
    let parts = stream::try_unfold(document, |mut document| async move {
        let next = document.next().await.map_err(|_| std::io::Error::other("the body is damaged"))?;
        Ok::<_, std::io::Error>(next.map(|bytes| (bytes, document)))
    });
    sandboxed(Body::from_stream(parts))
}

/// A document in which nothing runs and from which nothing is fetched; its style is [`FRAME_STYLE`].
pub(super) fn sandboxed(document: Body) -> Response {
    let mut response = document.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    headers.extend(policy().map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
    response.extensions_mut().insert(Rendered);
    response
}

/// Nothing runs, nothing is fetched; our style is known by its hash; links open outside.
fn policy() -> Option<HeaderValue> {
    let style = BASE64.encode(&Sha256::digest(FRAME_STYLE.as_bytes()));
    let text = format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{style}'; form-action 'none'; base-uri 'none'; \
         frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
    );
    HeaderValue::from_str(&text).ok()
}

/// What is still to be sent.
struct Document {
    content: Content,
    parts: HashMap<u32, Part>,
    ahead: VecDeque<Fragment>,
    picture: Option<Picture>,
    budget: u64,
}

/// A picture on its way, in base64.
struct Picture {
    span: Span,
    /// One or two bytes that wait for the third.
    rest: Vec<u8>,
}

impl Document {
    fn new(head: String, opened: &Opened, content: Content, fragments: Vec<Fragment>) -> Self {
        let numbered = (0_u32..).zip(&opened.manifest.mime.parts);
        let parts = numbered.filter(|(_, part)| is_picture(part)).map(|(n, part)| (n, part.clone())).collect();
        let mut ahead = VecDeque::from(fragments);
        ahead.push_front(Fragment::Html(head));
        ahead.push_back(Fragment::Html("</body></html>".to_owned()));
        Self { content, parts, ahead, picture: None, budget: MOST_PICTURES }
    }

    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            if let Some(picture) = &mut self.picture {
                if let Some(bytes) = picture.next().await? {
                    return Ok(Some(bytes));
                }
                self.picture = None;
            }
            match self.ahead.pop_front() {
                None => return Ok(None),
                Some(Fragment::Html(text)) if text.is_empty() => {}
                Some(Fragment::Html(text)) => return Ok(Some(text.into())),
                Some(Fragment::Picture(number)) => {
                    if let Some(start) = self.begin(number) {
                        return Ok(Some(start));
                    }
                }
            }
        }
    }

    /// Starts a picture: the head of its `data:` address. Past the budget it stays away.
    fn begin(&mut self, number: u32) -> Option<Bytes> {
        let part = self.parts.get(&number)?;
        self.budget = self.budget.checked_sub(part.end.saturating_sub(part.body))?;
        let span = self.content.span(part.body, part.end, &part.encoding);
        self.picture = Some(Picture { span, rest: Vec::new() });
        Some(format!("data:{};base64,", part.content_type).into())
    }
}

impl Picture {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        while let Some(bytes) = self.span.next().await? {
            self.rest.extend_from_slice(&bytes);
            let whole = self.rest.len() / 3 * 3;
            let later = self.rest.split_off(whole);
            let now = std::mem::replace(&mut self.rest, later);
            if !now.is_empty() {
                return Ok(Some(BASE64.encode(&now).into()));
            }
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        Ok(Some(BASE64.encode(&std::mem::take(&mut self.rest)).into()))
    }
}
