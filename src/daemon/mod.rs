//! Wiring and life cycle: everything is built in order, announced when it all stands, and stopped in order.
//!
//! Start: keys, store (with recovery), next hops, sockets bound, control socket, tasks. Stop: no new mail, mails in flight
//! finish, attempts in flight finish, pages in flight finish, the store closes last. A task that ends by itself is a fault
//! and stops the daemon.

pub mod certificates;
pub mod contacts;
pub mod control;
pub mod descriptors;
pub mod health;
pub mod hops;
pub mod keys;
pub mod operate;
mod reload;
mod remove;
mod request;
mod restored;
pub mod rotate;
pub mod signals;
mod stored;
mod sweeper;
pub mod trial;
pub mod upkeep;
pub mod vitals;
mod waiting;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::base::{Clock, Entropy, Pulse};
use crate::config::{Config, Written};
use crate::intake::Intake;
use crate::malware::Scanner;
use crate::metrics::Metrics;
use crate::notify::{self, Notifier};
use crate::relay::Relay;
use crate::seal::hashers::Hashers;
use crate::seal::keyring::RootKeyring;
use crate::sms::Providers;
use crate::store::retention::Retention;
use crate::store::retention::ledger::{Ledger, LedgerError};
use crate::store::{OpenReport, Store};
use crate::text::Lang;
use crate::users::{self, Users, file::UsersError};
use crate::{queue, receive, web};
use certificates::Certificates;
use vitals::Vitals;
use watch::Watch;

/// How long a stop may take before what still runs is cut off: a mail cut off was not answered, so its client sends it again.
const STOP_WITHIN: Duration = Duration::from_mins(1);

