//! Chromium looks at the page as a recipient would: `tests/page/check.mjs`, on the gateway as the demo wires it (plain HTTP on
//! loopback, since a browser takes no certificate of ours).

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use zegel::base::{Clock, OsEntropy, SystemClock, Timestamp};
use zegel::config::Config;
use zegel::daemon;
use zegel::seal::keyring::RootKeyring;

use crate::confidential::{code, code_for, link, notice_for};
use crate::mail_code::one_time_code;
use crate::strict::DOCTOR;
use crate::support::client;
use crate::support::gateway::Site;
use crate::support::reader::{ANNA, strict_code_for};
use crate::support::sink::{Mail, Sink};
use crate::support::sms::Provider;

const HTML: &str = "From: Anna Jansen <anna@voorbeeld.example>\r\nTo: Jan <jan@example.nl>\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\n\
    Message-ID: <html@voorbeeld.example>\r\nSubject: [veilig] Uw afspraak\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
    <h1>Uw afspraak</h1><p>Beste heer De Vries,</p><p onclick=\"top.stolen=1\">Wij zien u graag op <b>maandag</b>.\
    <img src=\"https://elders.example/pixel.gif\"><script>top.stolen=1</script></p><table><tr><td>Tijd</td><td>10:00</td></tr></table>\r\n\
    --b1\r\nContent-Type: application/pdf; name=\"brief.pdf\"\r\nContent-Disposition: attachment; filename=\"brief.pdf\"\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n--b1--\r\n";

const TEXT: &str = "From: Anna Jansen <anna@voorbeeld.example>\r\nTo: Jan <jan@example.nl>\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\n\
    Message-ID: <text@voorbeeld.example>\r\nSubject: [veilig] Uitslag van uw onderzoek\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
    Geachte heer De Vries,\r\n\r\nDe uitslag is goed. Meer op https://www.voorbeeld.example/uitleg\r\n\
    --b1\r\nContent-Type: text/plain; name=\"uitleg.txt\"\r\nContent-Disposition: attachment; filename=\"uitleg.txt\"\r\n\r\n\
    Uitleg.\r\n--b1--\r\n";

/// A conversation of three: text, HTML with a logo in it, and an invitation; and another message for the same person.
const TALK: [&str; 4] = [
    "Message-ID: <een@voorbeeld.example>\r\nSubject: [veilig] Uw behandeling\r\nMIME-Version: 1.0\r\n\
     Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
     Beste mevrouw Smit,\r\n\r\nHierbij het voorstel voor uw behandeling. Heeft u vragen? Antwoord gerust.\r\n\
     --b1\r\nContent-Type: application/pdf; name=\"voorstel.pdf\"\r\nContent-Disposition: attachment; filename=\"voorstel.pdf\"\r\n\
     Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n--b1--\r\n",
    "Message-ID: <apart@voorbeeld.example>\r\nSubject: [veilig] Jaaropgave van uw zorgverzekering, met een wat langer onderwerp\r\n\r\n\
     Beste mevrouw Smit,\r\n\r\nHierbij uw jaaropgave.\r\n",
    "Message-ID: <twee@voorbeeld.example>\r\nIn-Reply-To: <een@voorbeeld.example>\r\nSubject: [veilig] Re: Uw behandeling\r\nMIME-Version: 1.0\r\n\
     Content-Type: multipart/related; boundary=b1\r\n\r\n--b1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
     <p>Beste mevrouw Smit,</p><p>Wij stellen <b>drie</b> gesprekken voor.</p><p><img src=\"cid:logo\" alt=\"Voorbeeld Zorg\"></p>\r\n\
     --b1\r\nContent-Type: image/png; name=\"logo.png\"\r\nContent-ID: <logo>\r\nContent-Disposition: inline\r\nContent-Transfer-Encoding: base64\r\n\r\n\
     iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAA\r\nABJRU5ErkJggg==\r\n--b1--\r\n",
    "Message-ID: <drie@voorbeeld.example>\r\nReferences: <een@voorbeeld.example> <twee@voorbeeld.example>\r\nSubject: [veilig] Re: Uw behandeling\r\n\
     MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
     Beste mevrouw Smit,\r\n\r\nHierbij de uitnodiging voor het eerste gesprek.\r\n\
     --b1\r\nContent-Type: text/calendar; charset=utf-8; method=REQUEST; name=\"afspraak.ics\"\r\nContent-Disposition: attachment; filename=\"afspraak.ics\"\r\n\r\n\
     BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//NL\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1@voorbeeld.example\r\nDTSTAMP:20261121T090000Z\r\n\
     DTSTART:20261130T090000Z\r\nDTEND:20261130T093000Z\r\nSUMMARY:Eerste gesprek\r\nLOCATION:Polikliniek\\, kamer 3\r\n\
     ORGANIZER;CN=Anna Jansen:mailto:anna@voorbeeld.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n--b1--\r\n",
];

