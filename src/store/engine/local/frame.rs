//! Frames, the unit of the journal: bytes and back. Pure; `docs/format-journal.md` shows the layout.
//!
//! A frame is one committed group of batches, all or nothing. Three checksums tell where damage lies: in the table (the frame
//! is lost), in plain values (each value has a checksum of its own, so the others are still served), or in erasable
//! values, which may have been overwritten on purpose once the frame is proven.

use crc32c::{crc32c, crc32c_append};

/// Bytes of a frame's header.
pub(super) const HEADER: usize = 88;
/// What a header begins with.
pub(super) const MAGIC: [u8; 4] = *b"ZGLf";
/// No frame is longer; a header that says otherwise is damage.
pub(super) const MAX_LEN: u64 = 1 << 30;

const CHECKED: usize = 84;
const TOMBSTONE: u8 = 1;
const ERASABLE: u8 = 2;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Records of a committed group.
    Group = 1,
    /// Nothing but its header: it proves that what stands before it was synced.
    Proof = 2,
    /// The places of all records of its segment; the last frame there.
    Footer = 3,
}

/// A frame's header, without lengths and checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// What the frame is for.
    pub kind: Kind,
    /// The segment's epoch: a random number, so that stale bytes of another file never match.
    pub epoch: u64,
    /// The segment's number.
    pub segment: u64,
    /// Sequence number of the first batch.
    pub first: u64,
    /// Number of batches; 0 for proof and footer.
    pub count: u32,
    /// Highest sequence known synced when this was written.
    pub proven: u64,
    /// Superseded erasable places that frames up to this sequence list are overwritten.
    pub erased: u64,
}

impl Head {
    /// Sequence number of the last batch (of the one before, where there is none).
    pub(super) fn last(&self) -> u64 {
        self.first.saturating_add(self.count.into()).saturating_sub(1)
    }
}

/// Where a value lies in the journal: what the index keeps for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// In which segment.
    pub segment: u64,
    /// First byte, from the segment's start.
    pub offset: u64,
    /// Bytes.
    pub len: u32,
    /// CRC-32C of the value.
    pub crc: u32,
    /// Of the batch that wrote it.
    pub sequence: u64,
}

impl Place {
    /// Bytes of its written form.
    pub(super) const LEN: usize = 32;

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut out = Vec::with_capacity(Self::LEN);
        out.extend(self.segment.to_le_bytes());
        out.extend(self.offset.to_le_bytes());
        out.extend(self.len.to_le_bytes());
        out.extend(self.crc.to_le_bytes());
        out.extend(self.sequence.to_le_bytes());
        out.try_into().unwrap_or([0; Self::LEN])
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut input = Input(bytes);
        let place = Self {
            segment: input.u64()?,
            offset: input.u64()?,
            len: input.u32()?,
            crc: input.u32()?,
            sequence: input.u64()?,
        };
        input.0.is_empty().then_some(place)
    }
}

/// Where the value of an erasable space lies that a frame supersedes: to be overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stretch {
    /// In which segment.
    pub segment: u64,
    /// First byte, from the segment's start.
    pub offset: u64,
    /// Bytes.
    pub len: u32,
}

impl From<Place> for Stretch {
    fn from(Place { segment, offset, len, .. }: Place) -> Self {
        Self { segment, offset, len }
    }
}

/// One change, as a frame or a footer tells it: a key (space number first) and its new place; `None`: deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub key: Vec<u8>,
    pub place: Option<Place>,
}

/// A record to write.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// Space number, then the key's bytes: at most 255 in all.
    pub key: &'a [u8],
    /// Of its batch.
    pub sequence: u64,
    /// `None`: a tombstone.
    pub value: Option<&'a [u8]>,
    /// The checksum that the value should have, of one that was written before; `None`: the one that it has.
    pub crc: Option<u32>,
    /// Whether the value is overwritten once superseded.
    pub erasable: bool,
    /// The erasable value that it supersedes.
    pub superseded: Option<Place>,
}

