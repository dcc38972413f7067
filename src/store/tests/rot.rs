//! A backup of a store that rots: what an earlier run copied whole stays, whatever becomes of the store's own files.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::backup::{back_up, files, opened, read, restore, take};
use super::bed::Bed;
use super::secrecy::contains;
use crate::seal::token::LinkToken;
use crate::store::Loss;
use crate::store::check::Damage;
use crate::store::engine::Space;
use crate::store::jobs::JobEnd;

mod beside;
mod since;

fn journal(bed: &Bed) -> PathBuf {
    bed.folder.as_ref().unwrap().path().join("journal")
}

/// The oldest segment, with what was written in it.
fn oldest(bed: &Bed) -> PathBuf {
    files(&journal(bed)).into_iter().find(|path| path.extension().is_some_and(|end| end == "seg")).unwrap()
}

fn flip(path: &Path, at: u64) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

/// Three mails, each in a segment of its own.
async fn three(bed: &mut Bed) -> Vec<(LinkToken, Vec<u8>)> {
    let mut links = Vec::new();
    for n in 0..3 {
        let plain = vec![n; 600];
        links.push((take(bed, &format!("r{n}@example.nl"), &plain).await.1, plain));
        bed.restart().await;
    }
    links
}

/// More than what a run copies in one go: then it looks first at what it has.
async fn bulk(bed: &mut Bed) {
    for n in 0..80 {
        take(bed, &format!("b{n}@example.nl"), &vec![n; 60_000]).await;
    }
    bed.restart().await;
}

