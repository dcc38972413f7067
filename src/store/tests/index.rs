//! An index that shows its damage only when it is read.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::backup::take;
use super::bed::Bed;

/// The runs of the index.
fn runs(bed: &Bed) -> Vec<PathBuf> {
    let files = fs::read_dir(bed.folder.as_ref().unwrap().path().join("index")).unwrap();
    files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "run")).collect()
}

/// The records of every start stand in the first block of a run, which is read when they are asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_meets_a_rotten_block_makes_the_index_again_and_goes_on() {
    let mut bed = Bed::local().await;
    let (_, token) = take(&bed, "jan@example.nl", b"Dag").await;
    let expected = bed.raw().await;
    bed.stop().await;
    // One that is made from the journal has all in one run.
    fs::remove_dir_all(bed.folder.as_ref().unwrap().path().join("index")).unwrap();
    (bed.store, _) = bed.open().await.unwrap();
    bed.stop().await;
    let [run] = runs(&bed).try_into().unwrap();
    let mut bytes = fs::read(&run).unwrap();
    bytes[20] ^= 1;
    fs::write(&run, bytes).unwrap();
    let (store, report) = bed.open().await.unwrap();
    assert_eq!(report.rebuilt, None, "it opened, and looked whole");
    bed.store = store;
    assert!(bed.raw().await == expected);
    bed.view(&token).await;
    assert!(bed.store.check(false, Arc::default()).await.unwrap().is_sound());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_was_made_anew_as_asked_is_kept_by_the_next_start() {
    let mut bed = Bed::local().await;
    take(&bed, "jan@example.nl", b"Dag").await;
    let expected = bed.raw().await;
    bed.store.rebuild().await.unwrap();
    assert!(bed.raw().await == expected);
    assert_eq!(bed.restart().await.rebuilt, None);
    assert!(bed.raw().await == expected);
}
