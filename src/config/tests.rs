//! The shipped file is complete and right; every wrong file gets exactly its mistakes.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The shipped file with the certificates left to a proxy, since they are not on this machine.
fn shipped() -> String {
    let text = fs::read_to_string(root().join("config/zegel.toml")).unwrap();
    let text = text.replace("certificate = \"/etc/zegel/page.pem\"", "").replace("key = \"/etc/zegel/page.key\"", "");
    let text = text.replace("#trusted_proxies", "trusted_proxies");
    text.replace("listen = [\"0.0.0.0:443\", \"[::]:443\"]", "listen = [\"127.0.0.1:8080\"]")
}

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, LoadError> {
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Config::parse(Path::new("zegel.toml"), text, environment)
}

fn mistakes(result: Result<Config, LoadError>) -> Vec<String> {
    match result {
        Err(LoadError::Mistakes(mistakes)) => mistakes.iter().map(ToString::to_string).collect(),
        Err(other) => panic!("{other}"),
        Ok(_) => Vec::new(),
    }
}

#[test]
fn the_shipped_file_is_right_and_safe() {
    let config = parse(&shipped(), &[]).unwrap();
    assert_eq!(config.web.origin, "https://veilig.voorbeeld.nl");
    let fatal: Vec<String> = config.findings().iter().filter(|f| f.fatal).map(ToString::to_string).collect();
    assert!(fatal.is_empty(), "{fatal:?}");
}

#[test]
fn every_default_shown_in_the_shipped_file_is_the_default() {
    let bare = parse(&shipped(), &[]).unwrap();
    let skip = [
        "certificate",
        "key",
        "fallback",
        "tenant",
        "ca",
        "user",
        "password_file",
        "pins",
        "server_name",
        "sender_domains",
        "root",
        "recovery",
        "trusted_proxies",
        "users",
        "stamp_header",
        "stamp_file",
        "client_ca",
        "client_names",
        "listen",
        "clamd",
    ];
    let skip = skip.into_iter().chain([
        "redirect",
        "privacy",
        "accessibility",
        "logo",
        "colour",
        "name",
        "from",
        "to",
        "action",
        "text",
        "mode",
        "proof",
    ]);
    let skip: BTreeSet<&str> = skip.collect();
    // Tables that are not there show examples, not defaults.
    let mut example = false;
    let shown: String = shipped()
        .lines()
        .map(|line| {
            example = line.starts_with("#[") || (example && !line.starts_with('['));
            let key = line.strip_prefix('#').and_then(|l| l.split_once(" = ")).map(|(key, _)| key);
            match key {
                Some(key) if !example && !key.contains(' ') && !skip.contains(key) => format!("{}\n", &line[1..]),
                _ => format!("{line}\n"),
            }
        })
        .collect();
    assert_ne!(shown, shipped(), "no default was uncommented");
    let shown = parse(&shown, &[]).unwrap();
    assert_eq!(format!("{bare:?}"), format!("{shown:?}"));
}

#[test]
fn the_shipped_file_explains_every_key() {
    let text = fs::read_to_string(root().join("config/zegel.toml")).unwrap();
    let rules = text.replace("#[[rule]]", "[[rule]]").replace("#name = \"huis", "name = \"huis");
    let rules = rules.replace("#[[sms.provider]]", "[[sms.provider]]");
    let known = known_keys(Path::new("zegel.toml"), &rules);
    let mut section = String::new();
    let mut explained = BTreeSet::new();
    for line in text.lines().map(|line| line.trim_start_matches('#')) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_matches(['[', ']']).to_owned();
            explained.insert(section.clone());
        } else if let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.contains(' ')) {
            explained.insert(format!("{section}.{key}"));
        }
    }
    let missing: Vec<_> = known.difference(&explained).collect();
    assert!(missing.is_empty(), "config/zegel.toml does not explain {missing:?}");
    let invented: Vec<_> = explained.difference(&known).collect();
    assert!(invented.is_empty(), "config/zegel.toml explains keys that do not exist: {invented:?}");
}

