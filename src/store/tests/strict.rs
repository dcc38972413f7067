//! Strict mode: what opens, what does not, and what a thief of everything finds.

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

/// Who has the data folder, and the keys given.
struct Thief {
    plain: Vec<(Key, Vec<u8>)>,
    pepper: SecretBytes<32>,
    root: RootKeyring,
}

impl Thief {
    /// Decrypts every record that these keys decrypt.
    async fn with(bed: &Bed, keys: &StoreKeys, root: RootKeyring) -> Self {
        let decrypt = |(place, value): (Key, Vec<u8>)| {
            let secret = if place.space == Space::JobSecret { &keys.jobs } else { &keys.records };
            let plain = seal::record::open(secret, place.space as u8, &place.bytes, &value).ok()?;
            Some((place, plain.to_vec()))
        };
        let plain = bed.raw().await.into_iter().filter_map(decrypt).collect();
        Self { plain, pepper: keys.pepper.clone(), root }
    }

    /// Every row of 20 bytes that is anywhere, as the link that it may be.
    fn links(&self) -> Vec<LinkKey> {
        let rows: BTreeSet<&[u8]> = self.plain.iter().flat_map(|(_, plain)| plain.windows(20)).collect();
        let token = |row: &[u8]| LinkToken::from_secret(SecretBytes::new(row.try_into().unwrap()));
        rows.into_iter().map(|row| LinkKey::of(&token(row), &self.pepper)).collect()
    }

    /// Every row of 16 letters and digits.
    fn codes(&self) -> Vec<AccessCode> {
        let rows = self.plain.iter().flat_map(|(_, plain)| plain.windows(16));
        let rows: BTreeSet<&[u8]> = rows.filter(|row| row.iter().all(u8::is_ascii_alphanumeric)).collect();
        rows.into_iter().filter_map(|row| AccessCode::normalise(std::str::from_utf8(row).ok()?)).collect()
    }

    fn pair(&self, generation: Generation) -> Option<ContactKey> {
        let place = places::contact_key(generation);
        let (_, plain) = self.plain.iter().find(|(found, _)| *found == place)?;
        minicbor::decode(plain).ok()
    }

    fn open(&self, place: &Key, lock: &[u8], links: &[LinkKey]) -> bool {
        let (conversation, rest) = place.bytes.split_first_chunk::<16>().unwrap();
        let conversation = crate::base::ConversationId(*conversation);
        if ConversationKey::open_assisted(&self.root, conversation, lock).is_ok() {
            return true;
        }
        let number = u32::from_be_bytes(*rest.first_chunk().unwrap());
        let at = Epoch { conversation, number };
        match asks(lock) {
            Ok(Asks::Link) => links.iter().any(|link| ConversationKey::open_by_link(at, link, lock).is_ok()),
            Ok(Asks::LinkAndCode(generation)) => {
                let pair = self.pair(generation).unwrap();
                let memory = &mut Memory::default();
                let private =
                    self.codes().iter().find_map(|code| pair.open(generation, code, &self.pepper, memory).unwrap());
                private.is_some_and(|private| {
                    links.iter().any(|link| ConversationKey::open_by_link_and_code(at, link, &private, lock).is_ok())
                })
            }
            Err(_) => false,
        }
    }

    /// How many conversations it reads.
    fn reads(&self) -> usize {
        let links = self.links();
        let locks = self.plain.iter().filter(|(place, _)| place.space == Space::Lock);
        locks
            .filter(|(place, plain)| {
                self.open(place, minicbor::decode::<&minicbor::bytes::ByteSlice>(plain).unwrap(), &links)
            })
            .count()
    }

    /// Whether these bytes are in any record.
    fn sees(&self, what: &[u8]) -> bool {
        self.plain.iter().any(|(_, plain)| contains(plain, what))
    }
}

