//! The whole gateway on this machine with nothing to configure, and a mailbox page that shows what came out.

pub mod mailbox;

/// Why the demo ended.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DemoError(String);

/// Serves the demo until stopped.
pub async fn run() -> Result<(), DemoError> {
    todo!()
}

/// Makes the round trip without a person.
pub async fn check() -> Result<(), DemoError> {
    todo!()
}
