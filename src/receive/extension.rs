//! What EHLO offers, and whether the parameters of MAIL and RCPT keep to it.
//!
//! SIZE, PIPELINING, ENHANCEDSTATUSCODES, STARTTLS and AUTH are ours. 8BITMIME, SMTPUTF8, DSN and REQUIRETLS bind the next hop too, so they
//! are offered only when every next hop has them. CHUNKING and BINARYMIME are never offered: a class of smuggling less.

use crate::mail::{Address, MailFrom, Param, Reply};

/// The extensions that are not always offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each extension is offered or not")]
pub struct Offer {
    /// 8BITMIME (RFC 6152).
    pub eightbit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// REQUIRETLS (RFC 8689); only where the session itself is encrypted.
    pub requiretls: bool,
    /// AUTH (RFC 4954), ours alone.
    pub auth: bool,
}

/// Why a MAIL or RCPT is refused for its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParamFault {
    /// A parameter of no extension that is offered.
    #[error("not offered")]
    NotOffered,
    /// The same parameter twice.
    #[error("given twice")]
    Repeated,
    /// A value that its extension does not know.
    #[error("value not valid")]
    Value,
    /// SIZE over our limit.
    #[error("too large")]
    Size,
    /// An address with UTF-8 in a transaction without SMTPUTF8.
    #[error("UTF-8 without SMTPUTF8")]
    Utf8,
}

impl ParamFault {
    /// What the client is told.
    #[must_use]
    pub fn reply(self) -> Reply {
        let (code, text) = match self {
            Self::NotOffered => (555, "5.5.4 Parameter not offered here"),
            Self::Repeated => (501, "5.5.4 The same parameter twice"),
            Self::Value => (501, "5.5.4 The value of a parameter is not valid"),
            Self::Size => (552, "5.3.4 The mail is larger than this server takes"),
            Self::Utf8 => (553, "5.6.7 An address with UTF-8 needs SMTPUTF8"),
        };
        Reply::new(code, text)
    }
}

/// Checks MAIL. `offer` is `None` after HELO, which offers nothing.
///
/// # Errors
/// The first fault, in order of the parameters.
pub fn check_mail(from: &MailFrom, offer: Option<Offer>, max_size: u64) -> Result<(), ParamFault> {
    let offered = offer.ok_or(ParamFault::NotOffered);
    check_each(&from.params, |keyword, value| {
        let offer = offered?;
        match (keyword, value) {
            ("SIZE", Some(value)) => size(value, max_size),
            ("BODY", Some(value)) if offer.eightbit => one_of(value, &["7BIT", "8BITMIME"]),
            ("SMTPUTF8", None) if offer.smtputf8 => Ok(()),
            ("REQUIRETLS", None) if offer.requiretls => Ok(()),
            ("REQUIRETLS", Some(_)) if offer.requiretls => Err(ParamFault::Value),
            ("RET", Some(value)) if offer.dsn => one_of(value, &["FULL", "HDRS"]),
            ("ENVID", Some(value)) if offer.dsn => valid(value.len() <= 100 && is_xtext(value)),
            ("AUTH", Some(value)) if offer.auth => valid(value == "<>" || (value.len() <= 500 && is_xtext(value))),
            ("AUTH", None) if offer.auth => Err(ParamFault::Value),
            ("SIZE", None) => Err(ParamFault::Value),
            ("BODY", None) if offer.eightbit => Err(ParamFault::Value),
            ("SMTPUTF8", Some(_)) if offer.smtputf8 => Err(ParamFault::Value),
            ("RET" | "ENVID", None) if offer.dsn => Err(ParamFault::Value),
            _ => Err(ParamFault::NotOffered),
        }
    })?;
    check_utf8(from.path.as_ref(), &from.params, asks_for_utf8(from))
}

/// Checks the recipient and the parameters of RCPT in a transaction that asked for SMTPUTF8 or did not.
///
/// # Errors
/// The first fault, in order of the parameters.
pub fn check_rcpt(to: &Address, params: &[Param], offer: Option<Offer>, smtputf8: bool) -> Result<(), ParamFault> {
    let dsn = offer.is_some_and(|offer| offer.dsn);
    check_each(params, |keyword, value| match (keyword, value) {
        ("NOTIFY", Some(value)) if dsn => valid(is_notify(value)),
        ("ORCPT", Some(value)) if dsn => valid(is_original_recipient(value, smtputf8)),
        ("NOTIFY" | "ORCPT", None) if dsn => Err(ParamFault::Value),
        _ => Err(ParamFault::NotOffered),
    })?;
    check_utf8(Some(to), params, smtputf8)
}

