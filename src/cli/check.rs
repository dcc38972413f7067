//! `zegel check`: all mistakes, else what is unsafe or unwise.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use crate::config::{CertificateFiles, Config, LoadError};
use crate::daemon::certificates::Certificates;
use crate::daemon::keys::{self, KeysError};
use crate::policy::{Level, Mode, Settings};
use crate::seal::keyring::StoreKeys;
use crate::store::retention::ledger::{self, Ledger, LedgerError};
use crate::store::{OpenError, open};

const CREDENTIAL: &str =
    "warning: keys.root: not set: the service needs the credential zegel-root, which cannot be seen from here";

/// Who can open what is sealed, by default and by rule.
fn modes(policy: &Settings) -> Vec<String> {
    let say = |mode| match mode {
        Mode::Assisted => "assisted: the server holds the keys",
        Mode::Strict => "strict: nobody can open a mail without its link and its code",
    };
    let rules =
        policy.rules.iter().filter_map(|rule| Some((&rule.name, rule.mode.filter(|mode| *mode != policy.mode)?)));
    let rules = rules.map(|(name, mode)| format!("note: rule {name}: {}", say(mode)));
    std::iter::once(format!("note: seal.mode: {}", say(policy.mode))).chain(rules).collect()
}

/// The rules that are content with a code by mail.
fn mail_codes(policy: &Settings) -> impl Iterator<Item = String> {
    let low = policy.rules.iter().filter(|rule| rule.proof == Some(Level::Mail));
    low.map(|rule| {
        format!("note: rule {}: a code by mail: whoever reads a recipient's mailbox opens what it seals", rule.name)
    })
}

/// Whether the root key that the config names can be used, and opens the data folder.
fn keys_and_folder(config: &Config) -> Vec<String> {
    let keyring = match keys::load(config.root_key.as_deref()) {
        Ok(keyring) => keyring,
        // A credential exists only inside the service; here its absence says nothing.
        Err(KeysError::None) => return vec![CREDENTIAL.to_owned()],
        Err(cause) => return vec![format!("error: keys.root: {cause}")],
    };
    match open::fits(&config.store.folder, &keyring) {
        Ok(None) => Vec::new(),
        Ok(Some(keys)) => ledger_of(&config.retention.ledger, &keys).into_iter().collect(),
        Err(OpenError::Io { path, cause }) => {
            vec![format!("warning: store.folder: {}: {cause}: run this as the service's user or root", path.display())]
        }
        Err(cause) => vec![format!("error: store.folder: {cause}")],
    }
}

/// What is wrong with the ledger of a folder whose keys are known.
fn ledger_of(path: &Path, keys: &StoreKeys) -> Option<String> {
    match Ledger::unreadable(path, keys) {
        Ok(0) | Err(LedgerError::NoFolder(_)) => None,
        // The start makes one, and tells whether there was another.
        Err(LedgerError::Io(_, cause)) if cause.kind() == io::ErrorKind::NotFound => None,
        Ok(damaged) => Some(format!("warning: retention.ledger: {damaged} entries of {} are damaged", path.display())),
        Err(cause) => Some(format!("error: retention.ledger: {cause}")),
    }
}

/// Whether the certificates and their keys can be used.
fn certificates(smtp: Option<&CertificateFiles>, page: Option<&CertificateFiles>) -> Vec<String> {
    let pairs = [("mail.certificate", (smtp, None)), ("page.certificate", (None, page))];
    let faults = pairs.into_iter().filter_map(|(key, (smtp, page))| {
        let cause = Certificates::load(smtp.cloned(), page.cloned()).err()?;
        Some(format!("error: {key}: {cause}"))
    });
    faults.collect()
}

/// All that is to be said of a config that can be read.
fn findings(config: &Config) -> Vec<String> {
    let mut lines: Vec<String> = config.findings().iter().map(ToString::to_string).collect();
    lines.extend(modes(&config.policy));
    lines.extend(certificates(config.smtp_tls.as_ref(), config.page_tls.as_ref()));
    lines.extend(mail_codes(&config.policy));
    lines.extend(keys_and_folder(config));
    let recovery = config.recovery_key.as_deref().and_then(|file| keys::recovery_public(file).err());
    lines.extend(recovery.map(|cause| format!("error: keys.recovery: {cause}")));
    // The data folder itself is made by the first start.
    let apart = !config.retention.ledger.starts_with(&config.store.folder);
    let folder = ledger::has_folder(&config.retention.ledger).err().filter(|_| apart);
    lines.extend(folder.map(|cause| format!("error: retention.ledger: {cause}")));
    lines
}

/// Checks the file, and the root key and folders that it names.
pub fn run(file: &Path, as_json: bool) -> ExitCode {
    let (lines, fatal) = match Config::load(file) {
        Ok(config) => {
            let lines = findings(&config);
            let fatal = config.findings().iter().any(|finding| finding.fatal);
            let fatal = fatal || lines.iter().any(|line| line.starts_with("error: "));
            (lines, fatal)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Action, Home, Rule};

    #[test]
    fn a_certificate_that_cannot_be_used_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let pair = |name: &str, key: &str| {
            let made = rcgen::generate_simple_self_signed(vec!["zegel.example".to_owned()]).unwrap();
            let files = CertificateFiles { certificate: folder.path().join(name), key: folder.path().join(key) };
            std::fs::write(&files.certificate, made.cert.pem()).unwrap();
            std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
            files
        };
        let right = pair("right.pem", "right.key");
        assert_eq!(certificates(Some(&right), Some(&right)), Vec::<String>::new());
        let wrong =
            CertificateFiles { certificate: right.certificate.clone(), key: pair("other.pem", "other.key").key };
        let lines = certificates(Some(&wrong), Some(&right));
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].starts_with("error: mail.certificate: ") && lines[0].ends_with("another certificate"),
            "{lines:?}"
        );
        assert!(certificates(None, Some(&wrong))[0].starts_with("error: page.certificate: "));
    }

    #[test]
    fn the_modes_are_named() {
        let rule = |name: &str, mode, proof| Rule {
            name: name.into(),
            from: Vec::new(),
            to: Vec::new(),
            action: Action::Seal,
            mode,
            proof,
        };
        let rules = vec![
            rule("gp", Some(Mode::Strict), Some(Level::Code)),
            rule("any", None, Some(Level::Mail)),
            rule("same", Some(Mode::Assisted), None),
        ];
        let settings = |mode| Settings {
            home: Home::default(),
            rules: rules.clone(),
            tags: Vec::new(),
            expires: std::time::Duration::from_secs(1),
            mode,
        };
        let lines = modes(&settings(Mode::Assisted));
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("note: seal.mode: assisted") && lines[1].starts_with("note: rule gp: strict"));
        let low: Vec<String> = mail_codes(&settings(Mode::Assisted)).collect();
        assert!(low.len() == 1 && low[0].starts_with("note: rule any: a code by mail"), "{low:?}");
        let lines = modes(&settings(Mode::Strict));
        assert!(lines[0].starts_with("note: seal.mode: strict") && lines[1].starts_with("note: rule same: assisted"));
    }
}
