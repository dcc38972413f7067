//! What would happen to a mail, and why, without one: the same decisions in the same order as a transaction's, from settings alone. Pure.
//!
//! What only a running gateway knows is left out: whether a next hop takes the mail, and whether it was here before.

use crate::mail::header::{HeaderBlock, HeaderFacts};
use crate::mail::{Address, MailFrom, Reply};
use crate::policy::{self, Audience, Considered, EnvelopeFacts, Finding, Terms, Verdict};

use super::{Peer, Settings, header};

/// What would become of the mail for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It goes on to this next hop.
    Pass {
        /// Its name.
        hop: String,
    },
    /// It is offered to this next hop; the header may still seal or refuse it.
    Open {
        /// Its name.
        hop: String,
    },
    /// It is sealed.
    Seal(Terms),
    /// RCPT is answered with this, since an earlier recipient goes to another next hop: the client sends it separately.
    Separate(Reply),
    /// It is refused with this answer.
    Refuse(Reply),
}

/// One recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// Its address.
    pub to: Address,
    /// What would become of it.
    pub fate: Fate,
    /// Every trigger that found something.
    pub found: Vec<Considered>,
}

/// A mail that might come.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who sends it.
    pub peer: &'a Peer,
    /// MAIL.
    pub from: &'a MailFrom,
    /// RCPT, in order.
    pub to: &'a [Address],
    /// Its bytes with CRLF line ends; without them only the envelope is judged.
    pub mail: Option<&'a [u8]>,
}

/// What would happen, for each recipient in order. `hop` names the next hop of a recipient.
///
/// # Errors
/// The answer to the whole mail, whoever it is for.
pub fn forecast(
    settings: &Settings,
    policy: &policy::Settings,
    question: &Question<'_>,
    hop: impl Fn(&Address) -> String,
) -> Result<Vec<Forecast>, Reply> {
    header::check_sender(question.from, question.peer)?;
    let mut first: Option<String> = None;
    let mut forecasts: Vec<Forecast> =
        question.to.iter().map(|to| at_rcpt(policy, question.from, to, &hop, &mut first)).collect();
    let Some(mail) = question.mail else { return Ok(forecasts) };
    let facts = read(settings, policy, question.peer, mail)?;
    let audience = Audience::of(&policy.home, question.to);
    let mut refusal = None;
    for forecast in forecasts.iter_mut().filter(|forecast| is_in_the_mail(&forecast.fate)) {
        let envelope = EnvelopeFacts { mail_from: question.from.path.as_ref(), recipient: &forecast.to, audience };
        let (considered, verdict) = policy.explain(&envelope, &facts);
        forecast.found = considered.into_iter().filter(|one| one.finding != Finding::No).collect();
        match verdict {
            Verdict::Refuse(reply) => {
                refusal.get_or_insert(reply.clone());
                forecast.fate = Fate::Refuse(reply);
            }
            Verdict::Seal(terms) => forecast.fate = Fate::Seal(terms),
            Verdict::Pass => forecast.fate = Fate::Pass { hop: hop(&forecast.to) },
        }
    }
    if refusal.is_none() && forecasts.iter().any(|forecast| matches!(forecast.fate, Fate::Seal(_))) {
        let sender = header::check_author(&facts, question.peer).and_then(|()| policy.sender(&facts).map(drop));
        refusal = sender.err();
    }
    // After DATA there is one reply for all (RFC 5321 §4.2.5).
    if let Some(refusal) = refusal {
        for forecast in forecasts.iter_mut().filter(|forecast| is_in_the_mail(&forecast.fate)) {
            forecast.fate = Fate::Refuse(refusal.clone());
        }
    }
    Ok(forecasts)
}

fn at_rcpt(
    policy: &policy::Settings,
    from: &MailFrom,
    to: &Address,
    hop: impl Fn(&Address) -> String,
    first: &mut Option<String>,
) -> Forecast {
    let envelope = EnvelopeFacts { mail_from: from.path.as_ref(), recipient: to, audience: Audience::default() };
    let (found, verdict) = policy.explain_early(&envelope);
    let fate = match verdict {
        Some(Verdict::Refuse(reply)) => Fate::Refuse(reply),
        Some(Verdict::Seal(terms)) => Fate::Seal(terms),
        Some(Verdict::Pass) | None => {
            let hop = hop(to);
            if first.get_or_insert_with(|| hop.clone()) == &hop {
                Fate::Open { hop }
            } else {
                Fate::Separate(header::other_way())
            }
        }
    };
    Forecast { to: to.clone(), fate, found: found.into_iter().filter(|one| one.finding != Finding::No).collect() }
}

const fn is_in_the_mail(fate: &Fate) -> bool {
    !matches!(fate, Fate::Separate(_)) && !matches!(fate, Fate::Refuse(_))
}

