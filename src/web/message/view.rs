//! The message page, and logging out of it.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::base::{MessageId, Timestamp};
use crate::store::conversation::Read;
use crate::store::proof::OpenSession;
use crate::text::page::{AnswerShown, Earlier, Mail, MessagePage, Other, Plain, PlainPage};
use crate::text::{Lang, Words, format};

use crate::web::answer::{Problem, html};
use crate::web::app::{App, Shared};
use crate::web::client::Visitor;
use crate::web::headers::MESSAGE_POLICY;
use crate::web::{guard, session};

use super::answer::Shown;
use super::{MOST_TEXT, Opened, calendar, mail, session_at};

/// Most bytes of plain text of one earlier mail that the page holds, and of all of them.
const MOST_EARLIER: u64 = 32 * 1024;
const MOST_EARLIER_IN_ALL: u64 = 512 * 1024;

/// `GET /bericht`.
pub(in crate::web) async fn show(
    State(app): State<Shared>,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let open = session_at(&app, &headers, &uri).await?;
    let shown = Shown { just_sent: just_sent(&uri), ..Shown::default() };
    page(&app, &open, visitor, shown, StatusCode::OK).await
}

/// The answer that the address names as just sent.
fn just_sent(uri: &Uri) -> Option<MessageId> {
    let pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == "verstuurd").find_map(|(_, id)| id.parse().ok())
}

/// The page of a session's conversation, with what is known of an answer in it: the newest message, the answers to it, and what came before.
pub(super) async fn page(
    app: &App,
    open: &OpenSession,
    visitor: Visitor,
    shown: Shown,
    status: StatusCode,
) -> Result<Response, Problem> {
    let mut messages = app.store.conversation(open).await?.into_iter();
    let newest = messages.next().ok_or(Problem::Ended)?;
    let opened = &Opened::read(app, newest.session).await?;
    let message = &opened.session.message;
    let page = app.page(visitor.lang(&opened.session.view.contact.language));
    let part = shown.part(app, opened, visitor, page.words).await?;
    let (after, before): (Vec<_>, Vec<_>) = part.answers.into_iter().partition(|(at, _)| *at >= message.received);
    let mail = mail::shown(app, opened, page.words, MOST_TEXT).await?;
    let message_page = MessagePage {
        page,
        subject: &opened.manifest.subject,
        mail: Mail { card: calendar::card(app, opened, page.words).await?, ..mail },
        earlier: earlier(app, messages, before, page.words).await?,
        others: others(app, &opened.session, page.words).await?,
        open: &visitor.keep("/bericht/ander"),
        seconds: opened.session.left(&app.settings.sessions, app.clock.now()).as_secs(),
        script: &app.session_script,
        idle: u32::try_from(app.settings.sessions.idle.as_secs() / 60).unwrap_or(u32::MAX),
        logout: &visitor.keep("/uitloggen"),
        answer_script: &app.script,
        sender: if message.sender.name.is_empty() { &message.sender.address } else { &message.sender.name },
        answers: after.into_iter().map(|(_, answer)| answer).collect(),
        form: part.form,
        just_sent: part.just_sent,
    };
    let mut response = html(status, &message_page)?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(MESSAGE_POLICY));
    Ok(response)
}

/// What was said before the newest message, newest first. What is damaged hides nothing else; the log tells of it.
async fn earlier(
    app: &App,
    messages: impl Iterator<Item = Read>,
    answers: Vec<(Timestamp, AnswerShown)>,
    words: Words<'_>,
) -> Result<Vec<Earlier>, Problem> {
    let mut said: Vec<_> = answers.into_iter().map(|(at, answer)| (at, Earlier::Answer(answer))).collect();
    let mut room = MOST_EARLIER_IN_ALL;
    for message in messages {
        let (new, at) = (message.is_new(), message.session.message.received);
        let shown = async {
            let opened = Opened::read(app, message.session).await?;
            let len = opened.session.message.plain_len.min(MOST_EARLIER);
            Ok((mail::shown(app, &opened, words, MOST_EARLIER.min(room)).await?, len))
        };
        match shown.await {
            Ok((mail, len)) => {
                room = room.saturating_sub(len);
                said.push((at, Earlier::Mail(Box::new(mail), new)));
            }
            Err(Problem::Broken | Problem::Ended) => {}
            Err(problem) => return Err(problem),
        }
    }
    said.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    Ok(said.into_iter().map(|(_, said)| said).collect())
}

