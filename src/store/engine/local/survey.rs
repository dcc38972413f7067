//! What a journal holds that nobody has open: every frame is read and compared, and nothing is changed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::super::super::progress::Progress;
use super::folder::Folder;
use super::losses::Loss;
use super::pin::{Frames, JournalFile};
use super::segment::{self, Segment};

/// Reads every frame of the journal in the data folder `root`, and finds which files, or ends of files, are missing by what the
/// others say. Ends early when `progress` is stopped.
///
/// # Errors
/// When the disk does not give it.
pub fn survey(root: &Path, progress: &Progress) -> io::Result<Frames> {
    let folder = Folder::unlocked(root);
    let mut segments = Vec::new();
    let entries = match std::fs::read_dir(folder.journal()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Frames::default()),
        other => other?,
    };
    for entry in entries {
        let path = entry?.path();
        if let Some(id) = segment::number(&path) {
            segments.push(Arc::new(Segment { id, file: std::fs::File::open(&path)?, path }));
        }
    }
    segments.sort_by_key(|segment| segment.id);
    let openings = segments.iter().filter_map(|segment| segment.opening());
    let ends: BTreeMap<u64, u64> = openings.map(|opening| (opening.previous, opening.previous_end)).collect();
    let removed = folder.removed();
    let mut found = Frames::default();
    let missing = ends.iter().filter(|(id, end)| {
        **end > segment::START && !removed.contains(id) && segments.iter().all(|segment| segment.id != **id)
    });
    found.lost.extend(missing.map(|(id, _)| Loss::Segment(*id)));
    progress.begin("journal files", segments.len() as u64);
    for segment in segments {
        if progress.is_stopped() {
            break;
        }
        let (id, len) = (segment.id, segment.len()?);
        let end = ends.get(&id).copied();
        found.lost.extend(end.filter(|end| len < *end).map(|_| Loss::Tail(id, len)));
        JournalFile { segment, end: end.map_or(len, |end| end.min(len)) }.audit(&mut found)?;
        progress.advance();
    }
    Ok(found)
}
