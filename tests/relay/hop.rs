//! Connections to a next hop: replies, pool, fail-over, TLS, bodies.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use zegel::mail::{MailFrom, Param, RcptTo, Reply};
use zegel::nexthop::{HopError, Host, Login, NextHop, Pin, Settings, Tls, Trust, Waits};

use crate::next_hop::{Act, FakeHop, Moment, say};

fn from() -> MailFrom {
    MailFrom { path: "jan@example.nl".parse().ok(), params: Vec::new() }
}

fn to() -> RcptTo {
    RcptTo { address: "piet@example.org".parse().unwrap(), params: Vec::new() }
}

fn settings(servers: &[&FakeHop]) -> Settings {
    let host = |hop: &&FakeHop| Host { name: "127.0.0.1".to_owned(), port: hop.address.port() };
    let waits = Waits {
        lease: Duration::from_millis(200),
        connect: Duration::from_secs(5),
        greeting: Duration::from_secs(5),
        hello: Duration::from_secs(20),
        command: Duration::from_secs(20),
        data: Duration::from_secs(20),
        dot: Duration::from_secs(20),
        ..Waits::default()
    };
    let settings = Settings::new("behind", servers.iter().map(host).collect(), "zegel.example.nl");
    Settings { tls: Tls::Off, max_connections: 4, waits, ..settings }
}

/// For servers that say nothing.
fn hasty(server: &FakeHop) -> NextHop {
    let wait = Duration::from_millis(800);
    let settings = settings(&[server]);
    let waits = Waits { command: wait, data: wait, dot: wait, ..settings.waits };
    NextHop::new(Settings { waits, ..settings }).unwrap()
}

fn hop(servers: &[&FakeHop]) -> NextHop {
    NextHop::new(settings(servers)).unwrap()
}

/// Sends one mail over one lease, by hand.
async fn carry(hop: &NextHop, wire: &[u8]) -> Reply {
    let mut lease = hop.lease().await.unwrap();
    assert_eq!(lease.mail(&from()).await.unwrap().code(), 250);
    assert_eq!(lease.rcpt(&to()).await.unwrap().code(), 250);
    assert_eq!(lease.data().await.unwrap().code(), 354);
    lease.write(wire).await.unwrap();
    let reply = lease.dot().await.unwrap();
    lease.give_back();
    reply
}

#[tokio::test]
async fn a_body_arrives_as_it_was_written() {
    let server = FakeHop::polite().await;
    let hop = hop(&[&server]);
    let long = [b"A: b\r\n\r\n".as_slice(), &vec![0xe9; 300_000], b"\r\n..\r\n...x\r\n"].concat();
    let bodies: [&[u8]; 5] = [b"", b"\r\n", b"A: b\r\n\r\n..dot\r\n", b"x\ty \xff\x00\r\n\r\n\r\n", &long];
    for body in bodies {
        assert_eq!(carry(&hop, body).await, Reply::new(250, "2.0.0 taken"));
    }
    let heard: Vec<Vec<u8>> = server.taken().into_iter().map(|heard| heard.body).collect();
    assert_eq!(heard, bodies);
    assert_eq!(server.connections(), 1, "one connection carries one mail after the other");
}

#[tokio::test]
async fn capabilities_are_what_ehlo_said() {
    let cases: [(&[&str], [bool; 4], Option<u64>); 3] = [
        // REQUIRETLS means nothing on a connection in clear.
        (&["8BITMIME", "SMTPUTF8", "DSN", "REQUIRETLS", "SIZE 1000"], [true, true, true, false], Some(1000)),
        (&["SIZE", "8bitmime"], [true, false, false, false], Some(0)),
        (&[], [false; 4], None),
    ];
    for (extensions, expected, size) in cases {
        let server = FakeHop::start(Box::new(|_, _| Act::Polite), extensions, None).await;
        let hop = hop(&[&server]);
        assert_eq!(hop.capabilities(), None);
        let got = hop.probe().await.unwrap();
        assert_eq!([got.eightbit, got.smtputf8, got.dsn, got.requiretls], expected, "{extensions:?}");
        assert_eq!(got.size, size, "{extensions:?}");
        assert_eq!(hop.capabilities(), Some(got));
    }
}

