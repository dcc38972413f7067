//! A browser without a person: plain HTTP on loopback, one cookie jar, forms filled in as the page gives them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::DemoError;

/// Largest answer, bytes.
const MAX_BODY: usize = 64 << 20;

/// How a form is sent that may bring files (RFC 7578).
const PARTS: &str = "multipart/form-data";
/// No text of the demo holds it.
const BOUNDARY: &str = "zegel-demo-grens";

/// What a page answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Where a redirect leads.
    pub fn location(&self) -> Option<&str> {
        self.headers.get("location").and_then(|value| value.to_str().ok())
    }
}

/// The browser.
#[derive(Debug)]
pub struct Visitor {
    server: SocketAddr,
    cookies: BTreeMap<String, String>,
}

impl Visitor {
    /// Nothing visited yet.
    pub const fn new(server: SocketAddr) -> Self {
        Self { server, cookies: BTreeMap::new() }
    }

    /// GET.
    pub async fn get(&mut self, path: &str) -> Result<Answer, DemoError> {
        self.fetch(Method::GET, path, String::new()).await
    }

    /// Fills in the first form of `page` that has a field named as the first of `fields` (or the first form at all, without
    /// fields), and sends it.
    pub async fn submit(&mut self, path: &str, page: &str, fields: &[(&str, &str)]) -> Result<Answer, DemoError> {
        let form = form_with(page, fields.first().map(|(name, _)| *name))
            .ok_or_else(|| DemoError(format!("the page at its address has no form for {fields:?}")))?;
        let action = attribute(form, "action").unwrap_or_else(|| path.to_owned());
        let mut pairs = hidden(form);
        pairs.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        if attribute(form, "enctype").as_deref() == Some(PARTS) {
            return self.fetch(Method::POST, &action, in_parts(&pairs)).await;
        }
        let body = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&");
        self.fetch(Method::POST, &action, body).await
    }

    async fn fetch(&mut self, method: Method, path: &str, body: String) -> Result<Answer, DemoError> {
        let stream = TcpStream::connect(self.server).await.map_err(DemoError::new)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(DemoError::new)?;
        let driver = tokio::spawn(connection);
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = hyper::Request::builder()
            .method(method.clone())
            .uri(path)
            .header("host", self.server.to_string())
            .header("sec-fetch-site", if method == Method::POST { "same-origin" } else { "none" })
            .header("sec-fetch-mode", "navigate");
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        if method == Method::POST {
            let in_parts = body.starts_with("--");
            let kind = if in_parts {
                format!("{PARTS}; boundary={BOUNDARY}")
            } else {
                "application/x-www-form-urlencoded".to_owned()
            };
            request = request.header("origin", format!("http://{}", self.server)).header("content-type", kind);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(DemoError::new)?;
        let response = sender.send_request(request).await.map_err(DemoError::new)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(DemoError::new)?.to_bytes().to_vec();
        driver.abort();
        for cookie in head.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()) {
            self.keep(cookie);
        }
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    fn keep(&mut self, cookie: &str) {
        let Some((name, value)) = cookie.split(';').next().and_then(|pair| pair.split_once('=')) else { return };
        if value.is_empty() {
            self.cookies.remove(name.trim());
        } else {
            self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
        }
    }
}

/// The form with a field of this name.
fn form_with<'p>(page: &'p str, field: Option<&str>) -> Option<&'p str> {
    let forms = page.split("<form").skip(1).filter_map(|rest| rest.split("</form>").next());
    let wanted = field.map(|name| format!("name=\"{name}\""));
    forms.into_iter().find(|form| wanted.as_ref().is_none_or(|wanted| form.contains(wanted.as_str())))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = tag.split('>').next()?;
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    rest.split('"').next().map(|value| value.replace("&amp;", "&").replace("&#38;", "&"))
}

fn hidden(form: &str) -> Vec<(String, String)> {
    let inputs = form.split("<input").skip(1);
    let inputs = inputs.filter(|input| attribute(input, "type").as_deref() == Some("hidden"));
    inputs.filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?))).collect()
}

/// `multipart/form-data`.
fn in_parts(pairs: &[(String, String)]) -> String {
    let part = |(name, value): &(String, String)| {
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let parts: Vec<String> = pairs.iter().map(part).collect();
    format!("{}--{BOUNDARY}--\r\n", parts.concat())
}

/// `application/x-www-form-urlencoded`.
fn encoded(value: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    value.bytes().map(|b| if safe(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
