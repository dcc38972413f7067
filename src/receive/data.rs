//! The bytes between 354 and the reply: what is the mail's, and where it ends.
//!
//! - Only CR LF `.` CR LF ends a mail; at its very start `.` CR LF does (RFC 5321 §4.1.1.4).
//! - A CR or LF that stands alone is a fault wherever it stands, and so is NUL (RFC 5322 §2.2, RFC 6152 §3: text has none).
//!   Servers behind us may drop such octets or take them for line ends, and then see an end that we did not see.
//! - What comes out is the wire form as it came in, dots still stuffed, without the final `.` CR LF.

/// What the front of the input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many octets of the mail.
    Body(usize),
    /// The end: this many octets, none of the mail's.
    End(usize),
    /// Too little to tell; at most two octets are left in the input.
    More,
    /// Not a mail.
    Fault(DataFault),
}

/// Why these bytes are not a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DataFault {
    /// A CR without LF.
    #[error("bare CR")]
    BareCr,
    /// An LF without CR.
    #[error("bare LF")]
    BareLf,
    /// A NUL octet.
    #[error("NUL octet")]
    Nul,
}

/// The byte machine of one mail. The caller removes from the input what each [`Step`] says.
#[derive(Debug)]
pub struct DataReader {
    /// The next octet is the first of a line.
    fresh_line: bool,
    size: u64,
}

impl Default for DataReader {
    fn default() -> Self {
        Self { fresh_line: true, size: 0 }
    }
}

impl DataReader {
    /// The size of the mail so far, line ends counted and stuffed dots not (RFC 1870 §3).
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Looks at the front of `input`, which begins where the last step ended.
    pub fn step(&mut self, input: &[u8]) -> Step {
        let mut at = 0;
        let mut dots = 0;
        let stop = loop {
            let rest = input.get(at..).unwrap_or_default();
            match segment(rest, self.fresh_line) {
                Segment::Text { len, stuffed, line_end } => {
                    at += len;
                    dots += usize::from(stuffed);
                    self.fresh_line = line_end;
                }
                Segment::Stop(stop) => break stop,
            }
        };
        if at == 0 {
            return stop;
        }
        self.size = self.size.saturating_add(u64::try_from(at - dots).unwrap_or(u64::MAX));
        Step::Body(at)
    }
}

enum Segment {
    /// A line or a part of one.
    Text {
        len: usize,
        stuffed: bool,
        line_end: bool,
    },
    Stop(Step),
}

