//! Copying body files: each once, since they never change. Those that a later commit removed are copied all the same when the
//! moment of the backup still names them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::base::MessageId;

use super::manifest::Entry;
use super::target::Target;
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
            let entry = match self.one(&path, before, report)? {
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

    fn one(&self, path: &str, before: Option<Entry>, report: &mut Report) -> Result<One, BackupError> {
        let source = self.data.join(path);
        let mut file = match File::open(&source) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(One::Gone),
            Err(_) => return Ok(unreadable(path, before, report)),
            Ok(file) => file,
        };
        let len = file.metadata().map(|meta| meta.len()).ok();
        let kept = before.as_ref().filter(|_| len.is_some() && self.target.len(path) == len);
        if let Some(kept) = kept {
            if self.run.is_sound(self.target, kept)? {
                return Ok(One::Kept(kept.clone()));
            }
            report.mended.push(path.to_owned());
        }
        let mut copy = self.target.begin("body")?;
        let mut buffer = vec![0; STEP];
        loop {
            self.run.check_stop()?;
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    copy.write(buffer.get(..read).unwrap_or_default())?;
                    self.run.rest(read as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Ok(unreadable(path, before, report)),
            }
        }
        report.copied += 1;
        report.copied_bytes += copy.len;
        let (path, hash) = self.target.finish(copy, |_| path.to_owned())?;
        // It never changes: what the copy was made of is damaged too.
        if before.is_some_and(|before| before.hash != hash) {
            report.unreadable.push(path.clone());
        }
        Ok(One::Copied(Entry { hash, path }))
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

/// What the disk no longer gives is reported; the copy that there is stays.
fn unreadable(path: &str, before: Option<Entry>, report: &mut Report) -> One {
    report.unreadable.push(path.to_owned());
    before.map_or(One::Gone, One::Kept)
}
