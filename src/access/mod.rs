//! May this grant, from this network, for this contact, try a code now? Pure counting; the store makes it durable.
//!
//! The numbers are those of the design: 5 wrong per grant and network in 10 minutes pause that network for 30 minutes; 20
//! per grant close the grant and 100 per contact close the contact, both until the sender unlocks them.
//!
//! A try is counted as wrong *before* the code is compared, so that tries made at the same moment cannot slip past a limit
//! together; a right code gives back that one try and nothing else. Whoever shares a network with the recipient therefore
//! gains nothing from the recipient's own success, and no sequence of right and wrong codes holds more wrong ones than the
//! limits allow. An empty field is no try: the caller does not come here with it.
//!
//! When a pause is over, the tries of that network start anew; those of the grant and of the contact go on.

pub mod crowd;
pub mod one_time;

use std::net::IpAddr;
use std::time::Duration;

use crate::base::Timestamp;

/// The limits on wrong codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wrong tries per grant and network within [`window`](Self::window) before the pause.
    pub per_network: u32,
    /// How long a wrong try counts towards the pause.
    pub window: Duration,
    /// How long the pause lasts.
    pub pause: Duration,
    /// Wrong tries per grant before it is closed.
    pub per_grant: u32,
    /// Wrong tries per contact before it is closed.
    pub per_contact: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_network: 5,
            window: Duration::from_mins(10),
            pause: Duration::from_mins(30),
            per_grant: 20,
            per_contact: 100,
        }
    }
}

/// The network that tries are counted under: /24 for IPv4 (also mapped), /56 for IPv6.
///
/// The first byte tells the families apart, the others are the network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct Network(#[cbor(n(0), with = "minicbor::bytes")] [u8; 8]);

impl Network {
    /// The network of an address.
    #[must_use]
    pub fn of(addr: IpAddr) -> Self {
        match addr.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                Self([4, a, b, c, 0, 0, 0, 0])
            }
            IpAddr::V6(v6) => {
                let mut network = [6; 8];
                network.iter_mut().skip(1).zip(v6.octets()).for_each(|(to, from)| *to = from);
                Self(network)
            }
        }
    }
}

/// Wrong tries of one grant, per network and in all. Bounded: a network without a counted try is forgotten, and a grant
/// closes before it can have more than [`Limits::per_grant`] of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub struct GrantTries {
    #[n(0)]
    wrong: u32,
    #[n(1)]
    networks: Vec<NetworkTries>,
}

/// Wrong tries from one network.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct NetworkTries {
    #[n(0)]
    network: Network,
    #[n(1)]
    at: Vec<Timestamp>,
    #[n(2)]
    paused_until: Option<Timestamp>,
}

/// Wrong tries of one contact, over all grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub struct ContactTries {
    #[n(0)]
    wrong: u32,
}

/// The answer to "may I try?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Compare the code. The fields tell what follows *if it is wrong*, and exactly one of three things does: tries are left
    /// (`left > 0`), or this network waits (`paused_until` is set), or the link is closed (`closes`). If the code is right,
    /// none of them holds: the try is given back.
    Try {
        /// If wrong: tries that remain from this network before it must wait or the link is closed.
        left: u32,
        /// If wrong: this network must wait until this moment.
        paused_until: Option<Timestamp>,
        /// If wrong: the grant or the contact is closed until the sender unlocks it, and the sender is told.
        closes: bool,
    },
    /// Not from this network before this moment.
    Paused(Timestamp),
    /// Not until the sender unlocks.
    Closed,
}

