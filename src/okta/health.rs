//! When to stop calling, and when to try again: the org, its writes, or one of its counters, as a pure state machine.
//!
//! A pause is for what no single person is to blame for: refused credentials, an org that cannot be reached or is not
//! Okta, read-only mode, a missing scope or role. It ends by itself: after some time one call is let through, and its
//! answer decides.
//!
//! **Invariant:** while something is paused, at most one call at a time tries it, at growing intervals.

use super::bucket::Bucket;
use super::outcome::{Reply, is_okta, is_web_page, lacks_scope, scope_error};
use super::wire::ErrorBody;
use crate::clock::Moment;
use crate::domain::guard::alarm::Ailment;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// How long a pause lasts before the first try, the second, ...; the last one repeats.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(30),
];
/// Calls in a row without any answer after which the org counts as unreachable.
const SILENT: u32 = 8;
/// People for whom answers are odd, and none is as it should be in between, before that is the org's trouble.
const ODD_PEOPLE: usize = 2;
/// Stands for whoever a call is about that looks at one account and is for nobody: by itself it shows nothing of others.
pub const SOME_ACCOUNT: i64 = i64::MIN;
/// People in a row that a kind of call was not allowed for, after which it counts as not allowed at all.
const FORBIDDEN: usize = 5;
/// What was paused and begins anew within this goes on waiting where it had left off.
const RELAPSE: Duration = Duration::from_secs(300);
/// Who waits for a try that is under way looks again after this.
const TRY: Duration = Duration::from_secs(1);
/// Answers about somebody else among so many of the last replies, after which no answer of the org is believed.
const WRONG: usize = 5;
const LAST_REPLIES: u64 = 100;
/// Or about so many people within this.
const WRONG_PEOPLE: usize = 2;
const WRONG_WITHIN: Duration = Duration::from_secs(60);
/// How long writes wait at least before right answers let them go on.
const WRONG_PAUSES: &[Duration] = PAUSES.split_at(3).1;

/// What a reply says about the org rather than about the person.
#[derive(Clone, Debug, PartialEq)]
pub enum Symptom {
    /// Okta does its work.
    Healthy,
    /// Nothing can be told from it.
    Nothing,
    /// No token, or one that is not accepted.
    Credentials(String),
    /// No connection.
    Unreachable(String),
    /// A call went out and nothing came back.
    Silent(String),
    /// Somebody answered, but not Okta.
    NotOkta(String),
    /// Okta is being maintained (`E0000010`).
    ReadOnly(String),
    /// The token lacks a scope.
    Scope(String),
    /// Not allowed, for this person or at all (`E0000006`).
    Forbidden(String),
}

/// Reads the symptom from a reply.
pub fn symptom(reply: &Reply) -> Symptom {
    let answer = match reply {
        Reply::Answered(answer) => answer,
        Reply::Unauthorised(why) => return Symptom::Credentials(why.clone()),
        Reply::NotSent(why) => return Symptom::Unreachable(why.clone()),
        Reply::Lost(why) | Reply::GivenUp(why) => return Symptom::Silent(why.clone()),
    };
    let error = ErrorBody::read(&answer.body);
    let why = || format!("HTTP {} {}", answer.status, error.describe()).trim().to_owned();
    match (answer.status, error.code.as_str()) {
        (300..400, _) => Symptom::NotOkta(format!("{}, a redirect; is the org's URL right?", why())),
        (401, _) => Symptom::Credentials(format!("{}; is the token alive?", why())),
        (403, _) if lacks_scope(answer) => {
            Symptom::Scope(format!("HTTP {}, a scope is missing: {}", answer.status, scope_error(answer)))
        }
        (403, "E0000006") => Symptom::Forbidden(why()),
        (503, "E0000010") => Symptom::ReadOnly(why()),
        (429 | 500..600, _) => Symptom::Nothing,
        // One list that cannot be believed says nothing of what else the org does.
        (200..300, _) if answer.unusable().is_some() => Symptom::Nothing,
        (200..300, _) if is_web_page(answer) => {
            Symptom::NotOkta(format!("{}, a web page; is the org's URL right?", why()))
        }
        (400..500, "") if !is_okta(answer) => {
            Symptom::NotOkta(format!("{}, not an answer of Okta's; something stands in between", why()))
        }
        _ => Symptom::Healthy,
    }
}

/// What a reply to a call says of calls beside it: a refusal to look at one part of an account, for which a scope or a
/// permission of its own is needed, says nothing about the others that spend the same counter.
pub fn symptom_of(method: &str, path: &str, reply: &Reply) -> Symptom {
    match symptom(reply) {
        Symptom::Scope(_) | Symptom::Forbidden(_) if is_beside(method, path) => Symptom::Healthy,
        symptom => symptom,
    }
}

