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
use std::collections::BTreeMap;
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
/// People in a row that a kind of call was not allowed for, after which it counts as not allowed at all.
const FORBIDDEN: u32 = 5;
/// Who waits for a try that is under way looks again after this.
const TRY: Duration = Duration::from_secs(1);

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

/// What is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Every call.
    Org,
    /// Every call that changes something.
    Writes,
    /// Calls of one counter: those that read, or those that write.
    Bucket { bucket: Bucket, write: bool },
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Org => f.write_str("okta"),
            Scope::Writes => f.write_str("okta writes"),
            Scope::Bucket { bucket, write: true } => write!(f, "okta {} writes", bucket.label()),
            Scope::Bucket { bucket, write: false } => write!(f, "okta {} reads", bucket.label()),
        }
    }
}

/// Whether a call may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    Yes,
    /// It is the one that tries whether the pause is over.
    Try,
    /// Not before this.
    Wait(Moment),
}

/// Something to tell people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Paused { scope: Scope, why: String },
    Resumed { scope: Scope },
}

#[derive(Clone, Debug)]
struct Pause {
    until: Moment,
    tries: usize,
    trying: bool,
}

/// All pauses of one org.
#[derive(Clone, Debug, Default)]
pub struct Health {
    pauses: BTreeMap<Scope, Pause>,
    silent: u32,
    forbidden: BTreeMap<Scope, u32>,
}

impl Health {
    fn scopes(bucket: Bucket, write: bool) -> impl Iterator<Item = Scope> {
        let writes = write.then_some(Scope::Writes);
        [Scope::Org].into_iter().chain(writes).chain([Scope::Bucket { bucket, write }])
    }

    /// Whether a call of this kind may leave.
    pub fn may_leave(&self, bucket: Bucket, write: bool, now: Moment) -> Leave {
        let mut leave = Leave::Yes;
        for pause in Self::scopes(bucket, write).filter_map(|scope| self.pauses.get(&scope)) {
            if pause.trying {
                return Leave::Wait(now + TRY);
            }
            if now < pause.until {
                return Leave::Wait(pause.until);
            }
            leave = Leave::Try;
        }
        leave
    }

    /// Whether the whole org is paused, and until when.
    pub fn org(&self, now: Moment) -> Leave {
        match self.pauses.get(&Scope::Org) {
            None => Leave::Yes,
            Some(pause) if pause.trying => Leave::Wait(now + TRY),
            Some(pause) if now < pause.until => Leave::Wait(pause.until),
            Some(_) => Leave::Try,
        }
    }

    /// A call leaves.
    pub fn on_send(&mut self, bucket: Bucket, write: bool) {
        for scope in Self::scopes(bucket, write) {
            if let Some(pause) = self.pauses.get_mut(&scope) {
                pause.trying = true;
            }
        }
    }

    /// A call that was to leave did not.
    pub fn on_not_sent(&mut self, bucket: Bucket, write: bool) {
        for scope in Self::scopes(bucket, write) {
            if let Some(pause) = self.pauses.get_mut(&scope) {
                pause.trying = false;
            }
        }
    }

