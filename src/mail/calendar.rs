//! Invitations (text/calendar, RFC 5545 and 5546) as far as a person wants to read one: what, when, where, who.
//!
//! Everything is bounded: bytes, lengths of texts, number of guests. Times keep the zone that the event names; a zone that nobody knows stays
//! a name beside the clock time, never a guess.

use std::panic::{AssertUnwindSafe, catch_unwind};

use calcard::common::PartialDateTime;
use calcard::common::timezone::Tz;
use calcard::icalendar::timezone::TzResolver;
use calcard::icalendar::{
    ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarEntry, ICalendarMethod, ICalendarParameterName,
    ICalendarProperty, ICalendarStatus, ICalendarValue,
};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};

/// Most bytes of a calendar file that are read.
pub const MOST_BYTES: u64 = 256 * 1024;

/// Longest text that is kept of a field, in characters.
const LONGEST: usize = 500;
/// Longest description, in characters.
const LONGEST_DESCRIPTION: usize = 4000;
/// Most guests that are named.
const MOST_GUESTS: usize = 20;

/// What the sender wants with it (RFC 5546 §1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An invitation, or an appointment to know of.
    Invites,
    /// The appointment does not take place.
    Cancels,
    /// An answer to an invitation.
    Answers,
}

/// A point in time, as exactly as the file says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// A whole day.
    Day(Date),
    /// A clock time in a zone that is known.
    Zoned(Box<Zoned>),
    /// A clock time in a zone of which only this name is known; empty for none, which means wherever the reader is.
    Local(DateTime, String),
}

/// One appointment. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    /// What the sender wants.
    pub purpose: Purpose,
    /// Its title; may be empty.
    pub what: String,
    /// When it begins.
    pub start: Moment,
    /// When it ends; of whole days the last one. `None` for no end, or none that can be true.
    pub end: Option<Moment>,
    /// It comes again.
    pub repeats: bool,
    /// Where; may be empty.
    pub place: String,
    /// Who called it: name, or address without one; may be empty.
    pub host: String,
    /// Who are asked, likewise; the first of them.
    pub guests: Vec<String>,
    /// How many more there are.
    pub more_guests: usize,
    /// What is said about it; may be empty.
    pub description: String,
}

impl std::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Invitation")
    }
}

impl Invitation {
    /// The first appointment of a calendar file; `None` when there is none that can be read, or the file is too long.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        if text.len() as u64 > MOST_BYTES {
            return None;
        }
        // A stranger's bytes in a library that is not ours: a panic there is no answer.
        catch_unwind(AssertUnwindSafe(|| {
            let calendar = ICalendar::parse(text).ok()?;
            of(&calendar)
        }))
        .ok()?
    }
}

fn of(calendar: &ICalendar) -> Option<Invitation> {
    let events = || calendar.components.iter().filter(|c| c.component_type == ICalendarComponentType::VEvent);
    let event =
        events().find(|event| !event.has_property(&ICalendarProperty::RecurrenceId)).or_else(|| events().next())?;
    let zones = calendar.build_tz_resolver();
    let start_field = event.property(&ICalendarProperty::Dtstart)?;
    let start = moment(start_field, &zones)?;
    let guests: Vec<String> =
        event.properties(&ICalendarProperty::Attendee).map(person).filter(|name| !name.is_empty()).collect();
    let more_guests = guests.len().saturating_sub(MOST_GUESTS);
    Some(Invitation {
        purpose: purpose(calendar, event),
        what: text(event, &ICalendarProperty::Summary, LONGEST),
        end: end(event, &start, &zones),
        start,
        repeats: event.has_property(&ICalendarProperty::Rrule) || event.has_property(&ICalendarProperty::Rdate),
        place: text(event, &ICalendarProperty::Location, LONGEST),
        host: event.property(&ICalendarProperty::Organizer).map(person).unwrap_or_default(),
        guests: guests.into_iter().take(MOST_GUESTS).collect(),
        more_guests,
        description: text(event, &ICalendarProperty::Description, LONGEST_DESCRIPTION),
    })
}

fn purpose(calendar: &ICalendar, event: &ICalendarComponent) -> Purpose {
    let outer = calendar.components.iter().find(|c| c.component_type == ICalendarComponentType::VCalendar);
    let method =
        outer.and_then(|outer| outer.property(&ICalendarProperty::Method)).and_then(|entry| entry.values.first());
    match (method, event.status()) {
        (Some(ICalendarValue::Method(ICalendarMethod::Cancel)), _) | (_, Some(ICalendarStatus::Cancelled)) => {
            Purpose::Cancels
        }
        (Some(ICalendarValue::Method(ICalendarMethod::Reply | ICalendarMethod::Counter)), _) => Purpose::Answers,
        _ => Purpose::Invites,
    }
}

