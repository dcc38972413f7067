//! One SMTP session as a state machine: bytes and answers in, [`Action`]s out. No sockets, no clock.
//!
//! - The driver asks [`Session::poll`] what to do, does it, and tells the outcome; it asks again until [`Action::Close`].
//! - Every command gets exactly one reply, in order; replies to a group of commands go out together (RFC 2920 §3.2).
//! - A transaction that was opened ([`Action::Mail`] answered 2xx) always ends in one [`Action::End`] or one [`Action::Abort`].
//! - Bytes that came where none may come are never read as anything else: 5xx, and the connection ends.
//! - What the client sends is bounded: a line by [`super::line`], a mail by `max_size`, waiting by [`Session::poll_timeout`],
//!   mistakes and idle talk by counters.

mod action;
mod commands;
mod incoming;
mod login;
mod replies;
mod secure;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use zeroize::Zeroize;

pub use action::{Action, Ending, Hello, Rules};
pub use login::{Credentials, Login};

use super::command::Auth;
use super::line::{Framed, LineReader, MAX_AUTH_LINE, MAX_LINE};
use crate::mail::Reply;
use incoming::Incoming;
use login::Exchange;

/// Replies that are gathered before they go out, octets.
const MAX_OUTPUT: usize = 16 * 1024;

/// Commands between two mails that are no step towards one.
const MAX_IDLE_COMMANDS: u32 = 100;

/// How long a client that may not send mail here may stay to hear so.
const REFUSED_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
enum Phase {
    /// The client must wait for our next reply; what it sent already is a fault. `true`: looked already.
    Sync(Due, bool),
    Commands,
    Login(Exchange),
    Waiting(Call),
    Data(Incoming),
    Tls,
    Closing(Ending),
}

/// What follows when the client did wait.
#[derive(Debug)]
enum Due {
    Greeting,
    Hello(Hello),
    Auth(Auth),
    Data,
    Tls,
}

/// The answer that is due.
#[derive(Debug, Clone, Copy)]
enum Call {
    Mail { smtputf8: bool },
    Rcpt,
    End,
    Login,
    Present,
    Tls,
}

#[derive(Debug, Clone, Copy)]
struct Envelope {
    smtputf8: bool,
    recipients: usize,
}

/// See the module.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are facts about the client, each on its own")]
pub struct Session {
    rules: Rules,
    phase: Phase,
    input: BytesMut,
    lines: LineReader,
    output: Vec<u8>,
    /// The output may not wait for more replies.
    flush: bool,
    queue: VecDeque<Action>,
    hello: Option<Hello>,
    tls: bool,
    /// The client's certificate is one of those allowed.
    certified: bool,
    /// The client logged in.
    authenticated: bool,
    envelope: Option<Envelope>,
    errors: usize,
    /// Commands since the last mail that was taken.
    commands: usize,
    wrong_logins: u32,
    idle_commands: u32,
    stopping: bool,
    /// Since when we wait for the client.
    waiting_since: Option<Instant>,
}

