//! One mail transaction: RCPTs go eagerly to the next hop; after the header block policy decides per recipient; ordinary
//! mail passes byte for byte, confidential mail goes to intake, and a mixed one does both under the Prepared/Committed rule.
//!
//! The pure part (`plan`, `header`, `collect`) says what must happen; the drivers (`transaction`, `hop`, `deliver`)
//! do it.
//!
//! Invariant: at next-hop DATA, the set of RCPTs accepted there since the last RSET equals the pass set.

mod account;
mod budget;
mod collect;
mod deliver;
pub mod forecast;
mod header;
mod hop;
mod marker;
mod outliving;
mod parked;
mod plan;
mod report;
mod stamp;
mod transaction;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use tokio_util::task::TaskTracker;

use crate::base::entropy::random;
use crate::base::{Clock, Entropy};
use crate::intake::{self, Intake};
use crate::mail::{Domain, MailFrom, Reply};
use crate::metrics::Mails;
use crate::nexthop::{Capabilities, Routes};
use crate::policy::{self, Pattern};

use account::Account;
use budget::Budget;
use parked::Parking;

pub use report::Report;
pub use stamp::Stamp;
pub use transaction::Transaction;

/// How mail is passed on.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our name in Received (RFC 5321 §4.4).
    pub hostname: String,
    /// Header bytes at most; a longer header block is refused.
    pub max_header: usize,
    /// Body bytes collected before next-hop DATA.
    pub collect: usize,
    /// Received fields at most: then it is a loop.
    pub max_received: usize,
    /// Bytes in memory for mails under way, of all transactions together.
    pub memory: u64,
    /// How long a mail waits for its part of them.
    pub memory_wait: Duration,
    /// The domain of answer addresses: nothing to one of them passes.
    pub answer_domain: Option<Domain>,
}

/// Who is at the other end, for policy, Received and log.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub addr: IpAddr,
    /// What it said in EHLO or HELO.
    pub helo: String,
    /// It said EHLO.
    pub esmtp: bool,
    /// The connection is encrypted.
    pub tls: bool,
    /// The user it logged in as.
    pub user: Option<Arc<str>>,
    /// Where that user may send from; empty: from all that the listener allows.
    pub senders: Arc<[Pattern]>,
    /// The listener's name.
    pub listener: Arc<str>,
    /// From domains allowed on that listener; empty: any.
    pub sender_domains: Arc<[Domain]>,
    /// `X-OriginatorOrg` that every mail must carry; empty: none.
    pub tenants: Arc<[String]>,
    /// The secret field that every mail must carry.
    pub stamp: Option<Stamp>,
}

/// Starts transactions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Relay {
    shared: Arc<Shared>,
    mails: Mails,
}

/// What all transactions use.
#[derive(Debug, Clone)]
struct Shared {
    settings: Settings,
    policy: Arc<policy::Settings>,
    routes: Routes,
    intake: Intake,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    budget: Budget,
    /// Connections to next hops between two RCPTs.
    parking: Parking,
    /// Transactions behind their dot.
    ends: TaskTracker,
}

impl Relay {
    /// Wires policy, routes and intake.
    #[must_use]
    pub fn new(
        settings: Settings,
        policy: Arc<policy::Settings>,
        routes: Routes,
        intake: Intake,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let ends = TaskTracker::new();
        let budget = Budget::new(settings.memory, settings.memory_wait);
        let parking = Parking::default();
        let shared = Arc::new(Shared { settings, policy, routes, intake, clock, entropy, budget, parking, ends });
        Self { shared, mails: Mails::default() }
    }
    /// The same, counted.
    #[must_use]
    pub fn observed(self, mails: Mails) -> Self {
        Self { mails, ..self }
    }
    /// The same with other settings, rules, routes and largest confidential mail, for new transactions. Store and the bytes in memory stay
    /// those of before.
    #[must_use]
    pub fn with(
        &self,
        settings: Settings,
        policy: Arc<policy::Settings>,
        routes: Routes,
        intake: intake::Settings,
    ) -> Self {
        let intake = self.shared.intake.with(intake);
        let shared = Arc::new(Shared { settings, policy, routes, intake, ..Shared::clone(&self.shared) });
        Self { shared, mails: self.mails.clone() }
    }
    /// What every hop of this gateway offers: what EHLO may promise. A hop never yet reached offers nothing.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        let known = self.shared.routes.hops().map(|hop| hop.capabilities().unwrap_or_default());
        known.reduce(Capabilities::and).unwrap_or_default()
    }
    /// Resolves when every transaction that was given its dot has come to its end, also those whose client went away. For a stop: to be
    /// called when no new ones come.
    pub async fn settled(&self) {
        self.shared.ends.close();
        self.shared.ends.wait().await;
    }
    /// Whether intake can take mail now; else the reply to MAIL. A store that only takes no new mail stops confidential mail,
    /// at its dot, and no ordinary one.
    #[must_use]
    pub fn gate(&self) -> Option<Reply> {
        self.shared.intake.gate()
    }
    /// Answers MAIL and opens a transaction when the reply is 2xx.
    ///
    /// # Errors
    /// The refusal: the store is closed, or the sender may not use this listener.
    #[expect(clippy::unused_async, reason = "what MAIL is answered with may come to need the store")]
    pub async fn mail(&self, peer: &Peer, from: MailFrom) -> Result<Transaction, Reply> {
        let mut account = self.account(peer);
        match self.gate().map_or_else(|| header::check_sender(&from, peer), Err) {
            Ok(()) => Ok(Transaction::new(Arc::clone(&self.shared), peer.clone(), from, account)),
            Err(refusal) => {
                account.ended(&refusal, None);
                Err(refusal)
            }
        }
    }

    /// MAIL came: what log and metrics will say of it, under a new name.
    fn account(&self, peer: &Peer) -> Account {
        let id = BASE32_NOPAD.encode(&random::<10>(&*self.shared.entropy)).to_ascii_lowercase();
        Account::new(self.mails.clone(), peer, id)
    }
}
