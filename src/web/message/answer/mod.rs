//! Answering: the form with text and files, what it leads to, and what the page shows of it.
//!
//! The page works without scripts: every button posts the whole form. Text is kept before a file is read, each file is in the draft once it
//! is whole, and only then the button counts; so whatever breaks off on the way, what came before it is kept.

mod form;
mod shown;
mod upload;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;

use crate::base::MessageId;
use crate::mail::Address;
use crate::metrics::Crowded;
use crate::store::answers::{Letterbox, Saved, Sent};
use crate::store::proof::OpenSession;
use crate::text::page::{AnswerTrouble, LostTextPage};

use crate::web::answer::{Problem, html};
use crate::web::app::{App, Shared};
use crate::web::client::Visitor;
use crate::web::{guard, multipart, session};

use super::view::{page_of, see, with_query};
use super::{Opened, content::Content, download, session_at, view};
use form::Filled;

pub(super) use shown::{Shown, shown};

/// `POST /bericht/antwoord`.
pub(in crate::web) async fn post(
    State(app): State<Shared>,
    visitor: Visitor,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    if !guard::from_our_page(&parts.headers, &app.settings.origin) {
        return Err(Problem::Refused);
    }
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let boundary = multipart::boundary(kind).ok_or(Problem::Refused)?;
    let open = match session_at(&app, &parts.headers, &parts.uri).await {
        Ok(open) => open,
        Err(problem @ (Problem::Ended | Problem::Restarted)) => {
            let text = form::only_text(&boundary, body).await.ok_or(problem)?;
            return html(StatusCode::FORBIDDEN, &LostTextPage { page: app.page(visitor.lang("")), text: &text });
        }
        Err(problem) => return Err(problem),
    };
    let Some(place) = app.uploads.place(open.view.grant.conversation) else {
        app.turned_away.count(Crowded::Uploads);
        return Err(Problem::Busy);
    };
    let filled = form::read(&app, &open, &boundary, body).await?;
    drop(place);
    Answering { app: &app, visitor, open }.act(filled).await
}

/// One press on a button of the form, once all of it is read.
struct Answering<'a> {
    app: &'a App,
    visitor: Visitor,
    open: OpenSession,
}

impl Answering<'_> {
    async fn act(&self, mut filled: Filled) -> Result<Response, Problem> {
        let Self { app, open, .. } = self;
        if filled.sent_before {
            return self.to_answer(filled.id);
        }
        if !filled.troubles.is_empty() {
            return self.again(filled).await;
        }
        let limits = &app.settings.answers;
        let (store, id) = (&app.store, filled.id);
        let saved = match filled.action.as_str() {
            "versturen" => {
                let sent = match filled.keep(app, open).await? {
                    false => Sent::Empty,
                    true if !filled.troubles.is_empty() => return self.again(filled).await,
                    true => store.send_answer(open, filled.id, &self.letterbox().await?, limits).await?,
                };
                return self.sent(sent, filled).await;
            }
            "weggooien" => store.discard_draft(open, id).await?,
            action => {
                let removed = action.strip_prefix("weg-").and_then(|piece| piece.parse().ok());
                filled.keep(app, open).await?;
                match removed {
                    Some(piece) => store.remove_file(open, filled.id, piece, limits).await?,
                    None => Saved::Done,
                }
            }
        };
        if !filled.troubles.is_empty() {
            return self.again(filled).await;
        }
        match saved {
            Saved::Sent => self.to_answer(id),
            _ if filled.quiet => Ok(session::kept(app, open)),
            _ => see(&format!("{}#antwoord", page_of(self.visitor, open))),
        }
    }

    async fn sent(&self, sent: Sent, mut filled: Filled) -> Result<Response, Problem> {
        let trouble = match sent {
            Sent::Now | Sent::Before => return self.to_answer(filled.id),
            Sent::Gone => return Err(Problem::Ended),
            Sent::Empty => AnswerTrouble::Empty,
            Sent::TooMany => AnswerTrouble::TooManyToday,
        };
        if filled.troubles.is_empty() {
            filled.troubles.push(trouble);
        }
        self.again(filled).await
    }

    /// The page once more, with what went wrong and everything that was written.
    async fn again(&self, filled: Filled) -> Result<Response, Problem> {
        let stale = filled.troubles.contains(&AnswerTrouble::Stale);
        let status = if stale { StatusCode::BAD_REQUEST } else { StatusCode::UNPROCESSABLE_ENTITY };
        let shown = Shown { just_sent: None, typed: filled.text, id: Some(filled.id), troubles: filled.troubles };
        view::page(self.app, &self.open, self.visitor, shown, status).await
    }

    /// What the answer needs to be threaded with the message.
    async fn letterbox(&self) -> Result<Letterbox, Problem> {
        let manifest = Opened::read(self.app, self.open.clone()).await?.manifest;
        Ok(Letterbox {
            subject: manifest.subject,
            message_id: manifest.message_id,
            references: manifest.references.unwrap_or_default(),
            from: only_address(&manifest.from),
        })
    }

    /// To the answer on the page. Loading that again sends nothing.
    fn to_answer(&self, id: MessageId) -> Result<Response, Problem> {
        let page = with_query(page_of(self.visitor, &self.open), &format!("?verstuurd={id}"));
        see(&format!("{page}#antwoord-{id}"))
    }
}

