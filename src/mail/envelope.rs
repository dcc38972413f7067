//! The SMTP envelope as the client gave it: paths and parameters, kept in order and spelling (RFC 5321 §4.1.2).

use std::fmt;

use super::Address;

/// One ESMTP parameter of MAIL or RCPT, e.g. `BODY=8BITMIME` or `SMTPUTF8`. Keyword and value are kept as written. Its `Debug`
/// shows no value: ORCPT and AUTH hold addresses.
#[derive(Clone, PartialEq, Eq)]
pub struct Param {
    /// The keyword; compare without case.
    pub keyword: String,
    /// What stands behind `=`.
    pub value: Option<String>,
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Param").field("keyword", &self.keyword).finish_non_exhaustive()
    }
}

/// `MAIL FROM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailFrom {
    /// The reverse path; `None` is the null path `<>`.
    pub path: Option<Address>,
    /// The parameters, in order.
    pub params: Vec<Param>,
}

/// `RCPT TO`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RcptTo {
    /// The recipient.
    pub address: Address,
    /// The parameters, in order.
    pub params: Vec<Param>,
}

impl MailFrom {
    /// The value of a parameter, by keyword without case. `Some(None)` is a parameter without a value.
    #[must_use]
    pub fn param(&self, keyword: &str) -> Option<Option<&str>> {
        find(&self.params, keyword)
    }
}

impl RcptTo {
    /// The value of a parameter, by keyword without case. `Some(None)` is a parameter without a value.
    #[must_use]
    pub fn param(&self, keyword: &str) -> Option<Option<&str>> {
        find(&self.params, keyword)
    }
}

#[expect(clippy::option_option, reason = "a parameter is absent, present without a value, or present with one")]
fn find<'a>(params: &'a [Param], keyword: &str) -> Option<Option<&'a str>> {
    params.iter().find(|p| p.keyword.eq_ignore_ascii_case(keyword)).map(|p| p.value.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_without_case() {
        let param =
            |keyword: &str, value: Option<&str>| Param { keyword: keyword.into(), value: value.map(String::from) };
        let from = MailFrom {
            path: None,
            params: vec![param("Body", Some("8BITMIME")), param("SMTPUTF8", None), param("BODY", None)],
        };
        assert_eq!(from.param("BODY"), Some(Some("8BITMIME")));
        assert_eq!(from.param("smtputf8"), Some(None));
        assert_eq!(from.param("SIZE"), None);
    }

    #[test]
    fn debug_shows_no_address() {
        let to = RcptTo {
            address: "jan.de.vries@a.example".parse().unwrap(),
            params: vec![Param { keyword: "ORCPT".into(), value: Some("rfc822;jan.de.vries@a.example".into()) }],
        };
        assert!(!format!("{to:?}").contains("vries"));
    }
}
