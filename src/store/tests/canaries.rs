//! What was removed is not on the disk any more: no key, verifier, code or link token, at whatever step the process ended.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Duration;

use super::bed::{Bed, net};
use super::copied::copy;
use super::folder::files;
use super::retention::steps::What;
use super::secrecy::contains;
use crate::base::MessageId;
use crate::seal::token::LinkToken;
use crate::store::engine::{Key, Space};
use crate::store::jobs::JobEnd;
use crate::store::retention::ledger::Ledger;
use crate::store::retention::{Link, Recall};

/// Bytes that are looked for at a time.
pub(super) const PIECE: usize = 16;

/// Two messages, one with its body in a file, that were read, tried and put off.
async fn lived_in(bed: &Bed) -> (MessageId, Vec<LinkToken>) {
    let (large, tokens) = bed.mail(&["canary-jan@example.nl", "canary-piet@example.nl"], 100_000).await;
    let (small, _) = bed.mail(&["canary-jan@example.nl"], 100).await;
    let id = large.id;
    assert!(bed.store.take(large).await.unwrap().is_ok());
    // The contact was made meanwhile, so that one is built again with it.
    assert!(bed.store.take(small).await.unwrap().is_err());
    let (small, _) = bed.mail(&["canary-jan@example.nl"], 100).await;
    assert!(bed.store.take(small).await.unwrap().is_ok());
    let view = bed.view(&tokens[0]).await;
    bed.try_from(&view, 1).await;
    bed.store.open_session(&view, net(1), &bed.cookie()).await.unwrap();
    for job in bed.store.lease_due(bed.now(), 9).await.unwrap() {
        let later = bed.now() + Duration::from_hours(1);
        bed.store.finish_job(job.id, JobEnd::Retry(later, "450 canary-answer".to_owned())).await.unwrap();
    }
    (id, tokens)
}

/// The values that are to be overwritten when they go.
async fn erasable(bed: &Bed) -> BTreeMap<Key, Vec<u8>> {
    bed.raw().await.into_iter().filter(|(key, _)| key.space.erasable()).collect()
}

/// Begin, middle and end of a value.
pub(super) fn pieces(value: &[u8]) -> impl Iterator<Item = [u8; PIECE]> + '_ {
    let starts = [0, value.len() / 2 - PIECE / 2, value.len() - PIECE];
    starts.into_iter().map(|at| value[at..at + PIECE].try_into().unwrap())
}

/// Which of these pieces lie in a file of the folder.
pub(super) fn found(folder: &Path, wanted: &HashSet<[u8; PIECE]>) -> Vec<String> {
    let mut first = vec![false; 65536];
    let number = |bytes: &[u8]| usize::from(bytes[0]) << 8 | usize::from(bytes[1]);
    for piece in wanted {
        first[number(piece)] = true;
    }
    let mut places = Vec::new();
    for file in files(folder).into_iter().filter(|file| !file.ends_with("reserve")) {
        let bytes = std::fs::read(&file).unwrap();
        for (at, window) in bytes.windows(PIECE).enumerate().filter(|(_, window)| first[number(window)]) {
            if wanted.contains(window) {
                places.push(format!("{}:{at}", file.display()));
            }
        }
        for canary in ["canary-", "87654321", "K7QF-2M9D"] {
            assert!(!contains(&bytes, canary.as_bytes()), "{canary} in {}", file.display());
        }
    }
    places
}

/// What the disk holds at this moment, opened as the next start would after a kill.
async fn killed(bed: &Bed) -> Bed {
    let folder = tempfile::tempdir().unwrap();
    copy(bed.folder.as_ref().unwrap().path(), folder.path());
    let mut again = Bed {
        store: bed.store.clone(),
        clock: bed.clock.clone(),
        entropy: bed.entropy.clone(),
        keyring: bed.keyring.clone(),
        folder: Some(folder),
    };
    (again.store, _) = again.open().await.unwrap();
    again
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_of_a_removed_key_stays_on_disk_whatever_step_was_the_last() {
    for what in [What::Recall, What::Expire, What::Erase] {
        let mut steps = 0;
        loop {
            let bed = Bed::local().await;
            let (id, tokens) = lived_in(&bed).await;
            let before = erasable(&bed).await;
            let all: HashSet<_> = before.values().flat_map(|value| pieces(value)).collect();
            assert!(!found(bed.folder.as_ref().unwrap().path(), &all).is_empty(), "what is looked for can be found");
            if what == What::Expire {
                for job in bed.store.lease_due(bed.now() + Duration::from_hours(2), 9).await.unwrap() {
                    bed.store.finish_job(job.id, JobEnd::Done).await.unwrap();
                }
                bed.clock.advance(Duration::from_hours(90 * 24));
            }
            let ledger = Ledger::in_memory();
            let retention = bed.retention_with(ledger.clone());
            retention.ends_after(steps);
            let whole = what.run(&retention, id, "canary-jan@example.nl").await;
            let again = killed(&bed).await;
            let retention = again.retention_with(ledger);
            what.run(&retention, id, "canary-jan@example.nl").await;
            for _ in 0..4 {
                retention.round().await.unwrap();
            }
            assert!(!matches!(again.store.link(&tokens[0]).await.unwrap(), Link::Open(_)));
            let after = erasable(&again).await;
            again.store.close().await;
            let gone: HashSet<_> = before
                .iter()
                .filter(|(key, value)| after.get(key) != Some(value))
                .flat_map(|(_, value)| pieces(value))
                .collect();
            let left = found(again.folder.as_ref().unwrap().path(), &gone);
            assert!(left.is_empty(), "{what:?} ended after {steps}: {left:?}");
            assert!(gone.len() >= 12, "{what:?}: {} pieces", gone.len());
            if whole {
                break;
            }
            steps += 1;
        }
        assert!(steps >= 4, "{what:?} has {steps} steps");
    }
}

/// The disk refuses the overwrite: the message is gone, and it is not called complete before its keys are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recall_is_not_complete_while_its_keys_cannot_be_overwritten() {
    let mut bed = Bed::local().await;
    let (id, tokens) = lived_in(&bed).await;
    let before = erasable(&bed).await;
    let retention = bed.retention();
    bed.store.inner.engine.fail_overwrite();
    let done = retention.recall(id, None).await.unwrap();
    assert_eq!(done, Recall::Done { recipients: 2, whole: true, complete: false });
    assert!(!matches!(bed.store.link(&tokens[0]).await.unwrap(), Link::Open(_)));
    retention.unfinished().await;
    retention.round().await.unwrap();
    assert!(matches!(retention.recall(id, None).await.unwrap(), Recall::Before { complete: false, .. }));
    drop(retention);
    // The next start overwrites what its frames list.
    bed.restart().await;
    let retention = bed.retention();
    retention.round().await.unwrap();
    assert!(matches!(retention.recall(id, None).await.unwrap(), Recall::Before { complete: true, .. }));
    assert!(bed.places(Space::Purge).await.is_empty());
    let after = erasable(&bed).await;
    bed.store.close().await;
    let gone = before.iter().filter(|(key, _)| !after.contains_key(key)).flat_map(|(_, value)| pieces(value)).collect();
    assert_eq!(found(bed.folder.as_ref().unwrap().path(), &gone), Vec::<String>::new());
}
