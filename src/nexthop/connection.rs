//! One SMTP connection: commands and bodies out, replies in.
//!
//! - Replies are read by our own bounded reader; a byte that nobody asked for makes the connection unsound, and an unsound
//!   connection carries nothing more.
//! - While a body is written the read side is polled, so that an early reply is seen and neither side waits for the other.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;
use zeroize::Zeroize;

use crate::base::Alarm;
use crate::mail::Reply;

use super::Capabilities;
use super::reply::ReplyBuffer;
use super::settings::Waits;

/// Body bytes that are gathered before they go to the socket.
const GATHER: usize = 32 * 1024;
/// How long QUIT may take.
const QUIT_WAIT: Duration = Duration::from_secs(2);

/// The socket, with or without TLS.
pub(super) enum Stream {
    /// As it is.
    Plain(TcpStream),
    /// Inside TLS.
    Tls(Box<TlsStream<TcpStream>>),
    /// In memory, where a test stops the clock.
    #[cfg(test)]
    Memory(tokio::io::DuplexStream),
}

impl Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(test)]
            Self::Memory(stream) => Pin::new(stream).poll_flush(cx),
        }
    }
}

/// Why a connection carries nothing more.
#[derive(Debug)]
pub(super) enum Fault {
    /// A reply came before its question was asked whole.
    Early(Reply),
    /// Closed, timed out, or no SMTP. The text is for the log.
    Gone(String),
}

impl Fault {
    fn gone(cause: impl std::fmt::Display) -> Self {
        Self::Gone(cause.to_string())
    }
    fn timeout(doing: &str) -> Self {
        Self::Gone(format!("timed out {doing}"))
    }
}

/// What one connection was used for so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wear {
    /// When it was opened.
    pub(super) opened: Instant,
    /// Mails carried.
    pub(super) mails: u32,
    /// RSETs since the last mail.
    pub(super) resets: u32,
}

/// A connection; mail goes over it when it is past EHLO, TLS and AUTH.
#[expect(clippy::struct_excessive_bools, reason = "facts about the connection, each on its own")]
pub(super) struct Connection {
    stream: Stream,
    replies: ReplyBuffer,
    out: Vec<u8>,
    /// The last two bytes of the body so far; CRLF before its first.
    tail: [u8; 2],
    /// Every question so far has its answer. False from the moment one is asked until its reply is read, so that a caller
    /// who stops waiting in the middle leaves a connection that carries nothing more.
    sound: bool,
    /// Between 354 and the final dot.
    body_open: bool,
    waits: Waits,
    /// When a reply is overdue.
    alarm: Alarm,
    pub(super) peer: SocketAddr,
    /// What its EHLO offered.
    pub(super) capabilities: Capabilities,
    /// Its EHLO offered PIPELINING (RFC 2920).
    pub(super) pipelining: bool,
    /// We logged in on it.
    pub(super) authenticated: bool,
    pub(super) wear: Wear,
}

impl Connection {
    pub(super) fn new(stream: Stream, peer: SocketAddr, waits: Waits) -> Self {
        let wear = Wear { opened: Instant::now(), mails: 0, resets: 0 };
        Self {
            stream,
            replies: ReplyBuffer::default(),
            out: Vec::new(),
            tail: *b"\r\n",
            sound: true,
            body_open: false,
            waits,
            alarm: Alarm::new(),
            peer,
            capabilities: Capabilities::default(),
            pipelining: false,
            authenticated: false,
            wear,
        }
    }

    /// Whether it may carry another transaction.
    pub(super) const fn is_sound(&self) -> bool {
        self.sound && !self.body_open && self.replies.is_empty()
    }

    /// Whether an idle connection is still open and silent. One that the server closed, or on which it says that it will, is not.
    pub(super) async fn is_quiet(&mut self) -> bool {
        let silent = poll_fn(|cx| Poll::Ready(self.poll_receive(cx).is_pending())).await;
        silent && self.is_sound()
    }

