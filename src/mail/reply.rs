//! An SMTP reply: code, enhanced status and text (RFC 5321 §4.2, RFC 2034).

use std::fmt;

/// Octets of a line's text at most.
const LONGEST: usize = 480;

/// One reply, ready to be written. Lines hold no CR, LF or other control character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    /// A reply of one line; `text` starts with the enhanced status code where one belongs (RFC 2034 §4).
    #[must_use]
    pub fn new(code: u16, text: &str) -> Self {
        Self::lines(code, [text])
    }

    /// A reply of several lines. Control characters become spaces, what is not ASCII a question mark (RFC 5321 §4.2), and a
    /// line is cut at 480 octets, so that no text, ours or a next hop's, can break the dialog (RFC 5321 §4.5.3.1.5). No lines count as one empty line.
    #[must_use]
    pub fn lines<'a>(code: u16, lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut lines: Vec<String> = lines.into_iter().map(clean).collect();
        if lines.is_empty() {
            lines.push(String::new());
        }
        Self { code, lines }
    }

    /// The three-digit code.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The text of each line, without code.
    #[must_use]
    pub fn text(&self) -> &[String] {
        &self.lines
    }

    /// The first digit: 2 done, 3 go on, 4 not now, 5 never.
    #[must_use]
    pub const fn class(&self) -> u16 {
        self.code / 100
    }

    /// Whether the code is 2xx.
    #[must_use]
    pub const fn is_positive(&self) -> bool {
        self.class() == 2
    }

    /// The bytes on the wire, CRLF included.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (code, frame) = (self.code.to_string(), "250 \r\n".len());
        let mut out = Vec::with_capacity(self.lines.iter().map(|line| line.len() + frame).sum());
        let last = self.lines.len().saturating_sub(1);
        for (index, line) in self.lines.iter().enumerate() {
            let separator = if index == last { " " } else { "-" };
            for part in [&code, separator, line, "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        out
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.lines.join(" / "))
    }
}

fn clean(line: &str) -> String {
    if line.len() <= LONGEST && line.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return line.to_owned();
    }
    let plain = |c: char| match c {
        ' '..='~' => c,
        c if c.is_control() => ' ',
        _ => '?',
    };
    line.chars().take(LONGEST).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_lines_are_joined_by_a_hyphen() {
        let reply = Reply::lines(250, ["a", "b"]);
        assert_eq!(reply.to_bytes(), b"250-a\r\n250 b\r\n");
    }

    #[test]
    fn text_is_short_and_ascii() {
        assert_eq!(Reply::new(250, "2.0.0 één\u{7f}").to_bytes(), b"250 2.0.0 ??n \r\n");
        assert_eq!(Reply::new(250, &"x".repeat(1000)).to_bytes().len(), 486);
        assert_eq!(Reply::lines(250, []).to_bytes(), b"250 \r\n");
    }

    #[test]
    fn text_cannot_end_the_line() {
        let reply = Reply::new(550, "5.1.1 no\r\n250 yes");
        assert_eq!(reply.to_bytes(), b"550 5.1.1 no  250 yes\r\n");
    }
}
