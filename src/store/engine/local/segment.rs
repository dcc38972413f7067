//! Segments, the files of the journal: their header, one value, all frames, the footer.
//!
//! A scan reports what it finds and changes nothing; what to do about damage is decided in `recovery`, where it is known
//! which sequence numbers are proven.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crc32c::crc32c;

use super::super::Space;
use super::frame::{self, Change, Header, Kind, MAGIC, Place, Table};

/// Bytes before the first frame.
pub(super) const START: u64 = OPENING as u64;
const OPENING: usize = 64;
/// Bytes after a footer: magic, the footer's offset, checksum.
const TRAILER: usize = 16;
const SEGMENT_MAGIC: [u8; 8] = *b"ZGLSEG01";
const SEGMENT_FAMILY: [u8; 6] = *b"ZGLSEG";
const TRAILER_MAGIC: [u8; 4] = *b"ZGLe";
const SEARCH: usize = 1 << 20;
const BLOCK: usize = 4096;

/// What a segment begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opening {
    /// Its number; numbers are never reused.
    pub segment: u64,
    /// Random, in every frame of this segment.
    pub epoch: u64,
    /// Highest sequence known synced when it was made.
    pub proven: u64,
    /// The segment before it; 0 for none.
    pub previous: u64,
    /// Where that one ends: what stands behind was cut, even if a disk brings it back.
    pub previous_end: u64,
    /// Superseded places that frames up to this sequence list were overwritten when it was made.
    pub erased: u64,
}

impl Opening {
    /// Written form.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut out = SEGMENT_MAGIC.to_vec();
        for number in [self.segment, self.epoch, self.proven, self.previous, self.previous_end, self.erased] {
            out.extend(number.to_le_bytes());
        }
        out.extend([0; 4]);
        out.extend(crc32c(&out).to_le_bytes());
        out
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (checked, crc) = bytes.split_last_chunk::<4>()?;
        let mut numbers =
            checked.strip_prefix(&SEGMENT_MAGIC)?.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok());
        let mut next = || numbers.next().map(u64::from_le_bytes);
        let opening = Self {
            segment: next()?,
            epoch: next()?,
            proven: next()?,
            previous: next()?,
            previous_end: next()?,
            erased: next()?,
        };
        (crc32c(checked) == u32::from_le_bytes(*crc)).then_some(opening)
    }
}

/// A file of the journal, open for as long as anyone reads it.
#[derive(Debug)]
pub(super) struct Segment {
    pub id: u64,
    pub path: PathBuf,
    pub file: File,
}

/// A frame with a good header, and whether the rest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub offset: u64,
    pub header: Header,
    pub verdict: frame::Verdict,
}

/// Bytes between good headers that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub offset: u64,
    pub len: u64,
}

/// All that stands in a segment.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub frames: Vec<Found>,
    /// In order; one that reaches `end` is a torn tail.
    pub gaps: Vec<Gap>,
    /// The file's length, or where the next segment says that this one ends.
    pub end: u64,
}

/// A good footer and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footer {
    pub offset: u64,
    pub header: Header,
}

/// A record as its frame's table tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub change: Change,
    /// Whether its value stands among those that are overwritten once superseded.
    pub erasable: bool,
}

/// The file name of a segment.
pub(super) fn name(id: u64) -> String {
    format!("{id:016x}.seg")
}

/// The number in a segment's file name.
pub(super) fn number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let id = u64::from_str_radix(name.strip_suffix(".seg")?, 16).ok()?;
    (self::name(id) == name).then_some(id)
}

