//! Texts that people read: Dutch and English, one Fluent file each, and the templates that use them.
//!
//! Both files hold the same messages with the same variables: [`Texts::load`] refuses anything else. A text that is missing,
//! or lacks a variable, is an error and never an empty string: nothing goes out with a hole in it. Every template has a sample
//! context, with which a test renders it in both languages.
//!
//! ```
//! use zegel::text::{Lang, Texts};
//! let texts = Texts::load()?;
//! assert_eq!(texts.in_language(Lang::En).get("page-help")?, "Help");
//! # Ok::<(), zegel::text::TextError>(())
//! ```

mod bundle;
pub mod format;
pub mod mail;
pub mod page;
pub mod pdf;

pub use bundle::{TextError, Texts, Words};

/// A language that we write in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// Dutch, at B1 level.
    #[default]
    Nl,
    /// English.
    En,
}

impl Lang {
    /// All of them, the default first.
    pub const ALL: [Self; 2] = [Self::Nl, Self::En];

    /// The language tag (RFC 5646): for `lang` attributes, headers and records.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Nl => "nl",
            Self::En => "en",
        }
    }

    /// The language with this tag or primary subtag (`en`, `en-GB`), in any case.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|lang| lang.tag().eq_ignore_ascii_case(primary))
    }

    /// The language that a browser asks for (`Accept-Language`, RFC 9110 §12.5.4): ours with the highest weight, the first of equals.
    #[must_use]
    pub fn accepted(header: &str) -> Option<Self> {
        let weighed = header.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let lang = Self::from_tag(parts.next()?)?;
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok())?;
            (weight > 0.0).then_some((lang, weight))
        });
        let best = weighed.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(lang, _)| lang)
    }

    /// The other language.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Nl => Self::En,
            Self::En => Self::Nl,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_a_browser_asks_for() {
        let cases = [
            ("nl", Some(Lang::Nl)),
            ("en-GB,en;q=0.9", Some(Lang::En)),
            ("de, en;q=0.7, nl;q=0.8", Some(Lang::Nl)),
            ("NL-be;q=0.5,en;q=0.5", Some(Lang::Nl)),
            ("en;q=0, nl;q=0.1", Some(Lang::Nl)),
            ("de, *", None),
            ("en;q=x", None),
            (";;;,,,q=1", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(Lang::accepted(header), expected, "{header}");
        }
    }
}
