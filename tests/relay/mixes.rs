//! A thousand random mails with random mixes of passing and sealed recipients, behind them a hop that refuses, closes and talks
//! nonsense at random. Whatever happens:
//!
//! - no sealed recipient's address ever stands in a transaction that reaches DATA at the next hop;
//! - nothing answered 250 is missing, at the hop or in the store, and what passed has its very bytes;
//! - nothing that was not answered 250 is kept;
//! - no byte of a wholly sealed mail reaches the hop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::gateway::{Gateway, mail, plain};
use crate::next_hop::{Act, FakeHop, Heard, Moment, say};

const MAILS: u64 = 1000;
const TASKS: u64 = 8;

/// `SplitMix64`: small, and the same everywhere.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }
}

/// One fault in a dozen moments or so.
fn capricious(seed: u64) -> impl FnMut(usize, &Moment) -> Act + Send + 'static {
    let mut dice = Dice(seed);
    move |_, moment| {
        let odds = if moment.is("EHLO") || moment.is("QUIT") { 200 } else { 18 };
        if dice.below(odds) != 0 {
            return Act::Polite;
        }
        match dice.below(8) {
            0 | 1 => say("550 5.7.1 no"),
            2 | 3 => say("451 4.3.0 later"),
            4 => Act::SayAndClose("421 4.3.2 bye".to_owned()),
            5 => Act::Close,
            // A hop that says 2xx before it has the mail has answered for it: nobody could tell.
            6 | 7 if *moment == Moment::BodyBegins => say("552 5.3.4 enough"),
            6 => say("354 what"),
            _ => say("250 2.0.0 ok\r\n250 2.0.0 again"),
        }
    }
}

struct Sent {
    wire: Vec<u8>,
    /// Recipients whose RCPT was answered 2xx.
    accepted: Vec<String>,
    dot: Option<u16>,
}

/// Lines with leading dots (stuffed), 8-bit bytes, empty ones, now and then many of them.
fn body(dice: &mut Dice, number: u64) -> Vec<u8> {
    let mut wire = format!("canary-{number}-yranac\r\n").into_bytes();
    let lines = if dice.below(20) == 0 { 5000 } else { dice.below(12) };
    for _ in 0..lines {
        match dice.below(5) {
            0 => wire.extend_from_slice(b"..\r\n"),
            1 => wire.extend_from_slice(b"\r\n"),
            2 => wire.extend_from_slice(b"..leading\xc3\xa9\xff\r\n"),
            _ => wire.extend((0..dice.below(120)).map(|i| b'a' + u8::try_from(i % 26).unwrap()).chain(*b"\r\n")),
        }
    }
    wire
}

fn recipients(dice: &mut Dice, number: u64) -> Vec<String> {
    let kinds: &[&str] = match dice.below(4) {
        0 => &["pass"],
        1 => &["early", "late"],
        _ => &["pass", "early", "late", "late", "pass", "pass"],
    };
    let mut kind = || kinds[usize::try_from(dice.below(kinds.len() as u64)).unwrap()];
    let kinds: Vec<&str> = (0..=number % 5).map(|_| kind()).collect();
    kinds.iter().enumerate().map(|(index, kind)| format!("m{number}-{index}@{kind}.example")).collect()
}

async fn send(gateway: &Gateway, number: u64) -> Sent {
    let mut dice = Dice(number);
    let wire = mail(&body(&mut dice, number));
    let recipients = recipients(&mut dice, number);
    let all: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let (told, dot) = gateway.send(&all, &wire).await;
    let accepted = recipients.into_iter().zip(told).filter(|(_, code)| code / 100 == 2).map(|(r, _)| r).collect();
    Sent { wire, accepted, dot: dot.map(|reply| reply.code()) }
}

fn is_sealed(address: &str) -> bool {
    !address.ends_with("@pass.example")
}

async fn check_one(gateway: &Gateway, number: u64, sent: &Sent, taken: &BTreeMap<&str, Vec<&Heard>>) {
    for recipient in &sent.accepted {
        let promised = sent.dot == Some(250);
        if is_sealed(recipient) {
            let stored = gateway.stored(recipient).await;
            assert_eq!(stored.len(), usize::from(promised), "mail {number}: {recipient} {:?}", sent.dot);
            assert!(stored.iter().all(|stored| *stored == plain(&sent.wire)), "mail {number}: other bytes kept");
        } else {
            let times = taken.get(recipient.as_str()).map_or(0, Vec::len);
            assert!(!promised || times == 1, "mail {number}: {recipient} was taken {times} times");
        }
    }
    for heard in sent.accepted.iter().filter_map(|recipient| taken.get(recipient.as_str())).flatten() {
        assert!(heard.body.ends_with(&sent.wire), "mail {number}: other bytes behind");
    }
}

/// The numbers of the mails whose canary stands anywhere in these bytes.
fn canaries(bytes: &[u8]) -> Vec<u64> {
    let text = String::from_utf8_lossy(bytes);
    let tails = text.split("canary-").skip(1);
    tails.map(|tail| tail.split('-').next().unwrap().parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_random_mails() {
    let server = FakeHop::scripted(capricious(7)).await;
    let gateway = Arc::new(Gateway::before(&server));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let gateway = Arc::clone(&gateway);
        tasks.spawn(async move {
            let mut sent = Vec::new();
            for number in (task..MAILS).step_by(usize::try_from(TASKS).unwrap()) {
                sent.push((number, send(&gateway, number).await));
            }
            sent
        });
    }
    let sent: Vec<(u64, Sent)> = tasks.join_all().await.into_iter().flatten().collect();
    let transactions = server.transactions();

    for heard in transactions.iter().filter(|heard| heard.data) {
        let sealed: Vec<&String> = heard.accepted.iter().filter(|address| is_sealed(address)).collect();
        assert!(sealed.is_empty(), "stood in a transaction that reached DATA: {sealed:?}");
    }
    let mut taken: BTreeMap<&str, Vec<&Heard>> = BTreeMap::new();
    for heard in transactions.iter().filter(|heard| heard.taken) {
        for address in &heard.accepted {
            taken.entry(address).or_default().push(heard);
        }
    }
    let seen: BTreeSet<u64> = transactions.iter().flat_map(|heard| canaries(&heard.body)).collect();
    for (number, sent) in &sent {
        check_one(&gateway, *number, sent, &taken).await;
        let wholly_sealed = sent.accepted.iter().all(|recipient| is_sealed(recipient));
        assert!(!wholly_sealed || !seen.contains(number), "mail {number} was sealed and went out");
    }
    // The dice must have shown every side.
    let answered = |code| sent.iter().filter(|(_, sent)| sent.dot.is_some_and(|dot| dot / 100 == code)).count();
    let mixed = |sent: &Sent| sent.accepted.iter().any(|r| is_sealed(r)) && !sent.accepted.iter().all(|r| is_sealed(r));
    let mixed = sent.iter().filter(|(_, sent)| sent.dot == Some(250) && mixed(sent)).count();
    assert!(answered(2) > 300 && answered(4) > 50 && answered(5) > 20 && mixed > 50, "the dice are loaded");
}
