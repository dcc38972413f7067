//! Page 1 of a message that opens with a one-time code, by SMS or by mail: the button that sends it, and then the field that takes it.

use askama::Template;

use super::Page;
use crate::text::TextError;

/// What stands beside the button or the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OneTimeTrouble<'a> {
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
    /// None is sent: one went out so many seconds ago that this many remain.
    Wait(u64),
    /// None before this time.
    Full(&'a str),
    /// None for this link any more.
    Over,
    /// None today: the organisation's ceiling.
    Ceiling,
}

/// What became of the SMS or mail that was sent last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OneTimeNews {
    /// It waits for a provider or mail server.
    Delayed,
    /// None goes to this number or mailbox.
    BadDestination,
    /// We cannot send any.
    OurFault,
    /// It did not reach the telephone or mailbox.
    Undelivered,
}

/// Where the code goes, masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentTo<'a> {
    /// To this telephone number, by SMS.
    Phone(&'a str),
    /// To this address, by mail.
    Mailbox(&'a str),
}

/// The page.
#[derive(Debug, Template)]
#[template(path = "page/one_time.html", config = "src/text/askama.toml")]
pub struct OneTimePage<'a> {
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
    /// Where the code goes.
    pub to: SentTo<'a>,
    /// Until when the code holds that was sent; empty when there is none: then the page offers to send one.
    pub until: &'a str,
    /// Where the code is typed.
    pub action: &'a str,
    /// The page token for that.
    pub token: &'a str,
    /// Where "send me the code" goes.
    pub ask: &'a str,
    /// The page token for that.
    pub ask_token: &'a str,
    /// Where "tell the sender" leads: the number is wrong, or the mail does not come.
    pub tell: &'a str,
    /// Where "rather an access code" leads.
    pub other: &'a str,
    /// Seconds until it can be asked for once more; 0: now.
    pub wait: u64,
    /// Address of [`AGAIN_SCRIPT`](super::AGAIN_SCRIPT), which counts them down.
    pub script: &'a str,
    /// The tips are shown: somebody asked once more.
    pub open: bool,
    /// What became of the SMS or mail, if that needs saying.
    pub news: Option<OneTimeNews>,
    /// What went wrong, if anything.
    pub trouble: Option<OneTimeTrouble<'a>>,
}

