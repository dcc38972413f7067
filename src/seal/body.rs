//! Sealed bodies: STREAM (BE32) over XChaCha20-Poly1305 in 64 KiB chunks, with a committing header and random access.
//!
//! Truncation, reordering, a swap between messages and any flipped bit fail before a byte of the bad chunk is given out.

use crate::base::{Entropy, MessageId, SecretBytes};

use super::OpenError;

/// Plaintext bytes per chunk (the last one may be shorter, and empty only when the body is).
pub const CHUNK: usize = 64 * 1024;
/// Bytes that each chunk grows by.
pub const TAG: usize = 16;
/// Bytes of the header.
pub const HEADER: usize = 80;

/// The random key of one message's body.
#[derive(Debug, Clone)]
pub struct ContentKey(pub SecretBytes<32>);

/// Encrypts one body as it streams in; memory is one chunk.
pub struct Sealer {
    _private: (),
}

impl Sealer {
    /// Starts a body; `out` receives the header. The body is bound to `message`.
    pub fn new(key: &ContentKey, message: MessageId, entropy: &dyn Entropy, out: &mut Vec<u8>) -> Self {
        todo!()
    }
    /// Takes plaintext; full chunks are appended to `out` as ciphertext.
    pub fn push(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        todo!()
    }
    /// Writes the last chunk and returns the number of plaintext bytes in all.
    pub fn finish(self, out: &mut Vec<u8>) -> u64 {
        todo!()
    }
}

/// Opens chunks of one body in any order.
pub struct Opener {
    _private: (),
}

impl Opener {
    /// Checks the header (the first [`HEADER`] bytes) against key and message; `sealed_len` is the length of the whole.
    pub fn new(key: &ContentKey, message: MessageId, header: &[u8], sealed_len: u64) -> Result<Self, OpenError> {
        todo!()
    }
    /// Plaintext length of the whole body.
    pub fn plain_len(&self) -> u64 {
        todo!()
    }
    /// Number of chunks.
    pub fn chunks(&self) -> u32 {
        todo!()
    }
    /// Where chunk `index` lies in the sealed bytes: offset and length. `None` past the end.
    pub fn place(&self, index: u32) -> Option<(u64, usize)> {
        todo!()
    }
    /// Decrypts chunk `index`, given exactly the bytes at its [`place`](Self::place).
    pub fn open(&self, index: u32, sealed: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, OpenError> {
        todo!()
    }
}
