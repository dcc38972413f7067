//! Odd header shapes and what they are read as; what is stored of a header.

use proptest::prelude::*;

use super::*;

fn tags() -> Vec<String> {
    ["veilig", "vertrouwelijk", "secure", "confidential"].map(String::from).to_vec()
}

fn facts(header: &[u8]) -> HeaderFacts {
    HeaderBlock::new(header).facts(&tags())
}

fn stored(header: &[u8]) -> String {
    String::from_utf8_lossy(&HeaderBlock::new(header).stored(&tags())).into_owned()
}

#[test]
fn an_ordinary_header_is_read() {
    let header = b"Received: from a\r\n\tby b; Sat, 21 Nov 2026\r\nReceived: from c\r\nFrom: =?utf-8?q?Jos=C3=A9?= <jose@a.example>\r\n\
        To: \"Vries, P. de\" <piet@b.example>,\r\n Anna <anna@b.example>\r\nCc: kees@b.example\r\nCC: wim@b.example\r\n\
        Subject: Re: [Veilig 30d] uitslag\r\n\tvan gisteren\r\nDate: Sat, 21 Nov 2026 10:00:00 +0100\r\n\
        Message-ID: <1.2@a.example>\r\nSensitivity: Company-Confidential\r\nAuto-Submitted: no\r\nX-OriginatorOrg: a.example\r\n";
    let facts = facts(header);
    assert_eq!(facts.from, [("José".to_owned(), "jose@a.example".parse().unwrap())]);
    assert!(!facts.from_doubtful && !facts.from_unreadable && !facts.ambiguous && !facts.auto_submitted);
    assert_eq!(facts.to, "\"Vries, P. de\" <piet@b.example>, Anna <anna@b.example>");
    assert_eq!(facts.cc, "kees@b.example, wim@b.example");
    assert_eq!(facts.subject, "Re: [Veilig 30d] uitslag van gisteren");
    assert_eq!(facts.subject_untagged, "Re: uitslag van gisteren");
    assert_eq!(facts.tag, ["veilig", "30d"]);
    assert_eq!(facts.sensitivity, ["company-confidential"]);
    assert_eq!(facts.date.as_deref(), Some("Sat, 21 Nov 2026 10:00:00 +0100"));
    assert_eq!(facts.message_id.as_deref(), Some("1.2@a.example"));
    assert_eq!((facts.received, facts.originator_orgs), (2, vec!["a.example".to_owned()]));
}

#[test]
fn an_empty_header_says_nothing_and_has_no_sender() {
    assert_eq!(facts(b""), HeaderFacts { from_doubtful: true, ..HeaderFacts::default() });
}

#[test]
fn senders_and_doubt() {
    // header, addresses read, doubtful, unreadable, mentions
    for (header, read, doubtful, unreadable, mentions) in [
        (&b"From: jan@a.example\r\n"[..], "jan@a.example", false, false, ""),
        (b"FROM : jan@a.example\r\n", "jan@a.example", false, false, ""),
        (b"from:\r\n\tjan@a.example\r\n", "jan@a.example", false, false, ""),
        (b"From: jan@a.example, piet@b.example\r\n", "jan@a.example piet@b.example", false, false, ""),
        (b"From: jan@a.example\r\nFrom: piet@b.example\r\n", "jan@a.example piet@b.example", true, false, ""),
        (b"From: jan@a.example\r\nfRoM: jan@a.example\r\n", "jan@a.example jan@a.example", true, false, ""),
        (b"From: jan@a.example\r\nFr om: piet@b.example\r\n", "jan@a.example piet@b.example", true, false, ""),
        (b"From: jan@a.example\r\nFrom\0: piet@b.example\r\n", "jan@a.example piet@b.example", true, false, ""),
        (b" From: jan@a.example\r\nFrom: piet@b.example\r\n", "jan@a.example piet@b.example", true, false, ""),
        (b"From: groep: jan@a.example;\r\n", "", true, true, "jan@a.example"),
        (b"From: <@c.example:jan@a.example>\r\n", "", true, true, "jan@a.example"),
        (b"From: jan@a.example <piet@b.example>\r\n", "", true, true, "jan@a.example piet@b.example"),
        (b"From: jan@a.example (\r\n <piet@b.example>\r\n", "", true, true, "jan@a.example piet@b.example"),
        (b"From: <piet@b.example>\0, <jan@a.example>\r\n", "", true, true, "piet@b.example jan@a.example"),
        (b"From: =?utf-8?b?amFuQGEuZXhhbXBsZQ==?=\r\n", "", true, true, "jan@a.example"),
        (b"From:\r\n", "", true, true, ""),
        (b"From\r\n", "", true, false, ""),
        (b"Sender: jan@a.example\r\n", "", true, false, ""),
        (b"Subject: x\r\n From: jan@a.example\r\n", "", true, false, ""),
    ] {
        let facts = facts(header);
        let list = |addresses: &[Address]| addresses.iter().map(Address::as_str).collect::<Vec<_>>().join(" ");
        let from: Vec<Address> = facts.from.iter().map(|(_, address)| address.clone()).collect();
        let found = (list(&from), facts.from_doubtful, facts.from_unreadable, list(&facts.from_mentions));
        assert_eq!(
            found,
            (read.to_owned(), doubtful, unreadable, mentions.to_owned()),
            "{:?}",
            String::from_utf8_lossy(header)
        );
    }
}

