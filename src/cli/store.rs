//! `zegel store`: long work on the store, begun at the running daemon or done on the folder when none runs, with a progress line.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;

use super::desk::Desk;
use super::show::many;
use super::{Asking, complain, load, say};
use crate::daemon::operate::{Answer, Request};
use crate::daemon::upkeep::Outcome;
use crate::store::backup::{BackupError, Restored};
use crate::store::progress::Progress;

/// Between two looks at how far it is: progress is a counter that is read, and the daemon's control socket tells nothing by itself.
const LOOK: Duration = Duration::from_millis(500);

/// Commands about the data folder as a whole.
#[derive(Debug, Subcommand)]
pub enum Upkeep {
    /// Read everything and say what is damaged, and for whom. Exit code 0: sound, 1: not.
    #[command(after_help = "Example:\n  zegel store check --json")]
    Check {
        #[command(flatten)]
        to: Asking,
        /// Show what the last check found instead; the daemon makes one each week.
        #[arg(long)]
        last: bool,
    },
    /// The same, and mend what can be mended. What is removed is in quarantine/ first.
    #[command(after_help = "Example:\n  zegel store repair")]
    Repair {
        #[command(flatten)]
        to: Asking,
        /// An erasure ledger that is shorter than it was counts as it is from now on: only once no older backup is left.
        #[arg(long)]
        accept_ledger: bool,
    },
    /// Throw the index away and make it anew from the journal. Mail and pages wait meanwhile.
    #[command(after_help = "Example:\n  zegel store rebuild")]
    Rebuild {
        #[command(flatten)]
        to: Asking,
    },
    /// Give the room of what was removed back now. It happens by itself too, once it is worth while.
    #[command(after_help = "Example:\n  zegel store compact")]
    Compact {
        #[command(flatten)]
        to: Asking,
    },
    /// Make a backup, or bring one up to date, while everything runs. The root key is no part of it.
    #[command(after_help = "Example:\n  zegel store backup /var/backups/zegel")]
    Backup {
        #[command(flatten)]
        to: Asking,
        /// The folder; it is made where it is missing. The daemon must be able to write there.
        folder: PathBuf,
        /// Read every copy that is kept again, not only the share whose turn it is.
        #[arg(long)]
        verify: bool,
    },
    /// Put a backup back into an empty folder. Needs no config.
    #[command(after_help = "Example:\n  zegel store restore /var/backups/zegel --into /var/lib/zegel")]
    Restore {
        /// The folder of the backup.
        from: PathBuf,
        /// The new data folder: empty, or not there yet.
        #[arg(long, value_name = "FOLDER")]
        into: PathBuf,
        /// Put back what is whole when files of the backup are damaged.
        #[arg(long)]
        even_damaged: bool,
    },
}

impl Upkeep {
    /// Runs it.
    pub async fn run(self) -> ExitCode {
        match self {
            Self::Check { to, last } => check(&to, last).await,
            Self::Repair { to, accept_ledger } => work(&to, Request::StoreCheck { repair: true, accept_ledger }).await,
            Self::Rebuild { to } => work(&to, Request::StoreRebuild).await,
            Self::Compact { to } => work(&to, Request::StoreCompact).await,
            Self::Backup { to, folder, verify } => backup(&to, &folder, verify).await,
            Self::Restore { from, into, even_damaged } => restore(from, into, even_damaged).await,
        }
    }
}

async fn check(to: &Asking, last: bool) -> ExitCode {
    work(to, if last { Request::StoreLastCheck } else { Request::StoreCheck { repair: false, accept_ledger: false } })
        .await
}

async fn backup(to: &Asking, folder: &Path, verify: bool) -> ExitCode {
    match std::path::absolute(folder) {
        Ok(folder) => work(to, Request::StoreBackup { folder, verify }).await,
        Err(cause) => complain(&format!("{}: {cause}", folder.display())),
    }
}

