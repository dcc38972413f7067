//! SMS providers: the presets against requests and answers as the providers' documentation shows them, a server that fails in every
//! way over real connections, and commands that misbehave.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]
#![expect(clippy::disallowed_methods, reason = "time-outs of real connections and processes are measured in real time")]

mod command;
mod presets;
mod server;
mod trial;
mod wild;

use std::sync::Arc;
use std::time::Duration;

use zegel::base::SystemClock;
use zegel::sms::{Kind, Number, Numbers, Outcome, ProviderSettings, Providers, Text};
use zegel::text::{Lang, Texts};

pub(crate) const NUMBER: &str = "+31612345678";
pub(crate) const CODE: &str = "042117";
pub(crate) const SECRET: &str = "canary-secret-0123456789";
pub(crate) const REFERENCE: &str = "abcdefghijklmnopqrstuvwxyz234567";

pub(crate) fn number() -> Number {
    Numbers::default().read(NUMBER).unwrap()
}

pub(crate) fn text() -> Text {
    let texts = Texts::load().unwrap();
    Text::code(texts.in_language(Lang::Nl), "Voorbeeld \"Zorg\" & Co", "veilig.voorbeeld.nl", CODE).unwrap()
}

pub(crate) fn provider(name: &str, kind: Kind) -> ProviderSettings {
    ProviderSettings { name: name.to_owned(), timeout: Duration::from_secs(2), kind }
}

pub(crate) fn providers(all: Vec<ProviderSettings>) -> Providers {
    Providers::new(all, Arc::new(SystemClock)).unwrap()
}

/// Hands one SMS over, and says in a word how that ended.
pub(crate) async fn send(providers: &Providers) -> String {
    match providers.send(&number(), &text(), REFERENCE).await {
        Outcome::Accepted { provider, id } => format!("{provider} accepted {id}"),
        Outcome::Refused { provider, why } => format!("{provider} refused {why:?}"),
        Outcome::Failed { .. } => "failed".to_owned(),
        Outcome::Unsure { provider } => format!("{provider} unsure"),
    }
}
