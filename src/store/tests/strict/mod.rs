//! Strict mode: what opens, what does not, and what a thief of everything finds.

mod ends;
mod thief;

use std::collections::BTreeSet;

use crate::base::{ContactId, SecretBytes};
use crate::seal;
use crate::seal::body::ContentKey;
use crate::seal::code::{AccessCode, Cost};
use crate::seal::contact::{ContactKey, ContactPublic, Generation, Unopened};
use crate::seal::hashers::Memory;
use crate::seal::keyring::{RootKeyring, StoreKeys, StoreSecret};
use crate::seal::lock::ConversationKey;
use crate::seal::strict::{Asks, Epoch, LinkKey, asks};
use crate::seal::token::LinkToken;
use crate::store::codes::{KeptCode, NewCode, Proven};
use crate::store::engine::{Key, Space};
use crate::store::intake::{NewDelivery, NewMessage};
use crate::store::jobs::JobEnd;
use crate::store::proof::GrantView;
use crate::store::records::{JobKind, Proof};
use crate::store::strict::{EpochHead, Locks, SessionKey, StrictKey, StrictLocks};
use crate::store::{StoreError, places};

use super::bed::{Bed, LIMITS, net, on_each_engine};
use super::secrecy::contains;

const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
const JAN: &str = "jan@example.nl";

/// A mail in strict mode, and what its recipient has.
struct Mail {
    new: NewMessage,
    link: LinkToken,
    /// A new contact's code.
    code: Option<String>,
}

fn new_code(bed: &Bed) -> NewCode {
    NewCode::strict(&bed.store.keys().pepper, CHEAP, &*bed.entropy, &mut Memory::default()).unwrap()
}

/// Makes a delivery strict; a new contact gets a strict code, which is returned.
async fn make_strict(bed: &Bed, delivery: &mut NewDelivery, before: Option<EpochHead>) -> Option<String> {
    let contact = delivery.conversation.contact;
    let mut made = None;
    let public: ContactPublic = if let Some((new, kept)) = &mut delivery.new_contact {
        let (code, generation) = (new_code(bed), Generation { contact, number: 1 });
        new.proof = Proof::StrictCode;
        *kept = code.keep(generation, &*bed.entropy);
        let job = delivery.jobs.iter_mut().find(|job| matches!(job.kind, JobKind::Code { .. })).unwrap();
        job.secret.as_mut().unwrap().code = Some(code.code.expose().to_owned());
        made = Some(code.code.expose().to_owned());
        let KeptCode::Pair(pair, 1) = kept else { panic!("a strict code is kept as a pair") };
        pair.public(generation).unwrap()
    } else {
        let number = bed.store.contact(contact).await.unwrap().unwrap().generation;
        bed.store.contact_public(Generation { contact, number }).await.unwrap().expect("a strict contact")
    };
    delivery.locks = Locks::Strict(Box::new(StrictLocks { contact: Some(public), before, also: Vec::new() }));
    made
}

async fn mail(bed: &Bed, recipient: &str) -> Mail {
    let (mut new, mut links) = bed.mail(&[recipient], 100).await;
    let code = make_strict(bed, &mut new.deliveries[0], None).await;
    new.message.subject.clear();
    new.manifest = new.content_key.seal_manifest(new.id, b"canary-manifest", &*bed.entropy);
    Mail { new, link: links.remove(0), code }
}

/// One with a body that is a file, which nobody here opens.
pub(super) async fn large(bed: &Bed) -> crate::base::MessageId {
    let (mut new, _) = bed.mail(&[JAN], 150_000).await;
    make_strict(bed, &mut new.deliveries[0], None).await;
    let id = new.id;
    bed.store.take(new).await.unwrap().unwrap();
    id
}

/// One that is taken, with its content key.
async fn taken(bed: &Bed, recipient: &str) -> (LinkToken, Option<String>, ContentKey) {
    let Mail { new, link, code } = mail(bed, recipient).await;
    let key = new.content_key.clone();
    bed.store.take(new).await.unwrap().unwrap();
    (link, code, key)
}

