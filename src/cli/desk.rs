//! Whom a command asks: the running daemon, or the data folder itself when none runs.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::base::{OsEntropy, SystemClock};
use crate::config::Config;
use crate::daemon;
use crate::daemon::control::{self, AskError};
use crate::daemon::keys::{self, Source};
use crate::daemon::operate::{Answer, Office, Request};
use crate::daemon::rotate::{KeyAnswer, KeyRequest, Keys, Progress};
use crate::daemon::trial::Trial;
use crate::store::Store;

/// Between two looks at what the daemon does in the background: its control socket answers, and tells nothing by itself.
const LOOK: Duration = Duration::from_millis(200);

/// Who answers.
pub enum Desk {
    /// The daemon that listens there.
    Daemon(PathBuf),
    /// This process, which holds the folder meanwhile: its lock keeps a daemon out.
    Here(Box<Office>),
}

impl Desk {
    /// Asks for the first time, and so finds out who answers. Errors are texts for the operator.
    pub async fn open(config: Config, request: &Request) -> Result<(Self, Answer), String> {
        match control::ask(&config.control, request).await {
            Ok(answer) => Ok((Self::Daemon(config.control), answer)),
            Err(AskError::NoDaemon(..)) => {
                let desk = Self::here(config).await?;
                let answer = desk.ask(request).await;
                if answer.is_err() {
                    desk.close().await;
                    return Err(answer.err().unwrap_or_default());
                }
                answer.map(|answer| (desk, answer))
            }
            Err(cause) => Err(cause.to_string()),
        }
    }

    async fn here(config: Config) -> Result<Self, String> {
        own(&config.store.folder)?;
        let text = |cause: &dyn std::fmt::Display| cause.to_string();
        let source = Source::find(config.root_key.as_deref()).map_err(|cause| text(&cause))?;
        let keyring = source.read().map_err(|cause| text(&cause))?;
        let recovery = config.recovery_key.as_deref().map(keys::recovery_public).transpose();
        let recovery = recovery.map_err(|cause| text(&cause))?;
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(OsEntropy));
        let trial = Trial::of(&config, clock.clone()).map_err(|cause| text(&cause))?;
        let opened = Store::open(config.store.clone(), keyring, clock.clone(), entropy.clone()).await;
        let (store, _report) = opened.map_err(|cause| text(&cause))?;
        let prepared = store.use_recovery(recovery).await.map_err(|cause| text(&cause));
        let retention = prepared.and_then(|()| daemon::retention(&store, &config).map_err(|cause| text(&cause)));
        let retention = match retention {
            Ok(retention) => retention,
            Err(text) => {
                store.close().await;
                return Err(text);
            }
        };
        let keys = Keys::new(store.clone(), Some(source));
        let office = Office::new(&config, (store, retention), (clock, entropy), (keys, trial));
        Ok(Self::Here(Box::new(office)))
    }

    /// Asks.
    pub async fn ask(&self, request: &Request) -> Result<Answer, String> {
        match self {
            Self::Daemon(socket) => control::ask(socket, request).await.map_err(|cause| cause.to_string()),
            Self::Here(office) => office.carry_out(request.clone()).await.map_err(|cause| cause.to_string()),
        }
    }

    /// Asks about keys; a refusal is an error.
    pub async fn ask_keys(&self, request: KeyRequest) -> Result<KeyAnswer, String> {
        keys_of(self.ask(&Request::Keys { request }).await?)
    }

    /// How far wrapping anew came: with a daemon after a moment, without one after a step of it.
    pub async fn progress(&self) -> Result<Progress, String> {
        match self {
            Self::Here(office) => office.keys.step().await.map_err(|cause| cause.to_string()),
            Self::Daemon(_) => {
                tokio::time::sleep(LOOK).await;
                match self.ask_keys(KeyRequest::Progress).await? {
                    KeyAnswer::Progress(progress) => Ok(progress),
                    _ => Err(odd()),
                }
            }
        }
    }

    /// Gives the folder back.
    pub async fn close(self) {
        if let Self::Here(office) = self {
            office.upkeep.end().await;
            office.store.close().await;
        }
    }
}

/// The part of an answer that is about keys.
pub fn keys_of(answer: Answer) -> Result<KeyAnswer, String> {
    match answer {
        Answer::Keys { keys: KeyAnswer::Refused { text } } | Answer::Refused { text } => Err(text),
        Answer::Keys { keys } => Ok(keys),
        _ => Err(odd()),
    }
}

/// An answer to another question: the daemon is of another release.
pub fn odd() -> String {
    "the daemon gave an answer that this release does not know".to_owned()
}

/// Files written as another user would stop the daemon at its next start.
pub fn own(folder: &Path) -> Result<(), String> {
    let owner = match std::fs::metadata(folder) {
        Ok(meta) => meta.uid(),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            return Err(format!(
                "there is no data folder {}: the first start of the daemon makes it",
                folder.display()
            ));
        }
        Err(cause) => return Err(format!("{}: {cause}", folder.display())),
    };
    if owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(format!("no daemon runs, and {} belongs to another user: run this as that user", folder.display()))
}
