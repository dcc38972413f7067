//! What every engine must do, from one source: the model and the local engine get the same operations.

mod life;

use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use tempfile::TempDir;

use super::*;
use crate::base::{OsEntropy, SeededEntropy};

/// A local engine in a folder of its own.
struct Bench {
    folder: TempDir,
    engine: Option<Engine>,
}

impl Bench {
    fn new() -> Self {
        Self::with_segments_of(1 << 20)
    }
    fn with_segments_of(bytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (engine, _) = open(folder.path(), bytes);
        Self { folder, engine: Some(engine) }
    }
    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }
}

fn open(folder: &Path, segments: u64) -> (Engine, OpenReport) {
    let settings = Settings { folder: folder.to_owned(), min_free: 0 };
    let claim = Engine::claim(&settings).unwrap().with_segments_of(segments);
    Engine::open_local(claim, Arc::new(OsEntropy)).unwrap()
}

fn key(space: Space, name: &str) -> Key {
    Key { space, bytes: name.as_bytes().to_vec() }
}
fn put(space: Space, name: &str, value: &str) -> Write {
    Write::Put(key(space, name), value.as_bytes().to_vec())
}
fn batch(checks: Vec<Check>, writes: Vec<Write>) -> Batch {
    Batch { checks, writes }
}
fn engines() -> [(&'static str, Engine, Option<TempDir>); 2] {
    let bench = Bench::new();
    [("memory", Engine::Memory(memory::Memory::default()), None), ("local", bench.engine.unwrap(), Some(bench.folder))]
}

#[tokio::test]
async fn a_batch_is_applied_wholly_or_not_at_all() {
    for (name, engine, _folder) in engines() {
        let first = engine.commit(batch(vec![], vec![put(Space::Job, "a", "1"), put(Space::Job, "b", "1")])).await;
        let version = first.unwrap();
        let stale = batch(
            vec![Check::Version(key(Space::Job, "a"), version), Check::Absent(key(Space::Job, "b"))],
            vec![put(Space::Job, "a", "2"), put(Space::Job, "c", "2")],
        );
        assert_eq!(engine.commit(stale).await, Err(CommitError::Conflict(1)), "{name}");
        let found = engine.get(&key(Space::Job, "a")).await.unwrap();
        assert_eq!(found, Some(Versioned { value: b"1".to_vec(), version }), "{name}");
        assert_eq!(engine.get(&key(Space::Job, "c")).await, Ok(None), "{name}");
        let good = batch(
            vec![Check::Version(key(Space::Job, "a"), version), Check::Absent(key(Space::Job, "c"))],
            vec![Write::Delete(key(Space::Job, "a")), put(Space::Job, "c", "3"), put(Space::Job, "c", "4")],
        );
        assert!(engine.commit(good).await.unwrap() > version, "{name}");
        assert_eq!(engine.get(&key(Space::Job, "a")).await, Ok(None), "{name}");
        assert_eq!(engine.get(&key(Space::Job, "c")).await.unwrap().unwrap().value, b"4", "{name}");
        assert_eq!(engine.counts().commits, 2, "{name}");
    }
}

#[tokio::test]
async fn a_scan_keeps_to_its_space_and_range() {
    for (name, engine, _folder) in engines() {
        let writes =
            [(Space::Job, "a"), (Space::Job, "b"), (Space::Job, "ba"), (Space::Job, "c"), (Space::JobSecret, "b")];
        let writes = writes.into_iter().map(|(space, name)| put(space, name, "")).collect();
        engine.commit(batch(vec![], writes)).await.unwrap();
        let cases: [(&str, Option<&str>, usize, &[&str]); 5] = [
            ("", None, 9, &["a", "b", "ba", "c"]),
            ("b", None, 2, &["b", "ba"]),
            ("b", Some("c"), 9, &["b", "ba"]),
            ("c", Some("a"), 9, &[]),
            ("", None, 0, &[]),
        ];
        for (from, to, limit, expected) in cases {
            let found = engine.scan(Space::Job, from.as_bytes(), to.map(str::as_bytes), limit).await.unwrap();
            let keys: Vec<_> = found.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect();
            assert_eq!(keys, expected, "{name}: {from} to {to:?}");
        }
    }
}

#[tokio::test]
async fn bodies_stay_with_their_commit_and_go_without() {
    for (name, engine, _folder) in engines() {
        for size in [10, body::INLINE, body::INLINE + 1, 3 * body::INLINE] {
            let id = |n| MessageId([n; 16]);
            let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let write = async |id| {
                let mut writer = engine.new_body(id).unwrap();
                for part in bytes.chunks(40_000) {
                    writer.write(part).await.unwrap();
                }
                writer.finish().await.unwrap()
            };
            let large = size > body::INLINE;
            // Refused: it comes back; dropped then, it is gone.
            let sealed = write(id(1)).await;
            assert_eq!((sealed.message(), sealed.len()), (id(1), size as u64));
            assert_eq!(sealed.inline(), (!large).then_some(bytes.as_slice()));
            let never = batch(vec![Check::Version(key(Space::Job, "none"), 1)], vec![]);
            let refused = engine.commit_body(never, sealed).await.unwrap_err();
            assert_eq!(refused.error, CommitError::Conflict(0));
            let sealed = refused.body.unwrap();
            // Taken: it stays.
            engine.commit_body(batch(vec![], vec![]), sealed).await.unwrap();
            drop(write(id(2)).await);
            let mut left = engine.new_body(id(3)).unwrap();
            left.write(&bytes).await.unwrap();
            drop(left);
            assert_eq!(engine.bodies().await.unwrap(), if large { vec![id(1)] } else { vec![] }, "{name} {size}");
            if large {
                let reader = engine.open_body(id(1)).await.unwrap().unwrap();
                assert_eq!((reader.len(), reader.read_at(0, size).await.unwrap()), (size as u64, bytes.clone()));
                assert_eq!(reader.read_at(70_000, 9).await.ok(), bytes.get(70_000..70_009).map(<[u8]>::to_vec));
                for (offset, len) in [(size as u64, 1), (u64::MAX, 2), (1, usize::MAX)] {
                    assert!(matches!(reader.read_at(offset, len).await, Err(StoreError::Damaged(_))), "{name}");
                }
            }
            engine.remove_body(id(1)).await.unwrap();
            engine.remove_body(id(1)).await.unwrap();
            assert!(engine.open_body(id(1)).await.unwrap().is_none(), "{name}");
        }
    }
}

#[tokio::test]
async fn a_closed_engine_answers_not_ready() {
    for (name, engine, _folder) in engines() {
        assert_eq!(engine.health(), Health::Ready);
        engine.close().await;
        engine.close().await;
        assert_eq!(engine.health(), Health::Closed, "{name}");
        assert!(matches!(engine.get(&key(Space::Job, "a")).await, Err(StoreError::NotReady(_))), "{name}");
        assert!(matches!(engine.scan(Space::Job, b"", None, 1).await, Err(StoreError::NotReady(_))), "{name}");
        let refused = engine.commit(batch(vec![], vec![])).await;
        assert!(matches!(refused, Err(CommitError::Store(StoreError::NotReady(_)))), "{name}");
        assert!(matches!(engine.new_body(MessageId([1; 16])), Err(StoreError::NotReady(_))), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_share_a_sync_and_none_is_counted_twice() {
    let bench = Bench::new();
    let engine = Arc::new(bench.engine.unwrap());
    let tries = key(Space::GrantTries, "g");
    let entropy = Arc::new(SeededEntropy::new(1));
    let tasks = (0..64).map(|task| {
        let (engine, tries, entropy) = (Arc::clone(&engine), tries.clone(), Arc::clone(&entropy));
        tokio::spawn(async move {
            let own = key(Space::Job, &format!("{task}"));
            for _ in 0..10 {
                let value = crate::base::entropy::random::<32>(entropy.as_ref()).to_vec();
                engine.commit(batch(vec![], vec![Write::Put(own.clone(), value)])).await.unwrap();
            }
            loop {
                let found = engine.get(&tries).await.unwrap();
                let (check, count) = match &found {
                    Some(found) => (Check::Version(tries.clone(), found.version), found.value[0]),
                    None => (Check::Absent(tries.clone()), 0),
                };
                match engine.commit(batch(vec![check], vec![Write::Put(tries.clone(), vec![count + 1])])).await {
                    Ok(_) => break,
                    Err(CommitError::Conflict(0)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    for done in join_all(tasks).await {
        done.unwrap();
    }
    assert_eq!(engine.get(&tries).await.unwrap().unwrap().value, [64]);
    let counts = engine.counts();
    assert_eq!(counts.commits, 64 * 11);
    assert!(counts.syncs * 2 < counts.commits, "{counts:?}");
    drop(bench.folder);
}
