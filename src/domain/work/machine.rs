//! The work on one target, as a state machine: what is to be done, who does it, and what becomes of it.
//!
//! **Invariant:** a revision that is not proved stays dirty; a lease ends only under its own token; what waits for a
//! decision is not leased; what was evaluated is evaluated for one revision only.
//!
//! Every function is given the work as it was, and `now`, and returns the work as it is from then on. Where something must
//! also be told, it returns a `Transition`.

use crate::clock::Moment;
use crate::domain::plan::priority::Priority;
use crate::domain::plan::step::Step;
use crate::domain::plan::termination::{LONGEST_WAIT, next_try};
use crate::domain::work::cause::Cause;
use crate::domain::work::run::{Lease, Release};
use std::borrow::Cow;
use std::time::Duration;

/// The bucket of work whose first call is not known yet.
pub const ANY_BUCKET: &str = "any";
/// The bucket of work that begins with reading the account.
pub const USER_READ: &str = "user_read";
/// Stands in the place of a bucket for a person who is to be searched for.
pub const SEARCH: &str = "search";
/// Why a person waits who is searched for.
pub const BEING_SOUGHT: &str = "no account is known: Okta is asked for one by anchor, login and email";
/// How long the call waits that Okta has refused twice in the same words, at least; doubled each time, up to the longest.
const REFUSED_AGAIN: Duration = Duration::from_secs(2);
/// The same of somebody who waits for somebody to mend it.
const WAITING_AGAIN: Duration = Duration::from_secs(30);
const LONGEST_REFUSED: Duration = Duration::from_secs(15 * 60);
/// When work is due that only a decision makes ready.
pub const NEVER: Moment = Moment::from_millis(i64::MAX / 1000);

/// Whether work can be leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Leased when it is due.
    Ready,
    /// Cannot go on until something changes; tried again when it is due.
    Quarantined,
    /// Everything else was done, or is tried again when it is due; what is left waits for a decision.
    Held,
}

impl State {
    /// The number in the store.
    pub const fn number(self) -> i64 {
        match self {
            State::Ready => 0,
            State::Quarantined => 1,
            State::Held => 2,
        }
    }

    /// The state of a stored number.
    pub const fn from_number(number: i64) -> Self {
        match number {
            0 => State::Ready,
            2 => State::Held,
            _ => State::Quarantined,
        }
    }
}

/// The work on one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Whether it can be leased.
    pub state: State,
    /// How urgent the most urgent part of it is.
    pub priority: Priority,
    /// Virtual deadline: the order of service.
    pub deadline: i64,
    /// The rate limit bucket of its first call, as far as it is known.
    pub bucket: Cow<'static, str>,
    /// Not leased before this.
    pub due_at: Moment,
    /// Since when there is something to do.
    pub dirty_at: Moment,
    /// The newest revision.
    pub dirty_rev: i64,
    /// The revision that Okta is proved to hold.
    pub done_rev: i64,
    /// The revision whose plan the safeguards have evaluated.
    pub evaluated: i64,
    /// Tries of this revision that failed.
    pub attempt: i64,
    /// The account is read before anything else.
    pub read_first: bool,
    /// Fencing token of the run that has it now.
    pub token: Option<i64>,
    /// What the last run, or what holds it, has to say to people.
    pub reason: Option<String>,
    /// When time alone changes what the profile means.
    pub changes_at: Option<Moment>,
    /// What made it dirty last: a word of `Cause`.
    pub cause: Cow<'static, str>,
}

/// Why a target becomes dirty, and how urgent that is.
#[derive(Clone, Copy, Debug)]
pub struct Dirt<'a> {
    /// How urgent this is by itself.
    pub priority: Priority,
    /// The rate limit bucket of the first call that follows, as far as it is known.
    pub bucket: &'a str,
    /// What it was.
    pub cause: Cause,
}

impl Dirt<'_> {
    /// Nothing of it is urgent by itself, and nobody knows which call comes first.
    pub const fn describe(cause: Cause) -> Self {
        Self { priority: Priority::Describe, bucket: ANY_BUCKET, cause }
    }
}

