//! From journal to index: by the footers of closed segments and the frames of open ones.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::super::Space;
use super::build::Builder;
use super::frame::{Change, Kind, Stretch};
use super::index::{Index, IndexError};
use super::segment::{Footer, Found, Segment};
use super::tree::Tree;

/// Changes per batch of the index.
const STEP: usize = 4096;
/// After so many segments (1 GiB) the log tells how far a rebuild is.
const PROGRESS: usize = 16;

/// How a segment tells its records.
#[derive(Debug)]
pub(super) enum Shape {
    /// By its footer.
    Closed(Footer),
    /// By its frames, those whose table can be believed.
    Open(Vec<Found>),
}

/// A segment and its records.
#[derive(Debug)]
pub(super) struct Source {
    pub segment: Arc<Segment>,
    pub shape: Shape,
}

/// What one frame supersedes in erasable spaces.
#[derive(Debug)]
pub(super) struct Listed {
    /// Last sequence number of the frame.
    pub last: u64,
    /// The erasable keys that it changes: among them are those whose old values it lists.
    pub keys: Arc<[Vec<u8>]>,
    pub stretches: Vec<Stretch>,
}

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplayError {
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("journal: {0}")]
    Journal(#[from] io::Error),
}

impl Source {
    /// Looks at a segment that is known to be sound.
    pub(super) fn of(segment: Arc<Segment>) -> io::Result<Self> {
        let shape = match segment.footer() {
            Some(footer) => Shape::Closed(footer),
            None => Shape::Open(segment.scan(None)?.frames),
        };
        Ok(Self { segment, shape })
    }

    /// Highest sequence number in it; 0 for none.
    pub(super) fn last(&self) -> u64 {
        match &self.shape {
            Shape::Closed(footer) => footer.header.head.last(),
            Shape::Open(frames) => frames.iter().map(|found| found.header.head.last()).max().unwrap_or(0),
        }
    }

    /// Whether nothing at all stands in it.
    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.shape, Shape::Open(frames) if frames.is_empty())
    }

    /// Whether it tells of any change.
    pub(super) fn holds_records(&self) -> bool {
        match &self.shape {
            Shape::Closed(footer) => footer.header.records > 0,
            Shape::Open(frames) => frames.iter().any(|found| found.header.head.kind == Kind::Group),
        }
    }

    /// Gives `each` the changes of every frame behind `mark`, with the mark that they lead to. A closed segment gives all
    /// of its own: to apply changes again, and those after them, ends in the same state.
    fn changes(
        &self,
        mark: u64,
        mut each: impl FnMut(&[Change], u64) -> Result<(), ReplayError>,
    ) -> Result<u64, ReplayError> {
        let mut frames = 0;
        match &self.shape {
            Shape::Closed(footer) if footer.header.head.last() > mark => {
                if let Some(table) = self.segment.table(footer.offset, &footer.header)? {
                    each(&table.changes, footer.header.head.last())?;
                    return Ok(1);
                }
                tracing::error!(segment = self.segment.id, "a footer is damaged; the frames before it are read");
                let shape = Shape::Open(self.segment.scan(Some(footer.offset))?.frames);
                return Self { segment: Arc::clone(&self.segment), shape }.changes(0, each);
            }
            Shape::Closed(_) => {}
            Shape::Open(found) => {
                let behind = |found: &&Found| found.header.head.kind == Kind::Group && found.header.head.last() > mark;
                for found in found.iter().filter(behind) {
                    // A damaged table is in quarantine already.
                    if let Some(table) = self.segment.table(found.offset, &found.header)? {
                        each(&table.changes, found.header.head.last())?;
                        frames += 1;
                    }
                }
            }
        }
        Ok(frames)
    }

    /// What its frames behind `mark` supersede in erasable spaces. A footer does not tell: then the frames before it are read.
    pub(super) fn superseded(&self, mark: u64) -> io::Result<Vec<Listed>> {
        if self.last() <= mark {
            return Ok(Vec::new());
        }
        let scanned;
        let frames = match &self.shape {
            Shape::Open(frames) => frames,
            Shape::Closed(footer) => {
                scanned = self.segment.scan(Some(footer.offset))?.frames;
                &scanned
            }
        };
        let mut superseded = Vec::new();
        for found in frames.iter().filter(|found| found.header.superseded > 0 && found.header.head.last() > mark) {
            let Some(table) = self.segment.table(found.offset, &found.header)? else { continue };
            let keys = table.changes.into_iter().map(|change| change.key).filter(|key| Space::is_erasable(key));
            let (last, keys) = (found.header.head.last(), keys.collect());
            superseded.push(Listed { last, keys, stretches: table.superseded });
        }
        Ok(superseded)
    }

    /// The changes of all its frames.
    pub(super) fn all(&self) -> Result<Vec<Change>, ReplayError> {
        let mut all = Vec::new();
        self.changes(0, |changes, _| {
            all.extend_from_slice(changes);
            Ok(())
        })?;
        Ok(all)
    }
}

/// Makes the index in `folder`, where nothing is, from the whole journal. Returns it, and how many frames it was made from.
pub(super) fn build(folder: &Path, sources: &[Source]) -> Result<(Index, u64), ReplayError> {
    let (mut builder, mut frames, mut reached) = (Builder::new(folder)?, 0, 0);
    for (done, source) in sources.iter().enumerate() {
        if done > 0 && done % PROGRESS == 0 {
            tracing::info!(done, of = sources.len(), "segments of the journal read into the new index");
        }
        frames += source.changes(0, |changes, last| {
            reached = last.max(reached);
            Ok(builder.push(changes).map_err(IndexError::from)?)
        })?;
    }
    let known = sources.iter().map(|source| source.segment.id);
    let (layers, mark) = builder.finish(reached, known).map_err(IndexError::from)?;
    Ok((Index::Tree(Box::new(Tree::over(folder, layers, mark))), frames))
}

/// Applies everything behind `mark` to `index`, in the journal's order. Returns how many frames that were.
pub(super) fn replay(index: &Index, sources: &[Source], mark: u64) -> Result<u64, ReplayError> {
    let (mut frames, mut reached) = (0, mark);
    for source in sources {
        frames += source.changes(mark, |changes, last| {
            let mut steps = changes.chunks(STEP).peekable();
            while let Some(step) = steps.next() {
                // The mark moves with the last step: one half done is done again.
                let mark = if steps.peek().is_none() { last.max(reached) } else { reached };
                index.apply(step, mark)?;
            }
            reached = reached.max(last);
            Ok(())
        })?;
    }
    index.apply(&[], reached)?;
    Ok(frames)
}
