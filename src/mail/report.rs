//! Delivery reports (RFC 3464, and RFC 6533 with addresses in UTF-8): what became of a mail of ours, as another server tells it. Pure.
//!
//! Anybody can write one, so nothing of its text goes any further: all that is read is whether the mail failed, and the status code.

use std::fmt;

use super::header::HeaderBlock;
use super::mime::{Indexer, LeafDecoder, Limits};

/// Blocks about recipients that are looked at. Our mails have one recipient each.
const BLOCKS: usize = 20;

/// What a server says that it did with a mail. The worst comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It was delivered, or passed on to where no reports come from.
    Delivered,
    /// It still waits there.
    Delayed,
    /// It was given up, for this reason.
    Failed(Status),
}

/// An enhanced status code (RFC 3463).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Status {
    class: u8,
    subject: u16,
    detail: u16,
}

impl Status {
    /// A failure without a reason.
    pub const UNKNOWN: Self = Self { class: 5, subject: 0, detail: 0 };

    /// Whether another try could have gone better: the server gave up because it took too long.
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        self.class == 4
    }

    /// `5.1.1`, alone or with a comment behind it (RFC 3464 §2.3.4).
    fn read(text: &str) -> Option<Self> {
        let mut numbers = text.split(|c: char| c.is_whitespace() || c == '(').next()?.split('.');
        let mut number = |most: usize| {
            let digits = numbers.next().filter(|text| (1..=most).contains(&text.len()))?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u16>().ok())?
        };
        let (class, subject, detail) = (number(1)?, number(3)?, number(3)?);
        let class = u8::try_from(class).ok().filter(|class| matches!(class, 2 | 4 | 5))?;
        numbers.next().is_none().then_some(Self { class, subject, detail })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// What a mail reports, the worst where it speaks of several recipients; `None` when it is no delivery report. Only the first so many octets of a
/// long one need to be there: what it is about stands before the mail that it brings back.
#[must_use]
pub fn read(mail: &[u8]) -> Option<Fate> {
    let mut indexer = Indexer::new(Limits { depth: 3, parts: 20, header: 8 * 1024 });
    indexer.push(mail);
    let index = indexer.finish();
    let whole = index.parts.first()?;
    if whole.content_type != "multipart/report" {
        return None;
    }
    let is_status = |kind: &str| matches!(kind, "message/delivery-status" | "message/global-delivery-status");
    let part = index.parts.iter().find(|part| part.parent == Some(0) && is_status(&part.content_type))?;
    let wire = mail.get(usize::try_from(part.body).ok()?..usize::try_from(part.end).ok()?)?;
    let (mut decoder, mut text) = (LeafDecoder::new(&part.encoding), Vec::new());
    decoder.push(wire, &mut text);
    decoder.finish(&mut text);
    fate(&text)
}

/// Of a `message/delivery-status`: a block about the mail, then one about each recipient (RFC 3464 §2.1).
fn fate(text: &[u8]) -> Option<Fate> {
    let mut worst = None;
    let (mut block, mut blocks) = (Vec::new(), 0);
    for line in text.split_inclusive(|byte| *byte == b'\n').chain([b"\n".as_slice()]) {
        if !line.iter().all(u8::is_ascii_whitespace) {
            block.extend_from_slice(line);
        } else if !block.is_empty() && blocks < BLOCKS {
            worst = worst.max(of_recipient(&block));
            blocks += 1;
            block.clear();
        }
    }
    worst
}

