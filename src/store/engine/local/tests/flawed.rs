//! Damage within closed segments: found by a check, and no reason to keep a segment for ever.

use super::compact::{delete, filled, holds, set, small, state};
use super::*;
use crate::store::progress::Progress;

/// Flips a bit.
fn flip(path: &Path, at: u64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[usize::try_from(at).unwrap()] ^= 1;
    // In place: whoever has it open sees the same.
    fs::File::options().write(true).open(path).unwrap().write_all_at(&bytes, 0).unwrap();
}

/// A part of a closed segment to spoil.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Trailer,
    FooterHeader,
    FooterTable,
    Table,
    Header,
}

fn spoil(path: &Path, part: Part) {
    let segment = segment_of(path);
    let footer = segment.scan(None).unwrap().frames.pop().unwrap().offset;
    flip(
        path,
        match part {
            Part::Trailer => segment.len().unwrap() - 3,
            Part::FooterHeader => footer + 9,
            Part::FooterTable => footer + frame::HEADER as u64 + 1,
            Part::Header => segment::START + 9,
            Part::Table => segment::START + frame::HEADER as u64 + 1,
        },
    );
}

const FLAWS: [&[Part]; 7] = [
    &[Part::Trailer],
    &[Part::FooterHeader],
    &[Part::FooterTable],
    &[Part::Table],
    &[Part::Header],
    &[Part::FooterTable, Part::Table],
    &[Part::Trailer, Part::Header],
];

async fn audited(engine: &Local) -> crate::store::engine::Frames {
    engine.audit(&Arc::new(Progress::default())).await.unwrap()
}

#[tokio::test]
async fn a_flawed_segment_is_reported_and_compacted_like_any_other() {
    for (parts, restarts) in FLAWS.iter().flat_map(|parts| [(parts, false), (parts, true)]) {
        let folder = tempfile::tempdir().unwrap();
        let (engine, expected) = filled(folder.path()).await;
        // One with what was put and one with what was deleted.
        let closed = segments(folder.path());
        let harmed = [closed[1].clone(), closed[closed.len() * 2 / 3].clone()];
        assert!(audited(&engine).await.damaged.is_empty());
        let mut engine = Some(engine);
        if restarts {
            drop(engine.take());
        }
        // Where several parts are, the last ones first: a scan finds the footer yet.
        for path in &harmed {
            parts.iter().rev().for_each(|part| spoil(path, *part));
        }
        let engine = engine.unwrap_or_else(|| open_with(folder.path(), &small()).0);
        if !restarts {
            let damaged = audited(&engine).await.damaged;
            assert_eq!(damaged.len(), 2 * parts.len(), "{parts:?}: {damaged:?}");
        }
        assert!(state(&engine).await == expected, "{parts:?} {restarts}");
        engine.compact().await.unwrap();
        assert!(harmed.iter().all(|path| !path.exists()), "{parts:?} {restarts}");
        assert!(state(&engine).await == expected, "{parts:?} {restarts}");
        drop(engine);
        holds(folder.path(), &expected).await;
    }
}

#[tokio::test]
async fn a_start_gives_a_footer_its_trailer_back() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, expected) = filled(folder.path()).await;
    drop(engine);
    let path = segments(folder.path()).remove(1);
    let whole = fs::read(&path).unwrap();
    for cut in [false, true] {
        if cut {
            fs::File::options().write(true).open(&path).unwrap().set_len(whole.len() as u64 - 16).unwrap();
        } else {
            spoil(&path, Part::Trailer);
        }
        let (engine, report) = open_with(folder.path(), &small());
        assert_eq!((report.cut, report.quarantined), (0, vec![]), "{cut}");
        assert!(fs::read(&path).unwrap() == whole, "{cut}");
        assert!(state(&engine).await == expected, "{cut}");
    }
}

