//! Mail in and out: Postfix's smtp-source in front of a peer and its smtp-sink behind it.

use std::io::Read;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::process::{Process, free_address, opens, processor_time};

/// What is sent.
#[derive(Debug, Clone)]
pub struct Load {
    /// Connections at the same time.
    pub sessions: u32,
    /// Mails in all.
    pub mails: u64,
    /// Octets of a body.
    pub size: usize,
    /// A new connection for each mail.
    pub reconnect: bool,
    /// The subject; a tag in it makes the mail confidential.
    pub subject: &'static str,
}

/// What came of one run.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Mails a second until all were answered with 250.
    pub accepted: f64,
    /// Mails a second until the server behind had as many.
    pub delivered: f64,
    /// Processor time of the peer for each mail, milliseconds, until then.
    pub cpu: f64,
}

/// A server behind that counts and forgets.
pub struct Sink {
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    count: Arc<AtomicU64>,
}

impl Sink {
    /// On a free port.
    pub fn start() -> Self {
        let address = free_address();
        let mut command = Command::new("/usr/sbin/smtp-sink");
        command.args(["-c", "-4", "-m", "1000"]);
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        command.args([&address.to_string(), "1000"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process::start(&mut command).expect("smtp-sink runs");
        let count = Arc::new(AtomicU64::new(0));
        let mut counters = process.child().stdout.take().expect("its output");
        let latest = Arc::clone(&count);
        std::thread::spawn(move || {
            let (mut buffer, mut rest) = (vec![0; 64 * 1024], String::new());
            while let Ok(len @ 1..) = counters.read(&mut buffer) {
                rest.push_str(&String::from_utf8_lossy(buffer.get(..len).unwrap_or_default()));
                // `sess=1 quit=1 mesg=1` and CR; the last whole one counts.
                let whole = rest.rfind('\r').unwrap_or(0);
                let found = rest.get(..whole).and_then(|text| text.rsplit_once("mesg=")).map(|(_, number)| number);
                if let Some(number) = found.and_then(|number| number.trim().parse().ok()) {
                    latest.store(number, Ordering::Relaxed);
                }
                rest.drain(..whole);
            }
        });
        assert!(opens(address), "smtp-sink does not listen");
        Self { process, address, count }
    }

    /// Mails so far.
    pub fn mails(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits until it has `mails`; false when none came for a minute.
    pub fn wait_for(&self, mails: u64) -> bool {
        let (mut last, mut since) = (self.mails(), Instant::now());
        while self.mails() < mails {
            if self.mails() != last {
                (last, since) = (self.mails(), Instant::now());
            }
            if since.elapsed() > Duration::from_mins(1) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Waits until nothing came for a second.
    pub fn settle(&self) {
        let mut last = u64::MAX;
        while last != self.mails() {
            last = self.mails();
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Load {
    /// Sends it to `server`: the time until all was answered. The error is what smtp-source said.
    pub fn send(&self, server: SocketAddr) -> Result<Duration, String> {
        let mut command = Command::new("/usr/sbin/smtp-source");
        if !self.reconnect {
            command.arg("-d");
        }
        command.args(["-4", "-M", "bank.voorbeeld.example", "-f", "anna@voorbeeld.example", "-t", "jan@example.nl"]);
        command.args(["-s", &self.sessions.to_string(), "-m", &self.mails.to_string(), "-l", &self.size.to_string()]);
        command.args(["-S", self.subject, &server.to_string()]);
        let begin = Instant::now();
        let output = command.output().map_err(|error| error.to_string())?;
        let taken = begin.elapsed();
        if output.status.success() { Ok(taken) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// Sends it, and waits until `sink` has as many mails more. `peer`: whose processor time counts.
    pub fn run(&self, server: SocketAddr, sink: &Sink, peer: u32) -> Result<Sample, String> {
        let (before, cpu) = (sink.mails(), processor_time(peer));
        let begin = Instant::now();
        let accepted = self.send(server)?;
        if !sink.wait_for(before + self.mails) {
            return Err(format!("only {} of {} mails came out", sink.mails() - before, self.mails));
        }
        let delivered = begin.elapsed().max(accepted);
        let cpu = processor_time(peer).saturating_sub(cpu);
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let mails = self.mails as f64;
        Ok(Sample {
            accepted: mails / accepted.as_secs_f64(),
            delivered: mails / delivered.as_secs_f64(),
            cpu: cpu.as_secs_f64() * 1e3 / mails,
        })
    }
}
