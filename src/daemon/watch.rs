//! The listener for who watches the gateway: `/metrics` and `/healthz`, plain HTTP, on an address of its own.
//!
//! It answers from the moment that it is bound: a start that recovers for long says `starting`. Few connections, each bounded in size and
//! time; whoever floods it stops nothing else.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::health::{Health, Reason};
use super::vitals::Vitals;
use crate::metrics::Form;

/// Connections at the same time.
const CONNECTIONS: usize = 8;
/// Time for the header of a request.
const GREETING: Duration = Duration::from_secs(5);
/// Longest life of a connection: it carries one request.
const EXCHANGE: Duration = Duration::from_secs(10);
/// Bytes of a request's header.
const MOST_HEADER: usize = 16 * 1024;
/// Pause after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Set once everything runs.
pub(super) type Slot = Arc<OnceLock<Vitals>>;

/// The listener, before anything else runs. Dropped, it ends: a start that fails leaves nothing behind.
pub(super) struct Watch {
    /// Where it is, if anywhere.
    pub(super) address: Option<SocketAddr>,
    pub(super) slot: Slot,
    /// Where its task runs.
    pub(super) tasks: JoinSet<&'static str>,
}

impl Watch {
    /// Binds and serves, where an address is given.
    pub(super) async fn begin(address: Option<SocketAddr>, stop: &CancellationToken) -> io::Result<Self> {
        let mut watch = Self { address: None, slot: Slot::default(), tasks: JoinSet::new() };
        if let Some(address) = address {
            let listener = Listener::bind(address).await?;
            watch.address = listener.socket.local_addr().ok();
            let (slot, stop) = (watch.slot.clone(), stop.clone());
            watch.tasks.spawn(async {
                listener.serve(slot, stop).await;
                "metrics"
            });
        }
        Ok(watch)
    }
}

/// The bound socket.
#[derive(Debug)]
struct Listener {
    socket: TcpListener,
}

impl Listener {
    /// Binds; the error names the address.
    async fn bind(address: SocketAddr) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
        Ok(Self { socket: TcpListener::bind(address).await.map_err(named)? })
    }

    /// Serves until `stop`, and leaves whoever is connected then.
    async fn serve(self, vitals: Slot, stop: CancellationToken) {
        let router = router(vitals);
        let (places, tasks) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
        let serving = async {
            loop {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                match self.socket.accept().await {
                    Ok((stream, _)) => {
                        let router = router.clone();
                        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
                            let exchange = hyper::server::conn::http1::Builder::new()
                                .keep_alive(false)
                                .timer(TokioTimer::new())
                                .header_read_timeout(GREETING)
                                .max_buf_size(MOST_HEADER)
                                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
                            // How it ends is its client's business.
                            let _ = tokio::time::timeout(EXCHANGE, exchange).await;
                            drop(place);
                        }));
                    }
                    Err(cause) => {
                        warn!(%cause, "a connection for metrics could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        let _ = stop.run_until_cancelled(serving).await;
        tasks.close();
        tasks.wait().await;
    }
}

fn router(vitals: Slot) -> Router {
    Router::new().route("/metrics", get(metrics)).route("/healthz", get(healthz)).with_state(vitals)
}

async fn metrics(State(vitals): State<Slot>, headers: HeaderMap) -> Response {
    let Some(vitals) = vitals.get() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = Form::asked(accept);
    match vitals.text(form).await {
        Ok(text) => ([(header::CONTENT_TYPE, form.media_type())], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn healthz(State(vitals): State<Slot>) -> Response {
    let health = match vitals.get() {
        Some(vitals) => vitals.health().await,
        None => Health::of(vec![Reason::Starting]),
    };
    let status = if health.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], axum::Json(health)).into_response()
}
