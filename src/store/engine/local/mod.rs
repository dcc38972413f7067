//! The engine on this machine: the journal is the truth, the index is made from it, large bodies are files.
//!
//! | file | owns |
//! |---|---|
//! | io | the system calls that durability rests on |
//! | folder | the data folder: lock, layout, room, the note on the index |
//! | claim | a folder that is ours, before recovery |
//! | frame | bytes of a frame; pure |
//! | segment | one file of the journal: opening, values, scan, footer |
//! | journal | the writing end: append, sync, rotate, replace after an error |
//! | erase | overwrites superseded values in erasable spaces |
//! | index, tree | key to place, in memory or on disk |
//! | young, run, layers | the parts of the index on disk: in sled, and sorted files |
//! | merge, filter, live, floor | streams as one; sets of keys; what counts of each segment; where keys begin to count |
//! | replay, build | journal to index |
//! | recovery, belief, amend | what happens at start; whether the index can be believed |
//! | losses | parts of the journal that are gone, until they are put back or given up |
//! | group | batches on their way into one frame |
//! | committer | the one thread that commits groups |
//! | compact, choice, tombstones | gives back the room of what counts no more; which segment next; which deletions must be told on |
//! | pin | the journal at one moment, for backup and check |
//! | survey | the same of a journal that nobody has open |
//! | heal | a copy of a segment, made good from an older one |
//! | bodies | body files |

mod amend;
mod at_hand;
mod belief;
pub(super) mod bodies;
mod build;
mod choice;
pub(super) mod claim;
mod committer;
mod compact;
mod erase;
mod filter;
mod floor;
mod folder;
mod frame;
mod group;
pub mod heal;
mod index;
mod io;
mod journal;
mod layers;
mod live;
pub(super) mod losses;
mod merge;
pub mod pin;
mod recovery;
mod replay;
mod run;
mod segment;
pub mod survey;
#[cfg(test)]
mod tests;
mod tombstones;
mod tree;
mod young;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::base::{Entropy, MessageId};
use crate::metrics::Commits;

use super::super::{Compacted, Counts, Health, OpenError, OpenReport, Room, StoreError, Trouble};
use super::body::{Bodies, BodyReader, BodyWriter, SealedBody};
use super::{Batch, BodyRefused, CommitError, Key, Space, Versioned, Write};
use bodies::Files;
use claim::Claim;
use committer::{Committer, Request, Waiting};
use compact::{Ask, Compactor, Pace};
use erase::Erasures;
use folder::Folder;
use frame::Place;
use index::{Index, IndexError};
use io::Io;
use journal::Segments;
use losses::Losses;
use recovery::{Recovered, recover};

const IDLE: Duration = Duration::from_secs(1);
const SEGMENT_SIZE: u64 = 64 << 20;
/// Bytes of one batch; more than any mail's records need.
const MAX_BATCH: usize = 32 << 20;
const MAX_KEY: usize = 128;

/// See the module.
#[derive(Debug)]
pub struct Local {
    shared: Arc<Shared>,
    /// `None` once dropping.
    requests: Option<Sender<Request>>,
    committer: Option<JoinHandle<()>>,
    compactor: Mutex<Option<Compaction>>,
}

/// The thread that compacts.
#[derive(Debug)]
struct Compaction {
    asks: Sender<Ask>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Compaction {
    fn start(shared: &Arc<Shared>, requests: &Sender<Request>, pace: Pace) -> std::io::Result<Self> {
        let ((asks, asked), stop) = (channel(), Arc::new(AtomicBool::new(false)));
        let compactor = Compactor::new(Arc::clone(shared), requests.clone(), asked, Arc::clone(&stop), pace);
        let thread = std::thread::Builder::new().name("compactor".to_owned()).spawn(move || compactor.run())?;
        Ok(Self { asks, stop, thread })
    }

    /// Waits for the step under way.
    fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(self.asks);
        // One that panicked holds nothing any more.
        let _ = self.thread.join();
    }
}

