//! The pool of one next hop: leases are bounded, idle connections few, young and looked at before they are used again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

use super::connection::{Connection, Wear};
use super::{Capabilities, HopError, Settings, connect};

/// How long a connection may lie idle.
const IDLE: Duration = Duration::from_secs(30);
/// How old a connection may grow.
const AGE: Duration = Duration::from_mins(5);
/// Mails that one connection carries at most.
const MAILS: u32 = 100;
/// RSETs without a mail between them; servers count such commands as junk.
const RESETS: u32 = 8;
/// How long a host that failed is tried after the others.
const TROUBLE: Duration = Duration::from_secs(30);

struct Idle {
    connection: Connection,
    since: Instant,
}

#[derive(Default)]
struct State {
    /// Oldest first.
    idle: Vec<Idle>,
    capabilities: Option<Capabilities>,
    /// When each host failed last.
    failed: Vec<Option<Instant>>,
    reaping: bool,
    closed: bool,
}

/// Connections to the hosts of one hop.
pub(super) struct Pool {
    pub(super) settings: Settings,
    tls: Option<TlsConnector>,
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

/// A connection and the right to hold one.
pub(super) struct Leased {
    pub(super) connection: Connection,
    pub(super) reused: bool,
    permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new(settings: Settings) -> Result<Self, HopError> {
        let unusable = |cause| HopError::Unreachable { hop: settings.name.clone(), cause };
        if settings.hosts.is_empty() {
            return Err(unusable("no host is configured".to_owned()));
        }
        let tls = connect::connector(&settings.tls).map_err(unusable)?;
        let permits = Arc::new(Semaphore::new(settings.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
        let state = State { failed: vec![None; settings.hosts.len()], ..State::default() };
        Ok(Self { settings, tls, permits, state: Mutex::new(state) })
    }

    pub(super) fn capabilities(&self) -> Option<Capabilities> {
        self.state().capabilities
    }

    pub(super) fn assume(&self, capabilities: Capabilities) {
        self.state().capabilities.get_or_insert(capabilities);
    }

    /// A connection ready for MAIL: an idle one that is well, unless `fresh`, else a new one.
    pub(super) async fn lease(&self, fresh: bool) -> Result<Leased, HopError> {
        let waiting = timeout(self.settings.lease_wait, Arc::clone(&self.permits).acquire_owned());
        let Ok(Ok(permit)) = waiting.await else {
            return Err(self.unreachable("no connection became free".to_owned()));
        };
        let next_idle = || if fresh { None } else { self.state().idle.pop() };
        while let Some(mut idle) = next_idle() {
            let well = !worn(&idle.connection.wear, Instant::now()) && idle.since.elapsed() < IDLE;
            if well && idle.connection.is_quiet().await {
                return Ok(Leased { connection: idle.connection, reused: true, permit });
            }
            retire(idle.connection);
        }
        self.make_room();
        let connection = self.connect().await?;
        Ok(Leased { connection, reused: false, permit })
    }

    /// Takes a connection back, or closes it when it is worn.
    pub(super) fn give_back(self: &Arc<Self>, leased: Leased) {
        let Leased { connection, permit, .. } = leased;
        let mut state = self.state();
        if state.closed || !connection.is_sound() || worn(&connection.wear, Instant::now()) {
            drop(state);
            retire(connection);
        } else {
            state.idle.push(Idle { connection, since: Instant::now() });
            if !state.reaping {
                state.reaping = true;
                tokio::spawn(reap(Arc::downgrade(self)));
            }
        }
        drop(permit);
    }

    /// Closes what is idle, with QUIT; what comes back later is closed too.
    pub(super) async fn close(&self) {
        let idle = {
            let mut state = self.state();
            state.closed = true;
            std::mem::take(&mut state.idle)
        };
        let mut farewells = tokio::task::JoinSet::new();
        for idle in idle {
            farewells.spawn(idle.connection.quit());
        }
        farewells.join_all().await;
    }

    /// Idle connections count as connections too.
    fn make_room(&self) {
        let leased = self.settings.max_connections.saturating_sub(self.permits.available_permits());
        let mut state = self.state();
        while !state.idle.is_empty() && state.idle.len() + leased > self.settings.max_connections {
            retire(state.idle.remove(0).connection);
        }
    }

    async fn connect(&self) -> Result<Connection, HopError> {
        let mut causes = Vec::new();
        for (index, host) in self.order() {
            match connect::host(&self.settings, self.tls.as_ref(), &host).await {
                Ok(connection) => {
                    let mut state = self.state();
                    state.capabilities = Some(connection.capabilities);
                    if let Some(failed) = state.failed.get_mut(index) {
                        *failed = None;
                    }
                    return Ok(connection);
                }
                Err(cause) => {
                    if let Some(failed) = self.state().failed.get_mut(index) {
                        *failed = Some(Instant::now());
                    }
                    causes.push(cause);
                }
            }
        }
        Err(self.unreachable(causes.join("; ")))
    }

    /// The hosts in the order of the settings, those that failed of late behind the others.
    fn order(&self) -> Vec<(usize, super::Host)> {
        let state = self.state();
        let troubled =
            |index: usize| state.failed.get(index).copied().flatten().is_some_and(|failed| failed.elapsed() < TROUBLE);
        let mut hosts: Vec<_> = self.settings.hosts.iter().cloned().enumerate().collect();
        hosts.sort_by_key(|(index, _)| troubled(*index));
        hosts
    }

    fn unreachable(&self, cause: String) -> HopError {
        HopError::Unreachable { hop: self.settings.name.clone(), cause }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a connection has been used enough.
fn worn(wear: &Wear, now: Instant) -> bool {
    now.saturating_duration_since(wear.opened) >= AGE || wear.mails >= MAILS || wear.resets >= RESETS
}

/// Says goodbye without anyone waiting for it; bounded by the wait for the reply to QUIT.
fn retire(connection: Connection) {
    tokio::spawn(connection.quit());
}

/// Closes connections that nobody took up in time; ends when none is left.
async fn reap(pool: Weak<Pool>) {
    loop {
        sleep(IDLE / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut state = pool.state();
        let (old, young) = std::mem::take(&mut state.idle).into_iter().partition(|idle| idle.since.elapsed() >= IDLE);
        state.idle = young;
        let done = state.idle.is_empty();
        state.reaping = !done;
        drop(state);
        Vec::into_iter(old).for_each(|idle: Idle| retire(idle.connection));
        if done {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn connections_wear_out() {
        let opened = Instant::now();
        let young = Wear { opened, mails: 3, resets: 2 };
        let cases = [
            (young, Duration::ZERO, false),
            (young, AGE, true),
            (Wear { mails: MAILS, ..young }, Duration::ZERO, true),
            (Wear { resets: RESETS, ..young }, Duration::ZERO, true),
        ];
        for (wear, later, expected) in cases {
            assert_eq!(worn(&wear, opened + later), expected, "{wear:?} after {later:?}");
        }
    }
}
