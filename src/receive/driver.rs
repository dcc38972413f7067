//! Moves bytes between one socket, its [`Session`] and the relay.
//!
//! - Nothing is read while the relay works: a slow next hop slows its client down, and no memory grows.
//! - Every read and write has a time limit; the relay's calls have their own.
//! - A session that ends, for whatever reason, ends its transaction: completed or aborted, never left.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroize;

use super::door::Door;
use super::listener::too_many;
use super::places::{Handshake, Place};
use super::proxy;
use super::secure::{self, Secured};
use super::session::{Action, Credentials, Ending, Login, Session};
use crate::mail::{MailFrom, RcptTo, Reply};
use crate::metrics::Refusal;
use crate::relay::{Peer, Transaction};
use crate::users::{Checked, Identity};

/// Octets read at once: of a mail, and of commands. Most sessions wait for one, so that is what a session costs.
const BUFFER: usize = 16 * 1024;
const COMMANDS: usize = 2 * 1024;
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);
/// How long we go on reading, and dropping, what a refused client still sends, so that it can read why: a socket closed with
/// unread input loses the reply (RFC 1122 §4.2.2.13).
const LINGER: Duration = Duration::from_mins(1);
const LINGER_IDLE: Duration = Duration::from_secs(5);

/// One connection as it was accepted.
pub(super) struct Arrival {
    pub(super) tcp: TcpStream,
    pub(super) client: IpAddr,
    /// Counted for its network already, unless a proxy is in front.
    pub(super) place: Place,
    /// The certificate to show.
    pub(super) tls: Option<Arc<ServerConfig>>,
}

/// Serves one client to the end.
pub(super) async fn serve(arrival: Arrival, door: &Door) {
    let Arrival { mut tcp, client, mut place, tls } = arrival;
    let mut client = client.to_canonical();
    if door.is_proxy(client) {
        let named = door.stop.run_until_cancelled(proxy::client_behind(&mut tcp)).await.flatten();
        let Some(behind) = named else {
            door.metrics.refused(Refusal::Proxy);
            tracing::info!(%client, "no PROXY header from a proxy: connection closed");
            return;
        };
        // A proxy that speaks for itself looks whether we are there.
        if let Some(behind) = behind {
            client = behind;
            if !place.settle(client, &door.settings.limits) {
                door.metrics.refused(Refusal::Full);
                tracing::warn!(listener = %door.listener.name, %client, "too many sessions from this network: 421");
                too_many(tcp, door, "sessions from your network");
                return;
            }
        }
    }
    if !door.admits(client) {
        door.metrics.refused(Refusal::Network);
        tracing::info!(%client, "client refused: not in the networks of this listener");
    }
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let mut driver = Driver::new(door, client, tls.is_some(), place);
    let ending = if door.listener.implicit_tls {
        driver.secured_at_once(tcp, tls).await
    } else {
        driver.in_clear(tcp, tls).await
    };
    tracing::debug!(?ending, mails = driver.mails, "session over");
}

enum Exit {
    Closed(Ending),
    StartTls,
}

struct Driver<'a> {
    door: &'a Door,
    client: IpAddr,
    place: Place,
    /// Held from the moment the client may begin its handshake until that is over.
    handshake: Option<Handshake>,
    session: Session,
    buffer: Vec<u8>,
    stopping: bool,
    mail: Option<Transaction>,
    mails: u64,
    user: Option<Identity>,
}

impl<'a> Driver<'a> {
    fn new(door: &'a Door, client: IpAddr, starttls: bool, place: Place) -> Self {
        Self {
            door,
            client,
            place,
            handshake: None,
            session: Session::new(door.rules(client, starttls)),
            buffer: vec![0; COMMANDS],
            stopping: false,
            mail: None,
            mails: 0,
            user: None,
        }
    }

