//! `zegel keys`: makes, lists, changes and checks keys. No key is ever shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use super::desk::{Desk, keys_of, odd};
use super::{Asking, Keys, complain};
use crate::base::OsEntropy;
use crate::config::Config;
use crate::daemon::keys::{self, KeysError, Source};
use crate::daemon::operate::Request;
use crate::daemon::rotate::{KeyAnswer, KeyRequest, KeyRow, Progress, id_of, name};

/// Carries one out.
pub async fn run(command: Keys) -> ExitCode {
    match command {
        Keys::New { to, file } => done(&to, new(&to, file)),
        Keys::List { to } => done(&to, Box::pin(list(&to)).await),
        Keys::Rotate { to } => done(&to, rotate(&to).await),
        Keys::Retire { to, id, file } => done(&to, Box::pin(retire(&to, &id, file)).await),
        Keys::Check { to, copy_kept } => check(&to, copy_kept).await,
        Keys::RecoveryNew { out } => recovery_new(&out),
    }
}

/// Why a command ends without its result.
enum Failure {
    /// The config cannot be used.
    Config(String),
    /// Anything else.
    Other(String),
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Other(text)
    }
}

impl From<KeysError> for Failure {
    fn from(cause: KeysError) -> Self {
        Self::Other(cause.to_string())
    }
}

impl Failure {
    fn exit(&self) -> ExitCode {
        match self {
            Self::Config(text) => {
                eprintln!("{text}");
                ExitCode::from(super::BAD_CONFIG)
            }
            Self::Other(text) => complain(text),
        }
    }
}

/// What a command says, as text and as JSON.
struct Said {
    text: String,
    json: serde_json::Value,
}

impl Said {
    fn new(text: String, json: &impl Serialize) -> Result<Self, Failure> {
        let json = serde_json::to_value(json).map_err(|cause| cause.to_string())?;
        Ok(Self { text, json })
    }

    fn print(&self, as_json: bool) {
        if as_json { println!("{:#}", self.json) } else { print!("{}", self.text) }
    }
}

fn done(to: &Asking, said: Result<Said, Failure>) -> ExitCode {
    match said {
        Ok(said) => {
            said.print(to.json);
            ExitCode::SUCCESS
        }
        Err(failure) => failure.exit(),
    }
}

fn config(to: &Asking) -> Result<Config, Failure> {
    Config::load(&to.file.config).map_err(|cause| Failure::Config(cause.to_string()))
}

/// Asks which keys there are, and so opens the desk.
async fn open(config: Config) -> Result<(Desk, KeyAnswer), Failure> {
    let (desk, answer) = Desk::open(config, &Request::Keys { request: KeyRequest::Show }).await?;
    match keys_of(answer) {
        Ok(answer) => Ok((desk, answer)),
        Err(text) => {
            desk.close().await;
            Err(text.into())
        }
    }
}

fn new(to: &Asking, file: Option<PathBuf>) -> Result<Said, Failure> {
    let file = match file {
        Some(file) => file,
        None => Source::find(config(to)?.root_key.as_deref())?.writable()?.to_owned(),
    };
    let added = keys::add(&file, &OsEntropy)?;
    let (file, id) = (file.display(), name(added.id));
    let keep = "Keep a copy elsewhere: without it nothing can be opened.";
    let text = if added.made {
        format!("{file} holds a new root key, {id}. {keep}\n")
    } else {
        format!("{file} has a new root key, {id}, which counts after `zegel keys rotate`. {keep}\n")
    };
    Said::new(text, &serde_json::json!({ "id": id, "file": file.to_string(), "made": added.made }))
}

/// What hangs on the keys, over all locks.
#[derive(Debug, Default, Serialize)]
struct Counted {
    locks: BTreeMap<String, u64>,
    prepared: BTreeMap<String, u64>,
    recovery: u64,
    other: u64,
    damaged: u64,
}

impl Counted {
    async fn all(desk: &Desk) -> Result<Self, String> {
        let mut counted = Self::default();
        let mut after = None;
        loop {
            let answer = desk.ask_keys(KeyRequest::Count { after: after.take() }).await?;
            let KeyAnswer::Count { locks, prepared, recovery, other, damaged, next } = answer else {
                return Err(odd());
            };
            for (id, count) in locks {
                *counted.locks.entry(id).or_default() += count;
            }
            for (id, count) in prepared {
                *counted.prepared.entry(id).or_default() += count;
            }
            counted.recovery += recovery;
            counted.other += other;
            counted.damaged += damaged;
            after = next;
            if after.is_none() {
                return Ok(counted);
            }
        }
    }

    fn on(&self, id: &str) -> u64 {
        self.locks.get(id).copied().unwrap_or_default()
    }

    /// `312 locks (2 of prepared messages)`.
    fn text(&self, id: &str) -> String {
        let prepared = self.prepared.get(id).map(|count| format!(" ({count} of prepared messages)"));
        format!("{} locks{}", self.on(id), prepared.unwrap_or_default())
    }
}

