//! A stretch of a body on its way to a browser, opened and decoded on a thread that may wait, one step ahead of what is being sent.
//!
//! Memory is two steps, however slow the browser is. While more stretches are wanted than there are turns, nothing is opened ahead.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::mail::mime::LeafDecoder;
use crate::seal::body::CHUNK;

use crate::web::answer::Problem;

use super::content::Content;

/// Sealed chunks of a step.
const STEP: usize = 2;

/// Gives turns, as many as there are cores: many downloads at a time do not take the machine from the mail.
#[derive(Debug, Clone)]
pub(in crate::web) struct Openers(Arc<Semaphore>);

impl Default for Openers {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(cores)))
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
        Arc::clone(&self.0).acquire_owned().await.map_err(|_| Problem::Busy)
    }

    fn free_turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
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
#[derive(Debug)]
pub(super) struct Span {
    content: Content,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting(Box<Work>),
    /// The next step is being made.
    Ahead(Running<(Box<Work>, Vec<u8>)>),
    Over,
}

impl Span {
    /// The bytes of `content` from `at` to `end`, through a decoder for `encoding`.
    pub fn new(content: Content, at: u64, end: u64, encoding: &str) -> Self {
        let decoder = Some(LeafDecoder::new(encoding));
        let work =
            Work { content: content.clone(), at, end, decoder, skip: 0, left: u64::MAX, chunk: Zeroizing::default() };
        Self { content, state: State::Waiting(Box::new(work)) }
    }

    /// Only `len` decoded bytes, after the first `skip`; to be asked for before anything is read.
    pub fn only(mut self, skip: u64, len: u64) -> Self {
        if let State::Waiting(work) = &mut self.state {
            (work.skip, work.left) = (skip, len);
        }
        self
    }

    /// The next decoded bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let running = match std::mem::replace(&mut self.state, State::Over) {
            State::Over => return Ok(None),
            State::Waiting(work) => on_its_own(self.content.openers().turn().await?, || work.step()),
            State::Ahead(running) => running,
        };
        let (work, bytes) = finished(running).await?;
        // Also of what was opened before it was taken back nothing is given out any more.
        self.content.still_there().await?;
        if work.decoder.is_some() {
            self.state = match self.content.openers().free_turn() {
                Some(turn) => State::Ahead(on_its_own(turn, || work.step())),
                None => State::Waiting(work),
            };
        }
        Ok((!bytes.is_empty()).then(|| bytes.into()))
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

/// What is still to be opened.
struct Work {
    content: Content,
    at: u64,
    end: u64,
    /// `None` once nothing more comes.
    decoder: Option<LeafDecoder>,
    /// Decoded bytes at the start that are not wanted.
    skip: u64,
    /// Decoded bytes that are wanted behind those.
    left: u64,
    /// Room for a chunk.
    chunk: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("at", &self.at).field("end", &self.end).finish_non_exhaustive()
    }
}

impl Work {
    /// Opens some chunks. The decoded bytes are empty only when nothing more comes. Waits for the disk.
    fn step(mut self: Box<Self>) -> Result<(Box<Self>, Vec<u8>), Problem> {
        let ahead = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let mut out = Vec::with_capacity(ahead.min(STEP * CHUNK));
        let mut opened = 0;
        while opened < STEP || out.is_empty() {
            let Some(decoder) = &mut self.decoder else { break };
            let before = out.len();
            if self.at < self.end {
                let plain = self.content.open_at(self.at, self.end, &mut self.chunk)?;
                self.at += plain.len() as u64;
                decoder.push(plain, &mut out);
            } else if let Some(decoder) = self.decoder.take() {
                decoder.finish(&mut out);
            }
            self.crop(before, &mut out);
            opened += 1;
        }
        Ok((self, out))
    }

    /// Leaves what is wanted of the bytes behind `before`; past the last of these nothing more is opened.
    fn crop(&mut self, before: usize, out: &mut Vec<u8>) {
        let new = out.len() - before;
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(new);
        out.drain(before..before + skipped);
        self.skip -= skipped as u64;
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(new - skipped);
        out.truncate(before + wanted);
        self.left -= wanted as u64;
        if self.left == 0 {
            self.decoder = None;
        }
    }
}
