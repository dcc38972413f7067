//! How fast mail goes through the gateway, beside what else could stand in its place on the same machine in the same run: nothing at all, haproxy, Postfix,
//! Haraka, the least that could do it at all, and for confidential mail a Postfix that encrypts with gpg.
//!
//! `cargo bench --bench peers` prints medians of interleaved rounds, ratios, and the goals; `-- --json` the same for programs. `--only PART[,PART]` takes some of
//! the parts `ordinary`, `sizes`, `idle`, `tls`, `confidential`, `large`; `--rounds N` another number of rounds; `--quick` runs everything once with few mails,
//! to show that it works (`cargo test --bench peers` does the same with the build of the tests), and fails when the gateway loses one; `--other PROGRAM` measures another build of the gateway beside. `benches/peers/setup` installs the peers; one that is not there is named as missing. Read the ratios: absolute figures
//! are those of one machine at one moment.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "a benchmark measures real time and may stop")]

mod floor;
mod gateway;
mod idle;
mod load;
mod peer;
mod postfix;
mod process;
mod report;
mod tls;

use std::process::ExitCode;
use std::time::Instant;

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};

use gateway::Gateway;
use load::{Load, Sample};
use peer::{Bed, Haproxy, Kind};
use report::{Report, median};

const ORDINARY: &str = "een gewone brief";
/// Octets of a large mail.
const SIZE: usize = 25_000_000;
const CONFIDENTIAL: &str = "[veilig] een vertrouwelijke brief";

/// What was asked for.
struct Plan {
    quick: bool,
    rounds: usize,
    only: Vec<String>,
}

impl Plan {
    fn read() -> (Self, bool) {
        let arguments: Vec<String> = std::env::args().collect();
        let has = |name: &str| arguments.iter().any(|argument| argument == name);
        let value = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1);
        let quick = has("--quick") || !has("--bench");
        let rounds = value("--rounds").and_then(|text| text.parse().ok()).unwrap_or(if quick { 1 } else { 5 });
        let only = value("--only").map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default();
        (Self { quick, rounds, only }, has("--json"))
    }

    fn has(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|named| named == part)
    }

    /// Fewer mails where it only shows that it works.
    fn mails(&self, mails: u64) -> u64 {
        if self.quick { mails.div_ceil(40) } else { mails }
    }

    /// And smaller ones, where they are large.
    fn size(&self, size: usize) -> usize {
        if self.quick { size.div_ceil(10) } else { size }
    }
}

