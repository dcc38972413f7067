//! Taking mail, over a store in memory.

mod mail_code;
mod refused;
mod sms;
mod strict;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::base::{ManualClock, MessageId, SecretBytes, SeededEntropy, Timestamp};
use crate::mail::header::HeaderBlock;
use crate::mail::manifest::Manifest;
use crate::policy::{Level, Mode};
use crate::seal::body::Opener;
use crate::seal::code::AccessCode;
use crate::seal::keyring::RootKeyring;
use crate::seal::token::LinkToken;
use crate::store::records::{JobKind, LeasedJob, Message};

const SENDER: &str = "j.jansen@zorg.example";
const HEADER: &str = "Received: from a by b\r\nFrom: J. Jansen <J.Jansen@zorg.example>\r\nTo: P. Pieters <p@else.example>\r\n\
    Cc: <q@else.example>\r\nBcc: hidden@else.example\r\nZegel-Proof: p@else.example code\r\nSubject: [veilig] Uitslag\r\n\
    Message-ID: <1@zorg.example>\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\n";
const BODY: &str = "\r\nBeste mevrouw,\r\n\r\n.De uitslag is goed.\r\n";

struct Gateway {
    intake: Intake,
    store: Store,
    clock: Arc<ManualClock>,
}

fn gateway(max_size: u64) -> Gateway {
    let entropy = Arc::new(SeededEntropy::new(1));
    let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_795_255_200)));
    let store = Store::in_memory(RootKeyring::generate(&*entropy), clock.clone(), entropy.clone());
    let cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
    let settings = Settings {
        max_size,
        cost,
        strict_cost: cost,
        hashers: 2,
        language: "nl".into(),
        numbers: Some(crate::sms::Numbers::default()),
    };
    Gateway { intake: Intake::new(settings, store.clone(), clock.clone(), entropy), store, clock }
}

fn tags() -> Vec<String> {
    vec!["veilig".into()]
}

fn recipients(addresses: &[&str]) -> Vec<Recipient> {
    let terms = Terms {
        reason: "subject tag".into(),
        expires: Duration::from_hours(90 * 24),
        mode: Mode::Assisted,
        proof: None,
        level: Level::Code,
    };
    addresses.iter().map(|text| Recipient { address: text.parse().unwrap(), terms: terms.clone() }).collect()
}

fn identity() -> Identity {
    let address: Address = "J.Jansen@zorg.example".parse().unwrap();
    Identity { address: address.clone(), name: "J. Jansen".into(), mailbox: address }
}

fn stored(header: &str) -> Vec<u8> {
    HeaderBlock::new(header.as_bytes()).stored(&tags())
}

impl Gateway {
    async fn begin(&self, header: &str, to: &[&str]) -> Result<Sealing, IntakeError> {
        let facts = HeaderBlock::new(header.as_bytes()).facts(&tags());
        self.intake.begin(identity(), facts, recipients(to), &stored(header)).await
    }

    /// Takes one mail in small pieces.
    async fn take(&self, header: &str, body: &str, to: &[&str]) -> MessageId {
        let mut sealing = self.begin(header, to).await.unwrap();
        for piece in body.as_bytes().chunks(7) {
            sealing.write(piece).await.unwrap();
        }
        let id = sealing.id();
        sealing.take().await.unwrap();
        id
    }

    async fn due(&self) -> Vec<LeasedJob> {
        self.store.lease_due(self.clock.now(), 1000).await.unwrap()
    }

    async fn messages(&self) -> Vec<(MessageId, Message)> {
        self.store.find(SENDER, None, 1000).await.unwrap()
    }

    /// All bytes of a stored body, through the locks.
    async fn open(&self, id: MessageId) -> Vec<u8> {
        let message = self.store.message(id).await.unwrap().unwrap();
        let mut copies = Vec::new();
        for conversation in &message.conversations {
            let key = self.store.content_key(*conversation, id).await.unwrap().unwrap();
            let reader = self.store.body(id).await.unwrap().unwrap();
            let header = reader.read_at(0, crate::seal::body::HEADER).await.unwrap();
            let opener = Opener::new(&key, id, &header, reader.len()).unwrap();
            let mut plain = Vec::new();
            for index in 0..opener.chunks() {
                let (offset, len) = opener.place(index).unwrap();
                plain.extend_from_slice(&opener.open(index, &reader.read_at(offset, len).await.unwrap()).unwrap());
            }
            assert_eq!((plain.len() as u64, message.sealed_len), (message.plain_len, reader.len()));
            copies.push(plain);
        }
        copies.dedup();
        assert_eq!(copies.len(), 1, "every conversation opens the same bytes");
        copies.remove(0)
    }
}

