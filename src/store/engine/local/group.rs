//! One group of batches on its way into a frame: each is judged against the index and those before it in the group.

use std::collections::HashMap;

use super::super::body::Committing;
use super::super::{BodyRefused, Check, Write};
use super::committer::Answer;
use super::compact::Move;
use super::frame::{Change, Place, Record};
use super::index::{Index, IndexError};
use super::raw;
use super::segment::Entry;

/// A group takes no more once it has this many bytes, or batches.
const BYTES: usize = 8 << 20;
const BATCHES: usize = 512;

/// The batches of one frame.
#[derive(Debug, Default)]
pub(super) struct Group {
    changes: Vec<Pending>,
    by_key: HashMap<Vec<u8>, usize>,
    pub accepted: Vec<Accepted>,
    pub refused: Vec<(Answer, BodyRefused)>,
    /// Part of the journal is missing, and may come back with any key: deletions are told even of what is not there.
    tells_all: bool,
    bytes: usize,
}

/// A batch that is in the group.
#[derive(Debug)]
pub(super) struct Accepted {
    pub answer: Answer,
    pub body: Option<Committing>,
    pub sequence: u64,
    /// Its keys whose old values must be overwritten before it is answered.
    pub erases: Vec<Vec<u8>>,
}

/// What a key will be.
#[derive(Debug)]
pub(super) struct Pending {
    key: Vec<u8>,
    erasable: bool,
    sequence: u64,
    value: Option<Vec<u8>>,
    /// Of a value that is moved, the checksum that it was written with: what is damaged stays so.
    crc: Option<u32>,
    /// Older segments may hold the key: what says that it is deleted is written again.
    kept: bool,
    /// Where the value now is; known only where it matters: for deletes and in erasable spaces.
    before: Option<Place>,
}

impl Pending {
    /// The key, in an erasable space.
    pub(super) fn erasable(&self) -> Option<&[u8]> {
        self.erasable.then_some(&self.key)
    }

    /// The erasable value that goes.
    pub(super) fn superseded(&self) -> Option<Place> {
        self.before.filter(|_| self.erasable)
    }
}