impl Session {
    /// A connection that was just made.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            phase: Phase::Sync(Due::Greeting, false),
            input: BytesMut::new(),
            lines: LineReader::default(),
            output: Vec::new(),
            flush: false,
            queue: VecDeque::new(),
            hello: None,
            tls: false,
            certified: false,
            authenticated: false,
            envelope: None,
            errors: 0,
            commands: 0,
            wrong_logins: 0,
            idle_commands: 0,
            stopping: false,
            waiting_since: None,
        }
    }

    /// How the client named itself, once it did.
    #[must_use]
    pub const fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.tls
    }

    /// Whether what comes now is a mail.
    #[must_use]
    pub const fn is_in_mail(&self) -> bool {
        matches!(self.phase, Phase::Data(_))
    }

    /// What to do now.
    pub fn poll(&mut self, now: Instant) -> Action {
        loop {
            if let Some(action) = self.queue.pop_front() {
                return action;
            }
            if !self.output.is_empty() && (self.flush || self.output.len() > MAX_OUTPUT) {
                return self.write();
            }
            if let Some(action) = self.advance(now) {
                return action;
            }
        }
    }

    /// The client sent `bytes`, one or more.
    pub fn received(&mut self, bytes: &[u8], now: Instant) {
        self.input.extend_from_slice(bytes);
        if let Phase::Data(incoming) = &mut self.phase
            && let Some(since) = self.waiting_since.take()
        {
            incoming.add_wait(now.saturating_duration_since(since));
        }
    }

    /// The client will send no more.
    pub fn disconnected(&mut self) {
        self.end_transaction();
        self.close(Ending::Gone);
    }

    /// The answer to [`Action::Mail`], [`Action::Rcpt`] or [`Action::End`].
    pub fn answered(&mut self, reply: &Reply) {
        let Phase::Waiting(call) = self.phase else { return };
        self.phase = Phase::Commands;
        if matches!(call, Call::Mail { .. }) && reply.code() == 421 {
            // No next hop had a say yet: this is the gateway itself, closed for now.
            self.say(reply);
            self.close(Ending::Stop);
            return;
        }
        match call {
            Call::Mail { smtputf8 } if reply.is_positive() => {
                self.envelope = Some(Envelope { smtputf8, recipients: 0 });
            }
            Call::Rcpt if reply.is_positive() => {
                if let Some(envelope) = &mut self.envelope {
                    envelope.recipients += 1;
                }
            }
            Call::Mail { .. } | Call::Rcpt => {}
            Call::End => {
                self.idle_commands = 0;
                if reply.is_positive() {
                    self.commands = 0;
                }
                self.flush = true;
            }
            Call::Login | Call::Present | Call::Tls => return,
        }
        self.say(&replies::outward(reply));
    }

    /// The answer to [`Action::Present`]: whether mail may be sent from there. The session begins anew, with the greeting; TLS stays, who
    /// the client was does not.
    pub fn presented(&mut self, admitted: bool) {
        if matches!(self.phase, Phase::Waiting(Call::Present)) {
            self.rules.admitted = admitted;
            self.hello = None;
            (self.certified, self.authenticated) = (false, false);
            self.phase = Phase::Sync(Due::Greeting, false);
        }
    }

    /// We are stopping: a mail whose data is under way is finished, anything else ends with 421 at the next command.
    pub const fn stop(&mut self) {
        self.stopping = true;
    }

    /// When the wait of [`Action::Read`] ends; `None` when nothing is waited for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let since = self.waiting_since?;
        let limit = match &self.phase {
            Phase::Data(incoming) => incoming.patience(self.rules.data_timeout),
            _ if !self.rules.admitted => REFUSED_TIMEOUT.min(self.rules.command_timeout),
            _ => self.rules.command_timeout,
        };
        Some(since + limit)
    }

    /// The time of [`Session::poll_timeout`] may have come.
    pub fn timed_out(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.end_transaction();
            self.say(&replies::timeout());
            self.close(Ending::Timeout);
        }
    }

    /// One step; `None` when there is more to do.
    fn advance(&mut self, now: Instant) -> Option<Action> {
        match &mut self.phase {
            Phase::Sync(_, looked @ false) => {
                *looked = true;
                Some(Action::Peek)
            }
            Phase::Sync(due, true) => {
                let due = std::mem::replace(due, Due::Greeting);
                self.in_step(due);
                None
            }
            Phase::Commands | Phase::Login(_) if self.stopping => {
                self.end_transaction();
                self.say(&replies::stopping());
                self.close(Ending::Stop);
                None
            }
            Phase::Commands | Phase::Login(_) => self.next_command(now),
            Phase::Data(_) => self.next_data(now),
            Phase::Waiting(_) => Some(self.read(now)),
            Phase::Tls if self.output.is_empty() => Some(Action::StartTls),
            Phase::Closing(ending) if self.output.is_empty() => Some(Action::Close(*ending)),
            Phase::Tls | Phase::Closing(_) => Some(self.write()),
        }
    }

    fn next_command(&mut self, now: Instant) -> Option<Action> {
        let in_login = matches!(self.phase, Phase::Login(_));
        let begins_login =
            self.rules.login && self.input.get(..5).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "));
        let longest = if in_login || begins_login { MAX_AUTH_LINE } else { MAX_LINE };
        match self.lines.take(&mut self.input, longest) {
            Framed::Partial => Some(self.read(now)),
            Framed::Line(mut line) => {
                self.waiting_since = None;
                let action = if in_login { self.on_response(&line) } else { self.on_line(&line) };
                if longest == MAX_AUTH_LINE {
                    line.zeroize();
                }
                action
            }
            Framed::TooLong => {
                self.waiting_since = None;
                self.phase = Phase::Commands;
                self.error(&replies::line_too_long());
                None
            }
            Framed::Bare => {
                self.fault(&replies::bare_line_end());
                None
            }
            Framed::Endless => {
                self.fault(&replies::line_too_long());
                None
            }
        }
    }

    /// The client waited for its reply, or did not.
    fn in_step(&mut self, due: Due) {
        if !self.input.is_empty() {
            self.fault(&replies::out_of_step());
            return;
        }
        self.phase = Phase::Commands;
        self.flush = true;
        match due {
            Due::Greeting => self.say(&replies::greeting(&self.rules)),
            Due::Hello(hello) => self.greet_back(hello),
            Due::Auth(auth) => self.begin_login(&auth),
            Due::Data => self.start_data(),
            Due::Tls => {
                self.phase = Phase::Waiting(Call::Tls);
                self.queue.push_back(Action::AskTls);
            }
        }
    }

    fn read(&mut self, now: Instant) -> Action {
        if !self.output.is_empty() {
            return self.write();
        }
        self.waiting_since.get_or_insert(now);
        Action::Read
    }

    fn write(&mut self) -> Action {
        self.flush = false;
        Action::Write(std::mem::take(&mut self.output))
    }

    fn say(&mut self, reply: &Reply) {
        self.output.extend_from_slice(&reply.to_bytes());
    }

    /// Refuses one command; the session goes on unless there were too many.
    fn error(&mut self, reply: &Reply) {
        self.flush = true;
        self.errors += 1;
        if self.errors > self.rules.max_errors {
            self.fault(&replies::too_many_errors());
        } else {
            self.say(reply);
        }
    }

    /// Counts a command that is no step towards a mail, before its reply. Whether the session goes on.
    fn idle_command(&mut self) -> bool {
        self.flush = true;
        self.idle_commands += 1;
        if self.idle_commands > MAX_IDLE_COMMANDS {
            self.fault(&replies::too_many_errors());
        }
        self.idle_commands <= MAX_IDLE_COMMANDS
    }

    /// Refuses the client for good.
    fn fault(&mut self, reply: &Reply) {
        self.end_transaction();
        self.say(reply);
        self.close(Ending::Fault);
    }

    fn close(&mut self, ending: Ending) {
        if ending == Ending::Gone {
            self.output.clear();
        }
        self.input.clear();
        self.waiting_since = None;
        self.phase = Phase::Closing(ending);
    }

    fn end_transaction(&mut self) {
        if self.envelope.take().is_some() {
            self.queue.push_back(Action::Abort);
        }
    }
}

#[cfg(test)]
mod tests;
