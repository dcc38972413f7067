//! Page 1 with a code by SMS: a press sends it, the field takes it. Looking sends nothing, and a press sends no more than the limits allow.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;

use crate::access::Admission;
use crate::access::sms::{Asking, State as CodeState};
use crate::base::Timestamp;
use crate::metrics::{Ask, Try};
use crate::seal::code::AccessCode;
use crate::seal::token::SessionToken;
use crate::store::challenge::{SmsTry, SmsView, Tried};
use crate::store::sms::{Refusal, SmsProgress};
use crate::text::format;
use crate::text::page::{SmsNews, SmsPage, SmsTrouble};

use super::answer::{Problem, html};
use super::app::Shared;
use super::ask::Press;
use super::client::Visitor;
use super::headers::WAITING_POLICY;
use super::mask;
use super::page_token::Purpose;
use super::unlock::{CodeForm, First, by_sms, checked, find, retry_after, sender_name, think};

/// Digits of a code.
const DIGITS: usize = 6;

/// `GET /b/{token}`.
pub(super) async fn show(page: &First<'_>, admission: Admission) -> Result<Response, Problem> {
    let sms = page.sms().await?;
    match admission {
        Admission::Try { .. } => {
            let state = sms.code.map(|code| code.state(&page.app.settings.sms_limits, page.now()));
            let time = if let Asking::Full(until) = sms.next { page.time(until) } else { String::new() };
            let trouble = match (state, sms.next) {
                (Some(CodeState::Alive), _) => None,
                (_, Asking::Full(_)) => Some(SmsTrouble::Full(&time)),
                (_, Asking::Over) => Some(SmsTrouble::Over),
                (_, Asking::Ceiling) => Some(SmsTrouble::Ceiling),
                (Some(CodeState::Spent), _) => Some(SmsTrouble::Spent),
                _ => None,
            };
            page.with_sms(&sms, StatusCode::OK, trouble)
        }
        Admission::Paused(until) => page.with_sms(&sms, StatusCode::OK, Some(SmsTrouble::Paused(&page.clock(until)))),
        Admission::Closed => page.with_sms(&sms, StatusCode::OK, Some(SmsTrouble::Closed)),
    }
}

/// `POST /b/{token}/sms`: "send me the code".
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
    if !by_sms(&view) {
        return Err(Problem::NotFound);
    }
    let page = First { app: &app, view: &view, visitor, link: &link };
    let Some(age) = page.age(Purpose::Sms, &form.pagina) else {
        return page.with_sms(&page.sms().await?, StatusCode::BAD_REQUEST, Some(SmsTrouble::Stale));
    };
    think(age).await;
    match app.store.may_try(&view, visitor.network, &app.settings.limits).await? {
        Admission::Try { .. } => page.ask().await,
        admission => show(&page, admission).await,
    }
}

/// `POST /b/{token}` with a code.
pub(super) async fn open(page: &First<'_>, form: &CodeForm) -> Result<Response, Problem> {
    let sms = page.sms().await?;
    let Some(age) = page.age(Purpose::Open, &form.pagina) else {
        return page.with_sms(&sms, StatusCode::BAD_REQUEST, Some(SmsTrouble::Stale));
    };
    let Some(code) = AccessCode::normalise(form.code.expose_secret()) else {
        return page.with_sms(&sms, StatusCode::UNPROCESSABLE_ENTITY, Some(SmsTrouble::Empty));
    };
    let digits = code.expose().chars().filter(char::is_ascii_digit).count();
    if digits != DIGITS || code.expose().len() != DIGITS {
        return page.with_sms(&sms, StatusCode::UNPROCESSABLE_ENTITY, Some(SmsTrouble::Form));
    }
    think(age).await;
    page.attempt_sms(&code).await
}

