//! A mail that joins a conversation: what is read with what, and that no key goes while a mail is being sealed to it.

use super::bed::{Bed, LIMITS, net, on_each_engine};
use super::retention::left;
use crate::base::{ConversationId, MessageId};
use crate::seal::token::LinkToken;
use crate::store::conversation::Thread;
use crate::store::engine::Space;
use crate::store::intake::NewMessage;
use crate::store::proof::OpenSession;
use crate::store::retention::Recall;
use crate::store::strict::Locks;

const JAN: &str = "jan@example.nl";
const FIRST: &str = "eerste@zorg.example";

/// The thread of the message behind a link.
async fn thread(bed: &Bed, link: &LinkToken) -> (Thread<'static>, ConversationId) {
    let grant = bed.view(link).await.grant;
    let thread = Thread { sender: "arts@zorg.example", contact: grant.contact, strict: None, subject: "uitslag" };
    (thread, grant.conversation)
}

/// A message that others can refer to.
async fn first(bed: &Bed) -> (MessageId, LinkToken) {
    // The contact, so that the thread is known before the mail is.
    let (before, link) = bed.taken(JAN).await;
    let (thread, _) = thread(bed, &link).await;
    bed.retention().recall(before, None).await.unwrap();
    let (mut mail, tokens) = bed.mail(&[JAN], 100).await;
    mail.deliveries[0].thread = Some(thread.hash(bed.store.keys(), FIRST));
    let id = mail.id;
    bed.store.take(mail).await.unwrap().unwrap();
    (id, tokens.into_iter().next().unwrap())
}

/// A mail that joins it.
async fn joining(bed: &Bed, link: &LinkToken) -> (NewMessage, LinkToken) {
    let (thread, conversation) = thread(bed, link).await;
    let found = bed.store.joined_by(&thread, &["andere@x.example".to_owned(), FIRST.to_owned()]).await.unwrap();
    assert_eq!(found, Some(conversation));
    bed.pass(60);
    let (mut mail, tokens) = bed.mail(&[JAN], 100).await;
    mail.deliveries[0].conversation_id = conversation;
    mail.deliveries[0].locks = Locks::Joined;
    (mail, tokens.into_iter().next().unwrap())
}

async fn session(bed: &Bed, link: &LinkToken) -> OpenSession {
    let view = bed.view(link).await;
    let cookie = bed.cookie();
    bed.try_from(&view, 1).await;
    bed.store.open_session(&view, net(1), &cookie).await.unwrap();
    bed.store.session(&cookie, &LIMITS).await.unwrap().unwrap()
}

/// The messages that a session reads, newest first, each with whether its key is had.
async fn read(bed: &Bed, open: &OpenSession) -> Vec<(MessageId, bool)> {
    let mut found = Vec::new();
    for read in bed.store.conversation(open).await.unwrap() {
        let grant = &read.session.view.grant;
        let key = bed.store.content_key_by(&read.session.key, grant.conversation, grant.message).await;
        found.push((grant.message, key.unwrap().is_some()));
    }
    found
}

