//! Contacts for the operator: what a sender, or the organisation, knows of a recipient, and how that recipient proves who they are.

use serde::{Deserialize, Serialize};
use tracing::info;

use super::operate::{Answer, Office, ROWS, no_address, refused};
use crate::base::{ContactId, JobId};
use crate::mail::Address;
use crate::seal::contact::Generation;
use crate::store::StoreError;
use crate::store::codes::KeptCode;
use crate::store::contacts::Change;
use crate::store::intake::NewJob;
use crate::store::records::{Contact, JobKind, JobSecret, Phone, Proof};

/// Characters of a name or hint.
const LONGEST: usize = 200;

/// A request about contacts. Without a sender it is about the organisation's own, which serve every sender who has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "contact", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ContactRequest {
    /// Makes or changes one.
    Set {
        /// The recipient's address.
        address: String,
        /// Whose contact it is.
        sender: Option<String>,
        /// What is set.
        set: Settable,
    },
    /// Shows those of a recipient.
    Show {
        /// The recipient's address.
        address: String,
        /// Of this sender only.
        sender: Option<String>,
    },
    /// Lists all.
    List {
        /// Of this sender only.
        sender: Option<String>,
    },
    /// Removes one that no message needs.
    Remove {
        /// The recipient's address.
        address: String,
        /// Whose contact it is.
        sender: Option<String>,
    },
}

/// What can be set; what is left out stays as it is.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settable {
    /// Proves themselves by SMS to this number.
    pub sms: Option<String>,
    /// Proves themselves with an access code.
    pub code: bool,
    /// A hint to the code.
    pub hint: Option<String>,
    /// `nl` or `en`.
    pub language: Option<String>,
    /// The name.
    pub name: Option<String>,
}

impl std::fmt::Debug for Settable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Settable(…)")
    }
}

/// A contact in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactRow {
    /// The recipient's address.
    pub address: String,
    /// Whose contact it is; empty for the organisation's.
    pub sender: String,
    /// `code`, `strict code`, `sms`, or `mail`.
    pub proof: String,
    /// The telephone number, masked.
    pub number: Option<String>,
    /// The name, or empty.
    pub name: String,
    /// `nl`, `en`, or empty for the organisation's own.
    pub language: String,
    /// The hint to the code, or empty.
    pub hint: String,
    /// Counts the changes of proof, from 1.
    pub generation: u32,
}

/// Why a request is refused, for the operator.
type Why = String;

/// A proof, and the mail that brings its code to the sender.
type NewProof = (KeptCode, Option<NewJob>);

/// Whom a request is about, as addresses are looked up.
struct Whom {
    address: Address,
    sender: Option<Address>,
}

impl Whom {
    fn parse(address: &str, sender: Option<&str>) -> Result<Self, Why> {
        let parse = |text: &str| text.parse::<Address>().map_err(|_| format!("\"{text}\" is not a mail address"));
        Ok(Self { address: parse(address)?, sender: sender.map(parse).transpose()? })
    }

    /// Empty for the organisation's own.
    fn sender_key(&self) -> String {
        self.sender.as_ref().map(Address::key).unwrap_or_default()
    }
}

impl Office {
    pub(super) async fn contact(&self, request: ContactRequest) -> Result<Answer, StoreError> {
        match request {
            ContactRequest::Set { address, sender, set } => match Whom::parse(&address, sender.as_deref()) {
                Ok(whom) => self.contact_set(&whom, &set).await,
                Err(why) => Ok(refused(&why)),
            },
            ContactRequest::Show { address, sender } => match Whom::parse(&address, sender.as_deref()) {
                Ok(whom) => {
                    let sender = whom.sender.as_ref().map(Address::key);
                    self.rows(self.store.contacts(&whom.address.key(), sender.as_deref()).await?, None).await
                }
                Err(why) => Ok(refused(&why)),
            },
            ContactRequest::List { sender } => match sender.as_deref().map(str::parse::<Address>) {
                Some(Err(_)) => Ok(no_address(sender.as_deref().unwrap_or_default())),
                of => {
                    let of = of.and_then(Result::ok).map(|address| address.key());
                    self.rows(self.store.all_contacts(of.as_deref(), ROWS).await?, None).await
                }
            },
            ContactRequest::Remove { address, sender } => match Whom::parse(&address, sender.as_deref()) {
                Ok(whom) => self.contact_remove(&whom).await,
                Err(why) => Ok(refused(&why)),
            },
        }
    }

