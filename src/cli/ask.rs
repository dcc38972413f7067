//! Commands about messages, contacts and the queue: asked of the running daemon, or of the folder when none runs.

use std::process::ExitCode;

use super::desk::Desk;
use super::{Asking, complain, load, say};
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
    let config = match load(&to.file.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let answer = match Desk::open(config, &request).await {
        Ok((desk, answer)) => {
            desk.close().await;
            answer
        }
        Err(text) => return complain(&text),
    };
    match say(to, &answer) {
        Ok(()) if answer.is_done() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(exit) => exit,
    }
}
