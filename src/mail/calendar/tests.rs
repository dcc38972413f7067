//! Invitations as programs write them, and what nobody should.

use std::fmt::Write as _;

use jiff::civil::date;
use proptest::prelude::*;

use super::*;

/// One event with these lines.
fn event(lines: &str) -> Option<Invitation> {
    let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\nUID:1\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n");
    Invitation::read(&text.replace('\n', "\r\n"))
}

fn start(line: &str) -> Option<String> {
    event(line).map(|told| written(&told.start))
}

fn written(moment: &Moment) -> String {
    match moment {
        Moment::Day(day) => day.to_string(),
        Moment::Zoned(at) => format!(
            "{} {}",
            at.datetime(),
            at.time_zone().iana_name().map_or_else(|| at.offset().to_string(), str::to_owned)
        ),
        Moment::Local(at, zone) => format!("{at} ?{zone}"),
    }
}

#[test]
fn times_keep_the_zone_that_they_name() {
    for (line, expected) in [
        ("DTSTART:20261123T090000Z", "2026-11-23T09:00:00 UTC"),
        ("DTSTART;TZID=Europe/Amsterdam:20261123T100000", "2026-11-23T10:00:00 Europe/Amsterdam"),
        ("DTSTART;TZID=\"W. Europe Standard Time\":20260701T100000", "2026-07-01T10:00:00 Europe/Berlin"),
        ("DTSTART;TZID=Eastern Standard Time:20261123T100000", "2026-11-23T10:00:00 America/New_York"),
        ("DTSTART:20261123T100000", "2026-11-23T10:00:00 ?"),
        ("DTSTART;TZID=Zo maar wat:20261123T100000", "2026-11-23T10:00:00 ?Zo maar wat"),
        ("DTSTART;VALUE=DATE:20261123", "2026-11-23"),
        // An hour that a clock skips in spring.
        ("DTSTART;TZID=Europe/Amsterdam:20260329T023000", "2026-03-29T03:30:00 Europe/Amsterdam"),
    ] {
        assert_eq!(start(line).as_deref(), Some(expected), "{line}");
    }
    for line in [
        "DTSTART:20261323T090000Z",
        "DTSTART:20260230T090000",
        "DTSTART:niet",
        "DTSTART:",
        "SUMMARY:x",
        "DTSTART:00000000T000000Z",
    ] {
        assert_eq!(start(line), None, "{line}");
    }
}

#[test]
fn ends() {
    for (lines, expected) in [
        ("DTSTART:20261123T090000Z\nDTEND:20261123T093000Z", Some("2026-11-23T09:30:00 UTC")),
        ("DTSTART:20261123T090000Z\nDURATION:PT1H30M", Some("2026-11-23T10:30:00 UTC")),
        ("DTSTART;VALUE=DATE:20261123\nDTEND;VALUE=DATE:20261126", Some("2026-11-25")),
        ("DTSTART;VALUE=DATE:20261123\nDTEND;VALUE=DATE:20261124", None),
        ("DTSTART;VALUE=DATE:20261123\nDURATION:P3D", Some("2026-11-25")),
        ("DTSTART:20261123T090000Z\nDTEND:20261122T090000Z", None),
        ("DTSTART:20261123T090000Z\nDTEND;VALUE=DATE:20261124", None),
        ("DTSTART:20261123T090000Z\nDURATION:-PT1H", None),
        ("DTSTART:20261123T090000Z\nDURATION:P99999999999999999999W", None),
        ("DTSTART:20261123T090000Z", None),
    ] {
        let told = event(lines).unwrap();
        assert_eq!(told.end.as_ref().map(written).as_deref(), expected, "{lines}");
    }
}

/// As Outlook writes it: folded lines, its own name for the zone with rules of its own, escapes, a party of three.
#[test]
fn an_invitation_of_outlook() {
    let text = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nPRODID:Microsoft Exchange Server 2010\r\nVERSION:2.0\r\n\
        BEGIN:VTIMEZONE\r\nTZID:W. Europe Standard Time\r\nBEGIN:STANDARD\r\nDTSTART:16010101T030000\r\nTZOFFSETFROM:+0200\r\n\
        TZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10\r\nEND:STANDARD\r\nBEGIN:DAYLIGHT\r\n\
        DTSTART:16010101T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3\r\n\
        END:DAYLIGHT\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nORGANIZER;CN=Anna Jansen:mailto:anna@zorg.example\r\n\
        ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN=\"Vries, Jan de\":MAILTO:jan@else.example\r\n\
        ATTENDEE;ROLE=OPT-PARTICIPANT:mailto:piet@else.example\r\nDESCRIPTION;LANGUAGE=nl-NL:Neem uw\\, pas mee\\;\\nen kom\r\n  op tijd.\r\n\
        UID:040000008200E\r\nSUMMARY;LANGUAGE=nl-NL:Gesprek over de uitslag\r\n\
        DTSTART;TZID=W. Europe Standard Time:20261123T100000\r\nDTEND;TZID=W. Europe Standard Time:20261123T103000\r\n\
        CLASS:PUBLIC\r\nSTATUS:CONFIRMED\r\nLOCATION;LANGUAGE=nl-NL:Kamer 3\\, eerste verdieping\r\nRRULE:FREQ=WEEKLY;COUNT=4\r\n\
        BEGIN:VALARM\r\nDESCRIPTION:REMINDER\r\nTRIGGER;RELATED=START:-PT15M\r\nACTION:DISPLAY\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let told = Invitation::read(text).unwrap();
    assert_eq!((told.purpose, told.what.as_str(), told.repeats), (Purpose::Invites, "Gesprek over de uitslag", true));
    assert_eq!(
        (told.place.as_str(), told.host.as_str()),
        ("Kamer 3, eerste verdieping", "Anna Jansen (anna@zorg.example)")
    );
    assert_eq!(told.guests, ["Vries, Jan de (jan@else.example)", "piet@else.example"]);
    assert_eq!(told.description, "Neem uw, pas mee;\nen kom op tijd.");
    assert_eq!(written(&told.start), "2026-11-23T10:00:00 Europe/Berlin");
    assert_eq!(format!("{told:?}"), "Invitation");
}

