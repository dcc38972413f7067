//! A copy of a segment for a backup, judged frame by frame, and made good from the copy of an earlier backup.
//!
//! Segments change by erasing in place only. So what has not its checksum in the new copy and has it in the older one is rot, and
//! the older bytes are the right ones; zeros in the place of an erasable value that counts no more were written on purpose, and stay.
//! Zeros in the place of one that counts are what a disk gives that has lost it.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crc32c::crc32c;

use super::super::super::StoreError;
use super::Local;
use super::frame::{self, Change, Kind, Place, Stretch};
use super::index::Index;
use super::losses::Loss;
use super::pin::{JournalFile, stretches};
use super::replay::{ReplayError, Source};
use super::segment::{Found, Scan, Segment};

/// More than any key begins with.
const END: &[u8] = &[u8::MAX];

/// Where bytes of an older copy belong, and they.
pub type Patch = (u64, Vec<u8>);

/// What there is to say of a copy of a segment.
#[derive(Debug, Default)]
pub struct Judged {
    /// Stretches that have not their checksum, in the store and so in the copy.
    pub damaged: Vec<Damaged>,
    /// What the older copy has in their place: where it belongs, and the bytes.
    pub patches: Vec<Patch>,
}

/// One damaged stretch of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged {
    at: Stretch,
    /// Whether the older copy has all of it.
    pub kept: bool,
}

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}:{}", self.at.segment, self.at.offset)
    }
}

impl Local {
    /// See [`super::super::Engine::judge`].
    pub(in super::super) fn judge(
        &self,
        file: &JournalFile,
        copy: Option<&Path>,
        older: Option<&Path>,
    ) -> io::Result<Judged> {
        let live = &*file.segment;
        let open = |path: &Path| -> io::Result<Segment> {
            Ok(Segment { id: live.id, path: path.to_owned(), file: File::open(path)? })
        };
        let copied = copy.map(open).transpose()?;
        let copy = copied.as_ref().unwrap_or(live);
        let older = older.and_then(|path| open(path).ok());
        let older = older.and_then(|older| Some((older.scan(Some(file.end)).ok()?, older)));
        let index = self.shared.index();
        let mut healing = Healing { live, copy, older, index, judged: Judged::default() };
        healing.all(file.end)?;
        Ok(healing.judged)
    }

    /// See [`super::super::Engine::holds_behind`].
    pub(in super::super) fn holds_behind(path: &Path, number: u64, from: u64) -> io::Result<bool> {
        let segment = Segment { id: number, path: path.to_owned(), file: File::open(path)? };
        let scan = segment.scan(None)?;
        let whole = |found: &Found| found.verdict.table && found.verdict.plain;
        let is_behind = |found: &Found| found.offset >= from && found.header.head.kind == Kind::Group;
        Ok(scan.frames.iter().any(|found| is_behind(found) && whole(found)))
    }

    /// See [`super::super::Engine::superseded_in`].
    pub(in super::super) fn superseded_in(&self, path: &Path, loss: Loss) -> Result<Vec<Patch>, StoreError> {
        let index = self.shared.readable()?;
        let (number, from) = loss.begins();
        let found = || -> Result<Vec<Patch>, ReplayError> {
            let deleted = self.deleted_behind(number)?;
            let copy = Segment { id: number, path: path.to_owned(), file: File::open(path)? };
            let mut patches = Vec::new();
            for found in copy.scan(None)?.frames.iter().filter(|found| found.offset >= from) {
                let Some(table) = copy.table(found.offset, &found.header)? else { continue };
                let erasable_from = found.offset + found.header.erasable_from();
                for Change { key, place } in table.changes {
                    let Some(place) = place.filter(|place| place.offset >= erasable_from && place.len > 0) else {
                        continue;
                    };
                    let is_superseded = match index.get(&key)? {
                        Some(now) => now.sequence > place.sequence,
                        None => deleted.contains(&key),
                    };
                    if is_superseded && !is_zero(&copy.remains(&place)) {
                        patches.push((place.offset, vec![0; usize::try_from(place.len).unwrap_or_default()]));
                    }
                }
            }
            Ok(patches)
        };
        found().map_err(|error| StoreError::NotReady(error.to_string()))
    }

    /// What was deleted in segments behind this one, which may be missing: while one is, deletions there are kept, also of what was not
    /// there.
    fn deleted_behind(&self, number: u64) -> Result<HashSet<Vec<u8>>, ReplayError> {
        let mut deleted = HashSet::new();
        for segment in self.shared.segments.all().into_iter().filter(|segment| segment.id > number) {
            let changes = Source::of(segment)?.all()?;
            deleted.extend(changes.into_iter().filter(|change| change.place.is_none()).map(|change| change.key));
        }
        Ok(deleted)
    }

    /// See [`super::super::Engine::values_in`].
    pub(in super::super) fn values_in(&self, damaged: &[Damaged]) -> Result<Vec<Vec<u8>>, StoreError> {
        let index = self.shared.readable()?;
        let failed = |error: super::IndexError| StoreError::NotReady(error.to_string());
        let hit = |place: &Place| {
            let end = place.offset + u64::from(place.len);
            let mut stretches = damaged.iter().map(|damaged| damaged.at);
            stretches.any(|at| {
                at.segment == place.segment && place.offset < at.offset + u64::from(at.len) && at.offset < end
            })
        };
        let (mut found, mut from) = (Vec::new(), Vec::new());
        while !damaged.is_empty() {
            let entries = index.range(&from, END, usize::MAX).map_err(failed)?;
            let Some((last, _)) = entries.last() else { break };
            from = [last.as_slice(), &[0]].concat();
            let hit = entries.into_iter().filter(|(_, place)| hit(place));
            found.extend(hit.filter(|(_, place)| self.shared.value(place).is_err()).map(|(key, _)| key));
        }
        Ok(found)
    }
}

