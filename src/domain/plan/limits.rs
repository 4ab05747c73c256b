//! The safeguards as the configuration sets them: how much may be done, by itself and at all, and who is never touched.

use crate::clock::Moment;
use crate::domain::account::directory::Directory;
use crate::domain::account::user::Account;
use crate::domain::pattern::Pattern;
use crate::domain::plan::kind::ChangeKind;
use crate::domain::text::login_key;
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;

/// How much the service may do by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Everything that the safeguards let through.
    #[default]
    Auto,
    /// Nothing but what somebody has approved.
    Approve,
    /// Nothing: what would be done is written down.
    Observe,
}

impl Mode {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Mode::Observe => "observe",
            Mode::Approve => "approve",
            Mode::Auto => "auto",
        }
    }

    /// The mode of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Mode::Auto, Mode::Approve, Mode::Observe].into_iter().find(|mode| mode.as_str() == name)
    }
}

/// Over what time people are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Span {
    /// The 60 minutes before now.
    Hour,
    /// The 24 hours before now.
    Day,
    /// Since the service has started.
    Run,
}

impl Span {
    /// The word for it in the configuration and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Span::Hour => "hour",
            Span::Day => "day",
            Span::Run => "run",
        }
    }

    /// Since when it counts, at `now`; a run counts from its start.
    pub fn begin(self, now: Moment) -> Option<Moment> {
        self.length().map(|length| Moment::from_millis(now.millis() - i64::try_from(length.as_millis()).unwrap_or(0)))
    }

    /// Its length; a run has none.
    pub const fn length(self) -> Option<Duration> {
        match self {
            Span::Hour => Some(Duration::from_secs(3600)),
            Span::Day => Some(Duration::from_secs(86_400)),
            Span::Run => None,
        }
    }
}

/// Whose changes are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// A Namely tenant.
    Tenant,
    /// A department of a tenant.
    Department,
}

/// At most so many people: the larger of a number and a share of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// What is counted.
    pub change: ChangeKind,
    /// The number; the share of all may be larger, and then counts.
    pub people: u32,
    /// Part of all live accounts of the scope; 0 counts people only.
    pub share: f64,
    /// The span that is counted over.
    pub per: Span,
    /// Whose changes count together.
    pub scope: Scope,
}

/// Accounts that no plan touches, whatever Namely says.
#[derive(Clone, Debug, Default)]
pub struct Protected {
    /// Logins; `*` stands for anything.
    pub logins: Vec<Pattern>,
    /// Names of groups; everybody in one is protected.
    pub groups: Vec<Pattern>,
}

impl Protected {
    /// Whether everybody in this group is protected.
    pub fn names(&self, group: &str) -> bool {
        self.groups.iter().any(|pattern| pattern.matches(group))
    }

    /// The pattern of protected logins that a login or an address matches.
    pub fn of_login(&self, login: &str) -> Option<&Pattern> {
        let login = login_key(login);
        self.logins.iter().find(|pattern| pattern.matches(&login))
    }

