//! How the store behaves as it grows: latency of a commit and of opening a message, start, rebuild, memory, disk; and how much
//! disk a steady coming and going takes.
//!
//! `cargo bench --bench growth` fills 1,000 and 10,000 messages, a few minutes at most; `-- --long` goes on to 100,000 and
//! 1,000,000 (some 10 GB where `TMPDIR` says) and draws `growth.svg`; `--size` or `--steady` takes one part only. Without `--bench` a small
//! round shows that it works. Each message has the records that one recipient's has in the gateway, of their usual sizes; its notice is done.
//! Starts are measured in processes of their own.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "a benchmark measures real time and may stop")]

mod mail;
mod report;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use zegel::base::OsEntropy;
use zegel::store::engine::Engine;
use zegel::store::{OpenReport, Settings};

use mail::Mail;
use report::{Churn, Row, Started};

/// Bytes of a body: small, so that what else a message takes weighs as much as it ever does.
const BODY: usize = 4 << 10;
/// Bytes of a body in the second long steady run: text in two forms and a small picture.
const USUAL_BODY: usize = 32 << 10;
/// Messages in one commit while filling.
const BATCH: u64 = 512;
/// Messages that come, and as many that go, in one commit of the steady run.
const STEADY: u64 = 64;
/// Messages opened, of which the latency is taken; and commits at most.
const SAMPLES: u64 = 1000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if let [_, mode, folder, messages] = arguments.as_slice()
        && mode == "--start"
    {
        return runtime.block_on(start(Path::new(folder), messages.parse().expect("a number")));
    }
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let (sizes, churn): (&[u64], u64) = match (has("--bench"), has("--long")) {
        (false, _) => (&[100, 300], 200),
        (true, false) => (&[1_000, 10_000], 5_000),
        (true, true) => (&[1_000, 10_000, 100_000, 1_000_000], 50_000),
    };
    let all = !has("--size") && !has("--steady");
    if all || has("--size") {
        let rows = runtime.block_on(grow(sizes));
        println!("{}", report::table(&rows));
        if has("--long") {
            fs::write("growth.svg", report::plot(&rows)).expect("a plot");
        }
    }
    if all || has("--steady") {
        let bodies: &[usize] = if has("--long") { &[BODY, USUAL_BODY] } else { &[BODY] };
        for body in bodies {
            println!("{}", report::steady(&runtime.block_on(come_and_go(churn, *body))));
        }
        println!("{}", report::syncs(runtime.block_on(sessions())));
    }
}

fn open(folder: &Path) -> (Engine, OpenReport) {
    let settings = Settings { folder: folder.to_owned(), min_free: 0 };
    Engine::claim(&settings).and_then(|claim| Engine::open_local(claim, Arc::new(OsEntropy))).expect("it opens")
}

/// One folder, filled up to each size in turn.
async fn grow(sizes: &[u64]) -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut rows, mut there) = (Vec::new(), 0);
    for size in sizes {
        let (engine, _) = open(folder.path());
        let begin = Instant::now();
        fill(&engine, there, size - there, BODY).await;
        let filled = begin.elapsed();
        // What a merge still has to do is part of the filling, not of what comes now and then.
        tokio::time::sleep(Duration::from_secs(if *size < 10_000 { 0 } else { 10 })).await;
        let commit = commits(&engine, *size).await;
        let open = opens(&engine, *size).await;
        engine.close().await;
        drop(engine);
        let start = started(folder.path(), *size);
        fs::remove_dir_all(folder.path().join("index")).expect("the index goes");
        let rebuild = started(folder.path(), *size);
        let (journal, index) = (bytes(&folder.path().join("journal")), bytes(&folder.path().join("index")));
        let row = Row { messages: *size, filled: (size - there, filled), commit, open, start, rebuild, journal, index };
        println!("{row:?}");
        rows.push(row);
        there = size + samples(*size);
    }
    rows
}

async fn fill(engine: &Engine, from: u64, count: u64, body: usize) {
    for first in (from..from + count).step_by(usize::try_from(BATCH).expect("small")) {
        let mails: Vec<Mail> = (first..(first + BATCH).min(from + count)).map(|number| Mail { number, body }).collect();
        engine.commit(mail::together(mails.iter().map(Mail::kept))).await.expect("a commit");
    }
}

/// Median and 99th percentile.
fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    (at(50), at(99))
}

/// Commits at this size of which the latency is taken.
fn samples(messages: u64) -> u64 {
    SAMPLES.min(messages / 2)
}

