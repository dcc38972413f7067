//! New segments that cannot be made at first, starts on a full disk, and what a start must not forget.

use super::*;

#[tokio::test]
async fn a_segment_that_could_not_be_made_is_made_under_another_number() {
    for call in [Call::Create, Call::SyncFolder] {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { segment_size: 100, ..options() };
        let (engine, _) = open_with(folder.path(), &options);
        options.io.faults.add(call, ErrorKind::Other);
        for n in 0..4 {
            engine.commit(put(&format!("k{n}"), "v")).await.unwrap();
        }
        assert_eq!(engine.health(), Health::Ready, "{call:?}");
        engine.close().await;
        drop(engine);
        let numbers: Vec<_> = segments(folder.path()).iter().map(|path| segment::number(path).unwrap()).collect();
        // A file that was made but not synced stays, and says nothing else of the one before than the next does.
        assert_eq!(numbers, if call == Call::Create { vec![1, 3, 4, 5, 6] } else { vec![1, 2, 3, 4, 5, 6] });
        let (engine, report) = open(folder.path());
        assert!(report.rebuilt.unwrap().contains("a disk error"));
        assert_eq!((report.cut, report.quarantined, report.lost), (0, vec![], vec![]), "{call:?}");
        assert_eq!(engine.scan(Space::Job, b"", None, 9).await.unwrap().len(), 4, "{call:?}");
    }
}

