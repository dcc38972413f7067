//! What is refused as a key file, in which words, and what the commands leave behind.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::base::{OsEntropy, SeededEntropy};

const KEY: &str = "0000000a:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn written(&self, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
    /// The files, and nothing half done among them.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(self.0.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_not_a_safe_key_is_refused_in_one_sentence() {
    let zeros = format!("0000000a:{}\n", "0".repeat(64));
    let short = &KEY[..KEY.len() - 3];
    let large = "#\n".repeat(40_000);
    let cases: &[(&[u8], u32, &str)] = &[
        (b"", 0o600, "the keyring holds no key"),
        (b"# nothing\n", 0o600, "the keyring holds no key"),
        (zeros.as_bytes(), 0o600, "line 1: the key is not random"),
        (short.as_bytes(), 0o600, "line 1: expected an 8-digit"),
        (b"geen sleutel", 0o600, "line 1: expected an 8-digit"),
        (&[0xff, 0xfe, 0x00], 0o600, "no text"),
        (large.as_bytes(), 0o600, "more than 65536 bytes"),
        (KEY.as_bytes(), 0o644, "read by everybody on this machine (mode 644): chmod 600"),
        (KEY.as_bytes(), 0o602, "read by everybody on this machine (mode 602): chmod 600"),
        (KEY.as_bytes(), 0o640, "read by a whole group (mode 640): chmod 600"),
    ];
    let place = Place::new();
    for (bytes, mode, words) in cases {
        let path = place.written("root.keys", bytes, *mode);
        let error = load(Some(&path)).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("root.keys"), "{words}: {error}");
        assert!(!error.contains('\n') && !error.contains("0102030405"), "{error}");
    }
    let error = |path: &Path| load(Some(path)).unwrap_err().to_string();
    assert!(error(&place.path("nowhere")).contains("there is no such file"));
    assert!(error(place.0.path()).contains("this is a folder"));
    assert!(error(Path::new("/dev/null")).contains("no ordinary file"));
    load(Some(&place.written("root.keys", KEY.as_bytes(), 0o400))).unwrap();
}

#[test]
fn a_file_of_another_user_is_refused_and_a_credential_is_judged_as_systemd_makes_it() {
    let facts = |owner, mode| Facts { folder: false, special: false, owner, mode, len: 74 };
    let said = |facts: Facts, guard, user| match facts.judge(guard, user) {
        Ok(()) => "",
        Err(Fault::Owner(_)) => "owner",
        Err(Fault::World(_)) => "world",
        Err(Fault::Group(_)) => "group",
        Err(Fault::Writable(_)) => "writable",
        Err(other) => panic!("{other}"),
    };
    let cases = [
        (facts(999, 0o600), Guard::File, 999, ""),
        (facts(0, 0o600), Guard::File, 999, ""),
        (facts(1000, 0o600), Guard::File, 999, "owner"),
        (facts(1000, 0o600), Guard::File, 0, ""),
        (facts(999, 0o640), Guard::File, 999, "group"),
        (facts(999, 0o604), Guard::File, 999, "world"),
        (facts(0, 0o440), Guard::Credential, 999, ""),
        (facts(0, 0o444), Guard::Credential, 999, "world"),
        (facts(0, 0o644), Guard::Open, 999, ""),
        (facts(999, 0o644), Guard::Open, 999, ""),
        (facts(1000, 0o644), Guard::Open, 999, "owner"),
        (facts(0, 0o664), Guard::Open, 999, "writable"),
        (facts(999, 0o646), Guard::Open, 999, "writable"),
    ];
    for (facts, guard, user, expected) in cases {
        assert_eq!(said(facts, guard, user), expected, "{facts:?} {guard:?} {user}");
    }
}

#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let place = Place::new();
    let path = place.path("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(load(Some(&path)).unwrap_err().to_string().contains("no ordinary file"));
}

#[test]
fn a_new_keyring_loads_and_grows_by_one_active_key() {
    let place = Place::new();
    let path = place.path("root.keys");
    let first = add(&path, &OsEntropy).unwrap();
    assert!(first.made && mode(&path) == 0o600);
    let old = load(Some(&path)).unwrap();
    fs::write(&path, format!("# ours\n{}", fs::read_to_string(&path).unwrap().trim_end())).unwrap();
    let second = add(&path, &OsEntropy).unwrap();
    assert!(!second.made && mode(&path) == 0o600);
    let ring = load(Some(&path)).unwrap();
    assert_eq!((ring.ids(), ring.lacks(&old)), (vec![first.id, second.id], None));
    assert!(fs::read_to_string(&path).unwrap().starts_with("# ours\n"));
    assert_eq!(place.names(), ["root.keys"]);
}

