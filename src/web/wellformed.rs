//! What a request says of itself before anybody reads it: to whom it is addressed and how its body is written, once and in one way, so that
//! whoever stands between us and the client reads it as we do. What the name is does not matter, since nothing that we answer follows from
//! it: links and redirects hold the origin of the config.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Uri, Version, header};

/// Whether nobody on the way can have read a request as another one.
pub(super) fn is_wellformed(version: Version, uri: &Uri, headers: &HeaderMap) -> bool {
    names_one_host(version, uri, headers) && is_framed_once(headers)
}

/// `chunked`, alone and once, is the only way of writing a body that we read (RFC 9112 §6.1): twice, some read it as one and some as none.
fn is_framed_once(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter().map(HeaderValue::as_bytes);
    let is_chunked = codings.next().is_none_or(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"));
    is_chunked && codings.next().is_none()
}

/// Whether a request names its host as it should; if not, something on the way may have read it as a request to another host.
///
/// HTTP/1.1 has exactly one `Host`, also beside a whole address as target, whose host counts then (RFC 9112 §3.2, §3.2.2). HTTP/2 has
/// `:authority`, or `Host`, or both with the same name (RFC 9113 §8.3.1). HTTP/1.0 needs none.
fn names_one_host(version: Version, uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter().map(HeaderValue::as_bytes);
    let (host, more) = (hosts.next(), hosts.next());
    if more.is_some() || !host.is_none_or(is_host) || uri.authority().is_some_and(|named| !names_host(named)) {
        return false;
    }
    match (version, host, uri.authority()) {
        (Version::HTTP_2, Some(host), Some(named)) => host.eq_ignore_ascii_case(named.as_str().as_bytes()),
        (Version::HTTP_2, host, named) => host.is_some() || named.is_some(),
        (Version::HTTP_11, host, _) => host.is_some(),
        _ => true,
    }
}

/// A host, perhaps with a port; or nothing, where the target has no authority (RFC 9110 §7.2).
fn is_host(value: &[u8]) -> bool {
    value.is_empty() || Authority::try_from(value).is_ok_and(|named| names_host(&named))
}

/// Without a user, who has no place here (RFC 9110 §4.2.4).
fn names_host(authority: &Authority) -> bool {
    let host = authority.host();
    let port = authority.as_str().strip_prefix(host).map(|port| port.strip_prefix(':').unwrap_or(port));
    !host.is_empty() && port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_written_in_one_way() {
        for (codings, expected) in [
            (&[][..], true),
            (&["chunked"], true),
            (&["Chunked "], true),
            (&["chunked", "chunked"], false),
            (&["chunked, chunked"], false),
            (&["gzip, chunked"], false),
            (&["gzip", "chunked"], false),
            (&["identity"], false),
            (&[""], false),
        ] {
            let mut headers = HeaderMap::new();
            for coding in codings {
                headers.append(header::TRANSFER_ENCODING, HeaderValue::from_static(coding));
            }
            assert_eq!(is_framed_once(&headers), expected, "{codings:?}");
        }
    }

    #[test]
    fn one_host_in_one_way() {
        let (one, old, two) = (Version::HTTP_11, Version::HTTP_10, Version::HTTP_2);
        let cases: &[(Version, &str, &[&str], bool)] = &[
            (one, "/", &["veilig.voorbeeld.nl"], true),
            (one, "/", &["veilig.voorbeeld.nl:8443"], true),
            (one, "/", &["[2001:db8::1]:443"], true),
            // Another name is no fault: a watcher asks by address.
            (one, "/", &["192.0.2.1"], true),
            (one, "/", &[""], true),
            (one, "/", &[], false),
            (one, "/", &["veilig.voorbeeld.nl", "veilig.voorbeeld.nl"], false),
            (one, "/", &["veilig.voorbeeld.nl", "kwaad.example"], false),
            (one, "/", &["a, b"], false),
            (one, "/", &["a b"], false),
            (one, "/", &["https://a"], false),
            (one, "/", &["a/b"], false),
            (one, "/", &["jan@a"], false),
            (one, "/", &[":443"], false),
            (one, "/", &["a:port"], false),
            (one, "/", &["\u{e9}"], false),
            // A whole address as target counts, whatever stands beside it.
            (one, "http://veilig.voorbeeld.nl/", &["kwaad.example"], true),
            (one, "http://veilig.voorbeeld.nl/", &[], false),
            (one, "http://jan@veilig.voorbeeld.nl/", &["veilig.voorbeeld.nl"], false),
            (old, "/", &[], true),
            (old, "/", &["a"], true),
            (old, "/", &["a", "a"], false),
            (two, "https://veilig.voorbeeld.nl/", &[], true),
            (two, "https://veilig.voorbeeld.nl/", &["VEILIG.voorbeeld.nl"], true),
            (two, "https://veilig.voorbeeld.nl/", &["kwaad.example"], false),
            (two, "https://veilig.voorbeeld.nl/", &[""], false),
            (two, "/", &["veilig.voorbeeld.nl"], true),
            (two, "/", &[], false),
        ];
        for (version, uri, hosts, expected) in cases {
            let mut headers = HeaderMap::new();
            for host in *hosts {
                headers.append(header::HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
            }
            assert_eq!(
                names_one_host(*version, &uri.parse().unwrap(), &headers),
                *expected,
                "{version:?} {uri} {hosts:?}"
            );
        }
    }
}
