//! Mail as bytes and as facts: addresses, envelope, header view, MIME index, dot-stuffing, replies, delivery reports. No I/O.

pub mod address;
pub mod answer_address;
pub mod envelope;
pub mod reply;

pub use address::{Address, AddressError, Domain, DomainSet};
pub use envelope::{MailFrom, Param, RcptTo};
pub use reply::Reply;

pub mod calendar;
mod charset;
pub mod dot;
pub mod header;
pub mod manifest;
pub mod mime;
mod parser;
pub mod report;
pub mod subject;
