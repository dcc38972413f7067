//! Structures as data, and any bytes in any chunks.
#![expect(clippy::too_many_lines, clippy::format_push_string, clippy::format_collect, reason = "cases as data")]

use proptest::prelude::*;

use super::base64_lines::Survey;
use super::*;

mod shown;

fn index_by(mail: &[u8], chunk: usize, limits: Limits) -> MimeIndex {
    let mut indexer = Indexer::new(limits);
    for piece in mail.chunks(chunk.max(1)) {
        indexer.push(piece);
    }
    indexer.finish()
}

fn index(mail: &str) -> MimeIndex {
    index_by(mail.as_bytes(), usize::MAX, Limits::default())
}

/// One line per part: depth as dots, type, and the body of leaves.
fn outline(mail: &str, index: &MimeIndex) -> Vec<String> {
    let depth = |part: u32| index.ancestors(part).count();
    let leaf = |part: u32| !index.parts.iter().any(|p| p.parent == Some(part));
    let line = |(number, part): (u32, &Part)| {
        let body = &mail[usize::try_from(part.body).unwrap()..usize::try_from(part.end).unwrap()];
        let body = if leaf(number) { format!(" {body:?}") } else { String::new() };
        format!("{}{}{body}", ".".repeat(depth(number)), part.content_type)
    };
    (0..).zip(&index.parts).map(line).collect()
}

/// A multipart/mixed mail with boundary `b1` and this body.
fn mixed(body: &str) -> String {
    format!("Content-Type: multipart/mixed; boundary=b1\r\n\r\n{body}")
}

#[track_caller]
fn check(mail: &str, expected: &[&str]) {
    let found = index(mail);
    assert_eq!(outline(mail, &found), expected, "{mail:?}");
    for chunk in 1..8 {
        assert_eq!(index_by(mail.as_bytes(), chunk, Limits::default()), found, "{mail:?} by {chunk}");
    }
}

#[test]
fn single_parts() {
    check("", &["text/plain \"\""]);
    check("Subject: x", &["text/plain \"\""]);
    check("Subject: x\r\n", &["text/plain \"\""]);
    check("Subject: x\r\n\r\n", &["text/plain \"\""]);
    check("Subject: x\r\n\r\nhallo", &["text/plain \"hallo\""]);
    check("\r\nhallo\r\n", &["text/plain \"hallo\\r\\n\""]);
    check("Content-Type: text/html\r\n\r\n--b1\r\nx", &["text/html \"--b1\\r\\nx\""]);
    check("content-type\t: TEXT/HTML;\r\n charset=x\r\n\r\nx", &["text/html \"x\""]);
    check("X-Content-Type: text/html\r\nSubject: a\r\n Content-Type: text/html\r\n\r\nx", &["text/plain \"x\""]);
    check("Content-Type: text/html\r\n \r\nContent-Type: a/b\r\n\r\nx", &["text/html \"x\""]);
}

#[test]
fn parts_and_what_surrounds_them() {
    for (body, parts) in [
        ("--b1\r\n\r\na\r\n--b1\r\n\r\nb\r\n--b1--\r\n", &["a", "b"][..]),
        ("voor\r\n--b1\r\n\r\na\r\n--b1--\r\nna\r\n", &["a"]),
        ("--b1\r\n\r\na\r\n--b1--", &["a"]),
        ("--b1\r\n\r\na\r\n--b1", &["a", ""]),
        ("--b1\r\n\r\na", &["a"]),
        ("--b1\r\n\r\na\r\n", &["a\r\n"]),
        ("--b1\r\n\r\na\r\n\r\n--b1--\r\n", &["a\r\n"]),
        ("--b1\r\n\r\n\r\n--b1--\r\n", &[""]),
        ("--b1\r\n\r\n--b1--\r\n", &[""]),
        ("--b1\r\n--b1--\r\n", &[""]),
        ("--b1\r\nno field\r\nA: b\r\n--b1--\r\n", &["no field\r\nA: b"]),
        ("--b1\r\nno field: x\r\n--b1--\r\n", &["no field: x"]),
        ("--b1\r\nA : b\r\n\r\nx\r\n--b1--\r\n", &["x"]),
        ("--b1\r\nA: b\r\n fold\r\nno field\r\n\r\nx\r\n--b1--\r\n", &["no field\r\n\r\nx"]),
        ("--b1\r\n--b1\r\n\r\na\r\n--b1--\r\n", &["", "a"]),
        ("--b1\r\nContent-Type: text/plain\r\n--b1--\r\n", &[""]),
        ("--b1 \t\r\n\r\na\r\n--b1-- \t\r\n", &["a"]),
        ("--b1--\r\n\r\nx\r\n--b1\r\n\r\na\r\n", &[]),
        ("--b1\r\n\r\na\r\n--b1--\r\n--b1\r\n\r\nb\r\n", &["a"]),
        ("niets", &[]),
        ("", &[]),
        // no delimiters
        ("--b1\r\n\r\na --b1 b\r\nc--b1\r\n--b1--\r\n", &["a --b1 b\r\nc--b1"]),
        ("--b1\r\n\r\n --b1\r\n-b1\r\n---b1\r\nb1\r\n--b1--\r\n", &[" --b1\r\n-b1\r\n---b1\r\nb1"]),
        ("--b1\r\n\r\n--b10\r\n--b1x\r\n--b\r\n--B1\r\n--\r\n--b1--\r\n", &["--b10\r\n--b1x\r\n--b\r\n--B1\r\n--"]),
        ("--b1\r\n\r\n--b1 x\r\n--b1--x\r\n--b1-\r\n--b1--\r\n", &["--b1 x\r\n--b1--x\r\n--b1-"]),
        ("--b1\r\n\r\na\n--b1\nb\r--b1\rc\r\n--b1--\r\n", &["a\n--b1\nb\r--b1\rc"]),
        ("--b1\r\n\r\n--b1\n\r\n--b1\r\r\n--b1--\r\n", &["--b1\n\r\n--b1\r"]),
    ] {
        let mail = mixed(body);
        let found = index(&mail);
        let bodies: Vec<&str> = found.parts[1..]
            .iter()
            .map(|part| &mail[usize::try_from(part.body).unwrap()..usize::try_from(part.end).unwrap()])
            .collect();
        assert_eq!(bodies, parts, "{body:?}");
        assert_eq!(found.parts[0].end, u64::try_from(mail.len()).unwrap());
        for chunk in 1..8 {
            assert_eq!(index_by(mail.as_bytes(), chunk, Limits::default()), found, "{body:?} by {chunk}");
        }
    }
}

