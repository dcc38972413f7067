//! Answers as text for a terminal.

use std::fmt::Write as _;

use crate::daemon::operate::{Answer, JobRow, MessageRow, RecipientRow};

/// The text, ending in a line feed.
pub fn text(answer: &Answer) -> String {
    match answer {
        Answer::Messages { messages } if messages.is_empty() => "no messages\n".to_owned(),
        Answer::Messages { messages } => messages.iter().map(message).collect(),
        Answer::Message { message: row, recipients } => {
            message(row) + &recipients.iter().map(recipient).collect::<String>()
        }
        Answer::Unlocked { links } => format!("{links} links can be tried again\n"),
        Answer::Recalled { recipients, whole, complete } => {
            let rest = if *whole { "nobody else had it" } else { "the others keep it" };
            format!("taken back from {recipients} recipients; {rest}\n{}", unless(*complete))
        }
        Answer::Gone { why, since, complete } => {
            format!("this message is gone: {why} since {since}\n{}", unless(*complete))
        }
        Answer::Erased { messages, recipients, contacts, complete } => {
            let counts =
                format!("{messages} messages, {recipients} recipients of messages, {contacts} contacts erased\n");
            counts + unless(*complete)
        }
        Answer::NewCode { mailbox } => format!("a new code is on its way to {mailbox}; the old one no longer works\n"),
        Answer::Queue { jobs } if jobs.is_empty() => "nothing to send\n".to_owned(),
        Answer::Queue { jobs } => jobs.iter().map(job).collect(),
        // The commands about keys write their own text.
        Answer::Keys { .. } => String::new(),
        Answer::Refused { text } => format!("{text}\n"),
    }
}

/// What is said of a removal that is not complete.
fn unless(complete: bool) -> &'static str {
    if complete { "" } else { "not everything is removed yet; it is finished in the background: ask again later\n" }
}

fn message(row: &MessageRow) -> String {
    format!(
        "{}  received {}  until {}  from {}  {} bytes  {} recipients  ({})\n",
        row.id, row.received, row.expires, row.sender, row.bytes, row.recipients, row.reason
    )
}

fn recipient(row: &RecipientRow) -> String {
    let mut line = format!("  {}  {}", row.address, row.status);
    if let Some(since) = &row.since {
        let _ = write!(line, " {since}");
    }
    if row.wrong > 0 {
        let _ = write!(line, "  {} wrong codes", row.wrong);
    }
    if row.closed {
        line.push_str("  closed until `zegel message unlock`");
    }
    line + "\n"
}

fn job(row: &JobRow) -> String {
    let mut line = format!("{}  {}  due {}  {} attempts", row.id, row.kind, row.due, row.attempts);
    if !row.last.is_empty() {
        let _ = write!(line, "  last: {}", row.last);
    }
    line + "\n"
}
