//! The text that Prometheus reads: `OpenMetrics` 1.0, or the older form for readers that do not ask for it.

use std::fmt::{self, Write as _};
use std::sync::Mutex;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// Which form of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Prometheus text format 0.0.4: what every reader knows.
    Prometheus,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
}

impl Form {
    /// What a reader's `Accept` asks for.
    #[must_use]
    pub fn asked(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Everything that can be asked for.
#[derive(Debug)]
pub struct Exposition(Mutex<Registry>);

impl Exposition {
    pub(super) const fn new(registry: Registry) -> Self {
        Self(Mutex::new(registry))
    }

    /// All values now.
    ///
    /// # Errors
    /// None while there is memory.
    pub fn text(&self, form: Form) -> Result<String, fmt::Error> {
        let mut text = String::new();
        {
            let registry = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            encode(&mut text, &registry)?;
        }
        match form {
            Form::OpenMetrics => Ok(text),
            Form::Prometheus => older(&text),
        }
    }
}

/// The older form names a counter as its samples are named, and has no end mark.
fn older(text: &str) -> Result<String, fmt::Error> {
    let counter = |line: &str| Some(line.strip_prefix("# TYPE ")?.strip_suffix(" counter")?.to_owned());
    let counters: std::collections::HashSet<String> = text.lines().filter_map(counter).collect();
    let mut out = String::with_capacity(text.len() + 64 * counters.len());
    for line in text.lines().filter(|line| *line != "# EOF") {
        let about = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        match about.and_then(|rest| rest.split_once(' ')) {
            Some((name, rest)) if counters.contains(name) => {
                writeln!(out, "{} {name}_total {rest}", line.get(..6).unwrap_or_default())?;
            }
            _ => writeln!(out, "{line}")?,
        }
    }
    Ok(out)
}
