//! Codes for new contacts: made and hashed a few at a time, while the body still comes in.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use crate::base::{Entropy, SecretBytes};
use crate::seal::code::{AccessCode, Cost, HashError, Verifier};
use crate::seal::hashers::Hashers;

use super::IntakeError;

/// A new code, in clear for the mail that brings it and as the verifier that stays.
#[derive(Debug, Clone)]
pub(super) struct NewCode {
    pub(super) code: AccessCode,
    pub(super) verifier: Verifier,
}

/// Makes codes. A hash takes memory and a thread for tens of milliseconds, so that only so many run at a time.
#[derive(Debug, Clone)]
pub(super) struct CodeMaker {
    cost: Cost,
    hashers: Hashers,
    pepper: SecretBytes<32>,
    entropy: Arc<dyn Entropy>,
}

impl CodeMaker {
    pub(super) const fn new(cost: Cost, hashers: Hashers, pepper: SecretBytes<32>, entropy: Arc<dyn Entropy>) -> Self {
        Self { cost, hashers, pepper, entropy }
    }

    async fn make(self) -> Result<NewCode, IntakeError> {
        let mut turn = self.hashers.turn().await.map_err(|_| IntakeError::Code)?;
        let hashed = tokio::task::spawn_blocking(move || {
            let code = AccessCode::generate(&*self.entropy);
            let verifier = Verifier::new(&code, &self.pepper, self.cost, &*self.entropy, turn.memory())?;
            Ok::<_, HashError>(NewCode { code, verifier })
        });
        hashed.await.map_err(|_| IntakeError::Code)?.map_err(|_| IntakeError::Code)
    }
}

/// The codes of one mail, by recipient key. Dropped, the waiting ones are not made.
#[derive(Debug)]
pub(super) struct Codes {
    maker: CodeMaker,
    by_recipient: BTreeMap<String, State>,
}

#[derive(Debug)]
enum State {
    Begun(AbortOnDropHandle<Result<NewCode, IntakeError>>),
    Made(NewCode),
}

impl Codes {
    pub(super) fn new(maker: CodeMaker) -> Self {
        Self { maker, by_recipient: BTreeMap::new() }
    }

    /// Begins a code for this recipient, unless that was done before.
    pub(super) fn begin(&mut self, recipient: String) {
        let make = || State::Begun(AbortOnDropHandle::new(tokio::spawn(self.maker.clone().make())));
        self.by_recipient.entry(recipient).or_insert_with(make);
    }

    /// This recipient's code: the same one each time.
    pub(super) async fn get(&mut self, recipient: &str) -> Result<NewCode, IntakeError> {
        let new = match self.by_recipient.remove(recipient) {
            Some(State::Made(new)) => new,
            Some(State::Begun(task)) => task.await.map_err(|_| IntakeError::Code)??,
            None => self.maker.clone().make().await?,
        };
        self.by_recipient.insert(recipient.to_owned(), State::Made(new.clone()));
        Ok(new)
    }
}
