//! Answering on the page: drafts, files, sending once, and what is refused.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode};
use futures_util::stream;
use zegel::base::Clock;
use zegel::seal::body::{HEADER, Opener};
use zegel::store::answers::{AnswerView, Limits};
use zegel::store::jobs::JobEnd;
use zegel::store::records::{JobKind, LeasedJob};
use zegel::web::Settings;

use crate::routes::assert_headers;
use crate::site::{Answer, ORIGIN, Site, form, request, settings, site, site_with};

/// What stands in one field of the form.
pub enum Part<'a> {
    Field(&'a str, &'a str),
    File(&'a str, &'a str, &'a [u8]),
}
use Part::{Field, File};

/// A form as browsers encode it.
fn encoded(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(b"--grens\r\nContent-Disposition: form-data; name=\"");
        match part {
            Field(name, value) => body.extend(format!("{name}\"\r\n\r\n{value}").into_bytes()),
            File(name, kind, bytes) => {
                let head = format!("bijlage\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n");
                body.extend(head.into_bytes());
                body.extend_from_slice(bytes);
            }
        }
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--grens--\r\n");
    body
}

fn posted(cookie: &str, body: Body) -> Request<Body> {
    request(Method::POST, "/bericht/antwoord")
        .header("content-type", "multipart/form-data; boundary=grens")
        .header("cookie", cookie)
        .header("origin", ORIGIN)
        .header("sec-fetch-site", "same-origin")
        .body(body)
        .unwrap()
}

/// A hidden field of the answer form.
fn hidden(page: &Answer, name: &str) -> String {
    let text = page.text();
    let (_, form) = text.split_once("id=\"antwoord\"").expect("a form for an answer");
    let (_, rest) = form.split_once(&format!("name=\"{name}\" value=\"")).expect("the hidden field");
    rest.split('"').next().unwrap().to_owned()
}

/// Sends an answer by the form on this page.
pub async fn send(site: &Site, page: &str, cookie: &str, text: &str) -> Answer {
    let page = site.read(page, cookie).await;
    let (token, draft) = (hidden(&page, "pagina"), hidden(&page, "concept"));
    let page = page.text();
    let form = page.split("id=\"antwoord\"").nth(1).expect("a form for an answer");
    let action = form.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
    let fields = [Field("pagina", &token), Field("concept", &draft), Field("tekst", text), Field("doe", "versturen")];
    site.clock.advance(Duration::from_secs(5));
    let mut post = posted(cookie, Body::from(encoded(&fields)));
    *post.uri_mut() = action.parse().unwrap();
    site.ask(post).await
}

/// A reader with the message open.
pub struct Reader<'a> {
    pub site: &'a Site,
    pub cookie: String,
}

impl<'a> Reader<'a> {
    async fn at(site: &'a Site) -> Self {
        Self::of(site, "jan@else.example").await
    }

    async fn of(site: &'a Site, to: &str) -> Self {
        let link = site.seal_text(to, "Dag").await;
        Self { site, cookie: site.unlock(&link).await }
    }

    async fn page(&self) -> Answer {
        self.site.read("/bericht", &self.cookie).await
    }

    /// Presses a button on the page as it is now.
    pub async fn press(&self, button: &str, parts: Vec<Part<'_>>) -> Answer {
        let page = self.page().await;
        self.press_on(&page, button, parts).await
    }

    async fn press_on(&self, page: &Answer, button: &str, parts: Vec<Part<'_>>) -> Answer {
        let (token, id) = (hidden(page, "pagina"), hidden(page, "concept"));
        let mut all = vec![Field("pagina", &token), Field("concept", &id)];
        all.extend(parts);
        all.push(Field("doe", button));
        self.site.ask(posted(&self.cookie, encoded(&all).into())).await
    }

