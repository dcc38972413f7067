//! Runs: sorted files of the index that never change once they are there.
//!
//! ```text
//! blocks    changes in the order of their keys: key length (1), 1 for deleted else 0 (1), key, place (32) unless deleted
//! table     per block: offset (8), length (4), CRC-32C (4), length of its first key (1), its first key
//! filter    of all keys
//! trailer   "ZGLRUN01", offset of the table (8), its length (8), the filter's (8), changes (8), CRC-32C of table and filter (4),
//!           CRC-32C of the trailer so far (4)
//! ```
//! All little-endian. Table and filter are in memory; a block is read, and its checksum compared, when something of it is
//! asked for. So no damage goes unseen, and none is answered with a record less.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crc32c::{crc32c, crc32c_append};

use super::at_hand::{self, NotAtHand};
use super::filter::Filter;
use super::frame::{Change, Place};
use super::index::{IndexError, Word};

const MAGIC: [u8; 8] = *b"ZGLRUN01";
const TRAILER: usize = 48;
/// A block ends behind the change that makes it so long.
const BLOCK: usize = 8 << 10;
/// Bytes per write, and per sync: little enough not to hold up the journal's.
const WRITE: usize = 256 << 10;
const SYNC: u64 = 8 << 20;
const FILTER_BITS: u32 = 10;
const EXTENSION: &str = "run";

/// One run, open.
#[derive(Debug)]
pub(super) struct Run {
    /// Its number; a newer run has a higher one.
    pub number: u64,
    /// How many changes it holds.
    pub changes: u64,
    file: File,
    table: Table,
    filter: Filter,
}

/// Where the blocks are.
#[derive(Debug, Default)]
struct Table {
    blocks: Vec<Block>,
    /// Their first keys, one behind the other.
    keys: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    offset: u64,
    len: u32,
    crc: u32,
    /// Of its first key, in `keys`.
    key: (usize, usize),
}

impl Table {
    fn add(&mut self, offset: u64, block: &[u8], crc: u32, first: &[u8]) {
        let key = (self.keys.len(), self.keys.len() + first.len());
        self.keys.extend(first);
        self.blocks.push(Block { offset, len: u32::try_from(block.len()).unwrap_or(u32::MAX), crc, key });
    }

    fn first_key(&self, block: &Block) -> &[u8] {
        self.keys.get(block.key.0..block.key.1).unwrap_or_default()
    }

    /// The last block that begins at or before `key`.
    fn find(&self, key: &[u8]) -> usize {
        self.blocks.partition_point(|block| self.first_key(block) <= key).saturating_sub(1)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for block in &self.blocks {
            let key = self.first_key(block);
            out.extend(block.offset.to_le_bytes());
            out.extend(block.len.to_le_bytes());
            out.extend(block.crc.to_le_bytes());
            out.push(u8::try_from(key.len()).unwrap_or(u8::MAX));
            out.extend(key);
        }
        out
    }

    fn parse(mut bytes: &[u8]) -> Option<Self> {
        let mut table = Self::default();
        while let Some((offset, rest)) = bytes.split_first_chunk::<8>() {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            let (crc, rest) = rest.split_first_chunk::<4>()?;
            let (key_len, rest) = rest.split_first()?;
            let (key, rest) = rest.split_at_checked(usize::from(*key_len))?;
            let at = (table.keys.len(), table.keys.len() + key.len());
            table.keys.extend(key);
            let (offset, len, crc) = (u64::from_le_bytes(*offset), u32::from_le_bytes(*len), u32::from_le_bytes(*crc));
            table.blocks.push(Block { offset, len, crc, key: at });
            bytes = rest;
        }
        table.keys.shrink_to_fit();
        table.blocks.shrink_to_fit();
        bytes.is_empty().then_some(table)
    }
}

/// The file of run `number` in `folder`.
fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08x}.{EXTENSION}"))
}

/// The numbers of the runs that lie in `folder`.
pub(super) fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            found.extend(path.file_stem().and_then(|stem| u64::from_str_radix(stem.to_str()?, 16).ok()));
        }
    }
    Ok(found)
}

