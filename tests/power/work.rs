//! The program whose calls are followed: tasks that put, replace and delete records and bodies, and note each step before they
//! begin it and once it is acknowledged. And what the notes say must be there.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use zegel::base::{MessageId, OsEntropy};
use zegel::store::engine::{Batch, Check, CommitError, Engine, Key, Space, Write};
use zegel::store::{OpenError, OpenReport, Settings, StoreError};

use crate::dice::Dice;

pub const TASKS: u8 = 4;
/// Small, so that many are closed, and so that there is something to compact.
const SEGMENT: u64 = 48 << 10;
/// Where records live: plain ones, and those whose old values must not stay.
pub const SPACES: [Space; 5] = [Space::Job, Space::JobDue, Space::Lock, Space::ContentKey, Space::Message];
const COUNT: Space = Space::GrantTries;
const KEYS: usize = 5;

/// What one task does in one step; always the same for the same numbers.
#[derive(Debug)]
pub struct Intent {
    pub writes: Vec<(Key, Option<Vec<u8>>)>,
    body: Option<(MessageId, Vec<u8>)>,
    removed: Option<MessageId>,
}

impl Intent {
    pub fn of(seed: u64, task: u8, step: u32) -> Self {
        let dice = Dice::of(seed ^ u64::from(task) << 56 ^ u64::from(step) << 24);
        let mut writes: Vec<(Key, Option<Vec<u8>>)> = Vec::new();
        for _ in 0..=dice.below(3) {
            let key = dice.index(KEYS * 4);
            let key = Key { space: SPACES[key % 4], bytes: vec![task, u8::try_from(key).unwrap()] };
            let len = [40, 40, 300, 6_000][dice.index(4)];
            let value = (dice.below(4) > 0).then(|| dice.bytes(len));
            if writes.iter().all(|(other, _)| *other != key) {
                writes.push((key, value));
            }
        }
        let (mut body, mut removed) = (None, None);
        if step % 7 == 3 {
            let (id, bytes) = body_of(seed, task, step);
            // As the gateway's records do: who has no key can tell whether it rots.
            writes.push((named(id), Some([id.0.as_slice(), &crc32c::crc32c(&bytes).to_be_bytes()].concat())));
            body = Some((id, bytes));
        } else if step % 7 == 1 && step > 7 {
            let (id, _) = body_of(seed, task, step - 5);
            writes.push((named(id), None));
            removed = Some(id);
        }
        Self { writes, body, removed }
    }

    fn batch(&self) -> Batch {
        let write = |(key, value): &(Key, Option<Vec<u8>>)| match value {
            Some(value) => Write::Put(key.clone(), value.clone()),
            None => Write::Delete(key.clone()),
        };
        Batch { checks: Vec::new(), writes: self.writes.iter().map(write).collect() }
    }
}

/// A commit of nobody's: to see that one works.
pub fn after_all() -> Batch {
    let key = Key { space: Space::Job, bytes: vec![u8::MAX] };
    Batch { checks: Vec::new(), writes: vec![Write::Put(key, b"after all".to_vec())] }
}

/// The record that names a body.
fn named(id: MessageId) -> Key {
    Key { space: Space::Message, bytes: id.0.to_vec() }
}

/// The body of a step: too large for a value. Its id says whose it is.
pub fn body_of(seed: u64, task: u8, step: u32) -> (MessageId, Vec<u8>) {
    let mut id = [0; 16];
    id[0] = task;
    id[1..5].copy_from_slice(&step.to_be_bytes());
    let dice = Dice::of(seed ^ u64::from(task) << 40 ^ u64::from(step));
    let len = 65_537 + dice.index(30_000);
    (MessageId(id), dice.bytes(len))
}

fn counter() -> Key {
    Key { space: COUNT, bytes: b"count".to_vec() }
}