    async fn contact_remove(&self, whom: &Whom) -> Result<Answer, StoreError> {
        Ok(match self.retention.withdraw_contact(&whom.sender_key(), &whom.address.key()).await? {
            None => refused("there is no such contact"),
            Some(false) => refused(
                "messages that can still be read need this contact: `zegel contact set` changes it, `zegel contact erase` removes them too",
            ),
            Some(true) => {
                info!("an operator removed a contact");
                Answer::Contacts { contacts: Vec::new(), note: Some("the contact is removed".to_owned()) }
            }
        })
    }

    async fn contact_set(&self, whom: &Whom, set: &Settable) -> Result<Answer, StoreError> {
        if let Some(wrong) = set.wrong() {
            return Ok(refused(wrong));
        }
        let sender = whom.sender_key();
        let key = whom.address.key();
        let found = self.store.contacts(&key, Some(&sender)).await?.pop();
        let mailbox = match self.mailbox(whom) {
            Ok(mailbox) => mailbox,
            Err(why) => return Ok(refused(&why)),
        };
        let (id, generation) = match &found {
            Some((id, contact)) => (*id, contact.generation.saturating_add(1)),
            None => (ContactId::random(&*self.entropy), 1),
        };
        let generation = Generation { contact: id, number: generation };
        let known = found.as_ref().map(|(_, contact)| contact);
        let proof = match self.proof(set, (known, generation), mailbox.as_deref()).await? {
            Ok(proof) => proof,
            Err(why) => return Ok(refused(&why)),
        };
        let proves = proof.as_ref().map_or("as before", |(code, _)| code.proof().name());
        let note = proof.as_ref().and_then(|(_, mail)| mail.as_ref()).and(mailbox.as_ref());
        let mut note = note.map(|mailbox| format!("the access code is on its way to {mailbox}"));
        let done = match (&found, proof) {
            (Some(_), proof) => {
                let notices = self.store.change_contact(id, &set.change(proof)).await?;
                note = note.into_iter().chain(notices.and_then(told)).reduce(|one, other| format!("{one}; {other}"));
                notices.is_some()
            }
            (None, None) => {
                return Ok(refused(
                    "this contact is new: say how they prove who they are, with --sms NUMBER or --code",
                ));
            }
            (None, Some((code, mail))) => {
                let contact = self.new_contact(whom, set, (&code, mailbox.unwrap_or_default()));
                self.store.add_contact(id, &contact, (&code, mail)).await?
            }
        };
        if !done {
            return Ok(refused("the contact was changed at the same moment; ask again"));
        }
        info!(contact = %id, new = found.is_none(), proof = proves, "an operator set a contact");
        self.rows(self.store.contacts(&key, Some(&sender)).await?, note).await
    }

    /// What the proof becomes; `None`: it stays.
    async fn proof(
        &self,
        set: &Settable,
        (known, generation): (Option<&Contact>, Generation),
        mailbox: Option<&str>,
    ) -> Result<Result<Option<NewProof>, Why>, StoreError> {
        if let Some(written) = &set.sms {
            let Some(numbers) = &self.numbers else {
                return Ok(Err("this gateway sends no SMS: the config names no [[sms.provider]]".to_owned()));
            };
            let number = match numbers.read(written) {
                Ok(number) => Phone::new(number.expose().to_owned()),
                Err(error) => return Ok(Err(error.to_string())),
            };
            let present = self.store.phone(generation.contact).await?;
            let same = known.is_some_and(|known| known.proof == Proof::Sms) && present.as_ref() == Some(&number);
            return Ok(Ok((!same).then_some((KeptCode::Sms(number), None))));
        }
        if !set.code || known.is_some_and(|known| known.proof.is_access_code()) {
            return Ok(Ok(None));
        }
        if mailbox.is_none() {
            return Ok(
                Err("nobody could get the code: name a --sender, or set home.fallback in the config".to_owned()),
            );
        }
        let Some(new) = self.make_code(false).await else { return Ok(Err("the code could not be made".to_owned())) };
        let mail = NewJob {
            id: JobId::random(&*self.entropy),
            kind: JobKind::Code { contact: generation.contact },
            secret: Some(JobSecret::code(new.code.expose().to_owned())),
            due: self.clock.now(),
        };
        Ok(Ok(Some((new.keep(generation, &*self.entropy), Some(mail)))))
    }

    /// Who gets the codes: the sender, or the fallback mailbox for the organisation's own. Only home mailboxes do.
    fn mailbox(&self, whom: &Whom) -> Result<Option<String>, Why> {
        let fallback = self.home.fallback.as_ref().filter(|fallback| self.home.holds(fallback));
        match &whom.sender {
            None => Ok(fallback.map(ToString::to_string)),
            Some(sender) if self.home.holds(sender) => Ok(Some(sender.to_string())),
            Some(_) => Err("the sender is not in one of home.domains".to_owned()),
        }
    }

