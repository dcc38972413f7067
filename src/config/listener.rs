//! `[[listener]]`.

use std::path::Path;

use secrecy::SecretString;

use super::kinds::{self, one_of};
use super::reader::Table;
use crate::receive::{Clients, Kind, Listener};
use crate::relay::Stamp;

/// Reads every `[[listener]]`; `None` after a mistake.
pub fn read_listeners(top: &Table<'_, '_>) -> Option<Vec<Listener>> {
    let tables = top.tables("listener");
    if tables.is_empty() && !top.has("listener") {
        top.refuse("listener", "nothing", "at least one [[listener]]");
    }
    let listeners: Vec<Option<Listener>> = tables.iter().map(read_listener).collect();
    let mut apart = true;
    for (index, (table, listener)) in tables.iter().zip(&listeners).enumerate() {
        let others = || listeners.iter().take(index).flatten();
        let Some(listener) = listener else { continue };
        if others().any(|other| other.name == listener.name) {
            table.refuse("name", format!("\"{}\" a second time", listener.name), "a name of its own");
            apart = false;
        }
        // With port 0 the system gives each a port of its own.
        if others().any(|other| other.address == listener.address && listener.address.port() != 0) {
            table.refuse("address", format!("\"{}\" a second time", listener.address), "an address of its own");
            apart = false;
        }
    }
    let listeners: Option<Vec<Listener>> = listeners.into_iter().collect();
    listeners.filter(|listeners| apart && !listeners.is_empty())
}

fn read_listener(table: &Table<'_, '_>) -> Option<Listener> {
    let name = table.required("name", &kinds::name());
    let kinds = &[("relay", Kind::Relay), ("submission", Kind::Submission), ("mx", Kind::Mx)];
    let kind = table.or("kind", &one_of(kinds), Kind::Relay);
    let address = table.required("address", &kinds::socket());
    let networks = if kind != Kind::Relay && !table.has("networks") {
        ["0.0.0.0/0", "::/0"].iter().map(|all| all.parse().ok()).collect()
    } else {
        table.some("networks", &kinds::network())
    };
    let proxies = table.list("proxy_protocol", &kinds::network());
    let xclient = table.list("xclient", &kinds::network());
    let sender_domains = table.list("sender_domains", &kinds::domain());
    let tenants = table.list("tenant", &kinds::text());
    let stamp = read_stamp(table);
    let clients = read_clients(table);
    let implicit_tls = table.or("tls", &one_of(&[("starttls", false), ("implicit", true)]), false);
    let require_tls = table.or("require_tls", &kinds::switch(), false) || implicit_tls || kind == Kind::Submission;
    if kind == Kind::Mx {
        refuse_rights(table)?;
    }
    table.finish();
    let networks: Vec<ipnet::IpNet> = networks?;
    let open = networks.iter().find(|network| network.prefix_len() == 0 && kind == Kind::Relay);
    if let Some(open) = open {
        table.refuse(
            "networks",
            open.to_string(),
            "networks of your own servers: all of the internet would be an open relay",
        );
        return None;
    }
    Some(Listener {
        name: name?.into(),
        kind,
        address: address?,
        networks,
        proxies,
        xclient,
        sender_domains: sender_domains.into(),
        tenants: tenants.into(),
        stamp: stamp?,
        clients: clients?,
        require_tls,
        implicit_tls,
    })
}

/// Who may send is no question where reports come in from anybody: a key that would narrow that is refused, not left without effect.
fn refuse_rights(table: &Table<'_, '_>) -> Option<()> {
    let rights =
        ["sender_domains", "tenant", "stamp_header", "stamp_file", "client_ca", "client_names", "require_tls", "tls"];
    let given: Vec<&str> = rights.into_iter().filter(|name| table.has(name)).collect();
    for name in &given {
        table.refuse(name, "a key of other kinds of listener", "nothing: an mx listener takes reports from anybody");
    }
    given.is_empty().then_some(())
}

/// `stamp_header` and `stamp_file`. The outer `None` only after a mistake was noted.
#[expect(clippy::option_option, reason = "a mistake, no stamp, or a stamp")]
fn read_stamp(table: &Table<'_, '_>) -> Option<Option<Stamp>> {
    let header = table.optional("stamp_header", &kinds::text());
    let file = table.optional("stamp_file", &kinds::file());
    match (header, file) {
        (None, None) if !table.has("stamp_header") && !table.has("stamp_file") => Some(None),
        (Some(header), Some(file)) => {
            let stamp = read_secret(&file).and_then(|secret| Stamp::new(&header, secret));
            if stamp.is_none() {
                let allowed = "a header \"X-…\" of letters, digits and hyphens; in stamp_file one line of 20 to 200 visible \
                               characters";
                table.refuse("stamp_header", format!("\"{header}\" with the secret in {}", file.display()), allowed);
            }
            stamp.map(Some)
        }
        (Some(_), None) if !table.has("stamp_file") => {
            table.refuse("stamp_file", "nothing", "a file with the secret that stamp_header carries");
            None
        }
        (None, Some(_)) if !table.has("stamp_header") => {
            table.refuse(
                "stamp_header",
                "nothing",
                "the name of the header that carries the secret, e.g. \"X-Voorbeeld-Zegel\"",
            );
            None
        }
        _ => None,
    }
}

fn read_secret(file: &Path) -> Option<SecretString> {
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(file).ok()?);
    Some(text.trim_end_matches(['\r', '\n']).into())
}

/// `client_ca` and `client_names`. The outer `None` only after a mistake was noted.
#[expect(clippy::option_option, reason = "a mistake, no certificates, or some")]
fn read_clients(table: &Table<'_, '_>) -> Option<Option<Clients>> {
    let authorities = table.optional("client_ca", &kinds::file());
    let names = table.list("client_names", &kinds::domain());
    match (authorities, names.is_empty()) {
        (Some(file), false) => match Clients::read(&file, &names) {
            Ok(clients) => Some(Some(clients)),
            Err(cause) => {
                let found = format!("{}: {cause}", file.display());
                table.refuse("client_ca", found, "certificates of authorities (PEM)");
                None
            }
        },
        (Some(_), true) if !table.has("client_names") => {
            table.refuse("client_names", "nothing", "the host names of which a client's certificate must have one");
            None
        }
        (None, false) if !table.has("client_ca") => {
            table.refuse(
                "client_ca",
                "nothing",
                "a file with the authority that signed the clients' certificates (PEM)",
            );
            None
        }
        (None, true) if !table.has("client_ca") && !table.has("client_names") => Some(None),
        _ => None,
    }
}
