//! Letters in both languages: text and HTML say the same, values stay values.

use super::*;
use crate::text::Texts;

pub(crate) const LINK: &str = "https://veilig.example.nl/b/mfrggzdfmztwq2lknnwg23tpobyxe43u";

fn notice() -> Notice<'static> {
    Notice {
        recipient: "Jan de Vries",
        sender: "Anna Jansen",
        address: "anna@example.nl",
        organisation: "Voorbeeld Zorg",
        link: LINK,
        page: "https://veilig.example.nl",
        phone: "010 - 000 00 00",
        reference: "K7QF-2M9D",
        until_nl: "19 februari 2027",
        until_en: "19 February 2027",
        strict: false,
        opens: Opens::AccessCode,
        again: false,
    }
}

const JAN: Recipient<'_> = Recipient { name: "Jan de Vries", address: "jan@example.org" };

const ELSEWHERE: AnswerNotice<'_> = AnswerNotice {
    organisation: "Voorbeeld Zorg",
    phone: "010 - 000 00 00",
    date: "21 november 2026",
    reference: "K7QF-2M9D",
};

const ONE_TIME: OneTimeMail<'_> = OneTimeMail {
    recipient: "Jan de Vries",
    sender: "Anna Jansen",
    organisation: "Voorbeeld Zorg",
    phone: "010 - 000 00 00",
    reference: "K7QF-2M9D",
    code: "042117",
    asked: "zaterdag 21 november 2026, 10:04",
    until: "10:14",
};

/// Every kind of letter with every choice in it.
pub(crate) fn letters(texts: &Texts, lang: Lang) -> Vec<(&'static str, Letter)> {
    let nameless = Recipient { name: "", ..JAN };
    let code = CodeMail {
        sender: "Anna Jansen",
        recipient: JAN,
        organisation: "Voorbeeld Zorg",
        code: "1234 5678",
        replaces: false,
        strict: false,
    };
    let about = About { sender: "Anna Jansen", recipient: JAN, date: "21 november 2026", reference: "K7QF-2M9D" };
    let closed = Closed { about, message: "mfrggzdfmztwq2lknnwg23tpob", strict: false };
    let undeliverable =
        |reason, answer| Undeliverable { about: About { sender: "", recipient: nameless, ..about }, reason, answer };
    let lost = CodeUndeliverable { mailbox: "anna@example.nl", recipient: JAN, answer: "550 5.1.1 unknown" };
    let unheard = AnswerLost {
        writer: "Jan de Vries",
        sender: "Anna Jansen",
        organisation: "Voorbeeld Zorg",
        phone: "010 - 000 00 00",
        date: "21 november 2026",
        reference: "K7QF-2M9D",
        fate: Fate::Passed,
    };
    let mut all = vec![
        ("code", code.write(texts, lang)),
        ("new code", CodeMail { sender: "", recipient: nameless, replaces: true, ..code }.write(texts, lang)),
        ("closed", closed.write(texts, lang)),
        ("code undeliverable", lost.write(texts, lang)),
        ("code undeliverable without answer", CodeUndeliverable { answer: "", ..lost }.write(texts, lang)),
        ("strict code", CodeMail { strict: true, ..code }.write(texts, lang)),
        ("new strict code", CodeMail { strict: true, replaces: true, ..code }.write(texts, lang)),
        ("closed in strict mode", Closed { strict: true, ..closed }.write(texts, lang)),
        ("answer passed on", unheard.write(texts, lang)),
        ("answer lost", AnswerLost { writer: "", fate: Fate::Lost, ..unheard }.write(texts, lang)),
        ("answer infected", AnswerLost { fate: Fate::Infected, ..unheard }.write(texts, lang)),
        ("answer elsewhere", ELSEWHERE.write(texts, lang)),
    ];
    let number = "*******678";
    for why in [
        NoCode::Number(number),
        NoCode::NotArrived(number),
        NoCode::NotTexted(number),
        NoCode::Mailbox,
        NoCode::NotMailed,
    ] {
        all.push(("nothing sent", OneTimeFailed { about, from: "anna@example.nl", why }.write(texts, lang)));
    }
    for reason in [Reason::Unknown, Reason::Full, Reason::Refused, Reason::Unreachable, Reason::Ended] {
        all.push(("undeliverable", undeliverable(reason, "550 5.1.1 unknown").write(texts, lang)));
        all.push(("undeliverable without answer", undeliverable(reason, "").write(texts, lang)));
    }
    all.into_iter()
        .chain(asked_for(texts, lang, about))
        .chain(to_recipients(texts, lang))
        .map(|(name, letter)| (name, letter.unwrap()))
        .collect()
}

