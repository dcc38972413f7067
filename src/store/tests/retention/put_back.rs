//! The ledger: what a backup brings back goes again, and no removal is complete without it.

use super::*;
use crate::store::tests::copied::copy;

/// A copy of the data folder from before is put back: what the ledger names is gone again, all else opens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_put_back_forgets_what_the_ledger_names() {
    let mut bed = Bed::local().await;
    let (recalled, of_recalled) = taken(&bed, bed.mail(&["jan@example.nl", "piet@example.nl"], LARGE).await).await;
    let (_, of_erased) = taken(&bed, bed.mail(&["klaas@example.nl"], 100).await).await;
    let (_, kept) = taken(&bed, bed.mail(&["jan@example.nl"], 100).await).await;
    let (earlier, of_earlier) = taken(&bed, bed.mail(&["jan@example.nl"], 100).await).await;
    bed.retention().recall(earlier, None).await.unwrap();
    assert!(bed.store.again(&of_earlier[0]).await.unwrap().is_some());
    bed.restart().await;
    bed.store.close().await;
    let backup = tempfile::tempdir().unwrap();
    copy(bed.folder.as_ref().unwrap().path(), backup.path());
    (bed.store, _) = bed.open().await.unwrap();
    let away = tempfile::tempdir().unwrap();
    let path = away.path().join("erased.ledger");
    let retention = bed.retention_with(Ledger::open(&path, bed.store.keys()).unwrap());
    retention.recall(recalled, Some("jan@example.nl")).await.unwrap();
    retention.erase("klaas@example.nl").await.unwrap();
    drop(retention);
    bed.store.close().await;
    // Back to the copy.
    bed.folder = Some(backup);
    (bed.store, _) = bed.open().await.unwrap();
    assert!(opens(&bed, &of_recalled[0]).await && opens(&bed, &of_erased[0]).await, "the copy has it all");
    let retention = bed.retention_with(Ledger::open(&path, bed.store.keys()).unwrap());
    let gone = Ledger::read(&path, bed.store.keys()).unwrap();
    let applied = retention.apply(&gone).await.unwrap();
    assert_eq!((applied.deliveries, applied.contacts), (2, 1));
    assert_eq!(ending(&bed, &of_recalled[0]).await, Some(Ending::Recalled));
    assert!(!matches!(bed.store.link(&of_erased[0]).await.unwrap(), Link::Open(_)));
    assert!(opens(&bed, &of_recalled[1]).await && opens(&bed, &kept[0]).await);
    for token in [&of_earlier[0], &of_recalled[0]] {
        assert!(bed.store.again(token).await.unwrap().is_none(), "whose message it was may have been erased since");
    }
    assert!(bed.store.contacts("klaas@example.nl", None).await.unwrap().is_empty());
    assert_eq!(retention.apply(&gone).await.unwrap().deliveries, 0, "once more changes nothing");
}

/// A ledger that cannot be written leaves the removal unfinished, not undone, and the round after that mends it.
#[tokio::test]
async fn without_its_ledger_a_removal_is_not_complete() {
    let bed = Bed::memory();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("erased.ledger");
    let retention = bed.retention_with(Ledger::open(&path, bed.store.keys()).unwrap());
    let (id, token) = bed.taken("jan@example.nl").await;
    let aside = folder.path().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    let done = retention.recall(id, None).await.unwrap();
    assert_eq!(done, Recall::Done { recipients: 1, whole: true, complete: false });
    assert_eq!(ending(&bed, &token).await, Some(Ending::Recalled));
    retention.unfinished().await;
    let error = retention.round().await.unwrap_err().to_string();
    assert!(error.contains("ledger"), "{error}");
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(retention.round().await.unwrap().finished, 1);
    assert_eq!(Ledger::read(&path, bed.store.keys()).unwrap().len(), 1);
}
