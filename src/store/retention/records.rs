//! What retention writes down: stubs of what is gone, and what is still to be seen through.

use minicbor::{Decode, Encode};

use crate::base::{ContactId, ConversationId, GrantId, MessageId, Timestamp};
use crate::store::records::LinkHash;

use super::again::Origin;

/// Why something is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Ending {
    /// Its time was over.
    #[n(0)]
    Expired,
    /// It was taken back.
    #[n(1)]
    Recalled,
    /// Everything about an address was erased.
    #[n(2)]
    Erased,
}

/// What stays of a link, or of a whole message, for a while: nothing of its content, and no subject.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Stub {
    /// Why it is gone.
    #[n(0)]
    pub why: Ending,
    /// Since when.
    #[n(1)]
    pub at: Timestamp,
    /// When the stub goes too.
    #[n(2)]
    pub until: Timestamp,
    /// Where the link is found; none for a message.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(in crate::store) link: Option<[u8; 32]>,
    /// Where its further links are.
    #[n(4)]
    pub(in crate::store) more: Option<Vec<LinkHash>>,
    /// Whose message it was, of a link through which it can be asked for again.
    #[n(5)]
    pub(in crate::store) origin: Option<Box<Origin>>,
}

impl Stub {
    /// Where all its links are found.
    pub(super) fn links(&self) -> impl Iterator<Item = [u8; 32]> {
        self.link.into_iter().chain(self.more.iter().flatten().map(|hash| **hash))
    }
}

/// How many entries the erasure ledger had, so that one that vanished or shrank is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(in crate::store) struct Seen {
    #[n(0)]
    pub(in crate::store) entries: u64,
}

/// What was removed in the commit that wrote this, and is still to be seen through.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(in crate::store) enum Purge {
    /// A message, for some or all of its recipients: its keys and records are gone already.
    #[n(0)]
    Message {
        /// Which.
        #[n(0)]
        id: MessageId,
        /// Why.
        #[n(1)]
        why: Ending,
        /// When it was removed.
        #[n(2)]
        at: Timestamp,
        /// When it would have gone by itself.
        #[n(3)]
        until: Timestamp,
        /// Its last recipient went: its body goes too.
        #[n(4)]
        whole: bool,
        /// The conversations that it is gone from.
        #[n(5)]
        conversations: Vec<ConversationId>,
        /// The links whose sessions end.
        #[n(6)]
        grants: Vec<GrantId>,
        /// Bodies of files of answers that go with it.
        #[n(7)]
        pieces: Option<Vec<MessageId>>,
    },
    /// A contact that no new mail finds any more, and that goes once no message needs it.
    #[n(1)]
    Contact {
        /// Which.
        #[n(0)]
        id: ContactId,
        /// When that was asked for.
        #[n(1)]
        at: Timestamp,
        /// The messages that may need it are found under this hash.
        #[cbor(n(2), with = "minicbor::bytes")]
        address: [u8; 32],
    },
}

/// Everything about an address is to go that was there when this was written.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(in crate::store) struct Erasure {
    /// The address as a recipient in the index of contacts.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(in crate::store) as_recipient: [u8; 32],
    /// The address as a sender there.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(in crate::store) as_sender: [u8; 32],
    /// When it was asked for.
    #[n(2)]
    pub(in crate::store) at: Timestamp,
}
