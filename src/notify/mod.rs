//! Composes notices, sender mails and SMSes, and makes one attempt at sending: a job to an outcome.
//!
//! A notice carries the link and nothing of the message; a code travels only to a home mailbox, over the home route. When a
//! text, the store or a hop fails, nothing leaves and the job stays.

mod answer;
mod answered;
mod asked;
mod checked;
mod clean;
mod compose;
mod draft;
mod one_time;
mod route;
mod sms;
mod told;

use std::sync::Arc;

use arc_swap::ArcSwap;
use secrecy::ExposeSecret;

use crate::base::Clock;
use crate::mail::{Address, Domain, DomainSet};
use crate::malware::Scanner;
use crate::nexthop::{NextHop, Routes};
use crate::sms::Providers;
use crate::store::Store;
use crate::store::dispatch::DispatchEnd;
use crate::store::records::{JobKind, LeasedJob};
use crate::text::{TextError, Texts};

use draft::{Desk, NoMail, Way};
use route::Route;

/// What mails say of the organisation, and how they travel.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The organisation's name.
    pub organisation: String,
    /// Its telephone number, as people write it.
    pub phone: String,
    /// The page's address, `https://veilig.voorbeeld.nl` (no final slash).
    pub page: String,
    /// Time zone of dates, e.g. `Europe/Amsterdam`.
    pub time_zone: jiff::tz::TimeZone,
    /// Domain of the envelope sender (VERP), whose MX is this gateway.
    pub bounce_domain: Domain,
    /// Where mails to the organisation's own mailboxes go.
    pub home: NextHop,
    /// Where notices to all others go, by their From and recipient: the hop for a sender's domain signs for it (DKIM).
    pub routes: Routes,
    /// The organisation's own domains.
    pub home_domains: DomainSet,
    /// The mailbox that hears of codes that their senders' mailboxes did not take; a home mailbox.
    pub fallback: Option<Address>,
    /// The address that sender mails come from.
    pub from: crate::mail::Address,
    /// The organisation's own language: of mails to senders, and of notices to contacts without one.
    pub language: crate::text::Lang,
    /// Who sends SMSes.
    pub sms: Providers,
    /// Who looks at the files of answers before they leave, if anybody.
    pub scanner: Option<Scanner>,
}

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The next hop took it (2xx).
    Sent,
    /// Not now; the text is for `queue list`, cleaned.
    Later(String),
    /// Not now, for want of a service on our own side that may be back any moment; the text likewise.
    Soon(String),
    /// Never (5xx); the text is cleaned.
    Never(String),
    /// A one-time code was handed over, by SMS or mail, or never will be.
    Dispatched(DispatchEnd),
    /// Malware in this file of an answer, counted from 0: the answer goes nowhere.
    Infected(u32),
}

/// Sends what jobs ask for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Notifier {
    inner: Arc<ArcSwap<Inner>>,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    home: Route,
    /// One for each hop of the routes, the default first.
    outside: Vec<Route>,
    store: Store,
    clock: Arc<dyn Clock>,
    texts: Arc<Texts>,
}

impl Inner {
    fn new(mut settings: Settings, store: Store, clock: Arc<dyn Clock>, texts: Arc<Texts>) -> Self {
        settings.organisation = clean::name(&settings.organisation);
        settings.phone = clean::name(&settings.phone);
        let home = Route::new(settings.home.clone());
        let outside = settings.routes.hops().cloned().map(Route::new).collect();
        Self { settings, home, outside, store, clock, texts }
    }

    /// Writes a mail and sends it.
    async fn mail(&self, job: &LeasedJob) -> Outcome {
        let now = self.clock.now();
        let desk = Desk { settings: &self.settings, store: &self.store, texts: &self.texts, now };
        if let Some((answer, fallback)) = answered::is_answer(job) {
            return match desk.answer(job, answer, fallback).await {
                Ok(mut mail) => self.release(&mut mail, now).await,
                Err(NoMail(outcome)) => outcome,
            };
        }
        let draft = match desk.draft(job).await {
            Ok(draft) => draft,
            Err(NoMail(outcome)) => return outcome,
        };
        let route = match draft.way {
            Way::Home => &self.home,
            Way::Outside => self.outside(&draft.author, &draft.envelope.to),
        };
        let secrets: Vec<&str> = draft.secrets.iter().map(ExposeSecret::expose_secret).collect();
        route.send(&draft.envelope, &draft.mail, &secrets, now).await
    }

    /// Sends an answer, if nothing speaks against its files.
    async fn release(&self, mail: &mut answered::AnswerMail, now: crate::base::Timestamp) -> Outcome {
        if let Some(outcome) = self.home.left_alone(now) {
            return outcome;
        }
        let checked = match &self.settings.scanner {
            Some(scanner) => mail.check(scanner).await,
            None => Ok(()),
        };
        match checked {
            Ok(()) => self.home.send_answer(mail, now).await,
            Err(instead) => instead,
        }
    }

    /// The way from a domain to a recipient who is not home.
    fn outside(&self, from: &Domain, to: &Address) -> &Route {
        let name = self.settings.routes.of(Some(from), to).name();
        // Every hop of the routes has its route.
        self.outside.iter().find(|route| route.name() == name).unwrap_or(&self.home)
    }
}

impl Notifier {
    /// Over a store.
    ///
    /// # Errors
    /// When the texts of this build do not load.
    pub fn new(settings: Settings, store: Store, clock: Arc<dyn Clock>) -> Result<Self, TextError> {
        let inner = Inner::new(settings, store, clock, Arc::new(Texts::load()?));
        Ok(Self { inner: Arc::new(ArcSwap::from_pointee(inner)) })
    }

    /// What attempts begin with now.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.inner.load().settings.clone()
    }

    /// From now on attempts begin with these; those that run keep what they began with.
    pub fn replace(&self, settings: Settings) {
        let Inner { store, clock, texts, .. } = &**self.inner.load();
        let inner = Inner::new(settings, store.clone(), Arc::clone(clock), Arc::clone(texts));
        self.inner.store(Arc::new(inner));
    }

    /// One attempt.
    pub async fn attempt(&self, job: &LeasedJob) -> Outcome {
        let inner = self.inner.load_full();
        match job.job.kind {
            JobKind::Sms { grant, challenge, expires } => inner.text(job, (grant, challenge), expires).await,
            JobKind::OneTimeMail { expires, .. } => inner.mail_code(job, expires).await,
            _ => inner.mail(job).await,
        }
    }
}

#[cfg(test)]
mod spam;
#[cfg(test)]
mod tests;
