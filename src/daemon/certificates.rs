//! Certificates from files, for SMTP and for the page, swapped when the files change. A pair that does not load keeps the
//! old one in service.

mod end;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config::CertificateFiles;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(15);

/// Why a certificate is not usable.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// No certificate or key in the file.
    #[error("{0}: {1}")]
    Pem(PathBuf, rustls::pki_types::pem::Error),
    /// A file without a certificate.
    #[error("{0}: no certificate in this file")]
    Empty(PathBuf),
    /// Certificate and key do not fit together.
    #[error("{0}: the private key belongs to another certificate")]
    Mismatch(PathBuf),
    /// They are of a kind that TLS cannot use.
    #[error("{0}: {1}")]
    Pair(PathBuf, rustls::Error),
}

/// What a server speaks beside TLS itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Smtp,
    Page,
}

/// Builds the server side of TLS from a pair of files.
fn build(files: &CertificateFiles, purpose: Use) -> Result<ServerConfig, CertificateError> {
    let pem = |path: &Path, cause| CertificateError::Pem(path.to_owned(), cause);
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|cause| pem(&files.certificate, cause))?;
    if chain.is_empty() {
        return Err(CertificateError::Empty(files.certificate.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|cause| pem(&files.key, cause))?;
    let pair = |cause| match cause {
        rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch) => {
            CertificateError::Mismatch(files.key.clone())
        }
        cause => CertificateError::Pair(files.certificate.clone(), cause),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(pair)?;
    match purpose {
        // Mail servers rarely resume; tickets would only cost bytes, and some clients mistake them for an early reply.
        Use::Smtp => config.send_tls13_tickets = 0,
        Use::Page => config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    }
    Ok(config)
}

/// One pair in service.
#[derive(Debug)]
struct Slot {
    files: Option<CertificateFiles>,
    purpose: Use,
    config: Arc<ArcSwapOption<ServerConfig>>,
    /// Seconds since 1970; 0 when not known.
    end: AtomicI64,
}

impl Slot {
    fn load(files: Option<CertificateFiles>, purpose: Use) -> Result<Self, CertificateError> {
        let config = files.as_ref().map(|files| build(files, purpose)).transpose()?.map(Arc::new);
        let end = AtomicI64::new(files.as_ref().map_or(0, end_of));
        Ok(Self { files, purpose, config: Arc::new(ArcSwapOption::from(config)), end })
    }

    fn end(&self) -> Option<i64> {
        Some(self.end.load(Ordering::Relaxed)).filter(|end| *end != 0)
    }

    fn stamp(&self) -> Vec<Option<(SystemTime, u64)>> {
        let paths = self.files.iter().flat_map(|files| [&files.certificate, &files.key]);
        let stamp = |path: &PathBuf| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.modified().ok()?, meta.len()))
        };
        paths.map(stamp).collect()
    }

    fn reload(&self) {
        let Some(files) = &self.files else { return };
        match build(files, self.purpose) {
            Ok(config) => {
                self.config.store(Some(Arc::new(config)));
                self.end.store(end_of(files), Ordering::Relaxed);
                info!(certificate = %files.certificate.display(), "certificate read again");
            }
            Err(cause) => error!(%cause, "the certificate on disk is not usable; the old one stays in service"),
        }
    }
}

/// The certificates of both sides.
#[derive(Debug)]
pub struct Certificates {
    smtp: Slot,
    page: Slot,
}

impl Certificates {
    /// Loads what is configured.
    ///
    /// # Errors
    /// When a pair is not usable: nothing is served then.
    pub fn load(smtp: Option<CertificateFiles>, page: Option<CertificateFiles>) -> Result<Self, CertificateError> {
        Ok(Self { smtp: Slot::load(smtp, Use::Smtp)?, page: Slot::load(page, Use::Page)? })
    }

    /// For STARTTLS.
    #[must_use]
    pub fn smtp(&self) -> Arc<ArcSwapOption<ServerConfig>> {
        self.smtp.config.clone()
    }

    /// For the page.
    #[must_use]
    pub fn page(&self) -> Arc<ArcSwapOption<ServerConfig>> {
        self.page.config.clone()
    }

    /// What each certificate in service is for, and when it ends, in seconds since 1970.
    pub fn ends(&self) -> impl Iterator<Item = (&'static str, i64)> {
        let smtp = self.smtp.end().map(|end| ("smtp", end));
        smtp.into_iter().chain(self.page.end().map(|end| ("page", end)))
    }

    /// Reads all files again.
    pub fn reload(&self) {
        self.smtp.reload();
        self.page.reload();
    }
}

/// When the first certificate of the chain ends; 0 when that cannot be read.
fn end_of(files: &CertificateFiles) -> i64 {
    let first = CertificateDer::pem_file_iter(&files.certificate).ok().and_then(|mut chain| chain.next()?.ok());
    first.and_then(|certificate| end::not_after(&certificate)).unwrap_or(0)
}

/// Looks at the files until `stop`, and reads them again when one changed.
pub async fn watch(certificates: Arc<Certificates>, stop: CancellationToken) {
    let slots = [&certificates.smtp, &certificates.page];
    let mut stamps = slots.map(Slot::stamp);
    let mut every = tokio::time::interval(EVERY);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        for (slot, seen) in slots.iter().zip(&mut stamps) {
            let stamp = slot.stamp();
            if stamp != *seen {
                *seen = stamp;
                slot.reload();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(folder: &Path) -> CertificateFiles {
        let made = rcgen::generate_simple_self_signed(vec!["veilig.example".to_owned()]).unwrap();
        let files = CertificateFiles { certificate: folder.join("c.pem"), key: folder.join("k.pem") };
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_file_is_read_again_and_a_broken_one_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let files = pair(folder.path());
        let certificates = Arc::new(Certificates::load(Some(files.clone()), Some(files.clone())).unwrap());
        let first = certificates.page().load_full().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(watch(certificates.clone(), stop.clone()));
        tokio::time::sleep(EVERY).await;
        pair(folder.path());
        tokio::time::sleep(EVERY * 2).await;
        let second = certificates.page().load_full().unwrap();
        assert!(!Arc::ptr_eq(&first, &second), "the new pair is not in service");
        std::fs::write(&files.certificate, "nonsense").unwrap();
        tokio::time::sleep(EVERY * 2).await;
        assert!(Arc::ptr_eq(&second, &certificates.page().load_full().unwrap()));
        stop.cancel();
        task.await.unwrap();
    }

    #[test]
    fn smtp_sends_no_tickets_and_the_page_speaks_http_2() {
        let folder = tempfile::tempdir().unwrap();
        let files = pair(folder.path());
        assert_eq!(build(&files, Use::Smtp).unwrap().send_tls13_tickets, 0);
        assert_eq!(build(&files, Use::Page).unwrap().alpn_protocols[0], b"h2");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut files = pair(one.path());
        files.key = pair(other.path()).key;
        let refused = |files: &CertificateFiles| Certificates::load(None, Some(files.clone())).unwrap_err().to_string();
        assert!(
            refused(&files).ends_with("k.pem: the private key belongs to another certificate"),
            "{}",
            refused(&files)
        );
        std::fs::write(&files.certificate, "nonsense").unwrap();
        assert!(refused(&files).ends_with("c.pem: no certificate in this file"), "{}", refused(&files));
    }
}
