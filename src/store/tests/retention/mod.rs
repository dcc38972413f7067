//! What goes, goes whole; what stays, stays; and every step may be the last of its process.

mod again;
mod erasure;
mod put_back;
pub(super) mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::bed::{Bed, ENDED_LINKS, LIMITS, net, on_each_engine};
use crate::base::{GrantId, MessageId, Timestamp};
use crate::mail::Address;
use crate::seal::token::LinkToken;
use crate::store::engine::Space;
use crate::store::intake::NewMessage;
use crate::store::jobs::JobEnd;
use crate::store::places;
use crate::store::records::{Grant, JobKind};
use crate::store::retention::ledger::Ledger;
use crate::store::retention::{Ending, Erased, Link, Recall, Retention, Stub};

const SENDER: &str = "arts@zorg.example";
const LIFE: Duration = Duration::from_hours(90 * 24);
/// More than stays inline.
const LARGE: usize = 100_000;

/// Records that outlive the messages they were made for.
const OF_CONTACTS: [Space; 4] = [Space::Meta, Space::Contact, Space::Verifier, Space::ContactIndex];

async fn taken(bed: &Bed, mail: (NewMessage, Vec<LinkToken>)) -> (MessageId, Vec<LinkToken>) {
    let (mail, tokens) = mail;
    let id = mail.id;
    assert!(bed.store.take(mail).await.unwrap().is_ok());
    (id, tokens)
}

async fn ending(bed: &Bed, token: &LinkToken) -> Option<Ending> {
    match bed.store.link(token).await.unwrap() {
        Link::Ended(ending) => Some(ending),
        Link::Open(_) => panic!("it opens"),
        Link::Unknown => None,
    }
}

/// How many records each space holds, of those that hold any.
async fn census(bed: &Bed) -> BTreeMap<Space, usize> {
    let mut census = BTreeMap::new();
    for place in bed.raw().await.into_keys() {
        *census.entry(place.space).or_default() += 1;
    }
    census
}

/// Spaces with something in them that is no contact's.
pub(super) async fn left(bed: &Bed) -> BTreeSet<Space> {
    census(bed).await.into_keys().filter(|space| !OF_CONTACTS.contains(space)).collect()
}

/// Whether the message's text can still be had by this link.
async fn opens(bed: &Bed, token: &LinkToken) -> bool {
    let Link::Open(view) = bed.store.link(token).await.unwrap() else { return false };
    let key = bed.store.content_key(view.grant.conversation, view.grant.message).await.unwrap();
    let body = bed.store.body(view.grant.message).await.unwrap();
    assert_eq!(key.is_some(), body.is_some());
    key.is_some()
}

/// Everything that waits leaves.
async fn sent(bed: &Bed) {
    for job in bed.store.lease_due(bed.now(), 99).await.unwrap() {
        bed.store.finish_job(job.id, JobEnd::Done).await.unwrap();
    }
}

async fn bodies(bed: &Bed) -> usize {
    bed.store.inner.engine.bodies().await.unwrap().len()
}

