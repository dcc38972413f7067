//! The gateway as a process of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A data folder with config and key, which outlives several runs of the gateway.
pub struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    /// With `next_hop` behind; `extra` is added to the config.
    pub fn new(next_hop: SocketAddr, extra: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let site = Self { folder };
        site.configure(next_hop, extra);
        let made = site.command(&["keys", "new", site.path("root.keys").to_str().unwrap()]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        site
    }

    /// Writes the config anew.
    pub fn configure(&self, next_hop: SocketAddr, extra: &str) {
        let text = format!(
            r#"organisation = {{ name = "Voorbeeld Zorg", phone = "010 - 000 00 00" }}
home = {{ domains = ["voorbeeld.example"], next_hop = "behind", fallback = "veiligmailen@voorbeeld.example" }}
mail = {{ hostname = "zegel.voorbeeld.example", from = "veiligmailen@voorbeeld.example", bounce_domain = "retour.voorbeeld.example" }}
page = {{ origin = "https://veilig.voorbeeld.example", listen = ["127.0.0.1:0"], trusted_proxies = ["127.0.0.1"] }}
store = {{ folder = "data", min_free = "1 MiB" }}
keys = {{ root = "root.keys" }}
control = {{ socket = "control.sock" }}
log = {{ level = "trace" }}
[[listener]]
name = "front"
address = "127.0.0.1:0"
networks = ["127.0.0.0/8"]
[[next_hop]]
name = "behind"
hosts = ["{next_hop}"]
tls = "off"
wait = "2s"
connect_timeout = "2s"
{extra}"#
        );
        fs::write(self.path("zegel.toml"), text).unwrap();
    }

    /// Changes the config: `old`, which stands there once, becomes `new`.
    pub fn change(&self, old: &str, new: &str) {
        let text = fs::read_to_string(self.path("zegel.toml")).unwrap();
        assert_eq!(text.matches(old).count(), 1, "{old} in {text}");
        fs::write(self.path("zegel.toml"), text.replace(old, new)).unwrap();
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A program in this folder. What the environment of the tests says of themselves (`ZEGEL_ROUNDS`) is no config.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.current_dir(self.folder());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"ZEGEL_")) {
            command.env_remove(name);
        }
        command
    }

    /// Runs a `zegel` command to its end.
    pub fn command(&self, arguments: &[&str]) -> std::process::Output {
        self.program(env!("CARGO_BIN_EXE_zegel")).args(arguments).output().unwrap()
    }

    /// Runs a command that reads this site's config, and returns its JSON answer.
    pub fn ask(&self, arguments: &[&str]) -> serde_json::Value {
        let mut all = arguments.to_vec();
        all.extend(["--json", "--config", "zegel.toml"]);
        let output = self.command(&all);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str(&text)
            .unwrap_or_else(|_| panic!("{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Starts the gateway, and waits until it serves.
    pub fn start(&self) -> Gateway {
        self.start_under(&[])
    }

    /// The same under another program, e.g. `strace -f`.
    pub fn start_under(&self, prefix: &[&str]) -> Gateway {
        self.try_start(prefix).unwrap_or_else(|log| panic!("the gateway does not start:\n{log}"))
    }

    /// The same; the log when it ends instead of serving.
    pub fn try_start(&self, prefix: &[&str]) -> Result<Gateway, String> {
        let mut words = prefix.to_vec();
        words.extend([env!("CARGO_BIN_EXE_zegel"), "serve", "--config", "zegel.toml"]);
        let mut child = self
            .program(words[0])
            .args(&words[1..])
            .env("RUST_BACKTRACE", "full")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, serving) = mpsc::channel();
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, kept) = (child.stderr.take().unwrap(), log.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(places) = Places::read(&line) {
                    let _ = sender.send(places);
                }
                let mut log = kept.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        let Ok(Places { smtp, others, page, metrics }) = serving.recv_timeout(Duration::from_mins(1)) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(log.lock().unwrap().clone());
        };
        Ok(Gateway { child, smtp, others, page, metrics, log })
    }
}

/// Where it serves, from the line of the log that says so.
struct Places {
    smtp: SocketAddr,
    others: Vec<SocketAddr>,
    page: SocketAddr,
    metrics: Option<SocketAddr>,
}

impl Places {
    fn read(line: &str) -> Option<Self> {
        let (_, rest) = line
            .split_once("serving")
            .filter(|(_, rest)| rest.contains("smtp=["))
            .or_else(|| line.split_once("\"message\":\"serving\""))?;
        // Text and JSON name them in the same order.
        let read = |part: &str| -> Vec<SocketAddr> {
            part.split(['[', ']', '(', ')', ' ', ',', '"']).filter_map(|word| word.parse().ok()).collect()
        };
        let (smtp, rest) = rest.split_once(']')?;
        let (smtp, rest) = (read(smtp), read(rest));
        let (first, others) = smtp.split_first()?;
        Some(Self { smtp: *first, others: others.to_vec(), page: *rest.first()?, metrics: rest.get(1).copied() })
    }
}

/// A running gateway; killed when dropped.
pub struct Gateway {
    child: Child,
    /// Where it takes mail.
    pub smtp: SocketAddr,
    /// Where its further listeners are.
    pub others: Vec<SocketAddr>,
    /// Where its page is.
    pub page: SocketAddr,
    /// Where its metrics are, if the config says so.
    pub metrics: Option<SocketAddr>,
    log: Arc<Mutex<String>>,
}

impl Gateway {
    /// Everything logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Its process id (of the outer program, under one).
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, and its end.
    pub fn stop(self) -> ExitStatus {
        self.end_by(rustix::process::Signal::TERM)
    }

    /// A signal, and its end.
    pub fn end_by(mut self, signal: rustix::process::Signal) -> ExitStatus {
        self.signal(signal);
        self.child.wait().unwrap()
    }

    /// SIGKILL, and its end.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