/// Who is in that conversation.
const SMIT: &str = "smit@example.nl";

/// The conversation: the notice of its first mail, and the code.
fn talk(sink: &Sink, smtp: std::net::SocketAddr) -> (String, String) {
    let mut known: Vec<String> = Vec::new();
    for rest in TALK {
        let mail = format!(
            "From: Anna Jansen <{ANNA}>\r\nTo: Mevrouw Smit <{SMIT}>\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\n{rest}"
        );
        assert_eq!(client::send(smtp, ANNA, &[SMIT], mail.as_bytes()).1.code, 250);
        let fits = |mail: &Mail| mail.is_for(SMIT) && !known.contains(&link(mail));
        let notice = sink.wait_for("one more notice", fits);
        known.push(link(&notice));
    }
    (known.swap_remove(0), code(&code_for(sink, ANNA, SMIT)))
}

/// The notice of a mail that opens with a code by SMS.
fn by_sms(sink: &Sink, smtp: std::net::SocketAddr) -> String {
    let to = "lies@example.nl";
    let mail = TEXT
        .replace("<text@", "<sms@")
        .replace("Message-ID", &format!("Zegel-Proof: {to} sms 06 12345678\r\nMessage-ID"));
    assert_eq!(client::send(smtp, ANNA, &[to], mail.as_bytes()).1.code, 250);
    link(&notice_for(sink, to))
}

/// A clamd that finds something in a file that holds "besmet", hangs up on one that holds "wachten", and takes all others for clean.
fn clamd() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let file = String::from_utf8_lossy(&crate::malware::whole(&mut stream)).into_owned();
                let verdict = match () {
                    () if file.contains("besmet") => "stream: Proef FOUND\0",
                    () if file.contains("wachten") => return,
                    () => "stream: OK\0",
                };
                // The gateway may be gone by now.
                let _said = stream.write_all(verdict.as_bytes());
            });
        }
    });
    address
}

/// The notice of a mail whose answers are looked at, and its code.
fn checked(sink: &Sink, smtp: std::net::SocketAddr) -> (String, String) {
    let to = "kees@example.nl";
    let mail = TEXT.replace("<text@", "<nakijken@");
    assert_eq!(client::send(smtp, ANNA, &[to], mail.as_bytes()).1.code, 250);
    (link(&notice_for(sink, to)), code(&code_for(sink, ANNA, to)))
}

