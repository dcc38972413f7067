//! Page 1: who sent it, and the code. Looking changes nothing; a try is counted durably before a code is compared.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::access::Admission;
use crate::base::Timestamp;
use crate::metrics::Try;
use crate::seal::code::AccessCode;
use crate::seal::hashers::Turn;
use crate::seal::token::{LinkToken, SessionToken};
use crate::store::codes::Proven;
use crate::store::proof::{Cookies, GrantView};
use crate::store::records::{Proof, Wish};
use crate::store::retention::{Ending, Link};
use crate::store::strict::StrictKey;
use crate::text::page::{LostPage, Trouble, UnlockPage};
use crate::text::{Lang, format};

use super::answer::{Offer, Problem, html};
use super::app::{App, Shared};
use super::client::Visitor;
use super::page_token::{self, Purpose};
use super::{ask, guard, mask, one_time, session};

/// A link that leads nowhere is answered after this long, whatever the reason was.
const NOWHERE: Duration = Duration::from_millis(200);

/// An answer to a press on the button comes no sooner than this after the page: scanners that press at once gain nothing.
const THOUGHT: Duration = Duration::from_secs(2);

/// How long a try waits for its turn at the hasher.
const TURN: Duration = Duration::from_secs(5);

/// The form of page 1.
#[derive(Debug, Deserialize)]
pub(super) struct CodeForm {
    #[serde(default)]
    pub(super) code: SecretString,
    #[serde(default)]
    pub(super) pagina: String,
}

/// `GET /b/{token}`.
pub(super) async fn show(
    State(app): State<Shared>,
    Path(link): Path<String>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let view = find(&app, &link).await?;
    let admission = app.store.may_try(&view, visitor.network, &app.settings.limits).await?;
    let page = First { app: &app, view: &view, visitor, link: &link, earlier: None };
    if by_one_time(&view) {
        return one_time::show(&page, admission).await;
    }
    match admission {
        Admission::Try { .. } => page.answer(StatusCode::OK, None),
        Admission::Paused(until) => page.answer(StatusCode::OK, Some(Trouble::Paused(&page.clock(until)))),
        Admission::Closed => page.answer(StatusCode::OK, Some(Trouble::Closed)),
    }
}

/// `GET /b/{token}/geen-code`.
pub(super) async fn lost(
    State(app): State<Shared>,
    Path(link): Path<String>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let view = find(&app, &link).await?;
    if by_one_time(&view) {
        return ask::before(&app, (&link, &view), visitor, Wish::Code).await;
    }
    let page = app.page(visitor.lang(&view.contact.language));
    let lost = LostPage {
        page,
        sender: sender_name(&view),
        back: &visitor.keep(&format!("/b/{link}")),
        action: &visitor.keep(&format!("/b/{link}/geen-code")),
        token: &page_token::make(&app.store.keys().cookie, Purpose::Ask(Wish::Code), view.id, app.clock.now()),
        strict: view.grant.strict.is_some(),
    };
    html(StatusCode::OK, &lost)
}

/// `POST /b/{token}`.
pub(super) async fn open(
    State(app): State<Shared>,
    Path(link): Path<String>,
    visitor: Visitor,
    headers: HeaderMap,
    form: Result<Form<CodeForm>, FormRejection>,
) -> Result<Response, Problem> {
    let form = match checked(&app, &headers, form)? {
        Ok(form) => form,
        Err(too_large) => return Ok(too_large),
    };
    let view = find(&app, &link).await?;
    let earlier = session::token(&headers, app.settings.demo);
    let page = First { app: &app, view: &view, visitor, link: &link, earlier: earlier.as_ref() };
    if by_one_time(&view) {
        return one_time::open(&page, &form).await;
    }
    let Some(age) = page.age(Purpose::Open, &form.pagina) else {
        return page.answer(StatusCode::BAD_REQUEST, Some(Trouble::Stale));
    };
    let Some(code) = AccessCode::normalise(form.code.expose_secret()) else {
        return page.answer(StatusCode::UNPROCESSABLE_ENTITY, Some(Trouble::Empty));
    };
    think(age).await;
    page.attempt(code).await
}

