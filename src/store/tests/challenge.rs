//! Codes by SMS: sent no more often than the limits allow, tried no more often, used once, and gone from the disk after that.

use std::collections::HashSet;
use std::sync::Arc;

use super::bed::{Bed, LIMITS, net, on_each_engine};
use super::canaries::{found, pieces};
use crate::access;
use crate::access::one_time::{Asking, Limits, State, Way};
use crate::base::ChallengeId;
use crate::seal::one_time::OneTimeCode;
use crate::store::StoreError;
use crate::store::challenge::{OneTimeTry, Tried};
use crate::store::codes::KeptCode;
use crate::store::contacts::Change;
use crate::store::engine::Space;
use crate::store::jobs::JobEnd;
use crate::store::places;
use crate::store::proof::GrantView;
use crate::store::records::{JobKind, Phone, Proof, Wish};
use crate::store::retention::Recall;

const NUMBER: &str = "+31612345678";

fn sms(number: &str) -> Change {
    Change { proof: Some((KeptCode::Sms(Phone::new(number.to_owned())), None)), ..Change::default() }
}

/// A mail to a recipient who proves themselves by SMS.
async fn by_sms(bed: &Bed, recipient: &str, number: &str) -> GrantView {
    let (_, token) = bed.taken(recipient).await;
    let view = bed.view(&token).await;
    if view.contact.proof != Proof::Sms {
        assert!(bed.store.change_contact(view.grant.contact, &sms(number)).await.unwrap().is_some());
    }
    bed.view(&token).await
}

async fn ask(bed: &Bed, view: &GrantView) -> Asking {
    bed.store.ask_one_time(view, &Limits::default()).await.unwrap()
}

/// Which codes are on their way, and to which number. The jobs are done then.
async fn sent(bed: &Bed) -> Vec<(ChallengeId, String)> {
    let mut sent = Vec::new();
    for leased in bed.store.lease_due(bed.now(), 1000).await.unwrap() {
        if let JobKind::Sms { challenge, .. } = leased.job.kind {
            sent.push((challenge, leased.secret.as_ref().unwrap().number.clone().unwrap()));
        }
        bed.store.finish_job(leased.id, JobEnd::Done).await.unwrap();
    }
    sent
}

/// Asks for a code and reads it from the SMS.
async fn code(bed: &Bed, view: &GrantView) -> String {
    assert!(matches!(ask(bed, view).await, Asking::Send { .. }));
    let (challenge, _) = sent(bed).await.pop().unwrap();
    OneTimeCode::of(bed.store.keys(), challenge).expose().to_owned()
}

async fn count(bed: &Bed, view: &GrantView, n: u8) -> OneTimeTry {
    let limits = (&access::Limits::default(), &Limits::default());
    bed.store.count_one_time_try(view, net(n), limits).await.unwrap()
}

/// One try; whether it opened a session, and why not.
async fn typed(bed: &Bed, view: &GrantView, code: &str) -> Result<(), String> {
    match count(bed, view, 1).await {
        OneTimeTry::Compare(_, tried) if tried.matches(&bed.store, code) => {
            let opened = bed.store.open_one_time_session(view, net(1), (&bed.cookie(), &tried)).await.unwrap();
            if opened { Ok(()) } else { Err("used".to_owned()) }
        }
        OneTimeTry::Compare(_, Tried { left, .. }) => Err(format!("wrong, {left} left")),
        OneTimeTry::NotNow(admission) => Err(format!("{admission:?}")),
        OneTimeTry::NoCode(state) => Err(format!("no code: {state:?}")),
    }
}

fn other(code: &str) -> String {
    code.chars().map(|c| if c == '0' { '1' } else { '0' }).collect()
}

