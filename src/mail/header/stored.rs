//! The header as it is stored: what is for us or private taken out, all else byte for byte.

use super::{Field, HeaderBlock, Reading, is_ours, tag, words};

pub(super) fn stored(header: &HeaderBlock<'_>, tags: &[String]) -> Vec<u8> {
    let mut out = Vec::with_capacity(header.raw.len());
    for field in header.fields() {
        let key = field.key();
        match key.as_str() {
            "bcc" | "resent-bcc" => {}
            "subject" => subject(&field, tags, &mut out),
            _ if is_ours(&key) => {}
            _ => out.extend_from_slice(field.raw),
        }
    }
    out
}

fn subject(field: &Field<'_>, tags: &[String], out: &mut Vec<u8>) {
    let reading = Reading::of(field, tags);
    if reading.found.cuts.is_empty() {
        out.extend_from_slice(field.raw);
        return;
    }
    let value_start = field.raw.len() - field.value().len();
    let (name, value) = field.raw.split_at_checked(value_start).unwrap_or((field.raw, &[]));
    out.extend_from_slice(name);
    if let Some(kept) = without_cuts(value, &reading) {
        out.extend(kept);
    } else {
        out.extend(words::encode(&super::readable(&tag::untagged(&reading.glyphs, &reading.found.cuts))));
        out.extend_from_slice(b"\r\n");
    }
}

/// The value with the bytes of the tags cut out; `None` when a tag stands in or between encoded words, where that would change
/// what the rest reads.
fn without_cuts(value: &[u8], reading: &Reading) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.len());
    let mut from = 0;
    for cut in &reading.found.cuts {
        let glyphs = reading.glyphs.get(cut.clone())?;
        let before = reading.glyphs.get(..cut.start)?.iter().rfind(|glyph| !glyph.char.is_whitespace());
        let after = reading.glyphs.get(cut.end);
        let between_words = before.is_some_and(|g| g.encoded) && after.is_some_and(|g| g.encoded);
        if between_words || glyphs.iter().any(|glyph| glyph.encoded) {
            return None;
        }
        // whole folds go, none is left empty: up to the next character that stays, at the end from the last one that stays
        let kept_before =
            || cut.start.checked_sub(1).and_then(|at| reading.glyphs.get(at)).map_or(0, |glyph| glyph.end);
        let (start, end) = match after {
            Some(next) => (glyphs.first()?.start, next.start),
            None => (kept_before(), glyphs.last()?.end),
        };
        out.extend_from_slice(value.get(from..start)?);
        from = end;
    }
    out.extend_from_slice(value.get(from..)?);
    Some(out)
}
