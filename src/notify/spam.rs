//! What spam filters make of each mail that we write: `SpamAssassin` and rspamd, with their local rules only. Neither asks anybody.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::compose::{Head, Mailbox, compose};
use super::tests::head;
use crate::base::{Clock, SystemClock};
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

/// Every mail that we write, in both languages, by name: envelope sender, recipient, and the mail.
fn ours() -> Vec<(String, [&'static str; 2], String)> {
    let texts = Texts::load().unwrap();
    let mut mails = Vec::new();
    for lang in Lang::ALL {
        for (name, letter) in letters(&texts, lang) {
            let mailbox =
                |name: &str, address: &str| Mailbox { name: name.to_owned(), address: address.parse().unwrap() };
            let (anna, jan) = (mailbox("Anna Jansen", "anna@example.nl"), mailbox("Jan de Vries", "jan@example.org"));
            let ours = mailbox("Voorbeeld Zorg (veilig mailen)", "veiligmailen@example.nl");
            let generated = !name.starts_with("notice");
            let once = name.starts_with("one-time");
            let (from, to) = match (generated, once) {
                (true, true) => (ours, jan),
                (true, false) => (ours, anna),
                (false, _) => (anna, jan),
            };
            let recipient = if generated && !once { "anna@example.nl" } else { "jan@example.org" };
            let head = Head { from, to, generated, date: SystemClock.now(), ..head("", "") };
            let mail = String::from_utf8(compose(&head, &letter).unwrap().to_vec()).unwrap();
            mails.push((format!("{name} ({})", lang.tag()), ["b-aaaa@retour.example.nl", recipient], mail));
        }
    }
    mails
}

/// One that does look so, to see that it counts.
const SPAM: &str = "From: x@example.nl\r\nSubject: FREE MONEY!!!\r\nContent-Type: text/html\r\n\r\n<img src=http://192.0.2.1/x.gif>\r\n";

#[test]
fn no_mail_of_ours_looks_like_spam() {
    let (mut names, mut mails) = (Vec::new(), Vec::new());
    for (name, _, mail) in ours() {
        names.push(name);
        mails.push(mail);
    }
    mails.push(SPAM.to_owned());
    let mut scores = scores(&mails);
    assert_eq!(scores.len(), mails.len());
    let (spam, rules) = scores.pop().unwrap();
    assert!(spam > 2.0, "{rules}");
    for (name, (score, rules)) in names.iter().zip(scores) {
        assert!(score <= MOST, "{name}: {rules}");
    }
}

/// What rspamd may say of a mail of ours: what it is like, and two small things that belong to it.
const EXPECTED: [&str; 12] = [
    "FROM_HAS_DN",
    "MID_RHS_MATCH_FROMTLD",
    "MIME_GOOD",
    "MIME_TRACE",
    "RCPT_COUNT_ONE",
    "RCVD_COUNT_ZERO",
    "TO_DN_ALL",
    "TO_DOM_EQ_FROM_DOM",
    "TO_MATCH_ENVRCPT_ALL",
    // Reports come back to an address of the gateway's own.
    "FORGED_SENDER",
    "FROM_NEQ_ENVFROM",
    // The text of a notice has its link once, its HTML twice: the button, and the address to read.
    "URI_COUNT_ODD",
];

/// Modules that ask others: name servers, lists, a database.
const ASKING: [&str; 24] = [
    "antivirus",
    "arc",
    "asn",
    "bimi",
    "clickhouse",
    "dcc",
    "dkim",
    "dkim_signing",
    "dmarc",
    "elastic",
    "external_services",
    "fuzzy_check",
    "greylist",
    "hfilter",
    "history_redis",
    "mx_check",
    "neural",
    "p0f",
    "ratelimit",
    "rbl",
    "replies",
    "reputation",
    "spf",
    "url_redirector",
];

/// An rspamd of its own, in a folder that goes with it.
struct Rspamd {
    process: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Rspamd {
    fn drop(&mut self) {
        // Its workers end only with a main process that ends them.
        let _asked = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.process),
            rustix::process::Signal::TERM,
        );
        let _gone = self.process.wait();
    }
}

