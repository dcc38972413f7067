//! Data folders of every release, opened for ever: each message with its link and code, on the page.
//!
//! `tests/vectors/folder-VERSION` holds a data folder as a kill would leave it (without its index, which is made again), its
//! root keyring, and what must come out. A released one never changes. A release that changes a format adds one:
//! `cargo test --test web -- --ignored a_folder_of_this_release`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zegel::access::Network;
use zegel::base::{Clock, JobId, ManualClock, SecretBytes, SeededEntropy, Timestamp};
use zegel::intake::Recipient;
use zegel::mail::header::HeaderBlock;
use zegel::policy::{Identity, Level, Mode, Terms};
use zegel::seal::code::{AccessCode, Cost, Verifier};
use zegel::seal::hashers::Memory;
use zegel::seal::keyring::RootKeyring;
use zegel::seal::token::LinkToken;
use zegel::store::codes::KeptCode;
use zegel::store::intake::NewJob;
use zegel::store::jobs::JobEnd;
use zegel::store::records::{Job, JobKind, JobSecret};
use zegel::store::{OpenReport, Settings, Store};

use crate::site::{Link, Site, settings, site_over};

/// 2026-11-21, 10:04 in Amsterdam.
pub const THEN: Timestamp = Timestamp::from_secs(1_795_251_840);

