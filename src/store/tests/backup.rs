//! Backups of a store that is in use, and folders that are put back from them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::bed::{Bed, net};
use super::secrecy::contains;
use crate::base::{MessageId, SeededEntropy};
use crate::seal::body::{HEADER, Opener, Sealer};
use crate::seal::token::LinkToken;
use crate::store::backup::{self, BackupError, Report};
use crate::store::engine::Space;
use crate::store::intake::NewMessage;
use crate::store::jobs::JobEnd;
use crate::store::progress::Progress;
use crate::store::{Settings, Store};

/// A mail whose body is really sealed, and what is in it.
pub(super) async fn sealed(bed: &Bed, to: &str, plain: &[u8]) -> (NewMessage, LinkToken) {
    let (mut mail, tokens) = bed.mail(&[to], 10).await;
    let mut out = Vec::new();
    let mut sealer = Sealer::new(&mail.content_key, mail.id, &*bed.entropy, &mut out);
    sealer.push(plain, &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    let mut body = bed.store.new_body(mail.id).unwrap();
    body.write(&out).await.unwrap();
    mail.body = body.finish().await.unwrap();
    (mail, tokens.into_iter().next().unwrap())
}

/// Takes such a mail.
pub(super) async fn take(bed: &Bed, to: &str, plain: &[u8]) -> (MessageId, LinkToken) {
    let (mail, token) = sealed(bed, to, plain).await;
    let id = mail.id;
    bed.store.take(mail).await.unwrap().unwrap();
    (id, token)
}

/// What a body says, through link, lock and keys.
pub(super) async fn read(store: &Store, token: &LinkToken) -> Vec<u8> {
    let view = store.grant(token).await.unwrap().expect("the link is known");
    let id = view.grant.message;
    let key = store.content_key(view.grant.conversation, id).await.unwrap().expect("its key is there");
    let body = store.body(id).await.unwrap().expect("its body is there");
    let header = body.read_at(0, HEADER).await.unwrap();
    let opener = Opener::new(&key, id, &header, body.len()).unwrap();
    let mut plain = Vec::new();
    for index in 0..opener.chunks() {
        let (offset, len) = opener.place(index).unwrap();
        plain.extend(opener.open(index, &body.read_at(offset, len).await.unwrap()).unwrap().iter());
    }
    plain
}

pub(super) async fn back_up(bed: &Bed, to: &Path) -> Report {
    bed.store.backup(to.to_owned(), false, Arc::default()).await.unwrap()
}

pub(super) fn restore(from: &Path, into: &Path) -> Result<backup::Restored, BackupError> {
    backup::restore(from, into, false, &Progress::default())
}

/// Opens a folder that was put back.
pub(super) async fn opened(bed: &Bed, folder: &Path, seed: u64) -> (Store, crate::store::OpenReport) {
    let settings = Settings { folder: folder.to_owned(), min_free: 0 };
    Store::open(settings, bed.keyring.clone(), bed.clock.clone(), Arc::new(SeededEntropy::new(seed))).await.unwrap()
}

/// All files under a folder but its lock.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.retain(|path| !path.ends_with("lock"));
    files.sort();
    files
}

