//! The demo's next hop and its mailbox page: every mail for every address is taken over loopback SMTP, kept in memory, and
//! shown on a small page, so that a newcomer sees what would arrive at each mailbox.
//!
//! Loopback only, since the mails bring links and codes: any other address is refused, and so is a page request whose `Host`
//! is not this machine (a name that resolves to loopback must not let another site read the page).

mod page;
mod shelf;
mod smtp;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::sms::Screen;
pub use shelf::{Mail, View};

/// Where the mailbox listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// The next hop.
    pub smtp: SocketAddr,
    /// The page, plain HTTP.
    pub http: SocketAddr,
}

/// A running mailbox. Dropped without [`stop`](Self::stop), it stops at once.
#[derive(Debug)]
pub struct Mailbox {
    addresses: Addresses,
    shelf: Arc<shelf::Shelf>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Binds both sockets (port 0: the system chooses) and serves until stopped.
///
/// # Errors
/// An address that is not loopback, or one that cannot be bound.
pub async fn start(smtp: SocketAddr, http: SocketAddr) -> io::Result<Mailbox> {
    if !smtp.ip().is_loopback() || !http.ip().is_loopback() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the demo's mailbox listens on loopback only"));
    }
    let smtp = TcpListener::bind(smtp).await?;
    let http = TcpListener::bind(http).await?;
    let addresses = Addresses { smtp: smtp.local_addr()?, http: http.local_addr()? };
    let (shelf, tasks, stop) = (Arc::new(shelf::Shelf::default()), TaskTracker::new(), CancellationToken::new());
    tasks.spawn(smtp::serve(smtp, Arc::clone(&shelf), stop.clone()));
    tasks.spawn(page::serve(http, Arc::clone(&shelf), stop.clone()));
    tasks.close();
    Ok(Mailbox { addresses, shelf, tasks, stop })
}

impl Mailbox {
    /// The addresses bound.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The mails kept, oldest first.
    #[must_use]
    pub fn mails(&self) -> Vec<Arc<Mail>> {
        self.shelf.mails()
    }

    /// The first mail that `wanted` accepts, as soon as it is here.
    pub async fn wait_for(&self, wanted: impl Fn(&Mail) -> bool) -> Arc<Mail> {
        self.shelf.wait_for(wanted).await
    }

    /// Each address that mail came for, in lower case, with the number of its mails.
    #[must_use]
    pub fn mailboxes(&self) -> BTreeMap<String, usize> {
        self.shelf.mailboxes()
    }

    /// A telephone: its SMS appear beside the mails, under its number.
    #[must_use]
    pub fn phone(&self) -> Screen {
        let shelf = Arc::clone(&self.shelf);
        Screen(Arc::new(move |number, text| shelf.put(shelf::sms(number, text))))
    }

    /// Stops both servers and waits for them.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests;
