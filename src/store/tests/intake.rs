//! Taking, preparing, committing and dropping.

use std::time::Duration;

use super::bed::{Bed, SENDER, on_each_engine, polled, until};
use crate::store::jobs::JobEnd;
use crate::store::records::JobKind;

on_each_engine! {
    async fn a_taken_message_is_found_by_link_and_address(bed) {
        let (mail, tokens) = bed.mail(&["Jan@Example.nl", "piet@example.nl"], 100).await;
        let (id, key) = (mail.id, mail.content_key.0.clone());
        assert!(bed.store.take(mail).await.unwrap().is_ok());
        for (token, recipient) in tokens.iter().zip(["Jan@Example.nl", "piet@example.nl"]) {
            let view = bed.view(token).await;
            assert_eq!((view.grant.message, view.conversation.recipient.as_str()), (id, recipient));
            let opened = bed.store.content_key(view.grant.conversation, id).await.unwrap().unwrap();
            assert!(opened.0 == key, "each conversation opens the same content key");
            let found = bed.store.find(&recipient.to_lowercase(), None, 10).await.unwrap();
            assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [id]);
        }
        assert_eq!(bed.store.find(&SENDER.to_lowercase(), None, 10).await.unwrap().len(), 1);
        assert_eq!(bed.store.manifest(id).await.unwrap().unwrap(), b"canary-manifest");
        let body = bed.store.body(id).await.unwrap().unwrap();
        assert_eq!(body.read_at(0, 100).await.unwrap(), [7; 100]);
        let jobs = bed.store.lease_due(bed.now(), 10).await.unwrap();
        assert_eq!(jobs.len(), 4, "a notice and a code each");
        assert_eq!(jobs.iter().filter(|j| matches!(j.job.kind, JobKind::Notice { .. })).count(), 2);
    }
}

