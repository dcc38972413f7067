//! The local engine under damage, disk errors and stops.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use tempfile::TempDir;

use super::folder::Folder;
use super::io::faults::Call;
use super::replay::replay;
use super::segment::{self, Segment};
use super::*;
use crate::base::OsEntropy;

fn key(name: &str) -> Key {
    Key { space: Space::Job, bytes: name.as_bytes().to_vec() }
}
fn put(name: &str, value: &str) -> Batch {
    Batch { checks: vec![], writes: vec![Write::Put(key(name), value.as_bytes().to_vec())] }
}
fn options() -> Options {
    // Proof frames come with a close only, unless a test wants them.
    Options { idle: Duration::from_hours(1), ..Options::default() }
}
fn open_with(folder: &Path, options: &Options) -> (Local, OpenReport) {
    let settings = Settings { folder: folder.to_owned(), min_free: 0 };
    Local::open_with(&settings, Arc::new(OsEntropy), options.clone()).unwrap()
}
fn open(folder: &Path) -> (Local, OpenReport) {
    open_with(folder, &options())
}
async fn value(engine: &Local, name: &str) -> Option<String> {
    engine.get(&key(name)).await.unwrap().map(|found| String::from_utf8(found.value).unwrap())
}
/// The state that a kill would leave: what the system holds now.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            // A temporary file may be renamed meanwhile.
            let _ = fs::copy(&path, &target);
        }
    }
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

/// Recovers a journal alone, without sled, and tells which of `k0…` are there.
fn recovered(folder: &Path, count: usize) -> (Vec<usize>, OpenReport) {
    let (folder, _lock) = Folder::open(folder, Io::default()).unwrap();
    let mut report = OpenReport::default();
    let survivors = recovery::survivors(&folder, &mut report).unwrap();
    let index = Index::in_memory();
    replay(&index, &survivors.sources, 0).unwrap();
    let there = |n: &usize| {
        let Some(place) = index.get(&raw(&key(&format!("k{n}")))).unwrap() else { return false };
        let source = survivors.sources.iter().find(|source| source.segment.id == place.segment).unwrap();
        source.segment.value(&place).unwrap().is_some_and(|value| value == format!("v{n}").into_bytes())
    };
    ((0..count).filter(there).collect(), report)
}

#[tokio::test]
async fn a_torn_tail_is_cut_at_every_byte() {
    let (folder, frames) = killed(4).await;
    let path = segments(folder.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    for len in 0..=whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        let ends: Vec<u64> = frames.iter().skip(1).copied().chain([whole.len() as u64]).collect();
        let survivors: Vec<usize> = (0..4).filter(|n| ends[*n] <= len as u64).collect();
        let (found, report) = recovered(folder.path(), 4);
        assert_eq!(found, survivors, "cut at {len}");
        let start = segment::START.min(len as u64);
        let end = survivors.last().map_or(start, |last| ends[*last]);
        assert_eq!(report.cut, len as u64 - end, "cut at {len}");
        let torn_opening = if len > 0 && (len as u64) < segment::START { 0 } else { report.quarantined.len() };
        assert_eq!(torn_opening, 0, "cut at {len}: {report:?}");
        // Once cut it is whole.
        assert_eq!(recovered(folder.path(), 4), (survivors, OpenReport::default()), "cut at {len}, again");
    }
}