/// Those about what a recipient asks for.
fn asked_for(texts: &Texts, lang: Lang, about: About<'_>) -> Vec<(&'static str, Result<Letter, LetterError>)> {
    let asked = |wanted| Asked { about, from: "anna@example.nl", wanted }.write(texts, lang);
    vec![
        ("another number asked for", asked(Wanted::OtherNumber("*******678"))),
        ("no access code", asked(Wanted::Code { strict: false })),
        ("no code, kept so that only it opens", asked(Wanted::Code { strict: true })),
        ("a code in the place of sms", asked(Wanted::CodeForSms)),
        ("sms in the place of a code", asked(Wanted::SmsForCode)),
        ("no mail with a code asked for", asked(Wanted::NoMail)),
        ("an access code in the place of codes by mail", asked(Wanted::CodeForMail)),
        ("what expired asked for again", asked(Wanted::Again { recalled: false })),
        ("what was withdrawn asked for again", asked(Wanted::Again { recalled: true })),
    ]
}

/// Those that bring a link or a one-time code.
fn to_recipients(texts: &Texts, lang: Lang) -> Vec<(&'static str, Result<Letter, LetterError>)> {
    let bare = OneTimeMail { recipient: "", sender: "anna@example.nl", ..ONE_TIME };
    vec![
        ("notice", notice().write(texts, lang)),
        ("notice without names", Notice { recipient: "", sender: "", ..notice() }.write(texts, lang)),
        ("notice, fresh", Notice { opens: Opens::Sms, again: true, ..notice() }.write(texts, lang)),
        ("notice in strict mode", Notice { strict: true, ..notice() }.write(texts, lang)),
        ("notice of a message with a code by sms", Notice { opens: Opens::Sms, ..notice() }.write(texts, lang)),
        ("notice of a message with a code by mail", Notice { opens: Opens::Mail, ..notice() }.write(texts, lang)),
        ("one-time", ONE_TIME.write(texts, lang)),
        ("one-time, without names", bare.write(texts, lang)),
    ]
}

/// Who asks may be anyone with the link: the mail says so, tells what to do, and shows three digits of a number at most.
#[test]
fn what_is_asked_can_be_done_and_may_have_been_asked_by_anyone() {
    let texts = Texts::load().unwrap();
    let about = About { sender: "Anna", recipient: JAN, date: "21 november 2026", reference: "K7QF-2M9D" };
    for (wanted, command) in [
        (Wanted::OtherNumber("*******678"), "zegel contact set jan@example.org --sms +316… --sender anna@example.nl"),
        (Wanted::Code { strict: false }, "zegel contact new-code jan@example.org --sender anna@example.nl"),
        (Wanted::CodeForSms, "zegel contact set jan@example.org --code --sender anna@example.nl"),
        (Wanted::SmsForCode, "zegel contact set jan@example.org --sms +316… --sender anna@example.nl"),
        (Wanted::NoMail, "zegel contact set jan@example.org --code --sender anna@example.nl"),
        (Wanted::CodeForMail, "zegel contact set jan@example.org --code --sender anna@example.nl"),
        (Wanted::Again { recalled: false }, "Stuur het bericht dan opnieuw"),
        (Wanted::Again { recalled: true }, "Stuur het bericht dan opnieuw"),
    ] {
        let text = Asked { about, from: "anna@example.nl", wanted }.write(&texts, Lang::Nl).unwrap().text();
        assert!(text.contains(command) && text.contains("ook een ander kan dit hebben ge"), "{text}");
    }
}

