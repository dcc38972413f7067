//! Plays a dialog over a real socket, on a real listener with a real relay and a scripted next hop.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncWrite};
use zegel::mail::Reply;
use zegel::receive::Kind;

use crate::gateway::{Client, Gateway, settings};
use crate::next_hop::{Act, FakeHop, Moment, say};
use crate::script::{Call, Dialog, Event, Step};

trait Socket: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Socket for T {}

type Answers = Arc<Mutex<Vec<(Call, Reply)>>>;

/// Plays the dialog; panics with its name and line where it goes another way.
pub async fn play(dialog: &Dialog) {
    let answers = Answers::default();
    let hop = hop(dialog, Arc::clone(&answers)).await;
    let gateway = start(dialog, &hop).await;
    let mut plain = Some(gateway.connect().await);
    let mut secured = None;
    let mut sent = Vec::new();
    for (number, step) in &dialog.steps {
        let at = format!("{}.dialog:{number}, over a socket", dialog.name);
        if let Step::Send(bytes) = step {
            sent.extend_from_slice(bytes);
            continue;
        }
        match step {
            Step::Tls => {
                let certificate = &gateway.certificate;
                secured = Some(Box::pin(plain.take().unwrap().secure(certificate)).await);
            }
            Step::Hangup => {
                talk(&mut plain, &mut sent, &Step::Hangup, &at).await;
                (plain, secured) = (None, None);
            }
            Step::Next(call, reply) => answers.lock().unwrap().push((*call, reply.clone())),
            Step::Closed if plain.is_none() && secured.is_none() => {}
            step => match &mut secured {
                Some(_) => talk(&mut secured, &mut sent, step, &at).await,
                None => talk(&mut plain, &mut sent, step, &at).await,
            },
        }
    }
    assert_same_mails(dialog, &hop);
}

async fn talk<S: Socket>(client: &mut Option<Client<S>>, sent: &mut Vec<u8>, step: &Step, at: &str) {
    let Some(client) = client else { return };
    if !sent.is_empty() {
        client.send(&std::mem::take(sent)).await;
    }
    match step {
        Step::Expect(text) => {
            let line = client.line().await;
            assert!(line.as_ref().is_some_and(|line| line.starts_with(text)), "{at}: got {line:?}");
        }
        Step::Closed => {
            let line = client.line().await;
            assert!(line.is_none(), "{at}: got {line:?}");
        }
        _ => {}
    }
}

async fn hop(dialog: &Dialog, answers: Answers) -> FakeHop {
    let offered = [(dialog.offer.eightbit, "8BITMIME"), (dialog.offer.smtputf8, "SMTPUTF8"), (dialog.offer.dsn, "DSN")];
    let mut extensions = vec!["PIPELINING", "SIZE"];
    extensions.extend(offered.iter().filter(|(has, _)| *has).map(|(_, name)| *name));
    let script = move |_: usize, moment: &Moment| {
        let call = match moment {
            Moment::Dot => Call::End,
            moment if moment.is("RCPT") => Call::Rcpt,
            _ => return Act::Polite,
        };
        let mut answers = answers.lock().unwrap();
        let Some(index) = answers.iter().position(|(for_call, _)| *for_call == call) else { return Act::Polite };
        let (_, reply) = answers.remove(index);
        say(String::from_utf8(reply.to_bytes()).unwrap().trim_end())
    };
    FakeHop::start(Box::new(script), &extensions, None).await
}

async fn start(dialog: &Dialog, hop: &FakeHop) -> Gateway {
    let mut settings = settings();
    settings.max_size = dialog.size;
    settings.max_recipients = dialog.recipients;
    settings.limits.commands = dialog.commands;
    if dialog.tls_full {
        settings.limits.handshakes = 0;
    }
    if let Some(listener) = settings.listeners.first_mut() {
        listener.require_tls = dialog.require_tls;
        listener.implicit_tls = dialog.implicit_tls;
        if dialog.xclient {
            listener.xclient.clone_from(&listener.networks);
        }
        if dialog.identity {
            listener.kind = Kind::Submission;
        }
        if dialog.refused {
            listener.networks.clear();
        }
    }
    Gateway::start(settings, hop, dialog.tls).await
}

/// What the backend saw in the dialog is what the next hop got, behind our `Received`.
fn assert_same_mails(dialog: &Dialog, hop: &FakeHop) {
    let mut body: &[u8] = b"";
    let mut expected: Vec<&[u8]> = Vec::new();
    let mut watched = false;
    for (_, step) in &dialog.steps {
        let Step::Saw(event) = step else { continue };
        watched = true;
        match event {
            Event::Mail(_) => body = b"",
            Event::Body(bytes) => body = bytes,
            Event::End => expected.push(body),
            Event::Rcpt(_) | Event::Abort => {}
        }
    }
    if !watched {
        return;
    }
    let got: Vec<Vec<u8>> =
        hop.transactions().into_iter().filter(|heard| heard.whole).map(|heard| heard.body).collect();
    assert_eq!(got.len(), expected.len(), "{}: mails at the next hop", dialog.name);
    for (got, expected) in got.iter().zip(expected) {
        let text = String::from_utf8_lossy(got);
        assert!(got.starts_with(b"Received: ") && got.ends_with(expected), "{}: {text}", dialog.name);
    }
}
