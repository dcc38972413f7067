//! The only file that touches `mail-parser`: charsets, and a second opinion on subjects and addresses.
//!
//! Version 0.11 has panicked on crafted mail, so every call is bounded in size and its panic is caught: no answer, instead of
//! a dead task.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, Address, HeaderValue};

/// Longest field value that is given to the parser, bytes.
const MAX_VALUE: usize = 64 * 1024;

/// The text of bytes in a named charset; `None` for a charset that is not known.
pub(super) fn decode(charset: &str, bytes: &[u8]) -> Option<String> {
    let decoder = charset_decoder(charset.as_bytes())?;
    guarded(|| decoder(bytes))
}

/// An unstructured field's value as the parser reads it; `None` when it is too long or the parser stumbles.
pub(super) fn unstructured(value: &[u8]) -> Option<String> {
    with_line_end(value, |stream| match stream.parse_unstructured() {
        HeaderValue::Text(text) => text.into_owned(),
        _ => String::new(),
    })
}

/// The addresses (no names) that the parser finds in an address field; `None` when it is too long or the parser stumbles.
pub(super) fn addresses(value: &[u8]) -> Option<Vec<String>> {
    let of = |list: Vec<Addr<'_>>| list.into_iter().filter_map(|addr| addr.address.map(String::from)).collect();
    with_line_end(value, |stream| match stream.parse_address() {
        HeaderValue::Address(Address::List(list)) => of(list),
        HeaderValue::Address(Address::Group(groups)) => of(groups.into_iter().flat_map(|g| g.addresses).collect()),
        _ => Vec::new(),
    })
}

fn with_line_end<T>(value: &[u8], read: impl FnOnce(&mut MessageStream<'_>) -> T) -> Option<T> {
    if value.len() > MAX_VALUE {
        return None;
    }
    let mut line = value.to_vec();
    if !line.ends_with(b"\n") {
        line.extend_from_slice(b"\r\n");
    }
    guarded(|| read(&mut MessageStream::new(&line)))
}

fn guarded<T>(read: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(read)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_no_answer() {
        assert_eq!(guarded(|| -> u8 { panic!("as crafted mail has done") }), None);
        assert_eq!(guarded(|| 1), Some(1));
    }

    #[test]
    fn a_long_value_is_not_given_to_the_parser() {
        assert_eq!(unstructured(&vec![b'a'; MAX_VALUE + 1]), None);
        assert_eq!(unstructured(b" a =?utf-8?q?b?=\r\n"), Some("a b".into()));
    }

    #[test]
    fn groups_are_searched_for_addresses() {
        assert_eq!(addresses(b" g: a@b.example, c@d.example;"), Some(vec!["a@b.example".into(), "c@d.example".into()]));
    }
}
