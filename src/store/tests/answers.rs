//! Answers and drafts: sent once, found again, gone with their message, and never on the disk in clear.

use std::sync::Arc;
use std::time::Duration;

use super::bed::{Bed, LIMITS, net, on_each_engine};
use super::folder::files;
use super::secrecy::contains;
use crate::base::{MessageId, SeededEntropy};
use crate::seal::body::Sealer;
use crate::seal::token::LinkToken;
use crate::store::StoreError;
use crate::store::answers::{AnswerView, Begun, FileName, Letterbox, Limits, NewFile, Saved, Sent};
use crate::store::check::Damage;
use crate::store::engine::Space;
use crate::store::jobs::JobEnd;
use crate::store::proof::OpenSession;
use crate::store::records::{JobKind, LeasedJob};

const OF_ANSWERS: [Space; 4] = [Space::Answer, Space::Piece, Space::AnswerEnd, Space::AnswerAddress];

fn limits() -> Limits {
    Limits::default()
}

fn id(seed: u64) -> MessageId {
    MessageId::random(&SeededEntropy::new(seed))
}

async fn opened(bed: &Bed, link: &LinkToken) -> OpenSession {
    let view = bed.view(link).await;
    let cookie = bed.cookie();
    bed.try_from(&view, 1).await;
    bed.store.open_session(&view, net(1), &cookie).await.unwrap();
    bed.store.session(&cookie, &LIMITS).await.unwrap().unwrap()
}

async fn begun(bed: &Bed, open: &OpenSession, id: MessageId) -> AnswerView {
    match bed.store.draft(open, id, &limits()).await.unwrap() {
        Begun::Draft(view) => *view,
        other => panic!("{other:?}"),
    }
}

