//! What comes before a client is known: a PROXY header, and the exchange of AUTH. `tests/smtp_dialogs.rs` runs them over `fuzz/seeds`.

use std::time::Duration;

use zegel::mail::Reply;
use zegel::receive::extension::Offer;
use zegel::receive::proxy::{MAX_HEADER, Start, read};
use zegel::receive::session::{Action, Login, Rules, Session};

/// The begin of a connection from a proxy: what is a header stays one, whatever follows, and says the same.
pub fn proxy(data: &[u8]) {
    let whole = read(data);
    for end in (0..data.len()).rev().take(200) {
        match read(&data[..end]) {
            Start::Partial => {}
            Start::Invalid => assert_eq!(whole, Start::Invalid),
            Start::Header { client, len } => {
                assert!(len <= end && len <= MAX_HEADER);
                assert_eq!(whole, Start::Header { client, len });
            }
        }
    }
    if let Start::Header { len, .. } = whole {
        assert!(len <= data.len());
        assert_eq!(read(&data[..len]), whole);
    }
}

fn rules() -> Rules {
    Rules {
        hostname: "zegel.example".into(),
        max_size: 2000,
        max_recipients: 3,
        max_commands: 1_000,
        max_errors: 10,
        command_timeout: Duration::from_mins(5),
        data_timeout: Duration::from_mins(3),
        offer: Offer::default(),
        starttls: true,
        require_tls: true,
        admitted: true,
        login: true,
        xclient: false,
        identity: true,
    }
}

/// What a client says on a submission listener after TLS and EHLO: no mail before the right password, nothing but sound names and
/// passwords to compare, no more than three wrong ones, and whole replies that hold no password.
pub fn login(data: &[u8]) {
    #[expect(clippy::disallowed_methods, reason = "the session only compares times, and none passes here")]
    let now = std::time::Instant::now();
    let mut session = Session::new(rules());
    let step = data.first().map_or(1, |byte| usize::from(*byte).max(1));
    let rest = data.get(1..).unwrap_or_default();
    let opening: [&[u8]; 2] = [b"EHLO a\r\nSTARTTLS\r\n", b"EHLO a\r\n"];
    let mut pieces = opening[0].split_inclusive(|byte| *byte == b'\n').chain([opening[1]]).chain(rest.chunks(step));
    let (mut known, mut wrong) = (false, 0);
    loop {
        match session.poll(now) {
            Action::Read => match pieces.next() {
                Some(piece) => session.received(piece, now),
                None => session.disconnected(),
            },
            Action::Write(replies) => assert!(replies.ends_with(b"\r\n") && !contains(&replies, b"secret")),
            Action::Login(credentials) => {
                assert!((1..=255).contains(&credentials.name.len()) && !credentials.name.contains(char::is_control));
                assert!((1..=1024).contains(&credentials.password.len()) && !credentials.password.contains(&0));
                assert!(!known && session.is_tls());
                let right = credentials.name == "jan" && credentials.password.as_slice() == b"secret password";
                known |= right;
                wrong += usize::from(!right);
                assert!(wrong <= 3);
                session.logged_in(if right { Login::Right } else { Login::Wrong });
            }
            Action::Mail(from) => {
                assert!(known && from.param("AUTH").is_none());
                session.answered(&Reply::new(250, "2.1.0 Ok"));
            }
            Action::Rcpt(_) | Action::End => session.answered(&Reply::new(250, "2.0.0 Ok")),
            Action::AskTls => session.may_secure(true),
            Action::StartTls => session.secured(false),
            Action::Present(_) => panic!("XCLIENT is not offered"),
            Action::Peek | Action::Body(_) | Action::Abort => {}
            Action::Close(_) => return,
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
