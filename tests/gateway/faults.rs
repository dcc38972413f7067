//! What goes wrong around the gateway: a full disk, keys that do not fit, a config with mistakes, a server behind that refuses
//! or falls silent, a stop in the middle of a mail. The answer and the state are as the custody rule says.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use rustix::process::Signal;

use crate::damage::snapshot;
use crate::support::browser::Browser;
use crate::support::client::{self, Client};
use crate::support::gateway::{Gateway, Site};
use crate::support::reader::{ANNA, SEAL_DOCTORS, code_for, letter, links_for, long_text, read};
use crate::support::sink::Sink;
use crate::support::until;

const PATIENT: &str = "jan@example.nl";
const DOCTOR: &str = "dokter@arts.example";
const CANARY: &str = "kanarie-3Fd8";

/// A file system of its own, small enough to fill.
struct Disk {
    root: PathBuf,
}

impl Disk {
    /// `None`, said aloud, where this process may not mount one.
    fn mount(root: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&root).unwrap();
        let options = format!("size={size},mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "zegel-test"]).arg(&root).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { root });
        }
        let _ = writeln!(std::io::stderr(), "SKIPPED, not tested: a full disk, since this user may not mount a tmpfs");
        None
    }

    /// Takes all room but `left` bytes.
    fn fill(&self, left: u64) {
        let path = self.root.join("ballast");
        let taken = fs::metadata(&path).map_or(0, |meta| meta.len());
        let stat = rustix::fs::statvfs(&self.root).unwrap();
        let free = stat.f_bavail * stat.f_frsize;
        let file = File::options().create(true).append(true).open(&path).unwrap();
        let more = free.saturating_sub(left);
        if more > 0 {
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), taken, more).unwrap();
        }
    }

    /// Gives the room back.
    fn empty(&self) {
        fs::remove_file(self.root.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.root).status();
    }
}

/// A confidential mail to the patient: the answer to its dot.
fn confidential(gateway: &Gateway, name: &str, bytes: usize) -> client::Reply {
    client::send(gateway.smtp, ANNA, &[PATIENT], &letter(name, "[veilig] brief", &long_text(CANARY, bytes))).1
}

fn messages_for(site: &Site, address: &str) -> usize {
    site.ask(&["message", "find", address])["messages"].as_array().unwrap().len()
}

