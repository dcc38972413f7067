//! Verdicts as data: header and envelope in, verdict and reason out.
#![expect(clippy::too_many_lines, reason = "cases as data")]

use proptest::prelude::*;

use super::*;
use crate::mail::header::HeaderBlock;

mod modes_and_proofs;

const DAY: Duration = Duration::from_hours(24);

/// One recipient outside.
const ONE: Audience = Audience { outside: 1, home: 0 };

fn settings() -> Settings {
    let rule = |name: &str, from: &[&str], to: &[&str], action: Action| Rule {
        name: name.into(),
        from: from.iter().map(|pattern| pattern.parse().unwrap()).collect(),
        to: to.iter().map(|pattern| pattern.parse().unwrap()).collect(),
        action,
        mode: None,
        proof: None,
    };
    Settings {
        home: Home { domains: DomainSet::Listed(vec!["home.example".parse().unwrap()]), fallback: None },
        rules: vec![
            rule("hr", &["hr@home.example"], &[], Action::Seal),
            rule("lab", &[], &["lab.example", "*.lab.example"], Action::Seal),
            rule("hr to bank", &["hr@home.example"], &["bank.example"], Action::Refuse("not by mail".into())),
            rule("pay", &["*.pay.home.example"], &["x@y.example"], Action::Seal),
        ],
        tags: ["veilig", "vertrouwelijk", "secure", "confidential"].map(String::from).to_vec(),
        expires: 90 * DAY,
        mode: Mode::Assisted,
    }
}

/// The verdict in short: `pass`, `seal REASON DAYS`, `refuse CODE STATUS …`.
fn verdict(settings: &Settings, mail_from: &str, recipient: &str, header: &[u8]) -> (Verdict, String) {
    let mail_from: Option<Address> = (!mail_from.is_empty()).then(|| mail_from.parse().unwrap());
    let recipient: Address = recipient.parse().unwrap();
    let facts = HeaderBlock::new(header).facts(&settings.tags);
    let verdict =
        settings.decide(&EnvelopeFacts { mail_from: mail_from.as_ref(), recipient: &recipient, audience: ONE }, &facts);
    let short = match &verdict {
        Verdict::Pass => "pass".to_owned(),
        Verdict::Seal(terms) => format!("seal: {}, {}", terms.reason, terms.expires.as_secs() / DAY.as_secs()),
        Verdict::Refuse(reply) => format!("refuse: {reply}"),
    };
    (verdict, short)
}

#[track_caller]
fn check(mail_from: &str, recipient: &str, header: &[u8], expected: &str) {
    let (_, found) = verdict(&settings(), mail_from, recipient, header);
    let matches = if expected.starts_with("refuse") { found.starts_with(expected) } else { found == expected };
    assert!(matches, "{:?}: {found}, not {expected}", String::from_utf8_lossy(header));
}

