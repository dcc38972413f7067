//! `zegel explain`: what would happen to a mail and by which rule, for each recipient, from the config file alone.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::{complain, load};
use crate::config::Config;
use crate::daemon;
use crate::mail::{Address, MailFrom, Reply};
use crate::policy::{Considered, Finding, Level, Mode, Proof, Terms};
use crate::relay::Peer;
use crate::relay::forecast::{Fate, Forecast, Question, forecast};

/// What is asked.
#[derive(Debug, clap::Args)]
pub struct Explain {
    #[command(flatten)]
    file: super::ConfigFile,
    /// The envelope sender; <> for the null sender.
    #[arg(long, value_name = "ADDRESS")]
    from: String,
    /// A recipient; may be repeated.
    #[arg(long, value_name = "ADDRESS", required = true)]
    to: Vec<String>,
    /// The listener that it comes in at; the first one of the config when left out.
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// The mail. Without it only the envelope is judged.
    mail: Option<PathBuf>,
}

/// Explains.
pub fn run(asked: &Explain) -> ExitCode {
    let config = match load(&asked.file.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match explain(asked, &config) {
        Ok(told) => {
            print!("{told}");
            ExitCode::SUCCESS
        }
        Err(text) => complain(&text),
    }
}

fn explain(asked: &Explain, config: &Config) -> Result<String, String> {
    let address = |text: &String| text.parse::<Address>().map_err(|_| format!("\"{text}\" is not a mail address"));
    let path = if matches!(asked.from.as_str(), "" | "<>") { None } else { Some(address(&asked.from)?) };
    let from = MailFrom { path, params: Vec::new() };
    let to: Vec<Address> = asked.to.iter().map(address).collect::<Result<_, _>>()?;
    let peer = peer(config, asked.listener.as_deref())?;
    let mail = asked.mail.as_deref().map(|file| read(file, config.receive.max_size)).transpose()?;
    let routes = daemon::hops::of_config(config).map_err(|cause| cause.to_string())?;
    let answer = if let Some(None) = &mail {
        Err(Reply::new(552, "5.3.4 The mail is larger than mail.max_size"))
    } else {
        let mail = mail.as_ref().and_then(|mail| mail.as_deref());
        let question = Question { peer: &peer, from: &from, to: &to, mail };
        let sender = from.path.as_ref().map(Address::domain);
        forecast(&config.relay, &config.policy, &question, |to| routes.of(sender, to).name().to_owned())
    };
    Ok(if asked.json { object(&peer, &answer).to_string() + "\n" } else { text(&peer, &answer) })
}

/// A client of the listener, without a login.
fn peer(config: &Config, name: Option<&str>) -> Result<Peer, String> {
    let mut listeners = config.receive.listeners.iter();
    let listener = listeners.find(|listener| name.is_none_or(|name| *listener.name == *name));
    let names = || config.receive.listeners.iter().map(|listener| &*listener.name).collect::<Vec<_>>().join(", ");
    let listener = listener.ok_or_else(|| format!("there is no such listener; there are: {}", names()))?;
    Ok(Peer {
        addr: listener.address.ip(),
        helo: String::new(),
        esmtp: true,
        tls: true,
        user: None,
        senders: [].into(),
        listener: listener.name.clone(),
        sender_domains: listener.sender_domains.clone(),
        tenants: listener.tenants.clone(),
        stamp: listener.stamp.clone(),
    })
}

/// The file with CRLF line ends; `None` when it is larger than any mail that is taken.
fn read(file: &Path, max_size: u64) -> Result<Option<Vec<u8>>, String> {
    let mut raw = Vec::new();
    let read = File::open(file).and_then(|opened| opened.take(max_size.saturating_add(1)).read_to_end(&mut raw));
    read.map_err(|cause| format!("{}: {cause}", file.display()))?;
    let mut mail = Vec::with_capacity(raw.len());
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(bare) => mail.extend([bare.strip_suffix(b"\r").unwrap_or(bare), b"\r\n"].concat()),
            None => mail.extend(line),
        }
    }
    Ok(Some(mail).filter(|mail| mail.len() as u64 <= max_size))
}