/// What must be told of a transition.
#[derive(Clone, Debug, PartialEq)]
pub enum Happened {
    /// Okta is proved to hold the revision of the lease.
    Done {
        /// What somebody has decided that Okta holds in place of what Namely says.
        decided: Option<String>,
        /// What stays to be known although it is done.
        remark: Option<String>,
        /// Since there was something to do, in milliseconds.
        took_ms: i64,
    },
    /// It waits until somebody changes something.
    Quarantined {
        /// What to change, and where.
        why: String,
    },
    /// All but `steps` was done.
    Withheld {
        /// What does not let it be done.
        why: String,
        /// What was left out, in its order.
        steps: Vec<Step>,
    },
}

/// What becomes of work, and what must be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The work from now on.
    pub work: Work,
    /// For the audit, in this order.
    pub events: Vec<Happened>,
}

impl Work {
    /// Something of the target has changed: one revision more, as urgent as the most urgent that is not done. It is ready at
    /// once, whatever it waited for.
    pub fn dirtied(before: Option<Work>, dirt: &Dirt, now: Moment) -> Work {
        let (priority, dirty_at) = match &before {
            Some(work) if work.is_dirty() => (dirt.priority.min(work.priority), work.dirty_at),
            _ => (dirt.priority, now),
        };
        let (dirty_rev, done_rev, evaluated) =
            before.as_ref().map_or((1, 0, 0), |work| (work.dirty_rev + 1, work.done_rev, work.evaluated));
        Work {
            state: State::Ready,
            priority,
            deadline: priority.deadline(dirty_at.millis()),
            bucket: dirt.bucket.to_owned().into(),
            due_at: now,
            dirty_at,
            dirty_rev,
            done_rev,
            evaluated,
            attempt: 0,
            read_first: before.as_ref().is_some_and(|work| work.read_first),
            token: before.as_ref().and_then(|work| work.token),
            reason: None,
            changes_at: before.and_then(|work| work.changes_at),
            cause: dirt.cause.as_str().into(),
        }
    }

    /// What is said with the mark that makes it dirty: the profile means something else at `changes_at`; `conflict` says why
    /// correlation could not decide: then the person is quarantined, unless something can be done all the same.
    #[must_use]
    pub fn expects(self, changes_at: Option<Moment>, conflict: Option<&str>, can_go_on: bool) -> Work {
        let state = if conflict.is_some() && !can_go_on { State::Quarantined } else { State::Ready };
        Work { state, changes_at, reason: conflict.map(str::to_owned), ..self }
    }

    /// Whether Okta is not yet proved to hold the newest revision.
    pub const fn is_dirty(&self) -> bool {
        self.dirty_rev > self.done_rev
    }

    /// Whether the safeguards have evaluated the newest revision.
    pub const fn is_evaluated(&self) -> bool {
        self.evaluated == self.dirty_rev
    }

    /// Whether a run may begin.
    pub fn is_claimable(&self, now: Moment) -> bool {
        self.is_dirty()
            && self.is_evaluated()
            && self.state == State::Ready
            && self.token.is_none()
            && self.due_at.millis() <= now.millis()
    }

    /// Whether the lease is the present one, whatever revision came meanwhile.
    pub fn is_under(&self, lease: Lease) -> bool {
        self.token == Some(lease.token)
    }

    /// Whether the revision of the lease is still the newest.
    pub const fn is_newest(&self, lease: Lease) -> bool {
        self.dirty_rev == lease.rev
    }

    /// The safeguards have evaluated the plan of this revision.
    #[must_use]
    pub fn evaluated(self, rev: i64) -> Work {
        Work { evaluated: rev, ..self }
    }

    /// What was evaluated does not count any more.
    #[must_use]
    pub fn unevaluated(self) -> Work {
        Work { evaluated: 0, ..self }
    }

    /// Whether the safeguards are to judge it now. What is to be evaluated anew is so when the run that goes by the old judgement
    /// has let go.
    pub const fn waits_for_evaluation(&self) -> bool {
        let is_ready = self.is_dirty() && matches!(self.state, State::Ready);
        is_ready && self.evaluated < self.dirty_rev && !(self.evaluated == 0 && self.token.is_some())
    }

    /// More is known than when it was evaluated: what is dirty is evaluated again, and what is held goes on.
    #[must_use]
    pub fn evaluated_anew(self, now: Moment) -> Work {
        if self.is_dirty() { self.decided(now).unevaluated() } else { self }
    }

