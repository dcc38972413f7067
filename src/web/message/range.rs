//! Which bytes of a file are asked for (RFC 9110 §14): one range, so that a broken download goes on where it stopped.
//!
//! A header that asks for several ranges, or that makes no sense, is passed over and the whole is sent, as §14.2 allows: nobody gains anything
//! by many or overlapping ranges.

use std::ops::Range;

use axum::http::{HeaderMap, Method, header};

/// What a request asks for, before the length of the file is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// From this byte on, and up to and including the other.
    From(u64, Option<u64>),
    /// The last so many bytes.
    Last(u64),
}

impl Wanted {
    /// `None`: the whole. Ranges count for GET only, and only if the file is still the one that `If-Range` names (§13.1.5). A date there
    /// is never right: we give none.
    pub fn of(method: &Method, headers: &HeaderMap, etag: &str) -> Option<Self> {
        if method != Method::GET {
            return None;
        }
        let mut conditions = headers.get_all(header::IF_RANGE).iter();
        match (conditions.next(), conditions.next()) {
            (None, _) => {}
            (Some(condition), None) if condition.as_bytes() == etag.as_bytes() => {}
            _ => return None,
        }
        let mut lines = headers.get_all(header::RANGE).iter();
        match (lines.next(), lines.next()) {
            (Some(line), None) => Self::parse(line.to_str().ok()?),
            _ => None,
        }
    }

    /// `bytes=first-last`, `bytes=first-` or `bytes=-length` (§14.1.2).
    fn parse(text: &str) -> Option<Self> {
        let (unit, set) = text.split_once('=')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = set.trim_matches([' ', '\t']).split_once('-')?;
        match (first, last) {
            ("", length) => Some(Self::Last(number(length)?)),
            (first, "") => Some(Self::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From(first, Some(last)))
            }
        }
    }

    /// The bytes within a file of `len`, the end not included; `None` when there are none (416).
    pub fn within(self, len: u64) -> Option<Range<u64>> {
        let (from, to) = match self {
            Self::From(first, last) => (first, last.map_or(len, |last| last.saturating_add(1).min(len))),
            Self::Last(length) => (len.saturating_sub(length), len),
        };
        (from < to).then_some(from..to)
    }
}

/// Digits only; a number that is too large to count is as good as the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[(header::HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    /// Of a file of 1000 bytes: what is sent; `None` for the whole, an empty range for 416.
    fn sent(line: &str) -> Option<Range<u64>> {
        let wanted = Wanted::of(&Method::GET, &headers(&[(header::RANGE, line)]), "\"a\"")?;
        Some(wanted.within(1000).unwrap_or(0..0))
    }

    #[test]
    fn one_range_counts_and_everything_else_is_the_whole() {
        let huge = "9".repeat(400);
        for (line, expected) in [
            ("bytes=0-0", Some(0..1)),
            ("bytes=0-499", Some(0..500)),
            ("Bytes=500-", Some(500..1000)),
            ("bytes= 1-2 ", Some(1..3)),
            ("bytes=-1", Some(999..1000)),
            ("bytes=-1000", Some(0..1000)),
            ("bytes=-1001", Some(0..1000)),
            ("bytes=999-1000", Some(999..1000)),
            ("bytes=0-18446744073709551615", Some(0..1000)),
            (&format!("bytes=0-{huge}"), Some(0..1000)),
            (&format!("bytes=-{huge}"), Some(0..1000)),
            // Nothing of it is there.
            ("bytes=1000-", Some(0..0)),
            ("bytes=1000-2000", Some(0..0)),
            ("bytes=-0", Some(0..0)),
            (&format!("bytes={huge}-"), Some(0..0)),
            // No sense, no unit of ours, or several.
            ("bytes=5-4", None),
            ("bytes=", None),
            ("bytes=-", None),
            ("bytes=--1", None),
            ("bytes=-1-2", None),
            ("bytes=1", None),
            ("bytes=+1-2", None),
            ("bytes=1-2x", None),
            ("bytes=0x1-2", None),
            ("bytes=1 -2", None),
            ("items=0-1", None),
            ("0-1", None),
            ("bytes 0-1/2", None),
            ("bytes=0-1,2-3", None),
            ("bytes=0-999,0-999,0-999", None),
            ("bytes=-1,-1", None),
            (&format!("bytes={}0-1", "0-1,".repeat(1000)), None),
        ] {
            assert_eq!(sent(line), expected, "{line:.60}");
        }
    }

    #[test]
    fn two_headers_a_head_or_another_file_are_answered_with_the_whole() {
        let range = (header::RANGE, "bytes=0-1");
        let wanted = |method, lines: &[_]| Wanted::of(&method, &headers(lines), "\"a\"").is_some();
        assert!(
            wanted(Method::GET, std::slice::from_ref(&range)) && !wanted(Method::HEAD, std::slice::from_ref(&range))
        );
        assert!(!wanted(Method::GET, &[]) && !wanted(Method::GET, &[range.clone(), range.clone()]));
        for (condition, counts) in
            [("\"a\"", true), ("W/\"a\"", false), ("\"b\"", false), ("Sat, 21 Nov 2026 10:00:00 GMT", false)]
        {
            let lines = [range.clone(), (header::IF_RANGE, condition)];
            assert_eq!(wanted(Method::GET, &lines), counts, "{condition}");
        }
        let same = (header::IF_RANGE, "\"a\"");
        assert!(!wanted(Method::GET, &[range, same.clone(), same]));
    }

    proptest! {
        #[test]
        fn no_range_leaves_its_file(line in "bytes=[0-9,-]{0,30}", len in 0_u64..100) {
            let wanted = Wanted::of(&Method::GET, &headers(&[(header::RANGE, line.as_str())]), "\"a\"");
            if let Some(range) = wanted.and_then(|wanted| wanted.within(len)) {
                prop_assert!(range.start < range.end && range.end <= len);
            }
        }
    }
}
