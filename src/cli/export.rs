//! `zegel store export`: messages as .eml files, for whoever holds the recovery key.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::{Asking, complain, desk, load};
use crate::base::OsEntropy;
use crate::daemon::keys;
use crate::mail::Address;
use crate::store::archive::{Archive, Archived, ExportError};
use crate::store::{Settings, StoreError};

/// Carries it out. Exit 0 when every message was written, 1 when some were not.
pub async fn run(to: &Asking, key: &Path, folder: Option<PathBuf>, address: Option<&str>, out: &Path) -> ExitCode {
    let folder = match folder {
        Some(folder) => folder,
        None => match load(&to.file.config) {
            Ok(config) => config.store.folder,
            Err(exit) => return exit,
        },
    };
    match export(to.json, key, folder, address, out).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => complain(&format!("{failed} messages were not written")),
        Err(text) => complain(&text),
    }
}

/// Returns how many messages could not be written.
async fn export(json: bool, key: &Path, folder: PathBuf, address: Option<&str>, out: &Path) -> Result<usize, String> {
    let text = |cause: &dyn std::fmt::Display| cause.to_string();
    let wanted = address.map(|text| text.parse::<Address>().map_err(|_| format!("\"{text}\" is not a mail address")));
    let wanted = wanted.transpose()?.map(|address| address.key());
    desk::own(&folder)?;
    if folder.join("manifest").is_file() {
        return Err(format!(
            "{0} is a backup, not a data folder: put it back with `zegel store restore {0} --into FOLDER`, and export from there",
            folder.display()
        ));
    }
    // Opening makes what it misses, so a wrong folder is told before. (store.key is not needed here, and may be lost.)
    if !folder.join("journal").is_dir() {
        return Err(format!("{} is no data folder: it has no journal", folder.display()));
    }
    let key = keys::recovery_private(key).map_err(|cause| text(&cause))?;
    DirBuilder::new().mode(0o700).create(out).map_err(|cause| format!("{}: {cause}", out.display()))?;
    // Nothing is taken in here, so there is no watermark to keep to.
    let settings = Settings { folder, min_free: 0 };
    let archive = Archive::open(settings, key, Arc::new(OsEntropy)).await.map_err(|cause| {
        // It was made just now; the next try makes it again.
        let _ = fs::remove_dir(out);
        text(&cause)
    })?;
    let written = write_all(&archive, wanted.as_deref(), json, out).await;
    archive.close().await;
    written.map_err(|cause| text(&cause))
}

async fn write_all(archive: &Archive, wanted: Option<&str>, json: bool, out: &Path) -> Result<usize, StoreError> {
    let mut failed = 0;
    for id in archive.messages().await? {
        let Some(archived) = archive.message(id).await? else {
            failed += 1;
            eprintln!("{id}: its record is damaged");
            continue;
        };
        if wanted.is_some_and(|wanted| !concerns(&archived, wanted)) {
            continue;
        }
        match write(archive, &archived, out).await {
            Ok(bytes) => tell(&archived, bytes, json),
            Err(cause) => {
                failed += 1;
                eprintln!("{id}: {cause}");
            }
        }
    }
    Ok(failed)
}

/// Whether it came from or went to this address (as [`Address::key`]).
fn concerns(archived: &Archived, wanted: &str) -> bool {
    let addresses = archived.recipients.iter().chain([&archived.message.sender.address]);
    addresses.filter_map(|text| text.parse::<Address>().ok()).any(|address| address.key() == wanted)
}

/// The file has its name once all of it is right.
async fn write(archive: &Archive, archived: &Archived, out: &Path) -> Result<u64, ExportError> {
    let path = out.join(format!("{}.eml", archived.id));
    let unfinished = path.with_extension("eml.part");
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    let mut file = io::BufWriter::new(file);
    let written = match archive.export(archived, &mut file).await {
        Ok(bytes) => io::Write::flush(&mut file).and_then(|()| fs::rename(&unfinished, &path)).map(|()| bytes)?,
        Err(cause) => {
            fs::remove_file(&unfinished)?;
            return Err(cause);
        }
    };
    Ok(written)
}

/// One line or object for each file.
fn tell(archived: &Archived, bytes: u64, json: bool) {
    let (id, message, recipients) = (archived.id, &archived.message, &archived.recipients);
    let (received, sender) = (message.received, &message.sender.address);
    if json {
        let file = format!("{id}.eml");
        let received = received.to_string();
        println!(
            "{}",
            json!({ "file": file, "received": received, "sender": sender, "recipients": recipients, "bytes": bytes })
        );
    } else {
        println!("{id}.eml  received {received}  from {sender}  to {}  {bytes} bytes", recipients.join(", "));
    }
}
