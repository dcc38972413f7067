//! Strict mode from a mail server to a reader, and what a thief of everything on the machine gets.

use std::fs;
use std::sync::Arc;

use zegel::base::{OsEntropy, SystemClock};
use zegel::seal::keyring::RootKeyring;
use zegel::seal::token::LinkToken;
use zegel::store::{Settings, Store};

use crate::support::browser::Browser;
use crate::support::client;
use crate::support::gateway::Site;
use crate::support::reader::{ANNA, code_for, letter, links_for, read, strict_code_for};
use crate::support::sink::Sink;
use crate::support::until;

/// To whom mail is strict.
pub const DOCTOR: &str = "dokter@arts.example";
const JAN: &str = "jan@example.nl";
const CANARY: &str = "kanarie-9Wq4";
const SUBJECT: &str = "Uitslag-5Tz8";
/// A rule that seals what goes to arts.example in strict mode.
pub const STRICT: &str = "[[rule]]\nname = \"artsen\"\nto = [\"arts.example\"]\naction = \"seal\"\nmode = \"strict\"\n";

/// The key of a message's content, as far as root key and data folder give it.
fn content_key(site: &Site, link: &str) -> bool {
    let keyring = RootKeyring::parse(&fs::read_to_string(site.path("root.keys")).unwrap()).unwrap();
    let settings = Settings { folder: site.path("data"), min_free: 0 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (store, _) = Store::open(settings, keyring, Arc::new(SystemClock), Arc::new(OsEntropy)).await.unwrap();
        let token = LinkToken::parse(link.strip_prefix("/b/").unwrap()).unwrap();
        let grant = store.grant(&token).await.unwrap().expect("the link is known").grant;
        let key = store.content_key(grant.conversation, grant.message).await.unwrap();
        store.close().await;
        key.is_some()
    })
}

#[test]
fn a_strict_mail_is_read_with_link_and_code_and_by_no_thief_of_folder_and_root_key() {
    let sink = Sink::start();
    let site = Site::new(sink.address, STRICT);
    let gateway = site.start();
    for (name, to, subject) in [("streng", DOCTOR, SUBJECT.to_owned()), ("gewoon", JAN, format!("[veilig] {SUBJECT}"))]
    {
        let (_, reply) = client::send(gateway.smtp, ANNA, &[to], &letter(name, &subject, CANARY));
        assert_eq!(reply.code, 250, "{reply:?}");
    }
    let (strict, assisted) = (links_for(&sink, DOCTOR, 1).remove(0), links_for(&sink, JAN, 1).remove(0));
    let code = strict_code_for(&sink, ANNA, DOCTOR);
    assert!(read(gateway.page, &assisted, &code_for(&sink, ANNA, JAN)).contains(CANARY));

    // Neither opens alone: a wrong code, and the code behind another link.
    let refused = Browser::new(gateway.page, "198.51.100.7").unlock(&strict, "0000 0000 0000 0000");
    assert_eq!(refused.status, 403, "{}", refused.text());
    let elsewhere = Browser::new(gateway.page, "198.51.100.8").unlock(&assisted, &code);
    assert_eq!(elsewhere.status, 403, "{}", elsewhere.text());
    assert!(read(gateway.page, &strict, &code).contains(CANARY));

    until("everything is sent", || site.ask(&["queue", "list"])["jobs"].as_array().unwrap().is_empty().then_some(()));
    assert!(gateway.stop().success());
    // The thief even has the address of the page, but no code.
    assert!(!content_key(&site, &strict), "root key and folder open a strict mail");
    assert!(content_key(&site, &assisted), "and so they do an assisted one: what this test would see");

    // It is still there for who has both.
    let gateway = site.start();
    assert!(read(gateway.page, &strict, &code).contains(CANARY));
    assert!(gateway.stop().success());
}
