//! Reports about mails of the gateway come in at its `mx` listener, from anybody, and nothing else does.

use std::net::SocketAddr;

use crate::answers;
use crate::strict::{DOCTOR, STRICT};
use crate::support::browser::Browser;
use crate::support::client::{Client, send};
use crate::support::gateway::{Gateway, Site};
use crate::support::reader::{ANNA, code, letter, link, links_for, strict_code_for};
use crate::support::sink::{Mail, Sink};
use crate::support::until;

const TO: &str = "jan@example.nl";
const FALLBACK: &str = "veiligmailen@voorbeeld.example";
/// What a stranger would like the sender to read.
const CANARY: &str = "bel-dit-nummer-2Kw7";

fn set_up() -> (Sink, Site, Gateway) {
    set_up_with("")
}

fn set_up_with(config: &str) -> (Sink, Site, Gateway) {
    let sink = Sink::start();
    let reports = "[[listener]]\nname = \"reports\"\nkind = \"mx\"\naddress = \"127.0.0.1:0\"\n";
    let site = Site::new(sink.address, &format!("{reports}{config}"));
    let gateway = site.start();
    (sink, site, gateway)
}

pub fn report(action: &str, status: &str) -> Vec<u8> {
    format!(
        "From: <MAILER-DAEMON@mx.example>\r\nTo: <x@retour.voorbeeld.example>\r\nSubject: {CANARY}\r\nAuto-Submitted: auto-replied\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\n{CANARY}\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
         Final-Recipient: rfc822; {TO}\r\nAction: {action}\r\nStatus: {status}\r\nDiagnostic-Code: smtp; 550 {CANARY}\r\n\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: {CANARY}\r\n\r\n--b--\r\n"
    )
    .into_bytes()
}

/// A confidential mail: its notice and its code mail.
fn seal(gateway: &Gateway, sink: &Sink) -> (Mail, Mail) {
    let (_, reply) = send(gateway.smtp, ANNA, &[TO], &letter("een", "[veilig] uitslag", "tekst"));
    assert_eq!(reply.code, 250);
    let notice = sink.wait_for("the notice", |mail| mail.is_for(TO) && link(mail).is_some());
    let coded = sink.wait_for("the code", |mail| mail.is_for(ANNA) && code(mail, TO).is_some());
    (notice, coded)
}

pub fn take(server: SocketAddr, to: &str, report: &[u8]) -> u16 {
    let (rcpts, reply) = send(server, "", &[to], report);
    assert_eq!(rcpts[0].code, 250, "{rcpts:?}");
    reply.code
}

/// Mails behind that are none of those at the start.
fn told(sink: &Sink, to: &str) -> Vec<String> {
    let new = |mail: &&Mail| mail.is_for(to) && code(mail, TO).is_none() && link(mail).is_none();
    sink.mails().iter().filter(new).map(|mail| mail.view().text.unwrap()).collect()
}

#[test]
fn only_reports_for_our_own_addresses_come_in() {
    let (sink, _site, gateway) = set_up();
    let (notice, _) = seal(&gateway, &sink);
    assert!(notice.from.starts_with("b-") && notice.from.ends_with("@retour.voorbeeld.example"), "{}", notice.from);
    let before = sink.mails().len();
    let mut client = Client::connect(gateway.others[0]).unwrap();
    let offer = client.say("EHLO mx.example").unwrap().text;
    assert!(offer.contains("8BITMIME") && offer.contains("SMTPUTF8"), "{offer}");
    assert!(!offer.contains("AUTH") && !offer.contains("DSN") && !offer.contains("XCLIENT"), "{offer}");
    let refused = |client: &mut Client, line: &str| {
        let reply = client.say(line).unwrap();
        assert!(reply.code == 550 && reply.text.starts_with("5.7.1 "), "{line}: {reply:?}");
    };
    refused(&mut client, "MAIL FROM:<jan@example.nl>");
    refused(&mut client, &format!("MAIL FROM:<{ANNA}>"));
    assert_eq!(client.say("MAIL FROM:<>").unwrap().code, 250);
    let (local, domain) = notice.from.split_once('@').unwrap();
    let other = if local.ends_with('a') { "b" } else { "a" };
    let changed = format!("{}{other}@{domain}", &local[..local.len() - 1]);
    for to in [TO, ANNA, FALLBACK, &changed, &format!("antwoord+{local}@{domain}"), &format!("{local}@example.nl")] {
        refused(&mut client, &format!("RCPT TO:<{to}>"));
    }
    assert_eq!(client.say("DATA").unwrap().code, 554);
    client.say("RSET").unwrap();
    let away =
        b"From: Jan <jan@example.nl>\r\nAuto-Submitted: auto-replied\r\nSubject: afwezig\r\n\r\nIk ben er niet.\r\n";
    assert_eq!(client.send("", &[&notice.from], away).unwrap().1.code, 550);
    assert_eq!(client.send("", &[&notice.from.to_uppercase()], &report("delayed", "4.4.1")).unwrap().1.code, 250);
    assert_eq!(client.send("", &[&notice.from], &report("delivered", "2.0.0")).unwrap().1.code, 250);
    assert_eq!(sink.mails().len(), before, "something was passed on or told");
    assert!(gateway.stop().success());
    assert_eq!(sink.mails().len(), before);
}

