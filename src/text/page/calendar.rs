//! An appointment as the message page shows it: sentences in the page's language, times in the organisation's zone.

use jiff::Zoned;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

use crate::text::{TextError, Words, format};

use super::{Piece, autolink};

/// When something is, as exactly as its writer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When<'a> {
    /// Whole days, the last one included.
    Days(jiff::civil::Date, Option<jiff::civil::Date>),
    /// Points in time.
    Zoned(&'a Zoned, Option<&'a Zoned>),
    /// Clock times in a zone of which only the name is known; empty for none.
    Local(DateTime, Option<DateTime>, &'a str),
}

/// What kind of card it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardKind {
    /// An appointment.
    Invites,
    /// One that does not take place.
    Cancels,
    /// An answer to one.
    Answers,
}

impl CardKind {
    const fn title(self) -> &'static str {
        match self {
            Self::Invites => "calendar-invites",
            Self::Cancels => "calendar-cancels",
            Self::Answers => "calendar-answers",
        }
    }
}

/// What the card is made from; texts may be empty.
#[derive(Debug, Clone)]
pub struct Appointment<'a> {
    /// What kind.
    pub kind: CardKind,
    /// Its title.
    pub what: &'a str,
    /// When.
    pub when: When<'a>,
    /// It comes again.
    pub repeats: bool,
    /// Where.
    pub place: &'a str,
    /// Who called it.
    pub host: &'a str,
    /// Who are asked.
    pub guests: &'a [String],
    /// How many more.
    pub more_guests: usize,
    /// What is said about it.
    pub about: &'a str,
}

/// A card, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// The number of the attachment that holds it.
    pub number: u32,
    /// Its heading.
    pub title: String,
    /// When, in the organisation's zone.
    pub when: String,
    /// The same in the appointment's own zone, where that differs; else empty.
    pub elsewhere: String,
    /// It comes again.
    pub repeats: bool,
    /// Where.
    pub place: Vec<Piece>,
    /// Who called it.
    pub host: String,
    /// Who are asked.
    pub guests: String,
    /// What is said about it.
    pub about: Vec<Piece>,
}

impl Card {
    /// In these words; `zone` is the organisation's.
    ///
    /// # Errors
    /// When a text is missing.
    pub fn new(words: Words<'_>, number: u32, told: &Appointment<'_>, zone: &TimeZone) -> Result<Self, TextError> {
        let untitled = words.get("calendar-untitled")?;
        let what = if told.what.is_empty() { &untitled } else { told.what };
        let (when, elsewhere) = when(words, &told.when, zone)?;
        let mut guests = told.guests.join(", ");
        if told.more_guests > 0 {
            guests.push(' ');
            guests.push_str(&words.with("calendar-more", &[("count", told.more_guests)])?);
        }
        Ok(Self {
            number,
            title: words.with(told.kind.title(), &[("what", what)])?,
            when,
            elsewhere,
            repeats: told.repeats,
            place: autolink(told.place),
            host: told.host.to_owned(),
            guests,
            about: autolink(told.about),
        })
    }
}

fn when(words: Words<'_>, when: &When<'_>, zone: &TimeZone) -> Result<(String, String), TextError> {
    let lang = words.lang();
    Ok(match when {
        When::Days(first, None) => {
            (words.with("calendar-day", &[("day", &*format::day(lang, *first))])?, String::new())
        }
        When::Days(first, Some(last)) => {
            let (first, last) = (format::day(lang, *first), format::day(lang, *last));
            (words.with("calendar-days", &[("first", &*first), ("last", &*last)])?, String::new())
        }
        When::Zoned(start, end) => {
            let local = |at: &Zoned| at.with_time_zone(zone.clone()).datetime();
            let here = times(words, local(start), end.map(local))?;
            let in_own = |at: &Zoned| at.with_time_zone(start.time_zone().clone()).datetime();
            let own = times(words, in_own(start), end.map(in_own))?;
            let zone = start.time_zone().iana_name().unwrap_or("UTC");
            let differs = own != here && zone != "UTC" && zone != "Etc/UTC";
            let elsewhere = [("zone", zone), ("time", own.as_str())];
            (here, if differs { words.with("calendar-elsewhere", &elsewhere)? } else { String::new() })
        }
        When::Local(start, end, "") => (times(words, *start, *end)?, String::new()),
        When::Local(start, end, zone) => {
            let time = times(words, *start, *end)?;
            (words.with("calendar-zone", &[("time", time.as_str()), ("zone", zone)])?, String::new())
        }
    })
}

