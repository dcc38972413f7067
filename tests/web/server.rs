//! The listeners over real sockets: TLS and its renewal, the redirect, rubbish, panics, and an orderly stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zegel::web::{Settings, TlsConfig, bind};

use crate::site::{ORIGIN, settings, site};

struct Server {
    page: SocketAddr,
    redirect: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn serve(router: Router, tls: TlsConfig) -> Server {
    let settings = Arc::new(settings());
    let bound = bind(&settings).await.unwrap();
    let (page, redirect) = (bound.addresses()[0], bound.redirects()[0]);
    let stop = CancellationToken::new();
    let task = tokio::spawn(bound.serve(settings, router, tls, zegel::base::Pulse::default(), stop.clone()));
    Server { page, redirect, stop, task }
}

/// Sends bytes and reads until the server closes.
async fn say(to: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn certificate(name: &str) -> (Arc<rustls::ServerConfig>, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let der = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    (Arc::new(config.with_no_client_auth().with_single_cert(vec![der.clone()], key).unwrap()), der)
}

async fn over_tls(to: SocketAddr, name: &str, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let connector =
        tokio_rustls::TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    let stream = TcpStream::connect(to).await?;
    let mut stream = connector.connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn a_new_certificate_counts_from_the_next_connection() {
    let tls = TlsConfig::default();
    let (first, first_der) = certificate("veilig.voorbeeld.nl");
    tls.store(Some(first));
    let server = serve(site().router, tls.clone()).await;
    let answer = over_tls(server.page, "veilig.voorbeeld.nl", &first_der).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("strict-transport-security"), "{answer}");
    let (second, second_der) = certificate("veilig.voorbeeld.nl");
    tls.store(Some(second));
    assert!(over_tls(server.page, "veilig.voorbeeld.nl", &first_der).await.is_err());
    assert!(over_tls(server.page, "veilig.voorbeeld.nl", &second_der).await.is_ok());
    // Plain words on a TLS port get no page.
    assert!(!say(server.page, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.contains("200 OK"));
}

#[tokio::test]
async fn plain_http_is_sent_to_our_own_origin() {
    let server = serve(site().router, TlsConfig::default()).await;
    let cases = [
        ("GET /b/x?taal=en HTTP/1.1\r\nHost: kwaad.example\r\n", "/b/x?taal=en"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n", "/"),
        ("GET //kwaad.example/x HTTP/1.1\r\nHost: a\r\n", "//kwaad.example/x"),
        ("GET http://kwaad.example/y HTTP/1.1\r\nHost: a\r\n", "/y"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n", "/"),
    ];
    for (head, path) in cases {
        let answer = say(server.redirect, format!("{head}Connection: close\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
        assert!(answer.contains(&format!("location: {ORIGIN}{path}\r\n")), "{answer}");
        assert!(answer.contains("x-content-type-options: nosniff"), "{answer}");
    }
}

#[tokio::test]
async fn rubbish_harms_nobody() {
    let server = serve(site().router, TlsConfig::default()).await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000));
    let many = "X-A: y\r\n".repeat(200);
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n");
    let cases: [&[u8]; 9] = [
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /uitloggen HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: y\r\n\r\n",
        b"POST /uitloggen HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST /uitloggen HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrubbish rubbish rubbish rubbish",
        long.as_bytes(),
        many.as_bytes(),
    ];
    for bytes in cases {
        let mut stream = TcpStream::connect(server.page).await.unwrap();
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.unwrap();
        assert!(!answer.starts_with(b"HTTP/1.1 500"), "{}", String::from_utf8_lossy(&answer));
    }
    let answer = say(server.page, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("\r\nserver:"), "{answer}");
}

#[tokio::test]
async fn nothing_is_read_behind_a_request_that_can_be_read_in_two_ways() {
    let server = serve(site().router, TlsConfig::default()).await;
    let chunked = "Transfer-Encoding: chunked\r\n";
    let cases = [
        (format!("{chunked}{chunked}"), "0\r\n\r\n"),
        ("Transfer-Encoding: gzip, chunked\r\n".to_owned(), "0\r\n\r\n"),
        ("Transfer-Encoding: chunked, identity\r\n".to_owned(), "0\r\n\r\n"),
        (format!("Content-Length: 5\r\n{chunked}"), "0\r\n\r\n"),
        ("Content-Length: 0\r\nContent-Length: 4\r\n".to_owned(), ""),
        ("Host: b\r\n".to_owned(), ""),
    ];
    for (head, body) in cases {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{head}\r\n{body}");
        let behind = "GET /echt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let answer = say(server.page, format!("{request}{behind}").as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head}: {answer}");
    }
}

#[tokio::test]
async fn a_request_names_its_host_once() {
    let server = serve(site().router, TlsConfig::default()).await;
    let cases = [
        ("GET / HTTP/1.1\r\nHost: veilig.voorbeeld.nl\r\n", "200"),
        // Nothing that we answer follows from the name.
        ("GET / HTTP/1.1\r\nHost: kwaad.example\r\n", "200"),
        ("GET http://kwaad.example/ HTTP/1.1\r\nHost: veilig.voorbeeld.nl\r\n", "200"),
        ("GET / HTTP/1.0\r\n", "200"),
        ("GET / HTTP/1.1\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", "400"),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: jan@a\r\n", "400"),
        ("GET http://a/ HTTP/1.1\r\n", "400"),
    ];
    for (head, status) in cases {
        let whole = format!("{head}Connection: close\r\n\r\n");
        let answer = say(server.page, whole.as_bytes()).await;
        assert!(answer.get(9..12) == Some(status), "{head}: {answer}");
        assert!(answer.contains("x-content-type-options: nosniff") && !answer.contains("kwaad"), "{answer}");
        let expected = if status == "200" { "308" } else { status };
        let answer = say(server.redirect, whole.as_bytes()).await;
        assert!(answer.get(9..12) == Some(expected) && !answer.contains("kwaad"), "{head}: {answer}");
    }
}

#[tokio::test]
async fn a_header_that_trickles_in_is_given_up() {
    let server = serve(site().router, TlsConfig::default()).await;
    let begun = tokio::time::Instant::now();
    let answer = say(server.page, b"GET / HTTP/1.1\r\nHost: x\r\n").await;
    assert!(begun.elapsed() < Duration::from_secs(15), "{answer}");
    assert!(!answer.contains("200 OK"));
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight() {
    let slow = get(async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        "klaar"
    });
    let server = serve(site().router.route("/langzaam", slow), TlsConfig::default()).await;
    let idle = TcpStream::connect(server.page).await.unwrap();
    let request = b"GET /langzaam HTTP/1.1\r\nHost: x\r\n\r\n";
    let in_flight = tokio::spawn(say(server.page, request));
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.stop.cancel();
    let begun = tokio::time::Instant::now();
    assert!(in_flight.await.unwrap().contains("klaar"));
    server.task.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "an idle connection does not hold it up");
    assert!(TcpStream::connect(server.page).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn a_port_that_is_taken_stops_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(&Settings { listen: vec![address], ..settings() }).await.unwrap_err();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
