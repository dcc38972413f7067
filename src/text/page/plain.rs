//! Pages that only say something: a title, and what to do.

use askama::Template;

use super::Page;

/// A page that only says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// The address without a path.
    Home,
    /// A link that leads nowhere, or so long ago that nothing is known of it.
    Gone,
    /// A link whose message expired.
    Expired,
    /// A link whose message was taken back.
    Recalled,
    /// No session, or no longer.
    Ended,
    /// A strict session whose key went with a restart.
    Restarted,
    /// After logging out.
    LoggedOut,
    /// No such page.
    NotFound,
    /// No such attachment.
    NoPart,
    /// An attachment that cannot be looked at here.
    NoView,
    /// A method, origin or form that we do not take.
    Refused,
    /// More than a form can hold.
    TooLarge,
    /// Too much to do, or the store is not ready.
    Busy,
    /// Our fault.
    Broken,
}

impl Plain {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Home,
        Self::Gone,
        Self::Expired,
        Self::Recalled,
        Self::Ended,
        Self::Restarted,
        Self::LoggedOut,
        Self::NotFound,
        Self::NoPart,
        Self::NoView,
        Self::Refused,
        Self::TooLarge,
        Self::Busy,
        Self::Broken,
    ];

    const fn ids(self) -> (&'static str, &'static str) {
        match self {
            Self::Home => ("home-title", "home-text"),
            Self::Gone => ("gone-title", "gone-text"),
            Self::Expired => ("expired-title", "expired-text"),
            Self::Recalled => ("recalled-title", "recalled-text"),
            Self::Ended => ("ended-title", "ended-text"),
            Self::Restarted => ("restarted-title", "restarted-text"),
            Self::LoggedOut => ("logged-out-title", "logged-out-text"),
            Self::NotFound => ("not-found-title", "not-found-text"),
            Self::NoPart => ("no-part-title", "no-part-text"),
            Self::NoView => ("no-view-title", "no-view-text"),
            Self::Refused => ("refused-title", "refused-text"),
            Self::TooLarge => ("too-large-title", "too-large-text"),
            Self::Busy => ("busy-title", "busy-text"),
            Self::Broken => ("broken-title", "broken-text"),
        }
    }

    /// Taken back: often since it went to the wrong person.
    const fn is_withdrawn(self) -> bool {
        matches!(self, Self::Recalled)
    }

    const fn title(self) -> &'static str {
        self.ids().0
    }

    const fn text(self) -> &'static str {
        self.ids().1
    }
}

/// The sheet with a title and what to do.
#[derive(Debug, Template)]
#[template(path = "page/plain.html", config = "src/text/askama.toml")]
pub struct PlainPage<'a> {
    /// Around the sheet.
    pub page: Page<'a>,
    /// What it says.
    pub plain: Plain,
    /// Where the sender of a message that is gone can be asked for it again.
    pub again: Option<&'a str>,
}
