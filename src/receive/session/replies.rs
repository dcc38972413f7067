//! Every reply that the session gives of its own accord, and what it makes of the replies of others.

use std::borrow::Cow;

use super::Rules;
use crate::mail::Reply;
use crate::receive::data::DataFault;

/// 220, or 554 for a client that may not send mail here. No enhanced code in a greeting (RFC 2034 §4).
pub(super) fn greeting(rules: &Rules) -> Reply {
    if rules.admitted {
        Reply::new(220, &format!("{} ESMTP", rules.hostname))
    } else {
        Reply::new(554, &format!("{} takes no mail from this client's network", rules.hostname))
    }
}

/// The answer to HELO or EHLO.
pub(super) fn hello(rules: &Rules, esmtp: bool, tls: bool) -> Reply {
    if !esmtp {
        return Reply::new(250, &rules.hostname);
    }
    let size = format!("SIZE {}", rules.max_size);
    let keywords = [
        (true, rules.hostname.as_str()),
        (true, "PIPELINING"),
        (true, &size),
        (rules.starttls && !tls, "STARTTLS"),
        (rules.login && tls, "AUTH PLAIN LOGIN"),
        (rules.xclient, "XCLIENT ADDR"),
        (true, "ENHANCEDSTATUSCODES"),
        (rules.offer.eightbit, "8BITMIME"),
        (rules.offer.smtputf8, "SMTPUTF8"),
        (rules.offer.dsn, "DSN"),
        (rules.offer.requiretls && tls, "REQUIRETLS"),
    ];
    Reply::lines(250, keywords.iter().filter(|(offered, _)| *offered).map(|(_, keyword)| *keyword))
}

pub(super) fn ok() -> Reply {
    Reply::new(250, "2.0.0 Ok")
}

pub(super) fn bye() -> Reply {
    Reply::new(221, "2.0.0 Goodbye")
}

pub(super) fn help() -> Reply {
    Reply::new(214, "2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP STARTTLS AUTH QUIT; see RFC 5321")
}

/// RFC 5321 §3.5.3: the reply that neither confirms nor denies.
pub(super) fn cannot_verify() -> Reply {
    Reply::new(252, "2.5.0 Not verified here; send the mail and see")
}

pub(super) fn go_ahead() -> Reply {
    Reply::new(354, "Send the mail; end it with <CRLF>.<CRLF>")
}

pub(super) fn ready_for_tls() -> Reply {
    Reply::new(220, "2.0.0 Ready for TLS")
}

/// RFC 3207 §4: TLS is not available now.
pub(super) fn tls_later() -> Reply {
    Reply::new(454, "4.7.0 Too many TLS handshakes now; try again later")
}

pub(super) fn too_many_commands() -> Reply {
    Reply::new(421, "4.7.0 Too many commands for a mail; closing")
}

pub(super) fn out_of_order(text: &str) -> Reply {
    Reply::new(503, &format!("5.5.1 {text}"))
}

pub(super) fn out_of_step() -> Reply {
    Reply::new(554, "5.5.0 Sent before its turn; closing")
}

pub(super) fn may_not_present() -> Reply {
    Reply::new(550, "5.7.0 You may not speak for another client")
}

pub(super) fn challenge(text: &str) -> Reply {
    Reply::new(334, text)
}

pub(super) fn logged_in() -> Reply {
    Reply::new(235, "2.7.0 Logged in")
}

/// The same for a wrong password and a name that nobody has.
pub(super) fn wrong_login() -> Reply {
    Reply::new(535, "5.7.8 Name or password is wrong")
}

pub(super) fn too_many_logins() -> Reply {
    Reply::new(421, "4.7.0 Too many wrong passwords; closing")
}

pub(super) fn login_later() -> Reply {
    Reply::new(454, "4.7.0 No login now; try again later")
}

pub(super) fn login_needs_tls() -> Reply {
    Reply::new(538, "5.7.11 Use STARTTLS first")
}

pub(super) fn login_cancelled() -> Reply {
    Reply::new(501, "5.7.0 Login cancelled")
}

