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
    /// It can be looked at in the browser.
    pub preview: bool,
    /// What to do with a file that most programs do not open; may be empty.
    pub advice: String,
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
        (size, preview): (String, bool),
    ) -> Result<Self, TextError> {
        let special = Special::of(name, content_type);
        let kind = special.map_or_else(|| kind(words, name, content_type), |special| words.get(special.texts().0))?;
        let advice = special.map_or_else(|| Ok(String::new()), |special| words.get(special.texts().1))?;
        let name = if name.is_empty() { words.with("message-file", &[("number", place)])? } else { name.to_owned() };
        Ok(Self { number, name, kind, size, preview, advice })
    }
}

/// What mail programs put into a mail for each other, and people wonder about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    /// Outlook's own wrapping of a mail (MS-OXTNEF).
    Winmail,
    /// A digital signature (RFC 8551, RFC 3156).
    Signature,
    /// Encrypted with S/MIME or PGP.
    Encrypted,
    /// An invitation (RFC 6047).
    Calendar,
}

impl Special {
    fn of(name: &str, content_type: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        match content_type {
            "application/ms-tnef" | "application/vnd.ms-tnef" => Some(Self::Winmail),
            "application/pkcs7-signature" | "application/x-pkcs7-signature" | "application/pgp-signature" => {
                Some(Self::Signature)
            }
            "application/pkcs7-mime" | "application/x-pkcs7-mime" | "application/pgp-encrypted" => {
                Some(Self::Encrypted)
            }
            "text/calendar" => Some(Self::Calendar),
            _ if name == "winmail.dat" => Some(Self::Winmail),
            _ => match extension(&name).as_str() {
                "p7s" => Some(Self::Signature),
                "p7m" | "pgp" => Some(Self::Encrypted),
                "ics" => Some(Self::Calendar),
                _ => None,
            },
        }
    }

    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Winmail => ("kind-winmail", "advice-winmail"),
            Self::Signature => ("kind-signature", "advice-signature"),
            Self::Encrypted => ("kind-encrypted", "advice-encrypted"),
            Self::Calendar => ("kind-calendar", "advice-calendar"),
        }
    }
}

/// What stands behind the last dot, in lower case.
fn extension(name: &str) -> String {
    name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default()
}

/// What people call it, by its name's extension first: senders' programs often say `application/octet-stream`.
fn kind(words: Words<'_>, name: &str, content_type: &str) -> Result<String, TextError> {
    let extension = extension(name);
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
            ("winmail.dat", "application/octet-stream", "winmail.dat", "Outlook-bestand"),
            ("", "application/ms-tnef", "bijlage 2", "Outlook-bestand"),
            ("smime.p7s", "application/pkcs7-signature", "smime.p7s", "Digitale handtekening"),
            ("signature.asc", "application/pgp-signature", "signature.asc", "Digitale handtekening"),
            ("smime.p7m", "application/octet-stream", "smime.p7m", "Versleutelde e-mail"),
            ("afspraak.ics", "text/calendar", "afspraak.ics", "Afspraak"),
            ("foto", "image/jpeg", "foto", "Afbeelding"),
            ("x.<b>", "application/octet-stream", "x.<b>", ""),
            ("ruw.bin", "application/octet-stream", "ruw.bin", "BIN"),
            (".", "", ".", ""),
        ];
        for (name, content_type, shown, kind) in cases {
            let words = texts.in_language(Lang::Nl);
            let file = File::new(words, 4, 2, (name, content_type), ("1 kB".to_owned(), false)).unwrap();
            assert_eq!((file.name.as_str(), file.kind.as_str()), (shown, kind), "{name}");
        }
    }
}