fn end(event: &ICalendarComponent, start: &Moment, zones: &TzResolver<&str>) -> Option<Moment> {
    let end = if let Some(entry) = event.property(&ICalendarProperty::Dtend) {
        match moment(entry, zones)? {
            // The day behind the last one.
            Moment::Day(day) => Moment::Day(day.yesterday().ok()?),
            end => end,
        }
    } else {
        let duration = event.property(&ICalendarProperty::Duration)?.values.first()?;
        let ICalendarValue::Duration(duration) = duration else { return None };
        later(start, SignedDuration::from_secs(duration.as_seconds()))?
    };
    let follows = match (start, &end) {
        (Moment::Day(start), Moment::Day(end)) => start < end,
        (Moment::Zoned(start), Moment::Zoned(end)) => start < end,
        (Moment::Local(start, zone), Moment::Local(end, other)) => start < end && zone == other,
        _ => false,
    };
    follows.then_some(end)
}

fn later(start: &Moment, by: SignedDuration) -> Option<Moment> {
    Some(match start {
        // A day is over where the next one begins.
        Moment::Day(day) => Moment::Day(day.checked_add(by).ok()?.yesterday().ok()?),
        Moment::Zoned(at) => Moment::Zoned(Box::new(at.checked_add(by).ok()?)),
        Moment::Local(at, zone) => Moment::Local(at.checked_add(by).ok()?, zone.clone()),
    })
}

fn moment(entry: &ICalendarEntry, zones: &TzResolver<&str>) -> Option<Moment> {
    let Some(ICalendarValue::PartialDateTime(at)) = entry.values.first() else { return None };
    let day = date(at)?;
    let (Some(hour), Some(minute)) = (at.hour, at.minute) else { return Some(Moment::Day(day)) };
    let second = at.second.unwrap_or(0).min(59);
    let local =
        day.at(0, 0, 0, 0).with().hour(small(hour)?).minute(small(minute)?).second(small(second)?).build().ok()?;
    let named = entry.tz_id().unwrap_or_default();
    let zone = match at.tz_hour {
        Some(hour) => Some(offset(hour, at.tz_minute.unwrap_or(0), at.tz_minus)?),
        None if named.is_empty() => None,
        None => zones.resolve(named).and_then(known),
    };
    Some(match zone {
        Some(zone) => Moment::Zoned(Box::new(local.to_zoned(zone).ok()?)),
        None => Moment::Local(local, clean(named, LONGEST)),
    })
}

fn date(at: &PartialDateTime) -> Option<Date> {
    let year = i16::try_from(at.year?).ok().filter(|year| (1900..=9998).contains(year))?;
    Date::new(year, small(at.month?)?, small(at.day?)?).ok()
}

fn small(number: u8) -> Option<i8> {
    i8::try_from(number).ok()
}

/// A distance from UTC; programs write none but zero.
fn offset(hour: u8, minute: u8, minus: bool) -> Option<TimeZone> {
    let seconds = i32::from(hour) * 3600 + i32::from(minute) * 60;
    let offset = jiff::tz::Offset::from_seconds(if minus { -seconds } else { seconds }).ok()?;
    Some(if seconds == 0 { TimeZone::UTC } else { TimeZone::fixed(offset) })
}

/// The same zone with the rules that all our times follow.
fn known(zone: Tz) -> Option<TimeZone> {
    match zone {
        Tz::Floating => None,
        Tz::Fixed(offset) => jiff::tz::Offset::from_seconds(offset.local_minus_utc()).ok().map(TimeZone::fixed),
        Tz::Tz(_) => TimeZone::get(&zone.name()?).ok(),
    }
}

/// A person's name, or address without one.
fn person(entry: &ICalendarEntry) -> String {
    let name = entry.parameters(&ICalendarParameterName::Cn).find_map(|value| value.as_text()).unwrap_or_default();
    let address = entry.calendar_address().unwrap_or_default();
    match (clean(name, LONGEST), clean(address, LONGEST)) {
        (name, address) if name.is_empty() || name == address => address,
        (name, address) if address.is_empty() => name,
        (name, address) => format!("{name} ({address})"),
    }
}

fn text(event: &ICalendarComponent, property: &ICalendarProperty, longest: usize) -> String {
    let value = event.property(property).and_then(|entry| entry.values.first()).and_then(ICalendarValue::as_text);
    clean(value.unwrap_or_default(), longest)
}

/// Without what turns the direction of writing, or is no letter at all; line ends stay.
fn clean(text: &str, longest: usize) -> String {
    let wanted = |c: &char| {
        (*c == '\n' || !c.is_control())
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut kept: String = text.trim().chars().filter(wanted).take(longest + 1).collect();
    if kept.chars().count() > longest {
        kept = kept.chars().take(longest - 1).collect();
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests;
