//! Everything that is known of one person in one org: what plans are made from.

use crate::clock::Moment;
use crate::domain::account::user::{Account, AccountStatus};
use crate::domain::mapping::login::Chosen;
use crate::domain::matching::adoption::Adopted;
use crate::domain::plan::end_now::EndNow;
use crate::domain::plan::left_alone::LeftAlone;
use crate::domain::plan::pins::Pins;
use crate::domain::record::employee::UserStatus;
use crate::domain::record::lifecycle::Entitlement;
use crate::domain::record::person::{Person, Position};
use std::collections::BTreeSet;

/// Who somebody reports to, as seen from one org.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ManagerLink {
    /// Nobody, or links are not written in this org.
    #[default]
    Nobody,
    /// The manager's account. `reached_at` is the address in Okta at which they can be told something that nobody else may know: of nobody
    /// who has left, or cannot sign in.
    Account { id: String, login: String, reached_at: Option<String> },
    /// The manager is known in Namely and has no account here yet: the link is written when they appear.
    Awaited(String),
    /// The record does not lead to anybody who could be linked; the reason in words.
    Broken(String),
}

impl ManagerLink {
    /// The login of the manager's account.
    pub fn login(&self) -> Option<&str> {
        match self {
            ManagerLink::Account { login, .. } => Some(login),
            ManagerLink::Nobody | ManagerLink::Awaited(_) | ManagerLink::Broken(_) => None,
        }
    }

    /// Where the manager can be told something in confidence.
    pub fn reached_at(&self) -> Option<&str> {
        match self {
            ManagerLink::Account { reached_at, .. } => reached_at.as_deref(),
            ManagerLink::Nobody | ManagerLink::Awaited(_) | ManagerLink::Broken(_) => None,
        }
    }
}

/// One person in one org.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The org, by its name in the configuration.
    pub org: String,
    /// Whoever it is: all profiles that are linked to them.
    pub person: Person,
    /// Whether any profile is routed to this org.
    pub routed: bool,
    /// Beside profiles that are routed to this org: those of theirs that were, and are not any more.
    pub elsewhere: Vec<Position>,
    /// Since when the person is known to have left.
    pub ended_at: Option<Moment>,
    /// The word of the entitlement that the last finished plan was made for.
    pub was: Option<String>,
    /// As it was last seen; `None` where none is known, which is no proof that there is none.
    pub account: Option<Account>,
    /// Whom their account should be linked to.
    pub manager: ManagerLink,
    /// The login that was chosen; the error says why none could be.
    pub login: Result<Chosen, String>,
    /// Names of those who report to them.
    pub subordinates: Vec<String>,
    /// What an undo has restored.
    pub pins: Pins,
    /// How they came to the account, if a match gave it to them.
    pub adopted: Option<Adopted>,
    /// Somebody has ended their access before HR has.
    pub end_now: Option<EndNow>,
    /// Somebody has rejected the end of their access, and that holds.
    pub end_rejected: bool,
    /// Of somebody who has left: accounts that may be theirs, and that people have said to be somebody else's.
    pub left_alone: Vec<LeftAlone>,
    /// Since when it is proved that the person has no account.
    pub searched_at: Option<Moment>,
    /// Names in apps that the mapping gives them and that somebody else goes by.
    pub names_of_others: Vec<NameOfAnother>,
    /// Whether the tenant of their first profile was read as a whole since the service has started: until then HR may have said
    /// something else meanwhile.
    pub is_current: bool,
}

/// A name that somebody else goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameOfAnother {
    /// As names are compared (`login_key`).
    pub name: String,
    /// The app in which they are called so, by id; without it their login is, and they may be called so in any.
    pub app: Option<String>,
    /// Apps in which they are known to be called otherwise.
    pub except: BTreeSet<String>,
    /// Their login.
    pub whose: String,
    /// The id of their account, if they have one.
    pub id: String,
    /// Ids of the accounts of those who are to have one another's names there, from the person to them and on until it leads back to
    /// the person; empty where it does not.
    pub ring: Vec<String>,
}

impl NameOfAnother {
    /// The account whose owner is called something else for a moment, so that all of a ring get what they should have.
    pub fn yields(&self) -> Option<&String> {
        self.ring.iter().min()
    }

    /// Nothing but the name, and whose it is.
    pub fn of(name: &str, whose: &str) -> Self {
        let (name, whose) = (name.to_owned(), whose.to_owned());
        Self { name, app: None, except: BTreeSet::new(), whose, id: String::new(), ring: Vec::new() }
    }
}

impl Case {
    /// Whether an account is written to as soon as something of it changes: it is in use by somebody who works here, or its owner has it
    /// back. Of whoever has left nothing but the end is.
    pub fn is_kept_up(&self, own: &Account, entitlement: &Entitlement) -> bool {
        match entitlement {
            Entitlement::Entitled => own.is_live() || own.is_deactivated_by_us(self.was.as_deref()),
            Entitlement::OnLeave(_) => own.is_live(),
            Entitlement::Prehire { .. } | Entitlement::NotYet => {
                let is_active = self.person.primary().employee.user_status == UserStatus::Active;
                own.status == AccountStatus::Staged || is_active && own.is_live()
            }
            Entitlement::Suspended(_) | Entitlement::Ended(_) | Entitlement::Unclear(_) => false,
        }
    }

    /// A person of whom nothing is known but their profiles, under the login that their email gives.
    pub fn new(org: &str, person: Person) -> Self {
        let login = person.primary().employee.email.clone();
        Self {
            org: org.to_owned(),
            person,
            routed: true,
            elsewhere: Vec::new(),
            ended_at: None,
            was: None,
            account: None,
            manager: ManagerLink::Nobody,
            login: Ok(Chosen { login, deactivated_holder: None, until: None }),
            subordinates: Vec::new(),
            pins: Pins::default(),
            adopted: None,
            end_now: None,
            end_rejected: false,
            left_alone: Vec::new(),
            searched_at: None,
            names_of_others: Vec::new(),
            is_current: true,
        }
    }

    /// Whether somebody has ended their access before HR has, and that holds now.
    pub fn ends_now(&self, now: Moment) -> bool {
        self.end_now.as_ref().is_some_and(|asked| asked.has_begun(now))
    }

    /// What is granted of what the record `says`, as far as an undo has not pinned something else.
    pub fn entitlement(&self, says: &Entitlement) -> Entitlement {
        self.pins.entitlement(says, self.account.as_ref(), self.was.as_deref())
    }

    /// Whether what is planned gives access against what the record `says`, by an undo.
    pub fn gives_against(&self, says: &Entitlement) -> bool {
        self.pins.gives_against(says, self.account.as_ref(), self.was.as_deref())
    }

    /// Whether the last finished plan was made for this entitlement.
    pub fn was(&self, word: &str) -> bool {
        self.was.as_deref() == Some(word)
    }
}
