//! Postfix from a folder of its own: config, queue and ports. Nothing of the system's own Postfix is read or touched.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::peer::{folder, missing_unless, program};
use super::process::{free_address, is_installed, opens};

/// What it is used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Takes a mail into its queue, then passes it on.
    Relay,
    /// Passes a mail on before it answers.
    ProxyFilter,
    /// Like a relay, with a filter that encrypts each mail with gpg before it goes on.
    Gpg,
}

/// A running Postfix, stopped when dropped.
pub struct Postfix {
    folder: tempfile::TempDir,
    id: u32,
    /// Where it takes mail.
    pub address: SocketAddr,
}

const SERVICES: &str = "\
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
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

impl Postfix {
    /// In front of `behind`. The error says what is missing.
    pub fn start(role: Role, behind: SocketAddr) -> Result<Self, String> {
        missing_unless("postfix")?;
        if !rustix::process::geteuid().is_root() {
            return Err("Postfix starts as root only".into());
        }
        let folder = folder("postfix");
        let path = folder.path();
        for name in ["queue", "data", "filter"] {
            fs::create_dir(path.join(name)).expect("a folder");
        }
        owned_by("postfix", &path.join("data"))?;
        let address = free_address();
        let services = match role {
            Role::Relay => format!("{address} inet n - n - 500 smtpd\n"),
            Role::ProxyFilter => format!("{address} inet n - n - 500 smtpd -o smtpd_proxy_filter={behind}\n"),
            Role::Gpg => {
                let again = free_address();
                filter(path, again)?;
                format!(
                    "{address} inet n - n - 500 smtpd -o content_filter=gpg:dummy\n{again} inet n - n - 100 smtpd\n\
                     gpg unix - n n - 10 pipe flags=Rq user=nobody null_sender= argv={}/filter/encrypt ${{sender}} ${{recipient}}\n",
                    path.display()
                )
            }
        };
        fs::write(path.join("master.cf"), services + SERVICES).expect("a config");
        fs::write(path.join("main.cf"), config(path, behind)).expect("a config");
        let started = Command::new(program("postfix")).arg("-c").arg(path).arg("start").output();
        let started = started.map_err(|error| error.to_string())?;
        let log = || fs::read_to_string(path.join("maillog")).unwrap_or_default();
        if !started.status.success() || !opens(address) {
            return Err(format!("Postfix does not start: {}{}", String::from_utf8_lossy(&started.stderr), log()));
        }
        let id = fs::read_to_string(path.join("queue/pid/master.pid")).unwrap_or_default();
        let id = id.trim().parse().map_err(|_| "Postfix has no master process")?;
        Ok(Self { folder, id, address })
    }

    /// The id of its master process.
    pub fn id(&self) -> u32 {
        self.id
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = Command::new(program("postfix")).arg("-c").arg(self.folder.path()).arg("stop").output();
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.folder.path().join("filter/gpg"))
            .args(["--kill", "all"])
            .output();
    }
}

fn config(path: &Path, behind: SocketAddr) -> String {
    let path = path.display();
    format!(
        "compatibility_level = 3.6\nqueue_directory = {path}/queue\ndata_directory = {path}/data\nmail_owner = postfix\n\
         setgid_group = postdrop\nmyhostname = front.voorbeeld.example\ninet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\nmynetworks = 127.0.0.0/8\nmydestination =\nlocal_transport = error:5.1.1 no mailboxes here\n\
         relayhost = [{}]:{}\nsmtpd_relay_restrictions = permit_mynetworks, reject\nsmtp_dns_support_level = disabled\n\
         smtp_tls_security_level = none\nsmtpd_tls_security_level = none\nmaillog_file = {path}/maillog\n\
         maillog_file_prefixes = /tmp\nalias_maps =\nalias_database =\nsmtpd_client_connection_count_limit = 0\n\
         message_size_limit = 0\nmailbox_size_limit = 0\ngpg_destination_recipient_limit = 1\n",
        behind.ip(),
        behind.port()
    )
}

/// The filter that an admin would write: encrypt to the recipient's key, hand the mail back over SMTP.
fn filter(path: &Path, again: SocketAddr) -> Result<(), String> {
    for needed in ["gpg", "smtp-source"] {
        if !is_installed(needed) {
            return Err(format!("{needed} is not installed (benches/peers/setup)"));
        }
    }
    let filter = path.join("filter");
    let keys = filter.join("gpg");
    fs::create_dir(&keys).expect("a folder");
    let script = format!(
        "#!/bin/sh\numask 077\nmail=$(mktemp {0}/XXXXXXXX) || exit 75\ntrap 'rm -f \"$mail\"' EXIT\n\
         printf 'From: %s\\nTo: %s\\nSubject: encrypted\\n\\n' \"$1\" \"$2\" > \"$mail\"\n\
         gpg --homedir {0}/gpg --batch --quiet --trust-model always --armor --encrypt -r bench@voorbeeld.example >> \"$mail\" || exit 75\n\
         /usr/sbin/smtp-source -4 -f \"$1\" -t \"$2\" -F \"$mail\" {again} || exit 75\n",
        filter.display()
    );
    fs::write(filter.join("encrypt"), script).expect("a filter");
    fs::set_permissions(filter.join("encrypt"), fs::Permissions::from_mode(0o755)).expect("a filter");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o700)).expect("a folder");
    let made = Command::new("gpg")
        .arg("--homedir")
        .arg(&keys)
        .args([
            "--batch",
            "--quiet",
            "--passphrase",
            "",
            "--quick-gen-key",
            "bench@voorbeeld.example",
            "rsa3072",
            "encr,sign",
        ])
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        return Err("gpg makes no key".into());
    }
    let _ = Command::new("gpgconf").arg("--homedir").arg(&keys).args(["--kill", "all"]).output();
    owned_by("nobody", &filter)
}

fn owned_by(user: &str, path: &Path) -> Result<(), String> {
    let changed = Command::new("chown").args(["-R", user]).arg(path).status();
    if changed.is_ok_and(|status| status.success()) { Ok(()) } else { Err(format!("there is no user {user}")) }
}
