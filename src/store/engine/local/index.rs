//! The index: which key's value lies where. Disposable; the journal can always make it again.
//!
//! In one sled tree, so that its batches are atomic: `r` + key for records, `m` for the mark: the sequence number up to which
//! the journal is applied, and a tally over all records. sled opens some damaged files without a word and with
//! records missing; the tally, counted again at every start, tells. Where the disk has no room for an index, a
//! map in memory serves. sled may panic on damaged files; a panic here is an [`IndexError`], never more.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError, RwLock};

use crc32c::{crc32c, crc32c_append};

use super::frame::{Change, Place};

const RECORD: u8 = b'r';
const MARK: &[u8] = b"m";
const CACHE: u64 = 64 << 20;

/// The index cannot be used any more: make a new one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("index: {0}")]
pub(super) struct IndexError(pub String);

/// A range of keys as they were found.
pub(super) type Entries = Vec<(Vec<u8>, Place)>;

/// See the module.
#[derive(Debug)]
pub(super) enum Index {
    Sled(sled::Db, Mutex<Tally>),
    Map(RwLock<BTreeMap<Vec<u8>, Place>>),
}

/// What the mark holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
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

impl Index {
    /// Opens the index in `folder`, or makes it there.
    pub(super) fn open(folder: &Path) -> Result<Self, IndexError> {
        // No background flush: the journal is replayed from the mark, and the committer flushes when it has time.
        let config = sled::Config::new().path(folder).cache_capacity(CACHE).flush_every_ms(None);
        let db = guarded(|| config.open())?;
        let tally = match guarded(|| db.get(MARK))? {
            Some(bytes) => Tally::parse(&bytes).ok_or_else(|| IndexError("its mark has the wrong size".to_owned()))?,
            None => Tally::default(),
        };
        Ok(Self::Sled(db, Mutex::new(tally)))
    }

    /// An empty one that needs no disk.
    pub(super) fn in_memory() -> Self {
        Self::Map(RwLock::default())
    }

    /// Whether it is there after a stop.
    pub(super) fn is_on_disk(&self) -> bool {
        matches!(self, Self::Sled(..))
    }

    /// Lets go of it; sled writes once more, and may panic at that.
    pub(super) fn release(self) -> Result<(), IndexError> {
        guarded(|| {
            drop(self);
            Ok(())
        })
    }

