//! One command line to a [`Command`] or to the fault that it has (RFC 5321 §4.1).
//!
//! Strict where two readers could differ, with two habits of real clients allowed: white space at the end of a line
//! (RFC 5321 §4.1.1 asks for it) and after the colon of `FROM:` and `TO:`. Source routes are read and dropped (RFC 5321 §C).
//! Parameters keep their order and spelling; what they mean is [`super::extension`]'s business.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zeroize::Zeroizing;

use crate::mail::{Address, AddressError, Domain, MailFrom, Param, RcptTo, Reply};

/// Octets of a path at most, brackets included (RFC 5321 §4.5.3.1.3).
const MAX_PATH: usize = 256;

/// A command as the client gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// HELO with the client's name.
    Helo(String),
    /// EHLO with the client's name.
    Ehlo(String),
    /// MAIL FROM.
    Mail(MailFrom),
    /// RCPT TO.
    Rcpt(Recipient),
    /// DATA.
    Data,
    /// RSET.
    Rset,
    /// NOOP; its argument means nothing.
    Noop,
    /// QUIT.
    Quit,
    /// VRFY; whom it asks for is not looked at.
    Vrfy,
    /// HELP.
    Help,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// AUTH (RFC 4954).
    Auth(Auth),
    /// XCLIENT with the client's address; `None` where the other side does not know it.
    Xclient(Option<IpAddr>),
}

/// AUTH with its mechanism, in upper case, and the initial response as it was sent (base64, or `=`). Its `Debug` shows no response.
#[derive(Clone, PartialEq, Eq)]
pub struct Auth {
    /// The mechanism's name.
    pub mechanism: String,
    /// The initial response.
    pub initial: Option<Zeroizing<String>>,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

/// Whom a RCPT names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// A mailbox.
    Mailbox(RcptTo),
    /// `postmaster` without a domain, in the client's spelling: ours (RFC 5321 §4.5.1).
    Postmaster(String, Vec<Param>),
}

/// What is wrong with a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandFault {
    /// Control characters, or octets that are not UTF-8.
    #[error("not a line of text")]
    NotText,
    /// No command of SMTP that we know.
    #[error("not a command")]
    Unknown,
    /// A command of SMTP that is not offered.
    #[error("not offered")]
    NotOffered,
    /// BDAT, which is not offered: octets that are no commands would follow.
    #[error("chunking is not offered")]
    Chunking,
    /// A web browser or a mail's header talks to us: someone else's bytes, not to be read as commands.
    #[error("not an SMTP client")]
    Foreign,
    /// An argument where none belongs.
    #[error("an argument where none belongs")]
    SpareArgument,
    /// No argument where one belongs.
    #[error("an argument is missing")]
    MissingArgument,
    /// HELO or EHLO without a usable name.
    #[error("no name or address literal")]
    Hello,
    /// MAIL or RCPT without `FROM:<…>` or `TO:<…>`.
    #[error("no path in angle brackets")]
    Path,
    /// A reverse path that is no address.
    #[error("sender: {0}")]
    Sender(AddressError),
    /// A forward path that is no address.
    #[error("recipient: {0}")]
    Recipient(AddressError),
    /// A parameter that is not `keyword` or `keyword=value`.
    #[error("a parameter is malformed")]
    Parameter,
}

impl CommandFault {
    /// What the client is told.
    #[must_use]
    pub fn reply(self) -> Reply {
        let (code, text) = match self {
            Self::NotText => (500, "5.5.2 A command is one line of text"),
            Self::Unknown => (500, "5.5.1 Command not recognised"),
            Self::NotOffered => (502, "5.5.1 Command not offered here"),
            Self::Chunking => (502, "5.5.1 BDAT is not offered here; closing"),
            Self::Foreign => (554, "5.5.1 This is a mail server; closing"),
            Self::SpareArgument => (501, "5.5.4 This command takes no argument"),
            Self::MissingArgument => (501, "5.5.4 An argument is missing"),
            // No enhanced code in an answer to HELO or EHLO (RFC 2034 §4).
            Self::Hello => (501, "A domain name or an address literal is expected"),
            Self::Path => (501, "5.5.2 Expected: MAIL FROM:<address> or RCPT TO:<address>"),
            Self::Sender(AddressError::Domain) => (501, "5.1.8 The domain of the sender is not valid"),
            Self::Sender(_) => (501, "5.1.7 The sender is not a valid address"),
            Self::Recipient(AddressError::Domain) => (501, "5.1.2 The domain of the recipient is not valid"),
            Self::Recipient(_) => (501, "5.1.3 The recipient is not a valid address"),
            Self::Parameter => (501, "5.5.4 Parameters are written KEYWORD or KEYWORD=value"),
        };
        Reply::new(code, text)
    }

