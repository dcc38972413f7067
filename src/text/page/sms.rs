//! Page 1 of a message that opens with a code by SMS: the button that sends it, and then the field that takes it.

use askama::Template;

use super::Page;
use crate::text::TextError;

/// What stands beside the button or the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmsTrouble<'a> {
    /// Nothing was filled in; no attempt.
    Empty,
    /// Not six digits; no attempt.
    Form,
    /// Wrong; this many tries are left.
    Wrong(u32),
    /// Wrong, and not again before this clock time.
    WrongThenPause(&'a str),
    /// Not compared; not before this clock time.
    Paused(&'a str),
    /// Not until the sender unlocks it.
    Closed,
    /// The page was too old; nothing happened.
    Stale,
    /// The code was tried too often.
    Spent,
    /// The code's time was over.
    Expired,
    /// There is no code, or none any more.
    NoCode,
    /// No SMS: one went out so many seconds ago that this many remain.
    Wait(u64),
    /// No SMS before this time.
    Full(&'a str),
    /// No SMS for this link any more.
    Over,
    /// No SMS today: the organisation's ceiling.
    Ceiling,
}

/// What became of the SMS that was sent last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmsNews {
    /// It waits for a provider.
    Delayed,
    /// None goes to this number.
    BadNumber,
    /// We cannot send any.
    OurFault,
    /// It did not reach the telephone.
    Undelivered,
}

/// The page.
#[derive(Debug, Template)]
#[template(path = "page/sms.html", config = "src/text/askama.toml")]
pub struct SmsPage<'a> {
    /// Around the sheet.
    pub page: Page<'a>,
    /// The sender's name (or address, without one).
    pub sender: &'a str,
    /// Name and organisation.
    pub from: &'a str,
    /// The recipient's address, masked.
    pub recipient: &'a str,
    /// Last day of the message.
    pub last_day: &'a str,
    /// The telephone number, masked.
    pub number: &'a str,
    /// Until when the code holds that was sent; empty when there is none: then the page offers to send one.
    pub until: &'a str,
    /// Where the code goes.
    pub action: &'a str,
    /// The page token for that.
    pub token: &'a str,
    /// Where "send me the code" goes.
    pub ask: &'a str,
    /// The page token for that.
    pub ask_token: &'a str,
    /// Where "tell the sender" leads.
    pub wrong_number: &'a str,
    /// Where "rather an access code" leads.
    pub other: &'a str,
    /// Seconds until one more SMS can be asked for; 0: now.
    pub wait: u64,
    /// Address of [`AGAIN_SCRIPT`](super::AGAIN_SCRIPT), which counts them down.
    pub script: &'a str,
    /// The tips are shown: somebody asked for one more SMS.
    pub open: bool,
    /// What became of the SMS, if that needs saying.
    pub news: Option<SmsNews>,
    /// What went wrong, if anything.
    pub trouble: Option<SmsTrouble<'a>>,
}

impl SmsPage<'_> {
    /// That so many seconds remain.
    fn remaining(&self, seconds: u64) -> Result<String, TextError> {
        self.page.with("phone-again-wait", &[("seconds", seconds)])
    }

    /// Whether a press on the button could bring an SMS.
    const fn may_ask(&self) -> bool {
        !matches!(
            self.trouble,
            Some(
                SmsTrouble::Closed
                    | SmsTrouble::Paused(_)
                    | SmsTrouble::WrongThenPause(_)
                    | SmsTrouble::Over
                    | SmsTrouble::Full(_)
                    | SmsTrouble::Ceiling
            )
        )
    }

    /// Whether what was typed is the trouble, and not how often an SMS was asked for.
    const fn is_about_the_code(&self) -> bool {
        matches!(self.trouble, Some(SmsTrouble::Empty | SmsTrouble::Form | SmsTrouble::Wrong(_)))
    }

    /// What is wrong, and what to do.
    fn said(&self) -> Result<Option<(String, String)>, TextError> {
        let page = &self.page;
        let both = |what: &str, then: &str| Ok(Some((page.get(what)?, page.get(then)?)));
        match self.trouble {
            None => Ok(None),
            Some(SmsTrouble::Empty) => Ok(Some((page.get("phone-empty")?, String::new()))),
            Some(SmsTrouble::Form) => both("phone-form", "phone-form-what"),
            Some(SmsTrouble::Wrong(left)) => {
                Ok(Some((page.get("unlock-wrong")?, page.with("unlock-left", &[("left", left)])?)))
            }
            Some(SmsTrouble::WrongThenPause(time)) => {
                Ok(Some((page.get("unlock-wrong")?, page.with("unlock-again", &[("time", time)])?)))
            }
            Some(SmsTrouble::Paused(time)) => {
                Ok(Some((page.get("unlock-paused")?, page.with("unlock-again", &[("time", time)])?)))
            }
            Some(SmsTrouble::Closed) => both("unlock-closed", "unlock-closed-what"),
            Some(SmsTrouble::Stale) => both("unlock-stale", "phone-stale-what"),
            Some(SmsTrouble::Spent) => both("phone-spent", "phone-anew"),
            Some(SmsTrouble::Expired) => both("phone-expired", "phone-anew"),
            Some(SmsTrouble::NoCode) => both("phone-none", "phone-anew"),
            Some(SmsTrouble::Wait(seconds)) => {
                Ok(Some((page.with("phone-wait", &[("seconds", seconds)])?, String::new())))
            }
            Some(SmsTrouble::Full(time)) => {
                Ok(Some((page.get("phone-full")?, page.with("phone-full-what", &[("time", time)])?)))
            }
            Some(SmsTrouble::Over) => both("phone-over", "phone-over-what"),
            Some(SmsTrouble::Ceiling) => both("phone-ceiling", "phone-ceiling-what"),
        }
    }

    /// What became of the SMS.
    fn news(&self) -> Result<Option<String>, TextError> {
        let (what, then) = match self.news {
            None => return Ok(None),
            Some(SmsNews::Delayed) => return self.page.get("phone-delayed").map(Some),
            Some(SmsNews::BadNumber) => ("phone-failed-number", "phone-failed-number-what"),
            Some(SmsNews::OurFault) => ("phone-failed-ours", "phone-failed-ours-what"),
            Some(SmsNews::Undelivered) => ("phone-failed-late", "phone-failed-late-what"),
        };
        Ok(Some(format!("{} {}", self.page.get(what)?, self.page.get(then)?)))
    }
}
