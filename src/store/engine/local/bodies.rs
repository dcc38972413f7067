//! Body files: written while the mail comes in, durable under their final name before the commit that names them.
//!
//! `bodies/part/ID` while it is written, then `bodies/X/ID`, where X is the first character of the id. The name says nothing
//! else. What lies in `part` at start belongs to mail that was never acknowledged and goes.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::{MessageId, Timestamp};

use super::super::super::{OpenError, StoreError};
use super::blocking;
use super::folder::{Folder, at, make};

const PART: &str = "part";
/// First characters of ids: RFC 4648 base32 in lower case.
const FIRST: &str = "abcdefghijklmnopqrstuvwxyz234567";

/// The folder of bodies.
#[derive(Debug)]
pub(in super::super) struct Files {
    folder: Folder,
    /// A folder's sync failed: no later one is believed.
    broken: AtomicBool,
    /// How many hold bodies at this moment, and what was removed meanwhile.
    held: Mutex<(usize, Vec<MessageId>)>,
}

/// As long as it lives, bodies that are removed keep their files. What a crash leaves of them is found at the next start.
#[derive(Debug)]
pub struct HeldBodies(Arc<Files>);

impl Drop for HeldBodies {
    fn drop(&mut self) {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.0 = held.0.saturating_sub(1);
        if held.0 == 0 {
            for message in std::mem::take(&mut held.1) {
                self.0.discard(message);
            }
        }
    }
}

/// The unfinished file of one body; dropping it removes the file.
#[derive(Debug)]
pub(in super::super) struct Part {
    files: Arc<Files>,
    message: MessageId,
    file: File,
    len: u64,
    renamed: bool,
}

/// The error that a caller gets for one of the disk's.
pub(in super::super) fn failed(error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full(error.to_string()),
        _ => StoreError::Uncertain(error.to_string()),
    }
}

impl Files {
    /// Makes the folders and removes what was never finished.
    pub(super) fn open(folder: Folder) -> Result<Self, OpenError> {
        let files = Self { folder, broken: AtomicBool::new(false), held: Mutex::default() };
        let root = files.folder.bodies();
        let part = root.join(PART);
        make(&part)?;
        for first in FIRST.chars() {
            make(&root.join(first.to_string()))?;
        }
        for entry in fs::read_dir(&part).map_err(at(&part))? {
            let path = entry.map_err(at(&part))?.path();
            fs::remove_file(&path).map_err(at(&path))?;
        }
        files.folder.io().sync_folder(&root).map_err(at(&root))?;
        Ok(files)
    }

