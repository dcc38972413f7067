//! Which next hop a recipient belongs to: for ordinary mail that passes, and for notices that we send.

use crate::mail::{Address, Domain};

use super::NextHop;

/// Which next hop takes which recipients.
#[derive(Debug, Clone)]
pub struct Routes {
    /// By recipient domain, first match.
    pub by_recipient: Vec<(Vec<Domain>, NextHop)>,
    /// All others.
    pub default: NextHop,
}

impl Routes {
    /// The hop for a recipient.
    #[must_use]
    pub fn of(&self, recipient: &Address) -> &NextHop {
        let found = self.by_recipient.iter().find(|(domains, _)| domains.contains(recipient.domain()));
        found.map_or(&self.default, |(_, hop)| hop)
    }

    /// All of them, the default first.
    pub fn hops(&self) -> impl Iterator<Item = &NextHop> {
        std::iter::once(&self.default).chain(self.by_recipient.iter().map(|(_, hop)| hop))
    }
}
