//! A flood on one side of the gateway leaves the other side, and everybody else on the same side, served.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::browser::Browser;
use crate::support::client::{self, Client};
use crate::support::gateway::{Gateway, Site};
use crate::support::reader::{ANNA, letter, links_for};
use crate::support::sink::Sink;
use crate::support::until;

/// A client that is served waits no longer than this, on a machine that is busy with other tests.
const PROMPT: Duration = Duration::from_secs(10);

/// A connection from an address of this machine.
fn from(client: &str, server: SocketAddr) -> std::io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(client.parse().unwrap(), 0))?;
        socket.connect(server).await?.into_std()
    })?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PROMPT))?;
    Ok(stream)
}

/// Runs `flood` over and over while `body` runs.
fn during(flood: impl Fn() + Sync, body: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    flood();
                }
            });
        }
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        over.store(true, Ordering::Relaxed);
        result.unwrap();
    });
}

#[expect(clippy::disallowed_methods, reason = "a real process on a real clock")]
fn promptly<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = act();
    assert!(begun.elapsed() < PROMPT, "{what} took {:?}", begun.elapsed());
    done
}

#[test]
fn a_flood_on_the_page_does_not_stop_mail() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    site.change("page = {", "page = { max_requests = 16,");
    let gateway = site.start();
    // More than it takes at the same time: some silent, some with half a request, some with a whole one whose answer nobody reads.
    let flood = || {
        let mut held = Vec::new();
        for number in 0..120 {
            let Ok(mut stream) = TcpStream::connect(gateway.page) else { continue };
            let request: &[u8] = [&b""[..], b"GET / HTT", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"][number % 3];
            let _ = stream.write_all(request);
            held.push(stream);
        }
        std::thread::sleep(Duration::from_millis(300));
    };
    during(flood, || {
        for number in 0..10 {
            let to = format!("jan{number}@example.nl");
            for subject in ["gewoon", "[veilig] geheim"] {
                let mail = letter(&format!("{number}-{}", subject.len()), subject, "tekst");
                let (_, reply) = promptly("a mail", || client::send(gateway.smtp, ANNA, &[&to], &mail));
                assert_eq!(reply.code, 250, "{reply:?}");
            }
        }
        links_for(&sink, "jan9@example.nl", 1);
    });
    until("the page serves again", || (Browser::new(gateway.page, "198.51.100.1").get("/").status < 500).then_some(()));
    assert!(gateway.stop().success());
}

#[test]
fn a_flood_of_mail_sessions_stops_neither_the_page_nor_other_networks() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    site.change("bounce_domain =", "max_sessions = 100, max_sessions_per_network = 30, bounce_domain =");
    let gateway = site.start();
    let flood = || {
        let mut held = Vec::new();
        for number in 0..120 {
            let Ok(mut stream) = from("127.0.1.1", gateway.smtp) else { continue };
            let _ = stream.write_all([&b""[..], b"EHLO a\r\nMAIL FROM:<a@voorbeeld.example>\r\n"][number % 2]);
            held.push(stream);
        }
        std::thread::sleep(Duration::from_millis(300));
    };
    during(flood, || {
        until("the flood is turned away", || {
            gateway.log().contains("too many sessions from your network: 421").then_some(())
        });
        for number in 0..10 {
            let page = promptly("the page", || Browser::new(gateway.page, "198.51.100.1").get("/"));
            assert!(page.status < 500, "{}", page.status);
            let mail = letter(&number.to_string(), "gewoon", "tekst");
            let reply = promptly("a mail", || {
                let mut client = Client::over(from("127.0.2.1", gateway.smtp).unwrap()).unwrap();
                client.send(ANNA, &["jan@example.nl"], &mail).unwrap().1
            });
            assert_eq!(reply.code, 250, "{reply:?}");
        }
    });
    // The reason stands in the log, and not once for each connection.
    let lines = gateway.log().matches("too many sessions from your network: 421").count();
    assert!((1..200).contains(&lines), "{lines} lines");
    assert!(gateway.stop().success());
}

/// What the front page says to a client.
fn front(client: &str, page: SocketAddr) -> std::io::Result<String> {
    let mut stream = from(client, page)?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    std::io::read_to_string(stream)
}

#[test]
fn a_flood_on_the_page_does_not_stop_the_page_for_other_networks() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    let limits = "trusted_proxies = [\"192.0.2.1\"], max_requests = 20, max_requests_per_network = 8";
    site.change("trusted_proxies = [\"127.0.0.1\"]", limits);
    let gateway = site.start();
    // Whole requests whose body does not come: each holds a place as long as it may.
    let begun = "POST /b/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                Content-Length: 99\r\n\r\nx";
    let ask = |_| {
        let mut stream = from("127.0.1.1", gateway.page).ok()?;
        stream.write_all(begun.as_bytes()).ok()?;
        Some(stream)
    };
    let held: Vec<_> = (0..120).filter_map(ask).collect();
    until("the flood is turned away", || {
        let served = front("127.0.1.1", gateway.page).is_ok_and(|page| page.starts_with("HTTP/1.1 200"));
        (!served).then_some(())
    });
    for _ in 0..20 {
        let page = promptly("the page", || front("127.0.2.1", gateway.page).unwrap());
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    }
    drop(held);
    // Nor do connections on which nothing is asked.
    let held: Vec<_> = (0..120).filter_map(|_| from("127.0.1.1", gateway.page).ok()).collect();
    let page = promptly("the page beside silent connections", || front("127.0.2.1", gateway.page).unwrap());
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    drop(held);
    assert!(gateway.stop().success());
}

/// Seconds of processor time that a process has used.
fn busy(gateway: &Gateway) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", gateway.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

#[test]
fn out_of_descriptors_it_waits_and_serves_again() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    site.change("bounce_domain =", "max_sessions_per_network = 1000, bounce_domain =");
    let gateway = site.start_under(&["prlimit", "--nofile=100:100"]);
    assert!(gateway.log().contains("files and sockets"), "it says that the limits do not fit: {}", gateway.log());
    let held: Vec<_> = (0..150).filter_map(|_| TcpStream::connect(gateway.smtp).ok()).collect();
    until("it is out of descriptors", || gateway.log().contains("cannot accept; pausing").then_some(()));
    let (begun, lines) = (busy(&gateway), gateway.log().matches("cannot accept; pausing").count());
    std::thread::sleep(Duration::from_secs(3));
    let (used, lines) = (busy(&gateway) - begun, gateway.log().matches("cannot accept; pausing").count() - lines);
    assert!(used < 1.0 && lines <= 40, "{used} s of 3 and {lines} lines: it spins");
    drop(held);
    until("mail is taken again", || {
        let mut client = Client::connect(gateway.smtp).ok()?;
        let (_, reply) = client.send(ANNA, &["jan@example.nl"], &letter("1", "gewoon", "tekst")).ok()?;
        (reply.code == 250).then_some(())
    });
    assert!(promptly("the page", || Browser::new(gateway.page, "198.51.100.1").get("/")).status < 500);
    assert!(gateway.stop().success());
}
