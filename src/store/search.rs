//! Who has left and has no account that is known: Okta is asked before anybody calls them done.
//!
//! **Invariant:** that somebody has no account is proved by a list that covers them or by a search, and dated; what could not be
//! asked is unknown. Whose account was known is asked for twice, longer apart than lists lag. A list that was shown to lack anybody
//! covers nobody, whomever it covered before.

use super::engine::Tx;
use super::rows::{link, source, target, work};
use super::{Store, StoreError, append, cases, correlate, left_alone, prime};
use crate::audit::details::Searched;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::account::user::Account;
use crate::domain::matching::search::{Names, names, once_more};
use crate::domain::plan::left_alone::LeftAlone;
use crate::domain::plan::priority::Priority;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::plan::termination::next_try;
use crate::domain::text::login_key;
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::{BEING_SOUGHT, SEARCH, Work};
use std::collections::BTreeSet;
use std::time::Duration;

/// Why they wait a second time.
const ONCE_MORE: &str = "the account that was known is not found: Okta is asked once more";
/// Whoever has left so lately is asked for as urgently as they would be ended.
const LATELY: Duration = Duration::from_secs(3600);

/// Somebody to be asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Sought {
    /// Number of the target.
    pub target: i64,
    /// The revision they are asked for: what is found for another one is dropped.
    pub rev: i64,
    /// Profiles, any of which may stand in the anchor.
    pub anchors: BTreeSet<String>,
    /// Logins they may have, or had.
    pub logins: BTreeSet<String>,
    /// Emails they have, or had.
    pub emails: BTreeSet<String>,
    /// The account they had, which Okta has said not to have.
    pub lost: Option<String>,
    /// Asked for as urgently as access is ended: it was over within the last hour, and no list has covered them.
    pub urgent: bool,
    /// What they cannot be asked for by, and why: then that nobody is found proves nothing.
    unknown: Option<String>,
    tries: i64,
}

impl Sought {
    /// How often asking for them has failed.
    pub fn tries(&self) -> i64 {
        self.tries
    }

    /// Whether a search for them may have found this account.
    pub fn may_have(&self, account: &Account) -> bool {
        let of = |known: &BTreeSet<String>, value: &str| known.iter().any(|one| login_key(one) == login_key(value));
        let email = account.profile.get("email").and_then(|email| email.as_str());
        account.anchor.as_ref().is_some_and(|anchor| self.anchors.contains(anchor))
            || of(&self.logins, &account.login)
            || email.is_none_or(|email| of(&self.emails, email))
    }
}

impl Store {
    /// Who of an org is to be asked for now, at most so many.
    pub async fn to_search(&self, org: &str, most: usize, now: Moment) -> Result<Vec<Sought>, StoreError> {
        let (org, rules) = (org.to_owned(), self.rules());
        self.run(move |c| to_search(c, &rules.load(), &org, most, now)).await
    }

    /// Writes down what was found when Okta was asked for these people: who is found is theirs if the rules of correlation say
    /// so, and who is not has no account, as of now.
    pub async fn searched(
        &self,
        org: &str,
        people: Vec<Sought>,
        found: Vec<Account>,
        now: Moment,
    ) -> Result<(), StoreError> {
        let (org, rules, matched) = (org.to_owned(), self.rules(), self.matched());
        self.run(move |c| {
            let rules = rules.load();
            for account in found {
                prime::believe(c, &rules, &matched, &org, account, now)?;
            }
            for person in &people {
                conclude(c, &rules, &org, person, now)?;
            }
            Ok(())
        })
        .await
    }

    /// Okta could not be asked for these people: tried again after a while.
    pub async fn search_failed(&self, people: Vec<Sought>, why: String, again: Moment) -> Result<(), StoreError> {
        self.run(move |c| {
            for person in &people {
                let why = format!("{BEING_SOUGHT}, and it could not be: {why}");
                work::change(c, person.target, |work| match work.is_sought(person.rev) {
                    true => work.sought(1, again, &why),
                    false => work, // something else is known meanwhile
                })?;
            }
            Ok(())
        })
        .await
    }
}

fn to_search(c: &Tx, rules: &Rulebook, org: &str, most: usize, now: Moment) -> Result<Vec<Sought>, StoreError> {
    let ready = work::ready(c, (org, SEARCH), Priority::Inspect, most, now)?;
    let mut people = Vec::with_capacity(ready.len());
    for (_, target, _) in ready {
        let Some(work) = work::load(c, target)? else { continue };
        match sought(c, rules, (target, work.dirty_rev, work.attempt), now)? {
            // Whom a list has covered left before anybody looked: they are asked for behind those who are waited for.
            Some(person) if work.cause == Cause::OrgRead.as_str() => people.push(Sought { urgent: false, ..person }),
            Some(person) => people.push(person),
            // What they are is planned anew.
            None => work::change(c, target, Work::covered)?,
        }
    }
    Ok(people)
}

fn sought(
    c: &Tx,
    rules: &Rulebook,
    (target, rev, tries): (i64, i64, i64),
    now: Moment,
) -> Result<Option<Sought>, StoreError> {
    let Some(case) = cases::brief(c, rules, target, now)? else { return Ok(None) };
    if case.account.is_some() || case.searched_at.is_some() || !rules.lifecycle(&case, now).entitlement.is_over() {
        return Ok(None);
    }
    let (created, lost) = target::traces(c, target)?;
    let (wanted, unknown) = match rules.wanted_logins(&case.org, &case.person) {
        Ok(wanted) => (wanted.into_iter().next(), None),
        Err(e) => (None, Some(format!("their login cannot be told ({e}); correct the expression or the profile"))),
    };
    let mut former = Vec::new();
    for position in case.person.positions() {
        former.extend(source::former_emails(c, &position.tenant, &position.employee.id)?);
    }
    let Names { anchors, logins, emails } = names(case.person.positions(), former, wanted, created);
    Ok(Some(Sought {
        target,
        rev,
        anchors,
        logins,
        emails,
        lost,
        unknown,
        urgent: case.ended_at.is_some_and(|at| at + LATELY > now),
        tries,
    }))
}

fn conclude(c: &Tx, rules: &Rulebook, org: &str, person: &Sought, now: Moment) -> Result<(), StoreError> {
    let target = person.target;
    if !work::load(c, target)?.is_some_and(|work| work.is_sought(person.rev)) {
        return Ok(()); // something else is known meanwhile
    }
    for position in &link::profiles(c, target)?.here {
        if correlate::late(c, rules, org, position, false, now)?.is_some() {
            return Ok(()); // found, or somebody must decide about what was found
        }
    }
    if let Some(why) = &person.unknown {
        let why = format!("{BEING_SOUGHT}, but {why}: nobody was found by what else is known of them");
        return work::change(c, target, |work| work.sought(1, now + next_try(person.tries), &why));
    }
    if let Some(again) = once_more(person.lost.is_some(), target::searched_first(c, target)?, now) {
        target::set_searched_first(c, target, now)?;
        return work::change(c, target, |work| work.sought(0, again, ONCE_MORE));
    }
    let left_alone = left_alone::of(c, org, link::profiles(c, target)?.all().iter())?;
    target::prove(c, target, now)?;
    work::change(c, target, |work| work.not_found(now))?;
    let searched = Event::Searched(Searched {
        by: "anchor, login and email".into(),
        logins: person.logins.clone(),
        emails: person.emails.clone(),
        lost: person.lost.clone(),
        left_alone: left_alone.iter().map(LeftAlone::remark).collect(),
    });
    append(c, &Record { rev: Some(person.rev), ..Record::about(target, org.to_owned(), now, searched) })?;
    Ok(())
}
