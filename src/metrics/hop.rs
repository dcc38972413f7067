//! Next hops: connections, replies and how long they took, by the hop's name in the config.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{Classes, Waits, waits_by};

/// What a next hop was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A command: MAIL, RCPT, DATA, RSET.
    Command,
    /// The final dot.
    Dot,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByHop {
    hop: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStep {
    hop: String,
    step: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByClass {
    hop: String,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    hop: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    hop: String,
    state: &'static str,
}

/// All next hops.
#[derive(Debug, Clone)]
pub struct Hops {
    up: Family<ByHop, Gauge>,
    connections: Family<ByState, Gauge>,
    connects: Family<ByResult, Counter>,
    waits: Waits<ByHop>,
    replies: Family<ByClass, Counter>,
    seconds: Waits<ByStep>,
    sent: Family<ByHop, Counter>,
    lost: Family<ByHop, Counter>,
}

impl Default for Hops {
    fn default() -> Self {
        Self {
            up: Family::default(),
            connections: Family::default(),
            connects: Family::default(),
            waits: waits_by(),
            replies: Family::default(),
            seconds: waits_by(),
            sent: Family::default(),
            lost: Family::default(),
        }
    }
}

impl Hops {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("nexthop_up", "1 when the last connect succeeded", self.up.clone());
        registry.register("nexthop_connections", "Connections now, in use or idle", self.connections.clone());
        registry.register("nexthop_connects", "Attempts to connect, by result", self.connects.clone());
        registry.register("nexthop_lease_seconds", "Wait for a connection, with connecting", self.waits.clone());
        registry.register("nexthop_replies", "Replies of the next hop by first digit", self.replies.clone());
        registry.register("nexthop_reply_seconds", "From a command or the dot to its reply", self.seconds.clone());
        registry.register("nexthop_sent_bytes", "Bytes of mail bodies sent", self.sent.clone());
        registry.register(
            "nexthop_lost_replies",
            "Dots without a reply: the client was told to try again and the mail may arrive twice",
            self.lost.clone(),
        );
    }

    /// The handles of one hop, by its name in the config.
    #[must_use]
    pub fn hop(&self, name: &str) -> Hop {
        let hop = || name.to_owned();
        let step = |step| self.seconds.get_or_create_owned(&ByStep { hop: hop(), step });
        let connect = |result| self.connects.get_or_create_owned(&ByResult { hop: hop(), result });
        let state = |state| self.connections.get_or_create_owned(&ByState { hop: hop(), state });
        Hop {
            up: self.up.get_or_create_owned(&ByHop { hop: hop() }),
            known: Arc::new(AtomicU8::new(UNKNOWN)),
            leased: state("leased"),
            idle: state("idle"),
            connected: connect("ok"),
            failed: connect("failed"),
            waits: self.waits.get_or_create_owned(&ByHop { hop: hop() }),
            replies: Classes::new(|class| self.replies.get_or_create_owned(&ByClass { hop: hop(), class })),
            command: step("command"),
            dot: step("dot"),
            sent: self.sent.get_or_create_owned(&ByHop { hop: hop() }),
            lost: self.lost.get_or_create_owned(&ByHop { hop: hop() }),
        }
    }
}

const UNKNOWN: u8 = 0;
const UP: u8 = 1;
const DOWN: u8 = 2;

/// One next hop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hop {
    up: Gauge,
    known: Arc<AtomicU8>,
    leased: Gauge,
    idle: Gauge,
    connected: Counter,
    failed: Counter,
    waits: Histogram,
    replies: Classes,
    command: Histogram,
    dot: Histogram,
    sent: Counter,
    lost: Counter,
}

impl Default for Hop {
    fn default() -> Self {
        Hops::default().hop("")
    }
}

impl Hop {
    /// A connection came about, or none of the hosts answered.
    pub fn connected(&self, came: bool) {
        let (counter, known) = if came { (&self.connected, UP) } else { (&self.failed, DOWN) };
        counter.inc();
        self.up.set(i64::from(came));
        self.known.store(known, Ordering::Relaxed);
    }

    /// Whether the last connect failed.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.known.load(Ordering::Relaxed) == DOWN
    }

    /// A connection was had after this long.
    pub fn leased(&self, wait: Duration) {
        self.waits.observe(wait.as_secs_f64());
    }

    /// A reply came, with this first digit; `None`: it did not. A dot without one is counted, since nobody knows whether the mail was
    /// taken.
    pub fn replied(&self, step: Step, class: Option<u16>, took: Duration) {
        let Some(class) = class else {
            if step == Step::Dot {
                self.lost.inc();
            }
            return;
        };
        self.replies.count(class);
        let seconds = match step {
            Step::Command => &self.command,
            Step::Dot => &self.dot,
        };
        seconds.observe(took.as_secs_f64());
    }

    /// So many bytes of a body went out.
    pub fn sent(&self, bytes: usize) {
        self.sent.inc_by(bytes as u64);
    }

    /// So many connections are in use, and so many lie idle.
    pub fn holds(&self, leased: usize, idle: usize) {
        self.leased.set(i64::try_from(leased).unwrap_or(i64::MAX));
        self.idle.set(i64::try_from(idle).unwrap_or(i64::MAX));
    }
}