/// Everything about the keys.
#[derive(Debug, Serialize)]
struct Listing {
    keys: Vec<KeyRow>,
    store_secret: Option<String>,
    recovery: Option<String>,
    rewrap: Option<Progress>,
    problem: Option<String>,
    counted: Counted,
}

impl Listing {
    async fn of(desk: &Desk, shown: KeyAnswer) -> Result<Self, String> {
        let KeyAnswer::Keys { keys, store_secret, recovery, rewrap, problem } = shown else { return Err(odd()) };
        Ok(Self { keys, store_secret, recovery, rewrap, problem, counted: Counted::all(desk).await? })
    }

    /// Keys that something hangs on and that are not there.
    fn missing(&self) -> impl Iterator<Item = &String> {
        let held = |id: &&String| !self.keys.iter().any(|key| key.id == **id);
        self.counted.locks.keys().chain(&self.store_secret).filter(held)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for key in &self.keys {
            let state = match (key.active, key.in_use) {
                (true, _) => "active",
                (_, true) => "older",
                _ => "not in use yet",
            };
            let secret = if self.store_secret.as_ref() == Some(&key.id) { ", the store secret" } else { "" };
            let copy = key.copy_kept.as_ref().map_or("no copy confirmed".into(), |at| format!("copy kept since {at}"));
            let _ = writeln!(text, "{}  {state}  {}{secret}  {copy}", key.id, self.counted.text(&key.id));
        }
        for id in self.missing() {
            let _ = writeln!(text, "{id}  missing  {}", self.counted.text(id));
        }
        if let Some(id) = &self.recovery {
            let _ = writeln!(text, "recovery key {id}  {} locks", self.counted.recovery);
        }
        text
    }
}

async fn list(to: &Asking) -> Result<Said, Failure> {
    let (desk, shown) = open(config(to)?).await?;
    let listing = Listing::of(&desk, shown).await;
    desk.close().await;
    let listing = listing?;
    Said::new(listing.text(), &listing)
}

async fn rotate(to: &Asking) -> Result<Said, Failure> {
    let request = KeyRequest::Rotate;
    let (desk, answer) = Desk::open(config(to)?, &Request::Keys { request }).await?;
    let end = match keys_of(answer) {
        Ok(_) => follow(&desk).await,
        Err(text) => Err(text),
    };
    desk.close().await;
    let end = end?;
    let failed = match end.failed {
        0 => String::new(),
        failed => format!("; {failed} locks do not open and were left as they are (see the log)"),
    };
    let text = format!("everything stands under root key {}: {} locks changed{failed}\n", end.root, end.changed);
    Said::new(text, &end)
}

/// Until everything is wrapped anew, with a line whenever it came further.
async fn follow(desk: &Desk) -> Result<Progress, String> {
    let mut told = 0;
    loop {
        let now = desk.progress().await?;
        if now.done {
            return Ok(now);
        }
        if now.seen >= told + 10_000 {
            told = now.seen;
            eprintln!("{} locks looked at, {} changed", now.seen, now.changed);
        }
    }
}

async fn retire(to: &Asking, id: &str, file: Option<PathBuf>) -> Result<Said, Failure> {
    let number = id_of(id).ok_or_else(|| format!("\"{id}\" is not a root key's id: 8 hexadecimal digits"))?;
    let config = config(to)?;
    let file = match file {
        Some(file) => file,
        None => Source::find(config.root_key.as_deref())?.writable()?.to_owned(),
    };
    let (desk, shown) = open(config).await?;
    let retired = take_out(&desk, shown, number, &file).await;
    desk.close().await;
    retired?;
    let id = name(number);
    let text = format!(
        "root key {id} is no longer in {}. Backups made before now still need it: keep your copy of it as long as them.\n",
        file.display()
    );
    Said::new(text, &serde_json::json!({ "id": id, "file": file.display().to_string() }))
}

/// The file first: what is in memory only goes with the process anyway.
async fn take_out(desk: &Desk, shown: KeyAnswer, number: u32, file: &Path) -> Result<(), String> {
    let listing = Listing::of(desk, shown).await?;
    let id = name(number);
    let key = listing.keys.iter().find(|key| key.id == id);
    if key.is_some_and(|key| key.active) {
        return Err(format!(
            "root key {id} is the active one: add another with `zegel keys new`, then `zegel keys rotate`"
        ));
    }
    let secret = listing.store_secret.as_ref() == Some(&id);
    if secret || listing.counted.on(&id) > 0 {
        let secret = if secret { " and the store secret" } else { "" };
        let locks = listing.counted.text(&id);
        return Err(format!("{locks}{secret} still hang on root key {id}: `zegel keys rotate` moves them"));
    }
    if listing.counted.damaged > 0 {
        let damaged = listing.counted.damaged;
        return Err(format!(
            "{damaged} locks cannot be read, so nobody knows what hangs on root key {id}: see the log"
        ));
    }
    keys::remove(file, number).map_err(|cause| cause.to_string())?;
    if key.is_some_and(|key| key.in_use) {
        desk.ask_keys(KeyRequest::Forget { id }).await?;
    }
    Ok(())
}

