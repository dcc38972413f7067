//! The functions of the fuzz targets for our own formats over their seeds, and over mutations of these, so that every build
//! runs them.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::fs;
use std::path::Path;

use zegel::base::{Entropy, SeededEntropy, entropy::random};

#[path = "../fuzz/src/formats.rs"]
#[expect(clippy::expect_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "test code")]
mod formats;

/// Mutations of each seed.
const ROUNDS: usize = 600;

fn below(entropy: &SeededEntropy, end: usize) -> usize {
    usize::try_from(u64::from_be_bytes(random(entropy)) % (end.max(1) as u64)).unwrap()
}

/// One to four changes: a bit, a byte that formats know, a piece left out, a piece twice, bytes put in.
fn mutate(data: &mut Vec<u8>, entropy: &SeededEntropy) {
    const KNOWN: [u8; 12] = [0, 1, 0x7f, 0x80, 0xff, 0x9f, 0x5f, 0x1b, 0xbf, b':', b'\n', b'#'];
    for _ in 0..=below(entropy, 4) {
        let at = below(entropy, data.len());
        let to = (at + 1 + below(entropy, 40)).min(data.len());
        match below(entropy, 5) {
            0 => data.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << below(entropy, 8)),
            1 => {
                let known = KNOWN.get(below(entropy, KNOWN.len())).copied().unwrap_or_default();
                data.iter_mut().skip(at).take(1).for_each(|byte| *byte = known);
            }
            2 if at < to => drop(data.drain(at..to)),
            3 if at < to => data.extend_from_within(at..to),
            _ => {
                let mut piece = vec![0; 1 + below(entropy, 12)];
                entropy.fill(&mut piece);
                data.splice(at..at, piece);
            }
        }
    }
}

fn run(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let entropy = SeededEntropy::new(11);
    let mut seeds = 0;
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let seed = fs::read(path).unwrap();
        seeds += 1;
        // Every cut of a short one; of a long one some.
        for length in (0..=seed.len()).step_by(seed.len() / 300 + 1) {
            target(seed.get(..length).unwrap());
        }
        target(&seed);
        for _ in 0..ROUNDS {
            let mut mutated = seed.clone();
            mutate(&mut mutated, &entropy);
            target(&mutated);
        }
    }
    assert!(seeds >= 3, "{name} has lost its seeds");
}

#[test]
fn body() {
    run("body", formats::body);
}

#[test]
fn record() {
    run("record", formats::record);
}

#[test]
fn manifest() {
    run("manifest", formats::manifest);
}

#[test]
fn keyring() {
    run("keyring", formats::keyring);
}
