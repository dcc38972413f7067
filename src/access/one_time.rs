//! May a one-time code go out now, by SMS or by mail, and may one be typed? Pure counting; the store makes it durable.
//!
//! The numbers are those of the design: a code of six digits lives ten minutes and takes five tries; it is sent again after a minute at the
//! earliest, and is the same one; three times an hour and six a day for one link and for one destination (a telephone number or a mailbox),
//! so many for one link in all, and a ceiling for the organisation, for each [`Way`] its own.
//!
//! What comes late must not be void because it was asked for once more: while a code lives, every SMS or mail brings that code, and its ten
//! minutes begin anew with each, up to half an hour after the first. Tries do not begin anew.
//!
//! It is counted before it is sent, so that no number of presses at the same moment sends more than the limits allow.

use std::time::Duration;

use crate::base::Timestamp;

/// What "a day" of these limits is: 24 hours, gliding.
const DAY: Duration = Duration::from_hours(24);

/// What "an hour" is.
const HOUR: Duration = Duration::from_hours(1);

/// A code that was sent again and again still ends this many lives after it was made.
const LIVES: u32 = 3;

/// How a one-time code travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To a telephone.
    Sms,
    /// To the recipient's own mailbox.
    Mail,
}

impl Way {
    /// Its name in metrics and the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Mail => "mail",
        }
    }
}

/// The limits on one-time codes; they hold for each [`Way`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a code holds after it was last sent.
    pub life: Duration,
    /// Wrong tries that it takes.
    pub tries: u32,
    /// From one sending to the next.
    pub pause: Duration,
    /// Times an hour for one link, and for one destination.
    pub per_hour: u32,
    /// The same in 24 hours.
    pub per_day: u32,
    /// Times for one link in all, until the sender unlocks it.
    pub per_link: u32,
    /// Times for the whole organisation in 24 hours.
    pub organisation: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            life: Duration::from_mins(10),
            tries: 5,
            pause: Duration::from_mins(1),
            per_hour: 3,
            per_day: 6,
            per_link: 30,
            organisation: 1000,
        }
    }
}

/// The life of one code: when it was made and last sent, and how often a wrong one was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub struct Code {
    #[n(0)]
    made: Timestamp,
    #[n(1)]
    sent: Timestamp,
    #[n(2)]
    wrong: u32,
}

impl Code {
    /// One that is made and sent now.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self { made: now, sent: now, wrong: 0 }
    }

    /// It goes out once more.
    pub const fn send_again(&mut self, now: Timestamp) {
        self.sent = now;
    }

    /// When it was last asked for.
    #[must_use]
    pub const fn sent(&self) -> Timestamp {
        self.sent
    }

    /// Until when it holds.
    #[must_use]
    pub fn until(&self, limits: &Limits) -> Timestamp {
        (self.sent + limits.life).min(self.made + limits.life * LIVES)
    }

    /// Tries that are left of it.
    #[must_use]
    pub const fn left(&self, limits: &Limits) -> u32 {
        limits.tries.saturating_sub(self.wrong)
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self, limits: &Limits, now: Timestamp) -> State {
        if self.left(limits) == 0 {
            State::Spent
        } else if now >= self.until(limits) {
            State::Expired
        } else {
            State::Alive
        }
    }

    /// Counts a try as wrong before the code is compared; the tries that are left if it is. `None`, and nothing is counted, when it holds no
    /// longer.
    pub fn admit(&mut self, limits: &Limits, now: Timestamp) -> Option<u32> {
        if self.state(limits, now) != State::Alive {
            return None;
        }
        self.wrong = self.wrong.saturating_add(1);
        Some(self.left(limits))
    }
}

/// How a code stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It opens the message.
    Alive,
    /// Its time is over.
    Expired,
    /// Too many wrong ones were typed in its place.
    Spent,
}

/// What went out for one link, or to one destination: when within the last day, and how often in all. Bounded by [`Limits::per_day`].
#[derive(Debug, Clone, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub struct Sends {
    #[n(0)]
    at: Vec<Timestamp>,
    #[n(1)]
    all: u32,
}

impl Sends {
    /// Whether nothing of the last day is counted here.
    #[must_use]
    pub fn is_old(&self, now: Timestamp) -> bool {
        self.at.iter().all(|at| now.since(*at) >= DAY)
    }

    /// How many in all.
    #[must_use]
    pub const fn all(&self) -> u32 {
        self.all
    }

    fn count(&mut self, now: Timestamp) {
        self.at.retain(|at| now.since(*at) < DAY);
        self.at.push(now);
        self.all = self.all.saturating_add(1);
    }