#[test]
fn a_long_tail_of_blanks_is_padding_and_of_anything_else_is_text() {
    let blanks = " ".repeat(5000);
    let mail = mixed(&format!("--b1{blanks}\r\n\r\na{blanks}\r\n--b1{blanks}x\r\n--b1--{blanks}\r\n"));
    check(&mail, &["multipart/mixed", &format!(".text/plain {:?}", format!("a{blanks}\r\n--b1{blanks}x"))]);
}

#[test]
fn nested_multiparts() {
    let inner = |boundary: &str, body: &str| {
        format!("--b1\r\nContent-Type: multipart/alternative; boundary={boundary}\r\n\r\n{body}")
    };
    // well formed, the inner boundary has the outer one as its begin
    check(
        &mixed(&(inner("b10", "--b10\r\n\r\na\r\n--b10\r\n\r\nb\r\n--b10--\r\nx\r\n") + "--b1\r\n\r\nc\r\n--b1--\r\n")),
        &["multipart/mixed", ".multipart/alternative", "..text/plain \"a\"", "..text/plain \"b\"", ".text/plain \"c\""],
    );
    // an outer delimiter ends inner parts that were not closed
    check(
        &mixed(&(inner("in", "--in\r\n\r\na\r\n") + "--b1\r\n\r\nc\r\n--b1--\r\n")),
        &["multipart/mixed", ".multipart/alternative", "..text/plain \"a\"", ".text/plain \"c\""],
    );
    // … also in the middle of their header
    check(
        &mixed(&(inner("in", "--in\r\nContent-Type: text/html\r\n") + "--b1\r\n\r\nc\r\n--b1--\r\n")),
        &["multipart/mixed", ".multipart/alternative", "..text/html \"\"", ".text/plain \"c\""],
    );
    check(
        &mixed(&(inner("in", "--in\r\n") + "--b1--\r\n")),
        &["multipart/mixed", ".multipart/alternative", "..text/plain \"\""],
    );
    // an inner delimiter outside its multipart is text
    check(
        &mixed(&(inner("in", "--in--\r\n") + "--b1\r\n\r\n--in\r\nx\r\n--b1--\r\n")),
        &["multipart/mixed", ".multipart/alternative \"--in--\"", ".text/plain \"--in\\r\\nx\""],
    );
    // the same boundary twice: the innermost takes it
    check(
        &mixed(&inner("b1", "--b1\r\n\r\na\r\n--b1--\r\n--b1\r\n\r\nb\r\n--b1--\r\n")),
        &["multipart/mixed", ".multipart/alternative", "..text/plain \"a\"", ".text/plain \"b\""],
    );
    // a nested multipart without a boundary is a leaf
    check(
        &mixed("--b1\r\nContent-Type: multipart/mixed\r\n\r\n--x\r\n\r\na\r\n--b1--\r\n"),
        &["multipart/mixed", ".multipart/mixed \"--x\\r\\n\\r\\na\""],
    );
}

