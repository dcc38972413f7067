//! What the system calls say: a mail is on disk before its 250 is on the wire, and one sync of the journal serves many mails.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;

use crate::support::client::{self, Client};
use crate::support::gateway::{Gateway, Site};
use crate::support::reader::{ANNA, SEAL_DOCTORS, letter, links_for, long_text};
use crate::support::sink::Sink;
use crate::support::strace::{self, Call};
use crate::support::until;

const CALLS: &str =
    "trace=openat,write,pwrite64,writev,fdatasync,fsync,sync_file_range,rename,renameat,renameat2,sendto,sendmsg";

/// Whether the call is one of `names`, worked, and has `part` in its arguments.
fn is(call: &Call, names: &[&str], part: &str) -> bool {
    names.contains(&call.name.as_str()) && call.result().is_some() && call.arguments.contains(part)
}

/// strace at work on a gateway.
struct Trace {
    child: Child,
    file: std::path::PathBuf,
}

impl Trace {
    /// Follows every thread that there is and will be, with `more` options.
    fn attach(gateway: &Gateway, folder: &Path, more: &[&str]) -> Self {
        let file = folder.join("trace");
        let child = Command::new("strace")
            .args(["-f", "-y", "-s", "48", "-e", CALLS, "-o"])
            .arg(&file)
            .args(more)
            .args(["-p", &gateway.pid().to_string()])
            .stderr(Stdio::null())
            .spawn()
            .expect("strace is not installed: run tests/setup");
        let tracer = child.id().to_string();
        until("strace follows every thread", || {
            let threads = fs::read_dir(format!("/proc/{}/task", gateway.pid())).unwrap();
            let followed = |thread: fs::DirEntry| {
                let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
                status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|by| by.trim() == tracer))
            };
            threads.flatten().all(followed).then_some(())
        });
        Self { child, file }
    }

    /// Lets the gateway go; what was seen.
    fn end(mut self) -> Vec<Call> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
        strace::calls(&fs::read_to_string(&self.file).unwrap())
    }
}

const SENT: [&str; 4] = ["sendto", "sendmsg", "write", "writev"];
const SYNC: [&str; 2] = ["fdatasync", "fsync"];
const RENAME: [&str; 3] = ["rename", "renameat", "renameat2"];

#[test]
fn a_mail_is_on_disk_before_its_250_is_on_the_wire() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    let gateway = site.start();
    // The contact and its code are there already, so that the traced mail makes one commit.
    client::send(gateway.smtp, ANNA, &["jan@example.nl"], &letter("eerst", "[veilig] a", "x"));
    links_for(&sink, "jan@example.nl", 1);
    until("the first mail is done with", || {
        site.ask(&["queue", "list"])["jobs"].as_array().unwrap().is_empty().then_some(())
    });
    let trace = Trace::attach(&gateway, site.folder(), &[]);
    let mail = letter("groot", "[veilig] groot", &long_text("kanarie", 300_000));
    let (_, reply) = client::send(gateway.smtp, ANNA, &["jan@example.nl"], &mail);
    assert_eq!(reply.code, 250);
    let calls = trace.end();

    // The answer to the dot is the only 250 behind the 354.
    let after = calls.iter().position(|call| is(call, &SENT, "\"354 ")).expect("the 354");
    let answer = calls[after..].iter().find(|call| is(call, &SENT, "\"250 ")).expect("the answer to the dot");
    let first = |what: &str, from: usize, names: &[&str], part: &str| {
        let found = calls.iter().find(|call| call.begun > from && is(call, names, part));
        let found = found.unwrap_or_else(|| panic!("no {what} behind line {from}: {calls:#?}"));
        assert!(found.ended < answer.begun, "{what} only behind the 250: {found:?} {answer:?}");
        found
    };
    let start = calls[after].begun;
    let body = first("fdatasync of the body", start, &SYNC, "/bodies/part/");
    let written = calls.iter().rposition(|call| is(call, &["pwrite64", "write"], "/bodies/part/")).unwrap();
    assert!(calls[written].ended < body.begun, "bytes of the body behind its sync");
    let named = first("rename of the body", body.ended, &RENAME, "/bodies/part/");
    let folder = first("fsync of the body's folder", named.ended, &SYNC, "/bodies/");
    assert!(!folder.arguments.contains("/part"), "{folder:?}");
    let frame = first("frame in the journal", folder.ended, &["pwrite64", "write"], "/journal/");
    first("fdatasync of the journal", frame.ended, &SYNC, "/journal/");
    assert!(gateway.stop().success());
}

#[test]
fn one_sync_of_the_journal_serves_many_mails() {
    const CLIENTS: usize = 32;
    const EACH: usize = 4;
    // A server that never greets: no notice gets through, so that only mails are committed while this is counted.
    let behind = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = Site::new(behind.local_addr().unwrap(), SEAL_DOCTORS);
    site.change("connect_timeout = \"2s\"", "connect_timeout = \"5m\"");
    let gateway = site.start();
    let send = |client: &mut Client, name: &str| {
        let (_, reply) = client.send(ANNA, &["dokter@arts.example"], &letter(name, "brief", "x")).unwrap();
        assert_eq!(reply.code, 250, "{reply:?}");
    };
    send(&mut Client::connect(gateway.smtp).unwrap(), "eerst");
    // A disk whose syncs take long, so that the figure does not hang on this machine's.
    let trace = Trace::attach(&gateway, site.folder(), &["-e", "inject=fdatasync:delay_exit=50000"]);
    let together = Barrier::new(CLIENTS);
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (gateway, together) = (&gateway, &together);
            scope.spawn(move || {
                let mut client = Client::connect(gateway.smtp).unwrap();
                together.wait();
                (0..EACH).for_each(|mail| send(&mut client, &format!("{number}-{mail}")));
            });
        }
    });
    let calls = trace.end();
    let taken = CLIENTS * EACH;
    let syncs = calls.iter().filter(|call| is(call, &SYNC, "/journal/")).count();
    println!("{syncs} syncs of the journal for {taken} mails of {CLIENTS} clients");
    assert!(syncs > 0, "no sync seen");
    assert!(syncs * 2 <= taken, "{syncs} syncs for {taken} mails");
    // Not by leaving syncs out: when a 250 goes out, every frame written before it is synced.
    let frames = calls.iter().filter(|call| is(call, &["pwrite64", "write"], "/journal/")).count();
    assert!(syncs >= frames, "{frames} frames, {syncs} syncs");
    drop(gateway);
}
