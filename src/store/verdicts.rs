//! Carrying out what people have decided about matches.

use super::adopting::adopt;
use super::engine::Tx;
use super::preview_match::{counterpart_of, of_join};
use super::relink::{What, relink};
use super::rows::matched::Match;
use super::rows::review::Decided;
use super::rows::{account, link, matched, review, target};
use super::{Store, StoreError, append, correlate, missing, parting};
use crate::audit::details::{Reviewed, Split};
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::matching::correlation::{Counterpart, REVIEW};
use crate::domain::plan::priority::Priority;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::work::cause::Cause;

impl Store {
    /// Acts upon the verdicts of people that came in beside the service; returns the classes of those who became dirty.
    pub async fn apply_verdicts(&self, now: Moment) -> Result<Vec<Priority>, StoreError> {
        let rules = self.rules();
        self.run(move |c| {
            let rules = rules.load();
            let decided = review::decided(c)?;
            for one in &decided {
                apply(c, &rules, one, now)?;
            }
            let mut priorities = Vec::new();
            for one in &decided {
                let cause = Cause::Review(one.review);
                priorities.extend(relink(c, &rules, &one.org, &one.position, &What { before: None, cause }, now)?);
            }
            // Whoever waited for what was decided goes on at once.
            if !decided.is_empty() {
                priorities.extend(correlate::again(c, &rules, None, now)?);
            }
            Ok(priorities)
        })
        .await
    }
}

/// Takes one verdict, and joins what it joins.
fn apply(c: &Tx, rules: &Rulebook, decided: &Decided, now: Moment) -> Result<(), StoreError> {
    let Decided { review: id, org, position, .. } = decided;
    review::applied(c, *id)?;
    let reviewed = Reviewed {
        review: *id,
        counterpart: decided.key.clone(),
        verdict: decided.verdict.clone(),
        by: decided.by.clone(),
        principal: decided.principal.clone(),
        agreed: review::agreed(c, *id)?,
    };
    let record = Record { org: Some(org.clone()), ..Record::general(now, Event::Reviewed(reviewed)) };
    append(c, &of_profile(record, decided))?;
    let own = link::find(c, org, &position.tenant, &position.employee.id)?.map(|(target, _)| target);
    let (Some(target), Some(counterpart)) = (own, counterpart_of(c, org, &decided.key)?) else { return Ok(()) };
    match decided.verdict == "accept" {
        true if counterpart == Counterpart::Target(target) => {
            let by = decided.by.as_deref().unwrap_or_default();
            matched::confirm(c, org, position, &format!("review {id}"), by)
        }
        false if counterpart == Counterpart::Target(target) => let_go(c, rules, decided, target, now),
        true => join(c, rules, decided, target, &counterpart, now),
        false => Ok(()),
    }
}

/// Two are one person, as it was shown; if something has come in between, it is asked again, if it is a question still.
fn join(
    c: &Tx,
    rules: &Rulebook,
    decided: &Decided,
    target: i64,
    counterpart: &Counterpart,
    now: Moment,
) -> Result<(), StoreError> {
    let Decided { review: id, org, position, .. } = decided;
    let outlook = of_join(c, rules, org, target, counterpart, now)?;
    let agreed = review::agreed(c, *id)?.into_iter().filter(|one| outlook.is_of_the_same(&one.code)).count();
    let is_as_shown = i64::try_from(agreed).is_ok_and(|agreed| agreed >= outlook.needs);
    let changed = (!is_as_shown).then(|| "a profile or an account is not as it was shown".to_owned());
    if let Some(why) = outlook.refused.or(changed) {
        tracing::warn!(review = id, why, "a match that was accepted cannot be carried out any more; it is asked again");
        return review::forget(c, *id);
    }
    let evidence = format!("review {id}");
    let found = Match { rule: REVIEW, evidence: &evidence, pending: None, by: decided.by.as_deref() };
    let stays = adopt(c, org, position, (target, counterpart), &found, now)?;
    missing::made_anew(c, rules, stays, position, now)?;
    // Whoever joins somebody about whom another review is open waits for that one.
    if review::open_about(c, stays)?.is_none() {
        target::set_conflict(c, target, None)?;
        target::set_conflict(c, stays, None)?;
    }
    Ok(())
}

/// The profile is somebody else than the target that it belongs to: the account stays with those who had it before, and ends
/// with them.
fn let_go(c: &Tx, rules: &Rulebook, decided: &Decided, target: i64, now: Moment) -> Result<(), StoreError> {
    let Decided { review: id, org, position, .. } = decided;
    let account = account::of_target(c, target)?.map(|account| account.id);
    parting::take_out(c, org, position, target, account.as_deref(), now)?;
    let said_by = |said: &Option<String>| said.clone().unwrap_or_default();
    let event = Event::Split(Split {
        profile: position.employee.id.clone(),
        from: target,
        account,
        kept: true,
        why: format!("review {id}"),
        author: Author::new(said_by(&decided.by), said_by(&decided.principal)),
    });
    append(c, &of_profile(Record::about(target, org.clone(), now, event), decided))?;
    for other in link::profiles(c, target)?.all() {
        let what = What { before: Some(&other.employee), cause: Cause::Review(*id) };
        relink(c, rules, org, &other, &what, now)?;
    }
    Ok(())
}

fn of_profile(record: Record, decided: &Decided) -> Record {
    let Decided { position, .. } = decided;
    Record { tenant: Some(position.tenant.clone()), profile: Some(position.employee.id.clone()), ..record }
}
