//! A page over a store in memory with sealed mail in it, asked as a browser would ask.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use secrecy::ExposeSecret;
use tower::ServiceExt;
use zegel::access::Limits;
use zegel::base::{Clock, ManualClock, SecretBytes, SeededEntropy, Timestamp};
use zegel::intake::{Intake, Recipient};
use zegel::mail::Address;
use zegel::mail::header::HeaderBlock;
use zegel::policy::{Identity, Level, Mode, Proof, Terms};
use zegel::seal::code::Cost;
use zegel::seal::keyring::RootKeyring;
use zegel::seal::token::LinkToken;
use zegel::store::Store;
use zegel::store::jobs::JobEnd;
use zegel::store::proof::SessionLimits;
use zegel::store::records::JobKind;
use zegel::web::{Settings, router};

pub const ORIGIN: &str = "https://veilig.voorbeeld.nl";

/// What it costs to compare a code.
pub const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

/// The page, and what stands behind it.
pub struct Site {
    pub router: Router,
    pub store: Store,
    pub clock: Arc<ManualClock>,
    pub intake: Intake,
    /// How mail is sealed.
    pub mode: Mode,
    /// The lowest proof of recipients who are not known yet.
    pub level: Level,
}

/// One sealed mail as its recipient has it.
pub struct Link {
    pub path: String,
    pub code: String,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The cookie that it sets, as the browser sends it back.
    pub fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    /// A hidden field of its form.
    pub fn page_token(&self) -> String {
        let text = self.text();
        let (_, rest) = text.split_once("name=\"pagina\" value=\"").expect("a form with a page token");
        rest.split('"').next().unwrap().to_owned()
    }
}

pub fn settings() -> Settings {
    Settings {
        listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        redirect: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        origin: ORIGIN.to_owned(),
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        demo: false,
        organisation: "Voorbeeld Zorg".to_owned(),
        phone: "010 - 000 00 00".to_owned(),
        privacy: Some("https://voorbeeld.nl/privacy".to_owned()),
        accessibility: None,
        brand: zegel::web::Brand::default(),
        time_zone: jiff::tz::TimeZone::get("Europe/Amsterdam").unwrap(),
        limits: Limits::default(),
        one_time_limits: zegel::access::one_time::Limits::default(),
        sends_sms: true,
        sessions: SessionLimits { idle: Duration::from_mins(15), longest: Duration::from_hours(4) },
        hashers: 2,
        max_requests: 500,
        max_requests_per_network: 500,
        sms_reports: zegel::sms::Reports::default(),
        answers: zegel::store::answers::Limits::default(),
        checks_files: false,
        max_uploads: 8,
    }
}

pub fn site() -> Site {
    site_with(settings())
}

pub fn site_with(settings: Settings) -> Site {
    site_costing(settings, CHEAP)
}

/// A site whose codes cost this much to compare.
pub fn site_costing(settings: Settings, cost: Cost) -> Site {
    let entropy = Arc::new(SeededEntropy::new(1));
    // 2026-11-21, 10:04 in Amsterdam
    let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_795_251_840)));
    let store = Store::in_memory(RootKeyring::generate(&*entropy), clock.clone(), entropy.clone());
    site_over(store, settings, cost, (clock, entropy))
}

/// A site over a store that there is already.
pub fn site_over(
    store: Store,
    settings: Settings,
    cost: Cost,
    (clock, entropy): (Arc<ManualClock>, Arc<SeededEntropy>),
) -> Site {
    let intake = intake((store.clone(), clock.clone()), cost, "");
    let router = router(Arc::new(settings), store.clone(), clock.clone(), entropy).unwrap();
    Site { router, store, clock, intake, mode: Mode::Assisted, level: Level::Code }
}

/// What takes mail for recipients who read this language.
pub fn intake((store, clock): (Store, Arc<ManualClock>), cost: Cost, language: &str) -> Intake {
    let taking = zegel::intake::Settings {
        max_size: 64 << 20,
        cost,
        strict_cost: cost,
        hashers: 2,
        language: language.to_owned(),
        numbers: Some(zegel::sms::Numbers::default()),
    };
    Intake::new(taking, store, clock, Arc::new(SeededEntropy::new(2)))
}

