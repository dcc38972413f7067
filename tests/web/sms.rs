//! A code by SMS, from the sender's wish to the opened page: what people do, what goes wrong, and what scanners and guessers do.

use std::time::Duration;

use axum::http::StatusCode;
use zegel::base::Clock;
use zegel::policy::Proof;
use zegel::seal::one_time::OneTimeCode;
use zegel::store::codes::KeptCode;
use zegel::store::contacts::Change;
use zegel::store::dispatch::{DispatchEnd, Refusal, Stage};
use zegel::store::jobs::JobEnd;
use zegel::store::records::{JobKind, Phone, Wish};
use zegel::web::Settings;

use crate::routes::assert_headers;
use crate::site::{Answer, Link, Site, form, settings, site, site_with};

const NUMBER: &str = "+31612345678";

/// A mail to a recipient who proves themselves by SMS.
async fn sealed(site: &Site, to: &str, number: &str) -> Link {
    let header = "From: Anna Jansen <a.jansen@zorg.example>\r\nSubject: [veilig] Uitslag\r\n";
    site.seal_asking(to, header, b"Dag", Some(Proof::Sms(number.to_owned()))).await
}

/// What a phone got since: number and code. The jobs are done then, with this end.
async fn phone_ended(site: &Site, end: impl Fn() -> JobEnd) -> Vec<(String, String)> {
    let mut got = Vec::new();
    for job in site.store.lease_due(site.clock.now(), 100).await.unwrap() {
        if let JobKind::Sms { challenge, .. } = job.job.kind {
            let code = OneTimeCode::of(site.store.keys(), challenge).expose().to_owned();
            got.push((job.secret.as_ref().unwrap().number.clone().unwrap(), code));
            site.store.begin_dispatch(job.id).await.unwrap();
            site.store.finish_job(job.id, end()).await.unwrap();
        } else {
            site.store.finish_job(job.id, JobEnd::Done).await.unwrap();
        }
    }
    got
}

pub async fn phone(site: &Site) -> Vec<(String, String)> {
    phone_ended(site, || JobEnd::Done).await
}

/// The page token in the form that posts to `action`.
pub fn token_of(page: &str, action: &str) -> String {
    let forms = page.split("<form ").skip(1);
    let form = forms.into_iter().find(|form| form.contains(&format!("action=\"{action}\"")));
    assert!(form.is_some(), "a form for {action} in {page}");
    let (_, rest) = form.unwrap().split_once("name=\"pagina\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// Presses "Stuur mij de code", as a person would.
pub async fn press(site: &Site, link: &Link) -> Answer {
    let ask = format!("{}/stuur-code", link.path);
    let token = token_of(&site.get(&link.path).await.text(), &ask);
    site.clock.advance(Duration::from_secs(5));
    site.ask(form(&ask, &format!("pagina={token}"))).await
}

/// Presses and reads the telephone.
async fn code(site: &Site, link: &Link) -> String {
    let answer = press(site, link).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, link.path.as_str()));
    phone(site).await.pop().unwrap().1
}

pub fn other(code: &str) -> String {
    code.chars().map(|c| if c == '0' { '1' } else { '0' }).collect()
}

