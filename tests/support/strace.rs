//! What `strace -f -y -xx -o FILE` wrote, as calls in the order in which they ended.

use std::collections::HashMap;
use std::path::PathBuf;

/// Options that every trace of this kind has; `-o FILE` and the program come behind.
pub const OPTIONS: [&str; 9] = ["-f", "-y", "-xx", "-s", "16777216", "-e", "signal=none", "-e", CALLS];

/// Every call that can change what a disk holds, and `lseek`, which says where a `write` goes.
const CALLS: &str = "trace=open,openat,openat2,creat,write,pwrite64,writev,pwritev,pwritev2,lseek,ftruncate,truncate,\
    fallocate,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,symlinkat,\
    copy_file_range,sendfile,splice,fsync,fdatasync,syncfs,sync,msync,dup,dup2,dup3,fcntl,sendto,sendmsg,execve";

/// One call of one thread.
#[derive(Debug)]
pub struct Call {
    pub name: String,
    /// Arguments as strace writes them; strings and paths in hexadecimal.
    text: String,
    /// What it returned; `None` while it ran when the process ended, or when it failed.
    pub result: Option<i64>,
    /// The path of the descriptor that it returned.
    pub opened: Option<PathBuf>,
    /// Line of the trace where it begins.
    pub begun: usize,
    /// Line where it ends; behind all others for one that never did.
    pub ended: usize,
}

impl Call {
    fn new(name: &str, text: &str, begun: usize, ended: usize) -> Self {
        let (arguments, result) = text.rsplit_once(") ").unwrap_or((text, ""));
        let result = result.trim_start().trim_start_matches("= ");
        let number: String = result.chars().take_while(|c| c.is_ascii_digit() || *c == '-').collect();
        Self {
            name: name.to_owned(),
            text: arguments.trim_end_matches(')').to_owned(),
            result: number.parse().ok().filter(|number| *number >= 0),
            opened: between(result, '<', '>').map(path),
            begun,
            ended,
        }
    }

    /// The argument in this place. (No string or path has a comma of its own: they are in hexadecimal.)
    pub fn argument(&self, place: usize) -> &str {
        self.text.split(", ").nth(place).unwrap_or_default().trim()
    }

    /// The argument as a number.
    pub fn number(&self, place: usize) -> u64 {
        self.argument(place).parse().unwrap_or_else(|_| panic!("argument {place} of {}({})", self.name, self.text))
    }

    /// The number of the descriptor in this place.
    pub fn descriptor(&self, place: usize) -> i64 {
        self.argument(place).split('<').next().and_then(|number| number.parse().ok()).unwrap_or(-1)
    }

    /// The path of the descriptor in this place; `None` when its file has no name any more.
    pub fn file(&self, place: usize) -> Option<PathBuf> {
        let argument = self.argument(place);
        if argument.ends_with("(deleted)") { None } else { between(argument, '<', '>').map(path) }
    }

    /// The string in this place, as a path.
    pub fn path(&self, place: usize) -> PathBuf {
        path(between(self.argument(place), '"', '"').unwrap_or_default())
    }

    /// All strings one behind the other: what is written.
    pub fn bytes(&self) -> Vec<u8> {
        let strings = self.text.split('"').skip(1).step_by(2);
        strings.flat_map(unescape).collect()
    }
}

/// Reads a trace; calls that others interrupted are put together again.
pub fn calls(trace: &str) -> Vec<Call> {
    let (mut calls, mut open) = (Vec::new(), HashMap::new());
    for (at, line) in trace.lines().enumerate() {
        let (pid, rest) = line.trim_start().split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim_start();
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let Some((name, begun, start)) = open.remove(pid) else { continue };
            let end = resumed.split_once("resumed>").map_or("", |(_, end)| end);
            calls.push(Call::new(name, &format!("{start}{end}"), begun, at));
        } else if let Some((name, text)) = rest.split_once('(').filter(|_| !rest.starts_with(['+', '-'])) {
            match text.split_once(" <unfinished ...>") {
                Some((start, _)) => drop(open.insert(pid, (name, at, start))),
                None => calls.push(Call::new(name, text, at, at)),
            }
        }
    }
    calls.extend(open.into_values().map(|(name, begun, text)| Call::new(name, text, begun, usize::MAX)));
    calls.sort_by_key(|call| call.ended);
    calls
}

fn between(text: &str, from: char, to: char) -> Option<&str> {
    let (_, rest) = text.split_once(from)?;
    Some(rest.split_once(to)?.0)
}

/// What is no file (a pipe, a socket) has a name that is not in hexadecimal, and that matches nothing.
fn path(hexadecimal: &str) -> PathBuf {
    String::from_utf8_lossy(&unescape(hexadecimal)).into_owned().into()
}

fn unescape(text: &str) -> Vec<u8> {
    let digit = |byte: u8| if byte < b'a' { byte.wrapping_sub(b'0') } else { byte - b'a' + 10 };
    text.as_bytes().chunks_exact(4).map(|four| digit(four[2]) << 4 | digit(four[3])).collect()
}