    /// Reads the greeting.
    pub(super) async fn greeting(&mut self) -> Result<Reply, Fault> {
        self.reply(self.waits.greeting, "waiting for the greeting").await
    }

    /// Sends one line of what comes before mail (EHLO, STARTTLS, AUTH) and reads its reply.
    pub(super) async fn hello(&mut self, line: &str) -> Result<Reply, Fault> {
        self.ask(line, self.waits.hello).await
    }

    /// Wipes what was sent last.
    pub(super) fn forget_sent(&mut self) {
        self.out.zeroize();
    }

    /// The socket, for TLS. What came behind the reply to STARTTLS in clear would count as said inside: it is a fault (RFC 3207 §4.2).
    pub(super) fn into_plain(self) -> Result<TcpStream, Fault> {
        match self.stream {
            Stream::Plain(stream) if self.sound && self.replies.is_empty() => Ok(stream),
            _ => Err(Fault::gone("bytes in clear behind the reply to STARTTLS")),
        }
    }

    /// Sends one command line of a mail transaction and reads its reply.
    pub(super) async fn command(&mut self, line: &str) -> Result<Reply, Fault> {
        self.ask(line, self.waits.command).await
    }

    /// Sends two command lines of a mail transaction together, where PIPELINING is offered, and reads both replies. There is no second
    /// one where the first says that the server closes.
    pub(super) async fn commands(&mut self, lines: [&str; 2]) -> Result<(Reply, Option<Result<Reply, Fault>>), Fault> {
        const DOING: &str = "waiting for the replies to two commands";
        let first = self.ask(&lines.concat(), self.waits.command).await?;
        if first.code() == 421 {
            return Ok((first, None));
        }
        // One question still lacks its answer.
        self.sound = false;
        let second = self.reply(self.waits.command, DOING).await;
        Ok((first, Some(second)))
    }

    async fn ask(&mut self, line: &str, wait: Duration) -> Result<Reply, Fault> {
        if let Some(unasked) = self.unasked().await? {
            return Ok(unasked);
        }
        self.out.extend_from_slice(line.as_bytes());
        match self.push_out(wait).await {
            Ok(()) => self.reply(wait, "waiting for the reply to a command").await,
            Err(Fault::Early(reply)) => Err(Fault::Gone(format!("{} before the command was sent", reply.code()))),
            Err(fault) => Err(fault),
        }
    }

    /// Sends DATA. After 354 the body begins.
    pub(super) async fn data(&mut self) -> Result<Reply, Fault> {
        self.tail = *b"\r\n";
        let reply = self.ask("DATA\r\n", self.waits.data).await?;
        self.body_open = reply.code() == 354;
        Ok(reply)
    }

    /// Body bytes in wire form.
    pub(super) async fn write(&mut self, wire: &[u8]) -> Result<(), Fault> {
        self.must_be_sound()?;
        for chunk in wire.chunks(GATHER) {
            self.out.extend_from_slice(chunk);
            for byte in chunk.iter().skip(chunk.len().saturating_sub(2)) {
                self.tail = [self.tail[1], *byte];
            }
            if self.out.len() >= GATHER {
                self.push_out(self.waits.data).await?;
                self.sound = true;
            }
        }
        Ok(())
    }

    /// The final dot and its reply. A refusal that comes before the dot is out stands for the reply.
    pub(super) async fn dot(&mut self) -> Result<Reply, Fault> {
        self.must_be_sound()?;
        if self.tail != *b"\r\n" {
            self.sound = false;
            return Err(Fault::gone("the body does not end in a line end"));
        }
        self.out.extend_from_slice(b".\r\n");
        self.wear.mails += 1;
        self.wear.resets = 0;
        self.body_open = false;
        match self.push_out(self.waits.data).await {
            Ok(()) => self.reply(self.waits.dot, "waiting for the reply to the mail").await,
            Err(Fault::Early(reply)) if reply.class() >= 4 => Ok(reply),
            Err(fault) => Err(fault),
        }
    }

