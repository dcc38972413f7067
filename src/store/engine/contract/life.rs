//! Random lives: the same operations to an engine and to the model, compared after each step; in between the engine is closed,
//! dropped or killed, and started again. What goes wrong is shrunk to the shortest life that shows it.
//!
//! `ZEGEL_ROUNDS` says how many lives.

use std::collections::HashSet;
use std::path::PathBuf;

use futures_util::future::join_all;
use proptest::prelude::*;

use super::*;
use crate::store::tests::copied::copy;

/// So small that a life closes several.
const SEGMENT: u64 = 3_000;
const SPACES: [Space; 4] = [Space::Job, Space::Lock, Space::JobDue, Space::Verifier];
const KEYS: u8 = 16;

/// An engine under test.
trait Subject {
    fn engine(&self) -> &Engine;
    /// Stops it in this way and starts it on what is left.
    async fn restart(&mut self, how: Restart);
    /// Where it still keeps one of these, if anywhere.
    fn keeps(&self, gone: &[Vec<u8>]) -> Option<String>;
}

#[derive(Debug, Clone, Copy)]
enum Restart {
    Closed,
    Dropped,
    Killed,
}

impl Subject for Bench {
    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    async fn restart(&mut self, how: Restart) {
        if let Restart::Closed = how {
            self.engine().close().await;
        }
        if let Restart::Killed = how {
            // What the system holds now. Nothing is under way, so a copy takes no time that counts.
            let left = tempfile::tempdir().unwrap();
            copy(self.folder.path(), left.path());
            self.engine = None;
            self.folder = left;
        }
        self.engine = None;
        let (engine, report) = open(self.folder.path(), SEGMENT);
        self.engine = Some(engine);
        assert_eq!(OpenReport { replayed: 0, ..report }, OpenReport::default(), "{how:?}");
    }

    fn keeps(&self, gone: &[Vec<u8>]) -> Option<String> {
        let gone: HashSet<&[u8]> = gone.iter().map(|value| &value[..SERIAL]).collect();
        let folders = ["journal", "quarantine"].map(|name| self.folder.path().join(name));
        let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
        let holds = |path: &PathBuf| {
            let bytes = std::fs::read(path).unwrap();
            let mut rest = bytes.as_slice();
            // All begin alike, which is quickly found.
            while let Some(at) = rest.iter().position(|byte| *byte == MARK[0]) {
                rest = &rest[at..];
                if rest.starts_with(&MARK) && rest.get(..SERIAL).is_some_and(|serial| gone.contains(serial)) {
                    return true;
                }
                rest = &rest[1..];
            }
            false
        };
        files.map(|entry| entry.unwrap().path()).find(holds).map(|path| path.display().to_string())
    }
}

/// The model against itself: what this harness asks is fair.
impl Subject for Engine {
    fn engine(&self) -> &Engine {
        self
    }
    async fn restart(&mut self, _: Restart) {}
    fn keeps(&self, _: &[Vec<u8>]) -> Option<String> {
        None
    }
}

/// One step of a life.
#[derive(Debug, Clone)]
enum Step {
    /// Batches submitted at once, so that they share groups.
    Commit(Vec<Intent>),
    /// A body of this many times a third of what a value takes, of the message of this number; its commit holds or fails.
    Body {
        message: u8,
        thirds: usize,
        holds: bool,
    },
    RemoveBody(u8),
    /// What counts no more goes.
    Compact,
    /// From one key to before another.
    Scan(usize, u8, u8, usize),
    Restart(Restart),
}

/// Checks and writes of one batch, by number of the key.
type Intent = (Vec<(u8, Guess)>, Vec<(u8, Option<u8>)>);

/// What a check expects of a key's version.
#[derive(Debug, Clone, Copy)]
enum Guess {
    Absent,
    Right,
    Wrong,
}

