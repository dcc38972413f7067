//! Asking the sender of a message that is gone to send it again: for whoever holds its link, by a press, once a day. The sender gets a mail.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::seal::token::LinkToken;
use crate::store::records::Wish;
use crate::store::retention::Again;
use crate::text::page::{AskPage, Asks};

use super::answer::{Problem, html};
use super::app::{App, Shared};
use super::ask::Press;
use super::client::Visitor;
use super::page_token::{self, Purpose};
use super::unlock::{checked, find, think};

const PURPOSE: Purpose = Purpose::Ask(Wish::Again);

/// Where the page is, below the address of a link.
pub(super) fn path(link: &str) -> String {
    format!("/b/{link}/opnieuw")
}

/// `GET /b/{token}/opnieuw`: the page that says what a press does.
pub(super) async fn show(
    State(app): State<Shared>,
    Path(link): Path<String>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let gone = found(&app, &link).await?;
    page(&app, (&link, &gone), visitor, (StatusCode::OK, None))
}

/// `POST /b/{token}/opnieuw`: the press.
pub(super) async fn tell(
    State(app): State<Shared>,
    Path(link): Path<String>,
    visitor: Visitor,
    headers: HeaderMap,
    form: Result<Form<Press>, FormRejection>,
) -> Result<Response, Problem> {
    let form = match checked(&app, &headers, form)? {
        Ok(form) => form,
        Err(too_large) => return Ok(too_large),
    };
    let gone = found(&app, &link).await?;
    let key = &app.store.keys().cookie;
    let Some(age) = page_token::age(key, PURPOSE, gone.grant, app.clock.now(), &form.pagina) else {
        // The page that comes back can be used.
        return page(&app, (&link, &gone), visitor, (StatusCode::BAD_REQUEST, None));
    };
    think(age).await;
    let told = app.store.ask_again(gone.grant).await?;
    page(&app, (&link, &gone), visitor, (StatusCode::OK, Some(told)))
}

/// What is gone behind a link; every other link is answered as everywhere.
async fn found(app: &App, link: &str) -> Result<Again, Problem> {
    if let Some(token) = LinkToken::parse(link)
        && let Some(gone) = app.store.again(&token).await?
    {
        return Ok(gone);
    }
    find(app, link).await?;
    Err(Problem::NotFound)
}

fn page(
    app: &App,
    (link, gone): (&str, &Again),
    visitor: Visitor,
    (status, done): (StatusCode, Option<bool>),
) -> Result<Response, Problem> {
    let sender = &gone.sender;
    let page = AskPage {
        page: app.page(visitor.lang(&gone.contact.language)),
        sender: if sender.name.is_empty() { &sender.address } else { &sender.name },
        asks: Asks::Again,
        done,
        action: &visitor.keep(&path(link)),
        token: &page_token::make(&app.store.keys().cookie, PURPOSE, gone.grant, app.clock.now()),
        back: &visitor.keep(&format!("/b/{link}")),
    };
    html(status, &page)
}
