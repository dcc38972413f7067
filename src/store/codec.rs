//! Records to bytes and back: CBOR, encrypted for their place.
//!
//! What a queued job needs in clear stands under the jobs key, everything else under the records key. A value that was moved
//! to another place, changed, or written under another key is [`StoreError::Damaged`] for its reader, and for no one else.

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::base::{Entropy, SecretBytes};
use crate::seal;
use crate::seal::keyring::StoreKeys;

use super::engine::{Batch, Check, Engine, Key, Space, Versioned, Write};
use super::{Inner, StoreError};

/// A record as it was read, and the version to check when it is written again.
#[derive(Debug)]
pub(super) struct Found<T> {
    pub(super) record: T,
    pub(super) version: u64,
}

/// More bytes than a record takes that holds a token, a code or a verifier.
const ROOM: usize = 512;

fn secret(keys: &StoreKeys, space: Space) -> &SecretBytes<32> {
    match space {
        Space::JobSecret => &keys.jobs,
        _ => &keys.records,
    }
}

fn seal_record<T: Encode<()>>(
    keys: &StoreKeys,
    entropy: &dyn Entropy,
    place: &Key,
    record: &T,
) -> Result<Vec<u8>, StoreError> {
    // Room for what is secret, so that growing leaves no copy of it behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(ROOM));
    minicbor::encode(record, &mut *plain).map_err(|_| damaged(place, "it cannot be encoded"))?;
    Ok(seal::record::seal(secret(keys, place.space), place.space as u8, &place.bytes, &plain, entropy))
}

fn open_record<T: for<'b> Decode<'b, ()>>(keys: &StoreKeys, place: &Key, sealed: &[u8]) -> Result<T, StoreError> {
    open_under(secret(keys, place.space), place, sealed)
}

/// A record that was encrypted under this key.
pub(super) fn open_under<T: for<'b> Decode<'b, ()>>(
    secret: &SecretBytes<32>,
    place: &Key,
    sealed: &[u8],
) -> Result<T, StoreError> {
    let plain = seal::record::open(secret, place.space as u8, &place.bytes, sealed);
    let plain = plain.map_err(|cause| damaged(place, cause))?;
    minicbor::decode(&plain).map_err(|_| damaged(place, "it is no record of this space"))
}

/// Whether a value was written for this place and is whole.
pub(super) fn is_whole(keys: &StoreKeys, place: &Key, sealed: &[u8]) -> Result<(), StoreError> {
    let opened = seal::record::open(secret(keys, place.space), place.space as u8, &place.bytes, sealed);
    opened.map(drop).map_err(|cause| damaged(place, cause))
}

/// The error for one record. Keys are random ids or keyed hashes: naming one names no person.
pub(super) fn damaged(place: &Key, cause: impl std::fmt::Display) -> StoreError {
    let key = data_encoding::HEXLOWER.encode(&place.bytes);
    StoreError::Damaged(format!("{:?} {key}: {cause}", place.space))
}

/// Another change came first, again and again.
pub(super) fn busy() -> StoreError {
    StoreError::NotReady("too many changes to one record at the same time".to_owned())
}

/// How often an operation is decided anew when another change came first. Operations on one contact take turns, so within
/// one process even a single conflict is rare.
pub(super) const ATTEMPTS: usize = 64;

impl Inner {
    /// Reads a record.
    pub(super) async fn read<T: for<'b> Decode<'b, ()>>(&self, place: &Key) -> Result<Option<Found<T>>, StoreError> {
        let Some(found) = self.engine.get(place).await? else { return Ok(None) };
        let record = open_record(&self.keys, place, &found.value)?;
        Ok(Some(Found { record, version: found.version }))
    }

    /// The record that a scan found.
    pub(super) fn open<T: for<'b> Decode<'b, ()>>(
        &self,
        space: Space,
        bytes: Vec<u8>,
        found: &Versioned,
    ) -> Result<T, StoreError> {
        open_record(&self.keys, &Key { space, bytes }, &found.value)
    }

    /// Reads a record that another one names: its absence is damage.
    pub(super) async fn need<T: for<'b> Decode<'b, ()>>(&self, place: &Key) -> Result<Found<T>, StoreError> {
        self.read(place).await?.ok_or_else(|| damaged(place, "missing"))
    }

    /// Up to `limit` keys of `space` that begin with `prefix`, in order.
    pub(super) async fn keys_of(&self, space: Space, prefix: &[u8], limit: usize) -> Result<Vec<Key>, StoreError> {
        let end = super::places::after(prefix);
        let keys = self.engine.keys(space, prefix, end.as_deref(), limit).await?;
        Ok(keys.into_iter().map(|bytes| Key { space, bytes }).collect())
    }

    /// An empty draft.
    pub(super) fn draft(&self) -> Draft<'_> {
        Draft { engine: &self.engine, keys: &self.keys, entropy: &*self.entropy, batch: Batch::default() }
    }
}

/// A batch in the making.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    engine: &'a Engine,
    keys: &'a StoreKeys,
    entropy: &'a dyn Entropy,
    batch: Batch,
}

impl Draft<'_> {
    /// Sets a record.
    pub(super) fn put<T: Encode<()>>(&mut self, place: Key, record: &T) -> Result<(), StoreError> {
        let sealed = seal_record(self.keys, self.entropy, &place, record)?;
        self.put_sealed(place, sealed);
        Ok(())
    }

    /// Sets a value that is encrypted already.
    pub(super) fn put_sealed(&mut self, place: Key, sealed: Vec<u8>) {
        self.batch.writes.push(Write::Put(place, sealed));
    }

    /// Removes a record.
    pub(super) fn delete(&mut self, place: Key) {
        self.batch.writes.push(Write::Delete(place));
    }

    /// The record must still be as it was read: of that version, or absent.
    pub(super) fn unchanged<T>(&mut self, place: Key, found: Option<&Found<T>>) {
        self.batch.checks.push(match found {
            Some(found) => Check::Version(place, found.version),
            None => Check::Absent(place),
        });
    }

    /// The finished batch.
    pub(super) fn into_batch(self) -> Batch {
        self.batch
    }

    /// Applies it; `false` when something it relied on has changed, and nothing was written.
    pub(super) async fn commit(self) -> Result<bool, StoreError> {
        applied(self.engine.commit(self.batch).await)
    }
}

/// `false` for a conflict.
pub(super) fn applied(result: Result<u64, super::engine::CommitError>) -> Result<bool, StoreError> {
    match result {
        Ok(_) => Ok(true),
        Err(super::engine::CommitError::Conflict(_)) => Ok(false),
        Err(super::engine::CommitError::Store(error)) => Err(error),
    }
}

/// Whether the changes count, although an old value may still have to be erased.
pub(super) fn stands(applied: &Result<bool, StoreError>) -> bool {
    matches!(applied, Ok(true) | Err(StoreError::NotErased(_)))
}

/// For lists: leaves out a damaged record, with a line in the log, so that it hides no other.
pub(super) fn readable<T>(read: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Err(StoreError::Damaged(cause)) => {
            tracing::error!(%cause, "a damaged record is left out");
            Ok(None)
        }
        read => read,
    }
}