fn step() -> impl Strategy<Value = Step> {
    let guess = prop_oneof![Just(Guess::Absent), Just(Guess::Right), Just(Guess::Right), Just(Guess::Wrong)];
    let checks = prop::collection::vec((0..KEYS, guess), 0..2);
    let writes = prop::collection::vec((0..KEYS, prop::option::weighted(0.7, any::<u8>())), 0..4);
    let how = prop_oneof![Just(Restart::Closed), Just(Restart::Dropped), Just(Restart::Killed)];
    prop_oneof![
        8 => prop::collection::vec((checks, writes), 1..6).prop_map(Step::Commit),
        1 => (0..4_u8, 1..5_usize, any::<bool>())
            .prop_map(|(message, thirds, holds)| Step::Body { message, thirds, holds }),
        1 => (0..4_u8).prop_map(Step::RemoveBody),
        1 => (0..4_usize, 0..KEYS, 0..KEYS, 0..6_usize).prop_map(|(space, from, to, limit)| Step::Scan(space, from, to, limit)),
        1 => how.prop_map(Step::Restart),
        1 => Just(Step::Compact),
    ]
}

fn numbered(n: u8) -> Key {
    Key { space: SPACES[usize::from(n % 4)], bytes: vec![b'k', n] }
}

/// With which every value begins, and behind it a number that no other has.
const MARK: [u8; 4] = [0xc7, 0x1e, 0x95, 0xd2];
const SERIAL: usize = 8;

/// A life under way.
struct Life<S> {
    subject: S,
    model: Engine,
    serial: u32,
    /// Values of erasable spaces that were replaced or deleted.
    gone: Vec<Vec<u8>>,
}

impl<S: Subject> Life<S> {
    fn new(subject: S) -> Self {
        Self { subject, model: Engine::Memory(memory::Memory::default()), serial: 0, gone: Vec::new() }
    }

