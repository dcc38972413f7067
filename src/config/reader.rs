//! Reads a table key by key: each wrong, missing or unknown key becomes a mistake, and reading goes on.

use std::cell::RefCell;
use std::collections::BTreeSet;

use config::{Map, Value, ValueKind};

use super::kinds::Kind;
use super::source::{Mistake, Sources};

/// What reading gathers: the mistakes, and every key that was asked for.
#[derive(Debug)]
pub struct Reading<'s> {
    sources: &'s Sources,
    mistakes: RefCell<Vec<Mistake>>,
    known: RefCell<BTreeSet<String>>,
}

impl<'s> Reading<'s> {
    /// Over merged sources.
    #[must_use]
    pub fn new(sources: &'s Sources) -> Self {
        Self { sources, mistakes: RefCell::default(), known: RefCell::default() }
    }

    /// The top table.
    #[must_use]
    pub fn top(&self) -> Table<'_, 's> {
        Table { reading: self, path: String::new(), values: self.sources.values().clone(), asked: RefCell::default() }
    }

    /// Adds a mistake about a key that was read without one.
    pub fn refuse(&self, key: &str, found: impl Into<String>, allowed: impl Into<String>) {
        let value = value_at(self.sources.values(), key);
        let mistake = self.sources.mistake(key, value, found.into(), allowed.into());
        self.mistakes.borrow_mut().push(mistake);
    }

    /// All mistakes, in order of line.
    #[must_use]
    pub fn into_mistakes(self) -> Vec<Mistake> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|mistake| (mistake.line.is_none(), mistake.line));
        mistakes
    }

    /// Every key that was asked for, without indexes: `listener.address`.
    #[cfg(test)]
    pub fn known(&self) -> BTreeSet<String> {
        self.known.borrow().clone()
    }
}

fn value_at<'v>(values: &'v Map<String, Value>, key: &str) -> Option<&'v Value> {
    let (head, rest) = key.split_once('.').map_or((key, None), |(head, rest)| (head, Some(rest)));
    let value = values.get(head)?;
    match (rest, &value.kind) {
        (None, _) => Some(value),
        (Some(rest), ValueKind::Table(table)) => value_at(table, rest),
        _ => None,
    }
}

/// One table of the file.
#[derive(Debug)]
pub struct Table<'r, 's> {
    reading: &'r Reading<'s>,
    path: String,
    values: Map<String, Value>,
    asked: RefCell<BTreeSet<String>>,
}

impl<'r, 's> Table<'r, 's> {
    /// The full key of a key in this table.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Adds a mistake about a key of this table.
    pub fn refuse(&self, name: &str, found: impl Into<String>, allowed: impl Into<String>) {
        let key = self.key(name);
        let value = self.values.get(name.split('[').next().unwrap_or(name));
        let mistake = self.reading.sources.mistake(&key, value, found.into(), allowed.into());
        self.reading.mistakes.borrow_mut().push(mistake);
    }

    fn ask(&self, name: &str) -> Option<&Value> {
        self.asked.borrow_mut().insert(name.to_owned());
        self.reading.known.borrow_mut().insert(without_indexes(&self.key(name)));
        self.values.get(name).filter(|value| value.kind != ValueKind::Nil)
    }

    /// A value that may be absent.
    pub fn optional<T>(&self, name: &str, kind: &Kind<T>) -> Option<T> {
        let value = self.ask(name)?;
        match kind.read(value, self.reading.sources) {
            Ok(read) => Some(read),
            Err(found) => {
                self.refuse(name, found, kind.allowed());
                None
            }
        }
    }

    /// A value that must be there. `None` only after a mistake was noted.
    pub fn required<T>(&self, name: &str, kind: &Kind<T>) -> Option<T> {
        if self.ask(name).is_none() {
            self.refuse(name, "nothing", kind.allowed());
            return None;
        }
        self.optional(name, kind)
    }

    /// A value with a default.
    pub fn or<T>(&self, name: &str, kind: &Kind<T>, default: T) -> T {
        self.optional(name, kind).unwrap_or(default)
    }

    /// A list; absent is empty. Each wrong item is a mistake of its own.
    pub fn list<T>(&self, name: &str, kind: &Kind<T>) -> Vec<T> {
        let Some(value) = self.ask(name) else { return Vec::new() };
        let items: Vec<Value> = match &value.kind {
            ValueKind::Array(items) => items.clone(),
            ValueKind::String(text) if Sources::is_from_environment(value) => {
                text.split(',').map(|item| Value::new(None, item.trim())).collect()
            }
            other => {
                self.refuse(name, super::kinds::describe(other), format!("a list, each {}", kind.allowed()));
                return Vec::new();
            }
        };
        let mut read = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match kind.read(item, self.reading.sources) {
                Ok(item) => read.push(item),
                Err(found) => self.refuse(&format!("{name}[{index}]"), found, kind.allowed()),
            }
        }
        read
    }

    /// A list of at least one item; `None` only after a mistake was noted.
    pub fn some<T>(&self, name: &str, kind: &Kind<T>) -> Option<Vec<T>> {
        let present = self.ask(name).is_some();
        let before = self.reading.mistakes.borrow().len();
        let list = self.list(name, kind);
        if !list.is_empty() {
            return Some(list);
        }
        if self.reading.mistakes.borrow().len() == before {
            let found = if present { "an empty list" } else { "nothing" };
            self.refuse(name, found, format!("a list of at least one, each {}", kind.allowed()));
        }
        None
    }

    /// A table within this one; absent is an empty one.
    #[must_use]
    pub fn table(&self, name: &str) -> Table<'r, 's> {
        let values = match self.ask(name).map(|value| &value.kind) {
            Some(ValueKind::Table(values)) => values.clone(),
            None => Map::new(),
            Some(other) => {
                self.refuse(name, super::kinds::describe(other), format!("a table: [{}]", self.key(name)));
                Map::new()
            }
        };
        self.child(self.key(name), values)
    }

    /// An array of tables; absent is empty.
    #[must_use]
    pub fn tables(&self, name: &str) -> Vec<Table<'r, 's>> {
        let items = match self.ask(name).map(|value| &value.kind) {
            Some(ValueKind::Array(items)) => items.clone(),
            None => return Vec::new(),
            Some(other) => {
                self.refuse(name, super::kinds::describe(other), format!("tables: [[{}]]", self.key(name)));
                return Vec::new();
            }
        };
        let mut tables = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let name = format!("{name}[{index}]");
            if let ValueKind::Table(values) = item.kind {
                tables.push(self.child(self.key(&name), values));
            } else {
                self.refuse(&name, super::kinds::describe(&item.kind), "a table");
            }
        }
        tables
    }

    fn child(&self, path: String, values: Map<String, Value>) -> Table<'r, 's> {
        Table { reading: self.reading, path, values, asked: RefCell::default() }
    }

    /// Whether the key stands there, right or wrong.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Ends reading: keys that nobody asked for are mistakes.
    pub fn finish(&self) {
        let asked = self.asked.borrow();
        let unknown = self.values.keys().filter(|name| !asked.contains(*name));
        let all: Vec<&str> = asked.iter().map(String::as_str).collect();
        let mut names: Vec<&String> = unknown.collect();
        names.sort();
        for name in names {
            self.refuse(name, "an unknown key", format!("one of {}", all.join(", ")));
        }
    }
}

fn without_indexes(key: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in key.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out
}
