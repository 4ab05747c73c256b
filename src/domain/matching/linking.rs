//! What follows from a correlation: by the rules, and by how much rules may do by themselves.

use crate::domain::Position;
use crate::domain::account::user::Account;
use crate::domain::matching::correlation::{ANCHOR, BEFORE, Candidate, Contact, Correlation, Counterpart, MatchRule};
use crate::domain::record::lifecycle::NewProfile;

/// What the correlation of a profile leads to.
#[derive(Clone, Debug, PartialEq)]
pub enum Follows {
    /// A person whom another tenant knows is not changed before the report of this one was accepted.
    Report,
    /// Nobody in the org is theirs; they may be made.
    Nobody,
    /// Nobody is, as far as it is known: no account is made before a rule that fails works, or a review about somebody of the
    /// same name is decided.
    Unsure { conflict: String },
    /// This is theirs, by this rule.
    Match { counterpart: Counterpart, rule: String },
    /// A person must decide about these; the reason in words.
    Review { candidates: Vec<Candidate>, why: String },
}

/// What decides besides the candidates. What a correlation does not depend on need not be known.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Why no rule joins the profile with the person who is matched, if none does for now.
    pub no_joining: Option<String>,
    /// The tenant came to an org that others have been accepted for, and waits for its own report.
    pub is_added: bool,
    /// Why it is not known what a rule looks the profile up by.
    pub unkeyed: Option<String>,
    /// An open review about another profile of the same name, and who that is.
    pub namesake: Option<(i64, String)>,
}

/// What must be known to say what follows from a correlation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    Nothing,
    /// Whether a rule may join the profile with this person.
    Joining(i64),
    /// Whether the tenant was added to the org.
    Added,
    /// Whether every rule could be evaluated, and whether a review is open about somebody of the same name.
    Others,
}

/// What must be known to say what follows from a correlation.
pub const fn asks(correlation: &Correlation, contact: Contact) -> Asks {
    match (correlation, contact) {
        (Correlation::Nobody, _) => Asks::Others,
        (Correlation::Match { counterpart: Counterpart::Target(person), .. }, Contact::Later) => Asks::Joining(*person),
        (Correlation::Match { counterpart: Counterpart::Target(_), .. }, Contact::First) => Asks::Added,
        (Correlation::Match { .. } | Correlation::Review { .. }, _) => Asks::Nothing,
    }
}

/// What follows from the correlation of a profile with `candidates`.
pub fn follows(correlation: Correlation, candidates: &[Candidate], known: Known) -> Follows {
    match correlation {
        Correlation::Match { counterpart: Counterpart::Target(_), .. } if known.is_added => Follows::Report,
        Correlation::Match { counterpart, rule } => match known.no_joining {
            Some(but) => {
                let why = format!("is {}, by rule {rule:?}, but {but}", described(candidates, &rule));
                Follows::Review { candidates: candidates.to_vec(), why }
            }
            None => Follows::Match { counterpart, rule },
        },
        Correlation::Nobody => match (known.unkeyed, known.namesake) {
            (Some(conflict), _) => Follows::Unsure { conflict },
            (None, Some((review, who))) => Follows::Unsure {
                conflict: format!(
                    "review {review} is open about {who}, of the same name: no account is made before it is decided; see \
                     `review show {review}`"
                ),
            },
            (None, None) => Follows::Nobody,
        },
        Correlation::Review { candidates, why } => Follows::Review { candidates, why },
    }
}

/// Whom a rule has found, for people.
pub fn described(candidates: &[Candidate], rule: &str) -> String {
    candidates.iter().find(|one| one.rule == rule).map(|one| one.described.clone()).unwrap_or_default()
}

/// What has matched, in words. `keys` are what the rules look the profile up by.
pub fn evidence(anchor: &str, profile: &str, keys: &[(&MatchRule, String)], rule: &str) -> String {
    match rule {
        ANCHOR => return format!("{anchor} {profile}"),
        BEFORE => return "until both were active".into(),
        _ => {}
    }
    let found = keys.iter().find(|(known, _)| known.name == rule);
    found.map(|(known, value)| format!("{} {value}", known.attribute)).unwrap_or_default()
}

/// Whether what is matched is acted upon because a rule says so, and nobody has looked at it.
pub fn is_by_rule_alone(contact: Contact, rule: &str) -> bool {
    contact == Contact::Later && rule != ANCHOR
}

/// Whether a candidate is a live account that is nobody's: what somebody who has left may have left behind.
pub fn is_left_behind(candidate: &Candidate) -> bool {
    matches!(candidate.counterpart, Counterpart::Account(_)) && !candidate.is_deactivated
}

/// Whether the profile of a target is not correlated: whoever has an account, or shares a target, is known; the others, and
/// whoever has left, are looked for each time their profile changes.
pub const fn is_settled(has_account: bool, has_left: bool, shares: bool) -> bool {
    has_account || (!has_left && shares)
}

