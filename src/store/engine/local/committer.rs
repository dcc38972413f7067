//! The one thread that writes the journal: takes all that waits, checks, appends, syncs once, tells the index, answers.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::super::StoreError;
use super::super::body::{Committing, SealedBody};
use super::super::{Batch, BodyRefused, CommitError};
use super::bodies::failed;
use super::compact::Move;
use super::folder::Lock;
use super::frame::{Change, Place};
use super::group::{Accepted, Group};
use super::index::{Index, IndexError};
use super::journal::Journal;
use super::pin::{Moment, Pin};
use super::replay::Source;
use super::{Gate, Shared, belief};

/// Readers hold an index for one read; after ten seconds something is wrong with it.
const RELEASE_TRIES: usize = 10_000;
const RELEASE_PAUSE: Duration = Duration::from_millis(1);

/// What the thread is asked.
#[derive(Debug)]
pub(super) enum Request {
    Commit(Waiting),
    Move(Moving),
    /// The operator wants the index made anew.
    RebuildIndex,
    /// A reader could not use this index. Weak, so that requests which wait do not keep it from being released.
    IndexFailed(Weak<Index>),
    /// Reads the journal while nothing is written.
    Pin(Pin),
    Close(oneshot::Sender<()>),
}

/// Why the index is made again.
#[derive(Debug)]
enum Remake {
    Asked,
    Failed(IndexError),
}

impl From<IndexError> for Remake {
    fn from(error: IndexError) -> Self {
        Self::Failed(error)
    }
}

/// A batch whose caller waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub batch: Batch,
    pub body: Option<SealedBody>,
    pub answer: Answer,
}

/// Records to write anew.
#[derive(Debug)]
pub(super) struct Moving {
    pub moves: Vec<Move>,
    pub answer: Answer,
}

pub(super) type Answer = oneshot::Sender<Result<u64, BodyRefused>>;

/// See the module.
#[derive(Debug)]
pub(super) struct Committer {
    shared: Arc<Shared>,
    journal: Journal,
    requests: Receiver<Request>,
    idle: Duration,
    /// Held until the thread ends.
    _lock: Lock,
    /// An I/O error happened: the note on disk says "rebuild", and stays so.
    tainted: bool,
    /// The segment that the index was told of last.
    told: u64,
    /// An index that failed, until its readers are gone.
    retired: Option<Arc<Index>>,
}

impl Drop for Committer {
    /// However the thread ends, nobody waits for it in vain.
    fn drop(&mut self) {
        if self.shared.gate() != Gate::Stopped {
            self.shared.set_gate(Gate::Dead);
        }
    }
}

impl Committer {
    pub(super) fn new(
        shared: Arc<Shared>,
        journal: Journal,
        requests: Receiver<Request>,
        idle: Duration,
        lock: Lock,
    ) -> Self {
        Self { shared, journal, requests, idle, _lock: lock, tainted: false, told: 0, retired: None }
    }

