//! A config that was read again while the gateway serves: what new SMTP sessions get of it.

use std::sync::Arc;

use tracing::{error, info, warn};

use crate::config::Config;
use crate::policy;
use crate::receive::Served;
use crate::relay::Relay;

/// New sessions get the limits, the rights of the listeners and the rules of `config`; nothing changes when its listeners are others.
/// `relay` is the one of the start: it knows routes, store and home, which a reload does not change.
pub(super) fn mail(config: Config, served: &Served, relay: &Relay) {
    if config.policy.home != *relay.home() {
        warn!("[home] was changed: it counts at the next start, and until then the old one");
    }
    let policy = policy::Settings { home: relay.home().clone(), ..policy::Settings::clone(&config.policy) };
    let relay = relay.with(config.relay, Arc::new(policy), config.intake);
    match served.replace(config.receive, relay) {
        Ok(()) => info!(
            "config read again: limits of [mail], listeners and rules count for new sessions; all else at the next start"
        ),
        Err(cause) => error!(%cause, "the changed config needs a restart; the old one stays in service"),
    }
}
