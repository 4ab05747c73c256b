//! Whoever has left and can still sign in: why, since when, and what ends it.
//!
//! **Invariant:** access counts as ended only when Okta has shown it: what nobody knows is access.

use crate::clock::Moment;
use crate::domain::account::user::{Account, AccountStatus};
use crate::domain::record::lifecycle::Entitlement;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A decision that leaves access is asked again after this.
const ASKED_AGAIN: Duration = Duration::from_secs(30 * 86_400);

/// Why somebody who has left still has access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyAccess {
    /// Okta does not do it.
    Refused,
    /// A safeguard waits for a decision.
    Held,
    /// It is not known which account is theirs, or whether they have one.
    NotFound,
    /// The org is not in the configuration: nobody reads or ends accounts there.
    OrgNotConfigured,
    /// Nobody has come to it yet.
    Waiting,
    /// Somebody has decided so.
    ByDecision,
}

impl WhyAccess {
    /// All reasons, the most urgent first.
    pub const ALL: [WhyAccess; 6] = [
        WhyAccess::Refused,
        WhyAccess::Held,
        WhyAccess::NotFound,
        WhyAccess::OrgNotConfigured,
        WhyAccess::Waiting,
        WhyAccess::ByDecision,
    ];

    /// The word in metrics and documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            WhyAccess::Refused => "refused",
            WhyAccess::Held => "held",
            WhyAccess::NotFound => "not_found",
            WhyAccess::OrgNotConfigured => "org_not_configured",
            WhyAccess::Waiting => "waiting",
            WhyAccess::ByDecision => "by_decision",
        }
    }

    /// Whether somebody has to be called for it.
    pub const fn pages(self) -> bool {
        !matches!(self, WhyAccess::ByDecision)
    }
}

impl std::fmt::Display for WhyAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            WhyAccess::Refused => "refused by Okta",
            WhyAccess::Held => "held",
            WhyAccess::NotFound => "account not found",
            WhyAccess::OrgNotConfigured => "org not configured",
            WhyAccess::Waiting => "waiting",
            WhyAccess::ByDecision => "by decision",
        })
    }
}

/// Somebody has decided that the access of a leaver stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The name of whoever has decided.
    pub by: String,
    /// When they did.
    pub at: Moment,
    /// What it was, for people.
    pub what: String,
    /// What shows more, or takes it back.
    pub command: String,
}

impl Decision {
    /// What it means now: it holds for a while, and is asked again then.
    fn says(&self, now: Moment) -> (WhyAccess, String) {
        let Decision { by, at, what, .. } = self;
        let (message, asked) = (format!("by decision of {by} at {at} ({what})"), *at + ASKED_AGAIN);
        match asked > now {
            true => (WhyAccess::ByDecision, format!("{message}; asked again on {}", day(asked))),
            false => (WhyAccess::Held, format!("{message}, more than 30 days ago: decide again")),
        }
    }
}

/// Other accounts that may be theirs: the end of the first one says nothing about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seconds {
    /// In words.
    pub accounts: Vec<String>,
    /// What asks whose they are.
    pub review: Option<i64>,
}

/// What their work is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Okta is said to hold the newest revision.
    Done,
    /// It waits for its turn, or a run has it.
    Ready,
    /// It waits until somebody changes something.
    Quarantined,
    /// It waits for a decision of people.
    Held,
}

/// What is known of somebody.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// What Namely says now.
    pub entitlement: &'a Entitlement,
    /// The account, as it was last seen.
    pub account: Option<&'a Account>,
    /// Since when access is over.
    pub since: Moment,
    /// How far the end of their access is.
    pub work: Work,
    /// What the last run said.
    pub reason: Option<&'a str>,
    /// Why it is not known which account is theirs.
    pub conflict: Option<&'a str>,
    /// The hold on the end of their access that waits for a decision.
    pub hold: Option<i64>,
    /// Who has decided that access stays: by a rejection or an undo.
    pub decision: Option<Decision>,
    /// Live accounts besides theirs.
    pub seconds: Option<Seconds>,
    /// Who has decided of accounts that are nobody's that they are somebody else's, and not this person's.
    pub left_alone: Vec<Decision>,
    /// Why nothing is written to the account.
    pub protected: Option<String>,
    /// Why writes of this kind are stopped.
    pub paused: Option<String>,
    /// What is under way for them, or keeps it from being so.
    pub doing: Option<String>,
}