impl Rspamd {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self::configure(folder.path(), address);
        let here = folder.path().display();
        let mut command = Command::new("rspamd");
        command.args(["--no-fork", "--config"]).arg(folder.path().join("rspamd.conf"));
        command.args(["DBDIR", "RUNDIR", "LOGDIR", "LOCAL_CONFDIR"].map(|name| format!("--var={name}={here}")));
        if rustix::process::geteuid().is_root() {
            command.args(["--insecure", "--user", "root", "--group", "root"]);
        }
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("rspamd (tests/setup)");
        let rspamd = Self { process, address, _folder: folder };
        // Another process gives no event to wait for.
        let listens = (0..1_000).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            TcpStream::connect(address).is_ok()
        });
        assert!(listens, "rspamd does not listen");
        rspamd
    }

    /// Its own rules and scores; whatever asks others is off, and the name server that is left does not answer.
    fn configure(folder: &Path, address: SocketAddr) {
        let here = folder.display();
        let local = folder.join("local.d");
        fs::create_dir(&local).unwrap();
        for module in ASKING {
            fs::write(local.join(format!("{module}.conf")), "enabled = false;\n").unwrap();
        }
        // A list of all top-level domains, and expressions made for this processor, would take half a minute.
        let options = format!(
            "dns {{ nameserver = [\"127.0.0.1:1\"]; timeout = 0.1s; retransmits = 1; }}\ndisable_hyperscan = true;\n\
             tempdir = \"{here}\";\nurl_tld = \"{here}/tld\";\n"
        );
        fs::write(local.join("options.inc"), options).unwrap();
        fs::write(folder.join("tld"), "nl\norg\ncom\nexample\n").unwrap();
        let main = format!(
            ".include \"$CONFDIR/common.conf\"\noptions {{\n pidfile = \"$RUNDIR/pid\";\n .include \"$CONFDIR/options.inc\"\n\
             .include(priority=1,duplicate=merge) \"$LOCAL_CONFDIR/local.d/options.inc\"\n}}\nlogging {{ type = \"console\"; level = \"error\"; }}\n\
             worker \"normal\" {{\n bind_socket = \"{address}\";\n .include \"$CONFDIR/worker-normal.inc\"\n count = 1;\n}}\n"
        );
        fs::write(folder.join("rspamd.conf"), main).unwrap();
    }

    /// The names of what it sees in a mail, with the score of each.
    fn symbols(&self, [from, to]: [&str; 2], mail: &str) -> Vec<(String, f64)> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let head = format!(
            "POST /checkv2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nFrom: {from}\r\nRcpt: {to}\r\nContent-Length: {}\r\n\r\n",
            mail.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(mail.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
        let symbols = body["symbols"].as_object().unwrap();
        symbols.iter().map(|(name, symbol)| (name.clone(), symbol["score"].as_f64().unwrap())).collect()
    }
}

#[test]
fn rspamd_sees_nothing_unexpected_in_a_mail_of_ours() {
    let rspamd = Rspamd::start();
    let mut seen = BTreeMap::new();
    for (name, envelope, mail) in ours() {
        let symbols = rspamd.symbols(envelope, &mail);
        let against: f64 = symbols.iter().map(|(_, score)| score).sum();
        assert!(against <= 1.5, "{name}: {symbols:?}");
        for (symbol, score) in symbols {
            seen.entry(symbol).or_insert_with(|| format!("{score} in {name}"));
        }
    }
    let unexpected: Vec<_> = seen.iter().filter(|(symbol, _)| !EXPECTED.contains(&symbol.as_str())).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
    let unseen: Vec<_> = EXPECTED.iter().filter(|symbol| !seen.contains_key(**symbol)).collect();
    assert!(unseen.is_empty(), "expected in vain: {unseen:?}");
    let against: f64 = rspamd.symbols(["x@example.nl", "jan@example.org"], SPAM).iter().map(|(_, score)| score).sum();
    assert!(against > 4.0, "{against}");
}
