//! SMS on its way out: telephone numbers, the neutral text, and the providers that take it, asked in order.
//!
//! Only number and text leave, to providers that the config names. No answer of theirs is believed further than its form: it is
//! bounded in size and time, and its words reach neither log nor page.
//!
//! | file | owns |
//! |---|---|
//! | number | which numbers are taken, and how they are shown |
//! | text | what an SMS says |
//! | outcome | what providers say, and the rule of their order |
//! | health | which providers failed lately |
//! | command | a local command as provider |

mod command;
mod health;
mod number;
mod outcome;
mod text;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::Clock;
pub use crate::store::sms::Refusal;
pub use command::Settings as CommandSettings;
pub use number::{Country, Number, NumberError, Numbers};
pub use outcome::Outcome;
pub use text::Text;

use health::Health;
use outcome::{Handover, Round};

/// Which numbers get SMSes, and who sends them.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Which numbers are taken.
    pub numbers: Numbers,
    /// In the order in which they are asked. None: no SMS is ever sent.
    pub providers: Vec<ProviderSettings>,
}

/// One provider.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// Its name: for the log and for what became of an SMS.
    pub name: String,
    /// How long it may take to answer.
    pub timeout: Duration,
    /// What it is.
    pub kind: Kind,
}

/// What a provider is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A local command.
    Command(CommandSettings),
    /// Shown on a page of this machine: the demo alone has it.
    Screen(Screen),
}

/// Takes number and text.
type Show = dyn Fn(&str, &str) + Send + Sync;

/// Where the demo shows its SMSes.
#[derive(Clone)]
pub struct Screen(pub Arc<Show>);

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Screen")
    }
}

/// The providers, asked in order. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Providers {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    providers: Vec<Provider>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Provider {
    settings: ProviderSettings,
    health: Health,
}

impl Providers {
    /// Those of the settings.
    #[must_use]
    pub fn new(settings: Vec<ProviderSettings>, clock: Arc<dyn Clock>) -> Self {
        let providers = settings.into_iter().map(|settings| Provider { settings, health: Health::default() }).collect();
        Self { inner: Arc::new(Inner { providers, clock }) }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.providers.is_empty()
    }

    /// The names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.inner.providers.iter().map(|provider| provider.settings.name.as_str()).collect()
    }

    /// Hands one SMS over: a round of all providers, by the rule in [`Outcome`]'s file. `reference` is what we call it.
    pub async fn send(&self, number: &Number, text: &Text, reference: &str) -> Outcome {
        let now = self.inner.clock.now();
        // Stable: the order of the config among those that are well, and among those that are not.
        let mut order: Vec<&Provider> = self.inner.providers.iter().collect();
        order.sort_by_key(|provider| provider.health.is_ill(now));
        let mut round = Round::default();
        for provider in order {
            let handover = self.ask(provider, number, text, reference).await;
            if let Some(outcome) = round.note(&provider.settings.name, handover) {
                return outcome;
            }
        }
        round.end()
    }

    /// Hands one SMS to the provider of this name alone; `None` when there is none.
    pub async fn send_by(&self, name: &str, number: &Number, text: &Text, reference: &str) -> Option<Outcome> {
        let provider = self.inner.providers.iter().find(|provider| provider.settings.name == name)?;
        let mut round = Round::default();
        let handover = self.ask(provider, number, text, reference).await;
        Some(round.note(name, handover).unwrap_or_else(|| round.end()))
    }

    async fn ask(&self, provider: &Provider, number: &Number, text: &Text, reference: &str) -> Handover {
        if let Some(wait) = provider.health.must_wait(self.inner.clock.now()) {
            let cause = format!("it asked us to wait for {} more seconds", wait.as_secs().max(1));
            return Handover::failed(cause);
        }
        let ProviderSettings { name, timeout, kind } = &provider.settings;
        let handover = match kind {
            Kind::Command(command) => command::send(command, *timeout, number, text, reference).await,
            Kind::Screen(screen) => {
                (screen.0)(number.expose(), text.expose());
                Handover::Accepted { id: String::new() }
            }
        };
        provider.health.note(&handover, self.inner.clock.now());
        let (result, cause) = handover.told();
        if cause.is_empty() {
            tracing::info!(provider = name, reference, result, "sms");
        } else {
            tracing::warn!(provider = name, reference, result, cause, "sms");
        }
        handover
    }
}
