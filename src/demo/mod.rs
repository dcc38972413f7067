//! The whole gateway on this machine with nothing to configure, and a mailbox page that shows what came out.

pub mod mailbox;
