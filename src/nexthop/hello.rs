//! The beginning of a connection: greeting, EHLO (HELO where the server knows none) and AUTH.

use secrecy::{ExposeSecret, SecretString};
use smtp_proto::{AUTH_LOGIN, AUTH_PLAIN};
use zeroize::Zeroizing;

use crate::mail::Reply;

use super::Capabilities;
use super::connection::{Connection, Fault};

/// What a server said that it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one per extension, as EHLO lists them")]
pub(super) struct Offer {
    pub(super) capabilities: Capabilities,
    pub(super) starttls: bool,
    /// Commands in groups (RFC 2920).
    pub(super) pipelining: bool,
    /// AUTH PLAIN and AUTH LOGIN.
    plain: bool,
    login: bool,
}

/// Who we are to the server.
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: SecretString,
}

/// Reads the greeting. Errors here and below are for the log: codes, never a server's words, which might repeat a credential.
pub(super) async fn greeting(connection: &mut Connection) -> Result<(), String> {
    let reply = connection.greeting().await.map_err(cause)?;
    if reply.is_positive() { Ok(()) } else { Err(format!("greeted with {}", reply.code())) }
}

/// Says EHLO.
pub(super) async fn ehlo(connection: &mut Connection, name: &str) -> Result<Offer, String> {
    let reply = ask(connection, &format!("EHLO {name}\r\n")).await?;
    if reply.is_positive() {
        return Ok(offer(&reply));
    }
    if !matches!(reply.code(), 500..=504) {
        return Err(format!("EHLO answered with {}", reply.code()));
    }
    let reply = ask(connection, &format!("HELO {name}\r\n")).await?;
    if reply.is_positive() { Ok(Offer::default()) } else { Err(format!("HELO answered with {}", reply.code())) }
}

/// The keywords behind the first line of an EHLO reply (RFC 5321 §4.1.1.1).
fn offer(reply: &Reply) -> Offer {
    let mut offer = Offer::default();
    let capabilities = &mut offer.capabilities;
    for line in reply.text().iter().skip(1) {
        let line = line.to_ascii_uppercase();
        // "AUTH=" is how some wrote it before RFC 2554.
        let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
        match words.next() {
            Some("8BITMIME") => capabilities.eightbit = true,
            Some("SMTPUTF8") => capabilities.smtputf8 = true,
            Some("DSN") => capabilities.dsn = true,
            Some("REQUIRETLS") => capabilities.requiretls = true,
            // A limit that is no number is none told.
            Some("SIZE") => capabilities.size = Some(words.next().and_then(|limit| limit.parse().ok()).unwrap_or(0)),
            Some("STARTTLS") => offer.starttls = true,
            Some("PIPELINING") => offer.pipelining = true,
            Some("AUTH") => {
                for mechanism in words {
                    offer.plain |= mechanism == "PLAIN";
                    offer.login |= mechanism == "LOGIN";
                }
            }
            _ => {}
        }
    }
    offer
}

/// `Username:` and `Password:` in base64: the challenges of AUTH LOGIN (draft-murchison-sasl-login-00).
const ASKS_USER: &str = "VXNlcm5hbWU6";
const ASKS_PASSWORD: &str = "UGFzc3dvcmQ6";

/// AUTH PLAIN (RFC 4616), or LOGIN where that is all there is. No other mechanism is ever used.
pub(super) async fn login(connection: &mut Connection, offer: Offer, credentials: &Credentials) -> Result<(), String> {
    let Credentials { user, password } = credentials;
    let sasl = mail_send::Credentials::Plain { username: user.as_str(), secret: password.expose_secret() };
    let response = |mechanism, challenge| sasl.encode(mechanism, challenge).map_err(|cause| cause.to_string());
    let lines = if offer.plain {
        vec![line("AUTH PLAIN ", response(AUTH_PLAIN, "")?)]
    } else if offer.login {
        // Servers word their challenges as they like; what they ask for comes in this order always.
        let (user, password) = (response(AUTH_LOGIN, ASKS_USER)?, response(AUTH_LOGIN, ASKS_PASSWORD)?);
        vec![Zeroizing::new("AUTH LOGIN\r\n".to_owned()), line("", user), line("", password)]
    } else {
        return Err("neither AUTH PLAIN nor AUTH LOGIN is offered".to_owned());
    };
    let last = lines.len().saturating_sub(1);
    for (index, line) in lines.iter().enumerate() {
        let reply = connection.hello(line).await.map_err(cause)?;
        let expected = if index == last { 235 } else { 334 };
        if reply.code() != expected {
            return Err(format!("AUTH answered with {}", reply.code()));
        }
    }
    connection.forget_sent();
    Ok(())
}

fn line(command: &str, response: String) -> Zeroizing<String> {
    let response = Zeroizing::new(response);
    Zeroizing::new(format!("{command}{}\r\n", *response))
}

async fn ask(connection: &mut Connection, line: &str) -> Result<Reply, String> {
    connection.hello(line).await.map_err(cause)
}

/// What went wrong, for the log.
pub(super) fn cause(fault: Fault) -> String {
    match fault {
        Fault::Early(reply) => format!("{} out of turn", reply.code()),
        Fault::Gone(cause) => cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ehlo_says() {
        let all = Capabilities { eightbit: true, smtputf8: true, dsn: true, requiretls: true, size: Some(1000) };
        let size = |size| Capabilities { size: Some(size), ..Capabilities::default() };
        let of = |capabilities| Offer { capabilities, ..Offer::default() };
        let cases: [(&[&str], Offer); 9] = [
            (&[], Offer::default()),
            (&["8BITMIME", "smtputf8", "Dsn", "REQUIRETLS", "SIZE 1000", "CHUNKING"], of(all)),
            (&["SIZE"], of(size(0))),
            (&["SIZE many"], of(size(0))),
            (&["SIZE 99999999999999999999999999"], of(size(0))),
            (&["pipelining"], Offer { pipelining: true, ..Offer::default() }),
            (&["AUTH CRAM-MD5 plain", "STARTTLS"], Offer { plain: true, starttls: true, ..Offer::default() }),
            (&["AUTH=LOGIN PLAIN"], Offer { plain: true, login: true, ..Offer::default() }),
            (&["XAUTH PLAIN", "PLAIN", "", "8BITMIMES"], Offer::default()),
        ];
        for (keywords, expected) in cases {
            // The first line is the server's name, whatever it says.
            let lines = std::iter::once("STARTTLS").chain(keywords.iter().copied());
            assert_eq!(offer(&Reply::lines(250, lines)), expected, "{keywords:?}");
        }
    }
}
