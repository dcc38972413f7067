//! Dot-stuffing (RFC 5321 §4.5.2), both ways, over chunks of any size.
//!
//! What [`stuff`] returns holds no bare CR or LF and no unstuffed dot, whatever went in: it cannot end early at the next hop.

use memchr::memmem;

/// Where in a line the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    /// At the first byte of a line.
    #[default]
    Start,
    /// Inside a line.
    Inside,
    /// Behind a CR.
    Cr,
}

impl At {
    const fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (_, b'\r') => Self::Cr,
            (Self::Cr, b'\n') => Self::Start,
            _ => Self::Inside,
        }
    }
}

/// Removes the stuffed dot at the start of each line. Lines end in CRLF only.
#[derive(Debug, Default)]
pub struct Unstuffer {
    at: At,
}

impl Unstuffer {
    /// At the start of a mail.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the plain form of `wire` to `plain`.
    pub fn push(&mut self, wire: &[u8], plain: &mut Vec<u8>) {
        plain.reserve(wire.len());
        let mut rest = wire;
        // Up to the inside of a line, byte by byte: what these mean hangs on what came before.
        while self.at != At::Inside
            && let [byte, behind @ ..] = rest
        {
            if self.at != At::Start || *byte != b'.' {
                plain.push(*byte);
            }
            self.at = self.at.after(*byte);
            rest = behind;
        }
        while let Some(end) = memmem::find(rest, b"\r\n.") {
            let (line, behind) = rest.split_at(end + 2);
            plain.extend_from_slice(line);
            rest = behind.get(1..).unwrap_or_default();
            self.at = At::Inside;
        }
        plain.extend_from_slice(rest);
        self.at = match rest {
            [] => self.at,
            [.., b'\r', b'\n'] => At::Start,
            [.., byte] => At::Inside.after(*byte),
        };
    }
}

/// The wire form of a whole mail that we wrote: dots stuffed, CRLF at the end when it lacks one, then `.` CRLF. A bare CR or LF
/// becomes CRLF.
#[must_use]
pub fn stuff(mail: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(mail.len() + mail.len() / 32 + 5);
    let mut at = At::Start;
    for &byte in mail {
        match byte {
            b'\r' => {
                if at == At::Cr {
                    wire.extend_from_slice(b"\r\n");
                }
                at = At::Cr;
            }
            b'\n' => {
                wire.extend_from_slice(b"\r\n");
                at = At::Start;
            }
            _ => {
                if at == At::Cr {
                    wire.extend_from_slice(b"\r\n");
                }
                if at != At::Inside && byte == b'.' {
                    wire.push(b'.');
                }
                wire.push(byte);
                at = At::Inside;
            }
        }
    }
    if at != At::Start {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unstuffed(wire: &[u8], chunk: usize) -> Vec<u8> {
        let mut plain = Vec::new();
        let mut unstuffer = Unstuffer::new();
        for piece in wire.chunks(chunk.max(1)) {
            unstuffer.push(piece, &mut plain);
        }
        plain
    }

    #[test]
    fn one_leading_dot_goes() {
        for (wire, plain) in [
            ("..\r\n", ".\r\n"),
            (".x\r\n", "x\r\n"),
            ("..x\r\n..y\r\n", ".x\r\n.y\r\n"),
            ("a.b\r\n", "a.b\r\n"),
            ("a\r\n.b", "a\r\nb"),
            ("a\n.b\r.c", "a\n.b\r.c"),
            ("\r\n\r\n..", "\r\n\r\n."),
            ("", ""),
        ] {
            for chunk in 1..6 {
                assert_eq!(unstuffed(wire.as_bytes(), chunk), plain.as_bytes(), "{wire:?} by {chunk}");
            }
        }
    }

    #[test]
    fn the_wire_form_ends_itself_and_nothing_else_does() {
        for (mail, wire) in [
            ("", ".\r\n"),
            ("a", "a\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            (".\r\n.a\r\n", "..\r\n..a\r\n.\r\n"),
            ("a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\r\r\n", "a\r\n\r\n.\r\n"),
            ("a\r", "a\r\n.\r\n"),
        ] {
            assert_eq!(stuff(mail.as_bytes()), wire.as_bytes(), "{mail:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_stuffed_comes_back(lines in prop::collection::vec("[.a\\x00é]{0,4}", 0..8), chunk in 1_usize..9) {
            let mail: String = lines.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect();
            let wire = stuff(mail.as_bytes());
            let body = wire.strip_suffix(b".\r\n").unwrap();
            prop_assert_eq!(unstuffed(body, chunk), mail.as_bytes());
        }

        #[test]
        fn the_wire_form_of_anything_is_clean(mail in prop::collection::vec(prop::sample::select(b"\r\n.a".to_vec()), 0..40)) {
            let wire = stuff(&mail);
            for (index, byte) in wire.iter().enumerate() {
                prop_assert!(*byte != b'\n' || wire[index - 1] == b'\r');
                prop_assert!(*byte != b'\r' || wire[index + 1] == b'\n');
            }
            let text = format!("\r\n{}", String::from_utf8(wire).unwrap());
            prop_assert_eq!(text.find("\r\n.\r\n"), Some(text.len() - 5));
        }
    }
}
