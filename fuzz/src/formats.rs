//! One function per format that we write ourselves: any bytes in, and what must hold of the result. `tests/formats.rs` runs them
//! over `fuzz/seeds` and over mutations of these.

use minicbor::{Decode, Encode};
use zegel::base::{ConversationId, MessageId, SecretBytes, SeededEntropy};
use zegel::mail::manifest::Manifest;
use zegel::seal::body::{CHUNK, ContentKey, HEADER, Opener, Sealer, TAG};
use zegel::seal::keyring::{RootKeyring, StoreSecret};
use zegel::seal::lock::{ConversationKey, locked_under};
use zegel::seal::record;
use zegel::seal::recovery::{RecoveryPrivate, RecoveryPublic, locked_for};
use zegel::store::records::{Contact, Conversation, Delivery, Grant, Job, JobSecret, Message, Session};

const KEY: SecretBytes<32> = SecretBytes::new([7; 32]);
const MESSAGE: MessageId = MessageId([9; 16]);

/// A sealed body: a strange header is refused; behind a right one the chunks lie side by side to the end, and none opens.
pub fn body(data: &[u8]) {
    let key = ContentKey(KEY);
    if let Ok(opener) = Opener::new(&key, MESSAGE, data, data.len() as u64) {
        chunks(&opener, data);
    }
    let mut sealed = Vec::new();
    let _ = Sealer::new(&key, MESSAGE, &SeededEntropy::new(1), &mut sealed);
    sealed.truncate(HEADER);
    sealed.extend_from_slice(data);
    match Opener::new(&key, MESSAGE, &sealed, sealed.len() as u64) {
        Ok(opener) => chunks(&opener, &sealed),
        Err(_) => assert!(data.len() % (CHUNK + TAG) <= TAG, "a length that a body can have"),
    }
}

fn chunks(opener: &Opener, sealed: &[u8]) {
    let mut end = HEADER as u64;
    for index in 0..opener.chunks() {
        let (offset, len) = opener.place(index).expect("a chunk that is counted has a place");
        assert_eq!(offset, end);
        end += len as u64;
        let piece = &sealed[offset as usize..end as usize];
        assert!(opener.open(index, piece).is_err(), "nobody sealed this");
    }
    assert_eq!(end, sealed.len() as u64);
    assert!(opener.place(opener.chunks()).is_none());
    assert!(opener.plain_len() < sealed.len() as u64);
}

/// A sealed record, a wrap, a lock: refused, whatever they are. What a record holds: read, written and read again the same.
pub fn record(data: &[u8]) {
    assert!(record::open(&KEY, 2, b"key", data).is_err(), "nobody sealed this");
    let sealed = record::seal(&KEY, 2, b"key", data, &SeededEntropy::new(1));
    assert_eq!(record::open(&KEY, 2, b"key", &sealed).expect("its own").as_slice(), data);
    let entropy = SeededEntropy::new(2);
    let keyring = RootKeyring::generate(&entropy);
    let (conversation, key) = (ConversationId([1; 16]), ConversationKey::generate(&entropy));
    assert!(ConversationKey::open_assisted(&keyring, conversation, data).is_err());
    assert!(key.unwrap(conversation, MESSAGE, data).is_err());
    assert!(StoreSecret::unwrap(&keyring, data).is_err());
    assert!(!(matches!(locked_under(data), Ok(Some(_))) && matches!(locked_for(data), Ok(Some(_)))));
    again::<Message>(data);
    again::<Conversation>(data);
    again::<Contact>(data);
    again::<Grant>(data);
    again::<Delivery>(data);
    again::<Session>(data);
    again::<Job>(data);
    again::<JobSecret>(data);
}

fn again<T: for<'b> Decode<'b, ()> + Encode<()> + PartialEq>(data: &[u8]) {
    let Ok(record) = minicbor::decode::<T>(data) else { return };
    let written = minicbor::to_vec(&record).expect("what was read can be written");
    assert!(minicbor::decode::<T>(&written).is_ok_and(|read| read == record));
}

/// A manifest: read, written and read again the same.
pub fn manifest(data: &[u8]) {
    let Ok(manifest) = Manifest::decode(data) else { return };
    assert!(Manifest::decode(&manifest.encode()).as_ref() == Ok(&manifest));
    let _ = (manifest.mime.shown(), manifest.mime.attachments());
}

/// A keyring file, or one of a recovery key: what is taken is written and taken again; what is refused is not shown.
pub fn keyring(data: &[u8]) {
    use secrecy::ExposeSecret;
    let Ok(text) = std::str::from_utf8(data) else { return };
    match RootKeyring::parse(text) {
        Ok(ring) => {
            let written = ring.to_text();
            let read = RootKeyring::parse(written.expose_secret()).expect("our own writing");
            assert_eq!((read.ids(), read.lacks(&ring)), (ring.ids(), None));
            assert!(ring.with_new(&SeededEntropy::new(1)).lacks(&ring).is_none());
            assert!(ring.without(ring.active()).is_none());
        }
        Err(refused) => shows_nothing(text, &refused.to_string()),
    }
    if let Ok(key) = RecoveryPublic::parse(text) {
        assert_eq!(RecoveryPublic::parse(&key.to_text()), Ok(key));
    }
    match RecoveryPrivate::parse(text) {
        Ok(key) => assert!(RecoveryPublic::parse(text).is_err() && key.to_text().expose_secret().len() == 88),
        Err(refused) => shows_nothing(text, &refused.to_string()),
    }
}

/// No ten characters that could be of a key.
fn shows_nothing(text: &str, said: &str) {
    let pieces = text.as_bytes().windows(10).filter(|piece| piece.iter().all(u8::is_ascii_hexdigit));
    let said = said.as_bytes();
    for piece in pieces.take(1000) {
        assert!(!said.windows(10).any(|window| window == piece), "a piece of a key is shown");
    }
}
