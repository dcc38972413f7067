//! What a client says, command by command and in a mail, and what a next hop answers. `tests/smtp_dialogs.rs` runs them over `fuzz/seeds`.

use std::time::Duration;

use zegel::mail::Reply;
use zegel::nexthop::reply::{BadReply, ReplyBuffer};
use zegel::receive::command::{Command, Recipient, parse};
use zegel::receive::data::{DataReader, Step};
use zegel::receive::extension::Offer;
use zegel::receive::session::{Action, Rules, Session};

fn rules() -> Rules {
    Rules {
        hostname: "zegel.example".into(),
        max_size: 2000,
        max_recipients: 3,
        max_commands: 1_000,
        max_errors: 10,
        command_timeout: Duration::from_mins(5),
        data_timeout: Duration::from_mins(3),
        offer: Offer { eightbit: true, smtputf8: true, dsn: true, ..Offer::default() },
        starttls: false,
        require_tls: false,
        admitted: true,
        login: false,
        xclient: false,
        identity: false,
    }
}

/// A command line: what is taken of it can end no line. And a whole session: replies are whole lines, a mail has a sender and recipients before it
/// has bytes, its bytes are clean, and every transaction that was opened ends exactly once.
pub fn command(data: &[u8]) {
    line(data);
    #[expect(clippy::disallowed_methods, reason = "the session only compares times, and none passes here")]
    let now = std::time::Instant::now();
    let (Some(step), Some(mood)) = (data.first(), data.get(1)) else { return };
    let mut pieces = data.get(2..).unwrap_or_default().chunks(usize::from(*step).max(1));
    let mut session = Session::new(rules());
    let mut said = 0;
    let mut answer = |good: u16| {
        said += 1;
        // Now and then the relay refuses.
        match (mood >> (said % 4 * 2)) & 3 {
            1 => Reply::new(450, "4.2.0 Later"),
            2 => Reply::new(550, "5.1.1 No"),
            _ => Reply::new(good, "2.0.0 Ok"),
        }
    };
    let mut mail: Option<(usize, Vec<u8>)> = None;
    loop {
        match session.poll(now) {
            Action::Read => match pieces.next() {
                Some(piece) => session.received(piece, now),
                None => session.disconnected(),
            },
            Action::Write(replies) => whole_replies(&replies),
            Action::Mail(_) => {
                assert!(mail.is_none(), "a transaction in a transaction");
                let reply = answer(250);
                mail = reply.is_positive().then(Default::default);
                session.answered(&reply);
            }
            Action::Rcpt(_) => {
                let (recipients, _) = mail.as_mut().expect("a recipient of no mail");
                let reply = answer(250);
                *recipients += usize::from(reply.is_positive());
                session.answered(&reply);
            }
            Action::Body(part) => {
                let (recipients, bytes) = mail.as_mut().expect("bytes of no mail");
                assert!(*recipients > 0 && !part.is_empty());
                bytes.extend_from_slice(&part);
            }
            Action::End => {
                let (recipients, bytes) = mail.take().expect("the end of no mail");
                assert!(recipients > 0 && recipients <= 3);
                clean(&bytes);
                assert!(bytes.is_empty() || bytes.ends_with(b"\r\n"));
                session.answered(&answer(250));
            }
            Action::Abort => {
                let (_, bytes) = mail.take().expect("the end of no mail");
                clean(&bytes);
            }
            Action::Peek => {}
            Action::Close(ending) => {
                assert!(mail.is_none(), "a transaction was left");
                assert_eq!(session.poll(now), Action::Close(ending));
                return;
            }
            other => panic!("not offered: {other:?}"),
        }
    }
}

fn line(data: &[u8]) {
    let sound = |text: &str| assert!(!text.contains(['\r', '\n', '\0', '<', '>']), "{text:?}");
    let Ok(command) = parse(data) else { return };
    let params = match &command {
        Command::Mail(from) => &from.params,
        Command::Rcpt(Recipient::Mailbox(to)) => &to.params,
        Command::Rcpt(Recipient::Postmaster(_, params)) => params,
        Command::Helo(name) | Command::Ehlo(name) => return sound(name),
        _ => return,
    };
    for param in params {
        for text in [Some(&param.keyword), param.value.as_ref()].into_iter().flatten() {
            assert!(!text.is_empty() && !text.contains(|c: char| c.is_control() || c.is_whitespace()), "{text:?}");
        }
    }
}

