//! What the relay itself asks of a header, and the one field that it adds. Pure.

use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::tz::TimeZone;

use crate::base::Timestamp;
use crate::mail::header::{HeaderBlock, HeaderFacts};
use crate::mail::{Address, Domain, MailFrom, Reply};

use super::Peer;

const DATES: DateTimePrinter = DateTimePrinter::new();

/// What every mail must satisfy before any verdict is asked: no loop, and the stamp of its tenant.
pub(super) fn check(facts: &HeaderFacts, peer: &Peer, max_received: usize) -> Result<(), Reply> {
    if facts.received > max_received {
        return Err(goes_round());
    }
    let ours = |org: &String| peer.tenants.iter().any(|tenant| tenant.eq_ignore_ascii_case(org.trim()));
    let stamped = !facts.originator_orgs.is_empty() && facts.originator_orgs.iter().all(ours);
    if !peer.tenants.is_empty() && !stamped {
        return Err(Reply::new(550, "5.7.1 This mail does not come from an organisation that may send here"));
    }
    Ok(())
}

/// The header block is longer than any that is read.
pub(super) fn too_large() -> Reply {
    Reply::new(552, "5.3.4 The header of this mail is too large")
}

/// The recipient belongs to another next hop than those before it.
pub(super) fn other_way() -> Reply {
    Reply::new(452, "4.5.3 This recipient goes another way; send the mail to it separately")
}

/// The mail was here before, or at too many servers.
pub(super) fn goes_round() -> Reply {
    Reply::new(554, "5.4.6 This mail goes round in circles")
}

/// The secret field of the listener, where it has one.
pub(super) fn check_stamp(header: &HeaderBlock<'_>, peer: &Peer) -> Result<(), Reply> {
    if peer.stamp.as_ref().is_some_and(|stamp| !stamp.is_on(header)) {
        return Err(Reply::new(550, "5.7.1 This mail does not come from an organisation that may send here"));
    }
    Ok(())
}

/// Who logged in sends in their own name: every From address must be theirs, on ordinary mail too (RFC 6409 §6.1).
pub(super) fn check_user(facts: &HeaderFacts, peer: &Peer) -> Result<(), Reply> {
    let mut authors = facts.from.iter().map(|(_, address)| address).chain(&facts.from_mentions);
    let own = !facts.from_doubtful && authors.all(|author| may_send_as(author, peer));
    if peer.senders.is_empty() || own {
        Ok(())
    } else {
        Err(Reply::new(550, "5.7.1 This user may not send mail with this From address"))
    }
}

fn may_send_as(address: &Address, peer: &Peer) -> bool {
    peer.senders.is_empty() || peer.senders.iter().any(|pattern| pattern.matches(address))
}

/// The envelope sender must lie in a domain of the listener, where it has a list, and be one of the user's, where the user has a list.
/// Reports (the null sender) may come in.
pub(super) fn check_sender(from: &MailFrom, peer: &Peer) -> Result<(), Reply> {
    if from.path.as_ref().is_some_and(|path| !may_send_as(path, peer)) {
        return Err(Reply::new(550, "5.7.1 This user may not send from this address"));
    }
    let foreign = from.path.as_ref().is_some_and(|path| !allowed(path.domain(), &peer.sender_domains));
    if foreign { Err(Reply::new(550, "5.7.1 This sender domain may not send here")) } else { Ok(()) }
}

/// A mail to be sealed must be from a domain of the listener, where it has a list.
pub(super) fn check_author(facts: &HeaderFacts, peer: &Peer) -> Result<(), Reply> {
    let mut authors = facts.from.iter().map(|(_, address)| address).chain(&facts.from_mentions);
    let foreign = authors.any(|author| !allowed(author.domain(), &peer.sender_domains));
    if foreign { Err(Reply::new(550, "5.7.1 The From address of this mail may not send here")) } else { Ok(()) }
}