/// One copy being judged.
struct Healing<'a> {
    live: &'a Segment,
    copy: &'a Segment,
    older: Option<(Scan, Segment)>,
    index: Option<Arc<Index>>,
    judged: Judged,
}

impl Healing<'_> {
    fn all(&mut self, end: u64) -> io::Result<()> {
        let (scan, damaged) = stretches(self.copy, end)?;
        if !self.is_same(&scan) {
            self.older = None;
        }
        for (offset, len) in damaged {
            let (patches, kept) = self.stretch(offset, len)?;
            self.judged.patches.extend(patches);
            self.tell(offset, len, kept);
        }
        for found in &scan.frames {
            if found.verdict.table && found.verdict.plain && !found.verdict.erasable {
                self.erasable(found)?;
            }
        }
        Ok(())
    }

    fn tell(&mut self, offset: u64, len: u64, kept: bool) {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        let at = Stretch { segment: self.copy.id, offset, len };
        self.judged.damaged.push(Damaged { at, kept });
    }

    /// Whether the older file is a copy of this very segment, as far as anything tells.
    fn is_same(&self, scan: &Scan) -> bool {
        let epoch = |segment: &Segment, scan: &Scan| {
            let first = scan.frames.first().map(|found| found.header.head.epoch);
            segment.opening().map(|opening| opening.epoch).or(first)
        };
        let Some((older_scan, older)) = &self.older else { return false };
        match (epoch(self.copy, scan), epoch(older, older_scan)) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (_, theirs) => theirs.is_some(),
        }
    }

    /// What the older copy has of a damaged stretch, and whether that is all of it.
    fn stretch(&self, offset: u64, len: u64) -> io::Result<(Vec<Patch>, bool)> {
        let Some((scan, older)) = &self.older else { return Ok((Vec::new(), false)) };
        let (end, mut patches, mut whole) = (offset + len, Vec::new(), 0);
        let mut add = |at: u64, bytes: &[u8], sound: bool| {
            let (from, to) = (at.max(offset), (at + bytes.len() as u64).min(end));
            let index = |place: u64| usize::try_from(place.saturating_sub(at)).unwrap_or(usize::MAX);
            if let Some(bytes) = bytes.get(index(from)..index(to)).filter(|bytes| !bytes.is_empty()) {
                whole += if sound { bytes.len() as u64 } else { 0 };
                patches.push((from, bytes.to_vec()));
            }
        };
        if let Some(opening) = older.opening() {
            add(0, &opening.to_bytes(), true);
        }
        for found in scan.frames.iter().filter(|found| found.verdict.table) {
            let after = found.offset + found.header.len();
            if found.header.head.kind == Kind::Footer && older.has_trailer(found.offset, &found.header) {
                add(after, &super::segment::trailer(found.offset), true);
            }
            if found.offset < end && offset < after {
                let (bytes, sound) = self.frame(older, found)?;
                add(found.offset, &bytes, sound);
            }
        }
        Ok((patches, whole == len))
    }

    /// A frame with the header and table of the older copy and of each value whichever is whole; whether all are.
    fn frame(&self, older: &Segment, found: &Found) -> io::Result<(Vec<u8>, bool)> {
        let mut bytes = older.salvage(found.offset, found.header.len())?;
        if found.header.head.kind == Kind::Footer {
            return Ok((bytes, found.verdict.plain));
        }
        let table = frame::table(older.id, found.offset, &bytes).unwrap_or_default();
        let (erasable_from, mut sound) = (found.offset + found.header.erasable_from(), true);
        for Change { key, place } in table.changes {
            let Some(place) = place.filter(|place| place.len > 0) else { continue };
            let from = usize::try_from(place.offset - found.offset).unwrap_or(usize::MAX);
            let to = from.saturating_add(usize::try_from(place.len).unwrap_or(usize::MAX));
            let Some(value) = bytes.get_mut(from..to) else { continue };
            let ours = self.copy.remains(&place);
            let is_erased = place.offset >= erasable_from && is_zero(&ours) && !self.counts(&key, &place);
            if is_erased || crc32c(&ours) == place.crc {
                value.copy_from_slice(&ours);
            } else {
                sound &= crc32c(value) == place.crc;
            }
        }
        Ok((bytes, sound))
    }

    /// The erasable values of a frame that is whole besides: neither as written nor overwritten is rot.
    fn erasable(&mut self, found: &Found) -> io::Result<()> {
        let Some(table) = self.copy.table(found.offset, &found.header)? else { return Ok(()) };
        let from = found.offset + found.header.erasable_from();
        let values = table.changes.into_iter().filter_map(|change| Some((change.key, change.place?)));
        for (key, place) in values.filter(|(_, place)| place.offset >= from && place.len > 0) {
            let is_good = |bytes: &[u8], healing: &Self| {
                crc32c(bytes) == place.crc || (is_zero(bytes) && !healing.counts(&key, &place))
            };
            if is_good(&self.copy.remains(&place), self) {
                continue;
            }
            // It may have been overwritten while it was copied.
            let now = self.live.remains(&place);
            if is_good(&now, self) {
                self.judged.patches.push((place.offset, now));
                continue;
            }
            let older = self.older.as_ref().and_then(|(_, older)| older.value(&place).ok().flatten());
            self.tell(place.offset, place.len.into(), older.is_some());
            self.judged.patches.extend(older.map(|value| (place.offset, value)));
        }
        Ok(())
    }

    /// Whether the value at a place is the one that its key has.
    fn counts(&self, key: &[u8], place: &Place) -> bool {
        self.index.as_ref().is_some_and(|index| index.get(key).ok().flatten() == Some(*place))
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
