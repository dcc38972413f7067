//! Taking messages back and erasing addresses with the commands, on a gateway that runs, that is killed, and that is stopped.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::browser::Browser;
use crate::support::client;
use crate::support::dice::Dice;
use crate::support::gateway::{Gateway, Site};
use crate::support::reader::{ANNA, code_for, letter, links_for, read};
use crate::support::sink::Sink;

const CANARY: &str = "kanarie-7Kd2";

fn seal(gateway: &Gateway, name: &str, to: &[&str]) {
    let mail = letter(name, "[veilig] brief", CANARY);
    assert_eq!(client::send(gateway.smtp, ANNA, to, &mail).1.code, 250, "{name}");
}

/// The newest message for an address.
fn message(site: &Site, to: &str) -> String {
    site.ask(&["message", "find", to])["messages"][0]["id"].as_str().unwrap().to_owned()
}

fn recall(site: &Site, id: &str, more: &[&str]) -> serde_json::Value {
    site.ask(&[&["message", "recall", id], more].concat())
}

/// What the page behind a link says.
fn page(gateway: &Gateway, link: &str) -> (u16, String) {
    let page = Browser::new(gateway.page, "198.51.100.4").get(link);
    (page.status, page.text())
}

#[test]
fn a_recalled_mail_is_told_apart_from_one_that_never_was() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    let gateway = site.start();
    seal(&gateway, "brief", &["jan@example.nl", "piet@example.nl"]);
    let (jan, piet) =
        (links_for(&sink, "jan@example.nl", 1).remove(0), links_for(&sink, "piet@example.nl", 1).remove(0));
    let id = message(&site, "jan@example.nl");
    let answer = recall(&site, &id, &["--recipient", "jan@example.nl"]);
    assert_eq!(answer, serde_json::json!({"answer": "recalled", "recipients": 1, "whole": false, "complete": true}));
    let (status, text) = page(&gateway, &jan);
    assert!(status == 410 && text.contains("Dit bericht is ingetrokken"), "{status} {text}");
    assert!(read(gateway.page, &piet, &code_for(&sink, ANNA, "piet@example.nl")).contains(CANARY));

    // Each answer tells what is the case, and the exit code whether it was done.
    let exit = |arguments: &[&str]| site.command(&[arguments, &["--config", "zegel.toml"]].concat());
    let again = exit(&["message", "recall", &id, "--recipient", "jan@example.nl"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stdout).contains("is no recipient of this message, or it was taken back"));
    assert!(exit(&["message", "recall", &id]).status.success());
    let again = recall(&site, &id, &[]);
    assert_eq!(
        (&again["answer"], &again["why"], &again["complete"]),
        (&"gone".into(), &"recalled".into(), &true.into())
    );
    assert!(exit(&["message", "recall", &id]).status.success(), "to recall it again is no fault");
    assert_eq!(site.ask(&["message", "show", &id])["answer"], "gone");
    let never = exit(&["message", "recall", "gm4tqmbzgezdgnbvgy3tqojqge"]);
    assert!(!never.status.success() && String::from_utf8_lossy(&never.stdout).contains("there is no message"));

    // Erased on the stopped folder: not even a trace of the link.
    seal(&gateway, "tweede", &["jan@example.nl"]);
    let second = links_for(&sink, "jan@example.nl", 2).into_iter().find(|link| *link != jan).unwrap();
    assert!(gateway.stop().success());
    let erased = site.ask(&["contact", "erase", "jan@example.nl"]);
    assert_eq!((&erased["messages"], &erased["contacts"], &erased["complete"]), (&1.into(), &1.into(), &true.into()));
    let gateway = site.start();
    assert_eq!(page(&gateway, &second).0, 404);
    assert_eq!(page(&gateway, &jan).0, 410, "what was recalled before says so as before");
    assert!(site.ask(&["message", "find", "jan@example.nl"])["messages"].as_array().unwrap().is_empty());
    for secret in ["jan@example.nl", CANARY, &second[3..]] {
        assert!(!gateway.log().contains(secret), "{secret} in the log");
    }
}

/// The next hop is down: what waits for it is taken out of the queue.
#[test]
fn a_notice_that_waits_never_leaves_after_a_recall() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let site = Site::new(address, "");
    let gateway = site.start();
    seal(&gateway, "brief", &["jan@example.nl", "piet@example.nl"]);
    let kinds = || {
        let queue = site.ask(&["queue", "list"]);
        let mut kinds: Vec<_> =
            queue["jobs"].as_array().unwrap().iter().map(|job| job["kind"].as_str().unwrap().to_owned()).collect();
        kinds.sort();
        kinds
    };
    assert_eq!(kinds(), ["code", "code", "notice", "notice"]);
    let id = message(&site, "jan@example.nl");
    recall(&site, &id, &["--recipient", "jan@example.nl"]);
    assert_eq!(kinds(), ["code", "code", "notice"]);
    recall(&site, &id, &[]);
    assert_eq!(kinds(), ["code", "code"]);
    // The server behind is there again: nothing but the codes ever comes.
    let sink = Sink::on(TcpListener::bind(address).unwrap());
    code_for(&sink, ANNA, "jan@example.nl");
    code_for(&sink, ANNA, "piet@example.nl");
    assert!(sink.mails().iter().all(|mail| mail.is_for(ANNA)), "a notice left");
    assert!(kinds().is_empty());
    let told = format!("an operator took a message back sealed={id}");
    assert_eq!(gateway.log().matches(&told).count(), 2, "{}", gateway.log());
    drop(gateway);
}

/// Killed in the middle of recalls, again and again: what was answered stays gone, what was not asked for stays, and in the end
/// every recall comes to its end.
#[test]
fn kills_in_the_middle_of_recalls_bring_nothing_back() {
    let dice = Dice::seeded(7);
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    let mut gateway = site.start();
    let people: Vec<String> = (0..16).map(|n| format!("p{n}@example.nl")).collect();
    let mut messages = BTreeMap::new();
    for to in &people {
        seal(&gateway, to.split('@').next().unwrap(), &[to]);
        let link = links_for(&sink, to, 1).remove(0);
        messages.insert(to.clone(), (message(&site, to), link));
    }
    let (recalled, kept) = people.split_at(12);
    let mut answered = 0;
    for three in recalled.chunks(3) {
        std::thread::scope(|scope| {
            let ids: Vec<&String> = three.iter().map(|to| &messages[to].0).collect();
            let asking: Vec<_> = ids
                .into_iter()
                .map(|id| {
                    let site = &site;
                    scope.spawn(move || {
                        site.command(&["message", "recall", id, "--config", "zegel.toml"]).status.success()
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(dice.below(250)));
            gateway.signal(Signal::KILL);
            answered += asking.into_iter().map(|one| usize::from(one.join().unwrap())).sum::<usize>();
        });
        // Until it is gone for good, the folder is its own.
        gateway.kill();
        gateway = site.start();
        for to in three {
            let (id, link) = &messages[to];
            let (status, text) = page(&gateway, link);
            assert!([200, 410].contains(&status), "{status} {text}");
            let again = recall(&site, id, &[]);
            assert_eq!(again["complete"], true, "{again}");
        }
    }
    for to in recalled {
        assert_eq!(page(&gateway, &messages[to].1).0, 410, "{to}");
    }
    for to in kept {
        assert!(read(gateway.page, &messages[to].1, &code_for(&sink, ANNA, to)).contains(CANARY), "{to}");
    }
    let log = gateway.log();
    assert!(!log.contains("panicked") && !log.contains("damaged"), "{log}");
    println!("{answered} of 12 recalls were answered before the kill");
    assert!(gateway.stop().success());
}
