//! MAIL and RCPT as they go to a next hop: paths and parameters as the client gave them, fitted to what this very connection
//! offers. Nothing that could end the line gets through.

use std::fmt::Write;

use crate::mail::{Address, MailFrom, Param, RcptTo, Reply};

use super::Capabilities;

/// The MAIL command with CRLF, or why this connection cannot carry it. `authenticated`: we logged in on it.
pub(super) fn mail(from: &MailFrom, offers: Capabilities, authenticated: bool) -> Result<String, Reply> {
    let utf8 = from.param("SMTPUTF8").is_some();
    path_fits(from.path.as_ref(), utf8)?;
    let path = from.path.as_ref().map(Address::as_str).unwrap_or_default();
    let mut line = format!("MAIL FROM:<{path}>");
    for param in &from.params {
        match param.keyword.to_ascii_uppercase().as_str() {
            "SIZE" if offers.size.is_none() => {}
            // The plain form of a body needs no extension.
            "BODY" if !offers.eightbit && is(param, "7BIT") => {}
            "BODY" if !offers.eightbit => return Err(lacking("8BITMIME")),
            "SMTPUTF8" if !offers.smtputf8 => return Err(lacking("SMTPUTF8")),
            "REQUIRETLS" if !offers.requiretls => return Err(lacking("REQUIRETLS")),
            "RET" | "ENVID" if !offers.dsn => return Err(lacking("DSN")),
            // RFC 4954 §5: we vouch for no identity, and say so to a server that knows ours.
            "AUTH" if authenticated => line.push_str(" AUTH=<>"),
            "AUTH" => {}
            _ => append(&mut line, param)?,
        }
    }
    line.push_str("\r\n");
    Ok(line)
}

/// The RCPT command with CRLF, or why this connection cannot carry it. `utf8`: MAIL said SMTPUTF8.
pub(super) fn rcpt(to: &RcptTo, utf8: bool, offers: Capabilities) -> Result<String, Reply> {
    path_fits(Some(&to.address), utf8)?;
    let mut line = format!("RCPT TO:<{}>", to.address);
    for param in &to.params {
        match param.keyword.to_ascii_uppercase().as_str() {
            "NOTIFY" | "ORCPT" if !offers.dsn => return Err(lacking("DSN")),
            _ => append(&mut line, param)?,
        }
    }
    line.push_str("\r\n");
    Ok(line)
}

fn is(param: &Param, value: &str) -> bool {
    param.value.as_deref().is_some_and(|v| v.eq_ignore_ascii_case(value))
}

/// RFC 6531 §3.4: an address beyond ASCII travels only with SMTPUTF8.
fn path_fits(path: Option<&Address>, utf8: bool) -> Result<(), Reply> {
    let ascii = path.is_none_or(|address| address.as_str().is_ascii());
    if ascii || utf8 { Ok(()) } else { Err(Reply::new(553, "5.6.7 This address needs SMTPUTF8")) }
}

/// The client may hold what we offered from an earlier EHLO; it asks again and hears the new set.
fn lacking(extension: &str) -> Reply {
    Reply::new(451, &format!("4.3.5 The next hop does not offer {extension} now; try again later"))
}

fn append(line: &mut String, param: &Param) -> Result<(), Reply> {
    let clean = |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if !clean(&param.keyword) || !param.value.as_deref().is_none_or(clean) {
        return Err(Reply::new(501, "5.5.4 A parameter is malformed"));
    }
    let written = match &param.value {
        Some(value) => write!(line, " {}={value}", param.keyword),
        None => write!(line, " {}", param.keyword),
    };
    written.map_err(|_| Reply::new(451, "4.3.0 Try again later"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Capabilities =
        Capabilities { eightbit: true, smtputf8: true, dsn: true, requiretls: true, size: Some(0) };

    fn params(text: &str) -> Vec<Param> {
        let param = |word: &str| match word.split_once('=') {
            Some((keyword, value)) => Param { keyword: keyword.into(), value: Some(value.into()) },
            None => Param { keyword: word.into(), value: None },
        };
        text.split(' ').filter(|word| !word.is_empty()).map(param).collect()
    }

    #[test]
    fn mail_keeps_what_the_connection_offers() {
        let none = Capabilities::default();
        let cases = [
            ("", "", ALL, "MAIL FROM:<>"),
            ("a@b.nl", "Size=10 body=8BITMIME", ALL, "MAIL FROM:<a@b.nl> Size=10 body=8BITMIME"),
            ("a@b.nl", "SIZE=10 BODY=7BIT AUTH=<>", none, "MAIL FROM:<a@b.nl>"),
            ("a@b.nl", "RET=HDRS ENVID=x+2Bc", ALL, "MAIL FROM:<a@b.nl> RET=HDRS ENVID=x+2Bc"),
            ("a@b.nl", "BODY=8BITMIME", none, "451"),
            ("a@b.nl", "SMTPUTF8", none, "451"),
            ("a@b.nl", "REQUIRETLS", none, "451"),
            ("a@b.nl", "RET=FULL", none, "451"),
            ("é@b.nl", "", ALL, "553"),
            ("é@b.nl", "SMTPUTF8", ALL, "MAIL FROM:<é@b.nl> SMTPUTF8"),
            ("a@b.nl", "X=a\r\nDATA", ALL, "501"),
            ("a@b.nl", "X=", ALL, "501"),
        ];
        for (path, given, offers, expected) in cases {
            let from = MailFrom { path: path.parse().ok(), params: params(given) };
            match mail(&from, offers, false) {
                Ok(line) => assert_eq!(line, format!("{expected}\r\n")),
                Err(reply) => assert_eq!(reply.code().to_string(), expected, "{path} {given}"),
            }
        }
    }

    #[test]
    fn an_identity_is_vouched_for_by_nobody() {
        for (given, authenticated, expected) in [
            ("AUTH=x+40y.example SIZE=1", true, " AUTH=<> SIZE=1"),
            ("auth=<>", true, " AUTH=<>"),
            ("AUTH=<>", false, ""),
            ("", true, ""),
        ] {
            let from = MailFrom { path: None, params: params(given) };
            assert_eq!(mail(&from, ALL, authenticated).unwrap(), format!("MAIL FROM:<>{expected}\r\n"), "{given}");
        }
    }

    #[test]
    fn rcpt_keeps_what_the_connection_offers() {
        let to = RcptTo { address: "Jan@b.nl".parse().unwrap(), params: params("NOTIFY=NEVER ORCPT=rfc822;a+2Bb") };
        assert_eq!(rcpt(&to, false, ALL).unwrap(), "RCPT TO:<Jan@b.nl> NOTIFY=NEVER ORCPT=rfc822;a+2Bb\r\n");
        assert_eq!(rcpt(&to, false, Capabilities::default()).unwrap_err().code(), 451);
        let beyond = RcptTo { address: "é@b.nl".parse().unwrap(), params: Vec::new() };
        assert_eq!(rcpt(&beyond, false, ALL).unwrap_err().code(), 553);
        assert_eq!(rcpt(&beyond, true, ALL).unwrap(), "RCPT TO:<é@b.nl>\r\n");
    }
}
