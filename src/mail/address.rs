//! Mail addresses and domains (RFC 5321 §4.1.2, RFC 6531 §3.3).

use std::fmt;
use std::str::FromStr;

/// Why a text is not an address that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `@`, or nothing on one side of it.
    #[error("an address is a name, an @ and a domain")]
    Shape,
    /// The local part is over 64 octets or holds a character that must be quoted.
    #[error("the part before the @ is not valid")]
    Local,
    /// The domain is over 255 octets, has an empty label, or is not valid IDNA.
    #[error("the domain is not valid")]
    Domain,
}

/// A domain as A-labels in lower case: the form in which domains are compared (RFC 5891 §3.1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

impl Domain {
    /// The A-label form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `parent` or a name below it.
    #[must_use]
    pub fn is_within(&self, parent: &Self) -> bool {
        self.0.strip_suffix(&parent.0).is_some_and(|head| head.is_empty() || head.ends_with('.'))
    }
}

impl FromStr for Domain {
    type Err = AddressError;

    /// A domain name (an address literal in brackets is taken as it is, in lower case).
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() || text.len() > 255 {
            return Err(AddressError::Domain);
        }
        if let Some(literal) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-');
            let valid = !literal.is_empty() && literal.chars().all(allowed);
            return if valid { Ok(Self(text.to_ascii_lowercase())) } else { Err(AddressError::Domain) };
        }
        let ascii = idna::domain_to_ascii_strict(text).map_err(|_| AddressError::Domain)?;
        let valid_label = |l: &str| !l.is_empty() && l.len() <= 63;
        if ascii.len() > 253 || !ascii.split('.').all(valid_label) {
            return Err(AddressError::Domain);
        }
        Ok(Self(ascii))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Some domains, or every one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainSet {
    /// These, without the names below them.
    Listed(Vec<Domain>),
    /// Every domain there is: only the demo says so.
    Every,
}

impl DomainSet {
    /// Whether it holds a domain.
    #[must_use]
    pub fn holds(&self, domain: &Domain) -> bool {
        match self {
            Self::Listed(domains) => domains.contains(domain),
            Self::Every => true,
        }
    }

    /// The domains that are listed.
    #[must_use]
    pub fn listed(&self) -> &[Domain] {
        match self {
            Self::Listed(domains) => domains,
            Self::Every => &[],
        }
    }
}

impl Default for DomainSet {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

/// A mailbox address, kept as written; compared by [`Address::key`].
///
/// The local part is in wire form: quoted where the grammar wants quotes. `Debug` shows the masked form, so that no address gets
/// into a log by way of a larger thing.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    text: String,
    at: usize,
    domain: Domain,
}

impl Address {
    /// The part before the `@`, as written (with its quotes).
    #[must_use]
    pub fn local(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// The domain, for comparing.
    #[must_use]
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The address as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The form in which addresses are looked up: local part in lower case, domain as A-labels. Quotes and backslashes that change
    /// nothing are left out: `"jan"@a.example` is `jan@a.example` (RFC 5321 §4.1.2).
    #[must_use]
    pub fn key(&self) -> String {
        let local = self.local().to_lowercase();
        let Some(quoted) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
            return format!("{local}@{}", self.domain);
        };
        let text = unescaped(quoted);
        if is_dot_string(&text) {
            return format!("{text}@{}", self.domain);
        }
        format!("\"{}\"@{}", text.replace('\\', "\\\\").replace('"', "\\\""), self.domain)
    }

    /// The address as a reader of a page without proof may see it: `j•••••s@example.nl`.
    #[must_use]
    pub fn masked(&self) -> String {
        let mut chars = self.local().chars();
        let first = chars.next().unwrap_or('•');
        let last = chars.next_back();
        let last = if self.local().chars().count() > 3 { last } else { None };
        format!("{first}•••••{}@{}", last.map(String::from).unwrap_or_default(), self.domain)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let at = text.rfind('@').ok_or(AddressError::Shape)?;
        let (local, domain) = text.split_at(at);
        let domain = domain.get(1..).unwrap_or_default();
        if local.is_empty() || domain.is_empty() {
            return Err(AddressError::Shape);
        }
        if local.len() > 64 || !(is_dot_string(local) || is_quoted_string(local)) {
            return Err(AddressError::Local);
        }
        Ok(Self { text: text.to_owned(), at, domain: domain.parse()? })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.masked())
    }
}

/// The text of a quoted string without the backslashes before characters.
fn unescaped(quoted: &str) -> String {
    let mut text = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        text.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    text
}

/// RFC 5321 `Dot-string`, with RFC 6531's UTF-8.
fn is_dot_string(local: &str) -> bool {
    let atext =
        |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control());
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(atext))
}

/// RFC 5321 `Quoted-string`, with RFC 6531's UTF-8.
fn is_quoted_string(local: &str) -> bool {
    let Some(inner) = local.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else { return false };
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if !chars.next().is_some_and(|next| (' '..='~').contains(&next)) => return false,
            '"' => return false,
            c if c.is_control() => return false,
            _ => {}
        }
    }
    !inner.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_ignore_case_and_use_a_labels() {
        let address: Address = "Jan@Bücher.Example".parse().unwrap();
        assert_eq!(address.key(), "jan@xn--bcher-kva.example");
        assert_eq!(address.as_str(), "Jan@Bücher.Example");
    }

    #[test]
    fn quoted_local_parts_are_kept() {
        let address: Address = "\"a b@c\"@d.example".parse().unwrap();
        assert_eq!(address.local(), "\"a b@c\"");
    }

    #[test]
    fn needless_quotes_make_no_other_address() {
        for (address, key) in [
            ("\"Jan\"@a.example", "jan@a.example"),
            ("\"j\\an\"@a.example", "jan@a.example"),
            ("\"jan.de.vries\"@a.example", "jan.de.vries@a.example"),
            ("\"jan..vries\"@a.example", "\"jan..vries\"@a.example"),
            ("\"a\\ b\"@a.example", "\"a b\"@a.example"),
            ("\"a\\\"\\\\b\"@a.example", "\"a\\\"\\\\b\"@a.example"),
        ] {
            let read: Address = address.parse().unwrap();
            assert_eq!(read.key(), key);
            assert_eq!(read.key().parse::<Address>().unwrap().key(), key, "a key is its own key");
        }
    }

    #[test]
    fn debug_is_masked() {
        assert_eq!(format!("{:?}", "jan.de.vries@a.example".parse::<Address>()), "Ok(Address(j•••••s@a.example))");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "a",
            "@b",
            "a@",
            "a..b@c.example",
            "a b@c.example",
            "\"a@b.example",
            "a@b..c",
            "a@b\r\n.c",
            "\"\\\"@b.c",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
        assert!(format!("{}@b.example", "a".repeat(65)).parse::<Address>().is_err());
    }

    #[test]
    fn a_masked_address_shows_two_letters_at_most() {
        assert_eq!("jan.vries@example.nl".parse::<Address>().unwrap().masked(), "j•••••s@example.nl");
        assert_eq!("ab@example.nl".parse::<Address>().unwrap().masked(), "a•••••@example.nl");
    }

    #[test]
    fn a_domain_is_within_itself_and_its_parents() {
        let parent: Domain = "example.nl".parse().unwrap();
        assert!("Mail.Example.NL".parse::<Domain>().unwrap().is_within(&parent));
        assert!(!"badexample.nl".parse::<Domain>().unwrap().is_within(&parent));
    }
}
