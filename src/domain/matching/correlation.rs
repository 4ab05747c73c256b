//! Who is whom: which account, or which person already known, a newly seen profile belongs to.
//!
//! **Invariant:** a conflict is never guessed, and whoever can write a profile cannot choose whose account it becomes. At
//! first contact somebody accepts a report of everything that was matched; afterwards a rule alone takes over only what
//! nothing speaks against, everything else waits for a person's verdict, and a verdict is remembered.

use crate::domain::mapping::expr::Expr;
use crate::domain::mapping::functions::slug;
use crate::domain::record::employee::{Employee, UserStatus};

/// How sure a rule is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// A match is adopted unless something contradicts it.
    Certain,
    /// A match waits in the review queue.
    #[default]
    Uncertain,
}

/// One rule: an attribute of accounts, and what it must equal for a profile.
pub struct MatchRule {
    pub name: String,
    pub attribute: String,
    pub value: Expr,
    pub confidence: Confidence,
}

/// The name of the rule that needs no configuration: the anchor attribute holds the profile's UUID.
pub const ANCHOR: &str = "anchor";
/// In place of a rule: both were one person until both were active in one tenant; people are asked since.
pub const BEFORE: &str = "one person before";
/// In place of a rule: the profile alone keeps an account in use, and only a rule has joined it.
pub const ONLY_LINK: &str = "only link";
/// In place of a rule: a profile of the same name and tenant is not shown any more; this one may be the same person, made anew.
pub const MISSING: &str = "missing";
/// In place of a rule: a person has decided it.
pub const REVIEW: &str = "review";

/// When a profile is correlated, seen from its tenant and the org.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// Nobody has accepted the report yet: what is matched stands in it, and nothing is written before.
    First,
    /// What is matched now is acted upon without anybody looking at it.
    Later,
}

/// Somebody who may be meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counterpart {
    /// An account that no known person has.
    Account(String),
    /// A person already known.
    Target(i64),
}

impl Counterpart {
    /// How it stands in the store.
    pub fn key(&self) -> String {
        match self {
            Counterpart::Account(id) => format!("account {id}"),
            Counterpart::Target(id) => format!("target {id}"),
        }
    }

    /// The counterpart of a stored key.
    pub fn parse(key: &str) -> Option<Self> {
        match key.split_once(' ')? {
            ("account", id) => Some(Counterpart::Account(id.to_owned())),
            ("target", id) => id.parse().ok().map(Counterpart::Target),
            _ => None,
        }
    }
}

impl Default for Counterpart {
    fn default() -> Self {
        Counterpart::Account(String::new())
    }
}

/// A match of one rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Candidate {
    pub rule: String,
    pub confidence: Confidence,
    pub counterpart: Counterpart,
    /// The account of a known person, if they have one.
    pub account: Option<String>,
    /// First and last name as the other side has them; empty where they are not known.
    pub first_name: String,
    pub last_name: String,
    /// The profile that the account's anchor names, if it is not this one.
    pub anchored_to: Option<String>,
    /// This service wrote the anchor, or proved it while the account was linked.
    pub anchor_is_ours: bool,
    /// Whether the account is deactivated.
    pub is_deactivated: bool,
    /// Why no rule gives the account away, at first contact neither: an administrator's, a protected one.
    pub reserved: Option<String>,
    /// Who masters the account, if it is somebody else than Okta.
    pub mastered_by: Option<String>,
    /// A profile of the same tenant that is active too and has the person already.
    pub twin: Option<String>,
    /// Why it is asked whether the profile is that person, who has left.
    pub returns: Option<String>,
    /// What must be decided first: a review, or the first contact of another tenant.
    pub bound: Option<String>,
    /// Who that is, for people.
    pub described: String,
}

impl Candidate {
    /// First and last name, as far as they are known.
    fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }

    fn has_name(&self) -> bool {
        !slug(&self.first_name).is_empty() && !slug(&self.last_name).is_empty()
    }
}