impl Group {
    /// Bytes of its keys and values.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// An empty one; with `tells_all` it tells every deletion.
    pub(super) fn new(tells_all: bool) -> Self {
        Self { tells_all, ..Self::default() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= BYTES || self.accepted.len() >= BATCHES
    }

    /// The version of a key after the batches of this group so far.
    fn version(&self, index: &Index, key: &[u8]) -> Result<Option<u64>, IndexError> {
        if let Some(pending) = self.by_key.get(key).and_then(|at| self.changes.get(*at)) {
            return Ok(pending.value.as_ref().map(|_| pending.sequence));
        }
        Ok(index.get(key)?.map(|place| place.sequence))
    }

    /// The first check that does not hold.
    pub(super) fn conflict(&self, index: &Index, checks: &[Check]) -> Result<Option<usize>, IndexError> {
        for (position, check) in checks.iter().enumerate() {
            let (key, expected) = match check {
                Check::Absent(key) => (key, None),
                Check::Version(key, version) => (key, Some(*version)),
            };
            if self.version(index, &raw(key))? != expected {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    /// What `writes` will change. Reads the index, so nothing of the group changes before that has worked.
    pub(super) fn pending(index: &Index, writes: Vec<Write>, sequence: u64) -> Result<Vec<Pending>, IndexError> {
        let pending = |write| {
            let (key, value) = match write {
                Write::Put(key, value) => (key, Some(value)),
                Write::Delete(key) => (key, None),
            };
            let (erasable, key) = (key.space.erasable(), raw(&key));
            let before = if erasable || value.is_none() { index.get(&key)? } else { None };
            Ok(Pending { key, erasable, sequence, value, crc: None, kept: false, before })
        };
        writes.into_iter().map(pending).collect()
    }

    /// What `moves` will change: those whose records still stand where they stood. `sequence` is for what has none of its own.
    pub(super) fn moved(&mut self, index: &Index, moves: Vec<Move>, sequence: u64) -> Result<Vec<Pending>, IndexError> {
        let mut pending = Vec::with_capacity(moves.len());
        for Move { entry: Entry { change: Change { key, place }, erasable }, value } in moves {
            if index.get(&key)? != place {
                continue;
            }
            if let Some(told) = self.by_key.get(&key).and_then(|at| self.changes.get_mut(*at)) {
                // The group's own word on the key stands, also when that is only that it is deleted.
                told.kept |= place.is_none();
                continue;
            }
            pending.push(Pending {
                key,
                erasable,
                sequence: place.map_or(sequence, |place| place.sequence),
                value: place.map(|_| value),
                crc: place.map(|place| place.crc),
                kept: place.is_none(),
                before: place.filter(|_| erasable),
            });
        }
        Ok(pending)
    }

    /// The values that the group supersedes in erasable spaces. Those that were put and superseded within it never reach the
    /// disk.
    pub(super) fn superseded(&self) -> Vec<(Vec<u8>, Place)> {
        let before = |pending: &Pending| Some((pending.key.clone(), pending.superseded()?));
        self.changes.iter().filter_map(before).collect()
    }

    pub(super) fn add(&mut self, mut pending: Pending) {
        pending.kept |= self.tells_all && pending.value.is_none();
        self.bytes += pending.key.len() + pending.value.as_ref().map_or(0, Vec::len);
        if let Some(earlier) = self.by_key.get(&pending.key).and_then(|at| self.changes.get_mut(*at)) {
            let (before, kept) = (earlier.before.or(pending.before), earlier.kept || pending.kept);
            *earlier = Pending { kept, before, ..pending };
        } else {
            self.by_key.insert(pending.key.clone(), self.changes.len());
            self.changes.push(pending);
        }
    }

    /// The frame's records: the last word on each key, and no tombstone for what was never there.
    pub(super) fn records(&self) -> Vec<Record<'_>> {
        let told =
            self.changes.iter().filter(|pending| pending.value.is_some() || pending.before.is_some() || pending.kept);
        told.map(|pending| Record {
            key: &pending.key,
            sequence: pending.sequence,
            value: pending.value.as_deref(),
            crc: pending.crc,
            erasable: pending.erasable,
            superseded: pending.superseded(),
        })
        .collect()
    }

    /// Tells those whose checks failed; after the batches that stood in their way can be read.
    pub(super) fn refuse(refused: Vec<(Answer, BodyRefused)>) {
        for (answer, refusal) in refused {
            // Whoever asked may have gone; the body then goes with the refusal.
            let _ = answer.send(Err(refusal));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Key, Space};
    use super::*;

    /// Of deleting a key once more, and of moving what says that it was deleted, whichever comes first in a group.
    #[test]
    fn a_moved_tombstone_outlives_a_delete_of_its_key_in_the_same_group() {
        let (index, key) = (Index::in_memory(), Key { space: Space::Lock, bytes: vec![7] });
        let tombstone = || Entry { change: Change { key: raw(&key), place: None }, erasable: false };
        let moves = |group: &mut Group| {
            let moved = vec![Move { entry: tombstone(), value: Vec::new() }];
            group.moved(&index, moved, 9).unwrap().into_iter().for_each(|pending| group.add(pending));
        };
        let write = |group: &mut Group, write: Write| {
            Group::pending(&index, vec![write], 9).unwrap().into_iter().for_each(|pending| group.add(pending));
        };
        for (before, after) in [(0, 1), (1, 0), (0, 2), (2, 0)] {
            let mut group = Group::default();
            for (step, count) in [before, after].into_iter().enumerate() {
                if step == 1 {
                    moves(&mut group);
                }
                if count == 2 {
                    write(&mut group, Write::Put(key.clone(), vec![1]));
                }
                if count > 0 {
                    write(&mut group, Write::Delete(key.clone()));
                }
            }
            let told: Vec<_> = group.records().iter().map(|record| record.value.is_some()).collect();
            assert_eq!(told, [false], "{before} writes before it, {after} after it");
        }
    }
}
