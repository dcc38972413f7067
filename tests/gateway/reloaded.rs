//! What a reload takes over, what it names as waiting for a restart, and what systemd hears.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::client::{Client, send};
use crate::support::gateway::{Gateway, Site};
use crate::support::reader::{code, letter, letter_from, link};
use crate::support::sink::Sink;
use crate::support::until;

const ANNA: &str = crate::support::reader::ANNA;

fn reload(gateway: &Gateway, says: &str) -> String {
    let before = gateway.log().len();
    gateway.signal(Signal::HUP);
    until("the reload", || gateway.log()[before..].contains(says).then_some(()));
    // What else it says comes with it.
    until("its end", || gateway.log().get(before..).filter(|log| log.ends_with('\n')).map(str::to_owned))
}

#[test]
fn next_hops_and_home_are_exchanged_and_what_waits_is_named() {
    let (old, new) = (Sink::start(), Sink::start());
    let site = Site::new(old.address, "");
    let gateway = site.start();
    let mut before = Client::connect(gateway.smtp).unwrap();
    assert_eq!(before.send(ANNA, &["een@example.nl"], &letter("1", "gewoon", "x")).unwrap().1.code, 250);

    site.change(&old.address.to_string(), &new.address.to_string());
    site.change("domains = [\"voorbeeld.example\"]", "domains = [\"voorbeeld.example\", \"ander.example\"]");
    site.change("min_free = \"1 MiB\"", "min_free = \"2 MiB\"");
    site.change("[[listener]]", "seal = { workers = 3, tags = [\"dicht\"] }\n[[listener]]");
    reload(&gateway, "changed keys that count after a restart only keys=\"seal.workers, store.min_free\"");

    assert_eq!(send(gateway.smtp, ANNA, &["twee@example.nl"], &letter("2", "gewoon", "x")).1.code, 250);
    assert!(new.wait_for("an ordinary mail", |mail| mail.is_for("twee@example.nl")).text().contains("gewoon"));
    let piet = "piet@ander.example";
    let sealed = letter_from(piet, "3", "[dicht] uitslag", "x");
    assert_eq!(send(gateway.smtp, piet, &["drie@example.nl"], &sealed).1.code, 250);
    new.wait_for("the notice", |mail| mail.is_for("drie@example.nl") && link(mail).is_some());
    new.wait_for("the code, at the new home", |mail| mail.is_for(piet) && code(mail, "drie@example.nl").is_some());

    assert_eq!(before.send(ANNA, &["vier@example.nl"], &letter("4", "gewoon", "x")).unwrap().1.code, 250);
    let at_old: Vec<String> = old.mails().into_iter().flat_map(|mail| mail.to).collect();
    assert_eq!(at_old, ["een@example.nl", "vier@example.nl"], "a session keeps what it began with");

    // Nothing of a file counts that names what is not there.
    site.change("next_hop = \"behind\"", "next_hop = \"beyond\"");
    reload(&gateway, "the config is not usable");
    site.change("next_hop = \"beyond\"", "next_hop = \"behind\"");
    site.change("min_free = \"2 MiB\"", "min_free = \"1 MiB\"");
    let log = reload(&gateway, "config read again");
    assert!(!log.contains("store.min_free"), "{log}");
    assert_eq!(send(gateway.smtp, ANNA, &["vijf@example.nl"], &letter("5", "gewoon", "x")).1.code, 250);
    new.wait_for("another mail", |mail| mail.is_for("vijf@example.nl"));
    assert!(gateway.stop().success());
}

#[test]
fn systemd_hears_that_it_serves_lives_and_stops() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    let path = site.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let heard = || {
        let mut buffer = [0; 200];
        let len = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..len]).trim().to_owned()
    };
    let to = format!("NOTIFY_SOCKET={}", path.display());
    let gateway = site.start_under(&["env", &to, "WATCHDOG_USEC=400000"]);
    assert_eq!(heard(), "READY=1");
    for _ in 0..3 {
        assert_eq!(heard(), "WATCHDOG=1");
    }
    assert!(gateway.stop().success());
    until("the word of its end", || (heard() == "STOPPING=1").then_some(()));
}
