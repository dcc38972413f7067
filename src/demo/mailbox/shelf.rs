//! The mails that came out, newest last, in memory only; and each mail as a person wants to see it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::mail::header::HeaderBlock;
use crate::mail::mime::{self, Indexer, LeafDecoder, Limits, MimeIndex};

/// Mails kept; older ones go.
const MAX_MAILS: usize = 200;
/// Bytes kept in all; older mails go.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// One mail as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Counts the mails from 1.
    pub number: u64,
    /// The envelope sender, empty for the null path.
    pub from: String,
    /// The envelope recipients.
    pub to: Vec<String>,
    /// The bytes, without dot-stuffing and final dot.
    pub raw: Vec<u8>,
}

/// A mail as the page shows it, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// The subject.
    pub subject: String,
    /// The From name, or its address.
    pub from: String,
    /// `Date`, as written.
    pub date: String,
    /// The text part.
    pub text: Option<String>,
    /// The HTML part.
    pub html: Option<String>,
}

impl Mail {
    /// A mail without number yet.
    #[must_use]
    pub const fn new(from: String, to: Vec<String>, raw: Vec<u8>) -> Self {
        Self { number: 0, from, to, raw }
    }

    /// An SMS as the page shows it.
    #[must_use]
    pub(super) fn sms(number: &str, text: &str) -> Self {
        let head = "From: SMS <sms@telefoon.example>\r\nSubject: SMS\r\nContent-Type: text/plain; charset=utf-8\r\n\
                    Content-Transfer-Encoding: 8bit\r\n\r\n";
        let raw = format!("{head}{}\r\n", text.replace('\n', "\r\n")).into_bytes();
        Self::new("sms@telefoon.example".to_owned(), vec![number.to_owned()], raw)
    }

    /// Decodes what the page shows.
    #[must_use]
    pub fn view(&self) -> View {
        let facts = HeaderBlock::new(self.header()).facts(&[]);
        let mut indexer = Indexer::new(Limits::default());
        indexer.push(&self.raw);
        let index = indexer.finish();
        let shown = index.shown();
        let first = |leaves: &[u32], kind: &str| {
            let fits = |number: &u32| {
                let part = usize::try_from(*number).ok().and_then(|number| index.parts.get(number));
                part.is_some_and(|part| part.content_type == kind)
            };
            leaves.iter().copied().find(fits)
        };
        let (text, html) = (first(&shown.plain, "text/plain"), first(&shown.rich, "text/html"));
        let from = facts.from.first().map_or_else(String::new, |(name, address)| {
            if name.is_empty() { address.to_string() } else { name.clone() }
        });
        View {
            subject: facts.subject,
            from,
            date: facts.date.unwrap_or_default(),
            text: text.and_then(|part| self.leaf(&index, part)),
            html: html.and_then(|part| self.leaf(&index, part)),
        }
    }

    /// The header block without the empty line.
    fn header(&self) -> &[u8] {
        let end = self.raw.windows(4).position(|four| four == b"\r\n\r\n").map_or(self.raw.len(), |at| at + 2);
        self.raw.get(..end).unwrap_or_default()
    }

    fn leaf(&self, index: &MimeIndex, part: u32) -> Option<String> {
        let part = index.parts.get(usize::try_from(part).ok()?)?;
        let body = self.raw.get(usize::try_from(part.body).ok()?..usize::try_from(part.end).ok()?)?;
        let mut decoder = LeafDecoder::new(&part.encoding);
        let mut bytes = Vec::new();
        decoder.push(body, &mut bytes);
        decoder.finish(&mut bytes);
        Some(mime::to_text(&part.charset, &bytes))
    }
}

/// All mails.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    inner: Mutex<Inner>,
    arrived: tokio::sync::Notify,
}

#[derive(Debug, Default)]
struct Inner {
    mails: VecDeque<Arc<Mail>>,
    bytes: usize,
    count: u64,
}

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn put(&self, mut mail: Mail) {
        let mut inner = self.lock();
        inner.count += 1;
        mail.number = inner.count;
        inner.bytes += mail.raw.len();
        inner.mails.push_back(Arc::new(mail));
        while inner.mails.len() > MAX_MAILS || (inner.bytes > MAX_BYTES && inner.mails.len() > 1) {
            let Some(oldest) = inner.mails.pop_front() else { break };
            inner.bytes -= oldest.raw.len();
        }
        drop(inner);
        self.arrived.notify_waiters();
    }

    /// The first mail that `wanted` accepts, as soon as it is here.
    pub async fn wait_for(&self, wanted: impl Fn(&Mail) -> bool) -> Arc<Mail> {
        loop {
            let arrived = self.arrived.notified();
            if let Some(mail) = self.mails().into_iter().find(|mail| wanted(mail)) {
                return mail;
            }
            arrived.await;
        }
    }

    pub fn mails(&self) -> Vec<Arc<Mail>> {
        self.lock().mails.iter().cloned().collect()
    }

    pub fn mail(&self, number: u64) -> Option<Arc<Mail>> {
        self.lock().mails.iter().find(|mail| mail.number == number).cloned()
    }

    /// Each address that mail came for, with the number of its mails.
    pub fn mailboxes(&self) -> BTreeMap<String, usize> {
        let mut boxes = BTreeMap::new();
        for address in self.lock().mails.iter().flat_map(|mail| &mail.to) {
            *boxes.entry(address.to_lowercase()).or_default() += 1;
        }
        boxes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_numbers_stay() {
        let shelf = Shelf::default();
        for _ in 0..MAX_MAILS + 3 {
            shelf.put(Mail::new(String::new(), vec!["A@b.example".to_owned()], b"x".to_vec()));
        }
        let mails = shelf.mails();
        assert_eq!(mails.len(), MAX_MAILS);
        assert_eq!(mails[0].number, 4);
        assert!(shelf.mail(3).is_none() && shelf.mail(203).is_some());
        assert_eq!(shelf.mailboxes(), BTreeMap::from([("a@b.example".to_owned(), MAX_MAILS)]));
    }

    #[test]
    fn an_sms_stands_beside_the_mails() {
        let view = Mail::sms("+31612345678", "Zorg: uw code is 042117.\n\n@veilig.voorbeeld.nl #042117").view();
        assert_eq!((view.subject.as_str(), view.from.as_str()), ("SMS", "SMS"));
        let text = view.text.unwrap();
        assert!(text.starts_with("Zorg: uw code") && text.contains("\n@veilig.voorbeeld.nl #042117"), "{text}");
    }

    #[test]
    fn two_mails_that_are_too_large_together_leave_the_newer() {
        let shelf = Shelf::default();
        for _ in 0..5 {
            shelf.put(Mail::new(String::new(), Vec::new(), vec![0; MAX_BYTES / 3]));
        }
        assert_eq!(shelf.mails().iter().map(|mail| mail.number).collect::<Vec<_>>(), [3, 4, 5]);
    }
}
