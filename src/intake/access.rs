//! How each recipient will prove who they are: what the mail asks for, else what is known of them, else an access code. Pure.
//!
//! | asked for | known: access code | known: SMS | known: code by mail | nothing known |
//! |---|---|---|---|---|
//! | nothing, or mail, where a rule names mail | that code | SMS to that number | code by mail | code by mail |
//! | nothing elsewhere | that code | SMS to that number | a new code in its place | a new code |
//! | code | that code | a new code in its place | a new code in its place | a new code |
//! | sms, a number | SMS to it in its place | the same number: as it is; else SMS to it in its place | SMS to it in its place | SMS to it |
//!
//! "Known" is the sender's own contact, else the organisation's. Only the sender's own is changed: where the organisation's does not fit,
//! the sender gets one of their own. A strict message opens with a strict code alone.
//!
//! A code by mail gives way to every other proof and never comes back: what was sealed for a stronger one would open with it.

use crate::mail::Address;
use crate::policy::{self, Level, Mode};
use crate::sms::Numbers;
use crate::store::records::{Phone, Proof};

use super::IntakeError;

/// The proof that a mail asks for, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// None.
    Nothing,
    /// An access code.
    Code,
    /// SMS to this number.
    Sms(Phone),
    /// A code by mail.
    Mail,
}

/// What is known of a recipient.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) proof: Proof,
    /// With [`Proof::Sms`].
    pub(super) phone: Option<&'a Phone>,
}

/// What is missing before the mail can be sealed for a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    /// Nothing: the contact that is known will do.
    Nothing,
    /// A new access code.
    Code,
    /// A contact with this number.
    Sms(Phone),
    /// A contact who gets codes by mail.
    Mail,
}

/// Judges what a mail asks for.
///
/// # Errors
/// [`IntakeError::Proof`], which names the number by its last digits only.
pub(super) fn asked(
    proof: Option<&policy::Proof>,
    recipient: &Address,
    numbers: Option<&Numbers>,
) -> Result<Asked, IntakeError> {
    let written = match proof {
        None => return Ok(Asked::Nothing),
        Some(policy::Proof::Code) => return Ok(Asked::Code),
        Some(policy::Proof::Mail) => return Ok(Asked::Mail),
        Some(policy::Proof::Sms(written)) => written,
    };
    let refused = |why: String| IntakeError::Proof(recipient.clone(), Some(masked(written)), why);
    let numbers = numbers.ok_or_else(|| refused("this gateway sends no SMS; ask for an access code".to_owned()))?;
    let number = numbers.read(written).map_err(|error| refused(error.to_string()))?;
    Ok(Asked::Sms(Phone::new(number.expose().to_owned())))
}

/// Decides.
///
/// # Errors
/// [`IntakeError::Proof`] where a strict message would open with an SMS.
pub(super) fn missing(
    known: Option<Known<'_>>,
    asked: &Asked,
    (mode, level): (Mode, Level),
    recipient: &Address,
) -> Result<Missing, IntakeError> {
    let strict = mode == Mode::Strict;
    let by_mail = level == Level::Mail && !strict;
    if strict && asked_by_sms(known, asked) {
        let why = "strict mail cannot be opened with a code by SMS; ask for an access code, as in [veilig code]";
        return Err(IntakeError::Proof(recipient.clone(), None, why.to_owned()));
    }
    Ok(match (asked, known) {
        (Asked::Sms(wanted), Some(known)) if known.phone == Some(wanted) && known.proof == Proof::Sms => {
            Missing::Nothing
        }
        (Asked::Sms(wanted), _) => Missing::Sms(wanted.clone()),
        (Asked::Nothing | Asked::Mail, Some(Known { proof: Proof::Sms, .. }))
        | (_, Some(Known { proof: Proof::StrictCode, .. })) => Missing::Nothing,
        (_, Some(Known { proof: Proof::Code, .. })) if !strict => Missing::Nothing,
        (Asked::Nothing | Asked::Mail, Some(Known { proof: Proof::Mail, .. })) if by_mail => Missing::Nothing,
        (Asked::Nothing | Asked::Mail, None) if by_mail => Missing::Mail,
        (Asked::Nothing | Asked::Code | Asked::Mail, _) => Missing::Code,
    })
}

fn asked_by_sms(known: Option<Known<'_>>, asked: &Asked) -> bool {
    match asked {
        Asked::Sms(_) => true,
        Asked::Code => false,
        Asked::Nothing | Asked::Mail => known.is_some_and(|known| known.proof == Proof::Sms),
    }
}