/// Needs neither config nor root key: a bare machine has none yet.
async fn restore(from: PathBuf, into: PathBuf, even_damaged: bool) -> ExitCode {
    let progress = Arc::new(Progress::default());
    let (watched, target) = (Arc::clone(&progress), into.clone());
    let restoring =
        tokio::task::spawn_blocking(move || crate::store::backup::restore(&from, &into, even_damaged, &progress));
    tokio::pin!(restoring);
    let done = loop {
        tokio::select! {
            done = &mut restoring => break done,
            () = tokio::time::sleep(LOOK) => line(&watched.line()),
        }
    };
    end_line();
    match done {
        Ok(Ok(restored)) => {
            print!("{}", put_back(&target, &restored));
            if restored.damaged.is_empty() && restored.unsound.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Ok(Err(BackupError::Damaged(paths))) => {
            for path in &paths {
                println!("damaged: {path}");
            }
            complain(
                "files of the backup are damaged or missing; nothing was written. `--even-damaged` puts the rest back",
            )
        }
        Ok(Err(cause)) => complain(&cause.to_string()),
        Err(cause) => complain(&cause.to_string()),
    }
}

/// What a restore says.
fn put_back(target: &Path, restored: &Restored) -> String {
    let Restored { head, files, frames, damaged, unsound } = restored;
    let mut lines: Vec<String> = damaged.iter().chain(unsound).map(|place| format!("damaged: {place}")).collect();
    let (target, made, sequence) = (target.display(), head.made, head.sequence);
    lines.push(format!("{target} holds the backup of {made}: {files} files, up to commit {sequence}."));
    lines.push(if unsound.is_empty() {
        format!("Each file has its hash, and each of {frames} frames of the journal its checksum.")
    } else {
        let places = many(unsound.len(), "place");
        format!("{places} of the journal were damaged or lost before the backup was made; everything else is there.")
    });
    lines.push("Records and bodies open with the root key only: `zegel store check` reads all of them.".to_owned());
    lines.push("Nothing is sent until `zegel queue release`.\n".to_owned());
    lines.join("\n")
}

async fn work(to: &Asking, request: Request) -> ExitCode {
    let config = match load(&to.file.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let (desk, begun) = match Desk::open(config, &request).await {
        Ok(begun) => begun,
        Err(text) => return complain(&text),
    };
    let ended = watch(&desk, begun).await;
    desk.close().await;
    match ended {
        Ok(answer) => told(to, &answer),
        Err(text) => complain(&text),
    }
}

/// Shows how far it is until it ends.
async fn watch(desk: &Desk, mut answer: Answer) -> Result<Answer, String> {
    while let Answer::Work { running: Some(progress), .. } = &answer {
        line(progress);
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            stopped = tokio::signal::ctrl_c(), if matches!(desk, Desk::Here(_)) => {
                end_line();
                return Err(stopped.map_or_else(|cause| cause.to_string(), |()| "stopped".to_owned()));
            }
        }
        answer = desk.ask(&Request::StoreWork).await?;
    }
    end_line();
    Ok(answer)
}

fn told(to: &Asking, answer: &Answer) -> ExitCode {
    if let Err(exit) = say(to, answer) {
        return exit;
    }
    match answer {
        Answer::Work { done: Some(Outcome::Checked { report }), .. } if report.is_sound() => ExitCode::SUCCESS,
        Answer::Work { done: Some(Outcome::Rebuilt | Outcome::Compacted { .. }), .. } => ExitCode::SUCCESS,
        Answer::Work { done: Some(Outcome::BackedUp(row)), .. } if row.unreadable.is_empty() => ExitCode::SUCCESS,
        Answer::Work { done: None, running: None } => complain("the store was not checked yet"),
        _ => ExitCode::FAILURE,
    }
}

/// One line on a terminal that is written over; nothing where nobody looks.
fn line(text: &str) {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        // Nobody to tell that this failed.
        let _ = write!(out, "\r\x1b[K{text}").and_then(|()| out.flush());
    }
}

fn end_line() {
    line("");
}
