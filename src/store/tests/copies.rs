//! Copies that a backup keeps, and a disk that changes them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::backup::{back_up, files, opened, read, restore, take};
use super::bed::Bed;

const DAY: u64 = 86_400;

/// Flips a bit in the middle.
fn rot(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// The copies of bodies and of closed segments: what a run keeps.
fn kept(folder: &Path) -> BTreeSet<PathBuf> {
    let all = files(folder);
    let open = all.iter().rfind(|path| path.extension().is_some_and(|end| end == "seg")).cloned();
    let copied = all.into_iter().filter(|path| Some(path) != open.as_ref());
    copied
        .filter(|path| path.components().any(|part| part.as_os_str() == "journal" || part.as_os_str() == "bodies"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kept_copy_is_read_again_in_thirteen_days_and_made_anew_when_it_changed() {
    let mut bed = Bed::local().await;
    let mut links = Vec::new();
    // More than what is copied in one go anyway.
    for n in 0..75 {
        let plain = vec![n; if n % 25 == 0 { 150_000 } else { 60_000 }];
        links.push((take(&bed, &format!("r{n}@example.nl"), &plain).await.1, plain));
        if n % 25 == 24 {
            bed.restart().await;
        }
    }
    let dir = tempfile::tempdir().unwrap();
    back_up(&bed, dir.path()).await;
    let kept = kept(dir.path());
    assert!(kept.len() >= 6, "{kept:?}");
    for path in &kept {
        rot(path);
    }
    let mut mended = BTreeSet::new();
    for day in 0..13 {
        let report = back_up(&bed, dir.path()).await;
        assert_eq!((report.copied, &report.unreadable), (report.mended.len() as u64, &vec![]), "day {day}");
        for path in report.mended {
            assert!(mended.insert(dir.path().join(&path)), "{path} is made anew once");
        }
        bed.pass(DAY);
    }
    assert_eq!(mended, kept);
    let home = tempfile::tempdir().unwrap();
    assert_eq!(restore(dir.path(), &home.path().join("data")).unwrap().damaged, Vec::<String>::new());
    let (store, _) = opened(&bed, &home.path().join("data"), 9).await;
    for (token, plain) in &links {
        assert!(read(&store, token).await == *plain);
    }
    // All at once, when asked.
    for path in &kept {
        rot(path);
    }
    let report = bed.store.backup(dir.path().to_owned(), true, Arc::default()).await.unwrap();
    assert_eq!(report.mended.len(), kept.len());
    restore(dir.path(), &home.path().join("again")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_and_its_body_that_are_both_damaged_are_named() {
    let bed = Bed::local().await;
    let (id, _) = take(&bed, "jan@example.nl", &vec![1; 150_000]).await;
    let dir = tempfile::tempdir().unwrap();
    back_up(&bed, dir.path()).await;
    let body = format!("bodies/{}/{id}", &id.to_string()[..1]);
    for folder in [dir.path(), bed.folder.as_ref().unwrap().path()] {
        rot(&folder.join(&body));
    }
    let report = bed.store.backup(dir.path().to_owned(), true, Arc::default()).await.unwrap();
    assert_eq!((report.mended, report.unreadable), (vec![body.clone()], vec![body]));
}
