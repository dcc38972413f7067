//! The data folder: its lock, its layout, its room, and the note that says whether the index can be believed.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crc32c::crc32c;
use rustix::fs::{AtFlags, CWD, StatxFlags, statvfs, statx};

use super::super::super::OpenError;
use super::io::Io;

const CLEAN: &str = "clean";
const REBUILD: &str = "rebuild";
/// The list of segments that were removed on purpose, in the journal's folder.
const REMOVED: &str = "removed";
/// How the names of copies of damaged frames end.
const DAMAGED: &str = ".damaged";
/// Most bytes set aside for a full disk.
const RESERVE: u64 = 8 << 20;

/// Paths in the data folder.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: PathBuf,
    io: Io,
}

/// Held while the folder is open: the file, and the folder itself for when somebody removes that file under a running process. (Not
/// every file system of a network locks folders.)
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
    _folder: File,
}

/// An I/O error with its path.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError + use<> {
    let path = path.to_owned();
    move |cause| OpenError::Io { path, cause }
}

/// Whether a start failed for want of room.
pub(super) fn is_full(error: &OpenError) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error, OpenError::Io { cause, .. } if matches!(cause.kind(), StorageFull | QuotaExceeded))
}

/// Files that must still find room for new mail to be taken: journal, index and compaction make some too.
const SPARE_FILES: u64 = 500;
/// Bytes set aside where intake stops below `min_free`: at most half of that, so that giving them up on a full disk does
/// not let new mail in again.
pub(super) fn reserve_for(min_free: u64) -> u64 {
    RESERVE.min(min_free / 2)
}

/// What a commit may take beside its records: a footer, the head of a new segment, a note on the index.
const SLACK: u64 = 256 << 10;

/// No journal ever counts so far: a note that says so is not ours, and believing it would leave no numbers for what comes.
const NEVER: u64 = 1 << 62;

/// How the second line of the note on the index begins.
const SYNCED: &str = "synced ";

/// A number as a line tells it, with a checksum.
fn checked(number: u64) -> String {
    format!("{number:x} {:08x}", crc32c(&number.to_le_bytes()))
}

/// The number that such a line tells, as in the list of removed segments; `None`: the line is damaged.
fn removed(line: &str) -> Option<u64> {
    let (number, crc) = line.split_once(' ')?;
    let (number, crc) = (u64::from_str_radix(number, 16).ok()?, u32::from_str_radix(crc, 16).ok()?);
    (crc32c(&number.to_le_bytes()) == crc).then_some(number)
}