pub(super) fn not_base64() -> Reply {
    Reply::new(501, "5.5.2 A response is written in base64")
}

pub(super) fn bad_response() -> Reply {
    Reply::new(535, "5.7.8 The response does not hold a name and a password")
}

pub(super) fn unknown_mechanism() -> Reply {
    Reply::new(504, "5.5.4 Only PLAIN and LOGIN are offered")
}

pub(super) fn identity_first() -> Reply {
    Reply::new(530, "5.7.0 Log in first")
}

pub(super) fn tls_first() -> Reply {
    Reply::new(530, "5.7.0 Use STARTTLS first")
}

pub(super) fn no_recipients() -> Reply {
    Reply::new(554, "5.5.1 No valid recipients")
}

/// 452 and not 552, so that the client sends the rest in another mail (RFC 5321 §4.5.3.1.10).
pub(super) fn too_many_recipients() -> Reply {
    Reply::new(452, "4.5.3 Too many recipients for one mail")
}

/// Our own name is no mail domain (an address literal without mail, say).
pub(super) fn no_postmaster() -> Reply {
    Reply::new(501, "5.1.3 Write the postmaster's address with its domain")
}

pub(super) fn mail_too_large() -> Reply {
    Reply::new(552, "5.3.4 The mail is larger than this server takes")
}

pub(super) fn not_a_mail(fault: DataFault) -> Reply {
    Reply::new(521, &format!("5.5.2 {fault} in the mail: lines end in CR LF; closing"))
}

pub(super) fn bare_line_end() -> Reply {
    Reply::new(521, "5.5.2 Bare CR or LF: lines end in CR LF; closing")
}

pub(super) fn line_too_long() -> Reply {
    Reply::new(500, "5.5.2 Line too long")
}

pub(super) fn too_many_errors() -> Reply {
    Reply::new(421, "4.7.0 Too many mistakes or commands without a mail; closing")
}

pub(super) fn timeout() -> Reply {
    Reply::new(421, "4.4.2 Waited too long; closing")
}

pub(super) fn stopping() -> Reply {
    Reply::new(421, "4.3.2 This server is stopping; try again")
}

/// A reply of relay or next hop as the client may see it: only 2xx, 4xx and 5xx end a command, 421 would announce that *we*
/// close, and every line carries an enhanced code of the same class (RFC 2034 §4).
pub(super) fn outward(reply: &Reply) -> Reply {
    if !matches!(reply.class(), 2 | 4 | 5) {
        return Reply::new(451, "4.3.0 The next server answered out of turn; try again");
    }
    let code = if reply.code() == 421 { 451 } else { reply.code() };
    let lines: Vec<Cow<'_, str>> = reply.text().iter().map(|line| with_status(line, reply.class())).collect();
    Reply::lines(code, lines.iter().map(|line| &**line))
}

fn with_status(line: &str, class: u16) -> Cow<'_, str> {
    let status = line.split(' ').next().unwrap_or_default();
    let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = status.split('.');
    let sound = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(first), Some(subject), Some(detail), None) => {
            first.len() == 1 && first.parse() == Ok(class) && is_number(subject) && is_number(detail)
        }
        _ => false,
    };
    if sound { Cow::Borrowed(line) } else { Cow::Owned(format!("{class}.0.0 {line}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_of_others_are_made_fit() {
        let cases = [
            (Reply::new(250, "2.1.5 fine"), "250 2.1.5 fine\r\n"),
            (Reply::new(550, "no such user"), "550 5.0.0 no such user\r\n"),
            (Reply::new(550, "4.1.1 odd"), "550 5.0.0 4.1.1 odd\r\n"),
            (Reply::new(421, "4.3.2 going down"), "451 4.3.2 going down\r\n"),
            (Reply::new(354, "go"), "451 4.3.0 The next server answered out of turn; try again\r\n"),
            (Reply::lines(550, ["5.7.1 a", "b"]), "550-5.7.1 a\r\n550 5.0.0 b\r\n"),
        ];
        for (reply, expected) in cases {
            assert_eq!(String::from_utf8(outward(&reply).to_bytes()).unwrap(), expected);
        }
    }
}