/// Opens the folder with small segments.
pub fn try_open(folder: &Path) -> Result<(Engine, OpenReport), OpenError> {
    let settings = Settings { folder: folder.to_owned(), min_free: 0 };
    let claim = Engine::claim(&settings)?.with_segments_of(SEGMENT);
    Engine::open_local(claim, Arc::new(OsEntropy))
}

/// The same, where it must work. (A process that another test is about to start holds copies of this one's locks for a moment.)
pub fn open(folder: &Path) -> (Engine, OpenReport) {
    for _ in 0..200 {
        match try_open(folder) {
            Err(OpenError::InUse(_)) => std::thread::sleep(Duration::from_millis(20)),
            opened => return opened.unwrap_or_else(|error| panic!("{}: {error}", folder.display())),
        }
    }
    panic!("{} stays in use", folder.display());
}

/// One run of the program.
#[derive(Debug, Clone)]
pub struct Order {
    pub seed: u64,
    pub folder: PathBuf,
    pub notes: PathBuf,
    /// The first step of each task.
    pub first: u32,
    pub steps: u32,
    /// Whether it closes the store at its end, or dies.
    pub close: bool,
    /// Whether the store may refuse: then the task notes it and goes on. Otherwise it fails.
    pub refusals: bool,
}

impl Order {
    const NAME: &str = "ZEGEL_POWER_ORDER";

    /// As the program's environment.
    pub fn environment(&self) -> (&'static str, String) {
        let Self { seed, folder, notes, first, steps, close, refusals } = self;
        (Self::NAME, format!("{seed} {} {} {first} {steps} {close} {refusals}", folder.display(), notes.display()))
    }

    /// The order that this process was started with.
    pub fn given() -> Option<Self> {
        let text = std::env::var(Self::NAME).ok()?;
        let mut words = text.split(' ');
        let mut word = || words.next().unwrap();
        Some(Self {
            seed: word().parse().unwrap(),
            folder: word().into(),
            notes: word().into(),
            first: word().parse().unwrap(),
            steps: word().parse().unwrap(),
            close: word().parse().unwrap(),
            refusals: word().parse().unwrap(),
        })
    }

    /// Carries it out.
    pub async fn work(self) {
        let (engine, _) = match try_open(&self.folder) {
            Err(_) if self.refusals => return,
            opened => opened.unwrap(),
        };
        let engine = Arc::new(engine);
        let tasks = (0..TASKS).map(|task| tokio::spawn(work(Arc::clone(&engine), self.clone(), task)));
        for done in futures_util::future::join_all(tasks).await {
            done.unwrap();
        }
        if self.close {
            engine.close().await;
        }
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
    }
}

async fn work(engine: Arc<Engine>, order: Order, task: u8) {
    let notes = File::options().create(true).append(true).open(&order.notes).unwrap();
    let note = |line: String| (&notes).write_all(line.as_bytes()).unwrap();
    for step in order.first..order.first + order.steps {
        let intent = Intent::of(order.seed, task, step);
        note(format!("begin {task} {step}\n"));
        let stands = match take(&engine, &intent).await {
            Ok(()) => "done",
            Err(error) if !order.refusals => panic!("{error}"),
            Err(CommitError::Store(StoreError::NotErased(_))) => "kept",
            // Nobody knows: this task says no more.
            Err(CommitError::Store(StoreError::Uncertain(_))) => return,
            Err(_) => "refused",
        };
        note(format!("{stands} {task} {step}\n"));
        if let Some(id) = intent.removed.filter(|_| stands != "refused") {
            match engine.remove_body(id).await {
                Ok(()) => note(format!("removed {task} {step}\n")),
                Err(error) => assert!(order.refusals, "{error}"),
            }
        }
        if step % 5 == 2 && !order.refusals {
            count(&engine, &note).await;
        }
        // While the others go on.
        if task == 0 && step % 6 == 5 {
            let compacted = engine.compact().await;
            assert!(compacted.is_ok() || order.refusals, "{compacted:?}");
        }
        // Long enough without a commit that a proof is written.
        if step == order.first + order.steps / 2 {
            tokio::time::sleep(Duration::from_millis(1_300)).await;
        }
    }
}