impl First<'_> {
    fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    async fn sms(&self) -> Result<SmsView, Problem> {
        let sms = self.app.store.sms_view(self.view, &self.app.settings.sms_limits).await?;
        sms.ok_or_else(|| {
            // Only damage does this.
            tracing::error!(grant = %self.view.id, "a contact has no telephone number to send to");
            Problem::Broken
        })
    }

    /// One press. What it brings is shown by the page that it leads to, so that loading that again sends nothing.
    async fn ask(&self) -> Result<Response, Problem> {
        let asking = self.app.store.ask_sms(self.view, &self.app.settings.sms_limits).await?;
        self.app.metrics.asked(match asking {
            Asking::Send { .. } => Ask::Sent,
            Asking::Wait(_) | Asking::Full(_) | Asking::Over => Ask::Refused,
            Asking::Ceiling => Ask::Ceiling,
        });
        let now = self.now();
        let sms = self.sms().await?;
        let (trouble, wait) = match asking {
            Asking::Send { alarm, .. } => {
                if alarm {
                    tracing::error!(
                        "the ceiling of codes by SMS in a day is reached: no more are sent until the day is over"
                    );
                }
                let to = HeaderValue::from_str(&self.path("")).map_err(|_| Problem::Broken)?;
                return Ok((StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response());
            }
            Asking::Wait(until) => (SmsTrouble::Wait(seconds(until, now)), seconds(until, now)),
            Asking::Full(until) => {
                let time = self.time(until);
                let page = self.with_sms(&sms, StatusCode::TOO_MANY_REQUESTS, Some(SmsTrouble::Full(&time)))?;
                return Ok(retry_after(page, seconds(until, now)));
            }
            Asking::Over => return self.with_sms(&sms, StatusCode::FORBIDDEN, Some(SmsTrouble::Over)),
            Asking::Ceiling => (SmsTrouble::Ceiling, 3600),
        };
        let status = StatusCode::TOO_MANY_REQUESTS;
        Ok(retry_after(self.with_sms(&sms, status, Some(trouble))?, wait))
    }

    /// A clock time, with its day when that is another one.
    fn time(&self, moment: Timestamp) -> String {
        let (zone, lang) = (&self.app.settings.time_zone, self.visitor.lang(&self.view.contact.language));
        let day = |moment| format::date(lang, moment, zone);
        if day(moment) == day(self.now()) { self.clock(moment) } else { format::moment(lang, moment, zone) }
    }

    /// One try: counted durably, then compared.
    async fn attempt_sms(&self, code: &AccessCode) -> Result<Response, Problem> {
        let settings = &self.app.settings;
        let limits = (&settings.limits, &settings.sms_limits);
        let counted = |result| self.app.metrics.tried(result);
        let (admission, tried) = match self.app.store.count_sms_try(self.view, self.visitor.network, limits).await? {
            SmsTry::Compare(admission, tried) => (admission, tried),
            SmsTry::NotNow(Admission::Paused(until)) => {
                counted(Try::Paused);
                let sms = self.sms().await?;
                let time = self.clock(until);
                let page = self.with_sms(&sms, StatusCode::TOO_MANY_REQUESTS, Some(SmsTrouble::Paused(&time)))?;
                return Ok(retry_after(page, until.since(self.now()).as_secs().max(1)));
            }
            SmsTry::NotNow(_) => {
                counted(Try::Closed);
                return self.with_sms(&self.sms().await?, StatusCode::FORBIDDEN, Some(SmsTrouble::Closed));
            }
            SmsTry::NoCode(state) => {
                let trouble = match state {
                    Some(CodeState::Spent) => SmsTrouble::Spent,
                    Some(CodeState::Expired) => SmsTrouble::Expired,
                    Some(CodeState::Alive) | None => SmsTrouble::NoCode,
                };
                return self.with_sms(&self.sms().await?, StatusCode::FORBIDDEN, Some(trouble));
            }
        };
        if tried.matches(&self.app.store, code.expose()) {
            counted(Try::Right);
            return self.welcome_sms(&tried).await;
        }
        counted(Try::Wrong);
        let Admission::Try { left, paused_until, closes } = admission else { return Err(Problem::Broken) };
        let time = paused_until.map(|until| self.clock(until)).unwrap_or_default();
        let trouble = match (closes, paused_until, left.min(tried.left)) {
            (true, ..) => SmsTrouble::Closed,
            (false, Some(_), _) => SmsTrouble::WrongThenPause(&time),
            (false, None, 0) => SmsTrouble::Spent,
            (false, None, left) => SmsTrouble::Wrong(left),
        };
        self.with_sms(&self.sms().await?, StatusCode::FORBIDDEN, Some(trouble))
    }

    /// The code is used up in the commit that opens the session: of two at the same moment one comes in.
    async fn welcome_sms(&self, tried: &Tried) -> Result<Response, Problem> {
        let token = SessionToken::generate(self.app.entropy.as_ref());
        if self.app.store.open_sms_session(self.view, self.visitor.network, (&token, tried)).await? {
            return self.enter(&token);
        }
        self.with_sms(&self.sms().await?, StatusCode::FORBIDDEN, Some(SmsTrouble::NoCode))
    }

    fn with_sms(
        &self,
        sms: &SmsView,
        status: StatusCode,
        trouble: Option<SmsTrouble<'_>>,
    ) -> Result<Response, Problem> {
        let Self { app, view, visitor, .. } = self;
        let limits = &app.settings.sms_limits;
        let page = app.page(visitor.lang(&view.contact.language));
        let alive = sms.code.filter(|code| code.state(limits, self.now()) == CodeState::Alive);
        // Where no code is taken now, none is asked for.
        let barred = matches!(
            trouble,
            Some(SmsTrouble::Closed | SmsTrouble::Paused(_) | SmsTrouble::WrongThenPause(_) | SmsTrouble::Spent)
        );
        let until = alive.filter(|_| !barred).map(|code| self.clock(code.until(limits))).unwrap_or_default();
        let sender = sender_name(view);
        let wait = match sms.next {
            Asking::Wait(until) => seconds(until, self.now()),
            _ => 0,
        };
        let sms_page = SmsPage {
            page,
            sender,
            from: &format!("{sender}, {}", app.settings.organisation),
            recipient: &mask::address(&view.conversation.recipient),
            last_day: &format::last_day(page.lang(), view.grant.expires, &app.settings.time_zone),
            number: &mask::phone(&sms.phone),
            until: &until,
            action: &self.path(""),
            token: &self.token(Purpose::Open),
            ask: &self.path("/sms"),
            ask_token: &self.token(Purpose::Sms),
            wrong_number: &self.path("/nummer"),
            other: &self.path("/anders"),
            wait,
            script: &app.again_script,
            open: matches!(
                trouble,
                Some(SmsTrouble::Wait(_) | SmsTrouble::Full(_) | SmsTrouble::Over | SmsTrouble::Ceiling)
            ),
            news: sms.progress.and_then(news),
            trouble,
        };
        let mut response = html(status, &sms_page)?;
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

/// What of the fate of an SMS is worth a sentence.
const fn news(progress: SmsProgress) -> Option<SmsNews> {
    match progress {
        SmsProgress::Waiting => Some(SmsNews::Delayed),
        SmsProgress::Sending | SmsProgress::Taken | SmsProgress::Unsure | SmsProgress::Delivered => None,
        SmsProgress::Failed(Refusal::Number | Refusal::Country | Refusal::Blocked) => Some(SmsNews::BadNumber),
        SmsProgress::Failed(Refusal::Credit | Refusal::Account | Refusal::Unreachable) => Some(SmsNews::OurFault),
        SmsProgress::Failed(Refusal::Undelivered) => Some(SmsNews::Undelivered),
    }
}
