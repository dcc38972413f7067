//! The SMTP envelope as the client gave it: paths and parameters, kept in order and spelling (RFC 5321 §4.1.2).

use super::Address;

/// One ESMTP parameter of MAIL or RCPT, e.g. `BODY=8BITMIME` or `SMTPUTF8`. Keyword and value are kept as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// The keyword; compare without case.
    pub keyword: String,
    /// What stands behind `=`.
    pub value: Option<String>,
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

fn find<'a>(params: &'a [Param], keyword: &str) -> Option<Option<&'a str>> {
    params.iter().find(|p| p.keyword.eq_ignore_ascii_case(keyword)).map(|p| p.value.as_deref())
}
