//! Opening a data folder: lock, keys, recovery, and what was found on the way.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::{Clock, Entropy, MessageId};
use crate::seal;
use crate::seal::keyring::{RootKeyring, StoreKeys, StoreSecret};

use super::engine::{Engine, Loss, Space};
use super::intake::Prepared;
use super::migrate;
use super::places::last_id;
use super::root::RootKeys;
use super::{Store, StoreError, places};

pub(super) use super::migrate::SCHEMA;

/// So often a start goes on with an index that was made again. One that was is whole: a disk that spoils it once more has its chance.
const BEGINS: usize = 3;
/// The store secret's file, wrapped under the root keyring.
pub(super) const KEY_FILE: &str = "store.key";
/// More than a wrapped secret takes.
const KEY_FILE_MOST: u64 = 4096;

/// So many bodies are looked at before the store serves.
const BODIES_AT_ONCE: usize = 1000;

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
    #[error(
        "the root keyring does not fit this data folder: {0}. Either it is not the keyring of this folder, or store.key is damaged: put that back from a backup (its store.key-… file)"
    )]
    Key(seal::OpenError),
    /// The folder's own secret has not the shape that it is written in.
    #[error(
        "{0} is damaged, and nothing in this data folder opens without it: put it back from a backup (its store.key-… file)"
    )]
    DamagedSecret(PathBuf),
    /// The folder's own secret is gone.
    #[error("{0} is missing, and nothing in this data folder opens without it: put it back from a copy")]
    NoSecret(PathBuf),
    /// The folder or a file in it cannot be read or written.
    #[error("{path}: {cause}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Written by a newer release.
    #[error(
        "the data folder has schema {0}, which this release does not know: use the release that wrote it, or a newer one"
    )]
    Newer(u32),
    /// Written by a newer release, or not by Zegel.
    #[error("{0} is of a format that this release does not know: use the release that wrote it, or a newer one")]
    UnknownSchema(PathBuf),
    /// It opens, but cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
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
    /// Parts of the journal that are gone, by this start or an earlier one: whole files, or what stood at the end of one though it
    /// was acknowledged. Until they are put back or given up.
    pub lost: Vec<Loss>,
    /// Files of the journal that were missing and are back.
    pub returned: Vec<u64>,
    /// Damaged frames of this or an earlier start lie in quarantine, or a note of what is lost: what they held can still
    /// be mended by hand.
    pub quarantine_held: bool,
    /// Prepared messages dropped.
    pub dropped: usize,
    /// Body files removed that no message names.
    pub orphans: usize,
    /// Frames replayed into the index.
    pub replayed: u64,
    /// The folder was put back from a backup: which one. Until [`Store::restore_is_done`].
    pub restored: Option<String>,
    /// Superseded values that could not be overwritten and are still on disk.
    pub unerased: usize,
    /// Entries of the erasure ledger that are damaged.
    pub ledger_damaged: u64,
}