#[tokio::test]
async fn a_server_without_ehlo_is_greeted_with_helo() {
    let script = |_, moment: &Moment| if moment.is("EHLO") { say("502 5.5.1 what?") } else { Act::Polite };
    let server = FakeHop::scripted(script).await;
    let hop = hop(&[&server]);
    assert_eq!(carry(&hop, b"A: b\r\n").await.code(), 250);
    assert_eq!(hop.capabilities(), Some(zegel::nexthop::Capabilities::default()));
}

/// What the server does at its first MAIL, and how the connection must look to us from then on.
#[tokio::test]
async fn replies_out_of_step_end_the_connection() {
    let cases = [
        say("250 ok\r\n250 a second reply in the same packet"),
        say("250 ok\r\n25"),
        say("hello"),
        say("250-a\r\n550 b"),
        say("999 what"),
        Act::Close,
        Act::Silence,
        Act::Babble,
    ];
    for act in cases {
        let told = act.clone();
        let script = move |connection, moment: &Moment| {
            if connection == 0 && moment.is("MAIL") { told.clone() } else { Act::Polite }
        };
        let server = FakeHop::scripted(script).await;
        let hop = hasty(&server);
        let mut lease = hop.lease().await.unwrap();
        let mail = lease.mail(&from()).await;
        // Where the first reply could be read it stands, and the next command finds out.
        let rcpt = lease.rcpt(&to()).await;
        assert!(matches!(rcpt, Err(HopError::Broken { .. })), "{act:?}: {mail:?}, {rcpt:?}");
        lease.give_back();
        assert_eq!(carry(&hop, b"A: b\r\n").await.code(), 250, "{act:?}");
        assert_eq!(server.connections(), 2, "{act:?}: not used again");
    }
}

#[tokio::test]
async fn replies_are_passed_on_clean_and_whole() {
    let script = |_, moment: &Moment| {
        if moment.is("RCPT") { say("550-5.1.1 no\x07 such\r\n550 5.1.1 user") } else { Act::Polite }
    };
    let server = FakeHop::scripted(script).await;
    let mut lease = hop(&[&server]).lease().await.unwrap();
    lease.mail(&from()).await.unwrap();
    assert_eq!(lease.rcpt(&to()).await.unwrap(), Reply::lines(550, ["5.1.1 no  such", "5.1.1 user"]));
}

#[tokio::test]
async fn an_idle_connection_that_died_is_not_used() {
    // The polite server closes after the dot, or says so first.
    for act in [Act::SayAndClose("250 taken".into()), Act::SayAndClose("250 taken\r\n421 4.4.2 idle".into())] {
        let told = act.clone();
        let script = move |connection, moment: &Moment| {
            if connection == 0 && *moment == Moment::Dot { told.clone() } else { Act::Polite }
        };
        let server = FakeHop::scripted(script).await;
        let hop = hop(&[&server]);
        assert_eq!(carry(&hop, b"A: b\r\n").await.code(), 250);
        // The end of the connection is on its way; a lease that comes before it must cope as well, and `reused` says so.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let lease = hop.lease().await.unwrap();
        assert!(!lease.reused(), "{act:?}");
    }
}

#[tokio::test]
async fn resets_without_mail_retire_a_connection() {
    let server = FakeHop::polite().await;
    let hop = hop(&[&server]);
    for _ in 0..20 {
        let mut lease = hop.lease().await.unwrap();
        lease.mail(&from()).await.unwrap();
        lease.reset_and_give_back().await;
    }
    assert!((2..=4).contains(&server.connections()), "{} connections", server.connections());
}

#[tokio::test]
async fn a_lease_given_back_in_the_middle_of_a_body_is_closed() {
    let server = FakeHop::polite().await;
    let hop = hop(&[&server]);
    let mut lease = hop.lease().await.unwrap();
    lease.mail(&from()).await.unwrap();
    lease.rcpt(&to()).await.unwrap();
    lease.data().await.unwrap();
    lease.write(b"half a mail\r\n").await.unwrap();
    lease.give_back();
    assert!(!hop.lease().await.unwrap().reused());
    assert_eq!(server.taken(), []);
}

