//! The subject tag: a bracket at the begin or the end of the subject in which one of the configured words stands.
//!
//! At the begin, reply prefixes (`Re:`, `Antw:`, `Re[2]:`) and brackets of others (`[EXTERN]`) may stand before it; at the end,
//! brackets of others behind it. Case, blanks, invisible characters, full-width forms and signs around it (quotes, `>`, a full stop, a
//! bracket too many) do not matter, nor signs in it (`[veilig!]`) or a life glued to it (`[veilig-30d]`). A tag word with one bracket only
//! (`[veilig x`, `x [veilig 30d`) is doubtful: neither a tag nor none.

use std::ops::Range;

use super::words::Glyph;

/// Longest reply prefix, characters.
const MAX_PREFIX: usize = 32;

/// Most words beside the tag word that a bracket without its end is taken for a tag with: `sms +31612345678 30d`.
const MAX_ARGUMENTS: usize = 3;

/// The tags of one subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// What stands in the brackets, lower case, in order: tag words and arguments.
    pub flags: Vec<String>,
    /// What to cut: each tag with the blanks that go with it, in order, as positions in the glyphs.
    pub cuts: Vec<Range<usize>>,
    /// A tag word stands there with one bracket only.
    pub doubtful: bool,
}

/// Finds the tags in a subject. `tags` are the words that make a bracket a tag.
pub(super) fn find(subject: &[Glyph], tags: &[String]) -> Found {
    let seen: Vec<Seen> = subject.iter().enumerate().filter_map(|(at, glyph)| Seen::of(at, glyph.char)).collect();
    let pairs = pairs(&seen);
    let mut groups = Vec::new();
    let leading = leading(&seen, &pairs, &mut groups);
    let mut trailing = Vec::new();
    let end = trailing_groups(&seen, &pairs, leading, &mut trailing);
    groups.extend(trailing.into_iter().rev());

    let doubtful = half(&seen, leading, end, tags) || unclosed(&seen, &pairs, leading..end, tags);
    let mut found = Found { doubtful, ..Found::default() };
    let mut cuts = Vec::new();
    for group in groups {
        let content: String =
            seen.get(group.start + 1..group.end - 1).unwrap_or_default().iter().map(|s| s.char).collect();
        if let Some(flags) = flags(&content, tags) {
            found.flags.extend(flags);
            let start = seen.get(group.start).map_or(0, |s| s.at);
            let end = seen.get(skip_blanks(&seen, group.end)).map_or(subject.len(), |s| s.at);
            cuts.push(start..end);
        }
    }
    found.cuts = tidy(subject, cuts);
    found
}

/// The text without the tags, trimmed.
pub(super) fn untagged(subject: &[Glyph], cuts: &[Range<usize>]) -> String {
    let kept = subject.iter().enumerate().filter(|(at, _)| !cuts.iter().any(|cut| cut.contains(at)));
    kept.map(|(_, glyph)| glyph.char).collect::<String>().trim().to_owned()
}

/// A character that a reader sees, and where it stands.
#[derive(Debug, Clone, Copy)]
struct Seen {
    char: char,
    at: usize,
}

impl Seen {
    fn of(at: usize, char: char) -> Option<Self> {
        if char.is_whitespace() {
            return Some(Self { char: ' ', at });
        }
        let char = match char {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(char) - 0xff01 + u32::from('!')).unwrap_or(char),
            '【' | '〔' | '〖' => '[',
            '】' | '〕' | '〗' => ']',
            _ => char,
        };
        (!super::is_invisible(char)).then_some(Self { char, at })
    }

    /// Neither a letter nor a digit: it may stand around a tag.
    fn is_sign(self) -> bool {
        !self.char.is_alphanumeric()
    }
}

fn is(seen: &[Seen], at: usize, wanted: char) -> bool {
    seen.get(at).is_some_and(|s| s.char == wanted)
}

fn skip_blanks(seen: &[Seen], mut at: usize) -> usize {
    while is(seen, at, ' ') {
        at += 1;
    }
    at
}

/// For each bracket the place of its partner; `None` for other characters and for brackets that have none.
fn pairs(seen: &[Seen]) -> Vec<Option<usize>> {
    let mut pairs = vec![None; seen.len()];
    let mut open = Vec::new();
    for (at, found) in seen.iter().enumerate() {
        match found.char {
            '[' => open.push(at),
            ']' => {
                if let Some(start) = open.pop() {
                    for (place, partner) in [(start, at), (at, start)] {
                        if let Some(pair) = pairs.get_mut(place) {
                            *pair = Some(partner);
                        }
                    }
                }
            }
            _ => {}
        }
    }
    pairs
}

