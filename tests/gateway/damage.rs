//! Damage to the data folder while the gateway is down: what can be made again is, what cannot is set aside and told, and
//! everything else is served.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::browser::Browser;
use crate::support::client;
use crate::support::dice::Dice;
use crate::support::gateway::{Gateway, Site};
use crate::support::reader::{ANNA, code_for, letter, links_for, long_text};
use crate::support::sink::Sink;
use crate::support::until;

const HEADER: usize = 88;
/// Bytes of a segment before its first frame.
const START: usize = 64;

/// A mail and somebody who has it open.
struct Reader {
    to: String,
    marker: String,
    link: String,
    browser: Browser,
}

/// A site with mails that were acknowledged.
struct Archive {
    sink: Sink,
    site: Site,
    readers: Vec<Reader>,
}

impl Archive {
    /// Ends the open segment there.
    fn cut_at(&self, len: usize) {
        let (path, bytes) = self.open_segment();
        fs::write(&path, &bytes[..len]).unwrap();
    }

    /// Nothing is there of the mail of this reader, and all of the one before.
    fn has_not(&mut self, gateway: &Gateway, reader: usize) {
        self.check(gateway, &[reader]);
        let found = self.site.ask(&["message", "find", &self.readers[reader].to]);
        assert!(found["messages"].as_array().unwrap().is_empty(), "half a mail is there");
    }

    fn new() -> Self {
        let sink = Sink::start();
        let site = Site::new(sink.address, "");
        Self { sink, site, readers: Vec::new() }
    }

    /// Takes a mail of at least `bytes` in, and opens it.
    fn add(&mut self, gateway: &Gateway, bytes: usize) {
        let number = self.readers.len();
        let (to, marker) = (format!("lezer{number}@example.nl"), format!("kanarie-{number}."));
        let mail = letter(&format!("brief{number}"), "[veilig] brief", &long_text(&marker, bytes));
        let (_, reply) = client::send(gateway.smtp, ANNA, &[&to], &mail);
        assert_eq!(reply.code, 250, "{reply:?}");
        let link = links_for(&self.sink, &to, 1).remove(0);
        let code = code_for(&self.sink, ANNA, &to);
        let mut browser = Browser::new(gateway.page, "198.51.100.3");
        assert_eq!(browser.unlock(&link, &code).status, 303);
        self.rest();
        self.readers.push(Reader { to, marker, link, browser });
    }

    /// Waits until the gateway has nothing more to send.
    fn rest(&self) {
        until("everything is sent", || {
            self.site.ask(&["queue", "list"])["jobs"].as_array().unwrap().is_empty().then_some(())
        });
    }

    /// Every mail but those in `lost` is found and still open.
    fn check(&mut self, gateway: &Gateway, lost: &[usize]) {
        for (number, reader) in self.readers.iter_mut().enumerate() {
            reader.browser.moved_to(gateway.page);
            let original = reader.browser.get("/bericht/origineel.eml");
            let whole = original.status == 200 && original.text().contains(&format!("{} (einde)", reader.marker));
            assert_eq!(whole, !lost.contains(&number), "mail {number}: {}", original.head);
            let link = Browser::new(gateway.page, "198.51.100.4").get(&reader.link);
            if !lost.contains(&number) {
                assert_eq!(link.status, 200);
                let found = self.site.ask(&["message", "find", &reader.to]);
                assert_eq!(found["messages"].as_array().unwrap().len(), 1, "mail {number} is not found");
            }
        }
    }