/// The other conversations that the session may read.
async fn others(app: &App, open: &OpenSession, words: Words<'_>) -> Result<Vec<Other>, Problem> {
    let others = app.store.other_messages(open).await?;
    let other = |read: Read| {
        let new = read.opened.is_none();
        let message = read.session.message;
        let sender = message.sender;
        Other {
            id: read.session.view.grant.message.to_string(),
            subject: message.subject,
            from: if sender.name.is_empty() { sender.address } else { sender.name },
            sent: format::moment(words.lang(), message.received, &app.settings.time_zone),
            new,
        }
    };
    Ok(others.into_iter().map(other).collect())
}

/// The button of another message.
#[derive(Deserialize)]
pub(in crate::web) struct Wanted {
    bericht: String,
}

/// `POST /bericht/ander`: on to another conversation that the session may read. It counts as opened.
pub(in crate::web) async fn open_other(
    State(app): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    wanted: Result<Form<Wanted>, FormRejection>,
) -> Result<Response, Problem> {
    if !guard::from_our_page(&headers, &app.settings.origin) {
        return Err(Problem::Refused);
    }
    let open = session::current(&app, &headers).await?;
    let Form(wanted) = wanted.map_err(|_| Problem::Refused)?;
    let id: MessageId = wanted.bericht.parse().map_err(|_| Problem::NotFound)?;
    let read = app.store.turn_to(&open, id).await?.ok_or(Problem::NotFound)?;
    app.store.opens(&read.session).await?;
    see(&page_of(visitor, &read.session))
}

/// The address of the page of a session's conversation.
pub(super) fn page_of(visitor: Visitor, open: &OpenSession) -> String {
    with_query(visitor.keep("/bericht"), &own(open))
}

/// Names the message that a session is turned to, in addresses; empty for the one whose link was opened.
pub(super) fn own(open: &OpenSession) -> String {
    if open.view.id == open.session.grant { String::new() } else { format!("?bericht={}", open.view.grant.message) }
}

/// An address with a query added that begins with its question mark, or is empty.
pub(super) fn with_query(address: String, query: &str) -> String {
    match query.strip_prefix('?') {
        Some(query) if address.contains('?') => format!("{address}&{query}"),
        _ => address + query,
    }
}

pub(super) fn see(to: &str) -> Result<Response, Problem> {
    let to = HeaderValue::from_str(to).map_err(|_| Problem::Broken)?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response())
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
    // The language of what was just being read; without a session the browser's.
    let mut language = String::new();
    if let Some(token) = session::token(&headers, app.settings.demo) {
        // What cannot be read keeps nobody logged in.
        if let Ok(Some(open)) = app.store.session(&token, &app.settings.sessions).await {
            language = open.view.contact.language;
        }
        app.store.close_session(&token).await?;
    }
    goodbye(&app, visitor.lang(&language))
}

/// Tells the browser to forget all it has of us.
fn goodbye(app: &App, lang: Lang) -> Result<Response, Problem> {
    let mut response = html(StatusCode::OK, &PlainPage { page: app.page(lang), plain: Plain::LoggedOut, again: None })?;
    let headers = response.headers_mut();
    let forget = HeaderName::from_static("clear-site-data");
    headers.insert(forget, HeaderValue::from_static("\"cache\", \"cookies\", \"storage\""));
    headers.extend(session::no_cookie(app.settings.demo).map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}