/// The last three digits of what was written, or stars alone.
fn masked(written: &str) -> String {
    let digits: Vec<char> = written.chars().filter(char::is_ascii_digit).collect();
    let shown = if digits.len() >= 7 { digits.get(digits.len() - 3..).unwrap_or_default() } else { &[] };
    format!("*******{}", shown.iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing() {
        let phone = |end: u32| Phone::new(format!("+3161234567{end}"));
        let (one, other) = (phone(1), phone(2));
        let recipient = "jan@b.example".parse().unwrap();
        let code = Some(Known { proof: Proof::Code, phone: None });
        let strict_code = Some(Known { proof: Proof::StrictCode, phone: None });
        let sms = Some(Known { proof: Proof::Sms, phone: Some(&one) });
        let mail = Some(Known { proof: Proof::Mail, phone: None });
        let (asks_one, asks_other) = (Asked::Sms(one.clone()), Asked::Sms(other.clone()));
        let (to_one, to_other) = (Missing::Sms(one.clone()), Missing::Sms(other));
        let (a, s) = ((Mode::Assisted, Level::Code), (Mode::Strict, Level::Code));
        // Where a rule names mail. Policy gives no such level to what is strict; it would not count.
        let (m, strict_m) = ((Mode::Assisted, Level::Mail), (Mode::Strict, Level::Mail));
        for (known, asked, least, expected) in [
            (None, &Asked::Nothing, a, Some(Missing::Code)),
            (None, &Asked::Code, a, Some(Missing::Code)),
            (None, &asks_one, a, Some(to_one.clone())),
            (code, &Asked::Nothing, a, Some(Missing::Nothing)),
            (code, &Asked::Code, a, Some(Missing::Nothing)),
            (code, &asks_one, a, Some(to_one.clone())),
            (strict_code, &Asked::Code, a, Some(Missing::Nothing)),
            (strict_code, &asks_one, a, Some(to_one.clone())),
            (sms, &Asked::Nothing, a, Some(Missing::Nothing)),
            (sms, &Asked::Code, a, Some(Missing::Code)),
            (sms, &asks_one, a, Some(Missing::Nothing)),
            (sms, &asks_other, a, Some(to_other)),
            (None, &Asked::Nothing, s, Some(Missing::Code)),
            (None, &asks_one, s, None),
            (code, &Asked::Nothing, s, Some(Missing::Code)),
            (strict_code, &Asked::Nothing, s, Some(Missing::Nothing)),
            (strict_code, &asks_one, s, None),
            (sms, &Asked::Nothing, s, None),
            (sms, &Asked::Code, s, Some(Missing::Code)),
            (None, &Asked::Nothing, m, Some(Missing::Mail)),
            (None, &Asked::Mail, m, Some(Missing::Mail)),
            (None, &Asked::Code, m, Some(Missing::Code)),
            (None, &asks_one, m, Some(to_one.clone())),
            (mail, &Asked::Nothing, m, Some(Missing::Nothing)),
            (mail, &Asked::Mail, m, Some(Missing::Nothing)),
            (code, &Asked::Nothing, m, Some(Missing::Nothing)),
            (code, &Asked::Mail, m, Some(Missing::Nothing)),
            (strict_code, &Asked::Mail, m, Some(Missing::Nothing)),
            (sms, &Asked::Mail, m, Some(Missing::Nothing)),
            // What no rule allows by mail takes the code by mail away.
            (mail, &Asked::Nothing, a, Some(Missing::Code)),
            (mail, &Asked::Code, m, Some(Missing::Code)),
            (mail, &asks_one, m, Some(to_one.clone())),
            (mail, &Asked::Nothing, s, Some(Missing::Code)),
            (mail, &Asked::Nothing, strict_m, Some(Missing::Code)),
            (None, &Asked::Nothing, strict_m, Some(Missing::Code)),
            (None, &Asked::Mail, strict_m, Some(Missing::Code)),
            (code, &Asked::Nothing, strict_m, Some(Missing::Code)),
            (sms, &Asked::Mail, strict_m, None),
        ] {
            let found = missing(known, asked, least, &recipient).ok();
            assert_eq!(found, expected, "{:?} {asked:?} {least:?}", known.map(|known| known.proof));
        }
    }

    #[test]
    fn numbers_are_judged_and_never_repeated() {
        let recipient = "jan@b.example".parse().unwrap();
        let numbers = Numbers::default();
        let sms = |written: &str| policy::Proof::Sms(written.to_owned());
        for (written, numbers, expected) in [
            ("+31612345678", Some(&numbers), Ok("+31612345678")),
            ("06 12345678", Some(&numbers), Ok("+31612345678")),
            ("020 1234567", Some(&numbers), Err("(*******567)")),
            ("+1 202 555 0143", Some(&numbers), Err("(*******143)")),
            ("4321", Some(&numbers), Err("(*******)")),
            ("onzin", Some(&numbers), Err("(*******)")),
            ("+31612345678", None, Err("sends no SMS")),
        ] {
            match (asked(Some(&sms(written)), &recipient, numbers), expected) {
                (Ok(found), Ok(number)) => assert_eq!(found, Asked::Sms(Phone::new(number.to_owned()))),
                (Err(error), Err(said)) => {
                    let reply = error.reply();
                    let text = reply.text().concat();
                    let said = said.trim_matches(['(', ')']);
                    assert!(reply.code() == 550 && text.contains("jan@b.example") && text.contains(said), "{text}");
                    assert!(!text.contains(written) && !error.to_string().contains(written), "{text}");
                }
                (found, _) => panic!("{written}: {found:?}"),
            }
        }
    }
}
