//! Backup of a running store, and putting one back.
//!
//! A backup is a folder of files that never change, and a manifest that names those which belong together, with their hashes.
//! Segments of the journal and body files never change either, but by erasing in place and by being removed, so a run copies
//! what is new, and again the segments in which something was erased since. It is of one moment: every commit up to its
//! sequence number and none behind. The root key is no part of it.
//!
//! | file | owns |
//! |---|---|
//! | manifest | what belongs to a backup |
//! | target | the folder that it goes to |
//! | journal | copying the journal up to one moment |
//! | lost | what the store has lost of the journal, and an earlier run copied |
//! | bodies | copying body files |
//! | restore | putting it back |

mod bodies;
mod journal;
mod lost;
mod manifest;
mod restore;
mod target;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::base::{MessageId, Timestamp};
use crate::seal::keyring::StoreSecret;

use super::check::Whom;
use super::migrate::SCHEMA;
use super::open::KEY_FILE;
use super::progress::Progress;
use super::{Inner, Store, StoreError};
use bodies::BodiesRun;
use journal::{Journal, JournalRun};
use manifest::{Entry, Reader, Writer};
use target::Target;

pub use manifest::Head;
pub(in crate::store) use restore::NOTE;
pub use restore::{Restored, restore};

/// Why a backup was not made, or not put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or folder cannot be read or written.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder holds other things.
    #[error("{0} is not empty and holds no backup")]
    NotEmpty(PathBuf),
    /// A backup is put back into an empty folder only.
    #[error("{0} is not empty: a backup is put back into a new or an empty folder only")]
    NotNew(PathBuf),
    /// It holds the backup of another data folder.
    #[error("{0} holds the backup of another data folder")]
    Foreign(PathBuf),
    /// Another backup is being made there.
    #[error("another backup is being made in {0}")]
    InUse(PathBuf),
    /// A part of it lies elsewhere, where other things may be.
    #[error("{0} is a link: a backup is a folder of its own")]
    Linked(PathBuf),
    /// It would be a part of what it is a copy of.
    #[error("{0} lies in the data folder itself")]
    Inside(PathBuf),
    /// It would be written into the backup.
    #[error("{0} lies in the backup itself")]
    InBackup(PathBuf),
    /// The manifest was changed or cut.
    #[error(
        "{0} is damaged: fetch it again from another copy of this backup. `zegel store backup` makes this folder good again once that file is moved away; how the rest is put back without it, the manual tells under Restore"
    )]
    Manifest(PathBuf),
    /// The backup's copy of the store secret is damaged or missing.
    #[error(
        "{0} is damaged or missing in the backup, and nothing in it opens without it: put it there from another copy of this backup"
    )]
    NoKey(PathBuf),
    /// The manifest is of a newer release.
    #[error("{0} has format {1}, which this release does not know")]
    NewerFormat(PathBuf, String),
    /// The records are of a newer release.
    #[error("the backup has schema {0}, which this release does not know")]
    NewerSchema(u32),
    /// There is no backup.
    #[error("{0} holds no backup")]
    Nothing(PathBuf),
    /// Files of the backup are not what they were: their names.
    #[error("{} files of the backup are damaged or missing: {}", .0.len(), .0.join(", "))]
    Damaged(Vec<String>),
    /// It was asked to end.
    #[error("stopped before its end; the backup before still stands")]
    Stopped,
}

impl BackupError {
    /// An I/O error with its path.
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |cause| Self::Io(path, cause)
    }
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The backup that stands now.
    pub head: Head,
    /// Files in it.
    pub files: u64,
    /// Files that this run copied.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Files of older backups that were removed.
    pub removed: u64,
    /// Copies of the backup before that were not what they were, and are made anew.
    pub mended: Vec<String>,
    /// What of the store is damaged, lost or cannot be read: files, or places of the journal as `segment:offset`.
    pub unreadable: Vec<String>,
    /// Those of them that this backup has whole, from an earlier run.
    pub kept: Vec<String>,
    /// The messages that they belong to, as far as the index tells.
    pub messages: Vec<Whom>,
}

impl Store {
    /// Makes or refreshes the backup in `folder`. An error leaves the one before as it was. With `verify` all copies that are kept
    /// are read again; without it a share of them, another each day.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub async fn backup(&self, folder: PathBuf, verify: bool, progress: Arc<Progress>) -> Result<Report, BackupError> {
        let share = if verify { Share::All } else { Share::of(self.inner.clock.now()) };
        let run = Run { inner: Arc::clone(&self.inner), handle: Handle::current(), progress, share };
        let done = tokio::task::spawn_blocking(move || run.whole(&folder));
        done.await.unwrap_or(Err(BackupError::Stopped))
    }
}

