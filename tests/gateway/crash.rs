//! kill -9 at random moments, a hundred times, under load, on one data folder: nothing acknowledged is lost, nothing leaves in
//! clear, no count of wrong codes goes back, and it always starts again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;

use crate::support::browser::Browser;
use crate::support::client::{self, Client};
use crate::support::dice::Dice;
use crate::support::gateway::{Gateway, Site};
use crate::support::reader::{SEAL_DOCTORS, code, letter_from, link, links_for, long_text};
use crate::support::sink::{Mail, Sink};
use crate::support::until;

/// Rounds, unless `ZEGEL_ROUNDS` says how many.
const ROUNDS: usize = 100;
/// In every confidential text; what follows makes it that mail's own.
const CANARY: &str = "kanarie-";
const SENDERS: [&str; 2] = ["anna@voorbeeld.example", "bart@voorbeeld.example"];
const PLAIN: &str = "gewoon@example.nl";
/// End of addresses that [`SEAL_DOCTORS`] seals.
const DOCTOR: &str = "@arts.example";
/// Wrong codes on one contact; at a hundred it would close.
const TRIES: u64 = 95;
/// Links whose codes are guessed at, each of a contact of its own.
const TARGETS: usize = 4;

/// Who guess at the same time.
const GUESSERS: usize = 3;

/// What the gateway answered 250 for.
#[derive(Debug)]
struct Taken {
    sealed: Vec<String>,
    marker: String,
}

/// A link whose code is guessed at.
#[derive(Debug)]
struct Target {
    message: String,
    link: String,
    form: String,
    sent: u64,
    answered: u64,
}

/// What happened so far.
#[derive(Debug, Default)]
struct Ledger {
    taken: Vec<Taken>,
    targets: Vec<Target>,
    /// Replies other than 250, and how often.
    refusals: BTreeMap<String, usize>,
}

/// Sends until the gateway goes away.
struct Sender {
    server: SocketAddr,
    from: &'static str,
    name: String,
    round: usize,
    dice: Dice,
    ledger: Arc<Mutex<Ledger>>,
}

impl Sender {
    fn run(self) {
        for number in 0.. {
            let Ok(mut client) = Client::connect(self.server) else { return };
            for part in 0..4 {
                if self.send(&mut client, &format!("{}-{number}-{part}", self.name)).is_err() {
                    return;
                }
            }
        }
    }

    fn send(&self, client: &mut Client, name: &str) -> std::io::Result<()> {
        let marker = format!("{CANARY}{name}.");
        // Every sender has people of their own, so that one code opens all of a recipient's links; and others every ten
        // rounds, so that codes are made in many of them.
        let who = &self.from[..4];
        let (patient, doctor) = (format!("{who}{}@example.nl", self.round / 10), format!("{who}{DOCTOR}"));
        let (patient, doctor) = (patient.as_str(), doctor.as_str());
        let short = || marker.clone();
        let long = || long_text(&marker, 70_000 + usize::try_from(self.dice.below(100_000)).unwrap());
        let (subject, to, text) = match self.dice.below(10) {
            0..5 => ("[veilig] brief", vec![patient], short()),
            5..7 => ("[veilig] dossier", vec![patient, doctor], long()),
            7 => ("gemengd dossier", vec![PLAIN, doctor], long()),
            8 => ("gemengd", vec![PLAIN, doctor], short()),
            _ => ("gewoon", vec![PLAIN], "niets bijzonders".to_owned()),
        };
        let (rcpts, dot) = client.send(self.from, &to, &letter_from(self.from, name, subject, &text))?;
        let mut ledger = self.ledger.lock().unwrap();
        for reply in rcpts.iter().chain([&dot]).filter(|reply| reply.code != 250) {
            assert!((400..500).contains(&reply.code), "{name}: {reply:?}");
            *ledger.refusals.entry(format!("{} {}", reply.code, reply.text)).or_default() += 1;
        }
        let refused = rcpts.iter().any(|reply| reply.code != 250);
        let sealed: Vec<String> = to.iter().filter(|to| **to != PLAIN).map(|to| (*to).to_owned()).collect();
        if dot.code == 250 && !refused && !sealed.is_empty() {
            ledger.taken.push(Taken { sealed, marker });
        }
        Ok(())
    }
}

