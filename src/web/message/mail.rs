//! One mail as the page and the PDF show it: its texts in order, what is attached, who and when.

use std::time::Duration;

use crate::base::Timestamp;
use crate::mail::mime::{Part, to_text};
use crate::text::page::{Body, File, FrameHeight, Mail, autolink};
use crate::text::{Words, format};

use crate::web::answer::Problem;
use crate::web::app::App;

use super::sanitise::height;
use super::{MOST_HTML, Opened, download, frame};

/// How long a mail may have been under way.
const WEEK: Duration = Duration::from_hours(7 * 24);

/// One leaf of a mail's text, decoded.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub text: String,
    pub is_html: bool,
}

/// The leaves of a mail's text in one of its forms.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    pub leaves: Vec<Leaf>,
    /// Not all of it is here.
    pub cut: bool,
}

impl Leaves {
    /// Those of these numbers that hold anything, in order: no more than so many bytes where all is plain text, and where some is HTML.
    pub async fn of(app: &App, opened: &Opened, numbers: &[u32], (plain, html): (u64, u64)) -> Result<Self, Problem> {
        let parts: Vec<&Part> = numbers.iter().filter_map(|n| opened.part(*n)).filter(|p| p.body < p.end).collect();
        let is_html = |part: &Part| part.content_type == "text/html";
        let mut room = if parts.iter().any(|part| is_html(part)) { html } else { plain };
        let mut found = Self::default();
        if parts.is_empty() {
            return Ok(found);
        }
        let content = opened.content(app).await?;
        for part in parts {
            if room == 0 {
                found.cut = true;
                break;
            }
            let (bytes, cut) = content.start_of(part, room).await?;
            room = room.saturating_sub(part.end.saturating_sub(part.body));
            found.cut |= cut;
            found.leaves.push(Leaf { text: to_text(&part.charset, &bytes), is_html: is_html(part) });
        }
        Ok(found)
    }

    /// Whether any is HTML.
    pub fn is_html(&self) -> bool {
        self.leaves.iter().any(|leaf| leaf.is_html)
    }

    /// Bytes of its HTML.
    pub fn html_len(&self) -> u64 {
        self.leaves.iter().filter(|leaf| leaf.is_html).map(|leaf| leaf.text.len() as u64).sum()
    }

    /// How tall it will stand in its frame.
    fn height(&self) -> FrameHeight {
        FrameHeight::of(height(self.leaves.iter().map(|leaf| (leaf.text.as_str(), leaf.is_html))))
    }

    /// Whether a picture stands in the text.
    pub fn show(&self, part: &Part) -> bool {
        let named = format!("cid:{}", part.content_id);
        let shown = |leaf: &Leaf| leaf.is_html && leaf.text.contains(&named);
        !part.content_id.is_empty() && frame::is_picture(part) && self.leaves.iter().any(shown)
    }

    /// As one text, an empty line between two.
    pub fn joined(&self) -> String {
        let texts: Vec<&str> = self.leaves.iter().map(|leaf| leaf.text.trim_end_matches(['\r', '\n'])).collect();
        texts.join("\n\n")
    }
}

/// The attachments without the pictures that stand in the text.
pub(super) fn attached<'a>(opened: &'a Opened, text: &'a Leaves) -> impl Iterator<Item = (u32, &'a Part)> {
    let numbers = opened.manifest.mime.attachments().into_iter();
    numbers.filter_map(|number| Some((number, opened.part(number)?))).filter(|(_, part)| !text.show(part))
}

/// The mail as the page shows it, with at most so many bytes of plain text. HTML where there is some, since its writer meant it to be read; else
/// plain text.
pub(super) async fn shown(app: &App, opened: &Opened, words: Words<'_>, most: u64) -> Result<Mail, Problem> {
    let message = &opened.session.message;
    let text = Leaves::of(app, opened, &opened.manifest.mime.shown().rich, (most, MOST_HTML)).await?;
    let body = match (text.leaves.is_empty(), text.is_html()) {
        (true, _) => Body::Empty,
        (_, true) => Body::Html(text.height()),
        (_, false) => Body::Text(autolink(&text.joined())),
    };
    let lang = words.lang();
    let file = |(place, (number, part)): (usize, (u32, &Part))| {
        let size = format::size(lang, decoded_len(part));
        File::new(words, number, place + 1, (&part.name, &part.content_type), (size, download::has_preview(part)))
    };
    let files: Result<Vec<_>, _> = attached(opened, &text).enumerate().map(file).collect();
    let sender = &message.sender;
    let name = if sender.name.is_empty() { &sender.address } else { &sender.name };
    Ok(Mail {
        own: opened.own(),
        from: format!("{name}, {}", app.settings.organisation),
        from_address: sender.address.clone(),
        to: names(&opened.manifest.to),
        cc: names(&opened.manifest.cc),
        sent: moment(app, opened, words),
        card: None,
        body,
        cut: text.cut,
        files: files?,
        size: format::size(lang, message.plain_len),
    })
}

