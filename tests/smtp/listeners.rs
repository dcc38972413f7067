//! What only real listeners show: the stop, the limit, TLS, back-pressure, the log.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::gateway::{Gateway, PATIENCE, settings};
use crate::next_hop::{Act, FakeHop, Moment};

const TO_DATA: &[(&str, &str)] = &[
    ("", "220"),
    ("EHLO client.example", "250"),
    ("MAIL FROM:<a@b.example>", "250"),
    ("RCPT TO:<c@d.example>", "250"),
    ("DATA", "354"),
];

#[tokio::test]
async fn a_stop_finishes_the_mail_under_way_and_nothing_else() {
    let hop = FakeHop::polite().await;
    let mut gateway = Gateway::start(settings(), &hop, false).await;
    let mut idle = gateway.connect().await;
    idle.exchange(&TO_DATA[..4]).await;
    let mut busy = gateway.connect().await;
    busy.exchange(TO_DATA).await;
    busy.send(b"Subject: half\r\n\r\nfirst").await;

    gateway.stop.cancel();
    assert!(idle.reply().await.starts_with("421 4.3.2"));
    assert_eq!(idle.line().await, None);
    // The accept loop sees the stop before the sessions end; its socket closes with it.
    while TcpStream::connect(gateway.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!gateway.serving.is_finished(), "a mail is under way");

    busy.send(b" second\r\n.\r\n").await;
    assert!(busy.reply().await.starts_with("250 "));
    assert!(busy.reply().await.starts_with("421 4.3.2"));
    assert_eq!(busy.line().await, None);
    timeout(PATIENCE, &mut gateway.serving).await.unwrap().unwrap();
    let taken = hop.taken();
    assert_eq!(taken.len(), 1);
    assert!(taken[0].body.ends_with(b"first second\r\n"));
}

