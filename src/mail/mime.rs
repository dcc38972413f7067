//! The MIME structure of a mail, found while it streams by, line-anchored (RFC 2046 §5.1.1): offsets, no copies.
//!
//! Memory is bounded: depth, number of parts and header bytes have limits; past one, the rest is a leaf of its parent and the
//! index says so.

use minicbor::{Decode, Encode};

/// Limits on what is indexed.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Multiparts within multiparts.
    pub depth: usize,
    /// Parts in all.
    pub parts: usize,
    /// Header bytes of one part.
    pub header: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 32, parts: 1000, header: 64 * 1024 }
    }
}

/// One part: where it stands and what it says it is. Offsets are into the stored bytes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Part {
    /// Index of the multipart that holds it; `None` for the whole mail.
    #[n(0)]
    pub parent: Option<u32>,
    /// First byte of its header.
    #[n(1)]
    pub header: u64,
    /// First byte of its body.
    #[n(2)]
    pub body: u64,
    /// One past its last body byte (the CRLF before a boundary belongs to the boundary).
    #[n(3)]
    pub end: u64,
    /// `type/subtype`, lower case; `text/plain` by default.
    #[n(4)]
    pub content_type: String,
    /// `charset`, lower case, empty when absent.
    #[n(5)]
    pub charset: String,
    /// `Content-Transfer-Encoding`, lower case; `7bit` by default.
    #[n(6)]
    pub encoding: String,
    /// File name, decoded (RFC 2231, RFC 2047), without control, bidi and path characters; empty when there is none.
    #[n(7)]
    pub name: String,
    /// `Content-Disposition` is `attachment`.
    #[n(8)]
    pub attachment: bool,
    /// `Content-ID` without brackets, empty when absent.
    #[n(9)]
    pub content_id: String,
}

/// The parts of one mail, in order of appearance; the first is the whole mail.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct MimeIndex {
    /// The parts.
    #[n(0)]
    pub parts: Vec<Part>,
    /// A limit was reached: something is shown less finely than it could be.
    #[n(1)]
    pub cut: bool,
}

impl MimeIndex {
    /// What the page shows as the message: the best text part and the best HTML part (`multipart/alternative`: the last of each).
    #[must_use]
    pub fn shown(&self) -> (Option<u32>, Option<u32>) {
        todo!()
    }
    /// What the page lists as attachments: every other leaf with a name or `attachment`, and nested messages.
    #[must_use]
    pub fn attachments(&self) -> Vec<u32> {
        todo!()
    }
}

/// Finds the parts while a mail streams by.
#[derive(Debug)]
pub struct Indexer {
    _private: (),
}

impl Indexer {
    /// At the start of a mail.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        todo!()
    }
    /// The next bytes, as they are stored (unstuffed), in chunks of any size.
    pub fn push(&mut self, bytes: &[u8]) {
        todo!()
    }
    /// At the end.
    #[must_use]
    pub fn finish(self) -> MimeIndex {
        todo!()
    }
}

/// Decodes a leaf's transfer encoding, streaming.
#[derive(Debug)]
pub struct LeafDecoder {
    _private: (),
}

impl LeafDecoder {
    /// For `base64`, `quoted-printable`; anything else passes unchanged.
    #[must_use]
    pub fn new(encoding: &str) -> Self {
        todo!()
    }
    /// Appends decoded bytes to `out`; what does not decode is skipped (base64) or kept as it is (quoted-printable).
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        todo!()
    }
    /// The rest.
    pub fn finish(self, out: &mut Vec<u8>) {
        todo!()
    }
}

/// Text of a decoded leaf in its charset (unknown charsets as UTF-8 with replacement characters).
#[must_use]
pub fn to_text(charset: &str, bytes: &[u8]) -> String {
    todo!()
}
