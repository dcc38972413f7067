//! The floor: the least that a program between client and server can do which reads every command and every reply, as SMTP asks. One connection behind for
//! each in front; no policy, no header is read, no pool, no log, no metrics, no limits. It runs on the same runtime as the gateway, in a process of its own (this
//! program with `--floor`), so that what the gateway takes beyond it is what the gateway does.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::process::Process;

/// The process, and where it takes mail.
pub struct Floor {
    pub process: Process,
    pub address: SocketAddr,
}

impl Floor {
    /// In front of `behind`.
    pub fn start(behind: SocketAddr) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.args(["--floor", &behind.to_string()]).stdout(Stdio::piped());
        let mut process = Process::start(&mut command).ok_or("it does not start")?;
        let mut line = String::new();
        let output = process.child().stdout.take().ok_or("no output")?;
        BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
        let address = line.trim().parse().map_err(|_| "it says no address")?;
        Ok(Self { process, address })
    }
}

/// What the process does, until it is ended.
pub fn run(behind: SocketAddr) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("its address"));
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _over = session(client, behind).await;
            });
        }
    });
}

async fn session(mut client: TcpStream, behind: SocketAddr) -> std::io::Result<()> {
    let mut server = TcpStream::connect(behind).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut command, mut reply, mut buffer) = (Vec::new(), Vec::new(), vec![0; 32 * 1024]);
    read_reply(&mut server, &mut reply, &mut buffer).await?;
    client.write_all(&reply).await?;
    loop {
        command.clear();
        while !command.ends_with(b"\r\n") {
            more(&mut client, &mut command, &mut buffer).await?;
        }
        server.write_all(&command).await?;
        read_reply(&mut server, &mut reply, &mut buffer).await?;
        client.write_all(&reply).await?;
        if reply.starts_with(b"354") {
            command.clear();
            loop {
                let len = more(&mut client, &mut command, &mut buffer).await?;
                let fresh = command.get(command.len() - len..).unwrap_or_default();
                server.write_all(fresh).await?;
                if command.ends_with(b"\r\n.\r\n") {
                    break;
                }
                command.drain(..command.len().saturating_sub(4));
            }
            read_reply(&mut server, &mut reply, &mut buffer).await?;
            client.write_all(&reply).await?;
        }
        if command.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"QUIT")) {
            return Ok(());
        }
    }
}

async fn more(stream: &mut TcpStream, gathered: &mut Vec<u8>, buffer: &mut [u8]) -> std::io::Result<usize> {
    let len = stream.read(buffer).await?;
    if len == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    gathered.extend_from_slice(buffer.get(..len).unwrap_or_default());
    Ok(len)
}

/// A whole reply, of one line or several.
async fn read_reply(server: &mut TcpStream, reply: &mut Vec<u8>, buffer: &mut [u8]) -> std::io::Result<()> {
    reply.clear();
    loop {
        more(server, reply, buffer).await?;
        let last = reply.strip_suffix(b"\r\n").and_then(|lines| lines.rsplit(|byte| *byte == b'\n').next());
        if last.is_some_and(|line| line.get(3) != Some(&b'-')) {
            return Ok(());
        }
    }
}
