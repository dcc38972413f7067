//! The manifest of a backup: which files belong to it, with their SHA-256, in the form that `sha256sum -c` reads.
//!
//! Lines that begin with `#` are our own: what this is at the top, and at the end how many files there are and the SHA-256 of
//! everything before that line. It is written last and put in place by a rename, so the one that stands is whole.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::base::Timestamp;

use super::BackupError;

/// Its name in the backup's folder.
pub(super) const NAME: &str = "manifest";
/// What the first line says; the number is the version of the format.
const FIRST: &str = "# zegel backup ";
const VERSION: &str = "1";
/// No line of ours is longer.
const LONGEST: u64 = 1024;

/// A SHA-256 in hexadecimal digits.
pub(super) type Hash = String;

/// What the top of a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Whose backup it is: a keyed hash that stays the same for one data folder.
    pub store: String,
    /// Schema of the records.
    pub schema: u32,
    /// Sequence number of the last commit in it.
    pub sequence: u64,
    /// When it was made.
    pub made: Timestamp,
}

/// One file of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub hash: Hash,
    /// Relative to the backup's folder, with `/`.
    pub path: String,
}

/// Hexadecimal digits of a finished hash.
pub(super) fn hex(hash: Sha256) -> Hash {
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

/// Writes one beside the old.
pub(super) struct Writer {
    out: BufWriter<File>,
    hash: Sha256,
    files: u64,
}

impl Writer {
    pub(super) fn new(file: File, head: &Head) -> io::Result<Self> {
        let mut writer = Self { out: BufWriter::new(file), hash: Sha256::new(), files: 0 };
        let Head { store, schema, sequence, made } = head;
        let when = made.to_string();
        let millis = made.millis();
        writer.line(&format!("{FIRST}{VERSION}"))?;
        writer.line(&format!("# store {store}"))?;
        writer.line(&format!("# schema {schema}"))?;
        writer.line(&format!("# sequence {sequence}"))?;
        writer.line(&format!("# made {millis} {when}"))?;
        Ok(writer)
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        for bytes in [line.as_bytes(), b"\n"] {
            self.hash.update(bytes);
            self.out.write_all(bytes)?;
        }
        Ok(())
    }

    pub(super) fn add(&mut self, entry: &Entry) -> io::Result<()> {
        self.files += 1;
        self.line(&format!("{}  {}", entry.hash, entry.path))
    }

    /// The last line, and everything on disk.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        let all = hex(self.hash.clone());
        let files = self.files;
        self.line(&format!("# end {files} files {all}"))?;
        self.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(files)
    }
}

/// Reads one, line by line.
#[derive(Debug)]
pub(super) struct Reader {
    path: PathBuf,
    input: BufReader<File>,
    hash: Sha256,
    files: u64,
    ended: bool,
    pub head: Head,
}

