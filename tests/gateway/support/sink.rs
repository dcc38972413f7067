//! A mail server behind the gateway that keeps every mail, and every transaction that reached DATA, as it came.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// A mail that was answered 250.
#[derive(Debug, Clone)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// Without dot-stuffing.
    pub raw: Vec<u8>,
}

impl Mail {
    /// The bytes as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// As a mail program shows it.
    pub fn view(&self) -> zegel::demo::mailbox::View {
        zegel::demo::mailbox::Mail::new(self.from.clone(), self.to.clone(), self.raw.clone()).view()
    }

    /// Whether one of its envelope recipients is `to`.
    pub fn is_for(&self, to: &str) -> bool {
        self.to.iter().any(|address| address == to)
    }
}

#[derive(Default)]
struct Kept {
    mails: Vec<Mail>,
    data: Vec<Vec<String>>,
    told: Vec<Sender<Mail>>,
}

/// The server. Its threads end with the test process.
#[derive(Clone)]
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

impl Sink {
    /// On a port of the system's choice.
    pub fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// On a listener.
    pub fn on(listener: TcpListener) -> Self {
        let sink = Self { address: listener.local_addr().unwrap(), kept: Arc::default() };
        let kept = sink.kept.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = kept.clone();
                std::thread::spawn(move || {
                    let _ = serve(stream, &kept);
                });
            }
        });
        sink
    }

    /// The mails so far.
    pub fn mails(&self) -> Vec<Mail> {
        self.kept.lock().unwrap().mails.clone()
    }

    /// Every mail that comes from now on.
    pub fn arrivals(&self) -> Receiver<Mail> {
        let (told, arrivals) = channel();
        self.kept.lock().unwrap().told.push(told);
        arrivals
    }

    /// The recipients of every transaction that reached DATA.
    pub fn data(&self) -> Vec<Vec<String>> {
        self.kept.lock().unwrap().data.clone()
    }

    /// The first mail that fits, as soon as it is here.
    pub fn wait_for(&self, what: &str, fits: impl Fn(&Mail) -> bool) -> Mail {
        super::until(what, || self.mails().into_iter().find(|mail| fits(mail)))
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Kept>) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    out.write_all(b"220 behind.voorbeeld.example ESMTP\r\n")?;
    let (mut from, mut to) = (String::new(), Vec::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let upper = line.to_ascii_uppercase();
        let path = || line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).unwrap_or_default().0.to_owned();
        if upper.starts_with("EHLO") {
            out.write_all(b"250-behind\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 100000000\r\n")?;
            continue;
        } else if upper.starts_with("MAIL") {
            (from, to) = (path(), Vec::new());
        } else if upper.starts_with("RCPT") {
            to.push(path());
        } else if upper.starts_with("DATA") {
            kept.lock().unwrap().data.push(to.clone());
            out.write_all(b"354 go on\r\n")?;
            let raw = read_data(&mut reader)?;
            let mail = Mail { from: from.clone(), to: to.clone(), raw };
            let mut kept = kept.lock().unwrap();
            kept.told.retain(|told| told.send(mail.clone()).is_ok());
            kept.mails.push(mail);
        } else if upper.starts_with("QUIT") {
            out.write_all(b"221 2.0.0 bye\r\n")?;
            return Ok(());
        }
        out.write_all(b"250 2.0.0 ok\r\n")?;
    }
}

fn read_data(reader: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    let mut complete = true;
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if complete && line == b".\r\n" {
            return Ok(raw);
        }
        let stuffed = complete && line.starts_with(b".");
        complete = line.ends_with(b"\r\n");
        raw.extend_from_slice(if stuffed { &line[1..] } else { &line });
    }
}
