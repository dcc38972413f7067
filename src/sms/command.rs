//! A provider of the administrator's own making: a local command that gets one SMS as JSON on its standard input.
//!
//! It is started without a shell and with an environment of its own (`PATH` alone). `{"number","text","reference"}` stands on
//! standard input, in one line. What it answers:
//!
//! | exit code | means |
//! |---|---|
//! | 0 | taken; the first line of standard output, if any, is the provider's id |
//! | 65, 67, 68 (sysexits `EX_DATAERR`, `EX_NOUSER`, `EX_NOHOST`) | no SMS can be sent to this number |
//! | 77, 78 (`EX_NOPERM`, `EX_CONFIG`) | the provider does not accept us |
//! | any other | surely not sent: tried again |
//!
//! One that takes too long, or writes more than 64 KiB, is killed with all that it started; nobody knows then whether the SMS left.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use zeroize::Zeroizing;

use super::outcome::{Handover, id};
use super::{Number, Refusal, Text};

/// Bytes of output that are read.
const MOST_OUTPUT: u64 = 64 * 1024;
/// Where a command finds others.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The program: an absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// Kills what was started, unless it ended by itself.
struct Guard(Option<Pid>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _gone = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Hands one SMS to the command.
pub(super) async fn send(
    settings: &Settings,
    limit: Duration,
    number: &Number,
    text: &Text,
    reference: &str,
) -> Handover {
    let input = serde_json::json!({ "number": number.expose(), "text": text.expose(), "reference": reference });
    let input = Zeroizing::new(format!("{input}\n"));
    let started = tokio::process::Command::new(&settings.program)
        .args(&settings.arguments)
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // What a command complains of may name the number.
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(cause) => return Handover::failed(format!("the command cannot be started: {}", cause.kind())),
    };
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let guard = Guard(group);
    let ended = tokio::time::timeout(limit, converse(&mut child, &input)).await;
    match ended {
        Err(_) => Handover::Unsure { cause: "the command took too long and was killed".to_owned() },
        Ok(Err(cause)) => Handover::Unsure { cause },
        Ok(Ok((status, output))) => {
            // What it left running in the background stays.
            std::mem::forget(guard);
            judge(status, &output)
        }
    }
}

/// Gives it the SMS, reads what it says, and waits for its end.
async fn converse(child: &mut Child, input: &str) -> Result<(ExitStatus, Vec<u8>), String> {
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read its input may have its reasons; its exit code tells.
        let _unread = stdin.write_all(input.as_bytes()).await;
    }
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let read = stdout.take(MOST_OUTPUT + 1).read_to_end(&mut output).await;
        read.map_err(|cause| format!("the command's output cannot be read: {}", cause.kind()))?;
        if output.len() as u64 > MOST_OUTPUT {
            return Err("the command wrote too much and was killed".to_owned());
        }
    }
    let status = child.wait().await.map_err(|cause| format!("the command's end was lost: {}", cause.kind()))?;
    Ok((status, output))
}

fn judge(status: ExitStatus, output: &[u8]) -> Handover {
    let line = String::from_utf8_lossy(output).lines().next().unwrap_or_default().to_owned();
    let cause = |code: i32| format!("the command ended with {code}");
    match status.code() {
        Some(0) => Handover::Accepted { id: id(&line) },
        Some(code @ (65 | 67 | 68)) => Handover::refused(Refusal::Number, cause(code)),
        Some(code @ (77 | 78)) => Handover::refused(Refusal::Account, cause(code)),
        Some(code) => Handover::failed(cause(code)),
        None => Handover::Unsure { cause: "the command was killed".to_owned() },
    }
}