/// What is said of somebody who has left and still has access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaverAccess {
    /// The reason, as a closed set for metrics and filters.
    pub why: WhyAccess,
    /// The reason in words, with the account and since when.
    pub message: String,
    /// What shows more, or ends it.
    pub command: String,
}

/// Decides about somebody: nothing if access is not over, if it has ended, or if it is over for less than `after` and nobody has
/// decided that it stays.
pub fn leaver_access(known: &Known, after: Duration, now: Moment) -> Option<LeaverAccess> {
    let is_soon = now.since(known.since) < after && known.decision.is_none();
    if !known.entitlement.is_over() || is_soon {
        return None;
    }
    let seconds = known.seconds.as_ref();
    let others = seconds.map(|seconds| format!("live and with their anchor too: {}", seconds.accounts.join(", ")));
    if has_ended(known) {
        let review = seconds.and_then(|seconds| seconds.review);
        let command = review.map_or_else(|| "attention".into(), |id| format!("review show {id}"));
        let held = others.map(|message| LeaverAccess { why: WhyAccess::Held, message, command });
        return held.or_else(|| left_alone(&known.left_alone, now));
    }
    let say = |why, message: String, command: String| {
        let message = others.iter().fold(message, |message, others| format!("{message}; {others}"));
        Some(LeaverAccess { why, message, command })
    };
    let reason = || known.reason.unwrap_or("nobody has come to it yet").to_owned();
    let now_and_before = || match (&known.doing, known.reason) {
        (Some(doing), Some(before)) => format!("{doing}; before that: {before}"),
        (Some(doing), None) => doing.clone(),
        (None, _) => reason(),
    };
    if let Some(id) = known.hold {
        return say(WhyAccess::Held, format!("hold {id} waits for a decision"), format!("holds show {id}"));
    }
    if let Some(decision) = &known.decision {
        let (why, message) = decision.says(now);
        return say(why, message, decision.command.clone());
    }
    if let Some(why) = &known.protected {
        return say(WhyAccess::ByDecision, format!("protected by the configuration: {why}"), "attention".into());
    }
    if let Some(why) = &known.paused {
        return say(WhyAccess::Waiting, why.clone(), "pause --list".into());
    }
    if let Some(why) = known.conflict {
        return say(WhyAccess::NotFound, why.to_owned(), "review list".into());
    }
    let refused = known.account.and_then(|account| account.marks.exit.as_ref()?.refused.clone());
    match (known.work, refused) {
        (Work::Held, _) => say(WhyAccess::Held, reason(), "holds list".into()),
        (_, Some(why)) => say(WhyAccess::Refused, why, "quarantine list".into()),
        (Work::Quarantined, None) if known.account.is_none() => {
            say(WhyAccess::NotFound, now_and_before(), "quarantine list".into())
        }
        (Work::Quarantined, None) => say(WhyAccess::Refused, now_and_before(), "quarantine list".into()),
        (Work::Ready | Work::Done, None) => say(WhyAccess::Waiting, now_and_before(), "status".into()),
    }
}

/// Accounts that are left alone: the oldest decision is the first to be asked again.
fn left_alone(decisions: &[Decision], now: Moment) -> Option<LeaverAccess> {
    let oldest = decisions.iter().min_by_key(|decision| decision.at)?;
    let (why, mut message) = oldest.says(now);
    for other in decisions.iter().filter(|other| *other != oldest) {
        message = format!("{message}; {}", other.says(now).1);
    }
    Some(LeaverAccess { why, message, command: oldest.command.clone() })
}

/// The day of a moment.
fn day(at: Moment) -> String {
    let text = at.to_string();
    text.get(..10).unwrap_or(&text).to_owned()
}

