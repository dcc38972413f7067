//! Commits against a plain append-and-fdatasync loop, in the same run: what checks, frames and the index cost on top of the
//! disk.
//!
//! `cargo bench --bench store` prints commits per second of each with 1, 16 and 64 tasks of 8 KiB values, their ratio, and
//! how many syncs a commit took. Both sides share syncs between the tasks that wait. Rounds alternate, and the median
//! counts. A second table compares deletes of small values in a plain and in an erasable space. The folder is made where
//! `TMPDIR` says. Without `--bench` one small round shows that it works.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "a benchmark measures real time and may stop")]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::oneshot;

use zegel::base::{OsEntropy, entropy::random};
use zegel::store::Settings;
use zegel::store::engine::{Batch, Check, Engine, Key, Space, Write};

const VALUE: usize = 8 * 1024;

fn main() {
    let (rounds, commits) = if std::env::args().any(|arg| arg == "--bench") { (7, 6400) } else { (1, 128) };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!("tasks   plain loop/s  syncs each   commits/s  syncs each   ratio");
    for tasks in [1, 16, 64] {
        // One task has nobody to share a sync with: fewer will do.
        let each = if tasks == 1 { commits / 8 } else { commits / tasks };
        let (mut plain, mut engine) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            plain.push(runtime.block_on(plain_loop(tasks, each)));
            engine.push(runtime.block_on(commit_loop(tasks, each)));
        }
        let (plain, engine) = (Figures::of(plain, tasks * each), Figures::of(engine, tasks * each));
        println!(
            "{tasks:5} {:14.0} {:11.3} {:11.0} {:11.3} {:7.2}",
            plain.per_second,
            plain.syncs,
            engine.per_second,
            engine.syncs,
            engine.per_second / plain.per_second
        );
    }
    println!("tasks   plain deletes/s  syncs each   erasing/s  syncs each   ratio");
    for tasks in [1, 16, 64] {
        let each = if tasks == 1 { commits / 8 } else { commits / tasks };
        let (mut plain, mut erasing) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            plain.push(runtime.block_on(delete_loop(tasks, each, Space::Job)));
            erasing.push(runtime.block_on(delete_loop(tasks, each, Space::JobSecret)));
        }
        let (plain, erasing) = (Figures::of(plain, tasks * each), Figures::of(erasing, tasks * each));
        println!(
            "{tasks:5} {:17.0} {:11.3} {:11.0} {:11.3} {:7.2}",
            plain.per_second,
            plain.syncs,
            erasing.per_second,
            erasing.syncs,
            erasing.per_second / plain.per_second
        );
    }
}

/// One round: how long, and how many syncs.
type Round = (Duration, u64);

struct Figures {
    per_second: f64,
    syncs: f64,
}

impl Figures {
    /// Of the median round.
    #[expect(clippy::cast_precision_loss, reason = "figures of a few digits")]
    fn of(mut rounds: Vec<Round>, commits: usize) -> Self {
        rounds.sort_unstable();
        let (time, syncs) = rounds.get(rounds.len() / 2).expect("at least one round");
        Self { per_second: commits as f64 / time.as_secs_f64(), syncs: *syncs as f64 / commits as f64 }
    }
}

/// The floor: values, appended as they are, one fdatasync for all that wait.
async fn plain_loop(tasks: usize, each: usize) -> Round {
    let folder = tempfile::tempdir().expect("a folder");
    let (requests, waiting) = channel::<(Vec<u8>, oneshot::Sender<()>)>();
    let mut file = File::create(folder.path().join("log")).expect("a file");
    let thread = std::thread::spawn(move || {
        let mut syncs = 0;
        while let Ok(first) = waiting.recv() {
            let group: Vec<_> = std::iter::once(first).chain(waiting.try_iter().take(511)).collect();
            let bytes: Vec<u8> = group.iter().flat_map(|(value, _)| value).copied().collect();
            file.write_all(&bytes).and_then(|()| file.sync_data()).expect("the disk works");
            syncs += 1;
            for (_, answer) in group {
                answer.send(()).expect("the task waits");
            }
        }
        syncs
    });
    let start = Instant::now();
    join_all((0..tasks).map(|_| tokio::spawn(append(requests.clone(), each)))).await;
    let time = start.elapsed();
    drop(requests);
    (time, thread.join().expect("the loop ends"))
}

async fn append(requests: Sender<(Vec<u8>, oneshot::Sender<()>)>, each: usize) {
    for _ in 0..each {
        let (answer, answered) = oneshot::channel();
        requests.send((value(), answer)).expect("the loop runs");
        answered.await.expect("it answers");
    }
}

/// The engine: each value under a key of its own that must not be there yet.
async fn commit_loop(tasks: usize, each: usize) -> Round {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Arc::new(open(folder.path()));
    let before = engine.counts().syncs;
    let start = Instant::now();
    join_all((0..tasks).map(|_| tokio::spawn(commit(Arc::clone(&engine), each)))).await;
    let (time, counts) = (start.elapsed(), engine.counts());
    assert_eq!(counts.commits, (tasks * each) as u64, "every commit counted");
    engine.close().await;
    (time, counts.syncs - before)
}

/// What a delivered notice does to its secret: each task deletes values of 100 bytes, one commit for each. In an erasable space they
/// are overwritten before the answer.
async fn delete_loop(tasks: usize, each: usize, space: Space) -> Round {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Arc::new(open(folder.path()));
    let keys: Vec<Key> = (0..tasks * each).map(|n| Key { space, bytes: n.to_be_bytes().to_vec() }).collect();
    let writes = keys.iter().map(|key| Write::Put(key.clone(), random::<100>(&OsEntropy).to_vec())).collect();
    engine.commit(Batch { checks: vec![], writes }).await.expect("a commit");
    let before = engine.counts();
    let start = Instant::now();
    let deletes = keys.chunks(each).map(|keys| {
        let (engine, keys) = (Arc::clone(&engine), keys.to_vec());
        tokio::spawn(async move {
            for key in keys {
                let batch = Batch { checks: vec![], writes: vec![Write::Delete(key)] };
                engine.commit(batch).await.expect("a commit");
            }
        })
    });
    join_all(deletes).await;
    let (time, counts) = (start.elapsed(), engine.counts());
    let erased = if space.erasable() { (tasks * each) as u64 } else { 0 };
    assert_eq!(counts.erased, erased, "every value overwritten");
    engine.close().await;
    (time, counts.syncs + counts.erase_syncs - before.syncs)
}

fn open(folder: &Path) -> Engine {
    let settings = Settings { folder: folder.to_owned(), min_free: 0 };
    Engine::claim(&settings)
        .and_then(|claim| Engine::open_local(claim, Arc::new(OsEntropy)))
        .expect("a new folder opens")
        .0
}

async fn commit(engine: Arc<Engine>, each: usize) {
    for _ in 0..each {
        let key = Key { space: Space::Body, bytes: random::<16>(&OsEntropy).to_vec() };
        let batch = Batch { checks: vec![Check::Absent(key.clone())], writes: vec![Write::Put(key, value())] };
        engine.commit(batch).await.expect("a commit");
    }
}

/// Bytes that no disk compresses.
fn value() -> Vec<u8> {
    random::<VALUE>(&OsEntropy).to_vec()
}
