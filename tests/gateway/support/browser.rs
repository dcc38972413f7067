//! A blocking HTTP client that behaves as the reverse proxy in front of the page.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a page answered.
#[derive(Debug, Clone)]
pub struct Page {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Page {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header field.
    pub fn header(&self, name: &str) -> Option<String> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    }
}

/// A browser with one cookie, behind the address `client`.
pub struct Browser {
    server: SocketAddr,
    client: String,
    cookie: Option<String>,
}

impl Browser {
    /// As seen from `client`.
    pub fn new(server: SocketAddr, client: &str) -> Self {
        Self { server, client: client.to_owned(), cookie: None }
    }

    /// The same browser, the page started anew elsewhere.
    pub fn moved_to(&mut self, server: SocketAddr) {
        self.server = server;
    }

    /// GET.
    pub fn get(&mut self, path: &str) -> Page {
        self.fetch("GET", path, ("", b"")).unwrap()
    }

    /// POST of a form, to a server that may go away.
    pub fn try_post(&mut self, path: &str, fields: &[(&str, &str)]) -> std::io::Result<Page> {
        let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.fetch("POST", path, ("application/x-www-form-urlencoded", pairs.join("&").as_bytes()))
    }

    /// POST of a body of this type, to a server that may go away.
    pub fn try_send(&mut self, path: &str, kind: &str, body: &[u8]) -> std::io::Result<Page> {
        self.fetch("POST", path, (kind, body))
    }

    /// POST of a form.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.try_post(path, fields).unwrap()
    }

    /// The token of the form on page 1, which makes it a page of ours.
    pub fn form(&mut self, link: &str) -> String {
        let page = self.get(link).text();
        let token = page.split("name=\"pagina\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        token.unwrap_or_else(|| panic!("no form on the page: {page}")).to_owned()
    }

    /// Opens a link with a code: the answer to the POST.
    pub fn unlock(&mut self, link: &str, code: &str) -> Page {
        let token = self.form(link);
        self.post(link, &[("pagina", &token), ("code", code)])
    }

    /// The head and the first part of a POST whose body has `len` bytes; it stays open while the stream is kept.
    pub fn begin(&self, path: &str, kind: &str, part: &[u8], len: usize) -> TcpStream {
        let mut stream = TcpStream::connect(self.server).unwrap();
        stream.write_all(self.head("POST", path, (kind, len)).as_bytes()).unwrap();
        stream.write_all(part).unwrap();
        stream
    }

    /// The head of a request, with the empty line.
    fn head(&self, method: &str, path: &str, (kind, len): (&str, usize)) -> String {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: veilig.voorbeeld.example\r\nX-Forwarded-For: {}\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n",
            self.client
        );
        if let Some(cookie) = &self.cookie {
            write!(request, "Cookie: {cookie}\r\n").unwrap();
        }
        if method == "POST" {
            write!(
                request,
                "Origin: https://veilig.voorbeeld.example\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n"
            )
            .unwrap();
        }
        request + "\r\n"
    }

    fn fetch(&mut self, method: &str, path: &str, (kind, body): (&str, &[u8])) -> std::io::Result<Page> {
        let mut stream = TcpStream::connect(self.server)?;
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        stream.write_all(self.head(method, path, (kind, body.len())).as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let mut body = answer.split_off(end + 4);
        if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            body = dechunked(&body);
        }
        let page = Page { status: head[9..12].parse().unwrap(), head, body };
        if let Some(cookie) = page.header("set-cookie") {
            self.cookie = cookie.split(';').next().map(str::to_owned).filter(|pair| !pair.ends_with('='));
        }
        Ok(page)
    }
}

fn dechunked(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").expect("a chunk header");
        let len = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap().trim(), 16).unwrap();
        if len == 0 {
            return out;
        }
        out.extend_from_slice(&body[end + 2..end + 2 + len]);
        body = &body[end + 2 + len + 2..];
    }
}
