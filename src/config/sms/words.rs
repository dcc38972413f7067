//! Kinds of values in `[sms]`: countries, places in a document, and texts with places to be filled.

use hyper::header::HeaderName;

use super::super::kinds::{Kind, from_text};
use crate::sms::{Country, Path, Template};

/// A country.
#[must_use]
pub fn country() -> Kind<Country> {
    from_text("a country by its two letters, e.g. \"NL\"", |text| text.parse().ok())
}

/// A word of a command: any text without line breaks, empty too.
#[must_use]
pub fn word() -> Kind<String> {
    from_text("text of one line", |text| {
        (text.len() <= 1000 && !text.chars().any(char::is_control)).then(|| text.to_owned())
    })
}

/// Where something stands in a JSON document.
#[must_use]
pub fn json_path() -> Kind<Path> {
    from_text("names, and positions from 0, with dots between: \"messages.0.status\"", Path::parse)
}

const PLACES: &str =
    "{number}, {digits}, {zeros}, {text}, {reference}, {from}, {account}, {secret}, {basic} and {callback}";

/// A text of one line with places.
#[must_use]
pub fn template() -> Kind<Template> {
    from_text(format!("text of one line, with no other places than {PLACES}"), |text| {
        let fits = !text.is_empty() && text.len() <= 2000 && !text.chars().any(char::is_control);
        fits.then(|| Template::parse(text).ok()).flatten()
    })
}

/// A text with places.
#[must_use]
pub fn body() -> Kind<Template> {
    from_text(format!("text with no other places than {PLACES}"), |text| {
        (text.len() <= 10_000).then(|| Template::parse(text).ok()).flatten()
    })
}

/// A header field with places.
#[must_use]
pub fn header_field() -> Kind<(HeaderName, Template)> {
    let allowed = format!("a header field \"Name: value\" with no other places than {PLACES}");
    from_text(allowed, field)
}

/// A header field from its line.
#[must_use]
pub fn field(line: &str) -> Option<(HeaderName, Template)> {
    let (name, value) = line.split_once(':')?;
    let value = value.trim();
    let fits = !value.is_empty() && line.len() <= 2000 && value.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    fits.then(|| Some((name, Template::parse(value).ok()?))).flatten()
}