/// The partner of the bracket at `at`.
fn partner(pairs: &[Option<usize>], at: usize) -> Option<usize> {
    pairs.get(at).copied().flatten()
}

/// Collects the brackets at the begin; returns where the rest of the subject starts.
fn leading(seen: &[Seen], pairs: &[Option<usize>], groups: &mut Vec<Range<usize>>) -> usize {
    let mut at = 0;
    // Behind a bracket without a partner no reply prefix stands, but perhaps half a tag.
    let mut opened = false;
    while let Some(found) = seen.get(at) {
        if let Some(close) = partner(pairs, at).filter(|close| *close > at) {
            groups.push(at..close + 1);
            at = close + 1;
        } else if let Some(end) = prefix(seen, at).filter(|_| !opened) {
            at = end;
        } else if found.is_sign() {
            opened = found.char == '[' || (opened && found.char == ' ');
            at += 1;
        } else {
            return at;
        }
    }
    at
}

/// One past a reply prefix: a word or some (`Automatisch antwoord`), perhaps a counter in brackets, and a colon.
fn prefix(seen: &[Seen], start: usize) -> Option<usize> {
    let in_prefix = |s: &&Seen| s.char.is_alphanumeric() || matches!(s.char, '-' | ' ');
    let word = seen.get(start..)?.iter().take(MAX_PREFIX).take_while(in_prefix).count();
    if word == 0 {
        return None;
    }
    let mut at = skip_blanks(seen, start + word);
    if is(seen, at, '[') || is(seen, at, '(') {
        let digits = seen.get(at + 1..)?.iter().take(MAX_PREFIX).take_while(|s| s.char.is_ascii_digit()).count();
        at = at + 1 + digits;
        if digits == 0 || !(is(seen, at, ']') || is(seen, at, ')')) {
            return None;
        }
        at = skip_blanks(seen, at + 1);
    }
    (is(seen, at, ':') || is(seen, at, '：')).then_some(at + 1)
}

/// Collects the brackets at the end, last first, not going before `from`; returns where they and the signs around them start.
fn trailing_groups(seen: &[Seen], pairs: &[Option<usize>], from: usize, groups: &mut Vec<Range<usize>>) -> usize {
    let mut end = seen.len();
    while let Some(last) = end.checked_sub(1).filter(|last| *last >= from) {
        if let Some(open) = partner(pairs, last).filter(|open| (from..last).contains(open)) {
            groups.push(open..end);
            end = open;
        } else if seen.get(last).is_some_and(|found| found.is_sign()) {
            end = last;
        } else {
            break;
        }
    }
    end
}

/// Whether what remains between the brackets at begin and end is or begins or ends with a tag word that has one bracket only: of the
/// remaining text only its ends can, since signs are skipped on both sides.
fn half(seen: &[Seen], start: usize, end: usize, tags: &[String]) -> bool {
    let text = |range: Range<usize>| seen.get(range).unwrap_or_default().iter().map(|s| s.char).collect::<String>();
    let is_mark = |char: &char| !char.is_whitespace();
    let before = |at: usize| seen.get(..at).unwrap_or_default().iter().rev().map(|s| s.char).find(is_mark);
    let after = |at: usize| seen.get(at..).unwrap_or_default().iter().map(|s| s.char).find(is_mark);
    tags.iter().any(|tag| {
        let len = tag.chars().count();
        let is_tag = |range: Range<usize>| range.len() == len && text(range).to_lowercase() == tag.to_lowercase();
        let first = start..(start + len).min(end);
        let last = end.saturating_sub(len).max(start)..end;
        let bounded = |at: Option<usize>| at.and_then(|at| seen.get(at)).is_none_or(|found| found.is_sign());
        let opened = |range: &Range<usize>| before(range.start) == Some('[');
        let closed = |range: &Range<usize>| after(range.end) == Some(']');
        [first, last].into_iter().any(|range| {
            (opened(&range) || closed(&range))
                && bounded(range.start.checked_sub(1))
                && bounded(Some(range.end))
                && is_tag(range)
        })
    })
}

