//! Disk errors at work, stops and kills.

use super::*;

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
async fn records_without_mail_have_the_reserve_of_a_full_disk_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let options = options();
    let claim =
        Claim::with(&Settings { folder: folder.path().to_owned(), min_free: 2 << 20 }, options.clone()).unwrap();
    let (engine, _) = Local::open(claim, Arc::new(OsEntropy)).unwrap();
    let reserve = folder.path().join("reserve");
    engine.commit(put("a", "1")).await.unwrap();
    assert!(reserve.exists());
    options.io.faults.add(Call::Free, ErrorKind::StorageFull);
    engine.commit(put("a", "2")).await.unwrap();
    assert!(!reserve.exists());
    assert_eq!(value(&engine, "a").await.as_deref(), Some("2"));
    assert_eq!(segments(folder.path()).len(), 1);
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
    let record =
        frame::Record { key: &name, sequence: 2, value: value_2, crc: None, erasable: false, superseded: None };
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
        assert_eq!(engine.health(), Health::Failed, "{call:?}");
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
    for _ in 0..3 {
        engine.requests.as_ref().unwrap().send(Request::IndexFailed(Arc::downgrade(&index))).unwrap();
    }
    drop(index);
    // Either refused while it is rebuilt, or committed after.
    while engine.commit(put("after", "v")).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(engine.scan(Space::Job, b"", None, 99).await.unwrap().len(), 21);
    drop(engine);
    let (engine, report) = open(folder.path());
    assert_eq!(report.rebuilt.as_deref(), Some("the index failed"));
    assert_eq!(engine.scan(Space::Job, b"", None, 99).await.unwrap().len(), 21);
}

#[tokio::test]
async fn a_folder_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { folder: folder.path().to_owned(), min_free: 0 };
    let (engine, _) = open(folder.path());
    let second = Claim::new(&settings).and_then(|claim| Local::open(claim, Arc::new(OsEntropy)));
    assert!(matches!(second, Err(OpenError::InUse(path)) if path == folder.path()));
    engine.close().await;
    assert!(
        Claim::new(&settings).and_then(|claim| Local::open(claim, Arc::new(OsEntropy))).is_ok(),
        "a closed one is free"
    );
}

#[tokio::test]
async fn below_the_watermark_only_intake_stops() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { folder: folder.path().to_owned(), min_free: 0 };
    let (engine, _) = Claim::new(&settings).and_then(|claim| Local::open(claim, Arc::new(OsEntropy))).unwrap();
    let body = engine.new_body(MessageId([1; 16])).unwrap().finish().await.unwrap();
    drop(engine);
    let (engine, _) =
        Local::open(Claim::new(&Settings { min_free: u64::MAX, ..settings }).unwrap(), Arc::new(OsEntropy)).unwrap();
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

#[tokio::test]
async fn a_commit_that_the_index_did_not_take_counts() {
    let folder = tempfile::tempdir().unwrap();
    let options = options();
    let (engine, _) = open_with(folder.path(), &options);
    let first = engine.commit(put("a", "1")).await.unwrap();
    options.io.faults.add(Call::Index, ErrorKind::Other);
    assert_eq!(engine.commit(put("a", "2")).await, Ok(first + 1));
    // Never the state before: either refused while the index is rebuilt, or what was answered.
    let found = loop {
        match engine.get(&key("a")).await {
            Err(StoreError::NotReady(_)) => tokio::task::yield_now().await,
            other => break other.unwrap().unwrap(),
        }
    };
    assert_eq!(found, Versioned { value: b"2".to_vec(), version: first + 1 });
    assert_eq!(engine.health(), Health::Ready);
    engine.commit(put("b", "3")).await.unwrap();
    drop(engine);
    let (engine, _) = open(folder.path());
    assert_eq!(value(&engine, "a").await.as_deref(), Some("2"));
    assert_eq!(value(&engine, "b").await.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_superseded_erasable_value_is_listed_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(folder.path());
    let lock = || Key { space: Space::Lock, bytes: b"lock".to_vec() };
    let put_lock = |value: &[u8]| Write::Put(lock(), value.to_vec());
    let cases = [
        (vec![put_lock(b"1")], 0),
        (vec![put_lock(b"2")], 1),
        (vec![put_lock(b"3"), put_lock(b"4"), Write::Delete(lock())], 1),
        (vec![put_lock(b"5"), Write::Delete(lock())], 0),
        (vec![Write::Put(key("plain"), b"1".to_vec())], 0),
        (vec![Write::Put(key("plain"), b"2".to_vec())], 0),
    ];
    for (writes, _) in &cases {
        engine.commit(Batch { checks: vec![], writes: writes.clone() }).await.unwrap();
    }
    let frames = segment_of(&segments(folder.path())[0]).scan(None).unwrap().frames;
    let found: Vec<u32> = frames.iter().map(|found| found.header.superseded).collect();
    assert_eq!(found, cases.map(|(_, listed)| listed));
}
