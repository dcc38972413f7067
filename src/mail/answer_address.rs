//! Answer addresses: where the answers of a conversation come from. The token in one names the conversation and opens nothing; it is compared
//! in lower case, since servers may change its case.

use data_encoding::BASE32_NOPAD;

use super::{Address, AddressError, Domain};

/// How the local part begins.
const PREFIX: &str = "antwoord+";

/// The address of a token (160 bits, 32 characters of lower-case base32).
///
/// # Errors
/// Never in practice: the local part is valid, and so is the domain.
pub fn of(token: &[u8; 20], domain: &Domain) -> Result<Address, AddressError> {
    format!("{PREFIX}{}@{domain}", BASE32_NOPAD.encode(token).to_ascii_lowercase()).parse()
}

/// Whether an address is one of ours by its form, whatever token it has. Nothing to such an address may ever pass.
#[must_use]
pub fn is_one(address: &Address, domain: &Domain) -> bool {
    let local = address.local().to_ascii_lowercase();
    address.domain() == domain && local.trim_matches('"').starts_with(PREFIX)
}

/// The token of such an address; `None` when it has none that can be ours.
#[must_use]
pub fn token(address: &Address, domain: &Domain) -> Option<[u8; 20]> {
    if address.domain() != domain {
        return None;
    }
    let local = address.local().to_ascii_lowercase();
    let token = BASE32_NOPAD.decode(local.strip_prefix(PREFIX)?.to_ascii_uppercase().as_bytes()).ok()?;
    token.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_known_by_their_form() {
        let domain: Domain = "retour.example.nl".parse().unwrap();
        let address = of(&[7; 20], &domain).unwrap();
        assert_eq!((address.local().len(), token(&address, &domain)), (PREFIX.len() + 32, Some([7; 20])));
        let upper: Address = address.as_str().to_uppercase().parse().unwrap();
        assert_eq!((token(&upper, &domain), is_one(&upper, &domain)), (Some([7; 20]), true));
        for (text, ours) in [
            ("antwoord+x@retour.example.nl", true),
            ("Antwoord+@Retour.Example.NL", true),
            ("\"antwoord+a b\"@retour.example.nl", true),
            ("antwoord@retour.example.nl", false),
            ("b-abc@retour.example.nl", false),
            ("antwoord+x@example.nl", false),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((is_one(&address, &domain), token(&address, &domain)), (ours, None), "{text}");
        }
    }
}