/// A form from our own page, read; the inner error is an answer to one that is too large.
pub(super) fn checked<T>(
    app: &App,
    headers: &HeaderMap,
    form: Result<Form<T>, FormRejection>,
) -> Result<Result<T, Response>, Problem> {
    if !guard::from_our_page(headers, &app.settings.origin) {
        return Err(Problem::Refused);
    }
    match form {
        Ok(Form(form)) => Ok(Ok(form)),
        Err(FormRejection::BytesRejection(rejection)) => Ok(Err(rejection.into_response())),
        Err(_) => Err(Problem::Refused),
    }
}

/// Waits until a person could have pressed the button of a page that was shown so long ago.
pub(super) async fn think(age: Duration) {
    tokio::time::sleep(THOUGHT.saturating_sub(age)).await;
}

/// Whether a link opens with a one-time code. A strict one never does: what it was sealed to opens it.
pub(super) fn by_one_time(view: &GrantView) -> bool {
    view.grant.strict.is_none() && view.contact.proof.is_one_time()
}

/// The grant behind a link. A link that was never given out, and one so long ago that nothing is known of it, are answered alike,
/// also in time. Who holds one that was hears whether its message expired or was taken back.
pub(super) async fn find(app: &App, link: &str) -> Result<GrantView, Problem> {
    let nowhere = tokio::time::sleep(NOWHERE);
    if let Some(token) = LinkToken::parse(link) {
        let ending = match app.store.link(&token).await? {
            Link::Open(view) => return Ok(*view),
            Link::Ended(ending) => Some(ending),
            Link::Unknown => None,
        };
        if let Some(ending) = ending {
            let again = app.store.again(&token).await?;
            let offer = again.map(|again| Offer { lang: Lang::from_tag(&again.contact.language) });
            return Err(match ending {
                Ending::Expired => Problem::Expired(offer),
                Ending::Recalled | Ending::Erased => Problem::Recalled(offer),
            });
        }
    }
    nowhere.await;
    Err(Problem::Gone)
}

/// What people call the sender.
pub(super) fn sender_name(view: &GrantView) -> &str {
    let sender = &view.conversation.sender;
    if sender.name.is_empty() { &sender.address } else { &sender.name }
}

/// Page 1 of one link for one visitor.
pub(super) struct First<'a> {
    pub(super) app: &'a Arc<App>,
    pub(super) view: &'a GrantView,
    pub(super) visitor: Visitor,
    pub(super) link: &'a str,
    /// The session that the browser has: a new one takes its place.
    pub(super) earlier: Option<&'a SessionToken>,
}

