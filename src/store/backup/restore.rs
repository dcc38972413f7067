//! Putting a backup back into an empty folder. Every hash is compared before anything is written, and again while copying; then every
//! frame of the journal is read. (Records and bodies open with the root key only, which a restore does not need.)
//!
//! The folder gets a note that it was restored. The first start finds it: it ends all sessions, holds the queue until an operator
//! lets it go, and then removes the note. The store's secret is written last: a folder whose restore was cut short does not open.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::store::engine::{Loss, survey};
use crate::store::migrate::SCHEMA;
use crate::store::progress::Progress;

use super::manifest::{Entry, Head, Reader, hex};
use super::target::{LOST_AND_FOUND, make, private};
use super::{BackupError, journal, lost};

/// The note in a restored folder.
pub(in crate::store) const NOTE: &str = "restored";
/// The folder of a data folder for what is damaged or out of place.
const QUARANTINE: &str = "quarantine";
const STEP: usize = 1 << 20;
/// How the name of the store secret begins.
const KEY: &str = "store.key-";

/// What was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The backup.
    pub head: Head,
    /// Files.
    pub files: u64,
    /// Files that are damaged or missing in the backup; what they hold is lost, everything else is there.
    pub damaged: Vec<String>,
    /// Frames of the journal that were read afterwards.
    pub frames: u64,
    /// Places of the journal that have not their checksum, or are missing, though the backup's files are as they were made: the store
    /// was damaged before.
    pub unsound: Vec<String>,
}

/// Puts the backup in `from` into `into`, which must be empty or missing. Blocks. With `even_damaged` a backup of which files are
/// damaged is put back as far as it goes.
///
/// # Errors
/// See [`BackupError`]; [`BackupError::Damaged`] names every file that is not what it was.
pub fn restore(from: &Path, into: &Path, even_damaged: bool, progress: &Progress) -> Result<Restored, BackupError> {
    let head = open(from)?.head;
    if head.schema > SCHEMA {
        return Err(BackupError::NewerSchema(head.schema));
    }
    if into.exists() && holds_anything(into).map_err(BackupError::at(into))? {
        return Err(BackupError::NotNew(into.to_owned()));
    }
    if inside(from, into)? {
        return Err(BackupError::InBackup(into.to_owned()));
    }
    let damaged = verify(from, progress)?;
    if let Some(key) = damaged.iter().find(|path| path.starts_with(KEY)) {
        return Err(BackupError::NoKey(from.join(key)));
    }
    if !damaged.is_empty() && !even_damaged {
        return Err(BackupError::Damaged(damaged));
    }
    let files = put_back(from, into, progress, &damaged)?;
    let found = survey(into, progress).map_err(BackupError::at(into))?;
    let lost = found.lost.iter().map(ToString::to_string);
    let unsound = found.damaged.iter().cloned().chain(lost).map(|place| format!("journal {place}")).collect();
    Ok(Restored { head, files, damaged, frames: found.frames, unsound })
}

