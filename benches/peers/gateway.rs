//! The gateway itself, as its package would run it: the real program, its own data folder, log level "info".

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::process::Process;

/// Certificates of both sides of the gateway.
pub struct Tls {
    /// What it shows to clients: chain and key.
    pub own: (PathBuf, PathBuf),
    /// Whom it trusts behind.
    pub ca: PathBuf,
}

/// A running gateway.
pub struct Gateway {
    process: Process,
    /// Where it takes mail.
    pub address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Gateway {
    /// This very build in front of `behind`, with TLS on both sides or without.
    pub fn start(behind: SocketAddr, tls: Option<&Tls>) -> Result<Self, String> {
        Self::start_program(env!("CARGO_BIN_EXE_zegel"), behind, tls)
    }

    /// Another build.
    pub fn start_program(program: &str, behind: SocketAddr, tls: Option<&Tls>) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("zegel-bench-").tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("a folder");
        fs::write(folder.path().join("zegel.toml"), config(behind, tls)).expect("a config");
        let made = untouched(program).args(["keys", "new"]).arg(folder.path().join("root.keys")).output();
        made.map_err(|error| error.to_string())?;
        let log = folder.path().join("log");
        let mut command = untouched(program);
        command.args(["serve", "--config", "zegel.toml"]).current_dir(folder.path()).stdout(Stdio::null());
        command.stderr(File::create(&log).expect("a log"));
        let process = Process::start(&mut command).ok_or("the gateway does not start")?;
        match serving(&log) {
            Some(address) => Ok(Self { process, address, _folder: folder }),
            None => Err(format!("the gateway does not serve: {}", fs::read_to_string(&log).unwrap_or_default())),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

/// The program, without what the environment may say about its config.
fn untouched(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ZEGEL_")) {
        command.env_remove(name);
    }
    command
}

/// The address of its listener, once it says so.
fn serving(log: &Path) -> Option<SocketAddr> {
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        let text = fs::read_to_string(log).unwrap_or_default();
        let found = text.split_once("serving smtp=[").and_then(|(_, rest)| rest.split_once(']'));
        if let Some(address) = found.and_then(|(address, _)| address.parse().ok()) {
            return Some(address);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

fn config(behind: SocketAddr, tls: Option<&Tls>) -> String {
    let (own, hop) = match tls {
        Some(tls) => (
            format!("certificate = \"{}\"\nkey = \"{}\"", tls.own.0.display(), tls.own.1.display()),
            format!("hosts = [\"{behind}\"]\ntls = \"verified\"\nca = \"{}\"", tls.ca.display()),
        ),
        None => (String::new(), format!("hosts = [\"{behind}\"]\ntls = \"off\"")),
    };
    format!(
        r#"organisation = {{ name = "Voorbeeld Zorg", phone = "010 - 000 00 00" }}
home = {{ domains = ["voorbeeld.example"], next_hop = "behind", fallback = "veiligmailen@voorbeeld.example" }}
page = {{ origin = "https://veilig.voorbeeld.example", listen = ["127.0.0.1:0"], trusted_proxies = ["127.0.0.1"] }}
store = {{ folder = "data", min_free = "1 MiB" }}
keys = {{ root = "root.keys" }}
control = {{ socket = "control.sock" }}
[mail]
hostname = "zegel.voorbeeld.example"
from = "veiligmailen@voorbeeld.example"
bounce_domain = "retour.voorbeeld.example"
{own}
[[listener]]
name = "front"
address = "127.0.0.1:0"
networks = ["127.0.0.0/8"]
[[next_hop]]
name = "behind"
max_connections = 100
{hop}
"#
    )
}
