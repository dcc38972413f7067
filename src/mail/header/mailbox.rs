//! Mailboxes of an address field, read strictly (RFC 5322 §3.4): what readers could take for different senders is refused.

use super::words;
use crate::mail::{Address, parser};

/// Mailboxes in one field at most.
const MAX_MAILBOXES: usize = 100;

/// A field that does not say beyond doubt whom it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Doubtful;

/// The mailboxes of a From field: display name (decoded, cleaned) and address.
///
/// Groups, source routes, an unquoted address before another one, control characters, bytes that are not UTF-8 and empty list
/// members are doubtful; so is a field that the second reader takes for other addresses.
pub(super) fn strict(value: &[u8]) -> Result<Vec<(String, Address)>, Doubtful> {
    let text = std::str::from_utf8(value).map_err(|_| Doubtful)?.replace("\r\n", "");
    if text.contains(|c: char| c.is_control() && c != '\t') {
        return Err(Doubtful);
    }
    let mailboxes = split(&text)?.iter().map(|tokens| mailbox(tokens)).collect::<Result<Vec<_>, _>>()?;
    // the second reader is known to misread quoted local parts; there the strict reading stands alone
    let quoted = mailboxes.iter().any(|(_, address)| address.local().starts_with('"'));
    if !quoted && !second_reader_agrees(value, &mailboxes) {
        return Err(Doubtful);
    }
    Ok(mailboxes)
}

/// Every address that a careless reader could find in a field, in names and comments too.
pub(super) fn mentions(value: &[u8]) -> Vec<Address> {
    let decoded = words::decode(value);
    let raw: String = words::glyphs_undecoded(value).into_iter().map(|glyph| glyph.char).collect();
    let separator = |c: char| c.is_whitespace() || c.is_control() || "<>(),;:\"'[]\\".contains(c);
    let mut found: Vec<Address> = Vec::new();
    for text in [raw, decoded] {
        for address in text.split(separator).filter_map(|piece| piece.parse::<Address>().ok()) {
            if found.len() < MAX_MAILBOXES && !found.contains(&address) {
                found.push(address);
            }
        }
    }
    found
}

fn second_reader_agrees(value: &[u8], mailboxes: &[(String, Address)]) -> bool {
    let Some(second) = parser::addresses(value) else { return false };
    let second: Option<Vec<String>> =
        second.iter().map(|text| text.parse::<Address>().ok().map(|address| address.key())).collect();
    second.is_some_and(|keys| keys.into_iter().eq(mailboxes.iter().map(|(_, address)| address.key())))
}

#[derive(Debug)]
enum Token {
    Atom(String),
    Quoted(String),
    Comment(String),
    Angle(String),
}

/// The tokens of each member of the list.
fn split(text: &str) -> Result<Vec<Vec<Token>>, Doubtful> {
    let mut members = vec![Vec::new()];
    let mut chars = text.chars().peekable();
    while let Some(&c) = chars.peek() {
        let token = match c {
            ' ' | '\t' => {
                chars.next();
                continue;
            }
            ',' => {
                chars.next();
                members.push(Vec::new());
                if members.len() > MAX_MAILBOXES {
                    return Err(Doubtful);
                }
                continue;
            }
            '"' => Token::Quoted(quoted(&mut chars)?),
            '(' => Token::Comment(comment(&mut chars)?),
            '<' => Token::Angle(angle(&mut chars)?),
            ':' | ';' | '>' | ')' | '\\' => return Err(Doubtful),
            _ => Token::Atom(atom(&mut chars)),
        };
        members.last_mut().ok_or(Doubtful)?.push(token);
    }
    Ok(members)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// A quoted string without its quotes, or, when an `@` follows at once, the whole address with them.
fn quoted(chars: &mut Chars<'_>) -> Result<String, Doubtful> {
    let mut raw = String::from(chars.next().ok_or(Doubtful)?);
    let mut text = String::new();
    loop {
        match chars.next().ok_or(Doubtful)? {
            '"' => break,
            '\\' => {
                let escaped = chars.next().ok_or(Doubtful)?;
                raw.extend(['\\', escaped]);
                text.push(escaped);
            }
            c => {
                raw.push(c);
                text.push(c);
            }
        }
    }
    if chars.peek() != Some(&'@') {
        return Ok(text);
    }
    raw.push('"');
    raw.push_str(&atom(chars));
    // told apart from a name by its first quote: a name has none there
    Ok(raw)
}

fn comment(chars: &mut Chars<'_>) -> Result<String, Doubtful> {
    let mut text = String::new();
    let mut depth = 0_usize;
    loop {
        match chars.next().ok_or(Doubtful)? {
            '(' => {
                depth += 1;
                if depth > 1 {
                    text.push('(');
                }
            }
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return Ok(text);
                }
                text.push(')');
            }
            '\\' => text.push(chars.next().ok_or(Doubtful)?),
            c => text.push(c),
        }
    }
}