/// Removes the file of a run; whoever reads it goes on reading it.
pub(super) fn remove(folder: &Path, number: u64) {
    if let Err(error) = fs::remove_file(path(folder, number)) {
        tracing::debug!(number, %error, "a run that counts no more stays until the next start");
    }
}

impl Run {
    pub(super) fn open(folder: &Path, number: u64) -> Result<Self, IndexError> {
        let read = || -> io::Result<Option<Self>> {
            let file = File::open(path(folder, number))?;
            let len = file.metadata()?.len();
            let Some(at) = len.checked_sub(TRAILER as u64) else { return Ok(None) };
            let mut trailer = [0; TRAILER];
            file.read_exact_at(&mut trailer, at)?;
            let Some([from, table, filter, changes, crc]) = parse_trailer(&trailer) else { return Ok(None) };
            if from.saturating_add(table).saturating_add(filter) != at {
                return Ok(None);
            }
            let mut bytes = vec![0; usize::try_from(table + filter).unwrap_or(0)];
            file.read_exact_at(&mut bytes, from)?;
            if u64::from(crc32c(&bytes)) != crc {
                return Ok(None);
            }
            let (table, filter) = bytes.split_at_checked(usize::try_from(table).unwrap_or(0)).unwrap_or_default();
            let parsed = Table::parse(table).zip(Filter::parse(filter));
            Ok(parsed.map(|(table, filter)| Self { number, changes, file, table, filter }))
        };
        match read() {
            Ok(Some(run)) => Ok(run),
            Ok(None) => Err(IndexError(format!("run {number:x} is damaged"))),
            Err(error) => Err(IndexError(format!("run {number:x}: {error}"))),
        }
    }

    fn block(&self, block: &Block) -> Result<Vec<u8>, IndexError> {
        let mut bytes = vec![0; usize::try_from(block.len).unwrap_or(0)];
        let error = |why: String| IndexError(format!("run {:x} at {}: {why}", self.number, block.offset));
        self.file.read_exact_at(&mut bytes, block.offset).map_err(|cause| error(cause.to_string()))?;
        if crc32c(&bytes) == block.crc { Ok(bytes) } else { Err(error("damaged".to_owned())) }
    }

    /// The last word of this run on `key`: `None` when it has none.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Word>, IndexError> {
        if !self.filter.may_hold(key) {
            return Ok(None);
        }
        let Some(block) = self.table.blocks.get(self.table.find(key)) else { return Ok(None) };
        Ok(word(&self.block(block)?, key))
    }

    /// The same, where it need not be waited for ([`at_hand`]).
    pub(super) fn at_hand(&self, key: &[u8]) -> Result<Option<Word>, NotAtHand> {
        if !self.filter.may_hold(key) {
            return Ok(None);
        }
        let Some(block) = self.table.blocks.get(self.table.find(key)) else { return Ok(None) };
        let bytes = at_hand::bytes(&self.file, block.offset, usize::try_from(block.len).map_err(|_| NotAtHand)?)?;
        if crc32c(&bytes) == block.crc { Ok(word(&bytes, key)) } else { Err(NotAtHand) }
    }

    /// Its changes from key `from` on.
    pub(super) fn from(self: &Arc<Self>, from: &[u8]) -> Changes {
        let next = self.table.find(from);
        Changes { run: Arc::clone(self), next, block: Vec::new().into_iter(), from: from.to_vec() }
    }
}

/// What a block's `bytes` say of `key`.
fn word(bytes: &[u8], key: &[u8]) -> Option<Word> {
    let mut rest = bytes;
    while let Some((found, place, behind)) = entry(rest) {
        if found >= key {
            return (found == key).then_some(Word(place));
        }
        rest = behind;
    }
    None
}

