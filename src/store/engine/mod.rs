//! The contract of an engine: ordered spaces of encrypted values, read by key or range, written by atomic batches.
//!
//! - A batch is applied wholly or not at all, and is durable when `commit` returns.
//! - Batches are applied in one total order; a check sees every batch before it, also those of the same group.
//! - `get` and `scan` see every batch whose `commit` returned before they were called.

pub mod body;
#[cfg(test)]
mod contract;
pub mod local;
pub mod memory;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::{Entropy, MessageId, Timestamp};
use crate::metrics::Commits;

use super::progress::Progress;
use super::{Compacted, Counts, Health, OpenError, OpenReport, Room, Settings, StoreError, Trouble};
use body::{BodyReader, BodyWriter, SealedBody};
pub use local::bodies::HeldBodies;
pub use local::heal::{Damaged, Judged};
pub use local::losses::Loss;
pub use local::pin::{Frames, JournalFile, Moment};
pub use local::survey::survey;

/// A family of records with one kind of key. The number is part of the format; numbers are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// What this data folder is: schema version.
    Meta = 1,
    /// [`super::records::Message`] by message id.
    Message = 2,
    /// Manifest (header view and MIME index) by message id.
    Manifest = 3,
    /// Small sealed bodies by message id.
    Body = 4,
    /// [`super::records::Conversation`] by conversation id.
    Conversation = 5,
    /// Locks on conversation keys, by conversation id and lock number. Erasable.
    Lock = 6,
    /// Wrapped content keys by conversation id and message id. Erasable.
    ContentKey = 7,
    /// [`super::records::Contact`] by contact id.
    Contact = 8,
    /// Code verifiers by contact id. Erasable.
    Verifier = 9,
    /// Contact id by keyed hash of sender and recipient.
    ContactIndex = 10,
    /// [`super::records::Grant`] by grant id.
    Grant = 11,
    /// Grant id by keyed hash of the link token.
    GrantIndex = 12,
    /// Wrong tries by grant id.
    GrantTries = 13,
    /// Wrong tries by contact id.
    ContactTries = 14,
    /// [`super::records::Session`] by keyed hash of the cookie.
    Session = 15,
    /// [`super::records::Job`] by job id.
    Job = 16,
    /// What a job needs in clear (link token, code), under the jobs key, by job id. Erasable.
    JobSecret = 17,
    /// Job ids by due time.
    JobDue = 18,
    /// Prepared messages: what to drop at start, by message id.
    Prepared = 19,
    /// Message id by keyed hash of sender, Message-ID, recipient and body hash.
    Repeat = 20,
    /// Messages by keyed hash of an address, then time, then message id: for `message find`.
    ByAddress = 21,
    /// Message ids by expiry.
    Expiry = 22,
    /// Deliveries: one message in one conversation, by message id and conversation id.
    Delivery = 23,
    /// The pair of a contact's strict code, by contact id and generation. Erasable.
    ContactKey = 24,
    /// The pair of an epoch and its key for the epoch before, by conversation id and number. Erasable.
    Epoch = 25,
    /// What was removed and is still to be seen through, by a random id.
    Purge = 28,
    /// [`super::retention::Stub`] of what is gone, by grant id or message id.
    Stub = 29,
    /// Ids of stubs by the time at which they go.
    StubEnd = 30,
    /// Addresses about which everything is being removed, by keyed hash.
    Erasure = 31,
    /// How far keys were wrapped anew, and of which root keys a copy is kept elsewhere.
    KeyWork = 32,
    /// The records key sealed to a recovery key, by that key's id; no record. Erasable.
    Recovery = 33,
    /// [`super::dispatch::Dispatch`]: what became of the code that was sent last for a link, by grant id.
    Dispatch = 40,
    /// Ids of the jobs of one-time codes by due time: they wait for no other mail.
    AwaitedDue = 41,
    /// The telephone number of a contact, by contact id. Erasable.
    Phone = 42,
    /// The one-time code of a link, as an id and counts, by grant id. Erasable.
    Challenge = 43,
    /// Grant ids by keyed hash of the reference in their notice.
    Reference = 50,
    /// What was sent and asked for lately: one-time codes by link, by destination and in all; requests by link.
    Sent = 51,
    /// Answers that a recipient wrote on the page, sent or not yet, by conversation id and answer id.
    Answer = 44,
    /// Whose a file of an answer is and, where it is small, its sealed body; by a random id.
    Piece = 45,
    /// When a draft goes, or what is left of an answer whose message is gone; by time, conversation id and answer id.
    AnswerEnd = 46,
    /// Conversation id by keyed hash of the token in its answer address.
    AnswerAddress = 47,
    /// Conversation id by keyed hash of what a mail of the same thread refers to.
    Thread = 60,
    /// Conversation id by contact id, then time, then message id: what else the same contact opens.
    ByContact = 61,
}

