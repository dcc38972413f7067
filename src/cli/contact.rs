//! `zegel contact`: what a sender, or the organisation, knows of a recipient.

use std::process::ExitCode;

use clap::Subcommand;

use super::{Asking, ask};
use crate::daemon::contacts::{ContactRequest, Settable};
use crate::daemon::operate::Request;

/// Commands about contacts.
#[derive(Debug, Subcommand)]
pub enum Contact {
    /// Set how a recipient proves who they are, and what is known of them. A new number or proof ends their open sessions and
    /// the codes that are on their way.
    #[command(
        after_help = "Example:\n  zegel contact set jan@example.nl --sms 0612345678 --sender a.jansen@voorbeeld.nl\n  \
                            zegel contact set jan@example.nl --code --hint 'your client number'"
    )]
    Set {
        #[command(flatten)]
        to: Asking,
        /// The recipient's address.
        address: String,
        /// For this sender only; without it for every sender who has no contact of their own.
        #[arg(long, value_name = "ADDRESS")]
        sender: Option<String>,
        /// A code by SMS to this mobile number.
        #[arg(long, value_name = "NUMBER", conflicts_with = "code")]
        sms: Option<String>,
        /// An access code; a new one is made and mailed to the sender where there is none.
        #[arg(long)]
        code: bool,
        /// A hint to the access code, shown on the page.
        #[arg(long)]
        hint: Option<String>,
        /// The language of mails and pages: nl or en.
        #[arg(long)]
        language: Option<String>,
        /// The name that mails greet with.
        #[arg(long)]
        name: Option<String>,
    },
    /// Show what is known of a recipient, by each sender and by the organisation. Numbers are masked.
    #[command(after_help = "Example:\n  zegel contact show jan@example.nl --json")]
    Show {
        #[command(flatten)]
        to: Asking,
        /// The recipient's address.
        address: String,
        /// By this sender only.
        #[arg(long, value_name = "ADDRESS")]
        sender: Option<String>,
    },
    /// List contacts.
    #[command(after_help = "Example:\n  zegel contact list --sender a.jansen@voorbeeld.nl")]
    List {
        #[command(flatten)]
        to: Asking,
        /// Of this sender only.
        #[arg(long, value_name = "ADDRESS")]
        sender: Option<String>,
    },
    /// Remove a contact that no message needs any more.
    #[command(after_help = "Example:\n  zegel contact remove jan@example.nl --sender a.jansen@voorbeeld.nl")]
    Remove {
        #[command(flatten)]
        to: Asking,
        /// The recipient's address.
        address: String,
        /// The sender's; without it the organisation's own.
        #[arg(long, value_name = "ADDRESS")]
        sender: Option<String>,
    },
    /// Erase all that is kept about an address: what it sent and received, its contacts, codes, links, sessions and jobs.
    /// This cannot be undone.
    #[command(after_help = "Example:\n  zegel contact erase jan@example.nl")]
    Erase {
        #[command(flatten)]
        to: Asking,
        /// The address.
        address: String,
    },
    /// Make a new access code for a recipient; the sender gets it by mail, the old one no longer works.
    #[command(after_help = "Example:\n  zegel contact new-code jan@example.nl --sender a.jansen@voorbeeld.nl")]
    NewCode {
        #[command(flatten)]
        to: Asking,
        /// The recipient's address.
        recipient: String,
        /// The sender's address, when several senders have this recipient.
        #[arg(long)]
        sender: Option<String>,
    },
}

impl Contact {
    /// Runs it.
    pub async fn run(self) -> ExitCode {
        let about = |request| Request::Contact { request };
        match self {
            Self::Set { to, address, sender, sms, code, hint, language, name } => {
                let set = Settable { sms, code, hint, language, name };
                ask::ask(&to, about(ContactRequest::Set { address, sender, set })).await
            }
            Self::Show { to, address, sender } => ask::ask(&to, about(ContactRequest::Show { address, sender })).await,
            Self::List { to, sender } => ask::ask(&to, about(ContactRequest::List { sender })).await,
            Self::Remove { to, address, sender } => {
                ask::ask(&to, about(ContactRequest::Remove { address, sender })).await
            }
            Self::Erase { to, address } => ask::ask(&to, Request::ContactErase { address }).await,
            Self::NewCode { to, recipient, sender } => {
                ask::ask(&to, Request::ContactNewCode { recipient, sender }).await
            }
        }
    }
}