/// Whether a call looks at the roles or the links of one account.
fn is_beside(method: &str, path: &str) -> bool {
    let mut parts = path.strip_prefix("/api/v1/users/").unwrap_or_default().split('/').skip(1);
    method == "GET" && matches!(parts.next(), Some("roles" | "linkedObjects"))
}

impl Symptom {
    /// Whether a single call can bring this about that something on the way to Okta does not like, or that takes too long: of
    /// whoever it is for, it says nothing of others.
    const fn may_be_about_one(&self) -> bool {
        matches!(self, Symptom::Credentials(_) | Symptom::NotOkta(_) | Symptom::Silent(_))
    }
}

/// What is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Every call.
    Org,
    /// Every call that changes something.
    Writes,
    /// Every call that changes something but ends no access, because answers are about somebody else.
    Answers,
    /// Calls of one counter: those that read, or those that write.
    Bucket { bucket: Bucket, write: bool },
    /// Calls of one counter that do one thing: what else spends the counter goes on.
    Action { bucket: Bucket, action: &'static str },
}

/// What a call is to those beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    pub bucket: Bucket,
    pub write: bool,
    /// What it does, in one word: calls of one action need one permission.
    pub action: &'static str,
}

impl About {
    fn scopes(self) -> impl Iterator<Item = Scope> {
        let Self { bucket, write, action } = self;
        let writes = write.then_some(Scope::Writes);
        let own = [Scope::Bucket { bucket, write }, Scope::Action { bucket, action }];
        [Scope::Org].into_iter().chain(writes).chain(own)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Org => f.write_str("okta"),
            Scope::Writes => f.write_str("okta writes"),
            Scope::Answers => f.write_str("okta answers"),
            Scope::Bucket { bucket, write: true } => write!(f, "okta {} writes", bucket.as_str()),
            Scope::Bucket { bucket, write: false } => write!(f, "okta {} reads", bucket.as_str()),
            Scope::Action { bucket, action } => write!(f, "okta {} {action}", bucket.as_str()),
        }
    }
}

/// Whether a call may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Yes,
    /// It is the one that tries whether the pause is over.
    Try,
    /// Not before this.
    Wait(Moment),
}

/// Something to tell people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    Paused { scope: Scope, why: String, ailment: Ailment },
    Resumed { scope: Scope },
}

#[derive(Clone, Debug)]
struct Pause {
    until: Moment,
    tries: usize,
    trying: bool,
    why: String,
    /// It is about who may do what to whom: a call that ends somebody's access is let through.
    forbidden: bool,
}

/// An answer about somebody else.
#[derive(Clone, Debug)]
struct Wrong {
    reply: u64,
    at: Moment,
    person: i64,
}

/// All pauses of one org.
#[derive(Clone, Debug, Default)]
pub struct Health {
    pauses: BTreeMap<Scope, Pause>,
    /// When what was paused went on, and after how many tries.
    lifted: BTreeMap<Scope, (Moment, usize)>,
    silent: u32,
    /// For whom answers were odd since the last one that was Okta's.
    odd: BTreeSet<i64>,
    /// For whom an action was not allowed since it was allowed for somebody.
    forbidden: BTreeMap<Scope, BTreeSet<i64>>,
    replies: u64,
    wrong: Vec<Wrong>,
    /// Until when right answers do not let writes go on yet, and how often answers were wrong since.
    strangers: Option<(Moment, usize)>,
}

impl Health {
    /// Whether a call of this kind may leave.
    pub fn admit(&self, call: About, now: Moment) -> Admission {
        match self.strangers {
            Some((until, _)) if call.write => Admission::Wait(until.max(now + TRY)),
            _ => self.admission(call, false, now),
        }
    }

    /// Whether a call may leave that ends somebody's access, by the id of the account: that others may not be touched, or
    /// that answers are about somebody else, does not keep it.
    pub fn may_end(&self, call: About, now: Moment) -> Admission {
        self.admission(call, true, now)
    }

    /// Until when calls of this action wait although others of their counter go on.
    pub fn action_waits(&self, call: About, now: Moment) -> Option<Moment> {
        let pause = self.pauses.get(&Scope::Action { bucket: call.bucket, action: call.action })?;
        Some(pause.until.max(now + TRY))
    }

    /// Whether a counter has room for calls that read, or for calls that write.
    pub fn bucket(&self, bucket: Bucket, write: bool, now: Moment) -> Admission {
        self.admit(About { bucket, write, action: "" }, now)
    }

    fn admission(&self, call: About, ends: bool, now: Moment) -> Admission {
        let mut admission = Admission::Yes;
        let pauses = call.scopes().filter_map(|scope| self.pauses.get(&scope));
        for pause in pauses.filter(|pause| !(ends && pause.forbidden)) {
            if pause.trying {
                return Admission::Wait(now + TRY);
            }
            if now < pause.until {
                return Admission::Wait(pause.until);
            }
            admission = Admission::Try;
        }
        admission
    }

