//! Kinds of values: how each is written, read and described.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use config::{Value, ValueKind};
use ipnet::IpNet;

use super::source::Sources;
use crate::mail::{Address, Domain};
use crate::malware;
use crate::nexthop::{Host, Pin};
use crate::policy::Pattern;

/// How a value of one kind is read. `Err` says what was found instead.
type Read<T> = Box<dyn Fn(&Value, &Sources) -> Result<T, String>>;

/// A kind of value.
pub struct Kind<T> {
    allowed: String,
    read: Read<T>,
}

impl<T> std::fmt::Debug for Kind<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.allowed)
    }
}

impl<T> Kind<T> {
    /// What is allowed, for a mistake.
    #[must_use]
    pub fn allowed(&self) -> String {
        self.allowed.clone()
    }

    /// Reads a value.
    ///
    /// # Errors
    /// What was found instead.
    pub fn read(&self, value: &Value, sources: &Sources) -> Result<T, String> {
        (self.read)(value, sources)
    }
}

/// What a value is, in words.
#[must_use]
pub fn describe(kind: &ValueKind) -> String {
    match kind {
        ValueKind::Nil => "nothing".to_owned(),
        ValueKind::Boolean(value) => value.to_string(),
        ValueKind::I64(value) => format!("the number {value}"),
        ValueKind::I128(value) => format!("the number {value}"),
        ValueKind::U64(value) => format!("the number {value}"),
        ValueKind::U128(value) => format!("the number {value}"),
        ValueKind::Float(value) => format!("the number {value}"),
        ValueKind::String(text) => quoted(text),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(items) => format!("a list of {}", items.len()),
    }
}

fn quoted(text: &str) -> String {
    let mut shown = String::from('"');
    for c in text.chars().take(80) {
        if c.is_control() {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        } else {
            shown.push(c);
        }
    }
    if text.chars().count() > 80 {
        shown.push('…');
    }
    shown.push('"');
    shown
}

/// A kind written as text.
pub fn from_text<T: 'static>(allowed: impl Into<String>, parse: impl Fn(&str) -> Option<T> + 'static) -> Kind<T> {
    let read = move |value: &Value, _: &Sources| match &value.kind {
        ValueKind::String(text) => parse(text).ok_or_else(|| quoted(text)),
        other => Err(describe(other)),
    };
    Kind { allowed: allowed.into(), read: Box::new(read) }
}

/// Any text of one line that is not empty.
#[must_use]
pub fn text() -> Kind<String> {
    from_text("text of one line", |text| {
        let fits = !text.trim().is_empty() && text.len() <= 1000 && !text.chars().any(char::is_control);
        fits.then(|| text.trim().to_owned())
    })
}

/// A name for use elsewhere in the file.
#[must_use]
pub fn name() -> Kind<String> {
    from_text("a name of letters, digits and hyphens", |text| {
        let fits = !text.is_empty() && text.len() <= 40 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        fits.then(|| text.to_owned())
    })
}

/// One of several words.
#[must_use]
pub fn one_of<T: Copy + 'static>(words: &'static [(&'static str, T)]) -> Kind<T> {
    let listed: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
    from_text(listed.join(" or "), move |text| words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value))
}

/// Where clamd listens.
#[must_use]
pub fn clamd() -> Kind<malware::Address> {
    let allowed = "the path of clamd's socket, e.g. \"/run/clamav/clamd.ctl\", or \"host:port\"";
    from_text(allowed, |text| text.parse().ok())
}

/// A mail address.
#[must_use]
pub fn address() -> Kind<Address> {
    from_text("a mail address, e.g. \"info@voorbeeld.nl\"", |text| text.parse().ok())
}

/// A domain.
#[must_use]
pub fn domain() -> Kind<Domain> {
    from_text("a domain, e.g. \"voorbeeld.nl\"", |text| text.parse().ok())
}

/// An address or domain pattern of a rule.
#[must_use]
pub fn pattern() -> Kind<Pattern> {
    from_text("an address \"a@b.nl\", a domain \"b.nl\", or all below it \"*.b.nl\"", |text| {
        if let Some(below) = text.strip_prefix("*.") {
            return below.parse().ok().map(Pattern::Below);
        }
        if text.contains('@') {
            return text.parse::<Address>().ok().map(|address| Pattern::Address(address.key()));
        }
        text.parse().ok().map(Pattern::Domain)
    })
}

/// An address and port to listen on.
#[must_use]
pub fn socket() -> Kind<SocketAddr> {
    from_text("an IP address and port, e.g. \"127.0.0.1:2525\" or \"[::1]:2525\"", |text| text.parse().ok())
}

/// A network or a single address.
#[must_use]
pub fn network() -> Kind<IpNet> {
    from_text("a network, e.g. \"192.0.2.0/24\", or one address", |text| {
        text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
    })
}

/// Host and port of a mail server.
#[must_use]
pub fn host() -> Kind<Host> {
    from_text("a host and port, e.g. \"mail.voorbeeld.nl:25\"", |text| {
        let (name, port) = text.rsplit_once(':')?;
        let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
        let named = bare.parse::<std::net::IpAddr>().is_ok() || name.parse::<Domain>().is_ok();
        let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
        named.then(|| Host { name: bare.to_owned(), port })
    })
}

/// The hash of a server's public key.
#[must_use]
pub fn pin() -> Kind<Pin> {
    from_text("a pin, \"sha256//\" and the base64 of the key's SHA-256", |text| text.parse().ok())
}