/// Writes a group's frame for `offset` of its segment. The changes are what the index is to learn, in the order of `records`.
pub(super) fn group(head: &Head, offset: u64, records: &[Record<'_>]) -> (Vec<u8>, Vec<Change>) {
    let mut table = Vec::new();
    for record in records {
        let value = record.value.unwrap_or_default();
        let tombstone = if record.value.is_none() { TOMBSTONE } else { 0 };
        table.push(tombstone | if record.erasable { ERASABLE } else { 0 });
        table.push(u8::try_from(record.key.len()).unwrap_or(u8::MAX));
        table.extend(record.sequence.to_le_bytes());
        table.extend(length(value).to_le_bytes());
        table.extend(record.crc.unwrap_or_else(|| crc32c(value)).to_le_bytes());
        table.extend(record.key);
    }
    for old in records.iter().filter_map(|record| record.superseded).map(Stretch::from) {
        table.extend(old.segment.to_le_bytes());
        table.extend(old.offset.to_le_bytes());
        table.extend(old.len.to_le_bytes());
    }
    let (mut plain, mut erasable) = (Vec::new(), Vec::new());
    for record in records {
        if record.erasable { &mut erasable } else { &mut plain }.extend(record.value.unwrap_or_default());
    }
    let counts = [records.len(), records.iter().filter(|record| record.superseded.is_some()).count()];
    let bytes = assemble(head, counts, &table, &plain, &erasable);
    let changes = self::table(head.segment, offset, &bytes).unwrap_or_default().changes;
    (bytes, changes)
}

/// Writes a proof frame.
pub(super) fn proof(head: &Head) -> Vec<u8> {
    assemble(head, [0, 0], &[], &[], &[])
}

/// Writes a footer from `changes` as [`footer_entry`] wrote them.
pub(super) fn footer(head: &Head, entries: &[u8], count: usize) -> Vec<u8> {
    assemble(head, [count, 0], entries, &[], &[])
}

/// One change as a footer holds it.
pub(super) fn footer_entry(change: &Change, out: &mut Vec<u8>) {
    out.push(if change.place.is_none() { TOMBSTONE } else { 0 });
    out.push(u8::try_from(change.key.len()).unwrap_or(u8::MAX));
    if let Some(place) = change.place {
        out.extend(place.to_bytes());
    }
    out.extend(&change.key);
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn assemble(head: &Head, counts: [usize; 2], table: &[u8], plain: &[u8], erasable: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + table.len() + plain.len() + erasable.len());
    out.extend(MAGIC);
    out.extend([head.kind as u8, 0, 0, 0]);
    for number in [head.epoch, head.segment, head.first, head.proven, head.erased] {
        out.extend(number.to_le_bytes());
    }
    out.extend(head.count.to_le_bytes());
    for count in counts {
        out.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    }
    for part in [table, plain, erasable] {
        out.extend(length(part).to_le_bytes());
    }
    out.extend(crc32c(table).to_le_bytes());
    let main = crc32c_append(crc32c_append(crc32c(&out), table), plain);
    out.extend(main.to_le_bytes());
    out.extend(crc32c(erasable).to_le_bytes());
    out.extend(crc32c(&out).to_le_bytes());
    for part in [table, plain, erasable] {
        out.extend(part);
    }
    out
}

/// A header as read, its own checksum good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub head: Head,
    pub records: u32,
    /// How many places it lists that are to be overwritten.
    pub superseded: u32,
    table: u32,
    plain: u32,
    erasable: u32,
    table_crc: u32,
    main_crc: u32,
    erasable_crc: u32,
}

/// What the checksums say of a frame whose header is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Table and header can be believed.
    pub table: bool,
    /// So can all plain values.
    pub plain: bool,
    /// Erasable values are as they were written.
    pub erasable: bool,
}

