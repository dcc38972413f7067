//! What `strace -f -y` wrote, as calls in the order in which they ended.

use std::collections::HashMap;

/// One call of one thread.
#[derive(Debug)]
pub struct Call {
    pub name: String,
    /// Arguments as strace writes them.
    pub arguments: String,
    /// What it returned, with its descriptor's path or its error; empty while it ran when the process ended.
    pub answer: String,
    /// Line of the trace where it begins.
    pub begun: usize,
    /// Line where it ends; behind all others for one that never did.
    pub ended: usize,
}

impl Call {
    fn new(name: &str, text: &str, begun: usize, ended: usize) -> Self {
        let (arguments, answer) = text.rsplit_once(") ").unwrap_or((text, ""));
        Self {
            name: name.to_owned(),
            arguments: arguments.trim_end_matches(')').to_owned(),
            answer: answer.trim_start().trim_start_matches("= ").to_owned(),
            begun,
            ended,
        }
    }

    /// What it returned; `None` while it ran when the process ended, or when it failed.
    pub fn result(&self) -> Option<i64> {
        let number: String = self.answer.chars().take_while(|c| c.is_ascii_digit() || *c == '-').collect();
        number.parse().ok().filter(|number| *number >= 0)
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