    async fn live(mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Commit(batches) => self.commit(batches).await,
                Step::Body { message, thirds, holds } => self.body(message, thirds, holds).await,
                Step::RemoveBody(message) => {
                    for engine in [self.subject.engine(), &self.model] {
                        engine.remove_body(MessageId([message; 16])).await.unwrap();
                    }
                }
                Step::Scan(space, from, to, limit) => self.scan(SPACES[space], &[b'k', from], &[b'k', to], limit).await,
                Step::Compact => drop(self.subject.engine().compact().await.unwrap()),
                Step::Restart(how) => self.subject.restart(how).await,
            }
            self.compare().await;
        }
    }

    /// Sends all batches, in order, before the first answer is awaited.
    async fn commit(&mut self, intents: Vec<Intent>) {
        let mut writes: Vec<Vec<Write>> = Vec::new();
        for (_, intended) in &intents {
            let write = |(n, value): &(u8, Option<u8>)| match value {
                Some(len) => Write::Put(numbered(*n), self.value(usize::from(*len) * 3)),
                None => Write::Delete(numbered(*n)),
            };
            writes.push(intended.iter().map(write).collect());
        }
        let mut answers = Vec::new();
        for engine in [self.subject.engine(), &self.model] {
            let mut batches = Vec::new();
            for ((checks, _), writes) in intents.iter().zip(&writes) {
                let mut batch = batch(vec![], writes.clone());
                for (n, guess) in checks {
                    // Versions are each engine's own; only that they change is promised.
                    let version = engine.get(&numbered(*n)).await.unwrap().map(|found| found.version);
                    batch.checks.push(match (guess, version) {
                        (Guess::Right, Some(version)) => Check::Version(numbered(*n), version),
                        (Guess::Wrong, _) => Check::Version(numbered(*n), u64::MAX),
                        _ => Check::Absent(numbered(*n)),
                    });
                }
                batches.push(batch);
            }
            let answered = join_all(batches.into_iter().map(|batch| engine.commit(batch))).await;
            let sequences: Vec<u64> = answered.iter().flatten().copied().collect();
            assert!(sequences.is_sorted_by(|one, next| one < next), "{sequences:?}");
            answers.push(answered.into_iter().map(|answer| answer.map(drop)).collect::<Vec<_>>());
        }
        assert_eq!(answers[0], answers[1]);
        self.note_gone(&writes, &answers[1]);
    }

    fn value(&mut self, len: usize) -> Vec<u8> {
        self.serial += 1;
        let mut value = [MARK, self.serial.to_be_bytes()].concat();
        value.resize(SERIAL + len, 0x5a);
        value
    }

    /// Every erasable value that was written and is not there now. (Of two writes to a key in one batch the first may never have
    /// reached the disk; it must not be there either.)
    fn note_gone(&mut self, writes: &[Vec<Write>], answers: &[Result<(), CommitError>]) {
        let taken = writes.iter().zip(answers).filter(|(_, answer)| answer.is_ok()).flat_map(|(writes, _)| writes);
        for write in taken {
            if let Write::Put(key, value) = write
                && key.space.erasable()
            {
                self.gone.push(value.clone());
            }
        }
    }

    async fn body(&mut self, message: u8, thirds: usize, holds: bool) {
        let id = MessageId([message; 16]);
        // A message has one body; its id is never used again while it is there.
        if self.model.bodies().await.unwrap().contains(&id) {
            return;
        }
        let bytes = self.value(thirds * body::INLINE / 3);
        let none = Key { space: Space::Job, bytes: b"none".to_vec() };
        for engine in [self.subject.engine(), &self.model] {
            let mut writer = engine.new_body(id).unwrap();
            for part in bytes.chunks(30_000) {
                writer.write(part).await.unwrap();
            }
            let sealed = writer.finish().await.unwrap();
            let checks = if holds { vec![] } else { vec![Check::Version(none.clone(), 1)] };
            let answer = engine.commit_body(batch(checks, vec![]), sealed).await;
            assert_eq!(answer.map_err(|refused| refused.error).is_ok(), holds);
        }
    }

    async fn scan(&self, space: Space, from: &[u8], to: &[u8], limit: usize) {
        let mut answers = Vec::new();
        for engine in [self.subject.engine(), &self.model] {
            let records = engine.scan(space, from, Some(to), limit).await.unwrap();
            let keys = engine.keys(space, from, Some(to), limit).await.unwrap();
            assert_eq!(keys, records.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>());
            answers.push(records.into_iter().map(|(key, found)| (key, found.value)).collect::<Vec<_>>());
        }
        assert_eq!(answers[0], answers[1]);
    }

    async fn compare(&mut self) {
        let mut there = Vec::new();
        for space in SPACES {
            self.scan(space, b"", &[u8::MAX], 99).await;
            there
                .extend(self.model.scan(space, b"", None, 99).await.unwrap().into_iter().map(|(_, found)| found.value));
        }
        let engine = self.subject.engine();
        let bodies = self.model.bodies().await.unwrap();
        let mut found = engine.bodies().await.unwrap();
        found.sort();
        assert_eq!(found, bodies);
        for id in bodies {
            let (left, right) = (engine.open_body(id).await.unwrap(), self.model.open_body(id).await.unwrap());
            let (left, right) = (left.unwrap(), right.unwrap());
            assert_eq!(left.len(), right.len());
            let len = usize::try_from(left.len()).unwrap();
            assert!(left.read_at(0, len).await.unwrap() == right.read_at(0, len).await.unwrap(), "{id}");
        }
        let gone: Vec<Vec<u8>> = self.gone.iter().filter(|value| !there.contains(value)).cloned().collect();
        assert_eq!(self.subject.keeps(&gone), None, "an old value of an erasable space");
    }
}

fn lives() -> ProptestConfig {
    let asked = std::env::var("ZEGEL_ROUNDS").ok().and_then(|text| text.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(24), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(lives())]
    #[test]
    fn the_local_engine_does_what_the_model_does(steps in prop::collection::vec(step(), 1..24)) {
        tokio::runtime::Runtime::new().unwrap().block_on(Life::new(Bench::with_segments_of(SEGMENT)).live(steps));
    }

    #[test]
    fn the_model_does_what_the_model_does(steps in prop::collection::vec(step(), 1..24)) {
        let subject = Engine::Memory(memory::Memory::default());
        tokio::runtime::Runtime::new().unwrap().block_on(Life::new(subject).live(steps));
    }
}
