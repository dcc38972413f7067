//! The custody rule, hop fault by hop fault: what the client hears, what the hop has, what is kept.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::JoinSet;

use zegel::mail::{MailFrom, Param};
use zegel::nexthop::{NextHop, Waits};
use zegel::relay::{Peer, Stamp};
use zegel::store::Store;

use crate::gateway::{Gateway, HEADER, from, hop_settings, mail, peer, plain, to};
use crate::next_hop::{Act, FakeHop, Moment, say};

const PASS: &str = "p@pass.example";
const PASS_TOO: &str = "p2@pass.example";
const EARLY: &str = "e@early.example";
const LATE: &str = "l@late.example";
const NEVER: &str = "n@never.example";

/// Where the hop misbehaves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    Nowhere,
    /// Every connection.
    Greeting,
    Mail,
    /// From the second MAIL on: a replay.
    SecondMail,
    Rcpt,
    /// The second RCPT of `p`: a replay.
    ReplayedRcpt,
    Reset,
    Data,
    Body,
    Dot,
}

fn script(at: At, act: &Act) -> impl FnMut(usize, &Moment) -> Act + Send + 'static {
    let act = act.clone();
    let (mut mails, mut rcpts) = (0, 0);
    move |_, moment| {
        mails += usize::from(moment.is("MAIL"));
        rcpts += usize::from(moment.is("RCPT TO:<P@"));
        let here = match at {
            At::Nowhere => false,
            At::Greeting => *moment == Moment::Greeting,
            At::Mail => moment.is("MAIL"),
            At::SecondMail => moment.is("MAIL") && mails > 1,
            At::Rcpt => moment.is("RCPT"),
            At::ReplayedRcpt => moment.is("RCPT TO:<P@") && rcpts > 1,
            At::Reset => moment.is("RSET"),
            At::Data => moment.is("DATA"),
            At::Body => *moment == Moment::BodyBegins,
            At::Dot => *moment == Moment::Dot,
        };
        if here { act.clone() } else { Act::Polite }
    }
}

struct Case {
    at: At,
    act: Act,
    recipients: &'static [&'static str],
    /// Replies to the RCPTs.
    told: &'static [u16],
    /// The reply to the dot.
    dot: u16,
    /// Accepted recipients of the mail that the hop took.
    taken: &'static [&'static str],
    kept: &'static [&'static str],
}

fn case(
    (at, act): (At, Act),
    recipients: &'static [&'static str],
    (told, dot): (&'static [u16], u16),
    taken: &'static [&'static str],
    kept: &'static [&'static str],
) -> Case {
    Case { at, act, recipients, told, dot, taken, kept }
}

fn polite_cases() -> Vec<Case> {
    let polite = || (At::Nowhere, Act::Polite);
    vec![
        case(polite(), &[PASS], (&[250], 250), &[PASS], &[]),
        case(polite(), &[PASS, PASS_TOO], (&[250, 250], 250), &[PASS, PASS_TOO], &[]),
        case(polite(), &[EARLY], (&[250], 250), &[], &[EARLY]),
        case(polite(), &[LATE], (&[250], 250), &[], &[LATE]),
        case(polite(), &[LATE, EARLY], (&[250, 250], 250), &[], &[EARLY, LATE]),
        case(polite(), &[EARLY, PASS], (&[250, 250], 250), &[PASS], &[EARLY]),
        case(polite(), &[PASS, LATE], (&[250, 250], 250), &[PASS], &[LATE]),
        case(polite(), &[LATE, PASS, EARLY, PASS_TOO], (&[250; 4], 250), &[PASS, PASS_TOO], &[EARLY, LATE]),
        case(polite(), &[NEVER], (&[250], 550), &[], &[]),
        case(polite(), &[PASS, NEVER, LATE], (&[250; 3], 550), &[], &[]),
    ]
}