impl Site {
    /// Seals a little mail whose jobs stay.
    pub async fn mail(&self, to: &str) {
        self.take(to, "From: Anna Jansen <a.jansen@zorg.example>\r\nSubject: [veilig] Dag\r\n", b"Dag", None).await;
    }

    /// Seals a mail (header and body apart, both with CRLF) for one recipient.
    pub async fn seal(&self, to: &str, header: &str, body: &[u8]) -> Link {
        self.seal_asking(to, header, body, None).await
    }

    /// The same, with the proof that the mail asks for.
    pub async fn seal_asking(&self, to: &str, header: &str, body: &[u8], proof: Option<Proof>) -> Link {
        self.take(to, header, body, proof).await;
        self.link().await
    }

    async fn take(&self, to: &str, header: &str, body: &[u8], proof: Option<Proof>) {
        let address: Address = "a.jansen@zorg.example".parse().unwrap();
        let identity = Identity { address: address.clone(), name: "Anna Jansen".to_owned(), mailbox: address };
        let block = HeaderBlock::new(header.as_bytes());
        let tags = ["veilig".to_owned()];
        let terms = Terms {
            reason: "subject tag".to_owned(),
            expires: Duration::from_hours(90 * 24),
            mode: self.mode,
            proof,
            level: self.level,
        };
        let recipient = Recipient { address: to.parse().unwrap(), terms };
        let facts = block.facts(&tags);
        let mut sealing = self.intake.begin(identity, facts, vec![recipient], &block.stored(&tags)).await.unwrap();
        sealing.write(b"\r\n").await.unwrap();
        for piece in body.chunks(100_000) {
            sealing.write(piece).await.unwrap();
        }
        sealing.take().await.unwrap();
    }

    /// An ordinary little mail.
    pub async fn seal_text(&self, to: &str, text: &str) -> Link {
        let header = "From: Anna Jansen <a.jansen@zorg.example>\r\nTo: Jan <jan@else.example>\r\nBcc: geheim@else.example\r\n\
            Subject: [veilig] Uitslag\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";
        self.seal(to, header, text.as_bytes()).await
    }

    /// The link and code of the mail taken last, from the jobs that bring them, which are done then.
    pub async fn link(&self) -> Link {
        let mut link = Link { path: String::new(), code: String::new() };
        for job in self.store.lease_due(self.clock.now(), 100).await.unwrap() {
            let secret = job.secret.unwrap();
            match job.job.kind {
                JobKind::Notice { .. } => {
                    let bytes = secret.token.clone().unwrap().try_into().unwrap();
                    let token = LinkToken::from_secret(SecretBytes::new(bytes));
                    link.path = format!("/b/{}", token.to_text().expose_secret());
                }
                JobKind::Code { .. } => link.code = secret.code.clone().unwrap(),
                _ => {}
            }
            self.store.finish_job(job.id, JobEnd::Done).await.unwrap();
        }
        link
    }

    /// Sends a request from a peer on the internet.
    pub async fn ask(&self, request: Request<Body>) -> Answer {
        self.ask_from([198, 51, 100, 7], request).await
    }

    pub async fn ask_from(&self, peer: [u8; 4], mut request: Request<Body>) -> Answer {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from((peer, 40_000))));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: head.status, headers: head.headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(request(Method::GET, path).body(Body::empty()).unwrap()).await
    }

    /// GET with a session.
    pub async fn read(&self, path: &str, cookie: &str) -> Answer {
        self.ask(request(Method::GET, path).header("cookie", cookie).body(Body::empty()).unwrap()).await
    }

    /// Opens page 1, waits as a person would, and sends a code.
    pub async fn try_code(&self, link: &Link, code: &str) -> Answer {
        let token = self.get(&link.path).await.page_token();
        self.clock.advance(Duration::from_secs(5));
        self.ask(form(&link.path, &format!("pagina={token}&code={code}"))).await
    }

    /// Opens the message; the cookie.
    pub async fn unlock(&self, link: &Link) -> String {
        let answer = self.try_code(link, &link.code).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        answer.cookie()
    }
}

pub fn request(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path)
}

/// A POST as Chromium sends it when our button is pressed.
pub fn form(path: &str, body: &str) -> Request<Body> {
    request(Method::POST, path)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", ORIGIN)
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-user", "?1")
        .body(Body::from(body.to_owned()))
        .unwrap()
}