/// Its frame and the footer told it; the segment before holds the value and stays.
#[tokio::test]
async fn a_deletion_that_only_damaged_tables_told_outlives_its_segment() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open_with(folder.path(), &Options { segment_size: 20_000, ..options() });
    let long = "long".repeat(4950);
    engine.commit(put("gone", "first")).await.unwrap();
    engine.commit(put("stays", &long)).await.unwrap();
    engine.commit(delete(key("gone"))).await.unwrap();
    for name in ["other", "other", "third"] {
        engine.commit(put(name, &long)).await.unwrap();
    }
    let expected = state(&engine).await;
    let before = segments(folder.path());
    spoil(&before[1], Part::FooterTable);
    spoil(&before[1], Part::Table);
    engine.compact().await.unwrap();
    assert!(before[0].exists() && !before[1].exists());
    drop(engine);
    holds(folder.path(), &expected).await;
}

#[tokio::test]
async fn a_damaged_value_stays_damaged_where_it_is_moved_to() {
    let folder = tempfile::tempdir().unwrap();
    let lock = Key { space: Space::Lock, bytes: b"l".to_vec() };
    let (engine, _) = open_with(folder.path(), &small());
    engine.commit(put("plain", "an-older-value")).await.unwrap();
    engine.commit(put("plain", "a-plain-value")).await.unwrap();
    engine.commit(set(lock.clone(), "a-locked-value".to_owned())).await.unwrap();
    for n in 0..60 {
        engine.commit(put("k", &format!("value-{n}"))).await.unwrap();
    }
    let path = segments(folder.path()).remove(0);
    let bytes = fs::read(&path).unwrap();
    for value in ["a-plain-value", "a-locked-value"] {
        let at = bytes.windows(value.len()).position(|window| window == value.as_bytes()).unwrap();
        flip(&path, at as u64 + 3);
    }
    engine.compact().await.unwrap();
    assert!(!path.exists());
    let mut engine = engine;
    for remake in [false, true] {
        for key in [key("plain"), lock.clone()] {
            assert!(matches!(engine.get(&key).await, Err(StoreError::Damaged(_))), "{key:?} {remake}");
        }
        assert!(audited(&engine).await.damaged.is_empty(), "the frames are whole");
        drop(engine);
        fs::remove_dir_all(folder.path().join("index")).unwrap();
        engine = open_with(folder.path(), &small()).0;
    }
    engine.commit(put("plain", "again")).await.unwrap();
    assert_eq!(value(&engine, "plain").await.as_deref(), Some("again"));
}

#[tokio::test]
async fn a_journal_file_that_was_removed_or_replaced_is_found_and_one_that_was_compacted_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = filled(folder.path()).await;
    engine.compact().await.unwrap();
    assert_eq!(audited(&engine).await.displaced, Vec::<String>::new());
    let paths = segments(folder.path());
    let names: Vec<String> = paths
        .iter()
        .filter(|path| segment::number(path).is_some())
        .map(|path| segment::name(segment::number(path).unwrap()))
        .collect();
    fs::remove_file(&paths[0]).unwrap();
    let other = folder.path().join("other");
    fs::copy(&paths[1], &other).unwrap();
    fs::rename(&other, &paths[1]).unwrap();
    let found = audited(&engine).await;
    assert_eq!((found.displaced, found.damaged), (names[..2].to_vec(), vec![]));
}

#[tokio::test]
async fn a_damaged_line_of_the_removed_list_is_found_and_believed_by_nobody() {
    let root = tempfile::tempdir().unwrap();
    let (folder, _lock) = Folder::open(root.path(), Io::default()).unwrap();
    let list = root.path().join("journal/removed");
    for id in [1, 20, 0x300] {
        folder.note_removed(id, |_| true).unwrap();
    }
    assert_eq!((folder.removed(), folder.removed_damaged().unwrap()), ([1, 20, 0x300].into(), 0));
    let whole = fs::read(&list).unwrap();
    for at in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        fs::write(&list, bytes).unwrap();
        let (found, damaged) = (folder.removed(), folder.removed_damaged().unwrap());
        assert!(found.is_subset(&[1, 20, 0x300].into()), "bit {at}: {found:?}");
        // A digit in the other case is the same number.
        assert!(found.len() == 3 || damaged > 0, "bit {at}: {found:?}");
    }
    fs::write(&list, whole).unwrap();
    // What nothing names is dropped with the next.
    folder.note_removed(0x301, |id| id == 20).unwrap();
    assert_eq!(folder.removed(), [20, 0x301].into());
}
