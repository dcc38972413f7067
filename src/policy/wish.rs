//! What the sender asks for beside secrecy itself: how long it lives, and how the recipient proves who they are.
//!
//! A wish that cannot be kept is refused with what is allowed; nothing weaker is done in its place.

use std::time::Duration;

use super::{Mode, Proof};
use crate::mail::{Address, Reply};

/// One day.
const DAY: Duration = Duration::from_hours(24);

/// Days that a sealed message may live.
const DAYS: std::ops::RangeInclusive<u64> = 1..=365;

/// A life as it stands in a tag or a header: `30d`, `12w`, `P30D`, `P4W`, `P2M` (30 days each), `P1Y`, and Zivver's
/// `delete P30D` (ISO 8601 durations in whole days).
pub(super) fn expires(text: &str) -> Result<Duration, Reply> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_prefix("delete").map_or(text.as_str(), str::trim);
    let days = match text.strip_prefix('p') {
        Some(period) => period_days(period),
        None => unit_days(text),
    };
    days.filter(|days| DAYS.contains(days)).and_then(|days| DAY.checked_mul(u32::try_from(days).ok()?)).ok_or_else(
        || {
            Reply::new(
                550,
                "5.7.1 Zegel: the life of a confidential message is 1 to 365 days, written as 30d, 12w or P30D",
            )
        },
    )
}

/// Whether a flag of a tag is meant as a life: it begins with a digit.
pub(super) fn is_life(flag: &str) -> bool {
    flag.starts_with(|c: char| c.is_ascii_digit())
}

fn unit_days(text: &str) -> Option<u64> {
    let (number, days) = match text.strip_suffix('d') {
        Some(number) => (number, 1),
        None => (text.strip_suffix('w')?, 7),
    };
    digits(number)?.checked_mul(days)
}

fn period_days(period: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut number = String::new();
    let mut units = "ymwd".chars();
    for c in period.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        // units come in order, each once
        units.find(|unit| *unit == c)?;
        let days = match c {
            'y' => 365,
            'm' => 30,
            'w' => 7,
            _ => 1,
        };
        total = total.checked_add(digits(&std::mem::take(&mut number))?.checked_mul(days)?)?;
    }
    (number.is_empty() && !period.is_empty()).then_some(total)
}

fn digits(text: &str) -> Option<u64> {
    let plain = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Whom a value is for that asks for a kind of proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// The recipient it names, who is this one.
    This,
    /// Another.
    Other,
    /// Nobody by name.
    Nobody,
}

/// Reads a `Zegel-Proof` or `zivver-access-right` value for one recipient: `code`, `sms NUMBER`, `mail`, or one of them behind the recipient's address. A
/// value for another recipient says nothing here.
pub(super) fn proof(value: &str, recipient: &Address) -> Result<(For, Option<Proof>), Reply> {
    let value = value.trim();
    let (first, rest) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    let bare = first.trim_start_matches('<').trim_end_matches('>');
    if !bare.contains('@') {
        return Ok((For::Nobody, Some(kind(value)?)));
    }
    let address: Address = bare.parse().map_err(|_| unknown_proof())?;
    if address.key() == recipient.key() { Ok((For::This, Some(kind(rest)?))) } else { Ok((For::Other, None)) }
}

/// Reads a kind of proof with its argument, or a flag of a tag. Which numbers are taken is judged where they are kept.
fn kind(text: &str) -> Result<Proof, Reply> {
    let text = text.trim();
    let (word, rest) = text.split_once(|c: char| c.is_whitespace() || c == ':').unwrap_or((text, ""));
    let rest = rest.trim_matches(|c: char| c.is_whitespace() || c == ':');
    match (word.to_ascii_lowercase().as_str(), rest) {
        ("code", "") => Ok(Proof::Code),
        ("mail", "") => Ok(Proof::Mail),
        ("sms", "") => Err(Reply::new(
            550,
            "5.7.1 Zegel: proof by sms needs a telephone number: write sms:+31612345678, or \"name@domain sms +31612345678\"",
        )),
        ("sms", number) => Ok(Proof::Sms(number.to_owned())),
        ("hold", _) => {
            Err(Reply::new(550, "5.7.1 Zegel: holding a mail is not available yet; use code, sms, or no proof at all"))
        }
        _ => Err(unknown_proof()),
    }
}

/// Reads a flag of a subject tag that is neither tag word nor life.
pub(super) fn flag(flag: &str) -> Result<Proof, Reply> {
    kind(flag).map_err(|reply| {
        let unknown = Reply::new(
            550,
            "5.7.1 Zegel: unknown word in the subject tag; beside the tag word, code, mail, sms:+31612345678 and a life such as 30d are known",
        );
        if reply == unknown_proof() { unknown } else { reply }
    })
}

/// The flags of a tag with a number that has blanks put together: `sms:06`, `12345678` is one argument.
pub(super) fn whole_flags(tag: &[String]) -> Vec<String> {
    let mut flags: Vec<String> = Vec::with_capacity(tag.len());
    for flag in tag {
        let is_number = flag.chars().all(|c| c.is_ascii_digit() || "+-()./".contains(c));
        match flags.last_mut().filter(|last| is_number && last.starts_with("sms")) {
            Some(sms) => {
                sms.push(' ');
                sms.push_str(flag);
            }
            None => flags.push(flag.clone()),
        }
    }
    flags
}

/// The refusal of a mail whose proofs contradict each other.
pub(super) fn contradiction() -> Reply {
    Reply::new(550, "5.7.1 Zegel: this mail asks for two different proofs for one recipient; ask for one")
}

