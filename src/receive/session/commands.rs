//! What each command does in the state that the session is in (RFC 5321 §4.1.4: the order of commands).

use std::net::IpAddr;

use super::{Action, Call, Due, Ending, Hello, Phase, Session, incoming::Incoming, replies};
use crate::mail::{Address, MailFrom, RcptTo};
use crate::receive::command::{self, Command, Recipient};
use crate::receive::extension;

impl Session {
    pub(super) fn on_line(&mut self, line: &[u8]) -> Option<Action> {
        self.commands += 1;
        if self.commands > self.rules.max_commands {
            self.fault(&replies::too_many_commands());
            return None;
        }
        let command = match command::parse(line) {
            Ok(command) => command,
            Err(fault) if fault.is_fatal() => {
                self.fault(&fault.reply());
                return None;
            }
            Err(fault) => {
                self.error(&fault.reply());
                return None;
            }
        };
        if !self.rules.admitted && command != Command::Quit {
            // RFC 5321 §3.1: after 554 the client may only QUIT.
            self.error(&replies::out_of_order("You may not send mail here"));
            return None;
        }
        let before_tls = matches!(command, Command::Noop | Command::Ehlo(_) | Command::StartTls | Command::Quit);
        if self.rules.require_tls && !self.tls && !before_tls {
            self.error(&replies::tls_first());
            return None;
        }
        self.on_command(command)
    }

    fn on_command(&mut self, command: Command) -> Option<Action> {
        match command {
            Command::Helo(name) => self.wait_for_reply(Due::Hello(Hello { name, esmtp: false })),
            Command::Ehlo(name) => self.wait_for_reply(Due::Hello(Hello { name, esmtp: true })),
            // Whatever the answer is: no command may stand behind DATA in its group (RFC 2920 §3.1).
            Command::Data => self.wait_for_reply(Due::Data),
            Command::StartTls if self.rules.starttls && !self.tls => self.wait_for_reply(Due::Tls),
            Command::StartTls if self.tls => self.error(&replies::out_of_order("TLS is active already")),
            Command::StartTls => self.error(&command::CommandFault::NotOffered.reply()),
            Command::Auth(auth) => self.on_auth(auth),
            Command::Xclient(client) => return self.on_xclient(client),
            Command::Mail(from) => return self.on_mail(from),
            Command::Rcpt(to) => return self.on_rcpt(to),
            Command::Rset => {
                if self.idle_command() {
                    self.end_transaction();
                    self.say(&replies::ok());
                }
            }
            Command::Noop => {
                if self.idle_command() {
                    self.say(&replies::ok());
                }
            }
            Command::Vrfy => {
                if self.idle_command() {
                    self.say(&replies::cannot_verify());
                }
            }
            Command::Help => {
                if self.idle_command() {
                    self.say(&replies::help());
                }
            }
            Command::Quit => {
                self.end_transaction();
                self.say(&replies::bye());
                self.close(Ending::Quit);
            }
        }
        None
    }

    /// The client must not send on before the reply to this command.
    pub(super) fn wait_for_reply(&mut self, due: Due) {
        self.phase = Phase::Sync(due, false);
    }

    /// HELO and EHLO also end a transaction (RFC 5321 §4.1.4).
    pub(super) fn greet_back(&mut self, hello: Hello) {
        if self.idle_command() {
            self.end_transaction();
            self.say(&replies::hello(&self.rules, hello.esmtp, self.tls));
            self.hello = Some(hello);
        }
    }

    fn on_mail(&mut self, mut from: MailFrom) -> Option<Action> {
        let Some(hello) = &self.hello else {
            self.error(&replies::out_of_order("Say EHLO first"));
            return None;
        };
        if self.envelope.is_some() {
            self.error(&replies::out_of_order("A mail is begun already"));
            return None;
        }
        if self.rules.identity && !self.authenticated && !self.certified {
            self.error(&replies::identity_first());
            return None;
        }
        let offer = hello.esmtp.then_some(self.offer());
        if let Err(fault) = extension::check_mail(&from, offer, self.rules.max_size) {
            self.error(&fault.reply());
            return None;
        }
        // Who is trusted to name another sender is nobody here (RFC 4954 §5), so that it counts as not given.
        from.params.retain(|param| !param.keyword.eq_ignore_ascii_case("AUTH"));
        self.phase = Phase::Waiting(Call::Mail { smtputf8: extension::asks_for_utf8(&from) });
        Some(Action::Mail(from))
    }

    /// Only peers that the listener lists may speak for others.
    fn on_xclient(&mut self, client: Option<IpAddr>) -> Option<Action> {
        if !self.rules.xclient {
            self.error(&replies::may_not_present());
            return None;
        }
        if self.envelope.is_some() {
            self.error(&replies::out_of_order("A mail is begun already"));
            return None;
        }
        self.phase = Phase::Waiting(Call::Present);
        Some(Action::Present(client))
    }

    /// What is offered now.
    fn offer(&self) -> extension::Offer {
        let (auth, requiretls) = (self.rules.login && self.tls, self.rules.offer.requiretls && self.tls);
        extension::Offer { requiretls, auth, ..self.rules.offer }
    }

    fn on_rcpt(&mut self, to: Recipient) -> Option<Action> {
        let Some(envelope) = self.envelope else {
            self.error(&replies::out_of_order("MAIL comes first"));
            return None;
        };
        let to = match to {
            Recipient::Mailbox(to) => to,
            Recipient::Postmaster(name, params) => {
                let Some(address) = self.own_address(&name) else {
                    self.error(&replies::no_postmaster());
                    return None;
                };
                RcptTo { address, params }
            }
        };
        let offer = self.hello.as_ref().is_some_and(|hello| hello.esmtp).then_some(self.rules.offer);
        if let Err(fault) = extension::check_rcpt(&to.address, &to.params, offer, envelope.smtputf8) {
            self.error(&fault.reply());
            return None;
        }
        if envelope.recipients >= self.rules.max_recipients {
            self.say(&replies::too_many_recipients());
            return None;
        }
        self.phase = Phase::Waiting(Call::Rcpt);
        Some(Action::Rcpt(to))
    }

    /// A mailbox of this server itself: policy and next hops know addresses with a domain only.
    fn own_address(&self, local: &str) -> Option<Address> {
        format!("{local}@{}", self.rules.hostname).parse().ok()
    }

    pub(super) fn start_data(&mut self) {
        match self.envelope {
            None => self.error(&replies::out_of_order("MAIL comes first")),
            Some(envelope) if envelope.recipients == 0 => self.error(&replies::no_recipients()),
            Some(_) => {
                self.say(&replies::go_ahead());
                self.phase = Phase::Data(Incoming::default());
            }
        }
    }
}
