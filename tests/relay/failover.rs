//! A next hop of several hosts: the first one fails in every way, and ordinary mail goes on over the second; when the first is well
//! again, mail goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use zegel::nexthop::{HopError, Host, NextHop, Settings, Tls, Trust, Waits};

use crate::gateway::{Gateway, from, hop_settings, mail, to};
use crate::next_hop::{Act, FakeHop, Moment, say};

const PASS: &str = "p@pass.example";
const LATE: &str = "l@late.example";

/// A host that does `act` where `at` says, and is polite once `well` is set.
async fn host(at: impl Fn(&Moment) -> bool + Send + 'static, act: Act) -> (FakeHop, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(false));
    let of_script = Arc::clone(&well);
    let script = move |_, moment: &Moment| {
        if !of_script.load(Ordering::SeqCst) && at(moment) { act.clone() } else { Act::Polite }
    };
    (FakeHop::scripted(script).await, well)
}

fn before(first: &FakeHop, second: &FakeHop) -> NextHop {
    let settings = hop_settings(&[first.address.port(), second.address.port()]);
    let short = Duration::from_millis(300);
    let waits = Waits { reach: 4 * short, greeting: short, hello: short, command: short, ..settings.waits };
    NextHop::new(Settings { waits, ..settings }).unwrap()
}

/// What one mail came to: the answer to its dot, and how many each host took so far.
async fn one(gateway: &Gateway, hosts: [&FakeHop; 2]) -> (u16, [usize; 2]) {
    let sent = timeout(Duration::from_secs(10), gateway.send(&[PASS], &mail(b"x\r\n"))).await;
    let (_, dot) = sent.expect("in bounded time");
    (dot.unwrap().code(), hosts.map(|host| host.taken().len()))
}