/// Faults before the hop said anything about a recipient: remembered, and only what passes hears of it.
fn remembered_cases() -> Vec<Case> {
    let faults = [
        (At::Greeting, Act::Close, 451),
        (At::Greeting, say("554 5.3.2 closed"), 451),
        (At::Greeting, Act::Hang, 451),
        (At::Mail, say("550 5.7.1 not you"), 550),
        (At::Mail, say("552 5.3.4 too large"), 552),
        (At::Mail, say("452 4.3.1 full"), 452),
        (At::Mail, say("354 what"), 451),
        (At::Mail, Act::SayAndClose("421 4.3.2 bye".into()), 451),
        (At::Mail, Act::Silence, 451),
        (At::Rcpt, Act::Close, 451),
        (At::Rcpt, say("421 4.3.2 bye"), 451),
        (At::Rcpt, Act::Babble, 451),
    ];
    let mut cases = Vec::new();
    for (at, act, code) in faults {
        let fault = || (at, act.clone());
        cases.push(case(fault(), &[PASS], (&[250], code), &[], &[]));
        cases.push(case(fault(), &[LATE], (&[250], 250), &[], &[LATE]));
        cases.push(case(fault(), &[EARLY, LATE], (&[250, 250], 250), &[], &[EARLY, LATE]));
        cases.push(case(fault(), &[EARLY, PASS, LATE], (&[250; 3], code), &[], &[]));
    }
    cases
}

/// Faults from RCPT on that the hop puts into words, or that come at DATA or later.
fn later_cases() -> Vec<Case> {
    let mut cases = vec![
        case((At::Rcpt, say("550 5.1.1 unknown")), &[EARLY, PASS], (&[250, 550], 250), &[], &[EARLY]),
        case((At::Rcpt, say("450 4.2.1 busy")), &[EARLY, LATE], (&[250, 450], 250), &[], &[EARLY]),
        case((At::SecondMail, say("451 4.3.0 later")), &[PASS, LATE], (&[250, 250], 451), &[], &[]),
        case((At::SecondMail, say("550 5.7.1 no")), &[PASS, LATE], (&[250, 250], 451), &[], &[]),
        case((At::SecondMail, Act::Close), &[PASS, LATE], (&[250, 250], 451), &[], &[]),
        case((At::ReplayedRcpt, say("550 5.1.1 unknown")), &[PASS, LATE], (&[250, 250], 451), &[], &[]),
        case((At::ReplayedRcpt, say("451 4.2.1 busy")), &[PASS, PASS_TOO, LATE], (&[250; 3], 451), &[], &[]),
        case((At::Reset, say("500 what")), &[PASS, LATE], (&[250, 250], 451), &[], &[]),
        case((At::Reset, Act::Close), &[PASS, LATE], (&[250, 250], 451), &[], &[]),
        case((At::Reset, Act::Close), &[LATE], (&[250], 250), &[], &[LATE]),
    ];
    let faults = [
        (At::Data, say("554 5.7.1 no"), 554),
        (At::Data, say("451 4.3.0 later"), 451),
        (At::Data, say("250 what"), 451),
        (At::Data, Act::Close, 451),
        (At::Body, say("552 5.3.4 too large"), 552),
        (At::Data, say("354 go\r\n552 5.3.4 too large"), 552),
        (At::Data, say("354 go\r\n250 taken already"), 451),
        (At::Body, Act::Close, 451),
        (At::Body, Act::Hang, 451),
        (At::Dot, say("554 5.6.0 spam"), 554),
        (At::Dot, say("452 4.3.1 full"), 452),
        (At::Dot, Act::SayAndClose("421 4.3.2 bye".into()), 451),
        (At::Dot, say("354 more"), 451),
        (At::Dot, say("what"), 451),
        (At::Dot, Act::Close, 451),
        (At::Dot, Act::Silence, 451),
    ];
    for (at, act, code) in faults {
        let fault = || (at, act.clone());
        cases.push(case(fault(), &[PASS], (&[250], code), &[], &[]));
        cases.push(case(fault(), &[PASS, LATE], (&[250, 250], code), &[], &[]));
        cases.push(case(fault(), &[EARLY, PASS], (&[250, 250], code), &[], &[]));
        cases.push(case(fault(), &[LATE], (&[250], 250), &[], &[LATE]));
    }
    cases
}

