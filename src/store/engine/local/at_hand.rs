//! What can be read without waiting: for no disk, no lock that somebody holds, and no other thread. Most reads of a gateway at work are of that kind, and
//! handing each of them to a thread costs several times what the read itself does.
//!
//! Whatever is not certain here, damage included, is no answer: then the ordinary way is gone, on a thread that may wait.

use std::fs::File;
use std::io::IoSliceMut;

use crc32c::crc32c;
use rustix::io::{ReadWriteFlags, preadv2};

use super::super::{Key, Versioned};
use super::frame::{MAX_LEN, Place};
use super::segment::Segment;
use super::{Shared, raw};

/// It may have to be waited for, or is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotAtHand;

/// `len` bytes of a file from `offset`, where the system has them in memory (`RWF_NOWAIT`; file systems that cannot tell have none).
pub(super) fn bytes(file: &File, offset: u64, len: usize) -> Result<Vec<u8>, NotAtHand> {
    let mut bytes = vec![0; len];
    let read = preadv2(file, &mut [IoSliceMut::new(&mut bytes)], offset, ReadWriteFlags::NOWAIT);
    if read == Ok(len) { Ok(bytes) } else { Err(NotAtHand) }
}

impl Shared {
    /// The value of a key, or that there is none.
    pub(super) fn at_hand(&self, key: &Key) -> Result<Option<Versioned>, NotAtHand> {
        let index = self.index.try_read().ok().and_then(|index| index.clone());
        let index = index.filter(|_| !self.has_ended()).ok_or(NotAtHand)?;
        let Some(place) = index.at_hand(&raw(key))? else { return Ok(None) };
        let value = self.segments.get(place.segment).ok_or(NotAtHand)?.at_hand(&place)?;
        Ok(Some(Versioned { value, version: place.sequence }))
    }
}

impl Segment {
    fn at_hand(&self, place: &Place) -> Result<Vec<u8>, NotAtHand> {
        let len = usize::try_from(place.len).ok().filter(|_| u64::from(place.len) <= MAX_LEN);
        let bytes = bytes(&self.file, place.offset, len.ok_or(NotAtHand)?)?;
        if crc32c(&bytes) == place.crc { Ok(bytes) } else { Err(NotAtHand) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn only_what_is_all_there_is_at_hand() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"0123456789", 0).unwrap();
        // A file system that does not know the flag has nothing at hand, and that is right, too.
        if let Ok(found) = bytes(&file, 2, 3) {
            assert_eq!(found, b"234");
        }
        assert_eq!(bytes(&file, 8, 3), Err(NotAtHand), "beyond the end");
        assert_eq!(bytes(&file, 20, 1), Err(NotAtHand));
    }
}
