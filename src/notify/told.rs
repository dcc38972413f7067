//! What is told about an answer: to who wrote it, that it did not arrive; to a sender outside, that there is one. Nothing of the answer is in it.

use crate::base::{ConversationId, JobId, MessageId, Timestamp};
use crate::store::records::LeasedJob;
use crate::store::verp::Subject;
use crate::text::mail::{AnswerLost, AnswerNotice, Fate};
use crate::text::{Lang, format};

use super::clean;
use super::compose::Mailbox;
use super::draft::{Desk, Draft, NoMail, Way, never, wire};

impl Desk<'_> {
    /// The mail to who wrote an answer that did not arrive: nothing of the answer is in it.
    pub async fn answer_lost(
        &self,
        job: &LeasedJob,
        answered: (ConversationId, MessageId),
        fate: Fate,
    ) -> Result<Draft, NoMail> {
        let Writer { name, address, language, sender, reference, sent } = self.writer(job, answered).await?;
        let lang = Lang::from_tag(&language).unwrap_or(self.settings.language);
        let to = Mailbox { name: clean::name(&name), address: wire(&address)? };
        let sender = clean::name(&sender);
        let letter = AnswerLost {
            writer: &to.name,
            sender: if sender.is_empty() { &self.settings.organisation } else { &sender },
            organisation: &self.settings.organisation,
            phone: &self.settings.phone,
            date: &format::date(lang, sent, &self.settings.time_zone),
            reference: &reference,
            fate,
        }
        .write(self.texts, lang)?;
        let way = if self.is_home(to.address.domain()) { Way::Home } else { Way::Outside };
        let head = self.head(job.id, self.our_mailbox(lang)?, to, true);
        self.finish(way, Subject::Answer(answered.1), &head, &letter, Vec::new())
    }

    /// Who wrote an answer, as its letter says; without its key, as its conversation does.
    async fn writer(&self, job: &LeasedJob, answered: (ConversationId, MessageId)) -> Result<Writer, NoMail> {
        if job.secret.is_none() {
            let about = self.store.about_answer(answered).await?.ok_or_else(|| never("the answer is gone"))?;
            return Ok(Writer {
                name: about.contact.name,
                address: about.conversation.recipient,
                language: about.contact.language,
                sender: about.conversation.sender.name,
                reference: about.grant.reference,
                sent: about.sent,
            });
        }
        let view = self.answer_view(job, answered.0, answered.1).await?;
        let thread = view.letter.thread.ok_or_else(|| never("this answer was not sent"))?;
        Ok(Writer {
            name: thread.writer_name,
            address: thread.writer,
            language: thread.language,
            sender: thread.sender.name,
            reference: thread.reference,
            sent: view.answer.sent.unwrap_or(view.answer.changed),
        })
    }

    /// The mail to a sender outside: that there is an answer, and nothing of it.
    pub async fn answer_notice(
        &self,
        job: JobId,
        answered: (ConversationId, MessageId),
        to: &str,
    ) -> Result<Draft, NoMail> {
        let about = self.store.about_answer(answered).await?.ok_or_else(|| never("the answer is gone"))?;
        let to = Mailbox { name: String::new(), address: wire(to)? };
        let lang = self.settings.language;
        let letter = AnswerNotice {
            organisation: &self.settings.organisation,
            phone: &self.settings.phone,
            date: &format::date(lang, about.grant.created, &self.settings.time_zone),
            reference: &about.grant.reference,
        }
        .write(self.texts, lang)?;
        let way = if self.is_home(to.address.domain()) { Way::Home } else { Way::Outside };
        let head = self.head(job, self.our_mailbox(lang)?, to, true);
        self.finish(way, Subject::Sender(about.link), &head, &letter, Vec::new())
    }
}

/// Who wrote an answer, to whom, and when.
struct Writer {
    name: String,
    address: String,
    language: String,
    sender: String,
    reference: String,
    sent: Timestamp,
}
