//! The file as written to the settings of each component, or all mistakes at once: file, line, key, found, allowed.
//!
//! The file is TOML; `config/zegel.toml` explains every key. The environment may replace single values and lists of single
//! values. Reading never stops at the first mistake, and nothing is guessed: an unknown key is a mistake too.

mod brand;
mod hops;
mod kinds;
mod listener;
mod mail;
mod organisation;
mod reader;
mod safety;
mod sms;
mod source;
mod written;

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use hops::HopRoute;
pub use safety::Finding;
pub use source::Mistake;
pub use written::Written;

use crate::mail::{Address, Domain};
use crate::store::retention;
use crate::{intake, nexthop, policy, queue, receive, relay, store, users, web};
use reader::Reading;
use source::Sources;

/// Largest config file, bytes.
const MOST_TEXT: u64 = 1 << 20;

/// Everything that the gateway needs to know.
#[derive(Debug)]
pub struct Config {
    /// Listeners and limits of the SMTP side.
    pub receive: receive::Settings,
    /// How ordinary mail is passed on.
    pub relay: relay::Settings,
    /// Who is home, what is sealed.
    pub policy: Arc<policy::Settings>,
    /// How confidential mail is taken.
    pub intake: intake::Settings,
    /// How our own mails are retried.
    pub queue: queue::Settings,
    /// Which numbers get SMSes, and who sends them.
    pub sms: crate::sms::Settings,
    /// The page.
    pub web: web::Settings,
    /// Who looks at the files of answers before they leave, if anybody.
    pub clamd: Option<crate::malware::Address>,
    /// Where the data are.
    pub store: store::Settings,
    /// How long things stay that are over.
    pub retention: retention::Settings,
    /// Next hops, by name.
    pub next_hops: Vec<nexthop::Settings>,
    /// Which mail goes to which hop; the last resort is `default_hop`.
    pub routes: Vec<HopRoute>,
    /// The hop for all other mail.
    pub default_hop: String,
    /// The hop of the organisation's own mailboxes.
    pub home_hop: String,
    /// What our mails say, and where they come from.
    pub outgoing: Outgoing,
    /// Who may log in at the submission listeners, if anybody.
    pub users: Option<users::Settings>,
    /// Certificate and key of the SMTP side, if it offers STARTTLS.
    pub smtp_tls: Option<CertificateFiles>,
    /// Certificate and key of the page, unless a proxy ends TLS.
    pub page_tls: Option<CertificateFiles>,
    /// The root keyring; `None` for the systemd credential `zegel-root`.
    pub root_key: Option<PathBuf>,
    /// The public half of a recovery key, if there is one.
    pub recovery_key: Option<PathBuf>,
    /// The control socket.
    pub control: PathBuf,
    /// Where metrics and health are served, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// The log.
    pub log: Log,
    /// The keys, as they stand in file and environment.
    pub written: Written,
}

/// What our own mails say of the organisation, and where they come from.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Where sender mails come from.
    pub from: Address,
    /// Domain of the envelope sender of our mails.
    pub bounce_domain: Domain,
}

/// Where a certificate and its key stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM, the chain, own certificate first.
    pub certificate: PathBuf,
    /// PEM, the private key.
    pub key: PathBuf,
}

/// How the log is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// One JSON object a line instead of text.
    pub json: bool,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
}

/// Why there is no config.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// All mistakes, a line each.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Mistakes(Vec<Mistake>),
}

impl Config {
    /// Reads `file`, with the `ZEGEL_…` variables of the environment over it.
    ///
    /// # Errors
    /// When the file cannot be read, or with every mistake in it.
    pub fn load(file: &Path) -> Result<Self, LoadError> {
        let text = read_text(file).map_err(|error| LoadError::Unreadable(file.to_owned(), error))?;
        let environment = std::env::vars().filter(|(name, _)| name.starts_with("ZEGEL_")).collect();
        Self::parse(file, &text, environment)
    }