#[tokio::test]
async fn a_damaged_frame_in_the_middle_is_quarantined_and_the_rest_serves() {
    let (folder, frames) = killed(4).await;
    let path = segments(folder.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    let (from, to) = (usize::try_from(frames[1]).unwrap(), usize::try_from(frames[2]).unwrap());
    for at in from..to {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        let (found, report) = recovered(folder.path(), 4);
        let rest = |found: &[usize]| found.iter().copied().filter(|n| *n != 1).collect::<Vec<_>>();
        assert_eq!(rest(&found), [0, 2, 3], "byte {at}");
        assert_eq!((report.cut, report.quarantined), (0, vec![format!("1:{from}")]), "byte {at}");
        let name = format!("{:016x}-{from:012x}.damaged", 1);
        assert_eq!(fs::read(folder.path().join("quarantine").join(name)).unwrap(), bytes[from..to], "byte {at}");
    }
}

#[tokio::test]
async fn a_damaged_value_is_damaged_and_no_older_one_comes_back() {
    let live = tempfile::tempdir().unwrap();
    let (engine, _) = open(live.path());
    for (name, value) in [("a", "old"), ("a", "newest"), ("b", "other")] {
        engine.commit(put(name, value)).await.unwrap();
    }
    engine.close().await;
    drop(engine);
    let path = segments(live.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(6).position(|window| window == b"newest").unwrap();
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    fs::remove_dir_all(live.path().join("index")).unwrap();
    let (engine, report) = open(live.path());
    assert_eq!(report.quarantined.len(), 1);
    assert!(matches!(engine.get(&key("a")).await, Err(StoreError::Damaged(_))));
    let rest = engine.scan(Space::Job, b"", None, 9).await.unwrap();
    assert_eq!(rest.iter().map(|(key, _)| key.as_slice()).collect::<Vec<_>>(), [b"b"]);
    engine.commit(put("a", "again")).await.unwrap();
    assert_eq!(value(&engine, "a").await.as_deref(), Some("again"));
}

#[tokio::test]
async fn an_index_that_is_gone_or_rubbish_is_made_again() {
    type Harm = fn(&Path);
    fn shorten(index: &Path, tenths: u64) {
        let len = fs::metadata(index.join("db")).unwrap().len();
        fs::File::options().write(true).open(index.join("db")).unwrap().set_len(len * tenths / 10).unwrap();
    }
    let harms: [(&str, &str, Harm); 8] = [
        ("deleted", "missing", |index| fs::remove_dir_all(index).unwrap()),
        ("a file", "index", |index| {
            fs::remove_dir_all(index).unwrap();
            fs::write(index, "rubbish").unwrap();
        }),
        ("cut to 9/10", "", |index| shorten(index, 9)),
        ("cut to 5/10", "", |index| shorten(index, 5)),
        ("cut to 1/10", "", |index| shorten(index, 1)),
        ("zeroed in the middle", "", |index| {
            let mut bytes = fs::read(index.join("db")).unwrap();
            let (from, to) = (bytes.len() / 4, bytes.len() / 2);
            bytes[from..to].fill(0);
            fs::write(index.join("db"), bytes).unwrap();
        }),
        ("emptied", "", |index| fs::write(index.join("db"), "").unwrap()),
        ("rubbish", "", |index| {
            for entry in fs::read_dir(index).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
                let len = usize::try_from(entry.metadata().unwrap().len()).unwrap();
                let rubbish: Vec<u8> = (0..len).map(|at| (at * 31 % 251).to_le_bytes()[0]).collect();
                fs::write(entry.path(), rubbish).unwrap();
            }
        }),
    ];
    for (name, reason, harm) in harms {
        let folder = tempfile::tempdir().unwrap();
        let (engine, report) = open(folder.path());
        assert_eq!(report, OpenReport::default());
        for n in 0..50 {
            let writes = (0..40).map(|m| Write::Put(key(&format!("k{n}-{m}")), format!("v{n}-{m}").into_bytes()));
            engine.commit(Batch { checks: vec![], writes: writes.collect() }).await.unwrap();
        }
        let expected = engine.scan(Space::Job, b"", None, 9999).await.unwrap();
        engine.close().await;
        drop(engine);
        harm(&folder.path().join("index"));
        let (engine, report) = open(folder.path());
        match &report.rebuilt {
            Some(why) => assert!(why.contains(reason), "{name}: {report:?}"),
            // sled may take a shortened file for what it was earlier: right then, and the journal brings the rest.
            None => assert!(report.replayed > 0 && reason.is_empty(), "{name}: {report:?}"),
        }
        assert!(engine.scan(Space::Job, b"", None, 9999).await.unwrap() == expected, "{name}: {report:?}");
        drop(engine);
        assert_eq!(open(folder.path()).1.rebuilt, None, "{name}, afterwards");
    }
}

#[tokio::test]
async fn an_index_that_knows_more_than_the_journal_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(folder.path());
    engine.commit(put("a", "1")).await.unwrap();
    let len = fs::metadata(&segments(folder.path())[0]).unwrap().len();
    engine.commit(put("b", "2")).await.unwrap();
    drop(engine);
    fs::File::options().write(true).open(&segments(folder.path())[0]).unwrap().set_len(len).unwrap();
    let (engine, report) = open(folder.path());
    assert!(report.rebuilt.unwrap().contains("beyond the journal's end"));
    assert_eq!((value(&engine, "a").await.as_deref(), value(&engine, "b").await), (Some("1"), None));
    engine.commit(put("c", "3")).await.unwrap();
    drop(engine);
    let (engine, _) = open(folder.path());
    engine.commit(put("d", "4")).await.unwrap();
    drop(engine);
    // A whole segment that is gone.
    fs::remove_file(&segments(folder.path())[1]).unwrap();
    let (engine, report) = open(folder.path());
    assert!(report.rebuilt.unwrap().contains("names segment 2, which is missing"));
    let found = [value(&engine, "a").await, value(&engine, "c").await, value(&engine, "d").await];
    assert_eq!(found, [Some("1".to_owned()), None, Some("4".to_owned())]);
}

