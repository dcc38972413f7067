//! Copying the journal up to one moment.
//!
//! A segment that the backup before has is read and hashed; where nothing was erased in it since, the copy stays. All others
//! are copied in rounds while commits go on, each round what came since the last. When little is left, the rest is
//! read while the journal stands still for a moment: what was read before is of older moments, but nothing that a commit up to
//! this one relies on has been overwritten meanwhile, and what was overwritten since is superseded by what is read last.
//!
//! What is damaged in the store's own file stays as the copy of an earlier run has it, frame by frame: no copy gets worse.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::store::StoreError;
use crate::store::engine::{Damaged, JournalFile, Judged, Moment};

use super::lost::{self, Told};
use super::manifest::{Entry, Hash, hex};
use super::target::{Target, Unfinished};
use super::{BackupError, Old, Run};

/// Bytes read at a time.
pub(super) const STEP: u64 = 1 << 20;
/// So little is read while the journal stands still.
const LITTLE: u64 = 4 << 20;
/// The most that is ever held in memory for that, when mail comes in faster than this copies.
const MOST: u64 = 128 << 20;
const ROUNDS: usize = 8;
/// The list of segments that were removed on purpose: how its copies begin.
pub(super) const REMOVED: &str = "journal/removed";

/// A segment in the backup's folder.
enum Copy {
    /// The copy of the backup before is the same.
    Kept(Entry, u64),
    /// Being copied.
    Growing(Unfinished),
}

impl Copy {
    fn len(&self) -> u64 {
        match self {
            Self::Kept(_, len) => *len,
            Self::Growing(copy) => copy.len,
        }
    }
}

/// What the journal stood at.
struct Standing {
    files: Vec<(JournalFile, Vec<u8>)>,
    last: u64,
    removed: Vec<u8>,
}

/// Copies the journal.
pub(super) struct JournalRun<'a> {
    pub(super) run: &'a Run,
    pub(super) target: &'a Target,
    pub(super) old: Option<&'a Old>,
    copies: BTreeMap<u64, Copy>,
    /// Copies that were not what they were.
    mended: BTreeSet<String>,
    /// In files that are as they were.
    damaged: Vec<Damaged>,
}

/// What was copied.
pub(super) struct Journal {
    /// In the order of the segments.
    pub entries: Vec<Entry>,
    /// Sequence number of the last commit in it.
    pub last: u64,
    pub copied: u64,
    pub copied_bytes: u64,
    /// Copies that were not what they were, and are made anew.
    pub mended: Vec<String>,
    /// Damaged places of the store's own files.
    pub damaged: Vec<Damaged>,
    /// What of it is lost.
    pub lost: Vec<Told>,
    /// Copies of an earlier run with ends that the store has lost.
    pub ends: Vec<Entry>,
}

/// The number of the segment that a path of the manifest names.
pub(super) fn number(path: &str) -> Option<u64> {
    let (number, rest) = path.strip_prefix("journal/")?.split_once('-')?;
    rest.strip_suffix(".seg").and_then(|_| u64::from_str_radix(number, 16).ok())
}

/// Where the copy of a segment stands.
pub(super) fn path(number: u64, hash: &str) -> String {
    format!("journal/{number:016x}-{}.seg", hash.get(..16).unwrap_or_default())
}

impl<'a> JournalRun<'a> {
    pub(super) fn new(run: &'a Run, target: &'a Target, old: Option<&'a Old>) -> Self {
        Self { run, target, old, copies: BTreeMap::new(), mended: BTreeSet::new(), damaged: Vec::new() }
    }

    pub(super) fn copy(mut self) -> Result<Journal, BackupError> {
        for round in 0..ROUNDS {
            let most = if round + 1 == ROUNDS { MOST } else { LITTLE };
            let lens = self.copies.iter().map(|(number, copy)| (*number, copy.len())).collect();
            let engine = &self.run.inner.engine;
            match self.run.handle.block_on(engine.moment(move |moment| rest(moment, &lens, most)))? {
                Ok(last) => return self.finish(last),
                Err(files) => self.round(&files)?,
            }
        }
        Err(StoreError::NotReady("more mail comes in than can be copied".to_owned()).into())
    }

    /// Copies what is there now of each segment.
    fn round(&mut self, files: &[JournalFile]) -> Result<(), BackupError> {
        self.run.progress.begin("journal files", files.len() as u64);
        for (at, file) in files.iter().enumerate() {
            if !self.copies.contains_key(&file.number()) {
                // Only closed ones stay as they are.
                let kept = if at + 1 < files.len() { self.unchanged(file)? } else { None };
                let copy = match kept {
                    Some(entry) => Copy::Kept(entry, file.end),
                    None => Copy::Growing(self.target.begin(&file.name())?),
                };
                self.copies.insert(file.number(), copy);
            }
            if let Some(Copy::Growing(copy)) = self.copies.get_mut(&file.number()) {
                let from = copy.len;
                self.run.read(file, from, |bytes| copy.write(bytes))?;
            }
            self.run.progress.advance();
        }
        Ok(())
    }

