//! Opening a data folder: lock, keys, recovery, and what was found on the way.

use std::path::PathBuf;
use std::sync::Arc;

use crate::base::{Clock, Entropy};
use crate::seal::keyring::RootKeyring;

use super::Store;

/// Where the data are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data folder, of the service's user, mode 0700.
    pub folder: PathBuf,
    /// Intake stops when less than this many bytes are free.
    pub min_free: u64,
}

/// Why a data folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds it.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// The keyring does not open it.
    #[error("the root keyring does not fit this data folder: {0}")]
    Key(crate::seal::OpenError),
    /// The folder or a file in it cannot be read or written.
    #[error("{path}: {cause}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Written by a newer release.
    #[error("the data folder has schema {0}, which this release does not know")]
    Newer(u32),
}

/// What recovery found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Why the index was rebuilt, if it was.
    pub rebuilt: Option<String>,
    /// Bytes cut from the end of the journal (copied to quarantine first).
    pub cut: u64,
    /// Frames quarantined in the middle, as `segment:offset`.
    pub quarantined: Vec<String>,
    /// Prepared messages dropped.
    pub dropped: usize,
    /// Frames replayed into the index.
    pub replayed: u64,
}

impl Store {
    /// Opens the folder, making it when it is empty. Blocks while it recovers: call it before serving.
    pub async fn open(
        settings: Settings,
        keyring: RootKeyring,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<(Self, OpenReport), OpenError> {
        todo!()
    }
}
