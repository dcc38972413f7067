//! Answers as text for a terminal.

use std::fmt::{Display, Write as _};

use crate::daemon::contacts::ContactRow;
use crate::daemon::operate::{Answer, JobRow, MessageRow, RecipientRow};
use crate::daemon::upkeep::{BackupRow, Outcome};
use crate::store::check::{Damage, Finding, Report, Whom};

/// The text, ending in a line feed.
pub fn text(answer: &Answer) -> String {
    match answer {
        Answer::Messages { messages } if messages.is_empty() => "no messages\n".to_owned(),
        Answer::Messages { messages } => messages.iter().map(message).collect(),
        Answer::Message { message: row, recipients } => {
            message(row) + &recipients.iter().map(recipient).collect::<String>()
        }
        Answer::Unlocked { links } => format!("{} can be tried again\n", many(*links, "link")),
        Answer::Recalled { recipients, whole, complete } => {
            let rest = if *whole { "nobody else had it" } else { "the others keep it" };
            format!("taken back from {}; {rest}\n{}", many(*recipients, "recipient"), unless(*complete))
        }
        Answer::Gone { why, since, complete } => {
            format!("this message is gone: {why} since {since}\n{}", unless(*complete))
        }
        Answer::Erased { messages, recipients, contacts, complete } => {
            let [m, r, c] = [many(*messages, "message"), many(*recipients, "recipient"), many(*contacts, "contact")];
            let counts = format!("{m}, {r} of messages, {c} erased\n");
            // Who did not wait for the end did not hear the counts either.
            let heard = *complete || messages + recipients + contacts > 0;
            if heard { counts + unless(*complete) } else { unless(false).to_owned() }
        }
        Answer::NewCode { mailbox, strict: false } => {
            format!("a new code is on its way to {mailbox}; the old one no longer works\n")
        }
        Answer::NewCode { mailbox, strict: true } => format!(
            "a new code is on its way to {mailbox}, for strict messages from now on and all others\nit cannot open strict messages \
             sent before: those open with the earlier code only, and nobody can change that. If somebody else knows the earlier code, or \
             it is lost, take those messages back and send them again\n"
        ),
        Answer::Contacts { contacts, note } => {
            let rows: String = contacts.iter().map(contact).collect();
            let note = note.as_ref().map(|note| format!("{note}\n")).unwrap_or_default();
            if rows.is_empty() && note.is_empty() { "no contacts\n".to_owned() } else { rows + &note }
        }
        Answer::Queue { jobs, held } => {
            let held = held.iter().map(|held| format!("held {held}; `zegel queue release` lets it go\n"));
            let jobs = if jobs.is_empty() { "nothing to send\n".to_owned() } else { jobs.iter().map(job).collect() };
            held.collect::<String>() + &jobs
        }
        Answer::QueueIs { held, changed } => {
            let now = if *held { "held: nothing is sent until `zegel queue release`" } else { "not held" };
            let was = if *changed { "" } else { ", as it was" };
            format!("the queue is {now}{was}\n")
        }
        Answer::Work { running, done } => work(running.as_deref(), done.as_ref()),
        Answer::SmsTested { number, result, provider, detail } => sms_tested(number, result, provider, detail),
        // Their commands write their own text.
        Answer::Keys { .. } | Answer::Health { .. } | Answer::Metrics { .. } => String::new(),
        Answer::Refused { text } => format!("{text}\n"),
    }
}

/// A number of things, by the word for one of them.
pub fn many<N: Display + PartialEq + From<u8> + Copy>(number: N, one: &str) -> String {
    let ending = if number == N::from(1) { "" } else { "s" };
    format!("{number} {one}{ending}")
}

fn sms_tested(number: &str, result: &str, provider: &str, detail: &str) -> String {
    let by = if provider.is_empty() { String::new() } else { format!(" by {provider}") };
    let detail = match (result, detail) {
        (_, "") => String::new(),
        ("taken", id) => format!(", which calls it {id}"),
        (_, why) => format!(": {why}"),
    };
    let was = match result {
        "taken" => "was taken",
        "refused" => "was refused",
        "unsure" => "may have been taken",
        _ => "was not taken",
    };
    format!("the SMS to {number} {was}{by}{detail}\n")
}

/// What is said of a removal that is not complete.
fn unless(complete: bool) -> &'static str {
    if complete { "" } else { "not everything is removed yet; it is finished in the background: ask again later\n" }
}

fn work(running: Option<&str>, done: Option<&Outcome>) -> String {
    let running = running.map(|line| format!("{line}\n")).unwrap_or_default();
    running + &done.map(outcome).unwrap_or_default()
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Checked { report } => checked(report),
        Outcome::Rebuilt => "the index is made anew\n".to_owned(),
        Outcome::Compacted { segments, moved, freed } => {
            format!(
                "gone: {} of the journal; {moved} bytes moved, {freed} bytes free again\n",
                many(*segments, "segment")
            )
        }
        Outcome::BackedUp(row) => backed_up(row),
        Outcome::Failed { text } => format!("{text}\n"),
    }
}