fn length(n: usize) -> usize {
    if n.is_multiple_of(5) { 150_000 } else { 500 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_under_load_holds_every_message_taken_before_it() {
    let mut bed = Bed::local().await;
    let mut links = Vec::new();
    for n in 0..15 {
        let plain = vec![u8::try_from(n).unwrap(); length(n)];
        links.push((take(&bed, &format!("r{n}@example.nl"), &plain).await.1, plain));
        if n % 5 == 4 {
            // Each run of the store closes a segment.
            bed.restart().await;
        }
    }
    let view = bed.view(&links[0].0).await;
    let cookie = bed.cookie();
    bed.try_from(&view, 1).await;
    bed.store.open_session(&view, net(1), &cookie).await.unwrap();

    let dir = tempfile::tempdir().unwrap();
    let bed = Arc::new(bed);
    let stop = Arc::new(AtomicBool::new(false));
    let progressed = Arc::new(AtomicUsize::new(0));
    let load = {
        let (bed, stop, progressed) = (Arc::clone(&bed), Arc::clone(&stop), Arc::clone(&progressed));
        tokio::spawn(async move {
            let mut taken = 0;
            while !stop.load(Ordering::SeqCst) {
                take(&bed, &format!("load{taken}@example.nl"), &vec![9; length(taken)]).await;
                // Each end of a job erases its secret in place.
                for job in bed.store.lease_due(bed.now(), 4).await.unwrap() {
                    bed.store.finish_job(job.id, JobEnd::Done).await.unwrap();
                }
                taken += 1;
                progressed.store(taken, Ordering::SeqCst);
            }
        })
    };
    let mut reports = Vec::new();
    while reports.len() < 3 || progressed.load(Ordering::SeqCst) < 10 {
        reports.push(back_up(&bed, dir.path()).await);
    }
    stop.store(true, Ordering::SeqCst);
    load.await.unwrap();
    assert!(reports.is_sorted_by_key(|report| report.head.sequence));
    assert!(reports.iter().all(|report| report.unreadable.is_empty()), "{reports:?}");

    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("data");
    let restored = restore(dir.path(), &folder).unwrap();
    let last = reports.last().unwrap();
    assert_eq!((restored.head, restored.files), (last.head.clone(), last.files));
    let (store, report) = opened(&bed, &folder, 50).await;
    assert!(report.restored.is_some() && report.quarantined.is_empty() && report.cut == 0, "{report:?}");
    for (token, plain) in &links {
        assert_eq!(&read(&store, token).await, plain);
    }
    let check = store.check(false, Arc::default()).await.unwrap();
    assert!(check.is_sound(), "{:?}", check.findings);
    assert!(store.session(&cookie, &super::bed::LIMITS).await.unwrap().is_none(), "no session goes on");
    assert!(bed.store.session(&cookie, &super::bed::LIMITS).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_further_run_copies_only_what_is_new() {
    let mut bed = Bed::local().await;
    for n in 0..6 {
        take(&bed, "jan@example.nl", &vec![1; length(n)]).await;
        bed.restart().await;
    }
    let dir = tempfile::tempdir().unwrap();
    let first = back_up(&bed, dir.path()).await;
    // Six closed segments and the open one, two bodies, the wrapped secret.
    assert_eq!((first.files, first.copied, first.removed), (10, 10, 0));
    let again = back_up(&bed, dir.path()).await;
    assert_eq!((again.files, again.copied, again.copied_bytes, again.removed), (10, 0, 0, 0));
    take(&bed, "jan@example.nl", &vec![2; 150_000]).await;
    let third = back_up(&bed, dir.path()).await;
    assert_eq!((third.files, third.copied, third.removed), (11, 2, 1), "the open segment and the body");
    // Nobody needs more than common tools to compare the hashes.
    let text = fs::read_to_string(dir.path().join("manifest")).unwrap();
    assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_erased_is_gone_from_the_next_backup() {
    let mut bed = Bed::local().await;
    take(&bed, "jan@example.nl", b"Dag").await;
    let secrets: Vec<Vec<u8>> =
        bed.raw().await.into_iter().filter(|(key, _)| key.space == Space::JobSecret).map(|(_, value)| value).collect();
    assert_eq!(secrets.len(), 2);
    bed.restart().await;
    let dir = tempfile::tempdir().unwrap();
    back_up(&bed, dir.path()).await;
    let holds = |secret: &Vec<u8>| files(dir.path()).iter().any(|path| contains(&fs::read(path).unwrap(), secret));
    assert!(secrets.iter().all(holds));
    for job in bed.store.lease_due(bed.now(), 10).await.unwrap() {
        bed.store.finish_job(job.id, JobEnd::Done).await.unwrap();
    }
    let report = back_up(&bed, dir.path()).await;
    assert!(!secrets.iter().any(holds), "{report:?}");
    assert_eq!((report.copied, report.removed), (2, 2), "the segment of the mail, and the open one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_named() {
    let bed = Bed::local().await;
    let (_, small) = take(&bed, "jan@example.nl", b"Dag").await;
    let (large, _) = take(&bed, "piet@example.nl", &vec![7; 150_000]).await;
    let dir = tempfile::tempdir().unwrap();
    back_up(&bed, dir.path()).await;
    let home = tempfile::tempdir().unwrap();
    let into = home.path().join("data");
    for path in files(dir.path()) {
        let whole = fs::read(&path).unwrap();
        let name = path.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for bad in [Some(flipped), None] {
            match bad {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            match restore(dir.path(), &into).unwrap_err() {
                BackupError::Damaged(names) => assert_eq!(names, [name.as_str()]),
                BackupError::Manifest(_) | BackupError::Nothing(_) => assert_eq!(name, "manifest"),
                BackupError::NoKey(path) => assert_eq!(path, dir.path().join(&name)),
                other => panic!("{name}: {other}"),
            }
            assert!(!into.exists(), "nothing is written: {name}");
        }
        fs::write(&path, whole).unwrap();
    }
    // What is whole can be had all the same, and the check says whose message is not.
    let body = files(dir.path()).into_iter().find(|path| path.ends_with(large.to_string())).unwrap();
    let mut bytes = fs::read(&body).unwrap();
    bytes[70_000] ^= 1;
    fs::write(&body, bytes).unwrap();
    let restored = backup::restore(dir.path(), &into, true, &Progress::default()).unwrap();
    assert_eq!(restored.damaged.len(), 1);
    let (store, _) = opened(&bed, &into, 51).await;
    assert_eq!(read(&store, &small).await, b"Dag");
    let check = store.check(false, Arc::default()).await.unwrap();
    let [finding] = check.findings.as_slice() else { panic!("{:?}", check.findings) };
    assert_eq!(finding.place, format!("body {large}"));
    assert_eq!(finding.whom.as_ref().unwrap().recipients, ["piet@example.nl"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_run_leaves_the_backup_before() {
    let bed = Bed::local().await;
    let (_, first) = take(&bed, "jan@example.nl", &vec![1; 150_000]).await;
    let dir = tempfile::tempdir().unwrap();
    let before = back_up(&bed, dir.path()).await;
    take(&bed, "jan@example.nl", &vec![2; 150_000]).await;
    let progress = Arc::new(Progress::default());
    progress.stop();
    let stopped = bed.store.backup(dir.path().to_owned(), false, progress).await.unwrap_err();
    assert!(matches!(stopped, BackupError::Stopped), "{stopped}");
    // As a kill leaves it.
    fs::write(dir.path().join("part/body"), b"half a bo").unwrap();
    fs::write(dir.path().join("manifest.new"), b"# zegel ba").unwrap();
    let home = tempfile::tempdir().unwrap();
    let into = home.path().join("data");
    assert_eq!(restore(dir.path(), &into).unwrap().head, before.head);
    let (store, _) = opened(&bed, &into, 52).await;
    assert_eq!(read(&store, &first).await, vec![1; 150_000]);
    let after = back_up(&bed, dir.path()).await;
    assert_eq!((after.files, fs::read_dir(dir.path().join("part")).unwrap().count()), (before.files + 1, 0));
    restore(dir.path(), &home.path().join("again")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_folder_sends_nothing_until_it_is_let_go() {
    let bed = Bed::local().await;
    take(&bed, "jan@example.nl", b"Dag").await;
    let dir = tempfile::tempdir().unwrap();
    back_up(&bed, dir.path()).await;
    let home = tempfile::tempdir().unwrap();
    let into = home.path().join("data");
    restore(dir.path(), &into).unwrap();
    for (seed, restored) in [(53, true), (54, true), (55, false)] {
        let (store, report) = opened(&bed, &into, seed).await;
        assert_eq!(report.restored.is_some(), restored, "{seed}");
        assert!(store.is_held() && store.lease_due(bed.now(), 10).await.unwrap().is_empty(), "{seed}");
        assert_eq!(store.next_due().await.unwrap(), None);
        assert!(store.held().await.unwrap().unwrap().why.contains("backup"), "{seed}");
        assert_eq!(store.jobs(10).await.unwrap().len(), 2, "they can be looked at");
        if seed == 54 {
            store.restore_is_done().unwrap();
        }
        store.close().await;
    }
    let (store, _) = opened(&bed, &into, 56).await;
    assert!(store.release_queue().await.unwrap() && !store.release_queue().await.unwrap());
    assert_eq!(store.lease_due(bed.now(), 10).await.unwrap().len(), 2);
    store.close().await;
    drop(store);
    let (store, _) = opened(&bed, &into, 57).await;
    assert!(!store.is_held(), "it stays let go");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compacted_store_is_put_back_whole() {
    let mut bed = Bed::local().await;
    let mut links = Vec::new();
    for n in 0..4 {
        links.push(take(&bed, "jan@example.nl", &[n; 500]).await.1);
        bed.restart().await;
    }
    let dir = tempfile::tempdir().unwrap();
    back_up(&bed, dir.path()).await;
    for job in bed.store.lease_due(bed.now(), 10).await.unwrap() {
        bed.store.finish_job(job.id, JobEnd::Done).await.unwrap();
    }
    let compacted = bed.store.compact().await.unwrap();
    assert!(compacted.segments > 0, "{compacted:?}");
    let report = back_up(&bed, dir.path()).await;
    assert!(report.removed >= compacted.segments, "{report:?} {compacted:?}");
    let home = tempfile::tempdir().unwrap();
    let into = home.path().join("data");
    restore(dir.path(), &into).unwrap();
    let (store, report) = opened(&bed, &into, 70).await;
    assert!(report.lost.is_empty() && report.quarantined.is_empty(), "{report:?}");
    for (n, link) in links.iter().enumerate() {
        assert_eq!(read(&store, link).await, [u8::try_from(n).unwrap(); 500]);
    }
    let check = store.check(false, Arc::default()).await.unwrap();
    assert!(check.is_sound(), "{:?}", check.findings);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_goes_while_it_is_copied_is_in_the_backup_and_then_gone() {
    let bed = Bed::local().await;
    let (mail, _) = sealed(&bed, "jan@example.nl", &vec![3; 150_000]).await;
    let id = mail.id;
    let prepared = bed.store.prepare(mail).await.unwrap().unwrap();
    let held = bed.store.inner.engine.hold_bodies().unwrap();
    bed.store.drop_prepared(prepared).await.unwrap();
    assert!(bed.store.inner.engine.open_body(id).await.unwrap().is_some(), "the moment before still names it");
    drop(held);
    assert!(bed.store.inner.engine.open_body(id).await.unwrap().is_none());
    let spaces: BTreeSet<Space> = bed.raw().await.into_keys().map(|key| key.space).collect();
    assert_eq!(spaces, BTreeSet::from([Space::Meta]));
}

/// Who puts a backup back hears which places of its journal are damaged, and which files of it are not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_is_put_back_is_read() {
    let mut bed = Bed::local().await;
    for to in ["jan@example.nl", "piet@example.nl"] {
        take(&bed, to, &[1; 600]).await;
        bed.restart().await;
    }
    let segment = bed.folder.as_ref().unwrap().path().join("journal/0000000000000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert_eq!(back_up(&bed, dir.path()).await.unreadable.len(), 1);
    let restored = restore(dir.path(), &home.path().join("data")).unwrap();
    let [place] = restored.unsound.as_slice() else { panic!("{:?}", restored.unsound) };
    assert!(place.starts_with("journal 1:") && restored.damaged.is_empty(), "{restored:?}");
    let copy = files(&dir.path().join("journal")).remove(0);
    fs::remove_file(&copy).unwrap();
    let restored = backup::restore(dir.path(), &home.path().join("again"), true, &Progress::default()).unwrap();
    let name = copy.strip_prefix(dir.path()).unwrap().to_str().unwrap();
    assert_eq!((restored.damaged, restored.unsound), (vec![name.to_owned()], vec!["journal 1".to_owned()]));
}
