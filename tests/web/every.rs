//! A data folder with something in every space and a job of every kind, opened for ever: what the page gives of it.
//!
//! `tests/vectors/folder-0.1.0-every` stands as a release left it, as `folder-0.1.0` does (see `upgrade`). What is in it the store's own
//! tests look at: `the_fixture_holds_every_space_and_job_kind`. A release that changes a format, or adds a space, adds one:
//! `cargo test --test web -- --ignored a_folder_with_everything`.

use std::fs;
use std::time::Duration;

use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use zegel::base::{Clock, ConversationId, JobId, MessageId, SeededEntropy};
use zegel::intake::{Recipient, Sealing};
use zegel::mail::header::HeaderBlock;
use zegel::policy::{Identity, Level, Mode, Proof, Terms};
use zegel::seal::keyring::RootKeyring;
use zegel::seal::recovery::RecoveryPrivate;
use zegel::seal::token::LinkToken;
use zegel::store::codes::KeptCode;
use zegel::store::contacts::Change;
use zegel::store::dispatch::Refusal;
use zegel::store::intake::NewJob;
use zegel::store::jobs::JobEnd;
use zegel::store::records::{JobKind, Phone, Wish};
use zegel::store::retention::ledger::Ledger;
use zegel::store::retention::{Recall, Retention, Settings};

use crate::answer::{self, Part, Reader};
use crate::site::{Link, Site, settings};
use crate::sms::{phone, press};
use crate::upgrade::{THEN, copy, jobs, link, open, vectors};

const NAME: &str = "folder-0.1.0-every";
const NUMBER: &str = "+31612345678";

/// One mail: to whom, its id, the mail that it answers, how it is kept and proved.
struct Said<'a> {
    to: &'a str,
    id: &'a str,
    refers: &'a str,
    mode: Mode,
    proof: Option<Proof>,
}

const JAN: Said<'_> = Said { to: "jan@else.example", id: "a1", refers: "", mode: Mode::Assisted, proof: None };
const PIET: Said<'_> = Said { to: "piet@else.example", id: "p1", ..JAN };

/// What stands in the text of a mail.
fn word(id: &str) -> String {
    format!("De tekst van {id}, góéd.")
}

async fn sealing(site: &Site, said: &Said<'_>) -> Sealing {
    let Said { to, id, refers, mode, proof } = said;
    let refers = if refers.is_empty() { String::new() } else { format!("References: <{refers}@zorg.example>\r\n") };
    let header = format!(
        "From: Anna Jansen <a.jansen@zorg.example>\r\nTo: Ontvanger <x@else.example>\r\nSubject: [veilig] Uitslag\r\n\
         Message-ID: <{id}@zorg.example>\r\n{refers}MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n"
    );
    let address: zegel::mail::Address = "a.jansen@zorg.example".parse().unwrap();
    let identity = Identity { address: address.clone(), name: "Anna Jansen".to_owned(), mailbox: address };
    let block = HeaderBlock::new(header.as_bytes());
    let tags = ["veilig".to_owned()];
    let expires = Duration::from_hours(90 * 24);
    let level = if *proof == Some(Proof::Mail) { Level::Mail } else { Level::Code };
    let terms = Terms { reason: "subject tag".to_owned(), expires, mode: *mode, proof: proof.clone(), level };
    let recipients = vec![Recipient { address: to.parse().unwrap(), terms }];
    let stored = block.stored(&tags);
    let mut sealing = site.intake.begin(identity, block.facts(&tags), recipients, &stored).await.unwrap();
    sealing.write(format!("\r\n{}\r\n", word(id)).as_bytes()).await.unwrap();
    sealing
}

/// Takes a mail; its link, its code if it brings one, and its jobs, which stay.
async fn say(site: &Site, said: &Said<'_>) -> (Link, Vec<(JobId, JobKind)>) {
    sealing(site, said).await.take().await.unwrap();
    let taken = link(site).await;
    site.clock.advance(Duration::from_secs(10));
    taken
}

