//! Sealed bodies on their way in and out: small ones become values in the commit, larger ones files of their own.
//!
//! A large body's file is on disk, under its final name, before [`BodyWriter::finish`] returns. Until a commit took it
//! ([`Engine::commit_body`](super::Engine::commit_body)) it is loose: dropping its [`SealedBody`] removes the file.

use std::fs::File;
use std::sync::Arc;

use crc32c::crc32c_append;

use crate::base::MessageId;

use super::super::StoreError;
use super::local::bodies::{self, Files, Part};
use super::memory;

/// Sealed bodies up to this many bytes are values in the journal.
pub const INLINE: usize = 64 * 1024;

/// Where an engine keeps bodies that are no values.
#[derive(Debug, Clone)]
pub(super) enum Bodies {
    /// In memory.
    Memory(Arc<memory::Bodies>),
    /// In files.
    Files(Arc<Files>),
}

impl Bodies {
    /// Removes a body, as far as possible: what stays behind is found at the next start.
    fn discard(&self, message: MessageId) {
        match self {
            Self::Memory(bodies) => bodies.remove(message),
            Self::Files(files) => files.discard(message),
        }
    }
}

/// Takes ciphertext as it comes; spills to a file once it is larger than [`INLINE`]. Dropping it removes the file.
#[derive(Debug)]
pub struct BodyWriter {
    message: MessageId,
    len: u64,
    /// CRC-32C of all bytes so far.
    crc: u32,
    buffer: Vec<u8>,
    bodies: Bodies,
    part: Option<Part>,
}

impl BodyWriter {
    pub(super) fn new(message: MessageId, bodies: Bodies) -> Self {
        Self { message, len: 0, crc: 0, buffer: Vec::new(), bodies, part: None }
    }

    /// Appends ciphertext.
    ///
    /// # Errors
    /// [`StoreError::Full`] when the disk is, [`StoreError::Uncertain`] when it fails; the body is lost then.
    pub async fn write(&mut self, sealed: &[u8]) -> Result<(), StoreError> {
        // A chunk and a few bytes: twice that would be room for nothing.
        self.buffer.reserve_exact(sealed.len());
        self.buffer.extend_from_slice(sealed);
        self.crc = crc32c_append(self.crc, sealed);
        self.len += sealed.len() as u64;
        if self.buffer.len() > INLINE && matches!(self.bodies, Bodies::Files(_)) {
            self.spill().await?;
        }
        Ok(())
    }

    /// Moves the buffer to the file.
    async fn spill(&mut self) -> Result<(), StoreError> {
        let Bodies::Files(files) = &self.bodies else { return Ok(()) };
        let bytes = std::mem::take(&mut self.buffer);
        let spilled = self.len - bytes.len() as u64;
        let part = match self.part.take() {
            Some(part) => part.append(bytes).await?,
            None if spilled == 0 => Part::create(Arc::clone(files), self.message, bytes).await?,
            // An earlier write failed, or was left before its end.
            None => return Err(StoreError::Uncertain("a body lost its file".to_owned())),
        };
        self.part = Some(part);
        Ok(())
    }

    /// Makes the body durable: for a file fdatasync, rename to its name, fsync of the folder.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn finish(mut self) -> Result<SealedBody, StoreError> {
        if self.len <= INLINE as u64 {
            let Self { message, len, crc, buffer, .. } = self;
            return Ok(SealedBody { message, len, crc, content: Content::Inline(buffer) });
        }
        if !self.buffer.is_empty() {
            self.spill().await?;
        }
        let Self { message, len, crc, buffer, bodies, part } = self;
        let loose = Loose { message, bodies: Some(bodies.clone()) };
        match (bodies, part) {
            (Bodies::Memory(map), _) => map.insert(message, buffer),
            // Moved along: if nobody waits for the end any more, the file goes with it.
            (Bodies::Files(_), Some(part)) => {
                let loose = part.finish(loose).await?;
                return Ok(SealedBody { message, len, crc, content: Content::Apart(loose) });
            }
            (Bodies::Files(_), None) => return Err(StoreError::Uncertain("a body lost its file".to_owned())),
        }
        Ok(SealedBody { message, len, crc, content: Content::Apart(loose) })
    }
}