    /// The entry of the backup before, if its copy is there and nothing was erased in the segment since.
    fn unchanged(&mut self, file: &JournalFile) -> Result<Option<Entry>, BackupError> {
        let old = self.old.and_then(|old| old.journal.iter().find(|(number, _)| *number == file.number()));
        let Some((_, entry)) = old.filter(|(_, entry)| self.target.len(&entry.path) == Some(file.end)) else {
            return Ok(None);
        };
        let mut hash = Sha256::new();
        self.run.read(file, 0, |bytes| {
            hash.update(bytes);
            Ok(())
        })?;
        if hex(hash) != entry.hash {
            return Ok(None);
        }
        if self.run.is_sound(self.target, entry)? {
            self.damaged.append(&mut self.judge(file, None, None)?.damaged);
            return Ok(Some(entry.clone()));
        }
        self.mended.insert(entry.path.clone());
        Ok(None)
    }

    fn finish(mut self, Standing { files, last, removed }: Standing) -> Result<Journal, BackupError> {
        let mut journal = Journal {
            entries: Vec::new(),
            last,
            copied: 0,
            copied_bytes: 0,
            mended: self.mended.iter().cloned().collect(),
            damaged: self.damaged.clone(),
            lost: Vec::new(),
            ends: Vec::new(),
        };
        let mut there = Vec::new();
        for (file, rest) in files {
            there.push(file.clone());
            let copy = match self.copies.remove(&file.number()) {
                Some(Copy::Kept(entry, _)) => {
                    journal.entries.push(entry);
                    continue;
                }
                Some(Copy::Growing(copy)) => copy,
                None => self.target.begin(&file.name())?,
            };
            let entry = self.end(copy, &rest, &file, &mut journal)?;
            journal.entries.push(entry);
        }
        self.keep_lost(&there, &mut journal)?;
        if !removed.is_empty() {
            let mut copy = self.target.begin("removed")?;
            copy.write(&removed)?;
            let entry =
                self.place(copy, &mut journal, |hash| format!("{REMOVED}-{}", hash.get(..16).unwrap_or_default()))?;
            journal.entries.push(entry);
        }
        Ok(journal)
    }

    /// Ends a copy; counts it, unless the very same is there.
    pub(super) fn place(
        &self,
        copy: Unfinished,
        journal: &mut Journal,
        named: impl Fn(&str) -> String,
    ) -> Result<Entry, BackupError> {
        let len = copy.len;
        let mut there = false;
        let (path, hash): (String, Hash) = self.target.finish(copy, |hash| {
            let path = named(hash);
            there = self.target.len(&path).is_some() && !self.mended.contains(&path);
            path
        })?;
        if !there {
            journal.copied += 1;
            journal.copied_bytes += len;
        }
        Ok(Entry { hash, path })
    }

    fn end(
        &self,
        mut copy: Unfinished,
        rest: &[u8],
        file: &JournalFile,
        journal: &mut Journal,
    ) -> Result<Entry, BackupError> {
        copy.write(rest)?;
        let older = self.older().find(|(number, _)| *number == file.number());
        let older = older.map(|(_, entry)| self.target.place(&entry.path));
        let mut judged = self.judge(file, Some(copy.path()), older.as_deref())?;
        for (offset, bytes) in &judged.patches {
            copy.patch(*offset, bytes)?;
        }
        journal.damaged.append(&mut judged.damaged);
        self.place(copy, journal, |hash| path(file.number(), hash))
    }

    /// What the backup before has of the journal.
    pub(super) fn older(&self) -> impl Iterator<Item = &'a (u64, Entry)> + use<'a> {
        self.old.into_iter().flat_map(|old| &old.journal)
    }

    pub(super) fn judge(
        &self,
        file: &JournalFile,
        copy: Option<&Path>,
        older: Option<&Path>,
    ) -> Result<Judged, BackupError> {
        let judged = self.run.inner.engine.judge(file, copy, older);
        Ok(judged.map_err(|error| StoreError::Damaged(format!("{}: {error}", file.name())))?)
    }
}

/// What is missing of each file, if that is little; else the files.
fn rest(moment: Moment, lens: &BTreeMap<u64, u64>, most: u64) -> Result<Standing, Vec<JournalFile>> {
    let missing = |file: &JournalFile| {
        let have = lens.get(&file.number()).copied().unwrap_or(0);
        (have, file.end.saturating_sub(have))
    };
    if moment.files.iter().map(|file| missing(file).1).sum::<u64>() > most {
        return Err(moment.files);
    }
    let read = |file: JournalFile| {
        let (from, len) = missing(&file);
        let bytes = file.remains(from, len);
        (file, bytes)
    };
    let files = moment.files.into_iter().map(read).collect();
    Ok(Standing { files, last: moment.last, removed: moment.removed })
}

impl Run {
    /// Gives `each` the bytes of a segment from `from` on.
    pub(super) fn read(
        &self,
        file: &JournalFile,
        from: u64,
        mut each: impl FnMut(&[u8]) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let mut at = from;
        while at < file.end {
            self.check_stop()?;
            let len = STEP.min(file.end - at);
            each(&file.remains(at, len))?;
            at += len;
            self.rest(len);
        }
        Ok(())
    }
}

impl Journal {
    /// Removes copies that no longer belong to the backup. They may hold what was erased since.
    pub(super) fn sweep(&self, target: &Target) -> Result<u64, BackupError> {
        let named: BTreeSet<&str> = self.entries.iter().chain(&self.ends).map(|entry| entry.path.as_str()).collect();
        let mut removed = 0;
        for folder in ["journal", lost::FOLDER] {
            for (name, _) in target.list(folder)? {
                let path = format!("{folder}/{name}");
                if !named.contains(path.as_str()) {
                    target.erase(&path)?;
                    removed += 1;
                }
            }
        }
        for (name, _) in target.list("part")? {
            target.erase(&format!("part/{name}"))?;
        }
        Ok(removed)
    }
}
