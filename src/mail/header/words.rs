//! Encoded words (RFC 2047): reads them as leniently as mail programs do, and knows which bytes each character came from.

use memchr::memmem;

use crate::mail::charset;
use crate::mail::mime::LeafDecoder;

/// How far the end of an encoded word is looked for; the standard allows 75 octets, programs in use write longer ones.
const MAX_WORD: usize = 1024;

/// One character of a field's value, and the bytes of the value that it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Glyph {
    pub char: char,
    pub start: usize,
    pub end: usize,
    /// It came out of an encoded word; then the bytes are those of the whole run of words.
    pub encoded: bool,
}

/// The text of a value: unfolded, words decoded, blanks between two words dropped.
#[must_use]
pub fn decode(value: &[u8]) -> String {
    if has_words(value) { glyphs(value).into_iter().map(|glyph| glyph.char).collect() } else { undecoded(value) }
}

/// The text of a value: unfolded, without decoding words.
pub(super) fn undecoded(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len());
    let on_one_line = |char: &char| !matches!(char, '\r' | '\n');
    for chunk in value.utf8_chunks() {
        out.extend(chunk.valid().chars().filter(on_one_line));
        out.extend(chunk.invalid().iter().map(|byte| char::from(*byte)));
    }
    out
}

/// Whether encoded words may stand in a value.
fn has_words(value: &[u8]) -> bool {
    memmem::find(value, b"=?").is_some()
}

/// The characters of a value, unfolded, without decoding words.
pub(super) fn glyphs_undecoded(value: &[u8]) -> Vec<Glyph> {
    let mut out = Vec::new();
    literal(value, 0, &mut out);
    out
}

/// The characters of a value, unfolded, words decoded.
pub(super) fn glyphs(value: &[u8]) -> Vec<Glyph> {
    read(value, Word::parse, charset::to_text)
}

/// The same value as others may read it: words that never end read to the end, and the bytes in words taken for what they are not
/// said to be, since neither we nor anyone knows every charset by its name. None for a value without words.
pub(super) fn other_glyphs(value: &[u8]) -> impl Iterator<Item = Vec<Glyph>> {
    type Reader = fn(&str, &[u8]) -> String;
    const READERS: [Reader; 3] =
        [charset::to_text, |_, bytes| charset::as_ascii(bytes), |_, bytes| charset::as_ebcdic(bytes)];
    let words = has_words(value);
    READERS.into_iter().filter(move |_| words).map(|reader| read(value, Word::parse_open, reader))
}

fn read<'a>(
    value: &'a [u8],
    parse: impl Fn(&'a [u8]) -> Option<Word<'a>>,
    to_text: impl Fn(&str, &[u8]) -> String,
) -> Vec<Glyph> {
    let mut out = Vec::new();
    let mut run: Option<Run> = None;
    let mut at = 0;
    let mut literal_start = 0;
    while let Some(next) = value.get(at..).and_then(|rest| memmem::find(rest, b"=?")) {
        at += next;
        let Some(word) = value.get(at..).and_then(&parse) else {
            at += 1;
            continue;
        };
        let between = value.get(literal_start..at).unwrap_or_default();
        let end = at + word.len;
        match run.as_mut() {
            Some(open) if between.iter().all(u8::is_ascii_whitespace) && open.takes(&word) => open.extend(&word, end),
            _ => {
                let follows_word = run.take().map(|open| open.flush(&to_text, &mut out)).is_some();
                if !(follows_word && between.iter().all(u8::is_ascii_whitespace)) {
                    literal(between, literal_start, &mut out);
                }
                run = Some(Run::new(&word, at, end));
            }
        }
        at = end;
        literal_start = end;
    }
    if let Some(open) = run {
        open.flush(&to_text, &mut out);
    }
    literal(value.get(literal_start..).unwrap_or_default(), literal_start, &mut out);
    out
}

/// Neighbouring words of one charset: their bytes are joined before the charset is decoded, since writers split characters.
struct Run {
    charset: String,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Run {
    fn new(word: &Word<'_>, start: usize, end: usize) -> Self {
        Self { charset: word.charset.to_ascii_lowercase(), bytes: word.bytes(), start, end }
    }

    fn takes(&self, word: &Word<'_>) -> bool {
        self.charset.eq_ignore_ascii_case(word.charset)
    }

    fn extend(&mut self, word: &Word<'_>, end: usize) {
        self.bytes.extend(word.bytes());
        self.end = end;
    }

    fn flush(self, to_text: impl Fn(&str, &[u8]) -> String, out: &mut Vec<Glyph>) {
        let text = to_text(&self.charset, &self.bytes);
        out.extend(text.chars().map(|char| Glyph { char, start: self.start, end: self.end, encoded: true }));
    }
}

struct Word<'a> {
    charset: &'a str,
    quoted: bool,
    text: &'a [u8],
    len: usize,
}

