//! Servers that refuse, hang, break off, flood and lie; and that number, code and key reach no log.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;
use tracing_subscriber::fmt::MakeWriter;
use zegel::sms::{Answers, Constants, Content, HttpSettings, Kind, Path, ProviderSettings, Template};

use super::server::{Act, Server};
use super::{CODE, NUMBER, SECRET, provider, providers, send};

/// Says in its answer whether it took the SMS.
fn settings(url: &str) -> HttpSettings {
    let template = |text: &str| Template::parse(text).unwrap();
    HttpSettings {
        url: template(url),
        method: "POST".parse().unwrap(),
        headers: vec![("authorization".parse().unwrap(), template("Bearer {secret}"))],
        body: template(r#"{"to":"{number}","text":"{text}"}"#),
        content: Content::Json,
        constants: Constants { secret: SECRET.to_owned().into(), ..Constants::default() },
        answers: Answers {
            accepted: Some((Path::parse("status").unwrap(), vec!["ok".to_owned()])),
            id: Path::parse("id"),
            ..Answers::default()
        },
        ca: None,
    }
}

fn at(name: &str, server: &Server) -> ProviderSettings {
    quick(provider(name, Kind::Http(Box::new(settings(&format!("http://{}/send", server.address))))))
}

fn quick(settings: ProviderSettings) -> ProviderSettings {
    ProviderSettings { timeout: Duration::from_millis(700), ..settings }
}

const TAKEN: &str = r#"{"status":"ok","id":"7"}"#;

fn raw(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

#[tokio::test]
async fn every_answer_has_its_outcome() {
    let many = (0..200).map(|n| format!("X-{n}: y\r\n")).collect::<Vec<_>>().concat();
    let cases: Vec<(&str, Act, &str)> = vec![
        ("taken", Act::reply(200, "", TAKEN), "p accepted 7"),
        ("an error in a 200", Act::reply(200, "", r#"{"status":"no credit"}"#), "p refused Account"),
        ("another document", Act::reply(200, "", r#"{"ok":true}"#), "p unsure"),
        ("not JSON", Act::reply(200, "", "<html>ok</html>"), "p unsure"),
        ("an empty body", Act::reply(200, "", ""), "p unsure"),
        ("wrong request", Act::reply(400, "", "no"), "p refused Account"),
        ("wrong key", Act::reply(401, "", ""), "p refused Account"),
        ("no money", Act::reply(402, "", ""), "p refused Credit"),
        ("a redirect", Act::reply(302, "Location: http://127.0.0.1:1/\r\n", ""), "p refused Account"),
        ("a kept redirect", Act::reply(308, "Location: http://127.0.0.1:1/\r\n", ""), "p refused Account"),
        ("too many requests", Act::reply(429, "Retry-After: 60\r\n", ""), "failed"),
        ("broken", Act::reply(500, "", "oops"), "p unsure"),
        ("a gateway without its server", Act::reply(502, "", ""), "p unsure"),
        ("closed for now", Act::reply(503, "", ""), "failed"),
        ("closes at once", Act::Close, "p unsure"),
        ("closes after the request", Act::Answer(Vec::new()), "p unsure"),
        ("closes in the header", Act::Answer(raw("HTTP/1.1 200 OK\r\nContent-Le")), "p unsure"),
        (
            "closes in the body",
            Act::Answer(raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"status\":")),
            "p unsure",
        ),
        ("never answers", Act::Stall(Vec::new()), "p unsure"),
        ("stalls in the body", Act::Stall(raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")), "p unsure"),
        ("trickles its header", Act::Trickle(raw("HTTP/1.1 200 OK\r\nX: ")), "p unsure"),
        ("trickles its body", Act::Trickle(raw("HTTP/1.1 200 OK\r\n\r\n{\"status\":\"ok\"}")), "p unsure"),
        ("a body without end", Act::Flood(raw("HTTP/1.1 200 OK\r\n\r\n{\"status\":\"ok\"}")), "p unsure"),
        ("a header without end", Act::Flood(raw("HTTP/1.1 200 OK\r\nX: ")), "p unsure"),
        ("too many headers", Act::reply(200, &many, TAKEN), "p unsure"),
        ("a large body", Act::reply(200, "", &format!("{TAKEN}{}", " ".repeat(100_000))), "p unsure"),
        ("no HTTP", Act::Answer(raw("220 smtp.example ESMTP\r\n")), "p unsure"),
    ];
    for (case, act, expected) in cases {
        let server = Server::start(act.clone()).await;
        let begun = Instant::now();
        assert_eq!(send(&providers(vec![at("p", &server)])).await, expected, "{case}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{case}");
        // Asked once, whatever happened.
        assert!(server.requests().len() <= 1, "{case}");
    }
}

#[tokio::test]
async fn nobody_there_is_no_sms() {
    let gone = Server::start(Act::Close).await;
    let address = gone.address;
    drop(gone);
    tokio::task::yield_now().await;
    let nobody = quick(provider("p", Kind::Http(Box::new(settings(&format!("http://{address}/send"))))));
    let no_name = quick(provider("q", Kind::Http(Box::new(settings("https://nobody.invalid/send")))));
    assert_eq!(send(&providers(vec![nobody.clone(), no_name.clone()])).await, "failed");
    let server = Server::start(Act::reply(200, "", TAKEN)).await;
    assert_eq!(send(&providers(vec![nobody, no_name, at("r", &server)])).await, "r accepted 7");
}

#[tokio::test]
async fn the_next_one_takes_over_and_at_most_two_are_left_in_doubt() {
    let broken = Server::start(Act::reply(500, "", "")).await;
    let closed = Server::start(Act::reply(503, "", "")).await;
    let good = Server::start(Act::reply(200, "", TAKEN)).await;
    let all = providers(vec![at("broken", &broken), at("closed", &closed), at("good", &good)]);
    assert_eq!(send(&all).await, "good accepted 7");
    // Those that failed are asked last from now on: here not at all.
    assert_eq!(send(&all).await, "good accepted 7");
    assert_eq!((broken.requests().len(), closed.requests().len(), good.requests().len()), (1, 1, 2));
    let other = Server::start(Act::Close).await;
    let doubt = providers(vec![at("broken", &broken), at("other", &other), at("good", &good)]);
    assert_eq!(send(&doubt).await, "other unsure");
    assert_eq!(good.requests().len(), 2, "a third could come");
}

#[tokio::test]
async fn who_asks_us_to_wait_is_left_alone() {
    let busy = Server::start(Act::reply(429, "Retry-After: 60\r\n", "")).await;
    let all = providers(vec![at("busy", &busy)]);
    assert_eq!(send(&all).await, "failed");
    assert_eq!(send(&all).await, "failed");
    assert_eq!(busy.requests().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::start(Act::reply(200, "", TAKEN)).await;
    let location = format!("Location: http://{}/send\r\n", other.address);
    for status in [301, 302, 303, 307, 308] {
        let server = Server::start(Act::reply(status, &location, "")).await;
        assert_eq!(send(&providers(vec![at("p", &server)])).await, "p refused Account");
    }
    assert!(other.requests().is_empty());
}

/// A certificate for localhost, and what accepts connections with it.
fn certificate() -> (String, TlsAcceptor) {
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key)
        .unwrap();
    (pair.cert.pem(), TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn tls_is_verified() {
    let (pem, acceptor) = certificate();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(pem.as_bytes()).unwrap();
    let server = Server::with(Act::reply(200, "", TAKEN), Some(acceptor)).await;
    let port = server.address.port();
    let over = |host: &str, trusted: bool| {
        let ca = trusted.then(|| file.path().to_owned());
        let settings = HttpSettings { ca, ..settings(&format!("https://{host}:{port}/send")) };
        providers(vec![quick(provider("p", Kind::Http(Box::new(settings))))])
    };
    assert_eq!(send(&over("localhost", true)).await, "p accepted 7");
    // Signed by nobody that we know, or for another name: nothing is sent.
    assert_eq!(send(&over("localhost", false)).await, "failed");
    assert_eq!(send(&over("127.0.0.1", true)).await, "failed");
    assert_eq!(server.requests().len(), 1);
    // A server that says nothing, or no TLS.
    for act in [Act::Stall(Vec::new()), Act::reply(200, "", TAKEN)] {
        let plain = Server::start(act).await;
        let settings = HttpSettings {
            ca: Some(file.path().to_owned()),
            ..settings(&format!("https://localhost:{}/send", plain.address.port()))
        };
        assert_eq!(send(&providers(vec![quick(provider("p", Kind::Http(Box::new(settings))))])).await, "failed");
        assert!(plain.requests().is_empty());
    }
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_log_holds_number_code_or_key() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // A server that says everything back, as an error and as an id.
    let echo = format!(r#"{{"status":"{NUMBER}","id":"{SECRET}","error":"{NUMBER} {CODE} {SECRET}"}}"#);
    for status in [200, 400, 500] {
        let server = Server::start(Act::reply(status, "", &echo)).await;
        let mut settings = settings(&format!("http://{}/send", server.address));
        settings.answers.errors = ["error", "status", "id"].into_iter().filter_map(Path::parse).collect();
        // Tests beside this one may have reached a log line first, when nobody listened.
        tracing::callsite::rebuild_interest_cache();
        let _outcome = send(&providers(vec![quick(provider("p", Kind::Http(Box::new(settings))))])).await;
        assert!(server.requests()[0].contains(CODE));
    }
    let missing = quick(provider("p", Kind::Http(Box::new(settings("https://nobody.invalid/send")))));
    let _outcome = send(&providers(vec![missing])).await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("sms"), "nothing was logged");
    for private in [NUMBER, &NUMBER[1..], "612345678", CODE, SECRET] {
        assert!(!log.contains(private), "{private} in {log}");
    }
}