/// What readers and the committer share.
#[derive(Debug)]
struct Shared {
    folder: Folder,
    min_free: u64,
    segments: Arc<Segments>,
    index: RwLock<Option<Arc<Index>>>,
    gate: AtomicU8,
    commits: AtomicU64,
    syncs: Arc<AtomicU64>,
    erasures: Arc<Erasures>,
    files: Arc<Files>,
    losses: Losses,
    metrics: Commits,
}

/// What the journal takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Gate {
    Ready = 0,
    /// A segment failed and is being replaced.
    NoIntake = 1,
    /// Nothing any more, after a failure.
    Dead = 2,
    /// Nothing any more, as asked.
    Stopped = 3,
}

/// A key as the journal and the index hold it: space number, then its bytes.
fn raw(key: &Key) -> Vec<u8> {
    [&[key.space as u8], key.bytes.as_slice()].concat()
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::NotReady("interrupted".to_owned())),
    }
}

impl Shared {
    /// `None` while it is being rebuilt, and after the end.
    fn index(&self) -> Option<Arc<Index>> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put_index(&self, index: Index) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(index));
    }

    fn take_index(&self) -> Option<Arc<Index>> {
        self.index.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn gate(&self) -> Gate {
        match self.gate.load(Ordering::SeqCst) {
            0 => Gate::Ready,
            1 => Gate::NoIntake,
            3 => Gate::Stopped,
            _ => Gate::Dead,
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.gate(), Gate::Dead | Gate::Stopped)
    }

    fn set_gate(&self, gate: Gate) {
        self.gate.store(gate as u8, Ordering::SeqCst);
    }

    fn health(&self) -> Health {
        self.trouble().map_or(Health::Ready, Trouble::health)
    }

    /// The worst of what is wrong.
    fn trouble(&self) -> Option<Trouble> {
        self.closure().or_else(|| match self.gate() {
            Gate::Ready if self.files.is_broken() => Some(Trouble::Bodies),
            Gate::Ready if self.is_full() => Some(Trouble::Full),
            Gate::Ready => None,
            _ => Some(Trouble::Segment),
        })
    }

    /// What is wrong so that it is closed. Asks no disk.
    fn closure(&self) -> Option<Trouble> {
        match self.gate() {
            Gate::Dead => Some(Trouble::Failed),
            Gate::Stopped => Some(Trouble::Closed),
            _ if self.index().is_none() => Some(Trouble::Rebuilding),
            Gate::NoIntake | Gate::Ready => None,
        }
    }

    fn readable(&self) -> Result<Arc<Index>, StoreError> {
        let index = if self.has_ended() { None } else { self.index() };
        index.ok_or_else(|| StoreError::NotReady("it is closed, or its index is being rebuilt".to_owned()))
    }

    fn value(&self, place: &Place) -> Result<Versioned, StoreError> {
        let damaged = |why: &str| StoreError::Damaged(format!("{:x}:{} {why}", place.segment, place.offset));
        let segment = self.segments.get(place.segment).ok_or_else(|| damaged("is in a segment that is missing"))?;
        match segment.value(place) {
            Ok(Some(value)) => Ok(Versioned { value, version: place.sequence }),
            Ok(None) => Err(damaged("does not have its checksum")),
            Err(error) => Err(damaged(&error.to_string())),
        }
    }

    /// The value of a key that `index` had at `place` a moment ago. One that is superseded meanwhile is overwritten at once: what
    /// cannot be read there is damage only if the index still says the same.
    fn current(
        &self,
        index: &Arc<Index>,
        key: &[u8],
        mut place: Place,
    ) -> Result<Result<Option<Versioned>, StoreError>, IndexError> {
        loop {
            let error = match self.value(&place) {
                Ok(value) => return Ok(Ok(Some(value))),
                Err(error) => error,
            };
            match index.get(key)? {
                Some(now) if now != place => place = now,
                Some(_) if self.index().is_some_and(|current| Arc::ptr_eq(&current, index)) => return Ok(Err(error)),
                // An index that is being replaced was not told.
                Some(_) => return Ok(Err(StoreError::NotReady("its index is being rebuilt".to_owned()))),
                None => return Ok(Ok(None)),
            }
        }
    }

    fn is_full(&self) -> bool {
        self.folder.is_full(self.min_free)
    }

    fn has_room(&self) -> Result<(), StoreError> {
        if self.is_full() {
            return Err(StoreError::Full(format!("less than {} bytes, or hardly an inode, are free", self.min_free)));
        }
        Ok(())
    }
}