impl First<'_> {
    /// A page token for a form of this link.
    pub(super) fn token(&self, purpose: Purpose) -> String {
        page_token::make(&self.app.store.keys().cookie, purpose, self.view.id, self.app.clock.now())
    }

    /// How long ago the page of a form was shown; `None` when it is none of ours.
    pub(super) fn age(&self, purpose: Purpose, token: &str) -> Option<Duration> {
        page_token::age(&self.app.store.keys().cookie, purpose, self.view.id, self.app.clock.now(), token)
    }

    /// An address below this link's.
    pub(super) fn path(&self, below: &str) -> String {
        self.visitor.keep(&format!("/b/{}{below}", self.link))
    }

    pub(super) fn clock(&self, moment: Timestamp) -> String {
        format::clock(moment, &self.app.settings.time_zone)
    }

    /// Page 1 with what went wrong.
    fn answer(&self, status: StatusCode, trouble: Option<Trouble<'_>>) -> Result<Response, Problem> {
        let Self { app, view, visitor, .. } = self;
        let page = app.page(visitor.lang(&view.contact.language));
        let sender = sender_name(view);
        let hint = view.contact.hint.trim();
        let strict = view.grant.strict.is_some();
        // What is strict opens with no SMS.
        let other = (app.settings.sends_sms && !strict).then(|| self.path("/anders"));
        let digits = !strict && view.contact.proof == Proof::Code;
        let unlock = UnlockPage {
            page,
            sender,
            from: &format!("{sender}, {}", app.settings.organisation),
            recipient: &mask::address(&view.conversation.recipient),
            until: &format::last_day(page.lang(), view.grant.expires, &app.settings.time_zone),
            hint,
            // A code that the sender chose, which the hint is for, may hold letters, and a strict one does.
            inputmode: if hint.is_empty() && digits { "numeric" } else { "text" },
            action: &self.path(""),
            token: &self.token(Purpose::Open),
            lost: &self.path("/geen-code"),
            other: other.as_deref(),
            strict,
            earlier: view.needs_earlier_code(),
            trouble,
        };
        html(status, &unlock)
    }

    /// One try: a turn at the hasher first, since a try that cannot be compared must not count; then the count, durably; then
    /// the comparison.
    async fn attempt(&self, code: AccessCode) -> Result<Response, Problem> {
        let turn = tokio::time::timeout(TURN, self.app.hashers.turn()).await;
        let tried = |result| self.app.metrics.tried(result);
        let Ok(Ok(turn)) = turn else {
            tried(Try::Busy);
            return Ok(retry_after(self.answer(StatusCode::SERVICE_UNAVAILABLE, Some(Trouble::Busy))?, 60));
        };
        let store = &self.app.store;
        let limits = &self.app.settings.limits;
        match store.count_try(self.view, self.visitor.network, limits).await? {
            Admission::Paused(until) => {
                tried(Try::Paused);
                let now = self.app.clock.now();
                let page = self.answer(StatusCode::TOO_MANY_REQUESTS, Some(Trouble::Paused(&self.clock(until))))?;
                Ok(retry_after(page, until.since(now).as_secs().max(1)))
            }
            Admission::Closed => {
                tried(Try::Closed);
                self.answer(StatusCode::FORBIDDEN, Some(Trouble::Closed))
            }
            Admission::Try { left, paused_until, closes } => {
                if let Proven::Right(key) = self.prove(code, turn).await? {
                    tried(Try::Right);
                    return self.welcome(key).await;
                }
                tried(Try::Wrong);
                let time = paused_until.map(|until| self.clock(until)).unwrap_or_default();
                let trouble = match (closes, paused_until) {
                    (true, _) => Trouble::Closed,
                    (false, Some(_)) => Trouble::WrongThenPause(&time),
                    (false, None) => Trouble::Wrong(left),
                };
                self.answer(StatusCode::FORBIDDEN, Some(trouble))
            }
        }
    }

    /// Compares on a blocking thread; the turn is held until that is done, also when the client is gone.
    async fn prove(&self, code: AccessCode, mut turn: Turn) -> Result<Proven, Problem> {
        let link = LinkToken::parse(self.link).ok_or(Problem::Gone)?;
        let Some(challenge) = self.app.store.challenge(self.view, &link).await? else {
            // Only damage does this; to call the right code wrong would close the link without a word.
            tracing::error!(grant = %self.view.id, "a contact has no code to compare with");
            return Err(Problem::Broken);
        };
        let compared = tokio::task::spawn_blocking(move || challenge.answer(&code, turn.memory()));
        match compared.await {
            Ok(Ok(proven)) => Ok(proven),
            Ok(Err(error)) => {
                tracing::error!(cause = %error, "a code could not be compared");
                Err(Problem::Broken)
            }
            Err(_) => Err(Problem::Broken),
        }
    }

    /// A session, its cookie, and on to the message at an address without the link.
    async fn welcome(&self, key: Option<StrictKey>) -> Result<Response, Problem> {
        let Self { app, view, visitor, .. } = self;
        let token = SessionToken::generate(app.entropy.as_ref());
        let cookies = self.cookies(&token);
        match key {
            None => app.store.open_session(view, visitor.network, cookies).await?,
            Some(key) => app.store.open_strict_session(view, visitor.network, cookies, key).await?,
        }
        self.enter(&token)
    }

    /// For a session of this browser.
    pub(super) const fn cookies<'t>(&'t self, new: &'t SessionToken) -> Cookies<'t> {
        Cookies { new, earlier: self.earlier }
    }

    /// On to the message, with the cookie of its session.
    pub(super) fn enter(&self, token: &SessionToken) -> Result<Response, Problem> {
        let Self { app, visitor, .. } = self;
        let cookie = session::cookie(token, app.settings.demo).ok_or(Problem::Broken)?;
        let to = HeaderValue::from_str(&visitor.keep("/bericht")).map_err(|_| Problem::Broken)?;
        let headers: [(HeaderName, HeaderValue); 2] = [(header::SET_COOKIE, cookie), (header::LOCATION, to)];
        Ok((StatusCode::SEE_OTHER, headers).into_response())
    }
}

pub(super) fn retry_after(mut page: Response, seconds: u64) -> Response {
    page.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    page
}
