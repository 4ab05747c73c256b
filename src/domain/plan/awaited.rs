//! What somebody waits for who cannot go on: the one thing that has to be there, or to become free, for them to be tried again.

use crate::clock::Moment;
use crate::domain::account::directory::Directory;
use crate::domain::text::login_key;
use std::time::Duration;

/// One thing that is waited for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaited {
    /// A group with this name or id, into which people can be put.
    Group(String),
    /// An app with this label or id.
    App(String),
    /// A user type with this name.
    UserType(String),
    /// A login that somebody else has.
    Login(String),
    /// A name in an app that somebody else goes by.
    AppName(String),
    /// That Okta lets the token's owner do this, one word of `Step::name`: it has refused it to several people.
    Permission(String),
    /// That this tenant is read as a whole, for the first time since the service has started.
    Walk(String),
}

/// People for whom Okta has refused one thing, from which on the reason is not looked for in each of them.
pub const REFUSED_TO_MANY: usize = 5;

/// Somebody who waits for a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The person in the org, by the store's id.
    pub target: i64,
    /// When they are tried again by themselves.
    pub due_at: Moment,
    /// How often they were refused in a row.
    pub attempt: i64,
}

/// One of those who wait for a permission is tried so soon: whether it is there again shows by a call, and one is enough.
const PROBED: Duration = Duration::from_secs(60);
/// After so many tries of one person the time between two of them doubles, up to the longest.
const TRIES: i64 = 4;
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Who of those who wait for one permission is tried sooner than by themselves, and when; nobody where one of them is soon anyway.
pub fn probed(waiting: &[Refused], now: Moment) -> Option<(i64, Moment)> {
    let tries = waiting.iter().map(|one| one.attempt).max()?;
    let doublings = u32::try_from((tries - 2).max(0) / TRIES).unwrap_or(u32::MAX).min(8);
    let at = now + (PROBED * (1 << doublings)).min(LONGEST);
    // Each in turn: Okta may refuse one of them for their own sake, who would never show it.
    let next = waiting.iter().min_by_key(|one| (one.due_at, one.target))?;
    (next.due_at > at).then_some((next.target, at))
}

impl Awaited {
    /// How it stands in the store.
    pub fn key(&self) -> String {
        match self {
            Awaited::Group(name) => format!("group {name}"),
            Awaited::App(name) => format!("app {name}"),
            Awaited::UserType(name) => format!("user_type {name}"),
            Awaited::Login(login) => format!("login {}", login_key(login)),
            Awaited::AppName(name) => format!("app_name {}", login_key(name)),
            Awaited::Permission(step) => format!("permission {step}"),
            Awaited::Walk(tenant) => format!("walk {tenant}"),
        }
    }

    /// What a stored key means.
    pub fn parse(key: &str) -> Option<Self> {
        let (what, name) = key.split_once(' ')?;
        let name = name.to_owned();
        Some(match what {
            "group" => Awaited::Group(name),
            "app" => Awaited::App(name),
            "user_type" => Awaited::UserType(name),
            "login" => Awaited::Login(name),
            "app_name" => Awaited::AppName(name),
            "permission" => Awaited::Permission(name),
            "walk" => Awaited::Walk(name),
            _ => return None,
        })
    }

    /// Whether a directory can show it. A login is free when its account says so, a permission is there when a call goes through, and a
    /// tenant is read when its walk ends.
    pub const fn is_of_directory(&self) -> bool {
        !matches!(self, Awaited::Login(_) | Awaited::AppName(_) | Awaited::Permission(_) | Awaited::Walk(_))
    }

    /// Whether the org has it, as its directory shows.
    pub fn is_there(&self, directory: &Directory) -> bool {
        match self {
            Awaited::Group(name) => {
                let found = directory.find(name).or_else(|| directory.find_alike(name));
                found.is_some_and(|group| group.writable || directory.is_rule_owned(&group.id))
            }
            Awaited::App(name) => directory.find_app(name).is_some(),
            Awaited::UserType(name) => directory.user_type(name).is_some(),
            Awaited::Login(_) | Awaited::AppName(_) | Awaited::Permission(_) | Awaited::Walk(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::directory::Group;
    use std::collections::BTreeSet;

    #[test]
    fn what_is_waited_for_is_stored_and_read_again() {
        let all = [
            "group Night Shift",
            "app Payroll",
            "user_type contractor",
            "app_name ada@example.com",
            "login ada@example.com",
            "permission add_group",
            "walk acme",
        ];
        for key in all {
            assert_eq!(Awaited::parse(key).map(|awaited| awaited.key()).as_deref(), Some(key));
        }
        assert_eq!(Awaited::Login("Ada@Example.com".into()).key(), "login ada@example.com");
        assert_eq!(Awaited::parse("moon full"), None);
    }

    #[test]
    fn one_of_those_who_wait_for_a_permission_is_tried_within_a_minute_and_ever_more_rarely() {
        let now = Moment::from_secs(10_000);
        let refused = |target, minutes: u64, attempt| {
            let due_at = now + Duration::from_secs(minutes * 60);
            Refused { target, due_at, attempt }
        };
        let minute = |n: u64| now + Duration::from_secs(n * 60);
        assert_eq!(probed(&[], now), None);
        assert_eq!(probed(&[refused(1, 15, 2), refused(2, 14, 2)], now), Some((2, minute(1))), "one, not all");
        assert_eq!(probed(&[refused(1, 15, 2), refused(2, 1, 2)], now), None, "one of them is tried anyway");
        let waits: Vec<_> = [6, 10, 14, 18, 99].map(|tries| probed(&[refused(1, 60, tries)], now)).into();
        assert_eq!(waits, [2, 4, 8, 15, 15].map(|minutes| Some((1, minute(minutes)))));
    }

    #[test]
    fn a_group_is_there_when_people_can_be_put_into_it() {
        let group = |writable| Group { id: "00g1".into(), name: "Night Shift".into(), writable };
        let awaited = Awaited::Group("Night Shift".into());
        assert!(!awaited.is_there(&Directory::default()));
        assert!(!awaited.is_there(&Directory::new([group(false)], BTreeSet::new())));
        assert!(awaited.is_there(&Directory::new([group(true)], BTreeSet::new())));
    }
}
