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
//! A value that is damaged goes along as it is, with the checksum that it should have: it stays damaged, and no older one comes back.
//! Where neither frames nor footer tell what a segment holds, the index does.
//!
//! Until 3 the segment is as good as before: a stop leaves records twice, the later ones count. Little is read and written at a time,
//! with a pause after it.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use tokio::sync::oneshot;

use super::super::super::{Compacted, StoreError};
use super::choice::{Size, choose, is_behind, is_worth};
use super::committer::{Moving, Request};
use super::index::{Index, IndexError};
use super::live::cost;
use super::replay::ReplayError;
use super::segment::{Entry, Segment};
use super::tombstones::{Held, Tombstones};
use super::{Shared, amend};

/// Bytes that are moved at a time. Each waits for its turn among the commits.
const STEP: usize = 256 << 10;
/// The same when it lags behind: in small steps a store that is written to at full speed would outrun it.
const LONG_STEP: usize = 1 << 20;
/// Room beside the bytes that are moved: for the index, footer and opening.
const MARGIN: u64 = 2 << 20;

/// How compaction goes about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Looks for work this often.
    pub every: Duration,
    /// The pause after each step: 16 ms make it 16 MiB a second at most, or 64 when it lags behind.
    pub pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { every: Duration::from_secs(10), pause: Duration::from_millis(16) }
    }
}

/// Someone who waits for a pass.
#[derive(Debug)]
pub(super) struct Ask {
    /// Whatever gives room back; else only what is due by itself.
    pub all: bool,
    pub answer: oneshot::Sender<Result<Compacted, StoreError>>,
}

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
    #[error("the index forgot {0} records of a segment")]
    Forgotten(u64),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Disk(#[from] std::io::Error),
}

impl From<ReplayError> for Halt {
    fn from(error: ReplayError) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// The thread's state.
#[derive(Debug)]
pub(super) struct Compactor {
    shared: Arc<Shared>,
    requests: Sender<Request>,
    asks: Receiver<Ask>,
    stop: Arc<AtomicBool>,
    pace: Pace,
    tombstones: Tombstones,
    /// Segments that cannot be compacted; tried again when asked for.
    given_up: BTreeSet<u64>,
    step: usize,
    /// Why it last waited, so that the log tells it once.
    waits: Option<String>,
}

impl Compactor {
    pub(super) fn new(
        shared: Arc<Shared>,
        requests: Sender<Request>,
        asks: Receiver<Ask>,
        stop: Arc<AtomicBool>,
        pace: Pace,
    ) -> Self {
        let (tombstones, given_up) = (Tombstones::default(), BTreeSet::new());
        Self { shared, requests, asks, stop, pace, tombstones, given_up, step: STEP, waits: None }
    }