impl GrantTries {
    /// Counts a try as wrong before the code is compared, or says why it may not be made. A refused try counts nothing.
    pub fn admit(
        &mut self,
        contact: &mut ContactTries,
        network: Network,
        limits: &Limits,
        now: Timestamp,
    ) -> Admission {
        if self.is_closed(*contact, limits) {
            return Admission::Closed;
        }
        self.forget_past(limits, now);
        let known = self.networks.iter().position(|n| n.network == network);
        if let Some(until) = known.and_then(|i| self.networks.get(i)).and_then(|n| n.paused_until) {
            return Admission::Paused(until);
        }

        self.wrong = self.wrong.saturating_add(1);
        contact.wrong = contact.wrong.saturating_add(1);
        let in_window = if let Some(tries) = known.and_then(|i| self.networks.get_mut(i)) {
            tries.count(limits, now)
        } else {
            let mut tries = NetworkTries { network, at: Vec::new(), paused_until: None };
            let counted = tries.count(limits, now);
            self.networks.push(tries);
            counted
        };

        let closes = self.is_closed(*contact, limits);
        let paused_until = (in_window >= limits.per_network && !closes).then(|| now + limits.pause);
        let left = limits
            .per_network
            .saturating_sub(in_window)
            .min(limits.per_grant.saturating_sub(self.wrong))
            .min(limits.per_contact.saturating_sub(contact.wrong));
        Admission::Try { left, paused_until, closes }
    }

    /// What [`admit`](Self::admit) would answer, without counting anything: for the page before a try.
    #[must_use]
    pub fn peek(&self, contact: &ContactTries, network: Network, limits: &Limits, now: Timestamp) -> Admission {
        self.clone().admit(&mut contact.clone(), network, limits, now)
    }

    /// The code was right: the try that was counted last from this network is taken back from network, grant and contact,
    /// and with it the pause or the closing that it would have brought.
    pub fn succeeded(&mut self, contact: &mut ContactTries, network: Network) {
        self.wrong = self.wrong.saturating_sub(1);
        contact.wrong = contact.wrong.saturating_sub(1);
        if let Some(tries) = self.networks.iter_mut().find(|n| n.network == network) {
            tries.at.pop();
            tries.paused_until = None;
        }
        self.networks.retain(|n| !n.at.is_empty());
    }

    /// Whether the grant or its contact takes no code until the sender unlocks.
    #[must_use]
    pub const fn is_closed(&self, contact: ContactTries, limits: &Limits) -> bool {
        self.wrong >= limits.per_grant || contact.wrong >= limits.per_contact
    }

    /// Wrong tries in all, since the sender last unlocked.
    #[must_use]
    pub const fn wrong(&self) -> u32 {
        self.wrong
    }

    /// Forgets pauses that are over, tries that left the window, and networks of which nothing remains.
    fn forget_past(&mut self, limits: &Limits, now: Timestamp) {
        for tries in &mut self.networks {
            match tries.paused_until {
                Some(until) if until > now => {}
                Some(_) => tries.at.clear(),
                None => tries.at.retain(|at| now.since(*at) < limits.window),
            }
        }
        self.networks.retain(|tries| !tries.at.is_empty());
    }
}

impl NetworkTries {
    /// Adds a try and returns how many are in the window now; the one that fills it starts the pause.
    fn count(&mut self, limits: &Limits, now: Timestamp) -> u32 {
        self.at.push(now);
        let in_window = u32::try_from(self.at.len()).unwrap_or(u32::MAX);
        if in_window >= limits.per_network {
            self.paused_until = Some(now + limits.pause);
        }
        in_window
    }
}

impl ContactTries {
    /// Wrong tries over all links of the contact, since the sender last unlocked or gave a new code.
    #[must_use]
    pub const fn wrong(&self) -> u32 {
        self.wrong
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: u64 = 1_800_000_000;

    /// What happens in a case: at a second, from the last octet of a network, with a right or wrong code; or an unlock.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        Wrong(u64, u8),
        Right(u64, u8),
        Unlock,
    }
    use Event::{Right, Unlock, Wrong};

    fn at(second: u64) -> Timestamp {
        Timestamp::from_secs(START + second)
    }

    fn net(n: u8) -> Network {
        Network::of(IpAddr::from([192, 0, n, 1]))
    }

    fn left(left: u32) -> Admission {
        Admission::Try { left, paused_until: None, closes: false }
    }

    fn pauses(until: u64) -> Admission {
        Admission::Try { left: 0, paused_until: Some(at(until)), closes: false }
    }

    const CLOSES: Admission = Admission::Try { left: 0, paused_until: None, closes: true };

