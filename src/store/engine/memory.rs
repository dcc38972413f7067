//! The engine in memory: a plain ordered map behind a lock; the model that other engines are compared with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::MessageId;

use super::super::{Counts, StoreError};
use super::body::{Bodies as Place, BodyReader, BodyWriter};
use super::{Batch, Check, CommitError, Key, Space, Versioned, Write};

/// Keeps everything until it is dropped.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
    bodies: Arc<Bodies>,
}

#[derive(Debug, Default)]
struct State {
    records: BTreeMap<Key, Versioned>,
    sequence: u64,
    closed: bool,
}

/// Bodies too large for a value.
#[derive(Debug, Default)]
pub(super) struct Bodies(Mutex<BTreeMap<MessageId, Arc<[u8]>>>);

impl Bodies {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<MessageId, Arc<[u8]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn insert(&self, message: MessageId, bytes: Vec<u8>) {
        self.lock().insert(message, bytes.into());
    }
    pub(super) fn remove(&self, message: MessageId) {
        self.lock().remove(&message);
    }
}

impl State {
    fn ready(&self) -> Result<(), StoreError> {
        if self.closed { Err(StoreError::NotReady("closed".to_owned())) } else { Ok(()) }
    }

    fn holds(&self, check: &Check) -> bool {
        match check {
            Check::Absent(key) => !self.records.contains_key(key),
            Check::Version(key, version) => self.records.get(key).is_some_and(|found| found.version == *version),
        }
    }
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`super::Engine::get`].
    pub fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let state = self.lock();
        state.ready()?;
        Ok(state.records.get(key).cloned())
    }

    /// See [`super::Engine::scan`].
    pub fn scan(
        &self,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Versioned)>, StoreError> {
        let state = self.lock();
        state.ready()?;
        let start = Key { space, bytes: from.to_vec() };
        let inside = |key: &Key| key.space == space && to.is_none_or(|to| key.bytes.as_slice() < to);
        Ok(state
            .records
            .range(start..)
            .take_while(|(key, _)| inside(key))
            .take(limit)
            .map(|(key, found)| (key.bytes.clone(), found.clone()))
            .collect())
    }

    /// See [`super::Engine::commit`].
    pub fn commit(&self, batch: Batch) -> Result<u64, CommitError> {
        let mut state = self.lock();
        state.ready()?;
        if let Some(failed) = batch.checks.iter().position(|check| !state.holds(check)) {
            return Err(CommitError::Conflict(failed));
        }
        state.sequence += 1;
        let version = state.sequence;
        for write in batch.writes {
            match write {
                Write::Put(key, value) => drop(state.records.insert(key, Versioned { value, version })),
                Write::Delete(key) => drop(state.records.remove(&key)),
            }
        }
        Ok(version)
    }

    /// See [`super::Engine::new_body`].
    pub fn new_body(&self, message: MessageId) -> Result<BodyWriter, StoreError> {
        self.lock().ready()?;
        Ok(BodyWriter::new(message, Place::Memory(Arc::clone(&self.bodies))))
    }

    /// See [`super::Engine::open_body`].
    pub fn open_body(&self, message: MessageId) -> Result<Option<BodyReader>, StoreError> {
        self.lock().ready()?;
        Ok(self.bodies.lock().get(&message).cloned().map(BodyReader::bytes))
    }

    /// See [`super::Engine::remove_body`].
    pub fn remove_body(&self, message: MessageId) {
        self.bodies.remove(message);
    }

    /// See [`super::Engine::bodies`].
    pub fn bodies(&self) -> Vec<MessageId> {
        self.bodies.lock().keys().copied().collect()
    }

    /// Commits so far; nothing is ever synced.
    pub fn counts(&self) -> Counts {
        Counts { commits: self.lock().sequence, ..Counts::default() }
    }

    /// Whether [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Answers `NotReady` from now on.
    pub fn close(&self) {
        self.lock().closed = true;
    }
}
