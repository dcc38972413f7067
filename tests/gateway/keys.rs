//! Keys as an operator handles them: a rotation while mail goes on and through kills, a key that is let go, and the export
//! that only the recovery key gives.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::client;
use crate::support::dice::Dice;
use crate::support::gateway::{Gateway, Site};
use crate::support::reader::{ANNA, code_for, letter, links_for, long_text, read};
use crate::support::sink::Sink;
use crate::support::until;

const CANARY: &str = "kanarie-7Qk2";

/// A confidential mail of at least `bytes` to these recipients.
fn send(gateway: &Gateway, name: &str, to: &[&str], bytes: usize) {
    let mail = letter(name, "[veilig] uitslag", &long_text(CANARY, bytes));
    let (_, reply) = client::send(gateway.smtp, ANNA, to, &mail);
    assert_eq!(reply.code, 250, "{reply:?}");
}

/// Link and code of a recipient's first mail.
fn proof(sink: &Sink, to: &str) -> (String, String) {
    (links_for(sink, to, 1).remove(0), code_for(sink, ANNA, to))
}

/// Ids and whether they are active, in the order of the list.
fn keys(site: &Site) -> Vec<(String, bool)> {
    let list = site.ask(&["keys", "list"]);
    let rows = list["keys"].as_array().unwrap();
    rows.iter().map(|row| (row["id"].as_str().unwrap().to_owned(), row["active"] == true)).collect()
}

fn locks(site: &Site) -> BTreeMap<String, u64> {
    serde_json::from_value(site.ask(&["keys", "list"])["counted"]["locks"].clone()).unwrap()
}

/// What a command that must fail says.
fn refused(site: &Site, arguments: &[&str]) -> String {
    let mut all = arguments.to_vec();
    all.extend(["--config", "zegel.toml"]);
    let output = site.command(&all);
    assert_eq!(output.status.code(), Some(1), "{arguments:?} was done");
    String::from_utf8(output.stderr).unwrap()
}

fn files(folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        if entry.path().is_dir() {
            files(&entry.path(), found);
        } else {
            found.insert(entry.path().display().to_string(), fs::read(entry.path()).unwrap());
        }
    }
}

fn bodies(site: &Site) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    files(&site.path("data/bodies"), &mut found);
    found
}

#[test]
fn a_key_is_replaced_and_let_go_while_the_gateway_serves() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    let gateway = site.start();
    send(&gateway, "klein", &["jan@example.nl", "piet@example.nl"], 100);
    send(&gateway, "groot", &["kees@example.nl"], 100_000);
    let proofs = ["jan@example.nl", "piet@example.nl", "kees@example.nl"].map(|to| proof(&sink, to));
    let before = bodies(&site);
    assert_eq!(before.len(), 1);
    let [(old, true)] = &keys(&site)[..] else { panic!("one key, the active one") };
    assert_eq!(locks(&site), BTreeMap::from([(old.clone(), 3)]));

    let text = |value: Value| value.to_string();
    let warned = text(site.ask(&["keys", "check"]));
    assert!(warned.contains("nobody has confirmed") && warned.contains("\"usable\":true"), "{warned}");
    assert!(!text(site.ask(&["keys", "check", "--copy-kept"])).contains("warning"));

    let path = site.path("root.keys");
    let new = site.ask(&["keys", "new"])["id"].as_str().unwrap().to_owned();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(keys(&site), [(old.clone(), true), (new.clone(), false)], "it waits to be put into use");
    assert!(refused(&site, &["keys", "retire", old]).contains("is the active one"));
    let rotated = site.ask(&["keys", "rotate"]);
    assert_eq!((rotated["changed"].as_u64(), rotated["done"].as_bool()), (Some(3), Some(true)), "{rotated}");
    assert_eq!(locks(&site), BTreeMap::from([(new.clone(), 3)]));
    send(&gateway, "later", &["marie@example.nl"], 100);
    assert_eq!(locks(&site), BTreeMap::from([(new.clone(), 4)]));
    let warned = text(site.ask(&["keys", "check"]));
    assert!(warned.contains(&format!("copy of root key {new}")), "{warned}");

    site.ask(&["keys", "retire", old]);
    assert_eq!(keys(&site), [(new.clone(), true)]);
    let kept = fs::read_to_string(&path).unwrap();
    assert!(kept.lines().count() == 1 && kept.starts_with(&new));
    assert!(refused(&site, &["keys", "retire", &new]).contains("is the active one"));
    for (link, code) in &proofs {
        assert!(read(gateway.page, link, code).contains(CANARY));
    }
    assert_eq!(bodies(&site), before, "no body is touched");
    gateway.kill();
    let gateway = site.start();
    for (link, code) in &proofs {
        assert!(read(gateway.page, link, code).contains(CANARY));
    }
    assert!(gateway.stop().success());
}

