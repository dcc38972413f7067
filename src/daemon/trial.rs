//! A trial SMS for the administrator: through the providers of the config, with a text that says that it is one.

use std::sync::Arc;
use std::time::Duration;

use super::operate::{Answer, refused};
use crate::base::{Clock, JobId, OsEntropy};
use crate::config::Config;
use crate::sms::{Number, Numbers, Outcome, Providers, Refusal, SetupError, Text};
use crate::text::{Lang, Texts};

/// The longest that a trial waits for its providers: less than a command waits for the daemon.
const LONGEST: Duration = Duration::from_secs(25);

/// Sends trial SMSes.
#[derive(Debug, Clone)]
pub struct Trial {
    numbers: Numbers,
    providers: Providers,
    organisation: String,
    language: Lang,
}

impl Trial {
    /// Through these providers, which may be those that the queue asks.
    #[must_use]
    pub fn new(config: &Config, providers: Providers) -> Self {
        Self {
            numbers: config.sms.numbers.clone(),
            providers,
            organisation: config.web.organisation.clone(),
            language: Lang::from_tag(&config.intake.language).unwrap_or_default(),
        }
    }

    /// Through providers of its own.
    ///
    /// # Errors
    /// See [`Providers::new`].
    pub fn of(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        Ok(Self::new(config, Providers::new(config.sms.providers.clone(), clock)?))
    }

    /// Sends one to a number as people write it, through one provider or by the order of all.
    pub async fn send(&self, number: &str, provider: Option<&str>) -> Answer {
        let number = match self.numbers.read(number) {
            Ok(number) => number,
            Err(cause) => return refused(&cause.to_string()),
        };
        if self.providers.is_empty() {
            return refused("the config names no [[sms.provider]]");
        }
        let text = Texts::load().and_then(|texts| Text::test(texts.in_language(self.language), &self.organisation));
        let text = match text {
            Ok(text) => text,
            Err(cause) => return refused(&cause.to_string()),
        };
        match tokio::time::timeout(LONGEST, self.hand_over(&number, &text, provider)).await {
            Ok(Some(outcome)) => said(&number, outcome),
            Ok(None) => {
                let names = self.providers.names().join(", ");
                refused(&format!("there is no such [[sms.provider]]; there are {names}"))
            }
            Err(_) => refused("the providers did not answer in time; the SMS may still come"),
        }
    }

    async fn hand_over(&self, number: &Number, text: &Text, provider: Option<&str>) -> Option<Outcome> {
        // No report leads anywhere with it.
        let reference = JobId::random(&OsEntropy).to_string();
        match provider {
            Some(name) => self.providers.send_by(name, number, text, &reference).await,
            None => Some(self.providers.send(number, text, &reference).await),
        }
    }
}

fn said(number: &Number, outcome: Outcome) -> Answer {
    let number = number.to_string();
    let (result, provider, detail) = match outcome {
        Outcome::Accepted { provider, id } => ("taken", provider, id),
        Outcome::Refused { provider, why } => ("refused", provider, why_not(why).to_owned()),
        Outcome::Failed { cause } => ("failed", String::new(), cause),
        Outcome::Unsure { provider } => ("unsure", provider, "it gave no clear answer; the SMS may come".to_owned()),
    };
    Answer::SmsTested { number, result: result.to_owned(), provider, detail }
}

/// For the administrator.
const fn why_not(why: Refusal) -> &'static str {
    match why {
        // The last of them no provider says: it is of codes by mail.
        Refusal::Number | Refusal::Mailbox => "no SMS can be sent to this number",
        Refusal::Country => "not to this country or network",
        Refusal::Blocked => "the number's owner or network wants no messages from us",
        Refusal::Credit => "the credit is used up",
        Refusal::Account => "it does not accept us: look at key, sender name and request in the config",
        Refusal::Unreachable => "it could not be reached",
        Refusal::Undelivered => "it could not deliver",
    }
}

#[cfg(test)]
impl Trial {
    /// One with nobody to send through.
    pub(super) fn without_providers(clock: Arc<dyn Clock>) -> Self {
        let (numbers, language) = (Numbers::default(), Lang::default());
        let providers = Providers::new(Vec::new(), clock).unwrap();
        Self { numbers, providers, organisation: "Zorggroep".to_owned(), language }
    }
}
