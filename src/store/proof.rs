//! From a link to an open session: grants, tries, verifiers, sessions. A try is counted durably before a code is compared.

use crate::access::{Admission, Limits, Network};
use crate::base::{ContactId, GrantId, MessageId};
use crate::seal::code::Verifier;
use crate::seal::token::{LinkToken, SessionToken};

use super::intake::NewJob;
use super::records::{Contact, Conversation, Grant, Message, Session};
use super::{Store, StoreError};

/// A link and what page 1 shows of it.
#[derive(Debug, Clone)]
pub struct GrantView {
    /// The grant's id.
    pub id: GrantId,
    /// The grant.
    pub grant: Grant,
    /// Its conversation: sender and recipient.
    pub conversation: Conversation,
    /// Its contact: language, hint, generation.
    pub contact: Contact,
}

/// An open session and where it leads.
#[derive(Debug, Clone)]
pub struct OpenSession {
    /// The session.
    pub session: Session,
    /// Its grant and what belongs to it.
    pub view: GrantView,
    /// The message.
    pub message: Message,
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Without a request.
    pub idle: std::time::Duration,
    /// In all.
    pub longest: std::time::Duration,
}

impl Store {
    /// The grant behind a link; `None` when there is none or it has ended. Changes nothing.
    pub async fn grant(&self, token: &LinkToken) -> Result<Option<GrantView>, StoreError> {
        todo!()
    }
    /// The same by id (for jobs and commands).
    pub async fn grant_by_id(&self, id: GrantId) -> Result<Option<GrantView>, StoreError> {
        todo!()
    }
    /// Whether a try would be admitted. Changes nothing.
    pub async fn may_try(&self, view: &GrantView, network: Network, limits: &Limits) -> Result<Admission, StoreError> {
        todo!()
    }
    /// Counts a try, durably, exactly also under parallel tries. When it closes the grant or contact, the mail to the sender is
    /// queued in the same commit.
    pub async fn count_try(
        &self,
        view: &GrantView,
        network: Network,
        limits: &Limits,
    ) -> Result<Admission, StoreError> {
        todo!()
    }
    /// The contact's verifier and the generation it belongs to.
    pub async fn verifier(&self, contact: ContactId) -> Result<Option<(Verifier, u32)>, StoreError> {
        todo!()
    }
    /// The code was right: gives the try back, opens a session, marks the delivery opened; one commit.
    pub async fn open_session(
        &self,
        view: &GrantView,
        network: Network,
        token: &SessionToken,
    ) -> Result<(), StoreError> {
        todo!()
    }
    /// The session behind a cookie, if it is alive: within its limits, its grant not ended, its contact's code not replaced.
    pub async fn session(
        &self,
        token: &SessionToken,
        limits: &SessionLimits,
    ) -> Result<Option<OpenSession>, StoreError> {
        todo!()
    }
    /// Logs out.
    pub async fn close_session(&self, token: &SessionToken) -> Result<(), StoreError> {
        todo!()
    }
    /// The sender unlocks every link of a message and its contacts. Returns the number of links, `None` for no such message.
    pub async fn unlock_message(&self, id: MessageId) -> Result<Option<usize>, StoreError> {
        todo!()
    }
    /// Gives a contact a new code: verifier replaced, generation raised, counts cleared, open sessions end, code mail queued.
    pub async fn replace_code(&self, contact: ContactId, verifier: Verifier, mail: NewJob) -> Result<bool, StoreError> {
        todo!()
    }
    /// A contact by id.
    pub async fn contact(&self, id: ContactId) -> Result<Option<Contact>, StoreError> {
        todo!()
    }
}