#[test]
fn a_full_disk_takes_no_confidential_mail_and_serves_on() {
    let sink = Sink::start();
    let site = Site::new(sink.address, SEAL_DOCTORS);
    let Some(disk) = Disk::mount(site.path("disk"), "64m") else { return };
    site.change("folder = \"data\", min_free = \"1 MiB\"", "folder = \"disk/data\", min_free = \"9 MiB\"");
    let gateway = site.start();
    assert_eq!(confidential(&gateway, "eerst", 100).code, 250);
    let link = links_for(&sink, PATIENT, 1).remove(0);
    let code = code_for(&sink, ANNA, PATIENT);

    // It begins with room enough and ends without.
    disk.fill(10 << 20);
    let reply = confidential(&gateway, "te-groot", 14 << 20);
    assert_eq!(reply.code, 452, "{reply:?}");
    assert_eq!(confidential(&gateway, "klein", 100).code, 250, "what was refused left its bytes behind");

    disk.fill(8 << 20);
    let reply = confidential(&gateway, "vol", 100);
    assert_eq!(reply.code, 452, "{reply:?}");
    let (_, plain) = client::send(gateway.smtp, ANNA, &["p@example.nl"], &letter("p", "gewoon", "hallo"));
    assert_eq!(plain.code, 250, "ordinary mail needs no room: {plain:?}");
    sink.wait_for("the ordinary mail", |mail| mail.is_for("p@example.nl"));
    // A recipient whose mail a rule seals is refused by itself, so that the client keeps it; the other one gets the mail.
    let (each, mixed) = client::send(gateway.smtp, ANNA, &["q@example.nl", DOCTOR], &letter("m", "gemengd", "hallo"));
    assert_eq!(
        (each.iter().map(|reply| reply.code).collect::<Vec<_>>(), mixed.code),
        (vec![250, 452], 250),
        "{mixed:?}"
    );
    sink.wait_for("the ordinary part", |mail| mail.is_for("q@example.nl"));
    assert!(!sink.mails().iter().any(|mail| mail.is_for(DOCTOR)), "it left in clear");
    assert!(read(gateway.page, &link, &code).contains(CANARY));

    // Not a byte left: counts are still kept, on the room set aside.
    disk.fill(0);
    let wrong = wrong_codes(&gateway, &link, 3);
    let found = site.ask(&["message", "find", PATIENT]);
    assert!(found["messages"].is_array(), "{found}\n{}", gateway.log());
    let ids = found["messages"].as_array().unwrap().iter().map(|message| message["id"].as_str().unwrap());
    let counted: u64 =
        ids.map(|id| site.ask(&["message", "show", id])["recipients"][0]["wrong"].as_u64().unwrap()).sum();
    assert!(counted >= wrong && wrong >= 2, "{counted} counted, {wrong} answered");
    assert!(read(gateway.page, &link, &code).contains(CANARY));
    assert_eq!(confidential(&gateway, "voller", 100).code, 452);
    assert!(gateway.stop().success());

    let gateway = site.start();
    assert!(read(gateway.page, &link, &code).contains(CANARY), "not after a restart");
    assert_eq!(confidential(&gateway, "nog", 100).code, 452);
    disk.empty();
    assert_eq!(confidential(&gateway, "ruimte", 100).code, 250);
    links_for(&sink, PATIENT, 3);
    assert_eq!(messages_for(&site, DOCTOR), 0);
    assert!(!sink.mails().iter().any(|mail| mail.text().contains(CANARY)), "it left in clear");
    assert!(gateway.stop().success());
}

/// Tries `count` wrong codes; how many were answered as such.
fn wrong_codes(gateway: &Gateway, link: &str, count: usize) -> u64 {
    let mut browser = Browser::new(gateway.page, "203.0.113.9");
    let form = browser.form(link);
    let answers = (0..count).map(|_| browser.post(link, &[("pagina", &form), ("code", "00000000")]).status);
    answers.filter(|status| *status == 403).count() as u64
}

/// Starts what must not start: its exit code and what it said; nothing in the data folder changed.
fn refused(site: &Site, what: &str) -> (i32, String) {
    let before = snapshot(&site.path("data"));
    let output = site
        .program("timeout")
        .args(["30", env!("CARGO_BIN_EXE_zegel"), "serve", "--config", "zegel.toml"])
        .output()
        .unwrap();
    assert_eq!(before, snapshot(&site.path("data")), "{what}: the data folder changed");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!text.contains("panicked"), "{what}: {text}");
    (output.status.code().unwrap(), text)
}

#[test]
fn a_root_key_that_is_not_right_stops_the_start_and_changes_nothing() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    let gateway = site.start();
    assert_eq!(confidential(&gateway, "eerst", 100).code, 250);
    let (link, code) = (links_for(&sink, PATIENT, 1).remove(0), code_for(&sink, ANNA, PATIENT));
    gateway.kill();
    let key = site.path("root.keys");
    let right = fs::read_to_string(&key).unwrap();
    let set = |text: &str, mode: u32| {
        fs::write(&key, text).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    };

    fs::remove_file(&key).unwrap();
    let (status, said) = refused(&site, "missing");
    assert!(status == 78 && said.contains("root.keys"), "{status} {said}");
    fs::create_dir(&key).unwrap();
    let (status, said) = refused(&site, "a folder");
    assert!(status == 78 && said.contains("root.keys"), "{status} {said}");
    fs::remove_dir(&key).unwrap();
    set(&right, 0o644);
    let (status, said) = refused(&site, "open to all");
    assert!(status == 78 && said.contains("can be read by everybody"), "{status} {said}");
    set("geen sleutel\n", 0o600);
    let (status, said) = refused(&site, "garbled");
    assert!(status == 78 && said.contains("line 1"), "{status} {said}");
    set("", 0o600);
    let (status, said) = refused(&site, "empty");
    assert!(status == 78 && said.contains("holds no key"), "{status} {said}");
    let other = Site::new(sink.address, "");
    set(&fs::read_to_string(other.path("root.keys")).unwrap(), 0o600);
    let (status, said) = refused(&site, "another");
    assert!(status == 78 && said.contains("the root keyring does not fit this data folder"), "{status} {said}");

    set(&right, 0o600);
    let gateway = site.start();
    assert!(read(gateway.page, &link, &code).contains(CANARY));
}

