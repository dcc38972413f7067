//! The keys as a config was written, to tell which of them a later one changes.

use std::collections::BTreeMap;
use std::fmt;

use config::{Map, Value, ValueKind};

/// Every key that stands in file or environment, with its value. Its `Debug` shows none of them: two files may say the same.
#[derive(Clone, PartialEq, Eq)]
pub struct Written(BTreeMap<String, String>);

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written")
    }
}

impl Written {
    pub(super) fn of(values: &Map<String, Value>) -> Self {
        let mut keys = BTreeMap::new();
        for (name, value) in values {
            note(name.clone(), value, &mut keys);
        }
        Self(keys)
    }

    /// The keys that stand in one of both only, or with another value, in order: `mail.memory`, `listener[1].address`.
    #[must_use]
    pub fn changed(&self, newer: &Self) -> Vec<String> {
        let differs = |(key, value): &(&String, &String)| newer.0.get(*key) != Some(*value);
        let mut keys: Vec<String> = self.0.iter().filter(differs).map(|(key, _)| key.clone()).collect();
        keys.extend(newer.0.keys().filter(|key| !self.0.contains_key(*key)).cloned());
        keys.sort();
        keys
    }
}

/// A list of values is one value; a list of tables is not.
fn note(key: String, value: &Value, keys: &mut BTreeMap<String, String>) {
    match &value.kind {
        ValueKind::Table(table) => {
            for (name, value) in table {
                note(format!("{key}.{name}"), value, keys);
            }
        }
        ValueKind::Array(items) if items.iter().any(|item| matches!(item.kind, ValueKind::Table(_))) => {
            for (index, item) in items.iter().enumerate() {
                note(format!("{key}[{index}]"), item, keys);
            }
        }
        kind => drop(keys.insert(key, kind.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::path::Path;

    use super::super::source::Sources;
    use super::*;

    fn written(text: &str) -> Written {
        Written::of(Sources::parse(Path::new("x.toml"), text, HashMap::new()).unwrap().values())
    }

    #[test]
    fn what_changed_is_named_by_its_key_and_not_by_its_value() {
        let old = written("[mail]\nmemory = \"1 MiB\"\ntags = [\"a\", \"b\"]\n[[listener]]\nname = \"x\"\n");
        let cases = [
            ("[mail]\nmemory = \"1 MiB\"\ntags = [\"a\", \"b\"]\n[[listener]]\nname = \"x\"\n", ""),
            ("[[listener]]\nname = \"x\"\n[mail]\ntags = [\"a\", \"b\"]\nmemory = \"1 MiB\"\n", ""),
            (
                "[mail]\nmemory = \"2 MiB\"\ntags = [\"a\", \"c\"]\n[[listener]]\nname = \"x\"\n",
                "mail.memory mail.tags",
            ),
            ("[mail]\nmemory = \"1 MiB\"\ntags = [\"a\", \"b\"]\n", "listener[0].name"),
            (
                "[mail]\nmemory = \"1 MiB\"\ntags = [\"a\", \"b\"]\n[[listener]]\nname = \"x\"\n[[listener]]\nname = \"y\"\n",
                "listener[1].name",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(old.changed(&written(text)).join(" "), expected, "{text}");
        }
        assert_eq!(format!("{old:?}"), "Written");
    }
}
