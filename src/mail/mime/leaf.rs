//! Transfer encodings of leaves (RFC 2045 §6.7, §6.8), decoded while they stream by.

use std::fmt;

use base64_simd::STANDARD_NO_PAD;
use memchr::memchr_iter;

use crate::mail::header::hex;

/// Blanks at the end of a quoted-printable line that are held back until the line's end is known; more are text.
const MAX_BLANKS: usize = 998;

/// Decodes a leaf's transfer encoding, streaming.
pub struct LeafDecoder(Kind);

impl fmt::Debug for LeafDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeafDecoder")
    }
}

enum Kind {
    Base64 { bits: u32, count: u8, joined: Vec<u8> },
    QuotedPrintable { held: Vec<u8> },
    Plain,
}

impl LeafDecoder {
    /// For `base64`, `quoted-printable`; anything else passes unchanged.
    #[must_use]
    pub fn new(encoding: &str) -> Self {
        Self(match encoding.trim().to_ascii_lowercase().as_str() {
            "base64" => Kind::Base64 { bits: 0, count: 0, joined: Vec::new() },
            "quoted-printable" => Kind::QuotedPrintable { held: Vec::new() },
            _ => Kind::Plain,
        })
    }

    /// Appends decoded bytes to `out`; what does not decode is skipped (base64) or kept as it is (quoted-printable).
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match &mut self.0 {
            Kind::Base64 { bits, count, joined } => base64(bytes, (bits, count), joined, out),
            Kind::QuotedPrintable { held } => bytes.iter().for_each(|byte| quoted_printable(*byte, held, out)),
            Kind::Plain => out.extend_from_slice(bytes),
        }
    }

    /// The rest.
    pub fn finish(self, out: &mut Vec<u8>) {
        match self.0 {
            Kind::Base64 { mut bits, mut count, .. } => flush_base64(&mut bits, &mut count, out),
            // a `=` at the very end is a soft line break whose line end was cut off
            Kind::QuotedPrintable { held } => out.extend(held.strip_suffix(b"=").unwrap_or(&held)),
            Kind::Plain => {}
        }
    }
}

const fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// Whole groups with nothing but line ends between them go at once, everything else byte by byte. `joined` is room to work in.
fn base64(bytes: &[u8], (bits, count): (&mut u32, &mut u8), joined: &mut Vec<u8>, out: &mut Vec<u8>) {
    let mut rest = bytes;
    while *count > 0
        && let Some((byte, behind)) = rest.split_first()
    {
        base64_byte(*byte, bits, count, out);
        rest = behind;
    }
    join_lines(rest, joined);
    let (groups, short) = joined.split_at_checked(joined.len() / 4 * 4).unwrap_or_default();
    let before = out.len();
    let whole = STANDARD_NO_PAD.decode_append(groups, out).is_ok();
    if !whole {
        out.truncate(before);
    }
    for byte in if whole { short } else { rest } {
        base64_byte(*byte, bits, count, out);
    }
}

/// Makes `joined` the same text without line ends.
fn join_lines(text: &[u8], joined: &mut Vec<u8>) {
    joined.clear();
    joined.reserve(text.len());
    let mut begin = 0;
    for end in memchr_iter(b'\n', text).chain([text.len()]) {
        let line = text.get(begin..end).unwrap_or_default();
        joined.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        begin = end + 1;
    }
}

fn base64_byte(byte: u8, bits: &mut u32, count: &mut u8, out: &mut Vec<u8>) {
    if byte == b'=' {
        flush_base64(bits, count, out);
    } else if let Some(value) = sextet(byte) {
        *bits = *bits << 6 | u32::from(value);
        *count += 1;
        if *count == 4 {
            flush_base64(bits, count, out);
        }
    }
}

/// The whole bytes of what was collected: after padding, also of a group that is short.
fn flush_base64(bits: &mut u32, count: &mut u8, out: &mut Vec<u8>) {
    let whole = usize::from(*count) * 6 / 8;
    let aligned = *bits << (32 - 6 * u32::from(*count)).min(31);
    if *count > 0 {
        out.extend(aligned.to_be_bytes().iter().take(whole));
    }
    (*bits, *count) = (0, 0);
}

