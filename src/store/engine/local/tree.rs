//! The index on disk.
//!
//! Changes gather in memory first, where readers look before anything else, and go to the young part, in sled, some hundreds at a
//! time; a kill loses none, the next start replays the journal from the mark. Below it lie sorted runs: see [`super::layers`].
//!
//! Why sled holds a young part only, measured with 13 records a message and a cache of 64 MiB: at 400,000 messages a batch of
//! 1024 changes took it 81 ms (p99 182 ms) instead of 14 ms at 10,000, its file had 3 KB a message where runs have 0.9, it
//! used 358 MB of memory, and it took 1.1 s to open for each 100,000 messages.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::at_hand::NotAtHand;
use super::floor::Floors;
use super::frame::{Change, Place};
use super::index::{Entries, IndexError};
use super::layers::{Layers, List, MergeError, merge};
use super::live::Live;
use super::merge::{Merge, Sorted};
use super::run;
use super::young::{self, Mark, Young};

/// Changes that gather before the young part gets them.
const GATHER: usize = 1024;
/// So many may gather while another thread gives the young part what gathered before: a commit does not wait for that.
const GATHER_MOST: usize = 8 * GATHER;
/// Changes that a young part holds before it is frozen: some ten thousand messages.
const YOUNG: u64 = 128 << 10;
/// The pause after each 256 KiB that a merge writes.
const PAUSE: Duration = Duration::from_millis(2);
/// Readers of a merged part are waited for this often.
const RELEASE_TRIES: usize = 5_000;
const RELEASE_PAUSE: Duration = Duration::from_millis(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Tree {
    inner: Arc<Inner>,
    merging: Mutex<Option<JoinHandle<()>>>,
    /// Changes that make a young part old enough.
    young: u64,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    /// Of what the young part has.
    mark: Mutex<Mark>,
    fresh: RwLock<Fresh>,
    layers: RwLock<Layers>,
    stopping: AtomicBool,
    /// A merge found something that cannot be read.
    failed: Mutex<Option<IndexError>>,
}

type Changes = BTreeMap<Vec<u8>, Option<Place>>;

/// What the young part does not have yet.
#[derive(Debug, Default)]
struct Fresh {
    changes: Changes,
    /// Of the last of them; 0 for none.
    mark: u64,
    /// What came before them and is on its way to the young part.
    settling: Option<Arc<Changes>>,
    /// Of all that the index holds. A walk and what it tells stand under one reading lock of this, a change under the writing one.
    floors: Mutex<Floors>,
}

impl Fresh {
    /// Newest first.
    fn both(&self) -> impl Iterator<Item = &Changes> {
        std::iter::once(&self.changes).chain(self.settling.as_deref())
    }

    fn floors(&self) -> MutexGuard<'_, Floors> {
        self.floors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tree {
    pub(super) fn open(folder: &Path) -> Result<Self, IndexError> {
        let (layers, mark) = Layers::open(folder)?;
        let tree = Self::over(folder, layers, mark);
        tree.merge_in_background();
        Ok(tree)
    }

    /// Over parts that are open.
    pub(super) fn over(folder: &Path, layers: Layers, mark: Mark) -> Self {
        let inner = Inner {
            folder: folder.to_owned(),
            mark: Mutex::new(mark),
            fresh: RwLock::default(),
            layers: RwLock::new(layers),
            stopping: AtomicBool::new(false),
            failed: Mutex::default(),
        };
        Self { inner: Arc::new(inner), merging: Mutex::default(), young: YOUNG }
    }

    /// sled writes once more when it goes, and may panic at that.
    pub(super) fn release(self) -> Result<(), IndexError> {
        self.stop();
        let inner = Arc::clone(&self.inner);
        drop(self);
        let Some(inner) = Arc::into_inner(inner) else { return Err(IndexError("it is still in use".to_owned())) };
        let Layers { young, frozen, .. } = inner.layers.into_inner().unwrap_or_else(PoisonError::into_inner);
        for part in std::iter::once(young).chain(frozen).filter_map(Arc::into_inner) {
            part.release()?;
        }
        Ok(())
    }

    /// Ends a merge under way; what it did not finish is done again after the next start.
    fn stop(&self) {
        self.inner.stopping.store(true, Ordering::SeqCst);
        let merging = self.merging().take();
        if let Some(thread) = merging {
            // One that panicked changed nothing.
            let _ = thread.join();
        }
    }

    fn merging(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.merging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The journal is applied up to this sequence number, by what would be there after a kill.
    pub(super) fn mark(&self) -> u64 {
        self.inner.mark().sequence
    }

    /// What counts of each segment, but for the changes that still gather.
    pub(super) fn live(&self) -> Live {
        self.inner.mark().live.clone()
    }

    /// See [`super::index::Index::know`].
    pub(super) fn know(&self, segments: impl Iterator<Item = u64>, only: bool) {
        let mut mark = self.inner.mark();
        if only { mark.live.know_only(segments) } else { mark.live.know(segments) }
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Place>, IndexError> {
        // Held on, so that a change does not slip from here to the young part in between.
        let fresh = self.inner.fresh();
        match fresh.both().find_map(|changes| changes.get(key)) {
            Some(change) => Ok(*change),
            None => self.inner.layers().get(key),
        }
    }

    /// See [`super::index::Index::at_hand`].
    pub(super) fn at_hand(&self, key: &[u8]) -> Result<Option<Place>, NotAtHand> {
        // Tried only: behind a writer who waits stand readers who read from the disk.
        let fresh = self.inner.fresh.try_read().map_err(|_| NotAtHand)?;
        match fresh.both().find_map(|changes| changes.get(key)) {
            Some(change) => Ok(*change),
            None => self.inner.layers.try_read().map_err(|_| NotAtHand)?.at_hand(key),
        }
    }

    /// See [`super::index::Index::range`]; `from` is before `to`.
    pub(super) fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Entries, IndexError> {
        let fresh = self.inner.fresh();
        let start = fresh.floors().begin(from);
        if start.as_slice() >= to {
            return Ok(Vec::new());
        }
        let gathered = fresh.both().map(|changes| -> Sorted<'_> {
            let changes = changes.range::<[u8], _>((Bound::Included(start.as_slice()), Bound::Excluded(to)));
            Box::new(changes.map(|(key, place)| Ok(Change { key: key.clone(), place: *place })))
        });
        let streams = gathered.chain(self.inner.layers().range(&start, to)).collect();
        let there = |change: Result<Change, IndexError>| match change {
            Ok(Change { key, place }) => place.map(|place| Ok((key, place))),
            Err(error) => Some(Err(error)),
        };
        let entries: Entries = Merge::of(streams).filter_map(there).take(limit).collect::<Result<_, _>>()?;
        fresh.floors().walked(from, entries.first().map_or(to, |(first, _)| first));
        Ok(entries)
    }

    pub(super) fn apply(&self, changes: &[Change], mark: u64) -> Result<(), IndexError> {
        let gathered = {
            let mut fresh = self.inner.fresh_mut();
            let floors = fresh.floors.get_mut().unwrap_or_else(PoisonError::into_inner);
            changes.iter().filter(|change| change.place.is_some()).for_each(|change| floors.put(&change.key));
            fresh.changes.extend(changes.iter().map(|change| (change.key.clone(), change.place)));
            fresh.mark = mark;
            fresh.changes.len()
        };
        if gathered < GATHER {
            return Ok(());
        }
        match self.inner.mark.try_lock() {
            Ok(mark) => self.settle(mark),
            Err(TryLockError::Poisoned(error)) => self.settle(error.into_inner()),
            // The compactor, which flushes from a thread of its own, has the young part now.
            Err(TryLockError::WouldBlock) if gathered < GATHER_MOST => Ok(()),
            Err(TryLockError::WouldBlock) => self.settle(self.inner.mark()),
        }
    }

    /// Gives the young part what gathered, in one batch.
    fn settle(&self, mut mark: MutexGuard<'_, Mark>) -> Result<(), IndexError> {
        if let Some(error) = self.inner.failed().clone() {
            return Err(error);
        }
        let (gathered, sequence) = {
            let mut fresh = self.inner.fresh_mut();
            if fresh.settling.is_some() {
                return Err(IndexError("a batch before did not reach it".to_owned()));
            }
            if fresh.mark == 0 {
                return Ok(());
            }
            let gathered = Arc::new(std::mem::take(&mut fresh.changes));
            fresh.settling = Some(Arc::clone(&gathered));
            (gathered, std::mem::take(&mut fresh.mark))
        };
        let layers = self.inner.layers();
        let mut next = mark.clone();
        next.sequence = sequence;
        let mut changes = Vec::with_capacity(gathered.len());
        for (key, place) in &*gathered {
            let old = layers.get(key)?;
            if let Some(old) = &old {
                next.live.remove(key, old);
            }
            if let Some(place) = place {
                next.live.add(key, place);
            }
            if old != *place {
                changes.push((key.as_slice(), *place));
            }
        }
        layers.young.apply(&changes, &mut next)?;
        *mark = next;
        // Readers that found the young part's old state are done when this lock is had.
        self.inner.fresh_mut().settling = None;
        if mark.changes >= self.young && layers.frozen.is_none() {
            self.freeze(&layers, &mut mark)?;
        }
        Ok(())
    }

    /// Begins a new young part; the one before goes into the runs.
    fn freeze(&self, layers: &Layers, mark: &mut Mark) -> Result<(), IndexError> {
        layers.young.flush()?;
        *mark = Mark::at(mark.sequence, std::mem::take(&mut mark.live));
        let young = Young::create(&self.inner.folder, layers.young.generation + 1, mark)?;
        {
            let mut layers = self.inner.layers.write().unwrap_or_else(PoisonError::into_inner);
            layers.frozen = Some(std::mem::replace(&mut layers.young, Arc::new(young)));
        }
        self.merge_in_background();
        Ok(())
    }

    /// Merges the frozen part, if there is one, unless that is under way.
    fn merge_in_background(&self) {
        let mut merging = self.merging();
        if self.inner.layers().frozen.is_none() || merging.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        let inner = Arc::clone(&self.inner);
        let thread = std::thread::Builder::new().name("index".to_owned()).spawn(move || inner.merge());
        match thread {
            Ok(thread) => *merging = Some(thread),
            Err(error) => tracing::error!(%error, "the index is merged later"),
        }
    }

    /// Loses a change, as sled may.
    #[cfg(test)]
    pub(super) fn forget(&self, key: &[u8]) {
        self.inner.layers().young.forget(key);
    }

    pub(super) fn flush(&self) -> Result<(), IndexError> {
        self.settle(self.inner.mark())?;
        self.merge_in_background();
        self.inner.layers().young.flush()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Inner {
    fn fresh(&self) -> RwLockReadGuard<'_, Fresh> {
        self.fresh.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh_mut(&self) -> RwLockWriteGuard<'_, Fresh> {
        self.fresh.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark(&self) -> MutexGuard<'_, Mark> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> MutexGuard<'_, Option<IndexError>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn layers(&self) -> Layers {
        self.layers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts the frozen part into the runs.
    fn merge(&self) {
        match self.try_merge() {
            Ok(()) => {}
            Err(MergeError::Index(error)) => *self.failed() = Some(error),
            Err(error @ MergeError::Disk(_)) => tracing::warn!(%error, "the index is merged later"),
        }
    }

    fn try_merge(&self) -> Result<(), MergeError> {
        let Layers { frozen: Some(frozen), runs, .. } = self.layers() else { return Ok(()) };
        let (mut most, mut taken) = (frozen.count()?, 0);
        // Each run stays at least twice as large as all newer ones: few runs to look through, few times each change is written.
        for run in &runs {
            if run.changes >= 2 * most {
                break;
            }
            most += run.changes;
            taken += 1;
        }
        let (taken, rest) = runs.split_at(taken);
        let older = taken.iter().map(|run| Box::new(run.from(&[])) as Sorted<'_>);
        let streams = std::iter::once(Box::new(frozen.range(&[], None)) as Sorted<'_>).chain(older).collect();
        let number = runs.first().map_or(0, |run| run.number) + 1;
        let stop = || self.stopping.load(Ordering::SeqCst);
        let Some((run, _)) = merge(&self.folder, number, (streams, most), rest.is_empty(), PAUSE, stop)? else {
            return Ok(());
        };
        let runs: Vec<_> = std::iter::once(Arc::new(run)).chain(rest.iter().cloned()).collect();
        let list = List { merged: frozen.generation, runs: runs.iter().map(|run| run.number).collect() };
        list.write(&self.folder)?;
        {
            let mut layers = self.layers.write().unwrap_or_else(PoisonError::into_inner);
            layers.runs = runs;
            layers.frozen = None;
        }
        for run in taken {
            run::remove(&self.folder, run.number);
        }
        self.discard(frozen);
        Ok(())
    }

    /// Lets go of a part that counts no more, and removes it.
    fn discard(&self, mut young: Arc<Young>) {
        let generation = young.generation;
        for _ in 0..RELEASE_TRIES {
            match Arc::try_unwrap(young) {
                Ok(young) => {
                    if let Err(error) = young.release() {
                        tracing::warn!(%error, "a part of the index that counts no more");
                    }
                    return young::remove(&self.folder, generation);
                }
                Err(shared) => young = shared,
            }
            std::thread::sleep(RELEASE_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(n: u32, sequence: u64) -> Change {
        let place = Place { segment: 1 + u64::from(n) % 3, offset: n.into(), len: 3, crc: 5, sequence };
        Change { key: n.to_be_bytes().to_vec(), place: Some(place) }
    }

    #[test]
    fn a_flush_by_another_thread_loses_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let tree = open(folder.path(), 1 << 20);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    tree.flush().unwrap();
                }
            });
            for n in 0..3_000_u32 {
                tree.apply(&[put(n, u64::from(n) + 1)], u64::from(n) + 1).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        let lost: Vec<u32> = (0..3_000_u32).filter(|n| tree.get(&n.to_be_bytes()).unwrap().is_none()).collect();
        assert!(lost.is_empty(), "{} lost: {lost:?}", lost.len());
    }

    #[test]
    fn a_commit_does_not_wait_for_a_flush_under_way() {
        let folder = tempfile::tempdir().unwrap();
        let tree = open(folder.path(), YOUNG);
        tree.apply(&[put(0, 1)], 1).unwrap();
        // As while the compactor has the young part.
        let flushing = tree.inner.mark();
        let (done, applied) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let tree = &tree;
            scope.spawn(move || {
                for n in 1..=u32::try_from(2 * GATHER).unwrap() {
                    tree.apply(&[put(n, u64::from(n) + 1)], u64::from(n) + 1).unwrap();
                }
                done.send(()).unwrap();
            });
            let in_time = applied.recv_timeout(Duration::from_secs(30));
            drop(flushing);
            in_time.expect("it waits");
        });
        tree.flush().unwrap();
        assert_eq!(tree.mark(), 2 * GATHER as u64 + 1);
        assert_eq!(tree.range(&[0], &[9], 9999).unwrap().len(), 2 * GATHER + 1);
        assert_eq!(tree.live().segments().count(), 3);
    }

    /// A tree whose young part is small.
    fn open(folder: &Path, young: u64) -> Tree {
        let (layers, mark) = Layers::open(folder).unwrap();
        let mut tree = Tree::over(folder, layers, mark);
        tree.young = young;
        tree.merge_in_background();
        tree
    }

    fn merged(tree: &Tree) {
        let thread = tree.merging().take();
        thread.unwrap().join().unwrap();
        assert_eq!(*tree.inner.failed(), None);
    }

    #[test]
    fn what_is_merged_reads_as_before_also_after_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let mut tree = open(folder.path(), 2000);
        let mut model: BTreeMap<Vec<u8>, Place> = BTreeMap::new();
        for round in 0..12_u32 {
            // New ones, some again, some deleted.
            let from = round * 700;
            let mut changes: Vec<Change> = (from..from + 1000).map(|n| put(n, u64::from(round) + 1)).collect();
            let gone = (from.saturating_sub(500)..from).step_by(3);
            changes.extend(gone.map(|n| Change { key: n.to_be_bytes().to_vec(), place: None }));
            for change in &changes {
                match change.place {
                    Some(place) => drop(model.insert(change.key.clone(), place)),
                    None => drop(model.remove(&change.key)),
                }
            }
            tree.apply(&changes, u64::from(round) + 1).unwrap();
            if round % 4 == 3 {
                merged(&tree);
                tree.flush().unwrap();
                tree.release().unwrap();
                tree = open(folder.path(), 2000);
                assert_eq!(tree.mark(), u64::from(round) + 1);
            }
            let found = tree.range(&[0], &[9], usize::MAX).unwrap();
            assert!(found.into_iter().eq(model.clone()), "round {round}");
            for n in (0..10_000_u32).step_by(7) {
                let key = n.to_be_bytes();
                assert_eq!(tree.get(&key).unwrap().as_ref(), model.get(&key[..]), "{n} in round {round}");
            }
        }
        tree.flush().unwrap();
        let mut live = Live::default();
        for (key, place) in &model {
            live.add(key, place);
        }
        live.know([1, 2, 3].into_iter());
        tree.know([1, 2, 3].into_iter(), true);
        assert_eq!(tree.live(), live);
        assert!(!tree.inner.layers().runs.is_empty());
    }

    #[test]
    fn what_gathered_is_lost_with_a_kill_together_with_its_mark() {
        let folder = tempfile::tempdir().unwrap();
        let tree = open(folder.path(), YOUNG);
        let many: Vec<Change> = (0..u32::try_from(GATHER).unwrap()).map(|n| put(n, 1)).collect();
        tree.apply(&many, 7).unwrap();
        tree.apply(&[put(999_999, 8)], 8).unwrap();
        drop(tree);
        let tree = open(folder.path(), YOUNG);
        assert_eq!(tree.mark(), 7);
        assert_eq!(tree.get(&999_999_u32.to_be_bytes()), Ok(None));
        assert_eq!(tree.range(&[0], &[9], 9999).unwrap().len(), GATHER);
    }

    #[test]
    fn a_walk_does_not_go_over_what_was_deleted_before() {
        let folder = tempfile::tempdir().unwrap();
        let tree = open(folder.path(), YOUNG);
        let gone = |n: u32| Change { key: n.to_be_bytes().to_vec(), place: None };
        tree.apply(&(0..900).map(|n| put(n, 1)).collect::<Vec<_>>(), 1).unwrap();
        tree.flush().unwrap();
        tree.apply(&(0..800).map(gone).collect::<Vec<_>>(), 2).unwrap();
        tree.flush().unwrap();
        let first = |tree: &Tree| tree.range(&[0], &[1], 1).map(|entries| entries[0].0.clone());
        assert_eq!(first(&tree), Ok(800_u32.to_be_bytes().to_vec()));
        // Whoever still goes over the deleted ones stumbles here.
        tree.inner.layers().young.spoil(&400_u32.to_be_bytes());
        assert_eq!(first(&tree), Ok(800_u32.to_be_bytes().to_vec()));
        tree.apply(&[put(500, 3)], 3).unwrap();
        assert_eq!(first(&tree), Ok(500_u32.to_be_bytes().to_vec()), "what is put below counts again");
        tree.apply(&[put(300, 4)], 4).unwrap();
        assert_eq!(first(&tree), Ok(300_u32.to_be_bytes().to_vec()));
        assert!(tree.range(&[0], &[1], 2).is_err(), "the spoiled one lies behind it");
    }

    #[test]
    fn a_run_that_is_gone_or_damaged_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let tree = open(folder.path(), 100);
        tree.apply(&(0..2000).map(|n| put(n, 1)).collect::<Vec<_>>(), 1).unwrap();
        merged(&tree);
        tree.release().unwrap();
        let file = folder.path().join("00000001.run");
        let whole = std::fs::read(&file).unwrap();
        let mut bad = whole.clone();
        bad[5000] ^= 1;
        std::fs::write(&file, bad).unwrap();
        let tree = open(folder.path(), 100);
        assert!(tree.range(&[0], &[9], usize::MAX).is_err());
        // Found by a merge, it is told to whoever applies next.
        tree.apply(&(2000..4000).map(|n| put(n, 2)).collect::<Vec<_>>(), 2).unwrap();
        let thread = tree.merging().take();
        thread.unwrap().join().unwrap();
        assert!(tree.apply(&(4000..6000).map(|n| put(n, 3)).collect::<Vec<_>>(), 3).is_err());
        drop(tree);
        std::fs::remove_file(&file).unwrap();
        assert!(Layers::open(folder.path()).is_err());
    }
}
