//! From a mail taken to the mails that go out: store, queue and notifier as in service, next hops on loopback.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "test code")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mail_parser::MimeHeaders;
use secrecy::ExposeSecret;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use zegel::access::{Limits, Network};
use zegel::base::{Clock, Entropy, JobId, MessageId, OsEntropy, SystemClock};
use zegel::demo::mailbox::{self, Mail, Mailbox};
use zegel::intake::{self, Intake};
use zegel::mail::header::HeaderBlock;
use zegel::mail::{Address, DomainSet};
use zegel::nexthop::{self, NextHop, Route, Routes, Waits};
use zegel::notify::{Notifier, Outcome, Settings};
use zegel::policy::{Identity, Level, Mode, Terms};
use zegel::queue;
use zegel::seal::body::Sealer;
use zegel::seal::code::{AccessCode, Cost};
use zegel::seal::hashers::Memory;
use zegel::seal::keyring::RootKeyring;
use zegel::seal::token::LinkToken;
use zegel::store::Store;
use zegel::store::answers::{self, Begun, FileName, Letterbox, NewFile, Sent};
use zegel::store::proof::{GrantView, SessionLimits};
use zegel::store::records::{Job, JobKind, LeasedJob};
use zegel::store::retention::ledger::Ledger;
use zegel::store::retention::{self, Retention};
use zegel::store::verp::Subject;
use zegel::text::Lang;

const PAGE: &str = "https://veilig.example.nl";
const CANARY: &str = "kanarie-7312";
const WAIT: Duration = Duration::from_secs(20);

fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn hop(name: &str, address: SocketAddr) -> NextHop {
    let host = nexthop::Host { name: address.ip().to_string(), port: address.port() };
    let (short, long) = (Duration::from_secs(2), Duration::from_secs(5));
    let waits = Waits { lease: short, connect: short, command: long, dot: long, ..Waits::default() };
    let settings = nexthop::Settings::new(name, vec![host], "gateway.example.nl");
    NextHop::new(nexthop::Settings { tls: nexthop::Tls::Off, max_connections: 4, waits, ..settings }).unwrap()
}

struct Rig {
    store: Store,
    intake: Intake,
    notifier: Notifier,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    stop: CancellationToken,
    queue: Option<tokio::task::JoinHandle<()>>,
}

impl Rig {
    fn new(home: SocketAddr, outside: SocketAddr) -> Self {
        Self::with_routes(home, Routes::all_to(hop("outside", outside)))
    }

