//! Links, counted tries, codes.

use std::sync::Arc;
use std::time::Duration;

use super::bed::{Bed, LIMITS, SENDER, net, on_each_engine};
use crate::access::{Admission, Limits};
use crate::seal::token::LinkToken;
use crate::store::StoreError;
use crate::store::codes::KeptCode;
use crate::store::engine::Space;
use crate::store::jobs::JobEnd;
use crate::store::places;
use crate::store::proof::GrantView;
use crate::store::records::JobKind;

/// How many of these tries, all at the same moment, were admitted.
async fn at_once(bed: &Arc<Bed>, tries: Vec<(GrantView, u8)>) -> usize {
    let tasks: Vec<_> = tries
        .into_iter()
        .map(|(view, n)| {
            let bed = bed.clone();
            tokio::spawn(async move { matches!(bed.try_from(&view, n).await, Admission::Try { .. }) })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += usize::from(task.await.unwrap());
    }
    admitted
}

async fn closed_mails(bed: &Bed) -> usize {
    let jobs = bed.store.jobs(100).await.unwrap();
    jobs.iter().filter(|(_, job)| matches!(job.kind, JobKind::Closed { .. })).count()
}

/// Uses up the tries of a link from many networks.
async fn close(bed: &Bed, view: &GrantView) {
    for n in 0..20 {
        assert!(matches!(bed.try_from(view, n).await, Admission::Try { .. }));
    }
}

on_each_engine! {
    async fn a_link_ends_with_its_message_and_is_unknown_otherwise(bed) {
        let (_, token) = bed.taken("jan@example.nl").await;
        let view = bed.view(&token).await;
        assert!(bed.store.grant(&LinkToken::generate(&*bed.entropy)).await.unwrap().is_none());
        bed.pass(90 * 86400 - 1);
        assert!(bed.store.grant(&token).await.unwrap().is_some());
        bed.pass(1);
        assert!(bed.store.grant(&token).await.unwrap().is_none());
        assert!(bed.store.grant_by_id(view.id).await.unwrap().is_some(), "jobs and commands still see it");
        let error = bed.store.open_session(&view, net(1), &bed.cookie()).await.unwrap_err();
        assert!(matches!(error, StoreError::NotReady(_)));
    }

    async fn a_hundred_tries_at_once_are_counted_exactly(bed) {
        let (_, one) = bed.taken("jan@example.nl").await;
        let (_, other) = bed.taken("piet@example.nl").await;
        let (one, other) = (bed.view(&one).await, bed.view(&other).await);
        let bed = Arc::new(bed);
        assert_eq!(at_once(&bed, vec![(one.clone(), 1); 100]).await, 5, "from one network");
        let spread: Vec<_> = (0..100).map(|n| (other.clone(), n)).collect();
        assert_eq!(at_once(&bed, spread).await, 20, "of one link");
        assert_eq!(closed_mails(&bed).await, 1);

        let mut tries = Vec::new();
        for _ in 0..12 {
            let (_, token) = bed.taken("klaas@example.nl").await;
            let view = bed.view(&token).await;
            tries.extend((0..19).map(|n| (view.clone(), n)));
        }
        assert_eq!(at_once(&bed, tries).await, 100, "of one contact");
        assert_eq!(closed_mails(&bed).await, 2);
        let (_, fresh) = bed.taken("klaas@example.nl").await;
        assert_eq!(bed.try_from(&bed.view(&fresh).await, 1).await, Admission::Closed, "a new mail opens nothing");
    }

    async fn counts_survive_a_restart(mut bed) {
        let (message, token) = bed.taken("jan@example.nl").await;
        let view = bed.view(&token).await;
        for left in (1..5).rev() {
            let expected = Admission::Try { left, paused_until: None, closes: false };
            assert_eq!(bed.store.may_try(&view, net(1), &Limits::default()).await.unwrap(), expected);
            assert_eq!(bed.try_from(&view, 1).await, expected);
            bed.restart().await;
        }
        let until = bed.now() + Duration::from_mins(30);
        let expected = Admission::Try { left: 0, paused_until: Some(until), closes: false };
        assert_eq!(bed.try_from(&view, 1).await, expected);
        bed.restart().await;
        let commits = bed.store.counts().commits;
        assert_eq!(bed.try_from(&view, 1).await, Admission::Paused(until));
        assert_eq!(bed.store.may_try(&view, net(1), &Limits::default()).await.unwrap(), Admission::Paused(until));
        assert_eq!(bed.store.counts().commits, commits, "a refused try writes nothing");
        let side = &bed.store.deliveries(message).await.unwrap()[0];
        assert_eq!((side.wrong, side.closed), (5, false));
    }

    async fn a_right_code_gives_back_its_try_and_opens(bed) {
        let (message, token) = bed.taken("jan@example.nl").await;
        let view = bed.view(&token).await;
        for _ in 0..4 {
            bed.try_from(&view, 1).await;
        }
        let (verifier, generation) = bed.store.verifier(view.grant.contact).await.unwrap().unwrap();
        assert_eq!(generation, 1);
        let right = crate::seal::code::AccessCode::normalise("8765 4321").unwrap();
        for _ in 0..3 {
            bed.try_from(&view, 1).await;
            assert!(verifier.matches(&right, &bed.store.keys().pepper, &mut crate::seal::hashers::Memory::default()).unwrap());
            let cookie = bed.cookie();
            bed.store.open_session(&view, net(1), &cookie).await.unwrap();
            let open = bed.store.session(&cookie, &LIMITS).await.unwrap().unwrap();
            assert_eq!((open.view.id, open.view.grant.message), (view.id, message));
        }
        let side = &bed.store.deliveries(message).await.unwrap()[0];
        assert_eq!((side.wrong, side.delivery.opened), (4, Some(bed.now())));
        let opened = bed.now();
        bed.pass(1);
        bed.try_from(&view, 2).await;
        bed.store.open_session(&view, net(2), &bed.cookie()).await.unwrap();
        assert_eq!(bed.store.deliveries(message).await.unwrap()[0].delivery.opened, Some(opened), "the first time");
    }

    async fn the_sender_is_told_of_a_closed_link_each_time_but_not_when_the_last_try_was_right(mut bed) {
        let (message, token) = bed.taken("jan@example.nl").await;
        let view = bed.view(&token).await;
        for job in bed.store.lease_due(bed.now(), 10).await.unwrap() {
            bed.store.finish_job(job.id, JobEnd::Done).await.unwrap();
        }
        close(&bed, &view).await;
        assert_eq!(bed.try_from(&view, 99).await, Admission::Closed);
        assert!(bed.store.lease_due(bed.now(), 10).await.unwrap().is_empty(), "the last try may yet turn out right");
        bed.store.open_session(&view, net(19), &bed.cookie()).await.unwrap();
        assert_eq!(closed_mails(&bed).await, 0);
        assert!(bed.places(Space::JobDue).await.is_empty());
        assert!(!bed.store.deliveries(message).await.unwrap()[0].closed);

        assert!(matches!(bed.try_from(&view, 99).await, Admission::Try { closes: true, .. }));
        bed.restart().await;
        bed.pass(60);
        let told = bed.store.lease_due(bed.now(), 10).await.unwrap();
        assert_eq!(told.iter().map(|j| j.job.kind.clone()).collect::<Vec<_>>(), [JobKind::Closed { grant: view.id }]);
        bed.store.finish_job(told[0].id, JobEnd::Done).await.unwrap();
        assert!(bed.store.deliveries(message).await.unwrap()[0].closed);
        assert_eq!(bed.store.unlock_message(message).await.unwrap(), Some(1));
        assert!(!bed.store.deliveries(message).await.unwrap()[0].closed);
        close(&bed, &view).await;
        assert_eq!(closed_mails(&bed).await, 1, "told again");
    }

    async fn a_right_code_on_one_link_reopens_a_contact_but_no_other_link(bed) {
        let (_, a) = bed.taken("jan@example.nl").await;
        let (_, b) = bed.taken("jan@example.nl").await;
        let (a, b) = (bed.view(&a).await, bed.view(&b).await);
        let limits = Limits { per_grant: 3, per_contact: 5, ..Limits::default() };
        let attempt = async |view: &GrantView, n| bed.store.count_try(view, net(n), &limits).await.unwrap();
        for n in 0..3 {
            attempt(&a, n).await;
        }
        attempt(&b, 1).await;
        assert!(matches!(attempt(&b, 2).await, Admission::Try { closes: true, .. }));
        assert_eq!(closed_mails(&bed).await, 2);
        bed.store.open_session(&b, net(2), &bed.cookie()).await.unwrap();
        assert_eq!(closed_mails(&bed).await, 1, "the link that is still closed");
        assert!(matches!(attempt(&b, 3).await, Admission::Try { .. }));
        assert_eq!(attempt(&a, 9).await, Admission::Closed);
    }

    async fn unlocking_a_message_opens_its_links_and_contacts(bed) {
        let (mail, tokens) = bed.mail(&["jan@example.nl", "piet@example.nl"], 100).await;
        let id = mail.id;
        bed.store.take(mail).await.unwrap().unwrap();
        let (jan, piet) = (bed.view(&tokens[0]).await, bed.view(&tokens[1]).await);
        close(&bed, &jan).await;
        bed.try_from(&piet, 1).await;
        assert_eq!(bed.store.unlock_message(id).await.unwrap(), Some(2));
        for view in [&jan, &piet] {
            assert!(matches!(bed.try_from(view, 1).await, Admission::Try { left: 4, .. }));
        }
        let other = crate::base::MessageId::random(&*bed.entropy);
        assert_eq!(bed.store.unlock_message(other).await.unwrap(), None);
    }

    async fn a_new_code_replaces_verifier_counts_sessions_and_the_waiting_mail(bed) {
        let (_, token) = bed.taken("jan@example.nl").await;
        let view = bed.view(&token).await;
        let contact = view.grant.contact;
        let cookie = bed.cookie();
        bed.try_from(&view, 1).await;
        bed.store.open_session(&view, net(1), &cookie).await.unwrap();
        close(&bed, &view).await;
        let mail = bed.job(JobKind::Code { contact }, None);
        let mail_id = mail.id;
        let new = bed.verifier("11112222");
        assert!(bed.store.replace_code(contact, KeptCode::Verifier(new.clone()), mail).await.unwrap());

        assert!(bed.store.session(&cookie, &LIMITS).await.unwrap().is_none());
        assert_eq!(bed.store.verifier(contact).await.unwrap(), Some((new, 2)));
        let codes: Vec<_> = bed.store.jobs(10).await.unwrap();
        let codes: Vec<_> = codes.iter().filter(|(_, job)| matches!(job.kind, JobKind::Code { .. })).collect();
        assert_eq!(codes.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [mail_id], "the mail with the old code is gone");
        let error = bed.store.open_session(&view, net(1), &bed.cookie()).await.unwrap_err();
        assert!(matches!(error, StoreError::NotReady(_)), "the code that was compared is no longer the code");
        let view = bed.view(&token).await;
        assert_eq!(view.contact.generation, 2);
        assert!(matches!(bed.try_from(&view, 1).await, Admission::Try { left: 4, .. }), "counting starts anew");
        bed.store.open_session(&view, net(1), &cookie).await.unwrap();
        assert!(bed.store.session(&cookie, &LIMITS).await.unwrap().is_some());

        let nobody = crate::base::ContactId::random(&*bed.entropy);
        let mail = bed.job(JobKind::Code { contact: nobody }, None);
        assert!(!bed.store.replace_code(nobody, bed.kept("33334444"), mail).await.unwrap());
    }

    async fn new_codes_at_once_leave_one_code_and_one_mail(bed) {
        let (_, token) = bed.taken("jan@example.nl").await;
        let contact = bed.view(&token).await.grant.contact;
        let bed = Arc::new(bed);
        let tasks: Vec<_> = (0..10).map(|_| {
            let bed = bed.clone();
            tokio::spawn(async move {
                let mail = bed.job(JobKind::Code { contact }, None);
                assert!(bed.store.replace_code(contact, bed.kept("11112222"), mail).await.unwrap());
            })
        }).collect();
        for task in tasks {
            task.await.unwrap();
        }
        let (_, generation) = bed.store.verifier(contact).await.unwrap().unwrap();
        assert_eq!((generation, bed.store.contact(contact).await.unwrap().unwrap().generation), (11, 11));
        let jobs = bed.store.jobs(100).await.unwrap();
        assert_eq!(jobs.iter().filter(|(_, job)| matches!(job.kind, JobKind::Code { .. })).count(), 1);
    }

    async fn a_damaged_record_stops_only_who_needs_it(bed) {
        let (id, token) = bed.taken("jan@example.nl").await;
        let (other, other_token) = bed.taken("piet@example.nl").await;
        let view = bed.view(&token).await;
        bed.try_from(&view, 1).await;
        bed.overwrite(places::grant_tries(view.id), b"rubbish").await;
        let refused = bed.store.count_try(&view, net(1), &Limits::default()).await.unwrap_err();
        assert!(matches!(refused, StoreError::Damaged(_)), "no code is compared on a count that cannot be read");
        assert_eq!(bed.store.unlock_message(id).await.unwrap(), Some(1));
        bed.try_from(&view, 1).await;
        bed.overwrite(places::message(id), b"rubbish").await;
        assert!(matches!(bed.store.message(id).await, Err(StoreError::Damaged(_))));
        let found = bed.store.find(&SENDER.to_lowercase(), None, 10).await.unwrap();
        assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [other]);
        bed.overwrite(places::conversation(view.grant.conversation), b"rubbish").await;
        assert!(matches!(bed.store.grant(&token).await, Err(StoreError::Damaged(_))));
        assert!(bed.store.grant(&other_token).await.unwrap().is_some());
        assert_eq!(bed.store.deliveries(other).await.unwrap().len(), 1);
    }
}
