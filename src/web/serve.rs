//! The listeners: TLS, limits on connections and their silence, the redirect from plain HTTP, an orderly stop.

mod idle;
mod progress;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::crowded::TurnedAway;
use super::{Settings, TlsConfig, headers, wellformed};
use crate::access::Network;
use crate::access::crowd::{Crowd, Standing};
use crate::base::Pulse;
use crate::metrics::{Crowded, Page};
use idle::Idle;
use progress::{PATIENCE, Pieces, Streams, attended};

/// Time for a TLS handshake, and for the header of a request.
const GREETING: Duration = Duration::from_secs(10);
/// A connection on which nothing moves for this long is closed, unless an answer waits for its reader ([`PATIENCE`]); a request waits at
/// most half of it for its answer.
const SILENCE: Duration = Duration::from_mins(1);
/// Requests in flight at a stop may take this long to end.
const FAREWELL: Duration = Duration::from_secs(10);
/// Pause after an accept that failed: the process is out of file descriptors, and spinning frees none.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Connections per request that may be answered at the same time: most connections of browsers are idle.
const CONNECTIONS: usize = 4;
/// Bytes of a request's header.
const MOST_HEADER: usize = 32 * 1024;

/// Bound sockets, not yet accepting.
#[derive(Debug)]
pub struct Bound {
    page: Vec<TcpListener>,
    redirect: Vec<TcpListener>,
    metrics: Page,
}

/// Binds every address, so that a port that is taken stops the start.
///
/// # Errors
/// When an address cannot be bound; the text names it.
pub async fn bind(settings: &Settings) -> std::io::Result<Bound> {
    let (page, redirect) = (listeners(&settings.listen).await?, listeners(&settings.redirect).await?);
    Ok(Bound { page, redirect, metrics: Page::default() })
}

async fn listeners(addresses: &[SocketAddr]) -> std::io::Result<Vec<TcpListener>> {
    let mut bound = Vec::with_capacity(addresses.len());
    for address in addresses {
        let named = |error: std::io::Error| std::io::Error::new(error.kind(), format!("{address}: {error}"));
        bound.push(TcpListener::bind(address).await.map_err(named)?);
    }
    Ok(bound)
}

/// What each listener needs.
#[derive(Clone)]
struct Listener {
    service: Service,
    tls: TlsConfig,
    connections: Arc<Semaphore>,
    networks: Arc<Crowd<Network>>,
    turned_away: Arc<TurnedAway>,
    settings: Arc<Settings>,
    pulse: Pulse,
    stop: CancellationToken,
}

/// What is behind a listener.
#[derive(Clone)]
enum Service {
    Page(Router),
    /// Sends everything on to this origin.
    Redirect(Arc<str>),
}

