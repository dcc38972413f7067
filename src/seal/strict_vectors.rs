//! Frozen test vectors of strict mode, byte for byte: `tests/vectors/strict-v1.json` never changes.
//!
//! What needs no public key is also written again and compared. What is sealed to one is only opened: how a library draws the randomness of an
//! encapsulation is no part of the format.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::body::ContentKey;
use super::code::{AccessCode, Cost};
use super::contact::{CodeKey, ContactKey, Generation};
use super::epoch::EpochKeys;
use super::hashers::Memory;
use super::lock::ConversationKey;
use super::strict::{Asks, Epoch, LinkKey, asks};
use super::token::LinkToken;
use crate::base::{ContactId, ConversationId, MessageId, SecretBytes, SeededEntropy};

const FROZEN: &str = include_str!("../../tests/vectors/strict-v1.json");

const CODE: &str = "K7QF 2M9D 00AB 11CD";
const CONVERSATION: ConversationId = ConversationId([0x70; 16]);
const GENERATION: Generation = Generation { contact: ContactId([0x50; 16]), number: 2 };
const MESSAGE: MessageId = MessageId([0x60; 16]);

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn at(number: u32) -> Epoch {
    Epoch { conversation: CONVERSATION, number }
}

fn pepper() -> SecretBytes<32> {
    SecretBytes::new([0x33; 32])
}

fn link() -> LinkKey {
    LinkKey::of(&LinkToken::from_secret(SecretBytes::new([0x80; 20])), &pepper())
}

fn key(seed: u64) -> ConversationKey {
    ConversationKey::generate(&SeededEntropy::new(seed))
}

fn content_key() -> ContentKey {
    ContentKey(SecretBytes::new([0x40; 32]))
}

fn contact_key() -> ContactKey {
    let code = AccessCode::normalise(CODE).unwrap();
    let code = CodeKey::new(&code, &pepper(), Cost::STRICT, &SeededEntropy::new(201), &mut Memory::default()).unwrap();
    ContactKey::generate(&code, GENERATION, &SeededEntropy::new(202))
}

/// What is the same every time.
fn repeatable() -> Value {
    json!({
        "pepper": hex(pepper().expose()),
        "link_token": hex(&[0x80; 20]),
        "conversation": hex(CONVERSATION.as_bytes()),
        "epoch_1_key": hex(key(203).secret().expose()),
        "epoch_2_key": hex(key(204).secret().expose()),
        "lock_by_link": hex(&key(203).lock_by_link(at(1), &link(), &SeededEntropy::new(205))),
        "contact": { "id": hex(GENERATION.contact.as_bytes()), "generation": GENERATION.number, "code": CODE },
        "contact_key_cbor": hex(&minicbor::to_vec(contact_key()).unwrap()),
        "epoch_1_cbor": hex(&minicbor::to_vec(EpochKeys::first(at(1), &key(203), &SeededEntropy::new(206))).unwrap()),
        "manifest": {
            "content_key": hex(content_key().0.expose()),
            "message": hex(MESSAGE.as_bytes()),
            "plain": hex(b"manifest"),
            "sealed": hex(&content_key().seal_manifest(MESSAGE, b"manifest", &SeededEntropy::new(207))),
        },
    })
}

/// What is sealed to a public key.
fn sealed() -> Value {
    let public = contact_key().public(GENERATION).unwrap();
    let entropy = SeededEntropy::new(208);
    let first = EpochKeys::first(at(1), &key(203), &SeededEntropy::new(206));
    json!({
        "lock_by_link_and_code": hex(&key(203).lock_by_link_and_code(at(1), &link(), &public, &entropy)),
        "epoch_2_cbor":
            hex(&minicbor::to_vec(EpochKeys::after(&first.public().unwrap(), at(2), &key(204), &entropy)).unwrap()),
    })
}

fn bytes(file: &Value, pointer: &str) -> Vec<u8> {
    HEXLOWER.decode(file.pointer(pointer).unwrap().as_str().unwrap().as_bytes()).unwrap()
}

#[test]
fn this_release_writes_what_version_1_wrote() {
    let frozen: Value = serde_json::from_str(FROZEN).unwrap();
    let written = repeatable();
    assert!(Some(&written) == frozen.get("repeatable"), "this release writes:\n{written:#}");
}

#[test]
fn what_version_1_wrote_opens_and_what_this_release_writes() {
    opens(&serde_json::from_str(FROZEN).unwrap());
    opens(&json!({ "repeatable": repeatable(), "sealed": sealed() }));
}

fn opens(file: &Value) {
    let lock = bytes(file, "/repeatable/lock_by_link");
    assert_eq!(asks(&lock), Ok(Asks::Link));
    assert!(ConversationKey::open_by_link(at(1), &link(), &lock) == Ok(key(203)));

    let contact: ContactKey = minicbor::decode(&bytes(file, "/repeatable/contact_key_cbor")).unwrap();
    let code = AccessCode::normalise(CODE).unwrap();
    let private = contact.open(GENERATION, &code, &pepper(), &mut Memory::default()).unwrap().unwrap();
    let lock = bytes(file, "/sealed/lock_by_link_and_code");
    assert_eq!(asks(&lock), Ok(Asks::LinkAndCode(GENERATION)));
    assert!(ConversationKey::open_by_link_and_code(at(1), &link(), &private, &lock) == Ok(key(203)));

    let first: EpochKeys = minicbor::decode(&bytes(file, "/repeatable/epoch_1_cbor")).unwrap();
    let second: EpochKeys = minicbor::decode(&bytes(file, "/sealed/epoch_2_cbor")).unwrap();
    assert!(first.step(at(1), &key(203), &second) == Ok(key(204)));

    let manifest = content_key().open_manifest(MESSAGE, &bytes(file, "/repeatable/manifest/sealed")).unwrap();
    assert_eq!(manifest.as_slice(), b"manifest");
}
