//! The message behind an open session: its page, its HTML in a frame, its attachments, log-out.

pub(super) mod answer;
mod calendar;
mod content;
mod download;
mod frame;
mod harmless;
mod mail;
mod nested;
mod pdf;
mod range;
mod sanitise;
mod serve;
mod span;
mod view;

use axum::http::{HeaderMap, Uri};

use crate::base::MessageId;
use crate::mail::manifest::Manifest;
use crate::mail::mime::Part;
use crate::store::proof::OpenSession;

use super::answer::Problem;
use super::app::App;
use super::session;

use content::Content;

pub(super) use download::{attachment, begins_as, original, preview};
pub(super) use frame::show as show_frame;
pub(super) use harmless::Cleaners;
pub(super) use pdf::keep;
pub(super) use span::Openers;
pub(super) use view::{extend, log_out, open_other, show};

/// Most encoded bytes of a text that the page shows; past it the page says so and points to the download.
const MOST_TEXT: u64 = 2 * 1024 * 1024;

/// The same for HTML, which costs much more to make harmless and to lay out.
const MOST_HTML: u64 = 1024 * 1024;

/// The session of a request, turned to the message that its address names (`?bericht=`).
async fn session_at(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<OpenSession, Problem> {
    let open = session::current(app, headers).await?;
    let mut pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, id)) = pairs.find(|(name, _)| *name == "bericht") else { return Ok(open) };
    let id: MessageId = id.parse().map_err(|_| Problem::NotFound)?;
    Ok(app.store.turn_to(&open, id).await?.ok_or(Problem::NotFound)?.session)
}

/// A message that this visitor may read.
struct Opened {
    session: OpenSession,
    manifest: Manifest,
}

impl Opened {
    /// By the request's cookie and address.
    async fn of(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<Self, Problem> {
        Self::read(app, session_at(app, headers, uri).await?).await
    }

    /// The message that a session is turned to.
    async fn read(app: &App, session: OpenSession) -> Result<Self, Problem> {
        let id = session.view.grant.message;
        let encoded = app.store.manifest(id).await?.ok_or(Problem::Ended)?;
        let manifest = if session.key.is_strict() {
            let conversation = session.view.grant.conversation;
            let key = app.store.content_key_by(&session.key, conversation, id).await?.ok_or(Problem::Ended)?;
            Manifest::decode(&key.open_manifest(id, &encoded)?)?
        } else {
            Manifest::decode(&encoded)?
        };
        Ok(Self { session, manifest })
    }

    /// Names it in addresses.
    fn own(&self) -> String {
        view::own(&self.session)
    }

    async fn content(&self, app: &App) -> Result<Content, Problem> {
        let grant = &self.session.view.grant;
        Content::open(app, &self.session.key, (grant.conversation, grant.message)).await
    }

    fn part(&self, number: u32) -> Option<&Part> {
        self.manifest.mime.parts.get(usize::try_from(number).ok()?)
    }

    /// The part, if the page lists it as an attachment.
    fn attachment(&self, number: u32) -> Option<&Part> {
        self.part(number).filter(|_| self.manifest.mime.attachments().contains(&number))
    }
}
