//! The appointment that came with a message, as a card above its text.

use jiff::Zoned;

use crate::mail::calendar::{Invitation, MOST_BYTES, Moment, Purpose};
use crate::mail::mime::{Part, to_text};
use crate::text::Words;
use crate::text::page::{Appointment, Card, CardKind, When};

use crate::web::answer::Problem;
use crate::web::app::App;

use super::Opened;

/// The first appointment among the attachments, if one can be read; mail programs put the same one into a mail twice.
pub(super) async fn card(app: &App, opened: &Opened, words: Words<'_>) -> Result<Option<Card>, Problem> {
    let attachments = opened.manifest.mime.attachments();
    let found = attachments
        .into_iter()
        .find_map(|number| Some((number, opened.part(number).filter(|part| is_calendar(part))?)));
    let Some((number, part)) = found else { return Ok(None) };
    let (bytes, cut) = opened.content(app).await?.start_of(part, MOST_BYTES).await?;
    if cut {
        return Ok(None);
    }
    let charset = if part.charset.is_empty() { "utf-8" } else { part.charset.as_str() };
    let text = to_text(charset, &bytes);
    let invitation = app.cleaners.run(move || Invitation::read(&text)).await?.flatten();
    invitation.map(|told| shown(words, number, &told, &app.settings.time_zone)).transpose()
}

fn is_calendar(part: &Part) -> bool {
    let by_name = || part.name.to_ascii_lowercase().ends_with(".ics");
    matches!(part.content_type.as_str(), "text/calendar" | "application/ics")
        || (part.content_type == "application/octet-stream" && by_name())
}

fn shown(words: Words<'_>, number: u32, told: &Invitation, zone: &jiff::tz::TimeZone) -> Result<Card, Problem> {
    let kind = match told.purpose {
        Purpose::Invites => CardKind::Invites,
        Purpose::Cancels => CardKind::Cancels,
        Purpose::Answers => CardKind::Answers,
    };
    let appointment = Appointment {
        kind,
        what: &told.what,
        when: when(told),
        repeats: told.repeats,
        place: &told.place,
        host: &told.host,
        guests: &told.guests,
        more_guests: told.more_guests,
        about: &told.description,
    };
    Ok(Card::new(words, number, &appointment, zone)?)
}

fn when(told: &Invitation) -> When<'_> {
    match (&told.start, &told.end) {
        (Moment::Day(first), Some(Moment::Day(last))) => When::Days(*first, Some(*last)),
        (Moment::Day(first), _) => When::Days(*first, None),
        (Moment::Zoned(start), Some(Moment::Zoned(end))) => When::Zoned(start, Some::<&Zoned>(end)),
        (Moment::Zoned(start), _) => When::Zoned(start, None),
        (Moment::Local(start, zone), Some(Moment::Local(end, _))) => When::Local(*start, Some(*end), zone),
        (Moment::Local(start, zone), _) => When::Local(*start, None, zone),
    }
}
