//! Mails built as Outlook, Gmail, Apple Mail, Thunderbird and senders of layouts build them (`mails/*.eml`), read in Chromium: what a person reads is
//! compared with `mails/*.txt`, which a person looked at beside the pictures. `MAIL_SHOTS=folder` keeps pictures and texts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use axum::http::StatusCode;

use crate::site::site;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/web/mails")
}

/// The files with this ending, by name.
fn files(ending: &str) -> BTreeMap<String, String> {
    let found = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let wanted = found.filter(|path| path.extension().is_some_and(|e| e == ending));
    wanted
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn mails_of_real_programs_can_be_read() {
    let site = site();
    let kept = std::env::var("MAIL_SHOTS").ok().map(PathBuf::from);
    let temporary = tempfile::tempdir().unwrap();
    let shots = kept.as_deref().unwrap_or(temporary.path());
    fs::create_dir_all(shots).unwrap();
    let mails = files("eml");
    assert!(mails.len() >= 5);
    for (name, mail) in &mails {
        let mail = mail.replace('\n', "\r\n");
        let (header, body) = mail.split_once("\r\n\r\n").unwrap();
        let link = site.seal(&format!("{name}@else.example"), &format!("{header}\r\n"), body.as_bytes()).await;
        let cookie = site.unlock(&link).await;
        let frame = site.read("/bericht/html", &cookie).await;
        assert_eq!(frame.status, StatusCode::OK, "{name}");
        fs::write(shots.join(format!("{name}.html")), frame.body).unwrap();
        // What the text alone makes of it, for the PDF.
        let pdf = site.read("/bericht/bericht.pdf", &cookie).await;
        assert_eq!((pdf.status, pdf.header("content-type")), (StatusCode::OK, "application/pdf"), "{name}");
        fs::write(shots.join(format!("{name}.pdf")), pdf.body).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/mails.mjs");
    let output = Command::new("node").arg(script).arg(shots).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(said, "");
    let expected = files("txt");
    for name in mails.keys() {
        let read = fs::read_to_string(shots.join(format!("{name}.txt"))).unwrap();
        assert_eq!(Some(&read), expected.get(name), "{name}");
    }
}
