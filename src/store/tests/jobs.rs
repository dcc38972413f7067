//! Leases, ends of attempts, and the bell.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::bed::{Bed, on_each_engine, polled};
use crate::base::{JobId, Timestamp};
use crate::store::StoreError;
use crate::store::engine::{Batch, Space, Write};
use crate::store::jobs::JobEnd;
use crate::store::places;
use crate::store::records::{JobKind, LeasedJob};

/// The only job that is left to lease.
async fn lease_one(bed: &Bed) -> LeasedJob {
    let mut jobs = bed.store.lease_due(bed.now(), 10).await.unwrap();
    assert_eq!(jobs.len(), 1);
    jobs.remove(0)
}

/// A mail to a known contact leaves one job, its notice, and its token.
async fn one_notice(bed: &Bed) -> crate::seal::token::LinkToken {
    bed.taken("jan@example.nl").await;
    for job in bed.store.lease_due(bed.now(), 10).await.unwrap() {
        bed.store.finish_job(job.id, JobEnd::Done).await.unwrap();
    }
    bed.taken("jan@example.nl").await.1
}

async fn is_added(bed: &Bed) -> bool {
    tokio::time::timeout(Duration::from_millis(50), bed.store.job_added()).await.is_ok()
}

on_each_engine! {
    async fn a_lease_is_exclusive_in_order_and_ends_with_the_process(mut bed) {
        let mut expected = Vec::new();
        for (recipient, later) in [("a@example.nl", 30), ("b@example.nl", 10), ("c@example.nl", 20), ("d@example.nl", 99)] {
            let (mut mail, _) = bed.mail(&[recipient], 100).await;
            mail.deliveries[0].jobs.truncate(1);
            mail.deliveries[0].jobs[0].due = bed.now() + Duration::from_secs(later);
            expected.push((later, mail.deliveries[0].jobs[0].id));
            bed.store.take(mail).await.unwrap().unwrap();
        }
        expected.sort_unstable();
        assert!(bed.store.lease_due(bed.now(), 10).await.unwrap().is_empty());
        assert_eq!(bed.store.next_due().await.unwrap(), Some(bed.now() + Duration::from_secs(10)));
        let listed: Vec<_> = bed.store.jobs(10).await.unwrap().into_iter().map(|(id, _)| id).collect();
        assert_eq!(listed, expected.iter().map(|(_, id)| *id).collect::<Vec<_>>());

        bed.pass(30);
        let ids = |jobs: Vec<LeasedJob>| jobs.into_iter().map(|job| job.id).collect::<Vec<_>>();
        let first = ids(bed.store.lease_due(bed.now(), 2).await.unwrap());
        assert_eq!(first, [expected[0].1, expected[1].1]);
        assert_eq!(ids(bed.store.lease_due(bed.now(), 10).await.unwrap()), [expected[2].1]);
        assert!(bed.store.lease_due(bed.now(), 10).await.unwrap().is_empty());
        assert_eq!(bed.store.next_due().await.unwrap(), Some(bed.now() + Duration::from_secs(69)), "of those not leased");
        bed.restart().await;
        assert_eq!(bed.store.lease_due(bed.now(), 10).await.unwrap().len(), 3);
    }

    /// Mail taken, and attempts put off, before the clock was set right: nobody waits for years.
    async fn what_a_clock_that_was_ahead_put_off_is_due_at_once(mut bed) {
        let year = Duration::from_hours(365 * 24);
        bed.pass(year.as_secs());
        bed.taken("jan@example.nl").await;
        let late = bed.store.jobs(10).await.unwrap();
        let then = bed.now() - year;
        bed.clock.set(then);
        bed.restart().await;
        // What is put off as it should be waits.
        let (mut mail, _) = bed.mail(&["piet@example.nl"], 100).await;
        for job in &mut mail.deliveries[0].jobs {
            job.due = then + Duration::from_hours(3);
        }
        bed.store.take(mail).await.unwrap().unwrap();
        let leased: BTreeSet<JobId> =
            bed.store.lease_due(then, 10).await.unwrap().into_iter().map(|job| job.id).collect();
        assert_eq!(leased, late.into_iter().map(|(id, _)| id).collect());
        assert!(bed.store.lease_due(then, 10).await.unwrap().is_empty());
    }

    async fn parallel_workers_share_no_job(bed) {
        let recipients: Vec<String> = (0..150).map(|n| format!("r{n}@example.nl")).collect();
        let (mail, _) = bed.mail(&recipients.iter().map(String::as_str).collect::<Vec<_>>(), 100).await;
        bed.store.take(mail).await.unwrap().unwrap();
        let bed = Arc::new(bed);
        let workers: Vec<_> = (0..10).map(|_| {
            let bed = bed.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let jobs = bed.store.lease_due(bed.now(), 7).await.unwrap();
                    if jobs.is_empty() {
                        return mine;
                    }
                    for job in jobs {
                        let later = bed.now() + Duration::from_hours(1);
                        let end = if mine.len() % 2 == 0 { JobEnd::Done } else { JobEnd::Retry(later, String::new()) };
                        mine.push(job.id);
                        bed.store.finish_job(job.id, end).await.unwrap();
                    }
                }
            })
        }).collect();
        let mut all: Vec<JobId> = Vec::new();
        for worker in workers {
            all.extend(worker.await.unwrap());
        }
        assert_eq!(all.len(), 300);
        assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), 300);
        let left = bed.places(Space::Job).await.len();
        assert!((100..=150).contains(&left), "{left} are put off");
        assert_eq!((bed.places(Space::JobDue).await.len(), bed.places(Space::JobSecret).await.len()), (left, left));
    }

    async fn done_marks_the_delivery_and_erases_job_and_secret(bed) {
        let token = one_notice(&bed).await;
        let job = lease_one(&bed).await;
        assert_eq!(job.secret.as_ref().unwrap().token.as_deref(), Some(&token.secret().expose()[..]));
        bed.pass(5);
        bed.store.finish_job(job.id, JobEnd::Done).await.unwrap();
        let message = bed.view(&token).await.grant.message;
        let delivery = &bed.store.deliveries(message).await.unwrap()[0].delivery;
        assert_eq!((delivery.noticed, delivery.failed), (Some(bed.now()), None));
        for space in [Space::Job, Space::JobDue, Space::JobSecret] {
            assert!(bed.places(space).await.is_empty(), "{space:?}");
        }
        bed.store.finish_job(job.id, JobEnd::Done).await.expect("ended twice is no error");
    }

    async fn a_retry_keeps_the_secret_and_moves_the_due_time(mut bed) {
        one_notice(&bed).await;
        let job = lease_one(&bed).await;
        let later = bed.now() + Duration::from_mins(1);
        let answer = "é".repeat(400);
        bed.store.finish_job(job.id, JobEnd::Retry(later, answer)).await.unwrap();
        assert_eq!(bed.store.next_due().await.unwrap(), Some(later));
        assert!(bed.store.lease_due(bed.now(), 10).await.unwrap().is_empty());
        bed.restart().await;
        bed.pass(60);
        let again = lease_one(&bed).await;
        assert_eq!((again.id, again.secret.clone()), (job.id, job.secret.clone()));
        assert_eq!((again.job.attempts, again.job.due, again.job.created), (1, later, job.job.created));
        assert_eq!(again.job.last, "é".repeat(250), "bounded, at a character");
        assert_eq!(bed.places(Space::JobDue).await.len(), 1);
    }

    async fn giving_up_marks_the_delivery_and_makes_the_other_job(bed) {
        let token = one_notice(&bed).await;
        let view = bed.view(&token).await;
        let job = lease_one(&bed).await;
        let kind = JobKind::Undeliverable { grant: view.id, answer: "550 no".to_owned() };
        let instead = bed.job(kind.clone(), None);
        bed.store.finish_job(job.id, JobEnd::GiveUp("550 no".to_owned(), Some(instead))).await.unwrap();
        let delivery = bed.store.deliveries(view.grant.message).await.unwrap()[0].delivery.clone();
        assert_eq!((delivery.noticed, delivery.failed), (None, Some(bed.now())));
        assert!(bed.places(Space::JobSecret).await.is_empty());
        let other = lease_one(&bed).await;
        assert_eq!((other.job.kind, other.job.created), (kind, bed.now()));
        bed.store.finish_job(other.id, JobEnd::GiveUp("550 no".to_owned(), None)).await.unwrap();
        assert!(bed.store.jobs(10).await.unwrap().is_empty());
    }

    async fn the_bell_is_never_missed(bed) {
        assert!(!is_added(&bed).await, "nothing happened");
        let token = one_notice(&bed).await;
        assert!(is_added(&bed).await, "rung before anybody listened");
        assert!(!is_added(&bed).await);
        let job = lease_one(&bed).await;
        bed.store.finish_job(job.id, JobEnd::Retry(bed.now(), String::new())).await.unwrap();
        assert!(is_added(&bed).await, "a retry may be due at once");
        let (mail, _) = bed.mail(&["jan@example.nl"], 100).await;
        let prepared = bed.store.prepare(mail).await.unwrap().unwrap();
        is_added(&bed).await;
        bed.store.commit_prepared(prepared).await.unwrap();
        assert!(is_added(&bed).await);
        let contact = bed.view(&token).await.grant.contact;
        let mail = bed.job(JobKind::Code { contact }, None);
        assert!(bed.store.replace_code(contact, bed.kept("11112222"), mail).await.unwrap());
        assert!(is_added(&bed).await);
    }

    async fn a_job_whose_link_is_gone_is_dropped(bed) {
        let token = one_notice(&bed).await;
        let view = bed.view(&token).await;
        let batch = Batch { checks: Vec::new(), writes: vec![Write::Delete(places::grant(view.id))] };
        bed.store.inner.engine.commit(batch).await.unwrap();
        assert!(bed.store.lease_due(bed.now(), 10).await.unwrap().is_empty());
        for space in [Space::Job, Space::JobDue, Space::JobSecret] {
            assert!(bed.places(space).await.is_empty(), "{space:?}");
        }
        assert_eq!(bed.store.next_due().await.unwrap(), None);
    }

    async fn a_damaged_job_neither_blocks_nor_spins(bed) {
        one_notice(&bed).await;
        let damaged = bed.places(Space::Job).await.remove(0);
        bed.overwrite(damaged.clone(), b"rubbish").await;
        bed.pass(1);
        bed.taken("piet@example.nl").await;
        assert_eq!(bed.store.lease_due(bed.now(), 10).await.unwrap().len(), 2);
        assert_eq!(bed.store.next_due().await.unwrap(), None, "the worker does not come back for it");
        assert_eq!(bed.store.jobs(10).await.unwrap().len(), 2);
        assert!(bed.places(Space::Job).await.contains(&damaged), "and it stays for who mends it");
    }

    async fn a_job_stays_leased_when_its_end_cannot_be_written(bed) {
        one_notice(&bed).await;
        let job = lease_one(&bed).await;
        let place = places::job(job.id);
        let good = bed.raw().await.remove(&place).unwrap();
        bed.overwrite(place.clone(), b"rubbish").await;
        let error = bed.store.finish_job(job.id, JobEnd::Done).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged(_)));
        bed.overwrite(place, &good).await;
        assert!(bed.store.lease_due(bed.now(), 10).await.unwrap().is_empty(), "its mail has left: not again");
        bed.store.finish_job(job.id, JobEnd::Done).await.unwrap();
        assert!(bed.places(Space::Job).await.is_empty());
    }

    /// The worker may be stopped at any await: no job may be lost to it until the next start.
    async fn a_lease_that_nobody_received_is_given_back(bed) {
        one_notice(&bed).await;
        let mut polls = 0;
        let jobs = loop {
            polls += 1;
            if let Some(jobs) = polled(polls, bed.store.lease_due(bed.now(), 10)).await {
                break jobs.unwrap();
            }
        };
        assert_eq!(jobs.len(), 1);
    }
}

#[tokio::test]
async fn due_times_are_kept_to_the_end_of_time() {
    let bed = Bed::memory();
    let (mut mail, _) = bed.mail(&["jan@example.nl"], 100).await;
    mail.deliveries[0].jobs.iter_mut().for_each(|job| job.due = Timestamp(u64::MAX));
    bed.store.take(mail).await.unwrap().unwrap();
    assert_eq!(bed.store.next_due().await.unwrap(), Some(Timestamp(u64::MAX)));
    assert!(bed.store.lease_due(bed.now(), 10).await.unwrap().is_empty());
}
