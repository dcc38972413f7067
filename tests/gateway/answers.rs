//! Answering, through the real program: from a confidential mail to the answer in the sender's mailbox, and what a kill leaves of it.

use mail_parser::{MessageParser, MimeHeaders};

use crate::support::browser::{Browser, Page};
use crate::support::client;
use crate::support::gateway::{Gateway, Site};
use crate::support::reader::{ANNA, code, link};
use crate::support::sink::{Mail, Sink};
use crate::support::until;

pub const JAN: &str = "jan@example.nl";
pub const CANARY: &str = "kanarie-antwoord-4Kd9";
/// How often the gateway is killed.
const KILLS: usize = 5;

/// A gateway whose own people are behind one server and everybody else behind another.
pub struct Rig {
    pub home: Sink,
    pub outside: Sink,
    pub site: Site,
    pub gateway: Gateway,
}

impl Rig {
    fn start() -> Self {
        Self::with("")
    }

    /// With more keys of `[page]`.
    pub fn with(page: &str) -> Self {
        let (home, outside) = (Sink::start(), Sink::start());
        let elsewhere = format!(
            "[[next_hop]]\nname = \"outside\"\nhosts = [\"{}\"]\ntls = \"off\"\nrecipient_domains = [\"example.nl\"]\n",
            outside.address
        );
        let site = Site::new(home.address, &elsewhere);
        let proxies = "trusted_proxies = [\"127.0.0.1\"]";
        site.change(proxies, &format!("{proxies}{page}"));
        let gateway = site.start();
        Self { home, outside, site, gateway }
    }

    /// A confidential mail to Jan, opened by him.
    pub fn opened(&self) -> Browser {
        self.opened_from(ANNA, ANNA)
    }

    /// The same from another, whose codes go to this mailbox.
    fn opened_from(&self, from: &str, mailbox: &str) -> Browser {
        let mail = format!(
            "From: Anna Jansen <{from}>\r\nTo: Jan de Vries <{JAN}>\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\n\
             Message-ID: <eerste@voorbeeld.example>\r\nReferences: <nulde@voorbeeld.example>\r\nSubject: [veilig] Afspraak\r\n\r\nDag\r\n"
        );
        let (_, reply) = client::send(self.gateway.smtp, ANNA, &[JAN], mail.as_bytes());
        assert_eq!(reply.code, 250, "{reply:?}");
        let notice = self.outside.wait_for("the notice", |mail| mail.is_for(JAN) && link(mail).is_some());
        let told = self.home.wait_for("the code", |mail| mail.is_for(mailbox) && code(mail, JAN).is_some());
        let mut browser = Browser::new(self.gateway.page, "198.51.100.7");
        let opened = browser.unlock(&link(&notice).unwrap(), &code(&told, JAN).unwrap());
        assert_eq!(opened.status, 303, "{}", opened.text());
        browser
    }

    /// The answer with this text, as the sender's mail server has it.
    pub fn answer(&self, text: &str) -> Mail {
        self.home.wait_for("the answer", |mail| mail.is_for(ANNA) && mail.text().contains(text))
    }

    /// Killed without a word, and started again.
    fn killed(self, browser: &mut Browser) -> Self {
        self.gateway.kill();
        let gateway = self.site.start();
        browser.moved_to(gateway.page);
        Self { gateway, ..self }
    }
}

