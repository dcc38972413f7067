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

    /// The other language.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Nl => Self::En,
            Self::En => Self::Nl,
        }
    }
}