/// The refusal of a code by mail where no rule names it, or where the mail is strict.
pub(super) fn no_mail_code(mode: Mode) -> Reply {
    let lines = match mode {
        Mode::Strict => [
            "5.7.1 Zegel: strict mail cannot be opened with a code by mail;",
            "5.7.1 ask for an access code, as in [veilig code]",
        ],
        Mode::Assisted => [
            "5.7.1 Zegel: no rule of this gateway allows a code by mail for this mail;",
            "5.7.1 ask for an access code, as in [veilig code], or for sms",
        ],
    };
    Reply::lines(550, lines)
}

/// The refusal of an argument that could be meant for several recipients.
pub(super) fn for_several() -> Reply {
    Reply::lines(
        550,
        [
            "5.7.1 Zegel: this mail has several recipients, and its proof does not say for whom it is;",
            "5.7.1 send it to each of them separately, or write a header for each: Zegel-Proof: name@domain sms +31612345678",
        ],
    )
}

/// Judges `zivver-minimum-recipient-verification`, already in lower case: an access code is at least what a mail to the same
/// mailbox proves.
pub(super) fn minimum(value: &str) -> Result<(), Reply> {
    match value.trim() {
        "verification-email" => Ok(()),
        _ => Err(Reply::new(
            550,
            "5.7.1 Zegel: of zivver-minimum-recipient-verification, only verification-email can be met",
        )),
    }
}

fn unknown_proof() -> Reply {
    Reply::new(
        550,
        "5.7.1 Zegel: this kind of proof is not known; write \"code\", \"mail\" or \"sms +31612345678\", behind \"name@domain\" for one recipient",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives() {
        for (text, days) in [
            ("30d", Some(30)),
            ("1d", Some(1)),
            ("365d", Some(365)),
            ("12w", Some(84)),
            (" 12W ", Some(84)),
            ("P30D", Some(30)),
            ("p4w", Some(28)),
            ("P1M", Some(30)),
            ("P1Y", Some(365)),
            ("P1M1W1D", Some(38)),
            ("delete P30D", Some(30)),
            ("DELETE  P30D", Some(30)),
            ("0d", None),
            ("366d", None),
            ("53w", None),
            ("P2Y", None),
            ("P", None),
            ("", None),
            ("d", None),
            ("30", None),
            ("-30d", None),
            ("+30d", None),
            ("3.5d", None),
            ("30 d", None),
            ("30days", None),
            ("P30", None),
            ("PT30D", None),
            ("P1D1W", None),
            ("P1D1D", None),
            ("99999999999999999999d", None),
            ("delete", None),
            ("never", None),
            ("３０d", None),
        ] {
            assert_eq!(expires(text).ok(), days.map(|days| DAY * days), "{text:?}");
        }
        assert_eq!(expires("400d").unwrap_err().code(), 550);
    }

    #[test]
    fn proofs() {
        let recipient = "Piet@b.example".parse().unwrap();
        let sms = |number: &str| Some(Proof::Sms(number.to_owned()));
        let code = (For::Nobody, Some(Proof::Code));
        for (value, said) in [
            ("code", Ok(code.clone())),
            ("CODE", Ok(code.clone())),
            ("piet@b.example code", Ok((For::This, Some(Proof::Code)))),
            ("<piet@B.example> code", Ok((For::This, Some(Proof::Code)))),
            ("other@b.example sms +31612345678", Ok((For::Other, None))),
            ("other@b.example nonsense", Ok((For::Other, None))),
            ("piet@b.example sms +31612345678", Ok((For::This, sms("+31612345678")))),
            ("<PIET@b.example> SMS: 06 - 12 34 56 78 ", Ok((For::This, sms("06 - 12 34 56 78")))),
            ("sms +31612345678", Ok((For::Nobody, sms("+31612345678")))),
            ("sms:+31612345678", Ok((For::Nobody, sms("+31612345678")))),
            ("sms", Err("needs a telephone number")),
            ("piet@b.example sms", Err("needs a telephone number")),
            ("hold", Err("not available")),
            ("piet@b.example", Err("not known")),
            ("piet@b.example mail", Ok((For::This, Some(Proof::Mail)))),
            ("mail jan@b.example", Err("not known")),
            ("piet@b.example code sms", Err("not known")),
            ("piet@ code", Err("not known")),
            ("", Err("not known")),
        ] {
            match (proof(value, &recipient), said) {
                (Err(reply), Err(said)) => {
                    assert!(reply.code() == 550 && reply.text()[0].contains(said), "{value:?}: {reply}");
                }
                (read, said) => assert_eq!(read.ok(), said.ok(), "{value:?}"),
            }
        }
        assert_eq!(format!("{:?}", sms("+31612345678")), "Some(Sms(…))", "the number is content");
    }

    #[test]
    fn a_number_with_blanks_is_one_argument() {
        for (tag, expected) in [
            (&["veilig", "sms:06", "12345678"][..], &["veilig", "sms:06 12345678"][..]),
            (&["sms", "+31", "6", "12", "30d", "veilig"], &["sms +31 6 12", "30d", "veilig"]),
            (&["veilig", "30d", "code"], &["veilig", "30d", "code"]),
            (&["30", "veilig"], &["30", "veilig"]),
        ] {
            let tag: Vec<String> = tag.iter().map(ToString::to_string).collect();
            assert_eq!(whole_flags(&tag), expected);
        }
    }
}
