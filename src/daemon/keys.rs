//! Key files: found, checked, read, and written by the commands about keys. The service refuses to start with a clear sentence
//! rather than with a weak key, or with one that others may have read.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::base::Entropy;
use crate::seal::keyring::{KeyringError, RootKeyring};
use crate::seal::recovery::{RecoveryKeyError, RecoveryPrivate, RecoveryPublic};

/// Name of the systemd credential (`LoadCredential=zegel-root:…`).
const CREDENTIAL: &str = "zegel-root";
/// Bytes of a key file at most: hundreds of keys.
const MOST: u64 = 64 * 1024;

/// Why there is no key, or none was written. Each text is one sentence that says what to do, and shows no key.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Neither `keys.root` nor a credential.
    #[error(
        "no root key: set keys.root, or give the service the credential {CREDENTIAL}; `zegel keys new FILE` makes one"
    )]
    None,
    /// The file of the root keyring is not one.
    #[error("root key {0}: {1}")]
    Root(PathBuf, Fault),
    /// The same for a recovery key.
    #[error("recovery key {0}: {1}")]
    Recovery(PathBuf, Fault),
    /// systemd makes a credential at the start of the service from a file elsewhere.
    #[error(
        "{0} is a systemd credential, which cannot be written: name the file that it is made from, e.g. \
         /etc/zegel/root.keys, and restart the service afterwards"
    )]
    ReadOnly(PathBuf),
}

/// What is wrong with a key file.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It is not there.
    #[error("there is no such file; put it back from your copy")]
    Missing,
    /// It is there already.
    #[error("the file exists, and a key is never overwritten")]
    Exists,
    /// A folder.
    #[error("this is a folder, not a file")]
    Folder,
    /// A device, a pipe or a socket.
    #[error("this is no ordinary file")]
    Special,
    /// It belongs to neither root nor us.
    #[error("it belongs to another user (uid {0}), who could replace the key: chown it to the user of the service")]
    Owner(u32),
    /// Others can read it.
    #[error("it can be read by everybody on this machine (mode {0:03o}): chmod 600")]
    World(u32),
    /// A group can read it.
    #[error("it can be read by a whole group (mode {0:03o}): chmod 600")]
    Group(u32),
    /// Others can change it.
    #[error("it can be changed by others (mode {0:03o}), who could put a key of their own in its place: chmod 644")]
    Writable(u32),
    /// No keyring is that large.
    #[error("it has more than {MOST} bytes, so it is no key file")]
    Large,
    /// Not UTF-8.
    #[error("it holds bytes that are no text, so it is no key file")]
    Binary,
    /// No usable root key.
    #[error("{0}")]
    Keyring(#[from] KeyringError),
    /// No usable recovery key.
    #[error("{0}")]
    RecoveryKey(#[from] RecoveryKeyError),
    /// The key is not there, or is the active one.
    #[error("root key {0:08x} is the active one or not in this file")]
    NotRemovable(u32),
    /// Two commands at the same time.
    #[error("another command is changing it at this moment")]
    Busy,
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Where the root keyring is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file of the operator's.
    File(PathBuf),
    /// What systemd passed on: read-only, and the same until the service starts again.
    Credential(PathBuf),
}

impl Source {
    /// `file`, or the credential that systemd passed on.
    ///
    /// # Errors
    /// [`KeysError::None`].
    pub fn find(file: Option<&Path>) -> Result<Self, KeysError> {
        let credential = || std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let credential = || credential().map(|folder| Self::Credential(folder.join(CREDENTIAL)));
        file.map(|file| Self::File(file.to_owned())).or_else(credential).ok_or(KeysError::None)
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        let (Self::File(path) | Self::Credential(path)) = self;
        path
    }

    /// The file, for a command that changes it.
    ///
    /// # Errors
    /// [`KeysError::ReadOnly`].
    pub fn writable(&self) -> Result<&Path, KeysError> {
        match self {
            Self::File(path) => Ok(path),
            Self::Credential(path) => Err(KeysError::ReadOnly(path.clone())),
        }
    }

    /// Reads the keyring.
    ///
    /// # Errors
    /// [`KeysError::Root`].
    pub fn read(&self) -> Result<RootKeyring, KeysError> {
        let guard = if matches!(self, Self::File(_)) { Guard::File } else { Guard::Credential };
        let ring = read(self.path(), guard).and_then(|text| Ok(RootKeyring::parse(text.expose_secret())?));
        ring.map_err(|fault| KeysError::Root(self.path().to_owned(), fault))
    }
}

/// Reads the keyring from `file`, or from the credential that systemd passed on.
///
/// # Errors
/// See [`KeysError`].
pub fn load(file: Option<&Path>) -> Result<RootKeyring, KeysError> {
    Source::find(file)?.read()
}

/// Who must not be able to read a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// Anybody but its owner.
    File,
    /// Anybody outside. systemd may grant us access by a list, which shows in the bits of the group; it made the file, and
    /// nobody else enters its folder.
    Credential,
    /// Nobody: what is not secret. But nobody else may change it.
    Open,
}

