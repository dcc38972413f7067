//! The index: which key's value lies where. Disposable; the journal can always make it again.
//!
//! In one sled tree, so that its batches are atomic: `r` + key for records, `s` + number for the segments that they
//! lie in, `m` for the sequence number up to which the journal is applied. Where the disk has no room for that, a map in
//! memory serves. sled may panic on damaged files; a panic here is an [`IndexError`], never more.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use super::frame::{Change, Place};

const RECORD: u8 = b'r';
const SEGMENT: u8 = b's';
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
    Sled(sled::Db),
    Map(RwLock<Map>),
}

#[derive(Debug, Default)]
pub(super) struct Map {
    records: BTreeMap<Vec<u8>, Place>,
    segments: BTreeSet<u64>,
    mark: u64,
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
        guarded(|| config.open()).map(Self::Sled)
    }

    /// An empty one that needs no disk.
    pub(super) fn in_memory() -> Self {
        Self::Map(RwLock::default())
    }

    /// Whether it is there after a stop.
    pub(super) fn is_on_disk(&self) -> bool {
        matches!(self, Self::Sled(_))
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
            Self::Sled(db) => guarded(|| db.get(record_key(key)))?.map(|bytes| place(&bytes)).transpose(),
            Self::Map(map) => Ok(map.read().unwrap_or_else(PoisonError::into_inner).records.get(key).copied()),
        }
    }

    /// Keys from `from` to before `to`, in order, at most `limit`.
    pub(super) fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Entries, IndexError> {
        if from >= to {
            return Ok(Vec::new());
        }
        match self {
            Self::Sled(db) => guarded(|| db.range(record_key(from)..record_key(to)).take(limit).collect()).and_then(
                |found: Vec<(sled::IVec, sled::IVec)>| {
                    let entry = |(key, bytes): &(sled::IVec, sled::IVec)| {
                        Ok((key.get(1..).unwrap_or_default().to_vec(), place(bytes)?))
                    };
                    found.iter().map(entry).collect()
                },
            ),
            Self::Map(map) => {
                let map = map.read().unwrap_or_else(PoisonError::into_inner);
                let range = map.records.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
                Ok(range.take(limit).map(|(key, place)| (key.clone(), *place)).collect())
            }
        }
    }

    /// Applies changes and moves the mark, atomically.
    pub(super) fn apply(&self, changes: &[Change], mark: u64) -> Result<(), IndexError> {
        match self {
            Self::Sled(db) => {
                let mut batch = sled::Batch::default();
                let segments: BTreeSet<u64> = changes.iter().filter_map(|change| Some(change.place?.segment)).collect();
                for segment in segments {
                    batch.insert([&[SEGMENT][..], &segment.to_be_bytes()].concat(), &[]);
                }
                for change in changes {
                    match change.place {
                        Some(place) => batch.insert(record_key(&change.key), &place.to_bytes()),
                        None => batch.remove(record_key(&change.key)),
                    }
                }
                batch.insert(MARK, &mark.to_be_bytes());
                guarded(|| db.apply_batch(batch))
            }
            Self::Map(map) => {
                let mut map = map.write().unwrap_or_else(PoisonError::into_inner);
                for change in changes {
                    match change.place {
                        Some(place) => {
                            map.segments.insert(place.segment);
                            map.records.insert(change.key.clone(), place);
                        }
                        None => drop(map.records.remove(&change.key)),
                    }
                }
                map.mark = mark;
                Ok(())
            }
        }
    }

    /// Up to which sequence number the journal is applied; `None` when nothing ever was.
    pub(super) fn mark(&self) -> Result<Option<u64>, IndexError> {
        match self {
            Self::Sled(db) => {
                let Some(bytes) = guarded(|| db.get(MARK))? else { return Ok(None) };
                let mark =
                    bytes.as_ref().try_into().map_err(|_| IndexError("the mark has the wrong size".to_owned()))?;
                Ok(Some(u64::from_be_bytes(mark)))
            }
            Self::Map(map) => Ok(Some(map.read().unwrap_or_else(PoisonError::into_inner).mark)),
        }
    }

    /// The segments that entries may name.
    pub(super) fn segments(&self) -> Result<BTreeSet<u64>, IndexError> {
        match self {
            Self::Sled(db) => {
                let keys: Vec<sled::IVec> = guarded(|| db.scan_prefix([SEGMENT]).keys().collect())?;
                let number = |key: &sled::IVec| key.get(1..)?.try_into().ok().map(u64::from_be_bytes);
                Ok(keys.iter().filter_map(number).collect())
            }
            Self::Map(map) => Ok(map.read().unwrap_or_else(PoisonError::into_inner).segments.clone()),
        }
    }

    /// Writes out what is only in memory, so that the next start replays less. Not needed for durability.
    pub(super) fn flush(&self) -> Result<(), IndexError> {
        match self {
            Self::Sled(db) => guarded(|| db.flush()).map(drop),
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
            assert_eq!(index.mark().unwrap(), Some(2));
            assert_eq!(index.segments().unwrap(), BTreeSet::from([1, 2, 3]));
        });
    }
}
