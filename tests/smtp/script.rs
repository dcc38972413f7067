//! Reads a dialog file.
//!
//! ```text
//! # RFC and section, what it shows             the first line of every file
//! set size 2000                                settings, before the first step: size, recipients, offer, tls,
//!                                              require-tls, refused, submission (jan / secret password), login (only
//!                                              offered), xclient (127.0.0.0/8 may be spoken for)
//! only whole: why                              not byte by byte
//! only pure: why                               not over a socket
//! next: rcpt 550 5.1.1 no                      the next answer of the backend to mail, rcpt or end (else 250)
//! -> text                                      the client sends a line; several together go out in one segment
//! ~> text                                      the client sends these bytes, without CR LF
//! <- 250 2.1                                   the next line of the replies begins so
//! <close                                       the server closes; nothing more was said
//! +5m                                          time passes (s, m)
//! tls | stop | hangup                          handshake; the server is told to stop; the client is gone
//! = mail <a@b.example> SIZE=1                  what the backend saw next: mail, rcpt, body, end, abort
//! times 3 … end                                the lines between, so many times
//! ```
//!
//! In texts `\r \n \0 \t \\ \xHH` are octets and `{600*ab}` repeats.

use std::path::Path;
use std::time::Duration;

use zegel::mail::Reply;
use zegel::receive::extension::Offer;

/// One line that does something.
#[derive(Debug, Clone)]
pub enum Step {
    Send(Vec<u8>),
    Expect(String),
    Closed,
    Pass(Duration),
    Tls,
    Stop,
    Hangup,
    Next(Call, Reply),
    Saw(Event),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Mail,
    Rcpt,
    End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Mail(String),
    Rcpt(String),
    Body(Vec<u8>),
    End,
    Abort,
}

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "they are settings, each on its own")]
pub struct Dialog {
    pub name: String,
    pub steps: Vec<(usize, Step)>,
    pub size: u64,
    pub recipients: usize,
    pub offer: Offer,
    pub tls: bool,
    pub require_tls: bool,
    /// TLS before the greeting.
    pub implicit_tls: bool,
    /// No place for a handshake.
    pub tls_full: bool,
    /// Commands between two mails.
    pub commands: usize,
    pub refused: bool,
    pub login: bool,
    pub xclient: bool,
    pub identity: bool,
    /// Why it cannot be played byte by byte.
    pub only_whole: Option<String>,
    /// Why it cannot be played over a socket.
    pub only_pure: Option<String>,
}

/// All dialogs of `tests/smtp`, by name.
pub fn all() -> Vec<Dialog> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/smtp");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "dialog"));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Dialog {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let first = text.lines().next().unwrap_or_default();
    assert!(first.starts_with("# RFC ") && first.contains('§'), "{name}: the first line names an RFC and its section");
    let mut dialog = Dialog {
        name,
        steps: Vec::new(),
        size: 10_000,
        recipients: 100,
        offer: Offer::default(),
        tls: false,
        require_tls: false,
        implicit_tls: false,
        tls_full: false,
        commands: 5_000,
        refused: false,
        login: false,
        xclient: false,
        identity: false,
        only_whole: None,
        only_pure: None,
    };
    for (number, line) in unrolled(&text) {
        let at = format!("{}:{number}: {line}", dialog.name);
        if !dialog.read_setting(line, &at) {
            dialog.steps.push((number, step(line, &at)));
        }
    }
    if dialog.steps.iter().any(|(_, step)| matches!(step, Step::Pass(_))) {
        dialog.only_pure.get_or_insert_with(|| "moves time".to_owned());
    }
    dialog
}

