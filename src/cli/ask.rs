//! Commands about messages, contacts and the queue: asked of the running daemon, or of the folder when none runs.

use std::process::ExitCode;
use std::sync::Arc;

use super::{Asking, complain, show};
use crate::base::{OsEntropy, SystemClock};
use crate::config::Config;
use crate::daemon::control::{self, AskError};
use crate::daemon::keys;
use crate::daemon::operate::{Answer, Office, Request};
use crate::seal::hashers::Hashers;
use crate::store::Store;

/// `zegel message find`.
pub async fn find(to: &Asking, address: String, days: Option<u32>) -> ExitCode {
    ask(to, Request::MessageFind { address, days }).await
}

/// `zegel message show`.
pub async fn show(to: &Asking, id: String) -> ExitCode {
    ask(to, Request::MessageShow { id }).await
}

/// `zegel message unlock`.
pub async fn unlock(to: &Asking, id: String) -> ExitCode {
    ask(to, Request::MessageUnlock { id }).await
}

/// `zegel message recall`.
pub async fn recall(to: &Asking, id: String, recipient: Option<String>) -> ExitCode {
    ask(to, Request::MessageRecall { id, recipient }).await
}

/// `zegel contact erase`.
pub async fn erase(to: &Asking, address: String) -> ExitCode {
    ask(to, Request::ContactErase { address }).await
}

/// `zegel contact new-code`.
pub async fn new_code(to: &Asking, recipient: String, sender: Option<String>) -> ExitCode {
    ask(to, Request::ContactNewCode { recipient, sender }).await
}

/// `zegel queue list`.
pub async fn queue(to: &Asking) -> ExitCode {
    ask(to, Request::QueueList).await
}

async fn ask(to: &Asking, request: Request) -> ExitCode {
    let config = match Config::load(&to.file.config) {
        Ok(config) => config,
        Err(cause) => {
            eprintln!("{cause}");
            return ExitCode::from(super::BAD_CONFIG);
        }
    };
    let answer = match control::ask(&config.control, &request).await {
        Ok(answer) => answer,
        Err(AskError::NoDaemon(..)) => match carry_out_here(config, request).await {
            Ok(answer) => answer,
            Err(text) => return complain(&text),
        },
        Err(cause) => return complain(&cause.to_string()),
    };
    if to.json {
        match serde_json::to_string_pretty(&answer) {
            Ok(text) => println!("{text}"),
            Err(cause) => return complain(&cause.to_string()),
        }
    } else {
        print!("{}", show::text(&answer));
    }
    if answer.is_done() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// No daemon runs: opens the folder itself. The folder's lock keeps a daemon out meanwhile.
async fn carry_out_here(config: Config, request: Request) -> Result<Answer, String> {
    use std::os::unix::fs::MetadataExt;
    let folder = config.store.folder.clone();
    let owner = std::fs::metadata(&folder).map_err(|cause| format!("{}: {cause}", folder.display()))?.uid();
    let own = rustix::process::geteuid().as_raw();
    if owner != own {
        // Files written as another user would stop the daemon at its next start.
        return Err(format!("no daemon runs, and {} belongs to another user: run this as that user", folder.display()));
    }
    let keyring = keys::load(config.root_key.as_deref()).map_err(|cause| cause.to_string())?;
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(OsEntropy));
    let opened = Store::open(config.store.clone(), keyring, clock.clone(), entropy.clone()).await;
    let (store, _report) = opened.map_err(|cause| cause.to_string())?;
    let answer = match crate::daemon::retention(&store, &config) {
        Ok(retention) => {
            let (cost, hashers) = (config.intake.cost, Hashers::new(1));
            let office = Office { store: store.clone(), retention, clock, entropy, cost, hashers };
            office.carry_out(request).await.map_err(|cause| cause.to_string())
        }
        Err(cause) => Err(cause.to_string()),
    };
    store.close().await;
    answer
}
