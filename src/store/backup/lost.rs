//! What the store has lost of its journal, and an earlier run copied, stays in the backup until the loss is given up: a whole file in
//! its place, the end of one in a copy beside the others, since what was written later goes on without it.
//!
//! Keys that were replaced or removed since go from both at the next run. Of what else stands in such an end the store knows nothing,
//! neither when its life ends: so the copy is kept for thirty days.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use crate::base::Timestamp;
use crate::store::engine::{Engine, JournalFile, Loss};

use super::BackupError;
use super::journal::{Journal, JournalRun, STEP, number};
use super::manifest::Entry;
use super::target::Unfinished;

/// Where the copies are that have an end which the store has not.
pub(super) const FOLDER: &str = "lost";
/// So long a copy with such an end is kept.
const KEPT: Duration = Duration::from_hours(30 * 24);

/// A loss, as a report names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// The file, and where its end begins.
    pub place: String,
    /// Whether an earlier run's copy has it.
    pub kept: bool,
}

/// The copy's path: number, where the lost end begins, the second in which a run first kept it, hash.
fn path(number: u64, from: u64, since: Timestamp, hash: &str) -> String {
    format!("{FOLDER}/{number:016x}-{from:012x}-{:08x}-{}.seg", since.secs(), hash.get(..16).unwrap_or_default())
}

/// The loss that a path of the manifest is a copy for, and since when it is kept.
fn parse(path: &str) -> Option<(Loss, Timestamp)> {
    let parts: Vec<&str> = path.strip_prefix(FOLDER)?.strip_prefix('/')?.strip_suffix(".seg")?.split('-').collect();
    let &[number, from, since, _] = parts.as_slice() else { return None };
    let hex = |digits| u64::from_str_radix(digits, 16).ok();
    Some((Loss::Tail(hex(number)?, hex(from)?), Timestamp::from_secs(hex(since)?)))
}

/// The loss that a path of the manifest is a copy for.
pub(super) fn loss(path: &str) -> Option<Loss> {
    parse(path).map(|(loss, _)| loss)
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
                    let copy = copy.map(|(_, entry)| self.without_superseded(entry, loss, journal)).transpose()?;
                    let kept = copy.is_some();
                    journal.entries.extend(copy);
                    (format!("journal/{id:016x}.seg"), kept)
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

    /// The copy of a file that is missing, or a new one in which what was replaced or deleted since is erased.
    fn without_superseded(&self, older: &Entry, loss: Loss, journal: &mut Journal) -> Result<Entry, BackupError> {
        let place = self.target.place(&older.path);
        let patches = self.run.inner.engine.superseded_in(&place, loss)?;
        let Some(number) = number(&older.path).filter(|_| !patches.is_empty()) else { return Ok(older.clone()) };
        let mut copy = self.target.begin(FOLDER)?;
        self.append(&older.path, &mut copy)?;
        for (offset, zeros) in patches {
            copy.patch(offset, &zeros)?;
        }
        self.place(copy, journal, |hash| super::journal::path(number, hash))
    }

    /// A copy that has what stood behind `from`: what is erased in the store is erased in it too.
    fn with_end(
        &self,
        id: u64,
        from: u64,
        files: &[JournalFile],
        journal: &mut Journal,
    ) -> Result<Option<Entry>, BackupError> {
        let (Some(old), loss, now) = (self.old, Loss::Tail(id, from), self.run.inner.clock.now()) else {
            return Ok(None);
        };
        let known = old.ends.iter().filter_map(|entry| Some((entry, parse(&entry.path)?)));
        let kept = known.filter(|(_, (other, _))| *other == loss).map(|(entry, (_, since))| (entry, since.min(now)));
        let copied = old.journal.iter().filter(|(number, _)| *number == id).map(|(_, entry)| (entry, now));
        let has_it =
            |(entry, _): &(&Entry, _)| Engine::holds_behind(&self.target.place(&entry.path), id, from).unwrap_or(false);
        let found = kept.chain(copied).find(has_it).filter(|(_, since)| now.since(*since) < KEPT);
        let Some((older, since)) = found else { return Ok(None) };
        let place = self.target.place(&older.path);
        let mut copy = self.target.begin(FOLDER)?;
        // Unless compaction gave it up.
        let head = files.iter().find(|file| file.number() == id).cloned();
        if let Some(mut head) = head.clone() {
            head.end = from.min(head.end);
            self.run.read(&head, 0, |bytes| copy.write(bytes))?;
        }
        self.append(&older.path, &mut copy)?;
        let mut patches = self.run.inner.engine.superseded_in(copy.path(), loss)?;
        if let Some(mut head) = head {
            head.end = copy.len;
            patches.extend(self.judge(&head, Some(copy.path()), Some(&place))?.patches);
        }
        for (offset, bytes) in patches {
            copy.patch(offset, &bytes)?;
        }
        self.place(copy, journal, |hash| path(id, from, since, hash)).map(Some)
    }

    /// Adds to a copy what an earlier one has more.
    fn append(&self, older: &str, copy: &mut Unfinished) -> Result<(), BackupError> {
        let place = self.target.place(older);
        let mut source = File::open(&place).map_err(BackupError::at(&place))?;
        source.seek(SeekFrom::Start(copy.len)).map_err(BackupError::at(&place))?;
        let mut buffer = vec![0; usize::try_from(STEP).unwrap_or_default()];
        loop {
            self.run.check_stop()?;
            let read = source.read(&mut buffer).map_err(BackupError::at(&place))?;
            if read == 0 {
                return Ok(());
            }
            copy.write(buffer.get(..read).unwrap_or_default())?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_tell_what_they_are_copies_for() {
        let since = Timestamp::from_secs(1_795_251_840);
        let found = parse(&path(0xab, 0x1_0000, since, &"7".repeat(64)));
        assert_eq!(found, Some((Loss::Tail(0xab, 0x1_0000), since)));
        for other in ["journal/0000-00.seg", "lost/7.seg", "lost/7-8-9.seg", "lost/7-8-9-1", "lost", "lost/x-1-2-3.seg"]
        {
            assert_eq!(loss(other), None, "{other}");
        }
    }
}