#[tokio::test]
async fn a_caller_who_stops_waiting_leaves_nothing_that_is_used_again() {
    let script = |connection, moment: &Moment| {
        if connection == 0 && moment.is("RCPT") { Act::Silence } else { Act::Polite }
    };
    let server = FakeHop::scripted(script).await;
    let hop = hop(&[&server]);
    let mut lease = hop.lease().await.unwrap();
    lease.mail(&from()).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(50), lease.rcpt(&to())).await;
    assert!(waited.is_err(), "the server says nothing");
    lease.give_back();
    assert!(!hop.lease().await.unwrap().reused());
}

#[tokio::test]
async fn leases_are_bounded() {
    let server = FakeHop::polite().await;
    let hop = NextHop::new(Settings { max_connections: 2, ..settings(&[&server]) }).unwrap();
    let first = hop.lease().await.unwrap();
    let _second = hop.lease().await.unwrap();
    assert!(matches!(hop.lease().await, Err(HopError::Unreachable { .. })));
    first.give_back();
    assert!(hop.lease().await.unwrap().reused());
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn the_next_host_is_tried_before_mail() {
    let closed = FakeHop::scripted(|_, _| Act::Close).await;
    let busy = FakeHop::scripted(|_, moment| match moment {
        Moment::Greeting => say("554 5.3.2 not today"),
        Moment::Command(_) | Moment::BodyBegins | Moment::Dot => Act::Polite,
    })
    .await;
    let well = FakeHop::polite().await;
    let hop = hop(&[&closed, &busy, &well]);
    assert_eq!(carry(&hop, b"A: b\r\n").await.code(), 250);
    assert_eq!(well.taken().len(), 1);
    hop.close().await;

    let hop = super::hop::hop(&[&closed, &busy]);
    let error = hop.lease().await.unwrap_err();
    assert!(matches!(&error, HopError::Unreachable { cause, .. } if cause.contains("554")), "{error}");
}

#[tokio::test]
async fn a_host_that_failed_is_tried_last_for_a_while() {
    let silent = FakeHop::scripted(|_, _| Act::Close).await;
    let well = FakeHop::polite().await;
    let hop = hop(&[&silent, &well]);
    for _ in 0..3 {
        drop(hop.lease_fresh().await.unwrap());
    }
    assert_eq!((silent.connections(), well.connections()), (1, 3));
}

#[tokio::test]
async fn what_the_connection_lacks_is_refused_here() {
    let server = FakeHop::start(Box::new(|_, _| Act::Polite), &[], None).await;
    let mut lease = hop(&[&server]).lease().await.unwrap();
    let params = vec![Param { keyword: "BODY".into(), value: Some("8BITMIME".into()) }];
    let reply = lease.mail(&MailFrom { params, ..from() }).await.unwrap();
    assert_eq!(reply.code(), 451);
    assert!(server.transactions().is_empty());
}

#[tokio::test]
async fn a_reply_before_the_dot_ends_the_body() {
    // The server refuses at the first body byte and then reads nothing: whoever only writes waits for ever.
    for (act, early) in [
        (Act::Say("552 5.3.4 too large\r\n".into()), Some(552)),
        (Act::Say("250 2.0.0 taken already".into()), Some(250)),
        (Act::Close, None),
        (Act::Hang, None),
    ] {
        let told = act.clone();
        let script = move |_, moment: &Moment| match moment {
            Moment::BodyBegins => told.clone(),
            Moment::Dot => Act::Hang,
            Moment::Greeting | Moment::Command(_) => Act::Polite,
        };
        let server = FakeHop::scripted(script).await;
        let mut lease = hasty(&server).lease().await.unwrap();
        lease.mail(&from()).await.unwrap();
        lease.rcpt(&to()).await.unwrap();
        assert_eq!(lease.data().await.unwrap().code(), 354);
        let body = b"0123456789012345678901234567890123456789012345678901234567890123456789\r\n".repeat(500_000);
        assert!(lease.write(&body).await.is_err(), "{act:?}");
        assert_eq!(lease.early().map(|reply| reply.code()), early, "{act:?}");
        assert_eq!(server.taken(), []);
    }
}

#[tokio::test]
async fn a_dot_never_follows_half_a_line() {
    let server = FakeHop::polite().await;
    let mut lease = hop(&[&server]).lease().await.unwrap();
    lease.mail(&from()).await.unwrap();
    lease.rcpt(&to()).await.unwrap();
    lease.data().await.unwrap();
    lease.write(b"A: b\r\n\r").await.unwrap();
    assert!(lease.dot().await.is_err());
    assert_eq!(server.taken(), []);
}

#[tokio::test]
async fn our_own_mail_is_sent_whole() {
    let server = FakeHop::polite().await;
    let hop = hop(&[&server]);
    let reply = hop.send(&from(), &to(), b"A: b\r\n\r\n.dot\r\nno line end").await.unwrap();
    assert_eq!(reply.code(), 250);
    assert_eq!(server.taken()[0].body, b"A: b\r\n\r\n..dot\r\nno line end\r\n");
    assert_eq!(server.taken()[0].accepted, ["piet@example.org"]);
}

#[tokio::test]
async fn what_sending_our_own_mail_comes_to() {
    let at = |verb: &'static str, act: Act| {
        move |_: usize, moment: &Moment| match moment {
            Moment::Dot if verb == "." => act.clone(),
            Moment::Command(_) if moment.is(verb) => act.clone(),
            _ => Act::Polite,
        }
    };
    // where, what, the reply's code or none for an error
    let cases = [
        ("MAIL", say("451 4.3.0 later"), Some(451)),
        ("RCPT", say("550 5.1.1 no"), Some(550)),
        ("DATA", say("554 5.7.1 no"), Some(554)),
        ("DATA", say("250 what"), None),
        (".", say("451 4.7.1 later"), Some(451)),
        (".", say("354 what"), None),
        (".", Act::Close, None),
        (".", Act::Silence, None),
        ("MAIL", Act::Close, None),
        ("RCPT", Act::Hang, None),
    ];
    for (verb, act, expected) in cases {
        let server = FakeHop::scripted(at(verb, act.clone())).await;
        let hop = hasty(&server);
        let result = hop.send(&from(), &to(), b"A: b\r\n").await;
        assert_eq!(result.as_ref().ok().map(Reply::code), expected, "{act:?} at {verb}: {result:?}");
        assert_eq!(server.taken().len(), 0);
    }
}