impl Store {
    /// Opens the folder, making it when it is empty. Blocks while it recovers: call it before serving.
    ///
    /// # Errors
    /// When the folder is in use, was written by a newer release, does not belong to the keyring, or cannot be read.
    pub async fn open(
        settings: Settings,
        keyring: RootKeyring,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<(Self, OpenReport), OpenError> {
        let (engine, secret, keyring, mut report) = open_engine(&settings, keyring, &entropy).await?;
        let keyring = RootKeys::new(keyring, Some(settings.folder));
        let store = Self::over(engine, secret.keys(), keyring, clock, entropy);
        // An index that shows its damage only now is made again when a step meets it; every step may be done again.
        let mut begun = store.begin(&mut report).await;
        for _ in 0..BEGINS {
            if !matches!(begun, Err(OpenError::Store(StoreError::NotReady(_)))) {
                break;
            }
            store.inner.engine.settled().await?;
            begun = store.begin(&mut report).await;
        }
        begun?;
        Ok((store, report))
    }

    /// What every start does once the engine runs.
    pub(super) async fn begin(&self, report: &mut OpenReport) -> Result<(), OpenError> {
        let schema = self.check_schema().await?;
        if let Ok(folder) = self.inner.engine.root() {
            migrate::note(&folder)?;
        }
        migrate::run(self, schema).await?;
        self.begin_held(report).await?;
        self.count_drafts().await?;
        report.dropped = self.drop_all_prepared().await?;
        // A quarantined frame may be the one that named a body.
        if report.quarantined.is_empty() && !report.quarantine_held {
            report.orphans = self.remove_orphans().await?;
        }
        Ok(())
    }

    /// The schema of the records. The first record that was ever written also tells whether the secret is this folder's.
    async fn check_schema(&self) -> Result<u32, OpenError> {
        let place = places::schema();
        // What the disk spoilt has no checksum and is one record like any other; what is whole and does not open was written
        // under another secret, and so was everything else.
        let (whole, from) = match self.inner.engine.get(&place).await {
            Ok(found) => (found.is_some(), SCHEMA),
            Err(StoreError::Damaged(cause)) => {
                tracing::error!(%cause, "the record of the schema is damaged; it is written again");
                // Every migration may be run again.
                (false, 1)
            }
            Err(error) => return Err(error.into()),
        };
        if whole {
            return match self.inner.read::<u32>(&place).await {
                Ok(Some(found)) if found.record > SCHEMA => Err(OpenError::Newer(found.record)),
                Ok(found) => Ok(found.map_or(from, |found| found.record)),
                Err(StoreError::Damaged(_)) => Err(OpenError::Key(seal::OpenError::WrongKey)),
                Err(error) => Err(error.into()),
            };
        }
        let mut draft = self.inner.draft();
        draft.put(place, &from)?;
        draft.commit().await?;
        Ok(from)
    }

    /// Nobody is left who could commit them. One whose record is damaged stays: invisible, and reported.
    async fn drop_all_prepared(&self) -> Result<usize, StoreError> {
        let mut dropped = 0;
        for key in self.inner.keys_of(Space::Prepared, &[], usize::MAX).await? {
            let Some(id) = last_id(&key.bytes).map(MessageId) else { continue };
            match self.drop_prepared(Prepared { id }).await {
                Ok(()) => dropped += 1,
                Err(StoreError::NotErased(cause)) => {
                    dropped += 1;
                    tracing::error!(%cause, "a prepared message is dropped, but its keys are still on disk");
                }
                Err(StoreError::Damaged(cause)) => tracing::error!(%cause, "a prepared message cannot be dropped"),
                Err(error) => return Err(error),
            }
        }
        Ok(dropped)
    }

    /// Bodies of mails that were never taken. Whether a message names its body is read from its key: a damaged record keeps
    /// its body.
    ///
    /// Many are looked at while the store serves already: those that come from now on are not among them.
    async fn remove_orphans(&self) -> Result<usize, StoreError> {
        let bodies = self.inner.engine.bodies().await?;
        if bodies.len() <= BODIES_AT_ONCE {
            return self.remove_unnamed(bodies).await;
        }
        let store = self.clone();
        tokio::spawn(async move {
            match store.remove_unnamed(bodies).await {
                Ok(orphans) => tracing::info!(orphans, "bodies that no message names are removed"),
                Err(error) => tracing::info!(%error, "bodies that no message names wait for the next start"),
            }
        });
        Ok(0)
    }

    async fn remove_unnamed(&self, bodies: Vec<MessageId>) -> Result<usize, StoreError> {
        let engine = &self.inner.engine;
        let mut orphans = 0;
        for id in bodies {
            let (from, to) = (id.as_bytes(), places::after(id.as_bytes()));
            let mut named = false;
            for space in [Space::Message, Space::Prepared, Space::Piece] {
                named |= !engine.keys(space, from, to.as_deref(), 1).await?.is_empty();
            }
            if !named {
                engine.remove_body(id).await?;
                orphans += 1;
            }
        }
        Ok(orphans)
    }
}

/// The engine on this machine, recovered; a long replay blocks no other task. The secret comes first: a folder that it does
/// not open is left as it is.
async fn open_engine(
    settings: &Settings,
    keyring: RootKeyring,
    entropy: &Arc<dyn Entropy>,
) -> Result<(Engine, StoreSecret, RootKeyring, OpenReport), OpenError> {
    let (settings, entropy) = (settings.clone(), Arc::clone(entropy));
    let open = move || {
        let claim = Engine::claim(&settings)?;
        migrate::admit(&claim, &settings.folder)?;
        let secret = store_secret(&settings.folder, claim.is_used()?, &keyring, &*entropy)?;
        let (engine, mut report) = Engine::open_local(claim, entropy)?;
        report.quarantine_held = holds_damage(&settings.folder.join("quarantine"));
        Ok((engine, secret, keyring, report))
    };
    let opened = tokio::task::spawn_blocking(open).await;
    opened.unwrap_or_else(|_| Err(OpenError::Store(StoreError::NotReady("recovery was interrupted".to_owned()))))
}

/// Whether the quarantine holds frames that were proven and are damaged, or notes of what is lost; a folder that cannot be listed
/// may.
fn holds_damage(quarantine: &Path) -> bool {
    let damaged = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.map_or(true, |entry| {
            Path::new(&entry.file_name())
                .extension()
                .is_some_and(|end| ["damaged", "missing", "lost"].iter().any(|kind| end == *kind))
        })
    };
    std::fs::read_dir(quarantine).map_or(true, |mut entries| entries.any(damaged))
}