#[test]
fn headers_and_tags() {
    const FROM: &[u8] = b"From: jan@home.example\r\n";
    let tag = "seal: subject tag";
    for (header, expected) in [
        (&b""[..], "pass".to_owned()),
        (b"Subject: hallo\r\n", "pass".into()),
        (b"Subject: Over [veilig] mailen\r\n", "pass".into()),
        (b"Subject: onveilig\r\nX-Sensitivity: private\r\n", "pass".into()),
        (b"Subject: caf\xe9 \x80\r\n", "pass".into()),
        (b"no colon\r\nSubject: x\r\n", "pass".into()),
        (b"Subject: x\r\nSubject: y\r\n", "pass".into()),
        // the tag
        (b"Subject: [veilig] x\r\n", format!("{tag}, 90")),
        (b"Subject: x [Vertrouwelijk]\r\n", format!("{tag}, 90")),
        (b"Subject: Antw: [ SECURE ] x\r\n", format!("{tag}, 90")),
        (b"Subject: =?utf-8?q?=5Bveilig=5D_x?=\r\n", format!("{tag}, 90")),
        (b"Subject: =?utf-8?q?=5Bvei?=\r\n =?utf-8?q?lig=5D?=\r\n", format!("{tag}, 90")),
        (b"Subject: x\r\nsubject: [veilig] y\r\n", format!("{tag}, 90")),
        (b"Sub ject: [veilig] x\r\n", format!("{tag}, 90")),
        (b"Subject: [vei\0lig] x\r\n", format!("{tag}, 90")),
        (b"Subject: x\nSubject: [veilig]\r\n", format!("{tag}, 90")),
        (b"Subject: [veilig code] x\r\n", format!("{tag}, 90")),
        (b"Subject: [veilig 30d] x\r\n", format!("{tag}, 30")),
        (b"Subject: [code, veilig, 12w] x\r\n", format!("{tag}, 84")),
        (b"Subject: [veilig 30d] x [veilig 20d]\r\n", format!("{tag}, 20")),
        (b"Subject: \"[veilig] x\"\r\n", format!("{tag}, 90")),
        (b"Subject: > [veilig] x\r\n", format!("{tag}, 90")),
        (b"Subject: [[veilig] x\r\n", format!("{tag}, 90")),
        (b"Subject: x [veilig].\r\n", format!("{tag}, 90")),
        (b"Subject: \xef\xbc\xbbveilig\xef\xbc\xbd x\r\n", format!("{tag}, 90")),
        (b"Subject: =?cp037?q?=BA=A5=85=89=93=89=87=BB=40=A7?=\r\n", format!("{tag}, 90")),
        (b"Subject: =?utf-8?q?=5Bveilig=5D_x\r\n", format!("{tag}, 90")),
        (b"Subject: =?iso-2022-kr?b?GyQpQw4/LCRpDw==?=\r\n", "pass".into()),
        (
            b"Subject: [veilig x\r\n",
            "refuse: 550 5.7.1 Zegel: a bracket of the subject tag is missing; write [veilig]".into(),
        ),
        (b"Subject: [veilig x\r\nSubject: [veilig] x\r\n", format!("{tag}, 90")),
        (b"Subject: [veilig x\r\nZegel-Secure: yes\r\n", "refuse: 550 5.7.1 Zegel: a bracket".into()),
        (b"Subject: [veilig 0d] x\r\n", "refuse: 550 5.7.1 Zegel: the life".into()),
        (b"Subject: [veilig 366d] x\r\n", "refuse: 550 5.7.1 Zegel: the life".into()),
        (b"Subject: [veilig 30 dagen] x\r\n", "refuse: 550 5.7.1 Zegel: unknown word in the subject tag".into()),
        (b"Subject: [veilig sms:+31612345678] x\r\n", format!("{tag}, 90")),
        (b"Subject: [veilig sms:06 12345678 30d] x\r\n", format!("{tag}, 30")),
        (b"Subject: [veilig sms] x\r\n", "refuse: 550 5.7.1 Zegel: proof by sms".into()),
        (b"Subject: [veilig hold] x\r\n", "refuse: 550 5.7.1 Zegel: holding".into()),
        (b"Subject: [veilig verkeer] x\r\n", "refuse: 550 5.7.1 Zegel: unknown word".into()),
        // our own fields
        (b"Zegel-Secure: yes\r\n", "seal: header Zegel-Secure, 90".into()),
        (b"ZEGEL-SECURE :\r\n YES\r\n", "seal: header Zegel-Secure, 90".into()),
        (b"Zegel-Secure: no\r\nZegel-Secure: ja\r\n", "seal: header Zegel-Secure, 90".into()),
        (b"Zegel-Secure: no\r\n", "pass".into()),
        (b"Zegel-Secure: no\r\nSubject: [veilig] x\r\n", format!("{tag}, 90")),
        (b"Zegel-Secure: perhaps\r\n", "refuse: 550 5.7.1 Zegel: Zegel-Secure takes".into()),
        (b"Zegel-Secure:\r\n", "refuse: 550 5.7.1 Zegel: Zegel-Secure takes".into()),
        (b"Zegel-Scure: yes\r\n", "refuse: 550 5.7.1 Zegel: unknown Zegel- header".into()),
        (b"Zegel-Scure: yes\r\nZegel-Secure: yes\r\n", "refuse: 550 5.7.1 Zegel: unknown Zegel- header".into()),
        (b"Zegel_Secure: yes\r\n", "refuse: 550 5.7.1 Zegel: unknown Zegel- header".into()),
        (b"X-Zegel-Secure: yes\r\n", "refuse: 550 5.7.1 Zegel: unknown Zegel- header".into()),
        (b"ZegelProof: code\r\nSubject: [veilig] x\r\n", "refuse: 550 5.7.1 Zegel: unknown Zegel- header".into()),
        (b"X-Zegelaar: yes\r\nX-Zivver-Sender: x\r\n", "pass".into()),
        (b"Zegel-Expires: P30D\r\n", "seal: header Zegel-Proof or Zegel-Expires, 30".into()),
        (b"Zegel-Secure: yes\r\nZegel-Expires: 12w\r\n", "seal: header Zegel-Secure, 84".into()),
        (b"Zegel-Secure: yes\r\nZegel-Expires: soon\r\n", "refuse: 550 5.7.1 Zegel: the life".into()),
        (b"Zegel-Secure: yes\r\nZegel-Expires: 400d\r\n", "refuse: 550 5.7.1 Zegel: the life".into()),
        (b"Zegel-Secure: no\r\nZegel-Expires: 400d\r\n", "refuse: 550 5.7.1 Zegel: the life".into()),
        (b"Zegel-Proof: code\r\n", "seal: header Zegel-Proof or Zegel-Expires, 90".into()),
        (b"Zegel-Proof: piet@b.example sms +31612345678\r\n", "seal: header Zegel-Proof or Zegel-Expires, 90".into()),
        (b"Zegel-Proof: other@b.example sms +31612345678\r\n", "seal: header Zegel-Proof or Zegel-Expires, 90".into()),
        (b"Zegel-Proof: fax\r\n", "refuse: 550 5.7.1 Zegel: this kind of proof".into()),
        // Zivver's
        (b"Zivver_Anything: x\r\n", "seal: header zivver-*, 90".into()),
        (b"zivver-anything: x\r\n", "seal: header zivver-*, 90".into()),
        (b"Zivver-Message-Expiration: delete P30D\r\n", "seal: header Zegel-Proof or Zegel-Expires, 30".into()),
        (
            b"zivver-access-right: piet@b.example sms +31612345678\r\n",
            "seal: header Zegel-Proof or Zegel-Expires, 90".into(),
        ),
        (b"zivver-minimum-recipient-verification: verification-email\r\n", "seal: header zivver-*, 90".into()),
        (b"zivver-minimum-recipient-verification: verification-sms\r\n", "refuse: 550 5.7.1 Zegel: of zivver-".into()),
        // the standard one
        (b"Sensitivity: Private\r\n", "seal: header Sensitivity, 90".into()),
        (b"SENSITIVITY:\r\n\tcompany-CONFIDENTIAL\r\n", "seal: header Sensitivity, 90".into()),
        (b"Sensitivity: Personal (x)\r\n", "seal: header Sensitivity, 90".into()),
        (b"Sensitivity: Vertrouwelijk\r\n", "seal: header Sensitivity, 90".into()),
        (b"Sensitivity: Bedrijfsvertrouwelijk\r\n", "seal: header Sensitivity, 90".into()),
        (b"Sensitivity: Priv\xc3\xa9\r\n", "seal: header Sensitivity, 90".into()),
        (b"Sensitivity: =?iso-8859-1?q?Priv=E9?=\r\n", "seal: header Sensitivity, 90".into()),
        (b"Sensitivity: Veilig\r\n", "seal: header Sensitivity, 90".into()),
        (b"Sensitivity: Medium\r\n", "pass".into()),
        (b"Sensitivity: Company Confidential\r\n", "seal: header Sensitivity, 90".into()),
        (b"Sensitivity: =?utf-8?q?Private?=\r\n", "seal: header Sensitivity, 90".into()),
        (b"Sensitivity: normal\r\nSensitivity: private\r\n", "seal: header Sensitivity, 90".into()),
        (b"Sensitivity\0: private\r\n", "seal: header Sensitivity, 90".into()),
        (b"Sens itivity: private\r\n", "seal: header Sensitivity, 90".into()),
        (b" Sensitivity: private\r\n", "seal: header Sensitivity, 90".into()),
        (b"Sensitivity: normal\r\n", "pass".into()),
        (b"Sensitivity:\r\n", "pass".into()),
        // no reading settles these
        (b"Sensitivity\0: normal\r\n", "refuse: 550 5.6.0".into()),
        (b"Subject: a\0b\r\n", "refuse: 550 5.6.0".into()),
        (b"Sub ject: x\r\n", "refuse: 550 5.6.0".into()),
        (b"Subject: x\nTo: y\r\n", "refuse: 550 5.6.0".into()),
        (b"Subject: x\rTo: y\r\n", "refuse: 550 5.6.0".into()),
        (b"no colon\r\n Sensitivity: private\r\n", "refuse: 550 5.6.0".into()),
    ] {
        // behind From first: a first line that begins with a blank must stay the first
        check("jan@home.example", "piet@b.example", &[header, FROM].concat(), &expected);
    }
}