/// Takes a mail and gives its jobs up, for these instead.
async fn instead(site: &Site, said: &Said<'_>, entropy: &SeededEntropy, kinds: impl FnOnce(&JobKind) -> Vec<JobKind>) {
    let (_, jobs) = say(site, said).await;
    let notice = jobs.iter().find(|(_, kind)| matches!(kind, JobKind::Notice { .. })).expect("a notice waits");
    let mut kinds = kinds(&notice.1).into_iter();
    let due = site.clock.now() + Duration::from_hours(1);
    for (id, _) in jobs {
        let kind = kinds.next();
        let job = kind.map(|kind| NewJob { id: JobId::random(entropy), kind, secret: None, due });
        site.store.finish_job(id, JobEnd::GiveUp("550 5.1.1 onbekend".to_owned(), job)).await.unwrap();
    }
    assert!(kinds.next().is_none(), "as many jobs as kinds");
}

fn retention(site: &Site, ledger: Ledger) -> Retention {
    let settings = Settings {
        ended_links: Duration::from_hours(90 * 24),
        ledger: std::path::PathBuf::new(),
        sessions: settings().sessions,
    };
    Retention::new(site.store.clone(), settings, ledger)
}

async fn message(site: &Site, recipient: &str) -> MessageId {
    site.store.find(recipient, None, 1).await.unwrap().remove(0).0
}

