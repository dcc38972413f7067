//! Every template renders in both languages with its sample, every text is used, every used text exists.

use std::collections::BTreeSet;

use super::*;
use crate::text::Texts;

mod answers;

use answers::{answer, form};

const TEMPLATES: [&str; 15] = [
    include_str!("../templates/page/layout.html"),
    include_str!("../templates/page/unlock.html"),
    include_str!("../templates/page/lost.html"),
    include_str!("../templates/page/one_time.html"),
    include_str!("../templates/page/ask.html"),
    include_str!("../templates/page/message.html"),
    include_str!("../templates/page/mail.html"),
    include_str!("../templates/page/said.html"),
    include_str!("../templates/page/earlier.html"),
    include_str!("../templates/page/calendar.html"),
    include_str!("../templates/page/genuine.html"),
    include_str!("../templates/page/nested.html"),
    include_str!("../templates/page/plain.html"),
    include_str!("../templates/page/answers.html"),
    include_str!("../templates/page/lost-text.html"),
];

const fn page(words: Words<'_>) -> Page<'_> {
    Page {
        words,
        organisation: "Voorbeeld Zorg & Co",
        phone: "010 - 000 00 00",
        privacy: Some("https://voorbeeld.nl/privacy"),
        accessibility: Some("https://voorbeeld.nl/toegankelijkheid"),
        style: "/stijl.css",
        logo: None,
    }
}

impl<'a> UnlockPage<'a> {
    const fn sample(page: Page<'a>) -> Self {
        Self {
            page,
            sender: "Anna <Jansen>",
            from: "Anna <Jansen>, Voorbeeld Zorg & Co",
            recipient: "j•••••s@example.nl",
            until: "19 februari 2027",
            hint: "uw \"klantnummer\"",
            inputmode: "numeric",
            action: "/b/token",
            token: "paginateken",
            lost: "/b/token/geen-code",
            other: Some("/b/token/anders"),
            strict: false,
            earlier: false,
            trouble: None,
        }
    }
}

impl<'a> LostPage<'a> {
    const fn sample(page: Page<'a>) -> Self {
        Self {
            page,
            sender: "Anna <Jansen>",
            back: "/b/token",
            action: "/b/token/geen-code",
            token: "paginateken",
            strict: false,
        }
    }
}

impl<'a> OneTimePage<'a> {
    const fn sample(page: Page<'a>) -> Self {
        Self {
            page,
            sender: "Anna <Jansen>",
            from: "Anna <Jansen>, Voorbeeld Zorg & Co",
            recipient: "j•••••s@example.nl",
            last_day: "19 februari 2027",
            to: SentTo::Phone("*******678"),
            until: "14:35",
            action: "/b/token",
            token: "paginateken",
            ask: "/b/token/stuur-code",
            ask_token: "stuurteken",
            tell: "/b/token/nummer",
            other: "/b/token/anders",
            wait: 60,
            script: "/opnieuw.js?v=0",
            open: false,
            news: None,
            trouble: None,
        }
    }
}

impl<'a> AskPage<'a> {
    const fn sample(page: Page<'a>) -> Self {
        Self {
            page,
            sender: "Anna <Jansen>",
            asks: Asks::Number("*******678"),
            done: None,
            action: "/b/token/nummer",
            token: "paginateken",
            back: "/b/token",
        }
    }
}

impl<'a> MessagePage<'a> {
    fn sample(page: Page<'a>) -> Self {
        let file = File {
            number: 3,
            name: "<uitslag>.pdf".to_owned(),
            kind: "PDF".to_owned(),
            size: "214 kB".to_owned(),
            preview: true,
            advice: "Download <dit>.".to_owned(),
        };
        Self {
            page,
            subject: "Uitslag <van> uw onderzoek",
            mail: Mail { card: Some(card()), ..mail(file.clone()) },
            earlier: vec![
                Earlier::Mail(Box::new(mail(file.clone())), true),
                Earlier::Answer(answer(AnswerState::Delivered)),
                Earlier::Mail(Box::new(Mail { body: Body::Html(FrameHeight::of([0; 4])), ..mail(file) }), false),
            ],
            others: vec![other("Over <van> u", true), other(" ", false)],
            open: "/bericht/ander",
            idle: 15,
            seconds: 900,
            script: "/sessie.js?v=0",
            logout: "/uitloggen",
            sender: "Anna <Jansen>",
            answer_script: "/antwoord.js",
            answers: vec![answer(AnswerState::Sent)],
            form: form(Vec::new()),
            just_sent: false,
        }
    }
}

fn card() -> Card {
    Card {
        number: 2,
        title: "Afspraak: <van> gesprek".to_owned(),
        when: "maandag 23 november 2026, 10:00 tot 10:30 uur".to_owned(),
        elsewhere: String::new(),
        repeats: true,
        place: autolink("Kamer <3>, https://vergader.example/1"),
        host: "Anna <Jansen>".to_owned(),
        guests: "Jan, Piet".to_owned(),
        about: autolink("Neem <van> mee."),
    }
}

fn mail(file: File) -> Mail {
    Mail {
        own: "?bericht=nnwg23tp".to_owned(),
        from: "Anna <Jansen>, Voorbeeld Zorg & Co".to_owned(),
        from_address: "a.jansen@example.nl".to_owned(),
        to: "jan@example.net".to_owned(),
        cc: "kopie@example.net".to_owned(),
        sent: "zaterdag 21 november 2026, 10:04".to_owned(),
        card: None,
        body: Body::Text(autolink("Zie <b>https://example.nl/?a=1&b=2</b>")),
        cut: true,
        files: vec![file],
        size: "1,2 MB".to_owned(),
    }
}

fn other(subject: &str, new: bool) -> Other {
    let [id, from, sent] = ["mfrggzdf", "Anna <Jansen>", "maandag 16 november 2026, 9:00"].map(ToOwned::to_owned);
    Other { id, subject: subject.to_owned(), from, sent, new }
}

fn in_both(render: impl Fn(Page<'_>) -> String) -> [String; 2] {
    let texts = Texts::load().unwrap();
    Lang::ALL.map(|lang| {
        let html = render(page(texts.in_language(lang)));
        assert!(html.contains(&format!("<html lang=\"{}\">", lang.tag())), "{html}");
        assert!(html.contains("Voorbeeld Zorg &#38; Co"), "not escaped: {html}");
        assert!(!html.contains("<Jansen>") && !html.contains("<van>") && !html.contains("<uitslag>"), "{html}");
        html
    })
}

#[test]
fn page_one_in_every_state() {
    let troubles = [
        (None, "unlock-button"),
        (Some(Trouble::Empty), "unlock-empty"),
        (Some(Trouble::Wrong(3)), "unlock-wrong"),
        (Some(Trouble::WrongThenPause("14:35")), "unlock-wrong"),
        (Some(Trouble::Paused("14:35")), "unlock-paused"),
        (Some(Trouble::Closed), "unlock-closed-what"),
        (Some(Trouble::Busy), "unlock-busy-what"),
        (Some(Trouble::Stale), "unlock-stale-what"),
    ];
    let texts = Texts::load().unwrap();
    for (trouble, id) in troubles {
        let pages = in_both(|page| UnlockPage { trouble, ..UnlockPage::sample(page) }.render().unwrap());
        for (lang, html) in Lang::ALL.into_iter().zip(pages) {
            let expected = texts.in_language(lang).get(id).unwrap();
            assert!(html.contains(&expected), "{trouble:?}: {html}");
            assert_eq!(html.contains("role=\"alert\""), trouble.is_some());
            assert_eq!(html.contains("<input class=\"code\""), trouble != Some(Trouble::Closed));
            let time = matches!(trouble, Some(Trouble::WrongThenPause(_) | Trouble::Paused(_)));
            assert_eq!(html.contains("14:35"), time);
        }
    }
}

#[test]
fn strict_mode_says_what_it_costs() {
    let texts = Texts::load().unwrap();
    for (strict, earlier) in [(false, false), (true, false), (true, true)] {
        let pages = in_both(|page| UnlockPage { strict, earlier, ..UnlockPage::sample(page) }.render().unwrap());
        let lost = in_both(|page| LostPage { strict, ..LostPage::sample(page) }.render().unwrap());
        for ((lang, html), lost) in Lang::ALL.into_iter().zip(pages).zip(lost) {
            let says = |id| html.contains(&texts.in_language(lang).get(id).unwrap());
            assert_eq!(says("unlock-strict"), strict, "{html}");
            assert_eq!((says("unlock-earlier"), says("unlock-earlier-help")), (earlier, earlier), "{html}");
            assert_eq!((says("unlock-label"), says("unlock-help")), (!earlier, !earlier), "{html}");
            let values = [("sender", "Anna &#60;Jansen&#62;")];
            assert_eq!(lost.contains(&texts.in_language(lang).with("lost-strict", &values).unwrap()), strict, "{lost}");
        }
    }
}

/// What the page says in each state, by SMS and by mail, whether it takes a code, and whether it offers to send one.
#[test]
fn the_page_with_a_one_time_code_in_every_state() {
    use OneTimeTrouble as T;
    const FIELD: (bool, bool) = (true, true);
    const BUTTON: (bool, bool) = (false, true);
    const NEITHER: (bool, bool) = (false, false);
    let cases = [
        ("14:35", None, "phone-missing", FIELD),
        ("", None, "once-button", BUTTON),
        ("14:35", Some(T::Empty), "phone-empty", FIELD),
        ("14:35", Some(T::Form), "phone-form-what", FIELD),
        ("14:35", Some(T::Wrong(4)), "unlock-wrong", FIELD),
        ("14:35", Some(T::Stale), "once-stale-what", FIELD),
        ("14:35", Some(T::Wait(42)), "phone-missing", FIELD),
        ("14:35", Some(T::Full("15:04")), "phone-full", FIELD),
        ("", Some(T::Full("15:04")), "phone-full", NEITHER),
        ("", Some(T::WrongThenPause("15:04")), "unlock-wrong", NEITHER),
        ("", Some(T::Paused("15:04")), "unlock-paused", NEITHER),
        ("", Some(T::Closed), "unlock-closed-what", NEITHER),
        ("", Some(T::Spent), "once-spent", BUTTON),
        ("", Some(T::Expired), "once-expired", BUTTON),
        ("", Some(T::NoCode), "once-none", BUTTON),
        ("", Some(T::Over), "phone-over-what", NEITHER),
        ("", Some(T::Ceiling), "phone-ceiling", NEITHER),
    ];
    let texts = Texts::load().unwrap();
    let ways = [(SentTo::Phone("*******678"), "phone-"), (SentTo::Mailbox("j•••••s@example.nl"), "mailbox-")];
    for ((until, trouble, id, expected), (to, by)) in
        cases.into_iter().flat_map(|case| ways.into_iter().map(move |way| (case, way)))
    {
        let id = id.replace("phone-", by);
        let pages = in_both(|page| OneTimePage { to, until, trouble, ..OneTimePage::sample(page) }.render().unwrap());
        for (lang, html) in Lang::ALL.into_iter().zip(pages) {
            assert!(html.contains(&texts.in_language(lang).get(&id).unwrap()), "{trouble:?}: {html}");
            assert!(!html.contains(if by == "phone-" { "mail met de code" } else { "sms" }), "{html}");
            assert_eq!(html.contains("role=\"alert\""), trouble.is_some(), "{html}");
            assert_eq!(
                html.matches("15:04").count(),
                usize::from(html.contains("vanaf 15:04") || html.contains("from 15:04"))
            );
            let found =
                (html.contains("autocomplete=\"one-time-code\""), html.contains("action=\"/b/token/stuur-code\""));
            assert_eq!(found, expected, "{until} {trouble:?}: {html}");
            assert!(!html.contains("tel\" name=") && html.matches("<input class").count() == usize::from(found.0));
        }
    }
    for news in [OneTimeNews::Delayed, OneTimeNews::BadDestination, OneTimeNews::OurFault, OneTimeNews::Undelivered] {
        for (to, _) in ways {
            let pages =
                in_both(|page| OneTimePage { to, news: Some(news), ..OneTimePage::sample(page) }.render().unwrap());
            assert!(pages.iter().all(|html| html.contains("role=\"status\"")));
        }
    }
}

#[test]
fn asking_the_sender_says_what_will_happen_and_then_that_it_did() {
    for asks in [
        Asks::Number("*******678"),
        Asks::Lost,
        Asks::CodeForSms,
        Asks::SmsForCode,
        Asks::NoMail("j•••••s@example.nl"),
        Asks::CodeForMail,
        Asks::Again,
    ] {
        for done in [None, Some(true), Some(false)] {
            let pages = in_both(|page| AskPage { asks, done, ..AskPage::sample(page) }.render().unwrap());
            for html in pages {
                assert_eq!(html.contains("<form method=\"post\""), done.is_none(), "{html}");
                assert_eq!(html.matches("<input").count(), usize::from(done.is_none()), "no field takes a number");
            }
        }
    }
}

#[test]
fn the_other_pages() {
    in_both(|page| LostPage::sample(page).render().unwrap());
    for plain in Plain::ALL {
        for again in [None, Some("/b/token/opnieuw")] {
            for html in in_both(|page| PlainPage { page, plain, again }.render().unwrap()) {
                assert_eq!(html.contains("href=\"/b/token/opnieuw\""), again.is_some(), "{html}");
            }
        }
    }
    for body in [Body::Text(autolink("hallo")), Body::Html(FrameHeight::of([1; 4])), Body::Empty] {
        in_both(|page| {
            let sample = MessagePage::sample(page);
            MessagePage { mail: Mail { body: body.clone(), ..sample.mail }, ..sample }.render().unwrap()
        });
    }
    let [nl, en] = in_both(|page| MessagePage { subject: " ", ..MessagePage::sample(page) }.render().unwrap());
    assert!(nl.contains("Bericht zonder onderwerp") && en.contains("Message without a subject"));
}

#[test]
fn text_is_text_and_its_addresses_are_links() {
    for html in in_both(|page| MessagePage::sample(page).render().unwrap()) {
        let link =
            "&#60;b&#62;<a href=\"https://example.nl/?a=1&#38;b=2\" target=\"_blank\" rel=\"noopener noreferrer\">";
        assert!(html.contains(link), "{html}");
    }
}

/// The ids that stand in quotes after `get(` or `with(`, or in this module's code.
fn quoted(source: &str) -> BTreeSet<String> {
    let id = |text: &&str| text.contains('-') && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    source.split('"').filter(id).map(ToOwned::to_owned).collect()
}

#[test]
fn every_text_of_the_pages_is_used_and_exists() {
    let source: String = TEMPLATES.concat()
        + include_str!("mod.rs")
        + include_str!("calendar.rs")
        + include_str!("file.rs")
        + include_str!("one_time.rs")
        + include_str!("ask.rs")
        + include_str!("plain.rs")
        + include_str!("../pdf/mod.rs");
    let used = quoted(&source);
    let ids = include_str!("../nl.ftl").lines().filter_map(|line| line.split_once(" =")).map(|(id, _)| id);
    let ours: BTreeSet<String> = ids
        .filter(|id| !id.starts_with([' ', '#']) && !["mail-", "sms-"].iter().any(|ours| id.starts_with(ours)))
        .map(Into::into)
        .collect();
    let prefixes: BTreeSet<&str> = ours.iter().filter_map(|id| id.split('-').next()).collect();
    let unused: Vec<_> = ours.difference(&used).collect();
    assert!(unused.is_empty(), "nothing shows {unused:?}");
    let known = |id: &&String| ours.contains(*id) || !prefixes.contains(id.split('-').next().unwrap_or_default());
    let missing: Vec<_> = used.iter().filter(|id| !known(id)).collect();
    assert!(missing.is_empty(), "no text for {missing:?}");
}

/// Every step that a frame can have is in the style sheet, and fits what it was asked for.
#[test]
fn a_frame_is_as_tall_as_its_mail() {
    for (step, rem) in FrameHeight::STEPS.into_iter().enumerate() {
        for name in ["w", "h", "m", "n"] {
            assert!(STYLE.contains(&format!(".{name}{step}{{height:{rem}rem}}")), "{name}{step}");
        }
    }
    for (pixels, step) in [(0, 0), (108, 0), (109, 1), (1000, 10), (u64::MAX, 25)] {
        assert_eq!(
            FrameHeight::of([pixels, 0, 0, 0]),
            FrameHeight { wide: step, half: 0, phone: 0, narrow: 0 },
            "{pixels}"
        );
    }
    let body = Body::Html(FrameHeight::of([400, 600, 800, 900]));
    for html in in_both(|page| {
        let sample = MessagePage::sample(page);
        MessagePage { mail: Mail { body: body.clone(), ..sample.mail }, ..sample }.render().unwrap()
    }) {
        assert!(html.contains("<iframe class=\"w6 h8 m9 n10\" title="), "{html}");
    }
}

#[test]
fn a_page_is_light() {
    let heaviest = in_both(|page| MessagePage::sample(page).render().unwrap());
    assert!(heaviest.iter().all(|html| html.len() + STYLE.len() + SESSION_SCRIPT.len() <= 30_000));
}