/// A draft with a text and a file of this many bytes.
async fn written(bed: &Bed, open: &OpenSession, id: MessageId, size: usize) {
    let view = begun(bed, open, id).await;
    assert_eq!(bed.store.save_text(open, id, "canary-text", &limits()).await, Ok(Saved::Done));
    let (piece, mut body) = bed.store.new_file(&limits()).unwrap().unwrap();
    let mut out = Vec::new();
    let mut sealer = Sealer::new(&view.key, piece, &*bed.entropy, &mut out);
    sealer.push(&b"canary-file".repeat(size / 11 + 1), &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    body.write(&out).await.unwrap();
    let body = body.finish().await.unwrap();
    let name = FileName { name: "canary-name.pdf".to_owned(), kind: "application/pdf".to_owned() };
    let file = NewFile { name, plain_len: size as u64, body };
    assert_eq!(bed.store.add_file(open, id, file, &limits()).await, Ok(Saved::Done));
}

async fn send(bed: &Bed, open: &OpenSession, id: MessageId) -> Sent {
    let letterbox = Letterbox { subject: "canary-subject".to_owned(), ..Letterbox::default() };
    bed.store.send_answer(open, id, &letterbox, &limits()).await.unwrap()
}

/// The jobs about answers that are due.
async fn jobs(bed: &Bed) -> Vec<LeasedJob> {
    let mut found = Vec::new();
    for job in bed.store.lease_due(bed.now(), 100).await.unwrap() {
        match job.job.kind {
            JobKind::Answer { .. } | JobKind::AnswerUndeliverable { .. } => found.push(job),
            _ => bed.store.finish_job(job.id, JobEnd::Done).await.unwrap(),
        }
    }
    found
}

/// Everything is whole but for the message's own body, which is a stand-in here.
async fn assert_sound(bed: &Bed) {
    let mut findings = bed.store.check(false, Arc::default()).await.unwrap().findings;
    findings.retain(|finding| finding.damage != Damage::Body || finding.why != "unknown format or version");
    assert!(findings.is_empty(), "{findings:?}");
}

async fn left(bed: &Bed) -> Vec<Space> {
    let mut left = Vec::new();
    for space in OF_ANSWERS {
        if !bed.places(space).await.is_empty() {
            left.push(space);
        }
    }
    left
}

on_each_engine! {
    async fn a_draft_becomes_an_answer_once(mut bed) {
        let (_, link) = bed.taken("jan@example.nl").await;
        let open = opened(&bed, &link).await;
        written(&bed, &open, id(1), 200_000).await;
        assert_eq!(bed.store.draft_bytes(), 200_000);
        bed.restart().await;
        let open = opened(&bed, &link).await;
        assert_eq!(bed.store.draft_bytes(), 200_000, "counted again at start");
        let found = bed.store.answers(&open).await.unwrap().draft.unwrap();
        assert_eq!((found.id, found.letter.text.as_str(), found.letter.files.len()), (id(1), "canary-text", 1));
        assert!(matches!(bed.store.draft(&open, id(2), &limits()).await, Ok(Begun::Other(_))), "one at a time");

        assert_eq!(send(&bed, &open, id(1)).await, Sent::Now);
        assert_eq!(send(&bed, &open, id(1)).await, Sent::Before);
        assert_eq!(bed.store.save_text(&open, id(1), "later", &limits()).await, Ok(Saved::Sent));
        assert_eq!(bed.store.discard_draft(&open, id(1)).await, Ok(Saved::Sent));
        let jobs = jobs(&bed).await;
        assert_eq!(jobs.len(), 1);
        let view = bed.store.answers(&open).await.unwrap().sent.remove(0);
        let by_job = bed.store.answer_by((open.view.grant.conversation, id(1)), jobs[0].secret.as_ref().unwrap()).await;
        assert_eq!(by_job.unwrap().unwrap().letter, view.letter);
        assert!(bed.store.piece(&view.answer.pieces[0]).await.unwrap().is_some());
        let token = view.letter.thread.as_ref().unwrap().token;
        assert_eq!(bed.store.conversation_at(&token).await, Ok(Some(open.view.grant.conversation)));
        bed.store.finish_job(jobs[0].id, JobEnd::Done).await.unwrap();
        assert_sound(&bed).await;
    }

    async fn an_answer_goes_with_its_message_and_is_still_delivered(bed) {
        let (message, link) = bed.taken("jan@example.nl").await;
        let open = opened(&bed, &link).await;
        written(&bed, &open, id(1), 200_000).await;
        send(&bed, &open, id(1)).await;
        written(&bed, &open, id(2), 200_000).await;
        let retention = bed.retention();
        retention.recall(message, None).await.unwrap();
        assert!(bed.places(Space::ContentKey).await.is_empty(), "nothing is read here any more");
        assert_eq!(bed.store.draft_bytes(), 0, "the draft is gone");
        let jobs = jobs(&bed).await;
        let view = bed.store.answer_by((open.view.grant.conversation, id(1)), jobs[0].secret.as_ref().unwrap()).await;
        let view = view.unwrap().expect("what was acknowledged is delivered");
        assert!(bed.store.piece(&view.answer.pieces[0]).await.unwrap().is_some());
        assert_sound(&bed).await;
        bed.store.finish_job(jobs[0].id, JobEnd::Done).await.unwrap();
        assert!(bed.places(Space::JobSecret).await.is_empty(), "its last key");
        bed.pass(41 * 24 * 3600);
        retention.round().await.unwrap();
        assert_eq!(left(&bed).await, []);
        assert!(bed.store.inner.engine.bodies().await.unwrap().is_empty());
    }

    async fn a_delivered_answer_and_an_erased_one_leave_nothing(bed) {
        for erase in [false, true] {
            let (message, link) = bed.taken("jan@example.nl").await;
            let open = opened(&bed, &link).await;
            written(&bed, &open, id(1), 200_000).await;
            send(&bed, &open, id(1)).await;
            if erase {
                let address: crate::mail::Address = "jan@example.nl".parse().unwrap();
                bed.retention().erase(&address.key()).await.unwrap();
            } else {
                let jobs = jobs(&bed).await;
                bed.store.finish_job(jobs[0].id, JobEnd::Done).await.unwrap();
                bed.retention().recall(message, None).await.unwrap();
            }
            assert_eq!(left(&bed).await, [], "erased: {erase}");
            assert!(jobs(&bed).await.is_empty());
            assert!(bed.store.inner.engine.bodies().await.unwrap().is_empty());
        }
    }

    async fn a_draft_goes_when_nobody_comes_back_to_it(bed) {
        let (_, link) = bed.taken("jan@example.nl").await;
        let open = opened(&bed, &link).await;
        written(&bed, &open, id(1), 200_000).await;
        bed.pass(29 * 24 * 3600);
        assert_eq!(bed.store.save_text(&open, id(1), "once more", &limits()).await, Ok(Saved::Done));
        let retention = bed.retention();
        bed.pass(29 * 24 * 3600);
        retention.round().await.unwrap();
        assert!(bed.store.answers(&open).await.unwrap().draft.is_some());
        bed.pass(2 * 24 * 3600);
        retention.round().await.unwrap();
        assert_eq!(left(&bed).await, []);
        assert_eq!((bed.store.draft_bytes(), bed.places(Space::ContentKey).await.len()), (0, 1));
    }

    async fn an_answer_that_does_not_arrive_goes_to_another_mailbox_and_its_writer_is_told(bed) {
        let (_, link) = bed.taken("jan@example.nl").await;
        let open = opened(&bed, &link).await;
        written(&bed, &open, id(1), 10).await;
        send(&bed, &open, id(1)).await;
        let conversation = open.view.grant.conversation;
        let first = jobs(&bed).await.remove(0);
        let instead = bed.job(JobKind::Answer { conversation, answer: id(1), fallback: true }, None);
        bed.store.finish_job(first.id, JobEnd::GiveUp("550 no".to_owned(), Some(instead))).await.unwrap();
        let second = jobs(&bed).await.remove(0);
        assert_eq!(second.secret, first.secret, "with its key");
        bed.store.finish_job(second.id, JobEnd::Done).await.unwrap();
        let told = jobs(&bed).await;
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].job.kind, JobKind::AnswerUndeliverable { conversation, answer: id(1), lost: false });
        assert_eq!(told[0].secret, first.secret);
        let answer = bed.store.answers(&open).await.unwrap().sent.remove(0).answer;
        assert!(answer.delivered.is_some() && answer.failed.is_some());
    }

    /// Delivered and come back, and then the fallback refuses it, or takes it and its copy comes back: nobody has it, and that is shown and told, once.
    async fn an_answer_that_no_mailbox_took_is_lost(bed) {
        for (number, to) in [(1, "jan@example.nl"), (2, "piet@example.nl")] {
            let comes_back = number == 2;
            let (_, link) = bed.taken(to).await;
            let open = opened(&bed, &link).await;
            written(&bed, &open, id(number), 10).await;
            send(&bed, &open, id(number)).await;
            let conversation = open.view.grant.conversation;
            let lost = JobKind::AnswerUndeliverable { conversation, answer: id(number), lost: true };
            assert!(!bed.store.answer_bounced(id(number), false).await.unwrap(), "it has not left yet");
            bed.store.finish_job(jobs(&bed).await.remove(0).id, JobEnd::Done).await.unwrap();
            assert!(!bed.store.answer_bounced(id(number), true).await.unwrap(), "there is no copy");
            assert!(bed.store.answer_bounced(id(number), false).await.unwrap());
            assert!(!bed.store.answer_bounced(id(number), false).await.unwrap());
            let copy = jobs(&bed).await.remove(0);
            assert_eq!(copy.job.kind, JobKind::Answer { conversation, answer: id(number), fallback: true });
            if comes_back {
                bed.store.finish_job(copy.id, JobEnd::Done).await.unwrap();
                assert!(bed.store.answer_bounced(id(number), true).await.unwrap());
                assert!(!bed.store.answer_bounced(id(number), true).await.unwrap());
            } else {
                let tell = bed.job(lost.clone(), None);
                bed.store.finish_job(copy.id, JobEnd::GiveUp("550 no".to_owned(), Some(tell))).await.unwrap();
            }
            assert_eq!(jobs(&bed).await.iter().filter(|job| job.job.kind == lost).count(), 1);
            let answer = bed.store.answers(&open).await.unwrap().sent.remove(0).answer;
            assert!(answer.delivered.is_none() && answer.failed.is_some());
            assert_eq!(bed.store.lost_answers(), number);
        }
    }
}

