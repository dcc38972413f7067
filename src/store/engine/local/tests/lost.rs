//! Parts of the journal that are gone: what is told of them, what is kept for them, and what happens when they come back.

use super::*;

fn gone(name: &str) -> Batch {
    Batch { checks: vec![], writes: vec![Write::Delete(key(name))] }
}

/// Three segments, each of a run of its own, with two keys each.
async fn three() -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..3 {
        let (engine, _) = open(folder.path());
        engine.commit(put(&format!("k{n}"), "v")).await.unwrap();
        engine.commit(put("same", &format!("{n}"))).await.unwrap();
        engine.close().await;
    }
    let paths = segments(folder.path());
    (folder, paths)
}

async fn all(engine: &Local) -> Vec<(String, String)> {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let found = engine.scan(Space::Job, b"", None, 99).await.unwrap();
    found.into_iter().map(|(key, found)| (text(key), text(found.value))).collect()
}

#[tokio::test]
async fn what_is_put_back_is_taken_in_and_not_compacted_away() {
    for noted in [true, false] {
        let (folder, paths) = three().await;
        let (engine, _) = open(folder.path());
        let mut expected = all(&engine).await;
        expected.push(("meanwhile".to_owned(), "v".to_owned()));
        expected.sort();
        drop(engine);
        let aside = fs::read(&paths[2]).unwrap();
        fs::remove_file(&paths[2]).unwrap();
        let (engine, report) = open(folder.path());
        assert_eq!((report.lost, value(&engine, "k2").await), (vec![Loss::Segment(3)], None));
        engine.commit(put("meanwhile", "v")).await.unwrap();
        engine.close().await;
        drop(engine);
        fs::write(&paths[2], aside).unwrap();
        if !noted {
            fs::remove_file(folder.path().join("quarantine").join(format!("{:016x}.missing", 3))).unwrap();
        }
        let (engine, report) = open(folder.path());
        assert!(report.lost.is_empty());
        assert_eq!(report.returned, if noted { vec![3] } else { vec![] });
        let why = if noted { "segment 3, which was missing, is back" } else { "made without segment 3" };
        assert_eq!(report.rebuilt.as_deref().map(|reason| reason.contains(why)), Some(true), "{:?}", report.rebuilt);
        assert_eq!(all(&engine).await, expected, "noted {noted}");
        engine.compact().await.unwrap();
        assert_eq!(all(&engine).await, expected, "noted {noted}");
        engine.close().await;
        drop(engine);
        let (engine, report) = open(folder.path());
        assert_eq!(report, OpenReport::default());
        assert_eq!(all(&engine).await, expected, "noted {noted}");
        // And it is missed again when it goes once more.
        engine.close().await;
        drop(engine);
        if paths[2].exists() {
            fs::remove_file(&paths[2]).unwrap();
            assert_eq!(open(folder.path()).1.lost, [Loss::Segment(3)], "noted {noted}");
        }
    }
}

#[tokio::test]
async fn a_segment_of_which_nothing_counts_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(folder.path());
    engine.commit(put("a", "1")).await.unwrap();
    engine.close().await;
    drop(engine);
    // Among them sizes with which the newest, which has no footer yet, holds some deletions and is not the run's first.
    for segment_size in [options().segment_size, 1, 150, 200, 250, 300] {
        let (engine, report) = open_with(folder.path(), &Options { segment_size, ..options() });
        assert_eq!(report, OpenReport::default());
        for _ in 0..3 {
            engine.commit(gone("b")).await.unwrap();
        }
        engine.close().await;
    }
    assert_eq!(open(folder.path()).1, OpenReport::default());
}

/// What was deleted while a segment was missing stays so.
#[tokio::test]
async fn deletions_outlive_compaction_while_a_segment_is_missing() {
    let (folder, paths) = three().await;
    let aside = fs::read(&paths[1]).unwrap();
    fs::remove_file(&paths[1]).unwrap();
    let (engine, report) = open(folder.path());
    assert_eq!(report.lost, [Loss::Segment(2)]);
    for name in ["k1", "k2", "same"] {
        engine.commit(gone(name)).await.unwrap();
    }
    engine.close().await;
    for _ in 0..3 {
        let (engine, _) = open(folder.path());
        engine.commit(put("other", "v")).await.unwrap();
        engine.compact().await.unwrap();
        engine.close().await;
    }
    assert!(!paths[2].exists(), "nothing was compacted");
    fs::write(&paths[1], aside).unwrap();
    let (engine, report) = open(folder.path());
    assert_eq!(report.returned, [2]);
    let names: Vec<String> = all(&engine).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["k0", "other"]);
}