/// Whether the text in `rest` ends with a bracket that was not closed, a tag word, and as much as may stand beside it: `x [veilig 30d`.
fn unclosed(seen: &[Seen], pairs: &[Option<usize>], rest: Range<usize>, tags: &[String]) -> bool {
    let alone = |at: &usize| is(seen, *at, '[') && partner(pairs, *at).is_none();
    let Some(open) = rest.clone().rev().find(alone) else { return false };
    let content: String = seen.get(open + 1..rest.end).unwrap_or_default().iter().map(|s| s.char).collect();
    let flags = flags(&content, tags).filter(|flags| flags.len() <= 1 + MAX_ARGUMENTS);
    flags
        .and_then(|flags| flags.into_iter().next())
        .is_some_and(|flag| tags.iter().any(|tag| tag.to_lowercase() == flag))
}

/// The flags of a bracket, when it is a tag. Blanks and signs in and around the tag word do not matter, nor that a life is glued to it.
fn flags(content: &str, tags: &[String]) -> Option<Vec<String>> {
    let content = content.to_lowercase();
    let separator = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|' | '[' | ']');
    let pieces = content.split(separator).map(|piece| piece.trim_matches(':')).filter(|piece| !piece.is_empty());
    let pieces: Vec<&str> = pieces.collect();
    tags.iter().find_map(|tag| {
        let tag = tag.to_lowercase();
        let pieces: Vec<&str> = pieces.iter().flat_map(|piece| unjoined(piece, &tag)).collect();
        if pieces.contains(&tag.as_str()) {
            return Some(pieces.into_iter().map(str::to_owned).collect());
        }
        let letters = letters(&tag);
        let found = (0..pieces.len()).find_map(|at| Some((at, word(pieces.get(at..)?, &letters)?)));
        let (at, (taken, life)) = found?;
        let (before, after) = (pieces.get(..at)?, pieces.get(at + taken..)?);
        let flags = before.iter().copied().chain([tag.as_str(), life.as_str()]).chain(after.iter().copied());
        Some(flags.filter(|flag| !flag.is_empty()).map(str::to_owned).collect())
    })
}

/// `veilig:code` and `veilig/30d` as the tag word and what is joined to it.
fn unjoined<'a>(piece: &'a str, tag: &str) -> impl Iterator<Item = &'a str> {
    let joint = |c: char| matches!(c, ':' | '/' | '=' | '+');
    let rest = piece.strip_prefix(tag).filter(|rest| !tag.is_empty() && rest.starts_with(joint));
    let parts = rest.and_then(|rest| Some((piece.strip_suffix(rest)?, rest.trim_start_matches(joint))));
    let (word, rest) = parts.unwrap_or((piece, ""));
    [word, rest].into_iter().filter(|part| !part.is_empty())
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The tag word, given by its letters and digits, at the begin of `pieces`: how many of them it takes, and the life that is glued to it
/// (digits and a unit), if any.
fn word(pieces: &[&str], tag: &str) -> Option<(usize, String)> {
    let mut read = String::new();
    for (at, piece) in pieces.iter().enumerate() {
        read.push_str(&letters(piece));
        if read.is_empty() || tag.is_empty() {
            return None;
        }
        if let Some(rest) = read.strip_prefix(tag) {
            let number = rest.trim_end_matches(|c: char| !c.is_ascii_digit());
            let glued =
                !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()) && rest.len() == number.len() + 1;
            return (rest.is_empty() || glued).then(|| (at + 1, rest.to_owned()));
        }
        if !tag.starts_with(&read) {
            return None;
        }
    }
    None
}

