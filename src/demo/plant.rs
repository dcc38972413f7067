//! The gateway of the demo: a data folder that goes at the end, a key in memory, ports on loopback.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::mailbox::{self, Mailbox};
use super::{DemoError, sample};
use crate::base::{OsEntropy, SystemClock};
use crate::config::Config;
use crate::daemon::{self, Running};
use crate::mail::{DomainSet, MailFrom, RcptTo};
use crate::nexthop::{self, NextHop};
use crate::policy;
use crate::seal::keyring::RootKeyring;
use crate::sms::{Kind, ProviderSettings};

/// Which ports are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// The same at every start where they are free.
    Usual,
    /// Whatever the system chooses.
    Any,
}

/// Ports that people can remember: SMTP, page, mailbox page.
const USUAL: [u16; 3] = [2525, 8025, 8026];

/// A running demo.
#[derive(Debug)]
pub struct Plant {
    /// The gateway.
    pub running: Running,
    /// Its next hop.
    pub mailbox: Mailbox,
    folder: PathBuf,
}

impl Plant {
    /// Starts mailbox and gateway.
    pub async fn start(ports: Ports) -> Result<Self, DemoError> {
        let [smtp, page, box_page] = USUAL.map(|port| free(port, ports));
        let mailbox = mailbox::start(any(), box_page).await.map_err(DemoError::new)?;
        let entropy = OsEntropy;
        let name = crate::base::MessageId::random(&entropy).to_string();
        let folder = std::env::temp_dir().join(format!("zegel-demo-{}", name.get(..8).unwrap_or_default()));
        fs::DirBuilder::new().mode(0o700).create(&folder).map_err(DemoError::new)?;
        let mut config = config(&folder, smtp, page, mailbox.addresses().smtp)?;
        let (name, timeout) = ("scherm".to_owned(), Duration::from_secs(10));
        config.sms.providers = vec![ProviderSettings { name, timeout, kind: Kind::Screen(mailbox.screen()) }];
        config.intake.numbers = Some(config.sms.numbers.clone());
        config.web.sends_sms = true;
        let keyring = RootKeyring::generate(&entropy);
        let running = daemon::start(config, keyring, Arc::new(SystemClock), Arc::new(entropy)).await;
        match running {
            Ok(running) => Ok(Self { running, mailbox, folder }),
            Err(cause) => {
                remove(&folder);
                Err(DemoError::new(cause))
            }
        }
    }

    /// Where mail is taken.
    pub fn smtp(&self) -> SocketAddr {
        self.running.smtp.first().copied().unwrap_or_else(any)
    }

    /// Where the page is.
    pub fn page(&self) -> SocketAddr {
        self.running.page.first().copied().unwrap_or_else(any)
    }

    /// The config file of this demo, for other commands.
    pub fn config_file(&self) -> PathBuf {
        self.folder.join("zegel.toml")
    }

    /// The folder with everything that is stored.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Hands a mail to the gateway as a mail server would.
    pub async fn submit(&self, mail: &sample::Sample) -> Result<(), DemoError> {
        let client = NextHop::new(hop_settings(self.smtp())).map_err(DemoError::new)?;
        let from = MailFrom { path: Some(mail.from.clone()), params: Vec::new() };
        let to = RcptTo { address: mail.to.clone(), params: Vec::new() };
        let reply = client.send(&from, &to, &mail.raw).await.map_err(DemoError::new)?;
        client.close().await;
        if reply.is_positive() { Ok(()) } else { Err(DemoError(format!("the gateway answered {reply}"))) }
    }

    /// Stops everything and removes the folder.
    pub async fn stop(self) -> Result<(), DemoError> {
        let drained = self.running.stop().await;
        self.mailbox.stop().await;
        remove(&self.folder);
        if drained { Ok(()) } else { Err(DemoError("the gateway did not stop in time".to_owned())) }
    }
}

fn remove(folder: &Path) {
    if let Err(cause) = fs::remove_dir_all(folder) {
        eprintln!("zegel: {} stays behind: {cause}", folder.display());
    }
}

fn any() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// The usual port when it is free, else one that the system chooses.
fn free(port: u16, ports: Ports) -> SocketAddr {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let taken = || std::net::TcpListener::bind(usual).is_err();
    if ports == Ports::Any || taken() { any() } else { usual }
}

/// The config as a file, so that the other commands can be tried on the demo, with what only the demo may do set after it.
fn config(folder: &Path, smtp: SocketAddr, page: SocketAddr, next_hop: SocketAddr) -> Result<Config, DemoError> {
    let text = format!(
        r#"# The demo's config; see config/zegel.toml for what each key means.
organisation = {{ name = "Voorbeeld Zorg", phone = "010 - 000 00 00" }}
home = {{ domains = ["voorbeeld.example"], next_hop = "mailbox", fallback = "veiligmailen@voorbeeld.example" }}
mail = {{ hostname = "zegel.voorbeeld.example", from = "veiligmailen@voorbeeld.example", bounce_domain = "retour.voorbeeld.example" }}
page = {{ origin = "https://veilig.voorbeeld.example", listen = ["{page}"], trusted_proxies = ["192.0.2.1"] }}
store = {{ folder = "data", min_free = "1 MiB" }}
control = {{ socket = "control.sock" }}
[[listener]]
name = "demo"
address = "{smtp}"
networks = ["127.0.0.0/8"]
[[next_hop]]
name = "mailbox"
hosts = ["{next_hop}"]
tls = "off"
"#
    );
    let file = folder.join("zegel.toml");
    fs::write(&file, &text).map_err(DemoError::new)?;
    let mut config = Config::parse(&file, &text, std::collections::HashMap::new()).map_err(DemoError::new)?;
    config.web.demo = true;
    config.web.trusted_proxies = Vec::new();
    let home = policy::Home { domains: DomainSet::Every, ..config.policy.home.clone() };
    config.policy = Arc::new(policy::Settings { home, ..(*config.policy).clone() });
    Ok(config)
}

/// The gateway as a mail server sees it.
fn hop_settings(address: SocketAddr) -> nexthop::Settings {
    let host = nexthop::Host { name: address.ip().to_string(), port: address.port() };
    let settings = nexthop::Settings::new("gateway", vec![host], "anna.voorbeeld.example");
    nexthop::Settings { tls: nexthop::Tls::Off, max_connections: 2, ..settings }
}
