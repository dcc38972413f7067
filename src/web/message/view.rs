//! The message page, and logging out of it.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::mail::mime::{Part, to_text};
use crate::text::page::{Body, File, MessagePage, Plain, PlainPage, autolink};
use crate::text::{Lang, Words, format};

use crate::web::answer::{Problem, html};
use crate::web::app::{App, Shared};
use crate::web::client::Visitor;
use crate::web::headers::MESSAGE_POLICY;
use crate::web::{guard, session};

use super::{MOST_HTML, MOST_TEXT, Opened, frame};

/// `GET /bericht`.
pub(in crate::web) async fn show(
    State(app): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let opened = Opened::of(&app, &headers).await?;
    let view = &opened.session.view;
    let message = &opened.session.message;
    let page = app.page(visitor.lang(&view.contact.language));
    let zone = &app.settings.time_zone;
    let name = if message.sender.name.is_empty() { &message.sender.address } else { &message.sender.name };
    let shown = Text::of(&app, &opened).await?;
    let message_page = MessagePage {
        page,
        subject: &message.subject,
        from: &format!("{name}, {}", app.settings.organisation),
        from_address: &message.sender.address,
        to: &opened.manifest.to,
        cc: &opened.manifest.cc,
        sent: &format::moment(page.lang(), message.received, zone),
        files: files(&opened, &shown.source, page.words)?,
        body: shown.body,
        cut: shown.cut,
        size: &format::size(page.lang(), message.plain_len),
        idle: u32::try_from(app.settings.sessions.idle.as_secs() / 60).unwrap_or(u32::MAX),
        logout: &visitor.keep("/uitloggen"),
    };
    let mut response = html(StatusCode::OK, &message_page)?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(MESSAGE_POLICY));
    Ok(response)
}

/// What the page shows as the message's text.
struct Text {
    body: Body,
    /// Not all of it is shown.
    cut: bool,
    /// The HTML as its writer wrote it; empty for plain text.
    source: String,
}

impl Text {
    /// HTML where there is some, since its writer meant it to be read; else plain text.
    async fn of(app: &App, opened: &Opened) -> Result<Self, Problem> {
        let (text, html) = opened.manifest.mime.shown();
        let part = |number: Option<u32>| number.and_then(|n| opened.part(n)).filter(|part| part.body < part.end);
        let (part, most, is_html) = match (part(html), part(text)) {
            (Some(html), _) => (html, MOST_HTML, true),
            (None, Some(text)) => (text, MOST_TEXT, false),
            (None, None) => return Ok(Self { body: Body::Empty, cut: false, source: String::new() }),
        };
        let (bytes, cut) = opened.content(app).await?.start_of(part, most).await?;
        let written = to_text(&part.charset, &bytes);
        let (body, source) =
            if is_html { (Body::Html, written) } else { (Body::Text(autolink(&written)), String::new()) };
        Ok(Self { body, cut, source })
    }
}

/// The attachments, without the pictures that stand in the text.
fn files(opened: &Opened, source: &str, words: Words<'_>) -> Result<Vec<File>, Problem> {
    let in_text = |part: &Part| {
        !part.content_id.is_empty() && frame::is_picture(part) && source.contains(&format!("cid:{}", part.content_id))
    };
    let numbers = opened.manifest.mime.attachments();
    let parts = numbers.into_iter().filter_map(|number| opened.part(number).map(|part| (number, part)));
    let file = |(place, (number, part)): (usize, (u32, &Part))| {
        let size = format::size(words.lang(), decoded_len(part));
        Ok(File::new(words, number, place + 1, (&part.name, &part.content_type), size)?)
    };
    parts.filter(|(_, part)| !in_text(part)).enumerate().map(file).collect()
}

/// About how many bytes a part has once decoded: base64 in lines of 76 characters carries 57 bytes in 78.
fn decoded_len(part: &Part) -> u64 {
    let encoded = part.end.saturating_sub(part.body);
    if part.encoding == "base64" { encoded.saturating_mul(57) / 78 } else { encoded }
}

/// `POST /uitloggen`.
pub(in crate::web) async fn log_out(
    State(app): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !guard::from_our_page(&headers, &app.settings.origin) {
        return Err(Problem::Refused);
    }
    if let Some(token) = session::token(&headers, app.settings.demo) {
        app.store.close_session(&token).await?;
    }
    goodbye(&app, visitor.lang(""))
}

/// Tells the browser to forget all it has of us.
fn goodbye(app: &App, lang: Lang) -> Result<Response, Problem> {
    let mut response = html(StatusCode::OK, &PlainPage { page: app.page(lang), plain: Plain::LoggedOut })?;
    let headers = response.headers_mut();
    let forget = HeaderName::from_static("clear-site-data");
    headers.insert(forget, HeaderValue::from_static("\"cache\", \"cookies\", \"storage\""));
    headers.extend(session::no_cookie(app.settings.demo).map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}
