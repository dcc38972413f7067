//! AUTH (RFC 4954) with PLAIN (RFC 4616) and LOGIN, up to name and password; whether they belong together is asked of the driver.

use std::fmt;

use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::{Action, Call, Phase, Session, replies};
use crate::receive::command::{Auth, CommandFault};

/// Octets of a name at most (RFC 4616 §2).
const LONGEST_NAME: usize = 255;
/// Octets of a password at most.
const LONGEST_PASSWORD: usize = 1024;
/// Wrong passwords in one session; with the last of them it ends.
const MAX_WRONG: u32 = 3;

/// A name with its password, on the way to being compared. Its `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who the client says it is.
    pub name: String,
    /// The password.
    pub password: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// What came of a login: the answer to [`Action::Login`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// Name and password belong together.
    Right,
    /// They do not.
    Wrong,
    /// Nothing was compared: too many wrong ones, or too many at once.
    Later,
}

/// What the client's next line holds.
#[derive(Debug)]
pub(super) enum Exchange {
    Plain,
    Name,
    Password(String),
}

impl Session {
    pub(super) fn on_auth(&mut self, auth: Auth) {
        let fault = match &self.hello {
            _ if !self.rules.login => CommandFault::NotOffered.reply(),
            Some(hello) if hello.esmtp => {
                if self.envelope.is_some() {
                    replies::out_of_order("A mail is begun already")
                } else if self.authenticated {
                    replies::out_of_order("You are logged in already")
                } else if !self.tls {
                    replies::login_needs_tls()
                } else {
                    // No command may stand behind it in its group (RFC 4954 §4, item 3 of the list).
                    self.wait_for_reply(super::Due::Auth(auth));
                    return;
                }
            }
            _ => replies::out_of_order("Say EHLO first"),
        };
        self.error(&fault);
    }

    /// The client did wait.
    pub(super) fn begin_login(&mut self, auth: &Auth) {
        let first = match auth.mechanism.as_str() {
            "PLAIN" => Exchange::Plain,
            "LOGIN" => Exchange::Name,
            _ => {
                self.error(&replies::unknown_mechanism());
                return;
            }
        };
        match (&auth.initial, &first) {
            (None, _) => self.challenge(first),
            // An empty response is written "=" (RFC 4954 §4).
            (Some(initial), _) => {
                let response = if initial.as_str() == "=" { "" } else { initial.as_str() };
                self.phase = Phase::Login(first);
                if let Some(action) = self.on_response(response.as_bytes()) {
                    self.queue.push_back(action);
                }
            }
        }
    }

    fn challenge(&mut self, next: Exchange) {
        // "Username:" and "Password:", which some clients compare with.
        let text = match next {
            Exchange::Plain => "",
            Exchange::Name => "VXNlcm5hbWU6",
            Exchange::Password(_) => "UGFzc3dvcmQ6",
        };
        self.say(&replies::challenge(text));
        self.flush = true;
        self.phase = Phase::Login(next);
    }

    /// A line of the exchange, without CR LF.
    pub(super) fn on_response(&mut self, line: &[u8]) -> Option<Action> {
        let Phase::Login(exchange) = std::mem::replace(&mut self.phase, Phase::Commands) else { return None };
        if line == b"*" {
            self.error(&replies::login_cancelled());
            return None;
        }
        let Ok(response) = BASE64.decode(line).map(Zeroizing::new) else {
            self.error(&replies::not_base64());
            return None;
        };
        let credentials = match exchange {
            Exchange::Plain => plain(&response),
            Exchange::Name => match name(&response) {
                Some(name) => {
                    self.challenge(Exchange::Password(name));
                    return None;
                }
                None => None,
            },
            Exchange::Password(name) => password(&response).map(|password| Credentials { name, password }),
        };
        let Some(credentials) = credentials else {
            self.error(&replies::bad_response());
            return None;
        };
        self.phase = Phase::Waiting(Call::Login);
        Some(Action::Login(credentials))
    }

    /// The answer to [`Action::Login`].
    pub fn logged_in(&mut self, login: Login) {
        if !matches!(self.phase, Phase::Waiting(Call::Login)) {
            return;
        }
        self.phase = Phase::Commands;
        match login {
            Login::Right => {
                self.authenticated = true;
                self.flush = true;
                self.say(&replies::logged_in());
            }
            Login::Later => self.error(&replies::login_later()),
            Login::Wrong => {
                self.wrong_logins += 1;
                if self.wrong_logins >= MAX_WRONG {
                    self.fault(&replies::too_many_logins());
                } else {
                    self.error(&replies::wrong_login());
                }
            }
        }
    }
}

/// `[authzid] NUL authcid NUL passwd` (RFC 4616 §2). Acting for somebody else is nobody's right here.
fn plain(response: &[u8]) -> Option<Credentials> {
    let mut parts = response.split(|byte| *byte == 0);
    let (acting_as, own, secret) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !(acting_as.is_empty() || acting_as == own) {
        return None;
    }
    Some(Credentials { name: name(own)?, password: password(secret)? })
}

fn name(octets: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(octets).ok()?;
    let fits = (1..=LONGEST_NAME).contains(&name.len()) && !name.contains(char::is_control);
    fits.then(|| name.to_owned())
}

fn password(octets: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let fits = (1..=LONGEST_PASSWORD).contains(&octets.len()) && !octets.contains(&0);
    fits.then(|| Zeroizing::new(octets.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read<'a> = Option<(&'a str, &'a [u8])>;

    #[test]
    fn plain_responses_are_read() {
        let cases: [(&[u8], Read<'_>); 12] = [
            (b"\0jan\0secret", Some(("jan", b"secret"))),
            (b"jan\0jan\0secret", Some(("jan", b"secret"))),
            (b"\0jan@voorbeeld.nl\0a b\xc3\xa9", Some(("jan@voorbeeld.nl", b"a b\xc3\xa9"))),
            (b"piet\0jan\0secret", None),
            (b"", None),
            (b"\0jan", None),
            (b"\0jan\0", None),
            (b"\0\0secret", None),
            (b"\0jan\0sec\0ret", None),
            (b"\0j\xff\0secret", None),
            (b"\0j\nan\0secret", None),
            (b"jan\0secret", None),
        ];
        for (response, expected) in cases {
            let read = plain(response).map(|read| (read.name.clone(), read.password.to_vec()));
            assert_eq!(read, expected.map(|(name, password)| (name.to_owned(), password.to_vec())), "{response:?}");
        }
        let long = |name: usize, password: usize| {
            plain(&[b"\0", &b"n".repeat(name)[..], b"\0", &b"p".repeat(password)[..]].concat()).is_some()
        };
        assert!(long(LONGEST_NAME, LONGEST_PASSWORD));
        assert!(!long(LONGEST_NAME + 1, 1) && !long(1, LONGEST_PASSWORD + 1));
    }

    #[test]
    fn debug_shows_no_secret() {
        let credentials = plain(b"\0jan\0secret").unwrap();
        assert_eq!(format!("{credentials:?}"), "Credentials(…)");
        let auth = Auth { mechanism: "PLAIN".to_owned(), initial: Some("AGphbgBzZWNyZXQ=".to_owned().into()) };
        assert!(!format!("{auth:?}").contains("AGph"));
    }
}