fn notices(jobs: &[LeasedJob]) -> Vec<LinkToken> {
    let notice = |job: &&LeasedJob| matches!(job.job.kind, JobKind::Notice { .. });
    let token = |job: &LeasedJob| {
        let bytes = job.secret.as_ref().unwrap().token.clone().unwrap();
        LinkToken::from_secret(SecretBytes::new(bytes.try_into().unwrap()))
    };
    jobs.iter().filter(notice).map(token).collect()
}

fn codes(jobs: &[LeasedJob]) -> Vec<(crate::base::ContactId, String)> {
    let code = |job: &LeasedJob| match job.job.kind {
        JobKind::Code { contact } => Some((contact, job.secret.as_ref().unwrap().code.clone().unwrap())),
        _ => None,
    };
    jobs.iter().filter_map(code).collect()
}

#[tokio::test]
async fn one_recipient_gets_a_notice_and_the_sender_a_code() {
    let gateway = gateway(1 << 20);
    let id = gateway.take(HEADER, BODY, &["P@else.example"]).await;
    let message = gateway.store.message(id).await.unwrap().unwrap();
    assert_eq!((message.subject.as_str(), message.reason.as_str()), ("Uitslag", "subject tag"));
    assert_eq!(message.sender.mailbox, "J.Jansen@zorg.example");
    assert_eq!(message.received, gateway.clock.now());
    assert_eq!(message.expires, gateway.clock.now() + Duration::from_hours(90 * 24));

    let jobs = gateway.due().await;
    assert_eq!(jobs.len(), 2);
    let view = gateway.store.grant(&notices(&jobs)[0]).await.unwrap().unwrap();
    assert_eq!((view.grant.message, view.grant.expires), (id, message.expires));
    assert_eq!(view.conversation.recipient, "P@else.example");
    assert_eq!((view.contact.language.as_str(), view.contact.generation), ("nl", 1));
    assert_eq!(
        (view.contact.mailbox.as_str(), view.contact.sender_name.as_str()),
        ("J.Jansen@zorg.example", "J. Jansen")
    );
    assert_eq!(view.grant.reference.len(), 9);

    let (contact, code) = codes(&jobs).remove(0);
    assert_eq!(contact, view.grant.contact);
    let (verifier, generation) = gateway.store.verifier(contact).await.unwrap().unwrap();
    assert_eq!(generation, 1);
    let pepper = &gateway.store.keys().pepper;
    let code = AccessCode::normalise(&code).unwrap();
    assert_eq!(verifier.matches(&code, pepper, &mut crate::seal::hashers::Memory::default()), Ok(true));
}

#[tokio::test]
async fn the_body_opens_byte_for_byte_and_shows_nothing_private() {
    let gateway = gateway(1 << 20);
    let id = gateway.take(HEADER, BODY, &["p@else.example", "hidden@else.example"]).await;
    let expected = [stored(HEADER), BODY.into()].concat();
    let bytes = gateway.open(id).await;
    assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&expected));
    let manifest = Manifest::decode(&gateway.store.manifest(id).await.unwrap().unwrap()).unwrap();
    for private in ["hidden", "Zegel-Proof", "veilig"] {
        assert!(!String::from_utf8_lossy(&bytes).contains(private), "{private} in the stored bytes");
        assert!(!format!("{manifest:?}").contains(private), "{private} in the manifest");
    }
    assert_eq!(manifest.subject, "Uitslag");
    assert!(manifest.cc.contains("q@else.example"));
    let whole = &manifest.mime.parts[0];
    let text = &bytes[usize::try_from(whole.body).unwrap()..usize::try_from(whole.end).unwrap()];
    assert_eq!(text, BODY.strip_prefix("\r\n").unwrap().as_bytes());
}

#[tokio::test]
async fn a_body_of_many_chunks_streams_through() {
    let gateway = gateway(1 << 20);
    let line = format!("{}\r\n", "0123456789".repeat(7));
    let body = format!("\r\n{}", line.repeat(5000));
    let mut sealing = gateway.begin(HEADER, &["p@else.example"]).await.unwrap();
    for piece in body.as_bytes().chunks(100_000) {
        sealing.write(piece).await.unwrap();
        assert!(sealing.sealed.capacity() < 4 * crate::seal::body::CHUNK, "memory is a chunk");
    }
    let id = sealing.id();
    sealing.take().await.unwrap();
    assert!(gateway.store.message(id).await.unwrap().unwrap().in_file);
    assert!(gateway.open(id).await == [stored(HEADER), body.into()].concat());
}