#[tokio::test]
async fn what_waits_when_the_store_ends_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { segment_size: 1, ..options() };
    let (engine, _) = open_with(folder.path(), &options);
    for call in [Call::Sync, Call::Cut] {
        options.io.faults.add(call, ErrorKind::Other);
    }
    // The committer waits for the index while more are sent than one group takes.
    let index = engine.shared.index.write().unwrap();
    let answers: Vec<_> = (0..600)
        .map(|n| {
            let (answer, answered) = oneshot::channel();
            let waiting = Waiting { batch: put(&format!("k{n}"), "v"), body: None, answer };
            engine.requests.as_ref().unwrap().send(Request::Commit(waiting)).unwrap();
            answered
        })
        .collect();
    drop(index);
    let (mut uncertain, mut refused) = (0, 0);
    for answer in answers {
        match answer.await.unwrap().unwrap_err().error {
            CommitError::Store(StoreError::Uncertain(_)) => uncertain += 1,
            CommitError::Store(StoreError::NotReady(_)) => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((uncertain, refused), (512, 88));
    assert_eq!((engine.health(), segments(folder.path()).len()), (Health::Failed, 1));
    assert_eq!(engine.counts().commits, 0);
}

fn open_on(folder: &Path, options: &Options, min_free: u64) -> Result<(Local, OpenReport), OpenError> {
    let settings = Settings { folder: folder.to_owned(), min_free };
    Local::open(Claim::with(&settings, options.clone()).unwrap(), Arc::new(OsEntropy))
}

#[tokio::test]
async fn a_start_on_a_full_disk_has_the_reserve() {
    let folder = tempfile::tempdir().unwrap();
    let reserve = folder.path().join("reserve");
    let (engine, _) = open_on(folder.path(), &options(), 2 << 20).unwrap();
    engine.commit(put("a", "1")).await.unwrap();
    drop(engine);
    for call in [Call::Create, Call::Write] {
        assert!(reserve.exists());
        let options = options();
        options.io.faults.add(call, ErrorKind::StorageFull);
        let (engine, _) = open_on(folder.path(), &options, u64::MAX).unwrap();
        assert!(!reserve.exists(), "{call:?}");
        assert_eq!(value(&engine, "a").await.as_deref(), Some("1"));
        engine.commit(put("a", "1")).await.unwrap();
        drop(engine);
        // Without one it fails, as with any other error.
        options.io.faults.add(call, ErrorKind::StorageFull);
        assert!(matches!(open_on(folder.path(), &options, u64::MAX), Err(OpenError::Io { .. })), "{call:?}");
        drop(open_on(folder.path(), &options, 2 << 20).unwrap());
    }
    // What follows a start writes too: it has the room even when the start needed none.
    let options = options();
    options.io.faults.add(Call::Free, ErrorKind::StorageFull);
    drop(open_on(folder.path(), &options, u64::MAX).unwrap());
    assert!(!reserve.exists());
}

#[test]
fn the_reserve_never_lets_intake_in_again() {
    let root = tempfile::tempdir().unwrap();
    let (folder, _lock) = Folder::open(root.path(), Io::default()).unwrap();
    let reserve = root.path().join("reserve");
    for (min_free, size) in [(1 << 30, 8 << 20), (9 << 20, 9 << 19), (1 << 20, 1 << 19)] {
        folder.reserve(min_free);
        assert_eq!(fs::metadata(&reserve).unwrap().len(), size, "smaller when the watermark is");
        assert!(2 * size <= min_free);
    }
    folder.reserve(0);
    assert!(!reserve.exists());
}

#[tokio::test]
async fn records_of_a_damaged_table_outlive_the_index_that_remembers_them() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(folder.path());
    let all = |writes: &[(&str, Option<&str>)]| Batch {
        checks: vec![],
        writes: writes
            .iter()
            .map(|(name, value)| match value {
                Some(value) => Write::Put(key(name), value.as_bytes().to_vec()),
                None => Write::Delete(key(name)),
            })
            .collect(),
    };
    let early = [("gone", Some("1")), ("changed", Some("1")), ("back", Some("1")), ("kept", Some("1"))];
    engine.commit(all(&early)).await.unwrap();
    engine.close().await;
    drop(engine);
    let (engine, _) = open(folder.path());
    let harmed = [("gone", None), ("changed", Some("2")), ("back", None), ("new", Some("2"))];
    engine.commit(all(&harmed)).await.unwrap();
    engine.commit(all(&[("back", Some("3")), ("other", Some("3"))])).await.unwrap();
    let expected = engine.scan(Space::Job, b"", None, 9).await.unwrap();
    engine.close().await;
    drop(engine);
    let path = segments(folder.path()).pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let frame = usize::try_from(segment_of(&path).scan(None).unwrap().frames[0].offset).unwrap();
    for (at, name) in [(frame + frame::HEADER, "table"), (frame + 5, "header")] {
        let dead = tempfile::tempdir().unwrap();
        copy(folder.path(), dead.path());
        bytes[at] ^= 1;
        fs::write(dead.path().join("journal").join(path.file_name().unwrap()), &bytes).unwrap();
        bytes[at] ^= 1;
        let (engine, report) = open(dead.path());
        assert_eq!((report.rebuilt, report.quarantined.len()), (None, 1), "{name}");
        assert_eq!(engine.scan(Space::Job, b"", None, 9).await.unwrap(), expected, "{name}");
        drop(engine);
        fs::remove_dir_all(dead.path().join("index")).unwrap();
        let (engine, report) = open(dead.path());
        assert!(report.rebuilt.is_some(), "{name}");
        assert_eq!(engine.scan(Space::Job, b"", None, 9).await.unwrap(), expected, "{name}");
    }
}

#[tokio::test]
async fn a_lost_segment_is_reported_and_a_removed_one_never() {
    for index in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..3 {
            let (engine, report) = open(folder.path());
            assert!(report.lost.is_empty());
            engine.commit(put(&format!("k{n}"), "v")).await.unwrap();
        }
        let paths = segments(folder.path());
        let note = folder.path().join("quarantine").join(format!("{:016x}.missing", 2));
        let lose = |path: &Path| {
            fs::remove_file(path).unwrap();
            if !index {
                fs::remove_dir_all(folder.path().join("index")).unwrap();
            }
        };
        lose(&paths[1]);
        for _ in 0..2 {
            assert_eq!(open(folder.path()).1.lost, [Loss::Segment(2)]);
            assert!(note.exists());
        }
        let (owner, lock) = Folder::open(folder.path(), Io::default()).unwrap();
        owner.note_removed(1, |_| true).unwrap();
        owner.note_removed(77, |_| true).unwrap();
        drop(lock);
        lose(&paths[0]);
        assert_eq!(open(folder.path()).1.lost, [Loss::Segment(2)]);
        // What no opening names is forgotten.
        assert_eq!(owner.removed(), std::collections::BTreeSet::from([2]));
    }
}

