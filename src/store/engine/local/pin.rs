//! A moment of the journal, held still by the thread that writes it: what a backup copies and a check reads.
//!
//! While the work runs nothing is committed and nothing is overwritten, so whatever it reads up to the ends it is given belongs
//! to one moment: every commit up to `last` and none behind. Files stay readable afterwards, also when they are removed.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::base::{MessageId, Timestamp};

use super::super::super::StoreError;
use super::super::super::progress::Progress;
use super::Local;
use super::bodies::HeldBodies;
use super::committer::Request;
use super::frame::Kind;
use super::losses::Loss;
use super::segment::{self, Scan, Segment};

/// So long after it was written a body may wait for the commit that names it.
const NEW: Duration = Duration::from_hours(1);

/// The journal at one moment.
#[derive(Debug)]
pub struct Moment {
    /// Its files in order.
    pub files: Vec<JournalFile>,
    /// Sequence number of the last commit.
    pub last: u64,
    /// The list of files that were removed on purpose, as it stands on disk; empty when there is none.
    pub removed: Vec<u8>,
}

/// One file of the journal, up to where it was durable.
#[derive(Debug, Clone)]
pub struct JournalFile {
    pub(super) segment: Arc<Segment>,
    /// Where its durable bytes end.
    pub end: u64,
}

/// What a full reading of the journal found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Frames {
    /// Frames read.
    pub frames: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Damaged stretches, as `segment:offset`.
    pub damaged: Vec<String>,
    /// Files that are gone from under their names, or that others have taken the place of, though they are open and whole.
    pub displaced: Vec<String>,
    /// Parts of the journal that are gone.
    pub lost: Vec<Loss>,
}

/// Work for that moment.
pub(super) struct Pin(pub Box<dyn FnOnce(io::Result<Moment>) + Send>);

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pin")
    }
}

