//! Mail HTML made harmless: an allow-list of elements and attributes, no styles, nothing loaded from anywhere.
//!
//! This is the first of three walls; the frame's sandbox and its policy stand behind it. Time and memory grow with the length
//! of the mail only: see [`mod@simplify`].

mod height;
mod lexer;
mod readable;
mod simplify;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use ammonia::{Builder, UrlRelative};

pub(super) use height::height;
pub(super) use readable::readable;
use simplify::simplify;
pub(super) use simplify::{is_costly, plain, preformatted};

/// Text and its marks; tables; lists; images of the mail itself. No forms, media, styles, foreign content, ids or classes.
const TAGS: &[&str] = &[
    "a",
    "abbr",
    "address",
    "article",
    "aside",
    "b",
    "bdi",
    "bdo",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "section",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "wbr",
];

/// Elements that go with all that is in them.
const GONE: &[&str] = &[
    "applet",
    "audio",
    "base",
    "canvas",
    "embed",
    "frame",
    "frameset",
    "head",
    "iframe",
    "link",
    "math",
    "meta",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "option",
    "param",
    "plaintext",
    "script",
    "select",
    "source",
    "style",
    "svg",
    "template",
    "textarea",
    "title",
    "track",
    "video",
    "xmp",
];

/// Per element; `lang`, `dir` and `title` are allowed on all.
const ATTRIBUTES: &[(&str, &[&str])] = &[
    ("a", &["href"]),
    ("col", &["span"]),
    ("colgroup", &["span"]),
    ("img", &["alt", "height", "src", "width"]),
    ("li", &["value"]),
    ("ol", &["start"]),
    ("td", &["align", "colspan", "rowspan"]),
    ("th", &["align", "colspan", "rowspan", "scope"]),
];

const GENERIC: &[&str] = &["dir", "lang", "title"];

const SCHEMES: &[&str] = &["http", "https", "mailto", "tel", "cid", "data"];

/// Pictures that a mail may carry in itself.
const PICTURES: &[&str] =
    &["data:image/png;base64,", "data:image/jpeg;base64,", "data:image/gif;base64,", "data:image/webp;base64,"];

/// What is left of a mail's HTML: text to send and, between it, pictures to put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fragment {
    /// Harmless HTML.
    Html(String),
    /// Here belongs the content of this part, as a `data:` address (we stand inside a quoted `src`).
    Picture(u32),
}

/// Sanitises `html`. `pictures` maps a Content-ID to the part that may be shown; `mark` is a word that the mail's writer cannot
/// guess, of ASCII letters and digits.
pub(super) fn sanitise(html: &str, pictures: HashMap<String, u32>, mark: &str) -> Vec<Fragment> {
    split(&clean(html, pictures, mark), mark)
}

fn clean(html: &str, pictures: HashMap<String, u32>, mark: &str) -> String {
    let prefix = format!("cid:{mark}.");
    let attributes = ATTRIBUTES.iter().map(|(tag, names)| (*tag, names.iter().copied().collect())).collect();
    let mut builder = Builder::empty();
    builder
        .tags(TAGS.iter().copied().collect())
        .clean_content_tags(GONE.iter().copied().collect())
        .tag_attributes(attributes)
        .generic_attributes(GENERIC.iter().copied().collect())
        .url_schemes(SCHEMES.iter().copied().collect::<HashSet<_>>())
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .set_tag_attribute_value("a", "target", "_blank")
        .strip_comments(true)
        .attribute_filter(move |tag, name, value| match (tag, name) {
            ("img", "src") => picture(value, &pictures, &prefix).map(Cow::Owned),
            ("a", "href") => is_link(value).then_some(Cow::Borrowed(value)),
            (_, "height" | "width") => is_number(value, 2000).then_some(Cow::Borrowed(value)),
            (_, "colspan" | "rowspan" | "span") => is_number(value, 100).then_some(Cow::Borrowed(value)),
            (_, "start" | "value") => is_number(value, 100_000).then_some(Cow::Borrowed(value)),
            _ => Some(Cow::Borrowed(value)),
        });
    builder.clean(&simplify(html)).to_string()
}

fn is_number(text: &str, most: u32) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u32>().is_ok_and(|n| n <= most)
}

/// Whether a link may stay: what a browser makes of it begins with one of these, in any case.
fn is_link(value: &str) -> bool {
    let scheme = value.trim().split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https" | "mailto" | "tel"))
}

/// The source of a picture of the mail's own; `None` for anything that would be fetched.
fn picture(value: &str, pictures: &HashMap<String, u32>, prefix: &str) -> Option<String> {
    let value = value.trim();
    if PICTURES.iter().any(|start| value.get(..start.len()).is_some_and(|v| v.eq_ignore_ascii_case(start))) {
        let (head, data) = value.split_once(',')?;
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
        return data.bytes().all(fits).then(|| format!("{},{data}", head.to_ascii_lowercase()));
    }
    let (scheme, id) = value.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("cid") {
        return None;
    }
    let part = pictures.get(id).or_else(|| pictures.get(percent_decoded(id).as_str()))?;
    Some(format!("{prefix}{part}"))
}

/// Content-IDs in addresses are percent-encoded (RFC 2392).
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|digits| data_encoding::HEXUPPER_PERMISSIVE.decode(digits).ok());
        if let (b'%', Some([byte])) = (first, hex.as_deref()) {
            bytes.push(*byte);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Cuts the harmless HTML where pictures belong.
fn split(html: &str, mark: &str) -> Vec<Fragment> {
    let prefix = format!("cid:{mark}.");
    let mut fragments = Vec::new();
    let mut pieces = html.split(prefix.as_str());
    fragments.extend(pieces.next().map(|first| Fragment::Html(first.to_owned())));
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (part, rest) = piece.split_at(digits);
        if let Ok(part) = part.parse() {
            fragments.push(Fragment::Picture(part));
        }
        fragments.push(Fragment::Html(rest.to_owned()));
    }
    fragments
}

#[cfg(test)]
mod tests;