impl<'a> Word<'a> {
    /// The encoded word at the start of `bytes`, if there is one.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut word = Self::begin(bytes)?;
        let text = word.text.get(..word.text.len().min(MAX_WORD))?;
        word.text = text.get(..text.windows(2).position(|pair| pair == b"?=")?)?;
        word.len += word.text.len() + 2;
        Some(word)
    }

    /// The same, of any length, and one without an end goes on until the next begins.
    fn parse_open(bytes: &'a [u8]) -> Option<Self> {
        let mut word = Self::begin(bytes)?;
        let end = word.text.windows(2).position(|pair| matches!(pair, b"?=" | b"=?")).unwrap_or(word.text.len());
        let ends = word.text.get(end) == Some(&b'?');
        word.text = word.text.get(..end)?;
        word.len += end + if ends { 2 } else { 0 };
        Some(word)
    }

    /// The word that begins at the start of `bytes`, with all that follows as its text.
    fn begin(bytes: &'a [u8]) -> Option<Self> {
        let inner = bytes.strip_prefix(b"=?")?;
        let window = inner.get(..inner.len().min(MAX_WORD))?;
        let charset_end = window.iter().position(|byte| *byte == b'?')?;
        let (charset, rest) = inner.split_at_checked(charset_end)?;
        let charset = std::str::from_utf8(charset).ok()?.split('*').next()?;
        if charset.is_empty() || !charset.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let (quoted, text) = match rest {
            [b'?', b'q' | b'Q', b'?', text @ ..] => (true, text),
            [b'?', b'b' | b'B', b'?', text @ ..] => (false, text),
            _ => return None,
        };
        Some(Self { charset, quoted, text, len: 2 + charset_end + 3 })
    }

    fn bytes(&self) -> Vec<u8> {
        if !self.quoted {
            let mut decoder = LeafDecoder::new("base64");
            let mut out = Vec::new();
            decoder.push(self.text, &mut out);
            decoder.finish(&mut out);
            return out;
        }
        let mut out = Vec::with_capacity(self.text.len());
        let mut rest = self.text;
        loop {
            rest = match rest {
                [b'=', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    out.push(hex(*high) << 4 | hex(*low));
                    tail
                }
                [b'_', tail @ ..] => {
                    out.push(b' ');
                    tail
                }
                // a fold, or a line that was broken as in a body
                [b'=', b'\r', b'\n', b' ' | b'\t', tail @ ..] | [b'\r' | b'\n', tail @ ..] => tail,
                [byte, tail @ ..] => {
                    out.push(*byte);
                    tail
                }
                [] => return out,
            };
        }
    }
}

/// The value of a hexadecimal digit; 0 for anything else.
pub(in crate::mail) const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

fn literal(bytes: &[u8], offset: usize, out: &mut Vec<Glyph>) {
    let mut at = offset;
    out.reserve(bytes.len());
    let mut push = |char: char, len: usize| {
        if !matches!(char, '\r' | '\n') {
            out.push(Glyph { char, start: at, end: at + len, encoded: false });
        }
        at += len;
    };
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|char| push(char, char.len_utf8()));
        chunk.invalid().iter().for_each(|byte| push(char::from(*byte), 1));
    }
}

