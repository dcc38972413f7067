//! The root keyring of a gateway in use: what hangs on which key, a new key put into use, an old one let go.
//!
//! Wrapping anew goes on in the background, one step after the other, from the start of the daemon on: a rotation that was cut
//! short, and a key that was added while no daemon ran, are found by the store's own note. Nothing else waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::keys::Source;
use crate::store::rewrap::{KeyUse, Rewrap};
use crate::store::{Store, StoreError};

/// Between two steps, so that mail and pages come first.
const PAUSE: Duration = Duration::from_millis(5);
/// After a step that failed: a disk that works again gives no event.
const AGAIN: Duration = Duration::from_secs(30);
/// Locks counted for one answer.
const COUNTED: usize = 20_000;

/// A request about keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum KeyRequest {
    /// Which keys there are.
    Show,
    /// What hangs on them, some locks at a time.
    Count {
        /// From where to count on: `next` of the answer before.
        after: Option<String>,
    },
    /// Reads the keyring again and wraps everything under its active key.
    Rotate,
    /// How far that came.
    Progress,
    /// Takes a key out of memory that was taken out of the file.
    Forget {
        /// Its id, 8 hexadecimal digits.
        id: String,
    },
    /// The operator keeps a copy of every key elsewhere.
    CopyKept,
}

/// An answer about keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum KeyAnswer {
    /// The keys.
    Keys {
        /// In the order of the file, the active one last.
        keys: Vec<KeyRow>,
        /// The key that the store secret stands under.
        store_secret: Option<String>,
        /// The recovery key that new locks are made for.
        recovery: Option<String>,
        /// How far wrapping anew came.
        rewrap: Option<Progress>,
        /// What is wrong with the keyring as it is on disk now.
        problem: Option<String>,
    },
    /// What hangs on them.
    Count {
        /// Assisted locks by key.
        locks: BTreeMap<String, u64>,
        /// Those of prepared messages among them; with the first page only.
        prepared: BTreeMap<String, u64>,
        /// Recovery locks.
        recovery: u64,
        /// Locks of other kinds.
        other: u64,
        /// Locks that cannot be read.
        damaged: u64,
        /// From where to count on; none at the end.
        next: Option<String>,
    },
    /// How far wrapping anew came.
    Progress(Progress),
    /// Done.
    Done,
    /// It cannot be done; the text says why.
    Refused {
        /// For the operator.
        text: String,
    },
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    /// Its id.
    pub id: String,
    /// New locks are made under it.
    pub active: bool,
    /// The gateway has it in memory; else it stands in the file and waits for `zegel keys rotate`.
    pub in_use: bool,
    /// Since when the operator keeps a copy elsewhere.
    pub copy_kept: Option<String>,
}

/// How far wrapping anew came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The key that everything shall stand under.
    pub root: String,
    /// Nothing is left to do.
    pub done: bool,
    /// Locks looked at.
    pub seen: u64,
    /// Locks made anew, added or removed.
    pub changed: u64,
    /// Locks that do not open.
    pub failed: u64,
}

impl From<Rewrap> for Progress {
    fn from(work: Rewrap) -> Self {
        let Rewrap { root, done, seen, changed, failed, .. } = work;
        Self { root: name(root), done, seen, changed, failed }
    }
}

/// A root key's id as the operator sees it.
#[must_use]
pub fn name(id: u32) -> String {
    format!("{id:08x}")
}

/// The id from what the operator wrote.
#[must_use]
pub fn id_of(text: &str) -> Option<u32> {
    (text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| u32::from_str_radix(text, 16).ok())?
}

/// Answers requests about keys, and does the work in the background. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Keys {
    store: Store,
    /// None in the demo, whose keyring is in memory only.
    source: Option<Source>,
    wanted: Arc<Notify>,
}

impl Keys {
    /// Of a store whose keyring came from `source`.
    #[must_use]
    pub fn new(store: Store, source: Option<Source>) -> Self {
        Self { store, source, wanted: Arc::default() }
    }

