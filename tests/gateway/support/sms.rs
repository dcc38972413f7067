//! A provider of SMS on this machine: takes everything, and shows it as a telephone would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::until;

/// Takes every SMS.
#[derive(Clone)]
pub struct Provider {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<serde_json::Value>>>,
}

impl Provider {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let provider = Self { address: listener.local_addr().unwrap(), taken: Arc::default() };
        let taken = provider.taken.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                serve(stream, &taken);
            }
        });
        provider
    }

    /// The page of the telephone: what came, each at `/mail/1/source` and so on.
    pub fn phone(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Shows this as if it had come as an SMS.
    pub fn show(&self, text: &str) {
        self.taken.lock().unwrap().push(serde_json::json!({ "text": text }));
    }

    pub fn taken(&self) -> Vec<serde_json::Value> {
        self.taken.lock().unwrap().clone()
    }

    /// The SMS of this number (from 1) as number, text and reference.
    pub fn sms(&self, count: usize) -> [String; 3] {
        let sms = until(&format!("SMS {count}"), || self.taken().get(count - 1).cloned());
        ["to", "text", "reference"].map(|field| sms[field].as_str().unwrap().to_owned())
    }

    /// How the gateway reaches it.
    pub fn config(&self) -> String {
        format!(
            r#"
[[sms.provider]]
name = "proef"
kind = "http"
url = "http://{}/send"
body = '{{"to":"{{number}}","text":"{{text}}","reference":"{{reference}}"}}'
id = "id"
report_secret_file = "report.secret"
report_reference = "reference"
report_status = "status"
report_delivered = ["delivered"]
report_failed = ["failed"]
"#,
            self.address
        )
    }
}

/// One request: an SMS, or a look at the telephone.
fn serve(mut stream: TcpStream, taken: &Mutex<Vec<serde_json::Value>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap() > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut taken = taken.lock().unwrap();
    let answer = if first.starts_with("POST") {
        taken.push(serde_json::from_slice(&body).unwrap());
        "{\"id\":\"p-1\"}".to_owned()
    } else if let Some(number) = first.split('/').nth(2).and_then(|number| number.parse::<usize>().ok()) {
        taken[number - 1]["text"].as_str().unwrap().to_owned()
    } else {
        let mails: Vec<String> = (1..=taken.len()).map(|number| format!("/mail/{number}")).collect();
        mails.join("\n")
    };
    let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}", answer.len());
}
