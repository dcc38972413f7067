//! Whether the index that a run left behind can be believed; else it is made again.
//!
//! It is opened before the journal is judged: its mark moves only behind a synced frame, so whatever it has was once whole, and
//! acknowledged. After a machine or a mount went away under it, it is not even opened: it proves nothing then.

use std::collections::BTreeSet;
use std::io;

use super::super::super::{OpenError, OpenReport};
use super::amend;
use super::folder::{Folder, at};
use super::index::Index;
use super::losses::{self, Loss};
use super::replay::{ReplayError, Source, build, replay};

/// The index as the last run left it.
#[derive(Debug)]
pub(super) struct Kept {
    /// Or why it is to be made again.
    index: Result<Index, String>,
    existed: bool,
    /// What a clean stop noted as synced.
    synced: u64,
    /// Segments that were missing and are back: it does not have them.
    returned: BTreeSet<u64>,
}

impl Kept {
    /// Opens it, and notes that it is in use.
    pub(super) fn open(folder: &Folder) -> Result<Self, OpenError> {
        let (existed, distrust, synced) = (folder.index().exists(), folder.distrust(), folder.synced());
        if distrust.is_some() {
            folder.wipe_index()?;
        }
        folder.note_running()?;
        let index = match distrust {
            Some(why) => Err(why),
            None if !existed => Err("the index was missing".to_owned()),
            None => Index::open(&folder.index()).map_err(|error| error.to_string()),
        };
        Ok(Self { index, existed, synced, returned: BTreeSet::new() })
    }

    /// Whether it may serve on.
    pub(super) fn is_believed(&self) -> bool {
        self.index.is_ok()
    }

    /// Up to which sequence number everything was synced, for certain; 0 when it cannot tell.
    pub(super) fn proves(&self) -> u64 {
        self.index.as_ref().map_or(0, Index::mark).max(self.synced)
    }

    /// Segments that were missing are back: it is to be made again.
    pub(super) fn without(&mut self, returned: BTreeSet<u64>) {
        self.returned = returned;
    }

    /// Brings it up to the journal's end, or makes it again where it cannot be believed.
    pub(super) fn bring_up(
        self,
        folder: &Folder,
        sources: &[Source],
        last: u64,
        report: &mut OpenReport,
    ) -> Result<Index, OpenError> {
        let ends_early = self.synced > last;
        if !self.existed
            && last == 0
            && !ends_early
            && let Ok(index) = Index::open(&folder.index())
        {
            return Ok(index);
        }
        let reused = self.reuse(sources, last);
        if ends_early && matches!(reused, Ok(_) | Err(Unusable::Index(_))) {
            note_end(folder, sources)?;
        }
        let reason = match reused {
            Ok((index, frames)) => {
                report.replayed = frames;
                return Ok(index);
            }
            Err(Unusable::Journal(cause)) => return Err(at(&folder.journal())(cause)),
            Err(Unusable::Index(why)) => why,
            Err(Unusable::Missing(ids)) => {
                let removed = folder.removed();
                for id in ids.iter().filter(|id| !removed.contains(id)) {
                    losses::note(folder, Loss::Segment(*id))?;
                }
                let names: Vec<String> = ids.iter().map(|id| format!("{id:x}")).collect();
                format!("it names segment {}, which is missing", names.join(", "))
            }
            Err(Unusable::Ended(mark)) => {
                note_end(folder, sources)?;
                format!("its mark {mark} lies beyond the journal's end {last}")
            }
        };
        folder.wipe_index()?;
        report.rebuilt = Some(reason);
        let (index, frames) = rebuild(folder, sources).map_err(at(&folder.journal()))?;
        report.replayed = frames;
        Ok(index)
    }

    fn reuse(self, sources: &[Source], last: u64) -> Result<(Index, u64), Unusable> {
        let index = self.index.map_err(Unusable::Index)?;
        if !self.returned.is_empty() {
            let names: Vec<String> = self.returned.iter().map(|id| format!("{id:x}")).collect();
            return Err(Unusable::Index(format!("segment {}, which was missing, is back", names.join(", "))));
        }
        let mark = index.mark();
        if mark > last {
            // The newest one may be gone: no opening names that.
            let gone = amend::lost(&index, sources);
            return Err(if gone.is_empty() { Unusable::Ended(mark) } else { Unusable::Missing(gone) });
        }
        let live = index.live().unwrap_or_default();
        if let Some(strange) = sources.iter().find(|source| {
            let last = source.last();
            source.holds_records() && last <= mark && !live.knows(source.segment.id)
        }) {
            return Err(Unusable::Index(format!("it was made without segment {:x}", strange.segment.id)));
        }
        // Written together with what they change.
        index.know(sources.iter().map(|source| source.segment.id), false);
        let frames = replay(&index, sources, mark)?;
        // Only now: a segment that compaction removed may be named until the moves out of it are applied.
        index.flush().map_err(ReplayError::from)?;
        let gone = amend::lost(&index, sources);
        if gone.is_empty() { Ok((index, frames)) } else { Err(Unusable::Missing(gone)) }
    }
}

/// Notes that the journal went on where it ends now.
fn note_end(folder: &Folder, sources: &[Source]) -> Result<(), OpenError> {
    let (id, end) = match sources.last() {
        Some(source) => (source.segment.id, source.segment.len().map_err(at(&source.segment.path))?),
        None => (0, 0),
    };
    losses::note(folder, Loss::Tail(id, end))
}

enum Unusable {
    Index(String),
    /// It names segments that are not there.
    Missing(BTreeSet<u64>),
    /// Up to this sequence number commits were synced, but the journal ends before.
    Ended(u64),
    Journal(io::Error),
}

impl From<ReplayError> for Unusable {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Index(error) => Self::Index(error.to_string()),
            ReplayError::Journal(cause) => Self::Journal(cause),
        }
    }
}

/// Makes the index again from the journal; in memory when the disk does not let it.
pub(super) fn rebuild(folder: &Folder, sources: &[Source]) -> io::Result<(Index, u64)> {
    match build(&folder.index(), sources) {
        Ok(made) => return Ok(made),
        Err(ReplayError::Journal(cause)) => return Err(cause),
        Err(ReplayError::Index(error)) => tracing::error!(%error, "the index is kept in memory until the next start"),
    }
    in_memory(sources)
}

/// Makes an index that needs no disk.
pub(super) fn in_memory(sources: &[Source]) -> io::Result<(Index, u64)> {
    let index = Index::in_memory();
    let frames = replay(&index, sources, 0).map_err(io::Error::other)?;
    Ok((index, frames))
}
