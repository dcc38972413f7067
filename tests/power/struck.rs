//! The running program struck at one of its system calls (strace's injection): killed there, or the call fails once or from then on,
//! as on a disk that is full, broken or read-only. The program is the store as it is shipped; no code in it knows of this.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use super::dice::Dice;
use super::work::{Ledger, Order, TASKS};
use super::{recovers, rounds};

const STEPS: u32 = 14;

/// The calls that change a disk, and how many of each one thread makes in a run, about.
const CALLS: [(&str, usize); 12] = [
    ("pwrite64", 70),
    ("pwrite64", 70),
    ("pwrite64", 20),
    ("fdatasync", 60),
    ("fdatasync", 60),
    ("fdatasync", 8),
    ("fsync", 6),
    ("rename", 3),
    ("fallocate", 1),
    ("mkdir", 41),
    ("unlink", 2),
    ("ftruncate", 2),
];

/// What strikes: strace's words for it, and whether the program outlives it.
const KILL: (&str, bool) = ("signal=KILL", false);
const ERRORS: [(&str, bool); 3] = [("error=ENOSPC", true), ("error=EIO", true), ("error=EROFS", true)];

/// Runs the program again and again on one folder, each time struck elsewhere, and recovers it in between.
fn campaign(name: &str, rounds: usize, strikes: &[(&str, bool)], dice: &Dice) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let home = tempfile::tempdir().unwrap();
    let seed = dice.below(u64::MAX);
    let data = home.path().join("data");
    let mut ledger = Ledger::new(seed);
    let (mut acknowledged, mut struck, mut refused) = (0, 0, 0);
    for round in 0..rounds {
        let dice = dice.split();
        // A folder of its own now and then: the first start is struck as well.
        if round % 8 == 0 {
            fs::remove_dir_all(&data).unwrap_or_default();
            ledger = Ledger::new(seed);
        }
        let (call, most) = CALLS[dice.index(CALLS.len())];
        let (strike, survives) = strikes[dice.index(strikes.len())];
        let lasting = if survives && dice.below(2) == 0 { "+" } else { "" };
        let inject = format!("inject={call}:{strike}:when={}{lasting}", dice.index(most) + 1);
        let notes = home.path().join(format!("notes-{round}"));
        let first = u32::try_from(round).unwrap() * STEPS;
        let order = Order {
            seed,
            folder: data.clone(),
            notes: notes.clone(),
            first,
            steps: STEPS,
            close: false,
            refusals: survives,
        };
        let died = run(&order, &inject);
        let lines = fs::read_to_string(&notes).unwrap_or_default();
        lines.lines().for_each(|line| ledger.note(line));
        refused += lines.matches("refused").count();
        acknowledged += ledger.acknowledged;
        struck += usize::from(ledger.acknowledged < usize::from(TASKS) * STEPS as usize);
        eprintln!("{name} {round}: {inject}: {} steps acknowledged, {:?}", ledger.acknowledged, died);
        ledger.check_gone(&data);
        let found = runtime.block_on(recovers(&data, &ledger));
        ledger = ledger.after(found);
        ledger.started();
    }
    println!(
        "{name}: {rounds} runs, {acknowledged} acknowledged steps checked, {refused} refused, {struck} struck before their end, 0 lost"
    );
    assert!(struck * 4 >= rounds, "only {struck} of {rounds} were struck");
}

/// How the program ended: by which signal, if by one.
fn run(order: &Order, inject: &str) -> Option<i32> {
    let call = inject.trim_start_matches("inject=").split(':').next().unwrap();
    let (name, value) = order.environment();
    let output = Command::new("timeout")
        .args(["60", "strace", "-f", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", inject])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "the_program_that_is_followed", "--nocapture"])
        .env(name, value)
        .stdin(Stdio::null())
        .output()
        .expect("strace is not installed: run tests/setup");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_ne!(output.status.code(), Some(124), "{inject}: it hangs: {said}");
    assert!(output.status.code().is_none_or(|code| code == 0), "{inject}: it failed: {said}");
    output.status.signal()
}

#[test]
fn a_kill_at_any_system_call_loses_nothing_that_was_acknowledged() {
    campaign("killed at a call", rounds(10), &[KILL], &Dice::seeded(14));
}

#[test]
fn a_disk_that_fails_at_any_system_call_loses_nothing_that_was_acknowledged() {
    campaign("failed call", rounds(16), &ERRORS, &Dice::seeded(15));
}
