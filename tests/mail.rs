//! The fuzz targets' functions over their seeds, so that every build runs them.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::fs;
use std::path::Path;

#[path = "../fuzz/src/targets.rs"]
#[expect(clippy::expect_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "test code")]
mod targets;

/// Every seed of a target, as it is, and with each end cut off: truncation is the commonest damage.
fn run(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let mut seeds = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let data = fs::read(entry.unwrap().path()).unwrap();
        seeds += 1;
        for length in 0..=data.len() {
            target(data.get(..length).unwrap());
        }
    }
    assert!(seeds >= 3, "{name} has lost its seeds");
}

#[test]
fn mime() {
    run("mime", targets::mime);
}

#[test]
fn header() {
    run("header", targets::header);
}

#[test]
fn dot() {
    run("dot", targets::dot);
}

#[test]
fn address() {
    run("address", targets::address);
}