/// A whole number within bounds; in the environment written as text.
#[must_use]
pub fn number(least: u64, most: u64) -> Kind<u64> {
    let read = move |value: &Value, _: &Sources| {
        let number = match &value.kind {
            ValueKind::I64(number) => u64::try_from(*number).ok(),
            ValueKind::U64(number) => Some(*number),
            ValueKind::String(text) if Sources::is_from_environment(value) => text.parse().ok(),
            _ => None,
        };
        number.filter(|n| (least..=most).contains(n)).ok_or_else(|| describe(&value.kind))
    };
    Kind { allowed: format!("a whole number from {least} to {most}"), read: Box::new(read) }
}

/// A number that becomes a `usize`.
#[must_use]
pub fn count(least: u64, most: u32) -> Kind<usize> {
    let inner = number(least, u64::from(most));
    let allowed = inner.allowed();
    let read = move |value: &Value, sources: &Sources| {
        inner.read(value, sources).and_then(|n| usize::try_from(n).map_err(|_| n.to_string()))
    };
    Kind { allowed, read: Box::new(read) }
}

/// Yes or no; in the environment written as text.
#[must_use]
pub fn switch() -> Kind<bool> {
    let read = |value: &Value, _: &Sources| match &value.kind {
        ValueKind::Boolean(on) => Ok(*on),
        ValueKind::String(text) if Sources::is_from_environment(value) => {
            text.parse().map_err(|_| describe(&value.kind))
        }
        other => Err(describe(other)),
    };
    Kind { allowed: "true or false".to_owned(), read: Box::new(read) }
}

/// A duration within bounds, as `90d`, `15m`, `30s`.
#[must_use]
pub fn duration(least: Duration, most: Duration) -> Kind<Duration> {
    let allowed = format!("a duration from {} to {}, e.g. \"15m\" or \"90d\"", span(least), span(most));
    from_text(allowed, move |text| {
        let at = text.find(|c: char| !c.is_ascii_digit())?;
        let (digits, unit) = text.split_at(at);
        let count: u64 = digits.parse().ok()?;
        let seconds = match unit.trim() {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        let duration = Duration::from_secs(count.checked_mul(seconds)?);
        (least..=most).contains(&duration).then_some(duration)
    })
}

fn span(duration: Duration) -> String {
    match duration.as_secs() {
        s if s > 0 && s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s > 0 && s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s > 0 && s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

/// A size in bytes, as `50 MiB` (powers of two) or `25 MB` (powers of ten).
#[must_use]
pub fn size(least: u64, most: u64) -> Kind<u64> {
    let allowed = format!("a size from {} to {}, e.g. \"50 MiB\"", bytes(least), bytes(most));
    from_text(allowed, move |text| {
        let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(at);
        let count: u64 = digits.parse().ok()?;
        let scale = match unit.trim() {
            "B" => 1,
            "kB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        count.checked_mul(scale).filter(|n| (least..=most).contains(n))
    })
}

fn bytes(n: u64) -> String {
    match n {
        n if n > 0 && n % (1 << 30) == 0 => format!("{} GiB", n >> 30),
        n if n > 0 && n % (1 << 20) == 0 => format!("{} MiB", n >> 20),
        n if n > 0 && n % 1_000_000_000 == 0 => format!("{} GB", n / 1_000_000_000),
        n if n > 0 && n % 1_000_000 == 0 => format!("{} MB", n / 1_000_000),
        n if n > 0 && n % (1 << 10) == 0 => format!("{} KiB", n >> 10),
        n => format!("{n} B"),
    }
}

/// A path; relative ones are relative to the file's folder.
#[must_use]
pub fn path() -> Kind<PathBuf> {
    let read = |value: &Value, sources: &Sources| match &value.kind {
        ValueKind::String(text) if !text.is_empty() && !text.contains('\0') => Ok(sources.resolve(text)),
        other => Err(describe(other)),
    };
    Kind { allowed: "a path".to_owned(), read: Box::new(read) }
}

/// A file that exists and can be read.
#[must_use]
pub fn file() -> Kind<PathBuf> {
    let inner = path();
    let read = move |value: &Value, sources: &Sources| {
        let path = inner.read(value, sources)?;
        // Only then opened: to open a pipe would wait for somebody who writes.
        let ordinary = |meta: &std::fs::Metadata| meta.is_file();
        let meta = path.metadata();
        let opened = if meta.as_ref().is_ok_and(ordinary) { std::fs::File::open(&path).and(meta) } else { meta };
        match opened {
            Ok(meta) if meta.is_file() => Ok(path),
            Ok(_) => Err(format!("{}, which is not a file", path.display())),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    };
    Kind { allowed: "a file that the service can read".to_owned(), read: Box::new(read) }
}

/// The page's address: https, a host, perhaps a port, nothing behind it.
#[must_use]
pub fn origin() -> Kind<String> {
    from_text("an address such as \"https://veilig.voorbeeld.nl\", without a path", |text| {
        let host = text.strip_prefix("https://")?;
        let (name, port) = host.rsplit_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
        let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        let named = name.parse::<Domain>().is_ok_and(|domain| domain.as_str() == name) && !name.starts_with('[');
        (named && port_fits && name.contains('.')).then(|| text.to_owned())
    })
}

/// A link to a page elsewhere.
#[must_use]
pub fn link() -> Kind<String> {
    from_text("an https:// address", |text| {
        let fits =
            text.len() <= 300 && !text.chars().any(|c| c.is_control() || c.is_whitespace() || "\"<>".contains(c));
        (fits && text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty())).then(|| text.to_owned())
    })
}

/// A time zone of the IANA database.
#[must_use]
pub fn time_zone() -> Kind<jiff::tz::TimeZone> {
    from_text("a time zone, e.g. \"Europe/Amsterdam\"", |text| jiff::tz::TimeZone::get(text).ok())
}