on_each_engine! {
    async fn recalling_one_recipient_touches_no_other(bed) {
        let mail = bed.mail(&["jan@example.nl", "piet@example.nl"], LARGE).await;
        let (id, tokens) = taken(&bed, mail).await;
        let retention = bed.retention();
        let done = retention.recall(id, Some("jan@example.nl")).await.unwrap();
        assert_eq!(done, Recall::Done { recipients: 1, whole: false, complete: true });
        assert_eq!(ending(&bed, &tokens[0]).await, Some(Ending::Recalled));
        assert!(opens(&bed, &tokens[1]).await);
        assert!(bed.store.find("jan@example.nl", None, 9).await.unwrap().is_empty());
        assert_eq!(bed.store.find("piet@example.nl", None, 9).await.unwrap().len(), 1);
        assert_eq!(bed.store.find(SENDER, None, 9).await.unwrap().len(), 1);
        let views = bed.store.deliveries(id).await.unwrap();
        assert_eq!(views.iter().map(|v| v.conversation.recipient.as_str()).collect::<Vec<_>>(), ["piet@example.nl"]);
        let census = census(&bed).await;
        for space in [Space::Conversation, Space::Lock, Space::ContentKey, Space::Grant, Space::Delivery] {
            assert_eq!(census.get(&space), Some(&1), "{space:?}");
        }
        assert_eq!(retention.recall(id, Some("jan@example.nl")).await.unwrap(), Recall::NoRecipient);
        let done = retention.recall(id, None).await.unwrap();
        assert_eq!(done, Recall::Done { recipients: 1, whole: true, complete: true });
        assert_eq!(bodies(&bed).await, 0, "the body goes with the last conversation");
    }

    async fn a_recalled_message_leaves_a_stub_that_goes_too(bed) {
        for size in [100, LARGE] {
            let mail = bed.mail(&["jan@example.nl", "piet@example.nl"], size).await;
            let (id, tokens) = taken(&bed, mail).await;
            let retention = bed.retention();
            retention.recall(id, None).await.unwrap();
            let left_now = left(&bed).await;
            // The code of a new contact still has to reach the sender.
            let expected = [Space::GrantIndex, Space::Job, Space::JobSecret, Space::JobDue, Space::Stub, Space::StubEnd];
            let expected: Vec<Space> = expected.into_iter().filter(|s| size == 100 || !matches!(s, Space::Job | Space::JobSecret | Space::JobDue)).collect();
            assert_eq!(left_now, expected.into_iter().collect());
            assert_eq!(bodies(&bed).await, 0);
            assert!(matches!(retention.recall(id, None).await.unwrap(), Recall::Before { stub, complete: true } if stub.at == bed.now()));
            assert_eq!(retention.recall(MessageId([7; 16]), None).await.unwrap(), Recall::NoMessage);
            for token in &tokens {
                assert_eq!(ending(&bed, token).await, Some(Ending::Recalled));
            }
            for job in bed.store.lease_due(bed.now(), 9).await.unwrap() {
                assert!(matches!(job.job.kind, JobKind::Code { .. }), "no notice is left");
                bed.store.finish_job(job.id, JobEnd::Done).await.unwrap();
            }
            bed.clock.advance(ENDED_LINKS);
            assert_eq!(ending(&bed, &tokens[0]).await, None);
            while retention.round().await.unwrap().stubs > 0 {}
            assert_eq!(left(&bed).await, BTreeSet::new());
            assert_eq!(retention.recall(id, None).await.unwrap(), Recall::NoMessage);
        }
    }

    async fn a_round_removes_what_is_over_and_says_when_the_next_is_due(bed) {
        let (_, first) = taken(&bed, bed.mail(&["jan@example.nl"], LARGE).await).await;
        bed.pass(60);
        let (_, second) = taken(&bed, bed.mail(&["jan@example.nl"], 100).await).await;
        sent(&bed).await;
        let retention = bed.retention();
        // The collection of what nothing names takes a round for each space.
        let mut round = retention.round().await.unwrap();
        while round.next.unwrap() <= bed.now() {
            assert_eq!(round.expired, 0);
            round = retention.round().await.unwrap();
        }
        bed.clock.advance(LIFE.checked_sub(Duration::from_secs(61)).unwrap());
        retention.round().await.unwrap();
        assert!(opens(&bed, &first[0]).await, "a second before its end");
        bed.pass(1);
        assert_eq!(ending(&bed, &first[0]).await, Some(Ending::Expired), "also before the sweeper came");
        let round = retention.round().await.unwrap();
        assert_eq!((round.expired, bodies(&bed).await), (1, 0));
        assert_eq!(ending(&bed, &first[0]).await, Some(Ending::Expired));
        assert!(opens(&bed, &second[0]).await);
        bed.pass(60);
        assert_eq!(retention.round().await.unwrap().expired, 1);
        assert_eq!(left(&bed).await, BTreeSet::from([Space::GrantIndex, Space::Stub, Space::StubEnd]));
        bed.clock.advance(ENDED_LINKS);
        // Each message and each link left one.
        assert_eq!(retention.round().await.unwrap().stubs, 4);
        assert_eq!(left(&bed).await, BTreeSet::new());
        assert!(retention.ledger().gone(bed.store.keys()).is_empty(), "what expired says so itself");
    }

    async fn sessions_end_with_their_message(bed) {
        let (id, tokens) = taken(&bed, bed.mail(&["jan@example.nl", "piet@example.nl"], 100).await).await;
        let (mut cookies, mut views) = (Vec::new(), Vec::new());
        for token in &tokens {
            let (view, cookie) = (bed.view(token).await, bed.cookie());
            bed.try_from(&view, 1).await;
            bed.store.open_session(&view, net(1), &cookie).await.unwrap();
            cookies.push(cookie);
            views.push(view);
        }
        let before = bed.store.removals();
        let retention = bed.retention();
        // Only the first step: the keys.
        retention.ends_after(1);
        let done = retention.recall(id, Some("jan@example.nl")).await.unwrap();
        assert_eq!(done, Recall::Done { recipients: 1, whole: false, complete: false });
        assert_ne!(bed.store.removals(), before);
        assert!(!bed.store.is_kept(views[0].grant.conversation, id).await.unwrap());
        assert!(bed.store.is_kept(views[1].grant.conversation, id).await.unwrap());
        assert!(bed.store.session(&cookies[0], &LIMITS).await.unwrap().is_none());
        assert!(bed.store.session(&cookies[1], &LIMITS).await.unwrap().is_some());
        retention.ends_after(usize::MAX);
        while retention.round().await.unwrap().finished > 0 {}
        assert_eq!(bed.places(Space::Session).await.len(), 1);
        // A page that was open when it was taken back: no try is counted on what is gone.
        let limits = crate::access::Limits::default();
        assert!(bed.store.count_try(&views[0], net(1), &limits).await.is_err());
        assert!(bed.store.open_session(&views[0], net(1), &cookies[0]).await.is_err());
        assert!(bed.places(Space::GrantTries).await.iter().all(|place| place.bytes != views[0].id.as_bytes()));
    }

    /// The notice in flight may arrive; its link says that the message was taken back.
    async fn a_recall_during_an_attempt_ends_the_job_quietly(bed) {
        let (id, tokens) = taken(&bed, bed.mail(&["jan@example.nl"], 100).await).await;
        let leased = bed.store.lease_due(bed.now(), 9).await.unwrap();
        let notice = leased.iter().find(|job| matches!(job.job.kind, JobKind::Notice { .. })).unwrap();
        let retention = bed.retention();
        retention.recall(id, None).await.unwrap();
        assert_eq!(bed.places(Space::JobSecret).await.len(), 1, "the code's alone");
        let undeliverable = bed.job(JobKind::Undeliverable { grant: bed_grant(notice), answer: "550".into() }, None);
        bed.store.finish_job(notice.id, JobEnd::GiveUp("550".into(), Some(undeliverable))).await.unwrap();
        assert_eq!(bed.store.jobs(9).await.unwrap().len(), 1, "nothing is sent instead");
        assert_eq!(ending(&bed, &tokens[0]).await, Some(Ending::Recalled));
    }

    /// Its content is unreadable at its end; its records wait until the sender was told.
    async fn a_notice_that_never_left_is_told_before_its_message_goes(bed) {
        let (mut mail, tokens) = bed.mail(&["jan@example.nl"], LARGE).await;
        mail.message.expires = bed.now() + Duration::from_hours(24);
        let id = mail.id;
        assert!(bed.store.take(mail).await.unwrap().is_ok());
        let view = bed.view(&tokens[0]).await;
        let retention = bed.retention();
        bed.clock.advance(Duration::from_hours(24));
        retention.round().await.unwrap();
        for space in [Space::ContentKey, Space::Lock, Space::Manifest] {
            assert!(bed.places(space).await.is_empty(), "{space:?}");
        }
        assert_eq!(ending(&bed, &tokens[0]).await, Some(Ending::Expired));
        let leased = bed.store.lease_due(bed.now(), 9).await.unwrap();
        let notice = leased.iter().find(|job| matches!(job.job.kind, JobKind::Notice { .. })).unwrap();
        let told = bed.job(JobKind::Undeliverable { grant: view.id, answer: "it ended".into() }, None);
        let told_id = told.id;
        bed.store.finish_job(notice.id, JobEnd::GiveUp("it ended".into(), Some(told))).await.unwrap();
        bed.clock.advance(Duration::from_hours(1));
        retention.round().await.unwrap();
        assert!(bed.store.grant_by_id(view.id).await.unwrap().is_some(), "the mail to the sender needs it");
        let leased = bed.store.lease_due(bed.now(), 9).await.unwrap();
        assert_eq!(leased.iter().map(|job| job.id).collect::<Vec<_>>(), [told_id]);
        bed.store.finish_job(told_id, JobEnd::Done).await.unwrap();
        bed.clock.advance(Duration::from_hours(1));
        retention.round().await.unwrap();
        assert!(bed.store.message(id).await.unwrap().is_none());
        assert_eq!(bodies(&bed).await, 0);
        for space in [Space::Expiry, Space::Purge, Space::Grant] {
            assert!(bed.places(space).await.is_empty(), "{space:?}");
        }
        assert_eq!(ending(&bed, &tokens[0]).await, Some(Ending::Expired));
    }

    /// What the client of a lost reply sends again is not taken anew after it was recalled.
    async fn a_recalled_mail_that_is_repeated_is_not_taken_again(bed) {
        let (mut mail, _) = bed.mail(&["jan@example.nl"], 100).await;
        mail.deliveries[0].repeat_key = Some([3; 32]);
        let id = mail.id;
        assert!(bed.store.take(mail).await.unwrap().is_ok());
        let retention = bed.retention();
        retention.recall(id, None).await.unwrap();
        let (mut mail, _) = bed.mail(&["jan@example.nl", "piet@example.nl"], 100).await;
        mail.deliveries[0].repeat_key = Some([5; 32]);
        mail.deliveries[1].repeat_key = Some([6; 32]);
        let id = mail.id;
        assert!(bed.store.take(mail).await.unwrap().is_ok());
        retention.recall(id, Some("jan@example.nl")).await.unwrap();
        assert_eq!(bed.store.taken_before(&[[3; 32], [5; 32], [6; 32]]).await.unwrap(), [true, true, true]);
        bed.clock.advance(Duration::from_hours(5 * 24));
        let mut collected = 0;
        for _ in 0..6 {
            collected += retention.round().await.unwrap().collected;
        }
        assert_eq!((collected, bed.places(Space::Repeat).await.len()), (3, 0));
        let (mut mail, _) = bed.mail(&["jan@example.nl"], 100).await;
        mail.deliveries[0].repeat_key = Some([4; 32]);
        assert!(bed.store.take(mail).await.unwrap().is_ok());
        retention.erase("jan@example.nl").await.unwrap();
        assert!(bed.places(Space::Repeat).await.is_empty(), "an erasure leaves no hash of the mail");
    }

    async fn what_nothing_names_is_collected(bed) {
        let (_, token) = bed.taken("jan@example.nl").await;
        let view = bed.view(&token).await;
        for n in 0..3 {
            bed.try_from(&view, n).await;
            bed.store.open_session(&view, net(n), &bed.cookie()).await.unwrap();
        }
        bed.try_from(&view, 9).await;
        let orphan = places::grant_tries(GrantId([9; 16]));
        bed.overwrite(orphan.clone(), b"whatever").await;
        bed.overwrite(places::contact_tries(crate::base::ContactId([9; 16])), b"whatever").await;
        let (left_behind, _) = bed.mail(&["piet@example.nl"], LARGE).await;
        bed.store.prepare(left_behind).await.unwrap().unwrap();
        let retention = bed.retention();
        let mut collected = 0;
        for _ in 0..11 {
            collected += retention.round().await.unwrap().collected;
        }
        assert_eq!(collected, 2, "the counts of what is not there");
        assert_eq!(bed.places(Space::Session).await.len(), 3);
        bed.clock.advance(Duration::from_hours(24));
        for _ in 0..11 {
            collected += retention.round().await.unwrap().collected;
        }
        assert_eq!(collected, 6, "and the sessions and the prepared mail");
        let census = census(&bed).await;
        assert!(!census.contains_key(&Space::Session) && !census.contains_key(&Space::Prepared), "{census:?}");
        assert_eq!((census[&Space::GrantTries], census[&Space::ContactTries], bodies(&bed).await), (1, 1, 0));
    }

    /// Damage must not keep a message's keys alive, nor the sweeper from going on.
    async fn damaged_records_do_not_keep_a_message(bed) {
        for space in [Space::Message, Space::Conversation, Space::Delivery, Space::Grant, Space::Manifest] {
            let (_, token) = bed.taken("jan@example.nl").await;
            sent(&bed).await;
            let place = bed.places(space).await.remove(0);
            bed.overwrite(place, b"junk").await;
            let retention = bed.retention();
            bed.clock.advance(LIFE);
            let round = retention.round().await.unwrap();
            assert_eq!(round.expired, 1, "{space:?}");
            for keys in [Space::ContentKey, Space::Lock, Space::Expiry, Space::Message, Space::Body, Space::Purge] {
                assert!(bed.places(keys).await.is_empty(), "{space:?} was damaged, {keys:?} stays");
            }
            assert!(!matches!(bed.store.link(&token).await, Ok(Link::Open(_))));
            // What only a damaged record names stays, and opens nothing.
            for rest in [Space::Grant, Space::ByAddress, Space::Delivery, Space::Conversation] {
                for place in bed.places(rest).await {
                    let mut draft = bed.store.inner.draft();
                    draft.delete(place);
                    draft.commit().await.unwrap();
                }
            }
        }
    }

    async fn the_link_of_a_grant_of_the_first_release_is_found(bed) {
        let (id, token) = bed.taken("jan@example.nl").await;
        let place = bed.places(Space::Grant).await.remove(0);
        let mut grant = bed.store.inner.read::<Grant>(&place).await.unwrap().unwrap().record;
        assert!(grant.link.take().is_some());
        let mut draft = bed.store.inner.draft();
        draft.put(place, &grant).unwrap();
        draft.commit().await.unwrap();
        let retention = bed.retention();
        retention.recall(id, None).await.unwrap();
        assert_eq!(ending(&bed, &token).await, Some(Ending::Recalled));
        bed.clock.advance(ENDED_LINKS);
        while retention.round().await.unwrap().stubs > 0 {}
        assert!(bed.places(Space::GrantIndex).await.is_empty());
    }
}

fn bed_grant(job: &crate::store::records::LeasedJob) -> GrantId {
    match job.job.kind {
        JobKind::Notice { grant } => grant,
        _ => panic!("a notice"),
    }
}

#[test]
fn addresses_of_these_tests_are_in_their_key_form() {
    for address in [SENDER, "jan@example.nl"] {
        assert_eq!(address.parse::<Address>().unwrap().key(), address);
    }
    assert_eq!(places::address_key(super::bed::SENDER), SENDER);
}