    /// A reply came in.
    pub fn on_reply(&mut self, bucket: Bucket, write: bool, symptom: Symptom, now: Moment) -> Vec<Change> {
        let own = Scope::Bucket { bucket, write };
        self.silent = if matches!(symptom, Symptom::Silent(_)) { self.silent + 1 } else { 0 };
        let forbidden = self.forbidden.entry(own).or_default();
        *forbidden = match symptom {
            Symptom::Forbidden(_) => *forbidden + 1,
            Symptom::Healthy => 0,
            _ => *forbidden,
        };
        let forbidden = *forbidden;
        let ill = match symptom {
            Symptom::Credentials(why) | Symptom::Unreachable(why) | Symptom::NotOkta(why) => Some((Scope::Org, why)),
            Symptom::Silent(why) if self.silent >= SILENT || self.pauses.contains_key(&Scope::Org) => {
                Some((Scope::Org, format!("no answers: {why}")))
            }
            Symptom::ReadOnly(why) => Some((Scope::Writes, why)),
            Symptom::Scope(why) => Some((own, why)),
            Symptom::Forbidden(why) if forbidden >= FORBIDDEN || self.pauses.contains_key(&own) => Some((
                own,
                format!("{why}: not allowed for {forbidden} people in a row; has the token's owner lost a role?"),
            )),
            Symptom::Silent(_) | Symptom::Nothing => {
                // Neither well nor ill: whatever was tried is tried again.
                self.on_not_sent(bucket, write);
                return Vec::new();
            }
            Symptom::Healthy | Symptom::Forbidden(_) => None,
        };
        let mut changes = Vec::new();
        let sick = ill.as_ref().map(|(scope, _)| *scope);
        for scope in Self::scopes(bucket, write) {
            // An answer that pauses one thing proves that what is wider works.
            if sick.is_some_and(|sick| sick <= scope) {
                break;
            }
            if self.pauses.remove(&scope).is_some() {
                changes.push(Change::Resumed { scope });
            }
        }
        // What is narrower than the trouble was not tried by this call.
        for scope in Self::scopes(bucket, write).filter(|scope| sick.is_some_and(|sick| sick < *scope)) {
            if let Some(pause) = self.pauses.get_mut(&scope) {
                pause.trying = false;
            }
        }
        if let Some((scope, why)) = ill {
            match self.pauses.get_mut(&scope) {
                Some(pause) if pause.trying => {
                    pause.tries += 1;
                    pause.trying = false;
                    pause.until = now + PAUSES[pause.tries.min(PAUSES.len() - 1)];
                }
                // What was under way when the pause began says nothing new.
                Some(_) => {}
                None => {
                    self.pauses.insert(scope, Pause { until: now + PAUSES[0], tries: 0, trying: false });
                    changes.push(Change::Paused { scope, why });
                }
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Answered;
    use super::*;

    const NOW: Moment = Moment::from_secs(1000);

    fn answered(status: u16, body: &str) -> Reply {
        let request_id = (!body.starts_with('<')).then(|| "req1".to_owned());
        Reply::Answered(Answered { status, body: body.as_bytes().to_vec(), request_id, ..Answered::default() })
    }

    fn error(status: u16, code: &str) -> Reply {
        answered(status, &serde_json::json!({ "errorCode": code, "errorSummary": "s" }).to_string())
    }

    fn paused(changes: &[Change]) -> Vec<Scope> {
        changes.iter().filter_map(|c| if let Change::Paused { scope, .. } = c { Some(*scope) } else { None }).collect()
    }

    #[test]
    fn a_refused_token_pauses_everything_and_one_call_at_a_time_tries_it() {
        let mut health = Health::default();
        for _ in 0..3 {
            health.on_send(Bucket::Users, true);
        }
        let refused = || symptom(&error(401, "E0000011"));
        assert_eq!(paused(&health.on_reply(Bucket::Users, true, refused(), NOW)), [Scope::Org]);
        for _ in 0..2 {
            assert_eq!(health.on_reply(Bucket::Users, true, refused(), NOW), [], "told once");
        }
        assert_eq!(health.may_leave(Bucket::Groups, false, NOW), Leave::Wait(NOW + PAUSES[0]));
        let later = NOW + PAUSES[0];
        assert_eq!(health.may_leave(Bucket::Groups, false, later), Leave::Try);
        health.on_send(Bucket::Groups, false);
        assert!(matches!(health.may_leave(Bucket::Users, true, later), Leave::Wait(_)), "one tries");
        health.on_reply(Bucket::Groups, false, refused(), later);
        assert_eq!(health.may_leave(Bucket::Users, true, later), Leave::Wait(later + PAUSES[1]), "longer each time");
        let much_later = later + PAUSES[1];
        health.on_send(Bucket::Users, true);
        let changes = health.on_reply(Bucket::Users, true, Symptom::Healthy, much_later);
        assert_eq!(changes, [Change::Resumed { scope: Scope::Org }]);
        assert_eq!(health.may_leave(Bucket::Users, true, much_later), Leave::Yes);
    }

    #[test]
    fn read_only_mode_stops_writes_and_not_reads_and_ends_by_a_write() {
        let mut health = Health::default();
        health.on_send(Bucket::Users, true);
        let changes = health.on_reply(Bucket::Users, true, symptom(&error(503, "E0000010")), NOW);
        assert_eq!(paused(&changes), [Scope::Writes]);
        assert_eq!(health.may_leave(Bucket::UserRead, false, NOW), Leave::Yes);
        assert!(matches!(health.may_leave(Bucket::Groups, true, NOW), Leave::Wait(_)));
        health.on_reply(Bucket::UserRead, false, Symptom::Healthy, NOW);
        assert!(matches!(health.may_leave(Bucket::Groups, true, NOW), Leave::Wait(_)), "a read proves nothing");
        health.on_reply(Bucket::Groups, true, Symptom::Healthy, NOW);
        assert_eq!(health.may_leave(Bucket::Groups, true, NOW), Leave::Yes);
    }

    #[test]
    fn a_missing_scope_stops_its_counter_only() {
        let mut health = Health::default();
        let missing = answered(403, r#"{"error":"insufficient_scope"}"#);
        let changes = health.on_reply(Bucket::Groups, true, symptom(&missing), NOW);
        assert_eq!(paused(&changes), [Scope::Bucket { bucket: Bucket::Groups, write: true }]);
        assert_eq!(health.may_leave(Bucket::Groups, false, NOW), Leave::Yes);
        assert_eq!(health.may_leave(Bucket::Users, true, NOW), Leave::Yes);
    }

    #[test]
    fn one_person_who_may_not_be_touched_is_no_pause_but_everybody_is() {
        let mut health = Health::default();
        let forbidden = || symptom(&error(403, "E0000006"));
        for _ in 0..FORBIDDEN - 1 {
            assert_eq!(health.on_reply(Bucket::UserWrite, true, forbidden(), NOW), []);
        }
        health.on_reply(Bucket::UserWrite, true, Symptom::Healthy, NOW);
        for _ in 0..FORBIDDEN - 1 {
            assert_eq!(health.on_reply(Bucket::UserWrite, true, forbidden(), NOW), [], "counted anew");
        }
        let changes = health.on_reply(Bucket::UserWrite, true, forbidden(), NOW);
        assert_eq!(paused(&changes), [Scope::Bucket { bucket: Bucket::UserWrite, write: true }]);
    }

    #[test]
    fn lost_answers_pause_only_when_nothing_else_comes() {
        let mut health = Health::default();
        for _ in 0..SILENT - 1 {
            assert_eq!(health.on_reply(Bucket::Users, true, Symptom::Silent("timed out".into()), NOW), []);
        }
        health.on_reply(Bucket::Users, true, Symptom::Healthy, NOW);
        let mut told = Vec::new();
        for _ in 0..SILENT {
            told.extend(health.on_reply(Bucket::Users, true, Symptom::Silent("timed out".into()), NOW));
        }
        assert_eq!(paused(&told), [Scope::Org]);
    }

    #[test]
    fn what_answers_but_is_not_okta_is_told_apart() {
        let is_not_okta = |reply: Reply| matches!(symptom(&reply), Symptom::NotOkta(_));
        assert!(is_not_okta(answered(200, "<!DOCTYPE html><html>")));
        assert!(is_not_okta(answered(302, "")));
        assert!(is_not_okta(answered(403, "<html>blocked by the proxy</html>")));
        assert!(!is_not_okta(answered(502, "<html>Bad gateway</html>")));
        assert!(!is_not_okta(answered(200, "[]")));
        assert!(!is_not_okta(error(404, "E0000007")));
        assert_eq!(symptom(&error(429, "E0000047")), Symptom::Nothing);
    }

    #[test]
    fn a_call_that_never_left_is_not_the_try() {
        let mut health = Health::default();
        health.on_reply(Bucket::Users, true, Symptom::Unreachable("no route".into()), NOW);
        let later = NOW + PAUSES[0];
        health.on_send(Bucket::Users, true);
        health.on_not_sent(Bucket::Users, true);
        assert_eq!(health.may_leave(Bucket::Users, true, later), Leave::Try);
    }
}
