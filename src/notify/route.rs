//! One way out: a next hop, and what it is asked to do with our mails.
//!
//! A hop that could not be reached is left alone for a moment: the jobs behind it end at once with that answer instead of
//! holding a worker each for the whole wait, and jobs of the other route are not kept waiting.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::{JobId, Timestamp};
use crate::mail::{Address, MailFrom, Param, RcptTo};
use crate::nexthop::{Capabilities, HopError, NextHop, StreamError};

use super::answered::{AnswerMail, Unreadable};
use super::{Outcome, answer};

/// How long a hop that could not be reached is left alone.
const QUIET: Duration = Duration::from_secs(15);

/// Noted when an address needs SMTPUTF8 and the hop has none.
const NO_SUCH_LETTERS: &str =
    "553 5.6.7 the mail server on our side cannot send to or from an address with such letters";

/// A next hop and when to ask it again.
#[derive(Debug)]
pub(super) struct Route {
    hop: NextHop,
    quiet_until: AtomicU64,
}

/// The envelope of one mail, without parameters.
#[derive(Clone)]
pub(super) struct Envelope {
    pub from: Address,
    pub to: Address,
    pub job: JobId,
}

impl Route {
    pub fn new(hop: NextHop) -> Self {
        Self { hop, quiet_until: AtomicU64::new(0) }
    }

    /// The hop's name in the config.
    pub fn name(&self) -> &str {
        self.hop.name()
    }

    /// One attempt. `secrets` are what the mail brings in clear: no answer repeats them.
    pub async fn send(&self, envelope: &Envelope, mail: &[u8], secrets: &[&str], now: Timestamp) -> Outcome {
        if let Some(outcome) = self.left_alone(now) {
            return outcome;
        }
        self.deliver(envelope, mail, secrets).await.unwrap_or_else(|error| self.failed(envelope.job, error, now))
    }

    /// One attempt at an answer, streamed, unless the hop is [left alone](Self::left_alone).
    pub async fn send_answer(&self, mail: &mut AnswerMail, now: Timestamp) -> Outcome {
        let job = mail.envelope.job;
        match self.deliver_answer(mail).await {
            Ok(outcome) => outcome,
            Err(StreamError::Source(error)) => error.into(),
            Err(StreamError::Hop(error)) => self.failed(job, error, now),
        }
    }

    async fn deliver_answer(&self, mail: &mut AnswerMail) -> Result<Outcome, StreamError<Unreadable>> {
        let offers = self.offers().await?;
        let envelope = mail.envelope.clone();
        let utf8 = [&envelope.from, &envelope.to].iter().any(|address| !address.as_str().is_ascii());
        if utf8 && !offers.smtputf8 {
            return Ok(Outcome::Never(NO_SUCH_LETTERS.to_owned()));
        }
        let (from, to) = paths(&envelope, offers, utf8);
        let reply = self.hop.send_from(&from, &to, mail).await?;
        Ok(answer::outcome(&reply, &[]))
    }

    async fn offers(&self) -> Result<Capabilities, HopError> {
        match self.hop.capabilities() {
            Some(offers) => Ok(offers),
            None => self.hop.probe().await,
        }
    }

    /// The outcome while the hop is left alone.
    pub fn left_alone(&self, now: Timestamp) -> Option<Outcome> {
        let quiet = now < Timestamp(self.quiet_until.load(Ordering::Relaxed));
        quiet.then(|| Outcome::Later(format!("next hop {} could not be reached a moment ago", self.hop.name())))
    }

    fn failed(&self, job: JobId, error: HopError, now: Timestamp) -> Outcome {
        match error {
            HopError::Unreachable { hop, cause } => {
                tracing::warn!(%job, hop, cause, "the next hop cannot be reached");
                self.quiet_until.store((now + QUIET).millis(), Ordering::Relaxed);
                Outcome::Later(format!("next hop {hop} cannot be reached"))
            }
            HopError::Broken { hop, cause } => {
                tracing::warn!(%job, hop, cause, "the connection to the next hop broke");
                Outcome::Later(format!("the connection to next hop {hop} broke"))
            }
        }
    }

    async fn deliver(&self, envelope: &Envelope, mail: &[u8], secrets: &[&str]) -> Result<Outcome, HopError> {
        let offers = self.offers().await?;
        let utf8 =
            [&envelope.from, &envelope.to].iter().any(|address| !address.as_str().is_ascii()) || !mail.is_ascii();
        if utf8 && !offers.smtputf8 {
            return Ok(Outcome::Never(NO_SUCH_LETTERS.to_owned()));
        }
        let (from, to) = paths(envelope, offers, utf8);
        let reply = self.hop.send(&from, &to, mail).await?;
        Ok(answer::outcome(&reply, secrets))
    }
}

/// MAIL and RCPT. Where the hop passes on DSN (RFC 3461): a failure comes back to our own address, with the header only, so
/// that neither link nor code travels once more; delays and successes are not reported.
fn paths(envelope: &Envelope, offers: Capabilities, utf8: bool) -> (MailFrom, RcptTo) {
    let param = |keyword: &str, value: Option<String>| Param { keyword: keyword.to_owned(), value };
    let mut from = MailFrom { path: Some(envelope.from.clone()), params: Vec::new() };
    let mut to = RcptTo { address: envelope.to.clone(), params: Vec::new() };
    if utf8 {
        from.params.push(param("SMTPUTF8", None));
        if offers.eightbit {
            from.params.push(param("BODY", Some("8BITMIME".to_owned())));
        }
    }
    if offers.dsn {
        from.params.push(param("RET", Some("HDRS".to_owned())));
        from.params.push(param("ENVID", Some(envelope.job.to_string())));
        to.params.push(param("NOTIFY", Some("FAILURE".to_owned())));
    }
    (from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(to: &str) -> Envelope {
        Envelope { from: "b-x@bounce.example.nl".parse().unwrap(), to: to.parse().unwrap(), job: JobId([1; 16]) }
    }

    fn written(params: &[Param]) -> Vec<String> {
        params.iter().map(|p| format!("{}={}", p.keyword, p.value.as_deref().unwrap_or("-"))).collect()
    }

    #[test]
    fn a_hop_with_dsn_is_asked_for_headers_and_failures_only() {
        let offers = Capabilities { dsn: true, eightbit: true, smtputf8: true, ..Capabilities::default() };
        let (from, to) = paths(&envelope("jan@example.nl"), offers, false);
        assert_eq!(written(&from.params), ["RET=HDRS", &format!("ENVID={}", JobId([1; 16]))]);
        assert_eq!(written(&to.params), ["NOTIFY=FAILURE"]);
    }

    #[test]
    fn nothing_is_asked_that_is_not_offered() {
        let (from, to) = paths(&envelope("jan@example.nl"), Capabilities::default(), false);
        assert!(from.params.is_empty() && to.params.is_empty());
        let offers = Capabilities { smtputf8: true, eightbit: true, ..Capabilities::default() };
        let (from, _) = paths(&envelope("jüan@example.nl"), offers, true);
        assert_eq!(written(&from.params), ["SMTPUTF8=-", "BODY=8BITMIME"]);
    }
}
