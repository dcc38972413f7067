//! Properties of the session that hold for any bytes; the conversations themselves are the dialogs in `tests/smtp`.

use proptest::prelude::*;

use super::*;
use crate::receive::extension::Offer;

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
        starttls: true,
        require_tls: false,
        admitted: true,
        login: true,
        xclient: true,
        identity: false,
    }
}

/// What a backend and a client saw of a session.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    replies: Vec<u8>,
    bodies: Vec<Vec<u8>>,
    aborted: usize,
    ended: usize,
    opened: usize,
    closed: Option<Ending>,
}

/// Plays `pieces` on a session whose backend takes everything. What is not read before the end stays unread.
fn play(pieces: impl IntoIterator<Item = Vec<u8>>) -> Seen {
    let now = tokio::time::Instant::now().into_std();
    let mut session = Session::new(rules());
    let mut pieces = pieces.into_iter();
    let mut seen = Seen::default();
    let mut body = Vec::new();
    loop {
        match session.poll(now) {
            Action::Read => match pieces.next() {
                Some(piece) => session.received(&piece, now),
                None => session.disconnected(),
            },
            Action::Peek => {}
            Action::Write(bytes) => seen.replies.extend(bytes),
            Action::Mail(_) => {
                seen.opened += 1;
                session.answered(&Reply::new(250, "2.1.0 Ok"));
            }
            Action::Rcpt(_) => session.answered(&Reply::new(250, "2.1.5 Ok")),
            Action::Body(part) => body.extend_from_slice(&part),
            Action::End => {
                seen.ended += 1;
                seen.bodies.push(std::mem::take(&mut body));
                session.answered(&Reply::new(250, "2.0.0 Taken"));
            }
            Action::Abort => {
                seen.aborted += 1;
                body.clear();
            }
            Action::Present(client) => session.presented(client.is_some()),
            Action::Login(_) => session.logged_in(Login::Right),
            Action::AskTls => session.may_secure(true),
            Action::StartTls => session.secured(false),
            Action::Close(ending) => {
                seen.closed = Some(ending);
                return seen;
            }
        }
    }
}

fn assert_whole_replies(replies: &[u8]) {
    assert!(replies.ends_with(b"\r\n"), "a reply without end");
    let text = std::str::from_utf8(replies).unwrap();
    for line in text.split_terminator("\r\n") {
        let (code, rest) = line.split_at(3);
        assert!(code.parse::<u16>().is_ok_and(|code| (200..600).contains(&code)), "{line}");
        assert!(rest.starts_with(' ') || rest.starts_with('-'), "{line}");
        assert!(line.len() <= 510 && !line.contains(['\r', '\n']), "{line}");
    }
}

const PRELUDE: &[&str] =
    &["EHLO c.example\r\n", "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<c@d.example>\r\n", "DATA\r\n"];

fn prelude() -> Vec<Vec<u8>> {
    PRELUDE.iter().map(|line| line.as_bytes().to_vec()).collect()
}

fn words() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        &b"EHLO c.example\r\n"[..],
        b"HELO c\r\n",
        b"MAIL FROM:<a@b.example>",
        b" SIZE=3000",
        b" SMTPUTF8",
        b"RCPT TO:<c@d.example>",
        b"\r\n",
        b"DATA\r\n",
        b"RSET\r\n",
        b"NOOP\r\n",
        b"STARTTLS\r\n",
        b"AUTH PLAIN ",
        b"AUTH LOGIN\r\n",
        b"XCLIENT ADDR=192.0.2.7\r\n",
        b"AGphbgBzZWNyZXQ=\r\n",
        b"*\r\n",
        b"QUIT\r\n",
        b".\r\n",
        b"..x\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"\xff",
        b"x",
    ]);
    prop::collection::vec(word, 0..12).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_bytes_get_whole_replies(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..8)) {
        assert_whole_replies(&play(pieces).replies);
    }

    #[test]
    fn any_conversation_leaves_no_transaction_open(pieces in prop::collection::vec(words(), 0..8)) {
        let seen = play(pieces.into_iter().filter(|piece| !piece.is_empty()));
        assert_whole_replies(&seen.replies);
        prop_assert_eq!(seen.opened, seen.ended + seen.aborted);
        prop_assert!(seen.closed.is_some());
    }

    #[test]
    fn the_backend_gets_the_same_bytes_or_an_abort(
        body in prop::collection::vec(prop::sample::select(&b"\r\n.\0ab\xff"[..]), 0..80),
        size in 1_usize..20,
    ) {
        let wire = [&body[..], b"\r\n.\r\n"].concat();
        let pieces = prelude().into_iter().chain(wire.chunks(size).map(<[u8]>::to_vec));
        let seen = play(pieces);
        assert_whole_replies(&seen.replies);
        match seen.bodies.as_slice() {
            [] => prop_assert_eq!(seen.aborted, 1),
            [got] => {
                let mut ended = got.clone();
                ended.extend_from_slice(b".\r\n");
                prop_assert!(wire.starts_with(&ended), "{:?} of {:?}", got, wire);
                prop_assert!(wire == ended || wire.get(got.len()..).is_some_and(|rest| rest.starts_with(b".\r\n")));
            }
            more => prop_assert!(false, "{} mails out of one", more.len()),
        }
    }

    #[test]
    fn commands_mean_the_same_in_any_pieces(lines in prop::collection::vec("[A-Z]{4}( [a-z:<>@.]{0,12})?", 0..8), size in 1_usize..30) {
        let text: Vec<u8> = lines.iter().flat_map(|line| [line.as_bytes(), b"\r\n"].concat()).collect();
        let whole = play(text.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec));
        let bytes = play(text.chunks(1).map(<[u8]>::to_vec));
        prop_assert_eq!(&whole, &bytes);
        let _ = play(text.chunks(size).map(<[u8]>::to_vec));
    }
}

#[test]
fn a_mail_that_drips_in_is_ended() {
    let mut now = tokio::time::Instant::now().into_std();
    let start = now;
    let mut session = Session::new(rules());
    let mut pieces = prelude().into_iter();
    let mut replies = Vec::new();
    loop {
        match session.poll(now) {
            Action::Read => {
                let deadline = session.poll_timeout().unwrap();
                if let Some(piece) = pieces.next() {
                    session.received(&piece, now);
                } else if now + Duration::from_secs(100) < deadline {
                    now += Duration::from_secs(100);
                    session.received(b"x", now);
                } else {
                    now = deadline;
                    session.timed_out(now);
                }
            }
            Action::Write(bytes) => replies = bytes,
            Action::Mail(_) | Action::Rcpt(_) => session.answered(&Reply::new(250, "2.0.0 Ok")),
            Action::Close(ending) => {
                assert_eq!(ending, Ending::Timeout);
                break;
            }
            _ => {}
        }
    }
    assert!(replies.starts_with(b"421 4.4.2"));
    assert_eq!(now - start, Duration::from_mins(10), "each octet came in time, the mail did not");
}

#[test]
fn a_partial_command_does_not_buy_time() {
    let start = tokio::time::Instant::now().into_std();
    let mut session = Session::new(rules());
    let mut reads = 0_u32;
    loop {
        let now = start + Duration::from_mins(1) * reads;
        match session.poll(now) {
            Action::Read => {
                assert_eq!(session.poll_timeout(), Some(start + Duration::from_mins(5)));
                session.timed_out(now);
                session.received(b"N", now);
                reads += 1;
            }
            Action::Close(ending) => {
                assert_eq!((ending, reads), (Ending::Timeout, 6));
                break;
            }
            _ => {}
        }
    }
}