/// Whether MAIL asks for SMTPUTF8.
#[must_use]
pub fn asks_for_utf8(from: &MailFrom) -> bool {
    from.param("SMTPUTF8").is_some()
}

fn check_each(
    params: &[Param],
    check: impl Fn(&str, Option<&str>) -> Result<(), ParamFault>,
) -> Result<(), ParamFault> {
    for (index, param) in params.iter().enumerate() {
        check(&param.keyword.to_ascii_uppercase(), param.value.as_deref())?;
        if params.iter().take(index).any(|before| before.keyword.eq_ignore_ascii_case(&param.keyword)) {
            return Err(ParamFault::Repeated);
        }
    }
    Ok(())
}

fn check_utf8(address: Option<&Address>, params: &[Param], smtputf8: bool) -> Result<(), ParamFault> {
    let ascii = address.is_none_or(|address| address.as_str().is_ascii())
        && params.iter().all(|param| param.value.as_ref().is_none_or(|value| value.is_ascii()));
    if ascii || smtputf8 { Ok(()) } else { Err(ParamFault::Utf8) }
}

const fn valid(holds: bool) -> Result<(), ParamFault> {
    if holds { Ok(()) } else { Err(ParamFault::Value) }
}

fn one_of(value: &str, allowed: &[&str]) -> Result<(), ParamFault> {
    valid(allowed.iter().any(|word| word.eq_ignore_ascii_case(value)))
}

/// `1*20DIGIT` (RFC 1870 §3).
fn size(value: &str, max_size: u64) -> Result<(), ParamFault> {
    valid(value.len() <= 20 && value.bytes().all(|byte| byte.is_ascii_digit()))?;
    // Twenty digits can be more than the type holds, and are then more than any limit.
    let size = value.parse().unwrap_or(u64::MAX);
    if size > max_size { Err(ParamFault::Size) } else { Ok(()) }
}

/// RFC 3461 §4: printable characters, `+` only before two upper-case hex digits.
fn is_xtext(text: &str) -> bool {
    let mut bytes = text.bytes();
    let is_hex = |byte: Option<u8>| byte.is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    while let Some(byte) = bytes.next() {
        let sound = match byte {
            b'+' => is_hex(bytes.next()) && is_hex(bytes.next()),
            byte => byte.is_ascii_graphic() && byte != b'=',
        };
        if !sound {
            return false;
        }
    }
    !text.is_empty()
}

/// `NEVER` alone, or a list of the others, each once (RFC 3461 §4.1).
fn is_notify(value: &str) -> bool {
    let words: Vec<String> = value.split(',').map(str::to_ascii_uppercase).collect();
    let distinct = words.iter().enumerate().all(|(index, word)| !words.iter().take(index).any(|before| before == word));
    let known = words.iter().all(|word| matches!(word.as_str(), "SUCCESS" | "FAILURE" | "DELAY"));
    (distinct && known) || (words.len() == 1 && words.first().is_some_and(|word| word == "NEVER"))
}

/// `addr-type;xtext`, 500 octets at most (RFC 3461 §4.2), or the `utf-8` form (RFC 6533 §3).
fn is_original_recipient(value: &str, smtputf8: bool) -> bool {
    let Some((kind, address)) = value.split_once(';') else { return false };
    let atom = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let unicode = smtputf8 && kind.eq_ignore_ascii_case("utf-8") && !address.is_empty();
    value.len() <= 500 && atom && (unicode || is_xtext(address))
}

#[cfg(test)]
mod tests {
    use super::super::command::{Command, Recipient, parse};
    use super::*;

    const ALL: Offer = Offer { eightbit: true, smtputf8: true, dsn: true, requiretls: true, auth: false };

    fn mail(params: &str, offer: Option<Offer>) -> Result<(), ParamFault> {
        mail_of("a@b.example", params, offer)
    }

    fn mail_of(path: &str, params: &str, offer: Option<Offer>) -> Result<(), ParamFault> {
        match parse(format!("MAIL FROM:<{path}> {params}").as_bytes()) {
            Ok(Command::Mail(from)) => check_mail(&from, offer, 1000),
            other => panic!("{other:?}"),
        }
    }

