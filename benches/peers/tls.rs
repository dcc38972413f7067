//! TLS on both sides. smtp-source and smtp-sink know none, so client and server behind are the bench's own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::gateway::Tls;

/// Host name and address of everything here.
const NAME: &str = "127.0.0.1";

/// One certificate for both servers, and a client that trusts it.
pub struct Pair {
    /// Its files, for the gateway.
    pub files: Tls,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl Pair {
    /// Made anew, with its files in `folder`.
    pub fn make(folder: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).expect("a certificate");
        let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
        fs::write(&chain, made.cert.pem()).expect("a file");
        fs::write(&key, made.signing_key.serialize_pem()).expect("a file");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let certificate: CertificateDer<'static> = made.cert.der().clone();
        let private = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], private)
            .expect("a certificate");
        server.send_tls13_tickets = 0;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).expect("a root");
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            files: Tls { own: (chain.clone(), key), ca: chain },
            acceptor: TlsAcceptor::from(Arc::new(server)),
            connector: TlsConnector::from(Arc::new(client)),
        }
    }

    /// A server that takes every mail, after STARTTLS.
    pub async fn sink(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("a port");
        let acceptor = self.acceptor.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(serve(tcp, acceptor.clone()));
            }
        });
        address
    }

    /// `mails` mails of 4 KiB over `sessions` connections: mails a second.
    pub async fn load(&self, server: SocketAddr, sessions: u32, mails: u64, reconnect: bool) -> Result<f64, String> {
        let begin = Instant::now();
        let each = mails / u64::from(sessions);
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..sessions {
            let connector = self.connector.clone();
            clients.spawn(async move {
                let (connections, on_each) = if reconnect { (each, 1) } else { (1, each) };
                for _ in 0..connections {
                    client(server, &connector, on_each).await.map_err(|error| error.to_string())?;
                }
                Ok::<_, String>(())
            });
        }
        while let Some(ended) = clients.join_next().await {
            ended.map_err(|error| error.to_string())??;
        }
        let mails = u32::try_from(each).unwrap_or(u32::MAX).saturating_mul(sessions);
        Ok(f64::from(mails) / begin.elapsed().as_secs_f64())
    }
}

async fn serve(tcp: TcpStream, acceptor: TlsAcceptor) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut plain = BufReader::new(tcp);
    plain.get_mut().write_all(b"220 behind ESMTP\r\n").await?;
    let mut line = String::new();
    while plain.read_line(&mut line).await? > 0 {
        if line.starts_with("STARTTLS") {
            plain.get_mut().write_all(b"220 go on\r\n").await?;
            let stream = acceptor.accept(plain.into_inner()).await?;
            return commands(BufReader::new(stream)).await;
        }
        plain.get_mut().write_all(b"250-behind\r\n250-PIPELINING\r\n250 STARTTLS\r\n").await?;
        line.clear();
    }
    Ok(())
}

async fn commands<S: AsyncRead + AsyncWrite + Unpin>(mut stream: BufReader<S>) -> std::io::Result<()> {
    let mut line = Vec::new();
    while stream.read_until(b'\n', &mut line).await? > 0 {
        if line.starts_with(b"QUIT") {
            stream.get_mut().write_all(b"221 bye\r\n").await?;
            return stream.get_mut().shutdown().await;
        } else if line.starts_with(b"EHLO") {
            stream.get_mut().write_all(b"250-behind\r\n250-PIPELINING\r\n250 8BITMIME\r\n").await?;
        } else {
            if line.starts_with(b"DATA") {
                say(&mut stream, b"354 go on\r\n").await?;
                while line != b".\r\n" {
                    line.clear();
                    if stream.read_until(b'\n', &mut line).await? == 0 {
                        return Ok(());
                    }
                }
            }
            say(&mut stream, b"250 ok\r\n").await?;
        }
        line.clear();
    }
    Ok(())
}

/// Answers now, unless the client has already sent more.
async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>, text: &[u8]) -> std::io::Result<()> {
    stream.get_mut().write_all(text).await?;
    stream.get_mut().flush().await
}

async fn client(server: SocketAddr, connector: &TlsConnector, mails: u64) -> std::io::Result<()> {
    let tcp = TcpStream::connect(server).await?;
    tcp.set_nodelay(true)?;
    let mut plain = BufReader::new(tcp);
    reply(&mut plain, 220).await?;
    ask(&mut plain, b"EHLO bank.voorbeeld.example\r\n", 250).await?;
    ask(&mut plain, b"STARTTLS\r\n", 220).await?;
    let name = ServerName::try_from(NAME).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(connector.connect(name, plain.into_inner()).await?);
    ask(&mut stream, b"EHLO bank.voorbeeld.example\r\n", 250).await?;
    let line = format!("{}\r\n", "x".repeat(70));
    let mail = format!("From: anna@voorbeeld.example\r\nSubject: een\r\n\r\n{}.\r\n", line.repeat(4096 / line.len()));
    for _ in 0..mails {
        ask(&mut stream, b"MAIL FROM:<anna@voorbeeld.example>\r\n", 250).await?;
        ask(&mut stream, b"RCPT TO:<jan@example.nl>\r\n", 250).await?;
        ask(&mut stream, b"DATA\r\n", 354).await?;
        ask(&mut stream, mail.as_bytes(), 250).await?;
    }
    ask(&mut stream, b"QUIT\r\n", 221).await
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    text: &[u8],
    code: u16,
) -> std::io::Result<()> {
    stream.get_mut().write_all(text).await?;
    stream.get_mut().flush().await?;
    reply(stream, code).await
}

async fn reply<S: AsyncRead + Unpin>(stream: &mut BufReader<S>, code: u16) -> std::io::Result<()> {
    let read = async {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            if !line.starts_with(&code.to_string()) {
                return Err(std::io::Error::other(format!("{code} expected: {line}")));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), read).await.map_err(|_| std::io::Error::other("no reply"))?
}
