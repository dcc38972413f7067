//! Mail HTML made simple before a real parser sees it: only known elements, properly nested, never deep.
//!
//! An HTML parser's work grows with the square of the nesting, and unclosed formatting elements are made anew in every
//! paragraph: a megabyte of `<b>` and `<p>` would keep it busy for hours. What comes out of here is parsed in linear time. It
//! decides nothing about safety; the sanitiser does, on its output.

use super::lexer::{Lexer, Tag, Token};
use super::{ATTRIBUTES, GENERIC, GONE, TAGS};

/// Elements within elements; browsers stop at 512, mails of tables within tables need some 60.
const DEEPEST: usize = 120;

/// Characters that are written as entities, in one stretch of text or one attribute: the serialiser behind us takes time by the square of their
/// number. A `<wbr>` in the text, where a line may break, starts a new stretch; such an attribute goes.
const MOST_ESCAPES: usize = 512;

/// Elements in a mail that are worth the work; letters of many years have a few ten thousand.
const MOST_ELEMENTS: usize = 50_000;

/// Longest value of an attribute, but for a picture.
const LONGEST_VALUE: usize = 4096;

/// Elements without content.
pub(super) const VOID: &[&str] = &["br", "col", "hr", "img", "wbr"];

/// Elements of [`GONE`] without content.
pub(super) const GONE_VOID: &[&str] = &["base", "embed", "frame", "link", "meta", "param", "source", "track"];

/// Elements whose content is no markup: without an end they swallow the rest.
pub(super) const RAW: &[&str] =
    &["iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "textarea", "title", "xmp"];

/// Elements that end an open paragraph.
pub(super) const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "div",
    "dl",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "ul",
];

/// The simple form of `html`.
pub(super) fn simplify(html: &str) -> String {
    let mut writer = Writer { out: String::with_capacity(html.len()), open: Vec::new(), escapes: 0 };
    let mut lexer = Lexer::new(html);
    while let Some(token) = lexer.next() {
        match token {
            Token::Text(text) => writer.text(text),
            Token::End(name) => writer.end(&name),
            Token::Start(tag) if GONE.contains(&tag.name.as_str()) => {
                if !GONE_VOID.contains(&tag.name.as_str()) && !tag.closed {
                    lexer.skip_to_end_of(&tag.name, RAW.contains(&tag.name.as_str()));
                }
            }
            Token::Start(tag) => writer.start(&tag),
        }
    }
    writer.close_to(0);
    writer.out
}

/// Whether there are so many elements that their nesting would take seconds to sort out.
pub(in super::super) fn is_costly(html: &str) -> bool {
    let mut lexer = Lexer::new(html);
    let tokens = std::iter::from_fn(|| lexer.next());
    tokens.filter(|token| matches!(token, Token::Start(_))).take(MOST_ELEMENTS + 1).count() > MOST_ELEMENTS
}

