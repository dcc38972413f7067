//! One large attachment over TLS, beside nginx with the same certificate and the same bytes as a plain file.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use data_encoding::BASE64;
use rustls::pki_types::CertificateDer;
use zegel::base::{Entropy, SeededEntropy};

use super::process::{Process, free_address, opens};
use super::spread;
use super::support::client;
use super::support::gateway::{Gateway, Site};
use super::support::reader::{ANNA, code_for, links_for};
use super::support::sink::Sink;
use super::support::tls::{make_pair, secure};

const NAME: &str = "veilig.voorbeeld.example";
const FILE: &str = "scan.bin";
const TO: &str = "jan@example.nl";

/// The ratio that the page should reach, and how much more memory the gateway may take meanwhile.
const AT_LEAST: f64 = 0.5;
const MOST_GROWTH: usize = 10_000_000;

/// A client of a TLS server.
struct Peer {
    address: SocketAddr,
    trusted: [CertificateDer<'static>; 1],
}

impl Peer {
    /// The head of the answer, and of its body the first bytes and how many there are.
    fn ask(&self, method: &str, path: &str, more: &str) -> (String, Vec<u8>, usize) {
        let mut stream = secure(TcpStream::connect(self.address).unwrap(), NAME, &self.trusted).unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n{more}");
        stream.write_all(request.as_bytes()).unwrap();
        let (mut first, mut buffer, mut head) = (Vec::new(), vec![0; 256 * 1024], None);
        let mut len = 0;
        loop {
            let read = match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) => panic!("{path}: {error} after {len} bytes"),
            };
            if head.is_some() {
                len += read;
            }
            if first.len() < 100_000 {
                first.extend_from_slice(&buffer[..read]);
            }
            if head.is_none()
                && let Some(end) = first.windows(4).position(|four| four == b"\r\n\r\n")
            {
                let body = first.split_off(end + 4);
                head = Some(String::from_utf8(std::mem::replace(&mut first, body)).unwrap());
                len = first.len();
            }
        }
        (head.unwrap(), first, len)
    }

    /// Megabytes a second of a whole download.
    fn fetch(&self, path: &str, more: &str, size: usize) -> f64 {
        let begin = Instant::now();
        let (head, _, len) = self.ask("GET", path, more);
        let seconds = begin.elapsed().as_secs_f64();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        assert_eq!(len, size, "{path}: {head}");
        #[expect(clippy::cast_precision_loss, reason = "some hundred million")]
        let megabytes = size as f64 / 1e6;
        megabytes / seconds
    }
}

/// `rounds` downloads of `bytes` bytes from each.
pub fn measure(bytes: usize, rounds: usize) {
    let sink = Sink::start();
    let site = Site::new(sink.address, "");
    site.change("level = \"trace\"", "level = \"info\"");
    site.change("trusted_proxies = [\"127.0.0.1\"]", "certificate = \"page.pem\", key = \"page.key\"");
    site.change("bounce_domain =", "max_size = \"200 MiB\", bounce_domain =");
    let certificate = make_pair(site.folder(), "page", NAME);
    let mut content = vec![0; bytes];
    SeededEntropy::new(7).fill(&mut content);
    fs::write(site.path(FILE), &content).unwrap();
    let gateway = site.start();
    send(&gateway, &content);
    let page = Peer { address: gateway.page, trusted: [certificate.clone()] };
    let (path, cookie) = unlock(&page, &sink);
    let (head, first, _) = page.ask("GET", &path, &cookie);
    assert!(head.contains(&format!("content-length: {bytes}\r\n")), "a browser cannot show how far it is: {head}");
    assert!(content.starts_with(&first[..1_000]), "not the attachment that was sent: {head}");
    drop(content);

    // What was needed to take the mail does not count.
    fs::write(format!("/proc/{}/clear_refs", gateway.pid()), "5").unwrap();
    let before = memory(&gateway, "VmHWM:");
    let nginx = nginx(site.folder(), certificate);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(page.fetch(&path, &cookie, bytes));
        if let Some((_, nginx)) = &nginx {
            theirs.push(nginx.fetch(&format!("/{FILE}"), "\r\n", bytes));
        }
    }
    let growth = memory(&gateway, "VmHWM:").saturating_sub(before);
    println!("an attachment of {} MB over TLS, {rounds} rounds", bytes / 1_000_000);
    let (ours, _) = spread(ours);
    println!(
        "  zegel {ours:.0} MB/s, at most {:.1} MB of memory more ({} MB allowed)",
        mega(growth),
        MOST_GROWTH / 1_000_000
    );
    assert!(growth <= MOST_GROWTH, "{growth} bytes more");
    if theirs.is_empty() {
        println!("  missing: nginx (benches/peers/setup)");
    } else {
        let (theirs, _) = spread(theirs);
        println!("  nginx {theirs:.0} MB/s; ratio {:.2} (goal {AT_LEAST})", ours / theirs);
    }
    assert!(gateway.stop().success());
}

