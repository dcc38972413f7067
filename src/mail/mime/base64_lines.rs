//! Where a decoded byte stands in base64 that was written in lines of one length, as every mail program writes it: then the length of an
//! attachment is known before it is decoded, and a range of it can be had without decoding all before it.
//!
//! That the lines are regular is never assumed: the encoded bytes are looked at when the mail comes in, all of them, and what is not
//! regular has neither length nor places.

use std::num::NonZeroU64;

use base64_simd::STANDARD_NO_PAD;
use minicbor::{Decode, Encode};

/// Base64 in lines of one length, each with CRLF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Base64Lines {
    /// Characters of a line, a multiple of four; the last line may be shorter.
    #[n(0)]
    width: NonZeroU64,
    /// Decoded bytes in all.
    #[n(1)]
    len: u64,
}

impl Base64Lines {
    /// Decoded length.
    #[must_use]
    pub const fn decoded(self) -> u64 {
        self.len
    }

    /// Where decoding has to begin for the decoded byte `at`, from the start of the encoded bytes, and how many decoded bytes come before it there.
    #[must_use]
    pub fn place(self, at: u64) -> (u64, u64) {
        let character = at / 3 * 4;
        (character + character / self.width * 2, at % 3)
    }
}

/// Looks at encoded bytes as they come by.
#[derive(Debug, Default)]
pub(super) struct Survey {
    width: Option<u64>,
    /// Base64 characters in all, without padding.
    characters: u64,
    /// Characters of the present line, padding included.
    line: u64,
    padding: u64,
    /// Behind a CR.
    ending: bool,
    /// Behind a line that is not full: only line ends may follow.
    over: bool,
    odd: bool,
}

impl Survey {
    /// The next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = self.full_lines(bytes);
        while let Some((byte, behind)) = rest.split_first()
            && !self.odd
        {
            self.odd = !self.takes(*byte);
            rest = self.full_lines(behind);
        }
    }

    /// At the start of a line: passes over full ones at once, and returns what follows them.
    fn full_lines<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let full = self.width.filter(|width| *width > 0 && self.line == 0 && !(self.ending || self.over || self.odd));
        let Some((full, width)) = full.and_then(|full| Some((full, usize::try_from(full).ok()?))) else { return bytes };
        let mut rest = bytes;
        while let Some((line, behind)) = rest.split_at_checked(width)
            && let Some(behind) = behind.strip_prefix(b"\r\n")
            && STANDARD_NO_PAD.check(line).is_ok()
        {
            self.characters += full;
            rest = behind;
        }
        rest
    }

    /// Whether the byte is one that may stand here.
    fn takes(&mut self, byte: u8) -> bool {
        if self.ending {
            self.ending = false;
            return byte == b'\n' && self.end_line();
        }
        match byte {
            b'\r' => {
                self.ending = true;
                true
            }
            b'=' => {
                self.padding += 1;
                self.line += 1;
                !self.over && self.padding <= 2
            }
            byte if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/') => {
                self.characters += 1;
                self.line += 1;
                !self.over && self.padding == 0
            }
            _ => false,
        }
    }

    fn end_line(&mut self) -> bool {
        let line = std::mem::take(&mut self.line);
        let width = *self.width.get_or_insert(line);
        self.over |= line < width || self.padding > 0;
        line <= width && line.is_multiple_of(4)
    }

    /// The lines, if they are regular; `None` also for nothing at all.
    pub fn finish(mut self) -> Option<Base64Lines> {
        let whole = self.line == 0 || self.end_line();
        let width = self.width.and_then(NonZeroU64::new)?;
        let fits = whole && !self.odd && !self.ending && (self.characters + self.padding).is_multiple_of(4);
        fits.then_some(Base64Lines { width, len: self.characters * 3 / 4 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::mime::LeafDecoder;

    /// In pieces of five bytes and at once: never two answers.
    fn survey(text: &str) -> Option<Base64Lines> {
        let [pieces, whole] = [5, text.len().max(1)].map(|size| {
            let mut survey = Survey::default();
            text.as_bytes().chunks(size).for_each(|piece| survey.push(piece));
            survey.finish()
        });
        assert_eq!(pieces, whole, "{text:?}");
        whole
    }

    fn decode(bytes: &[u8]) -> Vec<u8> {
        let (mut decoder, mut out) = (LeafDecoder::new("base64"), Vec::new());
        decoder.push(bytes, &mut out);
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn regular_lines_and_what_is_none() {
        for (text, len) in [
            ("aGFsbG8=", Some(5)),
            ("aGFs\r\nbG8=\r\n", Some(5)),
            ("aGFs\r\nbG8=\r\n\r\n\r\n", Some(5)),
            ("aGFsaGFs\r\nbG9s", Some(9)),
            ("aGFs\r\nbG9s\r\n", Some(6)),
            ("aGFs\r\nbG9s\r\naGFs\r\nbG8=", Some(11)),
            // A full line with something else in it, with padding in it, behind a short one.
            ("aGFs\r\nbG9s\r\na-Fs\r\nbG8=", None),
            ("aGFs\r\nbG8=\r\naGFs\r\n", None),
            ("aGFsaGFs\r\nbG9s\r\naGFsaGFs\r\n", None),
            ("", None),
            ("\r\n", None),
            ("\r\naGFs\r\n", None),
            // A longer line, a line within a group, blanks, padding in the middle, more than one end, bare line ends, other letters.
            ("aGFs\r\nbG9sbG9s\r\n", None),
            ("aGF\r\nsbG9s\r\n", None),
            ("aGFs \r\nbG9s\r\n", None),
            ("aGE=\r\nbG9s\r\n", None),
            ("YQ==YQ==", None),
            ("aGFsaGFs\r\nbG9s\r\nbG9s", None),
            ("aGFs\nbG9s", None),
            ("aGFs\rbG9s", None),
            ("aGFs\r", None),
            ("aGFs\r\n--", None),
            ("aGF", None),
            ("a===", None),
            ("aG-s", None),
        ] {
            assert_eq!(survey(text).map(Base64Lines::decoded), len, "{text:?}");
            if let Some(len) = len {
                assert_eq!(decode(text.as_bytes()).len() as u64, len, "{text:?}");
            }
        }
    }

    proptest! {
        /// Whatever a survey gives places to, decodes from each of them to the very bytes that stand there.
        #[test]
        fn places_are_where_decoding_finds_them(
            plain in prop::collection::vec(any::<u8>(), 1..200), groups in 1_usize..20, wrong in prop::option::of((any::<prop::sample::Index>(), "[ \r\n=a-]"))
        ) {
            let encoded = data_encoding::BASE64.encode(&plain);
            let lines: Vec<&str> = encoded.as_bytes().chunks(groups * 4).map(|line| std::str::from_utf8(line).unwrap()).collect();
            let mut text = lines.join("\r\n") + "\r\n";
            if let Some((at, other)) = &wrong {
                text.insert_str(at.index(text.len()), other);
            }
            prop_assert!(wrong.is_some() || survey(&text).is_some());
            if let Some(lines) = survey(&text) {
                let whole = decode(text.as_bytes());
                prop_assert_eq!(lines.decoded(), whole.len() as u64);
                for at in 0..whole.len() {
                    let (from, skip) = lines.place(at as u64);
                    let found = decode(&text.as_bytes()[usize::try_from(from).unwrap()..]);
                    prop_assert_eq!(&found[usize::try_from(skip).unwrap()..], &whole[at..]);
                }
            }
        }
    }
}
