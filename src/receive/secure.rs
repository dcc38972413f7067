//! The server's side of a TLS handshake, bounded in time: behind STARTTLS, or as the first thing on a connection (RFC 8314).

use std::net::IpAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::door::Door;
use crate::metrics::Refusal;

/// A secured connection.
pub(super) struct Secured {
    pub(super) stream: TlsStream<TcpStream>,
    /// The client showed a certificate that this listener allows.
    pub(super) certified: bool,
}

/// Does the handshake; `None` when it failed, took too long, or the gateway stops.
pub(super) async fn handshake(
    tcp: TcpStream,
    config: Arc<ServerConfig>,
    door: &Door,
    client: IpAddr,
) -> Option<Secured> {
    let within = door.settings.limits.handshake_timeout;
    let accept = timeout(within, TlsAcceptor::from(config).accept(tcp));
    match door.stop.run_until_cancelled(accept).await? {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let clients = door.listener.clients.as_ref();
            let certified = shown.zip(clients).is_some_and(|(shown, clients)| clients.allows(shown));
            if shown.is_some() && !certified {
                tracing::info!(%client, "the client's certificate has no name that is allowed here");
            }
            Some(Secured { stream, certified })
        }
        Ok(Err(error)) => {
            door.metrics.refused(Refusal::Tls);
            tracing::info!(%client, %error, "TLS handshake failed");
            None
        }
        Err(_) => {
            door.metrics.refused(Refusal::Tls);
            tracing::info!(%client, "TLS handshake took too long");
            None
        }
    }
}
