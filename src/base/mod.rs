//! What everything stands on: time, randomness, identifiers and secret bytes.

pub mod alarm;
pub mod clock;
pub mod entropy;
pub mod ids;
pub mod pulse;
pub mod secret;
pub mod tally;

pub use alarm::Alarm;
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use entropy::{Entropy, OsEntropy, SeededEntropy};
pub use ids::{ChallengeId, ContactId, ConversationId, GrantId, JobId, MessageId};
pub use pulse::{Beat, Pulse};
pub use secret::SecretBytes;
pub use tally::Tally;
