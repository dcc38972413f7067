//! The dialogs of `tests/smtp`, each on the session alone and over a socket, and what only real listeners show.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

#[path = "smtp/circle.rs"]
mod circle;
#[path = "support/dice.rs"]
#[allow(dead_code, clippy::allow_attributes, reason = "not all of it is used here")]
mod dice;
#[path = "../fuzz/src/smtp.rs"]
mod fuzzed;
#[path = "smtp/gateway.rs"]
mod gateway;
#[path = "smtp/identity.rs"]
mod identity;
#[path = "smtp/listeners.rs"]
mod listeners;
#[path = "support/next_hop.rs"]
mod next_hop;
#[path = "smtp/pure.rs"]
mod pure;
#[path = "smtp/script.rs"]
mod script;
#[path = "smtp/socket.rs"]
mod socket;
#[path = "../fuzz/src/stream.rs"]
#[expect(clippy::expect_used, reason = "test code")]
mod streams;
#[path = "smtp/untouched.rs"]
mod untouched;

use std::panic::{AssertUnwindSafe, catch_unwind};

use pure::Segments;

#[test]
fn every_dialog_goes_as_written_on_the_session_alone() {
    let dialogs = script::all();
    assert!(dialogs.len() >= 120, "only {} dialogs", dialogs.len());
    let mut failed = Vec::new();
    for dialog in &dialogs {
        let ways: &[Segments] =
            if dialog.only_whole.is_some() { &[Segments::Whole] } else { &[Segments::Whole, Segments::Bytes] };
        for &way in ways {
            if catch_unwind(AssertUnwindSafe(|| pure::play(dialog, way))).is_err() {
                failed.push(format!("{} ({way:?})", dialog.name));
            }
        }
    }
    assert!(failed.is_empty(), "dialogs that went another way: {failed:#?}");
}

#[tokio::test]
async fn every_dialog_goes_as_written_over_a_socket() {
    let mut played = 0;
    for dialog in &script::all() {
        if let Some(why) = &dialog.only_pure {
            println!("{} is not played over a socket: {why}", dialog.name);
            continue;
        }
        socket::play(dialog).await;
        played += 1;
    }
    println!("{played} dialogs were played over a socket");
    assert!(played >= 100);
}

/// Every seed of a fuzz target, and with each end cut off.
fn run(name: &str, target: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let mut seeds = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let data = std::fs::read(entry.unwrap().path()).unwrap();
        seeds += 1;
        for length in 0..=data.len() {
            target(&data[..length]);
        }
    }
    assert!(seeds >= 3, "{name} has lost its seeds");
}

#[test]
fn seeds_of_proxy() {
    run("proxy", fuzzed::proxy);
}

#[test]
fn seeds_of_login() {
    run("login", fuzzed::login);
}

#[test]
fn seeds_of_command() {
    run("command", streams::command);
}

#[test]
fn seeds_of_data() {
    run("data", streams::data);
}

#[test]
fn seeds_of_reply() {
    run("reply", streams::reply);
}
