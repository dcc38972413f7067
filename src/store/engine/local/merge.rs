//! Several sorted streams of changes as one: of a key that stands in several, the newest stream's word counts.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::frame::Change;
use super::index::IndexError;

/// Changes in the order of their keys, each key once.
pub(super) type Sorted<'a> = Box<dyn Iterator<Item = Result<Change, IndexError>> + 'a>;

/// See the module.
pub(super) struct Merge<'a> {
    /// Newest first.
    streams: Vec<Sorted<'a>>,
    heads: BinaryHeap<Head>,
    /// What ended it.
    failed: Option<IndexError>,
}

/// The next change of one stream.
struct Head {
    change: Change,
    stream: usize,
}

impl Ord for Head {
    /// The greatest is the smallest key of the newest stream.
    fn cmp(&self, other: &Self) -> Ordering {
        (&other.change.key, other.stream).cmp(&(&self.change.key, self.stream))
    }
}
impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Head {}

impl<'a> Merge<'a> {
    /// `streams` newest first.
    pub(super) fn of(streams: Vec<Sorted<'a>>) -> Self {
        let mut merge = Self { heads: BinaryHeap::with_capacity(streams.len()), streams, failed: None };
        for stream in 0..merge.streams.len() {
            merge.advance(stream);
        }
        merge
    }

    fn advance(&mut self, stream: usize) {
        match self.streams.get_mut(stream).and_then(Iterator::next) {
            Some(Ok(change)) => self.heads.push(Head { change, stream }),
            Some(Err(error)) => self.failed = Some(error),
            None => {}
        }
    }
}

impl Iterator for Merge<'_> {
    type Item = Result<Change, IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.heads.pop();
        if let Some(head) = &first {
            self.advance(head.stream);
            while let Some(same) = self.heads.peek().filter(|other| other.change.key == head.change.key) {
                let stream = same.stream;
                self.heads.pop();
                self.advance(stream);
            }
        }
        if let Some(error) = self.failed.take() {
            // Nothing that follows could be believed.
            self.heads.clear();
            self.streams.clear();
            return Some(Err(error));
        }
        first.map(|head| Ok(head.change))
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Place;
    use super::*;

    fn stream(keys: &'static [u8], sequence: u64) -> Sorted<'static> {
        let place = Place { segment: 1, offset: 1, len: 1, crc: 1, sequence };
        Box::new(keys.iter().map(move |key| Ok(Change { key: vec![*key], place: Some(place) })))
    }

    #[test]
    fn the_newest_word_on_each_key_comes_in_order() {
        let merge = Merge::of(vec![stream(b"bd", 3), stream(b"", 2), stream(b"abce", 1)]);
        let found: Vec<(u8, u64)> =
            merge.map(|change| change.unwrap()).map(|change| (change.key[0], change.place.unwrap().sequence)).collect();
        assert_eq!(found, [(b'a', 1), (b'b', 3), (b'c', 1), (b'd', 3), (b'e', 1)]);
    }

    #[test]
    fn a_stream_that_fails_ends_it() {
        let broken = Box::new([Err(IndexError("broken".to_owned()))].into_iter());
        let mut merge = Merge::of(vec![stream(b"ab", 1), broken]);
        assert!(merge.next().unwrap().is_err());
        assert!(merge.next().is_none());
    }
}
