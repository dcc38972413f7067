//! What is known of the public APIs of some providers, in the words of the config: a preset is a set of defaults for its keys.

/// Defaults for the keys of one provider.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// `url`.
    pub url: &'static str,
    /// `headers`.
    pub headers: &'static [&'static str],
    /// `content_type`: a form, else JSON.
    pub form: bool,
    /// `body`.
    pub body: &'static str,
    /// `body` when delivery reports are wanted; empty when they are set up elsewhere.
    pub reporting: &'static str,
    /// `accepted`.
    pub statuses: &'static [u16],
    /// `accepted_path` and `accepted_values`.
    pub accepted: Option<(&'static str, &'static [&'static str])>,
    /// `id`.
    pub id: &'static str,
    /// `error`.
    pub error: &'static [&'static str],
    /// `bad_number`.
    pub bad_number: &'static [&'static str],
    /// `bad_country`.
    pub bad_country: &'static [&'static str],
    /// `blocked`.
    pub blocked: &'static [&'static str],
    /// `no_credit`.
    pub no_credit: &'static [&'static str],
    /// `bad_account`.
    pub bad_account: &'static [&'static str],
    /// `not_now`.
    pub not_now: &'static [&'static str],
    /// `report_reference`, `report_status`, `report_delivered`, `report_failed`.
    pub report: Report,
}

/// How delivery reports are read.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Where our reference stands.
    pub reference: &'static str,
    /// Where the status stands.
    pub status: &'static str,
    /// Statuses that mean that the telephone has it.
    pub delivered: &'static [&'static str],
    /// Statuses that mean that it never will.
    pub failed: &'static [&'static str],
}

/// Twilio Programmable Messaging. The callback carries our reference, since reports do not.
pub const TWILIO: Preset = Preset {
    url: "https://api.twilio.com/2010-04-01/Accounts/{account}/Messages.json",
    headers: &["Authorization: Basic {basic}"],
    form: true,
    body: "To={number}&From={from}&Body={text}",
    reporting: "To={number}&From={from}&Body={text}&StatusCallback={callback}%3Freference%3D{reference}",
    statuses: &[201],
    accepted: None,
    id: "sid",
    error: &["code"],
    bad_number: &["21211", "21217", "21265", "21614", "21635"],
    bad_country: &["21408", "21612"],
    blocked: &["21610"],
    no_credit: &[],
    bad_account: &["20003", "20404", "21212", "21603", "21606", "21659", "21660", "90010"],
    not_now: &["14107", "20429", "21611"],
    report: Report {
        reference: "reference",
        status: "MessageStatus",
        delivered: &["delivered", "read"],
        failed: &["undelivered", "failed", "canceled"],
    },
};

/// Bird, the SMS API of `MessageBird`.
pub const BIRD: Preset = Preset {
    url: "https://rest.messagebird.com/messages",
    headers: &["Authorization: AccessKey {secret}"],
    form: false,
    body: r#"{"recipients":["{digits}"],"originator":"{from}","body":"{text}","reference":"{reference}","datacoding":"auto"}"#,
    reporting: r#"{"recipients":["{digits}"],"originator":"{from}","body":"{text}","reference":"{reference}","datacoding":"auto","reportUrl":"{callback}"}"#,
    statuses: &[201],
    accepted: None,
    id: "id",
    error: &["errors.0.parameter", "errors.0.code"],
    bad_number: &["recipients", "recipient"],
    bad_country: &[],
    blocked: &[],
    no_credit: &["25"],
    bad_account: &["2", "access_key", "originator"],
    not_now: &[],
    report: Report {
        reference: "reference",
        status: "status",
        delivered: &["delivered"],
        failed: &["delivery_failed", "expired"],
    },
};

/// CM.com Business Messaging.
pub const CM: Preset = Preset {
    url: "https://gw.messaging.cm.com/v1.0/message",
    headers: &["X-CM-PRODUCTTOKEN: {secret}"],
    form: false,
    body: r#"{"messages":{"msg":[{"allowedChannels":["SMS"],"from":"{from}","to":[{"number":"{zeros}"}],"body":{"type":"auto","content":"{text}"},"minimumNumberOfMessageParts":1,"maximumNumberOfMessageParts":2,"reference":"{reference}"}]}}"#,
    reporting: "",
    statuses: &[200, 201, 202],
    accepted: Some(("messages.0.status", &["Accepted"])),
    id: "messages.0.reference",
    error: &["messages.0.messageErrorCode", "errorCode"],
    bad_number: &["302", "303"],
    bad_country: &[],
    blocked: &[],
    no_credit: &["102"],
    bad_account: &["101", "103", "301"],
    not_now: &[],
    report: Report {
        reference: "messages.msg.reference",
        status: "messages.msg.status.code",
        delivered: &["2", "4"],
        failed: &["1", "3"],
    },
};

/// Spryng.
pub const SPRYNG: Preset = Preset {
    url: "https://rest.spryngsms.com/v1/messages",
    headers: &["Authorization: Bearer {secret}"],
    form: false,
    body: r#"{"body":"{text}","encoding":"auto","originator":"{from}","recipients":["{digits}"],"route":"business","reference":"{reference}"}"#,
    reporting: "",
    statuses: &[200, 201],
    accepted: None,
    id: "id",
    error: &["errors"],
    bad_number: &["recipients", "recipients.0"],
    bad_country: &[],
    blocked: &[],
    no_credit: &[],
    bad_account: &["originator", "route"],
    not_now: &[],
    report: Report { reference: "REFERENCE", status: "STATUS", delivered: &["10"], failed: &["20"] },
};
