//! `[mail]`, `[[next_hop]]`, `[seal]` and `[[rule]]`.

use std::time::Duration;

use secrecy::SecretString;

use super::kinds::{self, one_of};
use super::organisation::read_certificate;
use super::reader::{Reading, Table};
use super::{CertificateFiles, Outgoing};
use crate::mail::Domain;
use crate::policy::{Action, Home, Mode, Rule};
use crate::seal::code::Cost;
use crate::{intake, nexthop, policy, queue, receive, relay, users};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const MIB: u64 = 1 << 20;

/// `[mail]`.
#[derive(Debug)]
pub struct MailSection {
    /// Without listeners yet.
    pub receive: receive::Settings,
    /// Passing on.
    pub relay: relay::Settings,
    /// Our own mails.
    pub outgoing: Outgoing,
    /// For STARTTLS.
    pub tls: Option<CertificateFiles>,
    /// Who may log in.
    pub users: Option<users::Settings>,
}

/// Reads `[mail]`; `None` after a mistake.
pub fn read_mail(table: &Table<'_, '_>) -> Option<MailSection> {
    let hostname = table.required("hostname", &kinds::domain()).map(|name| name.to_string());
    let from = table.required("from", &kinds::address());
    let bounce_domain = table.required("bounce_domain", &kinds::domain());
    let tls = read_certificate(table);
    let max_size = table.or("max_size", &kinds::size(MIB, 1024 * MIB), 50 * MIB);
    let max_recipients = table.or("max_recipients", &kinds::count(100, 10_000), 1_000);
    let max_sessions = table.or("max_sessions", &kinds::count(1, 100_000), 1_000);
    let command_timeout = table.or("command_timeout", &kinds::duration(10 * SECOND, HOUR), 5 * MINUTE);
    let data_timeout = table.or("data_timeout", &kinds::duration(10 * SECOND, HOUR), 3 * MINUTE);
    let max_received = table.or("max_received", &kinds::count(10, 200), 50);
    let file = table.optional("users", &kinds::path());
    let hashers = table.or("max_password_checks", &kinds::count(1, 64), 2);
    table.finish();
    let hostname = hostname?;
    Some(MailSection {
        relay: relay::Settings {
            hostname: hostname.clone(),
            max_header: 256 * 1024,
            collect: 256 * 1024,
            max_received,
        },
        receive: receive::Settings {
            hostname,
            listeners: Vec::new(),
            max_size,
            max_recipients,
            max_sessions,
            command_timeout,
            data_timeout,
        },
        outgoing: Outgoing { from: from?, bounce_domain: bounce_domain? },
        tls,
        users: file.map(|file| users::Settings { file, hashers, limits: users::Limits::default() }),
    })
}

/// All `[[next_hop]]`s, not yet with the name that we give in EHLO.
#[derive(Debug)]
pub struct Hops {
    /// In order.
    pub settings: Vec<nexthop::Settings>,
    /// Those with `recipient_domains`.
    pub routes: Vec<(Vec<Domain>, String)>,
    /// The one without.
    pub default: String,
}

/// Reads every `[[next_hop]]`; `None` after a mistake.
pub fn read_next_hops(top: &Table<'_, '_>) -> Option<Hops> {
    let tables = top.tables("next_hop");
    if tables.is_empty() && !top.has("next_hop") {
        top.refuse("next_hop", "nothing", "at least one [[next_hop]]");
    }
    let mut hops = Hops { settings: Vec::new(), routes: Vec::new(), default: String::new() };
    let mut complete = !tables.is_empty();
    for table in &tables {
        let Some((settings, domains)) = read_next_hop(table) else {
            complete = false;
            continue;
        };
        if hops.settings.iter().any(|other| other.name == settings.name) {
            table.refuse("name", format!("\"{}\" a second time", settings.name), "a name of its own");
            complete = false;
        }
        if !domains.is_empty() {
            hops.routes.push((domains, settings.name.clone()));
        } else if hops.default.is_empty() {
            hops.default.clone_from(&settings.name);
        } else if !table.has("recipient_domains") {
            table.refuse(
                "recipient_domains",
                "nothing",
                format!("domains: \"{}\" takes all others already", hops.default),
            );
            complete = false;
        }
        hops.settings.push(settings);
    }
    if complete && hops.default.is_empty() {
        top.refuse("next_hop", "recipient_domains in every one", "one [[next_hop]] without, for all other recipients");
        return None;
    }
    complete.then_some(hops)
}

