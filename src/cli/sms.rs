//! `zegel sms test`: one trial SMS, through the running daemon or, when none runs, from this process.

use std::process::ExitCode;
use std::sync::Arc;

use super::{Asking, complain, load, say};
use crate::base::SystemClock;
use crate::config::Config;
use crate::daemon::control::{self, AskError};
use crate::daemon::operate::{Answer, Request};
use crate::daemon::trial::Trial;

/// Sends one and says what the provider made of it.
pub async fn test(to: &Asking, number: String, provider: Option<String>) -> ExitCode {
    let config = match load(&to.file.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let answer = match send(&config, number, provider).await {
        Ok(answer) => answer,
        Err(text) => return complain(&text),
    };
    match say(to, &answer) {
        Ok(()) if answer.is_done() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(exit) => exit,
    }
}

async fn send(config: &Config, number: String, provider: Option<String>) -> Result<Answer, String> {
    let request = Request::SmsTest { number, provider };
    match control::ask(&config.control, &request).await {
        Err(AskError::NoDaemon(..)) => {}
        asked => return asked.map_err(|cause| cause.to_string()),
    }
    let Request::SmsTest { number, provider } = request else { return Err(super::desk::odd()) };
    let trial = Trial::of(config, Arc::new(SystemClock)).map_err(|cause| cause.to_string())?;
    Ok(trial.send(&number, provider.as_deref()).await)
}
