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
