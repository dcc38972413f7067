//! One file on its way in: bytes to ciphertext on disk, chunk by chunk. Dropped before its end, nothing of it stays.

use crate::base::MessageId;
use crate::seal::body::{CHUNK, ContentKey, Sealer};
use crate::store::answers::{FileName, NewFile};
use crate::store::{BodyWriter, StoreError};
use crate::text::page::AnswerTrouble;

use crate::web::answer::Problem;
use crate::web::app::App;
use crate::web::message::download::tidy;

/// What ends an upload: something to tell, or a failure of ours.
pub(super) type Stopped = Result<AnswerTrouble, Problem>;

pub(super) struct Upload {
    name: FileName,
    sealer: Sealer,
    /// `None` once a write failed.
    body: Option<BodyWriter>,
    /// Sealed bytes that are not written yet.
    waiting: Vec<u8>,
    len: u64,
    /// Bytes that this file may have, and that are left for all.
    most: (u64, u64),
}

impl Upload {
    /// `None` when there is no room for drafts now.
    pub(super) fn begin(
        app: &App,
        key: &ContentKey,
        name: FileName,
        most: (u64, u64),
    ) -> Result<Option<Self>, Problem> {
        let (id, body): (MessageId, BodyWriter) = match app.store.new_file(&app.settings.answers) {
            Ok(Some(begun)) => begun,
            Ok(None) => {
                tracing::warn!("the drafts of all recipients together leave no room for another file");
                return Ok(None);
            }
            Err(StoreError::Full(cause)) => {
                tracing::warn!(cause, "no room for a file of an answer");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let mut waiting = Vec::new();
        let sealer = Sealer::new(key, id, &*app.entropy, &mut waiting);
        Ok(Some(Self { name, sealer, body: Some(body), waiting, len: 0, most }))
    }

    pub(super) fn name(&self) -> &str {
        &self.name.name
    }

    pub(super) async fn write(&mut self, plain: &[u8]) -> Result<(), Stopped> {
        self.len = self.len.saturating_add(plain.len() as u64);
        if self.len > self.most.0 {
            return Err(Ok(AnswerTrouble::FileTooLarge(self.name.name.clone())));
        }
        if self.len > self.most.1 {
            return Err(Ok(AnswerTrouble::TotalTooLarge(self.name.name.clone())));
        }
        for piece in plain.chunks(CHUNK) {
            self.sealer.push(piece, &mut self.waiting).map_err(|_| Err(Problem::Broken))?;
            if self.waiting.len() >= CHUNK {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Stopped> {
        let mut body = self.body.take().ok_or(Err(Problem::Broken))?;
        body.write(&self.waiting).await.map_err(|error| self.failed(error))?;
        self.waiting.clear();
        self.body = Some(body);
        Ok(())
    }

    /// The file, durable.
    pub(super) async fn finish(self) -> Result<NewFile, Stopped> {
        let Self { name, sealer, body, mut waiting, len, .. } = self;
        let mut body = body.ok_or(Err(Problem::Broken))?;
        let no_room = |error: StoreError| match error {
            StoreError::Full(_) => Ok(AnswerTrouble::NoRoom(name.name.clone())),
            error => Err(error.into()),
        };
        sealer.finish(&mut waiting).map_err(|_| Err(Problem::Broken))?;
        body.write(&waiting).await.map_err(no_room)?;
        let body = body.finish().await.map_err(no_room)?;
        Ok(NewFile { name: name.clone(), plain_len: len, body })
    }

    fn failed(&self, error: StoreError) -> Stopped {
        match error {
            StoreError::Full(_) => Ok(AnswerTrouble::NoRoom(self.name.name.clone())),
            error => Err(error.into()),
        }
    }
}

/// A file's name and type as we keep them: no path, nothing that misleads an eye or a system, a type that a mail may carry in base64.
pub(super) fn file_name(name: &str, kind: &str, number: usize) -> FileName {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = tidy(last);
    let name = if name.is_empty() { format!("bijlage-{number}") } else { name };
    let kind = kind.to_ascii_lowercase();
    let is_token = |part: &str| {
        (1..=100).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let fits = kind
        .split_once('/')
        .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype) && !matches!(kind, "message" | "multipart"));
    FileName { name, kind: if fits { kind } else { "application/octet-stream".to_owned() } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_of_files() {
        for (name, kind, expected_name, expected_kind) in [
            ("brief.pdf", "application/pdf", "brief.pdf", "application/pdf"),
            ("C:\\fakepath\\brief.pdf", "Application/PDF", "brief.pdf", "application/pdf"),
            ("../../etc/passwd", "", "passwd", "application/octet-stream"),
            ("factuur\u{202e}fdp.exe", "application/x-msdownload", "factuur_fdp.exe", "application/x-msdownload"),
            ("foto.jpg.exe", "image/jpeg", "foto.jpg.exe", "image/jpeg"),
            ("x.eml", "message/rfc822", "x.eml", "application/octet-stream"),
            ("x", "a/b\r\nX: y", "x", "application/octet-stream"),
            ("\r\n", "text/plain; charset=x", "bijlage-3", "application/octet-stream"),
            ("..", "multipart/mixed", "bijlage-3", "application/octet-stream"),
        ] {
            let made = file_name(name, kind, 3);
            assert_eq!((made.name.as_str(), made.kind.as_str()), (expected_name, expected_kind), "{name:?} {kind:?}");
        }
    }
}