#[expect(clippy::cast_precision_loss, reason = "some million")]
fn mega(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

/// A mail with the attachment.
fn send(gateway: &Gateway, content: &[u8]) {
    let mut mail = format!(
        "From: Anna <{ANNA}>\r\nTo: Jan <{TO}>\r\nMessage-ID: <scan@voorbeeld.example>\r\nSubject: [veilig] Scan\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nBijgaand de scan.\r\n--b\r\n\
         Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename={FILE}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    .into_bytes();
    for line in content.chunks(57) {
        mail.extend_from_slice(BASE64.encode(line).as_bytes());
        mail.extend_from_slice(b"\r\n");
    }
    mail.extend_from_slice(b"--b--\r\n");
    let (_, reply) = client::send(gateway.smtp, ANNA, &[TO], &mail);
    assert_eq!(reply.code, 250, "{reply:?}");
}

/// The path of the attachment, and the rest of a head that may ask for it.
fn unlock(page: &Peer, sink: &Sink) -> (String, String) {
    let (link, code) = (links_for(sink, TO, 1).remove(0), code_for(sink, ANNA, TO));
    let between = |text: &str, before: &str, after: char| -> String {
        text.split_once(before).and_then(|(_, rest)| rest.split_once(after)).unwrap().0.to_owned()
    };
    let (_, first, _) = page.ask("GET", &link, "\r\n");
    let token = between(&String::from_utf8(first).unwrap(), "name=\"pagina\" value=\"", '"');
    let form = format!("pagina={token}&code={code}");
    let kind = "application/x-www-form-urlencoded";
    let more =
        format!("Origin: https://{NAME}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{form}", form.len());
    let (head, ..) = page.ask("POST", &link, &more);
    let cookie = format!("Cookie: {}\r\n\r\n", between(&head, "set-cookie: ", ';'));
    let (_, message, _) = page.ask("GET", "/bericht", &cookie);
    let number = between(&String::from_utf8(message).unwrap(), "href=\"/bericht/bijlage/", '"');
    (format!("/bericht/bijlage/{number}"), cookie)
}

/// A value of /proc/PID/status, bytes.
fn memory(gateway: &Gateway, name: &str) -> usize {
    let text = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// nginx in `folder`, with its files there and nowhere else.
fn nginx(folder: &Path, certificate: CertificateDer<'static>) -> Option<(Process, Peer)> {
    let address = free_address();
    let here = folder.display();
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let config = format!(
        "{user}daemon off;\nworker_processes 1;\npid {here}/nginx.pid;\nerror_log {here}/nginx.log;\nevents {{ }}\n\
         http {{\n access_log off;\n sendfile on;\n client_body_temp_path {here}/t1;\n proxy_temp_path {here}/t2;\n fastcgi_temp_path {here}/t3;\n\
         uwsgi_temp_path {here}/t4;\n scgi_temp_path {here}/t5;\n server {{\n listen {address} ssl;\n root {here};\n\
         ssl_certificate {here}/page.pem;\n ssl_certificate_key {here}/page.key;\n }}\n}}\n"
    );
    fs::write(folder.join("nginx.conf"), config).unwrap();
    let mut command = Command::new("/usr/sbin/nginx");
    command.args(["-e", "nginx.log", "-c"]).arg(folder.join("nginx.conf")).current_dir(folder);
    let process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
    assert!(opens(address), "nginx does not listen");
    // Its first answer reads the file into memory, as the first download of ours did.
    let peer = Peer { address, trusted: [certificate] };
    peer.ask("GET", &format!("/{FILE}"), "\r\n");
    Some((process, peer))
}