    /// Whether the connection ends here: what follows would not be meant as commands.
    #[must_use]
    pub const fn is_fatal(self) -> bool {
        matches!(self, Self::Foreign | Self::Chunking)
    }
}

/// Reads one line, given without its CR LF.
///
/// # Errors
/// The fault of the line, with its reply.
pub fn parse(line: &[u8]) -> Result<Command, CommandFault> {
    let text = std::str::from_utf8(line).map_err(|_| CommandFault::NotText)?;
    let text = text.trim_end_matches([' ', '\t']);
    if text.contains(char::is_control) {
        return Err(CommandFault::NotText);
    }
    let (verb, argument) = text.split_once(' ').unwrap_or((text, ""));
    match verb.to_ascii_uppercase().as_str() {
        "HELO" => hello(argument).map(Command::Helo),
        "EHLO" => hello(argument).map(Command::Ehlo),
        "MAIL" => mail(argument).map(Command::Mail),
        "RCPT" => rcpt(argument).map(Command::Rcpt),
        "DATA" => bare(argument, Command::Data),
        "RSET" => bare(argument, Command::Rset),
        "QUIT" => bare(argument, Command::Quit),
        "STARTTLS" => bare(argument, Command::StartTls),
        "NOOP" => Ok(Command::Noop),
        "HELP" => Ok(Command::Help),
        "VRFY" if argument.is_empty() => Err(CommandFault::MissingArgument),
        "VRFY" => Ok(Command::Vrfy),
        "BDAT" => Err(CommandFault::Chunking),
        "AUTH" => auth(argument).map(Command::Auth),
        "XCLIENT" => xclient(argument).map(Command::Xclient),
        "EXPN" | "TURN" | "ATRN" | "ETRN" | "SEND" | "SOML" | "SAML" | "BURL" | "XFORWARD" => {
            Err(CommandFault::NotOffered)
        }
        verb if is_foreign(verb) => Err(CommandFault::Foreign),
        _ => Err(CommandFault::Unknown),
    }
}

/// Methods of HTTP, and lines that look like a header field.
fn is_foreign(verb: &str) -> bool {
    const METHODS: [&str; 10] = ["GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "PATCH", "TRACE", "PRI"];
    METHODS.contains(&verb) || (verb.len() > 1 && verb.ends_with(':'))
}

fn bare(argument: &str, command: Command) -> Result<Command, CommandFault> {
    if argument.is_empty() { Ok(command) } else { Err(CommandFault::SpareArgument) }
}

/// The name goes into a trace field: only what a domain name or a literal is made of, and the underscore of many hosts.
fn hello(argument: &str) -> Result<String, CommandFault> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let valid = (1..=255).contains(&argument.len()) && argument.chars().all(allowed);
    if valid { Ok(argument.to_owned()) } else { Err(CommandFault::Hello) }
}

/// `AUTH mechanism [initial-response]` (RFC 4954 §4).
fn auth(argument: &str) -> Result<Auth, CommandFault> {
    let (mechanism, initial) = match argument.split_once(' ') {
        Some((mechanism, initial)) => (mechanism, Some(initial)),
        None => (argument, None),
    };
    if mechanism.is_empty() {
        return Err(CommandFault::MissingArgument);
    }
    if initial.is_some_and(|initial| initial.contains(' ')) {
        return Err(CommandFault::SpareArgument);
    }
    let initial = initial.map(|initial| Zeroizing::new(initial.to_owned()));
    Ok(Auth { mechanism: mechanism.to_ascii_uppercase(), initial })
}