on_each_engine! {
    async fn one_commit_makes_the_code_and_the_sms(bed) {
        let view = by_sms(&bed, "jan@example.nl", NUMBER).await;
        sent(&bed).await;
        let before = bed.store.counts().commits;
        assert_eq!(ask(&bed, &view).await, Asking::Send { anew: true, alarm: false });
        assert_eq!(bed.store.counts().commits - before, 1);
        let first = sent(&bed).await;
        assert_eq!(first.iter().map(|(_, number)| number.as_str()).collect::<Vec<_>>(), [NUMBER]);
        assert!(matches!(ask(&bed, &view).await, Asking::Wait(until) if until == bed.now() + Limits::default().pause));
        bed.pass(60);
        assert_eq!(ask(&bed, &view).await, Asking::Send { anew: false, alarm: false });
        assert_eq!(sent(&bed).await, first, "the same code again");
        assert_eq!(bed.store.codes_of_the_day(Way::Sms).await.unwrap(), 2);
    }

    async fn presses_at_the_same_moment_send_no_more_than_the_limits(bed) {
        // Ten messages to one number: an SMS for each link, three an hour for the number.
        let mut views = vec![by_sms(&bed, "jan@example.nl", NUMBER).await];
        for _ in 0..9 {
            views.push(by_sms(&bed, "jan@example.nl", NUMBER).await);
        }
        sent(&bed).await;
        let bed = Arc::new(bed);
        let tasks: Vec<_> = views.iter().flat_map(|view| vec![view.clone(); 10]).map(|view| {
            let bed = bed.clone();
            tokio::spawn(async move { ask(&bed, &view).await })
        }).collect();
        let mut went = 0;
        for task in tasks {
            went += usize::from(matches!(task.await.unwrap(), Asking::Send { .. }));
        }
        assert_eq!((went, sent(&bed).await.len()), (3, 3));
    }

    async fn a_code_takes_five_tries_also_at_the_same_moment_and_after_a_restart(bed) {
        let mut bed = bed;
        let view = by_sms(&bed, "jan@example.nl", NUMBER).await;
        let code = code(&bed, &view).await;
        assert_eq!(typed(&bed, &view, &other(&code)).await, Err("wrong, 4 left".to_owned()));
        bed.restart().await;
        assert!(matches!(ask(&bed, &view).await, Asking::Wait(_)), "what was sent is counted after a restart");
        let bed = Arc::new(bed);
        let tasks: Vec<_> = (0..100).map(|n| {
            let (bed, view) = (bed.clone(), view.clone());
            tokio::spawn(async move { matches!(count(&bed, &view, n).await, OneTimeTry::Compare(..)) })
        }).collect();
        let mut compared = 0;
        for task in tasks {
            compared += usize::from(task.await.unwrap());
        }
        assert_eq!(compared, 4);
        assert_eq!(typed(&bed, &view, &code).await, Err(format!("no code: {:?}", Some(State::Spent))));
    }

    async fn a_code_opens_its_own_link_once(bed) {
        let view = by_sms(&bed, "jan@example.nl", NUMBER).await;
        let neighbour = by_sms(&bed, "piet@example.nl", "+31687654321").await;
        let own = code(&bed, &view).await;
        let theirs = code(&bed, &neighbour).await;
        assert_eq!(typed(&bed, &view, &theirs).await, Err("wrong, 4 left".to_owned()), "the code of another link");
        // Two browsers with the right code at the same moment.
        let mut both = Vec::new();
        for n in 1..=2 {
            let OneTimeTry::Compare(_, tried) = count(&bed, &view, n).await else { panic!("it may be compared") };
            assert!(tried.matches(&bed.store, &own));
            both.push((n, bed.cookie(), tried));
        }
        let mut opened = Vec::new();
        for (n, cookie, tried) in &both {
            opened.push(bed.store.open_one_time_session(&view, net(*n), (cookie, tried)).await.unwrap());
        }
        assert_eq!(opened, [true, false]);
        assert!(bed.store.session(&both[0].1, &LIMITS).await.unwrap().is_some());
        assert!(bed.store.session(&both[1].1, &LIMITS).await.unwrap().is_none());
        assert_eq!(typed(&bed, &view, &own).await, Err("no code: None".to_owned()), "once more");
        assert!(bed.store.session(&both[0].1, &LIMITS).await.unwrap().is_some(), "the session goes on");
        assert!(typed(&bed, &neighbour, &theirs).await.is_ok());
    }

    async fn a_code_ends(bed) {
        let view = by_sms(&bed, "jan@example.nl", NUMBER).await;
        let old = code(&bed, &view).await;
        bed.pass(599);
        assert_eq!(typed(&bed, &view, &other(&old)).await, Err("wrong, 4 left".to_owned()));
        bed.pass(1);
        assert_eq!(typed(&bed, &view, &old).await, Err(format!("no code: {:?}", Some(State::Expired))));
        let new = code(&bed, &view).await;
        assert_ne!(new, old);
        assert_eq!(typed(&bed, &view, &old).await, Err("wrong, 4 left".to_owned()));
        assert!(typed(&bed, &view, &new).await.is_ok());
    }

    async fn wrong_codes_count_for_the_link_too_and_the_sender_opens_it_again(bed) {
        let view = by_sms(&bed, "jan@example.nl", NUMBER).await;
        let limits = Limits { per_hour: 99, per_day: 99, ..Limits::default() };
        // Four codes of five wrong tries each, from many networks, close the link.
        for round in 0..4 {
            bed.pass(60);
            assert!(matches!(bed.store.ask_one_time(&view, &limits).await.unwrap(), Asking::Send { anew: true, .. }));
            for n in 0..5 {
                assert!(matches!(count(&bed, &view, round * 5 + n).await, OneTimeTry::Compare(..)));
            }
        }
        assert!(matches!(count(&bed, &view, 99).await, OneTimeTry::NotNow(access::Admission::Closed)));
        let spent = Limits { per_link: 4, ..limits };
        bed.pass(60);
        assert_eq!(bed.store.ask_one_time(&view, &spent).await.unwrap(), Asking::Over);
        assert_eq!(bed.store.unlock_message(view.grant.message).await.unwrap(), Some(1));
        assert!(matches!(bed.store.ask_one_time(&view, &spent).await.unwrap(), Asking::Send { .. }));
        assert!(matches!(count(&bed, &view, 99).await, OneTimeTry::Compare(..)));
    }

    async fn a_new_number_or_proof_voids_codes_and_sessions(bed) {
        let view = by_sms(&bed, "jan@example.nl", NUMBER).await;
        let opens = code(&bed, &view).await;
        let OneTimeTry::Compare(_, tried) = count(&bed, &view, 1).await else { panic!("it may be compared") };
        assert!(tried.matches(&bed.store, &opens));
        let cookie = bed.cookie();
        assert!(bed.store.open_one_time_session(&view, net(1), (&cookie, &tried)).await.unwrap());
        bed.pass(60);
        let waiting = code(&bed, &view).await;
        assert!(bed.store.change_contact(view.grant.contact, &sms("+31687654321")).await.unwrap().is_some());
        assert!(bed.store.session(&cookie, &LIMITS).await.unwrap().is_none(), "the session ends");
        let late = bed.store.ask_one_time(&view, &Limits::default()).await.unwrap();
        assert!(matches!(late, Asking::Send { anew: true, .. }), "a press on the page of before is for the present number");
        let view = bed.store.grant_by_id(view.id).await.unwrap().unwrap();
        assert_eq!((view.contact.generation, view.contact.proof), (3, Proof::Sms));
        assert_eq!(typed(&bed, &view, &waiting).await, Err("wrong, 4 left".to_owned()));
        assert!(matches!(ask(&bed, &view).await, Asking::Wait(_)));
        bed.pass(60);
        assert!(matches!(ask(&bed, &view).await, Asking::Full(_)), "the link's limits count both numbers");
        let to: Vec<_> = sent(&bed).await.into_iter().map(|sms| sms.1).collect();
        assert_eq!(to, ["+31687654321"]);

        let mail = bed.job(JobKind::Code { contact: view.grant.contact }, None);
        assert!(bed.store.replace_code(view.grant.contact, bed.kept("11112222"), mail).await.unwrap());
        assert!(bed.store.phone(view.grant.contact).await.unwrap().is_none());
        assert!(bed.store.verifier(view.grant.contact).await.unwrap().is_some());
        let refused = bed.store.ask_one_time(&view, &Limits::default()).await.unwrap_err();
        assert!(matches!(refused, StoreError::NotReady(_)));
        assert!(typed(&bed, &view, &waiting).await.unwrap_err().starts_with("no code"), "the page of before");
    }

    async fn what_a_recipient_asks_is_told_once_a_day(bed) {
        let view = by_sms(&bed, "jan@example.nl", NUMBER).await;
        sent(&bed).await;
        let told = |jobs: Vec<_>| -> Vec<Wish> {
            jobs.into_iter().filter_map(|(_, job): (_, crate::store::records::Job)| match job.kind {
                JobKind::Asked { wish, .. } => Some(wish),
                _ => None,
            }).collect()
        };
        for (after, wish, expected) in [
            (0, Wish::OtherNumber, true),
            (10, Wish::OtherNumber, false),
            (10, Wish::OtherProof, true),
            (86_379, Wish::OtherNumber, false),
            (1, Wish::OtherNumber, true),
        ] {
            bed.pass(after);
            assert_eq!(bed.store.ask_sender(view.id, wish).await.unwrap(), expected, "{wish:?} {after}");
        }
        let mut wishes = told(bed.store.jobs(100).await.unwrap());
        wishes.sort_by_key(|wish| *wish as u8);
        assert_eq!(wishes, [Wish::OtherNumber, Wish::OtherNumber, Wish::OtherProof]);
    }

    async fn the_organisations_contact_serves_who_has_none(bed) {
        let (_, token) = bed.taken("jan@example.nl").await;
        let mut contact = bed.view(&token).await.contact;
        contact.sender = String::new();
        let id = crate::base::ContactId::random(&*bed.entropy);
        let code = KeptCode::Sms(Phone::new(NUMBER.to_owned()));
        assert!(bed.store.add_contact(id, &contact, (&code, None)).await.unwrap());
        assert!(!bed.store.add_contact(id, &contact, (&code, None)).await.unwrap(), "there is one");
        let own = bed.store.contact_for("arts@zorg.example", "jan@example.nl").await.unwrap().unwrap();
        assert_eq!((own.1.proof, own.1.sender.is_empty()), (Proof::Code, false));
        let (found, organisations) = bed.store.contact_for("els@zorg.example", "jan@example.nl").await.unwrap().unwrap();
        assert_eq!((found, organisations.proof), (id, Proof::Sms));
        assert!(bed.store.contact_for("els@zorg.example", "piet@example.nl").await.unwrap().is_none());
        assert_eq!(bed.store.phone(id).await.unwrap(), Some(Phone::new(NUMBER.to_owned())));
        let findings = bed.store.check(false, Arc::default()).await.unwrap().findings;
        // The bodies of these tests are no sealed ones.
        let others: Vec<_> = findings.iter().filter(|finding| !finding.place.starts_with("body")).collect();
        assert!(others.is_empty(), "{others:?}");
    }

    async fn what_nobody_needs_is_collected(bed) {
        let view = by_sms(&bed, "jan@example.nl", NUMBER).await;
        code(&bed, &view).await;
        assert_eq!(bed.places(Space::Challenge).await.len(), 1);
        bed.pass(86_400);
        let retention = bed.retention();
        for _ in 0..8 {
            retention.round().await.unwrap();
        }
        assert!(bed.places(Space::Challenge).await.is_empty(), "a code that nobody used");
        let left = bed.places(Space::Sent).await;
        assert_eq!(left, [places::sent_for(view.id), places::sent_in_all(Way::Sms)], "what was sent to the number a day ago");
    }
}