/// What the file system says of a file.
#[derive(Debug, Clone, Copy)]
struct Facts {
    folder: bool,
    special: bool,
    owner: u32,
    mode: u32,
    len: u64,
}

impl Facts {
    fn of(meta: &Metadata) -> Self {
        let kind = meta.file_type();
        let special = kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device();
        Self { folder: kind.is_dir(), special, owner: meta.uid(), mode: meta.mode() & 0o777, len: meta.len() }
    }

    /// `user` is who reads. Root may act for any owner: it is whom the service's user trusts anyway.
    fn judge(self, guard: Guard, user: u32) -> Result<(), Fault> {
        if self.folder {
            return Err(Fault::Folder);
        }
        if self.special {
            return Err(Fault::Special);
        }
        if guard != Guard::Credential && user != 0 && self.owner != user && self.owner != 0 {
            return Err(Fault::Owner(self.owner));
        }
        if guard == Guard::Open && self.mode & 0o022 != 0 {
            return Err(Fault::Writable(self.mode));
        }
        if guard != Guard::Open && self.mode & 0o007 != 0 {
            return Err(Fault::World(self.mode));
        }
        if guard == Guard::File && self.mode & 0o070 != 0 {
            return Err(Fault::Group(self.mode));
        }
        if self.len > MOST { Err(Fault::Large) } else { Ok(()) }
    }
}

fn read(path: &Path, guard: Guard) -> Result<SecretString, Fault> {
    // Opening a pipe would wait for its writer.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound => Fault::Missing,
        _ => Fault::Io(cause),
    })?;
    Facts::of(&file.metadata()?).judge(guard, rustix::process::geteuid().as_raw())?;
    text(file)
}

/// Bounded, also for what has no length to be judged by.
fn text(from: impl Read) -> Result<SecretString, Fault> {
    let room = usize::try_from(MOST).unwrap_or_default() + 1;
    // Room for all: growing later would leave copies of keys behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    let read = from.take(MOST + 1).read_to_end(&mut bytes)?;
    if read as u64 > MOST {
        return Err(Fault::Large);
    }
    std::str::from_utf8(&bytes).map(SecretString::from).map_err(|_| Fault::Binary)
}

/// Reads the public half of a recovery key. Everybody may read it.
///
/// # Errors
/// [`KeysError::Recovery`].
pub fn recovery_public(path: &Path) -> Result<RecoveryPublic, KeysError> {
    let key = read(path, Guard::Open).and_then(|text| Ok(RecoveryPublic::parse(text.expose_secret())?));
    key.map_err(|fault| KeysError::Recovery(path.to_owned(), fault))
}

/// Reads the private half of a recovery key; `-` is standard input.
///
/// # Errors
/// [`KeysError::Recovery`].
pub fn recovery_private(path: &Path) -> Result<RecoveryPrivate, KeysError> {
    let text = if path == Path::new("-") {
        text(io::stdin().lock())
    } else {
        // Of the public half, which everybody may read, its rights are not what is wrong.
        read(path, Guard::File).map_err(|fault| match read(path, Guard::Open) {
            Ok(text) if RecoveryPublic::parse(text.expose_secret()).is_ok() => RecoveryKeyError::IsPublic.into(),
            _ => fault,
        })
    };
    let key = text.and_then(|text| Ok(RecoveryPrivate::parse(text.expose_secret())?));
    key.map_err(|fault| KeysError::Recovery(path.to_owned(), fault))
}