#[test]
fn messages_and_digests() {
    let message = "Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\na\r\n--in--\r\n";
    let mail = mixed(&format!("--b1\r\n{message}--b1--\r\n"));
    let found = index(&mail);
    assert_eq!(found.parts.len(), 2);
    assert_eq!((found.parts[1].content_type.as_str(), found.attachments()), ("message/rfc822", vec![1]));
    let digest = "Content-Type: multipart/digest; boundary=b1\r\n\r\n--b1\r\n\r\nSubject: x\r\n\r\na\r\n--b1--\r\n";
    assert_eq!(index(digest).parts[1].content_type, "message/rfc822");
}

#[test]
fn parts_say_what_they_are() {
    let header = "content-TYPE: Image/PNG; name=\"a.png\"\r\nX: y\r\n Content-ID: <no>\r\nContent-Transfer-Encoding: BASE64\r\n\
        Content-ID: <x@y>\r\nContent-Disposition: inline;\r\n\tfilename=\"b.png\"\r\n";
    let found = index(&mixed(&format!("--b1\r\n{header}\r\nYQ==\r\n--b1--\r\n")));
    let part = &found.parts[1];
    assert_eq!(
        (
            part.content_type.as_str(),
            part.encoding.as_str(),
            part.name.as_str(),
            part.content_id.as_str(),
            part.attachment
        ),
        ("image/png", "base64", "b.png", "x@y", false)
    );
    assert_eq!((part.parent, part.charset.as_str(), found.cut), (Some(0), "", false));
}

/// In pieces of any size, and from the body that the index names, not a byte more or less.
#[test]
fn the_length_of_base64_is_noted_where_its_lines_are_regular() {
    let file = |encoding: &str, body: &str| {
        format!("--b1\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}")
    };
    for (encoding, body, decoded) in [
        ("base64", "aGFs\r\nbG8=\r\n", Some(5)),
        ("BASE64", "aGFs\r\naGFs\r\nbG8=\r\n\r\n", Some(8)),
        ("base64", "aGFsbG8=", Some(5)),
        ("base64", "aGFs\r\n-GFs\r\n", None),
        ("base64", "aGFs\r\n--b2\r\n", None),
        ("base64", "-", None),
        ("base64", "", None),
        ("base64", "\r\n", None),
        ("base64", "aGFs \r\nbG8=\r\n", None),
        ("7bit", "aGFs\r\nbG8=\r\n", None),
    ] {
        let mail = mixed(&format!("{}\r\n{}\r\n--b1--\r\nnawoord", file(encoding, body), file("base64", "aGFs")));
        for chunk in 1..9 {
            let found = index_by(mail.as_bytes(), chunk, Limits::default());
            let noted: Vec<_> = found.parts.iter().map(|part| part.lines.map(Base64Lines::decoded)).collect();
            assert_eq!(noted, [None, decoded, Some(3)], "{encoding} {body:?} by {chunk}");
        }
    }
    // The first line of a body without an empty line before it was taken for a header.
    let found = index(&mixed("--b1\r\nContent-Transfer-Encoding: base64\r\naGFs\r\nbG8=\r\n--b1--\r\n"));
    assert_eq!(found.parts[1].lines, None);
}

#[test]
fn limits_make_a_leaf_of_the_rest_and_say_so() {
    let three = mixed("--b1\r\n\r\na\r\n--b1\r\n\r\nb\r\n--b1\r\n\r\nc\r\n--b1--\r\nepiloog");
    let found = index_by(three.as_bytes(), 3, Limits { parts: 3, ..Limits::default() });
    assert!(found.cut);
    assert_eq!(
        outline(&three, &found),
        ["multipart/mixed", ".text/plain \"a\"", ".application/octet-stream \"\\r\\nb\\r\\n--b1\\r\\n\\r\\nc\""]
    );
    assert_eq!(found.attachments(), [2]);
    assert!(!index_by(three.as_bytes(), 3, Limits { parts: 5, ..Limits::default() }).cut);

    let deep = mixed("--b1\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\na\r\n--in--\r\n--b1--\r\n");
    let found = index_by(deep.as_bytes(), 3, Limits { depth: 1, ..Limits::default() });
    assert!(found.cut);
    assert_eq!(outline(&deep, &found), ["multipart/mixed", ".multipart/mixed \"--in\\r\\n\\r\\na\\r\\n--in--\""]);
    assert_eq!(found.attachments(), [1]);

    let long = format!("Subject: {0}\r\nContent-Type: text/html\r\nContent-X: {0}\r\n\r\nx", "y".repeat(300));
    let found = index_by(long.as_bytes(), 7, Limits { header: 100, ..Limits::default() });
    assert!(found.cut);
    assert_eq!(found.parts[0].content_type, "text/html");
    assert!(!index(&long).cut);
}