/// `XCLIENT ADDR=…` (Postfix `XCLIENT_README`): the one attribute that is offered.
fn xclient(argument: &str) -> Result<Option<IpAddr>, CommandFault> {
    if argument.is_empty() {
        return Err(CommandFault::MissingArgument);
    }
    let (name, value) = argument.split_once('=').ok_or(CommandFault::Parameter)?;
    if !name.eq_ignore_ascii_case("ADDR") {
        return Err(CommandFault::Parameter);
    }
    match value.to_ascii_uppercase().as_str() {
        "[UNAVAILABLE]" | "[TEMPUNAVAIL]" => Ok(None),
        text => match text.strip_prefix("IPV6:") {
            Some(v6) => v6.parse::<Ipv6Addr>().map(IpAddr::from).map(Some).map_err(|_| CommandFault::Parameter),
            None => text.parse::<Ipv4Addr>().map(IpAddr::from).map(Some).map_err(|_| CommandFault::Parameter),
        },
    }
}

fn mail(argument: &str) -> Result<MailFrom, CommandFault> {
    let (path, params) = path_and_params("FROM:", argument)?;
    let path = if path.is_empty() { None } else { Some(mailbox(path).map_err(CommandFault::Sender)?) };
    Ok(MailFrom { path, params })
}

fn rcpt(argument: &str) -> Result<Recipient, CommandFault> {
    let (path, params) = path_and_params("TO:", argument)?;
    if path.eq_ignore_ascii_case("postmaster") {
        return Ok(Recipient::Postmaster(path.to_owned(), params));
    }
    let address = mailbox(path).map_err(CommandFault::Recipient)?;
    Ok(Recipient::Mailbox(RcptTo { address, params }))
}

/// `FROM:<path> params`: the path without its brackets, and the parameters.
fn path_and_params<'a>(keyword: &str, argument: &'a str) -> Result<(&'a str, Vec<Param>), CommandFault> {
    let (start, rest) = argument.split_at_checked(keyword.len()).ok_or(CommandFault::Path)?;
    if !start.eq_ignore_ascii_case(keyword) {
        return Err(CommandFault::Path);
    }
    let rest = rest.trim_start_matches(' ').strip_prefix('<').ok_or(CommandFault::Path)?;
    let end = closing_bracket(rest).ok_or(CommandFault::Path)?;
    let (path, rest) = rest.split_at(end);
    let rest = rest.strip_prefix('>').ok_or(CommandFault::Path)?;
    if !(rest.is_empty() || rest.starts_with(' ')) {
        return Err(CommandFault::Path);
    }
    let params = rest.split(' ').filter(|param| !param.is_empty()).map(param).collect::<Result<_, _>>()?;
    Ok((path, params))
}