/// What check.mjs hears of these messages in its environment.
fn further(sink: &Sink, smtp: std::net::SocketAddr, page: std::net::SocketAddr) -> [(&'static str, String); 5] {
    let (talk, talk_code) = talk(sink, smtp);
    let sms = by_sms(sink, smtp);
    let (checked, checked_code) = checked(sink, smtp);
    let address = |path: String| format!("http://{page}{path}");
    [
        ("PAGE_TALK", address(talk)),
        ("PAGE_TALK_CODE", talk_code),
        ("PAGE_SMS", address(sms)),
        ("PAGE_CHECKED", address(checked)),
        ("PAGE_CHECKED_CODE", checked_code),
    ]
}

/// The notice of a mail that opens with a code by mail, and a page that shows the codes which are mailed.
fn by_mail(sink: &Sink, smtp: std::net::SocketAddr) -> (String, Provider) {
    let to = "lid@leden.example";
    assert_eq!(client::send(smtp, ANNA, &[to], TEXT.replace("<text@", "<mail@").as_bytes()).1.code, 250);
    let link = link(&notice_for(sink, to));
    let (inbox, arrivals) = (Provider::start(), sink.arrivals());
    let shown = inbox.clone();
    std::thread::spawn(move || {
        for code in arrivals.iter().filter_map(|mail| one_time_code(&mail, to)) {
            shown.show(&format!("#{code}"));
        }
    });
    (link, inbox)
}

/// The machine's clock, days ahead.
#[derive(Debug, Default)]
struct Ahead(AtomicU64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now() + Duration::from_hours(24) * u32::try_from(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// Links to a message that expired and to one that was withdrawn.
fn gone(site: &Site, sink: &Sink, smtp: std::net::SocketAddr, clock: &Ahead) -> [String; 2] {
    let paths = ["piet@example.nl", "klaas@example.nl"].map(|to| {
        let mail = TEXT.replace("Message-ID", "Zegel-Expires: 1d\r\nMessage-ID");
        assert_eq!(client::send(smtp, "anna@voorbeeld.example", &[to], mail.as_bytes()).1.code, 250);
        link(&notice_for(sink, to))
    });
    let found = site.ask(&["message", "find", "klaas@example.nl"]);
    let recalled = site.ask(&["message", "recall", found["messages"][0]["id"].as_str().unwrap()]);
    assert_eq!(recalled["complete"], true, "{recalled}");
    clock.0.store(2, Ordering::SeqCst);
    paths
}

#[test]
fn chromium_reads_a_mail_at_every_width() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let sink = Sink::start();
    let provider = Provider::start();
    let rules = format!("{}{}", crate::strict::STRICT, crate::mail_code::RULE);
    let site = Site::new(sink.address, &format!("{}{rules}", provider.config()));
    std::fs::write(site.path("report.secret"), "geheim-geheim-geheim-1").unwrap();
    let proxies = "trusted_proxies = [\"127.0.0.1\"]";
    site.change(proxies, &format!("{proxies}, answer = {{ clamd = \"{}\" }}", clamd()));
    let text = std::fs::read_to_string(site.path("zegel.toml")).unwrap();
    let mut config = Config::parse(&site.path("zegel.toml"), &text, std::collections::HashMap::new()).unwrap();
    config.web.demo = true;
    config.web.trusted_proxies = Vec::new();
    // Every way of looking tries a wrong code from the one address that the browser has.
    config.web.limits.per_network = 1_000;
    config.web.limits.per_grant = 10_000;
    config.web.limits.per_contact = 10_000;
    let keyring = RootKeyring::generate(&OsEntropy);
    let clock = Arc::new(Ahead::default());
    let running = runtime.block_on(daemon::start(config, keyring, clock.clone(), Arc::new(OsEntropy))).unwrap();
    let page = running.page[0];
    let [expired, withdrawn] = gone(&site, &sink, running.smtp[0], &clock);

    let mut links = Vec::new();
    for raw in [TEXT, HTML] {
        let before = sink.mails().len();
        let (_, reply) = client::send(running.smtp[0], "anna@voorbeeld.example", &["jan@example.nl"], raw.as_bytes());
        assert_eq!(reply.code, 250, "{reply:?}");
        let notice = sink.wait_for("the notice", |mail| {
            mail.is_for("jan@example.nl")
                && !links.iter().any(|known: &String| mail.view().text.is_some_and(|text| text.contains(known)))
        });
        assert!(sink.mails().len() > before);
        links.push(link(&notice));
    }
    let (_, reply) = client::send(running.smtp[0], ANNA, &[DOCTOR], TEXT.replace("<text@", "<strict@").as_bytes());
    assert_eq!(reply.code, 250, "{reply:?}");
    let (strict, strict_code) = (link(&notice_for(&sink, DOCTOR)), strict_code_for(&sink, ANNA, DOCTOR));
    notice_for(&sink, "jan@example.nl");
    let code = code(&code_for(&sink, "anna@voorbeeld.example", "jan@example.nl"));
    let further = further(&sink, running.smtp[0], page);
    let (mail_code, inbox) = by_mail(&sink, running.smtp[0]);
    let links: Vec<String> = links.iter().map(|path| format!("http://{page}{path}")).collect();
    let shots = std::env::var("PAGE_SHOTS").unwrap_or_else(|_| site.path("shots").display().to_string());
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/run"))
        .env("PAGE_LINKS", links.join(" "))
        .env("PAGE_CODE", &code)
        .env("PAGE_STRICT", format!("http://{page}{strict}"))
        .env("PAGE_STRICT_CODE", strict_code)
        .envs(further)
        .env("PAGE_PHONE", provider.phone())
        .env("PAGE_MAILCODE", format!("http://{page}{mail_code}"))
        .env("PAGE_MAILBOX", inbox.phone())
        .env("PAGE_EXPIRED", format!("http://{page}{expired}"))
        .env("PAGE_WITHDRAWN", format!("http://{page}{withdrawn}"))
        .env("PAGE_WRONG", if code == "00000000" { "00000001" } else { "00000000" })
        .env("PAGE_SHOTS", shots)
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    println!("{said}");
    assert!(runtime.block_on(running.stop()));
}
