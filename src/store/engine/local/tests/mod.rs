//! The local engine under damage, disk errors and stops.

mod compact;
mod damage;
mod erase;
mod faults;
mod flawed;
mod lost;
mod owed;
mod starts;
mod steady;
mod trouble;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use tempfile::TempDir;

use super::folder::Folder;
use super::io::faults::Call;
use super::replay::replay;
use super::segment::{self, Segment};
use super::*;
use crate::base::OsEntropy;
use crate::store::tests::copied::copy;
use crate::store::{Loss, Settings};

fn key(name: &str) -> Key {
    Key { space: Space::Job, bytes: name.as_bytes().to_vec() }
}
fn put(name: &str, value: &str) -> Batch {
    Batch { checks: vec![], writes: vec![Write::Put(key(name), value.as_bytes().to_vec())] }
}
fn options() -> Options {
    // Proof frames come with a close only, unless a test wants them.
    let pace = Pace { every: Duration::from_hours(1), pause: Duration::ZERO };
    Options { idle: Duration::from_hours(1), pace, ..Options::default() }
}
fn open_with(folder: &Path, options: &Options) -> (Local, OpenReport) {
    let settings = Settings { folder: folder.to_owned(), min_free: 0 };
    Local::open(Claim::with(&settings, options.clone()).unwrap(), Arc::new(OsEntropy)).unwrap()
}
fn open(folder: &Path) -> (Local, OpenReport) {
    open_with(folder, &options())
}
async fn value(engine: &Local, name: &str) -> Option<String> {
    engine.get(&key(name)).await.unwrap().map(|found| String::from_utf8(found.value).unwrap())
}
fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(folder.join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}
fn segment_of(path: &Path) -> Segment {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    Segment { id: segment::number(path).unwrap(), path: path.to_owned(), file }
}

/// A folder with one open segment of `count` commits, `k0` = `v0` and so on, as a kill leaves it; and where its frames begin.
async fn killed(count: usize) -> (TempDir, Vec<u64>) {
    let (live, dead) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (engine, _) = open(live.path());
    for n in 0..count {
        engine.commit(put(&format!("k{n}"), &format!("v{n}"))).await.unwrap();
    }
    copy(live.path(), dead.path());
    let [path] = segments(dead.path()).try_into().unwrap();
    let frames = segment_of(&path).scan(None).unwrap().frames;
    (dead, frames.iter().map(|found| found.offset).collect())
}

/// Recovers a journal alone, with an index in memory, and tells which of `k0…` are there.
fn recovered(folder: &Path, count: usize) -> (Vec<usize>, OpenReport) {
    let (folder, _lock) = Folder::open(folder, Io::default()).unwrap();
    let mut report = OpenReport::default();
    let survivors = recovery::survivors(&folder, 0, true, &mut report).unwrap();
    let index = Index::in_memory();
    replay(&index, &survivors.sources, 0).unwrap();
    let there = |n: &usize| {
        let Some(place) = index.get(&raw(&key(&format!("k{n}")))).unwrap() else { return false };
        let source = survivors.sources.iter().find(|source| source.segment.id == place.segment).unwrap();
        source.segment.value(&place).unwrap().is_some_and(|value| value == format!("v{n}").into_bytes())
    };
    ((0..count).filter(there).collect(), report)
}
