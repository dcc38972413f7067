//! The page: routes, guards, sessions; GET, HEAD and scripts change nothing.

mod again;
mod answer;
mod app;
mod ask;
mod brand;
mod client;
mod crowded;
mod dress;
mod genuine;
mod guard;
mod headers;
mod mask;
mod message;
mod multipart;
mod one_time;
mod page_token;
mod routes;
mod serve;
mod session;
mod sms_reports;
mod unlock;
mod uploads;
mod wellformed;

use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::access::{self, Limits};
use crate::sms::Reports;
use crate::store::answers;
use crate::store::proof::SessionLimits;

pub use brand::{Brand, Logo, MOST_LOGO};
pub use routes::{observed, router};
pub use serve::{Bound, bind};

/// How the page is served and what it says of the organisation.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where.
    pub listen: Vec<SocketAddr>,
    /// Where plain HTTP is answered with a redirect to the page.
    pub redirect: Vec<SocketAddr>,
    /// The page's address, `https://veilig.voorbeeld.nl` (no final slash).
    pub origin: String,
    /// Proxies whose `X-Forwarded-For` is believed; others' is ignored.
    pub trusted_proxies: Vec<IpNet>,
    /// Served over plain HTTP on loopback with a plain cookie: only the demo's wiring sets this.
    pub demo: bool,
    /// The organisation's name.
    pub organisation: String,
    /// Its telephone number.
    pub phone: String,
    /// Link to its privacy statement, if any.
    pub privacy: Option<String>,
    /// Link to its accessibility statement, if any.
    pub accessibility: Option<String>,
    /// Its logo and colour.
    pub brand: Brand,
    /// Time zone of dates.
    pub time_zone: jiff::tz::TimeZone,
    /// Limits on wrong codes.
    pub limits: Limits,
    /// Limits on one-time codes, by SMS and by mail.
    pub one_time_limits: access::one_time::Limits,
    /// Codes go out by SMS: recipients may ask their sender for that.
    pub sends_sms: bool,
    /// Life of sessions.
    pub sessions: SessionLimits,
    /// How many codes are verified at the same time.
    pub hashers: usize,
    /// Requests at the same time.
    pub max_requests: usize,
    /// Of those, from one network (/24 for IPv4, /56 for IPv6).
    pub max_requests_per_network: usize,
    /// Who may report what became of SMSes.
    pub sms_reports: Reports,
    /// What recipients may write.
    pub answers: answers::Limits,
    /// The files of answers are checked for malware before they leave.
    pub checks_files: bool,
    /// Forms with an answer that come in at the same time.
    pub max_uploads: usize,
}

/// The certificate of the page; `None` behind a proxy that ends TLS, or in the demo.
pub type TlsConfig = Arc<arc_swap::ArcSwapOption<rustls::ServerConfig>>;

#[cfg(test)]
mod tests {
    use super::*;

    /// A page on loopback.
    pub(super) fn settings() -> Settings {
        let minutes = std::time::Duration::from_mins;
        Settings {
            listen: Vec::new(),
            redirect: Vec::new(),
            origin: "https://veilig.voorbeeld.nl".to_owned(),
            trusted_proxies: Vec::new(),
            demo: false,
            organisation: "Voorbeeld Zorg".to_owned(),
            phone: "010 - 000 00 00".to_owned(),
            privacy: None,
            accessibility: None,
            brand: Brand::default(),
            time_zone: jiff::tz::TimeZone::UTC,
            limits: Limits::default(),
            one_time_limits: access::one_time::Limits::default(),
            sends_sms: true,
            sessions: SessionLimits { idle: minutes(15), longest: minutes(240) },
            hashers: 1,
            max_requests: 10,
            max_requests_per_network: 10,
            sms_reports: Reports::default(),
            answers: answers::Limits::default(),
            checks_files: false,
            max_uploads: 4,
        }
    }
}