async fn opens_all(bed: &Bed, backup: &Path, links: &[(LinkToken, Vec<u8>)], seed: u64, what: &str) {
    let home = tempfile::tempdir().unwrap();
    let into = home.path().join("data");
    restore(backup, &into).unwrap();
    let (store, report) = opened(bed, &into, seed).await;
    assert!(report.quarantined.is_empty() && report.lost.is_empty(), "{what}: {report:?}");
    for (token, plain) in links {
        assert_eq!(&read(&store, token).await, plain, "{what}");
    }
    let check = store.check(false, std::sync::Arc::default()).await.unwrap();
    assert!(check.is_sound(), "{what}: {:?}", check.findings);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_keeps_what_rots_in_the_store() {
    let mut bed = Bed::local().await;
    let links = three(&mut bed).await;
    let dir = tempfile::tempdir().unwrap();
    assert!(back_up(&bed, dir.path()).await.unreadable.is_empty());
    let segment = oldest(&bed);
    let whole = fs::read(&segment).unwrap();
    let end = whole.len() as u64;
    // Opening, header, table, values, footer, trailer.
    for (n, at) in [20, 80, 200, end / 3, end / 2, end - 300, end - 5].into_iter().enumerate() {
        flip(&segment, at);
        for run in 0..3 {
            let report = back_up(&bed, dir.path()).await;
            assert!(!report.unreadable.is_empty(), "byte {at}, run {run}: it is named each time");
            assert_eq!(report.kept, report.unreadable, "byte {at}, run {run}");
        }
        opens_all(&bed, dir.path(), &links, 200 + n as u64, &format!("byte {at}")).await;
        fs::write(&segment, &whole).unwrap();
    }
    // Never both whole at once: what rotted first stays from the first copy, what rotted later from the second.
    for at in [end / 3, end / 2] {
        flip(&segment, at);
        back_up(&bed, dir.path()).await;
    }
    opens_all(&bed, dir.path(), &links, 220, "both").await;
}

/// Each value in turn: named with the message, whole in the backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotten_value_is_named_with_its_message_and_kept() {
    let mut bed = Bed::local().await;
    let (id, link) = take(&bed, "jan@example.nl", b"Dag").await;
    bed.restart().await;
    let dir = tempfile::tempdir().unwrap();
    back_up(&bed, dir.path()).await;
    let segment = oldest(&bed);
    let bytes = fs::read(&segment).unwrap();
    for (n, space) in [Space::Body, Space::Lock, Space::ContentKey, Space::Message].into_iter().enumerate() {
        let value = bed.raw().await.into_iter().find(|(key, _)| key.space == space).unwrap().1;
        let at = bytes.windows(value.len()).position(|window| window == value).unwrap() as u64;
        flip(&segment, at + 3);
        for _ in 0..2 {
            let report = back_up(&bed, dir.path()).await;
            assert_eq!((report.unreadable.len(), report.kept.len()), (1, 1), "{space:?}: {report:?}");
            let messages: Vec<&str> = report.messages.iter().map(|whom| whom.message.as_str()).collect();
            assert_eq!(messages, [id.to_string()], "{space:?}");
        }
        opens_all(&bed, dir.path(), &[(link.clone(), b"Dag".to_vec())], 300 + n as u64, &format!("{space:?}")).await;
        flip(&segment, at + 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_erased_in_a_rotten_segment_is_gone_from_the_backup() {
    for place in ["header", "value"] {
        let mut bed = Bed::local().await;
        take(&bed, "jan@example.nl", b"Dag").await;
        let raw = bed.raw().await;
        let of = |space: Space| raw.iter().filter(move |(key, _)| key.space == space).map(|(_, value)| value.clone());
        let (secrets, body) = (of(Space::JobSecret).collect::<Vec<_>>(), of(Space::Body).next().unwrap());
        bed.restart().await;
        let dir = tempfile::tempdir().unwrap();
        back_up(&bed, dir.path()).await;
        let segment = oldest(&bed);
        let bytes = fs::read(&segment).unwrap();
        let find = |what: &[u8]| bytes.windows(what.len()).position(|window| window == what).unwrap();
        // The header of the frame that the secrets are in.
        let header =
            find(&body) - bytes[..find(&body)].windows(4).rev().position(|window| window == b"ZGLf").unwrap() - 4;
        flip(&segment, if place == "header" { header as u64 + 60 } else { find(&body) as u64 });
        let holds = |secret: &Vec<u8>| files(dir.path()).iter().any(|path| contains(&fs::read(path).unwrap(), secret));
        back_up(&bed, dir.path()).await;
        assert!(secrets.iter().all(holds), "{place}");
        for job in bed.store.lease_due(bed.now(), 10).await.unwrap() {
            bed.store.finish_job(job.id, JobEnd::Done).await.unwrap();
        }
        let report = back_up(&bed, dir.path()).await;
        assert!(!secrets.iter().any(holds), "{place}: {report:?}");
        assert_eq!((report.unreadable.len(), report.kept.len()), (1, 1), "{place}: {report:?}");
        let left: BTreeSet<Space> = bed.raw().await.into_keys().map(|key| key.space).collect();
        assert!(!left.contains(&Space::JobSecret));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_copy_of_a_lost_segment_stays() {
    let mut bed = Bed::local().await;
    let links = three(&mut bed).await;
    let dir = tempfile::tempdir().unwrap();
    back_up(&bed, dir.path()).await;
    let segment = oldest(&bed);
    bed.stop().await;
    fs::remove_file(&segment).unwrap();
    bed.restart().await;
    for run in 0..2 {
        let report = back_up(&bed, dir.path()).await;
        let name = format!("journal/{}", segment.file_name().unwrap().to_str().unwrap());
        assert_eq!((&report.unreadable, &report.kept), (&vec![name.clone()], &vec![name]), "run {run}");
    }
    opens_all(&bed, dir.path(), &links, 400, "a lost segment").await;
}

/// A disk that gives nothing of one file: it is named, all else is copied, and what an earlier run had of it stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_read_costs_no_backup() {
    let mut bed = Bed::local().await;
    let links = three(&mut bed).await;
    bulk(&mut bed).await;
    let (early, late) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    back_up(&bed, early.path()).await;
    bed.store.inner.engine.make_unreadable(1);
    for run in 0..2 {
        let report = back_up(&bed, early.path()).await;
        assert!(!report.unreadable.is_empty(), "run {run}");
        assert_eq!(report.kept, report.unreadable, "run {run}");
    }
    opens_all(&bed, early.path(), &links, 600, "an unreadable file").await;
    let report = back_up(&bed, late.path()).await;
    assert!(!report.unreadable.is_empty() && report.kept.is_empty(), "{report:?}");
    let home = tempfile::tempdir().unwrap();
    restore(late.path(), &home.path().join("data")).unwrap();
    let (store, report) = opened(&bed, &home.path().join("data"), 601).await;
    assert_eq!(report.lost, [Loss::Segment(1)], "nothing is left of it");
    for (token, plain) in &links[1..] {
        assert_eq!(&read(&store, token).await, plain);
    }
    store.close().await;
}

/// Two mails of which the store lost the second with the end of its journal, after the first run of a backup or before it.
async fn with_a_lost_end(bed: &mut Bed, backup: Option<&Path>) -> (Vec<(LinkToken, Vec<u8>)>, u64) {
    let mut links = vec![(take(bed, "jan@example.nl", b"Dag Jan").await.1, b"Dag Jan".to_vec())];
    let newest =
        files(&journal(bed)).into_iter().rfind(|path| path.extension().is_some_and(|end| end == "seg")).unwrap();
    let end = fs::metadata(&newest).unwrap().len();
    links.push((take(bed, "piet@example.nl", b"Dag Piet").await.1, b"Dag Piet".to_vec()));
    if let Some(backup) = backup {
        back_up(bed, backup).await;
    }
    bed.stop().await;
    fs::File::options().write(true).open(&newest).unwrap().set_len(end).unwrap();
    bed.restart().await;
    assert_eq!(bed.store.losses(), [Loss::Tail(1, end)]);
    (links, end)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_the_store_lost_stays_in_the_backup_until_it_is_given_up() {
    let mut bed = Bed::local().await;
    let dir = tempfile::tempdir().unwrap();
    let (links, end) = with_a_lost_end(&mut bed, Some(dir.path())).await;
    let place = format!("journal/{:016x}.seg:{end}", 1);
    for run in 0..3 {
        let report = back_up(&bed, dir.path()).await;
        assert_eq!((&report.unreadable, &report.kept), (&vec![place.clone()], &vec![place.clone()]), "run {run}");
        assert!(run == 0 || (report.mended.is_empty() && report.copied_bytes < 200), "run {run}: {report:?}");
        bed.restart().await;
    }
    // As it is: without the second mail, and told. The bodies that it may name stay.
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    restore(dir.path(), &data).unwrap();
    let (store, report) = opened(&bed, &data, 700).await;
    assert_eq!(report.lost, [Loss::Tail(1, end)]);
    assert_eq!(read(&store, &links[0].0).await, links[0].1);
    assert!(store.grant(&links[1].0).await.unwrap().is_none());
    store.close().await;
    // As the manual tells: with the copy in the place of the file and of all that came later.
    let again = home.path().join("again");
    restore(dir.path(), &again).unwrap();
    let kept =
        files(&again.join("quarantine")).into_iter().find(|path| path.extension().is_some_and(|end| end == "seg"));
    for path in
        files(&again.join("journal")).into_iter().filter(|path| path.extension().is_some_and(|end| end == "seg"))
    {
        fs::remove_file(path).unwrap();
    }
    fs::rename(kept.unwrap(), again.join("journal").join(format!("{:016x}.seg", 1))).unwrap();
    fs::remove_file(again.join("quarantine").join(format!("{:016x}-{end:012x}.lost", 1))).unwrap();
    let (store, report) = opened(&bed, &again, 701).await;
    assert!(report.lost.is_empty() && report.quarantined.is_empty(), "{report:?}");
    for (token, plain) in &links {
        assert_eq!(&read(&store, token).await, plain);
    }
    store.close().await;
    bed.store.check(true, std::sync::Arc::default()).await.unwrap();
    let report = back_up(&bed, dir.path()).await;
    assert_eq!((report.unreadable.len(), files(&dir.path().join("lost")).len()), (0, 0), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_end_without_an_earlier_copy_is_named_in_every_run() {
    let mut bed = Bed::local().await;
    let (_, end) = with_a_lost_end(&mut bed, None).await;
    let dir = tempfile::tempdir().unwrap();
    for run in 0..2 {
        let report = back_up(&bed, dir.path()).await;
        assert_eq!(report.unreadable, [format!("journal/{:016x}.seg:{end}", 1)], "run {run}");
        assert!(report.kept.is_empty(), "run {run}");
    }
}

/// What was erased meanwhile before that end is erased in its copy too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_erased_before_a_lost_end_is_gone_from_its_copy() {
    let mut bed = Bed::local().await;
    let dir = tempfile::tempdir().unwrap();
    let (links, _) = with_a_lost_end(&mut bed, Some(dir.path())).await;
    let lock = bed.raw().await.into_iter().find(|(key, _)| key.space == Space::Lock).unwrap().1;
    let holds = || files(dir.path()).iter().any(|path| contains(&fs::read(path).unwrap(), &lock));
    back_up(&bed, dir.path()).await;
    assert!(holds());
    let message = bed.view(&links[0].0).await.grant.message;
    bed.retention().recall(message, None).await.unwrap();
    back_up(&bed, dir.path()).await;
    assert!(!holds());
}

/// A store that was put back from an older backup uses the numbers of its files again: copies of its life before mend nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_another_life_mends_nothing() {
    let mut bed = Bed::local().await;
    take(&bed, "jan@example.nl", b"Dag").await;
    let (early, late) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    back_up(&bed, early.path()).await;
    bed.restart().await;
    take(&bed, "piet@example.nl", b"Dag Piet").await;
    bed.restart().await;
    back_up(&bed, late.path()).await;
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    restore(early.path(), &data).unwrap();
    bed.stop().await;
    bed.folder = Some(home);
    let (store, _) = opened(&bed, &data, 900).await;
    bed.store = store;
    take(&bed, "klaas@example.nl", b"Dag Klaas").await;
    bed.store.close().await;
    let (store, _) = opened(&bed, &data, 901).await;
    bed.store = store;
    let mut body = bed.raw().await.into_iter().filter(|(key, _)| key.space == Space::Body).map(|(_, value)| value);
    let path = data.join("journal").join(format!("{:016x}.seg", 2));
    let bytes = fs::read(&path).unwrap();
    let at = body.find_map(|body| bytes.windows(body.len()).position(|window| window == body)).unwrap();
    flip(&path, at as u64);
    let damaged = fs::read(&path).unwrap();
    let report = back_up(&bed, late.path()).await;
    assert_eq!((report.unreadable.len(), report.kept.len()), (1, 0), "{report:?}");
    let copy = files(&late.path().join("journal"))
        .into_iter()
        .find(|path| path.to_string_lossy().contains("/0000000000000002-"));
    assert!(fs::read(copy.unwrap()).unwrap() == damaged, "nothing of another file stands in it");
    bed.store.close().await;
}

/// Zeros in the place of a key that counts are no erasure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_the_disk_gives_as_zeros_is_named_and_kept() {
    let mut bed = Bed::local().await;
    let (id, link) = take(&bed, "jan@example.nl", b"Dag").await;
    bed.restart().await;
    let dir = tempfile::tempdir().unwrap();
    back_up(&bed, dir.path()).await;
    let segment = oldest(&bed);
    let bytes = fs::read(&segment).unwrap();
    for (n, space) in [Space::Lock, Space::ContentKey].into_iter().enumerate() {
        let value = bed.raw().await.into_iter().find(|(key, _)| key.space == space).unwrap().1;
        let at = bytes.windows(value.len()).position(|window| window == value).unwrap();
        let mut zeroed = bytes.clone();
        zeroed[at..at + value.len()].fill(0);
        fs::write(&segment, zeroed).unwrap();
        for _ in 0..2 {
            let report = back_up(&bed, dir.path()).await;
            assert_eq!((report.unreadable.len(), report.kept.len()), (1, 1), "{space:?}: {report:?}");
            assert_eq!(report.messages[0].message, id.to_string(), "{space:?}");
        }
        opens_all(&bed, dir.path(), &[(link.clone(), b"Dag".to_vec())], 800 + n as u64, &format!("{space:?}")).await;
        fs::write(&segment, &bytes).unwrap();
    }
}

/// Rot that no earlier copy helps against is named in every run too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rot_without_an_earlier_copy_is_named_in_every_run() {
    for large in [false, true] {
        let mut bed = Bed::local().await;
        three(&mut bed).await;
        if large {
            bulk(&mut bed).await;
        }
        let segment = oldest(&bed);
        flip(&segment, fs::metadata(&segment).unwrap().len() / 2);
        let dir = tempfile::tempdir().unwrap();
        for run in 0..3 {
            let report = back_up(&bed, dir.path()).await;
            assert_eq!((report.unreadable.len(), report.kept.len()), (1, 0), "large {large}, run {run}: {report:?}");
        }
    }
}

/// Nobody here opens a strict body: its checksum tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_rots_does_not_take_the_place_of_its_copy() {
    let bed = Bed::local().await;
    let strict = super::strict::large(&bed).await.to_string();
    let inside = format!("bodies/{}/{strict}", &strict[..1]);
    let path = bed.folder.as_ref().unwrap().path().join(&inside);
    let whole = fs::read(&path).unwrap();
    let verified = async |dir: &Path| bed.store.backup(dir.to_owned(), true, std::sync::Arc::default()).await.unwrap();
    let mut flipped = whole.clone();
    flipped[70_000] ^= 1;
    let late = tempfile::tempdir().unwrap();
    fs::write(&path, &flipped).unwrap();
    let report = verified(late.path()).await;
    assert_eq!((report.unreadable.as_slice(), report.kept.len()), (&[inside.clone()][..], 0), "no copy is whole");
    assert_eq!(report.messages[0].message, strict);
    fs::write(&path, &whole).unwrap();
    let dir = tempfile::tempdir().unwrap();
    back_up(&bed, dir.path()).await;
    for bytes in [flipped, whole[..100_000].to_vec(), Vec::new()] {
        fs::write(&path, bytes).unwrap();
        for _ in 0..2 {
            let report = verified(dir.path()).await;
            assert_eq!((&report.unreadable, &report.kept), (&vec![inside.clone()], &vec![inside.clone()]));
        }
    }
    let home = tempfile::tempdir().unwrap();
    restore(dir.path(), &home.path().join("data")).unwrap();
    assert_eq!(fs::read(home.path().join("data").join(&inside)).unwrap(), whole);
}
