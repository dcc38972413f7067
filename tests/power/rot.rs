//! A bit that changes in any file of the store: what it hits is found damaged or made good, everything else is answered right, and
//! no answer is wrong without a word. A body is damaged when it has not the checksum that its record says.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zegel::base::MessageId;
use zegel::store::engine::{Engine, Key, Space};
use zegel::store::{OpenReport, StoreError};

use super::dice::Dice;
use super::rounds;
use super::work::{self, Ledger, Order, Records, SPACES, TASKS, files};

const STEPS: u32 = 14;
const SEED: u64 = 16;
/// Of files up to this many bytes all are tried in a long run.
const SMALL: usize = 600;

/// A folder as a run left it, and what it holds.
struct Kept {
    home: tempfile::TempDir,
    records: Records,
}

impl Kept {
    fn new(close: bool) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (folder, notes) = (home.path().join("data"), home.path().join("notes"));
        let order = Order { seed: SEED, folder, notes, first: 0, steps: STEPS, close, refusals: false };
        let (name, value) = order.environment();
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(["--exact", "the_program_that_is_followed", "--nocapture"]).env(name, value);
        assert!(!program.stdout(Stdio::null()).status().unwrap().success(), "it ends by killing itself");
        let mut ledger = Ledger::new(SEED);
        fs::read_to_string(&order.notes).unwrap().lines().for_each(|line| ledger.note(line));
        assert_eq!(ledger.acknowledged, usize::from(TASKS) * STEPS as usize);
        // Made again by each start.
        let _ = fs::remove_file(order.folder.join("reserve"));
        Self { home, records: ledger.records }
    }

    fn copy(&self) -> PathBuf {
        let (from, to) = (self.home.path().join("data"), self.home.path().join("rotten"));
        fs::remove_dir_all(&to).unwrap_or_default();
        assert!(Command::new("cp").arg("-a").args([&from, &to]).status().unwrap().success());
        to
    }

    /// Every file whose bytes the store answers for, and how long it is.
    fn files(&self) -> Vec<(PathBuf, usize)> {
        let root = self.home.path().join("data");
        let inside = |path: PathBuf| path.strip_prefix(&root).unwrap().to_owned();
        let known = files(&root).into_iter().map(|path| (inside(path.clone()), fs::metadata(path).unwrap().len()));
        known.filter(|(_, len)| *len > 0).map(|(path, len)| (path, usize::try_from(len).unwrap())).collect()
    }
}

/// Keys that were answered neither right nor as damaged.
async fn wrong(engine: &Engine, records: &Records) -> (usize, Vec<Key>) {
    let (mut damaged, mut wrong) = (0, Vec::new());
    let own = (0..TASKS)
        .flat_map(|task| (0..20_u8).map(move |n| Key { space: SPACES[usize::from(n % 4)], bytes: vec![task, n] }));
    let keys: Vec<Key> = own.chain(records.keys().cloned()).collect();
    for key in keys {
        match engine.get(&key).await {
            Ok(found) if found.as_ref().map(|found| &found.value) == records.get(&key) => {
                if let Some(record) = found.filter(|_| key.space == Space::Message) {
                    match body(engine, &record.value).await {
                        Body::Right => {}
                        Body::Damaged => damaged += 1,
                        Body::Wrong => wrong.push(key),
                    }
                }
            }
            Err(StoreError::Damaged(_)) => damaged += 1,
            _ => wrong.push(key),
        }
    }
    (damaged, wrong)
}

/// How a body is.
enum Body {
    Right,
    /// It is not there, is shorter, or has not its checksum.
    Damaged,
    /// It has its checksum and is another.
    Wrong,
}

