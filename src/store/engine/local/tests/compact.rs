//! Compaction: room comes back, nothing is lost, nothing comes back, wherever it is interrupted.

use std::collections::BTreeMap;

use super::*;
use crate::store::engine::Check;

pub(super) fn small() -> Options {
    Options { segment_size: 2000, ..options() }
}
fn lock(name: &str) -> Key {
    Key { space: Space::Lock, bytes: name.as_bytes().to_vec() }
}
pub(super) fn set(key: Key, value: String) -> Batch {
    Batch { checks: vec![], writes: vec![Write::Put(key, value.into_bytes())] }
}
pub(super) fn delete(key: Key) -> Batch {
    Batch { checks: vec![], writes: vec![Write::Delete(key)] }
}

pub(super) type State = BTreeMap<(u8, Vec<u8>), Versioned>;

pub(super) async fn state(engine: &Local) -> State {
    let mut all = BTreeMap::new();
    for space in [Space::Job, Space::Lock] {
        let found = engine.scan(space, b"", None, usize::MAX).await.unwrap();
        all.extend(found.into_iter().map(|(key, value)| ((space as u8, key), value)));
    }
    all
}
fn bytes(folder: &Path) -> u64 {
    segments(folder).iter().map(|path| fs::metadata(path).unwrap().len()).sum()
}

/// 200 jobs with their locks; then four of five are deleted, and a few of the rest written again.
pub(super) async fn filled(folder: &Path) -> (Local, State) {
    let (engine, _) = open_with(folder, &small());
    for n in 0..200 {
        let writes = [
            Write::Put(key(&format!("k{n}")), format!("value-of-job-{n}").into_bytes()),
            Write::Put(lock(&format!("k{n}")), format!("secret-{n}").into_bytes()),
        ];
        engine.commit(Batch { checks: vec![], writes: writes.to_vec() }).await.unwrap();
    }
    for n in (0..200).filter(|n| n % 5 != 0) {
        engine.commit(delete(key(&format!("k{n}")))).await.unwrap();
        engine.commit(delete(lock(&format!("k{n}")))).await.unwrap();
    }
    for n in (0..200).step_by(20) {
        engine.commit(set(lock(&format!("k{n}")), format!("second-secret-{n}"))).await.unwrap();
    }
    let state = state(&engine).await;
    assert_eq!(state.len(), 80);
    (engine, state)
}

/// By the index as it is, and by one made again from the journal alone.
pub(super) async fn holds(folder: &Path, expected: &State) {
    for remake in [false, true] {
        if remake {
            fs::remove_dir_all(folder.join("index")).unwrap();
        }
        let (engine, report) = open_with(folder, &small());
        assert_eq!(report.rebuilt.is_some(), remake, "{report:?}");
        assert_eq!((report.cut, &report.quarantined, &report.lost), (0, &vec![], &vec![]), "{report:?}");
        assert!(state(&engine).await == *expected, "remake: {remake}");
    }
}

#[tokio::test]
async fn room_comes_back_and_everything_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, expected) = filled(folder.path()).await;
    let (before, number) = (bytes(folder.path()), segments(folder.path()).len());
    let done = engine.compact().await.unwrap();
    assert!(done.segments > 10 && done.freed > before / 2 && done.moved < done.freed / 2, "{done:?} of {before}");
    let after = bytes(folder.path());
    assert!(after < before / 2 && segments(folder.path()).len() < number / 2, "{after} of {before}");
    // Versions too: a check by one from before holds.
    assert!(state(&engine).await == expected);
    let version = expected[&(Space::Job as u8, b"k5".to_vec())].version;
    let batch = Batch { checks: vec![Check::Version(key("k5"), version)], writes: vec![] };
    engine.commit(batch).await.unwrap();
    // Twice gives back little more, and ends.
    let again = engine.compact().await.unwrap();
    assert!(again.freed < done.freed / 4, "{again:?}");
    drop(engine);
    holds(folder.path(), &expected).await;
}

#[tokio::test]
async fn wherever_it_stops_nothing_is_lost_and_nothing_comes_back() {
    for (call, nth) in [(Call::Move, 0), (Call::Move, 3), (Call::Remove, 0), (Call::Remove, 2), (Call::SyncFolder, 0)] {
        let (live, dead) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (engine, expected) = filled(live.path()).await;
        let faults = engine.shared.folder.io().clone().faults;
        faults.add_after(call, ErrorKind::Other, nth);
        assert!(engine.compact().await.is_err(), "{call:?}");
        copy(live.path(), dead.path());
        assert!(state(&engine).await == expected);
        drop(engine);
        // After a clean stop, after a kill, and after a kill with the next compaction.
        holds(live.path(), &expected).await;
        let (engine, _) = open_with(dead.path(), &small());
        assert!(state(&engine).await == expected, "{call:?} {nth}");
        engine.compact().await.unwrap();
        assert!(state(&engine).await == expected, "{call:?} {nth}");
        drop(engine);
        holds(dead.path(), &expected).await;
    }
}

