//! `zegel user`: who may log in at the submission listeners. It changes the file of users; a running gateway notices by itself.

use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use serde_json::json;
use zeroize::Zeroizing;

use super::{User, complain, load};
use crate::base::OsEntropy;
use crate::seal::code::Cost;
use crate::seal::hashers::Hashers;
use crate::seal::password::PasswordHash;
use crate::users::file::{self, List};

/// Characters of a password at least.
const SHORTEST: usize = 12;
/// Octets of a password at most.
const LONGEST: usize = 1024;

/// Runs one of the commands.
pub async fn run(command: User) -> ExitCode {
    let to = match &command {
        User::Add { to, .. } | User::Remove { to, .. } | User::List { to } => to,
    };
    let config = match load(&to.file.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let Some(settings) = config.users else {
        return complain("mail.users is not set: the config names no file of users");
    };
    let file = &settings.file;
    let done = match &command {
        User::Add { name, sender, .. } => match hash_of_new_password().await {
            Ok(hash) => List::change(file, |list| list.add(file::User::new(name, hash, sender.clone())?)),
            Err(text) => return complain(&text),
        },
        User::Remove { name, .. } => List::change(file, |list| list.remove(name)),
        User::List { .. } => Ok(()),
    };
    if let Err(cause) = done {
        return complain(&cause.to_string());
    }
    match List::read(file) {
        Ok(list) => say(&list, &command),
        Err(cause) => complain(&cause.to_string()),
    }
}

fn say(list: &List, command: &User) -> ExitCode {
    let users = list.users();
    match command {
        User::Add { to, name, .. } if to.json => println!("{}", json!({ "added": name, "users": users.len() })),
        User::Remove { to, name } if to.json => println!("{}", json!({ "removed": name, "users": users.len() })),
        User::Add { name, .. } => println!("{name} may log in; a running gateway knows it within 15 seconds"),
        User::Remove { name, .. } => println!("{name} may no longer log in, 15 seconds from now"),
        User::List { to } if to.json => {
            let row = |user: &file::User| json!({ "name": user.name, "senders": user.senders_as_written() });
            println!("{}", json!({ "users": users.iter().map(row).collect::<Vec<_>>() }));
        }
        User::List { .. } => {
            for user in users {
                let senders = user.senders_as_written().join(", ");
                println!("{}  {}", user.name, if senders.is_empty() { "any sender of the listener" } else { &senders });
            }
        }
    }
    ExitCode::SUCCESS
}

async fn hash_of_new_password() -> Result<PasswordHash, String> {
    let password = read_password()?;
    let characters = std::str::from_utf8(&password).map_err(|_| "the password is not UTF-8")?.chars().count();
    if characters < SHORTEST || password.len() > LONGEST || password.iter().any(u8::is_ascii_control) {
        return Err(format!("a password has {SHORTEST} characters or more, on one line"));
    }
    let mut turn = Hashers::new(1).turn().await.map_err(|error| error.to_string())?;
    PasswordHash::new(&password, Cost::default(), &OsEntropy, turn.memory()).map_err(|error| error.to_string())
}

/// From the terminal, twice and unseen; or the first line of standard input.
fn read_password() -> Result<Zeroizing<Vec<u8>>, String> {
    if std::io::stdin().is_terminal() {
        let ask = |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| error.to_string());
        let (first, second) = (ask("Password: ")?, ask("Again: ")?);
        if first != second {
            return Err("the two are not the same".to_owned());
        }
        return Ok(Zeroizing::new(first.as_bytes().to_vec()));
    }
    // Room for the longest: growing would leave copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST * 2));
    std::io::stdin().take(LONGEST as u64 + 2).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.ends_with(b"\n") {
        text.pop();
    }
    if text.ends_with(b"\r") {
        text.pop();
    }
    Ok(text)
}
