//! What the page shows of a sealed mail without opening its body: header fields and the index of the parts.
//!
//! Holds nothing that the recipient's own copy does not show: no Bcc, no envelope, no tag.

use std::fmt;

use minicbor::{Decode, Encode};

use super::header::HeaderFacts;
use super::mime::MimeIndex;

/// Header view and MIME index of one mail, stored encrypted beside its body. Its `Debug` shows the number of parts only.
#[derive(Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Manifest {
    /// From as people read it: `J. Jansen <j.jansen@voorbeeld.nl>`.
    #[n(0)]
    pub from: String,
    /// To as people read it.
    #[n(1)]
    pub to: String,
    /// Cc as people read it.
    #[n(2)]
    pub cc: String,
    /// Date as written, empty when there was none.
    #[n(3)]
    pub date: String,
    /// The subject without tag.
    #[n(4)]
    pub subject: String,
    /// The parts; offsets are into the stored bytes.
    #[n(5)]
    pub mime: MimeIndex,
    /// Message-ID, without brackets; absent where there was none, and in messages of release 0.1.
    #[n(6)]
    pub message_id: Option<String>,
    /// What it refers to, oldest first, without brackets; see [`HeaderFacts::references`].
    #[n(7)]
    pub references: Option<Vec<String>>,
}

/// The bytes are no manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a manifest")]
pub struct InvalidManifest;

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Manifest({} parts)", self.mime.parts.len())
    }
}

impl Manifest {
    /// From the facts of the header and the index of the stored bytes.
    #[must_use]
    pub fn new(facts: &HeaderFacts, mime: MimeIndex) -> Self {
        let from: Vec<String> = facts
            .from
            .iter()
            .map(|(name, address)| if name.is_empty() { address.to_string() } else { format!("{name} <{address}>") })
            .collect();
        Self {
            from: from.join(", "),
            to: facts.to.clone(),
            cc: facts.cc.clone(),
            date: facts.date.clone().unwrap_or_default(),
            subject: facts.subject_untagged.clone(),
            mime,
            message_id: facts.message_id.clone(),
            references: (!facts.references.is_empty()).then(|| facts.references.clone()),
        }
    }

    /// As CBOR with numbered fields.
    #[must_use]
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "derived encoders fail only when their writer does"
    )]
    pub fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("a vector takes all bytes")
    }

    /// From CBOR.
    ///
    /// # Errors
    /// [`InvalidManifest`].
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidManifest> {
        minicbor::decode(bytes).map_err(|_| InvalidManifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back() {
        let facts = HeaderFacts {
            from: vec![
                ("J. Jansen".into(), "j@a.example".parse().unwrap()),
                (String::new(), "k@a.example".parse().unwrap()),
            ],
            to: "P <p@b.example>".into(),
            subject: "[veilig] Uitslag".into(),
            subject_untagged: "Uitslag".into(),
            ..HeaderFacts::default()
        };
        let manifest = Manifest::new(&facts, MimeIndex::default());
        assert_eq!(manifest.from, "J. Jansen <j@a.example>, k@a.example");
        assert_eq!(manifest.subject, "Uitslag");
        let bytes = manifest.encode();
        assert_eq!(Manifest::decode(&bytes), Ok(manifest));
        assert_eq!(Manifest::decode(&bytes[1..]), Err(InvalidManifest));
    }
}