/// Plain text as a `pre` element.
pub(in super::super) fn preformatted(text: &str) -> String {
    let mut out = String::from("<pre>");
    for c in text.chars().filter(|c| *c != '\0') {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out + "</pre>"
}

/// The text alone, as a `pre` element; harmless, and cheap whatever the mail is.
pub(in super::super) fn plain(html: &str) -> String {
    let mut out = String::from("<pre>");
    let mut lexer = Lexer::new(html);
    while let Some(token) = lexer.next() {
        match token {
            Token::Text(text) => {
                for c in text.chars() {
                    match c {
                        '<' => out.push_str("&lt;"),
                        '>' => out.push_str("&gt;"),
                        '\0' => {}
                        c => out.push(c),
                    }
                }
            }
            Token::End(_) => {}
            Token::Start(tag) => {
                let name = tag.name.as_str();
                if GONE.contains(&name) {
                    if !GONE_VOID.contains(&name) && !tag.closed {
                        lexer.skip_to_end_of(name, RAW.contains(&name));
                    }
                } else if BLOCKS.contains(&name) || matches!(name, "br" | "tr" | "li" | "dt" | "dd") {
                    if !out.ends_with('\n') {
                        out.push('\n');
                    }
                } else if matches!(name, "td" | "th") && !out.ends_with(char::is_whitespace) {
                    out.push(' ');
                }
            }
        }
    }
    out.push_str("</pre>");
    out
}

/// Whether the serialiser writes an entity for it.
const fn is_escaped(c: char) -> bool {
    matches!(c, '&' | '<' | '>' | '"' | '\u{a0}')
}

struct Writer {
    out: String,
    open: Vec<&'static str>,
    /// Characters of the present stretch of text that become entities.
    escapes: usize,
}

impl Writer {
    fn text(&mut self, text: &str) {
        for c in text.chars() {
            if is_escaped(c) {
                self.escapes += 1;
                if self.escapes > MOST_ESCAPES {
                    self.out.push_str("<wbr>");
                    self.escapes = 0;
                }
            }
            match c {
                '<' => self.out.push_str("&lt;"),
                '\0' => {}
                c => self.out.push(c),
            }
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        let Some(name) = TAGS.iter().copied().find(|known| *known == tag.name) else { return };
        self.close_implied(name);
        let void = VOID.contains(&name);
        if !void && self.open.len() >= DEEPEST {
            return;
        }
        self.escapes = 0;
        self.out.push('<');
        self.out.push_str(name);
        let own = ATTRIBUTES.iter().find(|(element, _)| *element == name).map_or(&[][..], |(_, names)| names);
        for (attribute, value) in &tag.attributes {
            if own.contains(&attribute.as_str()) || GENERIC.contains(&attribute.as_str()) {
                self.attribute(attribute, value);
            }
        }
        self.out.push('>');
        if !void {
            self.open.push(name);
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        let escapes = value.chars().filter(|c| is_escaped(*c)).take(MOST_ESCAPES + 1).count();
        let long = value.len() > LONGEST_VALUE && (name != "src" || escapes > 0);
        if long || escapes > MOST_ESCAPES {
            return;
        }
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        for c in value.chars() {
            match c {
                '"' => self.out.push_str("&quot;"),
                '<' => self.out.push_str("&lt;"),
                '\0' => {}
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    /// What the start of `name` ends without saying so (HTML §13.1.2.4), as far as mails leave it out.
    fn close_implied(&mut self, name: &str) {
        let (ends, stops): (&[&str], &[&str]) = match name {
            "li" => (&["li"], &["ul", "ol", "table"]),
            "dd" | "dt" => (&["dd", "dt"], &["dl", "table"]),
            "td" | "th" => (&["td", "th"], &["tr", "table"]),
            "tr" => (&["tr"], &["table"]),
            "tbody" | "thead" | "tfoot" | "colgroup" | "caption" => {
                (&["tbody", "thead", "tfoot", "colgroup", "caption"], &["table"])
            }
            "a" => (&["a"], &["td", "th", "table"]),
            _ if BLOCKS.contains(&name) => (&["p"], &["td", "th", "table", "li", "div", "blockquote"]),
            _ => return,
        };
        let nearest = self.open.iter().rposition(|open| ends.contains(open) || stops.contains(open));
        if let Some(at) = nearest.filter(|at| self.open.get(*at).is_some_and(|open| ends.contains(open))) {
            self.close_to(at);
        }
    }

    /// Ends the nearest open element of this name, and all within it. Nothing in a cell ends what is outside of its table.
    fn end(&mut self, name: &str) {
        let nearest = self.open.iter().rposition(|open| *open == name || *open == "table");
        if let Some(at) = nearest.filter(|at| self.open.get(*at).is_some_and(|open| *open == name)) {
            self.close_to(at);
        } else if name == "br" {
            self.out.push_str("<br>");
        }
    }

    fn close_to(&mut self, depth: usize) {
        while self.open.len() > depth {
            let Some(name) = self.open.pop() else { return };
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
    }
}
