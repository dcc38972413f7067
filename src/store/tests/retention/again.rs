//! Whose message it was, of one that is gone: known as long as its stub, its contact and both addresses, and to nobody without its link.

use super::*;
use crate::store::records::Wish;

on_each_engine! {
    async fn what_is_gone_can_be_asked_for_again_once_a_day(bed) {
        let (id, tokens) = taken(&bed, bed.mail(&["jan@example.nl"], 100).await).await;
        sent(&bed).await;
        assert!(bed.store.again(&tokens[0]).await.unwrap().is_none(), "it can be read");
        let retention = bed.retention();
        let sent_at = bed.now();
        bed.pass(60);
        retention.recall(id, None).await.unwrap();
        let gone = bed.store.again(&tokens[0]).await.unwrap().unwrap();
        assert_eq!((gone.why, gone.created, gone.sender.address.as_str()), (Ending::Recalled, sent_at, "Arts@Zorg.example"));
        assert_eq!(gone.contact.address, "jan@example.nl");
        for (pass, new) in [(0, true), (10, false), (86_380, false), (10, true)] {
            bed.pass(pass);
            assert_eq!(bed.store.ask_again(gone.grant).await.unwrap(), new, "after {pass} s");
        }
        let jobs = bed.store.lease_due(bed.now(), 9).await.unwrap();
        assert_eq!(jobs.len(), 2);
        assert!(jobs.iter().all(|job| job.job.kind == JobKind::Asked { grant: gone.grant, wish: Wish::Again }));
        // With the stub it is over.
        bed.clock.advance(ENDED_LINKS);
        assert!(bed.store.again(&tokens[0]).await.unwrap().is_none());
        retention.round().await.unwrap();
        bed.store.ask_again(gone.grant).await.unwrap_err();
        assert!(bed.places(Space::Stub).await.is_empty());
    }

    /// The link still says that its message was taken back; nobody knows any more whose it was.
    async fn an_erasure_of_either_address_makes_stubs_forget(bed) {
        for erased in [SENDER, "jan@example.nl"] {
            let (id, tokens) = taken(&bed, bed.mail(&["jan@example.nl", "piet@example.nl"], 100).await).await;
            let retention = bed.retention();
            retention.recall(id, None).await.unwrap();
            let known = async |token| bed.store.again(token).await.unwrap().is_some();
            assert!(known(&tokens[0]).await && known(&tokens[1]).await);
            retention.erase(erased).await.unwrap();
            assert!(!known(&tokens[0]).await, "{erased}");
            assert_eq!(known(&tokens[1]).await, erased != SENDER, "{erased}");
            assert_eq!(ending(&bed, &tokens[0]).await, Some(Ending::Recalled));
            let stubs = bed.store.inner.keys_of(Space::Stub, &[], 99).await.unwrap();
            let mut kept = 0;
            for place in stubs {
                let stub = bed.store.inner.read::<Stub>(&place).await.unwrap().unwrap();
                kept += usize::from(stub.record.origin.is_some());
            }
            assert_eq!(kept, usize::from(erased != SENDER), "{erased}");
        }
    }
}
