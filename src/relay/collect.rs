//! The first part of a mail, collected before anything is decided: at least the header block, at most some hundred kilobytes.
//! Pure.

/// Room for the first bytes.
const LEAST: usize = 4 * 1024;

/// Wire bytes from the first one on.
#[derive(Debug, Default)]
pub(super) struct Collected {
    wire: Vec<u8>,
    header: Option<usize>,
    looked: usize,
}

impl Collected {
    /// The room that the next `more` bytes need, all in all: what is there, doubled where that is not enough, so that nothing is copied
    /// often, up to `most` if that suffices.
    pub(super) fn room(&self, more: usize, most: usize) -> usize {
        let (needed, have) = (self.wire.len().saturating_add(more), self.wire.capacity());
        if needed <= have { have } else { needed.max((have * 2).clamp(LEAST, most.max(LEAST))) }
    }

    /// Makes that room.
    pub(super) fn make_room(&mut self, room: usize) {
        self.wire.reserve_exact(room.saturating_sub(self.wire.len()));
    }

    /// Takes the next bytes in.
    pub(super) fn push(&mut self, wire: &[u8]) {
        self.wire.extend_from_slice(wire);
        if self.header.is_none() {
            self.header = self.look();
            self.looked = self.wire.len();
        }
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.wire.len()
    }

    /// Length of the header block, with its last CRLF and without the empty line, once that line was seen.
    pub(super) const fn header(&self) -> Option<usize> {
        self.header
    }

    /// Everything collected, and the length of the header block: all of it, where no empty line ended it.
    pub(super) fn finish(self) -> (Vec<u8>, usize) {
        let header = self.header.unwrap_or(self.wire.len());
        (self.wire, header)
    }

    fn look(&self) -> Option<usize> {
        if self.wire.starts_with(b"\r\n") {
            return Some(0);
        }
        let from = self.looked.saturating_sub(3);
        let found = self.wire.get(from..)?.windows(4).position(|window| window == b"\r\n\r\n")?;
        Some(from + found + 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_ends_at_the_empty_line_however_it_comes() {
        let cases: [(&[u8], Option<usize>); 8] = [
            (b"", None),
            (b"\r\n", Some(0)),
            (b"\r\nbody\r\n", Some(0)),
            (b"A: b\r\n", None),
            (b"A: b\r\n\r\n", Some(6)),
            (b"A: b\r\n\r\nbody\r\n\r\nmore\r\n", Some(6)),
            (b"A: b\r\n \r\n\r\nbody\r\n", Some(9)),
            (b"A: b\r\n..\r\nx\r\n", None),
        ];
        for (wire, expected) in cases {
            for step in 1..=wire.len().max(1) {
                let mut collected = Collected::default();
                wire.chunks(step).for_each(|chunk| collected.push(chunk));
                assert_eq!(collected.header(), expected, "{:?} by {step}", String::from_utf8_lossy(wire));
                assert_eq!(collected.len(), wire.len());
                assert_eq!(collected.finish(), (wire.to_vec(), expected.unwrap_or(wire.len())));
            }
        }
    }
}