fn read_next_hop(table: &Table<'_, '_>) -> Option<(nexthop::Settings, Vec<Domain>)> {
    #[derive(Clone, Copy)]
    enum Mode {
        Verified,
        Implicit,
        Off,
    }
    let name = table.required("name", &kinds::name());
    let hosts = table.some("hosts", &kinds::host());
    let modes = &[("verified", Mode::Verified), ("implicit", Mode::Implicit), ("off", Mode::Off)];
    let mode = table.or("tls", &one_of(modes), Mode::Verified);
    let ca = table.optional("ca", &kinds::file());
    let user = table.optional("user", &kinds::text());
    let password_file = table.optional("password_file", &kinds::file());
    let domains = table.list("recipient_domains", &kinds::domain());
    let max_connections = table.or("max_connections", &kinds::count(1, 1_000), 20);
    let lease_wait = table.or("wait", &kinds::duration(SECOND, MINUTE), 10 * SECOND);
    let connect_timeout = table.or("connect_timeout", &kinds::duration(SECOND, 5 * MINUTE), 30 * SECOND);
    let command_timeout = table.or("command_timeout", &kinds::duration(SECOND, 15 * MINUTE), 5 * MINUTE);
    let dot_timeout = table.or("dot_timeout", &kinds::duration(SECOND, 30 * MINUTE), 10 * MINUTE);
    table.finish();
    let login = match (user, password_file) {
        (Some(user), Some(file)) => {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            Some(nexthop::Login { user, password: SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned()) })
        }
        (None, None) => None,
        (_, None) if table.has("password_file") => return None,
        (Some(_), None) => {
            table.refuse("password_file", "nothing", "a file with the password of user");
            return None;
        }
        (None, Some(_)) if table.has("user") => return None,
        (None, Some(_)) => {
            table.refuse("user", "nothing", "the user name of the password");
            return None;
        }
    };
    let tls = match mode {
        Mode::Verified => nexthop::Tls::Verified { ca },
        Mode::Implicit => nexthop::Tls::Implicit { ca },
        Mode::Off => nexthop::Tls::Off,
    };
    let settings = nexthop::Settings {
        name: name?,
        hosts: hosts?,
        tls,
        login,
        helo: String::new(),
        max_connections,
        lease_wait,
        connect_timeout,
        command_timeout,
        dot_timeout,
    };
    Some((settings, domains))
}

/// `home.next_hop` must name a hop.
pub fn check_hop_names(reading: &Reading<'_>, hops: &Hops, home: &str) {
    if !hops.settings.iter().any(|hop| hop.name == home) {
        let names: Vec<&str> = hops.settings.iter().map(|hop| hop.name.as_str()).collect();
        reading.refuse(
            "home.next_hop",
            format!("\"{home}\""),
            format!("the name of a [[next_hop]]: {}", names.join(", ")),
        );
    }
}

/// `[seal]` and `[[rule]]`.
#[derive(Debug)]
pub struct SealSection {
    /// Without home yet.
    pub policy: policy::Settings,
    /// Without language yet.
    pub intake: intake::Settings,
    /// Retries.
    pub queue: queue::Settings,
}

/// Reads `[seal]` and every `[[rule]]`; `None` after a mistake.
pub fn read_seal(top: &Table<'_, '_>, mail: Option<&MailSection>) -> Option<SealSection> {
    let table = top.table("seal");
    let mut tags = table.list("tags", &kinds::text());
    if !table.has("tags") {
        tags = ["veilig", "vertrouwelijk", "secure", "confidential"].map(String::from).to_vec();
    }
    let expires = table.or("expires", &kinds::duration(DAY, 365 * DAY), 90 * DAY);
    // The only kind so far; a key now, so that a file that asks for another is refused instead of ignored.
    let () = table.or("access", &one_of(&[("code", ())]), ());
    let mode = table.or("mode", &one_of(MODES), Mode::Assisted);
    let hashers = table.or("max_code_checks", &kinds::count(1, 64), 2);
    let workers = table.or("workers", &kinds::count(1, 256), 8);
    let notice_give_up = table.or("notice_give_up", &kinds::duration(HOUR, 14 * DAY), 48 * HOUR);
    let sender_give_up = table.or("sender_give_up", &kinds::duration(HOUR, 14 * DAY), 5 * DAY);
    table.finish();
    let rules: Vec<Option<Rule>> = top.tables("rule").iter().map(read_rule).collect();
    let rules: Option<Vec<Rule>> = rules.into_iter().collect();
    Some(SealSection {
        policy: policy::Settings {
            home: Home::default(),
            rules: rules?,
            tags: tags.into_iter().map(|tag| tag.to_lowercase()).collect(),
            expires,
            mode,
        },
        intake: intake::Settings {
            max_size: mail?.receive.max_size,
            cost: Cost::default(),
            strict_cost: Cost::STRICT,
            hashers,
            language: String::new(),
        },
        queue: queue::Settings { workers, notice_give_up, sender_give_up },
    })
}

/// Who can open what is sealed, as the file says it.
const MODES: &[(&str, Mode)] = &[("assisted", Mode::Assisted), ("strict", Mode::Strict)];

fn read_rule(table: &Table<'_, '_>) -> Option<Rule> {
    let name = table.required("name", &kinds::text());
    let from = table.list("from", &kinds::pattern());
    let to = table.list("to", &kinds::pattern());
    let action = table.required("action", &one_of(&[("seal", true), ("refuse", false)]));
    let text = table.optional("text", &kinds::text());
    let mode = table.optional("mode", &one_of(MODES));
    table.finish();
    if mode.is_some() && action == Some(false) {
        table.refuse("mode", "a mode", "no mode: only action = \"seal\" has one");
        return None;
    }
    let action = match (action?, text) {
        (true, None) => Action::Seal,
        (true, Some(_)) => {
            table.refuse("text", "a text", "no text: only action = \"refuse\" has one");
            return None;
        }
        (false, Some(text)) => Action::Refuse(text),
        (false, None) => {
            table.refuse("text", "nothing", "what the sender's mail program is told");
            return None;
        }
    };
    if from.is_empty() && to.is_empty() {
        table.refuse("name", "a rule for every mail", "from or to, or both");
        return None;
    }
    Some(Rule { name: name?, from, to, action, mode })
}
