//! Check: is everything there that was taken, and does it open? Every frame of the journal, every record and every body is read,
//! and each record's references are followed. Repair: what can be mended without guessing is; nothing is thrown away.
//!
//! A store that serves changes while it is checked, so what looks wrong is looked at twice: an operation writes all its records
//! in one commit, and whatever it was in the middle of is over by then.
//!
//! | file | owns |
//! |---|---|
//! | records | what must hold for each kind of record |
//! | answers | the same for answers and their files |
//! | bodies | that bodies open, and belong to a message |
//! | whom | whose message is damaged |
//! | mend | what repair does |

mod answers;
mod bodies;
mod mend;
mod records;
mod whom;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::{MessageId, Timestamp};

use super::engine::{Frames, Key, Loss, Space};
use super::progress::Progress;
use super::{Store, StoreError, places};
use records::Mend;

/// Keys read at a time.
const PAGE: usize = 256;
/// Most findings that a report lists; the rest is only counted.
const MOST: usize = 1000;
/// Most that are kept for later.
const MOST_KEPT: usize = 100;

/// Of a file of the journal that was removed or replaced under the daemon.
const DISPLACED: &str = "the file was removed or replaced while it is open: make a backup before the daemon stops, then nothing of it is lost";

/// Of a file of the journal that is not there.
const MISSING: &str =
    "the file is missing: put it back with the daemon stopped, or give it up with `zegel store repair`";
/// Of one that ends too early.
const ENDED: &str = "what was acknowledged is gone from here to the file's end: see the manual, or give it up with `zegel store repair`";

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Damage {
    /// A file of the journal, or the end of one, is not there. Repair gives it up.
    Lost,
    /// Bytes of the journal that have not their checksum.
    Frame,
    /// A record that has not its checksum, or does not open.
    Record,
    /// A record that another one needs is not there.
    Missing,
    /// A body that is not there, or does not open as a whole.
    Body,
    /// A record or body that nothing leads to. Repair moves it to quarantine.
    Orphan,
    /// An entry of a list that leads nowhere. Repair drops it.
    Dangling,
    /// A record that is not on the list it belongs on. Repair puts it there.
    Unlisted,
    /// Entries of the erasure ledger are gone. Repair takes it as it is when that is asked for by name.
    Ledger,
}

impl Damage {
    /// Whether repair makes it good. To give up what is lost is no such thing.
    #[must_use]
    pub const fn is_mendable(self) -> bool {
        matches!(self, Self::Orphan | Self::Dangling | Self::Unlisted)
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub damage: Damage,
    /// Where: a space and key, `body ID`, or `journal SEGMENT:OFFSET`. Names no person.
    pub place: String,
    /// Why, in a few words.
    pub why: String,
    /// Whose message it is, as far as that can still be told.
    pub whom: Option<Whom>,
    /// Whether repair made it good.
    pub mended: bool,
}

/// A message without its content: enough to ask its sender for it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whom {
    /// Its id.
    pub message: String,
    /// Sender.
    pub sender: Option<String>,
    /// Recipients.
    pub recipients: Vec<String>,
    /// When we took it.
    pub received: Option<String>,
    /// References in its notices.
    pub references: Vec<String>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When it ended.
    pub at: String,
    /// Whether it was asked to repair.
    pub repair: bool,
    /// Whether it came to its end.
    pub complete: bool,
    /// Frames of the journal that were read.
    pub frames: u64,
    /// Their bytes.
    pub journal_bytes: u64,
    /// Records that were read.
    pub records: u64,
    /// Bodies that were opened, each chunk.
    pub bodies: u64,
    /// Their sealed bytes.
    pub body_bytes: u64,
    /// Bodies that only their readers can open, and files of answers: their bytes were compared with their checksum.
    #[serde(default)]
    pub compared: u64,
    /// Those of them that have none (mail of release 0.1.0): their lengths were checked.
    pub sealed_off: u64,
    /// How much of what is wrong.
    pub counts: BTreeMap<Damage, u64>,
    /// How much of it repair made good.
    pub mended: u64,
    /// What is wrong, at most 1000.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing is wrong now.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.complete && self.counts.values().sum::<u64>() == self.mended
    }

    /// Adds a finding.
    pub(super) fn add(&mut self, finding: Finding) {
        *self.counts.entry(finding.damage).or_default() += 1;
        self.mended += u64::from(finding.mended);
        if self.findings.len() < MOST {
            self.findings.push(finding);
        }
    }
}

