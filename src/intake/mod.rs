//! The only place where we take custody: encrypts while the mail streams in, and commits everything in one durable step.

use std::sync::Arc;

use crate::base::{Clock, Entropy, MessageId};
use crate::mail::header::HeaderFacts;
use crate::mail::{Address, Reply};
use crate::policy::{Identity, Terms};
use crate::seal::code::Cost;
use crate::store::intake::Prepared;
use crate::store::{Store, StoreError};

/// How mail is taken.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Largest mail, bytes.
    pub max_size: u64,
    /// Cost of hashing a new code.
    pub cost: Cost,
    /// How many codes are hashed at the same time.
    pub hashers: usize,
    /// The language of notices unless a contact says otherwise: `nl` or `en`.
    pub language: String,
}

/// Takes confidential mail. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    _private: (),
}

/// One recipient of a mail to be sealed.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// The address from the envelope.
    pub address: Address,
    /// Policy's terms.
    pub terms: Terms,
}

/// Why a mail is not taken; [`IntakeError::reply`] is what the client hears.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Over [`Settings::max_size`].
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// The code of a new contact could not be hashed.
    #[error("a code could not be made")]
    Code,
}

impl IntakeError {
    /// 452 for a full disk, 552 for too large, 451 for the rest; the text tells nothing inside.
    #[must_use]
    pub fn reply(&self) -> Reply {
        todo!()
    }
}

impl Intake {
    /// Over a store.
    #[must_use]
    pub fn new(settings: Settings, store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        todo!()
    }
    /// What every MAIL is answered with while the store is closed (`Health::Closed`: 421). `None` otherwise: a store that only takes
    /// no new mail stops confidential mail at its dot, and no ordinary one.
    #[must_use]
    pub fn gate(&self) -> Option<Reply> {
        todo!()
    }
    /// Starts one mail. `header` is the stored header block ([`crate::mail::header::HeaderBlock::stored`]); the empty line and
    /// the body follow by [`Sealing::write`].
    pub async fn begin(
        &self,
        identity: Identity,
        facts: HeaderFacts,
        recipients: Vec<Recipient>,
        header: &[u8],
    ) -> Result<Sealing, IntakeError> {
        todo!()
    }
    /// The next hop took the rest of a mixed mail.
    pub async fn commit(&self, prepared: Prepared) -> Result<(), IntakeError> {
        todo!()
    }
    /// The next hop refused the rest.
    pub async fn drop_prepared(&self, prepared: Prepared) -> Result<(), IntakeError> {
        todo!()
    }
}

/// One mail on its way in. Dropped, nothing of it stays.
pub struct Sealing {
    _private: (),
}

impl Sealing {
    /// The message's id, for the log.
    #[must_use]
    pub fn id(&self) -> MessageId {
        todo!()
    }
    /// Plain (unstuffed) bytes after the header block, starting with the empty line.
    pub async fn write(&mut self, plain: &[u8]) -> Result<(), IntakeError> {
        todo!()
    }
    /// Everything durable: 250 may be said.
    pub async fn take(self) -> Result<(), IntakeError> {
        todo!()
    }
    /// Durable but invisible, until [`Intake::commit`]. `None`: every recipient had this very mail already.
    pub async fn prepare(self) -> Result<Option<Prepared>, IntakeError> {
        todo!()
    }
}
