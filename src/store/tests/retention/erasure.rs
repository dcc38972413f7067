//! All about an address goes, and nothing of others.

use super::*;

on_each_engine! {
    async fn an_erasure_leaves_nothing_of_the_address_and_everything_of_others(bed) {
        let (_, both) = taken(&bed, bed.mail(&["jan@example.nl", "piet@example.nl"], LARGE).await).await;
        let (_, alone) = taken(&bed, bed.mail(&["jan@example.nl"], 100).await).await;
        let view = bed.view(&both[0]).await;
        bed.try_from(&view, 1).await;
        bed.store.open_session(&view, net(1), &bed.cookie()).await.unwrap();
        bed.try_from(&view, 2).await;
        let retention = bed.retention();
        let erased = retention.erase("jan@example.nl").await.unwrap();
        assert_eq!(erased, Erased { messages: 1, deliveries: 2, contacts: 1, waiting: 0 });
        assert!(opens(&bed, &both[1]).await);
        for token in [&both[0], &alone[0]] {
            assert_eq!(ending(&bed, token).await, None, "no stub either");
        }
        assert!(bed.store.contacts("jan@example.nl", None).await.unwrap().is_empty());
        assert_eq!(bed.store.contacts("piet@example.nl", None).await.unwrap().len(), 1);
        let census = census(&bed).await;
        let gone = [Space::Session, Space::GrantTries, Space::ContactTries, Space::Purge, Space::Erasure, Space::Stub];
        assert!(gone.iter().all(|space| !census.contains_key(space)), "{census:?}");
        let once = [Space::Contact, Space::Verifier, Space::Grant, Space::GrantIndex, Space::Message, Space::Lock];
        assert!(once.iter().all(|space| census.get(space) == Some(&1)), "{census:?}");
        // The sender's own: all that is left. (Nothing wrote the schema for the engine in memory.)
        let erased = retention.erase(SENDER).await.unwrap();
        assert_eq!(erased, Erased { messages: 1, deliveries: 1, contacts: 1, waiting: 0 });
        assert!(bed.raw().await.into_keys().all(|key| key.space == Space::Meta), "{:?}", self::census(&bed).await);
        assert_eq!(bodies(&bed).await, 0);
        assert_eq!(retention.erase(SENDER).await.unwrap(), Erased::default());
    }

    /// A mail that is acknowledged while its recipient is being erased is a mail of afterwards, and can be read.
    async fn an_erasure_takes_nothing_that_came_after_it_was_asked_for(bed) {
        let old = taken(&bed, bed.mail(&["jan@example.nl"], 100).await).await;
        let retention = bed.retention();
        retention.ends_after(0);
        retention.erase("jan@example.nl").await.unwrap_err();
        // Its time says that it began before: what counts is when it was committed.
        let (mut mail, new) = bed.mail(&["jan@example.nl"], 100).await;
        mail.message.received = Timestamp(bed.now().millis() - 5000);
        let message = mail.id;
        assert!(mail.deliveries[0].new_contact.is_none());
        assert!(bed.store.take(mail).await.unwrap().is_ok());
        retention.ends_after(usize::MAX);
        while retention.round().await.unwrap().finished > 0 {}
        assert_eq!(ending(&bed, &old.1[0]).await, None);
        assert!(opens(&bed, &new[0]).await);
        let view = bed.view(&new[0]).await;
        assert!(bed.store.verifier(view.grant.contact).await.unwrap().is_some(), "its code still counts");
        assert!(bed.store.contacts("jan@example.nl", None).await.unwrap().is_empty(), "but serves no new mail");
        retention.recall(message, None).await.unwrap();
        while retention.round().await.unwrap().finished > 0 {}
        assert!(bed.places(Space::Contact).await.is_empty(), "it goes with the mail that needed it");
        assert!(bed.places(Space::Purge).await.is_empty());
    }

    async fn a_mail_that_relied_on_an_erased_contact_is_built_again(bed) {
        bed.taken("jan@example.nl").await;
        let (direct, _) = bed.mail(&["jan@example.nl"], 100).await;
        let (mixed, _) = bed.mail(&["jan@example.nl"], 100).await;
        bed.retention().erase("jan@example.nl").await.unwrap();
        assert!(bed.store.take(direct).await.unwrap().is_err());
        assert!(bed.store.prepare(mixed).await.unwrap().is_err());
    }

    /// The next hop took the rest of that mail: it must be possible to commit it.
    async fn a_contact_that_a_prepared_mail_needs_stays(bed) {
        bed.taken("jan@example.nl").await;
        let (mail, tokens) = bed.mail(&["jan@example.nl"], 100).await;
        let id = mail.id;
        let prepared = bed.store.prepare(mail).await.unwrap().unwrap();
        let retention = bed.retention();
        assert_eq!(retention.recall(id, None).await.unwrap(), Recall::NoMessage, "it is no message yet");
        let erased = retention.erase("jan@example.nl").await.unwrap();
        assert_eq!((erased.contacts, erased.waiting), (1, 1));
        bed.store.commit_prepared(prepared).await.unwrap();
        assert!(opens(&bed, &tokens[0]).await);
        let view = bed.view(&tokens[0]).await;
        assert!(bed.store.verifier(view.grant.contact).await.unwrap().is_some());
    }
}