/// `held` is what can only be judged with what follows: blanks, `=`, `=` and a digit, `=` and blanks, a CR behind those.
fn quoted_printable(byte: u8, held: &mut Vec<u8>, out: &mut Vec<u8>) {
    match (held.as_slice(), byte) {
        ([b'=', digit], _) if digit.is_ascii_hexdigit() && byte.is_ascii_hexdigit() => {
            out.push(hex(*digit) << 4 | hex(byte));
            held.clear();
        }
        ([b'='], _) if byte.is_ascii_hexdigit() => held.push(byte),
        // the end of a line: a soft break vanishes with its line end, blanks go, the line end stays
        ([b'=', ..], b'\n') => {
            let soft = held.iter().skip(1).all(|b| matches!(b, b' ' | b'\t' | b'\r'));
            if !soft {
                out.append(held);
                out.push(byte);
            }
            held.clear();
        }
        (_, b'\n') => {
            if held.ends_with(b"\r") {
                out.push(b'\r');
            }
            out.push(b'\n');
            held.clear();
        }
        ([.., b'\r'], _) => {
            out.append(held);
            quoted_printable(byte, held, out);
        }
        ([] | [b' ' | b'\t', ..] | [b'='] | [b'=', b' ' | b'\t', ..], b' ' | b'\t' | b'\r')
            if held.len() < MAX_BLANKS =>
        {
            held.push(byte);
        }
        ([], b'=') => held.push(byte),
        ([], _) => out.push(byte),
        _ => {
            out.append(held);
            quoted_printable(byte, held, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(encoding: &str, bytes: &[u8], chunk: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut decoder = LeafDecoder::new(encoding);
        for piece in bytes.chunks(chunk.max(1)) {
            decoder.push(piece, &mut out);
        }
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn leaves_decode() {
        for (encoding, bytes, plain) in [
            ("base64", "aGFsbG8=", "hallo"),
            ("BASE64", "aGFs\r\nbG8=\r\n", "hallo"),
            ("base64", "aGFsbG8", "hallo"),
            ("base64", "aGFs!*bG8=", "hallo"),
            ("base64", "YQ==Yg==", "ab"),
            ("base64", "Y", ""),
            ("base64", "====", ""),
            ("base64", "", ""),
            ("quoted-printable", "caf=C3=A9", "café"),
            ("Quoted-Printable", "caf=c3=a9", "café"),
            ("quoted-printable", "a=\r\nb", "ab"),
            ("quoted-printable", "a= \t\r\nb", "ab"),
            ("quoted-printable", "a=\nb", "ab"),
            ("quoted-printable", "a  \t\r\nb", "a\r\nb"),
            ("quoted-printable", "a  b", "a  b"),
            ("quoted-printable", "a =3D b", "a = b"),
            ("quoted-printable", "a=4", "a=4"),
            ("quoted-printable", "a=ZZ b=", "a=ZZ b"),
            ("quoted-printable", "a==41", "a=A"),
            ("quoted-printable", "a=4\r\nb", "a=4\r\nb"),
            ("quoted-printable", "a\rb\r\n", "a\rb\r\n"),
            ("quoted-printable", "\r\n\r\n", "\r\n\r\n"),
            ("quoted-printable", "a= b", "a= b"),
            ("quoted-printable", "a=\rb", "a=\rb"),
            ("quoted-printable", "a  ", "a  "),
            ("7bit", "a=41 YQ==", "a=41 YQ=="),
            ("", "x", "x"),
            ("x-uuencode", "x", "x"),
        ] {
            for chunk in 1..5 {
                let decoded = decode(encoding, bytes.as_bytes(), chunk);
                assert_eq!(String::from_utf8_lossy(&decoded), plain, "{encoding} {bytes:?} by {chunk}");
            }
        }
    }

    #[test]
    fn many_blanks_are_not_held_for_ever() {
        let mut decoder = LeafDecoder::new("quoted-printable");
        let mut out = Vec::new();
        decoder.push(&vec![b' '; 10_000], &mut out);
        assert!(out.len() >= 9_000);
        decoder.finish(&mut out);
        assert_eq!(out.len(), 10_000);
    }

    proptest! {
        #[test]
        fn base64_reads_back(bytes in prop::collection::vec(any::<u8>(), 0..100), chunk in 1_usize..9) {
            let text = data_encoding::BASE64_MIME.encode(&bytes);
            prop_assert_eq!(decode("base64", text.as_bytes(), chunk), bytes);
        }

        /// Whatever stands between the characters, groups that go at once are what they are byte by byte.
        #[test]
        fn base64_at_once_is_base64_byte_by_byte(
            pieces in prop::collection::vec(prop::sample::select(vec!["aGFs", "aG", "/+9x", "\r\n", "\n", "\r", " ", "=", "YQ==", "!", "é"]), 0..60),
            chunk in 5_usize..50,
        ) {
            let text = pieces.concat();
            prop_assert_eq!(decode("base64", text.as_bytes(), chunk), decode("base64", text.as_bytes(), 1));
        }

        #[test]
        fn chunks_make_no_difference(bytes in prop::collection::vec(prop::sample::select(b"= \t\r\n4Ax\xff".to_vec()), 0..60), chunk in 1_usize..7) {
            for encoding in ["base64", "quoted-printable", "8bit"] {
                prop_assert_eq!(decode(encoding, &bytes, chunk), decode(encoding, &bytes, usize::MAX));
            }
        }
    }
}
