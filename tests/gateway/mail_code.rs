//! A code by mail through the whole gateway: from the rule in the config to the opened page; and a mailbox that does not take it.

use crate::support::browser::Browser;
use crate::support::client;
use crate::support::gateway::{Gateway, Site};
use crate::support::reader::{ANNA, letter, links_for};
use crate::support::scrape::{METRICS, series};
use crate::support::sink::{Mail, Sink};
use crate::support::until;

/// The rule that names it.
pub const RULE: &str = "[[rule]]\nname = \"leden\"\nto = [\"leden.example\"]\naction = \"seal\"\nproof = \"mail\"\n";

const CANARY: &str = "kanarie-7Tq2";

/// The code that a mail to `to` brings, if it brings one.
pub fn one_time_code(mail: &Mail, to: &str) -> Option<String> {
    let text = mail.view().text.filter(|_| mail.is_for(to))?;
    let digits = |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
    text.lines().map(str::trim).find(digits).map(str::to_owned)
}

/// The page of the notice for `to`.
fn link(gateway: &Gateway, sink: &Sink, to: &str) -> String {
    let mail = letter(&to.replace('@', "."), CANARY, CANARY);
    assert_eq!(client::send(gateway.smtp, ANNA, &[to], &mail).1.code, 250);
    links_for(sink, to, 1).remove(0)
}

/// Presses "Stuur mij de code".
fn press(browser: &mut Browser, link: &str) -> u16 {
    let token = browser.form(link);
    browser.post(&format!("{link}/stuur-code"), &[("pagina", &token)]).status
}

#[test]
fn from_the_rule_to_the_opened_page() {
    let sink = Sink::start();
    let reports = "[[listener]]\nname = \"reports\"\nkind = \"mx\"\naddress = \"127.0.0.1:0\"\n";
    let site = Site::new(sink.address, &format!("{RULE}{reports}{METRICS}"));
    let gateway = site.start();
    let to = "jan@leden.example";
    let jan = link(&gateway, &sink, to);
    let notice = sink.wait_for("the notice", |mail| mail.is_for(to)).view().text.unwrap();
    assert!(notice.contains("Die mailen wij naar dit e-mailadres") && !notice.contains(CANARY), "{notice}");
    assert!(!sink.mails().iter().any(|mail| mail.is_for(ANNA)), "there is no access code to pass on");

    let mut browser = Browser::new(gateway.page, "198.51.100.7");
    assert!(!browser.get(&jan).text().contains("name=\"code\""));
    assert_eq!(press(&mut browser, &jan), 303);
    let mail = sink.wait_for("the mail with the code", |mail| one_time_code(mail, to).is_some());
    let code = one_time_code(&mail, to).unwrap();
    let raw = mail.text();
    assert!(raw.contains("Auto-Submitted: auto-generated") && mail.from.contains("@retour."), "{raw}");
    for hidden in [jan.as_str(), "/b/", "http", CANARY, "veilig.voorbeeld.example"] {
        assert!(!raw.contains(hidden) && !mail.view().text.unwrap().contains(hidden), "{hidden} in {raw}");
    }
    let mut laptop = Browser::new(gateway.page, "203.0.113.9");
    assert_eq!(laptop.unlock(&jan, &code).status, 303);
    assert!(laptop.get("/bericht").text().contains(CANARY));
    assert_eq!(browser.get("/bericht").status, 403, "who only asked for it is not in");

    // One that comes back: the page says so, and the sender hears of it.
    let piet = link(&gateway, &sink, "piet@leden.example");
    assert_eq!(press(&mut browser, &piet), 303);
    let lost = sink.wait_for("the other code", |mail| one_time_code(mail, "piet@leden.example").is_some());
    let report = crate::bounces::report("failed", "5.2.2");
    until("the report counts", || {
        crate::bounces::take(gateway.others[0], &lost.from, &report);
        browser.get(&piet).text().contains("De e-mail met de code is niet aangekomen.").then_some(())
    });
    let fits = |mail: &Mail| mail.is_for(ANNA) && mail.view().subject.starts_with("Geen code");
    let told = sink.wait_for("the mail to the sender", fits).view().text.unwrap();
    assert!(told.contains("contact set piet@leden.example --code --sender"), "{told}");

    let seen = series(gateway.metrics.unwrap());
    assert!(
        (seen["zegel_one_time_codes_asked_total{way=\"mail\",result=\"sent\"}"] - 2.0).abs() < f64::EPSILON,
        "{seen:?}"
    );
    let log = gateway.log();
    let (lost_code, token) = (one_time_code(&lost, "piet@leden.example").unwrap(), &jan["/b/".len()..]);
    for hidden in [code.as_str(), lost_code.as_str(), token, "jan@", "piet@", CANARY] {
        // Behind the time, whose digits are as they come.
        let fits = |line: &&str| line.get(27..).unwrap_or_default().contains(hidden);
        assert_eq!(log.lines().find(fits), None, "{hidden}");
    }
}

#[test]
fn a_sender_who_asks_for_it_where_no_rule_names_it_hears_no() {
    let sink = Sink::start();
    let site = Site::new(sink.address, RULE);
    let gateway = site.start();
    for (to, code) in [("jan@leden.example", 250), ("jan@elders.example", 550)] {
        let (_, reply) = client::send(gateway.smtp, ANNA, &[to], &letter("een", "[veilig mail] Dag", CANARY));
        assert_eq!(reply.code, code, "{to}: {reply:?}");
    }
    std::fs::write(site.path("mail.eml"), letter("x", "Dag", CANARY)).unwrap();
    let asked = ["explain", "--config", "zegel.toml", "--from", ANNA, "--to", "jan@leden.example", "mail.eml"];
    let told = String::from_utf8(site.command(&asked).stdout).unwrap();
    assert!(told.contains("a code by mail opens it, for whom nothing stronger is known"), "{told}");
}
