//! Where each record lies: the key of every space, built in one place. Numbers are big-endian so that keys sort by them.

use crate::access::one_time::Way;
use crate::base::{ContactId, ConversationId, GrantId, JobId, MessageId, Timestamp};
use crate::mail::Address;
use crate::seal::contact::Generation;
use crate::seal::keyring::StoreKeys;
use crate::seal::recovery::RecoveryId;
use crate::seal::strict::Epoch;

use super::challenge::Destination;
use super::engine::{Key, Space};
use super::jobs::Lane;
use super::records::JobKind;

fn key(space: Space, parts: &[&[u8]]) -> Key {
    Key { space, bytes: parts.concat() }
}

pub(super) fn schema() -> Key {
    key(Space::Meta, &[b"schema"])
}
pub(super) fn checked() -> Key {
    key(Space::Meta, &[b"checked"])
}
pub(super) fn ledger() -> Key {
    key(Space::Meta, &[b"ledger"])
}
pub(super) fn held() -> Key {
    key(Space::Meta, &[b"held"])
}
pub(super) fn message(id: MessageId) -> Key {
    key(Space::Message, &[id.as_bytes()])
}
pub(super) fn manifest(id: MessageId) -> Key {
    key(Space::Manifest, &[id.as_bytes()])
}
pub(super) fn body(id: MessageId) -> Key {
    key(Space::Body, &[id.as_bytes()])
}
pub(super) fn prepared(id: MessageId) -> Key {
    key(Space::Prepared, &[id.as_bytes()])
}
pub(super) fn conversation(id: ConversationId) -> Key {
    key(Space::Conversation, &[id.as_bytes()])
}
/// Lock 0 is the assisted one.
pub(super) fn assisted_lock(id: ConversationId) -> Key {
    key(Space::Lock, &[id.as_bytes(), &0_u32.to_be_bytes()])
}
/// The last number there is: locks of other kinds count up from 0.
pub(super) fn recovery_lock(id: ConversationId) -> Key {
    key(Space::Lock, &[id.as_bytes(), &u32::MAX.to_be_bytes()])
}
/// The records key for the holder of a recovery key.
pub(super) fn recovery(id: RecoveryId) -> Key {
    key(Space::Recovery, &[&id.0])
}
/// How far keys were wrapped anew.
pub(super) fn rewrap() -> Key {
    key(Space::KeyWork, &[b"rewrap"])
}
/// Whether a copy of a root key is kept elsewhere.
pub(super) fn key_copy(id: u32) -> Key {
    key(Space::KeyWork, &[b"copy", &id.to_be_bytes()])
}
/// A strict lock: of one epoch, for one link (hash of its token).
pub(super) fn strict_lock(at: Epoch, link: &[u8; 32]) -> Key {
    key(Space::Lock, &[at.conversation.as_bytes(), &at.number.to_be_bytes(), link])
}
pub(super) fn epoch(at: Epoch) -> Key {
    key(Space::Epoch, &[at.conversation.as_bytes(), &at.number.to_be_bytes()])
}
/// The number of the epoch at such a place.
pub(super) fn epoch_of(place: &Key) -> Option<u32> {
    place.bytes.last_chunk::<4>().map(|number| u32::from_be_bytes(*number))
}
pub(super) fn contact_key(generation: Generation) -> Key {
    key(Space::ContactKey, &[generation.contact.as_bytes(), &generation.number.to_be_bytes()])
}
pub(super) fn content_key(conversation: ConversationId, message: MessageId) -> Key {
    key(Space::ContentKey, &[conversation.as_bytes(), message.as_bytes()])
}
pub(super) fn answer(conversation: ConversationId, id: MessageId) -> Key {
    key(Space::Answer, &[conversation.as_bytes(), id.as_bytes()])
}
/// `id` is that of the file's body.
pub(super) fn piece(id: MessageId) -> Key {
    key(Space::Piece, &[id.as_bytes()])
}
pub(super) fn answer_end(at: Timestamp, conversation: ConversationId, id: MessageId) -> Key {
    key(Space::AnswerEnd, &[&at.millis().to_be_bytes(), conversation.as_bytes(), id.as_bytes()])
}
/// The two ids at the end of such a key, or that are a key of [`Space::Answer`].
pub(super) fn answer_of(key: &[u8]) -> Option<(ConversationId, MessageId)> {
    let (conversation, id) = key.last_chunk::<32>()?.split_at(16);
    Some((ConversationId(conversation.try_into().ok()?), MessageId(id.try_into().ok()?)))
}
/// `token` is what stands in the address.
pub(super) fn answer_address(keys: &StoreKeys, token: &[u8]) -> Key {
    key(Space::AnswerAddress, &[&keys.blind("answer address", token)])
}
/// `hash` as [`super::conversation::Thread::hash`] gives it.
pub(super) fn thread(hash: &[u8; 32]) -> Key {
    key(Space::Thread, &[hash])
}
/// The newest sorts first, as in [`by_address`].
pub(super) fn by_contact(contact: ContactId, received: Timestamp, id: MessageId) -> Key {
    let before_end = u64::MAX - received.millis();
    key(Space::ByContact, &[contact.as_bytes(), &before_end.to_be_bytes(), id.as_bytes()])
}
pub(super) fn delivery(message: MessageId, conversation: ConversationId) -> Key {
    key(Space::Delivery, &[message.as_bytes(), conversation.as_bytes()])
}
pub(super) fn contact(id: ContactId) -> Key {
    key(Space::Contact, &[id.as_bytes()])
}
pub(super) fn verifier(id: ContactId) -> Key {
    key(Space::Verifier, &[id.as_bytes()])
}
pub(super) fn phone(id: ContactId) -> Key {
    key(Space::Phone, &[id.as_bytes()])
}
pub(super) fn challenge(id: GrantId) -> Key {
    key(Space::Challenge, &[id.as_bytes()])
}
/// Codes for one link.
pub(super) fn sent_for(id: GrantId) -> Key {
    key(Space::Sent, &[&[SENT_FOR], id.as_bytes()])
}
/// Codes to one number or mailbox, whoever its links are of.
pub(super) fn sent_to(keys: &StoreKeys, to: &Destination) -> Key {
    let hash = match to {
        Destination::Phone(phone) => keys.blind("sms to number", phone.expose().as_bytes()),
        Destination::Mailbox(address) => keys.blind("code to mailbox", address_key(address).as_bytes()),
    };
    key(Space::Sent, &[&[SENT_TO], &hash])
}
/// Codes in all.
pub(super) fn sent_in_all(way: Way) -> Key {
    key(
        Space::Sent,
        &[&[match way {
            Way::Sms => SENT_IN_ALL,
            Way::Mail => MAILED_IN_ALL,
        }]],
    )
}
/// What was asked of the sender through one link.
pub(super) fn asked(id: GrantId) -> Key {
    key(Space::Sent, &[&[ASKED], id.as_bytes()])
}
/// First bytes of the keys of [`Space::Sent`].
pub(super) const SENT_FOR: u8 = 1;
pub(super) const SENT_TO: u8 = 2;
const SENT_IN_ALL: u8 = 3;
pub(super) const ASKED: u8 = 4;
const MAILED_IN_ALL: u8 = 5;
pub(super) fn grant(id: GrantId) -> Key {
    key(Space::Grant, &[id.as_bytes()])
}
/// `link` is the hash of the link token.
pub(super) fn grant_index(link: &[u8; 32]) -> Key {
    key(Space::GrantIndex, &[link])
}
/// `reference` as `crate::seal::token::read_reference` gives it.
pub(super) fn reference(keys: &StoreKeys, reference: &str, id: GrantId) -> Key {
    key(Space::Reference, &[&reference_prefix(keys, reference), id.as_bytes()])
}
pub(super) fn reference_prefix(keys: &StoreKeys, reference: &str) -> [u8; 32] {
    keys.blind("reference of a notice", reference.as_bytes())
}
pub(super) fn grant_tries(id: GrantId) -> Key {
    key(Space::GrantTries, &[id.as_bytes()])
}
/// What became of the code that was sent last for this link.
pub(super) fn dispatch(id: GrantId) -> Key {
    key(Space::Dispatch, &[id.as_bytes()])
}
pub(super) fn contact_tries(id: ContactId) -> Key {
    key(Space::ContactTries, &[id.as_bytes()])
}
/// `cookie` is the hash of the session token.
pub(super) fn session(cookie: &[u8; 32]) -> Key {
    key(Space::Session, &[cookie])
}
pub(super) fn job(id: JobId) -> Key {
    key(Space::Job, &[id.as_bytes()])
}
pub(super) fn job_secret(id: JobId) -> Key {
    key(Space::JobSecret, &[id.as_bytes()])
}
/// In the lane of its kind.
pub(super) fn job_due(kind: &JobKind, due: Timestamp, id: JobId) -> Key {
    key(Lane::of(kind).space(), &[&due.millis().to_be_bytes(), id.as_bytes()])
}
/// `hash` is the keyed hash of what makes two mails the same.
pub(super) fn repeat(hash: &[u8; 32]) -> Key {
    key(Space::Repeat, &[hash])
}
pub(super) fn expiry(expires: Timestamp, id: MessageId) -> Key {
    key(Space::Expiry, &[&expires.millis().to_be_bytes(), id.as_bytes()])
}
/// `id` is random and names nothing.
pub(super) fn purge(id: &[u8; 16]) -> Key {
    key(Space::Purge, &[id])
}
/// `id` is that of a grant or a message.
pub(super) fn stub(id: &[u8; 16]) -> Key {
    key(Space::Stub, &[id])
}
pub(super) fn stub_end(until: Timestamp, id: &[u8; 16]) -> Key {
    key(Space::StubEnd, &[&until.millis().to_be_bytes(), id])
}
/// `address` as [`by_address_prefix`].
pub(super) fn erasure(address: &[u8; 32]) -> Key {
    key(Space::Erasure, &[address])
}
/// The newest sorts first: the time is counted down.
pub(super) fn by_address(keys: &StoreKeys, address: &str, received: Timestamp, id: MessageId) -> Key {
    let before_end = u64::MAX - received.millis();
    key(Space::ByAddress, &[&by_address_prefix(keys, address), &before_end.to_be_bytes(), id.as_bytes()])
}
/// `address` as [`Address::key`].
pub(super) fn by_address_prefix(keys: &StoreKeys, address: &str) -> [u8; 32] {
    keys.blind("message by address", address.as_bytes())
}
/// One contact per recipient and sender (both as [`Address::key`]); those for one recipient lie together.
pub(super) fn contact_index(keys: &StoreKeys, sender: &str, recipient: &str) -> Key {
    let sender = keys.blind("contact by sender", sender.as_bytes());
    key(Space::ContactIndex, &[&contact_index_prefix(keys, recipient), &sender])
}
pub(super) fn contact_index_prefix(keys: &StoreKeys, recipient: &str) -> [u8; 32] {
    keys.blind("contact by recipient", recipient.as_bytes())
}

