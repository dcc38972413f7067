//! What every handler shares: settings, store, texts, and the gate before the code hasher.

use std::sync::Arc;

use axum::body::Bytes;
use sha2::{Digest, Sha256};

use crate::base::{Clock, Entropy};
use crate::metrics;
use crate::seal::hashers::Hashers;
use crate::store::Store;
use crate::text::page::{AGAIN_SCRIPT, Accent, Page, SCRIPT, SESSION_SCRIPT, STYLE};
use crate::text::{Lang, TextError, Texts};

use super::Settings;
use super::crowded::TurnedAway;
use super::genuine::Questions;
use super::message::{Cleaners, Openers};
use super::uploads::Uploads;

/// Handed to every handler.
pub(super) type Shared = Arc<App>;

/// What every handler shares.
#[derive(Debug)]
pub(super) struct App {
    pub settings: Arc<Settings>,
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub texts: Texts,
    /// One turn per code that is verified at the same time.
    pub hashers: Hashers,
    /// A turn for each mail whose HTML is made harmless at the same time.
    pub cleaners: Cleaners,
    /// A turn for each stretch of a sealed body that is opened at the same time.
    pub openers: Openers,
    /// Counts requests and tries.
    pub metrics: metrics::Page,
    /// References asked after on the page for that.
    pub questions: Questions,
    /// The style sheet with the organisation's colour.
    pub style_sheet: Bytes,
    /// A place for each answer that comes in at the same time.
    pub uploads: Uploads,
    /// Told of who finds no place.
    pub turned_away: TurnedAway,
    /// Address of the script of the answer form.
    pub script: String,
    /// Address of the style sheet.
    pub style: String,
    /// Address of the logo.
    pub logo: Option<String>,
    /// Address of the script that warns before a session ends.
    pub session_script: String,
    /// Address of the script that counts down until a code can be asked for once more.
    pub again_script: String,
}

/// The address of a file of ours, with a hash of its content, so that a new release is seen at once.
fn hashed(path: &str, content: &[u8]) -> String {
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(content));
    format!("{path}?v={}", hash.get(..16).unwrap_or_default())
}

impl App {
    pub fn new(
        settings: Arc<Settings>,
        store: Store,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        metrics: metrics::Page,
    ) -> Result<Self, TextError> {
        let uploads = Uploads::new(settings.max_uploads);
        let hashers = Hashers::new(settings.hashers);
        let style_sheet = format!("{STYLE}{}", settings.brand.accent.map(Accent::css).unwrap_or_default());
        let logo = settings.brand.logo.as_ref().map(|logo| hashed("/logo", logo.bytes()));
        Ok(Self {
            settings,
            store,
            clock,
            entropy,
            texts: Texts::load()?,
            hashers,
            cleaners: Cleaners::default(),
            openers: Openers::default(),
            turned_away: TurnedAway::new(metrics.clone()),
            metrics,
            questions: Questions::default(),
            style: hashed("/stijl.css", style_sheet.as_bytes()),
            style_sheet: style_sheet.into(),
            logo,
            session_script: hashed("/sessie.js", SESSION_SCRIPT.as_bytes()),
            uploads,
            script: hashed("/antwoord.js", SCRIPT.as_bytes()),
            again_script: hashed("/opnieuw.js", AGAIN_SCRIPT.as_bytes()),
        })
    }

    /// The frame of a page in this language.
    pub fn page(&self, lang: Lang) -> Page<'_> {
        let settings = &self.settings;
        Page {
            words: self.texts.in_language(lang),
            organisation: &settings.organisation,
            phone: &settings.phone,
            privacy: settings.privacy.as_deref(),
            accessibility: settings.accessibility.as_deref(),
            style: &self.style,
            logo: self.logo.as_deref(),
        }
    }
}