impl Dialog {
    fn read_setting(&mut self, line: &str, at: &str) -> bool {
        if let Some(why) = line.strip_prefix("only whole: ") {
            self.only_whole = Some(why.to_owned());
        } else if let Some(why) = line.strip_prefix("only pure: ") {
            self.only_pure = Some(why.to_owned());
        } else if let Some(setting) = line.strip_prefix("set ") {
            let mut words = setting.split(' ');
            let name = words.next().unwrap();
            match name {
                "size" => self.size = words.next().unwrap().parse().unwrap(),
                "recipients" => self.recipients = words.next().unwrap().parse().unwrap(),
                "tls" => self.tls = true,
                "implicit-tls" => (self.tls, self.require_tls, self.implicit_tls) = (true, true, true),
                "tls-full" => (self.tls, self.tls_full) = (true, true),
                "commands" => self.commands = words.next().unwrap().parse().unwrap(),
                "require-tls" => (self.tls, self.require_tls) = (true, true),
                "refused" => self.refused = true,
                "xclient" => self.xclient = true,
                "login" => (self.tls, self.login) = (true, true),
                "submission" => {
                    (self.tls, self.require_tls, self.login, self.identity) = (true, true, true, true);
                }
                "offer" => words.for_each(|word| match word {
                    "8bitmime" => self.offer.eightbit = true,
                    "smtputf8" => self.offer.smtputf8 = true,
                    "dsn" => self.offer.dsn = true,
                    "requiretls" => self.offer.requiretls = true,
                    _ => panic!("{at}"),
                }),
                _ => panic!("{at}"),
            }
        } else {
            return false;
        }
        true
    }
}

/// The lines that count, with their numbers, loops written out.
fn unrolled(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut repeated: Option<(usize, Vec<(usize, &str)>)> = None;
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match (line.strip_prefix("times "), line, &mut repeated) {
            (Some(count), _, None) => repeated = Some((count.parse().unwrap(), Vec::new())),
            (None, "end", Some(_)) => {
                let (count, lines) = repeated.take().unwrap();
                (0..count).for_each(|_| found.extend_from_slice(&lines));
            }
            (None, _, Some((_, lines))) => lines.push((index + 1, line)),
            (None, _, None) => found.push((index + 1, line)),
            (Some(_), _, Some(_)) => panic!("a loop in a loop"),
        }
    }
    assert!(repeated.is_none(), "a loop without end");
    found
}

fn step(line: &str, at: &str) -> Step {
    if let Some(text) = line.strip_prefix("-> ").or(if line == "->" { Some("") } else { None }) {
        return Step::Send([&octets(text)[..], b"\r\n"].concat());
    }
    if let Some(text) = line.strip_prefix("~> ") {
        return Step::Send(octets(text));
    }
    if let Some(text) = line.strip_prefix("<- ") {
        return Step::Expect(text.to_owned());
    }
    if let Some(text) = line.strip_prefix("next: ") {
        let (call, reply) = text.split_once(' ').unwrap_or_else(|| panic!("{at}"));
        let (code, text) = reply.split_once(' ').unwrap_or_else(|| panic!("{at}"));
        let call = match call {
            "mail" => Call::Mail,
            "rcpt" => Call::Rcpt,
            "end" => Call::End,
            _ => panic!("{at}"),
        };
        return Step::Next(call, Reply::new(code.parse().unwrap(), text));
    }
    if let Some(text) = line.strip_prefix("= ") {
        return Step::Saw(event(text, at));
    }
    if let Some(text) = line.strip_prefix('+') {
        let (number, unit) = text.split_at(text.len() - 1);
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            _ => panic!("{at}"),
        };
        return Step::Pass(Duration::from_secs(number.parse::<u64>().unwrap() * unit));
    }
    match line {
        "<close" => Step::Closed,
        "tls" => Step::Tls,
        "stop" => Step::Stop,
        "hangup" => Step::Hangup,
        _ => panic!("not a step: {at}"),
    }
}

fn event(text: &str, at: &str) -> Event {
    match text.split_once(' ').unwrap_or((text, "")) {
        ("mail", rest) => Event::Mail(rest.to_owned()),
        ("rcpt", rest) => Event::Rcpt(rest.to_owned()),
        ("body", rest) => Event::Body(octets(rest)),
        ("end", "") => Event::End,
        ("abort", "") => Event::Abort,
        _ => panic!("{at}"),
    }
}

fn octets(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let kind = rest.chars().next().unwrap();
                rest = &rest[1..];
                out.push(match kind {
                    'r' => b'\r',
                    'n' => b'\n',
                    't' => b'\t',
                    '0' => 0,
                    '\\' => b'\\',
                    'x' => {
                        let (hex, after) = rest.split_at(2);
                        rest = after;
                        u8::from_str_radix(hex, 16).unwrap()
                    }
                    _ => panic!("\\{kind}"),
                });
            }
            '{' => {
                let (inner, after) = rest.split_once('}').unwrap();
                let (count, what) = inner.split_once('*').unwrap();
                out.extend(octets(what).repeat(count.parse().unwrap()));
                rest = after;
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out
}