/// One mail after the other.
async fn commits(engine: &Engine, from: u64) -> (Duration, Duration) {
    let mut times = Vec::new();
    for number in from..from + samples(from) {
        let batch = Mail { number, body: BODY }.taken();
        let begin = Instant::now();
        engine.commit(batch).await.expect("a commit");
        times.push(begin.elapsed());
        engine.commit(Mail { number, body: BODY }.noticed()).await.expect("a commit");
    }
    percentiles(times)
}

/// Messages here and there, with all that a page reads for one.
async fn opens(engine: &Engine, messages: u64) -> (Duration, Duration) {
    let mut times = Vec::new();
    for sample in 0..SAMPLES {
        let keys = Mail { number: mail::mixed(sample) % messages, body: BODY }.page();
        let begin = Instant::now();
        for key in keys {
            assert!(engine.get(&key).await.expect("it reads").is_some(), "every record is there");
        }
        times.push(begin.elapsed());
    }
    percentiles(times)
}

/// A start in a process of its own.
fn started(folder: &Path, messages: u64) -> Started {
    let this = std::env::current_exe().expect("this program");
    let output = Command::new(this).arg("--start").arg(folder).arg(messages.to_string()).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    Started::parse(&text).expect("its figures")
}

/// What that process does: opens, reads some messages, tells, stops.
async fn start(folder: &Path, messages: u64) {
    let begin = Instant::now();
    let (engine, report) = open(folder);
    let took = begin.elapsed();
    let after = report::memory("VmRSS");
    opens(&engine, messages).await;
    let started = Started {
        took,
        rebuilt: report.rebuilt.is_some(),
        rss: report::memory("VmRSS").max(after),
        peak: report::memory("VmHWM"),
    };
    println!("{started}");
    engine.close().await;
}

fn bytes(folder: &Path) -> u64 {
    let size = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.expect("an entry");
        let meta = entry.metadata().expect("its size");
        if meta.is_dir() { bytes(&entry.path()) } else { meta.len() }
    };
    fs::read_dir(folder).expect("a folder").map(size).sum()
}

/// As many messages go as come, here and there, until each place was taken twice; compaction goes on by itself beside it.
async fn come_and_go(messages: u64, body: usize) -> Churn {
    let folder = tempfile::tempdir().expect("a folder");
    let (engine, _) = open(folder.path());
    fill(&engine, 0, messages, body).await;
    let full = bytes(folder.path());
    let mut there: Vec<u64> = (0..messages).collect();
    let (mut next, mut most, begin) = (messages, 0, Instant::now());
    let mut times = Vec::new();
    while next < 3 * messages {
        let mut mails = Vec::new();
        for _ in 0..STEADY {
            let at = usize::try_from(mail::mixed(next) % messages).expect("small");
            let place = there.get_mut(at).expect("a place");
            mails.push((std::mem::replace(place, next), next));
            next += 1;
        }
        let gone = mails.iter().map(|(old, _)| Mail { number: *old, body }.removed());
        engine.commit(mail::together(gone)).await.expect("a commit");
        let come: Vec<Mail> = mails.iter().map(|(_, new)| Mail { number: *new, body }).collect();
        let begin = Instant::now();
        engine.commit(mail::together(come.iter().map(Mail::taken))).await.expect("a commit");
        times.push(begin.elapsed());
        engine.commit(mail::together(come.iter().map(Mail::noticed))).await.expect("a commit");
        most = most.max(bytes(folder.path()));
    }
    let (took, (_, slow)) = (begin.elapsed(), percentiles(times));
    // What is due by then; the next look comes within ten seconds. What is moved takes more room first.
    let (mut disk, mut same) = (bytes(folder.path()), 0);
    for _ in 0..120 {
        tokio::time::sleep(Duration::from_secs(if messages < 1000 { 0 } else { 11 })).await;
        let now = bytes(folder.path());
        same = if now == disk { same + 1 } else { 0 };
        disk = now;
        if same == 4 {
            break;
        }
    }
    let live: u64 = there.iter().map(|number| Mail { number: *number, body }.bytes()).sum();
    engine.close().await;
    Churn { messages, body, live, full, most, disk, took, slow }
}

/// Syncs for each message with 64 sessions that each bring one 8 KiB mail after the other.
async fn sessions() -> f64 {
    const SESSIONS: u64 = 64;
    const EACH: u64 = 50;
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Arc::new(open(folder.path()).0);
    let before = engine.counts().syncs;
    join_all((0..SESSIONS).map(|session| {
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            for n in 0..EACH {
                let mail = Mail { number: session * EACH + n, body: 8 << 10 };
                engine.commit(mail.taken()).await.expect("a commit");
            }
        })
    }))
    .await;
    let syncs = engine.counts().syncs - before;
    engine.close().await;
    #[expect(clippy::cast_precision_loss, reason = "a figure of a few digits")]
    return syncs as f64 / (SESSIONS * EACH) as f64;
}
