//! A next hop on loopback that does what a script says, and writes down what reached it.
//!
//! Without a word from the script it is a polite server: takes every MAIL, RCPT and mail. What it records is what it *heard*, so a
//! test can ask which recipients ever stood in a transaction that reached DATA.
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses its own part of it")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A moment at which the script may speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// A client connected.
    Greeting,
    /// A command line, without CRLF.
    Command(String),
    /// After 354, before the first body byte is read.
    BodyBegins,
    /// The terminating dot was read.
    Dot,
}

impl Moment {
    /// Whether it is this command, by its first word or words.
    pub fn is(&self, verb: &str) -> bool {
        matches!(self, Self::Command(line) if line.to_ascii_uppercase().starts_with(verb))
    }
}

/// What the server does at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// What a polite server does.
    Polite,
    /// Says this (CRLF is added) and goes on by its code.
    Say(String),
    /// Says this and closes.
    SayAndClose(String),
    /// Closes without a word.
    Close,
    /// Keeps the connection open, reads nothing, says nothing.
    Hang,
    /// Talks without end.
    Babble,
    /// Reads on, but says nothing.
    Silence,
    /// Says what a polite server says, in another way.
    Twist(Twist),
}

/// Ways to say a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// Twice.
    Twice,
    /// Line ends without CR.
    BareLf,
    /// Without its last line end.
    NoLineEnd,
    /// One byte at a time, with this pause between two.
    ByteByByte(std::time::Duration),
    /// In this many lines.
    Lines(usize),
    /// Its last line has another code.
    OtherCode,
    /// In a line that does not end.
    EndlessLine,
    /// With bytes that no reply has, and a hundred times too long.
    Dirty,
}

/// Says `text`.
pub fn say(text: &str) -> Act {
    Act::Say(text.to_owned())
}

/// The script: which connection (from 0), which moment.
pub type Script = Box<dyn FnMut(usize, &Moment) -> Act + Send>;

/// One transaction as it was heard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// On which connection.
    pub connection: usize,
    /// The MAIL line.
    pub mail: String,
    /// Addresses whose RCPT was answered with 2xx and not undone by RSET.
    pub accepted: Vec<String>,
    /// Addresses of all RCPTs since the last RSET.
    pub asked: Vec<String>,
    /// DATA was heard.
    pub data: bool,
    /// Body bytes as they came, without the terminator.
    pub body: Vec<u8>,
    /// The terminator came.
    pub whole: bool,
    /// The dot was answered with 2xx.
    pub taken: bool,
}

#[derive(Default)]
struct Record {
    connections: usize,
    commands: Vec<String>,
    transactions: Vec<Heard>,
}

struct Shared {
    script: Mutex<Script>,
    record: Mutex<Record>,
    extensions: Vec<String>,
    tls: Option<TlsAcceptor>,
}

/// The server. Dropped, it stops.
pub struct FakeHop {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for FakeHop {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeHop {
    /// Polite, with the usual extensions.
    pub async fn polite() -> Self {
        Self::scripted(|_, _| Act::Polite).await
    }

    /// With a script and the usual extensions.
    pub async fn scripted(script: impl FnMut(usize, &Moment) -> Act + Send + 'static) -> Self {
        Self::start(Box::new(script), &["PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "DSN"], None).await
    }

    /// With everything.
    pub async fn start(script: Script, extensions: &[&str], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            record: Mutex::default(),
            extensions: extensions.iter().map(|&extension| extension.to_owned()).collect(),
            tls,
        });
        let of_task = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut sessions = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let number = {
                    let mut record = of_task.record.lock().unwrap();
                    record.connections += 1;
                    record.connections - 1
                };
                sessions.spawn(Session::new(Arc::clone(&of_task), number, socket).run());
            }
        });
        Self { address, shared, task }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.shared.record.lock().unwrap()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.record().connections
    }

    /// Command lines of all connections, in order.
    pub fn commands(&self) -> Vec<String> {
        self.record().commands.clone()
    }

    /// Transactions in order of their MAIL (a RSET begins another).
    pub fn transactions(&self) -> Vec<Heard> {
        self.record().transactions.clone()
    }

    /// The transactions whose dot was answered with 2xx.
    pub fn taken(&self) -> Vec<Heard> {
        self.record().transactions.iter().filter(|heard| heard.taken).cloned().collect()
    }
}

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

