//! Which next hop a mail goes to: for ordinary mail that passes, and for notices that we send.

use crate::mail::{Address, Domain};

use super::NextHop;

/// A next hop for some mail.
#[derive(Debug, Clone)]
pub struct Route {
    /// Domains of senders; empty: any, and the null sender too.
    pub senders: Vec<Domain>,
    /// Domains of recipients; empty: any.
    pub recipients: Vec<Domain>,
    /// Where such mail goes.
    pub hop: NextHop,
}

/// Which next hop takes which mail. The route that says more of a mail goes before one that says less: first those that name its
/// sender's and its recipient's domain, then the recipient's, then the sender's, then the default.
#[derive(Debug, Clone)]
pub struct Routes {
    routes: Vec<Route>,
    default: NextHop,
}

impl Routes {
    /// Everything to one hop.
    #[must_use]
    pub const fn all_to(default: NextHop) -> Self {
        Self { routes: Vec::new(), default }
    }

    /// And some mail elsewhere. Of two routes that say the same of a mail the first counts; a route that names no domain, none.
    #[must_use]
    pub fn and(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// The hop for a mail. `sender`: its domain, `None` for the null sender.
    #[must_use]
    pub fn of(&self, sender: Option<&Domain>, recipient: &Address) -> &NextHop {
        let mut best = (0, &self.default);
        for route in &self.routes {
            let rank = rank(route, sender, recipient.domain());
            if rank > best.0 {
                best = (rank, &route.hop);
            }
        }
        best.1
    }

    /// All of them, the default first.
    pub fn hops(&self) -> impl Iterator<Item = &NextHop> {
        std::iter::once(&self.default).chain(self.routes.iter().map(|route| &route.hop))
    }
}

/// How much a route says of a mail; 0: it is not for it.
fn rank(route: &Route, sender: Option<&Domain>, recipient: &Domain) -> u8 {
    let by_sender = sender.is_some_and(|sender| route.senders.contains(sender));
    let by_recipient = route.recipients.contains(recipient);
    match (route.senders.is_empty(), route.recipients.is_empty()) {
        (false, false) if by_sender && by_recipient => 3,
        (true, false) if by_recipient => 2,
        (false, true) if by_sender => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nexthop::{Host, Settings, Tls};

    fn hop(name: &str) -> NextHop {
        let host = Host { name: "127.0.0.1".to_owned(), port: 25 };
        NextHop::new(Settings { tls: Tls::Off, ..Settings::new(name, vec![host], "zegel.example") }).unwrap()
    }

    #[test]
    fn the_route_that_says_more_goes_first() {
        let domains = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let route = |senders: &[&str], recipients: &[&str], name: &str| Route {
            senders: domains(senders),
            recipients: domains(recipients),
            hop: hop(name),
        };
        let routes = Routes::all_to(hop("rest"))
            .and(route(&["s.example"], &[], "sender"))
            .and(route(&[], &["r.example", "other.example"], "recipient"))
            .and(route(&["s.example", "t.example"], &["r.example"], "both"))
            .and(route(&["s.example"], &[], "sender again"))
            .and(route(&[], &[], "nothing"));
        let cases = [
            (Some("s.example"), "r.example", "both"),
            (Some("T.example"), "R.example", "both"),
            (Some("s.example"), "other.example", "recipient"),
            (Some("u.example"), "r.example", "recipient"),
            (Some("s.example"), "elsewhere.example", "sender"),
            (Some("t.example"), "elsewhere.example", "rest"),
            (Some("sub.s.example"), "elsewhere.example", "rest"),
            (None, "r.example", "recipient"),
            (None, "elsewhere.example", "rest"),
        ];
        for (sender, recipient, expected) in cases {
            let domain: Option<Domain> = sender.map(|name| name.parse().unwrap());
            let address = format!("jan@{recipient}").parse().unwrap();
            assert_eq!(routes.of(domain.as_ref(), &address).name(), expected, "{sender:?} to {recipient}");
        }
        assert_eq!(routes.hops().count(), 6);
    }
}
