//! Mail that asks for SMS, or for an access code again: which contact it gets, and what it leaves alone.

use super::*;
use crate::policy::Proof as Asked;
use crate::store::codes::KeptCode;
use crate::store::records::{Contact, Phone, Proof};

const TO: &str = "p@else.example";

fn sms(number: &str) -> Asked {
    Asked::Sms(number.to_owned())
}

/// Takes one mail that asks for this.
async fn take(gateway: &Gateway, proof: Option<Asked>, mode: Mode) -> Result<(), IntakeError> {
    let mut recipients = recipients(&[TO]);
    recipients[0].terms = Terms { mode, proof, ..recipients[0].terms.clone() };
    let facts = HeaderBlock::new(HEADER.as_bytes()).facts(&tags());
    let facts = HeaderFacts { message_id: None, ..facts };
    let mut sealing = gateway.intake.begin(identity(), facts, recipients, &stored(HEADER)).await?;
    sealing.write(BODY.as_bytes()).await?;
    sealing.take().await
}

/// How the recipient of the mail taken last proves who they are, to which number, and how many codes were mailed for it.
async fn last(gateway: &Gateway) -> (Contact, Option<String>, usize) {
    let jobs = gateway.due().await;
    let view = gateway.store.grant(&notices(&jobs).pop().unwrap()).await.unwrap().unwrap();
    let phone = gateway.store.phone(view.grant.contact).await.unwrap();
    (view.contact, phone.map(|phone| phone.expose().to_owned()), codes(&jobs).len())
}

#[tokio::test]
async fn the_wish_of_each_mail_is_remembered_and_corrected() {
    let gateway = gateway(1 << 20);
    let one = Some("+31612345678".to_owned());
    let other = Some("+31687654321".to_owned());
    for (asked, proof, number, codes, generation) in [
        (Some(sms("06 12345678")), Proof::Sms, &one, 0, 1),
        (None, Proof::Sms, &one, 0, 1),
        (Some(sms("+31612345678")), Proof::Sms, &one, 0, 1),
        (Some(sms("+31687654321")), Proof::Sms, &other, 0, 2),
        (Some(Asked::Code), Proof::Code, &None, 1, 3),
        (Some(Asked::Code), Proof::Code, &None, 0, 3),
        (None, Proof::Code, &None, 0, 3),
        (Some(sms("+31612345678")), Proof::Sms, &one, 0, 4),
    ] {
        take(&gateway, asked.clone(), Mode::Assisted).await.unwrap();
        let (contact, phone, sent) = last(&gateway).await;
        let found = (contact.proof, &phone, sent, contact.generation);
        assert_eq!(found, (proof, number, codes, generation), "{asked:?}");
    }
    assert_eq!(gateway.store.contacts(TO, None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_had_is_refused_before_anything_is_taken() {
    let gateway = gateway(1 << 20);
    for (asked, mode, says) in [
        (Some(sms("020 1234567")), Mode::Assisted, "number *******567"),
        (Some(sms("+1 202 555 0143")), Mode::Assisted, "number *******143"),
        (Some(sms("onzin")), Mode::Assisted, "number *******"),
        (Some(sms("+31612345678")), Mode::Strict, "strict mail"),
    ] {
        let before = gateway.store.counts().commits;
        let Some(Asked::Sms(written)) = asked.clone() else { panic!("a number") };
        let reply = take(&gateway, asked, mode).await.unwrap_err().reply();
        let text = reply.text().join(" ");
        assert!(reply.code() == 550 && text.contains(TO) && text.contains(says), "{text}");
        assert!(!text.contains(&written), "{text}");
        assert_eq!((gateway.store.counts().commits, gateway.messages().await.len()), (before, 0));
    }
    take(&gateway, Some(sms("0612345678")), Mode::Assisted).await.unwrap();
    let refused = take(&gateway, None, Mode::Strict).await.unwrap_err();
    assert_eq!(refused.reply().code(), 550, "a contact with SMS only");
    take(&gateway, Some(Asked::Code), Mode::Strict).await.unwrap();
    let (contact, phone, sent) = last(&gateway).await;
    assert_eq!((contact.proof, phone, sent), (Proof::StrictCode, None, 1));
}

#[tokio::test]
async fn the_organisations_contact_serves_and_is_never_changed_by_a_mail() {
    let gateway = gateway(1 << 20);
    take(&gateway, Some(sms("0612345678")), Mode::Assisted).await.unwrap();
    let (own, ..) = last(&gateway).await;
    let organisation = Contact { sender: String::new(), address: "q@else.example".into(), ..own };
    let id = crate::base::ContactId([7; 16]);
    let code = KeptCode::Sms(Phone::new("+31612345678".to_owned()));
    assert!(gateway.store.add_contact(id, &organisation, (&code, None)).await.unwrap());
    gateway.due().await;
    for (asked, serves, number) in [
        (None, true, "+31612345678"),
        (Some(sms("0612345678")), true, "+31612345678"),
        (Some(sms("0687654321")), false, "+31687654321"),
        // Now the sender has a contact of their own.
        (None, false, "+31687654321"),
    ] {
        let mut to = recipients(&["q@else.example"]);
        to[0].terms.proof = asked.clone();
        let facts = HeaderFacts { message_id: None, ..HeaderBlock::new(HEADER.as_bytes()).facts(&tags()) };
        let mut sealing = gateway.intake.begin(identity(), facts, to, &stored(HEADER)).await.unwrap();
        sealing.write(BODY.as_bytes()).await.unwrap();
        sealing.take().await.unwrap();
        let (contact, phone, sent) = last(&gateway).await;
        assert_eq!((contact.sender.is_empty(), phone.as_deref(), sent), (serves, Some(number), 0), "{asked:?}");
    }
    assert_eq!(gateway.store.phone(id).await.unwrap(), Some(Phone::new("+31612345678".to_owned())));
    assert_eq!(gateway.store.contact(id).await.unwrap().unwrap().generation, organisation.generation);
}