fn angle(chars: &mut Chars<'_>) -> Result<String, Doubtful> {
    chars.next();
    let mut text = String::new();
    let mut in_quotes = false;
    loop {
        let c = chars.next().ok_or(Doubtful)?;
        match c {
            '>' if !in_quotes => return Ok(text.trim().to_owned()),
            '<' if !in_quotes => return Err(Doubtful),
            '"' => in_quotes = !in_quotes,
            '\\' => {
                text.push(c);
                text.push(chars.next().ok_or(Doubtful)?);
                continue;
            }
            _ => {}
        }
        text.push(c);
    }
}

fn atom(chars: &mut Chars<'_>) -> String {
    let mut text = String::new();
    while let Some(c) = chars.next_if(|c| !" \t,\"(<>):;\\".contains(*c)) {
        text.push(c);
    }
    text
}

fn mailbox(tokens: &[Token]) -> Result<(String, Address), Doubtful> {
    let angles: Vec<&String> =
        tokens.iter().filter_map(|t| if let Token::Angle(text) = t { Some(text) } else { None }).collect();
    let words: Vec<&String> = tokens
        .iter()
        .filter_map(|t| if let Token::Atom(text) | Token::Quoted(text) = t { Some(text) } else { None })
        .collect();
    let comments = tokens.iter().filter_map(|t| if let Token::Comment(text) = t { Some(text.as_str()) } else { None });
    match (angles.as_slice(), words.as_slice()) {
        ([], [word]) => {
            let address = word.parse::<Address>().map_err(|_| Doubtful)?;
            Ok((name(&comments.collect::<Vec<_>>().join(" ")), address))
        }
        ([angle], words) => {
            let address = angle.parse::<Address>().map_err(|_| Doubtful)?;
            let angle_is_last = tokens.iter().rev().find(|t| !matches!(t, Token::Comment(_)));
            let other_address =
                |t: &Token| matches!(t, Token::Atom(text) if text.contains('@') && text != address.as_str());
            if !matches!(angle_is_last, Some(Token::Angle(_))) || tokens.iter().any(other_address) {
                return Err(Doubtful);
            }
            Ok((name(&words.iter().map(|w| w.as_str()).collect::<Vec<_>>().join(" ")), address))
        }
        _ => Err(Doubtful),
    }
}

