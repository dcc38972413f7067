//! A code by mail, where a rule names it: what people do, what goes wrong, and what scanners and guessers do.

use std::time::Duration;

use axum::http::StatusCode;
use zegel::base::Clock;
use zegel::policy::{Level, Proof};
use zegel::seal::one_time::OneTimeCode;
use zegel::store::dispatch::{DispatchEnd, Refusal, Stage};
use zegel::store::jobs::JobEnd;
use zegel::store::records::{JobKind, Wish};
use zegel::web::Settings;

use crate::routes::assert_headers;
use crate::site::{Link, Site, form, settings, site_with};
use crate::sms::{other, press, token_of};

const HEADER: &str = "From: Anna Jansen <a.jansen@zorg.example>\r\nSubject: Nieuwsbrief\r\n";

/// Where a rule names codes by mail.
fn site() -> Site {
    Site { level: Level::Mail, ..site_with(settings()) }
}

async fn sealed(site: &Site, to: &str) -> Link {
    site.seal(to, HEADER, b"Dag").await
}

/// The codes that were mailed since. The jobs are done then, with this end.
async fn mailbox_ended(site: &Site, end: impl Fn() -> JobEnd) -> Vec<String> {
    let mut codes = Vec::new();
    for job in site.store.lease_due(site.clock.now(), 100).await.unwrap() {
        if let JobKind::OneTimeMail { challenge, .. } = job.job.kind {
            codes.push(OneTimeCode::of(site.store.keys(), challenge).expose().to_owned());
            site.store.begin_dispatch(job.id).await.unwrap();
            site.store.finish_job(job.id, end()).await.unwrap();
        } else {
            site.store.finish_job(job.id, JobEnd::Done).await.unwrap();
        }
    }
    codes
}

async fn mailbox(site: &Site) -> Vec<String> {
    mailbox_ended(site, || ended(Stage::Taken)).await
}

fn ended(stage: Stage) -> JobEnd {
    JobEnd::Dispatched(DispatchEnd { stage, provider: String::new(), id: String::new() })
}

/// Presses and reads the mailbox.
async fn code(site: &Site, link: &Link) -> String {
    let answer = press(site, link).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, link.path.as_str()));
    mailbox(site).await.pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn asked_for_on_the_page_typed_from_the_mailbox() {
    let site = site();
    let link = sealed(&site, "jan.devries@else.example").await;
    assert!(link.code.is_empty(), "no access code is made");
    let before = site.store.counts().commits;
    let first = site.get(&link.path).await;
    assert_headers("page 1", &first);
    let text = first.text();
    for expected in [
        "Anna Jansen heeft u",
        "6 cijfers naar j•••••s@else.example.",
        "Stuur mij de code",
        "Wie uw e-mail kan lezen, kan ook dit bericht openen.",
        "Vraag om een toegangscode",
        "Krijgt u geen e-mail met de code?",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    for hidden in ["one-time-code", "jan.devries", "sms", "telefoonnummer"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
    assert_eq!((site.store.counts().commits, mailbox(&site).await.len()), (before, 0), "looking sends nothing");

    let code = code(&site, &link).await;
    let field = site.get(&link.path).await;
    assert_headers("sms field", &field);
    let field = field.text();
    for expected in
        ["autocomplete=\"one-time-code\"", "inputmode=\"numeric\"", "tot 10:14 uur", "Geen e-mail ontvangen?", "(spam)"]
    {
        assert!(field.contains(expected), "{expected} in {field}");
    }
    assert!(!field.contains("sms") && !field.contains("jan.devries"), "{field}");
    let opened = site.try_code(&link, &format!("%20{}-{}+", &code[..3], &code[3..])).await;
    assert_eq!((opened.status, opened.header("location")), (StatusCode::SEE_OTHER, "/bericht"));
    let cookie = opened.cookie();
    assert!(site.read("/bericht", &cookie).await.text().contains("Nieuwsbrief"));
    // Used up: also for who has the page open elsewhere.
    let again = site.get(&link.path).await.text();
    assert!(again.contains("Stuur mij de code") && !again.contains("one-time-code"));
    let token = token_of(&again, &format!("{}/stuur-code", link.path));
    let open = site.ask(form(&link.path, &format!("pagina={token}&code={code}"))).await;
    assert_eq!((open.status, open.header("set-cookie")), (StatusCode::BAD_REQUEST, ""), "that token is for sending");
    assert_eq!(site.read("/bericht", &cookie).await.status, StatusCode::OK, "who came in stays in");
}

#[tokio::test(start_paused = true)]
async fn late_repeated_mistyped_and_foreign_codes() {
    let site = site();
    let link = sealed(&site, "jan@else.example").await;
    let neighbour = sealed(&site, "piet@else.example").await;
    let (first, theirs) = (code(&site, &link).await, code(&site, &neighbour).await);
    for (typed, says) in [
        ("", "Vul de code uit de e-mail in."),
        ("12345", "De code heeft 6 cijfers."),
        ("1234567", "De code heeft 6 cijfers."),
    ] {
        let answer = site.try_code(&link, typed).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.text().contains(says) && answer.text().contains("role=\"alert\""), "{}", answer.text());
    }
    let answer = site.try_code(&link, &theirs).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "of another link");
    assert!(answer.text().contains("Deze code klopt niet.") && answer.text().contains("nog 4 keer"));
    let again = press(&site, &link).await;
    assert_eq!(again.status, StatusCode::TOO_MANY_REQUESTS, "within a minute");
    assert!(again.text().contains("Wij hebben net een e-mail gestuurd."), "{}", again.text());
    let seconds: u64 = again.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds) && again.text().contains(&format!("Over {seconds} seconde")));
    site.clock.advance(Duration::from_mins(1));
    assert_eq!(code(&site, &link).await, first, "the same code again");
    site.clock.advance(Duration::from_secs(595));
    let late = site.try_code(&link, &first).await;
    assert!(late.status == StatusCode::FORBIDDEN && late.text().contains("Deze code is verlopen."), "{}", late.text());
    let new = code(&site, &link).await;
    assert_ne!(new, first);
    assert_eq!(site.try_code(&link, &new).await.status, StatusCode::SEE_OTHER);
    let used = site.get(&link.path).await.text();
    assert!(used.contains("Stuur mij de code"));
}