/// Every file of the data folder, if there is one.
fn files(bed: &Bed) -> Vec<Vec<u8>> {
    fn all(folder: &std::path::Path, into: &mut Vec<Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                all(&entry.path(), into);
            } else {
                into.push(std::fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut files = Vec::new();
    bed.folder.iter().for_each(|folder| all(folder.path(), &mut files));
    files
}

on_each_engine! {
    async fn a_thief_of_folder_and_root_key_reads_nothing_that_was_delivered(bed) {
        let (link, code, _) = taken(&bed, JAN).await;
        let (_, assisted) = bed.taken("piet@example.nl").await;
        let code = code.unwrap();
        let all = |_: &JobKind| true;
        let secrets: Vec<Vec<u8>> =
            bed.raw().await.into_iter().filter(|(place, _)| place.space == Space::JobSecret).map(|(_, value)| value).collect();

        // Until both mails left, they are there to be read: the promise says so.
        let thief = Thief::with(&bed, bed.store.keys(), bed.keyring.clone()).await;
        assert_eq!(thief.reads(), 2, "a strict one that is not delivered, and an assisted one");
        assert!(thief.sees(code.as_bytes()) && thief.sees(link.secret().expose()));
        assert!(!thief.sees(b"canary-manifest") || bed.view(&assisted).await.grant.strict.is_none());
        deliver(&bed, |kind| matches!(kind, JobKind::Notice { .. })).await;
        let thief = Thief::with(&bed, bed.store.keys(), bed.keyring.clone()).await;
        assert_eq!((thief.reads(), thief.sees(link.secret().expose())), (1, false), "the link is gone with its notice");

        deliver(&bed, all).await;
        // A session, and a try before it, leave nothing either.
        let view = bed.view(&link).await;
        bed.try_from(&view, 1).await;
        let key = opened(&bed, &link, &code).await.unwrap();
        bed.store.open_strict_session(&view, net(1), &bed.cookie(), key).await.unwrap();
        let thief = Thief::with(&bed, bed.store.keys(), bed.keyring.clone()).await;
        assert_eq!(thief.reads(), 1, "the assisted one");
        assert!(!thief.sees(code.as_bytes()) && !thief.sees(link.secret().expose()));
        let files = files(&bed);
        assert!(secrets.len() == 4 && (bed.folder.is_none() || files.len() > 2));
        for secret in secrets {
            assert!(!files.iter().any(|file| contains(file, &secret)), "a secret is still on disk");
        }
    }

    async fn a_thief_of_the_folder_alone_reads_no_record(bed) {
        taken(&bed, JAN).await;
        bed.taken("piet@example.nl").await;
        let entropy = &*bed.entropy;
        let thief = Thief::with(&bed, &StoreSecret::generate(entropy).keys(), RootKeyring::generate(entropy)).await;
        assert_eq!((thief.plain.len(), thief.reads()), (0, 0));
    }

    async fn subject_and_manifest_are_content(bed) {
        taken(&bed, JAN).await;
        let thief = Thief::with(&bed, bed.store.keys(), bed.keyring.clone()).await;
        assert!(!thief.sees(b"canary-manifest") && !thief.sees(b"canary-subject"));
        bed.taken("piet@example.nl").await;
        let thief = Thief::with(&bed, bed.store.keys(), bed.keyring.clone()).await;
        assert!(thief.sees(b"canary-manifest") && thief.sees(b"canary-subject"), "in assisted mode the root key shows them");
    }

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

    async fn the_key_of_a_session_is_in_memory_alone(mut bed) {
        let (link, code, key) = taken(&bed, JAN).await;
        let (code, view, cookie) = (code.unwrap(), bed.view(&link).await, bed.cookie());
        let strict = opened(&bed, &link, &code).await.unwrap();
        bed.store.open_strict_session(&view, net(1), &cookie, strict).await.unwrap();
        let session = bed.store.session(&cookie, &LIMITS).await.unwrap().unwrap();
        let grant = &view.grant;
        let found = bed.store.content_key_by(&session.key, grant.conversation, grant.message).await.unwrap();
        assert_eq!(found, Some(key));
        bed.restart().await;
        let session = bed.store.session(&cookie, &LIMITS).await.unwrap().expect("the session itself goes on");
        assert_eq!(session.key, SessionKey::Lost);
    }

    async fn the_key_of_a_session_goes_when_the_session_goes(bed) {
        let (link, code, _) = taken(&bed, JAN).await;
        let (code, view) = (code.unwrap(), bed.view(&link).await);
        let open = async || {
            let cookie = bed.cookie();
            let key = opened(&bed, &link, &code).await.unwrap();
            bed.store.open_strict_session(&view, net(1), &cookie, key).await.unwrap();
            cookie
        };
        let logged_out = open().await;
        bed.store.close_session(&logged_out).await.unwrap();
        assert_eq!(bed.store.open_keys(), 0, "logged out");
        let idle = open().await;
        bed.pass(15 * 60 - 1);
        assert!(bed.store.session(&idle, &LIMITS).await.unwrap().is_some());
        bed.pass(15 * 60 - 1);
        bed.store.forget_idle_keys(&LIMITS);
        assert_eq!(bed.store.open_keys(), 1, "it was used");
        bed.pass(1);
        bed.store.forget_idle_keys(&LIMITS);
        assert_eq!(bed.store.open_keys(), 0, "nobody came back");
        let late = open().await;
        bed.pass(15 * 60);
        assert!(bed.store.session(&late, &LIMITS).await.unwrap().is_none());
        assert_eq!(bed.store.open_keys(), 0, "who comes back too late ends it");
        let replaced = open().await;
        let generation = Generation { contact: view.grant.contact, number: 2 };
        let letter = bed.job(JobKind::Code { contact: view.grant.contact }, None);
        bed.store.replace_code(generation.contact, new_code(&bed).keep(generation, &*bed.entropy), letter).await.unwrap();
        assert!(bed.store.session(&replaced, &LIMITS).await.unwrap().is_none());
        assert_eq!(bed.store.open_keys(), 0, "a new code ends it");
    }

    async fn a_dropped_strict_mail_leaves_nothing(bed) {
        let before = bed.raw().await.len();
        let prepared = bed.store.prepare(mail(&bed, JAN).await.new).await.unwrap().unwrap();
        bed.store.drop_prepared(prepared).await.unwrap();
        assert_eq!(bed.raw().await.len(), before);
    }

    async fn a_prepared_strict_mail_keeps_the_contact_that_it_is_sealed_to(bed) {
        let Mail { new, link, code } = mail(&bed, JAN).await;
        let key = new.content_key.clone();
        let prepared = bed.store.prepare(new).await.unwrap().unwrap();
        let (other, other_code, _) = taken(&bed, JAN).await;
        bed.store.commit_prepared(prepared).await.unwrap();
        let (view, others) = (bed.view(&link).await, bed.view(&other).await);
        assert_ne!(view.grant.contact, others.grant.contact);
        let strict = opened(&bed, &link, &code.unwrap()).await.unwrap();
        assert_eq!(content(&bed, &link, strict).await, Some(key));
        assert!(opened(&bed, &other, &other_code.unwrap()).await.is_some());
        let found = bed.store.contacts("jan@example.nl", None).await.unwrap();
        assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<ContactId>>(), [others.grant.contact]);
        // It goes with its message, and the other one stays.
        let places = async |contact: ContactId| {
            let all = bed.raw().await;
            all.into_keys().filter(|place| place.bytes.starts_with(contact.as_bytes())).count()
        };
        assert_eq!((places(view.grant.contact).await, places(others.grant.contact).await), (2, 2));
        bed.retention().recall(view.grant.message, None).await.unwrap();
        assert_eq!((places(view.grant.contact).await, places(others.grant.contact).await), (0, 2));
    }

    async fn recall_and_erasure_leave_no_key(bed) {
        let (link, code, _) = taken(&bed, JAN).await;
        let view = bed.view(&link).await;
        let key = opened(&bed, &link, &code.unwrap()).await.unwrap();
        bed.store.open_strict_session(&view, net(1), &bed.cookie(), key).await.unwrap();
        let retention = bed.retention();
        retention.recall(view.grant.message, None).await.unwrap();
        for space in [Space::Lock, Space::Epoch, Space::ContentKey, Space::JobSecret] {
            let left = bed.places(space).await.len();
            assert_eq!(left, usize::from(space == Space::JobSecret), "{space:?}: the mail with the code still goes out");
        }
        assert_eq!((bed.store.open_keys(), bed.places(Space::ContactKey).await.len()), (0, 1));
        retention.erase(JAN).await.unwrap();
        for space in [Space::Contact, Space::ContactKey, Space::JobSecret] {
            assert!(bed.places(space).await.is_empty(), "{space:?}");
        }
    }

    async fn a_conversation_that_goes_on_keeps_what_its_other_mails_need(bed) {
        let (first, code, _) = taken(&bed, JAN).await;
        let code = code.unwrap();
        let conversation = bed.view(&first).await.grant.conversation;
        let mut links = Vec::new();
        for _ in 0..2 {
            let head = bed.store.epoch_head(conversation).await.unwrap().unwrap();
            let Mail { mut new, link, .. } = mail(&bed, JAN).await;
            new.deliveries[0].conversation_id = conversation;
            make_strict(&bed, &mut new.deliveries[0], Some(head)).await;
            links.push((link, new.id, new.content_key.clone()));
            bed.store.take(new).await.unwrap().unwrap();
        }
        let (middle, id, _) = links.remove(0);
        bed.retention().recall(id, None).await.unwrap();
        let at = Epoch { conversation, number: 2 };
        assert!(bed.store.open_link(at, &middle).await.unwrap().is_none(), "its own lock is gone");
        let key = SessionKey::Strict(Box::new(opened(&bed, &first, &code).await.unwrap()));
        assert!(bed.store.content_key_by(&key, conversation, id).await.unwrap().is_none());
        let (_, last, content) = links.remove(0);
        let found = bed.store.content_key_by(&key, conversation, last).await.unwrap();
        assert_eq!(found, Some(content), "the chain leads past a mail that was taken back");
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
