//! What an outside scanner (sslyze) finds at every door that speaks TLS, graded as internet.nl counts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::gateway::Site;
use crate::support::sink::Sink;
use crate::support::tls::make_pair;
use crate::support::until;

const NAME: &str = "zegel.voorbeeld.example";

/// The faults that it finds, a line each.
fn scan(at: SocketAddr, kind: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/sslyze/bin/python");
    assert!(python.exists(), "tests/setup makes {}", python.display());
    let script = root.join("tests/gateway/scan.py");
    let output = Command::new(python).arg(script).args([&at.port().to_string(), NAME, kind]).output().unwrap();
    let faults = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert_eq!(output.status.success(), faults.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    faults
}

#[test]
fn a_scanner_finds_only_good_tls_at_every_door() {
    let sink = Sink::start();
    let implicit = "[[listener]]\nname = \"secure\"\naddress = \"127.0.0.1:0\"\nnetworks = [\"127.0.0.0/8\"]\ntls = \"implicit\"\n";
    let site = Site::new(sink.address, implicit);
    site.change("trusted_proxies = [\"127.0.0.1\"]", "certificate = \"tls.pem\", key = \"tls.key\"");
    site.change("bounce_domain =", "certificate = \"tls.pem\", key = \"tls.key\", bounce_domain =");
    make_pair(site.folder(), "tls", NAME);
    let gateway = site.start();
    for (at, kind) in [(gateway.smtp, "starttls"), (gateway.others[0], "tls"), (gateway.page, "https")] {
        assert_eq!(scan(at, kind), "", "{kind}");
    }
    assert!(gateway.stop().success());
}

/// That the scan can find faults.
#[test]
fn a_scanner_finds_the_faults_of_a_lax_server() {
    let folder = tempfile::tempdir().unwrap();
    make_pair(folder.path(), "tls", NAME);
    let at = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut server = Command::new("openssl")
        .args(["s_server", "-quiet", "-www", "-cipher", "ALL:@SECLEVEL=0", "-key", "tls.key", "-cert", "tls.pem"])
        .args(["-accept", &at.to_string()])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the lax server listens", || std::net::TcpStream::connect(at).ok());
    let faults = scan(at, "https");
    server.kill().unwrap();
    server.wait().unwrap();
    for fault in ["speaks tls_1_0", "speaks tls_1_1", "CBC_SHA, which is not good"] {
        assert!(faults.contains(fault), "{fault} is not among: {faults}");
    }
}
