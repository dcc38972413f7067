//! `zegel keys`.

use std::path::Path;
use std::process::ExitCode;

use crate::base::OsEntropy;
use crate::daemon::keys;

/// `zegel keys new`.
pub fn new(file: &Path) -> ExitCode {
    match keys::create(file, &OsEntropy) {
        Ok(()) => {
            println!(
                "{} holds a new root key. Keep a copy elsewhere: without it nothing can be opened.",
                file.display()
            );
            ExitCode::SUCCESS
        }
        Err(cause) => super::complain(&cause.to_string()),
    }
}