/// Joins neighbouring cuts; one that reaches the end takes the blanks before it too.
fn tidy(subject: &[Glyph], cuts: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut joined: Vec<Range<usize>> = Vec::new();
    for cut in cuts {
        match joined.last_mut() {
            Some(last) if last.end >= cut.start => last.end = cut.end,
            _ => joined.push(cut),
        }
    }
    if let Some(last) = joined.last_mut().filter(|last| last.end == subject.len()) {
        let before = subject.get(..last.start).unwrap_or_default();
        last.start = before.iter().rposition(|glyph| !glyph.char.is_whitespace()).map_or(0, |at| at + 1);
    }
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::header::words::glyphs;

    fn tags() -> Vec<String> {
        ["veilig", "vertrouwelijk", "secure", "confidential", "strikt geheim"].map(String::from).to_vec()
    }

    fn read(subject: &str) -> (String, String) {
        let glyphs = glyphs(subject.as_bytes());
        let found = find(&glyphs, &tags());
        (found.flags.join(" "), crate::mail::header::readable(&untagged(&glyphs, &found.cuts)))
    }

    #[test]
    fn tags_at_begin_and_end() {
        for (subject, flags, rest) in [
            ("[veilig] Uitslag", "veilig", "Uitslag"),
            ("Uitslag [veilig]", "veilig", "Uitslag"),
            ("[VEILIG]Uitslag", "veilig", "Uitslag"),
            ("[ Vertrouwelijk ] Uitslag", "vertrouwelijk", "Uitslag"),
            ("  [Secure]  x", "secure", "x"),
            ("[veilig]", "veilig", ""),
            ("[veilig 30d] x", "veilig 30d", "x"),
            ("[30d, veilig; code] x", "30d veilig code", "x"),
            ("[veilig: 30d] x", "veilig 30d", "x"),
            ("[veilig sms:+31612345678] x", "veilig sms:+31612345678", "x"),
            ("Re: [veilig] x", "veilig", "Re: x"),
            ("RE:[veilig]x", "veilig", "RE:x"),
            ("Antw: Fwd: [veilig] x", "veilig", "Antw: Fwd: x"),
            ("Re[2]: [veilig] x", "veilig", "Re[2]: x"),
            ("RE (3) : [veilig] x", "veilig", "RE (3) : x"),
            ("回复：[veilig] x", "veilig", "回复：x"),
            ("[EXTERN] [veilig] x", "veilig", "[EXTERN] x"),
            ("[veilig] Re: [secure] x", "veilig secure", "Re: x"),
            ("Re: x [veilig] [EXTERN]", "veilig", "Re: x [EXTERN]"),
            ("[veilig] x [30d veilig]", "veilig 30d veilig", "x"),
            ("[veilig][secure]", "veilig secure", ""),
            ("[ver trouwelijk] x", "vertrouwelijk", "x"),
            ("[Strikt  geheim] x", "strikt geheim", "x"),
            ("[vei\u{200b}lig] x", "veilig", "x"),
            ("[\u{a0}veilig\u{a0}]\u{a0}x", "veilig", "x"),
            ("\u{feff}[vei\u{ad}lig] x", "veilig", "x"),
            ("=?utf-8?q?=5Bveilig=5D_x?=", "veilig", "x"),
            ("=?utf-8?q?=5Bvei?= =?utf-8?q?lig=5D_x?=", "veilig", "x"),
            ("=?utf-8?q?=5Bvei?= =?iso-8859-1?q?lig=5D_x?=", "veilig", "x"),
            ("[veilig] =?utf-8?q?caf=C3=A9?=", "veilig", "café"),
            ("[vei\r\n lig] x", "veilig", "x"),
            ("[[veilig]] x", "veilig", "x"),
            ("x [[EXTERN] veilig]", "extern veilig", "x"),
            ("Automatisch antwoord: [veilig] x", "veilig", "Automatisch antwoord: x"),
            ("[[veilig] x", "veilig", "[x"),
            ("x [veilig]]", "veilig", "x ]"),
            ("\"[veilig] x\"", "veilig", "\"x\""),
            ("\u{201c}[veilig]\u{201d} x", "veilig", "\u{201c}\u{201d} x"),
            ("> [veilig] x", "veilig", "> x"),
            (">> Re: - [veilig] x", "veilig", ">> Re: - x"),
            ("x [veilig].", "veilig", "x ."),
            ("x [veilig] !! [EXTERN].", "veilig", "x !! [EXTERN]."),
            ("([veilig]) x", "veilig", "() x"),
            ("\u{1f512} [veilig] x", "veilig", "\u{1f512} x"),
            ("［veilig］ x", "veilig", "x"),
            ("［ＶＥＩＬＩＧ］x", "veilig", "x"),
            ("【veilig】x", "veilig", "x"),
            ("\u{fffd}\u{fffd}[veilig] x", "veilig", "\u{fffd}\u{fffd}x"),
        ] {
            assert_eq!(read(subject), (flags.into(), rest.into()), "{subject:?}");
        }
    }

    #[test]
    fn a_tag_word_with_arguments_or_signs_is_still_one() {
        for (subject, flags, rest) in [
            ("[strikt geheim 30d] x", "strikt geheim 30d", "x"),
            ("[code, strikt geheim] x", "code strikt geheim", "x"),
            ("[strikt-geheim] x", "strikt geheim", "x"),
            ("[vei lig 30d] x", "veilig 30d", "x"),
            ("x [vei =?utf-8?q?lig_30d=5D?=", "veilig 30d", "x"),
            ("[veilig!] x", "veilig", "x"),
            ("[#veilig 30d] x", "veilig 30d", "x"),
            ("[\"veilig\"] x", "veilig", "x"),
            ("[veilig30d] x", "veilig 30d", "x"),
            ("[veilig-30d, code] x", "veilig 30d code", "x"),
            ("[veilig (30d)] x", "veilig (30d)", "x"),
            ("[veilig(30d)] x", "veilig 30d", "x"),
            ("[veilig/30d] x", "veilig 30d", "x"),
            ("[veilig:code] x", "veilig code", "x"),
            ("[veilig:sms:+31612345678] x", "veilig sms:+31612345678", "x"),
            ("[secure+code] x", "secure code", "x"),
        ] {
            assert_eq!(read(subject), (flags.into(), rest.into()), "{subject:?}");
        }
    }

    #[test]
    fn what_is_no_tag_stays() {
        for subject in [
            "",
            "Over veilig mailen",
            "Over [veilig] mailen",
            "[onveilig] x",
            "[veiliger] x",
            "[veiliger 30d] x",
            "[onveilig:30d] x",
            "[secure2fa] x",
            "[secure-2026] x",
            "[secure-mail] x",
            "[strikt] x",
            "[] x",
            "(veilig) x",
            "x [veilig] y [EXTERN]",
            "x, een lang verhaal: [veilig] y",
            "[onveilig x",
            "veiliger] x",
            "x [voor veilig",
            "\"Over [veilig] mailen\"",
            "]veilig[",
        ] {
            assert_eq!(read(subject), (String::new(), subject.into()), "{subject:?}");
        }
    }

    #[test]
    fn a_tag_word_with_one_bracket_is_doubtful() {
        for (subject, doubtful) in [
            ("[veilig x", true),
            ("Re: [ Veilig x", true),
            ("[veilig", true),
            ("[veilig...", true),
            ("veilig] x", true),
            ("\"veilig ] x", true),
            ("x [veilig", true),
            ("x [strikt geheim.", true),
            ("x [veilig 30d", true),
            ("x [strikt geheim, sms +31612345678 30d.", true),
            ("x [vei lig 30d", true),
            ("x [veilig 30d [EXTERN]", true),
            ("x [veilig is een woord in deze zin", false),
            ("x [onveilig 30d", false),
            ("x veilig]", true),
            ("[EXTERN] [veilig x", true),
            ("[veilig: x", true),
            ("［veilig x", true),
            ("[onveilig x", false),
            ("[veiliger x", false),
            ("veilig x]", false),
            ("[x veilig y", false),
            ("veilig", false),
            ("Veilig: x", false),
            ("Over [veilig] mailen", false),
            ("]veilig[", false),
        ] {
            let glyphs = glyphs(subject.as_bytes());
            let found = find(&glyphs, &tags());
            assert_eq!((found.doubtful, found.flags.len()), (doubtful, 0), "{subject:?}");
        }
        let many = glyphs("[".repeat(100_000).as_bytes());
        assert_eq!(find(&many, &tags()), Found::default());
        for piece in ["v ", "- ", "v - ", "veilig 1 "] {
            let many = glyphs(format!("x [{}", piece.repeat(50_000)).as_bytes());
            assert!(!find(&many, &tags()).doubtful, "{piece:?}");
        }
    }

    proptest! {
        #[test]
        fn any_subject_is_read_and_a_cut_leaves_no_tag(subject in r"([\[\]a-z: é\u{200b}]|\[veilig\]|Re: ){0,12}") {
            let glyphs = glyphs(subject.as_bytes());
            let found = find(&glyphs, &tags());
            for pair in found.cuts.windows(2) {
                prop_assert!(pair[0].end < pair[1].start);
            }
            prop_assert_eq!(found.flags.is_empty(), found.cuts.is_empty());
        }
    }
}
