//! Certificates, and a client that verifies them.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::client::Client;

/// A verified connection.
pub type Secured = StreamOwned<ClientConnection, TcpStream>;

/// Writes a new certificate for `name` and its key to `PAIR.pem` and `PAIR.key`, as a client of ours knows it.
pub fn make_pair(folder: &Path, pair: &str, name: &str) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    // Each file is replaced whole, as tools that renew certificates do.
    for (end, text) in [("key", made.signing_key.serialize_pem()), ("pem", made.cert.pem())] {
        let fresh = folder.join(format!("{pair}.{end}.new"));
        fs::write(&fresh, text).unwrap();
        fs::rename(&fresh, folder.join(format!("{pair}.{end}"))).unwrap();
    }
    made.cert.der().clone()
}

/// TLS over `tcp` with a server that is `name` by one of `trusted`.
pub fn secure(tcp: TcpStream, name: &str, trusted: &[CertificateDer<'static>]) -> std::io::Result<Secured> {
    let mut roots = RootCertStore::empty();
    for root in trusted {
        roots.add(root.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    tcp.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut stream =
        StreamOwned::new(ClientConnection::new(config, ServerName::try_from(name.to_owned()).unwrap()).unwrap(), tcp);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// The certificate that the server showed.
pub fn shown(stream: &Secured) -> CertificateDer<'static> {
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

/// One HTTP request, whole; the whole answer as text.
pub fn exchange(mut stream: impl Read + Write, request: &str) -> std::io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// An SMTP connection after STARTTLS; an error when the server says that it is going (421).
pub fn starttls(server: SocketAddr, name: &str, trusted: &[CertificateDer<'static>]) -> std::io::Result<Secured> {
    let mut client = Client::connect(server)?;
    let reply = client.say("STARTTLS")?;
    if reply.code == 421 {
        return Err(std::io::ErrorKind::ConnectionAborted.into());
    }
    assert_eq!(reply.code, 220, "{reply:?}");
    secure(client.into_stream(), name, trusted)
}
