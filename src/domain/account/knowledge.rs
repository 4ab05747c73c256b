//! Whether somebody is an administrator, as far as it is known: the list, the groups that carry a role, and what Okta said of them
//! alone.

use crate::clock::Moment;
use crate::domain::account::directory::Directory;
use crate::domain::account::user::Account;
use std::time::Duration;

/// How long it holds what Okta has said about the roles of one person, while the list cannot be read.
pub const ROLES_AGE: Duration = Duration::from_secs(15 * 60);

/// How long nobody is asked again whose roles Okta did not say. What is held because of that stays held meanwhile, and votes count.
pub const UNSAID_AGE: Duration = Duration::from_secs(60);

/// Whether somebody is an administrator, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Knowledge {
    /// They hold a role, by themselves or by a group.
    Holder,
    /// They hold none.
    #[default]
    Nobody,
    /// It is not known. `asked`: Okta was asked about this person, and did not say.
    Unknown { asked: bool },
}

impl Knowledge {
    /// The number of it in the store, of what was evaluated.
    pub const fn number(self) -> i64 {
        match self {
            Knowledge::Nobody | Knowledge::Unknown { asked: false } => 0,
            Knowledge::Holder => 1,
            Knowledge::Unknown { asked: true } => 2,
        }
    }
}

impl Directory {
    /// Whether the owner of an account is an administrator, as far as it is known.
    pub fn administrator(&self, account: &Account, now: Moment) -> Knowledge {
        let all = self.administrators();
        let by_group =
            || account.groups.iter().any(|group| all.groups.get(group) == Some(&true) || self.lets_decide(group));
        if all.lists(&account.id) || by_group() {
            return Knowledge::Holder;
        }
        let asked = account.marks.roles.as_ref();
        let asked = asked.filter(|read| now.since(Moment::from_millis(read.at)) < ROLES_AGE);
        let unsaid = account.marks.groups_unsaid_at.map(Moment::from_millis);
        let said = asked.and_then(|read| read.holds);
        match said {
            Some(true) => Knowledge::Holder,
            _ if unsaid.is_some_and(|at| now.since(at) < ROLES_AGE) => Knowledge::Unknown { asked: true },
            _ if all.is_current() => Knowledge::Nobody,
            Some(false) => Knowledge::Nobody,
            None => Knowledge::Unknown { asked: asked.is_some() },
        }
    }

    /// Whether Okta did not say who somebody is when it was asked: no time that passes is an answer.
    pub fn is_in_doubt(&self, account: &Account) -> bool {
        let unsaid = account.marks.roles.as_ref().is_some_and(|read| read.holds.is_none());
        account.marks.groups_unsaid_at.is_some() || unsaid && !self.administrators().is_current()
    }

    /// Whether an admin role comes with a group, or may; `None` if nobody has asked.
    pub fn carries_role(&self, group: &str) -> Option<bool> {
        let all = self.administrators();
        if self.lets_decide(group) {
            return Some(true);
        }
        all.groups.get(group).copied().or_else(|| all.unsaid.contains(group).then_some(true))
    }
}
