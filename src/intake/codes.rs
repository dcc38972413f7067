//! Codes for new contacts: made and hashed a few at a time, while the body still comes in.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use crate::base::{Entropy, SecretBytes};
use crate::policy::Mode;
use crate::seal::code::Cost;
use crate::seal::hashers::Hashers;
use crate::store::codes::NewCode;

use super::IntakeError;

/// Makes codes. A hash takes memory and a thread for tens of milliseconds, so that only so many run at a time.
#[derive(Debug, Clone)]
pub(super) struct CodeMaker {
    cost: Cost,
    strict_cost: Cost,
    hashers: Hashers,
    pepper: SecretBytes<32>,
    entropy: Arc<dyn Entropy>,
}

impl CodeMaker {
    pub(super) const fn new(
        (cost, strict_cost): (Cost, Cost),
        hashers: Hashers,
        pepper: SecretBytes<32>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { cost, strict_cost, hashers, pepper, entropy }
    }

    async fn make(self, mode: Mode) -> Result<NewCode, IntakeError> {
        let mut turn = self.hashers.turn().await.map_err(|_| IntakeError::Code)?;
        let hashed = tokio::task::spawn_blocking(move || {
            let (entropy, memory) = (&*self.entropy, turn.memory());
            match mode {
                Mode::Assisted => NewCode::digits(&self.pepper, self.cost, entropy, memory),
                Mode::Strict => NewCode::strict(&self.pepper, self.strict_cost, entropy, memory),
            }
        });
        hashed.await.map_err(|_| IntakeError::Code)?.map_err(|_| IntakeError::Code)
    }
}

/// The codes of one mail, by recipient key. Dropped, the waiting ones are not made.
#[derive(Debug)]
pub(super) struct Codes {
    maker: CodeMaker,
    mode: Mode,
    by_recipient: BTreeMap<String, State>,
}

#[derive(Debug)]
enum State {
    Begun(AbortOnDropHandle<Result<NewCode, IntakeError>>),
    Made(NewCode),
}

impl Codes {
    pub(super) fn new(maker: CodeMaker, mode: Mode) -> Self {
        Self { maker, mode, by_recipient: BTreeMap::new() }
    }

    /// Begins a code for this recipient, unless that was done before.
    pub(super) fn begin(&mut self, recipient: String) {
        let make = || State::Begun(AbortOnDropHandle::new(tokio::spawn(self.maker.clone().make(self.mode))));
        self.by_recipient.entry(recipient).or_insert_with(make);
    }

    /// This recipient's code: the same one each time.
    pub(super) async fn get(&mut self, recipient: &str) -> Result<NewCode, IntakeError> {
        let new = match self.by_recipient.remove(recipient) {
            Some(State::Made(new)) => new,
            Some(State::Begun(task)) => task.await.map_err(|_| IntakeError::Code)??,
            None => self.maker.clone().make(self.mode).await?,
        };
        self.by_recipient.insert(recipient.to_owned(), State::Made(new.clone()));
        Ok(new)
    }
}
