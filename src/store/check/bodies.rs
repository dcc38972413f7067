//! Bodies: every chunk of each opens, and each belongs to a message.

use crc32c::crc32c_append;

use crate::base::MessageId;
use crate::seal::body::{ContentKey, HEADER, Opener};
use crate::store::engine::Key;
use crate::store::places::{self, last_id};
use crate::store::{BodyReader, StoreError};

use super::records::Mend;
use super::{Check, Damage, Fault};

/// Bytes read at a time.
const STEP: usize = 256 << 10;

/// How the reading of a body ended.
enum Opened {
    /// Every chunk opens.
    Whole,
    /// Its bytes have their checksum: of a body whose key nobody here has, and of a file of an answer.
    Compared,
    /// Nor has it a checksum.
    SealedOff,
    /// Why not.
    Not(String),
}

impl Check {
    /// The body of a message whose record can be read.
    pub(super) async fn body_of(&mut self, key: &Key) -> Result<Option<Fault>, StoreError> {
        let Some(id) = last_id(&key.bytes).map(MessageId) else { return Ok(None) };
        let mut opened = self.open_body(id).await?;
        if matches!(opened, Some(Opened::Not(_))) {
            // It may have been taken back meanwhile.
            opened = self.open_body(id).await?;
        }
        Ok(self.count(id, id, opened))
    }

    /// The same for a file of an answer.
    pub(super) async fn file_of(&mut self, key: &Key) -> Result<Option<Fault>, StoreError> {
        let Some(id) = last_id(&key.bytes).map(MessageId) else { return Ok(None) };
        let Some((message, mut opened)) = self.open_file(id).await? else { return Ok(None) };
        if matches!(opened, Opened::Not(_)) {
            let Some((_, again)) = self.open_file(id).await? else { return Ok(None) };
            opened = again;
        }
        Ok(self.count(id, message, Some(opened)))
    }

