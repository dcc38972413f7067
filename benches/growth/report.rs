//! The figures as a table and as a plot.
#![expect(clippy::cast_precision_loss, reason = "figures of a few digits")]

use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

/// At one size.
#[derive(Debug)]
pub struct Row {
    pub messages: u64,
    /// How many were filled in since the row before, and how long that took.
    pub filled: (u64, Duration),
    /// Median and 99th percentile.
    pub commit: (Duration, Duration),
    pub open: (Duration, Duration),
    pub start: Started,
    pub rebuild: Started,
    pub journal: u64,
    pub index: u64,
}

/// A start in a process of its own.
#[derive(Debug)]
pub struct Started {
    pub took: Duration,
    pub rebuilt: bool,
    /// KiB, once some messages were read; and the most it ever had.
    pub rss: u64,
    pub peak: u64,
}

/// What coming and going took.
#[derive(Debug)]
pub struct Churn {
    pub messages: u64,
    /// Bytes of a body.
    pub body: usize,
    /// Keys and values that count.
    pub live: u64,
    /// Bytes on disk: before, at most, and at the end.
    pub full: u64,
    pub most: u64,
    pub disk: u64,
    pub took: Duration,
    /// 99th percentile of a commit of 64 messages meanwhile.
    pub slow: Duration,
}

impl fmt::Display for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.took.as_micros(), u8::from(self.rebuilt), self.rss, self.peak)
    }
}

impl Started {
    pub fn parse(text: &str) -> Option<Self> {
        let numbers: Vec<u64> = text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [took, rebuilt, rss, peak] = numbers.try_into().ok()?;
        Some(Self { took: Duration::from_micros(took), rebuilt: rebuilt == 1, rss, peak })
    }
}

/// A figure of this process from the system, in KiB.
pub fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// As Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| messages | filled/s | commit ms p50 / p99 | open ms p50 / p99 | start s | memory MB after start | rebuild s | memory MB at most | journal MB | index MB |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let (count, time) = row.filled;
        let _ = writeln!(
            out,
            "| {} | {:.0} | {:.2} / {:.2} | {:.2} / {:.2} | {:.2}{} | {:.0} | {:.1}{} | {:.0} | {:.0} | {:.0} |",
            row.messages,
            count as f64 / time.as_secs_f64(),
            ms(row.commit.0),
            ms(row.commit.1),
            ms(row.open.0),
            ms(row.open.1),
            row.start.took.as_secs_f64(),
            if row.start.rebuilt { " (rebuilt!)" } else { "" },
            row.start.rss as f64 / 1024.0,
            row.rebuild.took.as_secs_f64(),
            if row.rebuild.rebuilt { "" } else { " (not rebuilt!)" },
            row.rebuild.peak as f64 / 1024.0,
            mb(row.journal),
            mb(row.index),
        );
    }
    out
}

/// The figures of the steady run.
pub fn steady(churn: &Churn) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "Coming and going: {} messages of {} KiB, each place taken twice more in {:.0} s ({:.0} messages/s in and as many out; commit of 64, p99 {:.1} ms). \
         Live {:.0} MB; on disk before {:.0} MB ({:.2}), at most {:.0} MB ({:.2}), at the end {:.0} MB ({:.2}).",
        churn.messages,
        churn.body >> 10,
        churn.took.as_secs_f64(),
        2.0 * churn.messages as f64 / churn.took.as_secs_f64(),
        ms(churn.slow),
        mb(churn.live),
        mb(churn.full),
        churn.full as f64 / churn.live as f64,
        mb(churn.most),
        churn.most as f64 / churn.live as f64,
        mb(churn.disk),
        churn.disk as f64 / churn.live as f64,
    );
    out
}

/// Syncs for each message.
pub fn syncs(each: f64) -> String {
    format!("Syncs of the journal for each message at 64 sessions with 8 KiB mails: {each:.3}.")
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 190.0;

/// Three panels: latency, start, memory; the sizes from left to right.
pub fn plot(rows: &[Row]) -> String {
    type Figure = fn(&Row) -> f64;
    let panels: [(&str, [(&str, Figure); 2]); 3] = [
        ("median, ms", [("commit", |row| ms(row.commit.0)), ("open", |row| ms(row.open.0))]),
        ("s", [("start", |row| row.start.took.as_secs_f64()), ("rebuild", |row| row.rebuild.took.as_secs_f64())]),
        (
            "memory, MB",
            [("after start", |row| row.start.rss as f64 / 1024.0), ("rebuild", |row| row.rebuild.peak as f64 / 1024.0)],
        ),
    ];
    let height = HEIGHT * panels.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (n, (unit, lines)) in panels.iter().enumerate() {
        let (top, bottom) = (HEIGHT * n as f64 + 30.0, HEIGHT * (n + 1) as f64 - 30.0);
        let most = lines.iter().flat_map(|(_, figure)| rows.iter().map(figure)).fold(0.001, f64::max);
        let x = |at: usize| 60.0 + (WIDTH - 200.0) * at as f64 / (rows.len().max(2) - 1) as f64;
        let y = |figure: f64| bottom - (bottom - top) * figure / most;
        let _ = writeln!(out, "<text x=\"8\" y=\"{}\">{unit}</text>", top - 14.0);
        let _ = writeln!(out, "<path d=\"M60 {top}V{bottom}H{}\" stroke=\"#888\" fill=\"none\"/>", WIDTH - 130.0);
        let _ =
            writeln!(out, "<text x=\"8\" y=\"{}\">{most:.2}</text><text x=\"8\" y=\"{bottom}\">0</text>", top + 4.0);
        for (at, row) in rows.iter().enumerate() {
            let _ = writeln!(
                out,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                x(at),
                bottom + 16.0,
                row.messages
            );
        }
        let mut above = f64::NEG_INFINITY;
        for ((name, figure), colour) in lines.iter().zip(["#b00020", "#00508c"]) {
            let points: Vec<String> =
                rows.iter().enumerate().map(|(at, row)| format!("{:.1},{:.1}", x(at), y(figure(row)))).collect();
            let _ = writeln!(
                out,
                "<polyline points=\"{}\" stroke=\"{colour}\" stroke-width=\"2\" fill=\"none\"/>",
                points.join(" ")
            );
            let last = rows.last().map_or(0.0, figure);
            // Names of lines that end at the same height stand below each other.
            let name_at = if (y(last) - above).abs() < 13.0 { above + 13.0 } else { y(last) };
            above = name_at;
            let _ = writeln!(
                out,
                "<text x=\"{}\" y=\"{:.1}\" fill=\"{colour}\">{name} {last:.2}</text>",
                WIDTH - 125.0,
                name_at + 4.0
            );
        }
    }
    out.push_str("</svg>\n");
    out
}
