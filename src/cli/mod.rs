//! The commands: names and exit codes as in git and cargo. 0 done, 1 not done, 78 a config that cannot be used (sysexits).

mod ask;
mod check;
mod contact;
mod desk;
mod explain;
mod export;
mod health;
mod keys;
mod log;
mod private;
mod serve;
mod show;
mod sms;
mod store;
mod users;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;
use crate::daemon::operate::Answer;

/// The exit code of a bad config (sysexits `EX_CONFIG`).
const BAD_CONFIG: u8 = 78;

/// A mail gateway that keeps confidential mail sealed and lets ordinary mail pass untouched.
#[derive(Debug, Parser)]
#[command(name = "zegel", version, after_help = "Example:\n  zegel demo\n  zegel serve --config /etc/zegel/zegel.toml")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Where the config is.
#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The config file.
    #[arg(long, short, default_value = "/etc/zegel/zegel.toml", value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until stopped.
    #[command(after_help = "Example:\n  zegel serve --config /etc/zegel/zegel.toml")]
    Serve {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Say what is wrong or unsafe in the config.
    #[command(after_help = "Example:\n  zegel check --config zegel.toml")]
    Check {
        #[command(flatten)]
        file: ConfigFile,
        /// One JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Say what would happen to a mail and by which rule, for each recipient. Nothing is sent, and no daemon is asked.
    #[command(after_help = "Example:\n  zegel explain --from anna@voorbeeld.nl --to jan@example.nl brief.eml")]
    Explain(explain::Explain),
    /// Say how the running daemon is: exit 0 while it does all of its work.
    #[command(after_help = "Example:\n  zegel health --json")]
    Health {
        #[command(flatten)]
        to: Asking,
    },
    /// Print the metrics of the running daemon, as `OpenMetrics` text.
    #[command(after_help = "Example:\n  zegel metrics | grep zegel_queue")]
    Metrics {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Try everything on this machine with nothing to configure.
    #[command(after_help = "Example:\n  zegel demo\n  zegel demo --check")]
    Demo {
        /// Make the round trip without a person, print each step with its time, and end.
        #[arg(long)]
        check: bool,
    },
    /// Sealed messages.
    #[command(subcommand)]
    Message(Message),
    /// What senders know of recipients.
    #[command(subcommand)]
    Contact(contact::Contact),
    /// Mails of our own that are still to be sent.
    #[command(subcommand)]
    Queue(Queue),
    /// SMS to recipients.
    #[command(subcommand)]
    Sms(Sms),
    /// Who may log in at the submission listeners.
    #[command(subcommand)]
    User(User),
    /// Root keys and the recovery key.
    #[command(subcommand)]
    Keys(Keys),
    /// The data folder: is it sound, backups of it, export.
    #[command(subcommand)]
    Store(Folder),
}

#[derive(Debug, Subcommand)]
enum Message {
    /// Find messages to or from an address.
    #[command(after_help = "Example:\n  zegel message find jan@example.nl --days 7")]
    Find {
        #[command(flatten)]
        to: Asking,
        /// Address of the sender or a recipient.
        address: String,
        /// Not older than this many days.
        #[arg(long)]
        days: Option<u32>,
    },
    /// Show one message and what became of it for each recipient.
    #[command(after_help = "Example:\n  zegel message show gm4tqmbzgezdgnbvgy3tqojqge")]
    Show {
        #[command(flatten)]
        to: Asking,
        /// Its id, from `message find`.
        id: String,
    },
    /// Take a message back: it can no longer be read, and a notice that still waits never leaves. This cannot be undone.
    #[command(after_help = "Example:\n  zegel message recall gm4tqmbzgezdgnbvgy3tqojqge --recipient jan@example.nl")]
    Recall {
        #[command(flatten)]
        to: Asking,
        /// Its id, from `message find`.
        id: String,
        /// From this recipient only; the others keep it.
        #[arg(long, value_name = "ADDRESS")]
        recipient: Option<String>,
    },
    /// Open the links of a message again after too many wrong codes.
    #[command(after_help = "Example:\n  zegel message unlock gm4tqmbzgezdgnbvgy3tqojqge")]
    Unlock {
        #[command(flatten)]
        to: Asking,
        /// Its id, from `message find`.
        id: String,
    },
}

#[derive(Debug, Subcommand)]
enum Queue {
    /// List them in order of due time.
    #[command(after_help = "Example:\n  zegel queue list --json")]
    List {
        #[command(flatten)]
        to: Asking,
    },
    /// Send nothing until `queue release`; mail is still taken.
    #[command(after_help = "Example:\n  zegel queue hold")]
    Hold {
        #[command(flatten)]
        to: Asking,
    },
    /// Let a held queue go: after a restore, once you have looked at `queue list`.
    #[command(after_help = "Example:\n  zegel queue release")]
    Release {
        #[command(flatten)]
        to: Asking,
    },
}

#[derive(Debug, Subcommand)]
enum Sms {
    /// Send one trial SMS, and say what the provider made of it.
    #[command(after_help = "Example:\n  zegel sms test +31612345678 --provider spryng")]
    Test {
        #[command(flatten)]
        to: Asking,
        /// The number, as people write it.
        number: String,
        /// Through this [[sms.provider]] only; left out: by the order of all.
        #[arg(long, value_name = "NAME")]
        provider: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum User {
    /// Add a user. The password is asked for at the terminal, or read from standard input; it never stands in an argument.
    #[command(after_help = "Example:\n  zegel user add scanner --sender scanner@voorbeeld.nl")]
    Add {
        #[command(flatten)]
        to: Asking,
        /// The name to log in with; case does not matter.
        name: String,
        /// An address, a domain or *.domain that the user may send from; may be repeated. Without it: all that the listener
        /// allows.
        #[arg(long, value_name = "PATTERN")]
        sender: Vec<String>,
    },
    /// Remove a user. Sessions that are logged in go on until they end.
    #[command(after_help = "Example:\n  zegel user remove scanner")]
    Remove {
        #[command(flatten)]
        to: Asking,
        /// The name.
        name: String,
    },
    /// List them, with what each may send from.
    #[command(after_help = "Example:\n  zegel user list --json")]
    List {
        #[command(flatten)]
        to: Asking,
    },
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Add a new root key to a keyring file, or make the file, readable by its owner only. Keep a copy elsewhere: without
    /// it nothing can be opened. `keys rotate` puts the key into use.
    #[command(after_help = "Example:\n  zegel keys new /etc/zegel/root.keys")]
    New {
        #[command(flatten)]
        to: Asking,
        /// The file; keys.root of the config when left out.
        file: Option<PathBuf>,
    },
    /// List the root keys and what hangs on each.
    #[command(after_help = "Example:\n  zegel keys list --json")]
    List {
        #[command(flatten)]
        to: Asking,
    },
    /// Read the keyring again and wrap everything under its last key. Goes on in the daemon when this is interrupted.
    #[command(after_help = "Example:\n  zegel keys new /etc/zegel/root.keys && zegel keys rotate")]
    Rotate {
        #[command(flatten)]
        to: Asking,
    },
    /// Take a root key out of the keyring. Refused while anything hangs on it.
    #[command(after_help = "Example:\n  zegel keys retire 0d4f21aa")]
    Retire {
        #[command(flatten)]
        to: Asking,
        /// Its id, from `keys list`.
        id: String,
        /// The keyring file; keys.root of the config when left out.
        file: Option<PathBuf>,
    },
    /// Say whether the keyring opens what the data folder needs, and whether it lies safely.
    #[command(after_help = "Example:\n  zegel keys check --copy-kept")]
    Check {
        #[command(flatten)]
        to: Asking,
        /// Confirm that a copy of every key in use is kept elsewhere: the warning about it ends.
        #[arg(long)]
        copy_kept: bool,
    },
    /// Make a recovery key, on a machine that is not the gateway: OUT is to be kept offline, OUT.pub goes to keys.recovery.
    #[command(after_help = "Example:\n  zegel keys recovery-new recovery.key")]
    RecoveryNew {
        /// Where the private half goes; the public half goes beside it.
        out: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum Folder {
    #[command(flatten)]
    Upkeep(store::Upkeep),
    /// Write messages as .eml files with the recovery key, from a folder that no daemon holds or a copy of one.
    #[command(after_help = "Example:\n  zegel store export --recovery-key recovery.key --folder /mnt/copy out/\n  \
                            gpg -d recovery.key.gpg | zegel store export --recovery-key - --folder /mnt/copy out/")]
    Export {
        #[command(flatten)]
        to: Asking,
        /// The file with the private half, or - for standard input.
        #[arg(long, value_name = "FILE")]
        recovery_key: PathBuf,
        /// The data folder; store.folder of the config when left out.
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
        /// Only messages from or to this address.
        #[arg(long)]
        address: Option<String>,
        /// Where the files go; made, readable by you only.
        out: PathBuf,
    },
}

/// Which gateway is asked, and how the answer is written.
#[derive(Debug, clap::Args)]
struct Asking {
    #[command(flatten)]
    file: ConfigFile,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    private::keep_memory();
    let arguments = Arguments::parse();
    std::panic::set_hook(Box::new(|panic| eprintln!("zegel: {}", fault(panic.location()))));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => return complain(&format!("the runtime does not start: {cause}")),
    };
    runtime.block_on(run(arguments.command))
}

/// What is said of a panic: its place only, since the text of one may quote what a mail holds.
fn fault(place: Option<&std::panic::Location<'_>>) -> String {
    place.map_or_else(|| "a fault".to_owned(), |place| format!("a fault at {place}"))
}

async fn run(command: Command) -> ExitCode {
    match command {
        Command::Serve { file } => serve::run(&file.config).await,
        Command::Check { file, json } => check::run(&file.config, json),
        Command::Explain(asked) => explain::run(&asked),
        Command::Health { to } => health::health(&to).await,
        Command::Metrics { file } => health::metrics(&file).await,
        Command::Demo { check } => demo(check).await,
        Command::Message(Message::Find { to, address, days }) => ask::find(&to, address, days).await,
        Command::Message(Message::Show { to, id }) => ask::show(&to, id).await,
        Command::Message(Message::Unlock { to, id }) => ask::unlock(&to, id).await,
        Command::Message(Message::Recall { to, id, recipient }) => ask::recall(&to, id, recipient).await,
        Command::Contact(command) => command.run().await,
        Command::Queue(Queue::List { to }) => ask::queue(&to).await,
        Command::Sms(Sms::Test { to, number, provider }) => sms::test(&to, number, provider).await,
        Command::User(command) => users::run(command).await,
        Command::Keys(command) => Box::pin(keys::run(command)).await,
        Command::Store(Folder::Export { to, recovery_key, folder, address, out }) => {
            export::run(&to, &recovery_key, folder, address.as_deref(), &out).await
        }
        Command::Queue(Queue::Hold { to }) => ask::hold(&to).await,
        Command::Queue(Queue::Release { to }) => ask::release(&to).await,
        Command::Store(Folder::Upkeep(command)) => command.run().await,
    }
}

async fn demo(check: bool) -> ExitCode {
    let result = if check { crate::demo::check().await } else { crate::demo::run().await };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => complain(&cause.to_string()),
    }
}

/// The config; or the end of the command, its mistakes told on standard error.
fn load(file: &Path) -> Result<Config, ExitCode> {
    Config::load(file).map_err(|cause| {
        eprintln!("{cause}");
        ExitCode::from(BAD_CONFIG)
    })
}

/// Writes an answer, as text or JSON.
fn say(to: &Asking, answer: &Answer) -> Result<(), ExitCode> {
    if to.json {
        println!("{}", serde_json::to_string_pretty(answer).map_err(|cause| complain(&cause.to_string()))?);
    } else {
        print!("{}", show::text(answer));
    }
    Ok(())
}

/// Says on standard error why it did not work.
fn complain(text: &str) -> ExitCode {
    eprintln!("zegel: {text}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn leaves(command: &clap::Command) -> Vec<clap::Command> {
        if !command.has_subcommands() {
            return vec![command.clone()];
        }
        command.get_subcommands().filter(|c| c.get_name() != "help").flat_map(leaves).collect()
    }

    #[test]
    fn the_commands_are_well_formed_and_each_has_an_example() {
        let mut command = Arguments::command();
        command.clone().debug_assert();
        command.build();
        for leaf in leaves(&command) {
            let help = leaf.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Example:\n  zegel "), "{} has no example", leaf.get_name());
        }
    }
}
