//! A blocking SMTP client that frames replies properly.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A reply: code and text of all lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    pub text: String,
}

/// A connection after EHLO.
pub struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    /// Connects and says EHLO.
    pub fn connect(server: SocketAddr) -> std::io::Result<Self> {
        Self::over(TcpStream::connect(server)?)
    }

    /// Says EHLO over a connection that was just made.
    pub fn over(stream: TcpStream) -> std::io::Result<Self> {
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        stream.set_nodelay(true)?;
        let mut client = Self { reader: BufReader::new(stream) };
        client.reply()?;
        client.say("EHLO client.voorbeeld.example")?;
        Ok(client)
    }

    /// The connection itself, every reply read.
    pub fn into_stream(self) -> TcpStream {
        assert!(self.reader.buffer().is_empty(), "a reply was not read");
        self.reader.into_inner()
    }

    /// Sends a line and reads the reply.
    pub fn say(&mut self, line: &str) -> std::io::Result<Reply> {
        self.write(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// Sends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// Reads one reply, all its lines.
    pub fn reply(&mut self) -> std::io::Result<Reply> {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let code = line.get(..3).and_then(|code| code.parse().ok());
            let code = code.ok_or_else(|| std::io::Error::other(format!("not a reply: {line:?}")))?;
            text.push_str(line.get(4..).unwrap_or_default());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(Reply { code, text });
            }
        }
    }

    /// One mail: the replies to each RCPT, and to the dot (or the first refusal before it).
    pub fn send(&mut self, from: &str, to: &[&str], mail: &[u8]) -> std::io::Result<(Vec<Reply>, Reply)> {
        let reply = self.say(&format!("MAIL FROM:<{from}>"))?;
        if reply.code != 250 {
            return Ok((Vec::new(), reply));
        }
        let rcpts = to.iter().map(|to| self.say(&format!("RCPT TO:<{to}>"))).collect::<Result<Vec<_>, _>>()?;
        let reply = self.say("DATA")?;
        if reply.code != 354 {
            return Ok((rcpts, reply));
        }
        self.write(&zegel::mail::dot::stuff(mail))?;
        Ok((rcpts, self.reply()?))
    }
}

/// One mail on a connection of its own.
pub fn send(server: SocketAddr, from: &str, to: &[&str], mail: &[u8]) -> (Vec<Reply>, Reply) {
    let mut client = Client::connect(server).unwrap();
    let result = client.send(from, to, mail).unwrap();
    let _ = client.say("QUIT");
    result
}