struct Session {
    shared: Arc<Shared>,
    number: usize,
    socket: Option<Box<dyn Socket>>,
    plain: Option<TcpStream>,
    buffer: Vec<u8>,
    /// Index of the open transaction in the record.
    open: Option<usize>,
}

/// The session is over.
struct Over;

impl Session {
    fn new(shared: Arc<Shared>, number: usize, socket: TcpStream) -> Self {
        Self { shared, number, socket: None, plain: Some(socket), buffer: Vec::new(), open: None }
    }

    async fn run(mut self) {
        let _over = self.dialog().await;
    }

    async fn dialog(&mut self) -> Result<(), Over> {
        self.speak(&Moment::Greeting, "220 fake.example ESMTP").await?;
        loop {
            let line = self.line().await?;
            self.shared.record.lock().unwrap().commands.push(line.clone());
            self.command(line).await?;
        }
    }

    async fn command(&mut self, line: String) -> Result<(), Over> {
        let moment = Moment::Command(line.clone());
        let address = line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(a, _)| a.to_owned());
        if moment.is("EHLO") {
            let mut lines = vec!["fake.example".to_owned()];
            lines.extend(self.shared.extensions.iter().cloned());
            let last = lines.len() - 1;
            let reply: Vec<String> =
                lines.iter().enumerate().map(|(i, l)| format!("250{}{l}", if i == last { ' ' } else { '-' })).collect();
            self.speak(&moment, &reply.join("\r\n")).await?;
        } else if moment.is("STARTTLS") {
            if self.speak(&moment, "220 go").await? == 220 {
                let tls = self.shared.tls.clone().ok_or(Over)?;
                let plain = self.plain.take().ok_or(Over)?;
                self.buffer.clear();
                self.socket = Some(Box::new(tls.accept(plain).await.map_err(|_| Over)?));
            }
        } else if moment.is("AUTH") {
            self.speak(&moment, "235 2.7.0 ok").await?;
        } else if moment.is("MAIL") {
            if self.speak(&moment, "250 2.1.0 ok").await? == 250 {
                self.begin(line);
            }
        } else if moment.is("RCPT") {
            let address = address.unwrap_or_default();
            self.with(|heard| heard.asked.push(address.clone()));
            if self.speak(&moment, "250 2.1.5 ok").await? / 100 == 2 {
                self.with(|heard| heard.accepted.push(address));
            }
        } else if moment.is("RSET") {
            self.open = None;
            self.speak(&moment, "250 2.0.0 ok").await?;
        } else if moment.is("DATA") {
            self.with(|heard| heard.data = true);
            let early = self.act(&Moment::BodyBegins);
            // In one write with 354: certainly there before the mail and its dot are.
            let go = if let Act::Say(text) = &early { format!("354 go\r\n{text}") } else { "354 go".to_owned() };
            if self.speak(&moment, &go).await? == 354 {
                self.body(early).await?;
            }
        } else if moment.is("QUIT") {
            self.speak(&moment, "221 2.0.0 bye").await?;
            return Err(Over);
        } else {
            self.speak(&moment, "250 2.0.0 ok").await?;
        }
        Ok(())
    }

    /// `act` is what it does as the body begins; what it says is said already.
    async fn body(&mut self, act: Act) -> Result<(), Over> {
        // What it says now is its only reply to the mail.
        let early = act != Act::Polite;
        if early && !matches!(act, Act::Say(_)) {
            self.perform(act, "").await?;
        }
        let mut body = std::mem::take(&mut self.buffer);
        let mut looked = 0;
        let end = loop {
            if body.starts_with(b".\r\n") {
                break 0;
            }
            let from = usize::saturating_sub(looked, 4);
            if let Some(at) = body[from..].windows(5).position(|window| window == b"\r\n.\r\n") {
                break from + at + 2;
            }
            looked = body.len();
            match self.read().await {
                Ok(more) => body.extend_from_slice(&more),
                Err(over) => {
                    self.with(|heard| heard.body = body);
                    return Err(over);
                }
            }
        };
        self.buffer = body.split_off(end + 3);
        body.truncate(end);
        self.with(|heard| {
            heard.body = body;
            heard.whole = true;
        });
        // What it answers is recorded before it is said: a client that has the reply finds it in the record.
        let act = if early { Act::Silence } else { self.act(&Moment::Dot) };
        let said = match &act {
            Act::Polite | Act::Twist(_) => 250,
            Act::Say(text) | Act::SayAndClose(text) => code(text),
            _ => 0,
        };
        self.with(|heard| heard.taken = said / 100 == 2);
        self.open = None;
        self.perform(act, "250 2.0.0 taken").await?;
        Ok(())
    }

    fn begin(&mut self, mail: String) {
        let mut record = self.shared.record.lock().unwrap();
        self.open = Some(record.transactions.len());
        record.transactions.push(Heard { connection: self.number, mail, ..Heard::default() });
    }

    fn with(&self, change: impl FnOnce(&mut Heard)) {
        let mut record = self.shared.record.lock().unwrap();
        if let Some(heard) = self.open.and_then(|open| record.transactions.get_mut(open)) {
            change(heard);
        }
    }

    fn act(&self, moment: &Moment) -> Act {
        (self.shared.script.lock().unwrap())(self.number, moment)
    }

    /// Does what the script says; the code that was said, 0 for none.
    async fn speak(&mut self, moment: &Moment, polite: &str) -> Result<u16, Over> {
        let act = self.act(moment);
        self.perform(act, polite).await
    }

    async fn perform(&mut self, act: Act, polite: &str) -> Result<u16, Over> {
        match act {
            Act::Polite => self.write(polite).await.map(|()| code(polite)),
            Act::Say(text) => self.write(&text).await.map(|()| code(&text)),
            Act::SayAndClose(text) => {
                self.write(&text).await?;
                Err(Over)
            }
            Act::Close => Err(Over),
            Act::Hang => std::future::pending().await,
            Act::Babble => loop {
                self.write("250-and so on").await?;
            },
            Act::Silence => Ok(0),
            Act::Twist(twist) => self.twisted(twist, polite).await.map(|()| code(polite)),
        }
    }

    async fn twisted(&mut self, twist: Twist, polite: &str) -> Result<(), Over> {
        let digits = polite.get(..3).unwrap_or_default();
        match twist {
            Twist::Twice => self.bytes(format!("{polite}\r\n{polite}\r\n").as_bytes()).await,
            Twist::BareLf => self.bytes(format!("{polite}\n").replace('\r', "").as_bytes()).await,
            Twist::NoLineEnd => self.bytes(polite.as_bytes()).await,
            Twist::ByteByByte(pause) => {
                for byte in format!("{polite}\r\n").bytes() {
                    self.bytes(&[byte]).await?;
                    tokio::time::sleep(pause).await;
                }
                Ok(())
            }
            Twist::Lines(lines) => {
                let before = format!("{digits}-and so on\r\n").repeat(lines - 1);
                self.bytes(format!("{before}{polite}\r\n").as_bytes()).await
            }
            Twist::OtherCode => {
                let other = if digits == "550" { "250" } else { "550" };
                self.bytes(format!("{digits}-fine\r\n{other} not so\r\n").as_bytes()).await
            }
            Twist::EndlessLine => loop {
                self.bytes(&[digits.as_bytes(), &[b'x'; 1000]].concat()).await?;
            },
            Twist::Dirty => {
                let text = [b"\x00\x1b[31m\xff\xc3\xa9\x7f\t".as_slice(), &[b'y'; 3000]].concat();
                self.bytes(&[digits.as_bytes(), b" 2.0.0 ", &text, b"\r\n"].concat()).await
            }
        }
    }

    fn socket(&mut self) -> &mut dyn Socket {
        match (&mut self.socket, &mut self.plain) {
            (Some(socket), _) => socket,
            (None, Some(plain)) => plain,
            (None, None) => panic!("a session without a socket"),
        }
    }

    async fn write(&mut self, text: &str) -> Result<(), Over> {
        self.bytes(format!("{text}\r\n").as_bytes()).await
    }

    async fn bytes(&mut self, bytes: &[u8]) -> Result<(), Over> {
        self.socket().write_all(bytes).await.map_err(|_| Over)?;
        self.socket().flush().await.map_err(|_| Over)
    }

    async fn read(&mut self) -> Result<Vec<u8>, Over> {
        let mut space = vec![0; 64 * 1024];
        match self.socket().read(&mut space).await {
            Ok(0) | Err(_) => Err(Over),
            Ok(n) => {
                space.truncate(n);
                Ok(space)
            }
        }
    }

    async fn line(&mut self) -> Result<String, Over> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                let rest = self.buffer.split_off(at + 2);
                let line = std::mem::replace(&mut self.buffer, rest);
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            let more = self.read().await?;
            self.buffer.extend_from_slice(&more);
        }
    }
}

fn code(text: &str) -> u16 {
    text.get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
