//! `[organisation]`, `[home]`, `[page]`, `[store]`, `[retention]`, `[keys]`, `[control]` and `[log]`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::kinds::{self, one_of};
use super::reader::Table;
use super::{CertificateFiles, Log, brand};
use crate::access::{self, Limits};
use crate::mail::DomainSet;
use crate::malware;
use crate::policy::Home;
use crate::sms::Reports;
use crate::store::answers;
use crate::store::proof::SessionLimits;
use crate::{store, web};

const MINUTE: Duration = Duration::from_mins(1);
const MIB: u64 = 1 << 20;
/// Of limits that people read on the page.
const MB: u64 = 1_000_000;
const HOUR: Duration = Duration::from_hours(1);

/// `[organisation]`.
#[derive(Debug, Clone)]
pub struct Organisation {
    /// Its name.
    pub name: String,
    /// Its telephone number.
    pub phone: String,
    /// `nl` or `en`.
    pub language: String,
    /// For dates.
    pub time_zone: jiff::tz::TimeZone,
    privacy: Option<String>,
    accessibility: Option<String>,
    brand: web::Brand,
}

impl Organisation {
    /// Reads the section; `None` after a mistake.
    pub fn read(table: &Table<'_, '_>) -> Option<Self> {
        let name = table.required("name", &kinds::text());
        let phone = table.required("phone", &kinds::text());
        let language = table.or("language", &one_of(&[("nl", "nl"), ("en", "en")]), "nl");
        let zone = table.optional("time_zone", &kinds::time_zone());
        let zone = zone.or_else(|| jiff::tz::TimeZone::get("Europe/Amsterdam").ok());
        let privacy = table.optional("privacy", &kinds::link());
        let accessibility = table.optional("accessibility", &kinds::link());
        let brand = brand::read(table);
        table.finish();
        Some(Self {
            name: name?,
            phone: phone?,
            language: language.to_owned(),
            time_zone: zone?,
            privacy,
            accessibility,
            brand,
        })
    }
}

/// `[home]`.
#[derive(Debug)]
pub struct HomeSection {
    /// Domains and fallback.
    pub home: Home,
    /// Name of the hop of these mailboxes.
    pub next_hop: String,
}

/// Reads `[home]`; `None` after a mistake.
pub fn read_home(table: &Table<'_, '_>) -> Option<HomeSection> {
    let domains = table.some("domains", &kinds::domain());
    let fallback = table.optional("fallback", &kinds::address());
    let next_hop = table.required("next_hop", &kinds::name());
    table.finish();
    let domains = domains?;
    if let Some(address) = &fallback
        && !domains.contains(address.domain())
    {
        table.refuse("fallback", "a mailbox outside home.domains", "a mailbox in one of home.domains");
        return None;
    }
    Some(HomeSection { home: Home { domains: DomainSet::Listed(domains), fallback }, next_hop: next_hop? })
}

/// `[page]`.
#[derive(Debug)]
pub struct PageSection {
    /// The page's settings.
    pub settings: web::Settings,
    /// Its certificate.
    pub tls: Option<CertificateFiles>,
    /// Who looks at the files of answers.
    pub clamd: Option<malware::Address>,
}

/// Certificate and key: both or neither.
pub fn read_certificate(table: &Table<'_, '_>) -> Option<CertificateFiles> {
    let certificate = table.optional("certificate", &kinds::file());
    let key = table.optional("key", &kinds::file());
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(CertificateFiles { certificate, key }),
        (Some(_), None) if !table.has("key") => {
            table.refuse("key", "nothing", "the private key of the certificate");
            None
        }
        (None, Some(_)) if !table.has("certificate") => {
            table.refuse("certificate", "nothing", "the certificate of the key");
            None
        }
        _ => None,
    }
}

