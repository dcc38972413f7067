//! Answers that their client does not take end, and with them what they hold: each is given in pieces, and whoever carries it looks now
//! and then whether a piece went.
//!
//! With HTTP/2 an answer is asked for its next piece only while its stream's window is open; so the one who looks is the task around it,
//! by a timer of its own. A connection of HTTP/1 is such a task, and each stream of HTTP/2: one client's stream that stands still behind
//! a proxy ends nobody else's.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::rt::Executor;

/// Most bytes of a piece: whoever takes as much within [`PATIENCE`] is never cut off. What counts as taken is what the kernel takes.
const PIECE: usize = 64 * 1024;

/// An answer of which no piece goes for this long ends, [`LOOK`] later at most.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

/// How often is looked.
const LOOK: Duration = Duration::from_secs(30);

tokio::task_local! {
    /// Of the task that is running.
    static PROGRESS: Arc<Progress>;
}

/// How far the answer that a task carries is; it carries one at a time.
#[derive(Debug, Default)]
struct Progress {
    under_way: AtomicBool,
    /// Grows with each piece, and as an answer begins.
    pieces: AtomicU64,
}

impl Progress {
    /// Returns when an answer that is under way stood still for [`PATIENCE`].
    async fn ends(&self) {
        let (mut seen, mut since) = (0, Duration::ZERO);
        while since < PATIENCE {
            tokio::time::sleep(LOOK).await;
            let pieces = self.pieces.load(Ordering::Relaxed);
            let moves = pieces != seen || !self.under_way.load(Ordering::Relaxed);
            (seen, since) = (pieces, if moves { Duration::ZERO } else { since + LOOK });
        }
    }
}

/// Carries answers until it is done, or until one of them stands still: then `None`, and what it held is dropped.
pub(super) async fn attended<F: Future>(carrier: F) -> Option<F::Output> {
    let progress = Arc::new(Progress::default());
    tokio::select! {
        biased;
        output = PROGRESS.scope(Arc::clone(&progress), carrier) => Some(output),
        () = progress.ends() => None,
    }
}

/// Runs each stream of an HTTP/2 connection [`attended`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Streams;

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        tokio::spawn(attended(stream));
    }
}

/// The body of an answer, in pieces. The last byte of what the body gives goes by itself: HTTP/2 takes a piece as soon as its window is
/// open for one byte, so that only the next piece shows that this one went.
#[derive(Debug)]
pub(super) struct Pieces {
    body: Body,
    rest: Bytes,
    progress: Option<Arc<Progress>>,
}

impl Pieces {
    /// To be made by the task that carries the answer.
    pub fn new(body: Body) -> Self {
        let progress = PROGRESS.try_with(Arc::clone).ok();
        let pieces = Self { body, rest: Bytes::new(), progress };
        pieces.goes(true);
        pieces
    }

    fn goes(&self, under_way: bool) {
        if let Some(progress) = &self.progress {
            progress.under_way.store(under_way, Ordering::Relaxed);
            progress.pieces.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.goes(false);
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        self.goes(true);
        let most = self.rest.len().saturating_sub(1).clamp(1, PIECE).min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(most)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (body, rest) = (self.body.size_hint(), u64::try_from(self.rest.len()).unwrap_or(u64::MAX));
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower().saturating_add(rest));
        if let Some(upper) = body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}