    /// Until when the hour and the day allow no more; `None` when they do.
    fn full_until(&self, limits: &Limits, now: Timestamp) -> Option<Timestamp> {
        let until = |most: u32, span: Duration| {
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            let within: Vec<_> = self.at.iter().filter(|at| now.since(**at) < span).collect();
            // Free again when all but `most - 1` of them have left.
            let last = within.len().checked_sub(most)?;
            within.get(last).map(|at| **at + span).or(Some(now + span))
        };
        until(limits.per_hour, HOUR).max(until(limits.per_day, DAY))
    }
}

/// What went out for the whole organisation in the 24 hours that began with the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
pub struct Organisation {
    #[n(0)]
    since: Timestamp,
    #[n(1)]
    count: u32,
}

impl Organisation {
    /// How many since then.
    #[must_use]
    pub fn count(&self, now: Timestamp) -> u32 {
        if now.since(self.since) >= DAY { 0 } else { self.count }
    }

    /// Counts one; whether it is the last that the ceiling allows.
    fn add(&mut self, limits: &Limits, now: Timestamp) -> bool {
        if now.since(self.since) >= DAY {
            *self = Self { since: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count == limits.organisation
    }
}

/// The answer to "send me the code".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// It goes out, and is counted.
    Send {
        /// With a new code; else with the one that lives.
        anew: bool,
        /// It is the last one that the organisation's ceiling allows: somebody must hear of it.
        alarm: bool,
    },
    /// One went out to there a moment ago: not before this.
    Wait(Timestamp),
    /// Too many for this link or destination: not before this.
    Full(Timestamp),
    /// So many for this link that no more go out until the sender unlocks it.
    Over,
    /// The organisation's ceiling is reached.
    Ceiling,
}

/// Everything that a sending is counted under.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// Those of the link.
    pub link: Sends,
    /// Those to the number or mailbox.
    pub destination: Sends,
    /// Those of the organisation by this way.
    pub organisation: Organisation,
}

impl Counts {
    /// Counts a sending before it begins, or says why there is none. A refused one counts nothing.
    pub fn ask(&mut self, code: Option<&Code>, limits: &Limits, now: Timestamp) -> Asking {
        let just = |sends: &Sends| sends.at.last().copied().filter(|last| now.since(*last) < limits.pause);
        // What went elsewhere, before number or proof changed, brings nobody a code here.
        if let Some(last) = just(&self.link).filter(|_| just(&self.destination).is_some()) {
            return Asking::Wait(last + limits.pause);
        }
        if self.link.all >= limits.per_link {
            return Asking::Over;
        }
        if let Some(until) = self.link.full_until(limits, now).max(self.destination.full_until(limits, now)) {
            return Asking::Full(until);
        }
        if self.organisation.count(now) >= limits.organisation {
            return Asking::Ceiling;
        }
        self.link.count(now);
        self.destination.count(now);
        let alarm = self.organisation.add(limits, now);
        Asking::Send { anew: code.is_none_or(|code| code.state(limits, now) != State::Alive), alarm }
    }

