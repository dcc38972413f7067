//! What the config allows but should not: found without touching the network.

use std::fmt;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;

use ipnet::IpNet;

use super::Config;
use crate::malware;
use crate::nexthop::{HopError, NextHop, Tls};
use crate::receive::{Kind, Listener};

/// Something unsafe or unwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The gateway refuses to serve with it.
    pub fatal: bool,
    /// The key it is about.
    pub key: String,
    /// What is wrong and what to do.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", if self.fatal { "error" } else { "warning" }, self.key, self.text)
    }
}

/// Address blocks from which a provider sends for all its customers.
/// Sources: Microsoft 365 URLs and IP address ranges, "Exchange Online"; Google's `_netblocks.google.com`. A client in them
/// proves only that it is a customer of the provider, not which one.
const SHARED: [(&str, &str); 14] = [
    ("40.92.0.0/15", "Exchange Online"),
    ("40.107.0.0/16", "Exchange Online"),
    ("52.100.0.0/14", "Exchange Online"),
    ("104.47.0.0/17", "Exchange Online"),
    ("2a01:111:f400::/48", "Exchange Online"),
    ("2a01:111:f403::/48", "Exchange Online"),
    ("35.190.247.0/24", GOOGLE),
    ("64.233.160.0/19", GOOGLE),
    ("66.249.80.0/20", GOOGLE),
    ("74.125.0.0/16", GOOGLE),
    ("173.194.0.0/16", GOOGLE),
    ("209.85.128.0/17", GOOGLE),
    ("216.58.192.0/19", GOOGLE),
    ("2a00:1450:4000::/36", GOOGLE),
];

/// Google writes no name of the customer into mail, so `tenant` does not help there.
const GOOGLE: &str = "Google";

/// Whether two networks share an address.
fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

fn shared_provider(network: &IpNet) -> Option<&'static str> {
    let shared = SHARED.iter().filter_map(|(net, name)| net.parse::<IpNet>().ok().map(|net| (net, *name)));
    shared.into_iter().find(|(net, _)| overlap(net, network)).map(|(_, name)| name)
}

/// All findings, fatal ones first.
pub fn findings(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    listeners(config, &mut found);
    next_hops(config, &mut found);
    page(config, &mut found);
    clamd(config, &mut found);
    home(config, &mut found);
    retention(config, &mut found);
    store(config, &mut found);
    found.sort_by_key(|finding| !finding.fatal);
    found
}

fn finding(fatal: bool, key: String, text: impl Into<String>) -> Finding {
    Finding { fatal, key, text: text.into() }
}

fn listeners(config: &Config, found: &mut Vec<Finding>) {
    for (index, listener) in config.receive.listeners.iter().enumerate() {
        let key = |name: &str| format!("listener[{index}].{name}");
        let provider = listener.networks.iter().find_map(shared_provider).filter(|_| listener.kind == Kind::Relay);
        let told_apart =
            |provider: &str| listener.stamp.is_some() || (provider != GOOGLE && !listener.tenants.is_empty());
        if let Some(provider) = provider.filter(|provider| !told_apart(provider)) {
            let stamp = if provider == GOOGLE { "`stamp_header`" } else { "`tenant` or `stamp_header`" };
            let text = format!(
                "these networks belong to {provider}, which sends for all its customers from them: without {stamp} \
                 every one of them could send through this gateway"
            );
            found.push(finding(true, key("networks"), text));
        }
        if listener.kind == Kind::Mx {
            spokesmen(listener, &key, found);
            continue;
        }
        if listener.sender_domains.is_empty() {
            let text = "no sender_domains: mail of any envelope sender is passed on";
            found.push(finding(false, key("sender_domains"), text));
        }
        for domain in listener.sender_domains.iter().filter(|domain| !config.policy.home.domains.holds(domain)) {
            let text = format!(
                "{domain} is not in home.domains: the sender of a confidential mail from it gets no code; its mails go to \
                 home.fallback or are refused"
            );
            found.push(finding(false, key("sender_domains"), text));
        }
        submission(config, listener, &key, found);
        spokesmen(listener, &key, found);
        if listener.require_tls && config.smtp_tls.is_none() && listener.kind == Kind::Relay {
            let (named, what) = if listener.implicit_tls { ("tls", "TLS") } else { ("require_tls", "STARTTLS") };
            found.push(finding(true, key(named), format!("there is no mail.certificate to offer {what} with")));
        }
        let outside = listener.networks.iter().any(|network| !is_private(network.addr()));
        if outside && !listener.require_tls {
            let text = "clients outside private networks may send without TLS: set require_tls = true";
            found.push(finding(false, key("require_tls"), text));
        }
    }
}

fn submission(config: &Config, listener: &Listener, key: &dyn Fn(&str) -> String, found: &mut Vec<Finding>) {
    if config.smtp_tls.is_none() && (listener.kind == Kind::Submission || listener.clients.is_some()) {
        let text = "there is no mail.certificate: passwords and client certificates are taken over TLS only";
        found.push(finding(true, key("kind"), text));
    }
    if listener.kind == Kind::Submission && config.users.is_none() && listener.clients.is_none() {
        let text = "nobody could send here: set mail.users, or client_ca with client_names";
        found.push(finding(true, key("kind"), text));
    }
}