/// A file without a frame is as good as none: told at the start, and kept.
#[tokio::test]
async fn a_segment_that_is_emptied_counts_as_missing() {
    for (at, what) in [1, 2].into_iter().flat_map(|at| ["empty", "short", "opening", "zeros"].map(|what| (at, what))) {
        let (folder, paths) = three().await;
        let whole = fs::read(&paths[at]).unwrap();
        let harmed = match what {
            "empty" => Vec::new(),
            "short" => whole[..30].to_vec(),
            "opening" => whole[..64].to_vec(),
            _ => vec![0; whole.len()],
        };
        fs::write(&paths[at], &harmed).unwrap();
        let (engine, report) = open(folder.path());
        let id = at as u64 + 1;
        // Of the newest the disk gives zeros: that is damage, and told as such.
        let told = report.lost == [Loss::Segment(id)] || (at == 2 && what == "zeros" && !report.quarantined.is_empty());
        assert!(told, "{what} {id}: {report:?}");
        engine.close().await;
        drop(engine);
        if report.lost.is_empty() {
            continue;
        }
        fs::write(&paths[at], whole).unwrap();
        let (engine, report) = open(folder.path());
        assert_eq!((report.lost, report.returned), (vec![], vec![id]), "{what}");
        assert_eq!(value(&engine, &format!("k{at}")).await.as_deref(), Some("v"), "{what}");
    }
}

/// Wherever the newest segment is cut: what the index proves to have been there is told, and nothing else.
#[tokio::test]
async fn an_acknowledged_end_that_is_gone_is_told() {
    let (whole, _) = three().await;
    let bytes = fs::read(segments(whole.path()).last().unwrap()).unwrap();
    let frames = segment_of(segments(whole.path()).last().unwrap()).scan(None).unwrap().frames;
    let last = frames.iter().rfind(|found| found.header.head.kind == frame::Kind::Group).unwrap();
    let end = usize::try_from(last.offset + last.header.len()).unwrap();
    for len in 65..bytes.len() {
        let folder = tempfile::tempdir().unwrap();
        copy(whole.path(), folder.path());
        fs::write(segments(folder.path()).last().unwrap(), &bytes[..len]).unwrap();
        let (engine, report) = open(folder.path());
        assert_eq!(report.lost.is_empty(), len >= end, "cut at {len}: {report:?}");
        assert!(len < end || report.quarantined.is_empty(), "cut at {len}: {report:?}");
        let told = report.lost;
        engine.commit(put("more", "v")).await.unwrap();
        engine.close().await;
        drop(engine);
        // Told on until it is given up.
        let (engine, report) = open(folder.path());
        assert_eq!((&report.lost, report.rebuilt), (&told, None), "cut at {len}");
        assert_eq!(value(&engine, "more").await.as_deref(), Some("v"));
        for loss in told {
            engine.give_up(loss).await.unwrap();
        }
        assert!(engine.losses().is_empty());
        engine.close().await;
        drop(engine);
        // What stands there by half is still no frame, and told as that.
        let (_, report) = open(folder.path());
        assert_eq!((report.lost, report.rebuilt, report.cut), (vec![], None, 0), "cut at {len}");
    }
}

/// Also where it ends between two frames.
#[tokio::test]
async fn an_earlier_segment_that_ends_too_early_is_told() {
    let (folder, paths) = three().await;
    let second = segment_of(&paths[1]).scan(None).unwrap().frames[1].offset;
    fs::File::options().write(true).open(&paths[1]).unwrap().set_len(second).unwrap();
    assert_eq!(open(folder.path()).1.lost, [Loss::Tail(2, second)]);
    assert_eq!(open(folder.path()).1.lost, [Loss::Tail(2, second)]);
}

