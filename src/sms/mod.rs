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
//! | http, template, reply | a provider over HTTPS: its requests, and what its answers mean |
//! | presets | what is known of some providers' public APIs |
//! | command | a local command as provider |
//! | report | delivery reports |

mod command;
mod health;
mod http;
mod number;
mod outcome;
pub mod presets;
mod reply;
mod report;
mod template;
mod text;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::Clock;
pub use crate::store::dispatch::Refusal;
pub use command::Settings as CommandSettings;
pub use http::{Constants, Content, Settings as HttpSettings};
pub use number::{Country, Number, NumberError, Numbers};
pub use outcome::Outcome;
pub use reply::{Answers, Meaning, Path};
pub use report::{Fields, ReportSettings, Reports, Told};
pub use template::{Place, Template, TemplateError};
pub use text::Text;

use health::Health;
use http::{Http, Sms};
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
    /// A service that is asked over HTTPS.
    Http(Box<HttpSettings>),
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
    name: String,
    timeout: Duration,
    way: Way,
    health: Health,
}

/// A provider that is ready to be asked.
#[derive(Debug)]
enum Way {
    Http(Box<Http>),
    Command(CommandSettings),
    Screen(Screen),
}

/// A provider that cannot be asked: its trusted roots cannot be read. The text names no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("SMS: {0}")]
pub struct SetupError(String);

impl Provider {
    fn new(settings: ProviderSettings) -> Result<Self, SetupError> {
        let ProviderSettings { name, timeout, kind } = settings;
        let way = match kind {
            Kind::Http(http) => Way::Http(Box::new(Http::new(*http)?)),
            Kind::Command(command) => Way::Command(command),
            Kind::Screen(screen) => Way::Screen(screen),
        };
        Ok(Self { name, timeout, way, health: Health::default() })
    }
}

impl Providers {
    /// Those of the settings. None of them is asked yet.
    ///
    /// # Errors
    /// When the roots that a provider's certificate is verified against cannot be read.
    pub fn new(settings: Vec<ProviderSettings>, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let providers = settings.into_iter().map(Provider::new).collect::<Result<_, _>>()?;
        Ok(Self { inner: Arc::new(Inner { providers, clock }) })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.providers.is_empty()
    }

    /// The names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.inner.providers.iter().map(|provider| provider.name.as_str()).collect()
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
            if let Some(outcome) = round.note(&provider.name, handover) {
                return outcome;
            }
        }
        round.end()
    }

    /// Hands one SMS to the provider of this name alone; `None` when there is none.
    pub async fn send_by(&self, name: &str, number: &Number, text: &Text, reference: &str) -> Option<Outcome> {
        let provider = self.inner.providers.iter().find(|provider| provider.name == name)?;
        let mut round = Round::default();
        let handover = self.ask(provider, number, text, reference).await;
        Some(round.note(name, handover).unwrap_or_else(|| round.end()))
    }

    async fn ask(&self, provider: &Provider, number: &Number, text: &Text, reference: &str) -> Handover {
        if let Some(wait) = provider.health.must_wait(self.inner.clock.now()) {
            let cause = format!("it asked us to wait for {} more seconds", wait.as_secs().max(1));
            return Handover::failed(cause);
        }
        let Provider { name, timeout, way, .. } = provider;
        let handover = match way {
            Way::Http(http) => http.send(*timeout, Sms { number, text, reference }).await,
            Way::Command(command) => command::send(command, *timeout, number, text, reference).await,
            Way::Screen(screen) => {
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
