//! The next hop's side of one transaction before the body: MAIL and RCPT forwarded as they come, replayed where they must be, and
//! DATA only when exactly the passing recipients are open there.
//!
//! A reused connection that turns out to be dead is replaced by a fresh one, once, and a host that fails before it accepted MAIL gives
//! way to the next; any other failure before DATA is the transaction's failure, and the caller remembers it.

use std::time::Duration;

use crate::mail::{MailFrom, RcptTo, Reply};
use crate::nexthop::{HopError, Lease, NextHop};

use super::parked::{Parked, Parking};
use super::plan::{self, BeforeData, Plan};

/// The hop of one transaction, fixed by its first forwarded RCPT.
#[derive(Debug)]
pub(super) struct HopSide {
    hop: NextHop,
    parking: Parking,
    parked: Option<Parked>,
    patience: Duration,
    /// A dead connection was replaced already.
    replaced: bool,
}

/// What a command on a lease came to.
enum Said {
    /// A reply that this command may have.
    Reply(Reply),
    /// The connection ended, or what came back means nothing; the answer for the client.
    Lost(Reply),
}

impl HopSide {
    pub(super) fn new(hop: NextHop, parking: Parking, patience: Duration) -> Self {
        Self { hop, parking, parked: None, patience, replaced: false }
    }

    /// Its name in the config.
    pub(super) fn name(&self) -> &str {
        self.hop.name()
    }

    /// Forwards a RCPT: the hop's answer to it (2xx, 4xx, 5xx). The error is the hop's failure, to be remembered.
    pub(super) async fn rcpt(&mut self, plan: &mut Plan, from: &MailFrom, to: &RcptTo) -> Result<Reply, Reply> {
        loop {
            let (mut lease, asked) = self.transaction(plan, from, Some(to)).await?;
            let reply = match asked {
                Some(reply) => reply,
                None => lease.rcpt(to).await,
            };
            match self.said(reply) {
                Said::Reply(reply) => {
                    self.parked = Some(self.parking.park(lease, self.patience));
                    return Ok(reply);
                }
                Said::Lost(answer) => self.replace(&lease, plan, answer)?,
            }
        }
    }

    /// Brings the hop to DATA with exactly the passing recipients open, and to its 354. The error is the answer to the client.
    pub(super) async fn data(&mut self, plan: &mut Plan, from: &MailFrom) -> Result<Lease, Reply> {
        loop {
            // The client was told 250 for MAIL: a refusal for good would contradict it.
            let transaction = self.transaction(plan, from, None).await;
            let (mut lease, _) =
                transaction.map_err(|answer| if answer.class() == 5 { plan::confused() } else { answer })?;
            match self.exactly(&mut lease, plan, from).await {
                Ok(()) => {}
                Err(Said::Reply(answer)) => {
                    plan.closed();
                    lease.reset_and_give_back().await;
                    return Err(answer);
                }
                Err(Said::Lost(answer)) => {
                    self.replace(&lease, plan, answer)?;
                    continue;
                }
            }
            if plan.before_data() != BeforeData::Go {
                // Not reached: `exactly` ends with Go. It stands here so that no later change can reach DATA otherwise.
                return Err(plan::confused());
            }
            let reply = lease.data().await;
            if matches!(&reply, Ok(reply) if reply.code() == 354) {
                return Ok(lease);
            }
            match self.said(reply) {
                Said::Reply(refusal) if !refusal.is_positive() => {
                    plan.closed();
                    lease.reset_and_give_back().await;
                    return Err(refusal);
                }
                Said::Reply(_) => return Err(plan::confused()),
                Said::Lost(answer) => self.replace(&lease, plan, answer)?,
            }
        }
    }

    /// Leaves the hop without DATA. The parked lease resets itself behind our back: no client waits for a hop that it does not need.
    pub(super) fn leave(&mut self) {
        self.parked = None;
    }

    /// A lease with a transaction open: the parked one, or another after MAIL. With the answer to RCPT for `first`, where that could go
    /// along with MAIL.
    async fn transaction(
        &mut self,
        plan: &mut Plan,
        from: &MailFrom,
        first: Option<&RcptTo>,
    ) -> Result<(Lease, Option<Result<Reply, HopError>>), Reply> {
        if let Some(parked) = self.parked.take()
            && let Some(lease) = parked.resume()
        {
            return Ok((lease, None));
        }
        loop {
            plan.closed();
            let lease = if self.replaced { self.hop.lease_fresh().await } else { self.hop.lease().await };
            let mut lease = lease.map_err(|error| {
                tracing::warn!(hop = self.hop.name(), %error, "next hop unreachable");
                plan::unreachable()
            })?;
            let (begun, asked) = match first {
                Some(to) => lease.begin(from, to).await,
                None => (lease.mail(from).await, None),
            };
            match self.said(begun) {
                Said::Reply(reply) if reply.is_positive() => return Ok((lease, asked)),
                Said::Reply(refusal) => {
                    lease.reset_and_give_back().await;
                    return Err(refusal);
                }
                Said::Lost(answer) => self.replace(&lease, plan, answer)?,
            }
        }
    }

    /// Opens exactly the passing recipients, by RSET and replay where something else is open. The error is an answer to the
    /// client, or a lost connection.
    async fn exactly(&self, lease: &mut Lease, plan: &mut Plan, from: &MailFrom) -> Result<(), Said> {
        if plan.before_data() != BeforeData::Replay {
            return Ok(());
        }
        if plan.any_open() {
            plan.closed();
            let reply = lease.rset().await;
            self.same_class(reply)?;
            let reply = lease.mail(from).await;
            self.same_class(reply)?;
        }
        let passing: Vec<(usize, RcptTo)> = plan.passing().map(|(index, to)| (index, to.clone())).collect();
        for (index, to) in passing {
            let reply = lease.rcpt(&to).await;
            self.same_class(reply)?;
            plan.opened(index);
        }
        Ok(())
    }

    /// What was answered with 2xx before must be so again.
    fn same_class(&self, reply: Result<Reply, HopError>) -> Result<(), Said> {
        match self.said(reply) {
            Said::Reply(reply) if reply.is_positive() => Ok(()),
            Said::Reply(reply) => {
                tracing::warn!(
                    hop = self.hop.name(),
                    code = reply.code(),
                    "next hop answered a replay otherwise than before"
                );
                Err(Said::Reply(plan::confused()))
            }
            lost @ Said::Lost(_) => Err(lost),
        }
    }

    fn said(&self, reply: Result<Reply, HopError>) -> Said {
        match reply {
            Ok(reply) if reply.code() == 421 => Said::Lost(plan::passed_on(reply)),
            Ok(reply) if matches!(reply.class(), 2 | 4 | 5) => Said::Reply(reply),
            Ok(reply) => {
                tracing::warn!(
                    hop = self.hop.name(),
                    code = reply.code(),
                    "next hop sent a reply that means nothing here"
                );
                Said::Lost(plan::confused())
            }
            Err(error) => {
                tracing::info!(hop = self.hop.name(), %error, "connection lost before DATA");
                Said::Lost(plan::unreachable())
            }
        }
    }

    /// A host that never accepted MAIL may give way to one that is well, and a dead connection may be replaced once, when it lay idle
    /// before; else its end is the hop's failure.
    fn replace(&mut self, lease: &Lease, plan: &mut Plan, answer: Reply) -> Result<(), Reply> {
        plan.closed();
        if lease.may_fail_over() {
            return Ok(());
        }
        if self.replaced || !lease.reused() {
            return Err(answer);
        }
        self.replaced = true;
        Ok(())
    }
}
