//! Around every answer: an error without a page gets one, and every response gets the security headers.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::text::Lang;
use crate::text::page::{Plain, PlainPage};

use super::again;
use super::answer::{Offer, Rendered, html};
use super::app::Shared;
use super::client::Visitor;
use super::headers;

/// The outermost layer of the router.
pub(super) async fn dress(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let visitor = Visitor::of(&parts, &app.settings.trusted_proxies);
    let path = parts.uri.path().to_owned();
    let response = next.run(Request::from_parts(parts, body)).await;
    let mut response = if needs_page(&response) { with_page(&app, visitor, &path, &response) } else { response };
    headers::complete(response.headers_mut(), !app.settings.demo);
    response
}

fn needs_page(response: &Response) -> bool {
    let status = response.status();
    (status.is_client_error() || status.is_server_error()) && response.extensions().get::<Rendered>().is_none()
}

/// The same status, with what it means in plain words.
fn with_page(app: &Shared, visitor: Visitor, path: &str, bare: &Response) -> Response {
    let plain = bare.extensions().get().copied().unwrap_or_else(|| meaning(bare.status()));
    let offer = bare.extensions().get::<Offer>();
    let lang = visitor.lang(offer.and_then(|offer| offer.lang).map_or("", Lang::tag));
    let link = offer.and_then(|_| path.split('/').nth(2));
    let again = link.map(|link| visitor.keep(&again::path(link)));
    let page = PlainPage { page: app.page(lang), plain, again: again.as_deref() };
    let Ok(mut response) = html(bare.status(), &page) else {
        // Our own texts fail: the status alone must do.
        return bare.status().into_response();
    };
    for name in [header::ALLOW, header::RETRY_AFTER] {
        if let Some(value) = bare.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// The page for a status that a layer below gave without words.
fn meaning(status: StatusCode) -> Plain {
    match status {
        StatusCode::NOT_FOUND => Plain::NotFound,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::URI_TOO_LONG => Plain::TooLarge,
        StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Plain::Busy,
        status if status.is_server_error() => Plain::Broken,
        _ => Plain::Refused,
    }
}
