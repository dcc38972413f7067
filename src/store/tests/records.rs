//! Records as bytes: what one release wrote, every later one reads.

use minicbor::{Decode, Encode};

use crate::access::one_time::{self, Counts};
use crate::access::{Admission, ContactTries, GrantTries, Limits, Network};
use crate::base::{ChallengeId, ContactId, ConversationId, GrantId, JobId, MessageId, Timestamp};
use crate::store::challenge::{StoredChallenge, StoredPhone};
use crate::store::dispatch::{Dispatch, Refusal, Stage};
use crate::store::plan::{Plan, PlannedDelivery, PlannedJob};
use crate::store::records::{
    Contact, Conversation, Delivery, Grant, Job, JobKind, JobSecret, Message, Phone, Proof, Sender, Session,
    StrictGrant, Wish,
};
use crate::store::retention::again::Origin;
use crate::store::retention::records::{Erasure, Purge, Seen};
use crate::store::retention::{Ending, Stub};
use crate::store::wishes::StoredWishes;

fn sender() -> Sender {
    Sender { address: "a@b.example".into(), name: "A".into(), mailbox: "m@b.example".into() }
}

fn message() -> Message {
    Message {
        received: Timestamp(1),
        sender: sender(),
        subject: "S".into(),
        expires: Timestamp(2),
        sealed_len: 3,
        in_file: true,
        plain_len: 4,
        reason: "r".into(),
        conversations: vec![ConversationId([5; 16])],
        checksum: None,
    }
}

fn conversation() -> Conversation {
    Conversation {
        sender: sender(),
        recipient: "c@d.example".into(),
        contact: ContactId([6; 16]),
        created: Timestamp(7),
        joined: None,
    }
}

fn contact() -> Contact {
    Contact {
        address: "c@d.example".into(),
        name: "C".into(),
        language: "nl".into(),
        proof: Proof::Code,
        generation: 1,
        hint: "h".into(),
        created: Timestamp(8),
        mailbox: "m@b.example".into(),
        sender: "a@b.example".into(),
        sender_name: "A".into(),
    }
}

fn grant() -> Grant {
    Grant {
        message: MessageId([9; 16]),
        conversation: ConversationId([10; 16]),
        contact: ContactId([11; 16]),
        created: Timestamp(12),
        expires: Timestamp(13),
        reference: "K7QF-2M9D".into(),
        link: None,
        repeat: None,
        strict: None,
        more: None,
        thread: None,
    }
}

fn grant_with_link() -> Grant {
    Grant { link: Some([19; 32]), repeat: Some([20; 32]), ..grant() }
}

fn grant_with_links() -> Grant {
    Grant { more: Some(vec![[23; 32].into()]), ..grant_with_link() }
}

fn strict_grant() -> Grant {
    Grant { strict: Some(StrictGrant { epoch: 2, generation: Some(3) }), ..grant_with_link() }
}

/// What a removal leaves and notes.
fn removed() -> (Stub, [Purge; 2], Erasure) {
    let stub = Stub {
        why: Ending::Recalled,
        at: Timestamp(1),
        until: Timestamp(2),
        link: Some([19; 32]),
        more: None,
        origin: None,
    };
    let message = Purge::Message {
        id: MessageId([9; 16]),
        why: Ending::Recalled,
        at: Timestamp(1),
        until: Timestamp(2),
        whole: true,
        conversations: vec![ConversationId([10; 16])],
        grants: vec![GrantId([17; 16])],
        pieces: None,
    };
    let contact = Purge::Contact { id: ContactId([11; 16]), at: Timestamp(1), address: [19; 32] };
    (stub, [message, contact], Erasure { as_recipient: [21; 32], as_sender: [22; 32], at: Timestamp(1) })
}

fn stub_with_origin() -> Stub {
    let origin = Origin::sample(conversation().sender, ContactId([11; 16]));
    Stub { more: Some(vec![[23; 32].into()]), origin: Some(Box::new(origin)), ..removed().0 }
}

fn job(kind: JobKind) -> Job {
    Job { kind, created: Timestamp(14), due: Timestamp(15), attempts: 2, last: "450".into() }
}

fn tries() -> (GrantTries, ContactTries) {
    let (mut of_grant, mut of_contact) = (GrantTries::default(), ContactTries::default());
    let network = Network::of([192, 0, 2, 1].into());
    for second in 0..5 {
        let admission =
            of_grant.admit(&mut of_contact, network, &Limits::default(), Timestamp::from_secs(1_800_000_000 + second));
        assert!(matches!(admission, Admission::Try { .. }));
    }
    (of_grant, of_contact)
}

fn plan() -> Plan {
    let job =
        PlannedJob { id: JobId([16; 16]), kind: JobKind::Notice { grant: GrantId([17; 16]) }, due: Timestamp(18) };
    let delivery = PlannedDelivery {
        conversation_id: ConversationId([5; 16]),
        conversation: conversation(),
        new_contact: Some(contact()),
        grant_id: GrantId([17; 16]),
        grant: grant(),
        link: [19; 32],
        repeat: Some([20; 32]),
        jobs: vec![job],
        joins: None,
    };
    Plan { message: message(), deliveries: vec![delivery] }
}

fn sms_job() -> JobKind {
    JobKind::Sms { grant: GrantId([17; 16]), challenge: ChallengeId([18; 16]), expires: Timestamp(600_000) }
}

fn one_time_mail() -> JobKind {
    JobKind::OneTimeMail { grant: GrantId([17; 16]), challenge: ChallengeId([18; 16]), expires: Timestamp(600_000) }
}

