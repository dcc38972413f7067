//! Damage that is found at start: torn tails, flipped bits, a lost index.

use super::*;

#[tokio::test]
async fn a_torn_tail_is_cut_at_every_byte() {
    let (folder, frames) = killed(4).await;
    let path = segments(folder.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    for len in 0..=whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        let ends: Vec<u64> = frames.iter().skip(1).copied().chain([whole.len() as u64]).collect();
        let survivors: Vec<usize> = (0..4).filter(|n| ends[*n] <= len as u64).collect();
        let (found, report) = recovered(folder.path(), 4);
        assert_eq!(found, survivors, "cut at {len}");
        let start = segment::START.min(len as u64);
        let end = survivors.last().map_or(start, |last| ends[*last]);
        assert_eq!(report.cut, len as u64 - end, "cut at {len}");
        let torn_opening = if len > 0 && (len as u64) < segment::START { 0 } else { report.quarantined.len() };
        assert_eq!(torn_opening, 0, "cut at {len}: {report:?}");
        // Once cut it is whole.
        assert_eq!(recovered(folder.path(), 4), (survivors, OpenReport::default()), "cut at {len}, again");
    }
}

#[tokio::test]
async fn a_damaged_frame_in_the_middle_is_quarantined_and_the_rest_serves() {
    let (folder, frames) = killed(4).await;
    let path = segments(folder.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    let (from, to) = (usize::try_from(frames[1]).unwrap(), usize::try_from(frames[2]).unwrap());
    for at in from..to {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        let (found, report) = recovered(folder.path(), 4);
        let rest = |found: &[usize]| found.iter().copied().filter(|n| *n != 1).collect::<Vec<_>>();
        assert_eq!(rest(&found), [0, 2, 3], "byte {at}");
        assert_eq!((report.cut, report.quarantined), (0, vec![format!("1:{from}")]), "byte {at}");
        let name = format!("{:016x}-{from:012x}.damaged", 1);
        assert_eq!(fs::read(folder.path().join("quarantine").join(name)).unwrap(), bytes[from..to], "byte {at}");
    }
}

#[tokio::test]
async fn a_damaged_value_is_damaged_and_no_older_one_comes_back() {
    let live = tempfile::tempdir().unwrap();
    let (engine, _) = open(live.path());
    for (name, value) in [("a", "old"), ("a", "newest"), ("b", "other")] {
        engine.commit(put(name, value)).await.unwrap();
    }
    engine.close().await;
    drop(engine);
    let path = segments(live.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(6).position(|window| window == b"newest").unwrap();
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    fs::remove_dir_all(live.path().join("index")).unwrap();
    let (engine, report) = open(live.path());
    assert_eq!(report.quarantined.len(), 1);
    assert!(matches!(engine.get(&key("a")).await, Err(StoreError::Damaged(_))));
    let rest = engine.scan(Space::Job, b"", None, 9).await.unwrap();
    assert_eq!(rest.iter().map(|(key, _)| key.as_slice()).collect::<Vec<_>>(), [b"b"]);
    engine.commit(put("a", "again")).await.unwrap();
    assert_eq!(value(&engine, "a").await.as_deref(), Some("again"));
}

#[tokio::test]
async fn an_index_that_is_gone_or_rubbish_is_made_again() {
    type Harm = fn(&Path);
    const YOUNG: &str = "young-00000001/db";
    fn shorten(index: &Path, tenths: u64) {
        let len = fs::metadata(index.join(YOUNG)).unwrap().len();
        fs::File::options().write(true).open(index.join(YOUNG)).unwrap().set_len(len * tenths / 10).unwrap();
    }
    let harms: [(&str, &str, Harm); 12] = [
        ("deleted", "missing", |index| fs::remove_dir_all(index).unwrap()),
        ("a file", "index", |index| fs::remove_dir_all(index).and_then(|()| fs::write(index, "rubbish")).unwrap()),
        ("cut to 9/10", "", |index| shorten(index, 9)),
        ("cut to 5/10", "", |index| shorten(index, 5)),
        ("cut to 1/10", "", |index| shorten(index, 1)),
        ("zeroed in the middle", "", |index| {
            let mut bytes = fs::read(index.join(YOUNG)).unwrap();
            let (from, to) = (bytes.len() / 4, bytes.len() / 2);
            bytes[from..to].fill(0);
            fs::write(index.join(YOUNG), bytes).unwrap();
        }),
        ("rubbish in its pages", "", |index| {
            let rubbish: Vec<u8> = (0..fs::metadata(index.join(YOUNG)).unwrap().len())
                .map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56).to_le_bytes()[0])
                .collect();
            fs::write(index.join(YOUNG), rubbish).unwrap();
        }),
        ("without its list", "never finished", |index| fs::remove_file(index.join("runs")).unwrap()),
        ("with a list that is rubbish", "list", |index| fs::write(index.join("runs"), "rubbish").unwrap()),
        ("without its young part", "0 young parts", |index| fs::remove_dir_all(index.join("young-00000001")).unwrap()),
        ("emptied", "", |index| fs::write(index.join(YOUNG), "").unwrap()),
        ("rubbish", "", |index| {
            let young = fs::read_dir(index.join("young-00000001")).unwrap();
            for entry in young.map(Result::unwrap).filter(|entry| entry.path().is_file()) {
                let len = usize::try_from(entry.metadata().unwrap().len()).unwrap();
                let rubbish: Vec<u8> = (0..len).map(|at| (at * 31 % 251).to_le_bytes()[0]).collect();
                fs::write(entry.path(), rubbish).unwrap();
            }
        }),
    ];
    for (name, reason, harm) in harms {
        let folder = tempfile::tempdir().unwrap();
        let (engine, report) = open(folder.path());
        assert_eq!(report, OpenReport::default());
        for n in 0..50 {
            let writes = (0..40).map(|m| Write::Put(key(&format!("k{n}-{m}")), format!("v{n}-{m}").into_bytes()));
            engine.commit(Batch { checks: vec![], writes: writes.collect() }).await.unwrap();
        }
        let expected = engine.scan(Space::Job, b"", None, 9999).await.unwrap();
        engine.close().await;
        drop(engine);
        harm(&folder.path().join("index"));
        let (engine, report) = open(folder.path());
        match &report.rebuilt {
            Some(why) => assert!(why.contains(reason), "{name}: {report:?}"),
            // sled may take a shortened file for what it was earlier: right then, and the journal brings the rest.
            None => assert!(report.replayed > 0 && reason.is_empty(), "{name}: {report:?}"),
        }
        assert!(engine.scan(Space::Job, b"", None, 9999).await.unwrap() == expected, "{name}: {report:?}");
        drop(engine);
        assert_eq!(open(folder.path()).1.rebuilt, None, "{name}, afterwards");
    }
}

