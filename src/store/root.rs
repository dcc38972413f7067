//! The root keyring and recovery key in use, which change while the store runs.
//!
//! A key that is wrapped under one keyring reaches the store only with its commit. `Wrapping` spans the two, and a change of
//! keys waits for every one that began before: after it no lock under the old active key can appear any more.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use minicbor::{Decode, Encode};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use crate::base::Timestamp;
use crate::seal;
use crate::seal::keyring::{RootKeyring, StoreSecret, wrapped_under};
use crate::seal::recovery::{RecoveryId, RecoveryPublic};

use super::open::{replace_wrapped_secret, wrapped_secret};
use super::{Store, StoreError, places, stopped};

/// Why a keyring cannot be the one in use.
#[derive(Debug, thiserror::Error)]
pub enum KeyringRefused {
    /// It lacks a key that may still be needed.
    #[error("it lacks root key {0:08x}, which is in use, or holds another key under that id")]
    Lacks(u32),
    /// It does not open this data folder.
    #[error("it does not open this data folder: {0}")]
    NotThisFolder(seal::OpenError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The keys for new locks, held from the wrap to the end of the commit.
#[derive(Debug)]
pub(super) struct Wrapping {
    pub(super) ring: Arc<RootKeyring>,
    pub(super) recovery: Option<Arc<RecoveryPublic>>,
    _held: OwnedRwLockReadGuard<()>,
}

/// The keys in use.
#[derive(Debug)]
pub(super) struct RootKeys {
    ring: ArcSwap<RootKeyring>,
    recovery: ArcSwapOption<RecoveryPublic>,
    /// Shared by every [`Wrapping`]; a change takes it alone.
    changing: Arc<RwLock<()>>,
    /// Where the wrapped store secret is; `None` in memory, where there is none.
    folder: Option<PathBuf>,
}

/// That the operator keeps a copy of a key elsewhere.
#[derive(Debug, Encode, Decode)]
struct Copied {
    #[n(0)]
    at: Timestamp,
}

impl RootKeys {
    pub(super) fn new(ring: RootKeyring, folder: Option<PathBuf>) -> Self {
        let (ring, recovery) = (ArcSwap::from_pointee(ring), ArcSwapOption::empty());
        Self { ring, recovery, changing: Arc::default(), folder }
    }

    /// To open something now.
    pub(super) fn ring(&self) -> Arc<RootKeyring> {
        self.ring.load_full()
    }

    /// The recovery key in use.
    pub(super) fn recovery(&self) -> Option<Arc<RecoveryPublic>> {
        self.recovery.load_full()
    }

    /// To wrap something and commit it.
    pub(super) async fn wrapping(&self) -> Wrapping {
        let held = Arc::clone(&self.changing).read_owned().await;
        Wrapping { ring: self.ring(), recovery: self.recovery(), _held: held }
    }

    /// Nothing is wrapped meanwhile.
    async fn replace(&self, ring: RootKeyring) {
        let _alone = self.changing.write().await;
        self.ring.store(Arc::new(ring));
    }

    async fn replace_recovery(&self, recovery: Option<RecoveryPublic>) {
        let _alone = self.changing.write().await;
        self.recovery.store(recovery.map(Arc::new));
    }

    /// The wrapped store secret.
    async fn wrapped(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(folder) = self.folder.clone() else { return Ok(None) };
        let read = tokio::task::spawn_blocking(move || wrapped_secret(&folder)).await.map_err(|_| stopped())?;
        read.map_err(|cause| StoreError::Damaged(format!("store.key: {cause}")))
    }

    async fn replace_wrapped(&self, wrapped: Vec<u8>) -> Result<(), StoreError> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        let write = move || replace_wrapped_secret(&folder, &wrapped);
        let written = tokio::task::spawn_blocking(write).await.map_err(|_| stopped())?;
        written.map_err(|cause| StoreError::Uncertain(format!("store.key: {cause}")))
    }
}

impl Store {
    /// The ids of the root keys in use, the active one last.
    #[must_use]
    pub fn root_keys(&self) -> Vec<u32> {
        self.inner.keyring.ring().ids()
    }

