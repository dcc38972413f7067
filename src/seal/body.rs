//! Sealed bodies: STREAM (BE32) over XChaCha20-Poly1305 in 64 KiB chunks, with a committing header and random access.
//!
//! Truncation, reordering, a swap between messages and any flipped bit fail before a byte of the bad chunk is given out.
//!
//! The header is magic, version, suite, nonce prefix and key commitment. Cipher key and commitment are derived from the content
//! key with the prefix as salt. Chunk `i` has the nonce `prefix | i (u32, big-endian) | last`, and header and message id as
//! associated data. `docs/formats.md` has the byte table.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::base::entropy::random;
use crate::base::{Entropy, MessageId, SecretBytes};

use super::OpenError;
use super::aead::{self, Cipher, NONCE};
use super::derive::derive;

/// Plaintext bytes per chunk (the last one may be shorter, and empty only when the body is).
pub const CHUNK: usize = 64 * 1024;
/// Bytes that each chunk grows by.
pub const TAG: usize = aead::TAG;
/// Bytes of the header: magic 4, version 1, suite 1, nonce prefix 19, key commitment 32.
pub const HEADER: usize = MAGIC.len() + 2 + PREFIX + COMMITMENT;

const MAGIC: [u8; 4] = *b"ZGLB";
const VERSION: u8 = 1;
/// XChaCha20-Poly1305, STREAM BE32, 64 KiB chunks, HKDF-SHA256.
const SUITE: u8 = 1;
/// 24 bytes of nonce less counter and last-chunk flag.
const PREFIX: usize = NONCE - 5;
const COMMITMENT: usize = 32;
const KEY_LABEL: &str = "zegel/v1/body/key";
const COMMITMENT_LABEL: &str = "zegel/v1/body/commitment";

/// The random key of one message's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentKey(pub SecretBytes<32>);

impl ContentKey {
    /// A new one.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(SecretBytes::random(entropy))
    }
}

/// The body has more chunks than the format can count (2³² − 1 of 64 KiB).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is longer than the format allows")]
pub struct TooLong;

/// Key, nonce prefix and associated data of one body.
struct Stream {
    cipher: Cipher,
    prefix: [u8; PREFIX],
    aad: Vec<u8>,
}

impl Stream {
    fn new(key: &ContentKey, message: MessageId, prefix: [u8; PREFIX], header: &[u8]) -> Self {
        let cipher = Cipher::new(&derive(key.0.expose(), &prefix, KEY_LABEL));
        Self { cipher, prefix, aad: [header, message.as_bytes()].concat() }
    }

    /// The BE32 nonce: `prefix | counter | last`.
    fn nonce(&self, index: u32, last: bool) -> [u8; NONCE] {
        let mut nonce = [0; NONCE];
        let tail = index.to_be_bytes().into_iter().chain([u8::from(last)]);
        for (to, from) in nonce.iter_mut().zip(self.prefix.into_iter().chain(tail)) {
            *to = from;
        }
        nonce
    }
}

/// Encrypts one body as it streams in; memory is one chunk.
pub struct Sealer {
    stream: Stream,
    /// Index of the next chunk.
    index: u32,
    /// Plaintext of the next chunk; a full one waits until it is known whether it is the last.
    buffer: Zeroizing<Vec<u8>>,
    total: u64,
}

impl Sealer {
    /// Starts a body; `out` receives the header. The body is bound to `message`.
    #[must_use]
    pub fn new(key: &ContentKey, message: MessageId, entropy: &dyn Entropy, out: &mut Vec<u8>) -> Self {
        let prefix: [u8; PREFIX] = random(entropy);
        let commitment = derive(key.0.expose(), &prefix, COMMITMENT_LABEL);
        let header = [&MAGIC[..], &[VERSION, SUITE], &prefix, commitment.expose()].concat();
        out.extend_from_slice(&header);
        let stream = Stream::new(key, message, prefix, &header);
        Self { stream, index: 0, buffer: Zeroizing::new(Vec::with_capacity(CHUNK)), total: 0 }
    }