/// The `>` that is not inside a quoted local part.
fn closing_bracket(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// `esmtp-param` of RFC 5321 §4.1.2, with the UTF-8 of RFC 6531 §3.3.
fn param(text: &str) -> Result<Param, CommandFault> {
    let (keyword, value) = match text.split_once('=') {
        Some((keyword, value)) => (keyword, Some(value)),
        None => (text, None),
    };
    let valid_keyword = keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
        && keyword.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let valid_value = value.is_none_or(|value| !value.is_empty() && !value.contains(['=', ' ']));
    if !(valid_keyword && valid_value) {
        return Err(CommandFault::Parameter);
    }
    Ok(Param { keyword: keyword.to_owned(), value: value.map(str::to_owned) })
}

fn mailbox(path: &str) -> Result<Address, AddressError> {
    if path.len() + "<>".len() > MAX_PATH {
        return Err(AddressError::Shape);
    }
    let address: Address = without_route(path)?.parse()?;
    if literal_is_sound(address.domain().as_str()) { Ok(address) } else { Err(AddressError::Domain) }
}

/// Drops a source route: `@a,@b:user@c` is `user@c` (RFC 5321 §4.1.1.3).
fn without_route(path: &str) -> Result<&str, AddressError> {
    if !path.starts_with('@') {
        return Ok(path);
    }
    let (route, mailbox) = path.split_once(':').ok_or(AddressError::Shape)?;
    for hop in route.split(',') {
        hop.strip_prefix('@').ok_or(AddressError::Shape)?.parse::<Domain>()?;
    }
    Ok(mailbox)
}

/// A domain in brackets holds an IP address (RFC 5321 §4.1.3); general literals have no use yet.
fn literal_is_sound(domain: &str) -> bool {
    let Some(literal) = domain.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else { return true };
    match literal.strip_prefix("ipv6:") {
        Some(text) => text.parse::<Ipv6Addr>().is_ok(),
        None => literal.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mail_from(path: &str, params: &[(&str, Option<&str>)]) -> Command {
        let path = (!path.is_empty()).then(|| path.parse().unwrap());
        Command::Mail(MailFrom { path, params: params.iter().map(|p| make_param(*p)).collect() })
    }

    fn rcpt_to(path: &str) -> Command {
        Command::Rcpt(Recipient::Mailbox(RcptTo { address: path.parse().unwrap(), params: vec![] }))
    }

    fn make_param((keyword, value): (&str, Option<&str>)) -> Param {
        Param { keyword: keyword.into(), value: value.map(Into::into) }
    }

    #[test]
    fn commands_are_read() {
        let cases = [
            ("EHLO mail.example.nl", Command::Ehlo("mail.example.nl".into())),
            ("helo [192.0.2.1]", Command::Helo("[192.0.2.1]".into())),
            ("ehlo [IPv6:2001:db8::1]", Command::Ehlo("[IPv6:2001:db8::1]".into())),
            ("EHLO my_host", Command::Ehlo("my_host".into())),
            ("data", Command::Data),
            ("RSET  \t", Command::Rset),
            ("NOOP whatever you like", Command::Noop),
            ("QUIT", Command::Quit),
            ("VRFY jan", Command::Vrfy),
            ("HELP MAIL", Command::Help),
            ("StartTLS", Command::StartTls),
            ("auth plain", Command::Auth(Auth { mechanism: "PLAIN".into(), initial: None })),
            ("AUTH Login =", Command::Auth(Auth { mechanism: "LOGIN".into(), initial: Some("=".to_owned().into()) })),
            ("MAIL FROM:<>", mail_from("", &[])),
            ("mail from:<jan@example.nl>", mail_from("jan@example.nl", &[])),
            ("MAIL FROM: <jan@example.nl>", mail_from("jan@example.nl", &[])),
            (
                "MAIL FROM:<Jan@Example.NL> size=12 Body=8BitMIME SMTPUTF8",
                mail_from("Jan@Example.NL", &[("size", Some("12")), ("Body", Some("8BitMIME")), ("SMTPUTF8", None)]),
            ),
            ("MAIL FROM:<\"a >b\\\"@c\"@example.nl>", mail_from("\"a >b\\\"@c\"@example.nl", &[])),
            ("RCPT TO:<jörg@bücher.example>", rcpt_to("jörg@bücher.example")),
            ("RCPT TO:<a@[192.0.2.1]>", rcpt_to("a@[192.0.2.1]")),
            ("RCPT TO:<a@[IPv6:2001:db8::1]>", rcpt_to("a@[IPv6:2001:db8::1]")),
            ("RCPT TO:<@a.example,@b.example:jan@example.nl>", rcpt_to("jan@example.nl")),
            ("XCLIENT ADDR=192.0.2.7", Command::Xclient(Some([192, 0, 2, 7].into()))),
            ("xclient addr=ipv6:2001:db8::7", Command::Xclient("2001:db8::7".parse().ok())),
            ("XCLIENT ADDR=[unavailable]", Command::Xclient(None)),
            ("RCPT TO:<PostMaster>", Command::Rcpt(Recipient::Postmaster("PostMaster".into(), vec![]))),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line.as_bytes()), Ok(expected), "{line}");
        }
    }

    #[test]
    fn faults_are_named() {
        use AddressError::{Domain, Local, Shape};
        use CommandFault as F;
        let long_local = format!("MAIL FROM:<{}@example.nl>", "a".repeat(65));
        let long_path = format!("RCPT TO:<{}@{}example.nl>", "a".repeat(64), "label.".repeat(31));
        let cases: Vec<(&[u8], F)> = vec![
            (b"", F::Unknown),
            (b" NOOP", F::Unknown),
            (b"NO\0OP", F::NotText),
            (b"NOOP \xff", F::NotText),
            (b"NOOP\x1b", F::NotText),
            (b"FROB", F::Unknown),
            (b"EXPN list", F::NotOffered),
            (b"AUTH", F::MissingArgument),
            (b"AUTH PLAIN AA== x", F::SpareArgument),
            (b"XCLIENT", F::MissingArgument),
            (b"XCLIENT ADDR=", F::Parameter),
            (b"XCLIENT ADDR=192.0.2.7 LOGIN=jan", F::Parameter),
            (b"XCLIENT LOGIN=jan", F::Parameter),
            (b"BDAT 5 LAST", F::Chunking),
            (b"GET / HTTP/1.1", F::Foreign),
            (b"POST / HTTP/1.1", F::Foreign),
            (b"Host: example.nl", F::Foreign),
            (b"DATA now", F::SpareArgument),
            (b"STARTTLS x", F::SpareArgument),
            (b"VRFY", F::MissingArgument),
            (b"HELO", F::Hello),
            (b"EHLO a b", F::Hello),
            (b"EHLO a(b)", F::Hello),
            ("EHLO bücher.example".as_bytes(), F::Hello),
            (b"MAIL", F::Path),
            (b"MAIL FROM", F::Path),
            (b"MAIL TO:<a@b.example>", F::Path),
            (b"MAIL FROM:a@b.example", F::Path),
            (b"MAIL FROM:<a@b.example", F::Path),
            (b"MAIL FROM:<a@b.example>SIZE=1", F::Path),
            (b"MAIL FROM:<\"a>b@c.example>", F::Path),
            ("MAIL FRO€:<a@b.example>".as_bytes(), F::Path),
            (b"MAIL FROM:<a>", F::Sender(Shape)),
            (b"MAIL FROM:<postmaster>", F::Sender(Shape)),
            (b"MAIL FROM:<a..b@c.example>", F::Sender(Local)),
            (b"MAIL FROM:<a b@c.example>", F::Sender(Local)),
            (long_local.as_bytes(), F::Sender(Local)),
            (b"MAIL FROM:<a@b..c>", F::Sender(Domain)),
            (b"MAIL FROM:<a@xn--9.example>", F::Sender(Domain)),
            (b"RCPT TO:<>", F::Recipient(Shape)),
            (b"RCPT TO:<@a.example>", F::Recipient(Shape)),
            (b"RCPT TO:<@a.example,b:c@d.example>", F::Recipient(Shape)),
            (b"RCPT TO:<a@[192.0.2.256]>", F::Recipient(Domain)),
            (b"RCPT TO:<a@[IPv6:1:2]>", F::Recipient(Domain)),
            (b"RCPT TO:<a@[x400:b]>", F::Recipient(Domain)),
            (long_path.as_bytes(), F::Recipient(Shape)),
            (b"MAIL FROM:<a@b.example> =1", F::Parameter),
            (b"MAIL FROM:<a@b.example> SIZE=", F::Parameter),
            (b"MAIL FROM:<a@b.example> SIZE=1=2", F::Parameter),
            (b"MAIL FROM:<a@b.example> S_ZE=1", F::Parameter),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line), Err(expected), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn every_fault_has_a_refusal_of_its_class() {
        for fault in [CommandFault::NotText, CommandFault::Chunking, CommandFault::Sender(AddressError::Local)] {
            let reply = fault.reply();
            assert_eq!(reply.class(), 5);
            assert!(reply.text().first().unwrap().starts_with("5."), "{reply}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&line);
        }

        #[test]
        fn any_path_is_read_or_refused(path in "(MAIL FROM|RCPT TO):<[@a-c\"\\\\>.: ,\u{e9}]{0,20}>( [A-Z=é-]{0,8})?") {
            if let Ok(Command::Rcpt(Recipient::Mailbox(to))) = parse(path.as_bytes()) {
                prop_assert!(path.contains(to.address.as_str()));
            }
        }
    }
}