/// The form in which an address is looked up. What does not parse (it was accepted once, by other rules) still has one.
pub(super) fn address_key(address: &str) -> String {
    address.parse::<Address>().map_or_else(|_| address.to_lowercase(), |address| address.key())
}

/// The first key after all that begin with `prefix`; `None` when there is none.
pub(super) fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// What the recipient part of a contact index key is, and what follows it for a sender (both as [`Address::key`]).
pub(super) fn contact_index_parts(keys: &StoreKeys, address: &str) -> ([u8; 32], [u8; 32]) {
    (contact_index_prefix(keys, address), keys.blind("contact by sender", address.as_bytes()))
}

/// The id in the last 16 bytes of a key.
pub(super) fn last_id(key: &[u8]) -> Option<[u8; 16]> {
    key.last_chunk::<16>().copied()
}

/// The time at the start of a key of [`Space::JobDue`], [`Space::Expiry`], [`Space::StubEnd`] or [`Space::AnswerEnd`].
pub(super) fn due_of(key: &[u8]) -> Option<Timestamp> {
    key.first_chunk::<8>().map(|bytes| Timestamp(u64::from_be_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_follows_everything_in_it() {
        let cases: [(&[u8], Option<&[u8]>); 4] =
            [(&[1, 2], Some(&[1, 3])), (&[1, 255], Some(&[2])), (&[255, 255], None), (&[], None)];
        for (prefix, expected) in cases {
            assert_eq!(after(prefix).as_deref(), expected);
        }
    }

    #[test]
    fn keys_sort_by_time_and_newest_first_by_address() {
        let keys = crate::seal::keyring::StoreSecret::generate(&crate::base::SeededEntropy::new(1)).keys();
        let (early, late) = (Timestamp(255), Timestamp(256));
        let kind = JobKind::Closed { grant: GrantId([2; 16]) };
        assert!(job_due(&kind, early, JobId([9; 16])) < job_due(&kind, late, JobId([1; 16])));
        assert_eq!(due_of(&job_due(&kind, late, JobId([1; 16])).bytes), Some(late));
        let id = MessageId([1; 16]);
        assert!(by_address(&keys, "a@b.example", late, id) < by_address(&keys, "a@b.example", early, id));
        assert_eq!(last_id(&by_address(&keys, "a@b.example", late, id).bytes), Some([1; 16]));
    }

    #[test]
    fn an_address_is_found_in_any_spelling() {
        assert_eq!(address_key("Jan@Bücher.Example"), "jan@xn--bcher-kva.example");
        assert_eq!(address_key("No Address"), "no address");
    }
}