/// The last frames before a kill are proven by no header, but by the index.
#[tokio::test]
async fn a_damaged_frame_that_the_index_has_is_not_cut() {
    for (at, other) in [(2, 3), (3, 2)] {
        let (live, dead) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (engine, _) = open(live.path());
        for n in 0..4 {
            engine.commit(put(&format!("k{n}"), &format!("v{n}"))).await.unwrap();
        }
        engine.shared.index().unwrap().flush().unwrap();
        copy(live.path(), dead.path());
        let path = segments(dead.path()).remove(0);
        let frame = segment_of(&path).scan(None).unwrap().frames[at];
        let mut bytes = fs::read(&path).unwrap();
        bytes[usize::try_from(frame.offset + frame.header.len()).unwrap() - 1] ^= 1;
        fs::write(&path, bytes).unwrap();
        let (engine, report) = open(dead.path());
        assert_eq!((report.cut, report.quarantined.len(), report.lost), (0, 1, vec![]), "frame {at}");
        assert_eq!(value(&engine, &format!("k{other}")).await, Some(format!("v{other}")), "frame {at}");
        let damaged = engine.get(&key(&format!("k{at}"))).await;
        assert!(matches!(damaged, Err(StoreError::Damaged(_))), "frame {at}: {damaged:?}");
    }
}

/// A clean stop says how far the journal went, also to a start that finds no index to ask.
#[tokio::test]
async fn an_acknowledged_end_is_missed_without_an_index_too() {
    let (whole, _) = three().await;
    let bytes = fs::read(segments(whole.path()).last().unwrap()).unwrap();
    let frames = segment_of(segments(whole.path()).last().unwrap()).scan(None).unwrap().frames;
    let groups: Vec<_> = frames.iter().filter(|found| found.header.head.kind == frame::Kind::Group).collect();
    let last = usize::try_from(groups[1].offset).unwrap();
    let newest = groups[1].header.head.last();
    for (what, len) in [("inside the last frame", last + 9), ("between two", last), ("all but its opening", 64)] {
        for index in ["gone", "of another boot"] {
            let folder = tempfile::tempdir().unwrap();
            copy(whole.path(), folder.path());
            fs::write(segments(folder.path()).last().unwrap(), &bytes[..len]).unwrap();
            let note = folder.path().join("index.state");
            if index == "gone" {
                fs::remove_dir_all(folder.path().join("index")).unwrap();
            } else {
                let text = fs::read_to_string(&note).unwrap();
                fs::write(&note, text.replace("clean", "running boot=another mount=1 device=1")).unwrap();
            }
            for start in 0..2 {
                let (engine, report) = open(folder.path());
                let told = matches!(report.lost[..], [Loss::Tail(..) | Loss::Segment(3)]);
                assert!(told && report.cut == 0, "{what}, {index}, start {start}: {report:?}");
                assert_eq!(value(&engine, "same").await.as_deref(), Some("1"), "{what}, {index}, start {start}");
                drop(engine);
            }
            let (engine, report) = open(folder.path());
            for loss in report.lost {
                engine.give_up(loss).await.unwrap();
            }
            engine.commit(put("more", "v")).await.unwrap();
            let version = engine.get(&key("more")).await.unwrap().unwrap().version;
            assert!(version > newest, "{what}, {index}: the numbers of what is lost are not used again");
            engine.close().await;
            drop(engine);
            assert_eq!(open(folder.path()).1, OpenReport::default(), "{what}, {index}: told until it is given up");
        }
    }
    // The whole journal.
    let folder = tempfile::tempdir().unwrap();
    copy(whole.path(), folder.path());
    fs::remove_dir_all(folder.path().join("index")).unwrap();
    fs::remove_dir_all(folder.path().join("journal")).unwrap();
    assert_eq!(open(folder.path()).1.lost, [Loss::Tail(0, 0)]);
}

/// A note that the disk changed says nothing.
#[tokio::test]
async fn a_damaged_note_tells_of_no_loss() {
    let (whole, _) = three().await;
    let note = fs::read(whole.path().join("index.state")).unwrap();
    for at in 0..note.len() {
        for bit in [0, 1, 3] {
            let folder = tempfile::tempdir().unwrap();
            copy(whole.path(), folder.path());
            let mut changed = note.clone();
            changed[at] ^= 1 << bit;
            fs::write(folder.path().join("index.state"), changed).unwrap();
            let (engine, report) = open(folder.path());
            assert!(report.lost.is_empty() && report.quarantined.is_empty(), "byte {at}, bit {bit}: {report:?}");
            assert_eq!(value(&engine, "k2").await.as_deref(), Some("v"));
        }
    }
}

