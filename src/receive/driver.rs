//! Moves bytes between one socket, its [`Session`] and the relay.
//!
//! - Nothing is read while the relay works: a slow next hop slows its client down, and no memory grows.
//! - Every read and write has a time limit; the relay's calls have their own.
//! - A session that ends, for whatever reason, ends its transaction: completed or aborted, never left.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_util::sync::WaitForCancellationFutureOwned;
use zeroize::Zeroize;

use super::door::Door;
use super::listener::too_many;
use super::mail::UnderWay;
use super::places::{Handshake, Place};
use super::proxy;
use super::secure::{self, Secured};
use super::session::{Action, Credentials, Ending, Login, Session};
use crate::base::Alarm;
use crate::mail::{MailFrom, RcptTo, Reply};
use crate::metrics::Refusal;
use crate::relay::Peer;
use crate::users::{Checked, Identity};

/// Octets read at once. They lie on the stack while they are read: a session that waits holds no memory for them.
const BUFFER: usize = 16 * 1024;
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
    /// When the client has kept us waiting for too long.
    alarm: Alarm,
    /// Resolves when we stop.
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    stopping: bool,
    mail: Option<UnderWay>,
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
            alarm: Alarm::new(),
            stop: Box::pin(door.stop.clone().cancelled_owned()),
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
        let deadline = self.session.poll_timeout().map_or_else(Instant::now, Instant::from_std);
        tokio::select! {
            biased;
            () = self.stop.as_mut(), if !self.stopping => {
                self.stopping = true;
                self.session.stop();
            }
            read = receive(stream, &mut self.session) => match read {
                Ok(len @ 1..) => self.door.metrics.received(len),
                _ => self.session.disconnected(),
            },
            () = poll_fn(|cx| self.alarm.poll(deadline, cx)) => self.session.timed_out(now()),
        }
    }

    /// Best effort: what has not arrived yet cannot be seen.
    async fn peek<S: AsyncRead + Unpin>(&mut self, stream: &mut S) {
        tokio::task::yield_now().await;
        let _nothing_yet = receive(stream, &mut self.session).now_or_never();
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
        match UnderWay::begin(self.door, &peer, from).await {
            Ok(mail) => {
                self.mails += 1;
                self.mail = Some(mail);
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
        let mut dropped = [0; 1024];
        let drain = async { while let Ok(Ok(1..)) = timeout(LINGER_IDLE, stream.read(&mut dropped)).await {} };
        tokio::select! {
            () = self.door.stop.cancelled() => {}
            _ = timeout(LINGER, drain) => {}
        }
        ending
    }
}

/// Gives the session what the client sent: how many octets, 0 at the end. What is no mail may hold a password, and is wiped.
async fn receive<S: AsyncRead + Unpin>(stream: &mut S, session: &mut Session) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut space = [MaybeUninit::uninit(); BUFFER];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
        if !buffer.filled().is_empty() {
            session.received(buffer.filled(), now());
        }
        if !session.is_in_mail() {
            buffer.filled_mut().zeroize();
        }
        Poll::Ready(Ok(buffer.filled().len()))
    })
    .await
}

/// The session asked for a step of a transaction that the driver does not have.
fn lost() -> Reply {
    Reply::new(451, "4.3.0 Local error; try again")
}

/// The time that tokio's timers run on.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}
