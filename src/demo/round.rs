//! The round trip without a person: what a newcomer does, step by step, each with its time and each checked.

use std::path::Path;
use std::time::Duration;

use hyper::StatusCode;
use tokio::time::Instant;

use super::mailbox::{Mail, View};
use super::plant::{Plant, Ports};
use super::visitor::{Answer, Visitor};
use super::{DemoError, answering, sample, texting};

/// How long a mail of ours may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);

/// Steps and their times.
pub(super) struct Transcript {
    started: Instant,
    last: Instant,
}

impl Transcript {
    fn new() -> Self {
        let now = Instant::now();
        Self { started: now, last: now }
    }

    pub(super) fn step(&mut self, text: &str) {
        let now = Instant::now();
        println!("{:>8.1} ms  {text}", (now - self.last).as_secs_f64() * 1e3);
        self.last = now;
    }

    fn end(&self) {
        println!("{:>8.1} ms  in all", (self.last - self.started).as_secs_f64() * 1e3);
    }
}

pub(super) fn ensure(holds: bool, otherwise: &str) -> Result<(), DemoError> {
    if holds { Ok(()) } else { Err(DemoError(otherwise.to_owned())) }
}

/// Makes the round.
pub async fn make() -> Result<(), DemoError> {
    let mut transcript = Transcript::new();
    let plant = Plant::start(Ports::Any).await?;
    transcript.step("gateway, mailbox and page are up");
    let result = steps(&plant, &mut transcript).await;
    let stopped = plant.stop().await;
    result?;
    stopped?;
    transcript.step("stopped in order, nothing left behind");
    transcript.end();
    Ok(())
}

async fn steps(plant: &Plant, transcript: &mut Transcript) -> Result<(), DemoError> {
    ordinary(plant).await?;
    transcript.step("an ordinary mail arrived byte for byte, behind our Received line and mark");
    plant.submit(&sample::confidential()).await?;
    transcript.step("a confidential mail was taken with 250");
    let link = notice(plant).await?;
    transcript.step("the recipient has a notice with a link, and nothing of the content");
    let code = code(plant).await?;
    transcript.step("the sender has the access code");
    let mut visitor = Visitor::new(plant.page());
    let first = first_page(&mut visitor, &link).await?;
    transcript.step("the link asks for the code and shows nothing of the content");
    wrong_code(&mut visitor, &link, &first, &code).await?;
    transcript.step("a wrong code is refused and counted");
    read(&mut visitor, &link, &first, &code).await?;
    transcript.step("the right code opens the message");
    files(&mut visitor).await?;
    transcript.step("the attachment downloads byte for byte, and the original mail");
    answering::round(plant, &mut visitor, transcript).await?;
    log_out(&mut visitor).await?;
    transcript.step("logged out: the message is closed again");
    texting::round(plant, transcript).await?;
    nothing_in_clear(plant)?;
    transcript.step("no word of the content behind the gateway or in its data folder");
    Ok(())
}

pub(super) async fn arrives(plant: &Plant, what: &str, wanted: impl Fn(&Mail) -> bool) -> Result<View, DemoError> {
    let mail = tokio::time::timeout(ARRIVAL, plant.mailbox.wait_for(wanted));
    let mail = mail.await.map_err(|_| DemoError(format!("{what} did not arrive in {} s", ARRIVAL.as_secs())))?;
    Ok(mail.view())
}

async fn ordinary(plant: &Plant) -> Result<(), DemoError> {
    let sent = sample::ordinary();
    plant.submit(&sent).await?;
    let ends_with_it = |mail: &Mail| mail.raw.ends_with(&sent.raw);
    let mail = tokio::time::timeout(ARRIVAL, plant.mailbox.wait_for(ends_with_it));
    let mail = mail.await.map_err(|_| DemoError("the ordinary mail did not arrive as it was sent".to_owned()))?;
    let added = mail.raw.get(..mail.raw.len() - sent.raw.len()).unwrap_or_default();
    let added = String::from_utf8_lossy(added);
    let fields = added.lines().filter(|line| !line.starts_with([' ', '\t'])).count();
    let ours = fields == 2 && added.starts_with("Received: ") && added.contains("\r\nX-Zegel-Loop: ");
    ensure(ours, "not exactly a Received line and our mark were added")
}

async fn notice(plant: &Plant) -> Result<String, DemoError> {
    let to_recipient = |mail: &Mail| {
        let text = mail.view().text.unwrap_or_default();
        mail.to.iter().any(|to| to == sample::RECIPIENT) && text.contains("/b/")
    };
    let view = arrives(plant, "the notice", to_recipient).await?;
    let all = format!("{}{}{}", view.subject, view.text.clone().unwrap_or_default(), view.html.unwrap_or_default());
    ensure(all.contains("Open bericht"), "the notice has no button")?;
    for hidden in [sample::SECRET, sample::SUBJECT, sample::FILE] {
        ensure(!all.contains(hidden), "the notice shows something of the content")?;
    }
    link(plant, view.text.as_deref().unwrap_or_default())
}

