//! The file of users: TOML, one `[[user]]` each, written as a whole or not at all and readable by its owner only.
//!
//! ```toml
//! [[user]]
//! name = "scanner"
//! password = "$argon2id$v=19$m=19456,t=2,p=1$…"
//! senders = ["scanner@voorbeeld.nl"]
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::policy::Pattern;
use crate::seal::password::{PasswordHash, PasswordHashError};

/// Largest file, bytes.
const MOST: u64 = 4 << 20;
/// Octets of a name at most (RFC 4616 §2 allows 255).
const LONGEST_NAME: usize = 255;

/// Why there are no users.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The file.
    #[error("the file of users {0}: {1}")]
    Io(PathBuf, io::Error),
    /// What stands in it.
    #[error("the file of users {0}: {1}")]
    Content(PathBuf, Fault),
}

/// What is wrong with a list of users. No text shows a hash.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Not TOML, or not of this shape.
    #[error("line {0}: not a list of [[user]] with name, password and senders")]
    Shape(usize),
    /// A name.
    #[error("\"{0}\" is no name: visible ASCII characters without blanks, 255 at most")]
    Name(String),
    /// The same name twice, whatever its case.
    #[error("\"{0}\" stands there twice")]
    Twice(String),
    /// A password hash.
    #[error("the password of \"{0}\": {1}")]
    Password(String, PasswordHashError),
    /// A sender.
    #[error("\"{1}\" of \"{0}\" is neither an address \"a@b.nl\", a domain \"b.nl\" nor \"*.b.nl\"")]
    Sender(String, String),
    /// The user is there already.
    #[error("there is a user \"{0}\" already")]
    Exists(String),
    /// The user is not there.
    #[error("there is no user \"{0}\"")]
    Unknown(String),
    /// Others may read it.
    #[error("others may read or change it: chmod 0600")]
    Open,
    /// Another command changes it.
    #[error("another command is changing it")]
    Busy,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    user: Vec<WrittenUser>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenUser {
    name: String,
    password: String,
    #[serde(default)]
    senders: Vec<String>,
}

/// One user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name, compared without case.
    pub name: String,
    /// The password's hash.
    pub hash: PasswordHash,
    /// Addresses and domains that the user may send from; empty: all that the listener allows.
    pub senders: Vec<Pattern>,
    written: Vec<String>,
}

impl User {
    /// From its parts; `senders` as written in the file.
    ///
    /// # Errors
    /// [`Fault::Name`] and [`Fault::Sender`].
    pub fn new(name: &str, hash: PasswordHash, senders: Vec<String>) -> Result<Self, Fault> {
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Fault::Name(name.chars().filter(|c| !c.is_control()).take(80).collect()));
        }
        let read = |sender: &String| sender.parse().map_err(|_| Fault::Sender(name.to_owned(), sender.clone()));
        let patterns = senders.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { name: name.to_owned(), hash, senders: patterns, written: senders })
    }

    /// The senders as they stand in the file.
    #[must_use]
    pub fn senders_as_written(&self) -> &[String] {
        &self.written
    }
}

/// All users, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    users: Vec<User>,
}

impl List {
    /// Reads a file, which nobody but its owner (and group) may read.
    ///
    /// # Errors
    /// [`UsersError`].
    pub fn read(path: &Path) -> Result<Self, UsersError> {
        let io = |cause| UsersError::Io(path.to_owned(), cause);
        let file = File::open(path).map_err(io)?;
        let meta = file.metadata().map_err(io)?;
        if meta.mode() & 0o027 != 0 {
            return Err(UsersError::Content(path.to_owned(), Fault::Open));
        }
        let mut text = String::new();
        let read = file.take(MOST + 1).read_to_string(&mut text).map_err(io)?;
        if read as u64 > MOST {
            return Err(io(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 4 MiB")));
        }
        Self::parse(&text).map_err(|fault| UsersError::Content(path.to_owned(), fault))
    }

    /// Reads a text.
    ///
    /// # Errors
    /// The first [`Fault`].
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let written: Written = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            Fault::Shape(text.get(..at).unwrap_or_default().matches('\n').count() + 1)
        })?;
        let mut list = Self::default();
        for WrittenUser { name, password, senders } in written.user {
            let hash = password.parse().map_err(|fault| Fault::Password(name.clone(), fault))?;
            list.add(User::new(&name, hash, senders)?).map_err(|_| Fault::Twice(name))?;
        }
        Ok(list)
    }

    /// The file's text.
    ///
    /// # Errors
    /// Never for a list that was read or made here.
    fn to_text(&self) -> Result<String, Fault> {
        let user = |user: &User| WrittenUser {
            name: user.name.clone(),
            password: user.hash.to_string(),
            senders: user.written.clone(),
        };
        let written = Written { user: self.users.iter().map(user).collect() };
        let text = toml::to_string(&written).map_err(|_| Fault::Shape(0))?;
        Ok(format!("# Users of the gateway's submission listeners; `zegel user` changes this file.\n\n{text}"))
    }

    /// All of them.
    #[must_use]
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// By name, whatever its case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name.eq_ignore_ascii_case(name))
    }

    /// Adds one.
    ///
    /// # Errors
    /// [`Fault::Exists`].
    pub fn add(&mut self, user: User) -> Result<(), Fault> {
        if self.find(&user.name).is_some() {
            return Err(Fault::Exists(user.name));
        }
        self.users.push(user);
        Ok(())
    }

    /// Takes one out.
    ///
    /// # Errors
    /// [`Fault::Unknown`].
    pub fn remove(&mut self, name: &str) -> Result<(), Fault> {
        let before = self.users.len();
        self.users.retain(|user| !user.name.eq_ignore_ascii_case(name));
        if self.users.len() == before { Err(Fault::Unknown(name.to_owned())) } else { Ok(()) }
    }

    /// Changes a file: whole or not at all, by one command at a time. A file that is not there is made, with mode 0600; the owner of one
    /// that is there stays.
    ///
    /// # Errors
    /// [`UsersError`]; then the file is as it was.
    pub fn change(path: &Path, change: impl FnOnce(&mut Self) -> Result<(), Fault>) -> Result<(), UsersError> {
        let content = |fault| UsersError::Content(path.to_owned(), fault);
        let io = |cause| UsersError::Io(path.to_owned(), cause);
        // The file itself, not a link to it.
        let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = File::open(folder).map_err(io)?;
        flock(&folder, FlockOperation::NonBlockingLockExclusive).map_err(|_| content(Fault::Busy))?;
        let old = match fs::metadata(path) {
            Ok(meta) => Some(meta),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
            Err(cause) => return Err(io(cause)),
        };
        let mut list = if old.is_some() { Self::read(path)? } else { Self::default() };
        change(&mut list).map_err(content)?;
        let text = list.to_text().map_err(content)?;
        let owner = old.map(|meta| (meta.uid(), meta.gid()));
        replace(path, &folder, &text, owner).map_err(io)
    }
}

fn replace(path: &Path, folder: &File, text: &str, owner: Option<(u32, u32)>) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let unfinished = PathBuf::from(name);
    // What an interrupted command left, which the lock shows to be nobody's.
    match fs::remove_file(&unfinished) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    let finished = (|| {
        new.write_all(text.as_bytes())?;
        let meta = new.metadata()?;
        if let Some((uid, gid)) = owner.filter(|owner| *owner != (meta.uid(), meta.gid())) {
            fchown(&new, Some(uid), Some(gid))?;
        }
        new.sync_all()?;
        fs::rename(&unfinished, path)?;
        folder.sync_all()
    })();
    if finished.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    finished
}