impl Space {
    const ERASABLE: [Self; 9] = [
        Self::Lock,
        Self::ContentKey,
        Self::Verifier,
        Self::JobSecret,
        Self::ContactKey,
        Self::Epoch,
        Self::Recovery,
        Self::Phone,
        Self::Challenge,
    ];

    /// Whether a superseded value must be overwritten on disk, not just dropped from the index.
    #[must_use]
    pub fn erasable(self) -> bool {
        Self::ERASABLE.contains(&self)
    }

    /// The same of a key as the journal holds it: the number of its space, then its bytes.
    fn is_erasable(key: &[u8]) -> bool {
        Self::ERASABLE.iter().any(|space| key.first() == Some(&(*space as u8)))
    }
}

/// Where a value lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The space.
    pub space: Space,
    /// At most 128 bytes.
    pub bytes: Vec<u8>,
}

/// A value and the sequence number of the batch that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// Encrypted bytes.
    pub value: Vec<u8>,
    /// Changes with every write of this key.
    pub version: u64,
}

/// What must hold for a batch to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// The key has no value.
    Absent(Key),
    /// The key's value is of exactly this version.
    Version(Key, u64),
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Sets or replaces a value.
    Put(Key, Vec<u8>),
    /// Removes a value, if there is one.
    Delete(Key),
}

/// Changes that happen together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// All of these must hold.
    pub checks: Vec<Check>,
    /// In order; of two writes to one key the later one stands.
    pub writes: Vec<Write>,
}

/// Why a batch was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A check failed (its position in [`Batch::checks`]): read again and decide again.
    #[error("a precondition no longer holds")]
    Conflict(usize),
    /// The engine could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A commit with a body that did not happen, or may not have.
#[derive(Debug)]
pub struct BodyRefused {
    /// Why.
    pub error: CommitError,
    /// The body comes back when certainly nothing was written. `None`: the disk failed on the way, and the body stays, since
    /// the commit that names it may turn out to have survived.
    pub body: Option<SealedBody>,
}

/// One of the engines. An enum, since both are ours and known.
#[derive(Debug)]
pub enum Engine {
    /// On this machine's disk.
    Local(local::Local),
    /// In memory: the model.
    Memory(memory::Memory),
}

fn no_files() -> StoreError {
    StoreError::NotReady("this store has no files".to_owned())
}

/// A data folder that is this process's, not yet recovered.
#[derive(Debug)]
pub struct Claim(local::claim::Claim);

impl Claim {
    /// Whether anything was ever written there.
    ///
    /// # Errors
    /// [`OpenError::Io`] when the disk fails.
    pub fn is_used(&self) -> Result<bool, OpenError> {
        self.0.is_used()
    }

    /// Closes a segment of the journal once it is this long: for tests and benchmarks, which want many.
    #[must_use]
    pub fn with_segments_of(self, bytes: u64) -> Self {
        Self(self.0.with_segments_of(bytes))
    }

    /// A file of the journal whose format only a newer release knows.
    ///
    /// # Errors
    /// [`OpenError::Io`] when the disk fails.
    pub fn unknown_format(&self) -> Result<Option<PathBuf>, OpenError> {
        self.0.unknown_format()
    }
}

impl Engine {
    /// Takes a data folder for this process alone, making it where it is missing; nothing in it is changed yet.
    ///
    /// # Errors
    /// [`OpenError::InUse`] while another has it open, [`OpenError::Io`] when the disk fails.
    pub fn claim(settings: &Settings) -> Result<Claim, OpenError> {
        local::claim::Claim::new(settings).map(Claim)
    }