/// The words that a reader of HTML sees.
fn seen(html: &str) -> Vec<String> {
    let (_, body) = html.split_once("</head>").unwrap();
    let mut text = String::new();
    let mut rest = body;
    while let Some((before, tag_and_more)) = rest.split_once('<') {
        text.push_str(before);
        let (tag, after) = tag_and_more.split_once('>').unwrap();
        let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        if !matches!(name.as_str(), "b" | "a") {
            text.push(' ');
        }
        rest = after;
    }
    text.push_str(rest);
    for (entity, c) in [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")] {
        text = text.replace(entity, c);
    }
    words(&text)
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().filter(|word| *word != "---").map(str::to_owned).collect()
}

#[test]
fn text_and_html_say_the_same_in_both_languages() {
    let texts = Texts::load().unwrap();
    for lang in Lang::ALL {
        for (name, letter) in letters(&texts, lang) {
            let html = letter.html().unwrap();
            assert_eq!(words(&letter.text()), seen(&html), "{name} in {lang:?}");
            assert!(html.contains(&format!("<html lang=\"{}\">", lang.tag())), "{name}");
            for part in [&html, &letter.text(), &letter.subject] {
                assert!(!part.contains(['\u{2}', '\u{3}']), "{name} in {lang:?} shows a mark");
            }
            assert!(!letter.subject.is_empty() && !letter.subject.contains('\n'), "{name}");
            assert!(letter.text().lines().all(|line| line == line.trim_end()), "{name}: a line ends in a blank");
        }
    }
}

#[test]
fn a_mail_loads_nothing_and_links_only_to_the_message() {
    let texts = Texts::load().unwrap();
    for (name, letter) in letters(&texts, Lang::Nl) {
        let html = letter.html().unwrap();
        for loaded in ["<img", "src=", "url(", "@import", "<script", "<link", "background=\"", "<form", "<iframe"] {
            assert!(!html.contains(loaded), "{name}: {loaded}");
        }
        let links = html.matches("href=").count();
        let ours = html.matches(&format!("href=\"{LINK}\"")).count();
        assert_eq!(links, ours, "{name}");
        assert_eq!(ours, if name.starts_with("notice") { 2 } else { 0 }, "{name}");
        assert_eq!(letter.text().contains(LINK), name.starts_with("notice"), "{name}");
        let brings_it = matches!(name, "code" | "new code" | "strict code" | "new strict code");
        assert_eq!(letter.text().contains("1234 5678"), brings_it, "{name}");
        assert_eq!(letter.text().contains("042117"), name.starts_with("one-time"), "{name}");
    }
}

/// The mail with a one-time code and the mail with the link are of no use without each other: this one names no address at all.
#[test]
fn the_mail_with_a_one_time_code_leads_nowhere() {
    let texts = Texts::load().unwrap();
    let letter = ONE_TIME.write(&texts, Lang::Nl).unwrap();
    assert_eq!(letter.subject, "Uw code voor het bericht van Anna Jansen");
    let expected = "Beste Jan de Vries,

Met deze code opent u het beveiligde bericht van Anna Jansen van Voorbeeld Zorg:

    042117

Vul de code in op de pagina waar u erom vroeg. Dat kan tot 10:14 uur. Geef de code aan niemand, ook niet aan ons.

De code is gevraagd op zaterdag 21 november 2026, 10:04 uur, op onze website. Het kenmerk van het bericht is K7QF-2M9D.

Was u dat niet? Gebruik de code dan niet en bel ons: 010\u{a0}-\u{a0}000\u{a0}00\u{a0}00. \
Misschien heeft een ander de link naar uw bericht.

---

With the code above you open the secure message from Anna Jansen of Voorbeeld Zorg, before 10:14. \
Did you not ask for it? Do not use the code, and call us: 010\u{a0}-\u{a0}000\u{a0}00\u{a0}00.
";
    assert_eq!(letter.text(), expected);
    for lang in Lang::ALL {
        let letter = ONE_TIME.write(&texts, lang).unwrap();
        let said = format!("{}{}{}", letter.subject, letter.text(), letter.html().unwrap());
        for lead in ["http", "://", "/b/", "href=", "veilig.example.nl"] {
            assert!(!said.contains(lead), "{lead} in {said}");
        }
        assert!(!letter.subject.contains("042117"), "no code on a locked screen");
    }
}

