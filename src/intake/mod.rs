//! The only place where we take custody: encrypts while the mail streams in, and commits everything in one durable step.
//!
//! - [`Sealing`] streams one mail through the cipher, the MIME index and the body's hash into the store; memory is a chunk.
//! - At the dot its recipients become deliveries (`delivery`): own conversation, link and proof each (`access`), with a new contact and code
//!   where there is none yet (`codes`); who had this very mail already is left out.
//! - One commit holds all of it. When another mail of the same sender made a contact in between, the deliveries are built again.
//! - Reports about mails of our own end here too (`reports`).

mod access;
mod codes;
mod delivery;
mod reports;
mod sealing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::base::{Clock, Entropy};
use crate::mail::header::HeaderFacts;
use crate::mail::{Address, Reply};
use crate::policy::{Identity, Terms};
use crate::seal::code::Cost;
use crate::seal::hashers::Hashers;
use crate::sms::Numbers;
use crate::store::intake::Prepared;
use crate::store::{Health, Store, StoreError};

use codes::CodeMaker;

pub use reports::Reported;
pub use sealing::Sealing;

/// How mail is taken.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Largest mail, bytes.
    pub max_size: u64,
    /// Cost of hashing a new code.
    pub cost: Cost,
    /// The same in strict mode, where a stolen disk, root key and link allow guessing.
    pub strict_cost: Cost,
    /// How many codes are hashed at the same time.
    pub hashers: usize,
    /// The language of notices unless a contact says otherwise: `nl` or `en`.
    pub language: String,
    /// Which telephone numbers get codes by SMS; `None` where no SMS is sent.
    pub numbers: Option<Numbers>,
}

/// Takes confidential mail. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    store: Store,
    hashers: Hashers,
    codes: CodeMaker,
    told: Arc<reports::Told>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
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
    /// The mail asks for a proof that this recipient cannot have: the address, the masked number if there is one, and why.
    #[error("a proof that was asked for cannot be had: {2}")]
    Proof(Address, Option<String>, String),
}

impl IntakeError {
    /// 452 for a full disk, 552 for too large, 550 for a proof that cannot be had, 451 for the rest (RFC 5321 §4.2.2, RFC 3463 §3.4); the text
    /// tells nothing inside.
    #[must_use]
    pub fn reply(&self) -> Reply {
        match self {
            Self::Store(StoreError::Full(_)) => Reply::new(452, "4.3.1 no room for this mail now, try again later"),
            Self::Store(StoreError::TooLarge(_)) => Reply::new(552, "5.3.4 this mail is too large to be sealed"),
            Self::TooLarge(limit) => Reply::new(552, &format!("5.3.4 confidential mail may be {limit} bytes at most")),
            Self::Proof(recipient, number, why) => {
                let number = number.as_ref().map(|number| format!(", number {number}")).unwrap_or_default();
                let whom =
                    format!("5.7.1 Zegel: this confidential mail was not sent on; recipient {recipient}{number}:");
                Reply::lines(550, [whom.as_str(), &format!("5.7.1 {why}")])
            }
            Self::Store(_) | Self::Code => Reply::new(451, "4.3.0 this mail cannot be taken now, try again later"),
        }
    }
}

impl Intake {
    /// Over a store.
    #[must_use]
    pub fn new(settings: Settings, store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let pepper = store.keys().pepper.clone();
        let hashers = Hashers::new(settings.hashers);
        let codes =
            CodeMaker::new((settings.cost, settings.strict_cost), hashers.clone(), pepper, Arc::clone(&entropy));
        let told = Arc::default();
        Self { inner: Arc::new(Inner { settings, store, hashers, codes, told, clock, entropy }) }
    }

    /// The same with other settings. Who hashes codes, and at which cost, stays.
    #[must_use]
    pub fn with(&self, settings: Settings) -> Self {
        let Inner { store, hashers, codes, told, clock, entropy, .. } = &*self.inner;
        let inner = Inner {
            settings,
            store: store.clone(),
            hashers: hashers.clone(),
            codes: codes.clone(),
            told: Arc::clone(told),
            clock: Arc::clone(clock),
            entropy: Arc::clone(entropy),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whether new mail is taken now; [`begin`](Self::begin) would refuse it otherwise, with this answer.
    #[must_use]
    pub fn closed(&self) -> Option<Reply> {
        match self.inner.store.health() {
            Health::Ready => None,
            Health::NoIntake => Some(Reply::new(452, "4.3.1 no room for this mail now, try again later")),
            Health::Closed | Health::Failed => self.gate(),
        }
    }

    /// Where codes are hashed, for who makes one for another reason than a mail.
    #[must_use]
    pub fn hashers(&self) -> Hashers {
        self.inner.hashers.clone()
    }

    /// The keyed hash by which a mail that passed here is known when it comes back.
    #[must_use]
    pub fn loop_hash(&self, text: &[u8]) -> [u8; 32] {
        self.inner.store.keys().blind("loop", text)
    }

    /// What every MAIL is answered with while the store is closed (421, RFC 5321 §3.8). `None` otherwise: a store that only takes
    /// no new mail stops confidential mail at its dot, and no ordinary one.
    #[must_use]
    pub fn gate(&self) -> Option<Reply> {
        let closed = || Reply::new(421, "4.3.2 the store is being made ready, try again later");
        (!self.inner.store.is_open()).then(closed)
    }

    /// Starts one mail. `header` is the stored header block ([`crate::mail::header::HeaderBlock::stored`]); the empty line and
    /// the body follow by [`Sealing::write`]. A recipient who is named twice counts once, with the first terms.
    ///
    /// # Errors
    /// When the store takes nothing now or the header alone is too large.
    pub async fn begin(
        &self,
        identity: Identity,
        facts: HeaderFacts,
        recipients: Vec<Recipient>,
        header: &[u8],
    ) -> Result<Sealing, IntakeError> {
        Sealing::begin(Arc::clone(&self.inner), identity, facts, recipients, header).await
    }

    /// The next hop took the rest of a mixed mail.
    ///
    /// # Errors
    /// Only from the store: the message may or may not count.
    pub async fn commit(&self, prepared: Prepared) -> Result<(), IntakeError> {
        Ok(self.inner.store.commit_prepared(prepared).await?)
    }

    /// The next hop refused the rest.
    ///
    /// # Errors
    /// Only from the store: what stays is invisible and goes at the next start.
    pub async fn drop_prepared(&self, prepared: Prepared) -> Result<(), IntakeError> {
        Ok(self.inner.store.drop_prepared(prepared).await?)
    }
}