    async fn jobs(&self) -> Vec<LeasedJob> {
        let jobs = self.site.store.lease_due(self.site.clock.now(), 100).await.unwrap();
        jobs.into_iter().filter(|job| matches!(job.job.kind, JobKind::Answer { .. })).collect()
    }
}

/// The answer of a job, and its files opened.
async fn opened(site: &Site, job: &LeasedJob) -> (AnswerView, Vec<Vec<u8>>) {
    let JobKind::Answer { conversation, answer, .. } = job.job.kind else { unreachable!() };
    let view = site.store.answer_by((conversation, answer), job.secret.as_ref().unwrap()).await.unwrap().unwrap();
    let mut files = Vec::new();
    for piece in &view.answer.pieces {
        let reader = site.store.piece(piece).await.unwrap().unwrap();
        let opener = Opener::new(&view.key, piece.id, &reader.read_at(0, HEADER).await.unwrap(), reader.len()).unwrap();
        let mut plain = Vec::new();
        for index in 0..opener.chunks() {
            let (offset, len) = opener.place(index).unwrap();
            plain.extend_from_slice(&opener.open(index, &reader.read_at(offset, len).await.unwrap()).unwrap());
        }
        files.push(plain);
    }
    (view, files)
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_while_somebody_writes_says_how_long_the_session_lasts() {
    let site = site();
    let reader = Reader::at(&site).await;
    let page = reader.page().await;
    site.clock.advance(Duration::from_mins(14));
    let kept = reader.press_on(&page, "bewaren", vec![Field("tekst", "Een begin"), Field("stil", "1")]).await;
    assert_eq!((kept.status, kept.header("zegel-session-seconds")), (StatusCode::NO_CONTENT, "900"));
    site.clock.advance(Duration::from_mins(14));
    assert!(reader.page().await.text().contains("Een begin"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_files_is_sent_once_and_shown() {
    let site = site();
    let reader = Reader::at(&site).await;
    let large: Vec<u8> = (0..200_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let page = reader.page().await;
    assert_headers("message", &page);
    let parts = || {
        vec![
            Field("tekst", "Dank u.\r\nGroet, <Jan>"),
            File("één.pdf", "application/pdf", &large),
            File("../leeg\u{202e}.txt", "text/plain", b""),
        ]
    };
    let sent = reader.press_on(&page, "versturen", parts()).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
    let to = sent.header("location").to_owned();
    let shown = reader.site.read(to.split('#').next().unwrap(), &reader.cookie).await.text();
    for expected in ["Verstuurd.", "Uw antwoord staat hieronder.", "Groet, &#60;Jan&#62;", "één.pdf", "leeg_.txt"] {
        assert!(shown.contains(expected), "{expected} in {shown}");
    }
    // The same form again: a second press, or a reload that posts once more.
    let again = reader.press_on(&page, "versturen", parts()).await;
    assert_eq!((again.status, again.header("location")), (StatusCode::SEE_OTHER, to.as_str()));
    let jobs = reader.jobs().await;
    assert_eq!(jobs.len(), 1, "delivered once");
    let (view, files) = opened(&site, &jobs[0]).await;
    assert_eq!(view.letter.text, "Dank u.\nGroet, <Jan>");
    assert_eq!(files, [large.clone(), Vec::new()]);
    assert_eq!(view.letter.thread.as_ref().unwrap().sender.mailbox, "a.jansen@zorg.example");

    let path = shown.split("href=\"/bericht/antwoord/").nth(1).unwrap().split('"').next().unwrap();
    let file = site.read(&format!("/bericht/antwoord/{path}"), &reader.cookie).await;
    assert_headers("file", &file);
    assert_eq!((file.status, file.header("content-type")), (StatusCode::OK, "application/pdf"));
    assert!(file.body == large && file.header("content-disposition").contains("%C3%A9%C3%A9n.pdf"));
    site.store.finish_job(jobs[0].id, JobEnd::Done).await.unwrap();
    assert!(reader.page().await.text().contains("bezorgd bij de afzender"));
    assert_eq!(site.store.draft_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_draft_outlives_its_session_and_changes_file_by_file() {
    let site = site();
    let link = site.seal_text("jan@else.example", "Dag").await;
    let reader = Reader { site: &site, cookie: site.unlock(&link).await };
    let added =
        reader.press("toevoegen", vec![Field("tekst", "Nog niet af"), File("a.txt", "text/plain", b"aaa")]).await;
    assert_eq!((added.status, added.header("location")), (StatusCode::SEE_OTHER, "/bericht#antwoord"));
    reader.press("toevoegen", vec![Field("tekst", "Nog niet af"), File("b.txt", "text/plain", b"bbb")]).await;
    site.clock.advance(Duration::from_mins(16));
    assert_eq!(reader.page().await.status, StatusCode::FORBIDDEN);

    let reader = Reader { site: &site, cookie: site.unlock(&link).await };
    let page = reader.page().await;
    let text = page.text();
    for expected in ["Nog niet af", "a.txt", "b.txt", "Het is nog niet verstuurd."] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let button = text.split("value=\"weg-").nth(1).unwrap().split('"').next().unwrap();
    reader.press(&format!("weg-{button}"), vec![Field("tekst", "Nog niet af")]).await;
    let text = reader.page().await.text();
    assert!(!text.contains("a.txt") && text.contains("b.txt"), "{text}");
    let path = text.split("href=\"/bericht/antwoord/").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(site.read(&format!("/bericht/antwoord/{path}"), &reader.cookie).await.body, b"bbb");
    assert_eq!(site.store.draft_bytes(), 3);
    assert!(reader.jobs().await.is_empty(), "nothing is sent yet");

    reader.press("weggooien", vec![]).await;
    let text = reader.page().await.text();
    assert!(!text.contains("b.txt") && !text.contains("Nog niet af"), "{text}");
    assert_eq!(site.store.draft_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_is_said_and_the_rest_is_kept() {
    let limits = Limits { file: 1000, total: 1500, files: 2, text: 100, ..Limits::default() };
    let site = site_with(Settings { answers: limits, ..settings() });
    let reader = Reader::at(&site).await;
    let kb = [7; 1000];
    let more = [7; 1001];
    let long = "x".repeat(101);
    let cases: [(Vec<Part<'_>>, &str); 5] = [
        (vec![Field("tekst", " \r\n")], "Schrijf eerst een antwoord"),
        (vec![Field("tekst", &long)], "Uw tekst is te lang"),
        (vec![Field("tekst", "Mijn tekst"), File("groot.bin", "a/b", &more)], "Het bestand groot.bin is te groot"),
        (
            vec![Field("tekst", "Mijn tekst"), File("een.bin", "a/b", &kb), File("twee.bin", "a/b", &kb)],
            "Met het bestand twee.bin erbij",
        ),
        (
            vec![Field("tekst", "Mijn tekst"), File("x", "a/b", b"x"), File("drie.bin", "a/b", b"y")],
            "Het bestand drie.bin kan er niet meer bij",
        ),
    ];
    for (parts, expected) in cases {
        let answer = reader.press("versturen", parts).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{expected}");
        assert_headers("message", &answer);
        let text = answer.text();
        assert!(text.contains(expected) && text.contains("role=\"alert\""), "{expected} in {text}");
        assert!(reader.jobs().await.is_empty(), "{expected}");
    }
    let text = reader.page().await.text();
    assert!(text.contains("Mijn tekst") && text.contains("een.bin") && !text.contains("twee.bin"), "{text}");
    assert_eq!(reader.press("versturen", vec![Field("tekst", "Mijn tekst")]).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test(start_paused = true)]
async fn what_breaks_off_keeps_what_came_before_it() {
    let site = site();
    let reader = Reader::at(&site).await;
    let page = reader.page().await;
    let (token, id) = (hidden(&page, "pagina"), hidden(&page, "concept"));
    let half = vec![9; 100_000];
    let whole = encoded(&[
        Field("pagina", &token),
        Field("concept", &id),
        Field("tekst", "Dit blijft"),
        File("heel.txt", "text/plain", b"heel"),
        File("half.txt", "text/plain", &half),
        Field("doe", "versturen"),
    ]);
    let cut = Bytes::from(whole[..whole.len() - 50_000].to_vec());
    let broken = stream::iter([Ok(cut), Err(std::io::Error::other("gone"))]);
    let answer = site.ask(posted(&reader.cookie, Body::from_stream(broken))).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    // A form that ends too early, and one that says nothing for half a minute.
    let short = whole[..whole.len() - 50_000].to_vec();
    assert_eq!(site.ask(posted(&reader.cookie, short.into())).await.status, StatusCode::FORBIDDEN);
    let silent = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    assert_eq!(site.ask(posted(&reader.cookie, silent)).await.status, StatusCode::FORBIDDEN);
    let text = reader.page().await.text();
    assert!(text.contains("Dit blijft") && text.contains("heel.txt") && !text.contains("half.txt"), "{text}");
    assert!(reader.jobs().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn forms_that_are_not_ours_do_nothing() {
    let site = site();
    let reader = Reader::at(&site).await;
    let page = reader.page().await;
    let (token, id) = (hidden(&page, "pagina"), hidden(&page, "concept"));
    let before = site.store.counts().commits;
    let good = [Field("pagina", &token), Field("concept", &id), Field("tekst", "x"), Field("doe", "versturen")];
    let mut foreign = posted(&reader.cookie, encoded(&good).into());
    foreign.headers_mut().insert("origin", "https://kwaad.example".parse().unwrap());
    assert_eq!(site.ask(foreign).await.status, StatusCode::FORBIDDEN);
    for parts in [
        vec![Field("concept", id.as_str()), Field("tekst", "x"), Field("doe", "versturen"), Field("pagina", "1.aaaa")],
        vec![Field("pagina", "1.aaaaaaaaaaaaaaaaaaaaaaaaaa"), Field("concept", &id), Field("tekst", "x")],
        vec![Field("concept", &id), Field("tekst", "x"), Field("doe", "versturen")],
        vec![Field("concept", &id), Field("tekst", "x"), Field("stil", "1"), Field("doe", "bewaren")],
        vec![Field("concept", &id), Field("doe", "weggooien")],
    ] {
        let answer = site.ask(posted(&reader.cookie, encoded(&parts).into())).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.text().contains("De pagina stond te lang open"), "{}", answer.text());
    }
    for parts in [
        vec![File("a", "a/b", b"x"), Field("pagina", token.as_str()), Field("concept", id.as_str())],
        vec![Field("pagina", &token), Field("tekst", "x")],
        vec![Field("pagina", &token), Field("concept", "../x")],
    ] {
        let answer = site.ask(posted(&reader.cookie, encoded(&parts).into())).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(site.ask(form("/bericht/antwoord", "tekst=x")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(site.store.counts().commits, before);
}

#[tokio::test(start_paused = true)]
async fn who_was_away_too_long_gets_the_text_back() {
    let site = site();
    let reader = Reader::at(&site).await;
    let page = reader.page().await;
    site.clock.advance(Duration::from_mins(20));
    let answer = reader.press_on(&page, "versturen", vec![Field("tekst", "Mijn <lange> tekst")]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_headers("ended", &answer);
    assert!(answer.text().contains("Mijn &#60;lange&#62; tekst") && answer.text().contains("Kopieer"));
}

#[tokio::test(start_paused = true)]
async fn two_windows_end_in_one_answer() {
    let site = site();
    let reader = Reader::at(&site).await;
    let (first, second) = (reader.page().await, reader.page().await);
    reader.press_on(&first, "toevoegen", vec![Field("tekst", "een"), File("een.txt", "text/plain", b"1")]).await;
    let merged =
        reader.press_on(&second, "versturen", vec![Field("tekst", "twee"), File("twee.txt", "text/plain", b"2")]).await;
    assert_eq!(merged.status, StatusCode::UNPROCESSABLE_ENTITY);
    let text = merged.text();
    assert!(text.contains("in een ander venster") && text.contains("een.txt") && text.contains("twee.txt"), "{text}");
    assert!(reader.jobs().await.is_empty());
    assert_eq!(reader.press_on(&merged, "versturen", vec![Field("tekst", "twee")]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(reader.jobs().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn so_many_answers_a_day() {
    let site = site_with(Settings { answers: Limits { per_day: 2, ..Limits::default() }, ..settings() });
    let reader = Reader::at(&site).await;
    for _ in 0..2 {
        assert_eq!(reader.press("versturen", vec![Field("tekst", "x")]).await.status, StatusCode::SEE_OTHER);
    }
    let third = reader.press("versturen", vec![Field("tekst", "de derde")]).await;
    assert_eq!(third.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(third.text().contains("vandaag al veel antwoorden") && third.text().contains("de derde"));
}

#[tokio::test(start_paused = true)]
async fn drafts_have_so_much_room_together() {
    let room = Limits { file: 1000, room: 1500, ..Limits::default() };
    let site = site_with(Settings { answers: room, ..settings() });
    let (jan, piet) = (Reader::at(&site).await, Reader::of(&site, "piet@else.example").await);
    let added = jan.press("toevoegen", vec![Field("tekst", "x"), File("a", "a/b", &[1; 600])]).await;
    assert_eq!(added.status, StatusCode::SEE_OTHER);
    let full = piet.press("toevoegen", vec![Field("tekst", "blijft"), File("b", "a/b", &[1; 600])]).await;
    assert_eq!(full.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(full.text().contains("Er is nu geen ruimte voor het bestand b"), "{}", full.text());
    jan.press("versturen", vec![Field("tekst", "x")]).await;
    let added = piet.press("toevoegen", vec![Field("tekst", "x"), File("b", "a/b", &[1; 600])]).await;
    assert_eq!(added.status, StatusCode::SEE_OTHER, "what is sent is no draft any more");
}

#[tokio::test(start_paused = true)]
async fn nobody_reads_or_writes_the_answers_of_another() {
    let site = site();
    let (jan, piet) = (Reader::at(&site).await, Reader::of(&site, "piet@else.example").await);
    jan.press("toevoegen", vec![Field("tekst", "van Jan"), File("jan.txt", "text/plain", b"geheim")]).await;
    let page = jan.page().await;
    let (id, text) = (hidden(&page, "concept"), page.text());
    let path = text.split("href=\"/bericht/antwoord/").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(site.read(&format!("/bericht/antwoord/{path}"), &jan.cookie).await.status, StatusCode::OK);
    for (cookie, expected) in [(piet.cookie.as_str(), StatusCode::NOT_FOUND), ("", StatusCode::FORBIDDEN)] {
        assert_eq!(site.read(&format!("/bericht/antwoord/{path}"), cookie).await.status, expected);
    }
    // Piet's own token, Jan's draft: it becomes a draft of Piet's with that name, and Jan's stays as it is.
    let token = hidden(&piet.page().await, "pagina");
    let parts =
        [Field("pagina", token.as_str()), Field("concept", &id), Field("tekst", "van Piet"), Field("doe", "versturen")];
    site.ask(posted(&piet.cookie, encoded(&parts).into())).await;
    assert!(jan.page().await.text().contains("van Jan"));
    let foreign =
        [Field("pagina", token.as_str()), Field("concept", &id), Field("tekst", "van Piet"), Field("doe", "versturen")];
    let answer = site.ask(posted(&jan.cookie, encoded(&foreign).into())).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "a token of another link");
}
