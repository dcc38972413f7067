//! The file and the comparing, with real hashes at a low cost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Checked::{Later, Wrong};
use super::file::{Fault, User};
use super::*;
use crate::base::{OsEntropy, SeededEntropy};
use crate::seal::code::Cost;
use crate::seal::hashers::Memory;

const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
const NOW: Timestamp = Timestamp::from_secs(1_795_255_200);

fn user(name: &str, password: &str, senders: &[&str]) -> User {
    let hash = PasswordHash::new(password.as_bytes(), CHEAP, &OsEntropy, &mut Memory::default()).unwrap();
    User::new(name, hash, senders.iter().map(ToString::to_string).collect()).unwrap()
}

fn written(folder: &Path) -> PathBuf {
    let file = folder.join("users.toml");
    List::change(&file, |list| list.add(user("Jan", "right", &["jan@a.example", "*.b.example"]))).unwrap();
    List::change(&file, |list| list.add(user("scanner", "other", &[]))).unwrap();
    file
}

fn users(file: PathBuf, limits: Limits) -> Users {
    Users::load(Settings { file, hashers: 2, limits }, Arc::new(SeededEntropy::new(1))).unwrap()
}

fn secret(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.as_bytes().to_vec())
}

#[test]
fn a_file_is_changed_whole_and_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let list = List::read(&file).unwrap();
    let names: Vec<&str> = list.users().iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["Jan", "scanner"]);
    assert_eq!(list.find("JAN").unwrap().senders_as_written(), ["jan@a.example", "*.b.example"]);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("$argon2id$") && !text.contains("right"), "{text}");

    let again = List::change(&file, |list| list.add(user("JAN", "x", &[])));
    assert!(matches!(again, Err(UsersError::Content(_, Fault::Exists(_)))));
    let absent = List::change(&file, |list| list.remove("piet"));
    assert!(matches!(absent, Err(UsersError::Content(_, Fault::Unknown(_)))));
    assert_eq!(fs::read_to_string(&file).unwrap(), text, "a change that fails changes nothing");
    fs::write(folder.path().join("users.toml.new"), "left by a crash").unwrap();
    List::change(&file, |list| list.remove("jan")).unwrap();
    assert_eq!(List::read(&file).unwrap().users().len(), 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_others_may_read_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path());
    for (mode, taken) in [(0o600, true), (0o640, true), (0o400, true), (0o644, false), (0o660, false), (0o602, false)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(List::read(&file).is_ok(), taken, "{mode:o}");
    }
}

#[test]
fn mistakes_in_a_file_are_named_without_a_hash() {
    let hash = user("x", "x", &[]).hash.to_string();
    let one = |name: &str, password: &str, senders: &str| {
        format!("[[user]]\nname = \"{name}\"\npassword = \"{password}\"\nsenders = [{senders}]\n")
    };
    let cases = [
        ("nonsense".to_owned(), "line 1: not a list"),
        (format!("{}role = 1\n", one("a", &hash, "")), "line 5: not a list"),
        (one("a b", &hash, ""), "\"a b\" is no name"),
        (one("", &hash, ""), "\"\" is no name"),
        (one("a", &hash, "") + &one("A", &hash, ""), "\"A\" stands there twice"),
        (one("a", "secret-in-clear", ""), "the password of \"a\": not a hash"),
        (one("a", &hash, "\"a..b\""), "\"a..b\" of \"a\" is neither"),
    ];
    for (text, expected) in cases {
        let fault = List::parse(&text).unwrap_err().to_string();
        assert!(fault.starts_with(expected), "{text}: {fault}");
        assert!(!fault.contains("argon2id$v=19$m=8") && !fault.contains("secret-in-clear"), "{fault}");
    }
    assert_eq!(List::parse("").unwrap(), List::default());
}

#[tokio::test]
async fn a_password_is_compared_and_a_name_that_nobody_has_is_wrong_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(written(folder.path()), Limits::default());
    let check =
        async |name: &str, password: &str| users.check(name, secret(password), [192, 0, 2, 1].into(), NOW).await;
    let Checked::Right(jan) = check("jan", "right").await else { panic!("not let in") };
    assert_eq!((&*jan.name, jan.senders.len()), ("Jan", 2));
    for (name, password) in [("jan", "other"), ("scanner", "right"), ("piet", "right"), ("piet", "")] {
        assert_eq!(check(name, password).await, Wrong, "{name}");
    }
    assert_eq!(format!("{users:?} {jan:?}"), "Users(2) Identity(…)");
}

#[tokio::test]
async fn guesses_are_paused_for_names_that_exist_and_names_that_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { per_network: 100, per_user: 3, window: Duration::from_mins(15) };
    let users = users(written(folder.path()), limits);
    let from = |n: u8| IpAddr::from([192, 0, n, 1]);
    for name in ["jan", "piet"] {
        let mut seen = Vec::new();
        for n in 0..5 {
            seen.push(users.check(name, secret("wrong"), from(n), NOW).await);
        }
        assert_eq!(seen, [Wrong, Wrong, Wrong, Later, Later], "{name}");
        assert_eq!(users.check(name, secret("right"), from(9), NOW).await, Later, "{name}");
    }
    let after = NOW + limits.window;
    assert!(matches!(users.check("jan", secret("right"), from(9), after).await, Checked::Right(_)));
}

#[tokio::test]
async fn tries_at_the_same_moment_are_counted_too() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { per_network: 5, per_user: 100, window: Duration::from_mins(15) };
    let users = users(written(folder.path()), limits);
    let tries = (0..40).map(|_| users.check("jan", secret("wrong"), [192, 0, 2, 1].into(), NOW));
    let seen = futures_util::future::join_all(tries).await;
    assert_eq!(seen.iter().filter(|checked| **checked == Wrong).count(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_is_read_again_and_a_broken_one_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path());
    let users = users(file.clone(), Limits::default());
    let stop = CancellationToken::new();
    let task = tokio::spawn(watch(Some(users.clone()), stop.clone()));
    tokio::time::sleep(EVERY).await;
    List::change(&file, |list| list.add(user("piet", "third", &[]))).unwrap();
    tokio::time::sleep(EVERY * 2).await;
    assert_eq!(users.inner.list.load().users().len(), 3);
    fs::write(&file, "nonsense").unwrap();
    tokio::time::sleep(EVERY * 2).await;
    assert_eq!(users.inner.list.load().users().len(), 3);
    stop.cancel();
    task.await.unwrap();
}