impl Header {
    /// Reads a header from the front of `bytes`; `None` when none stands there whole.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let checked = bytes.get(..CHECKED)?;
        let mut input = Input(bytes.get(..HEADER)?);
        if input.take(4)? != MAGIC {
            return None;
        }
        let kind = match input.take(4)? {
            [1, 0, 0, 0] => Kind::Group,
            [2, 0, 0, 0] => Kind::Proof,
            [3, 0, 0, 0] => Kind::Footer,
            _ => return None,
        };
        let [epoch, segment, first, proven, erased] =
            [input.u64()?, input.u64()?, input.u64()?, input.u64()?, input.u64()?];
        let head = Head { kind, epoch, segment, first, proven, erased, count: input.u32()? };
        let header = Self {
            head,
            records: input.u32()?,
            superseded: input.u32()?,
            table: input.u32()?,
            plain: input.u32()?,
            erasable: input.u32()?,
            table_crc: input.u32()?,
            main_crc: input.u32()?,
            erasable_crc: input.u32()?,
        };
        (input.u32()? == crc32c(checked) && header.len() <= MAX_LEN).then_some(header)
    }

    /// Bytes of the whole frame.
    pub(super) fn len(&self) -> u64 {
        HEADER as u64 + u64::from(self.table) + u64::from(self.plain) + u64::from(self.erasable)
    }

    /// Compares the checksums with `frame`, the whole of it.
    pub(super) fn verify(&self, frame: &[u8]) -> Verdict {
        let Some((table, plain, erasable)) = self.parts(frame) else {
            return Verdict { table: false, plain: false, erasable: false };
        };
        // The main checksum begins with the header as it stood when only the table's checksum was known.
        let before = frame.get(..CHECKED - 8).unwrap_or_default();
        Verdict {
            table: crc32c(table) == self.table_crc,
            plain: crc32c_append(crc32c_append(crc32c(before), table), plain) == self.main_crc,
            erasable: crc32c(erasable) == self.erasable_crc,
        }
    }

    /// The table in a `frame` that may end behind it; `None` when it is damaged.
    pub(super) fn table<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        let table = Input(frame.get(HEADER..)?).take(usize::try_from(self.table).ok()?)?;
        (crc32c(table) == self.table_crc).then_some(table)
    }

    /// Bytes of the frame before its values.
    pub(super) fn values_from(&self) -> u64 {
        HEADER as u64 + u64::from(self.table)
    }

    /// Bytes of the frame before its erasable values.
    pub(super) fn erasable_from(&self) -> u64 {
        self.values_from() + u64::from(self.plain)
    }

    fn parts<'a>(&self, frame: &'a [u8]) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
        let mut input = Input(frame.get(HEADER..)?);
        Some((
            input.take(usize::try_from(self.table).ok()?)?,
            input.take(usize::try_from(self.plain).ok()?)?,
            input.take(usize::try_from(self.erasable).ok()?)?,
        ))
    }
}

/// What the table of a frame tells.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// In the order of its records.
    pub changes: Vec<Change>,
    /// What they supersede in erasable spaces.
    pub superseded: Vec<Stretch>,
}

/// The table of `frame`, which stands at `offset` of `segment` and of which the values may be left out. `None` when it is
/// damaged.
pub(super) fn table(segment: u64, offset: u64, frame: &[u8]) -> Option<Table> {
    let header = Header::parse(frame)?;
    let mut input = Input(header.table(frame)?);
    // No room is reserved by the header's word: each record takes bytes of the table.
    let mut found = Vec::new();
    let mut plain = offset.saturating_add(HEADER as u64).saturating_add(header.table.into());
    let mut erasable = plain.saturating_add(header.plain.into());
    for _ in 0..header.records {
        let flags = input.u8()?;
        let key_len = usize::from(input.u8()?);
        if header.head.kind == Kind::Footer {
            let place = if flags & TOMBSTONE == 0 { Some(Place::parse(input.take(Place::LEN)?)?) } else { None };
            found.push(Change { key: input.take(key_len)?.to_vec(), place });
            continue;
        }
        let (sequence, len, crc) = (input.u64()?, input.u32()?, input.u32()?);
        let key = input.take(key_len)?.to_vec();
        let at = if flags & ERASABLE == 0 { &mut plain } else { &mut erasable };
        let place = Place { segment, offset: *at, len, crc, sequence };
        *at = at.saturating_add(len.into());
        found.push(Change { key, place: (flags & TOMBSTONE == 0).then_some(place) });
    }
    let mut superseded = Vec::new();
    for _ in 0..header.superseded {
        superseded.push(Stretch { segment: input.u64()?, offset: input.u64()?, len: input.u32()? });
    }
    Some(Table { changes: found, superseded })
}

