//! Which tombstones must outlive their segment: those whose keys stand, with a value, in an older one.
//!
//! Such a tombstone takes room that its own segment cannot give back before that older one goes. What a segment keeps so is
//! remembered once it was looked at, by what keeps it: so nothing is looked at again in vain, and all that came free is.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::filter::Filter;
use super::replay::{ReplayError, Source};
use super::segment::Segment;

/// Of a filter of the keys of one segment: one wrong "perhaps" in ten thousand.
const FILTER_BITS: u32 = 20;

/// Bytes of tombstones, by the oldest segment that may hold their keys.
pub(super) type Held = BTreeMap<u64, u64>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tombstones {
    /// Of each segment the keys that stand in it with a value.
    keys: BTreeMap<u64, Filter>,
    held: BTreeMap<u64, Held>,
}

impl Tombstones {
    /// Reads the keys of `segments`, once.
    pub(super) fn know(&mut self, segments: &[Arc<Segment>]) -> Result<(), ReplayError> {
        for segment in segments {
            if let Entry::Vacant(unknown) = self.keys.entry(segment.id) {
                unknown.insert(keys(segment)?);
            }
        }
        Ok(())
    }

    /// The oldest segment before `id`, of those that are known, that may hold a value of `key`.
    pub(super) fn holder(&self, id: u64, key: &[u8]) -> Option<u64> {
        self.keys.range(..id).find(|(_, keys)| keys.may_hold(key)).map(|(holder, _)| *holder)
    }

    /// Remembers what a segment must keep.
    pub(super) fn note(&mut self, id: u64, held: Held) {
        self.held.insert(id, held);
    }

    /// Bytes of tombstones that a segment must still keep; 0 for one that was not looked at.
    /// `stands`: whether one that keeps them is still there, or may come back.
    pub(super) fn held(&self, id: u64, stands: impl Fn(u64) -> bool) -> u64 {
        let held = self.held.get(&id).into_iter().flatten();
        held.filter(|(holder, _)| stands(**holder)).map(|(_, bytes)| bytes).sum()
    }

    /// The segment is gone.
    pub(super) fn forget(&mut self, id: u64) {
        self.keys.remove(&id);
        self.held.remove(&id);
    }
}

fn keys(segment: &Arc<Segment>) -> Result<Filter, ReplayError> {
    let mut changes = Source::of(Arc::clone(segment))?.all()?;
    // A tombstone there brings nothing back.
    changes.retain(|change| change.place.is_some());
    let mut filter = Filter::new(changes.len() as u64, FILTER_BITS);
    for change in &changes {
        filter.add(&change.key);
    }
    Ok(filter)
}
