//! What is stored, as numbered CBOR fields: a field's number never changes its meaning, new ones are optional.

mod job;
mod secret;
mod wish;

use minicbor::{Decode, Encode};

use crate::base::{ContactId, ConversationId, GrantId, MessageId, Timestamp};

pub use super::phone::Phone;
pub use job::{Job, JobKind, OneTime, Subject};
pub use secret::{JobSecret, LeasedJob};
pub use wish::Wish;

/// Who sent a sealed mail, and where mails to that person go.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Sender {
    /// The From address.
    #[n(0)]
    pub address: String,
    /// The display name, empty when there was none.
    #[n(1)]
    pub name: String,
    /// The home mailbox that gets codes and receipts: the sender's own, or the organisation's fallback.
    #[n(2)]
    pub mailbox: String,
}

/// One sealed mail. The body is elsewhere; nothing here is needed to decrypt it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Message {
    /// When we took custody.
    #[n(0)]
    pub received: Timestamp,
    /// Who sent it.
    #[n(1)]
    pub sender: Sender,
    /// The subject without tag; may be empty.
    #[n(2)]
    pub subject: String,
    /// When it goes.
    #[n(3)]
    pub expires: Timestamp,
    /// Sealed length of the body, bytes.
    #[n(4)]
    pub sealed_len: u64,
    /// Whether the body is a file of its own (else a value).
    #[n(5)]
    pub in_file: bool,
    /// Plain length of the body, bytes.
    #[n(6)]
    pub plain_len: u64,
    /// The policy's reason, e.g. `subject tag [veilig]` or `rule zorg`; no content.
    #[n(7)]
    pub reason: String,
    /// Its conversations, one per recipient.
    #[n(8)]
    pub conversations: Vec<ConversationId>,
    /// CRC-32C of the sealed body, of one that is a file. Records of release 0.1.0 do not tell it.
    #[n(9)]
    pub checksum: Option<u32>,
}

/// The messages between one sender and one recipient in one thread.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Conversation {
    /// The sender.
    #[n(0)]
    pub sender: Sender,
    /// The recipient's address, as in the envelope.
    #[n(1)]
    pub recipient: String,
    /// What the sender knows of the recipient.
    #[n(2)]
    pub contact: ContactId,
    /// When it began.
    #[n(3)]
    pub created: Timestamp,
    /// How many mails came after the first: each that joins counts itself here, so that nobody removes the conversation meanwhile.
    #[n(4)]
    pub joined: Option<u32>,
}

/// One message in one conversation: what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Delivery {
    /// The grant whose link the recipient got.
    #[n(0)]
    pub grant: GrantId,
    /// When the next hop took the notice.
    #[n(1)]
    pub noticed: Option<Timestamp>,
    /// When the recipient first opened it.
    #[n(2)]
    pub opened: Option<Timestamp>,
    /// When we gave up sending the notice.
    #[n(3)]
    pub failed: Option<Timestamp>,
    /// In strict mode: the epoch under whose key the content key stands.
    #[n(4)]
    pub epoch: Option<u32>,
}

/// How a recipient proves who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Proof {
    /// An access code of eight digits, of which a verifier is kept.
    #[n(0)]
    Code,
    /// An access code that nobody can guess, of which a pair is kept that only the code opens.
    #[n(1)]
    StrictCode,
    /// A code of six digits by SMS, to the number that is kept apart.
    #[n(2)]
    Sms,
    /// A code of six digits by mail, to the mailbox that the notice goes to: a low level, which a rule of the config must name. No contact
    /// who proves themselves otherwise ever gets it, so that nothing opens with less than it was sealed for.
    #[n(3)]
    Mail,
}

impl Proof {
    /// By a one-time code that is asked for on the page.
    #[must_use]
    pub const fn is_one_time(self) -> bool {
        matches!(self, Self::Sms | Self::Mail)
    }

    /// By a code that the sender passes on.
    #[must_use]
    pub const fn is_access_code(self) -> bool {
        !self.is_one_time()
    }

    /// Its name in the answers of commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::StrictCode => "strict code",
            Self::Sms => "sms",
            Self::Mail => "mail",
        }
    }
}

/// What one sender knows of one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Contact {
    /// The recipient's address, as first written.
    #[n(0)]
    pub address: String,
    /// The recipient's name, empty when unknown.
    #[n(1)]
    pub name: String,
    /// `nl` or `en`; empty for the organisation's own.
    #[n(2)]
    pub language: String,
    /// How they prove who they are.
    #[n(3)]
    pub proof: Proof,
    /// Counts the codes made for this contact, from 1; a session ends when it no longer matches.
    #[n(4)]
    pub generation: u32,
    /// A hint to the code, empty when there is none.
    #[n(5)]
    pub hint: String,
    /// When the contact was made.
    #[n(6)]
    pub created: Timestamp,
    /// Who gets a new code: the sender's home mailbox, or the fallback.
    #[n(7)]
    pub mailbox: String,
    /// Whose contact it is: the sender's address; empty for the organisation's own, which serves every sender who has none.
    #[n(8)]
    pub sender: String,
    /// The sender's display name.
    #[n(9)]
    pub sender_name: String,
}

/// Our record of one link.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Grant {
    /// The message it was made for.
    #[n(0)]
    pub message: MessageId,
    /// The conversation it opens.
    #[n(1)]
    pub conversation: ConversationId,
    /// Whose proof counts.
    #[n(2)]
    pub contact: ContactId,
    /// When it was made.
    #[n(3)]
    pub created: Timestamp,
    /// When it ends.
    #[n(4)]
    pub expires: Timestamp,
    /// The short reference that the notice shows (`K7QF-2M9D`).
    #[n(5)]
    pub reference: String,
    /// Hash of the link token, under which the link is found. Grants of release 0.1.0 do not tell it.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub link: Option<[u8; 32]>,
    /// Keyed hash that recognises the mail when its client repeats it.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub repeat: Option<[u8; 32]>,
    /// How it is locked in strict mode; absent in assisted mode.
    #[n(8)]
    pub strict: Option<StrictGrant>,
    /// Hashes of further links to it, of fresh notices; absent where there is none.
    #[n(9)]
    pub more: Option<Vec<LinkHash>>,
    /// Keyed hash under which a mail that refers to this one finds their conversation; see [`super::conversation::Thread`].
    #[cbor(n(10), with = "minicbor::bytes")]
    pub thread: Option<[u8; 32]>,
}

/// Hash of a link token.
pub type LinkHash = minicbor::bytes::ByteArray<32>;

impl Grant {
    /// Hashes of all its links, as far as it tells them.
    pub fn links(&self) -> impl Iterator<Item = [u8; 32]> {
        self.link.into_iter().chain(self.more.iter().flatten().map(|hash| **hash))
    }

    /// Whether this is the link of a fresh notice, not of the first.
    #[must_use]
    pub fn is_further(&self, link: &[u8; 32]) -> bool {
        self.more.iter().flatten().any(|hash| **hash == *link)
    }
}

/// What a strict lock needs, so that the page can ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct StrictGrant {
    /// The epoch that the link opens, and with it all later ones.
    #[n(0)]
    pub epoch: u32,
    /// Which code of the contact it asks for beside the link.
    #[n(1)]
    pub generation: Option<u32>,
}

/// One browser that proved itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Session {
    /// Through which grant.
    #[n(0)]
    pub grant: GrantId,
    /// When the proof was given.
    #[n(1)]
    pub created: Timestamp,
    /// Last request, to the minute.
    #[n(2)]
    pub seen: Timestamp,
    /// The contact's generation at that time.
    #[n(3)]
    pub generation: u32,
}
