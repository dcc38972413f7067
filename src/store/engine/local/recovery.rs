//! What happens before the first commit: damage is told from a torn tail, the journal goes on in a new segment, and the index
//! is brought up to it or made again.
//!
//! A sequence number is *proven* when a later header says that it was synced. A damaged frame at or below that mark was once
//! whole: it is copied to quarantine, reported, and everything else serves on. Damage above it is a write that was never
//! acknowledged: it is copied to quarantine too, then cut.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::base::Entropy;

use super::super::super::{OpenError, OpenReport};
use super::amend::{self, amendments};
use super::belief::Kept;
use super::erase::Eraser;
use super::folder::{Folder, at};
use super::frame::{self, Change, Head, Kind};
use super::index::Index;
use super::journal::{Continuation, Journal, Segments};
use super::losses::{self, Loss};
use super::replay::{ReplayError, Shape, Source};
use super::segment::{self, Found, Opening, Segment};

/// The journal and its index, ready.
#[derive(Debug)]
pub(super) struct Recovered {
    pub journal: Journal,
    pub index: Index,
    pub losses: BTreeSet<Loss>,
    pub report: OpenReport,
}

/// Brings a data folder up.
pub(super) fn recover(folder: &Folder, entropy: Arc<dyn Entropy>, segment_size: u64) -> Result<Recovered, OpenError> {
    let mut report = OpenReport::default();
    let mut kept = Kept::open(folder)?;
    let proven = kept.proves();
    let Survivors { sources, newest, last, erased, named } =
        survivors(folder, proven, !kept.is_believed(), &mut report)?;
    let there: BTreeSet<u64> = sources.iter().map(|source| source.segment.id).collect();
    let returned = returned(folder, &sources)?;
    kept.without(returned.clone());
    let index = kept.bring_up(folder, &sources, last, &mut report)?;
    // One that is here is missed when it goes again.
    let named = |id| named.contains(&id) && !there.contains(&id);
    folder.forget_removed(named).map_err(at(&folder.journal()))?;
    for id in &returned {
        losses::forget(folder, Loss::Segment(*id)).map_err(at(&folder.quarantine()))?;
    }
    let losses = losses::noted(folder)?;
    // An index that was just made knows no more than the journal.
    let amended = if report.rebuilt.is_none() { amendments(&index, &sources) } else { Ok(BTreeMap::new()) };
    let amended = amended.map_err(unreadable(&folder.journal()))?;
    let segments = Arc::new(Segments::default());
    for source in &sources {
        segments.add(Arc::clone(&source.segment));
    }
    let mut eraser = Eraser::new(folder.clone(), Arc::clone(&segments), last);
    overwrite_again(folder, &mut eraser, (&sources, &returned, &index), erased, last)?;
    report.unerased = eraser.owes();
    for source in sources.iter().filter(|source| !segments.is_condemned(source.segment.id)) {
        let amended = amended.get(&source.segment.id).map(Vec::as_slice).unwrap_or_default();
        close(folder, source, amended, eraser.erased())?;
    }
    // One in which nothing is left ends nowhere: what it held may be put back.
    let previous = match sources.iter().rfind(|source| !source.is_empty()) {
        Some(source) => (source.segment.id, source.segment.len().map_err(at(&source.segment.path))?),
        None => (0, 0),
    };
    let from = Continuation {
        // Nor is the number of one that is lost used again: it may be found and put back.
        segment: losses.iter().copied().map(Loss::segment).fold(newest, u64::max).saturating_add(1),
        // Nor are the sequence numbers of commits that were lost.
        next: last.max(proven).saturating_add(1),
        previous,
        erased: eraser.erased(),
    };
    let journal = Journal::start(folder.clone(), entropy, eraser, segment_size, from).map_err(at(&folder.journal()))?;
    for source in sources {
        if is_bare(&source).map_err(at(&source.segment.path))? {
            amend::retire(folder, &source.segment)?;
            segments.remove(source.segment.id);
        }
    }
    let all = segments.all();
    index.know(all.iter().map(|segment| segment.id), true);
    report.returned = returned.into_iter().collect();
    report.lost = losses.iter().copied().collect();
    Ok(Recovered { journal, index, losses, report })
}

