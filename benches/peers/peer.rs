//! The peers: what could stand where the gateway stands, each started from a folder of its own on ports of its own.

use std::any::Any;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::floor::Floor;
use super::gateway::Gateway;
use super::load::Sink;
use super::postfix::{Postfix, Role};
use super::process::{Process, free_address, is_installed, opens};

/// What stands between client and server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nothing: the ceiling.
    Direct,
    /// This gateway.
    Gateway,
    /// Another build of it, to compare with (`--other PROGRAM`).
    Other,
    /// The least that reads every command ([`super::floor`]).
    Floor,
    /// haproxy in TCP mode, which does not even read the mail.
    Haproxy,
    /// Postfix that passes each mail on before it answers (`smtpd_proxy_filter`).
    ProxyFilter,
    /// Postfix with a queue.
    Relay,
    /// Haraka with `smtp_forward`.
    Haraka,
    /// Postfix with a content filter that encrypts each mail with gpg.
    Gpg,
}

impl Kind {
    /// As tables and JSON name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Gateway => "zegel",
            Self::Other => "zegel-other",
            Self::Floor => "floor",
            Self::Haproxy => "haproxy",
            Self::ProxyFilter => "postfix-proxy-filter",
            Self::Relay => "postfix-relay",
            Self::Haraka => "haraka",
            Self::Gpg => "postfix-gpg",
        }
    }

    /// Starts it with a server behind. The error says what is missing.
    pub fn start(self) -> Result<Bed, String> {
        let sink = Sink::start();
        let (address, id, own): (SocketAddr, u32, Box<dyn Any>) = match self {
            Self::Direct => (sink.address, sink.id(), Box::new(())),
            Self::Gateway => {
                let gateway = Gateway::start(sink.address, None)?;
                (gateway.address, gateway.id(), Box::new(gateway))
            }
            Self::Other => {
                let program = other().ok_or("no --other PROGRAM")?;
                let gateway = Gateway::start_program(&program, sink.address, None)?;
                (gateway.address, gateway.id(), Box::new(gateway))
            }
            Self::Floor => {
                let floor = Floor::start(sink.address)?;
                (floor.address, floor.process.id(), Box::new(floor))
            }
            Self::Haproxy => {
                let haproxy = Haproxy::start(sink.address)?;
                (haproxy.address, haproxy.process.id(), Box::new(haproxy))
            }
            Self::ProxyFilter | Self::Relay | Self::Gpg => {
                let role = match self {
                    Self::ProxyFilter => Role::ProxyFilter,
                    Self::Relay => Role::Relay,
                    _ => Role::Gpg,
                };
                let postfix = Postfix::start(role, sink.address)?;
                (postfix.address, postfix.id(), Box::new(postfix))
            }
            Self::Haraka => {
                let haraka = Haraka::start(sink.address)?;
                (haraka.address, haraka.process.id(), Box::new(haraka))
            }
        };
        Ok(Bed { kind: self, address, id, sink, _own: own })
    }
}

/// A peer with its server behind. Dropped, both end.
pub struct Bed {
    /// Which one.
    pub kind: Kind,
    /// Where it takes mail.
    pub address: SocketAddr,
    /// Its process id.
    pub id: u32,
    _own: Box<dyn Any>,
    /// What is behind it.
    pub sink: Sink,
}

/// The other build that was asked for.
pub fn other() -> Option<String> {
    std::env::args().skip_while(|argument| argument != "--other").nth(1)
}

/// haproxy between two ports.
pub struct Haproxy {
    pub process: Process,
    pub address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Haproxy {
    /// In front of `behind`.
    pub fn start(behind: SocketAddr) -> Result<Self, String> {
        missing_unless("haproxy")?;
        let (folder, address) = (folder("haproxy"), free_address());
        let config = folder.path().join("haproxy.cfg");
        let text = format!(
            "global\n  maxconn 4000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n\
             frontend front\n  bind {address}\n  default_backend back\nbackend back\n  server sink {behind}\n"
        );
        fs::write(&config, text).expect("a config");
        let mut command = Command::new(program("haproxy"));
        command.args(["-q", "-db", "-f"]).arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::start(&mut command).ok_or("haproxy does not start")?;
        if opens(address) {
            Ok(Self { process, address, _folder: folder })
        } else {
            Err("haproxy does not listen".into())
        }
    }
}

/// Haraka with its `smtp_forward`.
struct Haraka {
    process: Process,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Haraka {
    fn start(behind: SocketAddr) -> Result<Self, String> {
        let program = haraka();
        if !program.is_file() {
            return Err("not installed (benches/peers/setup)".into());
        }
        let (folder, address) = (folder("haraka"), free_address());
        let config = folder.path().join("config");
        fs::create_dir(&config).expect("a folder");
        fs::create_dir(folder.path().join("queue")).expect("a folder");
        let files = [
            ("smtp.ini", format!("listen={address}\nnodes=0\n")),
            ("plugins", "rcpt_to.in_host_list\nqueue/smtp_forward\n".to_owned()),
            ("host_list", "example.nl\n".to_owned()),
            ("smtp_forward.ini", format!("host={}\nport={}\n", behind.ip(), behind.port())),
            ("loglevel", "ERROR\n".to_owned()),
            ("log.ini", "level=ERROR\n".to_owned()),
            ("databytes", "100000000\n".to_owned()),
            ("me", "haraka.voorbeeld.example\n".to_owned()),
        ];
        for (name, text) in files {
            fs::write(config.join(name), text).expect("a config");
        }
        // It reads nothing else of its own where this one is missing.
        let shipped = program.ancestors().nth(2).unwrap_or(&program).join("config/connection.ini");
        fs::copy(shipped, config.join("connection.ini")).map_err(|error| error.to_string())?;
        let mut command = Command::new("node");
        command.arg(&program).arg("-c").arg(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::start(&mut command).ok_or("node is not installed")?;
        if opens(address) {
            Ok(Self { process, address, _folder: folder })
        } else {
            Err("Haraka does not listen".into())
        }
    }
}

/// Where `benches/peers/setup` puts it.
fn haraka() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/node_modules/Haraka/bin/haraka")
}

/// A folder that other users may look into, as Postfix's own users must.
pub fn folder(name: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::Builder::new().prefix(&format!("zegel-bench-{name}-")).tempdir_in("/tmp").expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a folder");
    folder
}

/// The error that names a program that is not there.
pub fn missing_unless(program: &str) -> Result<(), String> {
    if is_installed(program) { Ok(()) } else { Err(format!("{program} is not installed (benches/peers/setup)")) }
}

/// Debian keeps servers where an ordinary PATH does not look.
pub fn program(name: &str) -> PathBuf {
    let server = Path::new("/usr/sbin").join(name);
    if server.is_file() { server } else { name.into() }
}
