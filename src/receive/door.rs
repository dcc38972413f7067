//! What all connections of one listener share, and what follows from it for one of them.

use std::net::IpAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::extension;
use super::listener::Services;
use super::session::Rules;
use super::{Kind, Listener, Settings};
use crate::metrics;

/// What all connections of one listener share.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) listener: Listener,
    pub(super) settings: Arc<Settings>,
    pub(super) services: Services,
    pub(super) stop: CancellationToken,
    pub(super) metrics: metrics::Listener,
}

impl Door {
    /// Whether connections from here begin with a PROXY header.
    pub(super) fn is_proxy(&self, peer: IpAddr) -> bool {
        self.listener.proxies.iter().any(|network| network.contains(&peer.to_canonical()))
    }

    /// Whether mail may be sent from here.
    pub(super) fn admits(&self, client: IpAddr) -> bool {
        self.listener.networks.iter().any(|network| network.contains(&client))
    }

    /// What holds for a session of this client.
    pub(super) fn rules(&self, client: IpAddr, starttls: bool) -> Rules {
        Rules {
            hostname: self.settings.hostname.clone(),
            max_size: self.settings.max_size,
            max_recipients: self.settings.max_recipients,
            max_commands: self.settings.limits.commands,
            max_errors: self.settings.limits.errors,
            command_timeout: self.settings.command_timeout,
            data_timeout: self.settings.data_timeout,
            offer: self.offer(),
            starttls,
            require_tls: self.listener.require_tls,
            admitted: self.admits(client),
            xclient: self.listener.xclient.iter().any(|network| network.contains(&client)),
            login: self.listener.kind == Kind::Submission && self.services.users.is_some(),
            identity: self.listener.kind == Kind::Submission || self.listener.clients.is_some(),
        }
    }

    /// What a mail binds its next hop to is offered where every next hop has it; a report ends here.
    fn offer(&self) -> extension::Offer {
        if self.listener.kind == Kind::Mx {
            return extension::Offer { eightbit: true, smtputf8: true, ..extension::Offer::default() };
        }
        let offered = self.services.relay.capabilities();
        extension::Offer {
            eightbit: offered.eightbit,
            smtputf8: offered.smtputf8,
            dsn: offered.dsn,
            requiretls: offered.requiretls,
            auth: false,
        }
    }
}
