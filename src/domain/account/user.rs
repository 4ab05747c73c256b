//! What Okta holds for one person, as far as this product needs to know it.

use crate::domain::account::administrators::RolesRead;
use crate::domain::account::taken_back::TakenBack;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a call has taught of the account of one person.
#[derive(Clone, Debug, PartialEq)]
pub enum Learned {
    /// Nothing: what was known before stays as it was.
    Nothing,
    /// Okta has no account of theirs any more.
    Gone,
    /// How it is now.
    Is(Box<Account>),
}

impl Learned {
    /// The account, if there is one and it was shown.
    pub fn account(&self) -> Option<&Account> {
        match self {
            Self::Is(account) => Some(account),
            Self::Nothing | Self::Gone => None,
        }
    }
}

/// What a call has taught of a deactivated account, or of one that was: it has the login that the person is to have.
#[derive(Clone, Debug, PartialEq)]
pub enum OfHolder {
    /// It has given up its login.
    Renamed {
        /// Its id.
        id: String,
        /// What it is called from now on.
        login: String,
    },
    /// It is otherwise than was known.
    Is(Box<Account>),
    /// Okta has none of this id any more.
    Gone(String),
}

impl From<Option<Account>> for Learned {
    /// What is held for somebody now: an account, or none.
    fn from(held: Option<Account>) -> Self {
        held.map_or(Self::Gone, |account| Self::Is(Box::new(account)))
    }
}

/// Status of an Okta user (`okta-api.md §2`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccountStatus {
    /// Made, and never activated: nobody can sign in.
    Staged,
    /// Activated; the person has not set a password yet.
    Provisioned,
    /// May sign in.
    Active,
    /// May sign in after a reset of the password.
    Recovery,
    /// May sign in with a new password.
    PasswordExpired,
    /// Locked after failed sign-ins; it can be unlocked, and cannot be suspended.
    LockedOut,
    /// May not sign in until it is unsuspended; keeps groups and apps.
    Suspended,
    /// Deactivated: nobody can sign in with it until it is activated again.
    Deprovisioned,
    /// A status this version does not know; treated as one that may still sign in.
    #[serde(other)]
    Unknown,
}

impl AccountStatus {
    /// Reads Okta's word; an unknown one is `Unknown`, never an error (`okta-api.md §1.5`).
    pub fn parse(word: &str) -> Self {
        serde_json::from_value(Value::String(word.to_owned())).unwrap_or(Self::Unknown)
    }

    /// Okta's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "STAGED",
            Self::Provisioned => "PROVISIONED",
            Self::Active => "ACTIVE",
            Self::Recovery => "RECOVERY",
            Self::PasswordExpired => "PASSWORD_EXPIRED",
            Self::LockedOut => "LOCKED_OUT",
            Self::Suspended => "SUSPENDED",
            Self::Deprovisioned => "DEPROVISIONED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// How far the end of somebody's access has been carried out and proved. Kept with the account, so that a crash in the
/// middle of a termination continues where the proof ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitProof {
    /// Sessions and OAuth tokens were asked to be revoked before the deactivation; the audit has the answer.
    pub sessions_revoked: bool,
    /// The deactivation was accepted.
    pub deactivated: bool,
    /// Sessions were revoked once more after it (a failure of this call is tolerated).
    pub sessions_revoked_again: bool,
    /// `GET /users/{id}` showed DEPROVISIONED with no transition running.
    pub read_back: bool,
    /// `GET /users/{id}/groups` was read after the deactivation; `Account::groups` is complete since then, but for what was
    /// `taken` after it.
    pub groups_listed: bool,
    /// The memberships the person had when they were listed: what a return may restore.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub had: BTreeSet<String>,
    /// The memberships that Okta has said to end, and that no list has shown to be gone since.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub taken: BTreeSet<String>,
    /// We have suspended the account, and end the suspension if access does not end after all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// A deactivation was sent: an account that turns out to be deactivated may be so by us.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sent: bool,
    /// Why Okta does not end the access, while it refuses to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl ExitProof {
    /// The account is awake again, or still: what was shown to be over has to be shown anew. The memberships that were
    /// listed before are still known.
    pub fn begun_anew(self, sessions_revoked: bool) -> Self {
        if self.read_back {
            return Self::default();
        }
        Self {
            sessions_revoked,
            groups_listed: self.groups_listed,
            had: self.had,
            taken: self.taken,
            sent: self.sent,
            refused: self.refused,
            ..Self::default()
        }
    }
}

