//! What the engine, and with it the disk, gets to see.

use secrecy::ExposeSecret;

use super::bed::{Bed, net, on_each_engine};
use crate::store::engine::Space;
use crate::store::jobs::JobEnd;
use crate::store::records::JobKind;
use crate::store::{StoreError, places};

/// Everything that a mail, its code, its link and its session put into the store, as bytes that must not be found there.
pub(super) async fn live(bed: &Bed) -> Vec<(&'static str, Vec<u8>)> {
    let (mut mail, tokens) = bed.mail(&["canary-recipient@example.nl"], 100).await;
    mail.deliveries[0].conversation.sender.name = "canary-name".to_owned();
    mail.deliveries[0].repeat_key = Some([3; 32]);
    let content_key = mail.content_key.0.expose().to_vec();
    let prepared = bed.store.prepare(mail).await.unwrap().unwrap();
    bed.store.commit_prepared(prepared).await.unwrap();
    let (other, _) = bed.mail(&["canary-prepared@example.nl"], 100).await;
    bed.store.prepare(other).await.unwrap().unwrap();
    let view = bed.view(&tokens[0]).await;
    let cookie = bed.cookie();
    bed.try_from(&view, 1).await;
    bed.store.open_session(&view, net(1), &cookie).await.unwrap();
    for job in bed.store.lease_due(bed.now(), 1).await.unwrap() {
        bed.store.finish_job(job.id, JobEnd::Retry(bed.now(), "canary-answer".to_owned())).await.unwrap();
    }
    vec![
        ("recipient", b"canary-recipient".to_vec()),
        ("prepared recipient", b"canary-prepared".to_vec()),
        ("domain", b"example.nl".to_vec()),
        ("sender", b"Zorg.example".to_vec()),
        ("sender in lower case", b"zorg.example".to_vec()),
        ("name", b"canary-name".to_vec()),
        ("subject", b"canary-subject".to_vec()),
        ("manifest", b"canary-manifest".to_vec()),
        ("answer", b"canary-answer".to_vec()),
        ("reason", b"[veilig]".to_vec()),
        ("reference", b"K7QF-2M9D".to_vec()),
        ("code", b"87654321".to_vec()),
        ("link", tokens[0].secret().expose().to_vec()),
        ("link in text", tokens[0].to_text().expose_secret().as_bytes().to_vec()),
        ("cookie in text", cookie.to_text().expose_secret().as_bytes().to_vec()),
        ("content key", content_key),
        ("pepper", bed.store.keys().pepper.expose().to_vec()),
    ]
}

pub(super) fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

on_each_engine! {
    async fn no_key_or_value_shows_a_person_a_subject_or_a_secret(bed) {
        let canaries = live(&bed).await;
        let all = bed.raw().await;
        assert!(all.len() > 25, "there is something to look at: {}", all.len());
        for (place, value) in &all {
            for (name, canary) in &canaries {
                assert!(!contains(&place.bytes, canary), "{name} in a key of {:?}", place.space);
                assert!(!contains(value, canary), "{name} in a value of {:?}", place.space);
            }
        }
    }

    async fn equal_records_do_not_look_equal(bed) {
        bed.taken("jan@example.nl").await;
        bed.taken("jan@example.nl").await;
        let all = bed.raw().await;
        let values: std::collections::BTreeSet<_> =
            all.iter().filter(|(place, _)| place.space != Space::Body).map(|(_, value)| value).collect();
        let records = all.keys().filter(|place| place.space != Space::Body).count();
        assert_eq!(values.len(), records);
    }

    async fn a_value_moved_to_another_place_does_not_open(bed) {
        let (id, _) = bed.taken("jan@example.nl").await;
        let (other, _) = bed.taken("piet@example.nl").await;
        let value = bed.raw().await.remove(&places::message(other)).unwrap();
        bed.overwrite(places::message(id), &value).await;
        let error = bed.store.message(id).await.unwrap_err();
        let StoreError::Damaged(text) = &error else { panic!("{error:?}") };
        assert!(text.contains("Message") && !text.contains('@'), "{text}");
    }

    async fn what_a_job_needs_in_clear_has_a_key_of_its_own(bed) {
        bed.taken("jan@example.nl").await;
        let place = bed.places(Space::JobSecret).await.remove(0);
        let value = bed.raw().await.remove(&place).unwrap();
        let open = |key| crate::seal::record::open(key, place.space as u8, &place.bytes, &value);
        assert!(open(&bed.store.keys().records).is_err());
        assert!(open(&bed.store.keys().jobs).is_ok());
    }

    async fn secrets_of_a_job_go_with_its_end(bed) {
        let (_, token) = bed.taken("jan@example.nl").await;
        let view = bed.view(&token).await;
        for job in bed.store.lease_due(bed.now(), 10).await.unwrap() {
            let end = match job.job.kind {
                JobKind::Notice { .. } => JobEnd::Done,
                _ => JobEnd::GiveUp(String::new(), None),
            };
            bed.store.finish_job(job.id, end).await.unwrap();
        }
        assert!(bed.places(Space::JobSecret).await.is_empty());
        assert!(bed.store.verifier(view.grant.contact).await.unwrap().is_some());
    }

    async fn a_newer_schema_is_refused_and_this_one_written(mut bed) {
        bed.restart().await;
        let schema = places::schema();
        assert_eq!(bed.store.inner.read::<u32>(&schema).await.unwrap().unwrap().record, 1);
        let mut draft = bed.store.inner.draft();
        draft.put(schema, &2_u32).unwrap();
        assert!(draft.commit().await.unwrap());
        let refused = bed.store.begin(&mut crate::store::OpenReport::default()).await.unwrap_err();
        assert!(matches!(refused, crate::store::OpenError::Newer(2)), "{refused:?}");
    }

    async fn a_closed_store_says_so(bed) {
        let (_, token) = bed.taken("jan@example.nl").await;
        assert_eq!(bed.store.health(), crate::store::Health::Ready);
        let (mail, _) = bed.mail(&["jan@example.nl"], 100).await;
        bed.store.close().await;
        assert_eq!(bed.store.health(), crate::store::Health::Closed);
        assert!(matches!(bed.store.grant(&token).await, Err(StoreError::NotReady(_))));
        assert!(matches!(bed.store.take(mail).await, Err(StoreError::NotReady(_))));
    }
}
