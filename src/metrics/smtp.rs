//! SMTP sessions by listener.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use super::Classes;

/// A listener counts as deaf for so long after an accept that failed.
const DEAF: Duration = Duration::from_secs(10);

/// Why a client was turned away before it could send mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There are too many sessions.
    Full,
    /// It is not in the networks of the listener.
    Network,
    /// A proxy did not say for whom it connects.
    Proxy,
    /// TLS did not come about.
    Tls,
}

impl Refusal {
    const ALL: [Self; 4] = [Self::Full, Self::Network, Self::Proxy, Self::Tls];

    const fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Network => "network",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByListener {
    listener: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    listener: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByClass {
    listener: String,
    class: &'static str,
}

/// All listeners.
#[derive(Debug, Clone, Default)]
pub struct Smtp {
    open: Family<ByListener, Gauge>,
    begun: Family<ByListener, Counter>,
    refused: Family<ByReason, Counter>,
    replies: Family<ByClass, Counter>,
    received: Family<ByListener, Counter>,
    sent: Family<ByListener, Counter>,
    deaf: Family<ByListener, Counter>,
    accepts: Arc<Mutex<BTreeMap<String, Arc<Accept>>>>,
}

impl Smtp {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("smtp_sessions_open", "SMTP sessions now", self.open.clone());
        registry.register("smtp_sessions", "SMTP sessions begun", self.begun.clone());
        registry.register(
            "smtp_sessions_refused",
            "Clients turned away before they could send mail",
            self.refused.clone(),
        );
        registry.register("smtp_replies", "Replies to clients by first digit", self.replies.clone());
        registry.register("smtp_received_bytes", "Bytes from clients, inside TLS", self.received.clone());
        registry.register("smtp_sent_bytes", "Bytes to clients, inside TLS", self.sent.clone());
        registry.register("smtp_accept_errors", "Connections that could not be accepted", self.deaf.clone());
    }

    /// Whether every listener takes connections: no accept failed in the last ten seconds.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.accept_states().values().all(|accept| accept.works())
    }

    fn accept_states(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Accept>>> {
        self.accepts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The handles of one listener, by its name in the config.
    #[must_use]
    pub fn listener(&self, name: &str) -> Listener {
        let by = || ByListener { listener: name.to_owned() };
        let reason = |refusal: Refusal| ByReason { listener: name.to_owned(), reason: refusal.word() };
        let class = |class| self.replies.get_or_create_owned(&ByClass { listener: name.to_owned(), class });
        Listener {
            open: self.open.get_or_create_owned(&by()),
            begun: self.begun.get_or_create_owned(&by()),
            refused: Refusal::ALL.map(|refusal| self.refused.get_or_create_owned(&reason(refusal))),
            replies: Classes::new(class),
            received: self.received.get_or_create_owned(&by()),
            sent: self.sent.get_or_create_owned(&by()),
            accept: Arc::clone(self.accept_states().entry(name.to_owned()).or_insert_with(|| {
                let errors = self.deaf.get_or_create_owned(&by());
                Arc::new(Accept { errors, since: Instant::now(), failed: AtomicU64::new(0) })
            })),
        }
    }
}

#[derive(Debug)]
struct Accept {
    errors: Counter,
    since: Instant,
    /// Milliseconds from `since` to the last accept that failed, plus one; 0 for none.
    failed: AtomicU64,
}

impl Accept {
    fn works(&self) -> bool {
        let failed = self.failed.load(Ordering::Relaxed);
        failed == 0 || self.since.elapsed() >= Duration::from_millis(failed - 1) + DEAF
    }
}

/// One listener. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Listener {
    open: Gauge,
    begun: Counter,
    refused: [Counter; Refusal::ALL.len()],
    replies: Classes,
    received: Counter,
    sent: Counter,
    accept: Arc<Accept>,
}

impl Default for Listener {
    fn default() -> Self {
        Smtp::default().listener("")
    }
}

impl Listener {
    /// A session begins; it ends when the answer is dropped.
    #[must_use]
    pub fn begin(&self) -> OpenSession {
        self.begun.inc();
        self.open.inc();
        OpenSession(self.open.clone())
    }

    /// A client was turned away.
    pub fn refused(&self, why: Refusal) {
        let index = Refusal::ALL.iter().position(|other| *other == why);
        if let Some(counter) = index.and_then(|index| self.refused.get(index)) {
            counter.inc();
        }
    }

    /// So many bytes came in.
    pub fn received(&self, bytes: usize) {
        self.received.inc_by(bytes as u64);
    }

    /// Replies went out: each counts once, by its last line.
    pub fn sent(&self, bytes: &[u8]) {
        self.sent.inc_by(bytes.len() as u64);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if let [digit @ b'2'..=b'5', _, _, b' ', ..] = line {
                self.replies.count(u16::from(digit - b'0'));
            }
        }
    }

    /// A connection could not be accepted, for want of something on our side.
    pub fn accept_failed(&self) {
        self.accept.errors.inc();
        let millis = u64::try_from(self.accept.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.accept.failed.store(millis.saturating_add(1), Ordering::Relaxed);
    }
}

/// A session, until it is dropped.
#[derive(Debug)]
pub struct OpenSession(Gauge);

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.0.dec();
    }
}