/// Where an answer of Jan's stands.
async fn answered(site: &Site) -> (ConversationId, MessageId) {
    let jobs = site.store.jobs(100).await.unwrap();
    let answer = jobs.iter().find_map(|(_, job)| match job.kind {
        JobKind::Answer { conversation, answer, .. } => Some((conversation, answer)),
        _ => None,
    });
    answer.expect("an answer waits")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_with_everything_in_it_opens() {
    let fixture = vectors().join(NAME);
    let expected: Value = serde_json::from_slice(&fs::read(fixture.join("expected.json")).unwrap()).unwrap();
    let keyring = fs::read_to_string(fixture.join("root.keys")).unwrap();
    let now = zegel::base::Timestamp(expected["now"].as_u64().unwrap());
    let live = tempfile::tempdir().unwrap();
    copy(&fixture.join("data"), live.path());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for (seed, dropped) in [(200, 1), (201, 0)] {
        let (site, report) = open(live.path(), &keyring, now, seed).await;
        assert_eq!((report.quarantined.len(), report.cut, report.dropped), (0, 0, dropped), "{report:?}");
        assert!(site.store.is_held(), "the queue is held");
        assert_eq!(jobs(&site).await, expected["jobs"]);
        assert!(site.store.last_check().await.unwrap().unwrap().1.is_sound());
        assert!(
            site.store.rewrap_state().await.unwrap().is_none_or(|state| !state.done),
            "keys wait to be wrapped anew"
        );
        let cookie = text(&expected["cookie"]);
        assert_eq!(site.read("/bericht", &cookie).await.status, StatusCode::OK, "a session goes on");
        for mail in expected["messages"].as_array().unwrap() {
            let link = Link { path: text(&mail["link"]), code: text(&mail["code"]) };
            let cookie = if seed == 200 || mail["once"] != true { site.unlock(&link).await } else { continue };
            let page = site.read("/bericht", &cookie).await.text();
            for shows in mail["shows"].as_array().unwrap() {
                assert!(page.contains(&text(shows)), "{shows} in {page}");
            }
        }
        let mut told = Vec::new();
        for link in expected["withdrawn"].as_array().unwrap() {
            let page = site.get(&text(link)).await;
            told.push((page.status, page.text().contains("<h1>Dit bericht is ingetrokken")));
        }
        // A recall that stopped at the ledger opens nothing and has left no word yet; an erasure that stopped there still says so.
        let (withdrawn, unknown) = ((StatusCode::GONE, true), (StatusCode::NOT_FOUND, false));
        assert_eq!(told, [withdrawn, unknown, withdrawn]);
        let check = site.store.check(false, std::sync::Arc::default()).await.unwrap();
        assert!(check.is_sound(), "{:?}", check.findings);
        site.store.close().await;
    }
    // What was left in the middle is seen through.
    let (site, _) = open(live.path(), &keyring, now, 202).await;
    let retention = retention(&site, Ledger::in_memory());
    retention.round().await.unwrap();
    assert!(retention.erase("klaas@else.example").await.unwrap().waiting == 0);
    while !site.store.rewrap_step().await.unwrap().done {}
    let check = site.store.check(false, std::sync::Arc::default()).await.unwrap();
    assert!(check.is_sound(), "{:?}", check.findings);
}

/// Makes it: run on the release's own code, keep the folder, never make it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes a fixture, once"]
#[expect(clippy::too_many_lines, reason = "one folder, step by step")]
async fn a_folder_with_everything() {
    let fixture = vectors().join(NAME);
    fs::create_dir(&fixture).expect("a fixture that exists is not made again");
    let entropy = SeededEntropy::new(70);
    let ring = RootKeyring::generate(&entropy);
    let live = tempfile::tempdir().unwrap();
    let (site, _) = open(live.path(), ring.to_text().expose_secret(), THEN, 80).await;
    site.store.use_recovery(Some(RecoveryPrivate::generate(&entropy).public())).await.unwrap();

    // A conversation of two mails, an answer that waits and a draft, each with files.
    let (mut first, _) = say(&site, &JAN).await;
    let (second, _) = say(&site, &Said { id: "a2", refers: "a1", ..JAN }).await;
    let cookie = site.unlock(&first).await;
    let sent = answer::send(&site, "/bericht", &cookie, "Dank u wel.").await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    let reader = Reader {
        site: &site,
        cookie: site.unlock(&Link { path: second.path.clone(), code: first.code.clone() }).await,
    };
    let large = vec![7; 150_000];
    let files = vec![
        Part::Field("tekst", "Nog niet af."),
        Part::File("klein.txt", "text/plain", b"klein"),
        Part::File("groot.txt", "text/plain", &large),
    ];
    assert_eq!(reader.press("toevoegen", files).await.status, StatusCode::SEE_OTHER);
    let (conversation, answer) = answered(&site).await;

    // Strict, two epochs.
    let strict = Said { to: "strikt@else.example", id: "s1", mode: Mode::Strict, ..JAN };
    let (strict_first, _) = say(&site, &strict).await;
    let (strict_second, _) = say(&site, &Said { id: "s2", refers: "s1", ..strict }).await;
    let code = strict_first.code.clone();

    // By SMS: one code that came, one that is still to be sent, and a number that was changed, which a fresh notice tells; and by mail.
    let by_sms = |to, id| Said { to, id, proof: Some(Proof::Sms(NUMBER.to_owned())), ..JAN };
    let (mut sms, _) = say(&site, &by_sms("sms@else.example", "t1")).await;
    let (waiting, _) = say(&site, &by_sms("wacht@else.example", "t2")).await;
    let _ = say(&site, &by_sms("ander@else.example", "t3")).await;
    let (mailed, _) = say(&site, &Said { to: "lid@else.example", id: "m1", proof: Some(Proof::Mail), ..JAN }).await;
    let contact = site.store.contacts("ander@else.example", None).await.unwrap().remove(0).0;
    let proof = Some((KeptCode::Sms(Phone::new("+31687654321".to_owned())), None));
    assert!(site.store.change_contact(contact, &Change { proof, ..Change::default() }).await.unwrap().is_some());
    assert_eq!(press(&site, &sms).await.status, StatusCode::SEE_OTHER);
    sms.code = phone(&site).await.pop().unwrap().1;
    for link in [&waiting, &mailed] {
        assert_eq!(press(&site, link).await.status, StatusCode::SEE_OTHER);
    }

    // Leased from here on, like all before them.
    let _ = link(&site).await;

    // Every other kind of job.
    let grant = |kind: &JobKind| match kind {
        JobKind::Notice { grant } => *grant,
        other => panic!("{other:?}"),
    };
    let code_of = site.store.contacts("jan@else.example", None).await.unwrap().remove(0).0;
    let about = (conversation, answer);
    instead(&site, &PIET, &entropy, |kind| {
        let answer = "550 5.1.1 onbekend".to_owned();
        vec![
            JobKind::Undeliverable { grant: grant(kind), answer: answer.clone() },
            JobKind::CodeUndeliverable { contact: code_of, answer },
        ]
    })
    .await;
    for (id, kind) in [
        ("p2", None),
        ("p3", Some(JobKind::AnswerUndeliverable { conversation: about.0, answer: about.1, lost: true })),
        ("p4", Some(JobKind::AnswerInfected { conversation: about.0, answer: about.1, file: 0 })),
        (
            "p5",
            Some(JobKind::AnswerNotice { conversation: about.0, answer: about.1, to: "piet@thuis.example".to_owned() }),
        ),
    ] {
        instead(&site, &Said { id, ..PIET }, &entropy, |notice| {
            vec![kind.unwrap_or_else(|| JobKind::Closed { grant: grant(notice) })]
        })
        .await;
    }
    instead(&site, &Said { id: "p6", ..PIET }, &entropy, |kind| {
        vec![JobKind::Asked { grant: grant(kind), wish: Wish::Code }]
    })
    .await;
    instead(&site, &Said { id: "p7", ..PIET }, &entropy, |kind| {
        vec![JobKind::OneTimeFailed { grant: grant(kind), why: Refusal::Number }]
    })
    .await;

    // Taken back, and taken back and erased up to a ledger that cannot be written.
    let mut withdrawn = Vec::new();
    for to in ["kees@else.example", "klaas@else.example", "koos@else.example"] {
        withdrawn.push(say(&site, &Said { to, id: to, ..JAN }).await.0.path);
    }
    let done =
        retention(&site, Ledger::in_memory()).recall(message(&site, "kees@else.example").await, None).await.unwrap();
    assert!(matches!(done, Recall::Done { .. }), "{done:?}");
    let apart = tempfile::tempdir().unwrap();
    let path = apart.path().join("erased.ledger");
    let stuck = retention(&site, Ledger::open(&path, site.store.keys()).unwrap());
    fs::remove_file(&path).unwrap();
    let stopped = stuck.recall(message(&site, "koos@else.example").await, None).await.unwrap();
    assert!(matches!(stopped, Recall::Done { complete: false, .. }), "{stopped:?}");
    let _ = stuck.erase("klaas@else.example").await;

    let wrong = site.try_code(&Link { path: first.path.clone(), code: String::new() }, "00000000").await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    let report = site.store.check(false, std::sync::Arc::default()).await.unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    site.store.keep_report(&report).await.unwrap();
    site.store.hold_queue("for the fixture").await.unwrap();
    site.store.close().await;
    let now = site.clock.now();
    drop(site);

    // A second run: another root key, keys wrapped in part, a mail that is prepared.
    let (site, _) = open(live.path(), ring.to_text().expose_secret(), now, 81).await;
    let ring = ring.with_new(&entropy);
    site.store.use_keyring(ring.clone()).await.unwrap();
    site.store.confirm_key_copies().await.unwrap();
    site.store.restart_rewrap().await.unwrap();
    let prepared = sealing(&site, &Said { to: "nooit@else.example", id: "n1", ..JAN }).await.prepare().await.unwrap();
    assert!(prepared.is_some());
    copy(live.path(), &fixture.join("data"));
    for name in ["index", "index.state", "lock", "reserve"] {
        let path = fixture.join("data").join(name);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { drop(fs::remove_file(path)) }
    }
    fs::write(fixture.join("root.keys"), ring.to_text().expose_secret()).unwrap();
    let mail = |link: &str, code: &str, shows: &[String], once: bool| json!({ "link": link, "code": code, "shows": shows, "once": once });
    let code_of_first = std::mem::take(&mut first.code);
    let both = [word("a1"), word("a2"), "Dank u wel.".to_owned(), "Nog niet af.".to_owned(), "groot.txt".to_owned()];
    let expected = json!({
        "now": site.clock.now().millis(),
        "cookie": cookie,
        "messages": [
            mail(&first.path, &code_of_first, &both, false),
            mail(&second.path, &code_of_first, &both, false),
            mail(&strict_first.path, &code, &[word("s1"), word("s2")], false),
            mail(&strict_second.path, &code, &[word("s2")], false),
            mail(&sms.path, &sms.code, &[word("t1")], true),
        ],
        "withdrawn": withdrawn,
        "jobs": jobs(&site).await,
    });
    let token = LinkToken::parse(first.path.strip_prefix("/b/").unwrap()).unwrap();
    assert!(site.store.grant(&token).await.unwrap().is_some());
    fs::write(fixture.join("expected.json"), serde_json::to_string_pretty(&expected).unwrap() + "\n").unwrap();
}