    fn segments(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> =
            fs::read_dir(self.site.path("data/journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    /// The open segment of the journal and its bytes.
    fn open_segment(&self) -> (PathBuf, Vec<u8>) {
        let path = self.segments().pop().unwrap();
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    }

    /// What lies in quarantine.
    fn quarantine(&self) -> Vec<Vec<u8>> {
        let files = fs::read_dir(self.site.path("data/quarantine")).unwrap();
        files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
    }
}

/// Every file below `folder` with its bytes.
pub fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.insert(path.clone(), Vec::new());
            found.extend(snapshot(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

/// Keeps a copy of the data folder.
fn keep(site: &Site) {
    copy(&site.path("data"), &site.path("kept"));
}

/// Puts the data folder back as it was kept.
fn restore(site: &Site) {
    copy(&site.path("kept"), &site.path("data"));
}

fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// The frames of a segment: offset, length, and whether it holds records.
fn frames(segment: &[u8]) -> Vec<(usize, usize, bool)> {
    let (mut found, mut at) = (Vec::new(), START);
    let number = |at: usize| u32::from_le_bytes(segment[at..at + 4].try_into().unwrap()) as usize;
    while segment.get(at..at + 4) == Some(b"ZGLf") {
        let len = HEADER + number(at + 60) + number(at + 64) + number(at + 68);
        found.push((at, len, segment[at + 4] == 1));
        at += len;
    }
    assert_eq!(at, segment.len(), "the walk through the segment went wrong");
    found
}

type Harm = (&'static str, fn(&Path, &Dice));

/// Each file below `folder` becomes what `change` makes of it.
fn each_file(folder: &Path, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let files: Vec<_> = snapshot(folder).into_iter().filter(|(path, _)| path.is_file()).collect();
    assert!(!files.is_empty(), "no index to damage");
    for (path, bytes) in files {
        fs::write(path, change(bytes)).unwrap();
    }
}

/// What can happen to the index.
const HARM: [Harm; 7] = [
    ("deleted", |index, _| fs::remove_dir_all(index).unwrap()),
    ("emptied", |index, _| each_file(index, |_| Vec::new())),
    ("truncated", |index, _| each_file(index, |bytes| bytes[..bytes.len() / 2].to_vec())),
    ("rubbish", |index, dice| each_file(index, |bytes| dice.bytes(bytes.len()))),
    ("bits", |index, dice| {
        each_file(index, |mut bytes| {
            for _ in 0..(bytes.len() / 512).min(200) {
                let at = dice.index(bytes.len());
                bytes[at] ^= 1 << dice.below(8);
            }
            bytes
        });
    }),
    ("a file", |index, _| {
        fs::remove_dir_all(index).unwrap();
        fs::write(index, "rubbish").unwrap();
    }),
    ("no note", |index, _| fs::remove_file(index.with_extension("state")).unwrap()),
];

#[test]
fn an_index_that_is_gone_or_spoilt_is_made_again() {
    let dice = Dice::seeded(3);
    let mut archive = Archive::new();
    let gateway = archive.site.start();
    archive.add(&gateway, 1_000);
    archive.add(&gateway, 30_000);
    archive.add(&gateway, 200_000);
    assert!(gateway.stop().success());
    for killed in [false, true] {
        let gateway = archive.site.start();
        archive.check(&gateway, &[]);
        if killed {
            gateway.kill();
        } else {
            assert!(gateway.stop().success());
        }
        keep(&archive.site);
        for (name, harm) in HARM {
            restore(&archive.site);
            harm(&archive.site.path("data/index"), &dice);
            let gateway = archive.site.start();
            archive.check(&gateway, &[]);
            // Half a file may be as good as the whole.
            let told = gateway.log().contains("the index was rebuilt from the journal");
            assert!(told || ["truncated", "bits"].contains(&name), "{name}, killed {killed}: {}", gateway.log());
            assert!(gateway.stop().success(), "{name}");
        }
    }
    // What is made again also takes new mail.
    let gateway = archive.site.start();
    archive.add(&gateway, 1_000);
    archive.check(&gateway, &[]);
}

#[test]
fn a_torn_end_of_the_journal_is_cut() {
    let dice = Dice::seeded(4);
    let mut archive = Archive::new();
    let gateway = archive.site.start();
    archive.add(&gateway, 30_000);
    gateway.kill();
    keep(&archive.site);
    let (_, bytes) = archive.open_segment();
    let sealed = |at: usize| u32::from_le_bytes(bytes[at + 68..at + 72].try_into().unwrap()) as usize;
    let (at, len, _) = *frames(&bytes).iter().rfind(|(at, _, records)| *records && sealed(*at) > 0).unwrap();
    let (frame, erasable) = (&bytes[at..at + len], sealed(at));
    // What is kept of it: erasable values not, and nothing that no header explains.
    let kept = [&frame[..len - erasable], &vec![0; erasable]].concat();
    assert!(kept != frame);
    let tails: [(&str, Vec<u8>, &[u8]); 5] = [
        ("rubbish", dice.bytes(3_000), &[]),
        ("zeroes", vec![0; 4_096], &[]),
        ("half a header", frame[..HEADER / 2].to_vec(), &[]),
        ("half a frame", frame[..len / 2].to_vec(), &kept[..len / 2]),
        ("a frame again", frame.to_vec(), &kept),
    ];
    for (name, tail, kept) in tails {
        restore(&archive.site);
        let (path, bytes) = archive.open_segment();
        fs::write(&path, [&bytes, tail.as_slice()].concat()).unwrap();
        let gateway = archive.site.start();
        archive.check(&gateway, &[]);
        assert!(gateway.log().contains("an unfinished end of the journal was cut"), "{name}: {}", gateway.log());
        assert_eq!(archive.quarantine(), [kept], "{name}: what was cut is not kept");
        gateway.kill();
        let gateway = archive.site.start();
        assert!(!gateway.log().contains("was cut"), "{name} is cut again: {}", gateway.log());
        archive.check(&gateway, &[]);
        assert!(gateway.stop().success());
    }
}

#[test]
fn a_mail_whose_frame_did_not_get_to_disk_whole_is_as_if_it_never_came() {
    let mut archive = Archive::new();
    let gateway = archive.site.start();
    archive.add(&gateway, 30_000);
    let (_, before) = archive.open_segment();
    archive.add(&gateway, 30_000);
    gateway.kill();
    keep(&archive.site);
    let (_, bytes) = archive.open_segment();
    let frame = frames(&bytes).into_iter().find(|(at, len, _)| *at >= before.len() && *len > 30_000).unwrap();
    for cut in [1, HEADER - 1, HEADER + 1, 2_000, frame.1 - 1] {
        restore(&archive.site);
        // The machine went down: the index, which may have more than the journal, proves nothing.
        fs::write(archive.site.path("data/index.state"), "running boot=another\n").unwrap();
        archive.cut_at(frame.0 + cut);
        let gateway = archive.site.start();
        assert!(gateway.log().contains("an unfinished end of the journal was cut"), "{cut}: {}", gateway.log());
        archive.has_not(&gateway, 1);
        assert!(gateway.stop().success());
        // It did not: the index has what was acknowledged, so that is lost, and told.
        restore(&archive.site);
        archive.cut_at(frame.0 + cut);
        let gateway = archive.site.start();
        assert!(gateway.log().contains("what was acknowledged is gone"), "{cut}: {}", gateway.log());
        archive.has_not(&gateway, 1);
        assert!(gateway.stop().success());
    }
}

#[test]
fn a_damaged_frame_in_the_middle_is_set_aside_and_the_rest_served() {
    let mut archive = Archive::new();
    let gateway = archive.site.start();
    archive.add(&gateway, 30_000);
    let (_, before) = archive.open_segment();
    archive.add(&gateway, 30_000);
    archive.add(&gateway, 30_000);
    gateway.kill();
    keep(&archive.site);
    let (path, bytes) = archive.open_segment();
    let (at, len, _) = frames(&bytes).into_iter().find(|(at, len, _)| *at >= before.len() && *len > 30_000).unwrap();
    // The index still knows where the values lie, and each has a checksum of its own; made again, it follows the journal.
    for (what, place, indexed) in [("header", 30, false), ("table", HEADER + 20, false), ("body", len / 2, true)] {
        restore(&archive.site);
        let mut bytes = bytes.clone();
        bytes[at + place] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        if !indexed {
            fs::remove_dir_all(archive.site.path("data/index")).unwrap();
        }
        let gateway = archive.site.start();
        archive.check(&gateway, &[1]);
        assert!(gateway.log().contains("a damaged frame of the journal is in quarantine"), "{what}: {}", gateway.log());
        assert!(
            archive.quarantine().iter().any(|kept| kept[..] == bytes[at..at + len]),
            "{what}: the frame is not kept"
        );
        gateway.kill();
        // It stays so, and the gateway goes on taking mail.
        let gateway = archive.site.start();
        archive.check(&gateway, &[1]);
        let more = letter(&format!("later-{what}"), "[veilig] later", "x");
        assert_eq!(client::send(gateway.smtp, ANNA, &["later@example.nl"], &more).1.code, 250, "{what}");
        assert!(gateway.stop().success());
    }
}

#[test]
fn damage_in_a_closed_segment_costs_one_mail() {
    let mut archive = Archive::new();
    let gateway = archive.site.start();
    (0..3).for_each(|_| archive.add(&gateway, 30_000));
    let (path, bytes) = archive.open_segment();
    assert!(gateway.stop().success());
    // The next start closes the segment.
    assert!(archive.site.start().stop().success());
    let large: Vec<_> = frames(&bytes).into_iter().filter(|(_, len, _)| *len > 30_000).collect();
    let mut bytes = fs::read(&path).unwrap();
    bytes[large[1].0 + large[1].1 / 2] ^= 0x10;
    fs::write(&path, &bytes).unwrap();
    for rebuilt in [false, true] {
        if rebuilt {
            fs::remove_dir_all(archive.site.path("data/index")).unwrap();
        }
        let gateway = archive.site.start();
        archive.check(&gateway, &[1]);
        assert!(gateway.stop().success());
    }
}

#[test]
fn rot_in_a_large_body_costs_one_mail_and_is_told() {
    let mut archive = Archive::new();
    let gateway = archive.site.start();
    (0..3).for_each(|_| archive.add(&gateway, 200_000));
    let found = archive.site.ask(&["message", "find", &archive.readers[1].to]);
    let id = found["messages"][0]["id"].as_str().unwrap().to_owned();
    let path = archive.site.path("data/bodies").join(&id[..1]).join(&id);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&path, bytes).unwrap();
    let check = |site: &Site| site.ask(&["store", "check"])["done"]["report"].clone();
    // Under the running daemon and after a start: what is sound is served, and what is not is named, with whom to ask.
    archive.check(&gateway, &[1]);
    let report = check(&archive.site);
    assert_eq!(report["counts"], serde_json::json!({ "body": 1 }), "{report}");
    let finding = &report["findings"][0];
    assert_eq!(finding["whom"]["recipients"][0], archive.readers[1].to, "{finding}");
    gateway.kill();
    let gateway = archive.site.start();
    archive.check(&gateway, &[1]);
    assert_eq!(check(&archive.site)["counts"], serde_json::json!({ "body": 1 }));
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    assert!(gateway.stop().success());
}

#[test]
fn a_damaged_erasure_ledger_is_told_at_every_start() {
    let mut archive = Archive::new();
    let gateway = archive.site.start();
    archive.add(&gateway, 1_000);
    let found = archive.site.ask(&["message", "find", &archive.readers[0].to]);
    archive.site.ask(&["message", "recall", found["messages"][0]["id"].as_str().unwrap()]);
    assert!(gateway.stop().success());
    let ledger = archive.site.path("data/erased.ledger");
    let mut bytes = fs::read(&ledger).unwrap();
    let told = "entries of the erasure ledger are damaged";
    let gateway = archive.site.start();
    assert!(!gateway.log().contains(told));
    assert!(gateway.stop().success());
    let last = bytes.len() - 10;
    bytes[last] ^= 1;
    fs::write(&ledger, bytes).unwrap();
    for _ in 0..2 {
        let gateway = archive.site.start();
        assert!(gateway.log().contains(told), "{}", gateway.log());
        assert!(gateway.stop().success());
    }
}

#[test]
fn without_its_key_a_data_folder_is_left_alone() {
    let mut archive = Archive::new();
    let gateway = archive.site.start();
    archive.add(&gateway, 1_000);
    gateway.kill();
    // An end that a start would cut.
    let (path, bytes) = archive.open_segment();
    fs::write(&path, [&bytes[..], b"rubbish"].concat()).unwrap();
    let key = archive.site.path("data/store.key");
    let right = fs::read(&key).unwrap();
    let mut flipped = right.clone();
    flipped[right.len() / 2] ^= 1;
    let cases = [
        ("missing", None),
        ("empty", Some(Vec::new())),
        ("cut", Some(right[..right.len() - 1].to_vec())),
        ("flipped", Some(flipped)),
        ("other", Some(vec![b'x'; 5_000])),
    ];
    for (name, content) in cases {
        match content {
            Some(content) => fs::write(&key, content).unwrap(),
            None => fs::remove_file(&key).unwrap(),
        }
        let before = snapshot(&archive.site.path("data"));
        let Err(log) = archive.site.try_start(&[]) else { panic!("{name}: it serves") };
        assert!(log.contains("not started") && log.contains("key"), "{name}: {log}");
        assert!(!log.contains("panicked"), "{name}: {log}");
        let after = snapshot(&archive.site.path("data"));
        let changed: Vec<_> =
            before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
        assert!(changed.is_empty(), "{name}: {changed:?}");
    }
    fs::write(&key, right).unwrap();
    let gateway = archive.site.start();
    archive.check(&gateway, &[]);
}