    /// Says QUIT and closes. Bounded; errors have no meaning here.
    pub(super) async fn quit(mut self) {
        if self.is_sound() {
            let _bounded = timeout(QUIT_WAIT, self.command("QUIT\r\n")).await;
        }
    }

    /// Nothing goes out behind a write that was broken off: it would make a mail with a hole whole.
    fn must_be_sound(&self) -> Result<(), Fault> {
        if self.sound { Ok(()) } else { Err(Fault::gone("the connection is no longer sound")) }
    }

    /// What the server said without being asked. 421 is its right at any time (RFC 5321 §3.8); all else is a fault.
    async fn unasked(&mut self) -> Result<Option<Reply>, Fault> {
        self.must_be_sound()?;
        self.sound = false;
        match poll_fn(|cx| Poll::Ready(self.poll_receive(cx))).await {
            Poll::Pending if self.replies.is_empty() => Ok(None),
            Poll::Pending => Err(Fault::gone("half a reply that nobody asked for")),
            Poll::Ready(Err(fault)) => Err(fault),
            Poll::Ready(Ok(reply)) if reply.code() == 421 => Ok(Some(reply)),
            Poll::Ready(Ok(reply)) => Err(Fault::Gone(format!("{} that nobody asked for", reply.code()))),
        }
    }

    async fn reply(&mut self, wait: Duration, doing: &str) -> Result<Reply, Fault> {
        let deadline = Instant::now() + wait;
        let reply = poll_fn(|cx| match self.poll_receive(cx) {
            Poll::Pending => self.alarm.poll(deadline, cx).map(|()| Err(Fault::timeout(doing))),
            received @ Poll::Ready(_) => received,
        });
        let reply = reply.await?;
        self.sound = reply.code() != 421;
        Ok(reply)
    }

