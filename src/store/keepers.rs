//! Profiles that alone keep an account in use: everybody else whose account it is has left, and only a rule has joined them.
//!
//! **Invariant:** no leaver keeps access because of a rule's match that nobody is asked about. Nobody loses access by the question:
//! people do move between tenants.

use super::engine::{Optional, Tx, params};
use super::links::{account_of, find, message};
use super::{StoreError, append, pages, reviews, split};
use crate::audit::details::Split;
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::matching::correlation::{ANCHOR, Candidate, Counterpart, ONLY_LINK, REVIEW};
use crate::domain::{Case, Cause, Position, Rulebook};

/// Asks about the profiles that keep the account of a target in use from now on, and asks no more when others do, or nobody does.
/// `was_over` says whether access by a profile was over before.
pub(super) fn follow(
    c: &Tx,
    rules: &Rulebook,
    target: i64,
    case: &Case,
    was_over: impl Fn(&Position) -> bool,
    now: Moment,
) -> Result<(), StoreError> {
    let all: Vec<&Position> = case.person.positions().iter().chain(&case.elsewhere).collect();
    let (over, keepers): (Vec<&Position>, Vec<&Position>) = match all.as_slice() {
        [_] => (Vec::new(), Vec::new()), // most people have one profile, and are looked at often
        several => several.iter().partition(|one| rules.is_over(one, now)),
    };
    let is_in_use = case.account.as_ref().is_some_and(|account| account.is_live());
    let mut is_kept = is_in_use && !over.is_empty() && !keepers.is_empty();
    for keeper in &keepers {
        is_kept = is_kept && is_joined_by_rule(c, &case.org, target, keeper)?;
    }
    if !is_kept {
        for one in all {
            reviews::close(c, &case.org, one, ONLY_LINK)?;
        }
        return Ok(());
    }
    let Some(left) = over.into_iter().find(|one| !was_over(one)) else { return Ok(()) };
    let login = case.account.as_ref().map(|account| account.login.clone()).unwrap_or_default();
    for keeper in keepers {
        let why = format!(
            "{} has left, and the account {login} stays in use only because of {}, whom a rule has made one person with them: \
             accept if that is right; reject if it is somebody else, then the account ends and they get one of their own",
            message(left),
            message(keeper)
        );
        let candidate = Candidate {
            rule: ONLY_LINK.into(),
            counterpart: Counterpart::Target(target),
            described: message(left),
            ..Candidate::default()
        };
        reviews::put(c, &case.org, keeper, &candidate, &why, now)?;
    }
    Ok(())
}

/// Whether only a rule says that a profile is the person of a target, whose account others had before, and nobody was shown it.
fn is_joined_by_rule(c: &Tx, org: &str, target: i64, position: &Position) -> Result<bool, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM link l LEFT JOIN matched o USING (org, tenant, profile)
           WHERE l.target = ?4 AND NOT (l.tenant = ?2 AND l.profile = ?3) AND (o.at IS NULL OR o.at < m.at))
         FROM matched m JOIN acceptance a ON a.org = m.org AND a.tenant = m.tenant
         WHERE m.org = ?1 AND m.tenant = ?2 AND m.profile = ?3 AND m.by IS NULL AND m.rule <> ?5 AND m.at > a.at",
    )?;
    let found = select.query_row(params![org, position.tenant, position.employee.id, target, ANCHOR], |row| row.get(0));
    Ok(found.optional()?.unwrap_or(false))
}

/// Somebody who has decided about a link that is there.
pub(super) struct Verdict<'a> {
    pub review: i64,
    pub accepts: bool,
    pub by: &'a str,
    pub principal: &'a str,
}

/// Carries out a decision about a link that is there: it is confirmed; or the profile is somebody else, and the account stays
/// with those who had it before, and ends with them.
pub(super) fn decide(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    position: &Position,
    said: &Verdict,
    now: Moment,
) -> Result<(), StoreError> {
    let (tenant, profile) = (&position.tenant, &position.employee.id);
    if said.accepts {
        c.execute(
            "UPDATE matched SET rule = ?4, evidence = ?5, by = ?6, pending = NULL
             WHERE org = ?1 AND tenant = ?2 AND profile = ?3",
            params![org, tenant, profile, REVIEW, format!("review {}", said.review), said.by],
        )?;
        return Ok(());
    }
    let Some((target, _)) = find(c, org, tenant, profile)? else { return Ok(()) };
    let account = account_of(c, target)?.map(|account| account.id);
    split::take_out(c, org, position, target, account.as_deref())?;
    let event = Event::Split(Split {
        profile: profile.clone(),
        from: target,
        account,
        kept: true,
        why: format!("review {}", said.review),
        author: Author::new(said.by, said.principal),
    });
    let record = Record::about(target, org.to_owned(), now, event);
    append(c, &Record { tenant: Some(tenant.clone()), profile: Some(profile.clone()), ..record })?;
    for other in super::cases::profiles(c, target)?.all() {
        pages::relink(c, rules, org, &other, Some(&other.employee), Cause::Review(said.review), now)?;
    }
    Ok(())
}
