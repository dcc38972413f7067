//! A connection that ends when nothing moves on it, or when what we write is not taken: a client that neither sends nor reads holds no
//! place for long.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A stream with a limit on silence, in both directions together, and one on how long a write waits, whatever comes in meanwhile.
#[derive(Debug)]
pub(super) struct Idle<S> {
    stream: S,
    silence: Duration,
    patience: Duration,
    /// When something moved last.
    moved: Instant,
    /// Since when a write waits.
    waiting: Option<Instant>,
    /// Wakes us at [`Self::end`] or earlier: it is not set anew for each movement.
    alarm: Pin<Box<Sleep>>,
}

impl<S> Idle<S> {
    /// Ends after `silence` in both directions, or when a write waits for `patience`; starts counting now.
    pub fn new(stream: S, silence: Duration, patience: Duration) -> Self {
        let alarm = Box::pin(sleep(silence));
        Self { stream, silence, patience, moved: Instant::now(), waiting: None, alarm }
    }

    /// When it ends, if nothing changes.
    fn end(&self) -> Instant {
        self.waiting.map_or_else(|| self.moved + self.silence, |since| since + self.patience)
    }

    fn came<T>(&mut self, cx: &mut Context<'_>, read: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if read.is_ready() {
            self.moved = Instant::now();
            return read;
        }
        self.wait(cx)
    }

    fn written<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            (self.moved, self.waiting) = (Instant::now(), None);
            return written;
        }
        self.waiting.get_or_insert_with(Instant::now);
        self.wait(cx)
    }

    /// A flush of nothing is no movement; one that had to wait is.
    fn flushed(&mut self, cx: &mut Context<'_>, flushed: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        if flushed.is_ready() && self.waiting.is_none() { flushed } else { self.written(cx, flushed) }
    }

    /// Nothing moved: an error once the end is reached.
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let end = self.end();
        if self.alarm.deadline() > end {
            self.alarm.as_mut().reset(end);
        }
        while self.alarm.as_mut().poll(cx).is_ready() {
            if end <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.alarm.as_mut().reset(end);
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Idle<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.came(cx, read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Idle<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.flushed(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.flushed(cx, closed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const SILENCE: Duration = Duration::from_mins(1);
    const PATIENCE: Duration = Duration::from_mins(2);

    fn idle() -> (Idle<DuplexStream>, DuplexStream) {
        let (near, far) = duplex(64);
        (Idle::new(near, SILENCE, PATIENCE), far)
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_and_movement_goes_on() {
        let (mut near, mut far) = idle();
        let speaker = tokio::spawn(async move {
            for _ in 0..5 {
                sleep(Duration::from_secs(50)).await;
                far.write_all(b"x").await.unwrap();
            }
            far
        });
        let mut got = [0; 5];
        near.read_exact(&mut got).await.unwrap();
        let _silent = speaker.await.unwrap();
        let begun = Instant::now();
        assert_eq!(near.read(&mut got).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_reads_nothing_is_left() {
        let (mut near, _far) = idle();
        let begun = Instant::now();
        assert_eq!(near.write_all(&[0; 1000]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn who_talks_and_does_not_read_is_left_and_who_reads_slowly_is_not() {
        let (near, far) = idle();
        let (mut reads, mut writes) = tokio::io::split(near);
        let (mut hears, mut speaks) = tokio::io::split(far);
        let talker = tokio::spawn(async move {
            while speaks.write_all(b"x").await.is_ok() {
                sleep(Duration::from_secs(10)).await;
            }
        });
        let slow = tokio::spawn(async move {
            for _ in 0..5 {
                sleep(Duration::from_secs(110)).await;
                hears.read_exact(&mut [0; 64]).await.unwrap();
            }
            (hears, Instant::now())
        });
        // One task does both, as hyper does; both hear of the end.
        let talk = async { while reads.read_u8().await.is_ok() {} };
        let (written, ()) = tokio::join!(writes.write_all(&[0; 1000]), talk);
        let ended = written.unwrap_err().kind();
        assert_eq!(ended, io::ErrorKind::TimedOut);
        let (_deaf, since) = slow.await.unwrap();
        assert_eq!(since.elapsed(), PATIENCE);
        talker.abort();
    }
}