    /// A session that begins in clear.
    async fn in_clear(&mut self, mut tcp: TcpStream, tls: Option<Arc<ServerConfig>>) -> Ending {
        match (self.run(&mut tcp).await, tls) {
            (Exit::Closed(ending), _) => self.farewell(&mut tcp, ending).await,
            (Exit::StartTls, Some(config)) => Box::pin(self.in_tls(tcp, config)).await,
            (Exit::StartTls, None) => Ending::Fault,
        }
    }

    /// A session that begins with TLS. Who may not begin one cannot be told why.
    async fn secured_at_once(&mut self, tcp: TcpStream, tls: Option<Arc<ServerConfig>>) -> Ending {
        let Some(config) = tls else {
            tracing::error!(listener = %self.door.listener.name, "no certificate to show: connection closed");
            return Ending::Fault;
        };
        if self.may_handshake() { Box::pin(self.in_tls(tcp, config)).await } else { Ending::Fault }
    }

    async fn in_tls(&mut self, tcp: TcpStream, config: Arc<ServerConfig>) -> Ending {
        let secured = Box::pin(secure::handshake(tcp, config, self.door, self.client)).await;
        self.handshake = None;
        let Some(Secured { mut stream, certified }) = secured else { return Ending::Gone };
        self.session.secured(certified);
        match self.run(&mut stream).await {
            Exit::Closed(ending) => self.farewell(&mut stream, ending).await,
            Exit::StartTls => Ending::Fault,
        }
    }

    fn may_handshake(&mut self) -> bool {
        self.handshake = self.place.handshake(&self.door.settings.limits);
        if self.handshake.is_none() {
            self.door.metrics.refused(Refusal::Tls);
            tracing::warn!(listener = %self.door.listener.name, client = %self.client, "too many TLS handshakes");
        }
        self.handshake.is_some()
    }

