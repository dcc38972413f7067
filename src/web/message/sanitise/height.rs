//! How tall a mail's HTML will stand in its frame, estimated from what is left of it.
//!
//! The frame has no origin and runs nothing, so the page around it cannot ask how tall it became. Since the mail's own styles are gone and ours
//! are known, its text and pictures tell it nearly. Where they do not, the frame scrolls.

use super::lexer::{Lexer, Tag, Token};
use super::simplify::{BLOCKS, GONE_VOID, RAW};
use super::{GONE, PICTURES};

/// Pixels of a line of text; of the space between two paragraphs; above and below all of it; of the padding of a row of cells.
const LINE: u64 = 28;
const GAP: u64 = 18;
const AROUND: u64 = 36;
const CELLS: u64 = 6;

/// Pixels of a character, on average.
const CHARACTER: u64 = 9;

/// Characters that a line stays empty at its end, on average.
const WORD: u64 = 4;

/// Pixels by which a list, and a quotation, stands in.
const INDENT: u64 = 40;

/// A picture that does not say how large it is.
const PICTURE: u64 = 160;

/// Pictures no taller than that stand in a line of text.
const INLINE: u64 = 60;

/// A frame that is narrower than that has little room for cells beside each other.
const NARROW: u64 = 300;

/// Character references that show nothing.
const UNSEEN: [&str; 7] = ["zwnj", "zwj", "shy", "#8203", "#8204", "#847", "#173"];

/// Bytes of the name of a character reference.
const LONGEST_NAME: usize = 12;

/// Pixels past which nobody counts.
const TALLEST: u64 = 30_000;

/// A frame so many pixels wide inside, and how tall it is until now.
#[derive(Debug, Clone, Copy)]
struct Ruler {
    width: u64,
    tall: u64,
}

impl Ruler {
    /// A stretch of text that begins on a new line, so many pixels from the edge; `scale` in tenths of the text's own size. The last word of a
    /// line mostly does not fit.
    fn text(&mut self, characters: u64, (scale, indent, beside): (u64, u64, bool)) {
        let width = if beside && self.width < NARROW { self.width * 7 / 10 } else { self.width };
        let a_line = (width.saturating_sub(indent) / CHARACTER).saturating_sub(WORD).max(WORD);
        self.tall += (characters * scale / 10).div_ceil(a_line) * LINE * scale / 10;
    }

    const fn picture(&mut self, (width, height): (u64, u64)) {
        self.tall += if width > self.width { height * self.width / width } else { height };
    }
}

/// Pixels, in a frame as wide inside as on a desk, in a window of about 520, on a telephone of 360 and on a small one of 320.
pub(in super::super) fn height<'a>(leaves: impl Iterator<Item = (&'a str, bool)>) -> [u64; 4] {
    let ruler = |width| Ruler { width, tall: AROUND };
    let mut sheet = Sheet {
        rulers: [ruler(574), ruler(380), ruler(268), ruler(228)],
        run: 0,
        scale: 10,
        gap: 0,
        indent: 0,
        cells: 0,
        columns: 0,
        pre: 0,
        blank: true,
    };
    for (text, is_html) in leaves {
        if is_html { sheet.html(text) } else { sheet.plain(text) }
    }
    sheet.line();
    sheet.rulers.map(|ruler| ruler.tall + sheet.gap)
}

/// What was read until now.
struct Sheet {
    rulers: [Ruler; 4],
    /// Characters of the stretch of text that is open.
    run: u64,
    scale: u64,
    /// Space that comes before whatever follows.
    gap: u64,
    /// How far text stands in.
    indent: u64,
    /// Cells of the row until now, and of the row before.
    cells: u64,
    columns: u64,
    /// Within `pre`, where line ends count.
    pre: u64,
    /// The last character was a blank.
    blank: bool,
}