#[tokio::test]
async fn a_dead_reused_connection_is_replaced_once() {
    for act in [Act::Close, say("421 4.4.2 idle too long"), Act::SayAndClose("421 4.4.2 idle too long".into())] {
        let told = act.clone();
        // The second MAIL of each connection finds it dead.
        let mut mails = [0; 8];
        let script = move |connection: usize, moment: &Moment| {
            mails[connection] += usize::from(moment.is("MAIL"));
            if moment.is("MAIL") && mails[connection] == 2 { told.clone() } else { Act::Polite }
        };
        let server = FakeHop::scripted(script).await;
        let hop = hop(&[&server]);
        for _ in 0..3 {
            assert_eq!(hop.send(&from(), &to(), b"A: b\r\n").await.unwrap().code(), 250, "{act:?}");
        }
        assert_eq!(server.connections(), 3, "{act:?}");
        assert_eq!(server.taken().len(), 3, "{act:?}");
    }
}

// --- TLS and AUTH

pub struct Authority {
    pub folder: tempfile::TempDir,
    pub file: PathBuf,
    pub acceptor: TlsAcceptor,
    /// Of the server's key.
    pub pin: Pin,
    pub root: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
}

impl Authority {
    /// A certificate for `name` with its key.
    pub fn issue(&self, name: &str) -> (rcgen::Certificate, rcgen::KeyPair) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.root).unwrap(), key)
    }
}

/// A server's certificate for `name` and the file of the root that signed it. With `clients`, the server asks for a certificate of theirs.
pub fn server_side(name: &str, clients: Option<&Authority>) -> Authority {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
    let leaf_key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&leaf_key, &root).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.pem");
    std::fs::write(&file, root.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(clients.root.der().clone()).unwrap();
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let der = leaf_key.serialize_der().try_into().unwrap();
    let config = builder.with_single_cert(vec![leaf.der().clone()], der).unwrap();
    let hash = Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(&leaf_key));
    Authority { folder, file, acceptor: TlsAcceptor::from(Arc::new(config)), pin: Pin(hash.into()), root }
}

