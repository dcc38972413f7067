//! Bound sockets and their accept loops: how many sessions there are, and how they all end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::door::Door;
use super::driver::{self, Arrival};
use super::places::Places;
use super::{Settings, TlsConfig};
use crate::base::{Clock, Pulse, Tally};
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
    /// For STARTTLS and implicit TLS.
    pub tls: TlsConfig,
    /// Who may log in at a submission listener; `None`: nobody.
    pub users: Option<Users>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Counts sessions.
    pub metrics: Smtp,
    /// Sees whether connections are still accepted.
    pub pulse: Pulse,
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
    /// What is `served` was made of the settings that were bound. Dropping the future ends every session at once, without a final dot
    /// anywhere.
    pub async fn serve(self, served: Served, stop: CancellationToken) {
        let places = Arc::new(Places::default());
        let loops = self.sockets.into_iter().enumerate().filter_map(|(index, socket)| {
            let door = served.current.load().door(index, &stop)?;
            let reception = Reception {
                index,
                door: Arc::new(door),
                served: served.clone(),
                places: Arc::clone(&places),
                asking: None,
                sessions: JoinSet::new(),
                count: 0,
                turned_away: Tally::default(),
            };
            Some(reception.accept_all(socket))
        });
        join_all(loops).await;
    }
}

/// What new sessions are served with. Clones share it.
#[derive(Debug, Clone)]
pub struct Served {
    current: Arc<ArcSwap<Snapshot>>,
}

/// What holds for the sessions that began under it, to their end.
#[derive(Debug)]
struct Snapshot {
    settings: Arc<Settings>,
    services: Services,
}

impl Snapshot {
    fn door(&self, index: usize, stop: &CancellationToken) -> Option<Door> {
        let listener = self.settings.listeners.get(index)?.clone();
        Some(Door {
            metrics: self.services.metrics.listener(&listener.name),
            listener,
            settings: Arc::clone(&self.settings),
            services: self.services.clone(),
            stop: stop.clone(),
        })
    }
}

/// New settings that would need other sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("listeners were added, removed, renamed or moved")]
pub struct NotReplaced;

impl Served {
    /// Settings, and what sessions are served with.
    #[must_use]
    pub fn new(settings: Settings, services: Services) -> Self {
        let snapshot = Snapshot { settings: Arc::new(settings), services };
        Self { current: Arc::new(ArcSwap::from_pointee(snapshot)) }
    }

    /// From now on new sessions get these settings and this relay; those that run keep what they began with.
    ///
    /// # Errors
    /// When the listeners are not those that are bound: then nothing changes.
    pub fn replace(&self, settings: Settings, relay: Relay) -> Result<(), NotReplaced> {
        let current = self.current.load_full();
        let places = |settings: &Settings| -> Vec<(Arc<str>, SocketAddr)> {
            settings.listeners.iter().map(|listener| (Arc::clone(&listener.name), listener.address)).collect()
        };
        if places(&settings) != places(&current.settings) {
            return Err(NotReplaced);
        }
        let services = Services { relay, ..current.services.clone() };
        self.current.store(Arc::new(Snapshot { settings: Arc::new(settings), services }));
        Ok(())
    }
}

/// One accept loop and its sessions.
struct Reception {
    index: usize,
    door: Arc<Door>,
    served: Served,
    places: Arc<Places>,
    /// The certificate in use, and the same with a question for the client's.
    asking: Option<(Arc<ServerConfig>, Arc<ServerConfig>)>,
    sessions: JoinSet<()>,
    count: u64,
    turned_away: Tally,
}

impl Reception {
    async fn accept_all(mut self, socket: TcpListener) {
        let stop = self.door.stop.clone();
        let mut beat = self.door.services.pulse.beat();
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = beat.answer() => {}
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
        drop((socket, beat));
        while let Some(ended) = self.sessions.join_next().await {
            report(ended);
        }
    }

    /// Takes over what a reload changed.
    fn refresh(&mut self) {
        let current = self.served.current.load();
        if !Arc::ptr_eq(&current.settings, &self.door.settings)
            && let Some(door) = current.door(self.index, &self.door.stop)
        {
            (self.door, self.asking) = (Arc::new(door), None);
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
        self.refresh();
        let limits = &self.door.settings.limits;
        let Some(mut place) = self.places.enter(limits) else {
            return self.turn_away(tcp, client, "sessions");
        };
        if !self.door.is_proxy(client) && !place.settle(client, limits) {
            return self.turn_away(tcp, client, "sessions from your network");
        }
        self.count += 1;
        let id = format!("{}-{:x}-{:x}", self.door.listener.name, self.door.services.clock.now().millis(), self.count);
        let span = tracing::info_span!("smtp", session = %id);
        let (door, tls, open) = (Arc::clone(&self.door), self.tls(), self.door.metrics.begin());
        let serve = async move {
            let _open = open;
            driver::serve(Arrival { tcp, client, place, tls }, &door).await;
        };
        self.sessions.spawn(serve.instrument(span));
    }

    /// One line a second at most: a flood must not fill the log.
    fn turn_away(&mut self, tcp: TcpStream, client: IpAddr, of_what: &str) {
        self.door.metrics.refused(Refusal::Full);
        if let Some(more) = self.turned_away.line(Instant::now()) {
            tracing::warn!(listener = %self.door.listener.name, %client, more, "too many {of_what}: 421");
        }
        too_many(tcp, &self.door, of_what);
    }
}

/// Errors of accept that are the client's, and no reason to wait (accept(2)).
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// 421 without waiting: the send buffer of a new connection has room for it, and a flood may cost us nothing more. Where TLS comes
/// first nothing can be said.
pub(super) fn too_many(tcp: TcpStream, door: &Door, of_what: &str) {
    if door.listener.implicit_tls {
        return;
    }
    let reply = format!("421 {} has too many {of_what}; try again later\r\n", door.settings.hostname);
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
