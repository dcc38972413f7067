//! What a provider says, and what follows from it when there are several: pure.
//!
//! The rule of the order:
//! - Providers are asked in the order of the config until one takes the SMS. Those that failed lately come last.
//! - One that surely did not take it (refused, unreachable, asks us to wait) makes room for the next.
//! - One that says that *the number* gets no SMS has the last word: another would say the same.
//! - One that leaves us **unsure** (no answer, half an answer, an error in the middle) may have sent it. Once, another is asked after
//!   it; a second one that leaves us unsure ends the round. So of one request at most two SMSes come out, and a round that ended
//!   unsure is never repeated: the person at the page can ask again, and gets the same code.

use std::time::Duration;

use super::Refusal;

/// Characters that are kept of a provider's id.
const LONGEST_ID: usize = 64;

/// How an SMS was handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A provider took it.
    Accepted {
        /// Its name in the config.
        provider: String,
        /// Its own id of the SMS; may be empty.
        id: String,
    },
    /// Surely not sent, and trying again changes nothing.
    Refused {
        /// Who refused.
        provider: String,
        /// Why.
        why: Refusal,
    },
    /// Surely not sent; try again later.
    Failed {
        /// In our own words, for the log and `queue list`.
        cause: String,
    },
    /// It may have been sent: never try again by itself.
    Unsure {
        /// Who was asked last.
        provider: String,
    },
}

/// What one provider made of it. Causes are in our own words: a provider's may repeat number or key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Handover {
    Accepted { id: String },
    Refused { why: Refusal, cause: String },
    Failed { cause: String, after: Option<Duration> },
    Unsure { cause: String },
}

impl Handover {
    pub const fn failed(cause: String) -> Self {
        Self::Failed { cause, after: None }
    }

    pub const fn refused(why: Refusal, cause: String) -> Self {
        Self::Refused { why, cause }
    }

    /// For the log: one word, and the cause.
    pub fn told(&self) -> (&'static str, &str) {
        match self {
            Self::Accepted { .. } => ("accepted", ""),
            Self::Refused { cause, .. } => ("refused", cause),
            Self::Failed { cause, .. } => ("failed", cause),
            Self::Unsure { cause } => ("unsure", cause),
        }
    }
}

/// A provider's id as it may be kept and shown: visible ASCII, no more than a line's worth.
pub(super) fn id(text: &str) -> String {
    text.trim().chars().filter(char::is_ascii_graphic).take(LONGEST_ID).collect()
}

/// What the providers that were asked in one round said so far.
#[derive(Debug, Default)]
pub(super) struct Round {
    unsure: Option<String>,
    refused: Option<(String, Refusal)>,
    failed: Option<String>,
}

impl Round {
    /// Takes an answer in; the outcome, if nobody else is to be asked.
    pub fn note(&mut self, provider: &str, handover: Handover) -> Option<Outcome> {
        let provider = provider.to_owned();
        match handover {
            Handover::Accepted { id } => return Some(Outcome::Accepted { provider, id }),
            Handover::Refused { why: Refusal::Number, .. } => {
                return Some(Outcome::Refused { provider, why: Refusal::Number });
            }
            Handover::Refused { why, .. } => self.refused = self.refused.take().or(Some((provider, why))),
            Handover::Failed { cause, .. } => self.failed = Some(format!("{provider}: {cause}")),
            Handover::Unsure { .. } if self.unsure.is_some() => return Some(Outcome::Unsure { provider }),
            Handover::Unsure { .. } => self.unsure = Some(provider),
        }
        None
    }

    /// Nobody is left to ask. One that may work later counts more than those that never will.
    pub fn end(self) -> Outcome {
        match self {
            Self { unsure: Some(provider), .. } => Outcome::Unsure { provider },
            Self { failed: Some(cause), .. } => Outcome::Failed { cause },
            Self { refused: Some((provider, why)), .. } => Outcome::Refused { provider, why },
            Self { .. } => Outcome::Failed { cause: "there is no provider".to_owned() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(word: &str) -> Handover {
        match word {
            "accepted" => Handover::Accepted { id: "7".to_owned() },
            "number" => Handover::refused(Refusal::Number, String::new()),
            "credit" => Handover::refused(Refusal::Credit, String::new()),
            "account" => Handover::refused(Refusal::Account, String::new()),
            "failed" => Handover::failed("down".to_owned()),
            _ => Handover::Unsure { cause: String::new() },
        }
    }

    /// Who was asked, and how it ended.
    fn round(answers: &[&str]) -> (usize, String) {
        let mut round = Round::default();
        for (index, word) in answers.iter().enumerate() {
            if let Some(outcome) = round.note(&format!("p{}", index + 1), answer(word)) {
                return (index + 1, said(&outcome));
            }
        }
        (answers.len(), said(&round.end()))
    }

    fn said(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Accepted { provider, .. } => format!("accepted by {provider}"),
            Outcome::Refused { provider, why } => format!("{why:?} says {provider}"),
            Outcome::Failed { cause } => format!("failed: {cause}"),
            Outcome::Unsure { provider } => format!("unsure of {provider}"),
        }
    }

    #[test]
    fn the_rule_of_the_order() {
        for (answers, asked, expected) in [
            (&["accepted", "accepted"][..], 1, "accepted by p1"),
            (&["failed", "accepted"], 2, "accepted by p2"),
            (&["account", "failed", "accepted"], 3, "accepted by p3"),
            (&["number", "accepted"], 1, "Number says p1"),
            (&["failed", "number", "accepted"], 2, "Number says p2"),
            (&["credit", "account"], 2, "Credit says p1"),
            (&["credit", "failed"], 2, "failed: p2: down"),
            (&["failed", "failed"], 2, "failed: p2: down"),
            // at most two SMSes
            (&["unsure"], 1, "unsure of p1"),
            (&["unsure", "accepted"], 2, "accepted by p2"),
            (&["unsure", "unsure", "accepted"], 2, "unsure of p2"),
            (&["unsure", "failed", "accepted"], 3, "accepted by p3"),
            (&["unsure", "failed", "unsure", "accepted"], 3, "unsure of p3"),
            (&["unsure", "failed"], 2, "unsure of p1"),
            (&["unsure", "credit"], 2, "unsure of p1"),
            (&[], 0, "failed: there is no provider"),
        ] {
            assert_eq!(round(answers), (asked, expected.to_owned()), "{answers:?}");
        }
    }

    #[test]
    fn an_id_is_one_short_word() {
        assert_eq!(id(" SM123\r\n\u{202e}é"), "SM123");
        assert_eq!(id(&"x".repeat(1000)).len(), 64);
    }
}
