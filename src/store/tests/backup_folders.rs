//! Folders that a backup goes to and is put back in: what is refused, what is left alone, and whose they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::backup::{back_up, opened, read, restore, take};
use super::bed::Bed;
use crate::store::backup::BackupError;
use crate::store::{Settings, Store};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_goes_to_no_other_place() {
    let bed = Bed::local().await;
    take(&bed, "jan@example.nl", b"Dag").await;
    let dir = tempfile::tempdir().unwrap();
    let refused = |folder: PathBuf| async { bed.store.backup(folder, false, Arc::default()).await.unwrap_err() };
    fs::write(dir.path().join("letter.txt"), b"mine").unwrap();
    assert!(matches!(refused(dir.path().to_owned()).await, BackupError::NotEmpty(_)));
    let inside = bed.folder.as_ref().unwrap().path().join("backup");
    assert!(matches!(refused(inside.clone()).await, BackupError::Inside(_)) && !inside.exists());
    let elsewhere = tempfile::tempdir().unwrap();
    let (foreign, _) = opened(&bed, &elsewhere.path().join("data"), 60).await;
    let theirs = tempfile::tempdir().unwrap();
    foreign.backup(theirs.path().to_owned(), false, Arc::default()).await.unwrap();
    assert!(matches!(refused(theirs.path().to_owned()).await, BackupError::Foreign(_)));
    // Nor is one put back over anything.
    let ours = tempfile::tempdir().unwrap();
    back_up(&bed, ours.path()).await;
    assert!(matches!(restore(ours.path(), dir.path()), Err(BackupError::NotNew(_))));
    let within = ours.path().join("new/data");
    assert!(matches!(restore(ours.path(), &within), Err(BackupError::InBackup(_))) && !within.exists());
    assert!(matches!(restore(dir.path(), ours.path()), Err(BackupError::Nothing(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_folder_is_its_owners_alone_and_a_pipe_in_a_backup_is_damage() {
    use std::os::unix::fs::PermissionsExt;
    let bed = Bed::local().await;
    let dir = tempfile::tempdir().unwrap();
    back_up(&bed, dir.path()).await;
    let home = tempfile::tempdir().unwrap();
    let into = home.path().join("data");
    fs::create_dir(&into).unwrap();
    fs::set_permissions(&into, fs::Permissions::from_mode(0o755)).unwrap();
    restore(dir.path(), &into).unwrap();
    assert_eq!(fs::metadata(&into).unwrap().permissions().mode() & 0o777, 0o700);
    let pipe = |path: &Path| {
        fs::remove_file(path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    };
    let segment = fs::read_dir(dir.path().join("journal")).unwrap().next().unwrap().unwrap().path();
    pipe(&segment);
    assert!(matches!(restore(dir.path(), &home.path().join("again")), Err(BackupError::Damaged(_))));
    pipe(&dir.path().join("manifest"));
    assert!(matches!(restore(dir.path(), &home.path().join("again")), Err(BackupError::Manifest(_))));
}

/// Links in the folder of a backup, by which things elsewhere have other names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_writes_over_nothing_that_lies_elsewhere() {
    use std::os::unix::fs::symlink;
    let mut bed = Bed::local().await;
    let (id, token) = take(&bed, "jan@example.nl", &vec![1; 150_000]).await;
    bed.restart().await;
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = |name: &str| dir.path().join(name);
    back_up(&bed, dir.path()).await;
    let victim = home.path().join("victim");
    fs::write(&victim, b"not ours").unwrap();
    let body = format!("bodies/{}/{id}", &id.to_string()[..1]);
    let data = bed.folder.as_ref().unwrap().path().to_owned();
    for name in ["part/body", "part/stray", "manifest.new", "journal/stray.seg", "store.key-stray"] {
        symlink(&victim, at(name)).unwrap();
    }
    fs::hard_link(&victim, at("journal/other.seg")).unwrap();
    // A copy that is none.
    fs::remove_file(at(&body)).unwrap();
    symlink(data.join(&body), at(&body)).unwrap();
    let report = back_up(&bed, dir.path()).await;
    assert_eq!((report.mended, report.unreadable), (vec![body.clone()], vec![]));
    assert_eq!(fs::read(&victim).unwrap(), b"not ours");
    assert!(
        !at("journal/stray.seg").is_symlink()
            && !at("journal/other.seg").exists()
            && !at("store.key-stray").is_symlink()
    );
    assert!(fs::symlink_metadata(at(&body)).unwrap().is_file());
    // A folder that leads into the store itself, or anywhere.
    for name in ["journal", "bodies", "lost", "part"] {
        let (real, aside) = (at(name), home.path().join(name));
        let was = fs::rename(&real, &aside).is_ok();
        symlink(data.join("journal"), &real).unwrap();
        let error = bed.store.backup(dir.path().to_owned(), false, Arc::default()).await.unwrap_err();
        assert!(matches!(&error, BackupError::Linked(path) if *path == real), "{name}: {error}");
        fs::remove_file(&real).unwrap();
        if was {
            fs::rename(aside, real).unwrap();
        }
    }
    bed.restart().await;
    assert_eq!(read(&bed.store, &token).await, vec![1; 150_000]);
    assert!(bed.store.check(false, Arc::default()).await.unwrap().is_sound());
}

/// A disk of its own for the backup, or for what is put back, is not empty when it is new. Nor is a folder whose manifest was moved
/// away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_file_system_is_as_good_as_an_empty_folder() {
    let bed = Bed::local().await;
    let (_, token) = take(&bed, "jan@example.nl", b"Dag").await;
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [dir.path().to_owned(), home.path().join("data")] {
        fs::create_dir_all(folder.join("lost+found")).unwrap();
    }
    back_up(&bed, dir.path()).await;
    fs::remove_file(dir.path().join("manifest")).unwrap();
    fs::create_dir(dir.path().join("lost")).unwrap();
    back_up(&bed, dir.path()).await;
    restore(dir.path(), &home.path().join("data")).unwrap();
    let (store, _) = opened(&bed, &home.path().join("data"), 58).await;
    assert_eq!(read(&store, &token).await, b"Dag");
}

/// What a kill in the middle leaves does not open, nor is another put over it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_was_cut_short_does_not_open() {
    let bed = Bed::local().await;
    take(&bed, "jan@example.nl", b"Dag").await;
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    back_up(&bed, dir.path()).await;
    let into = home.path().join("data");
    restore(dir.path(), &into).unwrap();
    // Written last.
    fs::remove_file(into.join("store.key")).unwrap();
    let settings = Settings { folder: into.clone(), min_free: 0 };
    let opened = Store::open(settings, bed.keyring.clone(), bed.clock.clone(), bed.entropy.clone()).await;
    assert!(matches!(opened, Err(crate::store::OpenError::NoSecret(_))));
    assert!(matches!(restore(dir.path(), &into), Err(BackupError::NotNew(_))));
}
