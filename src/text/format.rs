//! Dates, clock times and sizes as people read them.

use std::time::Duration;

use jiff::Zoned;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use crate::base::Timestamp;

use super::Lang;

const MONTHS_NL: [&str; 12] = [
    "januari",
    "februari",
    "maart",
    "april",
    "mei",
    "juni",
    "juli",
    "augustus",
    "september",
    "oktober",
    "november",
    "december",
];
const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn zoned(moment: Timestamp, zone: &TimeZone) -> Zoned {
    moment.to_jiff().to_zoned(zone.clone())
}

fn month(lang: Lang, at: Date) -> &'static str {
    let months = match lang {
        Lang::Nl => &MONTHS_NL,
        Lang::En => &MONTHS_EN,
    };
    let index = usize::from(at.month().unsigned_abs()).saturating_sub(1);
    months.get(index).copied().unwrap_or_default()
}

const fn weekday(lang: Lang, day: Weekday) -> &'static str {
    match (lang, day) {
        (Lang::Nl, Weekday::Monday) => "maandag",
        (Lang::Nl, Weekday::Tuesday) => "dinsdag",
        (Lang::Nl, Weekday::Wednesday) => "woensdag",
        (Lang::Nl, Weekday::Thursday) => "donderdag",
        (Lang::Nl, Weekday::Friday) => "vrijdag",
        (Lang::Nl, Weekday::Saturday) => "zaterdag",
        (Lang::Nl, Weekday::Sunday) => "zondag",
        (Lang::En, Weekday::Monday) => "Monday",
        (Lang::En, Weekday::Tuesday) => "Tuesday",
        (Lang::En, Weekday::Wednesday) => "Wednesday",
        (Lang::En, Weekday::Thursday) => "Thursday",
        (Lang::En, Weekday::Friday) => "Friday",
        (Lang::En, Weekday::Saturday) => "Saturday",
        (Lang::En, Weekday::Sunday) => "Sunday",
    }
}

/// A day: `19 februari 2027`, `19 February 2027`.
#[must_use]
pub fn date(lang: Lang, moment: Timestamp, zone: &TimeZone) -> String {
    day_of(lang, zoned(moment, zone).date())
}

fn day_of(lang: Lang, day: Date) -> String {
    format!("{} {} {}", day.day(), month(lang, day), day.year())
}

/// A day of the calendar, whatever the zone: `zaterdag 21 november 2026`.
#[must_use]
pub fn day(lang: Lang, day: Date) -> String {
    format!("{} {}", weekday(lang, day.weekday()), day_of(lang, day))
}

/// The last day that is wholly before `end`, for "tot en met": what can be read until the 20th at ten in the morning can be
/// read up to and including the 19th.
#[must_use]
pub fn last_day(lang: Lang, end: Timestamp, zone: &TimeZone) -> String {
    date(lang, end - Duration::from_hours(24), zone)
}

/// A moment: `zaterdag 21 november 2026, 10:04`.
#[must_use]
pub fn moment(lang: Lang, moment: Timestamp, zone: &TimeZone) -> String {
    let at = zoned(moment, zone);
    format!("{} {}, {}", weekday(lang, at.weekday()), date(lang, moment, zone), clock(moment, zone))
}

/// A clock time: `14:35`.
#[must_use]
pub fn clock(moment: Timestamp, zone: &TimeZone) -> String {
    let at = zoned(moment, zone);
    format!("{:02}:{:02}", at.hour(), at.minute())
}

/// A size that may be reached: as [`size`], but never rounded up.
#[must_use]
pub fn limit(lang: Lang, bytes: u64) -> String {
    let step = match bytes {
        0..1_000 => 1,
        1_000..1_000_000 => 1_000,
        1_000_000..1_000_000_000 => 100_000,
        _ => 100_000_000,
    };
    size(lang, bytes / step * step)
}

/// A size in decimal units: `312 bytes`, `214 kB`, `25 MB`, `1,2 MB` (`1.2 MB` in English).
#[must_use]
pub fn size(lang: Lang, bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000, "kB"), (1_000_000, "MB"), (1_000_000_000, "GB")];
    let point = match lang {
        Lang::Nl => ',',
        Lang::En => '.',
    };
    let whole = |unit: u64| bytes.saturating_add(unit / 2) / unit;
    if bytes == 1 {
        return "1 byte".to_owned();
    }
    if bytes < 1_000 {
        return format!("{bytes} bytes");
    }
    // The largest unit of which there is, rounded, at least one.
    let fitting = UNITS.iter().rev().find(|(unit, _)| bytes.saturating_add(unit / 2_000) >= *unit);
    let (unit, name) = fitting.copied().unwrap_or((1_000, "kB"));
    if name == "kB" {
        return format!("{} kB", whole(unit));
    }
    let tenths = whole(unit / 10);
    match tenths % 10 {
        0 => format!("{} {name}", tenths / 10),
        tenth => format!("{}{point}{tenth} {name}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_the_local_zone() {
        let zone = TimeZone::get("Europe/Amsterdam").unwrap();
        let winter = Timestamp::from_secs(1_795_251_840); // 2026-11-21T09:04:00Z
        assert_eq!(date(Lang::Nl, winter, &zone), "21 november 2026");
        assert_eq!(last_day(Lang::Nl, winter, &zone), "20 november 2026");
        assert_eq!(moment(Lang::Nl, winter, &zone), "zaterdag 21 november 2026, 10:04");
        assert_eq!(moment(Lang::En, winter, &zone), "Saturday 21 November 2026, 10:04");
        assert_eq!(clock(winter, &zone), "10:04");
        let summer = Timestamp::from_secs(1_783_033_200); // 2026-07-02T23:00:00Z
        assert_eq!(moment(Lang::Nl, summer, &zone), "vrijdag 3 juli 2026, 01:00");
    }

    #[test]
    fn dates_far_away_do_not_fail() {
        for at in [Timestamp(0), Timestamp(u64::MAX)] {
            assert!(!moment(Lang::En, at, &TimeZone::UTC).is_empty());
        }
    }

    #[test]
    fn sizes() {
        let cases = [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1_000, "1 kB"),
            (1_499, "1 kB"),
            (213_700, "214 kB"),
            (999_499, "999 kB"),
            (999_500, "1 MB"),
            (1_049_999, "1 MB"),
            (25_000_000, "25 MB"),
            (1_200_000, "1,2 MB"),
            (52_428_800, "52,4 MB"),
            (1_500_000_000, "1,5 GB"),
            (u64::MAX, "18446744073,7 GB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(size(Lang::Nl, bytes), expected, "{bytes}");
        }
        assert_eq!(size(Lang::En, 1_200_000), "1.2 MB");
        for (bytes, expected) in [
            (999, "999 bytes"),
            (1_999, "1 kB"),
            (999_999, "999 kB"),
            (25_000_000, "25 MB"),
            (26_214_400, "26,2 MB"),
            (31_457_280, "31,4 MB"),
            (49_999_999, "49,9 MB"),
            (1_073_741_824, "1 GB"),
        ] {
            assert_eq!(limit(Lang::Nl, bytes), expected, "{bytes}");
        }
    }
}
