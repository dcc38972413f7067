//! Is the gateway well: what is wrong, in words for machines, and how bad that is. Pure.

use serde::{Deserialize, Serialize};

use crate::store::Trouble;

/// Something that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The data folder is being opened and recovered.
    Starting,
    /// The store cannot go on: the daemon stops.
    StoreFailed,
    /// The store was closed, for a stop.
    StoreClosed,
    /// Commits get no answer from the disk.
    StoreStalled,
    /// The index is made again: mail is answered 421, the page 503.
    IndexRebuilding,
    /// A segment of the journal failed and is replaced: no confidential mail meanwhile.
    SegmentFailed,
    /// A folder of bodies failed to sync: no large confidential mail until the next start.
    BodiesFailed,
    /// Less than `store.min_free` is free: no confidential mail.
    DiskFull,
    /// Connections of mail servers cannot be accepted.
    NotAccepting,
    /// The next hop of the own mailboxes does not answer.
    HomeUnreachable,
    /// Another next hop does not answer.
    NextHopUnreachable,
    /// Nothing of ours is sent until an operator says so.
    QueueHeld,
    /// The start found damage in the journal, or could not overwrite what was erased.
    JournalDamaged,
    /// The last whole check of the store found damage.
    StoreDamaged,
    /// Entries of the erasure ledger are damaged or gone: what they name would come back with a backup.
    LedgerDamaged,
    /// A certificate ends within a week, or has ended.
    CertificateEnds,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Starting,
        Self::StoreFailed,
        Self::StoreClosed,
        Self::StoreStalled,
        Self::IndexRebuilding,
        Self::SegmentFailed,
        Self::BodiesFailed,
        Self::DiskFull,
        Self::NotAccepting,
        Self::HomeUnreachable,
        Self::NextHopUnreachable,
        Self::QueueHeld,
        Self::JournalDamaged,
        Self::StoreDamaged,
        Self::LedgerDamaged,
        Self::CertificateEnds,
    ];

    /// As in JSON and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::StoreFailed => "store-failed",
            Self::StoreClosed => "store-closed",
            Self::StoreStalled => "store-stalled",
            Self::IndexRebuilding => "index-rebuilding",
            Self::SegmentFailed => "segment-failed",
            Self::BodiesFailed => "bodies-failed",
            Self::DiskFull => "disk-full",
            Self::NotAccepting => "not-accepting",
            Self::HomeUnreachable => "home-unreachable",
            Self::NextHopUnreachable => "next-hop-unreachable",
            Self::QueueHeld => "queue-held",
            Self::JournalDamaged => "journal-damaged",
            Self::StoreDamaged => "store-damaged",
            Self::LedgerDamaged => "ledger-damaged",
            Self::CertificateEnds => "certificate-ends",
        }
    }

    /// Whether the gateway does not do all of its work because of it. The others are for a person to look at: mail is taken, or its client
    /// keeps it and tries again, whichever machine it asks.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        !matches!(
            self,
            Self::HomeUnreachable
                | Self::NextHopUnreachable
                | Self::QueueHeld
                | Self::JournalDamaged
                | Self::StoreDamaged
                | Self::LedgerDamaged
                | Self::CertificateEnds
        )
    }
}

impl From<Trouble> for Reason {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Failed => Self::StoreFailed,
            Trouble::Closed => Self::StoreClosed,
            Trouble::Rebuilding => Self::IndexRebuilding,
            Trouble::Segment => Self::SegmentFailed,
            Trouble::Bodies => Self::BodiesFailed,
            Trouble::Full => Self::DiskFull,
        }
    }
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Nothing is wrong.
    Ok,
    /// It works, and somebody should look.
    Degraded,
    /// It does not do all of its work now.
    Failing,
}

/// How it is, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The worst of it.
    pub status: Status,
    /// Everything that is wrong, worst first.
    pub reasons: Vec<Reason>,
}

impl Health {
    /// From what is wrong.
    #[must_use]
    pub fn of(mut reasons: Vec<Reason>) -> Self {
        reasons.sort_unstable();
        reasons.dedup();
        let status = match reasons.first() {
            None => Status::Ok,
            Some(_) if reasons.iter().any(|reason| reason.is_failure()) => Status::Failing,
            Some(_) => Status::Degraded,
        };
        Self { status, reasons }
    }

    /// Whether all work is done: the answer is 200.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status != Status::Failing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_decides_and_words_are_those_of_json() {
        let cases = [
            (vec![], Status::Ok, true),
            (vec![Reason::HomeUnreachable, Reason::QueueHeld], Status::Degraded, true),
            (vec![Reason::QueueHeld, Reason::DiskFull, Reason::QueueHeld], Status::Failing, false),
        ];
        for (reasons, status, ready) in cases {
            let health = Health::of(reasons);
            assert_eq!((health.status, health.is_ready()), (status, ready), "{health:?}");
        }
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.word());
        }
        let health = Health::of(vec![Reason::QueueHeld, Reason::DiskFull]);
        let text = serde_json::to_string(&health).unwrap();
        assert_eq!(text, r#"{"status":"failing","reasons":["disk-full","queue-held"]}"#);
    }
}