/// The first change of a block's `bytes`, and what follows it.
fn entry(bytes: &[u8]) -> Option<(&[u8], Option<Place>, &[u8])> {
    let (&[len, deleted], rest) = bytes.split_first_chunk::<2>()?;
    let (key, rest) = rest.split_at_checked(usize::from(len))?;
    if deleted == 1 {
        return Some((key, None, rest));
    }
    let (place, rest) = rest.split_at_checked(Place::LEN)?;
    Some((key, Some(Place::parse(place)?), rest))
}

fn parse_trailer(bytes: &[u8; TRAILER]) -> Option<[u64; 5]> {
    let (checked, crc) = bytes.split_last_chunk::<4>()?;
    let (numbers, sum) = checked.strip_prefix(&MAGIC)?.split_last_chunk::<4>()?;
    let (numbers, _) = numbers.as_chunks::<8>();
    let numbers: Vec<u64> = numbers.iter().map(|number| u64::from_le_bytes(*number)).collect();
    let [from, table, filter, changes] = numbers.try_into().ok()?;
    let good = crc32c(checked) == u32::from_le_bytes(*crc);
    good.then_some([from, table, filter, changes, u32::from_le_bytes(*sum).into()])
}

/// The changes of a run in order.
#[derive(Debug)]
pub(super) struct Changes {
    run: Arc<Run>,
    next: usize,
    block: std::vec::IntoIter<Change>,
    /// Earlier keys are left out.
    from: Vec<u8>,
}

impl Iterator for Changes {
    type Item = Result<Change, IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(change) = self.block.next() {
                if change.key < self.from {
                    continue;
                }
                return Some(Ok(change));
            }
            let block = self.run.table.blocks.get(self.next)?;
            self.next += 1;
            let bytes = match self.run.block(block) {
                Ok(bytes) => bytes,
                Err(error) => {
                    self.next = usize::MAX;
                    return Some(Err(error));
                }
            };
            let (mut rest, mut changes) = (bytes.as_slice(), Vec::with_capacity(bytes.len() / 64));
            while let Some((key, place, behind)) = entry(rest) {
                changes.push(Change { key: key.to_vec(), place });
                rest = behind;
            }
            self.block = changes.into_iter();
        }
    }
}

/// A run as it is written; dropped unfinished its file goes.
#[derive(Debug)]
pub(super) struct Writer {
    folder: PathBuf,
    number: u64,
    file: File,
    table: Table,
    filter: Filter,
    changes: u64,
    block: Vec<u8>,
    first: Vec<u8>,
    /// Blocks that wait to be written, behind `written`.
    waiting: Vec<u8>,
    written: u64,
    synced: u64,
    /// After each write, so that others get the disk and a processor too.
    pause: Duration,
    finished: bool,
}

