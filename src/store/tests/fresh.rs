//! Fresh notices: who could not open their mail hears of another number or kind of code, and nobody else.

use super::bed::{Bed, ENDED_LINKS, net, on_each_engine};
use crate::base::{GrantId, SecretBytes};
use crate::seal::token::LinkToken;
use crate::store::check::Damage;
use crate::store::codes::KeptCode;
use crate::store::contacts::Change;
use crate::store::jobs::JobEnd;
use crate::store::records::{JobKind, Phone, Wish};
use crate::store::retention::{Ending, Link, Recall};

fn sms(number: &str) -> Change {
    Change { proof: Some((KeptCode::Sms(Phone::new(number.to_owned())), None)), ..Change::default() }
}

fn digits(bed: &Bed) -> Change {
    Change { proof: Some((bed.kept("11112222"), None)), ..Change::default() }
}

/// The notices that leave now, each with its link.
async fn notices(bed: &Bed) -> Vec<(GrantId, LinkToken)> {
    let mut sent = Vec::new();
    for leased in bed.store.lease_due(bed.now(), 1000).await.unwrap() {
        if let JobKind::Notice { grant } = leased.job.kind {
            let token = leased.secret.as_ref().unwrap().token.as_deref().unwrap();
            sent.push((grant, LinkToken::from_secret(SecretBytes::new(token.try_into().unwrap()))));
        }
        bed.store.finish_job(leased.id, JobEnd::Done).await.unwrap();
    }
    sent
}

on_each_engine! {
    async fn another_number_brings_another_link_to_what_waits(bed) {
        let (_, first) = bed.taken("jan@example.nl").await;
        let (_, second) = bed.taken("jan@example.nl").await;
        let (_, other) = bed.taken("piet@example.nl").await;
        let view = bed.view(&first).await;
        let set = async |change: &Change| bed.store.change_contact(view.grant.contact, change).await.unwrap();
        assert_eq!(set(&sms("+31612345678")).await, Some(0), "the first notices wait still");
        assert_eq!(notices(&bed).await.len(), 3);
        bed.store.open_session(&bed.view(&second).await, net(1), &bed.cookie()).await.unwrap();
        assert_eq!(set(&sms("+31687654321")).await, Some(1), "what was opened needs none");
        assert_eq!(set(&sms("+31612345678")).await, Some(0), "that one waits still");
        let fresh = notices(&bed).await;
        assert_eq!(fresh.len(), 1);
        assert_eq!(fresh[0].0, view.id);
        assert!(fresh[0].1 != first);
        for link in [&first, &fresh[0].1] {
            assert_eq!(bed.view(link).await.id, view.id, "both links lead to it");
        }
        assert!(bed.view(&first).await.grant.is_further(&fresh[0].1.hash(bed.store.keys())));
        assert_eq!(set(&digits(&bed)).await, Some(1), "another kind of code");
        notices(&bed).await;
        assert_eq!(set(&digits(&bed)).await, Some(0), "a new access code comes from the sender");
        assert_eq!(set(&Change { name: Some("Jan".to_owned()), ..Change::default() }).await, Some(0));
        assert_eq!(bed.view(&other).await.contact.generation, 1);
        let report = bed.store.check(false, std::sync::Arc::default()).await.unwrap();
        assert!(report.counts.keys().all(|damage| *damage == Damage::Body), "{report:?}");
    }

    async fn who_asked_for_another_number_hears_of_it_and_may_ask_again(bed) {
        let (_, link) = bed.taken("jan@example.nl").await;
        let view = bed.view(&link).await;
        bed.store.change_contact(view.grant.contact, &sms("+31612345678")).await.unwrap();
        notices(&bed).await;
        bed.store.open_session(&bed.view(&link).await, net(1), &bed.cookie()).await.unwrap();
        assert!(bed.store.ask_sender(view.id, Wish::OtherNumber).await.unwrap());
        assert!(!bed.store.ask_sender(view.id, Wish::OtherNumber).await.unwrap());
        assert_eq!(bed.store.change_contact(view.grant.contact, &sms("+31687654321")).await.unwrap(), Some(1));
        assert!(bed.store.ask_sender(view.id, Wish::OtherNumber).await.unwrap(), "the new one may be wrong too");
    }

    async fn links_have_an_end(bed) {
        let (_, link) = bed.taken("jan@example.nl").await;
        let view = bed.view(&link).await;
        let mut made = 0;
        for number in 0..20 {
            notices(&bed).await;
            let change = sms(&format!("+316123456{number:02}"));
            made += bed.store.change_contact(view.grant.contact, &change).await.unwrap().unwrap();
        }
        assert_eq!(made, 8);
        bed.pass(90 * 24 * 3600);
        assert_eq!(bed.store.change_contact(view.grant.contact, &digits(&bed)).await.unwrap(), Some(0));
    }

    async fn all_links_of_what_is_gone_say_so_and_go(bed) {
        let (id, first) = bed.taken("jan@example.nl").await;
        let view = bed.view(&first).await;
        notices(&bed).await;
        bed.store.change_contact(view.grant.contact, &sms("+31612345678")).await.unwrap();
        let fresh = notices(&bed).await.pop().unwrap().1;
        let retention = bed.retention();
        assert!(matches!(retention.recall(id, None).await.unwrap(), Recall::Done { .. }));
        for link in [&first, &fresh] {
            assert!(matches!(bed.store.link(link).await.unwrap(), Link::Ended(Ending::Recalled)));
        }
        bed.pass(ENDED_LINKS.as_secs() + 1);
        retention.round().await.unwrap();
        assert!(bed.places(crate::store::engine::Space::GrantIndex).await.is_empty());
    }
}
