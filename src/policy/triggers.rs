//! Each trigger on its own: what it looks at, and what it finds (flows: "The sender", triggers).

use std::time::Duration;

use super::wish::For;
use super::{Action, EnvelopeFacts, Level, Mode, Proof, Rule, Settings, wish};
use crate::mail::header::HeaderFacts;
use crate::mail::{Address, Reply};

/// What one trigger finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Nothing.
    No,
    /// It seals.
    Seal,
    /// It refuses, with this answer.
    Refuse(Reply),
}

/// One trigger that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// The trigger or rule; no content of the mail.
    pub trigger: String,
    /// What it found.
    pub finding: Finding,
    /// How it wants kept what it seals, when it says so.
    pub mode: Option<Mode>,
    /// The lowest proof for what it seals, when it says so.
    pub proof: Option<Level>,
}

impl Considered {
    fn new(trigger: impl Into<String>, finding: Finding) -> Self {
        Self { trigger: trigger.into(), finding, mode: None, proof: None }
    }
}

/// Every trigger, in order.
pub(super) fn all(settings: &Settings, envelope: &EnvelopeFacts<'_>, header: &HeaderFacts) -> Vec<Considered> {
    let mut considered = vec![
        Considered::new("header Zegel-Secure", secure(header)),
        Considered::new(
            "header Zegel-Proof or Zegel-Expires",
            any(!(header.proofs.is_empty() && header.expires.is_empty())),
        ),
        Considered::new("header Zegel-*, misspelt", misspelt(header)),
        Considered::new("header zivver-*", any(header.zivver)),
        Considered::new(
            "header Sensitivity",
            any(header.sensitivity.iter().any(|value| is_sensitive(settings, value))),
        ),
        Considered::new("subject tag", any(!header.tag.is_empty())),
        Considered::new("subject tag, half", half_tag(settings, header)),
    ];
    considered.extend(rules(settings, |rule| matches(rule, envelope, Some(header))));
    considered.push(Considered::new("proof asked for", proofs(settings, envelope, header)));
    considered.push(Considered::new("life asked for", lives(header).map_or_else(Finding::Refuse, |_| Finding::No)));
    considered
}

/// The rules that the envelope alone settles.
pub(super) fn early(settings: &Settings, envelope: &EnvelopeFacts<'_>) -> Vec<Considered> {
    rules(settings, |rule| matches(rule, envelope, None)).collect()
}

/// The shortest life that the mail asks for in a header or tag, if any.
pub(super) fn lives(header: &HeaderFacts) -> Result<Option<Duration>, Reply> {
    let flags = wish::whole_flags(&header.tag);
    let flags = flags.iter().filter(|flag| wish::is_life(flag));
    let lives = header.expires.iter().chain(flags).map(|text| wish::expires(text));
    Ok(lives.collect::<Result<Vec<_>, _>>()?.into_iter().min())
}

const fn any(seals: bool) -> Finding {
    if seals { Finding::Seal } else { Finding::No }
}

fn secure(header: &HeaderFacts) -> Finding {
    let yes = |value: &String| matches!(value.as_str(), "yes" | "true" | "1" | "on" | "ja");
    let no = |value: &String| matches!(value.as_str(), "no" | "false" | "0" | "off" | "nee");
    if header.zegel_secure.iter().any(yes) {
        Finding::Seal
    } else if header.zegel_secure.iter().all(no) {
        Finding::No
    } else {
        Finding::Refuse(Reply::new(550, "5.7.1 Zegel: Zegel-Secure takes yes or no"))
    }
}

fn misspelt(header: &HeaderFacts) -> Finding {
    if !header.zegel_unknown {
        return Finding::No;
    }
    let text = "5.7.1 Zegel: unknown Zegel- header field; known are Zegel-Secure, Zegel-Proof and Zegel-Expires";
    Finding::Refuse(Reply::new(550, text))
}

/// A tag word with one bracket only is most likely a tag, but where it ends nobody can say.
fn half_tag(settings: &Settings, header: &HeaderFacts) -> Finding {
    if !header.tag_doubtful || !header.tag.is_empty() {
        return Finding::No;
    }
    let tag = settings.tags.first().map_or("", String::as_str);
    let text = format!(
        "5.7.1 Zegel: a bracket of the subject tag is missing; write [{tag}] before the subject, or leave it out"
    );
    Finding::Refuse(Reply::new(550, &text))
}

