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

use super::{MOST_HTML, MOST_TEXT, Opened};

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
    let (body, cut) = body(&app, &opened).await?;
    let shown = MessagePage {
        page,
        subject: &message.subject,
        from: &format!("{name}, {}", app.settings.organisation),
        from_address: &message.sender.address,
        to: &opened.manifest.to,
        cc: &opened.manifest.cc,
        sent: &format::moment(page.lang(), message.received, zone),
        body,
        cut,
        files: files(&opened, page.words)?,
        size: &format::size(page.lang(), message.plain_len),
        idle: u32::try_from(app.settings.sessions.idle.as_secs() / 60).unwrap_or(u32::MAX),
        logout: &visitor.keep("/uitloggen"),
    };
    let mut response = html(StatusCode::OK, &shown)?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(MESSAGE_POLICY));
    Ok(response)
}

/// HTML where there is some, since its writer meant it to be read; else text.
async fn body(app: &App, opened: &Opened) -> Result<(Body, bool), Problem> {
    let (text, html) = opened.manifest.mime.shown();
    let part = |number: Option<u32>| number.and_then(|n| opened.part(n)).filter(|part| part.body < part.end);
    if let Some(html) = part(html) {
        return Ok((Body::Html, html.end - html.body > MOST_HTML));
    }
    let Some(text) = part(text) else { return Ok((Body::Empty, false)) };
    let (bytes, cut) = opened.content(app).await?.start_of(text, MOST_TEXT).await?;
    Ok((Body::Text(autolink(&to_text(&text.charset, &bytes))), cut))
}

fn files(opened: &Opened, words: Words<'_>) -> Result<Vec<File>, Problem> {
    let numbers = opened.manifest.mime.attachments();
    let parts = numbers.into_iter().filter_map(|number| opened.part(number).map(|part| (number, part)));
    let file = |(place, (number, part)): (usize, (u32, &Part))| {
        let size = format::size(words.lang(), decoded_len(part));
        Ok(File::new(words, number, place + 1, (&part.name, &part.content_type), size)?)
    };
    parts.enumerate().map(file).collect()
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
