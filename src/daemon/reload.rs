//! What a reload takes over while the gateway serves, and the keys of a changed config that it cannot.
//!
//! Everything is made before anything is exchanged, so a config that cannot be used changes nothing. Sessions and attempts that run end under what they began with.

use std::sync::Arc;

use tracing::{error, info, warn};

use super::hops::{self, InUse};
use super::{Running, StartError};
use crate::config::Config;
use crate::notify::{self, Notifier};
use crate::receive::Served;
use crate::relay::Relay;

/// Sections of which everything counts at once.
const SECTIONS: [&str; 4] = ["listener", "rule", "next_hop", "home"];
/// Single keys that do. What a key of another section says is read once, at the start.
const KEYS: [&str; 18] = [
    "mail.hostname",
    "mail.from",
    "mail.bounce_domain",
    "mail.max_size",
    "mail.max_recipients",
    "mail.max_sessions",
    "mail.max_sessions_per_network",
    "mail.max_handshakes",
    "mail.handshake_timeout",
    "mail.max_commands",
    "mail.max_errors",
    "mail.command_timeout",
    "mail.data_timeout",
    "mail.max_received",
    "seal.tags",
    "seal.expires",
    "seal.access",
    "seal.mode",
];

/// Whether a change of this key counts without a restart.
fn counts_now(key: &str) -> bool {
    let section = key.split(['.', '[']).next().unwrap_or(key);
    SECTIONS.contains(&section) || KEYS.contains(&key)
}

/// What mail goes through, and who sends our own: what a reload exchanges.
#[derive(Debug)]
pub(super) struct MailSide {
    pub(super) relay: Relay,
    pub(super) served: Served,
    pub(super) notifier: Notifier,
}

/// All that a config becomes, not yet in use.
struct Made {
    hops: InUse,
    relay: Relay,
    letters: notify::Settings,
}

impl Running {
    /// Certificates, users and the files of the next hops are read again now. Of `config`, new sessions and attempts get the limits of `[mail]`, listeners'
    /// rights, rules, `[home]` and next hops; the log names the keys that need a restart. `None`: it cannot be used, and the old one stays.
    pub fn reload(&self, config: Option<Config>) {
        hops::reload(&self.hops.current().all);
        if let (Some(config), Some(mail)) = (config, &self.mail) {
            self.take_over(config, mail);
        }
        self.certificates.reload();
        if let Some(users) = &self.users {
            users.reload();
        }
    }

    fn take_over(&self, config: Config, mail: &MailSide) {
        let waiting: Vec<String> =
            self.written.changed(&config.written).into_iter().filter(|key| !counts_now(key)).collect();
        let Made { hops, relay, letters } = match self.make(&config, mail) {
            Ok(made) => made,
            Err(cause) => return error!(%cause, "the changed config is not usable; the old one stays in service"),
        };
        if let Err(cause) = mail.served.replace(config.receive, relay) {
            return error!(%cause, "the changed config needs a restart; the old one stays in service");
        }
        mail.notifier.replace(letters);
        for hop in self.hops.replace(hops) {
            tokio::spawn(async move { hop.close().await });
        }
        info!("config read again: limits of [mail], listeners, rules, [home] and next hops count from now on");
        if !waiting.is_empty() {
            warn!(keys = waiting.join(", "), "changed keys that count after a restart only");
        }
    }

    fn make(&self, config: &Config, mail: &MailSide) -> Result<Made, StartError> {
        let hops = self.hops.as_in(config, &self.counted)?;
        let routes = hops.routes(config)?;
        let letters = notify::Settings {
            bounce_domain: config.outgoing.bounce_domain.clone(),
            from: config.outgoing.from.clone(),
            home: hops.home()?,
            routes: routes.clone(),
            home_domains: config.policy.home.domains.clone(),
            fallback: config.policy.home.fallback.clone(),
            ..mail.notifier.settings()
        };
        let relay = mail.relay.with(config.relay.clone(), Arc::clone(&config.policy), routes, config.intake.clone());
        Ok(Made { hops, relay, letters })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_without_a_restart() {
        for key in
            ["listener[0].networks", "rule[3].to", "next_hop[0].hosts", "home.domains", "mail.max_size", "seal.tags"]
        {
            assert!(counts_now(key), "{key}");
        }
        for key in
            ["mail.memory", "mail.users", "mail.certificate", "seal.workers", "page.origin", "store.folder", "homes.x"]
        {
            assert!(!counts_now(key), "{key}");
        }
    }
}
