//! The message page, and logging out of it.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;

use crate::base::{MessageId, Timestamp};
use crate::mail::mime::{Part, to_text};
use crate::text::page::{Body, File, MessagePage, Plain, PlainPage, autolink};
use crate::text::{Lang, Words, format};

use crate::web::answer::{Problem, html};
use crate::web::app::{App, Shared};
use crate::web::client::Visitor;
use crate::web::headers::MESSAGE_POLICY;
use crate::web::{guard, session};

use super::answer::Shown;
use super::{MOST_HTML, MOST_TEXT, Opened, calendar, download, frame};

/// How long a mail may have been under way.
const WEEK: Duration = Duration::from_hours(7 * 24);

/// `GET /bericht`.
pub(in crate::web) async fn show(
    State(app): State<Shared>,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let opened = Opened::of(&app, &headers).await?;
    let shown = Shown { just_sent: just_sent(&uri), ..Shown::default() };
    page(&app, &opened, visitor, shown, StatusCode::OK).await
}

/// The answer that the address names as just sent.
fn just_sent(uri: &Uri) -> Option<MessageId> {
    let pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == "verstuurd").find_map(|(_, id)| id.parse().ok())
}

/// The page of the message, with what is known of an answer to it.
pub(super) async fn page(
    app: &App,
    opened: &Opened,
    visitor: Visitor,
    shown: Shown,
    status: StatusCode,
) -> Result<Response, Problem> {
    let view = &opened.session.view;
    let message = &opened.session.message;
    let page = app.page(visitor.lang(&view.contact.language));
    let zone = &app.settings.time_zone;
    let name = if message.sender.name.is_empty() { &message.sender.address } else { &message.sender.name };
    let text = Text::of(app, opened).await?;
    let part = shown.part(app, opened, visitor, page.words).await?;
    let message_page = MessagePage {
        page,
        subject: &opened.manifest.subject,
        from: &format!("{name}, {}", app.settings.organisation),
        from_address: &message.sender.address,
        to: &names(&opened.manifest.to),
        cc: &names(&opened.manifest.cc),
        sent: &format::moment(page.lang(), sent(&opened.manifest.date, message.received), zone),
        card: calendar::card(app, opened, page.words).await?,
        files: files(opened, &text.source, page.words)?,
        body: text.body,
        cut: text.cut,
        size: &format::size(page.lang(), message.plain_len),
        seconds: opened.session.left(&app.settings.sessions, app.clock.now()).as_secs(),
        script: &app.session_script,
        idle: u32::try_from(app.settings.sessions.idle.as_secs() / 60).unwrap_or(u32::MAX),
        logout: &visitor.keep("/uitloggen"),
        answer_script: &app.script,
        sender: name,
        answers: part.answers,
        form: part.form,
        just_sent: part.just_sent,
    };
    let mut response = html(status, &message_page)?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(MESSAGE_POLICY));
    Ok(response)
}

/// Names without the quotation marks that mail puts around them, but where what is in them could be taken for an address or for two names.
pub(super) fn names(list: &str) -> String {
    let mut out = String::with_capacity(list.len());
    let mut pieces = list.split('"');
    out.push_str(pieces.next().unwrap_or_default());
    while let Some(quoted) = pieces.next() {
        let Some(after) = pieces.next() else {
            out.push('"');
            out.push_str(quoted);
            break;
        };
        let clear = !quoted.is_empty() && !quoted.contains(['\\', ',', '<', '>', '@', ';', ':', '(', ')']);
        let quote = if clear { "" } else { "\"" };
        out.extend([quote, quoted, quote, after]);
    }
    out
}

/// When it was sent: as its Date says, unless that is later than its arrival or a week earlier, as wrong clocks make it.
pub(super) fn sent(date: &str, received: Timestamp) -> Timestamp {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
    let parsed = parser.parse_timestamp(date).ok().and_then(|at| u64::try_from(at.as_millisecond()).ok());
    parsed.map(Timestamp).filter(|at| (received - WEEK..=received).contains(at)).unwrap_or(received)
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
        Ok(File::new(words, number, place + 1, (&part.name, &part.content_type), (size, download::has_preview(part)))?)
    };
    parts.filter(|(_, part)| !in_text(part)).enumerate().map(file).collect()
}

/// About how many bytes a part has once decoded: base64 in lines of 76 characters carries 57 bytes in 78.
pub(super) fn decoded_len(part: &Part) -> u64 {
    let encoded = part.end.saturating_sub(part.body);
    if part.encoding == "base64" { encoded.saturating_mul(57) / 78 } else { encoded }
}

/// `POST /verlengen`: a request like any other, so the session goes on; tells for how long.
pub(in crate::web) async fn extend(State(app): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    if !guard::from_our_page(&headers, &app.settings.origin) {
        return Err(Problem::Refused);
    }
    Ok(session::kept(&app, &session::current(&app, &headers).await?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_without_quotation_marks_where_nothing_hides_in_them() {
        for (list, shown) in [
            ("\"Jan de Vries\" <jan@a.example>", "Jan de Vries <jan@a.example>"),
            ("Jan <jan@a.example>, \"Piet\" <piet@a.example>", "Jan <jan@a.example>, Piet <piet@a.example>"),
            ("\"Vries, J. de\" <jan@a.example>", "\"Vries, J. de\" <jan@a.example>"),
            ("\"piet@b.example\" <jan@a.example>", "\"piet@b.example\" <jan@a.example>"),
            ("\"Jan \\\"x\\\"\" <jan@a.example>", "\"Jan \\\"x\\\"\" <jan@a.example>"),
            ("\"Jan", "\"Jan"),
            ("\"\" <jan@a.example>", "\"\" <jan@a.example>"),
            ("", ""),
        ] {
            assert_eq!(names(list), shown, "{list}");
        }
    }

    #[test]
    fn a_date_counts_when_it_can_be_true() {
        // 2026-11-21 10:04 in Amsterdam
        let received = Timestamp::from_secs(1_795_251_840);
        for (date, minutes) in [
            ("Sat, 21 Nov 2026 10:00:00 +0100", 4),
            ("Sun, 21 Nov 2026 10:00:00 +0100 (CET)", 4),
            ("21 Nov 2026 09:00:00 GMT", 4),
            ("Sat, 14 Nov 2026 10:05:00 +0100", 7 * 24 * 60 - 1),
            ("Sat, 14 Nov 2026 10:03:00 +0100", 0),
            ("Sat, 21 Nov 2026 10:05:00 +0100", 0),
            ("Thu, 01 Jan 1960 00:00:00 +0000", 0),
            ("morgen", 0),
            ("", 0),
        ] {
            assert_eq!(sent(date, received), received - Duration::from_mins(minutes), "{date}");
        }
    }
}