#[test]
fn every_mistake_in_the_config_is_told_at_once() {
    let site = Site::new("127.0.0.1:25".parse().unwrap(), "");
    site.change("name = \"Voorbeeld Zorg\"", "name = 5");
    site.change("wait = \"2s\"", "wait = \"lang\"");
    site.change("networks = [", "netwerken = [");
    fs::create_dir(site.path("data")).unwrap();
    let (status, said) = refused(&site, "mistakes");
    assert_eq!(status, 78, "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("zegel.toml:")).collect();
    for (key, found) in [("organisation.name", "number 5"), ("next_hop[0].wait", "\"lang\""), ("netwerken", "")] {
        let told = lines.iter().any(|line| line.contains(key) && line.contains(found) && line.contains("allowed: "));
        assert!(told, "nothing of {key}: {said}");
    }
}

/// A server behind that goes wrong at one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hop {
    Mail(&'static str),
    Rcpt(&'static str),
    Data(&'static str),
    Dot(&'static str),
    ClosesAfterDot,
    HangsAfterData,
    HangsAfterDot,
}

/// Its recipients at each DATA.
type Seen = Arc<Mutex<Vec<Vec<String>>>>;

impl Hop {
    fn start(self) -> (SocketAddr, Seen) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Seen::default());
        let kept = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = kept.clone();
                std::thread::spawn(move || self.serve(&stream, &kept));
            }
        });
        (address, seen)
    }

    fn serve(self, stream: &std::net::TcpStream, seen: &Seen) -> std::io::Result<()> {
        let mut out = stream.try_clone()?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        out.write_all(b"220 behind ESMTP\r\n")?;
        let mut to = Vec::new();
        while let Some(line) = lines.next().transpose()? {
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let reply = match (verb.as_str(), self) {
                ("EHLO", _) => "250 behind",
                ("MAIL", Self::Mail(reply)) | ("RCPT", Self::Rcpt(reply)) | ("DATA", Self::Data(reply)) => reply,
                ("RCPT", _) => {
                    to.push(line);
                    "250 2.1.5 ok"
                }
                ("RSET", _) => {
                    to.clear();
                    "250 2.0.0 ok"
                }
                ("DATA", _) => {
                    seen.lock().unwrap().push(std::mem::take(&mut to));
                    out.write_all(b"354 go on\r\n")?;
                    if self == Self::HangsAfterData {
                        std::thread::park();
                    }
                    while lines.next().transpose()?.is_some_and(|line| line != ".") {}
                    match self {
                        Self::ClosesAfterDot => return stream.shutdown(std::net::Shutdown::Both),
                        Self::HangsAfterDot => {
                            std::thread::park();
                            continue;
                        }
                        Self::Dot(reply) => reply,
                        _ => "250 2.0.0 taken",
                    }
                }
                _ => "250 2.0.0 ok",
            };
            out.write_all(format!("{reply}\r\n").as_bytes())?;
        }
        Ok(())
    }
}