/// Most messages that a report names.
const MOST_NAMED: usize = 1000;
/// In so many days each copy that is kept is read again once; a prime, so that a weekly backup comes by all of them too.
const SHARES: u64 = 13;

/// Which of the copies that are kept are read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    All,
    /// Those whose path falls to this number.
    One(u64),
}

impl Share {
    fn of(now: Timestamp) -> Self {
        Self::One(now.millis() / 86_400_000 % SHARES)
    }

    fn has(self, path: &str) -> bool {
        match self {
            Self::All => true,
            Self::One(number) => u64::from(crc32c::crc32c(path.as_bytes())) % SHARES == number,
        }
    }
}

/// A backup under way. Runs where it may block.
struct Run {
    inner: Arc<Inner>,
    handle: Handle,
    progress: Arc<Progress>,
    share: Share,
}

impl Run {
    fn whole(&self, folder: &Path) -> Result<Report, BackupError> {
        let data = self.data()?;
        outside(&data, folder)?;
        let target = Target::open(folder)?;
        let store = data_encoding::HEXLOWER.encode(&self.inner.keys.blind("backup", b"")).split_off(32);
        let old = Reader::open(folder)?;
        if old.as_ref().is_some_and(|old| old.head.store != store) {
            return Err(BackupError::Foreign(folder.to_owned()));
        }
        let mut old = old.map(Old::new).transpose()?;
        // From here on bodies stay until they are copied, so that every one that a copied record names is there.
        let bodies_stay = self.inner.engine.hold_bodies()?;
        let journal = JournalRun::new(self, &target, old.as_ref()).copy()?;
        let head = Head { store, schema: SCHEMA, sequence: journal.last, made: self.inner.clock.now() };
        let mut report = Report {
            head,
            files: 0,
            copied: 0,
            copied_bytes: 0,
            removed: 0,
            mended: Vec::new(),
            unreadable: Vec::new(),
            kept: Vec::new(),
            messages: Vec::new(),
        };
        self.tell(&journal, &mut report);
        report.mended.clone_from(&journal.mended);
        let mut writer = Writer::new(target.new_manifest()?, &report.head).map_err(BackupError::at(folder))?;
        let mut add = |entry: &Entry| writer.add(entry).map_err(BackupError::at(folder));
        let key = self.copy_key(&target, &data, &mut report)?;
        add(&key)?;
        for entry in journal.entries.iter().chain(&journal.ends) {
            add(entry)?;
        }
        report.copied += journal.copied;
        report.copied_bytes += journal.copied_bytes;
        let bodies = BodiesRun { run: self, target: &target, data: &data };
        let kept = bodies.copy(old.as_mut(), &mut report, &mut add)?;
        drop(bodies_stay);
        let ends = (!journal.ends.is_empty()).then_some(lost::FOLDER);
        for folder in ["journal", "bodies"].into_iter().chain(ends) {
            target.sync(folder)?;
        }
        report.files = writer.finish().map_err(BackupError::at(folder))?;
        target.commit()?;
        // Only now: up to here the backup before could be put back.
        report.removed += journal.sweep(&target)? + bodies.sweep(&kept)? + sweep_keys(&target, &key)?;
        Ok(report)
    }

    /// What of the journal is damaged, and whose messages that are. An index that cannot be asked names none.
    fn tell(&self, journal: &Journal, report: &mut Report) {
        let whole = journal.damaged.iter().filter(|damaged| damaged.kept).map(ToString::to_string);
        let lost = |told: &lost::Told| told.place.clone();
        report.kept.extend(whole.chain(journal.lost.iter().filter(|told| told.kept).map(lost)));
        report.unreadable.extend(journal.damaged.iter().map(ToString::to_string).chain(journal.lost.iter().map(lost)));
        let store = Store { inner: Arc::clone(&self.inner) };
        let Ok(keys) = self.inner.engine.values_in(&journal.damaged) else { return };
        let messages = self.handle.block_on(store.messages_of(&keys)).unwrap_or_default();
        for id in messages.into_iter().take(MOST_NAMED) {
            report.messages.extend(self.handle.block_on(store.whom(id)));
        }
    }