on_each_engine! {
    async fn a_large_body_is_kept_apart_and_read_in_pieces(mut bed) {
        let size = 200_000;
        let (mail, _) = bed.mail(&["jan@example.nl"], size).await;
        let id = mail.id;
        assert!(bed.store.take(mail).await.unwrap().is_ok());
        bed.restart().await;
        let message = bed.store.message(id).await.unwrap().unwrap();
        assert!(message.in_file);
        assert_eq!(message.sealed_len, 200_000);
        let body = bed.store.body(id).await.unwrap().unwrap();
        assert_eq!(body.read_at(199_990, 10).await.unwrap(), [7; 10]);
        assert!(body.read_at(199_990, 11).await.is_err());
    }

    async fn a_recipient_in_two_spellings_gets_one_delivery_and_one_contact(bed) {
        let (mail, tokens) = bed.mail(&["Jan@Example.nl", "jan@EXAMPLE.NL", "piet@example.nl"], 100).await;
        let id = mail.id;
        assert!(bed.store.take(mail).await.unwrap().is_ok());
        assert_eq!(bed.store.deliveries(id).await.unwrap().len(), 2);
        assert_eq!(bed.store.contacts("jan@example.nl", None).await.unwrap().len(), 1);
        assert!(bed.store.grant(&tokens[0]).await.unwrap().is_some());
        assert!(bed.store.grant(&tokens[1]).await.unwrap().is_none());
        assert_eq!(bed.store.lease_due(bed.now(), 10).await.unwrap().len(), 4, "two notices, two codes");
    }

    async fn a_known_contact_is_used_again(bed) {
        let (_, first) = bed.taken("jan@example.nl").await;
        let (_, second) = bed.taken("JAN@example.nl").await;
        let (first, second) = (bed.view(&first).await, bed.view(&second).await);
        assert_eq!(first.grant.contact, second.grant.contact);
        assert_ne!(first.grant.conversation, second.grant.conversation);
        let contacts = bed.store.contacts("jan@example.nl", Some(&SENDER.to_lowercase())).await.unwrap();
        assert_eq!(contacts.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [first.grant.contact]);
        assert!(bed.store.contacts("jan@example.nl", Some("else@example.nl")).await.unwrap().is_empty());
    }

    async fn a_contact_that_appears_meanwhile_sends_the_message_back(bed) {
        let (first, _) = bed.mail(&["jan@example.nl"], 100).await;
        let (second, _) = bed.mail(&["piet@example.nl", "jan@example.nl"], 100_000).await;
        assert!(bed.store.take(first).await.unwrap().is_ok());
        let before = bed.raw().await;
        let second = bed.store.take(second).await.unwrap().unwrap_err();
        assert!(bed.raw().await == before, "nothing of it is stored");
        assert_eq!(second.body.len(), 100_000, "and its body is still there to be taken");
        let mut again = bed.mail(&["piet@example.nl", "jan@example.nl"], 10).await.0;
        (again.id, again.body) = (second.id, second.body);
        let id = again.id;
        assert!(bed.store.take(again).await.unwrap().is_ok());
        assert_eq!(bed.store.body(id).await.unwrap().unwrap().len(), 100_000);
    }

    async fn parallel_mails_to_one_new_recipient_make_one_contact(bed) {
        let bed = std::sync::Arc::new(bed);
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let bed = bed.clone();
                tokio::spawn(async move {
                    loop {
                        let (mail, _) = bed.mail(&["jan@example.nl"], 100).await;
                        tokio::task::yield_now().await;
                        if bed.store.take(mail).await.unwrap().is_ok() {
                            break;
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(bed.store.contacts("jan@example.nl", None).await.unwrap().len(), 1);
        let jobs = bed.store.jobs(100).await.unwrap();
        let codes = jobs.iter().filter(|(_, job)| matches!(job.kind, JobKind::Code { .. })).count();
        assert_eq!((jobs.len(), codes), (21, 1));
    }

    async fn a_repeat_within_five_days_is_taken_once(mut bed) {
        let key = [5; 32];
        let repeat = async |bed: &Bed| {
            let (mut mail, _) = bed.mail(&["jan@example.nl"], 100).await;
            mail.deliveries[0].repeat_key = Some(key);
            bed.store.take(mail).await.unwrap().is_ok()
        };
        assert_eq!(bed.store.taken_before(&[key]).await.unwrap(), [false]);
        assert!(repeat(&bed).await);
        assert_eq!(bed.store.taken_before(&[[6; 32], key]).await.unwrap(), [false, true]);
        bed.restart().await;
        bed.pass(5 * 86400 - 1);
        assert!(!repeat(&bed).await);
        bed.pass(1);
        assert_eq!(bed.store.taken_before(&[key]).await.unwrap(), [false]);
        assert!(repeat(&bed).await, "and a key of long ago is taken over");
        assert!(!repeat(&bed).await);
    }

    async fn what_nobody_can_read_any_more_is_taken_again(bed) {
        let (given_up, ended, kept) = ([5; 32], [6; 32], [7; 32]);
        let take = async |key, life| {
            let (mut mail, _) = bed.mail(&["jan@example.nl"], 100).await;
            mail.deliveries[0].repeat_key = Some(key);
            mail.message.expires = bed.now() + Duration::from_secs(life);
            bed.store.take(mail).await.unwrap().is_ok()
        };
        assert!(take(given_up, 90 * 86400).await);
        let jobs = bed.store.lease_due(bed.now(), 10).await.unwrap();
        let notice = jobs.iter().find(|job| matches!(job.job.kind, JobKind::Notice { .. })).unwrap();
        assert!(!take(given_up, 90 * 86400).await, "its notice is on its way");
        bed.store.finish_job(notice.id, JobEnd::GiveUp("550 no".to_owned(), None)).await.unwrap();
        assert!(take(ended, 86400).await && take(kept, 86401).await);
        bed.pass(86400);
        assert_eq!(bed.store.taken_before(&[given_up, ended, kept]).await.unwrap(), [false, false, true]);
        assert!(take(given_up, 86400).await && take(ended, 86400).await && !take(kept, 86400).await);
        assert_eq!(bed.store.taken_before(&[given_up, ended]).await.unwrap(), [true, true]);
    }

    async fn a_message_for_nobody_is_not_stored(mut bed) {
        let before = bed.raw().await;
        let (mail, _) = bed.mail(&[], 100_000).await;
        assert!(bed.store.take(mail).await.unwrap().is_ok());
        assert!(bed.raw().await == before);
        assert_eq!(bed.restart().await.orphans, 0, "its body went with it");
    }

    async fn messages_are_listed_newest_first_and_since(bed) {
        let (old, _) = bed.taken("jan@example.nl").await;
        bed.pass(86400);
        let since = bed.now();
        let (new, _) = bed.taken("jan@example.nl").await;
        let ids = async |since, limit| {
            let found = bed.store.find("jan@example.nl", since, limit).await.unwrap();
            found.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
        };
        assert_eq!(ids(None, 10).await, [new, old]);
        assert_eq!(ids(None, 1).await, [new]);
        assert_eq!(ids(Some(since), 10).await, [new]);
    }

    /// A client may hang up while its mail is committed: then it is there with its body and its jobs ring, or not at all.
    async fn a_caller_that_goes_away_tears_nothing_apart(mut bed) {
        // A busy machine may let a commit end within the one poll.
        let mut begun = None;
        for n in 0..20 {
            let (mail, tokens) = bed.mail(&[&format!("jan{n}@example.nl")], 100_000).await;
            let id = mail.id;
            if polled(1, bed.store.take(mail)).await.is_none() {
                begun = Some((id, tokens));
                break;
            }
        }
        let (id, tokens) = begun.expect("a caller goes away when the commit has begun");
        until(async || bed.store.grant(&tokens[0]).await.unwrap().is_some()).await;
        assert_eq!(bed.store.body(id).await.unwrap().unwrap().len(), 100_000);
        tokio::time::timeout(Duration::from_secs(20), bed.store.job_added()).await.expect("the worker is told");
        assert_eq!(bed.restart().await.orphans, 0);
        let body = bed.store.body(id).await.unwrap().unwrap();
        assert_eq!(body.read_at(99_999, 1).await.unwrap(), [7]);
    }
}