impl Sheet {
    fn html(&mut self, html: &str) {
        let mut lexer = Lexer::new(html);
        while let Some(token) = lexer.next() {
            match token {
                Token::Text(text) => self.text(text),
                Token::End(name) => self.end(&name),
                Token::Start(tag) if GONE.contains(&tag.name.as_str()) => {
                    if !GONE_VOID.contains(&tag.name.as_str()) && !tag.closed {
                        lexer.skip_to_end_of(&tag.name, RAW.contains(&tag.name.as_str()));
                    }
                }
                Token::Start(tag) => self.start(&tag),
            }
            if self.rulers.iter().all(|ruler| ruler.tall > TALLEST) {
                return;
            }
        }
    }

    /// A leaf without layout.
    fn plain(&mut self, text: &str) {
        self.paragraph(GAP);
        self.pre += 1;
        self.text(text);
        self.pre -= 1;
        self.paragraph(GAP);
    }

    fn text(&mut self, text: &str) {
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c == '&'
                && let Some((name, after)) = entity(chars.as_str())
            {
                chars = after.chars();
                self.run += u64::from(!UNSEEN.contains(&name));
                self.blank = false;
            } else if self.pre > 0 && c == '\n' {
                self.end_line();
            } else if !c.is_whitespace() || c == '\u{a0}' {
                self.run += 1;
                self.blank = false;
            } else if !self.blank {
                self.run += 1;
                self.blank = true;
            }
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag.name.as_str() {
            "br" => self.end_line(),
            "img" => self.picture(tag),
            "hr" => {
                self.paragraph(GAP / 2);
                self.add(1);
                self.gap = GAP / 2;
            }
            "td" | "th" => {
                self.run += 2 * u64::from(self.run > 0);
                self.cells += 1;
            }
            "h1" => self.heading(20),
            "h2" => self.heading(15),
            "h3" => self.heading(12),
            "pre" => {
                self.paragraph(GAP);
                self.pre += 1;
            }
            name => {
                self.edge(name);
                self.indent += indent(name);
            }
        }
    }

    fn end(&mut self, name: &str) {
        self.edge(name);
        self.indent = self.indent.saturating_sub(indent(name));
        match name {
            "h1" | "h2" | "h3" => self.scale = 10,
            "pre" => self.pre = self.pre.saturating_sub(1),
            "tr" => {
                self.add(CELLS);
                (self.columns, self.cells) = (self.cells, 0);
            }
            "table" => (self.columns, self.cells) = (0, 0),
            _ => {}
        }
    }

    /// Where a block begins or ends.
    fn edge(&mut self, name: &str) {
        match name {
            "p" | "ul" | "ol" | "dl" | "blockquote" | "figure" | "pre" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.paragraph(GAP);
            }
            "li" | "tr" | "dt" | "dd" | "caption" => self.line(),
            name if BLOCKS.contains(&name) => self.line(),
            _ => {}
        }
    }

    fn heading(&mut self, scale: u64) {
        self.paragraph(GAP * 13 / 10);
        self.scale = scale;
    }

    /// Ours are shown; of another only its text is, if it has any.
    fn picture(&mut self, tag: &Tag<'_>) {
        let value = |wanted: &str| tag.attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
        let source = value("src").unwrap_or_default().trim();
        let begins = |start: &str| source.get(..start.len()).is_some_and(|s| s.eq_ignore_ascii_case(start));
        if !begins("cid:") && !PICTURES.iter().any(|start| begins(start)) {
            return self.text(value("alt").unwrap_or_default());
        }
        let pixels = |name| value(name).and_then(|text| text.parse::<u64>().ok()).filter(|pixels| *pixels <= 2000);
        let size = match (pixels("width"), pixels("height")) {
            (Some(width), Some(height)) => (width, height),
            (Some(width), None) => (width, width * 2 / 3),
            (None, height) => (0, height.unwrap_or(PICTURE)),
        };
        if size.1 <= INLINE {
            self.run += size.0 / CHARACTER + 1;
        } else {
            self.line();
            self.space();
            self.rulers.iter_mut().for_each(|ruler| ruler.picture(size));
        }
    }

    /// Ends the open stretch of text, or leaves a line empty.
    fn end_line(&mut self) {
        if self.run == 0 {
            self.add(LINE);
        }
        self.line();
    }

    fn line(&mut self) {
        if self.run > 0 {
            self.space();
            let (run, set) = (self.run, (self.scale, self.indent, self.cells.max(self.columns) > 1));
            self.rulers.iter_mut().for_each(|ruler| ruler.text(run, set));
        }
        (self.run, self.blank) = (0, true);
    }

    fn paragraph(&mut self, gap: u64) {
        self.line();
        self.gap = self.gap.max(gap);
    }

    fn add(&mut self, pixels: u64) {
        self.space();
        self.rulers.iter_mut().for_each(|ruler| ruler.tall += pixels);
    }

    /// Two spaces between blocks are one.
    fn space(&mut self) {
        let gap = std::mem::take(&mut self.gap);
        self.rulers.iter_mut().for_each(|ruler| ruler.tall += gap);
    }
}