pub fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// A site over a data folder. Each opening needs a seed of its own: randomness does not come twice.
pub async fn open(folder: &Path, keyring: &str, now: Timestamp, seed: u64) -> (Site, OpenReport) {
    let (clock, entropy) = (Arc::new(ManualClock::new(now)), Arc::new(SeededEntropy::new(seed)));
    let place = Settings { folder: folder.to_owned(), min_free: 0 };
    let keyring = RootKeyring::parse(keyring).unwrap();
    let (store, report) = Store::open(place, keyring, clock.clone(), entropy.clone()).await.unwrap();
    (site_over(store, settings(), Cost::default(), (clock, entropy)), report)
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            let _ = fs::copy(&path, &target).unwrap();
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

/// Everything that the fixture says must come out, does.
async fn reads(site: &Site, expected: &Value) {
    for message in expected["messages"].as_array().unwrap() {
        let text = |name: &str| message[name].as_str().unwrap().to_owned();
        let link = Link { path: text("link"), code: text("code") };
        let cookie = site.unlock(&link).await;
        let page = site.read("/bericht", &cookie).await;
        assert_eq!(page.status, StatusCode::OK, "{message}");
        assert!(page.text().contains(&text("shows")), "{message}");
        let whole = site.read("/bericht/origineel.eml", &cookie).await;
        assert_eq!((whole.status, sha256(&whole.body)), (StatusCode::OK, text("sha256")), "{message}");
    }
    assert_eq!(jobs(site).await, expected["jobs"]);
}

/// Opens the folder of a release, looks, stops cleanly, opens it once more as its own, and looks again.
async fn opens(release: &str) {
    let fixture = vectors().join(format!("folder-{release}"));
    let expected: Value = serde_json::from_slice(&fs::read(fixture.join("expected.json")).unwrap()).unwrap();
    let keyring = fs::read_to_string(fixture.join("root.keys")).unwrap();
    let now = Timestamp(expected["now"].as_u64().unwrap());
    let live = tempfile::tempdir().unwrap();
    copy(&fixture.join("data"), live.path());

    let (site, report) = open(live.path(), &keyring, now, 100).await;
    assert_eq!((report.quarantined.len(), report.cut, report.dropped), (0, 0, 1), "{report:?}");
    assert!(report.rebuilt.is_some(), "the fixture has no index");
    let cookie = expected["cookie"].as_str().unwrap();
    assert_eq!(site.read("/bericht", cookie).await.status, StatusCode::OK, "a session outlives the upgrade");
    reads(&site, &expected).await;
    // What is new goes beside what is old: the contact of before, and its code.
    let mut link = site.seal_text("jan@else.example", "Na de upgrade").await;
    link.code = expected["messages"][0]["code"].as_str().unwrap().to_owned();
    let cookie = site.unlock(&link).await;
    assert!(site.read("/bericht", &cookie).await.text().contains("Na de upgrade"));
    site.store.close().await;
    drop(site);

    let (site, report) = open(live.path(), &keyring, now + Duration::from_mins(1), 101).await;
    assert_eq!((report.rebuilt, report.dropped, report.cut), (None, 0, 0));
    let mut later = expected;
    later["jobs"] = jobs(&site).await;
    reads(&site, &later).await;
}

pub async fn jobs(site: &Site) -> Value {
    let row = |(_, job): &(JobId, Job)| json!({ "kind": job.kind.name(), "due": job.due.millis(), "last": job.last });
    site.store.jobs(100).await.unwrap().iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_0_1_0_opens() {
    opens("0.1.0").await;
}

const HEADER: &str = "From: Anna Jansen <a.jansen@zorg.example>\r\nTo: Ontvanger <x@else.example>\r\n\
    Subject: [veilig] Uitslag\r\nMIME-Version: 1.0\r\n";

/// Three kinds of mail: a short text, one with a large attachment (its body is a file), one in HTML.
fn mails() -> [(&'static str, String, &'static str); 3] {
    let lines: String =
        (0..2000).fold(String::new(), |text, n| text + &format!("regel {n} van een lang verslag over niets\r\n"));
    [
        (
            "jan@else.example",
            format!(
                "{HEADER}Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nHet is góéd.\r\n"
            ),
            "Het is góéd.",
        ),
        (
            "jan@else.example",
            format!(
                "{HEADER}Content-Type: multipart/mixed; boundary=grens\r\n\r\n--grens\r\nContent-Type: text/plain\r\n\r\nZie de bijlage.\r\n--grens\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=verslag.txt\r\n\r\n{lines}--grens--\r\n"
            ),
            "verslag.txt",
        ),
        (
            "piet@else.example",
            format!(
                "{HEADER}Content-Type: multipart/alternative; boundary=grens\r\n\r\n--grens\r\nContent-Type: text/plain\r\n\r\nIn platte tekst.\r\n--grens\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>In <b>opmaak</b>.</p>\r\n--grens--\r\n"
            ),
            "Uitslag",
        ),
    ]
}

/// What the page gives as the original: without the subject tag.
fn stored(mail: &str) -> String {
    mail.replace("[veilig] ", "")
}

async fn seal(site: &Site, to: &str, mail: &str) -> zegel::intake::Sealing {
    let address: zegel::mail::Address = "a.jansen@zorg.example".parse().unwrap();
    let identity = Identity { address: address.clone(), name: "Anna Jansen".to_owned(), mailbox: address };
    let (header, body) = mail.split_once("\r\n\r\n").unwrap();
    let header = format!("{header}\r\n");
    let block = HeaderBlock::new(header.as_bytes());
    let tags = ["veilig".to_owned()];
    let terms = Terms {
        reason: "subject tag".to_owned(),
        expires: Duration::from_hours(90 * 24),
        mode: Mode::Assisted,
        proof: None,
        level: Level::Code,
    };
    let recipient = Recipient { address: to.parse().unwrap(), terms };
    let mut sealing =
        site.intake.begin(identity, block.facts(&tags), vec![recipient], &block.stored(&tags)).await.unwrap();
    sealing.write(b"\r\n").await.unwrap();
    sealing.write(body.as_bytes()).await.unwrap();
    sealing
}

/// The link and code that leased jobs bring; the jobs stay leased.
pub async fn link(site: &Site) -> (Link, Vec<(JobId, JobKind)>) {
    let (mut link, mut jobs) = (Link { path: String::new(), code: String::new() }, Vec::new());
    for job in site.store.lease_due(site.clock.now(), 100).await.unwrap() {
        // A code by mail has none.
        if let Some(secret) = &job.secret {
            if let Some(token) = &secret.token {
                let token = LinkToken::from_secret(SecretBytes::new(token.clone().try_into().unwrap()));
                link.path = format!("/b/{}", token.to_text().expose_secret());
            }
            link.code.push_str(secret.code.as_deref().unwrap_or_default());
        }
        jobs.push((job.id, job.job.kind));
    }
    (link, jobs)
}

/// Gives the recipient of a link another code, as `zegel contact new-code` does.
async fn new_code(site: &Site, link: &mut Link, entropy: &SeededEntropy) {
    let token = LinkToken::parse(link.path.strip_prefix("/b/").unwrap()).unwrap();
    let contact = site.store.grant(&token).await.unwrap().unwrap().grant.contact;
    let code = AccessCode::generate(entropy);
    let pepper = &site.store.keys().pepper;
    let verifier = Verifier::new(&code, pepper, Cost::default(), entropy, &mut Memory::default()).unwrap();
    let secret = JobSecret::code(code.expose().to_owned());
    let mail = NewJob {
        id: JobId::random(entropy),
        kind: JobKind::Code { contact },
        secret: Some(secret),
        due: site.clock.now(),
    };
    assert!(site.store.replace_code(contact, KeptCode::Verifier(verifier), mail).await.unwrap());
    code.expose().clone_into(&mut link.code);
}

/// Makes the fixture of a release: run it on the release's own code, keep the folder, never make it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes a fixture, once per release"]
async fn a_folder_of_this_release() {
    let fixture = vectors().join(format!("folder-{}", env!("CARGO_PKG_VERSION")));
    fs::create_dir(&fixture).expect("a fixture that exists is not made again");
    let entropy = SeededEntropy::new(7);
    let keyring = RootKeyring::generate(&entropy).to_text().expose_secret().to_owned();
    fs::write(fixture.join("root.keys"), &keyring).unwrap();
    let live = tempfile::tempdir().unwrap();

    let (site, _) = open(live.path(), &keyring, THEN, 8).await;
    let (mut messages, mut links) = (Vec::new(), Vec::new());
    for (at, (to, mail, shows)) in mails().into_iter().enumerate() {
        seal(&site, to, &mail).await.take().await.unwrap();
        let (mut link, jobs) = link(&site).await;
        for (id, kind) in jobs {
            let again = site.clock.now() + Duration::from_hours(1);
            let instead = match kind {
                JobKind::Notice { grant } => JobKind::Undeliverable { grant, answer: "550 5.1.1 onbekend".to_owned() },
                other => other,
            };
            let instead = NewJob { id: JobId::random(&entropy), kind: instead, secret: None, due: again };
            let end = match at {
                0 => JobEnd::Done,
                1 => JobEnd::Retry(again, "450 4.2.0 later".to_owned()),
                _ => JobEnd::GiveUp("550 5.1.1 onbekend".to_owned(), Some(instead)),
            };
            site.store.finish_job(id, end).await.unwrap();
        }
        if link.code.is_empty() {
            link.code = links.first().map(|first: &Link| first.code.clone()).unwrap();
        }
        links.push(link);
        messages.push((sha256(stored(&mail).as_bytes()), shows));
    }
    let cookie = site.unlock(&links[0]).await;
    let wrong = site.try_code(&links[2], "00000000").await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    site.store.close().await;
    let now = site.clock.now();
    drop(site);

    // A second run: the first one's segment is closed, this one's stays open.
    let (site, _) = open(live.path(), &keyring, now, 9).await;
    new_code(&site, &mut links[2], &entropy).await;
    let token = LinkToken::parse(links[2].path.strip_prefix("/b/").unwrap()).unwrap();
    let view = site.store.grant(&token).await.unwrap().unwrap();
    let network = Network::of([203, 0, 113, 9].into());
    site.store.count_try(&view, network, &zegel::access::Limits::default()).await.unwrap();
    let prepared = seal(&site, "nooit@else.example", &mails()[0].1).await.prepare().await.unwrap();
    assert!(prepared.is_some());
    copy(live.path(), &fixture.join("data"));
    for name in ["index", "index.state", "lock", "reserve"] {
        let path = fixture.join("data").join(name);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { drop(fs::remove_file(path)) }
    }
    let messages: Vec<Value> = links
        .iter()
        .zip(messages)
        .map(
            |(link, (sha256, shows))| json!({ "link": link.path, "code": link.code, "sha256": sha256, "shows": shows }),
        )
        .collect();
    let expected =
        json!({ "now": site.clock.now().millis(), "cookie": cookie, "messages": messages, "jobs": jobs(&site).await });
    fs::write(fixture.join("expected.json"), serde_json::to_string_pretty(&expected).unwrap() + "\n").unwrap();
}
