//! TLS of the page and of SMTP: verified, with every security header, and with certificates that change while they are in use.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use rustix::process::Signal;
use rustls::pki_types::CertificateDer;

use crate::support::client;
use crate::support::gateway::{Gateway, Site};
use crate::support::reader::{ANNA, letter, links_for};
use crate::support::sink::Sink;
use crate::support::tls::{exchange, make_pair, secure, shown, starttls};
use crate::support::until;

const PAGE: &str = "veilig.voorbeeld.example";
const MAIL: &str = "zegel.voorbeeld.example";

/// A site that serves page and mail with TLS of its own; the certificates of both.
fn secured(sink: &Sink) -> (Site, CertificateDer<'static>, CertificateDer<'static>) {
    let site = Site::new(sink.address, "");
    site.change("trusted_proxies = [\"127.0.0.1\"]", "certificate = \"page.pem\", key = \"page.key\"");
    site.change("bounce_domain =", "certificate = \"smtp.pem\", key = \"smtp.key\", bounce_domain =");
    let (page, mail) = (make_pair(site.folder(), "page", PAGE), make_pair(site.folder(), "smtp", MAIL));
    (site, page, mail)
}

fn page_certificate(gateway: &Gateway, trusted: &[CertificateDer<'static>]) -> CertificateDer<'static> {
    shown(&secure(TcpStream::connect(gateway.page).unwrap(), PAGE, trusted).unwrap())
}

fn mail_certificate(gateway: &Gateway, trusted: &[CertificateDer<'static>]) -> CertificateDer<'static> {
    shown(&starttls(gateway.smtp, MAIL, trusted).unwrap())
}

#[test]
fn the_page_over_tls_has_every_security_header() {
    let sink = Sink::start();
    let (site, page, mail) = secured(&sink);
    let gateway = site.start();
    let trusted = [page, mail];
    client::send(gateway.smtp, ANNA, &["jan@example.nl"], &letter("a", "[veilig] a", "x"));
    let link = links_for(&sink, "jan@example.nl", 1).remove(0);
    let paths = ["/", &link, "/bericht", "/stijl.css", "/robots.txt", "/nergens", "/b/geen-link"];
    for path in paths {
        let stream = secure(TcpStream::connect(gateway.page).unwrap(), PAGE, &trusted).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {PAGE}\r\nConnection: close\r\n\r\n");
        let answer = exchange(stream, &request).unwrap();
        let head = answer.split("\r\n\r\n").next().unwrap().to_ascii_lowercase();
        let headers = [
            "strict-transport-security: max-age=63072000; includesubdomains",
            "content-security-policy: default-src 'none'",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "referrer-policy: same-origin",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "permissions-policy: ",
            "x-robots-tag: noindex",
            "cache-control: ",
        ];
        for header in headers {
            assert!(head.contains(header), "{path}: no {header} in {head}");
        }
        assert!(!head.contains("\r\nserver:"), "{head}");
    }
    // In clear, the page says nothing.
    let clear = TcpStream::connect(gateway.page).unwrap();
    clear.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let answer = exchange(clear, &format!("GET {link} HTTP/1.1\r\nHost: {PAGE}\r\n\r\n")).unwrap_or_default();
    assert!(!answer.contains("HTTP/"), "{answer}");
    assert!(gateway.stop().success());
}

#[test]
fn plain_http_is_sent_to_our_origin_whatever_it_calls_us() {
    let sink = Sink::start();
    let (site, ..) = secured(&sink);
    let redirect = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    site.change("certificate = \"page.pem\"", &format!("redirect = [\"{redirect}\"], certificate = \"page.pem\""));
    let gateway = site.start();
    let cases = [
        ("GET /b/abc?x=1 HTTP/1.1\r\nHost: evil.example\r\n", "/b/abc?x=1"),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n", "/"),
        ("POST /b/abc HTTP/1.1\r\nHost: veilig.voorbeeld.example\r\nContent-Length: 0\r\n", "/b/abc"),
        ("GET http://evil.example/x HTTP/1.1\r\nHost: evil.example\r\n", "/x"),
        ("GET //evil.example/x HTTP/1.1\r\nHost: evil.example\r\n", "//evil.example/x"),
        ("GET /@evil.example HTTP/1.1\r\nHost: evil.example:8080\r\n", "/@evil.example"),
    ];
    for (request, path) in cases {
        let stream = TcpStream::connect(redirect).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let answer = exchange(stream, &format!("{request}Connection: close\r\n\r\n")).unwrap();
        assert!(answer.starts_with("HTTP/1.1 308 ") || answer.starts_with("HTTP/1.1 301 "), "{request}: {answer}");
        let location = format!("location: https://{PAGE}{path}\r\n");
        assert!(answer.to_ascii_lowercase().contains(&location), "{request}: {answer}");
    }
    // What is no request gets no redirect.
    for bad in [
        "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
        "rubbish\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a@evil.example\r\n\r\n",
    ] {
        let stream = TcpStream::connect(redirect).unwrap();
        let answer = exchange(stream, bad).unwrap_or_default();
        assert!(!answer.to_ascii_lowercase().contains("\r\nlocation:"), "{bad}: {answer}");
    }
    assert!(gateway.stop().success());
}

#[test]
fn new_certificates_are_served_when_the_files_change() {
    let sink = Sink::start();
    let (site, page, mail) = secured(&sink);
    let gateway = site.start();
    let old = [page, mail];
    assert_eq!(page_certificate(&gateway, &old), old[0]);
    assert_eq!(mail_certificate(&gateway, &old), old[1]);
    let (mut page_open, mut mail_open) = (
        secure(TcpStream::connect(gateway.page).unwrap(), PAGE, &old).unwrap(),
        starttls(gateway.smtp, MAIL, &old).unwrap(),
    );
    let all = [&old[..], &[make_pair(site.folder(), "page", PAGE), make_pair(site.folder(), "smtp", MAIL)]].concat();
    until("the page shows its new certificate", || (page_certificate(&gateway, &all) == all[2]).then_some(()));
    until("mail shows its new certificate", || (mail_certificate(&gateway, &all) == all[3]).then_some(()));
    // Connections under the old ones go on.
    mail_open.write_all(b"EHLO client.voorbeeld.example\r\n").unwrap();
    let mut answer = [0; 4];
    mail_open.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"250-");
    let request = format!("GET / HTTP/1.1\r\nHost: {PAGE}\r\nConnection: close\r\n\r\n");
    assert!(exchange(&mut page_open, &request).unwrap().starts_with("HTTP/1.1 "));
    assert!(gateway.stop().success());
}

#[test]
fn a_hang_up_signal_reads_them_at_once_and_keeps_the_old_when_they_are_spoilt() {
    let sink = Sink::start();
    let (site, page, mail) = secured(&sink);
    let gateway = site.start();
    let old = [page, mail];
    // The files are looked at every 15 seconds: what comes within five is the signal's work.
    let soon = |what: &str, done: &dyn Fn() -> bool| {
        let within = (0..100).any(|_| {
            done() || {
                std::thread::sleep(Duration::from_millis(50));
                false
            }
        });
        assert!(within, "not within five seconds: {what}\n{}", gateway.log());
    };
    let new = make_pair(site.folder(), "page", PAGE);
    gateway.signal(Signal::HUP);
    let all = [&old[..], std::slice::from_ref(&new)].concat();
    soon("the new certificate", &|| page_certificate(&gateway, &all) == new);
    fs::write(site.path("page.pem"), "rubbish").unwrap();
    fs::write(site.path("smtp.key"), "rubbish").unwrap();
    gateway.signal(Signal::HUP);
    soon("word of both", &|| gateway.log().matches("the certificate on disk is not usable").count() >= 2);
    assert_eq!(page_certificate(&gateway, &all), new);
    assert_eq!(mail_certificate(&gateway, &old), old[1]);
    assert!(gateway.stop().success());
    let Err(log) = site.try_start(&[]) else { panic!("it serves with a spoilt certificate") };
    assert!(log.contains("page.pem") || log.contains("smtp.key"), "{log}");
}
