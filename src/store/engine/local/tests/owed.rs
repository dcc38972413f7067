//! Superseded values that could not be overwritten: never forgotten, and gone as soon as can be.

use super::erase::{batch, crashed, delete_lock, holders, lock, not_erased, offset_of, put_lock};
use super::*;

/// Each commit in a segment of its own.
fn single() -> Options {
    Options { segment_size: 100, ..options() }
}

/// An engine whose first segment holds `old-value` of lock `a`, which the second deletes and could not be overwritten.
async fn owing(folder: &Path, options: &Options) -> Local {
    let (engine, _) = open_with(folder, options);
    engine
        .commit(batch([Write::Put(lock("a"), b"old-value".to_vec()), Write::Put(key("k"), b"1".to_vec())]))
        .await
        .unwrap();
    options.io.faults.add(Call::Overwrite, ErrorKind::Other);
    assert!(not_erased(&engine.commit(delete_lock("a")).await));
    // The committer closes a segment after it answered: once it has time for this, it did.
    engine.moment(drop).await.unwrap();
    engine
}

#[tokio::test]
async fn the_frame_that_lists_what_is_owed_stays_until_that_is_gone() {
    let (folder, dead) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = single();
    let engine = owing(folder.path(), &options).await;
    let [first, second] = [0, 1].map(|n| segments(folder.path()).remove(n));
    // The first finds no room, also when it is asked again behind another that did.
    options.io.faults.add(Call::Room, ErrorKind::StorageFull);
    options.io.faults.add_after(Call::Room, ErrorKind::StorageFull, 1);
    assert!(engine.compact().await.is_err());
    assert!(first.exists() && second.exists());
    copy(folder.path(), dead.path());
    drop(engine);
    assert_eq!(open(dead.path()).1.unerased, 0);
    assert_eq!(holders(dead.path(), "old-value"), Vec::<PathBuf>::new());
    // Then neither is needed.
    let (engine, _) = open(dead.path());
    engine.compact().await.unwrap();
    let left: Vec<_> = segments(dead.path()).iter().filter_map(|path| segment::number(path)).collect();
    assert!(!left.contains(&1) && !left.contains(&2), "{left:?}");
}

#[tokio::test]
async fn a_segment_that_found_no_room_is_the_first_when_there_is_some() {
    let folder = tempfile::tempdir().unwrap();
    let options = single();
    let engine = owing(folder.path(), &options).await;
    for n in 0..9 {
        engine.commit(put("other", &n.to_string())).await.unwrap();
    }
    let first = segments(folder.path()).remove(0);
    options.io.faults.add(Call::Room, ErrorKind::StorageFull);
    assert!(engine.compact().await.unwrap().segments > 1);
    assert!(!first.exists());
    engine.commit(delete_lock("a")).await.unwrap();
    assert_eq!(holders(folder.path(), "old-value"), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn what_a_start_could_not_overwrite_is_owed_for_its_key() {
    for call in [Call::Overwrite, Call::SyncOverwritten] {
        let folder = tempfile::tempdir().unwrap();
        let (engine, _) = open(folder.path());
        engine.commit(put_lock("a", "the-old")).await.unwrap();
        engine.commit(put_lock("b", "other")).await.unwrap();
        let at = offset_of(folder.path(), "the-old");
        engine.commit(delete_lock("a")).await.unwrap();
        let dead = crashed(folder.path(), "the-old", at);
        drop(engine);
        let options = options();
        options.io.faults.add(call, ErrorKind::Other);
        let (engine, report) = open_with(dead.path(), &options);
        assert_eq!(report.unerased, 1, "{call:?}");
        assert!(not_erased(&engine.commit(delete_lock("a")).await), "{call:?}");
        engine.commit(put_lock("c", "new")).await.unwrap();
        assert_eq!(engine.compact().await.unwrap().segments, 1, "{call:?}");
        engine.commit(delete_lock("a")).await.unwrap();
        assert_eq!(holders(dead.path(), "the-old"), Vec::<PathBuf>::new(), "{call:?}");
        assert_eq!(engine.get(&lock("b")).await.unwrap().unwrap().value, b"other", "{call:?}");
    }
}

#[tokio::test]
async fn a_copy_in_quarantine_owes_on_when_its_segment_is_gone() {
    let (folder, dead) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
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
    // A folder in its place cannot be written to.
    let copied = fs::read_dir(folder.path().join("quarantine")).unwrap().next().unwrap().unwrap().path();
    let aside = folder.path().join("aside");
    fs::rename(&copied, &aside).unwrap();
    fs::create_dir(&copied).unwrap();
    assert!(not_erased(&engine.commit(delete_lock("a")).await));
    assert_eq!(engine.shared.segments.condemned(), Vec::<u64>::new());
    engine.compact().await.unwrap();
    assert!(!path.exists());
    assert!(not_erased(&engine.commit(delete_lock("a")).await), "the copy is still there");
    self::copy(folder.path(), dead.path());
    assert_eq!(open(dead.path()).1.unerased, 1, "a start knows it too");
    fs::remove_dir(&copied).unwrap();
    fs::rename(&aside, &copied).unwrap();
    engine.commit(delete_lock("a")).await.unwrap();
    assert_eq!(holders(folder.path(), "the-old"), Vec::<PathBuf>::new());
    assert!(matches!(engine.get(&key("plain")).await, Err(StoreError::Damaged(_))));
}

/// A copy of a segment that is put back may have tables that nobody can read: what later frames list is overwritten in it all the same.
#[tokio::test]
async fn what_later_frames_list_is_overwritten_in_a_damaged_segment_that_comes_back() {
    use super::erase::{holders, put_lock};
    let folder = tempfile::tempdir().unwrap();
    let run = async |batch: Option<Batch>| {
        let (engine, report) = open(folder.path());
        if let Some(batch) = batch {
            engine.commit(batch).await.unwrap();
        }
        engine.close().await;
        report
    };
    run(Some(put_lock("a", "first-of-a"))).await;
    let first = segments(folder.path()).remove(0);
    let mut aside = fs::read(&first).unwrap();
    let frames = segment_of(&first).scan(None).unwrap().frames;
    run(Some(put_lock("a", "second-of-a"))).await;
    fs::remove_file(&first).unwrap();
    assert_eq!(run(None).await.lost, [Loss::Segment(1)]);
    // The last byte of each table.
    for found in frames.iter().filter(|found| found.header.values_from() > frame::HEADER as u64) {
        aside[usize::try_from(found.offset + found.header.values_from()).unwrap() - 1] ^= 1;
    }
    fs::write(&first, aside).unwrap();
    let report = run(None).await;
    assert!(report.returned == [1] && !report.quarantined.is_empty(), "{report:?}");
    assert_eq!(holders(folder.path(), "first-of-a"), Vec::<PathBuf>::new());
}