fn name(text: &str) -> String {
    super::readable(&words::decode(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_names_its_sender_beyond_doubt() {
        for (value, name, address) in [
            ("jan@a.example", "", "jan@a.example"),
            (" <jan@a.example>", "", "jan@a.example"),
            ("Jan de Vries <jan@a.example>", "Jan de Vries", "jan@a.example"),
            ("\"Vries, J. de\" <jan@a.example>", "Vries, J. de", "jan@a.example"),
            ("J. O'Brien <jan@a.example>", "J. O'Brien", "jan@a.example"),
            ("Jan\r\n <jan@a.example>\r\n", "Jan", "jan@a.example"),
            ("jan@a.example (Jan)", "Jan", "jan@a.example"),
            ("(zorg) jan@a.example", "zorg", "jan@a.example"),
            ("Jan <jan@a.example> (zorg (noord))", "Jan", "jan@a.example"),
            ("Jan (x@b.example) <jan@a.example>", "Jan", "jan@a.example"),
            ("=?utf-8?q?Jos=C3=A9?= <jan@a.example>", "José", "jan@a.example"),
            ("=?utf-8?q?a=40b.example?= <jan@a.example>", "a@b.example", "jan@a.example"),
            ("\"=?utf-8?b?Sm9zw6k=?=\" <jan@a.example>", "José", "jan@a.example"),
            ("José <jan@a.example>", "José", "jan@a.example"),
            ("jan@a.example <jan@a.example>", "jan@a.example", "jan@a.example"),
            ("\"x@b.example\" <jan@a.example>", "x@b.example", "jan@a.example"),
            ("\"a \\\"b\\\" c\" <jan@a.example>", "a \"b\" c", "jan@a.example"),
            ("\"a b\"@a.example", "", "\"a b\"@a.example"),
            ("Jan <\"a>b\"@a.example>", "Jan", "\"a>b\"@a.example"),
            ("Jan & Piet | zorg <jan@a.example>", "Jan & Piet | zorg", "jan@a.example"),
            ("jan@bücher.example", "", "jan@bücher.example"),
        ] {
            let read = strict(value.as_bytes())
                .map(|list| list.into_iter().map(|(n, a)| (n, a.to_string())).collect::<Vec<_>>());
            assert_eq!(read, Ok(vec![(name.into(), address.into())]), "{value:?}");
        }
    }

    #[test]
    fn several_are_several() {
        let read = strict(b"Jan <jan@a.example>, piet@b.example").unwrap();
        assert_eq!(read.iter().map(|(_, a)| a.as_str()).collect::<Vec<_>>(), ["jan@a.example", "piet@b.example"]);
    }

    #[test]
    fn what_could_be_read_as_another_sender_is_doubtful() {
        for value in [
            &b""[..],
            b" \r\n",
            b"Jan",
            b"jan at a.example",
            b"<>",
            b"Jan <>",
            b"<jan@a.example",
            b"jan@a.example>",
            b"<jan@a.example><piet@b.example>",
            b"jan@a.example <piet@b.example>",
            b"jan@a.example piet@b.example",
            b"<piet@b.example> jan@a.example",
            b"<jan@a.example> Jan",
            b"<@b.example,@c.example:jan@a.example>",
            b"<@b.example:jan@a.example>",
            b"jan@a.example,",
            b",jan@a.example",
            b"jan@a.example,,piet@b.example",
            b"groep: jan@a.example;",
            b"undisclosed-recipients:;",
            b"jan@a.example; piet@b.example",
            b"jan(x)@a.example",
            b"jan @a.example",
            b"jan@a.example(x).b.example",
            b"<jan@a .example>",
            b"jan@a.example\0@b.example",
            b"jan@a.example\0",
            b"\x1b$Bjan\x1b(B <jan@a.example>",
            b"caf\xe9 <jan@a.example>",
            b"\"Jan <jan@a.example>",
            b"Jan (x <jan@a.example>",
            b"Jan \\<x@b.example> <jan@a.example>",
            b"jan@a.example\rFrom: piet@b.example",
            b"=?utf-8?q?jan=40a.example?=",
            b"=?utf-8?q?jan?=@a.example",
            b"jan@a..example",
        ] {
            assert_eq!(strict(value), Err(Doubtful), "{:?}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn mentions_are_found_wherever_they_stand() {
        let found = |value: &str| mentions(value.as_bytes()).iter().map(Address::key).collect::<Vec<_>>();
        assert_eq!(found("a@x.example <b@y.example> (c@z.example)"), ["a@x.example", "b@y.example", "c@z.example"]);
        assert_eq!(found("=?utf-8?q?a=40x.example?="), ["a@x.example"]);
        assert_eq!(found("<@r.example:b@y.example>"), ["b@y.example"]);
    }

    proptest! {
        #[test]
        fn any_value_is_read_or_doubtful(value in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = strict(&value);
            let _ = mentions(&value);
        }

        #[test]
        fn crafted_values_too(value in r#"([<>()@,;:\\" a.]|a@b|=\?utf-8\?q\?){0,40}"#) {
            if let Ok(list) = strict(value.as_bytes()) {
                prop_assert!(!list.is_empty());
            }
            let _ = mentions(value.as_bytes());
        }
    }
}
