//! The whole gateway on this machine with nothing to configure, and a mailbox page that shows what came out.
//!
//! The same daemon as in service, with three differences that only this wiring can make: the page is plain HTTP on loopback,
//! every sender domain counts as home, and every mail of ours goes to the mailbox page.

mod answering;
pub mod mailbox;
mod plant;
mod round;
mod sample;
mod texting;
mod visitor;

use std::time::Duration;

use crate::daemon::signals::{Asked, Signals};
use plant::{Plant, Ports};

/// Why the demo ended.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DemoError(String);

impl DemoError {
    fn new(text: impl std::fmt::Display) -> Self {
        Self(text.to_string())
    }
}

/// Serves the demo until stopped.
///
/// # Errors
/// When something does not start, or a task of the gateway ends by itself.
pub async fn run() -> Result<(), DemoError> {
    let mut signals = Signals::new().map_err(DemoError::new)?;
    let mut plant = Plant::start(Ports::Usual).await?;
    plant.submit(&sample::confidential()).await?;
    plant.submit(&sample::by_sms()).await?;
    plant.submit(&sample::ordinary()).await?;
    print!("{}", welcome(&plant));
    let fault = loop {
        tokio::select! {
            asked = signals.next() => if asked == Asked::Stop { break None },
            cause = plant.running.fault() => break Some(cause),
        }
    };
    plant.stop().await?;
    fault.map_or(Ok(()), |cause| Err(DemoError(cause)))
}

fn welcome(plant: &Plant) -> String {
    let mailbox = plant.mailbox.addresses().http;
    let (page, smtp) = (plant.page(), plant.smtp());
    let (config, number) = (plant.config_file().display().to_string(), sample::NUMBER);
    format!(
        "Zegel demo. Everything runs on this machine only and is gone when you stop it with Ctrl-C.\n\n\
         1. Open the mailbox page      http://{mailbox}/\n\
         2. In Jan's mailbox, open the notice and press \"Open bericht\".\n\
         3. The access code is in Anna's mailbox: in life she passes it on by telephone.\n\
         4. Fatima opens hers with a code by SMS: her telephone {number} stands beside the mailboxes.\n\n\
         The page of the gateway       http://{page}/\n\
         Send mail of your own to      {smtp}, for example\n\
         \x20 swaks --server {smtp} --from anna@voorbeeld.example --to jan@example.nl --header 'Subject: [veilig] Hallo'\n\
         Ask the gateway, for example\n\
         \x20 zegel message find jan.devries@example.nl --config {config}\n\n"
    )
}

/// Makes the round trip without a person and prints each step with its time.
///
/// # Errors
/// At the first thing that is wrong.
pub async fn check() -> Result<(), DemoError> {
    let limit = Duration::from_mins(2);
    let round = tokio::time::timeout(limit, round::make());
    round.await.unwrap_or_else(|_| Err(DemoError(format!("not finished after {} s", limit.as_secs()))))
}
