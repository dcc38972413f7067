//! What was replaced, removed or came to its end since the store lost a part of its journal: no copy of that part keeps it.

use super::*;
use crate::store::engine::{Batch, Key, Write};

const CANARY: &[u8] = b"kanarie-van-een-sleutel-7Qk2";
const DAY: u64 = 86_400;

fn place() -> Key {
    Key { space: Space::Lock, bytes: b"a key of nobody".to_vec() }
}

fn holds(backup: &Path, what: &[u8]) -> bool {
    files(backup).iter().any(|path| contains(&fs::read(path).unwrap(), what))
}

async fn delete(bed: &Bed) {
    let batch = Batch { checks: vec![], writes: vec![Write::Delete(place())] };
    bed.store.inner.engine.commit(batch).await.unwrap();
}

/// A mail, and behind it in the end that the store lost a key and another mail. Gives the key of that mail too.
async fn lost(bed: &mut Bed, backup: &Path) -> Vec<u8> {
    take(bed, "jan@example.nl", b"Dag Jan").await;
    let newest = files(&journal(bed)).into_iter().rfind(|path| path.ends_with("0000000000000001.seg")).unwrap();
    let end = fs::metadata(&newest).unwrap().len();
    let before = bed.raw().await;
    take(bed, "piet@example.nl", b"Dag Piet").await;
    bed.overwrite(place(), CANARY).await;
    let unknown =
        bed.raw().await.into_iter().find(|(key, _)| key.space == Space::ContentKey && !before.contains_key(key));
    back_up(bed, backup).await;
    bed.stop().await;
    fs::File::options().write(true).open(&newest).unwrap().set_len(end).unwrap();
    bed.restart().await;
    assert_eq!(bed.store.losses(), [Loss::Tail(1, end)]);
    unknown.unwrap().1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_removed_since_is_gone_from_the_copy_of_a_lost_end() {
    for what in ["deleted", "replaced"] {
        let mut bed = Bed::local().await;
        let dir = tempfile::tempdir().unwrap();
        let unknown = lost(&mut bed, dir.path()).await;
        back_up(&bed, dir.path()).await;
        assert!(holds(dir.path(), CANARY) && holds(dir.path(), &unknown), "{what}");
        if what == "deleted" {
            delete(&bed).await;
        } else {
            bed.overwrite(place(), b"another").await;
        }
        for run in 0..2 {
            let report = back_up(&bed, dir.path()).await;
            assert_eq!((report.unreadable.len(), report.kept.len()), (1, 1), "{what}, run {run}: {report:?}");
            assert!(!holds(dir.path(), CANARY), "{what}, run {run}");
            assert!(
                holds(dir.path(), &unknown),
                "{what}, run {run}: of what it does not know the store removed nothing"
            );
            bed.restart().await;
        }
    }
}

/// Nobody can remove what the store does not know, so it is not kept for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_copy_of_a_lost_end_goes_after_thirty_days() {
    let mut bed = Bed::local().await;
    let dir = tempfile::tempdir().unwrap();
    let unknown = lost(&mut bed, dir.path()).await;
    for (days, kept) in [(0, true), (15, true), (14, true), (1, false), (1, false)] {
        bed.pass(days * DAY);
        let report = back_up(&bed, dir.path()).await;
        assert_eq!((report.unreadable.len(), report.kept.len()), (1, usize::from(kept)), "{days} more: {report:?}");
        assert_eq!(holds(dir.path(), &unknown), kept, "{days} more");
        assert_eq!(files(&dir.path().join("lost")).len(), usize::from(kept), "{days} more");
        restore(dir.path(), &tempfile::tempdir().unwrap().path().join("data")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_removed_since_is_gone_from_the_copy_of_a_lost_segment() {
    let mut bed = Bed::local().await;
    let links = three(&mut bed).await;
    bed.overwrite(place(), CANARY).await;
    let newest = bed.store.inner.engine.get(&place()).await.unwrap();
    bed.restart().await;
    assert!(newest.is_some());
    let dir = tempfile::tempdir().unwrap();
    back_up(&bed, dir.path()).await;
    let segment = files(&journal(&bed))
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "seg") && contains(&fs::read(path).unwrap(), CANARY))
        .unwrap();
    bed.stop().await;
    fs::remove_file(&segment).unwrap();
    bed.restart().await;
    back_up(&bed, dir.path()).await;
    assert!(holds(dir.path(), CANARY));
    delete(&bed).await;
    for run in 0..2 {
        let report = back_up(&bed, dir.path()).await;
        assert_eq!((report.unreadable.len(), report.kept.len()), (1, 1), "run {run}: {report:?}");
        assert!(!holds(dir.path(), CANARY), "run {run}");
    }
    opens_all(&bed, dir.path(), &links, 410, "a lost segment").await;
}