#[tokio::test]
async fn no_file_shows_an_answer() {
    let bed = Bed::local().await;
    let (message, link) = bed.taken("jan@example.nl").await;
    let open = opened(&bed, &link).await;
    for (seed, size) in [(1, 100), (2, 200_000)] {
        written(&bed, &open, id(seed), size).await;
        send(&bed, &open, id(seed)).await;
    }
    written(&bed, &open, id(3), 200_000).await;
    for recalled in [false, true] {
        if recalled {
            bed.retention().recall(message, None).await.unwrap();
        }
        for file in files(bed.folder.as_ref().unwrap().path()) {
            assert!(!contains(&std::fs::read(&file).unwrap(), b"canary-"), "{}", file.display());
        }
    }
    assert!(Duration::ZERO < limits().draft);
}

/// Nobody but its reader opens it, and its checksum tells: to the check, to a backup, and whose it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_an_answer_that_rots_is_found_and_its_copy_stays() {
    let bed = Bed::local().await;
    let (message, link) = bed.taken("jan@example.nl").await;
    let open = opened(&bed, &link).await;
    written(&bed, &open, id(1), 200_000).await;
    assert_eq!(send(&bed, &open, id(1)).await, Sent::Now);
    let piece = bed.store.answers(&open).await.unwrap().sent.remove(0).answer.pieces[0];
    let name = format!("bodies/{}/{}", &piece.id.to_string()[..1], piece.id);
    let path = bed.folder.as_ref().unwrap().path().join(&name);
    let whole = std::fs::read(&path).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let back_up = async |dir: &std::path::Path| bed.store.backup(dir.to_owned(), true, Arc::default()).await.unwrap();
    assert!(back_up(dir.path()).await.unreadable.is_empty());
    let found = async || {
        let mut findings = bed.store.check(false, Arc::default()).await.unwrap().findings;
        findings.retain(|finding| finding.damage != Damage::Body || finding.why != "unknown format or version");
        findings
    };
    assert_eq!(found().await, []);
    let middle = whole.len() / 2;
    for at in [0, 1, 40, middle, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x20;
        std::fs::write(&path, &flipped).unwrap();
        let findings = found().await;
        let [finding] = findings.as_slice() else { panic!("byte {at}: {findings:?}") };
        assert_eq!((finding.damage, finding.place.as_str()), (Damage::Body, format!("body {}", piece.id).as_str()));
        assert_eq!(finding.whom.as_ref().unwrap().message, message.to_string(), "byte {at}");
    }
    std::fs::write(&path, &whole[..middle]).unwrap();
    assert!(matches!(bed.store.piece(&piece).await, Err(StoreError::Damaged(_))), "no byte of it is served");
    assert_eq!(found().await.len(), 1);
    for bytes in [&whole[..middle], &[&[9], &whole[1..]].concat()] {
        std::fs::write(&path, bytes).unwrap();
        let late = tempfile::tempdir().unwrap();
        let report = back_up(late.path()).await;
        assert_eq!((report.unreadable, report.kept), (vec![name.clone()], vec![]), "no copy is whole");
        let report = back_up(dir.path()).await;
        assert_eq!((report.unreadable, report.kept), (vec![name.clone()], vec![name.clone()]));
        assert_eq!(report.messages[0].message, message.to_string());
    }
    assert_eq!(std::fs::read(dir.path().join(&name)).unwrap(), whole);
}
