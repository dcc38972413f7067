//! Forms that bring files: so many at a time in all, and so many for one conversation. One that trickles in keeps its own place only.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::crowd::{Crowd, Standing};
use crate::base::ConversationId;

/// Forms of one conversation at the same time: a second window, or one more try while a broken connection is not known to be so.
const OF_ONE: usize = 2;

/// Gives places.
#[derive(Debug)]
pub(super) struct Uploads {
    places: Arc<Semaphore>,
    conversations: Arc<Crowd<ConversationId>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _standing: Standing<ConversationId>,
    _held: OwnedSemaphorePermit,
}

impl Uploads {
    pub(super) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places.max(1))), conversations: Arc::default() }
    }

    /// A place, if there is one now.
    pub(super) fn place(&self, conversation: ConversationId) -> Option<Place> {
        let held = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place { _standing: self.conversations.enter(conversation, OF_ONE)?, _held: held })
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
        assert!(uploads.conversations.len() <= 2);
    }
}