/// The rest of one line, as far as it is certain.
fn segment(rest: &[u8], fresh_line: bool) -> Segment {
    let dot = fresh_line && rest.first() == Some(&b'.');
    if dot {
        match rest.get(1..3) {
            Some(b"\r\n") => return Segment::Stop(Step::End(3)),
            None if matches!(rest, b"." | b".\r") => return Segment::Stop(Step::More),
            _ => {}
        }
    }
    let text = memchr::memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
    match (rest.get(text), rest.get(text + 1)) {
        (Some(b'\r'), Some(b'\n')) => Segment::Text { len: text + 2, stuffed: dot, line_end: true },
        // What is certain goes on; the octet that is not is looked at again, alone.
        _ if text > 0 => Segment::Text { len: text, stuffed: dot, line_end: false },
        (None, _) | (Some(b'\r'), None) => Segment::Stop(Step::More),
        (Some(b'\r'), _) => Segment::Stop(Step::Fault(DataFault::BareCr)),
        (Some(b'\n'), _) => Segment::Stop(Step::Fault(DataFault::BareLf)),
        _ => Segment::Stop(Step::Fault(DataFault::Nul)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Read {
        body: Vec<u8>,
        outcome: Outcome,
    }

    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Outcome {
        End { rest: Vec<u8> },
        Open,
        Fault(DataFault),
    }

    fn read(input: &[u8], size: usize) -> (Read, u64) {
        let mut reader = DataReader::default();
        let mut buffer = Vec::new();
        let mut body = Vec::new();
        let mut pieces = input.chunks(size);
        let outcome = loop {
            match reader.step(&buffer) {
                Step::Body(n) => body.extend(buffer.drain(..n)),
                Step::End(n) => {
                    buffer.drain(..n);
                    buffer.extend(pieces.flatten());
                    break Outcome::End { rest: buffer };
                }
                Step::Fault(fault) => break Outcome::Fault(fault),
                Step::More => {
                    assert!(buffer.len() <= 2, "more is held back than can be doubtful: {buffer:?}");
                    match pieces.next() {
                        Some(piece) => buffer.extend_from_slice(piece),
                        None => break Outcome::Open,
                    }
                }
            }
        };
        (Read { body, outcome }, reader.size())
    }

    fn alike_in_all_pieces(input: &[u8]) -> Read {
        let (whole, _) = read(input, input.len().max(1));
        for size in 1..=4 {
            assert_eq!(read(input, size).0, whole, "{:?} in pieces of {size}", String::from_utf8_lossy(input));
        }
        whole
    }

    #[test]
    fn nothing_but_the_true_end_ends_a_mail() {
        use DataFault::{BareCr, BareLf, Nul};
        let cases: &[(&[u8], Option<DataFault>)] = &[
            (b"\n.\n", Some(BareLf)),
            (b"\n.\r\n", Some(BareLf)),
            (b"\n.\r", Some(BareLf)),
            (b"\r.\n", Some(BareCr)),
            (b"\r.\r", Some(BareCr)),
            (b"\r.\r\n", Some(BareCr)),
            (b"\r\n.\n", Some(BareLf)),
            (b"\r\n.\r", Some(BareCr)),
            (b"\r\n.\r\r\n", Some(BareCr)),
            (b"\r\r\n.\r\r\n", Some(BareCr)),
            (b"\r\r\n.\r\n", Some(BareCr)),
            (b"\n\r.\n\r", Some(BareLf)),
            (b"\r\n\0.\r\n", Some(Nul)),
            (b"\r\n.\0\r\n", Some(Nul)),
            (b"\r\n. \r\n", None),
            (b"\r\n.\t\r\n", None),
            (b"\r\n..\r\n", None),
            (b"\r\n .\r\n", None),
            (b"\xc2\x85.\xc2\x85", None),
            (b"\xe2\x80\xa8.\xe2\x80\xa8", None),
            (b"\x0b.\x0b", None),
            (b"\x0c.\x0c", None),
        ];
        for (sequence, fault) in cases {
            let smuggled = [b"Subject: a\r\n\r\nb", *sequence, b"MAIL FROM:<b@example.org>\r\n.\r\nQUIT\r\n"].concat();
            let found = alike_in_all_pieces(&smuggled);
            if let Some(fault) = fault {
                assert_eq!(found.outcome, Outcome::Fault(*fault), "{sequence:?}");
            } else {
                assert_eq!(found.outcome, Outcome::End { rest: b"QUIT\r\n".to_vec() }, "{sequence:?}");
                assert!(found.body.ends_with(b"MAIL FROM:<b@example.org>\r\n"), "{sequence:?}");
            }
        }
    }

    #[test]
    fn the_end_may_come_at_once() {
        let found = alike_in_all_pieces(b".\r\nQUIT\r\n");
        assert_eq!(found, Read { body: vec![], outcome: Outcome::End { rest: b"QUIT\r\n".to_vec() } });
    }

    #[test]
    fn stuffed_dots_stay_and_are_not_counted() {
        let input = b"..\r\n..a\r\nb.\r\n.c\r\n.\r\n";
        let found = alike_in_all_pieces(input);
        assert_eq!(found.body, b"..\r\n..a\r\nb.\r\n.c\r\n");
        for size in [1, 2, 3, 100] {
            assert_eq!(read(input, size).1, b".\r\n.a\r\nb.\r\nc\r\n".len() as u64);
        }
    }

    #[test]
    fn a_mail_without_its_end_stays_open() {
        for input in [&b""[..], b"a", b"a\r", b"a\r\n", b"a\r\n.", b"a\r\n.\r"] {
            assert_eq!(alike_in_all_pieces(input).outcome, Outcome::Open, "{input:?}");
        }
    }

    proptest! {
        #[test]
        fn a_mail_comes_out_as_it_went_in(lines in prop::collection::vec("[ -~]{0,40}", 0..20), size in 1_usize..50) {
            let mut body = Vec::new();
            for line in lines {
                if line.starts_with('.') {
                    body.push(b'.');
                }
                body.extend_from_slice(line.as_bytes());
                body.extend_from_slice(b"\r\n");
            }
            let found = read(&[&body[..], b".\r\nrest"].concat(), size).0;
            prop_assert_eq!(found, Read { body, outcome: Outcome::End { rest: b"rest".to_vec() } });
        }

        #[test]
        fn of_any_bytes_only_clean_lines_come_out(input in prop::collection::vec(prop::sample::select(&b"\r\n.\0a\xff"[..]), 0..60)) {
            let found = alike_in_all_pieces(&input);
            let mut before = 0;
            for (at, &byte) in found.body.iter().enumerate() {
                prop_assert!(byte != 0);
                prop_assert_eq!(before == b'\r', byte == b'\n', "at {} of {:?}", at, found.body.clone());
                before = byte;
            }
            if let Outcome::End { .. } = found.outcome {
                prop_assert!(found.body.is_empty() || found.body.ends_with(b"\r\n"));
            }
        }
    }
}
