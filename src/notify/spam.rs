//! What a spam filter makes of each mail that we write: `SpamAssassin`, with its local rules only.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::compose::{Head, Mailbox, compose};
use super::tests::head;
use crate::text::mail::tests::letters;
use crate::text::{Lang, Texts};

/// More than this from what a mail itself looks like, and a filter somewhere puts it away.
const MOST: f32 = 0.5;

/// The score of each mail, with the rules that made it.
fn scores(mails: &[String]) -> Vec<(f32, String)> {
    let mut mbox = String::new();
    for (number, mail) in mails.iter().enumerate() {
        let mail = mail.replace("\r\n", "\n");
        writeln!(mbox, "From anna@example.nl Sat Nov 21 10:00:00 2026\nX-Case: {number}\n{mail}").unwrap();
    }
    let home = tempfile::tempdir().unwrap();
    let mut filter = Command::new("spamassassin")
        .args(["--local", "--test-mode", "--mbox", "--nocreate-prefs"])
        .env("HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("spamassassin (tests/setup)");
    let mut input = filter.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(mbox.as_bytes()).unwrap());
    let output = filter.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).replace("\n\t", " ");
    // They come out in an order of its own.
    let mut scores = vec![(f32::NAN, String::new()); mails.len()];
    let mut said = "";
    for line in text.lines() {
        if let Some(status) = line.strip_prefix("X-Spam-Status: ") {
            said = status;
        } else if let Some(number) = line.strip_prefix("X-Case: ") {
            let (_, rest) = said.split_once("score=").unwrap();
            scores[number.parse::<usize>().unwrap()] =
                (rest.split(' ').next().unwrap().parse().unwrap(), said.to_owned());
        }
    }
    scores
}

#[test]
fn no_mail_of_ours_looks_like_spam() {
    let texts = Texts::load().unwrap();
    let (mut names, mut mails) = (Vec::new(), Vec::new());
    for lang in Lang::ALL {
        for (name, letter) in letters(&texts, lang) {
            let mailbox =
                |name: &str, address: &str| Mailbox { name: name.to_owned(), address: address.parse().unwrap() };
            let (anna, jan) = (mailbox("Anna Jansen", "anna@example.nl"), mailbox("Jan de Vries", "jan@example.org"));
            let ours = mailbox("Voorbeeld Zorg (veilig mailen)", "veiligmailen@example.nl");
            let generated = !name.starts_with("notice");
            let (from, to) = if generated { (ours, anna) } else { (anna, jan) };
            let head = Head { from, to, generated, ..head("", "") };
            mails.push(String::from_utf8(compose(&head, &letter).unwrap().to_vec()).unwrap());
            names.push(format!("{name} ({})", lang.tag()));
        }
    }
    // One that does, to see that it counts.
    mails.push("From: x@example.nl\r\nSubject: FREE MONEY!!!\r\nContent-Type: text/html\r\n\r\n<img src=http://192.0.2.1/x.gif>\r\n".to_owned());
    let mut scores = scores(&mails);
    assert_eq!(scores.len(), mails.len());
    let (spam, rules) = scores.pop().unwrap();
    assert!(spam > 2.0, "{rules}");
    for (name, (score, rules)) in names.iter().zip(scores) {
        assert!(score <= MOST, "{name}: {rules}");
    }
}
