//! A disk that tells what was written from what was synced: it follows a program's calls below one folder and makes that folder as
//! it may be found after a kill or a power cut at any of them.
//!
//! After a kill everything that was written is there. After a power cut, certainly, what was synced: bytes of a file by a
//! sync of that file, names in a folder by a sync of that folder. Everything else may be there or not, each 4 KiB block and each
//! name for itself. That is more than journaling file systems lose, and what POSIX allows.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::dice::Dice;
use super::strace::Call;

const BLOCK: usize = 4096;
const ROOT: usize = 0;

/// What is there afterwards of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// All of it: the process died, not the machine.
    All,
    /// Nothing.
    Synced,
    /// Each block and each name or not.
    Some,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Disk {
    root: PathBuf,
    /// Where relative paths begin.
    start: PathBuf,
    nodes: Vec<Node>,
    /// Where the next `write` of a descriptor goes; `None` for the end of the file.
    offsets: HashMap<i64, Option<usize>>,
    operations: usize,
}

#[derive(Debug, Clone)]
enum Node {
    File(Content),
    Folder(Names),
}

#[derive(Debug, Clone, Default)]
struct Content {
    synced: Vec<u8>,
    current: Vec<u8>,
    /// With the line of the trace where each ended.
    waiting: Vec<(usize, Change)>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Debug, Clone, Default)]
struct Names {
    synced: BTreeMap<String, usize>,
    current: BTreeMap<String, usize>,
    waiting: Vec<Entry>,
}

/// A name that was given or taken away.
#[derive(Debug, Clone)]
struct Entry {
    ended: usize,
    /// The two halves of a rename share one.
    operation: usize,
    name: String,
    node: Option<usize>,
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(offset, written) => put(bytes, *offset, written),
            Self::Length(len) => bytes.resize(*len, 0),
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, written: &[u8]) {
    bytes.resize(bytes.len().max(offset + written.len()), 0);
    bytes[offset..offset + written.len()].copy_from_slice(written);
}

impl Disk {
    /// The folder `root` as it stands, all synced. Relative paths in calls begin at `start`.
    pub fn new(root: &Path, start: &Path) -> Self {
        let mut disk = Self {
            root: root.to_owned(),
            start: start.to_owned(),
            nodes: Vec::new(),
            offsets: HashMap::new(),
            operations: 0,
        };
        disk.read(root);
        disk
    }

    fn read(&mut self, folder: &Path) -> usize {
        let number = self.nodes.len();
        self.nodes.push(Node::Folder(Names::default()));
        let mut names = BTreeMap::new();
        for entry in fs::read_dir(folder).unwrap() {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
            let node = if path.is_dir() {
                self.read(&path)
            } else {
                let bytes = fs::read(&path).unwrap();
                self.nodes.push(Node::File(Content { synced: bytes.clone(), current: bytes, waiting: Vec::new() }));
                self.nodes.len() - 1
            };
            names.insert(name.into_string().unwrap(), node);
        }
        self.nodes[number] = Node::Folder(Names { synced: names.clone(), current: names, waiting: Vec::new() });
        number
    }

    /// Follows a call that has ended. Calls come in the order in which they ended.
    pub fn follow(&mut self, call: &Call) {
        let Some(result) = call.result() else { return };
        match call.name.as_str() {
            "open" | "creat" => panic!("a call that Rust's library does not make: {call:?}"),
            "openat" => self.open(call, result),
            "lseek" => {
                self.offsets.insert(call.descriptor(0), Some(size(result)));
            }
            "write" | "writev" | "pwrite64" => self.write(call, size(result)),
            "ftruncate" => self.change(call, Change::Length(size(call.number(1)))),
            "fallocate" => self.allocate(call),
            "rename" => self.rename(call, &call.path(0), &call.path(1)),
            "renameat" | "renameat2" => self.rename(call, &beside(call, 0), &beside(call, 2)),
            "unlink" | "rmdir" => self.name(call, &call.path(0), None),
            "unlinkat" => self.name(call, &beside(call, 0), None),
            "mkdir" => self.make(call, &call.path(0)),
            "mkdirat" => self.make(call, &beside(call, 0)),
            "fsync" | "fdatasync" => {
                if let Some(node) = call.file(0).and_then(|path| self.find(&path)) {
                    self.sync(node, call.begun);
                }
            }
            "syncfs" | "sync" => (0..self.nodes.len()).for_each(|node| self.sync(node, call.begun)),
            "dup" | "dup2" | "dup3" | "fcntl" | "execve" | "sendto" | "sendmsg" => {}
            _ => assert!(
                !(0..4).any(|place| call.file(place).is_some_and(|path| path.starts_with(&self.root))),
                "this model does not know the call {call:?}"
            ),
        }
    }

