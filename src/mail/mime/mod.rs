//! The MIME structure of a mail, found while it streams by, line-anchored (RFC 2046 §5.1.1): offsets, no copies.
//!
//! Memory is bounded: depth, number of parts and header bytes have limits; past one, the rest is a leaf of its parent and the
//! index says so.

mod base64_lines;
mod content;
mod indexer;
mod leaf;

pub use super::charset::to_text;
pub use base64_lines::Base64Lines;
pub use indexer::Indexer;
pub use leaf::LeafDecoder;

use std::fmt;

use minicbor::{Decode, Encode};

/// Limits on what is indexed.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Multiparts within multiparts.
    pub depth: usize,
    /// Parts in all.
    pub parts: usize,
    /// Bytes of the Content-* fields of one part; other fields do not count.
    pub header: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 32, parts: 1000, header: 64 * 1024 }
    }
}

/// One part: where it stands and what it says it is. Offsets are into the stored bytes. Its `Debug` shows no name.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Part {
    /// Index of the multipart that holds it; `None` for the whole mail.
    #[n(0)]
    pub parent: Option<u32>,
    /// First byte of its header.
    #[n(1)]
    pub header: u64,
    /// First byte of its body.
    #[n(2)]
    pub body: u64,
    /// One past its last body byte (the CRLF before a boundary belongs to the boundary).
    #[n(3)]
    pub end: u64,
    /// `type/subtype`, lower case; `text/plain` by default.
    #[n(4)]
    pub content_type: String,
    /// `charset`, lower case, empty when absent.
    #[n(5)]
    pub charset: String,
    /// `Content-Transfer-Encoding`, lower case; `7bit` by default.
    #[n(6)]
    pub encoding: String,
    /// File name, decoded (RFC 2231, RFC 2047), without control, bidi and path characters; empty when there is none.
    #[n(7)]
    pub name: String,
    /// `Content-Disposition` is there and not `inline` (RFC 2183 §2.8).
    #[n(8)]
    pub attachment: bool,
    /// `Content-ID` without brackets, empty when absent.
    #[n(9)]
    pub content_id: String,
    /// Of a leaf in base64: how its lines stand, where they are regular; absent too in messages of release 0.1.
    #[n(10)]
    pub lines: Option<Base64Lines>,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parent, header, body, end, content_type, encoding, attachment, .. } = self;
        write!(f, "Part({parent:?} {header}..{body}..{end} {content_type:?} {encoding:?} {attachment})")
    }
}

/// The parts of one mail, in order of appearance; the first is the whole mail.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct MimeIndex {
    /// The parts.
    #[n(0)]
    pub parts: Vec<Part>,
    /// A limit was reached: something is shown less finely than it could be.
    #[n(1)]
    pub cut: bool,
}

/// The leaves that the page shows as the message, in order, in the two forms that a mail may have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Plain text wherever its writer sent some.
    pub plain: Vec<u32>,
    /// HTML wherever its writer sent some.
    pub rich: Vec<u32>,
}

impl Shown {
    fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.rich.is_empty()
    }

    fn has(&self, index: u32) -> bool {
        self.plain.contains(&index) || self.rich.contains(&index)
    }
}

impl MimeIndex {
    /// What the page shows as the message: all its texts in order, and of `multipart/alternative` the last of each form. A mail whose
    /// multipart has no usable boundary is shown as text.
    #[must_use]
    pub fn shown(&self) -> Shown {
        let children = self.children();
        // some writers put a text part with nothing but a line end before the files
        let mut found = [3, 1].into_iter().map(|least| self.forms(0, &children, least)).find(|forms| !forms.is_empty());
        if found.is_none() && self.is_unsplit(0) {
            found = Some(Shown { plain: vec![0], rich: vec![0] });
        }
        found.unwrap_or_default()
    }

    /// What the page lists as attachments: every other leaf, and nested messages; so nothing of a mail is out of reach. Left
    /// out are empty leaves without a name, and other forms (`text/*`) of what is shown.
    #[must_use]
    pub fn attachments(&self) -> Vec<u32> {
        let children = self.children();
        let shown = self.shown();
        let is_shown = |index: u32| shown.has(index);
        let listed = |(index, part): &(u32, &Part)| {
            let wanted = !part.name.is_empty() || part.attachment;
            let leaf = children.get(at(*index)).is_none_or(Vec::is_empty);
            leaf && !is_shown(*index) && (wanted || (part.end > part.body && !self.is_other_form(*index, &is_shown)))
        };
        (0..).zip(&self.parts).filter(listed).map(|(index, _)| index).collect()
    }

