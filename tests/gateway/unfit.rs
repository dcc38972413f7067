//! What the start and the commands say, and with which exit code, when a key, a folder, a ledger or a backup does not fit: a sentence that
//! tells what to do, and nothing is changed.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::client;
use crate::support::gateway::{Gateway, Site};
use crate::support::reader::{ANNA, letter};
use crate::support::sink::Sink;

const BAD_CONFIG: Option<i32> = Some(78);
const LEDGER: &str = "[retention]\nledger = \"apart/erased.ledger\"\n";

/// A site with its ledger in a folder of its own.
fn apart() -> (Sink, Site) {
    let sink = Sink::start();
    let site = Site::new(sink.address, LEDGER);
    fs::create_dir(site.path("apart")).unwrap();
    (sink, site)
}

fn take(gateway: &Gateway, name: &str) {
    let mail = letter(name, "[veilig] brief", "Dag");
    assert_eq!(client::send(gateway.smtp, ANNA, &["jan@example.nl"], &mail).1.code, 250);
}

/// Takes back the newest message.
fn recall(site: &Site) {
    let found = site.ask(&["message", "find", "jan@example.nl"]);
    site.ask(&["message", "recall", found["messages"][0]["id"].as_str().unwrap()]);
}

fn run(site: &Site, arguments: &[&str]) -> Output {
    site.command(&[arguments, &["--config", "zegel.toml"]].concat())
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// It refuses with this exit code, and says this.
fn refuses(site: &Site, arguments: &[&str], code: Option<i32>, words: &str) {
    // A daemon that does not refuse would run on.
    let most = ["60", env!("CARGO_BIN_EXE_zegel")];
    let mut bounded = site.program("timeout");
    let output = bounded.args(most).args(arguments).args(["--config", "zegel.toml"]).output().unwrap();
    assert!(output.status.code() == code && said(&output).contains(words), "{arguments:?}: {}", said(&output));
}

fn reasons(site: &Site) -> String {
    site.ask(&["health"])["reasons"].to_string()
}

#[test]
fn a_ledger_whose_folder_is_missing_stops_start_and_check() {
    let sink = Sink::start();
    let site = Site::new(sink.address, LEDGER);
    let words = "the folder of the erasure ledger";
    refuses(&site, &["serve"], BAD_CONFIG, words);
    refuses(&site, &["check"], BAD_CONFIG, words);
    fs::create_dir(site.path("apart")).unwrap();
    assert!(run(&site, &["check"]).status.success());
    let gateway = site.start();
    assert!(gateway.stop().success());
    // Its disk is not mounted at a later start.
    fs::rename(site.path("apart"), site.path("unmounted")).unwrap();
    refuses(&site, &["serve"], BAD_CONFIG, words);
    refuses(&site, &["check"], BAD_CONFIG, words);
}

#[test]
fn a_ledger_of_another_folder_stops_start_and_check() {
    let (_sink, site) = apart();
    let (_other_sink, other) = apart();
    for site in [&site, &other] {
        assert!(site.start().stop().success());
    }
    fs::copy(other.path("apart/erased.ledger"), site.path("apart/erased.ledger")).unwrap();
    let words = "belongs to another data folder";
    refuses(&site, &["serve"], BAD_CONFIG, words);
    refuses(&site, &["check"], BAD_CONFIG, words);
}

/// It is told by the log, by health and by every check, until it is back or somebody accepts it by name.
#[test]
fn a_ledger_that_is_shorter_is_told_until_it_is_accepted() {
    let (_sink, site) = apart();
    let gateway = site.start();
    take(&gateway, "een");
    recall(&site);
    assert_eq!(reasons(&site), "[]");
    assert!(gateway.stop().success());
    let path = site.path("apart/erased.ledger");
    let whole = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let gateway = site.start();
    assert!(gateway.log().contains("the erasure ledger is shorter than it was"), "{}", gateway.log());
    assert_eq!(reasons(&site), r#"["ledger-damaged"]"#);
    let gone = "1 of its entries are gone";
    refuses(&site, &["store", "check"], Some(1), gone);
    refuses(&site, &["store", "repair"], Some(1), gone);
    refuses(&site, &["store", "check"], Some(1), gone);
    assert_eq!(reasons(&site), r#"["ledger-damaged"]"#, "the store itself is sound");
    // Health says what is so now, whatever the last check or the start found.
    let empty = fs::read(&path).unwrap();
    fs::write(&path, &whole).unwrap();
    assert_eq!(reasons(&site), "[]");
    fs::rename(&path, site.path("apart/gone")).unwrap();
    assert_eq!(reasons(&site), r#"["ledger-damaged"]"#);
    fs::rename(site.path("apart/gone"), &path).unwrap();
    assert!(gateway.stop().success());
    // Put back: all is well.
    let gateway = site.start();
    assert_eq!(reasons(&site), "[]");
    assert!(run(&site, &["store", "check"]).status.success());
    assert_eq!(reasons(&site), "[]");
    assert!(gateway.stop().success());
    fs::write(&path, empty).unwrap();
    let gateway = site.start();
    assert_eq!(reasons(&site), r#"["ledger-damaged"]"#);
    assert!(run(&site, &["store", "repair", "--accept-ledger"]).status.success());
    assert_eq!(reasons(&site), "[]");
    assert!(run(&site, &["store", "check"]).status.success());
    assert!(gateway.stop().success());
    let gateway = site.start();
    assert_eq!(reasons(&site), "[]");
    assert!(gateway.stop().success());
}

#[test]
fn a_restore_without_its_ledger_is_warned_of() {
    let (_sink, site) = apart();
    let gateway = site.start();
    take(&gateway, "een");
    assert!(run(&site, &["store", "backup", "backup"]).status.success());
    recall(&site);
    assert!(gateway.stop().success());
    fs::remove_file(site.path("apart/erased.ledger")).unwrap();
    let put_back = || {
        fs::remove_dir_all(site.path("data")).unwrap();
        let restored = site.command(&["store", "restore", "backup", "--into", "data"]);
        let text = said(&restored);
        assert!(restored.status.success() && text.contains("frames of the journal its checksum"), "{text}");
    };
    put_back();
    let gateway = site.start();
    let warned = "the erasure ledger is empty";
    assert!(gateway.log().contains(warned), "{}", gateway.log());
    assert_eq!(site.ask(&["message", "find", "jan@example.nl"])["messages"].as_array().unwrap().len(), 1);
    assert!(gateway.stop().success());
    let gateway = site.start();
    assert!(!gateway.log().contains(warned), "once");
}

#[test]
fn a_backup_that_is_damaged_is_not_put_back_by_half() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    let gateway = site.start();
    take(&gateway, "een");
    assert!(run(&site, &["store", "backup", "backup"]).status.success());
    assert!(gateway.stop().success());
    let restore = |words: &str| {
        let output = site.command(&["store", "restore", "backup", "--into", "new"]);
        assert!(output.status.code() == Some(1) && said(&output).contains(words), "{words}: {}", said(&output));
        assert!(!site.path("new").exists(), "{words}");
    };
    let manifest = site.path("backup/manifest");
    let whole = fs::read(&manifest).unwrap();
    for at in [whole.len() / 2, whole.len() - 5] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&manifest, flipped).unwrap();
        restore("manifest is damaged: fetch it again");
    }
    fs::write(&manifest, &whole).unwrap();
    let export = run(&site, &["store", "export", "--recovery-key", "none.key", "--folder", "backup", "out"]);
    assert!(said(&export).contains("is a backup, not a data folder: put it back with"), "{}", said(&export));
    // What was damaged in the store when the backup was made is as the manifest says, and told all the same.
    let segment = first_segment(&site.path("data/journal"));
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).unwrap();
    fs::remove_dir_all(site.path("backup")).unwrap();
    assert_eq!(run(&site, &["store", "backup", "backup"]).status.code(), Some(1));
    let output = site.command(&["store", "restore", "backup", "--into", "new"]);
    let text = said(&output);
    assert!(output.status.code() == Some(1) && text.contains("damaged: journal 1:"), "{text}");
    assert!(text.contains("damaged or lost before the backup was made; everything else is there"), "{text}");
    assert!(site.path("new/store.key").exists());
}

fn first_segment(journal: &Path) -> std::path::PathBuf {
    let entries = fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "seg")).min().unwrap()
}