/// Each `tests/config/bad-*.toml` holds its expected mistakes as `#! ` lines, in order; the rest is laid over a good file:
/// `%% old => new` lines replace text in the shipped file, other lines are added at its end.
#[test]
fn each_bad_file_gets_its_mistakes() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root().join("tests/config")).unwrap() {
        let path = entry.unwrap().path();
        let case = fs::read_to_string(&path).unwrap();
        let mut text = shipped();
        let mut expected = Vec::new();
        let mut environment = HashMap::new();
        for line in case.lines() {
            if let Some(mistake) = line.strip_prefix("#! ") {
                expected.push(mistake.to_owned());
            } else if let Some(change) = line.strip_prefix("#% ") {
                let (old, new) = change.split_once(" => ").unwrap();
                assert!(text.contains(old), "{}: {old:?} is not in the shipped file", path.display());
                text = text.replace(old, &new.replace("\\n", "\n"));
            } else if let Some(variable) = line.strip_prefix("#$ ") {
                let (name, value) = variable.split_once('=').unwrap();
                environment.insert(name.to_owned(), value.to_owned());
            }
        }
        let result = Config::parse(Path::new("zegel.toml"), &text, environment);
        let found = match &result {
            Ok(config) => config.findings().iter().filter(|f| f.fatal).map(ToString::to_string).collect(),
            Err(_) => mistakes(result),
        };
        let found: Vec<String> = found.iter().map(|line| place_free(line, &text)).collect();
        if found != expected {
            wrong.push(format!("{}\n  found:    {found:#?}\n  expected: {expected:#?}", path.display()));
        }
        seen += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 30, "only {seen} bad files");
}

/// Replaces the line number by the text of that line up to ` =`, so that cases do not change when the shipped file grows.
fn place_free(mistake: &str, text: &str) -> String {
    let Some(rest) = mistake.strip_prefix("zegel.toml:") else { return mistake.to_owned() };
    let (number, rest) = rest.split_once(": ").unwrap();
    let Ok(number) = number.parse::<usize>() else { return mistake.to_owned() };
    let line = text.lines().nth(number - 1).unwrap_or("past the end");
    let place = line.split(" = ").next().unwrap();
    format!("at `{place}`: {rest}")
}

#[test]
fn line_numbers_are_exact() {
    let text = shipped().replace("phone = ", "telephone = ");
    let line = text.lines().position(|l| l.starts_with("telephone")).unwrap() + 1;
    let found = mistakes(parse(&text, &[]));
    assert!(
        found
            .iter()
            .any(|m| m.starts_with(&format!("zegel.toml:{line}: organisation.telephone: found an unknown key"))),
        "{found:?}"
    );
}

#[test]
fn the_environment_replaces_values_and_is_named_in_mistakes() {
    let config =
        parse(&shipped(), &[("ZEGEL_MAIL__MAX_RECIPIENTS", "200"), ("ZEGEL_HOME__DOMAINS", "a.nl, b.nl")]).unwrap();
    assert_eq!(config.receive.max_recipients, 200);
    assert_eq!(config.policy.home.domains.listed().len(), 2);
    let found = mistakes(parse(&shipped(), &[("ZEGEL_PAGE__ORIGIN", "http://x")]));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("environment ZEGEL_PAGE__ORIGIN: page.origin: found \"http://x\""), "{found:?}");
}

#[test]
fn a_phone_number_in_the_environment_keeps_its_zeros() {
    let config = parse(&shipped(), &[("ZEGEL_ORGANISATION__PHONE", "0101234567")]).unwrap();
    assert_eq!(config.web.phone, "0101234567");
}

#[test]
fn a_file_without_end_is_refused() {
    let error = Config::load(Path::new("/dev/zero")).unwrap_err();
    assert_eq!(error.to_string(), "/dev/zero: this is no config: it is larger than 1 MiB");
}

#[test]
fn a_data_folder_that_others_may_enter_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    for (mode, told) in [(0o700, false), (0o755, true), (0o710, true)] {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        let place = folder.path().display().to_string();
        let config = parse(&shipped(), &[("ZEGEL_STORE__FOLDER", place.as_str())]).unwrap();
        let found = config.findings();
        assert_eq!(found.iter().any(|f| f.key == "store.folder" && !f.fatal), told, "{mode:o}");
    }
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let found = mistakes(parse(&shipped(), &[("ZEGEL_KEYS__ROOT", pipe.to_str().unwrap())]));
    assert!(found.len() == 1 && found[0].contains("which is not a file"), "{found:?}");
}
