//! Superseded values of erasable spaces: gone from every file once answered, and after a crash once started again.

use super::*;

pub(super) fn lock(name: &str) -> Key {
    Key { space: Space::Lock, bytes: name.as_bytes().to_vec() }
}
pub(super) fn batch(writes: impl IntoIterator<Item = Write>) -> Batch {
    Batch { checks: vec![], writes: writes.into_iter().collect() }
}
pub(super) fn put_lock(name: &str, value: &str) -> Batch {
    batch([Write::Put(lock(name), value.as_bytes().to_vec())])
}
pub(super) fn delete_lock(name: &str) -> Batch {
    batch([Write::Delete(lock(name))])
}

/// The files under `folder` that hold `bytes`.
pub(super) fn holders(folder: &Path, bytes: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holders(&path, bytes));
        } else if fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes.as_bytes()) {
            found.push(path);
        }
    }
    found
}

pub(super) fn not_erased<T>(result: &Result<T, CommitError>) -> bool {
    matches!(result, Err(CommitError::Store(StoreError::NotErased(_))))
}

/// A folder as a crash leaves it that comes after the sync of the last frame, before the overwriting: `old` stands where it stood
/// in the first segment.
pub(super) fn crashed(live: &Path, old: &str, at: usize) -> TempDir {
    let dead = tempfile::tempdir().unwrap();
    copy(live, dead.path());
    let path = segments(dead.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes[at..at + old.len()].iter().all(|byte| *byte == 0), "overwritten with zeros");
    bytes[at..at + old.len()].copy_from_slice(old.as_bytes());
    fs::write(&path, bytes).unwrap();
    dead
}

