//! The one thread that writes the journal: takes all that waits, checks, appends, syncs once, tells the index, answers.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::super::super::StoreError;
use super::super::body::{Held, SealedBody};
use super::super::{Batch, BodyRefused, Check, CommitError, Write};
use super::bodies::failed;
use super::folder::{Folder, Lock};
use super::frame::{Place, Record};
use super::index::{Index, IndexError};
use super::journal::Journal;
use super::replay::Source;
use super::{Gate, Shared, raw, recovery};

/// After this long without a commit a proof frame is written.
const IDLE: Duration = Duration::from_secs(1);
/// A group takes no more once it has this many bytes, or batches.
const GROUP_BYTES: usize = 8 << 20;
const GROUP_BATCHES: usize = 512;
/// Readers hold an index for one read; after ten seconds something is wrong with it.
const RELEASE_TRIES: usize = 10_000;
const RELEASE_PAUSE: Duration = Duration::from_millis(1);

/// What the thread is asked.
#[derive(Debug)]
pub(super) enum Request {
    Commit(Waiting),
    /// A reader could not use this index.
    IndexFailed(Arc<Index>),
    Close(oneshot::Sender<()>),
}

/// A batch whose caller waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub batch: Batch,
    pub body: Option<SealedBody>,
    pub answer: Answer,
}

pub(super) type Answer = oneshot::Sender<Result<u64, BodyRefused>>;

/// See the module.
#[derive(Debug)]
pub(super) struct Committer {
    shared: Arc<Shared>,
    folder: Folder,
    journal: Journal,
    requests: Receiver<Request>,
    /// Held until the thread ends.
    _lock: Lock,
    /// An I/O error happened: the note on disk says "rebuild", and stays so.
    tainted: bool,
    /// An index that failed, until its readers are gone.
    retired: Option<Arc<Index>>,
}

/// The batches of one frame.
#[derive(Debug, Default)]
struct Group {
    changes: Vec<Pending>,
    by_key: HashMap<Vec<u8>, usize>,
    accepted: Vec<(Answer, Option<Held>, u64)>,
    refused: Vec<(Answer, BodyRefused)>,
    bytes: usize,
}

/// What a key will be.
#[derive(Debug)]
struct Pending {
    key: Vec<u8>,
    erasable: bool,
    sequence: u64,
    value: Option<Vec<u8>>,
    /// Where the value now is; known only where it matters: for deletes and in erasable spaces.
    before: Option<Place>,
}

impl Group {
    fn is_full(&self) -> bool {
        self.bytes >= GROUP_BYTES || self.accepted.len() >= GROUP_BATCHES
    }

    /// The version of a key after the batches of this group so far.
    fn version(&self, index: &Index, key: &[u8]) -> Result<Option<u64>, IndexError> {
        if let Some(pending) = self.by_key.get(key).and_then(|at| self.changes.get(*at)) {
            return Ok(pending.value.as_ref().map(|_| pending.sequence));
        }
        Ok(index.get(key)?.map(|place| place.sequence))
    }

