//! The erasure ledger: keyed hashes of what was taken back or erased, apart from the data folder's backups, so that a backup that
//! is put back can be told what must stay gone.
//!
//! It is only ever appended to, and synced before a removal counts as complete. An entry names nothing without the data
//! folder's own secret. What expired is not in it: a message tells its own end, also one that comes from a backup. The format
//! stands in `docs/formats.md`.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::{ContactId, ConversationId, MessageId, Timestamp};
use crate::seal::keyring::StoreKeys;
use crate::store::StoreError;

/// First bytes of the file.
const MAGIC: &[u8; 8] = b"ZGLERA01";
/// Magic, and what tells whose ledger it is.
const HEADER: usize = 16;
/// One entry.
const ENTRY: usize = 56;
/// Label of the keyed hashes.
const LABEL: &str = "erasure ledger";

/// Why a ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be read or written.
    #[error("the erasure ledger {0}: {1}")]
    Io(PathBuf, io::Error),
    /// Where it should be is no folder.
    #[error(
        "the folder of the erasure ledger {0} is missing: mount its disk, make the folder, or change `retention.ledger`"
    )]
    NoFolder(PathBuf),
    /// It is no ledger.
    #[error("{0} is no erasure ledger that this release knows")]
    Unknown(PathBuf),
    /// It was written for another data folder.
    #[error("the erasure ledger {0} belongs to another data folder")]
    Foreign(PathBuf),
}

/// What must stay gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// One recipient's side of a message.
    Delivery(MessageId, ConversationId),
    /// A contact.
    Contact(ContactId),
}

impl Name {
    /// Its keyed hash.
    pub(super) fn hash(self, keys: &StoreKeys) -> [u8; 32] {
        match self {
            Self::Delivery(message, conversation) => {
                keys.blind(LABEL, &[&[1], message.as_bytes().as_slice(), conversation.as_bytes()].concat())
            }
            Self::Contact(contact) => keys.blind(LABEL, &[&[2], contact.as_bytes().as_slice()].concat()),
        }
    }
}

/// One line of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// When it was removed.
    pub(super) at: Timestamp,
    /// When it would have gone by itself: from then on the entry is not needed.
    pub(super) until: Timestamp,
    /// Keyed hash of its [`Name`].
    pub(super) hash: [u8; 32],
}

impl Entry {
    fn to_bytes(self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        let parts =
            [&[1, 0, 0, 0][..], &self.at.millis().to_be_bytes(), &self.until.millis().to_be_bytes(), &self.hash];
        let plain = parts.concat();
        let check = crc32c::crc32c(&plain).to_be_bytes();
        for (to, from) in bytes.iter_mut().zip(plain.into_iter().chain(check)) {
            *to = from;
        }
        bytes
    }

    /// `None` for an entry that is damaged or of a kind not known yet.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (plain, check) = bytes.split_last_chunk::<4>()?;
        let (kind, rest) = plain.split_first_chunk::<4>()?;
        let (at, rest) = rest.split_first_chunk::<8>()?;
        let (until, hash) = rest.split_first_chunk::<8>()?;
        let time = |bytes: &[u8; 8]| Timestamp(u64::from_be_bytes(*bytes));
        let known = *kind == [1, 0, 0, 0] && crc32c::crc32c(plain).to_be_bytes() == *check;
        known.then_some(Self { at: time(at), until: time(until), hash: hash.try_into().ok()? })
    }
}

/// What a ledger says, read whole.
#[derive(Debug, Clone, Default)]
pub struct Gone {
    pub(super) entries: HashMap<[u8; 32], Entry>,
    /// Entries that are damaged, or of a kind that this release does not know.
    pub unreadable: usize,
}

impl Gone {
    /// How many things it names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it names nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A ledger that is written to.
#[derive(Debug, Clone)]
pub struct Ledger {
    place: Arc<Mutex<Place>>,
}

#[derive(Debug)]
enum Place {
    File(PathBuf),
    Memory(Vec<Entry>),
}

impl Ledger {
    /// Opens the file, making it where it is missing. An entry that a crash cut short, which was never counted on, is cut off.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub fn open(path: &Path, keys: &StoreKeys) -> Result<Self, LedgerError> {
        let at = |cause| LedgerError::Io(path.to_owned(), cause);
        let fresh = header(keys);
        has_folder(path)?;
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(at)?;
        let len = file.metadata().map_err(at)?.len();
        if len < HEADER as u64 {
            // Nothing was ever appended to a file without its header; but it may be somebody else's file.
            let mut start = Vec::new();
            file.read_to_end(&mut start).map_err(at)?;
            if !start.iter().zip(fresh).all(|(found, ours)| *found == ours || *found == 0) {
                return Err(LedgerError::Unknown(path.to_owned()));
            }
            file.rewind()
                .and_then(|()| file.set_len(0))
                .and_then(|()| file.write_all(&fresh))
                .and_then(|()| file.sync_all())
                .map_err(at)?;
            File::open(folder_of(path)).and_then(|folder| folder.sync_all()).map_err(at)?;
        } else {
            check_header(&mut file, path, &fresh)?;
            let torn = (len - HEADER as u64) % ENTRY as u64;
            if torn > 0 {
                file.set_len(len - torn).and_then(|()| file.sync_all()).map_err(at)?;
            }
        }
        Ok(Self { place: Arc::new(Mutex::new(Place::File(path.to_owned()))) })
    }