#[test]
fn memory_stays_small_whatever_comes() {
    let mut indexer = Indexer::new(Limits::default());
    indexer.push(mixed("--b1\r\n").as_bytes());
    for _ in 0..200 {
        indexer.push(&[b'x'; 10_000]);
    }
    assert!(indexer.held() <= Limits::default().header + 1000);
    indexer.push(b"\r\n\r\n--");
    for _ in 0..200 {
        indexer.push(&[b'-'; 10_000]);
    }
    assert!(indexer.held() < 1000);
    assert_eq!(indexer.finish().parts.len(), 2);
}

#[test]
fn many_delimiters_cost_little() {
    let mut mail = mixed("");
    for depth in 0..40 {
        mail.push_str(&format!("--b{}\r\nContent-Type: multipart/mixed; boundary=b{}\r\n\r\n", depth + 1, depth + 2));
    }
    mail.push_str(&"--b1\r\n\r\n".repeat(100_000));
    let found = index(&mail);
    assert!(found.cut && found.parts.len() == Limits::default().parts);
}

/// Mails made of the things that a splitter trips over.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "\r\n",
        "\r",
        "\n",
        "--b1",
        "--b10",
        "--b2",
        "--",
        "-",
        " ",
        "\t",
        "a",
        "\r\n--b1\r\n",
        "\r\n--b1--\r\n",
        "\r\n--b2\r\n",
        "\r\n\r\n",
        "Content-Type: multipart/mixed; boundary=b1\r\n",
        "Content-Type: multipart/alternative; boundary=b2\r\n",
        "Content-Type: text/html\r\n",
        "Content-Disposition: attachment; filename=x\r\n",
        "Subject: x\r\n",
        "Content-Transfer-Encoding: base64\r\n",
        "aGFs\r\n",
        "bG8=",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

/// The lines of a part's base64, looked at by themselves.
fn surveyed(mail: &[u8], part: &Part) -> Option<Base64Lines> {
    let mut survey = Survey::default();
    survey.push(&mail[usize::try_from(part.body).unwrap()..usize::try_from(part.end).unwrap()]);
    survey.finish()
}

fn sound(mail: &[u8], index: &MimeIndex) -> Result<(), TestCaseError> {
    let length = u64::try_from(mail.len()).unwrap();
    for (number, part) in (0_u32..).zip(&index.parts) {
        prop_assert!(part.header <= part.body && part.body <= part.end && part.end <= length, "{:?}", index);
        prop_assert_eq!(part.parent.is_none(), number == 0);
        if part.lines.is_some() {
            prop_assert_eq!(part.lines, surveyed(mail, part), "{:?}", index);
        }
        if let Some(parent) = part.parent {
            prop_assert!(parent < number);
            let parent = &index.parts[at(parent)];
            prop_assert!(parent.body <= part.header && part.end <= parent.end, "{:?}", index);
            prop_assert!(parent.content_type.starts_with("multipart/"));
        }
    }
    for (before, after) in index.parts.iter().zip(index.parts.iter().skip(1)) {
        prop_assert!(before.header < after.header);
        prop_assert!(before.parent != after.parent || before.end <= after.header, "siblings overlap");
    }
    let listed = index.attachments();
    let shown = index.shown();
    prop_assert!(listed.iter().all(|i| !shown.has(*i)));
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_in_any_chunks(mail in prop::collection::vec(any::<u8>(), 0..300), chunk in 1_usize..20) {
        let whole = index_by(&mail, usize::MAX, Limits::default());
        sound(&mail, &whole)?;
        prop_assert_eq!(index_by(&mail, chunk, Limits::default()), whole);
    }

    #[test]
    fn crafted_mails_in_any_chunks(mail in pieces(), chunk in 1_usize..20, parts in 0_usize..8, depth in 0_usize..4) {
        let limits = Limits { parts, depth, header: 200 };
        let whole = index_by(&mail, usize::MAX, limits);
        sound(&mail, &whole)?;
        prop_assert!(whole.parts.len() <= parts.max(1));
        prop_assert_eq!(index_by(&mail, chunk, limits), whole);
        sound(&mail, &index_by(&mail, chunk, Limits::default()))?;
    }

    #[test]
    fn what_was_joined_is_found(bodies in prop::collection::vec("[-a b1\r\n]{0,20}", 0..6)) {
        let bodies: Vec<String> = bodies.into_iter().filter(|body| !format!("\r\n{body}\r\n").contains("\r\n--b1")).collect();
        let mail = mixed(&bodies.iter().map(|body| format!("--b1\r\n\r\n{body}\r\n")).chain(["--b1--\r\n".into()]).collect::<String>());
        let found = index(&mail);
        let read: Vec<&str> = found.parts[1..].iter().map(|p| &mail[usize::try_from(p.body).unwrap()..usize::try_from(p.end).unwrap()]).collect();
        prop_assert_eq!(read, bodies);
    }
}