/// `None` of a block without an action: it is about the whole mail.
fn of_recipient(block: &[u8]) -> Option<Fate> {
    let (mut action, mut status) = (None, None);
    for field in HeaderBlock::new(block).fields() {
        match field.key().as_str() {
            "action" => action = action.or_else(|| Some(field.text().trim().to_ascii_lowercase())),
            "status" => status = status.or_else(|| Status::read(field.text().trim())),
            _ => {}
        }
    }
    match action?.split(|c: char| c.is_whitespace() || c == '(').next()? {
        "failed" => Some(Fate::Failed(status.filter(|status| status.class != 2).unwrap_or(Status::UNKNOWN))),
        "delayed" => Some(Fate::Delayed),
        "delivered" | "relayed" | "expanded" => Some(Fate::Delivered),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(status: &str) -> String {
        format!(
            "From: MAILER-DAEMON@mx.example\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"x\"\r\n\r\n\
             --x\r\nContent-Type: text/plain\r\n\r\nAction: delivered\r\n\r\n\
             --x\r\n{status}\r\n--x\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: y\r\n\r\n--x--\r\n"
        )
    }

    fn status(blocks: &str) -> String {
        report(&format!("Content-Type: message/delivery-status\r\n\r\n{blocks}"))
    }

    fn failed(class: u8, subject: u16, detail: u16) -> Fate {
        Fate::Failed(Status { class, subject, detail })
    }

    #[test]
    fn reports_of_different_servers() {
        let cases = [
            (
                "Reporting-MTA: dns; mx.example\r\nArrival-Date: Sun, 22 Nov 2026 06:00:00 +0000\r\n\r\n\
                 Final-Recipient: rfc822; jan@d.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\
                 Diagnostic-Code: smtp; 550 5.1.1 <jan@d.example>: unknown\r\n",
                Some(failed(5, 1, 1)),
            ),
            (
                "Reporting-MTA: dns;exchange.example\r\n\r\nfinal-recipient: RFC822;jan@d.example\r\naction: FAILED\r\n\
                 status: 5.2.2 (mailbox full)\r\n",
                Some(failed(5, 2, 2)),
            ),
            (
                "Reporting-MTA: dns; a\r\n\r\nFinal-Recipient: rfc822; a@b\r\nAction: failed (gave up)\r\nStatus: 4.4.7\r\n",
                Some(failed(4, 4, 7)),
            ),
            ("Reporting-MTA: dns; a\r\n\r\nFinal-Recipient: rfc822; a@b\r\nAction: failed\r\n", Some(failed(5, 0, 0))),
            ("Reporting-MTA: dns; a\r\n\r\nAction: failed\r\nStatus: 2.0.0\r\n", Some(failed(5, 0, 0))),
            ("Reporting-MTA: dns; a\r\n\r\nAction: failed\r\nStatus: 5.1\r\n", Some(failed(5, 0, 0))),
            ("Reporting-MTA: dns; a\r\n\r\nAction: failed\r\nStatus: 5.1.1.1\r\n", Some(failed(5, 0, 0))),
            ("Reporting-MTA: dns; a\r\n\r\nAction: delayed\r\nStatus: 4.4.1\r\n", Some(Fate::Delayed)),
            ("Reporting-MTA: dns; a\r\n\r\nAction: relayed\r\nStatus: 2.1.9\r\n", Some(Fate::Delivered)),
            (
                "Reporting-MTA: dns; a\r\n\r\nAction: delivered\r\n\r\nAction: failed\r\nStatus: 5.7.1\r\n",
                Some(failed(5, 7, 1)),
            ),
            ("Reporting-MTA: dns; a\n\nAction: failed\nStatus: 5.7.1\n", Some(failed(5, 7, 1))),
            ("Reporting-MTA: dns; a\r\n\r\nAction: eaten\r\nStatus: 5.7.1\r\n", None),
            ("Reporting-MTA: dns; a\r\n", None),
            ("", None),
        ];
        for (blocks, expected) in cases {
            assert_eq!(read(status(blocks).as_bytes()), expected, "{blocks:?}");
        }
    }

    #[test]
    fn other_forms() {
        let base64 = "Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n\
                      QWN0aW9uOiBmYWlsZWQKU3RhdHVzOiA1LjEuMQo=\r\n";
        assert_eq!(read(report(base64).as_bytes()), Some(failed(5, 1, 1)));
        let utf8 = "Content-Type: message/global-delivery-status\r\n\r\nFinal-Recipient: utf-8; j\u{f6}rg@d.example\r\n\
                    Action: failed\r\nStatus: 5.1.1\r\n";
        assert_eq!(read(report(utf8).as_bytes()), Some(failed(5, 1, 1)));
        let cut = status("Reporting-MTA: dns; a\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n");
        let cut = cut.split("--x\r\nContent-Type: text/rfc822").next().unwrap();
        assert_eq!(read(cut.as_bytes()), Some(failed(5, 1, 1)), "what follows is not there");
    }

    #[test]
    fn what_is_no_report() {
        let away = "From: jan@d.example\r\nAuto-Submitted: auto-replied\r\nSubject: away\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n";
        let mixed = status("Action: failed\r\n").replace("multipart/report", "multipart/mixed");
        let nested = report(
            "Content-Type: message/rfc822\r\n\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n",
        );
        for mail in [away, &mixed, &nested, "", "\r\n"] {
            assert_eq!(read(mail.as_bytes()), None, "{mail:?}");
        }
    }

    #[test]
    fn a_status_is_written_as_it_was_read() {
        for text in ["5.1.1", "4.4.7", "5.7.130", "2.0.0"] {
            assert_eq!(Status::read(text).unwrap().to_string(), text);
        }
        for text in ["", "5", "5.1", "3.1.1", "5.1.1000", "5..1", "5.1.x", "55.1.1", "5.1.1.1", "-5.1.1"] {
            assert_eq!(Status::read(text), None, "{text}");
        }
    }
}
