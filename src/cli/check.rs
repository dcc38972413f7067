//! `zegel check`: all mistakes, else what is unsafe or unwise.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use crate::config::{Config, LoadError};
use crate::daemon::keys;

/// Checks the file and the root key that it names.
pub fn run(file: &Path, as_json: bool) -> ExitCode {
    let (lines, fatal): (Vec<String>, bool) = match Config::load(file) {
        Ok(config) => {
            let mut lines: Vec<String> = config.findings().iter().map(ToString::to_string).collect();
            let key = keys::load(config.root_key.as_deref()).err();
            lines.extend(key.iter().map(|cause| format!("error: keys.root: {cause}")));
            (lines, key.is_some() || config.findings().iter().any(|finding| finding.fatal))
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
