//! Who asks: the client's network, as far as a proxy that we trust says so, and the language to answer in.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use ipnet::IpNet;

use crate::access::Network;
use crate::text::Lang;

use super::app::Shared;

/// The client's address: the peer's, or, behind trusted proxies, the rightmost address in `X-Forwarded-For` that is not one of
/// theirs. What stands left of it was written by the client and is not read.
pub(super) fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |addr: IpAddr| trusted.iter().any(|net| net.contains(&addr));
    let mut nearest = peer.to_canonical();
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let hops = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|b| *b == b','));
    for hop in hops {
        if !is_trusted(nearest) {
            break;
        }
        let Some(next) = std::str::from_utf8(hop).ok().and_then(parse_hop) else { break };
        nearest = next;
    }
    nearest
}

/// One entry: an address, perhaps with a port, perhaps in brackets.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let addr = bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|addr| addr.ip()))?;
    Some(addr.to_canonical())
}

/// The language chosen on the page with `?taal=`.
fn chosen(uri: &Uri) -> Option<Lang> {
    let pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == "taal").find_map(|(_, value)| Lang::ALL.into_iter().find(|l| l.tag() == value))
}

/// What a request tells of the person who made it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visitor {
    /// Tries are counted under it.
    pub network: Network,
    chosen: Option<Lang>,
    accepted: Option<Lang>,
}

impl Visitor {
    /// From the parts of a request.
    pub fn of(parts: &Parts, trusted: &[IpNet]) -> Self {
        let unknown = IpAddr::from([0, 0, 0, 0]);
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or(unknown, |info| info.0.ip());
        let accepted = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Self {
            network: Network::of(address(peer, &parts.headers, trusted)),
            chosen: chosen(&parts.uri),
            accepted: accepted.and_then(Lang::accepted),
        }
    }

    /// The language to answer in: chosen on the page, else the contact's, else what the browser asks for, else Dutch.
    pub fn lang(&self, contact: &str) -> Lang {
        self.chosen.or_else(|| Lang::from_tag(contact)).or(self.accepted).unwrap_or_default()
    }

    /// An address of ours with the choice of language kept.
    pub fn keep(&self, path: &str) -> String {
        self.chosen.map_or_else(|| path.to_owned(), |lang| format!("{path}?taal={}", lang.tag()))
    }
}

impl FromRequestParts<Shared> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts, &app.settings.trusted_proxies))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().unwrap()).into();
        let cases: &[(&str, &[&str], &str)] = &[
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1,10.0.0.2"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("fd00::1", &["[2001:db8::5]:4431"], "2001:db8::5"),
            ("fd00::1", &["198.51.100.1:80"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, onzin"], "10.0.0.1"),
            ("10.0.0.1", &["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
            ("10.0.0.1", &["\u{0}"], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ];
        for (peer, lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in *lines {
                if let Ok(value) = HeaderValue::from_bytes(line.as_bytes()) {
                    headers.append("x-forwarded-for", value);
                }
            }
            let found = address(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_language_of_an_answer() {
        let visitor = |uri: &str, accept: Option<&'static str>| {
            let mut request = axum::http::Request::builder().uri(uri);
            if let Some(accept) = accept {
                request = request.header("accept-language", accept);
            }
            Visitor::of(&request.body(()).unwrap().into_parts().0, &[])
        };
        assert_eq!(visitor("/b/x", None).lang(""), Lang::Nl);
        assert_eq!(visitor("/b/x", Some("en")).lang(""), Lang::En);
        assert_eq!(visitor("/b/x", Some("en")).lang("nl"), Lang::Nl);
        assert_eq!(visitor("/b/x?taal=en", Some("nl")).lang("nl"), Lang::En);
        assert_eq!(visitor("/b/x?a=b&taal=de", Some("nl")).lang("en"), Lang::En);
        assert_eq!(visitor("/b/x?taal=en", None).keep("/bericht"), "/bericht?taal=en");
        assert_eq!(visitor("/b/x", None).keep("/bericht"), "/bericht");
    }
}
