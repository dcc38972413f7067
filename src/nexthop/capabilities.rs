//! The extensions of a hop that a mail may need (RFC 5321 §2.2).

/// What a hop offers that it must honour itself.
#[expect(clippy::struct_excessive_bools, reason = "one per extension, as EHLO lists them")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// 8BITMIME (RFC 6152).
    pub eightbit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// REQUIRETLS (RFC 8689).
    pub requiretls: bool,
    /// SIZE (RFC 1870): its limit, 0 for none told; `None` when not offered.
    pub size: Option<u64>,
}

impl Capabilities {
    /// What both offer. The smaller limit on the size counts, 0 being none.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let size = |a: u64, b: u64| if a == 0 || b == 0 { a.max(b) } else { a.min(b) };
        Self {
            eightbit: self.eightbit && other.eightbit,
            smtputf8: self.smtputf8 && other.smtputf8,
            dsn: self.dsn && other.dsn,
            requiretls: self.requiretls && other.requiretls,
            size: self.size.zip(other.size).map(|(a, b)| size(a, b)),
        }
    }
}
