//! How much the clients of all listeners may ask for.

use std::time::Duration;

/// Limits of all listeners together, and of each session. Whoever reaches one hears why (421, 452 or 454) and may try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Sessions in all.
    pub sessions: usize,
    /// Sessions from one network (/24 for IPv4, /56 for IPv6).
    pub sessions_per_network: usize,
    /// TLS handshakes at the same time.
    pub handshakes: usize,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// Commands between two mails that are taken, RCPT included.
    pub commands: usize,
    /// Mistakes in one session.
    pub errors: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 1_000,
            sessions_per_network: 200,
            handshakes: 100,
            handshake_timeout: Duration::from_secs(30),
            commands: 5_000,
            errors: 10,
        }
    }
}
