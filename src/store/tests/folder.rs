//! The data folder on disk: its secret, who may open it, and what it shows.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bed::Bed;
use super::secrecy::{contains, live};
use crate::base::{OsEntropy, SeededEntropy};
use crate::seal;
use crate::seal::keyring::{RootKeyring, StoreSecret};
use crate::store::check::Damage;
use crate::store::{Loss, OpenError};

fn path(bed: &Bed, name: &str) -> PathBuf {
    bed.folder.as_ref().unwrap().path().join(name)
}

/// Every file under a folder.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// A data folder with a mail in it that nobody has open.
async fn closed() -> Bed {
    let bed = Bed::local().await;
    bed.taken("jan@example.nl").await;
    bed.store.close().await;
    bed
}

#[tokio::test]
async fn no_file_shows_a_person_a_subject_or_a_secret() {
    let bed = Bed::local().await;
    let canaries = live(&bed).await;
    bed.store.close().await;
    let files = files(bed.folder.as_ref().unwrap().path());
    assert!(files.len() > 4, "{files:?}");
    let mut read = 0;
    for file in files {
        let bytes = fs::read(&file).unwrap();
        read += bytes.len();
        for (name, canary) in &canaries {
            assert!(!contains(&bytes, canary), "{name} in {}", file.display());
        }
    }
    assert!(read > 10_000, "there is something to look at");
}

