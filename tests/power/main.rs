//! Kills and power cuts, simulated at any moment of a run: the store's own system calls are followed (strace), the folder is
//! made as a disk may hold it after one of them, and opened. Nothing that was acknowledged is lost, nothing that was acknowledged
//! as gone is back, no batch is there by half, and it goes on.
//!
//! `ZEGEL_ROUNDS` says how many moments; `ZEGEL_SEED` repeats a run.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod arguments;
#[path = "../support/dice.rs"]
mod dice;
#[path = "../support/disk.rs"]
mod disk;
mod rot;
#[path = "../support/strace.rs"]
mod strace;
mod struck;
mod work;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use dice::Dice;
use disk::{Disk, Survival};
use strace::Call;
use work::{Ledger, Order, Records, files};

/// Moments per traced run.
const MOMENTS: usize = 10;
const STEPS: u32 = 24;

/// Not a test of its own: the program that the others follow.
#[test]
fn the_program_that_is_followed() {
    if let Some(order) = Order::given() {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
            .block_on(order.work());
    }
}

/// A data folder and all that happened in a run on it.
struct Run {
    /// Also holds the images, on the same file system.
    home: TempDir,
    data: PathBuf,
    /// As it was before.
    disk: Disk,
    calls: Vec<Call>,
    notes: PathBuf,
    before: Ledger,
}

impl Run {
    /// Follows one run of the program on the folder `from` (none: a new one), which holds what `before` says.
    fn new(from: Option<&Path>, before: Ledger, order: &Order) -> Self {
        let home = tempfile::tempdir().unwrap();
        // As the kernel names it: calls are followed by these paths.
        let root = home.path().canonicalize().unwrap();
        let (data, notes, trace) = (root.join("data"), root.join("notes"), root.join("trace"));
        match from {
            Some(from) => assert!(Command::new("cp").arg("-a").args([from, &data]).status().unwrap().success()),
            None => fs::create_dir(&data).unwrap(),
        }
        let disk = Disk::new(&data, &root);
        let order = Order { folder: data.clone(), notes: notes.clone(), ..order.clone() };
        let (name, value) = order.environment();
        let output = Command::new("strace")
            .args(arguments::OPTIONS)
            .arg("-o")
            .arg(&trace)
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "the_program_that_is_followed", "--nocapture"])
            .env(name, value)
            .stdin(Stdio::null())
            .output()
            .expect("strace is not installed: run tests/setup");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.signal(), Some(9), "the program failed: {said}");
        let calls = strace::calls(&fs::read_to_string(&trace).unwrap());
        fs::remove_file(trace).unwrap();
        Self { home, data, disk, calls, notes, before }
    }

    /// Calls that change the folder: where a cut differs from the one before.
    fn moments(&self) -> Vec<usize> {
        let inside = |call: &&Call| {
            call.file(0).or_else(|| call.opened()).is_some_and(|path| path.starts_with(&self.data))
                || call.name.starts_with("rename")
                || call.name.starts_with("unlink")
                || call.name.starts_with("mkdir")
        };
        self.calls.iter().filter(inside).map(|call| call.begun).collect()
    }

    /// What had been acknowledged, and the disk, just before line `moment` of the trace.
    fn until(&self, moment: usize, dice: &Dice) -> (Disk, Ledger) {
        let (mut disk, mut ledger) = (self.disk.clone(), self.before.clone());
        let mut notes: Vec<&Call> = Vec::new();
        for call in &self.calls {
            if call.ended < moment {
                disk.follow(call);
            }
            if call.begun < moment && call.name == "write" && call.file(0).is_some_and(|path| path == self.notes) {
                notes.push(call);
            }
        }
        notes.sort_by_key(|call| call.begun);
        for note in notes {
            ledger.note(&String::from_utf8(note.bytes()).unwrap());
        }
        disk.interrupt(self.calls.iter().filter(|call| call.begun < moment && call.ended >= moment), dice);
        (disk, ledger)
    }
}

/// The machine starts again: what the folder says about its last boot names another one.
fn another_boot(folder: &Path) {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let boot = boot.trim();
    for path in files(folder) {
        if let Ok(text) = fs::read_to_string(&path)
            && text.contains(boot)
        {
            fs::write(&path, text.replace(boot, "00000000-0000-4000-8000-000000000000")).unwrap();
        }
    }
}

/// Opens what a cut left, compares, commits, and opens once more. Returns what was found.
async fn recovers(folder: &Path, ledger: &Ledger) -> Records {
    let (engine, report) = work::open(folder);
    assert!(report.quarantined.is_empty() && report.lost.is_empty(), "damage, where there is none: {report:?}");
    let found = ledger.check(&engine).await;
    engine.commit(work::after_all()).await.expect("the next commit works");
    engine.close().await;
    drop(engine);
    let (engine, report) = work::open(folder);
    assert!(report.quarantined.is_empty() && report.rebuilt.is_none() && report.cut == 0, "{report:?}");
    assert!(ledger.check(&engine).await == found, "opened once more it holds something else");
    let mut ledger = ledger.after(found.clone());
    ledger.started();
    ledger.check_gone(folder);
    engine.close().await;
    found
}