/// Reads little-endian numbers from the front of a slice.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
    fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }
    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head { kind: Kind::Group, epoch: 77, segment: 3, first: 10, count: 2, proven: 9, erased: 0 };

    fn sample() -> (Vec<u8>, Vec<Change>) {
        let old = Place { segment: 1, offset: 500, len: 4, crc: 0, sequence: 3 };
        let records = [
            Record { key: b"\x02a", sequence: 10, value: Some(b"first"), crc: None, erasable: false, superseded: None },
            Record {
                key: b"\x06b",
                sequence: 10,
                value: Some(b"lock"),
                crc: None,
                erasable: true,
                superseded: Some(old),
            },
            Record { key: b"\x02c", sequence: 11, value: None, crc: None, erasable: false, superseded: None },
            Record { key: b"\x02d", sequence: 11, value: Some(b"last"), crc: None, erasable: false, superseded: None },
        ];
        group(&HEAD, 1000, &records)
    }

    #[test]
    fn a_frame_comes_back_with_its_values_in_place() {
        let (bytes, changes) = sample();
        let header = Header::parse(&bytes).unwrap();
        assert_eq!((header.head, header.len(), header.superseded), (HEAD, bytes.len() as u64, 1));
        assert_eq!(header.head.last(), 11);
        assert_eq!(header.verify(&bytes), Verdict { table: true, plain: true, erasable: true });
        let value = |change: &Change| {
            let place = change.place?;
            let at = usize::try_from(place.offset).unwrap() - 1000;
            Some(bytes[at..at + place.len as usize].to_vec())
        };
        let found: Vec<_> = changes.iter().map(|change| (change.key.clone(), value(change))).collect();
        let expected: [(&[u8], Option<&[u8]>); 4] =
            [(b"\x02a", Some(b"first")), (b"\x06b", Some(b"lock")), (b"\x02c", None), (b"\x02d", Some(b"last"))];
        assert_eq!(found, expected.map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))));
        let superseded = vec![Stretch { segment: 1, offset: 500, len: 4 }];
        assert_eq!(table(3, 1000, &bytes), Some(Table { changes, superseded }));
    }

    #[test]
    fn no_flipped_bit_goes_unseen() {
        let (bytes, _) = sample();
        for at in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[at / 8] ^= 1 << (at % 8);
            let good = Header::parse(&bad)
                .is_some_and(|header| header.verify(&bad) == Verdict { table: true, plain: true, erasable: true });
            assert!(!good, "bit {at}");
        }
    }

    #[test]
    fn an_erased_value_leaves_the_rest_believable() {
        let (mut bytes, changes) = sample();
        let lock = changes[1].place.unwrap();
        let at = usize::try_from(lock.offset).unwrap() - 1000;
        bytes[at..at + lock.len as usize].fill(0);
        let verdict = Header::parse(&bytes).unwrap().verify(&bytes);
        assert_eq!(verdict, Verdict { table: true, plain: true, erasable: false });
    }

    #[test]
    fn a_footer_names_the_same_places() {
        let (_, changes) = sample();
        let mut entries = Vec::new();
        for change in &changes {
            footer_entry(change, &mut entries);
        }
        let head = Head { kind: Kind::Footer, count: 0, ..HEAD };
        let bytes = footer(&head, &entries, changes.len());
        assert_eq!(super::table(3, 9999, &bytes), Some(Table { changes, superseded: vec![] }));
    }

    #[test]
    fn rubbish_is_no_header() {
        assert_eq!(Header::parse(&[]), None);
        assert_eq!(Header::parse(&[0; HEADER]), None);
        let proof = proof(&Head { kind: Kind::Proof, count: 0, ..HEAD });
        assert_eq!(proof.len(), HEADER);
        assert_eq!(Header::parse(&proof[..HEADER - 1]), None);
        assert_eq!(Header::parse(&proof).unwrap().head.last(), 9);
    }
}
