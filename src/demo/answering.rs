//! The round of an answer: written on the page, and an ordinary mail in the sender's mailbox.

use hyper::StatusCode;

use super::mailbox::Mail;
use super::plant::Plant;
use super::round::{Transcript, arrives, ensure};
use super::visitor::Visitor;
use super::{DemoError, sample};

/// What is answered.
const TEXT: &str = "Dank u wel. Ik bel u morgen.";

/// From the form below the open message to the mail at its sender.
pub(super) async fn round(plant: &Plant, visitor: &mut Visitor, transcript: &mut Transcript) -> Result<(), DemoError> {
    let page = visitor.get("/bericht").await?.text();
    let sent = visitor.submit("/bericht", &page, &[("tekst", TEXT), ("doe", "versturen")]).await?;
    let to = sent.location().filter(|_| sent.status == StatusCode::SEE_OTHER).map(str::to_owned);
    let to = to.ok_or_else(|| DemoError("an answer is not taken".to_owned()))?;
    let shown = visitor.get(to.split('#').next().unwrap_or_default()).await?.text();
    ensure(shown.contains("Verstuurd.") && shown.contains(TEXT), "the page does not show what was sent")?;
    transcript.step("an answer was sent, and stands below the message");

    let is_answer = |mail: &Mail| {
        mail.to.iter().any(|to| to == sample::SENDER) && mail.view().text.is_some_and(|text| text.contains(TEXT))
    };
    let view = arrives(plant, "the answer", is_answer).await?;
    ensure(view.subject == format!("Re: {}", sample::SUBJECT), "the answer has another subject")?;
    let holds = |mail: &Mail| mail.view().text.is_some_and(|text| text.contains(TEXT));
    let strays = plant.mailbox.mails().iter().any(|mail| mail.to.iter().any(|to| to != sample::SENDER) && holds(mail));
    ensure(!strays, "the answer went to somebody else")?;
    transcript.step("the sender has it as an ordinary mail, and nobody else");
    Ok(())
}
