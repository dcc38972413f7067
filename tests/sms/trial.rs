//! `zegel sms test`, without a daemon: what it says, and what it does not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use zegel::text::{Lang, Texts};

/// A config with one command that keeps what it is given and ends with `code`.
fn config(folder: &Path, code: u8) {
    let place = folder.display();
    let program = folder.join("send-sms");
    fs::write(&program, format!("#!/bin/sh\ncat > {place}/in\necho id-7\nexit {code}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shipped = fs::read_to_string(root.join("config/zegel.toml")).unwrap();
    let shipped =
        shipped.replace("certificate = \"/etc/zegel/page.pem\"", "").replace("key = \"/etc/zegel/page.key\"", "");
    let shipped = shipped.replace("#socket = \"/run/zegel/control.sock\"", "socket = \"none.sock\"");
    let provider =
        format!("[[sms.provider]]\nname = \"modem\"\nkind = \"command\"\ncommand = [\"{place}/send-sms\"]\n");
    fs::write(folder.join("zegel.toml"), format!("{shipped}\n{provider}")).unwrap();
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let file = folder.join("zegel.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_zegel"));
    // The environment replaces keys of the config.
    command.env_clear().args(["sms", "test"]).args(arguments).arg("--config").arg(file).output().unwrap()
}

#[test]
fn it_says_who_took_it_and_not_whom_it_was_for() {
    let folder = tempfile::tempdir().unwrap();
    for (code, arguments, done, says) in [
        (0, &["06 12345678"][..], true, "the SMS to *******678 was taken by modem, which calls it id-7\n"),
        (
            0,
            &["06 12345678", "--provider", "modem"],
            true,
            "the SMS to *******678 was taken by modem, which calls it id-7\n",
        ),
        (
            67,
            &["06 12345678"],
            false,
            "the SMS to *******678 was refused by modem: no SMS can be sent to this number\n",
        ),
        (1, &["06 12345678"], false, "the SMS to *******678 was not taken: modem: the command ended with 1\n"),
        (0, &["06 12345678", "--provider", "geen"], false, "there is no such [[sms.provider]]; there are modem\n"),
        (0, &["020 1234567"], false, "this is not the number of a mobile telephone\n"),
        (0, &["+49 1512 3456789"], false, "numbers of this country are not allowed\n"),
    ] {
        config(folder.path(), code);
        let output = run(folder.path(), arguments);
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!((output.status.success(), out.as_str()), (done, says), "{arguments:?}: {err}");
        assert!(!out.contains("12345678") && !err.contains("12345678"), "{out}{err}");
    }
    let input: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("in")).unwrap()).unwrap();
    let texts = Texts::load().unwrap();
    let expected = zegel::sms::Text::test(texts.in_language(Lang::Nl), "Voorbeeld Zorg").unwrap();
    assert_eq!((input["number"].as_str(), input["text"].as_str()), (Some("+31612345678"), Some(expected.expose())));
    let json = run(folder.path(), &["0612345678", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["result"], "taken");
}
