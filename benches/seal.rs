//! Sealing against the bare cipher, in the same run: what our format costs on top of XChaCha20-Poly1305.
//!
//! `cargo bench --bench seal` prints MB/s of each and their ratio. Rounds alternate, and the median counts, so that a busy
//! machine slows both alike. Without `--bench` (as `cargo test --all-targets` runs it) a single small round shows that it works.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "a benchmark measures real time and may stop")]

use std::time::{Duration, Instant};

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};

use zegel::base::{MessageId, SeededEntropy};
use zegel::seal::body::{CHUNK, ContentKey, HEADER, Opener, Sealer};

/// Pieces as they come off a socket.
const PIECE: usize = 8 * 1024;

fn main() {
    let (rounds, chunks) = if std::env::args().any(|arg| arg == "--bench") { (15, 1024) } else { (1, 2) };
    let plain: Vec<u8> = (0..CHUNK).map(|i| u8::try_from(i % 251).unwrap_or_default()).collect();
    let bytes = CHUNK * chunks;
    let (mut raw, mut sealed, mut opened) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        raw.push(encrypt(&plain, chunks));
        sealed.push(seal(&plain, chunks));
        opened.push(open(&plain, chunks));
    }
    let (raw, sealed, opened) = (speed(raw, bytes), speed(sealed, bytes), speed(opened, bytes));
    println!("XChaCha20-Poly1305 in place, 64 KiB buffers: {raw:7.0} MB/s");
    println!("sealing a body in pieces of 8 KiB:           {sealed:7.0} MB/s   {:.2} of the cipher", sealed / raw);
    println!("opening it chunk by chunk:                   {opened:7.0} MB/s   {:.2} of the cipher", opened / raw);
}

/// Median speed in MB/s.
fn speed(mut rounds: Vec<Duration>, bytes: usize) -> f64 {
    rounds.sort_unstable();
    let median = rounds.get(rounds.len() / 2).expect("at least one round");
    #[expect(clippy::cast_precision_loss, reason = "a figure of four digits")]
    let megabytes = bytes as f64 / 1e6;
    megabytes / median.as_secs_f64()
}

/// The bare cipher.
fn encrypt(plain: &[u8], chunks: usize) -> Duration {
    let cipher = XChaCha20Poly1305::new(&[7; 32].into());
    let mut buffer = plain.to_vec();
    let start = Instant::now();
    for _ in 0..chunks {
        let nonce = [9; 24].into();
        let tag = cipher.encrypt_inout_detached(&nonce, b"", InOutBuf::from(buffer.as_mut_slice()));
        std::hint::black_box(tag.expect("64 KiB can be encrypted"));
    }
    start.elapsed()
}

/// A body as intake seals it: the ciphertext leaves after every piece.
fn seal(plain: &[u8], chunks: usize) -> Duration {
    let mut out = Vec::with_capacity(2 * CHUNK);
    let entropy = SeededEntropy::new(1);
    let (key, message) = (ContentKey::generate(&entropy), MessageId::random(&entropy));
    let start = Instant::now();
    let mut sealer = Sealer::new(&key, message, &entropy, &mut out);
    for _ in 0..chunks {
        for piece in plain.chunks(PIECE) {
            sealer.push(piece, &mut out).expect("short enough");
            std::hint::black_box(&out);
            out.clear();
        }
    }
    sealer.finish(&mut out).expect("short enough");
    start.elapsed()
}

/// A body as the page reads it.
fn open(plain: &[u8], chunks: usize) -> Duration {
    let entropy = SeededEntropy::new(1);
    let (key, message) = (ContentKey::generate(&entropy), MessageId::random(&entropy));
    let mut body = Vec::new();
    let mut sealer = Sealer::new(&key, message, &entropy, &mut body);
    (0..chunks).for_each(|_| sealer.push(plain, &mut body).expect("short enough"));
    sealer.finish(&mut body).expect("short enough");
    let (header, _) = body.split_at(HEADER);
    let start = Instant::now();
    let opener = Opener::new(&key, message, header, body.len() as u64).expect("its own key");
    for index in 0..opener.chunks() {
        let (offset, len) = opener.place(index).expect("a chunk of the body");
        let offset = usize::try_from(offset).expect("in memory");
        let chunk = body.get(offset..offset + len).expect("in memory");
        std::hint::black_box(opener.open(index, chunk).expect("unchanged"));
    }
    start.elapsed()
}
