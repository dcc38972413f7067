//! Confidential mail: it never leaves, whatever happens behind; the recipient reads it on the page.

use crate::support::browser::Browser;
use crate::support::client;
use crate::support::gateway::{Gateway, Site};
use crate::support::postfix::Postfix;
use crate::support::sink::{Mail, Sink};

const CANARY: &str = "kanarie-7Qx2-uitslag-positief";

fn mail(subject: &str, header: &str, body: &str) -> Vec<u8> {
    format!(
        "From: Anna Jansen <anna@voorbeeld.example>\r\nTo: Jan <jan@example.nl>\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\n\
         Message-ID: <{subject}.{}@voorbeeld.example>\r\nSubject: {subject}\r\n{header}\r\n{body}\r\n",
        body.len()
    )
    .replace("Message-ID: <[", "Message-ID: <")
    .into_bytes()
}

/// The path of the link in a notice.
pub fn link(notice: &Mail) -> String {
    let text = notice.view().text.unwrap();
    let mut addresses = text.split_whitespace().filter(|word| word.starts_with("http"));
    let path = addresses.find_map(|word| word.find("/b/").map(|at| word[at..].to_owned()));
    path.unwrap_or_else(|| panic!("no link in {text}"))
}

/// The eight digits in a code mail.
pub fn code(mail: &Mail) -> String {
    let text = mail.view().text.unwrap();
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let four = |word: &&str| word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit());
    words.windows(2).find(|two| two.iter().all(four)).unwrap_or_else(|| panic!("no code in {text}")).concat()
}

pub fn notice_for(sink: &Sink, to: &str) -> Mail {
    sink.wait_for(&format!("the notice for {to}"), |mail| mail.is_for(to) && mail.text().contains("/b/"))
}

pub fn code_for(sink: &Sink, sender: &str, recipient: &str) -> Mail {
    let fits = |mail: &Mail| mail.is_for(sender) && mail.view().text.is_some_and(|text| text.contains(recipient));
    sink.wait_for(&format!("the code for {recipient}"), fits)
}

fn set_up() -> (Sink, Site, Gateway) {
    let sink = Sink::start();
    let site = Site::new(sink.address, "[[rule]]\nname = \"artsen\"\nto = [\"arts.example\"]\naction = \"seal\"\n");
    let gateway = site.start();
    (sink, site, gateway)
}

