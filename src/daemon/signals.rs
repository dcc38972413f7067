//! What the operating system tells us: SIGTERM and SIGINT stop, SIGHUP reads config, certificates and users again; and what we tell systemd.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::base::Pulse;

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

/// Where systemd watches over us (`WatchdogSec`): tells it that we live, while the loops that accept mail and requests go round. Ends with the process;
/// without that word in time systemd ends it, and starts it again.
pub async fn watch_over(pulse: Pulse) {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    // Twice in the time that it waits, so that one word may be late.
    let every = patience / 2;
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if pulse.is_felt(every).await {
            tell(&[sd_notify::NotifyState::Watchdog]);
        } else {
            tracing::error!("a loop that accepts connections does not go round");
        }
    }
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
