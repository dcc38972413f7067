//! A server that does with each connection what the test says, and keeps what it was sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What is done with a connection.
#[derive(Debug, Clone)]
pub enum Act {
    /// Reads the request and answers with these bytes, then closes.
    Answer(Vec<u8>),
    /// Answers with these bytes and then keeps silent.
    Stall(Vec<u8>),
    /// Answers with these bytes and one more every 20 ms, without end.
    Trickle(Vec<u8>),
    /// Answers with these bytes and then as many more as are taken.
    Flood(Vec<u8>),
    /// Closes at once.
    Close,
}

impl Act {
    /// A whole answer.
    pub fn reply(status: u16, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::Answer(format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes())
    }
}

/// A running server; it ends with the test.
pub struct Server {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Over plain HTTP.
    pub async fn start(act: Act) -> Self {
        Self::with(act, None).await
    }

    /// The last act goes for all further connections.
    pub async fn with(act: Act, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (act, kept, tls) = (act.clone(), Arc::clone(&kept), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, act, &kept).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, act, &kept).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, requests, task }
    }

    /// What was sent to it.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, act: Act, kept: &Mutex<Vec<String>>) {
    if matches!(act, Act::Close) {
        return;
    }
    let Some(request) = request(&mut stream).await else { return };
    kept.lock().unwrap().push(request);
    let (Act::Answer(bytes) | Act::Stall(bytes) | Act::Trickle(bytes) | Act::Flood(bytes)) = &act else { return };
    if stream.write_all(bytes).await.is_err() {
        return;
    }
    let _ = stream.flush().await;
    match act {
        Act::Stall(_) => tokio::time::sleep(Duration::from_mins(1)).await,
        Act::Trickle(_) => {
            while stream.write_all(b" ").await.is_ok() && stream.flush().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Act::Flood(_) => while stream.write_all(&[b' '; 16 * 1024]).await.is_ok() {},
        Act::Answer(_) | Act::Close => drop(stream.shutdown().await),
    }
}

/// A whole request, as text.
async fn request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
        }
    }
}