/// Whether a folder holds more than a file system of its own begins with.
fn holds_anything(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        if entry?.file_name() != LOST_AND_FOUND {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether `into`, which need not be there yet, lies in the backup.
fn inside(from: &Path, into: &Path) -> Result<bool, BackupError> {
    let from = from.canonicalize().map_err(BackupError::at(from))?;
    let into = std::path::absolute(into).map_err(BackupError::at(into))?;
    Ok(into.ancestors().find_map(|folder| folder.canonicalize().ok()).is_some_and(|folder| folder.starts_with(from)))
}

fn open(from: &Path) -> Result<Reader, BackupError> {
    Reader::open(from)?.ok_or_else(|| BackupError::Nothing(from.to_owned()))
}

/// The files that are not what the manifest says.
fn verify(from: &Path, progress: &Progress) -> Result<Vec<String>, BackupError> {
    let mut manifest = open(from)?;
    let mut damaged = Vec::new();
    progress.begin("verified files", 0);
    while let Some(Entry { hash, path }) = manifest.next()? {
        if read(&from.join(&path), progress, |_| Ok(())).ok() != Some(hash) {
            if progress.is_stopped() {
                return Err(BackupError::Stopped);
            }
            damaged.push(path);
        }
        progress.advance();
    }
    Ok(damaged)
}

/// Gives `each` the bytes of a file; its hash.
fn read(path: &Path, progress: &Progress, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<String> {
    // To open a pipe would wait for somebody who writes.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("no ordinary file"));
    }
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; STEP];
    loop {
        if progress.is_stopped() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = file.read(&mut buffer)?;
        if len == 0 {
            return Ok(hex(hash));
        }
        let bytes = buffer.get(..len).unwrap_or_default();
        hash.update(bytes);
        each(bytes)?;
    }
}

fn put_back(from: &Path, into: &Path, progress: &Progress, damaged: &[String]) -> Result<u64, BackupError> {
    let mut manifest = open(from)?;
    let mut folders = vec![into.to_owned()];
    let (mut files, mut key) = (0, None);
    make(into)?;
    // A folder that was there may be open to others.
    fs::set_permissions(into, fs::Permissions::from_mode(0o700)).map_err(BackupError::at(into))?;
    progress.begin("restored files", 0);
    while let Some(entry) = manifest.next()? {
        files += 1;
        progress.advance();
        if entry.path.starts_with(KEY) {
            key = Some(entry);
            continue;
        }
        let place = into.join(place(&entry.path)?);
        if let Some(folder) = place.parent()
            && !folders.iter().any(|made| made == folder)
        {
            make(folder)?;
            folders.extend([folder.to_owned()]);
        }
        copy(from, &entry, &place, progress, damaged)?;
        if let Some(loss) = lost::loss(&entry.path) {
            note(into, loss)?;
        }
    }
    folders.push(into.join("bodies"));
    let key = key.ok_or_else(|| BackupError::Manifest(from.join("manifest")))?;
    let note = into.join(NOTE);
    let written = private().write(true).create_new(true).open(&note).and_then(|mut file| {
        writeln!(file, "backup of {}, sequence {}", manifest.head.made, manifest.head.sequence)?;
        file.sync_all()
    });
    written.map_err(BackupError::at(&note))?;
    sync(&folders)?;
    copy(from, &key, &into.join("store.key"), progress, damaged)?;
    sync(&[into.to_owned()])?;
    Ok(files)
}

/// A loss is told on until it is given up.
fn note(into: &Path, loss: Loss) -> Result<(), BackupError> {
    let (name, text) = loss.as_note();
    let path = into.join(QUARANTINE).join(name);
    let written = private().write(true).create(true).truncate(true).open(&path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(BackupError::at(&path))
}

fn sync(folders: &[PathBuf]) -> Result<(), BackupError> {
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        File::open(folder).and_then(|file| file.sync_all()).map_err(BackupError::at(folder))?;
    }
    Ok(())
}

/// Where a file of the backup belongs in the data folder.
fn place(path: &str) -> Result<PathBuf, BackupError> {
    match journal::number(path) {
        Some(number) => Ok(Path::new("journal").join(format!("{number:016x}.seg"))),
        None if path.starts_with("bodies/") => Ok(PathBuf::from(path)),
        // Beside the journal that goes on without it, as the start that finds a loss keeps what is left.
        None if lost::loss(path).is_some() => {
            Ok(Path::new(QUARANTINE).join(Path::new(path).file_name().unwrap_or_default()))
        }
        None if path.starts_with(journal::REMOVED) => Ok(PathBuf::from(journal::REMOVED)),
        None => Err(BackupError::Manifest(PathBuf::from(path))),
    }
}

/// One file. One that is known to be damaged is taken as it is: what is whole in it counts.
fn copy(from: &Path, entry: &Entry, to: &Path, progress: &Progress, damaged: &[String]) -> Result<(), BackupError> {
    let known = damaged.contains(&entry.path);
    let source = from.join(&entry.path);
    if known && !source.is_file() {
        return Ok(());
    }
    let mut out = private().write(true).create_new(true).open(to).map_err(BackupError::at(to))?;
    let hash = read(&source, progress, |bytes| out.write_all(bytes)).map_err(BackupError::at(&source))?;
    out.sync_all().map_err(BackupError::at(to))?;
    if hash != entry.hash && !known {
        return Err(BackupError::Damaged(vec![entry.path.clone()]));
    }
    Ok(())
}
