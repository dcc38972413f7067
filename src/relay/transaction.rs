//! One mail transaction, from MAIL to the reply to the dot: envelope, header block and verdicts, then the body to where it
//! belongs.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::Instrument;

use crate::intake::{Recipient, Sealing};
use crate::mail::dot::{Unstuffer, stuff};
use crate::mail::header::{HeaderBlock, HeaderFacts};
use crate::mail::{Address, MailFrom, RcptTo, Reply, answer_address};
use crate::policy::{Audience, EnvelopeFacts, Verdict};

use super::account::Account;
use super::budget::Share;
use super::collect::Collected;
use super::deliver::Delivery;
use super::header::{self, Trace};
use super::hop::HopSide;
use super::marker::Marker;
use super::outliving::Outliving;
use super::plan::{self, BeforeData, Plan, Standing};
use super::{Peer, Shared};

/// How long a connection to a next hop waits for a client in the middle of its envelope or before its body.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a next hop may keep a client waiting before its body is under way: a client waits five minutes for the answer to its RCPT
/// (RFC 5321 §4.5.3.2.3), and must not give a confidential mail up because of a hop that the mail does not need.
const ANSWER_WITHIN: Duration = Duration::from_mins(4);

/// Bytes that a recipient counts for: address, parameters, verdict.
const RECIPIENT: usize = 512;
/// Bytes that a mail counts for while it is sealed: a chunk of plain text, its ciphertext, and that on its way to the disk.
const SEALING: usize = 3 * 64 * 1024;
/// What of a smaller mail is in memory at the same time.
const COPIES: usize = 3;

