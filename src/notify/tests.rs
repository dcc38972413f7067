//! Composed mails, read back with a parser of our own.

use proptest::prelude::*;

use super::compose::{Head, Mailbox, compose};
use super::*;
use crate::base::JobId;
use crate::base::Timestamp;
use crate::mail::Address;
use crate::text::Lang;
use crate::text::mail::{CodeMail, Letter, Notice, Recipient};

/// A mail as a reader takes it: fields in order with folds removed, and the decoded parts.
struct Read {
    fields: Vec<(String, String)>,
    parts: Vec<(Vec<(String, String)>, String)>,
}

impl Read {
    fn of(mail: &[u8]) -> Self {
        let text = std::str::from_utf8(mail).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let fields = fields(head);
        let kind = &fields.iter().find(|(name, _)| name == "Content-Type").unwrap().1;
        let (_, boundary) = kind.split_once("boundary=\"").unwrap();
        let delimiter = format!("\r\n--{}", boundary.trim_end_matches('"'));
        let body = format!("\r\n{body}");
        let mut pieces = body.split(&delimiter);
        pieces.next();
        let parts = pieces.filter(|piece| !piece.starts_with("--")).map(part).collect();
        Self { fields, parts }
    }

    fn names(&self) -> Vec<&str> {
        self.fields.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn field(&self, name: &str) -> &str {
        let mut found = self.fields.iter().filter(|(n, _)| n == name);
        let value = &found.next().unwrap_or_else(|| panic!("no {name}")).1;
        assert!(found.next().is_none(), "{name} stands there twice");
        value
    }
}

fn fields(head: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in head.split("\r\n") {
        if line.starts_with([' ', '\t']) {
            let last = fields.last_mut().expect("a fold without a field");
            last.1.push_str(line);
        } else {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no field: {line:?}"));
            fields.push((name.to_owned(), value.to_owned()));
        }
    }
    fields
}

fn part(piece: &str) -> (Vec<(String, String)>, String) {
    let (head, body) = piece.strip_prefix("\r\n").unwrap().split_once("\r\n\r\n").unwrap();
    let fields = fields(head);
    let encoding = &fields.iter().find(|(name, _)| name == "Content-Transfer-Encoding").unwrap().1;
    let text = match encoding.as_str() {
        "7bit" => body.to_owned(),
        "quoted-printable" => unquote(body, false),
        // Only where most of the text is not ASCII.
        "base64" => {
            let packed: String = body.split_whitespace().collect();
            String::from_utf8(data_encoding::BASE64.decode(packed.as_bytes()).unwrap()).unwrap()
        }
        other => panic!("encoding {other}"),
    };
    (fields, text.replace("\r\n", "\n"))
}

/// Quoted-printable (RFC 2045 §6.7), or the Q encoding of header words (RFC 2047 §4.2).
fn unquote(text: &str, header: bool) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'_' if header => out.push(b' '),
            b'=' => {
                let pair = [bytes.next().unwrap(), bytes.next().unwrap()];
                if pair != *b"\r\n" {
                    out.push(u8::from_str_radix(std::str::from_utf8(&pair).unwrap(), 16).unwrap());
                }
            }
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).unwrap()
}

