//! `[sms]` and every `[[sms.provider]]`.

mod words;

use std::path::Path as FilePath;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::kinds::{self, one_of};
use super::reader::Table;
use crate::sms::presets::{self, Preset};
use crate::sms::{
    Answers, CommandSettings, Constants, Content, Country, HttpSettings, Kind, Meaning, Numbers, Path,
    ProviderSettings, Refusal, ReportSettings, Reports, Settings, Template,
};

const SECOND: Duration = Duration::from_secs(1);

/// `[sms]`.
#[derive(Debug)]
pub struct SmsSection {
    /// Numbers and providers.
    pub settings: Settings,
    /// How their reports are read.
    pub reports: Reports,
}

/// What kinds of provider there are, as the file says it.
#[derive(Debug, Clone, Copy)]
enum Kinds {
    Http(Option<&'static Preset>),
    Command,
}

const KINDS: &[(&str, Kinds)] = &[
    ("http", Kinds::Http(None)),
    ("command", Kinds::Command),
    ("twilio", Kinds::Http(Some(&presets::TWILIO))),
    ("bird", Kinds::Http(Some(&presets::BIRD))),
    ("cm", Kinds::Http(Some(&presets::CM))),
    ("spryng", Kinds::Http(Some(&presets::SPRYNG))),
];

const METHODS: &[(&str, &str)] = &[("POST", "POST"), ("PUT", "PUT"), ("GET", "GET")];

/// Reads the section; `None` after a mistake. `origin` is the page's, where reports come.
pub fn read_sms(table: &Table<'_, '_>, origin: Option<&str>) -> Option<SmsSection> {
    let default = table.or("country", &words::country(), Country::NL);
    let allowed = table.list("countries", &words::country());
    let allowed = if table.has("countries") { allowed } else { vec![Country::NL] };
    let tables = table.tables("provider");
    table.finish();
    let mut providers: Vec<ProviderSettings> = Vec::new();
    let mut reports = Vec::new();
    let mut complete = true;
    for table in &tables {
        let Some((provider, report)) = read_provider(table, origin) else {
            complete = false;
            continue;
        };
        if providers.iter().any(|other| other.name == provider.name) {
            table.refuse("name", format!("\"{}\" a second time", provider.name), "a name of its own");
            complete = false;
        }
        providers.push(provider);
        reports.extend(report);
    }
    let settings = Settings { numbers: Numbers { default, allowed }, providers };
    complete.then(|| SmsSection { settings, reports: Reports::new(reports) })
}

fn read_provider(table: &Table<'_, '_>, origin: Option<&str>) -> Option<(ProviderSettings, Option<ReportSettings>)> {
    let name = table.required("name", &kinds::name());
    let kind = table.required("kind", &one_of(KINDS));
    let timeout = table.or("timeout", &kinds::duration(SECOND, 60 * SECOND), 10 * SECOND);
    let preset = match kind {
        Some(Kinds::Http(preset)) => preset,
        _ => None,
    };
    let report = read_report(table, name.as_deref(), preset);
    let callback = match (report.as_ref(), origin) {
        (Some(Some(report)), Some(origin)) => callback(origin, report),
        _ => SecretString::default(),
    };
    let http = read_http(table, preset, matches!(kind, Some(Kinds::Http(_))), callback);
    let command = read_command(table, matches!(kind, Some(Kinds::Command)));
    table.finish();
    let kind = match kind? {
        Kinds::Http(_) => Kind::Http(Box::new(http?)),
        Kinds::Command => Kind::Command(command?),
    };
    Some((ProviderSettings { name: name?, timeout, kind }, report?))
}

/// Where reports of this provider come.
fn callback(origin: &str, report: &ReportSettings) -> SecretString {
    format!("{origin}/sms/{}/{}", report.provider, report.secret.expose_secret()).into()
}

fn read_command(table: &Table<'_, '_>, is_one: bool) -> Option<CommandSettings> {
    let words = table.list("command", &words::word());
    if !is_one {
        if table.has("command") {
            table.refuse("command", "a command", "a command only with kind = \"command\"");
        }
        return None;
    }
    match words.split_first() {
        Some((program, arguments)) if program.starts_with('/') => {
            Some(CommandSettings { program: program.into(), arguments: arguments.to_vec() })
        }
        _ => {
            let allowed = "a list: the absolute path of a program, then its arguments";
            table.refuse("command", words.first().map_or("nothing".to_owned(), |word| format!("\"{word}\"")), allowed);
            None
        }
    }
}

/// A list of the file, else the preset's.
fn list(table: &Table<'_, '_>, name: &str, preset: &[&str]) -> Vec<String> {
    let listed = table.list(name, &kinds::text());
    if table.has(name) { listed } else { preset.iter().map(|word| (*word).to_owned()).collect() }
}

/// A place in a document, from the file or else from the preset.
fn path(table: &Table<'_, '_>, name: &str, preset: &str) -> Option<Path> {
    table.optional(name, &words::json_path()).or_else(|| Path::parse(preset))
}

/// The words of a preset for one meaning.
type Words = fn(&Preset) -> &'static [&'static str];

