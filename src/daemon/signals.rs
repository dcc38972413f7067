//! What the operating system tells us: SIGTERM and SIGINT stop, SIGHUP reads config, certificates and users again; and what we tell systemd.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// End, in order.
    Stop,
    /// Read config, certificates and users again.
    Reload,
}

/// The signals that we listen to.
#[derive(Debug)]
pub struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    /// Takes the signals over from their defaults.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.term.recv() => Asked::Stop,
            _ = self.int.recv() => Asked::Stop,
            _ = self.hup.recv() => Asked::Reload,
        }
    }
}

/// Tells systemd that we serve (`Type=notify`); nothing happens without systemd.
pub fn ready() {
    tell(&[sd_notify::NotifyState::Ready]);
}

/// Tells systemd that we stop.
pub fn stopping() {
    tell(&[sd_notify::NotifyState::Stopping]);
}

fn tell(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(cause) = sd_notify::notify(state) {
        tracing::warn!(%cause, "systemd does not hear us");
    }
}
