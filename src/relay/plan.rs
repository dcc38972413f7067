//! Who stands where in one transaction, and what follows from it. Pure: no sockets, no time.
//!
//! - A recipient that the envelope alone seals never appears among those to forward.
//! - Before next-hop DATA, the recipients open at the hop must equal the pass set ([`Plan::before_data`]); what is open there is
//!   recorded RCPT by RCPT and forgotten at every RSET and every new connection.
//! - What refuses a mail refuses all of it: after DATA there is one reply for all recipients (RFC 5321 §4.2.5).

use std::collections::BTreeSet;

use crate::mail::{Address, RcptTo, Reply};
use crate::policy::{Terms, Verdict};

/// How a recipient's RCPT was answered with 250.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// By us, since the envelope alone seals; never forwarded.
    Sealed(Terms),
    /// By the next hop.
    Accepted,
    /// By us, since the next hop had failed: provisional until the dot.
    Provisional,
}

/// One recipient whose RCPT was answered with 250.
#[derive(Debug, Clone)]
struct Recipient {
    to: RcptTo,
    standing: Standing,
    verdict: Option<Verdict>,
}

/// What must happen at the next hop before DATA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BeforeData {
    /// Nothing passes: the hop is left, without DATA.
    Leave,
    /// Exactly the pass set is open there: DATA.
    Go,
    /// Something else is open: RSET, then MAIL and RCPT of the pass set only.
    Replay,
    /// Something should pass, but the hop failed: the whole mail gets this answer.
    Refuse(Reply),
}

/// What the next hop made of the passing part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Behind {
    /// 2xx to the dot: it has the mail.
    Took(Reply),
    /// It surely has not.
    Refused(Reply),
    /// It may have it: no reply, or one that means nothing.
    Unknown,
}

/// The recipients of one transaction.
#[derive(Debug, Default)]
pub(super) struct Plan {
    recipients: Vec<Recipient>,
    open: BTreeSet<usize>,
    failed: Option<Reply>,
}

impl Plan {
    /// A RCPT was answered with 250. An accepted one is open at the hop from now on.
    pub(super) fn add(&mut self, to: RcptTo, standing: Standing) {
        if standing == Standing::Accepted {
            self.open.insert(self.recipients.len());
        }
        self.recipients.push(Recipient { to, standing, verdict: None });
    }

    /// Whether any RCPT was answered with 250.
    pub(super) fn is_empty(&self) -> bool {
        self.recipients.is_empty()
    }

    /// RSET, or another connection: nothing is open at the hop.
    pub(super) fn closed(&mut self) {
        self.open.clear();
    }

    /// A replayed RCPT was accepted.
    pub(super) fn opened(&mut self, index: usize) {
        self.open.insert(index);
    }

    /// Whether the hop has any recipient in an open transaction.
    pub(super) fn any_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The hop failed before DATA: this is what a passing recipient's mail will be answered with. The first failure stands.
    pub(super) fn fail(&mut self, answer: Reply) {
        self.closed();
        self.failed.get_or_insert(answer);
    }

    /// Whether the hop failed.
    pub(super) const fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Sets every recipient's verdict. The error is the first refusal among them: it is the answer to the whole mail.
    pub(super) fn judge(&mut self, mut decide: impl FnMut(&RcptTo) -> Verdict) -> Result<(), Reply> {
        let mut refusal = None;
        for recipient in &mut self.recipients {
            let verdict = match (decide(&recipient.to), &recipient.standing) {
                // What the envelope sealed stays sealed.
                (Verdict::Pass, Standing::Sealed(terms)) => Verdict::Seal(terms.clone()),
                (verdict, _) => verdict,
            };
            if let Verdict::Refuse(reply) = &verdict {
                refusal.get_or_insert_with(|| reply.clone());
            }
            recipient.verdict = Some(verdict);
        }
        refusal.map_or(Ok(()), Err)
    }