    /// Whether a disk error makes new body files unsafe until the next start.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    fn shelf(&self, message: MessageId) -> PathBuf {
        let name = message.to_string();
        self.folder.bodies().join(name.get(..1).unwrap_or_default())
    }

    fn path(&self, message: MessageId) -> PathBuf {
        self.shelf(message).join(message.to_string())
    }

    fn part(&self, message: MessageId) -> PathBuf {
        self.folder.bodies().join(PART).join(message.to_string())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.folder.io().sync_folder(path).inspect_err(|_| self.broken.store(true, Ordering::Relaxed))
    }

    /// Removes a body's file without waiting for the disk: one that comes back is found at the next start.
    pub(in super::super) fn discard(&self, message: MessageId) {
        if let Err(error) = fs::remove_file(self.path(message)) {
            tracing::debug!(body = %message, %error, "a body file that no record names stays until the next start");
        }
    }

    /// Keeps every file that is there now, or comes, until the answer is dropped.
    pub(super) fn hold(self: &Arc<Self>) -> HeldBodies {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).0 += 1;
        HeldBodies(Arc::clone(self))
    }

    /// Moves a body's file that nothing names to quarantine.
    pub(super) fn set_aside(&self, message: MessageId) -> Result<(), StoreError> {
        let aside = self.folder.quarantine().join(format!("{message}.body"));
        match fs::rename(self.path(message), aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(&error)),
            Ok(()) => self
                .sync_folder(&self.folder.quarantine())
                .and_then(|()| self.sync_folder(&self.shelf(message)))
                .map_err(|error| failed(&error)),
        }
    }

    /// Removes a body's file, durably.
    pub(super) fn remove(&self, message: MessageId) -> Result<(), StoreError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0 > 0 {
            held.1.push(message);
            return Ok(());
        }
        drop(held);
        match fs::remove_file(self.path(message)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(&error)),
            Ok(()) => self.sync_folder(&self.shelf(message)).map_err(|error| failed(&error)),
        }
    }

    /// Opens a body's file.
    pub(super) fn get(&self, message: MessageId) -> Result<Option<(Arc<File>, u64)>, StoreError> {
        let open = || -> io::Result<_> {
            let file = File::open(self.path(message))?;
            let len = file.metadata()?.len();
            Ok((Arc::new(file), len))
        };
        match open() {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::Damaged(format!("body {message}: {error}"))),
        }
    }

    /// When a body's file was last written to.
    pub(super) fn written(&self, message: MessageId) -> Option<Timestamp> {
        let modified = fs::metadata(self.path(message)).and_then(|meta| meta.modified()).ok()?;
        let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The messages that have a file.
    pub(super) fn all(&self) -> io::Result<Vec<MessageId>> {
        let mut found = Vec::new();
        for first in FIRST.chars() {
            for entry in fs::read_dir(self.folder.bodies().join(first.to_string()))? {
                found.extend(entry?.file_name().to_str().and_then(|name| name.parse::<MessageId>().ok()));
            }
        }
        Ok(found)
    }
}

impl Part {
    /// Starts the file with `bytes`.
    pub(in super::super) async fn create(
        files: Arc<Files>,
        message: MessageId,
        bytes: Vec<u8>,
    ) -> Result<Self, StoreError> {
        blocking(move || {
            if files.is_broken() {
                return Err(StoreError::NotReady("a folder of bodies failed to sync".to_owned()));
            }
            let file = files.folder.io().create(&files.part(message)).map_err(|error| failed(&error))?;
            let mut part = Self { files, message, file, len: 0, renamed: false };
            part.push(&bytes)?;
            Ok(part)
        })
        .await
    }

    /// Appends.
    pub(in super::super) async fn append(mut self, bytes: Vec<u8>) -> Result<Self, StoreError> {
        blocking(move || {
            self.push(&bytes)?;
            Ok(self)
        })
        .await
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.files.folder.io().write(&self.file, bytes, self.len).map_err(|error| failed(&error))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// fdatasync, rename, fsync of the folder. `owner` answers for the file once it has its name, and goes along, so that
    /// the file goes with it when nobody waits for the end any more.
    pub(in super::super) async fn finish<T: Send + 'static>(mut self, owner: T) -> Result<T, StoreError> {
        blocking(move || {
            let files = Arc::clone(&self.files);
            files.folder.io().sync(&self.file).map_err(|error| failed(&error))?;
            fs::rename(files.part(self.message), files.path(self.message)).map_err(|error| failed(&error))?;
            self.renamed = true;
            files.sync_folder(&files.shelf(self.message)).map_err(|error| failed(&error))?;
            Ok(owner)
        })
        .await
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.renamed {
            // What stays is removed at the next start.
            let _ = fs::remove_file(self.files.part(self.message));
        }
    }
}

/// Exactly `len` bytes of a body's file.
pub(in super::super) async fn read(file: Arc<File>, offset: u64, len: usize) -> Result<Vec<u8>, StoreError> {
    blocking(move || {
        let mut bytes = vec![0; len];
        fill(&file, offset, &mut bytes)?;
        Ok(bytes)
    })
    .await
}

/// The bytes of a body's file from `offset` on, until `room` is full; waits for the disk.
pub(in super::super) fn fill(file: &File, offset: u64, room: &mut [u8]) -> Result<(), StoreError> {
    file.read_exact_at(room, offset).map_err(|error| StoreError::Damaged(format!("a body: {error}")))
}
