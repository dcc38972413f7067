//! What can still be made good: overwrites that a crash interrupted, records of damaged tables that the index remembers, at start and
//! when their segment is compacted; and which segments the index misses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::super::OpenError;
use super::super::Space;
use super::erase::{Eraser, Old};
use super::folder::{Folder, at};
use super::frame::{Change, Place, Stretch};
use super::index::Index;
use super::replay::{Listed, ReplayError, Shape, Source};
use super::segment::{self, Entry, Segment};

/// More than any key begins with.
const END: &[u8] = &[u8::MAX];

/// Overwrites again what a crash may have left standing: all that frames behind `mark` list.
pub(super) fn erase(eraser: &mut Eraser, sources: &[Source], mark: u64, last: u64) -> Result<(), OpenError> {
    let mut superseded = Vec::new();
    for source in sources {
        let by = source.segment.id;
        for Listed { last, keys, stretches } in source.superseded(mark).map_err(at(&source.segment.path))? {
            let old = |stretch| Old { keys: Arc::clone(&keys), stretch, listed: last, by };
            superseded.extend(stretches.into_iter().map(old));
        }
    }
    eraser.erase(superseded, last);
    Ok(())
}

/// Overwrites what does not count of segments that are back: what was replaced or deleted while they were missing is listed by no frame.
pub(super) fn erase_returned(
    eraser: &mut Eraser,
    index: &Index,
    returned: &[&Source],
    last: u64,
) -> Result<(), ReplayError> {
    let mut superseded = Vec::new();
    for source in returned {
        let by = source.segment.id;
        for Entry { change: Change { key, place }, erasable } in source.segment.entries()?.unwrap_or_default() {
            let Some(place) = place.filter(|place| erasable && place.len > 0) else { continue };
            if index.get(&key)? != Some(place) {
                let stretch = Stretch { segment: place.segment, offset: place.offset, len: place.len };
                superseded.push(Old { keys: Arc::from([key]), stretch, listed: last, by });
            }
        }
    }
    eraser.erase(superseded, last);
    Ok(())
}

/// Changes that only the index knows, since the tables that told them are damaged: by segment, for its footer. A trusted index
/// is asked this once, when the segment gets its footer, so that an index made from footers later knows them too.
pub(super) fn amendments(index: &Index, sources: &[Source]) -> Result<BTreeMap<u64, Vec<Change>>, ReplayError> {
    let mut lost = BTreeMap::new();
    for source in sources {
        lost.extend(Readable::of(source)?.map(|readable| (source.segment.id, readable)));
    }
    let mut amendments: BTreeMap<u64, Vec<Change>> = BTreeMap::new();
    let Some(newest) = lost.keys().next_back().copied() else { return Ok(amendments) };
    let mut from = Vec::new();
    loop {
        let entries = index.range(&from, END, usize::MAX)?;
        let Some((key, _)) = entries.last() else { break };
        from = [key.as_slice(), &[0]].concat();
        let untold = |place: &Place| lost.get(&place.segment).is_some_and(|readable| !readable.holds(place.offset));
        for (key, place) in entries.into_iter().filter(|(_, place)| untold(place)) {
            amendments.entry(place.segment).or_default().push(Change { key, place: Some(place) });
        }
    }
    let deleted = deleted(index, sources)?.into_iter().map(|key| Change { key, place: None });
    amendments.entry(newest).or_default().extend(deleted);
    Ok(amendments)
}

/// What counts of a segment whose tables do not tell: all that the index finds there, and as deletions that only these may have told
/// those that no other segment tells.
pub(super) fn remembered(index: &Index, segment: u64, all: Vec<Arc<Segment>>) -> Result<Vec<Entry>, ReplayError> {
    let (mut entries, mut from) = (Vec::new(), Vec::new());
    loop {
        let found = index.range(&from, END, usize::MAX)?;
        let Some((last, _)) = found.last() else { break };
        from = [last.as_slice(), &[0]].concat();
        for (key, place) in found.into_iter().filter(|(_, place)| place.segment == segment) {
            let erasable = Space::is_erasable(&key);
            entries.push(Entry { change: Change { key, place: Some(place) }, erasable });
        }
    }
    let sources = all.into_iter().map(Source::of).collect::<Result<Vec<_>, _>>()?;
    let deleted = deleted(index, &sources)?.into_iter().map(|key| Change { key, place: None });
    entries.extend(deleted.map(|change| Entry { change, erasable: false }));
    Ok(entries)
}

/// Segments of which something counts by the index, but which are not there.
pub(super) fn lost(index: &Index, sources: &[Source]) -> BTreeSet<u64> {
    let there: BTreeSet<u64> =
        sources.iter().filter(|source| !source.is_empty()).map(|source| source.segment.id).collect();
    let live = index.live().unwrap_or_default();
    live.segments().filter(|segment| !there.contains(segment)).collect()
}

/// A segment without records goes, once a newer one holds its number; one that is not even empty goes to quarantine.
pub(super) fn retire(folder: &Folder, segment: &Segment) -> Result<(), OpenError> {
    if segment.opening().is_none() {
        return set_aside(folder, segment);
    }
    let gone = std::fs::remove_file(&segment.path);
    gone.and_then(|()| folder.io().sync_folder(&folder.journal())).map_err(at(&segment.path))
}

/// Moves what is left of a segment to quarantine.
pub(super) fn set_aside(folder: &Folder, segment: &Segment) -> Result<(), OpenError> {
    let moved = std::fs::rename(&segment.path, folder.quarantine().join(segment::name(segment.id)));
    moved.and_then(|()| folder.io().sync_folder(&folder.journal())).map_err(at(&segment.path))
}

/// Keys that the readable tables leave with a value, and the index without: a damaged one deleted them.
fn deleted(index: &Index, sources: &[Source]) -> Result<BTreeSet<Vec<u8>>, ReplayError> {
    let mut deleted = BTreeSet::new();
    for source in sources {
        for change in source.all()? {
            if change.place.is_none() {
                deleted.remove(&change.key);
            } else if index.get(&change.key)?.is_none() {
                deleted.insert(change.key);
            }
        }
    }
    Ok(deleted)
}

/// The stretches of a segment, in order, whose tables can be read: first byte and end of each.
struct Readable(Vec<(u64, u64)>);

impl Readable {
    /// `None` when all of it can be read.
    fn of(source: &Source) -> Result<Option<Self>, ReplayError> {
        let Shape::Open(frames) = &source.shape else { return Ok(None) };
        let good = frames.iter().filter(|found| found.verdict.table);
        let stretches: Vec<_> = good.map(|found| (found.offset, found.offset + found.header.len())).collect();
        let read: u64 = stretches.iter().map(|(start, end)| end - start).sum();
        Ok((segment::START + read < source.segment.len()?).then_some(Self(stretches)))
    }

    fn holds(&self, offset: u64) -> bool {
        let after = self.0.partition_point(|(start, _)| *start <= offset);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, end)| offset < *end)
    }
}
