//! Delivery reports: what a provider sends to our page, read by the config's mapping. Pure.
//!
//! Who knows the secret in the address may report; the secret is compared in constant time. A report that means nothing to us is
//! none: it is not asked what it is.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use subtle::ConstantTimeEq;

use super::reply::Path;
use crate::store::dispatch::SmsReport;

/// Characters of a reference at most.
const LONGEST_REFERENCE: usize = 64;

/// How the reports of one provider are read.
#[derive(Debug, Clone)]
pub struct ReportSettings {
    /// The provider's name.
    pub provider: String,
    /// What stands in the address that it calls.
    pub secret: SecretString,
    /// Where our reference stands.
    pub reference: Path,
    /// Where the status stands.
    pub status: Path,
    /// Statuses that mean that the telephone has it.
    pub delivered: Vec<String>,
    /// Statuses that mean that it never will.
    pub failed: Vec<String>,
}

/// How the reports of all providers are read. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Reports(Arc<[ReportSettings]>);

/// A report as it came: fields of the address and of a form, and a JSON document.
#[derive(Debug, Default)]
pub struct Fields {
    /// Names and values.
    pub named: Vec<(String, String)>,
    /// The body, if it is JSON.
    pub document: Option<Value>,
}

impl Fields {
    fn at(&self, path: &Path) -> Option<String> {
        let in_document = self.document.as_ref().and_then(|document| path.text(document));
        let named = || self.named.iter().find(|(name, _)| *name == path.whole());
        in_document.or_else(|| named().map(|(_, value)| value.clone()))
    }
}

/// What a report says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// About which SMS.
    pub reference: String,
    /// What became of it.
    pub report: SmsReport,
}

impl Reports {
    /// Of these providers.
    #[must_use]
    pub fn new(providers: Vec<ReportSettings>) -> Self {
        Self(providers.into())
    }

    /// Who calls under this name with this secret; `None` for a stranger.
    #[must_use]
    pub fn caller(&self, name: &str, secret: &str) -> Option<&ReportSettings> {
        let known = |settings: &&ReportSettings| {
            let same: bool = settings.secret.expose_secret().as_bytes().ct_eq(secret.as_bytes()).into();
            same && settings.provider == name
        };
        self.0.iter().find(known)
    }
}

impl ReportSettings {
    /// What a report says, if anything: an SMS that is on its way is none.
    #[must_use]
    pub fn read(&self, fields: &Fields) -> Option<Told> {
        let status = fields.at(&self.status)?;
        let report = match &status {
            status if self.delivered.contains(status) => SmsReport::Delivered,
            status if self.failed.contains(status) => SmsReport::Failed,
            _ => return None,
        };
        let reference = fields.at(&self.reference).filter(|reference| reference.len() <= LONGEST_REFERENCE)?;
        Some(Told { reference, report })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(reference: &str, status: &str) -> ReportSettings {
        ReportSettings {
            provider: "een".to_owned(),
            secret: "geheim-geheim-geheim".to_owned().into(),
            reference: Path::parse(reference).unwrap(),
            status: Path::parse(status).unwrap(),
            delivered: vec!["10".to_owned(), "delivered".to_owned()],
            failed: vec!["20".to_owned()],
        }
    }

    fn fields(named: &[(&str, &str)], document: Value) -> Fields {
        let named = named.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Fields { named, document: Some(document).filter(|document| !document.is_null()) }
    }

    #[test]
    fn who_may_report() {
        let reports = Reports::new(vec![settings("R", "S")]);
        assert!(reports.caller("een", "geheim-geheim-geheim").is_some());
        for (name, secret) in [
            ("een", "geheim-geheim-geheiM"),
            ("een", "geheim-geheim-geheim "),
            ("een", ""),
            ("twee", "geheim-geheim-geheim"),
            ("", ""),
        ] {
            assert!(reports.caller(name, secret).is_none(), "{name} {secret}");
        }
        assert!(!format!("{reports:?}").contains("geheim"));
    }

    #[test]
    fn what_is_told() {
        let flat = settings("REFERENCE", "STATUS");
        let deep = settings("msg.reference", "msg.status.code");
        let none = Value::Null;
        for (settings, fields, expected) in [
            (&flat, fields(&[("STATUS", "10"), ("REFERENCE", "abc")], none.clone()), Some(SmsReport::Delivered)),
            (&flat, fields(&[("STATUS", "20"), ("REFERENCE", "abc")], none.clone()), Some(SmsReport::Failed)),
            (&flat, fields(&[("STATUS", "11"), ("REFERENCE", "abc")], none.clone()), None),
            (&flat, fields(&[("REFERENCE", "abc")], none.clone()), None),
            (&flat, fields(&[("STATUS", "10")], none.clone()), None),
            (&flat, fields(&[("STATUS", "10"), ("REFERENCE", &"a".repeat(65))], none.clone()), None),
            // the reference in the address, the rest in a form or document
            (&flat, fields(&[("REFERENCE", "abc")], serde_json::json!({ "STATUS": 10 })), Some(SmsReport::Delivered)),
            (
                &deep,
                fields(&[], serde_json::json!({ "msg": { "reference": "abc", "status": { "code": 20 } } })),
                Some(SmsReport::Failed),
            ),
            (
                &deep,
                fields(&[("msg.status.code", "10"), ("msg.reference", "abc")], none.clone()),
                Some(SmsReport::Delivered),
            ),
            (&deep, fields(&[], serde_json::json!([1, 2])), None),
        ] {
            let told = settings.read(&fields);
            assert_eq!(told, expected.map(|report| Told { reference: "abc".to_owned(), report }), "{fields:?}");
        }
    }
}
