//! How many sessions there are: in all, from one network, and in the middle of a TLS handshake. Counters only; the limits come with each
//! question, so that a reload may change them while sessions go on.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Limits;
use crate::access::Network;
use crate::access::crowd::{Crowd, Standing};

/// The sessions of all listeners.
#[derive(Debug, Default)]
pub(super) struct Places {
    sessions: AtomicUsize,
    handshakes: AtomicUsize,
    networks: Arc<Crowd<Network>>,
}

/// One session's place; dropped, it is free again.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    standing: Option<Standing<Network>>,
}

/// One handshake's place; dropped, it is free again.
#[derive(Debug)]
pub(super) struct Handshake(Arc<Places>);

impl Places {
    /// A place for a connection that was just made; `None` when all are taken.
    pub(super) fn enter(self: &Arc<Self>, limits: &Limits) -> Option<Place> {
        count_up(&self.sessions, limits.sessions).then(|| Place { places: Arc::clone(self), standing: None })
    }
}

impl Place {
    /// Counts the session for the network (/24, /56) of its client, once it is known. `false`: that network has all that it may have.
    pub(super) fn settle(&mut self, client: IpAddr, limits: &Limits) -> bool {
        self.standing = None;
        self.standing = self.places.networks.enter(Network::of(client), limits.sessions_per_network);
        self.standing.is_some()
    }

    /// A place for the TLS handshake of this session; `None` when all are taken.
    pub(super) fn handshake(&self, limits: &Limits) -> Option<Handshake> {
        let counted = count_up(&self.places.handshakes, limits.handshakes);
        counted.then(|| Handshake(Arc::clone(&self.places)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.0.handshakes.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One more, unless there are `most` already.
fn count_up(counter: &AtomicUsize, most: usize) -> bool {
    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < most).then_some(count + 1)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { sessions: 4, sessions_per_network: 2, handshakes: 1, ..Limits::default() }
    }

    #[test]
    fn sessions_are_counted_in_all_and_for_each_network() {
        let (places, limits) = (Arc::new(Places::default()), limits());
        let enter = |client: &str| {
            let mut place = places.enter(&limits)?;
            place.settle(client.parse().unwrap(), &limits).then_some(place)
        };
        let first = enter("192.0.2.1").unwrap();
        let second = enter("192.0.2.200").unwrap();
        assert!(enter("192.0.2.7").is_none() && enter("::ffff:192.0.2.7").is_none(), "a third of one /24");
        let third = enter("2001:db8:0:1::1").unwrap();
        let fourth = enter("2001:db8:0:ff::1").unwrap();
        assert!(enter("198.51.100.1").is_none(), "a fifth in all");
        drop(third);
        assert!(enter("2001:db8:0:100::1").is_some(), "another /56");
        drop(first);
        assert!(enter("192.0.2.9").is_some(), "a place was given back");
        drop((second, fourth));
        assert_eq!(places.sessions.load(Ordering::Relaxed), 0);
        assert!(places.networks.is_empty(), "networks without a session are forgotten");
    }

    #[test]
    fn a_client_that_becomes_another_is_counted_once() {
        let (places, limits) = (Arc::new(Places::default()), limits());
        let mut place = places.enter(&limits).unwrap();
        assert!(place.settle("192.0.2.1".parse().unwrap(), &limits));
        assert!(place.settle("198.51.100.1".parse().unwrap(), &limits));
        assert_eq!(places.networks.len(), 1);
    }

    #[test]
    fn handshakes_have_places_of_their_own() {
        let (places, limits) = (Arc::new(Places::default()), limits());
        let (one, other) = (places.enter(&limits).unwrap(), places.enter(&limits).unwrap());
        let first = one.handshake(&limits).unwrap();
        assert!(other.handshake(&limits).is_none());
        drop(first);
        assert!(other.handshake(&limits).is_some());
    }
}
