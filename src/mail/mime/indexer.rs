//! The line-anchored splitter: finds the parts while a mail streams by, in chunks of any size, with bounded memory.
//!
//! A delimiter is a whole line: `--`, the boundary, perhaps `--`, blanks, CRLF; so `b1` and `b10` differ and a boundary in the
//! middle of a line is text. The innermost multipart whose boundary it is takes it; a delimiter of an outer one ends the inner
//! ones, their headers too. Behind a close delimiter nothing of that multipart is looked for.

use std::fmt;

use memchr::memmem;

use super::base64_lines::Survey;
use super::content::{Content, MAX_BOUNDARY};
use super::{Limits, MimeIndex, Part};

/// Bytes of a body line that can matter: `--`, boundary, `--`, CRLF.
const LINE: usize = MAX_BOUNDARY + 6;

/// Finds the parts while a mail streams by. Its `Debug` shows where it is, not what it holds.
pub struct Indexer {
    limits: Limits,
    index: MimeIndex,
    /// Offset of the next byte.
    offset: u64,
    line: Line,
    /// The multiparts around the current position, outermost first.
    open: Vec<Open>,
    state: State,
}

/// The current line, as far as it can matter.
#[derive(Default)]
struct Line {
    start: u64,
    kept: Vec<u8>,
    /// There is more than `kept`: nothing is kept any more.
    dropped: bool,
    /// Something beyond `kept` was not a blank.
    tail: bool,
    /// It begins with a hyphen: no base64, but perhaps a delimiter.
    hyphen: bool,
    last: u8,
}

struct Open {
    part: u32,
    boundary: Vec<u8>,
    /// Its close delimiter was seen.
    closed: bool,
}

enum State {
    /// In a part's header: its Content-* fields so far, and whether the last field was one.
    Header { part: u32, fields: Vec<u8>, keep: bool },
    /// In a leaf's body, with what its base64 looks like.
    Leaf(u32, Option<Survey>),
    /// In the last part that the limit allows: the rest of the multipart at that depth.
    Rest { part: u32, depth: usize },
    /// In a preamble or epilogue.
    Between,
}

impl fmt::Debug for Indexer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Indexer(at {}, {} parts)", self.offset, self.index.parts.len())
    }
}

