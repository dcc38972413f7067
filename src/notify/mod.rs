//! Composes notices and sender mails, and makes one attempt at sending: a job to an outcome.

use std::sync::Arc;

use crate::base::{Clock, Entropy};
use crate::mail::{Domain, DomainSet};
use crate::nexthop::NextHop;
use crate::store::Store;
use crate::store::records::LeasedJob;

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
    /// Where notices go.
    pub outside: NextHop,
    /// The organisation's own domains.
    pub home_domains: DomainSet,
    /// The address that sender mails come from.
    pub from: crate::mail::Address,
    /// The organisation's own language: of mails to senders, and of notices to contacts without one.
    pub language: crate::text::Lang,
}

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The next hop took it (2xx).
    Sent,
    /// Not now; the text is for `queue list`, cleaned.
    Later(String),
    /// Never (5xx); the text is cleaned.
    Never(String),
}

/// Sends what jobs ask for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Notifier {
    _private: (),
}

impl Notifier {
    /// Over a store.
    #[must_use]
    pub fn new(settings: Settings, store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        todo!()
    }
    /// One attempt.
    pub async fn attempt(&self, job: &LeasedJob) -> Outcome {
        todo!()
    }
}