#[test]
fn every_reading_of_a_subject_counts() {
    for header in [
        &b"Subject: [veilig] x\r\n"[..],
        b"SUBJECT: x [VEILIG]\r\n",
        b"Subject : [veilig] x\r\n",
        b"Subject:[veilig]x\r\n",
        b"Subject:\r\n [veilig]\r\n x\r\n",
        b"Subject: [vei\r\n lig] x\r\n",
        b"Subject: x\r\nSubject: [veilig] y\r\n",
        b"Subject: [veilig] y\r\nSubject: x\r\n",
        b"Sub ject: [veilig] x\r\n",
        b"Sub\0ject: [veilig] x\r\n",
        b" Subject: [veilig] x\r\n",
        b"\xef\xbb\xbfSubject: [veilig] x\r\n",
        b"Sub\xe2\x80\x8bject: [veilig] x\r\n",
        b"Subject\xc2\xa0: [veilig] x\r\n",
        b"Subject: [vei\0lig] x\r\n",
        b"Subject: =?utf-8?q?=5Bveilig=5D_x?=\r\n",
        b"Subject: =?UTF-8?B?W3ZlaWxpZ10geA==?=\r\n",
        b"Subject: =?utf-8?q?=5Bvei?= =?utf-8?q?lig=5D_x?=\r\n",
        b"Subject: =?utf-8?q?=5Bvei?=\r\n =?iso-8859-15?q?lig=5D_x?=\r\n",
        b"Subject: [veilig=?utf-8?q?=5D?= x\r\n",
        b"Subject: =?utf-16be?b?AFsAdgBlAGkAbABpAGcAXQAgAHg=?=\r\n",
        b"Subject: =?no-such?q?=5Bveilig=5D_x?=\r\n",
        b"Subject: =?utf-8?b?W3ZlaWxpZ10geA?=\r\n",
        b"Subject: =?utf-8?b?W3ZlaW!xpZ10geA==?=\r\n",
        b"Subject: caf\xe9 [veilig]\r\n",
        b"Subject: caf\xc3\xa9 [veilig]\r\n",
        b"Subject: =?utf-8?q?x?= [veilig]\r\n",
        b"Subject: Re: =?utf-8?q?=5Bveilig=5D?= x\r\n",
        b"Subject: [veilig]\xc2\xa0x\r\n",
        // an encoded word that is not one to every reader
        b"Subject: [veilig] =?utf-8?q?open\r\n",
        // charsets that nobody reads by their name: utf-32 and ucs-4, cp037, cp500, cp1047, HZ, ISO-2022-KR, UTF-16 without a mark
        b"Subject: =?utf-32?b?//4AAFsAAAB2AAAAZQAAAGkAAABsAAAAaQAAAGcAAABdAAAAIAAAAHgAAAA=?=\r\n",
        b"Subject: =?utf-32?b?AAD+/wAAAFsAAAB2AAAAZQAAAGkAAABsAAAAaQAAAGcAAABdAAAAIAAAAHg=?=\r\n",
        b"Subject: =?x-ucs-4?b?AAAAWwAAAHYAAABlAAAAaQAAAGwAAABpAAAAZwAAAF0AAAAgAAAAeA==?=\r\n",
        b"Subject: =?utf-16?b?WwB2AGUAaQBsAGkAZwBdACAAeAA=?=\r\n",
        b"Subject: =?ucs-2?b?AFsAdgBlAGkAbABpAGcAXQAgAHg=?=\r\n",
        b"Subject: =?iso-10646-ucs-2?b?AFsAdgBlAGkAbABpAGcAXQAgAHg=?=\r\n",
        b"Subject: =?cp037?q?=BA=A5=85=89=93=89=87=BB=40=A7?=\r\n",
        b"Subject: =?ibm-500?q?=4A=A5=85=89=93=89=87=5A=40=A7?=\r\n",
        b"Subject: Re: =?x-ibm1047?b?raWFiZOJh71Apw==?=\r\n",
        b"Subject: =?hz-gb-2312?q?=5Bveilig=5D_~{VPND~}?=\r\n",
        b"Subject: =?hz-gb-2312?q?~{VPND~}_=5Bveilig=5D?=\r\n",
        b"Subject: =?iso-2022-kr?b?GyQpQ1t2ZWlsaWddIHg=?=\r\n",
        b"Subject: =?iso-2022-cn?b?W3ZlaWxpZ10geA==?=\r\n",
        b"Subject: =?replacement?q?=5Bveilig=5D_x?=\r\n",
        b"Subject: =?unicode-1-1-utf-7?q?+AFs-veilig+AF0-?=\r\n",
        // words that do not end, or break as bodies do
        b"Subject: =?utf-8?q?=5Bveilig=5D_x\r\n",
        b"Subject: =?utf-8?q?=5Bveilig=5D_x?\r\n",
        b"Subject: =?utf-8?b?W3ZlaWxpZ10geA==\r\n",
        b"Subject: =?utf-8?q?=5Bvei=\r\n lig=5D_x?=\r\n",
        b"Subject: =?utf-8?q?=5Bvei =?utf-8?q?lig=5D_x?=\r\n",
        b"Subject: =?cp037?q?=BA=A5=85=89=93=89=87=BB=40=A7\r\n",
    ] {
        assert!(facts(header).tag.contains(&"veilig".to_owned()), "{:?}", String::from_utf8_lossy(header));
    }
}

