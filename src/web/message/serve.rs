//! Files of a message on their way to a browser: whole, or from where a broken download stopped (206 and 416, RFC 9110 §14).
//!
//! A sealed body opens at any chunk, so a range costs what it is long. Base64 is looked at once, when a range of it is first asked for; of
//! quoted-printable and of base64 in odd lines there are no ranges. The validator is a hash that says nothing of the content and is given only
//! behind a session; what was sealed never changes, so it is a strong one. Answers stay `no-store`.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::base::MessageId;
use crate::mail::mime::Part;

use crate::web::answer::{Problem, Rendered};
use crate::web::app::App;

use super::Opened;
use super::base64_lines::Lines;
use super::content::{Content, Span};
use super::range::Wanted;

/// Attachments whose base64 is remembered.
const MOST_KNOWN: usize = 1000;
/// Attachments that are looked at the same time. No more wait: they are sent whole.
const AT_A_TIME: usize = 2;

/// By message and number of the part; `None` for odd lines.
type Known = HashMap<(MessageId, u32), Option<Lines>>;

/// What is known of the base64 of attachments.
#[derive(Debug, Clone)]
pub(in crate::web) struct Surveys {
    known: Arc<Mutex<Known>>,
    places: Arc<Semaphore>,
}

impl Default for Surveys {
    fn default() -> Self {
        Self { known: Arc::default(), places: Arc::new(Semaphore::new(AT_A_TIME)) }
    }
}

impl Surveys {
    /// The lines of a part of base64, if they are regular and there is time to look.
    async fn lines(
        &self,
        content: &Content,
        message: MessageId,
        (number, part): (u32, &Part),
    ) -> Result<Option<Lines>, Problem> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&(message, number)).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let Ok(_place) = self.places.try_acquire() else { return Ok(None) };
        let lines = content.survey(part).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert((message, number), lines);
        Ok(lines)
    }
}

/// A file in a body: where it stands, and how it is encoded there.
enum Form {
    /// Byte for byte.
    Plain(Range<u64>),
    /// In regular lines, from here on.
    Base64(Lines, Range<u64>),
}

impl Form {
    fn len(&self) -> u64 {
        match self {
            Self::Plain(place) => place.end.saturating_sub(place.start),
            Self::Base64(lines, _) => lines.len(),
        }
    }

    /// The decoded bytes of a range.
    fn span(&self, content: &Content, range: &Range<u64>) -> Span {
        match self {
            Self::Plain(place) => content.span(place.start + range.start, place.start + range.end, ""),
            Self::Base64(lines, place) => {
                let (from, skip) = lines.place(range.start);
                content.span(place.start + from, place.end, "base64").only(skip, range.end - range.start)
            }
        }
    }
}

/// One attachment, decoded.
pub(super) async fn file(
    app: &App,
    opened: &Opened,
    (number, part): (u32, &Part),
    (method, headers): (&Method, &HeaderMap),
) -> Result<Response, Problem> {
    let content = opened.content(app).await?;
    let message = opened.session.view.grant.message;
    let etag = etag(message, Some(number));
    let wanted = Wanted::of(method, headers, &etag);
    let place = part.body..part.end;
    let form = match (part.encoding.as_str(), wanted) {
        ("quoted-printable", _) | ("base64", None) => None,
        ("base64", Some(_)) => {
            let lines = app.surveys.lines(&content, message, (number, part)).await?;
            lines.map(|lines| Form::Base64(lines, place))
        }
        _ => Some(Form::Plain(place)),
    };
    if let Some(form) = form {
        return answer(&content, &form, wanted, &etag).await;
    }
    let body = content.span(part.body, part.end, &part.encoding).into_body().await?;
    let mut response = body.into_response();
    if part.encoding == "base64" {
        announce(response.headers_mut(), &etag)?;
    }
    Ok(response)
}

/// The whole mail as it was sealed.
pub(super) async fn whole_mail(
    app: &App,
    opened: &Opened,
    (method, headers): (&Method, &HeaderMap),
) -> Result<Response, Problem> {
    let content = opened.content(app).await?;
    let etag = etag(opened.session.view.grant.message, None);
    let form = Form::Plain(0..content.len());
    answer(&content, &form, Wanted::of(method, headers, &etag), &etag).await
}

/// 200 with all of it, 206 with a part, or 416.
async fn answer(content: &Content, form: &Form, wanted: Option<Wanted>, etag: &str) -> Result<Response, Problem> {
    let len = form.len();
    let text = |text: String| HeaderValue::from_str(&text).map_err(|_| Problem::Broken);
    let wanted = wanted.filter(|_| len > 0);
    let Some(range) = wanted.map_or(Some(0..len), |wanted| wanted.within(len)) else {
        let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
        response.headers_mut().insert(header::CONTENT_RANGE, text(format!("bytes */{len}"))?);
        response.extensions_mut().insert(Rendered);
        return Ok(response);
    };
    let status = if wanted.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = (status, form.span(content, &range).into_body().await?).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if status == StatusCode::PARTIAL_CONTENT {
        let stretch = format!("bytes {}-{}/{len}", range.start, range.end - 1);
        headers.insert(header::CONTENT_RANGE, text(stretch)?);
    }
    announce(headers, etag)?;
    Ok(response)
}

/// Says that ranges can be had, and of what.
fn announce(headers: &mut HeaderMap, etag: &str) -> Result<(), Problem> {
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, HeaderValue::from_str(etag).map_err(|_| Problem::Broken)?);
    Ok(())
}

/// A strong validator (§8.8.3) of one file of a message.
fn etag(message: MessageId, number: Option<u32>) -> String {
    let mut hash = Sha256::new_with_prefix(b"zegel/v1/etag");
    hash.update(message.as_bytes());
    hash.update(number.map_or([0xff; 4], u32::to_be_bytes));
    let hash = HEXLOWER.encode(&hash.finalize());
    format!("\"{}\"", hash.get(..32).unwrap_or_default())
}
