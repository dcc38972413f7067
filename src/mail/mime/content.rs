//! The Content-* fields of one part (RFC 2045 §5, RFC 2183, RFC 2231): what it is, and where its parts end.

use crate::mail::charset::to_text;
use crate::mail::header::{HeaderBlock, decode, hex, is_invisible, readable};

/// Longest boundary that is honoured. The standard allows 70 octets (RFC 2046 §5.1.1); programs in use write longer ones.
pub(super) const MAX_BOUNDARY: usize = 200;

/// Longest file name kept, bytes.
const MAX_NAME: usize = 200;

/// What a part's header says of it.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the fields are called so")]
pub(super) struct Content {
    pub content_type: String,
    pub charset: String,
    pub encoding: String,
    pub name: String,
    pub attachment: bool,
    pub content_id: String,
    /// For a multipart with a usable boundary.
    pub boundary: Option<Vec<u8>>,
}

impl Content {
    /// Reads the fields. The first of several of a name counts. `default_type` holds when there is no valid Content-Type
    /// (RFC 2045 §5.2, RFC 2046 §5.1.5).
    pub fn read(header: &[u8], default_type: &str) -> Self {
        let [mut content_type, mut disposition, mut encoding, mut id] = [None, None, None, None];
        for field in HeaderBlock::new(header).fields() {
            let slot = match field.key().as_str() {
                "content-type" => &mut content_type,
                "content-disposition" => &mut disposition,
                "content-transfer-encoding" => &mut encoding,
                "content-id" => &mut id,
                _ => continue,
            };
            slot.get_or_insert(field);
        }
        let typed = content_type.map(|field| Structured::parse(field.value())).unwrap_or_default();
        let disposed = disposition.map(|field| Structured::parse(field.value())).unwrap_or_default();
        let content_type = valid_type(&typed.main).unwrap_or(default_type).to_owned();
        let boundary = if content_type.starts_with("multipart/") { typed.boundary() } else { None };
        let name = disposed.text("filename").or_else(|| typed.text("name")).unwrap_or_default();
        let encoding = encoding.map(|field| Structured::parse(field.value()).main).unwrap_or_default();
        let id = id.map(|field| field.text()).unwrap_or_default();
        let id = id.trim_start_matches('<').trim_end_matches('>');
        Self {
            charset: typed.text("charset").map(|text| token(&text)).unwrap_or_default(),
            encoding: if encoding.is_empty() { "7bit".to_owned() } else { token(&encoding) },
            name: file_name(&name),
            // an unknown disposition is an attachment (RFC 2183 §2.8)
            attachment: !disposed.main.is_empty() && disposed.main != "inline",
            content_id: if id.len() <= MAX_NAME && id.bytes().all(|b| b.is_ascii_graphic()) {
                id.to_owned()
            } else {
                String::new()
            },
            boundary,
            content_type,
        }
    }
}

/// A structured value: what stands before the first `;`, lower case, and the parameters.
#[derive(Default)]
struct Structured {
    main: String,
    params: Vec<(String, Vec<u8>)>,
}

impl Structured {
    fn parse(value: &[u8]) -> Self {
        let unfolded: Vec<u8> = value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
        let mut pieces = pieces(&unfolded).into_iter();
        let main = pieces.next().unwrap_or_default();
        let main = String::from_utf8_lossy(&main).trim().to_ascii_lowercase();
        let param = |piece: Vec<u8>| {
            let at = piece.iter().position(|byte| *byte == b'=')?;
            let (name, value) = piece.split_at_checked(at)?;
            let name = String::from_utf8_lossy(name).trim().to_ascii_lowercase();
            (!name.is_empty()).then(|| (name, unquoted(value.get(1..).unwrap_or_default())))
        };
        Self { main, params: pieces.filter_map(param).collect() }
    }

