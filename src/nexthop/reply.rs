//! Reads replies from a byte stream of unknown manners (RFC 5321 §4.2): several in one packet, one over many packets,
//! several lines, endless ones. What is kept is bounded; a stream that breaks the grammar is an error and no reply.

use crate::mail::Reply;

/// Octets of one reply line at most; RFC 5321 §4.5.3.1.5 says 512.
const MAX_LINE: usize = 4096;
/// Lines of one reply at most.
const MAX_LINES: usize = 128;
/// Lines that are kept and may be passed on to a client; the rest is read and left out.
const KEPT_LINES: usize = 32;

/// The stream is not one of SMTP replies; nothing that follows can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReply {
    /// No three digits 200–599, or something other than a blank or hyphen behind them.
    #[error("not an SMTP reply")]
    Grammar,
    /// The lines of one reply carry different codes.
    #[error("a reply whose lines have different codes")]
    Codes,
    /// A line or reply that does not end.
    #[error("a reply without end")]
    Endless,
}

/// Bytes that came in and are not yet read as replies.
#[derive(Debug, Default)]
pub struct ReplyBuffer {
    bytes: Vec<u8>,
    code: Option<u16>,
    lines: Vec<String>,
    count: usize,
}

impl ReplyBuffer {
    /// Adds what the socket gave.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether nothing is waiting, not even half a reply.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.code.is_none()
    }

    /// The next whole reply, if it is all there.
    ///
    /// # Errors
    /// [`BadReply`]: nothing more can be read from this stream.
    pub fn take(&mut self) -> Result<Option<Reply>, BadReply> {
        loop {
            let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') else {
                return if self.bytes.len() > MAX_LINE { Err(BadReply::Endless) } else { Ok(None) };
            };
            if end > MAX_LINE {
                return Err(BadReply::Endless);
            }
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            if self.line(&line)? {
                let code = self.code.take().unwrap_or_default();
                self.count = 0;
                let lines = std::mem::take(&mut self.lines);
                return Ok(Some(Reply::lines(code, lines.iter().map(String::as_str))));
            }
        }
    }

    /// Takes one line in; true when it ends the reply.
    fn line(&mut self, line: &[u8]) -> Result<bool, BadReply> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (digits, rest) = line.split_at_checked(3).ok_or(BadReply::Grammar)?;
        let code: u16 = std::str::from_utf8(digits)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .filter(|code| (200..600).contains(code))
            .ok_or(BadReply::Grammar)?;
        if self.code.is_some_and(|known| known != code) {
            return Err(BadReply::Codes);
        }
        let (last, text) = match rest {
            [] => (true, rest),
            [b' ', text @ ..] => (true, text),
            [b'-', text @ ..] => (false, text),
            _ => return Err(BadReply::Grammar),
        };
        self.code = Some(code);
        self.count += 1;
        if self.count > MAX_LINES {
            return Err(BadReply::Endless);
        }
        if self.lines.len() < KEPT_LINES {
            self.lines.push(String::from_utf8_lossy(text).into_owned());
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8], step: usize) -> Result<Vec<Reply>, BadReply> {
        let mut buffer = ReplyBuffer::default();
        let mut replies = Vec::new();
        for chunk in bytes.chunks(step) {
            buffer.push(chunk);
            while let Some(reply) = buffer.take()? {
                replies.push(reply);
            }
        }
        Ok(replies)
    }

    #[test]
    fn replies_are_found_however_they_are_cut() {
        let stream = b"250 ok\r\n250-first\r\n250-second\r\n250 third\r\n354\r\n550 5.1.1 no\n";
        let expected = vec![
            Reply::new(250, "ok"),
            Reply::lines(250, ["first", "second", "third"]),
            Reply::new(354, ""),
            Reply::new(550, "5.1.1 no"),
        ];
        for step in 1..=stream.len() {
            assert_eq!(read_all(stream, step), Ok(expected.clone()), "{step} bytes at a time");
        }
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        let cases: [(&[u8], BadReply); 8] = [
            (b"hello\r\n", BadReply::Grammar),
            (b"\r\n", BadReply::Grammar),
            (b"25\r\n", BadReply::Grammar),
            (b"250x\r\n", BadReply::Grammar),
            (b"150 hm\r\n", BadReply::Grammar),
            (b"600 hm\r\n", BadReply::Grammar),
            (b"\xff\xfe\xfd x\r\n", BadReply::Grammar),
            (b"250-a\r\n550 b\r\n", BadReply::Codes),
        ];
        for (bytes, error) in cases {
            assert_eq!(read_all(bytes, 3), Err(error), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn an_endless_reply_is_an_error() {
        assert_eq!(read_all(&vec![b'2'; 5000], 100), Err(BadReply::Endless));
        assert_eq!(read_all(&b"250-more\r\n".repeat(200), 1000), Err(BadReply::Endless));
    }

    #[test]
    fn a_long_reply_is_cut_and_cleaned() {
        let mut stream = b"250-a\x1bb\r\n".to_vec();
        stream.extend(b"250-more\r\n".repeat(100));
        stream.extend(b"250 end\r\n");
        let replies = read_all(&stream, 7).unwrap();
        assert_eq!(replies.len(), 1);
        assert_eq!(replies[0].text().len(), KEPT_LINES);
        assert_eq!(replies[0].text()[0], "a b");
    }

    #[test]
    fn half_a_reply_is_not_empty() {
        let mut buffer = ReplyBuffer::default();
        assert!(buffer.is_empty());
        buffer.push(b"250-a\r\n");
        assert_eq!(buffer.take(), Ok(None));
        assert!(!buffer.is_empty());
    }
}