/// Who may speak for others decides who may send here.
fn spokesmen(listener: &Listener, key: &dyn Fn(&str) -> String, found: &mut Vec<Finding>) {
    for (name, peers) in [("proxy_protocol", &listener.proxies), ("xclient", &listener.xclient)] {
        if let Some(open) = peers.iter().find(|network| network.prefix_len() == 0) {
            let text = format!("{open}: everybody could claim to be any client");
            found.push(finding(true, key(name), text));
        }
    }
    let within = |peer: &IpNet| listener.networks.iter().any(|network| network.contains(peer));
    if let Some(outside) = listener.xclient.iter().find(|peer| !within(peer)) {
        let text = format!("{outside} is not in networks: it is turned away before it can say XCLIENT");
        found.push(finding(false, key("xclient"), text));
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn next_hops(config: &Config, found: &mut Vec<Finding>) {
    for (index, hop) in config.next_hops.iter().enumerate() {
        let away = |name: &str| !name.parse::<IpAddr>().is_ok_and(is_private) && name != "localhost";
        let open = hop.hosts.iter().find(|host| hop.tls == Tls::Off && away(&host.name));
        if let Some(host) = open {
            let text = format!("{} is not on a private network: links and codes would travel in clear", host.name);
            found.push(finding(true, format!("next_hop[{index}].tls"), text));
        }
        // Nothing is connected to: this reads the files that the hop names.
        if let Err(HopError::Unreachable { cause, .. }) = NextHop::new(hop.clone()) {
            found.push(finding(true, format!("next_hop[{index}]"), cause));
        }
        if hop.login.is_some() && hop.tls == Tls::Off {
            found.push(finding(true, format!("next_hop[{index}].tls"), "a password is never sent without TLS"));
        }
    }
}

fn page(config: &Config, found: &mut Vec<Finding>) {
    let web = &config.web;
    if config.page_tls.is_none() {
        if web.trusted_proxies.is_empty() {
            let text =
                "neither page.certificate nor page.trusted_proxies: the page needs TLS, here or at a reverse proxy";
            found.push(finding(true, "page.certificate".to_owned(), text));
        } else if web.listen.iter().any(|address| !is_private(address.ip())) {
            let text = "without a certificate the page may listen only on a private address, behind the proxy";
            found.push(finding(true, "page.listen".to_owned(), text));
        }
    }
    let host = web.origin.trim_start_matches("https://").split(':').next().unwrap_or_default();
    let aligned = host.parse().is_ok_and(|host: crate::mail::Domain| {
        config.policy.home.domains.listed().iter().any(|domain| host.is_within(domain))
    });
    if !aligned {
        let text = format!("{host} is not within home.domains: a link to another domain looks like phishing");
        found.push(finding(false, "page.origin".to_owned(), text));
    }
}

fn clamd(config: &Config, found: &mut Vec<Finding>) {
    let key = "page.answer.clamd".to_owned();
    match &config.clamd {
        Some(malware::Address::Tcp(address)) => {
            let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            if bare != "localhost" && !bare.parse::<IpAddr>().is_ok_and(is_private) {
                let text = format!("{host} is not on a private network: the files of answers would travel in clear");
                found.push(finding(true, key, text));
            }
        }
        Some(malware::Address::Unix(path)) if !path.exists() => {
            let text = "there is no such socket now: answers with files wait until clamd listens there";
            found.push(finding(false, key, text));
        }
        Some(malware::Address::Unix(_)) | None => {}
    }
}

fn home(config: &Config, found: &mut Vec<Finding>) {
    let home = &config.policy.home;
    if home.fallback.is_none() {
        let text = "no fallback: confidential mail whose From is not of home.domains is refused";
        found.push(finding(false, "home.fallback".to_owned(), text));
    }
    if !home.domains.holds(config.outgoing.from.domain()) {
        let text = "not in home.domains: mails to your own people would not be aligned with your domain";
        found.push(finding(false, "mail.from".to_owned(), text));
    }
    if !home.domains.listed().iter().any(|domain| config.outgoing.bounce_domain.is_within(domain)) {
        let text = "not within home.domains: SPF of our mails would not be aligned with your domain";
        found.push(finding(false, "mail.bounce_domain".to_owned(), text));
    }
}

/// The service makes its folder for itself alone; one that was made before it may be open.
fn store(config: &Config, found: &mut Vec<Finding>) {
    let mode = config.store.folder.metadata().map_or(0, |folder| folder.permissions().mode());
    if mode & 0o077 != 0 {
        let text = format!("other users may look into it (mode {:o}): chmod 700", mode & 0o777);
        found.push(finding(false, "store.folder".to_owned(), text));
    }
}

fn retention(config: &Config, found: &mut Vec<Finding>) {
    if config.retention.ledger.starts_with(&config.store.folder) {
        let text = "the erasure ledger lies in the data folder: when an older copy of that folder is put back, what was \
                    erased since comes back with it; name a file elsewhere";
        found.push(finding(false, "retention.ledger".to_owned(), text));
    }
}
