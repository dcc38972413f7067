//! Compaction: what still counts of a mostly dead segment is written anew, then the segment goes.
//!
//! In this order, so that a stop at any moment loses nothing and brings nothing back:
//!
//! 1. Each record that the index finds in the segment goes through the committer as a *move*: the same key, value and version, if the index
//!    still says so then. A tombstone goes along while an older segment may hold its key.
//! 2. The index is flushed: from then on no start finds the segment's number in it. Nothing of the segment may count any more by
//!    the index's own tally; a remainder means that the index forgot a record, and then the index goes, not the segment.
//! 3. Zeros over what is left of erasable values; the file is removed; the folder is synced.
//!
//! Until 3 the segment is as good as before: a stop leaves records twice, the later ones count. Little is read and written at a time,
//! with a pause after it.

use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use tokio::sync::oneshot;

use super::super::super::{Compacted, StoreError};
use super::Shared;
use super::choice::{Size, choose};
use super::committer::{Moving, Request};
use super::filter::Filter;
use super::index::{Index, IndexError};
use super::live::cost;
use super::replay::Source;
use super::segment::{Entry, Segment};

/// Bytes that are moved at a time.
const STEP: usize = 256 << 10;
/// Room beside the bytes that are moved: for the index, footer and opening.
const MARGIN: u64 = 2 << 20;
/// Of a filter of the keys of one segment: one wrong "perhaps" in ten thousand.
const FILTER_BITS: u32 = 20;

/// How compaction goes about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Looks for work this often.
    pub every: Duration,
    /// The pause after each step: 16 ms make it 16 MiB a second at most.
    pub pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { every: Duration::from_secs(10), pause: Duration::from_millis(16) }
    }
}

/// Someone who wants it done now.
pub(super) type Ask = oneshot::Sender<Result<Compacted, StoreError>>;

/// A record to write anew.
#[derive(Debug)]
pub(super) struct Move {
    /// Where it stands, or `None`: it tells that the key was deleted.
    pub entry: Entry,
    /// As it stands there.
    pub value: Vec<u8>,
}

/// Why one segment, or all, must wait.
#[derive(Debug, thiserror::Error)]
enum Halt {
    #[error("the store has ended, or its index is being rebuilt")]
    Ended,
    #[error("there is no room for what has to be moved")]
    NoRoom,
    #[error("{0}")]
    Damaged(String),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Disk(#[from] std::io::Error),
}

/// The thread's state.
#[derive(Debug)]
pub(super) struct Compactor {
    shared: Arc<Shared>,
    requests: Sender<Request>,
    asks: Receiver<Ask>,
    stop: Arc<AtomicBool>,
    pace: Pace,
    /// The keys of segments, for tombstones.
    keys: BTreeMap<u64, Filter>,
    /// What counted of segments that were looked at in vain.
    spared: BTreeMap<u64, u64>,
}

impl Compactor {
    pub(super) fn new(
        shared: Arc<Shared>,
        requests: Sender<Request>,
        asks: Receiver<Ask>,
        stop: Arc<AtomicBool>,
        pace: Pace,
    ) -> Self {
        Self { shared, requests, asks, stop, pace, keys: BTreeMap::new(), spared: BTreeMap::new() }
    }

    /// Until nobody can ask any more.
    pub(super) fn run(mut self) {
        loop {
            let ask = match self.asks.recv_timeout(self.pace.every) {
                Ok(ask) => Some(ask),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let done = self.pass(ask.is_some());
            match (&done, ask) {
                (_, Some(ask)) => drop(ask.send(done.map_err(|halt| StoreError::NotReady(halt.to_string())))),
                (Err(error), None) => tracing::warn!(%error, "compaction waits"),
                (Ok(_), None) => {}
            }
        }
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::SeqCst) || self.shared.has_ended()
    }

    fn index(&self) -> Result<Arc<Index>, Halt> {
        self.shared.index().filter(|_| !self.is_over()).ok_or(Halt::Ended)
    }

