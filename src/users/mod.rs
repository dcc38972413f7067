//! Who may log in over SMTP: a file of users with password hashes, and pauses after wrong passwords.
//!
//! - A password is compared in one of few turns at the hasher, so that guesses cannot eat memory; a client waits for its turn, not for
//!   ever.
//! - A name that nobody has costs the same hash, and is counted and paused like any other: no answer tells who exists.
//! - A try is counted as wrong before it is compared, so that tries at the same moment cannot slip past a limit together.
//! - A file that changed is read again; one that does not read keeps the old users in service.

pub mod file;
mod tries;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::access::Network;
use crate::base::{Entropy, Timestamp};
use crate::policy::Pattern;
use crate::seal::hashers::Hashers;
use crate::seal::password::PasswordHash;
use file::{List, UsersError};
use tries::Tries;

pub use tries::Limits;

/// How often the file is looked at.
const EVERY: Duration = Duration::from_secs(15);
/// How long a client waits for a turn at the hasher.
const TURN: Duration = Duration::from_secs(20);

/// Where users stand and how many guesses they bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file of users.
    pub file: PathBuf,
    /// Passwords compared at the same time.
    pub hashers: usize,
    /// Limits on wrong ones.
    pub limits: Limits,
}

/// Somebody who logged in.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name, in the spelling of the file.
    pub name: Arc<str>,
    /// Addresses and domains that this user may send from; empty: all that the listener allows.
    pub senders: Arc<[Pattern]>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// What came of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// Name and password belong together.
    Right(Identity),
    /// They do not.
    Wrong,
    /// Nothing was compared: too many wrong ones, or too many at once.
    Later,
}

/// The users in service. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Users {
    inner: Arc<Inner>,
}

struct Inner {
    file: PathBuf,
    list: ArcSwap<List>,
    /// Compared with for a name that nobody has.
    decoy: ArcSwap<PasswordHash>,
    hashers: Hashers,
    tries: Mutex<Tries>,
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({})", self.inner.list.load().users().len())
    }
}

impl Users {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read or used: a gateway that was told to know users does not start without them.
    pub fn load(settings: Settings, entropy: Arc<dyn Entropy>) -> Result<Self, UsersError> {
        let list = List::read(&settings.file)?;
        let inner = Inner {
            decoy: ArcSwap::from_pointee(decoy(&list, &*entropy)),
            list: ArcSwap::from_pointee(list),
            file: settings.file,
            hashers: Hashers::new(settings.hashers),
            tries: Mutex::new(Tries::new(settings.limits)),
            entropy,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Reads the file again; the old users stay when it cannot be used.
    pub fn reload(&self) {
        match List::read(&self.inner.file) {
            Ok(list) => {
                tracing::info!(users = list.users().len(), "users read again");
                self.inner.decoy.store(Arc::new(decoy(&list, &*self.inner.entropy)));
                self.inner.list.store(Arc::new(list));
            }
            Err(cause) => tracing::error!(%cause, "the file of users is not usable; the old users stay in service"),
        }
    }

    /// How many passwords wait to be compared now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inner.hashers.waiting()
    }

    /// Compares a password, from a client at `addr`.
    pub async fn check(&self, name: &str, password: Zeroizing<Vec<u8>>, addr: IpAddr, now: Timestamp) -> Checked {
        let (key, network) = (name.to_ascii_lowercase(), Network::of(addr));
        if !self.tries().admit(&key, network, now) {
            return Checked::Later;
        }
        let list = self.inner.list.load_full();
        let user = list.find(name).cloned();
        let hash = user.as_ref().map_or_else(|| self.inner.decoy.load().as_ref().clone(), |user| user.hash.clone());
        let Ok(Ok(mut turn)) = tokio::time::timeout(TURN, self.inner.hashers.turn()).await else {
            self.tries().give_back(&key, network);
            return Checked::Later;
        };
        let compared = tokio::task::spawn_blocking(move || hash.matches(&password, turn.memory())).await;
        match (compared, user) {
            (Ok(Ok(true)), Some(user)) => {
                let mut tries = self.tries();
                tries.give_back(&key, network);
                tries.welcome(&key, network, now);
                Checked::Right(Identity { name: user.name.as_str().into(), senders: user.senders.into() })
            }
            (Ok(Ok(_)), _) => Checked::Wrong,
            (Ok(Err(_)) | Err(_), _) => {
                self.tries().give_back(&key, network);
                Checked::Later
            }
        }
    }

    fn tries(&self) -> std::sync::MutexGuard<'_, Tries> {
        self.inner.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stamp(&self) -> Option<(SystemTime, u64)> {
        let meta = std::fs::metadata(&self.inner.file).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    }
}

/// As costly as the first user's: all hashes that this program makes cost the same.
fn decoy(list: &List, entropy: &dyn Entropy) -> PasswordHash {
    list.users().first().map_or_else(|| PasswordHash::of_nobody(entropy), |user| user.hash.decoy(entropy))
}

/// Looks at the file until `stop`, and reads it again when it changed.
pub async fn watch(users: Option<Users>, stop: CancellationToken) {
    let Some(users) = users else { return stop.cancelled().await };
    let mut seen = users.stamp();
    let mut every = tokio::time::interval(EVERY);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        let stamp = users.stamp();
        if stamp != seen {
            seen = stamp;
            users.reload();
        }
    }
}

#[cfg(test)]
mod tests;