fn allowed(domain: &Domain, list: &[Domain]) -> bool {
    list.is_empty() || list.contains(domain)
}

/// What our Received field says besides the peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trace<'a> {
    /// Our name.
    pub(super) hostname: &'a str,
    /// The transaction, as in the log.
    pub(super) id: &'a str,
    /// MAIL said SMTPUTF8.
    pub(super) utf8: bool,
    /// The recipient, where there is exactly one.
    pub(super) recipient: Option<&'a str>,
    /// Now.
    pub(super) now: Timestamp,
}

/// Our Received field in wire form, with its CRLF (RFC 5321 §4.4).
pub(super) fn received(peer: &Peer, trace: &Trace<'_>) -> String {
    let helo = if peer.helo.parse::<Domain>().is_ok() && peer.helo.is_ascii() { peer.helo.as_str() } else { "unknown" };
    let addr = match peer.addr.to_canonical() {
        std::net::IpAddr::V4(v4) => v4.to_string(),
        std::net::IpAddr::V6(v6) => format!("IPv6:{v6}"),
    };
    let recipient = trace.recipient.filter(|address| address.is_ascii());
    let recipient = recipient.map(|address| format!("\r\n\tfor <{address}>")).unwrap_or_default();
    let Trace { hostname, id, utf8, now, .. } = *trace;
    let protocol = protocol(peer, utf8);
    let date = DATES.zoned_to_string(&now.to_jiff().to_zoned(TimeZone::UTC)).unwrap_or_default();
    format!("Received: from {helo} ([{addr}])\r\n\tby {hostname} with {protocol} id {id}{recipient};\r\n\t{date}\r\n")
}