/// What the header says, or the refusal that no verdict comes after.
fn read(settings: &Settings, policy: &policy::Settings, peer: &Peer, mail: &[u8]) -> Result<HeaderFacts, Reply> {
    let end = if mail.starts_with(b"\r\n") {
        Some(0)
    } else {
        mail.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 2)
    };
    let raw = mail.get(..end.unwrap_or(mail.len())).unwrap_or_default();
    if raw.len() > settings.max_header {
        return Err(header::too_large());
    }
    header::check_stamp(&HeaderBlock::new(raw), peer)?;
    let stripped = peer.stamp.as_ref().map(|stamp| stamp.without(&HeaderBlock::new(raw)));
    let facts = HeaderBlock::new(stripped.as_deref().unwrap_or(raw)).facts(&policy.tags);
    header::check(&facts, peer, settings.max_received)?;
    header::check_user(&facts, peer)?;
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mail::DomainSet;
    use crate::policy::{Action, Home, Mode, Pattern, Rule};

    fn rule(name: &str, to: &str, action: Action) -> Rule {
        let to = vec![Pattern::Domain(to.parse().unwrap())];
        Rule { name: name.into(), from: Vec::new(), to, action, mode: None, proof: None }
    }

    fn fates(from: &str, to: &[&str], mail: Option<&str>, tenants: &[&str]) -> Vec<String> {
        let (memory, memory_wait) = (1 << 20, std::time::Duration::from_secs(1));
        let hostname = "z.example".into();
        let settings = Settings {
            hostname,
            max_header: 500,
            collect: 1000,
            max_received: 3,
            memory,
            memory_wait,
            answer_domain: None,
        };
        let home = Home { domains: DomainSet::Listed(vec!["home.example".parse().unwrap()]), fallback: None };
        let rules = vec![
            rule("artsen", "arts.example", Action::Seal),
            rule("dicht", "dicht.example", Action::Refuse("Nee".into())),
        ];
        let policy = policy::Settings {
            home,
            rules,
            tags: vec!["veilig".into()],
            expires: Duration::from_hours(24),
            mode: Mode::Assisted,
        };
        let peer = Peer {
            addr: "127.0.0.1".parse().unwrap(),
            helo: String::new(),
            esmtp: true,
            tls: false,
            user: None,
            senders: [].into(),
            listener: "front".into(),
            sender_domains: ["home.example".parse().unwrap()].into(),
            tenants: tenants.iter().map(|tenant| (*tenant).to_owned()).collect(),
            stamp: None,
        };
        let from = MailFrom { path: Some(from.parse().unwrap()), params: Vec::new() };
        let to: Vec<Address> = to.iter().map(|to| to.parse().unwrap()).collect();
        let question = Question { peer: &peer, from: &from, to: &to, mail: mail.map(str::as_bytes) };
        let hop = |to: &Address| if to.domain().as_str() == "near.example" { "near" } else { "far" }.to_owned();
        let word = |forecast: Forecast| match forecast.fate {
            Fate::Pass { hop } => format!("pass {hop}"),
            Fate::Open { hop } => format!("open {hop}"),
            Fate::Seal(terms) => format!("seal {}", terms.reason),
            Fate::Separate(reply) => format!("separate {}", reply.code()),
            Fate::Refuse(reply) => format!("refuse {}", reply.code()),
        };
        match forecast(&settings, &policy, &question, hop) {
            Ok(forecasts) => forecasts.into_iter().map(word).collect(),
            Err(reply) => vec![format!("all {}", reply.code())],
        }
    }

    /// Sender, recipients, the mail if there is one, and what becomes of each.
    type Case<'a> = (&'a str, &'a [&'a str], Option<&'a str>, &'a [&'a str]);

    #[test]
    fn each_recipient_has_its_fate() {
        let plain = "From: a@home.example\r\nSubject: x\r\n\r\n[veilig]\r\n";
        let tagged = "From: a@home.example\r\nSubject: [veilig] x\r\n\r\n";
        let foreign = "From: a@elsewhere.example\r\nSubject: [veilig] x\r\n\r\n";
        let looping = "Received: x\r\n".repeat(4) + plain;
        let long = format!("X: {}\r\n{plain}", "y".repeat(600));
        let (own, jan, arts) = ("a@home.example", "jan@far.example", "x@arts.example");
        let cases: [Case<'_>; 12] = [
            (own, &[jan, arts, "k@dicht.example"], None, &["open far", "seal rule artsen", "refuse 550"]),
            (own, &[jan, "b@near.example"], None, &["open far", "separate 452"]),
            (own, &[jan, "b@near.example", arts], Some(plain), &["pass far", "separate 452", "seal rule artsen"]),
            (own, &[jan, arts], Some(tagged), &["seal subject tag", "seal subject tag"]),
            (own, &[jan, "k@dicht.example"], Some(tagged), &["seal subject tag", "refuse 550"]),
            (own, &[jan], Some(foreign), &["refuse 550"]),
            (own, &[jan], Some("From: a@home.example\r\nZegel-Secure: maybe\r\n\r\n"), &["refuse 550"]),
            ("a@elsewhere.example", &[jan], None, &["all 550"]),
            (own, &[jan], Some(&looping), &["all 554"]),
            (own, &[jan], Some(&long), &["all 552"]),
            (own, &[jan], Some("\r\nbody"), &["pass far"]),
            (own, &[jan, arts], Some("Zegel-Fout: x\r\nFrom: a@home.example\r\n"), &["refuse 550", "refuse 550"]),
        ];
        for (from, to, mail, expected) in cases {
            assert_eq!(fates(from, to, mail, &[]), expected, "{from} {to:?} {mail:?}");
        }
        assert_eq!(fates(own, &[jan], Some(plain), &["home.onmicrosoft.com"]), ["all 550"]);
    }
}
