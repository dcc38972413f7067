//! A relay over a store in memory, with rules that show by the recipient's domain what becomes of a mail.
//!
//! - `…@pass.example`: ordinary;
//! - `…@early.example`: sealed by the envelope alone;
//! - `…@late.example`: sealed, but only the header tells;
//! - `…@never.example`: refused, but only the header tells.

use std::sync::Arc;
use std::time::Duration;

use zegel::base::{Clock, Entropy, OsEntropy, SystemClock};
use zegel::intake::{self, Intake};
use zegel::mail::{DomainSet, MailFrom, RcptTo, Reply};
use zegel::nexthop::{self, Host, NextHop, Route, Routes, Tls, Waits};
use zegel::policy::{self, Action, Home, Rule};
use zegel::relay::{self, Peer, Relay, Transaction};
use zegel::seal::body::{HEADER as HEADER_LEN, Opener};
use zegel::seal::code::Cost;
use zegel::seal::keyring::RootKeyring;
use zegel::store::Store;

use crate::next_hop::FakeHop;

/// The From of every mail: the rules for `late` and `never` look at it, and the envelope sender is another address.
pub const HEADER: &[u8] = b"From: Jan <geheim@example.nl>\r\nTo: somebody\r\nSubject: test\r\n";

pub struct Gateway {
    pub relay: Relay,
    pub store: Store,
}

pub fn hop_settings(ports: &[u16]) -> nexthop::Settings {
    let host = |port: &u16| Host { name: "127.0.0.1".to_owned(), port: *port };
    let waits = Waits {
        lease: Duration::from_secs(5),
        connect: Duration::from_secs(5),
        greeting: Duration::from_secs(5),
        hello: Duration::from_secs(5),
        command: Duration::from_secs(20),
        data: Duration::from_secs(20),
        dot: Duration::from_secs(20),
        ..Waits::default()
    };
    let settings = nexthop::Settings::new("behind", ports.iter().map(host).collect(), "zegel.example.nl");
    nexthop::Settings { tls: Tls::Off, max_connections: 16, waits, ..settings }
}

fn rule(name: &str, from: &[&str], to: &str, action: Action) -> Rule {
    let from = from.iter().map(|pattern| pattern.parse().unwrap()).collect();
    Rule { name: name.to_owned(), from, to: vec![to.parse().unwrap()], action, mode: None, proof: None }
}

pub fn policy() -> policy::Settings {
    policy::Settings {
        home: Home { domains: DomainSet::Listed(vec!["example.nl".parse().unwrap()]), fallback: None },
        rules: vec![
            rule("early", &[], "early.example", Action::Seal),
            rule("late", &["geheim@example.nl"], "late.example", Action::Seal),
            rule("never", &["geheim@example.nl"], "never.example", Action::Refuse("not there".to_owned())),
        ],
        tags: vec!["veilig".to_owned()],
        expires: Duration::from_hours(24 * 90),
        mode: policy::Mode::Assisted,
    }
}

impl Gateway {
    /// In front of one server.
    pub fn before(server: &FakeHop) -> Self {
        Self::over(NextHop::new(hop_settings(&[server.address.port()])).unwrap(), Vec::new())
    }

    /// In front of nothing that listens.
    pub async fn before_nothing() -> Self {
        let gone = FakeHop::polite().await.address.port();
        // The server is dropped here, and its port closed.
        tokio::task::yield_now().await;
        Self::over(NextHop::new(hop_settings(&[gone])).unwrap(), Vec::new())
    }

