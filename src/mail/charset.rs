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
    parser::decode(charset, bytes).unwrap_or_else(|| lossy(bytes))
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
        ] {
            assert_eq!(to_text(charset, bytes), text, "{charset}");
        }
    }
}