    /// The same from a text and variables.
    ///
    /// # Errors
    /// With every mistake.
    pub fn parse(file: &Path, text: &str, environment: HashMap<String, String>) -> Result<Self, LoadError> {
        let sources = Sources::parse(file, text, environment).map_err(|mistake| LoadError::Mistakes(vec![mistake]))?;
        let reading = Reading::new(&sources);
        let config = read(&reading, Written::of(sources.values()));
        let mistakes = reading.into_mistakes();
        match config {
            Some(config) if mistakes.is_empty() => Ok(config),
            _ => Err(LoadError::Mistakes(mistakes)),
        }
    }

    /// What is allowed but unsafe or unwise, worst first.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        safety::findings(self)
    }
}

/// The whole file, unless it is larger than any config: a device or a log given by mistake has no end.
fn read_text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = std::fs::File::open(file)?.take(MOST_TEXT + 1).read_to_string(&mut text)?;
    if read as u64 > MOST_TEXT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "this is no config: it is larger than 1 MiB"));
    }
    Ok(text)
}

/// Reads all sections. `None` only when mistakes were noted.
fn read(reading: &Reading<'_>, written: Written) -> Option<Config> {
    let top = reading.top();
    let organisation = organisation::Organisation::read(&top.table("organisation"));
    let home = organisation::read_home(&top.table("home"));
    let page = organisation::read_page(&top.table("page"), organisation.as_ref());
    let hops = hops::read_next_hops(&top);
    let smtp = mail::read_mail(&top.table("mail"));
    let listeners = listener::read_listeners(&top);
    let seal = mail::read_seal(&top, smtp.as_ref());
    let texting = sms::read_sms(&top.table("sms"), page.as_ref().map(|page| page.settings.origin.as_str()));
    let plant = organisation::read_plant(&top);
    top.finish();
    if let (Some(hops), Some(home)) = (&hops, &home) {
        hops::check_hop_names(reading, hops, &home.next_hop);
    }
    let (organisation, home, page) = (organisation?, home?, page?);
    let (hops, smtp, listeners, seal, plant) = (hops?, smtp?, listeners?, seal?, plant?);
    let texting = texting?;
    let sends_sms = !texting.settings.providers.is_empty();
    let web = web::Settings { sends_sms, sms_reports: texting.reports, ..page.settings };
    let helo = smtp.relay.hostname.clone();
    Some(Config {
        receive: receive::Settings { listeners, ..smtp.receive },
        relay: smtp.relay,
        policy: Arc::new(policy::Settings { home: home.home, ..seal.policy }),
        intake: intake::Settings {
            language: organisation.language,
            numbers: sends_sms.then(|| texting.settings.numbers.clone()),
            ..seal.intake
        },
        queue: seal.queue,
        retention: retention::Settings { ended_links: plant.ended_links, ledger: plant.ledger, sessions: web.sessions },
        web,
        clamd: page.clamd,
        sms: texting.settings,
        store: plant.store,
        default_hop: hops.default,
        next_hops: hops.settings.into_iter().map(|hop| nexthop::Settings { helo: helo.clone(), ..hop }).collect(),
        routes: hops.routes,
        home_hop: home.next_hop,
        outgoing: smtp.outgoing,
        users: smtp.users,
        smtp_tls: smtp.tls,
        page_tls: page.tls,
        root_key: plant.root_key,
        recovery_key: plant.recovery_key,
        control: plant.control,
        metrics: plant.metrics,
        log: plant.log,
        written,
    })
}

/// Every key that the reader knows, without indexes: for the test that the shipped file explains each.
#[cfg(test)]
fn known_keys(file: &Path, text: &str) -> std::collections::BTreeSet<String> {
    let sources = Sources::parse(file, text, HashMap::new()).unwrap();
    let reading = Reading::new(&sources);
    let _ = read(&reading, Written::of(sources.values()));
    reading.known()
}

#[cfg(test)]
mod tests;