#[test]
fn ordinary_subjects_in_any_charset_have_no_tag() {
    for header in [
        &b"Subject: =?iso-2022-kr?b?GyQpQw4/LCRpDw==?=\r\n"[..],
        b"Subject: =?hz-gb-2312?q?~{VPND~}?=\r\n",
        b"Subject: =?x-unknown?b?7ru/AA==?=\r\n",
        b"Subject: =?utf-32?b?//4AAFYAAAA=?=\r\n",
        b"Subject: =?cp037?q?=E5=85=89=93=89=87?=\r\n",
        b"Subject: =?no-such?q?Veilig_=5Bnieuws=5D?=\r\n",
        b"Subject: =?utf-8?q?open\r\n",
        b"Subject: =?gb2312?b?sLLIqw==?= [onveilig\r\n",
        b"Subject: \xba\xa5\x85\x89\x93\x89\x87\xbb\r\n",
    ] {
        let facts = facts(header);
        let clear = !facts.ambiguous && !facts.tag_doubtful && facts.tag.is_empty();
        assert!(clear, "{:?}", String::from_utf8_lossy(header));
    }
}

#[test]
fn half_a_tag_is_doubtful_in_any_reading() {
    for header in [
        &b"Subject: [veilig x\r\n"[..],
        b"Subject: x\r\nSubject: veilig] x\r\n",
        b"Subject: =?utf-8?q?=5Bveilig_x?=\r\n",
        b"Subject: =?cp037?q?=BA=A5=85=89=93=89=87=40=A7?=\r\n",
    ] {
        assert!(facts(header).tag_doubtful, "{:?}", String::from_utf8_lossy(header));
    }
}

