//! A store with a clock that the test moves, made anew over the same data when a test wants a restart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::access::{Limits, Network};
use crate::base::{
    Clock, ContactId, ConversationId, Entropy, GrantId, JobId, ManualClock, MessageId, SeededEntropy, Timestamp,
};
use crate::seal::body::ContentKey;
use crate::seal::code::{AccessCode, Cost, Verifier};
use crate::seal::hashers::Memory;
use crate::seal::keyring::RootKeyring;
use crate::seal::token::{LinkToken, SessionToken};
use crate::store::codes::KeptCode;
use crate::store::engine::{Batch, Key, Space, Write};
use crate::store::intake::{NewDelivery, NewJob, NewMessage};
use crate::store::proof::{GrantView, SessionLimits};
use crate::store::records::{Contact, Conversation, JobKind, JobSecret, Message, Proof, Sender};
use crate::store::retention::ledger::Ledger;
use crate::store::retention::{self, Retention};
use crate::store::strict::Locks;
use crate::store::{Inner, OpenError, OpenReport, Settings, Store};

pub(super) const SENDER: &str = "Arts@Zorg.example";
pub(super) const LIMITS: SessionLimits =
    SessionLimits { idle: Duration::from_mins(15), longest: Duration::from_hours(4) };

/// How long a link tells why its message is gone.
pub(super) const ENDED_LINKS: Duration = Duration::from_hours(30 * 24);

pub(super) struct Bed {
    pub(super) store: Store,
    pub(super) clock: Arc<ManualClock>,
    pub(super) entropy: Arc<SeededEntropy>,
    pub(super) keyring: RootKeyring,
    /// The data folder of the engine on disk.
    pub(super) folder: Option<tempfile::TempDir>,
}