#[tokio::test]
async fn one_session_too_many_hears_421_and_a_place_is_given_back() {
    let hop = FakeHop::polite().await;
    let mut settings = settings();
    settings.limits.sessions = 2;
    let gateway = Gateway::start(settings, &hop, false).await;
    let mut first = gateway.connect().await;
    let mut second = gateway.connect().await;
    first.exchange(&TO_DATA[..1]).await;
    second.exchange(&TO_DATA[..1]).await;

    let mut third = gateway.connect().await;
    assert!(third.reply().await.starts_with("421 zegel.example"));
    assert_eq!(third.line().await, None);

    first.exchange(&[("QUIT", "221")]).await;
    assert_eq!(first.line().await, None);
    let again = async {
        while !gateway.connect().await.reply().await.starts_with("220") {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn a_client_of_another_network_reaches_no_next_hop() {
    let hop = FakeHop::polite().await;
    let mut settings = settings();
    settings.listeners[0].networks = vec!["192.0.2.0/24".parse().unwrap(), "::1/128".parse().unwrap()];
    let gateway = Gateway::start(settings, &hop, false).await;
    let mut client = gateway.connect().await;
    client.exchange(&[("", "554"), ("EHLO a", "503"), ("MAIL FROM:<a@b.example>", "503")]).await;
    client.exchange(&[("RCPT TO:<c@d.example>", "503"), ("QUIT", "221")]).await;
    assert!(hop.transactions().is_empty());
}

#[tokio::test]
async fn a_client_over_ipv6_is_known_by_its_network() {
    let hop = FakeHop::polite().await;
    let mut settings = settings();
    // A socket for both families sees IPv4 clients as mapped addresses.
    settings.listeners[0].address = "[::]:0".parse().unwrap();
    let gateway = Gateway::start(settings, &hop, false).await;
    let mut mapped = TcpStream::connect(("127.0.0.1", gateway.address.port())).await.unwrap();
    let mut greeting = [0; 3];
    mapped.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"220");
}

#[tokio::test]
async fn a_port_that_is_taken_stops_the_start_and_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = settings();
    settings.listeners[0].address = taken.local_addr().unwrap();
    let error = zegel::receive::bind(&settings).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().starts_with("listener relay at 127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn a_handshake_that_fails_ends_that_connection_only() {
    let hop = FakeHop::polite().await;
    let gateway = Gateway::start(settings(), &hop, true).await;
    let mut client = gateway.connect().await;
    client.exchange(&[("", "220"), ("EHLO a", "250"), ("STARTTLS", "220")]).await;
    client.send(b"MAIL FROM:<smuggled@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n").await;
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, client.stream.read_to_end(&mut rest)).await.unwrap();
    assert!(!rest.starts_with(b"250"), "a TLS alert at most");
    let mut other = gateway.connect().await;
    other.exchange(&[("", "220"), ("EHLO a", "250"), ("STARTTLS", "220")]).await;
    let mut other = other.secure(&gateway.certificate).await;
    other.exchange(&TO_DATA[1..]).await;
    other.exchange(&[("Subject: x\r\n\r\ntext\r\n.", "250"), ("QUIT", "221")]).await;
    assert_eq!(other.line().await, None);
    let taken = hop.taken();
    assert_eq!(taken.len(), 1);
    assert!(String::from_utf8_lossy(&taken[0].body).contains("with ESMTPS"), "the trace names TLS");
}

#[tokio::test]
async fn a_refused_client_that_goes_on_sending_can_read_why() {
    let hop = FakeHop::polite().await;
    let mut settings = settings();
    settings.max_size = 64 * 1024 * 1024;
    let gateway = Gateway::start(settings, &hop, false).await;
    let mut client = gateway.connect().await;
    client.exchange(TO_DATA).await;
    client.send(b"bare\n").await;
    // Far more than all buffers hold: it only gets through when the server goes on reading.
    let more = vec![b'x'; 32 * 1024 * 1024];
    timeout(PATIENCE, client.stream.write_all(&more)).await.unwrap().unwrap();
    assert!(client.reply().await.starts_with("521 5.5.2"));
    assert_eq!(client.line().await, None);
    assert!(hop.transactions().iter().all(|heard| !heard.data));
}

#[tokio::test]
async fn a_slow_next_hop_slows_its_client_down() {
    const MAIL: usize = 128 * 1024 * 1024;
    let script = |_: usize, moment: &Moment| if *moment == Moment::BodyBegins { Act::Hang } else { Act::Polite };
    let hop = FakeHop::start(Box::new(script), &["PIPELINING", "8BITMIME"], None).await;
    let mut settings = settings();
    settings.max_size = 2 * MAIL as u64;
    let gateway = Gateway::start(settings, &hop, false).await;
    let mut client = gateway.connect().await;
    client.exchange(TO_DATA).await;
    client.send(b"Subject: large\r\n\r\n").await;
    let block = [&[b'x'; 998][..], b"\r\n"].concat().repeat(100);
    let mut written = 0;
    while written < MAIL && matches!(timeout(Duration::from_secs(2), client.stream.write_all(&block)).await, Ok(Ok(())))
    {
        written += block.len();
    }
    // What the kernel's socket buffers and ours hold, on both sides.
    assert!(written < MAIL / 4, "{written} octets were taken from the client");
}

/// All that is logged, of whatever level, by this thread.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// From now on, until the guard goes.
pub fn log() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    (log, tracing::subscriber::set_default(subscriber))
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_tells_of_a_mail_without_addresses_and_content() {
    let (log, guard) = log();
    let hop = FakeHop::polite().await;
    let gateway = Gateway::start(settings(), &hop, false).await;
    let mut client = gateway.connect().await;
    client.exchange(&[("", "220"), ("EHLO client.example", "250")]).await;
    client.exchange(&[("MAIL FROM:<sendercanary@b.example>", "250"), ("RCPT TO:<rcptcanary@d.example>", "250")]).await;
    client.exchange(&[("RCPT TO:<faultycanary", "501"), ("DATA", "354")]).await;
    client.exchange(&[("Subject: subjectcanary\r\n\r\nbodycanary\r\n.", "250"), ("QUIT", "221")]).await;
    assert_eq!(client.line().await, None);
    drop(guard);
    let text = log.text();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("verdict=")).collect();
    assert_eq!(lines.len(), 1, "one line for one mail: {text}");
    assert!(lines[0].contains("verdict=\"passed\"") && lines[0].contains("recipients=1"), "{}", lines[0]);
    assert!(!text.contains("canary"), "{text}");
}
