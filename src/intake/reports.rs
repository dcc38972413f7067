//! Reports about mails of our own: which mail it was, and who must know that it did not arrive.
//!
//! Whoever got a mail of ours knows the address that reports about it go to, so a report proves little. All it can do is what a refusal by the next hop does:
//! one mail to the sender of the notice, or to the fallback mailbox; of an answer, that it goes to the fallback mailbox, and its writer hears
//! so; of that copy, that its writer is asked to call. For each link and answer that happens once, for each code once a day.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Intake, IntakeError};
use crate::base::{JobId, Timestamp};
use crate::mail::report::{Fate, Status};
use crate::mail::{Address, Domain};
use crate::store::StoreError;
use crate::store::intake::NewJob;
use crate::store::records::JobKind;
pub use crate::store::verp::Subject as Reported;

/// How long nothing more is told about a code or an answer that did not arrive.
const QUIET: Duration = Duration::from_hours(24);
/// Codes and answers that are remembered at the same time.
const MOST: usize = 10_000;

/// Which codes and answers were told about lately.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<HashMap<Reported, Timestamp>>);

impl Told {
    /// Whether it may be told `now`; then it counts as told.
    fn may(&self, about: Reported, now: Timestamp) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MOST {
            told.retain(|_, at| now.since(*at) < QUIET);
        }
        let quiet = told.get(&about).is_none_or(|at| now.since(*at) >= QUIET);
        if !quiet || told.len() >= MOST {
            return false;
        }
        told.insert(about, now);
        true
    }

    fn forget(&self, about: Reported) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&about);
    }
}

impl Intake {
    /// Which of our mails reports to this address are about; `None`: the address is not one that we gave.
    #[must_use]
    pub fn reported(&self, to: &Address, domain: &Domain) -> Option<Reported> {
        Reported::of(to, self.inner.store.keys(), domain)
    }

    /// Does what a report asks for, durably. Whether somebody is told.
    ///
    /// # Errors
    /// From the store: the report is to come again.
    pub async fn take_report(&self, about: Reported, fate: Fate) -> Result<bool, IntakeError> {
        let Fate::Failed(status) = fate else { return Ok(false) };
        let (store, now) = (&self.inner.store, self.inner.clock.now());
        let job = |kind| NewJob { id: JobId::random(&*self.inner.entropy), kind, secret: None, due: now };
        match about {
            Reported::Notice(grant) => {
                let tell = job(JobKind::Undeliverable { grant, answer: answer(status) });
                Ok(store.notice_failed(grant, &tell).await?)
            }
            Reported::OneTime(grant) => Ok(store.one_time_bounced(grant).await?),
            // No mail about a mail that tells of a failure (RFC 3834 §2).
            Reported::Sender(_) => Ok(false),
            Reported::Code(contact) => {
                let tell = job(JobKind::CodeUndeliverable { contact, answer: answer(status) });
                self.once_a_day(about, now, store.code_failed(contact, &tell)).await
            }
            Reported::Answer(id) => self.once_a_day(about, now, store.answer_bounced(id, false)).await,
            Reported::AnswerCopy(id) => self.once_a_day(about, now, store.answer_bounced(id, true)).await,
        }
    }

    /// Tells, unless that was done lately. What could not be told counts as not told.
    async fn once_a_day(
        &self,
        about: Reported,
        now: Timestamp,
        tell: impl Future<Output = Result<bool, StoreError>>,
    ) -> Result<bool, IntakeError> {
        if !self.inner.told.may(about, now) {
            return Ok(false);
        }
        let told = tell.await;
        if told.is_err() {
            self.inner.told.forget(about);
        }
        Ok(told?)
    }
}

/// As a next hop would have said it, without any text of the report.
fn answer(status: Status) -> String {
    if status.is_temporary() { format!("451 {status}") } else { format!("550 {status}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ContactId, MessageId};

    #[test]
    fn a_code_is_told_about_once_a_day() {
        let (told, start) = (Told::default(), Timestamp::from_secs(1_800_000_000));
        let (one, two) = (Reported::Answer(MessageId([1; 16])), Reported::AnswerCopy(MessageId([1; 16])));
        assert!(told.may(one, start) && told.may(two, start) && !told.may(one, start));
        assert!(!told.may(one, start + Duration::from_hours(23)));
        assert!(told.may(one, start + QUIET));
        told.forget(one);
        assert!(told.may(one, start + QUIET));
    }

    #[test]
    fn memory_is_bounded() {
        let (told, start) = (Told::default(), Timestamp::from_secs(1_800_000_000));
        let contact = |number: usize| Reported::Code(ContactId((number as u128).to_be_bytes()));
        assert!((0..MOST).all(|number| told.may(contact(number), start)));
        assert!(!told.may(contact(MOST), start));
        assert!(told.may(contact(MOST), start + QUIET));
    }
}
