//! A code by SMS through the whole gateway, with a provider on this machine: from the header of a mail to the opened page; an SMS that
//! does not arrive; and the ceiling, which is heard of.

use crate::support::browser::Browser;
use crate::support::client;
use crate::support::gateway::{Gateway, Site};
use crate::support::reader::{ANNA, links_for};
use crate::support::scrape::{METRICS, series};
use crate::support::sink::Sink;
use crate::support::sms::Provider;
use crate::support::until;

const SECRET: &str = "geheim-geheim-geheim-1";
const CANARY: &str = "kanarie-4Ht8";

fn mail(to: &str, number: &str) -> Vec<u8> {
    format!(
        "From: Anna Jansen <{ANNA}>\r\nTo: <{to}>\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\nMessage-ID: <{to}>\r\n\
         Subject: [veilig] {CANARY}\r\nZegel-Proof: {to} sms {number}\r\n\r\n{CANARY}\r\n"
    )
    .into_bytes()
}

/// The page of the notice for `to`.
fn link(gateway: &Gateway, sink: &Sink, to: &str, number: &str) -> String {
    assert_eq!(client::send(gateway.smtp, ANNA, &[to], &mail(to, number)).1.code, 250);
    links_for(sink, to, 1).remove(0)
}

/// Presses "Stuur mij de code".
fn press(browser: &mut Browser, link: &str) -> u16 {
    let token = browser.form(link);
    browser.post(&format!("{link}/stuur-code"), &[("pagina", &token)]).status
}

#[test]
fn from_the_header_of_a_mail_to_the_opened_page() {
    let (sink, provider) = (Sink::start(), Provider::start());
    let site = Site::new(sink.address, &format!("{}{METRICS}", provider.config()));
    std::fs::write(site.path("report.secret"), SECRET).unwrap();
    site.change(
        "trusted_proxies = [\"127.0.0.1\"] }",
        "trusted_proxies = [\"127.0.0.1\"], one_time_codes = { organisation = 2 } }",
    );
    let gateway = site.start();

    let jan = link(&gateway, &sink, "jan@example.nl", "06 12345678");
    let notice = sink.wait_for("the notice", |mail| mail.is_for("jan@example.nl")).text();
    assert!(!notice.contains("12345678") && !notice.contains(CANARY) && !notice.contains("Zegel-Proof"), "{notice}");
    let mut browser = Browser::new(gateway.page, "198.51.100.7");
    let first = browser.get(&jan).text();
    assert!(first.contains("*******678") && !first.contains("name=\"code\"") && provider.taken().is_empty());
    assert_eq!(press(&mut browser, &jan), 303);
    let [number, text, _] = provider.sms(1);
    assert_eq!(number, "+31612345678");
    let (words, last) = text.rsplit_once('\n').unwrap();
    let code = last.strip_prefix("@veilig.voorbeeld.example #").unwrap().to_owned();
    assert!(
        words.contains(&code) && !text.contains(CANARY) && !text.contains("Jansen") && !text.contains("jan@"),
        "{text}"
    );
    // Asked for on the telephone, typed on the laptop.
    let mut laptop = Browser::new(gateway.page, "203.0.113.9");
    assert_eq!(laptop.unlock(&jan, &code).status, 303);
    assert!(laptop.get("/bericht").text().contains(CANARY));
    let late = browser.get(&jan).text();
    assert!(late.contains("Stuur mij de code") && !late.contains("name=\"code\""), "the code is used up: {late}");
    assert_eq!(browser.get("/bericht").status, 403, "who only asked for it is not in");

    // One that does not arrive: the page says so, and the sender hears of it.
    let (piet, klaas) = ("piet@example.nl", "klaas@example.nl");
    let piet = link(&gateway, &sink, piet, "+31687654321");
    let klaas = link(&gateway, &sink, klaas, "06-11223344");
    let token = browser.form(&klaas);
    assert_eq!(press(&mut browser, &piet), 303);
    let reference = &provider.sms(2)[2];
    let report = format!("/sms/proef/{SECRET}?reference={reference}&status=failed");
    until("the report counts", || {
        assert_eq!(browser.get(&report).status, 204);
        browser.get(&piet).text().contains("De sms is niet aangekomen.").then_some(())
    });
    let fits = |mail: &crate::support::sink::Mail| mail.is_for(ANNA) && mail.view().subject.starts_with("Geen sms");
    let told = sink.wait_for("the mail to the sender", fits).view().text.unwrap();
    assert!(told.contains("piet@example.nl") && told.contains("*******321") && !told.contains("7654321"), "{told}");

    // Two SMS a day are all that this organisation wants to pay for.
    let pressed = browser.post(&format!("{klaas}/stuur-code"), &[("pagina", &token)]);
    assert_eq!((pressed.status, pressed.text().contains("Wij kunnen nu geen sms sturen.")), (429, true));
    assert!(!browser.get(&klaas).text().contains("<form"), "no button that brings nothing");
    let seen = series(gateway.metrics.unwrap());
    let asked = |result: &str| seen[&format!("zegel_one_time_codes_asked_total{{way=\"sms\",result=\"{result}\"}}")];
    assert_eq!((asked("sent"), asked("ceiling"), provider.taken().len()), (2.0, 1.0, 2));
    let log = gateway.log();
    let alarms = log.lines().filter(|line| line.contains("ERROR") && line.contains("the ceiling of one-time codes"));
    assert_eq!(alarms.count(), 1, "heard of once, when it is reached");
    for hidden in ["12345678", "87654321", "11223344", code.as_str(), reference.as_str(), CANARY] {
        // Behind the time, whose digits are as they come.
        let fits = |line: &&str| {
            line.get(27..).unwrap_or_default().contains(hidden) && !(hidden == reference && line.contains("sms"))
        };
        assert_eq!(log.lines().find(fits), None, "{hidden}");
    }
}

#[test]
fn who_told_of_a_wrong_number_hears_when_it_is_right() {
    let (sink, provider) = (Sink::start(), Provider::start());
    let site = Site::new(sink.address, &provider.config());
    std::fs::write(site.path("report.secret"), SECRET).unwrap();
    let gateway = site.start();
    let first = link(&gateway, &sink, "jan@example.nl", "06 12345678");
    let set = ["contact", "set", "jan@example.nl", "--sms", "0687654321", "--sender", ANNA];
    let said = site.ask(&set);
    assert!(said["note"].as_str().unwrap().contains("a fresh notice"), "{said}");
    let links = links_for(&sink, "jan@example.nl", 2);
    let fresh = links.iter().find(|link| **link != first).unwrap();
    let fits = |mail: &crate::support::sink::Mail| mail.text().contains(fresh.rsplit_once('/').unwrap().1);
    let notice = sink.wait_for("the fresh notice", fits).view().text.unwrap();
    assert!(notice.contains("Daarna heeft de afzender veranderd hoe u het opent."), "{notice}");
    let mut browser = Browser::new(gateway.page, "198.51.100.7");
    assert!(browser.get(&first).text().contains("*******321"), "the first link leads there too");
    assert_eq!(press(&mut browser, fresh), 303);
    let [number, text, _] = provider.sms(1);
    assert_eq!(number, "+31687654321");
    let code = text.rsplit_once('#').unwrap().1.to_owned();
    assert_eq!(browser.unlock(&first, &code).status, 303, "it is one grant, with one code");
    assert!(browser.get("/bericht").text().contains(CANARY));
}
