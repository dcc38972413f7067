//! Postfix's own test server as a next hop, with each of its switches for faults: what the client is told, and that what was answered
//! 250 is in the sink's dump.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use zegel::nexthop::{NextHop, Settings, Waits};

use crate::gateway::{Gateway, hop_settings, mail};

const PASS: &str = "p@pass.example";
const LATE: &str = "l@late.example";
const WAIT: Duration = Duration::from_secs(4);

/// `smtp-sink`, stopped when dropped.
struct Sink {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Sink {
    async fn start(switches: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("zegel-sink-").tempdir_in("/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port();
        let mut command = Command::new("smtp-sink");
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        let dump = folder.path().join("dump");
        command.args(switches).arg("-D").arg(dump).arg(format!("127.0.0.1:{port}")).arg("100");
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("smtp-sink is not installed: run tests/setup");
        let sink = Self { child, folder, port };
        let up = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(10), up).await.expect("smtp-sink listens");
        sink
    }

    fn gateway(&self) -> Gateway {
        let settings = hop_settings(&[self.port]);
        let waits = Waits { greeting: WAIT, hello: WAIT, command: WAIT, data: WAIT, dot: WAIT, ..settings.waits };
        Gateway::over(NextHop::new(Settings { waits, ..settings }).unwrap(), Vec::new())
    }

    /// How often a line stands in what it took.
    fn holds(&self, line: &str) -> usize {
        let dump = fs::read(self.folder.path().join("dump")).unwrap_or_default();
        String::from_utf8_lossy(&dump).lines().filter(|heard| heard.trim_end() == line).count()
    }
}

/// Switches, code of RCPT, code of the dot (0: no recipient was accepted).
type Case = (&'static [&'static str], u16, u16);

const CASES: [Case; 30] = [
    (&[], 250, 250),
    (&["-f", "connect"], 250, 451),
    (&["-r", "connect"], 250, 451),
    (&["-q", "connect"], 250, 451),
    (&["-Q", "connect"], 250, 451),
    // Without EHLO there is HELO.
    (&["-f", "ehlo"], 250, 250),
    (&["-r", "ehlo"], 250, 451),
    (&["-f", "ehlo,helo"], 250, 451),
    (&["-q", "ehlo"], 250, 451),
    (&["-Q", "ehlo"], 250, 451),
    (&["-f", "mail"], 250, 500),
    (&["-r", "mail"], 250, 450),
    (&["-q", "mail"], 250, 451),
    (&["-Q", "mail"], 250, 451),
    (&["-f", "rcpt"], 500, 0),
    (&["-r", "rcpt"], 450, 0),
    (&["-q", "rcpt"], 250, 451),
    (&["-Q", "rcpt"], 250, 451),
    (&["-f", "data"], 250, 500),
    (&["-r", "data"], 250, 450),
    (&["-q", "data"], 250, 451),
    (&["-Q", "data"], 250, 451),
    (&["-A", "0"], 250, 550),
    (&["-f", "."], 250, 500),
    (&["-r", "."], 250, 450),
    (&["-q", "."], 250, 451),
    (&["-Q", "."], 250, 451),
    // Odd and harmless: no extension, another name, a pause, tiny windows.
    (&["-e"], 250, 250),
    (&["-8", "-E", "-N", "-p", "-h", "odd_name", "-s", "mail"], 250, 250),
    (&["-w", "1", "-H", "1", "-T", "1024"], 250, 250),
];

async fn check((switches, rcpt, dot): Case) {
    let sink = Sink::start(switches).await;
    let gateway = sink.gateway();
    let canary = format!("canary [{}]", switches.join(" "));
    let long = format!("{canary}\r\n{}", "0123456789012345678901234567890123456789012345678901234567\r\n".repeat(5000));
    // A short mail is collected before the hop hears of it, a long one streams.
    for (mails, body) in [format!("{canary}\r\n"), long].iter().enumerate() {
        let sent = timeout(Duration::from_secs(30), gateway.send(&[PASS], &mail(body.as_bytes()))).await;
        let (told, answer) = sent.unwrap_or_else(|_| panic!("{switches:?}: no answer"));
        assert_eq!((told[0], answer.map_or(0, |reply| reply.code())), (rcpt, dot), "{switches:?} mail {mails}");
        if dot == 250 {
            assert_eq!(sink.holds(&canary), mails + 1, "{switches:?}: answered with 250 and not there, or twice");
        }
    }
    let (told, answer) = gateway.send(&[LATE], &mail(b"secret\r\n")).await;
    // What the hop says of a recipient stands, also where the mail would have been sealed.
    let expected = if dot == 0 { (rcpt, 0) } else { (250, 250) };
    assert_eq!((told[0], answer.map_or(0, |reply| reply.code())), expected, "{switches:?}: a confidential mail");
    assert_eq!(sink.holds("secret"), 0, "{switches:?}");
}

#[tokio::test]
async fn every_switch_of_smtp_sink() {
    let mut running = JoinSet::new();
    for case in CASES {
        while running.len() >= 10 {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(check(case));
    }
    running.join_all().await;
}
