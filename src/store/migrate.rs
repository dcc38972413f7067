//! Schemas: which data folders this release opens, and how an older one is brought up to date.
//!
//! Migrations go forward only. They run after recovery, in order, each as often as needed: one that was cut short is run again
//! from its beginning, so it must end in the same state however far it came before. Two places tell where a folder stands. The
//! file `schema` is in clear and says how new a release must be to open it; it is read before anything is changed, and
//! written before the first migration. The record in `Meta` says what is done; it moves after each.

use std::fs;
use std::io;
use std::path::Path;
use std::pin::Pin;

use super::engine::Claim;
use super::open::{OpenError, write_durably};
use super::{Store, StoreError, places};

/// What this release writes, and the newest that it reads.
pub(super) const SCHEMA: u32 = 1;

/// The file in the data folder. Folders of release 0.1.0 have none.
const FILE: &str = "schema";

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

/// One step forward.
pub(super) struct Migration {
    /// The schema that it leads to, one more than it starts from.
    pub(super) to: u32,
    /// What it does. Run again after it was cut short.
    pub(super) run: fn(&Store) -> Running<'_>,
}

/// All that there ever were, in order.
const MIGRATIONS: &[Migration] = &[];

/// Refuses a folder that a newer release has written, before anything in it is touched.
pub(super) fn admit(claim: &Claim, folder: &Path) -> Result<(), OpenError> {
    if let Some(path) = claim.unknown_format()? {
        return Err(OpenError::UnknownSchema(path));
    }
    let path = folder.join(FILE);
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(OpenError::Io { path, cause }),
        Ok(text) => match text.trim().parse() {
            Ok(schema) if schema <= SCHEMA => Ok(()),
            Ok(schema) => Err(OpenError::Newer(schema)),
            Err(_) => Err(OpenError::UnknownSchema(path)),
        },
    }
}

/// Notes in clear that releases before this one must not open the folder.
pub(super) fn note(folder: &Path) -> Result<(), OpenError> {
    let path = folder.join(FILE);
    let text = format!("{SCHEMA}\n");
    if fs::read_to_string(&path).is_ok_and(|found| found == text) {
        return Ok(());
    }
    write_durably(folder, FILE, text.as_bytes()).map_err(|cause| OpenError::Io { path, cause })
}

/// Brings the records from schema `from` to this release's.
pub(super) async fn run(store: &Store, from: u32) -> Result<(), OpenError> {
    run_these(store, from, MIGRATIONS).await
}

pub(super) async fn run_these(store: &Store, from: u32, migrations: &[Migration]) -> Result<(), OpenError> {
    for migration in migrations.iter().filter(|migration| migration.to > from) {
        tracing::info!(to = migration.to, "the data folder is brought to a newer schema");
        (migration.run)(store).await?;
        let mut draft = store.inner.draft();
        draft.put(places::schema(), &migration.to)?;
        draft.commit().await?;
    }
    Ok(())
}
