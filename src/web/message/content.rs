//! A sealed body, opened chunk by chunk: memory is one chunk, and nothing of a damaged one gets out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use zeroize::Zeroizing;

use crate::base::{ConversationId, MessageId};
use crate::mail::mime::{LeafDecoder, Part};
use crate::seal::body::{CHUNK, HEADER, Opener};
use crate::store::answers::{AnswerView, Piece};
use crate::store::strict::SessionKey;
use crate::store::{BodyReader, Store};

use crate::web::answer::Problem;

use super::base64_lines::{Lines, Survey};

/// One message's body, ready to be read at any place.
#[derive(Debug, Clone)]
pub(super) struct Content(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    opener: Opener,
    reader: BodyReader,
    store: Store,
    conversation: ConversationId,
    message: MessageId,
    /// [`Store::removals`] when it was last seen to be there.
    seen: AtomicU64,
}

impl Content {
    /// Through the conversation's key.
    pub async fn open(
        store: &Store,
        key: &SessionKey,
        (conversation, message): (ConversationId, MessageId),
    ) -> Result<Self, Problem> {
        let seen = AtomicU64::new(store.removals());
        let key = store.content_key_by(key, conversation, message).await?.ok_or(Problem::Ended)?;
        let reader = store.body(message).await?.ok_or(Problem::Ended)?;
        let header = reader.read_at(0, HEADER).await?;
        let opener = Opener::new(&key, message, &header, reader.len())?;
        Ok(Self(Arc::new(Inner { opener, reader, store: store.clone(), conversation, message, seen })))
    }

    /// One file of an answer.
    pub async fn of_answer(
        store: &Store,
        conversation: ConversationId,
        view: &AnswerView,
        piece: &Piece,
    ) -> Result<Self, Problem> {
        let seen = AtomicU64::new(store.removals());
        let reader = store.piece(piece).await?.ok_or(Problem::Ended)?;
        let header = reader.read_at(0, HEADER).await?;
        let opener = Opener::new(&view.key, piece.id, &header, reader.len())?;
        Ok(Self(Arc::new(Inner { opener, reader, store: store.clone(), conversation, message: view.id, seen })))
    }

    /// Ends a reading under way whose message was taken back, or expired, since it began. Costs nothing while nothing is removed.
    async fn still_there(&self) -> Result<(), Problem> {
        let Inner { store, conversation, message, seen, .. } = &*self.0;
        let removals = store.removals();
        if removals != seen.load(Ordering::SeqCst) {
            if !store.is_kept(*conversation, *message).await? {
                return Err(Problem::Ended);
            }
            seen.store(removals, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Plain length of the whole.
    pub fn len(&self) -> u64 {
        self.0.opener.plain_len()
    }

    /// The bytes from `at` to the end of their chunk or to `end`, whichever comes first. Empty only when `at` is not before `end`.
    async fn piece(&self, at: u64, end: u64) -> Result<Zeroizing<Vec<u8>>, Problem> {
        if at >= end {
            return Ok(Zeroizing::new(Vec::new()));
        }
        self.still_there().await?;
        let chunk = CHUNK as u64;
        let outside = || {
            tracing::error!("a part lies outside its body");
            Problem::Broken
        };
        let index = u32::try_from(at / chunk).map_err(|_| outside())?;
        let (offset, len) = self.0.opener.place(index).ok_or_else(outside)?;
        let sealed = self.0.reader.read_at(offset, len).await?;
        let plain = self.0.opener.open(index, &sealed)?;
        let start = u64::from(index) * chunk;
        let from = usize::try_from(at - start).map_err(|_| outside())?;
        let to = usize::try_from((end - start).min(plain.len() as u64)).map_err(|_| outside())?;
        let wanted = plain.get(from..to).filter(|wanted| !wanted.is_empty()).ok_or_else(outside)?;
        Ok(Zeroizing::new(wanted.to_vec()))
    }

    /// The decoded start of a leaf, from its first `most` encoded bytes, and whether that is not all of it.
    pub async fn start_of(&self, part: &Part, most: u64) -> Result<(Zeroizing<Vec<u8>>, bool), Problem> {
        let end = part.end.min(part.body.saturating_add(most));
        let mut decoder = LeafDecoder::new(&part.encoding);
        let mut out = Zeroizing::new(Vec::new());
        let mut at = part.body;
        while at < end {
            let piece = self.piece(at, end).await?;
            at += piece.len() as u64;
            decoder.push(&piece, &mut out);
        }
        decoder.finish(&mut out);
        Ok((out, end < part.end))
    }

    /// The bytes from `at` to `end`, through a decoder for `encoding`.
    pub fn span(&self, at: u64, end: u64, encoding: &str) -> Span {
        Span { content: self.clone(), at, end, decoder: Some(LeafDecoder::new(encoding)), skip: 0, left: u64::MAX }
    }

    /// Looks at the encoded bytes of a base64 part, to its end; `None` when its lines are not regular.
    pub async fn survey(&self, part: &Part) -> Result<Option<Lines>, Problem> {
        let mut survey = Survey::default();
        let mut at = part.body;
        while at < part.end {
            let piece = self.piece(at, part.end).await?;
            at += piece.len() as u64;
            survey.push(&piece);
        }
        Ok(survey.finish())
    }
}

/// A stretch of a body on its way to a browser.
#[derive(Debug)]
pub(super) struct Span {
    content: Content,
    at: u64,
    end: u64,
    decoder: Option<LeafDecoder>,
    /// Decoded bytes at the start that are not wanted.
    skip: u64,
    /// Decoded bytes that are wanted behind those.
    left: u64,
}

impl Span {
    /// Only `len` decoded bytes, after the first `skip`.
    pub fn only(self, skip: u64, len: u64) -> Self {
        Self { skip, left: len, ..self }
    }

    /// Leaves of decoded bytes what is wanted; past the last of these nothing more is opened.
    fn crop(&mut self, out: &mut Vec<u8>) {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(out.len());
        out.drain(..skipped);
        self.skip -= skipped as u64;
        out.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= out.len() as u64;
        if self.left == 0 {
            self.decoder = None;
        }
    }

    /// The next decoded bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        while let Some(decoder) = &mut self.decoder {
            let mut out = Vec::new();
            if self.at < self.end {
                let piece = self.content.piece(self.at, self.end).await?;
                self.at += piece.len() as u64;
                decoder.push(&piece, &mut out);
            } else if let Some(decoder) = self.decoder.take() {
                decoder.finish(&mut out);
            }
            self.crop(&mut out);
            if !out.is_empty() {
                return Ok(Some(out.into()));
            }
        }
        Ok(None)
    }

    /// As a response body. The first bytes are opened before it is made, so that a damaged start is an error page; damage
    /// later breaks the transfer off.
    pub async fn into_body(mut self) -> Result<Body, Problem> {
        let Some(first) = self.next().await? else { return Ok(Body::empty()) };
        let rest = stream::try_unfold((Some(first), self), |(ready, mut span)| async move {
            if let Some(bytes) = ready {
                return Ok::<_, std::io::Error>(Some((bytes, (None, span))));
            }
            let next =
                span.next().await.map_err(|_| std::io::Error::other("the body is damaged, or was taken back"))?;
            Ok(next.map(|bytes| (bytes, (None, span))))
        });
        Ok(Body::from_stream(rest))
    }
}
