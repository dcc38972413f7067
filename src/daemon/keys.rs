//! The root keyring: found, checked, read. The service refuses to start with a clear sentence rather than with a weak key.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::base::Entropy;
use crate::seal::keyring::{KeyringError, RootKeyring};

/// Name of the systemd credential (`LoadCredential=zegel-root:…`).
const CREDENTIAL: &str = "zegel-root";

/// Why there is no root keyring.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Neither `keys.root` nor a credential.
    #[error(
        "no root key: set keys.root, or give the service the credential {CREDENTIAL}; `zegel keys new FILE` makes one"
    )]
    None,
    /// The file cannot be read or written.
    #[error("root key {0}: {1}")]
    Io(PathBuf, io::Error),
    /// Others can read it.
    #[error("root key {0} can be read by everybody on this machine (mode {1:03o}): chmod 600")]
    Open(PathBuf, u32),
    /// It holds no usable key.
    #[error("root key {0}: {1}")]
    Content(PathBuf, KeyringError),
}

/// Reads the keyring from `file`, or from the credential that systemd passed on.
///
/// # Errors
/// See [`KeysError`].
pub fn load(file: Option<&Path>) -> Result<RootKeyring, KeysError> {
    let credential = || std::env::var_os("CREDENTIALS_DIRECTORY").map(|folder| PathBuf::from(folder).join(CREDENTIAL));
    let path = file.map(Path::to_owned).or_else(credential).ok_or(KeysError::None)?;
    let io = |cause| KeysError::Io(path.clone(), cause);
    let mode = fs::metadata(&path).map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(KeysError::Open(path, mode));
    }
    let text = SecretString::from(fs::read_to_string(&path).map_err(io)?);
    RootKeyring::parse(text.expose_secret()).map_err(|cause| KeysError::Content(path, cause))
}

/// Writes a new keyring with one random key to `file`, readable by its owner only. Never replaces a file.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn create(file: &Path, entropy: &dyn Entropy) -> Result<(), KeysError> {
    let io = |cause| KeysError::Io(file.to_owned(), cause);
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(io)?;
    let text = RootKeyring::generate(entropy).to_text();
    out.write_all(text.expose_secret().as_bytes()).and_then(|()| out.sync_all()).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::OsEntropy;

    fn written(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.keys");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn a_new_keyring_loads_and_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.keys");
        create(&path, &OsEntropy).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        load(Some(&path)).unwrap();
        assert!(matches!(create(&path, &OsEntropy), Err(KeysError::Io(_, _))));
    }

    #[test]
    fn what_is_not_a_safe_key_is_refused_in_words() {
        let cases = [
            ("", 0o600, "holds no key"),
            ("00000001:0000000000000000000000000000000000000000000000000000000000000000\n", 0o600, "not random"),
            ("00000001:abcd\n", 0o600, "line 1"),
            ("whatever", 0o644, "can be read by everybody"),
        ];
        for (text, mode, words) in cases {
            let (_folder, path) = written(text, mode);
            let error = load(Some(&path)).unwrap_err().to_string();
            assert!(error.contains(words), "{text:?}: {error}");
        }
        assert!(load(Some(Path::new("/nowhere/at/all"))).is_err());
    }
}
