//! What of each segment still counts: how many records the index finds there, what they take, and a tally of which they are.
//!
//! Kept by whoever changes the index, change by change, and stored with its mark. So a start knows which segments must be there
//! without reading the index, and compaction knows which are mostly dead. A segment may go only when nothing of it counts:
//! an index that forgot a record leaves a remainder here, and that is noticed.

use std::collections::{BTreeMap, BTreeSet};

use crc32c::{crc32c, crc32c_append};

use super::frame::Place;

/// Bytes of a record beside key and value, in its frame's table and in its segment's footer.
const ENTRIES: u64 = 18 + 34;

/// One segment's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Share {
    /// How many records.
    pub records: u64,
    /// Bytes they take in the segment, its table and footer included.
    pub bytes: u64,
    /// Of the records' checksums, wrapping.
    sum: u64,
}

/// All segments'.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Live {
    /// One that is not here holds nothing that counts.
    shares: BTreeMap<u64, Share>,
    /// Segments that the index was told of: what counts of them, if anything, it has.
    known: BTreeSet<u64>,
}

/// What tells one record from another.
pub(super) fn checksum(key: &[u8], place: &[u8]) -> u64 {
    crc32c_append(crc32c(key), place).into()
}

/// Bytes that a record with a value of `len` bytes takes in its segment.
pub(super) fn cost(key: &[u8], len: u32) -> u64 {
    u64::from(len) + 2 * key.len() as u64 + ENTRIES
}

impl Live {
    pub(super) fn add(&mut self, key: &[u8], place: &Place) {
        let share = self.shares.entry(place.segment).or_default();
        share.records = share.records.wrapping_add(1);
        share.bytes = share.bytes.wrapping_add(cost(key, place.len));
        share.sum = share.sum.wrapping_add(checksum(key, &place.to_bytes()));
    }

    pub(super) fn remove(&mut self, key: &[u8], place: &Place) {
        let share = self.shares.entry(place.segment).or_default();
        share.records = share.records.wrapping_sub(1);
        share.bytes = share.bytes.wrapping_sub(cost(key, place.len));
        share.sum = share.sum.wrapping_sub(checksum(key, &place.to_bytes()));
        if *share == Share::default() {
            self.shares.remove(&place.segment);
        }
    }

    /// What counts of one segment.
    pub(super) fn of(&self, segment: u64) -> Share {
        self.shares.get(&segment).copied().unwrap_or_default()
    }

    /// The segments that must be there.
    pub(super) fn segments(&self) -> impl Iterator<Item = u64> {
        self.shares.keys().copied()
    }

    /// From now on the index has what these hold.
    pub(super) fn know(&mut self, segments: impl Iterator<Item = u64>) {
        self.known.extend(segments);
    }

    /// Only of these there are files.
    pub(super) fn know_only(&mut self, segments: impl Iterator<Item = u64>) {
        self.known = segments.collect();
    }

    /// Whether the index has what counts of a segment. A segment of which nothing counts is dead only then.
    pub(super) fn knows(&self, segment: u64) -> bool {
        self.known.contains(&segment) || self.shares.contains_key(&segment)
    }

    /// Written form: one that is only known has a share of nothing.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let all: BTreeSet<u64> = self.known.iter().chain(self.shares.keys()).copied().collect();
        let share = |segment| (segment, self.of(segment));
        let numbers =
            all.into_iter().map(share).flat_map(|(segment, share)| [segment, share.records, share.bytes, share.sum]);
        numbers.flat_map(u64::to_be_bytes).collect()
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let numbers: Vec<u64> = numbers.iter().map(|number| u64::from_be_bytes(*number)).collect();
        let (shares, odd) = numbers.as_chunks::<4>();
        let share = |[segment, records, bytes, sum]: &[u64; 4]| {
            (*segment, Share { records: *records, bytes: *bytes, sum: *sum })
        };
        let all: Vec<(u64, Share)> = shares.iter().map(share).collect();
        let known = all.iter().map(|(segment, _)| *segment).collect();
        let shares = all.into_iter().filter(|(_, share)| *share != Share::default()).collect();
        (rest.is_empty() && odd.is_empty()).then_some(Self { shares, known })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_gone_when_each_of_its_records_is() {
        let place = |segment, len| Place { segment, offset: 64, len, crc: 1, sequence: 1 };
        let mut live = Live::default();
        live.add(b"a", &place(1, 10));
        live.add(b"b", &place(1, 20));
        live.add(b"c", &place(2, 30));
        assert_eq!((live.of(1).records, live.of(1).bytes), (2, 10 + 20 + 2 * (2 + ENTRIES)));
        live.know([1, 2, 7].into_iter());
        assert_eq!(Live::parse(&live.to_bytes()), Some(live.clone()));
        assert!(live.knows(1) && live.knows(7) && !live.knows(3));
        live.remove(b"a", &place(1, 10));
        assert_eq!(live.segments().collect::<Vec<_>>(), [1, 2]);
        let mut other = live.clone();
        live.remove(b"b", &place(1, 20));
        assert_eq!(live.segments().collect::<Vec<_>>(), [2]);
        // Not the record that is there.
        other.remove(b"x", &place(1, 20));
        assert_eq!(other.segments().collect::<Vec<_>>(), [1, 2]);
        live.know_only([2].into_iter());
        assert!(live.knows(2) && !live.knows(7));
        assert_eq!(Live::parse(&[0; 31]), None);
    }
}