/// What only tests and benchmarks choose.
#[derive(Debug, Clone)]
struct Options {
    io: Io,
    /// A segment is closed once it is this long.
    segment_size: u64,
    /// After this long without a commit a proof frame is written.
    idle: Duration,
    pace: Pace,
}

impl Default for Options {
    fn default() -> Self {
        Self { io: Io::default(), segment_size: SEGMENT_SIZE, idle: IDLE, pace: Pace::default() }
    }
}

impl Local {
    /// See [`super::Engine::open_local`].
    pub(super) fn open(claim: Claim, entropy: Arc<dyn Entropy>) -> Result<(Self, OpenReport), OpenError> {
        let Claim { settings, options, folder, lock } = claim;
        let reserve = folder::reserve_for(settings.min_free);
        if folder.free() < reserve {
            // A start writes too, and so does what follows it before a mail is taken.
            folder.release();
        }
        let start = |entropy| -> Result<_, OpenError> {
            let files = Arc::new(Files::open(folder.clone())?);
            Ok((files, recover(&folder, entropy, options.segment_size)?))
        };
        let started = match start(Arc::clone(&entropy)) {
            Err(error) if folder::is_full(&error) && folder.release() => start(entropy),
            started => started,
        };
        let (files, Recovered { mut journal, index, losses, report }) = started?;
        folder.reserve(settings.min_free);
        let shared = Arc::new(Shared {
            losses: Losses::new(folder.clone(), losses),
            folder,
            min_free: settings.min_free,
            segments: Arc::clone(journal.segments()),
            index: RwLock::new(Some(Arc::new(index))),
            gate: AtomicU8::new(Gate::Ready as u8),
            commits: AtomicU64::new(0),
            syncs: journal.syncs(),
            erasures: journal.eraser().counts(),
            files,
            metrics: Commits::default(),
        });
        let (requests, waiting) = channel();
        let committer = Committer::new(Arc::clone(&shared), journal, waiting, options.idle, lock);
        let thread = std::thread::Builder::new().name("committer".to_owned()).spawn(move || committer.run());
        let committer = Some(thread.map_err(folder::at(&settings.folder))?);
        let compactor = Compaction::start(&shared, &requests, options.pace).map_err(folder::at(&settings.folder))?;
        Ok((Self { shared, requests: Some(requests), committer, compactor: Mutex::new(Some(compactor)) }, report))
    }