#[test]
fn a_key_goes_and_its_bytes_with_it() {
    let place = Place::new();
    let path = place.written("root.keys", format!("# a\n{KEY}# b\n").as_bytes(), 0o600);
    let new = add(&path, &OsEntropy).unwrap().id;
    let before = fs::read_to_string(&path).unwrap();
    for id in [new, 7] {
        assert!(matches!(remove(&path, id), Err(KeysError::Root(_, Fault::NotRemovable(_)))));
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    let mut old_file = File::open(&path).unwrap();
    remove(&path, 10).unwrap();
    assert_eq!(load(Some(&path)).unwrap().ids(), [new]);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# a\n# b\n") && !text.contains("0001020304"));
    let mut left = Vec::new();
    old_file.read_to_end(&mut left).unwrap();
    assert!(left.len() == before.len() && left.iter().all(|byte| *byte == 0));
    assert_eq!(place.names(), ["root.keys"]);
}

#[test]
fn a_keyring_that_is_not_right_is_not_written_to() {
    let place = Place::new();
    for (bytes, mode) in [(&b"geen sleutel"[..], 0o600), (KEY.as_bytes(), 0o644)] {
        let path = place.written("root.keys", bytes, mode);
        assert!(add(&path, &OsEntropy).is_err() && remove(&path, 10).is_err());
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    let path = place.written("root.keys", KEY.as_bytes(), 0o600);
    let other = File::open(place.0.path()).unwrap();
    flock(&other, FlockOperation::LockExclusive).unwrap();
    assert!(matches!(add(&path, &OsEntropy), Err(KeysError::Root(_, Fault::Busy))));
    assert_eq!(fs::read(&path).unwrap(), KEY.as_bytes());
}

#[test]
fn what_an_interrupted_command_left_is_in_nobodys_way() {
    let place = Place::new();
    let path = place.written("root.keys", KEY.as_bytes(), 0o600);
    place.written("root.keys.new", b"half a ke", 0o600);
    add(&path, &OsEntropy).unwrap();
    assert_eq!(place.names(), ["root.keys"]);
}

#[test]
fn a_credential_is_read_and_never_written() {
    let place = Place::new();
    let path = place.written(CREDENTIAL, KEY.as_bytes(), 0o400);
    let source = Source::Credential(path.clone());
    assert_eq!(source.read().unwrap().ids(), [10]);
    let refused = source.writable().unwrap_err().to_string();
    assert!(refused.contains("cannot be written") && refused.contains("restart"), "{refused}");
    assert_eq!(Source::File(path.clone()).writable().unwrap(), path);
}

#[test]
fn a_recovery_pair_is_two_files_and_the_halves_do_not_pass_for_each_other() {
    let place = Place::new();
    let out = place.path("recovery.key");
    let (public_path, public) = create_recovery(&out, &SeededEntropy::new(1)).unwrap();
    assert_eq!((mode(&out), mode(&public_path)), (0o600, 0o644));
    assert_eq!(recovery_private(&out).unwrap().public(), public);
    assert_eq!(recovery_public(&public_path).unwrap(), public);
    let refused = recovery_public(&out).unwrap_err().to_string();
    assert!(refused.contains("private half"), "{refused}");
    // Whatever its rights are: they are not what is wrong.
    for mode in [0o644, 0o600] {
        fs::set_permissions(&public_path, fs::Permissions::from_mode(mode)).unwrap();
        let refused = recovery_private(&public_path).unwrap_err().to_string();
        assert!(refused.contains("this is the public half") && !refused.contains("chmod"), "{refused}");
    }
    let again = create_recovery(&out, &OsEntropy).unwrap_err();
    assert!(matches!(again, KeysError::Recovery(_, Fault::Exists)), "{again}");
    fs::remove_file(&public_path).unwrap();
    assert!(create_recovery(&out, &OsEntropy).is_err());
    assert_eq!(place.names(), ["recovery.key"], "no public half without its private one");
}
