//! A next hop's reply as an outcome, and as words that may be stored, logged and shown: pure.
//!
//! A server may quote anything back: addresses, a line of the mail, even the link. What stands in a record or a mail to the
//! sender therefore holds no address, no link and no secret of the job.

use crate::mail::Reply;
use crate::text::mail::Reason;

use super::{Outcome, clean};

/// Characters of an answer that are kept.
const LONGEST: usize = 300;

/// Noted when a message ended while its notice still waited.
pub(super) const ENDED: &str = "the message ended before its notice could be sent";

/// What a reply means for the job. `secrets` are what the mail brought in clear.
///
/// Refusals that are about us and not about this mail (RFC 4954 §6: AUTH is missing, too weak or wrong; the server does not know
/// our command) are for the administrator to mend, so the mail waits for that.
pub(super) fn outcome(reply: &Reply, secrets: &[&str]) -> Outcome {
    let text = cleaned(reply, secrets);
    match (reply.class(), reply.code()) {
        (2, _) => Outcome::Sent,
        (5, 500..=504 | 530 | 534 | 535 | 538) => Outcome::Later(text),
        (5, _) => Outcome::Never(text),
        _ => Outcome::Later(text),
    }
}

/// The reply in one line, without addresses, links and secrets.
pub(super) fn cleaned(reply: &Reply, secrets: &[&str]) -> String {
    let text = clean::line(&reply.to_string(), usize::MAX);
    let lower = text.to_lowercase();
    if secrets.iter().any(|secret| !secret.is_empty() && lower.contains(&secret.to_lowercase())) {
        return reply.code().to_string();
    }
    let words = text.split(' ').map(|word| if is_private(word) { "…" } else { word });
    clean::line(&words.collect::<Vec<_>>().join(" "), LONGEST)
}

/// A word with an address or a link in it.
fn is_private(word: &str) -> bool {
    word.contains(['@', '＠'])
        || word.contains("://")
        || word.contains("/b/")
        || word.contains("=40")
        || word.contains("+40")
}

/// What a last answer means in plain words: by the enhanced status code (RFC 3463) where there is one, else by the code.
pub(super) fn reason(answer: &str) -> Reason {
    if answer == ENDED {
        return Reason::Ended;
    }
    let mut words = answer.split([' ', '-']).filter(|word| !word.is_empty());
    let code = words.next().unwrap_or_default();
    if !is_code(code, '5') {
        return Reason::Unreachable;
    }
    let enhanced = words.next().unwrap_or_default();
    match enhanced.split('.').collect::<Vec<_>>().as_slice() {
        ["5", "1", "1" | "2" | "3" | "6" | "10"] | ["5", "4", "4"] => Reason::Unknown,
        ["5", "2", "2"] => Reason::Full,
        ["5", _, _] => Reason::Refused,
        _ if code == "552" => Reason::Full,
        _ => Reason::Refused,
    }
}

/// The last answer if a server gave it; what we noted ourselves (a hop that cannot be reached) says nothing to a sender.
pub(super) fn of_server(answer: &str) -> Option<&str> {
    let code = answer.split([' ', '-']).next().unwrap_or_default();
    (is_code(code, '4') || is_code(code, '5')).then_some(answer)
}

fn is_code(word: &str, class: char) -> bool {
    word.len() == 3 && word.starts_with(class) && word.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_become_outcomes() {
        let later = |text: &str| Outcome::Later(text.to_owned());
        let never = |text: &str| Outcome::Never(text.to_owned());
        for (code, text, expected) in [
            (250, "2.0.0 queued", Outcome::Sent),
            (451, "4.7.1 greylisted", later("451 4.7.1 greylisted")),
            (421, "4.3.2 closing", later("421 4.3.2 closing")),
            (550, "5.1.1 no such user", never("550 5.1.1 no such user")),
            (554, "5.7.1 spam", never("554 5.7.1 spam")),
            (530, "5.7.0 authentication required", later("530 5.7.0 authentication required")),
            (501, "5.5.4 bad parameter", later("501 5.5.4 bad parameter")),
            (354, "go on", later("354 go on")),
        ] {
            assert_eq!(outcome(&Reply::new(code, text), &[]), expected, "{code}");
        }
    }

    #[test]
    fn an_answer_shows_no_address_no_link_and_no_secret() {
        for (text, expected) in [
            ("5.1.1 <Jan@Example.nl>: unknown", "550 5.1.1 … unknown"),
            ("see https://veilig.example.nl/b/abc now", "550 see … now"),
            ("path veilig.example.nl/b/abc", "550 path …"),
            ("the token ABC2DEF was seen", "550"),
            ("your code 1234 5678", "550"),
            ("evil\u{7} text", "550 evil text"),
        ] {
            let reply = Reply::new(550, text);
            assert_eq!(cleaned(&reply, &["abc2def", "1234 5678"]), expected, "{text}");
        }
        let long = Reply::lines(550, ["x".repeat(400).as_str(), "y"]);
        assert!(cleaned(&long, &[]).chars().count() <= LONGEST + 1);
    }

    #[test]
    fn reasons_in_plain_words() {
        for (answer, expected) in [
            ("550 5.1.1 unknown", Reason::Unknown),
            ("550 5.4.4 no host", Reason::Unknown),
            ("552 5.2.2 full", Reason::Full),
            ("552 too much", Reason::Full),
            ("554 5.7.1 spam", Reason::Refused),
            ("550 no", Reason::Refused),
            ("451 4.2.2 full for now", Reason::Unreachable),
            ("next hop out cannot be reached", Reason::Unreachable),
            ("", Reason::Unreachable),
        ] {
            assert_eq!(reason(answer), expected, "{answer}");
            assert_eq!(of_server(answer).is_some(), answer.starts_with(['4', '5']), "{answer}");
        }
    }
}