fn said(reply: &Reply) -> String {
    format!("{} {}", reply.code(), reply.text().join(" "))
}

const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Assisted => "assisted",
        Mode::Strict => "strict",
    }
}

/// How it opens: as the mail asks, else for somebody of whom nothing is known yet.
const fn proof(terms: &Terms) -> &'static str {
    match (&terms.proof, terms.level) {
        (Some(Proof::Sms(_)), _) => "sms",
        (Some(Proof::Mail), _) | (None, Level::Mail) => "mail",
        (Some(Proof::Code), _) | (None, Level::Code) => "code",
    }
}

/// The same in words.
fn opens(terms: &Terms) -> &'static str {
    match (proof(terms), &terms.proof) {
        ("mail", _) => "; a code by mail opens it, for whom nothing stronger is known",
        ("sms", _) => "; a code by SMS opens it",
        (_, Some(_)) => "; an access code opens it",
        (_, None) => "",
    }
}

fn days(life: Duration) -> u64 {
    life.as_secs() / 86_400
}

/// What the triggers found, without those that a stronger one made moot.
fn reasons(found: &[Considered]) -> Vec<String> {
    let word = |finding: &Finding| match finding {
        Finding::No => "finds nothing",
        Finding::Seal => "seals",
        Finding::Refuse(_) => "refuses",
    };
    found.iter().map(|one| format!("{} {}", one.trigger, word(&one.finding))).collect()
}

fn sentence(forecast: &Forecast) -> String {
    let fate = match &forecast.fate {
        Fate::Pass { hop } => format!("passes, to next hop {hop}"),
        Fate::Open { hop } => format!("passes, to next hop {hop}, unless its header says otherwise"),
        Fate::Seal(terms) => {
            format!("is sealed, {}, for {} days{}", mode(terms.mode), days(terms.expires), opens(terms))
        }
        Fate::Separate(reply) => format!("is sent separately by the client: {}", said(reply)),
        Fate::Refuse(reply) => format!("is refused: {}", said(reply)),
    };
    let mut lines = vec![format!("{} {fate}", forecast.to.as_str())];
    lines.extend(reasons(&forecast.found).iter().map(|reason| format!("  {reason}")));
    lines.join("\n") + "\n"
}

fn text(peer: &Peer, answer: &Result<Vec<Forecast>, Reply>) -> String {
    let told = match answer {
        Ok(forecasts) => forecasts.iter().map(sentence).collect(),
        Err(reply) => format!("the whole mail is refused: {}\n", said(reply)),
    };
    format!("at listener {}:\n{told}", peer.listener)
}

fn object(peer: &Peer, answer: &Result<Vec<Forecast>, Reply>) -> Value {
    let one = |forecast: &Forecast| {
        let (fate, more) = match &forecast.fate {
            Fate::Pass { hop } => ("pass", json!({ "hop": hop })),
            Fate::Open { hop } => ("open", json!({ "hop": hop })),
            Fate::Seal(terms) => {
                let (mode, days) = (mode(terms.mode), days(terms.expires));
                let with = json!({ "reason": terms.reason, "mode": mode, "days": days, "proof": proof(terms) });
                ("seal", with)
            }
            Fate::Separate(reply) => ("separate", json!({ "reply": said(reply) })),
            Fate::Refuse(reply) => ("refuse", json!({ "reply": said(reply) })),
        };
        json!({ "to": forecast.to.as_str(), "fate": fate, "with": more, "found": reasons(&forecast.found) })
    };
    match answer {
        Ok(all) => json!({ "listener": &*peer.listener, "recipients": all.iter().map(one).collect::<Vec<_>>() }),
        Err(reply) => json!({ "listener": &*peer.listener, "refused": said(reply) }),
    }
}