#[test]
fn rules_on_sender_and_recipient() {
    let pay = "boss@a.pay.home.example";
    for (mail_from, recipient, from, expected) in [
        ("jan@home.example", "piet@b.example", "jan@home.example", "pass"),
        ("", "piet@b.example", "jan@home.example", "pass"),
        ("", "piet@b.example", "", "pass"),
        ("hr@home.example", "piet@b.example", "jan@home.example", "seal: rule hr, 90"),
        ("jan@home.example", "piet@b.example", "HR <HR@Home.example>", "seal: rule hr, 90"),
        ("", "piet@b.example", "hr@home.example", "seal: rule hr, 90"),
        ("jan@home.example", "piet@b.example", "jan@home.example, hr@home.example", "seal: rule hr, 90"),
        // somebody could take hr for the sender
        ("jan@home.example", "piet@b.example", "<@x.example:hr@home.example>", "seal: rule hr, 90"),
        ("jan@home.example", "piet@b.example", "hr@home.example <jan@home.example>", "seal: rule hr, 90"),
        // nobody can say who the sender is, and the rules ask
        ("jan@home.example", "piet@b.example", "Personeelszaken <hr", "refuse: 550 5.6.0"),
        ("jan@home.example", "piet@b.example", "groep:;", "refuse: 550 5.6.0"),
        ("jan@home.example", "p@lab.example", "jan@home.example", "seal: rule lab, 90"),
        ("jan@home.example", "p@x.LAB.example", "jan@home.example", "seal: rule lab, 90"),
        ("jan@home.example", "p@xlab.example", "jan@home.example", "pass"),
        ("hr@home.example", "p@lab.example", "hr@home.example", "seal: rule hr, 90"),
        // a refusal is not undone by a seal
        ("hr@home.example", "p@bank.example", "hr@home.example", "refuse: 550 5.7.1 not by mail"),
        ("jan@home.example", "p@bank.example", "jan@home.example", "pass"),
        (pay, "x@y.example", "jan@home.example", "seal: rule pay, 90"),
        ("jan@home.example", "X@Y.example", pay, "seal: rule pay, 90"),
        (pay, "z@y.example", pay, "pass"),
    ] {
        let header = if from.is_empty() { String::new() } else { format!("From: {from}\r\n") };
        check(mail_from, recipient, header.as_bytes(), expected);
    }
}