    /// Reads until a whole reply is there.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reply, Fault>> {
        loop {
            match self.replies.take() {
                Ok(Some(reply)) => return Poll::Ready(Ok(reply)),
                Ok(None) => {}
                Err(bad) => return Poll::Ready(Err(Fault::gone(bad))),
            }
            let mut space = [MaybeUninit::uninit(); 2048];
            let mut buf = ReadBuf::uninit(&mut space);
            match ready!(self.stream.poll_read(cx, &mut buf)) {
                Ok(()) if buf.filled().is_empty() => return Poll::Ready(Err(Fault::gone("closed by the server"))),
                Ok(()) => self.replies.push(buf.filled()),
                Err(error) => return Poll::Ready(Err(Fault::gone(error))),
            }
        }
    }

    /// Writes what was gathered, seeing what comes in meanwhile.
    async fn push_out(&mut self, wait: Duration) -> Result<(), Fault> {
        const STALLED: &str = "writing; the server reads nothing";
        self.sound = false;
        let out = std::mem::take(&mut self.out);
        let mut rest = out.as_slice();
        while !rest.is_empty() {
            let step = poll_fn(|cx| self.poll_step(cx, rest));
            let written = timeout(wait, step).await.map_err(|_| Fault::timeout(STALLED))??;
            rest = rest.get(written..).unwrap_or_default();
        }
        let flush = poll_fn(|cx| self.poll_step(cx, &[]));
        timeout(wait, flush).await.map_err(|_| Fault::timeout(STALLED))??;
        self.out = out;
        self.out.clear();
        Ok(())
    }

    /// One write after a look at the read side; or, with no bytes, one flush, with that look only while it is stuck: once
    /// everything is out, what comes in is the reply, however fast it is.
    fn poll_step(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Fault>> {
        if bytes.is_empty()
            && let Poll::Ready(done) = self.stream.poll_flush(cx)
        {
            return Poll::Ready(done.map(|()| 0).map_err(Fault::gone));
        }
        match self.poll_receive(cx) {
            Poll::Ready(Ok(reply)) => return Poll::Ready(Err(Fault::Early(reply))),
            Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
            Poll::Pending if bytes.is_empty() => return Poll::Pending,
            Poll::Pending => {}
        }
        let done = match ready!(self.stream.poll_write(cx, bytes)) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            other => other,
        };
        Poll::Ready(done.map_err(Fault::gone))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    const WAITS: Waits = Waits {
        lease: Duration::ZERO,
        reach: Duration::ZERO,
        connect: Duration::ZERO,
        greeting: Duration::from_secs(1),
        hello: Duration::from_secs(2),
        command: Duration::from_secs(4),
        data: Duration::from_secs(8),
        dot: Duration::from_secs(16),
        idle: Duration::ZERO,
    };

    /// A connection and its server's end; `buffer` octets fit on the way.
    fn pair(buffer: usize) -> (Connection, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(buffer);
        (Connection::new(Stream::Memory(ours), ([127, 0, 0, 1], 25).into(), WAITS), theirs)
    }

    async fn body_begun(connection: &mut Connection, server: &mut DuplexStream) {
        server.write_all(b"354 go\r\n").await.unwrap();
        // The reply stands there already: as if it came at once.
        connection.sound = true;
        connection.body_open = true;
        assert_eq!(connection.reply(WAITS.data, "").await.unwrap().code(), 354);
    }

    async fn after(future: impl Future<Output = Result<Reply, Fault>>) -> Duration {
        let start = Instant::now();
        let fault = future.await.expect_err("the server says nothing");
        assert!(matches!(&fault, Fault::Gone(cause) if cause.starts_with("timed out")), "{fault:?}");
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn every_wait_has_its_own_end() {
        let (mut connection, _server) = pair(1000);
        assert_eq!(after(connection.greeting()).await, WAITS.greeting);
        let (mut connection, _server) = pair(1000);
        assert_eq!(after(connection.hello("EHLO x\r\n")).await, WAITS.hello);
        let (mut connection, _server) = pair(1000);
        assert_eq!(after(connection.command("RCPT TO:<a@b.example>\r\n")).await, WAITS.command);
        let (mut connection, _server) = pair(1000);
        assert_eq!(after(connection.data()).await, WAITS.data);
        let (mut connection, mut server) = pair(1000);
        body_begun(&mut connection, &mut server).await;
        assert_eq!(after(connection.dot()).await, WAITS.dot);
        assert!(!connection.is_sound());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_trickles_in_is_late_all_the_same() {
        let (mut connection, mut server) = pair(1000);
        let trickle = tokio::spawn(async move {
            // A byte now and then keeps no wait alive: the reply as a whole has one.
            for byte in b"250-".iter().chain([b'x'; 1000].iter()) {
                server.write_all(&[*byte]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
        assert_eq!(after(connection.command("MAIL FROM:<>\r\n")).await, WAITS.command);
        trickle.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_may_be_slow_but_not_stand_still() {
        let (mut connection, mut server) = pair(64);
        body_begun(&mut connection, &mut server).await;
        let body = b"0123456789\r\n".repeat(10_000);
        let slow = tokio::spawn(async move {
            // Less than a wait between two reads, an hour in all; then nothing more.
            let mut space = [0; 16];
            for _ in 0..600 {
                tokio::time::sleep(Duration::from_secs(7)).await;
                assert_ne!(server.read(&mut space).await.unwrap(), 0);
            }
            std::future::pending::<()>().await;
        });
        let start = Instant::now();
        let fault = connection.write(&body).await.expect_err("it stops reading");
        assert!(matches!(&fault, Fault::Gone(cause) if cause.contains("reads nothing")), "{fault:?}");
        assert!(start.elapsed() > Duration::from_hours(1), "{:?}", start.elapsed());
        assert!(connection.dot().await.is_err(), "no dot behind a hole");
        slow.abort();
    }
}