impl OneTimePage<'_> {
    /// Which of two texts fits the way that the code goes.
    const fn by<'t>(&self, sms: &'t str, mail: &'t str) -> &'t str {
        match self.to {
            SentTo::Phone(_) => sms,
            SentTo::Mailbox(_) => mail,
        }
    }

    fn get(&self, sms: &str, mail: &str) -> Result<String, TextError> {
        self.page.get(self.by(sms, mail))
    }

    /// A text that names where the code goes.
    fn named(&self, sms: &str, mail: &str) -> Result<String, TextError> {
        match self.to {
            SentTo::Phone(number) => self.page.with(sms, &[("number", number), ("until", self.until)]),
            SentTo::Mailbox(address) => self.page.with(mail, &[("address", address), ("until", self.until)]),
        }
    }

    fn send(&self) -> Result<String, TextError> {
        self.named("phone-send", "mailbox-send")
    }

    fn label(&self) -> Result<String, TextError> {
        self.get("phone-label", "mailbox-label")
    }

    fn help(&self) -> Result<String, TextError> {
        self.named("phone-help", "mailbox-help")
    }

    fn missing(&self) -> Result<String, TextError> {
        self.get("phone-missing", "mailbox-missing")
    }

    /// What to look at when nothing comes.
    fn tips(&self) -> Result<[String; 3], TextError> {
        Ok([
            self.page.get("once-missing-wait")?,
            self.get("phone-missing-reach", "mailbox-missing-spam")?,
            self.named("phone-missing-number", "mailbox-missing-address")?,
        ])
    }

    fn again(&self) -> Result<String, TextError> {
        self.get("phone-again", "mailbox-again")
    }

    fn again_now(&self) -> Result<String, TextError> {
        self.get("phone-again-now", "mailbox-again-now")
    }

    /// That so many seconds remain.
    fn remaining(&self, seconds: u64) -> Result<String, TextError> {
        self.page.with(self.by("phone-again-wait", "mailbox-again-wait"), &[("seconds", seconds)])
    }

    /// The question before "tell the sender".
    fn wrong(&self) -> Result<String, TextError> {
        self.get("phone-number", "mailbox-none")
    }

    /// The question before "ask for an access code".
    fn rather(&self) -> Result<String, TextError> {
        self.get("ask-other", "mailbox-level")
    }

    /// Whether a press on the button could bring a code.
    const fn may_ask(&self) -> bool {
        !matches!(
            self.trouble,
            Some(
                OneTimeTrouble::Closed
                    | OneTimeTrouble::Paused(_)
                    | OneTimeTrouble::WrongThenPause(_)
                    | OneTimeTrouble::Over
                    | OneTimeTrouble::Full(_)
                    | OneTimeTrouble::Ceiling
            )
        )
    }

    /// Whether what was typed is the trouble, and not how often a code was asked for.
    const fn is_about_the_code(&self) -> bool {
        matches!(self.trouble, Some(OneTimeTrouble::Empty | OneTimeTrouble::Form | OneTimeTrouble::Wrong(_)))
    }

    /// What is wrong, and what to do.
    fn said(&self) -> Result<Option<(String, String)>, TextError> {
        let page = &self.page;
        let Some(trouble) = self.trouble else { return Ok(None) };
        let (what, then) = match trouble {
            OneTimeTrouble::Empty => (self.get("phone-empty", "mailbox-empty")?, String::new()),
            OneTimeTrouble::Form => {
                (self.get("phone-form", "mailbox-form")?, self.get("phone-form-what", "mailbox-form-what")?)
            }
            OneTimeTrouble::Wrong(left) => (page.get("unlock-wrong")?, page.with("unlock-left", &[("left", left)])?),
            OneTimeTrouble::WrongThenPause(time) => {
                (page.get("unlock-wrong")?, page.with("unlock-again", &[("time", time)])?)
            }
            OneTimeTrouble::Paused(time) => (page.get("unlock-paused")?, page.with("unlock-again", &[("time", time)])?),
            OneTimeTrouble::Closed => (page.get("unlock-closed")?, page.get("unlock-closed-what")?),
            OneTimeTrouble::Stale => (page.get("unlock-stale")?, page.get("once-stale-what")?),
            OneTimeTrouble::Spent => (page.get("once-spent")?, page.get("once-anew")?),
            OneTimeTrouble::Expired => (page.get("once-expired")?, page.get("once-anew")?),
            OneTimeTrouble::NoCode => (page.get("once-none")?, page.get("once-anew")?),
            OneTimeTrouble::Wait(seconds) => {
                (page.with(self.by("phone-wait", "mailbox-wait"), &[("seconds", seconds)])?, String::new())
            }
            OneTimeTrouble::Full(time) => {
                (self.get("phone-full", "mailbox-full")?, page.with("once-full-what", &[("time", time)])?)
            }
            OneTimeTrouble::Over => {
                (self.get("phone-over", "mailbox-over")?, self.get("phone-over-what", "mailbox-over-what")?)
            }
            OneTimeTrouble::Ceiling => (self.get("phone-ceiling", "mailbox-ceiling")?, page.get("once-ours-what")?),
        };
        Ok(Some((what, then)))
    }

    /// What became of the SMS or mail.
    fn said_of_it(&self) -> Result<Option<String>, TextError> {
        let (what, then) = match self.news {
            None => return Ok(None),
            Some(OneTimeNews::Delayed) => return self.get("phone-delayed", "mailbox-delayed").map(Some),
            Some(OneTimeNews::BadDestination) => (
                self.by("phone-failed-number", "mailbox-failed"),
                self.by("phone-failed-number-what", "mailbox-failed-what"),
            ),
            Some(OneTimeNews::OurFault) => (self.by("phone-failed-ours", "mailbox-failed-ours"), "once-ours-what"),
            Some(OneTimeNews::Undelivered) => (
                self.by("phone-failed-late", "mailbox-failed"),
                self.by("phone-failed-late-what", "mailbox-failed-what"),
            ),
        };
        Ok(Some(format!("{} {}", self.page.get(what)?, self.page.get(then)?)))
    }
}
