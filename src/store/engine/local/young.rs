//! The youngest part of the index, in sled: some hundred thousand changes at most, in random order.
//!
//! All in one tree, so that its batches are atomic: `r` + key for changes (an empty value: deleted), `m` for the mark. sled
//! opens some damaged files without a word and with records missing; the tally beside the mark, counted again at every
//! open, tells. sled may panic on damaged files; a panic here is an [`IndexError`], never more.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::frame::{Change, Place};
use super::index::{IndexError, Word};
use super::live::{Live, checksum};

/// How often, and with what pause, a lock of sled that is still held is tried again: five seconds in all.
const LOCK_TRIES: u32 = 250;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

const CHANGE: u8 = b'r';
const MARK: &[u8] = b"m";
/// Bytes that sled may keep in memory: more than such a part grows to.
const CACHE: u64 = 32 << 20;
const PREFIX: &str = "young-";

/// One sled database.
#[derive(Debug)]
pub(super) struct Young {
    /// Counts up: a newer part has a higher one.
    pub generation: u64,
    db: Handle<sled::Db>,
}

/// One of sled's handles. When the last one goes sled writes once more, and may panic at that, too.
struct Handle<T>(Option<T>);

impl<T> Handle<T> {
    fn run<R>(&mut self, run: impl FnOnce(&mut T) -> sled::Result<R>) -> Result<R, IndexError> {
        guarded(|| self.0.as_mut().map_or_else(gone, run))
    }

    fn ask<R>(&self, run: impl FnOnce(&T) -> sled::Result<R>) -> Result<R, IndexError> {
        guarded(|| self.0.as_ref().map_or_else(gone, run))
    }

    fn let_go(&mut self) -> Result<(), IndexError> {
        guarded(|| {
            drop(self.0.take());
            Ok(())
        })
    }
}

fn gone<T>() -> sled::Result<T> {
    Err(sled::Error::Unsupported("it was let go".to_owned()))
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        if let Err(error) = self.let_go() {
            tracing::warn!(%error, "a part of the index was let go unwritten");
        }
    }
}

impl<T> std::fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

/// Up to where the journal is applied, and what must be there then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Mark {
    /// The journal is applied up to this sequence number.
    pub sequence: u64,
    /// How many changes this part holds, and the sum of their checksums, wrapping.
    pub changes: u64,
    sum: u64,
    /// What counts of each segment, by the whole index.
    pub live: Live,
}

impl Mark {
    pub(super) fn at(sequence: u64, live: Live) -> Self {
        Self { sequence, live, ..Self::default() }
    }

    fn add(&mut self, key: &[u8], place: &[u8]) {
        self.changes = self.changes.wrapping_add(1);
        self.sum = self.sum.wrapping_add(checksum(key, place));
    }

    fn remove(&mut self, key: &[u8], place: &[u8]) {
        self.changes = self.changes.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(checksum(key, place));
    }

    fn to_bytes(&self) -> Vec<u8> {
        let numbers = [self.sequence, self.changes, self.sum];
        numbers.into_iter().flat_map(u64::to_be_bytes).chain(self.live.to_bytes()).collect()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (numbers, live) = bytes.split_first_chunk::<24>()?;
        let (numbers, _) = numbers.as_chunks::<8>();
        let numbers: Vec<u64> = numbers.iter().map(|number| u64::from_be_bytes(*number)).collect();
        let [sequence, changes, sum] = numbers.try_into().ok()?;
        Some(Self { sequence, changes, sum, live: Live::parse(live)? })
    }
}

/// Runs sled, which may panic.
fn guarded<T>(run: impl FnOnce() -> sled::Result<T>) -> Result<T, IndexError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|error| IndexError(error.to_string())),
        Err(_) => Err(IndexError("sled panicked".to_owned())),
    }
}

fn stored_key(key: &[u8]) -> Vec<u8> {
    [&[CHANGE], key].concat()
}

fn place(bytes: &[u8]) -> Result<Option<Place>, IndexError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    Place::parse(bytes).map(Some).ok_or_else(|| IndexError("an entry has the wrong size".to_owned()))
}

/// sled's own threads give its file lock back some time after the last handle is gone. Our lock on the data folder keeps
/// other processes out, so one that is still held is ours and goes soon.
fn patiently<T>(open: impl Fn() -> Result<T, IndexError>) -> Result<T, IndexError> {
    for _ in 0..LOCK_TRIES {
        match open() {
            Err(error) if error.0.contains("could not acquire lock") => std::thread::sleep(LOCK_PAUSE),
            other => return other,
        }
    }
    open()
}

