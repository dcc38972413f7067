//! The folder that a backup goes to. Files there are complete under their names or not there at all; what a manifest names is
//! never changed, and removed only after a newer manifest stands.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use sha2::{Digest, Sha256};

use super::manifest::{self, Hash, hex};
use super::{BackupError, lost};

/// Files that are being written.
const PART: &str = "part";
const LOCK: &str = "lock";
/// What a file system of its own begins with.
pub(super) const LOST_AND_FOUND: &str = "lost+found";
/// Bytes read at a time.
const STEP: usize = 1 << 20;
static ZEROS: [u8; 65_536] = [0; 65_536];

/// See the module. Held by one backup at a time.
#[derive(Debug)]
pub(super) struct Target {
    root: PathBuf,
    _lock: File,
}

/// A file on its way.
#[derive(Debug)]
pub(super) struct Unfinished {
    file: File,
    name: String,
    path: PathBuf,
    hash: Sha256,
    pub len: u64,
    /// Something was written over what is hashed already.
    patched: bool,
}

impl Target {
    /// Makes the folder where it is missing. One that holds other things than a backup is left alone.
    pub(super) fn open(root: &Path) -> Result<Self, BackupError> {
        make(root)?;
        let known = ["journal", "bodies", lost::FOLDER, PART, LOCK, "manifest.new", LOST_AND_FOUND];
        if !root.join(manifest::NAME).exists() {
            for entry in fs::read_dir(root).map_err(BackupError::at(root))? {
                let name = entry.map_err(BackupError::at(root))?.file_name();
                let ours =
                    known.iter().any(|known| name == **known) || name.to_string_lossy().starts_with("store.key-");
                if !ours {
                    return Err(BackupError::NotEmpty(root.to_owned()));
                }
            }
        }
        let path = root.join(LOCK);
        let lock = private().create(true).truncate(false).write(true).open(&path).map_err(BackupError::at(&path))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| BackupError::InUse(root.to_owned()))?;
        let target = Self { root: root.to_owned(), _lock: lock };
        for folder in [target.root.join("journal"), target.root.join("bodies"), target.root.join(PART)] {
            make(&folder)?;
        }
        // Before anything is removed: none of them leads elsewhere.
        for folder in ["journal", "bodies", lost::FOLDER] {
            target.list(folder)?;
        }
        for (name, _) in target.list(PART)? {
            target.erase(&format!("{PART}/{name}"))?;
        }
        Ok(target)
    }

    /// Where a file is.
    pub(super) fn place(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Length of a file; `None` when it is not there. A link to one is no copy.
    pub(super) fn len(&self, path: &str) -> Option<u64> {
        fs::symlink_metadata(self.root.join(path)).ok().filter(fs::Metadata::is_file).map(|meta| meta.len())
    }

    /// Hash of a file; `None` when the disk does not give it. `each` hears how many bytes were read, piece by piece.
    pub(super) fn hash(
        &self,
        path: &str,
        mut each: impl FnMut(u64) -> Result<(), BackupError>,
    ) -> Result<Option<Hash>, BackupError> {
        if self.len(path).is_none() {
            return Ok(None);
        }
        let Ok(mut file) = File::open(self.root.join(path)) else { return Ok(None) };
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; STEP]);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(Some(hex(hash))),
                Ok(read) => {
                    hash.update(buffer.get(..read).unwrap_or_default());
                    each(read as u64)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Ok(None),
            }
        }
    }

    /// Names and whether they are folders, in order; empty when the folder is missing. A link to a folder holds what is not ours.
    pub(super) fn list(&self, folder: &str) -> Result<Vec<(String, bool)>, BackupError> {
        let path = self.root.join(folder);
        if !folder.is_empty() && path.is_symlink() {
            return Err(BackupError::Linked(path));
        }
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(BackupError::at(&path))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(BackupError::at(&path))?;
            names.push((entry.file_name().to_string_lossy().into_owned(), entry.path().is_dir()));
        }
        names.sort();
        Ok(names)
    }

    /// Starts a file.
    pub(super) fn begin(&self, name: &str) -> Result<Unfinished, BackupError> {
        let path = self.root.join(PART).join(name);
        let file = fresh(&path)?;
        Ok(Unfinished { file, name: name.to_owned(), path, hash: Sha256::new(), len: 0, patched: false })
    }

    /// Ends a file: on disk, then under the name that `named` gives it. Its folder is synced later, by [`sync`](Self::sync).
    pub(super) fn finish(
        &self,
        unfinished: Unfinished,
        named: impl FnOnce(&str) -> String,
    ) -> Result<(String, Hash), BackupError> {
        let whole = || self.hash(&format!("{PART}/{}", unfinished.name), |_| Ok(()));
        let hash = if unfinished.patched { whole()? } else { Some(hex(unfinished.hash)) };
        let Some(hash) = hash else {
            return Err(BackupError::at(&unfinished.path)(io::ErrorKind::InvalidData.into()));
        };
        let path = named(&hash);
        let place = self.root.join(&path);
        unfinished.file.sync_all().map_err(BackupError::at(&unfinished.path))?;
        if let Some(folder) = place.parent() {
            make(folder)?;
        }
        fs::rename(&unfinished.path, &place).map_err(BackupError::at(&place))?;
        Ok((path, hash))
    }

    /// Makes the names in a folder durable.
    pub(super) fn sync(&self, folder: &str) -> Result<(), BackupError> {
        let path = self.root.join(folder);
        File::open(&path).and_then(|folder| folder.sync_all()).map_err(BackupError::at(&path))
    }

    /// The file of a new manifest.
    pub(super) fn new_manifest(&self) -> Result<File, BackupError> {
        fresh(&self.root.join("manifest.new"))
    }

    /// The new manifest stands; the old one is gone.
    pub(super) fn commit(&self) -> Result<(), BackupError> {
        let path = self.root.join(manifest::NAME);
        fs::rename(self.root.join("manifest.new"), &path).map_err(BackupError::at(&path))?;
        self.sync("")
    }

    /// Overwrites a file that may hold keys, then removes it. What has another name elsewhere (a link, a copy by hard links) is not
    /// ours to overwrite: only the name here goes.
    pub(super) fn erase(&self, path: &str) -> Result<(), BackupError> {
        let path = self.root.join(path);
        let overwrite = || -> io::Result<()> {
            let meta = fs::symlink_metadata(&path)?;
            if !meta.is_file() || meta.nlink() > 1 {
                return Ok(());
            }
            let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
            let mut file = File::options().write(true).custom_flags(flags).open(&path)?;
            let mut left = file.metadata()?.len();
            while left > 0 {
                let step =
                    ZEROS.get(..usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len())).unwrap_or_default();
                file.write_all(step)?;
                left -= step.len() as u64;
            }
            file.sync_data()
        };
        overwrite().and_then(|()| fs::remove_file(&path)).map_err(BackupError::at(&path))
    }

    /// Removes a file that is of no use to who finds it.
    pub(super) fn remove(&self, path: &str) -> Result<(), BackupError> {
        let path = self.root.join(path);
        fs::remove_file(&path).map_err(BackupError::at(&path))
    }
}

impl Unfinished {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.file.write_all(bytes).map_err(BackupError::at(&self.path))?;
        self.hash.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Hash of what was written so far.
    pub(super) fn so_far(&self) -> Hash {
        hex(self.hash.clone())
    }

    /// Where it is until it ends.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes over bytes that are there.
    pub(super) fn patch(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BackupError> {
        self.patched = true;
        self.file.write_all_at(bytes, offset).map_err(BackupError::at(&self.path))
    }
}

/// Options for files that only their owner reads.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// A new file, in the place of whatever stands there.
fn fresh(path: &Path) -> Result<File, BackupError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(BackupError::at(path)(error)),
        _ => {}
    }
    private().write(true).create_new(true).open(path).map_err(BackupError::at(path))
}

/// Makes a folder that only its owner reads, if it is not there.
pub(super) fn make(path: &Path) -> Result<(), BackupError> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(BackupError::at(path))
}
