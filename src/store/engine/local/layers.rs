//! The parts of the index on disk, and which of them count.
//!
//! The youngest part is in sled. When it has grown it is frozen, a new one is begun, and the frozen one is merged in the
//! background into sorted runs. The list `runs` says which runs count and up to which generation the young parts are in
//! them; it is replaced as a whole, so a stop at any moment leaves one state or the other. Files that the list does not name are
//! removed at the next open.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crc32c::crc32c;

use super::at_hand::NotAtHand;
use super::frame::{Change, Place};
use super::index::{IndexError, Word};
use super::io::Io;
use super::live::Live;
use super::merge::{Merge, Sorted};
use super::run::{self, Run, Writer};
use super::young::{self, Mark, Young};

const LIST: &str = "runs";

/// What readers look through, newest first.
#[derive(Debug, Clone)]
pub(super) struct Layers {
    pub young: Arc<Young>,
    pub frozen: Option<Arc<Young>>,
    pub runs: Vec<Arc<Run>>,
}

/// Which parts count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct List {
    /// Young parts up to this generation are in the runs.
    pub merged: u64,
    /// Newest first.
    pub runs: Vec<u64>,
}

fn failed(error: &std::io::Error) -> IndexError {
    IndexError(error.to_string())
}

impl List {
    /// `None`: there is none.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, IndexError> {
        let bytes = match fs::read(folder.join(LIST)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| failed(&error))?,
        };
        Self::parse(&bytes).map(Some).ok_or_else(|| IndexError("its list of runs is damaged".to_owned()))
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), IndexError> {
        Io::default().replace(&folder.join(LIST), &self.to_bytes()).map_err(|error| failed(&error))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let numbers = std::iter::once(&self.merged).chain(&self.runs);
        let mut out: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
        out.extend(crc32c(&out).to_le_bytes());
        out
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (checked, crc) = bytes.split_last_chunk::<4>()?;
        let (numbers, rest) = checked.as_chunks::<8>();
        let (merged, runs) = numbers.split_first()?;
        let good = rest.is_empty() && crc32c(checked) == u32::from_le_bytes(*crc);
        let runs = runs.iter().map(|number| u64::from_le_bytes(*number)).collect();
        good.then_some(Self { merged: u64::from_le_bytes(*merged), runs })
    }
}

impl Layers {
    /// Opens what counts, or begins anew in an empty folder; removes the rest.
    pub(super) fn open(folder: &Path) -> Result<(Self, Mark), IndexError> {
        fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let generations = young::generations(folder).map_err(|error| failed(&error))?;
        let Some(list) = List::read(folder)? else {
            if !generations.is_empty() || fs::read_dir(folder).map_err(|error| failed(&error))?.next().is_some() {
                return Err(IndexError("it was never finished".to_owned()));
            }
            return Self::begin(folder, &Mark::default(), Vec::new());
        };
        let (stale, current): (Vec<u64>, Vec<u64>) =
            generations.into_iter().partition(|generation| *generation <= list.merged);
        for generation in stale {
            young::remove(folder, generation);
        }
        for number in run::numbers(folder).map_err(|error| failed(&error))? {
            if !list.runs.contains(&number) {
                run::remove(folder, number);
            }
        }
        let runs = list.runs.iter().map(|number| Run::open(folder, *number).map(Arc::new));
        let runs = runs.collect::<Result<Vec<_>, _>>()?;
        let (frozen, young) = match current.as_slice() {
            [young] => (None, *young),
            [frozen, young] => (Some(*frozen), *young),
            parts => return Err(IndexError(format!("{} young parts, not one or two", parts.len()))),
        };
        let frozen = frozen.map(|generation| Young::open(folder, generation)).transpose()?;
        let (young, mark) = Young::open(folder, young)?;
        Ok((Self { young: Arc::new(young), frozen: frozen.map(|(frozen, _)| Arc::new(frozen)), runs }, mark))
    }

    /// The first young part over `runs`, which hold everything up to `mark`.
    pub(super) fn begin(folder: &Path, mark: &Mark, runs: Vec<Arc<Run>>) -> Result<(Self, Mark), IndexError> {
        let young = Arc::new(Young::create(folder, 1, mark)?);
        List { merged: 0, runs: runs.iter().map(|run| run.number).collect() }.write(folder)?;
        Ok((Self { young, frozen: None, runs }, mark.clone()))
    }

    /// The newest word on `key`.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Place>, IndexError> {
        for young in std::iter::once(&self.young).chain(&self.frozen) {
            if let Some(Word(found)) = young.get(key)? {
                return Ok(found);
            }
        }
        for run in &self.runs {
            if let Some(Word(found)) = run.get(key)? {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The same, where it need not be waited for ([`super::at_hand`]): sled has all of a young part in memory.
    pub(super) fn at_hand(&self, key: &[u8]) -> Result<Option<Place>, NotAtHand> {
        for young in std::iter::once(&self.young).chain(&self.frozen) {
            if let Some(Word(found)) = young.get(key).map_err(|_| NotAtHand)? {
                return Ok(found);
            }
        }
        for run in &self.runs {
            if let Some(Word(found)) = run.at_hand(key)? {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The changes of each part from key `from` to before `to`, newest first.
    pub(super) fn range(&self, from: &[u8], to: &[u8]) -> Vec<Sorted<'static>> {
        let mut streams: Vec<Sorted<'static>> = Vec::new();
        for young in std::iter::once(&self.young).chain(&self.frozen) {
            streams.push(Box::new(young.range(from, Some(to))));
        }
        for run in &self.runs {
            let end = to.to_vec();
            let before = move |change: &Result<Change, IndexError>| change.as_ref().map_or(true, |c| c.key < end);
            streams.push(Box::new(run.from(from).take_while(before)));
        }
        streams
    }
}

/// Merges `streams`, newest first and `most` changes at most, into run `number`. With `last` nothing older lies below:
/// what is deleted needs no mention. Returns the run and what counts of each segment by it; `None` when told to stop.
pub(super) fn merge(
    folder: &Path,
    number: u64,
    (streams, most): (Vec<Sorted<'_>>, u64),
    last: bool,
    pause: Duration,
    stop: impl Fn() -> bool,
) -> Result<Option<(Run, Live)>, MergeError> {
    let mut writer = Writer::create(folder, number, most, pause).map_err(MergeError::Disk)?;
    let mut live = Live::default();
    for (n, change) in Merge::of(streams).enumerate() {
        let change = change?;
        if n % 1024 == 0 && stop() {
            return Ok(None);
        }
        if let Some(place) = &change.place {
            live.add(&change.key, place);
        }
        if change.place.is_some() || !last {
            writer.push(&change).map_err(MergeError::Disk)?;
        }
    }
    writer.finish().map_err(MergeError::Disk)?;
    Ok(Some((Run::open(folder, number)?, live)))
}

/// Why a merge ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum MergeError {
    /// What is there cannot be read: the index is to be made again.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The new run cannot be written: what is there still serves.
    #[error("a run cannot be written: {0}")]
    Disk(std::io::Error),
}

impl From<MergeError> for IndexError {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Index(error) => error,
            MergeError::Disk(error) => failed(&error),
        }
    }
}