#[test]
fn what_the_sender_wants() {
    let read = |method: &str, line: &str| {
        let text = format!(
            "BEGIN:VCALENDAR\r\n{method}BEGIN:VEVENT\r\nDTSTART:20261123T090000Z\r\n{line}END:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        Invitation::read(&text).unwrap().purpose
    };
    assert_eq!(read("METHOD:REQUEST\r\n", ""), Purpose::Invites);
    assert_eq!(read("METHOD:CANCEL\r\n", ""), Purpose::Cancels);
    assert_eq!(read("METHOD:REQUEST\r\n", "STATUS:CANCELLED\r\n"), Purpose::Cancels);
    assert_eq!(read("METHOD:REPLY\r\n", ""), Purpose::Answers);
    assert_eq!(read("METHOD:X-ONZIN\r\n", ""), Purpose::Invites);
    assert_eq!(read("", ""), Purpose::Invites);
}

#[test]
fn the_first_time_of_a_series_and_not_an_exception_to_it() {
    let text = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nRECURRENCE-ID:20261130T090000Z\r\nDTSTART:20261130T100000Z\r\nSUMMARY:later\r\nEND:VEVENT\r\n\
        BEGIN:VEVENT\r\nDTSTART:20261123T090000Z\r\nSUMMARY:reeks\r\nRRULE:FREQ=WEEKLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    assert_eq!(Invitation::read(text).unwrap().what, "reeks");
}

#[test]
fn a_hostile_file_is_bounded() {
    let mut guests = String::new();
    for i in 0..3000 {
        writeln!(guests, "ATTENDEE;CN=G{i}:mailto:g{i}@else.example").unwrap();
    }
    let told = event(&format!("DTSTART:20261123T090000Z\nSUMMARY:{}\n{guests}", "w\u{202e}".repeat(2_000))).unwrap();
    assert_eq!((told.guests.len(), told.more_guests), (20, 2980));
    assert_eq!((told.what.chars().count(), told.what.contains('\u{202e}')), (500, false));
    let long = format!("DTSTART:20261123T090000Z\nDESCRIPTION:{}", "x".repeat(300_000));
    assert!(event(&long).is_none());
    for text in [
        String::new(),
        "BEGIN:VCALENDAR".to_owned(),
        "BEGIN:VEVENT\r\n".repeat(15_000),
        "BEGIN:VCALENDAR\r\n".repeat(12_000) + "DTSTART:20261123T090000Z",
        format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART{}:20261123T090000Z\r\n", ";A=B".repeat(50_000)),
        format!(
            "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:20261123T090000Z\r\nRRULE:FREQ=SECONDLY;BYSECOND={}\r\n",
            "1,".repeat(100_000)
        ),
    ] {
        let _ = Invitation::read(&text);
    }
    assert_eq!(event("DTSTART;VALUE=DATE:99981231\nDURATION:P9999W").and_then(|told| told.end), None);
    assert_eq!(event("DTSTART;VALUE=DATE:20261123").unwrap().start, Moment::Day(date(2026, 11, 23)));
}

proptest! {
    #[test]
    fn whatever_calls_itself_an_invitation_is_looked_at(
        lines in "((BEGIN|END):(VEVENT|VCALENDAR|VTIMEZONE|STANDARD)\r\n|(DTSTART|DTEND|DURATION|SUMMARY|ATTENDEE|ORGANIZER|RRULE|TZID|STATUS|METHOD)(;(TZID|VALUE|CN)=\"?(DATE|Europe/Amsterdam|x)\"?)?:(20261123T090000Z?|20261123|-?P9+[DW]|PT1H|[ -~é]{0,12})\r\n( [a-z]{0,5}\r\n)?){0,14}"
    ) {
        let _ = Invitation::read(&format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n{lines}"));
    }
}
