//! A real Postfix in a folder of its own, on loopback, that relays everything to the gateway.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const SERVICES: &str = "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

/// A running Postfix; stopped when dropped.
pub struct Postfix {
    folder: tempfile::TempDir,
    /// Where it takes mail.
    pub address: SocketAddr,
}

impl Postfix {
    /// Starts one that relays to `relayhost`.
    pub fn start(relayhost: SocketAddr) -> Self {
        let folder = tempfile::Builder::new().prefix("zegel-postfix-").tempdir_in("/tmp").unwrap();
        let path = folder.path().to_str().unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["queue", "data"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let chown = Command::new("chown").args(["postfix", &format!("{path}/data")]).status().unwrap();
        assert!(chown.success(), "Postfix is not installed: run tests/setup");
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {path}/queue\ndata_directory = {path}/data\n\
             mail_owner = postfix\nsetgid_group = postdrop\nmyhostname = front.voorbeeld.example\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmynetworks = 127.0.0.0/8\nmydestination =\n\
             local_transport = error:5.1.1 no mailboxes here\nrelayhost = [{}]:{}\n\
             smtpd_relay_restrictions = permit_mynetworks, reject\nsmtp_dns_support_level = disabled\n\
             smtp_tls_security_level = none\nsmtpd_tls_security_level = none\nmaillog_file = {path}/maillog\n\
             maillog_file_prefixes = /tmp\nqueue_run_delay = 1s\nminimal_backoff_time = 1s\nmaximal_backoff_time = 2s\n\
             alias_maps =\nalias_database =\nsmtpd_client_connection_count_limit = 0\nmessage_size_limit = 0\n\
             message_drop_headers =\nsmtputf8_enable = yes\nsmtputf8_autodetect_classes = all\n",
            relayhost.ip(),
            relayhost.port()
        );
        fs::write(folder.path().join("main.cf"), main).unwrap();
        fs::write(folder.path().join("master.cf"), format!("{address} inet n - n - - smtpd\n{SERVICES}")).unwrap();
        let postfix = Self { folder, address };
        postfix.control("start");
        super::until("Postfix listens", || std::net::TcpStream::connect(address).ok());
        postfix
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("maillog")).unwrap_or_default()
    }

    fn control(&self, verb: &str) {
        let path: &Path = self.folder.path();
        let output = Command::new("postfix").arg("-c").arg(path).arg(verb).output().unwrap();
        assert!(output.status.success(), "postfix {verb}: {}", self.log());
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = Command::new("postfix").arg("-c").arg(self.folder.path()).arg("stop").output();
    }
}