    /// A run begins under this token; nothing if none may.
    pub fn leased(self, token: i64, now: Moment) -> Option<Work> {
        self.is_claimable(now).then_some(Work { token: Some(token), ..self })
    }

    /// Of a call of this run it is not known what it has done: the account is read before anything else.
    #[must_use]
    pub fn in_doubt(self, lease: Lease) -> Work {
        Work { read_first: self.read_first || self.is_under(lease), ..self }
    }

    /// A run has ended. `ended_at`: since when the person has left: then the next try is soon, however the run has ended. Under an
    /// old token nothing changes.
    pub fn released(self, lease: Lease, how: &Release, ended_at: Option<Moment>, now: Moment) -> Transition {
        let over = ended_at.is_some();
        if !self.is_under(lease) {
            return Transition { work: self, events: Vec::new() };
        }
        let is_newest = self.is_newest(lease);
        let freed = Work { token: None, state: State::Ready, bucket: ANY_BUCKET.into(), ..self };
        let (work, event) = match how {
            Release::Done { remark, decided, .. } => {
                // The end of access counts from the change that has ended it, whatever else waited by then.
                let since = ended_at.map_or(freed.dirty_at, |ended_at| ended_at.max(freed.dirty_at));
                let took_ms = now.millis() - since.millis();
                let done = Happened::Done { decided: decided.clone(), remark: remark.clone(), took_ms };
                (freed.done(lease.rev, remark.clone()), Some(done))
            }
            Release::Retry { at, why } => (freed.again(1, Some(why)).due(*at, over, now), None),
            Release::Wait { at, why } => (freed.again(0, Some(why)).due(*at, over, now), None),
            Release::ReadFirst { at, why } => {
                let work = freed.again(1, Some(why)).due(*at, over, now);
                (Work { bucket: USER_READ.into(), read_first: true, ..work }, None)
            }
            Release::ReadThen { at, why } => {
                let work = freed.again(0, Some(why)).due(*at, over, now);
                (Work { bucket: USER_READ.into(), read_first: true, ..work }, None)
            }
            Release::Search => {
                let work = freed.again(0, Some(BEING_SOUGHT)).due(now, over, now);
                (Work { bucket: SEARCH.into(), read_first: false, ..work }, None)
            }
            Release::Stale => (freed.again(0, None).due(now, over, now), None),
            Release::Yield { bucket, priority } => {
                let work = Work { bucket: (*bucket).into(), ..freed.again(0, None).due(now, over, now) };
                // What is left to do may be less urgent than what began it: a termination whose account is closed. A
                // revision that came meanwhile has its own urgency.
                let priority = if is_newest { *priority } else { work.priority };
                let deadline = if is_newest { priority.deadline(work.dirty_at.millis()) } else { work.deadline };
                (Work { priority, deadline, ..work }, None)
            }
            Release::Held { why, withheld, again } => {
                // Somebody who is tried again and again beside what is held is told of once.
                let is_reported = freed.attempt > 0 && again.is_some() && freed.reason.as_deref() == Some(why);
                let event = || Happened::Withheld { why: why.clone(), steps: withheld.clone() };
                let event = (!is_reported).then(event);
                let work = freed.again(i64::from(again.is_some()), Some(why));
                // Who is to be evaluated anew may be held for nothing.
                let work = match *again {
                    _ if !is_newest || work.evaluated == 0 => work.due(now, over, now),
                    None => work.held(),
                    Some(at) => Work { due_at: at, read_first: true, ..work.held() },
                };
                (work, event)
            }
            Release::Evaluate { at } => (freed.again(1, None).due(*at, over, now).unevaluated(), None),
            // It was read: what is planned next begins with what is known of it, and not with the same read.
            Release::Found { .. } => (Work { read_first: false, ..freed.again(1, None).due(now, over, now) }, None),
            Release::Quarantined { why, again, read_first, .. } => {
                // A person who is tried again and again for one reason is told of once.
                let is_reported = again.is_some() && freed.reason.as_deref() == Some(why);
                let event = (!is_reported).then(|| Happened::Quarantined { why: why.clone() });
                // A newer revision may be what the person was waiting for: then it is tried at once.
                let (state, at) =
                    if is_newest { (State::Quarantined, again.unwrap_or(NEVER)) } else { (State::Ready, now) };
                let (tries, read_first) = (i64::from(again.is_some()), *read_first || freed.read_first);
                let due_at = no_later(state, at, freed.attempt, over, now);
                // What is refused for the first time is no later try of what failed before it; a leaver's tries are counted together.
                let attempt = if over || freed.reason.as_deref() == Some(why) { freed.attempt } else { 0 };
                (Work { state, read_first, due_at, ..Work { attempt, ..freed }.again(tries, Some(why)) }, event)
            }
        };
        Transition { work, events: event.into_iter().collect() }
    }