/// Generates one test per engine from one body.
macro_rules! on_each_engine {
    ($($(#[$doc:meta])* async fn $name:ident($bed:pat) $body:block)*) => { $(
        mod $name {
            use super::*;
            $(#[$doc])*
            async fn check($bed: Bed) $body
            #[tokio::test]
            async fn memory() {
                check(Bed::memory()).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn local() {
                check(Bed::local().await).await;
            }
        }
    )* };
}
pub(super) use on_each_engine;

impl Bed {
    pub(super) fn memory() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_800_000_000)));
        let entropy = Arc::new(SeededEntropy::new(1));
        let keyring = RootKeyring::generate(&*entropy);
        let store = Store::in_memory(keyring.clone(), clock.clone(), entropy.clone());
        Self { store, clock, entropy, keyring, folder: None }
    }

    pub(super) async fn local() -> Self {
        let mut bed = Self { folder: Some(tempfile::tempdir().unwrap()), ..Self::memory() };
        (bed.store, _) = bed.open().await.unwrap();
        bed
    }

    /// Opens the data folder once more.
    pub(super) async fn open(&self) -> Result<(Store, OpenReport), OpenError> {
        let folder = self.folder.as_ref().unwrap().path().to_owned();
        let settings = Settings { folder, min_free: 0 };
        Store::open(settings, self.keyring.clone(), self.clock.clone(), self.entropy.clone()).await
    }

    /// Stops and starts; all that is in memory alone is gone.
    pub(super) async fn restart(&mut self) -> OpenReport {
        let mut report = OpenReport::default();
        if self.folder.is_some() {
            self.stop().await;
            (self.store, report) = self.open().await.unwrap();
        } else {
            let store = self.vacate();
            let Inner { engine, keys, keyring, clock, entropy, .. } = Arc::into_inner(store.inner).unwrap();
            self.store = Store::over(engine, keys, keyring, clock, entropy);
            self.store.begin(&mut report).await.unwrap();
        }
        report
    }

    /// Stops; the data folder is nobody's then.
    pub(super) async fn stop(&mut self) {
        self.vacate().close().await;
    }

    /// The store, an empty one in its place.
    fn vacate(&mut self) -> Store {
        let empty = Store::in_memory(self.keyring.clone(), self.clock.clone(), self.entropy.clone());
        std::mem::replace(&mut self.store, empty)
    }

    /// Everything the engine holds.
    pub(super) async fn raw(&self) -> BTreeMap<Key, Vec<u8>> {
        let mut all = BTreeMap::new();
        for space in crate::store::check::SPACES {
            for (bytes, found) in self.store.inner.engine.scan(space, &[], None, usize::MAX).await.unwrap() {
                all.insert(Key { space, bytes }, found.value);
            }
        }
        all
    }

    /// The keys of one space.
    pub(super) async fn places(&self, space: Space) -> Vec<Key> {
        self.store.inner.keys_of(space, &[], usize::MAX).await.unwrap()
    }

    /// Overwrites a value behind the store's back.
    pub(super) async fn overwrite(&self, place: Key, value: &[u8]) {
        let batch = Batch { checks: Vec::new(), writes: vec![Write::Put(place, value.to_vec())] };
        self.store.inner.engine.commit(batch).await.unwrap();
    }

    /// What removes things, with a ledger in memory.
    pub(super) fn retention(&self) -> Retention {
        self.retention_with(Ledger::in_memory())
    }

    pub(super) fn retention_with(&self, ledger: Ledger) -> Retention {
        let settings =
            retention::Settings { ended_links: ENDED_LINKS, ledger: std::path::PathBuf::new(), sessions: LIMITS };
        Retention::new(self.store.clone(), settings, ledger)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(super) fn cookie(&self) -> SessionToken {
        SessionToken::generate(&*self.entropy)
    }

    /// A sealed mail to these recipients with a body of `size` sealed bytes. Contacts that the sender has are used.
    pub(super) async fn mail(&self, recipients: &[&str], size: usize) -> (NewMessage, Vec<LinkToken>) {
        let entropy: &dyn Entropy = &*self.entropy;
        let id = MessageId::random(entropy);
        let mut body = self.store.new_body(id).unwrap();
        body.write(&vec![7; size]).await.unwrap();
        let body = body.finish().await.unwrap();
        let sender = Sender { address: SENDER.to_owned(), name: "Arts".to_owned(), mailbox: SENDER.to_owned() };
        let message = Message {
            received: self.now(),
            sender: sender.clone(),
            subject: "canary-subject".to_owned(),
            expires: self.now() + Duration::from_hours(90 * 24),
            sealed_len: 0,
            in_file: false,
            plain_len: 5,
            reason: "subject tag [veilig]".to_owned(),
            conversations: Vec::new(),
            checksum: None,
        };
        let mut deliveries = Vec::new();
        for recipient in recipients {
            deliveries.push(self.delivery(&sender, recipient).await);
        }
        let tokens = deliveries.iter().map(|d| d.token.clone()).collect();
        let content_key = ContentKey(crate::base::SecretBytes::random(entropy));
        (NewMessage { id, message, manifest: b"canary-manifest".to_vec(), body, content_key, deliveries }, tokens)
    }

    async fn delivery(&self, sender: &Sender, recipient: &str) -> NewDelivery {
        let entropy: &dyn Entropy = &*self.entropy;
        let key = crate::store::places::address_key;
        let known = self.store.contact_of(&key(&sender.address), &key(recipient)).await.unwrap();
        let contact = known.as_ref().map_or_else(|| ContactId::random(entropy), |(id, _)| *id);
        let token = LinkToken::generate(entropy);
        let grant_id = GrantId::random(entropy);
        let secret = JobSecret::token(token.secret().expose().to_vec());
        let mut jobs = vec![self.job(JobKind::Notice { grant: grant_id }, Some(secret))];
        let new_contact = known.is_none().then(|| {
            let secret = JobSecret::code("87654321".to_owned());
            jobs.push(self.job(JobKind::Code { contact }, Some(secret)));
            (self.new_contact(sender, recipient), self.kept("87654321"))
        });
        let conversation = Conversation {
            sender: sender.clone(),
            recipient: recipient.to_owned(),
            contact,
            created: self.now(),
            joined: None,
        };
        NewDelivery {
            conversation_id: ConversationId::random(entropy),
            conversation,
            new_contact,
            locks: Locks::Assisted,
            thread: None,
            grant_id,
            token,
            reference: "K7QF-2M9D".to_owned(),
            repeat_key: None,
            jobs,
        }
    }

    pub(super) fn job(&self, kind: JobKind, secret: Option<JobSecret>) -> NewJob {
        NewJob { id: JobId::random(&*self.entropy), kind, secret, due: self.now() }
    }

    fn new_contact(&self, sender: &Sender, recipient: &str) -> Contact {
        Contact {
            address: recipient.to_owned(),
            name: String::new(),
            language: "nl".to_owned(),
            proof: Proof::Code,
            generation: 1,
            hint: String::new(),
            created: self.now(),
            mailbox: sender.mailbox.clone(),
            sender: sender.address.clone(),
            sender_name: sender.name.clone(),
        }
    }

    /// Cheap to make: what is compared here is which verifier is stored, not what it costs.
    pub(super) fn verifier(&self, code: &str) -> Verifier {
        let cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
        let code = AccessCode::normalise(code).unwrap();
        Verifier::new(&code, &self.store.keys().pepper, cost, &*self.entropy, &mut Memory::default()).unwrap()
    }

    /// What is kept of a code of eight digits.
    pub(super) fn kept(&self, code: &str) -> KeptCode {
        KeptCode::Verifier(self.verifier(code))
    }

    /// Takes a mail to one recipient and returns its link.
    pub(super) async fn taken(&self, recipient: &str) -> (MessageId, LinkToken) {
        let (mail, tokens) = self.mail(&[recipient], 100).await;
        let id = mail.id;
        assert!(self.store.take(mail).await.unwrap().is_ok());
        (id, tokens.into_iter().next().unwrap())
    }

    pub(super) async fn view(&self, token: &LinkToken) -> GrantView {
        self.store.grant(token).await.unwrap().expect("the link is known")
    }

    /// One try from the network of 192.0.`n`.0.
    pub(super) async fn try_from(&self, view: &GrantView, n: u8) -> crate::access::Admission {
        self.store.count_try(view, net(n), &Limits::default()).await.unwrap()
    }
}

pub(super) fn net(n: u8) -> Network {
    Network::of(std::net::IpAddr::from([192, 0, n, 1]))
}

/// Polls a future at most so many times, then drops it, as a caller that goes away would.
pub(super) async fn polled<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Waits for what a task that nobody waits for does.
pub(super) async fn until(what: impl AsyncFn() -> bool) {
    let waiting = async {
        while !what().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it never came");
}
