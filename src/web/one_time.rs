//! Page 1 with a one-time code, by SMS or by mail: a press sends it, the field takes it. Looking sends nothing, and a press sends no more than the limits allow.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;

use crate::access::Admission;
use crate::access::one_time::{Asking, State as CodeState};
use crate::base::Timestamp;
use crate::metrics::{Ask, Try};
use crate::seal::code::AccessCode;
use crate::seal::token::SessionToken;
use crate::store::challenge::{Destination, OneTimeTry, OneTimeView, Tried};
use crate::store::dispatch::{Refusal, Stage};
use crate::text::format;
use crate::text::page::{OneTimeNews, OneTimePage, OneTimeTrouble, SentTo};

use super::answer::{Problem, html};
use super::app::Shared;
use super::ask::Press;
use super::client::Visitor;
use super::headers::WAITING_POLICY;
use super::mask;
use super::page_token::Purpose;
use super::unlock::{CodeForm, First, by_one_time, checked, find, retry_after, sender_name, think};

/// Digits of a code.
const DIGITS: usize = 6;

/// `GET /b/{token}`.
pub(super) async fn show(page: &First<'_>, admission: Admission) -> Result<Response, Problem> {
    let found = page.one_time().await?;
    match admission {
        Admission::Try { .. } => {
            let state = found.code.map(|code| code.state(&page.app.settings.one_time_limits, page.now()));
            let time = if let Asking::Full(until) = found.next { page.time(until) } else { String::new() };
            let trouble = match (state, found.next) {
                (Some(CodeState::Alive), _) => None,
                (_, Asking::Full(_)) => Some(OneTimeTrouble::Full(&time)),
                (_, Asking::Over) => Some(OneTimeTrouble::Over),
                (_, Asking::Ceiling) => Some(OneTimeTrouble::Ceiling),
                (Some(CodeState::Spent), _) => Some(OneTimeTrouble::Spent),
                _ => None,
            };
            page.with_one_time(&found, StatusCode::OK, trouble)
        }
        Admission::Paused(until) => {
            page.with_one_time(&found, StatusCode::OK, Some(OneTimeTrouble::Paused(&page.clock(until))))
        }
        Admission::Closed => page.with_one_time(&found, StatusCode::OK, Some(OneTimeTrouble::Closed)),
    }
}

/// `POST /b/{token}/stuur-code`: "send me the code".
pub(super) async fn send(
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
    let view = find(&app, &link).await?;
    if !by_one_time(&view) {
        return Err(Problem::NotFound);
    }
    let page = First { app: &app, view: &view, visitor, link: &link, earlier: None };
    let Some(age) = page.age(Purpose::SendCode, &form.pagina) else {
        return page.with_one_time(&page.one_time().await?, StatusCode::BAD_REQUEST, Some(OneTimeTrouble::Stale));
    };
    think(age).await;
    match app.store.may_try(&view, visitor.network, &app.settings.limits).await? {
        Admission::Try { .. } => page.ask().await,
        admission => show(&page, admission).await,
    }
}

/// `POST /b/{token}` with a code.
pub(super) async fn open(page: &First<'_>, form: &CodeForm) -> Result<Response, Problem> {
    let found = page.one_time().await?;
    let Some(age) = page.age(Purpose::Open, &form.pagina) else {
        return page.with_one_time(&found, StatusCode::BAD_REQUEST, Some(OneTimeTrouble::Stale));
    };
    let Some(code) = AccessCode::normalise(form.code.expose_secret()) else {
        return page.with_one_time(&found, StatusCode::UNPROCESSABLE_ENTITY, Some(OneTimeTrouble::Empty));
    };
    let digits = code.expose().chars().filter(char::is_ascii_digit).count();
    if digits != DIGITS || code.expose().len() != DIGITS {
        return page.with_one_time(&found, StatusCode::UNPROCESSABLE_ENTITY, Some(OneTimeTrouble::Form));
    }
    think(age).await;
    page.attempt_one_time(&code).await
}