/// Whether Okta has shown that they cannot sign in with the account that is known as theirs.
fn has_ended(known: &Known) -> bool {
    let Some(account) = known.account else { return known.work == Work::Done };
    let withheld = matches!(known.entitlement, Entitlement::Suspended(_));
    match account.status {
        AccountStatus::Suspended => withheld,
        // Accepted, but not shown yet.
        AccountStatus::Deprovisioned => {
            account.marks.exit.as_ref().is_none_or(|proof| proof.read_back || !proof.deactivated)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::user::tests::bare;
    use crate::domain::account::user::{ExitProof, Marks};

    const AFTER: Duration = Duration::from_secs(300);
    const NOW: Moment = Moment::from_secs(1_800_000_000);

    fn account(status: AccountStatus) -> Account {
        Account { status, ..bare("00u1", "ines@example.com", None) }
    }

    fn with(proof: ExitProof) -> Account {
        let marks = Marks { exit: Some(proof), ..Marks::default() };
        Account { marks, ..account(AccountStatus::Deprovisioned) }
    }

    /// What is said of an account of somebody who has left an hour ago, changed by the test.
    fn said<'a>(account: Option<&'a Account>, change: impl FnOnce(&mut Known<'a>)) -> Option<(WhyAccess, String)> {
        static ENDED: Entitlement = Entitlement::Ended(String::new());
        let mut known = Known {
            entitlement: &ENDED,
            account,
            since: NOW - Duration::from_secs(3600),
            work: Work::Ready,
            reason: None,
            conflict: None,
            hold: None,
            decision: None,
            seconds: None,
            left_alone: Vec::new(),
            protected: None,
            paused: None,
            doing: None,
        };
        change(&mut known);
        leaver_access(&known, AFTER, NOW).map(|found| (found.why, found.message))
    }

    fn why<'a>(account: Option<&'a Account>, change: impl FnOnce(&mut Known<'a>)) -> Option<WhyAccess> {
        said(account, change).map(|(why, _)| why)
    }

    #[test]
    fn whoever_has_left_and_has_an_account_that_is_not_shown_to_be_closed_has_access() {
        use AccountStatus::{
            Active, Deprovisioned, LockedOut, PasswordExpired, Provisioned, Recovery, Staged, Suspended,
        };
        for status in
            [Active, Provisioned, Recovery, PasswordExpired, LockedOut, Staged, Suspended, AccountStatus::Unknown]
        {
            assert_eq!(why(Some(&account(status)), |_| ()), Some(WhyAccess::Waiting), "{status:?}");
            let done = why(Some(&account(status)), |known| known.work = Work::Done);
            assert_eq!(done, Some(WhyAccess::Waiting), "{status:?}: nobody is done because somebody says so");
        }
        assert_eq!(why(Some(&account(Deprovisioned)), |_| ()), None, "a list has shown it");
        assert_eq!(why(Some(&with(ExitProof { read_back: true, ..ExitProof::default() })), |_| ()), None);
        let accepted = with(ExitProof { deactivated: true, ..ExitProof::default() });
        assert_eq!(why(Some(&accepted), |_| ()), Some(WhyAccess::Waiting), "accepted is not shown");
        assert_eq!(why(None, |_| ()), Some(WhyAccess::Waiting), "nobody has looked for an account yet");
        assert_eq!(why(None, |known| known.work = Work::Done), None);
    }

    #[test]
    fn in_the_grace_a_suspended_account_is_closed_and_calls_of_the_last_minutes_do_not_count() {
        let grace = Entitlement::Suspended("grace".into());
        let suspended = account(AccountStatus::Suspended);
        assert_eq!(why(Some(&suspended), |known| known.entitlement = &grace), None);
        let active = account(AccountStatus::Active);
        assert_eq!(why(Some(&active), |known| known.entitlement = &grace), Some(WhyAccess::Waiting));
        assert_eq!(why(Some(&active), |known| known.since = NOW - Duration::from_secs(299)), None);
        assert_eq!(why(Some(&active), |known| known.since = NOW - AFTER), Some(WhyAccess::Waiting));
        assert_eq!(why(Some(&active), |known| known.entitlement = &Entitlement::Entitled), None);
    }

    #[test]
    fn each_reason_is_told_apart() {
        let active = account(AccountStatus::Active);
        assert_eq!(why(Some(&active), |known| known.hold = Some(7)), Some(WhyAccess::Held));
        let protected = why(Some(&active), |known| known.protected = Some("break-glass".into()));
        assert_eq!(protected, Some(WhyAccess::ByDecision));
        assert_eq!(why(None, |known| known.conflict = Some("two accounts")), Some(WhyAccess::NotFound));
        assert_eq!(why(None, |known| known.work = Work::Quarantined), Some(WhyAccess::NotFound));
        assert_eq!(why(Some(&active), |known| known.work = Work::Quarantined), Some(WhyAccess::Refused));
        let mut refused = active.clone();
        refused.marks.exit = Some(ExitProof { refused: Some("deactivate: E0000006".into()), ..ExitProof::default() });
        let (found, message) = said(Some(&refused), |_| ()).expect("access");
        assert!(found == WhyAccess::Refused && message.contains("E0000006"), "also while it is tried again: {message}");
        let (found, message) = said(Some(&active), |known| known.paused = Some("ann: night".into())).expect("access");
        assert!(found == WhyAccess::Waiting && message.contains("ann"), "{message}");
        let sent = |known: &mut Known| known.doing = Some("deactivate was sent at noon".into());
        let (found, message) = said(Some(&active), sent).expect("access");
        assert!(found == WhyAccess::Waiting && message == "deactivate was sent at noon", "{message}");
        assert!(WhyAccess::ALL.iter().filter(|why| !why.pages()).eq([&WhyAccess::ByDecision]));
    }

    #[test]
    fn what_somebody_has_decided_names_them_for_thirty_days_and_then_is_asked_again() {
        let active = account(AccountStatus::Active);
        let decided = |days: u64| {
            let at = NOW - Duration::from_secs(days * 86_400);
            let (by, what, command) = ("ann".into(), "hold 7 was rejected".into(), "holds show 7".into());
            move |known: &mut Known| {
                known.decision = Some(Decision { by, at, what, command });
                // What the work does about it is another matter.
                known.work = Work::Held;
            }
        };
        let (found, message) = said(Some(&active), decided(3)).expect("access");
        assert_eq!(found, WhyAccess::ByDecision);
        let at = NOW - Duration::from_secs(3 * 86_400);
        let wanted = format!("by decision of ann at {at} (hold 7 was rejected); asked again on ");
        assert!(message.starts_with(&wanted), "{message}");
        let (found, message) = said(Some(&active), decided(31)).expect("access");
        assert!(found == WhyAccess::Held && message.contains("ann") && message.contains("decide again"), "{message}");
        let open = |known: &mut Known| {
            decided(3)(known);
            known.hold = Some(8);
        };
        assert_eq!(why(Some(&active), open), Some(WhyAccess::Held), "something else waits for a decision");
        assert_eq!(why(Some(&account(AccountStatus::Deprovisioned)), decided(3)), None, "there is no access");
    }

    #[test]
    fn an_account_that_somebody_has_said_to_be_nobodys_is_access_by_their_decision_and_never_none() {
        let said_on = |days: u64| {
            let at = NOW - Duration::from_secs(days * 86_400);
            let (what, command) = ("00u9 was said to be somebody else's".into(), "review show 4".into());
            Decision { by: "ann".into(), at, what, command }
        };
        let left = |days: &'static [u64]| {
            move |known: &mut Known| {
                known.work = Work::Done;
                known.left_alone = days.iter().map(|days| said_on(*days)).collect();
            }
        };
        let (found, message) = said(None, left(&[3])).expect("access");
        assert!(found == WhyAccess::ByDecision && message.contains("of ann") && message.contains("00u9"), "{message}");
        let (found, message) = said(None, left(&[3, 31])).expect("access");
        assert!(found == WhyAccess::Held && message.contains("decide again"), "the oldest is asked first: {message}");
        let out = account(AccountStatus::Deprovisioned);
        assert_eq!(why(Some(&out), left(&[3])), Some(WhyAccess::ByDecision), "whatever was done with their own");
        assert_eq!(why(Some(&out), left(&[])), None);
        let entitled = |known: &mut Known| {
            left(&[3])(known);
            known.entitlement = &Entitlement::Entitled;
        };
        assert_eq!(why(None, entitled), None, "whoever works here has not left it behind");
    }

    #[test]
    fn a_second_live_account_is_access_that_is_still_there_whatever_was_done_with_the_first() {
        let out = account(AccountStatus::Deprovisioned);
        let seconds = |known: &mut Known| {
            known.work = Work::Done;
            known.seconds = Some(Seconds { accounts: vec!["00u2 (b@example.com)".into()], review: Some(4) });
        };
        for account in [Some(&out), None] {
            let (found, message) = said(account, seconds).expect("access");
            assert!(found == WhyAccess::Held && message.contains("00u2"), "{message}");
        }
        let young = |known: &mut Known| {
            seconds(known);
            known.since = NOW - Duration::from_secs(299);
        };
        assert_eq!(why(Some(&out), young), None);
    }
}
