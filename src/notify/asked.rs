//! What a recipient asks for on the page, told to the sender.

use crate::base::{GrantId, JobId};
use crate::store::records::{Proof, Wish};
use crate::store::retention::Ending;
use crate::text::mail::{Asked, Wanted};

use super::draft::{Desk, Draft, NoMail, Which, never, visible};

impl Desk<'_> {
    /// The mail about a message that can be opened.
    pub(super) async fn asked(&self, job: JobId, grant: GrantId, wish: Wish) -> Result<Draft, NoMail> {
        let view = self.view(grant).await?;
        let phone = self.store.phone(view.grant.contact).await?;
        let number = phone.map(|phone| format!("*******{}", phone.end())).unwrap_or_default();
        let (strict, proof) = (view.grant.strict.is_some(), view.contact.proof);
        let wanted = match wish {
            Wish::OtherNumber if number.is_empty() => {
                return Err(never("the contact has no telephone number any more"));
            }
            Wish::OtherNumber => Wanted::OtherNumber(&number),
            Wish::Code if proof == Proof::Mail => Wanted::NoMail,
            Wish::Code => Wanted::Code { strict },
            Wish::OtherProof => match proof {
                Proof::Sms => Wanted::CodeForSms,
                Proof::Mail => Wanted::CodeForMail,
                Proof::Code | Proof::StrictCode => Wanted::SmsForCode,
            },
            Wish::Again => return Err(never("the message is not gone")),
        };
        self.about(job, grant, |desk, view, about| {
            let from = visible(&view.conversation.sender.address);
            Asked { about, from: &from, wanted }.write(desk.texts, desk.settings.language)
        })
        .await
    }

    /// The mail about one that is gone.
    pub(super) async fn asked_again(&self, job: JobId, grant: GrantId) -> Result<Draft, NoMail> {
        let gone = self.store.again_of(grant).await?;
        let gone = gone.ok_or_else(|| never("nothing is known of the message any more"))?;
        let which = Which {
            sender: &gone.sender,
            recipient: (&gone.contact.name, &gone.contact.address),
            sent: gone.created,
            reference: &gone.reference,
        };
        self.about_which(job, grant, which, |about| {
            let wanted = Wanted::Again { recalled: gone.why != Ending::Expired };
            Asked { about, from: &visible(&gone.sender.address), wanted }.write(self.texts, self.settings.language)
        })
    }
}
