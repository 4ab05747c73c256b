//! Who is signed in: sessions that end by themselves, and how long whoever guesses has to wait.
//!
//! **Invariant:** the secret of a session is known to the browser alone; what is kept of it is a digest. A session ends when
//! nothing was asked for a while, after its longest time whatever is asked, and when somebody ends it.

use crate::admin::asker::Asker;
use crate::clock::Moment;
use crate::config::{Role, Token};
use crate::domain::{Decider, hex};
use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Sessions at most: the one that was used longest ago ends for one more.
const MOST: usize = 500;
/// Addresses that are remembered for having failed, at most.
const MOST_FAILED: usize = 10_000;
/// An address that has failed begins anew after this.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);
/// Failures of an address that cost nothing: anybody mistypes.
const FREE: u32 = 2;
/// How long it holds what an identity provider has said of somebody: whoever has left, or lost a group, is out by then.
pub const PROVIDED: Duration = Duration::from_secs(3600);
/// The longest that a failure is answered late.
const LATEST: Duration = Duration::from_secs(8);

/// Something to be said once, on the next page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flash {
    pub refused: bool,
    pub text: String,
}

/// How somebody has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// With a token of the configuration that has this badge: without it the session is none.
    Token(String),
    /// Over the identity provider, which is asked again before long.
    Provider,
}

impl By {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            By::Token(_) => "token",
            By::Provider => "provider",
        }
    }

    /// Whether whoever has signed in so still may.
    pub fn holds(&self, tokens: &[Token]) -> bool {
        match self {
            By::Token(badge) => tokens.iter().any(|token| token.badge() == *badge),
            // It cannot be exchanged while the service runs.
            By::Provider => true,
        }
    }
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Names the session, for whoever ends it.
    pub number: u64,
    pub who: Decider,
    pub role: Role,
    /// What every form gives back: no other site knows it.
    pub csrf: String,
    /// How they have signed in.
    pub by: By,
    pub since: Moment,
    pub seen: Moment,
}

impl Visitor {
    /// Whoever asks, when they do.
    pub fn asker(&self) -> Asker {
        Asker { who: self.who.clone(), role: self.role, end_access: false }
    }
}

struct Session {
    visitor: Visitor,
    flash: Option<Flash>,
}

/// How long sessions last.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub idle: Duration,
    pub longest: Duration,
    /// The longest of those whom an identity provider knows.
    pub provided: Duration,
}

#[derive(Default)]
struct Kept {
    sessions: HashMap<String, Session>,
    failed: HashMap<IpAddr, (u32, Moment)>,
    next: u64,
}

/// Everybody who is signed in.
pub struct Sessions {
    ends: Ends,
    kept: Mutex<Kept>,
}

fn key(secret: &str) -> String {
    hex(digest(&SHA256, secret.as_bytes()).as_ref())
}

/// A secret of 256 bits, as text.
pub fn secret() -> Result<String, String> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the operating system gives no randomness")?;
    Ok(hex(&bytes))
}

