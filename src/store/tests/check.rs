//! What a check finds, for whom, and what repair makes good.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use super::backup::{read, sealed, take};
use super::bed::{Bed, SENDER, net, on_each_engine};
use crate::store::check::{Damage, Report};
use crate::store::engine::{Batch, Key, Space, Write};

async fn checked(bed: &Bed, repair: bool) -> Report {
    bed.store.check(repair, Arc::default()).await.unwrap()
}

async fn delete(bed: &Bed, place: Key) {
    let batch = Batch { checks: Vec::new(), writes: vec![Write::Delete(place)] };
    bed.store.inner.engine.commit(batch).await.unwrap();
}

/// One message in every state that there is: opened, tried, noticed, and one that waits.
async fn full(bed: &Bed) {
    let (_, token) = take(bed, "jan@example.nl", b"Dag").await;
    let view = bed.view(&token).await;
    bed.try_from(&view, 1).await;
    bed.store.open_session(&view, net(1), &bed.cookie()).await.unwrap();
    let (mut mail, _) = sealed(bed, "jan@example.nl", &vec![1; 150_000]).await;
    mail.deliveries[0].repeat_key = Some([3; 32]);
    bed.store.take(mail).await.unwrap().unwrap();
}

on_each_engine! {
    async fn what_was_taken_is_sound(bed) {
        full(&bed).await;
        let report = checked(&bed, false).await;
        assert!(report.is_sound() && report.complete, "{:?}", report.findings);
        assert_eq!((report.bodies, report.sealed_off), (2, 0));
        assert!(report.body_bytes > 150_000 && report.records >= 30, "{report:?}");
        let (mail, _) = sealed(&bed, "piet@example.nl", b"Dag").await;
        bed.store.prepare(mail).await.unwrap().unwrap();
        let report = checked(&bed, false).await;
        assert!(report.is_sound(), "what is prepared is no damage: {:?}", report.findings);
    }

    /// Each record in turn is missing: what is said of it, and whether repair mends what is left.
    async fn a_missing_record_is_found(bed) {
        use Damage::{Body, Dangling, Missing, Orphan, Unlisted};
        full(&bed).await;
        let all = bed.raw().await;
        let mut seen: BTreeMap<Space, Vec<Damage>> = BTreeMap::new();
        for (place, value) in &all {
            delete(&bed, place.clone()).await;
            let report = checked(&bed, false).await;
            seen.entry(place.space).or_default().extend(report.counts.keys());
            bed.overwrite(place.clone(), value).await;
        }
        assert!(checked(&bed, false).await.is_sound(), "and all is well again");
        let expected: [(Space, &[Damage]); 19] = [
            (Space::Message, &[Missing, Orphan, Dangling]),
            (Space::Manifest, &[Missing]),
            (Space::Body, &[Body]),
            (Space::Conversation, &[Missing, Orphan]),
            (Space::Lock, &[Missing]),
            (Space::ContentKey, &[Missing]),
            (Space::Contact, &[Missing, Orphan, Dangling]),
            (Space::Verifier, &[Missing]),
            (Space::ContactIndex, &[Missing]),
            (Space::Grant, &[Missing, Orphan, Dangling]),
            (Space::GrantTries, &[]),
            (Space::ContactTries, &[]),
            (Space::Session, &[]),
            (Space::Job, &[Orphan, Dangling]),
            (Space::JobDue, &[Unlisted]),
            (Space::ByAddress, &[Unlisted]),
            (Space::Expiry, &[Unlisted]),
            (Space::Delivery, &[Missing]),
            (Space::ByContact, &[]),
        ];
        for (space, damages) in expected {
            let seen = seen.get(&space).unwrap_or_else(|| panic!("no record of {space:?}"));
            for damage in [Body, Missing, Orphan, Dangling, Unlisted] {
                assert_eq!(seen.contains(&damage), damages.contains(&damage), "{space:?}: {damage:?} in {seen:?}");
            }
        }
    }

    async fn a_changed_record_is_found_and_said_for_whom(bed) {
        let (id, _) = take(&bed, "jan@example.nl", b"Dag").await;
        take(&bed, "piet@example.nl", b"Dag").await;
        for place in bed.raw().await.into_keys().filter(|key| !matches!(key.space, Space::Meta | Space::Body)) {
            let value = bed.raw().await.remove(&place).unwrap();
            bed.overwrite(place.clone(), &[value.as_slice(), b"x"].concat()).await;
            let report = checked(&bed, true).await;
            if matches!(place.space, Space::JobDue | Space::ByAddress | Space::Expiry | Space::Reference) {
                // Their keys say all there is to say.
                assert!(report.is_sound(), "{place:?}");
            } else {
                let told = report.findings.iter().any(|finding| finding.damage == Damage::Record && !finding.mended);
                assert!(told && !report.is_sound(), "{place:?}: {:?}", report.findings);
            }
            bed.overwrite(place, &value).await;
            assert!(checked(&bed, false).await.is_sound());
        }
        let lock = bed.places(Space::Message).await.into_iter().find(|key| key.bytes == id.as_bytes()).unwrap();
        bed.overwrite(lock, b"spoilt").await;
        let report = checked(&bed, false).await;
        let whom = report.findings[0].whom.as_ref().unwrap();
        assert_eq!((whom.message.clone(), whom.recipients.clone()), (id.to_string(), vec!["jan@example.nl".to_owned()]));
        assert_eq!((whom.sender.as_deref(), whom.references.as_slice()), (Some(SENDER), &["K7QF-2M9D".to_owned()][..]));
        let text = serde_json::to_string(&report).unwrap();
        assert!(!text.contains("canary-subject") && !text.contains("87654321"), "{text}");
    }

    async fn repair_lists_what_fell_off_a_list_and_drops_what_leads_nowhere(bed) {
        let (_, token) = take(&bed, "jan@example.nl", b"Dag").await;
        for space in [Space::JobDue, Space::Expiry, Space::ByAddress] {
            for place in bed.places(space).await {
                delete(&bed, place).await;
            }
        }
        assert!(bed.store.lease_due(bed.now(), 10).await.unwrap().is_empty());
        let report = checked(&bed, true).await;
        assert_eq!((report.counts.clone(), report.mended), (BTreeMap::from([(Damage::Unlisted, 5)]), 5), "{report:?}");
        assert_eq!(bed.store.lease_due(bed.now(), 10).await.unwrap().len(), 2);
        assert_eq!(read(&bed.store, &token).await, b"Dag");
        // A message whose record is gone: what is left of it is put aside.
        delete(&bed, bed.places(Space::Message).await.remove(0)).await;
        let report = checked(&bed, true).await;
        assert!(report.mended > 3 && !report.is_sound(), "its link still names it: {report:?}");
        let left = checked(&bed, false).await;
        assert_eq!(left.counts.keys().copied().collect::<Vec<_>>(), [Damage::Missing], "{:?}", left.findings);
        if let Some(folder) = &bed.folder {
            let kept = fs::read_dir(folder.path().join("quarantine")).unwrap().count();
            assert!(kept >= 3, "{kept}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bit_of_any_body_is_found() {
    let bed = Bed::local().await;
    let strict = super::strict::large(&bed).await.to_string();
    let path = bed.folder.as_ref().unwrap().path().join("bodies").join(&strict[..1]).join(&strict);
    let report = checked(&bed, false).await;
    assert!(report.is_sound() && (report.bodies, report.compared, report.sealed_off) == (0, 1, 0), "{report:?}");
    let whole = fs::read(&path).unwrap();
    for at in [0, 20, 70_000, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&path, flipped).unwrap();
        let report = checked(&bed, false).await;
        assert_eq!(report.counts, BTreeMap::from([(Damage::Body, 1)]), "byte {at}: {report:?}");
        assert_eq!(report.findings[0].whom.as_ref().unwrap().message, strict, "byte {at}");
    }
    fs::write(&path, whole).unwrap();
    assert!(checked(&bed, false).await.is_sound());
    let (small, _) = take(&bed, "jan@example.nl", b"Dag").await;
    let (large, _) = take(&bed, "piet@example.nl", &vec![1; 150_000]).await;
    let name = large.to_string();
    let path = bed.folder.as_ref().unwrap().path().join("bodies").join(&name[..1]).join(&name);
    let whole = fs::read(&path).unwrap();
    for (what, bytes) in [
        ("flipped", {
            let mut bytes = whole.clone();
            bytes[140_000] ^= 1;
            bytes
        }),
        ("cut", whole[..whole.len() - 1].to_vec()),
        ("empty", Vec::new()),
    ] {
        fs::write(&path, bytes).unwrap();
        let report = checked(&bed, true).await;
        assert_eq!(report.counts, BTreeMap::from([(Damage::Body, 1)]), "{what}: {report:?}");
        assert_eq!(report.findings[0].whom.as_ref().unwrap().recipients, ["piet@example.nl"], "{what}");
        assert!(path.exists(), "what cannot be mended stays: {what}");
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(checked(&bed, false).await.counts, BTreeMap::from([(Damage::Body, 1)]));
    fs::write(&path, whole).unwrap();
    let place = crate::store::places::body(small);
    let mut value = bed.raw().await.remove(&place).unwrap();
    *value.last_mut().unwrap() ^= 1;
    bed.overwrite(place, &value).await;
    assert_eq!(checked(&bed, false).await.counts, BTreeMap::from([(Damage::Body, 1)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_nothing_names_is_put_aside() {
    let bed = Bed::local().await;
    let (id, _) = take(&bed, "jan@example.nl", &vec![1; 150_000]).await;
    let folder = bed.folder.as_ref().unwrap().path();
    let mut body = bed.store.new_body(crate::base::MessageId([9; 16])).unwrap();
    body.write(&vec![7; 100_000]).await.unwrap();
    let mut left = body.finish().await.unwrap();
    let stray = left.message();
    left = {
        std::mem::forget(left);
        bed.mail(&["piet@example.nl"], 10).await.0.body
    };
    drop(left);
    assert_eq!(checked(&bed, false).await.counts, BTreeMap::from([(Damage::Orphan, 1)]));
    let report = checked(&bed, true).await;
    assert!(report.is_sound() && report.mended == 1, "{report:?}");
    assert!(folder.join("quarantine").join(format!("{stray}.body")).exists());
    assert!(checked(&bed, false).await.counts.is_empty());
    assert!(bed.store.body(id).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bit_of_the_journal_is_found_and_the_index_is_made_anew() {
    let mut bed = Bed::local().await;
    let (_, first) = take(&bed, "jan@example.nl", b"Dag").await;
    let (_, second) = take(&bed, "piet@example.nl", b"Hallo").await;
    bed.restart().await;
    assert!(checked(&bed, false).await.is_sound());
    bed.store.rebuild().await.unwrap();
    assert_eq!(read(&bed.store, &first).await, b"Dag");
    let value = bed.raw().await.remove(&bed.places(Space::Manifest).await.remove(0)).unwrap();
    let journal = bed.folder.as_ref().unwrap().path().join("journal");
    let segment = fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(value.len()).position(|window| window == value).unwrap();
    bytes[at + 10] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let report = checked(&bed, true).await;
    assert_eq!(report.counts, BTreeMap::from([(Damage::Frame, 1), (Damage::Record, 1)]), "{:?}", report.findings);
    assert_eq!(report.mended, 0);
    for (token, plain) in [(first, b"Dag".as_slice()), (second, b"Hallo")] {
        assert_eq!(read(&bed.store, &token).await, plain, "bodies are not concerned");
    }
}

/// Somebody who can write in the folder gives one body the name of another, of the same length.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_under_another_id_does_not_open() {
    let bed = Bed::local().await;
    let mut taken = Vec::new();
    for n in [1, 2] {
        taken.push(take(&bed, &format!("r{n}@example.nl"), &vec![n; 150_000]).await);
    }
    let path = |at: usize| {
        let id = taken[at].0.to_string();
        bed.folder.as_ref().unwrap().path().join("bodies").join(&id[..1]).join(id)
    };
    let aside = path(0).with_extension("aside");
    for (from, to) in [(path(0), aside.clone()), (path(1), path(0)), (aside, path(1))] {
        fs::rename(from, to).unwrap();
    }
    for (id, token) in &taken {
        let view = bed.view(token).await;
        let key = bed.store.content_key(view.grant.conversation, *id).await.unwrap().unwrap();
        let body = bed.store.body(*id).await.unwrap().unwrap();
        let header = body.read_at(0, crate::seal::body::HEADER).await.unwrap();
        let opened = crate::seal::body::Opener::new(&key, *id, &header, body.len());
        if let Ok(opener) = opened {
            let (offset, len) = opener.place(0).unwrap();
            assert!(opener.open(0, &body.read_at(offset, len).await.unwrap()).is_err());
        }
    }
    let report = checked(&bed, false).await;
    assert_eq!(report.counts, BTreeMap::from([(Damage::Body, 2)]), "{:?}", report.findings);
}
