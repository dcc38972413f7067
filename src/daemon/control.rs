//! The control socket: HTTP with JSON on a Unix socket, for root and the service's own user.
//!
//! One route: `POST /` with a [`Request`] as body, answered with an [`Answer`].

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::operate::{Answer, Office, Request};

/// Largest answer, bytes: a check that lists a thousand messages.
const MAX_BODY: usize = 16 << 20;
/// Longest wait for one exchange.
const EXCHANGE: Duration = Duration::from_secs(30);

/// The bound socket.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Binds `path` (mode 0600), replacing a socket that a dead daemon left.
    ///
    /// # Errors
    /// When a daemon still answers there, or the folder cannot be written.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, format!("{} is in use", path.display())));
        }
        match std::fs::remove_file(path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let socket = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { socket, path: path.to_owned() })
    }

    /// Serves until `stop`.
    pub async fn serve(self, office: Office, stop: CancellationToken) {
        let router = Router::new().route("/", post(answer)).with_state(office);
        let tasks = TaskTracker::new();
        while let Some(accepted) = stop.run_until_cancelled(self.socket.accept()).await {
            match accepted {
                Ok((stream, _)) if is_ours(&stream) => {
                    let router = router.clone();
                    tasks.spawn(async move {
                        let service = TowerToHyperService::new(router);
                        let exchange = hyper::server::conn::http1::Builder::new()
                            .keep_alive(false)
                            .serve_connection(TokioIo::new(stream), service);
                        if !matches!(tokio::time::timeout(EXCHANGE, exchange).await, Ok(Ok(()))) {
                            info!("a control connection ended early");
                        }
                    });
                }
                Ok(_) => warn!("a control connection of another user was refused"),
                // A passing shortage (file descriptors) must not end the daemon nor spin.
                Err(cause) => {
                    warn!(%cause, "control socket");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
        tasks.close();
        tasks.wait().await;
        let _gone = std::fs::remove_file(&self.path);
    }
}

fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| may_ask(peer.uid(), own))
}

/// Only root and the user that the daemon runs as.
const fn may_ask(user: u32, own: u32) -> bool {
    user == own || user == 0
}

async fn answer(State(office): State<Office>, Json(request): Json<Request>) -> Response {
    match office.carry_out(request).await {
        Ok(answer) => Json(answer).into_response(),
        Err(cause) => {
            let answer = Answer::Refused { text: cause.to_string() };
            (StatusCode::SERVICE_UNAVAILABLE, Json(answer)).into_response()
        }
    }
}

/// Why the daemon gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No daemon listens there.
    #[error("no daemon answers at {0}: {1}")]
    NoDaemon(PathBuf, io::Error),
    /// It answered something else.
    #[error("the daemon's answer is not understood: {0}")]
    Answer(String),
}

/// Asks the daemon that listens at `path`.
///
/// # Errors
/// See [`AskError`].
pub async fn ask(path: &Path, request: &Request) -> Result<Answer, AskError> {
    let stream = UnixStream::connect(path).await.map_err(|cause| AskError::NoDaemon(path.to_owned(), cause))?;
    let exchange = exchange(stream, request);
    match tokio::time::timeout(EXCHANGE, exchange).await {
        Ok(answer) => answer.map_err(AskError::Answer),
        Err(_) => Err(AskError::Answer("none came in time".to_owned())),
    }
}

async fn exchange(stream: UnixStream, request: &Request) -> Result<Answer, String> {
    let text = |cause: &dyn std::fmt::Display| cause.to_string();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|cause| text(&cause))?;
    let driver = tokio::spawn(connection);
    let body = serde_json::to_vec(request).map_err(|cause| text(&cause))?;
    let request = hyper::Request::post("/")
        .header("host", "zegel")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|cause| text(&cause))?;
    let response = sender.send_request(request).await.map_err(|cause| text(&cause))?;
    let body = Limited::new(response.into_body(), MAX_BODY).collect().await.map_err(|cause| text(&cause))?;
    driver.abort();
    serde_json::from_slice(&body.to_bytes()).map_err(|cause| text(&cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_root_and_the_services_user_are_answered() {
        for (user, own, may) in [(0, 990, true), (990, 990, true), (991, 990, false), (990, 0, false), (0, 0, true)] {
            assert_eq!(may_ask(user, own), may, "{user} of {own}");
        }
        let (ours, _other) = UnixStream::pair().unwrap();
        assert!(is_ours(&ours));
        // Nor can others reach it.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let _listener = Listener::bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(Listener::bind(&path).is_err(), "one daemon answers there");
    }
}