    /// The same of a call for somebody. Whether the whole org is there again is tried by a call for nobody: one for somebody may
    /// fail for their sake alone.
    pub fn for_person(&self, admission: Admission, now: Moment) -> Admission {
        match (admission, self.org(now)) {
            (Admission::Yes | Admission::Try, Admission::Try) => Admission::Wait(now + TRY),
            (admission, _) => admission,
        }
    }

    /// Whether a call for nobody is to show how the org is: it is to be tried whether its pause is over, or answers for one person
    /// are odd, and nobody knows whether they are for others.
    pub fn is_in_question(&self, now: Moment) -> bool {
        match self.org(now) {
            Admission::Try => true,
            Admission::Wait(_) => false,
            Admission::Yes => !self.odd.is_empty() && (self.silent == 0 || self.silent >= SILENT),
        }
    }

    /// Whether a call may leave that takes what is left of somebody's access, or proves that it is over: that answers are about
    /// somebody else does not keep it.
    pub fn may_follow(&self, call: About, now: Moment) -> Admission {
        self.admission(call, false, now)
    }

    /// Whether a scope is missing, or Okta allows nothing, for calls of one counter that read, or that write.
    pub fn is_refused(&self, bucket: Bucket, write: bool) -> bool {
        self.pauses.contains_key(&Scope::Bucket { bucket, write })
    }

    /// What is paused that the end of an access needs, in one word, and why.
    pub fn stopped(&self) -> Option<(&'static str, &str)> {
        let writes = Scope::Bucket { bucket: Bucket::Users, write: true };
        let scopes = [(Scope::Org, "calls"), (Scope::Writes, "writes"), (writes, "writes")];
        scopes.into_iter().find_map(|(scope, what)| Some((what, self.pauses.get(&scope)?.why.as_str())))
    }

    /// Whether the whole org is paused, and until when.
    pub fn org(&self, now: Moment) -> Admission {
        match self.pauses.get(&Scope::Org) {
            None => Admission::Yes,
            Some(pause) if pause.trying => Admission::Wait(now + TRY),
            Some(pause) if now < pause.until => Admission::Wait(pause.until),
            Some(_) => Admission::Try,
        }
    }

    /// A call leaves.
    pub fn on_send(&mut self, call: About) {
        for scope in call.scopes() {
            if let Some(pause) = self.pauses.get_mut(&scope) {
                pause.trying = true;
            }
        }
    }

    /// A call that was to leave did not.
    pub fn on_not_sent(&mut self, call: About) {
        for scope in call.scopes() {
            if let Some(pause) = self.pauses.get_mut(&scope) {
                pause.trying = false;
            }
        }
    }

