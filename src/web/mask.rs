//! A recipient's address and telephone number, masked: enough to know them as one's own, too little to learn them.

use crate::store::records::Phone;

/// The first and last character of the name, and the domain: `j•••••s@example.nl`. The number of dots tells nothing.
pub(super) fn address(address: &str) -> String {
    const DOTS: &str = "•••••";
    let (name, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let mut letters = name.chars();
    let first = letters.next().map(String::from).unwrap_or_default();
    // A short name would be shown whole.
    let last = letters.next_back().filter(|_| name.chars().count() > 3).map(String::from).unwrap_or_default();
    let at = if domain.is_empty() { "" } else { "@" };
    format!("{first}{DOTS}{last}{at}{domain}")
}

/// A telephone number's last digits, as its owner knows it: `*******678`.
pub(super) fn phone(phone: &Phone) -> String {
    format!("*******{}", phone.end())
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_hidden() {
        let cases = [
            ("jan.devries@example.nl", "j•••••s@example.nl"),
            ("jan@example.nl", "j•••••@example.nl"),
            ("j@example.nl", "j•••••@example.nl"),
            ("\"a@b\"@example.nl", "\"•••••\"@example.nl"),
            ("éloïse@example.nl", "é•••••e@example.nl"),
            ("", "•••••"),
        ];
        for (address, expected) in cases {
            assert_eq!(super::address(address), expected);
        }
    }
}
