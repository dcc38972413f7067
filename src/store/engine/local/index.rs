//! The index: which key's value lies where. Disposable; the journal can always make it again.
//!
//! On disk, or where that has no room, in a map in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use super::at_hand::NotAtHand;
use super::frame::{Change, Place};
use super::live::Live;
use super::tree::Tree;

/// Most entries that one range returns.
const STEP: usize = 1024;

/// The index cannot be used any more: make a new one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("index: {0}")]
pub(super) struct IndexError(pub String);

/// What one part of the index says of a key: where its value lies, or that it was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub Option<Place>);

/// A range of keys as they were found.
pub(super) type Entries = Vec<(Vec<u8>, Place)>;

/// See the module.
#[derive(Debug)]
pub(super) enum Index {
    Tree(Box<Tree>),
    Map(RwLock<BTreeMap<Vec<u8>, Place>>),
}

impl Index {
    /// Opens the index in `folder`, or makes it there.
    pub(super) fn open(folder: &Path) -> Result<Self, IndexError> {
        Ok(Self::Tree(Box::new(Tree::open(folder)?)))
    }

    /// An empty one that needs no disk.
    pub(super) fn in_memory() -> Self {
        Self::Map(RwLock::default())
    }

    /// Whether it is there after a stop.
    pub(super) fn is_on_disk(&self) -> bool {
        matches!(self, Self::Tree(_))
    }

    /// Lets go of it, which may write once more.
    pub(super) fn release(self) -> Result<(), IndexError> {
        match self {
            Self::Tree(tree) => tree.release(),
            Self::Map(_) => Ok(()),
        }
    }

    /// Where a key's value lies.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Place>, IndexError> {
        match self {
            Self::Tree(tree) => tree.get(key),
            Self::Map(map) => Ok(map.read().unwrap_or_else(PoisonError::into_inner).get(key).copied()),
        }
    }

    /// The same, where it need not be waited for ([`super::at_hand`]).
    pub(super) fn at_hand(&self, key: &[u8]) -> Result<Option<Place>, NotAtHand> {
        match self {
            Self::Tree(tree) => tree.at_hand(key),
            Self::Map(map) => Ok(map.try_read().map_err(|_| NotAtHand)?.get(key).copied()),
        }
    }

    /// Keys from `from` to before `to`, in order, at most `limit`. Fewer may come; none come only at the end.
    pub(super) fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Entries, IndexError> {
        let limit = limit.min(STEP);
        if from >= to {
            return Ok(Vec::new());
        }
        match self {
            Self::Tree(tree) => tree.range(from, to, limit),
            Self::Map(map) => {
                let map = map.read().unwrap_or_else(PoisonError::into_inner);
                let range = map.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
                Ok(range.take(limit).map(|(key, place)| (key.clone(), *place)).collect())
            }
        }
    }

    /// Applies changes in their order and moves the mark, both or neither. Called by one thread only.
    pub(super) fn apply(&self, changes: &[Change], mark: u64) -> Result<(), IndexError> {
        match self {
            Self::Tree(tree) => tree.apply(changes, mark),
            Self::Map(map) => {
                let mut map = map.write().unwrap_or_else(PoisonError::into_inner);
                for change in changes {
                    match change.place {
                        Some(place) => drop(map.insert(change.key.clone(), place)),
                        None => drop(map.remove(&change.key)),
                    }
                }
                Ok(())
            }
        }
    }

    /// The journal is applied up to this sequence number, by what would be there after a kill.
    pub(super) fn mark(&self) -> u64 {
        match self {
            Self::Tree(tree) => tree.mark(),
            Self::Map(_) => 0,
        }
    }

    /// What counts of each segment, but for the newest changes; after [`flush`](Self::flush) of all. `None`: it is in memory,
    /// and nobody counts.
    pub(super) fn live(&self) -> Option<Live> {
        match self {
            Self::Tree(tree) => Some(tree.live()),
            Self::Map(_) => None,
        }
    }

    /// It has what counts of these segments; with `only` there are no others. Written with the next changes.
    pub(super) fn know(&self, segments: impl Iterator<Item = u64>, only: bool) {
        if let Self::Tree(tree) = self {
            tree.know(segments, only);
        }
    }

    /// Writes out what is only in memory, so that the next start replays less. Not needed for durability.
    pub(super) fn flush(&self) -> Result<(), IndexError> {
        match self {
            Self::Tree(tree) => tree.flush(),
            Self::Map(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_found_in_order() {
        let put = |key: &[u8], segment| Change {
            key: key.to_vec(),
            place: Some(Place { segment, offset: 64, len: 3, crc: 5, sequence: 1 }),
        };
        let gone = |key: &[u8]| Change { key: key.to_vec(), place: None };
        let folder = tempfile::tempdir().unwrap();
        // Whether it is in the young part already, or still gathers.
        for (index, flushes) in [(Index::open(folder.path()).unwrap(), true), (Index::in_memory(), false)] {
            let first = [put(b"\x02b", 1), put(b"\x02a", 1), put(b"\x03", 2), put(b"\x02c", 2), put(b"\x02c", 4)];
            index.apply(&first, 1).unwrap();
            if flushes {
                index.flush().unwrap();
            }
            index.apply(&[gone(b"\x02b"), put(b"\x02a", 3), put(b"\x02d", 3), gone(b"\x02e")], 2).unwrap();
            let keys = |from: &[u8], to: &[u8], limit| -> Vec<Vec<u8>> {
                index.range(from, to, limit).unwrap().into_iter().map(|(key, _)| key).collect()
            };
            assert_eq!(keys(b"\x02", b"\x03", 9), [b"\x02a", b"\x02c", b"\x02d"]);
            assert_eq!(keys(b"\x02", b"\x03", 2), [b"\x02a", b"\x02c"]);
            assert_eq!(keys(b"\x02b", b"\x04", 9), [&b"\x02c"[..], b"\x02d", b"\x03"]);
            assert_eq!(keys(b"\x02b", b"\x04", 1), [b"\x02c"]);
            assert!(keys(b"\x03", b"\x02", 9).is_empty());
            assert_eq!(index.get(b"\x02a").unwrap().map(|place| place.segment), Some(3));
            assert_eq!(index.get(b"\x02c").unwrap().map(|place| place.segment), Some(4));
            assert_eq!(index.get(b"\x02b").unwrap(), None);
        }
    }
}
