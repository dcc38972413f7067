//! How much goes on at the same time for each network: so that one client cannot take all the places that there are. Counters only; the
//! limit comes with each question.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Network;

/// What goes on, by network.
#[derive(Debug, Default)]
pub struct Crowd(Mutex<HashMap<Network, usize>>);

/// One network's place; dropped, it is free again.
#[derive(Debug)]
pub struct Standing {
    crowd: Arc<Crowd>,
    network: Network,
}

impl Crowd {
    /// A place for this network; `None` when it has `most` already.
    #[must_use]
    pub fn enter(self: &Arc<Self>, network: Network, most: usize) -> Option<Standing> {
        let mut counts = self.counts();
        let count = counts.get(&network).copied().unwrap_or_default();
        if count >= most {
            return None;
        }
        counts.insert(network, count + 1);
        Some(Standing { crowd: Arc::clone(self), network })
    }

    /// How many networks have a place.
    #[must_use]
    pub fn networks(&self) -> usize {
        self.counts().len()
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let mut counts = self.crowd.counts();
        if let Some(count) = counts.get_mut(&self.network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_has_its_own_places_and_is_forgotten_without_one() {
        let crowd = Arc::new(Crowd::default());
        let enter = |client: &str| crowd.enter(Network::of(client.parse().unwrap()), 2);
        let (first, second) = (enter("192.0.2.1").unwrap(), enter("192.0.2.200").unwrap());
        assert!(enter("192.0.2.7").is_none() && enter("::ffff:192.0.2.7").is_none(), "a third of one /24");
        let other = enter("198.51.100.1").unwrap();
        assert_eq!(crowd.networks(), 2);
        drop(first);
        assert!(enter("192.0.2.9").is_some(), "a place was given back");
        drop((second, other));
        assert_eq!(crowd.networks(), 0);
        assert!(crowd.enter(Network::of("192.0.2.1".parse().unwrap()), 0).is_none());
        assert_eq!(crowd.networks(), 0, "who is turned away leaves nothing behind");
    }
}