async fn check(case: &Case, wire: &[u8]) {
    let name = format!("{:?} {:?} for {:?}", case.at, case.act, case.recipients);
    let server = FakeHop::scripted(script(case.at, &case.act)).await;
    let mut settings = hop_settings(&[server.address.port()]);
    if matches!(case.act, Act::Hang | Act::Silence | Act::Babble) {
        let wait = Duration::from_secs(1);
        settings.waits = Waits { greeting: wait, hello: wait, command: wait, data: wait, dot: wait, ..settings.waits };
    }
    let gateway = Gateway::over(NextHop::new(settings).unwrap(), Vec::new());
    let (told, dot) = gateway.send(case.recipients, wire).await;
    assert_eq!(told, case.told, "{name}: replies to RCPT");
    assert_eq!(dot.map(|reply| reply.code()), Some(case.dot), "{name}: reply to the dot");
    let taken: Vec<String> = server.taken().into_iter().flat_map(|heard| heard.accepted).collect();
    assert_eq!(taken, case.taken, "{name}: taken by the hop");
    let mut kept = Vec::new();
    for recipient in [EARLY, LATE, PASS, PASS_TOO, NEVER] {
        for stored in gateway.stored(recipient).await {
            assert!(stored == plain(wire), "{name}: other bytes kept for {recipient}");
            kept.push(recipient);
        }
    }
    assert_eq!(kept, case.kept, "{name}: kept here");
    assert_eq!(gateway.jobs().await == 0, kept.is_empty(), "{name}: jobs");
    for heard in server.transactions() {
        let sealed = heard.accepted.iter().any(|address| !address.ends_with("@pass.example"));
        assert!(!(heard.data && sealed), "{name}: a sealed recipient stood before DATA: {heard:?}");
        if heard.taken {
            assert!(heard.body.ends_with(wire), "{name}: other bytes behind");
        }
    }
}

/// A few at a time: most of them wait.
async fn check_all(cases: Vec<Case>, wire: Vec<u8>) {
    let wire: Arc<[u8]> = wire.into();
    let mut running = JoinSet::new();
    for case in cases {
        if running.len() == 8 {
            running.join_next().await.unwrap().unwrap();
        }
        let wire = Arc::clone(&wire);
        running.spawn(async move { check(&case, &wire).await });
    }
    running.join_all().await;
}

#[tokio::test]
async fn every_fault_has_its_answer() {
    let cases = [polite_cases(), remembered_cases(), later_cases()].into_iter().flatten().collect();
    check_all(cases, mail(b"a line\r\n..\r\n")).await;
}

#[tokio::test]
async fn a_long_mail_has_the_same_answers() {
    let long = b"0123456789012345678901234567890123456789012345678901234567890123456789\r\n".repeat(5000);
    check_all([polite_cases(), later_cases()].into_iter().flatten().collect(), mail(&long)).await;
}

#[tokio::test]
async fn nobody_waits_for_a_hop_that_is_not_needed() {
    let script = |_, moment: &Moment| if moment.is("RSET") { Act::Hang } else { Act::Polite };
    let server = FakeHop::scripted(script).await;
    let gateway = Gateway::before(&server);
    let sealed = tokio::time::timeout(Duration::from_secs(10), gateway.send(&[LATE], &mail(b"x\r\n"))).await;
    assert_eq!(sealed.expect("in less than the hop's 20 seconds").1.unwrap().code(), 250);
}

#[tokio::test]
async fn a_mail_too_large_to_seal_does_not_pass_either() {
    let server = FakeHop::polite().await;
    let gateway = Gateway::before(&server);
    let large = mail(&b"0123456789012345678901234567890123456789012345678901234567890123456789\r\n".repeat(120_000));
    assert_eq!(gateway.send(&[PASS, LATE], &large).await.1.unwrap().code(), 552);
    assert_eq!(gateway.send(&[LATE], &large).await.1.unwrap().code(), 552);
    assert_eq!((server.taken().len(), gateway.kept(LATE).await), (0, 0));
    assert_eq!(gateway.send(&[PASS], &large).await.1.unwrap().code(), 250, "what passes is the next hop's to judge");
}

#[tokio::test]
async fn the_dot_goes_out_when_the_sealed_part_is_durable() {
    let store: Arc<OnceLock<Store>> = Arc::default();
    let commits = Arc::new(AtomicU64::new(0));
    let (of_script, at_dot) = (Arc::clone(&store), Arc::clone(&commits));
    let server = FakeHop::scripted(move |_, moment: &Moment| {
        if *moment == Moment::Dot {
            at_dot.store(of_script.get().unwrap().counts().commits, Ordering::SeqCst);
        }
        Act::Polite
    })
    .await;
    let gateway = Gateway::before(&server);
    let before = gateway.store.counts().commits;
    store.set(gateway.store.clone()).unwrap();
    assert_eq!(gateway.send(&[PASS, LATE], &mail(b"x\r\n")).await.1.unwrap().code(), 250);
    assert_eq!(commits.load(Ordering::SeqCst), before + 1, "prepared before the dot");
    assert_eq!(gateway.store.counts().commits, before + 2, "committed after it");
}

