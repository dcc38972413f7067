//! Requests to the page, and tries at access codes.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::waits;

/// What became of a try at a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Try {
    /// It was right.
    Right,
    /// It was wrong.
    Wrong,
    /// It was not compared: the network pauses after wrong ones.
    Paused,
    /// It was not compared: the link or the contact is closed.
    Closed,
    /// It was not compared: too many others are.
    Busy,
}

impl Try {
    const fn word(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::Paused => "paused",
            Self::Closed => "closed",
            Self::Busy => "busy",
        }
    }
}

/// What a press on "send me the code" brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// A code goes out.
    Sent,
    /// None: one went out a moment ago, or many did.
    Refused,
    /// None: the organisation's ceiling is reached.
    Ceiling,
}

impl Ask {
    const fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Refused => "refused",
            Self::Ceiling => "ceiling",
        }
    }
}

/// What somebody found no place among.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowded {
    /// The requests of all.
    Requests,
    /// The requests of one network.
    RequestsOfNetwork,
    /// The connections of one network.
    ConnectionsOfNetwork,
    /// The forms that bring files.
    Uploads,
}

impl Crowded {
    const ALL: [Self; 4] = [Self::Requests, Self::RequestsOfNetwork, Self::ConnectionsOfNetwork, Self::Uploads];

    /// As in metrics and the log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::RequestsOfNetwork => "requests-of-network",
            Self::ConnectionsOfNetwork => "connections-of-network",
            Self::Uploads => "uploads",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCrowd {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByWay {
    way: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: String,
    method: &'static str,
    status: &'static str,
}

/// The page. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Page {
    requests: Family<Request, Counter>,
    seconds: Histogram,
    tries: Family<ByResult, Counter>,
    asks: Family<ByWay, Counter>,
    crowded: Family<ByCrowd, Counter>,
}

impl Default for Page {
    fn default() -> Self {
        let tries = Family::<ByResult, Counter>::default();
        for result in [Try::Right, Try::Wrong, Try::Paused, Try::Closed, Try::Busy] {
            let _there_from_the_start = tries.get_or_create(&ByResult { result: result.word() });
        }
        let asks = Family::<ByWay, Counter>::default();
        for way in ["sms", "mail"] {
            for result in [Ask::Sent, Ask::Refused, Ask::Ceiling] {
                let _there_from_the_start = asks.get_or_create(&ByWay { way, result: result.word() });
            }
        }
        let crowded = Family::<ByCrowd, Counter>::default();
        for reason in Crowded::ALL {
            let _there_from_the_start = crowded.get_or_create(&ByCrowd { reason: reason.word() });
        }
        Self { requests: Family::default(), seconds: waits(), tries, asks, crowded }
    }
}

impl Page {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("page_requests", "Requests by route, method and first digit", self.requests.clone());
        registry.register("page_request_seconds", "Until an answer begins", self.seconds.clone());
        registry.register("page_turned_away", "Requests and connections without a place", self.crowded.clone());
        registry.register("code_tries", "Codes that were sent in", self.tries.clone());
        registry.register("one_time_codes_asked", "One-time codes that were asked for on the page", self.asks.clone());
    }

    /// A request was answered. `route` is the pattern of the router that took it, never the path that was asked for; `None` when none
    /// did.
    pub fn answered(&self, route: Option<&str>, method: &str, status: u16, took: Duration) {
        let method = match method {
            "GET" => "GET",
            "HEAD" => "HEAD",
            "POST" => "POST",
            _ => "other",
        };
        let status = match status {
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        self.requests.get_or_create(&Request { route: route.unwrap_or("none").to_owned(), method, status }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// Somebody found no place.
    pub fn turned_away(&self, reason: Crowded) {
        self.crowded.get_or_create(&ByCrowd { reason: reason.word() }).inc();
    }

    /// A one-time code was asked for. `way`: `sms` or `mail`.
    pub fn asked(&self, way: &'static str, result: Ask) {
        self.asks.get_or_create(&ByWay { way, result: result.word() }).inc();
    }

    /// A code was sent in.
    pub fn tried(&self, result: Try) {
        self.tries.get_or_create(&ByResult { result: result.word() }).inc();
    }
}
