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
/// Plain text that a [`Sealer`] has room for at first.
const LEAST_ROOM: usize = 4 * 1024;
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
        Self { stream, index: 0, buffer: Zeroizing::default(), total: 0 }
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
            self.make_room(now.len());
            self.buffer.extend_from_slice(now);
            plain = later;
        }
        Ok(())
    }

    /// Room for `more` bytes. A small mail takes a small buffer, which is soon wiped; a larger one leaves no plain text where it was.
    fn make_room(&mut self, more: usize) {
        let needed = self.buffer.len() + more;
        if needed > self.buffer.capacity() {
            let room = needed.next_power_of_two().clamp(LEAST_ROOM, CHUNK);
            let mut larger = Zeroizing::new(Vec::with_capacity(room));
            larger.extend_from_slice(&self.buffer);
            self.buffer = larger;
        }
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
        out.reserve_exact(self.buffer.len() + tag.len());
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
        match index.cmp(&(self.chunks - 1)) {
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
        let mut plain = Zeroizing::new(sealed.to_vec());
        let len = self.open_in_place(index, &mut plain)?;
        plain.truncate(len);
        Ok(plain)
    }

    /// Decrypts chunk `index` where it stands, and returns how many bytes of plaintext stand there now; what comes after them is of no use.
    ///
    /// # Errors
    /// As [`open`](Self::open); nothing in `sealed` is of use then.
    pub fn open_in_place(&self, index: u32, sealed: &mut [u8]) -> Result<usize, OpenError> {
        let (_, len) = self.place(index).ok_or(OpenError::Truncated)?;
        if sealed.len() != len {
            return Err(OpenError::Truncated);
        }
        let nonce = self.stream.nonce(index, index + 1 == self.chunks);
        self.stream.cipher.open_in_place(&nonce, &self.stream.aad, sealed)
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

#[cfg(test)]
mod tests {
    use aead_stream::{EncryptorBE32, Nonce, StreamBE32};
    use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
    use proptest::prelude::*;

    use super::*;
    use crate::base::SeededEntropy;

    const STEP: usize = CHUNK + TAG;

    fn key() -> ContentKey {
        ContentKey::generate(&SeededEntropy::new(1))
    }

    fn message() -> MessageId {
        MessageId::random(&SeededEntropy::new(2))
    }

    fn plain(len: usize) -> Vec<u8> {
        (0..len).map(|i| u8::try_from(i * 31 % 251).unwrap()).collect()
    }

    fn seal(plain: &[u8], pieces: &[usize]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut sealer = Sealer::new(&key(), message(), &SeededEntropy::new(3), &mut out);
        let mut rest = plain;
        let mut pieces = pieces.iter().cycle();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(*pieces.next().unwrap()));
            sealer.push(now, &mut out).unwrap();
            assert!(sealer.buffer.capacity() <= CHUNK, "memory is one chunk");
            rest = later;
        }
        assert_eq!(sealer.finish(&mut out), Ok(plain.len() as u64));
        out
    }

    /// Reads chunk by chunk, as the page does: what was given out, and how it ended.
    fn read(sealed: &[u8]) -> (Vec<u8>, Result<(), OpenError>) {
        let mut out = Vec::new();
        let ended = Opener::new(&key(), message(), sealed, sealed.len() as u64).and_then(|opener| {
            for index in 0..opener.chunks() {
                let (offset, len) = opener.place(index).unwrap();
                let offset = usize::try_from(offset).unwrap();
                out.extend_from_slice(&opener.open(index, &sealed[offset..offset + len])?);
            }
            assert_eq!(opener.plain_len(), out.len() as u64);
            Ok(())
        });
        (out, ended)
    }

    /// A changed body ends in an error, and what was given out before is the start of the true one.
    #[track_caller]
    fn assert_fails_closed(original: &[u8], changed: &[u8]) -> OpenError {
        let (given, ended) = read(changed);
        assert_eq!(given.len() % CHUNK, 0, "part of a chunk was given out");
        assert!(original.starts_with(&given), "other bytes were given out");
        ended.unwrap_err()
    }

    #[test]
    fn bodies_of_every_shape_come_back() {
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 5] {
            let body = plain(len);
            let sealed = seal(&body, &[8191]);
            let chunks = len.div_ceil(CHUNK).max(1);
            assert_eq!(sealed.len(), HEADER + len + chunks * TAG);
            assert_eq!(read(&sealed), (body, Ok(())), "{len} bytes");
        }
    }

    #[test]
    fn chunks_are_those_of_stream_be32() {
        let body = plain(2 * CHUNK + 5);
        let sealed = seal(&body, &[CHUNK]);
        let header = &sealed[..HEADER];
        let prefix = &header[6..6 + PREFIX];
        let aad = [header, message().as_bytes()].concat();
        let cipher = XChaCha20Poly1305::new(derive(key().0.expose(), prefix, KEY_LABEL).expose().into());
        let nonce: &Nonce<XChaCha20Poly1305, StreamBE32<XChaCha20Poly1305>> = prefix.try_into().unwrap();
        let mut stream = EncryptorBE32::from_aead(cipher, nonce);
        let mut expected = header.to_vec();
        let mut buffer = body[..CHUNK].to_vec();
        stream.encrypt_next_in_place(&aad, &mut buffer).unwrap();
        expected.append(&mut buffer);
        let mut buffer = body[CHUNK..2 * CHUNK].to_vec();
        stream.encrypt_next_in_place(&aad, &mut buffer).unwrap();
        expected.append(&mut buffer);
        let mut buffer = body[2 * CHUNK..].to_vec();
        stream.encrypt_last_in_place(&aad, &mut buffer).unwrap();
        expected.append(&mut buffer);
        assert!(sealed == expected);
    }

    #[test]
    fn every_flipped_bit_of_a_small_body_fails() {
        let body = plain(40);
        let sealed = seal(&body, &[7]);
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut bad = sealed.clone();
                bad[at] ^= 1 << bit;
                let expected = match at {
                    0..6 => OpenError::Format,
                    6..HEADER => OpenError::WrongKey,
                    _ => OpenError::Damaged,
                };
                assert_eq!(assert_fails_closed(&body, &bad), expected, "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn flipped_bits_of_a_long_body_spoil_their_chunk_only() {
        let body = plain(2 * CHUNK + 100);
        let sealed = seal(&body, &[CHUNK]);
        let ends = [HEADER, HEADER + STEP, HEADER + 2 * STEP, sealed.len()];
        let edges = ends.windows(2).flat_map(|w| [w[0], w[0] + 1, w[1] - TAG - 1, w[1] - TAG, w[1] - 1]);
        for at in edges.chain((HEADER..sealed.len()).step_by(9973)) {
            let mut bad = sealed.clone();
            bad[at] ^= 0x10;
            assert_eq!(assert_fails_closed(&body, &bad), OpenError::Damaged);
            let opener = Opener::new(&key(), message(), &bad, bad.len() as u64).unwrap();
            for index in 0..3 {
                let (from, to) = (ends[index], ends[index + 1]);
                let result = opener.open(u32::try_from(index).unwrap(), &bad[from..to]);
                assert_eq!(result.is_err(), (from..to).contains(&at), "chunk {index}, byte {at}");
            }
        }
    }

    #[test]
    fn every_truncation_and_any_extension_fails() {
        let body = plain(40);
        let sealed = seal(&body, &[40]);
        for len in 0..sealed.len() {
            assert_fails_closed(&body, &sealed[..len]);
        }
        let body = plain(2 * CHUNK);
        let sealed = seal(&body, &[CHUNK]);
        let cuts = (0..sealed.len()).step_by(4999);
        for len in cuts.chain([HEADER, HEADER + TAG, HEADER + STEP, HEADER + STEP + TAG, sealed.len() - 1]) {
            assert_fails_closed(&body, &sealed[..len]);
        }
        for more in [1, TAG, STEP] {
            assert_fails_closed(&body, &[&sealed[..], &vec![0; more]].concat());
        }
    }

    #[test]
    fn chunks_do_not_move() {
        let body = plain(3 * CHUNK);
        let sealed = seal(&body, &[CHUNK]);
        let (header, chunks) = sealed.split_at(HEADER);
        let chunks: Vec<&[u8]> = chunks.chunks(STEP).collect();
        for order in [[1, 0, 2], [0, 2, 1], [0, 0, 2], [2, 1, 0], [1, 1, 2]] {
            let moved = order.map(|i| chunks[i]).concat();
            assert_eq!(assert_fails_closed(&body, &[header, &moved].concat()), OpenError::Damaged, "{order:?}");
        }
        assert_fails_closed(&body, &[header, chunks[0], chunks[2]].concat());
        assert_fails_closed(&body, &[header, chunks[0], chunks[1]].concat());
    }

    #[test]
    fn bodies_of_other_messages_and_keys_are_refused() {
        let body = plain(10);
        let sealed = seal(&body, &[10]);
        let len = sealed.len() as u64;
        let other = MessageId::random(&SeededEntropy::new(9));
        let opener = Opener::new(&key(), other, &sealed, len).unwrap();
        assert_eq!(opener.open(0, &sealed[HEADER..]), Err(OpenError::Damaged));
        let stranger = ContentKey::generate(&SeededEntropy::new(9));
        assert_eq!(Opener::new(&stranger, message(), &sealed, len).unwrap_err(), OpenError::WrongKey);
        // The same key twice (it never is): the nonce prefix still keeps the two bodies apart.
        let mut twin = Vec::new();
        let mut second = Sealer::new(&key(), message(), &SeededEntropy::new(4), &mut twin);
        second.push(&body, &mut twin).unwrap();
        second.finish(&mut twin).unwrap();
        assert_fails_closed(&body, &[&sealed[..HEADER], &twin[HEADER..]].concat());
    }

    #[test]
    fn places_and_lengths_outside_the_body_are_refused() {
        let sealed = seal(&plain(10), &[10]);
        let opener = Opener::new(&key(), message(), &sealed, sealed.len() as u64).unwrap();
        assert_eq!((opener.place(1), opener.place(u32::MAX)), (None, None));
        assert_eq!(opener.open(1, &sealed[HEADER..]), Err(OpenError::Truncated));
        assert_eq!(opener.open(0, &sealed[HEADER + 1..]), Err(OpenError::Truncated));
        let lens = [(0, OpenError::Truncated), (u64::MAX, OpenError::Format)];
        for (len, expected) in lens {
            assert_eq!(Opener::new(&key(), message(), &sealed, len).unwrap_err(), expected);
        }
        assert_eq!(Opener::new(&key(), message(), &sealed[..HEADER - 1], 1000).unwrap_err(), OpenError::Truncated);
    }

    #[test]
    fn the_counter_does_not_wrap() {
        let mut out = Vec::new();
        let mut sealer = Sealer::new(&key(), message(), &SeededEntropy::new(3), &mut out);
        sealer.index = u32::MAX - 1;
        sealer.push(&plain(CHUNK + 1), &mut out).unwrap();
        assert_eq!(sealer.push(&plain(CHUNK), &mut out), Err(TooLong));
        assert_eq!(sealer.finish(&mut out), Err(TooLong));
        assert_eq!(layout(HEADER as u64 + u64::from(u32::MAX) * STEP as u64), Ok((u32::MAX, CHUNK)));
        assert_eq!(layout(HEADER as u64 + u64::from(u32::MAX) * STEP as u64 + TAG as u64 + 1), Err(OpenError::Format));
    }

    #[test]
    fn debug_shows_no_key() {
        let sealed = seal(&plain(10), &[10]);
        let opener = Opener::new(&key(), message(), &sealed, sealed.len() as u64).unwrap();
        let unfinished = Sealer::new(&key(), message(), &SeededEntropy::new(3), &mut Vec::new());
        assert_eq!(format!("{:?}", key()), "ContentKey(SecretBytes<32>(…))");
        assert_eq!(format!("{opener:?}"), "Opener { chunks: 1, last: 10, .. }");
        assert_eq!(format!("{unfinished:?}"), "Sealer { index: 0, .. }");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_body_in_any_pieces_comes_back(len in 0..3 * CHUNK, pieces in prop::collection::vec(1..2 * CHUNK, 1..8)) {
            let body = plain(len);
            let sealed = seal(&body, &pieces);
            prop_assert!(sealed == seal(&body, &[CHUNK]));
            prop_assert!(read(&sealed) == (body, Ok(())));
        }
    }
}