    fn again(self, tries: i64, why: Option<&str>) -> Work {
        Work { attempt: self.attempt + tries, reason: why.map(str::to_owned), ..self }
    }

    fn due(self, at: Moment, over: bool, now: Moment) -> Work {
        Work { due_at: no_later(self.state, at, self.attempt, over, now), ..self }
    }

    fn held(self) -> Work {
        Work { state: State::Held, due_at: NEVER, ..self }
    }

    fn done(self, rev: i64, remark: Option<String>) -> Work {
        let done_rev = rev.min(self.dirty_rev).max(self.done_rev);
        let priority = if self.dirty_rev > done_rev { self.priority } else { Priority::Inspect };
        // What came meanwhile may have left something in doubt that this run has not read.
        let read_first = self.read_first && self.dirty_rev > done_rev;
        Work { done_rev, attempt: 0, read_first, reason: remark, priority, ..self }
    }

    /// The store could not read or write what a run needs: the account is read before anything else is written.
    #[must_use]
    pub fn refused(self, why: &str, again: Moment, over: bool, now: Moment) -> Work {
        let due_at = no_later(State::Quarantined, again, self.attempt, over, now);
        let work = self.again(1, Some(why));
        Work { token: None, state: State::Quarantined, due_at, read_first: true, ..work }
    }

    /// Somebody has decided about what is held: the plan is made again at once. A run that is under way goes by what was decided
    /// when it began: when it lets go, it is evaluated again.
    #[must_use]
    pub fn decided(self, now: Moment) -> Work {
        match self.state {
            State::Held => Work { state: State::Ready, due_at: now, ..self },
            _ if self.token.is_some() && self.is_dirty() => self.unevaluated(),
            _ => self,
        }
    }

    /// Okta has refused the same call in the same words so many `times` in a row: the next try waits twice as long each time. A
    /// leaver waits by their own rule alone.
    #[must_use]
    pub fn backed_off(self, times: i64, over: bool, now: Moment) -> Work {
        // Who waits for somebody and is tried now and then, also where something else keeps them in between.
        let first = match self.state {
            State::Ready => REFUSED_AGAIN,
            State::Quarantined if self.due_at.millis() < NEVER.millis() => WAITING_AGAIN,
            State::Quarantined | State::Held => return self,
        };
        if over || self.token.is_some() {
            return self;
        }
        let doublings = u32::try_from(times.clamp(1, 12) - 1).unwrap_or(0);
        let at = now + (first * (1 << doublings)).min(LONGEST_REFUSED);
        Work { due_at: self.due_at.max(at), ..self }
    }

    /// It is tried again at this moment, if it waits for somebody until a later one.
    #[must_use]
    pub fn sooner(self, at: Moment) -> Work {
        match self.state {
            State::Quarantined => Work { due_at: self.due_at.min(at), ..self },
            State::Ready | State::Held => self,
        }
    }

    /// What it waited for is there: tried again at once.
    #[must_use]
    pub fn answered(self, now: Moment) -> Work {
        match self.state {
            State::Quarantined => Work { state: State::Ready, due_at: now, attempt: 0, ..self },
            State::Ready | State::Held => self,
        }
    }

    /// It waits for somebody, and is due: tried again.
    #[must_use]
    pub fn woken(self, now: Moment) -> Work {
        let is_due = self.state != State::Ready && self.due_at.millis() <= now.millis();
        if is_due { Work { state: State::Ready, ..self } } else { self }
    }

    /// The service starts: no run of before goes on, and what waited is tried once more: the reason may be gone, and finding
    /// out costs no call by itself. What is dirty is evaluated again under the safeguards of now.
    #[must_use]
    pub fn recovered(self, now: Moment) -> Work {
        Work { token: None, ..self.rules_exchanged(now) }
    }

