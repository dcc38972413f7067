//! Splits a header block into fields, over raw bytes, whatever they are (RFC 5322 §2.2, §4.5).

use std::fmt;

/// One field as it stands in the mail. Its `Debug` shows its name only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as written; empty for a line without a colon and for a name that is not UTF-8.
    pub name: &'a str,
    /// Everything of the field with its folds and final CRLF.
    pub raw: &'a [u8],
}

impl<'a> Field<'a> {
    /// What stands behind the colon, with folds and final CRLF; empty for a line without a colon.
    #[must_use]
    pub fn value(&self) -> &'a [u8] {
        self.split().map_or(&[], |(_, value)| value)
    }

    /// The name as the most lenient reader would read it: lower case, without blanks, control and non-ASCII characters, wherever they
    /// stand. Empty for a line without a colon.
    #[must_use]
    pub fn key(&self) -> String {
        let name = self.split().map_or(&[][..], |(name, _)| name);
        name.iter().filter(|byte| is_visible(**byte)).map(|byte| char::from(byte.to_ascii_lowercase())).collect()
    }

    /// Blanks, control or non-ASCII characters stand in the name, so that readers differ on what it is. Blanks between
    /// name and colon are obsolete (RFC 5322 §4.5) but read alike.
    #[must_use]
    pub fn is_odd(&self) -> bool {
        let name = self.split().map_or(&[][..], |(name, _)| name);
        let end = name.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |last| last + 1);
        name.get(..end).unwrap_or_default().iter().any(|byte| !is_visible(*byte))
    }

    /// The line has no colon: it is no field.
    #[must_use]
    pub fn is_stray(&self) -> bool {
        self.split().is_none()
    }

    /// The value on one line: without CR and LF, trimmed, bytes that are not UTF-8 as Latin-1.
    #[must_use]
    pub fn text(&self) -> String {
        super::words::undecoded(self.value()).trim().to_owned()
    }

    fn split(&self) -> Option<(&'a [u8], &'a [u8])> {
        let first_line = self.raw.iter().position(|byte| *byte == b'\n').unwrap_or(self.raw.len());
        let colon = self.raw.get(..first_line)?.iter().position(|byte| *byte == b':')?;
        let (name, value) = self.raw.split_at_checked(colon)?;
        Some((name, value.get(1..)?))
    }
}

const fn is_visible(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The fields of a header block in order; the bytes of all fields together are the block.
#[derive(Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) const fn new(raw: &'a [u8]) -> Self {
        Self { rest: raw }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut end = 0;
        loop {
            let rest = self.rest.get(end..).unwrap_or_default();
            end += rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
            if !matches!(self.rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (raw, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        let mut field = Field { name: "", raw };
        field.name = field.split().and_then(|(name, _)| std::str::from_utf8(name).ok()).unwrap_or_default();
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_the_most_lenient_reader_reads_them() {
        for (raw, key, odd, stray) in [
            (&b"Subject: x\r\n"[..], "subject", false, false),
            (b"SUBJECT : x\r\n", "subject", false, false),
            (b"Fr om: x\r\n", "from", true, false),
            (b" From: x\r\n", "from", true, false),
            (b"Fr\0om: x\r\n", "from", true, false),
            (b"From\0: x\r\n", "from", true, false),
            (b"no colon here\r\n", "", false, true),
            (b"no colon\r\n but: later\r\n", "", false, true),
            (b": x\r\n", "", false, false),
            (b"\xef\xbb\xbfFrom: x\r\n", "from", true, false),
            (b"Fr\xe2\x80\x8bom: x\r\n", "from", true, false),
            (b"Caf\xe9: x\r\n", "caf", true, false),
        ] {
            let field = Fields::new(raw).next().unwrap();
            assert_eq!((field.key().as_str(), field.is_odd(), field.is_stray()), (key, odd, stray), "{raw:?}");
            assert_eq!(field.raw, raw);
        }
    }

    #[test]
    fn folds_belong_to_their_field() {
        let raw = b"A: 1\r\n\t2\r\n 3\r\nB: 4";
        let fields: Vec<_> = Fields::new(raw).collect();
        assert_eq!(fields.len(), 2);
        assert_eq!(fields[0].raw, b"A: 1\r\n\t2\r\n 3\r\n");
        assert_eq!(fields[0].text(), "1\t2 3");
        assert_eq!((fields[1].name, fields[1].value()), ("B", &b" 4"[..]));
    }
}