/// Moves the clock past a host's first pause, and lets real time go on.
async fn a_pause_later() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(16)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn the_second_host_takes_what_the_first_does_not() {
    type At = fn(&Moment) -> bool;
    let greeting: At = |moment| *moment == Moment::Greeting;
    let hello: At = |moment| moment.is("EHLO");
    let at_mail: At = |moment| moment.is("MAIL");
    let cases: [(&str, At, Act); 9] = [
        ("closes", greeting, Act::Close),
        ("hangs", greeting, Act::Hang),
        ("talks without end", greeting, Act::Babble),
        ("421 at the greeting", greeting, Act::SayAndClose("421 4.3.2 full".into())),
        ("554 at the greeting", greeting, say("554 5.3.2 closed")),
        ("hangs at EHLO", hello, Act::Hang),
        ("closes at MAIL", at_mail, Act::Close),
        ("hangs at MAIL", at_mail, Act::Hang),
        ("421 at MAIL", at_mail, Act::SayAndClose("421 4.3.2 stopping".into())),
    ];
    for (case, at, act) in cases {
        let (first, well) = host(at, act).await;
        let second = FakeHop::polite().await;
        let gateway = Gateway::over(before(&first, &second), Vec::new());
        let hosts = [&first, &second];
        assert_eq!(one(&gateway, hosts).await, (250, [0, 1]), "{case}: this very mail");
        let asked = first.connections();
        for mails in 2..=4 {
            assert_eq!(one(&gateway, hosts).await, (250, [0, mails]), "{case}");
        }
        assert_eq!(first.connections(), asked, "{case}: nobody waits for it any more");
        well.store(true, Ordering::SeqCst);
        a_pause_later().await;
        // This mail finds that it is time to ask; the one after the answer goes there.
        assert_eq!(one(&gateway, hosts).await.0, 250, "{case}");
        let back = async {
            while first.taken().is_empty() {
                assert_eq!(one(&gateway, hosts).await.0, 250, "{case}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(5), back).await.unwrap_or_else(|_| panic!("{case}: mail goes back to the first"));
    }
}

#[tokio::test]
async fn a_host_that_is_not_there_is_passed_over() {
    let gone = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port();
    let second = FakeHop::polite().await;
    let hop = NextHop::new(hop_settings(&[gone, second.address.port()])).unwrap();
    let gateway = Gateway::over(hop, Vec::new());
    assert_eq!(one(&gateway, [&second, &second]).await, (250, [1, 1]));
}

#[tokio::test]
async fn a_host_without_tls_is_passed_over_and_never_spoken_to_in_clear() {
    let ours = crate::hop::authority("localhost");
    let extensions = ["STARTTLS", "8BITMIME"];
    for act in [say("454 4.7.0 not now"), Act::Hang, Act::Close] {
        let refuses = move |_, moment: &Moment| if moment.is("STARTTLS") { act.clone() } else { Act::Polite };
        let first = FakeHop::start(Box::new(refuses), &extensions, Some(ours.acceptor.clone())).await;
        let second = FakeHop::start(Box::new(|_, _| Act::Polite), &extensions, Some(ours.acceptor.clone())).await;
        let hosts = [&first, &second].map(|one| Host { name: "localhost".to_owned(), port: one.address.port() });
        let trust = Trust { ca: Some(ours.file.clone()), ..Trust::default() };
        let settings = Settings { hosts: hosts.into(), tls: Tls::Verified(trust), ..hop_settings(&[]) };
        let waits = Waits { hello: Duration::from_millis(300), ..settings.waits };
        let hop = NextHop::new(Settings { waits, ..settings }).unwrap();
        let gateway = Gateway::over(hop, Vec::new());
        assert_eq!(one(&gateway, [&first, &second]).await, (250, [0, 1]));
        assert!(first.commands().iter().all(|line| !line.starts_with("MAIL")), "{:?}", first.commands());
    }
}

/// Whether it is that moment.
type At = fn(&Moment) -> bool;

#[tokio::test]
async fn after_mail_was_accepted_no_other_host_is_asked() {
    let after_mail: [(&str, At); 4] = [
        ("RCPT", |moment| moment.is("RCPT")),
        ("DATA", |moment| moment.is("DATA")),
        ("body", |moment| *moment == Moment::BodyBegins),
        ("dot", |moment| *moment == Moment::Dot),
    ];
    for (case, at) in after_mail {
        let (first, _well) = host(at, Act::Close).await;
        let second = FakeHop::polite().await;
        let gateway = Gateway::over(before(&first, &second), Vec::new());
        assert_eq!(
            one(&gateway, [&first, &second]).await,
            (451, [0, 0]),
            "{case}: this mail is the client's to repeat"
        );
        assert_eq!(second.connections(), 0, "{case}");
        // A confidential mail does not need the hop at all.
        assert_eq!(gateway.send(&[LATE], &mail(b"x\r\n")).await.1.unwrap().code(), 250);
        assert_eq!(one(&gateway, [&first, &second]).await, (250, [0, 1]), "{case}: but the next one goes by");
    }
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_no_failure() {
    for (verb, act, code) in [("MAIL", "451 4.7.1 slow down", 451), ("MAIL", "550 5.7.1 not you", 550)] {
        let (first, _well) = host(move |moment| moment.is(verb), say(act)).await;
        let second = FakeHop::polite().await;
        let gateway = Gateway::over(before(&first, &second), Vec::new());
        for _ in 0..2 {
            assert_eq!(one(&gateway, [&first, &second]).await, (code, [0, 0]), "{act}");
        }
        assert_eq!(second.connections(), 0, "{act}");
    }
}

#[tokio::test]
async fn our_own_mails_go_over_too() {
    for at in ["MAIL", "EHLO"] {
        let (first, _well) = host(move |moment| moment.is(at), Act::Close).await;
        let second = FakeHop::polite().await;
        let hop = before(&first, &second);
        for mails in 1..=2 {
            let reply = hop.send(&from(), &to(PASS), b"A: b\r\n").await.unwrap();
            assert_eq!((reply.code(), second.taken().len()), (250, mails), "{at}");
        }
    }
}

/// While no host is well one mail asks and the others wait for what it finds: they neither pile up connections nor wait in a row.
#[tokio::test]
async fn a_hop_that_hangs_is_asked_by_one_at_a_time() {
    let (only, well) = host(|moment| *moment == Moment::Greeting, Act::Hang).await;
    let settings = hop_settings(&[only.address.port()]);
    let waits = Waits { greeting: Duration::from_millis(300), ..settings.waits };
    let hop = NextHop::new(Settings { waits, ..settings }).unwrap();
    assert!(hop.lease().await.is_err());
    assert_eq!(only.connections(), 1);
    let start = Instant::now();
    let leases = (0..10).map(|_| {
        let hop = hop.clone();
        tokio::spawn(async move { hop.lease().await })
    });
    for lease in leases.collect::<Vec<_>>() {
        assert!(matches!(lease.await.unwrap(), Err(HopError::Unreachable { .. })));
    }
    assert_eq!(only.connections(), 2, "one of ten asked");
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    well.store(true, Ordering::SeqCst);
    hop.lease().await.expect("it is asked by the next mail, without a pause");
}

#[tokio::test]
async fn every_host_gets_its_part_of_the_time() {
    let (first, _first) = host(|moment| *moment == Moment::Greeting, Act::Hang).await;
    let (second, _second) = host(|moment| *moment == Moment::Greeting, Act::Hang).await;
    let third = FakeHop::polite().await;
    let ports = [&first, &second, &third].map(|host| host.address.port());
    let settings = hop_settings(&ports);
    // The greeting alone might take longer than there is.
    let waits = Waits { reach: Duration::from_millis(900), greeting: Duration::from_mins(5), ..settings.waits };
    let hop = NextHop::new(Settings { waits, ..settings }).unwrap();
    let start = Instant::now();
    assert_eq!(hop.lease().await.unwrap().peer(), third.address);
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
}

#[tokio::test]
async fn reading_the_files_again_changes_the_password_and_a_bad_file_does_not() {
    let (user, one, two) = ("emVnZWw=", "b25l", "dHdv");
    let script = move |_, moment: &Moment| match moment {
        Moment::Command(line) if line == "AUTH LOGIN" => say("334 VXNlcm5hbWU6"),
        Moment::Command(line) if line == user => say("334 UGFzc3dvcmQ6"),
        Moment::Command(line) if line == one || line == two => say("235 2.7.0 ok"),
        _ => Act::Polite,
    };
    let server = FakeHop::start(Box::new(script), &["AUTH LOGIN"], None).await;
    let folder = tempfile::tempdir().unwrap();
    let password_file = folder.path().join("password");
    std::fs::write(&password_file, "one").unwrap();
    let login = zegel::nexthop::Login { user: "zegel".to_owned(), password_file: password_file.clone() };
    let settings = Settings { login: Some(login), ..hop_settings(&[server.address.port()]) };
    let hop = NextHop::new(settings).unwrap();
    hop.lease().await.unwrap().give_back();
    std::fs::write(&password_file, "two\n").unwrap();
    assert!(hop.lease().await.unwrap().reused(), "nothing is read by itself");
    hop.reload().unwrap();
    hop.lease().await.unwrap().give_back();
    std::fs::write(&password_file, "").unwrap();
    assert!(hop.reload().is_err());
    assert!(hop.lease().await.unwrap().reused(), "and what was open stays");
    drop(hop.lease_fresh().await.unwrap());
    let passwords: Vec<String> = server.commands().into_iter().filter(|line| line == one || line == two).collect();
    assert_eq!(passwords, [one, two, two]);
}