on_each_engine! {
    async fn a_mail_joins_and_each_goes_by_itself(bed) {
        let (one, link) = first(&bed).await;
        let (mail, second) = joining(&bed, &link).await;
        let two = mail.id;
        bed.store.take(mail).await.unwrap().unwrap();
        assert_eq!(read(&bed, &session(&bed, &link).await).await, [(two, true), (one, true)]);
        let open = session(&bed, &second).await;
        assert_eq!(read(&bed, &open).await, [(two, true), (one, true)]);
        assert!(bed.store.other_messages(&open).await.unwrap().is_empty());
        assert!(matches!(bed.retention().recall(one, None).await.unwrap(), Recall::Done { whole: true, .. }));
        assert_eq!(read(&bed, &open).await, [(two, true)]);
        let (thread, _) = thread(&bed, &second).await;
        assert_eq!(bed.store.joined_by(&thread, &[FIRST.to_owned()]).await.unwrap(), None, "its place on the list went too");
        bed.retention().recall(two, None).await.unwrap();
        let left = left(&bed).await;
        for space in [Space::Conversation, Space::Lock, Space::ContentKey, Space::Thread, Space::ByContact] {
            assert!(!left.contains(&space), "{left:?}");
        }
    }

    async fn what_differs_joins_nothing(bed) {
        let (_, link) = first(&bed).await;
        let (same, conversation) = thread(&bed, &link).await;
        let found = async |thread: Thread<'_>, reference: &str| {
            bed.store.joined_by(&thread, &[reference.to_owned()]).await.unwrap()
        };
        assert_eq!(found(same, FIRST).await, Some(conversation));
        bed.taken("piet@example.nl").await;
        let (_, piet) = bed.taken("piet@example.nl").await;
        let contact = bed.view(&piet).await.grant.contact;
        for other in [
            Thread { sender: "anders@zorg.example", ..same },
            Thread { contact, ..same },
            Thread { strict: Some(1), ..same },
            Thread { subject: "iets anders", ..same },
        ] {
            assert_eq!(found(other, FIRST).await, None, "{other:?}");
        }
        assert_eq!(found(same, "onbekend@zorg.example").await, None);
    }

    /// The conversation goes between looking it up and the commit: the mail comes back, to be built anew.
    async fn nothing_joins_what_went(bed) {
        let (one, link) = first(&bed).await;
        let (mail, _) = joining(&bed, &link).await;
        bed.retention().recall(one, None).await.unwrap();
        let before = bed.raw().await;
        assert!(bed.store.take(mail).await.unwrap().is_err());
        assert_eq!(bed.raw().await, before);
    }

    /// A prepared mail holds its conversation, also when all else of that goes; dropped, it leaves nothing.
    async fn a_prepared_mail_keeps_the_key_that_it_is_sealed_to(bed) {
        for commits in [true, false] {
            let (one, link) = first(&bed).await;
            let (mail, second) = joining(&bed, &link).await;
            let two = mail.id;
            let prepared = bed.store.prepare(mail).await.unwrap().unwrap();
            assert_eq!(read(&bed, &session(&bed, &link).await).await, [(one, true)], "not there before it counts");
            bed.retention().recall(one, None).await.unwrap();
            if commits {
                bed.store.commit_prepared(prepared).await.unwrap();
                assert_eq!(read(&bed, &session(&bed, &second).await).await, [(two, true)]);
                bed.retention().recall(two, None).await.unwrap();
            } else {
                bed.store.drop_prepared(prepared).await.unwrap();
            }
            let left = left(&bed).await;
            for space in [Space::Conversation, Space::Lock, Space::ContentKey, Space::Delivery] {
                assert!(!left.contains(&space), "{commits}: {left:?}");
            }
        }
    }

    /// A removal that looked before a mail joined must look again.
    async fn a_removal_that_is_overtaken_leaves_the_key(bed) {
        use crate::store::retention::overtaken;
        let (one, link) = first(&bed).await;
        let (mail, second) = joining(&bed, &link).await;
        let two = mail.id;
        assert!(!overtaken(&bed.retention(), one, async {
            bed.store.take(mail).await.unwrap().unwrap();
        }).await, "the batch of a removal that saw one message does not count once there are two");
        assert_eq!(read(&bed, &session(&bed, &second).await).await, [(two, true), (one, true)]);
    }

    async fn a_conversation_takes_a_hundred_mails(bed) {
        let (_, link) = first(&bed).await;
        let (_, conversation) = thread(&bed, &link).await;
        for _ in 1..100 {
            let (mail, _) = joining(&bed, &link).await;
            bed.store.take(mail).await.unwrap().unwrap();
        }
        let (same, _) = thread(&bed, &link).await;
        assert_eq!(bed.store.joined_by(&same, &[FIRST.to_owned()]).await.unwrap(), None);
        let (mut mail, _) = bed.mail(&[JAN], 100).await;
        mail.deliveries[0].conversation_id = conversation;
        mail.deliveries[0].locks = Locks::Joined;
        assert!(bed.store.take(mail).await.unwrap().is_err());
    }
}
