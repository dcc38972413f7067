//! Whatever a client sends as a mail, whole or in any pieces: the next hop gets those very bytes behind our own fields, or no mail at all. What the
//! client sent is read by a plain reader of this file, what arrived by the next hop of the tests; neither is the gateway's.

use tokio::io::AsyncWriteExt;

use crate::dice::Dice;
use crate::gateway::{Client, Gateway, settings};
use crate::next_hop::FakeHop;

const CASES: u64 = 600;
/// Fields that the gateway may put on top.
const OURS: [&str; 2] = ["Received:", "X-Zegel-Loop:"];

/// Where the mail ends in what the client sent: at the first `CR LF . CR LF`, its own first line included. `None` when a bare CR, a bare LF or a NUL
/// comes before, or nothing ends it.
fn end_of_mail(sent: &[u8]) -> Option<usize> {
    let framed = [b"\r\n", sent].concat();
    let end = framed.windows(5).position(|five| five == b"\r\n.\r\n")?;
    let mail = &framed[..end + 2];
    let odd = |at: usize| match mail[at] {
        b'\r' => mail.get(at + 1) != Some(&b'\n'),
        b'\n' => at == 0 || mail[at - 1] != b'\r',
        byte => byte == 0,
    };
    (!(0..mail.len()).any(odd)).then_some(end)
}

/// Bytes that go for the weak spots, or a mail that is nearly right.
fn made(dice: &Dice) -> Vec<u8> {
    let pieces: &[&[u8]] = &[
        b"\r\n",
        b"\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b".",
        b".",
        b"\r\n.",
        b"\0",
        b"\xff",
        b"\xc3\xa9",
        b" ",
        b"\t",
        b":",
        b"a",
        b"Subject: x\r\n",
        b"From: a@b.example\r\n",
        b"Received: x\r\n",
        b"X-Zegel-Loop: x\r\n",
        b"\r\n\r\n",
        b"text\r\n",
        b"MAIL FROM:<x@y.example>\r\n",
        b"DATA\r\n",
    ];
    let mut mail = Vec::new();
    if dice.below(4) > 0 {
        mail.extend_from_slice(b"From: a@b.example\r\nSubject: x\r\n");
        for _ in 0..dice.below(40) {
            match dice.below(60) {
                // Rarely something that no mail may hold.
                0 => mail.extend_from_slice(pieces[dice.index(pieces.len())]),
                1..10 => mail.extend_from_slice(b"..\r\n"),
                10..20 => mail.extend_from_slice(b"\r\n"),
                20..25 => mail.extend_from_slice(
                    format!("X-{}: {}\r\n", dice.below(100), "y".repeat(dice.index(200))).as_bytes(),
                ),
                _ => {
                    let line = dice.bytes(dice.index(120));
                    mail.extend(line.iter().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0 | b'.')));
                    mail.extend_from_slice(b"\r\n");
                }
            }
        }
    } else {
        for _ in 0..dice.below(60) {
            mail.extend_from_slice(pieces[dice.index(pieces.len())]);
        }
    }
    mail
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_hop_gets_the_same_bytes_or_nothing() {
    let dice = Dice::seeded(1);
    let (mut same, mut nothing) = (0, 0);
    let hop = FakeHop::polite().await;
    let gateway = Gateway::start(settings(), &hop, false).await;
    for case in 0..CASES {
        let sent = [made(&dice), b"\r\n.\r\n".to_vec()].concat();
        let before = hop.transactions().len();
        let mut client: Client<_> = gateway.connect().await;
        client.stream.set_nodelay(true).unwrap();
        client
            .exchange(&[("", "220"), ("EHLO client.example", "250"), ("MAIL FROM:<a@b.example> BODY=8BITMIME", "250")])
            .await;
        client.exchange(&[("RCPT TO:<c@d.example>", "250"), ("DATA", "354")]).await;
        let mut rest = sent.as_slice();
        while !rest.is_empty() {
            let len = if dice.below(3) == 0 { rest.len() } else { dice.index(rest.len().min(40)) + 1 };
            let (piece, behind) = rest.split_at(len);
            // A gateway that refused already may have closed.
            if client.stream.write_all(piece).await.is_err() {
                break;
            }
            rest = behind;
            if dice.below(4) == 0 {
                tokio::task::yield_now().await;
            }
        }
        let taken_by_us = client.reply().await.starts_with('2');
        let shown = || format!("case {case}: {:?}", String::from_utf8_lossy(&sent));
        let arrived: Vec<_> = hop.transactions().split_off(before).into_iter().filter(|heard| heard.whole).collect();
        assert_eq!(arrived.len(), usize::from(taken_by_us), "{}", shown());
        let Some(arrived) = arrived.first() else {
            nothing += 1;
            continue;
        };
        let mail = &sent[..end_of_mail(&sent).unwrap_or_else(|| panic!("passed what is no mail: {}", shown()))];
        assert!(arrived.body.ends_with(mail), "{}", shown());
        let top = &arrived.body[..arrived.body.len() - mail.len()];
        let top = std::str::from_utf8(top).unwrap_or_else(|_| panic!("{}", shown()));
        assert!(top.starts_with(OURS[0]) && top.ends_with("\r\n"), "{top:?}: {}", shown());
        for line in top.split_terminator("\r\n") {
            assert!(
                line.starts_with(['\t', ' ']) || OURS.iter().any(|name| line.starts_with(name)),
                "{line:?}: {}",
                shown()
            );
        }
        assert_eq!(arrived.accepted, ["c@d.example"]);
        same += 1;
    }
    println!("{same} arrived as they were, {nothing} not at all");
    assert!(same >= CASES / 5 && nothing >= CASES / 5, "the cases are too much alike: {same}, {nothing}");
}

#[test]
fn the_plain_reader_knows_an_end() {
    let cases: [(&[u8], Option<usize>); 9] = [
        (b".\r\n", Some(0)),
        (b"a\r\n.\r\nb", Some(3)),
        (b"a\r\n..\r\n.\r\n", Some(7)),
        (b"a\r\n.b", None),
        (b"a\n.\r\n.\r\n", None),
        (b"a\r.\r\n.\r\n", None),
        (b"a\0\r\n.\r\n", None),
        (b"a\r\n.\r\r\n.\r\n", None),
        (b"a\r\n.\n\r\n.\r\n", None),
    ];
    for (sent, end) in cases {
        assert_eq!(end_of_mail(sent), end, "{:?}", String::from_utf8_lossy(sent));
    }
}