fn backed_up(row: &BackupRow) -> String {
    let mut text = String::new();
    for place in &row.unreadable {
        let copy =
            if row.kept.contains(place) { "this backup has it whole, from an earlier run" } else { "no copy is whole" };
        let _ = writeln!(text, "damaged in the store: {place} ({copy})");
    }
    for found in &row.messages {
        text += &whom(found);
    }
    for path in &row.mended {
        let _ = writeln!(text, "made anew: {path}");
    }
    let (files, copied) = (many(row.files, "file"), many(row.copied, "file"));
    let _ = writeln!(
        text,
        "{} holds {files}, up to commit {}; copied {copied} of {} bytes, removed {}",
        row.folder, row.sequence, row.copied_bytes, row.removed
    );
    if !row.unreadable.is_empty() {
        text += "the store has damage: `zegel store check` tells more; a restore of this backup has what a copy has whole\n";
    }
    text
}

fn checked(report: &Report) -> String {
    let mut text: String = report.findings.iter().map(finding).collect();
    let told: u64 = report.counts.values().sum();
    if told > report.findings.len() as u64 {
        let _ = writeln!(text, "and {} more", told - report.findings.len() as u64);
    }
    let _ = writeln!(
        text,
        "{}: {} frames ({} bytes), {} records, {} bodies ({} bytes)",
        report.at, report.frames, report.journal_bytes, report.records, report.bodies, report.body_bytes
    );
    if report.compared > 0 {
        let _ = writeln!(
            text,
            "{} bodies have their checksum (of strict mail and of answers, which only their readers open)",
            report.compared
        );
    }
    if report.sealed_off > 0 {
        let _ = writeln!(
            text,
            "{} more are of an older release, without one: their lengths were compared",
            report.sealed_off
        );
    }
    for (damage, count) in &report.counts {
        let _ = writeln!(text, "{}: {count}", named(*damage));
    }
    let verdict = match report {
        report if !report.complete => "stopped before its end".to_owned(),
        report if !report.is_sound() => {
            let mendable: u64 =
                report.counts.iter().filter(|(damage, _)| damage.is_mendable()).map(|(_, count)| count).sum();
            match (report.repair, mendable) {
                (true, _) => format!("damaged; {} repaired", report.mended),
                // What comes back with them needs no mending.
                (false, _) if report.counts.contains_key(&Damage::Lost) => {
                    "damaged; put back first what is missing of the journal".to_owned()
                }
                (false, 0) => "damaged".to_owned(),
                (false, _) => format!("damaged; `zegel store repair` makes {mendable} of it good"),
            }
        }
        report if report.mended > 0 => format!("sound; {} repaired", report.mended),
        _ => "sound".to_owned(),
    };
    text + &verdict + "\n"
}

const fn named(damage: Damage) -> &'static str {
    match damage {
        Damage::Lost => "missing parts of the journal",
        Damage::Frame => "damaged places in the journal",
        Damage::Record => "damaged records",
        Damage::Missing => "missing records",
        Damage::Body => "damaged bodies",
        Damage::Orphan => "records or bodies that nothing leads to",
        Damage::Dangling => "entries of lists that lead nowhere",
        Damage::Unlisted => "missing entries of lists",
        Damage::Ledger => "an erasure ledger that is not whole",
    }
}

fn finding(finding: &Finding) -> String {
    let mended = if finding.mended { "  (repaired)" } else { "" };
    let mut text = format!("{}  {}{mended}\n", finding.place, finding.why);
    if let Some(found) = &finding.whom {
        text += &whom(found);
    }
    text
}

fn whom(whom: &Whom) -> String {
    let unknown = || "unknown".to_owned();
    let sender = whom.sender.clone().unwrap_or_else(unknown);
    let received = whom.received.clone().unwrap_or_else(unknown);
    let to = if whom.recipients.is_empty() { unknown() } else { whom.recipients.join(", ") };
    let mut text = format!("  message {}  from {sender}  to {to}  received {received}\n", whom.message);
    if !whom.references.is_empty() {
        let _ = writeln!(text, "  reference {}", whom.references.join(", "));
    }
    text
}

fn message(row: &MessageRow) -> String {
    format!(
        "{}  received {}  until {}  from {}  {}  {}  ({})\n",
        row.id,
        row.received,
        row.expires,
        row.sender,
        many(row.bytes, "byte"),
        many(row.recipients, "recipient"),
        row.reason
    )
}

fn recipient(row: &RecipientRow) -> String {
    let mut line = format!("  {}  {}", row.address, row.status);
    if let Some(since) = &row.since {
        let _ = write!(line, " {since}");
    }
    if row.mode == "strict" {
        line.push_str("  strict");
        if let Some(needed) = row.needs_generation.filter(|needed| Some(*needed) != row.code_generation) {
            let _ = write!(line, ", opens with the earlier code (number {needed}) only");
        }
    }
    if row.wrong > 0 {
        let _ = write!(line, "  {}", many(row.wrong, "wrong code"));
    }
    if row.closed {
        line.push_str("  closed until `zegel message unlock`");
    }
    line + "\n"
}

fn contact(row: &ContactRow) -> String {
    let mut line = format!("{}  {}", row.address, row.proof);
    let whose = if row.sender.is_empty() { "all senders" } else { &row.sender };
    for (label, value) in [
        ("to", row.number.as_deref().unwrap_or_default()),
        ("for", whose),
        ("name", &row.name),
        ("language", &row.language),
        ("hint", &row.hint),
    ] {
        if !value.is_empty() {
            let _ = write!(line, "  {label} {value}");
        }
    }
    line + "\n"
}

fn job(row: &JobRow) -> String {
    let mut line = format!("{}  {}  due {}  {}", row.id, row.kind, row.due, many(row.attempts, "attempt"));
    if !row.last.is_empty() {
        let _ = write!(line, "  last: {}", row.last);
    }
    line + "\n"
}