/// A value for an unstructured field: as it is when it is plain ASCII, else as UTF-8 encoded words (RFC 2047 §2), folded.
/// Starts with a blank, ends without CRLF.
pub(super) fn encode(text: &str) -> Vec<u8> {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !text.contains("=?") && text.len() <= 900;
    if plain {
        return format!(" {text}").into_bytes();
    }
    let mut out = Vec::new();
    let mut piece = String::new();
    let mut flush = |piece: &mut String| {
        let separator = if out.is_empty() { " " } else { "\r\n " };
        out.extend_from_slice(separator.as_bytes());
        let word = data_encoding::BASE64.encode(piece.as_bytes());
        out.extend_from_slice(format!("=?utf-8?B?{word}?=").as_bytes());
        piece.clear();
    };
    for char in text.chars().filter(|char| !char.is_control()) {
        // 45 octets are 60 of base64; with its frame the word stays within 75
        if piece.len() + char.len_utf8() > 45 {
            flush(&mut piece);
        }
        piece.push(char);
    }
    if !piece.is_empty() {
        flush(&mut piece);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_read_as_mail_programs_read_them() {
        for (value, text) in [
            ("plain text", "plain text"),
            ("=?utf-8?q?caf=C3=A9?=", "café"),
            ("=?UTF-8?B?Y2Fmw6k=?=", "café"),
            ("=?iso-8859-1?Q?caf=E9_noir?=", "café noir"),
            ("a =?utf-8?q?b?= c", "a b c"),
            ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
            ("=?utf-8?q?a?=\r\n =?iso-8859-1?q?b?=", "ab"),
            ("=?utf-8?q?a?==?utf-8?q?b?=", "ab"),
            ("=?utf-8?q?a_?= =?utf-8?q?b?=", "a b"),
            // one character split over two words
            ("=?utf-8?q?caf=C3?= =?utf-8?q?=A9?=", "café"),
            ("x=?utf-8?q?y?=z", "xyz"),
            ("=?utf-8*nl?q?taal?=", "taal"),
            ("=?utf-8?q?a b?=", "a b"),
            ("=?utf-8?b?Y2\r\n Fmw6k=?=", "café"),
            ("=?utf-8?q?caf=\r\n =C3=A9?=", "café"),
            ("=?utf-8?b?Y2Fmw6k?=", "café"),
            ("=?no-such-charset?q?caf=C3=A9?=", "café"),
            ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
            ("=?utf-8?q?open", "=?utf-8?q?open"),
            ("=?utf-8?q??=", ""),
            ("=??q?a?=", "=??q?a?="),
            ("=?utf-8?q?=4?=", "=4"),
            ("a\r\n b", "a b"),
            ("=?iso-2022-jp?B?GyRCJCIbKEI=?=", "あ"),
            ("=?utf-7?q?+AFs-veilig+AF0-?=", "[veilig]"),
        ] {
            assert_eq!(decode(value.as_bytes()), text, "{value:?}");
        }
        assert_eq!(decode(b"caf\xe9 caf\xc3\xa9"), "café café");
    }

    #[test]
    fn others_may_read_words_otherwise() {
        let text = |glyphs: Vec<Glyph>| glyphs.into_iter().map(|glyph| glyph.char).collect::<String>();
        for (value, others) in [
            ("plain =5B", vec![]),
            ("a =?utf-8?q?=5Bb=5D c", vec!["a [b] c", "a [b] c", "a \u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"]),
            ("=?utf-8?q?a =?utf-8?q?b?= c", vec!["a b c", "a b c", "\u{fffd}\u{fffd}\u{fffd} c"]),
            ("=?no-such?q?=BA=81=BB?= c", vec!["\u{fffd}\u{fffd}\u{fffd} c", "\u{fffd}\u{fffd}\u{fffd} c", "[a] c"]),
        ] {
            assert_eq!(other_glyphs(value.as_bytes()).map(text).collect::<Vec<_>>(), others, "{value:?}");
        }
        let many = "=?a?q?".repeat(50_000);
        assert!(other_glyphs(many.as_bytes()).all(|glyphs| glyphs.is_empty()));
    }

    #[test]
    fn glyphs_know_their_bytes() {
        let value = b" a =?utf-8?q?bc?= d";
        let found = glyphs(value);
        assert_eq!(found.iter().map(|g| g.char).collect::<String>(), " a bc d");
        assert_eq!((found[1].start, found[1].end, found[1].encoded), (1, 2, false));
        assert_eq!((found[3].start, found[3].end, found[3].encoded), (3, 17, true));
        assert_eq!((found[6].start, found[6].end), (18, 19));
    }

    proptest! {
        #[test]
        fn what_is_encoded_reads_back(text in "[a-zé€😀=?_ ]{0,120}") {
            let value = encode(&text);
            prop_assert_eq!(decode(&value), format!(" {text}"));
            for line in String::from_utf8(value).unwrap().split("\r\n") {
                prop_assert!(!line.contains("=?utf-8?B?") || line.len() <= 76, "{line}");
            }
        }

        #[test]
        fn any_value_is_read_and_spans_are_within_it(value in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(undecoded(&value), glyphs_undecoded(&value).iter().map(|glyph| glyph.char).collect::<String>());
            prop_assert_eq!(decode(&value), glyphs(&value).iter().map(|glyph| glyph.char).collect::<String>());
            for glyph in other_glyphs(&value).flatten().chain(glyphs(&value)) {
                prop_assert!(glyph.start < glyph.end && glyph.end <= value.len());
            }
        }
    }
}
