//! From a host's name to a connection past EHLO, TLS and AUTH. The addresses of a name are tried in turn, a few of them; TLS that is
//! asked for is never left out, and a certificate that does not fit ends the attempt.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use secrecy::SecretString;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::connection::{Connection, Stream};
use super::hello::{self, Credentials};
use super::settings::{Host, Login, Settings, Tls, Waits};
use super::tls;

/// Addresses of one name that are tried at most.
const ADDRESSES: usize = 8;
/// Octets of a password file at most.
const MAX_PASSWORD: u64 = 4096;

/// What a hop's files say: read when the hop is made, and again when it is told to.
pub(super) struct Secrets {
    tls: Option<TlsConnector>,
    credentials: Option<Credentials>,
}

impl Secrets {
    /// Reads the files. The error is for the log and names no secret.
    pub(super) fn read(settings: &Settings) -> Result<Self, String> {
        let tls = settings.tls.trust().map(tls::connector).transpose()?;
        let credentials = settings.login.as_ref().map(credentials).transpose()?;
        Ok(Self { tls, credentials })
    }
}

fn credentials(login: &Login) -> Result<Credentials, String> {
    use std::io::Read;
    let file = login.password_file.as_path();
    let wrong = |cause: &dyn std::fmt::Display| format!("{}: {cause}", file.display());
    let mut text = zeroize::Zeroizing::new(String::new());
    let opened = std::fs::File::open(file).map_err(|error| wrong(&error))?;
    opened.take(MAX_PASSWORD).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() || password.contains(['\r', '\n', '\0']) {
        return Err(wrong(&"not one line with a password"));
    }
    Ok(Credentials { user: login.user.clone(), password: SecretString::from(password) })
}

/// Connects to one host. The error is for the log.
pub(super) async fn host(settings: &Settings, secrets: &Secrets, host: &Host) -> Result<Connection, String> {
    let looked_up = timeout(settings.waits.connect, lookup_host((host.name.as_str(), host.port))).await;
    let addresses = match looked_up {
        Ok(Ok(addresses)) => some(addresses),
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("the name look-up timed out".to_owned()),
    };
    in_turn(settings, secrets, &host.name, addresses).await
}

/// The first address that leads to a connection.
async fn in_turn(
    settings: &Settings,
    secrets: &Secrets,
    host: &str,
    addresses: Vec<SocketAddr>,
) -> Result<Connection, String> {
    let mut causes = Vec::new();
    for address in addresses {
        match attempt(settings, secrets, host, address).await {
            Ok(connection) => return Ok(connection),
            Err(cause) => causes.push(format!("{address}: {cause}")),
        }
    }
    if causes.is_empty() { Err("the name has no address".to_owned()) } else { Err(causes.join("; ")) }
}

/// A few of the addresses of a name, each once, in the resolver's order (RFC 6724).
fn some(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for address in found {
        if !addresses.contains(&address) && addresses.len() < ADDRESSES {
            addresses.push(address);
        }
    }
    addresses
}

/// One address: TCP, greeting, TLS, EHLO, AUTH.
async fn attempt(
    settings: &Settings,
    secrets: &Secrets,
    host: &str,
    address: SocketAddr,
) -> Result<Connection, String> {
    let Settings { tls, helo, waits, .. } = settings;
    let tcp = connect(address, waits.connect).await?;
    let mut connection = match (tls, &secrets.tls) {
        (Tls::Off, _) => plain(tcp, address, *waits).await?,
        (Tls::Implicit(trust), Some(connector)) => {
            let name = trust.server_name.as_deref().unwrap_or(host);
            let mut connection = secure(tcp, connector, name, address, *waits).await?;
            hello::greeting(&mut connection).await?;
            connection
        }
        (Tls::Verified(trust), Some(connector)) => {
            let mut connection = plain(tcp, address, *waits).await?;
            if !hello::ehlo(&mut connection, helo).await?.starttls {
                return Err("STARTTLS is not offered, and mail does not go without it".to_owned());
            }
            let reply = connection.hello("STARTTLS\r\n").await.map_err(hello::cause)?;
            if reply.code() != 220 {
                return Err(format!("STARTTLS answered with {}", reply.code()));
            }
            let tcp = connection.into_plain().map_err(hello::cause)?;
            secure(tcp, connector, trust.server_name.as_deref().unwrap_or(host), address, *waits).await?
        }
        (_, None) => return Err("TLS is not set up".to_owned()),
    };
    let offer = hello::ehlo(&mut connection, helo).await?;
    if let Some(credentials) = &secrets.credentials {
        hello::login(&mut connection, offer, credentials).await?;
        connection.authenticated = true;
    }
    connection.capabilities = offer.capabilities;
    connection.pipelining = offer.pipelining;
    // Said in clear it promises nothing.
    connection.capabilities.requiretls &= tls.trust().is_some();
    Ok(connection)
}