/// Whom the manager link of an account leads to (`okta-api.md §3.5`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// Nobody has looked yet.
    #[default]
    Unknown,
    /// It has none: Okta was asked, or it was taken away.
    Nobody,
    /// The account with this id.
    To(String),
}

impl Link {
    /// What is known of the link of an account that is read without it. Whoever read it may have begun before the links of the org
    /// were read: what these have shown stays. After that (`are_known`), an account that nobody knew has no link that is known: it is
    /// written when it is wanted.
    pub fn as_known(before: Option<Link>, are_known: bool) -> Link {
        match before {
            Some(known) if known != Link::Unknown => known,
            _ if are_known => Link::Nobody,
            _ => Link::Unknown,
        }
    }

    fn is_unknown(&self) -> bool {
        *self == Link::Unknown
    }
}

/// What calls may have changed whose answers were lost: neither so nor otherwise until Okta answers about it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unsure {
    /// Groups that they may be in, by id, whatever `Account::groups` says.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// Apps that they may have been given directly, by id.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub apps: BTreeSet<String>,
    /// Apps in which they may be called otherwise, by id.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub app_names: BTreeSet<String>,
    /// Whom the manager link leads to.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub manager: bool,
    /// Whether something to sign in with for the first time was made and reached nobody, or may have.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sign_in: bool,
    /// Whether a call of this service has let them in.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub let_in: bool,
    /// The account was found by itself and not on a list: nobody has read which groups it is in.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub memberships: bool,
}

impl Unsure {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// How somebody else has closed an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// It was suspended, and was so when we deactivated it.
    Suspended,
    /// It was deactivated.
    Deactivated,
    /// It was deactivated since the copy was made that the store was restored from: by somebody else, or by this service.
    SinceCopy,
}

/// What is known of an account that no user object of Okta shows: kept when the account is read again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Marks {
    /// Present while a termination is under way or done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<ExitProof>,
    /// What of the rest must be read before it is believed.
    #[serde(default, skip_serializing_if = "Unsure::is_nothing")]
    pub unsure: Unsure,
    /// Memberships that a return should bring back.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub restore: BTreeSet<String>,
    /// What the end of access has taken that was taken back, until it has come back and Namely says something new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<TakenBack>,
    /// Groups that this service has put the person into, by id, until it takes them out, whatever the rules say meanwhile.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub given: BTreeSet<String>,
    /// Whether a suspension, if the account is suspended, is ours: a call of ours that was answered, or may have landed. Not known of
    /// one that was there when the account was seen first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_by_us: Option<bool>,
    /// What somebody else had done to the account before the record said that access is over: no word of the record takes that back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by_others: Option<Closed>,
    /// It is known from a copy of the store and was not read since: what this service has done since the copy was made is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub copied: bool,
    /// The status in which Okta refused to suspend the account. The next run that reads the account tries it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_suspended_in: Option<AccountStatus>,
    /// Where the manager link leads, which no user object shows.
    #[serde(default, skip_serializing_if = "Link::is_unknown")]
    pub manager: Link,
    /// Whether something to sign in with for the first time is due since we have activated the account without a mail, or was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<FirstSignIn>,
    /// Attributes that somebody else has changed in Okta, and that the mapping leaves to them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left: BTreeMap<String, Left>,
    /// What Okta said of the person's admin roles when it was asked about them alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<RolesRead>,
    /// When all groups of the person were read, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_read_at: Option<i64>,
    /// When Okta did not say in which groups the person is, although it matters: one may protect them, or carry an admin role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_unsaid_at: Option<i64>,
    /// Okta has refused a write to the profile because somebody else masters it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_mastered_elsewhere: bool,
}

/// How far the first sign-in of a joiner is, where Okta does not tell them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstSignIn {
    /// The account was activated, and nobody has got anything to sign in with.
    Owed,
    /// A link or a code has gone to the manager or to IT.
    Given,
}

/// What was left to whoever changed it: until Okta has another value, or Namely asks for another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Left {
    /// What somebody else has written.
    pub found: Value,
    /// What the mapping gave when it was left.
    pub wanted: Value,
}

/// What gives somebody an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Scope {
    /// An assignment to the person.
    User,
    /// A group; the assignment cannot be taken from the person alone.
    Group,
}

