//! Taking messages back and erasing addresses, as an operator asks for it.

use std::time::Duration;

use tracing::info;

use crate::base::MessageId;
use crate::mail::Address;
use crate::store::StoreError;
use crate::store::retention::{Ending, Recall, Stub};

use super::operate::{Answer, Office, no_address, no_message, refused};

/// How long an operator waits for an erasure; the sweeper does what is left then.
const PATIENCE: Duration = Duration::from_secs(20);

impl Office {
    pub(super) async fn recall(&self, id: &str, recipient: Option<&str>) -> Result<Answer, StoreError> {
        let Ok(id) = id.parse::<MessageId>() else { return Ok(no_message(id)) };
        let address = match recipient.map(str::parse::<Address>) {
            None => None,
            Some(Ok(address)) => Some(address.key()),
            Some(Err(_)) => return Ok(no_address(recipient.unwrap_or_default())),
        };
        Ok(match self.retention.recall(id, address.as_deref()).await? {
            Recall::Done { recipients, whole, complete } => {
                info!(sealed = %id, recipients, whole, complete, "an operator took a message back");
                Answer::Recalled { recipients, whole, complete }
            }
            Recall::Before { stub, complete } => gone(&stub, complete),
            Recall::NoMessage => no_message(&id.to_string()),
            Recall::NoRecipient => refused(&format!(
                "{} is no recipient of this message, or it was taken back from them before",
                recipient.unwrap_or_default()
            )),
        })
    }

    pub(super) async fn erase(&self, address: &str) -> Result<Answer, StoreError> {
        let Ok(parsed) = address.parse::<Address>() else { return Ok(no_address(address)) };
        let key = parsed.key();
        let erasing = self.retention.erase(&key);
        let Ok(erased) = tokio::time::timeout(PATIENCE, erasing).await else {
            info!("an operator had an address erased; it goes on");
            return Ok(Answer::Erased { messages: 0, recipients: 0, contacts: 0, complete: false });
        };
        let erased = erased?;
        let (messages, recipients, contacts) = (erased.messages, erased.deliveries, erased.contacts);
        info!(messages, recipients, contacts, waiting = erased.waiting, "an operator had an address erased");
        Ok(Answer::Erased { messages, recipients, contacts, complete: erased.waiting == 0 })
    }
}

/// What is still known of a message that is gone.
pub(super) fn gone(stub: &Stub, complete: bool) -> Answer {
    let why = if stub.why == Ending::Expired { "expired" } else { "recalled" };
    Answer::Gone { why: why.to_owned(), since: stub.at.to_string(), complete }
}
