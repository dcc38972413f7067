//! The page under load: how long readers wait for page 1 and for their message, and how fast an attachment comes beside nginx that serves the same
//! bytes as a plain file over TLS. The real program, its real settings (Argon2 among them), everything on loopback.
//!
//! `cargo bench --bench pages` measures (`-- --download` the attachment only); `cargo test --bench pages` only shows that it works. nginx comes from Debian (`benches/peers/setup`); without it
//! the ratio is named as missing. Read the ratios: absolute figures are those of one machine at one moment.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark measures real time and may stop"
)]

mod download;
#[path = "../peers/process.rs"]
#[expect(dead_code, reason = "the processor time is the other bench's")]
mod process;
mod readers;
#[path = "../../tests/gateway/support/mod.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod support;

/// The middle, and what only one of a hundred was above; milliseconds.
fn spread(mut millis: Vec<f64>) -> (f64, f64) {
    millis.sort_by(f64::total_cmp);
    let at = |of_hundred: usize| millis[(millis.len() * of_hundred / 100).min(millis.len() - 1)];
    (at(50), at(99))
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |wanted: &str| arguments.iter().any(|argument| argument == wanted);
    let quick = !has("--bench");
    if !has("--download") {
        readers::measure(if quick { 5 } else { 200 }, if quick { 1 } else { 3 });
    }
    download::measure(if quick { 5_000_000 } else { 100_000_000 }, if quick { 1 } else { 5 });
    if quick {
        println!("it works; the figures mean nothing");
    }
}