async fn connect(address: SocketAddr, wait: Duration) -> Result<TcpStream, String> {
    let connecting = timeout(wait, TcpStream::connect(address)).await;
    let tcp = connecting.map_err(|_| "no connection in time".to_owned())?.map_err(|error| error.to_string())?;
    // The last part of a mail and its dot must not wait for an acknowledgement.
    tcp.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok(tcp)
}

async fn plain(tcp: TcpStream, address: SocketAddr, waits: Waits) -> Result<Connection, String> {
    let mut connection = Connection::new(Stream::Plain(tcp), address, waits);
    hello::greeting(&mut connection).await?;
    Ok(connection)
}

async fn secure(
    tcp: TcpStream,
    connector: &TlsConnector,
    name: &str,
    address: SocketAddr,
    waits: Waits,
) -> Result<Connection, String> {
    let name = ServerName::try_from(name.to_owned()).map_err(|_| format!("{name} is no name for a certificate"))?;
    let handshake = timeout(waits.hello, connector.connect(name, tcp)).await;
    let tls = handshake.map_err(|_| "no TLS in time".to_owned())?.map_err(|error| format!("TLS: {error}"))?;
    Ok(Connection::new(Stream::Tls(Box::new(tls)), address, waits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_addresses_a_few_are_tried_each_once() {
        let address = |last: usize| SocketAddr::from(([127, 0, 0, u8::try_from(last).unwrap()], 25));
        assert_eq!(some([3, 1, 3, 2, 1].into_iter().map(address)), [address(3), address(1), address(2)]);
        assert_eq!(some((0..200).map(address)).len(), ADDRESSES);
        assert_eq!(some(std::iter::empty()), []);
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_is_passed_over() {
        let listen = || async { tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap() };
        let (gone, closes, well) = (listen().await, listen().await, listen().await);
        let [refuses, hangs_up, good] = [&gone, &closes, &well].map(|listener| listener.local_addr().unwrap());
        drop(gone);
        let servers = tokio::spawn(async move {
            drop(closes.accept().await.unwrap());
            let (mut socket, _) = well.accept().await.unwrap();
            // The greeting; the answer to EHLO a little later, or it would be one out of turn.
            tokio::io::AsyncWriteExt::write_all(&mut socket, b"220 x\r\n").await.unwrap();
            let mut heard = [0; 64];
            let _n = tokio::io::AsyncReadExt::read(&mut socket, &mut heard).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut socket, b"250 x\r\n").await.unwrap();
            socket
        });
        let settings = Settings { tls: Tls::Off, ..Settings::new("behind", Vec::new(), "zegel.example") };
        let secrets = Secrets::read(&settings).unwrap();
        let connected = in_turn(&settings, &secrets, "several.example", vec![refuses, hangs_up, good]).await;
        assert_eq!(connected.map(|connection| connection.peer), Ok(good));
        servers.await.unwrap();
        let error = in_turn(&settings, &secrets, "several.example", vec![refuses]).await.err().unwrap();
        assert!(error.contains("refused"), "{error}");
    }

    #[test]
    fn a_password_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        let login = Login { user: "zegel".to_owned(), password_file: file.clone() };
        assert!(credentials(&login).is_err(), "no file");
        for (text, fits) in [
            ("geheim", true),
            ("geheim\r\n", true),
            (" with blanks \n", true),
            ("", false),
            ("\n", false),
            ("two\nlines\n", false),
            ("nul\0", false),
        ] {
            std::fs::write(&file, text).unwrap();
            let read = credentials(&login);
            assert_eq!(read.is_ok(), fits, "{text:?}");
            assert!(read.err().is_none_or(|error| !error.contains("lines") && !error.contains("nul")));
        }
    }
}
