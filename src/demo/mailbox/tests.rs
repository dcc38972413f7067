//! The mailbox over real sockets: bytes in, pages out.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

async fn mailbox() -> Mailbox {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    start(any, any).await.unwrap()
}

/// Says everything at once and hears until the other side closes.
async fn talk(address: SocketAddr, said: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(said).await.unwrap();
    let mut heard = Vec::new();
    let reading = stream.read_to_end(&mut heard);
    tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the connection stays open").unwrap();
    String::from_utf8(heard).unwrap()
}

async fn send(mailbox: &Mailbox, wire: &[u8]) -> String {
    let head = b"EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n";
    talk(mailbox.addresses().smtp, &[head, wire, b"\r\n.\r\nQUIT\r\n".as_slice()].concat()).await
}

async fn get(mailbox: &Mailbox, path: &str, host: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    talk(mailbox.addresses().http, request.as_bytes()).await
}

#[tokio::test]
async fn a_mail_is_kept_byte_for_byte() {
    let mailbox = mailbox().await;
    let at_the_limit = [vec![b'x'; 4095], b"\r\n.".to_vec()].concat();
    let long = vec![b'y'; 20_000];
    for (wire, expected) in [
        (b"Subject: a\r\n\r\nb".as_slice(), b"Subject: a\r\n\r\nb\r\n".as_slice()),
        (b"..\r\n...x", b".\r\n..x\r\n"),
        (b"a\n.\nb", b"a\n.\nb\r\n"),
        (b"a\r.\r\n.b", b"a\r.\r\nb\r\n"),
        (b"\xff\x00", b"\xff\x00\r\n"),
        (&[&at_the_limit, b".".as_slice()].concat(), &[&vec![b'x'; 4095], b"\r\n.\r\n".as_slice()].concat()),
        (&long, &[&long, b"\r\n".as_slice()].concat()),
    ] {
        let before = mailbox.mails().len();
        let heard = send(&mailbox, wire).await;
        assert!(
            heard.ends_with("354 end with a dot on a line by itself\r\n250 2.0.0 kept\r\n221 2.0.0 bye\r\n"),
            "{heard}"
        );
        assert_eq!(mailbox.mails()[before].raw, expected);
    }
    mailbox.stop().await;
}

#[tokio::test]
async fn commands_out_of_order_are_refused_and_lines_are_bounded() {
    let mailbox = mailbox().await;
    let smtp = mailbox.addresses().smtp;
    let said = b"DATA\r\nRCPT TO:<a@b.example>\r\nMAIL x\r\nMAIL FROM:<>\r\nRCPT TO:<>\r\nVRFY a\r\nQUIT\r\n";
    let heard = talk(smtp, said).await;
    let codes: Vec<&str> = heard.lines().filter_map(|line| line.get(..3)).collect();
    assert_eq!(codes, ["220", "503", "503", "501", "250", "501", "502", "221"]);
    let heard = talk(smtp, &vec![b'a'; 4096]).await;
    assert_eq!(heard.lines().count(), 1, "a line without end is not answered: {heard}");
    assert!(mailbox.mails().is_empty());
    mailbox.stop().await;
}

#[tokio::test]
async fn the_page_shows_a_mail_and_trusts_none_of_it() {
    let mailbox = mailbox().await;
    let mail = "From: =?utf-8?q?Zo=C3=AB?= <zoe@example.org>\r\nSubject: =?utf-8?q?=3Cb=3E_na=C3=AFef?=\r\n\
                Content-Type: text/html; charset=utf-8\r\n\r\n<html><head></head><script>x()</script><a href=\"http://x.example\">y</a>";
    send(&mailbox, mail.as_bytes()).await;
    let list = get(&mailbox, "/", "127.0.0.1").await;
    assert!(
        list.starts_with("HTTP/1.1 200") && list.contains("&#60;b&#62; naïef") && list.contains("From Zoë"),
        "{list}"
    );
    assert!(list.contains("content-security-policy: default-src 'none'") && list.contains("/?for=c%40d.example"));
    assert!(get(&mailbox, "/?for=c%40d.example", "localhost:1").await.contains("/mail/1"));
    assert!(!get(&mailbox, "/?for=x%40d.example", "localhost:1").await.contains("/mail/1"));

    let html = get(&mailbox, "/mail/1/html", "127.0.0.1").await;
    assert!(html.contains("<head><base target=\"_blank\"></head>"), "{html}");
    assert!(html.contains("sandbox allow-popups allow-popups-to-escape-sandbox") && !html.contains("allow-scripts"));
    let source = get(&mailbox, "/mail/1/source", "127.0.0.1").await;
    assert!(source.contains(mail) && source.contains("content-type: text/plain") && source.contains("nosniff"));

    for (path, host, status) in [
        ("/mail/2", "127.0.0.1", "404"),
        ("/mail/x", "127.0.0.1", "400"),
        ("/x", "127.0.0.1", "404"),
        ("/", "rebound.example", "421"),
        ("/mail/1", "127.0.0.1.example", "421"),
    ] {
        let answer = get(&mailbox, path, host).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")) && !answer.contains("Zoë"),
            "{path} {host}: {answer}"
        );
    }
    mailbox.stop().await;
}

#[tokio::test]
async fn it_listens_on_loopback_only() {
    let (outside, inside) = (SocketAddr::from(([0, 0, 0, 0], 0)), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    for (smtp, http) in [(outside, inside), (inside, outside)] {
        assert_eq!(start(smtp, http).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
