//! Sealed bodies on their way in and out: small ones become values in the commit, larger ones files of their own.

use crate::base::MessageId;

use super::super::StoreError;

/// Sealed bodies up to this many bytes are values in the journal.
pub const INLINE: usize = 64 * 1024;

/// Takes ciphertext as it comes; spills to a file once it is larger than [`INLINE`]. Dropping it removes the file.
#[derive(Debug)]
pub struct BodyWriter {
    _private: (),
}

impl BodyWriter {
    /// Appends ciphertext.
    pub async fn write(&mut self, sealed: &[u8]) -> Result<(), StoreError> {
        todo!()
    }
    /// Makes the body durable: for a file fdatasync, rename to its name, fsync of the folder.
    pub async fn finish(self) -> Result<SealedBody, StoreError> {
        todo!()
    }
}

/// A body that waits for the commit that names it. Dropped without one, its file is removed (at the latest at start).
#[derive(Debug)]
pub struct SealedBody {
    _private: (),
}

impl SealedBody {
    /// Its message.
    #[must_use]
    pub fn message(&self) -> MessageId {
        todo!()
    }
    /// Sealed length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        todo!()
    }
}

/// Reads a stored sealed body.
#[derive(Debug)]
pub struct BodyReader {
    _private: (),
}

impl BodyReader {
    /// Sealed length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        todo!()
    }
    /// Exactly `len` bytes from `offset`.
    pub async fn read_at(&self, offset: u64, len: usize) -> Result<Vec<u8>, StoreError> {
        todo!()
    }
}