#[test]
fn keys_that_do_not_fit_are_named_in_one_sentence() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    refuses(&site, &["keys", "list"], Some(1), "there is no data folder data: the first start of the daemon makes it");
    assert!(run(&site, &["check"]).status.success(), "there is no folder yet that a key could fit");
    assert!(site.start().stop().success());
    assert!(run(&site, &["check"]).status.success());
    fs::rename(site.path("root.keys"), site.path("kept.keys")).unwrap();
    assert!(site.command(&["keys", "new", "root.keys"]).status.success());
    let words = "the root keyring does not fit this data folder";
    refuses(&site, &["serve"], BAD_CONFIG, words);
    refuses(&site, &["check"], BAD_CONFIG, words);
    fs::rename(site.path("kept.keys"), site.path("root.keys")).unwrap();
    fs::rename(site.path("data/store.key"), site.path("data/gone")).unwrap();
    refuses(&site, &["check"], BAD_CONFIG, "store.key is missing");
    fs::rename(site.path("data/gone"), site.path("data/store.key")).unwrap();
    assert!(run(&site, &["check"]).status.success());

    assert!(site.command(&["keys", "recovery-new", "dpo.key"]).status.success());
    let public = ["store", "export", "--recovery-key", "dpo.key.pub", "--folder", "data", "out"];
    refuses(
        &site,
        &public,
        Some(1),
        "this is the public half, which opens nothing: name the file with the private half",
    );
}