/// The wrapped secret as it stands in the folder; `None` when there is none.
pub(super) fn wrapped_secret(folder: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut wrapped = Vec::new();
    match File::open(folder.join(KEY_FILE)) {
        Ok(file) => file.take(KEY_FILE_MOST).read_to_end(&mut wrapped).map(|_| Some(wrapped)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Whether this keyring opens the data folder, as far as can be told without opening it; `None`: there is none yet. Gives the keys that
/// follow from the folder's secret.
///
/// # Errors
/// As [`Store::open`] would fail for the keyring's sake, or when the folder cannot be looked into.
pub fn fits(folder: &Path, keyring: &RootKeyring) -> Result<Option<StoreKeys>, OpenError> {
    let path = folder.join(KEY_FILE);
    if !folder.is_dir() {
        return Ok(None);
    }
    match wrapped_secret(folder).map_err(|cause| OpenError::Io { path: path.clone(), cause })? {
        Some(wrapped) => unwrapped(keyring, &wrapped, path).map(|secret| Some(secret.keys())),
        None if Engine::has_written(folder).map_err(|cause| OpenError::Io { path: path.clone(), cause })? => {
            Err(OpenError::NoSecret(path))
        }
        None => Ok(None),
    }
}

fn unwrapped(keyring: &RootKeyring, wrapped: &[u8], path: PathBuf) -> Result<StoreSecret, OpenError> {
    StoreSecret::unwrap(keyring, wrapped).map_err(|error| match error {
        // What no key whatever opens.
        seal::OpenError::Truncated | seal::OpenError::Format => OpenError::DamagedSecret(path),
        error => OpenError::Key(error),
    })
}

/// Puts another wrap of the secret in the place of the old one, whose bytes are overwritten once the new one is durable.
pub(super) fn replace_wrapped_secret(folder: &Path, wrapped: &[u8]) -> io::Result<()> {
    let mut old = OpenOptions::new().write(true).open(folder.join(KEY_FILE))?;
    let len = usize::try_from(old.metadata()?.len().min(KEY_FILE_MOST)).unwrap_or_default();
    write_durably(folder, KEY_FILE, wrapped)?;
    old.write_all(&vec![0; len])?;
    old.sync_data()
}

/// The folder's secret: read, or made before the first record is written under it.
fn store_secret(
    folder: &Path,
    used: bool,
    keyring: &RootKeyring,
    entropy: &dyn Entropy,
) -> Result<StoreSecret, OpenError> {
    let path = folder.join(KEY_FILE);
    match wrapped_secret(folder) {
        Ok(Some(wrapped)) => unwrapped(keyring, &wrapped, path),
        Err(cause) => Err(OpenError::Io { path, cause }),
        // A new one would only hide that nothing here opens again.
        Ok(None) if used => Err(OpenError::NoSecret(path)),
        Ok(None) => {
            let secret = StoreSecret::generate(entropy);
            let wrapped = secret.wrap(keyring, entropy);
            write_durably(folder, KEY_FILE, &wrapped).map_err(|cause| OpenError::Io { path, cause })?;
            Ok(secret)
        }
    }
}

/// A file of the data folder, readable by its owner only: it is there whole, or not at all.
pub(crate) fn write_durably(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!("{name}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join(name))?;
    File::open(folder)?.sync_all()
}