    /// Whether the journal in this folder holds anything, to look from outside.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn has_written(folder: &Path) -> std::io::Result<bool> {
        local::claim::has_written(folder)
    }

    /// The engine on this machine's disk: recovers what is there. Blocks until it serves.
    ///
    /// # Errors
    /// [`OpenError::Io`] when the disk fails.
    pub fn open_local(Claim(claim): Claim, entropy: Arc<dyn Entropy>) -> Result<(Self, OpenReport), OpenError> {
        let (local, report) = local::Local::open(claim, entropy)?;
        Ok((Self::Local(local), report))
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when this value cannot be read, [`StoreError::NotReady`] when none can.
    pub async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        match self {
            Self::Local(local) => local.get(key).await,
            Self::Memory(memory) => memory.get(key),
        }
    }

    /// Keys and values of `space` from `from` (inclusive) to `to` (exclusive, `None`: the end), in order, at most `limit`.
    /// A damaged value is left out and logged: one record must not hide the others. [`get`](Self::get) tells of it.
    ///
    /// # Errors
    /// [`StoreError::NotReady`].
    pub async fn scan(
        &self,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Versioned)>, StoreError> {
        match self {
            Self::Local(local) => local.scan(space, from, to, limit).await,
            Self::Memory(memory) => memory.scan(space, from, to, limit),
        }
    }

    /// The keys that [`scan`](Self::scan) would return, without reading a value: a damaged value hides no other record.
    ///
    /// # Errors
    /// [`StoreError::NotReady`] when nothing can be read.
    pub async fn keys(
        &self,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        match self {
            Self::Local(local) => local.keys(space, from, to, limit).await,
            Self::Memory(memory) => Ok(memory.scan(space, from, to, limit)?.into_iter().map(|(key, _)| key).collect()),
        }
    }

    /// Applies a batch, durably; returns its sequence number. Once called it may happen even if its future is dropped.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] when a check fails; nothing was written then.
    pub async fn commit(&self, batch: Batch) -> Result<u64, CommitError> {
        match self {
            Self::Local(local) => local.commit(batch).await,
            Self::Memory(memory) => memory.commit(batch),
        }
    }

    /// Applies a batch that takes in new mail: its records name `body`, which stays from now on. (A small body's bytes are
    /// one of the batch's values: see [`SealedBody::inline`].) Refused with [`StoreError::Full`] below the disk's watermark,
    /// while [`commit`](Self::commit) still works, so that a full disk can be emptied.
    ///
    /// # Errors
    /// As [`commit`](Self::commit), with the body when nothing was written.
    pub async fn commit_body(&self, batch: Batch, body: SealedBody) -> Result<u64, BodyRefused> {
        match self {
            Self::Local(local) => local.commit_body(batch, body).await,
            Self::Memory(memory) => match memory.commit(batch) {
                Ok(sequence) => {
                    drop(body.committing());
                    Ok(sequence)
                }
                Err(error) => Err(BodyRefused { error, body: Some(body) }),
            },
        }
    }

    /// Starts a body.
    ///
    /// # Errors
    /// [`StoreError::Full`] below the disk's watermark.
    pub fn new_body(&self, message: MessageId) -> Result<BodyWriter, StoreError> {
        match self {
            Self::Local(local) => local.new_body(message),
            Self::Memory(memory) => memory.new_body(message),
        }
    }

    /// Opens a body that is no value; `None` when there is none of this message.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn open_body(&self, message: MessageId) -> Result<Option<BodyReader>, StoreError> {
        match self {
            Self::Local(local) => local.open_body(message).await,
            Self::Memory(memory) => memory.open_body(message),
        }
    }

    /// Removes a body that is no value, after the commit that removed the records which named it.
    ///
    /// # Errors
    /// [`StoreError::Uncertain`] when the disk fails. A body that does not exist is no error.
    pub async fn remove_body(&self, message: MessageId) -> Result<(), StoreError> {
        match self {
            Self::Local(local) => local.remove_body(message).await,
            Self::Memory(memory) => {
                memory.remove_body(message);
                Ok(())
            }
        }
    }

    /// Messages that have a body which is no value: at start, those that no record names are orphans of a commit that
    /// never came, for the caller to remove.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn bodies(&self) -> Result<Vec<MessageId>, StoreError> {
        match self {
            Self::Local(local) => local.bodies().await,
            Self::Memory(memory) => Ok(memory.bodies()),
        }
    }

    /// Gives back the room of what counts no more, as far as that is worth while; waits for the end of it.
    ///
    /// # Errors
    /// [`StoreError::NotReady`] when it cannot be done now.
    pub async fn compact(&self) -> Result<Compacted, StoreError> {
        match self {
            Self::Local(local) => local.compact().await,
            Self::Memory(_) => Ok(Compacted::default()),
        }
    }

    /// The data folder.
    ///
    /// # Errors
    /// [`StoreError::NotReady`] when it has none.
    pub fn root(&self) -> Result<PathBuf, StoreError> {
        match self {
            Self::Local(local) => Ok(local.root()),
            Self::Memory(_) => Err(no_files()),
        }
    }

    /// Does `work` on the journal as it stands at one moment; commits wait until it returns.
    ///
    /// # Errors
    /// [`StoreError::NotReady`] when it is closed, or has no journal.
    pub async fn moment<T: Send + 'static>(
        &self,
        work: impl FnOnce(Moment) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        match self {
            Self::Local(local) => local.moment(work).await,
            Self::Memory(_) => Err(no_files()),
        }
    }

    /// Judges a file of the journal, or the `copy` that was made of it just now, frame by frame, and tells what the copy of an
    /// earlier backup has in the place of what is damaged. Blocks.
    ///
    /// # Errors
    /// When the copy cannot be read.
    pub fn judge(&self, file: &JournalFile, copy: Option<&Path>, older: Option<&Path>) -> std::io::Result<Judged> {
        match self {
            Self::Local(local) => local.judge(file, copy, older),
            Self::Memory(_) => Ok(Judged::default()),
        }
    }

    /// The keys, each behind the number of its space, whose values lie in damaged stretches and are damaged. Reads the whole
    /// index. Blocks.
    ///
    /// # Errors
    /// [`StoreError::NotReady`] when the index cannot be read now.
    pub fn values_in(&self, damaged: &[Damaged]) -> Result<Vec<Vec<u8>>, StoreError> {
        match self {
            Self::Local(local) => local.values_in(damaged),
            Self::Memory(_) => Ok(Vec::new()),
        }
    }

    /// Whether a copy of a file of the journal, `number`, has records behind `from`.
    ///
    /// # Errors
    /// When the disk does not give it.
    pub fn holds_behind(path: &Path, number: u64, from: u64) -> std::io::Result<bool> {
        local::Local::holds_behind(path, number, from)
    }

    /// What must be overwritten in a copy of what the journal has lost: the erasable values that were replaced or deleted since. (A
    /// deletion that compaction moves counts as one since.) Blocks.
    ///
    /// # Errors
    /// [`StoreError::NotReady`] when index, journal or copy cannot be read now.
    pub fn superseded_in(&self, copy: &Path, loss: Loss) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        match self {
            Self::Local(local) => local.superseded_in(copy, loss),
            Self::Memory(_) => Ok(Vec::new()),
        }
    }

    /// Bodies that are removed keep their files until the answer is dropped.
    ///
    /// # Errors
    /// [`StoreError::NotReady`] when it has no files.
    pub fn hold_bodies(&self) -> Result<HeldBodies, StoreError> {
        match self {
            Self::Local(local) => Ok(local.hold_bodies()),
            Self::Memory(_) => Err(no_files()),
        }
    }

    /// Reads every frame of the journal and compares its checksums.
    ///
    /// # Errors
    /// When a file of the journal cannot be read, or the store is closed.
    pub async fn audit(&self, progress: &Arc<Progress>) -> Result<Frames, StoreError> {
        match self {
            Self::Local(local) => local.audit(progress).await,
            Self::Memory(_) => Ok(Frames::default()),
        }
    }

    /// Parts of the journal that are known to be gone, and neither put back nor given up.
    #[must_use]
    pub fn losses(&self) -> Vec<Loss> {
        match self {
            Self::Local(local) => local.losses(),
            Self::Memory(_) => Vec::new(),
        }
    }

    /// Takes a loss as it is: it is told of no more, and what it kept from being removed is free.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn give_up(&self, loss: Loss) -> Result<(), StoreError> {
        match self {
            Self::Local(local) => local.give_up(loss).await,
            Self::Memory(_) => Ok(()),
        }
    }

    /// Throws the index away and makes it anew from the journal; meanwhile nothing else is answered.
    ///
    /// # Errors
    /// When the journal cannot be read: the store is closed then.
    pub async fn rebuild_index(&self) -> Result<(), StoreError> {
        match self {
            Self::Local(local) => local.rebuild_index().await,
            Self::Memory(_) => Ok(()),
        }
    }

    /// Waits until the index that a read could not use is made again.
    ///
    /// # Errors
    /// [`StoreError::NotReady`] when the store is closed.
    pub async fn settled(&self) -> Result<(), StoreError> {
        match self {
            Self::Local(local) => local.settled().await,
            Self::Memory(_) => Ok(()),
        }
    }

    /// Moves a body that is no value and that nothing names out of the way, where it can be looked at.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn set_body_aside(&self, message: MessageId) -> Result<(), StoreError> {
        match self {
            Self::Local(local) => local.set_body_aside(message).await,
            Self::Memory(memory) => {
                memory.remove_body(message);
                Ok(())
            }
        }
    }

    /// Whether a body came within the last hour: the commit that names it may still be under way.
    ///
    /// # Errors
    /// When the store is closed.
    pub async fn is_new_body(&self, message: MessageId, now: Timestamp) -> Result<bool, StoreError> {
        match self {
            Self::Local(local) => local.is_new_body(message, now).await,
            Self::Memory(_) => Ok(false),
        }
    }

    /// Keeps a value that is about to be removed where it can be looked at, as `name`.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn set_value_aside(&self, name: String, value: Vec<u8>) -> Result<(), StoreError> {
        match self {
            Self::Local(local) => local.set_value_aside(name, value).await,
            Self::Memory(_) => Ok(()),
        }
    }

    /// From now on the disk gives no byte of a file of the journal.
    #[cfg(test)]
    pub(super) fn make_unreadable(&self, number: u64) {
        if let Self::Local(local) = self {
            local.make_unreadable(number);
        }
    }

    /// The next overwrite of a superseded value fails.
    #[cfg(test)]
    pub(super) fn fail_overwrite(&self) {
        if let Self::Local(local) = self {
            local.fail_overwrite();
        }
    }

    /// Whether reads and intake are open.
    #[must_use]
    pub fn health(&self) -> Health {
        match self {
            Self::Local(local) => local.health(),
            Self::Memory(memory) if memory.is_closed() => Health::Closed,
            Self::Memory(_) => Health::Ready,
        }
    }

    /// Whether reads are open, at the least. It is asked for every mail, and asks no disk.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Self::Local(local) => local.is_open(),
            Self::Memory(memory) => !memory.is_closed(),
        }
    }

    /// The worst of what is wrong; nothing when it takes everything.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Local(local) => local.trouble(),
            Self::Memory(memory) => memory.is_closed().then_some(Trouble::Closed),
        }
    }

    /// Room on the disk, where there is one.
    #[must_use]
    pub fn room(&self) -> Option<Room> {
        match self {
            Self::Local(local) => Some(local.room()),
            Self::Memory(_) => None,
        }
    }

    /// How long commits take.
    #[must_use]
    pub fn commits(&self) -> Commits {
        match self {
            Self::Local(local) => local.commits(),
            Self::Memory(_) => Commits::default(),
        }
    }

    /// What commits cost so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        match self {
            Self::Local(local) => local.counts(),
            Self::Memory(memory) => memory.counts(),
        }
    }

    /// Finishes what waits and closes. Everything after it answers `NotReady`.
    pub async fn close(&self) {
        match self {
            Self::Local(local) => local.close().await,
            Self::Memory(memory) => memory.close(),
        }
    }
}
