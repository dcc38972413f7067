//! Ordinary mails of all shapes: the public test mails of Python's `email`, and edge cases made here.

use std::fs;
use std::path::Path;

/// Where Debian's libpython3.11-testsuite puts them.
const PYTHON: &str = "/usr/lib/python3.11/test/test_email/data";

/// A mail and what it shows.
pub struct Case {
    pub name: String,
    pub raw: Vec<u8>,
}

/// At least 200 mails, each ending in CRLF (DATA can carry no other: RFC 5321 §4.1.1.4), with a Date, Message-ID and From so
/// that the Postfix in front has no reason to add them.
pub fn corpus() -> Vec<Case> {
    let mut cases = python();
    assert!(cases.len() >= 40, "the mails of libpython3.11-testsuite are missing: run tests/setup");
    cases.extend(edges());
    let mut seed = 1_u64;
    while cases.len() < 200 {
        seed += 1;
        cases.push(Case { name: format!("made {seed}"), raw: made(seed) });
    }
    cases
}

fn python() -> Vec<Case> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(Path::new(PYTHON)).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|end| end == "txt") {
            let raw = crlf(&fs::read(&path).unwrap());
            cases.push(Case { name: path.file_name().unwrap().to_string_lossy().into_owned(), raw: complete(&raw) });
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// Line ends as SMTP wants them: every CR, LF or CRLF becomes CRLF, and there is one at the end.
fn crlf(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + 64);
    let mut bytes = raw.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if_eq(&b'\n');
                out.extend(b"\r\n");
            }
            b'\n' => out.extend(b"\r\n"),
            0 => {}
            other => out.push(other),
        }
    }
    if !out.ends_with(b"\r\n") {
        out.extend(b"\r\n");
    }
    out
}

/// A header block of our own before a text that is all body, so that no server in front repairs the header.
fn complete(text: &[u8]) -> Vec<u8> {
    let has = |name: &str| {
        let head = text.windows(4).position(|four| four == b"\r\n\r\n").map_or(text, |end| &text[..end]);
        String::from_utf8_lossy(head).to_ascii_lowercase().lines().any(|line| line.starts_with(name))
    };
    // A mailbox separator (`From `) on top would be repaired too.
    let proper = ["from:", "date:", "message-id:"].iter().all(|name| has(name)) && !text.starts_with(b"From ");
    if proper { text.to_vec() } else { [HEADER.as_bytes(), b"Subject: quoted\r\n\r\n", text].concat() }
}

const HEADER: &str = "From: Anna Jansen <anna@voorbeeld.example>\r\nTo: jan@example.nl\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\n\
                      Message-ID: <corpus@voorbeeld.example>\r\n";

fn edges() -> Vec<Case> {
    let long = "x".repeat(990);
    let bodies: [(&str, String); 12] = [
        ("empty body", "Subject: a\r\n\r\n".to_owned()),
        ("no empty line after the header", "Subject: a\r\n".to_owned()),
        ("leading dots", "Subject: a\r\n\r\n.\r\n..\r\n.x\r\n...\r\n".to_owned()),
        ("a header line with a dot", ".odd: a\r\nSubject: a\r\n\r\nx\r\n".to_owned()),
        ("lines of 990 octets", format!("Subject: a\r\n\r\n{long}\r\n{long}\r\n")),
        ("trailing spaces and tabs", "Subject: a\r\n\r\nx  \r\n\t\r\n \r\n".to_owned()),
        ("empty lines at the end", "Subject: a\r\n\r\nx\r\n\r\n\r\n\r\n".to_owned()),
        ("From at a line start", "Subject: a\r\n\r\nFrom here\r\n>From there\r\n".to_owned()),
        ("eight-bit", "Subject: a\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nCaf\u{e9} \u{20ac}\r\n".to_owned()),
        ("folded subject", "Subject: a\r\n\tb\r\n c\r\n\r\nx\r\n".to_owned()),
        ("odd header spelling", "sUBJECT:a\r\nX-Empty:\r\nX-Tabs:\t\ta\t\r\n\r\nx\r\n".to_owned()),
        ("words in brackets that are no tag", "Subject: about [onveilig] things\r\n\r\n[veilig]\r\n".to_owned()),
    ];
    bodies
        .into_iter()
        .map(|(name, rest)| Case { name: name.to_owned(), raw: format!("{HEADER}{rest}").into_bytes() })
        .collect()
}

/// A mail of printable noise with dots and long lines.
fn made(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut raw = format!("{HEADER}Subject: made {seed}\r\n\r\n").into_bytes();
    for _ in 0..next() % 80 {
        let len = next() % 300;
        let line: Vec<u8> = (0..len).map(|_| b" .abcXYZ019=-\t<>&"[usize::try_from(next() % 17).unwrap()]).collect();
        raw.extend(line);
        raw.extend(b"\r\n");
    }
    raw
}