/// A hidden field of the form below the message.
fn hidden(page: &str, name: &str) -> String {
    let (_, form) = page.split_once("id=\"antwoord\"").unwrap_or_else(|| panic!("no form on the page: {page}"));
    let (_, rest) = form.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// The form below the message, filled in as a browser does.
pub fn form(browser: &mut Browser, text: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    filled(&browser.get("/bericht").text(), text, files)
}

/// The form of this page, filled in.
fn filled(page: &str, text: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    let (token, draft) = (hidden(page, "pagina"), hidden(page, "concept"));
    let mut body = Vec::new();
    for (name, value) in [("pagina", token.as_str()), ("concept", &draft), ("tekst", text)] {
        let part = format!("--grens\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    for (name, content) in files {
        let head = format!("name=\"bijlage\"; filename=\"{name}\"\r\nContent-Type: application/pdf\r\n\r\n");
        body.extend_from_slice(format!("--grens\r\nContent-Disposition: form-data; {head}").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(
        b"--grens\r\nContent-Disposition: form-data; name=\"doe\"\r\n\r\nversturen\r\n--grens--\r\n",
    );
    body
}

pub fn send(browser: &mut Browser, form: &[u8]) -> Page {
    browser.try_send("/bericht/antwoord", "multipart/form-data; boundary=grens", form).unwrap()
}

/// Whether a file below a folder holds this.
fn holds(folder: &std::path::Path, needle: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().flatten().any(|entry| {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        let found = || std::fs::read(&path).unwrap().windows(needle.len()).any(|window| window == needle);
        if kind.is_dir() { holds(&path, needle) } else { kind.is_file() && found() }
    })
}

#[test]
fn an_answer_with_files_comes_home_in_its_thread_and_nowhere_else() {
    let rig = Rig::start();
    let mut browser = rig.opened();
    let large = CANARY.as_bytes().repeat(20_000);
    let form = form(&mut browser, &format!("{CANARY}\r\nGroet, Jan"), &[("één.pdf", &large), ("klein.pdf", b"klein")]);
    let sent = send(&mut browser, &form);
    assert_eq!(sent.status, 303, "{}", sent.text());
    let shown = browser.get(sent.header("location").unwrap().split('#').next().unwrap()).text();
    assert!(shown.contains("Verstuurd.") && shown.contains("één.pdf") && shown.contains("Groet, Jan"), "{shown}");

    let raw = rig.answer(CANARY).raw;
    let mail = MessageParser::default().parse(&raw).unwrap();
    assert_eq!(mail.subject(), Some("Re: Afspraak"));
    assert_eq!(mail.in_reply_to().as_text(), Some("eerste@voorbeeld.example"));
    assert_eq!(mail.references().as_text_list().unwrap(), ["nulde@voorbeeld.example", "eerste@voorbeeld.example"]);
    let from = mail.from().unwrap().first().unwrap();
    let (local, domain) = from.address().unwrap().split_once('@').unwrap();
    assert!(local.starts_with("antwoord+") && domain == "retour.voorbeeld.example", "{from:?}");
    let files: Vec<(&str, &[u8])> =
        mail.attachments().map(|file| (file.attachment_name().unwrap(), file.contents())).collect();
    assert_eq!(files.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["één.pdf", "klein.pdf"]);
    assert!(files[0].1 == large && files[1].1 == b"klein", "the files byte for byte");
    until("the page says that it arrived", || {
        browser.get("/bericht").text().contains("bezorgd bij de afzender").then_some(())
    });

    let answers = rig.home.mails().into_iter().filter(|mail| mail.text().contains(CANARY)).collect::<Vec<_>>();
    assert_eq!(answers.iter().map(|mail| mail.to.as_slice()).collect::<Vec<_>>(), [[ANNA]], "once, to its sender");
    assert!(rig.outside.mails().iter().all(|mail| !format!("{:?}", mail.view()).contains(CANARY)));
    assert!(!rig.gateway.log().contains(CANARY) && !rig.gateway.log().contains(local), "in the log");
    for needle in [CANARY, "n.pdf", local] {
        assert!(!holds(&rig.site.path("data"), needle.as_bytes()), "{needle} is in clear in the data folder");
    }
    // What comes to its address is refused: it would leave in clear.
    let to = format!("{local}@{domain}");
    let (rcpts, _) = client::send(rig.gateway.smtp, ANNA, &[&to], b"Subject: Re: Afspraak\r\n\r\nx\r\n");
    assert_eq!(rcpts[0].code, 550, "{rcpts:?}");
    assert!(rig.gateway.stop().success());
}

#[test]
fn a_text_that_reads_like_the_parts_of_a_mail_stays_text() {
    let rig = Rig::start();
    let mut browser = rig.opened();
    // Everything that the writer knows of the answer is its draft's id.
    let page = browser.get("/bericht").text();
    let draft = hidden(&page, "concept");
    let part =
        format!("--=_{draft}\r\nContent-Disposition: attachment; filename=\"vals.html\"\r\n\r\nx\r\n--=_{draft}--");
    let form = filled(&page, &format!("{CANARY}\r\n{part}\r\n"), &[("echt.pdf", b"echt")]);
    assert_eq!(send(&mut browser, &form).status, 303);
    let raw = rig.answer(CANARY).raw;
    let mail = MessageParser::default().parse(&raw).unwrap();
    let boundary = mail.content_type().and_then(|kind| kind.attribute("boundary")).unwrap();
    assert!(!boundary.contains(&draft), "the writer knows what parts begin with");
    let names: Vec<_> = mail.attachments().map(|file| file.attachment_name().unwrap()).collect();
    assert_eq!(names, ["echt.pdf"], "{}", String::from_utf8_lossy(&raw));
    assert!(mail.body_text(0).unwrap().contains(&part), "{}", String::from_utf8_lossy(&raw));
}

#[test]
fn what_the_page_called_sent_survives_a_kill() {
    let mut rig = Rig::start();
    let mut browser = rig.opened();
    for round in 0..KILLS {
        let text = format!("{CANARY}-{round}.");
        let form = form(&mut browser, &text, &[("brief.pdf", &vec![7; 100_000])]);
        let sent = send(&mut browser, &form);
        assert_eq!(sent.status, 303, "{}", sent.text());
        rig = rig.killed(&mut browser);
        let mail = rig.answer(&text).text();
        let page = browser.get("/bericht").text();
        assert!(page.contains(&text) && page.matches("<article").count() == round + 2, "{page}");
        // One that was on its way when it was killed may come twice, under one Message-ID.
        let id =
            |mail: &str| mail.lines().find(|line| line.to_lowercase().starts_with("message-id:")).map(str::to_owned);
        let same = rig.home.mails().iter().map(Mail::text).filter(|mail| mail.contains(&text)).collect::<Vec<_>>();
        assert!(same.len() <= 2 && same.iter().all(|other| id(other) == id(&mail)), "round {round}");
    }
    let report = rig.site.ask(&["store", "check"])["done"]["report"].clone();
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(0), "{report}");
}

#[test]
fn a_kill_in_the_middle_of_a_file_keeps_what_came_before_it() {
    let rig = Rig::start();
    let mut browser = rig.opened();
    let form = form(&mut browser, "Dit blijft", &[("heel.pdf", b"heel"), ("half.pdf", &vec![7; 500_000])]);
    let half = form.len() - 100_000;
    let request = browser.begin("/bericht/antwoord", "multipart/form-data; boundary=grens", &form[..half], form.len());
    until("the text and the first file are kept", || {
        let page = browser.get("/bericht").text();
        (page.contains("Dit blijft") && page.contains("heel.pdf")).then_some(())
    });
    let rig = rig.killed(&mut browser);
    drop(request);
    let page = browser.get("/bericht").text();
    assert!(page.contains("Dit blijft") && page.contains("heel.pdf") && !page.contains("half.pdf"), "{page}");
    let report = rig.site.ask(&["store", "check"])["done"]["report"].clone();
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(0), "{report}");
    assert!(rig.home.mails().iter().all(|mail| !mail.text().contains("Dit blijft")));
}

/// The sender of a mail that came through us with another domain's From: the content stays with the organisation.
#[test]
fn a_sender_elsewhere_hears_that_there_is_an_answer_and_nothing_of_it() {
    let (other, fallback) = ("anna@elders.example", "veiligmailen@voorbeeld.example");
    let rig = Rig::start();
    let mut browser = rig.opened_from(other, fallback);
    let form = form(&mut browser, CANARY, &[("klein.pdf", b"klein")]);
    assert_eq!(send(&mut browser, &form).status, 303);
    let answer = rig.home.wait_for("the answer", |mail| mail.text().contains(CANARY));
    assert_eq!(answer.to, [fallback]);
    let notice = rig.home.wait_for("the notice of the answer", |mail| mail.is_for(other));
    let (view, raw) = (notice.view(), notice.text());
    assert_eq!(view.subject, "Er is een antwoord op uw beveiligde bericht");
    let text = view.text.unwrap();
    assert!(text.contains("Bel om het te krijgen:") && !raw.contains(CANARY) && !raw.contains("klein.pdf"), "{raw}");
    assert!(!text.contains(JAN) && !text.contains("Afspraak") && !text.contains("https://"), "{text}");
    // Once, and nobody else is told anything.
    until("an empty queue", || rig.site.ask(&["queue", "list"])["jobs"].as_array().unwrap().is_empty().then_some(()));
    let for_other = rig.home.mails().into_iter().filter(|mail| mail.is_for(other)).count();
    assert_eq!(for_other, 1);
}
