//! The gateway as an organisation runs it: the real program between a real Postfix in front and a server behind, on loopback.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod answers;
mod bounces;
mod confidential;
mod crash;
mod damage;
mod faults;
mod floods;
mod keys;
mod mail_code;
mod malware;
mod memory;
mod ordinary;
mod page;
mod readonly;
mod reloaded;
mod retention;
mod scanned;
mod secured;
mod sms;
mod steady;
mod strict;
mod support;
mod trace;
mod unfit;
mod upkeep;
mod watch;
