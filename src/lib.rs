//! Zegel: a mail gateway that keeps confidential mail sealed and lets ordinary mail pass untouched.
//!
//! # The way of a message
//!
//! ```text
//! mail server --SMTP--> receive --> relay: policy decides per recipient
//!                                     |-- pass: same bytes to the next hop, its reply back
//!                                     '-- seal: intake encrypts, commits, "250"
//! queue leases due jobs --> notify composes and sends --> next hop
//! browser --HTTPS--> web: prove, read, download
//! operator --> cli --> control socket of the daemon
//! ```
//!
//! # The custody rule
//!
//! We answer 250 only when the next hop answered 2xx to these same bytes, or the sealed body and all its records are on
//! disk past fdatasync. Anything uncertain is 4xx. A message that should be sealed is sealed or refused; it never leaves
//! in clear.
//!
//! # Who may import whom
//!
//! The table below is read by `tests/layers.rs`, which fails when a file imports what its row does not name. Pure modules
//! stand at the top: they know no socket, file, clock or randomness; `now` and random bytes come in as parameters.
//!
//! <!-- layers:begin -->
//! | module | owns | may import |
//! |---|---|---|
//! | base | clock, alarm, entropy, ids, secret bytes | |
//! | metrics | counters, gauges and histograms with fixed labels, and their text | |
//! | mail | addresses, envelope, header view, MIME index, reply codes; no I/O | base |
//! | text | templates and translations (nl, en), with sample contexts | base |
//! | seal | formats, keys, locks, codes; pure | base |
//! | access | may this grant, contact and network try a code now, and how much goes on for one network; pure | base |
//! | policy | facts and rules to a verdict per recipient; pure and total | base, mail |
//! | users | who may log in over SMTP: a file of password hashes, pauses after wrong ones | base, seal, access, policy |
//! | store | journal, index, committer, bodies, records; engines behind one contract | base, metrics, mail, seal, access |
//! | sms | telephone numbers, the neutral text, providers of SMS in order | base, text, store |
//! | nexthop | connections to an SMTP server: fail-over, TLS, AUTH, pool | base, metrics, mail |
//! | malware | asks clamd whether a file is clean | |
//! | intake | the only place where we take custody | base, mail, seal, policy, store, sms |
//! | relay | one mail transaction: ordinary mail through, confidential mail to intake | base, metrics, mail, policy, intake, nexthop |
//! | notify | composes notices and sender mails; one attempt to an outcome | base, mail, text, seal, store, sms, nexthop, malware |
//! | queue | lease, retry schedule, worker | base, store, notify |
//! | receive | SMTP server: commands, DATA bytes, session, driver, listener | base, metrics, mail, access, users, relay |
//! | web | routes, pages, sessions, guards | base, metrics, mail, text, seal, access, store, sms |
//! | config | file as written to the settings of each component, or all mistakes at once | base, mail, text, seal, access, policy, users, store, sms, nexthop, malware, intake, relay, notify, queue, receive, web |
//! | daemon | wiring, life cycle, control socket, systemd | base, metrics, mail, text, seal, access, policy, users, store, sms, nexthop, malware, intake, relay, notify, queue, receive, web, config |
//! | demo | the whole gateway on this machine, with a mailbox page | base, mail, text, seal, access, policy, users, store, sms, nexthop, intake, relay, notify, queue, receive, web, config, daemon |
//! | cli | commands | base, mail, relay, text, seal, store, sms, policy, users, config, daemon, demo |
//! <!-- layers:end -->

pub mod access;
pub mod base;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod intake;
pub mod mail;
pub mod malware;
pub mod metrics;
pub mod nexthop;
pub mod notify;
pub mod policy;
pub mod queue;
pub mod receive;
pub mod relay;
pub mod seal;
pub mod sms;
pub mod store;
pub mod text;
pub mod users;
pub mod web;