    fn new_contact(&self, whom: &Whom, set: &Settable, (code, mailbox): (&KeptCode, String)) -> Contact {
        Contact {
            address: whom.address.to_string(),
            name: set.name.clone().unwrap_or_default(),
            language: set.language.clone().unwrap_or_default(),
            proof: code.proof(),
            generation: 1,
            hint: set.hint.clone().unwrap_or_default(),
            created: self.clock.now(),
            mailbox,
            sender: whom.sender.as_ref().map(ToString::to_string).unwrap_or_default(),
            sender_name: String::new(),
        }
    }

    async fn rows(&self, found: Vec<(ContactId, Contact)>, note: Option<String>) -> Result<Answer, StoreError> {
        let mut contacts = Vec::with_capacity(found.len());
        for (id, contact) in found {
            let phone = if contact.proof == Proof::Sms { self.store.phone(id).await? } else { None };
            contacts.push(ContactRow {
                address: contact.address,
                sender: contact.sender,
                proof: contact.proof.name().to_owned(),
                number: phone.map(|phone| format!("*******{}", phone.end())),
                name: contact.name,
                language: contact.language,
                hint: contact.hint,
                generation: contact.generation,
            });
        }
        contacts.sort_by(|a, b| (&a.address, &a.sender).cmp(&(&b.address, &b.sender)));
        Ok(Answer::Contacts { contacts, note })
    }
}

/// What the operator hears of fresh notices.
fn told(notices: usize) -> Option<String> {
    match notices {
        0 => None,
        1 => Some("the recipient gets a fresh notice of the message that waits for them".to_owned()),
        more => Some(format!("the recipient gets fresh notices of the {more} newest messages that wait for them")),
    }
}

