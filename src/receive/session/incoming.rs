//! The mail that comes in between 354 and its reply: its bytes, its size, its pace.

use std::time::{Duration, Instant};

use bytes::Buf;

use super::{Action, Call, Phase, Session, replies};
use crate::receive::data::{DataReader, Step};

/// How long a client may keep us waiting in one mail, however short each wait is: this, and a second per KiB.
const PATIENCE: Duration = Duration::from_mins(10);
const SLOWEST: u64 = 1024;

/// A mail over the limit is read to its end, so that the client hears the reply, but not beyond this multiple of the limit.
const MAX_EXCESS: u64 = 4;

#[derive(Debug, Default)]
pub(super) struct Incoming {
    reader: DataReader,
    waited: Duration,
    too_large: bool,
}

impl Incoming {
    pub(super) fn add_wait(&mut self, wait: Duration) {
        self.waited += wait;
    }

    /// How long we wait for the next block.
    pub(super) fn patience(&self, block: Duration) -> Duration {
        let budget = PATIENCE + Duration::from_secs(self.reader.size() / SLOWEST);
        block.min(budget.saturating_sub(self.waited))
    }
}

impl Session {
    pub(super) fn next_data(&mut self, now: Instant) -> Option<Action> {
        let Phase::Data(incoming) = &mut self.phase else { return None };
        match incoming.reader.step(&self.input) {
            Step::Body(len) => {
                let part = self.input.split_to(len).freeze();
                let size = incoming.reader.size();
                if size > self.rules.max_size.saturating_mul(MAX_EXCESS) {
                    self.fault(&replies::mail_too_large());
                    return None;
                }
                if size > self.rules.max_size {
                    incoming.too_large = true;
                    self.end_transaction();
                }
                // No envelope: what comes is read to its end and dropped.
                self.envelope.map(|_| Action::Body(part))
            }
            Step::End(len) => {
                self.input.advance(len);
                if incoming.too_large {
                    self.phase = Phase::Commands;
                    self.flush = true;
                    self.say(&replies::mail_too_large());
                    return None;
                }
                self.envelope = None;
                self.phase = Phase::Waiting(Call::End);
                Some(Action::End)
            }
            Step::More => Some(self.read(now)),
            Step::Fault(fault) => {
                self.fault(&replies::not_a_mail(fault));
                None
            }
        }
    }
}
