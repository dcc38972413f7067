//! Is this POST from our own page? Judged by what the browser says; what it does not say refuses nothing.

use axum::http::{HeaderMap, header};

/// Whether no header speaks against a form of ours. `origin` is the page's address without final slash.
///
/// Each Fetch Metadata header is judged only when present: Safari never sends `Sec-Fetch-User`, older browsers send none.
/// `Origin: null` (a privacy setting, or a strict referrer policy) counts as absent.
pub(super) fn from_our_page(headers: &HeaderMap, origin: &str) -> bool {
    let all = |name: &str, allowed: &[&str]| {
        headers.get_all(name).iter().all(|value| allowed.iter().any(|a| value.as_bytes() == a.as_bytes()))
    };
    let origins_fit = headers
        .get_all(header::ORIGIN)
        .iter()
        .all(|v| v == "null" || v.as_bytes().eq_ignore_ascii_case(origin.as_bytes()));
    origins_fit
        && all("sec-fetch-site", &["same-origin"])
        && all("sec-fetch-mode", &["navigate", "same-origin", "cors"])
        && all("sec-fetch-user", &["?1"])
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn what_browsers_send() {
        let cases: &[(&[(&str, &str)], bool)] = &[
            // Chromium and Firefox, pressing our button
            (
                &[
                    ("origin", "https://veilig.voorbeeld.nl"),
                    ("sec-fetch-site", "same-origin"),
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-user", "?1"),
                ],
                true,
            ),
            // Safari
            (
                &[
                    ("origin", "https://veilig.voorbeeld.nl"),
                    ("sec-fetch-site", "same-origin"),
                    ("sec-fetch-mode", "navigate"),
                ],
                true,
            ),
            // an old browser, or a proxy that strips what it does not know
            (&[], true),
            (&[("origin", "null")], true),
            (&[("origin", "HTTPS://VEILIG.VOORBEELD.NL")], true),
            // our own fetch
            (&[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")], true),
            // other pages
            (&[("origin", "https://kwaad.example")], false),
            (&[("origin", "https://veilig.voorbeeld.nl.kwaad.example")], false),
            (&[("origin", "http://veilig.voorbeeld.nl")], false),
            (&[("origin", "https://veilig.voorbeeld.nl"), ("origin", "https://kwaad.example")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-mode", "no-cors")], false),
            (&[("sec-fetch-user", "?0")], false),
        ];
        for (list, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in *list {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            assert_eq!(from_our_page(&headers, "https://veilig.voorbeeld.nl"), *expected, "{list:?}");
        }
    }
}