    /// Every recipient.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.recipients.iter().map(|recipient| &recipient.to.address)
    }

    /// The recipients that pass, with the index for [`opened`](Self::opened).
    pub(super) fn passing(&self) -> impl Iterator<Item = (usize, &RcptTo)> {
        let all = self.recipients.iter().enumerate();
        all.filter(|(_, r)| r.verdict == Some(Verdict::Pass)).map(|(index, r)| (index, &r.to))
    }

    /// The recipients whose mail is sealed.
    pub(super) fn sealed(&self) -> impl Iterator<Item = (&RcptTo, &Terms)> {
        self.recipients.iter().filter_map(|r| match &r.verdict {
            Some(Verdict::Seal(terms)) => Some((&r.to, terms)),
            _ => None,
        })
    }

    /// What to do at the hop, once all are judged.
    pub(super) fn before_data(&self) -> BeforeData {
        let passing: BTreeSet<usize> = self.passing().map(|(index, _)| index).collect();
        if passing.is_empty() {
            BeforeData::Leave
        } else if let Some(answer) = &self.failed {
            BeforeData::Refuse(answer.clone())
        } else if passing == self.open {
            BeforeData::Go
        } else {
            BeforeData::Replay
        }
    }
}

/// What the hop's reply to the dot means. `None`: there was none.
pub(super) fn behind(reply: Option<Reply>) -> Behind {
    match reply {
        Some(reply) if reply.is_positive() => Behind::Took(reply),
        Some(reply) if reply.class() >= 4 => Behind::Refused(passed_on(reply)),
        _ => Behind::Unknown,
    }
}

/// A refusal of the hop as the client may hear it. 421 is about the hop's connection and would end the client's (RFC 5321 §3.8).
pub(super) fn passed_on(refusal: Reply) -> Reply {
    if refusal.code() == 421 { Reply::lines(451, refusal.text().iter().map(String::as_str)) } else { refusal }
}

/// The answer where the hop could not be asked.
pub(super) fn unreachable() -> Reply {
    Reply::new(451, "4.4.1 The next mail server cannot be reached now; try again later")
}

/// The answer where the hop said something that means nothing, or contradicts what the client was told.
pub(super) fn confused() -> Reply {
    Reply::new(451, "4.3.0 The next mail server answered otherwise than before; try again later")
}

/// The answer where the hop may have taken the mail and did not say so.
pub(super) fn uncertain() -> Reply {
    Reply::new(451, "4.4.2 The connection to the next mail server was lost; try again later")
}

