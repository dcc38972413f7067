//! How much memory sessions take: many that are idle, many that send large mails at the same time, and a steady load for long (`ZEGEL_ROUNDS`
//! seconds; by hand with `tests/soak memory`). In full with
//! `ZEGEL_MEMORY=full`, on a release build: 1,000 idle sessions in 40 MB, 200 that send 25 MB each in 120 MB.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, mpsc};
use std::time::Duration;

use zegel::base::{Clock, SystemClock};

use crate::support::client::Client;
use crate::support::gateway::{Gateway, Site};
use crate::support::reader::{ANNA, letter};
use crate::support::until;

const MB: usize = 1_000_000;

/// How many, and how much.
struct Size {
    idle: usize,
    busy: usize,
    mail: usize,
}

fn size() -> Size {
    if std::env::var("ZEGEL_MEMORY").is_ok_and(|size| size == "full") {
        Size { idle: 1_000, busy: 200, mail: 25 * MB }
    } else {
        Size { idle: 300, busy: 40, mail: MB }
    }
}

/// A value of /proc/PID/status, bytes.
fn status(gateway: &Gateway, name: &str) -> usize {
    let text = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches([':', ' ', '\t']).trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// A server that takes every mail and keeps none.
fn discard() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(stream: TcpStream) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(64 * 1024, stream);
    out.write_all(b"220 behind ESMTP\r\n")?;
    let mut in_data = false;
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if in_data && line != b".\r\n" {
            continue;
        }
        in_data = line.eq_ignore_ascii_case(b"DATA\r\n");
        out.write_all(if in_data { b"354 go on\r\n" } else { b"250 2.0.0 ok\r\n" })?;
    }
}

fn started(limits: &str) -> (Site, Gateway) {
    let site = Site::new(discard(), "");
    site.change("bounce_domain =", &format!("{limits}, bounce_domain ="));
    site.change("tls = \"off\"\nwait", "tls = \"off\"\nmax_connections = 250\nwait");
    site.change("level = \"trace\"", "level = \"info\"");
    let gateway = site.start();
    (site, gateway)
}

#[test]
fn idle_sessions_take_little_memory() {
    let Size { idle, .. } = size();
    let (_site, gateway) = started("max_sessions = 1100, max_sessions_per_network = 1100");
    let before = status(&gateway, "VmRSS");
    let held: Vec<Client> = (0..idle).map(|_| Client::connect(gateway.smtp).unwrap()).collect();
    let after = status(&gateway, "VmRSS");
    let each = (after - before) / idle;
    println!("{} kB before, {} kB with {idle} idle sessions, {each} bytes each", before / 1000, after / 1000);
    assert!(
        before + each * 1_000 <= 40 * MB || cfg!(debug_assertions),
        "{} MB for 1,000",
        (before + each * 1_000) / MB
    );
    assert!(each <= 20 * 1024, "{each} bytes for an idle session");
    drop(held);
    assert!(gateway.stop().success());
}

/// Every client sends at the same time; its mail ends when all are in the middle of theirs.
fn send_all(server: SocketAddr, busy: usize, mail: &[u8], to: &str) {
    let all_begun = Barrier::new(busy);
    std::thread::scope(|scope| {
        for number in 0..busy {
            let all_begun = &all_begun;
            std::thread::Builder::new()
                .stack_size(256 * 1024)
                .spawn_scoped(scope, move || {
                    let mut client = Client::connect(server).unwrap();
                    for line in [format!("MAIL FROM:<{ANNA}>"), format!("RCPT TO:<{to}>")] {
                        assert_eq!(client.say(&line).unwrap().code, 250);
                    }
                    assert_eq!(client.say("DATA").unwrap().code, 354);
                    let header =
                        letter(&format!("{number}"), if to.starts_with("geheim") { "[veilig] x" } else { "x" }, "x");
                    client.write(&header).unwrap();
                    let (first, rest) = mail.split_at(mail.len() / 2);
                    client.write(first).unwrap();
                    all_begun.wait();
                    client.write(rest).unwrap();
                    client.write(b".\r\n").unwrap();
                    // A busy machine takes longer than the client's own patience.
                    let reply = until("the reply to a mail", || client.reply().ok());
                    assert_eq!(reply.code, 250, "{reply:?}");
                })
                .unwrap();
        }
    });
}