/// The generations that lie in `index`, oldest first.
pub(super) fn generations(index: &Path) -> std::io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(index)? {
        let name = entry?.file_name();
        found.extend(name.to_str().and_then(|name| u64::from_str_radix(name.strip_prefix(PREFIX)?, 16).ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// Removes a generation from disk.
pub(super) fn remove(index: &Path, generation: u64) {
    if let Err(error) = fs::remove_dir_all(folder(index, generation)) {
        tracing::debug!(generation, %error, "a part of the index that counts no more stays until the next start");
    }
}

fn folder(index: &Path, generation: u64) -> PathBuf {
    index.join(format!("{PREFIX}{generation:08x}"))
}

impl Young {
    /// Makes an empty one that continues at `mark`.
    pub(super) fn create(index: &Path, generation: u64, mark: &Mark) -> Result<Self, IndexError> {
        let young = Self::at(index, generation)?;
        young.db.ask(|db| db.insert(MARK, mark.to_bytes()))?;
        young.db.ask(|db| db.flush())?;
        Ok(young)
    }

    /// Opens one and reads all of it: is each change here as it was applied?
    pub(super) fn open(index: &Path, generation: u64) -> Result<(Self, Mark), IndexError> {
        let young = Self::at(index, generation)?;
        let mark = young.verify()?;
        Ok((young, mark))
    }

    fn at(index: &Path, generation: u64) -> Result<Self, IndexError> {
        let folder = folder(index, generation);
        // No background flush: the journal is replayed from the mark, and the committer flushes when it has time.
        let config = sled::Config::new().path(&folder).cache_capacity(CACHE).flush_every_ms(None);
        let db = patiently(|| guarded(|| config.open()))?;
        Ok(Self { generation, db: Handle(Some(db)) })
    }

    fn verify(&self) -> Result<Mark, IndexError> {
        let Some(bytes) = self.db.ask(|db| db.get(MARK))? else { return Err(IndexError("it has no mark".to_owned())) };
        let expected = Mark::parse(&bytes).ok_or_else(|| IndexError("its mark has the wrong size".to_owned()))?;
        let mut found = Mark::at(expected.sequence, expected.live.clone());
        let mut changes = Handle(Some(self.db.ask(|db| Ok(db.scan_prefix([CHANGE])))?));
        while let Some((key, bytes)) = changes.run(|changes| changes.next().transpose())? {
            place(&bytes)?;
            found.add(&key, &bytes);
        }
        if found != expected {
            let (found, expected) = (found.changes, expected.changes);
            return Err(IndexError(format!("{found} changes are there, not the {expected} that were applied")));
        }
        Ok(expected)
    }

    /// sled writes once more when it goes, and may panic at that.
    pub(super) fn release(mut self) -> Result<(), IndexError> {
        self.db.let_go()
    }

    /// How many changes it holds, by counting.
    pub(super) fn count(&self) -> Result<u64, IndexError> {
        self.db.ask(|db| Ok(db.len() as u64))
    }

    /// Its word on `key`: `None` when it has none.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Word>, IndexError> {
        self.db.ask(|db| db.get(stored_key(key)))?.map(|bytes| place(&bytes).map(Word)).transpose()
    }

    /// Its changes from key `from` to before `to`; without `to` all that follow.
    pub(super) fn range(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<Change, IndexError>> + use<> {
        let end = to.map_or_else(|| vec![CHANGE + 1], stored_key);
        let mut stored = Handle(self.db.0.as_ref().map(|db| db.range(stored_key(from)..end)));
        std::iter::from_fn(move || {
            let found = stored.run(|stored| stored.next().transpose()).transpose()?;
            Some(found.and_then(|(key, bytes)| {
                Ok(Change { key: key.get(1..).unwrap_or_default().to_vec(), place: place(&bytes)? })
            }))
        })
    }

    /// Applies changes, one for each key, and moves the mark, both or neither.
    pub(super) fn apply(&self, changes: &[(&[u8], Option<Place>)], mark: &mut Mark) -> Result<(), IndexError> {
        let mut batch = sled::Batch::default();
        for (key, place) in changes {
            let key = stored_key(key);
            if let Some(old) = self.db.ask(|db| db.get(&key))? {
                mark.remove(&key, &old);
            }
            let value = place.map(Place::to_bytes);
            let value = value.as_ref().map_or(&[][..], |bytes| &bytes[..]);
            mark.add(&key, value);
            batch.insert(key, value);
        }
        batch.insert(MARK, mark.to_bytes());
        self.db.ask(|db| db.apply_batch(batch))
    }

    pub(super) fn flush(&self) -> Result<(), IndexError> {
        self.db.ask(|db| db.flush()).map(drop)
    }

    /// Loses a change, as sled may.
    #[cfg(test)]
    pub(super) fn forget(&self, key: &[u8]) {
        self.db.ask(|db| db.remove(stored_key(key))).unwrap().unwrap();
    }

    /// Makes a change one that cannot be read.
    #[cfg(test)]
    pub(super) fn spoil(&self, key: &[u8]) {
        self.db.ask(|db| db.insert(stored_key(key), b"?")).unwrap().unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Place = Place { segment: 1, offset: 64, len: 3, crc: 5, sequence: 1 };

    #[test]
    fn a_missing_change_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let young = Young::create(folder.path(), 4, &Mark::default()).unwrap();
        let new = Place { sequence: 2, ..OLD };
        let mut mark = Mark::at(2, Live::default());
        young.apply(&[(b"a", Some(OLD)), (b"b", Some(OLD))], &mut mark).unwrap();
        young.apply(&[(b"a", Some(new)), (b"c", None)], &mut mark).unwrap();
        assert_eq!(young.verify(), Ok(mark.clone()));
        assert_eq!((young.get(b"a").unwrap(), young.get(b"c").unwrap()), (Some(Word(Some(new))), Some(Word(None))));
        let old = young.db.ask(|db| db.insert(b"ra", &OLD.to_bytes())).unwrap().unwrap();
        assert!(young.verify().is_err(), "an old place");
        young.db.ask(|db| db.insert(b"ra", old)).unwrap();
        assert_eq!(young.verify(), Ok(mark));
        young.db.ask(|db| db.remove(b"rc")).unwrap();
        assert!(young.verify().is_err(), "a change less");
        young.release().unwrap();
        assert!(Young::open(folder.path(), 4).is_err());
        assert_eq!(generations(folder.path()).unwrap(), [4]);
    }
}