#[tokio::test]
async fn an_index_that_knows_more_than_the_journal_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = open(folder.path());
    engine.commit(put("a", "1")).await.unwrap();
    let len = fs::metadata(&segments(folder.path())[0]).unwrap().len();
    engine.commit(put("b", "2")).await.unwrap();
    drop(engine);
    fs::File::options().write(true).open(&segments(folder.path())[0]).unwrap().set_len(len).unwrap();
    let (engine, report) = open(folder.path());
    assert!(report.rebuilt.unwrap().contains("beyond the journal's end"));
    assert_eq!(report.lost, [Loss::Tail(1, len)]);
    assert_eq!((value(&engine, "a").await.as_deref(), value(&engine, "b").await), (Some("1"), None));
    engine.commit(put("c", "3")).await.unwrap();
    drop(engine);
    let (engine, _) = open(folder.path());
    engine.commit(put("d", "4")).await.unwrap();
    drop(engine);
    // A whole segment that is gone.
    fs::remove_file(&segments(folder.path())[1]).unwrap();
    let (engine, report) = open(folder.path());
    assert!(report.rebuilt.unwrap().contains("names segment 2, which is missing"));
    let found = [value(&engine, "a").await, value(&engine, "c").await, value(&engine, "d").await];
    assert_eq!(found, [Some("1".to_owned()), None, Some("4".to_owned())]);
}

#[tokio::test]
async fn the_note_on_the_index_decides_whether_it_is_believed() {
    let cases = [
        ("clean\n", None),
        ("running boot=another mount=1 device=1\n", Some("stopped while this was in use")),
        ("rebuild a disk error\n", Some("a disk error")),
        ("", Some("no note")),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (commits, (note, reason)) in (1..).zip(cases) {
        let (engine, _) = open(folder.path());
        engine.commit(put("a", "1")).await.unwrap();
        let running = fs::read_to_string(folder.path().join("index.state")).unwrap();
        assert!(running.starts_with("running boot="), "{running}");
        drop(engine);
        let clean = fs::read_to_string(folder.path().join("index.state")).unwrap();
        assert!(clean.starts_with(&format!("clean\nsynced {commits} ")) && clean.lines().count() == 2, "{clean}");
        fs::write(folder.path().join("index.state"), note).unwrap();
        let (engine, report) = open(folder.path());
        assert_eq!(report.rebuilt.is_some(), reason.is_some(), "{note}");
        assert!(report.rebuilt.unwrap_or_default().contains(reason.unwrap_or_default()), "{note}");
        assert_eq!(value(&engine, "a").await.as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn segments_are_closed_with_footers_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let small = Options { segment_size: 600, ..options() };
    let (engine, _) = open_with(folder.path(), &small);
    for n in 0..40 {
        engine.commit(put(&format!("k{}", n % 20), &format!("v{n}"))).await.unwrap();
        if n % 7 == 0 {
            let gone = Batch { checks: vec![], writes: vec![Write::Delete(key(&format!("k{}", n % 20)))] };
            engine.commit(gone).await.unwrap();
        }
    }
    let expected = engine.scan(Space::Job, b"", None, 99).await.unwrap();
    drop(engine);
    let paths = segments(folder.path());
    assert!(paths.len() > 5, "{paths:?}");
    let closed = paths.iter().filter(|path| segment_of(path).footer().is_some()).count();
    assert_eq!(closed, paths.len() - 1);
    // By footers; then one footer is damaged, and its segment's frames tell the same.
    for damage in [false, true] {
        fs::remove_dir_all(folder.path().join("index")).unwrap();
        if damage {
            let footer = segment_of(&paths[2]).footer().unwrap().offset;
            let mut bytes = fs::read(&paths[2]).unwrap();
            bytes[usize::try_from(footer).unwrap() + 90] ^= 1;
            fs::write(&paths[2], bytes).unwrap();
        }
        let (engine, report) = open_with(folder.path(), &small);
        assert!(report.rebuilt.is_some());
        assert!(report.quarantined.is_empty(), "{report:?}");
        assert_eq!(engine.scan(Space::Job, b"", None, 99).await.unwrap(), expected);
    }
}
