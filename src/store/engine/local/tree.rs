//! The index in sled.
//!
//! All in one tree, so that its batches are atomic: `r` + key for records, `m` for the mark: the sequence number up to which
//! the journal is applied, and a tally over all records. sled opens some damaged files without a word and with
//! records missing; the tally, counted again at every start, tells. sled may panic on damaged files; a panic here is
//! an [`IndexError`], never more.
//!
//! sled writes to disk at every batch. So changes gather in memory first, where readers look before they ask sled, and go
//! there some hundreds at a time. A kill loses none: the next start replays the journal from the mark.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use crc32c::{crc32c, crc32c_append};

use super::frame::{Change, Place};
use super::index::{Entries, IndexError};

/// How often, and with what pause, a lock of sled that is still held is tried again: five seconds in all.
const LOCK_TRIES: u32 = 250;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

const RECORD: u8 = b'r';
const MARK: &[u8] = b"m";
const CACHE: u64 = 64 << 20;
/// Changes that gather before sled gets them.
const GATHER: usize = 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Tree {
    db: sled::Db,
    /// Of what sled has.
    tally: Mutex<Tally>,
    fresh: RwLock<Fresh>,
}

/// What sled does not have yet.
#[derive(Debug, Default)]
struct Fresh {
    changes: BTreeMap<Vec<u8>, Option<Place>>,
    mark: u64,
}

/// What the mark holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tally {
    /// The journal is applied up to this sequence number.
    mark: u64,
    records: u64,
    /// Of the records' checksums, wrapping.
    sum: u64,
}

impl Tally {
    fn add(&mut self, key: &[u8], place: &[u8]) {
        self.records = self.records.wrapping_add(1);
        self.sum = self.sum.wrapping_add(crc32c_append(crc32c(key), place).into());
    }

    fn remove(&mut self, key: &[u8], place: &[u8]) {
        self.records = self.records.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(crc32c_append(crc32c(key), place).into());
    }

    fn to_bytes(self) -> Vec<u8> {
        [self.mark, self.records, self.sum].map(u64::to_be_bytes).concat()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let numbers: Vec<u64> =
            bytes.chunks(8).filter_map(|chunk| chunk.try_into().ok().map(u64::from_be_bytes)).collect();
        let [mark, records, sum] = numbers.try_into().ok()?;
        (bytes.len() == 24).then_some(Self { mark, records, sum })
    }
}

/// Runs sled, which may panic.
fn guarded<T>(run: impl FnOnce() -> sled::Result<T>) -> Result<T, IndexError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|error| IndexError(error.to_string())),
        Err(_) => Err(IndexError("sled panicked".to_owned())),
    }
}

fn record_key(key: &[u8]) -> Vec<u8> {
    [&[RECORD], key].concat()
}

