//! Codes by mail: who gets them, and that what was sealed for more is never opened with one.

use super::*;
use crate::policy::Proof as Asked;
use crate::store::records::Proof;

const TO: &str = "p@else.example";

/// Begins a mail for [`TO`] and writes it, all but its end.
async fn begin(gateway: &Gateway, proof: Option<Asked>, level: Level) -> Sealing {
    let mut recipients = recipients(&[TO]);
    recipients[0].terms = Terms { proof, level, ..recipients[0].terms.clone() };
    let facts = HeaderFacts { message_id: None, ..HeaderBlock::new(HEADER.as_bytes()).facts(&tags()) };
    let mut sealing = gateway.intake.begin(identity(), facts, recipients, &stored(HEADER)).await.unwrap();
    sealing.write(BODY.as_bytes()).await.unwrap();
    sealing
}

/// By what the recipients of the mails taken since prove themselves, and how many codes were mailed to senders.
async fn since(gateway: &Gateway) -> (Vec<(Proof, u32)>, usize) {
    let jobs = gateway.due().await;
    let mut proofs = Vec::new();
    for token in notices(&jobs) {
        let view = gateway.store.grant(&token).await.unwrap().unwrap();
        proofs.push((view.contact.proof, view.contact.generation));
    }
    (proofs, codes(&jobs).len())
}

#[tokio::test]
async fn a_code_by_mail_gives_way_to_a_stronger_proof_and_never_comes_back() {
    let gateway = gateway(1 << 20);
    for (asked, level, expected, codes) in [
        (None, Level::Mail, (Proof::Mail, 1), 0),
        (Some(Asked::Mail), Level::Mail, (Proof::Mail, 1), 0),
        // No rule names mail for this one.
        (None, Level::Code, (Proof::Code, 2), 1),
        (None, Level::Mail, (Proof::Code, 2), 0),
        (Some(Asked::Mail), Level::Mail, (Proof::Code, 2), 0),
        (Some(Asked::Sms("0612345678".to_owned())), Level::Mail, (Proof::Sms, 3), 0),
        (Some(Asked::Mail), Level::Mail, (Proof::Sms, 3), 0),
    ] {
        begin(&gateway, asked.clone(), level).await.take().await.unwrap();
        let (proofs, sent) = since(&gateway).await;
        // A fresh notice of what waits goes out beside the new one.
        assert_eq!((proofs.last(), sent), (Some(&expected), codes), "{asked:?} {level:?}");
        assert!(proofs.iter().all(|proof| *proof == expected), "all of this contact: {proofs:?}");
    }
    assert_eq!(gateway.store.contacts(TO, None).await.unwrap().len(), 1);
}

/// Two mails that begin before anybody is known: whichever is taken first, the one that no rule allows by mail opens with its access code.
#[tokio::test]
async fn of_two_mails_at_once_each_opens_with_no_less_than_it_was_sealed_for() {
    for low_first in [true, false] {
        let gateway = gateway(1 << 20);
        let (low, high) = (begin(&gateway, None, Level::Mail).await, begin(&gateway, None, Level::Code).await);
        let (low, high) = (low.prepare().await.unwrap().unwrap(), high.prepare().await.unwrap().unwrap());
        if low_first {
            gateway.intake.commit(low).await.unwrap();
            assert_eq!(since(&gateway).await, (vec![(Proof::Mail, 1)], 0));
            gateway.intake.commit(high).await.unwrap();
            assert_eq!(since(&gateway).await, (vec![(Proof::Code, 1)], 1), "with a contact of its own");
        } else {
            gateway.intake.commit(high).await.unwrap();
            assert_eq!(since(&gateway).await, (vec![(Proof::Code, 1)], 1));
            gateway.intake.commit(low).await.unwrap();
            assert_eq!(since(&gateway).await, (vec![(Proof::Code, 1)], 0), "the stronger proof serves both");
        }
        let found = gateway.store.check(false, Arc::default()).await.unwrap();
        assert!(found.is_sound(), "{:?}", found.findings);
    }
}