    /// The first parameter of that very name.
    fn plain(&self, name: &str) -> Option<&[u8]> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_slice())
    }

    /// A parameter's text: RFC 2231 forms first, then the plain one, in which encoded words are read as most programs do.
    fn text(&self, name: &str) -> Option<String> {
        self.extended(name).map(|(charset, bytes)| to_text(&charset, &bytes)).or_else(|| {
            let plain = self.plain(name)?;
            Some(if plain.windows(2).any(|pair| pair == b"=?") { decode(plain) } else { to_text("", plain) })
        })
    }

    /// The boundary, when there is one that can be honoured. It cannot end in a blank (RFC 2046 §5.1.1).
    fn boundary(&self) -> Option<Vec<u8>> {
        let raw =
            self.plain("boundary").map(<[u8]>::to_vec).or_else(|| self.extended("boundary").map(|(_, bytes)| bytes))?;
        let boundary = raw.trim_ascii_end();
        let usable = !boundary.is_empty() && boundary.len() <= MAX_BOUNDARY && !boundary.contains(&0);
        usable.then(|| boundary.to_vec())
    }

    /// RFC 2231: `name*=charset'language'%xx`, `name*0*=…; name*1=…`: charset and bytes.
    fn extended(&self, name: &str) -> Option<(String, Vec<u8>)> {
        let mut sections: Vec<(u32, bool, &[u8])> = Vec::new();
        for (full, value) in &self.params {
            let Some(rest) = full.strip_prefix(name).and_then(|rest| rest.strip_prefix('*')) else { continue };
            let (number, encoded) = rest.strip_suffix('*').map_or((rest, rest.is_empty()), |number| (number, true));
            let number = if number.is_empty() { Some(0) } else { number.parse().ok() };
            let Some(number) = number else { continue };
            if !sections.iter().any(|(n, ..)| *n == number) {
                sections.push((number, encoded, value));
            }
        }
        sections.sort_unstable_by_key(|(number, ..)| *number);
        let mut charset = String::new();
        let mut bytes = Vec::new();
        for (expected, (number, encoded, value)) in (0..).zip(&sections) {
            if expected != *number {
                break;
            }
            let mut value: &[u8] = value;
            if expected == 0 && *encoded {
                let mut fields = value.splitn(3, |byte| *byte == b'\'');
                if let (Some(named), Some(_language), Some(text)) = (fields.next(), fields.next(), fields.next()) {
                    charset = String::from_utf8_lossy(named).into_owned();
                    value = text;
                }
            }
            if *encoded { bytes.extend(percent_decoded(value)) } else { bytes.extend_from_slice(value) }
        }
        (sections.first()?.0 == 0).then_some((charset, bytes))
    }
}

/// Splits at `;` outside quotes, and drops comments.
fn pieces(value: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = vec![Vec::new()];
    let mut quoted = false;
    let mut depth = 0_usize;
    let mut bytes = value.iter().copied();
    while let Some(byte) = bytes.next() {
        let Some(piece) = pieces.last_mut() else { break };
        match byte {
            b'\\' if quoted || depth > 0 => {
                let escaped = bytes.next();
                if depth == 0 {
                    piece.push(byte);
                    piece.extend(escaped);
                }
            }
            b'"' if depth == 0 => {
                quoted = !quoted;
                piece.push(byte);
            }
            // a comment opens at the begin or behind a blank: unquoted values with brackets in them are in use
            b'(' if !quoted && (depth > 0 || piece.last().is_none_or(u8::is_ascii_whitespace)) => depth += 1,
            b')' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            b';' if !quoted => pieces.push(Vec::new()),
            _ => piece.push(byte),
        }
    }
    pieces
}

/// A value without its quotes and escapes; without quotes, trimmed.
fn unquoted(value: &[u8]) -> Vec<u8> {
    let value = value.trim_ascii();
    let Some(inner) = value.strip_prefix(b"\"") else { return value.to_vec() };
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => out.extend(bytes.next()),
            _ => out.push(byte),
        }
    }
    out
}

fn percent_decoded(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    loop {
        rest = match rest {
            [b'%', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex(*high) << 4 | hex(*low));
                tail
            }
            [byte, tail @ ..] => {
                out.push(*byte);
                tail
            }
            [] => return out,
        };
    }
}

/// `type/subtype` of token characters (RFC 2045 §5.1).
fn valid_type(text: &str) -> Option<&str> {
    let (kind, subtype) = text.split_once('/')?;
    let valid = |t: &str| !t.is_empty() && t.len() <= 127 && t.bytes().all(is_token);
    (valid(kind) && valid(subtype)).then_some(text)
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'!' | b'#' | b'$' | b'&' | b'+' | b'-' | b'.' | b'^' | b'_')
}

