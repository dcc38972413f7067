//! What a recipient can ask for.

use minicbor::{Decode, Encode};

/// What a recipient asks of the sender on the page. It changes nothing: the sender gets a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Wish {
    /// "Is the number not right?"
    #[n(0)]
    OtherNumber,
    /// "I have no code or lost it", or the mail with it does not come.
    #[n(1)]
    Code,
    /// "I would rather get a code by SMS", or an access code in the place of one-time codes.
    #[n(2)]
    OtherProof,
    /// "Please send it again", of a message that is gone. Its grant is gone too: the stub tells whose message it was.
    #[n(3)]
    Again,
}

impl Wish {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OtherNumber, Self::Code, Self::OtherProof, Self::Again];
}