impl First<'_> {
    fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    async fn one_time(&self) -> Result<OneTimeView, Problem> {
        let found = self.app.store.one_time_view(self.view, &self.app.settings.one_time_limits).await?;
        found.ok_or_else(|| {
            // Only damage does this.
            tracing::error!(grant = %self.view.id, "a contact has no telephone number to send to");
            Problem::Broken
        })
    }

    /// One press. What it brings is shown by the page that it leads to, so that loading that again sends nothing.
    async fn ask(&self) -> Result<Response, Problem> {
        let asking = self.app.store.ask_one_time(self.view, &self.app.settings.one_time_limits).await?;
        let now = self.now();
        let found = self.one_time().await?;
        let way = found.to.way().name();
        self.app.metrics.asked(
            way,
            match asking {
                Asking::Send { .. } => Ask::Sent,
                Asking::Wait(_) | Asking::Full(_) | Asking::Over => Ask::Refused,
                Asking::Ceiling => Ask::Ceiling,
            },
        );
        let (trouble, wait) = match asking {
            Asking::Send { alarm, .. } => {
                if alarm {
                    tracing::error!(
                        way,
                        "the ceiling of one-time codes in a day is reached: no more go out this way until the day is over"
                    );
                }
                let to = HeaderValue::from_str(&self.path("")).map_err(|_| Problem::Broken)?;
                return Ok((StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response());
            }
            Asking::Wait(until) => (OneTimeTrouble::Wait(seconds(until, now)), seconds(until, now)),
            Asking::Full(until) => {
                let time = self.time(until);
                let page =
                    self.with_one_time(&found, StatusCode::TOO_MANY_REQUESTS, Some(OneTimeTrouble::Full(&time)))?;
                return Ok(retry_after(page, seconds(until, now)));
            }
            Asking::Over => return self.with_one_time(&found, StatusCode::FORBIDDEN, Some(OneTimeTrouble::Over)),
            Asking::Ceiling => (OneTimeTrouble::Ceiling, 3600),
        };
        let status = StatusCode::TOO_MANY_REQUESTS;
        Ok(retry_after(self.with_one_time(&found, status, Some(trouble))?, wait))
    }

    /// A clock time, with its day when that is another one.
    fn time(&self, moment: Timestamp) -> String {
        let (zone, lang) = (&self.app.settings.time_zone, self.visitor.lang(&self.view.contact.language));
        let day = |moment| format::date(lang, moment, zone);
        if day(moment) == day(self.now()) { self.clock(moment) } else { format::moment(lang, moment, zone) }
    }

    /// One try: counted durably, then compared.
    async fn attempt_one_time(&self, code: &AccessCode) -> Result<Response, Problem> {
        let settings = &self.app.settings;
        let limits = (&settings.limits, &settings.one_time_limits);
        let counted = |result| self.app.metrics.tried(result);
        let (admission, tried) =
            match self.app.store.count_one_time_try(self.view, self.visitor.network, limits).await? {
                OneTimeTry::Compare(admission, tried) => (admission, tried),
                OneTimeTry::NotNow(Admission::Paused(until)) => {
                    counted(Try::Paused);
                    let found = self.one_time().await?;
                    let time = self.clock(until);
                    let page =
                        self.with_one_time(&found, StatusCode::TOO_MANY_REQUESTS, Some(OneTimeTrouble::Paused(&time)))?;
                    return Ok(retry_after(page, until.since(self.now()).as_secs().max(1)));
                }
                OneTimeTry::NotNow(_) => {
                    counted(Try::Closed);
                    return self.with_one_time(
                        &self.one_time().await?,
                        StatusCode::FORBIDDEN,
                        Some(OneTimeTrouble::Closed),
                    );
                }
                OneTimeTry::NoCode(state) => {
                    let trouble = match state {
                        Some(CodeState::Spent) => OneTimeTrouble::Spent,
                        Some(CodeState::Expired) => OneTimeTrouble::Expired,
                        Some(CodeState::Alive) | None => OneTimeTrouble::NoCode,
                    };
                    return self.with_one_time(&self.one_time().await?, StatusCode::FORBIDDEN, Some(trouble));
                }
            };
        if tried.matches(&self.app.store, code.expose()) {
            counted(Try::Right);
            return self.welcome_one_time(&tried).await;
        }
        counted(Try::Wrong);
        let Admission::Try { left, paused_until, closes } = admission else { return Err(Problem::Broken) };
        let time = paused_until.map(|until| self.clock(until)).unwrap_or_default();
        let trouble = match (closes, paused_until, left.min(tried.left)) {
            (true, ..) => OneTimeTrouble::Closed,
            (false, Some(_), _) => OneTimeTrouble::WrongThenPause(&time),
            (false, None, 0) => OneTimeTrouble::Spent,
            (false, None, left) => OneTimeTrouble::Wrong(left),
        };
        self.with_one_time(&self.one_time().await?, StatusCode::FORBIDDEN, Some(trouble))
    }

    /// The code is used up in the commit that opens the session: of two at the same moment one comes in.
    async fn welcome_one_time(&self, tried: &Tried) -> Result<Response, Problem> {
        let token = SessionToken::generate(self.app.entropy.as_ref());
        if self.app.store.open_one_time_session(self.view, self.visitor.network, (self.cookies(&token), tried)).await? {
            return self.enter(&token);
        }
        self.with_one_time(&self.one_time().await?, StatusCode::FORBIDDEN, Some(OneTimeTrouble::NoCode))
    }

    fn with_one_time(
        &self,
        found: &OneTimeView,
        status: StatusCode,
        trouble: Option<OneTimeTrouble<'_>>,
    ) -> Result<Response, Problem> {
        let Self { app, view, visitor, .. } = self;
        let limits = &app.settings.one_time_limits;
        let page = app.page(visitor.lang(&view.contact.language));
        let alive = found.code.filter(|code| code.state(limits, self.now()) == CodeState::Alive);
        // Where no code is taken now, none is asked for.
        let barred = matches!(
            trouble,
            Some(
                OneTimeTrouble::Closed
                    | OneTimeTrouble::Paused(_)
                    | OneTimeTrouble::WrongThenPause(_)
                    | OneTimeTrouble::Spent
            )
        );
        let until = alive.filter(|_| !barred).map(|code| self.clock(code.until(limits))).unwrap_or_default();
        let sender = sender_name(view);
        let wait = match found.next {
            Asking::Wait(until) => seconds(until, self.now()),
            _ => 0,
        };
        let (masked, tell) = match &found.to {
            Destination::Phone(phone) => (mask::phone(phone), "/nummer"),
            Destination::Mailbox(address) => (mask::address(address), "/geen-code"),
        };
        let one_time_page = OneTimePage {
            page,
            sender,
            from: &format!("{sender}, {}", app.settings.organisation),
            recipient: &mask::address(&view.conversation.recipient),
            last_day: &format::last_day(page.lang(), view.grant.expires, &app.settings.time_zone),
            to: match found.to {
                Destination::Phone(_) => SentTo::Phone(&masked),
                Destination::Mailbox(_) => SentTo::Mailbox(&masked),
            },
            until: &until,
            action: &self.path(""),
            token: &self.token(Purpose::Open),
            ask: &self.path("/stuur-code"),
            ask_token: &self.token(Purpose::SendCode),
            tell: &self.path(tell),
            other: &self.path("/anders"),
            wait,
            script: &app.again_script,
            open: matches!(
                trouble,
                Some(
                    OneTimeTrouble::Wait(_) | OneTimeTrouble::Full(_) | OneTimeTrouble::Over | OneTimeTrouble::Ceiling
                )
            ),
            news: found.stage.and_then(news),
            trouble,
        };
        let mut response = html(status, &one_time_page)?;
        if wait > 0 && !until.is_empty() {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(WAITING_POLICY));
        }
        Ok(response)
    }
}

/// Whole seconds until then, at least 1.
fn seconds(until: Timestamp, now: Timestamp) -> u64 {
    until.since(now).as_millis().div_ceil(1000).try_into().unwrap_or(1).max(1)
}

/// What of the fate of an SMS or mail is worth a sentence.
const fn news(stage: Stage) -> Option<OneTimeNews> {
    match stage {
        Stage::Waiting => Some(OneTimeNews::Delayed),
        Stage::Sending | Stage::Taken | Stage::Unsure | Stage::Delivered => None,
        Stage::Failed(Refusal::Number | Refusal::Country | Refusal::Blocked | Refusal::Mailbox) => {
            Some(OneTimeNews::BadDestination)
        }
        Stage::Failed(Refusal::Credit | Refusal::Account | Refusal::Unreachable) => Some(OneTimeNews::OurFault),
        Stage::Failed(Refusal::Undelivered) => Some(OneTimeNews::Undelivered),
    }
}
