//! Epochs: from the key of one mail in a conversation to those of all later ones, and to none before.
//!
//! Every epoch has a conversation key of its own and a pair; the private half is wrapped under that key. The key of the next epoch is
//! sealed to the public half, which needs no secret: a mail can be added to a conversation that nobody here can read.

use crate::base::Entropy;

use super::OpenError;
use super::hybrid::{PrivateKey, PublicKey};
use super::lock::ConversationKey;
use super::strict::Epoch;
use super::wrap::{self, Place, Purpose};

/// First byte of a wrapped private half.
const VERSION: u8 = 1;
const PRIVATE: Purpose = Purpose { key: "zegel/v1/epoch/key", commitment: "zegel/v1/epoch/commitment" };
const CHAIN: &[u8] = b"zegel/v1/epoch/chain";

/// The stored half of one epoch: its pair, and its key for who has the epoch before.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct EpochKeys {
    /// The public half ([`PublicKey`]).
    #[cbor(n(0), with = "minicbor::bytes")]
    public: Vec<u8>,
    /// The private half under this epoch's conversation key.
    #[cbor(n(1), with = "minicbor::bytes")]
    private: Vec<u8>,
    /// This epoch's conversation key, sealed to the public half of the epoch before; the first has none.
    #[cbor(n(2), with = "minicbor::bytes")]
    from_before: Option<Vec<u8>>,
}

impl EpochKeys {
    /// Those of the first epoch, whose key is `key`.
    #[must_use]
    pub fn first(at: Epoch, key: &ConversationKey, entropy: &dyn Entropy) -> Self {
        let private = PrivateKey::generate(entropy);
        let public = private.public().to_bytes();
        let context = context(at, &public);
        let place = Place { prefix: &[VERSION], context: &context };
        let private = wrap::seal(key.secret(), PRIVATE, place, private.secret().expose(), entropy);
        Self { public, private, from_before: None }
    }

    /// Those of an epoch that follows `before`. `at` is the new one's place.
    #[must_use]
    pub fn after(before: &PublicKey, at: Epoch, key: &ConversationKey, entropy: &dyn Entropy) -> Self {
        let sealed = before.seal(&chain(at), key.secret().expose(), entropy);
        Self { from_before: Some(sealed), ..Self::first(at, key, entropy) }
    }

    /// To whom the next epoch's key is sealed.
    ///
    /// # Errors
    /// When the stored bytes are no key.
    pub fn public(&self) -> Result<PublicKey, OpenError> {
        PublicKey::from_bytes(&self.public)
    }

    /// From this epoch's key to the next one's, whose stored half is `next`. `at` is this one's place.
    ///
    /// # Errors
    /// [`OpenError::Format`] when `next` does not follow an epoch; [`OpenError::WrongKey`] when `key` is not this epoch's;
    /// [`OpenError::Damaged`] for other bytes or another place.
    pub fn step(&self, at: Epoch, key: &ConversationKey, next: &Self) -> Result<ConversationKey, OpenError> {
        let sealed = next.from_before.as_deref().ok_or(OpenError::Format)?;
        let (prefix, wrapped) = self.private.split_first_chunk::<1>().ok_or(OpenError::Truncated)?;
        if *prefix != [VERSION] {
            return Err(OpenError::Format);
        }
        let context = context(at, &self.public);
        let private = wrap::open(key.secret(), PRIVATE, Place { prefix, context: &context }, wrapped)?;
        let private = PrivateKey::new(wrap::key(&private)?);
        let number = at.number.checked_add(1).ok_or(OpenError::Format)?;
        let plain = private.open(&chain(Epoch { number, ..at }), sealed)?;
        wrap::key(&plain).map(ConversationKey::from_secret)
    }
}

/// What a private half is bound by: its epoch and its public half.
fn context(at: Epoch, public: &[u8]) -> Vec<u8> {
    [&at.context(), public].concat()
}

