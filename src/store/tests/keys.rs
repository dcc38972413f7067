//! Root keys that change under a store in use, and what the recovery key opens.

use std::collections::BTreeMap;
use std::sync::Arc;

use minicbor::bytes::ByteVec;
use secrecy::ExposeSecret;

use super::bed::{Bed, on_each_engine};
use super::secrecy::contains;
use crate::base::{ConversationId, MessageId};
use crate::seal::body::Sealer;
use crate::seal::keyring::RootKeyring;
use crate::seal::recovery::{RecoveryPrivate, locked_for};
use crate::store::archive::{Archive, ArchiveError, ExportError};
use crate::store::engine::{Key, Space};
use crate::store::records::Message;
use crate::store::rewrap::Rewrap;
use crate::store::root::KeyringRefused;
use crate::store::{Settings, Store, StoreError, places};

/// More than one step looks at.
const MANY: usize = 70;

async fn taken(bed: &Bed, count: usize) -> Vec<(ConversationId, MessageId)> {
    let mut all = Vec::new();
    for number in 0..count {
        let (mail, _) = bed.mail(&[&format!("jan{number}@example.nl")], 100).await;
        all.push((mail.deliveries[0].conversation_id, mail.id));
        assert!(bed.store.take(mail).await.unwrap().is_ok());
    }
    all
}

async fn rewrapped(store: &Store) -> Rewrap {
    loop {
        let state = store.rewrap_step().await.unwrap();
        if state.done {
            return state;
        }
    }
}

/// Locks by root key.
async fn locks(store: &Store) -> BTreeMap<u32, u64> {
    let mut counted = store.key_use(None, 30).await.unwrap();
    while let Some(next) = counted.next.clone() {
        counted.extend(store.key_use(Some(&next), 30).await.unwrap());
    }
    assert_eq!(counted.damaged, 0);
    counted.locks
}

async fn opens(store: &Store, all: &[(ConversationId, MessageId)]) {
    for (conversation, id) in all {
        assert!(store.content_key(*conversation, *id).await.unwrap().is_some());
    }
}

/// What a change of keys leaves alone.
fn others(raw: BTreeMap<Key, Vec<u8>>) -> BTreeMap<Key, Vec<u8>> {
    raw.into_iter()
        .filter(|(place, _)| !matches!(place.space, Space::Lock | Space::KeyWork | Space::Recovery))
        .collect()
}