/// RFC 3848 and RFC 6531 §4.3.
fn protocol(peer: &Peer, utf8: bool) -> String {
    if !peer.esmtp {
        return "SMTP".to_owned();
    }
    let base = if utf8 { "UTF8SMTP" } else { "ESMTP" };
    let tls = if peer.tls { "S" } else { "" };
    let user = if peer.user.is_some() { "A" } else { "" };
    format!("{base}{tls}{user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> Peer {
        Peer {
            addr: "192.0.2.1".parse().unwrap(),
            helo: "mail.example.nl".to_owned(),
            esmtp: true,
            tls: false,
            user: None,
            listener: "relay".into(),
            sender_domains: [].into(),
            tenants: [].into(),
            senders: [].into(),
            stamp: None,
        }
    }

    fn domains(names: &[&str]) -> std::sync::Arc<[Domain]> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn received_says_how_it_came() {
        let trace = Trace {
            hostname: "zegel.example.nl",
            id: "abc",
            utf8: false,
            recipient: Some("jan@example.org"),
            now: Timestamp::from_secs(1_795_255_200),
        };
        assert_eq!(
            received(&peer(), &trace),
            "Received: from mail.example.nl ([192.0.2.1])\r\n\tby zegel.example.nl with ESMTP id abc\r\n\
             \tfor <jan@example.org>;\r\n\tSat, 21 Nov 2026 10:00:00 +0000\r\n"
        );
        let odd = Peer { helo: "a\r\nb (".to_owned(), addr: "2001:db8::1".parse().unwrap(), ..peer() };
        assert_eq!(
            received(&odd, &Trace { recipient: None, ..trace }),
            "Received: from unknown ([IPv6:2001:db8::1])\r\n\tby zegel.example.nl with ESMTP id abc;\r\n\
             \tSat, 21 Nov 2026 10:00:00 +0000\r\n"
        );
    }

    #[test]
    fn protocols_have_their_registered_names() {
        let cases = [
            (false, false, false, false, "SMTP"),
            (false, true, false, true, "SMTP"),
            (true, false, false, false, "ESMTP"),
            (true, true, false, false, "ESMTPS"),
            (true, false, true, false, "ESMTPA"),
            (true, true, true, false, "ESMTPSA"),
            (true, true, true, true, "UTF8SMTPSA"),
        ];
        for (esmtp, tls, user, utf8, expected) in cases {
            let peer = Peer { esmtp, tls, user: user.then(|| "jan".into()), ..peer() };
            assert_eq!(protocol(&peer, utf8), expected);
        }
    }

    #[test]
    fn every_stamp_must_be_a_tenants() {
        let tenants: [&[&str]; 2] = [&[], &["one.example", "Two.example"]];
        let cases: [(&[&str], bool, bool); 5] = [
            (&[], true, false),
            (&["one.example"], true, true),
            (&[" ONE.example ", "two.example"], true, true),
            (&["one.example", "other.example"], true, false),
            (&["other.example"], true, false),
        ];
        for (stamps, free, bound) in cases {
            let facts = HeaderFacts {
                originator_orgs: stamps.iter().map(|s| (*s).to_owned()).collect(),
                ..HeaderFacts::default()
            };
            for (tenants, expected) in tenants.iter().zip([free, bound]) {
                let peer = Peer { tenants: tenants.iter().map(|t| (*t).to_owned()).collect(), ..peer() };
                assert_eq!(check(&facts, &peer, 50).is_ok(), expected, "{stamps:?} {tenants:?}");
            }
        }
    }

    #[test]
    fn a_user_sends_in_their_own_name() {
        let patterns = ["jan@example.nl", "example.org"].map(|text| text.parse().unwrap());
        let user = Peer { user: Some("jan".into()), senders: patterns.into(), ..peer() };
        let cases = [
            ("From: jan@example.nl\r\n", true),
            ("From: JAN@Example.NL\r\n", true),
            ("From: Jan <piet@example.org>\r\n", true),
            ("From: piet@example.nl\r\n", false),
            ("From: jan@example.nl, piet@example.nl\r\n", false),
            ("From: jan@example.nl\r\nFrom: piet@example.nl\r\n", false),
            ("From: jan@example.nl\r\nFrom: jan@example.nl\r\n", false),
            ("From: nobody\r\n", false),
            ("Subject: x\r\n", false),
        ];
        for (header, expected) in cases {
            let facts = HeaderBlock::new(header.as_bytes()).facts(&[]);
            assert_eq!(check_user(&facts, &user).is_ok(), expected, "{header}");
            assert!(check_user(&facts, &peer()).is_ok(), "{header}");
        }
        for (path, expected) in
            [("", true), ("jan@example.nl", true), ("a@example.org", true), ("piet@example.nl", false)]
        {
            let from = MailFrom { path: path.parse().ok(), params: Vec::new() };
            assert_eq!(check_sender(&from, &user).is_ok(), expected, "{path}");
        }
    }

    #[test]
    fn a_mail_that_goes_round_is_refused() {
        let facts = |received| HeaderFacts { received, ..HeaderFacts::default() };
        assert_eq!(check(&facts(50), &peer(), 50), Ok(()));
        assert_eq!(check(&facts(51), &peer(), 50).unwrap_err().code(), 554);
    }

    #[test]
    fn senders_lie_in_the_listeners_domains() {
        let bound = Peer { sender_domains: domains(&["example.nl"]), ..peer() };
        let cases = [
            ("", true),
            ("jan@example.nl", true),
            ("jan@EXAMPLE.nl", true),
            ("jan@mail.example.nl", false),
            ("jan@example.org", false),
        ];
        for (path, expected) in cases {
            let from = MailFrom { path: path.parse().ok(), params: Vec::new() };
            assert_eq!(check_sender(&from, &bound).is_ok(), expected, "{path}");
            assert!(check_sender(&from, &peer()).is_ok(), "{path}");
            let from = from.path.into_iter().map(|address| (String::new(), address)).collect();
            let facts = HeaderFacts { from, ..HeaderFacts::default() };
            assert_eq!(check_author(&facts, &bound).is_ok(), expected, "{path}");
            assert!(check_author(&facts, &peer()).is_ok(), "{path}");
        }
    }
}
