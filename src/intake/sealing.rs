//! One mail on its way in: bytes to ciphertext, then everything in one commit.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::base::MessageId;
use crate::mail::header::HeaderFacts;
use crate::mail::manifest::Manifest;
use crate::mail::mime::{Indexer, Limits};
use crate::mail::subject::base;
use crate::policy::{Identity, Mode, Terms};
use crate::seal::body::{CHUNK, ContentKey, Sealer};
use crate::store::intake::{NewMessage, Prepared};
use crate::store::records::Message;
use crate::store::{BodyWriter, StoreError};

use super::access::{self, Missing};
use super::codes::Codes;
use super::delivery::{self, Addressee, Found, Mail};
use super::{Inner, IntakeError, Recipient};

/// How often deliveries are built again when another mail of the same sender came in between. Each time that one was taken, so
/// that a mail to one new recipient needs two rounds at most.
const ROUNDS: usize = 16;

/// One mail on its way in. Dropped, nothing of it stays.
pub struct Sealing {
    intake: Arc<Inner>,
    id: MessageId,
    identity: Identity,
    facts: HeaderFacts,
    recipients: Vec<Addressee>,
    codes: Codes,
    content_key: ContentKey,
    sealer: Sealer,
    indexer: Indexer,
    /// Of what comes after the header block.
    body_hash: Sha256,
    /// Plain bytes so far.
    len: u64,
    /// Ciphertext that is not in `body` yet.
    pub(super) sealed: Vec<u8>,
    /// `None` once a write failed or was cancelled: then bytes are missing, and the mail cannot be taken.
    pub(super) body: Option<BodyWriter>,
}

impl Sealing {
    pub(super) async fn begin(
        intake: Arc<Inner>,
        identity: Identity,
        facts: HeaderFacts,
        mut recipients: Vec<Recipient>,
        header: &[u8],
    ) -> Result<Self, IntakeError> {
        let entropy = &*intake.entropy;
        let id = MessageId::random(entropy);
        let body = Some(intake.store.new_body(id)?);
        let mut seen = BTreeSet::new();
        recipients.retain(|recipient| seen.insert(recipient.address.key()));
        let content_key = ContentKey::generate(entropy);
        let mut out = Vec::new();
        let sealer = Sealer::new(&content_key, id, entropy, &mut out);
        let mode = strictest(recipients.iter().map(|recipient| &recipient.terms));
        let mut codes = Codes::new(intake.codes.clone(), mode);
        let recipients = judged(&intake, recipients)?;
        for recipient in &recipients {
            let key = recipient.address.key();
            let found = Found::of(&intake, &identity.address.key(), &key).await?;
            let known = found.as_ref().map(Found::known);
            let least = (mode, recipient.terms.level);
            if access::missing(known, &recipient.asked, least, &recipient.address)? == Missing::Code {
                codes.begin(key);
            }
        }
        let indexer = Indexer::new(Limits::default());
        let body_hash = Sha256::new();
        let mut sealing = Self {
            intake,
            id,
            identity,
            facts,
            recipients,
            codes,
            content_key,
            sealer,
            indexer,
            body_hash,
            len: 0,
            sealed: out,
            body,
        };
        sealing.seal(header).await?;
        Ok(sealing)
    }

    /// The message's id, for the log.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// Plain (unstuffed) bytes after the header block, starting with the empty line.
    ///
    /// # Errors
    /// [`IntakeError::TooLarge`], or the store's. After an error, or when dropped before it is done, nothing more of this mail
    /// is taken.
    pub async fn write(&mut self, plain: &[u8]) -> Result<(), IntakeError> {
        self.body_hash.update(plain);
        self.seal(plain).await
    }

    async fn seal(&mut self, plain: &[u8]) -> Result<(), IntakeError> {
        self.len = self.len.saturating_add(plain.len() as u64);
        // Taken out for as long as bytes are on their way.
        let body = self.body.take();
        let limit = self.check_size()?;
        let mut body = body.ok_or_else(interrupted)?;
        for piece in plain.chunks(CHUNK) {
            self.indexer.push(piece);
            self.sealer.push(piece, &mut self.sealed).map_err(|_| IntakeError::TooLarge(limit))?;
            if !self.sealed.is_empty() {
                // Not kept for the next chunk: a slow client would hold its memory.
                body.write(&std::mem::take(&mut self.sealed)).await?;
            }
        }
        self.body = Some(body);
        Ok(())
    }

    fn check_size(&self) -> Result<u64, IntakeError> {
        let limit = self.intake.settings.max_size;
        if self.len > limit { Err(IntakeError::TooLarge(limit)) } else { Ok(limit) }
    }

    /// Everything durable: 250 may be said.
    ///
    /// # Errors
    /// Nothing was taken, or, for [`StoreError::Uncertain`], it may have been.
    pub async fn take(self) -> Result<(), IntakeError> {
        self.store(When::Now).await.map(|_| ())
    }