/// Reads `[page]`; `None` after a mistake.
pub fn read_page(table: &Table<'_, '_>, organisation: Option<&Organisation>) -> Option<PageSection> {
    let origin = table.required("origin", &kinds::origin());
    let listen = table.some("listen", &kinds::socket());
    let redirect = table.list("redirect", &kinds::socket());
    let trusted_proxies = table.list("trusted_proxies", &kinds::network());
    let tls = read_certificate(table);
    let max_requests = table.or("max_requests", &kinds::count(1, 100_000), 512);
    let max_requests_per_network = table.or("max_requests_per_network", &kinds::count(1, 100_000), 100);
    let hashers = table.or("max_code_checks", &kinds::count(1, 64), 2);
    let limits = read_limits(&table.table("codes"));
    let one_time_limits = read_one_time_limits(&table.table("one_time_codes"));
    let sessions = read_sessions(&table.table("session"));
    let (answers, max_uploads, clamd) = read_answers(&table.table("answer"));
    table.finish();
    let organisation = organisation?;
    let settings = web::Settings {
        listen: listen?,
        redirect,
        origin: origin?,
        trusted_proxies,
        demo: false,
        organisation: organisation.name.clone(),
        phone: organisation.phone.clone(),
        privacy: organisation.privacy.clone(),
        accessibility: organisation.accessibility.clone(),
        brand: organisation.brand.clone(),
        time_zone: organisation.time_zone.clone(),
        limits,
        one_time_limits,
        // Known when all is read.
        sends_sms: false,
        sessions,
        hashers,
        max_requests,
        max_requests_per_network,
        sms_reports: Reports::default(),
        answers,
        checks_files: clamd.is_some(),
        max_uploads,
    };
    Some(PageSection { settings, tls, clamd })
}

fn read_limits(table: &Table<'_, '_>) -> Limits {
    let preset = Limits::default();
    let tries = |name: &str, most: u64, preset: u32| {
        let number = table.or(name, &kinds::number(1, most), u64::from(preset));
        u32::try_from(number).unwrap_or(preset)
    };
    let limits = Limits {
        per_network: tries("per_network", 20, preset.per_network),
        window: table.or("window", &kinds::duration(MINUTE, 24 * HOUR), preset.window),
        pause: table.or("pause", &kinds::duration(MINUTE, 24 * HOUR), preset.pause),
        per_grant: tries("per_link", 100, preset.per_grant),
        per_contact: tries("per_contact", 100, preset.per_contact),
    };
    table.finish();
    limits
}

fn read_one_time_limits(table: &Table<'_, '_>) -> access::one_time::Limits {
    let preset = access::one_time::Limits::default();
    let count = |name: &str, most: u64, preset: u32| {
        let number = table.or(name, &kinds::number(1, most), u64::from(preset));
        u32::try_from(number).unwrap_or(preset)
    };
    let limits = access::one_time::Limits {
        life: table.or("life", &kinds::duration(2 * MINUTE, HOUR / 2), preset.life),
        tries: count("tries", 10, preset.tries),
        pause: table.or("pause", &kinds::duration(MINUTE / 2, HOUR / 6), preset.pause),
        per_hour: count("per_hour", 20, preset.per_hour),
        per_day: count("per_day", 50, preset.per_day),
        per_link: count("per_link", 1000, preset.per_link),
        organisation: count("organisation", 10_000_000, preset.organisation),
    };
    table.finish();
    limits
}

fn read_sessions(table: &Table<'_, '_>) -> SessionLimits {
    let limits = SessionLimits {
        idle: table.or("idle", &kinds::duration(MINUTE, 4 * HOUR), 15 * MINUTE),
        longest: table.or("longest", &kinds::duration(MINUTE, 24 * HOUR), 4 * HOUR),
    };
    table.finish();
    limits
}

