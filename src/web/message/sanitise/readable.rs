//! Mail HTML as text that can be read without its layout: paragraphs, list marks, cells apart, the addresses behind links.

use super::lexer::{Lexer, Token};
use super::simplify::{BLOCKS, GONE_VOID, RAW, simplify};
use super::{GONE, is_link};

use ammonia::Builder;

/// The text of `html`. Takes time by its length only.
pub(in super::super) fn readable(html: &str) -> String {
    let mut writer = Writer::default();
    let mut lexer = Lexer::new(html);
    while let Some(token) = lexer.next() {
        match token {
            Token::Text(text) => writer.text(text),
            Token::End(name) => writer.end(&name),
            Token::Start(tag) => {
                let name = tag.name.as_str();
                if GONE.contains(&name) {
                    if !GONE_VOID.contains(&name) && !tag.closed {
                        lexer.skip_to_end_of(name, RAW.contains(&name));
                    }
                    continue;
                }
                let value =
                    |wanted: &str| tag.attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
                writer.start(name, value("href"), value("alt"));
            }
        }
    }
    decoded(&writer.out)
}

/// Text with its entities, and line ends where paragraphs end.
#[derive(Default)]
struct Writer {
    out: String,
    /// The link that is open: its address, and where its text begins.
    link: Option<(String, usize)>,
    /// Within `pre`, where blanks count.
    pre: usize,
}

impl Writer {
    fn text(&mut self, text: &str) {
        if self.pre > 0 {
            self.out.extend(text.chars().filter(|c| *c != '\r'));
            return;
        }
        for c in text.chars() {
            if !matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{c}') {
                self.out.push(c);
            } else if !self.out.is_empty() && !self.out.ends_with([' ', '\n']) {
                self.out.push(' ');
            }
        }
    }

    fn start(&mut self, name: &str, href: Option<&str>, alt: Option<&str>) {
        match name {
            "br" => self.out.push('\n'),
            "li" => {
                self.line();
                self.out.push_str("• ");
            }
            "tr" | "dt" | "dd" | "div" => self.line(),
            "td" | "th" if !self.out.is_empty() && !self.out.ends_with([' ', '\n']) => self.out.push_str("  "),
            "hr" => {
                self.line();
                self.out.push_str("----------\n");
            }
            "img" => self.text(alt.unwrap_or_default()),
            "a" => self.link = href.filter(|href| is_link(href)).map(|href| (href.trim().to_owned(), self.out.len())),
            name if BLOCKS.contains(&name) => {
                self.paragraph();
                self.pre += usize::from(name == "pre");
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "a" => self.end_link(),
            "div" | "li" | "tr" | "table" => self.line(),
            name if BLOCKS.contains(&name) => {
                self.paragraph();
                self.pre = self.pre.saturating_sub(usize::from(name == "pre"));
            }
            _ => {}
        }
    }

    /// The address behind a link, unless it is what the link says.
    fn end_link(&mut self) {
        let Some((href, from)) = self.link.take() else { return };
        let said = self.out.get(from..).unwrap_or_default().trim();
        let bare = |text: &str| {
            let text = text.trim_start_matches("mailto:").trim_start_matches("tel:");
            text.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/').to_ascii_lowercase()
        };
        if bare(said) != bare(&href) {
            self.out.push_str(" <");
            self.out.push_str(&href);
            self.out.push('>');
        }
    }

    fn line(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    fn paragraph(&mut self) {
        self.line();
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }
}

/// Entities as the characters that they stand for. A parser does it, on one element without anything in it.
fn decoded(text: &str) -> String {
    let escaped = text.replace('<', "&lt;");
    let html = Builder::empty().tags(["wbr"].into()).clean(&simplify(&escaped)).to_string();
    let html = html.replace("<wbr>", "").replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ");
    html.replace("&quot;", "\"").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn layout_becomes_lines() {
        for (html, text) in [
            ("<p>Dag  <b>Jan</b>,</p>\n<p>Tot &eacute;&eacute;n uur.</p>", "Dag Jan,\n\nTot één uur.\n\n"),
            ("een<br>twee<div>drie</div>vier", "een\ntwee\ndrie\nvier"),
            ("<ul><li>a</li><li>b</li></ul>", "• a\n• b\n\n"),
            ("<table><tr><td>Tijd</td><td>10:00</td></tr><tr><td>x</td></tr></table>", "Tijd  10:00\nx\n"),
            ("<a href=\"https://a.nl/x?a=1&amp;b=2\">hier</a>", "hier <https://a.nl/x?a=1&b=2>"),
            ("<a href='mailto:a@b.nl'>a@b.nl</a> <a href='https://a.nl/'>a.nl</a>", "a@b.nl a.nl"),
            ("<a href='javascript:alert(1)'>hier</a>", "hier"),
            ("<style>p{}</style><script>x()</script>Dag<title>t</title>", "Dag"),
            ("<img alt=\"logo &amp; naam\" src=x>", "logo & naam"),
            ("<pre>a\n  b</pre>", "a\n  b\n\n"),
            ("1 &lt; 2 &amp;&amp; 3 > 2 &quot;x&quot; &amp;lt;", "1 < 2 && 3 > 2 \"x\" &lt;"),
            ("a < b <3", "a < b <3"),
            ("", ""),
        ] {
            assert_eq!(readable(html), text, "{html}");
        }
    }

    #[test]
    fn hostile_html_takes_no_time_and_leaves_nothing_out() {
        for piece in ["<b>", "<div>", "&amp;", "<a href=https://a.nl>", "<", "x ", "<li>", "<svg>"] {
            let text = readable(&piece.repeat(200_000 / piece.len()));
            assert!(text.len() < 10_000_000);
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_in_is_text(html in "(</?(p|b|a|td|li|pre|style|svg|script|!--)( href=[\"']?x)?>|[<>&;\"' ]|[a-z]{1,3}|&lt;|&#60;|\u{0}){0,40}") {
            let text = readable(&html);
            let clean = !text.contains('\u{0}');
            prop_assert!(clean);
        }
    }
}