fn large_mails(to: &str) {
    let Size { busy, mail, .. } = size();
    let (site, gateway) = started("max_sessions = 300, max_sessions_per_network = 300");
    let text = format!("{}\r\n", "x".repeat(98)).repeat(mail / 100);
    // The contact is there already: no codes are hashed.
    send_all(gateway.smtp, 1, b"tekst\r\n", to);
    let before = status(&gateway, "VmRSS");
    send_all(gateway.smtp, busy, text.as_bytes(), to);
    let peak = status(&gateway, "VmHWM");
    println!(
        "{to}: {} kB before, {} kB at most with {busy} sessions of {} kB",
        before / 1000,
        peak / 1000,
        mail / 1000
    );
    assert!(peak <= 120 * MB, "{} MB", peak / MB);
    let each = peak.saturating_sub(before) / busy;
    assert!(each <= 400 * 1024, "{each} bytes for a session");
    until("everything is sent", || site.ask(&["queue", "list"])["jobs"].as_array().unwrap().is_empty().then_some(()));
    assert!(gateway.stop().success());
}

#[test]
fn large_ordinary_mails_take_a_bounded_memory() {
    large_mails("gewoon@example.nl");
}

#[test]
fn large_confidential_mails_take_a_bounded_memory() {
    large_mails("geheim@example.nl");
}

/// Mails of all kinds, one after the other, a new connection for every ten; until `over`. Each ten are told.
fn keep_sending(server: SocketAddr, sender: usize, tens: &mpsc::Sender<()>, over: &AtomicBool) {
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        let mut client = Client::connect(server).unwrap();
        for _ in 0..10 {
            number += 1;
            let (to, subject) =
                if number % 4 == 0 { ("geheim@example.nl", "[veilig] x") } else { ("gewoon@example.nl", "x") };
            let lines = if number % 10 == 0 { 5_000 } else { 40 };
            let text = format!("{}\r\n", "x".repeat(98)).repeat(lines);
            let (_, reply) = client.send(ANNA, &[to], &letter(&format!("{sender}-{number}"), subject, &text)).unwrap();
            assert_eq!(reply.code, 250, "{reply:?}");
        }
        client.say("QUIT").unwrap();
        tens.send(()).unwrap();
    }
}

#[test]
fn memory_stays_flat_under_a_steady_load() {
    const SAMPLES: usize = 40;
    let seconds = std::env::var("ZEGEL_ROUNDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(12);
    let every = Duration::from_secs(seconds) / u32::try_from(SAMPLES).unwrap();
    let (_site, gateway) = started("max_sessions = 100");
    let over = AtomicBool::new(false);
    let (tens, told) = mpsc::channel();
    let (mut samples, mut sent) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        for sender in 0..6 {
            let (tens, over, server) = (tens.clone(), &over, gateway.smtp);
            scope.spawn(move || keep_sending(server, sender, &tens, over));
        }
        drop(tens);
        let mut next = SystemClock.now() + every;
        for () in &told {
            sent += 10;
            if SystemClock.now() < next {
                continue;
            }
            next = next + every;
            samples.push(status(&gateway, "VmRSS"));
            if samples.len() == SAMPLES {
                over.store(true, Ordering::Relaxed);
                break;
            }
        }
        // What is still under way is told, too.
        sent += told.iter().count() * 10;
    });
    // What is kept ready grows at first: the first fifth does not count.
    let (first, last) = samples[SAMPLES / 5..].split_at(SAMPLES * 2 / 5);
    let middle = |part: &[usize]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part[part.len() / 2]
    };
    let (first, last, most) = (middle(first), middle(last), samples.iter().max().unwrap());
    println!(
        "{sent} mails in {seconds} s: {} kB in the first half, {} kB in the second, {} kB at most",
        first / 1000,
        last / 1000,
        most / 1000
    );
    assert!(last <= first + first / 10 + 4 * MB, "memory grows: {samples:?}");
    assert!(gateway.stop().success());
}