    /// Does what the session asks until it wants TLS or the end.
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut S) -> Exit {
        loop {
            match self.session.poll(now()) {
                Action::Read => self.read(stream).await,
                Action::Peek => self.peek(stream).await,
                Action::Write(bytes) => self.write(stream, &bytes).await,
                Action::Mail(from) => {
                    let reply = self.open(from).await;
                    self.session.answered(&reply);
                }
                Action::Rcpt(to) => {
                    let reply = self.recipient(to).await;
                    self.session.answered(&reply);
                }
                Action::Body(part) => {
                    if let Some(mail) = &mut self.mail {
                        mail.body(&part).await;
                    }
                }
                Action::End => {
                    let reply = self.end().await;
                    self.session.answered(&reply);
                }
                Action::Abort => self.abort().await,
                Action::Present(client) => {
                    let admitted = self.present(client);
                    self.session.presented(admitted);
                }
                Action::Login(credentials) => {
                    let login = self.login(credentials).await;
                    self.session.logged_in(login);
                }
                Action::AskTls => {
                    let place = self.may_handshake();
                    self.session.may_secure(place);
                }
                Action::StartTls => return Exit::StartTls,
                Action::Close(ending) => return Exit::Closed(ending),
            }
        }
    }

    async fn read<S: AsyncRead + Unpin>(&mut self, stream: &mut S) {
        let size = if self.session.is_in_mail() { BUFFER } else { COMMANDS };
        if self.buffer.len() != size {
            self.buffer = vec![0; size];
        }
        let deadline = self.session.poll_timeout().map_or_else(Instant::now, Instant::from_std);
        tokio::select! {
            biased;
            () = self.door.stop.cancelled(), if !self.stopping => {
                self.stopping = true;
                self.session.stop();
            }
            read = timeout_at(deadline, stream.read(&mut self.buffer)) => match read {
                Ok(Ok(len @ 1..)) => {
                    self.door.metrics.received(len);
                    self.session.received(self.buffer.get(..len).unwrap_or_default(), now());
                }
                Ok(_) => self.session.disconnected(),
                Err(_) => self.session.timed_out(now()),
            },
        }
    }

    /// Best effort: what has not arrived yet cannot be seen.
    async fn peek<S: AsyncRead + Unpin>(&mut self, stream: &mut S) {
        tokio::task::yield_now().await;
        if let Some(Ok(len @ 1..)) = stream.read(&mut self.buffer).now_or_never() {
            self.session.received(self.buffer.get(..len).unwrap_or_default(), now());
        }
    }

    async fn write<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, bytes: &[u8]) {
        self.door.metrics.sent(bytes);
        let write = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        if !matches!(timeout(WRITE_TIMEOUT, write).await, Ok(Ok(()))) {
            self.session.disconnected();
        }
    }

    async fn open(&mut self, from: MailFrom) -> Reply {
        let peer = self.peer();
        match self.door.services.relay.mail(&peer, from).await {
            Ok(transaction) => {
                self.mails += 1;
                self.mail = Some(transaction);
                Reply::new(250, "2.1.0 Ok")
            }
            Err(reply) => reply,
        }
    }

    fn peer(&self) -> Peer {
        let hello = self.session.hello();
        Peer {
            addr: self.client,
            helo: hello.map(|hello| hello.name.clone()).unwrap_or_default(),
            esmtp: hello.is_some_and(|hello| hello.esmtp),
            tls: self.session.is_tls(),
            user: self.user.as_ref().map(|user| Arc::clone(&user.name)),
            senders: self.user.as_ref().map(|user| Arc::clone(&user.senders)).unwrap_or_default(),
            listener: Arc::clone(&self.door.listener.name),
            sender_domains: Arc::clone(&self.door.listener.sender_domains),
            tenants: Arc::clone(&self.door.listener.tenants),
            stamp: self.door.listener.stamp.clone(),
        }
    }

    /// The client speaks for another: whether that one may send here. One that nobody knows may not.
    fn present(&mut self, client: Option<IpAddr>) -> bool {
        self.user = None;
        if let Some(client) = client {
            self.client = client.to_canonical();
        }
        let admitted = client.is_some() && self.door.admits(self.client);
        tracing::debug!(client = %self.client, admitted, "the client speaks for another");
        admitted
    }

    /// Compares name and password. The log names neither.
    async fn login(&mut self, credentials: Credentials) -> Login {
        // What was read last held the password.
        self.buffer.zeroize();
        self.buffer.resize(COMMANDS, 0);
        let Some(users) = &self.door.services.users else { return Login::Wrong };
        let Credentials { name, password } = credentials;
        match users.check(&name, password, self.client, self.door.services.clock.now()).await {
            Checked::Right(user) => {
                self.user = Some(user);
                Login::Right
            }
            Checked::Wrong => {
                tracing::info!(client = %self.client, "login refused: name or password is wrong");
                Login::Wrong
            }
            Checked::Later => {
                tracing::warn!(client = %self.client, "login put off: too many wrong passwords, or too many at once");
                Login::Later
            }
        }
    }

    async fn recipient(&mut self, to: RcptTo) -> Reply {
        match &mut self.mail {
            Some(mail) => mail.rcpt(to).await,
            None => lost(),
        }
    }

    async fn end(&mut self) -> Reply {
        match self.mail.take() {
            Some(mail) => mail.end().await,
            None => lost(),
        }
    }

    async fn abort(&mut self) {
        if let Some(mail) = self.mail.take() {
            mail.abort().await;
        }
    }

    /// Ends the connection so that the client can read the last reply.
    async fn farewell<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut S, ending: Ending) -> Ending {
        if ending == Ending::Gone {
            return ending;
        }
        let shut = timeout(LINGER_IDLE, stream.shutdown()).await;
        if ending != Ending::Fault || !matches!(shut, Ok(Ok(()))) {
            return ending;
        }
        let drain = async { while let Ok(Ok(1..)) = timeout(LINGER_IDLE, stream.read(&mut self.buffer)).await {} };
        tokio::select! {
            () = self.door.stop.cancelled() => {}
            _ = timeout(LINGER, drain) => {}
        }
        ending
    }
}

/// The session asked for a step of a transaction that the driver does not have.
fn lost() -> Reply {
    Reply::new(451, "4.3.0 Local error; try again")
}

/// The time that tokio's timers run on.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}
