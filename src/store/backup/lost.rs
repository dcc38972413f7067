//! What the store has lost of its journal, and an earlier run copied, stays in the backup until the loss is given up: a whole file in
//! its place, the end of one in a copy beside the others, since what was written later goes on without it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use crate::store::engine::{Engine, JournalFile, Loss};

use super::BackupError;
use super::journal::{Journal, JournalRun, STEP, number};
use super::manifest::Entry;

/// Where the copies are that have an end which the store has not.
pub(super) const FOLDER: &str = "lost";

/// A loss, as a report names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// The file, and where its end begins.
    pub place: String,
    /// Whether an earlier run's copy has it.
    pub kept: bool,
}

fn path(number: u64, from: u64, hash: &str) -> String {
    format!("{FOLDER}/{number:016x}-{from:012x}-{}.seg", hash.get(..16).unwrap_or_default())
}

/// The loss that a path of the manifest is a copy for.
pub(super) fn loss(path: &str) -> Option<Loss> {
    let (number, rest) = path.strip_prefix(FOLDER)?.strip_prefix('/')?.split_once('-')?;
    let (from, rest) = rest.split_once('-')?;
    let hex = |digits| u64::from_str_radix(digits, 16).ok();
    rest.strip_suffix(".seg").and_then(|_| Some(Loss::Tail(hex(number)?, hex(from)?)))
}

impl JournalRun<'_> {
    /// Copies of what the store has lost stay; every loss is told.
    pub(super) fn keep_lost(&self, files: &[JournalFile], journal: &mut Journal) -> Result<(), BackupError> {
        let there: BTreeSet<u64> = files.iter().map(JournalFile::number).collect();
        for loss in self.run.inner.engine.losses() {
            let (place, kept) = match loss {
                Loss::Segment(id) if there.contains(&id) => continue,
                Loss::Segment(id) => {
                    let copy = self.older().find(|(number, entry)| *number == id && self.is_there(entry));
                    journal.entries.extend(copy.map(|(_, entry)| entry.clone()));
                    (format!("journal/{id:016x}.seg"), copy.is_some())
                }
                Loss::Tail(id, from) => {
                    let copy = self.with_end(id, from, files, journal)?;
                    let kept = copy.is_some();
                    journal.ends.extend(copy);
                    (format!("journal/{id:016x}.seg:{from}"), kept)
                }
            };
            journal.lost.push(Told { place, kept });
        }
        journal.entries.sort_by_key(|entry| number(&entry.path));
        Ok(())
    }

    fn is_there(&self, entry: &Entry) -> bool {
        self.target.len(&entry.path).is_some()
    }

    /// A copy that has what stood behind `from`: what is erased in the store before that is erased in it too.
    fn with_end(
        &self,
        id: u64,
        from: u64,
        files: &[JournalFile],
        journal: &mut Journal,
    ) -> Result<Option<Entry>, BackupError> {
        let Some(old) = self.old else { return Ok(None) };
        let kept = old.ends.iter().filter(|entry| loss(&entry.path) == Some(Loss::Tail(id, from)));
        let copied = old.journal.iter().filter(|(number, _)| *number == id).map(|(_, entry)| entry);
        let has_it = |entry: &&Entry| Engine::holds_behind(&self.target.place(&entry.path), id, from).unwrap_or(false);
        let Some(older) = kept.chain(copied).find(has_it) else { return Ok(None) };
        // Compaction gave the rest of it up.
        let Some(file) = files.iter().find(|file| file.number() == id) else { return Ok(Some(older.clone())) };
        let place = self.target.place(&older.path);
        let mut copy = self.target.begin(FOLDER)?;
        let mut head = file.clone();
        head.end = from.min(file.end);
        self.run.read(&head, 0, |bytes| copy.write(bytes))?;
        let mut source = File::open(&place).map_err(BackupError::at(&place))?;
        source.seek(SeekFrom::Start(copy.len)).map_err(BackupError::at(&place))?;
        let mut buffer = vec![0; usize::try_from(STEP).unwrap_or_default()];
        loop {
            self.run.check_stop()?;
            let read = source.read(&mut buffer).map_err(BackupError::at(&place))?;
            if read == 0 {
                break;
            }
            copy.write(buffer.get(..read).unwrap_or_default())?;
        }
        head.end = copy.len;
        for (offset, bytes) in self.judge(&head, Some(copy.path()), Some(&place))?.patches {
            copy.patch(offset, &bytes)?;
        }
        self.place(copy, journal, |hash| path(id, from, hash)).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_tell_what_they_are_copies_for() {
        assert_eq!(loss(&path(0xab, 0x1_0000, &"7".repeat(64))), Some(Loss::Tail(0xab, 0x1_0000)));
        for other in ["journal/0000-00.seg", "lost/7.seg", "lost/7-8-9", "lost", "lost/x-1-2.seg"] {
            assert_eq!(loss(other), None, "{other}");
        }
    }
}