on_each_engine! {
    async fn a_rotation_moves_every_lock_and_touches_nothing_else(bed) {
        let all = taken(&bed, MANY).await;
        let old = bed.keyring.active();
        assert_eq!(locks(&bed.store).await, BTreeMap::from([(old, MANY as u64)]));
        let before = others(bed.raw().await);
        let two = bed.keyring.with_new(&*bed.entropy);
        let new = two.active();
        bed.store.use_keyring(two.clone()).await.unwrap();
        opens(&bed.store, &all).await;
        let first = bed.store.rewrap_step().await.unwrap();
        assert!(!first.done && first.changed == 64 && first.root == new, "{first:?}");
        assert_eq!(locks(&bed.store).await, BTreeMap::from([(old, MANY as u64 - 64), (new, 64)]));
        let last = rewrapped(&bed.store).await;
        assert_eq!((last.seen, last.changed, last.failed), (MANY as u64, MANY as u64, 0));
        assert_eq!(locks(&bed.store).await, BTreeMap::from([(new, MANY as u64)]));
        assert_eq!(others(bed.raw().await), before);
        assert!(bed.store.forget_root_key(old).await && !bed.store.forget_root_key(new).await);
        opens(&bed.store, &all).await;
        assert_eq!(bed.store.root_keys(), [new]);
    }

    async fn a_rotation_that_was_cut_short_goes_on_where_it_ended(mut bed) {
        let all = taken(&bed, MANY).await;
        let two = bed.keyring.with_new(&*bed.entropy);
        bed.store.use_keyring(two.clone()).await.unwrap();
        bed.store.rewrap_step().await.unwrap();
        bed.keyring = two.clone();
        bed.restart().await;
        let state = bed.store.rewrap_state().await.unwrap();
        if bed.folder.is_some() {
            assert_eq!(state.map(|state| (state.seen, state.done)), Some((64, false)));
        }
        let last = rewrapped(&bed.store).await;
        assert_eq!((last.seen, last.changed), (MANY as u64, MANY as u64));
        bed.keyring = two.without(two.ids()[0]).unwrap();
        bed.restart().await;
        opens(&bed.store, &all).await;
        let again = bed.store.rewrap_step().await.unwrap();
        assert!(again.done && again.seen == MANY as u64, "nothing is looked at twice");
        bed.store.restart_rewrap().await.unwrap();
        assert_eq!(rewrapped(&bed.store).await.changed, 0);
    }

    async fn no_lock_under_the_old_key_appears_after_the_change(bed) {
        let two = bed.keyring.with_new(&*bed.entropy);
        let new = two.active();
        let under_way = bed.store.inner.keyring.wrapping().await;
        let store = bed.store.clone();
        let change = tokio::spawn(async move { store.use_keyring(two).await });
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert!(!change.is_finished(), "what was wrapped before is still on its way");
        drop(under_way);
        change.await.unwrap().unwrap();
        taken(&bed, 1).await;
        assert_eq!(locks(&bed.store).await, BTreeMap::from([(new, 1)]));
    }

    async fn what_is_erased_while_it_is_wrapped_stays_erased(bed) {
        let all = taken(&bed, 1).await;
        let two = bed.keyring.with_new(&*bed.entropy);
        bed.store.use_keyring(two).await.unwrap();
        let inner = &bed.store.inner;
        let place = places::assisted_lock(all[0].0);
        let found = inner.read::<ByteVec>(&place).await.unwrap().unwrap();
        let mut renewed = inner.draft();
        let keys = inner.keyring.wrapping().await;
        assert_eq!(inner.renew(&place, &found, &keys, &mut renewed).await.unwrap(), 1);
        let mut erased = inner.draft();
        erased.delete(place.clone());
        assert!(erased.commit().await.unwrap());
        assert!(!renewed.commit().await.unwrap());
        assert_eq!(rewrapped(&bed.store).await.seen, 0);
        assert!(inner.engine.get(&place).await.unwrap().is_none());
    }

    async fn a_lock_that_does_not_open_is_counted_and_stops_nobody(bed) {
        let all = taken(&bed, 3).await;
        let stranger = RootKeyring::generate(&*bed.entropy);
        let key = crate::seal::lock::ConversationKey::generate(&*bed.entropy);
        let lock = key.lock_assisted(&stranger, all[0].0, &*bed.entropy);
        let mut draft = bed.store.inner.draft();
        draft.put(places::assisted_lock(all[0].0), &ByteVec::from(lock)).unwrap();
        draft.commit().await.unwrap();
        bed.overwrite(places::assisted_lock(all[1].0), b"spoilt").await;
        let strict = Key { space: Space::Lock, bytes: vec![9; 52] };
        bed.overwrite(strict, b"of another kind, whose form is not known here").await;
        bed.store.use_keyring(bed.keyring.with_new(&*bed.entropy)).await.unwrap();
        let state = rewrapped(&bed.store).await;
        assert_eq!((state.seen, state.changed, state.failed), (3, 1, 2));
        let counted = bed.store.key_use(None, 10).await.unwrap();
        assert_eq!((counted.damaged, counted.other, counted.locks.get(&stranger.active())), (1, 1, Some(&1)));
        opens(&bed.store, &all[2..]).await;
    }

    async fn a_keyring_that_lacks_a_key_in_use_is_refused(bed) {
        let all = taken(&bed, 1).await;
        let refused = bed.store.use_keyring(RootKeyring::generate(&*bed.entropy)).await.unwrap_err();
        assert!(matches!(refused, KeyringRefused::Lacks(id) if id == bed.keyring.active()), "{refused}");
        opens(&bed.store, &all).await;
    }

    async fn prepared_messages_are_counted_and_wrapped_anew(bed) {
        let (mail, _) = bed.mail(&["a@example.nl", "b@example.nl"], 100).await;
        let prepared = bed.store.prepare(mail).await.unwrap().unwrap();
        let old = bed.keyring.active();
        assert_eq!(bed.store.key_use(None, 10).await.unwrap().prepared, BTreeMap::from([(old, 2)]));
        bed.store.use_keyring(bed.keyring.with_new(&*bed.entropy)).await.unwrap();
        assert_eq!(rewrapped(&bed.store).await.changed, 2);
        assert!(!bed.store.key_use(None, 10).await.unwrap().prepared.contains_key(&old));
        bed.store.commit_prepared(prepared).await.unwrap();
    }

    async fn locks_follow_the_recovery_key(bed) {
        let before = taken(&bed, 2).await;
        let (first, second) = (RecoveryPrivate::generate(&*bed.entropy), RecoveryPrivate::generate(&*bed.entropy));
        let ids = |all: Vec<(Key, Vec<u8>)>| -> Vec<_> {
            let lock = |sealed: &[u8], place: &Key| -> ByteVec {
                crate::store::codec::open_under(&bed.store.keys().records, place, sealed).unwrap()
            };
            all.iter().filter_map(|(place, sealed)| locked_for(&lock(sealed, place)).unwrap()).collect()
        };
        let held = async || {
            let raw = bed.raw().await;
            ids(raw.into_iter().filter(|(place, _)| place.space == Space::Lock).collect())
        };
        bed.store.use_recovery(Some(first.public())).await.unwrap();
        taken(&bed, 1).await;
        assert_eq!(held().await, [first.public().id()], "new conversations have one at once");
        assert_eq!(rewrapped(&bed.store).await.changed, 2);
        assert_eq!(held().await, [first.public().id(); 3], "and older ones in the background");
        bed.store.use_recovery(Some(second.public())).await.unwrap();
        assert_eq!(rewrapped(&bed.store).await.changed, 3);
        assert_eq!(held().await, [second.public().id(); 3]);
        assert_eq!(bed.places(Space::Recovery).await, [places::recovery(second.public().id())]);
        bed.store.use_recovery(None).await.unwrap();
        assert_eq!(rewrapped(&bed.store).await.changed, 3);
        assert!(held().await.is_empty() && bed.places(Space::Recovery).await.is_empty());
        opens(&bed.store, &before).await;
    }

    async fn a_dropped_message_leaves_no_recovery_lock(bed) {
        bed.store.use_recovery(Some(RecoveryPrivate::generate(&*bed.entropy).public())).await.unwrap();
        let (mail, _) = bed.mail(&["a@example.nl"], 100).await;
        let prepared = bed.store.prepare(mail).await.unwrap().unwrap();
        assert_eq!(bed.places(Space::Lock).await.len(), 2);
        bed.store.drop_prepared(prepared).await.unwrap();
        assert!(bed.places(Space::Lock).await.is_empty());
    }

    async fn confirmed_copies_are_remembered_for_each_key(bed) {
        let (old, two) = (bed.keyring.active(), bed.keyring.with_new(&*bed.entropy));
        assert_eq!(bed.store.key_copy(old).await.unwrap(), None);
        bed.store.confirm_key_copies().await.unwrap();
        assert_eq!(bed.store.key_copy(old).await.unwrap(), Some(bed.now()));
        bed.store.use_keyring(two.clone()).await.unwrap();
        assert_eq!(bed.store.key_copy(two.active()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn the_store_secret_moves_and_its_old_wrap_is_overwritten() {
    use std::io::Read;
    let bed = Bed::local().await;
    let path = bed.folder.as_ref().unwrap().path().join("store.key");
    let old = bed.keyring.active();
    assert_eq!(bed.store.secret_under().await.unwrap(), Some(old));
    let mut old_file = std::fs::File::open(&path).unwrap();
    let old_wrap = std::fs::read(&path).unwrap();
    let two = bed.keyring.with_new(&*bed.entropy);
    bed.store.use_keyring(two.clone()).await.unwrap();
    rewrapped(&bed.store).await;
    assert_eq!(bed.store.secret_under().await.unwrap(), Some(two.active()));
    let mut left = Vec::new();
    old_file.read_to_end(&mut left).unwrap();
    assert_eq!(left, vec![0; old_wrap.len()]);
    assert_ne!(std::fs::read(&path).unwrap(), old_wrap);
}

/// A mail with a body of this many bytes in clear, taken; returns its id and the bytes.
async fn letter(bed: &Bed, to: &[&str], size: usize) -> (MessageId, Vec<u8>) {
    let plain: Vec<u8> = b"canary-body ".iter().copied().cycle().take(size).collect();
    let (mut mail, _) = bed.mail(to, 100).await;
    let mut stored = Vec::new();
    let mut sealer = Sealer::new(&mail.content_key, mail.id, &*bed.entropy, &mut stored);
    sealer.push(&plain, &mut stored).unwrap();
    sealer.finish(&mut stored).unwrap();
    let mut body = bed.store.new_body(mail.id).unwrap();
    body.write(&stored).await.unwrap();
    mail.body = body.finish().await.unwrap();
    mail.message = Message { plain_len: size as u64, ..mail.message };
    let id = mail.id;
    assert!(bed.store.take(mail).await.unwrap().is_ok());
    (id, plain)
}

async fn archive(bed: &Bed, key: &RecoveryPrivate) -> Result<Archive, ArchiveError> {
    let settings = Settings { folder: bed.folder.as_ref().unwrap().path().to_owned(), min_free: 0 };
    Archive::open(settings, key.clone(), Arc::clone(&bed.entropy) as _).await
}

/// Everything that the key exports, by message.
async fn exported(archive: &Archive) -> BTreeMap<MessageId, Result<Vec<u8>, ExportError>> {
    let mut all = BTreeMap::new();
    for id in archive.messages().await.unwrap() {
        let archived = archive.message(id).await.unwrap().unwrap();
        let mut out = Vec::new();
        let written = archive.export(&archived, &mut out).await;
        all.insert(
            id,
            written.map(|len| {
                assert_eq!(len, out.len() as u64);
                out
            }),
        );
    }
    all
}

#[tokio::test]
async fn the_recovery_key_alone_gives_the_stored_bytes_and_nothing_else_does() {
    let bed = Bed::local().await;
    let (before, _) = letter(&bed, &["jan@example.nl"], 10).await;
    let (key, stranger) = (RecoveryPrivate::generate(&*bed.entropy), RecoveryPrivate::generate(&*bed.entropy));
    bed.store.use_recovery(Some(key.public())).await.unwrap();
    let (small, small_bytes) = letter(&bed, &["jan@example.nl", "piet@example.nl"], 1000).await;
    let (large, large_bytes) = letter(&bed, &["piet@example.nl"], 200_000).await;
    let (gone, _) = letter(&bed, &["jan@example.nl"], 10).await;
    let conversation = bed.store.message(gone).await.unwrap().unwrap().conversations[0];
    let mut draft = bed.store.inner.draft();
    draft.delete(places::content_key(conversation, gone));
    draft.commit().await.unwrap();
    bed.store.close().await;

    // Neither the root key nor the secret under it is there.
    std::fs::remove_file(bed.folder.as_ref().unwrap().path().join("store.key")).unwrap();
    let refused = archive(&bed, &stranger).await.unwrap_err();
    assert!(matches!(refused, ArchiveError::NotForThisKey(id) if id == stranger.public().id()), "{refused}");
    let opened = archive(&bed, &key).await.unwrap();
    assert_eq!(opened.message(small).await.unwrap().unwrap().recipients, ["jan@example.nl", "piet@example.nl"]);
    let mut all = exported(&opened).await;
    assert_eq!(all.remove(&small).unwrap().unwrap(), small_bytes);
    assert_eq!(all.remove(&large).unwrap().unwrap(), large_bytes);
    assert!(matches!(all.remove(&gone), Some(Err(ExportError::NoLock))), "erased keys are erased for everybody");
    assert!(matches!(all.remove(&before), Some(Err(ExportError::NoLock))));
    assert!(all.is_empty());
    opened.close().await;
}

#[tokio::test]
async fn a_body_that_was_changed_is_not_exported_as_if_it_were_right() {
    let bed = Bed::local().await;
    let key = RecoveryPrivate::generate(&*bed.entropy);
    bed.store.use_recovery(Some(key.public())).await.unwrap();
    let (id, _) = letter(&bed, &["jan@example.nl"], 1000).await;
    let place = places::body(id);
    let mut body = bed.raw().await.remove(&place).unwrap();
    *body.last_mut().unwrap() ^= 1;
    bed.overwrite(place, &body).await;
    bed.store.close().await;
    let opened = archive(&bed, &key).await.unwrap();
    let outcome = exported(&opened).await.remove(&id).unwrap();
    assert!(matches!(outcome, Err(ExportError::Store(StoreError::Damaged(_)))), "{outcome:?}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_not_made() {
    let bed = Bed { folder: Some(tempfile::tempdir().unwrap()), ..Bed::memory() };
    let key = RecoveryPrivate::generate(&*bed.entropy);
    assert!(matches!(archive(&bed, &key).await, Err(ArchiveError::Open(_))));
    bed.folder.as_ref().unwrap().path().join("store.key").exists().then(|| panic!("made"));
}

on_each_engine! {
    async fn no_value_shows_a_key(bed) {
        let key = RecoveryPrivate::generate(&*bed.entropy);
        bed.store.use_recovery(Some(key.public())).await.unwrap();
        taken(&bed, 2).await;
        bed.store.confirm_key_copies().await.unwrap();
        rewrapped(&bed.store).await;
        let secrets = [
            bed.store.keys().records.expose().to_vec(),
            key.to_text().expose_secret().trim().as_bytes()[23..].to_vec(),
        ];
        for (place, value) in bed.raw().await {
            assert!(secrets.iter().all(|secret| !contains(&value, secret)), "in {place:?}");
        }
    }
}
