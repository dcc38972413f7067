//! Plays a dialog on the session alone: no sockets, time that moves when told to.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use zegel::mail::{Param, Reply};
use zegel::receive::session::{Action, Login, Rules, Session};

use crate::script::{Call, Dialog, Event, Step};

/// How the client's bytes arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segments {
    Whole,
    Bytes,
}

struct Player {
    session: Session,
    segments: Segments,
    now: Instant,
    /// Sent by the client, not yet read by the server.
    sent: VecDeque<u8>,
    replies: Vec<u8>,
    /// The lines that follow belong to an answer to EHLO.
    uncoded: bool,
    closed: bool,
    next: Vec<(Call, Reply)>,
    events: VecDeque<Event>,
    tls_full: bool,
}

/// Plays the dialog; panics with its name and line where it goes another way.
pub fn play(dialog: &Dialog, segments: Segments) {
    let rules = Rules {
        hostname: "zegel.example".into(),
        max_size: dialog.size,
        max_recipients: dialog.recipients,
        max_commands: dialog.commands,
        max_errors: 10,
        command_timeout: Duration::from_mins(5),
        data_timeout: Duration::from_mins(3),
        offer: dialog.offer,
        starttls: dialog.tls,
        require_tls: dialog.require_tls,
        admitted: !dialog.refused,
        login: dialog.login,
        xclient: dialog.xclient,
        identity: dialog.identity,
    };
    let mut player = Player {
        session: Session::new(rules),
        segments,
        now: tokio::time::Instant::now().into_std(),
        sent: VecDeque::new(),
        replies: Vec::new(),
        uncoded: false,
        closed: false,
        next: Vec::new(),
        events: VecDeque::new(),
        tls_full: dialog.tls_full,
    };
    if dialog.implicit_tls {
        player.session.secured(false);
    }
    let watched = dialog.steps.iter().any(|(_, step)| matches!(step, Step::Saw(_)));
    for (number, step) in &dialog.steps {
        let at = format!("{}.dialog:{number}, {segments:?}", dialog.name);
        player.step(step, &at);
    }
    player.run();
    let left = String::from_utf8_lossy(&player.replies);
    assert!(left.is_empty(), "{}: {segments:?}: replies that nobody expected: {left}", dialog.name);
    assert!(!watched || player.events.is_empty(), "{}: {segments:?}: {:?}", dialog.name, player.events);
    assert!(player.next.is_empty(), "{}: answers that nobody asked for: {:?}", dialog.name, player.next);
}

impl Player {
    fn step(&mut self, step: &Step, at: &str) {
        if !matches!(step, Step::Send(_)) {
            self.run();
        }
        match step {
            Step::Send(bytes) => {
                let early = String::from_utf8_lossy(&self.replies);
                assert!(early.is_empty(), "{at}: a reply before the next command: {early}");
                self.sent.extend(bytes);
            }
            Step::Expect(text) => {
                let line = self.reply_line();
                assert!(line.as_ref().is_some_and(|line| line.starts_with(text)), "{at}: got {line:?}");
            }
            Step::Closed => {
                assert!(self.closed, "{at}: still open");
                assert!(self.replies.is_empty(), "{at}: {:?}", self.reply_line());
            }
            Step::Pass(time) => self.pass(*time),
            Step::Tls => assert!(self.session.is_tls(), "{at}: no handshake was asked for"),
            Step::Stop => self.session.stop(),
            Step::Hangup => {
                self.session.disconnected();
                self.run();
            }
            Step::Next(call, reply) => self.next.push((*call, reply.clone())),
            Step::Saw(event) => assert_eq!(self.events.pop_front().as_ref(), Some(event), "{at}"),
        }
    }

    fn reply_line(&mut self) -> Option<String> {
        let end = self.replies.windows(2).position(|pair| pair == b"\r\n")?;
        let line = self.replies.drain(..end + 2).collect::<Vec<u8>>();
        let line = String::from_utf8_lossy(&line[..end]).into_owned();
        self.coded(&line);
        Some(line)
    }

