//! What of each segment still counts: how many records the index finds there, what they take, and a tally of which they are.
//!
//! Kept by whoever changes the index, change by change, and stored with its mark. So a start knows which segments must be there
//! without reading the index, and compaction knows which are mostly dead. A segment may go only when nothing of it counts:
//! an index that forgot a record leaves a remainder here, and that is noticed.

use std::collections::BTreeMap;

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

/// All segments'; one that is not here holds nothing that counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Live(BTreeMap<u64, Share>);

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
        let share = self.0.entry(place.segment).or_default();
        share.records = share.records.wrapping_add(1);
        share.bytes = share.bytes.wrapping_add(cost(key, place.len));
        share.sum = share.sum.wrapping_add(checksum(key, &place.to_bytes()));
    }

    pub(super) fn remove(&mut self, key: &[u8], place: &Place) {
        let share = self.0.entry(place.segment).or_default();
        share.records = share.records.wrapping_sub(1);
        share.bytes = share.bytes.wrapping_sub(cost(key, place.len));
        share.sum = share.sum.wrapping_sub(checksum(key, &place.to_bytes()));
        if *share == Share::default() {
            self.0.remove(&place.segment);
        }
    }

    /// What counts of one segment.
    pub(super) fn of(&self, segment: u64) -> Share {
        self.0.get(&segment).copied().unwrap_or_default()
    }

    /// The segments that must be there.
    pub(super) fn segments(&self) -> impl Iterator<Item = u64> {
        self.0.keys().copied()
    }

    /// Written form.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let numbers = self.0.iter().flat_map(|(segment, share)| [*segment, share.records, share.bytes, share.sum]);
        numbers.flat_map(u64::to_be_bytes).collect()
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let numbers: Vec<u64> = numbers.iter().map(|number| u64::from_be_bytes(*number)).collect();
        let (shares, odd) = numbers.as_chunks::<4>();
        let share = |[segment, records, bytes, sum]: &[u64; 4]| {
            (*segment, Share { records: *records, bytes: *bytes, sum: *sum })
        };
        (rest.is_empty() && odd.is_empty()).then(|| Self(shares.iter().map(share).collect()))
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
        assert_eq!(Live::parse(&live.to_bytes()), Some(live.clone()));
        live.remove(b"a", &place(1, 10));
        assert_eq!(live.segments().collect::<Vec<_>>(), [1, 2]);
        let mut other = live.clone();
        live.remove(b"b", &place(1, 20));
        assert_eq!(live.segments().collect::<Vec<_>>(), [2]);
        // Not the record that is there.
        other.remove(b"x", &place(1, 20));
        assert_eq!(other.segments().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(Live::parse(&[0; 31]), None);
    }
}
