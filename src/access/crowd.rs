//! How much goes on at the same time for each network, or for each of anything else: so that one client cannot take all the places that
//! there are. Counters only; the limit comes with each question.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much goes on for each `K`; none that has nothing is kept.
#[derive(Debug)]
pub struct Crowd<K>(Mutex<HashMap<K, usize>>);

/// A place of one of them; dropped, it is free again.
#[derive(Debug)]
pub struct Standing<K: Eq + Hash> {
    crowd: Arc<Crowd<K>>,
    whose: K,
}

impl<K> Default for Crowd<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Copy> Crowd<K> {
    /// A place for `whose`; `None` when that has `most` already.
    #[must_use]
    pub fn enter(self: &Arc<Self>, whose: K, most: usize) -> Option<Standing<K>> {
        let mut counts = self.counts();
        let count = counts.get(&whose).copied().unwrap_or_default();
        if count >= most {
            return None;
        }
        counts.insert(whose, count + 1);
        Some(Standing { crowd: Arc::clone(self), whose })
    }
}

impl<K> Crowd<K> {
    /// How many of them have a place.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counts().len()
    }

    /// Whether none has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Standing<K> {
    fn drop(&mut self) {
        let mut counts = self.crowd.counts();
        if let Some(count) = counts.get_mut(&self.whose) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Network;

    #[test]
    fn each_network_has_its_own_places_and_is_forgotten_without_one() {
        let crowd = Arc::new(Crowd::default());
        let enter = |client: &str| crowd.enter(Network::of(client.parse().unwrap()), 2);
        let (first, second) = (enter("192.0.2.1").unwrap(), enter("192.0.2.200").unwrap());
        assert!(enter("192.0.2.7").is_none() && enter("::ffff:192.0.2.7").is_none(), "a third of one /24");
        let other = enter("198.51.100.1").unwrap();
        assert_eq!(crowd.len(), 2);
        drop(first);
        assert!(enter("192.0.2.9").is_some(), "a place was given back");
        drop((second, other));
        assert_eq!(crowd.len(), 0);
        assert!(crowd.enter(Network::of("192.0.2.1".parse().unwrap()), 0).is_none());
        assert_eq!(crowd.len(), 0, "who is turned away leaves nothing behind");
    }
}