#[test]
fn a_next_hop_that_goes_wrong_decides_a_mixed_mail_as_a_whole() {
    // What each recipient and the dot are answered, and whether the sealed part is there afterwards.
    let cases = [
        (Hop::Mail("550 5.7.1 not from you"), [250, 250], 550, false),
        (Hop::Mail("451 4.3.0 not now"), [250, 250], 451, false),
        (Hop::Rcpt("550 5.1.1 nobody"), [550, 250], 250, true),
        (Hop::Data("554 5.5.1 no"), [250, 250], 554, false),
        (Hop::Dot("451 4.3.0 later"), [250, 250], 451, false),
        (Hop::Dot("554 5.7.1 spam"), [250, 250], 554, false),
        (Hop::Dot("250 2.0.0 taken"), [250, 250], 250, true),
        (Hop::ClosesAfterDot, [250, 250], 451, false),
        (Hop::HangsAfterData, [250, 250], 451, false),
        (Hop::HangsAfterDot, [250, 250], 451, false),
    ];
    let site = Site::new("127.0.0.1:9".parse().unwrap(), SEAL_DOCTORS);
    for (number, (hop, rcpts, dot, stays)) in cases.into_iter().enumerate() {
        let (address, seen) = hop.start();
        let timeouts = "command_timeout = \"2s\"\ndot_timeout = \"2s\"\n";
        site.configure(address, &format!("{timeouts}{SEAL_DOCTORS}"));
        let gateway = site.start();
        let doctor = format!("arts{number}@arts.example");
        let text = long_text(CANARY, 600_000);
        let mail = letter(&format!("mix{number}"), "gemengd", &text);
        let (answers, end) = client::send(gateway.smtp, ANNA, &["p@example.nl", &doctor], &mail);
        let codes: Vec<u16> = answers.iter().map(|reply| reply.code).collect();
        assert_eq!((codes.as_slice(), end.code), (&rcpts[..], dot), "{hop:?}: {answers:?} {end:?}");
        assert_eq!(messages_for(&site, &doctor), usize::from(stays), "{hop:?}");
        // Restarted, nothing that was dropped comes back.
        gateway.kill();
        let gateway = site.start();
        assert_eq!(messages_for(&site, &doctor), usize::from(stays), "{hop:?} after a restart");
        let confidential = letter(&format!("dicht{number}"), "[veilig] dicht", CANARY);
        let (_, end) = client::send(gateway.smtp, ANNA, &[&doctor], &confidential);
        assert_eq!(end.code, 250, "{hop:?}: confidential mail does not need the hop: {end:?}");
        gateway.kill();
        let seen = seen.lock().unwrap();
        let mixed: Vec<_> = seen.iter().filter(|to| to.len() > 1).collect();
        assert!(mixed.is_empty(), "{hop:?}: a sealed recipient stood beside the passing one: {mixed:?}");
    }
}

#[test]
fn a_stop_lets_the_mail_in_flight_end_and_takes_no_other() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    let gateway = site.start();
    let server = gateway.smtp;
    let (mut busy, mut idle) = (Client::connect(server).unwrap(), Client::connect(server).unwrap());
    let mail = zegel::mail::dot::stuff(&letter("groot", "[veilig] groot", &long_text(CANARY, 2_000_000)));
    let (first, rest) = mail.split_at(mail.len() / 2);
    assert_eq!(busy.say(&format!("MAIL FROM:<{ANNA}>")).unwrap().code, 250);
    assert_eq!(busy.say(&format!("RCPT TO:<{PATIENT}>")).unwrap().code, 250);
    assert_eq!(busy.say("DATA").unwrap().code, 354);
    busy.write(first).unwrap();
    gateway.signal(Signal::TERM);
    assert_eq!(idle.reply().unwrap().code, 421, "an idle session is told");
    until("the door is closed", || std::net::TcpStream::connect(server).is_err().then_some(()));
    busy.write(rest).unwrap();
    assert_eq!(busy.reply().unwrap().code, 250);
    let log = gateway.log();
    assert!(gateway.stop().success(), "{log}");
    let gateway = site.start();
    assert_eq!(messages_for(&site, PATIENT), 1);
    let (link, code) = (links_for(&sink, PATIENT, 1).remove(0), code_for(&sink, ANNA, PATIENT));
    assert!(read(gateway.page, &link, &code).contains("(einde)"));
}