#[test]
fn who_sent_it_hears_once_that_it_did_not_arrive() {
    let (sink, site, gateway) = set_up();
    let (notice, coded) = seal(&gateway, &sink);
    let server = gateway.others[0];
    for _ in 0..2 {
        assert_eq!(take(server, &notice.from, &report("failed", "5.1.1")), 250);
        assert_eq!(take(server, &coded.from, &report("failed", "5.2.2")), 250);
    }
    let sender = until("the mail to the sender", || told(&sink, ANNA).into_iter().next());
    assert!(sender.contains("550 5.1.1"), "{sender}");
    let fallback = until("the mail to the fallback", || told(&sink, FALLBACK).into_iter().next());
    assert!(fallback.contains("550 5.2.2"), "{fallback}");
    let found = site.ask(&["message", "find", TO]);
    let shown = site.ask(&["message", "show", found["messages"][0]["id"].as_str().unwrap()]);
    assert!(shown.to_string().contains("failed"), "{shown}");

    // A mail that tells of a failure has no such mail of its own.
    let telling = sink.mails().into_iter().find(|mail| mail.is_for(ANNA) && code(mail, TO).is_none()).unwrap();
    assert_eq!(take(server, &telling.from, &report("failed", "5.1.1")), 250);
    until("an empty queue", || site.ask(&["queue", "list"])["jobs"].as_array().unwrap().is_empty().then_some(()));
    assert_eq!((told(&sink, ANNA).len(), told(&sink, FALLBACK).len()), (1, 1));
    for mail in sink.mails() {
        assert!(!mail.text().contains(CANARY), "a text of the report was passed on");
    }
    assert!(!gateway.log().contains(CANARY) && !gateway.log().contains(TO) && !gateway.log().contains(&notice.from));
    assert!(gateway.log().contains("verdict=\"reported\""));
    assert!(gateway.stop().success());
}

#[test]
fn what_the_recipient_opened_did_arrive() {
    let (sink, site, gateway) = set_up();
    let (notice, coded) = seal(&gateway, &sink);
    let text = crate::support::reader::read(gateway.page, &link(&notice).unwrap(), &code(&coded, TO).unwrap());
    assert!(text.contains("tekst"));
    assert_eq!(take(gateway.others[0], &notice.from, &report("failed", "5.1.1")), 250);
    until("an empty queue", || site.ask(&["queue", "list"])["jobs"].as_array().unwrap().is_empty().then_some(()));
    assert!(told(&sink, ANNA).is_empty());
    assert!(gateway.stop().success());
}