/// Guesses at codes until the gateway goes away.
fn guess(page: SocketAddr, round: usize, thread: usize, ledger: &Mutex<Ledger>) {
    for number in (thread..).step_by(GUESSERS) {
        let (link, form) = {
            let mut ledger = ledger.lock().unwrap();
            let Some(target) = ledger.targets.iter_mut().find(|target| target.sent < TRIES) else { return };
            target.sent += 1;
            (target.link.clone(), target.form.clone())
        };
        let mut browser = Browser::new(page, &format!("203.{}.{number}.{}", round % 250, round / 250 + 1));
        let Ok(answer) = browser.try_post(&link, &[("pagina", &form), ("code", "00000000")]) else { return };
        let mut ledger = ledger.lock().unwrap();
        // 503 is an answer of a gateway that could not count.
        if answer.status == 403 {
            ledger.targets.iter_mut().find(|target| target.link == link).unwrap().answered += 1;
        } else {
            *ledger.refusals.entry(format!("page {}", answer.status)).or_default() += 1;
        }
    }
}

/// A message for each contact that is guessed at.
fn targets(site: &Site, sink: &Sink, gateway: &Gateway) -> Vec<Target> {
    let target = |number| {
        let to = format!("doel{number}@example.nl");
        let mail =
            letter_from(SENDERS[0], &format!("doel{number}"), "[veilig] doel", &format!("{CANARY}doel{number}."));
        assert_eq!(client::send(gateway.smtp, SENDERS[0], &[&to], &mail).1.code, 250);
        let link = links_for(sink, &to, 1).remove(0);
        let form = Browser::new(gateway.page, "198.51.100.1").form(&link);
        let found = site.ask(&["message", "find", &to]);
        let message = found["messages"][0]["id"].as_str().unwrap().to_owned();
        Target { message, link, form, sent: 0, answered: 0 }
    };
    (0..TARGETS).map(target).collect()
}

/// The wrong codes that the gateway counts on a target.
fn counted(site: &Site, message: &str) -> u64 {
    site.ask(&["message", "show", message])["recipients"][0]["wrong"].as_u64().unwrap()
}

/// No wrong code that was answered is forgotten, and none is made up.
fn check_counts(site: &Site, ledger: &Ledger, all: bool) {
    let current = ledger.targets.iter().rposition(|target| target.sent > 0).unwrap_or(0);
    for (number, target) in ledger.targets.iter().enumerate().filter(|(number, _)| all || *number == current) {
        let wrong = counted(site, &target.message);
        let fits = (target.answered..=target.sent).contains(&wrong);
        assert!(fits, "doel{number}: {wrong} counted, {} answered, {} sent", target.answered, target.sent);
    }
}

