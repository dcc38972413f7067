//! How many wrong passwords a network and a name bear. Pure counting, in memory: a restart forgets, which gives a guesser as many tries
//! again and no more.
//!
//! A name is paused for everybody but the networks that it logged in from: otherwise any stranger could lock a user out.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::access::Network;
use crate::base::Timestamp;

/// Limits on wrong passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From one network (/24, /56) within [`window`](Self::window): then it must wait.
    pub per_network: u32,
    /// For one name, from all networks that it never logged in from.
    pub per_user: u32,
    /// From the first wrong one on; with its end the pause ends too.
    pub window: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_network: 20, per_user: 50, window: Duration::from_mins(15) }
    }
}

/// Networks, names and pairs that are remembered at most, each.
const MOST: usize = 10_000;
/// How long a network is remembered that a name logged in from.
const KNOWN: Duration = Duration::from_hours(30 * 24);

#[derive(Debug)]
pub(super) struct Tries {
    limits: Limits,
    networks: Counts<Network>,
    names: Counts<String>,
    known: Counts<(String, Network)>,
}

impl Tries {
    pub(super) fn new(limits: Limits) -> Self {
        let (networks, names, known) = (Counts::default(), Counts::default(), Counts::default());
        Self { limits, networks, names, known }
    }

    /// Counts a try as wrong before it is compared; `false`: it may not be made, and counts nothing.
    pub(super) fn admit(&mut self, name: &str, network: Network, now: Timestamp) -> bool {
        let Limits { per_network, per_user, window } = self.limits;
        let known = self.known.count(&(name.to_owned(), network), KNOWN, now) > 0;
        let tired = self.networks.count(&network, window, now) >= per_network
            || (!known && self.names.count(&name.to_owned(), window, now) >= per_user);
        if !tired {
            self.networks.add(network, window, now);
            if !known {
                self.names.add(name.to_owned(), window, now);
            }
        }
        !tired
    }

    /// The try was right, or could not be compared.
    pub(super) fn give_back(&mut self, name: &str, network: Network) {
        self.networks.take(&network);
        if !self.known.counts.contains_key(&(name.to_owned(), network)) {
            self.names.take(&name.to_owned());
        }
    }

    /// The name logged in from there.
    pub(super) fn welcome(&mut self, name: &str, network: Network, now: Timestamp) {
        let pair = (name.to_owned(), network);
        self.known.counts.remove(&pair);
        self.known.add(pair, KNOWN, now);
    }
}

/// Counts that end a time after they began.
#[derive(Debug)]
struct Counts<K> {
    counts: HashMap<K, (u32, Timestamp)>,
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self { counts: HashMap::new() }
    }
}

impl<K: Hash + Eq + Clone> Counts<K> {
    fn count(&self, key: &K, lasts: Duration, now: Timestamp) -> u32 {
        self.counts.get(key).filter(|(_, since)| now.since(*since) < lasts).map_or(0, |(count, _)| *count)
    }

    fn add(&mut self, key: K, lasts: Duration, now: Timestamp) {
        if self.counts.len() >= MOST && !self.counts.contains_key(&key) {
            self.counts.retain(|_, (_, since)| now.since(*since) < lasts);
            let oldest = self.counts.iter().min_by_key(|(_, (_, since))| *since).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest.filter(|_| self.counts.len() >= MOST) {
                self.counts.remove(&oldest);
            }
        }
        let entry = self.counts.entry(key).or_insert((0, now));
        if now.since(entry.1) >= lasts {
            *entry = (0, now);
        }
        entry.0 = entry.0.saturating_add(1);
    }

    fn take(&mut self, key: &K) {
        if let Some((count, _)) = self.counts.get_mut(key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { per_network: 3, per_user: 5, window: Duration::from_secs(100) };

    fn network(n: u8) -> Network {
        Network::of([192, 0, n, 1].into())
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(1_000 + secs)
    }

    #[test]
    fn a_network_waits_until_its_window_ends() {
        let mut tries = Tries::new(LIMITS);
        let made: Vec<bool> = (0..5).map(|n| tries.admit(&format!("user{n}"), network(1), at(n))).collect();
        assert_eq!(made, [true, true, true, false, false]);
        assert!(tries.admit("user0", network(2), at(5)), "another network does not wait");
        assert!(!tries.admit("user0", network(1), at(99)));
        assert!(tries.admit("user0", network(1), at(100)));
    }

    #[test]
    fn a_name_waits_over_all_networks_but_those_it_came_from() {
        let mut tries = Tries::new(LIMITS);
        assert!(tries.admit("jan", network(200), at(0)));
        tries.give_back("jan", network(200));
        tries.welcome("jan", network(200), at(0));
        let made = (0..8).filter(|n| tries.admit("jan", network(*n), at(1))).count();
        assert_eq!(made, 5);
        assert!(tries.admit("piet", network(9), at(1)), "another name does not wait");
        assert!(tries.admit("jan", network(200), at(1)), "jan himself does not wait");
        assert!(tries.admit("jan", network(10), at(101)));
    }

    #[test]
    fn right_passwords_count_nothing() {
        let mut tries = Tries::new(LIMITS);
        for _ in 0..20 {
            assert!(tries.admit("jan", network(1), at(0)));
            tries.give_back("jan", network(1));
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut counts = Counts::default();
        for n in 0..MOST as u64 + 100 {
            counts.add(n, Duration::from_secs(100), at(n / 1000));
        }
        assert_eq!(counts.counts.len(), MOST);
        assert_eq!(counts.count(&(MOST as u64 + 99), Duration::from_secs(100), at(11)), 1);
    }
}