    /// One segment after the other, the most worthwhile first. When asked for, whatever gives room back.
    fn pass(&mut self, asked: bool) -> Result<Compacted, Halt> {
        if asked {
            self.spared.clear();
            // So that what was superseded a moment ago counts no more.
            self.index()?.flush()?;
        }
        let mut done = Compacted::default();
        // What is moved into new segments is not moved again, so this ends.
        let newest = self.shared.segments.all().last().map_or(0, |segment| segment.id);
        while let Some(segment) = self.next(asked, newest)? {
            match self.compact(&segment, asked) {
                Ok(Some(moved)) => {
                    done.segments += 1;
                    done.moved += moved.0;
                    done.freed += moved.1;
                    tracing::info!(segment = segment.id, moved = moved.0, freed = moved.1, "a segment is compacted");
                }
                Ok(None) => {}
                Err(Halt::Damaged(error)) => {
                    tracing::error!(segment = segment.id, %error, "a segment is not compacted");
                }
                Err(halt) => {
                    // Where there is no room another may need less. All else passes, and then this one is tried again.
                    if !matches!(halt, Halt::NoRoom) {
                        self.spared.remove(&segment.id);
                    }
                    return Err(halt);
                }
            }
        }
        Ok(done)
    }

    /// The segment to compact next; it is not chosen again until less of it counts.
    fn next(&mut self, asked: bool, newest: u64) -> Result<Option<Arc<Segment>>, Halt> {
        let Some(live) = self.index()?.live() else { return Ok(None) };
        let all = self.shared.segments.all();
        // The last one is open.
        let (_, closed) = all.split_last().ok_or(Halt::Ended)?;
        let condemned = self.shared.segments.condemned();
        let mut sizes = Vec::new();
        for segment in closed {
            let (len, live) = (segment.len()?, live.of(segment.id).bytes);
            let condemned = condemned.contains(&segment.id);
            let spared = self.spared.get(&segment.id).is_some_and(|before| live >= before.saturating_sub(len / 20));
            // One before it that has no footer ends where this one's opening says.
            let needed = segment.opening().is_some_and(|opening| {
                self.shared.segments.get(opening.previous).is_some_and(|before| before.footer_head().is_none())
            });
            let barred = spared || needed || segment.id > newest;
            sizes.push(Size { segment: segment.id, len, live, condemned, barred });
        }
        let Some(chosen) = choose(&sizes, asked, self.shared.is_full()) else { return Ok(None) };
        self.spared.insert(chosen, live.of(chosen).bytes);
        Ok(self.shared.segments.get(chosen))
    }

    /// Returns the bytes that were moved and those that came free; `None` when it is not worth while.
    fn compact(&mut self, segment: &Arc<Segment>, asked: bool) -> Result<Option<(u64, u64)>, Halt> {
        let len = segment.len()?;
        let Some(entries) = segment.entries()? else { return Err(Halt::Damaged("a frame's table".to_owned())) };
        let needed = self.needed(segment.id, &entries)?;
        let size = |entry: &&Entry| cost(&entry.change.key, entry.change.place.map_or(0, |place| place.len));
        let moved: u64 = needed.iter().map(size).sum();
        let share = if asked { 95 } else { 80 };
        if moved > len / 100 * share && !self.shared.segments.is_condemned(segment.id) {
            return Ok(None);
        }
        self.make_room(moved + MARGIN)?;
        self.move_all(segment, needed)?;
        self.let_go(segment)?;
        self.remove(segment, &entries)?;
        Ok(Some((moved, len)))
    }