/// RFC 2156 §2.3 names `Personal`, `Private` and `Company-Confidential`; writers vary on blanks and hyphens, and on the language. The
/// words of the subject tag count too.
fn is_sensitive(settings: &Settings, value: &str) -> bool {
    const WORDS: [&str; 15] = [
        "personal",
        "private",
        "confidential",
        "companyconfidential",
        "vertrouwelijk",
        "bedrijfsvertrouwelijk",
        "persoonlijk",
        "privé",
        "prive",
        "vertraulich",
        "persönlich",
        "privat",
        "confidentiel",
        "personnel",
        "privée",
    ];
    let mut words = value.split(|c: char| !c.is_alphanumeric());
    words.any(|word| WORDS.contains(&word)) || settings.tags.iter().any(|tag| value.trim() == tag.to_lowercase())
}

fn proofs(settings: &Settings, envelope: &EnvelopeFacts<'_>, header: &HeaderFacts) -> Finding {
    let by_minimum = || header.minimum.iter().try_for_each(|value| wish::minimum(value));
    let asked = proof(settings, envelope, header).and_then(|_| by_minimum());
    asked.map_or_else(Finding::Refuse, |()| Finding::No)
}

/// The proof that the mail asks for, for this recipient: a header that names them, else one that names nobody, else the tag.
pub(super) fn proof(
    settings: &Settings,
    envelope: &EnvelopeFacts<'_>,
    header: &HeaderFacts,
) -> Result<Option<Proof>, Reply> {
    let (mut named, mut general) = (Vec::new(), Vec::new());
    for value in &header.proofs {
        match wish::proof(value, envelope.recipient)? {
            (For::This, proof) => named.extend(proof),
            (For::Nobody, proof) => general.extend(proof),
            (For::Other, _) => {}
        }
    }
    let is_word = |flag: &String| settings.tags.iter().any(|tag| tag.to_lowercase() == *flag);
    let flags = wish::whole_flags(&header.tag);
    let flags = flags.iter().filter(|flag| !is_word(flag) && !wish::is_life(flag));
    let tagged: Vec<Proof> = flags.map(|flag| wish::flag(flag)).collect::<Result<_, _>>()?;
    // A kind of code in a header without a name holds for all; a number, and whatever a person wrote in the subject, for one.
    let for_one = !tagged.is_empty() || general.iter().any(|proof| matches!(proof, Proof::Sms(_)));
    if for_one && !envelope.audience.is_one() {
        return Err(wish::for_several());
    }
    let mine = envelope.audience.holds(&settings.home, envelope.recipient);
    let general = if mine { one(general)? } else { one(general)?.filter(|proof| !matches!(proof, Proof::Sms(_))) };
    let tagged = one(tagged)?.filter(|_| mine);
    Ok(one(named)?.or(general).or(tagged))
}

/// The one that several values agree on.
fn one(mut proofs: Vec<Proof>) -> Result<Option<Proof>, Reply> {
    proofs.dedup();
    if proofs.len() > 1 { Err(wish::contradiction()) } else { Ok(proofs.pop()) }
}

/// How a rule's conditions stand.
enum Match {
    Yes,
    No,
    /// Whom the mail is from cannot be read, and the rule wants to know.
    Unknown,
}

fn rules(settings: &Settings, matches: impl Fn(&Rule) -> Match) -> impl Iterator<Item = Considered> {
    settings.rules.iter().map(move |rule| {
        let finding = match (matches(rule), &rule.action) {
            (Match::No, _) => Finding::No,
            (Match::Yes, Action::Seal) => Finding::Seal,
            (Match::Yes, Action::Refuse(text)) => Finding::Refuse(Reply::new(550, &format!("5.7.1 {text}"))),
            (Match::Unknown, _) => Finding::Refuse(super::unclear()),
        };
        let (mode, proof) = (rule.mode, rule.proof);
        Considered { mode, proof, ..Considered::new(format!("rule {}", rule.name), finding) }
    })
}

/// A sender condition holds when the envelope sender, any From address, or any address that could be taken for one matches.
fn matches(rule: &Rule, envelope: &EnvelopeFacts<'_>, header: Option<&HeaderFacts>) -> Match {
    let holds = |address: &Address| rule.from.iter().any(|pattern| pattern.matches(address));
    if !rule.to.is_empty() && !rule.to.iter().any(|pattern| pattern.matches(envelope.recipient)) {
        return Match::No;
    }
    if rule.from.is_empty() || envelope.mail_from.is_some_and(holds) {
        return Match::Yes;
    }
    let Some(header) = header else { return Match::No };
    if header.from.iter().any(|(_, address)| holds(address)) || header.from_mentions.iter().any(holds) {
        return Match::Yes;
    }
    if header.from_unreadable { Match::Unknown } else { Match::No }
}