fn read_answers(table: &Table<'_, '_>, preset: Option<&Preset>) -> Answers {
    let statuses = table.list("accepted", &kinds::number(200, 299));
    let statuses = statuses.into_iter().filter_map(|status| u16::try_from(status).ok()).collect();
    let preset_path = preset.and_then(|preset| preset.accepted);
    let accepted_path = path(table, "accepted_path", preset_path.map_or("", |(path, _)| path));
    let values = list(table, "accepted_values", preset_path.map_or(&[][..], |(_, values)| values));
    let errors = table.list("error", &words::json_path());
    let preset_errors = preset.map_or(&[][..], |preset| preset.error);
    let all: [(&str, Words, Meaning); 6] = [
        ("bad_number", |preset| preset.bad_number, Meaning::Refused(Refusal::Number)),
        ("bad_country", |preset| preset.bad_country, Meaning::Refused(Refusal::Country)),
        ("blocked", |preset| preset.blocked, Meaning::Refused(Refusal::Blocked)),
        ("no_credit", |preset| preset.no_credit, Meaning::Refused(Refusal::Credit)),
        ("bad_account", |preset| preset.bad_account, Meaning::Refused(Refusal::Account)),
        ("not_now", |preset| preset.not_now, Meaning::Later),
    ];
    let mut meanings = Vec::new();
    for (name, of_preset, meaning) in all {
        let codes = list(table, name, preset.map_or(&[][..], of_preset));
        meanings.extend(codes.into_iter().map(|code| (code, meaning)));
    }
    if accepted_path.is_some() && values.is_empty() {
        table.refuse("accepted_values", "nothing", "a list of what stands at accepted_path when an SMS was taken");
    }
    Answers {
        statuses: if table.has("accepted") { statuses } else { preset.map_or(&[][..], |p| p.statuses).to_vec() },
        accepted: accepted_path.map(|path| (path, values)),
        id: path(table, "id", preset.map_or("", |preset| preset.id)),
        errors: if table.has("error") {
            errors
        } else {
            preset_errors.iter().filter_map(|path| Path::parse(path)).collect()
        },
        meanings,
    }
}

