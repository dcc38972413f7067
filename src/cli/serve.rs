//! `zegel serve`: config, log, daemon, signals, orderly end.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use tracing::{error, info, warn};

use super::{load, log};
use crate::base::{OsEntropy, SystemClock};
use crate::config::Config;
use crate::daemon::signals::{self, Asked, Signals};
use crate::daemon::{self, Running, StartError, descriptors, keys};
use crate::store::OpenError;
use crate::store::retention::ledger::LedgerError;

/// Serves until a signal or a fault.
pub async fn run(file: &Path) -> ExitCode {
    let config = match load(file) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let findings = config.findings();
    for finding in &findings {
        eprintln!("{finding}");
    }
    if findings.iter().any(|finding| finding.fatal) {
        return ExitCode::from(super::BAD_CONFIG);
    }
    log::start(&config.log);
    descriptors::raise(&config);
    let keyring = match keys::load(config.root_key.as_deref()) {
        Ok(keyring) => keyring,
        Err(cause) => {
            error!(%cause, "not started");
            return ExitCode::from(super::BAD_CONFIG);
        }
    };
    let signals = Signals::new();
    match (daemon::start(config, keyring, Arc::new(SystemClock), Arc::new(OsEntropy)).await, signals) {
        (Ok(running), Ok(signals)) => until_stopped(running, signals, file).await,
        (Err(cause), _) => {
            error!(%cause, "not started");
            // Another try would find no other key, certificate, ledger or folder.
            let needs_hands = matches!(
                cause,
                StartError::Keys(_)
                    | StartError::Certificate(_)
                    | StartError::Store(OpenError::Key(_) | OpenError::DamagedSecret(_) | OpenError::NoSecret(_))
                    | StartError::Ledger(LedgerError::NoFolder(_) | LedgerError::Unknown(_) | LedgerError::Foreign(_))
            );
            if needs_hands { ExitCode::from(super::BAD_CONFIG) } else { ExitCode::FAILURE }
        }
        (Ok(running), Err(cause)) => {
            error!(%cause, "not started: no signals");
            running.stop().await;
            ExitCode::FAILURE
        }
    }
}

/// The config as it is now; `None`, with the reasons in the log, when it cannot be used.
fn read_again(file: &Path) -> Option<Config> {
    let config = Config::load(file)
        .map_err(|cause| error!(%cause, "the config is not usable; the old one stays in service"))
        .ok()?;
    let fatal: Vec<String> = config.findings().iter().filter(|found| found.fatal).map(ToString::to_string).collect();
    if !fatal.is_empty() {
        error!(cause = fatal.join("; "), "the config is not safe; the old one stays in service");
        return None;
    }
    Some(config)
}

async fn until_stopped(mut running: Running, mut signals: Signals, file: &Path) -> ExitCode {
    info!(smtp = ?running.smtp, page = ?running.page, metrics = ?running.metrics, "serving");
    signals::ready();
    tokio::spawn(signals::watch_over(running.pulse()));
    let fault = loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Reload => running.reload(read_again(file)),
                Asked::Stop => break false,
            },
            cause = running.fault() => {
                error!(cause, "stopping");
                break true;
            }
        }
    };
    signals::stopping();
    info!("stopping: mails and pages in flight are finished first");
    let drained = running.stop().await;
    if !drained {
        warn!("stopped, not everything was finished");
    }
    if fault || !drained { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