/// What the key of an epoch is bound by on its way there from the epoch before.
fn chain(at: Epoch) -> Vec<u8> {
    [CHAIN, &at.context()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ConversationId, SeededEntropy};

    const CONVERSATION: ConversationId = ConversationId([7; 16]);

    fn at(number: u32) -> Epoch {
        Epoch { conversation: CONVERSATION, number }
    }

    /// Keys and stored halves of so many epochs.
    fn chain_of(epochs: u32, entropy: &SeededEntropy) -> (Vec<ConversationKey>, Vec<EpochKeys>) {
        let (mut keys, mut stored) = (Vec::new(), Vec::<EpochKeys>::new());
        for number in 1..=epochs {
            let key = ConversationKey::generate(entropy);
            stored.push(match stored.last() {
                None => EpochKeys::first(at(number), &key, entropy),
                Some(before) => EpochKeys::after(&before.public().unwrap(), at(number), &key, entropy),
            });
            keys.push(key);
        }
        (keys, stored)
    }

    #[test]
    fn a_key_leads_to_every_later_epoch_and_to_none_before() {
        let entropy = SeededEntropy::new(1);
        let (keys, stored) = chain_of(4, &entropy);
        for from in 0..4 {
            let mut key = keys[from].clone();
            for to in from + 1..4 {
                let number = u32::try_from(to).unwrap();
                key = stored[to - 1].step(at(number), &key, &stored[to]).unwrap();
                assert!(key == keys[to], "{from} to {to}");
            }
            // The key of a later epoch opens no private half of an earlier one, which is the only way to it.
            for earlier in 0..from {
                let number = u32::try_from(earlier + 1).unwrap();
                let step = stored[earlier].step(at(number), &keys[from], &stored[earlier + 1]);
                assert_eq!(step, Err(OpenError::WrongKey), "{from} to {earlier}");
            }
        }
    }

    #[test]
    fn a_step_fits_its_two_epochs_only() {
        let entropy = SeededEntropy::new(1);
        let (keys, stored) = chain_of(3, &entropy);
        assert_eq!(stored[0].step(at(1), &keys[0], &stored[2]), Err(OpenError::Damaged), "an epoch left out");
        assert_eq!(stored[0].step(at(1), &keys[0], &stored[0]), Err(OpenError::Format), "the first follows none");
        assert_eq!(stored[0].step(at(2), &keys[0], &stored[1]), Err(OpenError::Damaged), "another place");
        let elsewhere = Epoch { conversation: ConversationId([8; 16]), number: 1 };
        assert_eq!(stored[0].step(elsewhere, &keys[0], &stored[1]), Err(OpenError::Damaged));
        let (_, strange) = chain_of(2, &entropy);
        assert_eq!(stored[0].step(at(1), &keys[0], &strange[1]), Err(OpenError::Damaged), "another conversation's");
        let swapped = EpochKeys { public: strange[0].public.clone(), ..stored[0].clone() };
        assert_eq!(swapped.step(at(1), &keys[0], &stored[1]), Err(OpenError::Damaged), "another public half");
    }

    #[test]
    fn any_flipped_bit_breaks_the_step() {
        let entropy = SeededEntropy::new(1);
        let (keys, stored) = chain_of(2, &entropy);
        for byte in 0..stored[0].private.len() {
            let mut bad = stored[0].clone();
            bad.private[byte] ^= 1 << (byte % 8);
            assert!(bad.step(at(1), &keys[0], &stored[1]).is_err(), "private byte {byte}");
            bad.private.truncate(byte);
            assert!(bad.step(at(1), &keys[0], &stored[1]).is_err(), "private cut to {byte}");
        }
        let sealed = stored[1].from_before.clone().unwrap();
        for byte in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[byte] ^= 1 << (byte % 8);
            let bad = EpochKeys { from_before: Some(bad), ..stored[1].clone() };
            assert!(stored[0].step(at(1), &keys[0], &bad).is_err(), "sealed byte {byte}");
        }
    }
}
