//! HTML cut into tags and text, in linear time (HTML §13.2.5, without its states that no mail needs).
//!
//! Where it reads differently from a browser, the mail looks different; it is no less safe, since only known tags are written
//! again and the sanitiser judges the result.

/// A start tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    /// Lower case.
    pub name: String,
    /// Names in lower case; values as written, with their entities.
    pub attributes: Vec<(String, &'a str)>,
    /// Written as `<name/>`.
    pub closed: bool,
}

/// A stretch of HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Text, with its entities; may hold `<` that starts no tag.
    Text(&'a str),
    /// A start tag.
    Start(Tag<'a>),
    /// An end tag's name in lower case.
    End(String),
}

/// Most attributes of a tag that are read; more are skipped.
const MOST_ATTRIBUTES: usize = 40;

/// Reads tokens; comments, declarations and processing instructions are passed over.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    rest: &'a str,
    /// Elements of which no end is left in `rest`: looking for it again each time would take time by the square.
    endless: Vec<String>,
}

impl<'a> Lexer<'a> {
    pub const fn new(html: &'a str) -> Self {
        Self { rest: html, endless: Vec::new() }
    }

    /// The next token.
    pub fn next(&mut self) -> Option<Token<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let text = self.rest.find('<').unwrap_or(self.rest.len());
            if text > 0 {
                return Some(Token::Text(self.take(text)));
            }
            let after = self.rest.get(1..).unwrap_or_default();
            if after.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return self.start_tag().map(Token::Start);
            }
            if let Some(end) = after.strip_prefix('/') {
                if end.starts_with(|c: char| c.is_ascii_alphabetic()) {
                    return Some(Token::End(self.end_tag()));
                }
                self.skip_past(">");
            } else if let Some(comment) = after.strip_prefix("!--") {
                self.skip_comment(comment);
            } else if after.starts_with(['!', '?']) {
                self.skip_past(">");
            } else {
                return Some(Token::Text(self.take(1)));
            }
        }
    }

    /// Passes over everything up to and with the end tag of `name`. Without one: everything when `raw`, else nothing.
    pub fn skip_to_end_of(&mut self, name: &str, raw: bool) {
        let endless = self.endless.iter().any(|known| known == name);
        if !endless && self.skip_end_of(name) {
            return;
        }
        if !endless {
            self.endless.push(name.to_owned());
        }
        if raw {
            self.rest = "";
        }
    }

    fn skip_end_of(&mut self, name: &str) -> bool {
        let mut from = 0;
        while let Some(at) = self.rest.get(from..).and_then(|rest| rest.find("</")) {
            let end = from + at;
            let tail = self.rest.get(end + 2..).unwrap_or_default();
            let named = tail.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name));
            let ended =
                tail.get(name.len()..).is_some_and(|t| t.starts_with(['>', '/', ' ', '\t', '\r', '\n', '\u{c}']));
            if named && ended {
                self.take(end);
                self.skip_past(">");
                return true;
            }
            from = end + 2;
        }
        false
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn skip_past(&mut self, end: &str) {
        self.rest = self.rest.split_once(end).map_or("", |(_, rest)| rest);
    }

    fn skip_comment(&mut self, comment: &'a str) {
        let short = comment.strip_prefix('>').or_else(|| comment.strip_prefix("->"));
        let ends = |at: &usize| comment.get(..*at).is_some_and(|c| c.ends_with("--") || c.ends_with("--!"));
        let end = comment.match_indices('>').map(|(at, _)| at).find(ends);
        self.rest = short.unwrap_or_else(|| end.and_then(|at| comment.get(at + 1..)).unwrap_or_default());
    }

    fn end_tag(&mut self) -> String {
        self.take(2);
        let name = self.name();
        self.skip_past(">");
        name
    }

    fn name(&mut self) -> String {
        let length =
            self.rest.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')).unwrap_or(self.rest.len());
        self.take(length).to_ascii_lowercase()
    }

    /// A start tag that never ends is dropped, with the rest.
    fn start_tag(&mut self) -> Option<Tag<'a>> {
        self.take(1);
        let mut tag = Tag { name: self.name(), attributes: Vec::new(), closed: false };
        loop {
            self.skip_blanks();
            let mut chars = self.rest.chars();
            match chars.next()? {
                '>' => {
                    self.take(1);
                    return Some(tag);
                }
                '/' => {
                    self.take(1);
                    tag.closed = self.rest.starts_with('>');
                }
                _ => {
                    let attribute = self.attribute();
                    if tag.attributes.len() < MOST_ATTRIBUTES {
                        tag.attributes.push(attribute);
                    }
                }
            }
        }
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(|c: char| c.is_ascii_whitespace());
    }

    fn attribute(&mut self) -> (String, &'a str) {
        // A name may begin with `=`, however odd.
        let first = self.rest.chars().next().map_or(0, char::len_utf8);
        let ends = |c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>' | '=');
        let tail = self.rest.get(first..).unwrap_or_default();
        let length = tail.find(ends).unwrap_or(tail.len());
        let name = self.take(first + length).to_ascii_lowercase();
        self.skip_blanks();
        let Some(value) = self.rest.strip_prefix('=') else { return (name, "") };
        self.rest = value;
        self.skip_blanks();
        let quote = self.rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        if let Some(quote) = quote {
            self.take(1);
            let length = self.rest.find(quote).unwrap_or(self.rest.len());
            let value = self.take(length);
            self.take(1);
            return (name, value);
        }
        let length = self.rest.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(self.rest.len());
        (name, self.take(length))
    }
}
