//! A conversation of several mails and answers on one page, what else the same contact opens, and all that it does not.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use zegel::base::MessageId;
use zegel::intake::Recipient;
use zegel::mail::header::HeaderBlock;
use zegel::policy::{Identity, Level, Mode, Proof, Terms};
use zegel::seal::token::LinkToken;

use crate::answer::send;
use crate::site::{Answer, Link, Site, form, request, site};

const ANNA: &str = "a.jansen@zorg.example";

/// One mail of a conversation: who wrote it to whom, its own id and that of the mail that it answers.
struct Said<'a> {
    from: &'a str,
    to: &'a str,
    id: &'a str,
    refers: &'a str,
    subject: &'a str,
}

const FIRST: Said<'_> = Said { from: ANNA, to: "jan@else.example", id: "a1", refers: "", subject: "Uitslag" };
const SECOND: Said<'_> = Said { id: "a2", refers: "a1", subject: "Re: Uitslag", ..FIRST };

/// A word that stands in the text of this mail alone, and one in its file.
fn word(id: &str) -> String {
    format!("tekst{id}7Qx")
}

async fn say(site: &Site, said: &Said<'_>) -> Link {
    say_asking(site, said, None).await
}

async fn say_asking(site: &Site, said: &Said<'_>, proof: Option<Proof>) -> Link {
    let Said { from, to, id, refers, subject } = said;
    let word = word(id);
    let refers = if refers.is_empty() { String::new() } else { format!("References: <{refers}@zorg.example>\r\n") };
    let header = format!(
        "From: Anna Jansen <{from}>\r\nSubject: [veilig] {subject}\r\nMessage-ID: <{id}@zorg.example>\r\n{refers}\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    );
    let body = format!(
        "--b\r\nContent-Type: text/plain\r\n\r\n{word}\r\n--b\r\nContent-Type: text/plain\r\n\
         Content-Disposition: attachment; filename=\"bestand.txt\"\r\n\r\n{word}\r\n--b--\r\n"
    );
    site.clock.advance(Duration::from_mins(1));
    let address: zegel::mail::Address = from.parse().unwrap();
    let identity = Identity { address: address.clone(), name: "Anna Jansen".to_owned(), mailbox: address };
    let block = HeaderBlock::new(header.as_bytes());
    let tags = ["veilig".to_owned()];
    let expires = Duration::from_hours(90 * 24);
    let terms = Terms { reason: "subject tag".to_owned(), expires, mode: site.mode, proof, level: Level::Code };
    let recipients = vec![Recipient { address: to.parse().unwrap(), terms }];
    let stored = block.stored(&tags);
    let mut sealing = site.intake.begin(identity, block.facts(&tags), recipients, &stored).await.unwrap();
    sealing.write(format!("\r\n{body}").as_bytes()).await.unwrap();
    sealing.take().await.unwrap();
    site.link().await
}

/// Opens a link with the code of another.
async fn unlock(site: &Site, link: &Link, code: &str) -> String {
    site.unlock(&Link { path: link.path.clone(), code: code.to_owned() }).await
}

async fn message(site: &Site, link: &Link) -> MessageId {
    let token = LinkToken::parse(&link.path[3..]).unwrap();
    site.store.grant(&token).await.unwrap().unwrap().grant.message
}

/// Where each of these stands on a page; they must all be there, in this order.
fn in_order(page: &str, wanted: &[&str]) {
    let places: Vec<_> = wanted.iter().map(|text| page.find(text)).collect();
    assert!(places.iter().all(Option::is_some), "{wanted:?} at {places:?} in {page}");
    assert!(places.is_sorted(), "{wanted:?} at {places:?} in {page}");
}

async fn open_other(site: &Site, id: &str, cookie: &str) -> Answer {
    let mut post = form("/bericht/ander", &format!("bericht={id}"));
    post.headers_mut().insert("cookie", cookie.parse().unwrap());
    site.ask(post).await
}

const NEW: &str = "<b class=\"new\">Nieuw</b>";

#[tokio::test(start_paused = true)]
async fn a_mail_of_the_same_thread_joins_and_brings_a_notice() {
    let site = site();
    let first = say(&site, &FIRST).await;
    let second = say(&site, &SECOND).await;
    assert!(
        second.path.starts_with("/b/") && second.path != first.path && second.code.is_empty(),
        "its own notice, no new code"
    );
    let one = message(&site, &first).await;
    // Whichever link is opened: the newest first, and what was not opened before is marked.
    for (link, new) in [(&second, true), (&first, false)] {
        let cookie = unlock(&site, link, &first.code).await;
        let page = site.read("/bericht", &cookie).await.text();
        in_order(&page, &[&word("a2"), "Beantwoorden", "Eerder in dit gesprek", &word("a1")]);
        assert_eq!(page.matches(NEW).count(), usize::from(new), "{page}");
        assert!(!page.contains("Andere berichten"), "{page}");
        site.clock.advance(Duration::from_mins(1));
    }
    let cookie = unlock(&site, &second, &first.code).await;
    let page = site.read("/bericht", &cookie).await.text();
    // What belongs to the earlier one is had by its name, what belongs to the one of the link without.
    for (path, word) in [
        (format!("/bericht/bijlage/2?bericht={one}"), word("a1")),
        ("/bericht/bijlage/2".to_owned(), word("a2")),
        (format!("/bericht/origineel.eml?bericht={one}"), word("a1")),
        ("/bericht/origineel.eml".to_owned(), word("a2")),
    ] {
        assert!(page.contains(&format!("\"{path}\"")), "{path} in {page}");
        let file = site.read(&path, &cookie).await;
        assert!(file.status == StatusCode::OK && file.text().contains(&word), "{path}");
    }
    let english = site.read("/bericht?taal=en", &cookie).await.text();
    assert!(english.contains("Earlier in this conversation"), "{english}");
}

#[tokio::test(start_paused = true)]
async fn answers_stand_where_they_were_given_and_the_pdf_has_everything() {
    let site = site();
    let first = say(&site, &FIRST).await;
    let cookie = site.unlock(&first).await;
    send(&site, "/bericht", &cookie, "eerste antwoord").await;
    let second = say(&site, &SECOND).await;
    let page = site.read("/bericht", &cookie).await.text();
    in_order(&page, &[&word("a2"), "Beantwoorden</h2>", "Eerder in dit gesprek", "eerste antwoord", &word("a1")]);
    send(&site, "/bericht", &cookie, "tweede antwoord").await;
    let page = site.read("/bericht", &cookie).await.text();
    in_order(&page, &[&word("a2"), "tweede antwoord", "Eerder in dit gesprek", "eerste antwoord", &word("a1")]);
    let other = unlock(&site, &second, &first.code).await;
    for cookie in [&cookie, &other] {
        let pdf = site.read("/bericht/bericht.pdf", cookie).await;
        let text = crate::reading::text_of(&pdf.body);
        in_order(&text, &["tweede antwoord", &word("a2"), "eerste antwoord", &word("a1")]);
        assert_eq!(text.matches("Uw antwoord").count(), 2, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_belong_starts_a_conversation_of_its_own() {
    let site = site();
    let first = say(&site, &FIRST).await;
    let cookie = site.unlock(&first).await;
    for (id, refers, subject) in [("b1", "", "Uitslag"), ("b2", "a1", "Iets anders"), ("b3", "x9", "Re: Uitslag")] {
        let link = say(&site, &Said { id, refers, subject, ..FIRST }).await;
        let page = site.read("/bericht", &cookie).await.text();
        assert!(!page.contains(&word(id)) && !page.contains("Eerder in dit gesprek"), "{id}: {page}");
        let own = unlock(&site, &link, &first.code).await;
        let page = site.read("/bericht", &own).await.text();
        assert!(page.contains(&word(id)) && !page.contains(&word("a1")), "{id}: {page}");
    }
    // Neither does the mail of another sender, though it says that it answers this one.
    let other = say(&site, &Said { from: "b.bakker@zorg.example", ..SECOND }).await;
    let page = site.read("/bericht", &cookie).await.text();
    assert!(!page.contains(&word("a2")), "{page}");
    let page = site.read("/bericht", &site.unlock(&other).await).await.text();
    assert!(page.contains(&word("a2")) && !page.contains(&word("a1")) && !page.contains("Andere berichten"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn another_message_of_the_contact_opens_without_the_code() {
    let site = site();
    let first = say(&site, &FIRST).await;
    let third = say(&site, &Said { id: "a3", subject: "Afspraak", ..FIRST }).await;
    let cookie = site.unlock(&first).await;
    let page = site.read("/bericht", &cookie).await.text();
    let three = message(&site, &third).await;
    in_order(
        &page,
        &["Andere berichten voor u", &format!("value=\"{three}\">Afspraak"), NEW, "Anna Jansen, zaterdag 21 november"],
    );
    let opened = open_other(&site, &three.to_string(), &cookie).await;
    let to = format!("/bericht?bericht={three}");
    assert_eq!(
        (opened.status, opened.header("location"), opened.header("set-cookie")),
        (StatusCode::SEE_OTHER, to.as_str(), "")
    );
    let page = site.read(&to, &cookie).await.text();
    assert!(
        page.contains("<h1>Afspraak</h1>") && page.contains(&word("a3")) && page.contains(">Uitslag</button>"),
        "{page}"
    );
    assert!(!page.contains(NEW), "the first was opened by its link: {page}");
    // An answer there is an answer there.
    assert!(page.contains(&format!("action=\"/bericht/antwoord?bericht={three}\"")), "{page}");
    let sent = send(&site, &to, &cookie, "naar de afspraak").await;
    assert!(sent.header("location").starts_with(&format!("{to}&verstuurd=")), "{}", sent.header("location"));
    let page = site.read(sent.header("location").split('#').next().unwrap(), &cookie).await.text();
    assert!(page.contains("Verstuurd.") && page.contains("naar de afspraak"), "{page}");
    assert!(!site.read("/bericht", &cookie).await.text().contains("naar de afspraak"));
    // Read, and so no longer new for who comes back.
    site.clock.advance(Duration::from_mins(1));
    let again = site.unlock(&first).await;
    assert!(!site.read("/bericht", &again).await.text().contains(NEW));
}

/// Every way to what belongs to a message, by its name.
async fn ways(site: &Site, id: MessageId, cookie: Option<&str>) -> Vec<(String, Answer)> {
    let mut answers = Vec::new();
    for path in [
        "/bericht",
        "/bericht/html",
        "/bericht/bijlage/2",
        "/bericht/bijlage/2/bekijken",
        "/bericht/origineel.eml",
        "/bericht/bericht.pdf",
        "/bericht/antwoord/aaaaaaaaaaaaaaaa/aaaaaaaaaaaaaaaa",
    ] {
        for method in [Method::GET, Method::HEAD] {
            let mut asked = request(method.clone(), &format!("{path}?bericht={id}")).body(Body::empty()).unwrap();
            if let Some(cookie) = cookie {
                asked.headers_mut().insert("cookie", cookie.parse().unwrap());
            }
            answers.push((format!("{method} {path}"), site.ask(asked).await));
        }
    }
    answers
        .push(("POST /bericht/ander".to_owned(), open_other(site, &id.to_string(), cookie.unwrap_or_default()).await));
    answers
}

/// A session: who it is, the cookie, and what it reads.
type Session<'a> = (&'a str, Option<String>, &'a [&'a str]);

/// One session with every message by every way.
async fn reads_only_its_own(site: &Site, (who, cookie, reads): &Session<'_>, messages: &[(&str, MessageId)]) {
    for (name, id) in messages {
        let may = reads.contains(name);
        for (way, answer) in ways(site, *id, cookie.as_deref()).await {
            let text = format!("{:?}{}", answer.headers, answer.text());
            for (foreign, _) in messages.iter().filter(|(name, _)| !reads.contains(name)) {
                assert!(!text.contains(&word(foreign)), "{way} of {name} as {who} shows {foreign}");
            }
            assert!(answer.header("set-cookie").is_empty(), "{way}");
            if !may {
                assert!(matches!(answer.status.as_u16(), 403 | 404), "{way} of {name} as {who}: {}", answer.status);
            } else if !way.contains("html") && !way.contains("bekijken") && !way.contains("antwoord") {
                assert!(answer.status.as_u16() < 400, "{way} of {name} as {who}: {}", answer.status);
            }
        }
    }
    if let Some(cookie) = cookie {
        let page = site.read("/bericht", cookie).await.text();
        assert_eq!(page.contains("Andere berichten"), who.starts_with("jan by"), "{who}: {page}");
    }
}

/// Who reads what: every session with every message of everybody, by every way.
#[tokio::test(start_paused = true)]
async fn no_session_opens_what_is_not_its_contacts() {
    let mut site = site();
    let piet = Said { to: "piet@else.example", id: "p1", ..FIRST };
    let baker = Said { from: "b.bakker@zorg.example", id: "o1", ..FIRST };
    let (one, two) = (say(&site, &FIRST).await, say(&site, &SECOND).await);
    let three = say(&site, &Said { id: "a3", subject: "Afspraak", ..FIRST }).await;
    let (theirs, other) = (say(&site, &piet).await, say(&site, &baker).await);
    let recalled = say(&site, &Said { id: "x1", subject: "Terug", ..FIRST }).await;
    let recalled = message(&site, &recalled).await;
    crate::ended::retention(&site).recall(recalled, None).await.unwrap();
    site.mode = Mode::Strict;
    let klaas = Said { to: "klaas@else.example", id: "s1", ..FIRST };
    let strict = say(&site, &klaas).await;
    site.mode = Mode::Assisted;
    let open = say(&site, &Said { id: "k1", subject: "Open", ..klaas }).await;

    let mut messages = Vec::new();
    for (name, link) in
        [("a1", &one), ("a2", &two), ("a3", &three), ("p1", &theirs), ("o1", &other), ("s1", &strict), ("k1", &open)]
    {
        messages.push((name, message(&site, link).await));
    }
    messages.push(("x1", recalled));
    let sessions: [Session<'_>; 7] = [
        ("nobody", None, &[]),
        ("jan by the first", Some(site.unlock(&one).await), &["a1", "a2", "a3"]),
        ("jan by the third", Some(unlock(&site, &three, &one.code).await), &["a1", "a2", "a3"]),
        ("jan from another sender", Some(site.unlock(&other).await), &["o1"]),
        ("piet", Some(site.unlock(&theirs).await), &["p1"]),
        ("klaas, strict", Some(site.unlock(&strict).await), &["s1"]),
        ("klaas, assisted", Some(unlock(&site, &open, &strict.code).await), &["k1"]),
    ];
    for session in &sessions {
        reads_only_its_own(&site, session, &messages).await;
    }

    // Another proof, and with it another generation: what was open is closed, for every message of the contact.
    let [_, (_, jan, _), ..] = &sessions;
    let sms = Some(Proof::Sms("+31612345678".to_owned()));
    say_asking(&site, &Said { id: "a4", subject: "Nieuw nummer", ..FIRST }, sms).await;
    for (name, id) in &messages {
        for (way, answer) in ways(&site, *id, jan.as_deref()).await {
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{way} of {name} with an earlier code");
        }
    }
    let page = site.get(&one.path).await.text();
    assert!(
        page.contains("*******678") && !page.contains("name=\"code\""),
        "nor is that code asked for any more: {page}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_that_expired_is_not_there_any_more() {
    let site = site();
    let first = say(&site, &FIRST).await;
    let one = message(&site, &first).await;
    site.clock.advance(Duration::from_hours(90 * 24 - 1));
    let second = say(&site, &SECOND).await;
    site.clock.advance(Duration::from_mins(59));
    let cookie = unlock(&site, &second, &first.code).await;
    let page = site.read("/bericht", &cookie).await.text();
    assert!(page.contains(&word("a2")) && !page.contains(&word("a1")), "{page}");
    for (way, answer) in ways(&site, one, Some(&cookie)).await {
        assert!(answer.status.is_client_error() && !answer.text().contains(&word("a1")), "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn in_strict_mode_a_link_opens_its_own_mail_and_later_ones() {
    let site = Site { mode: Mode::Strict, ..site() };
    let (first, second) = (say(&site, &FIRST).await, say(&site, &SECOND).await);
    let third = say(&site, &Said { id: "a3", refers: "a2", ..SECOND }).await;
    assert!(second.code.is_empty() && third.code.is_empty());
    for (link, reads) in [(&first, 3), (&second, 2), (&third, 1)] {
        let cookie = unlock(&site, link, &first.code).await;
        let page = site.read("/bericht", &cookie).await.text();
        for (place, id) in ["a3", "a2", "a1"].into_iter().enumerate() {
            assert_eq!(page.contains(&word(id)), place < reads, "{id}: {page}");
        }
        assert!(!page.contains("Andere berichten"), "{page}");
        for (place, link) in [&third, &second, &first].into_iter().enumerate() {
            let file = site.read(&format!("/bericht/bijlage/2?bericht={}", message(&site, link).await), &cookie).await;
            assert_eq!(file.status == StatusCode::OK, place < reads);
        }
        site.clock.advance(Duration::from_mins(1));
    }
}
