//! Names and addresses from outside, made fit for one line of a header, a text and a page: no control characters, nothing that
//! turns or hides text, no more than a line's worth. Pure.

/// Characters of a name that are kept.
const LONGEST_NAME: usize = 80;

/// A person's or organisation's name as we show it; empty when there is none.
///
/// A "name" that holds an address is none: shown beside another address it would mislead, and mail filters count it as
/// forged.
pub(super) fn name(text: &str) -> String {
    let line = line(text, LONGEST_NAME);
    let bare = line.trim_matches(|c: char| c == '"' || c == '\'' || c.is_whitespace());
    if bare.contains(['@', '＠']) { String::new() } else { bare.to_owned() }
}

/// One line of at most `longest` characters: white space folded to single blanks, what cannot be seen left out.
pub(super) fn line(text: &str, longest: usize) -> String {
    let mut out = String::new();
    let mut blank = false;
    let mut count = 0;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            blank = true;
            continue;
        }
        if is_hidden(c) {
            continue;
        }
        if count >= longest {
            out.push('…');
            break;
        }
        // An encoded word (RFC 2047 §2) that a person typed would be decoded by the reader, past all cleaning here.
        blank |= c == '?' && out.ends_with('=');
        if blank && !out.is_empty() {
            out.push(' ');
            count += 1;
        }
        blank = false;
        out.push(c);
        count += 1;
    }
    out
}

/// Characters that turn the direction of text, have no width, or mean nothing between strangers. The joiners U+200C and U+200D
/// stay: names in several scripts need them.
const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0e}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
        | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{e0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names() {
        let long = "a".repeat(200);
        for (given, expected) in [
            ("Anna Jansen", "Anna Jansen"),
            ("  \"Jansen,  Anna\" ", "Jansen, Anna"),
            ("Anna\r\nBcc: x", "Anna Bcc: x"),
            ("Anna\u{202e}nesnaJ", "AnnanesnaJ"),
            ("\u{200b}\u{feff}", ""),
            ("boss@example.nl", ""),
            ("boss＠example.nl", ""),
            ("Zoë <b>Ünal</b>", "Zoë <b>Ünal</b>"),
            ("می‌خواهم", "می‌خواهم"),
            ("a\u{2028}b\tc\u{0}d", "a b c d"),
            ("=?utf-8?q?=0d=0aX:_y?=", "= ?utf-8?q?=0d=0aX:_y?="),
            ("", ""),
        ] {
            assert_eq!(name(given), expected, "{given:?}");
        }
        assert_eq!(name(&long), format!("{}…", "a".repeat(LONGEST_NAME)));
    }

    proptest! {
        #[test]
        fn a_line_is_a_line(text in any::<String>(), longest in 1usize..100) {
            let line = line(&text, longest);
            prop_assert!(line.chars().count() <= longest + 2);
            prop_assert!(!line.chars().any(|c| c.is_control() || is_hidden(c)) && !line.contains("=?"));
            prop_assert!(!line.starts_with(' ') && !line.ends_with(' ') && !line.contains("  "));
        }
    }
}