#[test]
fn the_envelope_alone() {
    let settings = settings();
    for (mail_from, recipient, expected) in [
        ("jan@home.example", "piet@b.example", "later"),
        ("hr@home.example", "piet@b.example", "seal rule hr"),
        ("jan@home.example", "p@lab.example", "seal rule lab"),
        ("", "p@lab.example", "seal rule lab"),
        ("hr@home.example", "p@bank.example", "refuse"),
        ("", "p@bank.example", "later"),
    ] {
        let mail_from: Option<Address> = (!mail_from.is_empty()).then(|| mail_from.parse().unwrap());
        let recipient = recipient.parse().unwrap();
        let found = match settings.early(&EnvelopeFacts {
            mail_from: mail_from.as_ref(),
            recipient: &recipient,
            audience: ONE,
        }) {
            None | Some(Verdict::Pass) => "later".to_owned(),
            Some(Verdict::Seal(terms)) => format!("seal {}", terms.reason),
            Some(Verdict::Refuse(_)) => "refuse".to_owned(),
        };
        assert_eq!(found, expected, "{recipient}");
    }
}

#[test]
fn senders() {
    let alone = settings();
    let mut with_fallback = settings();
    with_fallback.home.fallback = Some("post@home.example".parse().unwrap());
    for (header, own, name, problem) in [
        ("From: Jan <Jan@Home.example>\r\n", Some("Jan@Home.example"), "Jan", ""),
        ("From: \"jan@other.example\" <jan@home.example>\r\n", Some("jan@home.example"), "", ""),
        ("From: jan@other.example\r\n", None, "", "not one of the organisation's own"),
        ("From: jan@sub.home.example\r\n", None, "", "not one of the organisation's own"),
        ("From: jan@home.example, piet@home.example\r\n", None, "", "several From"),
        ("From: jan@home.example\r\nFrom: jan@home.example\r\n", None, "", "several From"),
        ("From: jan@home.example\r\nFr om: x@other.example\r\n", None, "", "several From"),
        ("From: groep: jan@home.example;\r\n", None, "", "cannot be read"),
        ("From: jan@home.example\r\nFrom: piet\r\n", None, "", "cannot be read"),
        ("From: jan@home.example <piet@home.example>\r\n", None, "", "cannot be read"),
        ("Sender: jan@home.example\r\n", None, "", "no From"),
        ("", None, "", "no From"),
    ] {
        let facts = HeaderBlock::new(header.as_bytes()).facts(&[]);
        match (alone.sender(&facts), own) {
            (Ok(identity), Some(own)) => {
                assert_eq!(
                    (identity.address.as_str(), identity.mailbox.as_str(), identity.name.as_str()),
                    (own, own, name)
                );
                assert_eq!(with_fallback.sender(&facts), Ok(identity));
            }
            (Err(reply), None) => {
                assert!(reply.code() == 550 && reply.to_string().contains(problem), "{header:?}: {reply}");
                assert!(reply.text().iter().all(|line| line.starts_with("5.7.1 ") && !line.contains('@')));
                let identity = with_fallback.sender(&facts).unwrap();
                assert_eq!((identity.mailbox.as_str(), identity.name.as_str()), ("post@home.example", ""));
                assert_eq!(identity.address, identity.mailbox);
            }
            (found, _) => panic!("{header:?}: {found:?}"),
        }
    }
}

