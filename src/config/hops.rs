//! `[[next_hop]]`: where mail goes.

use std::time::Duration;

use super::kinds::{self, one_of};
use super::organisation::read_certificate;
use super::reader::{Reading, Table};
use crate::mail::Domain;
use crate::nexthop::{Identity, Login, Settings, Tls, Trust, Waits};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// Which mail goes to a next hop, by domain; an empty list says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HopRoute {
    /// Domains of senders.
    pub senders: Vec<Domain>,
    /// Domains of recipients.
    pub recipients: Vec<Domain>,
    /// The hop's name.
    pub hop: String,
}

/// All `[[next_hop]]`s, not yet with the name that we give in EHLO.
#[derive(Debug)]
pub struct Hops {
    /// In order.
    pub settings: Vec<Settings>,
    /// Those with `sender_domains` or `recipient_domains`. No two say the same of a mail.
    pub routes: Vec<HopRoute>,
    /// The one with neither.
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
        let Some((settings, route)) = read_next_hop(table) else {
            complete = false;
            continue;
        };
        if hops.settings.iter().any(|other| other.name == settings.name) {
            table.refuse("name", format!("\"{}\" a second time", settings.name), "a name of its own");
            complete = false;
        }
        complete &= add(&mut hops, table, route);
        hops.settings.push(settings);
    }
    if complete && hops.default.is_empty() {
        let allowed = "one [[next_hop]] without recipient_domains and sender_domains, for all other mail";
        top.refuse("next_hop", "domains in every one", allowed);
        return None;
    }
    complete.then_some(hops)
}

/// Notes where a hop's mail comes from; false after a mistake.
fn add(hops: &mut Hops, table: &Table<'_, '_>, route: HopRoute) -> bool {
    if route.senders.is_empty() && route.recipients.is_empty() {
        if hops.default.is_empty() {
            hops.default = route.hop;
            return true;
        }
        // A list with mistakes in it was refused already.
        if !table.has("recipient_domains") && !table.has("sender_domains") {
            let allowed = format!("domains here or in sender_domains: \"{}\" takes all others already", hops.default);
            table.refuse("recipient_domains", "nothing", allowed);
        }
        return false;
    }
    for other in &hops.routes {
        let Some((key, domain)) = same(&route, other) else { continue };
        let found = format!("\"{domain}\", which goes to \"{}\" already", other.hop);
        table.refuse(key, found, "domains that no other [[next_hop]] has in the same way");
        return false;
    }
    hops.routes.push(route);
    true
}

/// The key and a domain by which two routes claim the same mail with equal right.
fn same<'a>(route: &'a HopRoute, other: &HopRoute) -> Option<(&'static str, &'a Domain)> {
    let kind = |route: &HopRoute| (route.senders.is_empty(), route.recipients.is_empty());
    if kind(route) != kind(other) {
        return None;
    }
    let sender = route.senders.iter().find(|domain| other.senders.contains(domain));
    let recipient = route.recipients.iter().find(|domain| other.recipients.contains(domain));
    match kind(route) {
        (false, false) => sender.and(recipient).map(|domain| ("recipient_domains", domain)),
        (true, _) => recipient.map(|domain| ("recipient_domains", domain)),
        (false, true) => sender.map(|domain| ("sender_domains", domain)),
    }
}

fn read_next_hop(table: &Table<'_, '_>) -> Option<(Settings, HopRoute)> {
    let name = table.required("name", &kinds::name());
    let hosts = table.some("hosts", &kinds::host());
    let tls = read_tls(table);
    let login = read_login(table);
    let recipients = table.list("recipient_domains", &kinds::domain());
    let senders = table.list("sender_domains", &kinds::domain());
    let max_connections = table.or("max_connections", &kinds::count(1, 1_000), Settings::MAX_CONNECTIONS);
    let waits = read_waits(table);
    table.finish();
    let name = name?;
    let route = HopRoute { senders, recipients, hop: name.clone() };
    let settings =
        Settings { name, hosts: hosts?, tls: tls?, login: login?, helo: String::new(), max_connections, waits };
    Some((settings, route))
}

fn read_waits(table: &Table<'_, '_>) -> Waits {
    let default = Waits::default();
    let wait = |key, most, default| table.or(key, &kinds::duration(SECOND, most), default);
    Waits {
        lease: wait("wait", MINUTE, default.lease),
        reach: wait("reach_timeout", 4 * MINUTE, default.reach),
        connect: wait("connect_timeout", 5 * MINUTE, default.connect),
        greeting: wait("greeting_timeout", 5 * MINUTE, default.greeting),
        hello: wait("hello_timeout", 5 * MINUTE, default.hello),
        command: wait("command_timeout", 15 * MINUTE, default.command),
        data: wait("data_timeout", 15 * MINUTE, default.data),
        dot: wait("dot_timeout", 30 * MINUTE, default.dot),
        idle: wait("idle_timeout", 5 * MINUTE, default.idle),
    }
}

/// `None` after a mistake.
fn read_tls(table: &Table<'_, '_>) -> Option<Tls> {
    #[derive(Clone, Copy)]
    enum Mode {
        Verified,
        Implicit,
        Off,
    }
    let modes = &[("verified", Mode::Verified), ("implicit", Mode::Implicit), ("off", Mode::Off)];
    let mode = table.or("tls", &one_of(modes), Mode::Verified);
    let ca = table.optional("ca", &kinds::file());
    let pins = table.list("pins", &kinds::pin());
    let server_name = table.optional("server_name", &kinds::domain()).map(|name| name.to_string());
    let identity = read_certificate(table).map(|files| Identity { certificate: files.certificate, key: files.key });
    let trust = Trust { ca, pins, server_name, identity };
    match mode {
        Mode::Verified => Some(Tls::Verified(trust)),
        Mode::Implicit => Some(Tls::Implicit(trust)),
        Mode::Off => {
            let keys = ["ca", "pins", "server_name", "certificate", "key"];
            let useless = keys.into_iter().find(|key| table.has(key));
            if let Some(key) = useless {
                table.refuse(key, "a value", "nothing while tls = \"off\"");
            }
            useless.is_none().then_some(Tls::Off)
        }
    }
}

/// User and password file: both or neither. `None` after a mistake.
#[expect(clippy::option_option, reason = "a mistake, no login, or one")]
fn read_login(table: &Table<'_, '_>) -> Option<Option<Login>> {
    let user = table.optional("user", &kinds::text());
    let password_file = table.optional("password_file", &kinds::file());
    match (user, password_file) {
        (Some(user), Some(password_file)) => return Some(Some(Login { user, password_file })),
        (None, None) if !table.has("user") && !table.has("password_file") => return Some(None),
        (Some(_), None) if !table.has("password_file") => {
            table.refuse("password_file", "nothing", "a file with the password of user");
        }
        (None, Some(_)) if !table.has("user") => {
            table.refuse("user", "nothing", "the user name of the password");
        }
        _ => {}
    }
    None
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