/// How it is found out whose a profile of a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Not yet: before the org was read, that nobody matches says nothing, and what matches is half of what may.
    Later,
    /// It is known.
    Known,
    /// They are looked for. Who has left is ended wherever they have an account, whatever routes them.
    Sought,
}

/// How it is found out whose a profile of a target is, in an org that `is_read`. What decides only where it is routed, or not, is asked for
/// then.
pub fn whose<E>(
    is_read: bool,
    routed: bool,
    has_left: impl FnOnce() -> Result<bool, E>,
    is_settled: impl FnOnce() -> Result<bool, E>,
) -> Result<Whose, E> {
    if !is_read {
        return Ok(Whose::Later);
    }
    Ok(if (routed || has_left()?) && !is_settled()? { Whose::Sought } else { Whose::Known })
}

/// Candidates in the order of the rules, each once, without the profile's own target and without those whom a person has
/// rejected: of an account also after somebody else has it.
pub fn distinct(found: Vec<Candidate>, own: i64, rejected: &[String]) -> Vec<Candidate> {
    let is_rejected = |candidate: &Candidate| {
        let account = candidate.account.clone().map(Counterpart::Account);
        [Some(candidate.counterpart.clone()), account].into_iter().flatten().any(|one| rejected.contains(&one.key()))
    };
    let mut seen = vec![Counterpart::Target(own)];
    let mut kept = Vec::with_capacity(found.len());
    for candidate in found {
        if !seen.contains(&candidate.counterpart) && !is_rejected(&candidate) {
            seen.push(candidate.counterpart.clone());
            kept.push(candidate);
        }
    }
    kept
}

/// What keeps others from joining a target.
#[derive(Clone, Debug, Default)]
pub struct Ties<'a> {
    /// Their access was ended by hand.
    pub ended_by_order: Option<String>,
    /// A review that is open about one of its profiles.
    pub open_review: Option<i64>,
    /// Its own account is being taken over, and that is not carried out yet.
    pub is_being_adopted: bool,
    /// Tenants of its profiles, each with whether it was added to the org and waits for its own report.
    pub tenants: Vec<(&'a str, bool)>,
}

/// That another tenant shows a profile of the same id among those of a person: ids are unique, so one of the two tenants is a copy, and
/// which of them speaks for the person is asked.
pub fn copied(mine: &Position, theirs: &[Position]) -> Option<String> {
    let is_copy = |other: &&Position| other.employee.id == mine.employee.id && other.tenant != mine.tenant;
    theirs.iter().find(is_copy).map(|other| {
        format!(
            "tenant {} shows the profile {} too: one of the two is a copy of the other; accept if both speak for the person, reject if \
             this one does not",
            other.tenant, other.employee.id
        )
    })
}

/// Why it is asked whether a profile that a rule joins with a person who has left is them: whoever can make a profile would have their
/// account.
pub fn returns(policy: NewProfile, has_left: bool, account: Option<&Account>) -> Option<String> {
    let is_closed = account.is_some_and(|account| !account.is_live());
    (policy == NewProfile::Ask && account.is_some() && (has_left || is_closed))
        .then(|| "they have left: accept if they come back by this profile, reject if it is somebody else".into())
}

/// What must be decided before a profile of the tenant `mine` joins a target of an org.
pub fn bound(ties: &Ties, mine: &str, org: &str) -> Option<String> {
    if let Some(ended) = &ties.ended_by_order {
        return Some(ended.clone());
    }
    if let Some(review) = ties.open_review {
        return Some(format!("review {review} is open about them: decide it first"));
    }
    if ties.is_being_adopted {
        return Some("their own account is being taken over just now: that is decided first".into());
    }
    if !ties.tenants.iter().all(|(_, is_added)| *is_added) {
        return None;
    }
    let (waiting, _) = ties.tenants.last().filter(|(tenant, _)| *tenant != mine)?;
    Some(format!("the first contact of {waiting} with {org} is not accepted yet"))
}