/// Decodes encoded words; white space between two of them does not count (RFC 2047 §6.2).
fn decode(value: &str) -> String {
    let mut out = String::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some((before, tail)) = rest.split_once("=?") {
        let mut fields = tail.splitn(3, '?');
        let (charset, kind, more) = (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
        assert!(["utf-8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known)), "{charset}");
        if !(after_word && before.trim().is_empty()) {
            out.push_str(before);
        }
        let (text, after) = more.split_once("?=").unwrap();
        match kind {
            "Q" | "q" => out.push_str(&unquote(text, true)),
            _ => {
                let bytes = data_encoding::BASE64.decode(text.as_bytes()).unwrap();
                out.push_str(&String::from_utf8(bytes).unwrap());
            }
        }
        after_word = true;
        rest = after;
    }
    out.push_str(rest);
    out
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

pub(super) fn head(from: &str, to: &str) -> Head {
    Head {
        from: Mailbox { name: clean::name(from), address: address("anna@example.nl") },
        to: Mailbox { name: clean::name(to), address: address("jan@example.org") },
        date: Timestamp::from_secs(1_795_255_200),
        job: JobId([7; 16]),
        domain: "bounce.example.nl".parse().unwrap(),
        generated: false,
    }
}

fn notice(sender: &str, recipient: &str, organisation: &str, lang: Lang) -> Letter {
    let notice = Notice {
        recipient: &clean::name(recipient),
        sender: &clean::name(sender),
        address: "anna@example.nl",
        organisation,
        link: "https://veilig.example.nl/b/mfrggzdfmztwq2lknnwg23tpobyxe43u",
        page: "https://veilig.example.nl",
        phone: "010 - 000 00 00",
        reference: "K7QF-2M9D",
        until_nl: "19 februari 2027",
        until_en: "19 February 2027",
        strict: false,
        opens: crate::text::mail::Opens::AccessCode,
        again: false,
    };
    notice.write(&Texts::load().unwrap(), lang).unwrap()
}

/// What every mail of ours holds to, whatever names stand in it.
fn check_form(mail: &[u8]) {
    assert!(mail.is_ascii());
    assert!(mail.ends_with(b"\r\n"));
    let text = std::str::from_utf8(mail).unwrap();
    for line in text.strip_suffix("\r\n").unwrap().split("\r\n") {
        assert!(!line.contains(['\r', '\n', '\0']), "a bare line end: {line:?}");
        assert!(line.len() <= 998, "{} characters", line.len());
    }
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.split("\r\n").all(|line| line.len() <= 200 && !line.trim().is_empty()), "{head}");
    assert!(body.split("\r\n").all(|line| line.len() <= 78 && !line.ends_with([' ', '\t'])), "{body}");
    assert!(!mail.ends_with(b"\r\n\r\n"), "DKIM's simple canonicalisation would drop the empty lines");
}

const NOTICE_FIELDS: [&str; 8] =
    ["From", "To", "Subject", "Date", "Message-ID", "Content-Language", "MIME-Version", "Content-Type"];

#[test]
fn a_notice_on_the_wire() {
    for lang in Lang::ALL {
        let letter = notice("Anna Jansen", "Jan de Vries", "Voorbeeld Zorg", lang);
        let mail = compose(&head("Anna Jansen", "Jan de Vries"), &letter).unwrap();
        check_form(&mail);
        let read = Read::of(&mail);
        assert_eq!(read.names(), NOTICE_FIELDS);
        assert_eq!(read.field("From"), "\"Anna Jansen\" <anna@example.nl>");
        assert_eq!(read.field("To"), "\"Jan de Vries\" <jan@example.org>");
        assert_eq!(decode(read.field("Subject")), letter.subject);
        assert_eq!(read.field("Date"), "Sat, 21 Nov 2026 10:00:00 +0000");
        assert_eq!(read.field("Message-ID"), format!("<{}@bounce.example.nl>", JobId([7; 16])));
        assert_eq!(read.field("MIME-Version"), "1.0");
        assert_eq!(read.field("Content-Language"), lang.tag());
        assert!(read.field("Content-Type").starts_with("multipart/alternative;"));
        assert_eq!(read.parts.len(), 2);
        let kinds: Vec<&str> = read.parts.iter().map(|(fields, _)| fields[0].1.as_str()).collect();
        assert!(read.parts.iter().all(|(fields, _)| fields[1].1 == "quoted-printable"), "filters distrust base64 here");
        assert_eq!(kinds, ["text/plain; charset=\"utf-8\"", "text/html; charset=\"utf-8\""]);
        assert_eq!(read.parts[0].1.trim_end(), letter.text().trim_end());
        assert_eq!(read.parts[1].1.trim_end(), letter.html().unwrap().trim_end());
    }
}

#[test]
fn a_mail_of_the_gateway_says_so() {
    let letter = CodeMail {
        sender: "Anna",
        recipient: Recipient { name: "Zoë", address: "zoe@example.org" },
        organisation: "Voorbeeld Zorg",
        code: "1234 5678",
        replaces: false,
        strict: false,
    };
    let letter = letter.write(&Texts::load().unwrap(), Lang::Nl).unwrap();
    let mail = compose(&Head { generated: true, ..head("", "Zoë Ünal") }, &letter).unwrap();
    check_form(&mail);
    let read = Read::of(&mail);
    assert_eq!(read.field("Auto-Submitted"), "auto-generated");
    assert_eq!(decode(read.field("To")), "Zoë Ünal <jan@example.org>");
    assert_eq!(read.field("From"), "<anna@example.nl>");
    assert_eq!(decode(read.field("Subject")), "Toegangscode voor Zoë");
}

#[test]
fn the_same_attempt_makes_the_same_bytes() {
    let letter = notice("Anna", "Jan", "Zorg", Lang::Nl);
    let first = compose(&head("Anna", "Jan"), &letter).unwrap();
    assert_eq!(*first, *compose(&head("Anna", "Jan"), &letter).unwrap());
}

/// Names that someone might try.
fn any_name() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "\r\n",
        "\n",
        "\r",
        "\0",
        "Bcc: x@evil.example",
        "\r\nSubject: x\r\n\r\nbody",
        "\"",
        "\\",
        "<",
        ">",
        ",",
        ";",
        ":",
        "(",
        "=?utf-8?q?=0d=0aX:_y?=",
        "=?utf-8?b?DQo=?=",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "<script>",
        "&amp;",
        "é",
        "日本語",
        "🙂",
        " ",
        "  ",
        "\t",
        "--=_",
        "{ $sender }",
        "a",
        "Jansen",
        "…",
        "\u{2028}",
        "\u{2}",
        "\u{3}",
    ]);
    prop_oneof![
        any::<String>(),
        prop::collection::vec(pieces, 0..20).prop_map(|pieces| pieces.concat()),
        "[a-z]{0,300}",
        "\\PC{0,120}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_name_changes_the_header_or_the_parts(from in any_name(), to in any_name(), organisation in any_name()) {
        let letter = notice(&from, &to, &clean::line(&organisation, 80), Lang::Nl);
        let head = head(&from, &to);
        let mail = compose(&head, &letter).unwrap();
        check_form(&mail);
        let read = Read::of(&mail);
        prop_assert_eq!(read.names(), NOTICE_FIELDS);
        prop_assert_eq!(decode(read.field("Subject")), letter.subject.clone());
        for (field, mailbox) in [("From", &head.from), ("To", &head.to)] {
            let expected = format!("<{}>", mailbox.address);
            prop_assert!(read.field(field).ends_with(&expected), "{}", read.field(field));
            let shown = decode(read.field(field).strip_suffix(&expected).unwrap().trim_end());
            let shown = shown.strip_prefix('"').and_then(|s| s.strip_suffix('"')).map_or(shown.clone(), |quoted| {
                quoted.replace("\\\"", "\"").replace("\\\\", "\\")
            });
            prop_assert_eq!(&shown, &mailbox.name);
        }
        prop_assert_eq!(read.parts.len(), 2);
        prop_assert_eq!(read.parts[0].1.trim_end(), letter.text().trim_end().to_owned());
        prop_assert_eq!(read.parts[1].1.trim_end(), letter.html().unwrap().trim_end().to_owned());
    }
}
