//! Forms that bring files: so many at a time in all, and so many for one conversation. One that trickles in keeps its own place only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::base::ConversationId;

/// Forms of one conversation at the same time: a second window, or one more try while a broken connection is not known to be so.
const OF_ONE: usize = 2;

/// Gives places.
#[derive(Debug)]
pub(super) struct Uploads {
    places: Arc<Semaphore>,
    by_conversation: Arc<Mutex<HashMap<ConversationId, usize>>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    conversation: ConversationId,
    by_conversation: Arc<Mutex<HashMap<ConversationId, usize>>>,
    _held: OwnedSemaphorePermit,
}

impl Uploads {
    pub(super) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places.max(1))), by_conversation: Arc::default() }
    }

    /// A place, if there is one now.
    pub(super) fn place(&self, conversation: ConversationId) -> Option<Place> {
        let held = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let mut counts = self.by_conversation.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(conversation).or_default();
        if *count >= OF_ONE {
            return None;
        }
        *count += 1;
        Some(Place { conversation, by_conversation: Arc::clone(&self.by_conversation), _held: held })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.by_conversation.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.conversation) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.conversation);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_for_one_conversation_and_so_many_in_all() {
        let uploads = Uploads::new(3);
        let [a, b] = [ConversationId([1; 16]), ConversationId([2; 16])];
        let first = uploads.place(a).unwrap();
        let _second = uploads.place(a).unwrap();
        assert!(uploads.place(a).is_none(), "of one conversation");
        let _third = uploads.place(b).unwrap();
        assert!(uploads.place(b).is_none(), "in all");
        drop(first);
        assert!(uploads.place(a).is_some());
        assert!(uploads.by_conversation.lock().unwrap().len() <= 2);
    }
}