/// Bytes that are no text in one line of the note spoil no other; a number that no journal reaches is believed by nobody.
#[tokio::test]
async fn a_strange_note_hides_no_loss_and_makes_none() {
    let (whole, paths) = three().await;
    let line = |number: u64| format!("synced {number:x} {:08x}\n", crc32c::crc32c(&number.to_le_bytes())).into_bytes();
    let note = fs::read(whole.path().join("index.state")).unwrap();
    let first = note.iter().position(|byte| *byte == b'\n').unwrap();
    let folder = tempfile::tempdir().unwrap();
    copy(whole.path(), folder.path());
    let newest = folder.path().join("journal").join(paths[2].file_name().unwrap());
    fs::File::options().write(true).open(newest).unwrap().set_len(64).unwrap();
    fs::write(folder.path().join("index.state"), [&[0xff, 0xfe][..], &note[2..]].concat()).unwrap();
    let report = open(folder.path()).1;
    assert!(!report.lost.is_empty() && report.rebuilt.is_some(), "{report:?}");
    for number in [u64::MAX, u64::MAX - 1, 1 << 63] {
        let folder = tempfile::tempdir().unwrap();
        copy(whole.path(), folder.path());
        fs::write(folder.path().join("index.state"), [&note[..=first], &line(number)].concat()).unwrap();
        let (engine, report) = open(folder.path());
        assert_eq!(report, OpenReport::default(), "{number}");
        engine.commit(put("more", "v")).await.unwrap();
        engine.close().await;
        drop(engine);
        let (engine, report) = open(folder.path());
        assert_eq!((report, value(&engine, "more").await.as_deref()), (OpenReport::default(), Some("v")), "{number}");
    }
}

/// A copy that is put back may be older than an erasure: what was overwritten since, or replaced while it was missing, goes from it too.
#[tokio::test]
async fn what_comes_back_with_a_segment_and_no_longer_counts_is_overwritten() {
    use super::erase::{holders, put_lock};
    let folder = tempfile::tempdir().unwrap();
    let commit = async |batches: &[Batch]| {
        let (engine, report) = open(folder.path());
        for batch in batches {
            engine.commit(batch.clone()).await.unwrap();
        }
        engine.close().await;
        report
    };
    commit(&[put_lock("a", "first-of-a"), put_lock("b", "first-of-b"), put_lock("c", "first-of-c")]).await;
    let first = segments(folder.path()).remove(0);
    let aside = fs::read(&first).unwrap();
    commit(&[put_lock("a", "second-of-a")]).await;
    assert!(holders(folder.path(), "first-of-a").is_empty());
    fs::remove_file(&first).unwrap();
    assert_eq!(commit(&[put_lock("b", "second-of-b")]).await.lost, [Loss::Segment(1)]);
    fs::write(&first, aside).unwrap();
    assert_eq!(commit(&[]).await.returned, [1]);
    for gone in ["first-of-a", "first-of-b"] {
        assert!(holders(folder.path(), gone).is_empty(), "{gone}");
    }
    assert_eq!(holders(folder.path(), "first-of-c"), [first]);
}

/// A line of the list of removed segments that changed names none: its segment is missed, which is told, and nothing else is wrong.
#[tokio::test]
async fn a_changed_list_of_removed_segments_is_told_at_start() {
    let (whole, _) = three().await;
    let (engine, _) = open(whole.path());
    engine.commit(gone("k0")).await.unwrap();
    engine.compact().await.unwrap();
    let expected = all(&engine).await;
    engine.close().await;
    drop(engine);
    // A start drops the numbers that nothing names any more.
    let (engine, report) = open(whole.path());
    assert_eq!(report, OpenReport::default());
    engine.close().await;
    drop(engine);
    let path = whole.path().join("journal/removed");
    let bytes = fs::read(&path).unwrap();
    let name = std::str::from_utf8(&bytes).unwrap().split(' ').next().unwrap();
    let lost = Loss::Segment(u64::from_str_radix(name, 16).unwrap());
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    for at in 0..end {
        let folder = tempfile::tempdir().unwrap();
        copy(whole.path(), folder.path());
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        fs::write(folder.path().join("journal/removed"), changed).unwrap();
        for start in 0..2 {
            let (engine, report) = open(folder.path());
            assert_eq!((report.lost, report.quarantined.len()), (vec![lost], 0), "byte {at}, start {start}");
            assert_eq!(all(&engine).await, expected, "byte {at}");
            engine.close().await;
        }
        let (engine, _) = open(folder.path());
        engine.give_up(lost).await.unwrap();
        engine.close().await;
        drop(engine);
        assert_eq!(open(folder.path()).1, OpenReport::default(), "byte {at}");
    }
}
