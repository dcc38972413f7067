//! What of the journal is known to be gone: a note in quarantine for each loss, until it is put back or given up.
//!
//! While such a note is there the loss is told at every start and by every check, no body is removed for want of a record, and
//! deletions that may concern what is lost are kept: so what comes back brings nothing back that was deleted since.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::sync::{Mutex, PoisonError};

use super::super::super::{OpenError, StoreError};
use super::bodies::failed;
use super::folder::{Folder, at};

const MISSING: &str = ".missing";
const LOST: &str = ".lost";

/// A part of the journal that is gone, though nobody removed it on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// A whole file, by its number.
    Segment(u64),
    /// What stood in the file of this number from this offset on.
    Tail(u64, u64),
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(id) => write!(f, "{id:x}"),
            Self::Tail(id, from) => write!(f, "{id:x}:{from}"),
        }
    }
}

impl Loss {
    /// The file that it concerns.
    pub(super) const fn segment(self) -> u64 {
        match self {
            Self::Segment(id) | Self::Tail(id, _) => id,
        }
    }

    /// In which file, and from which offset on.
    pub(super) const fn begins(self) -> (u64, u64) {
        match self {
            Self::Segment(id) => (id, 0),
            Self::Tail(id, from) => (id, from),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Segment(id) => format!("{id:016x}{MISSING}"),
            Self::Tail(id, from) => format!("{id:016x}-{from:012x}{LOST}"),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let hex = |digits| u64::from_str_radix(digits, 16).ok();
        if let Some(id) = name.strip_suffix(MISSING) {
            return hex(id).map(Self::Segment);
        }
        let (id, from) = name.strip_suffix(LOST)?.split_once('-')?;
        Some(Self::Tail(hex(id)?, hex(from)?))
    }

    /// The note about it in the quarantine: name and text.
    pub(in crate::store) fn as_note(self) -> (String, String) {
        (self.name(), self.text())
    }

    fn text(self) -> String {
        let what = match self {
            Self::Segment(id) => format!("Segment {id:x} of the journal was missing."),
            Self::Tail(id, from) => {
                format!("What stood in segment {id:x} of the journal from byte {from} on was missing.")
            }
        };
        format!("{what} Bodies that no record names stay while this file is here.\n")
    }
}

/// The losses that are noted in quarantine.
pub(super) fn noted(folder: &Folder) -> Result<BTreeSet<Loss>, OpenError> {
    let path = folder.quarantine();
    let mut noted = BTreeSet::new();
    for entry in fs::read_dir(&path).map_err(at(&path))? {
        noted.extend(entry.map_err(at(&path))?.file_name().to_str().and_then(Loss::parse));
    }
    Ok(noted)
}

/// Notes a loss, durably. A segment's number counts as removed from now on: the note alone says that it is missed.
pub(super) fn note(folder: &Folder, loss: Loss) -> Result<(), OpenError> {
    folder.keep(&loss.name(), loss.text().as_bytes())?;
    match loss {
        Loss::Segment(id) => folder.note_removed(id, |_| true).map_err(at(&folder.journal())),
        Loss::Tail(..) => Ok(()),
    }
}

/// Removes the note of a loss, durably.
pub(super) fn forget(folder: &Folder, loss: Loss) -> std::io::Result<()> {
    let path = folder.quarantine();
    match fs::remove_file(path.join(loss.name())) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => folder.io().sync_folder(&path),
    }
}

/// Those of a folder that is open.
#[derive(Debug)]
pub(super) struct Losses {
    folder: Folder,
    known: Mutex<BTreeSet<Loss>>,
}

impl Losses {
    pub(super) fn new(folder: Folder, known: BTreeSet<Loss>) -> Self {
        Self { folder, known: Mutex::new(known) }
    }

    pub(super) fn all(&self) -> BTreeSet<Loss> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The files that may come back, whole or in part.
    pub(super) fn segments(&self) -> BTreeSet<u64> {
        self.all().into_iter().map(Loss::segment).collect()
    }

    /// Nobody waits for it any more.
    pub(super) fn give_up(&self, loss: Loss) -> Result<(), StoreError> {
        forget(&self.folder, loss).map_err(|error| failed(&error))?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&loss);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_notes_round_trip() {
        for loss in [Loss::Segment(0xab), Loss::Tail(7, 12345)] {
            assert_eq!(Loss::parse(&loss.name()), Some(loss));
        }
        for bad in ["7.damaged", "x.missing", "7.lost", "7-x.lost", ""] {
            assert_eq!(Loss::parse(bad), None, "{bad}");
        }
    }
}
