//! Commands as providers: what they are given, what their ends mean, and that none outlives its time.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use zegel::sms::{CommandSettings, Kind, ProviderSettings, Providers};

use super::{NUMBER, REFERENCE, provider, providers, send, text};

/// A shell script in a folder of its own.
fn script(folder: &Path, lines: &str) -> Providers {
    let program = folder.join("send-sms");
    fs::write(&program, format!("#!/bin/sh\n{lines}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    command(CommandSettings { program, arguments: vec!["een".to_owned(), "twee; exit 1".to_owned()] })
}

fn command(settings: CommandSettings) -> Providers {
    let settings = provider("modem", Kind::Command(settings));
    providers(vec![ProviderSettings { timeout: Duration::from_secs(3), ..settings }])
}

#[tokio::test]
async fn it_gets_one_line_of_json_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display();
    let lines = format!(
        "cat > {place}/in; printf '%s|' \"$@\" > {place}/args; env > {place}/env; pwd > {place}/pwd; echo ' id-7 '"
    );
    assert_eq!(send(&script(folder.path(), &lines)).await, "modem accepted id-7");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let input: serde_json::Value = serde_json::from_str(&read("in")).unwrap();
    assert_eq!(input, serde_json::json!({ "number": NUMBER, "text": text().expose(), "reference": REFERENCE }));
    assert_eq!(read("in").lines().count(), 1);
    assert_eq!(read("args"), "een|twee; exit 1|");
    let names: Vec<String> = read("env").lines().filter_map(|line| Some(line.split_once('=')?.0.to_owned())).collect();
    assert!(names.iter().all(|name| ["PATH", "PWD", "SHLVL", "_", "OLDPWD"].contains(&name.as_str())), "{names:?}");
    assert_eq!(read("pwd"), "/\n");
}

#[tokio::test]
async fn what_its_end_means() {
    for (lines, expected) in [
        ("exit 0", "modem accepted "),
        ("echo; echo id", "modem accepted "),
        ("exit 1", "failed"),
        ("exit 75", "failed"),
        ("exit 65", "modem refused Number"),
        ("exit 67", "modem refused Number"),
        ("exit 77", "modem refused Account"),
        ("kill -9 $$", "modem unsure"),
        ("exec 0<&-; exit 0", "modem accepted "),
        ("cat >&2; exit 1", "failed"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(send(&script(folder.path(), lines)).await, expected, "{lines}");
    }
    for program in ["/nowhere/send-sms", "/etc/passwd", "/"] {
        let settings = CommandSettings { program: program.into(), arguments: Vec::new() };
        assert_eq!(send(&command(settings)).await, "failed", "{program}");
    }
}

#[tokio::test]
async fn one_that_hangs_or_floods_is_killed_with_all_it_started() {
    for (lines, longest) in
        [("sleep 600 & echo $! > PLACE/pid; wait", 20), ("sleep 600 & echo $! > PLACE/pid; exec cat /dev/zero", 3)]
    {
        let folder = tempfile::tempdir().unwrap();
        let lines = lines.replace("PLACE", &folder.path().display().to_string());
        let begun = Instant::now();
        assert_eq!(send(&script(folder.path(), &lines)).await, "modem unsure", "{lines}");
        assert!(begun.elapsed() < Duration::from_secs(longest), "{lines}");
        let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
        let stat = Path::new("/proc").join(pid.trim()).join("stat");
        // Gone, or dead and not yet fetched by whoever inherited it.
        let running = || fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z"));
        while running() && begun.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!running(), "{lines}");
    }
}
