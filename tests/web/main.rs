//! The page as browsers, scanners and attackers meet it, over real sealed mail.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "test code")]

mod answer;
mod attacks;
mod conversation;
mod crossing;
mod ended;
mod every;
mod genuine;
mod mail_code;
mod mails;
mod message;
mod reading;
mod reports;
mod routes;
mod server;
mod site;
mod sms;
mod strict;
mod unlock;
mod upgrade;
