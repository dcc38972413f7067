//! A paragraph cut into lines that fit, without a limit on what may be in it.

use std::ops::Range;

use unicode_bidi::BidiInfo;
use unicode_linebreak::linebreaks;

use super::face::{Face, Shaped};

/// Longest stretch that is looked at as one paragraph, in bytes; a longer one is cut where a line ends.
const LONGEST: usize = 8 * 1024;

/// Text without what has no place on paper: control characters, marks that turn the direction of writing for what follows, and code points that
/// mean nothing or only something between two parties. Tabs become blanks.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push_str("    "),
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            c if c.is_control() => {}
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' => {}
            '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}' => out.push('\u{fffd}'),
            c if u32::from(c) & 0xfffe == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// One line, its runs from left to right.
pub(super) struct Line {
    pub runs: Vec<Shaped>,
    /// In ems.
    pub width: f32,
    /// Belongs to a paragraph that is written from right to left.
    pub leftward: bool,
}

/// Where the lines of a paragraph end that is `width` ems wide.
pub(super) fn break_lines(face: &Face, text: &str, width: f32) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let (mut start, mut breakable, mut used) = (0, None, 0.0);
    let mut breaks = linebreaks(text).map(|(at, _)| at).peekable();
    for (at, c) in text.char_indices() {
        while breaks.next_if(|possible| *possible < at).is_some() {}
        if at > start && breaks.peek() == Some(&at) {
            breakable = Some(at);
        }
        let wide = face.width(c);
        // Blanks hang over the margin.
        while used + wide > width && at > start && !c.is_whitespace() {
            let end = breakable.take().unwrap_or(at);
            lines.push(start..end);
            start = end;
            used = text.get(end..at).unwrap_or_default().chars().map(|c| face.width(c)).sum();
        }
        if at - start >= LONGEST {
            lines.push(start..at);
            (start, breakable, used) = (at, None, 0.0);
        }
        used += wide;
    }
    lines.push(start..text.len());
    lines
}

/// The glyphs of a line.
pub(super) fn set(face: &Face, text: &str, line: Range<usize>) -> Line {
    let Some(part) = text.get(line) else { return Line { runs: Vec::new(), width: 0.0, leftward: false } };
    let info = BidiInfo::new(part, None);
    let mut set = Line { runs: Vec::new(), width: 0.0, leftward: false };
    for paragraph in &info.paragraphs {
        set.leftward |= paragraph.level.is_rtl();
        let (levels, runs) = info.visual_runs(paragraph, paragraph.range.clone());
        for run in runs {
            let leftward = levels.get(run.start).is_some_and(unicode_bidi::Level::is_rtl);
            let shaped = face.shape(part, run, leftward);
            set.width += shaped.width;
            set.runs.push(shaped);
        }
    }
    set
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn face() -> Face {
        Face::new(dejavu::sans::regular()).unwrap()
    }

    fn broken(text: &str, width: f32) -> Vec<String> {
        break_lines(&face(), text, width).into_iter().map(|line| text[line].to_owned()).collect()
    }

    #[test]
    fn lines_end_where_words_do() {
        assert_eq!(broken("een twee drie", 6.0), ["een twee ", "drie"]);
        assert_eq!(broken("een twee drie", 100.0), ["een twee drie"]);
        assert_eq!(broken("donaudampfschiff", 3.0).concat(), "donaudampfschiff");
        assert!(broken("donaudampfschiff", 3.0).len() > 2);
        assert_eq!(broken("-éa", 1.0), ["-", "é", "a"]);
        assert_eq!(broken("", 3.0), [""]);
        assert_eq!(broken("a    ", 0.5), ["a    "]);
    }

    #[test]
    fn what_has_no_place_on_paper() {
        assert_eq!(printable("a\tb\u{0}\u{7}\u{202e}c\u{feff}"), "a    bc");
        assert_eq!(printable("\u{e001}\u{ffff}\u{10fffe}\u{fdd0}"), "\u{fffd}".repeat(4));
        assert_eq!(printable("é😀漢\u{301}\u{200d}"), "é😀漢\u{301}\u{200d}");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_lines_fit(text in "([a-zé]{0,12}| |[\u{590}-\u{700}]{1,4}|[\u{300}-\u{310}😀漢-]){0,40}", width in 1.0_f32..40.0) {
            let face = face();
            let text = printable(&text);
            let lines = break_lines(&face, &text, width);
            prop_assert_eq!(lines.iter().map(|line| &text[line.clone()]).collect::<String>(), text.clone());
            for line in lines {
                let words = &text[line.clone()];
                let nominal: f32 = words.trim_end().chars().map(|c| face.width(c)).sum();
                prop_assert!(nominal <= width + 0.01 || words.trim_end().chars().count() == 1, "{words:?}");
                let set = set(&face, &text, line);
                let covered: usize = set.runs.iter().flat_map(|run| &run.glyphs).map(|glyph| glyph.text_range.len()).sum();
                prop_assert!(words.is_empty() || covered >= 1);
            }
        }
    }
}
