//! Which login somebody gets: the first candidate that nobody else has.
//!
//! **Invariant:** a login that still fits its owner is kept, whatever became free meanwhile.

use crate::domain::account::user::Account;
use crate::domain::mapping::expr::MappingError;
use crate::domain::mapping::expr::{Bound, Expr};
use crate::domain::mapping::view::Reads;
use crate::domain::text::login_key;
use std::collections::BTreeSet;

/// Numbers are tried up to this one.
const HIGHEST: u32 = 999;
/// People who wait for one another, at most.
pub const LONGEST_RING: usize = 50;

/// What is done about a deactivated account that holds a wanted login (`okta-api.md §2.2`: it keeps it).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeactivatedHolders {
    /// A person decides.
    #[default]
    Review,
    /// The next candidate is taken, as if the account were in use.
    Avoid,
    /// The deactivated account is renamed, where the org allows that.
    Rename,
}

/// How logins are made.
pub struct LoginRules {
    /// Expressions that give a login each, in order of preference.
    pub candidates: Vec<Expr>,
    /// Whether numbers are tried when every candidate is taken.
    pub number: bool,
    /// Local parts that nobody gets.
    pub reserved: BTreeSet<String>,
    /// Whether a login that somebody has is kept although their name changed.
    pub keep: bool,
    /// The attribute that keeps the old login after a change.
    pub former: Option<String>,
    pub deactivated_holders: DeactivatedHolders,
}

/// Who has a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    Nobody,
    /// The person it is chosen for.
    Themselves,
    /// A deactivated account, by its id.
    Deactivated(String),
    /// Somebody else; who it is, in words.
    Other(String),
}

impl Holder {
    /// Who has a login that an account has. `protected`: why nothing may be written to that account, if nothing may.
    pub fn of_account(account: &Account, is_own: bool, protected: Option<String>) -> Self {
        match (is_own, protected) {
            (true, _) => Holder::Themselves,
            (false, _) if account.is_live() => Holder::Other(account.described()),
            (false, Some(why)) => Holder::Other(format!("the deactivated account {}, {why}", account.described())),
            (false, None) => Holder::Deactivated(account.id.clone()),
        }
    }

    /// Who has a login that no account has and that is reserved for a target, as seen from `mine`.
    pub fn of_reservation(reserved: Option<i64>, mine: i64) -> Self {
        match reserved {
            Some(other) if other != mine => Holder::Other("somebody whose account is about to be made".into()),
            _ => Holder::Nobody,
        }
    }
}

/// A login, and the deactivated account that must give it up first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub login: String,
    pub deactivated_holder: Option<String>,
    /// The login is a temporary one, until this one is free.
    pub until: Option<String>,
}

impl LoginRules {
    /// What the candidates read of a profile.
    pub fn reads(&self) -> Reads {
        self.candidates.iter().fold(Reads::default(), |mut all, expr| {
            all.add(expr.reads());
            all
        })
    }

    /// The wanted logins of a profile, without empty ones.
    pub fn wanted(&self, bound: &Bound) -> Result<Vec<String>, MappingError> {
        let mut wanted = Vec::with_capacity(self.candidates.len());
        for expr in &self.candidates {
            let login = expr.text(bound).map_err(|message| MappingError::of("login", expr, message))?;
            if !login.is_empty() && !wanted.contains(&login) {
                wanted.push(login);
            }
        }
        Ok(wanted)
    }

    /// Chooses among `wanted` for somebody who has `current`; the error says why none will do.
    pub fn choose(
        &self,
        wanted: &[String],
        current: Option<&str>,
        mut holder: impl FnMut(&str) -> Holder,
    ) -> Result<Chosen, String> {
        let plain = |login: &str| Chosen { login: login.to_owned(), deactivated_holder: None, until: None };
        if let Some(current) = current {
            let fits = wanted.iter().find(|wanted| login_key(wanted) == login_key(current));
            if let Some(wanted) = fits {
                return Ok(plain(wanted));
            }
            if self.keep || (self.number && wanted.iter().any(|wanted| is_numbered(current, wanted))) {
                return Ok(plain(current));
            }
        }
        let Some(favourite) = wanted.first() else {
            return Err("login is empty; fill the field in Namely that it is made from (the company email unless the \
                        configuration says otherwise)"
                .into());
        };
        let numbers = 2..=if self.number { HIGHEST } else { 1 };
        let mut taken = Vec::new();
        for login in wanted.iter().cloned().chain(numbers.map(|n| numbered(favourite, n))) {
            if self.reserved.contains(&login_key(local_part(&login))) {
                taken.push(format!("{login} is reserved"));
                continue;
            }
            match (holder(&login), self.deactivated_holders) {
                (Holder::Nobody | Holder::Themselves, _) => return Ok(plain(&login)),
                (Holder::Deactivated(id), DeactivatedHolders::Rename) => {
                    return Ok(Chosen { login, deactivated_holder: Some(id), until: None });
                }
                (Holder::Deactivated(id), DeactivatedHolders::Review) => {
                    return Err(format!(
                        "the login {login} is held by the deactivated account {id}; rename or delete that account in \
                         Okta, or set mapping.login.deactivated_holders to \"avoid\" or \"rename\""
                    ));
                }
                (Holder::Deactivated(id), DeactivatedHolders::Avoid) => taken.push(format!("{login} is held by {id}")),
                (Holder::Other(who), _) => taken.push(format!("{login} belongs to {who}")),
            }
        }
        let message = taken.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        Err(format!("no login is free: {message}; give the person another email in Namely, or add a candidate"))
    }
}

