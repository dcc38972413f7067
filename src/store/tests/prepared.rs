//! Prepared messages: durable and invisible, then committed, dropped, or gone at the next start.

use super::bed::{Bed, SENDER, on_each_engine};
use crate::base::MessageId;
use crate::seal::token::LinkToken;
use crate::store::engine::Space;
use crate::store::intake::Prepared;
use crate::store::records::JobKind;

async fn prepare(bed: &Bed, recipients: &[&str], size: usize) -> (Prepared, MessageId, Vec<LinkToken>) {
    let (mail, tokens) = bed.mail(recipients, size).await;
    let id = mail.id;
    (bed.store.prepare(mail).await.unwrap().unwrap(), id, tokens)
}

/// By none of the ways that lead to a message.
async fn is_invisible(bed: &Bed, id: MessageId, tokens: &[LinkToken]) -> bool {
    let mut seen = bed.store.message(id).await.unwrap().is_some() || bed.store.body(id).await.unwrap().is_some();
    for token in tokens {
        seen |= bed.store.grant(token).await.unwrap().is_some();
    }
    for address in ["jan@example.nl", "piet@example.nl", &SENDER.to_lowercase()] {
        seen |= !bed.store.find(address, None, 10).await.unwrap().is_empty();
        seen |= !bed.store.contacts(address, None).await.unwrap().is_empty();
    }
    seen |= bed.store.contact_of(&SENDER.to_lowercase(), "jan@example.nl").await.unwrap().is_some();
    seen |= !bed.store.deliveries(id).await.unwrap().is_empty();
    seen |= !bed.store.lease_due(bed.now(), 10).await.unwrap().is_empty();
    seen |= bed.store.next_due().await.unwrap().is_some() || !bed.store.jobs(10).await.unwrap().is_empty();
    !seen
}

