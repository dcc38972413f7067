//! The file and the environment merged into one tree, and the way back from a key to its line.
//!
//! `ZEGEL_PAGE__ORIGIN` replaces `origin` in `[page]`. Lists are given with commas; arrays of tables only in the file.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use config::{FileFormat, Map, Source, Value};
use toml::de::{DeTable, DeValue};

/// What the config crate calls the environment in [`Value::origin`].
const ENVIRONMENT: &str = "the environment";

/// One thing that is wrong, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file, or `None` when the value came from the environment.
    pub file: Option<PathBuf>,
    /// Line in the file, from 1; `None` when nothing in the file stands for it.
    pub line: Option<usize>,
    /// Full key, e.g. `listener[1].address`.
    pub key: String,
    /// What was found.
    pub found: String,
    /// What is allowed.
    pub allowed: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{}:{line}: ", file.display())?,
            (Some(file), None) => write!(f, "{}: ", file.display())?,
            (None, _) => write!(f, "environment {}: ", variable(&self.key))?,
        }
        write!(f, "{}: found {}; allowed: {}", self.key, self.found, self.allowed)
    }
}

/// The environment variable that sets a key.
fn variable(key: &str) -> String {
    let whole = key.split('[').next().unwrap_or(key);
    format!("ZEGEL_{}", whole.replace('.', "__").to_uppercase())
}

/// File text, its parsed places, and the merged values.
#[derive(Debug)]
pub struct Sources {
    file: PathBuf,
    lines: HashMap<String, usize>,
    values: Map<String, Value>,
}

impl Sources {
    /// Merges `text` (of `file`) with the variables given.
    ///
    /// # Errors
    /// A syntax error is one mistake with its line: nothing further can be read then.
    pub fn parse(file: &Path, text: &str, environment: HashMap<String, String>) -> Result<Self, Mistake> {
        let mistake = |line: Option<usize>, found: String, allowed: &str| Mistake {
            file: Some(file.to_owned()),
            line,
            key: "syntax".to_owned(),
            found,
            allowed: allowed.to_owned(),
        };
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map(|span| line_of(text, span.start));
            mistake(line, error.message().to_owned(), "TOML (https://toml.io/en/v1.0.0)")
        })?;
        let mut lines = HashMap::new();
        note_table(text, "", table.get_ref(), &mut lines);
        let variables = config::Environment::with_prefix("ZEGEL").prefix_separator("_").separator("__");
        let merged = config::Config::builder()
            .add_source(config::File::from_str(text, FileFormat::Toml))
            .add_source(variables.source(Some(environment)))
            .build()
            .and_then(|merged| merged.collect())
            .map_err(|error| mistake(None, error.to_string(), "a file and variables that fit together"))?;
        Ok(Self { file: file.to_owned(), lines, values: merged })
    }

    /// The top of the tree.
    #[must_use]
    pub const fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// A mistake at `key`, placed: at the line of the key, else at that of the table that should hold it.
    #[must_use]
    pub fn mistake(&self, key: &str, value: Option<&Value>, found: String, allowed: String) -> Mistake {
        let from_environment = value.and_then(Value::origin) == Some(ENVIRONMENT);
        let file = (!from_environment).then(|| self.file.clone());
        let line = if from_environment { None } else { self.line(key) };
        Mistake { file, line, key: key.to_owned(), found, allowed }
    }

    /// Whether the environment set this value.
    #[must_use]
    pub fn is_from_environment(value: &Value) -> bool {
        value.origin() == Some(ENVIRONMENT)
    }

    /// Relative paths in the file are relative to the file's folder.
    #[must_use]
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or_else(|| Path::new(".")).join(path)
    }

    fn line(&self, key: &str) -> Option<usize> {
        let mut key = key;
        loop {
            if let Some(line) = self.lines.get(key) {
                return Some(*line);
            }
            let cut = key.rfind(['.', '['])?;
            key = key.get(..cut)?;
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn note_table(text: &str, path: &str, table: &DeTable<'_>, lines: &mut HashMap<String, usize>) {
    for (key, value) in table {
        let name: &str = key.get_ref();
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        lines.insert(path.clone(), line_of(text, key.span().start));
        note_value(text, &path, value.get_ref(), lines);
    }
}

fn note_value(text: &str, path: &str, value: &DeValue<'_>, lines: &mut HashMap<String, usize>) {
    match value {
        DeValue::Table(table) => note_table(text, path, table, lines),
        DeValue::Array(array) => {
            for (index, item) in array.iter().enumerate() {
                let path = format!("{path}[{index}]");
                lines.insert(path.clone(), line_of(text, item.span().start));
                note_value(text, &path, item.get_ref(), lines);
            }
        }
        _ => {}
    }
}
