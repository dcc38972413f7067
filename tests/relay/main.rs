//! The relay and its next hop, against a scripted server on loopback.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

#[path = "../support/next_hop.rs"]
mod next_hop;

mod custody;
mod failover;
mod gateway;
mod hop;
mod hostile;
mod mixes;
mod sink;
mod tls;
