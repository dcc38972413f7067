//! One mail after its verdicts: the passing part streams to the next hop while the sealed part streams into intake, and the dot
//! is answered when what the answer promises is true.
//!
//! - The final dot goes to the hop only after the sealed part is durable (`prepare`).
//! - A failure on either side ends both: the hop sees no dot, intake keeps nothing.
//! - The reply to the dot is never guessed and the dot never sent twice.

use crate::intake::{Intake, IntakeError, Sealing};
use crate::mail::Reply;
use crate::mail::dot::Unstuffer;
use crate::nexthop::Lease;

use super::plan::{self, Behind};

/// Bytes that are sealed at once. What was collected before the verdict is more, and room for all of it would stay as long as the mail.
const PIECE: usize = 16 * 1024;

/// The sealed part on its way in.
struct Inward {
    sealing: Sealing,
    unstuffer: Unstuffer,
    plain: Vec<u8>,
}

impl Inward {
    async fn write(&mut self, wire: &[u8]) -> Result<(), IntakeError> {
        for piece in wire.chunks(PIECE) {
            self.plain.clear();
            self.unstuffer.push(piece, &mut self.plain);
            self.sealing.write(&self.plain).await?;
        }
        Ok(())
    }
}

/// A mail that streams.
pub(super) struct Delivery {
    /// The transaction's id, for the log.
    id: String,
    outward: Option<Lease>,
    inward: Option<Inward>,
    failed: Option<Reply>,
}

impl Delivery {
    /// To the hop (after its 354), into intake (its header block written, `unstuffer` at the end of it), or both.
    pub(super) fn new(id: String, outward: Option<Lease>, inward: Option<(Sealing, Unstuffer)>) -> Self {
        let inward = inward.map(|(sealing, unstuffer)| Inward { sealing, unstuffer, plain: Vec::new() });
        Self { id, outward, inward, failed: None }
    }

    /// Whether a part of it is sealed.
    pub(super) const fn seals(&self) -> bool {
        self.inward.is_some()
    }

    /// Bytes for the hop alone.
    pub(super) async fn write_outward(&mut self, wire: &[u8]) {
        if let Some(lease) = &mut self.outward
            && let Err(answer) = outward(lease, wire).await
        {
            self.fail(answer);
        }
    }

    /// Body bytes in wire form, for both at the same time.
    pub(super) async fn write(&mut self, wire: &[u8]) {
        let to_hop = async {
            match &mut self.outward {
                Some(lease) => outward(lease, wire).await,
                None => Ok(()),
            }
        };
        let to_intake = async {
            match &mut self.inward {
                Some(inward) => inward.write(wire).await,
                None => Ok(()),
            }
        };
        let (hop, intake) = tokio::join!(to_hop, to_intake);
        if let Err(error) = intake {
            tracing::warn!(mail = self.id, %error, "a confidential mail could not be stored");
            self.fail(error.reply());
        }
        if let Err(answer) = hop {
            self.fail(answer);
        }
    }

    /// The first failure stands; both sides end here.
    fn fail(&mut self, answer: Reply) {
        self.failed.get_or_insert(answer);
        self.outward = None;
        self.inward = None;
    }

    /// The dot.
    pub(super) async fn finish(self, intake: &Intake) -> Reply {
        let Self { id, outward, inward, failed } = self;
        match (failed, outward, inward) {
            (Some(answer), ..) => answer,
            (None, Some(lease), None) => pass(&id, lease).await,
            (None, None, Some(inward)) => seal(&id, inward.sealing).await,
            (None, Some(lease), Some(inward)) => mixed(&id, lease, inward.sealing, intake).await,
            (None, None, None) => Reply::new(451, "4.3.0 Try again later"),
        }
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (outward, inward) = (self.outward.is_some(), self.inward.is_some());
        write!(f, "Delivery({}, outward: {outward}, inward: {inward})", self.id)
    }
}

async fn outward(lease: &mut Lease, wire: &[u8]) -> Result<(), Reply> {
    let Err(error) = lease.write(wire).await else { return Ok(()) };
    tracing::info!(%error, "next hop ended the mail before its dot");
    let early = lease.early().filter(|reply| reply.class() >= 4);
    Err(early.map_or_else(plan::unreachable, plan::passed_on))
}

/// Ordinary mail: the hop's reply is the reply.
async fn pass(id: &str, lease: Lease) -> Reply {
    match dot(id, lease).await {
        Behind::Took(reply) => {
            tracing::debug!(mail = id, code = reply.code(), "passed");
            reply
        }
        Behind::Refused(reply) => reply,
        Behind::Unknown => plan::uncertain(),
    }
}

/// Confidential mail: 250 when it is durable.
async fn seal(id: &str, sealing: Sealing) -> Reply {
    let message = sealing.id();
    match sealing.take().await {
        Ok(()) => {
            tracing::debug!(mail = id, sealed = %message, "sealed");
            Reply::new(250, &format!("2.6.0 {message} sealed"))
        }
        Err(error) => {
            tracing::warn!(mail = id, %error, "a confidential mail could not be stored");
            error.reply()
        }
    }
}

/// Both: prepared, then the hop's dot, then committed.
async fn mixed(id: &str, lease: Lease, sealing: Sealing, intake: &Intake) -> Reply {
    let message = sealing.id();
    let prepared = match sealing.prepare().await {
        Ok(prepared) => prepared,
        Err(error) => {
            tracing::warn!(mail = id, %error, "a confidential mail could not be stored");
            return error.reply();
        }
    };
    let behind = dot(id, lease).await;
    let Some(prepared) = prepared else {
        return match behind {
            Behind::Took(reply) | Behind::Refused(reply) => reply,
            Behind::Unknown => plan::uncertain(),
        };
    };
    let answer = match behind {
        Behind::Took(reply) => {
            return match intake.commit(prepared).await {
                Ok(()) => {
                    tracing::debug!(mail = id, sealed = %message, code = reply.code(), "passed and sealed");
                    reply
                }
                Err(error) => {
                    tracing::error!(mail = id, sealed = %message, %error, "passed, but not counted as sealed: a repeat passes again");
                    plan::half_done()
                }
            };
        }
        Behind::Refused(reply) => reply,
        Behind::Unknown => plan::uncertain(),
    };
    if let Err(error) = intake.drop_prepared(prepared).await {
        // It is invisible and goes at the next start.
        tracing::warn!(mail = id, %error, "a prepared mail could not be dropped");
    }
    answer
}

async fn dot(id: &str, mut lease: Lease) -> Behind {
    let peer = lease.peer();
    let reply = match lease.dot().await {
        Ok(reply) => {
            // After 3xx nobody knows where the dialog stands.
            if reply.class() != 3 {
                lease.give_back();
            }
            Some(reply)
        }
        Err(error) => {
            tracing::info!(mail = id, %error, "no reply to the final dot");
            None
        }
    };
    let behind = plan::behind(reply);
    if behind == Behind::Unknown {
        tracing::warn!(mail = id, hop = %peer, "uncertain: the next hop may have taken the mail; the client is told to try again");
    }
    behind
}