fn place(bytes: &[u8]) -> Result<Place, IndexError> {
    Place::parse(bytes).ok_or_else(|| IndexError("an entry has the wrong size".to_owned()))
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

impl Tree {
    pub(super) fn open(folder: &Path) -> Result<Self, IndexError> {
        // No background flush: the journal is replayed from the mark, and the committer flushes when it has time.
        let config = sled::Config::new().path(folder).cache_capacity(CACHE).flush_every_ms(None);
        let db = patiently(|| guarded(|| config.open()))?;
        let tally = match guarded(|| db.get(MARK))? {
            Some(bytes) => Tally::parse(&bytes).ok_or_else(|| IndexError("its mark has the wrong size".to_owned()))?,
            None => Tally::default(),
        };
        Ok(Self { db, tally: Mutex::new(tally), fresh: RwLock::default() })
    }

    /// sled writes once more when it goes, and may panic at that.
    pub(super) fn release(self) -> Result<(), IndexError> {
        guarded(|| {
            drop(self);
            Ok(())
        })
    }

    fn fresh(&self) -> RwLockReadGuard<'_, Fresh> {
        self.fresh.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Place>, IndexError> {
        // Held on, so that a change does not slip from here to sled in between.
        let fresh = self.fresh();
        if let Some(change) = fresh.changes.get(key) {
            return Ok(*change);
        }
        guarded(|| self.db.get(record_key(key)))?.map(|bytes| place(&bytes)).transpose()
    }

    /// See [`super::index::Index::range`]; `from` is before `to`.
    pub(super) fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Entries, IndexError> {
        let fresh = self.fresh();
        let mut changes = fresh.changes.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to))).peekable();
        let mut stored = self.db.range(record_key(from)..record_key(to));
        let mut next_stored = move || -> Result<Option<(Vec<u8>, Place)>, IndexError> {
            let Some((key, bytes)) = guarded(|| stored.next().transpose())? else { return Ok(None) };
            Ok(Some((key.get(1..).unwrap_or_default().to_vec(), place(&bytes)?)))
        };
        let mut waiting = next_stored()?;
        let mut found = Vec::new();
        while found.len() < limit {
            let change_first = match (&waiting, changes.peek()) {
                (Some((key, _)), Some((other, _))) => *other <= key,
                (Some(_), None) => false,
                (None, Some(_)) => true,
                (None, None) => break,
            };
            if let Some((key, change)) = changes.next_if(|_| change_first) {
                if waiting.as_ref().is_some_and(|(stored, _)| stored == key) {
                    waiting = next_stored()?;
                }
                found.extend(change.map(|place| (key.clone(), place)));
            } else {
                found.extend(std::mem::replace(&mut waiting, next_stored()?));
            }
        }
        Ok(found)
    }

    pub(super) fn apply(&self, changes: &[Change], mark: u64) -> Result<(), IndexError> {
        let gathered = {
            let mut fresh = self.fresh.write().unwrap_or_else(PoisonError::into_inner);
            fresh.changes.extend(changes.iter().map(|change| (change.key.clone(), change.place)));
            fresh.mark = mark;
            fresh.changes.len()
        };
        if gathered >= GATHER { self.settle() } else { Ok(()) }
    }

    /// Gives sled what gathered, in one batch.
    fn settle(&self) -> Result<(), IndexError> {
        let mut tally = self.tally();
        let fresh = self.fresh();
        if fresh.mark == 0 {
            return Ok(());
        }
        let mut next = Tally { mark: fresh.mark, ..*tally };
        let mut batch = sled::Batch::default();
        for (key, place) in &fresh.changes {
            let key = record_key(key);
            if let Some(old) = guarded(|| self.db.get(&key))? {
                next.remove(&key, &old);
            }
            if let Some(place) = place.map(Place::to_bytes) {
                next.add(&key, &place);
                batch.insert(key, &place);
            } else {
                batch.remove(key);
            }
        }
        batch.insert(MARK, next.to_bytes());
        guarded(|| self.db.apply_batch(batch))?;
        drop(fresh);
        *tally = next;
        // Readers that found sled's old state are done when this lock is had.
        *self.fresh.write().unwrap_or_else(PoisonError::into_inner) = Fresh::default();
        Ok(())
    }

    /// See [`super::index::Index::verify`]; before anything is applied.
    pub(super) fn verify(&self, known: impl Fn(&Place) -> Result<(), String>) -> Result<u64, IndexError> {
        let expected = *self.tally();
        let mut found = Tally { mark: expected.mark, ..Tally::default() };
        let mut records = self.db.scan_prefix([RECORD]);
        while let Some((key, bytes)) = guarded(|| records.next().transpose())? {
            found.add(&key, &bytes);
            known(&place(&bytes)?).map_err(IndexError)?;
        }
        if found != expected {
            let (found, expected) = (found.records, expected.records);
            return Err(IndexError(format!("{found} records are there, not the {expected} that were applied")));
        }
        Ok(expected.mark)
    }

    pub(super) fn flush(&self) -> Result<(), IndexError> {
        self.settle()?;
        guarded(|| self.db.flush()).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &[u8], segment: u64, sequence: u64) -> Change {
        Change { key: key.to_vec(), place: Some(Place { segment, offset: 64, len: 3, crc: 5, sequence }) }
    }

    #[test]
    fn a_missing_record_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::open(folder.path()).unwrap();
        let all = |_: &Place| Ok(());
        assert_eq!(tree.verify(all), Ok(0));
        tree.apply(&[put(b"\x02a", 1, 1), put(b"\x02b", 1, 1), put(b"\x02a", 2, 2)], 2).unwrap();
        tree.flush().unwrap();
        assert_eq!(tree.verify(all), Ok(2));
        tree.apply(&[put(b"\x02b", 3, 3), Change { key: b"\x02c".to_vec(), place: None }], 3).unwrap();
        tree.flush().unwrap();
        assert_eq!(tree.verify(all), Ok(3));
        let missing = tree.verify(|place| if place.segment == 3 { Err("segment 3".to_owned()) } else { Ok(()) });
        assert_eq!(missing, Err(IndexError("segment 3".to_owned())));
        let old = Place { segment: 1, offset: 64, len: 3, crc: 5, sequence: 1 }.to_bytes();
        let right = tree.db.insert(b"r\x02a", &old).unwrap().unwrap();
        assert!(tree.verify(all).is_err(), "an old place");
        tree.db.insert(b"r\x02a", right).unwrap();
        assert_eq!(tree.verify(all), Ok(3));
        tree.db.remove(b"r\x02a").unwrap();
        assert!(tree.verify(all).is_err(), "a record less");
    }

    #[test]
    fn what_gathered_is_lost_with_a_kill_together_with_its_mark() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::open(folder.path()).unwrap();
        let many: Vec<Change> = (0..GATHER as u64).map(|n| put(&n.to_be_bytes(), 1, n)).collect();
        tree.apply(&many, 7).unwrap();
        tree.apply(&[put(b"late", 1, 8)], 8).unwrap();
        drop(tree);
        let tree = Tree::open(folder.path()).unwrap();
        assert_eq!(tree.verify(|_| Ok(())), Ok(7));
        assert_eq!(tree.get(b"late"), Ok(None));
        assert_eq!(tree.range(&[0], &[9], 9999).unwrap().len(), GATHER);
    }
}