impl Writer {
    /// Of at most `most` changes.
    pub(super) fn create(folder: &Path, number: u64, most: u64, pause: Duration) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path(folder, number))?;
        Ok(Self {
            folder: folder.to_owned(),
            number,
            file,
            table: Table::default(),
            filter: Filter::new(most, FILTER_BITS),
            changes: 0,
            block: Vec::with_capacity(BLOCK + 512),
            first: Vec::new(),
            waiting: Vec::with_capacity(WRITE + 2 * BLOCK),
            written: 0,
            synced: 0,
            pause,
            finished: false,
        })
    }

    /// The next change; keys rise.
    pub(super) fn push(&mut self, change: &Change) -> io::Result<()> {
        if self.block.is_empty() {
            self.first.clone_from(&change.key);
        }
        self.block.push(u8::try_from(change.key.len()).unwrap_or(u8::MAX));
        self.block.push(u8::from(change.place.is_none()));
        self.block.extend(&change.key);
        if let Some(place) = change.place {
            self.block.extend(place.to_bytes());
        }
        self.filter.add(&change.key);
        self.changes += 1;
        if self.block.len() >= BLOCK { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> io::Result<()> {
        if !self.block.is_empty() {
            let at = self.written + self.waiting.len() as u64;
            self.table.add(at, &self.block, crc32c(&self.block), &self.first);
            self.waiting.append(&mut self.block);
        }
        if self.waiting.len() >= WRITE { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.write_all(&self.waiting)?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        if self.written - self.synced >= SYNC {
            self.file.sync_data()?;
            self.synced = self.written;
        }
        std::thread::sleep(self.pause);
        Ok(())
    }

    /// Writes what is left and syncs it; the run can be opened.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.end_block()?;
        let (table, filter) = (self.table.to_bytes(), self.filter.to_bytes());
        let from = self.written + self.waiting.len() as u64;
        let mut trailer = MAGIC.to_vec();
        for number in [from, table.len() as u64, filter.len() as u64, self.changes] {
            trailer.extend(number.to_le_bytes());
        }
        trailer.extend(crc32c_append(crc32c(&table), &filter).to_le_bytes());
        trailer.extend(crc32c(&trailer).to_le_bytes());
        for part in [table, filter, trailer] {
            self.waiting.extend(part);
        }
        self.write()?;
        self.file.sync_data()?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.finished {
            remove(&self.folder, self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(n: u32) -> Change {
        let place = Place { segment: 7, offset: n.into(), len: 3, crc: 5, sequence: 1 };
        Change { key: n.to_be_bytes().to_vec(), place: (!n.is_multiple_of(10)).then_some(place) }
    }

    /// Every even number up to `count`.
    fn made(folder: &Path, count: u32) -> Arc<Run> {
        let mut writer = Writer::create(folder, 3, count.into(), Duration::ZERO).unwrap();
        (0..count).step_by(2).for_each(|n| writer.push(&change(n)).unwrap());
        writer.finish().unwrap();
        Arc::new(Run::open(folder, 3).unwrap())
    }

    #[test]
    fn what_is_written_is_found() {
        let folder = tempfile::tempdir().unwrap();
        for count in [0, 2, 10_000] {
            let run = made(folder.path(), count);
            assert_eq!(run.changes, u64::from(count / 2));
            for n in (0..count + 2).chain([u32::MAX]) {
                let expected = (n < count && n % 2 == 0).then(|| Word(change(n).place));
                assert_eq!(run.get(&n.to_be_bytes()).unwrap(), expected, "{n}");
            }
            for from in [0_u32, 1, 4999, 9998, u32::MAX] {
                let found: Vec<Change> = run.from(&from.to_be_bytes()).map(Result::unwrap).collect();
                let expected: Vec<Change> = (0..count).step_by(2).filter(|n| *n >= from).map(change).collect();
                assert!(found == expected, "from {from} of {count}");
            }
        }
        assert_eq!(numbers(folder.path()).unwrap(), [3]);
    }

    #[test]
    fn no_damage_is_answered_with_a_record_less() {
        let folder = tempfile::tempdir().unwrap();
        let count = 1000;
        made(folder.path(), count);
        let file = path(folder.path(), 3);
        let whole = fs::read(&file).unwrap();
        for at in (0..whole.len()).step_by(211).chain(whole.len() - 60..whole.len()) {
            let mut bad = whole.clone();
            bad[at] ^= 4;
            fs::write(&file, &bad).unwrap();
            let Ok(run) = Run::open(folder.path(), 3).map(Arc::new) else { continue };
            assert!(run.from(&[]).any(|change| change.is_err()), "byte {at}");
            for n in (0..count).step_by(20) {
                let found = run.get(&n.to_be_bytes());
                assert!(found.is_err() || found == Ok(Some(Word(change(n).place))), "{n}, byte {at}");
            }
        }
        for len in [0, 10, TRAILER, whole.len() - 1] {
            fs::write(&file, &whole[..len]).unwrap();
            assert!(Run::open(folder.path(), 3).is_err(), "cut to {len}");
        }
    }

    #[test]
    fn a_run_that_is_not_finished_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(folder.path(), 3, 9, Duration::ZERO).unwrap();
        writer.push(&change(1)).unwrap();
        drop(writer);
        assert_eq!(numbers(folder.path()).unwrap(), [0; 0]);
    }
}