impl Folder {
    /// Removes the index from disk.
    pub(super) fn wipe_index(&self) -> Result<(), OpenError> {
        let path = self.index();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&path)(error)),
            _ => Ok(()),
        }
    }

    /// Makes the folder where it is missing, and locks it.
    pub(super) fn open(root: &Path, io: Io) -> Result<(Self, Lock), OpenError> {
        let folder = Self { root: root.to_owned(), io };
        let fresh = !root.exists();
        make(root)?;
        if let Some(parent) = root.parent().filter(|parent| fresh && !parent.as_os_str().is_empty()) {
            folder.io.sync_folder(parent).map_err(at(parent))?;
        }
        let path = root.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(root.to_owned())),
            Err(TryLockError::Error(cause)) => return Err(at(&path)(cause)),
        }
        let itself = File::open(root).map_err(at(root))?;
        if let Err(TryLockError::WouldBlock) = itself.try_lock() {
            return Err(OpenError::InUse(root.to_owned()));
        }
        for path in [folder.journal(), folder.bodies(), folder.quarantine()] {
            make(&path)?;
        }
        folder.io.sync_folder(root).map_err(at(root))?;
        Ok((folder, Lock { _file: file, _folder: itself }))
    }

    /// Of a folder that nobody has open, to look into it.
    pub(super) fn unlocked(root: &Path) -> Self {
        Self { root: root.to_owned(), io: Io::default() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }
    pub(super) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }
    pub(super) fn bodies(&self) -> PathBuf {
        self.root.join("bodies")
    }
    pub(super) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }
    pub(super) fn index(&self) -> PathBuf {
        self.root.join("index")
    }
    pub(super) fn io(&self) -> &Io {
        &self.io
    }
    fn note(&self) -> PathBuf {
        self.root.join("index.state")
    }

    /// Whether it was put back from a backup, and not let go since.
    pub(super) fn is_restored(&self) -> bool {
        self.root.join("restored").exists()
    }

    /// Bytes that the service may still write; what cannot be asked counts as plenty, since writing will tell.
    pub(super) fn free(&self) -> u64 {
        #[cfg(test)]
        if self.io.faults.take(super::io::faults::Call::Free).is_err() {
            return 0;
        }
        statvfs(&self.root).map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Whether fewer than `min_free` bytes are free, or hardly room for more files; file systems that count none have always some. What
    /// cannot be asked counts as plenty, as in [`free`](Self::free).
    pub(super) fn is_full(&self, min_free: u64) -> bool {
        #[cfg(test)]
        if self.io.faults.take(super::io::faults::Call::Free).is_err() {
            return min_free > 0;
        }
        statvfs(&self.root).is_ok_and(|stat| {
            let out_of_names = stat.f_files > 0 && stat.f_favail < SPARE_FILES;
            stat.f_bavail.saturating_mul(stat.f_frsize) < min_free || out_of_names
        })
    }

    /// Sets room aside that serves when the disk is full, where there is more than `min_free`; best effort.
    pub(super) fn reserve(&self, min_free: u64) {
        let (path, size) = (self.root.join("reserve"), reserve_for(min_free));
        if let Ok(found) = fs::metadata(&path) {
            // Of an earlier, larger watermark.
            if found.len() > size {
                self.release();
            } else {
                return;
            }
        }
        if size == 0 || self.free() < min_free.saturating_add(size) {
            return;
        }
        let made = File::options().write(true).create_new(true).open(&path);
        if let Ok(file) = made
            && rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, size).is_err()
        {
            self.release();
        }
    }

    /// Before records that bring no mail are written, as those of a recall: they may have the reserve when the disk has no
    /// room for them.
    pub(super) fn make_room(&self, bytes: u64) {
        if self.free() < bytes.saturating_add(SLACK) {
            self.release();
        }
    }

    /// Gives that room back to the file system, for the writes that empty a full disk. Returns whether there was any.
    pub(super) fn release(&self) -> bool {
        // Nothing to do about a failure: the write that needs the room will tell.
        fs::remove_file(self.root.join("reserve")).is_ok()
    }

    /// Numbers of segments that were removed on purpose and that an opening may still name. A line that is damaged says nothing: its
    /// segment is then taken for lost, which is told.
    pub(super) fn removed(&self) -> BTreeSet<u64> {
        let list = fs::read(self.journal().join(REMOVED)).unwrap_or_default();
        let lines = list.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.filter_map(|line| std::str::from_utf8(line).ok().and_then(removed)).collect()
    }

    /// How many lines of that list are damaged.
    pub(super) fn removed_damaged(&self) -> io::Result<usize> {
        let list = self.removed_list()?;
        let lines = list.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.filter(|line| std::str::from_utf8(line).ok().and_then(removed).is_none()).count())
    }

    /// That list as it stands on disk.
    pub(super) fn removed_list(&self) -> io::Result<Vec<u8>> {
        match fs::read(self.journal().join(REMOVED)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other,
        }
    }

    /// Notes, durably, that a segment is no longer needed: before its file is removed, so that no start takes it for lost. Drops the
    /// numbers that nothing names any more.
    pub(super) fn note_removed(&self, id: u64, named: impl Fn(u64) -> bool) -> io::Result<()> {
        let mut removed = self.removed();
        removed.retain(|id| named(*id));
        removed.insert(id);
        self.write_removed(&removed)
    }

    /// Drops the numbers that nothing names any more.
    pub(super) fn forget_removed(&self, named: impl Fn(u64) -> bool) -> io::Result<()> {
        let (named, others): (BTreeSet<_>, BTreeSet<_>) = self.removed().into_iter().partition(|id| named(*id));
        if others.is_empty() { Ok(()) } else { self.write_removed(&named) }
    }

    fn write_removed(&self, removed: &BTreeSet<u64>) -> io::Result<()> {
        let lines: Vec<String> = removed.iter().map(|id| checked(*id) + "\n").collect();
        self.io.replace(&self.journal().join(REMOVED), lines.concat().as_bytes())
    }

    /// Copies bytes to quarantine, durably, as `name`.
    pub(super) fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), OpenError> {
        let path = self.quarantine().join(name);
        self.io.replace(&path, bytes).map_err(at(&path))
    }

    /// The damaged frames in quarantine: of which segment, from which offset, and where the copy lies.
    pub(super) fn copies(&self) -> io::Result<Vec<(u64, u64, PathBuf)>> {
        let mut copies = Vec::new();
        for entry in fs::read_dir(self.quarantine())? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(DAMAGED));
            let hex = |digits| u64::from_str_radix(digits, 16).ok();
            if let Some((segment, offset)) = name.and_then(|name| name.split_once('-'))
                && let (Some(segment), Some(offset)) = (hex(segment), hex(offset))
            {
                copies.push((segment, offset, path));
            }
        }
        Ok(copies)
    }

    /// Why the index cannot be believed, by what the last run noted: the machine or the mount went away under it, or the
    /// disk failed.
    pub(super) fn distrust(&self) -> Option<String> {
        let note = self.noted();
        let note = note.lines().next().unwrap_or_default().trim();
        if note == CLEAN || self.running().is_some_and(|running| note == running) {
            return None;
        }
        Some(match note.strip_prefix(REBUILD) {
            Some(reason) => reason.trim().to_owned(),
            None if note.is_empty() => "no note of the last run".to_owned(),
            None => "the machine or the file system stopped while this was in use".to_owned(),
        })
    }

    /// The highest sequence number that a clean stop noted as synced, of this or an earlier run; 0: none did, or the note is damaged. It
    /// stands beside the journal and needs no index, so an end of the journal that is lost with the index is told.
    pub(super) fn synced(&self) -> u64 {
        let note = self.noted();
        let line = note.lines().nth(1).and_then(|line| line.strip_prefix(SYNCED));
        line.and_then(removed).filter(|synced| *synced < NEVER).unwrap_or(0)
    }

    /// The note as it stands; a byte that is no text spoils its own line only.
    fn noted(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.note()).unwrap_or_default()).into_owned()
    }

    /// Notes that the index is in use from now on, on this boot and mount.
    pub(super) fn note_running(&self) -> Result<(), OpenError> {
        let running = self.running().unwrap_or_else(|| "running on an unknown boot".to_owned());
        self.write_note(&running, self.synced()).map_err(at(&self.note()))
    }

    /// Notes that the index is complete and synced, and the journal up to this sequence number.
    pub(super) fn note_clean(&self, synced: u64) -> io::Result<()> {
        self.sync_index()?;
        self.write_note(CLEAN, synced)
    }

    /// Notes that the next start makes a new index.
    pub(super) fn note_rebuild(&self, reason: &str) -> io::Result<()> {
        self.write_note(&format!("{REBUILD} {reason}"), self.synced())
    }

    fn write_note(&self, note: &str, synced: u64) -> io::Result<()> {
        self.io.replace(&self.note(), format!("{note}\n{SYNCED}{}\n", checked(synced)).as_bytes())
    }

    /// This boot and this mount; `None` when the system does not tell, which matches no note.
    fn running(&self) -> Option<String> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let mount = statx(CWD, &self.root, AtFlags::empty(), StatxFlags::MNT_ID).map_or(0, |stat| stat.stx_mnt_id);
        let device = fs::metadata(&self.root).map_or(0, |meta| meta.dev());
        Some(format!("running boot={} mount={mount} device={device}", boot.trim()))
    }

    /// sled does not sync its files; a clean stop does.
    fn sync_index(&self) -> io::Result<()> {
        let mut folders = vec![self.index()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    File::open(&path)?.sync_all()?;
                }
            }
            self.io.sync_folder(&folder)?;
        }
        Ok(())
    }
}

/// Makes a folder for the service only, if it is not there.
pub(super) fn make(path: &Path) -> Result<(), OpenError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))
}
