//! The few system calls that durability rests on, in one place, so that tests can make each of them fail.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Files that only the service reads.
const MODE: u32 = 0o600;

const ZEROS: [u8; 4096] = [0; 4096];

/// The system, or in tests one that fails when told to.
#[derive(Debug, Clone, Default)]
pub(super) struct Io {
    #[cfg(test)]
    pub(super) faults: std::sync::Arc<faults::Faults>,
}

#[cfg_attr(not(test), expect(clippy::unused_self, reason = "in tests each call asks for its fault first"))]
impl Io {
    /// Makes a file that does not exist yet.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        #[cfg(test)]
        self.faults.take(faults::Call::Create)?;
        OpenOptions::new().read(true).write(true).create_new(true).mode(MODE).open(path)
    }

    /// Opens a file to read and append.
    #[expect(clippy::unused_self, reason = "a door for faults like its neighbours")]
    pub(super) fn open(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(path)
    }

    /// Writes all of `bytes`.
    pub(super) fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        #[cfg(test)]
        if let Err(error) = self.faults.take(faults::Call::Write) {
            file.write_all_at(bytes.get(..bytes.len() / 2).unwrap_or_default(), offset)?;
            return Err(error);
        }
        file.write_all_at(bytes, offset)
    }

    /// Writes zeros over what stands there.
    pub(super) fn overwrite(&self, file: &File, offset: u64, len: u64) -> io::Result<()> {
        #[cfg(test)]
        self.faults.take(faults::Call::Overwrite)?;
        let (mut at, end) = (offset, offset.saturating_add(len));
        while at < end {
            let step = usize::try_from(end - at).unwrap_or(usize::MAX).min(ZEROS.len());
            file.write_all_at(ZEROS.get(..step).unwrap_or_default(), at)?;
            at += step as u64;
        }
        Ok(())
    }

    /// fdatasync after [`overwrite`](Self::overwrite).
    pub(super) fn sync_overwritten(&self, file: &File) -> io::Result<()> {
        #[cfg(test)]
        self.faults.take(faults::Call::SyncOverwritten)?;
        file.sync_data()
    }

    /// fdatasync.
    pub(super) fn sync(&self, file: &File) -> io::Result<()> {
        #[cfg(test)]
        self.faults.take(faults::Call::Sync)?;
        file.sync_data()
    }

    /// Cuts a file to `len` bytes, durably.
    pub(super) fn cut(&self, file: &File, len: u64) -> io::Result<()> {
        #[cfg(test)]
        self.faults.take(faults::Call::Cut)?;
        file.set_len(len)?;
        file.sync_all()
    }

    /// Makes the names in a folder durable.
    pub(super) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        #[cfg(test)]
        self.faults.take(faults::Call::SyncFolder)?;
        File::open(folder)?.sync_all()
    }

    /// Writes a whole file under a temporary name beside it, then renames it into place: old or new, never half.
    pub(super) fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let fresh = path.with_extension("new");
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&fresh)?;
        self.write(&file, bytes, 0)?;
        self.sync(&file)?;
        std::fs::rename(&fresh, path)?;
        path.parent().map_or(Ok(()), |folder| self.sync_folder(folder))
    }
}

#[cfg(test)]
pub(super) mod faults {
    //! Faults to come.
    use std::io;
    use std::sync::{Mutex, PoisonError};

    /// A call that can be made to fail.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Call {
        Create,
        Write,
        Sync,
        Cut,
        SyncFolder,
        /// A step of compaction.
        Move,
        /// Finding room for what a segment moves, which is none then.
        Room,
        /// Removing a segment that was compacted.
        Remove,
        Overwrite,
        SyncOverwritten,
        /// Asking for free room, which is none then.
        Free,
        /// Telling the index of a group that is synced.
        Index,
    }

    /// Which calls will fail, how, and after how many of that sort.
    #[derive(Debug, Default)]
    pub(crate) struct Faults(Mutex<Vec<(Call, io::ErrorKind, usize)>>);

    impl Faults {
        /// The next call of this sort fails.
        pub(crate) fn add(&self, call: Call, kind: io::ErrorKind) {
            self.add_after(call, kind, 0);
        }

        /// The call of this sort behind the next `good` ones fails.
        pub(crate) fn add_after(&self, call: Call, kind: io::ErrorKind, good: usize) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((call, kind, good));
        }

        pub(crate) fn take(&self, call: Call) -> io::Result<()> {
            let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(at) = faults.iter().position(|(fault, _, _)| *fault == call) else { return Ok(()) };
            if let Some((_, _, good)) = faults.get_mut(at).filter(|(_, _, good)| *good > 0) {
                *good -= 1;
                return Ok(());
            }
            Err(faults.remove(at).1.into())
        }
    }
}
