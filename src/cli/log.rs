//! The log: text or JSON, a line each, on standard error. Behind systemd's journal each line begins with its priority (sd-daemon(3)),
//! which the journal takes off, and the time is left to the journal.

use std::fmt;
use std::os::unix::fs::MetadataExt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use crate::config::Log;

/// Begins to log.
pub fn start(log: &Log) {
    if let Err(cause) = tracing::subscriber::set_global_default(subscriber(log, behind_journal(), std::io::stderr)) {
        eprintln!("zegel: no log: {cause}");
    }
}

fn subscriber<W>(log: &Log, journal: bool, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Our own modules at the level asked for; libraries only their warnings, since some log what they carry.
    let level = log.level.parse().unwrap_or(LevelFilter::INFO);
    let filtered =
        tracing_subscriber::registry().with(Targets::new().with_default(Level::WARN).with_target("zegel", level));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    match (log.json, journal) {
        (false, false) => Box::new(filtered.with(lines)),
        (false, true) => Box::new(filtered.with(lines.without_time().map_event_format(Prioritised))),
        (true, false) => Box::new(filtered.with(lines.json())),
        (true, true) => Box::new(filtered.with(lines.json().without_time().map_event_format(Prioritised))),
    }
}

/// Whether standard error goes to the journal itself, as systemd tells it: a redirected one does not, also when the variable is set.
fn behind_journal() -> bool {
    let Ok(stderr) = std::fs::metadata("/proc/self/fd/2") else { return false };
    std::env::var("JOURNAL_STREAM").is_ok_and(|stream| stream == format!("{}:{}", stderr.dev(), stderr.ino()))
}

/// A line with its priority before it.
struct Prioritised<F>(F);

impl<S, N, F> FormatEvent<S, N> for Prioritised<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(json: bool, journal: bool) -> Vec<String> {
        let (kept, log) = (Kept::default(), Log { json, level: "debug".to_owned() });
        let writer = kept.clone();
        tracing::subscriber::with_default(subscriber(&log, journal, move || writer.clone()), || {
            tracing::error!(mail = "abc", code = 250, "eerste\nregel");
            tracing::warn!("tweede");
            tracing::info!("derde");
            tracing::debug!("vierde");
            tracing::trace!("te veel");
            tracing::info!(target: "other", "from a library");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_journal_gets_priorities_and_no_time() {
        let lines = logged(false, true);
        let starts: Vec<&str> =
            lines.iter().filter_map(|line| line.get(..3)).filter(|start| start.starts_with('<')).collect();
        assert_eq!(starts, ["<3>", "<4>", "<6>", "<7>"], "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("<4> WARN zegel::cli::log::tests: tweede")), "{lines:?}");
        let lines = logged(true, true);
        let (starts, objects): (Vec<&str>, Vec<&str>) = lines.iter().map(|line| line.split_at(3)).unzip();
        assert_eq!(starts, ["<3>", "<4>", "<6>", "<7>"]);
        let first: serde_json::Value = serde_json::from_str(objects[0]).unwrap();
        assert_eq!((&first["fields"]["mail"], &first["fields"]["code"]), (&"abc".into(), &250.into()));
        assert!(first.get("timestamp").is_none());
    }

    #[test]
    fn elsewhere_a_line_has_its_time_and_no_priority() {
        for json in [false, true] {
            let lines = logged(json, false);
            assert!(lines.iter().all(|line| !line.starts_with('<')), "{lines:?}");
            assert!(lines[0].contains("20") && lines[0].contains("ERROR"), "{lines:?}");
        }
    }
}
