//! What stands beside journal and bodies rots: the store key and the ledger of erasures.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_store_key_is_told_as_such_and_its_copy_stays() {
    let mut bed = Bed::local().await;
    take(&bed, "jan@example.nl", b"Dag").await;
    let dir = tempfile::tempdir().unwrap();
    back_up(&bed, dir.path()).await;
    let path = bed.folder.as_ref().unwrap().path().join("store.key");
    let whole = fs::read(&path).unwrap();
    for bytes in [&[][..], &whole[..50], &[&[9], &whole[1..]].concat()] {
        fs::write(&path, bytes).unwrap();
        let report = back_up(&bed, dir.path()).await;
        assert_eq!((report.unreadable.as_slice(), report.kept.len()), (&["store.key".to_owned()][..], 1));
        bed.stop().await;
        let error = bed.open().await.unwrap_err();
        assert!(matches!(error, crate::store::OpenError::DamagedSecret(_)), "{error}");
        fs::write(&path, &whole).unwrap();
        bed.restart().await;
    }
    flip(&path, 60);
    bed.stop().await;
    let error = bed.open().await.unwrap_err().to_string();
    assert!(error.contains("root keyring") && error.contains("store.key is damaged"), "{error}");
    // A backup whose own copy is damaged is not put back: it would never open.
    let key = files(dir.path()).into_iter().find(|path| path.to_string_lossy().contains("store.key-")).unwrap();
    assert_eq!(fs::read(&key).unwrap(), whole);
    flip(&key, 60);
    let home = tempfile::tempdir().unwrap();
    let into = home.path().join("data");
    let progress = crate::store::progress::Progress::default();
    let error = crate::store::backup::restore(dir.path(), &into, true, &progress).unwrap_err();
    assert!(matches!(error, crate::store::backup::BackupError::NoKey(_)) && !into.exists(), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_shrinks_is_noticed() {
    use crate::store::retention::ledger::{Ledger, LedgerError};
    let bed = Bed::local().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("erased.ledger");
    let open = || bed.retention_with(Ledger::open(&path, bed.store.keys()).unwrap());
    let recall = async || {
        let (id, _) = take(&bed, "jan@example.nl", b"Dag").await;
        open().recall(id, None).await.unwrap();
    };
    recall().await;
    recall().await;
    assert_eq!(open().ledger_lacks().await.unwrap(), 0);
    let whole = fs::read(&path).unwrap();
    for (bytes, lacks) in [(&whole[..whole.len() - 20], 1), (&[][..], 2)] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(open().ledger_lacks().await.unwrap(), lacks);
        assert_eq!(open().ledger_lacks().await.unwrap(), lacks, "each time");
    }
    fs::remove_file(&path).unwrap();
    recall().await;
    assert_eq!(open().ledger_lacks().await.unwrap(), 2, "what comes later makes up for nothing");
    // To repair the store is not to accept that: somebody must say so.
    let mut report = bed.store.check(true, std::sync::Arc::default()).await.unwrap();
    assert_eq!(open().ledger_lacks().await.unwrap(), 2);
    let (before, mended) = (report.clone(), report.mended);
    open().check_ledger(false, &mut report).await.unwrap();
    assert_eq!((report.counts[&Damage::Ledger], report.mended, report.is_sound()), (1, mended, false));
    assert_eq!(open().ledger_lacks().await.unwrap(), 2);
    let mut report = before;
    open().check_ledger(true, &mut report).await.unwrap();
    assert!(report.counts[&Damage::Ledger] == 1 && report.mended == mended + 1 && report.is_sound(), "{report:?}");
    assert_eq!(open().ledger_lacks().await.unwrap(), 0);
    // One that has more than the store knew, as when the store is put back from an older backup, counts as it is.
    let now = fs::read(&path).unwrap();
    fs::write(&path, [&now[..], &now[now.len() - 56..]].concat()).unwrap();
    assert_eq!(open().is_ledger_short().await, Some(false));
    assert_eq!(open().ledger_lacks().await.unwrap(), 0);
    fs::write(&path, &now).unwrap();
    assert_eq!(open().ledger_lacks().await.unwrap(), 1);
    assert_eq!(open().is_ledger_short().await, Some(true));
    // Nobody looked between its growing and the next entry.
    fs::write(&path, [&now[..], &now[now.len() - 56..], &now[now.len() - 56..]].concat()).unwrap();
    recall().await;
    let now = fs::read(&path).unwrap();
    fs::write(&path, &now[..now.len() - 56]).unwrap();
    assert_eq!(open().ledger_lacks().await.unwrap(), 1);
    let nowhere = dir.path().join("unmounted/erased.ledger");
    assert!(matches!(Ledger::open(&nowhere, bed.store.keys()), Err(LedgerError::NoFolder(_))));
}