    /// One that forgets everything when it goes: for tests.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { place: Arc::new(Mutex::new(Place::Memory(Vec::new()))) }
    }

    /// Reads another ledger of this data folder, or a copy of this one.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub fn read(path: &Path, keys: &StoreKeys) -> Result<Gone, LedgerError> {
        let at = |cause| LedgerError::Io(path.to_owned(), cause);
        let mut file = File::open(path).map_err(at)?;
        check_header(&mut file, path, &header(keys))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(at)?;
        let mut gone = Gone::default();
        for chunk in bytes.chunks(ENTRY) {
            match Entry::from_bytes(chunk) {
                Some(entry) => drop(gone.entries.insert(entry.hash, entry)),
                None => gone.unreadable += 1,
            }
        }
        Ok(gone)
    }

    /// How many of its entries are damaged, or of a kind that this release does not know: what they named, a restored backup brings
    /// back. Reads all of it, a stretch at a time.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub fn unreadable(path: &Path, keys: &StoreKeys) -> Result<usize, LedgerError> {
        let at = |cause| LedgerError::Io(path.to_owned(), cause);
        let mut file = BufReader::new(File::open(path).map_err(at)?);
        check_header(file.get_mut(), path, &header(keys))?;
        let (mut entry, mut unreadable) = ([0; ENTRY], 0);
        loop {
            match file.read_exact(&mut entry) {
                Ok(()) => unreadable += usize::from(Entry::from_bytes(&entry).is_none()),
                // An entry that a crash cut short was never counted on.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(unreadable),
                Err(error) => return Err(at(error)),
            }
        }
    }

    /// How many entries it has.
    ///
    /// # Errors
    /// See [`LedgerError`].
    pub fn entries(&self) -> Result<u64, LedgerError> {
        match &*self.place.lock().unwrap_or_else(PoisonError::into_inner) {
            Place::File(path) => {
                let len = std::fs::metadata(path).map_err(|cause| LedgerError::Io(path.clone(), cause))?.len();
                Ok(len.saturating_sub(HEADER as u64) / ENTRY as u64)
            }
            Place::Memory(kept) => Ok(kept.len() as u64),
        }
    }

    /// Adds entries, durably. Adding one again does no harm.
    pub(super) async fn append(&self, entries: Vec<Entry>) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let place = Arc::clone(&self.place);
        let written = tokio::task::spawn_blocking(move || {
            let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *place {
                Place::Memory(kept) => {
                    kept.extend(entries);
                    Ok(())
                }
                Place::File(path) => append(path, &entries),
            }
        });
        let failed = |cause: &dyn std::fmt::Display| StoreError::Uncertain(format!("the erasure ledger: {cause}"));
        match written.await {
            Ok(result) => result.map_err(|cause| failed(&cause)),
            Err(cause) => Err(failed(&cause)),
        }
    }

    /// What was added so far to a ledger in memory.
    #[cfg(test)]
    pub(in crate::store) fn gone(&self, keys: &StoreKeys) -> Gone {
        match &*self.place.lock().unwrap() {
            Place::Memory(kept) => {
                Gone { entries: kept.iter().map(|entry| (entry.hash, *entry)).collect(), unreadable: 0 }
            }
            Place::File(path) => Self::read(path, keys).unwrap(),
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether the folder that a ledger lies in, or will be made in, is there.
///
/// # Errors
/// [`LedgerError::NoFolder`].
pub fn has_folder(path: &Path) -> Result<(), LedgerError> {
    if folder_of(path).is_dir() { Ok(()) } else { Err(LedgerError::NoFolder(path.to_owned())) }
}

fn append(path: &Path, entries: &[Entry]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let end = file.seek(SeekFrom::End(0))?;
    // Behind an entry that failed half way nothing would be read.
    let whole = end - end.saturating_sub(HEADER as u64) % ENTRY as u64;
    file.set_len(whole)?;
    file.seek(SeekFrom::Start(whole))?;
    let bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.to_bytes()).collect();
    file.write_all(&bytes)?;
    file.sync_all()
}

fn header(keys: &StoreKeys) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    let whose = keys.blind(LABEL, &[0]);
    for (to, from) in bytes.iter_mut().zip(MAGIC.iter().chain(&whose)) {
        *to = *from;
    }
    bytes
}