/// The link in a notice's text.
pub(super) fn link(plant: &Plant, text: &str) -> Result<String, DemoError> {
    let origin = format!("http://{}", plant.page());
    let found =
        text.split_whitespace().find_map(|word| word.strip_prefix(&origin).filter(|path| path.starts_with("/b/")));
    found.map(str::to_owned).ok_or_else(|| DemoError("the notice holds no link to the page".to_owned()))
}

async fn code(plant: &Plant) -> Result<String, DemoError> {
    let to_sender = |mail: &Mail| mail.to.iter().any(|to| to == sample::SENDER);
    let view = arrives(plant, "the mail with the access code", to_sender).await?;
    let text = view.text.unwrap_or_default();
    ensure(!text.contains("/b/"), "link and code came in one mail")?;
    let digits = |word: &str| word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit());
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let pair = words.windows(2).find(|pair| pair.iter().all(|word| digits(word)));
    pair.map(<[&str]>::concat).ok_or_else(|| DemoError("the mail to the sender holds no code of 8 digits".to_owned()))
}

async fn first_page(visitor: &mut Visitor, link: &str) -> Result<Answer, DemoError> {
    let page = visitor.get(link).await?;
    ensure(page.status == StatusCode::OK, "the link does not open a page")?;
    let text = page.text();
    ensure(text.contains("Anna Jansen") && text.contains("name=\"code\""), "the page does not ask for the code")?;
    ensure(
        !text.contains(sample::SECRET) && !text.contains(sample::SUBJECT),
        "the page shows content before the code",
    )?;
    Ok(page)
}

async fn wrong_code(visitor: &mut Visitor, link: &str, page: &Answer, code: &str) -> Result<(), DemoError> {
    let wrong: String = code.chars().map(|c| if c == '9' { '0' } else { '9' }).collect();
    let answer = visitor.submit(link, &page.text(), &[("code", &wrong)]).await?;
    ensure(
        !answer.status.is_redirection() && !answer.text().contains(sample::SECRET),
        "a wrong code opens the message",
    )?;
    ensure(answer.text().contains("4 keer"), "the page does not say how many tries are left")
}

async fn read(visitor: &mut Visitor, link: &str, page: &Answer, code: &str) -> Result<(), DemoError> {
    let answer = visitor.submit(link, &page.text(), &[("code", code)]).await?;
    let to = answer.location().filter(|_| answer.status == StatusCode::SEE_OTHER);
    let to = to.ok_or_else(|| DemoError("the right code does not open the message".to_owned()))?.to_owned();
    ensure(!to.contains("/b/"), "the link's secret is in an address after the code")?;
    let message = visitor.get(&to).await?.text();
    for shown in [sample::SECRET, sample::SUBJECT, sample::FILE] {
        ensure(message.contains(shown), "the message page does not show the mail")?;
    }
    Ok(())
}

async fn files(visitor: &mut Visitor) -> Result<(), DemoError> {
    let page = visitor.get("/bericht").await?.text();
    let link = |part: &str| {
        page.split("href=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .find(|href| href.contains(part))
            .map(str::to_owned)
    };
    let file = link("/bijlage/").ok_or_else(|| DemoError("no link to the attachment".to_owned()))?;
    let original = link(".eml").ok_or_else(|| DemoError("no link to the original mail".to_owned()))?;
    let file = visitor.get(&file).await?;
    ensure(file.status == StatusCode::OK && file.body == sample::pdf(), "the attachment is not what was sent")?;
    let original = visitor.get(&original).await?;
    let sent = String::from_utf8_lossy(&sample::confidential().raw).into_owned();
    let body = sent.split_once("\r\n\r\n").map(|(_, body)| body.len()).unwrap_or_default();
    let same = original.body.len() > body && original.text().contains(sample::SUBJECT);
    ensure(same && !original.text().contains("[veilig]"), "the original mail is not as it was sent, without its tag")
}

async fn log_out(visitor: &mut Visitor) -> Result<(), DemoError> {
    let page = visitor.get("/bericht").await?.text();
    let answer = visitor.submit("/bericht", &page, &[("uitloggen", "ja")]).await?;
    ensure(answer.status.is_success() || answer.status.is_redirection(), "logging out is refused")?;
    let after = visitor.get("/bericht").await?;
    ensure(!after.text().contains(sample::SECRET), "the message is still open after logging out")
}

fn nothing_in_clear(plant: &Plant) -> Result<(), DemoError> {
    let secret = sample::SECRET.as_bytes();
    let behind = plant.mailbox.mails().iter().any(|mail| holds(&mail.raw, secret));
    ensure(!behind, "the content went to the next hop")?;
    let mut clean = true;
    let number = sample::NUMBER.trim_start_matches("+31").as_bytes();
    for needle in [secret, sample::RECIPIENT.as_bytes(), sample::SUBJECT.as_bytes(), number] {
        clean &= !folder_holds(plant.folder(), needle).map_err(DemoError::new)?;
    }
    ensure(clean, "the data folder shows something in clear")
}

fn folder_holds(folder: &Path, needle: &[u8]) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let found = if kind.is_dir() {
            folder_holds(&entry.path(), needle)?
        } else {
            kind.is_file() && holds(&std::fs::read(entry.path())?, needle)
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

fn holds(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}