    /// Takes plaintext; full chunks are appended to `out` as ciphertext.
    ///
    /// # Errors
    /// [`TooLong`]: the body cannot be finished.
    pub fn push(&mut self, mut plain: &[u8], out: &mut Vec<u8>) -> Result<(), TooLong> {
        while !plain.is_empty() {
            if self.buffer.len() == CHUNK {
                self.seal_chunk(false, out)?;
            }
            let (now, later) = plain.split_at(plain.len().min(CHUNK - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            plain = later;
        }
        Ok(())
    }

    /// Writes the last chunk and returns the number of plaintext bytes in all.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<u64, TooLong> {
        self.seal_chunk(true, out)?;
        Ok(self.total)
    }

    fn seal_chunk(&mut self, last: bool, out: &mut Vec<u8>) -> Result<(), TooLong> {
        let next = self.index.checked_add(1).ok_or(TooLong)?;
        let nonce = self.stream.nonce(self.index, last);
        self.total += self.buffer.len() as u64;
        // In place: the ciphertext overwrites the plaintext.
        let tag = self.stream.cipher.seal_in_place(&nonce, &self.stream.aad, &mut self.buffer);
        out.extend_from_slice(&self.buffer);
        out.extend_from_slice(&tag);
        self.buffer.clear();
        self.index = next;
        Ok(())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("index", &self.index).finish_non_exhaustive()
    }
}

/// Opens chunks of one body in any order.
pub struct Opener {
    stream: Stream,
    chunks: u32,
    /// Plaintext bytes of the last chunk.
    last: usize,
}

impl Opener {
    /// Checks the header (the first [`HEADER`] bytes) against key and message; `sealed_len` is the length of the whole.
    ///
    /// A body of another message is refused by its first chunk, since the message id is authenticated with each.
    ///
    /// # Errors
    /// [`OpenError::Format`], [`OpenError::Truncated`] and [`OpenError::WrongKey`], before anything is decrypted.
    pub fn new(key: &ContentKey, message: MessageId, header: &[u8], sealed_len: u64) -> Result<Self, OpenError> {
        let header = header.first_chunk::<HEADER>().ok_or(OpenError::Truncated)?;
        let (fixed, rest) = header.split_at(MAGIC.len() + 2);
        if fixed != [&MAGIC[..], &[VERSION, SUITE]].concat() {
            return Err(OpenError::Format);
        }
        let (prefix, commitment) = rest.split_first_chunk::<PREFIX>().ok_or(OpenError::Truncated)?;
        let (chunks, last) = layout(sealed_len)?;
        if !bool::from(derive(key.0.expose(), prefix, COMMITMENT_LABEL).expose().ct_eq(commitment)) {
            return Err(OpenError::WrongKey);
        }
        Ok(Self { stream: Stream::new(key, message, *prefix, header), chunks, last })
    }

    /// Plaintext length of the whole body. Proven only by opening the last chunk, as the sealed length itself is.
    #[must_use]
    pub fn plain_len(&self) -> u64 {
        u64::from(self.chunks - 1) * CHUNK as u64 + self.last as u64
    }

    /// Number of chunks, at least one.
    #[must_use]
    pub fn chunks(&self) -> u32 {
        self.chunks
    }

    /// Where chunk `index` lies in the sealed bytes: offset and length. `None` past the end.
    #[must_use]
    pub fn place(&self, index: u32) -> Option<(u64, usize)> {
        let offset = HEADER as u64 + u64::from(index) * (CHUNK + TAG) as u64;
        match (index + 1).cmp(&self.chunks) {
            std::cmp::Ordering::Less => Some((offset, CHUNK + TAG)),
            std::cmp::Ordering::Equal => Some((offset, self.last + TAG)),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// Decrypts chunk `index`, given exactly the bytes at its [`place`](Self::place).
    ///
    /// # Errors
    /// [`OpenError::Truncated`] when these are fewer or more bytes, or there is no such chunk; [`OpenError::Damaged`] when they are not
    /// this chunk of this message's body.
    pub fn open(&self, index: u32, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (_, len) = self.place(index).ok_or(OpenError::Truncated)?;
        if sealed.len() != len {
            return Err(OpenError::Truncated);
        }
        let nonce = self.stream.nonce(index, index + 1 == self.chunks);
        self.stream.cipher.open(&nonce, &self.stream.aad, sealed)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("chunks", &self.chunks).field("last", &self.last).finish_non_exhaustive()
    }
}

/// Number of chunks and plaintext bytes of the last one. Each length has at most one layout: the last chunk is empty only
/// when it is the only one.
fn layout(sealed_len: u64) -> Result<(u32, usize), OpenError> {
    let rest = sealed_len.checked_sub(HEADER as u64).ok_or(OpenError::Truncated)?;
    let step = (CHUNK + TAG) as u64;
    let chunks = rest.div_ceil(step).max(1);
    let last = (rest - (chunks - 1) * step).checked_sub(TAG as u64).ok_or(OpenError::Truncated)?;
    if last == 0 && chunks > 1 {
        return Err(OpenError::Truncated);
    }
    let chunks = u32::try_from(chunks).map_err(|_| OpenError::Format)?;
    Ok((chunks, usize::try_from(last).map_err(|_| OpenError::Format)?))
}