    /// What calls that were under way at a cut may have done already: some of it.
    pub fn interrupt<'a>(&mut self, running: impl Iterator<Item = &'a Call>, dice: &Dice) {
        for call in running.filter(|call| call.name == "pwrite64") {
            let mut bytes = call.bytes();
            bytes.truncate([0, dice.index(bytes.len() + 1), bytes.len()][dice.index(3)]);
            self.change(call, Change::Write(size(call.number(3)), bytes));
        }
    }

    fn open(&mut self, call: &Call, descriptor: i64) {
        let Some(path) = call.opened().filter(|path| path.starts_with(&self.root)) else { return };
        let flags = call.argument(2);
        if self.find(&path).is_none() && flags.contains("O_CREAT") {
            self.nodes.push(Node::File(Content::default()));
            self.name(call, &path, Some(self.nodes.len() - 1));
        } else if let Some(node) = self.find(&path)
            && flags.contains("O_TRUNC")
        {
            self.changed(node, call.ended, Change::Length(0));
        }
        self.offsets.insert(descriptor, (!flags.contains("O_APPEND")).then_some(0));
    }

    fn write(&mut self, call: &Call, len: usize) {
        let Some(node) = call.file(0).and_then(|path| self.find(&path)) else { return };
        let Node::File(content) = &self.nodes[node] else { return };
        let mut bytes = call.bytes();
        bytes.truncate(len);
        let end = content.current.len();
        let offset = if call.name == "pwrite64" {
            size(call.number(3))
        } else {
            let at = self.offsets.get(&call.descriptor(0)).copied().flatten();
            self.offsets.insert(call.descriptor(0), at.map(|at| at + len));
            at.unwrap_or(end)
        };
        self.changed(node, call.ended, Change::Write(offset, bytes));
    }

    fn allocate(&mut self, call: &Call) {
        let (mode, end) = (call.argument(1), size(call.number(2) + call.number(3)));
        if mode.contains("PUNCH_HOLE") || mode.contains("ZERO_RANGE") {
            self.change(call, Change::Write(size(call.number(2)), vec![0; size(call.number(3))]));
        } else if mode == "0" {
            let Some(Node::File(content)) =
                call.file(0).and_then(|path| self.find(&path)).map(|node| &self.nodes[node])
            else {
                return;
            };
            let len = content.current.len().max(end);
            self.change(call, Change::Length(len));
        }
    }

    fn change(&mut self, call: &Call, change: Change) {
        if let Some(node) = call.file(0).and_then(|path| self.find(&path)) {
            self.changed(node, call.ended, change);
        }
    }

    fn changed(&mut self, node: usize, ended: usize, change: Change) {
        let Node::File(content) = &mut self.nodes[node] else { return };
        change.apply(&mut content.current);
        content.waiting.push((ended, change));
    }

    fn rename(&mut self, call: &Call, from: &Path, to: &Path) {
        let Some(node) = self.find(from) else { return };
        self.name(call, from, None);
        self.operations -= 1;
        self.name(call, to, Some(node));
    }

    fn make(&mut self, call: &Call, path: &Path) {
        self.nodes.push(Node::Folder(Names::default()));
        self.name(call, path, Some(self.nodes.len() - 1));
    }

    /// Gives a name to a node, or takes it away.
    fn name(&mut self, call: &Call, path: &Path, node: Option<usize>) {
        let path = self.start.join(path);
        let Some(folder) = path.parent().and_then(|folder| self.find(folder)) else { return };
        let Node::Folder(names) = &mut self.nodes[folder] else { return };
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        match node {
            Some(node) => drop(names.current.insert(name.clone(), node)),
            None => drop(names.current.remove(&name)),
        }
        names.waiting.push(Entry { ended: call.ended, operation: self.operations, name, node });
        self.operations += 1;
    }

    /// What was done before `begun` is safe from now on.
    fn sync(&mut self, node: usize, begun: usize) {
        match &mut self.nodes[node] {
            Node::File(content) => {
                let synced = &mut content.synced;
                content.waiting.retain(|(ended, change)| {
                    let done = *ended < begun;
                    if done {
                        change.apply(synced);
                    }
                    !done
                });
            }
            Node::Folder(names) => {
                let synced = &mut names.synced;
                names.waiting.retain(|entry| {
                    let done = entry.ended < begun;
                    if done {
                        entry.apply(synced);
                    }
                    !done
                });
            }
        }
    }

    /// The node at a path, now.
    fn find(&self, path: &Path) -> Option<usize> {
        let path = self.start.join(path);
        let mut node = ROOT;
        for part in path.strip_prefix(&self.root).ok()?.components() {
            let (Component::Normal(name), Node::Folder(names)) = (part, &self.nodes[node]) else { return None };
            node = *names.current.get(name.to_str().unwrap())?;
        }
        Some(node)
    }

    /// Makes the folder as it may be found, below `to`, which does not exist yet.
    pub fn image(&self, survival: Survival, dice: &Dice, to: &Path) {
        let chance = [1, 5, 9][dice.index(3)];
        let lives = |_: usize| dice.below(10) < chance;
        let coins: Vec<bool> = (0..self.operations).map(lives).collect();
        self.image_of(ROOT, survival, &coins, &Luck { dice, chance }, to);
    }

    fn image_of(&self, node: usize, survival: Survival, coins: &[bool], luck: &Luck<'_>, to: &Path) {
        match &self.nodes[node] {
            Node::File(content) => fs::write(to, content.after(survival, luck)).unwrap(),
            Node::Folder(names) => {
                fs::create_dir(to).unwrap();
                for (name, node) in names.after(survival, coins) {
                    self.image_of(node, survival, coins, luck, &to.join(name));
                }
            }
        }
    }
}

