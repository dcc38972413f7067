//! Files of a message on their way to a browser: whole, or from where a broken download stopped (206 and 416, RFC 9110 §14).
//!
//! A sealed body opens at any chunk, so a range costs what it is long. Of base64 in regular lines the length is known since it was sealed; of
//! quoted-printable and of base64 in odd lines there are neither length nor ranges. The validator is a hash that says nothing of the content and is given only
//! behind a session; what was sealed never changes, so it is a strong one. Answers stay `no-store`.

use std::ops::Range;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::base::MessageId;
use crate::mail::mime::{Base64Lines, Part};

use crate::web::answer::{Problem, Rendered};
use crate::web::app::App;

use super::Opened;
use super::content::Content;
use super::range::Wanted;
use super::span::Span;

/// A file in a body: where it stands, and how it is encoded there.
enum Form {
    /// Byte for byte.
    Plain(Range<u64>),
    /// In regular lines, from here on.
    Base64(Base64Lines, Range<u64>),
}

impl Form {
    fn len(&self) -> u64 {
        match self {
            Self::Plain(place) => place.end.saturating_sub(place.start),
            Self::Base64(lines, _) => lines.decoded(),
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
    let place = part.body..part.end;
    let form = match part.encoding.as_str() {
        "quoted-printable" => None,
        "base64" => part.lines.map(|lines| Form::Base64(lines, place)),
        _ => Some(Form::Plain(place)),
    };
    match form {
        Some(form) => answer(&content, &form, Wanted::of(method, headers, &etag), &etag).await,
        None => Ok(content.span(part.body, part.end, &part.encoding).into_body().await?.into_response()),
    }
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
