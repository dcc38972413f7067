//! The index made anew from all changes of the journal, in bounded memory: sorted some hundred thousand at a time into runs, which
//! are merged into one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::frame::Change;
use super::index::IndexError;
use super::layers::{Layers, MergeError, merge};
use super::merge::Sorted;
use super::run::{self, Run};
use super::young::Mark;

/// Changes sorted in memory at a time: some 40 MB.
const CHUNK: usize = 256 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Builder {
    folder: PathBuf,
    chunk: Vec<Change>,
    most: usize,
    /// Oldest first.
    runs: Vec<Arc<Run>>,
}

impl Builder {
    /// In `folder`, where nothing is.
    pub(super) fn new(folder: &Path) -> Result<Self, IndexError> {
        std::fs::create_dir_all(folder).map_err(|error| IndexError(error.to_string()))?;
        Ok(Self { folder: folder.to_owned(), chunk: Vec::new(), most: CHUNK, runs: Vec::new() })
    }

    /// The next changes in the journal's order.
    pub(super) fn push(&mut self, changes: &[Change]) -> Result<(), MergeError> {
        self.chunk.extend_from_slice(changes);
        if self.chunk.len() < self.most {
            return Ok(());
        }
        let chunk = sorted(std::mem::take(&mut self.chunk));
        let (most, number) = (chunk.len() as u64, self.number());
        let stream: Sorted<'_> = Box::new(chunk.into_iter().map(Ok));
        let made = merge(&self.folder, number, (vec![stream], most), false, Duration::ZERO, || false)?;
        self.runs.extend(made.map(|(run, _)| Arc::new(run)));
        Ok(())
    }

    fn number(&self) -> u64 {
        self.runs.len() as u64 + 1
    }

    /// All in one run: an index that is applied up to `sequence`, made from the segments `known`.
    pub(super) fn finish(
        mut self,
        sequence: u64,
        known: impl Iterator<Item = u64>,
    ) -> Result<(Layers, Mark), MergeError> {
        let chunk = sorted(std::mem::take(&mut self.chunk));
        let most = chunk.len() as u64 + self.runs.iter().map(|run| run.changes).sum::<u64>();
        let older = self.runs.iter().rev().map(|run| Box::new(run.from(&[])) as Sorted<'_>);
        let streams = std::iter::once(Box::new(chunk.into_iter().map(Ok)) as Sorted<'_>).chain(older).collect();
        let made = merge(&self.folder, self.number(), (streams, most), true, Duration::ZERO, || false)?;
        let Some((run, mut live)) = made else { return Err(IndexError("its making was stopped".to_owned()).into()) };
        for run in &self.runs {
            run::remove(&self.folder, run.number);
        }
        live.know(known);
        let mark = Mark::at(sequence, live);
        Ok(Layers::begin(&self.folder, &mark, vec![Arc::new(run)])?)
    }
}

/// In the order of keys, and the last word on each.
fn sorted(mut changes: Vec<Change>) -> Vec<Change> {
    // Newest first, so that of equal keys the first is kept.
    changes.reverse();
    changes.sort_by(|one, other| one.key.cmp(&other.key));
    changes.dedup_by(|later, first| later.key == first.key);
    changes
}

#[cfg(test)]
mod tests {
    use super::super::frame::Place;
    use super::super::live::Live;
    use super::super::tree::Tree;
    use super::*;

    #[test]
    fn the_last_word_on_each_key_is_there() {
        let change = |n: u16, sequence: u64| {
            let place = Place { segment: sequence, offset: n.into(), len: 3, crc: 5, sequence };
            Change { key: n.to_be_bytes().to_vec(), place: (!n.is_multiple_of(5) || sequence == 1).then_some(place) }
        };
        for most in [50, 10_000] {
            let folder = tempfile::tempdir().unwrap();
            let mut builder = Builder { most, ..Builder::new(folder.path()).unwrap() };
            for (keys, sequence) in [(0..300, 1), (100..200, 2), (150..160, 3)] {
                builder.push(&keys.map(|n| change(n, sequence)).collect::<Vec<_>>()).unwrap();
            }
            let (layers, mark) = builder.finish(9, std::iter::empty()).unwrap();
            let tree = Tree::over(folder.path(), layers, mark);
            let newest =
                |n: u16| change(n, if (150..160).contains(&n) { 3 } else { 1 + u64::from((100..200).contains(&n)) });
            let mut live = Live::default();
            for n in 0..300 {
                let expected = newest(n);
                assert_eq!(tree.get(&n.to_be_bytes()).unwrap(), expected.place, "{n}");
                expected.place.iter().for_each(|place| live.add(&expected.key, place));
            }
            assert_eq!((tree.mark(), tree.live()), (9, live));
            tree.release().unwrap();
            assert_eq!(run::numbers(folder.path()).unwrap().len(), 1);
            assert_eq!(Tree::open(folder.path()).unwrap().mark(), 9);
        }
    }
}
