//! What the arguments of a call say, where strace wrote strings and paths in hexadecimal (`-xx`).

use std::path::PathBuf;

use super::strace::Call;

/// Options that every trace of this kind has; `-o FILE` and the program come behind.
pub const OPTIONS: [&str; 9] = ["-f", "-y", "-xx", "-s", "16777216", "-e", "signal=none", "-e", CALLS];

/// Every call that can change what a disk holds, and `lseek`, which says where a `write` goes.
const CALLS: &str = "trace=open,openat,openat2,creat,write,pwrite64,writev,pwritev,pwritev2,lseek,ftruncate,truncate,\
    fallocate,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,symlinkat,\
    copy_file_range,sendfile,splice,fsync,fdatasync,syncfs,sync,msync,dup,dup2,dup3,fcntl,sendto,sendmsg,execve";

impl Call {
    /// The path of the descriptor that it returned.
    pub fn opened(&self) -> Option<PathBuf> {
        between(&self.answer, '<', '>').map(path)
    }

    /// The argument in this place. (No string or path has a comma of its own: they are in hexadecimal.)
    pub fn argument(&self, place: usize) -> &str {
        self.arguments.split(", ").nth(place).unwrap_or_default().trim()
    }

    /// The argument as a number.
    pub fn number(&self, place: usize) -> u64 {
        self.argument(place).parse().unwrap_or_else(|_| panic!("argument {place} of {}({})", self.name, self.arguments))
    }

    /// The number of the descriptor in this place.
    pub fn descriptor(&self, place: usize) -> i64 {
        self.argument(place).split('<').next().and_then(|number| number.parse().ok()).unwrap_or(-1)
    }

    /// The path of the descriptor in this place; `None` when its file has no name any more.
    pub fn file(&self, place: usize) -> Option<PathBuf> {
        let argument = self.argument(place);
        if argument.ends_with("(deleted)") { None } else { between(argument, '<', '>').map(path) }
    }

    /// The string in this place, as a path.
    pub fn path(&self, place: usize) -> PathBuf {
        path(between(self.argument(place), '"', '"').unwrap_or_default())
    }

    /// All strings one behind the other: what is written.
    pub fn bytes(&self) -> Vec<u8> {
        let strings = self.arguments.split('"').skip(1).step_by(2);
        strings.flat_map(unescape).collect()
    }
}

fn between(text: &str, from: char, to: char) -> Option<&str> {
    let (_, rest) = text.split_once(from)?;
    Some(rest.split_once(to)?.0)
}

/// What is no file (a pipe, a socket) has a name that is not in hexadecimal, and that matches nothing.
fn path(hexadecimal: &str) -> PathBuf {
    String::from_utf8_lossy(&unescape(hexadecimal)).into_owned().into()
}

fn unescape(text: &str) -> Vec<u8> {
    let digit = |byte: u8| if byte < b'a' { byte.wrapping_sub(b'0') } else { byte - b'a' + 10 };
    text.as_bytes().chunks_exact(4).map(|four| digit(four[2]) << 4 | digit(four[3])).collect()
}
