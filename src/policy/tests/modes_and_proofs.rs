//! What else a rule or a mail asks for: the mode in which it is kept, and the proof that opens it.

use super::*;

#[test]
fn the_mode_is_the_default_unless_a_rule_that_seals_says_otherwise() {
    let header = b"From: jan@home.example\r\n";
    let tagged = b"From: jan@home.example\r\nSubject: [veilig] x\r\n";
    let rule = |name: &str, to: &str, mode| Rule {
        name: name.into(),
        from: Vec::new(),
        to: vec![to.parse().unwrap()],
        action: Action::Seal,
        mode,
        proof: None,
    };
    let rules = vec![
        rule("gp", "gp.example", Some(Mode::Strict)),
        rule("any", "any.example", None),
        rule("easy", "both.example", Some(Mode::Assisted)),
        rule("hard", "both.example", Some(Mode::Strict)),
        rule("easy", "easy.example", Some(Mode::Assisted)),
    ];
    for (default, recipient, header, expected) in [
        (Mode::Assisted, "a@gp.example", header.as_slice(), Mode::Strict),
        (Mode::Assisted, "a@gp.example", tagged, Mode::Strict),
        (Mode::Assisted, "a@any.example", header, Mode::Assisted),
        (Mode::Assisted, "a@both.example", header, Mode::Strict),
        (Mode::Assisted, "a@else.example", tagged, Mode::Assisted),
        (Mode::Strict, "a@else.example", tagged, Mode::Strict),
        (Mode::Strict, "a@any.example", header, Mode::Strict),
        (Mode::Strict, "a@easy.example", tagged, Mode::Assisted),
        (Mode::Strict, "a@both.example", header, Mode::Strict),
    ] {
        let settings = Settings { rules: rules.clone(), mode: default, ..settings() };
        let (Verdict::Seal(terms), _) = verdict(&settings, "jan@home.example", recipient, header) else {
            panic!("{recipient} is not sealed");
        };
        assert_eq!(terms.mode, expected, "{default:?} {recipient}");
    }
}

/// For whom a proof counts: header for the recipient, header for nobody, tag; never a guess.
#[test]
fn proofs_asked_for() {
    let sms = |number: &str| Some(Proof::Sms(number.to_owned()));
    let home = settings().home;
    let (piet, jan, colleague) = ("piet@b.example", "jan@c.example", "els@home.example");
    let refused = "refused";
    // recipients, header, what each of them gets
    for (recipients, header, expected) in [
        (&[piet][..], "Subject: [veilig] x", Ok(vec![None])),
        (&[piet], "Subject: [veilig code] x", Ok(vec![Some(Proof::Code)])),
        (&[piet], "Subject: [veilig sms:+31612345678] x", Ok(vec![sms("+31612345678")])),
        (&[piet], "Subject: [veilig sms:06 12345678, 30d] x", Ok(vec![sms("06 12345678")])),
        (&[piet, colleague], "Subject: [veilig sms:+31612345678] x", Ok(vec![sms("+31612345678"), None])),
        (&[colleague], "Subject: [veilig sms:+31612345678] x", Ok(vec![sms("+31612345678")])),
        (&[piet, jan], "Subject: [veilig sms:+31612345678] x", Err(refused)),
        (&[piet, jan], "Subject: [veilig code] x", Err(refused)),
        (&[colleague, "an@home.example"], "Subject: [veilig code] x", Err(refused)),
        (&[piet, jan], "Subject: [veilig] x", Ok(vec![None, None])),
        (&[piet, jan], "Zegel-Proof: code", Ok(vec![Some(Proof::Code), Some(Proof::Code)])),
        (&[piet, jan], "Zegel-Proof: sms +31612345678", Err(refused)),
        (&[piet], "Zegel-Proof: sms +31612345678", Ok(vec![sms("+31612345678")])),
        (
            &[piet, jan],
            "Zegel-Proof: piet@b.example sms +31612345678\r\nzivver-access-right: JAN@c.example sms +31687654321",
            Ok(vec![sms("+31612345678"), sms("+31687654321")]),
        ),
        (
            &[piet, jan],
            "Zegel-Proof: code\r\nZegel-Proof: piet@b.example sms +31612345678",
            Ok(vec![sms("+31612345678"), Some(Proof::Code)]),
        ),
        (
            &[piet],
            "Subject: [veilig code] x\r\nZegel-Proof: piet@b.example sms +31612345678",
            Ok(vec![sms("+31612345678")]),
        ),
        (&[piet], "Subject: [veilig code sms:+31612345678] x", Err(refused)),
        (&[piet], "Zegel-Proof: piet@b.example code\r\nZegel-Proof: piet@b.example sms +31612345678", Err(refused)),
        (&[piet], "Zegel-Proof: piet@b.example code\r\nZegel-Proof: piet@b.example code", Ok(vec![Some(Proof::Code)])),
    ] {
        let settings = settings();
        let recipients: Vec<Address> = recipients.iter().map(|address| address.parse().unwrap()).collect();
        let audience = Audience::of(&home, &recipients);
        let header = format!("From: jan@home.example\r\n{header}\r\n");
        let facts = HeaderBlock::new(header.as_bytes()).facts(&settings.tags);
        let decide = |recipient| settings.decide(&EnvelopeFacts { mail_from: None, recipient, audience }, &facts);
        let found: Result<Vec<_>, _> = recipients
            .iter()
            .map(|recipient| match decide(recipient) {
                Verdict::Seal(terms) => Ok(terms.proof),
                Verdict::Pass => panic!("{header}"),
                Verdict::Refuse(reply) => {
                    let said = reply.to_string();
                    assert!(!said.contains("87654321") && reply.code() == 550, "{said}");
                    Err(refused)
                }
            })
            .collect();
        assert_eq!(found, expected, "{header}");
    }
}

