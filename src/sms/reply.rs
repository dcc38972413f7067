//! What a provider's answer over HTTP means: pure. Nothing of its words is kept but an id and a short error code.

use std::time::Duration;

use serde_json::Value;

use super::Refusal;
use super::outcome::{Handover, id};

/// Characters of an error code at most; longer ones, which could hold a number, are left out.
const LONGEST_CODE: usize = 40;

/// Where something stands in a JSON document: names and, for lists, positions from 0, with dots between (`messages.0.status`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<String>);

impl Path {
    /// Reads a path; `None` when a part of it is empty or there are more than ten.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<String> = text.split('.').map(ToOwned::to_owned).collect();
        (parts.len() <= 10 && parts.iter().all(|part| !part.is_empty())).then_some(Self(parts))
    }

    /// As it is written.
    pub(super) fn whole(&self) -> String {
        self.0.join(".")
    }

    /// What stands there as text: a string, a number, true or false; of an object its first name.
    pub(super) fn text(&self, document: &Value) -> Option<String> {
        let found = self.0.iter().try_fold(document, |value, part| match value {
            Value::Object(map) => map.get(part),
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            _ => None,
        })?;
        match found {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Object(map) => map.keys().next().cloned(),
            Value::Null | Value::Array(_) => None,
        }
    }
}

/// What an error code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Never to this number, or never from this account.
    Refused(Refusal),
    /// Not now.
    Later,
}

/// How a provider answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// HTTP statuses that accept; none: 200 to 299.
    pub statuses: Vec<u16>,
    /// What must stand where in the document for it to be accepted, if the status does not say it all.
    pub accepted: Option<(Path, Vec<String>)>,
    /// Where the provider's id stands.
    pub id: Option<Path>,
    /// Where an error code may stand: the first place where a known one does counts.
    pub errors: Vec<Path>,
    /// What error codes mean.
    pub meanings: Vec<(String, Meaning)>,
}

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: u16,
    /// What `Retry-After` asks for.
    pub after: Option<Duration>,
    /// The whole body; `None` when it was too long, or broke off.
    pub body: Option<Vec<u8>>,
}

impl Answers {
    pub(super) fn judge(&self, reply: &Reply) -> Handover {
        let document = reply.body.as_deref().and_then(|body| serde_json::from_slice::<Value>(body).ok());
        let at = |path: &Path| document.as_ref().and_then(|document| path.text(document));
        let codes: Vec<String> = self.errors.iter().filter_map(at).filter(|code| is_code(code)).collect();
        let meaning = |code: &String| self.meanings.iter().find(|(known, _)| known == code);
        let meant = codes.iter().find_map(meaning).map(|(_, meaning)| *meaning);
        let cause = if codes.is_empty() {
            format!("HTTP {}", reply.status)
        } else {
            format!("HTTP {}, code {}", reply.status, codes.join(" "))
        };
        if self.accepts(reply.status) {
            return match &self.accepted {
                None if reply.body.is_some() => Handover::Accepted { id: self.id(&at) },
                Some((path, values)) => match at(path) {
                    Some(value) if values.contains(&value) => Handover::Accepted { id: self.id(&at) },
                    // It says something else than that it took it.
                    Some(_) => said(meant.unwrap_or(Meaning::Refused(Refusal::Account)), cause, reply.after),
                    None => meant.map_or_else(
                        || Handover::Unsure { cause: format!("{cause} without the expected content") },
                        |meaning| said(meaning, cause.clone(), reply.after),
                    ),
                },
                None => Handover::Unsure { cause: format!("{cause} with a body that cannot be read") },
            };
        }
        match (meant, reply.status) {
            (_, 429) | (None, 503) => Handover::Failed { cause, after: reply.after },
            (Some(meaning), _) => said(meaning, cause, reply.after),
            (None, 402) => Handover::refused(Refusal::Credit, cause),
            // A redirect too: nobody is followed with a number.
            (None, 300..=407 | 409..=499) => Handover::refused(Refusal::Account, cause),
            (None, _) => Handover::Unsure { cause },
        }
    }

    fn accepts(&self, status: u16) -> bool {
        if self.statuses.is_empty() { (200..300).contains(&status) } else { self.statuses.contains(&status) }
    }

    fn id(&self, at: &impl Fn(&Path) -> Option<String>) -> String {
        self.id.as_ref().and_then(at).map(|text| id(&text)).unwrap_or_default()
    }
}

fn said(meaning: Meaning, cause: String, after: Option<Duration>) -> Handover {
    match meaning {
        Meaning::Refused(why) => Handover::Refused { why, cause },
        Meaning::Later => Handover::Failed { cause, after },
    }
}