    /// See [`super::Engine::get`].
    pub(super) async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        if let Ok(found) = self.shared.at_hand(key) {
            return Ok(found);
        }
        let key = raw(key);
        self.read(move |shared, index| {
            let Some(place) = index.get(&key)? else { return Ok(Ok(None)) };
            shared.current(index, &key, place)
        })
        .await
    }

    /// See [`super::Engine::scan`].
    pub(super) async fn scan(
        &self,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Versioned)>, StoreError> {
        let (from, to) = bounds(space, from, to);
        self.read(move |shared, index| {
            let mut found = Vec::new();
            walk(index, from, &to, limit, |key, place| {
                match shared.current(index, &[&[space as u8], key.as_slice()].concat(), place)? {
                    Ok(value) => found.extend(value.map(|value| (key, value))),
                    Err(error) => tracing::error!(?space, %error, "a scan goes on without a damaged record"),
                }
                Ok(limit - found.len())
            })?;
            Ok(Ok(found))
        })
        .await
    }

    /// See [`super::Engine::keys`].
    pub(super) async fn keys(
        &self,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let (from, to) = bounds(space, from, to);
        self.read(move |_, index| {
            let mut found = Vec::new();
            walk(index, from, &to, limit, |key, _| {
                found.push(key);
                Ok(limit - found.len())
            })?;
            Ok(Ok(found))
        })
        .await
    }

    /// Reads where it may block. An index that fails is handed to the committer, to be made again.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared, &Arc<Index>) -> Result<Result<T, StoreError>, IndexError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        let requests = self.requests.clone();
        blocking(move || {
            let index = shared.readable()?;
            work(&shared, &index).unwrap_or_else(|error| {
                if let Some(requests) = requests {
                    // A committer that is gone closed the store already.
                    let _ = requests.send(Request::IndexFailed(Arc::downgrade(&index)));
                }
                Err(StoreError::NotReady(error.to_string()))
            })
        })
        .await
    }

    /// See [`super::Engine::commit`].
    pub(super) async fn commit(&self, batch: Batch) -> Result<u64, CommitError> {
        self.submit(batch, None).await.map_err(|refused| refused.error)
    }

    /// See [`super::Engine::commit_body`].
    pub(super) async fn commit_body(&self, batch: Batch, body: SealedBody) -> Result<u64, BodyRefused> {
        if let Err(error) = self.shared.has_room() {
            return Err(BodyRefused { error: error.into(), body: Some(body) });
        }
        self.submit(batch, Some(body)).await
    }

    async fn submit(&self, batch: Batch, body: Option<SealedBody>) -> Result<u64, BodyRefused> {
        if let Err(error) = self.shared.readable().map(drop).and_then(|()| fits(&batch)) {
            return Err(BodyRefused { error: error.into(), body });
        }
        let (answer, answered) = oneshot::channel();
        let waits = self.shared.metrics.begin();
        let sent = match &self.requests {
            Some(requests) => requests.send(Request::Commit(Waiting { batch, body, answer })).is_ok(),
            None => false,
        };
        let lost = || StoreError::Uncertain("the committer is gone".to_owned());
        let result = answered.await;
        drop(waits);
        match result {
            Ok(result) if sent => result,
            _ => Err(BodyRefused { error: lost().into(), body: None }),
        }
    }

    /// See [`super::Engine::new_body`].
    pub(super) fn new_body(&self, message: MessageId) -> Result<BodyWriter, StoreError> {
        self.shared.readable()?;
        self.shared.has_room()?;
        Ok(BodyWriter::new(message, Bodies::Files(Arc::clone(&self.shared.files))))
    }

    /// See [`super::Engine::open_body`].
    pub(super) async fn open_body(&self, message: MessageId) -> Result<Option<BodyReader>, StoreError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            shared.readable()?;
            Ok(shared.files.get(message)?.map(|(file, len)| BodyReader::file(file, len)))
        })
        .await
    }

    /// See [`super::Engine::remove_body`].
    pub(super) async fn remove_body(&self, message: MessageId) -> Result<(), StoreError> {
        let files = Arc::clone(&self.shared.files);
        blocking(move || files.remove(message)).await
    }

    /// See [`super::Engine::bodies`].
    pub(super) async fn bodies(&self) -> Result<Vec<MessageId>, StoreError> {
        let files = Arc::clone(&self.shared.files);
        blocking(move || files.all().map_err(|error| StoreError::Damaged(format!("bodies: {error}")))).await
    }

    /// See [`super::Engine::health`].
    pub(super) fn health(&self) -> Health {
        self.shared.health()
    }

    /// See [`super::Engine::trouble`].
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.shared.trouble()
    }

    /// See [`super::Engine::is_open`].
    pub(super) fn is_open(&self) -> bool {
        self.shared.closure().is_none()
    }

    /// See [`super::Engine::commits`].
    pub(super) fn commits(&self) -> Commits {
        self.shared.metrics.clone()
    }

    /// See [`super::Engine::room`].
    pub(super) fn room(&self) -> Room {
        let shared = &self.shared;
        let len = |segment: &Arc<segment::Segment>| segment.file.metadata().map_or(0, |meta| meta.len());
        Room {
            free: shared.folder.free(),
            min_free: shared.min_free,
            journal: shared.segments.all().iter().map(len).sum(),
        }
    }

    /// See [`super::Engine::counts`].
    pub(super) fn counts(&self) -> Counts {
        Counts {
            commits: self.shared.commits.load(Ordering::Relaxed),
            syncs: self.shared.syncs.load(Ordering::Relaxed),
            erased: self.shared.erasures.values.load(Ordering::Relaxed),
            erase_syncs: self.shared.erasures.syncs.load(Ordering::Relaxed),
        }
    }

    /// See [`super::Engine::compact`].
    pub(super) async fn compact(&self) -> Result<Compacted, StoreError> {
        self.pass(true).await
    }

    /// What the compactor does by itself now and then, done now.
    #[cfg(test)]
    async fn look(&self) -> Result<Compacted, StoreError> {
        self.pass(false).await
    }

    async fn pass(&self, all: bool) -> Result<Compacted, StoreError> {
        let (answer, answered) = oneshot::channel();
        if let Some(compaction) = &*self.compaction() {
            // One that is gone drops the answer.
            let _ = compaction.asks.send(Ask { all, answer });
        }
        answered.await.unwrap_or_else(|_| Err(StoreError::NotReady("it is closed".to_owned())))
    }

    fn compaction(&self) -> MutexGuard<'_, Option<Compaction>> {
        self.compactor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`super::Engine::fail_overwrite`].
    #[cfg(test)]
    pub(super) fn fail_overwrite(&self) {
        self.shared.folder.io().faults.add(io::faults::Call::Overwrite, std::io::ErrorKind::Other);
    }

    /// See [`super::Engine::close`].
    pub(super) async fn close(&self) {
        let compaction = self.compaction().take();
        if let Some(compaction) = compaction {
            let _ = blocking(move || {
                compaction.end();
                Ok(())
            })
            .await;
        }
        let (done, closed) = oneshot::channel();
        if let Some(requests) = &self.requests
            && requests.send(Request::Close(done)).is_ok()
        {
            // An error only means that it closed before.
            let _ = closed.await;
        }
    }
}

