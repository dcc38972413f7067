//! What was measured, as text for people and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

/// Named figures of one peer under one load.
pub type Figures = Vec<(&'static str, f64)>;

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

struct Row {
    load: String,
    peer: &'static str,
    figures: Figures,
}

struct Goal {
    what: String,
    measured: f64,
    at_least: bool,
    bound: f64,
}

/// Everything of one run of the bench.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
    goals: Vec<Goal>,
    missing: Vec<(&'static str, String)>,
    failed: bool,
}

impl Report {
    /// Medians of a peer under a load.
    pub fn row(&mut self, load: &str, peer: &'static str, figures: Figures) {
        self.rows.push(Row { load: load.to_owned(), peer, figures });
    }

    /// A peer that is not here, and why.
    pub fn missing(&mut self, peer: &'static str, why: String) {
        eprintln!("missing: {peer}: {why}");
        if !self.missing.iter().any(|(named, _)| *named == peer) {
            self.missing.push((peer, why));
        }
    }

    /// A load that a peer did not bear. Of the gateway itself that is a failure of the whole.
    pub fn failed(&mut self, peer: &'static str, load: &str, why: &str) {
        eprintln!("{peer}, {load}: {why}");
        self.failed |= peer == super::peer::Kind::Gateway.name();
    }

    /// Whether the gateway lost a mail, or could not be started.
    pub fn has_failed(&self) -> bool {
        self.failed || self.missing.iter().any(|(peer, _)| *peer == super::peer::Kind::Gateway.name())
    }

    fn figure(&self, load: &str, peer: &str, figure: &str) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.load == load && row.peer == peer)?;
        row.figures.iter().find(|(name, _)| *name == figure).map(|(_, value)| *value)
    }

    /// The gateway's figure divided by a peer's should be at least so much.
    pub fn at_least(&mut self, load: &str, figure: &str, peer: &str, bound: f64) {
        self.compare(load, figure, (peer, figure), true, bound);
    }

    /// The gateway's figure divided by another figure of a peer, which is the one that means the same there, should be at least so much.
    pub fn at_least_of(&mut self, load: &str, figure: &str, theirs: (&str, &str), bound: f64) {
        self.compare(load, figure, theirs, true, bound);
    }

    /// The gateway's figure divided by a peer's should be no more.
    pub fn at_most(&mut self, load: &str, figure: &str, peer: &str, bound: f64) {
        self.compare(load, figure, (peer, figure), false, bound);
    }

    fn compare(&mut self, load: &str, figure: &str, (peer, meant): (&str, &str), at_least: bool, bound: f64) {
        let ours = self.figure(load, super::peer::Kind::Gateway.name(), figure);
        if let Some((ours, theirs)) = ours.zip(self.figure(load, peer, meant)) {
            let of = if meant == figure { String::new() } else { format!("'s {meant}") };
            let what = format!("{load}: {figure}, x {peer}{of}");
            self.goals.push(Goal { what, measured: ours / theirs, at_least, bound });
        }
    }

    /// A figure of the gateway should be no more than so much.
    pub fn own_at_most(&mut self, load: &str, figure: &str, bound: f64) {
        if let Some(measured) = self.figure(load, super::peer::Kind::Gateway.name(), figure) {
            self.goals.push(Goal { what: format!("{load}: {figure}"), measured, at_least: false, bound });
        }
    }

    /// For people; without goals, where the figures mean nothing.
    pub fn text(&self, goals: bool) -> String {
        let mut text = format!("{}\n", machine());
        let mut load = "";
        for row in &self.rows {
            if row.load != load {
                load = &row.load;
                let _ = write!(text, "\n{load}\n");
            }
            let figures: Vec<String> =
                row.figures.iter().map(|(name, value)| format!("{name} {value:.*}", digits(*value))).collect();
            let _ = writeln!(text, "  {:22} {}", row.peer, figures.join("   "));
        }
        text.push_str(if goals { "\ngoals\n" } else { "\nit works; the figures mean nothing\n" });
        for goal in self.goals.iter().filter(|_| goals) {
            let sign = if goal.at_least { ">=" } else { "<=" };
            let met = if goal.is_met() { "met" } else { "MISSED" };
            let _ = writeln!(text, "  {:70} {:8.2} {sign} {:<6} {met}", goal.what, goal.measured, goal.bound);
        }
        for (peer, why) in &self.missing {
            let _ = writeln!(text, "missing: {peer}: {why}");
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let figures: serde_json::Map<_, _> =
                    row.figures.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
                json!({ "load": row.load, "peer": row.peer, "figures": figures })
            })
            .collect();
        let goals: Vec<Value> = self
            .goals
            .iter()
            .map(|goal| {
                let kind = if goal.at_least { "at_least" } else { "at_most" };
                json!({ "what": goal.what, "measured": goal.measured, kind: goal.bound, "met": goal.is_met() })
            })
            .collect();
        let missing: Vec<Value> = self.missing.iter().map(|(peer, why)| json!({ "peer": peer, "why": why })).collect();
        json!({ "machine": machine(), "rows": rows, "goals": goals, "missing": missing })
    }
}

impl Goal {
    fn is_met(&self) -> bool {
        if self.at_least { self.measured >= self.bound } else { self.measured <= self.bound }
    }
}

fn digits(value: f64) -> usize {
    if value >= 100.0 { 0 } else { 2 }
}

/// The class of machine: cores and processor.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    format!("{cores} cores, {}", model.map_or("unknown", |(_, name)| name.trim()))
}