/// The verdict on a newly seen profile.
#[derive(Clone, Debug, PartialEq)]
pub enum Correlation {
    /// This is theirs, by this rule.
    Match { counterpart: Counterpart, rule: String },
    /// Nobody in the org is theirs.
    Nobody,
    /// A person must decide about these; the reason in words.
    Review { candidates: Vec<Candidate>, why: String },
}

/// Correlates `employee`. `candidates` stand in the order of the rules, without those that a person has rejected.
pub fn correlate(employee: &Employee, candidates: Vec<Candidate>, contact: Contact) -> Correlation {
    let Some(best) = candidates.first() else { return Correlation::Nobody };
    if let Some(why) = ambiguous_anchor(&candidates) {
        return Correlation::Review { candidates, why };
    }
    let doubts: Vec<Option<String>> = candidates.iter().map(|one| doubt(employee, one, contact)).collect();
    if let Some(at) = doubts.iter().position(Option::is_none) {
        let chosen = &candidates[at];
        let rivals = |other: &Candidate, doubt: &Option<String>| {
            doubt.is_none() && other.rule == chosen.rule && other.counterpart != chosen.counterpart
        };
        // What stands before it carries an anchor of this profile that nobody vouches for, or was one person with it: then the
        // rule does not decide.
        let weightier = |other: &&Candidate| {
            (other.rule == ANCHOR || other.rule == BEFORE) && other.counterpart != chosen.counterpart
        };
        if let Some(other) = candidates[..at].iter().find(weightier) {
            let but = if other.rule == ANCHOR { "carries the anchor" } else { "was one person with them until now" };
            let why = format!("{} by rule {:?}, but {} {but}", chosen.described, chosen.rule, other.described);
            return Correlation::Review { candidates, why };
        }
        if !candidates.iter().zip(&doubts).any(|(other, doubt)| rivals(other, doubt)) {
            return Correlation::Match { counterpart: chosen.counterpart.clone(), rule: chosen.rule.clone() };
        }
        let why = format!("rule {:?} matches several: {}", chosen.rule, described(&candidates));
        return Correlation::Review { candidates, why };
    }
    let doubt = doubts.into_iter().flatten().next().unwrap_or_default();
    let why = format!("may be {}, by rule {:?}, but {doubt}", best.described, best.rule);
    Correlation::Review { candidates, why }
}

/// Several accounts with the anchor of one profile: which one is theirs cannot be told.
fn ambiguous_anchor(candidates: &[Candidate]) -> Option<String> {
    let anchored: Vec<Candidate> = candidates.iter().filter(|one| one.rule == ANCHOR).cloned().collect();
    (anchored.len() > 1).then(|| {
        format!(
            "several accounts carry the anchor of this profile: {}; clear it in Okta on those that are not theirs",
            described(&anchored)
        )
    })
}