#[tokio::test]
async fn what_is_deleted_stays_so_while_an_older_segment_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open_with(folder.path(), &Options { segment_size: 20_000, ..options() });
    // The first segment stays: nearly all of it counts.
    let long = "long".repeat(4950);
    engine.commit(put("gone", "first")).await.unwrap();
    engine.commit(put("stays", &long)).await.unwrap();
    // The second holds the tombstone, and else only what is superseded.
    engine.commit(delete(key("gone"))).await.unwrap();
    engine.commit(put("other", &long)).await.unwrap();
    engine.commit(put("other", &long)).await.unwrap();
    engine.commit(put("third", &long)).await.unwrap();
    let expected = state(&engine).await;
    let before = segments(folder.path());
    assert!(engine.compact().await.unwrap().segments > 0);
    let after = segments(folder.path());
    assert_eq!((before[0] == after[0], before[1] == after[1]), (true, false), "{after:?}");
    assert!(state(&engine).await == expected);
    drop(engine);
    holds(folder.path(), &expected).await;
}

#[tokio::test]
async fn erasable_values_are_overwritten_before_their_segment_goes() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, expected) = filled(folder.path()).await;
    let before = segments(folder.path());
    engine.shared.folder.io().faults.add(Call::Remove, ErrorKind::Other);
    assert!(engine.compact().await.is_err());
    let sealed = |path: &PathBuf| fs::read(path).unwrap().windows(7).any(|window| window == b"secret-");
    let without = before.iter().filter(|path| !sealed(path) && fs::metadata(path).unwrap().len() > 1000).count();
    assert!(without > 0);
    assert!(state(&engine).await == expected);
    engine.compact().await.unwrap();
    assert!(state(&engine).await == expected);
}

#[tokio::test]
async fn it_runs_beside_commits() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, mut expected) = filled(folder.path()).await;
    let engine = Arc::new(engine);
    let compacting = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move {
            for _ in 0..5 {
                engine.compact().await.unwrap();
            }
        }
    });
    for n in 0..300 {
        let name = format!("k{}", n % 50);
        if n % 3 == 0 {
            engine.commit(delete(lock(&name))).await.unwrap();
            expected.remove(&(Space::Lock as u8, name.into_bytes()));
        } else {
            let value = format!("new-{n}");
            let version = engine.commit(set(lock(&name), value.clone())).await.unwrap();
            expected.insert((Space::Lock as u8, name.into_bytes()), Versioned { value: value.into_bytes(), version });
        }
        assert!(engine.get(&key("k100")).await.unwrap().is_some(), "a read finds what is moved meanwhile");
    }
    compacting.await.unwrap();
    assert!(state(&engine).await == expected);
    drop(engine);
    holds(folder.path(), &expected).await;
}

#[tokio::test]
async fn what_failed_once_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open_with(folder.path(), &small());
    engine.commit(put("stays", "1")).await.unwrap();
    for n in 0..200 {
        engine.commit(put("k", &format!("value-{n}"))).await.unwrap();
    }
    drop(engine);
    // All but the last hold hardly anything that counts.
    let mut old = segments(folder.path());
    old.pop();
    assert!(old.len() > 3);
    let pace = Pace { every: Duration::from_millis(20), pause: Duration::ZERO };
    let options = Options { pace, ..small() };
    options.io.faults.add(Call::Move, ErrorKind::Other);
    let (engine, _) = open_with(folder.path(), &options);
    for _ in 0..500 {
        old.retain(|path| path.exists());
        if old.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(old, Vec::<PathBuf>::new());
    assert_eq!(value(&engine, "stays").await.as_deref(), Some("1"));
    assert_eq!(value(&engine, "k").await.as_deref(), Some("value-199"));
}

#[tokio::test]
async fn a_record_that_the_index_forgot_keeps_its_segment() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, expected) = filled(folder.path()).await;
    let Index::Tree(tree) = &*engine.shared.index().unwrap() else { panic!("it is on disk") };
    tree.flush().unwrap();
    tree.forget(&raw(&key("k100")));
    assert!(engine.get(&key("k100")).await.unwrap().is_none());
    assert!(engine.compact().await.is_err());
    // The index is made again, and knows it.
    while engine.commit(Batch::default()).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert!(state(&engine).await == expected);
    engine.compact().await.unwrap();
    assert!(state(&engine).await == expected);
}

#[tokio::test]
async fn a_segment_that_cannot_be_overwritten_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open_with(folder.path(), &options());
    engine.commit(set(lock("a"), "secret-a".to_owned())).await.unwrap();
    engine.commit(set(lock("b"), "secret-b".to_owned())).await.unwrap();
    engine.shared.folder.io().faults.add(Call::Overwrite, ErrorKind::Other);
    assert!(engine.commit(delete(lock("a"))).await.is_err(), "not yet erased");
    let expected = state(&engine).await;
    let old = segments(folder.path()).remove(0);
    assert_eq!(engine.compact().await.unwrap().segments, 1);
    assert!(!old.exists());
    engine.commit(delete(lock("a"))).await.unwrap();
    drop(engine);
    holds(folder.path(), &expected).await;
}