    /// Other rules hold: what waits may have waited for exactly this, and what is dirty is evaluated again.
    #[must_use]
    pub fn rules_exchanged(self, now: Moment) -> Work {
        let due_at = if self.state == State::Ready { self.due_at } else { now };
        let evaluated = if self.is_dirty() { 0 } else { self.evaluated };
        Work { state: State::Ready, due_at, evaluated, ..self }
    }

    /// A call of a run of before has no outcome: the account is read before anything else.
    #[must_use]
    pub fn unanswered(self, now: Moment) -> Work {
        Work { read_first: true, bucket: USER_READ.into(), due_at: now, ..self }
    }

    /// A call of a while ago was never answered, and may have landed since: the account is read before anything else.
    #[must_use]
    pub fn read_again(self) -> Work {
        Work { read_first: true, ..self }
    }

    /// Nothing is to be done, and something is to be known.
    #[must_use]
    pub fn remarked(self, why: String) -> Work {
        if self.is_dirty() {
            return self;
        }
        let reason = self.reason.iter().cloned().chain([why]).collect::<Vec<_>>().join("; ");
        Work { reason: Some(reason), ..self }
    }

    /// The calendar was set back: what is due moves with it.
    #[must_use]
    pub fn set_back(self, back: Duration) -> Work {
        if self.is_dirty() { Work { due_at: self.due_at - back, ..self } } else { self }
    }

    /// Nothing begins before the report of the tenant is accepted.
    #[must_use]
    pub fn parked(self, why: &str) -> Work {
        let is_new = self.is_dirty() && self.evaluated < self.dirty_rev;
        if is_new && self.state == State::Ready && self.token.is_none() {
            return Work { reason: Some(why.to_owned()), ..self.held() };
        }
        self
    }

    /// The report of the tenant was accepted.
    #[must_use]
    pub fn unparked(self, now: Moment) -> Work {
        if self.state == State::Held { Work { reason: None, ..self.decided(now).unevaluated() } } else { self }
    }

    /// The target was taken apart: its run has no lease any more, and what was evaluated of the whole is over.
    #[must_use]
    pub fn taken_apart(self) -> Work {
        Work { token: None, ..self.unevaluated() }
    }

    /// Another target was found to be the same person, and is part of this one now, which becomes dirty with it.
    #[must_use]
    pub fn joined(self) -> Work {
        Work { state: State::Ready, ..self.taken_apart() }
    }

    /// The target is part of another one now: nothing is left to do for it.
    #[must_use]
    pub fn absorbed(self) -> Work {
        Work { token: None, state: State::Ready, done_rev: self.dirty_rev, changes_at: None, ..self }
    }

    /// It is proved, or known meanwhile, that nobody has to be searched for: the plan says what follows.
    #[must_use]
    pub fn covered(self) -> Work {
        if self.bucket == SEARCH { Work { bucket: ANY_BUCKET.into(), ..self } } else { self }
    }

    /// Whether this revision still waits for a search.
    pub fn is_sought(&self, rev: i64) -> bool {
        self.dirty_rev == rev && self.bucket == SEARCH && self.token.is_none()
    }

    /// The search is tried (again) at this time, for this reason.
    #[must_use]
    pub fn sought(self, tries: i64, at: Moment, why: &str) -> Work {
        Work { due_at: at, ..self.again(tries, Some(why)) }
    }

    /// The search has found nobody: the plan is made without an account.
    #[must_use]
    pub fn not_found(self, now: Moment) -> Work {
        Work { bucket: ANY_BUCKET.into(), due_at: now, attempt: 0, reason: None, ..self }
    }
}

/// When work is due that would be due `at` a time. A leaver waits by one rule, whatever has ended the run, also what no plan
/// has decided; only what waits for a decision has no time.
pub fn no_later(state: State, at: Moment, attempt: i64, over: bool, now: Moment) -> Moment {
    if !over || at == NEVER || at <= now + next_try(0) {
        return at;
    }
    let longest = if state == State::Quarantined { next_try(attempt) } else { LONGEST_WAIT };
    at.min(now + longest)
}

#[cfg(test)]
#[path = "machine_tests.rs"]
pub(crate) mod tests;