#[test]
fn an_answer_that_comes_back_goes_to_the_fallback_and_its_writer_hears_of_it() {
    let (sink, site, gateway) = set_up();
    let (notice, coded) = seal(&gateway, &sink);
    let mut browser = Browser::new(gateway.page, "198.51.100.7");
    assert_eq!(browser.unlock(&link(&notice).unwrap(), &code(&coded, TO).unwrap()).status, 303);
    let form = answers::form(&mut browser, answers::CANARY, &[("klein.pdf", b"klein")]);
    assert_eq!(answers::send(&mut browser, &form).status, 303);
    let answer = arrived_and_back(&sink, &gateway, &mut browser);
    sink.wait_for("the answer in the fallback", |mail| mail.is_for(FALLBACK) && brings(mail));
    let told = until("the mail to the writer", || told(&sink, TO).into_iter().next());
    assert!(told.contains("in een andere mailbox van Voorbeeld Zorg") && !told.contains(answers::CANARY), "{told}");
    let page = browser.get("/bericht").text();
    assert!(page.contains("bezorgd in een andere mailbox"), "{page}");

    // Neither that one nor the mail about it begins anew.
    for mail in sink.mails().into_iter().filter(|mail| mail.from == answer.from) {
        assert_eq!(take(gateway.others[0], &mail.from, &report("failed", "5.2.2")), 250);
    }
    until("an empty queue", || site.ask(&["queue", "list"])["jobs"].as_array().unwrap().is_empty().then_some(()));
    let copies: Vec<Mail> = sink.mails().into_iter().filter(|mail| mail.is_for(FALLBACK) && brings(mail)).collect();
    assert_eq!(copies.len(), 1);
    let lost = |site: &Site| {
        let metrics = String::from_utf8(site.command(&["metrics", "--config", "zegel.toml"]).stdout).unwrap();
        metrics.lines().find_map(|line| Some(line.strip_prefix("zegel_answers_lost_total ")?.to_owned())).unwrap()
    };
    assert_eq!(lost(&site), "0");

    // The fallback's mail server took its copy and then could not deliver it: nobody has the answer, and its writer hears that, once.
    for _ in 0..2 {
        assert_eq!(take(gateway.others[0], &copies[0].from, &report("failed", "5.2.2")), 250);
    }
    called(&sink, &mut browser, TO);
    assert_eq!(lost(&site), "1");
    assert!(gateway.log().contains("an answer reached no mailbox"), "{}", gateway.log());
}

/// Whether a mail brings the answer.
fn brings(mail: &Mail) -> bool {
    mail.text().contains(answers::CANARY)
}

/// The answer arrives, and then is reported as undeliverable, twice.
fn arrived_and_back(sink: &Sink, gateway: &Gateway, browser: &mut Browser) -> Mail {
    let answer = sink.wait_for("the answer", |mail| mail.is_for(ANNA) && brings(mail));
    until("the page says that it arrived", || {
        browser.get("/bericht").text().contains("bezorgd bij de afzender").then_some(())
    });
    for _ in 0..2 {
        assert_eq!(take(gateway.others[0], &answer.from, &report("failed", "5.2.2")), 250);
    }
    answer
}

/// The writer of an answer that nobody has is asked to call, once.
fn called(sink: &Sink, browser: &mut Browser, writer: &str) {
    let asked = || told(sink, writer).into_iter().filter(|text| text.contains("dus niet gelezen")).collect::<Vec<_>>();
    let texts = until("the mail that asks to call", || Some(asked()).filter(|texts| !texts.is_empty()));
    assert!(texts.len() == 1 && !texts[0].contains(answers::CANARY), "{texts:?}");
    let page = browser.get("/bericht").text();
    assert!(page.contains("niet bezorgd, bel met de afzender"), "{page}");
}

#[test]
fn in_strict_mode_the_writer_of_an_answer_that_comes_back_is_asked_to_call() {
    let (sink, site, gateway) = set_up_with(STRICT);
    let (_, reply) = send(gateway.smtp, ANNA, &[DOCTOR], &letter("streng", "Uitslag", "tekst"));
    assert_eq!(reply.code, 250);
    let (link, code) = (links_for(&sink, DOCTOR, 1).remove(0), strict_code_for(&sink, ANNA, DOCTOR));
    let mut browser = Browser::new(gateway.page, "198.51.100.7");
    assert_eq!(browser.unlock(&link, &code).status, 303);
    let form = answers::form(&mut browser, answers::CANARY, &[]);
    assert_eq!(answers::send(&mut browser, &form).status, 303);
    arrived_and_back(&sink, &gateway, &mut browser);
    called(&sink, &mut browser, DOCTOR);
    until("an empty queue", || site.ask(&["queue", "list"])["jobs"].as_array().unwrap().is_empty().then_some(()));
    assert!(
        sink.mails().iter().all(|mail| !mail.is_for(FALLBACK) || !brings(mail)),
        "nobody but the reader has its key"
    );
    assert!(gateway.stop().success());
}