fn read_http(
    table: &Table<'_, '_>,
    preset: Option<&Preset>,
    is_one: bool,
    callback: SecretString,
) -> Option<HttpSettings> {
    let template = |text: &str| Template::parse(text).ok();
    let url = table.optional("url", &words::template()).or_else(|| template(preset?.url));
    let method = table.or("method", &one_of(METHODS), "POST");
    let method = method.parse().unwrap_or(hyper::Method::POST);
    let headers = table.list("headers", &words::header_field());
    let preset_headers = preset.map_or(&[][..], |preset| preset.headers);
    let preset_headers = || preset_headers.iter().filter_map(|line| words::field(line)).collect();
    let contents = &[("application/json", Content::Json), ("application/x-www-form-urlencoded", Content::Form)];
    let content = table.optional("content_type", &one_of(contents));
    let of_preset = if preset.is_some_and(|preset| preset.form) { Content::Form } else { Content::Json };
    let reports = !callback.expose_secret().is_empty();
    let preset_body = preset.map_or("", |preset| if reports { preset.reporting } else { "" });
    let preset_body = if preset_body.is_empty() { preset.map_or("", |preset| preset.body) } else { preset_body };
    let body = table.optional("body", &words::body()).or_else(|| template(preset_body));
    let from = table.optional("from", &kinds::text());
    let account = table.optional("account", &kinds::text());
    let secret = read_secret(table, "secret_file", 1);
    let answers = read_answers(table, preset);
    let ca = table.optional("ca", &kinds::file());
    if !is_one {
        return None;
    }
    if url.is_none() && !table.has("url") {
        table.refuse("url", "nothing", "the provider's address");
    }
    let headers = if table.has("headers") { headers } else { preset_headers() };
    let constants = Constants {
        from: from.clone().unwrap_or_default(),
        account: account.clone().unwrap_or_default(),
        secret: secret.clone().unwrap_or_default(),
        callback,
    };
    let content = content.unwrap_or(of_preset);
    let settings = HttpSettings { url: url?, method, headers, body: body?, content, constants, answers, ca };
    let given = [
        ("from", from.is_some()),
        ("account", account.is_some()),
        ("secret_file", secret.is_some()),
        ("report_secret_file", reports),
    ];
    complete(table, &settings, given).then_some(settings)
}

/// Whether every place has its value and the requests can be made.
fn complete(table: &Table<'_, '_>, settings: &HttpSettings, given: [(&str, bool); 4]) -> bool {
    let mut complete = true;
    for (key, is_given) in given {
        if !is_given && settings.needs(key) {
            if !table.has(key) {
                table.refuse(key, "nothing", "a value: the request has a place for it");
            }
            complete = false;
        }
    }
    if complete && let Err((key, allowed)) = settings.check() {
        table.refuse(key, "what makes no request", allowed);
        complete = false;
    }
    complete
}

/// A file with a secret in one line.
fn read_secret(table: &Table<'_, '_>, name: &str, least: usize) -> Option<SecretString> {
    let file = table.optional(name, &kinds::file())?;
    let secret = secret_line(&file, least);
    if secret.is_none() {
        let allowed = format!("a file with a secret in one line of {least} to 2000 visible characters");
        table.refuse(name, format!("{}", file.display()), allowed);
    }
    secret
}

fn secret_line(file: &FilePath, least: usize) -> Option<SecretString> {
    let text = Zeroizing::new(std::fs::read_to_string(file).ok()?);
    let line = text.trim_end_matches(['\r', '\n']);
    let fits = (least..=2000).contains(&line.len()) && line.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| line.into())
}

/// The outer `None` only after a mistake was noted.
#[expect(clippy::option_option, reason = "a mistake, no reports, or reports")]
fn read_report(table: &Table<'_, '_>, name: Option<&str>, preset: Option<&Preset>) -> Option<Option<ReportSettings>> {
    let secret = read_secret(table, "report_secret_file", 20);
    let preset = preset.map(|preset| preset.report);
    let reference = path(table, "report_reference", preset.map_or("", |report| report.reference));
    let status = path(table, "report_status", preset.map_or("", |report| report.status));
    let delivered = list(table, "report_delivered", preset.map_or(&[][..], |report| report.delivered));
    let failed = list(table, "report_failed", preset.map_or(&[][..], |report| report.failed));
    if !table.has("report_secret_file") {
        return Some(None);
    }
    let secret = secret?;
    if !secret.expose_secret().bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)) {
        table.refuse("report_secret_file", "characters that an address cannot hold", "letters, digits and -._~");
        return None;
    }
    let (Some(reference), Some(status)) = (reference, status) else {
        table.refuse("report_status", "nothing", "report_reference and report_status: where they stand in a report");
        return None;
    };
    let provider = name?.to_owned();
    Some(Some(ReportSettings { provider, secret, reference, status, delivered, failed }))
}
