//! Delivery reports of SMS providers: who may report, what changes, and that nothing else is told.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use zegel::base::{ChallengeId, Clock, GrantId, JobId};
use zegel::seal::token::LinkToken;
use zegel::sms::{Path, ReportSettings, Reports};
use zegel::store::dispatch::{DispatchEnd, Refusal, Stage};
use zegel::store::intake::NewJob;
use zegel::store::jobs::JobEnd;
use zegel::store::records::{JobKind, JobSecret};

use crate::routes::assert_headers;
use crate::site::{Answer, Site, request, settings, site_with};

const SECRET: &str = "geheim-geheim-geheim";

fn reports() -> Reports {
    Reports::new(vec![ReportSettings {
        provider: "een".to_owned(),
        secret: SECRET.to_owned().into(),
        reference: Path::parse("reference").unwrap(),
        status: Path::parse("status").unwrap(),
        delivered: vec!["delivered".to_owned()],
        failed: vec!["failed".to_owned()],
    }])
}

/// A link whose SMS was taken by the provider, and what the provider calls it by.
async fn texted(site: &Site) -> (GrantId, String) {
    let link = site.seal_text("jan@else.example", "Dag").await;
    let token = link.path.strip_prefix("/b/").and_then(LinkToken::parse).unwrap();
    let grant = site.store.grant(&token).await.unwrap().unwrap().id;
    let mut sms = Some(NewJob {
        id: JobId([5; 16]),
        kind: JobKind::Sms { grant, challenge: ChallengeId([6; 16]), expires: site.clock.now() },
        secret: Some(JobSecret::number("+31612345678".to_owned())),
        due: site.clock.now(),
    });
    // The store makes one job from another; a mail to somebody else brings that other.
    site.mail("piet@else.example").await;
    for job in site.store.lease_due(site.clock.now(), 100).await.unwrap() {
        let end = if matches!(job.job.kind, JobKind::Notice { .. }) {
            JobEnd::GiveUp(String::new(), sms.take())
        } else {
            JobEnd::Done
        };
        site.store.finish_job(job.id, end).await.unwrap();
    }
    assert_eq!(site.store.lease_due(site.clock.now(), 100).await.unwrap().len(), 1);
    site.store.begin_dispatch(JobId([5; 16])).await.unwrap();
    let end = DispatchEnd { stage: Stage::Taken, provider: "een".to_owned(), id: "7".to_owned() };
    site.store.finish_job(JobId([5; 16]), JobEnd::Dispatched(end)).await.unwrap();
    (grant, site.store.sms_reference(grant, JobId([5; 16])))
}

async fn stage(site: &Site, grant: GrantId) -> Stage {
    site.store.dispatch(grant).await.unwrap().unwrap().stage
}

async fn send(site: &Site, method: Method, path: &str, body: &str) -> Answer {
    site.ask(request(method, path).body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn a_report_changes_the_state_and_hears_nothing() {
    let site = site_with(zegel::web::Settings { sms_reports: reports(), ..settings() });
    let (grant, reference) = texted(&site).await;
    let place = format!("/sms/een/{SECRET}");
    let query = format!("{place}?reference={reference}");
    let failed = format!("{place}?reference={reference}&status=failed");
    // A look, an SMS on its way, one that is not ours, rubbish: nothing changes.
    for (method, path, body) in [
        (Method::HEAD, failed.as_str(), ""),
        (Method::GET, place.as_str(), ""),
        (Method::GET, &format!("{query}&status=sent"), ""),
        (Method::POST, &place, "reference=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&status=failed"),
        (Method::POST, &place, "%%%&&&===\u{0}"),
        (Method::POST, &place, "{\"reference\":[1],\"status\":{}}"),
        (Method::POST, &place, &"[".repeat(10_000)),
    ] {
        let answer = send(&site, method.clone(), path, body).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::NO_CONTENT, 0), "{method} {path} {body}");
        assert_headers(path, &answer);
        assert_eq!(stage(&site, grant).await, Stage::Taken, "{method} {path} {body}");
    }
    assert_eq!(send(&site, Method::GET, &failed, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(stage(&site, grant).await, Stage::Failed(Refusal::Undelivered));
    let told = site.store.jobs(10).await.unwrap();
    let told: Vec<_> = told.into_iter().map(|(_, job)| job.kind).collect();
    assert_eq!(told, [JobKind::OneTimeFailed { grant, why: Refusal::Undelivered }], "the sender hears of it");
    let json = format!("{{\"status\":\"delivered\",\"reference\":\"{reference}\"}}");
    assert_eq!(send(&site, Method::POST, &place, &json).await.status, StatusCode::NO_CONTENT);
    assert_eq!(stage(&site, grant).await, Stage::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_learns_and_changes_nothing() {
    let site = site_with(zegel::web::Settings { sms_reports: reports(), ..settings() });
    let (grant, reference) = texted(&site).await;
    let nowhere = send(&site, Method::GET, "/nergens", "").await;
    for path in [
        "/sms/een/geheim-geheim-geheiM".to_owned(),
        format!("/sms/twee/{SECRET}"),
        format!("/sms/een/{SECRET}x"),
        "/sms/een/%00%ff".to_owned(),
    ] {
        let path = format!("{path}?status=delivered&reference={reference}");
        for method in [Method::GET, Method::POST] {
            let answer = send(&site, method, &path, "").await;
            assert!(answer.status.is_client_error(), "{path}");
            if !path.contains('%') {
                assert_eq!((answer.status, &answer.body), (nowhere.status, &nowhere.body), "{path}");
            }
            assert!(!answer.text().contains(SECRET));
        }
    }
    assert_eq!(stage(&site, grant).await, Stage::Taken);
    let large = send(&site, Method::POST, &format!("/sms/een/{SECRET}"), &"x".repeat(20_000)).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
}
