//! Web addresses in plain text become links; the text itself stays as it is.

/// A stretch of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Shown as it is.
    Plain(String),
    /// Shown as a link to the same address.
    Link {
        /// As it stands in the text.
        text: String,
        /// The address, `http://` or `https://`.
        href: String,
    },
}

const SCHEMES: [&str; 2] = ["https://", "http://"];

/// Longest address that becomes a link; past it a browser or proxy would refuse it.
const LONGEST: usize = 2048;

/// Cuts a text into pieces. Together they are the text, character for character. Only `http` and `https` become links, up to
/// the first blank, quote, angle bracket or control or bidi character; a full stop or bracket at the end belongs to the sentence.
#[must_use]
pub fn autolink(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = next_scheme(rest) {
        let (before, from) = rest.split_at(at);
        let joined = before.chars().next_back().or(plain.chars().next_back()).is_some_and(char::is_alphanumeric);
        let length = if joined { 0 } else { address_length(from) };
        plain.push_str(before);
        if length == 0 {
            let step = from.find(':').map_or(1, |colon| colon + 1);
            let (skipped, after) = from.split_at(step);
            plain.push_str(skipped);
            rest = after;
            continue;
        }
        let (address, after) = from.split_at(length);
        if !plain.is_empty() {
            pieces.push(Piece::Plain(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Link { text: address.to_owned(), href: address.to_owned() });
        rest = after;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Plain(plain));
    }
    pieces
}

/// Where the next `http://` or `https://` begins, in any case.
fn next_scheme(text: &str) -> Option<usize> {
    let starts = |at: usize| {
        let tail = text.as_bytes().get(at..).unwrap_or_default();
        SCHEMES.iter().any(|scheme| tail.get(..scheme.len()).is_some_and(|t| t.eq_ignore_ascii_case(scheme.as_bytes())))
    };
    text.bytes()
        .enumerate()
        .filter(|(_, byte)| byte.eq_ignore_ascii_case(&b'h'))
        .map(|(at, _)| at)
        .find(|at| starts(*at))
}

/// Bytes of the address at the start of `text`; 0 when there is no host in it or it is too long.
fn address_length(text: &str) -> usize {
    let ends = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '<' | '>' | '"' | '`' | '{' | '}' | '|' | '\\' | '^')
            || is_bidi(c)
    };
    // Looking further would take time by the square of the text's length.
    let mut window = text.char_indices().take_while(|(at, _)| *at <= LONGEST);
    let whole = match window.find(|(_, c)| ends(*c)).map(|(at, _)| at) {
        Some(end) => end,
        None if text.len() <= LONGEST => text.len(),
        None => return 0,
    };
    let address = without_sentence(text.get(..whole).unwrap_or_default());
    let host = address.split_once("://").map_or("", |(_, host)| host);
    let real = host.chars().next().is_some_and(|c| c.is_alphanumeric() || c == '[');
    if real { address.len() } else { 0 }
}

/// The address without what ends the sentence around it: stops, and brackets that were opened before it.
fn without_sentence(mut address: &str) -> &str {
    let surplus =
        |open: char, close: char| address.matches(close).count().saturating_sub(address.matches(open).count());
    let (mut round, mut square) = (surplus('(', ')'), surplus('[', ']'));
    while let Some(last) = address.chars().next_back() {
        let sentence = match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '~' | '’' | '”' | '…' => true,
            ')' if round > 0 => {
                round -= 1;
                true
            }
            ']' if square > 0 => {
                square -= 1;
                true
            }
            _ => false,
        };
        if !sentence {
            break;
        }
        address = address.strip_suffix(last).unwrap_or_default();
    }
    address
}

const fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn links(text: &str) -> Vec<String> {
        let link = |piece| match piece {
            Piece::Link { href, .. } => Some(href),
            Piece::Plain(_) => None,
        };
        autolink(text).into_iter().filter_map(link).collect()
    }

    fn joined(text: &str) -> String {
        let of = |piece| match piece {
            Piece::Plain(text) | Piece::Link { text, .. } => text,
        };
        autolink(text).into_iter().map(of).collect()
    }

    #[test]
    fn addresses_in_sentences() {
        let cases: &[(&str, &[&str])] = &[
            ("Zie https://voorbeeld.nl.", &["https://voorbeeld.nl"]),
            ("(https://voorbeeld.nl/a)", &["https://voorbeeld.nl/a"]),
            ("https://nl.wikipedia.org/wiki/Zegel_(lak), zie", &["https://nl.wikipedia.org/wiki/Zegel_(lak)"]),
            ("HTTP://VOORBEELD.NL/?a=1&b=2", &["HTTP://VOORBEELD.NL/?a=1&b=2"]),
            ("<https://a.nl><https://b.nl>", &["https://a.nl", "https://b.nl"]),
            ("https://a.nl\thttp://b.nl", &["https://a.nl", "http://b.nl"]),
            ("https://a.nl/\"onmouseover=x", &["https://a.nl/"]),
            ("https://a.nl/\u{202e}gpj", &["https://a.nl/"]),
            ("javascript:alert(1)", &[]),
            ("javascript:https://a.nl", &["https://a.nl"]),
            ("xhttps://a.nl", &[]),
            ("https://", &[]),
            ("https:///a", &[]),
            ("hhttp://http://a.nl", &["http://a.nl"]),
            ("geen", &[]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(&links(text), expected, "{text:?}");
        }
    }

    #[test]
    fn work_grows_with_the_length_only() {
        for text in
            ["https://".repeat(5_000), format!("https://a{}", ")".repeat(100_000)), "https://a.nl) ".repeat(30_000)]
        {
            assert_eq!(joined(&text), text);
        }
    }

    #[test]
    fn an_address_that_no_browser_takes_is_text() {
        assert_eq!(links(&format!("https://a.nl/{}", "x".repeat(LONGEST))), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_text(text in "(https?://|[ -~]|[\u{80}-\u{2100}]|\n){0,40}") {
            prop_assert_eq!(joined(&text), text.clone());
            for href in links(&text) {
                prop_assert!(href.to_ascii_lowercase().starts_with("http"));
                prop_assert!(!href.contains(['"', '<', '>', ' ']));
            }
        }
    }
}