    /// RFC 2034 §4: every line of a 2xx, 4xx or 5xx has an enhanced code of its class, but in the greeting and the answers to HELO and EHLO.
    fn coded(&mut self, line: &str) {
        let (code, text) = (&line[..3], &line[4..]);
        let hello = ["zegel.example", "A domain name or an address literal"];
        let exempt = self.uncoded || hello.iter().any(|begin| text.starts_with(begin));
        self.uncoded = exempt && line.as_bytes()[3] == b'-';
        if exempt || code.starts_with('3') {
            return;
        }
        let enhanced: Vec<&str> = text.split(' ').next().unwrap().split('.').collect();
        let number = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        assert!(
            enhanced.len() == 3 && enhanced.iter().all(number) && enhanced[0] == &code[..1],
            "no enhanced code: {line}"
        );
    }

    fn pass(&mut self, time: Duration) {
        let target = self.now + time;
        if let Some(deadline) = self.session.poll_timeout().filter(|deadline| *deadline <= target) {
            self.now = deadline;
            self.session.timed_out(deadline);
            self.run();
        }
        self.now = target;
    }

    /// Until the server waits for what the client has not sent.
    fn run(&mut self) {
        while !self.closed {
            match self.session.poll(self.now) {
                Action::Read if self.sent.is_empty() => return,
                Action::Read => self.arrive(),
                Action::Peek if self.segments == Segments::Whole && !self.sent.is_empty() => self.arrive(),
                Action::Peek => {}
                Action::Write(bytes) => self.replies.extend(bytes),
                Action::Mail(from) => {
                    let path = from.path.as_ref().map(ToString::to_string).unwrap_or_default();
                    self.events.push_back(Event::Mail(written(&path, &from.params)));
                    self.answer(Call::Mail);
                }
                Action::Rcpt(to) => {
                    self.events.push_back(Event::Rcpt(written(to.address.as_str(), &to.params)));
                    self.answer(Call::Rcpt);
                }
                Action::Body(part) => match self.events.back_mut() {
                    Some(Event::Body(body)) => body.extend_from_slice(&part),
                    _ => self.events.push_back(Event::Body(part.to_vec())),
                },
                Action::End => {
                    self.events.push_back(Event::End);
                    self.answer(Call::End);
                }
                Action::Abort => self.events.push_back(Event::Abort),
                Action::Present(client) => {
                    self.session.presented(client.is_some_and(|client| client.is_loopback()));
                }
                Action::Login(credentials) => {
                    let login = match (credentials.name.as_str(), credentials.password.as_slice()) {
                        ("jan", b"secret password") => Login::Right,
                        (_, b"later") => Login::Later,
                        _ => Login::Wrong,
                    };
                    self.session.logged_in(login);
                }
                Action::AskTls => self.session.may_secure(!self.tls_full),
                Action::StartTls => self.session.secured(false),
                Action::Close(_) => self.closed = true,
            }
        }
        self.sent.clear();
    }

    fn arrive(&mut self) {
        let count = if self.segments == Segments::Whole { self.sent.len() } else { 1 };
        let bytes: Vec<u8> = self.sent.drain(..count).collect();
        self.session.received(&bytes, self.now);
    }

    fn answer(&mut self, call: Call) {
        let scripted = self.next.iter().position(|(for_call, _)| *for_call == call);
        let reply = scripted.map_or_else(|| Reply::new(250, "2.0.0 Ok"), |index| self.next.remove(index).1);
        self.session.answered(&reply);
    }
}

fn written(path: &str, params: &[Param]) -> String {
    let mut text = format!("<{path}>");
    for param in params {
        text.push(' ');
        text.push_str(&param.keyword);
        if let Some(value) = &param.value {
            text.push('=');
            text.push_str(value);
        }
    }
    text
}