    pub fn over(default: NextHop, others: Vec<(&str, NextHop)>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
        let store = Store::in_memory(RootKeyring::generate(&OsEntropy), Arc::clone(&clock), Arc::clone(&entropy));
        let settings = intake::Settings {
            max_size: 8 * 1024 * 1024,
            cost: Cost { memory_kib: 8, passes: 1, lanes: 1 },
            strict_cost: Cost { memory_kib: 8, passes: 1, lanes: 1 },
            hashers: 2,
            language: "nl".to_owned(),
            numbers: Some(zegel::sms::Numbers::default()),
        };
        let intake = Intake::new(settings, store.clone(), Arc::clone(&clock), Arc::clone(&entropy));
        let settings = relay::Settings {
            hostname: "zegel.example.nl".to_owned(),
            max_header: 64 * 1024,
            collect: 256 * 1024,
            max_received: 50,
            memory: 64 << 20,
            memory_wait: Duration::from_secs(20),
            answer_domain: Some("retour.example.nl".parse().unwrap()),
        };
        let routes = others.into_iter().fold(Routes::all_to(default), |routes, (domain, hop)| {
            routes.and(Route { senders: Vec::new(), recipients: vec![domain.parse().unwrap()], hop })
        });
        let relay = Relay::new(settings, Arc::new(policy()), routes, intake, clock, entropy);
        Self { relay, store }
    }

    /// MAIL and RCPTs; the codes of the latter.
    pub async fn begin(&self, recipients: &[&str]) -> (Transaction, Vec<u16>) {
        let mut transaction = self.relay.mail(&peer(), from()).await.unwrap();
        let mut codes = Vec::new();
        for recipient in recipients {
            codes.push(transaction.rcpt(to(recipient)).await.code());
        }
        (transaction, codes)
    }

    /// One mail. No reply to the dot where no recipient was accepted.
    pub async fn send(&self, recipients: &[&str], wire: &[u8]) -> (Vec<u16>, Option<Reply>) {
        let (mut transaction, codes) = self.begin(recipients).await;
        if !transaction.has_recipients() {
            transaction.abort().await;
            return (codes, None);
        }
        for part in wire.chunks(50_000) {
            transaction.body(part).await;
        }
        (codes, Some(transaction.end().await))
    }

    /// How many sealed mails there are for a recipient.
    pub async fn kept(&self, recipient: &str) -> usize {
        self.store.find(&to(recipient).address.key(), None, 100).await.unwrap().len()
    }

    /// The mails sealed for a recipient, as they are stored.
    pub async fn stored(&self, recipient: &str) -> Vec<Vec<u8>> {
        let mut mails = Vec::new();
        for (id, message) in self.store.find(&to(recipient).address.key(), None, 100).await.unwrap() {
            let key = self.store.content_key(message.conversations[0], id).await.unwrap().unwrap();
            let reader = self.store.body(id).await.unwrap().unwrap();
            let header = reader.read_at(0, HEADER_LEN).await.unwrap();
            let opener = Opener::new(&key, id, &header, reader.len()).unwrap();
            let mut plain = Vec::new();
            for index in 0..opener.chunks() {
                let (offset, len) = opener.place(index).unwrap();
                let chunk = reader.read_at(offset, len).await.unwrap();
                plain.extend_from_slice(&opener.open(index, &chunk).unwrap());
            }
            mails.push(plain);
        }
        mails
    }

    /// How many jobs wait.
    pub async fn jobs(&self) -> usize {
        self.store.jobs(10_000).await.unwrap().len()
    }
}

pub fn peer() -> Peer {
    Peer {
        addr: "192.0.2.7".parse().unwrap(),
        helo: "mail.example.nl".to_owned(),
        esmtp: true,
        tls: false,
        user: None,
        listener: "relay".into(),
        sender_domains: [].into(),
        tenants: [].into(),
        senders: [].into(),
        stamp: None,
    }
}

pub fn from() -> MailFrom {
    MailFrom { path: "bounces@example.nl".parse().ok(), params: Vec::new() }
}

pub fn to(address: &str) -> RcptTo {
    RcptTo { address: address.parse().unwrap(), params: Vec::new() }
}

/// A mail with the header that the rules know and this body, in wire form.
pub fn mail(body: &[u8]) -> Vec<u8> {
    [HEADER, b"\r\n", body].concat()
}

/// What a mail in wire form says: without the stuffed dots.
pub fn plain(wire: &[u8]) -> Vec<u8> {
    let lines = wire.split_inclusive(|byte| *byte == b'\n');
    lines.flat_map(|line| line.strip_prefix(b".").unwrap_or(line)).copied().collect()
}