on_each_engine! {
    async fn a_prepared_message_is_invisible_until_committed(mut bed) {
        let (prepared, id, tokens) = prepare(&bed, &["jan@example.nl", "piet@example.nl"], 100_000).await;
        assert!(is_invisible(&bed, id, &tokens).await);
        bed.store.commit_prepared(prepared).await.unwrap();
        for token in &tokens {
            assert_eq!(bed.view(token).await.grant.message, id);
        }
        assert_eq!(bed.store.body(id).await.unwrap().unwrap().len(), 100_000);
        assert_eq!(bed.store.lease_due(bed.now(), 10).await.unwrap().len(), 4);
        assert!(bed.places(Space::Prepared).await.is_empty());
        bed.store.commit_prepared(Prepared { id }).await.expect("once more is no error");
        assert_eq!(bed.restart().await.dropped, 0);
        assert_eq!(bed.store.deliveries(id).await.unwrap().len(), 2);
        assert!(bed.store.body(id).await.unwrap().is_some());
    }

    async fn taken_at_once_and_prepared_then_committed_hold_the_same_places(bed) {
        let (mut mail, _) = bed.mail(&["jan@example.nl"], 100).await;
        mail.deliveries[0].repeat_key = Some([1; 32]);
        bed.store.take(mail).await.unwrap().unwrap();
        let taken: Vec<_> = bed.raw().await.into_keys().map(|key| key.space).collect();
        let mut other = Bed::memory();
        other.restart().await;
        let (mut mail, _) = other.mail(&["jan@example.nl"], 100).await;
        mail.deliveries[0].repeat_key = Some([1; 32]);
        let prepared = other.store.prepare(mail).await.unwrap().unwrap();
        other.store.commit_prepared(prepared).await.unwrap();
        let committed: Vec<_> = other.raw().await.into_keys().map(|key| key.space).collect();
        assert_eq!(taken.into_iter().filter(|s| *s != Space::Meta).collect::<Vec<_>>(),
            committed.into_iter().filter(|s| *s != Space::Meta).collect::<Vec<_>>());
    }

    async fn of_a_dropped_message_nothing_stays(mut bed) {
        for size in [100, 100_000] {
            let before = bed.raw().await;
            let (prepared, id, tokens) = prepare(&bed, &["jan@example.nl", "piet@example.nl"], size).await;
            assert!(bed.raw().await != before);
            bed.store.drop_prepared(prepared).await.unwrap();
            assert!(bed.raw().await == before, "{size}");
            assert!(is_invisible(&bed, id, &tokens).await);
            assert!(bed.store.commit_prepared(Prepared { id }).await.is_err());
            assert_eq!(bed.restart().await.orphans, 0, "{size}");
        }
    }

    async fn a_start_drops_what_was_prepared(mut bed) {
        bed.restart().await;
        let before = bed.raw().await;
        let (_, small, small_tokens) = prepare(&bed, &["jan@example.nl"], 100).await;
        let (_, large, large_tokens) = prepare(&bed, &["piet@example.nl"], 100_000).await;
        let report = bed.restart().await;
        assert_eq!((report.dropped, report.orphans), (2, 0));
        assert!(bed.raw().await == before);
        assert!(is_invisible(&bed, small, &small_tokens).await);
        assert!(is_invisible(&bed, large, &large_tokens).await);
    }

    /// Its sender sent the recipient another mail in between: that one's contact and code are the ones that count.
    async fn a_commit_uses_a_contact_that_was_made_meanwhile(bed) {
        let (prepared, id, tokens) = prepare(&bed, &["jan@example.nl"], 100).await;
        let (_, other) = bed.taken("Jan@example.nl").await;
        bed.store.commit_prepared(prepared).await.unwrap();
        let (view, other) = (bed.view(&tokens[0]).await, bed.view(&other).await);
        assert_eq!(view.grant.message, id);
        assert_eq!(view.grant.contact, other.grant.contact);
        assert_eq!(view.conversation.contact, other.grant.contact);
        let jobs = bed.store.lease_due(bed.now(), 10).await.unwrap();
        let codes: Vec<_> = jobs.iter().filter(|j| matches!(j.job.kind, JobKind::Code { .. })).collect();
        assert_eq!((jobs.len(), codes.len()), (3, 1));
        assert_eq!(bed.places(Space::Verifier).await.len(), 1);
        assert_eq!(bed.places(Space::JobSecret).await.len(), 3);
        assert!(bed.store.content_key(view.grant.conversation, id).await.unwrap().is_some());
    }

    async fn two_prepared_for_one_new_recipient_share_the_first_ones_contact(bed) {
        let (a, _, a_token) = prepare(&bed, &["jan@example.nl"], 100).await;
        let (b, _, b_token) = prepare(&bed, &["jan@example.nl"], 100).await;
        bed.store.commit_prepared(b).await.unwrap();
        bed.store.commit_prepared(a).await.unwrap();
        let (a, b) = (bed.view(&a_token[0]).await, bed.view(&b_token[0]).await);
        assert_eq!(a.grant.contact, b.grant.contact);
        assert_eq!(bed.store.contacts("jan@example.nl", None).await.unwrap().len(), 1);
    }

    async fn a_commit_leaves_out_who_got_this_very_mail_meanwhile(bed) {
        let with_repeat = async |recipients: &[&str]| {
            let (mut mail, tokens) = bed.mail(recipients, 100).await;
            for (delivery, n) in mail.deliveries.iter_mut().zip(1..) {
                delivery.repeat_key = Some([n; 32]);
            }
            (mail, tokens)
        };
        let both = ["jan@example.nl", "piet@example.nl"];
        let (first, first_tokens) = with_repeat(&both).await;
        let first_id = first.id;
        let first = bed.store.prepare(first).await.unwrap().unwrap();
        let (all, _) = with_repeat(&both).await;
        let all = bed.store.prepare(all).await.unwrap().unwrap();
        let (jan, _) = with_repeat(&both[..1]).await;
        bed.store.take(jan).await.unwrap().unwrap();

        bed.store.commit_prepared(first).await.unwrap();
        assert!(bed.store.grant(&first_tokens[0]).await.unwrap().is_none());
        assert!(bed.store.grant(&first_tokens[1]).await.unwrap().is_some());
        assert_eq!(bed.store.deliveries(first_id).await.unwrap().len(), 1);
        let before = bed.store.find("piet@example.nl", None, 10).await.unwrap();
        bed.store.commit_prepared(all).await.expect("nobody is left, and that is no error");
        assert_eq!(bed.store.find("piet@example.nl", None, 10).await.unwrap(), before);
        assert!(bed.places(Space::Prepared).await.is_empty());
        assert_eq!(bed.places(Space::Manifest).await.len(), 2);
    }

    async fn an_orphaned_body_goes_at_the_next_start(mut bed) {
        let (id, _) = bed.taken("jan@example.nl").await;
        let (mail, _) = bed.mail(&["jan@example.nl"], 100_000).await;
        let kept = mail.id;
        bed.store.take(mail).await.unwrap().unwrap();
        let (mail, _) = bed.mail(&["jan@example.nl"], 100_000).await;
        let orphan = mail.id;
        // The process dies before the commit: no destructor runs.
        std::mem::forget(mail);
        assert_eq!(bed.store.inner.engine.bodies().await.unwrap().len(), 2);
        assert_eq!(bed.restart().await.orphans, 1);
        let bodies = bed.store.inner.engine.bodies().await.unwrap();
        assert_eq!(bodies, [kept]);
        assert!(id != orphan);
    }

    async fn a_damaged_prepared_message_stops_nothing(mut bed) {
        let (_, damaged, _) = prepare(&bed, &["jan@example.nl"], 100).await;
        let (_, _, _) = prepare(&bed, &["piet@example.nl"], 100).await;
        bed.overwrite(crate::store::places::prepared(damaged), b"rubbish").await;
        assert_eq!(bed.restart().await.dropped, 1);
        let (_, token) = bed.taken("jan@example.nl").await;
        assert!(bed.store.grant(&token).await.unwrap().is_some());
    }
}
