//! `zegel health` and `zegel metrics`: asked of the running daemon; there is nothing to tell without one.

use std::process::ExitCode;

use serde_json::json;

use super::{Asking, ConfigFile, complain, desk, load};
use crate::daemon::control;
use crate::daemon::health::{Health, Status};
use crate::daemon::operate::{Answer, Request};

async fn ask(file: &ConfigFile, request: Request) -> Result<Answer, ExitCode> {
    let config = load(&file.config)?;
    control::ask(&config.control, &request).await.map_err(|cause| complain(&cause.to_string()))
}

/// Says how the daemon is. 0 while it does all of its work, also when something needs looking at; 1 otherwise.
pub async fn health(to: &Asking) -> ExitCode {
    let health = match ask(&to.file, Request::Health).await {
        Ok(Answer::Health { health }) => health,
        Ok(Answer::Refused { text }) => return complain(&text),
        Ok(_) => return complain(&desk::odd()),
        Err(code) => return code,
    };
    println!("{}", if to.json { json!(health).to_string() } else { sentence(&health) });
    if health.is_ready() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn sentence(health: &Health) -> String {
    let status = match health.status {
        Status::Ok => return "ok".to_owned(),
        Status::Degraded => "degraded",
        Status::Failing => "failing",
    };
    let reasons: Vec<&str> = health.reasons.iter().map(|reason| reason.word()).collect();
    format!("{status}: {}", reasons.join(", "))
}

/// Prints all metrics.
pub async fn metrics(file: &ConfigFile) -> ExitCode {
    match ask(file, Request::Metrics).await {
        Ok(Answer::Metrics { text }) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Ok(Answer::Refused { text }) => complain(&text),
        Ok(_) => complain(&desk::odd()),
        Err(code) => code,
    }
}
