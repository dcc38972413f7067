//! Frozen test vectors: what version 1 of every format looks like, byte for byte.
//!
//! `tests/vectors/seal-v1.json` never changes. A format that does change gets a new version and a file of its own, and this one
//! must still open.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::body::{CHUNK, ContentKey, HEADER, Opener, Sealer};
use super::code::{AccessCode, Cost, Verifier};
use super::hashers::Memory;
use super::keyring::{RootKeyring, StoreSecret};
use super::lock::ConversationKey;
use super::record;
use super::token::{LinkToken, SessionToken};
use crate::base::{ConversationId, MessageId, SecretBytes, SeededEntropy};

const FROZEN: &str = include_str!("../../tests/vectors/seal-v1.json");

/// Two keys with fixed bytes; the second one is active.
const KEYRING: &str = "\
0000000a:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
c0ffee01:202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f
";

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn counting<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|i| first.wrapping_add(u8::try_from(i).unwrap()))
}

/// Byte `i` of a test body is `i × 31 mod 251`.
fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i * 31 % 251).unwrap()).collect()
}

fn content_key() -> ContentKey {
    ContentKey(SecretBytes::new(counting(0x40)))
}

fn message() -> MessageId {
    MessageId(counting(0x60))
}

fn conversation() -> ConversationId {
    ConversationId(counting(0x70))
}

fn seal_body(len: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sealer = Sealer::new(&content_key(), message(), &SeededEntropy::new(100), &mut out);
    sealer.push(&plain(len), &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    out
}

/// What this release writes for the fixed inputs.
fn written() -> Value {
    let keyring = RootKeyring::parse(KEYRING).unwrap();
    let secret = StoreSecret::generate(&SeededEntropy::new(101));
    let keys = secret.keys();
    let conversation_key = ConversationKey::generate(&SeededEntropy::new(102));
    let link = LinkToken::from_secret(SecretBytes::new(counting(0x80)));
    let session = SessionToken::generate(&SeededEntropy::new(103));
    let code = AccessCode::normalise("1234 5678").unwrap();
    let verifier =
        Verifier::new(&code, &keys.pepper, Cost::default(), &SeededEntropy::new(104), &mut Memory::default()).unwrap();
    let bodies: Vec<Value> = [0, 1, 40, CHUNK, CHUNK + 1]
        .map(|len| {
            let sealed = seal_body(len);
            json!({
                "plain_len": len,
                "header": hex(&sealed[..HEADER]),
                "sealed": (sealed.len() < 200).then(|| hex(&sealed)),
                "sealed_sha256": hex(&Sha256::digest(&sealed)),
            })
        })
        .into();
    json!({
        "keyring": {
            "file": KEYRING,
            "context": hex(b"context"),
            "plain": hex(b"plain"),
            "wrapped": hex(&keyring.wrap(b"context", b"plain", &SeededEntropy::new(105))),
        },
        "store_secret": {
            "wrapped": hex(&secret.wrap(&keyring, &SeededEntropy::new(106))),
            "records": hex(keys.records.expose()),
            "jobs": hex(keys.jobs.expose()),
            "pepper": hex(keys.pepper.expose()),
            "cookie": hex(keys.cookie.expose()),
            "blind": { "label": "label", "value": hex(b"value"), "hash": hex(&keys.blind("label", b"value")) },
        },
        "record": {
            "space": 3,
            "key": hex(b"key"),
            "plain": hex(b"value"),
            "sealed": hex(&record::seal(&keys.records, 3, b"key", b"value", &SeededEntropy::new(107))),
        },
        "lock": {
            "conversation": hex(conversation().as_bytes()),
            "assisted": hex(&conversation_key.lock_assisted(&keyring, conversation(), &SeededEntropy::new(108))),
        },
        "content_key": {
            "conversation": hex(conversation().as_bytes()),
            "message": hex(message().as_bytes()),
            "key": hex(content_key().0.expose()),
            "wrapped": hex(&conversation_key.wrap(conversation(), message(), &content_key(), &SeededEntropy::new(109))),
        },
        "body": { "key": hex(content_key().0.expose()), "message": hex(message().as_bytes()), "bodies": bodies },
        "link_token": { "text": secrecy::ExposeSecret::expose_secret(&link.to_text()), "hash": hex(&link.hash(&keys)) },
        "session_token": {
            "text": secrecy::ExposeSecret::expose_secret(&session.to_text()),
            "hash": hex(&session.hash(&keys)),
        },
        "verifier": { "code": code.expose(), "cbor": hex(&minicbor::to_vec(&verifier).unwrap()) },
    })
}

#[test]
fn this_release_writes_what_version_1_wrote() {
    let frozen: Value = serde_json::from_str(FROZEN).unwrap();
    let written = written();
    assert!(written == frozen, "this release writes:\n{written:#}");
}

/// The bytes of the frozen value at `pointer` (RFC 6901).
fn frozen(pointer: &str) -> Vec<u8> {
    let file: Value = serde_json::from_str(FROZEN).unwrap();
    HEXLOWER.decode(file.pointer(pointer).unwrap().as_str().unwrap().as_bytes()).unwrap()
}

#[test]
fn what_version_1_wrote_opens() {
    let keyring = RootKeyring::parse(KEYRING).unwrap();
    assert_eq!(keyring.unwrap(b"context", &frozen("/keyring/wrapped")).unwrap().as_slice(), b"plain");
    let keys = StoreSecret::unwrap(&keyring, &frozen("/store_secret/wrapped")).unwrap().keys();
    assert_eq!(record::open(&keys.records, 3, b"key", &frozen("/record/sealed")).unwrap().as_slice(), b"value");
    let conversation_key = ConversationKey::open_assisted(&keyring, conversation(), &frozen("/lock/assisted")).unwrap();
    let key = conversation_key.unwrap(conversation(), message(), &frozen("/content_key/wrapped")).unwrap();
    assert!(key == content_key());
    let sealed = frozen("/body/bodies/2/sealed");
    let opener = Opener::new(&key, message(), &sealed, sealed.len() as u64).unwrap();
    assert_eq!(*opener.open(0, &sealed[HEADER..]).unwrap(), plain(40));
    let verifier: Verifier = minicbor::decode(&frozen("/verifier/cbor")).unwrap();
    let code = AccessCode::normalise("12345678").unwrap();
    assert_eq!(verifier.matches(&code, &keys.pepper, &mut Memory::default()), Ok(true));
}
