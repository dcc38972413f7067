//! How many files and sockets the process may have open: as many as its limits allow its clients to ask for, so that a flood on one side
//! finds the end of its own limit before it finds the end of everybody's.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::config::Config;

/// What the program itself has open: journal, index, sockets, control, log.
const OWN: u64 = 256;
/// Connections that the page holds for each request that it may answer at the same time.
const PAGE: u64 = 4;

/// What the limits in `config` add up to.
fn needed(config: &Config) -> u64 {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let hops = config.next_hops.iter().map(|hop| count(hop.max_connections)).fold(0, u64::saturating_add);
    // A session may have the file of a body open.
    let mail = count(config.receive.limits.sessions).saturating_mul(2);
    let page = count(config.web.max_requests).saturating_mul(PAGE);
    [mail, page, hops, OWN].into_iter().fold(0, u64::saturating_add)
}

/// Raises the limit as far as it may be, and says where that is not enough.
pub fn raise(config: &Config) {
    let (limit, needed) = (getrlimit(Resource::Nofile), needed(config));
    let may = limit.maximum.unwrap_or(u64::MAX);
    if limit.current.is_some_and(|current| current < needed.min(may)) {
        let raised = Rlimit { current: Some(needed.min(may)), maximum: limit.maximum };
        if let Err(cause) = setrlimit(Resource::Nofile, raised) {
            warn!(%cause, "the number of open files and sockets cannot be raised");
        }
    }
    let has = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if has < needed {
        warn!(
            has,
            needed, "fewer files and sockets than the limits in the config add up to: raise LimitNOFILE, or lower them"
        );
    }
}
