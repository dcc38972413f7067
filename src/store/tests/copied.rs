//! Copies of data folders.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The folder as it stands now: of one that is in use, what a kill would leave.
pub(in crate::store) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
            continue;
        }
        match fs::copy(&path, &target) {
            // A temporary file may be renamed meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            copied => drop(copied.unwrap()),
        }
    }
}