impl Drop for Local {
    /// Waits for the committer: the folder is free for the next one when this returns.
    fn drop(&mut self) {
        let compaction = self.compaction().take();
        if let Some(compaction) = compaction {
            compaction.end();
        }
        drop(self.requests.take());
        if let Some(thread) = self.committer.take() {
            // A committer that panicked has closed the store.
            let _ = thread.join();
        }
    }
}

/// A range of keys within a space, as the index knows them.
fn bounds(space: Space, from: &[u8], to: Option<&[u8]>) -> (Vec<u8>, Vec<u8>) {
    let space = space as u8;
    let to = to.map_or_else(|| vec![space + 1], |to| [&[space], to].concat());
    ([&[space], from].concat(), to)
}

/// Gives `each` the keys (without their space) of a range in order, until it wants no more: it says how many it still wants.
fn walk(
    index: &Index,
    mut from: Vec<u8>,
    to: &[u8],
    mut wanted: usize,
    mut each: impl FnMut(Vec<u8>, Place) -> Result<usize, IndexError>,
) -> Result<(), IndexError> {
    while wanted > 0 {
        let entries = index.range(&from, to, wanted)?;
        let Some((last, _)) = entries.last() else { break };
        // The first key behind the last one.
        from = [last.as_slice(), &[0]].concat();
        for (key, place) in entries {
            wanted = each(key.get(1..).unwrap_or_default().to_vec(), place)?;
        }
    }
    Ok(())
}

/// Whether the journal takes a batch of this size.
fn fits(batch: &Batch) -> Result<(), StoreError> {
    let size = |write: &Write| match write {
        Write::Put(key, value) => (key.bytes.len(), value.len()),
        Write::Delete(key) => (key.bytes.len(), 0),
    };
    let total: usize = batch.writes.iter().map(|write| size(write).0 + size(write).1).sum();
    if total > MAX_BATCH || batch.writes.iter().any(|write| size(write).0 > MAX_KEY) {
        return Err(StoreError::TooLarge(format!("a batch of {total} bytes, or one of its keys")));
    }
    Ok(())
}