    /// Plays the events and returns the last answer; each answer must be what `peek` promised.
    fn play(events: &[Event], limits: &Limits) -> (Admission, GrantTries, ContactTries) {
        let (mut grant, mut contact) = (GrantTries::default(), ContactTries::default());
        let mut last = Admission::Closed;
        for event in events {
            match *event {
                Wrong(second, n) | Right(second, n) => {
                    let promised = grant.peek(&contact, net(n), limits, at(second));
                    last = grant.admit(&mut contact, net(n), limits, at(second));
                    assert_eq!(promised, last);
                    if matches!((event, last), (Right(..), Admission::Try { .. })) {
                        grant.succeeded(&mut contact, net(n));
                    }
                }
                Unlock => {
                    // What the store does: the counts go.
                    (grant, contact) = Default::default();
                }
            }
        }
        (last, grant, contact)
    }

    #[test]
    fn the_answers_are_those_of_the_design() {
        let wrong = |count: usize, second: u64, n: u8| vec![Wrong(second, n); count];
        let spread = |count: u8| (0..count).map(|n| Wrong(0, n)).collect::<Vec<_>>();
        let cases: Vec<(&str, Vec<Event>, Admission)> = vec![
            ("the first leaves four", wrong(1, 0, 1), left(4)),
            ("the fourth leaves one", wrong(4, 0, 1), left(1)),
            ("the fifth pauses for 30 minutes from then", [wrong(4, 0, 1), wrong(1, 599, 1)].concat(), pauses(2399)),
            ("the sixth is refused", wrong(6, 0, 1), Admission::Paused(at(1800))),
            ("to the last second", [wrong(5, 0, 1), wrong(1, 1799, 1)].concat(), Admission::Paused(at(1800))),
            ("a pause ends and the network starts anew", [wrong(5, 0, 1), wrong(1, 1800, 1)].concat(), left(4)),
            ("a try counts for 10 minutes", [wrong(4, 0, 1), wrong(1, 600, 1)].concat(), left(4)),
            ("and slides out one by one", vec![Wrong(0, 1), Wrong(500, 1), Wrong(600, 1)], left(3)),
            ("another network is not paused", [wrong(5, 0, 1), wrong(1, 0, 2)].concat(), left(4)),
            ("near the end the grant's total counts", spread(18), left(2)),
            ("the 20th closes", spread(20), CLOSES),
            ("closed stays closed from anywhere", [spread(20), wrong(1, 90_000, 99)].concat(), Admission::Closed),
            ("a total outlives the pauses", (0..20).map(|i| Wrong(i / 5 * 1800, 1)).collect(), CLOSES),
            ("a right one is given back", [wrong(4, 0, 1), vec![Right(0, 1)], wrong(1, 0, 1)].concat(), pauses(1800)),
            ("right ones do not wipe wrong ones", [spread(19), vec![Right(0, 50), Wrong(0, 51)]].concat(), CLOSES),
            ("a right fifth brings no pause", [wrong(4, 0, 1), vec![Right(0, 1); 3]].concat(), pauses(1800)),
            ("unlocked, all starts anew", [spread(20), vec![Unlock], wrong(1, 0, 1)].concat(), left(4)),
        ];
        for (name, events, expected) in cases {
            assert_eq!(play(&events, &Limits::default()).0, expected, "{name}");
        }
    }

    #[test]
    fn a_hundred_over_all_links_close_the_contact() {
        let limits = Limits::default();
        let mut contact = ContactTries::default();
        let mut grants = vec![GrantTries::default(); 6];
        let mut admitted = 0;
        for (g, grant) in grants.iter_mut().enumerate() {
            for n in 0..19 {
                match grant.admit(&mut contact, net(n), &limits, at(0)) {
                    Admission::Try { closes, .. } => {
                        admitted += 1;
                        assert_eq!(closes, admitted == 100, "link {g}, try {n}");
                    }
                    Admission::Closed => assert_eq!(admitted, 100),
                    Admission::Paused(_) => panic!("no network tried five times"),
                }
            }
        }
        assert_eq!((admitted, contact.wrong()), (100, 100));
        assert!(GrantTries::default().is_closed(contact, &limits), "a new link of that contact is closed too");
    }