impl JournalFile {
    /// Its number in the journal.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.segment.id
    }

    /// Its name in the folder of the journal.
    #[must_use]
    pub fn name(&self) -> String {
        segment::name(self.segment.id)
    }

    /// Any of its bytes.
    ///
    /// # Errors
    /// When the disk does not give them.
    pub fn read(&self, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        self.segment.bytes(offset, len)
    }

    /// The same, with zeros for what the disk does not give: the checksums of its frames will tell.
    #[must_use]
    pub fn remains(&self, offset: u64, len: u64) -> Vec<u8> {
        self.read(offset, len).unwrap_or_else(|error| {
            tracing::error!(segment = self.segment.id, offset, len, %error, "the journal cannot be read here");
            self.segment.blocks(offset, len)
        })
    }

    /// Whether the file under its name is still the one that is open.
    fn is_in_place(&self) -> io::Result<bool> {
        let open = self.segment.file.metadata()?;
        match std::fs::metadata(&self.segment.path) {
            Ok(there) => Ok((there.dev(), there.ino()) == (open.dev(), open.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads every frame and compares every checksum. Erasable values are not judged here: those that count are read one by
    /// one, the others may have been overwritten on purpose.
    ///
    /// # Errors
    /// When the disk does not give it.
    pub fn audit(&self, found: &mut Frames) -> io::Result<()> {
        let (scan, damaged) = stretches(&self.segment, self.end)?;
        found.damaged.extend(damaged.into_iter().map(|(offset, _)| format!("{:x}:{offset}", self.segment.id)));
        found.frames += scan.frames.len() as u64;
        found.bytes += scan.end;
        Ok(())
    }
}

/// All that stands in a segment, and where and how long what of it has not its checksum, erasable values aside.
pub(super) fn stretches(segment: &Segment, end: u64) -> io::Result<(Scan, Vec<(u64, u64)>)> {
    let scan = segment.scan(Some(end))?;
    let mut damaged = Vec::new();
    if segment.opening().is_none() {
        damaged.push((0, segment::START));
    }
    let frames = scan.frames.iter().filter(|frame| !(frame.verdict.table && frame.verdict.plain));
    damaged.extend(frames.map(|frame| (frame.offset, frame.header.len())));
    if let Some(footer) = scan.frames.last().filter(|frame| frame.header.head.kind == Kind::Footer)
        && !segment.has_trailer(footer.offset, &footer.header)
    {
        let after = footer.offset + footer.header.len();
        damaged.push((after, end.saturating_sub(after)));
    }
    damaged.extend(scan.gaps.iter().map(|gap| (gap.offset, gap.len)));
    Ok((scan, damaged))
}

impl Local {
    /// See [`super::super::Engine::moment`].
    pub(in super::super) async fn moment<T: Send + 'static>(
        &self,
        work: impl FnOnce(Moment) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let pin = Pin(Box::new(move |moment| {
            // Whoever asked may be gone.
            let _ = answer.send(moment.map(work));
        }));
        let sent = self.requests.as_ref().is_some_and(|requests| requests.send(Request::Pin(pin)).is_ok());
        match answered.await {
            Ok(Ok(done)) if sent => Ok(done),
            Ok(Err(error)) => Err(StoreError::Damaged(format!("the journal: {error}"))),
            _ => Err(StoreError::NotReady("it is closed".to_owned())),
        }
    }

    /// See [`super::super::Engine::make_unreadable`].
    #[cfg(test)]
    pub(in super::super) fn make_unreadable(&self, number: u64) {
        let Some(segment) = self.shared.segments.get(number) else { panic!("no segment {number}") };
        // A file that is open for writing only gives nothing.
        let file = std::fs::File::options().write(true).open(&segment.path).expect("it is there");
        self.shared.segments.add(Arc::new(Segment { id: number, path: segment.path.clone(), file }));
    }

    /// See [`super::super::Engine::root`].
    pub(in super::super) fn root(&self) -> PathBuf {
        self.shared.folder.root().to_owned()
    }

    /// See [`super::super::Engine::hold_bodies`].
    pub(in super::super) fn hold_bodies(&self) -> HeldBodies {
        self.shared.files.hold()
    }

    /// See [`super::super::Engine::set_body_aside`].
    pub(in super::super) async fn set_body_aside(&self, message: MessageId) -> Result<(), StoreError> {
        let files = Arc::clone(&self.shared.files);
        super::blocking(move || files.set_aside(message)).await
    }

    /// See [`super::super::Engine::is_new_body`].
    pub(in super::super) async fn is_new_body(&self, message: MessageId, now: Timestamp) -> Result<bool, StoreError> {
        let files = Arc::clone(&self.shared.files);
        super::blocking(move || Ok(files.written(message).is_some_and(|then| now.since(then) < NEW))).await
    }

    /// See [`super::super::Engine::set_value_aside`].
    pub(in super::super) async fn set_value_aside(&self, name: String, value: Vec<u8>) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let keep = move || shared.folder.keep(&name, &value).map_err(|error| StoreError::Uncertain(error.to_string()));
        super::blocking(keep).await
    }

    /// See [`super::super::Engine::losses`].
    pub(in super::super) fn losses(&self) -> Vec<Loss> {
        self.shared.losses.all().into_iter().collect()
    }

    /// See [`super::super::Engine::give_up`].
    pub(in super::super) async fn give_up(&self, loss: Loss) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        super::blocking(move || shared.losses.give_up(loss)).await
    }

    /// See [`super::super::Engine::audit`].
    pub(in super::super) async fn audit(&self, progress: &Arc<Progress>) -> Result<Frames, StoreError> {
        let files = self.moment(|moment| moment.files).await?;
        let mut found = Frames { lost: self.losses(), ..Frames::default() };
        let lines = self.shared.folder.removed_damaged();
        let lines = lines.map_err(|error| StoreError::Damaged(format!("the list of removed segments: {error}")))?;
        if lines > 0 {
            found.damaged.push("removed".to_owned());
        }
        progress.begin("journal files", files.len() as u64);
        for file in files {
            if progress.is_stopped() {
                break;
            }
            let (before, shared) = (found.bytes, Arc::clone(&self.shared));
            found = super::blocking(move || {
                let place = file.name();
                let failed = |error| StoreError::Damaged(format!("{place}: {error}"));
                file.audit(&mut found).map_err(failed)?;
                // Compaction notes what it removes, removes it, and forgets it, in this order.
                if !file.is_in_place().map_err(failed)?
                    && !shared.folder.removed().contains(&file.number())
                    && shared.segments.get(file.number()).is_some()
                {
                    found.displaced.push(place);
                }
                Ok(found)
            })
            .await?;
            progress.advance();
            tokio::time::sleep(progress.rest(found.bytes - before)).await;
        }
        Ok(found)
    }

    /// See [`super::super::Engine::rebuild_index`].
    pub(in super::super) async fn rebuild_index(&self) -> Result<(), StoreError> {
        if let Some(requests) = &self.requests {
            // A committer that is gone closed the store already: the moment says so.
            let _ = requests.send(Request::RebuildIndex);
        }
        self.settled().await
    }

    /// See [`super::super::Engine::settled`].
    pub(in super::super) async fn settled(&self) -> Result<(), StoreError> {
        self.moment(drop).await?;
        self.shared.readable().map(drop)
    }
}
