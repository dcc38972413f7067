//! SMS jobs: begun once, ended with what became of them, changed by reports, gone with their link.

use std::time::Duration;

use super::bed::{Bed, on_each_engine};
use crate::base::{ChallengeId, GrantId, JobId};
use crate::store::check::Damage;
use crate::store::dispatch::{Begun, DispatchEnd, Refusal, SmsReport, Stage};
use crate::store::engine::Space;
use crate::store::jobs::{JobEnd, Lane};
use crate::store::places;
use crate::store::plan::add_job;
use crate::store::progress::Progress;
use crate::store::records::{JobKind, JobSecret};

const NUMBER: &str = "+31612345678";

/// A link, and a job that is to send its recipient an SMS. No other job is left.
async fn asked(bed: &Bed) -> (GrantId, JobId) {
    let (_, token) = bed.taken("jan@example.nl").await;
    for job in bed.store.lease_due(bed.now(), 10).await.unwrap() {
        bed.store.finish_job(job.id, JobEnd::Done).await.unwrap();
    }
    let grant = bed.view(&token).await.id;
    (grant, again(bed, grant).await)
}

/// One more.
async fn again(bed: &Bed, grant: GrantId) -> JobId {
    let expires = bed.now() + Duration::from_mins(10);
    let kind = JobKind::Sms { grant, challenge: ChallengeId([8; 16]), expires };
    let job = bed.job(kind, Some(JobSecret::number(NUMBER.to_owned())));
    let mut draft = bed.store.inner.draft();
    add_job(&mut draft, &job, bed.now()).unwrap();
    assert!(draft.commit().await.unwrap());
    assert_eq!(bed.store.lease_due(bed.now(), 10).await.unwrap().len(), 1);
    job.id
}

async fn stage(bed: &Bed, grant: GrantId) -> Option<Stage> {
    bed.store.dispatch(grant).await.unwrap().map(|state| state.stage)
}

fn taken() -> DispatchEnd {
    DispatchEnd { stage: Stage::Taken, provider: "een".to_owned(), id: "SM1".to_owned() }
}

