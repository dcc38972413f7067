//! A data folder read with the recovery key instead of the root key: for whoever must hand out mail when the root key is gone.
//!
//! The private half of the recovery key opens the key of the records, and the recovery lock of each conversation. Strict
//! conversations have none, nor has mail that was taken before the recovery key was configured and never wrapped anew. Nothing
//! of the store's own is changed, but the engine is opened as at a start: it recovers, and may rebuild its index.

use std::io;
use std::sync::Arc;

use minicbor::Decode;
use minicbor::bytes::ByteVec;

use crate::base::{ConversationId, Entropy, MessageId, SecretBytes};
use crate::seal::body::{ContentKey, HEADER, Opener};
use crate::seal::recovery::{RecoveryId, RecoveryPrivate};

use super::codec::{damaged, open_under, readable};
use super::engine::{Engine, Key, Space};
use super::open::SCHEMA;
use super::places::{self, last_id};
use super::records::{Conversation, Message};
use super::{BodyReader, OpenError, Settings, StoreError};

/// Why a recovery key reads nothing here.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The folder.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The folder was never used with this recovery key, or no longer is.
    #[error("this data folder holds nothing for recovery key {0}")]
    NotForThisKey(RecoveryId),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why one message is not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No conversation of it has a lock for this key.
    #[error("it has no lock for this recovery key; mail sent in strict mode never has one")]
    NoLock,
    /// A record or the body.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file that it goes to.
    #[error("{0}")]
    Write(#[from] io::Error),
}

/// A message, and to whom it went.
#[derive(Debug, Clone)]
pub struct Archived {
    /// Its id.
    pub id: MessageId,
    /// Its record.
    pub message: Message,
    /// Addresses of its recipients.
    pub recipients: Vec<String>,
}

/// An opened folder.
#[derive(Debug)]
pub struct Archive {
    engine: Engine,
    records: SecretBytes<32>,
    key: RecoveryPrivate,
}

impl Archive {
    /// Opens a folder that no daemon holds, or a copy of one.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn open(
        settings: Settings,
        key: RecoveryPrivate,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, ArchiveError> {
        let engine = tokio::task::spawn_blocking(move || open_engine(&settings, entropy)).await;
        let engine = engine.map_err(|_| StoreError::NotReady("recovery was interrupted".to_owned()))??;
        let id = key.public().id();
        let Some(sealed) = engine.get(&places::recovery(id)).await? else {
            engine.close().await;
            return Err(ArchiveError::NotForThisKey(id));
        };
        let place = places::recovery(id);
        let records = key.open_records_key(&sealed.value).map_err(|cause| damaged(&place, cause))?;
        let archive = Self { engine, records, key };
        match archive.read::<u32>(&places::schema()).await? {
            Some(found) if found > SCHEMA => Err(OpenError::Newer(found).into()),
            _ => Ok(archive),
        }
    }

    /// All messages that count, in order of their ids. One whose record is damaged is left out and reported to the log.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn messages(&self) -> Result<Vec<MessageId>, StoreError> {
        let keys = self.engine.keys(Space::Message, &[], None, usize::MAX).await?;
        Ok(keys.iter().filter_map(|key| last_id(key)).map(MessageId).collect())
    }

    /// One of them; `None` when its record is damaged, which is reported to the log.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn message(&self, id: MessageId) -> Result<Option<Archived>, StoreError> {
        let Some(message) = readable(self.read::<Message>(&places::message(id)).await)? else { return Ok(None) };
        let mut recipients = Vec::new();
        for conversation in &message.conversations {
            let found = readable(self.read::<Conversation>(&places::conversation(*conversation)).await)?;
            recipients.extend(found.map(|found| found.recipient));
        }
        Ok(Some(Archived { id, message, recipients }))
    }

    /// Writes a message as it was stored, byte for byte; returns how many bytes these are. What was written counts only when
    /// this returns: a chunk that does not open ends it with an error.
    ///
    /// # Errors
    /// [`ExportError`].
    pub async fn export(&self, archived: &Archived, out: &mut (dyn io::Write + Send)) -> Result<u64, ExportError> {
        let (id, message) = (archived.id, &archived.message);
        let key = self.content_key(id, &message.conversations).await?;
        let place = places::body(id);
        let body = if message.in_file {
            self.engine.open_body(id).await?
        } else {
            self.engine.get(&place).await?.map(|found| BodyReader::inline(found.value))
        };
        let body = body.ok_or_else(|| damaged(&place, "missing"))?;
        let header = body.read_at(0, HEADER).await?;
        let opener = Opener::new(&key, id, &header, body.len()).map_err(|cause| damaged(&place, cause))?;
        let mut written = 0;
        for chunk in 0..opener.chunks() {
            let Some((offset, len)) = opener.place(chunk) else { break };
            let sealed = body.read_at(offset, len).await?;
            let plain = opener.open(chunk, &sealed).map_err(|cause| damaged(&place, cause))?;
            out.write_all(&plain)?;
            written += plain.len() as u64;
        }
        Ok(written)
    }

    /// Through the recovery lock of any of its conversations.
    async fn content_key(&self, id: MessageId, conversations: &[ConversationId]) -> Result<ContentKey, ExportError> {
        let mut last = ExportError::NoLock;
        for conversation in conversations {
            match self.content_key_in(*conversation, id).await {
                Ok(Some(key)) => return Ok(key),
                Ok(None) => {}
                Err(StoreError::Damaged(cause)) => last = StoreError::Damaged(cause).into(),
                Err(error) => return Err(error.into()),
            }
        }
        Err(last)
    }

    async fn content_key_in(
        &self,
        conversation: ConversationId,
        id: MessageId,
    ) -> Result<Option<ContentKey>, StoreError> {
        let (lock_place, key_place) = (places::recovery_lock(conversation), places::content_key(conversation, id));
        let Some(lock) = self.read::<ByteVec>(&lock_place).await? else { return Ok(None) };
        let Some(wrapped) = self.read::<ByteVec>(&key_place).await? else { return Ok(None) };
        let key = self.key.open(conversation, &lock).map_err(|cause| damaged(&lock_place, cause))?;
        key.unwrap(conversation, id, &wrapped).map(Some).map_err(|cause| damaged(&key_place, cause))
    }

    async fn read<T: for<'b> Decode<'b, ()>>(&self, place: &Key) -> Result<Option<T>, StoreError> {
        let Some(found) = self.engine.get(place).await? else { return Ok(None) };
        open_under(&self.records, place, &found.value).map(Some)
    }

    /// Closes the folder.
    pub async fn close(&self) {
        self.engine.close().await;
    }
}

/// The engine of a folder that exists and holds something.
fn open_engine(settings: &Settings, entropy: Arc<dyn Entropy>) -> Result<Engine, OpenError> {
    let missing = |kind: io::ErrorKind| OpenError::Io { path: settings.folder.clone(), cause: kind.into() };
    // Opening would make it.
    if !settings.folder.is_dir() {
        return Err(missing(io::ErrorKind::NotFound));
    }
    let claim = Engine::claim(settings)?;
    if !claim.is_used()? {
        return Err(missing(io::ErrorKind::NotFound));
    }
    Ok(Engine::open_local(claim, entropy)?.0)
}