impl Reader {
    /// `None` when there is none in this folder.
    pub(super) fn open(folder: &Path) -> Result<Option<Self>, BackupError> {
        let path = folder.join(NAME);
        // To open a pipe would wait for somebody who writes.
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            return Err(BackupError::Manifest(path));
        }
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(BackupError::at(&path))?,
        };
        let head = Head { store: String::new(), schema: 0, sequence: 0, made: Timestamp(0) };
        let input = BufReader::new(file);
        let mut reader = Self { path, input, hash: Sha256::new(), files: 0, ended: false, head };
        let version = reader.comment(FIRST)?;
        if version != VERSION {
            return Err(BackupError::NewerFormat(reader.path, version));
        }
        reader.head.store = reader.comment("# store ")?;
        reader.head.schema = reader.number("# schema ")?;
        reader.head.sequence = reader.number("# sequence ")?;
        reader.head.made = Timestamp(reader.number("# made ")?);
        Ok(Some(reader))
    }

    fn broken(&self) -> BackupError {
        BackupError::Manifest(self.path.clone())
    }

    fn line(&mut self) -> Result<String, BackupError> {
        let mut line = String::new();
        let mut limited = io::Read::take(&mut self.input, LONGEST);
        limited.read_line(&mut line).map_err(|_| BackupError::Manifest(self.path.clone()))?;
        if line.pop() == Some('\n') { Ok(line) } else { Err(self.broken()) }
    }

    fn counted(&mut self) -> Result<String, BackupError> {
        let line = self.line()?;
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
        Ok(line)
    }

    fn comment(&mut self, name: &str) -> Result<String, BackupError> {
        let line = self.counted()?;
        line.strip_prefix(name).map(str::to_owned).ok_or_else(|| self.broken())
    }

    fn number<T: std::str::FromStr>(&mut self, name: &str) -> Result<T, BackupError> {
        let text = self.comment(name)?;
        text.split(' ').next().and_then(|digits| digits.parse().ok()).ok_or_else(|| self.broken())
    }

    /// The next file; `None` at the end, which has been compared with what came before it.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, BackupError> {
        if self.ended {
            return Ok(None);
        }
        let line = self.line()?;
        if line.starts_with('#') {
            let all = hex(self.hash.clone());
            let nothing_behind = self.input.fill_buf().is_ok_and(<[u8]>::is_empty);
            if line != format!("# end {} files {all}", self.files) || !nothing_behind {
                return Err(self.broken());
            }
            self.ended = true;
            return Ok(None);
        }
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
        self.files += 1;
        let entry = line.split_once("  ").filter(|(hash, path)| is_hash(hash) && is_safe(path));
        let (hash, path) = entry.ok_or_else(|| self.broken())?;
        Ok(Some(Entry { hash: hash.to_owned(), path: path.to_owned() }))
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a path stays within the folder: a manifest may come from anywhere.
fn is_safe(path: &str) -> bool {
    let name = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
    };
    path.split('/').count() <= 3 && path.split('/').all(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head { store: "ab".repeat(16), schema: 1, sequence: 77, made: Timestamp(1_795_251_840_000) }
    }

    fn written(folder: &Path) -> Vec<Entry> {
        let entries: Vec<Entry> = ["store.key-1a", "journal/0000000000000001-1a.seg", "bodies/q/qa"]
            .map(|path| Entry { hash: hex(Sha256::new_with_prefix(path)), path: path.to_owned() })
            .to_vec();
        let mut writer = Writer::new(File::create(folder.join(NAME)).unwrap(), &head()).unwrap();
        for entry in &entries {
            writer.add(entry).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), 3);
        entries
    }

    fn read(folder: &Path) -> Result<(Head, Vec<Entry>), BackupError> {
        let mut reader = Reader::open(folder)?.unwrap();
        let mut entries = Vec::new();
        while let Some(entry) = reader.next()? {
            entries.push(entry);
        }
        Ok((reader.head, entries))
    }

    #[test]
    fn what_is_written_is_read_and_any_change_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Reader::open(folder.path()).unwrap().is_none());
        let entries = written(folder.path());
        assert_eq!(read(folder.path()).unwrap(), (head(), entries));
        let path = folder.path().join(NAME);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            std::fs::write(&path, flipped).unwrap();
            assert!(read(folder.path()).is_err(), "byte {at}");
            std::fs::write(&path, &whole[..at]).unwrap();
            assert!(read(folder.path()).is_err(), "cut at {at}");
        }
        std::fs::write(&path, [whole.as_slice(), b"x\n"].concat()).unwrap();
        assert!(read(folder.path()).is_err(), "something behind the end");
        std::fs::write(&path, String::from_utf8(whole).unwrap().replace("backup 1", "backup 2")).unwrap();
        assert!(matches!(read(folder.path()), Err(BackupError::NewerFormat(_, version)) if version == "2"));
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        for bad in ["../etc/passwd", "/etc/passwd", "a//b", "bodies/../x", "a/b/c/d", "", "a b", ".hidden"] {
            assert!(!is_safe(bad), "{bad}");
        }
        assert!(is_safe("bodies/q/qsmaamx77i3d4sbhmr5hcuxgse"));
    }
}