async fn answer(bed: &Bed, view: &GrantView, link: &LinkToken, code: &str) -> Result<Proven, Unopened> {
    let challenge = bed.store.challenge(view, link).await.unwrap().unwrap();
    challenge.answer(&AccessCode::normalise(code).unwrap(), &mut Memory::default())
}

/// The key that link and code give.
async fn opened(bed: &Bed, link: &LinkToken, code: &str) -> Option<StrictKey> {
    let view = bed.view(link).await;
    match answer(bed, &view, link, code).await.unwrap() {
        Proven::Right(key) => Some(key.expect("a strict message gives a key")),
        Proven::Wrong => None,
    }
}

/// The content key of a link's own message.
async fn content(bed: &Bed, link: &LinkToken, key: StrictKey) -> Option<ContentKey> {
    let grant = bed.view(link).await.grant;
    bed.store.content_key_by(&SessionKey::Strict(Box::new(key)), grant.conversation, grant.message).await.unwrap()
}

/// Sends all that waits.
async fn deliver(bed: &Bed, wanted: impl Fn(&JobKind) -> bool) {
    for job in bed.store.lease_due(bed.now(), 100).await.unwrap() {
        let end = if wanted(&job.job.kind) { JobEnd::Done } else { JobEnd::Retry(bed.now(), "450".to_owned()) };
        bed.store.finish_job(job.id, end).await.unwrap();
    }
}