#[test]
fn what_readers_differ_on_is_ambiguous() {
    for (header, ambiguous) in [
        (&b"Subject: x\r\n"[..], false),
        (b"Subject: x\r\nSubject: y\r\n", false),
        (b"From: jan@a.example\r\nFrom: piet@b.example\r\n", false),
        (b"Subject : x\r\n", false),
        (b"Subject: caf\xe9\r\n", false),
        (b"From jan@a.example Sat Nov 21\r\nSubject: x\r\n", false),
        (b"Subject: x\r\nno colon\r\nTo: y\r\n", false),
        (b"X-Odd Name: x\r\n", false),
        (b"X: a\0b\r\n", false),
        (b"X-Empty:\r\n", false),
        (b"Subject: a\0b\r\n", true),
        (b"Sub ject: x\r\n", true),
        (b"\tSensitivity: normal\r\n", true),
        (b"Sensitivity\0: normal\r\n", true),
        (b"Zegel- Secure: no\r\n", true),
        (b"Subject: x\r\nno colon\r\n Sensitivity: private\r\n", true),
        (b"Subject: x\nSensitivity: private\r\n", true),
        (b"Subject: x\rSensitivity: private\r\n", true),
        (b"Subject: x\r\r\n", true),
        (b"Subject: x\r", true),
    ] {
        assert_eq!(facts(header).ambiguous, ambiguous, "{:?}", String::from_utf8_lossy(header));
    }
    let long = [b"Subject: ".as_slice(), &vec![b'a'; 70_000], b"\r\n"].concat();
    assert!(facts(&long).ambiguous, "the second reader takes no subject of that length");
}

#[test]
fn instructions_are_collected() {
    let facts = facts(
        b"Zegel-Secure: Yes\r\nZEGEL-SECURE: =?utf-8?q?no?=\r\nZegel-Expires: 30d\r\nzivver-message-expiration: delete P30D\r\n\
        Zegel-Proof: piet@b.example\r\n code\r\nZivver-Access-Right: piet@b.example sms +31612345678\r\n\
        zivver-minimum-recipient-verification: Verification-Email\r\nZegel-Scure: yes\r\nAuto-Submitted: auto-replied; x\r\n",
    );
    assert_eq!(facts.zegel_secure, ["yes", "no"]);
    assert_eq!(facts.expires, ["30d", "delete P30D"]);
    assert_eq!(facts.proofs, ["piet@b.example code", "piet@b.example sms +31612345678"]);
    assert_eq!(facts.minimum, ["verification-email"]);
    assert!(facts.zivver && facts.zegel_unknown && facts.auto_submitted);
}

#[test]
fn message_ids() {
    for (value, id) in [
        ("<a@b>", Some("a@b")),
        (" <a@b> (x)", Some("a@b")),
        ("a@b", Some("a@b")),
        ("<>", None),
        ("", None),
        ("<a b>", None),
        ("<a\u{7}b>", None),
    ] {
        assert_eq!(facts(format!("Message-ID: {value}\r\n").as_bytes()).message_id.as_deref(), id, "{value:?}");
    }
}

