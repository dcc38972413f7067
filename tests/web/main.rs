//! The page as browsers, scanners and attackers meet it, over real sealed mail.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "test code")]

mod answer;
mod ended;
mod genuine;
mod message;
mod routes;
mod server;
mod site;
mod strict;
mod unlock;
mod upgrade;
