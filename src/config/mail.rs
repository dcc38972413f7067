//! `[mail]`, `[seal]` and `[[rule]]`.

use std::time::Duration;

use super::kinds::{self, one_of};
use super::organisation::read_certificate;
use super::reader::Table;
use super::{CertificateFiles, Outgoing};
use crate::policy::{Action, Home, Level, Mode, Rule};
use crate::seal::code::Cost;
use crate::{intake, policy, queue, receive, relay, users};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const MIB: u64 = 1 << 20;

/// `[mail]`.
#[derive(Debug)]
pub struct MailSection {
    /// Without listeners yet.
    pub receive: receive::Settings,
    /// Passing on.
    pub relay: relay::Settings,
    /// Our own mails.
    pub outgoing: Outgoing,
    /// For STARTTLS.
    pub tls: Option<CertificateFiles>,
    /// Who may log in.
    pub users: Option<users::Settings>,
}

/// Reads `[mail]`; `None` after a mistake.
pub fn read_mail(table: &Table<'_, '_>) -> Option<MailSection> {
    let hostname = table.required("hostname", &kinds::domain()).map(|name| name.to_string());
    let from = table.required("from", &kinds::address());
    let bounce_domain = table.required("bounce_domain", &kinds::domain());
    let tls = read_certificate(table);
    let max_size = table.or("max_size", &kinds::size(MIB, 1024 * MIB), 50 * MIB);
    let max_recipients = table.or("max_recipients", &kinds::count(100, 10_000), 1_000);
    let limits = read_limits(table);
    let memory = table.or("memory", &kinds::size(16 * MIB, 64 * 1024 * MIB), 64 * MIB);
    let memory_wait = table.or("memory_wait", &kinds::duration(SECOND, 5 * MINUTE), 20 * SECOND);
    let command_timeout = table.or("command_timeout", &kinds::duration(10 * SECOND, HOUR), 5 * MINUTE);
    let data_timeout = table.or("data_timeout", &kinds::duration(10 * SECOND, HOUR), 3 * MINUTE);
    let max_received = table.or("max_received", &kinds::count(10, 200), 50);
    let file = table.optional("users", &kinds::path());
    let hashers = table.or("max_password_checks", &kinds::count(1, 64), 2);
    table.finish();
    let hostname = hostname?;
    Some(MailSection {
        relay: relay::Settings {
            hostname: hostname.clone(),
            max_header: 256 * 1024,
            collect: 256 * 1024,
            max_received,
            memory,
            memory_wait,
            answer_domain: bounce_domain.clone(),
        },
        receive: receive::Settings {
            hostname,
            listeners: Vec::new(),
            max_size,
            max_recipients,
            command_timeout,
            data_timeout,
            bounce_domain: bounce_domain.clone()?,
            limits,
        },
        outgoing: Outgoing { from: from?, bounce_domain: bounce_domain? },
        tls,
        users: file.map(|file| users::Settings { file, hashers, limits: users::Limits::default() }),
    })
}

fn read_limits(table: &Table<'_, '_>) -> receive::Limits {
    let default = receive::Limits::default();
    receive::Limits {
        sessions: table.or("max_sessions", &kinds::count(1, 100_000), default.sessions),
        sessions_per_network: table.or(
            "max_sessions_per_network",
            &kinds::count(1, 100_000),
            default.sessions_per_network,
        ),
        handshakes: table.or("max_handshakes", &kinds::count(1, 10_000), default.handshakes),
        handshake_timeout: table.or(
            "handshake_timeout",
            &kinds::duration(SECOND, 5 * MINUTE),
            default.handshake_timeout,
        ),
        commands: table.or("max_commands", &kinds::count(200, 1_000_000), default.commands),
        errors: table.or("max_errors", &kinds::count(1, 1_000), default.errors),
    }
}

/// `[seal]` and `[[rule]]`.
#[derive(Debug)]
pub struct SealSection {
    /// Without home yet.
    pub policy: policy::Settings,
    /// Without language and numbers yet.
    pub intake: intake::Settings,
    /// Retries.
    pub queue: queue::Settings,
}

