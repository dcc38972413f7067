//! Requests as the config writes them: text with named places, and every value escaped as its surroundings demand. Pure.
//!
//! `{number}` is a place; any other brace stands for itself, so that JSON is written as it is.

use std::fmt::Write as _;

use zeroize::Zeroizing;

/// What goes into a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `{number}`: `+31612345678`.
    Number,
    /// `{digits}`: `31612345678`.
    Digits,
    /// `{zeros}`: `0031612345678`.
    Zeros,
    /// `{text}`.
    Text,
    /// `{reference}`: what we call the SMS.
    Reference,
    /// `{from}`: the sender that the telephone shows.
    From,
    /// `{account}`: the account's name or id.
    Account,
    /// `{secret}`: what stands in the secret file.
    Secret,
    /// `{basic}`: account and secret as HTTP Basic credentials (RFC 7617).
    Basic,
    /// `{callback}`: where delivery reports come.
    Callback,
}

/// Every place by its name.
const PLACES: [(&str, Place); 10] = [
    ("number", Place::Number),
    ("digits", Place::Digits),
    ("zeros", Place::Zeros),
    ("text", Place::Text),
    ("reference", Place::Reference),
    ("from", Place::From),
    ("account", Place::Account),
    ("secret", Place::Secret),
    ("basic", Place::Basic),
    ("callback", Place::Callback),
];

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// Within a JSON string (RFC 8259 §7).
    Json,
    /// Within a form field or an address: all but unreserved characters as `%XX` (RFC 3986 §2.1).
    Percent,
    /// Within a header: as it is, if it is visible ASCII; there is no way to escape anything else (RFC 9110 §5.5).
    Header,
}

/// A text with places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Place(Place),
}

/// A word in braces that names no place, or a value that cannot stand where it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Not a place.
    #[error("there is no place {{{0}}}")]
    NoPlace(String),
    /// A value with line breaks or other letters in a header.
    #[error("a value that cannot stand in a header")]
    Header,
}

impl Template {
    /// Reads a text with places.
    ///
    /// # Errors
    /// When a small word in braces names no place: a misspelt one would be sent as it is.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            literal.push_str(before);
            let word = after.split_once('}').map(|(word, _)| word).filter(|word| is_word(word));
            let Some(word) = word else {
                literal.push('{');
                rest = after;
                continue;
            };
            let place = PLACES.iter().find(|(name, _)| *name == word);
            let (_, place) = place.ok_or_else(|| TemplateError::NoPlace(word.to_owned()))?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Place(*place));
            rest = after.get(word.len() + 1..).unwrap_or_default();
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(pieces))
    }

    /// Whether a place stands in it.
    #[must_use]
    pub fn has(&self, place: Place) -> bool {
        self.0.contains(&Piece::Place(place))
    }

    /// What stands before the first place.
    #[must_use]
    pub fn start(&self) -> &str {
        match self.0.first() {
            Some(Piece::Literal(text)) => text,
            _ => "",
        }
    }

    /// With its places filled.
    ///
    /// # Errors
    /// [`TemplateError::Header`].
    pub fn fill(
        &self,
        escape: Escape,
        value: impl Fn(Place) -> Zeroizing<String>,
    ) -> Result<Zeroizing<String>, TemplateError> {
        let filled: Vec<Zeroizing<String>> = self
            .0
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => Ok(Zeroizing::new(text.clone())),
                Piece::Place(place) => escaped(escape, &value(*place)),
            })
            .collect::<Result<_, _>>()?;
        // Room for all: growing would leave copies of the secret behind.
        let mut out = Zeroizing::new(String::with_capacity(filled.iter().map(|piece| piece.len()).sum()));
        for piece in &filled {
            out.push_str(piece);
        }
        Ok(out)
    }
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase())
}

fn escaped(escape: Escape, value: &str) -> Result<Zeroizing<String>, TemplateError> {
    let mut out = Zeroizing::new(String::with_capacity(value.len() * 12));
    match escape {
        Escape::Header if value.chars().all(|c| c == ' ' || c.is_ascii_graphic()) => out.push_str(value),
        Escape::Header => return Err(TemplateError::Header),
        Escape::Json => {
            for c in value.chars() {
                match c {
                    '"' | '\\' => out.extend(['\\', c]),
                    '\n' => out.push_str("\\n"),
                    c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                        let _ = write!(*out, "\\u{:04x}", u32::from(c));
                    }
                    c => out.push(c),
                }
            }
        }
        Escape::Percent => {
            for byte in value.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    out.push(char::from(byte));
                } else {
                    let _ = write!(*out, "%{byte:02X}");
                }
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fill(template: &str, escape: Escape, value: &str) -> Result<String, TemplateError> {
        let filled = Template::parse(template)?.fill(escape, |_| Zeroizing::new(value.to_owned()))?;
        Ok(filled.to_string())
    }

    #[test]
    fn places_and_braces() {
        for (template, expected) in [
            ("{text}", "v"),
            ("a{text}b{number}c", "avbvc"),
            ("{\"a\":{\"b\":\"{text}\"},\"c\":[{}]}", "{\"a\":{\"b\":\"v\"},\"c\":[{}]}"),
            ("{{text}}", "{v}"),
            ("{ text }", "{ text }"),
            ("{", "{"),
            ("}{", "}{"),
            ("{text", "{text"),
            ("", ""),
        ] {
            assert_eq!(fill(template, Escape::Json, "v").as_deref(), Ok(expected), "{template}");
        }
        assert_eq!(Template::parse("x {txt}"), Err(TemplateError::NoPlace("txt".to_owned())));
    }

    #[test]
    fn values_stay_values() {
        let hostile = "a\",\"to\":\"+31600000000\\\r\n&to=1#%00 é\u{2028}{secret}";
        let json = fill("{\"text\":\"{text}\"}", Escape::Json, hostile).unwrap();
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read, serde_json::json!({ "text": hostile }));
        let form = fill("to=1&text={text}", Escape::Percent, hostile).unwrap();
        assert_eq!(form.matches(['&', '=', '\r', '\n', '#', ' ', '"']).count(), 3, "{form}");
        for value in ["a\r\nX: y", "a\nb", "\u{0}", "é", "a\u{7f}"] {
            assert_eq!(fill("Bearer {secret}", Escape::Header, value), Err(TemplateError::Header), "{value:?}");
        }
        assert_eq!(fill("Bearer {secret}", Escape::Header, "a b:c=").as_deref(), Ok("Bearer a b:c="));
    }

    proptest! {
        #[test]
        fn any_value_comes_back_from_json_and_form(value in "\\PC{0,20}|[\\x00-\\xff]{0,20}") {
            let json = fill("{\"a\":\"{text}\"}", Escape::Json, &value).unwrap();
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), serde_json::json!({ "a": value }));
            let form = fill("{text}", Escape::Percent, &value).unwrap();
            prop_assert!(form.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
            let mut bytes = Vec::new();
            let mut rest = form.as_bytes();
            while let [first, tail @ ..] = rest {
                if *first == b'%' {
                    bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
                    rest = &tail[2..];
                } else {
                    bytes.push(*first);
                    rest = tail;
                }
            }
            prop_assert_eq!(String::from_utf8(bytes).unwrap(), value);
        }
    }
}
