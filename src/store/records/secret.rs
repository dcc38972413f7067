//! What a job needs in clear. It stands apart from the job, under a key of its own, and is erased with it.

use minicbor::{Decode, Encode};

use super::Job;
use crate::base::JobId;

/// What a job needs in clear until it is delivered. Debug shows nothing.
#[derive(Clone, Default, PartialEq, Eq, Encode, Decode, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct JobSecret {
    /// The link token of a notice.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub token: Option<Vec<u8>>,
    /// The code of a code mail.
    #[n(1)]
    pub code: Option<String>,
    /// The telephone number of an SMS (E.164).
    #[n(2)]
    pub number: Option<String>,
    /// The content key of an answer.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub key: Option<Vec<u8>>,
}

impl JobSecret {
    /// Of a notice.
    #[must_use]
    pub const fn token(token: Vec<u8>) -> Self {
        Self { token: Some(token), code: None, number: None, key: None }
    }

    /// Of a code mail.
    #[must_use]
    pub const fn code(code: String) -> Self {
        Self { token: None, code: Some(code), number: None, key: None }
    }

    /// Of an SMS.
    #[must_use]
    pub const fn number(number: String) -> Self {
        Self { token: None, code: None, number: Some(number), key: None }
    }

    /// Of a mail about an answer.
    #[must_use]
    pub const fn key(key: Vec<u8>) -> Self {
        Self { token: None, code: None, number: None, key: Some(key) }
    }
}

impl std::fmt::Debug for JobSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JobSecret(…)")
    }
}

/// A job that is ours to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedJob {
    /// Its id.
    pub id: JobId,
    /// What to do.
    pub job: Job,
    /// What it needs in clear.
    pub secret: Option<JobSecret>,
}
