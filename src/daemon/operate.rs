//! What an operator may ask of the store: the same commands over the control socket and on a folder that no daemon holds.

use std::sync::Arc;

use tracing::info;

use super::rotate;
use crate::base::{Clock, Entropy, JobId, MessageId, Timestamp};
use crate::config::Config;
use crate::mail::Address;
use crate::metrics::Form;
use crate::policy::Home;
use crate::seal::code::Cost;
use crate::seal::contact::Generation;
use crate::seal::hashers::Hashers;
use crate::sms::Numbers;
use crate::store::codes::NewCode;
use crate::store::intake::NewJob;
use crate::store::look::DeliveryView;
use crate::store::records::{JobKind, JobSecret, Proof};
use crate::store::retention::Retention;
use crate::store::{Store, StoreError};

use super::remove::gone;
pub use super::request::{Answer, MessageRow, RecipientRow, Request};
use super::trial::Trial;
use super::upkeep::{Upkeep, Work, last_check};
use super::vitals::Vitals;
pub use super::waiting::JobRow;

/// Rows in one answer at most.
pub(super) const ROWS: usize = 500;

/// Carries out requests.
#[derive(Debug, Clone)]
pub struct Office {
    /// On this store.
    pub store: Store,
    /// Removes from it.
    pub retention: Retention,
    /// For "days ago".
    pub clock: Arc<dyn Clock>,
    /// For new codes.
    pub entropy: Arc<dyn Entropy>,
    /// Cost of hashing a new code.
    pub cost: Cost,
    /// The same in strict mode.
    pub strict_cost: Cost,
    /// Where it waits for its turn.
    pub hashers: Hashers,
    /// Which telephone numbers get codes by SMS; `None` where no SMS is sent.
    pub numbers: Option<Numbers>,
    /// The organisation's own mailboxes: only they get codes.
    pub home: Home,
    /// Root keys.
    pub keys: rotate::Keys,
    /// Does long work on the store.
    pub upkeep: Upkeep,
    /// Knows how the daemon is; nobody does on a folder that no daemon holds.
    pub vitals: Option<Vitals>,
    /// Sends trial SMSes.
    pub trial: Trial,
}

impl Office {
    /// As the config says, on a folder that no daemon holds.
    #[must_use]
    pub fn new(
        config: &Config,
        (store, retention): (Store, Retention),
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
        (keys, trial): (rotate::Keys, Trial),
    ) -> Self {
        Self {
            upkeep: Upkeep::new(retention.clone()),
            store,
            retention,
            clock,
            entropy,
            cost: config.intake.cost,
            strict_cost: config.intake.strict_cost,
            hashers: Hashers::new(1),
            numbers: config.intake.numbers.clone(),
            home: config.policy.home.clone(),
            keys,
            vitals: None,
            trial,
        }
    }

    /// Carries one out.
    ///
    /// # Errors
    /// When the store cannot.
    pub async fn carry_out(&self, request: Request) -> Result<Answer, StoreError> {
        match request {
            Request::MessageFind { address, days } => self.find(&address, days).await,
            Request::MessageShow { id } => self.show(&id).await,
            Request::MessageUnlock { id } => self.unlock(&id).await,
            Request::MessageRecall { id, recipient } => self.recall(&id, recipient.as_deref()).await,
            Request::Contact { request } => self.contact(request).await,
            Request::ContactErase { address } => self.erase(&address).await,
            Request::ContactNewCode { recipient, sender } => self.new_code(&recipient, sender.as_deref()).await,
            Request::QueueList => self.queue().await,
            Request::Keys { request } => Ok(Answer::Keys { keys: self.keys.carry_out(request).await? }),
            Request::SmsTest { number, provider } => Ok(self.trial.send(&number, provider.as_deref()).await),
            Request::QueueHold => self.hold().await,
            Request::QueueRelease => self.release().await,
            Request::StoreCheck { repair, accept_ledger } => Ok(self.begin(Work::Check { repair, accept_ledger })),
            Request::StoreRebuild => Ok(self.begin(Work::Rebuild)),
            Request::StoreCompact => Ok(self.begin(Work::Compact)),
            Request::StoreBackup { folder, verify } => Ok(self.begin(Work::Backup { folder, verify })),
            Request::StoreWork => Ok(self.work()),
            Request::Health | Request::Metrics => Ok(self.vital(&request).await),
            Request::StoreLastCheck => Ok(Answer::Work { running: None, done: last_check(&self.store).await? }),
        }
    }

    async fn vital(&self, request: &Request) -> Answer {
        let Some(vitals) = &self.vitals else { return refused("no daemon runs") };
        if *request == Request::Health {
            return Answer::Health { health: vitals.health().await };
        }
        vitals
            .text(Form::OpenMetrics)
            .await
            .map_or_else(|cause| refused(&cause.to_string()), |text| Answer::Metrics { text })
    }

