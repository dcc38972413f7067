//! Codes for new contacts: made and hashed a few at a time, while the body still comes in. However many a mail needs, it stands in line
//! at the hasher with as many as are hashed at a time: the next mail's one code does not wait for all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
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
    /// Places in the line at the hasher.
    places: Arc<Semaphore>,
    by_recipient: BTreeMap<String, State>,
}

#[derive(Debug)]
enum State {
    Begun(AbortOnDropHandle<Result<NewCode, IntakeError>>),
    Made(NewCode),
}

impl Codes {
    pub(super) fn new(maker: CodeMaker, mode: Mode) -> Self {
        let places = Arc::new(Semaphore::new(maker.hashers.at_a_time()));
        Self { maker, mode, places, by_recipient: BTreeMap::new() }
    }

    /// Begins a code for this recipient, unless that was done before.
    pub(super) fn begin(&mut self, recipient: String) {
        let (maker, mode, places) = (&self.maker, self.mode, &self.places);
        let make = || {
            let (maker, places) = (maker.clone(), Arc::clone(places));
            State::Begun(AbortOnDropHandle::new(tokio::spawn(async move {
                let _place = places.acquire_owned().await.map_err(|_| IntakeError::Code)?;
                maker.make(mode).await
            })))
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::OsEntropy;

    #[tokio::test]
    async fn a_mail_to_many_new_recipients_does_not_hold_up_the_next_ones() {
        let hashers = Hashers::new(1);
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
        let cheap = Cost { memory_kib: 8, passes: 1, lanes: 1 };
        let maker = CodeMaker::new((cheap, cheap), hashers.clone(), SecretBytes::new([7; 32]), entropy);
        let held = hashers.turn().await.unwrap();
        let mut many = Codes::new(maker.clone(), Mode::Assisted);
        (0..500).for_each(|one| many.begin(format!("r{one}")));
        tokio::task::yield_now().await;
        assert_eq!(hashers.waiting(), 1, "in line for the mail to many");
        let mut next = Codes::new(maker, Mode::Assisted);
        next.begin("next".into());
        drop(held);
        next.get("next").await.unwrap();
        let made = many.by_recipient.values().filter(|state| matches!(state, State::Begun(task) if task.is_finished()));
        let made = made.count();
        assert!(made < 10, "{made} codes of another mail went before");
        many.get("r499").await.unwrap();
    }
}