/// What speaks against adopting a match without asking.
fn doubt(employee: &Employee, candidate: &Candidate, contact: Contact) -> Option<String> {
    let is_anchor = candidate.rule == ANCHOR;
    let known = matches!(candidate.counterpart, Counterpart::Target(_));
    if candidate.confidence == Confidence::Uncertain {
        return Some("this rule alone is not enough".into());
    }
    if let Some(bound) = &candidate.bound {
        return Some(bound.clone());
    }
    let twin = candidate.twin.as_ref().filter(|_| contact == Contact::Later);
    let twin = twin.map(|twin| format!("both work in one tenant: {twin} is active there too"));
    if is_anchor {
        return match contact {
            _ if twin.is_some() => twin,
            Contact::First => None,
            Contact::Later if candidate.anchor_is_ours => None,
            // Nobody becomes an owner by leaving: who has left must not keep an account that names them.
            Contact::Later
                if has_left(employee) && candidate.reserved.is_none() && names_agree(employee, candidate) =>
            {
                None
            }
            Contact::Later => Some("this service did not write that anchor".into()),
        };
    }
    if let Some(reserved) = &candidate.reserved {
        return Some(reserved.clone());
    }
    if let Some(other) = candidate.anchored_to.as_ref().filter(|_| !known) {
        return Some(format!("its anchor names the profile {other}, which no tenant shows"));
    }
    let is_first_of_account = contact == Contact::First && !known && !candidate.is_deactivated;
    if !is_first_of_account && !names_agree(employee, candidate) {
        let name = |first: &str, last: &str| format!("{first} {last}").trim().to_owned();
        let (mine, theirs) = (name(&employee.first_name, &employee.last_name), candidate.name());
        let why = if has_name(employee) && candidate.has_name() {
            "the names differ"
        } else {
            "of one side the first or last name is not known"
        };
        return Some(format!("{why}: {mine:?} and {theirs:?}"));
    }
    if contact == Contact::First {
        return None;
    }
    if twin.is_some() {
        return twin;
    }
    if let Some(returns) = candidate.returns.as_ref().filter(|_| !has_left(employee)) {
        return Some(returns.clone());
    }
    if let Some(master) = &candidate.mastered_by {
        return Some(format!("it is mastered by {master}"));
    }
    if candidate.is_deactivated && !known {
        return Some("it is deactivated: whose it was is not known".into());
    }
    None
}

/// Whether an account is a deactivated one of another name that somebody happens to be looked up by: of such the configuration may
/// say what becomes of the login, and then nobody is asked whose it was.
pub fn is_bygone(employee: &Employee, candidate: &Candidate) -> bool {
    let is_account = matches!(candidate.counterpart, Counterpart::Account(_)) && candidate.rule != ANCHOR;
    is_account && candidate.is_deactivated && !names_agree(employee, candidate)
}

fn has_name(employee: &Employee) -> bool {
    let is_known = |name: &str| !slug(name).is_empty();
    (is_known(&employee.first_name) || is_known(&employee.preferred_name)) && is_known(&employee.last_name)
}

fn has_left(employee: &Employee) -> bool {
    employee.user_status == UserStatus::Inactive
}

/// Whether both sides give the person the same name. A name that is not known agrees with nobody's.
fn names_agree(employee: &Employee, candidate: &Candidate) -> bool {
    let same = |a: &str, b: &str| !slug(a).is_empty() && slug(a) == slug(b);
    let first =
        same(&employee.first_name, &candidate.first_name) || same(&employee.preferred_name, &candidate.first_name);
    first && same(&employee.last_name, &candidate.last_name)
}