impl Store {
    /// Reads everything; with `repair`, mends what can be.
    ///
    /// # Errors
    /// When the store cannot be read at all. What is damaged is no error but in the report.
    pub async fn check(&self, repair: bool, progress: Arc<Progress>) -> Result<Report, StoreError> {
        let mut check =
            Check { store: self.clone(), progress, repair, report: Report::new(repair), told: BTreeSet::new() };
        check.frames().await?;
        for space in SPACES {
            check.space(space).await?;
        }
        check.body_files().await?;
        let Check { mut report, progress, .. } = check;
        report.complete = !progress.is_stopped();
        report.at = self.inner.clock.now().to_string();
        Ok(report)
    }

    /// Throws the index away and makes it anew from the journal. Nothing else is answered meanwhile.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn rebuild(&self) -> Result<(), StoreError> {
        self.inner.engine.rebuild_index().await
    }
}

/// Every space that there is, in the order in which they are checked: messages first, so that what is lost is said of them.
pub(super) const SPACES: [Space; 43] = [
    Space::Message,
    Space::Meta,
    Space::Manifest,
    Space::Body,
    Space::Conversation,
    Space::Lock,
    Space::ContentKey,
    Space::Contact,
    Space::Verifier,
    Space::ContactIndex,
    Space::Grant,
    Space::GrantIndex,
    Space::GrantTries,
    Space::ContactTries,
    Space::Session,
    Space::Job,
    Space::JobSecret,
    Space::JobDue,
    Space::Prepared,
    Space::Repeat,
    Space::ByAddress,
    Space::Expiry,
    Space::Delivery,
    Space::ContactKey,
    Space::Epoch,
    Space::Purge,
    Space::Stub,
    Space::StubEnd,
    Space::Erasure,
    Space::KeyWork,
    Space::Recovery,
    Space::Dispatch,
    Space::Phone,
    Space::Challenge,
    Space::Sent,
    Space::Reference,
    Space::AwaitedDue,
    Space::Answer,
    Space::Piece,
    Space::AnswerEnd,
    Space::AnswerAddress,
    Space::Thread,
    Space::ByContact,
];

impl Report {
    fn new(repair: bool) -> Self {
        Self {
            at: String::new(),
            repair,
            complete: false,
            frames: 0,
            journal_bytes: 0,
            records: 0,
            bodies: 0,
            body_bytes: 0,
            compared: 0,
            sealed_off: 0,
            counts: BTreeMap::new(),
            mended: 0,
            findings: Vec::new(),
        }
    }
}

/// One check under way.
struct Check {
    store: Store,
    progress: Arc<Progress>,
    repair: bool,
    report: Report,
    /// Places that were told already: a record that two others miss is missing once.
    told: BTreeSet<String>,
}

/// Something that is wrong, before it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    damage: Damage,
    place: String,
    why: String,
    message: Option<MessageId>,
    mend: Option<Mend>,
}