/// The name of a character reference, and what follows it.
fn entity(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().take(LONGEST_NAME).position(|byte| byte == b';')?;
    let (name, after) = (text.get(..end)?, text.get(end + 1..)?);
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'#').then_some((name, after))
}

/// By how many pixels the text within an element stands in.
const fn indent(name: &str) -> u64 {
    match name.as_bytes() {
        b"ul" | b"ol" | b"dd" => INDENT,
        b"blockquote" => INDENT / 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(html: &str) -> [u64; 4] {
        height([(html, true)].into_iter())
    }

    #[test]
    fn text_fills_lines_and_blocks_stand_apart() {
        let letter = "Wij zien u graag op maandag. ".repeat(20);
        for (html, expected) in [
            ("", [36; 4]),
            ("<p>Dag Jan</p>", [100; 4]),
            ("<p>Dag</p> <p>Jan</p>", [146; 4]),
            ("<div>Dag</div><div>Jan</div>", [92; 4]),
            ("Dag<br><br>Jan", [120; 4]),
            ("<h1>Dag</h1>", [133; 4]),
            ("<pre>a\nb\nc</pre>", [156; 4]),
            ("<style>p { color: red }</style><script>weg()</script><!-- niets -->", [36; 4]),
            ("<table><tr><td>Tijd</td><td>10:00</td></tr><tr><td>Plaats</td><td>Zaal</td></tr></table>", [104; 4]),
            ("<img src=https://elders.example/groot.png width=600 height=900>", [36; 4]),
            ("<img src='cid:logo' width=\"1148\" height=\"400\">", [236, 168, 129, 115]),
            ("<img src=cid:logo>", [196; 4]),
            ("<ul><li>Uw verzekeringspas", [82, 82, 82, 110]),
            (&"&nbsp;&zwnj;".repeat(20), [64; 4]),
            (&"&#1575;".repeat(20), [64; 4]),
            ("R&D; en & meer &", [64; 4]),
            (letter.as_str(), [36 + 28 * 10, 36 + 28 * 16, 36 + 28 * 24, 36 + 28 * 28]),
        ] {
            assert_eq!(of(html), expected, "{html}");
        }
        assert_eq!(height([("een\ntwee", false), ("<p>drie</p>", true)].into_iter()), [174; 4]);
    }

    #[test]
    fn nobody_counts_for_ever() {
        for piece in ["<p>x", "<br>", "<tr>", "a ", "<img src=cid:a>", "<div>"] {
            let [wide, .., narrow] = of(&piece.repeat(1_000_000 / piece.len()));
            assert!(wide < 500_000 && narrow < 2_000_000, "{piece}: {wide} {narrow}");
        }
    }

    proptest! {
        #[test]
        fn a_narrow_frame_is_no_shorter(html in "(</?(p|b|h1|td|tr|li|pre|img|br|hr|table)( (src=cid:x|width=[0-9]{1,4}))?>|[a-z ]{1,30}|<){0,40}") {
            let all = of(&html);
            prop_assert!(all.iter().all(|tall| *tall >= AROUND));
            prop_assert!(all.is_sorted() || html.contains("img"), "{all:?}");
        }
    }
}