impl Bound {
    /// The page's addresses bound, in order of the settings.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.page.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// The addresses bound for the redirect, in order of the settings.
    #[must_use]
    pub fn redirects(&self) -> Vec<SocketAddr> {
        self.redirect.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Whom it turns away is counted here.
    #[must_use]
    pub fn observed(self, metrics: Page) -> Self {
        Self { metrics, ..self }
    }

    /// Serves until `stop`, answering `pulse`; then finishes the requests in flight (10 s at most) and returns.
    pub async fn serve(
        self,
        settings: Arc<Settings>,
        router: Router,
        tls: TlsConfig,
        pulse: Pulse,
        stop: CancellationToken,
    ) {
        let connections = Arc::new(Semaphore::new(settings.max_requests.saturating_mul(CONNECTIONS).max(1)));
        let turned_away = Arc::new(TurnedAway::new(self.metrics));
        let networks = Arc::default();
        let service = Service::Page(router);
        let page = Listener { service, tls, connections, networks, turned_away, settings, pulse, stop };
        let redirect = Listener {
            service: Service::Redirect(page.settings.origin.as_str().into()),
            tls: TlsConfig::default(),
            ..page.clone()
        };
        let mut tasks = JoinSet::new();
        for socket in self.page {
            tasks.spawn(page.clone().run(socket));
        }
        for socket in self.redirect {
            tasks.spawn(redirect.clone().run(socket));
        }
        while tasks.join_next().await.is_some() {}
    }
}

impl Listener {
    async fn run(self, socket: TcpListener) {
        let graceful = GracefulShutdown::new();
        let (mut beat, mut place) = (self.pulse.beat(), None);
        loop {
            let free = place.is_some();
            let accepted = tokio::select! {
                () = self.stop.cancelled() => break,
                () = beat.answer() => continue,
                taken = Arc::clone(&self.connections).acquire_owned(), if !free => match taken {
                    Ok(taken) => {
                        place = Some(taken);
                        continue;
                    }
                    Err(_) => break,
                },
                accepted = socket.accept(), if free => accepted,
            };
            match (accepted, place.take()) {
                (_, None) => {}
                (Ok((stream, peer)), Some(place)) => {
                    if let Some(standing) = self.admit(peer.ip()) {
                        let places = (place, standing);
                        tokio::spawn(self.clone().greet(stream, peer, graceful.watcher(), places));
                    }
                }
                (Err(error), Some(_)) => {
                    tracing::warn!(cause = %error, "a connection to the page could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop((socket, beat));
        if tokio::time::timeout(FAREWELL, graceful.shutdown()).await.is_err() {
            tracing::warn!("requests were still running when the page stopped");
        }
    }

    /// A place for a connection of this client; `None` when its network has all that it may have. Whom a proxy brings is counted by
    /// their requests, not by its connections.
    fn admit(&self, client: IpAddr) -> Option<Standing<Network>> {
        let client = client.to_canonical();
        let is_proxy = self.settings.trusted_proxies.iter().any(|net| net.contains(&client));
        let most =
            if is_proxy { usize::MAX } else { self.settings.max_requests_per_network.saturating_mul(CONNECTIONS) };
        let standing = self.networks.enter(Network::of(client), most);
        if standing.is_none() {
            self.turned_away.count(Crowded::ConnectionsOfNetwork);
        }
        standing
    }

    /// TLS, if there is a certificate, then requests.
    async fn greet(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        watcher: hyper_util::server::graceful::Watcher,
        places: (OwnedSemaphorePermit, Standing<Network>),
    ) {
        // Small answers should not wait for more to come.
        let _ = stream.set_nodelay(true);
        let stop = self.stop.clone();
        match self.tls.load_full() {
            None => self.converse(Idle::new(stream, SILENCE, PATIENCE), peer, watcher).await,
            Some(config) => {
                let handshake = tokio::time::timeout(GREETING, TlsAcceptor::from(config).accept(stream));
                let greeted = tokio::select! {
                    () = stop.cancelled() => return,
                    greeted = handshake => greeted,
                };
                if let Ok(Ok(stream)) = greeted {
                    self.converse(Idle::new(stream, SILENCE, PATIENCE), peer, watcher).await;
                }
            }
        }
        drop(places);
    }

    async fn converse<S>(self, stream: S, peer: SocketAddr, watcher: hyper_util::server::graceful::Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = self.service;
        let answer = service_fn(move |request: hyper::Request<Incoming>| answer(service.clone(), peer, request));
        let mut builder = Builder::new(Streams);
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(GREETING)
            .max_buf_size(MOST_HEADER)
            .max_headers(64);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(32)
            .max_header_list_size(32 * 1024)
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20));
        let connection = builder.serve_connection(TokioIo::new(stream), answer).into_owned();
        // How a connection ends (reset, silence, rubbish) is its client's business.
        let _ = attended(watcher.watch(connection)).await;
    }
}

async fn answer(
    service: Service,
    peer: SocketAddr,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Pieces>, Infallible> {
    let wellformed = wellformed::is_wellformed(request.version(), request.uri(), request.headers());
    let answer = match service {
        _ if !wellformed => malformed(request.version()),
        Service::Page(router) => {
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            router.oneshot(request).await?
        }
        Service::Redirect(origin) => redirect(&origin, request.uri()),
    };
    Ok(answer.map(Pieces::new))
}

/// For a request that can be read in several ways: its sender reads no page, and what follows it on the connection may be a part of it.
fn malformed(version: Version) -> Response {
    let mut response = StatusCode::BAD_REQUEST.into_response();
    headers::complete(response.headers_mut(), false);
    if version != Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The same path on the page itself. The origin is ours; what the client calls us is not asked.
fn redirect(origin: &str, uri: &hyper::Uri) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path } else { "/" };
    let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
    match HeaderValue::from_str(&format!("{origin}{path}")) {
        Ok(to) => response.headers_mut().insert(header::LOCATION, to),
        Err(_) => return StatusCode::BAD_REQUEST.into_response(),
    };
    headers::complete(response.headers_mut(), false);
    response
}

#[cfg(test)]
mod tests;