impl Check {
    async fn frames(&mut self) -> Result<(), StoreError> {
        let Frames { frames, bytes, damaged, displaced, lost } = self.store.inner.engine.audit(&self.progress).await?;
        (self.report.frames, self.report.journal_bytes) = (frames, bytes);
        let damaged = damaged
            .into_iter()
            .map(|place| (place, "bytes without their checksum; what they held is listed by record"));
        let displaced = displaced.into_iter().map(|file| (file, DISPLACED));
        for (place, why) in damaged.chain(displaced) {
            let (place, why) = (format!("journal {place}"), why.to_owned());
            self.tell(Fault { damage: Damage::Frame, place, why, message: None, mend: None }).await?;
        }
        for loss in lost {
            let (place, why) = (format!("journal {loss}"), if let Loss::Tail(..) = loss { ENDED } else { MISSING });
            let mend = Some(Mend::GiveUp(loss));
            self.tell(Fault { damage: Damage::Lost, place, why: why.to_owned(), message: None, mend }).await?;
        }
        Ok(())
    }

    async fn space(&mut self, space: Space) -> Result<(), StoreError> {
        self.progress.begin(records::name(space), 0);
        let mut from = Vec::new();
        loop {
            let keys = self.store.inner.engine.keys(space, &from, None, PAGE).await?;
            let Some(last) = keys.last() else { return Ok(()) };
            from = [last.as_slice(), &[0]].concat();
            for bytes in keys {
                if self.progress.is_stopped() {
                    return Ok(());
                }
                self.record(&Key { space, bytes }).await?;
                self.progress.advance();
            }
            tokio::time::sleep(self.progress.rest(PAGE as u64 * 1024)).await;
        }
    }

    /// One record, twice when something seems wrong.
    async fn record(&mut self, key: &Key) -> Result<(), StoreError> {
        self.report.records += 1;
        let mut faults = self.store.faults(key).await?;
        if !faults.is_empty() {
            tokio::task::yield_now().await;
            let again = self.store.faults(key).await?;
            faults.retain(|fault| again.contains(fault));
        }
        if key.space == Space::Message && faults.iter().all(|fault| fault.damage != Damage::Body) {
            faults.extend(self.body_of(key).await?);
        }
        if key.space == Space::Piece && faults.is_empty() {
            faults.extend(self.file_of(key).await?);
        }
        for fault in faults {
            self.tell(fault).await?;
        }
        Ok(())
    }

    /// Notes a fault, and mends it where that was asked for.
    async fn tell(&mut self, fault: Fault) -> Result<(), StoreError> {
        if !self.told.insert(fault.place.clone()) {
            return Ok(());
        }
        let mended = match &fault.mend {
            Some(mend) if self.repair => self.store.mend(mend).await?,
            _ => false,
        };
        let whom = match fault.message {
            Some(id) if self.report.findings.len() < MOST => Some(self.store.whom(id).await?),
            _ => None,
        };
        let Fault { damage, place, why, .. } = fault;
        self.report.add(Finding { damage, place, why, whom, mended });
        Ok(())
    }
}

/// The time as a report shows it.
fn shown(time: Timestamp) -> String {
    time.to_string()
}

/// The last check, as stored.
#[derive(minicbor::Encode, minicbor::Decode)]
struct Kept {
    #[n(0)]
    at: Timestamp,
    /// The report as JSON: it names people, so it stands here and not in the log.
    #[n(1)]
    report: String,
}

impl Store {
    /// Keeps a report for [`last_check`](Self::last_check).
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn keep_report(&self, report: &Report) -> Result<(), StoreError> {
        let mut report = report.clone();
        report.findings.truncate(MOST_KEPT);
        let text = serde_json::to_string(&report).unwrap_or_default();
        let mut draft = self.inner.draft();
        draft.put(places::checked(), &Kept { at: self.inner.clock.now(), report: text })?;
        draft.commit().await.map(|_| ())
    }

    /// When the store was last checked to the end, and what was found.
    ///
    /// # Errors
    /// When the store cannot be read, or that record is damaged.
    pub async fn last_check(&self) -> Result<Option<(Timestamp, Report)>, StoreError> {
        let Some(found) = self.inner.read::<Kept>(&places::checked()).await? else { return Ok(None) };
        Ok(serde_json::from_str(&found.record.report).ok().map(|report| (found.record.at, report)))
    }
}