    /// Wraps anew whatever needs it, now and when asked, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        self.warn_of_copies().await;
        while !stop.is_cancelled() {
            let _ = stop.run_until_cancelled(self.work()).await;
            let _ = stop.run_until_cancelled(self.wanted.notified()).await;
        }
    }

    async fn warn_of_copies(&self) {
        if self.source.is_none() {
            return;
        }
        for id in self.store.root_keys() {
            if matches!(self.store.key_copy(id).await, Ok(None)) {
                warn!(
                    key = name(id),
                    "nobody has confirmed that a copy of this root key is kept elsewhere: see zegel keys check"
                );
            }
        }
    }

    /// Until nothing is left to do.
    async fn work(&self) {
        let mut steps = 0_u64;
        loop {
            let pause = match self.store.rewrap_step().await {
                Ok(work) if work.done => {
                    if steps > 0 {
                        let (key, changed, failed) = (name(work.root), work.changed, work.failed);
                        info!(key, changed, failed, "every lock stands under the active root key");
                    }
                    return;
                }
                Ok(_) => PAUSE,
                Err(cause) => {
                    error!(%cause, "locks cannot be wrapped anew now; tried again later");
                    AGAIN
                }
            };
            steps += 1;
            tokio::time::sleep(pause).await;
        }
    }

    /// One step, for a command that runs without a daemon.
    ///
    /// # Errors
    /// When the store cannot.
    pub async fn step(&self) -> Result<Progress, StoreError> {
        Ok(self.store.rewrap_step().await?.into())
    }

    /// Carries a request out.
    ///
    /// # Errors
    /// When the store cannot.
    pub async fn carry_out(&self, request: KeyRequest) -> Result<KeyAnswer, StoreError> {
        match request {
            KeyRequest::Show => self.show().await,
            KeyRequest::Count { after } => self.count(after.as_deref()).await,
            KeyRequest::Rotate => self.rotate().await,
            KeyRequest::Progress => self.progress().await,
            KeyRequest::Forget { id } => Ok(match id_of(&id) {
                Some(id) if self.store.forget_root_key(id).await => KeyAnswer::Done,
                _ => refused(format!("root key {id} is the active one, or not in use")),
            }),
            KeyRequest::CopyKept => {
                self.store.confirm_key_copies().await?;
                Ok(KeyAnswer::Done)
            }
        }
    }

    async fn show(&self) -> Result<KeyAnswer, StoreError> {
        let in_use = self.store.root_keys();
        let (in_file, mut problem) = match self.source.as_ref().map(Source::read) {
            None => (in_use.clone(), None),
            Some(Ok(ring)) => (ring.ids(), None),
            Some(Err(cause)) => (in_use.clone(), Some(cause.to_string())),
        };
        if let Some(gone) = in_use.iter().find(|id| !in_file.contains(id)) {
            problem = Some(format!("root key {} is in use but no longer in the keyring: put it back", name(*gone)));
        }
        let mut keys = Vec::new();
        let waiting = in_file.iter().filter(|id| !in_use.contains(id));
        for id in in_use.iter().chain(waiting) {
            keys.push(KeyRow {
                id: name(*id),
                active: in_use.last() == Some(id),
                in_use: in_use.contains(id),
                copy_kept: self.store.key_copy(*id).await?.map(|at| at.to_string()),
            });
        }
        Ok(KeyAnswer::Keys {
            keys,
            store_secret: self.store.secret_under().await?.map(name),
            recovery: self.store.recovery_key().map(|id| id.to_string()),
            rewrap: self.store.rewrap_state().await?.map(Progress::from),
            problem,
        })
    }

    async fn count(&self, after: Option<&str>) -> Result<KeyAnswer, StoreError> {
        let Ok(after) = after.map(|text| HEXLOWER.decode(text.as_bytes())).transpose() else {
            return Ok(refused("there is no such place to count on from".to_owned()));
        };
        let KeyUse { locks, prepared, recovery, other, damaged, next } =
            self.store.key_use(after.as_deref(), COUNTED).await?;
        let named = |counts: BTreeMap<u32, u64>| counts.into_iter().map(|(id, count)| (name(id), count)).collect();
        let next = next.map(|next| HEXLOWER.encode(&next));
        Ok(KeyAnswer::Count { locks: named(locks), prepared: named(prepared), recovery, other, damaged, next })
    }

    async fn rotate(&self) -> Result<KeyAnswer, StoreError> {
        let Some(source) = &self.source else { return Ok(refused("this keyring is in memory only".to_owned())) };
        let ring = match source.read() {
            Ok(ring) => ring,
            Err(cause) => return Ok(refused(cause.to_string())),
        };
        let fresh = ring.active();
        if self.store.root_keys().last() == Some(&fresh) && matches!(source, Source::Credential(_)) {
            let text = "the keyring is a systemd credential, which the service gets at its start: after a change of the \
                        file that it is made from, restart the service, and it goes on by itself";
            return Ok(refused(text.to_owned()));
        }
        if let Err(cause) = self.store.use_keyring(ring).await {
            return Ok(refused(format!("the keyring was not put into use: {cause}")));
        }
        info!(key = name(fresh), "the root keyring was read again");
        self.store.restart_rewrap().await?;
        self.wanted.notify_one();
        self.progress().await
    }

    async fn progress(&self) -> Result<KeyAnswer, StoreError> {
        let found = self.store.rewrap_state().await?.map(Progress::from);
        let root = self.store.root_keys().last().copied().map(name).unwrap_or_default();
        let begin = Progress { root, done: false, seen: 0, changed: 0, failed: 0 };
        Ok(KeyAnswer::Progress(found.unwrap_or(begin)))
    }
}

fn refused(text: String) -> KeyAnswer {
    KeyAnswer::Refused { text }
}