    /// Durable but invisible, until [`Intake::commit`](super::Intake::commit). `None`: every recipient had this very mail already.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub async fn prepare(self) -> Result<Option<Prepared>, IntakeError> {
        self.store(When::Committed).await
    }

    async fn store(self, when: When) -> Result<Option<Prepared>, IntakeError> {
        let intake = Arc::clone(&self.intake);
        let Finished { mail, recipients, mut codes, mut new } = self.finish().await?;
        for _ in 0..ROUNDS {
            let unserved = delivery::unserved(&intake, &mail, &recipients).await?;
            if unserved.is_empty() {
                tracing::info!(sealed = %new.id, "not stored: all its recipients have this very mail already");
                return Ok(None);
            }
            new.message.expires = mail.received + longest(&unserved);
            new.message.reason = reasons(&unserved);
            new.deliveries.clear();
            for (recipient, repeat_key) in unserved {
                let delivery = delivery::build(&intake, &mail, &mut codes, &recipient, repeat_key).await?;
                new.deliveries.push(delivery);
            }
            let stored = match when {
                When::Now => intake.store.take(new).await?.map(|()| None),
                When::Committed => intake.store.prepare(new).await?.map(Some),
            };
            match stored {
                Ok(prepared) => return Ok(prepared),
                Err(overtaken) => new = *overtaken,
            }
        }
        Err(StoreError::NotReady("mails of one sender overtook each other too often".to_owned()).into())
    }

    /// The last chunk, and the body durable.
    async fn finish(self) -> Result<Finished, IntakeError> {
        let limit = self.check_size()?;
        let Self { intake, mut sealed, body, sealer, .. } = self;
        let mut body = body.ok_or_else(interrupted)?;
        let plain_len = sealer.finish(&mut sealed).map_err(|_| IntakeError::TooLarge(limit))?;
        body.write(&sealed).await?;
        let body = body.finish().await?;
        let mail = Mail {
            received: intake.clock.now(),
            identity: self.identity,
            mode: strictest(self.recipients.iter().map(|recipient| &recipient.terms)),
            message_id: self.facts.message_id.clone(),
            references: self.facts.references.clone(),
            subject: base(&self.facts.subject_untagged),
            body_hash: self.body_hash.finalize().into(),
        };
        let message = Message {
            received: mail.received,
            sender: mail.sender(),
            // In strict mode it stands in the manifest alone.
            subject: match mail.mode {
                Mode::Assisted => self.facts.subject_untagged.clone(),
                Mode::Strict => String::new(),
            },
            expires: mail.received,
            sealed_len: body.len(),
            in_file: body.inline().is_none(),
            plain_len,
            reason: String::new(),
            conversations: Vec::new(),
            checksum: body.checksum(),
        };
        let content_key = self.content_key;
        let encoded = Manifest::new(&self.facts, self.indexer.finish()).encode();
        let manifest = match mail.mode {
            Mode::Assisted => encoded,
            Mode::Strict => content_key.seal_manifest(self.id, &encoded, &*intake.entropy),
        };
        let new = NewMessage { id: self.id, message, manifest, body, content_key, deliveries: Vec::new() };
        Ok(Finished { mail, recipients: self.recipients, codes: self.codes, new })
    }
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealing").field("id", &self.id).field("len", &self.len).finish_non_exhaustive()
    }
}

/// A mail whose body is durable and whose deliveries are still to be built.
struct Finished {
    mail: Mail,
    recipients: Vec<Addressee>,
    codes: Codes,
    new: NewMessage,
}

/// When a mail counts.
#[derive(Clone, Copy)]
enum When {
    Now,
    Committed,
}

type Unserved = (Addressee, Option<[u8; 32]>);

/// What the mail asks for each recipient, judged before anything is taken.
fn judged(intake: &Inner, recipients: Vec<Recipient>) -> Result<Vec<Addressee>, IntakeError> {
    let numbers = intake.settings.numbers.as_ref();
    let judge = |Recipient { address, terms }| {
        let asked = access::asked(terms.proof.as_ref(), &address, numbers)?;
        Ok(Addressee { address, terms, asked })
    };
    recipients.into_iter().map(judge).collect()
}

/// A message is there once for all its recipients, so it stays as long as the longest of their terms.
fn longest(recipients: &[Unserved]) -> std::time::Duration {
    recipients.iter().map(|(recipient, _)| recipient.terms.expires).max().unwrap_or_default()
}

/// A message is there once for all its recipients: what can be opened for one of them can be opened.
fn strictest<'a>(terms: impl Iterator<Item = &'a Terms>) -> Mode {
    terms.map(|terms| terms.mode).max().unwrap_or_default()
}

/// Each reason once.
fn reasons(recipients: &[Unserved]) -> String {
    let reasons: BTreeSet<&str> = recipients.iter().map(|(recipient, _)| recipient.terms.reason.as_str()).collect();
    reasons.into_iter().collect::<Vec<_>>().join("; ")
}

fn interrupted() -> IntakeError {
    StoreError::NotReady("an earlier write of this mail failed or was cancelled".to_owned()).into()
}
