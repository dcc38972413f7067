//! The corpus as data, and what holds for whatever comes in.

use proptest::prelude::*;

use super::*;

const CORPUS: &str = include_str!("corpus.txt");

fn pictures() -> HashMap<String, u32> {
    // The second stands for what the first became, for a second round.
    HashMap::from([("foto@zorg.example".to_owned(), 3), ("f00d.3".to_owned(), 3)])
}

fn cleaned(html: &str) -> String {
    clean(html, pictures(), "f00d")
}

/// Holds for every result: known elements and attributes only, no address but the four kinds, and stable.
fn assert_harmless(source: &str, html: &str) {
    let mut lexer = lexer::Lexer::new(html);
    while let Some(token) = lexer.next() {
        match token {
            lexer::Token::Start(tag) => {
                assert!(TAGS.contains(&tag.name.as_str()), "<{}> from {source:?}", tag.name);
                for (name, value) in &tag.attributes {
                    assert_attribute(source, &tag.name, name, value);
                }
            }
            lexer::Token::End(name) => assert!(TAGS.contains(&name.as_str()), "</{name}> from {source:?}"),
            lexer::Token::Text(text) => assert!(!text.contains('<'), "{text:?} from {source:?}"),
        }
    }
    assert!(!html.contains("<!"), "a comment from {source:?}");
    // The order of what the sanitiser itself puts on links is not its promise.
    let (target, rel) = ("target=\"_blank\"", "rel=\"noopener noreferrer nofollow\"");
    let in_order = |html: &str| html.replace(&format!("{rel} {target}"), &format!("{target} {rel}"));
    assert_eq!(in_order(&cleaned(html)), in_order(html), "not stable: {source:?}");
}

fn assert_attribute(source: &str, tag: &str, name: &str, value: &str) {
    let own = ATTRIBUTES.iter().find(|(element, _)| *element == tag).map_or(&[][..], |(_, names)| names);
    let ours = tag == "a" && ["rel", "target"].contains(&name);
    assert!(own.contains(&name) || GENERIC.contains(&name) || ours, "{tag} {name} from {source:?}");
    let starts =
        |starts: &[&str]| starts.iter().any(|start| value.trim_start().to_ascii_lowercase().starts_with(start));
    match name {
        "href" => assert!(starts(&["http:", "https:", "mailto:", "tel:"]), "{value:?} from {source:?}"),
        "src" => assert!(starts(&["cid:f00d."]) || starts(PICTURES), "{value:?} from {source:?}"),
        _ => {}
    }
}

#[test]
fn the_corpus() {
    let lines: Vec<&str> = CORPUS.lines().skip(1).collect();
    let mut wrong = Vec::new();
    for case in lines.chunks(3) {
        let [name, html, expected] = case else { panic!("three lines each: {case:?}") };
        let found = cleaned(html);
        if found != *expected {
            wrong.push(format!("{name}\n{html}\nexpected {expected}\nfound    {found}"));
        }
        assert_harmless(html, &found);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(lines.len() / 3 >= 60);
}

/// What `tests/web/attacks.rs` gives to a browser.
#[test]
fn attacks_leave_nothing_that_acts() {
    let attacks = include_str!("../../../../tests/web/attacks.txt");
    for attack in attacks.lines().filter(|line| !line.starts_with('#')) {
        assert_harmless(attack, &cleaned(attack));
    }
}

#[test]
fn pictures_stand_between_the_pieces() {
    let html = "<p>a</p><img src=cid:foto@zorg.example alt=x><p>cid:f00d</p>";
    let fragments = sanitise(html, pictures(), "f00d");
    let expected = [
        Fragment::Html("<p>a</p><img src=\"".to_owned()),
        Fragment::Picture(3),
        Fragment::Html("\" alt=\"x\"><p>cid:f00d</p>".to_owned()),
    ];
    assert_eq!(fragments, expected);
}

/// Each of these would keep an HTML parser busy for minutes to days at full length.
#[test]
fn work_grows_with_the_length_only() {
    let many = |piece: &str| piece.repeat(100_000 / piece.len());
    let fonts: String = (0..1000).flat_map(|i| ["<b title=".to_owned(), i.to_string(), ">".to_owned()]).collect();
    let cases = [
        many("<div>"),
        many("<b>"),
        many("<a href=https://a.nl>"),
        many("<table><tr><td>"),
        many("<tr><td>"),
        many("<ul><li>"),
        many("<b><i><u><p>"),
        many("<a><b></a></b>"),
        many("</p>"),
        many("&amp"),
        many("<"),
        many("&nbsp;"),
        many("<svg>"),
        many("<svg></sv"),
        many("<!--"),
        many("<p a=1 b=2>"),
        format!("{fonts}{}", many("<p>x")),
        format!("<p title='{}'>", many("&")),
        format!("<p {}>", many("title=1 ")),
        many("<!---->"),
        many("<!--x--!>"),
    ];
    for html in cases {
        let simple = simplify(&html);
        let (mut depth, mut deepest) = (0_usize, 0);
        let mut lexer = lexer::Lexer::new(&simple);
        while let Some(token) = lexer.next() {
            match token {
                lexer::Token::Start(tag) if !["br", "col", "hr", "img", "wbr"].contains(&tag.name.as_str()) => {
                    depth += 1;
                }
                lexer::Token::End(_) => depth -= 1,
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        let start: String = html.chars().take(20).collect();
        assert_eq!(depth, 0, "not closed: {start}");
        assert!(deepest <= 120, "{deepest} deep: {start}");
        assert!(simple.len() <= 8 * html.len() + 100, "grows: {start}");
        assert!(cleaned(&html).len() <= 16 * html.len(), "{start}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn whatever_comes_in_is_harmless(
        html in "(</?(p|b|a|table|tr|td|ul|li|svg|math|style|script|template|select|form|img|title|div|mtext|mglyph|!--|x)( (href|src|title|onerror|style|id)=[\"']?(javascript:|https://a|cid:foto@zorg.example|data:|&#106;|x)?[\"']?)?/?>|-->|[<>\"'&; =/]|[a-z]{1,3}|&lt;|\u{0}){0,40}"
    ) {
        assert_harmless(&html, &cleaned(&html));
    }
}

#[test]
fn the_lists_of_elements_fit_together() {
    use super::simplify::{BLOCKS, GONE_VOID, RAW, VOID};
    let within = |part: &[&str], whole: &[&str]| part.iter().all(|name| whole.contains(name));
    assert!(within(VOID, TAGS) && within(BLOCKS, TAGS) && within(GONE_VOID, GONE) && within(RAW, GONE));
    assert!(!TAGS.iter().any(|name| GONE.contains(name)));
}

#[test]
fn an_attribute_of_entities_goes() {
    let titled = |count| cleaned(&format!("<p title='{}'>x", "&".repeat(count)));
    assert!(titled(512).contains("title=\"&amp;&amp;") && titled(513) == "<p>x</p>", "{}", titled(513));
}
