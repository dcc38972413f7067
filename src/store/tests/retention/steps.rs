//! A removal that ends at any of its steps.

use super::*;

on_each_engine! {
    /// The process ends at every step in turn. Once the keys are gone nothing opens; the next start does the rest.
    async fn every_step_may_be_the_last(mut bed) {
        for what in [What::Recall, What::Expire, What::Erase] {
            let mut ended = 0;
            for steps in 0.. {
                let (id, tokens) = taken(&bed, bed.mail(&["jan@example.nl", "piet@example.nl"], LARGE).await).await;
                let view = bed.view(&tokens[0]).await;
                bed.try_from(&view, 1).await;
                bed.store.open_session(&view, net(1), &bed.cookie()).await.unwrap();
                let ledger = Ledger::in_memory();
                let retention = bed.retention_with(ledger.clone());
                if what == What::Expire {
                    sent(&bed).await;
                    bed.clock.advance(LIFE);
                }
                retention.ends_after(steps);
                let whole = what.run(&retention, id, "jan@example.nl").await;
                drop(retention);
                bed.restart().await;
                if bed.places(Space::ContentKey).await.is_empty() {
                    assert!(!opens(&bed, &tokens[0]).await && !opens(&bed, &tokens[1]).await);
                }
                let retention = bed.retention_with(ledger.clone());
                if steps == 0 && what == What::Recall {
                    assert!(opens(&bed, &tokens[0]).await, "nothing happened yet");
                    what.run(&retention, id, "jan@example.nl").await;
                }
                for _ in 0..4 {
                    retention.round().await.unwrap();
                }
                what.is_done(&bed, &tokens).await;
                let entries = ledger.gone(bed.store.keys()).len();
                assert_eq!(entries, what.entries(), "{what:?} ended after {steps}");
                retention.erase(SENDER).await.unwrap();
                bed.clock.advance(ENDED_LINKS);
                while retention.round().await.unwrap().stubs > 0 {}
                assert_eq!(left(&bed).await, BTreeSet::new(), "{what:?} ended after {steps}");
                assert_eq!(bodies(&bed).await, 0);
                drop(retention);
                if whole {
                    break;
                }
                ended += 1;
            }
            assert!(ended >= 5, "{what:?} has {ended} steps");
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::tests) enum What {
    Recall,
    Expire,
    Erase,
}

impl What {
    /// Runs it; whether it came to its end.
    pub(in crate::store::tests) async fn run(self, retention: &Retention, id: MessageId, address: &str) -> bool {
        match self {
            Self::Recall => matches!(retention.recall(id, None).await, Ok(Recall::Done { complete: true, .. })),
            Self::Expire => retention.round().await.is_ok(),
            Self::Erase => retention.erase(address).await.is_ok(),
        }
    }

    async fn is_done(self, bed: &Bed, tokens: &[LinkToken]) {
        let expected = match self {
            Self::Recall => Some(Ending::Recalled),
            Self::Expire => Some(Ending::Expired),
            Self::Erase => None,
        };
        assert_eq!(ending(bed, &tokens[0]).await, expected, "{self:?}");
        if self == Self::Erase {
            assert!(opens(bed, &tokens[1]).await);
            assert!(bed.store.contacts("jan@example.nl", None).await.unwrap().is_empty());
        }
        for space in [Space::Purge, Space::Erasure, Space::Session] {
            assert!(bed.places(space).await.is_empty(), "{self:?} {space:?}");
        }
    }

    /// Lines of the ledger: recipients, and the contact of an erasure.
    fn entries(self) -> usize {
        match self {
            Self::Recall | Self::Erase => 2,
            Self::Expire => 0,
        }
    }
}