async fn check(to: &Asking, copy_kept: bool) -> ExitCode {
    let found = match Box::pin(findings(to, copy_kept)).await {
        Ok(found) => found,
        Err(failure) => return failure.exit(),
    };
    let bad = found.iter().any(|line| line.starts_with("error"));
    if to.json {
        println!("{:#}", serde_json::json!({ "usable": !bad, "findings": found }));
    } else {
        for line in &found {
            println!("{line}");
        }
        println!("the root keyring {}", if bad { "is not right" } else { "opens what the data folder needs" });
    }
    if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

async fn findings(to: &Asking, copy_kept: bool) -> Result<Vec<String>, Failure> {
    let (desk, mut shown) = open(config(to)?).await?;
    let looked = async {
        if copy_kept {
            desk.ask_keys(KeyRequest::CopyKept).await?;
            shown = desk.ask_keys(KeyRequest::Show).await?;
        }
        Listing::of(&desk, shown).await
    };
    let listing = looked.await;
    desk.close().await;
    Ok(judge(&listing?))
}

/// What is wrong, then what is unwise.
fn judge(listing: &Listing) -> Vec<String> {
    let mut found: Vec<String> = listing.problem.iter().map(|problem| format!("error: {problem}")).collect();
    for id in listing.missing() {
        found.push(format!("error: root key {id} is missing: {} hang on it; put it back", listing.counted.text(id)));
    }
    if listing.counted.damaged > 0 {
        found.push(format!("error: {} locks cannot be read: see the log", listing.counted.damaged));
    }
    match &listing.rewrap {
        Some(work) if work.done && work.failed > 0 => {
            found.push(format!("error: {} locks did not open when they were wrapped anew: see the log", work.failed));
        }
        Some(work) if work.done => {}
        _ => found
            .push("warning: not everything stands under the active key yet: `zegel keys rotate` shows how far".into()),
    }
    for key in &listing.keys {
        if !key.in_use {
            found.push(format!("warning: root key {} is not in use yet: `zegel keys rotate`", key.id));
        } else if key.copy_kept.is_none() {
            let id = &key.id;
            found.push(format!(
                "warning: nobody has confirmed that a copy of root key {id} is kept elsewhere: `zegel keys check --copy-kept`"
            ));
        }
    }
    found
}

fn recovery_new(out: &Path) -> ExitCode {
    match keys::create_recovery(out, &OsEntropy) {
        Ok((public, key)) => {
            println!(
                "{} is the private half of recovery key {}: keep it offline, in two places, and away from the gateway.\n\
                 {} is the public half: bring it to the gateway and name it in keys.recovery.",
                out.display(),
                key.id(),
                public.display()
            );
            ExitCode::SUCCESS
        }
        Err(cause) => complain(&cause.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut Listing);

    fn listing() -> Listing {
        let key = |id: &str, active| KeyRow { id: id.into(), active, in_use: true, copy_kept: Some("2026".into()) };
        Listing {
            keys: vec![key("0000000a", false), key("0000000b", true)],
            store_secret: Some("0000000b".into()),
            recovery: None,
            rewrap: Some(Progress { root: "0000000b".into(), done: true, seen: 3, changed: 3, failed: 0 }),
            problem: None,
            counted: Counted { locks: BTreeMap::from([("0000000b".into(), 3)]), ..Counted::default() },
        }
    }

    #[test]
    fn everything_that_is_not_right_is_found() {
        assert!(judge(&listing()).is_empty());
        let cases: [(Change, &str); 8] = [
            (|l| l.problem = Some("mode".into()), "error: mode"),
            (|l| l.counted.locks.extend([("0000000c".into(), 1)]), "error: root key 0000000c is missing: 1 locks"),
            (|l| l.store_secret = Some("0000000d".into()), "error: root key 0000000d is missing"),
            (|l| l.counted.damaged = 2, "error: 2 locks cannot be read"),
            (|l| l.rewrap.as_mut().unwrap().failed = 1, "error: 1 locks did not open"),
            (|l| l.rewrap.as_mut().unwrap().done = false, "warning: not everything"),
            (|l| l.keys[1].in_use = false, "warning: root key 0000000b is not in use yet"),
            (|l| l.keys[0].copy_kept = None, "warning: nobody has confirmed that a copy of root key 0000000a"),
        ];
        for (change, expected) in cases {
            let mut listing = listing();
            change(&mut listing);
            let found = judge(&listing);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{expected}: {found:?}");
        }
    }

    #[test]
    fn a_list_names_what_hangs_on_each_key() {
        let mut listing = listing();
        listing.counted.prepared.insert("0000000b".into(), 1);
        listing.counted.locks.insert("0000000c".into(), 2);
        listing.recovery = Some("0011".into());
        let expected = "0000000a  older  0 locks  copy kept since 2026\n\
                        0000000b  active  3 locks (1 of prepared messages), the store secret  copy kept since 2026\n\
                        0000000c  missing  2 locks\n\
                        recovery key 0011  0 locks\n";
        assert_eq!(listing.text(), expected);
    }
}