/// Why nobody joins a person who has left while it is asked whether another profile is them: what was in doubt while both worked
/// is in doubt still. `is_own`: the review is about the profile that would join.
pub fn left_while_asked(review: i64, is_own: bool) -> String {
    match is_own {
        true => "they have left since this was asked: it stays a question until somebody decides it".into(),
        false => format!("review {review} asks who they are, and they have left since: decide it first"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::user::AccountStatus;
    use crate::domain::account::user::tests::bare;

    fn candidate(rule: &str, counterpart: Counterpart) -> Candidate {
        Candidate { rule: rule.into(), counterpart, described: "Ines".into(), ..Candidate::default() }
    }

    fn person() -> Correlation {
        Correlation::Match { counterpart: Counterpart::Target(7), rule: "login".into() }
    }

    #[test]
    fn only_what_decides_is_asked_for() {
        assert_eq!(asks(&person(), Contact::Later), Asks::Joining(7));
        assert_eq!(asks(&person(), Contact::First), Asks::Added);
        assert_eq!(asks(&Correlation::Nobody, Contact::First), Asks::Others);
        let account = Correlation::Match { counterpart: Counterpart::Account("00u1".into()), rule: "login".into() };
        assert_eq!(asks(&account, Contact::Later), Asks::Nothing);
    }

    #[test]
    fn whom_a_limit_keeps_from_joining_is_asked_about() {
        let candidates = [candidate("login", Counterpart::Target(7))];
        let known = Known { no_joining: Some("too many".into()), ..Known::default() };
        match follows(person(), &candidates, known) {
            Follows::Review { candidates, why } => {
                assert_eq!(candidates.len(), 1);
                assert_eq!(why, "is Ines, by rule \"login\", but too many");
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(follows(person(), &candidates, Known::default()), Follows::Match { .. }));
    }

    #[test]
    fn a_person_of_another_tenant_waits_for_the_report_and_a_namesake_for_the_review() {
        let added = Known { is_added: true, ..Known::default() };
        assert_eq!(follows(person(), &[], added), Follows::Report);
        let namesake = Known { namesake: Some((3, "Ines".into())), ..Known::default() };
        match follows(Correlation::Nobody, &[], namesake) {
            Follows::Unsure { conflict } => assert!(conflict.contains("review show 3"), "{conflict}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(follows(Correlation::Nobody, &[], Known::default()), Follows::Nobody);
        let unkeyed = || Known { unkeyed: Some("a rule fails".into()), ..Known::default() };
        assert!(matches!(follows(Correlation::Nobody, &[], unkeyed()), Follows::Unsure { .. }), "that says nothing");
        assert!(matches!(follows(person(), &[], unkeyed()), Follows::Match { .. }), "another rule has found them");
    }

    #[test]
    fn nobody_is_a_candidate_twice_or_themselves_or_after_a_person_has_said_no() {
        let whose = Candidate { account: Some("00u9".into()), ..candidate("login", Counterpart::Target(8)) };
        let found = vec![
            candidate(ANCHOR, Counterpart::Account("00u1".into())),
            candidate("login", Counterpart::Account("00u1".into())),
            candidate("login", Counterpart::Target(7)),
            whose,
        ];
        let left = |rejected: &[&str]| -> Vec<String> {
            let rejected: Vec<String> = rejected.iter().map(|one| (*one).to_owned()).collect();
            distinct(found.clone(), 7, &rejected).into_iter().map(|one| one.counterpart.key()).collect()
        };
        assert_eq!(left(&[]), ["account 00u1", "target 8"]);
        assert_eq!(left(&["account 00u1"]), ["target 8"]);
        assert_eq!(left(&["account 00u9"]), ["account 00u1"], "also after somebody else has the account");
    }

    #[test]
    fn whoever_is_known_or_shares_a_target_is_settled_but_a_leaver_without_account_is_looked_for() {
        assert!(is_settled(true, true, false) && is_settled(false, false, true));
        assert!(!is_settled(false, true, true) && !is_settled(false, false, false));
    }

    #[test]
    fn whoever_has_left_with_an_account_comes_back_by_a_new_profile_only_if_somebody_says_so() {
        let mut account = bare("00u1", "a@example.com", None);
        assert!(returns(NewProfile::Ask, true, Some(&account)).is_some());
        assert_eq!(returns(NewProfile::Ask, false, Some(&account)), None);
        assert_eq!(returns(NewProfile::Ask, true, None), None, "there is nothing to take over");
        account.status = AccountStatus::Deprovisioned;
        assert!(returns(NewProfile::Ask, false, Some(&account)).is_some(), "somebody else has closed it");
        assert_eq!(returns(NewProfile::Match, true, Some(&account)), None);
    }

    #[test]
    fn who_is_routed_or_has_left_is_looked_for_until_they_are_known() {
        let of = |is_read, routed, has_left, is_settled| -> Whose {
            whose(is_read, routed, || Ok::<_, ()>(has_left), || Ok(is_settled)).unwrap_or(Whose::Later)
        };
        assert_eq!(of(false, true, true, false), Whose::Later);
        assert_eq!((of(true, true, false, false), of(true, false, true, false)), (Whose::Sought, Whose::Sought));
        assert_eq!((of(true, false, false, false), of(true, true, true, true)), (Whose::Known, Whose::Known));
    }

    #[test]
    fn what_is_open_about_a_person_binds_who_would_join_them() {
        let ties = Ties { tenants: vec![("acme", true)], ..Ties::default() };
        assert!(bound(&ties, "globex", "main").is_some_and(|why| why.contains("first contact of acme")));
        assert_eq!(bound(&ties, "acme", "main"), None, "their own report says so");
        let accepted = Ties { tenants: vec![("acme", true), ("globex", false)], ..Ties::default() };
        assert_eq!(bound(&accepted, "initech", "main"), None);
        let taken = Ties { is_being_adopted: true, ..accepted.clone() };
        assert!(bound(&taken, "initech", "main").is_some_and(|why| why.contains("taken over")));
        let open = Ties { open_review: Some(4), ..taken };
        assert!(bound(&open, "initech", "main").is_some_and(|why| why.contains("review 4")));
    }
}
