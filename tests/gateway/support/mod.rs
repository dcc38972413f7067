//! What the tests stand on: the gateway as a process, Postfix as a process, a server behind that keeps what it gets, and
//! small blocking clients.

pub mod browser;
pub mod client;
pub mod corpus;
#[path = "../../support/dice.rs"]
pub mod dice;
pub mod gateway;
pub mod postfix;
pub mod reader;
pub mod scrape;
pub mod sink;
pub mod sms;
#[path = "../../support/strace.rs"]
pub mod strace;
pub mod tls;

use std::time::{Duration, Instant};

/// Asks again until `probe` has an answer; fails the test after two minutes.
#[expect(clippy::disallowed_methods, reason = "real processes on a real clock")]
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_mins(2);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "not within two minutes: {what}");
        // Other processes give no event to wait for.
        std::thread::sleep(Duration::from_millis(20));
    }
}