#[tokio::test]
async fn recipients_are_apart_and_count_once() {
    let gateway = gateway(1 << 20);
    let to = ["p@else.example", "q@else.example", "P@ELSE.example"];
    let id = gateway.take(HEADER, BODY, &to).await;
    let jobs = gateway.due().await;
    let (notices, codes) = (notices(&jobs), codes(&jobs));
    assert_eq!((notices.len(), codes.len()), (2, 2));
    assert!(notices[0] != notices[1]);
    assert!(codes[0].0 != codes[1].0 && codes[0].1 != codes[1].1);
    let conversations = gateway.store.message(id).await.unwrap().unwrap().conversations;
    assert!(conversations.len() == 2 && conversations[0] != conversations[1]);
}

#[tokio::test]
async fn a_contact_is_used_again_without_a_second_code() {
    let gateway = gateway(1 << 20);
    gateway.take(HEADER, BODY, &["p@else.example"]).await;
    let first = codes(&gateway.due().await).remove(0).0;
    let again = HEADER.replace("<1@", "<2@");
    gateway.take(&again, BODY, &["P@Else.example", "new@else.example"]).await;
    let jobs = gateway.due().await;
    assert_eq!((notices(&jobs).len(), codes(&jobs).len()), (2, 1));
    assert_ne!(codes(&jobs)[0].0, first);
    let mut contacts = Vec::new();
    for token in notices(&jobs) {
        contacts.push(gateway.store.grant(&token).await.unwrap().unwrap().grant.contact);
    }
    assert!(contacts.contains(&first));
}

#[tokio::test]
async fn a_mail_that_comes_again_is_taken_once() {
    let gateway = gateway(1 << 20);
    gateway.take(HEADER, BODY, &["p@else.example"]).await;
    assert_eq!(gateway.due().await.len(), 2);
    // With another Received, as after a lost 250; and to one recipient more.
    let again = HEADER.replace("from a by b", "from c by d");
    gateway.take(&again, BODY, &["P@else.example"]).await;
    assert_eq!((gateway.due().await.len(), gateway.messages().await.len()), (0, 1));
    gateway.take(&again, BODY, &["p@else.example", "q@else.example"]).await;
    assert_eq!(notices(&gateway.due().await).len(), 1);

    let other_id = HEADER.replace("<1@", "<2@");
    let no_id = HEADER.replace("Message-ID: <1@zorg.example>\r\n", "");
    for (header, body) in [(HEADER, "\r\nanders\r\n"), (&other_id, BODY), (&no_id, BODY), (&no_id, BODY)] {
        gateway.take(header, body, &["p@else.example"]).await;
        assert_eq!(notices(&gateway.due().await).len(), 1, "{header}{body}");
    }
    gateway.clock.advance(Duration::from_secs(5 * 86400 + 1));
    gateway.take(HEADER, BODY, &["p@else.example"]).await;
    assert_eq!(notices(&gateway.due().await).len(), 1);
}

#[tokio::test]
async fn a_prepared_mail_counts_when_the_rest_is_taken() {
    let gateway = gateway(1 << 20);
    let mut sealing = gateway.begin(HEADER, &["p@else.example"]).await.unwrap();
    sealing.write(BODY.as_bytes()).await.unwrap();
    let id = sealing.id();
    let prepared = sealing.prepare().await.unwrap().unwrap();
    assert_eq!((gateway.due().await.len(), gateway.messages().await.len()), (0, 0));
    gateway.intake.commit(prepared).await.unwrap();
    assert_eq!((gateway.due().await.len(), gateway.messages().await.len()), (2, 1));
    assert!(gateway.open(id).await.ends_with(BODY.as_bytes()));

    let mut sealing = gateway.begin(HEADER, &["p@else.example"]).await.unwrap();
    sealing.write(BODY.as_bytes()).await.unwrap();
    assert!(sealing.prepare().await.unwrap().is_none(), "they had this very mail already");
}