impl Settable {
    /// What is wrong with it, if anything.
    fn wrong(&self) -> Option<&'static str> {
        let texts = [&self.hint, &self.name];
        let odd = |text: &String| text.chars().count() > LONGEST || text.chars().any(char::is_control);
        if self.sms.is_some() && self.code {
            Some("either --sms or --code")
        } else if self.language.as_ref().is_some_and(|language| !matches!(language.as_str(), "" | "nl" | "en")) {
            Some("the language is nl or en")
        } else if texts.into_iter().flatten().any(odd) {
            Some("a name or hint is one line of 200 characters at most")
        } else {
            None
        }
    }

    fn change(&self, proof: Option<NewProof>) -> Change {
        Change { name: self.name.clone(), language: self.language.clone(), hint: self.hint.clone(), proof }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::base::{Clock, ManualClock, SeededEntropy, Timestamp};
    use crate::daemon::operate::Request;
    use crate::daemon::rotate::Keys;
    use crate::daemon::trial::Trial;
    use crate::daemon::upkeep::Upkeep;
    use crate::mail::DomainSet;
    use crate::policy::Home;
    use crate::seal::code::Cost;
    use crate::seal::hashers::Hashers;
    use crate::seal::keyring::RootKeyring;
    use crate::sms::Numbers;
    use crate::store::Store;
    use crate::store::proof::SessionLimits;
    use crate::store::retention::ledger::Ledger;
    use crate::store::retention::{Retention, Settings};

    fn office() -> Office {
        let entropy = Arc::new(SeededEntropy::new(1));
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::from_secs(1_795_255_200)));
        let store = Store::in_memory(RootKeyring::generate(&*entropy), Arc::clone(&clock), entropy.clone());
        let minutes = std::time::Duration::from_mins;
        let settings = Settings {
            ended_links: minutes(1),
            ledger: std::path::PathBuf::new(),
            sessions: SessionLimits { idle: minutes(15), longest: minutes(240) },
        };
        let domains = DomainSet::Listed(vec!["zorg.example".parse().unwrap()]);
        let cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
        let retention = Retention::new(store.clone(), settings, Ledger::in_memory());
        Office {
            trial: Trial::without_providers(clock.clone()),
            clock,
            entropy,
            cost,
            strict_cost: cost,
            hashers: Hashers::new(1),
            numbers: Some(Numbers::default()),
            home: Home { domains, fallback: Some("post@zorg.example".parse().unwrap()) },
            keys: Keys::new(store.clone(), None),
            upkeep: Upkeep::new(retention.clone()),
            retention,
            vitals: None,
            store,
        }
    }

    /// A log in memory.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_an_operator_changes_stands_in_the_log_without_addresses_and_numbers() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        let guard = tracing::subscriber::set_default(subscriber);
        let office = office();
        let set = |sms: Option<&str>, name: &str| Request::Contact {
            request: ContactRequest::Set {
                address: "jancanary@b.example".to_owned(),
                sender: Some("annacanary@zorg.example".to_owned()),
                set: Settable { sms: sms.map(str::to_owned), name: Some(name.to_owned()), ..Settable::default() },
            },
        };
        for request in [
            set(Some("0612345678"), "Namecanary"),
            set(None, "Namecanary"),
            Request::ContactNewCode { recipient: "jancanary@b.example".to_owned(), sender: None },
            Request::ContactErase { address: "jancanary@b.example".to_owned() },
            Request::MessageRecall { id: "x".to_owned(), recipient: None },
            Request::MessageUnlock { id: "x".to_owned() },
        ] {
            office.carry_out(request).await.unwrap();
        }
        drop(guard);
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let told: Vec<&str> = text.lines().filter(|line| line.contains("an operator")).collect();
        let expected = [
            "new=true proof=\"sms\"",
            "new=false proof=\"as before\"",
            "an operator had a new code made contact=",
            "an operator had an address erased messages=0 recipients=0 contacts=1",
        ];
        assert_eq!(told.len(), expected.len(), "{text}");
        for (line, part) in told.iter().zip(expected) {
            assert!(line.contains(part), "{part} in {line}");
        }
        assert!(!text.contains("canary") && !text.contains("12345678") && !text.contains("678"), "{text}");
    }

    /// What an answer says, in one line.
    fn said(answer: Answer) -> String {
        match answer {
            Answer::Contacts { contacts, note } => {
                let row = |row: &ContactRow| {
                    let number = row.number.as_deref().unwrap_or("-");
                    format!("{} {} {number} [{}] {}", row.address, row.proof, row.sender, row.generation)
                };
                let rows: Vec<String> = contacts.iter().map(row).chain(note).collect();
                rows.join("; ")
            }
            Answer::Refused { text } => format!("refused: {text}"),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn contacts_are_set_shown_listed_and_removed() {
        let office = office();
        let set = |address: &str, sender: Option<&str>, sms: Option<&str>, code: bool| ContactRequest::Set {
            address: address.to_owned(),
            sender: sender.map(str::to_owned),
            set: Settable { sms: sms.map(str::to_owned), code, ..Settable::default() },
        };
        let show = |address: &str| ContactRequest::Show { address: address.to_owned(), sender: None };
        let list = |sender: Option<&str>| ContactRequest::List { sender: sender.map(str::to_owned) };
        let remove = |address: &str, sender: Option<&str>| ContactRequest::Remove {
            address: address.to_owned(),
            sender: sender.map(str::to_owned),
        };
        let (jan, anna) = ("jan@b.example", Some("anna@zorg.example"));
        for (request, expected) in [
            (
                set(jan, anna, None, false),
                "refused: this contact is new: say how they prove who they are, with --sms NUMBER or --code",
            ),
            (set(jan, anna, Some("020 1234567"), false), "refused: this is not the number of a mobile telephone"),
            (set(jan, anna, Some("0612345678"), true), "refused: either --sms or --code"),
            (set(jan, Some("x@elders.example"), None, true), "refused: the sender is not in one of home.domains"),
            (set("jan", anna, None, true), "refused: \"jan\" is not a mail address"),
            (set(jan, anna, Some("06 12345678"), false), "jan@b.example sms *******678 [anna@zorg.example] 1"),
            (set(jan, anna, Some("+31612345678"), false), "jan@b.example sms *******678 [anna@zorg.example] 1"),
            (set(jan, anna, Some("0687654321"), false), "jan@b.example sms *******321 [anna@zorg.example] 2"),
            (
                set(jan, anna, None, true),
                "jan@b.example code - [anna@zorg.example] 3; the access code is on its way to anna@zorg.example",
            ),
            (set(jan, anna, None, true), "jan@b.example code - [anna@zorg.example] 3"),
            (set(jan, None, Some("0612345678"), false), "jan@b.example sms *******678 [] 1"),
            (show(jan), "jan@b.example sms *******678 [] 1; jan@b.example code - [anna@zorg.example] 3"),
            (
                set("piet@b.example", None, None, true),
                "piet@b.example code - [] 1; the access code is on its way to post@zorg.example",
            ),
            (list(anna), "jan@b.example code - [anna@zorg.example] 3"),
            (remove(jan, anna), "the contact is removed"),
            (remove(jan, anna), "refused: there is no such contact"),
            (list(None), "jan@b.example sms *******678 [] 1; piet@b.example code - [] 1"),
        ] {
            let asked = format!("{request:?}");
            assert_eq!(said(office.contact(request).await.unwrap()), expected, "{asked}");
            assert!(!asked.contains("12345678"), "a number in Debug");
        }
        let codes = office.store.jobs(10).await.unwrap();
        assert_eq!(codes.len(), 1, "the mail with the code of what was removed goes with it");
    }
}