/// Moves the paused clock past every patience with an idle connection, then lets real time go on.
async fn much_later() {
    // Whoever waits has begun to.
    tokio::time::sleep(Duration::from_millis(20)).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_slow_client_does_not_keep_a_connection() {
    for then in [Act::Polite, say("550 5.1.1 gone meanwhile"), Act::Close] {
        let (told, mut rcpts) = (then.clone(), 0);
        let script = move |_, moment: &Moment| {
            rcpts += usize::from(moment.is("RCPT TO:<P@"));
            if moment.is("RCPT TO:<P@") && rcpts == 2 { told.clone() } else { Act::Polite }
        };
        let server = FakeHop::scripted(script).await;
        let settings = zegel::nexthop::Settings { max_connections: 1, ..hop_settings(&[server.address.port()]) };
        let gateway = Gateway::over(NextHop::new(settings).unwrap(), Vec::new());
        let (mut slow, told) = gateway.begin(&[PASS]).await;
        assert_eq!(told, [250]);
        much_later().await;
        // The only connection is free for another client.
        assert_eq!(gateway.send(&[PASS_TOO], &mail(b"quick\r\n")).await.1.unwrap().code(), 250, "{then:?}");
        assert_eq!(slow.rcpt(to("p3@pass.example")).await.code(), 250);
        much_later().await;
        slow.body(&mail(b"slow\r\n")).await;
        let expected = match then {
            Act::Polite | Act::Close => 250,
            _ => 451,
        };
        let answer = slow.end().await;
        assert_eq!(answer.code(), expected, "{then:?}: {answer}, {:?}", server.commands());
        let last = server.taken().pop().unwrap();
        if expected == 250 {
            assert_eq!(last.accepted, [PASS, "p3@pass.example"], "{then:?}");
        } else {
            assert_eq!(last.accepted, [PASS_TOO]);
        }
    }
}

#[tokio::test]
async fn nothing_listens_behind() {
    let gateway = Gateway::before_nothing().await;
    let wire = mail(b"text\r\n");
    let (told, dot) = gateway.send(&[PASS], &wire).await;
    assert_eq!((told, dot.unwrap().code()), (vec![250], 451));
    let (told, dot) = gateway.send(&[LATE, EARLY], &wire).await;
    assert_eq!((told, dot.unwrap().code()), (vec![250, 250], 250));
    let (_, dot) = gateway.send(&["other@late.example", PASS], &wire).await;
    assert_eq!(dot.unwrap().code(), 451);
    assert_eq!((gateway.kept(LATE).await, gateway.kept(EARLY).await), (1, 1));
    assert_eq!(gateway.kept("other@late.example").await, 0);
}

#[tokio::test]
async fn ordinary_mail_gets_our_fields_and_keeps_its_bytes() {
    let server = FakeHop::polite().await;
    let gateway = Gateway::before(&server);
    let long_line = [vec![b'x'; 100_000], b"\r\n".to_vec()].concat();
    let bodies: [&[u8]; 8] = [
        b"",
        b"\r\n",
        b"..\r\n",
        b"..dot\r\n...two\r\n",
        b"\xff\xfe\x80\r\n",
        b"no blank\t \r\n",
        &long_line,
        b"\r\n\r\n\r\n",
    ];
    let mut sent: Vec<Vec<u8>> = bodies.iter().map(|body| mail(body)).collect();
    sent.extend([
        b"".to_vec(),
        b"\r\n".to_vec(),
        b"Only: a header\r\n".to_vec(),
        b"..no header\r\n\r\nat all\r\n".to_vec(),
    ]);
    for wire in &sent {
        let (_, dot) = gateway.send(&[PASS], wire).await;
        assert_eq!(dot.unwrap().to_bytes(), b"250 2.0.0 taken\r\n", "{}", String::from_utf8_lossy(wire));
    }
    for (heard, wire) in server.taken().iter().zip(&sent) {
        let ours = heard.body.strip_suffix(wire.as_slice()).expect("the same bytes behind our fields");
        let ours = std::str::from_utf8(ours).unwrap();
        assert!(
            ours.starts_with("Received: from mail.example.nl ([192.0.2.7])\r\n\tby zegel.example.nl with ESMTP id ")
        );
        assert!(ours.contains("\r\n\tfor <p@pass.example>;\r\n\t"), "{ours}");
        let (received, marker) = ours.split_once(" +0000\r\n").unwrap();
        assert!(received.matches("Received").count() == 1, "{ours}");
        assert!(marker.starts_with("X-Zegel-Loop: ") && marker.len() == 48 && marker.ends_with("\r\n"), "{ours}");
    }
    assert_eq!(server.taken().len(), sent.len());
    gateway.send(&[PASS, PASS_TOO], &mail(b"x\r\n")).await;
    let last = server.taken().pop().unwrap().body;
    assert!(!String::from_utf8_lossy(&last).contains("for <"), "with two recipients none is named");
}

#[tokio::test]
async fn a_dead_reused_connection_costs_nobody_a_mail() {
    // The first connection dies at its second transaction, here:
    for verb in ["MAIL", "RCPT", "DATA"] {
        for act in [Act::Close, Act::SayAndClose("421 4.4.2 idle".into())] {
            let (told, mut mails) = (act.clone(), 0);
            let script = move |connection, moment: &Moment| {
                mails += usize::from(moment.is("MAIL"));
                if connection == 0 && mails == 2 && moment.is(verb) { told.clone() } else { Act::Polite }
            };
            let server = FakeHop::scripted(script).await;
            let gateway = Gateway::before(&server);
            for round in 0..3 {
                let (told, dot) = gateway.send(&[PASS, PASS_TOO], &mail(b"x\r\n")).await;
                assert_eq!((told, dot.unwrap().code()), (vec![250, 250], 250), "{verb} {act:?} round {round}");
            }
            assert_eq!((server.taken().len(), server.connections()), (3, 2), "{verb} {act:?}");
            assert!(server.taken().iter().all(|heard| heard.accepted == [PASS, PASS_TOO]));
        }
    }
}

#[tokio::test]
async fn nothing_is_tried_again_after_the_dot() {
    let mut dots = 0;
    let script = move |_, moment: &Moment| {
        dots += usize::from(*moment == Moment::Dot);
        if *moment == Moment::Dot && dots == 2 { Act::Close } else { Act::Polite }
    };
    let server = FakeHop::scripted(script).await;
    let gateway = Gateway::before(&server);
    assert_eq!(gateway.send(&[PASS], &mail(b"1\r\n")).await.1.unwrap().code(), 250);
    assert_eq!(gateway.send(&[PASS], &mail(b"2\r\n")).await.1.unwrap().code(), 451);
    assert_eq!(server.transactions().iter().filter(|heard| heard.whole).count(), 2);
}

#[tokio::test]
async fn a_broken_mail_leaves_nothing() {
    let server = FakeHop::polite().await;
    let gateway = Gateway::before(&server);
    let long = mail(&b"0123456789\r\n".repeat(50_000));
    for recipients in [&[PASS][..], &[PASS, LATE], &[EARLY], &[LATE, EARLY, PASS]] {
        for so_far in [&[][..], HEADER, &long] {
            for drops in [false, true] {
                let (mut transaction, _) = gateway.begin(recipients).await;
                transaction.body(so_far).await;
                if drops {
                    drop(transaction);
                } else {
                    transaction.abort().await;
                }
            }
        }
    }
    assert!(server.transactions().iter().all(|heard| !heard.whole));
    assert_eq!((gateway.kept(EARLY).await, gateway.kept(LATE).await, gateway.jobs().await), (0, 0, 0));
    // And the next mail goes well.
    assert_eq!(gateway.send(&[PASS, LATE], &long).await.1.unwrap().code(), 250);
}

#[tokio::test]
async fn a_client_that_leaves_after_its_dot_changes_nothing() {
    let server = FakeHop::polite().await;
    let gateway = Gateway::before(&server);
    let (mut transaction, _) = gateway.begin(&[PASS, LATE]).await;
    transaction.body(&mail(b"x\r\n")).await;
    let left = tokio::time::timeout(Duration::ZERO, transaction.end()).await;
    assert!(left.is_err(), "the reply cannot be there yet");
    // A stop waits for it.
    tokio::time::timeout(Duration::from_secs(10), gateway.relay.settled()).await.expect("it comes to its end");
    assert_eq!((server.taken().len(), gateway.kept(LATE).await), (1, 1), "passed and sealed all the same");
}

#[tokio::test]
async fn one_transaction_has_one_next_hop() {
    let (here, there) = (FakeHop::polite().await, FakeHop::polite().await);
    let hop = |server: &FakeHop, name: &str| {
        let settings = zegel::nexthop::Settings { name: name.to_owned(), ..hop_settings(&[server.address.port()]) };
        NextHop::new(settings).unwrap()
    };
    let gateway = Gateway::over(hop(&here, "here"), vec![("there.example", hop(&there, "there"))]);
    let recipients = ["a@there.example", PASS, EARLY, "b@there.example"];
    let (told, dot) = gateway.send(&recipients, &mail(b"x\r\n")).await;
    assert_eq!((told, dot.unwrap().code()), (vec![250, 452, 250, 250], 250));
    assert_eq!(there.taken()[0].accepted, ["a@there.example", "b@there.example"]);
    assert_eq!(here.connections(), 0);
    // What EHLO may promise is what both have, once both were reached.
    assert!(!gateway.relay.capabilities().eightbit);
    gateway.send(&[PASS], &mail(b"x\r\n")).await;
    assert!(gateway.relay.capabilities().eightbit);
}

#[tokio::test]
async fn what_the_header_forbids() {
    let server = FakeHop::polite().await;
    let gateway = Gateway::before(&server);
    let loops = [b"Received: from a by b; today\r\n".repeat(51), mail(b"x\r\n")].concat();
    let large = [b"X-Filler: 0123456789012345678901234567890123456789\r\n".repeat(2000), mail(b"x\r\n")].concat();
    let endless = b"X-Filler: 0123456789012345678901234567890123456789\r\n".repeat(8000);
    for (wire, code) in [(&loops, 554), (&large, 552), (&endless, 552)] {
        for recipients in [&[PASS][..], &[LATE], &[PASS, EARLY]] {
            assert_eq!(gateway.send(recipients, wire).await.1.unwrap().code(), code);
        }
    }
    assert!(server.transactions().iter().all(|heard| !heard.data));
    assert_eq!((gateway.kept(LATE).await, gateway.kept(EARLY).await), (0, 0));
}

#[tokio::test]
async fn tenants_and_sender_domains_hold_for_every_mail() {
    let server = FakeHop::polite().await;
    let gateway = Gateway::before(&server);
    let bound = Peer { tenants: ["one.example".to_owned()].into(), ..peer() };
    let stamped = [b"X-OriginatorOrg: one.example\r\n".as_slice(), &mail(b"x\r\n")].concat();
    for (wire, code) in [(mail(b"x\r\n"), 550), (stamped, 250)] {
        for recipient in [PASS, LATE] {
            let mut transaction = gateway.relay.mail(&bound, from()).await.unwrap();
            transaction.rcpt(to(recipient)).await;
            transaction.body(&wire).await;
            assert_eq!(transaction.end().await.code(), code, "{recipient}");
        }
    }
    let other = Peer { sender_domains: ["other.example".parse().unwrap()].into(), ..peer() };
    assert_eq!(gateway.relay.mail(&other, from()).await.unwrap_err().code(), 550);
    let null = MailFrom { path: None, params: Vec::new() };
    let mut transaction = gateway.relay.mail(&other, null).await.unwrap();
    transaction.rcpt(to(LATE)).await;
    transaction.body(&mail(b"x\r\n")).await;
    assert_eq!(transaction.end().await.code(), 550, "sealed mail must be from a domain of the listener");
}

#[tokio::test]
async fn a_stamp_is_asked_of_every_mail_and_stays_here() {
    const SECRET: &str = "q7TzU1cV0mYp3kWnR5xB";
    let server = FakeHop::polite().await;
    let gateway = Gateway::before(&server);
    let stamped = Peer { stamp: Stamp::new("X-Voorbeeld-Zegel", SECRET.into()), ..peer() };
    let plain = mail(b".. stuffed\r\n");
    let right = [format!("X-Voorbeeld-Zegel: {SECRET}\r\n").as_bytes(), &plain].concat();
    let wrong = [b"X-Voorbeeld-Zegel: q7TzU1cV0mYp3kWnR5xC\r\n".as_slice(), &plain].concat();
    let both = [&wrong[..wrong.len() - plain.len()], &right].concat();
    let only = format!("X-Voorbeeld-Zegel:\r\n {SECRET}\r\n").into_bytes();
    let odd = [b"..odd: line\r\n".as_slice(), &right].concat();
    for (wire, code) in [(&plain, 550), (&wrong, 550), (&both, 550), (&right, 250), (&only, 250), (&odd, 250)] {
        // Without a From nothing can be sealed.
        for recipient in [PASS, LATE].into_iter().filter(|recipient| *recipient == PASS || *wire != only) {
            let mut transaction = gateway.relay.mail(&stamped, from()).await.unwrap();
            transaction.rcpt(to(recipient)).await;
            transaction.body(wire).await;
            assert_eq!(transaction.end().await.code(), code, "{recipient} {}", String::from_utf8_lossy(wire));
        }
    }
    let odd_kept = [b"..odd: line\r\n".as_slice(), &plain].concat();
    let taken = server.taken();
    for (heard, expected) in taken.iter().zip([plain.as_slice(), b"", &odd_kept]) {
        let text = String::from_utf8_lossy(&heard.body);
        assert!(heard.body.ends_with(expected) && !text.contains(SECRET) && !text.contains("Voorbeeld"), "{text}");
    }
    assert_eq!(taken.len(), 3);
    assert!(server.transactions().iter().filter(|heard| heard.data).count() == 3, "a refused mail saw no DATA");
}

#[tokio::test]
async fn a_mail_that_comes_back_is_refused_and_one_to_somebody_else_is_not() {
    let server = FakeHop::polite().await;
    let gateway = Gateway::before(&server);
    let wire = [b"Message-ID: <1@example.nl>\r\n".as_slice(), &mail(b"x\r\n")].concat();
    assert_eq!(gateway.send(&[PASS], &wire).await.1.unwrap().code(), 250);
    let back = server.taken().pop().unwrap().body;
    let refused = gateway.send(&[PASS], &back).await.1.unwrap();
    assert!(refused.to_bytes().starts_with(b"554 5.4.6 "), "{refused:?}");
    assert_eq!(gateway.send(&[PASS_TOO], &back).await.1.unwrap().code(), 250, "forwarded to somebody else");
    let forged = String::from_utf8(back).unwrap().replace("X-Zegel-Loop: ", "X-Zegel-Loop: a");
    assert_eq!(gateway.send(&[PASS], forged.as_bytes()).await.1.unwrap().code(), 250, "a mark that is not ours");
    let taken = server.taken();
    assert_eq!(taken.len(), 3);
    assert!(taken[2].body.ends_with(forged.as_bytes()), "and it stays where it is");
}

#[tokio::test]
async fn parameters_reach_the_hop_as_they_came() {
    let server = FakeHop::polite().await;
    let gateway = Gateway::before(&server);
    let param = |keyword: &str, value: &str| Param { keyword: keyword.to_owned(), value: Some(value.to_owned()) };
    let from =
        MailFrom { params: vec![param("Size", "1234"), param("BODY", "8bitmime"), param("ENVID", "a+2Bb")], ..from() };
    let mut transaction = gateway.relay.mail(&peer(), from).await.unwrap();
    let mut recipient = to(PASS);
    recipient.params.push(param("NOTIFY", "Never"));
    transaction.rcpt(recipient).await;
    transaction.rcpt(to(LATE)).await;
    transaction.body(&mail(b"x\r\n")).await;
    assert_eq!(transaction.end().await.code(), 250);
    let commands = server.commands();
    let heard = |line: &str| commands.iter().filter(|command| *command == line).count();
    // Twice: once as they came, once replayed without the sealed recipient.
    assert_eq!(heard("MAIL FROM:<bounces@example.nl> Size=1234 BODY=8bitmime ENVID=a+2Bb"), 2, "{commands:?}");
    assert_eq!(heard("RCPT TO:<p@pass.example> NOTIFY=Never"), 2);
}

#[tokio::test]
async fn nothing_to_an_answer_address_passes() {
    let server = FakeHop::polite().await;
    let gateway = Gateway::before(&server);
    let token = "a".repeat(32);
    for address in [format!("antwoord+{token}@retour.example.nl"), "ANTWOORD+x@Retour.Example.NL".to_owned()] {
        let (told, _) = gateway.send(&[&address, PASS], &mail(b"x\r\n")).await;
        assert_eq!(told, [550, 250], "{address}");
    }
    assert!(server.transactions().iter().all(|heard| heard.accepted == [PASS]));
}
