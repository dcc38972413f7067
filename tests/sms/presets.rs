//! Each preset as the config makes it: its request over a real connection, what each answer leads to, and how reports are read.
//! The cases stand in `presets/*.json`, made after the providers' public documentation.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use zegel::config::Config;
use zegel::sms::{Fields, presets};

use super::server::{Act, Server};
use super::{CODE, SECRET, providers, send, text};

const REPORT_SECRET: &str = "canary-report-secret-0123456789";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The shipped config with one provider of this kind, which asks the server at `local` instead of its own.
fn config(kind: &str, lines: &str, local: &str, secrets: &Path) -> Config {
    let preset = match kind {
        "twilio" => presets::TWILIO,
        "bird" => presets::BIRD,
        "cm" => presets::CM,
        "spryng" => presets::SPRYNG,
        other => panic!("no preset {other}"),
    };
    let host = preset.url.split('/').nth(2).unwrap();
    let url = preset.url.replace(&format!("https://{host}"), local);
    fs::write(secrets.join("secret"), format!("{SECRET}\n")).unwrap();
    fs::write(secrets.join("report"), format!("{REPORT_SECRET}\n")).unwrap();
    let shipped = fs::read_to_string(root().join("config/zegel.toml")).unwrap();
    let shipped =
        shipped.replace("certificate = \"/etc/zegel/page.pem\"", "").replace("key = \"/etc/zegel/page.key\"", "");
    let place = secrets.display();
    let text = format!(
        "{shipped}\n[[sms.provider]]\nname = \"een\"\nkind = \"{kind}\"\nurl = \"{url}\"\nsecret_file = \"{place}/secret\"\n\
         report_secret_file = \"{place}/report\"\n{lines}\n"
    );
    Config::parse(Path::new("zegel.toml"), &text, HashMap::new()).unwrap()
}

fn of<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

/// A form as JSON, so that it can be compared.
fn form(text: &str) -> Value {
    form_urlencoded::parse(text.as_bytes())
        .map(|(name, value)| (name.into_owned(), Value::from(value.into_owned())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// The fixture's words, with what stands for the text of the SMS and the place of reports.
fn filled(value: &Value) -> Value {
    let callback = format!("https://veilig.voorbeeld.nl/sms/een/{REPORT_SECRET}");
    match value {
        Value::String(word) => Value::from(word.replace("TEXT", text().expose()).replace("CALLBACK", &callback)),
        Value::Array(items) => items.iter().map(filled).collect(),
        Value::Object(map) => {
            map.iter().map(|(name, value)| (name.clone(), filled(value))).collect::<serde_json::Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

async fn request(kind: &str, case: &Value, secrets: &Path) {
    let server = Server::start(Act::reply(500, "", "")).await;
    let config = config(kind, of(case, "config"), &format!("http://{}", server.address), secrets);
    send(&providers(config.sms.providers)).await;
    let requests = server.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some(of(&case["request"], "line")), "{kind}");
    let headers: HashMap<String, &str> =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value)).collect();
    for (name, value) in case["request"]["headers"].as_object().unwrap() {
        assert_eq!(headers.get(name.as_str()).copied(), value.as_str(), "{kind}: {name}");
    }
    let sent =
        if headers["content-type"] == "application/json" { serde_json::from_str(body).unwrap() } else { form(body) };
    assert_eq!(sent, filled(&case["request"]["body"]), "{kind}");
    assert!(body.contains(CODE));
}

async fn answers(kind: &str, case: &Value, secrets: &Path) {
    for answer in case["answers"].as_array().unwrap() {
        let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
        let server =
            Server::start(Act::reply(status, "Content-Type: application/json\r\n", &answer["body"].to_string())).await;
        let config = config(kind, of(case, "config"), &format!("http://{}", server.address), secrets);
        assert_eq!(send(&providers(config.sms.providers)).await, of(answer, "outcome"), "{kind}: {answer}");
    }
}

fn reports(kind: &str, case: &Value, secrets: &Path) {
    let config = config(kind, of(case, "config"), "http://127.0.0.1:1", secrets);
    let caller = config.web.sms_reports.caller("een", REPORT_SECRET).unwrap();
    for report in case["reports"].as_array().unwrap() {
        let query = report["query"].as_str().unwrap_or_default();
        let posted = report["form"].as_str().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(posted.as_bytes()));
        let named = pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let document = Some(report["json"].clone()).filter(|document| !document.is_null());
        let told = caller.read(&Fields { named, document });
        let said = told.map_or("nothing".to_owned(), |told| format!("{:?} {}", told.report, told.reference));
        assert_eq!(said, of(report, "told"), "{kind}: {report}");
    }
}

#[test]
fn without_reports_no_place_for_them_is_left() {
    for preset in [presets::TWILIO, presets::BIRD, presets::CM, presets::SPRYNG] {
        assert!(!preset.body.contains("{callback}"), "{}", preset.url);
        assert!(preset.reporting.is_empty() || preset.reporting.contains("{callback}"), "{}", preset.url);
    }
}

#[tokio::test]
async fn each_preset_asks_and_understands_its_provider() {
    let mut seen = 0;
    for entry in fs::read_dir(root().join("tests/sms/presets")).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let case: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let secrets = tempfile::tempdir().unwrap();
        request(&kind, &case, secrets.path()).await;
        answers(&kind, &case, secrets.path()).await;
        reports(&kind, &case, secrets.path());
        seen += 1;
    }
    assert_eq!(seen, 4);
}