pub(super) fn offset_of(folder: &Path, value: &str) -> usize {
    let bytes = fs::read(segments(folder).remove(0)).unwrap();
    bytes.windows(value.len()).position(|window| window == value.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_superseded_value_is_nowhere_once_answered() {
    for segment_size in [SEGMENT_SIZE, 100] {
        let folder = tempfile::tempdir().unwrap();
        let (engine, _) = open_with(folder.path(), &Options { segment_size, ..options() });
        engine.commit(put_lock("a", "first-of-a")).await.unwrap();
        engine.commit(put_lock("b", "first-of-b")).await.unwrap();
        assert_eq!(holders(folder.path(), "first-of-").len(), if segment_size == 100 { 2 } else { 1 });
        engine.commit(put_lock("a", "second-of-a")).await.unwrap();
        assert_eq!(holders(folder.path(), "first-of-a"), Vec::<PathBuf>::new());
        engine.commit(batch([Write::Delete(lock("a")), Write::Delete(lock("b"))])).await.unwrap();
        for value in ["first-of-b", "second-of-a"] {
            assert_eq!(holders(folder.path(), value), Vec::<PathBuf>::new());
        }
        // Not what other spaces supersede: compaction takes that.
        engine.commit(put("plain", "plain-value")).await.unwrap();
        engine.commit(batch([Write::Delete(key("plain"))])).await.unwrap();
        assert_eq!(holders(folder.path(), "plain-value").len(), 1);
        assert_eq!(engine.counts().erased, 3);
    }
}

#[tokio::test]
async fn a_value_superseded_within_its_group_never_reaches_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(folder.path());
    engine.commit(put_lock("a", "on-disk")).await.unwrap();
    let writes = ["brief-1", "brief-2"].map(|value| Write::Put(lock("a"), value.into()));
    engine.commit(batch(writes.into_iter().chain([Write::Put(lock("a"), b"last".to_vec())]))).await.unwrap();
    engine.commit(batch([Write::Put(lock("b"), b"brief-3".to_vec()), Write::Delete(lock("b"))])).await.unwrap();
    for value in ["on-disk", "brief-"] {
        assert_eq!(holders(folder.path(), value), Vec::<PathBuf>::new());
    }
    assert_eq!(engine.get(&lock("a")).await.unwrap().unwrap().value, b"last");
    assert_eq!(engine.counts().erased, 1);
}

#[tokio::test]
async fn nothing_is_overwritten_before_the_frame_that_supersedes_it_is_synced() {
    for call in [Call::Write, Call::Sync] {
        let folder = tempfile::tempdir().unwrap();
        let options = options();
        let (engine, _) = open_with(folder.path(), &options);
        engine.commit(put_lock("a", "the-old")).await.unwrap();
        options.io.faults.add(call, ErrorKind::Other);
        engine.commit(delete_lock("a")).await.unwrap_err();
        assert_eq!(engine.get(&lock("a")).await.unwrap().unwrap().value, b"the-old", "{call:?}");
        assert_eq!(engine.counts().erased, 0, "{call:?}");
        // It can still be done.
        engine.commit(delete_lock("a")).await.unwrap();
        assert_eq!(holders(folder.path(), "the-old"), Vec::<PathBuf>::new(), "{call:?}");
    }
}

#[tokio::test]
async fn what_a_crash_left_standing_is_overwritten_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(folder.path());
    engine.commit(put_lock("a", "the-old")).await.unwrap();
    let at = offset_of(folder.path(), "the-old");
    engine.commit(put_lock("a", "the-new")).await.unwrap();
    let early = crashed(folder.path(), "the-old", at);
    engine.commit(put("b", "1")).await.unwrap();
    let late = crashed(folder.path(), "the-old", at);
    drop(engine);
    let (engine, report) = open(early.path());
    assert_eq!((report.cut, report.quarantined, report.unerased), (0, vec![], 0));
    assert_eq!(holders(early.path(), "the-old"), Vec::<PathBuf>::new());
    assert_eq!(engine.get(&lock("a")).await.unwrap().unwrap().value, b"the-new");
    drop(engine);
    assert_eq!(open(early.path()).0.counts().erased, 0, "the mark is kept");
    // The next frame's header said that it was overwritten: so nothing is read again for it.
    assert_eq!(open(late.path()).0.counts().erased, 0);
    assert_eq!(holders(late.path(), "the-old").len(), 1, "that state was made up");
    // But for a backup, whose segments were copied before and after.
    fs::write(late.path().join("restored"), "").unwrap();
    drop(open(late.path()));
    assert_eq!(holders(late.path(), "the-old"), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_frame_that_is_cut_erases_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(folder.path());
    engine.commit(put_lock("a", "the-old")).await.unwrap();
    let at = offset_of(folder.path(), "the-old");
    let whole = fs::metadata(&segments(folder.path())[0]).unwrap().len();
    engine.commit(delete_lock("a")).await.unwrap();
    let end = fs::metadata(&segments(folder.path())[0]).unwrap().len();
    for len in whole..end {
        let dead = crashed(folder.path(), "the-old", at);
        fs::File::options().write(true).open(&segments(dead.path())[0]).unwrap().set_len(len).unwrap();
        let (engine, _) = open(dead.path());
        assert_eq!(engine.get(&lock("a")).await.unwrap().unwrap().value, b"the-old", "cut at {len}");
    }
}

#[tokio::test]
async fn an_erased_value_is_no_damage() {
    for segment_size in [SEGMENT_SIZE, 100] {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { segment_size, ..options() };
        let (engine, _) = open_with(folder.path(), &options);
        for n in 0..6 {
            engine
                .commit(batch(
                    [put_lock("a", &n.to_string()), put(&n.to_string(), "plain")].into_iter().flat_map(|b| b.writes),
                ))
                .await
                .unwrap();
        }
        // Neither for the segment that is read again after an error, ...
        if segment_size == SEGMENT_SIZE {
            options.io.faults.add(Call::Sync, ErrorKind::Other);
            engine.commit(put("refused", "1")).await.unwrap_err();
        }
        engine.commit(delete_lock("a")).await.unwrap();
        assert_eq!(engine.health(), Health::Ready);
        let dead = tempfile::tempdir().unwrap();
        copy(folder.path(), dead.path());
        // ... nor at start, by footers or by frames.
        fs::remove_dir_all(dead.path().join("index")).unwrap();
        let (engine, report) = open(dead.path());
        assert_eq!((report.cut, report.quarantined), (0, vec![]));
        assert_eq!(engine.get(&lock("a")).await, Ok(None));
        assert_eq!(engine.scan(Space::Job, b"", None, 9).await.unwrap().len(), 6);
    }
}

#[tokio::test]
async fn a_torn_erasable_value_above_the_proven_number_was_never_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(folder.path());
    engine.commit(put_lock("a", "proven")).await.unwrap();
    engine.commit(put_lock("b", "unproven")).await.unwrap();
    let dead = tempfile::tempdir().unwrap();
    copy(folder.path(), dead.path());
    let path = segments(dead.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    for value in ["proven", "unproven"] {
        let at = offset_of(folder.path(), value);
        bytes[at..at + value.len()].fill(0);
    }
    fs::write(&path, bytes).unwrap();
    let (engine, report) = open(dead.path());
    assert!(report.cut > 0 && report.quarantined.is_empty(), "{report:?}");
    assert!(matches!(engine.get(&lock("a")).await, Err(StoreError::Damaged(_))));
    assert_eq!(engine.get(&lock("b")).await, Ok(None));
}

#[tokio::test]
async fn a_segment_that_cannot_be_overwritten_is_only_read_from_then_on() {
    for (call, closed) in [(Call::Overwrite, false), (Call::SyncOverwritten, false), (Call::Overwrite, true)] {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { segment_size: if closed { 100 } else { SEGMENT_SIZE }, ..options() };
        let (engine, _) = open_with(folder.path(), &options);
        engine
            .commit(batch(["a", "b", "c"].map(|name| Write::Put(lock(name), format!("value-{name}").into()))))
            .await
            .unwrap();
        options.io.faults.add(call, ErrorKind::Other);
        assert!(not_erased(&engine.commit(delete_lock("a")).await), "{call:?}");
        let path = segments(folder.path()).remove(0);
        let before = fs::read(&path).unwrap();
        assert_eq!(engine.shared.segments.condemned(), [1], "{call:?}");
        assert_eq!(engine.get(&lock("a")).await, Ok(None), "the change stands");
        // The same question has the same answer, others in that segment wait too, all else goes on.
        assert!(not_erased(&engine.commit(delete_lock("a")).await), "{call:?}");
        assert!(not_erased(&engine.commit(put_lock("b", "new-b")).await), "{call:?}");
        assert_eq!(engine.get(&lock("b")).await.unwrap().unwrap().value, b"new-b");
        engine.commit(put_lock("d", "value-d")).await.unwrap();
        engine.commit(delete_lock("d")).await.unwrap();
        assert_eq!(engine.health(), Health::Ready);
        assert_eq!(fs::read(&path).unwrap(), before, "{call:?}: not a byte is written");
        // Compaction takes it away.
        let dead = tempfile::tempdir().unwrap();
        copy(folder.path(), dead.path());
        engine.shared.segments.remove(1);
        engine.commit(delete_lock("a")).await.unwrap();
        drop(engine);
        // So does a start; one that fails too says so, and the next tries again.
        let options = self::options();
        options.io.faults.add(call, ErrorKind::Other);
        let (engine, report) = open_with(dead.path(), &options);
        assert!(report.unerased > 0, "{call:?}");
        engine.commit(put("later", "1")).await.unwrap();
        drop(engine);
        let (engine, report) = open(dead.path());
        assert_eq!(report.unerased, 0, "{call:?}");
        for value in ["value-a", "value-b"] {
            assert_eq!(holders(dead.path(), value), Vec::<PathBuf>::new(), "{call:?}");
        }
        assert_eq!(engine.get(&lock("c")).await.unwrap().unwrap().value, b"value-c");
    }
}

#[tokio::test]
async fn only_who_waits_for_an_overwrite_hears_that_it_failed() {
    let folder = tempfile::tempdir().unwrap();
    let options = options();
    let (engine, _) = open_with(folder.path(), &options);
    engine.commit(put_lock("a", "1")).await.unwrap();
    options.io.faults.add(Call::Overwrite, ErrorKind::Other);
    let batches = [put_lock("b", "1"), delete_lock("a"), put("c", "1")];
    let [b, a, c] = join_all(batches.map(|batch| engine.commit(batch))).await.try_into().unwrap();
    assert!(b.is_ok() && not_erased(&a) && c.is_ok(), "{a:?} {b:?} {c:?}");
}

#[tokio::test]
async fn a_full_disk_gives_its_reserve_for_an_overwrite() {
    let folder = tempfile::tempdir().unwrap();
    let options = options();
    let settings = Settings { folder: folder.path().to_owned(), min_free: 2 << 20 };
    let claim = Claim::with(&settings, options.clone()).unwrap();
    let (engine, _) = Local::open(claim, Arc::new(OsEntropy)).unwrap();
    assert!(folder.path().join("reserve").exists());
    engine.commit(put_lock("a", "the-old")).await.unwrap();
    options.io.faults.add(Call::Overwrite, ErrorKind::StorageFull);
    engine.commit(delete_lock("a")).await.unwrap();
    assert_eq!(holders(folder.path(), "the-old"), Vec::<PathBuf>::new());
    assert!(!folder.path().join("reserve").exists());
}

#[tokio::test]
async fn a_copy_in_quarantine_is_overwritten_too() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(folder.path());
    let mixed = [Write::Put(lock("a"), b"the-old".to_vec()), Write::Put(key("plain"), b"damage-here".to_vec())];
    engine.commit(batch(mixed)).await.unwrap();
    engine.commit(put("b", "1")).await.unwrap();
    drop(engine);
    let at = offset_of(folder.path(), "damage-here");
    let path = segments(folder.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (engine, report) = open(folder.path());
    assert_eq!(report.quarantined.len(), 1);
    assert_eq!(holders(folder.path(), "the-old").len(), 2);
    engine.commit(delete_lock("a")).await.unwrap();
    assert_eq!(holders(folder.path(), "the-old"), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn what_was_cut_keeps_no_secret_in_quarantine() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(folder.path());
    engine.commit(put("a", "1")).await.unwrap();
    let start = fs::metadata(&segments(folder.path())[0]).unwrap().len();
    // As of a record that compaction moves: the same value stands elsewhere, and is erased there later.
    let mixed = [Write::Put(key("plain"), b"in-clear".to_vec()), Write::Put(lock("a"), b"the-secret".to_vec())];
    engine.commit(batch(mixed)).await.unwrap();
    let end = fs::metadata(&segments(folder.path())[0]).unwrap().len();
    for (cut, flipped, copied) in [(1, None, true), (0, Some(end - 1), true), (0, Some(start + 9), false)] {
        let dead = tempfile::tempdir().unwrap();
        copy(folder.path(), dead.path());
        let path = segments(dead.path()).remove(0);
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(usize::try_from(end - cut).unwrap());
        if let Some(at) = flipped {
            bytes[usize::try_from(at).unwrap()] ^= 1;
        }
        fs::write(&path, bytes).unwrap();
        let (_engine, report) = open(dead.path());
        assert_eq!(report.cut, end - start - cut, "{cut} {flipped:?}");
        assert_eq!(holders(dead.path(), "the-secre"), Vec::<PathBuf>::new(), "{cut} {flipped:?}");
        assert_eq!(!holders(dead.path(), "in-clear").is_empty(), copied, "{cut} {flipped:?}");
    }
}

#[tokio::test]
async fn a_reader_that_comes_late_finds_the_new_value() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(folder.path());
    let (shared, name) = (&engine.shared, raw(&lock("a")));
    engine.commit(put_lock("a", "1")).await.unwrap();
    let index = shared.index().unwrap();
    let first = index.get(&name).unwrap().unwrap();
    engine.commit(put_lock("a", "2")).await.unwrap();
    assert!(shared.value(&first).is_err());
    assert_eq!(shared.current(&index, &name, first).unwrap().unwrap().unwrap().value, b"2");
    engine.commit(delete_lock("a")).await.unwrap();
    assert_eq!(shared.current(&index, &name, first), Ok(Ok(None)));
    // An index that is being replaced does not know: that is no damage.
    index.apply(&[frame::Change { key: name.clone(), place: Some(first) }], 4).unwrap();
    assert!(matches!(shared.current(&index, &name, first), Ok(Err(StoreError::Damaged(_)))));
    let other = Arc::new(Index::in_memory());
    other.apply(&[frame::Change { key: name.clone(), place: Some(first) }], 4).unwrap();
    assert!(matches!(shared.current(&other, &name, first), Ok(Err(StoreError::NotReady(_)))));
}

#[tokio::test]
async fn erases_of_a_group_share_a_sync() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(folder.path());
    let names: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    engine.commit(batch(names.iter().map(|name| Write::Put(lock(name), vec![7; 100])))).await.unwrap();
    let before = engine.counts();
    for done in join_all(names.iter().map(|name| engine.commit(delete_lock(name)))).await {
        done.unwrap();
    }
    let after = engine.counts();
    assert_eq!(after.erased - before.erased, 300);
    assert_eq!(after.erase_syncs, after.syncs - before.syncs, "one more for each group");
    assert!(after.erase_syncs < 100, "{after:?}");
}