#[tokio::test]
async fn the_secret_is_written_once_for_the_service_alone() {
    let bed = Bed::local().await;
    let secret = fs::read(path(&bed, "store.key")).unwrap();
    assert_eq!(fs::metadata(path(&bed, "store.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let (_, token) = bed.taken("jan@example.nl").await;
    bed.store.close().await;
    let (store, _) = bed.open().await.unwrap();
    assert!(store.grant(&token).await.unwrap().is_some(), "what was hashed is found again");
    assert_eq!(fs::read(path(&bed, "store.key")).unwrap(), secret);
}

#[tokio::test]
async fn a_first_start_that_was_cut_short_is_made_good() {
    let bed = Bed { folder: Some(tempfile::tempdir().unwrap()), ..Bed::memory() };
    fs::write(path(&bed, "store.key.new"), b"half a sec").unwrap();
    let (store, _) = bed.open().await.unwrap();
    store.close().await;
    drop(store);
    bed.open().await.unwrap();
    assert!(!path(&bed, "store.key.new").exists());
}

#[tokio::test]
async fn an_open_folder_is_not_opened_twice() {
    let bed = Bed::local().await;
    assert!(matches!(bed.open().await, Err(OpenError::InUse(_))));
    // Nor when somebody took the lock for a stale one.
    for _ in 0..2 {
        fs::remove_file(path(&bed, "lock")).unwrap();
        assert!(matches!(bed.open().await, Err(OpenError::InUse(_))));
    }
    bed.store.close().await;
    bed.open().await.unwrap();
}

#[tokio::test]
async fn a_secret_that_is_gone_is_not_made_anew_over_data() {
    let bed = closed().await;
    fs::remove_file(path(&bed, "store.key")).unwrap();
    let error = bed.open().await.unwrap_err();
    assert!(matches!(&error, OpenError::NoSecret(path) if path.ends_with("store.key")), "{error}");
    assert!(!path(&bed, "store.key").exists());
}

#[tokio::test]
async fn a_secret_that_does_not_open_says_why() {
    let foreign = RootKeyring::generate(&OsEntropy);
    let foreign = StoreSecret::generate(&OsEntropy).wrap(&foreign, &OsEntropy);
    let bed = closed().await;
    let good = fs::read(path(&bed, "store.key")).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (name, bytes) in
        [("cut", &good[..good.len() / 2]), ("empty", &[]), ("flipped", &flipped), ("foreign", &foreign)]
    {
        fs::write(path(&bed, "store.key"), bytes).unwrap();
        let error = bed.open().await.unwrap_err();
        let is_told = match name {
            "cut" | "empty" => matches!(&error, OpenError::DamagedSecret(_)),
            _ => matches!(&error, OpenError::Key(_)),
        };
        assert!(is_told, "{name}: {error}");
    }
    fs::write(path(&bed, "store.key"), good).unwrap();
    bed.open().await.unwrap();
}

/// What a start would mend (here a torn end of the journal) is left alone by one that cannot open the folder.
#[tokio::test]
async fn a_folder_that_does_not_open_is_left_as_it_is() {
    let mut bed = closed().await;
    let newest = fs::read_dir(path(&bed, "journal")).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let torn = [fs::read(&newest).unwrap(), b"half a fr".to_vec()].concat();
    fs::write(&newest, &torn).unwrap();
    let note = fs::read(path(&bed, "index.state")).unwrap();
    let right = std::mem::replace(&mut bed.keyring, RootKeyring::generate(&OsEntropy));
    assert!(matches!(bed.open().await, Err(OpenError::Key(_))));
    assert_eq!(fs::read(&newest).unwrap(), torn);
    assert_eq!(fs::read(path(&bed, "index.state")).unwrap(), note);
    bed.keyring = right;
    assert_eq!(bed.open().await.unwrap().1.cut, 9);
}

/// The keyring's own key, but another data folder's secret: every record is damaged, and nothing may be written over it.
#[tokio::test]
async fn the_secret_of_another_folder_opens_nothing() {
    let mut bed = closed().await;
    let entropy = SeededEntropy::new(99);
    bed.keyring = RootKeyring::generate(&entropy);
    let other = StoreSecret::generate(&entropy).wrap(&bed.keyring, &entropy);
    fs::write(path(&bed, "store.key"), other).unwrap();
    let error = bed.open().await.unwrap_err();
    assert!(matches!(&error, OpenError::Key(seal::OpenError::WrongKey)), "{error}");
}

/// The records of a body may have stood in a segment that is gone: the body stays until somebody has looked.
#[tokio::test]
async fn no_body_goes_while_a_segment_is_missing() {
    let bed = Bed::local().await;
    let (mail, _) = bed.mail(&["jan@example.nl"], 100_000).await;
    bed.store.take(mail).await.unwrap().unwrap();
    bed.store.close().await;
    let (store, _) = bed.open().await.unwrap();
    store.close().await;
    drop(store);
    let first = fs::read_dir(path(&bed, "journal")).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    fs::remove_file(first).unwrap();
    fs::remove_dir_all(path(&bed, "index")).unwrap();
    for _ in 0..3 {
        let (store, report) = bed.open().await.unwrap();
        assert_eq!((report.lost, report.orphans), (vec![Loss::Segment(1)], 0));
        let checked = store.check(false, Arc::default()).await.unwrap();
        assert!(!checked.is_sound() && checked.counts[&Damage::Lost] == 1, "{checked:?}");
        assert_eq!(store.losses(), [Loss::Segment(1)]);
        store.close().await;
    }
    let (store, _) = bed.open().await.unwrap();
    let checked = store.check(true, Arc::default()).await.unwrap();
    assert!(checked.findings.iter().any(|finding| finding.damage == Damage::Lost && finding.mended), "{checked:?}");
    assert!(store.losses().is_empty());
    store.close().await;
    assert_eq!(bed.open().await.unwrap().1.lost, []);
}

/// A clean stop proves what the journal held: bodies whose records stood in an end that is gone stay.
#[tokio::test]
async fn no_body_goes_while_an_acknowledged_end_is_missing() {
    // Between two frames, and in one, of which a copy lies in quarantine then.
    for more in [0, 20] {
        let bed = Bed::local().await;
        let (small, _) = bed.mail(&["piet@example.nl"], 10).await;
        bed.store.take(small).await.unwrap().unwrap();
        let newest = fs::read_dir(path(&bed, "journal")).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
        let len = fs::metadata(&newest).unwrap().len();
        let (large, _) = bed.mail(&["jan@example.nl"], 100_000).await;
        bed.store.take(large).await.unwrap().unwrap();
        bed.store.close().await;
        fs::File::options().write(true).open(&newest).unwrap().set_len(len + more).unwrap();
        for _ in 0..2 {
            let (store, report) = bed.open().await.unwrap();
            let told = matches!(report.lost[..], [Loss::Tail(..)]);
            assert!(told && report.orphans == 0 && report.cut == 0, "{more}: {report:?}");
            let checked = store.check(false, Arc::default()).await.unwrap();
            assert!(!checked.is_sound() && checked.counts[&Damage::Lost] == 1, "{checked:?}");
            store.close().await;
        }
        let (store, _) = bed.open().await.unwrap();
        assert_eq!(store.inner.engine.bodies().await.unwrap().len(), 1);
    }
}

/// A damaged frame may be the one that named a body: it stays while a copy of that frame lies in quarantine, at every start.
#[tokio::test]
async fn no_body_goes_while_a_damaged_frame_is_in_quarantine() {
    let mut bed = Bed::local().await;
    let (large, _) = bed.mail(&["jan@example.nl"], 100_000).await;
    bed.store.take(large).await.unwrap().unwrap();
    for _ in 0..2 {
        let (small, _) = bed.mail(&["piet@example.nl"], 10).await;
        bed.store.take(small).await.unwrap().unwrap();
    }
    // As a kill leaves it, so that no footer tells what the frame's table told.
    let dead = tempfile::tempdir().unwrap();
    super::copied::copy(bed.folder.as_ref().unwrap().path(), dead.path());
    bed.stop().await;
    bed.folder = Some(dead);
    fs::remove_dir_all(path(&bed, "index")).unwrap();
    let segment = fs::read_dir(path(&bed, "journal")).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let frames: Vec<usize> = bytes.windows(4).enumerate().filter(|(_, is)| is == b"ZGLf").map(|(at, _)| at).collect();
    let of_large = frames[frames.len() - 3];
    bytes[of_large + 90] ^= 1;
    fs::write(&segment, bytes).unwrap();
    for start in 0..3 {
        let (store, report) = bed.open().await.unwrap();
        assert_eq!((report.quarantined.len(), report.orphans), (usize::from(start == 0), 0), "start {start}");
        assert_eq!(store.inner.engine.bodies().await.unwrap().len(), 1, "start {start}");
        store.close().await;
    }
}
