//! What a handler answers, and how a failure becomes a page in plain words with the right status.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::mail::manifest::InvalidManifest;
use crate::seal::OpenError;
use crate::store::StoreError;
use crate::text::page::Plain;
use crate::text::{Lang, TextError};

/// The message behind a link is gone, and its sender can be asked for it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offer {
    /// The recipient's language.
    pub(super) lang: Option<Lang>,
}

/// Why there is no page to show; [`super::dress`] turns it into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// The link leads nowhere.
    Gone,
    /// The link's message expired.
    Expired(Option<Offer>),
    /// The link's message was taken back.
    Recalled(Option<Offer>),
    /// No session, or no longer.
    Ended,
    /// A strict session whose key went with a restart.
    Restarted,
    /// No such page.
    NotFound,
    /// No such attachment.
    NoPart,
    /// An attachment that is not the picture that it is called.
    NoView,
    /// Not from our own page, or not a form that we know.
    Refused,
    /// Too much to do, or the store is not ready.
    Busy,
    /// Our fault; the cause is in the log.
    Broken,
}

impl Problem {
    const fn parts(self) -> (StatusCode, Plain) {
        match self {
            Self::Gone => (StatusCode::NOT_FOUND, Plain::Gone),
            Self::Expired(_) => (StatusCode::GONE, Plain::Expired),
            Self::Recalled(_) => (StatusCode::GONE, Plain::Recalled),
            Self::Ended => (StatusCode::FORBIDDEN, Plain::Ended),
            Self::Restarted => (StatusCode::FORBIDDEN, Plain::Restarted),
            Self::NotFound => (StatusCode::NOT_FOUND, Plain::NotFound),
            Self::NoPart => (StatusCode::NOT_FOUND, Plain::NoPart),
            Self::NoView => (StatusCode::NOT_FOUND, Plain::NoView),
            Self::Refused => (StatusCode::FORBIDDEN, Plain::Refused),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, Plain::Busy),
            Self::Broken => (StatusCode::INTERNAL_SERVER_ERROR, Plain::Broken),
        }
    }

    /// Logs a cause that names no person and no content.
    fn broken(what: &'static str, cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "{what}");
        Self::Broken
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, plain) = self.parts();
        let mut response = status.into_response();
        response.extensions_mut().insert(plain);
        if let Self::Expired(Some(offer)) | Self::Recalled(Some(offer)) = self {
            response.extensions_mut().insert(offer);
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full(_) | StoreError::NotReady(_) => {
                tracing::warn!(cause = %error, "the page cannot be served now");
                Self::Busy
            }
            StoreError::Damaged(_) | StoreError::Uncertain(_) | StoreError::NotErased(_) | StoreError::TooLarge(_) => {
                Self::broken("the store failed", &error)
            }
        }
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        Self::broken("a sealed body does not open", &error)
    }
}

impl From<InvalidManifest> for Problem {
    fn from(error: InvalidManifest) -> Self {
        Self::broken("a manifest does not read", &error)
    }
}

impl From<TextError> for Problem {
    fn from(error: TextError) -> Self {
        Self::broken("a text is missing", &error)
    }
}

impl From<askama::Error> for Problem {
    fn from(error: askama::Error) -> Self {
        Self::broken("a page does not render", &error)
    }
}

/// Marks a response that is a page of ours already, whatever its status.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rendered;

/// A page with a status.
pub(super) fn html(status: StatusCode, page: &impl Template) -> Result<Response, Problem> {
    let text = page.render()?;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response = (status, [(header::CONTENT_TYPE, kind)], text).into_response();
    response.extensions_mut().insert(Rendered);
    Ok(response)
}