#[tokio::test]
async fn a_prepared_mail_goes_when_the_rest_is_refused() {
    let gateway = gateway(1 << 20);
    let mut sealing = gateway.begin(HEADER, &["p@else.example"]).await.unwrap();
    sealing.write(BODY.as_bytes()).await.unwrap();
    let prepared = sealing.prepare().await.unwrap().unwrap();
    gateway.intake.drop_prepared(prepared).await.unwrap();
    assert_eq!((gateway.due().await.len(), gateway.messages().await.len()), (0, 0));
    assert!(gateway.store.contact_of(SENDER, "p@else.example").await.unwrap().is_none());
    // The client tries again: nothing is in the way.
    gateway.take(HEADER, BODY, &["p@else.example"]).await;
    assert_eq!(gateway.due().await.len(), 2);
}

#[tokio::test]
async fn a_contact_made_while_a_mail_was_prepared_is_used_instead() {
    let gateway = gateway(1 << 20);
    let mut sealing = gateway.begin(HEADER, &["p@else.example"]).await.unwrap();
    sealing.write(BODY.as_bytes()).await.unwrap();
    let prepared = sealing.prepare().await.unwrap().unwrap();
    gateway.take(&HEADER.replace("<1@", "<2@"), BODY, &["p@else.example"]).await;
    let first = gateway.due().await;
    gateway.intake.commit(prepared).await.unwrap();
    let second = gateway.due().await;
    assert_eq!((codes(&first).len(), codes(&second).len()), (1, 0));
    let view = gateway.store.grant(&notices(&second)[0]).await.unwrap().unwrap();
    assert_eq!(view.grant.contact, codes(&first)[0].0);
    assert_eq!(gateway.store.contacts("p@else.example", None).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_mails_to_one_new_recipient_make_one_contact_and_one_code() {
    let gateway = Arc::new(gateway(1 << 20));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..12 {
        let gateway = Arc::clone(&gateway);
        tasks.spawn(async move {
            let header = HEADER.replace("<1@", &format!("<{number}@"));
            gateway.take(&header, BODY, &["p@else.example"]).await
        });
    }
    tasks.join_all().await;
    let jobs = gateway.due().await;
    assert_eq!((notices(&jobs).len(), codes(&jobs).len()), (12, 1));
    assert_eq!(gateway.messages().await.len(), 12);
    assert_eq!(gateway.store.contacts("p@else.example", None).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_mail_in_parallel_is_taken_once() {
    let gateway = Arc::new(gateway(1 << 20));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let gateway = Arc::clone(&gateway);
        tasks.spawn(async move { gateway.take(HEADER, BODY, &["p@else.example"]).await });
    }
    tasks.join_all().await;
    assert_eq!((gateway.due().await.len(), gateway.messages().await.len()), (2, 1));
}

#[tokio::test]
async fn more_new_recipients_than_hashers_all_get_their_codes() {
    let gateway = gateway(1 << 20);
    let to: Vec<String> = (0..30).map(|n| format!("r{n}@else.example")).collect();
    gateway.take(HEADER, BODY, &to.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let codes = codes(&gateway.due().await);
    let different: std::collections::BTreeSet<_> = codes.iter().map(|(_, code)| code).collect();
    assert_eq!((codes.len(), different.len()), (30, 30));
}

#[tokio::test]
async fn terms_that_differ_keep_the_message_for_the_longest() {
    let gateway = gateway(1 << 20);
    let mut to = recipients(&["p@else.example", "q@else.example"]);
    to[1].terms = Terms {
        reason: "rule zorg".into(),
        expires: Duration::from_hours(365 * 24),
        mode: Mode::Assisted,
        proof: None,
        level: Level::Code,
    };
    let facts = HeaderBlock::new(HEADER.as_bytes()).facts(&tags());
    let sealing = gateway.intake.begin(identity(), facts, to, &stored(HEADER)).await.unwrap();
    let id = sealing.id();
    sealing.take().await.unwrap();
    let message = gateway.store.message(id).await.unwrap().unwrap();
    assert_eq!(message.expires, gateway.clock.now() + Duration::from_hours(365 * 24));
    assert_eq!(message.reason, "rule zorg; subject tag");
}

#[tokio::test]
async fn debug_shows_no_content() {
    let gateway = gateway(1 << 20);
    let mut sealing = gateway.begin(HEADER, &["p@else.example"]).await.unwrap();
    sealing.write(BODY.as_bytes()).await.unwrap();
    let text = format!("{sealing:?}");
    assert!(text.starts_with("Sealing {") && !text.contains("else.example") && !text.contains("Uitslag"), "{text}");
}