impl Indexer {
    /// At the start of a mail.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let mut indexer = Self {
            limits,
            index: MimeIndex::default(),
            offset: 0,
            line: Line::default(),
            open: Vec::new(),
            state: State::Between,
        };
        indexer.begin_part(None);
        indexer
    }

    /// The next bytes, as they are stored (unstuffed), in chunks of any size.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let in_header = matches!(self.state, State::Header { .. });
            if !in_header && self.offset == self.line.start {
                let skipped = ordinary_lines(rest);
                let (lines, behind) = rest.split_at_checked(skipped).unwrap_or((rest, &[]));
                self.look_at(lines);
                self.offset += u64::try_from(skipped).unwrap_or_default();
                self.line.start = self.offset;
                self.line.hyphen = behind.first() == Some(&b'-');
                rest = behind;
            }
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (piece, behind) = rest.split_at(end);
            rest = behind;
            let room = if in_header { self.limits.header.max(LINE) } else { LINE };
            let ends = self.line.take(piece, room, in_header);
            if !self.line.hyphen {
                self.look_at(piece);
            }
            self.offset += u64::try_from(piece.len()).unwrap_or_default();
            if ends {
                self.line_end();
            }
        }
    }

    /// Bytes of a leaf's body, at most with the line end behind it.
    fn look_at(&mut self, bytes: &[u8]) {
        if let State::Leaf(_, Some(survey)) = &mut self.state {
            survey.push(bytes);
        }
    }

    /// At the end.
    #[must_use]
    pub fn finish(mut self) -> MimeIndex {
        if self.offset > self.line.start {
            self.line_end();
        }
        self.end_parts(0, self.offset);
        self.index
    }

    /// Bytes of the mail that are held at this moment.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let fields = if let State::Header { fields, .. } = &self.state { fields.len() } else { 0 };
        self.line.kept.len() + fields
    }

    fn line_end(&mut self) {
        let line = std::mem::replace(&mut self.line, Line { start: self.offset, ..Line::default() });
        if let Some((depth, close)) = self.delimiter(&line) {
            self.delimited(depth, close, line.start.saturating_sub(2));
        } else if let State::Leaf(_, survey) = &mut self.state {
            // A line that was not looked at: it might have been a delimiter.
            survey.take_if(|_| line.hyphen);
        } else if let State::Header { part, fields, keep } = &mut self.state {
            let text = line.text();
            let fold = text.starts_with(b" ") || text.starts_with(b"\t");
            if text.is_empty() && !line.tail {
                self.header_end(self.offset);
                return;
            }
            // a part without an empty line: what is no field is text, so that it is not lost
            if *part > 0 && !fold && !is_field(text) {
                self.header_end(line.start);
                return;
            }
            if !fold {
                *keep = is_content(text);
            }
            if *keep && (line.tail || fields.len() + text.len() + 2 > self.limits.header) {
                *keep = false;
                self.index.cut = true;
            }
            if *keep {
                fields.extend_from_slice(text);
                fields.extend_from_slice(b"\r\n");
            }
        }
    }

    /// The multipart (by depth) whose delimiter a line is, and whether it closes it.
    fn delimiter(&self, line: &Line) -> Option<(usize, bool)> {
        if line.tail {
            return None;
        }
        let text = line.text().strip_prefix(b"--")?;
        let blanks = text.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let text = text.get(..text.len() - blanks)?;
        self.open.iter().enumerate().rev().filter(|(_, open)| !open.closed).find_map(|(depth, open)| {
            let rest = text.strip_prefix(open.boundary.as_slice())?;
            (rest.is_empty() || rest == b"--").then_some((depth, !rest.is_empty()))
        })
    }

    fn delimited(&mut self, depth: usize, close: bool, end: u64) {
        if matches!(self.state, State::Rest { depth: rest, .. } if rest == depth && !close) {
            return;
        }
        self.end_parts(depth + 1, end);
        let Some(open) = self.open.last_mut() else { return };
        if close {
            open.closed = true;
            return;
        }
        let parent = open.part;
        let parts = self.index.parts.len();
        if parts + 1 < self.limits.parts {
            self.begin_part(Some(parent));
            return;
        }
        self.index.cut = true;
        if parts < self.limits.parts {
            self.begin_part(Some(parent));
            self.rest(depth);
        }
    }

    /// Ends the current leaf and every multipart from `depth` on. A part whose header never ended has no body.
    fn end_parts(&mut self, depth: usize, end: u64) {
        let mut end = end;
        match std::mem::replace(&mut self.state, State::Between) {
            State::Header { part, fields, .. } => {
                let content = self.content(part, &fields);
                if let Some(part) = self.part(part) {
                    end = end.max(part.header);
                    part.describe(content);
                    (part.body, part.end) = (end, end);
                }
            }
            State::Leaf(part, survey) => {
                if let Some(part) = self.part(part) {
                    end = end.max(part.body);
                    part.end = end;
                    part.lines = survey.and_then(Survey::finish);
                }
            }
            State::Rest { part, .. } => {
                if let Some(part) = self.part(part) {
                    end = end.max(part.body);
                    part.end = end;
                }
            }
            State::Between => {}
        }
        while self.open.len() > depth {
            let Some(open) = self.open.pop() else { return };
            if let Some(part) = self.part(open.part) {
                end = end.max(part.body);
                part.end = end;
            }
        }
    }

    fn begin_part(&mut self, parent: Option<u32>) {
        let index = u32::try_from(self.index.parts.len()).unwrap_or(u32::MAX);
        self.index.parts.push(Part::at(parent, self.offset));
        self.state = State::Header { part: index, fields: Vec::new(), keep: false };
    }

    /// Makes the part that was just begun the last one.
    fn rest(&mut self, depth: usize) {
        let State::Header { part: index, .. } = self.state else { return };
        if let Some(part) = self.part(index) {
            "application/octet-stream".clone_into(&mut part.content_type);
            part.attachment = true;
        }
        self.state = State::Rest { part: index, depth };
    }

    fn header_end(&mut self, body: u64) {
        let State::Header { part: index, fields, .. } = std::mem::replace(&mut self.state, State::Between) else {
            return;
        };
        let mut content = self.content(index, &fields);
        let boundary = content.boundary.take();
        // Not of a body that began before this.
        let survey = (content.encoding == "base64" && body == self.offset).then(Survey::default);
        if let Some(part) = self.part(index) {
            part.describe(content);
            (part.body, part.end) = (body, body);
        }
        match boundary {
            Some(boundary) if self.open.len() < self.limits.depth => {
                self.open.push(Open { part: index, boundary, closed: false });
            }
            Some(_) => {
                self.index.cut = true;
                self.state = State::Leaf(index, None);
            }
            None => self.state = State::Leaf(index, survey),
        }
    }

    fn content(&mut self, part: u32, fields: &[u8]) -> Content {
        let parent = self.part(part).and_then(|part| part.parent);
        let in_digest =
            parent.and_then(|parent| self.part(parent)).is_some_and(|p| p.content_type == "multipart/digest");
        Content::read(fields, if in_digest { "message/rfc822" } else { "text/plain" })
    }

    fn part(&mut self, index: u32) -> Option<&mut Part> {
        self.index.parts.get_mut(usize::try_from(index).ok()?)
    }
}