/// The answer where a mixed mail was taken behind and could not be counted as sealed here.
pub(super) fn half_done() -> Reply {
    Reply::new(451, "4.3.0 The mail could not be stored; try again later")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rcpt(local: &str) -> RcptTo {
        RcptTo { address: format!("{local}@example.nl").parse().unwrap(), params: Vec::new() }
    }

    fn terms(reason: &str) -> Terms {
        Terms {
            reason: reason.to_owned(),
            expires: Duration::from_secs(1),
            mode: crate::policy::Mode::Assisted,
            proof: None,
            level: crate::policy::Level::Code,
        }
    }

    /// `p…` passes, `s…` is sealed, `r…` is refused.
    fn decide(to: &RcptTo) -> Verdict {
        match to.address.as_str().as_bytes()[0] {
            b'p' => Verdict::Pass,
            b's' => Verdict::Seal(terms("rule")),
            _ => Verdict::Refuse(Reply::new(550, to.address.as_str())),
        }
    }

    /// One letter for the verdict and one for the standing: `a`ccepted, `p`rovisional, `s`ealed by the envelope.
    fn plan(recipients: &[&str]) -> Plan {
        let mut plan = Plan::default();
        for recipient in recipients {
            let standing = match recipient.as_bytes()[1] {
                b'a' => Standing::Accepted,
                b'p' => Standing::Provisional,
                _ => Standing::Sealed(terms("envelope")),
            };
            plan.add(rcpt(recipient), standing);
        }
        plan
    }

    #[test]
    fn what_happens_at_the_hop_before_data() {
        let down = Reply::new(451, "down");
        let refused = BeforeData::Refuse(down.clone());
        // recipients, the hop failed afterwards, expected
        let cases: [(&[&str], bool, BeforeData); 11] = [
            (&["pa"], false, BeforeData::Go),
            (&["pa", "pa"], false, BeforeData::Go),
            (&["pa", "ss"], false, BeforeData::Go),
            (&["pa", "sa"], false, BeforeData::Replay),
            (&["sa", "pa", "sa"], false, BeforeData::Replay),
            (&["sa"], false, BeforeData::Leave),
            (&["sa", "ss"], false, BeforeData::Leave),
            (&["sp"], true, BeforeData::Leave),
            (&["ss", "sa"], true, BeforeData::Leave),
            (&["pa", "sp"], true, refused.clone()),
            (&["pp", "ss"], true, refused),
        ];
        for (recipients, fails, expected) in cases {
            let mut plan = plan(recipients);
            if fails {
                plan.fail(down.clone());
            }
            plan.judge(decide).unwrap();
            assert_eq!(plan.before_data(), expected, "{recipients:?} failed={fails}");
        }
    }

    #[test]
    fn a_reset_asks_for_a_replay_and_a_replay_for_data() {
        let mut plan = plan(&["pa", "sa", "pa"]);
        plan.judge(decide).unwrap();
        plan.closed();
        assert_eq!(plan.before_data(), BeforeData::Replay);
        plan.opened(0);
        assert_eq!(plan.before_data(), BeforeData::Replay);
        plan.opened(2);
        assert_eq!(plan.before_data(), BeforeData::Go);
        plan.opened(1);
        assert_eq!(plan.before_data(), BeforeData::Replay, "a sealed recipient is open");
    }

    #[test]
    fn nothing_is_passed_before_it_is_judged() {
        assert_eq!(plan(&["pa", "pa"]).before_data(), BeforeData::Leave);
    }

    #[test]
    fn what_the_envelope_sealed_stays_sealed() {
        let mut plan = plan(&["ps", "pa"]);
        plan.judge(decide).unwrap();
        let sealed: Vec<_> = plan.sealed().map(|(to, terms)| (to.address.as_str(), terms.reason.as_str())).collect();
        assert_eq!(sealed, [("ps@example.nl", "envelope")]);
        assert_eq!(plan.passing().count(), 1);
    }

    #[test]
    fn the_first_refusal_refuses_all() {
        let mut plan = plan(&["pa", "ra", "rs", "ss"]);
        assert_eq!(plan.judge(decide), Err(Reply::new(550, "ra@example.nl")));
    }

    #[test]
    fn the_first_failure_stands() {
        let mut plan = plan(&["pp"]);
        plan.fail(Reply::new(552, "too large"));
        plan.fail(unreachable());
        plan.judge(decide).unwrap();
        assert_eq!(plan.before_data(), BeforeData::Refuse(Reply::new(552, "too large")));
    }

    #[test]
    fn what_the_reply_to_the_dot_means() {
        let cases = [
            (Some((250, "2.0.0 ok")), Behind::Took(Reply::new(250, "2.0.0 ok"))),
            (Some((251, "forwarded")), Behind::Took(Reply::new(251, "forwarded"))),
            (Some((354, "more")), Behind::Unknown),
            (Some((451, "4.7.1 later")), Behind::Refused(Reply::new(451, "4.7.1 later"))),
            (Some((421, "4.3.2 bye")), Behind::Refused(Reply::new(451, "4.3.2 bye"))),
            (Some((554, "5.7.1 no")), Behind::Refused(Reply::new(554, "5.7.1 no"))),
            (None, Behind::Unknown),
        ];
        for (reply, expected) in cases {
            assert_eq!(behind(reply.map(|(code, text)| Reply::new(code, text))), expected, "{reply:?}");
        }
    }
}
