//! Programs that the bench started: ended by their process id when dropped, and what processor time they took.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A running program.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts it; `None` when it is not installed.
    pub fn start(command: &mut Command) -> Option<Self> {
        command.spawn().ok().map(|child| Self { child })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it was started with, e.g. its standard output.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let end = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port on loopback that nobody has now.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port")
}

/// Whether something accepts connections there within half a minute.
pub fn opens(address: SocketAddr) -> bool {
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        if TcpStream::connect(address).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// Whether a program can be run.
pub fn is_installed(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}

/// Processor time of a process and of all that it started, also of those that ended and were waited for. Resolution 10 ms.
pub fn processor_time(root: u32) -> Duration {
    let processes: BTreeMap<u32, (u32, u64)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let id: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((id, stat(id)?))
        })
        .collect();
    let belongs = |mut id: u32| {
        while id > 1 {
            if id == root {
                return true;
            }
            id = processes.get(&id).map_or(0, |(parent, _)| *parent);
        }
        false
    };
    let ticks: u64 = processes.iter().filter(|(id, _)| belongs(**id)).map(|(_, (_, ticks))| ticks).sum();
    Duration::from_millis(ticks * 10)
}

/// Parent, and clock ticks (1/100 s) of the process and its children that ended (proc(5)).
fn stat(id: u32) -> Option<(u32, u64)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some((fields.get(1)?.parse().ok()?, ticks))
}