#[test]
fn what_is_stored() {
    for (header, kept) in [
        ("Subject: x\r\nBcc: a@b.example\r\nTo: y\r\n", "Subject: x\r\nTo: y\r\n"),
        ("BCC : a@b.example,\r\n c@d.example\r\nTo: y\r\n", "To: y\r\n"),
        ("B cc: a@b.example\r\nResent-Bcc: a@b.example\r\nTo: y", "To: y"),
        ("Zegel-Secure: yes\r\nzivver-x: y\r\nZEGEL-Anything: z\r\nX-Zegel: kept\r\n", "X-Zegel: kept\r\n"),
        ("Subject: [veilig] x\r\n", "Subject: x\r\n"),
        ("Subject:[veilig]x\r\n", "Subject:x\r\n"),
        ("Subject: x [veilig]\r\nTo: y\r\n", "Subject: x\r\nTo: y\r\n"),
        ("Subject: x [veilig]  \r\n", "Subject: x\r\n"),
        ("Subject: [veilig]\r\n", "Subject:\r\n"),
        ("Subject: Re: [veilig 30d] x  y\r\n", "Subject: Re: x  y\r\n"),
        ("Subject:\r\n [veilig]\r\n\tx\r\n y\r\n", "Subject:\r\n x\r\n y\r\n"),
        ("Subject: Re:\r\n [vei\r\n lig]\r\n x\r\n", "Subject: Re:\r\n x\r\n"),
        ("Subject: x\r\n [veilig]\r\nTo: y\r\n", "Subject: x\r\nTo: y\r\n"),
        ("Subject: [veilig] x [30d secure]\r\n", "Subject: x\r\n"),
        ("Subject: [veilig] [secure]\r\n", "Subject:\r\n"),
        ("Subject: [veilig] =?utf-8?q?caf=C3=A9?=\r\n", "Subject: =?utf-8?q?caf=C3=A9?=\r\n"),
        ("Subject: =?utf-8?q?caf=C3=A9?= [veilig]\r\n", "Subject: =?utf-8?q?caf=C3=A9?=\r\n"),
        ("Subject: [veilig] caf\u{e9}\r\n", "Subject: caf\u{e9}\r\n"),
        ("Subject: =?utf-8?q?=5Bveilig=5D_caf=C3=A9?=\r\n", "Subject: =?utf-8?B?Y2Fmw6k=?=\r\n"),
        ("Subject: =?utf-8?q?=5Bveilig=5D_x?=\r\n", "Subject: x\r\n"),
        ("Subject: =?utf-8?q?=5Bvei?= =?utf-8?q?lig=5D_x?=\r\n", "Subject: x\r\n"),
        ("Subject: =?utf-8?q?Re:?= [veilig] =?utf-8?q?x?=\r\n", "Subject: Re: x\r\n"),
        ("Subject: [veilig] x\r\nsubject: y [veilig]\r\n", "Subject: x\r\nsubject: y\r\n"),
        ("Subject: Over [veilig] mailen\r\n", "Subject: Over [veilig] mailen\r\n"),
        ("Subject: \"[veilig] x\"\r\n", "Subject: \"x\"\r\n"),
        ("Subject: \u{ff3b}veilig\u{ff3d} x\r\n", "Subject: x\r\n"),
        ("Subject: =?cp037?q?=BA=A5=85=89=93=89=87=BB=40=A7?=\r\n", "Subject: x\r\n"),
        ("Subject: =?utf-8?q?=5Bveilig=5D_x\r\n", "Subject: x\r\n"),
        ("DKIM-Signature: a=b;\r\n\tc\r\nx\r\n: y\r\n", "DKIM-Signature: a=b;\r\n\tc\r\nx\r\n: y\r\n"),
    ] {
        assert_eq!(stored(header.as_bytes()), kept, "{header:?}");
    }
}

proptest! {
    #[test]
    fn the_fields_are_the_block(header in prop::collection::vec(any::<u8>(), 0..300)) {
        let joined: Vec<u8> = HeaderBlock::new(&header).fields().flat_map(|field| field.raw.to_vec()).collect();
        prop_assert_eq!(joined, header);
    }

    #[test]
    fn any_header_is_read(header in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = facts(&header);
        let _ = stored(&header);
    }

    #[test]
    fn what_is_stored_has_no_tag_and_no_instruction(
        header in r"((Subject|Sub ject|Bcc|Zegel-Secure|To|zivver-a)[ ]?:([ \[\]a-z:]|\r\n |\[veilig\]|=\?utf-8\?q\?=5Bveilig=5D\?=|Re: ){0,10}\r\n){0,5}"
    ) {
        let kept = HeaderBlock::new(header.as_bytes()).stored(&tags());
        let block = HeaderBlock::new(&kept);
        prop_assert!(!kept.windows(4).any(|four| four == b"\r\n\r\n"), "the header ends early");
        prop_assert!(block.fields().all(|field| !is_ours(&field.key()) && field.key() != "bcc"));
        prop_assert_eq!(block.stored(&tags()), kept.clone(), "twice is once");
        let before = facts(header.as_bytes());
        if before.tag.is_empty() {
            prop_assert_eq!(facts(&kept).subject, before.subject);
        }
    }
}