#[test]
fn a_fallback_outside_home_gets_nothing() {
    let mut settings = settings();
    settings.home.fallback = Some("post@other.example".parse().unwrap());
    assert_eq!(settings.sender(&HeaderBlock::new(b"").facts(&[])).unwrap_err().code(), 550);
}

#[test]
fn an_explanation_names_every_trigger_and_the_verdict() {
    let settings = settings();
    let recipient = "p@lab.example".parse().unwrap();
    let facts = HeaderBlock::new(b"From: jan@home.example\r\nSensitivity: private\r\n").facts(&settings.tags);
    let envelope = EnvelopeFacts { mail_from: None, recipient: &recipient, audience: ONE };
    let (considered, verdict) = settings.explain(&envelope, &facts);
    let sealing: Vec<&str> =
        considered.iter().filter(|c| c.finding == Finding::Seal).map(|c| c.trigger.as_str()).collect();
    assert_eq!(sealing, ["header Sensitivity", "rule lab"]);
    assert_eq!(considered.len(), 9 + settings.rules.len());
    assert_eq!(verdict, settings.decide(&envelope, &facts));
}

/// Header lines that do something, and some that do not.
fn lines() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "Subject: [veilig] x\r\n",
        "Subject: x\r\n",
        "Subject: [veilig 30d] x\r\n",
        "Subject: [veilig sms] x\r\n",
        "Sensitivity: private\r\n",
        "Sensitivity: normal\r\n",
        "Zegel-Secure: yes\r\n",
        "Zegel-Secure: no\r\n",
        "Zegel-Secure: x\r\n",
        "Zegel-Expires: 3d\r\n",
        "zivver-x: y\r\n",
        "From: jan@home.example\r\n",
        "From: hr@home.example\r\n",
        "From: x\r\n",
        "Sub ject: x\r\n",
        "no colon\r\n",
        " fold\r\n",
    ]);
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn what_one_secures_no_other_undoes(before in lines(), secret in prop::sample::select(vec![
        "Subject: [veilig] x\r\n", "Sensitivity: private\r\n", "Zegel-Secure: yes\r\n", "zivver-x: y\r\n", "From: hr@home.example\r\n",
    ]), after in lines()) {
        let header = format!("X: y\r\n{before}{secret}{after}");
        let (found, short) = verdict(&settings(), "jan@home.example", "piet@b.example", header.as_bytes());
        prop_assert!(found != Verdict::Pass, "{}: {}", header, short);
    }

    #[test]
    fn the_end_never_undoes_the_begin(header in lines(), from in prop::sample::select(vec!["", "hr@home.example", "jan@home.example"]),
        to in prop::sample::select(vec!["p@lab.example", "p@bank.example", "p@b.example"])) {
        let settings = settings();
        let mail_from: Option<Address> = (!from.is_empty()).then(|| from.parse().unwrap());
        let recipient = to.parse().unwrap();
        let early = settings.early(&EnvelopeFacts { mail_from: mail_from.as_ref(), recipient: &recipient, audience: ONE });
        let (end, _) = verdict(&settings, from, to, header.as_bytes());
        match early {
            Some(Verdict::Refuse(_)) => prop_assert!(matches!(end, Verdict::Refuse(_))),
            Some(Verdict::Seal(_)) => prop_assert!(!matches!(end, Verdict::Pass)),
            _ => {}
        }
    }

    #[test]
    fn any_header_has_a_verdict_that_names_no_content(header in prop::collection::vec(any::<u8>(), 0..200)) {
        let (found, short) = verdict(&settings(), "jan@home.example", "piet@b.example", &header);
        if let Verdict::Refuse(reply) = &found {
            prop_assert!(reply.class() == 5);
        }
        prop_assert!(!short.contains("home.example"));
    }
}