    #[test]
    fn tries_in_flight_count_until_they_turn_out_right() {
        let limits = Limits::default();
        let (mut grant, mut contact) = (GrantTries::default(), ContactTries::default());
        for _ in 0..5 {
            grant.admit(&mut contact, net(1), &limits, at(0));
        }
        assert_eq!(grant.admit(&mut contact, net(1), &limits, at(1)), Admission::Paused(at(1800)));
        grant.succeeded(&mut contact, net(1));
        assert_eq!(grant.wrong(), 4);
        assert_eq!(grant.admit(&mut contact, net(1), &limits, at(2)), pauses(1802));
    }

    #[test]
    fn networks_are_24_and_56_bits() {
        let cases = [
            ("192.0.2.1", "192.0.2.254", true),
            ("192.0.2.1", "192.0.3.1", false),
            ("192.0.2.1", "::ffff:192.0.2.9", true),
            ("2001:db8:1:100::1", "2001:db8:1:1ff:ffff::2", true),
            ("2001:db8:1:100::1", "2001:db8:1:200::1", false),
            ("4.1.2.3", "401:203::", false),
            ("0.0.0.0", "::", false),
        ];
        for (a, b, same) in cases {
            let (a, b): (IpAddr, IpAddr) = (a.parse().unwrap(), b.parse().unwrap());
            assert_eq!(Network::of(a) == Network::of(b), same, "{a} {b}");
        }
    }

    fn any_event() -> impl Strategy<Value = Event> {
        let (second, n) = (0_u64..4000, 0_u8..30);
        prop_oneof![
            12 => (second.clone(), n.clone()).prop_map(|(s, n)| Wrong(s, n)),
            2 => (second, n).prop_map(|(s, n)| Right(s, n)),
        ]
    }

    proptest! {
        /// The limits as a reader of the design would check them on the whole history, with none of the code above.
        #[test]
        fn no_history_exceeds_the_limits(mut events in prop::collection::vec(any_event(), 0..120)) {
            let limits = Limits::default();
            events.sort_by_key(|e| match e { Wrong(s, _) | Right(s, _) => *s, Unlock => 0 });
            let (mut grant, mut contact) = (GrantTries::default(), ContactTries::default());
            let mut wrong: Vec<(u64, u8)> = Vec::new();
            for event in events {
                let (Wrong(second, n) | Right(second, n)) = event else { continue };
                let now = at(second);
                let answer = grant.admit(&mut contact, net(n), &limits, now);
                if !matches!(answer, Admission::Try { .. }) {
                    continue;
                }
                if matches!(event, Right(..)) {
                    grant.succeeded(&mut contact, net(n));
                } else {
                    wrong.push((second, n));
                }
                let Admission::Try { left, paused_until, closes } = answer else { continue };
                prop_assert_eq!(1, u32::from(left > 0) + u32::from(paused_until.is_some()) + u32::from(closes));
                let recent = wrong.iter().filter(|(s, m)| *m == n && s + 600 > second).count();
                prop_assert!(recent <= 5, "{recent} wrong in ten minutes from one network");
                prop_assert!(wrong.len() <= 20);
                prop_assert!(!closes || wrong.len() + usize::from(matches!(event, Right(..))) == 20);
                prop_assert!(grant.networks.len() <= 20);
                prop_assert_eq!(usize::try_from(grant.wrong()).unwrap(), wrong.len());
                prop_assert_eq!(contact.wrong(), grant.wrong());
            }
        }

        #[test]
        fn counts_survive_being_stored(events in prop::collection::vec(any_event(), 0..60)) {
            let (_, grant, contact) = play(&events, &Limits::default());
            prop_assert_eq!(minicbor::decode::<GrantTries>(&minicbor::to_vec(&grant).unwrap()).unwrap(), grant);
            prop_assert_eq!(minicbor::decode::<ContactTries>(&minicbor::to_vec(contact).unwrap()).unwrap(), contact);
        }
    }
}