/// Overwrites what the last run may have left standing, and what comes back with segments.
fn overwrite_again(
    folder: &Folder,
    eraser: &mut Eraser,
    (sources, returned, index): (&[Source], &BTreeSet<u64>, &Index),
    reached: u64,
    last: u64,
) -> Result<(), OpenError> {
    // A backup copies one segment after the other: what was overwritten while it was made may stand in it.
    // So is it in a segment that was put back.
    let mark = if folder.is_restored() || !returned.is_empty() { 0 } else { reached };
    amend::erase(eraser, sources, mark, last)?;
    let back: Vec<&Source> = sources.iter().filter(|source| returned.contains(&source.segment.id)).collect();
    amend::erase_returned(eraser, index, &back, last).map_err(unreadable(&folder.journal()))
}

/// Segments that are noted as missing, and are here.
fn returned(folder: &Folder, sources: &[Source]) -> Result<BTreeSet<u64>, OpenError> {
    let there: BTreeSet<Loss> =
        sources.iter().filter(|source| !source.is_empty()).map(|source| Loss::Segment(source.segment.id)).collect();
    Ok(losses::noted(folder)?.intersection(&there).map(|loss| loss.segment()).collect())
}

/// The journal after damage was dealt with.
#[derive(Debug)]
pub(super) struct Survivors {
    pub sources: Vec<Source>,
    /// Highest segment number.
    pub newest: u64,
    /// Highest sequence number.
    pub last: u64,
    /// What frames up to this sequence number list was overwritten.
    pub erased: u64,
    /// Segments that an opening names as the one before it.
    pub named: BTreeSet<u64>,
}

/// Reads the journal; cuts what was never acknowledged, quarantines what was and is damaged. Everything up to `proven` is known to
/// have been synced by other means than the journal's own. `thorough`: an index that is to be made again is made from footers,
/// so all of each is read, not only its head.
pub(super) fn survivors(
    folder: &Folder,
    proven: u64,
    thorough: bool,
    report: &mut OpenReport,
) -> Result<Survivors, OpenError> {
    let mut found = Segmented::read(folder, thorough)?;
    found.set_empty_aside(folder)?;
    for id in found.missing(&folder.removed()) {
        losses::note(folder, Loss::Segment(id))?;
    }
    let named = found.openings.iter().map(|opening| opening.previous).collect();
    let newest = found.segments.last().map_or(0, |segment| segment.id);
    let (by_journal, erased) = (found.proven(), found.erased());
    let mut sources = Vec::new();
    for (segment, limit, shape) in found.shapes {
        let mending = Mending { folder, segment: &segment, proven: by_journal.max(proven), limit };
        let shape = match shape {
            Seen::Closed(footer) => Shape::Closed(footer),
            Seen::Open(scan) => Shape::Open(mending.mend(scan, report)?),
        };
        sources.push(Source { segment, shape });
    }
    let last = sources.iter().map(Source::last).max().unwrap_or(0).max(by_journal);
    Ok(Survivors { sources, newest, last, erased, named })
}

/// How a segment looked before anything was decided.
enum Seen {
    Closed(segment::Footer),
    Open(segment::Scan),
}

/// All segments as they were found.
struct Segmented {
    segments: Vec<Arc<Segment>>,
    openings: Vec<Opening>,
    shapes: Vec<(Arc<Segment>, Option<u64>, Seen)>,
}

