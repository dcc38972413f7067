//! Asking the sender for something: what will happen, the button, and then that it happened. No field takes a number or a code.

use askama::Template;

use super::Page;
use crate::text::TextError;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks<'a> {
    /// "Is the number not right?", with the number, masked.
    Number(&'a str),
    /// "I have no code": its page of its own comes before.
    Lost,
    /// An access code in the place of SMS.
    CodeForSms,
    /// SMS in the place of an access code.
    SmsForCode,
    /// "I get no mail with the code", with the address, masked.
    NoMail(&'a str),
    /// An access code in the place of codes by mail.
    CodeForMail,
    /// A message that is gone.
    Again,
}

/// The page.
#[derive(Debug, Template)]
#[template(path = "page/ask.html", config = "src/text/askama.toml")]
pub struct AskPage<'a> {
    /// Around the sheet.
    pub page: Page<'a>,
    /// The sender's name (or address, without one).
    pub sender: &'a str,
    /// What is asked.
    pub asks: Asks<'a>,
    /// `None`: not yet. Else whether the sender is told now, or was told before on this day.
    pub done: Option<bool>,
    /// Where the form goes.
    pub action: &'a str,
    /// Its page token.
    pub token: &'a str,
    /// Back to page 1.
    pub back: &'a str,
}

impl AskPage<'_> {
    fn title(&self) -> Result<String, TextError> {
        self.page.get(match (self.done, self.asks) {
            (Some(true), _) => "ask-done-title",
            (Some(false), _) => "ask-done-before",
            (None, Asks::Number(_)) => "ask-number-title",
            (None, Asks::Lost) => "lost-title",
            (None, Asks::CodeForSms | Asks::CodeForMail) => "ask-sms-title",
            (None, Asks::NoMail(_)) => "ask-mail-title",
            (None, Asks::SmsForCode) => "ask-code-title",
            (None, Asks::Again) => "ask-again-title",
        })
    }

    fn what(&self) -> Result<String, TextError> {
        let sender = ("sender", self.sender);
        match (self.done, self.asks) {
            (Some(true), _) => self.page.with("ask-done-what", &[sender]),
            (Some(false), _) => self.page.with("ask-done-again", &[sender]),
            (None, Asks::Number(number)) => self.page.with("ask-number-what", &[("number", number), sender]),
            (None, Asks::Lost) => self.page.with("ask-lost-what", &[sender]),
            (None, Asks::CodeForSms) => self.page.with("ask-sms-what", &[sender]),
            (None, Asks::SmsForCode) => self.page.with("ask-code-what", &[sender]),
            (None, Asks::NoMail(address)) => self.page.with("ask-mail-what", &[("address", address), sender]),
            (None, Asks::CodeForMail) => self.page.with("ask-level-what", &[sender]),
            (None, Asks::Again) => self.page.with("ask-again-what", &[sender]),
        }
    }

    fn next(&self) -> Result<String, TextError> {
        self.page.get(match (self.done, self.asks) {
            (Some(_), Asks::Again) => "ask-again-done",
            (Some(_), _) => "ask-done-next",
            (None, Asks::Again) => "ask-again-next",
            (None, Asks::Number(_)) => "ask-number-next",
            (None, Asks::Lost) => "lost-never",
            (None, Asks::NoMail(_)) => "ask-mail-next",
            (None, Asks::CodeForSms | Asks::SmsForCode | Asks::CodeForMail) => "ask-other-next",
        })
    }

    fn button(&self) -> Result<String, TextError> {
        self.page.get(match self.asks {
            Asks::Number(_) | Asks::NoMail(_) => "ask-number-button",
            Asks::Lost => "ask-lost-button",
            Asks::CodeForSms | Asks::SmsForCode | Asks::CodeForMail => "ask-other-button",
            Asks::Again => "ask-again-button",
        })
    }
}
