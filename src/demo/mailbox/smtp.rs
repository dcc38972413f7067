//! The demo's next hop: takes every mail for every address over loopback, and keeps it in memory.
//!
//! It speaks just enough SMTP (RFC 5321) for a client that behaves: bounded lines, bounded mails, a time limit on silence.
//! `DSN` and `SMTPUTF8` are offered so that the demo takes the same way as a good next hop would.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::shelf::{Mail, Shelf};

/// Longest command line, CRLF included.
const MAX_LINE: u64 = 4096;
/// Longest mail, bytes.
const MAX_MAIL: usize = 64 * 1024 * 1024;
/// Recipients of one mail at most.
const MAX_RECIPIENTS: usize = 1000;
/// Longest silence of a client.
const SILENCE: Duration = Duration::from_mins(5);
/// Connections at the same time.
const MAX_CONNECTIONS: usize = 64;

/// Accepts connections until `stop`.
pub(super) async fn serve(listener: TcpListener, shelf: Arc<Shelf>, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let sessions = TaskTracker::new();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { break };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let session = Session::new(stream, Arc::clone(&shelf));
                let stop = stop.clone();
                sessions.spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        _ = session.run() => {}
                    }
                    drop(permit);
                });
            }
            // Out of descriptors, for instance: waiting is all that helps.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    sessions.close();
    sessions.wait().await;
}

/// The envelope of the mail that is on its way.
#[derive(Debug, Default)]
struct Envelope {
    from: Option<String>,
    to: Vec<String>,
}

struct Session {
    stream: BufReader<TcpStream>,
    shelf: Arc<Shelf>,
    envelope: Envelope,
}

/// What to do after a reply.
#[derive(PartialEq, Eq)]
enum Then {
    GoOn,
    Data,
    Close,
}

impl Session {
    fn new(stream: TcpStream, shelf: Arc<Shelf>) -> Self {
        Self { stream: BufReader::new(stream), shelf, envelope: Envelope::default() }
    }

    async fn run(mut self) -> std::io::Result<()> {
        self.say("220 localhost mailbox of the demo\r\n").await?;
        loop {
            let Some(line) = self.line().await? else { return Ok(()) };
            let (reply, then) = self.answer(&line);
            self.say(reply).await?;
            match then {
                Then::GoOn => {}
                Then::Close => return Ok(()),
                Then::Data => {
                    let Some(reply) = self.data().await? else { return Ok(()) };
                    self.say(reply).await?;
                }
            }
        }
    }

    async fn say(&mut self, reply: &str) -> std::io::Result<()> {
        self.stream.write_all(reply.as_bytes()).await?;
        self.stream.flush().await
    }

    /// One line with its line end; `None` at the end of the connection, on silence, or when it has no end.
    async fn line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(MAX_LINE);
        let Ok(read) = tokio::time::timeout(SILENCE, limited.read_until(b'\n', &mut line)).await else {
            return Ok(None);
        };
        read?;
        Ok(line.ends_with(b"\n").then_some(line))
    }

    fn answer(&mut self, line: &[u8]) -> (&'static str, Then) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                self.envelope = Envelope::default();
                (
                    "250-localhost\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-SIZE 67108864\r\n250 ENHANCEDSTATUSCODES\r\n",
                    Then::GoOn,
                )
            }
            "HELO" | "RSET" => {
                self.envelope = Envelope::default();
                ("250 2.0.0 ok\r\n", Then::GoOn)
            }
            "NOOP" => ("250 2.0.0 ok\r\n", Then::GoOn),
            "MAIL" => (self.mail(rest), Then::GoOn),
            "RCPT" => (self.rcpt(rest), Then::GoOn),
            "DATA" if self.envelope.to.is_empty() => ("503 5.5.1 no recipient yet\r\n", Then::GoOn),
            "DATA" => ("354 end with a dot on a line by itself\r\n", Then::Data),
            "QUIT" => ("221 2.0.0 bye\r\n", Then::Close),
            _ => ("502 5.5.1 not known here\r\n", Then::GoOn),
        }
    }

    fn mail(&mut self, rest: &str) -> &'static str {
        let Some(path) = path(rest, "FROM:") else { return "501 5.5.4 MAIL FROM:<address>\r\n" };
        self.envelope = Envelope { from: Some(path), to: Vec::new() };
        "250 2.1.0 ok\r\n"
    }

    fn rcpt(&mut self, rest: &str) -> &'static str {
        if self.envelope.from.is_none() {
            return "503 5.5.1 MAIL first\r\n";
        }
        if self.envelope.to.len() >= MAX_RECIPIENTS {
            return "452 4.5.3 too many recipients\r\n";
        }
        match path(rest, "TO:") {
            Some(path) if !path.is_empty() => {
                self.envelope.to.push(path);
                "250 2.1.5 ok\r\n"
            }
            _ => "501 5.5.4 RCPT TO:<address>\r\n",
        }
    }

    /// Reads a mail up to `CRLF.CRLF` and keeps it. `None` when the connection ends before that.
    async fn data(&mut self) -> std::io::Result<Option<&'static str>> {
        let mut raw = Vec::new();
        let mut fits = true;
        let mut at_start = true;
        let mut last = b'\n';
        loop {
            let mut piece = Vec::new();
            let mut limited = (&mut self.stream).take(MAX_LINE);
            let Ok(read) = tokio::time::timeout(SILENCE, limited.read_until(b'\n', &mut piece)).await else {
                return Ok(None);
            };
            if read? == 0 {
                return Ok(None);
            }
            if at_start && piece == b".\r\n" {
                break;
            }
            let text = if at_start { piece.strip_prefix(b".").unwrap_or(&piece) } else { &piece };
            fits = fits && raw.len() + text.len() <= MAX_MAIL;
            if fits {
                raw.extend_from_slice(text);
            }
            // A piece may end between CR and LF.
            at_start = piece.ends_with(b"\r\n") || (piece == b"\n" && last == b'\r');
            last = piece.last().copied().unwrap_or_default();
        }
        let envelope = std::mem::take(&mut self.envelope);
        if !fits {
            return Ok(Some("552 5.3.4 too large\r\n"));
        }
        self.shelf.put(Mail::new(envelope.from.unwrap_or_default(), envelope.to, raw));
        Ok(Some("250 2.0.0 kept\r\n"))
    }
}

/// The path between `<` and `>` behind `FROM:` or `TO:`; parameters are ignored.
fn path(rest: &str, keyword: &str) -> Option<String> {
    let head = rest.get(..keyword.len())?;
    let tail = rest.get(keyword.len()..)?.trim_start();
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    // A quoted local part may hold `>`: the path ends at the last one before a parameter.
    let inner = tail.strip_prefix('<')?;
    let end = inner.find("> ").or_else(|| inner.rfind('>'))?;
    inner.get(..end).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_with_and_without_parameters() {
        for (rest, keyword, expected) in [
            ("FROM:<a@b.example>", "FROM:", Some("a@b.example")),
            ("from: <a@b.example> RET=HDRS ENVID=x", "FROM:", Some("a@b.example")),
            ("TO:<\"a>b\"@c.example> NOTIFY=FAILURE", "TO:", Some("\"a>b\"@c.example")),
            ("FROM:<>", "FROM:", Some("")),
            ("TO:a@b.example", "TO:", None),
            ("FRO", "FROM:", None),
            ("é:<a@b>", "TO:", None),
        ] {
            assert_eq!(path(rest, keyword).as_deref(), expected, "{rest}");
        }
    }
}