fn sms_counts() -> Counts {
    let mut counts = Counts::default();
    counts.ask(None, &one_time::Limits::default(), Timestamp(1));
    counts
}

fn dispatch() -> Dispatch {
    Dispatch {
        job: JobId([19; 16]),
        challenge: ChallengeId([18; 16]),
        stage: Stage::Failed(Refusal::Credit),
        at: Timestamp(3),
        provider: "een".to_owned(),
        id: "SM1".to_owned(),
    }
}

/// One record of each kind, as hexadecimal digits.
fn written() -> Vec<(&'static str, String)> {
    fn hex<T: Encode<()>>(record: &T) -> String {
        data_encoding::HEXLOWER.encode(&minicbor::to_vec(record).unwrap())
    }
    let (of_grant, of_contact) = tries();
    let (stub, [message, contact], erasure) = removed();
    let delivery =
        Delivery { grant: GrantId([17; 16]), noticed: Some(Timestamp(1)), opened: None, failed: None, epoch: None };
    let session = Session { grant: GrantId([17; 16]), created: Timestamp(1), seen: Timestamp(2), generation: 3 };
    let grant_id = GrantId([17; 16]);
    let undeliverable = JobKind::Undeliverable { grant: grant_id, answer: "550".into() };
    vec![
        ("message", hex(&self::message())),
        ("conversation", hex(&conversation())),
        ("delivery", hex(&delivery)),
        ("contact", hex(&self::contact())),
        ("grant", hex(&grant())),
        ("session", hex(&session)),
        ("notice", hex(&job(JobKind::Notice { grant: grant_id }))),
        ("code", hex(&job(JobKind::Code { contact: ContactId([6; 16]) }))),
        ("closed", hex(&job(JobKind::Closed { grant: grant_id }))),
        ("undeliverable", hex(&job(undeliverable))),
        (
            "job secret",
            hex(&JobSecret { token: Some(vec![1, 2]), code: Some("12345678".into()), number: None, key: None }),
        ),
        ("grant tries", hex(&of_grant)),
        ("contact tries", hex(&of_contact)),
        ("prepared", hex(&plan())),
        ("grant with link", hex(&grant_with_link())),
        ("stub", hex(&stub)),
        ("purge of a message", hex(&message)),
        ("purge of a contact", hex(&contact)),
        ("erasure", hex(&erasure)),
        ("strict grant", hex(&strict_grant())),
        ("strict delivery", hex(&Delivery { epoch: Some(2), ..delivery })),
        ("strict contact", hex(&Contact { proof: Proof::StrictCode, ..self::contact() })),
        ("sms", hex(&job(sms_job()))),
        ("sms secret", hex(&JobSecret::number("+31612345678".to_owned()))),
        ("sms state", hex(&dispatch())),
        ("asked", hex(&job(JobKind::Asked { grant: grant_id, wish: Wish::OtherProof }))),
        ("sms failed", hex(&job(JobKind::OneTimeFailed { grant: grant_id, why: Refusal::Undelivered }))),
        ("contact by sms", hex(&Contact { proof: Proof::Sms, ..self::contact() })),
        ("phone", hex(&StoredPhone { phone: Phone::new("+31612345678".into()), generation: 2 })),
        ("challenge", hex(&StoredChallenge::sample())),
        ("sms for a link", hex(&sms_counts().link)),
        ("sms in all", hex(&sms_counts().organisation)),
        ("wishes", hex(&StoredWishes::sample())),
        ("message with checksum", hex(&Message { checksum: Some(0x0102_0304), ..self::message() })),
        ("ledger", hex(&Seen { entries: 7 })),
        ("grant with links", hex(&grant_with_links())),
        ("stub with links", hex(&Stub { more: Some(vec![[23; 32].into()]), ..stub })),
        ("one-time mail", hex(&job(one_time_mail()))),
        ("mail refused", hex(&Dispatch { stage: Stage::Failed(Refusal::Mailbox), ..dispatch() })),
        ("contact by mail", hex(&Contact { proof: Proof::Mail, ..self::contact() })),
        ("stub with origin", hex(&stub_with_origin())),
        ("asked again", hex(&job(JobKind::Asked { grant: grant_id, wish: Wish::Again }))),
    ]
}

#[test]
fn records_are_written_as_they_always_were() {
    let frozen: Vec<(&str, &str)> =
        include_str!("records.txt").lines().filter_map(|line| line.split_once(": ")).collect();
    let written = written();
    assert_eq!(frozen.len(), written.len());
    for ((name, bytes), (expected_name, expected)) in written.iter().zip(frozen) {
        assert_eq!((*name, bytes.as_str()), (expected_name, expected));
    }
}

/// A field that a later release added is skipped.
#[test]
fn a_field_that_is_not_known_yet_is_no_damage() {
    fn with_one_more<T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + std::fmt::Debug>(record: &T) {
        let mut bytes = minicbor::to_vec(record).unwrap();
        assert_eq!(bytes[0] & 0xe0, 0x80, "a short array");
        bytes[0] += 1;
        bytes.extend([0x61, b'x']);
        assert_eq!(minicbor::decode::<T>(&bytes).as_ref().unwrap(), record);
    }
    with_one_more(&Message { checksum: Some(7), ..message() });
    with_one_more(&Conversation { joined: Some(2), ..conversation() });
    with_one_more(&contact());
    with_one_more(&Grant { more: grant_with_links().more, thread: Some([21; 32]), ..strict_grant() });
    with_one_more(&job(JobKind::Notice { grant: GrantId([17; 16]) }));
    with_one_more(&tries().0);
    with_one_more(&stub_with_origin());
}