    /// The first check that does not hold.
    fn conflict(&self, index: &Index, checks: &[Check]) -> Result<Option<usize>, IndexError> {
        for (position, check) in checks.iter().enumerate() {
            let (key, expected) = match check {
                Check::Absent(key) => (key, None),
                Check::Version(key, version) => (key, Some(*version)),
            };
            if self.version(index, &raw(key))? != expected {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    /// What `writes` will change. Reads the index, so nothing of the group changes before that has worked.
    fn pending(index: &Index, writes: Vec<Write>, sequence: u64) -> Result<Vec<Pending>, IndexError> {
        let pending = |write| {
            let (key, value) = match write {
                Write::Put(key, value) => (key, Some(value)),
                Write::Delete(key) => (key, None),
            };
            let (erasable, key) = (key.space.erasable(), raw(&key));
            let before = if erasable || value.is_none() { index.get(&key)? } else { None };
            Ok(Pending { key, erasable, sequence, value, before })
        };
        writes.into_iter().map(pending).collect()
    }

    fn add(&mut self, pending: Pending) {
        self.bytes += pending.key.len() + pending.value.as_ref().map_or(0, Vec::len);
        match self.by_key.get(&pending.key).and_then(|at| self.changes.get_mut(*at)) {
            Some(earlier) => {
                let before = earlier.before.or(pending.before);
                *earlier = Pending { before, ..pending };
            }
            None => {
                self.by_key.insert(pending.key.clone(), self.changes.len());
                self.changes.push(pending);
            }
        }
    }

    /// The frame's records: the last word on each key, and no tombstone for what was never there.
    fn records(&self) -> Vec<Record<'_>> {
        let told = self.changes.iter().filter(|pending| pending.value.is_some() || pending.before.is_some());
        told.map(|pending| Record {
            key: &pending.key,
            sequence: pending.sequence,
            value: pending.value.as_deref(),
            erasable: pending.erasable,
            superseded: pending.before.filter(|_| pending.erasable),
        })
        .collect()
    }

    /// Tells those whose checks failed; after the batches that stood in their way can be read.
    fn refuse(refused: Vec<(Answer, BodyRefused)>) {
        for (answer, refusal) in refused {
            // Whoever asked may have gone; the body then goes with the refusal.
            let _ = answer.send(Err(refusal));
        }
    }
}

impl Drop for Committer {
    /// However the thread ends, nobody waits for it in vain.
    fn drop(&mut self) {
        self.shared.set_gate(Gate::Dead);
    }
}

impl Committer {
    pub(super) fn new(
        shared: Arc<Shared>,
        folder: Folder,
        journal: Journal,
        requests: Receiver<Request>,
        lock: Lock,
    ) -> Self {
        Self { shared, folder, journal, requests, _lock: lock, tainted: false, retired: None }
    }

    /// Serves until asked to close, or until nobody can ask any more.
    pub(super) fn run(mut self) {
        let closed = loop {
            match self.requests.recv_timeout(IDLE) {
                Ok(request) => {
                    if let Some(done) = self.serve(request) {
                        break Some(done);
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.idle(),
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
        let mut group = Group::default();
        let (mut closing, mut broken) = (None, None);
        let mut next = Some(first);
        while let Some(request) = next.take() {
            match request {
                Request::Commit(waiting) => {
                    if let Err(error) = self.admit(&mut group, waiting) {
                        broken = Some(error);
                    }
                }
                Request::IndexFailed(index) => {
                    // Unless it was replaced since.
                    if self.shared.index().is_some_and(|current| Arc::ptr_eq(&current, &index)) {
                        broken = Some(IndexError("a reader could not use it".to_owned()));
                    }
                }
                Request::Close(done) => closing = Some(done),
            }
            if closing.is_none() && broken.is_none() && !group.is_full() {
                next = self.requests.try_recv().ok();
            }
        }
        if let Err(error) = self.commit(group) {
            broken = Some(error);
        }
        if let Some(error) = broken {
            self.rebuild(&error);
        }
        match self.journal.rotate() {
            Ok(false) => {}
            Ok(true) => self.flush_index(),
            Err(error) => self.poisoned(Group::default(), &error),
        }
        closing
    }

    /// Judges one batch against the index and the group so far.
    fn admit(&self, group: &mut Group, waiting: Waiting) -> Result<(), IndexError> {
        let Waiting { batch, body, answer } = waiting;
        let Some(index) = self.shared.index() else {
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
                pending.into_iter().for_each(|pending| group.add(pending));
                group.accepted.push((answer, body.map(SealedBody::hold), sequence));
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

    /// Writes the group, tells the index, answers.
    fn commit(&mut self, group: Group) -> Result<(), IndexError> {
        if group.accepted.is_empty() {
            Group::refuse(group.refused);
            return Ok(());
        }
        let count = u32::try_from(group.accepted.len()).unwrap_or(u32::MAX);
        let changes = match self.journal.append(count, &group.records()) {
            Ok(changes) => changes,
            Err(error) => {
                self.poisoned(group, &error);
                return Ok(());
            }
        };
        self.shared.commits.fetch_add(u64::from(count), Ordering::Relaxed);
        let told = match self.shared.index() {
            Some(index) => index.apply(&changes, self.journal.synced()),
            None => Err(IndexError("it is gone".to_owned())),
        };
        if told.is_err() {
            // Before anyone is answered: a read after the answer must not find the state before it.
            self.retired = self.shared.take_index();
        }
        for (answer, _body, sequence) in group.accepted {
            let _ = answer.send(Ok(sequence));
        }
        Group::refuse(group.refused);
        told
    }

    /// The disk failed while this group was written: nothing of that segment is believed but what was synced before.
    fn poisoned(&mut self, group: Group, error: &io::Error) {
        tracing::error!(%error, "the journal's segment failed; it is cut to what was durable and replaced");
        self.shared.set_gate(Gate::NoIntake);
        self.taint("a disk error in the journal");
        if error.kind() == io::ErrorKind::StorageFull {
            self.folder.release();
        }
        let replaced = self.journal.replace();
        match &replaced {
            Ok(()) => self.shared.set_gate(Gate::Ready),
            Err(error) => {
                tracing::error!(%error, "the journal cannot go on; the store is closed");
                self.shared.set_gate(Gate::Dead);
            }
        }
        for (answer, body, _) in group.accepted {
            let refusal = match &replaced {
                // Cut for good: the new segment's opening says so.
                Ok(()) => BodyRefused { error: failed(error).into(), body: body.map(Held::give_back) },
                Err(_) => BodyRefused { error: StoreError::Uncertain(error.to_string()).into(), body: None },
            };
            let _ = answer.send(Err(refusal));
        }
        Group::refuse(group.refused);
    }

    fn taint(&mut self, reason: &str) {
        self.tainted = true;
        if let Err(error) = self.folder.note_rebuild(reason) {
            tracing::error!(%error, "the next start cannot be told to rebuild the index");
        }
    }

    /// Makes a new index from the journal; meanwhile the store is closed.
    fn rebuild(&mut self, error: &IndexError) {
        tracing::error!(%error, "the index is rebuilt from the journal");
        let old = self.shared.take_index().or_else(|| self.retired.take());
        self.taint("the index failed");
        let sources: io::Result<Vec<Source>> = self.journal.segments().all().into_iter().map(Source::of).collect();
        let released = old.is_none_or(release);
        let made = sources.and_then(|sources| {
            if released && recovery::wipe(&self.folder).is_ok() {
                recovery::rebuild(&self.folder, &sources)
            } else {
                recovery::in_memory(&sources)
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

    fn flush_index(&mut self) {
        if let Some(index) = self.shared.index()
            && let Err(error) = index.flush()
        {
            self.rebuild(&error);
        }
    }

    /// Nothing came for a while.
    fn idle(&mut self) {
        if self.shared.gate() == Gate::Dead {
            return;
        }
        match self.journal.prove() {
            Ok(false) => {}
            Ok(true) => {
                self.flush_index();
                self.folder.reserve(self.shared.min_free);
            }
            Err(error) => self.poisoned(Group::default(), &error),
        }
    }

    /// A clean stop: everything proven, the index synced and noted so.
    fn stop(&mut self) {
        let proven = self.shared.gate() == Gate::Ready && self.journal.prove().is_ok();
        self.shared.set_gate(Gate::Dead);
        let Some(index) = self.shared.take_index() else { return };
        let flushed = index.is_on_disk() && index.flush().is_ok();
        let released = release(index);
        if !(proven && flushed && released) || self.tainted {
            return;
        }
        if let Err(error) = self.folder.note_clean() {
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
