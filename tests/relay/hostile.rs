//! Next hops of every bad manner at every moment: the cases stand in `hostile.txt`. For each: what the client is told; that what was
//! answered 250 is at the hop, whole; that a confidential mail is taken all the same; that the gateway goes on with the next mail
//! once the hop is mended; and all of it in bounded time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use zegel::nexthop::{NextHop, Settings, Waits};

use crate::gateway::{Gateway, hop_settings, mail};
use crate::next_hop::{Act, FakeHop, Moment, Twist, say};

const PASS: &str = "p@pass.example";
const LATE: &str = "l@late.example";
/// Every wait of the gateway for its hop.
const WAIT: Duration = Duration::from_secs(2);
/// No mail takes longer: a few waits in a row.
const BOUND: Duration = Duration::from_secs(15);
const AT_ONCE: usize = 48;

/// One cell of the table.
struct Case {
    fault: String,
    at: String,
    /// Code of RCPT, and of the dot.
    told: (u16, Option<u16>),
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.fault, self.at)
    }
}

fn cases() -> Vec<Case> {
    let mut rows = include_str!("hostile.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let moments: Vec<&str> = rows.next().unwrap().split_whitespace().skip(1).collect();
    let mut cases = Vec::new();
    for row in rows {
        let (fault, cells) = row.split_once(' ').unwrap();
        let cells: Vec<&str> = cells.split_whitespace().collect();
        assert_eq!(cells.len(), moments.len(), "{row}");
        for (at, cell) in moments.iter().zip(cells).filter(|(_, cell)| *cell != "-") {
            let (rcpt, dot) = cell.split_once('/').unwrap();
            let told = (rcpt.parse().unwrap(), dot.parse().ok());
            cases.push(Case { fault: fault.to_owned(), at: (*at).to_owned(), told });
        }
    }
    cases
}

fn act(fault: &str) -> Act {
    let codes = |code: &str| match code {
        "421" => Act::SayAndClose("421 4.3.2 going down".to_owned()),
        "words" => say("hello, how are you"),
        code => say(&format!("{code} {}.0.0 so it is", &code[..1])),
    };
    Act::Twist(match fault {
        "closes" => return Act::Close,
        "hangs" => return Act::Hang,
        "is-silent" => return Act::Silence,
        "endless-lines" => return Act::Babble,
        "endless-line" => Twist::EndlessLine,
        "other-code" => Twist::OtherCode,
        "no-line-end" => Twist::NoLineEnd,
        "too-slow" => Twist::ByteByByte(WAIT / 4),
        "slow" => Twist::ByteByByte(WAIT / 400),
        "many-lines" => Twist::Lines(100),
        "too-many-lines" => Twist::Lines(1000),
        "twice" => Twist::Twice,
        "bare-lf" => Twist::BareLf,
        "dirty" => Twist::Dirty,
        other => return codes(other.strip_prefix("says-").unwrap()),
    })
}

/// A hop that misbehaves until `mended`.
async fn server(case: &Case) -> (FakeHop, Arc<AtomicBool>) {
    let mended = Arc::new(AtomicBool::new(false));
    let (of_script, at, act) = (Arc::clone(&mended), case.at.clone(), act(&case.fault));
    let script = move |_, moment: &Moment| {
        let here = match at.as_str() {
            "greeting" => *moment == Moment::Greeting,
            "body" => *moment == Moment::BodyBegins,
            "dot" => *moment == Moment::Dot,
            verb => moment.is(verb),
        };
        if here && !of_script.load(Ordering::SeqCst) { act.clone() } else { Act::Polite }
    };
    (FakeHop::scripted(script).await, mended)
}

fn gateway(server: &FakeHop) -> Gateway {
    let settings = hop_settings(&[server.address.port()]);
    let waits = Waits { greeting: WAIT, hello: WAIT, command: WAIT, data: WAIT, dot: WAIT, ..settings.waits };
    Gateway::over(NextHop::new(Settings { waits, ..settings }).unwrap(), Vec::new())
}

/// What one mail to one recipient is told, in bounded time.
async fn told(case: &Case, gateway: &Gateway, recipient: &str, wire: &[u8]) -> (u16, Option<u16>) {
    let sent = timeout(BOUND, gateway.send(&[recipient], wire)).await;
    let (rcpt, dot) = sent.unwrap_or_else(|_| panic!("{case}: no answer within {BOUND:?}"));
    if let Some(dot) = &dot {
        let shown = dot.to_bytes();
        assert!(shown.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n')), "{case}: {dot:?}");
        assert!(shown.split(|byte| *byte == b'\n').all(|line| line.len() <= 511), "{case}: a line too long");
    }
    (rcpt[0], dot.map(|reply| reply.code()))
}

async fn ordinary(case: &Case) {
    let (server, mended) = server(case).await;
    let gateway = gateway(&server);
    let wire = mail(b"first\r\n..\r\n");
    assert_eq!(told(case, &gateway, PASS, &wire).await, case.told, "{case}");
    let taken = server.taken();
    assert!(taken.iter().all(|heard| heard.accepted == [PASS] && heard.body.ends_with(&wire)), "{case}");
    if case.told.1 == Some(250) {
        assert_eq!(taken.len(), 1, "{case}: answered with 250, and not there");
    }
    mended.store(true, Ordering::SeqCst);
    let next = mail(b"second\r\n");
    assert_eq!(told(case, &gateway, PASS, &next).await, (250, Some(250)), "{case}: the next mail");
    assert!(server.taken().last().unwrap().body.ends_with(&next), "{case}");
    assert_eq!(server.taken().len(), taken.len() + 1, "{case}: nothing comes twice");
}

async fn confidential(case: &Case) {
    let (server, _mended) = server(case).await;
    let gateway = gateway(&server);
    let refused = case.told.1.is_none();
    let expected = if refused { case.told } else { (250, Some(250)) };
    assert_eq!(told(case, &gateway, LATE, &mail(b"secret\r\n")).await, expected, "{case}: a confidential mail");
    assert_eq!(gateway.kept(LATE).await, usize::from(!refused), "{case}: kept");
    assert!(server.transactions().iter().all(|heard| !heard.data), "{case}: it reached DATA");
}

#[tokio::test]
async fn every_fault_at_every_moment() {
    let cases: Vec<Arc<Case>> = cases().into_iter().map(Arc::new).collect();
    assert!(cases.len() > 120, "{} cases", cases.len());
    let mut running = JoinSet::new();
    for case in cases {
        while running.len() >= AT_ONCE {
            running.join_next().await.unwrap().unwrap();
        }
        let again = Arc::clone(&case);
        running.spawn(async move { ordinary(&case).await });
        running.spawn(async move { confidential(&again).await });
    }
    running.join_all().await;
}