/// One Okta user as last observed: by priming, by the answer to one of our writes, or by a read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Okta's user id.
    pub id: String,
    /// As Okta has it; compared without regard to case (`login_key`).
    pub login: String,
    /// Value of the anchor attribute, if set.
    pub anchor: Option<String>,
    /// As Okta said last.
    pub status: AccountStatus,
    /// The mapped attributes that are set; an absent key is an attribute that is null.
    pub profile: BTreeMap<String, Value>,
    /// Ids of groups the person is known to be in. Complete for managed groups.
    pub groups: BTreeSet<String>,
    /// Apps that a rule of the configuration names and the person has, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub apps: BTreeMap<String, Scope>,
    /// What they are called in the apps that they were assigned alone, by id, as far as it was read or written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub app_names: BTreeMap<String, String>,
    /// Id of the user type; empty if it was not told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user_type: String,
    /// The kind of directory that the credentials are from, if it is not Okta's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub provider: String,
    /// When it was made, in milliseconds, if Okta says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<i64>,
    /// Since when it has its status, in milliseconds, if Okta says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_since: Option<i64>,
    /// What only this service knows of it.
    #[serde(default)]
    pub marks: Marks,
}

impl Account {
    /// The account as a read by its id or login shows it, where nothing else is known of it: which groups it is in and whom it
    /// is linked to, no such read says.
    pub fn found_alone(mut self) -> Self {
        (self.marks.unsure.memberships, self.marks.unsure.manager) = (true, true);
        self
    }

    /// Which account it is, for people.
    pub fn described(&self) -> String {
        let name = |key: &str| self.profile.get(key).and_then(Value::as_str).unwrap_or_default();
        let full = format!("{} {}", name("firstName"), name("lastName"));
        let full = if full.trim().is_empty() { String::new() } else { format!(", {}", full.trim()) };
        let anchor = self.anchor.as_deref().map(|anchor| format!(", of Namely profile {anchor}")).unwrap_or_default();
        format!("the Okta account {} ({}{full}{anchor})", self.id, self.login)
    }

    /// Whether this account may still be used to sign in, now or after it is activated, unlocked or unsuspended.
    pub fn is_live(&self) -> bool {
        self.status != AccountStatus::Deprovisioned
    }

    /// Whether access is in use by it that was over: `was` is the word of the entitlement that the last finished plan was made for.
    pub fn is_in_use_after(&self, was: Option<&str>) -> bool {
        if was == Some("ended") { self.is_live() } else { self.is_awake() }
    }

    /// Whether it is suspended by us, or was so when it was seen first and the record has said as much since: `was` is the word of the
    /// entitlement that the last finished plan was made for.
    pub fn is_suspended_by_us(&self, was: Option<&str>) -> bool {
        let is_as_recorded = || matches!(was, Some("on_leave" | "suspended"));
        let is_ours = self.marks.suspended_by_us.unwrap_or_else(is_as_recorded) || self.is_suspended_for_end();
        self.status == AccountStatus::Suspended && is_ours
    }

    /// Whether it is deactivated by us, or was so while the record said that access is over. A deactivation that was sent since
    /// the account was last seen in use is ours, whatever its answer was.
    pub fn is_deactivated_by_us(&self, was: Option<&str>) -> bool {
        let exit = self.marks.exit.as_ref();
        let is_ours = exit.is_some_and(|exit| exit.deactivated || exit.sent);
        let is_closed = self.status == AccountStatus::Deprovisioned && self.marks.closed_by_others.is_none();
        is_closed && (is_ours || was == Some("ended"))
    }

    /// What is known of whose a suspension is, when it is read after it was `known`.
    pub fn is_read_after(&mut self, known: &Account) {
        // An answer of before our suspension, late on its way, says of nobody that they have lifted it: that would have its own time.
        let is_of_before = known.marks.suspended_by_us == Some(true)
            && self.status_since.is_some_and(|since| known.status_since == Some(since));
        if self.is_awake() && !is_of_before || known.is_awake() && self.marks.suspended_by_us.is_none() {
            self.marks.suspended_by_us = Some(false);
        }
        let exit = self.marks.exit.as_ref();
        if self.is_awake() {
            self.marks.closed_by_others = None;
        } else if known.is_live() && !self.is_live() && !exit.is_some_and(|exit| exit.sent || exit.deactivated) {
            let since_copy = known.marks.copied;
            self.marks.closed_by_others = Some(if since_copy { Closed::SinceCopy } else { Closed::Deactivated });
        }
        self.marks.copied = false;
    }

