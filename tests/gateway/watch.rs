//! What an admin sees from outside: every metric moves by a real event, health tells the truth, and neither log nor metrics tell who
//! wrote what to whom.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::TcpListener;

use crate::support::browser::Browser;
use crate::support::client::{self, Client};
use crate::support::dice::Dice;
use crate::support::gateway::Site;
use crate::support::reader::{ANNA, code_for, letter, letter_from, links_for, long_text};
use crate::support::scrape::{METRICS, get, health, series};
use crate::support::sink::Sink;
use crate::support::until;

const PATIENT: &str = "jan@example.nl";
const RULES: &str = "[[rule]]\nname = \"artsen\"\nto = [\"arts.example\"]\naction = \"seal\"\n\
                     [[rule]]\nname = \"dicht\"\nto = [\"dicht.example\"]\naction = \"refuse\"\ntext = \"Niet hierheen.\"\n";
const CANARY: &str = "kanarie-7Qw2";

/// The lines of the log that tell of a mail.
fn mails(log: &str) -> Vec<String> {
    log.lines()
        .filter(|line| line.contains(": mail mail=") || line.contains("\"message\":\"mail\""))
        .map(str::to_owned)
        .collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
fn every_metric_moves_and_nothing_tells_who_wrote_what() {
    let sink = Sink::start();
    let site = Site::new(sink.address, &format!("{RULES}{METRICS}"));
    let gateway = site.start();
    let watch = gateway.metrics.unwrap();
    let before = series(watch);

    let to = |to: &[&str], name: &str, subject: &str| {
        client::send(gateway.smtp, ANNA, to, &letter(name, subject, &long_text(CANARY, 100))).1.code
    };
    assert_eq!(to(&[PATIENT], "gewoon", CANARY), 250);
    assert_eq!(to(&[PATIENT], "dicht", &format!("[veilig] {CANARY}")), 250);
    assert_eq!(to(&["piet@arts.example", "truus@example.nl"], "gemengd", CANARY), 250);
    assert_eq!(to(&["kees@dicht.example"], "weg", CANARY), 554);
    assert_eq!(to(&[PATIENT], "fout", &format!("{CANARY}\r\nZegel-Secure: misschien")), 550);
    let foreign = letter_from("vreemd@elders.example", "vreemd", "[veilig] x", CANARY);
    assert_eq!(
        client::send(gateway.smtp, "vreemd@elders.example", &[PATIENT], &foreign).1.code,
        250,
        "to the fallback"
    );
    let mut gone = Client::connect(gateway.smtp).unwrap();
    gone.say(&format!("MAIL FROM:<{ANNA}>")).unwrap();
    gone.say(&format!("RCPT TO:<{PATIENT}>")).unwrap();
    drop(gone);

    let link = links_for(&sink, PATIENT, 1).remove(0);
    let code = code_for(&sink, ANNA, PATIENT);
    let wrong = if code.starts_with('1') { "22222222" } else { "11111111" };
    let mut browser = Browser::new(gateway.page, "198.51.100.9");
    assert_eq!(browser.unlock(&link, wrong).status, 403);
    assert_eq!(browser.unlock(&link, &code).status, 303);
    assert_eq!(browser.get("/bericht").status, 200);
    assert_eq!(browser.get(&format!("/{CANARY}")).status, 404);

    let moved = until("every metric moved", || {
        let after = series(watch);
        let grew = after.iter().filter(|(name, value)| before.get(*name).copied().unwrap_or(0.0) < **value);
        let grew: BTreeSet<String> = grew.map(|(name, _)| name.clone()).collect();
        EXPECTED.iter().all(|name| grew.contains(*name)).then_some(grew)
    });
    assert!(moved.len() > EXPECTED.len());
    assert_eq!(health(watch), (200, Vec::new()));
    assert_eq!(String::from_utf8_lossy(&site.command(&["health", "--config", "zegel.toml"]).stdout), "ok\n");
    let printed = site.command(&["metrics", "--config", "zegel.toml"]);
    assert!(String::from_utf8_lossy(&printed.stdout).ends_with("# EOF\n"), "{printed:?}");

    let (_, text) = get(watch, "/metrics");
    let log = until("seven lines of mails", || Some(gateway.log()).filter(|log| mails(log).len() >= 7));
    let told = mails(&log).join("\n");
    for verdict in ["passed", "sealed", "mixed", "refused", "aborted"] {
        assert!(told.contains(&format!("verdict=\"{verdict}\"")), "no {verdict} in {told}");
    }
    assert_eq!(mails(&log).len(), 7, "one line for each mail: {told}");
    let passed = sink.mails().iter().find(|mail| mail.text().contains("<gewoon@")).unwrap().text();
    let id = passed.split("ESMTP id ").nth(1).and_then(|rest| rest.split([';', '\r']).next()).unwrap();
    assert!(told.contains(&format!("mail=\"{id}\"")), "the id of Received, {id}, is not in {told}");

    let token = link.trim_start_matches("/b/").split('?').next().unwrap();
    let private = [
        CANARY,
        ANNA,
        PATIENT,
        "Afzender",
        "Lezer",
        "piet@",
        "truus@",
        "kees@",
        "vreemd@",
        "arts.example",
        "elders.example",
        &code,
        token,
        "gewoon@",
        "Niet hierheen",
        wrong,
    ];
    for secret in private {
        assert!(!text.contains(secret), "{secret} in the metrics");
        let told = log.lines().find(|text| text.contains(secret));
        assert_eq!(told, None, "{secret} in the log");
    }
}

const EXPECTED: [&str; 38] = [
    "zegel_smtp_sessions_total{listener=\"front\"}",
    "zegel_smtp_received_bytes_total{listener=\"front\"}",
    "zegel_smtp_sent_bytes_total{listener=\"front\"}",
    "zegel_smtp_replies_total{listener=\"front\",class=\"2\"}",
    "zegel_smtp_replies_total{listener=\"front\",class=\"3\"}",
    "zegel_smtp_replies_total{listener=\"front\",class=\"5\"}",
    "zegel_mails_total{outcome=\"passed\"}",
    "zegel_mails_total{outcome=\"sealed\"}",
    "zegel_mails_total{outcome=\"mixed\"}",
    "zegel_mails_total{outcome=\"refused\"}",
    "zegel_mails_total{outcome=\"aborted\"}",
    "zegel_mail_bytes_total{outcome=\"passed\"}",
    "zegel_mail_seconds_count{outcome=\"sealed\"}",
    "zegel_mail_seconds_sum{outcome=\"sealed\"}",
    "zegel_recipients_total{verdict=\"pass\"}",
    "zegel_recipients_total{verdict=\"seal\"}",
    "zegel_recipients_total{verdict=\"refuse\"}",
    "zegel_nexthop_connects_total{hop=\"behind\",result=\"ok\"}",
    "zegel_nexthop_replies_total{hop=\"behind\",class=\"2\"}",
    "zegel_nexthop_replies_total{hop=\"behind\",class=\"3\"}",
    "zegel_nexthop_lease_seconds_count{hop=\"behind\"}",
    "zegel_nexthop_reply_seconds_count{hop=\"behind\",step=\"command\"}",
    "zegel_nexthop_reply_seconds_count{hop=\"behind\",step=\"dot\"}",
    "zegel_nexthop_sent_bytes_total{hop=\"behind\"}",
    "zegel_page_requests_total{route=\"/b/{token}\",method=\"GET\",status=\"2xx\"}",
    "zegel_page_requests_total{route=\"/b/{token}\",method=\"POST\",status=\"4xx\"}",
    "zegel_page_requests_total{route=\"/b/{token}\",method=\"POST\",status=\"3xx\"}",
    "zegel_page_requests_total{route=\"/bericht\",method=\"GET\",status=\"2xx\"}",
    "zegel_page_requests_total{route=\"none\",method=\"GET\",status=\"4xx\"}",
    "zegel_page_request_seconds_count",
    "zegel_code_tries_total{result=\"wrong\"}",
    "zegel_code_tries_total{result=\"right\"}",
    "zegel_store_commit_seconds_count",
    "zegel_store_append_seconds_count",
    "zegel_store_group_commits_count",
    "zegel_store_commits_total",
    "zegel_store_syncs_total",
    "zegel_store_erased_total",
];

#[test]
fn what_clients_say_becomes_no_series() {
    let sink = Sink::start();
    let site = Site::new(sink.address, METRICS);
    let gateway = site.start();
    let watch = gateway.metrics.unwrap();
    let dice = Dice::of(7);
    let round = |count: usize| {
        for _ in 0..count {
            let odd: String = (0..12).map(|_| char::from(b'a' + u8::try_from(dice.below(26)).unwrap())).collect();
            let mut client = Client::connect(gateway.smtp).unwrap();
            client.say(&format!("EHLO {odd}.example")).unwrap();
            client.say(&odd).unwrap();
            client
                .send(&format!("{odd}@voorbeeld.example"), &[&format!("{odd}@example.nl")], &letter(&odd, &odd, &odd))
                .unwrap();
            client.say(&format!("MAIL FROM:<{odd}")).unwrap();
            drop(client);
            let mut browser = Browser::new(gateway.page, "198.51.100.9");
            browser.get(&format!("/{odd}?{odd}"));
            browser.get(&format!("/b/{odd}"));
            browser.get(&format!("/bericht/bijlage/{odd}"));
            get(watch, &format!("/{odd}"));
        }
        series(watch)
    };
    let one: BTreeSet<String> = round(1).into_keys().collect();
    let many: BTreeSet<String> = round(40).into_keys().collect();
    let mut new = String::new();
    many.difference(&one).for_each(|name| writeln!(new, "{name}").unwrap());
    assert!(new.is_empty(), "new series:\n{new}");
}

#[test]
fn health_tells_what_is_wrong() {
    let sink = Sink::start();
    let site = Site::new(sink.address, METRICS);
    // No disk is this large.
    site.change("min_free = \"1 MiB\"", "min_free = \"1000000 GiB\"");
    let gateway = site.start();
    assert_eq!(health(gateway.metrics.unwrap()), (503, vec!["disk-full".to_owned()]));
    let asked = site.command(&["health", "--config", "zegel.toml"]);
    assert_eq!(
        (asked.status.code(), String::from_utf8_lossy(&asked.stdout).as_ref()),
        (Some(1), "failing: disk-full\n")
    );
    let (_, reply) = client::send(gateway.smtp, ANNA, &[PATIENT], &letter("gewoon", "x", "y"));
    assert_eq!(reply.code, 250, "ordinary mail goes on");
    assert!(gateway.stop().success());
    assert!(!site.command(&["health", "--config", "zegel.toml"]).status.success(), "nobody is there");

    // A server behind that is not there: mail waits at its client, so this is no failure of ours.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    site.configure(nobody, METRICS);
    let gateway = site.start();
    let watch = gateway.metrics.unwrap();
    let found = until("the server behind is missed", || Some(health(watch)).filter(|(_, reasons)| !reasons.is_empty()));
    assert_eq!(found, (200, vec!["home-unreachable".to_owned()]));
    let held = site.ask(&["queue", "hold"]);
    assert_eq!(held["held"], true, "{held}");
    assert_eq!(health(watch), (200, vec!["home-unreachable".to_owned(), "queue-held".to_owned()]));
    let numbers = series(watch);
    let is = |name: &str, value: f64| assert!((numbers[name] - value).abs() < 0.5, "{name} is {}", numbers[name]);
    is("zegel_nexthop_up{hop=\"behind\"}", 0.0);
    is("zegel_trouble{reason=\"home-unreachable\"}", 1.0);
    is("zegel_trouble{reason=\"disk-full\"}", 0.0);
    is("zegel_ready", 1.0);
    is("zegel_queue_held", 1.0);
}

#[test]
fn a_line_of_the_log_is_an_object_where_json_is_asked_for() {
    let sink = Sink::start();
    let site = Site::new(sink.address, METRICS);
    site.change("log = { level = \"trace\" }", "log = { level = \"info\", format = \"json\" }");
    let gateway = site.start();
    client::send(gateway.smtp, ANNA, &[PATIENT], &letter("gewoon", "x", "y"));
    let log = until("the line", || Some(gateway.log()).filter(|log| !mails(log).is_empty()));
    let line: serde_json::Value = serde_json::from_str(&mails(&log)[0]).unwrap();
    let fields = &line["fields"];
    assert_eq!(fields["verdict"], "passed");
    assert_eq!((&fields["listener"], &fields["network"]), (&"front".into(), &"loopback".into()));
    assert_eq!((&fields["hop"], &fields["code"], &fields["passed"]), (&"behind".into(), &250.into(), &1.into()));
    assert!(fields["answer_ms"].is_u64() && fields["bytes"].as_u64().unwrap() > 100, "{line}");
}

#[test]
fn explain_says_what_then_happens() {
    let sink = Sink::start();
    let site = Site::new(sink.address, RULES);
    let gateway = site.start();
    let file = site.path("brief.eml");
    let cases: [(&str, &str, &str, u16); 4] = [
        (PATIENT, "gewoon", "pass", 250),
        (PATIENT, "[veilig] brief", "seal", 250),
        ("piet@arts.example", "gewoon", "seal", 250),
        (PATIENT, "x\r\nZegel-Secure: misschien", "refuse", 550),
    ];
    for (number, (to, subject, fate, code)) in cases.into_iter().enumerate() {
        let mail = letter(&format!("brief{number}"), subject, "tekst");
        std::fs::write(&file, &mail).unwrap();
        let told = site.ask(&["explain", "--from", ANNA, "--to", to, "brief.eml"]);
        assert_eq!(told["recipients"][0]["fate"], fate, "{told}");
        let before = sink.mails().len();
        assert_eq!(client::send(gateway.smtp, ANNA, &[to], &mail).1.code, code, "{subject}");
        let passed = sink.mails().iter().skip(before).any(|mail| mail.text().contains(&format!("<brief{number}@")));
        assert_eq!(passed, fate == "pass", "{subject}");
    }
    let text = site.command(&["explain", "--config", "zegel.toml", "--from", ANNA, "--to", "kees@dicht.example"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("kees@dicht.example is refused: 550 5.7.1 Niet hierheen.\n  rule dicht refuses"), "{text}");
    std::fs::write(site.path("zegel.toml"), "onzin = 1\n").unwrap();
    let bad = site.command(&["explain", "--config", "zegel.toml", "--from", ANNA, "--to", PATIENT]);
    assert_eq!(bad.status.code(), Some(78));
}