    /// Whether a copy that is there is what the manifest says, as far as this run looks.
    fn is_sound(&self, target: &Target, entry: &Entry) -> Result<bool, BackupError> {
        if !self.share.has(&entry.path) {
            return Ok(true);
        }
        let hash = target.hash(&entry.path, |bytes| {
            self.rest(bytes);
            self.check_stop()
        })?;
        Ok(hash.is_some_and(|hash| hash == entry.hash))
    }

    fn check_stop(&self) -> Result<(), BackupError> {
        if self.progress.is_stopped() { Err(BackupError::Stopped) } else { Ok(()) }
    }

    fn rest(&self, bytes: u64) {
        std::thread::sleep(self.progress.rest(bytes));
    }

    fn data(&self) -> Result<PathBuf, BackupError> {
        Ok(self.inner.engine.root()?)
    }
}

/// A backup in the data folder would be lost with it.
fn outside(data: &Path, folder: &Path) -> Result<(), BackupError> {
    target::make(folder)?;
    let real = |path: &Path| path.canonicalize().map_err(BackupError::at(path));
    if real(folder)?.starts_with(real(data)?) {
        // An empty folder that was made just now is all there is of it.
        let _ = std::fs::remove_dir(folder);
        return Err(BackupError::Inside(folder.to_owned()));
    }
    Ok(())
}

impl Run {
    /// The wrapped store secret. It changes when root keys do, so its name says which it is. One that rotted does not take the place
    /// of a copy that opens.
    fn copy_key(&self, target: &Target, data: &Path, report: &mut Report) -> Result<Entry, BackupError> {
        let path = data.join(KEY_FILE);
        let read = std::fs::read(&path);
        let mut bytes = read.as_ref().map_or_else(|_| Vec::new(), Clone::clone);
        let opens = |bytes: &[u8]| StoreSecret::unwrap(&self.inner.keyring.ring(), bytes).is_ok();
        if !opens(&bytes) {
            report.unreadable.push(KEY_FILE.to_owned());
            for (name, folder) in target.list("")? {
                let older = if folder || !name.starts_with("store.key-") { continue } else { target.place(&name) };
                if let Some(older) = std::fs::read(older).ok().filter(|older| opens(older)) {
                    report.kept.push(KEY_FILE.to_owned());
                    bytes = older;
                    break;
                }
            }
        }
        // One that cannot be read at all, and of which there is no copy, is no backup of anything.
        if bytes.is_empty() {
            read.map_err(BackupError::at(&path))?;
        }
        let mut copy = target.begin(KEY_FILE)?;
        copy.write(&bytes)?;
        let mut there = false;
        let (path, hash) = target.finish(copy, |hash| {
            let path = format!("store.key-{}", hash.get(..16).unwrap_or_default());
            there = target.len(&path).is_some();
            path
        })?;
        if !there {
            report.copied += 1;
            report.copied_bytes += bytes.len() as u64;
        }
        Ok(Entry { hash, path })
    }
}

fn sweep_keys(target: &Target, key: &Entry) -> Result<u64, BackupError> {
    let mut removed = 0;
    for (name, folder) in target.list("")? {
        if !folder && name.starts_with("store.key-") && name != key.path {
            target.erase(&name)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// The backup before: its journal at hand, its bodies line by line.
struct Old {
    /// By number of the segment.
    journal: Vec<(u64, Entry)>,
    /// Copies with ends that the store has lost.
    ends: Vec<Entry>,
    bodies: Reader,
    next: Option<Entry>,
}

impl Old {
    fn new(mut reader: Reader) -> Result<Self, BackupError> {
        let (mut journal, mut ends) = (Vec::new(), Vec::new());
        let mut next = None;
        while let Some(entry) = reader.next()? {
            if entry.path.starts_with("bodies/") {
                next = Some(entry);
                break;
            }
            if lost::loss(&entry.path).is_some() {
                ends.push(entry);
                continue;
            }
            journal.extend(journal::number(&entry.path).map(|number| (number, entry)));
        }
        Ok(Self { journal, ends, bodies: reader, next })
    }

    /// The entry of a body, asked for in the order of the ids.
    fn body(&mut self, id: MessageId) -> Result<Option<Entry>, BackupError> {
        while let Some(entry) = self.next.take() {
            match bodies::id(&entry.path) {
                Some(found) if found > id => {
                    self.next = Some(entry);
                    break;
                }
                found => {
                    self.next = self.bodies.next()?;
                    if found == Some(id) {
                        return Ok(Some(entry));
                    }
                }
            }
        }
        Ok(None)
    }
}
