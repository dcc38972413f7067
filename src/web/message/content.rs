//! A sealed body, opened at any chunk: memory is one chunk, and nothing of a damaged one gets out.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroizing;

use crate::base::{ConversationId, MessageId};
use crate::mail::mime::{LeafDecoder, Part};
use crate::seal::body::{CHUNK, HEADER, Opener};
use crate::store::answers::{AnswerView, Piece};
use crate::store::strict::SessionKey;
use crate::store::{BodyReader, Store};

use crate::web::answer::Problem;
use crate::web::app::App;

use super::span::{Openers, Span};

/// Where a chunk is opened: wiped when it goes.
pub(super) type Room = Zeroizing<Vec<u8>>;

/// What is wanted of a chunk.
pub(super) struct Opened {
    room: Room,
    wanted: Range<usize>,
}

impl Opened {
    /// The bytes; at least one.
    pub fn bytes(&self) -> &[u8] {
        self.room.get(self.wanted.clone()).unwrap_or_default()
    }

    /// Where another chunk can be opened.
    pub fn into_room(self) -> Room {
        self.room
    }
}

/// One message's body, ready to be read at any place.
#[derive(Debug, Clone)]
pub(super) struct Content(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    opener: Opener,
    reader: BodyReader,
    store: Store,
    openers: Openers,
    conversation: ConversationId,
    message: MessageId,
    /// [`Store::removals`] when it was last seen to be there.
    seen: AtomicU64,
}

impl Content {
    /// Through the conversation's key.
    pub async fn open(
        app: &App,
        key: &SessionKey,
        (conversation, message): (ConversationId, MessageId),
    ) -> Result<Self, Problem> {
        let (store, openers) = (app.store.clone(), app.openers.clone());
        let seen = AtomicU64::new(store.removals());
        let key = store.content_key_by(key, conversation, message).await?.ok_or(Problem::Ended)?;
        let reader = store.body(message).await?.ok_or(Problem::Ended)?;
        let header = reader.read_at(0, HEADER).await?;
        let opener = Opener::new(&key, message, &header, reader.len())?;
        Ok(Self(Arc::new(Inner { opener, reader, store, openers, conversation, message, seen })))
    }

    /// One file of an answer.
    pub async fn of_answer(
        app: &App,
        conversation: ConversationId,
        view: &AnswerView,
        piece: &Piece,
    ) -> Result<Self, Problem> {
        let (store, openers) = (app.store.clone(), app.openers.clone());
        let seen = AtomicU64::new(store.removals());
        let reader = store.piece(piece).await?.ok_or(Problem::Ended)?;
        let header = reader.read_at(0, HEADER).await?;
        let opener = Opener::new(&view.key, piece.id, &header, reader.len())?;
        Ok(Self(Arc::new(Inner { opener, reader, store, openers, conversation, message: view.id, seen })))
    }

    /// Ends a reading under way whose message was taken back, or expired, since it began. Costs nothing while nothing is removed.
    pub async fn still_there(&self) -> Result<(), Problem> {
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

    /// Where the work of opening is done.
    pub fn openers(&self) -> &Openers {
        &self.0.openers
    }

    /// The bytes from `at` to the end of their chunk or to `end`, whichever comes first, opened in `room`. Waits for the disk.
    pub fn open_at(&self, at: u64, end: u64, mut room: Room) -> Result<Opened, Problem> {
        let Inner { opener, reader, .. } = &*self.0;
        let chunk = CHUNK as u64;
        let outside = || {
            tracing::error!("a part lies outside its body");
            Problem::Broken
        };
        let index = u32::try_from(at / chunk).map_err(|_| outside())?;
        let (offset, len) = opener.place(index).ok_or_else(outside)?;
        room.resize(len, 0);
        reader.read_blocking(offset, &mut room)?;
        let len = opener.open_in_place(index, &mut room)?;
        let start = u64::from(index) * chunk;
        let from = usize::try_from(at - start).map_err(|_| outside())?;
        let to = usize::try_from(end.saturating_sub(start)).map_or(len, |to| to.min(len));
        if from < to && to <= room.len() { Ok(Opened { room, wanted: from..to }) } else { Err(outside()) }
    }

    /// The decoded start of a leaf, from its first `most` encoded bytes, and whether that is not all of it.
    pub async fn start_of(&self, part: &Part, most: u64) -> Result<(Zeroizing<Vec<u8>>, bool), Problem> {
        self.still_there().await?;
        let (mut at, end) = (part.body, part.end.min(part.body.saturating_add(most)));
        let (content, mut decoder) = (self.clone(), LeafDecoder::new(&part.encoding));
        let opened = self.openers().run(move || {
            let (mut out, mut room) = (Zeroizing::new(Vec::new()), Zeroizing::default());
            while at < end {
                let opened = content.open_at(at, end, room)?;
                at += opened.bytes().len() as u64;
                decoder.push(opened.bytes(), &mut out);
                room = opened.into_room();
            }
            decoder.finish(&mut out);
            Ok(out)
        });
        Ok((opened.await?, end < part.end))
    }

    /// The bytes from `at` to `end`, through a decoder for `encoding`.
    pub fn span(&self, at: u64, end: u64, encoding: &str) -> Span {
        Span::new(self.clone(), at, end, encoding)
    }
}