    /// What must not go with a segment.
    fn needed<'a>(&mut self, id: u64, entries: &'a [Entry]) -> Result<Vec<&'a Entry>, Halt> {
        let index = self.index()?;
        let mut needed = Vec::new();
        for entry in entries {
            let now = index.get(&entry.change.key)?;
            let stays = match entry.change.place {
                Some(place) => now == Some(place),
                None => now.is_none() && self.may_stand_before(id, &entry.change.key)?,
            };
            if stays {
                needed.push(entry);
            }
        }
        Ok(needed)
    }

    /// Whether a segment older than `id` may hold `key`.
    fn may_stand_before(&mut self, id: u64, key: &[u8]) -> Result<bool, Halt> {
        for segment in self.shared.segments.all().into_iter().take_while(|segment| segment.id < id) {
            let known = match self.keys.entry(segment.id) {
                btree_map::Entry::Occupied(known) => known.into_mut(),
                btree_map::Entry::Vacant(unknown) => unknown.insert(keys(&segment)?),
            };
            if known.may_hold(key) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is moved comes before what is freed: the reserve is for that.
    fn make_room(&self, bytes: u64) -> Result<(), Halt> {
        let folder = &self.shared.folder;
        if folder.free() < bytes {
            folder.release();
        }
        if folder.free() < bytes { Err(Halt::NoRoom) } else { Ok(()) }
    }

    fn move_all(&self, segment: &Segment, needed: Vec<&Entry>) -> Result<(), Halt> {
        let (mut moves, mut bytes) = (Vec::new(), 0);
        for entry in needed {
            let Some(value) = self.value(segment, entry)? else { continue };
            bytes += entry.change.key.len() + value.len();
            moves.push(Move { entry: entry.clone(), value });
            if bytes >= STEP {
                self.step(std::mem::take(&mut moves))?;
                bytes = 0;
            }
        }
        self.step(moves)
    }

    /// The bytes of a record; `None` when it was superseded meanwhile.
    fn value(&self, segment: &Segment, entry: &Entry) -> Result<Option<Vec<u8>>, Halt> {
        let Some(place) = entry.change.place else { return Ok(Some(Vec::new())) };
        if let Some(value) = segment.value(&place)? {
            return Ok(Some(value));
        }
        let gone = self.index()?.get(&entry.change.key)? != Some(place);
        if gone { Ok(None) } else { Err(Halt::Damaged(format!("the value at {}", place.offset))) }
    }

    /// One commit of moves, and a pause.
    fn step(&self, moves: Vec<Move>) -> Result<(), Halt> {
        #[cfg(test)]
        self.shared.folder.io().faults.take(super::io::faults::Call::Move)?;
        if moves.is_empty() {
            return Ok(());
        }
        if self.is_over() {
            return Err(Halt::Ended);
        }
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request::Move(Moving { moves, answer })).map_err(|_| Halt::Ended)?;
        match answered.blocking_recv() {
            Ok(Ok(_)) => {}
            Ok(Err(refused)) => return Err(Halt::Disk(std::io::Error::other(refused.error))),
            Err(_) => return Err(Halt::Ended),
        }
        std::thread::sleep(self.pace.pause);
        Ok(())
    }

    /// Makes sure that neither the index nor a start to come looks for anything in a segment.
    fn let_go(&self, segment: &Segment) -> Result<(), Halt> {
        let index = self.index()?;
        let flushed = index.flush();
        let left = index.live().map(|live| live.of(segment.id).records);
        if flushed.is_ok() && left == Some(0) {
            return Ok(());
        }
        // The committer makes another.
        let _ = self.requests.send(Request::IndexFailed(Arc::downgrade(&index)));
        flushed?;
        Err(Halt::Index(IndexError(format!("{left:?} records of segment {:x} were forgotten", segment.id))))
    }

    fn remove(&mut self, segment: &Arc<Segment>, entries: &[Entry]) -> Result<(), Halt> {
        let io = self.shared.folder.io();
        if let Err(error) = erase(segment, entries, io) {
            // One that cannot be written any more can only go as it is.
            tracing::warn!(segment = segment.id, %error, "a segment goes without being overwritten");
        }
        #[cfg(test)]
        io.faults.take(super::io::faults::Call::Remove)?;
        self.shared.folder.note_removed(segment.id)?;
        // Whoever looks for a value there looks in the index again, and then elsewhere.
        std::fs::remove_file(&segment.path)?;
        self.shared.segments.remove(segment.id);
        self.keys.remove(&segment.id);
        self.spared.remove(&segment.id);
        // A segment that comes back after a power cut would bring back what a tombstone that went later told. So nothing else goes
        // until this is known to stay.
        io.sync_folder(&self.shared.folder.journal()).inspect_err(|_| self.stop.store(true, Ordering::SeqCst))?;
        Ok(())
    }
}

/// The keys of one segment.
fn keys(segment: &Arc<Segment>) -> Result<Filter, Halt> {
    let changes = Source::of(Arc::clone(segment))?.all().map_err(|error| Halt::Damaged(error.to_string()))?;
    let mut filter = Filter::new(changes.len() as u64, FILTER_BITS);
    for change in &changes {
        filter.add(&change.key);
    }
    Ok(filter)
}

/// Zeros over the erasable values that still stand in a segment.
fn erase(segment: &Segment, entries: &[Entry], io: &super::io::Io) -> std::io::Result<()> {
    let mut any = false;
    for place in entries.iter().filter(|entry| entry.erasable).filter_map(|entry| entry.change.place) {
        let bytes = segment.bytes(place.offset, place.len.into())?;
        if bytes.iter().any(|byte| *byte != 0) {
            io.overwrite(&segment.file, place.offset, place.len.into())?;
            any = true;
        }
    }
    if any { io.sync_overwritten(&segment.file) } else { Ok(()) }
}
