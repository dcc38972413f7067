//! One-time codes by mail: the same challenge as by SMS, counted apart; and that a mailbox never opens what was sealed for more.

use std::sync::Arc;

use super::bed::{Bed, LIMITS, net, on_each_engine};
use crate::access;
use crate::access::one_time::{Asking, Limits, Way};
use crate::base::{ChallengeId, MessageId};
use crate::seal::one_time::OneTimeCode;
use crate::store::StoreError;
use crate::store::challenge::{Destination, OneTimeTry};
use crate::store::check::Damage;
use crate::store::codes::KeptCode;
use crate::store::contacts::Change;
use crate::store::dispatch::{DispatchEnd, Refusal, Stage};
use crate::store::jobs::{JobEnd, Lane};
use crate::store::proof::{GrantView, OpenSession};
use crate::store::records::{JobKind, Phone, Proof};

const JAN: &str = "jan@example.nl";

/// A mail to a recipient who proves themselves by mail, unless the sender has a contact for them.
async fn by_mail(bed: &Bed, recipient: &str) -> (MessageId, GrantView) {
    let (mut mail, tokens) = bed.mail(&[recipient], 100).await;
    let delivery = &mut mail.deliveries[0];
    if let Some((contact, code)) = &mut delivery.new_contact {
        contact.proof = Proof::Mail;
        *code = KeptCode::Mail;
        delivery.jobs.retain(|job| !matches!(job.kind, JobKind::Code { .. }));
    }
    let id = mail.id;
    bed.store.take(mail).await.unwrap().unwrap();
    (id, bed.view(&tokens[0]).await)
}

async fn ask(bed: &Bed, view: &GrantView, limits: &Limits) -> Asking {
    bed.store.ask_one_time(view, limits).await.unwrap()
}

/// Which codes leave now, all in the lane that waits for no other mail. The jobs end like this.
async fn leave(bed: &Bed, end: impl Fn() -> JobEnd) -> Vec<ChallengeId> {
    let mut left = Vec::new();
    for leased in bed.store.lease_due_of(Lane::Awaited, bed.now(), 1000).await.unwrap() {
        let JobKind::OneTimeMail { challenge, .. } = leased.job.kind else { panic!("{:?}", leased.job.kind) };
        assert_eq!(leased.secret, None, "the code follows from the challenge, the address from the link");
        left.push(challenge);
        bed.store.begin_dispatch(leased.id).await.unwrap();
        bed.store.finish_job(leased.id, end()).await.unwrap();
    }
    left
}

fn taken() -> JobEnd {
    JobEnd::Dispatched(DispatchEnd { stage: Stage::Taken, provider: String::new(), id: String::new() })
}

/// Asks for a code, reads the mail with it, and opens a session.
async fn open(bed: &Bed, view: &GrantView) -> OpenSession {
    let limits = Limits::default();
    assert!(matches!(ask(bed, view, &limits).await, Asking::Send { .. }));
    let challenge = leave(bed, taken).await.pop().unwrap();
    let code = OneTimeCode::of(bed.store.keys(), challenge);
    let found = bed.store.count_one_time_try(view, net(1), (&access::Limits::default(), &limits)).await.unwrap();
    let OneTimeTry::Compare(_, tried) = found else { panic!("{found:?}") };
    assert!(tried.matches(&bed.store, code.expose()));
    let cookie = bed.cookie();
    assert!(bed.store.open_one_time_session(view, net(1), (&cookie, &tried)).await.unwrap());
    assert!(!bed.store.open_one_time_session(view, net(1), (&bed.cookie(), &tried)).await.unwrap(), "used once");
    bed.store.session(&cookie, &LIMITS).await.unwrap().unwrap()
}