/// Writes a new recovery key: the private half to `out`, readable by its owner only, the public half to `out.pub`. Returns the
/// latter's path and the public half. Never replaces a file.
///
/// # Errors
/// [`KeysError::Recovery`].
pub fn create_recovery(out: &Path, entropy: &dyn Entropy) -> Result<(PathBuf, RecoveryPublic), KeysError> {
    let mut name = out.as_os_str().to_owned();
    name.push(".pub");
    let public = PathBuf::from(name);
    let key = RecoveryPrivate::generate(entropy);
    let written = write_new(&public, 0o644, &key.public().to_text());
    written.map_err(|fault| KeysError::Recovery(public.clone(), fault))?;
    if let Err(fault) = write_new(out, 0o600, key.to_text().expose_secret()) {
        // A public half without its private one would lock mail for nobody.
        let _ = fs::remove_file(&public);
        return Err(KeysError::Recovery(out.to_owned(), fault));
    }
    Ok((public, key.public()))
}

/// What [`add`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// The new key.
    pub id: u32,
    /// The file was made; else it had keys already.
    pub made: bool,
}

/// Adds a new key to the keyring in `file`, as the active one, or makes the file, readable by its owner only. The file is
/// replaced as a whole, and keeps its owner.
///
/// # Errors
/// [`KeysError::Root`].
pub fn add(file: &Path, entropy: &dyn Entropy) -> Result<Added, KeysError> {
    let root = |fault| KeysError::Root(file.to_owned(), fault);
    match fs::symlink_metadata(file) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let ring = RootKeyring::generate(entropy);
            write_new(file, 0o600, ring.to_text().expose_secret()).map_err(root)?;
            return Ok(Added { id: ring.active(), made: true });
        }
        _ => {}
    }
    let mut id = 0;
    let grown = |old: &str| {
        let ring = RootKeyring::parse(old)?.with_new(entropy);
        id = ring.active();
        let line = ring.active_line();
        let mut text = Zeroizing::new(String::with_capacity(old.len() + 1 + line.expose_secret().len()));
        text.push_str(old);
        if !old.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(line.expose_secret());
        Ok(text)
    };
    rewrite(file, grown).map_err(root)?;
    Ok(Added { id, made: false })
}

/// Takes a key out of the keyring in `file`; comments stay. The old file's bytes are overwritten.
///
/// # Errors
/// [`KeysError::Root`].
pub fn remove(file: &Path, id: u32) -> Result<(), KeysError> {
    let shrunk = |old: &str| {
        RootKeyring::parse(old)?.without(id).ok_or(Fault::NotRemovable(id))?;
        let mut text = Zeroizing::new(String::with_capacity(old.len() + 1));
        let is_it = |line: &str| {
            let id_of = line.trim().split_once(':').and_then(|(id, _)| u32::from_str_radix(id, 16).ok());
            id_of == Some(id)
        };
        for line in old.lines().filter(|line| !is_it(line)) {
            text.push_str(line);
            text.push('\n');
        }
        Ok(text)
    };
    rewrite(file, shrunk).map_err(|fault| KeysError::Root(file.to_owned(), fault))
}

fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), Fault> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut out = opened.map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => Fault::Exists,
        _ => Fault::Io(cause),
    })?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    Ok(folder_of(path)?.sync_all()?)
}

fn folder_of(path: &Path) -> io::Result<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))
}

/// Replaces a key file by what `change` makes of it: whole or not at all, by one command at a time.
fn rewrite(path: &Path, change: impl FnOnce(&str) -> Result<Zeroizing<String>, Fault>) -> Result<(), Fault> {
    // The file itself, not a link to it.
    let path = fs::canonicalize(path)?;
    let folder = folder_of(&path)?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive).map_err(|_| Fault::Busy)?;
    let text = change(read(&path, Guard::File)?.expose_secret())?;
    let old_meta = fs::metadata(&path)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let unfinished = PathBuf::from(name);
    // What an interrupted command left, which the lock shows to be nobody's.
    match fs::remove_file(&unfinished) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause.into()),
        _ => {}
    }
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    let finished = (|| {
        new.write_all(text.as_bytes())?;
        if (old_meta.uid(), old_meta.gid()) != (new.metadata()?.uid(), new.metadata()?.gid()) {
            fchown(&new, Some(old_meta.uid()), Some(old_meta.gid()))?;
        }
        new.sync_all()?;
        let mut old = OpenOptions::new().write(true).open(&path)?;
        fs::rename(&unfinished, &path)?;
        folder.sync_all()?;
        let len = usize::try_from(old_meta.len().min(MOST)).unwrap_or_default();
        old.write_all(&vec![0; len])?;
        old.sync_data()
    })();
    if finished.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    Ok(finished?)
}

#[cfg(test)]
mod tests;
