//! What goes, goes whole; what stays, stays; and every step may be the last of its process.

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
use crate::store::retention::{Ending, Erased, Link, Recall, Retention};

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
async fn left(bed: &Bed) -> BTreeSet<Space> {
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

    async fn an_erasure_leaves_nothing_of_the_address_and_everything_of_others(bed) {
        let (_, both) = taken(&bed, bed.mail(&["jan@example.nl", "piet@example.nl"], LARGE).await).await;
        let (_, alone) = taken(&bed, bed.mail(&["jan@example.nl"], 100).await).await;
        let view = bed.view(&both[0]).await;
        bed.try_from(&view, 1).await;
        bed.store.open_session(&view, net(1), &bed.cookie()).await.unwrap();
        bed.try_from(&view, 2).await;
        let retention = bed.retention();
        let erased = retention.erase("jan@example.nl").await.unwrap();
        assert_eq!(erased, Erased { messages: 1, deliveries: 2, contacts: 1, waiting: 0 });
        assert!(opens(&bed, &both[1]).await);
        for token in [&both[0], &alone[0]] {
            assert_eq!(ending(&bed, token).await, None, "no stub either");
        }
        assert!(bed.store.contacts("jan@example.nl", None).await.unwrap().is_empty());
        assert_eq!(bed.store.contacts("piet@example.nl", None).await.unwrap().len(), 1);
        let census = census(&bed).await;
        let gone = [Space::Session, Space::GrantTries, Space::ContactTries, Space::Purge, Space::Erasure, Space::Stub];
        assert!(gone.iter().all(|space| !census.contains_key(space)), "{census:?}");
        let once = [Space::Contact, Space::Verifier, Space::Grant, Space::GrantIndex, Space::Message, Space::Lock];
        assert!(once.iter().all(|space| census.get(space) == Some(&1)), "{census:?}");
        // The sender's own: all that is left. (Nothing wrote the schema for the engine in memory.)
        let erased = retention.erase(SENDER).await.unwrap();
        assert_eq!(erased, Erased { messages: 1, deliveries: 1, contacts: 1, waiting: 0 });
        assert!(bed.raw().await.into_keys().all(|key| key.space == Space::Meta), "{:?}", self::census(&bed).await);
        assert_eq!(bodies(&bed).await, 0);
        assert_eq!(retention.erase(SENDER).await.unwrap(), Erased::default());
    }

    /// A mail that is acknowledged while its recipient is being erased is a mail of afterwards, and can be read.
    async fn an_erasure_takes_nothing_that_came_after_it_was_asked_for(bed) {
        let old = taken(&bed, bed.mail(&["jan@example.nl"], 100).await).await;
        let retention = bed.retention();
        retention.ends_after(0);
        retention.erase("jan@example.nl").await.unwrap_err();
        // Its time says that it began before: what counts is when it was committed.
        let (mut mail, new) = bed.mail(&["jan@example.nl"], 100).await;
        mail.message.received = Timestamp(bed.now().millis() - 5000);
        let message = mail.id;
        assert!(mail.deliveries[0].new_contact.is_none());
        assert!(bed.store.take(mail).await.unwrap().is_ok());
        retention.ends_after(usize::MAX);
        while retention.round().await.unwrap().finished > 0 {}
        assert_eq!(ending(&bed, &old.1[0]).await, None);
        assert!(opens(&bed, &new[0]).await);
        let view = bed.view(&new[0]).await;
        assert!(bed.store.verifier(view.grant.contact).await.unwrap().is_some(), "its code still counts");
        assert!(bed.store.contacts("jan@example.nl", None).await.unwrap().is_empty(), "but serves no new mail");
        retention.recall(message, None).await.unwrap();
        while retention.round().await.unwrap().finished > 0 {}
        assert!(bed.places(Space::Contact).await.is_empty(), "it goes with the mail that needed it");
        assert!(bed.places(Space::Purge).await.is_empty());
    }

    async fn a_mail_that_relied_on_an_erased_contact_is_built_again(bed) {
        bed.taken("jan@example.nl").await;
        let (direct, _) = bed.mail(&["jan@example.nl"], 100).await;
        let (mixed, _) = bed.mail(&["jan@example.nl"], 100).await;
        bed.retention().erase("jan@example.nl").await.unwrap();
        assert!(bed.store.take(direct).await.unwrap().is_err());
        assert!(bed.store.prepare(mixed).await.unwrap().is_err());
    }

    /// The next hop took the rest of that mail: it must be possible to commit it.
    async fn a_contact_that_a_prepared_mail_needs_stays(bed) {
        bed.taken("jan@example.nl").await;
        let (mail, tokens) = bed.mail(&["jan@example.nl"], 100).await;
        let id = mail.id;
        let prepared = bed.store.prepare(mail).await.unwrap().unwrap();
        let retention = bed.retention();
        assert_eq!(retention.recall(id, None).await.unwrap(), Recall::NoMessage, "it is no message yet");
        let erased = retention.erase("jan@example.nl").await.unwrap();
        assert_eq!((erased.contacts, erased.waiting), (1, 1));
        bed.store.commit_prepared(prepared).await.unwrap();
        assert!(opens(&bed, &tokens[0]).await);
        let view = bed.view(&tokens[0]).await;
        assert!(bed.store.verifier(view.grant.contact).await.unwrap().is_some());
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

    /// The process ends at every step in turn. Once the keys are gone nothing opens; the next start does the rest.
    async fn every_step_may_be_the_last(mut bed) {
        for what in [What::Recall, What::Expire, What::Erase] {
            let mut ended = 0;
            for steps in 0.. {
                let (id, tokens) = taken(&bed, bed.mail(&["jan@example.nl", "piet@example.nl"], LARGE).await).await;
                let view = bed.view(&tokens[0]).await;
                bed.try_from(&view, 1).await;
                bed.store.open_session(&view, net(1), &bed.cookie()).await.unwrap();
                let ledger = Ledger::in_memory();
                let retention = bed.retention_with(ledger.clone());
                if what == What::Expire {
                    sent(&bed).await;
                    bed.clock.advance(LIFE);
                }
                retention.ends_after(steps);
                let whole = what.run(&retention, id, "jan@example.nl").await;
                drop(retention);
                bed.restart().await;
                if bed.places(Space::ContentKey).await.is_empty() {
                    assert!(!opens(&bed, &tokens[0]).await && !opens(&bed, &tokens[1]).await);
                }
                let retention = bed.retention_with(ledger.clone());
                if steps == 0 && what == What::Recall {
                    assert!(opens(&bed, &tokens[0]).await, "nothing happened yet");
                    what.run(&retention, id, "jan@example.nl").await;
                }
                for _ in 0..4 {
                    retention.round().await.unwrap();
                }
                what.is_done(&bed, &tokens).await;
                let entries = ledger.gone(bed.store.keys()).len();
                assert_eq!(entries, what.entries(), "{what:?} ended after {steps}");
                retention.erase(SENDER).await.unwrap();
                bed.clock.advance(ENDED_LINKS);
                while retention.round().await.unwrap().stubs > 0 {}
                assert_eq!(left(&bed).await, BTreeSet::new(), "{what:?} ended after {steps}");
                assert_eq!(bodies(&bed).await, 0);
                drop(retention);
                if whole {
                    break;
                }
                ended += 1;
            }
            assert!(ended >= 5, "{what:?} has {ended} steps");
        }
    }
}

fn bed_grant(job: &crate::store::records::LeasedJob) -> GrantId {
    match job.job.kind {
        JobKind::Notice { grant } => grant,
        _ => panic!("a notice"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Recall,
    Expire,
    Erase,
}

impl What {
    /// Runs it; whether it came to its end.
    pub(super) async fn run(self, retention: &Retention, id: MessageId, address: &str) -> bool {
        match self {
            Self::Recall => matches!(retention.recall(id, None).await, Ok(Recall::Done { complete: true, .. })),
            Self::Expire => retention.round().await.is_ok(),
            Self::Erase => retention.erase(address).await.is_ok(),
        }
    }

    async fn is_done(self, bed: &Bed, tokens: &[LinkToken]) {
        let expected = match self {
            Self::Recall => Some(Ending::Recalled),
            Self::Expire => Some(Ending::Expired),
            Self::Erase => None,
        };
        assert_eq!(ending(bed, &tokens[0]).await, expected, "{self:?}");
        if self == Self::Erase {
            assert!(opens(bed, &tokens[1]).await);
            assert!(bed.store.contacts("jan@example.nl", None).await.unwrap().is_empty());
        }
        for space in [Space::Purge, Space::Erasure, Space::Session] {
            assert!(bed.places(space).await.is_empty(), "{self:?} {space:?}");
        }
    }

    /// Lines of the ledger: recipients, and the contact of an erasure.
    fn entries(self) -> usize {
        match self {
            Self::Recall | Self::Erase => 2,
            Self::Expire => 0,
        }
    }
}

#[test]
fn addresses_of_these_tests_are_in_their_key_form() {
    for address in [SENDER, "jan@example.nl"] {
        assert_eq!(address.parse::<Address>().unwrap().key(), address);
    }
    assert_eq!(places::address_key(super::bed::SENDER), SENDER);
}

/// A copy of the data folder from before is put back: what the ledger names is gone again, all else opens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_put_back_forgets_what_the_ledger_names() {
    let mut bed = Bed::local().await;
    let (recalled, of_recalled) = taken(&bed, bed.mail(&["jan@example.nl", "piet@example.nl"], LARGE).await).await;
    let (_, of_erased) = taken(&bed, bed.mail(&["klaas@example.nl"], 100).await).await;
    let (_, kept) = taken(&bed, bed.mail(&["jan@example.nl"], 100).await).await;
    bed.restart().await;
    bed.store.close().await;
    let backup = tempfile::tempdir().unwrap();
    copy(bed.folder.as_ref().unwrap().path(), backup.path());
    (bed.store, _) = bed.open().await.unwrap();
    let away = tempfile::tempdir().unwrap();
    let path = away.path().join("erased.ledger");
    let retention = bed.retention_with(Ledger::open(&path, bed.store.keys()).unwrap());
    retention.recall(recalled, Some("jan@example.nl")).await.unwrap();
    retention.erase("klaas@example.nl").await.unwrap();
    drop(retention);
    bed.store.close().await;
    // Back to the copy.
    bed.folder = Some(backup);
    (bed.store, _) = bed.open().await.unwrap();
    assert!(opens(&bed, &of_recalled[0]).await && opens(&bed, &of_erased[0]).await, "the copy has it all");
    let retention = bed.retention_with(Ledger::open(&path, bed.store.keys()).unwrap());
    let gone = Ledger::read(&path, bed.store.keys()).unwrap();
    let applied = retention.apply(&gone).await.unwrap();
    assert_eq!((applied.deliveries, applied.contacts), (2, 1));
    assert_eq!(ending(&bed, &of_recalled[0]).await, Some(Ending::Recalled));
    assert!(!matches!(bed.store.link(&of_erased[0]).await.unwrap(), Link::Open(_)));
    assert!(opens(&bed, &of_recalled[1]).await && opens(&bed, &kept[0]).await);
    assert!(bed.store.contacts("klaas@example.nl", None).await.unwrap().is_empty());
    assert_eq!(retention.apply(&gone).await.unwrap().deliveries, 0, "once more changes nothing");
}

pub(super) fn copy(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A ledger that cannot be written leaves the removal unfinished, not undone, and the round after that mends it.
#[tokio::test]
async fn without_its_ledger_a_removal_is_not_complete() {
    let bed = Bed::memory();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("erased.ledger");
    let retention = bed.retention_with(Ledger::open(&path, bed.store.keys()).unwrap());
    let (id, token) = bed.taken("jan@example.nl").await;
    let aside = folder.path().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    let done = retention.recall(id, None).await.unwrap();
    assert_eq!(done, Recall::Done { recipients: 1, whole: true, complete: false });
    assert_eq!(ending(&bed, &token).await, Some(Ending::Recalled));
    retention.unfinished().await;
    let error = retention.round().await.unwrap_err().to_string();
    assert!(error.contains("ledger"), "{error}");
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(retention.round().await.unwrap().finished, 1);
    assert_eq!(Ledger::read(&path, bed.store.keys()).unwrap().len(), 1);
}
