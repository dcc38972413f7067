//! The PROXY header, versions 1 and 2 (PROXY protocol specification §2), by which a proxy in front says whom it speaks for.
//! [`read`], which understands it, is pure.
//!
//! It is believed from listed peers only, and those must send one. What it says of a name, a certificate or TLS is not looked at.

use std::net::IpAddr;
use std::time::Duration;

use proxy_header::{Error, ParseConfig, Protocol, ProxyHeader};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Octets of a header at most. Version 2 with addresses has 52; the rest is room for what proxies like to add.
pub const MAX_HEADER: usize = 4096;
/// Octets of a header of version 1 at most (§2.1).
const MAX_FIRST: usize = 107;

/// A proxy sends its header at once.
const WITHIN: Duration = Duration::from_secs(5);

/// What the first octets of a connection hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A header of `len` octets.
    Header {
        /// The client; `None` when the proxy speaks for itself (a health check) or does not know.
        client: Option<IpAddr>,
        /// Octets of the header. What follows is the client's.
        len: usize,
    },
    /// The begin of one.
    Partial,
    /// None, or one that is too long.
    Invalid,
}

/// Reads the octets that came so far.
#[must_use]
pub fn read(octets: &[u8]) -> Start {
    let first = octets.first() == Some(&b'P');
    // The library takes any octet between the word and what follows.
    let spaced = octets.get(5).is_none_or(|byte| !first || *byte == b' ');
    // It also takes a longer first version, where that comes in one piece.
    let most = if first { MAX_FIRST } else { MAX_HEADER };
    match ProxyHeader::parse(octets, ParseConfig::default()) {
        Ok((header, len)) if spaced && len <= most => match header.proxied_address() {
            Some(address) if address.protocol == Protocol::Stream => {
                Start::Header { client: Some(address.source.ip().to_canonical()), len }
            }
            Some(_) => Start::Invalid,
            None => Start::Header { client: None, len },
        },
        Err(Error::BufferTooShort) if spaced && octets.len() < most => Start::Partial,
        Ok(_) | Err(_) => Start::Invalid,
    }
}

/// The client behind a proxy, if the proxy names one. What comes behind the header stays unread. `None`: no header in time.
pub(super) async fn client_behind(tcp: &mut TcpStream) -> Option<Option<IpAddr>> {
    let header = async {
        let mut octets = Vec::new();
        let mut buffer = [0; 512];
        loop {
            let (seen, known) = (tcp.peek(&mut buffer).await.ok().filter(|len| *len > 0)?, octets.len());
            octets.extend_from_slice(buffer.get(..seen)?);
            // The begin of a header is all header; of a whole one the rest is the client's.
            let (ours, client) = match read(&octets) {
                Start::Header { client, len } => (len.checked_sub(known)?, Some(client)),
                Start::Partial => (seen, None),
                Start::Invalid => return None,
            };
            tcp.read_exact(buffer.get_mut(..ours)?).await.ok()?;
            if client.is_some() {
                return client;
            }
        }
    };
    timeout(WITHIN, header).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

    fn v2(rest: &[u8]) -> Vec<u8> {
        [V2, rest].concat()
    }

    #[test]
    fn headers_are_read() {
        let client = |text: &str, len| Start::Header { client: Some(text.parse().unwrap()), len };
        let unknown = |len| Start::Header { client: None, len };
        let ipv4 = v2(b"\x21\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x04\xd2\x00\x19");
        let with_tlv = v2(b"\x21\x11\x00\x10\xc0\x00\x02\x07\x7f\x00\x00\x01\x04\xd2\x00\x19\x04\x00\x01x");
        let cases: Vec<(Vec<u8>, Start)> = vec![
            (b"PROXY TCP4 192.0.2.7 127.0.0.1 1234 25\r\nEHLO".to_vec(), client("192.0.2.7", 40)),
            (b"PROXY TCP6 2001:db8::7 ::1 1234 25\r\n".to_vec(), client("2001:db8::7", 36)),
            (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1234 25\r\n".to_vec(), client("192.0.2.7", 41)),
            (b"PROXY UNKNOWN\r\n".to_vec(), unknown(15)),
            (b"PROXY UNKNOWN whatever this is\r\n".to_vec(), unknown(32)),
            (format!("PROXY UNKNOWN {}\r\n", "x".repeat(91)).into_bytes(), unknown(107)),
            (format!("PROXY UNKNOWN {}\r\n", "x".repeat(92)).into_bytes(), Start::Invalid),
            (ipv4.clone(), client("192.0.2.7", 28)),
            ([&ipv4[..], b"EHLO"].concat(), client("192.0.2.7", 28)),
            (with_tlv, client("192.0.2.7", 32)),
            (v2(b"\x20\x00\x00\x00"), unknown(16)),
            (v2(b"\x21\x00\x00\x00"), unknown(16)),
            (b"".to_vec(), Start::Partial),
            (b"PROXY TCP4 192.0.2.7".to_vec(), Start::Partial),
            (b"\r\n\r\n".to_vec(), Start::Partial),
            (ipv4[..27].to_vec(), Start::Partial),
            (b"EHLO client.example\r\n".to_vec(), Start::Invalid),
            (b"PROXYxTCP4 192.0.2.7 127.0.0.1 1234 25\r\n".to_vec(), Start::Invalid),
            (b"PROXY TCP4 192.0.2.777 127.0.0.1 1234 25\r\n".to_vec(), Start::Invalid),
            (b"PROXY TCP4 192.0.2.7 127.0.0.1 1234 25\rx".to_vec(), Start::Invalid),
            (b"PROXY UDP4 192.0.2.7 127.0.0.1 1234 25\r\n".to_vec(), Start::Invalid),
            (b"PROXY TCP4 ".iter().copied().chain([b'1'; 100]).collect(), Start::Invalid),
            (v2(b"\x11\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x04\xd2\x00\x19"), Start::Invalid),
            (v2(b"\x21\x12\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x04\xd2\x00\x19"), Start::Invalid),
            (v2(b"\x21\x11\x00\x04\xc0\x00\x02\x07\x7f\x00\x00\x01\x04\xd2\x00\x19"), Start::Invalid),
            ([v2(b"\x21\x11\xff\xff"), vec![0; MAX_HEADER]].concat(), Start::Invalid),
        ];
        for (octets, expected) in cases {
            assert_eq!(read(&octets), expected, "{}", String::from_utf8_lossy(&octets));
        }
    }

    proptest! {
        #[test]
        fn more_octets_never_change_a_header(
            octets in prop::collection::vec(any::<u8>(), 0..60),
            start in prop::sample::select(vec![&b"PROXY TCP4 "[..], b"PROXY UNKNOWN", V2, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c", b""]),
        ) {
            let octets = [start, &octets].concat();
            let whole = read(&octets);
            for end in 0..octets.len() {
                let part = read(&octets[..end]);
                let fits = match part {
                    Start::Partial => true,
                    // What is no header needs all its octets to be known as such, or fewer.
                    Start::Invalid => whole == Start::Invalid,
                    Start::Header { len, .. } => part == whole && len <= end,
                };
                prop_assert!(fits, "{part:?} at {end}, {whole:?}");
            }
        }
    }
}
