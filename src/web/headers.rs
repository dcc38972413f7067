//! The headers of every response, whatever made it; handlers only tighten or loosen what their own page needs.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Every page: nothing is loaded but our own style sheet and logo, forms go nowhere but here, nobody frames us.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The message page also shows the frame, and runs our own script, which asks nothing of anybody but us.
pub(super) const MESSAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The page that takes a one-time code, while asking once more has to wait, runs our own script, which asks for nothing.
pub(super) const WAITING_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Seconds until the session ends, in the answer to the form that extends it.
pub(super) const SESSION_SECONDS: HeaderName = HeaderName::from_static("zegel-session-seconds");

/// A download, should a browser show it after all.
pub(super) const DOWNLOAD_POLICY: &str =
    "default-src 'none'; sandbox; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const ALWAYS: [(HeaderName, &str); 11] = [
    (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // `no-referrer` would turn the Origin of our own forms into `null`.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), midi=(), payment=(), usb=()",
    ),
    (header::CACHE_CONTROL, "no-store"),
    // A proxy that buffers would write what it cannot hold to its disk, in clear.
    (HeaderName::from_static("x-accel-buffering"), "no"),
    (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
    (HeaderName::from_static("x-permitted-cross-domain-policies"), "none"),
];

/// Two years, as the preload lists ask.
const HSTS: &str = "max-age=63072000; includeSubDomains";

/// Adds what is not there yet. `secure`: served over TLS, by us or by a proxy.
pub(super) fn complete(headers: &mut HeaderMap, secure: bool) {
    for (name, value) in ALWAYS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    headers.remove(header::SERVER);
}