#[test]
fn a_key_that_something_hangs_on_is_not_let_go() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    let gateway = site.start();
    send(&gateway, "een", &["jan@example.nl", "piet@example.nl"], 100);
    assert!(gateway.stop().success());
    let old = keys(&site).remove(0).0;
    site.ask(&["keys", "new"]);
    let said = refused(&site, &["keys", "retire", &old]);
    assert!(said.contains("2 locks and the store secret still hang on root key"), "{said}");
    // Without a daemon the command does the work itself.
    assert_eq!(site.ask(&["keys", "rotate"])["changed"], 2);
    site.ask(&["keys", "retire", &old]);
    assert!(site.start().stop().success());
}

#[test]
fn a_rotation_survives_kills_and_goes_on_by_itself() {
    const RECIPIENTS: usize = 90;
    let dice = Dice::seeded(20);
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    let gateway = site.start();
    let addresses: Vec<String> = (0..RECIPIENTS).map(|number| format!("lezer{number}@example.nl")).collect();
    let to: Vec<&str> = addresses.iter().map(String::as_str).collect();
    send(&gateway, "allen", &to, 100);
    let proofs = [0, RECIPIENTS / 2, RECIPIENTS - 1].map(|number| proof(&sink, &addresses[number]));
    gateway.kill();
    let mut newest = String::new();
    for _ in 0..6 {
        newest = site.ask(&["keys", "new"])["id"].as_str().unwrap().to_owned();
        let gateway = site.start();
        std::thread::sleep(Duration::from_millis(dice.below(30)));
        gateway.kill();
    }
    let gateway = site.start();
    let all = BTreeMap::from([(newest.clone(), RECIPIENTS as u64)]);
    until("everything stands under the newest key", || (locks(&site) == all).then_some(()));
    until("the work is noted as done", || {
        let rewrap = site.ask(&["keys", "list"])["rewrap"].clone();
        (rewrap["done"] == true && rewrap["failed"] == 0).then_some(())
    });
    for (id, active) in keys(&site) {
        if !active {
            site.ask(&["keys", "retire", &id]);
        }
    }
    gateway.kill();
    let gateway = site.start();
    for (link, code) in &proofs {
        assert!(read(gateway.page, link, code).contains(CANARY));
    }
}

#[test]
fn a_keyring_that_lacks_a_key_is_not_put_into_use() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    let gateway = site.start();
    send(&gateway, "een", &["jan@example.nl"], 100);
    let (link, code) = proof(&sink, "jan@example.nl");
    let other = Site::new(sink.address, "");
    fs::copy(other.path("root.keys"), site.path("root.keys")).unwrap();
    let said = refused(&site, &["keys", "rotate"]);
    assert!(said.contains("was not put into use") && said.contains("lacks root key"), "{said}");
    let check = site.command(&["keys", "check", "--config", "zegel.toml"]);
    let said = String::from_utf8(check.stdout).unwrap();
    assert!(check.status.code() == Some(1) && said.contains("no longer in the keyring: put it back"), "{said}");
    assert!(read(gateway.page, &link, &code).contains(CANARY));
}