    /// Until nobody can ask any more.
    pub(super) fn run(mut self) {
        loop {
            let ask = match self.asks.recv_timeout(self.pace.every) {
                Ok(ask) => Some(ask),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let done = self.pass(ask.as_ref().is_some_and(|ask| ask.all));
            match (&done, ask) {
                (_, Some(ask)) => drop(ask.answer.send(done.map_err(|halt| StoreError::NotReady(halt.to_string())))),
                (Err(halt), None) => self.say(halt.to_string()),
                (Ok(_), None) => self.waits = None,
            }
        }
    }

    fn say(&mut self, why: String) {
        if self.waits.as_ref() != Some(&why) {
            tracing::warn!(why, "compaction waits");
            self.waits = Some(why);
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
            self.given_up.clear();
            // So that what was superseded a moment ago counts no more.
            self.index()?.flush()?;
        }
        let mut done = Compacted::default();
        // What is moved into new segments is not moved again, so this ends.
        let newest = self.shared.segments.all().last().map_or(0, |segment| segment.id);
        let (mut looked, mut no_room) = (BTreeSet::new(), BTreeSet::new());
        while let Some(segment) = self.next(asked, newest, &looked)? {
            looked.insert(segment.id);
            match self.compact(&segment, asked) {
                Ok(Some(moved)) => {
                    // There is more room now: what found none comes first again, one that should be gone before any other.
                    looked.retain(|id| !no_room.contains(id));
                    no_room.clear();
                    done.segments += 1;
                    done.moved += moved.0;
                    done.freed += moved.1;
                    tracing::info!(segment = segment.id, moved = moved.0, freed = moved.1, "a segment is compacted");
                }
                Ok(None) => {}
                Err(Halt::Damaged(error)) => {
                    tracing::error!(segment = segment.id, %error, "a segment is not compacted");
                    self.given_up.insert(segment.id);
                }
                // Another may need less.
                Err(Halt::NoRoom) => drop(no_room.insert(segment.id)),
                Err(halt) => {
                    if matches!(halt, Halt::Forgotten(_)) {
                        self.given_up.insert(segment.id);
                    }
                    return Err(halt);
                }
            }
        }
        if !no_room.is_empty() && done.segments == 0 { Err(Halt::NoRoom) } else { Ok(done) }
    }

    /// The segment to compact next, each once in a pass.
    fn next(&mut self, asked: bool, newest: u64, looked: &BTreeSet<u64>) -> Result<Option<Arc<Segment>>, Halt> {
        let Some(live) = self.index()?.live() else { return Ok(None) };
        let all = self.shared.segments.all();
        // The last one is open.
        let (_, closed) = all.split_last().ok_or(Halt::Ended)?;
        let (segments, lost) = (&self.shared.segments, self.shared.losses.segments());
        let condemned = segments.condemned();
        let mut sizes = Vec::new();
        for segment in closed {
            let id = segment.id;
            // One before it that has no footer ends where this one's opening says.
            let needed = segment.opening().is_some_and(|opening| {
                self.shared.segments.get(opening.previous).is_some_and(|before| before.footer_head().is_none())
            });
            sizes.push(Size {
                segment: id,
                len: segment.len()?,
                live: live.of(id).bytes,
                held: self.tombstones.held(id, |holder| segments.get(holder).is_some() || lost.contains(&holder)),
                condemned: condemned.contains(&id),
                barred: needed
                    || id > newest
                    || looked.contains(&id)
                    || self.given_up.contains(&id)
                    || self.shared.segments.lists_owed(id),
            });
        }
        self.step = if is_behind(&sizes) { LONG_STEP } else { STEP };
        let chosen = choose(&sizes, asked, self.shared.is_full());
        Ok(chosen.and_then(|id| self.shared.segments.get(id)))
    }

    /// Returns the bytes that were moved and those that came free; `None` when it is not worth while.
    fn compact(&mut self, segment: &Arc<Segment>, asked: bool) -> Result<Option<(u64, u64)>, Halt> {
        let len = segment.len()?;
        let entries = if let Some(entries) = segment.entries()? {
            entries
        } else {
            tracing::error!(segment = segment.id, "a segment is damaged; what counts of it is read from the index");
            amend::remembered(&*self.index()?, segment.id, self.shared.segments.all())?
        };
        let needed = self.needed(segment.id, &entries)?;
        let moved: u64 = needed.iter().map(|entry| size(entry)).sum();
        if !is_worth(moved, len, asked) && !self.shared.segments.is_condemned(segment.id) {
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
        let mut older = self.shared.segments.all();
        older.retain(|segment| segment.id < id);
        self.tombstones.know(&older)?;
        let lost = self.shared.losses.segments();
        let (mut needed, mut held, mut deleted) = (Vec::new(), Held::new(), HashSet::new());
        for entry in entries {
            let key = &entry.change.key;
            let now = index.get(key)?;
            let stays = match entry.change.place {
                Some(place) => now == Some(place),
                // One of several deletions of a key is enough.
                None if now.is_some() || !deleted.insert(key) => false,
                None => {
                    // One that is missing may come back, and hold any key.
                    let missing = || lost.range(..id).next().copied();
                    let holder = self.tombstones.holder(id, key).or_else(missing);
                    if let Some(holder) = holder {
                        *held.entry(holder).or_default() += size(entry);
                    }
                    holder.is_some()
                }
            };
            if stays {
                needed.push(entry);
            }
        }
        self.tombstones.note(id, held);
        Ok(needed)
    }

    /// What is moved comes before what is freed: the reserve is for that.
    fn make_room(&self, bytes: u64) -> Result<(), Halt> {
        let folder = &self.shared.folder;
        #[cfg(test)]
        if folder.io().faults.take(super::io::faults::Call::Room).is_err() {
            return Err(Halt::NoRoom);
        }
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
            if bytes >= self.step {
                self.step(std::mem::take(&mut moves))?;
                bytes = 0;
            }
        }
        self.step(moves)
    }

    /// The bytes of a record; `None` when it was superseded meanwhile.
    fn value(&self, segment: &Segment, entry: &Entry) -> Result<Option<Vec<u8>>, Halt> {
        let Some(place) = entry.change.place else { return Ok(Some(Vec::new())) };
        if let Ok(Some(value)) = segment.value(&place) {
            return Ok(Some(value));
        }
        if self.index()?.get(&entry.change.key)? != Some(place) {
            return Ok(None);
        }
        tracing::error!(segment = segment.id, offset = place.offset, "a damaged value is moved as it is");
        Ok(Some(segment.remains(&place)))
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
        // One that the index never took in is not dead, whatever the index says of it.
        let live = index.live().filter(|live| live.knows(segment.id));
        let left = live.map(|live| live.of(segment.id).records);
        if flushed.is_ok() && left == Some(0) {
            return Ok(());
        }
        // The committer makes another.
        let _ = self.requests.send(Request::IndexFailed(Arc::downgrade(&index)));
        flushed?;
        Err(left.map_or(Halt::Ended, Halt::Forgotten))
    }

    fn remove(&mut self, segment: &Arc<Segment>, entries: &[Entry]) -> Result<(), Halt> {
        let io = self.shared.folder.io();
        if let Err(error) = erase(segment, entries, io) {
            // One that cannot be written any more can only go as it is.
            tracing::warn!(segment = segment.id, %error, "a segment goes without being overwritten");
        }
        #[cfg(test)]
        io.faults.take(super::io::faults::Call::Remove)?;
        let all = self.shared.segments.all();
        let named: BTreeSet<u64> =
            all.iter().filter_map(|segment| segment.opening()).map(|opening| opening.previous).collect();
        self.shared.folder.note_removed(segment.id, |id| named.contains(&id))?;
        // Whoever looks for a value there looks in the index again, and then elsewhere.
        std::fs::remove_file(&segment.path)?;
        self.shared.segments.remove(segment.id);
        self.tombstones.forget(segment.id);
        // A segment that comes back after a power cut would bring back what a tombstone that went later told. So nothing else goes
        // until this is known to stay.
        io.sync_folder(&self.shared.folder.journal()).inspect_err(|_| self.stop.store(true, Ordering::SeqCst))?;
        Ok(())
    }
}

/// Bytes that a record takes.
fn size(entry: &Entry) -> u64 {
    cost(&entry.change.key, entry.change.place.map_or(0, |place| place.len))
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
