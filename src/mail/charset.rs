//! Bytes in a named charset to text.

use super::parser;

/// Text of bytes in a charset. Without a charset, or with one that is not known: UTF-8 where the bytes are that, else
/// Windows-1252, as mail programs do; a named but unknown charset gets replacement characters.
#[must_use]
pub fn to_text(charset: &str, bytes: &[u8]) -> String {
    let charset = charset.trim().trim_matches('"');
    let unnamed =
        charset.is_empty() || charset.eq_ignore_ascii_case("us-ascii") || charset.eq_ignore_ascii_case("ascii");
    let utf8 = charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8");
    if unnamed || utf8 {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        return match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) if unnamed => parser::decode("windows-1252", bytes).unwrap_or_else(|| lossy(bytes)),
            Err(_) => lossy(bytes),
        };
    }
    let utf7 = charset.to_ascii_lowercase().contains("utf-7");
    parser::decode(if utf7 { "utf-7" } else { charset }, bytes).unwrap_or_else(|| lossy(bytes))
}

/// The ASCII text in bytes of any charset that has ASCII in it: one byte each (most), with zeros between (UTF-16, UTF-32, UCS-2; the
/// zeros stay) or between escape sequences (ISO 2022). All else becomes a replacement character.
#[must_use]
pub(super) fn as_ascii(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match byte {
            b'\x1b' => {
                let middle = tail.iter().take_while(|byte| matches!(byte, b' '..=b'/')).count();
                rest = tail.get(middle + 1..).unwrap_or_default();
            }
            0..=0x7f => text.push(char::from(*byte)),
            _ => text.push(char::REPLACEMENT_CHARACTER),
        }
    }
    text
}

/// The letters, digits, blanks and square brackets in bytes of any EBCDIC charset; these differ in the brackets alone, so every place
/// that one of them has is read as one. All else becomes a replacement character.
#[must_use]
pub(super) fn as_ebcdic(bytes: &[u8]) -> String {
    let letter = |byte: u8, first: u8, to: u8| char::from(to + (byte - first));
    let read = |byte: &u8| match *byte {
        0x00 => '\0',
        0x40 | 0x41 => ' ',
        0x4a | 0xad | 0xba => '[',
        0x5a | 0xbb | 0xbd => ']',
        0x6b => ',',
        0x7a => ':',
        byte @ 0x81..=0x89 => letter(byte, 0x81, b'a'),
        byte @ 0x91..=0x99 => letter(byte, 0x91, b'j'),
        byte @ 0xa2..=0xa9 => letter(byte, 0xa2, b's'),
        byte @ 0xc1..=0xc9 => letter(byte, 0xc1, b'A'),
        byte @ 0xd1..=0xd9 => letter(byte, 0xd1, b'J'),
        byte @ 0xe2..=0xe9 => letter(byte, 0xe2, b'S'),
        byte @ 0xf0..=0xf9 => letter(byte, 0xf0, b'0'),
        _ => char::REPLACEMENT_CHARACTER,
    };
    bytes.iter().map(read).collect()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets() {
        for (charset, bytes, text) in [
            ("", &b"caf\xc3\xa9"[..], "café"),
            ("", b"caf\xe9", "café"),
            ("US-ASCII", b"\x80", "€"),
            ("utf-8", b"\xef\xbb\xbfcaf\xc3\xa9", "café"),
            ("utf-8", b"caf\xe9", "caf\u{fffd}"),
            ("iso-8859-1", b"caf\xe9", "café"),
            ("ISO-8859-15", b"\xa4", "€"),
            ("windows-1252", b"\x93x\x94", "“x”"),
            ("no-such", b"caf\xc3\xa9\xff", "café\u{fffd}"),
            ("shift_jis", b"\x82\xa0", "あ"),
            ("gb2312", b"\xc4\xe3", "你"),
            ("utf-16", b"\xfe\xff\x00a", "a"),
            ("UNICODE-1-1-UTF-7", b"+AFs-a+AF0-", "[a]"),
        ] {
            assert_eq!(to_text(charset, bytes), text, "{charset}");
        }
    }

    #[test]
    fn ascii_and_ebcdic_are_found_in_any_charset() {
        for (bytes, text) in [
            (&b"[veilig]"[..], "[veilig]"),
            (b"\x00\x00\xfe\xff\x00\x00\x00[", "\0\0\u{fffd}\u{fffd}\0\0\0["),
            (b"\x1b$)C[a] \x0eBb\x0f", "[a] \u{e}Bb\u{f}"),
            (b"\x1b(B[a]\x1b", "[a]"),
            (b"\x1b  ", ""),
        ] {
            assert_eq!(as_ascii(bytes), text, "{bytes:?}");
        }
        // cp037, cp500 and cp1047, made with Python
        for bytes in [
            b"\xba\xe5\x85\x89\x93\x89\x87\xbb\x40\xf1\xa7\x7a\x51",
            b"\x4a\xe5\x85\x89\x93\x89\x87\x5a\x40\xf1\xa7\x7a\x51",
            b"\xad\xe5\x85\x89\x93\x89\x87\xbd\x40\xf1\xa7\x7a\x51",
        ] {
            assert_eq!(as_ebcdic(bytes), "[Veilig] 1x:\u{fffd}", "{bytes:?}");
        }
    }
}