/// Fit to be compared, logged and shown: a short word without as many digits as a telephone number has.
fn is_code(code: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-. ".contains(&b);
    code.len() <= LONGEST_CODE && code.bytes().all(plain) && code.bytes().filter(u8::is_ascii_digit).count() <= 6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Answers {
        let path = |text| Path::parse(text).unwrap();
        Answers {
            statuses: Vec::new(),
            accepted: Some((path("messages.0.status"), vec!["Accepted".to_owned()])),
            id: Some(path("messages.0.id")),
            errors: vec![path("messages.0.code")],
            meanings: vec![
                ("305".to_owned(), Meaning::Refused(Refusal::Number)),
                ("9".to_owned(), Meaning::Later),
                ("no_credit".to_owned(), Meaning::Refused(Refusal::Credit)),
            ],
        }
    }

    fn judged(answers: &Answers, status: u16, body: Option<&str>) -> String {
        let reply = Reply { status, after: Some(Duration::from_secs(7)), body: body.map(Into::into) };
        match answers.judge(&reply) {
            Handover::Accepted { id } => format!("accepted {id}"),
            Handover::Refused { why, .. } => format!("{why:?}"),
            Handover::Failed { after, .. } => format!("failed, wait {}", after.unwrap_or_default().as_secs()),
            Handover::Unsure { .. } => "unsure".to_owned(),
        }
    }

    #[test]
    fn an_answer_with_a_status_in_its_document() {
        let answers = answers();
        for (status, body, expected) in [
            (200, Some(r#"{"messages":[{"status":"Accepted","id":42}]}"#), "accepted 42"),
            (202, Some(r#"{"messages":[{"status":"Accepted"}]}"#), "accepted "),
            (200, Some(r#"{"messages":[{"status":"Rejected","code":305}]}"#), "Number"),
            (200, Some(r#"{"messages":[{"status":"Rejected","code":"no_credit"}]}"#), "Credit"),
            (200, Some(r#"{"messages":[{"status":"Rejected","code":9}]}"#), "failed, wait 7"),
            (200, Some(r#"{"messages":[{"status":"Rejected"}]}"#), "Account"),
            (200, Some(r#"{"messages":[{"code":305}]}"#), "Number"),
            (200, Some(r#"{"messages":[]}"#), "unsure"),
            (200, Some("[]"), "unsure"),
            (200, Some("<html>"), "unsure"),
            (200, Some(""), "unsure"),
            (200, None, "unsure"),
            (400, Some(r#"{"messages":[{"code":305}]}"#), "Number"),
            (400, Some("no"), "Account"),
            (400, None, "Account"),
            (401, None, "Account"),
            (402, None, "Credit"),
            (408, None, "unsure"),
            (429, Some(r#"{"messages":[{"code":305}]}"#), "failed, wait 7"),
            (301, None, "Account"),
            (307, None, "Account"),
            (500, None, "unsure"),
            (500, Some(r#"{"messages":[{"code":"9"}]}"#), "failed, wait 7"),
            (502, None, "unsure"),
            (503, None, "failed, wait 7"),
            (504, None, "unsure"),
            (599, None, "unsure"),
            (100, None, "unsure"),
        ] {
            assert_eq!(judged(&answers, status, body), expected, "{status} {body:?}");
        }
    }

    #[test]
    fn an_answer_whose_status_says_it_all() {
        let answers = Answers { statuses: vec![201], id: Path::parse("sid"), ..Answers::default() };
        for (status, body, expected) in [
            (201, Some(r#"{"sid":"SM1"}"#), "accepted SM1"),
            (201, Some("not JSON"), "accepted "),
            (201, None, "unsure"),
            (200, Some("{}"), "unsure"),
        ] {
            assert_eq!(judged(&answers, status, body), expected, "{status} {body:?}");
        }
    }

    #[test]
    fn what_stands_at_a_path() {
        let document = serde_json::json!({ "a": [{ "b": "x" }, true], "c": { "d": ["e"] }, "n": null, "7": 8 });
        for (path, expected) in [
            ("a.0.b", Some("x")),
            ("a.1", Some("true")),
            ("c", Some("d")),
            ("7", Some("8")),
            ("a.2", None),
            ("a.x", None),
            ("a.-1", None),
            ("n", None),
            ("c.d", None),
            ("a.0.b.c", None),
        ] {
            assert_eq!(Path::parse(path).unwrap().text(&document).as_deref(), expected, "{path}");
        }
        assert!(Path::parse("").is_none() && Path::parse("a..b").is_none() && Path::parse(&"a.".repeat(20)).is_none());
    }

    #[test]
    fn a_number_is_no_code() {
        let answers = Answers { errors: vec![Path::parse("to").unwrap()], ..Answers::default() };
        for told in ["+31612345678", "31612345678", "0612345678", "<script>", &"x".repeat(41)] {
            let body = serde_json::json!({ "to": told }).to_string().into_bytes();
            let Handover::Refused { cause, .. } = answers.judge(&Reply { status: 400, after: None, body: Some(body) })
            else {
                panic!("refused");
            };
            assert_eq!(cause, "HTTP 400");
        }
    }
}