impl Segmented {
    fn read(folder: &Folder, thorough: bool) -> Result<Self, OpenError> {
        let root = folder.journal();
        let mut segments = Vec::new();
        for entry in fs::read_dir(&root).map_err(at(&root))? {
            let path = entry.map_err(at(&root))?.path();
            if let Some(id) = segment::number(&path) {
                let file = folder.io().open(&path).map_err(at(&path))?;
                segments.push(Arc::new(Segment { id, path, file }));
            }
        }
        segments.sort_by_key(|segment| segment.id);
        let openings: Vec<Opening> = segments.iter().filter_map(|segment| segment.opening()).collect();
        let ends: BTreeMap<u64, u64> =
            openings.iter().map(|opening| (opening.previous, opening.previous_end)).collect();
        let newest = segments.last().map_or(0, |segment| segment.id);
        let mut shapes = Vec::new();
        for segment in &segments {
            // One that others follow was ended, also when the next is gone by compaction.
            let ended = || if segment.id < newest { segment.len().ok() } else { None };
            let limit = ends.get(&segment.id).copied().or_else(ended);
            let footer = if thorough { segment.footer() } else { segment.footer_head() };
            let shape = match footer {
                Some(footer) if limit.is_none_or(|limit| footer.offset <= limit) => Seen::Closed(footer),
                _ => Seen::Open(segment.scan(limit).map_err(at(&segment.path))?),
            };
            shapes.push((Arc::clone(segment), limit, shape));
        }
        Ok(Self { segments, openings, shapes })
    }

    /// Segments that another follows and that held something.
    fn held(&self) -> impl Iterator<Item = u64> {
        self.openings.iter().filter(|opening| opening.previous_end > segment::START).map(|opening| opening.previous)
    }

    /// Those that are neither here nor removed on purpose.
    fn missing(&self, removed: &BTreeSet<u64>) -> Vec<u64> {
        let gone = |id: &u64| self.segments.iter().all(|segment| segment.id != *id) && !removed.contains(id);
        self.held().filter(gone).collect()
    }

    /// A file that held something and in which no frame is left is not the segment that is missed.
    fn set_empty_aside(&mut self, folder: &Folder) -> Result<(), OpenError> {
        let held: BTreeSet<u64> = self.held().collect();
        let empty = |(segment, _, shape): &(Arc<Segment>, Option<u64>, Seen)| {
            held.contains(&segment.id) && matches!(shape, Seen::Open(scan) if scan.frames.is_empty())
        };
        let empty: Vec<Arc<Segment>> =
            self.shapes.extract_if(.., |shape| empty(shape)).map(|(segment, ..)| segment).collect();
        for segment in empty {
            amend::set_aside(folder, &segment)?;
            self.segments.retain(|other| other.id != segment.id);
        }
        Ok(())
    }

    /// The highest sequence number that some later header says was synced.
    fn proven(&self) -> u64 {
        self.highest(|opening| opening.proven, |head| head.proven)
    }

    /// The highest that some header says is erased.
    fn erased(&self) -> u64 {
        self.highest(|opening| opening.erased, |head| head.erased)
    }

    fn highest(&self, of_opening: fn(&Opening) -> u64, of_head: fn(&Head) -> u64) -> u64 {
        let by_openings = self.openings.iter().map(of_opening);
        let by_frames = self.shapes.iter().flat_map(|(_, _, shape)| match shape {
            Seen::Closed(footer) => vec![of_head(&footer.header.head)],
            Seen::Open(scan) => scan.frames.iter().map(|found| of_head(&found.header.head)).collect(),
        });
        by_openings.chain(by_frames).max().unwrap_or(0)
    }
}

/// One segment without a footer: what of it stays.
struct Mending<'a> {
    folder: &'a Folder,
    segment: &'a Segment,
    proven: u64,
    limit: Option<u64>,
}