on_each_engine! {
    async fn link_and_code_open_and_neither_opens_alone(bed) {
        let (link, code, key) = taken(&bed, JAN).await;
        let code = code.unwrap();
        let strict = opened(&bed, &link, &code).await.unwrap();
        assert_eq!(content(&bed, &link, strict.clone()).await, Some(key.clone()));
        assert_eq!(opened(&bed, &link, "0000 0000 0000 0000").await, None);
        let view = bed.view(&link).await;
        let grant = &view.grant;
        assert_eq!(bed.store.content_key(grant.conversation, grant.message).await.unwrap(), None, "there is no other lock");
        for lost in [SessionKey::Assisted, SessionKey::Lost] {
            assert_eq!(bed.store.content_key_by(&lost, grant.conversation, grant.message).await.unwrap(), None);
        }
        // The key of one mail opens no other, though link and code are of the same two people.
        let (second, none, other) = taken(&bed, JAN).await;
        assert!(none.is_none(), "the contact has its code");
        assert_eq!(content(&bed, &second, strict).await, None);
        let strict = opened(&bed, &second, &code).await.unwrap();
        assert_eq!(content(&bed, &second, strict).await, Some(other));
        // A link that is not the grant's own has no lock there.
        assert!(bed.store.challenge(&view, &second).await.unwrap().is_none());
    }

    async fn a_link_opens_its_epoch_and_every_later_one(bed) {
        let (link, code, key) = taken(&bed, JAN).await;
        let code = code.unwrap();
        let conversation = bed.view(&link).await.grant.conversation;
        let (mut links, mut keys) = (vec![link], vec![key]);
        for number in 1..4 {
            let head = bed.store.epoch_head(conversation).await.unwrap().unwrap();
            assert_eq!(head.number, number);
            let Mail { mut new, link, .. } = mail(&bed, JAN).await;
            new.deliveries[0].conversation_id = conversation;
            make_strict(&bed, &mut new.deliveries[0], Some(head)).await;
            links.push(link);
            keys.push(new.content_key.clone());
            bed.store.take(new).await.unwrap().unwrap();
        }
        for (from, link) in links.iter().enumerate() {
            let key = SessionKey::Strict(Box::new(opened(&bed, link, &code).await.unwrap()));
            for (to, other) in links.iter().enumerate() {
                let message = bed.view(other).await.grant.message;
                let found = bed.store.content_key_by(&key, conversation, message).await.unwrap();
                assert_eq!(found, (to >= from).then(|| keys[to].clone()), "link {from}, mail {to}");
            }
        }
    }

    async fn two_mails_cannot_make_the_same_epoch(bed) {
        let (link, ..) = taken(&bed, JAN).await;
        let conversation = bed.view(&link).await.grant.conversation;
        let head = bed.store.epoch_head(conversation).await.unwrap().unwrap();
        for first in [true, false] {
            let Mail { mut new, .. } = mail(&bed, JAN).await;
            new.deliveries[0].conversation_id = conversation;
            make_strict(&bed, &mut new.deliveries[0], Some(head.clone())).await;
            assert_eq!(bed.store.take(new).await.unwrap().is_ok(), first, "the second is told to look again");
        }
        assert_eq!(bed.store.epoch_head(conversation).await.unwrap().unwrap().number, 2);
    }

    async fn another_link_can_open_the_same(bed) {
        let Mail { mut new, link, code } = mail(&bed, JAN).await;
        let receipt = LinkToken::generate(&*bed.entropy);
        let Locks::Strict(locks) = &mut new.deliveries[0].locks else { panic!("strict") };
        locks.also.push(receipt.clone());
        let content_key = new.content_key.clone();
        bed.store.take(new).await.unwrap().unwrap();
        let at = Epoch::first(bed.view(&link).await.grant.conversation);
        let by_receipt = bed.store.open_link(at, &receipt).await.unwrap().unwrap();
        assert_eq!(content(&bed, &link, by_receipt.clone()).await, Some(content_key));
        assert!(matches!(bed.store.open_link(at, &link).await, Err(StoreError::Damaged(_))), "that one asks for a code");

        let (later, nobody) = (LinkToken::generate(&*bed.entropy), LinkToken::generate(&*bed.entropy));
        assert!(bed.store.add_link(&by_receipt, &later, None).await.unwrap());
        assert_eq!(bed.store.open_link(at, &later).await.unwrap(), Some(by_receipt.clone()));
        assert_eq!(bed.store.open_link(at, &nobody).await.unwrap(), None);
        let contact = bed.view(&link).await.grant.contact;
        let public = bed.store.contact_public(Generation { contact, number: 1 }).await.unwrap().unwrap();
        let reminder = LinkToken::generate(&*bed.entropy);
        assert!(bed.store.add_link(&by_receipt, &reminder, Some(&public)).await.unwrap());
        let view = bed.view(&link).await;
        assert_eq!(answer(&bed, &view, &reminder, &code.unwrap()).await, Ok(Proven::Right(Some(by_receipt.clone()))));

        let gone = places::epoch(at);
        let mut draft = bed.store.inner.draft();
        draft.delete(gone);
        assert!(draft.commit().await.unwrap());
        assert!(!bed.store.add_link(&by_receipt, &nobody, None).await.unwrap(), "what was erased gets no new lock");
    }

    async fn a_new_code_is_for_what_comes(bed) {
        let (link, code, _) = taken(&bed, JAN).await;
        let (first, view) = (code.unwrap(), bed.view(&link).await);
        assert!(!view.needs_earlier_code());
        let second = new_code(&bed);
        let generation = Generation { contact: view.grant.contact, number: 2 };
        let letter = bed.job(JobKind::Code { contact: view.grant.contact }, None);
        let waiting = bed.places(Space::JobSecret).await.len();
        assert!(bed.store.replace_code(generation.contact, second.keep(generation, &*bed.entropy), letter).await.unwrap());
        assert_eq!(bed.places(Space::JobSecret).await.len(), waiting, "the mail with the first code is still needed");

        let view = bed.view(&link).await;
        assert!(view.needs_earlier_code());
        assert_eq!(opened(&bed, &link, second.code.expose()).await, None);
        assert!(opened(&bed, &link, &first).await.is_some());
        let (later, none, key) = taken(&bed, JAN).await;
        assert!(none.is_none() && !bed.view(&later).await.needs_earlier_code());
        assert_eq!(opened(&bed, &later, &first).await, None);
        let strict = opened(&bed, &later, second.code.expose()).await.unwrap();
        assert_eq!(content(&bed, &later, strict).await, Some(key));

        let stale = Generation { number: 2, ..generation };
        let letter = bed.job(JobKind::Code { contact: generation.contact }, None);
        let refused = bed.store.replace_code(generation.contact, new_code(&bed).keep(stale, &*bed.entropy), letter).await;
        assert!(matches!(refused, Err(StoreError::NotReady(_))), "a pair of another generation would open nothing");
    }

    async fn a_contact_with_eight_digits_gets_a_strict_code(bed) {
        let (_, assisted) = bed.taken(JAN).await;
        let contact = bed.view(&assisted).await.grant.contact;
        let code = new_code(&bed);
        let generation = Generation { contact, number: 2 };
        let letter = bed.job(JobKind::Code { contact }, None);
        assert!(bed.store.replace_code(contact, code.keep(generation, &*bed.entropy), letter).await.unwrap());
        assert!(bed.store.verifier(contact).await.unwrap().is_none(), "digits can be guessed; nothing is left of them");
        let (link, none, _) = taken(&bed, JAN).await;
        assert!(none.is_none() && opened(&bed, &link, code.code.expose()).await.is_some());
        // The assisted mail of before opens with the new code: its keys are the server's.
        let view = bed.view(&assisted).await;
        assert_eq!(view.contact.proof, Proof::StrictCode);
        assert_eq!(answer(&bed, &view, &assisted, code.code.expose()).await, Ok(Proven::Right(None)));
        assert_eq!(answer(&bed, &view, &assisted, "8765 4321").await, Ok(Proven::Wrong));
    }

    async fn a_mail_sealed_to_a_code_that_changed_is_made_again(bed) {
        let (link, ..) = taken(&bed, JAN).await;
        let contact = bed.view(&link).await.grant.contact;
        let Mail { new, .. } = mail(&bed, JAN).await;
        let generation = Generation { contact, number: 2 };
        let letter = bed.job(JobKind::Code { contact }, None);
        assert!(bed.store.replace_code(contact, new_code(&bed).keep(generation, &*bed.entropy), letter).await.unwrap());
        assert!(bed.store.take(new).await.unwrap().is_err(), "the recipient would be asked for the earlier code");
    }

    async fn damage_is_no_wrong_code(bed) {
        let (link, code, _) = taken(&bed, JAN).await;
        let (code, view) = (code.unwrap(), bed.view(&link).await);
        let at = Epoch::first(view.grant.conversation);
        let place = places::strict_lock(at, &link.hash(bed.store.keys()));
        let (other, ..) = taken(&bed, "piet@example.nl").await;
        let other_at = Epoch::first(bed.view(&other).await.grant.conversation);
        let elsewhere = places::strict_lock(other_at, &other.hash(bed.store.keys()));
        // Another conversation's lock, re-encrypted for this place by somebody who has the store's keys.
        let moved = bed.store.inner.read::<minicbor::bytes::ByteVec>(&elsewhere).await.unwrap().unwrap().record;
        let original = bed.store.inner.read::<minicbor::bytes::ByteVec>(&place).await.unwrap().unwrap().record;
        let mut draft = bed.store.inner.draft();
        draft.put(place, &moved).unwrap();
        assert!(draft.commit().await.unwrap());
        assert!(matches!(bed.store.challenge(&view, &link).await, Err(StoreError::Damaged(_))), "it names the other contact");
        // One of the right contact that was changed.
        let mut changed: Vec<u8> = original.into();
        *changed.last_mut().unwrap() ^= 1;
        let mut draft = bed.store.inner.draft();
        draft.put(places::strict_lock(at, &link.hash(bed.store.keys())), &minicbor::bytes::ByteVec::from(changed)).unwrap();
        assert!(draft.commit().await.unwrap());
        assert_eq!(answer(&bed, &view, &link, &code).await, Err(Unopened::Damaged(seal::OpenError::Damaged)));
        assert_eq!(answer(&bed, &view, &link, "0000 0000 0000 0000").await, Ok(Proven::Wrong), "who has no code learns nothing");
        let pair = places::contact_key(Generation { contact: view.grant.contact, number: 1 });
        bed.overwrite(pair, b"damaged").await;
        bed.overwrite(places::epoch(at), b"damaged").await;
        assert!(matches!(bed.store.epoch_head(at.conversation).await, Err(StoreError::Damaged(_))));
        let generation = Generation { contact: view.grant.contact, number: 1 };
        assert!(matches!(bed.store.contact_public(generation).await, Err(StoreError::Damaged(_))));
    }
}