impl Line {
    /// Takes a piece that has no LF but perhaps at its end; says whether the line ends with it.
    fn take(&mut self, piece: &[u8], room: usize, in_header: bool) -> bool {
        let begun = self.kept.iter().chain(piece).take(2).all(|byte| *byte == b'-');
        let wanted = if !self.dropped && (in_header || begun) {
            room.saturating_sub(self.kept.len()).min(piece.len())
        } else {
            0
        };
        let (kept, tail) = piece.split_at_checked(wanted).unwrap_or((piece, &[]));
        self.kept.extend_from_slice(kept);
        self.dropped |= !tail.is_empty();
        self.tail |= tail.iter().any(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        let before = piece.len().checked_sub(2).and_then(|at| piece.get(at)).copied().unwrap_or(self.last);
        self.last = piece.last().copied().unwrap_or(self.last);
        self.last == b'\n' && before == b'\r'
    }

    /// What is kept of it, without its CRLF.
    fn text(&self) -> &[u8] {
        let text = self.kept.as_slice();
        text.strip_suffix(b"\r\n").or_else(|| text.strip_suffix(b"\r")).unwrap_or(text)
    }
}

impl Part {
    fn at(parent: Option<u32>, offset: u64) -> Self {
        Self {
            parent,
            header: offset,
            body: offset,
            end: offset,
            content_type: "text/plain".to_owned(),
            charset: String::new(),
            encoding: "7bit".to_owned(),
            name: String::new(),
            attachment: false,
            content_id: String::new(),
            lines: None,
        }
    }

    fn describe(&mut self, content: Content) {
        self.content_type = content.content_type;
        self.charset = content.charset;
        self.encoding = content.encoding;
        self.name = content.name;
        self.attachment = content.attachment;
        self.content_id = content.content_id;
    }
}

/// How many bytes at the front are whole lines that cannot be delimiters, since none begins with a hyphen.
fn ordinary_lines(text: &[u8]) -> usize {
    if text.first() == Some(&b'-') {
        return 0;
    }
    let end = memmem::find(text, b"\n-").map_or(text.len(), |at| at + 1);
    // A bare LF ends no line.
    let lines = text.get(..end).unwrap_or_default();
    memmem::rfind(lines, b"\r\n").map_or(0, |at| at + 2)
}

/// Whether a header line begins a field: a name of visible characters, perhaps blanks, a colon.
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
    line.get(..colon).is_some_and(|name| name.trim_ascii_end().iter().all(u8::is_ascii_graphic))
}

/// Whether a header line begins a Content-* field, as leniently as [`crate::mail::header::Field::key`].
fn is_content(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    let mut visible = name.iter().filter(|byte| byte.is_ascii_graphic()).map(u8::to_ascii_lowercase);
    b"content-".iter().all(|wanted| visible.next() == Some(*wanted))
}
