//! `zegel check`: all mistakes, else what is unsafe or unwise.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use crate::config::{Config, LoadError};
use crate::daemon::keys::{self, KeysError};

const CREDENTIAL: &str =
    "warning: keys.root: not set: the service needs the credential zegel-root, which cannot be seen from here";

/// Checks the file and the root key that it names.
pub fn run(file: &Path, as_json: bool) -> ExitCode {
    let (lines, fatal): (Vec<String>, bool) = match Config::load(file) {
        Ok(config) => {
            let mut lines: Vec<String> = config.findings().iter().map(ToString::to_string).collect();
            let key = keys::load(config.root_key.as_deref()).err();
            // A credential exists only inside the service; here its absence says nothing.
            let elsewhere = matches!(key, Some(KeysError::None));
            if elsewhere {
                lines.push(CREDENTIAL.to_owned());
            } else {
                lines.extend(key.iter().map(|cause| format!("error: keys.root: {cause}")));
            }
            let recovery = config.recovery_key.as_deref().and_then(|file| keys::recovery_public(file).err());
            lines.extend(recovery.iter().map(|cause| format!("error: keys.recovery: {cause}")));
            (
                lines,
                recovery.is_some()
                    || (key.is_some() && !elsewhere)
                    || config.findings().iter().any(|finding| finding.fatal),
            )
        }
        Err(LoadError::Mistakes(mistakes)) => (mistakes.iter().map(ToString::to_string).collect(), true),
        Err(unreadable) => (vec![unreadable.to_string()], true),
    };
    if as_json {
        println!("{}", json!({ "usable": !fatal, "findings": lines }));
    } else {
        for line in &lines {
            println!("{line}");
        }
        let verdict = if fatal { "cannot be used" } else { "can be used" };
        println!("{} {verdict}", file.display());
    }
    if fatal { ExitCode::from(super::BAD_CONFIG) } else { ExitCode::SUCCESS }
}
