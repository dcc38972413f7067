//! "Is this mail genuine?": confirms the reference of a notice to whoever has it, and tells how to know a real one.
//!
//! It tells less than the notice itself does: when it was sent, and to which masked address. Guessing a reference (40 bits) is bounded
//! for each network and in all.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;

use crate::access::Network;
use crate::base::Timestamp;
use crate::seal::token::read_reference;
use crate::text::format;
use crate::text::page::{Genuine, GenuinePage};

use super::answer::{Problem, html};
use super::app::Shared;
use super::client::Visitor;
use super::{guard, mask};

/// Within this time so many questions are answered.
const WINDOW: Duration = Duration::from_mins(10);
/// From one network.
const PER_NETWORK: u32 = 10;
/// From all of them; a flood of questions closes the page for this long, and nothing else.
const IN_ALL: u32 = 300;

/// The questions of the present window.
#[derive(Debug, Default)]
pub(super) struct Questions(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    began: Timestamp,
    all: u32,
    networks: HashMap<Network, u32>,
}

impl Questions {
    /// Counts one; false when it may not be answered. Holds no more networks than questions are answered.
    fn admit(&self, network: Network, now: Timestamp) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(window.began) >= WINDOW {
            *window = Window { began: now, ..Window::default() };
        }
        if window.all >= IN_ALL {
            return false;
        }
        let asked = window.networks.entry(network).or_default();
        if *asked >= PER_NETWORK {
            return false;
        }
        *asked += 1;
        window.all += 1;
        true
    }
}

/// The form.
#[derive(Debug, Deserialize)]
pub(super) struct Question {
    #[serde(default)]
    kenmerk: String,
}

/// `GET /echt`.
pub(super) async fn show(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    answer(&app, visitor, StatusCode::OK, None)
}

/// `POST /echt`: changes nothing but the count of questions.
pub(super) async fn check(
    State(app): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    form: Result<Form<Question>, FormRejection>,
) -> Result<Response, Problem> {
    if !guard::from_our_page(&headers, &app.settings.origin) {
        return Err(Problem::Refused);
    }
    let Ok(Form(question)) = form else { return Err(Problem::Refused) };
    let Some(reference) = read_reference(&question.kenmerk) else {
        return answer(&app, visitor, StatusCode::UNPROCESSABLE_ENTITY, Some(Genuine::NoReference));
    };
    if !app.questions.admit(visitor.network, app.clock.now()) {
        let mut busy = answer(&app, visitor, StatusCode::TOO_MANY_REQUESTS, Some(Genuine::TooMany))?;
        busy.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(WINDOW.as_secs()));
        return Ok(busy);
    }
    let Some(view) = app.store.grant_by_reference(&reference).await? else {
        return answer(&app, visitor, StatusCode::OK, Some(Genuine::Unknown));
    };
    let lang = visitor.lang("");
    let sent = format::date(lang, view.grant.created, &app.settings.time_zone);
    let recipient = mask::address(&view.conversation.recipient);
    answer(&app, visitor, StatusCode::OK, Some(Genuine::Ours { sent: &sent, recipient: &recipient }))
}

fn answer(app: &Shared, visitor: Visitor, status: StatusCode, found: Option<Genuine<'_>>) -> Result<Response, Problem> {
    let page = app.page(visitor.lang(""));
    html(status, &GenuinePage { page, origin: &app.settings.origin, action: &visitor.keep("/echt"), found })
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn questions_are_bounded_for_each_network_and_in_all() {
        let questions = Questions::default();
        let network = |n: u32| Network::of(IpAddr::from((n << 8).to_be_bytes()));
        let now = Timestamp::from_secs(1_795_255_200);
        let admitted = (0..20).filter(|_| questions.admit(network(1), now)).count();
        assert_eq!(admitted, 10);
        let admitted = (2..1000).filter(|n| questions.admit(network(*n), now)).count();
        assert_eq!(admitted, 290);
        assert!(!questions.admit(network(2000), now + WINDOW - Duration::from_millis(1)));
        assert!(questions.admit(network(1), now + WINDOW));
    }
}