/// Whether a segment in `journal` holds more than its opening.
pub(super) fn any_written(journal: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(journal)? {
        let entry = entry?;
        if number(&entry.path()).is_some() && entry.metadata()?.len() > START {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A segment in `journal` whose opening is whole but of another version: every version begins with the same six letters and ends
/// in the same checksum.
pub(super) fn any_of_newer_format(journal: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(journal)? {
        let path = entry?.path();
        let mut opening = [0; OPENING];
        if number(&path).is_none() || File::open(&path)?.read_exact_at(&mut opening, 0).is_err() {
            continue;
        }
        let Some((checked, crc)) = opening.split_last_chunk::<4>() else { continue };
        let ours = checked.starts_with(&SEGMENT_MAGIC);
        if checked.starts_with(&SEGMENT_FAMILY) && !ours && crc32c(checked) == u32::from_le_bytes(*crc) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// What follows a footer that stands at `offset`, so that it is found from the file's end.
pub(super) fn trailer(offset: u64) -> Vec<u8> {
    let mut out = TRAILER_MAGIC.to_vec();
    out.extend(offset.to_le_bytes());
    out.extend(crc32c(&out).to_le_bytes());
    out
}

impl Segment {
    /// Its length in bytes.
    pub(super) fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Its opening, if that is whole.
    pub(super) fn opening(&self) -> Option<Opening> {
        let bytes = self.bytes(0, START).ok()?;
        Opening::parse(&bytes).filter(|opening| opening.segment == self.id)
    }

    /// The bytes of a value; `None` when they are not what was written.
    pub(super) fn value(&self, place: &Place) -> io::Result<Option<Vec<u8>>> {
        let bytes = match self.bytes(place.offset, u64::from(place.len)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        };
        Ok((crc32c(&bytes) == place.crc).then_some(bytes))
    }

    /// Any bytes of the file.
    pub(super) fn bytes(&self, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        if len > frame::MAX_LEN {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// The same, with zeros for blocks that the disk cannot read: their checksums will tell, and the rest is not lost with them.
    pub(super) fn salvage(&self, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let error = match self.bytes(offset, len) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::FileTooLarge) => error,
            other => return other,
        };
        tracing::error!(segment = self.id, offset, len, %error, "the journal cannot be read here");
        Ok(self.blocks(offset, len))
    }

    /// As many bytes, block by block, with zeros for what the disk does not give.
    pub(super) fn blocks(&self, offset: u64, len: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        let mut at = offset;
        for block in bytes.chunks_mut(BLOCK) {
            let mut given = 0;
            while let Some(rest) = block.get_mut(given..).filter(|rest| !rest.is_empty()) {
                match self.file.read_at(rest, at + given as u64) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(read) if read > 0 => given += read,
                    _ => break,
                }
            }
            block.get_mut(given..).unwrap_or_default().fill(0);
            at += block.len() as u64;
        }
        bytes
    }

    /// Bytes that are about to be cut, for a copy that nothing overwrites later: frames with zeros for their erasable values, up to
    /// where no header tells which those are.
    pub(super) fn without_erasable(&self, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let mut bytes = self.salvage(offset, len)?;
        let mut at = 0;
        while let Some(header) = bytes.get(at..).and_then(Header::parse) {
            let to = |len: u64| at.saturating_add(usize::try_from(len).unwrap_or(usize::MAX)).min(bytes.len());
            let (erasable, end) = (to(header.erasable_from()), to(header.len()));
            bytes.get_mut(erasable..end).unwrap_or_default().fill(0);
            at = end;
        }
        bytes.truncate(at);
        Ok(bytes)
    }

    /// The footer, if the segment was closed and its footer is whole.
    pub(super) fn footer(&self) -> Option<Footer> {
        let footer = self.footer_head()?;
        let frame = self.bytes(footer.offset, footer.header.len()).ok()?;
        let good = footer.header.verify(&frame);
        (good.table && good.plain).then_some(footer)
    }

    /// The same, its table unread: enough to know that the segment was closed, and where its records end.
    pub(super) fn footer_head(&self) -> Option<Footer> {
        let end = self.len().ok()?.checked_sub(TRAILER as u64)?;
        let bytes = self.bytes(end, TRAILER as u64).ok()?;
        let offset = u64::from_le_bytes(bytes.get(4..12)?.try_into().ok()?);
        if trailer(offset) != bytes || offset < START {
            return None;
        }
        let header = Header::parse(&self.bytes(offset, frame::HEADER as u64).ok()?)?;
        let ours = header.head.kind == Kind::Footer && header.head.segment == self.id;
        (ours && header.len() == end.checked_sub(offset)?).then_some(Footer { offset, header })
    }

    /// Every record by the frames' tables, values unread, or where one is damaged by the footer. `None`: that is too.
    pub(super) fn entries(&self) -> io::Result<Option<Vec<Entry>>> {
        // A block that the disk does not give is damage like any other.
        if let Ok(Some(entries)) = self.entries_of_frames() {
            return Ok(Some(entries));
        }
        let Some(footer) = self.footer() else { return Ok(None) };
        let entry = |change: Change| Entry { erasable: Space::is_erasable(&change.key), change };
        Ok(self.table(footer.offset, &footer.header)?.map(|table| table.changes.into_iter().map(entry).collect()))
    }

    fn entries_of_frames(&self) -> io::Result<Option<Vec<Entry>>> {
        let end = match self.footer_head() {
            Some(footer) => footer.offset,
            None => self.len()?,
        };
        let (mut found, mut at) = (Vec::new(), START);
        while at + frame::HEADER as u64 <= end {
            let head = self.bytes(at, (end - at).min(BLOCK as u64))?;
            let Some(header) = Header::parse(&head) else { return Ok(None) };
            if header.head.kind == Kind::Footer {
                // One whose trailer is damaged, so that another was written behind it.
                at += header.len() + TRAILER as u64;
                continue;
            }
            let before_values = header.values_from();
            let frame = if before_values <= head.len() as u64 { head } else { self.bytes(at, before_values)? };
            let Some(table) = frame::table(self.id, at, &frame) else { return Ok(None) };
            let erasable_from = at + header.erasable_from();
            found.extend(table.changes.into_iter().map(|change| Entry {
                erasable: change.place.is_some_and(|place| place.offset >= erasable_from && place.len > 0),
                change,
            }));
            at += header.len();
        }
        Ok((at == end).then_some(found))
    }

    /// The bytes of a value whatever has become of them: zeros where the disk gives none.
    pub(super) fn remains(&self, place: &Place) -> Vec<u8> {
        let mut bytes = self.salvage(place.offset, place.len.into()).unwrap_or_default();
        bytes.resize(usize::try_from(place.len).unwrap_or(0), 0);
        bytes
    }

    /// Reads every frame up to `limit`.
    pub(super) fn scan(&self, limit: Option<u64>) -> io::Result<Scan> {
        let len = self.len()?;
        let end = limit.map_or(len, |limit| limit.min(len));
        let mut scan = Scan { end, ..Scan::default() };
        let mut reading = Reading { segment: self, epoch: self.opening().map(|opening| opening.epoch), last: 0, end };
        let mut at = START.min(end);
        while at < end {
            if let Some(found) = reading.frame(at)? {
                at += found.header.len();
                // A trailer belongs to its footer.
                if found.header.head.kind == Kind::Footer && at + TRAILER as u64 <= end {
                    at += TRAILER as u64;
                }
                scan.frames.push(found);
            } else {
                let next = reading.search(at + 1)?.unwrap_or(end);
                scan.gaps.push(Gap { offset: at, len: next - at });
                at = next;
            }
        }
        Ok(scan)
    }

    /// Whether what follows the footer at `offset` is its trailer.
    pub(super) fn has_trailer(&self, offset: u64, header: &Header) -> bool {
        self.bytes(offset + header.len(), TRAILER as u64).is_ok_and(|bytes| bytes == trailer(offset))
    }

    /// What a frame or footer tells; `None` when its table is damaged.
    pub(super) fn table(&self, offset: u64, header: &Header) -> io::Result<Option<Table>> {
        let frame = self.salvage(offset, header.len())?;
        Ok(header.verify(&frame).table.then(|| frame::table(self.id, offset, &frame)).flatten())
    }
}

/// A scan under way.
struct Reading<'a> {
    segment: &'a Segment,
    /// From the segment's opening, or where that is damaged from the first good frame.
    epoch: Option<u64>,
    last: u64,
    end: u64,
}

impl Reading<'_> {
    /// Whether this may be the next frame of this segment: stale bytes have another epoch or an older sequence.
    fn fits(&self, header: &Header) -> bool {
        let head = &header.head;
        head.segment == self.segment.id && self.epoch.is_none_or(|epoch| epoch == head.epoch) && head.first > self.last
    }

    fn frame(&mut self, at: u64) -> io::Result<Option<Found>> {
        let room = self.end - at;
        if room < frame::HEADER as u64 {
            return Ok(None);
        }
        let Some(header) = Header::parse(&self.segment.salvage(at, frame::HEADER as u64)?) else { return Ok(None) };
        if !self.fits(&header) || header.len() > room {
            return Ok(None);
        }
        let verdict = header.verify(&self.segment.salvage(at, header.len())?);
        self.epoch = Some(header.head.epoch);
        self.last = header.head.last().max(self.last);
        Ok(Some(Found { offset: at, header, verdict }))
    }

    /// Where the next good header stands, at or after `from`.
    fn search(&self, from: u64) -> io::Result<Option<u64>> {
        let mut at = from;
        while at + frame::HEADER as u64 <= self.end {
            let len = (self.end - at).min(SEARCH as u64);
            let bytes = self.segment.salvage(at, len)?;
            for (skip, _) in bytes.windows(MAGIC.len()).enumerate().filter(|(_, window)| *window == MAGIC) {
                let header = bytes.get(skip..).and_then(Header::parse);
                let offset = at + skip as u64;
                if header.is_some_and(|header| self.fits(&header) && header.len() <= self.end - offset) {
                    return Ok(Some(offset));
                }
            }
            // The stretches overlap by a header, so that none is missed between two.
            at += len.saturating_sub(frame::HEADER as u64 - 1).max(1);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openings_and_names_round_trip() {
        let opening = Opening { segment: 9, epoch: u64::MAX, proven: 4, previous: 8, previous_end: 777, erased: 3 };
        let bytes = opening.to_bytes();
        assert_eq!(bytes.len() as u64, START);
        assert_eq!(Opening::parse(&bytes), Some(opening));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert_eq!(Opening::parse(&bad), None, "byte {at}");
        }
        assert_eq!(number(Path::new("x").join(name(0xabc)).as_path()), Some(0xabc));
        for bad in ["abc.seg", "0000000000000ABC.seg", "0000000000000abc.tmp", ""] {
            assert_eq!(number(Path::new(bad)), None, "{bad}");
        }
    }
}
