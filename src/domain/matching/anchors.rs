//! Several accounts with the anchor of one profile.
//!
//! **Invariant:** an anchor that several accounts carry gives none of them to anybody.

use crate::domain::account::user::Account;
use crate::domain::matching::correlation::{ANCHOR, Candidate, Counterpart};

/// An account that carries the anchor of a profile, and whether somebody has it.
#[derive(Clone, Debug)]
pub struct Carrying {
    pub account: Account,
    pub is_owned: bool,
}

/// Other live accounts that carry the anchor of somebody who has `own`, and that are nobody's: whose they are is asked, and they
/// are left alone. `rejected`: whom a person has said that the profile is not.
pub fn doubles(own: Option<&Account>, carrying: Vec<Carrying>, rejected: &[String]) -> Vec<Candidate> {
    let Some(own) = own else { return Vec::new() };
    let is_double = |one: &Carrying| one.account.id != own.id && one.account.is_live() && !one.is_owned;
    let candidate = |one: Carrying| {
        let described = one.account.described();
        let counterpart = Counterpart::Account(one.account.id);
        Candidate { rule: ANCHOR.into(), counterpart, described, ..Candidate::default() }
    };
    let found = carrying.into_iter().filter(is_double).map(candidate);
    found.filter(|candidate| !rejected.contains(&candidate.counterpart.key())).collect()
}

/// Why somebody who has `own` is asked about doubles.
pub fn why_doubles(own: Option<&Account>, doubles: &[Candidate]) -> String {
    format!(
        "several accounts carry the anchor of this profile: besides {}, {}; clear it in Okta on those that are not \
         theirs. One that is theirs ends when they leave, if you accept it then",
        own.map(Account::described).unwrap_or_default(),
        doubles.iter().map(|one| one.described.clone()).collect::<Vec<_>>().join(", ")
    )
}

/// Of the accounts that carry an anchor, the live ones of which it cannot be told whether they are the profile's, because several
/// carry it.
pub fn doubtful(carrying: Vec<Carrying>) -> impl Iterator<Item = Account> {
    let is_ambiguous = carrying.len() > 1;
    let doubtful = move |one: &Carrying| is_ambiguous && one.account.is_live() && !one.is_owned;
    carrying.into_iter().filter(doubtful).map(|one| one.account)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::user::AccountStatus;
    use crate::domain::account::user::tests::bare;

    fn carrying(id: &str, is_owned: bool) -> Carrying {
        Carrying { account: bare(id, "ada@example.com", Some("p1")), is_owned }
    }

    #[test]
    fn somebody_who_has_theirs_is_asked_about_the_others_that_are_nobodys_and_in_use() {
        let own = bare("00u1", "ada@example.com", Some("p1"));
        let mut dead = carrying("00u4", false);
        dead.account.status = AccountStatus::Deprovisioned;
        let all = vec![carrying("00u1", true), carrying("00u2", true), carrying("00u3", false), dead];
        let asked = |own: Option<&Account>, rejected: &[String]| -> Vec<Counterpart> {
            doubles(own, all.clone(), rejected).into_iter().map(|one| one.counterpart).collect()
        };
        assert_eq!(asked(Some(&own), &[]), [Counterpart::Account("00u3".into())]);
        assert_eq!(asked(Some(&own), &["account 00u3".into()]), [], "it was said that it is not theirs");
        assert_eq!(asked(None, &[]), [], "who has none is correlated");
        let why = why_doubles(Some(&own), &doubles(Some(&own), all, &[]));
        assert!(why.contains("00u1") && why.contains("00u3"), "{why}");
    }

    #[test]
    fn one_account_with_an_anchor_is_no_doubt_and_several_are() {
        assert_eq!(doubtful(vec![carrying("00u1", false)]).count(), 0);
        let two: Vec<String> =
            doubtful(vec![carrying("00u1", true), carrying("00u2", false)]).map(|account| account.id).collect();
        assert_eq!(two, ["00u2"], "what somebody has is theirs");
    }
}