    /// Whether we have suspended it because access was to end.
    pub fn is_suspended_for_end(&self) -> bool {
        self.status == AccountStatus::Suspended && self.marks.exit.as_ref().is_some_and(|exit| exit.suspended)
    }

    /// Who masters the profile, if it is not Okta. Signing in elsewhere (`FEDERATION`, `SOCIAL`) is no mastering.
    pub fn mastered_by(&self) -> Option<&str> {
        match self.provider.as_str() {
            "ACTIVE_DIRECTORY" | "LDAP" | "IMPORT" => Some(&self.provider),
            _ if self.marks.is_mastered_elsewhere => Some("another directory (E0000023)"),
            _ => None,
        }
    }

    /// It was read after it was known as `known`: if somebody else has let them in meanwhile, it is in use since then, and what it
    /// lacks is not what an end of access has taken.
    pub fn is_let_in_after(&mut self, known: &Account) {
        if self.is_awake() && !known.is_awake() && !known.marks.unsure.let_in {
            self.marks.taken_back = None;
        }
        self.marks.unsure.let_in = false;
    }

    /// Whether this account can be used to sign in as it is, or after a step that its owner takes alone.
    pub fn is_awake(&self) -> bool {
        !matches!(self.status, AccountStatus::Staged | AccountStatus::Suspended | AccountStatus::Deprovisioned)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An active account without anything, for the tests of this room and of those that use it.
    pub(crate) fn bare(id: &str, login: &str, anchor: Option<&str>) -> Account {
        Account {
            id: id.into(),
            login: login.into(),
            anchor: anchor.map(str::to_owned),
            status: AccountStatus::Active,
            profile: BTreeMap::new(),
            groups: BTreeSet::new(),
            apps: BTreeMap::new(),
            app_names: BTreeMap::new(),
            user_type: String::new(),
            provider: String::new(),
            created_at: None,
            status_since: None,
            marks: Marks::default(),
        }
    }

    #[test]
    fn an_answer_of_before_our_suspension_makes_it_nobody_elses() {
        let of =
            |status, since: i64| Account { status, status_since: Some(since), ..bare("00u1", "ada@example.com", None) };
        let mut known = of(AccountStatus::Active, 1);
        known.status = AccountStatus::Suspended; // by a call that was answered with nothing else
        known.marks.suspended_by_us = Some(true);
        let read = |known: &Account, mut now: Account| {
            now.marks = known.marks.clone();
            now.is_read_after(known);
            now
        };
        let late = read(&known, of(AccountStatus::Active, 1));
        let shown = read(&late, of(AccountStatus::Suspended, 2));
        assert!(shown.is_suspended_by_us(None), "it was under way when we suspended");
        let lifted = read(&shown, of(AccountStatus::Active, 3));
        let again = read(&lifted, of(AccountStatus::Suspended, 4));
        assert!(!again.is_suspended_by_us(None), "somebody has lifted it, and somebody has suspended them since");
    }

    #[test]
    fn a_link_that_was_read_is_not_forgotten_by_a_read_without_it() {
        let to = |id: &str| Link::To(id.into());
        assert_eq!(Link::as_known(Some(to("00uBoss")), true), to("00uBoss"));
        assert_eq!(Link::as_known(Some(to("00uBoss")), false), to("00uBoss"));
        assert_eq!(
            Link::as_known(Some(Link::Unknown), true),
            Link::Nobody,
            "what comes later has no link that is known"
        );
        assert_eq!(Link::as_known(None, false), Link::Unknown);
    }

    #[test]
    fn who_is_to_be_suspended_may_keep_a_suspended_account_and_who_is_to_end_none() {
        let suspended = Account { status: AccountStatus::Suspended, ..bare("00u1", "a@example.com", None) };
        assert!(suspended.is_in_use_after(Some("ended")) && !suspended.is_in_use_after(Some("suspended")));
        assert!(bare("00u1", "a@example.com", None).is_in_use_after(None));
    }

    #[test]
    fn unknown_statuses_are_kept_apart_and_count_as_live() {
        assert_eq!(AccountStatus::parse("PASSWORD_EXPIRED"), AccountStatus::PasswordExpired);
        assert_eq!(AccountStatus::parse("HIBERNATING"), AccountStatus::Unknown);
        for status in [AccountStatus::Staged, AccountStatus::LockedOut, AccountStatus::Deprovisioned] {
            assert_eq!(AccountStatus::parse(status.as_str()), status);
        }
    }
}