    /// Why an account is protected, if it is.
    pub fn why(&self, account: &Account, directory: &Directory) -> Option<String> {
        if let Some(pattern) = self.of_login(&account.login) {
            return Some(format!("the login {} is protected ({})", account.login, pattern));
        }
        let names = account.groups.iter().filter_map(|id| Some(&directory.find(id)?.name));
        let found = names.into_iter().find(|name| self.names(name));
        found.map(|name| format!("a member of the protected group {name:?}"))
    }
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Safeguards {
    /// What is done without anybody's word.
    pub mode: Mode,
    /// Each is looked at by itself; counts stand in the same order.
    pub limits: Vec<Limit>,
    /// Whether every hold needs two people, not only that of an Okta administrator.
    pub four_eyes: bool,
    /// How often somebody is reminded of a hold.
    pub remind: Duration,
    /// How many administrators may be suspended within an hour before somebody decides.
    pub administrators: u32,
    /// How many people there are who approve, as the configuration says.
    pub approvers: Approvers,
    /// How long after a match by a rule login, email and what else lets somebody in wait for a decision.
    pub fresh_adoption: Duration,
    /// Whom no plan touches.
    pub protected: Protected,
    /// Of how many people one person may end the access within an hour, before HR has: more wait for a second person.
    pub end_access: usize,
    /// After how long somebody who has left and still has access is told of.
    pub leaver_access: Duration,
    /// Channels that are told of holds, by name: somebody hears there of what one person has decided alone.
    pub hears_holds: BTreeSet<String>,
    /// Whom an org lets into the console by its own sign-in, if one does.
    pub sign_in: Option<SignIn>,
    /// Whose voices there are, for what people decide.
    pub voices: Voices,
}

/// An org whose own sign-in lets people decide here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// Its name.
    pub org: String,
    /// Groups of it whose members may approve: whoever gets in is given as much as an admin role.
    pub approvers: BTreeSet<String>,
}

/// Somebody who has a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The name of the token.
    pub token: String,
    /// Whose vote a decision with it is.
    pub principal: String,
    /// What the identity provider calls them.
    pub person: Option<String>,
}

/// Who says who somebody is who signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provided {
    /// Exactly as it calls itself.
    pub issuer: String,
    /// The org whose sign-in it is, if it is one that is kept true here.
    pub org: Option<String>,
}

/// Everybody who may have a voice, as the configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Voices {
    /// Who has tokens.
    pub holders: Vec<Holder>,
    /// Who says who the others are.
    pub provider: Option<Provided>,
}

impl Voices {
    /// The org whose accounts say whom `Holder::person` means.
    pub fn org(&self) -> Option<&str> {
        self.provider.as_ref().and_then(|provider| provider.org.as_deref())
    }
}

/// How many people there are who can approve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approvers {
    /// What needs two people waits for two.
    #[default]
    Two,
    /// There is only one: in place of a second person everybody has this long for saying no.
    One {
        /// How long everybody has.
        delay: Duration,
    },
}

impl Default for Safeguards {
    fn default() -> Self {
        Self {
            mode: Mode::Auto,
            limits: default_limits().to_vec(),
            four_eyes: false,
            remind: Duration::from_secs(4 * 3600),
            administrators: 1,
            approvers: Approvers::Two,
            fresh_adoption: Duration::from_secs(7 * 86_400),
            protected: Protected::default(),
            end_access: 10,
            hears_holds: BTreeSet::new(),
            sign_in: None,
            voices: Voices::default(),
            leaver_access: Duration::from_secs(300),
        }
    }
}

/// The limits that hold where the configuration names none for a kind.
pub const fn default_limits() -> [Limit; 9] {
    const fn limit(change: ChangeKind, people: u32, share: f64, per: Span) -> Limit {
        Limit { change, people, share, per, scope: Scope::Tenant }
    }
    [
        limit(ChangeKind::Deactivate, 10, 0.02, Span::Hour),
        limit(ChangeKind::Deactivate, 25, 0.05, Span::Day),
        limit(ChangeKind::Suspend, 10, 0.02, Span::Hour),
        limit(ChangeKind::Suspend, 25, 0.05, Span::Day),
        limit(ChangeKind::RemoveGroup, 100, 0.2, Span::Hour),
        limit(ChangeKind::AddGroup, 100, 0.2, Span::Hour),
        limit(ChangeKind::Adopt, 3, 0.0, Span::Hour),
        limit(ChangeKind::Adopt, 10, 0.0, Span::Day),
        limit(ChangeKind::ChangeLogin, 25, 0.05, Span::Hour),
    ]
}

impl Safeguards {
    /// How long everybody has for saying no in place of a second person, where there is none.
    pub const fn alone(&self) -> Option<Duration> {
        match self.approvers {
            Approvers::Two => None,
            Approvers::One { delay } => Some(delay),
        }
    }
}