impl Sessions {
    pub fn new(ends: Ends) -> Self {
        Self { ends, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing that is done under the lock can leave it half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session; the secret is the browser's alone.
    pub fn begin(&self, who: Decider, role: Role, by: By, now: Moment) -> Result<String, String> {
        let (own, csrf) = (secret()?, secret()?);
        let mut kept = self.kept();
        let ends = self.ends;
        kept.sessions.retain(|_, session| lasts(&session.visitor, ends, now));
        if kept.sessions.len() >= MOST {
            let oldest =
                kept.sessions.iter().min_by_key(|(_, session)| session.visitor.seen).map(|(key, _)| key.clone());
            oldest.map(|key| kept.sessions.remove(&key));
        }
        kept.next += 1;
        let visitor = Visitor { number: kept.next, who, role, csrf, by, since: now, seen: now };
        kept.sessions.insert(key(&own), Session { visitor, flash: None });
        Ok(own)
    }

    /// Whose session a secret is; using it keeps it from ending.
    pub fn find(&self, secret: &str, now: Moment) -> Option<Visitor> {
        self.asked(secret, now, true)
    }

    /// The same, without keeping it from ending: a page that renews itself is nobody who clicks.
    pub fn watch(&self, secret: &str, now: Moment) -> Option<Visitor> {
        self.asked(secret, now, false)
    }

    fn asked(&self, secret: &str, now: Moment, by_hand: bool) -> Option<Visitor> {
        let (key, mut kept) = (key(secret), self.kept());
        let session = kept.sessions.get_mut(&key)?;
        if !lasts(&session.visitor, self.ends, now) {
            kept.sessions.remove(&key);
            return None;
        }
        if by_hand {
            session.visitor.seen = now;
        }
        Some(session.visitor.clone())
    }

    /// Ends a session by its secret.
    pub fn end(&self, secret: &str) {
        self.kept().sessions.remove(&key(secret));
    }

    /// Ends a session by its number; whose it was.
    pub fn end_numbered(&self, number: u64) -> Option<Visitor> {
        let mut kept = self.kept();
        let key = kept.sessions.iter().find(|(_, session)| session.visitor.number == number)?.0.clone();
        kept.sessions.remove(&key).map(|session| session.visitor)
    }

    /// Everybody who is signed in, the latest first.
    pub fn list(&self, now: Moment) -> Vec<Visitor> {
        let mut kept = self.kept();
        let ends = self.ends;
        kept.sessions.retain(|_, session| lasts(&session.visitor, ends, now));
        let mut all: Vec<Visitor> = kept.sessions.values().map(|session| session.visitor.clone()).collect();
        all.sort_by_key(|visitor| std::cmp::Reverse(visitor.number));
        all
    }

    /// Says something on the next page of a session.
    pub fn say(&self, number: u64, flash: Flash) {
        let mut kept = self.kept();
        if let Some(session) = kept.sessions.values_mut().find(|session| session.visitor.number == number) {
            session.flash = Some(flash);
        }
    }

    /// What is to be said on this page of a session: it is said once.
    pub fn said(&self, number: u64) -> Option<Flash> {
        let mut kept = self.kept();
        kept.sessions.values_mut().find(|session| session.visitor.number == number)?.flash.take()
    }

    /// Somebody at an address was not let in: how much later they are answered than they would like, and the how manieth failure
    /// it is. Each costs twice the one before.
    pub fn failed(&self, from: IpAddr, now: Moment) -> (Duration, u32) {
        let mut kept = self.kept();
        if kept.failed.len() >= MOST_FAILED {
            kept.failed.retain(|_, (_, at)| now.since(*at) < FORGOTTEN);
        }
        if kept.failed.len() >= MOST_FAILED {
            return (LATEST, u32::MAX);
        }
        let (times, at) = kept.failed.entry(from).or_insert((0, now));
        *times = if now.since(*at) < FORGOTTEN { times.saturating_add(1) } else { 1 };
        *at = now;
        (late(*times), *times)
    }

    /// Somebody at an address was let in.
    pub fn succeeded(&self, from: IpAddr) {
        self.kept().failed.remove(&from);
    }
}

fn late(times: u32) -> Duration {
    match times.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(more) => Duration::from_millis(250).saturating_mul(2_u32.saturating_pow(more)).min(LATEST),
    }
}

fn lasts(visitor: &Visitor, ends: Ends, now: Moment) -> bool {
    let longest = match visitor.by {
        By::Token(_) => ends.longest,
        By::Provider => ends.longest.min(ends.provided),
    };
    now.since(visitor.seen) < ends.idle && now.since(visitor.since) < longest
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn sessions() -> Sessions {
        Sessions::new(Ends { idle: 30 * MINUTE, longest: 120 * MINUTE, provided: PROVIDED })
    }

    fn by() -> By {
        By::Token("badge".into())
    }

    fn at(minutes: i64) -> Moment {
        Moment::from_secs(1_000_000 + minutes * 60)
    }

    fn ann() -> Decider {
        Decider::of_token("ann", None)
    }

    #[test]
    fn a_session_ends_when_nothing_is_asked_and_in_any_case_after_its_longest_time() {
        let sessions = sessions();
        let secret = sessions.begin(ann(), Role::Viewer, by(), at(0)).expect("begins");
        assert!(sessions.find(&secret, at(29)).is_some() && sessions.find(&secret, at(58)).is_some());
        assert!(sessions.watch(&secret, at(80)).is_some());
        assert!(sessions.find(&secret, at(88)).is_none(), "a page that renews itself keeps nobody signed in");
        let secret = sessions.begin(ann(), Role::Viewer, by(), at(0)).expect("begins");
        for minutes in (0..120).step_by(20) {
            assert!(sessions.find(&secret, at(minutes)).is_some(), "{minutes}");
        }
        assert!(sessions.find(&secret, at(120)).is_none());
    }

    #[test]
    fn a_provider_is_asked_again_after_an_hour() {
        let sessions = Sessions::new(Ends { idle: 300 * MINUTE, longest: 600 * MINUTE, provided: PROVIDED });
        let secret = sessions.begin(ann(), Role::Viewer, By::Provider, at(0)).expect("begins");
        assert!(sessions.find(&secret, at(59)).is_some() && sessions.find(&secret, at(60)).is_none());
    }

    #[test]
    fn a_session_that_was_ended_is_nobodys_and_a_guess_is_nobody() {
        let sessions = sessions();
        let (first, second) = (
            sessions.begin(ann(), Role::Viewer, by(), at(0)).expect("begins"),
            sessions.begin(ann(), Role::Viewer, by(), at(0)).expect("begins"),
        );
        assert_eq!((first.len(), first == second), (64, false));
        sessions.end(&first);
        assert!(sessions.find(&first, at(1)).is_none() && sessions.find(&"0".repeat(64), at(1)).is_none());
        let number = sessions.find(&second, at(1)).expect("lasts").number;
        assert!(sessions.end_numbered(number).is_some() && sessions.find(&second, at(1)).is_none());
        assert!(sessions.list(at(1)).is_empty());
    }

    #[test]
    fn what_is_to_be_said_is_said_once_and_to_nobody_else() {
        let sessions = sessions();
        let numbers: Vec<u64> = (0..2)
            .map(|_| {
                let secret = sessions.begin(ann(), Role::Viewer, by(), at(0)).expect("begins");
                sessions.find(&secret, at(0)).expect("lasts").number
            })
            .collect();
        let flash = Flash { refused: false, text: "done".into() };
        sessions.say(numbers[0], flash.clone());
        assert_eq!(sessions.said(numbers[1]), None);
        assert_eq!((sessions.said(numbers[0]), sessions.said(numbers[0])), (Some(flash), None));
    }

    #[test]
    fn guessing_becomes_slower_with_each_failure_of_an_address_and_others_are_not_slowed() {
        let sessions = sessions();
        let (guesser, other): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let waits: Vec<u64> =
            (0..9).map(|_| u64::try_from(sessions.failed(guesser, at(0)).0.as_millis()).expect("small")).collect();
        assert_eq!(waits, [0, 0, 250, 500, 1000, 2000, 4000, 8000, 8000]);
        assert_eq!(sessions.failed(other, at(0)), (Duration::ZERO, 1));
        assert_eq!(sessions.failed(guesser, at(16)), (Duration::ZERO, 1), "it is forgotten");
        sessions.failed(guesser, at(16));
        sessions.succeeded(guesser);
        assert_eq!(sessions.failed(guesser, at(16)).1, 1);
    }

    #[test]
    fn sessions_are_bounded_and_the_one_that_was_used_longest_ago_makes_room() {
        let sessions = Sessions::new(Ends { idle: 3000 * MINUTE, longest: 3000 * MINUTE, provided: PROVIDED });
        let secrets: Vec<String> = (0..=MOST)
            .map(|n| sessions.begin(ann(), Role::Viewer, by(), at(i64::try_from(n).expect("small"))).expect("begins"))
            .collect();
        assert_eq!(sessions.list(at(600)).len(), MOST);
        assert!(sessions.find(&secrets[0], at(600)).is_none() && sessions.find(&secrets[1], at(600)).is_some());
    }
}
