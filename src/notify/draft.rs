//! From a job to a mail that is ready to go: reads what the job is about, writes the letter, chooses the route.
//!
//! A code, and every other mail to a sender, goes to a home mailbox over the home route or not at all.

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::base::{ContactId, GrantId, JobId, Timestamp};
use crate::mail::{Address, Domain};
use crate::seal::code::AccessCode;
use crate::seal::token::LinkToken;
use crate::store::StoreError;
use crate::store::dispatch::Refusal;
use crate::store::proof::GrantView;
use crate::store::records::{JobKind, JobSecret, LeasedJob, OneTime, Proof, Sender, Wish};
use crate::store::verp::Subject;
use crate::text::mail::{
    About, Closed, CodeMail, CodeUndeliverable, Fate, Letter, LetterError, NoCode, Notice, OneTimeFailed, Opens,
    Recipient, Undeliverable,
};
use crate::text::{Lang, Texts, format};

use super::compose::{Head, Mailbox, compose};
use super::route::Envelope;
use super::{Outcome, Settings, answer, clean};

/// Where a mail goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To the organisation's own mailboxes.
    Home,
    /// To the world.
    Outside,
}

/// A mail ready to go.
pub(super) struct Draft {
    pub way: Way,
    /// The domain of its From.
    pub author: Domain,
    pub envelope: Envelope,
    pub mail: Zeroizing<Vec<u8>>,
    /// What it brings in clear.
    pub secrets: Vec<SecretString>,
}

/// Which message a mail to its sender is about.
#[derive(Clone, Copy)]
pub(super) struct Which<'a> {
    pub sender: &'a Sender,
    /// Name, which may be empty, and address.
    pub recipient: (&'a str, &'a str),
    pub sent: Timestamp,
    pub reference: &'a str,
}

/// Why there is no mail: the outcome of the attempt.
pub(super) struct NoMail(pub Outcome);

impl From<StoreError> for NoMail {
    fn from(error: StoreError) -> Self {
        Self(Outcome::Later(error.to_string()))
    }
}

impl From<LetterError> for NoMail {
    /// A text that is missing is mended by the next release: the mail waits, and nothing half-written leaves.
    fn from(error: LetterError) -> Self {
        tracing::error!(%error, "a mail cannot be written");
        Self(Outcome::Later(error.to_string()))
    }
}

pub(super) fn never(text: &str) -> NoMail {
    NoMail(Outcome::Never(text.to_owned()))
}

/// What writing a mail needs.
pub(super) struct Desk<'a> {
    pub settings: &'a Settings,
    pub store: &'a crate::store::Store,
    pub texts: &'a Texts,
    pub now: Timestamp,
}