/// The number and the code leave nothing on the disk once they are used, changed, or taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_and_codes_are_overwritten() {
    for how in ["used", "changed", "recalled"] {
        let bed = Bed::local().await;
        let view = by_sms(&bed, "jan@example.nl", NUMBER).await;
        let code = code(&bed, &view).await;
        let challenge = bed.store.inner.engine.get(&places::challenge(view.id)).await.unwrap().unwrap().value;
        let phone = bed.store.inner.engine.get(&places::phone(view.grant.contact)).await.unwrap().unwrap().value;
        let folder = bed.folder.as_ref().unwrap().path().to_owned();
        let wanted = |value: &[u8]| pieces(value).collect::<HashSet<_>>();
        assert!(!found(&folder, &wanted(&challenge)).is_empty() && !found(&folder, &wanted(&phone)).is_empty());
        let gone = match how {
            "used" => {
                assert!(typed(&bed, &view, &code).await.is_ok());
                challenge
            }
            "changed" => {
                assert!(bed.store.change_contact(view.grant.contact, &sms("+31687654321")).await.unwrap().is_some());
                phone
            }
            _ => {
                let done = bed.retention().recall(view.grant.message, None).await.unwrap();
                assert!(matches!(done, Recall::Done { complete: true, .. }));
                challenge
            }
        };
        bed.store.close().await;
        assert_eq!(found(&folder, &wanted(&gone)), Vec::<String>::new(), "{how}");
    }
}