async fn take(engine: &Engine, intent: &Intent) -> Result<(), CommitError> {
    let Some((id, bytes)) = &intent.body else { return engine.commit(intent.batch()).await.map(drop) };
    let mut writer = engine.new_body(*id)?;
    let written = async {
        for part in bytes.chunks(40_000) {
            writer.write(part).await?;
        }
        writer.finish().await
    };
    // Without its body there is no commit: certainly nothing happened.
    let body = written.await.map_err(|error| StoreError::Full(error.to_string()))?;
    assert_eq!(body.checksum(), Some(crc32c::crc32c(bytes)));
    engine.commit_body(intent.batch(), body).await.map(drop).map_err(|refused| refused.error)
}

/// Counts once more, together with all other tasks.
async fn count(engine: &Engine, note: &impl Fn(String)) {
    loop {
        let found = engine.get(&counter()).await.unwrap();
        let (check, count) = match found {
            Some(found) => (Check::Version(counter(), found.version), number(&found.value) + 1),
            None => (Check::Absent(counter()), 1),
        };
        let writes = vec![Write::Put(counter(), count.to_be_bytes().to_vec())];
        match engine.commit(Batch { checks: vec![check], writes }).await {
            Ok(_) => return note(format!("count {count} 0\n")),
            Err(CommitError::Conflict(0)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn number(value: &[u8]) -> u64 {
    u64::from_be_bytes(value.try_into().unwrap())
}

/// Records as they were found.
pub type Records = BTreeMap<Key, Vec<u8>>;

/// What must be there.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    seed: u64,
    /// After all acknowledged steps.
    pub records: Records,
    /// The step that each task had begun and not heard of.
    begun: BTreeMap<u8, u32>,
    removed: Vec<MessageId>,
    /// Values that were acknowledged as replaced or deleted, in spaces where these must not stay.
    gone: Vec<Vec<u8>>,
    /// The same of steps that survived without having been acknowledged: gone once a start has succeeded.
    owed: Vec<Vec<u8>>,
    /// Values whose overwriting was answered as still to come.
    kept: Vec<Vec<u8>>,
    count: u64,
    pub acknowledged: usize,
}

impl Ledger {
    /// Before the first step of all.
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// After a recovery that found `records`: what is gone stays gone.
    pub fn after(&self, records: Records) -> Self {
        let count = records.get(&counter()).map_or(0, |value| number(value));
        let replaced =
            self.records.iter().filter(|(key, value)| key.space.erasable() && records.get(*key) != Some(*value));
        let owed = replaced.map(|(_, value)| value).chain(&self.owed).chain(&self.kept).cloned().collect();
        Self { seed: self.seed, records, count, gone: self.gone.clone(), owed, ..Self::default() }
    }

    /// It has started.
    pub fn started(&mut self) {
        self.gone.append(&mut self.owed);
    }

    /// Reads one note.
    pub fn note(&mut self, line: &str) {
        self.started();
        let words: Vec<&str> = line.split_whitespace().collect();
        let [what, task, step] = words.try_into().unwrap();
        if what == "count" {
            self.count = self.count.max(task.parse().unwrap());
            return;
        }
        let (task, step): (u8, u32) = (task.parse().unwrap(), step.parse().unwrap());
        match what {
            "begin" => drop(self.begun.insert(task, step)),
            "refused" => drop(self.begun.remove(&task)),
            "done" | "kept" => {
                self.begun.remove(&task);
                self.acknowledged += 1;
                let intent = Intent::of(self.seed, task, step);
                for (key, value) in intent.writes {
                    let old = match value {
                        Some(value) => self.records.insert(key.clone(), value),
                        None => self.records.remove(&key),
                    };
                    let gone = if what == "done" { &mut self.gone } else { &mut self.kept };
                    gone.extend(old.filter(|_| key.space.erasable()));
                }
            }
            "removed" => self.removed.extend(Intent::of(self.seed, task, step).removed),
            _ => panic!("{line}"),
        }
    }

    /// Compares with what a recovered engine holds; returns that.
    pub async fn check(&self, engine: &Engine) -> Records {
        let mut found = Records::new();
        for space in SPACES.into_iter().chain([COUNT]) {
            for (bytes, record) in engine.scan(space, &[], None, usize::MAX).await.unwrap() {
                if space == COUNT || bytes[0] < TASKS {
                    found.insert(Key { space, bytes }, record.value);
                }
            }
        }
        let counted = found.get(&counter()).map_or(0, |value| number(value));
        // Others may have counted without having heard of it.
        assert!((self.count..=self.count + u64::from(TASKS)).contains(&counted), "{counted} counted, {}", self.count);
        for task in 0..TASKS {
            let of = |records: &Records| -> Records {
                let own = records.iter().filter(|(key, _)| key.space != COUNT && key.bytes[0] == task);
                own.map(|(key, value)| (key.clone(), value.clone())).collect()
            };
            let (found, before) = (of(&found), of(&self.records));
            let mut after = before.clone();
            if let Some(step) = self.begun.get(&task) {
                for (key, value) in Intent::of(self.seed, task, *step).writes {
                    match value {
                        Some(value) => drop(after.insert(key, value)),
                        None => drop(after.remove(&key)),
                    }
                }
            }
            let whole = found == before || found == after;
            assert!(whole, "task {task}, begun {:?}: {}", self.begun.get(&task), differences(&found, &before, &after));
        }
        for (key, _) in found.iter().filter(|(key, _)| key.space == Space::Message) {
            let id = MessageId(key.bytes.as_slice().try_into().unwrap());
            let (_, bytes) = body_of(self.seed, id.0[0], u32::from_be_bytes(id.0[1..5].try_into().unwrap()));
            let reader = engine.open_body(id).await.unwrap().unwrap_or_else(|| panic!("no body of {id:?}"));
            assert!(reader.read_at(0, bytes.len()).await.unwrap() == bytes, "another body of {id:?}");
        }
        for id in &self.removed {
            assert!(engine.open_body(*id).await.unwrap().is_none(), "a removed body is back");
        }
        found
    }

    /// No file holds a value that was acknowledged as gone: of each the first and the last bytes are looked for.
    pub fn check_gone(&self, folder: &Path) {
        let needles: HashSet<&[u8]> =
            self.gone.iter().flat_map(|value| [&value[..16], &value[value.len() - 16..]]).collect();
        let mut begins = vec![false; 1 << 16];
        let two = |bytes: &[u8]| usize::from(bytes[0]) << 8 | usize::from(bytes[1]);
        for needle in &needles {
            begins[two(needle)] = true;
        }
        for path in files(folder) {
            let bytes = std::fs::read(&path).unwrap();
            for at in 0..bytes.len().saturating_sub(15) {
                let found = begins[two(&bytes[at..at + 2])] && needles.contains(&bytes[at..at + 16]);
                assert!(!found, "a value that was acknowledged as gone is in {} at {at}", path.display());
            }
        }
    }
}

fn differences(found: &Records, before: &Records, after: &Records) -> String {
    let keys: std::collections::BTreeSet<_> = found.keys().chain(before.keys()).chain(after.keys()).collect();
    let short = |value: Option<&Vec<u8>>| value.map(|value| (value.len(), value[..4].to_vec()));
    let line = |key: &Key| {
        let [found, before, after] = [found, before, after].map(|records| short(records.get(key)));
        (found != before || found != after)
            .then(|| format!("\n{key:?}: {found:?}, not {before:?} as acknowledged nor {after:?} as begun"))
    };
    keys.into_iter().filter_map(line).collect()
}

/// Every file below a folder, but for the room set aside.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().is_some_and(|name| name != "reserve") {
            found.push(path);
        }
    }
    found
}