    /// The parts of each part. A part always stands behind its parent.
    fn children(&self) -> Vec<Vec<u32>> {
        let mut children = vec![Vec::new(); self.parts.len()];
        for (index, part) in (0_u32..).zip(&self.parts) {
            if let Some(parent) = part.parent.filter(|parent| *parent < index)
                && let Some(list) = children.get_mut(at(parent))
            {
                list.push(index);
            }
        }
        children
    }

    /// The forms of the message in a part; leaves of less than `least` bytes do not count.
    fn forms(&self, index: u32, children: &[Vec<u32>], least: u64) -> Shown {
        let (Some(part), Some(inside)) = (self.parts.get(at(index)), children.get(at(index))) else {
            return Shown::default();
        };
        if inside.is_empty() {
            let text = matches!(part.content_type.as_str(), "text/plain" | "text/html");
            let shown = text && !part.attachment && part.end.saturating_sub(part.body) >= least;
            return if shown { Shown { plain: vec![index], rich: vec![index] } } else { Shown::default() };
        }
        let forms = inside.iter().map(|child| (*child, self.forms(*child, children, least)));
        match part.content_type.as_str() {
            "multipart/alternative" => self.last_of_each(forms.map(|(_, forms)| forms)),
            // The first is the message, the others are what it is made of (RFC 2387 §3.1).
            "multipart/related" => forms.map(|(_, forms)| forms).find(|forms| !forms.is_empty()).unwrap_or_default(),
            _ => forms.fold(Shown::default(), |mut all, (child, forms)| {
                // Text with a name behind other text is a file, however it is called.
                let named = self.parts.get(at(child)).is_some_and(|part| !part.name.is_empty());
                if all.is_empty() || !named {
                    all.plain.extend(forms.plain);
                    all.rich.extend(forms.rich);
                }
                all
            }),
        }
    }

    /// The last of some alternatives that is plain text, and the last that has HTML; what there is, where one of them is missing.
    fn last_of_each(&self, alternatives: impl Iterator<Item = Shown>) -> Shown {
        let is_html = |index: &u32| self.parts.get(at(*index)).is_some_and(|part| part.content_type == "text/html");
        let mut best = Shown::default();
        for Shown { plain, rich } in alternatives.filter(|forms| !forms.is_empty()) {
            if best.plain.is_empty() || best.plain.iter().any(is_html) || !plain.iter().any(is_html) {
                best.plain = plain;
            }
            if best.rich.is_empty() || !best.rich.iter().any(is_html) || rich.iter().any(is_html) {
                best.rich = rich;
            }
        }
        best
    }

    /// A multipart in which no part was found.
    fn is_unsplit(&self, index: u32) -> bool {
        let multipart = self.parts.get(at(index)).is_some_and(|part| part.content_type.starts_with("multipart/"));
        multipart && !self.parts.iter().any(|part| part.parent == Some(index))
    }

    /// Text in the same `multipart/alternative` as what is shown.
    fn is_other_form(&self, index: u32, is_shown: &impl Fn(u32) -> bool) -> bool {
        let Some(part) = self.parts.get(at(index)) else { return false };
        let text = part.content_type.starts_with("text/") && part.content_type != "text/calendar";
        let alternative = self.ancestors(index).find(|ancestor| {
            self.parts.get(at(*ancestor)).is_some_and(|part| part.content_type == "multipart/alternative")
        });
        let holds = |alternative: u32, index: u32| self.ancestors(index).any(|ancestor| ancestor == alternative);
        text && alternative.is_some_and(|a| (0..).zip(&self.parts).any(|(i, _)| is_shown(i) && holds(a, i)))
    }

    fn ancestors(&self, index: u32) -> impl Iterator<Item = u32> {
        let parent = |index: &u32| self.parts.get(at(*index))?.parent.filter(|parent| parent < index);
        std::iter::successors(parent(&index), move |index| parent(index))
    }
}

fn at(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
