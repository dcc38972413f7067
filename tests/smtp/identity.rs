//! Who a client is: a login, a certificate, a proxy that speaks for it.

use std::io::Write;
use std::path::PathBuf;

use data_encoding::BASE64;
use rcgen::{BasicConstraints, CertificateParams, CertifiedKey, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use zegel::receive::{Clients, Kind};

use crate::gateway::{Client, Gateway, Shown, USER, settings};
use crate::next_hop::FakeHop;

/// An authority that signs certificates of clients.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn sign(&self, name: &str) -> Shown {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (vec![CertificateDer::from(certificate.der().to_vec())], key)
    }

    fn file(&self, folder: &tempfile::TempDir) -> PathBuf {
        let path = folder.path().join("clients.pem");
        std::fs::File::create(&path).unwrap().write_all(self.certificate.as_bytes()).unwrap();
        path
    }
}

async fn over_tls(
    gateway: &Gateway,
    shown: Option<Shown>,
) -> std::io::Result<Client<tokio_rustls::client::TlsStream<TcpStream>>> {
    let mut client = gateway.connect().await;
    client.exchange(&[("", "220"), ("EHLO client.example", "250"), ("STARTTLS", "220")]).await;
    client.secure_as(&gateway.certificate, shown).await
}

#[tokio::test]
async fn a_certificate_in_an_allowed_name_is_an_identity() {
    let hop = FakeHop::polite().await;
    let (ours, theirs) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let clients = Clients::read(&ours.file(&folder), &["scanner.voorbeeld.example".parse().unwrap()]).unwrap();
    for kind in [Kind::Submission, Kind::Relay] {
        let mut settings = settings();
        settings.listeners[0].kind = kind;
        settings.listeners[0].clients = Some(clients.clone());
        let gateway = Gateway::start(settings, &hop, true).await;
        let cases = [
            (Some(ours.sign("scanner.voorbeeld.example")), "250 2"),
            (Some(ours.sign("printer.voorbeeld.example")), "530 5.7.0"),
            (None, "530 5.7.0"),
        ];
        for (shown, expected) in cases {
            let mut client = over_tls(&gateway, shown).await.unwrap();
            client.exchange(&[("EHLO client.example", "250"), ("MAIL FROM:<a@b.example>", expected)]).await;
        }
        let foreign = over_tls(&gateway, Some(theirs.sign("scanner.voorbeeld.example"))).await;
        // With TLS 1.3 the client believes in its handshake until it reads.
        if let Ok(mut client) = foreign {
            client.send(b"EHLO client.example\r\n").await;
            assert_eq!(client.line().await, None);
        }
        let mut plain = gateway.connect().await;
        plain.exchange(&[("", "220"), ("EHLO a", "250"), ("MAIL FROM:<a@b.example>", "530")]).await;
    }
}

#[test]
fn what_is_no_authority_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.pem");
    let name = ["scanner.voorbeeld.example".parse().unwrap()];
    assert!(Clients::read(&file, &name).is_err());
    for text in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&file, text).unwrap();
        assert!(Clients::read(&file, &name).is_err(), "{text}");
    }
    let CertifiedKey { cert, .. } = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    std::fs::write(&file, cert.pem()).unwrap();
    assert!(Clients::read(&file, &name).is_ok());
}

#[tokio::test]
async fn a_login_stands_in_the_trace_and_its_name_in_no_line() {
    let (log, guard) = crate::listeners::log();
    let hop = FakeHop::polite().await;
    let mut settings = settings();
    settings.listeners[0].kind = Kind::Submission;
    let gateway = Gateway::start(settings, &hop, true).await;
    let mut client = over_tls(&gateway, None).await.unwrap();
    let response = |password: &str| BASE64.encode(format!("\0{}\0{password}", USER.0).as_bytes());
    client.exchange(&[("EHLO client.example", "250"), ("AUTH PLAIN", "334"), (&response("wrongcanary"), "535")]).await;
    client.exchange(&[(&format!("AUTH PLAIN {}", response(USER.1)), "235")]).await;
    client.exchange(&[("MAIL FROM:<a@b.example>", "250"), ("RCPT TO:<c@d.example>", "250"), ("DATA", "354")]).await;
    client.exchange(&[("From: a@b.example\r\n\r\ntext\r\n.", "250"), ("QUIT", "221")]).await;
    assert_eq!(client.line().await, None);
    drop(guard);
    assert!(String::from_utf8_lossy(&hop.taken()[0].body).contains("with ESMTPSA"));
    let text = log.text();
    assert!(text.contains("login refused"), "{text}");
    for secret in ["jan", "secret password", "canary", &response(USER.1), &response("wrongcanary")] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

async fn behind_proxy(sent: &[u8]) -> (Option<String>, Client<TcpStream>, FakeHop, Gateway) {
    let hop = FakeHop::polite().await;
    let mut settings = settings();
    settings.listeners[0].networks = vec!["192.0.2.0/24".parse().unwrap()];
    settings.listeners[0].proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let gateway = Gateway::start(settings, &hop, false).await;
    let mut client = gateway.connect().await;
    client.send(sent).await;
    let line = client.line().await;
    (line, client, hop, gateway)
}

#[tokio::test]
async fn a_proxy_says_whom_it_speaks_for_before_anything_else() {
    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x04\xd2\x00\x19";
    let cases: [(&[u8], Option<&str>); 7] = [
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 1234 25\r\n", Some("220 ")),
        (V2, Some("220 ")),
        (b"PROXY TCP4 198.51.100.7 127.0.0.1 1234 25\r\n", Some("554 ")),
        // Who speaks for itself is judged by its own address.
        (b"PROXY UNKNOWN\r\n", Some("554 ")),
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 1234 25\r\nEHLO client.example\r\n", Some("554 5.5.0")),
        (b"EHLO client.example\r\n", None),
        (b"PROXY TCP4 192.0.2.7 127.0.0.1 x 25\r\n", None),
    ];
    for (sent, expected) in cases {
        let (line, ..) = behind_proxy(sent).await;
        let fits = match expected {
            Some(begin) => line.as_ref().is_some_and(|line| line.starts_with(begin)),
            None => line.is_none(),
        };
        assert!(fits, "{}: {line:?}", String::from_utf8_lossy(sent));
    }
    let (_, mut client, hop, _gateway) = behind_proxy(V2).await;
    client.exchange(&[("EHLO a", "250"), ("MAIL FROM:<a@b.example>", "250"), ("RCPT TO:<c@d.example>", "250")]).await;
    client.exchange(&[("DATA", "354"), ("Subject: x\r\n\r\ntext\r\n.", "250")]).await;
    assert!(String::from_utf8_lossy(&hop.taken()[0].body).contains("([192.0.2.7])"), "the trace names the client");
}

#[tokio::test]
async fn a_proxy_header_from_anybody_else_is_no_command() {
    let hop = FakeHop::polite().await;
    let gateway = Gateway::start(settings(), &hop, false).await;
    let mut client = gateway.connect().await;
    client.exchange(&[("", "220"), ("PROXY TCP4 192.0.2.7 127.0.0.1 1234 25", "500"), ("QUIT", "221")]).await;
}
