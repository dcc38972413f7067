//! What ends in strict mode, and what is left of it: sessions, mails that were never taken, removals.

use super::*;
use crate::store::proof::Cookies;

on_each_engine! {
    async fn the_key_of_a_session_is_in_memory_alone(mut bed) {
        let (link, code, key) = taken(&bed, JAN).await;
        let (code, view, cookie) = (code.unwrap(), bed.view(&link).await, bed.cookie());
        let strict = opened(&bed, &link, &code).await.unwrap();
        bed.store.open_strict_session(&view, net(1), &cookie, strict).await.unwrap();
        let session = bed.store.session(&cookie, &LIMITS).await.unwrap().unwrap();
        let grant = &view.grant;
        let found = bed.store.content_key_by(&session.key, grant.conversation, grant.message).await.unwrap();
        assert_eq!(found, Some(key));
        bed.restart().await;
        let session = bed.store.session(&cookie, &LIMITS).await.unwrap().expect("the session itself goes on");
        assert_eq!(session.key, SessionKey::Lost);
    }

    async fn the_key_of_a_session_goes_when_the_session_goes(bed) {
        let (link, code, _) = taken(&bed, JAN).await;
        let (code, view) = (code.unwrap(), bed.view(&link).await);
        let open = async || {
            let cookie = bed.cookie();
            let key = opened(&bed, &link, &code).await.unwrap();
            bed.store.open_strict_session(&view, net(1), &cookie, key).await.unwrap();
            cookie
        };
        let logged_out = open().await;
        bed.store.close_session(&logged_out).await.unwrap();
        assert_eq!(bed.store.open_keys(), 0, "logged out");
        let idle = open().await;
        bed.pass(15 * 60 - 1);
        assert!(bed.store.session(&idle, &LIMITS).await.unwrap().is_some());
        bed.pass(15 * 60 - 1);
        bed.store.forget_idle_keys(&LIMITS);
        assert_eq!(bed.store.open_keys(), 1, "it was used");
        bed.pass(1);
        bed.store.forget_idle_keys(&LIMITS);
        assert_eq!(bed.store.open_keys(), 0, "nobody came back");
        let late = open().await;
        bed.pass(15 * 60);
        assert!(bed.store.session(&late, &LIMITS).await.unwrap().is_none());
        assert_eq!(bed.store.open_keys(), 0, "who comes back too late ends it");
        let (earlier, later) = (open().await, bed.cookie());
        let key = opened(&bed, &link, &code).await.unwrap();
        let cookies = Cookies { new: &later, earlier: Some(&earlier) };
        bed.store.open_strict_session(&view, net(1), cookies, key).await.unwrap();
        assert_eq!(bed.store.open_keys(), 1, "the same browser opens it once more");
        bed.store.close_session(&later).await.unwrap();
        let replaced = open().await;
        let generation = Generation { contact: view.grant.contact, number: 2 };
        let letter = bed.job(JobKind::Code { contact: view.grant.contact }, None);
        bed.store.replace_code(generation.contact, new_code(&bed).keep(generation, &*bed.entropy), letter).await.unwrap();
        assert!(bed.store.session(&replaced, &LIMITS).await.unwrap().is_none());
        assert_eq!(bed.store.open_keys(), 0, "a new code ends it");
    }

    async fn a_dropped_strict_mail_leaves_nothing(bed) {
        let before = bed.raw().await.len();
        let prepared = bed.store.prepare(mail(&bed, JAN).await.new).await.unwrap().unwrap();
        bed.store.drop_prepared(prepared).await.unwrap();
        assert_eq!(bed.raw().await.len(), before);
    }

    async fn a_prepared_strict_mail_keeps_the_contact_that_it_is_sealed_to(bed) {
        let Mail { new, link, code } = mail(&bed, JAN).await;
        let key = new.content_key.clone();
        let prepared = bed.store.prepare(new).await.unwrap().unwrap();
        let (other, other_code, _) = taken(&bed, JAN).await;
        bed.store.commit_prepared(prepared).await.unwrap();
        let (view, others) = (bed.view(&link).await, bed.view(&other).await);
        assert_ne!(view.grant.contact, others.grant.contact);
        let strict = opened(&bed, &link, &code.unwrap()).await.unwrap();
        assert_eq!(content(&bed, &link, strict).await, Some(key));
        assert!(opened(&bed, &other, &other_code.unwrap()).await.is_some());
        let found = bed.store.contacts("jan@example.nl", None).await.unwrap();
        assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<ContactId>>(), [others.grant.contact]);
        // It goes with its message, and the other one stays.
        let places = async |contact: ContactId| {
            let all = bed.raw().await;
            all.into_keys().filter(|place| place.bytes.starts_with(contact.as_bytes())).count()
        };
        assert_eq!((places(view.grant.contact).await, places(others.grant.contact).await), (3, 3));
        bed.retention().recall(view.grant.message, None).await.unwrap();
        assert_eq!((places(view.grant.contact).await, places(others.grant.contact).await), (0, 3));
    }

    async fn recall_and_erasure_leave_no_key(bed) {
        let (link, code, _) = taken(&bed, JAN).await;
        let view = bed.view(&link).await;
        let key = opened(&bed, &link, &code.unwrap()).await.unwrap();
        bed.store.open_strict_session(&view, net(1), &bed.cookie(), key).await.unwrap();
        let retention = bed.retention();
        retention.recall(view.grant.message, None).await.unwrap();
        for space in [Space::Lock, Space::Epoch, Space::ContentKey, Space::JobSecret] {
            let left = bed.places(space).await.len();
            assert_eq!(left, usize::from(space == Space::JobSecret), "{space:?}: the mail with the code still goes out");
        }
        assert_eq!((bed.store.open_keys(), bed.places(Space::ContactKey).await.len()), (0, 1));
        retention.erase(JAN).await.unwrap();
        for space in [Space::Contact, Space::ContactKey, Space::JobSecret] {
            assert!(bed.places(space).await.is_empty(), "{space:?}");
        }
    }

    async fn a_conversation_that_goes_on_keeps_what_its_other_mails_need(bed) {
        let (first, code, _) = taken(&bed, JAN).await;
        let code = code.unwrap();
        let conversation = bed.view(&first).await.grant.conversation;
        let mut links = Vec::new();
        for _ in 0..2 {
            let head = bed.store.epoch_head(conversation).await.unwrap().unwrap();
            let Mail { mut new, link, .. } = mail(&bed, JAN).await;
            new.deliveries[0].conversation_id = conversation;
            make_strict(&bed, &mut new.deliveries[0], Some(head)).await;
            links.push((link, new.id, new.content_key.clone()));
            bed.store.take(new).await.unwrap().unwrap();
        }
        let (middle, id, _) = links.remove(0);
        bed.retention().recall(id, None).await.unwrap();
        let at = Epoch { conversation, number: 2 };
        assert!(bed.store.open_link(at, &middle).await.unwrap().is_none(), "its own lock is gone");
        let key = SessionKey::Strict(Box::new(opened(&bed, &first, &code).await.unwrap()));
        assert!(bed.store.content_key_by(&key, conversation, id).await.unwrap().is_none());
        let (_, last, content) = links.remove(0);
        let found = bed.store.content_key_by(&key, conversation, last).await.unwrap();
        assert_eq!(found, Some(content), "the chain leads past a mail that was taken back");
    }
}
