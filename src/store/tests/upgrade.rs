//! Schemas: forward only, resumable, and never opened by what does not know them.

use std::fs;

use super::bed::{Bed, on_each_engine};
use crate::store::migrate::{Migration, run_these};
use crate::store::{OpenError, StoreError, places};

/// Notes in the store that it ran; the second fails as long as there is no note that it may go on.
const STEPS: [Migration; 2] = [
    Migration { to: 2, run: |store| Box::pin(note(store, b"two")) },
    Migration {
        to: 3,
        run: |store| {
            Box::pin(async move {
                note(store, b"three").await?;
                let go_on = store.inner.engine.get(&place(b"go on")).await?;
                go_on.map(drop).ok_or_else(|| StoreError::NotReady("cut short".to_owned()))
            })
        },
    },
];

fn place(name: &[u8]) -> crate::store::engine::Key {
    crate::store::engine::Key { space: crate::store::engine::Space::Meta, bytes: name.to_vec() }
}

/// Counts how often it was noted.
async fn note(store: &crate::store::Store, name: &[u8]) -> Result<(), StoreError> {
    let count = store.inner.read::<u32>(&place(name)).await?.map_or(0, |found| found.record);
    let mut draft = store.inner.draft();
    draft.put(place(name), &(count + 1))?;
    draft.commit().await.map(|_| ())
}

on_each_engine! {
    async fn migrations_run_in_order_and_again_where_they_were_cut_short(bed) {
        let count = async |name: &[u8]| bed.store.inner.read::<u32>(&place(name)).await.unwrap().map(|found| found.record);
        let schema = async || bed.store.inner.read::<u32>(&places::schema()).await.unwrap().map(|found| found.record);
        assert!(run_these(&bed.store, 1, &STEPS).await.is_err());
        assert_eq!((count(b"two").await, count(b"three").await, schema().await), (Some(1), Some(1), Some(2)));
        note(&bed.store, b"go on").await.unwrap();
        run_these(&bed.store, 2, &STEPS).await.unwrap();
        assert_eq!((count(b"two").await, count(b"three").await, schema().await), (Some(1), Some(2), Some(3)));
        run_these(&bed.store, 3, &STEPS).await.unwrap();
        assert_eq!((count(b"two").await, count(b"three").await), (Some(1), Some(2)));
    }
}

/// Every byte of a folder that is refused stays as it is.
#[tokio::test]
async fn a_folder_of_a_newer_release_is_refused_and_not_touched() {
    let bed = Bed::local().await;
    bed.taken("jan@example.nl").await;
    bed.store.close().await;
    let root = bed.folder.as_ref().unwrap().path().to_owned();
    let segment = fs::read_dir(root.join("journal")).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let (schema, opening) = (fs::read(root.join("schema")).unwrap(), fs::read(&segment).unwrap());
    assert_eq!(schema, b"1\n");
    let mut newer = opening.clone();
    newer[6..8].copy_from_slice(b"02");
    let crc = crc32c::crc32c(&newer[..60]).to_le_bytes();
    newer[60..64].copy_from_slice(&crc);
    for (path, bytes, words) in [
        (root.join("schema"), b"2\n".to_vec(), "schema 2"),
        (root.join("schema"), b"x".to_vec(), "format"),
        (segment.clone(), newer, "format"),
    ] {
        let before = fs::read(&path).unwrap();
        fs::write(&path, &bytes).unwrap();
        let error = bed.open().await.unwrap_err();
        assert!(matches!(error, OpenError::Newer(2) | OpenError::UnknownSchema(_)), "{error}");
        assert!(error.to_string().contains(words) && error.to_string().contains("newer"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "not touched");
        fs::write(&path, before).unwrap();
    }
    // A bit that fell over in the opening is damage, no new format.
    let mut flipped = opening.clone();
    flipped[7] ^= 2;
    fs::write(&segment, flipped).unwrap();
    bed.open().await.unwrap();
}

/// Of every space something stands in the fixture that is opened for ever, and a job of every kind.
#[tokio::test]
async fn the_fixture_holds_every_space_and_job_kind() {
    use crate::store::engine::Engine;
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/folder-0.1.0-every");
    let folder = tempfile::tempdir().unwrap();
    super::copied::copy(&fixture.join("data"), folder.path());
    let settings = crate::store::Settings { folder: folder.path().to_owned(), min_free: 0 };
    // As it stands: a store that opens drops what is prepared.
    let (engine, report) =
        Engine::open_local(Engine::claim(&settings).unwrap(), std::sync::Arc::new(crate::base::OsEntropy)).unwrap();
    assert!(report.quarantined.is_empty() && report.cut == 0, "{report:?}");
    let mut empty = Vec::new();
    for space in crate::store::check::SPACES {
        if engine.keys(space, &[], None, 1).await.unwrap().is_empty() {
            empty.push(space);
        }
    }
    assert!(empty.is_empty(), "nothing of {empty:?}");
    engine.close().await;
    drop(engine);
    let keyring = fs::read_to_string(fixture.join("root.keys")).unwrap();
    let keyring = crate::seal::keyring::RootKeyring::parse(&keyring).unwrap();
    let bed = Bed { folder: Some(folder), keyring, ..Bed::memory() };
    let (store, _) = bed.open().await.unwrap();
    let kinds: std::collections::BTreeSet<&str> =
        store.jobs(1000).await.unwrap().into_iter().map(|(_, job)| job.kind.name()).collect();
    // As `JobKind::name` says them.
    let all = [
        "answer",
        "answer-infected",
        "answer-notice",
        "answer-undeliverable",
        "asked",
        "closed",
        "code",
        "code-undeliverable",
        "notice",
        "one-time-failed",
        "one-time-mail",
        "sms",
        "undeliverable",
    ];
    assert_eq!(kinds, all.into());
}