/// Reads `[seal]` and every `[[rule]]`; `None` after a mistake.
pub fn read_seal(top: &Table<'_, '_>, mail: Option<&MailSection>) -> Option<SealSection> {
    let table = top.table("seal");
    let mut tags = table.list("tags", &kinds::text());
    if !table.has("tags") {
        tags = ["veilig", "vertrouwelijk", "secure", "confidential"].map(String::from).to_vec();
    }
    let expires = table.or("expires", &kinds::duration(DAY, 365 * DAY), 90 * DAY);
    // The only kind so far; a key now, so that a file that asks for another is refused instead of ignored.
    let () = table.or("access", &one_of(&[("code", ())]), ());
    let mode = table.or("mode", &one_of(MODES), Mode::Assisted);
    let hashers = table.or("max_code_checks", &kinds::count(1, 64), 2);
    let workers = table.or("workers", &kinds::count(1, 256), 8);
    let notice_give_up = table.or("notice_give_up", &kinds::duration(HOUR, 14 * DAY), 48 * HOUR);
    let sender_give_up = table.or("sender_give_up", &kinds::duration(HOUR, 14 * DAY), 5 * DAY);
    table.finish();
    let rules: Vec<Option<Rule>> = top.tables("rule").iter().map(|table| read_rule(table, mode)).collect();
    let rules: Option<Vec<Rule>> = rules.into_iter().collect();
    Some(SealSection {
        policy: policy::Settings {
            home: Home::default(),
            rules: rules?,
            tags: tags.into_iter().map(|tag| tag.to_lowercase()).collect(),
            expires,
            mode,
        },
        intake: intake::Settings {
            max_size: mail?.receive.max_size,
            cost: Cost::default(),
            strict_cost: Cost::STRICT,
            hashers,
            language: String::new(),
            numbers: None,
        },
        queue: queue::Settings { workers, notice_give_up, sender_give_up },
    })
}

/// Who can open what is sealed, as the file says it.
const MODES: &[(&str, Mode)] = &[("assisted", Mode::Assisted), ("strict", Mode::Strict)];

/// The lowest proof of what a rule seals, as the file says it.
const LEVELS: &[(&str, Level)] = &[("code", Level::Code), ("mail", Level::Mail)];

/// `general`: how sealed mail is kept unless the rule says otherwise.
fn read_rule(table: &Table<'_, '_>, general: Mode) -> Option<Rule> {
    let name = table.required("name", &kinds::text());
    let from = table.list("from", &kinds::pattern());
    let to = table.list("to", &kinds::pattern());
    let action = table.required("action", &one_of(&[("seal", true), ("refuse", false)]));
    let text = table.optional("text", &kinds::text());
    let mode = table.optional("mode", &one_of(MODES));
    let proof = table.optional("proof", &one_of(LEVELS));
    table.finish();
    for (key, is_there) in [("mode", mode.is_some()), ("proof", proof.is_some())] {
        if is_there && action == Some(false) {
            table.refuse(key, format!("a {key}"), format!("no {key}: only action = \"seal\" has one"));
            return None;
        }
    }
    if proof == Some(Level::Mail) && mode.unwrap_or(general) == Mode::Strict {
        let allowed =
            "\"code\", or mode = \"assisted\" in this rule: strict mail opens with link and access code alone";
        table.refuse("proof", "\"mail\" for strict mail", allowed);
        return None;
    }
    let action = match (action?, text) {
        (true, None) => Action::Seal,
        (true, Some(_)) => {
            table.refuse("text", "a text", "no text: only action = \"refuse\" has one");
            return None;
        }
        (false, Some(text)) => Action::Refuse(text),
        (false, None) => {
            table.refuse("text", "nothing", "what the sender's mail program is told");
            return None;
        }
    };
    if from.is_empty() && to.is_empty() {
        table.refuse("name", "a rule for every mail", "from or to, or both");
        return None;
    }
    Some(Rule { name: name?, from, to, action, mode, proof })
}
