//! The pool of one next hop: leases are bounded, idle connections few, young and looked at before they are used again. The hosts
//! are asked in order, one that failed after the others, and each for a bounded time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use crate::metrics::Hop;

use super::connect::{self, Secrets};
use super::connection::{Connection, Wear};
use super::health::Health;
use super::{Capabilities, HopError, Settings};

/// How old a connection may grow.
const AGE: Duration = Duration::from_mins(5);
/// Mails that one connection carries at most.
const MAILS: u32 = 100;
/// RSETs without a mail between them; servers count such commands as junk.
const RESETS: u32 = 8;

struct Idle {
    connection: Connection,
    host: usize,
    since: Instant,
}

#[derive(Default)]
struct State {
    /// Oldest first.
    idle: Vec<Idle>,
    capabilities: Option<Capabilities>,
    health: Health,
    reaping: bool,
    closed: bool,
}

/// Connections to the hosts of one hop.
pub(super) struct Pool {
    pub(super) settings: Settings,
    pub(super) metrics: Hop,
    secrets: ArcSwap<Secrets>,
    permits: Arc<Semaphore>,
    /// While no host is well, one mail asks them and the others wait for what it finds.
    turn: Semaphore,
    state: Mutex<State>,
}

/// A connection and the right to hold one.
pub(super) struct Leased {
    pub(super) connection: Connection,
    pub(super) reused: bool,
    host: usize,
    permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new(settings: Settings, metrics: Hop) -> Result<Self, HopError> {
        let unusable = |cause| HopError::Unreachable { hop: settings.name.clone(), cause };
        if settings.hosts.is_empty() {
            return Err(unusable("no host is configured".to_owned()));
        }
        let secrets = ArcSwap::from_pointee(Secrets::read(&settings).map_err(unusable)?);
        let permits = Arc::new(Semaphore::new(settings.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
        let state = State { health: Health::new(settings.hosts.len()), ..State::default() };
        Ok(Self { settings, metrics, secrets, permits, turn: Semaphore::new(1), state: Mutex::new(state) })
    }

    /// Reads certificates, authorities and password again. What is idle goes: it was opened with the old ones.
    pub(super) fn reload(&self) -> Result<(), HopError> {
        let secrets = Secrets::read(&self.settings).map_err(|cause| self.unreachable(cause))?;
        self.secrets.store(Arc::new(secrets));
        let idle = std::mem::take(&mut self.state().idle);
        for idle in idle {
            retire(idle.connection);
        }
        Ok(())
    }

    pub(super) fn capabilities(&self) -> Option<Capabilities> {
        self.state().capabilities
    }

    pub(super) fn assume(&self, capabilities: Capabilities) {
        self.state().capabilities.get_or_insert(capabilities);
    }

    /// A connection ready for MAIL: an idle one that is well, unless `fresh`, else a new one.
    pub(super) async fn lease(self: &Arc<Self>, fresh: bool) -> Result<Leased, HopError> {
        let begun = Instant::now();
        let waiting = timeout(self.settings.waits.lease, Arc::clone(&self.permits).acquire_owned());
        let Ok(Ok(permit)) = waiting.await else {
            return Err(self.unreachable("no connection became free".to_owned()));
        };
        self.ask_aside();
        let (connection, host, reused) = self.connection(fresh).await?;
        self.metrics.leased(begun.elapsed());
        Ok(Leased { connection, reused, host, permit })
    }

    /// Takes a connection back, or closes it when it is worn.
    pub(super) fn give_back(self: &Arc<Self>, leased: Leased) {
        let Leased { connection, host, permit, .. } = leased;
        let mut state = self.state();
        if state.closed || !connection.is_sound() || worn(&connection.wear, Instant::now()) {
            drop(state);
            retire(connection);
        } else {
            state.idle.push(Idle { connection, host, since: Instant::now() });
            if !state.reaping {
                state.reaping = true;
                tokio::spawn(reap(Arc::downgrade(self)));
            }
        }
        drop(permit);
    }

    /// A connection failed its mail. An idle one may well have ended meanwhile; one that was opened for this mail tells of its host.
    pub(super) fn blame(&self, leased: &Leased, cause: &str) {
        if !leased.reused {
            self.failed(leased.host, cause);
        }
    }

    /// Whether mail would rather go to another host than to the one of this lease.
    pub(super) fn has_better(&self, leased: &Leased) -> bool {
        let state = self.state();
        state.health.any_well() && state.health.order().first() != Some(&leased.host)
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

    /// While no host is well, one asks at a time: a hop that is down or hangs costs each further mail a short wait and no connection.
    async fn connection(&self, fresh: bool) -> Result<(Connection, usize, bool), HopError> {
        let (well, failures) = {
            let health = &self.state().health;
            (health.any_well(), health.failures())
        };
        if well {
            return self.first_that_answers(fresh).await;
        }
        let Ok(Ok(_turn)) = timeout(self.settings.waits.lease, self.turn.acquire()).await else {
            return Err(self.unreachable("it does not answer, and is being asked".to_owned()));
        };
        let failed_again = {
            let health = &self.state().health;
            !health.any_well() && health.failures() != failures
        };
        if failed_again {
            return Err(self.unreachable("it did not answer a moment ago".to_owned()));
        }
        self.first_that_answers(fresh).await
    }

    async fn first_that_answers(&self, fresh: bool) -> Result<(Connection, usize, bool), HopError> {
        let order = self.state().health.order();
        let end = Instant::now() + self.settings.waits.reach;
        let mut causes = Vec::new();
        for (left, host) in (1..=order.len()).rev().zip(order) {
            if !fresh && let Some(connection) = self.idle(host).await {
                return Ok((connection, host, true));
            }
            self.make_room();
            let part = end.saturating_duration_since(Instant::now()) / u32::try_from(left).unwrap_or(u32::MAX);
            match self.connect(host, part).await {
                Ok(connection) => {
                    self.answered(host, &connection);
                    return Ok((connection, host, false));
                }
                Err(cause) => {
                    self.failed(host, &cause);
                    causes.push(cause);
                }
            }
        }
        self.metrics.connected(false);
        Err(self.unreachable(causes.join("; ")))
    }

    /// The youngest idle connection to a host that is well.
    async fn idle(&self, host: usize) -> Option<Connection> {
        loop {
            let mut idle = {
                let mut state = self.state();
                let at = state.idle.iter().rposition(|idle| idle.host == host)?;
                state.idle.remove(at)
            };
            let young = !worn(&idle.connection.wear, Instant::now()) && idle.since.elapsed() < self.settings.waits.idle;
            if young && idle.connection.is_quiet().await {
                return Some(idle.connection);
            }
            retire(idle.connection);
        }
    }

    /// For the gauges.
    pub(super) fn note_connections(&self) {
        let leased = self.settings.max_connections.saturating_sub(self.permits.available_permits());
        let idle = self.state().idle.len();
        self.metrics.holds(leased, idle);
    }

    /// Idle connections count as connections too.
    fn make_room(&self) {
        let leased = self.settings.max_connections.saturating_sub(self.permits.available_permits());
        let mut state = self.state();
        while !state.idle.is_empty() && state.idle.len() + leased > self.settings.max_connections {
            retire(state.idle.remove(0).connection);
        }
    }

    async fn connect(&self, host: usize, within: Duration) -> Result<Connection, String> {
        let Some(settings) = self.settings.hosts.get(host) else { return Err("no such host".to_owned()) };
        let secrets = self.secrets.load_full();
        let connecting = timeout(within, connect::host(&self.settings, &secrets, settings)).await;
        let connected = connecting.unwrap_or_else(|_| Err(format!("no answer within {} s", within.as_secs())));
        connected.map_err(|cause| format!("{settings}: {cause}"))
    }

    fn answered(&self, host: usize, connection: &Connection) {
        self.metrics.connected(true);
        let mut state = self.state();
        state.capabilities = Some(connection.capabilities);
        if state.health.answered(host) {
            tracing::info!(hop = self.settings.name, host = %self.host(host), "a host of the next hop answers again");
        }
    }

    fn failed(&self, host: usize, cause: &str) {
        let pause = self.state().health.failed(host, Instant::now());
        if let Some(pause) = pause {
            let pause = pause.as_secs();
            tracing::warn!(hop = self.settings.name, host = %self.host(host), cause, pause, "a host of the next hop failed");
        }
    }

    /// Asks a host that failed whether it is well again, aside from all mail, when it is time to.
    fn ask_aside(self: &Arc<Self>) {
        let Some(host) = self.state().health.due(Instant::now()) else { return };
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            match pool.connect(host, pool.settings.waits.reach).await {
                Ok(connection) => {
                    pool.answered(host, &connection);
                    connection.quit().await;
                }
                Err(_) => pool.state().health.still_failing(host, Instant::now()),
            }
        });
    }

    fn host(&self, index: usize) -> String {
        self.settings.hosts.get(index).map(ToString::to_string).unwrap_or_default()
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
        let Some(idle) = pool.upgrade().map(|pool| pool.settings.waits.idle) else { return };
        sleep(idle / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut state = pool.state();
        let (old, young) = std::mem::take(&mut state.idle).into_iter().partition(|one| one.since.elapsed() >= idle);
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
