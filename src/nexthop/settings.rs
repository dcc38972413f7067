//! What a next hop is configured with.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use data_encoding::BASE64;

/// How the connection to a next hop is protected. What is asked for is never left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// STARTTLS required (RFC 3207), and a certificate that `Trust` accepts.
    Verified(Trust),
    /// TLS from the first byte (RFC 8314), and a certificate that `Trust` accepts.
    Implicit(Trust),
    /// None; only for a next hop on this machine or a network that is trusted like it.
    Off,
}

impl Tls {
    /// What is asked of the server's certificate; `None` without TLS.
    #[must_use]
    pub const fn trust(&self) -> Option<&Trust> {
        match self {
            Self::Verified(trust) | Self::Implicit(trust) => Some(trust),
            Self::Off => None,
        }
    }
}

/// Which certificate of the server is accepted, and which one we show. By default: one for the host's name, signed by an authority
/// that the system trusts; none is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trust {
    /// PEM file of the authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The server's key must be one of these. Without `ca` that is all that is asked of the certificate, as with DANE-EE
    /// (RFC 7671 §5.1: name and dates do not count); with `ca` both must hold. Empty: no pins.
    pub pins: Vec<Pin>,
    /// The name that the certificate must have (and that SNI says) instead of the host's.
    pub server_name: Option<String>,
    /// The certificate that we show.
    pub identity: Option<Identity>,
}

/// A client certificate: chain and private key, PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The chain, our own certificate first.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// SHA-256 of a public key as certificates hold it (`SubjectPublicKeyInfo`, RFC 7469 §2.4), written `sha256//` and base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin(pub [u8; 32]);

/// What stands there is no pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pin is sha256// and the 44 characters of a SHA-256 hash in base64")]
pub struct NoPin;

impl FromStr for Pin {
    type Err = NoPin;

    fn from_str(text: &str) -> Result<Self, NoPin> {
        let bytes = text.strip_prefix("sha256//").and_then(|hash| BASE64.decode(hash.as_bytes()).ok());
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(NoPin)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256//{}", BASE64.encode(&self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

/// One host of a next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Name (for DNS and certificate) or address.
    pub name: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

/// User name and password file for AUTH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub user: String,
    /// The file with the password on its only line; read when the hop is made and when it is told to read again.
    pub password_file: PathBuf,
}

/// The longest waits. The defaults are those of RFC 5321 §4.5.3.2, but for what comes before MAIL: there another host may be waiting
/// to be asked, and a client that waits five minutes for the answer to its RCPT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// For a free connection; then the hop counts as unreachable.
    pub lease: Duration,
    /// For a host that answers, all hosts and addresses together; each host gets an equal part of what is left.
    pub reach: Duration,
    /// For the name look-up, and for the TCP connection to one address.
    pub connect: Duration,
    /// For the greeting.
    pub greeting: Duration,
    /// For the replies to EHLO, STARTTLS and AUTH, and for the TLS handshake, each.
    pub hello: Duration,
    /// For the replies to MAIL, RCPT and RSET, each (5 minutes).
    pub command: Duration,
    /// For the reply to DATA, and for any progress while the body is written (3 minutes).
    pub data: Duration,
    /// For the reply to the final dot (10 minutes).
    pub dot: Duration,
    /// How long a connection may lie idle before it is closed.
    pub idle: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            reach: Duration::from_mins(2),
            connect: Duration::from_secs(30),
            greeting: Duration::from_mins(1),
            hello: Duration::from_mins(1),
            command: Duration::from_mins(5),
            data: Duration::from_mins(3),
            dot: Duration::from_mins(10),
            idle: Duration::from_secs(30),
        }
    }
}

/// A next hop as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its name in the config.
    pub name: String,
    /// In order of preference; a later one is asked only before MAIL was accepted on an earlier one.
    pub hosts: Vec<Host>,
    /// Protection.
    pub tls: Tls,
    /// AUTH, if it wants it.
    pub login: Option<Login>,
    /// The name that we give in EHLO.
    pub helo: String,
    /// Connections at most.
    pub max_connections: usize,
    /// The longest waits.
    pub waits: Waits,
}

impl Settings {
    /// Connections at most, where nothing else is said.
    pub const MAX_CONNECTIONS: usize = 20;

    /// With verified TLS, no login, and the default waits.
    #[must_use]
    pub fn new(name: &str, hosts: Vec<Host>, helo: &str) -> Self {
        Self {
            name: name.to_owned(),
            hosts,
            tls: Tls::Verified(Trust::default()),
            login: None,
            helo: helo.to_owned(),
            max_connections: Self::MAX_CONNECTIONS,
            waits: Waits::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_written_as_it_is_read() {
        let text = "sha256//AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let pin: Pin = text.parse().unwrap();
        assert_eq!((pin.0[31], pin.to_string().as_str()), (31, text));
        for wrong in ["", "sha256//", &text[8..], "sha256//AAEC", "sha1//AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]
        {
            assert_eq!(wrong.parse::<Pin>(), Err(NoPin), "{wrong}");
        }
    }
}