#[test]
fn a_notice_reads_as_it_should() {
    let texts = Texts::load().unwrap();
    let letter = notice().write(&texts, Lang::Nl).unwrap();
    assert_eq!(letter.subject, "Beveiligd bericht van Anna Jansen, Voorbeeld Zorg");
    let expected = format!(
        "Beste Jan de Vries,

Anna Jansen van Voorbeeld Zorg heeft u een beveiligd bericht gestuurd. U leest het op onze eigen website.

Open bericht
Dit is het adres van uw bericht:
{LINK}

U opent het bericht met uw toegangscode. De afzender geeft u die code per post, telefonisch of persoonlijk. \
U kunt het bericht lezen tot en met 19 februari 2027.

Twijfelt u of deze e-mail echt is? Controleer dat de adresbalk begint met https://veilig.example.nl/ \
of bel ons: 010\u{a0}-\u{a0}000\u{a0}00\u{a0}00. Het kenmerk van uw bericht is K7QF-2M9D. \
Dat kunt u nakijken op https://veilig.example.nl/echt.

---

Anna Jansen of Voorbeeld Zorg has sent you a secure message. Open it with the button and your access code. \
You can read it until the end of 19 February 2027. Not sure whether this e-mail is genuine? \
Check that the address bar begins with https://veilig.example.nl/ or call us: 010\u{a0}-\u{a0}000\u{a0}00\u{a0}00.
"
    );
    assert_eq!(letter.text(), expected);
    let english = notice().write(&texts, Lang::En).unwrap();
    assert_eq!(english.subject, "Secure message from Anna Jansen, Voorbeeld Zorg");
    assert!(english.text().starts_with("Dear Jan de Vries,\n"));
    assert!(english.text().contains("---\n\nAnna Jansen van Voorbeeld Zorg heeft u"));
}

#[test]
fn strict_mode_says_in_each_mail_what_it_costs() {
    let texts = Texts::load().unwrap();
    for lang in Lang::ALL {
        let cannot = match lang {
            Lang::Nl => ["ook wij niet", "niemand"],
            Lang::En => ["we cannot either", "nobody"],
        };
        for (name, letter) in letters(&texts, lang) {
            let says = cannot.iter().all(|words| letter.text().contains(words));
            let strict = name.contains("strict") && !name.starts_with("closed");
            assert_eq!(says, strict, "{name} in {lang:?}: {}", letter.text());
        }
        let notice = Notice { strict: true, ..notice() }.write(&texts, lang).unwrap().text();
        assert!(
            Lang::ALL.iter().all(|lang| notice.contains(&texts.in_language(*lang).get("mail-notice-strict").unwrap()))
        );
    }
}

#[test]
fn who_is_not_known_is_not_invented() {
    let texts = Texts::load().unwrap();
    let letter = Notice { recipient: "", sender: "", ..notice() }.write(&texts, Lang::Nl).unwrap();
    assert_eq!(letter.subject, "Beveiligd bericht van Voorbeeld Zorg");
    assert!(letter.text().starts_with("Geachte heer of mevrouw,\n\nanna@example.nl van Voorbeeld Zorg heeft u"));
}

#[test]
fn values_are_never_markup() {
    let texts = Texts::load().unwrap();
    let evil = "<b onclick=\"x\">A</b> & { $sender } \"'";
    let letter =
        Notice { recipient: evil, sender: evil, organisation: evil, ..notice() }.write(&texts, Lang::Nl).unwrap();
    let html = letter.html().unwrap();
    assert!(!html.contains("<b onclick"), "{html}");
    assert_eq!(words(&letter.text()), seen(&html));
    assert!(letter.text().contains(evil), "shown as it is, not read as Fluent");
}
