//! The round with a code by SMS, without a person.

use hyper::StatusCode;

use super::mailbox::Mail;
use super::plant::Plant;
use super::round::{Transcript, arrives, ensure, link};
use super::visitor::Visitor;
use super::{DemoError, sample};

/// From the mail whose subject names a number to the opened page.
pub(super) async fn round(plant: &Plant, transcript: &mut Transcript) -> Result<(), DemoError> {
    plant.submit(&sample::by_sms()).await?;
    let to_recipient = |mail: &Mail| mail.to.iter().any(|to| to == sample::BY_SMS);
    let view = arrives(plant, "the notice to who opens by SMS", to_recipient).await?;
    let text = view.text.unwrap_or_default();
    let all = format!("{}{text}{}", view.subject, view.html.unwrap_or_default());
    ensure(!all.contains("612345678") && !all.contains(sample::APPOINTMENT), "the notice shows number or content")?;
    transcript.step("a mail with a number in its subject was taken; its notice shows neither number nor content");

    let path = link(plant, &text)?;
    let mut visitor = Visitor::new(plant.page());
    let first = visitor.get(&path).await?.text();
    ensure(first.contains("*******678") && !first.contains("name=\"code\""), "page 1 does not offer an SMS")?;
    let pressed = visitor.submit(&path, &first, &[]).await?;
    ensure(pressed.status == StatusCode::SEE_OTHER, "the button does not send an SMS")?;
    let on_the_phone = |mail: &Mail| mail.to.iter().any(|to| to == sample::NUMBER);
    let sms = arrives(plant, "the SMS", on_the_phone).await?.text.unwrap_or_default();
    transcript.step("a press on the button brought an SMS, and looking brought none");

    let code = sms.rsplit('#').next().map(str::trim).filter(|code| code.len() == 6);
    let code = code.ok_or_else(|| DemoError("the SMS does not end in a line for the browser".to_owned()))?;
    let field = visitor.get(&path).await?.text();
    let opened = visitor.submit(&path, &field, &[("code", code)]).await?;
    let to = opened.location().filter(|_| opened.status == StatusCode::SEE_OTHER).map(str::to_owned);
    let message = visitor.get(&to.ok_or_else(|| DemoError("the code by SMS does not open".to_owned()))?).await?.text();
    ensure(message.contains(sample::APPOINTMENT), "the message page does not show the mail")?;
    let again = Visitor::new(plant.page()).submit(&path, &field, &[("code", code)]).await?;
    ensure(again.status != StatusCode::SEE_OTHER, "a code by SMS opens twice")?;
    transcript.step("the code from the SMS opens the message, once");
    Ok(())
}
