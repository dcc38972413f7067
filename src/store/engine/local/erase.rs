//! Overwrites the values of erasable spaces that were superseded.
//!
//! The frame that supersedes a value lists where it lies and is synced first. Its own header then proves every frame before
//! it, the value's among them, so recovery misses nothing when the value is gone. Only then zeros are written over the value
//! and synced, and the operation is answered. A crash in between is made good at start: frame headers say up to which
//! frame everything listed is overwritten, and what later ones list is overwritten again.
//!
//! What could not be overwritten is *owed*. The frame that lists it is all that a start knows of it: compaction leaves that frame's
//! segment alone until the value is gone. A copy of the value's frame in quarantine outlives the value's segment, and owes on.
//!
//! Zeros, since they tell erased from damaged, and since on a disk of today random bytes destroy no more. A sealed value is never
//! all zeros.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::folder::Folder;
use super::frame::Stretch;
use super::journal::Segments;

/// A superseded value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Old {
    /// Whose value it was. Of what an earlier run left: every erasable key of the frame that lists it, since that does not tell which.
    pub keys: Arc<[Vec<u8>]>,
    /// Where it lies.
    pub stretch: Stretch,
    /// Last sequence number of the frame that lists it.
    pub listed: u64,
    /// The segment of that frame.
    pub by: u64,
}

/// One that could not be overwritten.
#[derive(Debug)]
struct Owed {
    old: Old,
    /// Its segment is gone, or done: only a copy in quarantine may still hold it.
    copy: bool,
}

/// What was overwritten so far.
#[derive(Debug, Default)]
pub(super) struct Erasures {
    pub values: AtomicU64,
    /// fdatasync calls for that.
    pub syncs: AtomicU64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Eraser {
    folder: Folder,
    segments: Arc<Segments>,
    counts: Arc<Erasures>,
    /// Everything that frames up to this sequence number list is overwritten, but for `owed`.
    reached: u64,
    /// What could not be overwritten.
    owed: Vec<Owed>,
}

impl Eraser {
    /// For a journal whose frames up to `reached` are dealt with.
    pub(super) fn new(folder: Folder, segments: Arc<Segments>, reached: u64) -> Self {
        Self { folder, segments, counts: Arc::default(), reached, owed: Vec::new() }
    }

    pub(super) fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    pub(super) fn counts(&self) -> Arc<Erasures> {
        Arc::clone(&self.counts)
    }

    /// Up to which frame everything listed is overwritten, durably: what headers say. Tries again what is owed in quarantine.
    pub(super) fn erased(&mut self) -> u64 {
        self.settle();
        let listed = self.owed.iter().map(|owed| owed.old.listed.saturating_sub(1));
        listed.min().unwrap_or(self.reached).min(self.reached)
    }

    /// How many superseded values still stand on disk.
    pub(super) fn owes(&mut self) -> usize {
        self.settle();
        self.owed.len()
    }

    /// Whether a superseded value of this key still stands on disk, or may.
    pub(super) fn owes_for(&self, key: &[u8]) -> bool {
        self.owed.iter().any(|owed| owed.old.keys.iter().any(|owner| owner == key))
    }

    /// What stood in a segment that compaction removed is gone with it, unless it stands in quarantine too.
    fn settle(&mut self) {
        if self.owed.is_empty() {
            return;
        }
        for owed in &mut self.owed {
            owed.copy |= self.segments.get(owed.old.stretch.segment).is_none();
        }
        let in_copies: Vec<Old> = self.owed.iter().filter(|owed| owed.copy).map(|owed| owed.old.clone()).collect();
        // A failure was told when it first happened.
        if !in_copies.is_empty() && self.overwrite_copies(&in_copies).is_ok() {
            self.counts.values.fetch_add(in_copies.len() as u64, Ordering::Relaxed);
            self.owed.retain(|owed| !owed.copy);
        }
        self.hold_lists();
    }

    /// Tells compaction which segments list what is owed. One that goes together with all that it lists may go.
    fn hold_lists(&self) {
        let needed = self.owed.iter().filter(|owed| owed.copy || owed.old.by != owed.old.stretch.segment);
        self.segments.hold_lists(needed.map(|owed| owed.old.by).collect::<BTreeSet<u64>>());
    }

    /// Overwrites all of `superseded`, which synced frames up to `reached` list, with one sync for each segment. A segment that fails
    /// is condemned: it is only read from then on, and what stands there stays owed.
    pub(super) fn erase(&mut self, superseded: Vec<Old>, reached: u64) {
        self.reached = self.reached.max(reached);
        let mut by_segment: BTreeMap<u64, Vec<Old>> = BTreeMap::new();
        for old in superseded {
            by_segment.entry(old.stretch.segment).or_default().push(old);
        }
        let owed_before = self.owed.len();
        for (id, olds) in by_segment {
            let in_segment = if self.segments.is_condemned(id) {
                false
            } else {
                self.overwrite(id, &olds).inspect_err(|error| {
                    tracing::error!(segment = id, %error, "superseded values cannot be overwritten; this segment is only read from now on");
                    self.segments.condemn(id);
                }).is_ok()
            };
            let in_copies = self.overwrite_copies(&olds).inspect_err(|error| {
                tracing::error!(segment = id, %error, "superseded values cannot be overwritten in quarantine; this is tried again");
            }).is_ok();
            if in_segment && in_copies {
                self.counts.values.fetch_add(olds.len() as u64, Ordering::Relaxed);
            } else {
                self.owed.extend(olds.into_iter().map(|old| Owed { old, copy: in_segment }));
            }
        }
        if self.owed.len() > owed_before {
            self.hold_lists();
        }
    }

    fn overwrite(&self, id: u64, olds: &[Old]) -> io::Result<()> {
        // One that is gone took its values along.
        if let Some(segment) = self.segments.get(id) {
            let end = segment.len()?;
            for Old { stretch, .. } in olds {
                // Never past the end: a segment must not grow by it.
                let len = u64::from(stretch.len).min(end.saturating_sub(stretch.offset));
                self.zeros(&segment.file, stretch.offset, len)?;
            }
            self.sync(&segment.file)?;
        }
        Ok(())
    }

    /// The same in the copies of damaged frames.
    fn overwrite_copies(&self, olds: &[Old]) -> io::Result<()> {
        for (segment, start, path) in self.folder.copies()? {
            let mut inside =
                olds.iter().map(|old| old.stretch).filter(|old| old.segment == segment && old.offset >= start);
            let Some(first) = inside.next() else { continue };
            let file = self.folder.io().open(&path)?;
            let end = start.saturating_add(file.metadata()?.len());
            for Stretch { offset, len, .. } in std::iter::once(first).chain(inside) {
                self.zeros(&file, offset - start, u64::from(len).min(end.saturating_sub(offset)))?;
            }
            self.sync(&file)?;
        }
        Ok(())
    }

    /// A disk that is full may want room even for this: the reserve is for that.
    fn zeros(&self, file: &File, offset: u64, len: u64) -> io::Result<()> {
        let io = self.folder.io();
        io.overwrite(file, offset, len).or_else(|error| {
            if error.kind() != io::ErrorKind::StorageFull {
                return Err(error);
            }
            self.folder.release();
            io.overwrite(file, offset, len)
        })
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.counts.syncs.fetch_add(1, Ordering::Relaxed);
        self.folder.io().sync_overwritten(file)
    }
}