/// The files in a folder of exports.
fn exports(site: &Site, out: &str) -> Vec<String> {
    fs::read_dir(site.path(out))
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn the_recovery_key_exports_the_stored_bytes_and_without_it_nothing_comes_out() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    for name in ["dpo.key", "vreemd.key"] {
        assert!(site.command(&["keys", "recovery-new", name]).status.success());
    }
    // Taken before there is a recovery key: it gets its lock in the background.
    let gateway = site.start();
    send(&gateway, "eerder", &["jan@example.nl"], 100);
    assert!(gateway.stop().success());
    site.change("root = \"root.keys\"", "root = \"root.keys\", recovery = \"dpo.key.pub\"");
    let gateway = site.start();
    send(&gateway, "groot", &["piet@example.nl", "kees@example.nl"], 200_000);
    let mut expected = Vec::new();
    for to in ["jan@example.nl", "piet@example.nl"] {
        let (link, code) = proof(&sink, to);
        expected.push(read(gateway.page, &link, &code));
    }
    until("three recovery locks", || (site.ask(&["keys", "list"])["counted"]["recovery"] == 3).then_some(()));
    assert!(refused(&site, &["store", "export", "--recovery-key", "dpo.key", "out"]).contains("in use"));
    assert!(gateway.stop().success());

    // A copy, without either root key.
    let copied = std::process::Command::new("cp").args(["-a", "data", "copy"]).current_dir(site.folder()).status();
    assert!(copied.unwrap().success());
    fs::remove_file(site.path("root.keys")).unwrap();
    fs::remove_file(site.path("copy/store.key")).unwrap();
    let export = |key: &str, out: &str, more: &[&str]| {
        let mut all = vec!["store", "export", "--recovery-key", key, "--folder", "copy", out];
        all.extend(more);
        site.command(&all)
    };
    let stranger = export("vreemd.key", "vreemd", &[]);
    assert!(stranger.status.code() == Some(1) && exports(&site, "vreemd").is_empty());
    let said = String::from_utf8(stranger.stderr).unwrap();
    assert!(said.contains("holds nothing for recovery key"), "{said}");

    let done = export("dpo.key", "alles", &[]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut written: Vec<String> =
        exports(&site, "alles").iter().map(|name| fs::read_to_string(site.path("alles").join(name)).unwrap()).collect();
    written.sort();
    expected.sort();
    assert!(written == expected, "byte for byte what the page gives");
    let listed = String::from_utf8(done.stdout).unwrap();
    assert!(listed.contains("to piet@example.nl, kees@example.nl"), "{listed}");

    assert!(export("dpo.key", "jan", &["--address", "Jan@example.nl"]).status.success());
    assert_eq!(exports(&site, "jan").len(), 1);
    fs::set_permissions(site.path("dpo.key"), fs::Permissions::from_mode(0o640)).unwrap();
    let open = export("dpo.key", "open", &[]);
    assert!(String::from_utf8(open.stderr).unwrap().contains("read by a whole group"));
}

/// A process that crashes holds every key in its memory.
#[test]
fn a_crash_leaves_no_memory_on_disk() {
    use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    // Somebody lifted the limit.
    let lift = |pid: u32| {
        let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        let _ = prlimit(Some(pid), Resource::Core, Rlimit { current: None, maximum: None });
        pid
    };
    let gateway = site.start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", gateway.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).collect::<Vec<_>>(), ["0", "0", "bytes"]);
    lift(gateway.pid());
    let ended = gateway.end_by(Signal::ABORT);
    assert!(ended.signal() == Some(6) && !ended.core_dumped(), "{ended}");
    // Any other program leaves one, where the system writes them to files.
    let mut other = site.program("sleep").arg("60").spawn().unwrap();
    kill_process(lift(other.id()), Signal::ABORT).unwrap();
    let ended = other.wait().unwrap();
    let to_files = !fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap().starts_with('|');
    assert!(ended.core_dumped() || !to_files, "{ended}");
}