/// How many moments to try.
fn rounds(bounded: usize) -> usize {
    std::env::var("ZEGEL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(bounded)
}

/// Tries moments of one run after another, each run on what an image of the one before holds: so recoveries are interrupted too.
fn campaign(name: &str, rounds: usize, cuts: &[Survival], dice: &Dice) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let seed = dice.below(u64::MAX);
    let (mut from, mut ledger): (Option<TempDir>, Ledger) = (None, Ledger::new(seed));
    let (mut done, mut runs, mut acknowledged, mut gone, mut first) = (0, 0, 0, 0, 0);
    while done < rounds {
        let order = Order {
            seed,
            folder: PathBuf::new(),
            notes: PathBuf::new(),
            first,
            steps: STEPS,
            close: runs % 2 == 1,
            refusals: false,
        };
        let run = Run::new(from.as_ref().map(|from| from.path().join("image")).as_deref(), ledger.clone(), &order);
        (runs, first) = (runs + 1, first + STEPS);
        gone += run
            .calls
            .iter()
            .filter(|call| call.name == "unlink" && call.path(0).extension().is_some_and(|end| end == "seg"))
            .count();
        let moments = run.moments();
        assert!(moments.len() > 200, "only {} calls were followed", moments.len());
        for _ in 0..MOMENTS.min(rounds - done) {
            let dice = &dice.split();
            let moment = moments[dice.index(moments.len())];
            let survival = cuts[dice.index(cuts.len())];
            let what = format!("{name} {done}, run {runs}, line {moment}, {survival:?}");
            let (disk, at) = run.until(moment, dice);
            let place = TempDir::new_in(run.home.path()).unwrap();
            let image = place.path().join("image");
            disk.image(survival, dice, &image);
            if survival != Survival::All {
                another_boot(&image);
            }
            at.check_gone(&image);
            let next = tempfile::tempdir().unwrap();
            assert!(
                Command::new("cp").arg("-a").args([&image, &next.path().join("image")]).status().unwrap().success()
            );
            eprintln!("{what}: {} steps acknowledged, {} calls", at.acknowledged, moments.len());
            let found = runtime.block_on(recovers(&image, &at));
            acknowledged += at.acknowledged;
            (done, ledger, from) = (done + 1, at.after(found), Some(next));
        }
    }
    println!(
        "{name}: {done} moments of {runs} runs, {acknowledged} acknowledged steps checked, {gone} segments gone, 0 lost"
    );
    assert!(rounds < MOMENTS || gone > 0, "nothing was compacted");
}

#[test]
fn a_power_cut_at_any_moment_loses_nothing_that_was_acknowledged() {
    campaign("power cut", rounds(12), &[Survival::Synced, Survival::Some, Survival::Some], &Dice::seeded(11));
}

#[test]
fn a_kill_at_any_moment_loses_nothing_that_was_acknowledged() {
    campaign("kill", rounds(12), &[Survival::All], &Dice::seeded(12));
}

/// Proves the two above: when all that was written survives, the model holds what the real folder holds, byte for byte.
#[test]
fn the_followed_disk_is_the_real_one() {
    for close in [true, false] {
        let order = Order {
            seed: 13,
            folder: PathBuf::new(),
            notes: PathBuf::new(),
            first: 0,
            steps: STEPS,
            close,
            refusals: false,
        };
        let run = Run::new(None, Ledger::new(13), &order);
        let dice = Dice::of(13);
        let (disk, ledger) = run.until(usize::MAX, &dice);
        let image = run.home.path().join("image");
        disk.image(Survival::All, &dice, &image);
        let names = |folder: &Path| -> Vec<PathBuf> {
            let mut names: Vec<PathBuf> =
                files(folder).iter().map(|path| path.strip_prefix(folder).unwrap().to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&image), names(&run.data), "close {close}");
        for name in names(&image) {
            let same = fs::read(image.join(&name)).unwrap() == fs::read(run.data.join(&name)).unwrap();
            assert!(same, "close {close}: {}", name.display());
        }
        assert_eq!(ledger.acknowledged, usize::from(work::TASKS) * STEPS as usize, "close {close}");
        // On the way, the model tells what was synced from what was not.
        let moments = run.moments();
        let told = (1..8).filter(|eighth| {
            let (disk, _) = run.until(moments[moments.len() * eighth / 8], &dice);
            let [all, synced] = [Survival::All, Survival::Synced].map(|survival| {
                let image = run.home.path().join(format!("{survival:?}{eighth}"));
                disk.image(survival, &dice, &image);
                image
            });
            // A file whose removal was not synced is in the second alone: sizes of the whole say nothing.
            let size = |path: PathBuf| fs::metadata(path).map_or(0, |file| file.len());
            let kept = names(&synced).iter().any(|name| size(synced.join(name)) > 10_000);
            let lost = names(&all).iter().any(|name| size(synced.join(name)) < size(all.join(name)));
            kept && lost
        });
        assert!(told.count() > 0, "close {close}: all or nothing was synced");
    }
}
