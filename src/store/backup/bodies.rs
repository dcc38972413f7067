//! Copying body files: each once, since they never change. Those that a later commit removed are copied all the same when the
//! moment of the backup still names them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use crc32c::crc32c_append;
use sha2::{Digest, Sha256};

use crate::base::MessageId;
use crate::store::Store;

use super::manifest::{Entry, Hash, hex};
use super::target::{Target, Unfinished};
use super::{BackupError, Old, Report, Run};

const STEP: usize = 1 << 20;
/// First characters of ids: RFC 4648 base32 in lower case.
const FIRST: &str = "234567abcdefghijklmnopqrstuvwxyz";

/// Copies the bodies.
pub(super) struct BodiesRun<'a> {
    pub run: &'a Run,
    pub target: &'a Target,
    pub data: &'a Path,
}

fn path(id: MessageId) -> String {
    let name = id.to_string();
    format!("bodies/{}/{name}", name.get(..1).unwrap_or_default())
}

/// The message whose body a path of the manifest names.
pub(super) fn id(path: &str) -> Option<MessageId> {
    path.strip_prefix("bodies/")?.split_once('/')?.1.parse().ok()
}

impl BodiesRun<'_> {
    /// Copies what is not there and adds every body to the manifest. Returns what is in it, in order.
    pub(super) fn copy(
        &self,
        mut old: Option<&mut Old>,
        report: &mut Report,
        add: &mut impl FnMut(&Entry) -> Result<(), BackupError>,
    ) -> Result<Vec<MessageId>, BackupError> {
        let mut ids = self.run.handle.block_on(self.run.inner.engine.bodies())?;
        ids.sort_unstable();
        self.run.progress.begin("bodies", ids.len() as u64);
        let mut kept = Vec::new();
        let mut touched = BTreeSet::new();
        for id in ids {
            self.run.check_stop()?;
            let path = path(id);
            let before = match &mut old {
                Some(old) => old.body(id)?,
                None => None,
            };
            let entry = match self.one(id, &path, before, report)? {
                One::Kept(entry) => entry,
                One::Copied(entry) => {
                    touched.extend(path.get(..8).map(str::to_owned));
                    entry
                }
                One::Gone => continue,
            };
            add(&entry)?;
            kept.push(id);
            self.run.progress.advance();
        }
        for folder in touched {
            self.target.sync(&folder)?;
        }
        Ok(kept)
    }

    /// A body never changes: a sound copy of an earlier run stays, whatever becomes of the store's own file.
    fn one(&self, id: MessageId, path: &str, before: Option<Entry>, report: &mut Report) -> Result<One, BackupError> {
        let source = self.data.join(path);
        let mut file = match File::open(&source) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(One::Gone),
            Err(_) => return Ok(self.unreadable(id, path, before, report)),
            Ok(file) => file,
        };
        let len = file.metadata().map(|meta| meta.len()).ok();
        let sound = match &before {
            Some(entry) => self.target.len(path).is_some() && self.run.is_sound(self.target, entry)?,
            None => false,
        };
        if let Some(kept) = before.as_ref().filter(|_| sound && len.is_some() && self.target.len(path) == len) {
            if !self.run.share.has(path) || self.hash(&mut file)?.as_ref() == Some(&kept.hash) {
                return Ok(One::Kept(kept.clone()));
            }
            return Ok(self.unreadable(id, path, before, report));
        }
        let mut copy = self.target.begin("body")?;
        let (mut buffer, mut crc) = (vec![0; STEP], 0);
        loop {
            self.run.check_stop()?;
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    let bytes = buffer.get(..read).unwrap_or_default();
                    copy.write(bytes)?;
                    crc = crc32c_append(crc, bytes);
                    self.run.rest(read as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Ok(self.unreadable(id, path, before, report)),
            }
        }
        if self.is_rotten(id, &copy, crc, before.as_ref()) {
            if before.as_ref().is_some_and(|entry| self.is_whole(entry)) {
                return Ok(self.unreadable(id, path, before, report));
            }
            self.tell(id, path, report);
        }
        if before.is_some() {
            report.mended.push(path.to_owned());
        }
        report.copied += 1;
        report.copied_bytes += copy.len;
        let (path, hash) = self.target.finish(copy, |_| path.to_owned())?;
        Ok(One::Copied(Entry { hash, path }))
    }

    /// Hash of the store's own file; `None` when the disk does not give it.
    fn hash(&self, file: &mut File) -> Result<Option<Hash>, BackupError> {
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; STEP]);
        loop {
            self.run.check_stop()?;
            match file.read(&mut buffer) {
                Ok(0) => return Ok(Some(hex(hash))),
                Ok(read) => {
                    hash.update(buffer.get(..read).unwrap_or_default());
                    self.run.rest(read as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Ok(None),
            }
        }
    }

    /// Whether what was read is not what was written: by the record of the message or the answer, or else by the hash of an earlier
    /// run.
    fn is_rotten(&self, id: MessageId, copy: &Unfinished, crc: u32, before: Option<&Entry>) -> bool {
        let store = Store { inner: Arc::clone(&self.run.inner) };
        let message = self.run.handle.block_on(store.message(id)).ok().flatten();
        let file = || self.run.handle.block_on(store.piece_of(id)).ok().flatten();
        let said = message.map(|message| (message.sealed_len, message.checksum));
        match said.or_else(|| file().map(|(_, file)| (file.sealed_len, file.checksum))) {
            Some((len, _)) if len != copy.len => true,
            Some((_, Some(checksum))) => checksum != crc,
            _ => before.is_some_and(|before| before.hash != copy.so_far()),
        }
    }

    /// Whether the copy of an earlier run is what it was.
    fn is_whole(&self, entry: &Entry) -> bool {
        self.target.hash(&entry.path, |_| self.run.check_stop()).ok().flatten().as_ref() == Some(&entry.hash)
    }

    fn tell(&self, id: MessageId, path: &str, report: &mut Report) {
        let store = Store { inner: Arc::clone(&self.run.inner) };
        report.unreadable.push(path.to_owned());
        let answered = self.run.handle.block_on(store.piece_of(id)).ok().flatten();
        let message = answered.map_or(id, |(message, _)| message);
        report.messages.extend(self.run.handle.block_on(store.whom(message)));
    }

    /// What the disk no longer gives, or gives changed, is reported; the copy that there is stays.
    fn unreadable(&self, id: MessageId, path: &str, before: Option<Entry>, report: &mut Report) -> One {
        self.tell(id, path, report);
        report.kept.extend(before.as_ref().filter(|entry| self.is_whole(entry)).map(|entry| entry.path.clone()));
        before.map_or(One::Gone, One::Kept)
    }

    /// Removes the copies of bodies that are gone.
    pub(super) fn sweep(&self, kept: &[MessageId]) -> Result<u64, BackupError> {
        let mut removed = 0;
        for first in FIRST.chars() {
            let folder = format!("bodies/{first}");
            for (name, _) in self.target.list(&folder)? {
                if !name.parse().is_ok_and(|id| kept.binary_search(&id).is_ok()) {
                    self.target.remove(&format!("{folder}/{name}"))?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }
}

enum One {
    Kept(Entry),
    Copied(Entry),
    Gone,
}
