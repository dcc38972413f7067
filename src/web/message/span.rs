//! A stretch of a body on its way to a browser, opened on threads that may wait, some steps ahead of what is being sent.
//!
//! Memory is those steps and the one that is sent, however slow the browser is. While more stretches are wanted than there are turns, or
//! so many wait for slow browsers that all places ahead are taken, nothing is opened ahead.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::mail::mime::LeafDecoder;
use crate::seal::body::CHUNK;

use crate::web::answer::Problem;

use super::content::{Content, Opened, Room};

/// Sealed chunks of a step.
const STEP: u64 = 4;

/// Steps of one stretch that are opened ahead of the one that is being sent.
const AHEAD: usize = 2;

/// Steps that are opened ahead, of all stretches together: 4 MiB.
const ALL_AHEAD: usize = 16;

/// Gives turns, as many as there are cores: many downloads at a time do not take the machine from the mail.
#[derive(Debug, Clone)]
pub(in crate::web) struct Openers {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Default for Openers {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { turns: Arc::new(Semaphore::new(cores)), places: Arc::new(Semaphore::new(ALL_AHEAD)) }
    }
}

impl Openers {
    /// Does `work` on a blocking thread when it is its turn.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        finished(on_its_own(self.turn().await?, work)).await
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Problem::Busy)
    }

    /// A turn, and a place for what is opened ahead, when both are free.
    fn ahead(&self) -> Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some((Arc::clone(&self.turns).try_acquire_owned().ok()?, place))
    }
}

type Running<T> = JoinHandle<Result<T, Problem>>;

fn on_its_own<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Running<T> {
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    })
}

async fn finished<T>(running: Running<T>) -> Result<T, Problem> {
    running.await.unwrap_or_else(|_| {
        tracing::error!("a body could not be opened");
        Err(Problem::Broken)
    })
}

/// A stretch of a body on its way to a browser.
pub(super) struct Span {
    content: Content,
    /// From here on nothing is being opened yet.
    at: u64,
    end: u64,
    /// Steps that are being opened, in order, each with its place.
    ahead: VecDeque<(Running<Vec<Opened>>, Option<OwnedSemaphorePermit>)>,
    /// Rooms of chunks that were decoded.
    rooms: Vec<Room>,
    /// `None` once nothing more comes.
    decoder: Option<LeafDecoder>,
    /// Decoded bytes at the start that are not wanted.
    skip: u64,
    /// Decoded bytes that are wanted behind those.
    left: u64,
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span").field("at", &self.at).field("end", &self.end).finish_non_exhaustive()
    }
}

impl Span {
    /// The bytes of `content` from `at` to `end`, through a decoder for `encoding`.
    pub fn new(content: Content, at: u64, end: u64, encoding: &str) -> Self {
        let decoder = Some(LeafDecoder::new(encoding));
        Self { content, at, end, ahead: VecDeque::new(), rooms: Vec::new(), decoder, skip: 0, left: u64::MAX }
    }

    /// Only `len` decoded bytes, after the first `skip`; to be asked for before anything is read.
    pub const fn only(mut self, skip: u64, len: u64) -> Self {
        (self.skip, self.left) = (skip, len);
        self
    }

    /// The next decoded bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let mut out = Vec::new();
        while out.is_empty() && self.decoder.is_some() {
            if self.ahead.is_empty() && self.at < self.end {
                let turn = self.content.openers().turn().await?;
                self.begin(turn, None);
            }
            let opened = match self.ahead.pop_front() {
                Some((running, _place)) => finished(running).await?,
                None => Vec::new(),
            };
            // Also of what was opened before it was taken back nothing is given out any more.
            self.content.still_there().await?;
            self.begin_more();
            self.decode(opened, &mut out);
        }
        Ok((!out.is_empty()).then(|| out.into()))
    }

    /// Begins as many steps ahead as may be.
    fn begin_more(&mut self) {
        while self.ahead.len() < AHEAD
            && self.at < self.end
            && let Some((turn, place)) = self.content.openers().ahead()
        {
            self.begin(turn, Some(place));
        }
    }

    /// Begins to open the next step.
    fn begin(&mut self, turn: OwnedSemaphorePermit, place: Option<OwnedSemaphorePermit>) {
        let chunk = CHUNK as u64;
        let until = (self.at / chunk).saturating_add(STEP).saturating_mul(chunk).min(self.end);
        let (content, mut at, end) = (self.content.clone(), std::mem::replace(&mut self.at, until), until);
        let mut rooms = std::mem::take(&mut self.rooms);
        let running = on_its_own(turn, move || {
            let mut opened = Vec::new();
            while at < end {
                let chunk = content.open_at(at, end, rooms.pop().unwrap_or_default())?;
                at += chunk.bytes().len() as u64;
                opened.push(chunk);
            }
            Ok(opened)
        });
        self.ahead.push_back((running, place));
    }

    /// Adds what is wanted of these chunks to `out`. None of them: it was the end.
    fn decode(&mut self, opened: Vec<Opened>, out: &mut Vec<u8>) {
        let len = opened.iter().map(|chunk| chunk.bytes().len()).sum();
        match self.decoder.take() {
            Some(mut decoder) if len > 0 => {
                out.reserve(len);
                for chunk in opened {
                    decoder.push(chunk.bytes(), out);
                    self.rooms.push(chunk.into_room());
                }
                if self.ahead.is_empty() {
                    // It may take long until the next step.
                    self.rooms.clear();
                }
                self.decoder = Some(decoder);
            }
            Some(decoder) => decoder.finish(out),
            None => {}
        }
        self.crop(out);
    }

    /// Leaves what is wanted of these bytes; past the last that is wanted nothing more is opened.
    fn crop(&mut self, out: &mut Vec<u8>) {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(out.len());
        out.drain(..skipped);
        self.skip -= skipped as u64;
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        out.truncate(wanted);
        self.left -= wanted as u64;
        if self.left == 0 {
            self.decoder = None;
        }
    }

    /// As a response body. The first bytes are opened before it is made, so that a damaged start is an error page; damage
    /// later breaks the transfer off.
    pub async fn into_body(mut self) -> Result<Body, Problem> {
        let Some(first) = self.next().await? else { return Ok(Body::empty()) };
        let rest = stream::try_unfold((Some(first), self), |(ready, mut span)| async move {
            if let Some(bytes) = ready {
                return Ok::<_, std::io::Error>(Some((bytes, (None, span))));
            }
            let next =
                span.next().await.map_err(|_| std::io::Error::other("the body is damaged, or was taken back"))?;
            Ok(next.map(|bytes| (bytes, (None, span))))
        });
        Ok(Body::from_stream(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn slow_browsers_keep_so_many_steps_and_no_turn() {
        let openers = Openers::default();
        let mut places = Vec::new();
        while let Some((turn, place)) = openers.ahead() {
            drop(turn);
            places.push(place);
        }
        assert_eq!(places.len(), ALL_AHEAD);
        assert_eq!(openers.run(|| Ok(7)).await.ok(), Some(7), "what is needed now is opened all the same");
        places.clear();
        let turns: Vec<_> = (0..openers.turns.available_permits()).map(|_| openers.ahead().unwrap()).collect();
        assert!(!turns.is_empty() && openers.ahead().is_none() && openers.places.available_permits() > 0);
    }
}