fn main() -> ExitCode {
    if let Some(behind) = std::env::args().skip_while(|argument| argument != "--floor").nth(1) {
        floor::run(behind.parse().expect("an address"));
        return ExitCode::SUCCESS;
    }
    let (plan, json) = Plan::read();
    let mut report = Report::default();
    if process::is_installed("smtp-source") {
        if ["ordinary", "sizes", "idle"].iter().any(|part| plan.has(part)) {
            unsealed(&plan, &mut report);
        }
        if plan.has("confidential") {
            confidential(&plan, &mut report);
        }
        if plan.has("large") {
            large(&plan, &mut report);
        }
    } else {
        report.missing("smtp-source", "Postfix is not installed (benches/peers/setup)".into());
    }
    if plan.has("tls") {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(secured(&plan, &mut report));
    }
    let text = if json { format!("{:#}", report.json()) } else { report.text(!plan.quick) };
    println!("{text}");
    if report.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Starts those that are here.
fn start(kinds: &[Kind], report: &mut Report) -> Vec<Bed> {
    let mut beds = Vec::new();
    let other = peer::other().map(|_| Kind::Other);
    for kind in kinds.iter().copied().chain(other) {
        match kind.start() {
            Ok(bed) => beds.push(bed),
            Err(why) => report.missing(kind.name(), why),
        }
    }
    beds
}

/// One load over all peers, round by round; a slower peer gets fewer mails.
fn rounds(plan: &Plan, name: &str, load: &Load, beds: &[Bed], report: &mut Report) {
    let mut samples: Vec<Vec<Sample>> = beds.iter().map(|_| Vec::new()).collect();
    for _ in 0..plan.rounds {
        for (bed, samples) in beds.iter().zip(&mut samples) {
            let part = match bed.kind {
                Kind::Direct | Kind::Gateway | Kind::Other | Kind::Floor | Kind::Haproxy => 1,
                Kind::ProxyFilter => 3,
                Kind::Relay => 8,
                Kind::Haraka => 16,
                Kind::Gpg => 60,
            };
            // Each session has something to do all the time.
            let least = u64::from(load.sessions) * if load.size > 1 << 20 { 1 } else { 3 };
            let load = Load { mails: (plan.mails(load.mails) / part).max(least), ..load.clone() };
            match load.run(bed.address, &bed.sink, bed.id) {
                Ok(sample) => samples.push(sample),
                Err(error) => report.failed(bed.kind.name(), name, &error),
            }
        }
    }
    for (bed, samples) in beds.iter().zip(samples).filter(|(_, samples)| !samples.is_empty()) {
        let of = |pick: fn(&Sample) -> f64| median(samples.iter().map(pick).collect());
        let figures = vec![
            ("accepted/s", of(|sample| sample.accepted)),
            ("delivered/s", of(|sample| sample.delivered)),
            ("cpu ms", of(|sample| sample.cpu)),
        ];
        report.row(name, bed.kind.name(), figures);
    }
}

/// Ordinary mail, without TLS.
fn unsealed(plan: &Plan, report: &mut Report) {
    let kinds = [Kind::Direct, Kind::Gateway, Kind::Floor, Kind::Haproxy, Kind::ProxyFilter, Kind::Relay, Kind::Haraka];
    let beds = start(&kinds, report);
    let subject = ORDINARY;
    // Connections, caches and pools as they are in the middle of a day.
    for bed in &beds {
        let warm = Load { sessions: 20, mails: 60, size: 4096, reconnect: false, subject };
        let _ = warm.run(bed.address, &bed.sink, bed.id);
    }
    if plan.has("ordinary") {
        for (sessions, reconnect) in [(20, false), (100, false), (20, true), (100, true)] {
            let kept = if reconnect { "a connection each" } else { "connections kept" };
            let name = format!("4 KiB, {sessions} sessions, {kept}");
            let mails = if reconnect { 3000 } else { 6000 };
            rounds(plan, &name, &Load { sessions, mails, size: 4096, reconnect, subject }, &beds, report);
            report.at_least(&name, "delivered/s", "haproxy", 0.8);
            report.at_least(&name, "delivered/s", "postfix-proxy-filter", 2.5);
            report.at_least(&name, "delivered/s", "postfix-relay", 5.0);
            report.own_at_most(&name, "cpu ms", 0.35);
        }
    }
    if plan.has("sizes") {
        for (size, mails, text) in [(100 << 10, 1000, "100 KiB"), (5_000_000, 40, "5 MB")] {
            let name = format!("{text}, 20 sessions, connections kept");
            let size = plan.size(size);
            rounds(plan, &name, &Load { sessions: 20, mails, size, reconnect: false, subject }, &beds, report);
            report.at_least(&name, "delivered/s", "haproxy", 0.9);
        }
    }
    if plan.has("idle") {
        let synchronous = [Kind::Direct, Kind::Gateway, Kind::Other, Kind::Floor, Kind::Haproxy, Kind::ProxyFilter];
        let servers = beds.iter().filter(|bed| synchronous.contains(&bed.kind));
        let servers: Vec<_> = servers.map(|bed| (bed.kind.name(), bed.address)).collect();
        let name = "one mail at a time, microseconds";
        for (peer, measured) in idle::measure(&servers, if plan.quick { 20 } else { 500 }) {
            match measured {
                Ok(figures) => report.row(name, peer, figures),
                Err(error) => report.failed(peer, name, &error),
            }
        }
        report.at_most(name, "total", "direct", 2.5);
    }
}

/// Confidential mail, durable when it is accepted; delivered when its notice is out.
fn confidential(plan: &Plan, report: &mut Report) {
    let beds = start(&[Kind::Gateway, Kind::Relay, Kind::Gpg], report);
    let load = Load { sessions: 64, mails: 4000, size: 4096, reconnect: false, subject: CONFIDENTIAL };
    first_mail(&beds, &load, report);
    let name = "confidential 4 KiB, 64 sessions";
    rounds(plan, name, &load, &beds, report);
    report.at_least(name, "accepted/s", "postfix-relay", 4.0);
    // What Postfix took lies in its queue in clear; encrypted, as ours is when it is taken, it is when it comes out.
    report.at_least_of(name, "accepted/s", ("postfix-gpg", "delivered/s"), 50.0);
    report.at_least(name, "delivered/s", "postfix-relay", 1.5);
}

/// The gateway makes the recipient an access code now, and mails it to the sender; what is measured goes to a known recipient.
fn first_mail(beds: &[Bed], load: &Load, report: &mut Report) {
    for bed in beds {
        let first = Load { sessions: 1, mails: 1, size: 4096, ..load.clone() };
        if let Err(error) = first.run(bed.address, &bed.sink, bed.id) {
            report.failed(bed.kind.name(), "the first mail", &error);
        }
        if matches!(bed.kind, Kind::Gateway | Kind::Other) {
            bed.sink.settle();
        }
    }
}

/// 25 MB, confidential: how much of the cipher's speed on one core is left for each core in use.
fn large(plan: &Plan, report: &mut Report) {
    let beds = start(&[Kind::Gateway], report);
    let (mails, size) = (plan.mails(20).max(2), plan.size(SIZE));
    let load = Load { sessions: 2, mails, size, reconnect: false, subject: CONFIDENTIAL };
    first_mail(&beds, &load, report);
    let mut cipher = Vec::new();
    let mut speeds: Vec<(Vec<f64>, Vec<f64>)> = beds.iter().map(|_| Default::default()).collect();
    for _ in 0..plan.rounds {
        cipher.push(cipher_speed(if plan.quick { 8 } else { 64 }));
        for (bed, (core, wall)) in beds.iter().zip(&mut speeds) {
            match load.run(bed.address, &bed.sink, bed.id) {
                Ok(sample) => {
                    #[expect(clippy::cast_precision_loss, reason = "a figure of three digits")]
                    let megabytes = size as f64 / 1e6;
                    core.push(megabytes * 1e3 / sample.cpu);
                    wall.push(megabytes * sample.accepted);
                }
                Err(error) => report.failed(bed.kind.name(), "25 MB", &error),
            }
        }
    }
    let name = "confidential 25 MB, 2 sessions";
    report.row(name, "cipher", vec![("MB/s per core", median(cipher))]);
    for (bed, (core, wall)) in beds.iter().zip(speeds) {
        report.row(name, bed.kind.name(), vec![("MB/s per core", median(core)), ("MB/s", median(wall))]);
    }
    report.at_least(name, "MB/s per core", "cipher", 0.6);
}

/// XChaCha20-Poly1305 on one core, in the gateway's chunks: MB/s.
fn cipher_speed(megabytes: u32) -> f64 {
    let cipher = XChaCha20Poly1305::new(&[7; 32].into());
    let mut buffer = vec![0; 1 << 16];
    let begin = Instant::now();
    for _ in 0..megabytes * 16 {
        let tag = cipher.encrypt_inout_detached(&[9; 24].into(), b"", InOutBuf::from(buffer.as_mut_slice()));
        std::hint::black_box(tag.expect("64 KiB can be encrypted"));
    }
    f64::from(megabytes) * 1.048_576 / begin.elapsed().as_secs_f64()
}

/// Ordinary mail, TLS on both sides.
async fn secured(plan: &Plan, report: &mut Report) {
    let folder = peer::folder("tls");
    let pair = tls::Pair::make(folder.path());
    let sink = pair.sink().await;
    let mut servers = vec![(Kind::Direct.name(), sink, None)];
    let gateway = Gateway::start(sink, Some(&pair.files)).map_err(|why| report.missing(Kind::Gateway.name(), why));
    servers.extend(gateway.as_ref().map(|gateway| (Kind::Gateway.name(), gateway.address, Some(gateway.id()))));
    let haproxy = Haproxy::start(sink).map_err(|why| report.missing(Kind::Haproxy.name(), why));
    servers.extend(haproxy.as_ref().map(|haproxy| (Kind::Haproxy.name(), haproxy.address, Some(haproxy.process.id()))));
    for reconnect in [false, true] {
        let kept = if reconnect { "a connection each" } else { "connections kept" };
        let name = format!("4 KiB, 20 sessions, TLS on both sides, {kept}");
        let mails = plan.mails(if reconnect { 1000 } else { 3000 }).max(20);
        let mut speeds: Vec<(Vec<f64>, Vec<f64>)> = servers.iter().map(|_| Default::default()).collect();
        for _ in 0..plan.rounds {
            for ((peer, server, id), (speeds, cpu)) in servers.iter().zip(&mut speeds) {
                let before = id.map(process::processor_time);
                match pair.load(*server, 20, mails, reconnect).await {
                    Ok(speed) => speeds.push(speed),
                    Err(error) => report.failed(peer, "TLS", &error),
                }
                if let Some((id, before)) = id.zip(before) {
                    let taken = process::processor_time(id).saturating_sub(before);
                    cpu.push(taken.as_secs_f64() * 1e3 / f64::from(u32::try_from(mails).unwrap_or(u32::MAX)));
                }
            }
        }
        for ((peer, ..), (speeds, cpu)) in servers.iter().zip(speeds) {
            report.row(&name, peer, vec![("delivered/s", median(speeds)), ("cpu ms", median(cpu))]);
        }
    }
}