    async fn find(&self, address: &str, days: Option<u32>) -> Result<Answer, StoreError> {
        let Ok(address) = address.parse::<Address>() else { return Ok(no_address(address)) };
        let day = std::time::Duration::from_hours(24);
        let since = days.map(|days| self.clock.now() - day * days);
        let found = self.store.find(&address.key(), since, ROWS).await?;
        Ok(Answer::Messages { messages: found.iter().map(|(id, message)| row(*id, message)).collect() })
    }

    async fn show(&self, id: &str) -> Result<Answer, StoreError> {
        let Ok(id) = id.parse::<MessageId>() else { return Ok(no_message(id)) };
        let Some(message) = self.store.message(id).await? else {
            return Ok(self
                .store
                .message_stub(id)
                .await?
                .map_or_else(|| no_message(&id.to_string()), |stub| gone(&stub, true)));
        };
        let recipients = self.store.deliveries(id).await?.iter().map(recipient).collect();
        Ok(Answer::Message { message: row(id, &message), recipients })
    }

    async fn unlock(&self, id: &str) -> Result<Answer, StoreError> {
        let Ok(id) = id.parse::<MessageId>() else { return Ok(no_message(id)) };
        let links = self.store.unlock_message(id).await?;
        if let Some(links) = links {
            info!(sealed = %id, links, "an operator opened the links of a message again");
        }
        Ok(links.map_or_else(|| no_message(&id.to_string()), |links| Answer::Unlocked { links }))
    }

    async fn new_code(&self, recipient: &str, sender: Option<&str>) -> Result<Answer, StoreError> {
        let Ok(recipient) = recipient.parse::<Address>() else { return Ok(no_address(recipient)) };
        let sender = match sender.map(str::parse::<Address>) {
            None => None,
            Some(Ok(sender)) => Some(sender.key()),
            Some(Err(_)) => return Ok(no_address(sender.unwrap_or_default())),
        };
        let found = self.store.contacts(&recipient.key(), sender.as_deref()).await?;
        let (id, contact) = match found.as_slice() {
            [one] => one,
            [] => return Ok(refused("no sender has a contact with this address")),
            several => {
                let senders: Vec<&str> = several.iter().map(|(_, contact)| contact.sender.as_str()).collect();
                return Ok(refused(&format!("several senders have this contact; name one: {}", senders.join(", "))));
            }
        };
        let strict = contact.proof == Proof::StrictCode;
        let Some(new) = self.make_code(strict).await else { return Ok(refused("the code could not be made")) };
        let mail = NewJob {
            id: JobId::random(&*self.entropy),
            kind: JobKind::Code { contact: *id },
            secret: Some(JobSecret::code(new.code.expose().to_owned())),
            due: self.clock.now(),
        };
        let mailbox = contact.mailbox.clone();
        let generation = Generation { contact: *id, number: contact.generation.saturating_add(1) };
        let replaced = self.store.replace_code(*id, new.keep(generation, &*self.entropy), mail).await?;
        if !replaced {
            return Ok(refused("the contact is gone"));
        }
        info!(contact = %id, strict, "an operator had a new code made");
        Ok(Answer::NewCode { mailbox, strict })
    }

    pub(super) async fn make_code(&self, strict: bool) -> Option<NewCode> {
        let mut turn = self.hashers.turn().await.ok()?;
        let (entropy, pepper) = (self.entropy.clone(), self.store.keys().pepper.clone());
        let (cost, strict_cost) = (self.cost, self.strict_cost);
        let make = move || {
            if strict {
                NewCode::strict(&pepper, strict_cost, &*entropy, turn.memory())
            } else {
                NewCode::digits(&pepper, cost, &*entropy, turn.memory())
            }
        };
        tokio::task::spawn_blocking(make).await.ok()?.ok()
    }
}

pub(super) fn refused(text: &str) -> Answer {
    Answer::Refused { text: text.to_owned() }
}

pub(super) fn no_message(id: &str) -> Answer {
    refused(&format!("there is no message {id}"))
}

pub(super) fn no_address(text: &str) -> Answer {
    refused(&format!("\"{text}\" is not a mail address"))
}

fn row(id: MessageId, message: &crate::store::records::Message) -> MessageRow {
    MessageRow {
        id: id.to_string(),
        received: message.received.to_string(),
        expires: message.expires.to_string(),
        sender: message.sender.address.clone(),
        reason: message.reason.clone(),
        bytes: message.plain_len,
        recipients: message.conversations.len(),
    }
}

fn recipient(view: &DeliveryView) -> RecipientRow {
    let delivery = &view.delivery;
    let states = [("opened", delivery.opened), ("failed", delivery.failed), ("noticed", delivery.noticed)];
    let state = states.into_iter().find_map(|(name, at): (_, Option<Timestamp>)| at.map(|at| (name, at)));
    RecipientRow {
        address: view.conversation.recipient.clone(),
        status: state.map_or("waiting", |(name, _)| name).to_owned(),
        since: state.map(|(_, at)| at.to_string()),
        wrong: view.wrong,
        closed: view.closed,
        code_generation: view.contact.as_ref().map(|(_, contact)| contact.generation),
        mode: if view.strict.is_some() { "strict" } else { "assisted" }.to_owned(),
        needs_generation: view.strict.and_then(|strict| strict.generation),
    }
}