/// Reads `[metrics]`: an address that only this machine or a private network reaches, unless the file says that it may be another.
fn read_metrics(table: &Table<'_, '_>) -> Option<SocketAddr> {
    let listen = table.optional("listen", &kinds::socket());
    let public = table.or("public", &kinds::switch(), false);
    table.finish();
    if let Some(listen) = listen.filter(|listen| !public && !is_private(listen.ip())) {
        let allowed =
            "an address of this machine or a private network, such as \"127.0.0.1:9925\": metrics ask for no password";
        table.refuse("listen", format!("\"{listen}\""), allowed);
        return None;
    }
    listen
}

/// Reached from this machine or a private network only.
fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// `[page.answer]`: what recipients may write, and how many answers come in at the same time, and who looks at their
/// files.
fn read_answers(table: &Table<'_, '_>) -> (answers::Limits, usize, Option<malware::Address>) {
    let preset = answers::Limits::default();
    let limits = answers::Limits {
        file: table.or("max_file", &kinds::size(MB, 1000 * MB), preset.file),
        total: table.or("max_total", &kinds::size(MB, 1000 * MB), preset.total),
        files: table.or("max_files", &kinds::count(1, 100), preset.files),
        text: preset.text,
        per_day: table.or("per_day", &kinds::count(1, 1000), preset.per_day),
        draft: table.or("keep_draft", &kinds::duration(24 * HOUR, 365 * 24 * HOUR), preset.draft),
        room: table.or("drafts", &kinds::size(100 * MIB, 1 << 50), preset.room),
    };
    let max_uploads = table.or("max_uploads", &kinds::count(1, 10_000), 32);
    let clamd = table.optional("clamd", &kinds::clamd());
    table.finish();
    (limits, max_uploads, clamd)
}

/// Where things stand on this machine.
#[derive(Debug)]
pub struct Plant {
    /// `[store]`.
    pub store: store::Settings,
    /// `[retention]`: how long a link tells that its message is gone.
    pub ended_links: Duration,
    /// `[retention]`: the erasure ledger.
    pub ledger: PathBuf,
    /// `[keys]`.
    pub root_key: Option<PathBuf>,
    /// `[keys]`.
    pub recovery_key: Option<PathBuf>,
    /// `[control]`.
    pub control: PathBuf,
    /// `[metrics]`.
    pub metrics: Option<SocketAddr>,
    /// `[log]`.
    pub log: Log,
}

/// Reads `[store]`, `[retention]`, `[keys]`, `[control]`, `[metrics]` and `[log]`; `None` after a mistake.
pub fn read_plant(top: &Table<'_, '_>) -> Option<Plant> {
    let table = top.table("store");
    let folder = table.required("folder", &kinds::path());
    let min_free = table.or("min_free", &kinds::size(1 << 20, 1 << 50), 1 << 30);
    table.finish();
    let table = top.table("retention");
    let ended_links = table.or("ended_links", &kinds::duration(24 * HOUR, 3650 * 24 * HOUR), 90 * 24 * HOUR);
    let ledger = table.optional("ledger", &kinds::path());
    table.finish();
    let table = top.table("keys");
    let root_key = table.optional("root", &kinds::file());
    let recovery_key = table.optional("recovery", &kinds::file());
    table.finish();
    let table = top.table("control");
    let control = table.or("socket", &kinds::path(), PathBuf::from("/run/zegel/control.sock"));
    table.finish();
    let metrics = read_metrics(&top.table("metrics"));
    let table = top.table("log");
    let json = table.or("format", &one_of(&[("text", false), ("json", true)]), false);
    let levels = &[("error", "error"), ("warn", "warn"), ("info", "info"), ("debug", "debug"), ("trace", "trace")];
    let level = table.or("level", &one_of(levels), "info").to_owned();
    table.finish();
    let folder = folder?;
    let ledger = ledger.unwrap_or_else(|| folder.join("erased.ledger"));
    Some(Plant {
        store: store::Settings { folder, min_free },
        ended_links,
        ledger,
        root_key,
        recovery_key,
        control,
        metrics,
        log: Log { json, level },
    })
}
