//! Open sessions: who proved themselves, how long it holds, and when they were last here.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::{GrantId, Timestamp};
use crate::seal::token::SessionToken;

use super::codec::{Found, readable};
use super::engine::Key;
use super::proof::GrantView;
use super::records::{Message, Session};
use super::strict::SessionKey;
use super::{Inner, Store, StoreError, places};

/// An open session and where it leads.
#[derive(Debug, Clone)]
pub struct OpenSession {
    /// The session; `seen` is the request before this one.
    pub session: Session,
    /// Its grant and what belongs to it.
    pub view: GrantView,
    /// The message.
    pub message: Message,
    /// What it reads with.
    pub key: SessionKey,
}

impl OpenSession {
    /// How long it lasts from `now` when this is the last request.
    #[must_use]
    pub fn left(&self, limits: &SessionLimits, now: Timestamp) -> Duration {
        limits.idle.min(limits.longest.saturating_sub(now.since(self.session.created)))
    }
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Without a request.
    pub idle: Duration,
    /// In all.
    pub longest: Duration,
}

/// How often the last request is written down.
const WRITE_SEEN: Duration = Duration::from_mins(1);

/// The last request of each session, to the millisecond: the records hold it to the minute only, so that reading does not
/// write. After a restart the record's minute holds.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<SeenState>);

#[derive(Debug, Default)]
struct SeenState {
    last: HashMap<[u8; 32], Timestamp>,
    sweep_at: usize,
}

/// The cookie of a session that begins.
#[derive(Debug, Clone, Copy)]
pub struct Cookies<'a> {
    /// Its own.
    pub new: &'a SessionToken,
    /// What the browser had before: that session ends in the same commit, whoever else has its cookie by now.
    pub earlier: Option<&'a SessionToken>,
}

impl<'a> From<&'a SessionToken> for Cookies<'a> {
    /// A browser that had none.
    fn from(new: &'a SessionToken) -> Self {
        Self { new, earlier: None }
    }
}

/// Fewer sessions than this are never swept.
const SWEEP: usize = 1024;

/// A write that reading can do without.
fn unwritten(result: Result<(), StoreError>) {
    if let Err(cause) = result {
        tracing::warn!(%cause, "a session's last request was not written");
    }
}

impl Seen {
    /// Notes a request.
    fn note(&self, cookie: [u8; 32], now: Timestamp, idle: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.last.insert(cookie, now);
        if state.last.len() > state.sweep_at.max(SWEEP) {
            state.last.retain(|_, seen| now.since(*seen) <= idle);
            state.sweep_at = state.last.len().saturating_mul(2);
        }
    }

    fn last(&self, cookie: &[u8; 32]) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last.get(cookie).copied()
    }

    fn forget(&self, cookie: &[u8; 32]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last.remove(cookie);
    }
}

impl Store {
    /// The session behind a cookie, if it is alive: within its limits, its grant not ended, its contact's code not replaced.
    /// Counts as a request; that is written down once a minute at most. A session that has ended is removed.
    ///
    /// # Errors
    /// When the store cannot be read, or a record behind the session is damaged.
    pub async fn session(
        &self,
        token: &SessionToken,
        limits: &SessionLimits,
    ) -> Result<Option<OpenSession>, StoreError> {
        let inner = &self.inner;
        let cookie = token.hash(&inner.keys);
        let place = places::session(&cookie);
        let Some(mut found) = inner.read::<Session>(&place).await? else { return Ok(None) };
        let now = inner.clock.now();
        let written = found.record.seen;
        found.record.seen = inner.seen.last(&cookie).map_or(written, |seen| seen.max(written));
        let Some(open) = self.alive(&found.record, &cookie, (limits, now)).await? else {
            // It stays ended also when that cannot be written, and its key goes at once.
            inner.open_keys.forget(&cookie);
            unwritten(self.end_session(&cookie).await);
            return Ok(None);
        };
        inner.seen.note(cookie, now, limits.idle);
        if now.since(written) >= WRITE_SEEN {
            // Reading goes on when writing does not; until the next start the request counts all the same.
            unwritten(self.write_seen(place, found, now).await);
        }
        Ok(Some(open))
    }

    async fn alive(
        &self,
        session: &Session,
        cookie: &[u8; 32],
        (limits, now): (&SessionLimits, Timestamp),
    ) -> Result<Option<OpenSession>, StoreError> {
        if now.since(session.seen) >= limits.idle || now.since(session.created) >= limits.longest {
            return Ok(None);
        }
        let Some(view) = self.grant_by_id(session.grant).await? else { return Ok(None) };
        if view.grant.expires <= now || view.contact.generation != session.generation {
            return Ok(None);
        }
        let Some(message) = self.message(view.grant.message).await? else { return Ok(None) };
        let key = self.inner.session_key(&view, cookie, now);
        Ok(Some(OpenSession { session: session.clone(), view, message, key }))
    }

    /// Another request of the same moment may have written it already, or logged out: that stands.
    async fn write_seen(&self, place: Key, found: Found<Session>, now: Timestamp) -> Result<(), StoreError> {
        let mut draft = self.inner.draft();
        draft.unchanged(place.clone(), Some(&found));
        draft.put(place, &Session { seen: now, ..found.record })?;
        draft.commit().await.map(|_| ())
    }

    /// Logs out.
    ///
    /// # Errors
    /// When the store cannot be written: the session may still be open.
    pub async fn close_session(&self, token: &SessionToken) -> Result<(), StoreError> {
        let cookie = token.hash(&self.inner.keys);
        self.inner.open_keys.forget(&cookie);
        if self.inner.engine.get(&places::session(&cookie)).await?.is_none() {
            return Ok(());
        }
        self.end_session(&cookie).await
    }

    /// The link that a session came through; `None` when there is no such session, or its record is damaged.
    pub(super) async fn session_grant(&self, cookie: &[u8; 32]) -> Result<Option<GrantId>, StoreError> {
        let found = readable(self.inner.read::<Session>(&places::session(cookie)).await)?;
        Ok(found.map(|found| found.record.grant))
    }

    /// Removes a session that is over: past its limits, or its link gone. One whose record is damaged opens nothing and goes too.
    pub(super) async fn end_if_over(
        &self,
        cookie: &[u8; 32],
        limits: &SessionLimits,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(found) = readable(self.inner.read::<Session>(&places::session(cookie)).await)? else {
            self.end_session(cookie).await?;
            return Ok(true);
        };
        let session = found.record;
        let seen = self.inner.seen.last(cookie).map_or(session.seen, |seen| seen.max(session.seen));
        let past = now.since(seen) >= limits.idle || now.since(session.created) >= limits.longest;
        if !past && self.inner.engine.get(&places::grant(session.grant)).await?.is_some() {
            return Ok(false);
        }
        self.end_session(cookie).await?;
        Ok(true)
    }

    pub(super) async fn end_session(&self, cookie: &[u8; 32]) -> Result<(), StoreError> {
        let mut draft = self.inner.draft();
        draft.delete(places::session(cookie));
        draft.commit().await?;
        self.inner.forget_session(cookie);
        Ok(())
    }
}

impl Inner {
    /// What memory holds of a session that was removed.
    pub(super) fn forget_session(&self, cookie: &[u8; 32]) {
        self.seen.forget(cookie);
        self.open_keys.forget(cookie);
    }
}