fn check_header(file: &mut File, path: &Path, expected: &[u8; HEADER]) -> Result<(), LedgerError> {
    let mut found = [0; HEADER];
    file.read_exact(&mut found).map_err(|cause| LedgerError::Io(path.to_owned(), cause))?;
    if !found.starts_with(MAGIC) {
        return Err(LedgerError::Unknown(path.to_owned()));
    }
    if found == *expected { Ok(()) } else { Err(LedgerError::Foreign(path.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededEntropy;
    use crate::seal::keyring::StoreSecret;

    fn keys(seed: u64) -> StoreKeys {
        StoreSecret::generate(&SeededEntropy::new(seed)).keys()
    }

    fn entry(n: u8) -> Entry {
        Entry { at: Timestamp(u64::from(n)), until: Timestamp(9), hash: [n; 32] }
    }

    /// The bytes are frozen: a ledger is read years after it was written.
    #[test]
    fn an_entry_has_its_bytes() {
        let bytes = entry(7).to_bytes();
        let expected = "010000000000000000000007000000000000000907070707070707070707070707070707070707070707070707070707070707\
            07307da38d";
        assert_eq!(data_encoding::HEXLOWER.encode(&bytes), expected.replace(' ', ""));
        assert_eq!(Entry::from_bytes(&bytes), Some(entry(7)));
        for at in 0..ENTRY {
            let mut flipped = bytes;
            flipped[at] ^= 1;
            assert_eq!(Entry::from_bytes(&flipped), None, "{at}");
        }
    }

    #[tokio::test]
    async fn what_is_appended_is_read_and_a_torn_end_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("erased.ledger");
        let keys = keys(1);
        let ledger = Ledger::open(&path, &keys).unwrap();
        ledger.append(vec![entry(1), entry(2)]).await.unwrap();
        // A crash in the middle of an append.
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [whole.as_slice(), &entry(3).to_bytes()[..20]].concat()).unwrap();
        ledger.append(vec![entry(4)]).await.unwrap();
        let read = Ledger::read(&path, &keys).unwrap();
        assert_eq!((read.entries.len(), read.unreadable, Ledger::unreadable(&path, &keys).unwrap()), (3, 0, 0));
        assert!([1, 2, 4].into_iter().all(|n| read.entries.get(&[n; 32]) == Some(&entry(n))));
        std::fs::write(&path, [whole.as_slice(), &entry(3).to_bytes()[..20]].concat()).unwrap();
        Ledger::open(&path, &keys).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole, "opening cuts it");
    }

    #[test]
    fn a_ledger_of_another_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("erased.ledger");
        Ledger::open(&path, &keys(1)).unwrap();
        assert!(matches!(Ledger::open(&path, &keys(2)), Err(LedgerError::Foreign(_))));
        assert!(matches!(Ledger::read(&path, &keys(2)), Err(LedgerError::Foreign(_))));
        std::fs::write(&path, b"something else than a ledger").unwrap();
        assert!(matches!(Ledger::open(&path, &keys(1)), Err(LedgerError::Unknown(_))));
        std::fs::write(&path, b"a short note").unwrap();
        assert!(matches!(Ledger::open(&path, &keys(1)), Err(LedgerError::Unknown(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"a short note");
        // A crash while it was made.
        for torn in [&b"ZGLE"[..], &[0; 9], b""] {
            std::fs::write(&path, torn).unwrap();
            Ledger::open(&path, &keys(1)).unwrap();
            assert_eq!(Ledger::read(&path, &keys(1)).unwrap().len(), 0);
        }
    }

    #[test]
    fn a_damaged_entry_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("erased.ledger");
        let keys = keys(1);
        append(
            &{
                Ledger::open(&path, &keys).unwrap();
                path.clone()
            },
            &[entry(1), entry(2)],
        )
        .unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[HEADER + 30] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let read = Ledger::read(&path, &keys).unwrap();
        assert_eq!((read.entries.len(), read.unreadable, Ledger::unreadable(&path, &keys).unwrap()), (1, 1, 1));
    }
}