/// Replies as RFC 5321 §4.2 writes them, none longer than 512 octets a line.
fn whole_replies(bytes: &[u8]) {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for line in &lines {
        let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
        assert!(digits == 3 && matches!(line[3], b' ' | b'-') && line.ends_with(b"\r\n") && line.len() <= 512);
        assert!(line[..line.len() - 2].iter().all(|byte| (b' '..=b'~').contains(byte)));
    }
    assert!(lines.last().is_some_and(|line| line[3] == b' '), "the last reply goes on");
}

/// Line ends are CR LF, and there is no NUL.
fn clean(bytes: &[u8]) {
    let mut before = 0;
    for byte in bytes {
        assert!(*byte != 0 && (before == b'\r') == (*byte == b'\n'));
        before = *byte;
    }
}

/// The bytes of DATA: the same mail in one piece and cut anywhere, and its end exactly where a second, plainer reader finds it.
pub fn data(data: &[u8]) {
    let Some((step, input)) = data.split_first() else { return };
    let whole = read(input, input.len().max(1));
    assert_eq!(read(input, usize::from(*step % 16) + 1), whole);
    let (body, end) = &whole;
    clean(body);
    assert!(input.starts_with(body));
    match plain_end(input) {
        Ending::At(at) => assert_eq!((body.len(), *end), (at, Ending::At(at))),
        other => assert_eq!(*end, other),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The mail is so long.
    At(usize),
    Fault,
    Open,
}

fn read(input: &[u8], step: usize) -> (Vec<u8>, Ending) {
    let (mut reader, mut waiting, mut body) = (DataReader::default(), Vec::new(), Vec::new());
    let mut pieces = input.chunks(step);
    loop {
        match reader.step(&waiting) {
            Step::Body(len) => body.extend(waiting.drain(..len)),
            Step::End(3) => {
                let len = body.len();
                return (body, Ending::At(len));
            }
            Step::End(len) => panic!("an end of {len} octets"),
            Step::Fault(_) => return (body, Ending::Fault),
            Step::More => {
                assert!(waiting.len() <= 2, "more is held back than can be doubtful");
                match pieces.next() {
                    Some(piece) => waiting.extend_from_slice(piece),
                    None => return (body, Ending::Open),
                }
            }
        }
    }
}

/// The first of: the end of the mail, a bare CR, a bare LF, a NUL.
fn plain_end(input: &[u8]) -> Ending {
    let framed = [b"\r\n", input].concat();
    for at in 2..framed.len() {
        let behind = |count: usize| framed.get(at..at + count);
        if framed[at - 2..at] == *b"\r\n" && behind(3) == Some(b".\r\n") {
            return Ending::At(at - 2);
        }
        let bad = match framed[at] {
            0 => true,
            b'\n' => framed[at - 1] != b'\r',
            b'\r' => framed.get(at + 1).is_some_and(|next| *next != b'\n'),
            _ => false,
        };
        if bad {
            return Ending::Fault;
        }
    }
    Ending::Open
}

/// What a next hop answers: the same replies in one piece and cut anywhere, each fit to be passed on to a client, and none behind a mistake.
pub fn reply(data: &[u8]) {
    let Some((step, input)) = data.split_first() else { return };
    let (whole, end) = replies(input, input.len().max(1));
    let (cut, cut_end) = replies(input, usize::from(*step % 16) + 1);
    assert_eq!((&cut, cut_end.is_err()), (&whole, end.is_err()));
    for reply in &whole {
        assert!((200..600).contains(&reply.code()) && (1..=32).contains(&reply.text().len()));
        whole_replies(&reply.to_bytes());
    }
}

fn replies(input: &[u8], step: usize) -> (Vec<Reply>, Result<(), BadReply>) {
    let (mut buffer, mut found) = (ReplyBuffer::default(), Vec::new());
    for piece in input.chunks(step) {
        buffer.push(piece);
        loop {
            match buffer.take() {
                Ok(Some(reply)) => found.push(reply),
                Ok(None) => break,
                Err(bad) => return (found, Err(bad)),
            }
        }
    }
    (found, Ok(()))
}