/// One transaction, from MAIL to the reply to the dot. Dropped, it leaves nothing behind anywhere.
pub struct Transaction {
    shared: Arc<Shared>,
    peer: Peer,
    from: MailFrom,
    account: Account,
    plan: Plan,
    hop: Option<HopSide>,
    share: Share,
    /// Bytes of the share that recipients take.
    envelope: usize,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Envelope and first part of the body.
    Collecting(Collected),
    /// Decided: the rest streams.
    Streaming(Box<Delivery>),
    /// Refused: the rest is read and forgotten.
    Answered(Reply),
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Transaction {
    pub(super) fn new(shared: Arc<Shared>, peer: Peer, from: MailFrom, account: Account) -> Self {
        let stage = Stage::Collecting(Collected::default());
        let share = shared.budget.clone().share();
        Self { shared, peer, from, account, plan: Plan::default(), hop: None, share, envelope: 0, stage }
    }

    /// Its name in log and Received field.
    #[must_use]
    pub fn id(&self) -> &str {
        self.account.id()
    }

    /// Answers RCPT.
    pub async fn rcpt(&mut self, to: RcptTo) -> Reply {
        let reply = self.answer_rcpt(to).await;
        self.account.answered(&reply);
        reply
    }

    async fn answer_rcpt(&mut self, to: RcptTo) -> Reply {
        if !self.share.hold(self.envelope + RECIPIENT).await {
            return self.no_memory();
        }
        let reply = self.judge(to).await;
        if reply.is_positive() {
            self.envelope += RECIPIENT;
        }
        self.share.shrink_to(self.envelope);
        reply
    }

    async fn judge(&mut self, to: RcptTo) -> Reply {
        if self.shared.settings.answer_domain.as_ref().is_some_and(|domain| answer_address::is_one(&to.address, domain))
        {
            return no_answers();
        }
        let envelope =
            EnvelopeFacts { mail_from: self.from.path.as_ref(), recipient: &to.address, audience: Audience::default() };
        match self.shared.policy.early(&envelope) {
            Some(Verdict::Refuse(reply)) => {
                self.account.ruled_out();
                reply
            }
            Some(Verdict::Seal(terms)) => {
                if let Some(closed) = self.shared.intake.closed() {
                    tracing::warn!(mail = self.account.id(), "the store takes no new mail: recipient deferred");
                    return closed;
                }
                self.plan.add(to, Standing::Sealed(terms));
                accepted()
            }
            Some(Verdict::Pass) | None => self.forward(to).await,
        }
    }

    async fn forward(&mut self, to: RcptTo) -> Reply {
        let hop = self.shared.routes.of(self.from.path.as_ref().map(Address::domain), &to.address);
        let side = self.hop.get_or_insert_with(|| HopSide::new(hop.clone(), self.shared.parking.clone(), PATIENCE));
        if side.name() != hop.name() {
            return header::other_way();
        }
        if !self.plan.has_failed() {
            let asked = timeout(ANSWER_WITHIN, side.rcpt(&mut self.plan, &self.from, &to)).await;
            match asked.unwrap_or_else(|_| Err(plan::unreachable())) {
                Ok(reply) => {
                    if reply.is_positive() {
                        self.plan.add(to, Standing::Accepted);
                    }
                    return reply;
                }
                Err(failure) => self.plan.fail(failure),
            }
        }
        self.plan.add(to, Standing::Provisional);
        accepted()
    }

    /// Whether a recipient was accepted (provisionally or not), so that DATA may be answered with 354.
    #[must_use]
    pub fn has_recipients(&self) -> bool {
        !self.plan.is_empty()
    }

    /// Body bytes in wire form: whole or in parts, dot-stuffed, without the terminator, CRLF line ends only (the caller saw to that).
    /// Errors are remembered and answered at [`end`](Self::end); the caller goes on reading.
    pub async fn body(&mut self, wire: &[u8]) {
        self.account.received(wire.len());
        match &mut self.stage {
            Stage::Collecting(_) => self.collect(wire).await,
            Stage::Streaming(delivery) => delivery.write(wire).await,
            Stage::Answered(_) => {}
        }
    }

    /// More of the first part. Before the end of the header block nothing can be decided, so memory for it is waited for; behind it a lack
    /// of memory only means that the decision comes now.
    async fn collect(&mut self, wire: &[u8]) {
        let Stage::Collecting(collected) = &mut self.stage else { return };
        let settings = &self.shared.settings;
        let most = if collected.header().is_some() { settings.collect } else { settings.max_header };
        let (had, room) = (collected.room(0, most), collected.room(wire.len(), most));
        let wanted = self.share.held() + (room - had);
        if collected.header().is_none() && !self.share.hold(wanted).await {
            let answer = self.no_memory();
            return self.refuse(answer);
        }
        if !self.share.try_hold(wanted) {
            self.start(false).await;
            if let Stage::Streaming(delivery) = &mut self.stage {
                delivery.write(wire).await;
            }
            return;
        }
        collected.make_room(room);
        collected.push(wire);
        let enough = match collected.header() {
            Some(_) => collected.len() >= settings.collect,
            None => collected.len() > settings.max_header,
        };
        if enough {
            self.start(false).await;
        }
    }

    /// Nothing is kept any more; what still comes is read and forgotten.
    fn refuse(&mut self, answer: Reply) {
        if let Some(hop) = &mut self.hop {
            hop.leave();
        }
        tracing::info!(mail = self.account.id(), code = answer.code(), "refused");
        self.share.shrink_to(0);
        self.stage = Stage::Answered(answer);
    }

    fn no_memory(&self) -> Reply {
        tracing::warn!(mail = self.account.id(), "mails under way use all of mail.memory: deferred");
        Reply::new(452, "4.3.1 Too many mails at the same time; try again later")
    }

    /// The dot: the reply to the client, when everything that it promises is true.
    ///
    /// It runs to its end also when the caller stops waiting: a client that goes away after its dot changes nothing.
    pub async fn end(self) -> Reply {
        let shared = Arc::clone(&self.shared);
        let end = Outliving::new(self.finish().in_current_span(), &shared.ends);
        end.await.unwrap_or_else(|| Reply::new(451, "4.3.0 Something went wrong here; try again later"))
    }

    async fn finish(mut self) -> Reply {
        self.account.complete();
        if matches!(self.stage, Stage::Collecting(_)) {
            self.start(true).await;
        }
        let reply = match self.stage {
            Stage::Streaming(delivery) => Box::pin(delivery.finish(&self.shared.intake)).await,
            Stage::Answered(reply) => reply,
            Stage::Collecting(_) => unexpected(),
        };
        self.account.ended(&reply, self.hop.as_ref().map(HopSide::name));
        reply
    }

    /// RSET, a broken connection or a broken body: nothing is kept, the next hop sees no final dot.
    #[expect(clippy::unused_async, reason = "callers await it: leaving may come to need the store or the hop")]
    pub async fn abort(self) {
        // A delivery that streams closes its connection without the dot when it is dropped, and an open envelope is reset.
        drop(self);
    }

    /// From collecting to streaming, or to the refusal. `whole`: the mail is all there.
    async fn start(&mut self, whole: bool) {
        let Stage::Collecting(collected) = std::mem::replace(&mut self.stage, Stage::Answered(unexpected())) else {
            return;
        };
        let working = if whole { SEALING.min(COPIES * collected.len()) } else { SEALING };
        match self.decide(collected, working).await {
            Ok(delivery) => {
                self.share.shrink_to(self.envelope + if delivery.seals() { working } else { 0 });
                self.stage = Stage::Streaming(Box::new(delivery));
            }
            Err(answer) => self.refuse(answer),
        }
    }

    async fn decide(&mut self, collected: Collected, working: usize) -> Result<Delivery, Reply> {
        let (wire, end) = collected.finish();
        if end > self.shared.settings.max_header {
            return Err(header::too_large());
        }
        let (header_wire, rest) = wire.split_at_checked(end).unwrap_or((&wire, &[]));
        let mut unstuffer = Unstuffer::new();
        let mut raw = Vec::with_capacity(header_wire.len());
        unstuffer.push(header_wire, &mut raw);
        header::check_stamp(&HeaderBlock::new(&raw), &self.peer)?;
        let header_wire = match &self.peer.stamp {
            Some(stamp) => {
                raw = stamp.without(&HeaderBlock::new(&raw));
                Cow::Owned(stuffed(&raw))
            }
            None => Cow::Borrowed(header_wire),
        };
        let block = HeaderBlock::new(&raw);
        let facts = block.facts(&self.shared.policy.tags);

        header::check(&facts, &self.peer, self.shared.settings.max_received)?;
        header::check_user(&facts, &self.peer)?;
        let (policy, from) = (&self.shared.policy, self.from.path.as_ref());
        let audience = Audience::of(&policy.home, self.plan.addresses());
        let judged = self
            .plan
            .judge(|to| policy.decide(&EnvelopeFacts { mail_from: from, recipient: &to.address, audience }, &facts));
        self.account.judged(self.plan.passing().count(), self.plan.sealed().count());
        judged?;
        let marker = self.marker(&facts)?;
        let before = self.plan.before_data();
        if let BeforeData::Refuse(answer) = before {
            return Err(answer);
        }
        if self.plan.sealed().next().is_some() && !self.share.hold(self.share.held() + working).await {
            return Err(self.no_memory());
        }
        // Intake first: what it refuses has not touched the hop.
        let sealing = self.begin_sealing(&block, facts).await?;
        self.account.becomes(sealing.as_ref().map(Sealing::id));
        let outward = match (&mut self.hop, before) {
            (Some(hop), BeforeData::Go | BeforeData::Replay) => {
                let opened = timeout(ANSWER_WITHIN, hop.data(&mut self.plan, &self.from)).await;
                Some(opened.map_err(|_| plan::unreachable())??)
            }
            (Some(hop), _) => {
                hop.leave();
                None
            }
            (None, _) => None,
        };
        let mut delivery =
            Delivery::new(self.account.id().to_owned(), outward, sealing.map(|sealing| (sealing, unstuffer)));
        delivery.write_outward((self.received() + &marker).as_bytes()).await;
        delivery.write_outward(&header_wire).await;
        delivery.write(rest).await;
        Ok(delivery)
    }

    /// Our mark for what passes, or the end of a loop. What is sealed goes nowhere from here.
    fn marker(&self, facts: &HeaderFacts) -> Result<String, Reply> {
        let passing = self.plan.passing().map(|(_, to)| &to.address);
        let marker = Marker::of(facts, passing, |text| self.shared.intake.loop_hash(text));
        let comes_back = marker.is_on(facts) && self.plan.passing().next().is_some();
        if comes_back { Err(header::goes_round()) } else { Ok(marker.field()) }
    }

    /// Starts the sealed part, if there is one.
    async fn begin_sealing(&self, block: &HeaderBlock<'_>, facts: HeaderFacts) -> Result<Option<Sealing>, Reply> {
        let recipients: Vec<Recipient> = self
            .plan
            .sealed()
            .map(|(to, terms)| Recipient { address: to.address.clone(), terms: terms.clone() })
            .collect();
        if recipients.is_empty() {
            return Ok(None);
        }
        header::check_author(&facts, &self.peer)?;
        let identity = self.shared.policy.sender(&facts)?;
        let sealing = self
            .shared
            .intake
            .begin(identity, facts, recipients, &block.stored(&self.shared.policy.tags))
            .await
            .map_err(|error| {
                let reply = error.reply();
                if reply.code() < 500 {
                    tracing::warn!(mail = self.account.id(), %error, "a confidential mail could not be stored");
                } else {
                    tracing::info!(mail = self.account.id(), %error, "a confidential mail was refused");
                }
                reply
            })?;
        Ok(Some(sealing))
    }

    fn received(&self) -> String {
        let mut passing = self.plan.passing().map(|(_, to)| &to.address);
        let recipient = passing.next().filter(|_| passing.next().is_none()).map(Address::as_str);
        let trace = Trace {
            hostname: &self.shared.settings.hostname,
            id: self.account.id(),
            utf8: self.from.param("SMTPUTF8").is_some(),
            recipient,
            now: self.shared.clock.now(),
        };
        header::received(&self.peer, &trace)
    }
}

/// Header fields in wire form.
fn stuffed(raw: &[u8]) -> Vec<u8> {
    let mut wire = stuff(raw);
    wire.truncate(wire.len().saturating_sub(b".\r\n".len()));
    wire
}

fn accepted() -> Reply {
    Reply::new(250, "2.1.5 Recipient accepted")
}

/// Nothing to an answer address passes: it would leave in clear.
fn no_answers() -> Reply {
    Reply::lines(
        550,
        [
            "5.7.1 Zegel: answers to this address cannot be taken yet, and nothing was sent;",
            "5.7.1 write a new confidential mail to the recipient's own address instead",
        ],
    )
}

/// Stands where a caller went on after an end; nobody hears it unless the program is wrong.
fn unexpected() -> Reply {
    Reply::new(451, "4.3.0 Something went wrong here; try again later")
}
