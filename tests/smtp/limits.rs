//! What happens when clients ask for more than there is: sessions, handshakes, memory; and what a reload changes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use zegel::receive::Settings;

use crate::gateway::{Client, Gateway, MEMORY, MEMORY_WAIT, PATIENCE, relay_to, settings};
use crate::next_hop::FakeHop;

/// A connection from an address of this machine.
async fn from(client: &str, server: SocketAddr) -> Client<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(client.parse().unwrap(), 0)).unwrap();
    Client::over(socket.connect(server).await.unwrap())
}

fn per_network(most: usize) -> Settings {
    let mut settings = settings();
    settings.limits.sessions_per_network = most;
    settings
}

#[tokio::test]
async fn one_network_cannot_take_all_places() {
    let hop = FakeHop::polite().await;
    let gateway = Gateway::start(per_network(2), &hop, false).await;
    let mut flood = [from("127.0.1.1", gateway.address).await, from("127.0.1.200", gateway.address).await];
    for client in &mut flood {
        client.exchange(&[("", "220")]).await;
    }
    let mut third = from("127.0.1.9", gateway.address).await;
    assert!(third.reply().await.starts_with("421 zegel.example has too many sessions from your network"));
    assert_eq!(third.line().await, None);
    // Everybody else is served.
    from("127.0.2.1", gateway.address).await.exchange(&[("", "220"), ("QUIT", "221")]).await;
    let [first, _second] = &mut flood;
    first.exchange(&[("QUIT", "221")]).await;
    let again = async {
        while !from("127.0.1.9", gateway.address).await.reply().await.starts_with("220") {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn behind_a_proxy_the_client_is_counted_and_not_the_proxy() {
    let hop = FakeHop::polite().await;
    let mut settings = per_network(1);
    settings.listeners[0].proxies = vec!["127.0.0.0/8".parse().unwrap()];
    settings.listeners[0].networks = vec!["192.0.2.0/23".parse().unwrap()];
    let gateway = Gateway::start(settings, &hop, false).await;
    let behind = async |client: &str| {
        let mut connection = gateway.connect().await;
        connection.send(format!("PROXY TCP4 {client} 192.0.2.1 4000 25\r\n").as_bytes()).await;
        let reply = connection.reply().await;
        (connection, reply)
    };
    let (_first, reply) = behind("192.0.2.7").await;
    assert!(reply.starts_with("220"), "{reply}");
    let (_second, reply) = behind("192.0.2.8").await;
    assert!(reply.starts_with("421") && reply.contains("your network"), "{reply}");
    let (_third, reply) = behind("192.0.3.7").await;
    assert!(reply.starts_with("220"), "{reply}");
}

#[tokio::test]
async fn a_proxy_header_may_stand_before_tls() {
    let hop = FakeHop::polite().await;
    let mut settings = settings();
    settings.listeners[0].implicit_tls = true;
    settings.listeners[0].proxies = vec!["127.0.0.0/8".parse().unwrap()];
    settings.listeners[0].networks = vec!["192.0.2.0/24".parse().unwrap()];
    let gateway = Gateway::start(settings, &hop, true).await;
    let mut client = gateway.connect().await;
    client.send(b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 465\r\n").await;
    let mut client = client.secure(&gateway.certificate).await;
    client.exchange(&[("", "220"), ("EHLO a", "250"), ("MAIL FROM:<a@b.example>", "250"), ("QUIT", "221")]).await;
}

#[tokio::test]
async fn handshakes_are_bounded_in_number_and_time() {
    let hop = FakeHop::polite().await;
    let mut settings = settings();
    settings.listeners[0].implicit_tls = true;
    settings.limits.handshakes = 1;
    settings.limits.handshake_timeout = Duration::from_millis(800);
    let gateway = Gateway::start(settings, &hop, true).await;
    let mut silent = gateway.connect().await;
    // Its handshake is under way when another is refused: one place, and nothing can be said without TLS.
    let refused = async {
        loop {
            let mut other = gateway.connect().await;
            let mut rest = Vec::new();
            if timeout(Duration::from_millis(100), other.stream.read_to_end(&mut rest)).await.is_ok() {
                return rest;
            }
        }
    };
    assert!(timeout(PATIENCE, refused).await.unwrap().is_empty());
    assert_eq!(silent.line().await, None, "a handshake has an end");
    let mut next = gateway.connect().await.secure(&gateway.certificate).await;
    next.exchange(&[("", "220"), ("EHLO a", "250"), ("QUIT", "221")]).await;
}

/// Clients that are in the middle of a header of 48 KiB, whose room is 64 KiB each.
async fn hold_memory(gateway: &Gateway, clients: u64) -> Vec<Client<TcpStream>> {
    let mut holding = Vec::new();
    for _ in 0..clients {
        let mut client = gateway.connect().await;
        client.exchange(&[("", "220"), ("EHLO a", "250"), ("MAIL FROM:<a@b.example>", "250")]).await;
        client.exchange(&[("RCPT TO:<c@d.example>", "250"), ("DATA", "354")]).await;
        client.send("X-Long: header\r\n".repeat(3 * 1024).as_bytes()).await;
        holding.push(client);
    }
    // Nothing tells that a header has arrived.
    tokio::time::sleep(Duration::from_millis(300)).await;
    holding
}

fn roomy() -> Settings {
    let mut settings = settings();
    settings.max_size = MEMORY;
    settings
}

const ENVELOPE: &[(&str, &str)] =
    &[("MAIL FROM:<a@b.example>", "250"), ("RCPT TO:<c@d.example>", "250"), ("DATA", "354")];

#[tokio::test]
async fn when_the_memory_for_mails_is_taken_others_are_deferred_after_a_bounded_wait() {
    let hop = FakeHop::polite().await;
    let gateway = Gateway::start(roomy(), &hop, false).await;
    let mut holding = hold_memory(&gateway, MEMORY / (64 * 1024) - 1).await;
    let mut late = gateway.connect().await;
    late.exchange(&[("", "220"), ("EHLO a", "250")]).await;
    late.exchange(ENVELOPE).await;
    let header = "X-Long: header\r\n".repeat(3 * 1024);
    late.exchange(&[(&format!("{header}\r\ntext\r\n."), "452 4.3.1")]).await;
    // Those who have their share lost nothing.
    for client in &mut holding {
        client.exchange(&[("\r\ntext\r\n.", "250")]).await;
    }
    // And with them it is free again.
    late.exchange(ENVELOPE).await;
    late.exchange(&[("Subject: x\r\n\r\ntext\r\n.", "250")]).await;
}

#[tokio::test]
async fn with_little_memory_left_an_ordinary_mail_streams_sooner() {
    let hop = FakeHop::polite().await;
    let gateway = Gateway::start(roomy(), &hop, false).await;
    let _holding = hold_memory(&gateway, MEMORY / (64 * 1024) - 1).await;
    let mut client = gateway.connect().await;
    client.exchange(&[("", "220"), ("EHLO a", "250")]).await;
    client.exchange(ENVELOPE).await;
    let body = format!("{}\r\n", "x".repeat(98)).repeat(3_000);
    client.send(format!("Subject: large\r\n\r\n{body}.\r\n").as_bytes()).await;
    let reply = client.reply().await;
    assert!(reply.starts_with("250"), "{reply}");
    let taken = hop.taken();
    assert_eq!(taken.len(), 1);
    assert!(taken[0].body.ends_with(body.as_bytes()));
}

#[tokio::test]
async fn what_is_sealed_takes_its_part_of_the_memory_too() {
    let hop = FakeHop::polite().await;
    let gateway = Gateway::start(roomy(), &hop, false).await;
    let confidential = format!("Subject: [veilig] x\r\nFrom: a@b.example\r\n\r\n{}", "x\r\n".repeat(100_000));
    let mut sealing = Vec::new();
    // Each is past its first 256 KiB and holds 192 KiB; a budget of 1 MiB has room for four and what the fifth collects.
    let mut refused = 0;
    for _ in 0..7 {
        let mut client = gateway.connect().await;
        client.exchange(&[("", "220"), ("EHLO a", "250")]).await;
        client.exchange(ENVELOPE).await;
        client.send(confidential.as_bytes()).await;
        sealing.push(client);
    }
    tokio::time::sleep(MEMORY_WAIT * 2).await;
    for mut client in sealing {
        client.send(b".\r\n").await;
        let reply = client.reply().await;
        refused += u32::from(reply.starts_with("452 4.3.1"));
        assert!(reply.starts_with("250 2.6.0") || reply.starts_with("452 4.3.1"), "{reply}");
    }
    assert!((1..=4).contains(&refused), "{refused} of 7 were deferred");
    assert!(hop.transactions().iter().all(|heard| !heard.data), "sealed or refused, never in clear");
}

#[tokio::test]
async fn a_reload_counts_for_new_sessions_and_the_old_keep_theirs() {
    let hop = FakeHop::polite().await;
    let gateway = Gateway::start(settings(), &hop, false).await;
    let mut old = gateway.connect().await;
    old.exchange(&[("", "220")]).await;

    let mut other = settings();
    other.listeners[0].name = "another".into();
    let relay = relay_to(hop.address, PATIENCE);
    assert!(gateway.served.replace(other, relay.clone()).is_err());

    let mut new = settings();
    new.max_size = 4_000;
    new.hostname = "new.example".to_owned();
    gateway.served.replace(new, relay).unwrap();
    old.send(b"EHLO a\r\n").await;
    assert_eq!(old.line().await.unwrap(), "250-zegel.example");
    let mut fresh = gateway.connect().await;
    assert!(fresh.reply().await.starts_with("220 new.example"));
    fresh.exchange(&[("EHLO a", "250"), ("MAIL FROM:<a@b.example> SIZE=5000", "552")]).await;
    while old.line().await.unwrap().as_bytes()[3] != b' ' {}
    old.exchange(&[("MAIL FROM:<a@b.example> SIZE=5000", "250"), ("QUIT", "221")]).await;
    old.stream.shutdown().await.unwrap();
}
