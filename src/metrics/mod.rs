//! Counters, gauges and histograms, and the text that Prometheus reads.
//!
//! - Every label has a fixed set of values: words of this program, and names that the config gives (listeners, next hops). Nothing that a
//!   client says becomes a label or a value: no address, id, subject, path or host name.
//! - Each component holds handles that were made for it (`listener`, `hop`, …); to count is an atomic addition, and a histogram takes a
//!   lock that nobody holds for long. Nothing is allocated on the way of a mail.
//! - There is no global registry: handles that nobody registered count for nobody, which is what most tests want.

mod hop;
mod mails;
mod page;
mod smtp;
mod standing;
mod store;
mod text;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use hop::{Hop, Hops, Step};
pub use mails::{Mails, Outcome};
pub use page::{Ask, Crowded, Page, Try};
pub use smtp::{Listener, OpenSession, Refusal, Smtp};
pub use standing::{Amount, QueueKind, Standing};
pub use store::Commits;
pub use text::{Exposition, Form};

/// Upper ends of the buckets for waits that people and mail servers notice, seconds.
const WAITS: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];

fn waits() -> Histogram {
    Histogram::new(WAITS)
}

/// Histograms of waits by label.
type Waits<L> = Family<L, Histogram, fn() -> Histogram>;

fn waits_by<L: Clone + std::hash::Hash + Eq>() -> Waits<L> {
    Family::new_with_constructor(waits as fn() -> Histogram)
}

/// One label whose values are words of this program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// One label whose values are words of this program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcomes {
    outcome: &'static str,
}

/// Replies by the first digit of their code.
#[derive(Debug, Clone)]
struct Classes([Counter; 4]);

impl Classes {
    /// Of replies with codes 2xx to 5xx; each digit made by `counter`.
    fn new(mut counter: impl FnMut(&'static str) -> Counter) -> Self {
        Self(["2", "3", "4", "5"].map(&mut counter))
    }

    fn count(&self, class: u16) {
        let index = usize::from(class).checked_sub(2);
        if let Some(counter) = index.and_then(|index| self.0.get(index)) {
            counter.inc();
        }
    }
}

/// All of it. Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// SMTP sessions, by listener.
    pub smtp: Smtp,
    /// Mail transactions.
    pub mails: Mails,
    /// Connections to next hops.
    pub hops: Hops,
    /// Requests to the page.
    pub page: Page,
    /// What is looked at when somebody asks.
    pub standing: Standing,
}

impl Metrics {
    /// What can be asked for as text; the store counts its commits itself.
    #[must_use]
    pub fn exposition(&self, commits: &Commits) -> Exposition {
        let mut registry = Registry::with_prefix("zegel");
        self.smtp.register(&mut registry);
        self.mails.register(&mut registry);
        self.hops.register(&mut registry);
        self.page.register(&mut registry);
        self.standing.register(&mut registry);
        commits.register(&mut registry);
        Exposition::new(registry)
    }
}

#[cfg(test)]
mod tests;
