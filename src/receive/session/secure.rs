//! The turn to TLS: a place for the handshake, and what is forgotten when it is done.

use super::{Call, Due, LineReader, Phase, Session, replies};

impl Session {
    /// The answer to [`super::Action::AskTls`]. Without a place the client hears 454 and may go on without, where it may (RFC 3207 §4).
    pub fn may_secure(&mut self, place: bool) {
        if !matches!(self.phase, Phase::Waiting(Call::Tls)) {
            return;
        }
        if place {
            self.end_transaction();
            self.say(&replies::ready_for_tls());
            self.phase = Phase::Tls;
        } else {
            self.say(&replies::tls_later());
            self.phase = Phase::Commands;
        }
    }

    /// The TLS handshake is done, and the client showed a certificate that is allowed or did not. What it said before counts no more
    /// (RFC 3207 §4.2). Before anything was said, the greeting is still to come (RFC 8314 §3).
    pub fn secured(&mut self, certified: bool) {
        self.tls = true;
        self.certified = certified;
        self.hello = None;
        self.input.clear();
        self.lines = LineReader::default();
        if !matches!(self.phase, Phase::Sync(Due::Greeting, _)) {
            self.phase = Phase::Commands;
        }
    }
}
