//! What next hops offer, learnt by probes and kept on disk: the last known set stands while a hop does not answer, also
//! across a restart. Only a hop that was never reached counts as lacking.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::StartError;
use crate::config::{Config, HopRoute};
use crate::metrics::Metrics;
use crate::nexthop::{Capabilities, NextHop, Route, Routes, Settings};
use crate::store::write_durably;

/// How often every hop is asked.
const EVERY: Duration = Duration::from_mins(5);

/// One hop's extensions as they are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "one for each extension, as in Capabilities")]
struct Offer {
    eightbit: bool,
    smtputf8: bool,
    dsn: bool,
    requiretls: bool,
    size: Option<u64>,
}

impl From<Capabilities> for Offer {
    fn from(c: Capabilities) -> Self {
        let Capabilities { eightbit, smtputf8, dsn, requiretls, size } = c;
        Self { eightbit, smtputf8, dsn, requiretls, size }
    }
}

impl From<Offer> for Capabilities {
    fn from(o: Offer) -> Self {
        let Offer { eightbit, smtputf8, dsn, requiretls, size } = o;
        Self { eightbit, smtputf8, dsn, requiretls, size }
    }
}

type Offers = BTreeMap<String, Offer>;

/// The file, inside the data folder. It holds names of the config only.
const FILE: &str = "next-hops.json";

/// Gives each hop what was last known of it. A file that cannot be read counts as nothing known.
pub fn recall(hops: &[NextHop], folder: &Path) {
    let known: Offers =
        fs::read(folder.join(FILE)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    for hop in hops {
        if let Some(offer) = known.get(hop.name()) {
            hop.assume((*offer).into());
        }
    }
}

/// Reads certificates and passwords of all hops again. A hop whose files cannot be used keeps the old ones.
pub fn reload(hops: &[NextHop]) {
    for hop in hops {
        if let Err(cause) = hop.reload() {
            error!(hop = hop.name(), %cause, "what is on disk for this next hop is not usable; the old stays in service");
        }
    }
}

/// Asks every hop at start, after a reload and every few minutes until `stop`, and writes down what changed.
pub async fn probe(hops: Hops, folder: PathBuf, stop: CancellationToken) {
    let mut every = tokio::time::interval(EVERY);
    let mut written = Offers::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
            () = hops.exchanged.notified() => {}
        }
        let hops = hops.current();
        for hop in &hops.all {
            match stop.run_until_cancelled(hop.probe()).await {
                Some(Ok(_)) => {}
                Some(Err(cause)) => warn!(hop = hop.name(), %cause, "next hop does not answer"),
                None => return,
            }
        }
        let known = hops.all.iter().filter_map(|hop| Some((hop.name().to_owned(), hop.capabilities()?.into())));
        let known: Offers = known.collect();
        if known != written {
            match write(&known, &folder) {
                Ok(()) => written = known,
                Err(cause) => warn!(%cause, "what the next hops offer could not be written down"),
            }
        }
    }
}

/// Replaces the file as a whole.
fn write(offers: &Offers, folder: &Path) -> io::Result<()> {
    write_durably(folder, FILE, &serde_json::to_vec(offers)?)
}

/// Which next hop each mail would take; nothing is connected.
///
/// # Errors
/// When a next hop cannot be used.
pub fn of_config(config: &Config) -> Result<Routes, StartError> {
    InUse::of(config, &Metrics::default(), &[])?.routes(config)
}

/// The next hops in use, and which of them delivers to the own mailboxes.
#[derive(Debug)]
pub struct InUse {
    /// All of them, in order of the config.
    pub all: Vec<NextHop>,
    /// The name of the one of `home.next_hop`.
    pub home: String,
}

impl InUse {
    /// Those of a config, counted. One of `before` that is configured as it was stays, with its connections; of one that changed it is assumed to offer what it did.
    fn of(config: &Config, metrics: &Metrics, before: &[NextHop]) -> Result<Self, StartError> {
        let hop = |settings: &Settings| -> Result<NextHop, StartError> {
            let old = before.iter().find(|old| old.name() == settings.name);
            if let Some(same) = old.filter(|old| old.settings() == settings) {
                return Ok(same.clone());
            }
            let new = NextHop::observed(settings.clone(), metrics.hops.hop(&settings.name))?;
            if let Some(known) = old.and_then(NextHop::capabilities) {
                new.assume(known);
            }
            Ok(new)
        };
        let all = config.next_hops.iter().map(hop).collect::<Result<_, _>>()?;
        Ok(Self { all, home: config.home_hop.clone() })
    }

    /// The one of the own mailboxes.
    pub(super) fn home(&self) -> Result<NextHop, StartError> {
        self.find(&self.home)
    }

    pub(super) fn routes(&self, config: &Config) -> Result<Routes, StartError> {
        let mut routes = Routes::all_to(self.find(&config.default_hop)?);
        for HopRoute { senders, recipients, hop } in &config.routes {
            let (senders, recipients) = (senders.clone(), recipients.clone());
            routes = routes.and(Route { senders, recipients, hop: self.find(hop)? });
        }
        Ok(routes)
    }

    fn find(&self, name: &str) -> Result<NextHop, StartError> {
        let found = self.all.iter().find(|hop| hop.name() == name);
        found.cloned().ok_or_else(|| StartError::NoSuchHop(name.to_owned()))
    }
}

/// The next hops in use, which a reload exchanges. Clones share them.
#[derive(Debug, Clone)]
pub struct Hops {
    current: Arc<ArcSwap<InUse>>,
    exchanged: Arc<Notify>,
}

impl Hops {
    /// Those of the config.
    pub(super) fn start(config: &Config, metrics: &Metrics) -> Result<Self, StartError> {
        Ok(Self::new(InUse::of(config, metrics, &[])?))
    }

    /// These.
    #[must_use]
    pub fn new(hops: InUse) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(hops)), exchanged: Arc::default() }
    }

    /// Those of now.
    #[must_use]
    pub fn current(&self) -> Arc<InUse> {
        self.current.load_full()
    }

    /// What they become with another config; nothing is exchanged yet.
    pub(super) fn as_in(&self, config: &Config, metrics: &Metrics) -> Result<InUse, StartError> {
        InUse::of(config, metrics, &self.current().all)
    }

    /// Exchanges them; returns those that are no longer in use, to be closed. What runs over them goes on.
    pub(super) fn replace(&self, hops: InUse) -> Vec<NextHop> {
        let stays = |old: &NextHop| hops.all.iter().any(|new| new.is(old));
        let retired = self.current().all.iter().filter(|old| !stays(old)).cloned().collect();
        self.current.store(Arc::new(hops));
        self.exchanged.notify_one();
        retired
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nexthop::{Host, Tls};

    fn hop(port: u16) -> NextHop {
        let host = Host { name: "127.0.0.1".to_owned(), port };
        NextHop::new(Settings { tls: Tls::Off, ..Settings::new("behind", vec![host], "zegel.example") }).unwrap()
    }

    #[test]
    fn what_was_known_stands_after_a_restart_and_rubbish_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let offer = Capabilities { smtputf8: true, size: Some(7), ..Capabilities::default() };
        write(&Offers::from([("behind".to_owned(), offer.into())]), folder.path()).unwrap();
        let again = hop(1);
        assert_eq!(again.capabilities(), None);
        recall(std::slice::from_ref(&again), folder.path());
        assert_eq!(again.capabilities(), Some(offer));
        fs::write(folder.path().join(FILE), "rubbish").unwrap();
        let other = hop(1);
        recall(std::slice::from_ref(&other), folder.path());
        assert_eq!(other.capabilities(), None);
    }
}