/// A server's certificate for `name` and the file of the root that signed it.
pub fn authority(name: &str) -> Authority {
    server_side(name, None)
}

fn verified(server: &FakeHop, ca: &Path) -> Settings {
    let hosts = vec![Host { name: "localhost".to_owned(), port: server.address.port() }];
    Settings { hosts, tls: Tls::Verified(Trust { ca: Some(ca.to_owned()), ..Trust::default() }), ..settings(&[server]) }
}

#[tokio::test]
async fn mail_goes_over_verified_tls() {
    let ours = authority("localhost");
    let server =
        FakeHop::start(Box::new(|_, _| Act::Polite), &["STARTTLS", "8BITMIME"], Some(ours.acceptor.clone())).await;
    let hop = NextHop::new(verified(&server, &ours.file)).unwrap();
    assert_eq!(carry(&hop, b"A: b\r\n").await.code(), 250);
    assert!(hop.capabilities().unwrap().eightbit);
    assert!(ours.folder.path().exists());
}

/// What it shows, the server's certificate, the root we trust, what EHLO offers, what STARTTLS is answered with.
type TlsCase<'a> = (&'a str, &'a Authority, &'a Path, &'a [&'a str], Act);

#[tokio::test]
async fn without_tls_that_fits_nothing_is_said() {
    let ours = authority("localhost");
    let other = authority("localhost");
    let misnamed = authority("elsewhere.example");
    let cases: [TlsCase; 6] = [
        ("not offered", &ours, &ours.file, &[], Act::Polite),
        ("unknown root", &ours, &other.file, &["STARTTLS"], Act::Polite),
        ("another name", &misnamed, &misnamed.file, &["STARTTLS"], Act::Polite),
        ("refused", &ours, &ours.file, &["STARTTLS"], say("454 4.7.0 not now")),
        ("no handshake", &ours, &ours.file, &["STARTTLS"], Act::Hang),
        ("answered in clear", &ours, &ours.file, &["STARTTLS"], say("220 go\r\n250 clear")),
    ];
    for (case, server_side, trusted, extensions, act) in cases {
        let script = move |_, moment: &Moment| if moment.is("STARTTLS") { act.clone() } else { Act::Polite };
        let server = FakeHop::start(Box::new(script), extensions, Some(server_side.acceptor.clone())).await;
        let settings = verified(&server, trusted);
        let waits = Waits { hello: Duration::from_millis(300), ..settings.waits };
        let leased = NextHop::new(Settings { waits, ..settings }).unwrap().lease().await;
        assert!(matches!(leased, Err(HopError::Unreachable { .. })), "{case}: {leased:?}");
        assert!(server.transactions().is_empty(), "{case}");
    }
}

#[tokio::test]
async fn a_root_file_that_is_none_is_found_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let server = FakeHop::polite().await;
    for file in [empty, folder.path().join("missing.pem")] {
        assert!(NextHop::new(verified(&server, &file)).is_err(), "{}", file.display());
    }
}

#[tokio::test]
async fn a_login_is_given_and_never_shown() {
    for (reply, works) in [("235 2.7.0 ok", true), ("535 5.7.8 AGphbgBnZWhlaW0= is wrong", false)] {
        let script = move |_, moment: &Moment| if moment.is("AUTH") { say(reply) } else { Act::Polite };
        let server = FakeHop::start(Box::new(script), &["AUTH DIGEST-MD5 CRAM-MD5 PLAIN LOGIN"], None).await;
        let folder = tempfile::tempdir().unwrap();
        let password_file = folder.path().join("password");
        std::fs::write(&password_file, "geheim\n").unwrap();
        let login = Login { user: "jan".to_owned(), password_file };
        let settings = Settings { login: Some(login), ..settings(&[&server]) };
        assert!(!format!("{settings:?}").contains("geheim"));
        let leased = NextHop::new(settings).unwrap().lease().await;
        assert_eq!(leased.is_ok(), works);
        let shown = format!("{leased:?}");
        assert!(!shown.contains("geheim") && !shown.contains("AGphbgBnZWhlaW0="), "{shown}");
        let asked: Vec<String> = server.commands().into_iter().filter(|line| line.starts_with("AUTH")).collect();
        assert_eq!(asked, ["AUTH PLAIN AGphbgBnZWhlaW0="]);
    }
}
