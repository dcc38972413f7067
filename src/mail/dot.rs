//! Dot-stuffing (RFC 5321 §4.5.2), both ways, over chunks of any size.

/// Removes the stuffed dot at the start of each line. Lines end in CRLF only.
#[derive(Debug, Default)]
pub struct Unstuffer {
    _private: (),
}

impl Unstuffer {
    /// At the start of a mail.
    #[must_use]
    pub fn new() -> Self {
        todo!()
    }
    /// Appends the plain form of `wire` to `plain`.
    pub fn push(&mut self, wire: &[u8], plain: &mut Vec<u8>) {
        todo!()
    }
}

/// The wire form of a whole mail that we wrote: dots stuffed, CRLF at the end when it lacks one, then `.` CRLF.
#[must_use]
pub fn stuff(mail: &[u8]) -> Vec<u8> {
    todo!()
}