/// A code by mail only where every rule that speaks of it allows it, and never for what is strict.
#[test]
fn a_code_by_mail_only_where_a_rule_names_it() {
    let rule = |name: &str, to: &str, mode, proof| Rule {
        name: name.into(),
        from: Vec::new(),
        to: vec![to.parse().unwrap()],
        action: Action::Seal,
        mode,
        proof,
    };
    let rules = vec![
        rule("news", "news.example", None, Some(Level::Mail)),
        rule("both, low", "both.example", None, Some(Level::Mail)),
        rule("both, high", "both.example", None, Some(Level::Code)),
        rule("silent", "silent.example", None, None),
        rule("mail and silent", "mixed.example", None, Some(Level::Mail)),
        rule("silent too", "mixed.example", None, None),
        rule("strict, low", "strict.example", Some(Mode::Assisted), Some(Level::Mail)),
        rule("strict", "strict.example", Some(Mode::Strict), None),
    ];
    let settings = Settings { rules, ..settings() };
    let (plain, tagged) = ("Subject: x", "Subject: [veilig] x");
    let (asks, asks_in_a_header) = ("Subject: [veilig mail] x", "Zegel-Proof: mail");
    for (recipient, header, expected) in [
        ("a@news.example", plain, Ok((None, Level::Mail))),
        ("a@news.example", tagged, Ok((None, Level::Mail))),
        ("a@news.example", asks, Ok((Some(Proof::Mail), Level::Mail))),
        ("a@news.example", asks_in_a_header, Ok((Some(Proof::Mail), Level::Mail))),
        ("a@news.example", "Zegel-Proof: a@news.example mail", Ok((Some(Proof::Mail), Level::Mail))),
        ("a@news.example", "Subject: [veilig code] x", Ok((Some(Proof::Code), Level::Mail))),
        ("a@mixed.example", plain, Ok((None, Level::Mail))),
        ("a@both.example", plain, Ok((None, Level::Code))),
        ("a@both.example", asks, Err("no rule of this gateway allows a code by mail")),
        ("a@silent.example", plain, Ok((None, Level::Code))),
        ("a@silent.example", asks, Err("no rule of this gateway allows a code by mail")),
        ("a@else.example", tagged, Ok((None, Level::Code))),
        ("a@else.example", asks, Err("no rule of this gateway allows a code by mail")),
        ("a@else.example", asks_in_a_header, Err("no rule of this gateway allows a code by mail")),
        ("a@strict.example", plain, Ok((None, Level::Code))),
        ("a@strict.example", asks, Err("strict mail cannot be opened with a code by mail")),
        ("a@news.example", "Subject: [veilig mail code] x", Err("two different proofs")),
        ("a@news.example", "Zegel-Proof: mail now", Err("this kind of proof is not known")),
    ] {
        let recipient: Address = recipient.parse().unwrap();
        let header = format!("From: jan@home.example\r\n{header}\r\n");
        let facts = HeaderBlock::new(header.as_bytes()).facts(&settings.tags);
        let envelope = EnvelopeFacts { mail_from: None, recipient: &recipient, audience: ONE };
        match (settings.decide(&envelope, &facts), expected) {
            (Verdict::Seal(terms), Ok(expected)) => {
                assert_eq!((terms.proof, terms.level), expected, "{recipient:?} {header}");
            }
            (Verdict::Refuse(reply), Err(says)) => {
                assert!(reply.code() == 550 && reply.to_string().contains(says), "{header}: {reply}");
            }
            (found, expected) => panic!("{header}: {found:?}, not {expected:?}"),
        }
    }
    let everything_strict = Settings { mode: Mode::Strict, ..settings };
    let facts = HeaderBlock::new(b"From: jan@home.example\r\n").facts(&everything_strict.tags);
    let recipient: Address = "a@news.example".parse().unwrap();
    let envelope = EnvelopeFacts { mail_from: None, recipient: &recipient, audience: ONE };
    let Verdict::Seal(terms) = everything_strict.decide(&envelope, &facts) else { panic!("not sealed") };
    assert_eq!((terms.mode, terms.level), (Mode::Strict, Level::Code));
}