fn local_part(login: &str) -> &str {
    login.split_once('@').map_or(login, |(local, _)| local)
}

/// The login with a number before the `@`.
fn numbered(login: &str, n: u32) -> String {
    match login.split_once('@') {
        Some((local, domain)) => format!("{local}{n}@{domain}"),
        None => format!("{login}{n}"),
    }
}

/// The people of a ring who wait for one another's login, beginning with `start`; nothing if it is no ring. `next` tells who has
/// the login that somebody waits for.
pub fn ring<E>(start: i64, mut next: impl FnMut(i64) -> Result<Option<i64>, E>) -> Result<Option<Vec<i64>>, E> {
    let mut found = vec![start];
    while found.len() <= LONGEST_RING {
        match next(found[found.len() - 1])? {
            Some(other) if other == start => return Ok((found.len() > 1).then_some(found)),
            Some(other) if !found.contains(&other) => found.push(other),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// A login that nobody else has, for the time until `wanted` is free.
pub fn temporary(current: &str, okta_id: &str, wanted: &str) -> Chosen {
    let login = match current.split_once('@') {
        Some((local, domain)) => format!("{local}.{okta_id}@{domain}"),
        None => format!("{current}.{okta_id}"),
    };
    Chosen { login, deactivated_holder: None, until: Some(wanted.to_owned()) }
}

/// The login of before a temporary one of this account.
pub fn before_temporary(login: &str, okta_id: &str) -> Option<String> {
    let (local, domain) = login.split_once('@').map_or((login, None), |(local, domain)| (local, Some(domain)));
    let suffix = format!(".{okta_id}");
    // Okta may have written it in small letters.
    let at = local.len().checked_sub(suffix.len()).filter(|at| local.is_char_boundary(*at))?;
    let former = local[at..].eq_ignore_ascii_case(&suffix).then(|| &local[..at]).filter(|former| !former.is_empty())?;
    Some(domain.map_or_else(|| former.to_owned(), |domain| format!("{former}@{domain}")))
}

/// Whether `login` is `wanted` with a number.
fn is_numbered(login: &str, wanted: &str) -> bool {
    let (login, wanted) = (login_key(login), login_key(wanted));
    let domain = |login: &str| login.split_once('@').map(|(_, domain)| domain.to_owned());
    let number = local_part(&login).strip_prefix(local_part(&wanted));
    domain(&login) == domain(&wanted)
        && number.is_some_and(|n| n.parse().is_ok_and(|n: u32| (2..=HIGHEST).contains(&n)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_of_before_a_temporary_one_is_known_and_of_no_other() {
        let of = |login: &str| before_temporary(&temporary(login, "00uAb", "w@x").login, "00uAb");
        assert_eq!(of("zoe@example.com").as_deref(), Some("zoe@example.com"));
        assert_eq!(of("zoe").as_deref(), Some("zoe"));
        assert_eq!(before_temporary("zoe.00uab@example.com", "00uAb").as_deref(), Some("zoe@example.com"));
        for other in ["zoe@example.com", "zoe.00uXy@example.com", ".00uAb@example.com", "Łłłłłł@x", ""] {
            assert_eq!(before_temporary(other, "00uAb"), None, "{other}");
        }
    }

    #[test]
    fn a_ring_is_found_from_each_of_its_people_and_a_chain_is_none() {
        let after = |of: &'static [(i64, i64)]| {
            move |one: i64| Ok::<_, ()>(of.iter().find(|(from, _)| *from == one).map(|(_, to)| *to))
        };
        let swap = &[(1, 2), (2, 1)];
        assert_eq!(ring(1, after(swap)), Ok(Some(vec![1, 2])));
        assert_eq!(ring(2, after(swap)), Ok(Some(vec![2, 1])));
        assert_eq!(ring(1, after(&[(1, 2), (2, 3), (3, 1)])), Ok(Some(vec![1, 2, 3])));
        assert_eq!(ring(1, after(&[(1, 2), (2, 3)])), Ok(None), "the last one can go on");
        assert_eq!(ring(1, after(&[(1, 2), (2, 3), (3, 2)])), Ok(None), "others have to go first");
        assert_eq!(ring(1, after(&[(1, 1)])), Ok(None), "nobody waits for themselves");
    }
    use crate::domain::mapping::expr::Engine;

    fn rules(number: bool, deactivated_holders: DeactivatedHolders) -> LoginRules {
        let candidates = vec![Engine::default().compile("employee.email").expect("compiles")];
        let reserved = BTreeSet::from(["admin".to_owned()]);
        LoginRules { candidates, number, reserved, keep: false, former: None, deactivated_holders }
    }

    fn texts(logins: &[&str]) -> Vec<String> {
        logins.iter().map(|l| (*l).to_owned()).collect()
    }

    fn choose(rules: &LoginRules, wanted: &[&str], current: Option<&str>, taken: &[&str]) -> Result<String, String> {
        let holder = |login: &str| match taken.contains(&login) {
            true => Holder::Other("Ada Byron".into()),
            false => Holder::Nobody,
        };
        rules.choose(&texts(wanted), current, holder).map(|chosen| chosen.login)
    }

    #[test]
    fn the_first_free_candidate_wins_then_numbers() {
        let rules = rules(true, DeactivatedHolders::Review);
        let wanted = ["jo.doe@x.com", "jdoe@x.com"];
        assert_eq!(choose(&rules, &wanted, None, &[]), Ok("jo.doe@x.com".into()));
        assert_eq!(choose(&rules, &wanted, None, &["jo.doe@x.com"]), Ok("jdoe@x.com".into()));
        let taken = ["jo.doe@x.com", "jdoe@x.com", "jo.doe2@x.com"];
        assert_eq!(choose(&rules, &wanted, None, &taken), Ok("jo.doe3@x.com".into()));
        assert_eq!(choose(&rules, &["admin@x.com"], None, &[]), Ok("admin2@x.com".into()), "reserved");
    }

    #[test]
    fn a_login_that_fits_is_kept_and_one_that_does_not_is_changed() {
        let mut rules = rules(true, DeactivatedHolders::Review);
        let wanted = ["jo.doe@x.com"];
        assert_eq!(choose(&rules, &wanted, Some("jo.doe7@x.com"), &[]), Ok("jo.doe7@x.com".into()));
        assert_eq!(choose(&rules, &wanted, Some("JO.DOE@x.com"), &[]), Ok("jo.doe@x.com".into()), "the usual spelling");
        assert_eq!(choose(&rules, &wanted, Some("jo.smith@x.com"), &[]), Ok("jo.doe@x.com".into()));
        assert_eq!(choose(&rules, &wanted, Some("jo.doe@old.com"), &[]), Ok("jo.doe@x.com".into()));
        rules.keep = true;
        assert_eq!(choose(&rules, &wanted, Some("jo.smith@x.com"), &[]), Ok("jo.smith@x.com".into()));
    }

    #[test]
    fn without_numbers_a_taken_login_is_told_with_its_owner() {
        let rules = rules(false, DeactivatedHolders::Review);
        let error = choose(&rules, &["jo.doe@x.com"], None, &["jo.doe@x.com"]).expect_err("taken");
        assert!(error.contains("Ada Byron"), "{error}");
        assert!(choose(&rules, &[], None, &[]).is_err_and(|e| e.contains("login is empty")));
    }

    #[test]
    fn a_deactivated_account_with_the_login_is_dealt_with_by_the_rule() {
        let wanted = texts(&["jo.doe@x.com"]);
        let deactivated_holder = |login: &str| match login {
            "jo.doe@x.com" => Holder::Deactivated("00u9".into()),
            _ => Holder::Nobody,
        };
        let of = |deactivated_holders| rules(true, deactivated_holders).choose(&wanted, None, deactivated_holder);
        assert!(of(DeactivatedHolders::Review).is_err_and(|e| e.contains("00u9")));
        assert_eq!(of(DeactivatedHolders::Avoid).map(|c| c.login), Ok("jo.doe2@x.com".into()));
        assert_eq!(
            of(DeactivatedHolders::Rename),
            Ok(Chosen { login: "jo.doe@x.com".into(), deactivated_holder: Some("00u9".into()), until: None })
        );
    }
}
