//! A confidential mail from both ends: how a sender writes it, and how its recipient reads it.

use std::net::SocketAddr;

use super::browser::Browser;
use super::sink::{Mail, Sink};

/// The sender of [`letter`].
pub const ANNA: &str = "anna@voorbeeld.example";

/// A rule that seals what goes to arts.example, known at RCPT already.
pub const SEAL_DOCTORS: &str = "[[rule]]\nname = \"artsen\"\nto = [\"arts.example\"]\naction = \"seal\"\n";

/// A mail from [`ANNA`]; `name` makes its Message-ID.
pub fn letter(name: &str, subject: &str, body: &str) -> Vec<u8> {
    letter_from(ANNA, name, subject, body)
}

/// A mail.
pub fn letter_from(from: &str, name: &str, subject: &str, body: &str) -> Vec<u8> {
    format!(
        "From: Afzender <{from}>\r\nTo: Lezer <lezer@example.nl>\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\n\
         Message-ID: <{name}@voorbeeld.example>\r\nSubject: {subject}\r\n\r\n{body}\r\n"
    )
    .into_bytes()
}

/// A text of at least `bytes` with `marker` at both ends.
pub fn long_text(marker: &str, bytes: usize) -> String {
    let line = "Deze regel maakt de brief lang genoeg voor een eigen bestand.\r\n";
    format!("{marker}\r\n{}{marker} (einde)", line.repeat(bytes / line.len() + 1))
}

/// The path of the link in a notice; `None` in other mails.
pub fn link(mail: &Mail) -> Option<String> {
    let text = mail.view().text?;
    let found = text.split_whitespace().find_map(|word| word.strip_prefix("https://veilig.voorbeeld.example"));
    found.filter(|path| path.starts_with("/b/")).map(str::to_owned)
}

/// The eight digits in the mail that brings the sender the code for `recipient`; `None` in other mails.
pub fn code(mail: &Mail, recipient: &str) -> Option<String> {
    let text = mail.view().text.filter(|text| text.contains(recipient))?;
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let four = |word: &&str| word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit());
    words.windows(2).find(|two| two.iter().all(four)).map(<[&str]>::concat)
}

/// Waits for the links that `recipient` was sent; at least `count`, without repeats.
pub fn links_for(sink: &Sink, recipient: &str, count: usize) -> Vec<String> {
    super::until(&format!("{count} notices for {recipient}"), || {
        let mut links: Vec<String> = Vec::new();
        for found in sink.mails().iter().filter(|mail| mail.is_for(recipient)).filter_map(link) {
            if !links.contains(&found) {
                links.push(found);
            }
        }
        (links.len() >= count).then_some(links)
    })
}

/// Waits for the code that `sender` was sent for `recipient`.
pub fn code_for(sink: &Sink, sender: &str, recipient: &str) -> String {
    super::until(&format!("the code for {recipient}"), || {
        sink.mails().iter().filter(|mail| mail.is_for(sender)).find_map(|mail| code(mail, recipient))
    })
}

/// The same for a contact of strict mode: sixteen characters.
pub fn strict_code_for(sink: &Sink, sender: &str, recipient: &str) -> String {
    super::until(&format!("the strict code for {recipient}"), || {
        let mails = sink.mails();
        let mut texts = mails.iter().filter(|mail| mail.is_for(sender)).filter_map(|mail| mail.view().text);
        texts.find_map(|text| {
            let words: Vec<&str> = text.split_whitespace().collect();
            let part = |word: &&str| {
                word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            };
            let code = words.windows(4).find(|four| four.iter().all(part)).map(<[&str]>::concat);
            code.filter(|_| text.contains(recipient))
        })
    })
}

/// Opens a link with its code: the original as it is kept.
pub fn read(page: SocketAddr, link: &str, code: &str) -> String {
    let mut browser = Browser::new(page, "198.51.100.9");
    let opened = browser.unlock(link, code);
    assert_eq!(opened.status, 303, "not opened: {}", opened.text());
    assert_eq!(browser.get("/bericht").status, 200);
    browser.get("/bericht/origineel.eml").text()
}