fn described(candidates: &[Candidate]) -> String {
    candidates.iter().map(|c| c.described.clone()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::employee::tests::an_employee;

    fn candidate(rule: &str, counterpart: Counterpart) -> Candidate {
        Candidate {
            rule: rule.into(),
            confidence: Confidence::Certain,
            counterpart,
            first_name: "Ines".into(),
            last_name: "Duval".into(),
            described: "the account 00u1".into(),
            ..Candidate::default()
        }
    }

    fn account(id: &str) -> Counterpart {
        Counterpart::Account(id.into())
    }

    fn first(candidates: Vec<Candidate>) -> Correlation {
        correlate(&an_employee(), candidates, Contact::First)
    }

    fn later(candidates: Vec<Candidate>) -> Correlation {
        correlate(&an_employee(), candidates, Contact::Later)
    }

    fn why(correlation: Correlation) -> String {
        match correlation {
            Correlation::Review { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    fn is_match(correlation: &Correlation) -> bool {
        matches!(correlation, Correlation::Match { .. })
    }

    #[test]
    fn only_a_deactivated_account_of_another_name_is_bygone() {
        let deactivated = Candidate { is_deactivated: true, ..candidate("login", account("00u3")) };
        assert!(!is_bygone(&an_employee(), &deactivated), "it may be theirs from before");
        let other = Candidate { last_name: "Moreau".into(), ..deactivated };
        assert!(is_bygone(&an_employee(), &other));
        assert!(!is_bygone(&an_employee(), &Candidate { is_deactivated: false, ..other.clone() }));
        assert!(!is_bygone(&an_employee(), &Candidate { rule: ANCHOR.into(), ..other }));
    }

    #[test]
    fn the_anchor_wins_over_every_other_rule() {
        let anchored = Candidate { anchor_is_ours: true, ..candidate(ANCHOR, account("00u1")) };
        let both = vec![anchored, candidate("login", account("00u2"))];
        let found = Correlation::Match { counterpart: account("00u1"), rule: ANCHOR.into() };
        assert_eq!(first(both.clone()), found);
        assert_eq!(later(both), found);
        assert_eq!(later(Vec::new()), Correlation::Nobody);
    }

    #[test]
    fn an_anchor_that_somebody_else_wrote_is_accepted_in_bulk_and_asked_about_later() {
        let foreign = candidate(ANCHOR, account("00u1"));
        assert!(is_match(&first(vec![foreign.clone()])));
        assert!(why(later(vec![foreign.clone()])).contains("did not write that anchor"));
        let besides = vec![foreign, candidate("login", account("00u2"))];
        assert!(why(later(besides)).contains("carries the anchor"), "nor does a rule go around it");
    }

    #[test]
    fn the_account_that_names_a_leaver_is_theirs_to_end_whoever_wrote_that() {
        let leaver = Employee { user_status: UserStatus::Inactive, ..an_employee() };
        let foreign = candidate(ANCHOR, account("00u1"));
        assert!(is_match(&correlate(&leaver, vec![foreign.clone()], Contact::Later)));
        let other = Candidate { last_name: "Moreau".into(), ..foreign.clone() };
        let reserved = Candidate { reserved: Some("it is an Okta administrator's".into()), ..foreign };
        for doubtful in [other, reserved] {
            assert!(!is_match(&correlate(&leaver, vec![doubtful], Contact::Later)));
        }
    }

    #[test]
    fn of_several_accounts_with_one_anchor_none_is_given_to_anybody() {
        let ours = Candidate { anchor_is_ours: true, ..candidate(ANCHOR, account("00u1")) };
        let other = candidate(ANCHOR, account("00u2"));
        for found in [first(vec![ours.clone(), other.clone()]), later(vec![ours, other])] {
            assert!(why(found).contains("several accounts carry the anchor"));
        }
    }

    #[test]
    fn at_first_contact_a_certain_rule_names_the_account_whatever_it_is_called_because_a_report_is_accepted() {
        let other_name = Candidate { first_name: "Old".into(), ..candidate("login", account("00u2")) };
        assert!(is_match(&first(vec![other_name.clone()])));
        assert!(why(later(vec![other_name])).contains("names differ"));
        let mastered =
            Candidate { mastered_by: Some("ACTIVE_DIRECTORY".into()), ..candidate("login", account("00u2")) };
        assert!(is_match(&first(vec![mastered.clone()])));
        assert!(why(later(vec![mastered])).contains("mastered by ACTIVE_DIRECTORY"));
    }

    #[test]
    fn afterwards_a_rule_takes_over_a_live_account_of_the_same_name_and_no_other() {
        let plain = candidate("login", account("00u2"));
        assert!(is_match(&later(vec![plain.clone()])));
        let nameless = Candidate { first_name: String::new(), last_name: String::new(), ..plain.clone() };
        assert!(why(later(vec![nameless])).contains("is not known"), "an account without a name agrees with nobody");
        let deactivated = Candidate { is_deactivated: true, ..plain };
        assert!(why(later(vec![deactivated])).contains("deactivated"));
    }

    #[test]
    fn no_rule_gives_away_an_account_that_is_reserved_at_first_contact_neither() {
        let reserved =
            Candidate { reserved: Some("it is an Okta administrator's".into()), ..candidate("login", account("00u2")) };
        for found in [first(vec![reserved.clone()]), later(vec![reserved])] {
            assert!(why(found).contains("administrator"));
        }
    }

    #[test]
    fn a_second_profile_of_the_same_name_joins_the_person_another_name_waits() {
        let known = candidate("login", Counterpart::Target(7));
        assert!(matches!(later(vec![known.clone()]), Correlation::Match { counterpart: Counterpart::Target(7), .. }));
        let spelt = Candidate { first_name: "INÈS".into(), ..known.clone() };
        assert!(is_match(&later(vec![spelt])), "case and accents do not count");
        let unnamed = [("", ""), ("", "Duval"), ("Ines", ""), ("\u{3000}", "Duval")];
        for (first_name, last_name) in unnamed.map(|(first, last)| (first.to_owned(), last.to_owned())) {
            let unknown = Candidate { first_name: first_name.clone(), last_name: last_name.clone(), ..known.clone() };
            assert!(
                why(later(vec![unknown])).contains("is not known"),
                "a name that is not known agrees with nobody's"
            );
            let nameless = Employee { first_name, last_name, preferred_name: String::new(), ..an_employee() };
            for contact in [Contact::First, Contact::Later] {
                let found = correlate(&nameless, vec![known.clone()], contact);
                assert!(why(found).contains("is not known"), "{contact:?}: nor does a profile that has none");
            }
        }
        let other = Candidate { first_name: "Irene".into(), ..known.clone() };
        assert!(why(first(vec![other.clone()])).contains("names differ"));
        assert!(why(later(vec![other])).contains("names differ"));
        let twin = Candidate { twin: Some("Ines Duval (profile b of acme)".into()), ..known };
        assert!(is_match(&first(vec![twin.clone()])));
        assert!(why(later(vec![twin])).contains("active there too"), "two people of one tenant are asked about");
    }

    #[test]
    fn no_anchor_makes_two_active_profiles_of_one_tenant_one_person_and_no_other_match_goes_around_the_question() {
        let twin = || Some("Ines Duval (profile b of acme)".to_owned());
        let anchored = Candidate { anchor_is_ours: true, twin: twin(), ..candidate(ANCHOR, Counterpart::Target(7)) };
        assert!(why(later(vec![anchored])).contains("active there too"));
        let before = Candidate { twin: twin(), ..candidate(BEFORE, Counterpart::Target(7)) };
        let besides = vec![before.clone(), candidate("login", account("00u2"))];
        assert!(why(later(besides)).contains("one person with them"));
        assert!(is_match(&later(vec![Candidate { twin: None, ..before }])), "the other one has left");
    }

    #[test]
    fn whoever_may_be_somebody_whom_a_review_is_open_about_waits_for_it() {
        let bound = Candidate {
            bound: Some("review 7 is open about them".into()),
            ..candidate("number", Counterpart::Target(7))
        };
        for found in [first(vec![bound.clone()]), later(vec![bound])] {
            assert!(why(found).contains("review 7"));
        }
    }

    #[test]
    fn a_deactivated_account_of_another_name_is_not_given_to_somebody_new() {
        let deactivated = Candidate { is_deactivated: true, ..candidate("login", account("00u3")) };
        assert!(is_match(&first(vec![deactivated.clone()])));
        let recycled = Candidate { last_name: "Moreau".into(), ..deactivated };
        assert!(why(first(vec![recycled])).contains("names differ"));
    }

    #[test]
    fn what_contradicts_or_is_uncertain_waits_for_a_person() {
        let foreign = Candidate { anchored_to: Some("another-uuid".into()), ..candidate("login", account("00u2")) };
        assert!(why(first(vec![foreign])).contains("another-uuid"));
        let vague = Candidate { confidence: Confidence::Uncertain, ..candidate("number", account("00u2")) };
        assert!(why(first(vec![vague.clone()])).contains("not enough"));
        let certain = candidate("login", account("00u4"));
        assert!(is_match(&first(vec![vague, certain.clone()])), "a certain rule decides");
        let twin = candidate("login", account("00u5"));
        assert!(why(first(vec![certain, twin])).contains("several"));
    }
}