/// No opening names the newest.
#[tokio::test]
async fn the_newest_segments_are_missed_too_and_their_numbers_not_used_again() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..3 {
        let (engine, _) = open(folder.path());
        engine.commit(put(&format!("k{n}"), "v")).await.unwrap();
    }
    let paths = segments(folder.path());
    let aside: Vec<Vec<u8>> = paths[1..].iter().map(|path| fs::read(path).unwrap()).collect();
    paths[1..].iter().for_each(|path| fs::remove_file(path).unwrap());
    let (engine, report) = open(folder.path());
    let lost = vec![Loss::Segment(2), Loss::Segment(3)];
    assert_eq!(report.lost, lost);
    engine.commit(put("k3", "v")).await.unwrap();
    drop(engine);
    assert_eq!(open(folder.path()).1, OpenReport { lost, ..OpenReport::default() });
    // So what was found again can be put back.
    for (path, bytes) in paths[1..].iter().zip(aside) {
        fs::write(path, bytes).unwrap();
    }
    let (engine, report) = open(folder.path());
    assert_eq!((report.lost, report.returned), (vec![], vec![2, 3]));
    for n in 0..4 {
        assert_eq!(value(&engine, &format!("k{n}")).await.as_deref(), Some("v"), "{n}");
    }
    drop(engine);
    assert_eq!(open(folder.path()).1, OpenReport::default());
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_refused_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(folder.path());
    let long = Key { space: Space::Job, bytes: vec![0; MAX_KEY + 1] };
    for write in [Write::Put(key("a"), vec![0; MAX_BATCH]), Write::Delete(long)] {
        let refused = engine.commit(Batch { checks: vec![], writes: vec![write] }).await;
        assert!(matches!(refused, Err(CommitError::Store(StoreError::TooLarge(_)))), "{refused:?}");
    }
    engine.commit(put("a", "1")).await.unwrap();
}

/// Of a segment whose records are all gone again nothing counts. A start that reads it into the index, or makes that anew, and is killed
/// at once leaves the next one nothing to doubt.
#[tokio::test]
async fn what_a_start_read_is_known_to_the_next() {
    let (folder, first, second) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (engine, _) = open(folder.path());
    engine.commit(put("a", "1")).await.unwrap();
    engine.close().await;
    drop(engine);
    // The journal goes on, the index on disk does not.
    copy(folder.path(), first.path());
    let (engine, _) = open(folder.path());
    engine.commit(put("b", "1")).await.unwrap();
    engine.commit(Batch { checks: vec![], writes: vec![Write::Delete(key("b"))] }).await.unwrap();
    for path in segments(folder.path()) {
        fs::copy(&path, first.path().join("journal").join(path.file_name().unwrap())).unwrap();
    }
    for made_anew in [false, true] {
        if made_anew {
            fs::remove_dir_all(first.path().join("index")).unwrap();
        }
        let (_engine, report) = open(first.path());
        assert_eq!((report.rebuilt.is_some(), report.replayed), (made_anew, 2));
        let next = second.path().join(if made_anew { "anew" } else { "read" });
        copy(first.path(), &next);
        assert_eq!(open(&next).1, OpenReport::default(), "made anew: {made_anew}");
    }
}

/// Else the list of segments would grow for ever.
#[tokio::test]
async fn the_index_forgets_segments_that_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..3 {
        let (engine, _) = open(folder.path());
        engine.commit(put("same", &format!("{n}"))).await.unwrap();
        engine.close().await;
    }
    let before = segments(folder.path());
    let (engine, _) = open(folder.path());
    engine.compact().await.unwrap();
    engine.close().await;
    drop(engine);
    let (engine, report) = open(folder.path());
    assert_eq!(report, OpenReport::default());
    let live = engine.shared.index().unwrap().live().unwrap();
    let known: Vec<bool> = before.iter().map(|path| live.knows(segment::number(path).unwrap())).collect();
    assert_eq!(known, before.iter().map(|path| path.exists()).collect::<Vec<bool>>());
    assert!(known.contains(&false), "nothing was compacted");
}