    /// Serves until asked to close, or until nobody can ask any more.
    pub(super) fn run(mut self) {
        let closed = loop {
            match self.requests.recv_timeout(self.idle) {
                Ok(request) => {
                    if let Some(done) = self.serve(request) {
                        break Some(done);
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.rest(),
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        self.stop();
        drop(self);
        if let Some(done) = closed {
            let _ = done.send(());
        }
    }

    /// One group: `first` and all that waits behind it.
    fn serve(&mut self, first: Request) -> Option<oneshot::Sender<()>> {
        let mut group = Group::new(!self.shared.losses.is_empty());
        let (mut closing, mut broken, mut pins) = (None, None::<Remake>, Vec::new());
        let mut next = Some(first);
        while let Some(request) = next.take() {
            match request {
                Request::Commit(waiting) => {
                    if let Err(error) = self.admit(&mut group, waiting) {
                        broken = Some(error.into());
                    }
                }
                Request::Move(moving) => {
                    if let Err(error) = self.admit_moves(&mut group, moving) {
                        broken = Some(error.into());
                    }
                }
                Request::IndexFailed(index) => {
                    // Unless it was replaced since.
                    if self.shared.index().is_some_and(|current| Arc::as_ptr(&current) == index.as_ptr()) {
                        broken = Some(IndexError("a reader could not use it".to_owned()).into());
                    }
                }
                Request::RebuildIndex => broken = self.shared.index().map(|_| Remake::Asked),
                Request::Pin(pin) => pins.push(pin),
                Request::Close(done) => closing = Some(done),
            }
            if closing.is_none() && broken.is_none() && !group.is_full() {
                next = self.requests.try_recv().ok();
            }
        }
        if let Err(error) = self.commit(group) {
            broken = Some(error.into());
        }
        if let Some(why) = broken {
            self.rebuild(&why);
        }
        if self.shared.has_ended() {
            return closing;
        }
        for Pin(work) in pins {
            work(self.moment());
        }
        match self.journal.rotate() {
            Ok(false) => {}
            Ok(true) => self.flush_index(),
            Err(error) => self.poisoned(Group::default(), &error),
        }
        closing
    }

    fn moment(&self) -> io::Result<Moment> {
        let (files, last) = (self.journal.files()?, self.journal.synced());
        Ok(Moment { files, last, removed: self.shared.folder.removed_list()? })
    }

    /// Judges one batch against the index and the group so far.
    fn admit(&mut self, group: &mut Group, waiting: Waiting) -> Result<(), IndexError> {
        let Waiting { batch, body, answer } = waiting;
        // Once the store has ended, no later sync of the journal is believed: what waits is refused.
        let Some(index) = self.shared.index().filter(|_| !self.shared.has_ended()) else {
            let refusal = StoreError::NotReady("it is closed, or its index is being rebuilt".to_owned());
            group.refused.push((answer, BodyRefused { error: refusal.into(), body }));
            return Ok(());
        };
        let sequence = self.journal.next() + group.accepted.len() as u64;
        let judged = group.conflict(&index, &batch.checks).and_then(|conflict| match conflict {
            Some(position) => Ok(Err(position)),
            None => Group::pending(&index, batch.writes, sequence).map(Ok),
        });
        match judged {
            Ok(Ok(pending)) => {
                let erases = pending.iter().filter_map(|pending| {
                    let key = pending.erasable()?;
                    (pending.superseded().is_some() || self.journal.eraser().owes_for(key)).then(|| key.to_vec())
                });
                let erases = erases.collect();
                for pending in pending {
                    group.add(pending);
                }
                group.accepted.push(Accepted { answer, body: body.map(SealedBody::committing), sequence, erases });
                Ok(())
            }
            Ok(Err(position)) => {
                group.refused.push((answer, BodyRefused { error: CommitError::Conflict(position), body }));
                Ok(())
            }
            Err(error) => {
                let refusal = StoreError::NotReady("the index is being rebuilt".to_owned());
                group.refused.push((answer, BodyRefused { error: CommitError::Store(refusal), body }));
                Err(error)
            }
        }
    }

    /// Moves count as one batch.
    fn admit_moves(&mut self, group: &mut Group, moving: Moving) -> Result<(), IndexError> {
        let Moving { moves, answer } = moving;
        let Some(index) = self.shared.index().filter(|_| !self.shared.has_ended()) else { return Ok(()) };
        let sequence = self.journal.next() + group.accepted.len() as u64;
        for pending in group.moved(&index, moves, sequence)? {
            group.add(pending);
        }
        group.accepted.push(Accepted { answer, body: None, sequence, erases: Vec::new() });
        Ok(())
    }

    /// Writes the group, tells the index, answers.
    fn commit(&mut self, group: Group) -> Result<(), IndexError> {
        if group.accepted.is_empty() {
            Group::refuse(group.refused);
            return Ok(());
        }
        let count = u32::try_from(group.accepted.len()).unwrap_or(u32::MAX);
        if group.accepted.iter().all(|accepted| accepted.body.is_none()) {
            self.shared.folder.make_room(group.bytes());
        }
        let begun = Instant::now();
        let changes = match self.journal.append(count, &group.records()) {
            Ok(changes) => changes,
            Err(error) => {
                self.poisoned(group, &error);
                return Ok(());
            }
        };
        self.shared.metrics.written(count, begun.elapsed());
        self.shared.commits.fetch_add(u64::from(count), Ordering::Relaxed);
        let told = self.tell(&changes);
        if told.is_err() {
            // Before anyone is answered: a read after the answer must not find the state before it.
            self.retired = self.shared.take_index();
        }
        let superseded = group.superseded();
        let (erasing, done): (Vec<_>, Vec<_>) =
            group.accepted.into_iter().partition(|accepted| !accepted.erases.is_empty());
        for Accepted { answer, sequence, .. } in done {
            let _ = answer.send(Ok(sequence));
        }
        Group::refuse(group.refused);
        self.erase(superseded, erasing);
        told
    }

    /// Overwrites what a group superseded, then answers those who waited for that.
    fn erase(&mut self, superseded: Vec<(Vec<u8>, Place)>, erasing: Vec<Accepted>) {
        if !superseded.is_empty()
            && let Err(error) = self.journal.erase(superseded)
        {
            tracing::error!(%error, "the journal cannot go on; the store is closed");
            self.shared.set_gate(Gate::Dead);
        }
        for Accepted { answer, sequence, erases, .. } in erasing {
            let owed = erases.iter().any(|key| self.journal.eraser().owes_for(key));
            let refusal = || StoreError::NotErased("its segment could not be overwritten".to_owned());
            let result = if owed { Err(BodyRefused { error: refusal().into(), body: None }) } else { Ok(sequence) };
            let _ = answer.send(result);
        }
    }

    fn tell(&mut self, changes: &[Change]) -> Result<(), IndexError> {
        #[cfg(test)]
        if self.shared.folder.io().faults.take(super::io::faults::Call::Index).is_err() {
            return Err(IndexError("told to fail".to_owned()));
        }
        match self.shared.index() {
            Some(index) => {
                let active = self.journal.active();
                if std::mem::replace(&mut self.told, active) != active {
                    index.know(std::iter::once(active), false);
                }
                index.apply(changes, self.journal.synced())
            }
            None => Err(IndexError("it is gone".to_owned())),
        }
    }

    /// The disk failed while this group was written: nothing of that segment is believed but what was synced before.
    fn poisoned(&mut self, group: Group, error: &io::Error) {
        tracing::error!(%error, "the journal's segment failed; it is cut to what was durable and replaced");
        self.shared.set_gate(Gate::NoIntake);
        if error.kind() == io::ErrorKind::StorageFull {
            self.shared.folder.release();
        }
        self.taint("a disk error in the journal");
        let replaced = self.journal.replace();
        match &replaced {
            Ok(()) => self.shared.set_gate(Gate::Ready),
            Err(error) => {
                tracing::error!(%error, "the journal cannot go on; the store is closed");
                self.shared.set_gate(Gate::Dead);
            }
        }
        for Accepted { answer, body, .. } in group.accepted {
            let refusal = match &replaced {
                // Cut for good: the new segment's opening says so.
                Ok(()) => BodyRefused { error: failed(error).into(), body: body.map(Committing::give_back) },
                Err(_) => BodyRefused { error: StoreError::Uncertain(error.to_string()).into(), body: None },
            };
            let _ = answer.send(Err(refusal));
        }
        Group::refuse(group.refused);
    }

    fn taint(&mut self, reason: &str) {
        self.tainted = true;
        if let Err(error) = self.shared.folder.note_rebuild(reason) {
            tracing::error!(%error, "the next start cannot be told to rebuild the index");
        }
    }

    /// Makes a new index from the journal; meanwhile the store is closed.
    fn rebuild(&mut self, why: &Remake) {
        if self.shared.is_full() {
            self.shared.folder.release();
        }
        match why {
            // One that is not finished is no index: the next start needs no note of it.
            Remake::Asked => tracing::info!("the index is rebuilt from the journal, as asked"),
            Remake::Failed(error) => {
                tracing::error!(%error, "the index is rebuilt from the journal");
                self.taint("the index failed");
            }
        }
        let old = self.shared.take_index().or_else(|| self.retired.take());
        let sources: io::Result<Vec<Source>> = self.journal.segments().all().into_iter().map(Source::of).collect();
        let released = old.is_none_or(release);
        let made = sources.and_then(|sources| {
            if released && self.shared.folder.wipe_index().is_ok() {
                belief::rebuild(&self.shared.folder, &sources)
            } else {
                belief::in_memory(&sources)
            }
        });
        match made {
            Ok((index, frames)) => {
                self.shared.put_index(index);
                tracing::info!(frames, "the index is rebuilt");
            }
            Err(error) => {
                tracing::error!(%error, "the journal cannot be read; the store is closed");
                self.shared.set_gate(Gate::Dead);
            }
        }
    }

    /// On a full disk the index waits: what it lacks stands in the journal, and a write that fails would cost all of it.
    fn flush_index(&mut self) {
        if self.shared.is_full() {
            return;
        }
        if let Some(index) = self.shared.index()
            && let Err(error) = index.flush()
        {
            self.rebuild(&error.into());
        }
    }

    /// Nothing came for a while.
    fn rest(&mut self) {
        if self.shared.has_ended() {
            return;
        }
        match self.journal.prove() {
            Ok(false) => {}
            Ok(true) => {
                self.flush_index();
                self.shared.folder.reserve(self.shared.min_free);
            }
            Err(error) => self.poisoned(Group::default(), &error),
        }
    }

    /// A clean stop: everything proven, the index synced and noted so.
    fn stop(&mut self) {
        let proven = self.shared.gate() == Gate::Ready && self.journal.prove().is_ok();
        if self.shared.gate() != Gate::Dead {
            self.shared.set_gate(Gate::Stopped);
        }
        let Some(index) = self.shared.take_index() else { return };
        let flushed = index.is_on_disk() && index.flush().is_ok();
        let released = release(index);
        if !(proven && flushed && released) || self.tainted {
            return;
        }
        if let Err(error) = self.shared.folder.note_clean(self.journal.synced()) {
            tracing::warn!(%error, "the next start looks at the index as after a kill");
        }
    }
}

/// Waits until nobody reads an index any more, and lets go of it: while sled holds its folder, none other may.
fn release(mut index: Arc<Index>) -> bool {
    for _ in 0..RELEASE_TRIES {
        match Arc::try_unwrap(index) {
            Ok(index) => return index.release().is_ok(),
            Err(shared) => index = shared,
        }
        std::thread::sleep(RELEASE_PAUSE);
    }
    false
}