impl Desk<'_> {
    /// The mail that a job asks for.
    pub async fn draft(&self, job: &LeasedJob) -> Result<Draft, NoMail> {
        match &job.job.kind {
            JobKind::Notice { grant } => self.notice(job.id, *grant, job.secret.as_ref()).await,
            JobKind::Code { contact } => self.code(job.id, *contact, job.secret.as_ref()).await,
            JobKind::Closed { grant } => self.closed(job.id, *grant).await,
            JobKind::Asked { grant, wish: Wish::Again } => self.asked_again(job.id, *grant).await,
            JobKind::Asked { grant, wish } => self.asked(job.id, *grant, *wish).await,
            JobKind::OneTimeFailed { grant, why } => self.one_time_failed(job.id, *grant, *why).await,
            JobKind::Undeliverable { grant, answer } => self.undeliverable(job.id, *grant, answer).await,
            JobKind::CodeUndeliverable { contact, answer } => self.code_undeliverable(job.id, *contact, answer).await,
            JobKind::Sms { .. } => Err(never("an SMS is no mail")),
            JobKind::OneTimeMail { grant, challenge, expires } => {
                let code = OneTime { grant: *grant, challenge: *challenge, expires: *expires };
                self.one_time(job, code).await
            }
            JobKind::Answer { .. } => Err(never("an answer is no letter")),
            JobKind::AnswerUndeliverable { conversation, answer, lost } => {
                let fate = if *lost { Fate::Lost } else { Fate::Passed };
                self.answer_lost(job, (*conversation, *answer), fate).await
            }
            JobKind::AnswerInfected { conversation, answer, .. } => {
                self.answer_lost(job, (*conversation, *answer), Fate::Infected).await
            }
            JobKind::AnswerNotice { conversation, answer, to } => {
                self.answer_notice(job.id, (*conversation, *answer), to).await
            }
        }
    }

    async fn notice(&self, job: JobId, grant: GrantId, secret: Option<&JobSecret>) -> Result<Draft, NoMail> {
        let view = self.view(grant).await?;
        if self.now >= view.grant.expires {
            return Err(never(answer::ENDED));
        }
        let token = secret.and_then(|secret| secret.token.as_deref()).and_then(|token| token.try_into().ok());
        let token = token.map(|bytes: [u8; 20]| LinkToken::from_secret(crate::base::SecretBytes::new(bytes)));
        let token = token.ok_or_else(|| never("the link of this notice is gone"))?;
        let again = view.grant.is_further(&token.hash(self.store.keys()));
        let token = token.to_text();
        let link = SecretString::from(format!("{}/b/{}", self.settings.page, token.expose_secret()));
        let sender = Mailbox {
            name: clean::name(&view.conversation.sender.name),
            address: wire(&view.conversation.sender.address)?,
        };
        let recipient = Mailbox { name: clean::name(&view.contact.name), address: wire(&view.conversation.recipient)? };
        let lang = Lang::from_tag(&view.contact.language).unwrap_or(self.settings.language);
        let letter = self.notice_letter(&view, &sender, (&recipient.name, again), link.expose_secret(), lang)?;
        let from = self.notice_from(sender, lang)?;
        let way = if self.is_home(recipient.address.domain()) { Way::Home } else { Way::Outside };
        let head = self.head(job, from, recipient, false);
        self.finish(way, Subject::Notice(grant), &head, &letter, vec![token])
    }

    fn notice_letter(
        &self,
        view: &GrantView,
        sender: &Mailbox,
        (recipient, again): (&str, bool),
        link: &str,
        lang: Lang,
    ) -> Result<Letter, NoMail> {
        let last_day = |lang| format::last_day(lang, view.grant.expires, &self.settings.time_zone);
        let strict = view.grant.strict.is_some();
        let notice = Notice {
            recipient,
            sender: &sender.name,
            address: &clean::line(sender.address.as_str(), usize::MAX),
            organisation: &self.settings.organisation,
            link,
            page: &self.settings.page,
            phone: &self.settings.phone,
            reference: &view.grant.reference,
            until_nl: &last_day(Lang::Nl),
            until_en: &last_day(Lang::En),
            strict,
            opens: match view.contact.proof {
                Proof::Sms if !strict => Opens::Sms,
                Proof::Mail if !strict => Opens::Mail,
                _ => Opens::AccessCode,
            },
            again,
        };
        Ok(notice.write(self.texts, lang)?)
    }

    /// From of a notice: the sender, whose domain is ours and so aligned (RFC 7489 §3.1). One whose domain is no longer among
    /// ours would not be: that notice comes from our own address.
    fn notice_from(&self, sender: Mailbox, lang: Lang) -> Result<Mailbox, NoMail> {
        if self.is_home(sender.address.domain()) { Ok(sender) } else { self.our_mailbox(lang) }
    }

    async fn code(&self, job: JobId, id: ContactId, secret: Option<&JobSecret>) -> Result<Draft, NoMail> {
        let contact = self.store.contact(id).await?.ok_or_else(|| never("the contact is gone"))?;
        let code = secret.and_then(|secret| secret.code.as_deref()).and_then(AccessCode::normalise);
        let code = code.ok_or_else(|| never("the code of this mail is gone"))?;
        let grouped = code.grouped();
        let sender = clean::name(&contact.sender_name);
        let letter = CodeMail {
            sender: &sender,
            recipient: Recipient { name: &clean::name(&contact.name), address: &visible(&contact.address) },
            organisation: &self.settings.organisation,
            code: grouped.expose_secret(),
            replaces: contact.generation > 1,
            strict: contact.proof == Proof::StrictCode,
        }
        .write(self.texts, self.settings.language)?;
        let head = self.to_sender(job, &sender, &contact.mailbox)?;
        let plain = SecretString::from(code.expose().to_owned());
        self.finish(Way::Home, Subject::Code(id), &head, &letter, vec![grouped, plain])
    }

    async fn closed(&self, job: JobId, grant: GrantId) -> Result<Draft, NoMail> {
        self.about(job, grant, |desk, view, about| {
            let (message, strict) = (view.grant.message.to_string(), view.grant.strict.is_some());
            Closed { about, message: &message, strict }.write(desk.texts, desk.settings.language)
        })
        .await
    }

    async fn one_time_failed(&self, job: JobId, grant: GrantId, why: Refusal) -> Result<Draft, NoMail> {
        let view = self.view(grant).await?;
        let phone = self.store.phone(view.grant.contact).await?;
        let number = phone.map(|phone| format!("*******{}", phone.end()));
        let why = match (view.contact.proof, number.as_deref(), why) {
            (Proof::Mail, _, Refusal::Mailbox | Refusal::Undelivered) => NoCode::Mailbox,
            (Proof::Mail, ..) => NoCode::NotMailed,
            (_, None, _) | (_, _, Refusal::Mailbox) => {
                return Err(never("the contact proves themselves otherwise now"));
            }
            (_, Some(number), Refusal::Number | Refusal::Country | Refusal::Blocked) => NoCode::Number(number),
            (_, Some(number), Refusal::Undelivered) => NoCode::NotArrived(number),
            (_, Some(number), Refusal::Credit | Refusal::Account | Refusal::Unreachable) => NoCode::NotTexted(number),
        };
        self.about(job, grant, |desk, view, about| {
            let from = visible(&view.conversation.sender.address);
            OneTimeFailed { about, from: &from, why }.write(desk.texts, desk.settings.language)
        })
        .await
    }

    async fn undeliverable(&self, job: JobId, grant: GrantId, said: &str) -> Result<Draft, NoMail> {
        self.about(job, grant, |desk, _, about| {
            let answer = last_answer(said);
            Undeliverable { about, reason: answer::reason(said), answer: &answer }
                .write(desk.texts, desk.settings.language)
        })
        .await
    }

    /// A mail to the sender about one message.
    pub(super) async fn about(
        &self,
        job: JobId,
        grant: GrantId,
        write: impl FnOnce(&Self, &GrantView, About<'_>) -> Result<Letter, LetterError>,
    ) -> Result<Draft, NoMail> {
        let view = self.view(grant).await?;
        let which = Which {
            sender: &view.conversation.sender,
            recipient: (&view.contact.name, &view.conversation.recipient),
            sent: view.grant.created,
            reference: &view.grant.reference,
        };
        self.about_which(job, grant, which, |about| write(self, &view, about))
    }

    /// The same about one that may be gone.
    pub(super) fn about_which(
        &self,
        job: JobId,
        grant: GrantId,
        which: Which<'_>,
        write: impl FnOnce(About<'_>) -> Result<Letter, LetterError>,
    ) -> Result<Draft, NoMail> {
        let sender = clean::name(&which.sender.name);
        let (name, address) = which.recipient;
        let letter = write(About {
            sender: &sender,
            recipient: Recipient { name: &clean::name(name), address: &visible(address) },
            date: &format::date(self.settings.language, which.sent, &self.settings.time_zone),
            reference: which.reference,
        })?;
        let head = self.to_sender(job, &sender, &which.sender.mailbox)?;
        self.finish(Way::Home, Subject::Sender(grant), &head, &letter, Vec::new())
    }

    /// To the fallback mailbox, unless that is the one that did not take the code.
    async fn code_undeliverable(&self, job: JobId, id: ContactId, said: &str) -> Result<Draft, NoMail> {
        let contact = self.store.contact(id).await?.ok_or_else(|| never("the contact is gone"))?;
        let fallback =
            self.settings.fallback.as_ref().filter(|fallback| {
                contact.mailbox.parse::<Address>().is_ok_and(|mailbox| mailbox.key() != fallback.key())
            });
        let fallback = fallback.ok_or_else(|| never("there is no other mailbox that could be told"))?;
        let letter = CodeUndeliverable {
            mailbox: &visible(&contact.mailbox),
            recipient: Recipient { name: &clean::name(&contact.name), address: &visible(&contact.address) },
            answer: &last_answer(said),
        }
        .write(self.texts, self.settings.language)?;
        let head = self.to_sender(job, "", fallback.as_str())?;
        self.finish(Way::Home, Subject::Code(id), &head, &letter, Vec::new())
    }

    pub(super) async fn view(&self, grant: GrantId) -> Result<GrantView, NoMail> {
        self.store.grant_by_id(grant).await?.ok_or_else(|| never("the message is gone"))
    }

    pub(super) fn is_home(&self, domain: &Domain) -> bool {
        self.settings.home_domains.holds(domain)
    }

    /// The head of a mail to a sender; none when the mailbox is not a home mailbox.
    fn to_sender(&self, job: JobId, name: &str, mailbox: &str) -> Result<Head, NoMail> {
        let address = wire(mailbox)?;
        if !self.is_home(address.domain()) {
            return Err(never("the sender's mailbox is not a home mailbox; this mail goes nowhere else"));
        }
        let from = self.our_mailbox(self.settings.language)?;
        Ok(self.head(job, from, Mailbox { name: name.to_owned(), address }, true))
    }

    pub(super) fn our_mailbox(&self, lang: Lang) -> Result<Mailbox, NoMail> {
        let words = self.texts.in_language(lang);
        let name = words.with("mail-from", &[("organisation", self.settings.organisation.as_str())]);
        let name = clean::name(&name.map_err(LetterError::from)?);
        Ok(Mailbox { name, address: wire(self.settings.from.as_str())? })
    }

    pub(super) fn head(&self, job: JobId, from: Mailbox, to: Mailbox, generated: bool) -> Head {
        let domain = self.settings.bounce_domain.clone();
        Head { from, to, date: self.now, job, domain, generated }
    }

    pub(super) fn finish(
        &self,
        way: Way,
        subject: Subject,
        head: &Head,
        letter: &Letter,
        secrets: Vec<SecretString>,
    ) -> Result<Draft, NoMail> {
        let from = subject
            .address(self.store.keys(), &self.settings.bounce_domain)
            .map_err(|_| never("the bounce domain makes no address"))?;
        let envelope = Envelope { from, to: head.to.address.clone(), job: head.job };
        let author = head.from.address.domain().clone();
        Ok(Draft { way, author, envelope, mail: compose(head, letter)?, secrets })
    }
}

/// An address from a record, with its domain as A-labels: so it goes into envelope and header.
pub(super) fn wire(address: &str) -> Result<Address, NoMail> {
    let parsed = address.parse::<Address>().and_then(|a| format!("{}@{}", a.local(), a.domain()).parse());
    parsed.map_err(|_| never("an address in the record is not valid"))
}

/// The server's own last words, as a text quotes them; empty when it said none.
fn last_answer(said: &str) -> String {
    answer::of_server(said).map(|said| clean::line(said, 300)).unwrap_or_default()
}

/// An address as a text shows it.
pub(super) fn visible(address: &str) -> String {
    clean::line(address, usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::TextError;

    #[test]
    fn without_a_text_the_mail_waits() {
        let missing = TextError::Missing { id: "mail-greeting".to_owned(), lang: "nl" };
        let NoMail(outcome) = NoMail::from(LetterError::from(missing));
        assert_eq!(outcome, Outcome::Later("there is no text mail-greeting in nl".to_owned()));
    }

    #[test]
    fn addresses_travel_with_a_labels() {
        let Ok(address) = wire("Jan@B\u{fc}cher.example") else { panic!("a good address") };
        assert_eq!(address.as_str(), "Jan@xn--bcher-kva.example");
        assert!(wire("jan@example.nl\r\nX: y").is_err());
    }
}