/// A charset or encoding name, lower case; what is no name is empty.
fn token(text: &str) -> String {
    let name = text.trim().to_ascii_lowercase();
    if name.len() <= 64 && name.bytes().all(|byte| is_token(byte) || byte == b':') { name } else { String::new() }
}

/// A file name that is safe to show and to offer: its last path component, without control, invisible and path characters, not
/// only dots, at most [`MAX_NAME`] bytes with its extension kept.
fn file_name(text: &str) -> String {
    let text = readable(text);
    let base = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = base.chars().filter(|c| !is_invisible(*c) && !"<>:\"|?*".contains(*c)).collect();
    let name = name.trim_matches(|c: char| c == '.' || c.is_whitespace());
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let extension = name.rsplit_once('.').map_or("", |(_, end)| end);
    let extension = if extension.len() <= 16 { extension } else { "" };
    let mut stem: String = name.chars().take(MAX_NAME).collect();
    while stem.len() + extension.len() >= MAX_NAME {
        stem.pop();
    }
    if extension.is_empty() { stem } else { format!("{stem}.{extension}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boundary(content_type: &str) -> Option<String> {
        let header = format!("Content-Type: {content_type}\r\n");
        Content::read(header.as_bytes(), "text/plain").boundary.map(|b| String::from_utf8_lossy(&b).into_owned())
    }

    #[test]
    fn boundaries() {
        let long = "x".repeat(MAX_BOUNDARY + 1);
        for (content_type, expected) in [
            ("multipart/mixed; boundary=b1", Some("b1")),
            ("Multipart/Mixed; BOUNDARY=b1;", Some("b1")),
            ("multipart/mixed; boundary=\"b 1\"", Some("b 1")),
            ("multipart/mixed ; boundary = \"b1\" ; charset=x", Some("b1")),
            ("multipart/mixed; boundary=\"b;1\"", Some("b;1")),
            ("multipart/mixed; boundary=\"b\\\"1\"", Some("b\"1")),
            ("multipart/mixed; boundary=\"b1  \"", Some("b1")),
            ("multipart/mixed;\r\n\tboundary=\"b1\"", Some("b1")),
            ("multipart/mixed; (c;d) boundary=b1 (e)", Some("b1")),
            ("multipart/mixed (c); boundary=b1", Some("b1")),
            ("multipart/mixed; boundary=a(b)c", Some("a(b)c")),
            ("multipart/mixed; boundary=gc0p4Jq0M:2Yt=", Some("gc0p4Jq0M:2Yt=")),
            ("multipart/mixed; boundary=\"=?utf-8?q?x?=\"", Some("=?utf-8?q?x?=")),
            ("multipart/mixed; boundary=a; boundary=b", Some("a")),
            ("multipart/mixed; boundary*=us-ascii''b%201", Some("b 1")),
            ("multipart/mixed; boundary*1=b; boundary*0=a", Some("ab")),
            ("multipart/mixed; boundary=\"open", Some("open")),
            ("multipart/mixed; x=\"boundary=no\"; boundary=b1", Some("b1")),
            ("multipart/mixed; boundary=\"\"", None),
            ("multipart/mixed; boundary", None),
            ("multipart/mixed", None),
            ("multipart boundary=b1", None),
            ("text/plain; boundary=b1", None),
            (&format!("multipart/mixed; boundary={long}"), None),
        ] {
            assert_eq!(boundary(content_type).as_deref(), expected, "{content_type}");
        }
    }

    #[test]
    fn the_first_field_counts_and_odd_names_are_seen() {
        let header = b"Content-Type : multipart/mixed; boundary=a\r\nContent-Type: text/html\r\n";
        assert_eq!(Content::read(header, "text/plain").boundary, Some(b"a".to_vec()));
    }

    #[test]
    fn types_charsets_and_encodings() {
        for (header, expected) in [
            ("", ("text/plain", "", "7bit")),
            ("Content-Type: TEXT/HTML; charset=\"UTF-8\"\r\n", ("text/html", "utf-8", "7bit")),
            ("Content-Type: text\r\n", ("text/plain", "", "7bit")),
            ("Content-Type: text/<b>\r\n", ("text/plain", "", "7bit")),
            ("Content-Type: a/b/c\r\n", ("text/plain", "", "7bit")),
            ("Content-Type: text/plain; charset=\"a b\"\r\n", ("text/plain", "", "7bit")),
            ("Content-Transfer-Encoding: BASE64 (x)\r\n", ("text/plain", "", "base64")),
            ("content-transfer-encoding:\r\n Quoted-Printable\r\n", ("text/plain", "", "quoted-printable")),
        ] {
            let read = Content::read(header.as_bytes(), "text/plain");
            assert_eq!(
                (read.content_type.as_str(), read.charset.as_str(), read.encoding.as_str()),
                expected,
                "{header:?}"
            );
        }
        assert_eq!(Content::read(b"", "message/rfc822").content_type, "message/rfc822");
    }

    #[test]
    fn names_and_dispositions() {
        let long = format!("{}.pdf", "é".repeat(200));
        let short = format!("{}.pdf", "é".repeat(98));
        for (header, name, attachment) in [
            ("Content-Disposition: attachment; filename=a.pdf", "a.pdf", true),
            ("Content-Disposition: inline; filename=\"a b.pdf\"", "a b.pdf", false),
            ("Content-Disposition: attachment; filename=a b c.pdf", "a b c.pdf", true),
            ("Content-Disposition: x-other", "", true),
            ("Content-Disposition: ATTACHMENT", "", true),
            ("Content-Type: text/plain; name=a.txt", "a.txt", false),
            ("Content-Type: text/plain; name=b.txt\r\nContent-Disposition: attachment; filename=a.txt", "a.txt", true),
            ("Content-Type: text/plain; name=\"=?utf-8?q?caf=C3=A9.pdf?=\"", "café.pdf", false),
            ("Content-Type: text/plain; name=\"=?utf-8?b?Y2Fm?=\r\n =?utf-8?b?w6kucGRm?=\"", "café.pdf", false),
            ("Content-Disposition: attachment; filename*=utf-8''caf%C3%A9.pdf; filename=cafe.pdf", "café.pdf", true),
            (
                "Content-Disposition: attachment; filename*0*=utf-8''caf%C3%A9; filename*1=\" x.pdf\"",
                "café x.pdf",
                true,
            ),
            ("Content-Disposition: attachment; filename*1*=%20b; filename*0*=iso-8859-1'nl'caf%E9", "café b", true),
            ("Content-Disposition: attachment; filename*1=b; filename=a", "a", true),
            ("Content-Disposition: attachment; filename=\"caf\u{e9}.pdf\"", "café.pdf", true),
            ("Content-Disposition: attachment; filename=\"../../etc/passwd\"", "passwd", true),
            ("Content-Disposition: attachment; filename=\"C:\\\\tmp\\\\a.txt\"", "a.txt", true),
            ("Content-Disposition: attachment; filename=\"..\"", "", true),
            ("Content-Disposition: attachment; filename=\"gp\u{202e}fdp.exe\"", "gpfdp.exe", true),
            ("Content-Disposition: attachment; filename=\"a\0\u{7f}b<c>.txt\"", "abc.txt", true),
            ("Content-Disposition: attachment; filename=\".htaccess\"", "htaccess", true),
            (&format!("Content-Disposition: attachment; filename=\"{long}\""), &short, true),
        ] {
            let read = Content::read(format!("{header}\r\n").as_bytes(), "text/plain");
            assert_eq!((read.name.as_str(), read.attachment), (name, attachment), "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read(header in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Content::read(&header, "text/plain");
        }

        #[test]
        fn crafted_parameters_are_read(value in r#"[;="'*%()\\ 01a?]{0,40}"#) {
            let header = format!("Content-Type: multipart/mixed; {value}\r\nContent-Disposition: a; filename{value}\r\n");
            let read = Content::read(header.as_bytes(), "text/plain");
            prop_assert!(read.name.len() <= MAX_NAME && read.boundary.is_none_or(|b| b.len() <= MAX_BOUNDARY));
        }
    }
}