    /// A reply came in to a call for `person`, if it was for one.
    pub fn on_reply(&mut self, call: About, person: Option<i64>, symptom: Symptom, now: Moment) -> Vec<Notice> {
        let About { bucket, write, action } = call;
        let (own, what) = (Scope::Bucket { bucket, write }, Scope::Action { bucket, action });
        self.replies += 1;
        let is_forbidden = matches!(symptom, Symptom::Forbidden(_));
        self.silent = if matches!(symptom, Symptom::Silent(_)) { self.silent + 1 } else { 0 };
        let known = person.filter(|person| *person != SOME_ACCOUNT);
        let forbidden = self.forbidden.entry(what).or_default();
        match symptom {
            // Of a call for nobody each counts by itself.
            Symptom::Forbidden(_) => drop(forbidden.insert(known.unwrap_or(-self.replies.cast_signed()))),
            Symptom::Healthy => forbidden.clear(),
            _ => {}
        }
        let forbidden = forbidden.len();
        let is_odd = symptom.may_be_about_one();
        match person {
            Some(person) if is_odd => drop(self.odd.insert(person)),
            _ if matches!(symptom, Symptom::Nothing) => {}
            _ => self.odd.clear(),
        }
        let people = self.odd.iter().filter(|person| **person != SOME_ACCOUNT).count();
        let is_about_one = is_odd && person.is_some() && people < ODD_PEOPLE;
        if is_about_one && !self.pauses.contains_key(&Scope::Org) {
            self.on_not_sent(call);
            return Vec::new();
        }
        let ill = match symptom {
            Symptom::Credentials(why) => Some((Scope::Org, why, Ailment::Refused)),
            Symptom::Unreachable(why) => Some((Scope::Org, why, Ailment::Away)),
            Symptom::NotOkta(why) => Some((Scope::Org, why, Ailment::Strange)),
            Symptom::Silent(why) if self.silent >= SILENT || self.pauses.contains_key(&Scope::Org) => {
                Some((Scope::Org, format!("no answers: {why}"), Ailment::Away))
            }
            Symptom::ReadOnly(why) => Some((Scope::Writes, why, Ailment::Fails)),
            Symptom::Scope(why) => Some((own, why, Ailment::Forbidden)),
            Symptom::Forbidden(why) if forbidden >= FORBIDDEN || self.pauses.contains_key(&what) => Some((
                what,
                format!(
                    "{why}: {action} is not allowed for {forbidden} people in a row; has the token's owner lost a role?"
                ),
                Ailment::Forbidden,
            )),
            Symptom::Silent(_) | Symptom::Nothing => {
                // Neither well nor ill: whatever was tried is tried again.
                self.on_not_sent(call);
                return Vec::new();
            }
            Symptom::Healthy | Symptom::Forbidden(_) => None,
        };
        let mut changes = Vec::new();
        let sick = ill.as_ref().map(|(scope, ..)| *scope);
        for scope in call.scopes() {
            // An answer that pauses one thing proves that what is wider works.
            if sick.is_some_and(|sick| sick <= scope) {
                break;
            }
            if let Some(pause) = self.pauses.remove(&scope) {
                self.lifted.insert(scope, (now, pause.tries));
                changes.push(Notice::Resumed { scope });
            }
        }
        // What is narrower than the trouble was not tried by this call.
        for scope in call.scopes().filter(|scope| sick.is_some_and(|sick| sick < *scope)) {
            if let Some(pause) = self.pauses.get_mut(&scope) {
                pause.trying = false;
            }
        }
        if let Some((scope, why, ailment)) = ill {
            match self.pauses.get_mut(&scope) {
                Some(pause) if pause.trying => {
                    if pause.why != why {
                        pause.why.clone_from(&why);
                        changes.push(Notice::Paused { scope, why, ailment });
                    }
                    pause.tries += 1;
                    pause.trying = false;
                    pause.until = now + PAUSES[pause.tries.min(PAUSES.len() - 1)];
                }
                // What was under way when the pause began says nothing new.
                Some(_) => {}
                None => {
                    let before = self.lifted.get(&scope).filter(|(at, _)| now.since(*at) <= RELAPSE);
                    let tries = before.map_or(0, |(_, tries)| tries + 1);
                    let until = now + PAUSES[tries.min(PAUSES.len() - 1)];
                    let pause = Pause { until, tries, trying: false, why: why.clone(), forbidden: is_forbidden };
                    self.pauses.insert(scope, pause);
                    changes.push(Notice::Paused { scope, why, ailment });
                }
            }
        }
        changes
    }

    /// Whether somebody is to be read whom nobody waits for, because answers were about somebody else, and may be right again.
    pub fn are_answers_in_question(&self, now: Moment) -> bool {
        self.strangers.is_some_and(|(until, _)| now >= until) && self.org(now) == Admission::Yes
    }

    /// Nobody could be read, so that it stays unknown whether answers are right: it is looked again after a while.
    pub fn on_nobody_read(&mut self, now: Moment) {
        if let Some((until, tries)) = &mut self.strangers {
            *until = (*until).max(now + WRONG_PAUSES[(*tries).min(WRONG_PAUSES.len() - 1)]);
        }
    }

    /// Okta has answered about `person`, or about somebody else although it was asked about them.
    pub fn on_identity(&mut self, person: i64, right: bool, now: Moment) -> Vec<Notice> {
        if right {
            let over = self.strangers.is_some_and(|(until, _)| now >= until);
            if over {
                self.strangers = None;
                self.wrong.clear();
            }
            return over.then_some(Notice::Resumed { scope: Scope::Answers }).into_iter().collect();
        }
        let pause = |tries: usize| now + WRONG_PAUSES[tries.min(WRONG_PAUSES.len() - 1)];
        if let Some((until, tries)) = &mut self.strangers {
            *tries += 1;
            *until = pause(*tries);
            return Vec::new();
        }
        self.wrong.push(Wrong { reply: self.replies, at: now, person });
        let replies = self.replies;
        self.wrong.retain(|wrong| replies - wrong.reply < LAST_REPLIES);
        let lately = self.wrong.iter().filter(|wrong| now.since(wrong.at) <= WRONG_WITHIN);
        let people: BTreeSet<i64> = lately.map(|wrong| wrong.person).collect();
        if self.wrong.len() < WRONG && people.len() < WRONG_PEOPLE {
            return Vec::new();
        }
        self.strangers = Some((pause(0), 0));
        let why = format!(
            "{} of the last answers were about somebody else than asked ({} people); what stands between the service and Okta?",
            self.wrong.len(),
            people.len()
        );
        vec![Notice::Paused { scope: Scope::Answers, why, ailment: Ailment::Strange }]
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