impl Mending<'_> {
    /// Returns the frames that stay, damaged proven ones among them.
    fn mend(&self, scan: segment::Scan, report: &mut OpenReport) -> Result<Vec<Found>, OpenError> {
        let begins = self.segment.opening().map_or(0, |opening| opening.proven);
        let last = scan.frames.iter().map(|found| found.header.head.last()).fold(begins, u64::max);
        let mut cut_at = None;
        let mut kept: Vec<Found> = Vec::new();
        for found in scan.frames {
            let (head, verdict) = (found.header.head, found.verdict);
            let proven = head.last() <= self.proven;
            if verdict.table && verdict.plain && (verdict.erasable || proven) {
                kept.push(found);
            } else if head.kind == Kind::Footer || !proven {
                cut_at = Some(found.offset);
                break;
            } else {
                self.quarantine(found.offset, found.header.len(), report)?;
                kept.push(found);
            }
        }
        for gap in &scan.gaps {
            let tail = gap.offset + gap.len >= scan.end;
            let proven = if tail { last < self.proven } else { cut_at.is_none_or(|cut| gap.offset < cut) };
            if proven {
                self.quarantine(gap.offset, gap.len, report)?;
            } else {
                cut_at = Some(cut_at.map_or(gap.offset, |cut| cut.min(gap.offset)));
            }
        }
        if let Some(limit) = self.limit
            && scan.end < limit
        {
            losses::note(self.folder, Loss::Tail(self.segment.id, scan.end))?;
        }
        match (cut_at, self.limit) {
            (Some(from), _) => {
                let len = scan.end - from;
                report.cut += len;
                self.copy(from, self.segment.without_erasable(from, len), "cut")?;
                self.cut(from)?;
            }
            (None, Some(limit)) => self.cut(limit.min(scan.end))?,
            (None, None) => {}
        }
        // What is kept counts from now on, so it must be on disk, also after a process that died before its sync.
        self.segment.file.sync_all().map_err(at(&self.segment.path))?;
        Ok(kept)
    }

    fn quarantine(&self, offset: u64, len: u64, report: &mut OpenReport) -> Result<(), OpenError> {
        report.quarantined.push(format!("{:x}:{offset}", self.segment.id));
        self.copy(offset, self.segment.salvage(offset, len), "damaged")
    }

    fn copy(&self, offset: u64, bytes: io::Result<Vec<u8>>, what: &str) -> Result<(), OpenError> {
        let bytes = bytes.map_err(at(&self.segment.path))?;
        self.folder.keep(&format!("{:016x}-{offset:012x}.{what}", self.segment.id), &bytes)
    }

    fn cut(&self, len: u64) -> Result<(), OpenError> {
        if self.segment.len().map_err(at(&self.segment.path))? > len {
            self.folder.io().cut(&self.segment.file, len).map_err(at(&self.segment.path))?;
        }
        Ok(())
    }
}

/// Whether nothing stands in a segment that a key could point to, not even damaged.
fn is_bare(source: &Source) -> io::Result<bool> {
    let Shape::Open(frames) = &source.shape else { return Ok(false) };
    let proofs = frames.iter().all(|found| found.header.head.kind == Kind::Proof);
    let known: u64 = frames.iter().map(|found| found.header.len()).sum();
    Ok(proofs && source.segment.len()? <= segment::START + known)
}

/// Gives a segment that the last run left open its footer, or one that has lost it its trailer.
/// What only the index knows of it is written there too.
fn close(folder: &Folder, source: &Source, amended: &[Change], erased: u64) -> Result<(), OpenError> {
    let Shape::Open(frames) = &source.shape else { return Ok(()) };
    let write = |bytes: &[u8], offset: u64| {
        let (io, file) = (folder.io(), &source.segment.file);
        io.write(file, bytes, offset).and_then(|()| io.sync(file)).map_err(at(&source.segment.path))
    };
    let len = source.segment.len().map_err(at(&source.segment.path))?;
    if let Some(footer) = frames.last().filter(|found| found.header.head.kind == Kind::Footer && amended.is_empty()) {
        let (trailer, end) = (segment::trailer(footer.offset), footer.offset + footer.header.len());
        if len == end || len == end + trailer.len() as u64 {
            return write(&trailer, end);
        }
    }
    let Some(found) = frames.iter().rfind(|found| found.header.head.kind == Kind::Group) else { return Ok(()) };
    let mut changes = source.all().map_err(unreadable(&source.segment.path))?;
    changes.extend_from_slice(amended);
    let mut entries = Vec::new();
    for change in &changes {
        frame::footer_entry(change, &mut entries);
    }
    let last = source.last();
    let head =
        Head { kind: Kind::Footer, first: last.saturating_add(1), count: 0, proven: last, erased, ..found.header.head };
    let mut bytes = frame::footer(&head, &entries, changes.len());
    bytes.extend(segment::trailer(len));
    write(&bytes, len)
}

fn unreadable(path: &Path) -> impl FnOnce(ReplayError) -> OpenError + use<> {
    let at = at(path);
    move |error| match error {
        ReplayError::Journal(cause) => at(cause),
        ReplayError::Index(error) => at(io::Error::other(error)),
    }
}
