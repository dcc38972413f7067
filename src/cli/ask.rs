//! Commands about messages, contacts and the queue: asked of the running daemon, or of the folder when none runs.

use std::process::ExitCode;

use super::desk::Desk;
use super::{Asking, complain, show};
use crate::config::Config;
use crate::daemon::operate::Request;

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

/// `zegel queue list`.
pub async fn queue(to: &Asking) -> ExitCode {
    ask(to, Request::QueueList).await
}

/// `zegel queue hold`.
pub async fn hold(to: &Asking) -> ExitCode {
    ask(to, Request::QueueHold).await
}

/// `zegel queue release`.
pub async fn release(to: &Asking) -> ExitCode {
    ask(to, Request::QueueRelease).await
}

/// Asks, and writes the answer.
pub async fn ask(to: &Asking, request: Request) -> ExitCode {
    let config = match Config::load(&to.file.config) {
        Ok(config) => config,
        Err(cause) => {
            eprintln!("{cause}");
            return ExitCode::from(super::BAD_CONFIG);
        }
    };
    let answer = match Desk::open(config, &request).await {
        Ok((desk, answer)) => {
            desk.close().await;
            answer
        }
        Err(text) => return complain(&text),
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
