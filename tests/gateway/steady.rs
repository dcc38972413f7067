//! A steady load of ordinary and confidential mail, in clear and over TLS, while the gateway reads its config and certificates again
//! (good ones and spoilt ones) and is stopped: what was acknowledged is at the server behind or in the store, once.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::process::Signal;
use rustls::pki_types::CertificateDer;

use crate::support::client::Client;
use crate::support::gateway::{Gateway, Site};
use crate::support::reader::{ANNA, letter, link, long_text};
use crate::support::sink::Sink;
use crate::support::tls::{make_pair, starttls};
use crate::support::until;

const NAME: &str = "zegel.voorbeeld.example";
const SENDERS: usize = 4;
const LIVES: usize = 3;
/// In every confidential text.
const CANARY: &str = "kanarie-8Hq2";

/// What came of the mails that were sent.
#[derive(Debug, Default)]
struct Ledger {
    /// By recipient, which each mail has for itself.
    acknowledged: Vec<String>,
    refused: Vec<String>,
    /// No reply to the dot.
    unknown: Vec<String>,
    replies: BTreeMap<String, usize>,
}

/// What a sender does, until the gateway is gone.
struct Sender<'a> {
    gateway: &'a Gateway,
    trusted: &'a [CertificateDer<'static>],
    name: String,
    /// Mails acknowledged so far, of all senders.
    taken: &'a AtomicUsize,
}

/// Either kind of connection, past EHLO.
trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

impl Sender<'_> {
    fn run(&self, over: &AtomicBool) -> Ledger {
        let mut ledger = Ledger::default();
        let mut number = 0;
        while !over.load(Ordering::Relaxed) {
            // A new connection now and then, over TLS every second time.
            let Ok(connection) = self.connect(number % 2 == 1) else { continue };
            let mut connection = BufReader::new(connection);
            for _ in 0..5 {
                number += 1;
                if self.mail(&mut connection, number, &mut ledger).is_err() {
                    break;
                }
            }
        }
        ledger
    }

    fn connect(&self, secured: bool) -> std::io::Result<Box<dyn Connection>> {
        if !secured {
            return Ok(Box::new(Client::connect(self.gateway.smtp)?.into_stream()));
        }
        let mut stream =
            BufReader::new(Box::new(starttls(self.gateway.smtp, NAME, self.trusted)?) as Box<dyn Connection>);
        say(&mut stream, "EHLO client.voorbeeld.example\r\n")?;
        Ok(stream.into_inner())
    }

    /// One mail. The error ends the connection.
    fn mail(&self, to: &mut BufReader<Box<dyn Connection>>, number: usize, ledger: &mut Ledger) -> std::io::Result<()> {
        let sealed = number.is_multiple_of(2);
        let recipient = format!("{}-{}-{number}@example.nl", if sealed { "geheim" } else { "gewoon" }, self.name);
        let (subject, mark) = if sealed { ("[veilig] onderwerp", CANARY) } else { ("onderwerp", "gewoon") };
        // Every third is larger than a chunk of the cipher, and than what is collected before it goes on.
        let text = if number.is_multiple_of(3) { long_text(mark, 300_000) } else { mark.to_owned() };
        let mail = letter(&format!("{}-{number}", self.name), subject, &text);
        for command in [format!("MAIL FROM:<{ANNA}>\r\n"), format!("RCPT TO:<{recipient}>\r\n"), "DATA\r\n".to_owned()]
        {
            let reply = say(to, &command)?;
            if !reply.starts_with(['2', '3']) {
                *ledger.replies.entry(reply).or_default() += 1;
                ledger.refused.push(recipient);
                return Err(std::io::ErrorKind::ConnectionAborted.into());
            }
        }
        let wire = zegel::mail::dot::stuff(&mail);
        let Ok(reply) = say(to, wire.as_slice()) else {
            ledger.unknown.push(recipient);
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        };
        if reply.starts_with("250") {
            self.taken.fetch_add(1, Ordering::Relaxed);
            ledger.acknowledged.push(recipient);
        } else {
            ledger.refused.push(recipient);
        }
        *ledger.replies.entry(reply.get(..9).unwrap_or_default().to_owned()).or_default() += 1;
        Ok(())
    }
}

/// Sends, and reads the last line of the reply.
fn say(to: &mut BufReader<Box<dyn Connection>>, bytes: impl AsRef<[u8]>) -> std::io::Result<String> {
    to.get_mut().write_all(bytes.as_ref())?;
    to.get_mut().flush()?;
    loop {
        let mut line = String::new();
        if to.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line.as_bytes().get(3) == Some(&b' ') {
            return Ok(line);
        }
    }
}

/// The config as it is after a change, whose trace in the log is waited for.
struct Changes<'a> {
    site: &'a Site,
    gateway: &'a Gateway,
    taken: &'a AtomicUsize,
}