/// Kills it before it serves, in the middle of its recovery.
fn kill_while_it_starts(site: &Site, after: Duration) {
    let mut child = site
        .program(env!("CARGO_BIN_EXE_zegel"))
        .args(["serve", "--config", "zegel.toml"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// One life of the gateway under load, `patience` times as long as it is on a quiet machine.
fn round(site: &Site, round: usize, patience: u32, dice: &Dice, ledger: &Arc<Mutex<Ledger>>) {
    if dice.below(5) == 0 {
        kill_while_it_starts(site, Duration::from_millis(dice.below(200)));
    }
    let gateway = site.start();
    check_counts(site, &ledger.lock().unwrap(), false);
    let page = gateway.page;
    let life = Duration::from_millis(dice.below(300)) * patience;
    std::thread::scope(|scope| {
        for thread in 0..5 {
            let sender = Sender {
                server: gateway.smtp,
                from: SENDERS[thread % SENDERS.len()],
                name: format!("{round}-{thread}"),
                round,
                dice: dice.split(),
                ledger: ledger.clone(),
            };
            scope.spawn(|| sender.run());
        }
        for thread in 0..GUESSERS {
            scope.spawn(move || guess(page, round, thread, ledger));
        }
        std::thread::sleep(life);
        gateway.signal(Signal::KILL);
    });
    let log = gateway.log();
    assert!(!log.contains(CANARY), "content in the log");
    assert!(!log.contains("panicked"), "{log}");
    assert!(!log.contains("in quarantine; everything else"), "a kill damages nothing that counts:\n{log}");
}

/// The code for each recipient; every mail that brings it says the same.
fn codes(mails: &[Mail], recipients: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut codes = BTreeMap::new();
    for mail in mails.iter().filter(|mail| SENDERS.iter().any(|sender| mail.is_for(sender))) {
        let Some((to, found)) = recipients.iter().find_map(|to| Some((to, code(mail, to)?))) else { continue };
        let known = codes.entry(to.clone()).or_insert_with(|| found.clone());
        assert_eq!(*known, found, "{to} has two codes");
    }
    codes
}

/// Every link that was ever sent, opened: for whom, and whose text.
fn open_all(mails: &[Mail], page: SocketAddr) -> BTreeSet<(String, String)> {
    let links: BTreeMap<String, String> =
        mails.iter().filter_map(|mail| Some((link(mail)?, mail.to.first()?.clone()))).collect();
    let codes = codes(mails, &links.values().cloned().collect());
    let links: Vec<_> = links.into_iter().collect();
    let (next, opened) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    std::thread::scope(|scope| {
        for _ in 0..48 {
            scope.spawn(|| {
                while let Some((link, to)) = links.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let marker = open(page, link, codes.get(to).unwrap_or_else(|| panic!("no code for {to}")));
                    opened.lock().unwrap().insert((to.clone(), marker));
                }
            });
        }
    });
    opened.into_inner().unwrap()
}

/// Opens one link: the marker in its text, which must be whole.
fn open(page: SocketAddr, link: &str, code: &str) -> String {
    let mut browser = Browser::new(page, "198.51.100.2");
    let opened = until("a turn to have the code compared", || {
        Some(browser.unlock(link, code)).filter(|answer| answer.status != 503)
    });
    assert_eq!(opened.status, 303, "a link does not open: {}", opened.text());
    let shown = browser.get("/bericht");
    let original = browser.get("/bericht/origineel.eml").text();
    let at = original.find(CANARY).unwrap_or_else(|| panic!("no text in {original}"));
    let marker = original[at..].split_inclusive('.').next().unwrap().to_owned();
    assert!(shown.status == 200 && shown.text().contains(&marker), "{marker} is not shown");
    assert!(original.len() < 2_000 || original.contains(&format!("{marker} (einde)")), "{marker} is cut");
    marker
}

/// Whatever the text stands in at the server behind went only to people who may have it in clear, and was mixed mail.
fn nothing_left_in_clear(mails: &[Mail], transactions: &[Vec<String>]) {
    assert!(transactions.iter().all(|to| to.len() == 1), "a sealed recipient stood in a transaction that reached DATA");
    for mail in mails.iter().filter(|mail| mail.raw.windows(CANARY.len()).any(|part| part == CANARY.as_bytes())) {
        assert!(mail.text().contains("\r\nSubject: gemengd"), "a confidential mail left: {:?}", mail.to);
        assert_eq!(mail.to, [PLAIN], "it left for the wrong people");
    }
    let doctors: Vec<_> = mails.iter().filter(|mail| mail.to.iter().any(|to| to.ends_with(DOCTOR))).collect();
    assert!(!doctors.is_empty(), "no notice for a doctor");
    for mail in doctors {
        assert!(link(mail).is_some(), "more than notices for a doctor: {}", mail.text());
    }
}

/// The queue has nothing left to send.
fn drained(site: &Site) {
    until("everything is sent", || site.ask(&["queue", "list"])["jobs"].as_array().unwrap().is_empty().then_some(()));
}

#[test]
fn a_hundred_kills_lose_nothing_that_was_acknowledged() {
    let dice = Dice::seeded(2);
    let rounds = std::env::var("ZEGEL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let sink = Sink::start();
    let site = Site::new(sink.address, SEAL_DOCTORS);
    site.change("page = {", "page = { codes = { per_link = 100 },");
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    ledger.lock().unwrap().targets = targets(&site, &sink, &site.start());
    // On a busy machine most lives would end before anything is acknowledged.
    let mut patience = 1;
    for number in 0..rounds {
        let before = ledger.lock().unwrap().taken.len();
        round(&site, number, patience, &dice, &ledger);
        patience = if ledger.lock().unwrap().taken.len() == before { (patience * 2).min(16) } else { 1 };
    }
    let gateway = site.start();
    let ledger = ledger.lock().unwrap();
    check_counts(&site, &ledger, true);
    drained(&site);
    let mails = sink.mails();
    nothing_left_in_clear(&mails, &sink.data());
    let opened = open_all(&mails, gateway.page);
    let mut missing = Vec::new();
    for Taken { sealed, marker } in &ledger.taken {
        missing.extend(sealed.iter().filter(|to| !opened.contains(&((*to).clone(), marker.clone()))));
    }
    let (taken, guesses) = (ledger.taken.len(), ledger.targets.iter().map(|target| target.answered).sum::<u64>());
    println!(
        "{rounds} kills: {taken} confidential mails acknowledged, {} links opened, {guesses} wrong codes answered, \
         {} mails behind; refused: {:?}",
        opened.len(),
        mails.len(),
        ledger.refusals
    );
    assert!(missing.is_empty(), "acknowledged and lost, for {missing:?}");
    assert!(taken >= 50 && guesses >= 10, "too little load to tell anything");
    assert!(gateway.stop().success());
}