    /// What [`ask`](Self::ask) would answer, without counting anything: for the page before a press.
    #[must_use]
    pub fn peek(&self, code: Option<&Code>, limits: &Limits, now: Timestamp) -> Asking {
        self.clone().ask(code, limits, now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: u64 = 1_800_000_000;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_secs(START + second)
    }

    const NEW: Asking = Asking::Send { anew: true, alarm: false };
    const SAME: Asking = Asking::Send { anew: false, alarm: false };

    /// Asks for the code at these seconds and answers what was said each time.
    fn play(seconds: &[u64], limits: &Limits) -> Vec<Asking> {
        let (mut counts, mut code) = (Counts::default(), None::<Code>);
        let ask = |second: &u64| {
            let now = at(*second);
            let promised = counts.peek(code.as_ref(), limits, now);
            let said = counts.ask(code.as_ref(), limits, now);
            assert_eq!(said, promised, "at {second}");
            match said {
                Asking::Send { anew: true, .. } => code = Some(Code::new(now)),
                Asking::Send { anew: false, .. } => code.as_mut().unwrap().send_again(now),
                _ => {}
            }
            said
        };
        seconds.iter().map(ask).collect()
    }

    #[test]
    fn a_new_destination_does_not_wait_for_what_went_to_the_one_before() {
        let limits = Limits::default();
        let mut counts = Counts::default();
        assert_eq!(counts.ask(None, &limits, at(0)), NEW);
        assert_eq!(counts.ask(None, &limits, at(1)), Asking::Wait(at(60)));
        counts.destination = Sends::default();
        assert_eq!(counts.ask(None, &limits, at(2)), NEW);
        assert_eq!(counts.ask(None, &limits, at(3)), Asking::Wait(at(62)));
        // What another link sent there says nothing about this one.
        counts.link = Sends::default();
        assert_eq!(counts.ask(None, &limits, at(4)), NEW);
    }

    #[test]
    fn when_an_sms_goes_out() {
        const MINUTE: u64 = 60;
        let wait = |second| Asking::Wait(at(second));
        let full = |second| Asking::Full(at(second));
        let loose = Limits { per_hour: 100, per_day: 100, ..Limits::default() };
        let usual = Limits::default();
        let few = Limits { per_link: 2, ..usual };
        let cases: &[(&str, &Limits, &[u64], &[Asking])] = &[
            ("the first", &usual, &[0], &[NEW]),
            ("within a minute none, after it the same code", &usual, &[0, 0, 59, 60], &[NEW, wait(60), wait(60), SAME]),
            ("a refused press starts no new minute", &usual, &[0, 30, 60, 119], &[NEW, wait(60), SAME, wait(120)]),
            ("three an hour", &usual, &[0, 60, 120, 180, 3599, 3600], &[NEW, SAME, SAME, full(3600), full(3600), NEW]),
            (
                "six a day",
                &usual,
                &[0, 3600, 7200, 10_800, 14_400, 18_000, 21_600, 86_399, 86_400],
                &[NEW, NEW, NEW, NEW, NEW, NEW, full(86_400), full(86_400), NEW],
            ),
            ("an expired code is made anew", &loose, &[0, 600], &[NEW, NEW]),
            ("each SMS gives ten minutes more", &loose, &[0, 9 * MINUTE, 18 * MINUTE], &[NEW, SAME, SAME]),
            (
                "up to half an hour in all",
                &loose,
                &[0, 9 * MINUTE, 18 * MINUTE, 27 * MINUTE, 30 * MINUTE],
                &[NEW, SAME, SAME, SAME, NEW],
            ),
            ("so many for one link", &few, &[0, 60, 200_000], &[NEW, SAME, Asking::Over]),
        ];
        for (what, limits, seconds, expected) in cases {
            assert_eq!(play(seconds, limits), *expected, "{what}");
        }
    }

    #[test]
    fn a_number_counts_over_all_its_links_and_the_organisation_over_all_numbers() {
        let limits = Limits { organisation: 5, ..Limits::default() };
        let (mut number, mut organisation) = (Sends::default(), Organisation::default());
        let mut said = Vec::new();
        // Four links to one number, then links to other numbers.
        for n in 0..8 {
            let own = Sends::default();
            let to = if n < 4 { number.clone() } else { Sends::default() };
            let mut counts = Counts { link: own, destination: to, organisation };
            said.push(counts.ask(None, &limits, at(n)));
            organisation = counts.organisation;
            if n < 4 {
                number = counts.destination;
            }
        }
        let last = Asking::Send { anew: true, alarm: true };
        assert_eq!(
            said,
            [NEW, NEW, NEW, Asking::Full(at(3600)), NEW, last, Asking::Ceiling, Asking::Ceiling],
            "the alarm is raised once, by the last that goes out"
        );
        let mut counts = Counts { organisation, ..Counts::default() };
        assert_eq!(counts.ask(None, &limits, at(86_400)), NEW, "the next day");
        assert_eq!(counts.organisation.count(at(86_400)), 1);
    }

    #[test]
    fn tries_of_a_code() {
        let limits = Limits::default();
        // second of each try, tries left after the last one
        let cases: &[(&str, &[u64], Option<u32>, State)] = &[
            ("the first", &[0], Some(4), State::Alive),
            ("the last", &[0, 1, 2, 3, 4], Some(0), State::Spent),
            ("one more", &[0, 1, 2, 3, 4, 5], None, State::Spent),
            ("in the last second", &[599], Some(4), State::Alive),
            ("too late", &[600], None, State::Expired),
        ];
        for (what, seconds, left, state) in cases {
            let mut code = Code::new(at(0));
            let last = seconds.iter().map(|second| code.admit(&limits, at(*second))).last().unwrap();
            assert_eq!((last, code.state(&limits, at(*seconds.last().unwrap()))), (*left, *state), "{what}");
        }
        let mut code = Code::new(at(0));
        code.admit(&limits, at(1));
        code.send_again(at(500));
        assert_eq!((code.left(&limits), code.until(&limits)), (4, at(1100)), "an SMS gives time and no tries");
    }

    proptest! {
        #[test]
        fn no_sequence_of_presses_sends_more_than_the_limits(steps in prop::collection::vec(0_u64..4000, 1..200)) {
            let limits = Limits::default();
            let mut second = 0;
            let seconds: Vec<u64> = steps.iter().map(|step| { second += step; second }).collect();
            let said = play(&seconds, &limits);
            let sent: Vec<u64> = seconds.iter().zip(&said)
                .filter(|(_, said)| matches!(said, Asking::Send { .. })).map(|(second, _)| *second).collect();
            for (i, from) in sent.iter().enumerate() {
                let within = |span: u64| sent.iter().skip(i).filter(|s| **s < from + span).count();
                prop_assert!(within(60) == 1 && within(3600) <= 3 && within(86_400) <= 6);
            }
            prop_assert!(sent.len() <= 30);
        }
    }
}
