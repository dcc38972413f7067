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
use zegel::nexthop::{self, Host, NextHop, Routes, Tls};
use zegel::policy::{self, Home};
use zegel::receive::{self, Listener, Settings, TlsConfig};
use zegel::relay::{self, Relay};
use zegel::seal::code::Cost;
use zegel::seal::keyring::RootKeyring;
use zegel::store::Store;

use crate::next_hop::FakeHop;

/// Nothing here takes this long, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Gateway {
    pub address: SocketAddr,
    pub stop: CancellationToken,
    /// Ends when every session has.
    pub serving: JoinHandle<()>,
    pub certificate: CertificateDer<'static>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub fn settings() -> Settings {
    let listener = Listener {
        name: "relay".into(),
        address: "127.0.0.1:0".parse().unwrap(),
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        sender_domains: [].into(),
        tenants: [].into(),
        require_tls: false,
    };
    Settings {
        hostname: "zegel.example".to_owned(),
        listeners: vec![listener],
        max_size: 10_000,
        max_recipients: 100,
        max_sessions: 100,
        command_timeout: Duration::from_mins(5),
        data_timeout: Duration::from_mins(3),
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
        let serving = bound.serve(settings, relay(hop).await, tls, Arc::new(SystemClock), stop.clone());
        Self { address, stop, serving: tokio::spawn(serving), certificate: cert.der().clone() }
    }

    pub async fn connect(&self) -> Client<TcpStream> {
        Client { stream: TcpStream::connect(self.address).await.unwrap(), buffer: Vec::new() }
    }
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
    let host = Host { name: hop.address.ip().to_string(), port: hop.address.port() };
    let hop = NextHop::new(nexthop::Settings {
        name: "behind".to_owned(),
        hosts: vec![host],
        tls: Tls::Off,
        login: None,
        helo: "zegel.example".to_owned(),
        max_connections: 16,
        lease_wait: PATIENCE,
        connect_timeout: PATIENCE,
        command_timeout: PATIENCE,
        dot_timeout: PATIENCE,
    })
    .unwrap();
    hop.probe().await.unwrap();
    let store = Store::in_memory(RootKeyring::generate(&OsEntropy), Arc::new(SystemClock), Arc::new(OsEntropy));
    let intake = intake::Settings {
        max_size: 1024 * 1024,
        cost: Cost { memory_kib: 8, passes: 1, lanes: 1 },
        strict_cost: Cost { memory_kib: 8, passes: 1, lanes: 1 },
        hashers: 1,
        language: "nl".to_owned(),
    };
    let relay = relay::Settings {
        hostname: "zegel.example".to_owned(),
        max_header: 64 * 1024,
        collect: 256 * 1024,
        max_received: 50,
    };
    let policy = policy::Settings {
        home: Home { domains: DomainSet::Listed(vec!["b.example".parse().unwrap()]), fallback: None },
        rules: Vec::new(),
        tags: vec!["veilig".to_owned()],
        expires: Duration::from_hours(24),
        mode: policy::Mode::Assisted,
    };
    let intake = Intake::new(intake, store, Arc::new(SystemClock), Arc::new(OsEntropy));
    let routes = Routes { by_recipient: Vec::new(), default: hop };
    Relay::new(relay, Arc::new(policy), routes, intake, Arc::new(SystemClock), Arc::new(OsEntropy))
}

/// An SMTP client that says what it is told to and reads replies line by line.
pub struct Client<S> {
    pub stream: S,
    buffer: Vec<u8>,
}

impl Client<TcpStream> {
    /// The TLS handshake after 220.
    pub async fn secure(
        self,
        certificate: &CertificateDer<'static>,
    ) -> Client<tokio_rustls::client::TlsStream<TcpStream>> {
        assert!(self.buffer.is_empty());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect("zegel.example".try_into().unwrap(), self.stream).await.unwrap();
        Client { stream, buffer: Vec::new() }
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