    fn with_routes(home: SocketAddr, routes: Routes) -> Self {
        let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) = (Arc::new(SystemClock), Arc::new(OsEntropy));
        let store = Store::in_memory(RootKeyring::generate(&OsEntropy), clock.clone(), entropy.clone());
        let settings = Settings {
            organisation: "Voorbeeld Zorg".to_owned(),
            phone: "010 - 000 00 00".to_owned(),
            page: PAGE.to_owned(),
            time_zone: jiff::tz::TimeZone::UTC,
            bounce_domain: "bounce.example.nl".parse().unwrap(),
            home: hop("home", home),
            routes,
            sms: zegel::sms::Providers::new(Vec::new(), clock.clone()).unwrap(),
            scanner: None,
            home_domains: DomainSet::Listed(vec!["example.nl".parse().unwrap()]),
            fallback: Some("post@example.nl".parse().unwrap()),
            from: "veilig@example.nl".parse().unwrap(),
            language: Lang::Nl,
        };
        let cheap = Cost { memory_kib: 64, passes: 1, lanes: 1 };
        let taking = intake::Settings {
            max_size: 1 << 20,
            cost: cheap,
            strict_cost: cheap,
            hashers: 2,
            language: "nl".to_owned(),
            numbers: Some(zegel::sms::Numbers::default()),
        };
        Self {
            intake: Intake::new(taking, store.clone(), clock.clone(), entropy.clone()),
            notifier: Notifier::new(settings, store.clone(), clock.clone()).unwrap(),
            store,
            clock,
            entropy,
            stop: CancellationToken::new(),
            queue: None,
        }
    }

    fn work(&mut self) {
        let (clock, entropy) = (self.clock.clone(), self.entropy.clone());
        let run = queue::run(
            queue::Settings::default(),
            self.store.clone(),
            self.notifier.clone(),
            clock,
            entropy,
            self.stop.clone(),
        );
        self.queue = Some(tokio::spawn(run));
    }

    async fn finish(mut self) {
        self.stop.cancel();
        if let Some(queue) = self.queue.take() {
            queue.await.unwrap();
        }
    }

    /// Takes a confidential mail of Anna's that holds the canary wherever content is.
    async fn take(&self, mailbox: &str, recipients: &[&str]) {
        self.take_for(Duration::from_hours(90 * 24), mailbox, recipients).await;
    }

    /// The same with a life of its own.
    async fn take_for(&self, life: Duration, mailbox: &str, recipients: &[&str]) {
        let header = format!(
            "From: Anna Jansen <anna@example.nl>\r\nTo: jan@example.org\r\nSubject: {CANARY} uitslag\r\n\
             Message-ID: <{CANARY}@example.nl>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
        );
        let body = format!(
            "\r\n--b\r\n\r\n{CANARY}\r\n--b\r\nContent-Type: application/pdf; name={CANARY}.pdf\r\n\
             Content-Disposition: attachment; filename={CANARY}.pdf\r\n\r\n%PDF\r\n--b--\r\n"
        );
        let identity = Identity {
            address: "anna@example.nl".parse().unwrap(),
            name: "Anna Jansen".to_owned(),
            mailbox: mailbox.parse().unwrap(),
        };
        let terms = Terms {
            reason: "subject tag [veilig]".to_owned(),
            expires: life,
            mode: Mode::Assisted,
            proof: None,
            level: Level::Code,
        };
        let recipients = recipients
            .iter()
            .map(|address| intake::Recipient { address: address.parse().unwrap(), terms: terms.clone() })
            .collect();
        let facts = HeaderBlock::new(header.as_bytes()).facts(&[]);
        let mut sealing = self.intake.begin(identity, facts, recipients, header.as_bytes()).await.unwrap();
        sealing.write(body.as_bytes()).await.unwrap();
        sealing.take().await.unwrap();
    }

    /// The grant behind the link of a notice.
    async fn grant(&self, notice: &Mail) -> GrantView {
        self.store.grant(&LinkToken::parse(&token(notice)).unwrap()).await.unwrap().unwrap()
    }

    /// Waits until the queue holds jobs as wanted.
    async fn jobs(&self, wanted: impl Fn(&[(JobId, Job)]) -> bool) -> Vec<(JobId, Job)> {
        let look = async {
            loop {
                let jobs = self.store.jobs(100).await.unwrap();
                if wanted(&jobs) {
                    return jobs;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(WAIT, look).await.expect("the queue never came to that")
    }
}

async fn mail_for(mailbox: &Mailbox, address: &str, subject: &str) -> Arc<Mail> {
    let wanted = |mail: &Mail| mail.to == [address] && mail.view().subject.contains(subject);
    tokio::time::timeout(WAIT, mailbox.wait_for(wanted)).await.expect("the mail never came")
}

fn text(mail: &Mail) -> String {
    mail.view().text.unwrap()
}

fn token(notice: &Mail) -> String {
    let text = text(notice);
    let (_, rest) = text.split_once(&format!("{PAGE}/b/")).unwrap();
    rest.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// Everything that can be read from a mail.
fn everything(mail: &Mail) -> String {
    let view = mail.view();
    let raw = String::from_utf8_lossy(&mail.raw).replace("=\r\n", "");
    format!("{raw}\n{}\n{}\n{}", view.subject, view.text.unwrap(), view.html.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipient_gets_the_link_and_the_sender_gets_the_code() {
    let home = mailbox::start(any_port(), any_port()).await.unwrap();
    let outside = mailbox::start(any_port(), any_port()).await.unwrap();
    let mut rig = Rig::new(home.addresses().smtp, outside.addresses().smtp);
    rig.work();
    rig.take("anna@example.nl", &["jan@example.org", "Piet@example.com"]).await;

    for recipient in ["jan@example.org", "Piet@example.com"] {
        let notice = mail_for(&outside, recipient, "Beveiligd bericht van Anna Jansen, Voorbeeld Zorg").await;
        let mail = mail_for(&home, "anna@example.nl", &format!("Toegangscode voor {recipient}")).await;
        let view = rig.grant(&notice).await;
        assert_eq!(view.conversation.recipient, recipient);

        let words = text(&mail);
        let line = words.lines().map(str::trim).find(|line| line.len() == 9 && line.as_bytes()[4] == b' ').unwrap();
        let (verifier, generation) = rig.store.verifier(view.grant.contact).await.unwrap().unwrap();
        let code = AccessCode::normalise(line).unwrap();
        assert!(verifier.matches(&code, &rig.store.keys().pepper, &mut Memory::default()).unwrap() && generation == 1);

        let (in_notice, in_code) = (everything(&notice), everything(&mail));
        assert!(!in_notice.contains(code.expose()) && !in_notice.contains(code.grouped().expose_secret()));
        assert!(!in_code.contains("/b/") && !in_code.contains(&token(&notice)));
        assert!(in_notice.contains(&view.grant.reference));

        let from: Address = notice.from.parse().unwrap();
        let bounce = "bounce.example.nl".parse().unwrap();
        assert_eq!(Subject::of(&from, rig.store.keys(), &bounce), Some(Subject::Notice(view.id)));
    }
    rig.jobs(<[_]>::is_empty).await;
    let mails = [home.mails(), outside.mails()].concat();
    assert_eq!(mails.len(), 4, "one mail for each purpose");
    for mail in &mails {
        assert!(!everything(mail).contains(CANARY), "content of the message left the gateway");
        assert_eq!(mail.to.len(), 1);
    }
    assert!(outside.mails().iter().all(|mail| !text(mail).contains("Toegangscode")));
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_mail_brings_a_notice_and_no_second_code() {
    let hop = mailbox::start(any_port(), any_port()).await.unwrap();
    let mut rig = Rig::new(hop.addresses().smtp, hop.addresses().smtp);
    rig.take("anna@example.nl", &["jan@example.org"]).await;
    rig.work();
    mail_for(&hop, "jan@example.org", "Beveiligd bericht").await;
    rig.jobs(<[_]>::is_empty).await;
    assert_eq!(hop.mails().len(), 2);
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_goes_to_a_home_mailbox_or_nowhere() {
    let home = mailbox::start(any_port(), any_port()).await.unwrap();
    let outside = mailbox::start(any_port(), any_port()).await.unwrap();
    let mut rig = Rig::new(home.addresses().smtp, outside.addresses().smtp);
    rig.take("anna@sub.example.nl", &["jan@example.org"]).await;
    rig.work();
    mail_for(&outside, "jan@example.org", "Beveiligd bericht").await;
    let told = mail_for(&home, "post@example.nl", "Niet aangekomen: de toegangscode").await;
    rig.jobs(<[_]>::is_empty).await;
    assert_eq!((home.mails().len(), outside.mails().len()), (1, 1), "a name below a home domain is not home");
    let words = text(&told);
    assert!(words.contains("anna@sub.example.nl") && words.contains("jan@example.org"), "{words}");
    assert!(words.contains("zegel contact new-code") && !everything(&told).contains(CANARY));
    rig.finish().await;
}

/// Of a message that is gone its sender hears that it is asked for again, and nothing of it but the day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_took_a_message_back_hears_that_it_is_asked_for_again() {
    let hop = mailbox::start(any_port(), any_port()).await.unwrap();
    let mut rig = Rig::new(hop.addresses().smtp, hop.addresses().smtp);
    rig.take("anna@example.nl", &["jan@example.org"]).await;
    rig.work();
    let notice = mail_for(&hop, "jan@example.org", "Beveiligd bericht").await;
    let message = rig.grant(&notice).await.grant.message;
    let settings = retention::Settings {
        ended_links: Duration::from_hours(24),
        ledger: std::path::PathBuf::new(),
        sessions: SessionLimits { idle: Duration::from_mins(15), longest: Duration::from_hours(4) },
    };
    Retention::new(rig.store.clone(), settings, Ledger::in_memory()).recall(message, None).await.unwrap();
    let gone = rig.store.again(&LinkToken::parse(&token(&notice)).unwrap()).await.unwrap().unwrap();
    assert!(rig.store.ask_again(gone.grant).await.unwrap());
    let asked = mail_for(&hop, "anna@example.nl", "Verzoek om uw bericht aan jan@example.org opnieuw te sturen").await;
    let said = everything(&asked);
    assert!(text(&asked).contains("het bericht is ingetrokken") && said.contains(&gone.reference), "{said}");
    assert!(!said.contains(CANARY) && !said.contains(&token(&notice)), "{said}");
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_wrong_codes_are_told_to_the_sender_with_what_to_do() {
    let hop = mailbox::start(any_port(), any_port()).await.unwrap();
    let mut rig = Rig::new(hop.addresses().smtp, hop.addresses().smtp);
    rig.take("anna@example.nl", &["jan@example.org"]).await;
    rig.work();
    let view = rig.grant(&*mail_for(&hop, "jan@example.org", "Beveiligd bericht").await).await;
    for host in 0..20 {
        let network = Network::of(Ipv4Addr::new(192, 0, host, 1).into());
        rig.store.count_try(&view, network, &Limits::default()).await.unwrap();
    }
    rig.jobs(|jobs| matches!(jobs, [(_, Job { kind: JobKind::Closed { .. }, .. })])).await;
    let kind = JobKind::Closed { grant: view.id };
    let job = Job { kind, created: rig.clock.now(), due: rig.clock.now(), attempts: 0, last: String::new() };
    let leased = LeasedJob { id: JobId::random(&OsEntropy), job, secret: None };
    assert_eq!(rig.notifier.attempt(&leased).await, Outcome::Sent);
    let mail = mail_for(&hop, "anna@example.nl", "Gesloten: uw bericht aan jan@example.org").await;
    let words = everything(&mail);
    assert!(
        words.contains(&format!("zegel message unlock {}", view.grant.message))
            && words.contains("zegel contact new-code")
    );
    assert!(words.contains(&view.grant.reference) && words.contains("Auto-Submitted: auto-generated"));
    rig.finish().await;
}

/// A next hop that answers each RCPT as told and keeps what it heard.
#[derive(Clone, Default)]
struct Script {
    rcpt: Arc<Mutex<Vec<&'static str>>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Script {
    /// Answers in turn, the last one for ever.
    async fn start(answers: &[&'static str]) -> (Self, SocketAddr) {
        let script = Self { rcpt: Arc::new(Mutex::new(answers.to_vec())), ..Self::default() };
        let listener = TcpListener::bind(any_port()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = script.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = serving.clone();
                tokio::spawn(async move { script.talk(BufReader::new(stream)).await });
            }
        });
        (script, address)
    }

    async fn talk(self, mut stream: BufReader<tokio::net::TcpStream>) -> std::io::Result<()> {
        stream.write_all(b"220 hop\r\n").await?;
        let (mut line, mut in_data) = (String::new(), false);
        while stream.read_line(&mut line).await? > 0 {
            let said = line.trim_end().to_owned();
            line.clear();
            if in_data {
                in_data = said != ".";
                if in_data {
                    continue;
                }
            }
            let reply = match said.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" => "250-hop\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES".to_owned(),
                "RCPT" => {
                    let mut answers = self.rcpt.lock().unwrap();
                    if answers.len() > 1 { answers.remove(0).to_owned() } else { answers[0].to_owned() }
                }
                "DATA" => {
                    in_data = true;
                    "354 go on".to_owned()
                }
                "QUIT" => "221 bye".to_owned(),
                _ => "250 ok".to_owned(),
            };
            self.heard.lock().unwrap().push(said);
            stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        }
        Ok(())
    }

    fn heard(&self, verb: &str) -> Vec<String> {
        self.heard.lock().unwrap().iter().filter(|line| line.starts_with(verb)).cloned().collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_notice_is_told_to_the_sender_in_plain_words() {
    let home = mailbox::start(any_port(), any_port()).await.unwrap();
    let answer = "550 5.1.1 <jan@example.org>: unknown, ask postmaster@hop.example or https://hop.example/b/x";
    let (script, outside) = Script::start(&[answer]).await;
    let mut rig = Rig::new(home.addresses().smtp, outside);
    rig.take("anna@example.nl", &["jan@example.org"]).await;
    rig.work();
    let mail = mail_for(&home, "anna@example.nl", "Niet aangekomen: uw bericht aan jan@example.org").await;
    let words = text(&mail);
    assert!(words.contains("Waarschijnlijk bestaat het adres niet"), "{words}");
    assert!(words.contains("550 5.1.1 … unknown, ask … or …"), "{words}");
    assert!(!everything(&mail).contains("hop.example"));
    rig.jobs(<[_]>::is_empty).await;

    let [mail] = script.heard("MAIL").try_into().unwrap();
    let [rcpt] = script.heard("RCPT").try_into().unwrap();
    assert!(mail.starts_with("MAIL FROM:<b-") && mail.contains("@bounce.example.nl> RET=HDRS ENVID="), "{mail}");
    assert_eq!(rcpt, "RCPT TO:<jan@example.org> NOTIFY=FAILURE");
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hop_that_says_later_is_left_alone_until_the_schedule_says_so() {
    let home = mailbox::start(any_port(), any_port()).await.unwrap();
    let (script, outside) = Script::start(&["451 4.7.1 <jan@example.org> greylisted"]).await;
    let mut rig = Rig::new(home.addresses().smtp, outside);
    rig.take("anna@example.nl", &["jan@example.org"]).await;
    rig.work();
    let before = rig.clock.now();
    let jobs = rig.jobs(|jobs| matches!(jobs, [(_, Job { attempts: 1, .. })])).await;
    let job = &jobs[0].1;
    assert_eq!(job.last, "451 4.7.1 … greylisted");
    let pause = job.due.since(before);
    assert!(pause > Duration::from_secs(40) && pause < Duration::from_secs(80), "{pause:?}");
    mail_for(&home, "anna@example.nl", "Toegangscode").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(script.heard("RCPT").len(), 1, "asked again before its time");
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_whose_message_ended_is_told_to_the_sender() {
    let home = mailbox::start(any_port(), any_port()).await.unwrap();
    let outside = mailbox::start(any_port(), any_port()).await.unwrap();
    let mut rig = Rig::new(home.addresses().smtp, outside.addresses().smtp);
    rig.take_for(Duration::ZERO, "anna@example.nl", &["jan@example.org"]).await;
    rig.work();
    let told = mail_for(&home, "anna@example.nl", "Niet aangekomen: uw bericht").await;
    rig.jobs(<[_]>::is_empty).await;
    assert!(text(&told).contains("al verlopen") && outside.mails().is_empty(), "{}", text(&told));
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_goes_the_way_of_its_domains() {
    let mailbox = async || mailbox::start(any_port(), any_port()).await.unwrap();
    let (home, partner, signer, outside) = (mailbox().await, mailbox().await, mailbox().await, mailbox().await);
    let route = |senders: &[&str], recipients: &[&str], to: &Mailbox| Route {
        senders: senders.iter().map(|name| name.parse().unwrap()).collect(),
        recipients: recipients.iter().map(|name| name.parse().unwrap()).collect(),
        hop: hop(&[senders, recipients].concat().join("-"), to.addresses().smtp),
    };
    // By the From, which is the sender's, and not by the envelope, which is ours.
    let routes = Routes::all_to(hop("outside", outside.addresses().smtp))
        .and(route(&["example.nl"], &[], &signer))
        .and(route(&[], &["partner.example"], &partner));
    let mut rig = Rig::with_routes(home.addresses().smtp, routes);
    let recipients = ["jan@partner.example", "piet@example.org", "kees@example.nl"];
    rig.take("anna@example.nl", &recipients).await;
    rig.work();
    for (mailbox, address) in [&partner, &signer, &home].into_iter().zip(recipients) {
        mail_for(mailbox, address, "").await;
    }
    assert_eq!((partner.mails().len(), signer.mails().len(), outside.mails().len()), (1, 1, 0));
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hop_that_is_down_holds_up_nothing_on_the_other_route() {
    let home = mailbox::start(any_port(), any_port()).await.unwrap();
    let closed = TcpListener::bind(any_port()).await.unwrap().local_addr().unwrap();
    let mut rig = Rig::new(home.addresses().smtp, closed);
    let recipients: Vec<String> = (0..40).map(|number| format!("r{number}@example.org")).collect();
    rig.take("anna@example.nl", &recipients.iter().map(String::as_str).collect::<Vec<_>>()).await;
    rig.work();
    let jobs = rig.jobs(|jobs| jobs.len() == 40 && jobs.iter().all(|(_, job)| job.attempts == 1)).await;
    assert!(
        jobs.iter().all(|(_, job)| matches!(job.kind, JobKind::Notice { .. }) && job.last.contains("next hop outside"))
    );
    assert_eq!(home.mails().len(), 40);
    rig.finish().await;
}

/// Writes an answer with a file in the conversation of a link, and sends it.
async fn answered(rig: &Rig, view: &GrantView, text: &str, file: &[u8]) {
    let token = zegel::seal::token::SessionToken::generate(&OsEntropy);
    let network = Network::of(Ipv4Addr::LOCALHOST.into());
    rig.store.count_try(view, network, &Limits::default()).await.unwrap();
    rig.store.open_session(view, network, &token).await.unwrap();
    let sessions = SessionLimits { idle: Duration::from_mins(15), longest: Duration::from_hours(4) };
    let open = rig.store.session(&token, &sessions).await.unwrap().unwrap();
    let limits = answers::Limits::default();
    let id = MessageId::random(&OsEntropy);
    let Begun::Draft(draft) = rig.store.draft(&open, id, &limits).await.unwrap() else { unreachable!() };
    rig.store.save_text(&open, id, text, &limits).await.unwrap();
    let (piece, mut body) = rig.store.new_file(&limits).unwrap().unwrap();
    let mut out = Vec::new();
    let mut sealer = Sealer::new(&draft.key, piece, &OsEntropy, &mut out);
    sealer.push(file, &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    body.write(&out).await.unwrap();
    let name = FileName {
        name: "één lange naam van een bijlage bij het antwoord.pdf".to_owned(),
        kind: "application/pdf".to_owned(),
    };
    let file = NewFile { name, plain_len: file.len() as u64, body: body.finish().await.unwrap() };
    rig.store.add_file(&open, id, file, &limits).await.unwrap();
    let letterbox = Letterbox {
        from: None,
        subject: "Uitslag".to_owned(),
        message_id: Some("eerste@example.nl".to_owned()),
        references: vec!["nulde@example.nl".to_owned()],
    };
    assert_eq!(rig.store.send_answer(&open, id, &letterbox, &limits).await, Ok(Sent::Now));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_arrives_in_the_thread_with_its_files() {
    let home = mailbox::start(any_port(), any_port()).await.unwrap();
    let outside = mailbox::start(any_port(), any_port()).await.unwrap();
    let mut rig = Rig::new(home.addresses().smtp, outside.addresses().smtp);
    rig.work();
    rig.take("anna@example.nl", &["jan@example.org"]).await;
    let view = rig.grant(&*mail_for(&outside, "jan@example.org", "Beveiligd bericht").await).await;
    let file: Vec<u8> = (0..300_001_u32).map(|n| u8::try_from(n % 253).unwrap()).collect();
    answered(&rig, &view, "Dank u.\n.een punt\nGroet, één", &file).await;
    let mail = mail_for(&home, "anna@example.nl", "Re: Uitslag").await;
    let raw = String::from_utf8(mail.raw.clone()).unwrap();
    assert!(raw.lines().all(|line| line.len() <= 998) && raw.is_ascii());
    let parsed = mail_parser::MessageParser::default().parse(&mail.raw).unwrap();
    assert_eq!(parsed.in_reply_to().as_text(), Some("eerste@example.nl"));
    assert_eq!(parsed.references().as_text_list().unwrap(), ["nulde@example.nl", "eerste@example.nl"]);
    let from = parsed.from().unwrap().first().unwrap();
    assert_eq!(from.name(), Some("jan bij example.org (via veilig mailen)"));
    let (local, domain) = from.address().unwrap().split_once('@').unwrap();
    assert_eq!((local.len(), domain), ("antwoord+".len() + 32, "bounce.example.nl"));
    let text = parsed.body_text(0).unwrap().replace("\r\n", "\n");
    assert!(text.starts_with("Dank u.\n.een punt\nGroet, één\n\n-- \n") && text.contains("jan@example.org"), "{text}");
    let attached = parsed.attachment(0).unwrap();
    assert_eq!(attached.attachment_name(), Some("één lange naam van een bijlage bij het antwoord.pdf"));
    assert!(attached.contents() == file, "the bytes as they were uploaded");
    assert_eq!(parsed.attachment_count(), 1);
    assert!(outside.mails().iter().all(|mail| !String::from_utf8_lossy(&mail.raw).contains("een punt")));
    rig.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_goes_home_or_nowhere() {
    let home = mailbox::start(any_port(), any_port()).await.unwrap();
    let outside = mailbox::start(any_port(), any_port()).await.unwrap();
    let mut rig = Rig::new(home.addresses().smtp, outside.addresses().smtp);
    rig.work();
    // Home when it was taken, and not any more.
    rig.take("anna@elders.example", &["jan@example.org"]).await;
    let view = rig.grant(&*mail_for(&outside, "jan@example.org", "Beveiligd bericht").await).await;
    answered(&rig, &view, "een punt", b"bytes").await;
    let mail = mail_for(&home, "post@example.nl", "Re: Uitslag").await;
    assert!(text(&mail).contains("een punt"));
    let told = mail_for(&outside, "jan@example.org", "Uw antwoord aan Anna Jansen").await;
    assert!(!everything(&told).contains("een punt") && text(&told).contains("een andere mailbox"), "{}", text(&told));
    assert!(outside.mails().iter().all(|mail| !String::from_utf8_lossy(&mail.raw).contains("een punt")));
    rig.finish().await;
}