/// When the mail was sent, for people.
pub(super) fn moment(app: &App, opened: &Opened, words: Words<'_>) -> String {
    let at = sent(&opened.manifest.date, opened.session.message.received);
    format::moment(words.lang(), at, &app.settings.time_zone)
}

/// Names without the quotation marks that mail puts around them, and addresses without a name without their brackets, but where what is in them could be taken for an address or for two names.
pub(super) fn names(list: &str) -> String {
    if !list.contains('"') {
        let bare = |one: &str| {
            one.strip_prefix('<')
                .and_then(|one| one.strip_suffix('>'))
                .filter(|one| !one.contains(['<', '>']))
                .unwrap_or(one)
                .to_owned()
        };
        return list.split(", ").map(bare).collect::<Vec<_>>().join(", ");
    }
    let mut out = String::with_capacity(list.len());
    let mut pieces = list.split('"');
    out.push_str(pieces.next().unwrap_or_default());
    while let Some(quoted) = pieces.next() {
        let Some(after) = pieces.next() else {
            out.push('"');
            out.push_str(quoted);
            break;
        };
        let clear = !quoted.is_empty() && !quoted.contains(['\\', ',', '<', '>', '@', ';', ':', '(', ')']);
        let quote = if clear { "" } else { "\"" };
        out.extend([quote, quoted, quote, after]);
    }
    out
}

/// When it was sent: as its Date says, unless that is later than its arrival or a week earlier, as wrong clocks make it.
fn sent(date: &str, received: Timestamp) -> Timestamp {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
    let parsed = parser.parse_timestamp(date).ok().and_then(|at| u64::try_from(at.as_millisecond()).ok());
    parsed.map(Timestamp).filter(|at| (received - WEEK..=received).contains(at)).unwrap_or(received)
}

/// About how many bytes a part has once decoded: base64 in lines of 76 characters carries 57 bytes in 78.
pub(super) fn decoded_len(part: &Part) -> u64 {
    let encoded = part.end.saturating_sub(part.body);
    if part.encoding == "base64" { encoded.saturating_mul(57) / 78 } else { encoded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_without_quotation_marks_where_nothing_hides_in_them() {
        for (list, shown) in [
            ("\"Jan de Vries\" <jan@a.example>", "Jan de Vries <jan@a.example>"),
            ("Jan <jan@a.example>, \"Piet\" <piet@a.example>", "Jan <jan@a.example>, Piet <piet@a.example>"),
            ("\"Vries, J. de\" <jan@a.example>", "\"Vries, J. de\" <jan@a.example>"),
            ("\"piet@b.example\" <jan@a.example>", "\"piet@b.example\" <jan@a.example>"),
            ("\"Jan \\\"x\\\"\" <jan@a.example>", "\"Jan \\\"x\\\"\" <jan@a.example>"),
            ("\"Jan", "\"Jan"),
            ("\"\" <jan@a.example>", "\"\" <jan@a.example>"),
            ("<jan@a.example>", "jan@a.example"),
            ("<jan@a.example>, Piet <piet@a.example>", "jan@a.example, Piet <piet@a.example>"),
            ("", ""),
        ] {
            assert_eq!(names(list), shown, "{list}");
        }
    }

    #[test]
    fn a_date_counts_when_it_can_be_true() {
        // 2026-11-21 10:04 in Amsterdam
        let received = Timestamp::from_secs(1_795_251_840);
        for (date, minutes) in [
            ("Sat, 21 Nov 2026 10:00:00 +0100", 4),
            ("Sun, 21 Nov 2026 10:00:00 +0100 (CET)", 4),
            ("21 Nov 2026 09:00:00 GMT", 4),
            ("Sat, 14 Nov 2026 10:05:00 +0100", 7 * 24 * 60 - 1),
            ("Sat, 14 Nov 2026 10:03:00 +0100", 0),
            ("Sat, 21 Nov 2026 10:05:00 +0100", 0),
            ("Thu, 01 Jan 1960 00:00:00 +0000", 0),
            ("morgen", 0),
            ("", 0),
        ] {
            assert_eq!(sent(date, received), received - Duration::from_mins(minutes), "{date}");
        }
    }
}