    /// The recovery key that new conversation keys get a lock for.
    #[must_use]
    pub fn recovery_key(&self) -> Option<RecoveryId> {
        self.inner.keyring.recovery().map(|key| key.id())
    }

    /// From now on this keyring counts. What stands under its older keys is wrapped anew by
    /// [`rewrap_step`](Self::rewrap_step). Returns once nothing that was wrapped before is still to be committed.
    ///
    /// # Errors
    /// When it lacks a key of the one in use, or does not open this data folder; the old one stays then.
    pub async fn use_keyring(&self, ring: RootKeyring) -> Result<(), KeyringRefused> {
        let keys = &self.inner.keyring;
        if let Some(id) = ring.lacks(&keys.ring()) {
            return Err(KeyringRefused::Lacks(id));
        }
        if let Some(wrapped) = keys.wrapped().await? {
            StoreSecret::unwrap(&ring, &wrapped).map_err(KeyringRefused::NotThisFolder)?;
        }
        keys.replace(ring).await;
        Ok(())
    }

    /// Takes a root key out of the keyring in use; `false` when it is the active one, or not there. The caller knows that
    /// nothing depends on it ([`key_use`](Self::key_use)).
    pub async fn forget_root_key(&self, id: u32) -> bool {
        let keys = &self.inner.keyring;
        let Some(ring) = keys.ring().without(id) else { return false };
        keys.replace(ring).await;
        true
    }

    /// From now on each new conversation key gets a lock for this recovery key, or, with `None`, for none. Locks that exist
    /// follow by [`rewrap_step`](Self::rewrap_step).
    ///
    /// # Errors
    /// When the records key cannot be stored for it.
    pub async fn use_recovery(&self, recovery: Option<RecoveryPublic>) -> Result<(), StoreError> {
        let inner = &self.inner;
        if let Some(key) = &recovery {
            let place = places::recovery(key.id());
            let there = match inner.engine.get(&place).await {
                Err(StoreError::Damaged(_)) => false,
                found => found?.is_some(),
            };
            if !there {
                let mut draft = inner.draft();
                draft.put_sealed(place, key.seal_records_key(&inner.keys.records, &*inner.entropy));
                draft.commit().await?;
            }
        }
        inner.keyring.replace_recovery(recovery).await;
        Ok(())
    }

    /// The root key that the store secret stands under; `None` in memory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn secret_under(&self) -> Result<Option<u32>, StoreError> {
        let Some(wrapped) = self.inner.keyring.wrapped().await? else { return Ok(None) };
        wrapped_under(&wrapped).map(Some).map_err(|cause| StoreError::Damaged(format!("store.key: {cause}")))
    }

    /// Wraps the store secret under the active key, unless it is.
    pub(super) async fn rewrap_secret(&self) -> Result<(), StoreError> {
        let keys = &self.inner.keyring;
        let ring = keys.ring();
        let Some(wrapped) = keys.wrapped().await? else { return Ok(()) };
        if wrapped_under(&wrapped) == Ok(ring.active()) {
            return Ok(());
        }
        let secret = StoreSecret::unwrap(&ring, &wrapped);
        let secret = secret.map_err(|cause| StoreError::Damaged(format!("store.key: {cause}")))?;
        keys.replace_wrapped(secret.wrap(&ring, &*self.inner.entropy)).await
    }

    /// The operator says that a copy of every key in use is kept elsewhere.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn confirm_key_copies(&self) -> Result<(), StoreError> {
        let inner = &self.inner;
        let mut draft = inner.draft();
        for id in self.root_keys() {
            draft.put(places::key_copy(id), &Copied { at: inner.clock.now() })?;
        }
        draft.commit().await?;
        Ok(())
    }

    /// When the operator said so of this key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn key_copy(&self, id: u32) -> Result<Option<Timestamp>, StoreError> {
        let found = self.inner.read::<Copied>(&places::key_copy(id)).await?;
        Ok(found.map(|found| found.record.at))
    }
}
