//! Command lines out of a stream of bytes: they end in CR LF only, and none is longer than [`MAX_LINE`].
//!
//! A bare CR or LF is never a line end and never part of a line: two readers that disagree about it are what smuggling lives
//! on (RFC 5321 §2.3.8).

use bytes::{Buf, BytesMut};

/// Octets of a command line at most, CR LF included: the 512 of RFC 5321 §4.5.3.1.4 with room for what extensions add to
/// MAIL and RCPT: DSN (to 1,036: RFC 3461 §5.4), SIZE 26, 8BITMIME 17, SMTPUTF8 10, AUTH 500 (RFC 4954 §5).
pub const MAX_LINE: usize = 2048;

/// Octets of a line of AUTH at most, CR LF included (RFC 4954 §4, §4.5).
pub const MAX_AUTH_LINE: usize = 12_288;

/// Octets of an overlong line that are read and dropped before the client counts as hostile.
const MAX_SKIPPED: usize = 64 * 1024;

/// What the bytes so far hold.
#[derive(Debug, PartialEq, Eq)]
pub enum Framed {
    /// A line, without its CR LF; taken out of the input.
    Line(BytesMut),
    /// The end of a line that was too long; the input goes on behind it.
    TooLong,
    /// Nothing whole yet.
    Partial,
    /// A CR or LF that stands alone.
    Bare,
    /// A line without end.
    Endless,
}

/// Takes lines off the front of an input buffer. It remembers only how much of an overlong line it dropped.
#[derive(Debug, Default)]
pub struct LineReader {
    skipped: usize,
}

impl LineReader {
    /// The next line. After [`Framed::Bare`] and [`Framed::Endless`] nothing more may be read from this client.
    /// `longest` is what a line may have, CR LF included.
    pub fn take(&mut self, input: &mut BytesMut, longest: usize) -> Framed {
        match line_end(input) {
            LineEnd::At(end) if self.skipped == 0 && end + 2 <= longest => {
                let line = input.split_to(end);
                input.advance(2);
                Framed::Line(line)
            }
            LineEnd::At(end) if self.skipped + end <= MAX_SKIPPED => {
                input.advance(end + 2);
                self.skipped = 0;
                Framed::TooLong
            }
            LineEnd::At(_) => Framed::Endless,
            LineEnd::Bare => Framed::Bare,
            LineEnd::None { settled } => {
                if self.skipped > 0 || input.len() > longest {
                    self.skipped += settled;
                    input.advance(settled);
                }
                if self.skipped > MAX_SKIPPED { Framed::Endless } else { Framed::Partial }
            }
        }
    }
}

enum LineEnd {
    At(usize),
    Bare,
    /// No line end; the last octet is not settled when it is a CR.
    None {
        settled: usize,
    },
}

fn line_end(input: &[u8]) -> LineEnd {
    let Some(at) = input.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return LineEnd::None { settled: input.len() };
    };
    match (input.get(at), input.get(at + 1)) {
        (Some(b'\r'), Some(b'\n')) => LineEnd::At(at),
        (Some(b'\r'), None) => LineEnd::None { settled: at },
        _ => LineEnd::Bare,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` in pieces of `size` and gives what came out: lines as text, the rest by name.
    fn frames(input: &[u8], size: usize) -> Vec<String> {
        let mut reader = LineReader::default();
        let mut buffer = BytesMut::new();
        let mut found = Vec::new();
        for piece in input.chunks(size) {
            buffer.extend_from_slice(piece);
            loop {
                match reader.take(&mut buffer, MAX_LINE) {
                    Framed::Line(line) => found.push(String::from_utf8_lossy(&line).into_owned()),
                    Framed::TooLong => found.push("too long".into()),
                    Framed::Partial => break,
                    Framed::Bare => {
                        found.push("bare".into());
                        return found;
                    }
                    Framed::Endless => {
                        found.push("endless".into());
                        return found;
                    }
                }
            }
            assert!(buffer.len() <= MAX_LINE + size, "the buffer stays bounded");
        }
        found
    }

    #[test]
    fn lines_come_out_alike_however_the_bytes_come_in() {
        let longest = format!("{}\r\n", "x".repeat(MAX_LINE - 2));
        let longer = format!("{}\r\nNOOP\r\n", "x".repeat(MAX_LINE - 1));
        let endless = "x".repeat(MAX_SKIPPED + MAX_LINE + 2);
        let cases: &[(&[u8], &[&str])] = &[
            (b"NOOP\r\nQUIT\r\n", &["NOOP", "QUIT"]),
            (b"\r\n", &[""]),
            (b"NOOP", &[]),
            (b"NOOP\nQUIT\r\n", &["bare"]),
            (b"NO\rOP\r\n", &["bare"]),
            (b"NOOP\r\r\n", &["bare"]),
            (b"\n", &["bare"]),
            (longest.as_bytes(), &[longest.trim_end()]),
            (longer.as_bytes(), &["too long", "NOOP"]),
            (endless.as_bytes(), &["endless"]),
        ];
        for (input, expected) in cases {
            for size in [1, 2, 7, 1000, input.len()] {
                assert_eq!(frames(input, size), *expected, "in pieces of {size}");
            }
        }
    }

    #[test]
    fn a_bare_line_feed_in_an_overlong_line_is_seen() {
        let input = format!("{}\nQUIT\r\n", "x".repeat(MAX_LINE * 2));
        for size in [1, 100, 10_000] {
            assert_eq!(frames(input.as_bytes(), size), ["bare"]);
        }
    }
}
