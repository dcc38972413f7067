//! Mail in strict mode: for all its recipients or for none, and a code that cannot be guessed before anything is sealed to it.

use super::*;
use crate::seal::code::AccessCode;
use crate::seal::hashers::Memory;
use crate::store::codes::Proven;
use crate::store::records::Proof;
use crate::store::strict::SessionKey;

/// Takes one mail in these modes.
async fn take(gateway: &Gateway, to: &[(&str, Mode)]) -> MessageId {
    let mut recipients = recipients(&to.iter().map(|(address, _)| *address).collect::<Vec<_>>());
    recipients.iter_mut().zip(to).for_each(|(recipient, (_, mode))| recipient.terms.mode = *mode);
    let facts = HeaderBlock::new(HEADER.as_bytes()).facts(&tags());
    let facts = HeaderFacts { message_id: None, ..facts };
    let mut sealing = gateway.intake.begin(identity(), facts, recipients, &stored(HEADER)).await.unwrap();
    sealing.write(BODY.as_bytes()).await.unwrap();
    let id = sealing.id();
    sealing.take().await.unwrap();
    id
}

/// Whether link and code open the message.
async fn opens(gateway: &Gateway, link: &LinkToken, code: &str) -> bool {
    let store = &gateway.store;
    let view = store.grant(link).await.unwrap().unwrap();
    let challenge = store.challenge(&view, link).await.unwrap().unwrap();
    let code = AccessCode::normalise(code).unwrap();
    let key = match challenge.answer(&code, &mut Memory::default()).unwrap() {
        Proven::Wrong => return false,
        Proven::Right(None) => SessionKey::Assisted,
        Proven::Right(Some(key)) => SessionKey::Strict(Box::new(key)),
    };
    let id = view.grant.message;
    let content = store.content_key_by(&key, view.grant.conversation, id).await.unwrap().unwrap();
    let manifest = store.manifest(id).await.unwrap().unwrap();
    if key.is_strict() {
        let manifest = Manifest::decode(&content.open_manifest(id, &manifest).unwrap()).unwrap();
        assert_eq!(manifest.subject, "Uitslag");
    }
    let reader = store.body(id).await.unwrap().unwrap();
    Opener::new(&content, id, &reader.read_at(0, crate::seal::body::HEADER).await.unwrap(), reader.len()).is_ok()
}

#[tokio::test]
async fn a_strict_mail_opens_with_link_and_code_and_shows_no_subject_without() {
    let gateway = gateway(1 << 20);
    let id = take(&gateway, &[("p@else.example", Mode::Strict)]).await;
    let message = gateway.store.message(id).await.unwrap().unwrap();
    assert_eq!(message.subject, "");
    assert!(Manifest::decode(&gateway.store.manifest(id).await.unwrap().unwrap()).is_err());
    assert!(gateway.store.content_key(message.conversations[0], id).await.unwrap().is_none());
    let jobs = gateway.due().await;
    let (link, (contact, code)) = (notices(&jobs).remove(0), codes(&jobs).remove(0));
    assert_eq!(code.len(), 16);
    assert_eq!(gateway.store.contact(contact).await.unwrap().unwrap().proof, Proof::StrictCode);
    assert!(gateway.store.verifier(contact).await.unwrap().is_none());
    assert!(opens(&gateway, &link, &code).await);
    assert!(!opens(&gateway, &link, "0000 0000 0000 0000").await);
}

#[tokio::test]
async fn one_strict_recipient_makes_the_mail_strict_for_all() {
    let gateway = gateway(1 << 20);
    let id = take(&gateway, &[("p@else.example", Mode::Assisted), ("q@else.example", Mode::Strict)]).await;
    let message = gateway.store.message(id).await.unwrap().unwrap();
    for conversation in message.conversations {
        let key = gateway.store.content_key(conversation, id).await.unwrap();
        assert!(key.is_none(), "one body under two modes would be open to who has the root key");
    }
    let jobs = gateway.due().await;
    assert!(codes(&jobs).iter().all(|(_, code)| code.len() == 16));
    let (links, codes) = (notices(&jobs), codes(&jobs));
    let mut pairs = 0;
    for link in &links {
        for (_, code) in &codes {
            pairs += usize::from(opens(&gateway, link, code).await);
        }
    }
    assert_eq!(pairs, 2, "each link with its own code");
}

#[tokio::test]
async fn the_code_is_made_once_and_digits_make_place_for_it() {
    let gateway = gateway(1 << 20);
    take(&gateway, &[("p@else.example", Mode::Assisted)]).await;
    let jobs = gateway.due().await;
    let (assisted, (contact, digits)) = (notices(&jobs).remove(0), codes(&jobs).remove(0));
    assert!(opens(&gateway, &assisted, &digits).await);

    take(&gateway, &[("p@else.example", Mode::Strict)]).await;
    let jobs = gateway.due().await;
    let (strict, (same, code)) = (notices(&jobs).remove(0), codes(&jobs).remove(0));
    assert_eq!((same, code.len()), (contact, 16));
    assert_eq!(gateway.store.contact(contact).await.unwrap().unwrap().generation, 2);
    assert!(opens(&gateway, &strict, &code).await && opens(&gateway, &assisted, &code).await);
    assert!(!opens(&gateway, &assisted, &digits).await && !opens(&gateway, &strict, &digits).await);

    for mode in [Mode::Strict, Mode::Assisted] {
        take(&gateway, &[("p@else.example", mode)]).await;
        let jobs = gateway.due().await;
        assert_eq!((jobs.len(), codes(&jobs).len()), (1, 0), "{mode:?}: the code is there");
        assert!(opens(&gateway, &notices(&jobs)[0], &code).await);
    }
}

#[tokio::test]
async fn a_mail_in_strict_mode_can_be_prepared() {
    let gateway = gateway(1 << 20);
    let facts = HeaderBlock::new(HEADER.as_bytes()).facts(&tags());
    let mut recipients = recipients(&["p@else.example"]);
    recipients[0].terms.mode = Mode::Strict;
    let mut sealing = gateway.intake.begin(identity(), facts, recipients, &stored(HEADER)).await.unwrap();
    sealing.write(BODY.as_bytes()).await.unwrap();
    let prepared = sealing.prepare().await.unwrap().unwrap();
    assert!(gateway.due().await.is_empty());
    gateway.intake.commit(prepared).await.unwrap();
    let jobs = gateway.due().await;
    assert!(opens(&gateway, &notices(&jobs)[0], &codes(&jobs)[0].1).await);
}