/// A body that waits for the commit that names it. Dropped without one, its file is removed (at the latest at start).
#[derive(Debug)]
pub struct SealedBody {
    message: MessageId,
    len: u64,
    crc: u32,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Inline(Vec<u8>),
    Apart(Loose),
}

/// A stored body that no record names yet.
#[derive(Debug)]
struct Loose {
    message: MessageId,
    bodies: Option<Bodies>,
}

impl Drop for Loose {
    fn drop(&mut self) {
        if let Some(bodies) = &self.bodies {
            bodies.discard(self.message);
        }
    }
}

impl SealedBody {
    /// Its message.
    #[must_use]
    pub fn message(&self) -> MessageId {
        self.message
    }

    /// Sealed length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// CRC-32C of the bytes of a body that is a file, for its record: who has no key can tell whether it rots. (It proves nothing
    /// against somebody who changes it: that is what the seal is for. A value of the journal has a checksum there.)
    #[must_use]
    pub fn checksum(&self) -> Option<u32> {
        self.inline().is_none().then_some(self.crc)
    }

    /// Whether it has no bytes (no sealed body has none: its header alone is longer).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of a small body: the caller writes them as a value of [`Space::Body`](super::Space::Body).
    #[must_use]
    pub fn inline(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Inline(bytes) => Some(bytes),
            Content::Apart(_) => None,
        }
    }

    /// A record names it, or may soon: it stays whatever happens, unless it is given back.
    pub(super) fn committing(mut self) -> Committing {
        let bodies = match &mut self.content {
            Content::Inline(_) => None,
            Content::Apart(loose) => loose.bodies.take(),
        };
        Committing { body: self, bodies }
    }
}

/// A body whose commit is under way. Dropping it keeps the file.
#[derive(Debug)]
pub(super) struct Committing {
    body: SealedBody,
    bodies: Option<Bodies>,
}

impl Committing {
    /// The commit certainly did not happen.
    pub(super) fn give_back(mut self) -> SealedBody {
        if let Content::Apart(loose) = &mut self.body.content {
            loose.bodies = self.bodies.take();
        }
        self.body
    }
}

/// Reads a stored sealed body.
#[derive(Debug, Clone)]
pub struct BodyReader {
    content: Stored,
}

#[derive(Debug, Clone)]
enum Stored {
    Bytes(Arc<[u8]>),
    File(Arc<File>, u64),
}

impl BodyReader {
    /// Reads a body that was a value.
    #[must_use]
    pub fn inline(bytes: Vec<u8>) -> Self {
        Self::bytes(bytes.into())
    }

    pub(super) fn bytes(bytes: Arc<[u8]>) -> Self {
        Self { content: Stored::Bytes(bytes) }
    }

    pub(super) fn file(file: Arc<File>, len: u64) -> Self {
        Self { content: Stored::File(file, len) }
    }

    /// Sealed length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match &self.content {
            Stored::Bytes(bytes) => bytes.len() as u64,
            Stored::File(_, len) => *len,
        }
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Exactly `len` bytes from `offset`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the body is shorter than that, or cannot be read.
    pub async fn read_at(&self, offset: u64, len: usize) -> Result<Vec<u8>, StoreError> {
        match &self.content {
            Stored::Bytes(bytes) => stretch(bytes, offset, len).map(<[u8]>::to_vec),
            // Asked before there is room for the bytes: `len` may come from a damaged record.
            Stored::File(_, end) if offset.checked_add(len as u64).is_none_or(|to| to > *end) => Err(short()),
            Stored::File(file, _) => bodies::read(Arc::clone(file), offset, len).await,
        }
    }

    /// The same into `room`, all of it, on this thread: for one that may wait for the disk.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at).
    pub fn read_blocking(&self, offset: u64, room: &mut [u8]) -> Result<(), StoreError> {
        match &self.content {
            Stored::Bytes(bytes) => stretch(bytes, offset, room.len()).map(|bytes| room.copy_from_slice(bytes)),
            Stored::File(file, _) => bodies::fill(file, offset, room),
        }
    }
}

/// `len` bytes from `offset`, if they are there.
fn stretch(bytes: &[u8], offset: u64, len: usize) -> Result<&[u8], StoreError> {
    let from = usize::try_from(offset).ok();
    from.and_then(|from| bytes.get(from..from.checked_add(len)?)).ok_or_else(short)
}

fn short() -> StoreError {
    StoreError::Damaged("a body is shorter than its record says".to_owned())
}
