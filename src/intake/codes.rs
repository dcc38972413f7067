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
    use std::sync::Mutex;

    use super::*;
    use crate::base::SeededEntropy;

    const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
    const PEPPER: SecretBytes<32> = SecretBytes::new([7; 32]);

    /// Notes for whom was drawn.
    #[derive(Debug)]
    struct Noted {
        entropy: SeededEntropy,
        name: &'static str,
        drawn: Arc<Mutex<Vec<&'static str>>>,
    }

    impl Noted {
        fn new(name: &'static str, drawn: &Arc<Mutex<Vec<&'static str>>>) -> Self {
            Self { entropy: SeededEntropy::new(7), name, drawn: Arc::clone(drawn) }
        }
    }

    impl Entropy for Noted {
        fn fill(&self, buf: &mut [u8]) {
            self.drawn.lock().unwrap().push(self.name);
            self.entropy.fill(buf);
        }
    }

    /// Each task that was ready had its turn: on one thread they go round.
    async fn all_have_run() {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_mail_to_many_new_recipients_does_not_hold_up_the_next_ones() {
        let (alone, drawn) = (Arc::default(), Arc::default());
        let hashers = Hashers::new(1);
        let mut held = hashers.turn().await.unwrap();
        NewCode::digits(&PEPPER, CHEAP, &Noted::new("alone", &alone), held.memory()).unwrap();
        let codes = |name| {
            let maker = CodeMaker::new((CHEAP, CHEAP), hashers.clone(), PEPPER, Arc::new(Noted::new(name, &drawn)));
            Codes::new(maker, Mode::Assisted)
        };
        let (mut many, mut next) = (codes("many"), codes("next"));
        (0..500).for_each(|one| many.begin(format!("r{one}")));
        all_have_run().await;
        assert_eq!(hashers.waiting(), 1, "in line for the mail to many");
        next.begin("next".into());
        all_have_run().await;
        assert_eq!(hashers.waiting(), 2, "and for the next");
        drop(held);
        next.get("next").await.unwrap();
        many.get("r499").await.unwrap();
        let before = drawn.lock().unwrap().iter().take_while(|name| **name == "many").count();
        assert_eq!(before, alone.lock().unwrap().len(), "one code of the mail to many goes before");
    }
}