#[tokio::test]
async fn the_note_on_the_index_decides_whether_it_is_believed() {
    let cases = [
        ("clean\n", None),
        ("running boot=another mount=1 device=1\n", Some("stopped while this was in use")),
        ("rebuild a disk error\n", Some("a disk error")),
        ("", Some("no note")),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (note, reason) in cases {
        let (engine, _) = open(folder.path());
        engine.commit(put("a", "1")).await.unwrap();
        let running = fs::read_to_string(folder.path().join("index.state")).unwrap();
        assert!(running.starts_with("running boot="), "{running}");
        drop(engine);
        assert_eq!(fs::read_to_string(folder.path().join("index.state")).unwrap(), "clean\n");
        fs::write(folder.path().join("index.state"), note).unwrap();
        let (engine, report) = open(folder.path());
        assert_eq!(report.rebuilt.is_some(), reason.is_some(), "{note}");
        assert!(report.rebuilt.unwrap_or_default().contains(reason.unwrap_or_default()), "{note}");
        assert_eq!(value(&engine, "a").await.as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn segments_are_closed_with_footers_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let small = Options { segment_size: 600, ..options() };
    let (engine, _) = open_with(folder.path(), &small);
    for n in 0..40 {
        engine.commit(put(&format!("k{}", n % 20), &format!("v{n}"))).await.unwrap();
        if n % 7 == 0 {
            let gone = Batch { checks: vec![], writes: vec![Write::Delete(key(&format!("k{}", n % 20)))] };
            engine.commit(gone).await.unwrap();
        }
    }
    let expected = engine.scan(Space::Job, b"", None, 99).await.unwrap();
    drop(engine);
    let paths = segments(folder.path());
    assert!(paths.len() > 5, "{paths:?}");
    let closed = paths.iter().filter(|path| segment_of(path).footer().is_some()).count();
    assert_eq!(closed, paths.len() - 1);
    // By footers; then one footer is damaged, and its segment's frames tell the same.
    for damage in [false, true] {
        fs::remove_dir_all(folder.path().join("index")).unwrap();
        if damage {
            let footer = segment_of(&paths[2]).footer().unwrap().offset;
            let mut bytes = fs::read(&paths[2]).unwrap();
            bytes[usize::try_from(footer).unwrap() + 90] ^= 1;
            fs::write(&paths[2], bytes).unwrap();
        }
        let (engine, report) = open_with(folder.path(), &small);
        assert!(report.rebuilt.is_some());
        assert!(report.quarantined.is_empty(), "{report:?}");
        assert_eq!(engine.scan(Space::Job, b"", None, 99).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_failed_append_or_sync_is_cut_and_the_journal_goes_on() {
    for (call, kind) in
        [(Call::Write, ErrorKind::Other), (Call::Sync, ErrorKind::Other), (Call::Write, ErrorKind::StorageFull)]
    {
        let folder = tempfile::tempdir().unwrap();
        let options = options();
        let (engine, _) = open_with(folder.path(), &options);
        engine.commit(put("a", "1")).await.unwrap();
        options.io.faults.add(call, kind);
        let body = engine.new_body(MessageId([1; 16])).unwrap().finish().await.unwrap();
        let refused = engine.commit_body(put("a", "2"), body).await.unwrap_err();
        let full = kind == ErrorKind::StorageFull;
        assert_eq!(matches!(refused.error, CommitError::Store(StoreError::Full(_))), full, "{refused:?}");
        assert_eq!(matches!(refused.error, CommitError::Store(StoreError::Uncertain(_))), !full, "{refused:?}");
        assert!(refused.body.is_some(), "it is certainly cut, so the body comes back");
        assert_eq!(value(&engine, "a").await.as_deref(), Some("1"));
        assert_eq!(engine.health(), Health::Ready);
        engine.commit(put("b", "3")).await.unwrap();
        assert_eq!(segments(folder.path()).len(), 2);
        assert!(fs::read_to_string(folder.path().join("index.state")).unwrap().starts_with("rebuild"));
        drop(engine);
        let (engine, report) = open(folder.path());
        assert!(report.rebuilt.unwrap().contains("a disk error"));
        assert_eq!((report.cut, report.quarantined), (0, vec![]));
        let found = [value(&engine, "a").await, value(&engine, "b").await];
        assert_eq!(found, [Some("1".to_owned()), Some("3".to_owned())]);
    }
}

#[tokio::test]
async fn what_was_cut_stays_cut_even_if_the_disk_brings_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let options = options();
    let (engine, _) = open_with(folder.path(), &options);
    engine.commit(put("a", "1")).await.unwrap();
    options.io.faults.add(Call::Sync, ErrorKind::Other);
    engine.commit(put("a", "2")).await.unwrap_err();
    engine.commit(put("b", "3")).await.unwrap();
    drop(engine);
    // The frame whose sync failed, whole and valid, behind what was durable.
    let path = segments(folder.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let epoch = segment_of(&path).opening().unwrap().epoch;
    let head = frame::Head { kind: frame::Kind::Group, epoch, segment: 1, first: 2, count: 1, proven: 1, erased: 0 };
    let (name, value_2) = (raw(&key("a")), Some(&b"2"[..]));
    let record = frame::Record { key: &name, sequence: 2, value: value_2, erasable: false, superseded: None };
    bytes.extend(frame::group(&head, bytes.len() as u64, &[record]).0);
    fs::write(&path, bytes).unwrap();
    assert_eq!(segment_of(&path).scan(None).unwrap().frames.len(), 2);
    let (engine, _) = open(folder.path());
    let found = [value(&engine, "a").await, value(&engine, "b").await];
    assert_eq!(found, [Some("1".to_owned()), Some("3".to_owned())]);
}

#[tokio::test]
async fn a_journal_that_cannot_go_on_closes_the_store() {
    for call in [Call::Cut, Call::Create, Call::SyncFolder] {
        let folder = tempfile::tempdir().unwrap();
        let options = options();
        let (engine, _) = open_with(folder.path(), &options);
        engine.commit(put("a", "1")).await.unwrap();
        options.io.faults.add(Call::Sync, ErrorKind::Other);
        // The note about the failure syncs a folder first.
        let times = if call == Call::SyncFolder { 2 } else { 1 };
        (0..times).for_each(|_| options.io.faults.add(call, ErrorKind::Other));
        let failed = engine.commit(put("a", "2")).await;
        assert!(matches!(failed, Err(CommitError::Store(StoreError::Uncertain(_)))), "{call:?}: {failed:?}");
        assert_eq!(engine.health(), Health::Closed, "{call:?}");
        assert!(matches!(engine.get(&key("a")).await, Err(StoreError::NotReady(_))), "{call:?}");
        drop(engine);
        let (engine, _) = open(folder.path());
        let found = value(&engine, "a").await.unwrap();
        assert!(found == "1" || found == "2", "{call:?}: either may have survived: {found}");
    }
}

#[tokio::test]
async fn an_index_that_fails_at_work_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(folder.path());
    for n in 0..20 {
        engine.commit(put(&format!("k{n}"), "v")).await.unwrap();
    }
    let index = engine.shared.index().unwrap();
    engine.requests.as_ref().unwrap().send(Request::IndexFailed(Arc::clone(&index))).unwrap();
    drop(index);
    // Either refused while it is rebuilt, or committed after.
    while engine.commit(put("after", "v")).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(engine.scan(Space::Job, b"", None, 99).await.unwrap().len(), 21);
    drop(engine);
    let (engine, report) = open(folder.path());
    assert!(report.rebuilt.unwrap().contains("index"));
    assert_eq!(engine.scan(Space::Job, b"", None, 99).await.unwrap().len(), 21);
}

#[tokio::test]
async fn a_folder_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { folder: folder.path().to_owned(), min_free: 0 };
    let (engine, _) = open(folder.path());
    let second = Local::open(&settings, Arc::new(OsEntropy));
    assert!(matches!(second, Err(OpenError::InUse(path)) if path == folder.path()));
    engine.close().await;
    assert!(Local::open(&settings, Arc::new(OsEntropy)).is_ok(), "a closed one is free");
}

#[tokio::test]
async fn below_the_watermark_only_intake_stops() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { folder: folder.path().to_owned(), min_free: 0 };
    let (engine, _) = Local::open(&settings, Arc::new(OsEntropy)).unwrap();
    let body = engine.new_body(MessageId([1; 16])).unwrap().finish().await.unwrap();
    drop(engine);
    let (engine, _) = Local::open(&Settings { min_free: u64::MAX, ..settings }, Arc::new(OsEntropy)).unwrap();
    assert_eq!(engine.health(), Health::NoIntake);
    assert!(matches!(engine.new_body(MessageId([1; 16])), Err(StoreError::Full(_))));
    let refused = engine.commit_body(put("a", "1"), body).await.unwrap_err();
    assert!(matches!(refused, BodyRefused { error: CommitError::Store(StoreError::Full(_)), body: Some(_) }));
    engine.commit(put("a", "1")).await.unwrap();
    assert_eq!(value(&engine, "a").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_second_without_a_commit_writes_one_proof() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open_with(folder.path(), &Options { idle: Duration::from_millis(5), ..options() });
    engine.commit(put("a", "1")).await.unwrap();
    let proofs = || {
        let frames = segment_of(&segments(folder.path())[0]).scan(None).unwrap().frames;
        frames.iter().filter(|found| found.header.head.kind == frame::Kind::Proof).count()
    };
    while proofs() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(proofs(), 1);
    let before = engine.counts();
    drop(engine);
    assert_eq!((before.commits, before.syncs), (1, 2));
}

#[tokio::test]
async fn an_unfinished_body_goes_at_start_and_a_failed_folder_stops_intake() {
    let folder = tempfile::tempdir().unwrap();
    let options = options();
    let (engine, _) = open_with(folder.path(), &options);
    let bytes = vec![7; 100_000];
    let mut left = engine.new_body(MessageId([1; 16])).unwrap();
    left.write(&bytes).await.unwrap();
    let part = folder.path().join("bodies/part");
    assert_eq!(fs::read_dir(&part).unwrap().count(), 1);
    std::mem::forget(left);
    for (call, broken) in [(Call::Write, false), (Call::Sync, false), (Call::SyncFolder, true)] {
        options.io.faults.add(call, ErrorKind::Other);
        let mut writer = engine.new_body(MessageId([2; 16])).unwrap();
        let written = writer.write(&bytes).await;
        let finished = if written.is_ok() { writer.finish().await.map(drop) } else { written };
        assert!(matches!(finished, Err(StoreError::Uncertain(_))), "{call:?}");
        assert!(engine.bodies().await.unwrap().is_empty(), "{call:?}");
        assert_eq!(engine.health(), if broken { Health::NoIntake } else { Health::Ready }, "{call:?}");
    }
    // What counts is that the folder is open again; the forgotten writer still holds nothing but its file.
    engine.close().await;
    drop(engine);
    let (engine, _) = open(folder.path());
    assert_eq!(fs::read_dir(&part).unwrap().count(), 0);
    assert_eq!(engine.health(), Health::Ready);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let live = tempfile::tempdir().unwrap();
    let (engine, _) = open_with(live.path(), &Options { segment_size: 20_000, ..options() });
    let engine = Arc::new(engine);
    let acknowledged = Arc::new(std::sync::Mutex::new(Vec::new()));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writers: Vec<_> = (0..8)
        .map(|task| {
            let (engine, acknowledged, stop) = (Arc::clone(&engine), Arc::clone(&acknowledged), Arc::clone(&stop));
            tokio::spawn(async move {
                for n in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let name = format!("{task}-{n}");
                    engine.commit(put(&name, &name.repeat(20))).await.unwrap();
                    acknowledged.lock().unwrap().push(name);
                }
            })
        })
        .collect();
    let mut least = 0;
    for round in 0..5 {
        while acknowledged.lock().unwrap().len() < least + 100 {
            tokio::task::yield_now().await;
        }
        let before = acknowledged.lock().unwrap().clone();
        least = before.len();
        let dead = tempfile::tempdir().unwrap();
        // The journal last: a copy takes a while, and the index must not be newer than it.
        copy(&live.path().join("index"), &dead.path().join("index"));
        copy(live.path(), dead.path());
        let (engine, report) = open(dead.path());
        assert!(report.quarantined.is_empty(), "round {round}: {report:?}");
        for name in &before {
            assert_eq!(value(&engine, name).await, Some(name.repeat(20)), "round {round}");
        }
    }
    stop.store(true, Ordering::SeqCst);
    for done in join_all(writers).await {
        done.unwrap();
    }
}