on_each_engine! {
    async fn a_code_by_mail_is_sent_again_as_the_same_and_used_once(bed) {
        let (_, view) = by_mail(&bed, JAN).await;
        let limits = Limits::default();
        let shown = bed.store.one_time_view(&view, &limits).await.unwrap().unwrap();
        assert_eq!(shown.to, Destination::Mailbox(JAN.to_owned()));
        assert!(!format!("{shown:?}").contains("jan"), "{shown:?}");
        assert_eq!(ask(&bed, &view, &limits).await, Asking::Send { anew: true, alarm: false });
        let first = leave(&bed, taken).await;
        assert!(matches!(ask(&bed, &view, &limits).await, Asking::Wait(_)));
        bed.pass(60);
        assert_eq!(ask(&bed, &view, &limits).await, Asking::Send { anew: false, alarm: false });
        assert_eq!(leave(&bed, taken).await, first, "the same code again");
        bed.pass(60);
        open(&bed, &view).await;
        assert_eq!(bed.store.codes_of_the_day(Way::Mail).await.unwrap(), 3);
        assert_eq!(bed.store.codes_of_the_day(Way::Sms).await.unwrap(), 0);
        let mut findings = bed.store.check(false, Arc::default()).await.unwrap().findings;
        // The bodies here are none.
        findings.retain(|finding| finding.damage != Damage::Body);
        assert!(findings.is_empty(), "{findings:?}");
    }

    async fn an_address_and_each_way_have_limits_of_their_own(bed) {
        // Four messages in one mailbox: three codes an hour.
        let limits = Limits { organisation: 4, ..Limits::default() };
        let mut views = Vec::new();
        for _ in 0..4 {
            views.push(by_mail(&bed, JAN).await.1);
        }
        for view in &views[..3] {
            assert!(matches!(ask(&bed, view, &limits).await, Asking::Send { .. }));
        }
        assert!(matches!(ask(&bed, &views[3], &limits).await, Asking::Full(_)));
        let (_, piet) = by_mail(&bed, "piet@example.nl").await;
        assert_eq!(ask(&bed, &piet, &limits).await, Asking::Send { anew: true, alarm: true });
        let (_, klaas) = by_mail(&bed, "klaas@example.nl").await;
        assert_eq!(ask(&bed, &klaas, &limits).await, Asking::Ceiling);
        // Mail that is asked for keeps no SMS back.
        let sms = KeptCode::Sms(Phone::new("+31612345678".to_owned()));
        let change = Change { proof: Some((sms, None)), ..Change::default() };
        bed.store.change_contact(klaas.grant.contact, &change).await.unwrap();
        let klaas = bed.store.grant_by_id(klaas.id).await.unwrap().unwrap();
        assert!(matches!(ask(&bed, &klaas, &limits).await, Asking::Send { .. }));
    }

    async fn no_contact_goes_back_to_a_code_by_mail(bed) {
        let (_, token) = bed.taken(JAN).await;
        let view = bed.view(&token).await;
        let change = Change { proof: Some((KeptCode::Mail, None)), ..Change::default() };
        let refused = bed.store.change_contact(view.grant.contact, &change).await;
        assert!(matches!(refused, Err(StoreError::NotReady(_))), "{refused:?}");
        assert_eq!(bed.view(&token).await.contact, view.contact);
        // Nor does a mail that would do with less change who is known.
        let (_, low) = by_mail(&bed, JAN).await;
        assert_eq!((low.grant.contact, low.contact.proof), (view.grant.contact, Proof::Code));
        assert_eq!(bed.store.one_time_view(&low, &Limits::default()).await.unwrap().map(|view| view.to), None);
        assert!(bed.store.ask_one_time(&low, &Limits::default()).await.is_err(), "nothing is sent");
    }

    async fn a_session_by_mail_reads_nothing_that_came_with_a_stronger_proof(bed) {
        let (first, low) = by_mail(&bed, JAN).await;
        bed.pass(60);
        let (second, _) = by_mail(&bed, JAN).await;
        let session = open(&bed, &low).await;
        assert!(bed.store.turn_to(&session, second).await.unwrap().is_some(), "as low as its own");
        // The sender's next mail asks for an access code: so does, from then on, all of this contact.
        let change = Change { proof: Some((bed.kept("11112222"), None)), ..Change::default() };
        assert!(bed.store.change_contact(low.grant.contact, &change).await.unwrap().is_some());
        let (high, token) = bed.taken(JAN).await;
        assert_eq!(bed.view(&token).await.contact.proof, Proof::Code);
        for message in [first, second, high] {
            assert!(bed.store.turn_to(&session, message).await.unwrap().is_none(), "{message}");
        }
        assert!(bed.store.other_messages(&session).await.unwrap().is_empty());
        let now = bed.store.grant_by_id(low.id).await.unwrap().unwrap();
        assert!(bed.store.ask_one_time(&now, &Limits::default()).await.is_err(), "no code by mail any more");
    }

    async fn a_bounce_is_told_once_and_only_of_a_mail_that_is_on_its_way(bed) {
        let (_, view) = by_mail(&bed, JAN).await;
        let stage = async || bed.store.dispatch(view.id).await.unwrap().map(|dispatch| dispatch.stage);
        assert!(!bed.store.one_time_bounced(view.id).await.unwrap(), "nothing was sent");
        ask(&bed, &view, &Limits::default()).await;
        assert!(!bed.store.one_time_bounced(view.id).await.unwrap(), "nothing was sent yet");
        leave(&bed, taken).await;
        assert_eq!(stage().await, Some(Stage::Taken));
        assert!(bed.store.one_time_bounced(view.id).await.unwrap());
        assert_eq!(stage().await, Some(Stage::Failed(Refusal::Undelivered)));
        assert!(!bed.store.one_time_bounced(view.id).await.unwrap(), "told before");
        let told = async || {
            let jobs = bed.store.jobs(100).await.unwrap();
            jobs.iter().filter(|(_, job)| matches!(job.kind, JobKind::OneTimeFailed { .. })).count()
        };
        assert_eq!(told().await, 1);
        // One more that is refused at once changes what the page says, and is told the sender no second time that day.
        bed.pass(60);
        ask(&bed, &view, &Limits::default()).await;
        leave(&bed, || JobEnd::Dispatched(DispatchEnd::failed(Refusal::Mailbox))).await;
        assert_eq!((stage().await, told().await), (Some(Stage::Failed(Refusal::Mailbox)), 1));
    }

    async fn a_bounce_says_nothing_once_the_recipient_proves_themselves_otherwise(bed) {
        let (_, view) = by_mail(&bed, JAN).await;
        ask(&bed, &view, &Limits::default()).await;
        leave(&bed, taken).await;
        let sms = KeptCode::Sms(Phone::new("+31612345678".to_owned()));
        let change = Change { proof: Some((sms, None)), ..Change::default() };
        assert!(bed.store.change_contact(view.grant.contact, &change).await.unwrap().is_some());
        assert!(!bed.store.one_time_bounced(view.id).await.unwrap());
        let dispatch = bed.store.dispatch(view.id).await.unwrap();
        assert_eq!(dispatch.map(|dispatch| dispatch.stage), Some(Stage::Taken));
    }
}
