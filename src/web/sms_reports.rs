//! Delivery reports of SMS providers: `/sms/NAME/SECRET`, by GET or POST as each provider does it.
//!
//! The one GET that changes something: it is no page, and who knows the secret in its address is a provider. Whatever it says, it
//! hears 204, so that it learns nothing and does not come again; a stranger hears what any unknown address hears.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;

use crate::sms::{Fields, Told};
use crate::store::StoreError;

use super::answer::Problem;
use super::app::Shared;

/// Bytes of a report.
pub(super) const MOST: usize = 16 * 1024;
/// Fields that are read of one.
const MOST_FIELDS: usize = 100;

/// Takes one report.
pub(super) async fn take(
    State(app): State<Shared>,
    Path((name, secret)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let caller = app.settings.sms_reports.caller(&name, &secret).ok_or(Problem::NotFound)?;
    let Some(Told { reference, report }) = caller.read(&fields(query.as_deref(), &body)) else {
        return Ok(StatusCode::NO_CONTENT);
    };
    match app.store.sms_reported(&reference, &caller.provider, report).await {
        Ok(known) => {
            tracing::info!(provider = caller.provider, ?report, known, "sms report");
            Ok(StatusCode::NO_CONTENT)
        }
        Err(StoreError::Damaged(cause)) => {
            tracing::error!(%cause, "an SMS report cannot be noted");
            Ok(StatusCode::NO_CONTENT)
        }
        // It comes again.
        Err(_) => Err(Problem::Busy),
    }
}

/// A look changes nothing.
pub(super) async fn look() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Of the address first: there stands what we put there ourselves.
fn fields(query: Option<&str>, body: &[u8]) -> Fields {
    let document = serde_json::from_slice(body).ok();
    let form = if document.is_some() { &[][..] } else { body };
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).chain(form_urlencoded::parse(form));
    let named = pairs.take(MOST_FIELDS).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    Fields { named, document }
}
