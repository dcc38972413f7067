//! May this grant, from this network, for this contact, try a code now? Pure counting; the store makes it durable.
//!
//! The numbers are those of the design: 5 wrong per grant and network in 10 minutes pause that network for 30 minutes; 20
//! per grant close the grant and 100 per contact close the contact, both until the sender unlocks them.

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
            window: Duration::from_secs(600),
            pause: Duration::from_secs(1800),
            per_grant: 20,
            per_contact: 100,
        }
    }
}

/// The network that tries are counted under: /24 for IPv4 (also mapped), /56 for IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct Network(#[cbor(n(0), with = "minicbor::bytes")] [u8; 8]);

impl Network {
    /// The network of an address.
    #[must_use]
    pub fn of(addr: IpAddr) -> Self {
        todo!()
    }
}

/// Wrong tries of one grant, per network and in all. Bounded: old networks are forgotten only when their window and pause
/// are over, and a grant closes before the list can grow past [`Limits::per_grant`] entries.
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
    /// The try counts from now on; compare the code. `left` tries remain from this network after this one.
    Try {
        /// Tries left if this one is wrong too (0: this network is paused then).
        left: u32,
        /// Until when the network is paused if this try, the last one, turns out wrong.
        paused_until: Option<Timestamp>,
        /// This try, if wrong, closes the grant or the contact: tell the sender.
        closes: bool,
    },
    /// Not before this moment.
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
        todo!()
    }
    /// The state without counting anything: for the page before a try. Never `Try` when `admit` would refuse.
    pub fn peek(&self, contact: &ContactTries, network: Network, limits: &Limits, now: Timestamp) -> Admission {
        todo!()
    }
    /// The code was right: takes back the count of this network's tries on the grant, and this one from the contact.
    pub fn succeeded(&mut self, contact: &mut ContactTries, network: Network) {
        todo!()
    }
    /// The sender unlocks: all counts of the grant go to zero.
    pub fn unlock(&mut self) {
        *self = Self::default();
    }
}

impl ContactTries {
    /// The sender unlocks, or gives a new code.
    pub fn unlock(&mut self) {
        *self = Self::default();
    }
}