    /// Where a key's value lies.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Place>, IndexError> {
        match self {
            Self::Sled(db, _) => guarded(|| db.get(record_key(key)))?.map(|bytes| place(&bytes)).transpose(),
            Self::Map(map) => Ok(map.read().unwrap_or_else(PoisonError::into_inner).get(key).copied()),
        }
    }

    /// Keys from `from` to before `to`, in order, at most `limit`.
    pub(super) fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Entries, IndexError> {
        if from >= to {
            return Ok(Vec::new());
        }
        match self {
            Self::Sled(db, _) => guarded(|| db.range(record_key(from)..record_key(to)).take(limit).collect()).and_then(
                |found: Vec<(sled::IVec, sled::IVec)>| {
                    let entry = |(key, bytes): &(sled::IVec, sled::IVec)| {
                        Ok((key.get(1..).unwrap_or_default().to_vec(), place(bytes)?))
                    };
                    found.iter().map(entry).collect()
                },
            ),
            Self::Map(map) => {
                let map = map.read().unwrap_or_else(PoisonError::into_inner);
                let range = map.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
                Ok(range.take(limit).map(|(key, place)| (key.clone(), *place)).collect())
            }
        }
    }

    /// Applies changes in their order and moves the mark, atomically. Called by one thread only.
    pub(super) fn apply(&self, changes: &[Change], mark: u64) -> Result<(), IndexError> {
        match self {
            Self::Sled(db, tally) => {
                let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                let mut next = Tally { mark, ..*tally };
                // Of two changes to one key the later one stands.
                let changes: BTreeMap<&[u8], Option<Place>> =
                    changes.iter().map(|change| (change.key.as_slice(), change.place)).collect();
                let mut batch = sled::Batch::default();
                for (key, place) in changes {
                    let key = record_key(key);
                    if let Some(old) = guarded(|| db.get(&key))? {
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
                guarded(|| db.apply_batch(batch))?;
                *tally = next;
            }
            Self::Map(map) => {
                let mut map = map.write().unwrap_or_else(PoisonError::into_inner);
                for change in changes {
                    match change.place {
                        Some(place) => drop(map.insert(change.key.clone(), place)),
                        None => drop(map.remove(&change.key)),
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads every record: are all of them here, as they were applied, and does `known` hold for each place? Returns the
    /// mark.
    pub(super) fn verify(&self, known: impl Fn(&Place) -> Result<(), String>) -> Result<u64, IndexError> {
        let Self::Sled(db, tally) = self else { return Ok(0) };
        let expected = *tally.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Tally { mark: expected.mark, ..Tally::default() };
        let mut records = db.scan_prefix([RECORD]);
        while let Some((key, bytes)) = guarded(|| records.next().transpose())? {
            found.add(&key, &bytes);
            known(&place(&bytes)?).map_err(IndexError)?;
        }
        if found != expected {
            let (found, expected) = (found.records, expected.records);
            return Err(IndexError(format!(
                "{found} records are there, which are not the {expected} that were applied"
            )));
        }
        Ok(expected.mark)
    }

    /// Writes out what is only in memory, so that the next start replays less. Not needed for durability.
    pub(super) fn flush(&self) -> Result<(), IndexError> {
        match self {
            Self::Sled(db, _) => guarded(|| db.flush()).map(drop),
            Self::Map(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(test: impl Fn(&Index)) {
        let folder = tempfile::tempdir().unwrap();
        test(&Index::open(folder.path()).unwrap());
        test(&Index::in_memory());
    }

    fn put(key: &[u8], segment: u64, sequence: u64) -> Change {
        Change { key: key.to_vec(), place: Some(Place { segment, offset: 64, len: 3, crc: 5, sequence }) }
    }

    #[test]
    fn changes_are_found_in_order() {
        both(|index| {
            let gone = Change { key: b"\x02b".to_vec(), place: None };
            index
                .apply(&[put(b"\x02b", 1, 1), put(b"\x02a", 1, 1), put(b"\x03", 2, 1), put(b"\x02c", 2, 1)], 1)
                .unwrap();
            index.apply(&[gone, put(b"\x02a", 3, 2)], 2).unwrap();
            let keys = |from: &[u8], to: &[u8], limit| -> Vec<Vec<u8>> {
                index.range(from, to, limit).unwrap().into_iter().map(|(key, _)| key).collect()
            };
            assert_eq!(keys(b"\x02", b"\x03", 9), [b"\x02a", b"\x02c"]);
            assert_eq!(keys(b"\x02", b"\x03", 1), [b"\x02a"]);
            assert_eq!(keys(b"\x02b", b"\x04", 9), [&b"\x02c"[..], b"\x03"]);
            assert!(keys(b"\x03", b"\x02", 9).is_empty());
            assert_eq!(index.get(b"\x02a").unwrap().map(|place| place.segment), Some(3));
            assert_eq!(index.get(b"\x02b").unwrap(), None);
        });
    }

    #[test]
    fn a_missing_record_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::open(folder.path()).unwrap();
        let all = |_: &Place| Ok(());
        assert_eq!(index.verify(all), Ok(0));
        index.apply(&[put(b"\x02a", 1, 1), put(b"\x02b", 1, 1), put(b"\x02a", 2, 2)], 2).unwrap();
        index.apply(&[put(b"\x02b", 3, 3), Change { key: b"\x02c".to_vec(), place: None }], 3).unwrap();
        assert_eq!(index.verify(all), Ok(3));
        let missing = index.verify(|place| if place.segment == 3 { Err("segment 3".to_owned()) } else { Ok(()) });
        assert_eq!(missing, Err(IndexError("segment 3".to_owned())));
        let Index::Sled(db, _) = &index else { panic!() };
        let old =
            db.insert(b"r\x02a", &Place { segment: 1, offset: 64, len: 3, crc: 5, sequence: 1 }.to_bytes()).unwrap();
        assert!(index.verify(all).is_err(), "an old place");
        db.insert(b"r\x02a", old.unwrap()).unwrap();
        assert_eq!(index.verify(all), Ok(3));
        db.remove(b"r\x02a").unwrap();
        assert!(index.verify(all).is_err(), "a record less");
    }
}