#[tokio::test(start_paused = true)]
async fn asked_for_on_the_page_typed_from_the_telephone() {
    let site = site();
    let link = sealed(&site, "jan@else.example", "06 12345678").await;
    assert!(link.code.is_empty(), "no access code is made");
    let before = site.store.counts().commits;
    let first = site.get(&link.path).await;
    assert_headers("page 1", &first);
    let text = first.text();
    for expected in
        ["Anna Jansen heeft u", "6 cijfers naar *******678.", "Stuur mij de code", "Stel de afzender op de hoogte"]
    {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(!text.contains("one-time-code") && !text.contains("612345"), "{text}");
    assert_eq!((site.store.counts().commits, phone(&site).await.len()), (before, 0), "looking sends nothing");

    let pressed = press(&site, &link).await;
    assert_eq!((pressed.status, pressed.header("location")), (StatusCode::SEE_OTHER, link.path.as_str()));
    let got = phone(&site).await;
    assert_eq!(got.iter().map(|(number, _)| number.as_str()).collect::<Vec<_>>(), [NUMBER]);
    let field = site.get(&link.path).await.text();
    for expected in [
        "autocomplete=\"one-time-code\"",
        "inputmode=\"numeric\"",
        "tot 10:14 uur",
        "*******678",
        "Geen sms ontvangen?",
    ] {
        assert!(field.contains(expected), "{expected} in {field}");
    }
    // As people type it.
    let code = &got[0].1;
    let opened = site.try_code(&link, &format!("%20{}-{}+", &code[..3], &code[3..])).await;
    assert_eq!((opened.status, opened.header("location")), (StatusCode::SEE_OTHER, "/bericht"));
    assert!(site.read("/bericht", &opened.cookie()).await.text().contains("Uitslag"));
}

#[tokio::test(start_paused = true)]
async fn a_code_is_used_once_and_the_session_goes_on() {
    let site = site();
    let link = sealed(&site, "jan@else.example", NUMBER).await;
    let code = code(&site, &link).await;
    // The page with the field stands open in two browsers: asked for on the telephone, typed on the laptop.
    let laptop = site.get(&link.path).await.page_token();
    let cookie = site.try_code(&link, &code).await.cookie();
    assert_eq!(site.read("/bericht", &cookie).await.status, StatusCode::OK);
    let again = site.ask(form(&link.path, &format!("pagina={laptop}&code={code}"))).await;
    assert_eq!((again.status, again.header("set-cookie")), (StatusCode::FORBIDDEN, ""));
    assert!(again.text().contains("al gebruikt of geldt niet meer") && again.text().contains("Stuur mij de code"));
    assert_eq!(site.read("/bericht", &cookie).await.status, StatusCode::OK, "who came in stays in");
}

#[tokio::test(start_paused = true)]
async fn another_links_code_opens_nothing() {
    let site = site();
    let link = sealed(&site, "jan@else.example", NUMBER).await;
    let neighbour = sealed(&site, "piet@else.example", "+31687654321").await;
    let (own, theirs) = (code(&site, &link).await, code(&site, &neighbour).await);
    assert_ne!(own, theirs);
    let answer = site.try_code(&link, &theirs).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(
        answer.text().contains("Deze code klopt niet.") && answer.text().contains("nog 4 keer"),
        "{}",
        answer.text()
    );
    assert_eq!(site.try_code(&link, &own).await.status, StatusCode::SEE_OTHER);
    // A page token is for one link and one purpose.
    let ask = format!("{}/stuur-code", neighbour.path);
    let elsewhere = site.get(&link.path).await.text();
    let elsewhere = token_of(&elsewhere, &format!("{}/stuur-code", link.path));
    site.clock.advance(Duration::from_mins(2));
    let open = site.get(&neighbour.path).await.page_token();
    for token in [elsewhere.as_str(), open.as_str(), ""] {
        let answer = site.ask(form(&ask, &format!("pagina={token}"))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{token}");
    }
    assert!(phone(&site).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn late_repeated_and_mistyped_codes() {
    let site = site();
    let link = sealed(&site, "jan@else.example", NUMBER).await;
    let first = code(&site, &link).await;
    for (typed, says) in [
        ("", "Vul de code uit de sms in."),
        ("12345", "Een sms-code heeft 6 cijfers."),
        ("1234567", "Een sms-code heeft 6 cijfers."),
        ("abcdef", "Een sms-code heeft 6 cijfers."),
    ] {
        let answer = site.try_code(&link, typed).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.text().contains(says) && answer.text().contains("role=\"alert\""), "{}", answer.text());
    }
    let again = press(&site, &link).await;
    assert_eq!(again.status, StatusCode::TOO_MANY_REQUESTS, "within a minute");
    assert!(
        again.text().contains("kunt u een nieuwe vragen.") && again.text().contains("one-time-code"),
        "{}",
        again.text()
    );
    assert!(!again.text().contains("aria-invalid"), "nothing is wrong with what stands in the field");
    let seconds: u64 = again.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds) && again.text().contains(&format!("Over {seconds} seconde")));
    site.clock.advance(Duration::from_mins(1));
    assert_eq!(code(&site, &link).await, first, "the same code again");

    site.clock.advance(Duration::from_secs(595));
    let late = site.try_code(&link, &first).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
    assert!(
        late.text().contains("Deze code is verlopen.") && late.text().contains("Stuur mij de code"),
        "{}",
        late.text()
    );
    let new = code(&site, &link).await;
    assert_ne!(new, first);
    assert!(site.try_code(&link, &first).await.text().contains("nog 4 keer"), "the late SMS");
    assert_eq!(site.try_code(&link, &new).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test(start_paused = true)]
async fn wrong_codes_end_the_code_and_pause_the_network() {
    let site = site();
    let link = sealed(&site, "jan@else.example", NUMBER).await;
    let right = code(&site, &link).await;
    for left in ["4 keer", "3 keer", "2 keer", "1 keer"] {
        assert!(site.try_code(&link, &other(&right)).await.text().contains(left));
    }
    let open = site.get(&link.path).await.page_token();
    let last = site.try_code(&link, &other(&right)).await.text();
    assert!(last.contains("Deze code klopt niet.") && last.contains("weer proberen vanaf 10:3"), "{last}");
    assert!(
        !last.contains("Stuur mij de code") && !last.contains("one-time-code"),
        "no code is taken now: none is sent"
    );
    let paused = site.ask(form(&link.path, &format!("pagina={open}&code={right}"))).await;
    assert_eq!(paused.status, StatusCode::TOO_MANY_REQUESTS, "from the page of before");
    // Another network is not paused, but this code is spent.
    let token = site.get(&link.path).await;
    assert!(token.text().contains("vanaf 10:3"));
    let page = {
        let request =
            crate::site::request(axum::http::Method::GET, &link.path).body(axum::body::Body::empty()).unwrap();
        site.ask_from([203, 0, 113, 9], request).await.text()
    };
    assert!(page.contains("Deze code is te vaak verkeerd ingevuld.") && page.contains("Stuur mij de code"), "{page}");
    site.clock.advance(Duration::from_mins(31));
    let new = code(&site, &link).await;
    assert_ne!(new, right);
    assert_eq!(site.try_code(&link, &new).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_hundred_guesses_at_once_get_five_comparisons() {
    let site = site();
    let link = sealed(&site, "jan@else.example", NUMBER).await;
    let right = code(&site, &link).await;
    let token = site.get(&link.path).await.page_token();
    site.clock.advance(Duration::from_secs(5));
    let guess = format!("pagina={token}&code={}", other(&right));
    let tries = (0..100_u8).map(|n| site.ask_from([203, 0, n, 7], form(&link.path, &guess)));
    let answers = futures_util::future::join_all(tries).await;
    let compared = answers.iter().filter(|answer| answer.text().contains("Deze code klopt niet.")).count();
    let spent = answers.iter().filter(|answer| answer.text().contains("te vaak verkeerd ingevuld")).count();
    assert_eq!((compared, spent), (4, 96), "the fifth says that the code is spent");
    let late = site.ask(form(&link.path, &format!("pagina={token}&code={right}"))).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN, "also the right one");
}

/// A scanner that opens the link, presses every button of every page it leads to, and does it all again.
#[tokio::test]
async fn a_scanner_that_submits_every_form_sets_off_one_sms_and_one_mail_of_each_kind() {
    let site = site();
    let link = sealed(&site, "jan@else.example", NUMBER).await;
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
        assert_eq!(phone_and_mails(&site).await, if round == 0 { (1, 2) } else { (0, 0) }, "round {round}");
    }
    let view = site.get(&link.path).await.text();
    assert!(
        view.contains("one-time-code") && !view.contains("role=\"alert\""),
        "the recipient finds the field: {view}"
    );
}

async fn phone_and_mails(site: &Site) -> (usize, usize) {
    let jobs = site.store.jobs(1000).await.unwrap();
    let mails = jobs.iter().filter(|(_, job)| matches!(job.kind, JobKind::Asked { .. })).count();
    (phone(site).await.len(), mails)
}

#[tokio::test(start_paused = true)]
async fn three_an_hour_and_an_honest_page_after_that() {
    let site = site();
    let link = sealed(&site, "jan@else.example", NUMBER).await;
    for _ in 0..3 {
        assert_eq!(press(&site, &link).await.status, StatusCode::SEE_OTHER);
        site.clock.advance(Duration::from_mins(1));
    }
    let full = press(&site, &link).await;
    assert_eq!(full.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(
        full.text().contains("U heeft al vaak een sms gevraagd.") && full.text().contains("vanaf 11:04 uur"),
        "{}",
        full.text()
    );
    assert!(full.text().contains("one-time-code"), "the code that lives can still be typed");
    assert_eq!(phone(&site).await.len(), 3);

    let few = zegel::access::one_time::Limits { organisation: 1, ..Default::default() };
    let site = site_with(Settings { one_time_limits: few, ..settings() });
    let link = sealed(&site, "jan@else.example", NUMBER).await;
    let neighbour = sealed(&site, "piet@else.example", "+31687654321").await;
    assert_eq!(press(&site, &link).await.status, StatusCode::SEE_OTHER);
    let ceiling = site.get(&neighbour.path).await;
    assert!(!ceiling.text().contains("<form"), "no button that brings nothing");
    assert!(ceiling.text().contains("Wij kunnen nu geen sms sturen.") && ceiling.text().contains("ligt aan ons"));
}

#[tokio::test(start_paused = true)]
async fn what_became_of_the_sms_is_said() {
    for (end, says) in [
        (Stage::Failed(Refusal::Number), "Naar dit nummer kan geen sms."),
        (Stage::Failed(Refusal::Credit), "Het lukt nu niet om een sms te sturen."),
        (Stage::Failed(Refusal::Unreachable), "Dat ligt aan ons."),
        (Stage::Failed(Refusal::Undelivered), "De sms is niet aangekomen."),
        (Stage::Taken, ""),
    ] {
        let site = site();
        let link = sealed(&site, "jan@else.example", NUMBER).await;
        press(&site, &link).await;
        let ended = || JobEnd::Dispatched(DispatchEnd { stage: end, provider: "proef".into(), id: "1".into() });
        phone_ended(&site, ended).await;
        let page = site.get(&link.path).await.text();
        assert_eq!(page.contains("class=\"note\" role=\"status\""), !says.is_empty(), "{end:?}");
        assert!(page.contains(says) && page.contains("one-time-code"), "{end:?}: {page}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_number_is_told_and_changes_nothing() {
    let site = site();
    let link = sealed(&site, "jan@else.example", NUMBER).await;
    phone(&site).await;
    for (below, wish, title) in [
        ("/nummer", Wish::OtherNumber, "Is het telefoonnummer niet juist?"),
        ("/anders", Wish::OtherProof, "Liever een toegangscode?"),
    ] {
        let path = format!("{}{below}", link.path);
        let page = site.get(&path).await;
        assert_headers(below, &page);
        assert!(page.status == StatusCode::OK && page.text().contains(title), "{}", page.text());
        let before = site.store.counts().commits;
        for token in ["", &token_of(&site.get(&link.path).await.text(), &format!("{}/stuur-code", link.path))] {
            let refused = site.ask(form(&path, &format!("pagina={token}"))).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{below}");
        }
        assert_eq!(site.store.counts().commits, before);
        let body = format!("pagina={}&nummer=%2B31687654321&phone=0687654321", page.page_token());
        let done = site.ask(form(&path, &body)).await;
        assert_eq!(done.status, StatusCode::OK);
        assert!(
            done.text().contains("krijgt nu een e-mail van ons") && done.text().contains("moet daarna zelf"),
            "{}",
            done.text()
        );
        let again = site.ask(form(&path, &format!("pagina={}", page.page_token()))).await;
        assert!(again.text().contains("kort geleden al een e-mail"), "{}", again.text());
        let jobs = site.store.jobs(10).await.unwrap();
        let asked = jobs.iter().filter(|(_, job)| matches!(job.kind, JobKind::Asked { wish: w, .. } if w == wish));
        assert_eq!(asked.count(), 1, "{below}");
    }
    press(&site, &link).await;
    let got = phone(&site).await;
    assert_eq!(got.iter().map(|(number, _)| number.as_str()).collect::<Vec<_>>(), [NUMBER], "the number of before");
    assert_eq!(
        site.get(&format!("{}/geen-code", link.path)).await.status,
        StatusCode::NOT_FOUND,
        "there is none to lose"
    );
}

#[tokio::test(start_paused = true)]
async fn a_contact_with_an_access_code_may_ask_for_it_again_or_for_sms() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    assert!(site.get(&link.path).await.text().contains("Vraag om een code per sms"));
    for (below, says) in [("/geen-code", "Mail de afzender"), ("/anders", "Geef uw mobiele nummer zelf door")] {
        let path = format!("{}{below}", link.path);
        let page = site.get(&path).await;
        assert!(page.text().contains(says), "{}", page.text());
        site.clock.advance(Duration::from_secs(3));
        let done = site.ask(form(&path, &format!("pagina={}", page.page_token()))).await;
        assert!(done.text().contains("Anna Jansen krijgt nu een e-mail van ons"), "{}", done.text());
    }
    assert_eq!(site.store.jobs(10).await.unwrap().len(), 2);
    for below in ["/nummer", "/stuur-code"] {
        let answer = site.ask(form(&format!("{}{below}", link.path), "pagina=x")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{below}");
    }
    let site = site_with(Settings { sends_sms: false, ..settings() });
    let link = site.seal_text("jan@else.example", "Dag").await;
    assert!(!site.get(&link.path).await.text().contains("per sms"), "where no SMS is sent nobody may wish for it");
    assert_eq!(site.get(&format!("{}/anders", link.path)).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_new_number_ends_what_was_open() {
    let site = site();
    let link = sealed(&site, "jan@else.example", NUMBER).await;
    let first = code(&site, &link).await;
    let cookie = site.try_code(&link, &first).await.cookie();
    site.clock.advance(Duration::from_mins(1));
    let waiting = code(&site, &link).await;
    let contacts = site.store.contacts("jan@else.example", None).await.unwrap();
    let proof = Some((KeptCode::Sms(Phone::new("+31687654321".to_owned())), None));
    assert!(site.store.change_contact(contacts[0].0, &Change { proof, ..Change::default() }).await.unwrap().is_some());
    assert_eq!(site.read("/bericht", &cookie).await.status, StatusCode::FORBIDDEN, "the session ends");
    let page = site.get(&link.path).await.text();
    assert!(page.contains("*******321") && page.contains("Stuur mij de code"), "{page}");
    let token = page.split("name=\"pagina\"").count();
    assert_eq!(token, 2, "there is no code to type");
    // The pause after what went to the old number is none for this one.
    site.clock.advance(Duration::from_secs(3));
    let new = code(&site, &link).await;
    assert!(site.try_code(&link, &waiting).await.text().contains("klopt niet"), "the code of the old number");
    assert_eq!(site.try_code(&link, &new).await.status, StatusCode::SEE_OTHER);
}

/// A second mail of the same sender with another number changes the contact, and with the same number leaves it.
#[tokio::test(start_paused = true)]
async fn the_sender_corrects_a_number_with_a_new_mail() {
    let site = site();
    let link = sealed(&site, "jan@else.example", NUMBER).await;
    let cookie = {
        let code = code(&site, &link).await;
        site.try_code(&link, &code).await.cookie()
    };
    let same = sealed(&site, "jan@else.example", "+31 6 12345678").await;
    assert!(site.get(&same.path).await.text().contains("*******678"));
    assert_eq!(site.read("/bericht", &cookie).await.status, StatusCode::OK, "nothing changed");
    let corrected = sealed(&site, "jan@else.example", "+31687654321").await;
    for link in [&link, &corrected] {
        assert!(site.get(&link.path).await.text().contains("*******321"));
    }
    assert_eq!(site.read("/bericht", &cookie).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn the_page_says_when_one_more_sms_can_be_asked_for() {
    let site = site();
    let link = sealed(&site, "jan@else.example", NUMBER).await;
    press(&site, &link).await;
    site.clock.advance(Duration::from_secs(18));
    let field = site.get(&link.path).await;
    assert_headers("sms field", &field);
    let text = field.text();
    // Without scripts it is a sentence; the script counts on from there.
    for expected in [
        ">Over 42 seconden kunt u de sms opnieuw vragen.</span>",
        "data-seconds=\"42\"",
        "data-one=\"Over 1 seconde kunt u",
        "data-now=\"U kunt de sms nu opnieuw vragen.\"",
        "<script src=\"/opnieuw.js?v=",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let policy = field.header("content-security-policy");
    assert!(policy.contains("; script-src 'self';") && !policy.contains("connect-src"), "{policy}");
    site.clock.advance(Duration::from_secs(42));
    let free = site.get(&link.path).await;
    assert!(!free.text().contains("<script") && !free.text().contains("id=\"wacht\""), "{}", free.text());
    assert!(!free.header("content-security-policy").contains("script-src"));
}

/// How many mails wait that tell the sender that no SMS comes, and why.
async fn failures(site: &Site) -> Vec<Refusal> {
    let jobs = site.store.jobs(1000).await.unwrap();
    let why = |(_, job): (_, zegel::store::records::Job)| match job.kind {
        JobKind::OneTimeFailed { why, .. } => Some(why),
        _ => None,
    };
    jobs.into_iter().filter_map(why).collect()
}

#[tokio::test(start_paused = true)]
async fn the_sender_hears_once_a_day_that_no_sms_comes() {
    let site = site();
    let link = sealed(&site, "jan@else.example", NUMBER).await;
    let failed = |why| move || JobEnd::Dispatched(DispatchEnd::failed(why));
    press(&site, &link).await;
    phone_ended(&site, failed(Refusal::Number)).await;
    assert_eq!(failures(&site).await, [Refusal::Number]);
    phone(&site).await;
    site.clock.advance(Duration::from_mins(1));
    press(&site, &link).await;
    phone_ended(&site, || JobEnd::GiveUp("no provider took it".to_owned(), None)).await;
    assert!(failures(&site).await.is_empty(), "within a day");
    site.clock.advance(Duration::from_hours(24));
    press(&site, &link).await;
    phone_ended(&site, || JobEnd::GiveUp("no provider took it".to_owned(), None)).await;
    assert_eq!(failures(&site).await, [Refusal::Unreachable], "the next day, and whose matter it is");
    phone(&site).await;
    site.clock.advance(Duration::from_hours(25));
    for end in [Stage::Taken, Stage::Unsure] {
        press(&site, &link).await;
        phone_ended(&site, || JobEnd::Dispatched(DispatchEnd { stage: end, provider: "proef".into(), id: "1".into() }))
            .await;
        assert!(failures(&site).await.is_empty(), "{end:?} is no failure");
        site.clock.advance(Duration::from_mins(2));
    }
}
