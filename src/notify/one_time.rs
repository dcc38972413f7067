//! One attempt at the mail that brings a one-time code. What became of it is told to the page; a repeat after a lost reply brings the same
//! code under the same Message-ID, so it does no harm.

use secrecy::SecretString;

use crate::seal::one_time::OneTimeCode;
use crate::store::dispatch::{Begun, DispatchEnd, Refusal, Stage};
use crate::store::records::{LeasedJob, OneTime};
use crate::store::verp::Subject;
use crate::text::mail::OneTimeMail;
use crate::text::{Lang, format};

use super::compose::Mailbox;
use super::draft::{Desk, Draft, NoMail, Way, visible, wire};
use super::{Inner, Outcome, answer, clean};

impl Desk<'_> {
    /// The mail: to the address that the notice went to, from our own, without the link.
    pub(super) async fn one_time(&self, job: &LeasedJob, code: OneTime) -> Result<Draft, NoMail> {
        let view = self.view(code.grant).await?;
        let to = Mailbox { name: clean::name(&view.contact.name), address: wire(&view.conversation.recipient)? };
        let lang = Lang::from_tag(&view.contact.language).unwrap_or(self.settings.language);
        let sender = &view.conversation.sender;
        let name = clean::name(&sender.name);
        let called = if name.is_empty() { visible(&sender.address) } else { name };
        let digits = OneTimeCode::of(self.store.keys(), code.challenge);
        let letter = OneTimeMail {
            recipient: &to.name,
            sender: &called,
            organisation: &self.settings.organisation,
            phone: &self.settings.phone,
            reference: &view.grant.reference,
            code: digits.expose(),
            asked: &format::moment(lang, job.job.created, &self.settings.time_zone),
            until: &format::clock(code.expires, &self.settings.time_zone),
        }
        .write(self.texts, lang)?;
        let way = if self.is_home(to.address.domain()) { Way::Home } else { Way::Outside };
        let head = self.head(job.id, self.our_mailbox(lang)?, to, true);
        let secret = SecretString::from(digits.expose().to_owned());
        self.finish(way, Subject::OneTime(code.grant), &head, &letter, vec![secret])
    }
}

impl Inner {
    /// The attempt; its outcome says whether there is to be another.
    pub(super) async fn mail_code(&self, job: &LeasedJob, expires: crate::base::Timestamp) -> Outcome {
        match self.store.begin_dispatch(job.id).await {
            Ok(Begun::Now | Begun::BrokenOff) => {}
            Ok(Begun::Gone) => return failed(Refusal::Unreachable),
            Err(error) => return Outcome::Later(error.to_string()),
        }
        if self.clock.now() >= expires {
            return failed(Refusal::Unreachable);
        }
        match self.mail(job).await {
            Outcome::Sent => {
                let (provider, id) = (String::new(), String::new());
                Outcome::Dispatched(DispatchEnd { stage: Stage::Taken, provider, id })
            }
            Outcome::Never(said) => {
                let refused = answer::of_server(&said).is_some();
                tracing::warn!(job = %job.id, said, "the mail with a one-time code was refused");
                failed(if refused { Refusal::Mailbox } else { Refusal::Unreachable })
            }
            outcome => outcome,
        }
    }
}

const fn failed(why: Refusal) -> Outcome {
    Outcome::Dispatched(DispatchEnd::failed(why))
}