on_each_engine! {
    async fn what_became_of_it_is_kept_without_number(bed) {
        let (grant, job) = asked(&bed).await;
        assert_eq!(stage(&bed, grant).await, None);
        assert_eq!(bed.store.begin_dispatch(job).await, Ok(Begun::Now));
        assert_eq!(stage(&bed, grant).await, Some(Stage::Sending));
        bed.store.finish_job(job, JobEnd::Dispatched(taken())).await.unwrap();
        let state = bed.store.dispatch(grant).await.unwrap().unwrap();
        assert_eq!((state.job, state.challenge, state.stage), (job, ChallengeId([8; 16]), Stage::Taken));
        assert_eq!((state.provider.as_str(), state.id.as_str()), ("een", "SM1"));
        for space in [Space::Job, Space::AwaitedDue, Space::JobSecret] {
            assert!(bed.places(space).await.is_empty(), "{space:?}");
        }
        assert_eq!(bed.store.begin_dispatch(job).await, Ok(Begun::Gone));
        bed.store.finish_job(job, JobEnd::Dispatched(DispatchEnd::unsure())).await.unwrap();
        assert_eq!(stage(&bed, grant).await, Some(Stage::Taken), "ended once");
    }

    async fn it_waits_for_no_mail(bed) {
        let (grant, job) = asked(&bed).await;
        bed.store.finish_job(job, JobEnd::Dispatched(taken())).await.unwrap();
        bed.taken("piet@example.nl").await;
        bed.pass(60);
        let kind = JobKind::Sms { grant, challenge: ChallengeId([8; 16]), expires: bed.now() };
        let job = bed.job(kind, Some(JobSecret::number(NUMBER.to_owned())));
        let mut draft = bed.store.inner.draft();
        add_job(&mut draft, &job, bed.now()).unwrap();
        assert!(draft.commit().await.unwrap());
        assert_eq!(bed.store.jobs(10).await.unwrap().len(), 3);
        assert_eq!(bed.store.next_due_of(Lane::Awaited).await.unwrap(), Some(bed.now()));
        let lease = async |lane| bed.store.lease_due_of(lane, bed.now(), 10).await.unwrap();
        assert_eq!(bed.store.lease_due(bed.now(), 1).await.unwrap()[0].id, job.id);
        assert!(lease(Lane::Awaited).await.is_empty());
        assert_eq!(lease(Lane::Mail).await.len(), 2);
        assert_eq!(bed.store.next_due().await.unwrap(), None);
    }

    async fn one_that_was_broken_off_is_not_begun_again(mut bed) {
        let (grant, job) = asked(&bed).await;
        assert_eq!(bed.store.begin_dispatch(job).await, Ok(Begun::Now));
        bed.restart().await;
        assert_eq!(bed.store.lease_due(bed.now(), 10).await.unwrap().len(), 1);
        assert_eq!(bed.store.begin_dispatch(job).await, Ok(Begun::BrokenOff));
        bed.store.finish_job(job, JobEnd::Dispatched(DispatchEnd::unsure())).await.unwrap();
        assert_eq!(stage(&bed, grant).await, Some(Stage::Unsure));
    }

    async fn one_that_surely_was_not_sent_is(mut bed) {
        let (grant, job) = asked(&bed).await;
        assert_eq!(bed.store.begin_dispatch(job).await, Ok(Begun::Now));
        bed.store.finish_job(job, JobEnd::Retry(bed.now(), "een: down".to_owned())).await.unwrap();
        assert_eq!(stage(&bed, grant).await, Some(Stage::Waiting));
        bed.restart().await;
        let leased = bed.store.lease_due(bed.now(), 10).await.unwrap();
        assert_eq!(leased[0].secret.as_ref().unwrap().number.as_deref(), Some(NUMBER));
        assert_eq!(bed.store.begin_dispatch(job).await, Ok(Begun::Now));
        bed.store.finish_job(job, JobEnd::GiveUp("too late".to_owned(), None)).await.unwrap();
        assert_eq!(stage(&bed, grant).await, Some(Stage::Failed(Refusal::Unreachable)));
        assert!(bed.places(Space::JobSecret).await.is_empty());
    }

    async fn a_report_tells_more(bed) {
        let (grant, job) = asked(&bed).await;
        bed.store.begin_dispatch(job).await.unwrap();
        let reference = bed.store.sms_reference(grant, job);
        assert!(reference.len() == 32 && reference.bytes().all(|b| b.is_ascii_alphanumeric()), "{reference}");
        bed.store.finish_job(job, JobEnd::Dispatched(taken())).await.unwrap();
        let report = async |reference: &str, provider: &str, report| {
            bed.store.sms_reported(reference, provider, report).await.unwrap()
        };
        let other = bed.store.sms_reference(grant, JobId([1; 16]));
        let nobodys = bed.store.sms_reference(GrantId([1; 16]), job);
        for unknown in [other.as_str(), &nobodys, "", "x", &"a".repeat(32), &"a".repeat(10_000), "\u{0}"] {
            assert!(!report(unknown, "een", SmsReport::Delivered).await, "{unknown:?}");
        }
        assert!(!report(&reference, "twee", SmsReport::Failed).await, "it did not take it");
        assert_eq!(stage(&bed, grant).await, Some(Stage::Taken));
        assert!(report(&reference, "een", SmsReport::Failed).await);
        assert_eq!(stage(&bed, grant).await, Some(Stage::Failed(Refusal::Undelivered)));
        // One provider gave up on it, a late report says that it came after all.
        assert!(report(&reference.to_uppercase(), "een", SmsReport::Delivered).await);
        assert!(!report(&reference, "een", SmsReport::Failed).await);
        assert_eq!(stage(&bed, grant).await, Some(Stage::Delivered));
    }

    async fn a_report_may_come_before_the_answer(bed) {
        let (grant, job) = asked(&bed).await;
        bed.store.begin_dispatch(job).await.unwrap();
        let reference = bed.store.sms_reference(grant, job);
        assert!(bed.store.sms_reported(&reference, "een", SmsReport::Delivered).await.unwrap());
        bed.store.finish_job(job, JobEnd::Dispatched(DispatchEnd::unsure())).await.unwrap();
        assert_eq!(stage(&bed, grant).await, Some(Stage::Delivered));
    }

    async fn the_end_of_an_earlier_one_does_not_hide_a_later(bed) {
        let (grant, first) = asked(&bed).await;
        bed.store.begin_dispatch(first).await.unwrap();
        let second = again(&bed, grant).await;
        bed.store.begin_dispatch(second).await.unwrap();
        bed.store.finish_job(first, JobEnd::Dispatched(DispatchEnd::failed(Refusal::Number))).await.unwrap();
        assert_eq!(stage(&bed, grant).await, Some(Stage::Sending));
        assert_eq!(bed.store.dispatch(grant).await.unwrap().unwrap().job, second);
        let reference = bed.store.sms_reference(grant, first);
        assert!(!bed.store.sms_reported(&reference, "een", SmsReport::Delivered).await.unwrap());
    }

    async fn it_goes_with_its_link(bed) {
        let (grant, job) = asked(&bed).await;
        bed.store.begin_dispatch(job).await.unwrap();
        let message = bed.store.grant_by_id(grant).await.unwrap().unwrap().grant.message;
        bed.retention().recall(message, None).await.unwrap();
        assert_eq!(bed.store.begin_dispatch(job).await, Ok(Begun::Gone));
        bed.store.finish_job(job, JobEnd::Dispatched(taken())).await.unwrap();
        for space in [Space::Dispatch, Space::AwaitedDue, Space::Job, Space::JobSecret] {
            assert!(bed.places(space).await.is_empty(), "{space:?}");
        }
    }

    async fn a_check_misses_number_and_link(bed) {
        let (grant, job) = asked(&bed).await;
        bed.store.begin_dispatch(job).await.unwrap();
        // The bed's bodies are none, which a check says too.
        let check = async || {
            let report = bed.store.check(false, Progress::default().into()).await.unwrap();
            let ours = report.findings.into_iter().filter(|found| found.damage != Damage::Body);
            ours.map(|found| (found.damage, found.place)).collect::<Vec<_>>()
        };
        assert_eq!(check().await, []);
        let (secret, state) = (places::job_secret(job), places::dispatch(grant));
        let raw = bed.raw().await;
        let mut draft = bed.store.inner.draft();
        draft.delete(secret.clone());
        assert!(draft.commit().await.unwrap());
        assert!(matches!(check().await.as_slice(), [(Damage::Missing, place)] if place.starts_with("JobSecret")));
        bed.overwrite(secret.clone(), &raw[&secret]).await;
        assert_eq!(check().await, []);
        bed.overwrite(state.clone(), &[raw[&state].as_slice(), b"x"].concat()).await;
        assert!(matches!(check().await.as_slice(), [(Damage::Record, place)] if place.starts_with("Dispatch")));
    }
}