/// The address of a From as people read it ([`Manifest`](crate::mail::manifest::Manifest)), where there is exactly one beyond doubt.
fn only_address(from: &str) -> Option<String> {
    let (name, address) = match from.rsplit_once(" <") {
        Some((name, rest)) => (name, rest.strip_suffix('>')?),
        None => ("", from),
    };
    let is_one = !name.contains(['@', '<', '>']) && address.parse::<Address>().is_ok();
    is_one.then(|| address.to_owned())
}

/// `GET /bericht/antwoord`: the address of a form that came back with something to correct, loaded by itself.
pub(in crate::web) async fn back(visitor: Visitor, uri: Uri) -> Result<Response, Problem> {
    let named = uri.query().and_then(|query| query.split('&').find(|pair| pair.starts_with("bericht=")));
    let named = named.and_then(|pair| pair.get(8..)?.parse::<MessageId>().ok());
    let own = named.map(|id| format!("?bericht={id}")).unwrap_or_default();
    see(&format!("{}#antwoord", with_query(visitor.keep("/bericht"), &own)))
}

/// `GET /bericht/antwoord/{id}/{file}`.
pub(in crate::web) async fn file(
    State(app): State<Shared>,
    Path((id, file)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let open = session_at(&app, &headers, &uri).await?;
    let (id, file): (MessageId, MessageId) = id.parse().ok().zip(file.parse().ok()).ok_or(Problem::NoPart)?;
    let view = app.store.answer(&open, id).await?.ok_or(Problem::NoPart)?;
    if view.answer.refused.is_some() {
        return Err(Problem::NoPart);
    }
    let at = view.answer.pieces.iter().position(|piece| piece.id == file).ok_or(Problem::NoPart)?;
    let (piece, name) = view.answer.pieces.get(at).zip(view.letter.files.get(at)).ok_or(Problem::NoPart)?;
    let content = Content::of_answer(&app, open.view.grant.conversation, &view, piece).await?;
    let len = content.len();
    let body = content.span(0, len, "").into_body().await?;
    download::as_file(download::safe_kind(&name.kind), &name.name, Some(len), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_from_is_one_address_or_none() {
        for (from, expected) in [
            ("Anna Jansen <anna@elders.example>", Some("anna@elders.example")),
            ("anna@elders.example", Some("anna@elders.example")),
            ("Jansen, Anna <anna@elders.example>", Some("anna@elders.example")),
            ("A <a@x.example>, B <b@y.example>", None),
            ("a@x.example, b@y.example", None),
            ("a@x.example, B <b@y.example>", None),
            ("a@x.example <b@y.example>", None),
            ("Anna", None),
            ("", None),
        ] {
            assert_eq!(only_address(from).as_deref(), expected, "{from}");
        }
    }
}
