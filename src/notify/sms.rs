//! One attempt at an SMS: noted durably before a provider is asked, so that one which is broken off is not made again.

use crate::base::{ChallengeId, GrantId, Timestamp};
use crate::seal::one_time::OneTimeCode;
use crate::sms::{self, Number, Refusal, Text};
use crate::store::dispatch::{Begun, DispatchEnd, Stage};
use crate::store::records::LeasedJob;
use crate::text::Lang;

use super::{Inner, Outcome};

/// The host name in a page's address: what an SMS binds its code to.
fn host(page: &str) -> &str {
    let host = page.split_once("://").map_or(page, |(_, host)| host);
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

impl Inner {
    /// The attempt; its outcome says whether there is to be another.
    pub(super) async fn text(
        &self,
        job: &LeasedJob,
        (grant, challenge): (GrantId, ChallengeId),
        expires: Timestamp,
    ) -> Outcome {
        let failed = |why| Outcome::Dispatched(DispatchEnd::failed(why));
        match self.store.begin_dispatch(job.id).await {
            Ok(Begun::Now) => {}
            Ok(Begun::BrokenOff) => return Outcome::Dispatched(DispatchEnd::unsure()),
            Ok(Begun::Gone) => return failed(Refusal::Unreachable),
            Err(error) => return Outcome::Later(error.to_string()),
        }
        if self.clock.now() >= expires {
            return failed(Refusal::Unreachable);
        }
        let view = match self.store.grant_by_id(grant).await {
            Ok(Some(view)) => view,
            Ok(None) => return failed(Refusal::Unreachable),
            Err(error) => return Outcome::Later(error.to_string()),
        };
        let number = job.secret.as_ref().and_then(|secret| secret.number.as_deref()).and_then(Number::stored);
        let Some(number) = number else { return failed(Refusal::Number) };
        let lang = Lang::from_tag(&view.contact.language).unwrap_or(self.settings.language);
        let code = OneTimeCode::of(self.store.keys(), challenge);
        let words = self.texts.in_language(lang);
        let text = match Text::code(words, &self.settings.organisation, host(&self.settings.page), code.expose()) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, "an SMS cannot be written");
                return Outcome::Later(error.to_string());
            }
        };
        let reference = self.store.sms_reference(grant, job.id);
        outcome(self.settings.sms.send(&number, &text, &reference).await)
    }
}

fn outcome(outcome: sms::Outcome) -> Outcome {
    let none = String::new;
    Outcome::Dispatched(match outcome {
        sms::Outcome::Accepted { provider, id } => DispatchEnd { stage: Stage::Taken, provider, id },
        sms::Outcome::Unsure { provider } => DispatchEnd { stage: Stage::Unsure, provider, id: none() },
        sms::Outcome::Refused { provider, why } => DispatchEnd { stage: Stage::Failed(why), provider, id: none() },
        sms::Outcome::Failed { cause } => return Outcome::Later(cause),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_the_page() {
        for (page, expected) in [
            ("https://veilig.voorbeeld.nl", "veilig.voorbeeld.nl"),
            ("https://veilig.voorbeeld.nl:8443", "veilig.voorbeeld.nl"),
            ("http://127.0.0.1:8025", "127.0.0.1"),
        ] {
            assert_eq!(host(page), expected);
        }
    }
}
