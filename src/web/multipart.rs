//! Forms with files (RFC 7578), read while they stream in. Pure: bytes in, events out. What a client may make us hold is bounded: the head of
//! a part, and one boundary's length of its content; everything else goes out as it comes.

use std::fmt;

/// Most bytes of the head of one part.
const MOST_HEAD: usize = 4096;
/// Most parts of one form.
const MOST_PARTS: usize = 200;
/// Longest boundary (RFC 2046 §5.1.1).
const MOST_BOUNDARY: usize = 70;

/// The form is none, or broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a form that can be read")]
pub(super) struct BadForm;

/// One part of a form, as its head says. Its `Debug` shows no name of a file.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Field {
    /// The field's name.
    pub name: String,
    /// The name of the file; `None` for a plain field.
    pub file: Option<String>,
    /// `type/subtype` as sent; may be empty.
    pub kind: String,
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What comes out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A part begins.
    Begin(Field),
    /// Bytes of it.
    Bytes(Vec<u8>),
    /// It is whole.
    End,
}

/// The boundary in a `Content-Type`; `None` when that is no form with parts.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let parameter = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    })?;
    let fits = (1..=MOST_BOUNDARY).contains(&parameter.len()) && parameter.bytes().all(|b| b.is_ascii_graphic());
    fits.then_some(parameter)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before the first boundary.
    Preamble,
    /// Behind a boundary: more, or the end.
    Behind,
    /// In the head of a part.
    Head,
    /// In its content.
    Content,
    /// Past the last boundary.
    Done,
}

/// Reads one form.
pub(super) struct Reader {
    /// CRLF, two dashes and the boundary.
    delimiter: Vec<u8>,
    buffer: Vec<u8>,
    at: At,
    parts: usize,
}

impl Reader {
    pub(super) fn new(boundary: &str) -> Self {
        // The first boundary has no line end before it.
        let buffer = b"\r\n".to_vec();
        Self { delimiter: format!("\r\n--{boundary}").into_bytes(), buffer, at: At::Preamble, parts: 0 }
    }

    /// Whether the last boundary was seen.
    pub(super) const fn is_done(&self) -> bool {
        matches!(self.at, At::Done)
    }

    /// Takes bytes; appends what they complete to `out`.
    ///
    /// # Errors
    /// [`BadForm`]: nothing more may be read.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<(), BadForm> {
        if self.at == At::Done {
            return Ok(());
        }
        self.buffer.extend_from_slice(bytes);
        while self.step(out)? {}
        Ok(())
    }

    /// One step; `false` when more bytes are needed.
    fn step(&mut self, out: &mut Vec<Event>) -> Result<bool, BadForm> {
        match self.at {
            At::Preamble => match find(&self.buffer, &self.delimiter) {
                Some(0) => {
                    self.buffer.drain(..self.delimiter.len());
                    self.at = At::Behind;
                    Ok(true)
                }
                // Nobody sends text before a form.
                Some(_) => Err(BadForm),
                None if self.buffer.len() > self.delimiter.len() => Err(BadForm),
                None => Ok(false),
            },
            At::Behind => match self.buffer.first_chunk::<2>() {
                None => Ok(false),
                Some(b"--") => {
                    self.at = At::Done;
                    self.buffer = Vec::new();
                    Ok(false)
                }
                Some(b"\r\n") => {
                    self.parts += 1;
                    self.at = At::Head;
                    if self.parts > MOST_PARTS { Err(BadForm) } else { Ok(true) }
                }
                Some(_) => Err(BadForm),
            },
            At::Head => self.head(out),
            At::Content => Ok(self.content(out)),
            At::Done => Ok(false),
        }
    }

    /// The head stands between CRLF and an empty line.
    fn head(&mut self, out: &mut Vec<Event>) -> Result<bool, BadForm> {
        let Some(end) = find(&self.buffer, b"\r\n\r\n") else {
            return if self.buffer.len() > MOST_HEAD { Err(BadForm) } else { Ok(false) };
        };
        if end > MOST_HEAD {
            return Err(BadForm);
        }
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let head = std::str::from_utf8(&head).map_err(|_| BadForm)?;
        out.push(Event::Begin(field(head).ok_or(BadForm)?));
        self.at = At::Content;
        Ok(true)
    }

    fn content(&mut self, out: &mut Vec<Event>) -> bool {
        let found = find(&self.buffer, &self.delimiter);
        // What may be the start of a delimiter waits for the rest of it.
        let sure = found.unwrap_or((self.buffer.len() + 1).saturating_sub(self.delimiter.len()));
        if sure > 0 {
            out.push(Event::Bytes(self.buffer.drain(..sure).collect()));
        }
        if found.is_some() {
            self.buffer.drain(..self.delimiter.len());
            out.push(Event::End);
            self.at = At::Behind;
        }
        found.is_some()
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("at", &self.at).finish_non_exhaustive()
    }
}

fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    let first = needle.first()?;
    let mut from = 0;
    loop {
        let rest = hay.get(from..)?;
        let at = from + rest.iter().position(|byte| byte == first)?;
        if hay.get(at..)?.starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// The head of a part: its name, perhaps a file's name, and a type.
fn field(head: &str) -> Option<Field> {
    let mut field = Field::default();
    let mut named = false;
    for line in head.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        match name.trim().to_ascii_lowercase().as_str() {
            "content-disposition" => {
                let rest = value.trim().strip_prefix("form-data")?;
                field.name = parameter(rest, "name")?;
                field.file = parameter(rest, "filename");
                named = true;
            }
            "content-type" => value.split(';').next().unwrap_or_default().trim().clone_into(&mut field.kind),
            _ => {}
        }
    }
    named.then_some(field)
}

/// A quoted parameter as browsers write it: `"`, CR and LF inside are `%22`, `%0D` and `%0A` (HTML, multipart/form-data encoding).
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let start = format!("; {name}=\"");
    let (_, rest) = parameters.split_once(&start)?;
    let (value, _) = rest.split_once('"')?;
    Some(value.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FORM: &[u8] = b"--x\r\nContent-Disposition: form-data; name=\"tekst\"\r\n\r\nDag\r\n--x\r\n\
        Content-Disposition: form-data; name=\"bijlage\"; filename=\"a%22\xc3\xa9.pdf\"\r\nContent-Type: application/pdf\r\n\r\n\
        \r\n--\r\n--y\r\x00\r\n--x\r\nContent-Disposition: form-data; name=\"leeg\"; filename=\"\"\r\n\r\n\r\n--x--\r\n";

    type Fields = Vec<(Field, Vec<u8>)>;

    fn read(form: &[u8], piece: usize) -> Result<(Fields, bool), BadForm> {
        let mut reader = Reader::new("x");
        let mut events = Vec::new();
        for bytes in form.chunks(piece) {
            reader.push(bytes, &mut events)?;
        }
        let mut fields = Fields::new();
        let mut open = false;
        for event in events {
            match event {
                Event::Begin(field) => {
                    assert!(!open);
                    open = true;
                    fields.push((field, Vec::new()));
                }
                Event::Bytes(bytes) => fields.last_mut().unwrap().1.extend(bytes),
                Event::End => open = false,
            }
        }
        Ok((fields, reader.is_done()))
    }

    #[test]
    fn a_form_in_pieces_of_every_size() {
        let plain = |name: &str| Field { name: name.to_owned(), ..Field::default() };
        let expected = vec![
            (plain("tekst"), b"Dag".to_vec()),
            (
                Field { file: Some("a\"é.pdf".to_owned()), kind: "application/pdf".to_owned(), ..plain("bijlage") },
                b"\r\n--\r\n--y\r\x00".to_vec(),
            ),
            (Field { file: Some(String::new()), ..plain("leeg") }, Vec::new()),
        ];
        for piece in 1..FORM.len() {
            assert_eq!(read(FORM, piece), Ok((expected.clone(), true)), "pieces of {piece}");
        }
    }

    #[test]
    fn what_is_no_form() {
        let long = format!("--x\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n", "a".repeat(5000));
        let many = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n".repeat(201);
        for bad in [
            "dag--x\r\n",
            "--xy\r\n",
            "--x\r\nContent-Disposition: form-data\r\n\r\n",
            "--x\r\nA\r\n\r\n",
            "--x\r\nContent-Disposition: inline; name=\"a\"\r\n\r\n",
            "--x\r\nX: y\r\n\r\n",
            &long,
            &many,
        ] {
            assert_eq!(read(bad.as_bytes(), 7), Err(BadForm), "{bad:.40}");
        }
        assert_eq!(read(&FORM[..FORM.len() - 6], 50).map(|(_, done)| done), Ok(false), "cut short");
    }

    #[test]
    fn boundaries() {
        for (kind, expected) in [
            ("multipart/form-data; boundary=----WebKitFormBoundaryX", Some("----WebKitFormBoundaryX")),
            ("Multipart/Form-Data; charset=utf-8; BOUNDARY=\"a'b\"", Some("a'b")),
            ("multipart/mixed; boundary=a", None),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=a\u{7f}", None),
        ] {
            assert_eq!(boundary(kind).as_deref(), expected, "{kind}");
        }
        assert_eq!(boundary(&format!("multipart/form-data; boundary={}", "a".repeat(71))), None);
    }

    proptest! {
        #[test]
        fn any_content_comes_back(content in prop::collection::vec(any::<u8>(), 0..300), piece in 1usize..50) {
            prop_assume!(find(&content, b"\r\n--x").is_none());
            let head = b"--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n";
            let form = [&head[..], &content, b"\r\n--x--\r\n"].concat();
            // A content that ends in a line end before the delimiter is one all the same.
            let (fields, done) = read(&form, piece).unwrap();
            prop_assert!(done);
            prop_assert_eq!(&fields[0].1, &content);
        }

        #[test]
        fn any_bytes_end_somehow(bytes in prop::collection::vec(any::<u8>(), 0..2000), piece in 1usize..200) {
            let _read = read(&[b"--x\r\n", bytes.as_slice()].concat(), piece);
        }
    }
}