/// One day with its clock times, or from one day to another.
fn times(words: Words<'_>, start: DateTime, end: Option<DateTime>) -> Result<String, TextError> {
    let clock = |time: Time| format!("{:02}:{:02}", time.hour(), time.minute());
    let lang = words.lang();
    let (day, from) = (format::day(lang, start.date()), clock(start.time()));
    match end {
        None => words.with("calendar-time", &[("day", &*day), ("from", &*from)]),
        Some(end) if end.date() == start.date() => {
            words.with("calendar-times", &[("day", &*day), ("from", &*from), ("until", &*clock(end.time()))])
        }
        Some(end) => {
            let from = format!("{day}, {from}");
            let until = format!("{}, {}", format::day(lang, end.date()), clock(end.time()));
            words.with("calendar-between", &[("from", &*from), ("until", &*until)])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Lang, Texts};

    fn shown(lang: Lang, when: When<'_>) -> (String, String) {
        let texts = Texts::load().unwrap();
        let zone = TimeZone::get("Europe/Amsterdam").unwrap();
        let guests = ["Jan".to_owned()];
        let told = Appointment {
            kind: CardKind::Invites,
            what: "",
            when,
            repeats: false,
            place: "https://vergader.example/1",
            host: "Anna",
            guests: &guests,
            more_guests: 2,
            about: "",
        };
        let card = Card::new(texts.in_language(lang), 1, &told, &zone).unwrap();
        assert!(card.title.contains("zonder titel") || lang == Lang::En);
        assert!(card.guests == "Jan en nog 2 anderen" || lang == Lang::En, "{}", card.guests);
        assert!(matches!(&card.place[..], [Piece::Link { .. }]));
        (card.when, card.elsewhere)
    }

    #[test]
    fn times_as_people_read_them() {
        let at = |text: &str| text.parse::<Zoned>().unwrap();
        let (nl, en) = (Lang::Nl, Lang::En);
        let (day, next) = (jiff::civil::date(2026, 11, 23), jiff::civil::date(2026, 11, 24));
        let (here, until) = (at("2026-11-23T10:00[Europe/Amsterdam]"), at("2026-11-23T10:30[Europe/Amsterdam]"));
        let (away, utc) = (at("2026-11-23T23:30[America/New_York]"), at("2026-07-01T10:00[UTC]"));
        let local = day.at(9, 5, 0, 0);
        for (lang, when, expected, elsewhere) in [
            (nl, When::Days(day, None), "maandag 23 november 2026, hele dag", ""),
            (
                en,
                When::Days(day, Some(next)),
                "Monday 23 November 2026 up to and including Tuesday 24 November 2026",
                "",
            ),
            (nl, When::Zoned(&here, None), "maandag 23 november 2026, 10:00 uur", ""),
            (nl, When::Zoned(&here, Some(&until)), "maandag 23 november 2026, 10:00 tot 10:30 uur", ""),
            (nl, When::Zoned(&utc, None), "woensdag 1 juli 2026, 12:00 uur", ""),
            (
                nl,
                When::Zoned(&away, None),
                "dinsdag 24 november 2026, 05:30 uur",
                "In de tijdzone van de afspraak (America/New_York): maandag 23 november 2026, 23:30 uur",
            ),
            (
                nl,
                When::Zoned(&here, Some(&away)),
                "maandag 23 november 2026, 10:00 uur tot dinsdag 24 november 2026, 05:30 uur",
                "",
            ),
            (en, When::Local(local, None, ""), "Monday 23 November 2026, 09:05", ""),
            (
                nl,
                When::Local(local, Some(day.at(9, 35, 0, 0)), "Eigen zone"),
                "maandag 23 november 2026, 09:05 tot 09:35 uur (tijdzone: Eigen zone)",
                "",
            ),
        ] {
            assert_eq!(shown(lang, when.clone()), (expected.to_owned(), elsewhere.to_owned()), "{when:?}");
        }
    }
}
