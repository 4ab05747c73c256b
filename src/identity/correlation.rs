//! Who is whom: which account, or which person already known, a newly seen profile belongs to.
//!
//! **Invariant:** a conflict is never guessed. What one certain rule says alone is adopted, everything else waits for a
//! person's verdict, and a verdict is remembered.

use super::employee::Employee;
use super::expr::Expr;
use super::functions::slug;

/// How sure a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// A match is adopted unless something contradicts it.
    Certain,
    /// A match waits in the review queue.
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

/// Somebody who may be meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An account that no known person has.
    Account(String),
    /// A person already known.
    Target(i64),
}

/// A match of one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub rule: String,
    pub confidence: Confidence,
    pub subject: Subject,
    /// First and last name as the other side has them; empty where they are not known.
    pub first_name: String,
    pub last_name: String,
    /// The profile that the account's anchor names, if it is not this one.
    pub anchored_to: Option<String>,
    /// Whether the account is deactivated.
    pub is_ghost: bool,
    /// Who that is, for people.
    pub described: String,
}

/// The verdict on a newly seen profile.
#[derive(Clone, Debug, PartialEq)]
pub enum Correlation {
    /// This is theirs, by this rule.
    Match { subject: Subject, rule: String },
    /// Nobody in the org is theirs.
    Nobody,
    /// A person must decide about these; the reason in words.
    Review { candidates: Vec<Candidate>, why: String },
}

/// Correlates `employee`. `candidates` stand in the order of the rules, without those that a person has rejected.
pub fn correlate(employee: &Employee, candidates: Vec<Candidate>) -> Correlation {
    let Some(best) = candidates.first() else { return Correlation::Nobody };
    let doubts: Vec<Option<String>> = candidates.iter().map(|candidate| doubt(employee, candidate)).collect();
    if let Some(at) = doubts.iter().position(Option::is_none) {
        let chosen = &candidates[at];
        let rivals = |other: &Candidate, doubt: &Option<String>| {
            doubt.is_none() && other.rule == chosen.rule && other.subject != chosen.subject
        };
        if !candidates.iter().zip(&doubts).any(|(other, doubt)| rivals(other, doubt)) {
            return Correlation::Match { subject: chosen.subject.clone(), rule: chosen.rule.clone() };
        }
        let why = format!("rule {:?} matches several: {}", chosen.rule, described(&candidates));
        return Correlation::Review { candidates, why };
    }
    let doubt = doubts.into_iter().flatten().next().unwrap_or_default();
    let why = format!("may be {}, by rule {:?}, but {doubt}", best.described, best.rule);
    Correlation::Review { candidates, why }
}

/// What speaks against adopting a match without asking.
fn doubt(employee: &Employee, candidate: &Candidate) -> Option<String> {
    if candidate.rule == ANCHOR {
        return None;
    }
    if candidate.confidence == Confidence::Uncertain {
        return Some("this rule alone is not enough".into());
    }
    let known = matches!(candidate.subject, Subject::Target(_));
    if let Some(other) = candidate.anchored_to.as_ref().filter(|_| !known) {
        return Some(format!("its anchor names the profile {other}, which no company shows"));
    }
    let must_agree = known || candidate.is_ghost;
    if must_agree && !names_agree(employee, candidate) {
        let theirs = format!("{} {}", candidate.first_name, candidate.last_name);
        return Some(format!("the names differ: {:?} and {:?}", employee.display(), theirs.trim()));
    }
    None
}

/// Whether both sides give the person the same name; what is not known does not contradict.
fn names_agree(employee: &Employee, candidate: &Candidate) -> bool {
    let same = |a: &str, b: &str| a.is_empty() || b.is_empty() || slug(a) == slug(b);
    let first = same(&employee.first_name, &candidate.first_name)
        || (!employee.preferred_name.is_empty() && same(&employee.preferred_name, &candidate.first_name));
    first && same(&employee.last_name, &candidate.last_name)
}

fn described(candidates: &[Candidate]) -> String {
    candidates.iter().map(|c| c.described.clone()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::employee::tests::somebody;
    use super::*;

    fn candidate(rule: &str, subject: Subject) -> Candidate {
        Candidate {
            rule: rule.into(),
            confidence: Confidence::Certain,
            subject,
            first_name: "Ines".into(),
            last_name: "Duval".into(),
            anchored_to: None,
            is_ghost: false,
            described: "the account 00u1".into(),
        }
    }

    fn account(id: &str) -> Subject {
        Subject::Account(id.into())
    }

    fn verdict(candidates: Vec<Candidate>) -> Correlation {
        correlate(&somebody(), candidates)
    }

    fn why(correlation: Correlation) -> String {
        match correlation {
            Correlation::Review { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_anchor_wins_over_every_other_rule() {
        let anchored = candidate(ANCHOR, account("00u1"));
        let found = verdict(vec![anchored, candidate("login", account("00u2"))]);
        assert_eq!(found, Correlation::Match { subject: account("00u1"), rule: ANCHOR.into() });
        assert_eq!(verdict(Vec::new()), Correlation::Nobody);
    }

    #[test]
    fn an_account_without_anchor_is_adopted_by_a_certain_rule_whatever_it_is_called() {
        let other_name = Candidate { first_name: "Old".into(), ..candidate("login", account("00u2")) };
        assert!(matches!(verdict(vec![other_name]), Correlation::Match { .. }));
    }

    #[test]
    fn a_second_profile_of_the_same_name_joins_the_person_another_name_waits() {
        let known = candidate("login", Subject::Target(7));
        assert!(matches!(verdict(vec![known.clone()]), Correlation::Match { subject: Subject::Target(7), .. }));
        let spelt = Candidate { first_name: "INÈS".into(), ..known.clone() };
        assert!(matches!(verdict(vec![spelt]), Correlation::Match { .. }), "case and accents do not count");
        let other = Candidate { first_name: "Irene".into(), ..known };
        assert!(why(verdict(vec![other])).contains("names differ"));
    }

    #[test]
    fn a_deactivated_account_of_another_name_is_not_given_to_somebody_new() {
        let ghost = Candidate { is_ghost: true, ..candidate("login", account("00u3")) };
        assert!(matches!(verdict(vec![ghost.clone()]), Correlation::Match { .. }));
        let recycled = Candidate { last_name: "Moreau".into(), ..ghost };
        assert!(why(verdict(vec![recycled])).contains("names differ"));
    }

    #[test]
    fn what_contradicts_or_is_uncertain_waits_for_a_person() {
        let foreign = Candidate { anchored_to: Some("another-uuid".into()), ..candidate("login", account("00u2")) };
        assert!(why(verdict(vec![foreign])).contains("another-uuid"));
        let vague = Candidate { confidence: Confidence::Uncertain, ..candidate("number", account("00u2")) };
        assert!(why(verdict(vec![vague.clone()])).contains("not enough"));
        let certain = candidate("login", account("00u4"));
        assert!(matches!(verdict(vec![vague, certain.clone()]), Correlation::Match { .. }), "a certain rule decides");
        let twin = candidate("login", account("00u5"));
        assert!(why(verdict(vec![certain, twin])).contains("several"));
    }
}
