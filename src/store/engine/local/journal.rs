//! The journal's writing end: one open segment, one frame and one fdatasync per group.
//!
//! After any error of append or sync nothing more is written to that segment, and no later sync of it is believed:
//! [`Journal::replace`] cuts it to what was durable, reads that again, and goes on in a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::base::Entropy;
use crate::base::entropy::random;

use super::erase::{Eraser, Old};
use super::folder::Folder;
use super::frame::{self, Change, Head, Kind, Place, Record};
use super::pin::JournalFile;
use super::segment::{self, Found, Opening, Segment};

/// All segments that may hold values, for readers.
#[derive(Debug, Default)]
pub(super) struct Segments {
    all: RwLock<BTreeMap<u64, Arc<Segment>>>,
    condemned: RwLock<BTreeSet<u64>>,
    lists: RwLock<BTreeSet<u64>>,
}

impl Segments {
    pub(super) fn get(&self, id: u64) -> Option<Arc<Segment>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
    pub(super) fn all(&self) -> Vec<Arc<Segment>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
    pub(super) fn add(&self, segment: Arc<Segment>) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).insert(segment.id, segment);
    }

    /// Forgets a segment once its file is gone; superseded values that could not be overwritten there are gone with it.
    pub(super) fn remove(&self, id: u64) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.condemned.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// Nothing is written there any more: overwriting failed.
    pub(super) fn condemn(&self, id: u64) {
        self.condemned.write().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    pub(super) fn is_condemned(&self, id: u64) -> bool {
        self.condemned.read().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    /// Replaces the set of segments with frames that list superseded values which still stand elsewhere.
    pub(super) fn hold_lists(&self, lists: BTreeSet<u64>) {
        *self.lists.write().unwrap_or_else(PoisonError::into_inner) = lists;
    }

    /// Whether a start would need this segment to know what is still to be overwritten: so it stays.
    pub(super) fn lists_owed(&self, id: u64) -> bool {
        self.lists.read().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    /// Segments that still hold superseded values which could not be overwritten: to be compacted before any other.
    pub(super) fn condemned(&self) -> Vec<u64> {
        self.condemned.read().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

/// Where a new journal file continues.
#[derive(Debug, Clone, Copy)]
pub(super) struct Continuation {
    /// The number of the segment to make.
    pub segment: u64,
    /// Sequence number of the next batch.
    pub next: u64,
    /// The segment before, and where it ends; 0 for none.
    pub previous: (u64, u64),
    /// What frames up to this sequence number list is overwritten.
    pub erased: u64,
}

/// The writing end. Owned by the committer.
#[derive(Debug)]
pub(super) struct Journal {
    folder: Folder,
    entropy: Arc<dyn Entropy>,
    segments: Arc<Segments>,
    eraser: Eraser,
    syncs: Arc<AtomicU64>,
    segment_size: u64,
    active: Active,
    /// The highest segment number that was ever tried.
    newest: u64,
    next: u64,
    synced: u64,
    proven: u64,
}

#[derive(Debug)]
struct Active {
    segment: Arc<Segment>,
    epoch: u64,
    end: u64,
    /// Its footer so far.
    entries: Vec<u8>,
    count: usize,
}

impl Journal {
    /// Starts a new segment.
    pub(super) fn start(
        folder: Folder,
        entropy: Arc<dyn Entropy>,
        eraser: Eraser,
        segment_size: u64,
        from: Continuation,
    ) -> io::Result<Self> {
        let synced = from.next.saturating_sub(1);
        let active = Active::create(&folder, entropy.as_ref(), from)?;
        let segments = Arc::clone(eraser.segments());
        segments.add(Arc::clone(&active.segment));
        Ok(Self {
            folder,
            entropy,
            segments,
            eraser,
            syncs: Arc::default(),
            segment_size,
            active,
            newest: from.segment,
            next: from.next,
            synced,
            proven: synced,
        })
    }

    /// Sequence number that the next batch gets.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Highest sequence number known synced.
    pub(super) fn synced(&self) -> u64 {
        self.synced
    }

    /// The segment that is written to.
    pub(super) fn active(&self) -> u64 {
        self.active.segment.id
    }

    /// All files, and how far each is durable.
    pub(super) fn files(&self) -> io::Result<Vec<JournalFile>> {
        let end = |segment: &Segment| {
            if segment.id == self.active.segment.id { Ok(self.active.end) } else { segment.len() }
        };
        let all = self.segments().all();
        all.into_iter().map(|segment| Ok(JournalFile { end: end(&segment)?, segment })).collect()
    }

    /// fdatasync calls so far.
    pub(super) fn syncs(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.syncs)
    }

    /// All segments.
    pub(super) fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    /// What was overwritten so far, and what could not be.
    pub(super) fn eraser(&mut self) -> &mut Eraser {
        &mut self.eraser
    }

    /// Overwrites the values that the group just written superseded, each with its key. What could not be is owed by
    /// [`eraser`](Self::eraser).
    ///
    /// An error means that the open segment failed, and no other could be made.
    pub(super) fn erase(&mut self, superseded: Vec<(Vec<u8>, Place)>) -> io::Result<()> {
        let (listed, by) = (self.synced, self.active.segment.id);
        let old = |(key, place): (Vec<u8>, Place)| Old { keys: [key].into(), stretch: place.into(), listed, by };
        let superseded = superseded.into_iter().map(old).collect();
        self.eraser.erase(superseded, self.synced);
        if self.segments.is_condemned(self.active.segment.id) { self.go_on() } else { Ok(()) }
    }

    /// Writes one group of `count` batches and syncs it. After an error: [`replace`](Self::replace).
    pub(super) fn append(&mut self, count: u32, records: &[Record<'_>]) -> io::Result<Vec<Change>> {
        let head = self.head(Kind::Group, count);
        self.next += u64::from(count);
        let (bytes, changes) = frame::group(&head, self.active.end, records);
        self.write(&bytes)?;
        self.synced = head.last();
        for change in &changes {
            frame::footer_entry(change, &mut self.active.entries);
        }
        self.active.count += changes.len();
        Ok(changes)
    }

    /// Writes a proof frame, if anything was written since the last. Returns whether it was.
    pub(super) fn prove(&mut self) -> io::Result<bool> {
        if self.proven == self.synced {
            return Ok(false);
        }
        let head = self.head(Kind::Proof, 0);
        let bytes = frame::proof(&head);
        self.write(&bytes)?;
        self.proven = self.synced;
        Ok(true)
    }

    /// Closes the open segment with a footer and starts the next, if it is large enough. Returns whether it did.
    pub(super) fn rotate(&mut self) -> io::Result<bool> {
        if self.active.end < self.segment_size {
            return Ok(false);
        }
        let offset = self.active.end;
        let head = self.head(Kind::Footer, 0);
        let mut bytes = frame::footer(&head, &self.active.entries, self.active.count);
        bytes.extend(segment::trailer(offset));
        self.write(&bytes)?;
        self.go_on()?;
        Ok(true)
    }

    /// After an error: cuts the segment to what was durable, reads that again, goes on in a new segment. The new one's opening
    /// says where the old one ends, so what was cut stays cut even if this disk brings it back.
    pub(super) fn replace(&mut self) -> io::Result<()> {
        let Active { segment, end, .. } = &self.active;
        self.folder.io().cut(&segment.file, *end)?;
        let scan = segment.scan(None)?;
        let proven = scan.frames.iter().map(|found| found.header.head.proven).max().unwrap_or(0);
        let good = scan.frames.iter().all(|Found { header, verdict, .. }| {
            // Erasable values below may have been overwritten on purpose.
            verdict.table && verdict.plain && (verdict.erasable || header.head.last() <= proven)
        });
        let last = scan.frames.iter().map(|found| found.header.head.last()).max().unwrap_or(self.synced);
        if !good || !scan.gaps.is_empty() || scan.end != *end || last != self.synced {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "what was synced does not read back"));
        }
        self.go_on()
    }

    fn go_on(&mut self) -> io::Result<()> {
        // A try that fails may leave a file behind: each has a number of its own. Nothing is appended to the old segment after
        // the first, so whatever opening is found later, it says the same of where that one ends.
        self.newest += 1;
        let from = Continuation {
            segment: self.newest,
            next: self.synced + 1,
            previous: (self.active.segment.id, self.active.end),
            erased: self.eraser.erased(),
        };
        self.active = Active::create(&self.folder, self.entropy.as_ref(), from)?;
        self.segments.add(Arc::clone(&self.active.segment));
        self.proven = self.synced;
        Ok(())
    }

    fn head(&mut self, kind: Kind, count: u32) -> Head {
        Head {
            kind,
            epoch: self.active.epoch,
            segment: self.active.segment.id,
            first: self.next,
            count,
            proven: self.synced,
            erased: self.eraser.erased(),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.folder.io().write(&self.active.segment.file, bytes, self.active.end)?;
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.folder.io().sync(&self.active.segment.file)?;
        self.active.end += bytes.len() as u64;
        Ok(())
    }
}

impl Active {
    fn create(folder: &Folder, entropy: &dyn Entropy, from: Continuation) -> io::Result<Self> {
        let path = folder.journal().join(segment::name(from.segment));
        let epoch = u64::from_le_bytes(random(entropy));
        let opening = Opening {
            segment: from.segment,
            epoch,
            proven: from.next.saturating_sub(1),
            previous: from.previous.0,
            previous_end: from.previous.1,
            erased: from.erased,
        };
        let file = folder.io().create(&path)?;
        let bytes = opening.to_bytes();
        folder.io().write(&file, &bytes, 0)?;
        folder.io().sync(&file)?;
        folder.io().sync_folder(&folder.journal())?;
        let segment = Arc::new(Segment { id: from.segment, path, file });
        Ok(Self { segment, epoch, end: bytes.len() as u64, entries: Vec::new(), count: 0 })
    }
}
