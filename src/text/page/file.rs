//! One attachment as the list shows it: a name and what kind of thing it is.

use crate::text::{TextError, Words};

/// One attachment in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Which, in its address.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// What it is ("PDF"); may be empty.
    pub kind: String,
    /// Its size.
    pub size: String,
}

impl File {
    /// From what the mail says: `name` may be empty, `content_type` is `type/subtype` in lower case. `place` counts from 1 for people.
    ///
    /// # Errors
    /// When a text is missing.
    pub fn new(
        words: Words<'_>,
        number: u32,
        place: usize,
        (name, content_type): (&str, &str),
        size: String,
    ) -> Result<Self, TextError> {
        let kind = kind(words, name, content_type)?;
        let name = if name.is_empty() { words.with("message-file", &[("number", place)])? } else { name.to_owned() };
        Ok(Self { number, name, kind, size })
    }
}

/// What people call it, by its name's extension first: senders' programs often say `application/octet-stream`.
fn kind(words: Words<'_>, name: &str, content_type: &str) -> Result<String, TextError> {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
    let kind = match extension.as_str() {
        "pdf" => "PDF",
        "doc" | "docx" | "docm" => "Word",
        "xls" | "xlsx" | "xlsm" => "Excel",
        "ppt" | "pptx" => "PowerPoint",
        "odt" | "ods" | "odp" => "OpenDocument",
        "zip" => "ZIP",
        "txt" => return words.get("kind-text"),
        "eml" | "msg" => return words.get("kind-mail"),
        _ => match content_type {
            "application/pdf" => "PDF",
            "message/rfc822" | "message/global" => return words.get("kind-mail"),
            "text/plain" => return words.get("kind-text"),
            _ if content_type.starts_with("image/") => return words.get("kind-image"),
            _ => "",
        },
    };
    let short = !extension.is_empty() && extension.len() <= 5 && extension.bytes().all(|b| b.is_ascii_alphanumeric());
    Ok(if kind.is_empty() && short { extension.to_ascii_uppercase() } else { kind.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Lang, Texts};

    #[test]
    fn kinds_and_names() {
        let texts = Texts::load().unwrap();
        let cases = [
            ("uitslag.pdf", "application/octet-stream", "uitslag.pdf", "PDF"),
            ("brief.DOCX", "", "brief.DOCX", "Word"),
            ("", "application/pdf", "bijlage 2", "PDF"),
            ("", "message/rfc822", "bijlage 2", "E-mail"),
            ("foto", "image/jpeg", "foto", "Afbeelding"),
            ("x.<b>", "application/octet-stream", "x.<b>", ""),
            ("ruw.bin", "application/octet-stream", "ruw.bin", "BIN"),
            (".", "", ".", ""),
        ];
        for (name, content_type, shown, kind) in cases {
            let words = texts.in_language(Lang::Nl);
            let file = File::new(words, 4, 2, (name, content_type), "1 kB".to_owned()).unwrap();
            assert_eq!((file.name.as_str(), file.kind.as_str()), (shown, kind), "{name}");
        }
    }
}
