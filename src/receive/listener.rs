//! Bound sockets and their accept loops: how many sessions there are, and how they all end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::driver::{self, Door};
use super::{Settings, TlsConfig};
use crate::base::Clock;
use crate::metrics::{Refusal, Smtp};
use crate::relay::Relay;
use crate::users::Users;

/// Waits after an accept that failed for want of something (descriptors, memory): from the first to the last, doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// What sessions are served with.
#[derive(Debug, Clone)]
pub struct Services {
    /// Where mail goes.
    pub relay: Relay,
    /// For STARTTLS.
    pub tls: TlsConfig,
    /// Who may log in at a submission listener; `None`: nobody.
    pub users: Option<Users>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Counts sessions.
    pub metrics: Smtp,
}

/// Bound sockets, not yet accepting.
#[derive(Debug)]
pub struct Bound {
    sockets: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
}

/// Binds every listener, so that a port that is taken stops the start.
///
/// # Errors
/// The first listener that cannot be bound, by name and address.
pub async fn bind(settings: &Settings) -> io::Result<Bound> {
    let mut bound = Bound { sockets: Vec::new(), addresses: Vec::new() };
    for listener in &settings.listeners {
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("listener {} at {}: {error}", listener.name, listener.address))
        };
        let socket = TcpListener::bind(listener.address).await.map_err(named)?;
        bound.addresses.push(socket.local_addr().map_err(named)?);
        bound.sockets.push(socket);
    }
    Ok(bound)
}

impl Bound {
    /// The addresses bound, in order of the settings (port 0 resolved).
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// Serves until `stop`; then accepts no more, answers 421 to idle sessions, finishes mails in flight and returns.
    /// `settings` are those that were bound. Dropping the future ends every session at once, without a final dot anywhere.
    pub async fn serve(self, settings: Settings, services: Services, stop: CancellationToken) {
        let settings = Arc::new(settings);
        let places = Arc::new(Semaphore::new(settings.max_sessions.min(Semaphore::MAX_PERMITS)));
        let loops = self.sockets.into_iter().zip(&settings.listeners).map(|(socket, listener)| {
            let door = Door {
                listener: listener.clone(),
                settings: Arc::clone(&settings),
                services: services.clone(),
                stop: stop.clone(),
                metrics: services.metrics.listener(&listener.name),
            };
            Reception {
                door: Arc::new(door),
                places: Arc::clone(&places),
                asking: None,
                sessions: JoinSet::new(),
                count: 0,
            }
            .accept_all(socket)
        });
        join_all(loops).await;
    }
}

/// One accept loop and its sessions.
struct Reception {
    door: Arc<Door>,
    places: Arc<Semaphore>,
    /// The certificate in use, and the same with a question for the client's.
    asking: Option<(Arc<ServerConfig>, Arc<ServerConfig>)>,
    sessions: JoinSet<()>,
    count: u64,
}

impl Reception {
    async fn accept_all(mut self, socket: TcpListener) {
        let stop = self.door.stop.clone();
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = self.sessions.join_next() => report(ended),
                accepted = socket.accept() => match accepted {
                    Ok((tcp, client)) => {
                        pause = FIRST_PAUSE;
                        self.admit(tcp, client.ip());
                    }
                    Err(error) if concerns_one_connection(&error) => {}
                    Err(error) => {
                        self.door.metrics.accept_failed();
                        tracing::warn!(listener = %self.door.listener.name, %error, "cannot accept; pausing");
                        let _ = tokio::time::timeout(pause, stop.cancelled()).await;
                        pause = LAST_PAUSE.min(pause * 2);
                    }
                },
            }
        }
        drop(socket);
        while let Some(ended) = self.sessions.join_next().await {
            report(ended);
        }
    }

    /// The certificate to show now, asking for the client's where this listener knows some.
    fn tls(&mut self) -> Option<Arc<ServerConfig>> {
        let own = self.door.services.tls.load_full()?;
        let Some(clients) = &self.door.listener.clients else { return Some(own) };
        if let Some((_, asking)) = self.asking.as_ref().filter(|(of, _)| Arc::ptr_eq(of, &own)) {
            return Some(Arc::clone(asking));
        }
        let asking = Arc::new(clients.asked_for_by(&own)?);
        self.asking = Some((own, Arc::clone(&asking)));
        Some(asking)
    }

    fn admit(&mut self, tcp: TcpStream, client: IpAddr) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.door.metrics.refused(Refusal::Full);
            tracing::warn!(listener = %self.door.listener.name, "no place for another session: 421");
            turn_away(tcp, &self.door.settings.hostname);
            return;
        };
        self.count += 1;
        let id = format!("{}-{:x}-{:x}", self.door.listener.name, self.door.services.clock.now().millis(), self.count);
        let span = tracing::info_span!("smtp", session = %id);
        let door = Arc::clone(&self.door);
        let tls = self.tls();
        let open = self.door.metrics.begin();
        let serve = async move {
            let _open = open;
            driver::serve(tcp, client, tls, &door).await;
            drop(place);
        };
        self.sessions.spawn(serve.instrument(span));
    }
}

/// Errors of accept that are the client's, and no reason to wait (accept(2)).
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// 421 without waiting: the send buffer of a new connection has room for it, and a flood may cost us nothing more.
fn turn_away(tcp: TcpStream, hostname: &str) {
    let reply = format!("421 {hostname} has too many sessions; try again later\r\n");
    if let Ok(mut tcp) = tcp.into_std() {
        let _ = io::Write::write(&mut tcp, reply.as_bytes());
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a session panicked");
    }
}