#[tokio::test]
async fn a_hundred_guesses_at_once_get_five_comparisons() {
    let site = site();
    let link = sealed(&site, "jan@else.example").await;
    let right = code(&site, &link).await;
    let token = site.get(&link.path).await.page_token();
    site.clock.advance(Duration::from_secs(5));
    let guess = format!("pagina={token}&code={}", other(&right));
    let tries = (0..100_u8).map(|n| site.ask_from([203, 0, n, 7], form(&link.path, &guess)));
    let answers = futures_util::future::join_all(tries).await;
    let compared = answers.iter().filter(|answer| answer.text().contains("Deze code klopt niet.")).count();
    assert_eq!(compared, 4, "the fifth says that the code is spent");
    let late = site.ask(form(&link.path, &format!("pagina={token}&code={right}"))).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN, "also the right one");
}

/// A scanner that opens the link, presses every button of every page it leads to, and does it all again.
#[tokio::test]
async fn a_scanner_that_submits_every_form_sets_off_one_code_and_one_mail_of_each_kind() {
    let site = site();
    let link = sealed(&site, "jan@else.example").await;
    for round in 0..3 {
        for page in ["", "/geen-code", "/nummer", "/anders"] {
            let text = site.get(&format!("{}{page}", link.path)).await.text();
            site.clock.advance(Duration::from_secs(3));
            for found in text.split("<form ").skip(1) {
                let action = found.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
                let Some((_, token)) = found.split_once("name=\"pagina\" value=\"") else { continue };
                let token = token.split('"').next().unwrap();
                let answer = site.ask(form(action, &format!("pagina={token}&code="))).await;
                assert_ne!(answer.header("location"), "/bericht", "nothing opens");
                assert!(!answer.text().contains("U kunt het nog"), "no try is counted");
            }
        }
        let jobs = site.store.jobs(1000).await.unwrap();
        let asked = jobs.iter().filter(|(_, job)| matches!(job.kind, JobKind::Asked { .. })).count();
        assert_eq!((mailbox(&site).await.len(), asked), if round == 0 { (1, 2) } else { (0, 0) }, "round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn three_an_hour_for_a_mailbox_and_an_honest_page_at_the_ceiling() {
    let site = site();
    let link = sealed(&site, "jan@else.example").await;
    for _ in 0..3 {
        assert_eq!(press(&site, &link).await.status, StatusCode::SEE_OTHER);
        site.clock.advance(Duration::from_mins(1));
    }
    let full = press(&site, &link).await;
    assert_eq!(full.status, StatusCode::TOO_MANY_REQUESTS);
    let text = full.text();
    assert!(text.contains("U heeft al vaak een code gevraagd.") && text.contains("vanaf 11:04 uur"), "{text}");
    assert!(text.contains("one-time-code"), "the code that lives can still be typed");
    assert_eq!(mailbox(&site).await.len(), 3);
    // The mailbox is full for its other messages too.
    let second = sealed(&site, "jan@else.example").await;
    assert!(site.get(&second.path).await.text().contains("U heeft al vaak een code gevraagd."));

    let few = zegel::access::one_time::Limits { organisation: 1, ..Default::default() };
    let site = Site { level: Level::Mail, ..site_with(Settings { one_time_limits: few, ..settings() }) };
    let (link, neighbour) = (sealed(&site, "jan@else.example").await, sealed(&site, "piet@else.example").await);
    assert_eq!(press(&site, &link).await.status, StatusCode::SEE_OTHER);
    let ceiling = site.get(&neighbour.path).await.text();
    assert!(!ceiling.contains("<form"), "no button that brings nothing");
    assert!(ceiling.contains("Wij kunnen nu geen code mailen.") && ceiling.contains("ligt aan ons"), "{ceiling}");
}

#[tokio::test(start_paused = true)]
async fn what_became_of_the_mail_is_said() {
    for (end, says) in [
        (ended(Stage::Failed(Refusal::Mailbox)), "De e-mail met de code is niet aangekomen."),
        (ended(Stage::Failed(Refusal::Undelivered)), "De e-mail met de code is niet aangekomen."),
        (ended(Stage::Failed(Refusal::Unreachable)), "Het lukt nu niet om de code te mailen."),
        (JobEnd::GiveUp("the hop was away".to_owned(), None), "Het lukt nu niet om de code te mailen."),
        (ended(Stage::Taken), ""),
    ] {
        let site = site();
        let link = sealed(&site, "jan@else.example").await;
        press(&site, &link).await;
        let what = format!("{end:?}");
        let mut end = Some(end);
        for job in site.store.lease_due(site.clock.now(), 100).await.unwrap() {
            site.store.begin_dispatch(job.id).await.unwrap();
            site.store.finish_job(job.id, end.take().unwrap()).await.unwrap();
        }
        let page = site.get(&link.path).await.text();
        assert_eq!(page.contains("class=\"note\" role=\"status\""), !says.is_empty(), "{what}");
        assert!(page.contains(says) && page.contains("one-time-code"), "{what}: {page}");
        let jobs = site.store.jobs(10).await.unwrap();
        let told = jobs.iter().filter(|(_, job)| matches!(job.kind, JobKind::OneTimeFailed { .. })).count();
        assert_eq!(told, usize::from(!says.is_empty()), "{what}: the sender hears of it");
    }
}

#[tokio::test(start_paused = true)]
async fn who_gets_no_mail_or_wants_another_way_can_have_the_sender_told() {
    let site = site();
    let link = sealed(&site, "jan.devries@else.example").await;
    for (below, wish, says) in [
        ("geen-code", Wish::Code, "De e-mail met de code gaat naar j•••••s@else.example."),
        ("anders", Wish::OtherProof, "Wie alleen uw e-mail kan lezen, kan het bericht dan niet openen."),
    ] {
        let path = format!("{}/{below}", link.path);
        let page = site.get(&path).await;
        assert_headers(below, &page);
        let text = page.text();
        assert!(text.contains(says) && !text.contains("jan.devries"), "{text}");
        let token = token_of(&text, &path);
        site.clock.advance(Duration::from_secs(5));
        for again in [false, true] {
            let told = site.ask(form(&path, &format!("pagina={token}"))).await;
            assert_eq!(told.status, StatusCode::OK);
            assert_eq!(told.text().contains("Nog een e-mail sturen wij niet."), again, "{}", told.text());
        }
        let jobs = site.store.jobs(10).await.unwrap();
        let asked = |(_, job): &(_, zegel::store::records::Job)| match job.kind {
            JobKind::Asked { wish, .. } => Some(wish),
            _ => None,
        };
        assert_eq!(jobs.iter().filter_map(asked).collect::<Vec<_>>(), [wish]);
        mailbox(&site).await;
    }
    assert_eq!(site.get(&format!("{}/nummer", link.path)).await.status, StatusCode::NOT_FOUND, "there is no number");
    // And still it opens as before.
    let code = code(&site, &link).await;
    assert_eq!(site.try_code(&link, &code).await.status, StatusCode::SEE_OTHER);
}

/// The mailbox opens what a rule allows it to open; as soon as the same sender sends something else, it opens nothing any more.
#[tokio::test(start_paused = true)]
async fn a_mailbox_never_opens_what_was_sealed_for_more() {
    let site = site();
    let low = sealed(&site, "jan@else.example").await;
    let waiting = code(&site, &low).await;
    let cookie = site.try_code(&low, &waiting).await.cookie();
    site.clock.advance(Duration::from_mins(1));
    let pending = code(&site, &low).await;
    let site = Site { level: Level::Code, ..site };
    let high = site.seal("jan@else.example", HEADER, b"Vertrouwelijk").await;
    assert!(!high.code.is_empty(), "an access code is made");
    assert_eq!(site.read("/bericht", &cookie).await.status, StatusCode::FORBIDDEN, "what was open is closed");
    for link in [&low, &high] {
        let page = site.get(&link.path).await.text();
        assert!(!page.contains("Stuur mij de code") && page.contains("Toegangscode"), "{page}");
        let wrong = site.try_code(link, &pending).await;
        assert_eq!(wrong.status, StatusCode::FORBIDDEN, "the code that was on its way");
        let sent = site.ask(form(&format!("{}/stuur-code", link.path), "pagina=x")).await;
        assert_eq!(sent.status, StatusCode::NOT_FOUND);
    }
    assert!(mailbox(&site).await.is_empty());
    // A later mail that would do with less does not bring it back.
    let site = Site { level: Level::Mail, ..site };
    let later = site.seal_asking("jan@else.example", HEADER, b"Dag", Some(Proof::Mail)).await;
    assert!(site.get(&later.path).await.text().contains("Toegangscode"));
    for link in [&low, &high, &later] {
        let answer = site.try_code(link, &high.code).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    }
}
