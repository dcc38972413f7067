//! The mailbox page: mailboxes, mails, and each mail as HTML (in a sandboxed frame), as text and as it came.
//!
//! Mail is shown, never trusted: its HTML runs no script, loads nothing, and its links open in a window of their own.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::shelf::{Mail, Shelf, View};

/// What our own pages may do: one style sheet, and a frame for the mail.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What a mail may do: look as it wants, and open links elsewhere.
const MAIL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; \
     frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox";

/// Longest text of a mail that the page shows, bytes; the source has all of it.
const MAX_TEXT: usize = 256 * 1024;

#[derive(Template)]
#[template(path = "demo/mailbox.html", config = "src/text/askama.toml")]
struct ListPage {
    shown: Option<String>,
    boxes: Vec<(String, String, usize)>,
    mails: Vec<Row>,
}

struct Row {
    number: u64,
    to: String,
    view: View,
}

#[derive(Template)]
#[template(path = "demo/mail.html", config = "src/text/askama.toml")]
struct MailPage {
    number: u64,
    from: String,
    to: String,
    view: View,
    text: String,
}

/// Serves until `stop`.
pub(super) async fn serve(listener: TcpListener, shelf: Arc<Shelf>, stop: CancellationToken) {
    let served = axum::serve(listener, router(shelf)).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the mailbox page stopped");
    }
}

fn router(shelf: Arc<Shelf>) -> Router {
    Router::new()
        .route("/", get(list))
        .route("/style.css", get(style))
        .route("/mail/{number}", get(mail))
        .route("/mail/{number}/html", get(mail_html))
        .route("/mail/{number}/source", get(mail_source))
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(middleware::from_fn(guard))
        .with_state(shelf)
}

/// Answers only who asked for this machine by name, and sets the headers that every answer has.
async fn guard(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = host.or_else(|| request.uri().authority().map(Authority::as_str));
    if !authority.is_some_and(is_this_machine) {
        return (StatusCode::MISDIRECTED_REQUEST, "This page is for this machine only.\n").into_response();
    }
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn is_this_machine(authority: &str) -> bool {
    let Ok(parsed) = authority.parse::<Authority>() else { return false };
    if authority.contains('@') {
        return false;
    }
    let host = parsed.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[derive(serde::Deserialize)]
struct Filter {
    #[serde(rename = "for")]
    address: Option<String>,
}

async fn list(State(shelf): State<Arc<Shelf>>, Query(filter): Query<Filter>) -> Response {
    let boxes = shelf.mailboxes();
    let boxes = boxes.into_iter().map(|(address, count)| (encode(&address), address, count)).collect();
    let shown = filter.address.map(|address| address.to_lowercase());
    let wanted =
        |mail: &Arc<Mail>| shown.as_ref().is_none_or(|address| mail.to.iter().any(|to| to.to_lowercase() == *address));
    let row = |mail: Arc<Mail>| Row { number: mail.number, to: mail.to.join(", "), view: mail.view() };
    let mails = shelf.mails().into_iter().rev().filter(wanted).map(row).collect();
    render(&ListPage { shown, boxes, mails })
}

async fn mail(State(shelf): State<Arc<Shelf>>, Path(number): Path<u64>) -> Response {
    let Some(mail) = shelf.mail(number) else { return StatusCode::NOT_FOUND.into_response() };
    let view = mail.view();
    let mut text = view.text.clone().unwrap_or_default();
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    render(&MailPage { number, from: mail.from.clone(), to: mail.to.join(", "), view, text })
}

async fn mail_html(State(shelf): State<Arc<Shelf>>, Path(number): Path<u64>) -> Response {
    let html = shelf.mail(number).and_then(|mail| mail.view().html);
    let Some(html) = html else { return StatusCode::NOT_FOUND.into_response() };
    ([(header::CONTENT_SECURITY_POLICY, MAIL_POLICY)], Html(with_own_windows(&html))).into_response()
}

async fn mail_source(State(shelf): State<Arc<Shelf>>, Path(number): Path<u64>) -> Response {
    let Some(mail) = shelf.mail(number) else { return StatusCode::NOT_FOUND.into_response() };
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], mail.raw.clone()).into_response()
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css")).into_response()
}

fn render(page: &impl Template) -> Response {
    page.render().map_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response(), |html| Html(html).into_response())
}

/// The mail's HTML with its links opening in windows of their own, as a mail program does it. Inserted after `<head>`, so that
/// the doctype stays first.
fn with_own_windows(html: &str) -> String {
    const BASE: &str = "<base target=\"_blank\">";
    let head = html.to_ascii_lowercase().find("<head>").map(|at| at + "<head>".len());
    let (before, after) = head.and_then(|at| html.split_at_checked(at)).unwrap_or(("<!doctype html>", html));
    format!("{before}{BASE}{after}")
}

/// Percent-encoding for a query value (RFC 3986 §2.1).
fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_by_name() {
        for (authority, expected) in [
            ("127.0.0.1:8080", true),
            ("127.9.9.9", true),
            ("localhost:1", true),
            ("LOCALHOST", true),
            ("[::1]:8080", true),
            ("rebound.example:8080", false),
            ("127.0.0.1.example", false),
            ("192.0.2.1", false),
            ("", false),
            ("a@127.0.0.1/", false),
        ] {
            assert_eq!(is_this_machine(authority), expected, "{authority}");
        }
    }

    #[test]
    fn the_base_comes_before_anything_of_the_mail() {
        let given = "<!doctype html><HTML><Head><base target=_self></head>";
        let expected = "<!doctype html><HTML><Head><base target=\"_blank\"><base target=_self></head>";
        assert_eq!(with_own_windows(given), expected);
        assert_eq!(with_own_windows("<p>é"), "<!doctype html><base target=\"_blank\"><p>é");
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(encode("a+b@ç.nl"), "a%2Bb%40%C3%A7.nl");
    }
}
