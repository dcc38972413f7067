//! What every handler shares: settings, store, texts, and the gate before the code hasher.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::base::{Clock, Entropy};
use crate::metrics;
use crate::seal::hashers::Hashers;
use crate::store::Store;
use crate::text::page::{Page, SCRIPT, SESSION_SCRIPT, STYLE};
use crate::text::{Lang, TextError, Texts};

use super::Settings;
use super::genuine::Questions;
use super::message::Cleaners;
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
    /// Counts requests and tries.
    pub metrics: metrics::Page,
    /// References asked after on the page for that.
    pub questions: Questions,
    /// A place for each answer that comes in at the same time.
    pub uploads: Uploads,
    /// Address of the script of the answer form.
    pub script: String,
    /// Address of the style sheet.
    pub style: String,
    /// Address of the script that warns before a session ends.
    pub session_script: String,
}

/// The address of a file of ours, with a hash of its content, so that a new release is seen at once.
fn hashed(path: &str, content: &str) -> String {
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(content.as_bytes()));
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
        Ok(Self {
            settings,
            store,
            clock,
            entropy,
            texts: Texts::load()?,
            hashers,
            cleaners: Cleaners::default(),
            metrics,
            questions: Questions::default(),
            style: hashed("/stijl.css", STYLE),
            session_script: hashed("/sessie.js", SESSION_SCRIPT),
            uploads,
            script: hashed("/antwoord.js", SCRIPT),
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
        }
    }
}