/// How likely what was not synced survives, in tenths.
struct Luck<'a> {
    dice: &'a Dice,
    chance: u64,
}

impl Luck<'_> {
    fn lives(&self) -> bool {
        self.dice.below(10) < self.chance
    }
}

impl Content {
    fn after(&self, survival: Survival, luck: &Luck<'_>) -> Vec<u8> {
        match survival {
            Survival::All => self.current.clone(),
            Survival::Synced => self.synced.clone(),
            Survival::Some => self.in_part(luck),
        }
    }

    /// Each block as it was after one of its changes; never a later change without the earlier ones of the same block.
    fn in_part(&self, luck: &Luck<'_>) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        let mut reached: HashMap<usize, usize> = HashMap::new();
        let until = || if luck.lives() { self.waiting.len() } else { luck.dice.index(self.waiting.len() + 1) };
        for (number, (_, change)) in self.waiting.iter().enumerate() {
            match change {
                Change::Length(_) if luck.lives() => change.apply(&mut bytes),
                Change::Length(_) => {}
                Change::Write(offset, written) => {
                    let mut at = 0;
                    while at < written.len() {
                        let block = (offset + at) / BLOCK;
                        let end = written.len().min((block + 1) * BLOCK - offset);
                        if number < *reached.entry(block).or_insert_with(until) {
                            put(&mut bytes, offset + at, &written[at..end]);
                        }
                        at = end;
                    }
                }
            }
        }
        // The length may have survived where the bytes did not.
        if luck.lives() && self.current.len() > bytes.len() {
            bytes.resize(self.current.len(), 0);
        }
        bytes
    }
}

impl Names {
    fn after(&self, survival: Survival, coins: &[bool]) -> BTreeMap<String, usize> {
        match survival {
            Survival::All => self.current.clone(),
            Survival::Synced => self.synced.clone(),
            Survival::Some => {
                let mut names = self.synced.clone();
                self.waiting.iter().filter(|entry| coins[entry.operation]).for_each(|entry| entry.apply(&mut names));
                names
            }
        }
    }
}

impl Entry {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self.node {
            Some(node) => drop(names.insert(self.name.clone(), node)),
            None => drop(names.remove(&self.name)),
        }
    }
}

/// A path beside an open folder.
fn beside(call: &Call, place: usize) -> PathBuf {
    call.file(place).unwrap_or_default().join(call.path(place + 1))
}

fn size(number: impl TryInto<usize, Error: std::fmt::Debug>) -> usize {
    number.try_into().unwrap()
}