    fn rcpt(path: &str, params: &str, offer: Option<Offer>, smtputf8: bool) -> Result<(), ParamFault> {
        match parse(format!("RCPT TO:<{path}> {params}").as_bytes()) {
            Ok(Command::Rcpt(Recipient::Mailbox(to))) => check_rcpt(&to.address, &to.params, offer, smtputf8),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn parameters_of_mail() {
        use ParamFault::{NotOffered, Repeated, Size, Utf8, Value};
        let none = Offer::default();
        let cases = [
            ("", Some(none), Ok(())),
            ("SIZE=1000", Some(none), Ok(())),
            ("SIZE=0", Some(none), Ok(())),
            ("SIZE=1001", Some(none), Err(Size)),
            ("SIZE=99999999999999999999", Some(none), Err(Size)),
            ("SIZE=999999999999999999999", Some(none), Err(Value)),
            ("SIZE=-1", Some(none), Err(Value)),
            ("SIZE", Some(none), Err(Value)),
            ("size=1 SIZE=2", Some(none), Err(Repeated)),
            ("SIZE=1", None, Err(NotOffered)),
            ("BODY=8BITMIME", Some(none), Err(NotOffered)),
            ("body=8bitmime", Some(ALL), Ok(())),
            ("BODY=7BIT", Some(ALL), Ok(())),
            ("BODY=BINARYMIME", Some(ALL), Err(Value)),
            ("BODY", Some(ALL), Err(Value)),
            ("SMTPUTF8", Some(ALL), Ok(())),
            ("SMTPUTF8=yes", Some(ALL), Err(Value)),
            ("SMTPUTF8", Some(none), Err(NotOffered)),
            ("RET=HDRS ENVID=a+2Bb", Some(ALL), Ok(())),
            ("RET=SOME", Some(ALL), Err(Value)),
            ("ENVID=a+2b", Some(ALL), Err(Value)),
            ("ENVID=é", Some(ALL), Err(Value)),
            ("AUTH=<>", Some(ALL), Err(NotOffered)),
            ("REQUIRETLS", Some(ALL), Ok(())),
            ("REQUIRETLS=yes", Some(ALL), Err(Value)),
            ("REQUIRETLS", Some(none), Err(NotOffered)),
            ("AUTH=<>", Some(Offer { auth: true, ..none }), Ok(())),
            ("AUTH=jan+40b.example", Some(Offer { auth: true, ..none }), Ok(())),
            ("AUTH=jan+zz", Some(Offer { auth: true, ..none }), Err(Value)),
            ("AUTH", Some(Offer { auth: true, ..none }), Err(Value)),
        ];
        for (params, offer, expected) in cases {
            assert_eq!(mail(params, offer), expected, "{params} with {offer:?}");
        }
        assert_eq!(mail_of("jörg@b.example", "", Some(ALL)), Err(Utf8));
        assert_eq!(mail_of("jörg@b.example", "SMTPUTF8", Some(ALL)), Ok(()));
        assert_eq!(mail_of("jörg@b.example", "SMTPUTF8", Some(none)), Err(NotOffered));
    }

    #[test]
    fn parameters_of_rcpt() {
        use ParamFault::{NotOffered, Repeated, Utf8, Value};
        let cases = [
            ("NOTIFY=NEVER", Ok(())),
            ("NOTIFY=success,Delay,FAILURE", Ok(())),
            ("NOTIFY=NEVER,DELAY", Err(Value)),
            ("NOTIFY=DELAY,DELAY", Err(Value)),
            ("NOTIFY", Err(Value)),
            ("NOTIFY=DELAY NOTIFY=DELAY", Err(Repeated)),
            ("ORCPT=rfc822;a+2Bc@b.example", Ok(())),
            ("ORCPT=a@b.example", Err(Value)),
            ("SIZE=1", Err(NotOffered)),
        ];
        for (params, expected) in cases {
            assert_eq!(rcpt("a@b.example", params, Some(ALL), false), expected, "{params}");
        }
        assert_eq!(rcpt("a@b.example", "NOTIFY=NEVER", Some(Offer::default()), false), Err(NotOffered));
        assert_eq!(rcpt("a@b.example", "NOTIFY=NEVER", None, false), Err(NotOffered));
        assert_eq!(rcpt("jörg@b.example", "", Some(ALL), false), Err(Utf8));
        assert_eq!(rcpt("jörg@b.example", "ORCPT=utf-8;jörg@b.example", Some(ALL), true), Ok(()));
    }
}