impl Changes<'_> {
    /// Lets some more mails be acknowledged.
    fn some_mails(&self) {
        let wanted = self.taken.load(Ordering::Relaxed) + 3 * SENDERS;
        until("mails go on", || (self.taken.load(Ordering::Relaxed) >= wanted).then_some(()));
    }

    fn reload(&self, word: &str) {
        let before = self.gateway.log().matches(word).count();
        self.gateway.signal(Signal::HUP);
        until(word, || (self.gateway.log().matches(word).count() > before).then_some(()));
        self.some_mails();
    }

    /// Everything that an operator may do while mail goes on.
    fn all(&self) {
        let file = self.site.path("zegel.toml");
        let good = fs::read_to_string(&file).unwrap();
        self.some_mails();
        self.reload("config read again");
        fs::write(&file, good.replace("max_errors = 10", "max_errors = 7")).unwrap();
        self.reload("config read again");
        fs::write(&file, good.replace("max_errors = 10", "max_errors = \"no\"")).unwrap();
        self.reload("the config is not usable");
        fs::write(&file, good.replace("address = \"127.0.0.1:0\"", "address = \"127.0.0.1:1\"")).unwrap();
        self.reload("the changed config needs a restart");
        fs::write(&file, &good).unwrap();
        self.reload("config read again");
        fs::rename(self.site.path("next.pem"), self.site.path("smtp.pem")).unwrap();
        fs::rename(self.site.path("next.key"), self.site.path("smtp.key")).unwrap();
        self.reload("certificate read again");
        let key = fs::read(self.site.path("smtp.key")).unwrap();
        fs::write(self.site.path("smtp.key"), "rubbish").unwrap();
        self.reload("the certificate on disk is not usable");
        fs::write(self.site.path("smtp.key"), key).unwrap();
    }
}

/// One life of the gateway: what came of its mails.
fn life(site: &Site, number: usize) -> Vec<Ledger> {
    let trusted = [make_pair(site.folder(), "smtp", NAME), make_pair(site.folder(), "next", NAME)];
    let gateway = site.start();
    let (taken, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let ledgers = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|thread| {
                let name = format!("{number}-{thread}");
                let sender = Sender { gateway: &gateway, trusted: &trusted, name, taken: &taken };
                let over = &over;
                scope.spawn(move || sender.run(over))
            })
            .collect();
        Changes { site, gateway: &gateway, taken: &taken }.all();
        gateway.signal(Signal::TERM);
        // The socket closes at once; mails under way end.
        until("no new connections", || std::net::TcpStream::connect(gateway.smtp).is_err().then_some(()));
        over.store(true, Ordering::Relaxed);
        senders.into_iter().map(|sender| sender.join().unwrap()).collect::<Vec<_>>()
    });
    let log = gateway.log();
    assert!(gateway.stop().success(), "{log}");
    assert!(!log.contains("panicked") && !log.contains(CANARY), "{log}");
    ledgers
}

#[test]
fn reloads_and_stops_under_load_lose_nothing_and_repeat_nothing() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    site.change("bounce_domain =", "certificate = \"smtp.pem\", key = \"smtp.key\", max_errors = 10, bounce_domain =");
    let ledgers: Vec<Ledger> = (0..LIVES).flat_map(|number| life(&site, number)).collect();
    let last = site.start();
    until("everything is sent", || site.ask(&["queue", "list"])["jobs"].as_array().unwrap().is_empty().then_some(()));
    let mails = sink.mails();
    let mut arrived: BTreeMap<&str, usize> = BTreeMap::new();
    for mail in &mails {
        mail.to.iter().for_each(|to| *arrived.entry(to).or_default() += 1);
        assert!(!mail.text().contains(CANARY), "a confidential mail left: {:?}", mail.to);
        let notice = mail.to.iter().any(|to| to.starts_with("geheim"));
        assert!(!notice || link(mail).is_some(), "no notice: {}", mail.text());
    }
    let count = |to: &String| arrived.get(to.as_str()).copied().unwrap_or_default();
    for ledger in &ledgers {
        for to in &ledger.acknowledged {
            assert_eq!(count(to), 1, "{to} was acknowledged; of the same life: {ledger:?}");
        }
        assert!(ledger.refused.iter().all(|to| count(to) == 0), "refused and there: {ledger:?}");
        assert!(ledger.unknown.iter().all(|to| count(to) <= 1), "twice: {ledger:?}");
    }
    // In the store too, each once.
    let kept = ledgers.iter().flat_map(|ledger| &ledger.acknowledged).filter(|to| to.starts_with("geheim"));
    let kept: Vec<&String> = kept.collect();
    for to in kept.iter().step_by(7) {
        let found = site.ask(&["message", "find", to]);
        assert_eq!(found["messages"].as_array().unwrap().len(), 1, "{to}: {found}");
    }
    let acknowledged: usize = ledgers.iter().map(|ledger| ledger.acknowledged.len()).sum();
    let unknown: usize = ledgers.iter().map(|ledger| ledger.unknown.len()).sum();
    let refused: usize = ledgers.iter().map(|ledger| ledger.refused.len()).sum();
    println!("{acknowledged} acknowledged ({} confidential), {refused} refused, {unknown} without reply", kept.len());
    assert!(acknowledged >= LIVES * 60 && kept.len() >= LIVES * 20, "too little load to tell anything");
    // A stop finishes what is under way: nobody is left without a reply.
    assert_eq!(unknown, 0);
    assert!(last.stop().success());
}