fn find(folder: &std::path::Path, needle: &[u8], found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            find(&path, needle, found);
        } else if kind.is_file() && std::fs::read(&path).unwrap().windows(needle.len()).any(|window| window == needle) {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn through_postfix_to_the_reader_and_nowhere_else() {
    let (sink, site, gateway) = set_up();
    let postfix = Postfix::start(gateway.smtp);
    let body = format!("Geachte heer,\r\n\r\n{CANARY}\r\n");
    let sent = mail("[veilig] Uitslag-9Zb4", "", &body);
    let (_, reply) = client::send(postfix.address, "anna@voorbeeld.example", &["jan@example.nl"], &sent);
    assert_eq!(reply.code, 250);
    let notice = notice_for(&sink, "jan@example.nl");
    let code = code(&code_for(&sink, "anna@voorbeeld.example", "jan@example.nl"));
    let link = link(&notice);

    let mut browser = Browser::new(gateway.page, "198.51.100.7");
    let first = browser.get(&link);
    assert_eq!(first.status, 200);
    assert!(first.text().contains("Anna Jansen") && !first.text().contains("Uitslag-9Zb4"));
    let wrong: String = code.chars().map(|c| if c == '1' { '2' } else { '1' }).collect();
    assert!(!browser.unlock(&link, &wrong).text().contains(CANARY));
    let opened = browser.unlock(&link, &code);
    assert_eq!(opened.status, 303, "{}", opened.text());
    let to = opened.header("location").unwrap();
    assert!(!to.contains("/b/"), "the link stays in the address: {to}");
    let message = browser.get(&to).text();
    assert!(message.contains(CANARY) && message.contains("Uitslag-9Zb4") && !message.contains("[veilig]"));
    let original = browser.get("/bericht/origineel.eml");
    assert!(original.body.ends_with(body.as_bytes().trim_ascii_end().as_ref()) || original.text().contains(CANARY));

    let asked = site.ask(&["message", "find", "jan@example.nl"]);
    assert_eq!(asked["messages"].as_array().unwrap().len(), 1);
    for needle in [CANARY, "Uitslag-9Zb4"] {
        for mail in sink.mails() {
            assert!(
                !mail.text().contains(needle) && !format!("{:?}", mail.view()).contains(needle),
                "{needle} went behind"
            );
        }
        assert!(!gateway.log().contains(needle), "{needle} is in the log");
    }
    let token = link.trim_start_matches("/b/");
    let grouped = format!("{} {}", &code[..4], &code[4..]);
    for secret in [token, code.as_str(), grouped.as_str(), "jan@example.nl", "anna@voorbeeld.example"] {
        assert!(!gateway.log().contains(secret), "a secret or address is in the log at trace level");
    }
    let mut clear = Vec::new();
    for needle in [CANARY, "Uitslag-9Zb4", "jan@example.nl", token, code.as_str()] {
        find(&site.path("data"), needle.as_bytes(), &mut clear);
    }
    assert!(clear.is_empty(), "in clear in {clear:?}");
    assert!(gateway.stop().success());
}

#[test]
fn every_trigger_seals_and_the_plain_mail_does_not() {
    let (sink, _site, gateway) = set_up();
    let cases = [
        ("t1", mail("[veilig] a", "", CANARY), "t1@example.nl"),
        ("t2", mail("a [ Vertrouwelijk ]", "", CANARY), "t2@example.nl"),
        ("t3", mail("a3", "Sensitivity: Company-Confidential\r\n", CANARY), "t3@example.nl"),
        ("t4", mail("a4", "Zegel-Secure: yes\r\n", CANARY), "t4@example.nl"),
        ("t5", mail("a5", "", CANARY), "t5@arts.example"),
        ("t6", mail("=?utf-8?q?=5Bveilig=5D_x?=", "", CANARY), "t6@example.nl"),
    ];
    for (name, raw, to) in &cases {
        let (rcpts, reply) = client::send(gateway.smtp, "anna@voorbeeld.example", &[to], raw);
        assert_eq!((rcpts[0].code, reply.code), (250, 250), "{name}: {reply:?}");
        let notice = notice_for(&sink, to);
        assert!(!notice.text().contains(CANARY), "{name}");
    }
    let (_, reply) =
        client::send(gateway.smtp, "anna@voorbeeld.example", &["plain@example.nl"], &mail("plain", "", "hello"));
    assert_eq!(reply.code, 250);
    sink.wait_for("the plain mail", |mail| mail.is_for("plain@example.nl") && mail.text().contains("hello"));
    for mail in sink.mails() {
        assert!(!mail.text().contains(CANARY));
    }
}

#[test]
fn it_is_taken_while_the_next_hop_is_down_and_noticed_later() {
    let behind = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let site = Site::new(behind, "");
    let gateway = site.start();
    let (_, reply) =
        client::send(gateway.smtp, "anna@voorbeeld.example", &["jan@example.nl"], &mail("[veilig] a", "", CANARY));
    assert_eq!(reply.code, 250, "{reply:?}");
    let (_, plain) = client::send(gateway.smtp, "anna@voorbeeld.example", &["jan@example.nl"], &mail("plain", "", "x"));
    assert_eq!(plain.code, 451, "{plain:?}");
    let queue = site.ask(&["queue", "list"]);
    assert_eq!(queue["jobs"].as_array().unwrap().len(), 2, "{queue}");
    assert!(gateway.stop().success());
    // A restart makes no job due earlier, so the site is asked again with a hop that answers and a fresh mail.
    let sink = Sink::on(std::net::TcpListener::bind(behind).unwrap());
    let gateway = site.start();
    notice_for(&sink, "jan@example.nl");
    drop(gateway);
}

#[test]
fn envelope_decides_and_bcc_stays_unseen() {
    let (sink, site, gateway) = set_up();
    let header = "Bcc: geheim@example.nl\r\n";
    let to = ["jan@example.nl", "geheim@example.nl"];
    let (_, reply) = client::send(gateway.smtp, "anna@voorbeeld.example", &to, &mail("[veilig] a", header, CANARY));
    assert_eq!(reply.code, 250);
    for me in to {
        let notice = notice_for(&sink, me);
        let other = if me == to[0] { to[1] } else { to[0] };
        assert!(!notice.text().contains(other), "{me} learns of {other}");
        assert_eq!(notice.to, [me]);
        let code = code(&code_for(&sink, "anna@voorbeeld.example", me));
        let mut browser = Browser::new(gateway.page, "198.51.100.8");
        assert_eq!(browser.unlock(&link(&notice), &code).status, 303);
        for path in ["/bericht", "/bericht/origineel.eml"] {
            assert!(!browser.get(path).text().contains("geheim@example.nl"), "{path} shows the Bcc to {me}");
        }
    }
    let shown = site.ask(&["message", "find", "geheim@example.nl"]);
    assert_eq!(shown["messages"][0]["recipients"], 2);
}

#[test]
fn mixed_recipients_each_get_theirs() {
    let (sink, _site, gateway) = set_up();
    let to = ["gewoon@example.nl", "dokter@arts.example", "ook@example.nl"];
    let (rcpts, reply) = client::send(gateway.smtp, "anna@voorbeeld.example", &to, &mail("plain", "", CANARY));
    assert_eq!((rcpts.len(), reply.code), (3, 250), "{reply:?}");
    let passed = sink.wait_for("the passed part", |mail| mail.text().contains(CANARY));
    assert_eq!(passed.to, ["gewoon@example.nl", "ook@example.nl"]);
    notice_for(&sink, "dokter@arts.example");
    let sealed_at_data: Vec<_> = sink
        .mails()
        .into_iter()
        .filter(|mail| mail.is_for("dokter@arts.example") && mail.text().contains(CANARY))
        .collect();
    assert!(sealed_at_data.is_empty());
}

#[test]
fn wrong_codes_pause_close_and_are_opened_again_by_the_operator() {
    let (sink, site, gateway) = set_up();
    client::send(gateway.smtp, "anna@voorbeeld.example", &["jan@example.nl"], &mail("[veilig] a", "", CANARY));
    let (notice, code_mail) =
        (notice_for(&sink, "jan@example.nl"), code_for(&sink, "anna@voorbeeld.example", "jan@example.nl"));
    let (link, code) = (link(&notice), code(&code_mail));
    let wrong = if code == "00000000" { "00000001" } else { "00000000" };
    for network in 0..4 {
        let mut browser = Browser::new(gateway.page, &format!("198.51.{network}.1"));
        for _ in 0..5 {
            assert_ne!(browser.unlock(&link, wrong).status, 303);
        }
    }
    // Closed for everybody now, the right code included; also after a restart.
    let page = Browser::new(gateway.page, "203.0.113.1").get(&link).text();
    assert!(!page.contains("name=\"code\""), "{page}");
    assert!(gateway.stop().success());
    let gateway = site.start();
    let page = Browser::new(gateway.page, "203.0.113.1").get(&link).text();
    assert!(!page.contains("name=\"code\""), "the restart opened it again: {page}");
    let found = site.ask(&["message", "find", "jan@example.nl"]);
    let id = found["messages"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(site.ask(&["message", "show", &id])["recipients"][0]["closed"], true);
    assert_eq!(site.ask(&["message", "unlock", &id])["links"], 1);
    assert_eq!(Browser::new(gateway.page, "203.0.113.1").unlock(&link, &code).status, 303);

    let before = sink.mails().len();
    let answer = site.ask(&["contact", "new-code", "jan@example.nl"]);
    assert_eq!(answer["mailbox"], "anna@voorbeeld.example", "{answer}");
    let new = sink.wait_for("the new code", |mail| {
        mail.is_for("anna@voorbeeld.example")
            && mail.view().text.is_some_and(|text| {
                text.contains("jan@example.nl") && !text.contains(&format!("{} {}", &code[..4], &code[4..]))
            })
            && sink.mails().len() > before
    });
    assert_ne!(Browser::new(gateway.page, "203.0.113.2").unlock(&link, &code).status, 303, "the old code still works");
    assert_eq!(Browser::new(gateway.page, "203.0.113.3").unlock(&link, &self::code(&new)).status, 303);
}

/// Whoever may run commands sees who wrote to whom and what became of it; no command gives what opens a message, nor what is in it.
#[test]
fn no_command_shows_a_link_a_code_or_content() {
    let (sink, site, gateway) = set_up();
    let to = "jan@example.nl";
    assert_eq!(
        client::send(gateway.smtp, "anna@voorbeeld.example", &[to], &mail("[veilig] Geheimwoord", "", CANARY)).1.code,
        250
    );
    let link = link(&notice_for(&sink, to));
    let mut codes = vec![code(&code_for(&sink, "anna@voorbeeld.example", to))];
    let id = site.ask(&["message", "find", to])["messages"][0]["id"].as_str().unwrap().to_owned();
    let said = site.ask(&["contact", "new-code", to]);
    assert!(said.to_string().contains("anna"), "{said}");
    let other = |mail: &Mail| {
        mail.is_for("anna@voorbeeld.example")
            && mail.view().text.is_some_and(|text| {
                text.contains(to) && !text.contains(&format!("{} {}", &codes[0][..4], &codes[0][4..]))
            })
    };
    codes.push(code(&sink.wait_for("the new code", other)));
    let backup = site.path("backup");
    for arguments in [
        &["message", "find", to][..],
        &["message", "show", &id],
        &["message", "unlock", &id],
        &["contact", "show", to],
        &["contact", "list"],
        &["queue", "list"],
        &["queue", "hold"],
        &["queue", "release"],
        &["keys", "list"],
        &["keys", "check"],
        &["store", "check"],
        &["store", "check", "--last"],
        &["store", "repair"],
        &["store", "rebuild"],
        &["store", "compact"],
        &["store", "backup", backup.to_str().unwrap()],
        &["health"],
        &["metrics"],
        &["check"],
        &["message", "recall", &id],
        &["contact", "erase", to],
    ] {
        for form in [&["--json"][..], &[]] {
            if arguments == ["metrics"] && !form.is_empty() {
                continue;
            }
            let output = site.command(&[arguments, form, &["--config", "zegel.toml"]].concat());
            let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
            assert!(
                !text.contains("error:") || text.contains("no message") || text.contains("nothing"),
                "{arguments:?}: {text}"
            );
            let plain = text.replace([' ', '-'], "");
            let shown = |hidden: &str| text.contains(hidden) || plain.contains(hidden);
            assert!(!shown(&link[3..]) && !shown("Geheimwoord") && !shown(CANARY), "{arguments:?}: {text}");
            assert!(!codes.iter().any(|code| shown(code)), "{arguments:?}: {text}");
        }
    }
}
