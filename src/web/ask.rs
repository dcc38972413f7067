//! What a recipient asks of the sender: each behind a page that says what will happen, by a press, once a day for each link. It changes
//! nothing here; the sender gets a mail.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use serde::Deserialize;

use crate::store::proof::GrantView;
use crate::store::records::{Proof, Wish};
use crate::text::page::{AskPage, Asks};

use super::answer::{Problem, html};
use super::app::Shared;
use super::client::Visitor;
use super::mask;
use super::page_token::Purpose;
use super::unlock::{First, checked, find, sender_name, think};

/// A form with nothing to fill in.
#[derive(Debug, Deserialize)]
pub(super) struct Press {
    #[serde(default)]
    pub(super) pagina: String,
}

type Pressed = Result<Form<Press>, FormRejection>;

/// `GET`: the page that says what a press does.
pub(super) fn show(wish: Wish) -> MethodRouter<Shared> {
    get(async move |State(app): State<Shared>, Path(link): Path<String>, visitor: Visitor| {
        Asking { app: &app, link: &link, visitor, wish }.show().await
    })
}

/// `POST`: the press.
pub(super) fn tell(wish: Wish) -> MethodRouter<Shared> {
    post(
        async move |State(app): State<Shared>,
                    Path(link): Path<String>,
                    visitor: Visitor,
                    headers: HeaderMap,
                    form: Pressed| {
            Asking { app: &app, link: &link, visitor, wish }.tell(&headers, form).await
        },
    )
}

/// The page that says what a press does, for a link that was found.
pub(super) async fn before(
    app: &Shared,
    (link, view): (&str, &GrantView),
    visitor: Visitor,
    wish: Wish,
) -> Result<Response, Problem> {
    Asking { app, link, visitor, wish }.page(view, StatusCode::OK, None).await
}

/// One request about one wish.
struct Asking<'a> {
    app: &'a Shared,
    link: &'a str,
    visitor: Visitor,
    wish: Wish,
}

impl Asking<'_> {
    async fn show(&self) -> Result<Response, Problem> {
        let view = find(self.app, self.link).await?;
        self.page(&view, StatusCode::OK, None).await
    }

    async fn tell(&self, headers: &HeaderMap, form: Pressed) -> Result<Response, Problem> {
        let form = match checked(self.app, headers, form)? {
            Ok(form) => form,
            Err(too_large) => return Ok(too_large),
        };
        let view = find(self.app, self.link).await?;
        let Some(age) = self.first(&view).age(Purpose::Ask(self.wish), &form.pagina) else {
            // The page that comes back can be used.
            return self.page(&view, StatusCode::BAD_REQUEST, None).await;
        };
        // Before anything is sent: where it makes no sense there is no such page.
        let page = self.page(&view, StatusCode::OK, None).await?;
        if page.status() != StatusCode::OK {
            return Ok(page);
        }
        think(age).await;
        let told = self.app.store.ask_sender(view.id, self.wish).await?;
        self.page(&view, StatusCode::OK, Some(told)).await
    }

    const fn first<'v>(&'v self, view: &'v GrantView) -> First<'v> {
        First { app: self.app, view, visitor: self.visitor, link: self.link, earlier: None }
    }

    async fn page(&self, view: &GrantView, status: StatusCode, done: Option<bool>) -> Result<Response, Problem> {
        let strict = view.grant.strict.is_some();
        // What is strict opens with its code, whatever the contact has now.
        let proof = if strict { Proof::StrictCode } else { view.contact.proof };
        let phone = if proof == Proof::Sms { self.app.store.phone(view.grant.contact).await? } else { None };
        let number = phone.as_ref().map(mask::phone);
        let address = mask::address(&view.conversation.recipient);
        let (asks, below) = match (self.wish, proof, number.as_deref()) {
            (Wish::OtherNumber, Proof::Sms, Some(number)) => (Asks::Number(number), "/nummer"),
            (Wish::OtherProof, Proof::Sms, _) => (Asks::CodeForSms, "/anders"),
            (Wish::OtherProof, Proof::Mail, _) => (Asks::CodeForMail, "/anders"),
            (Wish::OtherProof, _, _) if self.app.settings.sends_sms && !strict => (Asks::SmsForCode, "/anders"),
            (Wish::Code, Proof::Mail, _) => (Asks::NoMail(&address), "/geen-code"),
            (Wish::Code, Proof::Code | Proof::StrictCode, _) => (Asks::Lost, "/geen-code"),
            _ => return Err(Problem::NotFound),
        };
        let first = self.first(view);
        let page = AskPage {
            page: self.app.page(self.visitor.lang(&view.contact.language)),
            sender: sender_name(view),
            asks,
            done,
            action: &first.path(below),
            token: &first.token(Purpose::Ask(self.wish)),
            back: &first.path(""),
        };
        html(status, &page)
    }
}
