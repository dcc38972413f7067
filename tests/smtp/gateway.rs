//! Real listeners on loopback, with a real relay, a store in memory and a scripted next hop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zegel::base::{OsEntropy, SystemClock};
use zegel::intake::{self, Intake};
use zegel::mail::DomainSet;
use zegel::nexthop::{self, Host, NextHop, Routes, Tls, Waits};
use zegel::policy::{self, Home};
use zegel::receive::{self, Kind, Limits, Listener, Served, Services, Settings, TlsConfig};
use zegel::relay::{self, Relay};
use zegel::seal::code::Cost;
use zegel::seal::hashers::Memory;
use zegel::seal::keyring::RootKeyring;
use zegel::seal::password::PasswordHash;
use zegel::store::Store;
use zegel::users::file::{List, User};
use zegel::users::{self, Users};

use crate::next_hop::FakeHop;

/// Nothing here takes this long, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes for mails under way, and the wait for them.
pub const MEMORY: u64 = 1 << 20;
pub const MEMORY_WAIT: Duration = Duration::from_millis(300);

pub struct Gateway {
    pub address: SocketAddr,
    pub stop: CancellationToken,
    /// Ends when every session has.
    pub serving: JoinHandle<()>,
    pub certificate: CertificateDer<'static>,
    pub served: Served,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub fn settings() -> Settings {
    let listener = Listener {
        name: "relay".into(),
        kind: Kind::Relay,
        address: "127.0.0.1:0".parse().unwrap(),
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        sender_domains: [].into(),
        proxies: Vec::new(),
        xclient: Vec::new(),
        tenants: [].into(),
        stamp: None,
        clients: None,
        require_tls: false,
        implicit_tls: false,
    };
    Settings {
        hostname: "zegel.example".to_owned(),
        listeners: vec![listener],
        max_size: 10_000,
        max_recipients: 100,
        command_timeout: Duration::from_mins(5),
        data_timeout: Duration::from_mins(3),
        bounce_domain: "bounce.example".parse().unwrap(),
        limits: Limits { sessions: 100, ..Limits::default() },
    }
}

impl Gateway {
    /// In front of `hop`, whose extensions are known already.
    pub async fn start(settings: Settings, hop: &FakeHop, starttls: bool) -> Self {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["zegel.example".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let tls: TlsConfig = Arc::new(ArcSwapOption::empty());
        if starttls {
            tls.store(Some(Arc::new(server_config(cert.der().clone(), key))));
        }
        let bound = receive::bind(&settings).await.unwrap();
        let address = *bound.addresses().first().unwrap();
        let stop = CancellationToken::new();
        let users = settings.listeners.iter().any(|listener| listener.kind == Kind::Submission).then(the_users);
        let services = Services {
            relay: relay(hop).await,
            tls,
            users,
            clock: Arc::new(SystemClock),
            metrics: zegel::metrics::Smtp::default(),
            pulse: zegel::base::Pulse::default(),
        };
        let served = Served::new(settings, services);
        let serving = tokio::spawn(bound.serve(served.clone(), stop.clone()));
        Self { address, stop, serving, served, certificate: cert.der().clone() }
    }

    pub async fn connect(&self) -> Client<TcpStream> {
        Client::to(self.address).await
    }
}

/// The name and password that every submission listener of these tests knows; its sender is `a@b.example`.
pub const USER: (&str, &str) = ("jan", "secret password");

fn the_users() -> Users {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.toml");
    let cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
    let hash = PasswordHash::new(USER.1.as_bytes(), cost, &OsEntropy, &mut Memory::default()).unwrap();
    let user = User::new(USER.0, hash, vec!["a@b.example".to_owned()]).unwrap();
    List::change(&file, |list| list.add(user)).unwrap();
    let settings = users::Settings { file, hashers: 1, limits: users::Limits::default() };
    Users::load(settings, Arc::new(OsEntropy)).unwrap()
}

fn server_config(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap()
}

async fn relay(hop: &FakeHop) -> Relay {
    let hop = next_hop(hop.address, PATIENCE);
    hop.probe().await.unwrap();
    relay_through(hop)
}

/// To a server that need not be there yet; `wait` for a free connection.
pub fn relay_to(address: SocketAddr, wait: Duration) -> Relay {
    relay_through(next_hop(address, wait))
}

fn next_hop(address: SocketAddr, lease_wait: Duration) -> NextHop {
    let host = Host { name: address.ip().to_string(), port: address.port() };
    let waits = Waits { lease: lease_wait, command: PATIENCE, data: PATIENCE, dot: PATIENCE, ..Waits::default() };
    let settings = nexthop::Settings::new("behind", vec![host], "zegel.example");
    NextHop::new(nexthop::Settings { tls: Tls::Off, max_connections: 16, waits, ..settings }).unwrap()
}

fn relay_through(hop: NextHop) -> Relay {
    let store = Store::in_memory(RootKeyring::generate(&OsEntropy), Arc::new(SystemClock), Arc::new(OsEntropy));
    let intake = intake::Settings {
        max_size: 1024 * 1024,
        cost: Cost { memory_kib: 8, passes: 1, lanes: 1 },
        strict_cost: Cost { memory_kib: 8, passes: 1, lanes: 1 },
        hashers: 1,
        language: "nl".to_owned(),
        numbers: Some(zegel::sms::Numbers::default()),
    };
    let relay = relay::Settings {
        hostname: "zegel.example".to_owned(),
        max_header: 64 * 1024,
        collect: 256 * 1024,
        max_received: 50,
        memory: MEMORY,
        memory_wait: MEMORY_WAIT,
        answer_domain: None,
    };
    let policy = policy::Settings {
        home: Home { domains: DomainSet::Listed(vec!["b.example".parse().unwrap()]), fallback: None },
        rules: Vec::new(),
        tags: vec!["veilig".to_owned()],
        expires: Duration::from_hours(24),
        mode: policy::Mode::Assisted,
    };
    let intake = Intake::new(intake, store, Arc::new(SystemClock), Arc::new(OsEntropy));
    Relay::new(relay, Arc::new(policy), Routes::all_to(hop), intake, Arc::new(SystemClock), Arc::new(OsEntropy))
}

/// An SMTP client that says what it is told to and reads replies line by line.
pub struct Client<S> {
    pub stream: S,
    buffer: Vec<u8>,
}

/// A certificate that a client shows, with its key.
pub type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Client<TcpStream> {
    pub async fn to(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// Over a connection that was just made.
    pub const fn over(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The TLS handshake after 220.
    pub async fn secure(
        self,
        certificate: &CertificateDer<'static>,
    ) -> Client<tokio_rustls::client::TlsStream<TcpStream>> {
        self.secure_as(certificate, None).await.unwrap()
    }

    /// The same, showing a certificate.
    pub async fn secure_as(
        self,
        certificate: &CertificateDer<'static>,
        shown: Option<Shown>,
    ) -> std::io::Result<Client<tokio_rustls::client::TlsStream<TcpStream>>> {
        assert!(self.buffer.is_empty());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            Some((chain, key)) => config.with_client_auth_cert(chain, key).unwrap(),
            None => config.with_no_client_auth(),
        };
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect("zegel.example".try_into().unwrap(), self.stream).await?;
        Ok(Client { stream, buffer: Vec::new() })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub async fn send(&mut self, bytes: &[u8]) {
        // A server that closed already is seen when its replies are read.
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// The next line of a reply; `None` when the server closed.
    pub async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            let mut space = [0; 4096];
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut space)).await;
            match read.unwrap_or_else(|_| panic!("no reply in time")) {
                Ok(0) | Err(_) => {
                    assert!(self.buffer.is_empty(), "half a reply");
                    return None;
                }
                Ok(len) => self.buffer.extend_from_slice(&space[..len]),
            }
        }
    }

    /// The last line of the next reply.
    pub async fn reply(&mut self) -> String {
        loop {
            let line = self.line().await.unwrap_or_else(|| panic!("closed without a reply"));
            if line.as_bytes().get(3) == Some(&b' ') {
                return line;
            }
        }
    }

    /// Sends commands one by one and expects these codes.
    pub async fn exchange(&mut self, commands: &[(&str, &str)]) {
        for (command, code) in commands {
            if !command.is_empty() {
                self.send(format!("{command}\r\n").as_bytes()).await;
            }
            let reply = self.reply().await;
            assert!(reply.starts_with(code), "{command}: {reply}");
        }
    }
}
