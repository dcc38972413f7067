//! Mail HTML that attacks its reader (`attacks.txt`), through the page as it is served, and then opened in Chromium without the frame and the policy
//! that stand around it in life: the sanitiser alone must do.

use std::fs;
use std::path::Path;
use std::process::Command;

use axum::http::StatusCode;
use data_encoding::BASE64_MIME;

use crate::site::site;

const ATTACKS: &str = include_str!("attacks.txt");

/// `⟦0a⟧` as the character with that number.
fn unescaped(line: &str) -> String {
    let mut pieces = line.split('⟦');
    let mut out = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (number, rest) = piece.split_once('⟧').unwrap();
        out.push(char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap());
        out.push_str(rest);
    }
    out
}

#[tokio::test(start_paused = true)]
async fn no_attack_gets_through_to_a_browser() {
    let attacks: Vec<String> = ATTACKS.lines().filter(|line| !line.starts_with('#')).map(unescaped).collect();
    assert!(attacks.len() >= 150);
    let folder = tempfile::tempdir().unwrap();
    let site = site();
    let header = "From: a.jansen@zorg.example\r\nSubject: [veilig] x\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n";
    for (number, attack) in attacks.iter().enumerate() {
        let body = BASE64_MIME.encode(format!("voor {attack} na").as_bytes());
        let link = site.seal(&format!("jan{number}@else.example"), header, body.as_bytes()).await;
        let cookie = site.unlock(&link).await;
        let frame = site.read("/bericht/html", &cookie).await;
        assert_eq!(frame.status, StatusCode::OK, "{attack}");
        let text = frame.text();
        assert!(text.contains("voor"), "{attack}: {text}");
        // Our own style is not what is looked at.
        let (head, body) = text.split_once("<body>").unwrap();
        assert!(head.contains("<style>") && !body.contains("kwaad.example/x.js"), "{attack}: {text}");
        fs::write(folder.path().join(format!("{number}.html")), format!("<!doctype html><body>{body}")).unwrap();
    }
    let raw = folder.path().join("raw");
    fs::create_dir(&raw).unwrap();
    for (number, caught) in [
        "<img src=x onerror=trap()>",
        "<svg onload=trap()>",
        "<p style='background:url(https://kwaad.example/b.png)'>x",
        "<meta http-equiv=refresh content='0;url=https://kwaad.example/'>",
        "<iframe srcdoc='<script>parent.trap()</script>'></iframe>",
        "<a href='javascript:trap()'>x</a>",
        "<p onclick=x>y",
        "<p><form><p></form><table>x",
    ]
    .iter()
    .enumerate()
    {
        fs::write(raw.join(format!("{number}.html")), format!("<!doctype html><body>{caught}")).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/attacks.mjs");
    let output = Command::new("node").arg(script).arg(folder.path()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim(), format!("looked at {} and 8", attacks.len()), "{attacks:#?}");
}