    /// Compares a file of an answer that is a file of its own with what its answer says of it; with the message that was answered.
    async fn open_file(&mut self, id: MessageId) -> Result<Option<(MessageId, Opened)>, StoreError> {
        // What is damaged or missing of its records is told of them.
        let (message, piece) = match self.store.piece_of(id).await {
            Ok(Some(found)) => found,
            Ok(None) | Err(StoreError::Damaged(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(checksum) = piece.checksum.filter(|_| piece.in_file) else { return Ok(None) };
        let reader = match self.store.piece(&piece).await {
            Ok(Some(reader)) => reader,
            Ok(None) => return Ok(None),
            Err(StoreError::Damaged(why)) => return Ok(Some((message, Opened::Not(why)))),
            Err(error) => return Err(error),
        };
        let compared = self.compare(&reader, checksum).await?;
        Ok(Some((message, compared)))
    }

    /// Counts a body that was looked at; what is to be told of it.
    fn count(&mut self, id: MessageId, message: MessageId, opened: Option<Opened>) -> Option<Fault> {
        match opened? {
            Opened::Not(why) => {
                let place = format!("body {id}");
                return Some(Fault { damage: Damage::Body, place, why, message: Some(message), mend: None });
            }
            Opened::SealedOff => self.report.sealed_off += 1,
            Opened::Compared => self.report.compared += 1,
            Opened::Whole => self.report.bodies += 1,
        }
        None
    }

    async fn open_body(&mut self, id: MessageId) -> Result<Option<Opened>, StoreError> {
        let store = self.store.clone();
        let damaged = |result: Result<Option<BodyReader>, StoreError>| match result {
            Err(StoreError::Damaged(why)) => Ok(Err(why)),
            other => other.map(Ok),
        };
        let Ok(Some(message)) = store.message(id).await else { return Ok(None) };
        let reader = match damaged(store.body(id).await)? {
            Ok(Some(reader)) => reader,
            Ok(None) if store.message(id).await?.is_none() => return Ok(None),
            Ok(None) => return Ok(Some(Opened::Not("it is missing".to_owned()))),
            Err(why) => return Ok(Some(Opened::Not(why))),
        };
        if reader.len() != message.sealed_len {
            return Ok(Some(Opened::Not("its length is not what its record says".to_owned())));
        }
        let mut why = None;
        for conversation in &message.conversations {
            match store.content_key(*conversation, id).await {
                Ok(Some(key)) => return self.read_body(id, &key, &reader).await.map(Some),
                Ok(None) => {}
                Err(StoreError::Damaged(cause)) => why = Some(cause),
                Err(error) => return Err(error),
            }
        }
        if let Some(why) = why {
            return Ok(Some(Opened::Not(why)));
        }
        // What is a value of the journal was compared when it was read.
        if !message.in_file {
            return Ok(Some(Opened::Compared));
        }
        let Some(checksum) = message.checksum else { return Ok(Some(Opened::SealedOff)) };
        self.compare(&reader, checksum).await.map(Some)
    }

    /// Compares the bytes of a body that nobody here can open.
    async fn compare(&mut self, reader: &BodyReader, checksum: u32) -> Result<Opened, StoreError> {
        let (mut at, mut crc) = (0, 0);
        while at < reader.len() && !self.progress.is_stopped() {
            let len = usize::try_from(reader.len() - at).unwrap_or(usize::MAX).min(STEP);
            let bytes = match reader.read_at(at, len).await {
                Err(StoreError::Damaged(why)) => return Ok(Opened::Not(why)),
                other => other?,
            };
            crc = crc32c_append(crc, &bytes);
            at += len as u64;
            self.report.body_bytes += len as u64;
            tokio::time::sleep(self.progress.rest(len as u64)).await;
        }
        let is_whole = crc == checksum || self.progress.is_stopped();
        Ok(if is_whole { Opened::Compared } else { Opened::Not("it does not have its checksum".to_owned()) })
    }

    async fn read_body(&mut self, id: MessageId, key: &ContentKey, reader: &BodyReader) -> Result<Opened, StoreError> {
        let header = match reader.read_at(0, HEADER).await {
            Err(StoreError::Damaged(why)) => return Ok(Opened::Not(why)),
            other => other?,
        };
        let opener = match Opener::new(key, id, &header, reader.len()) {
            Ok(opener) => opener,
            Err(why) => return Ok(Opened::Not(why.to_string())),
        };
        for index in 0..opener.chunks() {
            let Some((offset, len)) = opener.place(index) else { break };
            if self.progress.is_stopped() {
                break;
            }
            let chunk = match reader.read_at(offset, len).await {
                Err(StoreError::Damaged(why)) => return Ok(Opened::Not(why)),
                other => other?,
            };
            if opener.open(index, &chunk).is_err() {
                return Ok(Opened::Not(format!("chunk {index} of {} does not open", opener.chunks())));
            }
            self.report.body_bytes += len as u64;
            tokio::time::sleep(self.progress.rest(len as u64)).await;
        }
        Ok(Opened::Whole)
    }

    /// Files that no message names. (What a mail brings in at this moment is named in the same second.)
    pub(super) async fn body_files(&mut self) -> Result<(), StoreError> {
        let files = self.store.inner.engine.bodies().await?;
        self.progress.begin("body files", files.len() as u64);
        for id in files {
            if self.progress.is_stopped() {
                break;
            }
            self.progress.advance();
            let now = self.store.inner.clock.now();
            if self.is_named(id).await? || self.store.inner.engine.is_new_body(id, now).await? {
                continue;
            }
            let place = format!("body {id}");
            let why = "a file that no message names".to_owned();
            let mend = Some(Mend::SetBodyAside(id));
            self.tell(Fault { damage: Damage::Orphan, place, why, message: None, mend }).await?;
        }
        Ok(())
    }

    async fn is_named(&self, id: MessageId) -> Result<bool, StoreError> {
        for key in [places::message(id), places::prepared(id), places::piece(id)] {
            if self.store.is_there(&key).await? {
                return Ok(true);
            }
        }
        // A body goes after its message.
        if !self.store.nothing_is_leaving().await? {
            return Ok(true);
        }
        // A message that was prepared at the first question and committed at the second.
        self.store.is_there(&places::message(id)).await
    }
}
