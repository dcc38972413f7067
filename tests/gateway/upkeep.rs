//! Check, backup and restore as an operator does them: with the commands, at a gateway that runs and on a bare folder.

use std::fs;

use serde_json::Value;

use crate::support::client;
use crate::support::gateway::Site;
use crate::support::sink::Sink;

fn mail(subject: &str) -> String {
    format!(
        "From: Anna Jansen <anna@voorbeeld.example>\r\nTo: Jan <jan@example.nl>\r\nMessage-ID: <{subject}@voorbeeld.example>\r\n\
         Subject: [veilig] {subject}\r\n\r\nDag Jan, over {subject}.\r\n"
    )
}

/// The ids of all messages to the recipient of these tests.
fn messages(site: &Site) -> Vec<String> {
    let found = site.ask(&["message", "find", "jan@example.nl"]);
    found["messages"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

fn check(site: &Site) -> Value {
    site.ask(&["store", "check"])["done"]["report"].clone()
}

#[test]
fn a_gateway_is_backed_up_lost_and_put_back() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "[retention]\nledger = \"erased.ledger\"\n");
    let gateway = site.start();
    for subject in ["een", "twee"] {
        let (_, reply) =
            client::send(gateway.smtp, "anna@voorbeeld.example", &["jan@example.nl"], mail(subject).as_bytes());
        assert_eq!(reply.code, 250, "{reply:?}");
    }
    let [taken_back, kept] = messages(&site).try_into().unwrap();
    let report = check(&site);
    assert_eq!((report["counts"].as_object().unwrap().len(), report["bodies"].as_u64()), (0, Some(2)), "{report}");
    assert_eq!(site.ask(&["store", "check", "--last"])["done"]["report"], report);
    let done = site.ask(&["store", "backup", "backup"])["done"].clone();
    assert_eq!(
        (done["work"].as_str(), done["unreadable"].as_array().map(Vec::len)),
        (Some("backed-up"), Some(0)),
        "{done}"
    );
    assert!(site.command(&["store", "backup", "data/inside", "--config", "zegel.toml"]).status.code() == Some(1));
    let errors = |log: String| log.lines().filter(|line| line.contains("ERROR")).count();
    let before = errors(gateway.log());
    assert_eq!(site.ask(&["store", "rebuild"])["done"]["work"], "rebuilt");
    assert_eq!(errors(gateway.log()), before, "what was asked for is no error: {}", gateway.log());
    site.ask(&["message", "recall", &taken_back]);
    let done = site.ask(&["store", "compact"])["done"].clone();
    assert_eq!(done["work"], "compacted", "{done}");
    assert!(["segments", "moved", "freed"].iter().all(|figure| done[figure].is_u64()), "{done}");
    assert!(gateway.stop().success());
    // Without the daemon: the start closed the segment in which the recall left its deletions.
    let done = site.ask(&["store", "compact"])["done"].clone();
    assert!(done["segments"].as_u64() > Some(0) && done["freed"].as_u64() > Some(0), "{done}");

    // The machine is lost; what stands elsewhere is the backup, the root key and the erasure ledger.
    fs::remove_dir_all(site.path("data")).unwrap();
    let restored = site.command(&["store", "restore", "backup", "--into", "data"]);
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let again = site.command(&["store", "restore", "backup", "--into", "data"]);
    assert_eq!(again.status.code(), Some(1), "over nothing that is there");
    let before = sink.mails().len();
    let gateway = site.start();
    let log = gateway.log();
    assert!(log.contains("the queue is held") && log.contains("erased again"), "{log}");
    assert_eq!(messages(&site), [kept], "what was taken back since stays gone");
    let report = check(&site);
    assert_eq!(report["counts"].as_object().unwrap().len(), 0, "{report}");
    assert!(site.ask(&["queue", "list"])["held"].as_str().unwrap().contains("backup"));
    let (_, reply) =
        client::send(gateway.smtp, "anna@voorbeeld.example", &["piet@example.nl"], mail("drie").as_bytes());
    assert_eq!(reply.code, 250, "mail is taken meanwhile");
    assert!(site.ask(&["queue", "list"])["jobs"].as_array().unwrap().len() >= 2);
    assert_eq!(sink.mails().len(), before, "and nothing leaves");
    assert_eq!(site.ask(&["queue", "release"])["changed"], true);
    sink.wait_for("the notice", |mail| mail.is_for("piet@example.nl"));
    assert!(gateway.stop().success());
    let report = check(&site);
    assert_eq!(report["complete"], true, "on the folder itself: {report}");
}
