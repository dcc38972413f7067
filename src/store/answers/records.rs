//! What is stored of an answer, as numbered CBOR fields.

use std::fmt;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::base::{ConversationId, GrantId, MessageId, Timestamp};
use crate::store::records::Sender;

/// An answer, or the draft of one.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Answer {
    /// The message that it answers.
    #[n(0)]
    pub to: MessageId,
    /// Through which link it was begun.
    #[n(1)]
    pub grant: GrantId,
    /// When it was begun.
    #[n(2)]
    pub created: Timestamp,
    /// When it was last changed.
    #[n(3)]
    pub changed: Timestamp,
    /// When it was sent; absent: a draft.
    #[n(4)]
    pub sent: Option<Timestamp>,
    /// The sealed [`Letter`].
    #[cbor(n(5), with = "minicbor::bytes")]
    pub letter: Vec<u8>,
    /// Its files.
    #[n(6)]
    pub pieces: Vec<Piece>,
    /// In strict mode: the epoch under whose key the content key stands.
    #[n(7)]
    pub epoch: Option<u32>,
    /// When a draft goes; or, after its message went, what is left of an answer.
    #[n(8)]
    pub ends: Option<Timestamp>,
    /// When the sender's mail server took it.
    #[n(9)]
    pub delivered: Option<Timestamp>,
    /// When we gave up bringing it to the sender's own mailbox.
    #[n(10)]
    pub failed: Option<Timestamp>,
    /// Malware was found in a file: it goes nowhere.
    #[n(11)]
    pub refused: Option<Refused>,
}

/// Malware in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Refused {
    /// When it was found.
    #[n(0)]
    pub at: Timestamp,
    /// In which file, counted from 0.
    #[n(1)]
    pub file: u32,
}

/// One file of an answer. Its name stands in the letter, at the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Piece {
    /// The sealed body's own id.
    #[n(0)]
    pub id: MessageId,
    /// Bytes as they were uploaded.
    #[n(1)]
    pub plain_len: u64,
    /// Bytes as they are stored.
    #[n(2)]
    pub sealed_len: u64,
    /// Whether the body is a file of its own.
    #[n(3)]
    pub in_file: bool,
    /// As [`crate::store::records::Message::checksum`].
    #[n(4)]
    pub checksum: Option<u32>,
}

/// Whose a file is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(in crate::store) struct Owner {
    #[n(0)]
    pub(in crate::store) conversation: ConversationId,
    #[n(1)]
    pub(in crate::store) answer: MessageId,
    /// The sealed body, where it is no file of its own.
    #[n(2)]
    pub(in crate::store) sealed: Option<ByteVec>,
}

/// What a person wrote. Its `Debug` shows nothing of that.
#[derive(Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Letter {
    /// The text, lines ended by LF.
    #[n(0)]
    pub text: String,
    /// The names of the files, in the order of [`Answer::pieces`].
    #[n(1)]
    pub files: Vec<FileName>,
    /// Whom it goes to; from the moment that it is sent.
    #[n(2)]
    pub thread: Option<Thread>,
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letter({} files)", self.files.len())
    }
}

/// A file as its owner calls it.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct FileName {
    /// Its name, made harmless; never empty.
    #[n(0)]
    pub name: String,
    /// `type/subtype` in lower case.
    #[n(1)]
    pub kind: String,
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileName(…)")
    }
}

/// What the mail that brings an answer says beside the answer: all of it stands here, since the message may be gone by then.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Thread {
    /// Who gets it.
    #[n(0)]
    pub sender: Sender,
    /// The address of who wrote it.
    #[n(1)]
    pub writer: String,
    /// The name of who wrote it; empty when unknown.
    #[n(2)]
    pub writer_name: String,
    /// The writer's language; empty for the organisation's own.
    #[n(3)]
    pub language: String,
    /// The subject of the message that it answers.
    #[n(4)]
    pub subject: String,
    /// That message's Message-ID, without brackets.
    #[n(5)]
    pub message_id: Option<String>,
    /// What that message referred to, oldest first.
    #[n(6)]
    pub references: Vec<String>,
    /// The token of the conversation's answer address.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub token: [u8; 20],
    /// The reference in the notice of that message.
    #[n(8)]
    pub reference: String,
    /// When that message was taken.
    #[n(9)]
    pub received: Timestamp,
    /// The sender's address, where that is outside the organisation's own domains: they get no content.
    #[n(10)]
    pub away: Option<String>,
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Thread(…)")
    }
}
