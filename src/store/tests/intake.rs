//! Taking, preparing, committing and dropping.

use super::bed::{Bed, SENDER, on_each_engine};
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
