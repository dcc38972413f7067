//! What goes in and out of a session: its rules, and the actions that it asks its driver for.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use super::Credentials;
use crate::mail::{MailFrom, RcptTo};
use crate::receive::extension::Offer;

/// What holds for a session, fixed when it begins.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "they are settings, each on its own, not states")]
pub struct Rules {
    /// Our name.
    pub hostname: String,
    /// Largest mail, octets.
    pub max_size: u64,
    /// Recipients a mail at most.
    pub max_recipients: usize,
    /// Commands between two mails at most.
    pub max_commands: usize,
    /// Mistakes at most.
    pub max_errors: usize,
    /// Wait for a whole command.
    pub command_timeout: Duration,
    /// Wait for a block of data.
    pub data_timeout: Duration,
    /// What the next hops allow us to offer.
    pub offer: Offer,
    /// STARTTLS is offered.
    pub starttls: bool,
    /// No mail without TLS.
    pub require_tls: bool,
    /// The client may send mail here.
    pub admitted: bool,
    /// AUTH is offered, over TLS.
    pub login: bool,
    /// The client may say for whom it speaks (XCLIENT).
    pub xclient: bool,
    /// No mail before a login or a client certificate that is allowed.
    pub identity: bool,
}

/// How the client named itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The name or address literal, unverified.
    pub name: String,
    /// It said EHLO.
    pub esmtp: bool,
}

/// What the driver does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Read something, until [`super::Session::poll_timeout`]; then [`super::Session::received`], [`super::Session::disconnected`] or
    /// [`super::Session::timed_out`].
    Read,
    /// Read what is there already, without waiting: nothing should be.
    Peek,
    /// Write these bytes.
    Write(Vec<u8>),
    /// Open a transaction; then [`super::Session::answered`].
    Mail(MailFrom),
    /// Add a recipient; then [`super::Session::answered`].
    Rcpt(RcptTo),
    /// A part of the mail in wire form.
    Body(Bytes),
    /// The mail is complete; then [`super::Session::answered`]. The transaction is over.
    End,
    /// The transaction is over and leaves nothing.
    Abort,
    /// Compare name and password; then [`super::Session::logged_in`].
    Login(Credentials),
    /// From now on the client is this one; then [`super::Session::presented`].
    Present(Option<IpAddr>),
    /// The client asks for TLS: is there a place for its handshake? Then [`super::Session::may_secure`].
    AskTls,
    /// Do the TLS handshake; then [`super::Session::secured`].
    StartTls,
    /// Close the connection. Asked again, the session says the same.
    Close(Ending),
}

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The client said QUIT.
    Quit,
    /// The client broke the rules. It may still be sending and should get a chance to read why.
    Fault,
    /// The client was silent for too long.
    Timeout,
    /// We are stopping.
    Stop,
    /// The client hung up.
    Gone,
}