/// The body that a record names.
async fn body(engine: &Engine, record: &[u8]) -> Body {
    let (id, crc) = record.split_first_chunk::<16>().unwrap();
    let Ok(Some(reader)) = engine.open_body(MessageId(*id)).await else { return Body::Damaged };
    let len = usize::try_from(reader.len()).unwrap();
    let Ok(bytes) = reader.read_at(0, len).await else { return Body::Damaged };
    if crc32c::crc32c(&bytes).to_be_bytes() != crc {
        return Body::Damaged;
    }
    let (_, expected) = work::body_of(SEED, id[0], u32::from_be_bytes(id[1..5].try_into().unwrap()));
    if bytes == expected { Body::Right } else { Body::Wrong }
}

/// What became of flipped bits, by kind of file.
#[derive(Debug, Default)]
struct Tally {
    flips: usize,
    made_good: usize,
    damaged: usize,
    told: usize,
}

fn flip(kept: &Kept, name: &Path, at: usize, bit: u8, tally: &mut Tally, runtime: &tokio::runtime::Runtime) {
    let folder = kept.copy();
    let mut bytes = fs::read(folder.join(name)).unwrap();
    bytes[at] ^= 1 << bit;
    fs::write(folder.join(name), bytes).unwrap();
    let what = format!("bit {bit} of byte {at} of {}", name.display());
    runtime.block_on(async {
        let (engine, report) = work::open(&folder);
        let (damaged, wrong) = wrong(&engine, &kept.records).await;
        let told = !report.quarantined.is_empty() || report.cut > 0;
        assert!(wrong.is_empty() || told, "{what}: answered wrong without a word: {wrong:?} {report:?}");
        engine.commit(work::after_all()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        engine.close().await;
        drop(engine);
        let (engine, again) = work::open(&folder);
        let (damaged_again, wrong_again) = self::wrong(&engine, &kept.records).await;
        assert_eq!((damaged_again, &wrong_again), (damaged, &wrong), "{what}: another answer after a start");
        assert!(OpenReport { rebuilt: None, ..again.clone() } == again, "{what}: rebuilt once more: {again:?}");
        tally.flips += 1;
        tally.made_good += usize::from(damaged == 0 && wrong.is_empty());
        tally.damaged += usize::from(damaged > 0);
        tally.told += usize::from(!wrong.is_empty());
    });
}

#[test]
fn a_bit_that_changes_in_any_file_is_found_or_made_good() {
    let dice = Dice::seeded(16);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let each = rounds(2);
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for close in [true, false] {
        let kept = Kept::new(close);
        for (name, len) in kept.files() {
            let places: Vec<usize> =
                if len <= SMALL.min(each) { (0..len).collect() } else { (0..each).map(|_| dice.index(len)).collect() };
            let kind = name.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
            let tally = tallies.entry(format!("{kind}, closed {close}")).or_default();
            for at in places {
                flip(&kept, &name, at, u8::try_from(dice.below(8)).unwrap(), tally, &runtime);
            }
        }
    }
    println!("{tallies:#?}");
    let journal: usize =
        tallies.iter().filter(|(kind, _)| kind.starts_with("journal")).map(|(_, tally)| tally.flips).sum();
    assert!(journal >= 4, "{journal} bits of the journal");
    let bodies: Vec<&Tally> =
        tallies.iter().filter(|(kind, _)| kind.starts_with("bodies")).map(|(_, tally)| tally).collect();
    let found = |tally: &&Tally| tally.flips > 0 && tally.damaged == tally.flips;
    assert!(bodies.len() == 2 && bodies.iter().all(found), "each bit of a body is found: {bodies:?}");
}

/// The journal alone says what the index said.
#[test]
fn an_index_made_again_gives_the_same_answers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for round in 0..rounds(4) {
        let kept = Kept::new(round % 2 == 0);
        let folder = kept.copy();
        fs::write(folder.join("index.state"), "rebuild to see what the journal says\n").unwrap();
        runtime.block_on(async {
            let (engine, report) = work::open(&folder);
            assert!(report.rebuilt.is_some());
            let (damaged, wrong) = wrong(&engine, &kept.records).await;
            assert!(damaged == 0 && wrong.is_empty(), "round {round}: {damaged} damaged, wrong: {wrong:?}");
        });
    }
}
