//! A disk that turns read-only under the running gateway, as ext4 does when it meets an error of its own.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use crate::support::browser::Browser;
use crate::support::client;
use crate::support::gateway::{Gateway, Site};
use crate::support::reader::{ANNA, code_for, letter, links_for, read};
use crate::support::sink::Sink;
use crate::support::until;

const PATIENT: &str = "jan@example.nl";
const CANARY: &str = "kanarie-6Hs1";

/// An ext4 file system in a file.
struct Disk {
    image: PathBuf,
    root: PathBuf,
}

impl Disk {
    /// `None`, said aloud, where this process may not mount one.
    fn new(site: &Site) -> Option<Self> {
        let disk = Self { image: site.path("disk.ext4"), root: site.path("disk") };
        fs::create_dir(&disk.root).unwrap();
        fs::File::create(&disk.image).unwrap().set_len(64 << 20).unwrap();
        let made = Command::new("mkfs.ext4").arg("-q").arg(&disk.image).status().is_ok_and(|status| status.success());
        if made && disk.mount() && disk.trigger().exists() {
            return Some(disk);
        }
        let why = "SKIPPED, not tested: a disk that turns read-only, since this user may not mount an ext4 image";
        let _ = writeln!(std::io::stderr(), "{why}");
        None
    }

    fn mount(&self) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop,errors=remount-ro"]).args([&self.image, &self.root]);
        mount.output().is_ok_and(|output| output.status.success())
    }

    fn unmount(&self) {
        let output = Command::new("umount").arg(&self.root).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What makes this very file system meet an error.
    fn trigger(&self) -> PathBuf {
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let root = self.root.canonicalize().unwrap();
        let ours = mounts.lines().find(|line| line.split(' ').nth(1) == root.to_str());
        let device = ours.and_then(|line| line.split(' ').next()).and_then(|path| path.strip_prefix("/dev/"));
        PathBuf::from("/sys/fs/ext4").join(device.unwrap_or("none")).join("trigger_fs_error")
    }

    fn turn_read_only(&self) {
        fs::write(self.trigger(), "1").unwrap();
        let refused = fs::write(self.root.join("x"), "x").unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    }

    /// What an administrator does: off, checked, on again.
    fn mend(&self) {
        self.unmount();
        // 0: nothing to do; 1: mended.
        let checked = Command::new("e2fsck").arg("-fy").arg(&self.image).output().unwrap();
        assert!(checked.status.code().unwrap() <= 1, "{}", String::from_utf8_lossy(&checked.stdout));
        assert!(self.mount());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.root).output();
    }
}

fn confidential(gateway: &Gateway, name: &str) -> u16 {
    client::send(gateway.smtp, ANNA, &[PATIENT], &letter(name, "[veilig] brief", CANARY)).1.code
}

#[test]
fn a_disk_that_turns_read_only_loses_nothing_that_was_taken_and_takes_nothing_more() {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    let Some(disk) = Disk::new(&site) else { return };
    site.change("folder = \"data\"", "folder = \"disk/data\"");
    let gateway = site.start();
    assert_eq!(confidential(&gateway, "eerst"), 250);
    let (link, code) = (links_for(&sink, PATIENT, 1).remove(0), code_for(&sink, ANNA, PATIENT));
    assert!(read(gateway.page, &link, &code).contains(CANARY));
    until("everything is sent", || site.ask(&["queue", "list"])["jobs"].as_array().unwrap().is_empty().then_some(()));

    disk.turn_read_only();
    let refused = confidential(&gateway, "geweigerd");
    assert!((400..500).contains(&refused), "{refused}");
    // The store is closed from then on, and says so.
    let page = Browser::new(gateway.page, "198.51.100.5").get(&link);
    assert_eq!(page.status, 503, "{}", page.text());
    until("the log says why", || gateway.log().contains("the journal cannot go on; the store is closed").then_some(()));
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    gateway.kill();
    let Err(log) = site.try_start(&[]) else { panic!("it serves on a disk that is read-only") };
    assert!(log.contains("not started") && log.contains("Read-only file system"), "{log}");
    assert!(!log.contains("panicked"), "{log}");

    disk.mend();
    let gateway = site.start();
    assert!(read(gateway.page, &link, &code).contains(CANARY));
    assert_eq!(confidential(&gateway, "daarna"), 250);
    let found = site.ask(&["message", "find", PATIENT]);
    assert_eq!(found["messages"].as_array().unwrap().len(), 2, "the one that was refused is not there: {found}");
    assert!(gateway.stop().success());
    disk.unmount();
}