/// Why the daemon did not start. The text says what to do and shows no secret.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The root keyring.
    #[error(transparent)]
    Keys(#[from] keys::KeysError),
    /// The data folder.
    #[error(transparent)]
    Store(#[from] crate::store::OpenError),
    /// The erasure ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A certificate or its key.
    #[error(transparent)]
    Certificate(#[from] certificates::CertificateError),
    /// The file of users.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// A provider of SMS.
    #[error(transparent)]
    Sms(#[from] crate::sms::SetupError),
    /// A next hop's TLS settings.
    #[error(transparent)]
    NextHop(#[from] crate::nexthop::HopError),
    /// The texts of this build do not fit together.
    #[error(transparent)]
    Texts(#[from] crate::text::TextError),
    /// An address that cannot be listened on.
    #[error("cannot listen for {what}: {cause}")]
    Listen {
        /// Mail, page, metrics or control.
        what: &'static str,
        /// Why.
        cause: std::io::Error,
    },
    /// The config names a next hop that it does not define.
    #[error("there is no next hop \"{0}\"")]
    NoSuchHop(String),
}

/// A gateway that serves.
#[derive(Debug)]
pub struct Running {
    /// Where mail is taken, in order of the config.
    pub smtp: Vec<SocketAddr>,
    /// Where the page is, in order of the config.
    pub page: Vec<SocketAddr>,
    /// Where metrics and health are, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// What recovery of the store found.
    pub report: OpenReport,
    /// The store, for the demo's check.
    pub store: Store,
    certificates: Arc<Certificates>,
    users: Option<Users>,
    hops: hops::Hops,
    /// What it was given the dot of may still be on its way when its client has gone.
    mail: Option<reload::MailSide>,
    /// The config of the start.
    written: Written,
    upkeep: upkeep::Upkeep,
    counted: Metrics,
    pulse: Pulse,
    stop: CancellationToken,
    tasks: JoinSet<&'static str>,
}

/// Starts everything; when it returns, mail and pages are served.
///
/// # Errors
/// See [`StartError`]; nothing is left running then.
pub async fn start(
    mut config: Config,
    keyring: RootKeyring,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<Running, StartError> {
    let certificates = Arc::new(Certificates::load(config.smtp_tls.clone(), config.page_tls.clone())?);
    let users = config.users.take().map(|settings| Users::load(settings, entropy.clone())).transpose()?;
    let (counted, stop) = (Metrics::default(), CancellationToken::new());
    let hops = hops::Hops::start(&config, &counted)?;
    let smtp = receive::bind(&config.receive).await.map_err(|cause| StartError::Listen { what: "mail", cause })?;
    let page = web::bind(&config.web).await.map_err(|cause| StartError::Listen { what: "the page", cause })?;
    if let (true, Some(address)) = (config.web.demo, page.addresses().first()) {
        config.web.origin = format!("http://{address}");
    }
    // From here on who asks hears that we start.
    let watch = Watch::begin(config.metrics, &stop).await?;
    let recovery = config.recovery_key.as_deref().map(keys::recovery_public).transpose()?;
    let (store, mut report) = Store::open(config.store.clone(), keyring, clock.clone(), entropy.clone()).await?;
    store.use_recovery(recovery).await.map_err(crate::store::OpenError::from)?;
    stored::log_report(&report);
    let retention = retention(&store, &config)?;
    restored::settle(&store, &retention, &config.retention.ledger, &mut report).await?;
    hops::recall(&hops.current().all, &config.store.folder);
    let control =
        control::Listener::bind(&config.control).map_err(|cause| StartError::Listen { what: "control", cause })?;
    let mut running = Running {
        smtp: smtp.addresses(),
        page: page.addresses(),
        metrics: watch.address,
        report,
        store: store.clone(),
        certificates,
        users,
        hops,
        mail: None,
        written: config.written.clone(),
        upkeep: upkeep::Upkeep::new(retention.clone()),
        counted,
        pulse: Pulse::default(),
        stop,
        tasks: watch.tasks,
    };
    let providers = Providers::new(config.sms.providers.clone(), clock.clone())?;
    let trial = trial::Trial::new(&config, providers.clone());
    let notifier = Notifier::new(running.notify_settings(&config, providers)?, store.clone(), clock.clone())?;
    let intake = Intake::new(config.intake.clone(), store.clone(), clock.clone(), entropy.clone());
    let hashers = intake.hashers();
    let relay = running.relay(&config, intake, &clock, &entropy)?;
    let page_hashers = running.page(page, &config.web, &clock, &entropy)?;

    let keys = running.tend(&config, &retention, &clock);
    let vitals = running.vitals(&retention, vec![("intake", hashers.clone()), ("page", page_hashers)], &clock);
    let office = operate::Office {
        hashers,
        upkeep: running.upkeep.clone(),
        vitals: Some(watch.slot.get_or_init(|| vitals).clone()),
        ..operate::Office::new(&config, (store.clone(), retention), (clock.clone(), entropy.clone()), (keys, trial))
    };
    running.receive(smtp, config.receive, (relay, notifier.clone()), &clock);
    let (stop, tls) = (running.stop.clone(), running.certificates.clone());
    running.tasks.spawn(named("queue", queue::run(config.queue, store, notifier, clock, entropy, stop.clone())));
    running.tasks.spawn(named("control", control.serve(office, stop.clone())));
    running.tasks.spawn(named("certificates", certificates::watch(tls, stop.clone())));
    running.tasks.spawn(named("probe", hops::probe(running.hops.clone(), config.store.folder, stop)));
    Ok(running)
}

/// What removes things from a store, with its ledger.
///
/// # Errors
/// When the ledger cannot be used: removing what a restored backup would bring back is refused.
pub fn retention(store: &Store, config: &Config) -> Result<Retention, LedgerError> {
    let ledger = Ledger::open(&config.retention.ledger, store.keys())?;
    Ok(Retention::new(store.clone(), config.retention.clone(), ledger))
}

async fn named(name: &'static str, task: impl Future<Output = ()>) -> &'static str {
    task.await;
    name
}

impl Running {
    /// Who answers how we are.
    fn vitals(&self, retention: &Retention, hashers: Vec<(&'static str, Hashers)>, clock: &Arc<dyn Clock>) -> Vitals {
        Vitals::new(vitals::Sources {
            metrics: self.counted.clone(),
            store: self.store.clone(),
            report: self.report.clone(),
            retention: retention.clone(),
            hops: self.hops.clone(),
            certificates: self.certificates.clone(),
            users: self.users.clone(),
            hashers,
            clock: clock.clone(),
        })
    }

    /// What mail goes through.
    fn relay(
        &self,
        config: &Config,
        intake: Intake,
        clock: &Arc<dyn Clock>,
        entropy: &Arc<dyn Entropy>,
    ) -> Result<Relay, StartError> {
        let (settings, policy) = (config.relay.clone(), config.policy.clone());
        let relay =
            Relay::new(settings, policy, self.hops.current().routes(config)?, intake, clock.clone(), entropy.clone());
        Ok(relay.observed(self.counted.mails.clone()))
    }

    /// The page is served; returns where its codes wait for their turn.
    fn page(
        &mut self,
        bound: web::Bound,
        settings: &web::Settings,
        clock: &Arc<dyn Clock>,
        entropy: &Arc<dyn Entropy>,
    ) -> Result<Hashers, StartError> {
        let (settings, counted) = (Arc::new(settings.clone()), self.counted.page.clone());
        let (router, hashers) =
            web::observed(settings.clone(), self.store.clone(), clock.clone(), entropy.clone(), counted.clone())?;
        let bound = bound.observed(counted);
        let serving = bound.serve(settings, router, self.certificates.page(), self.pulse.clone(), self.stop.clone());
        self.tasks.spawn(named("page", serving));
        Ok(hashers)
    }

    /// What the store needs while it serves; returns who answers about keys.
    fn tend(&mut self, config: &Config, retention: &Retention, clock: &Arc<dyn Clock>) -> rotate::Keys {
        let stop = || self.stop.clone();
        self.tasks.spawn(named("store", stored::store_fails(self.store.clone(), stop())));
        self.tasks.spawn(named("sweeper", sweeper::run(retention.clone(), clock.clone(), stop())));
        self.tasks.spawn(named("scrub", self.upkeep.clone().scrub(clock.clone(), stop())));
        self.tasks.spawn(named("sessions", stored::forget_idle_keys(self.store.clone(), config.web.sessions, stop())));
        self.keys(config)
    }

    /// Mail comes in.
    fn receive(
        &mut self,
        bound: receive::Bound,
        settings: receive::Settings,
        (relay, notifier): (Relay, Notifier),
        clock: &Arc<dyn Clock>,
    ) {
        let (tls, users) = (self.certificates.smtp(), self.users.clone());
        let (metrics, pulse) = (self.counted.smtp.clone(), self.pulse.clone());
        let services =
            receive::Services { relay: relay.clone(), tls, users: users.clone(), clock: clock.clone(), metrics, pulse };
        let served = receive::Served::new(settings, services);
        self.mail = Some(reload::MailSide { relay, served: served.clone(), notifier });
        self.tasks.spawn(named("mail", bound.serve(served, self.stop.clone())));
        self.tasks.spawn(named("users", users::watch(users, self.stop.clone())));
    }

    fn notify_settings(&self, config: &Config, sms: Providers) -> Result<notify::Settings, StartError> {
        Ok(notify::Settings {
            organisation: config.web.organisation.clone(),
            phone: config.web.phone.clone(),
            page: config.web.origin.clone(),
            time_zone: config.web.time_zone.clone(),
            bounce_domain: config.outgoing.bounce_domain.clone(),
            home: self.hops.current().home()?,
            routes: self.hops.current().routes(config)?,
            home_domains: config.policy.home.domains.clone(),
            fallback: config.policy.home.fallback.clone(),
            from: config.outgoing.from.clone(),
            language: Lang::from_tag(&config.intake.language).unwrap_or_default(),
            sms,
            scanner: config.clamd.clone().map(Scanner::new),
        })
    }

    /// Wrapping anew in the background, and who answers about keys. The demo's keyring stands in no file.
    fn keys(&mut self, config: &Config) -> rotate::Keys {
        let source = if config.web.demo { None } else { keys::Source::find(config.root_key.as_deref()).ok() };
        let keys = rotate::Keys::new(self.store.clone(), source);
        self.tasks.spawn(named("keys", keys.clone().run(self.stop.clone())));
        keys
    }

    /// Whether mail and page are still accepted.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Resolves when a task ended by itself, which none should.
    pub async fn fault(&mut self) -> String {
        match self.tasks.join_next().await {
            Some(Ok(name)) => format!("the {name} task ended"),
            Some(Err(cause)) => format!("a task failed: {cause}"),
            None => "no task runs".to_owned(),
        }
    }

    /// Stops in order; `false` when something had to be cut off.
    pub async fn stop(mut self) -> bool {
        self.stop.cancel();
        self.upkeep.end().await;
        let drain = async {
            while self.tasks.join_next().await.is_some() {}
            if let Some(mail) = &self.mail {
                mail.relay.settled().await;
            }
        };
        let drained = tokio::time::timeout(STOP_WITHIN, drain).await.is_ok();
        if !drained {
            error!("not everything ended in time; what still ran is cut off");
            self.tasks.shutdown().await;
        }
        for hop in &self.hops.current().all {
            hop.close().await;
        }
        self.store.close().await;
        drained
    }
}
