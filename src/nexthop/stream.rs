//! Sending a mail that is never whole in memory: its bytes come from a source, piece by piece, while they go out.

use std::future::Future;

use crate::mail::{MailFrom, RcptTo, Reply};

use super::{HopError, NextHop};

/// Where the bytes of a mail come from.
pub trait Source: Send {
    /// Why there are no more before the end. For the log; names no content.
    type Error: Send;

    /// The next bytes in wire form (dot-stuffed, lines ended by CRLF, no terminator); `None` at the end, which is the end of a line.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<u8>>, Self::Error>> + Send;
}

/// Why a mail was not sent, or may not have been.
#[derive(Debug)]
pub enum StreamError<E> {
    /// The hop.
    Hop(HopError),
    /// The source, before the final dot: the mail was certainly not taken.
    Source(E),
}

impl<E> From<HopError> for StreamError<E> {
    fn from(error: HopError) -> Self {
        Self::Hop(error)
    }
}

impl NextHop {
    /// Sends one mail from a source. The reply is the first refusal, or the one to the dot. When the source fails, the connection is closed
    /// without the dot, so that no half mail arrives.
    ///
    /// A reused connection that turns out to be dead before the body began is replaced once.
    ///
    /// # Errors
    /// Those of [`send`](Self::send), and the source's.
    pub async fn send_from<S: Source>(
        &self,
        from: &MailFrom,
        to: &RcptTo,
        source: &mut S,
    ) -> Result<Reply, StreamError<S::Error>> {
        let mut lease = self.lease().await?;
        let mut reply = lease.open(from, to).await;
        let dead = reply.as_ref().map_or(true, |reply| reply.code() == 421);
        if dead && lease.reused() {
            lease = self.lease_fresh().await?;
            reply = lease.open(from, to).await;
        }
        match reply? {
            reply if reply.code() == 354 => {}
            reply if reply.class() < 4 => return Err(lease.broken(format!("unexpected {}", reply.code())).into()),
            refusal => {
                lease.reset_and_give_back().await;
                return Ok(refusal);
            }
        }
        while let Some(wire) = source.next().await.map_err(StreamError::Source)? {
            if let Err(error) = lease.write(&wire).await {
                return lease.early().filter(|reply| reply.class() >= 4).ok_or(error.into());
            }
        }
        let reply = lease.dot().await?;
        if reply.class() == 3 {
            return Err(lease.broken(format!("unexpected {} to the mail", reply.code())).into());
        }
        lease.give_back();
        Ok(reply)
    }
}
