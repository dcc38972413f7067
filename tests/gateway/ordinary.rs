//! Ordinary mail: Postfix in front, the gateway, a server behind. Same bytes, one more Received line and our mark, nothing stored.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::support::client;
use crate::support::corpus::corpus;
use crate::support::gateway::Site;
use crate::support::postfix::Postfix;
use crate::support::sink::Sink;
use crate::support::until;

/// Cuts our mark against loops off, which stands on one line.
fn without_mark(raw: &[u8]) -> &[u8] {
    assert!(raw.starts_with(b"X-Zegel-Loop: "));
    let end = raw.windows(2).position(|two| two == b"\r\n").unwrap();
    &raw[end + 2..]
}

/// Cuts the topmost `Received` field off.
fn without_received(raw: &[u8]) -> &[u8] {
    assert!(
        raw.starts_with(b"Received: "),
        "no Received line on top: {}",
        String::from_utf8_lossy(&raw[..raw.len().min(80)])
    );
    let mut at = 0;
    loop {
        let end = raw[at..].windows(2).position(|two| two == b"\r\n").unwrap();
        at += end + 2;
        if !raw[at..].starts_with(b" ") && !raw[at..].starts_with(b"\t") {
            return &raw[at..];
        }
    }
}

/// The files below a folder.
fn files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

#[test]
fn two_hundred_mails_arrive_byte_for_byte() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    let gateway = site.start();
    let postfix = Postfix::start(gateway.smtp);
    let cases = corpus();
    assert!(cases.len() >= 200);
    let mut client = client::Client::connect(postfix.address).unwrap();
    for (index, case) in cases.iter().enumerate() {
        let (_, reply) = client.send(&format!("m{index}@voorbeeld.example"), &["jan@example.nl"], &case.raw).unwrap();
        assert_eq!(reply.code, 250, "{}: {reply:?}", case.name);
    }
    until("all mails are behind", || (sink.mails().len() >= cases.len()).then_some(()));
    let mut wrong = Vec::new();
    for mail in sink.mails() {
        let index: usize = mail.from.trim_start_matches('m').split('@').next().unwrap().parse().unwrap();
        // Our fields are on top, Postfix's below them.
        let sent = without_received(without_mark(without_received(&mail.raw)));
        if sent != cases[index].raw {
            let at = sent
                .iter()
                .zip(&cases[index].raw)
                .position(|(a, b)| a != b)
                .unwrap_or(sent.len().min(cases[index].raw.len()));
            let near = String::from_utf8_lossy(&sent[at.saturating_sub(20)..sent.len().min(at + 40)]).into_owned();
            wrong.push(format!("{} at byte {at}: …{near:?}…", cases[index].name));
        }
    }
    assert!(wrong.is_empty(), "changed on the way: {wrong:?}");
    assert_eq!(files(&site.path("data/bodies")), 0, "an ordinary mail was stored");
    assert_eq!(site.ask(&["message", "find", "jan@example.nl"])["messages"].as_array().unwrap().len(), 0);
    assert!(gateway.stop().success());
}

/// Runs the Python helper beside this file with Debian's dkim module.
fn dkim(verb: &str, input: &[u8]) -> (bool, Vec<u8>) {
    let helper = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway/signature.py");
    let mut child = Command::new("/usr/bin/python3")
        .args([helper, verb])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), output.stdout)
}

#[test]
fn a_dkim_signature_still_verifies_behind() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    let gateway = site.start();
    for (index, case) in corpus().iter().step_by(20).enumerate() {
        let (signed, mail) = dkim("sign", &case.raw);
        assert!(signed, "cannot sign {}", case.name);
        let from = format!("d{index}@voorbeeld.example");
        let (_, reply) = client::send(gateway.smtp, &from, &["jan@example.nl"], &mail);
        assert_eq!(reply.code, 250, "{reply:?}");
        let behind = sink.wait_for("the signed mail", |mail| mail.from == from);
        assert!(dkim("verify", &behind.raw).0, "{}: the signature broke", case.name);
        let spoiled = [behind.raw.as_slice(), b"x\r\n"].concat();
        assert!(!dkim("verify", &spoiled).0, "the check cannot fail");
    }
}

#[test]
fn while_the_next_hop_is_down_postfix_keeps_the_mail_and_it_arrives_once() {
    let behind = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let site = Site::new(behind, "");
    let gateway = site.start();
    let postfix = Postfix::start(gateway.smtp);
    let mail = b"From: anna@voorbeeld.example\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\nMessage-ID: <1@voorbeeld.example>\r\nSubject: a\r\n\r\nx\r\n";
    let (_, reply) = client::send(postfix.address, "anna@voorbeeld.example", &["jan@example.nl"], mail);
    assert_eq!(reply.code, 250);
    until("Postfix was told to try later", || postfix.log().contains("status=deferred").then_some(()));
    let log = postfix.log();
    assert!(log.contains("said: 451 4."), "not a 451 of ours: {log}");
    let sink = Sink::on(std::net::TcpListener::bind(behind).unwrap());
    sink.wait_for("the mail", |mail| mail.is_for("jan@example.nl"));
    until("Postfix is done with it", || postfix.log().contains("removed").then_some(()));
    assert_eq!(sink.mails().len(), 1);
}

/// A server that does not take everybody.
fn answer(stream: &std::net::TcpStream) {
    let mut out = stream.try_clone().unwrap();
    let _ = out.write_all(b"220 b ESMTP\r\n");
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let reply: &[u8] = match line.to_ascii_uppercase() {
            l if l.starts_with("EHLO") => b"250 b\r\n",
            l if l.contains("NOBODY") => b"550 5.1.1 nobody of that name\r\n",
            l if l.contains("LATER") => b"450 4.2.0 mailbox busy\r\n",
            l if l.starts_with("DATA") => b"554 5.5.1 no\r\n",
            _ => b"250 2.0.0 ok\r\n",
        };
        let _ = out.write_all(reply);
    }
}

#[test]
fn each_recipient_gets_the_next_hops_own_answer() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        // A thread for each: the gateway's look at what this server offers may still be open when the mail comes.
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || answer(&stream));
        }
    });
    let site = Site::new(address, "");
    let gateway = site.start();
    let to = ["jan@example.nl", "nobody@example.nl", "later@example.nl"];
    let (rcpts, dot) =
        client::send(gateway.smtp, "anna@voorbeeld.example", &to, b"From: anna@voorbeeld.example\r\n\r\nx\r\n");
    let answers: Vec<(u16, bool)> = rcpts
        .iter()
        .map(|r| (r.code, r.text.contains("nobody of that name") || r.text.contains("mailbox busy")))
        .collect();
    assert_eq!(answers, [(250, false), (550, true), (450, true)]);
    assert_eq!(dot.code, 554, "the hop's answer to DATA must reach the client: {dot:?}");
}
