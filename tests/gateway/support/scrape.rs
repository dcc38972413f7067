//! A monitoring system: asks for metrics and health, and reads the numbers.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Added to a config.
pub const METRICS: &str = "[metrics]\nlisten = \"127.0.0.1:0\"\n";

/// Status and body of a GET.
pub fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: monitor\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// Every series with its value.
pub fn series(address: SocketAddr) -> BTreeMap<String, f64> {
    let (status, text) = get(address, "/metrics");
    assert_eq!(status, 200, "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

/// Status and reasons of `/healthz`.
pub fn health(address: SocketAddr) -> (u16, Vec<String>) {
    let (status, body) = get(address, "/healthz");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let reasons = body["reasons"].as_array().unwrap().iter().map(|reason| reason.as_str().unwrap().to_owned());
    (status, reasons.collect())
}
