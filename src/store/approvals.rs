//! Approvals of saved plans: for exactly these words about exactly this person, as the service itself plans them.
//!
//! **Invariant:** what an approval lets through was planned by the service when the approval was taken, and the approval
//! holds only for that revision under these rules. Beside a hold it is a vote like any other.

use super::engine::{Operator, Tx};
use super::rows::approval::{self, Given};
use super::rows::change::change_of;
use super::rows::{risk, work};
use super::{Store, StoreError, append, approved, directory, dirty, name_of, pause, preview_of, rejections, votes};
use crate::audit::details::Approved;
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::guard::approval::{Binding, Present, unfit};
use crate::domain::work::machine::Dirt;
use crate::domain::{Cause, ChangeKind, Decider, Directory, Rulebook};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What somebody approves of one person, as the saved plan shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Approval {
    /// Number of the target.
    pub target: i64,
    /// What the plan was made from.
    pub basis: String,
    /// By kind of change, each in the words of the plan: only exactly these are approved.
    pub changes: BTreeMap<ChangeKind, Vec<String>>,
}

/// A saved plan, as far as an approval is bound to it.
#[derive(Clone, Debug)]
pub struct Planned<'a> {
    /// The checksum of the plan.
    pub checksum: &'a str,
    /// The rules that it was made by.
    pub rules: &'a str,
    /// When its approval shall end, if that is earlier than it would.
    pub expires: Option<Moment>,
    /// What is approved, one entry for each target.
    pub people: &'a [Approval],
    /// Nothing at all, if anything is refused.
    pub strict: bool,
    /// Of what is said of each person only these kinds of change are approved; all of them without it.
    pub only: Option<&'a BTreeSet<ChangeKind>>,
}

impl Planned<'_> {
    fn means(&self, change: ChangeKind) -> bool {
        self.only.is_none_or(|only| only.contains(&change))
    }
}

/// Something of a plan that was not approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Number of the target.
    pub target: i64,
    /// Name of its person; `target N` where nobody is known of it.
    pub name: String,
    /// Why it was refused, continuing the name: *is not known any more*.
    pub why: String,
}

/// What came of an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Targets for which at least one kind of change was approved.
    pub approved: Vec<i64>,
    /// What was not; a target of which only a part was refused is in both.
    pub refused: Vec<Refused>,
    /// Until when the approval lives at most.
    pub expires: String,
}

/// Why a plan cannot be approved as a whole.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The plan names a target that the store does not know.
    #[error("there is no target {0}; `plan` shows who there is")]
    Unknown(i64),
    /// The fingerprint of the rules that the service runs with is another one than the plan's.
    #[error("the rules of the service are not those that the plan was made by; make it anew")]
    OtherRules,
    /// The groups of this org were never read: nothing can be planned in it.
    #[error("the groups of {0} were not read yet: start the service first")]
    NotRead(String),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Plans everybody of a saved plan again, and writes down an approval, from beside the service, of those for whom exactly
/// the same would be done now.
pub fn approve(c: &Operator, rules: &Rulebook, plan: &Planned, by: &Decider, now: Moment) -> Result<Taken, Unfit> {
    let fingerprint = approved::fingerprint(c)?;
    if fingerprint != plan.rules {
        return Err(Unfit::OtherRules);
    }
    let until = Binding::new(0, &fingerprint, now, plan.expires).expires;
    let mut known: BTreeMap<String, Cow<Directory>> = BTreeMap::new();
    let (mut fit, mut refused): (Vec<(&Approval, i64)>, Vec<Refused>) = (Vec::new(), Vec::new());
    for person in plan.people {
        let org = work::org_of(c, person.target)?.ok_or(Unfit::Unknown(person.target))?;
        if !known.contains_key(&org) {
            let read = directory(c, &org)?.ok_or_else(|| Unfit::NotRead(org.clone()))?;
            known.insert(org.clone(), Cow::Owned(read));
        }
        let Some(known) = known.get_mut(&org) else { continue };
        let rev = work::newest(c, person.target)?;
        let (allowed, why) = compare(c, rules, known, (plan, person), now)?;
        refused.extend(why);
        if allowed {
            fit.push((person, rev));
        }
    }
    if plan.strict && !refused.is_empty() {
        return Ok(Taken { approved: Vec::new(), refused, expires: until.to_string() });
    }
    let approved = c.together(|c| -> Result<Vec<i64>, StoreError> {
        let mut approved = Vec::new();
        for (person, rev) in fit {
            if work::newest(c, person.target)? != rev {
                refused.push(refusal(c, person.target, "has moved while the plan was looked at".into())?);
                continue;
            }
            let binding = Binding::new(rev, &fingerprint, now, plan.expires);
            for (change, words) in person.changes.iter().filter(|(change, _)| plan.means(**change)) {
                if rejections::why(c, person.target, *change)?.is_none() {
                    let (target, change, principal, by) = (person.target, *change, &*by.voice(), &*by.name);
                    let plan = plan.checksum;
                    approval::put(c, &Given { target, change, principal, by, words, plan, binding: &binding })?;
                }
            }
            approved.push(person.target);
        }
        Ok(approved)
    })?;
    Ok(Taken { approved, refused, expires: until.to_string() })
}

/// Whether anything of what the plan says of a person may be approved, and what may not.
fn compare(
    c: &Tx,
    rules: &Rulebook,
    known: &mut Cow<Directory>,
    (plan, person): (&Planned, &Approval),
    now: Moment,
) -> Result<(bool, Vec<Refused>), StoreError> {
    let found = preview_of(c, rules, person.target, known, now)?;
    if let Some(why) = unfit(found.as_ref(), &person.changes, &person.basis) {
        return Ok((false, vec![refusal(c, person.target, why)?]));
    }
    let mut refused = Vec::new();
    let meant: Vec<ChangeKind> = person.changes.keys().copied().filter(|change| plan.means(*change)).collect();
    if meant.is_empty() {
        return Ok((false, vec![refusal(c, person.target, "nothing of what is meant would be done to them".into())?]));
    }
    for change in &meant {
        if let Some(why) = rejections::why(c, person.target, *change)? {
            refused.push(refusal(c, person.target, why)?);
        }
    }
    Ok((refused.len() < meant.len(), refused))
}

fn refusal(c: &Tx, target: i64, why: String) -> Result<Refused, StoreError> {
    Ok(Refused { target, name: name_of(c, target)?.unwrap_or_else(|| format!("target {target}")), why })
}

impl Store {
    /// Takes new approvals: writes them into the audit and lets those go on who waited for one. Ends those that do not hold
    /// any more. Returns how many people may go on.
    pub async fn apply_approvals(&self, now: Moment) -> Result<usize, StoreError> {
        let rules = self.rules();
        self.run(move |c| {
            expire(c, now)?;
            take(c, &rules.load(), now)
        })
        .await
    }
}

/// Ends what does not hold any more.
fn expire(c: &Tx, now: Moment) -> Result<(), StoreError> {
    let mut pauses = BTreeMap::new();
    let fingerprint = approved::fingerprint(c)?;
    for one in approval::living(c)? {
        let key = (one.org, one.change);
        if !pauses.contains_key(&key) {
            pauses.insert(key.clone(), pause::times(c, &key.0, key.1)?);
        }
        let pauses = pauses.get(&key).map_or(&[][..], Vec::as_slice);
        let present = Present { rev: one.newest, rules: &fingerprint, now, pauses };
        if let Some(why) = one.binding.ended(&present) {
            approved::end(c, one.target, one.change, why, now)?;
        }
    }
    Ok(())
}

fn take(c: &Tx, rules: &Rulebook, now: Moment) -> Result<usize, StoreError> {
    let mut people: BTreeMap<i64, String> = BTreeMap::new();
    for new in approval::new(c)? {
        // From here on the service's own clock says when it was.
        approval::take(c, &new, now)?;
        let (change, shown) = (change_of(&new.change)?, serde_json::from_str(&new.words)?);
        let approved = Approved { change, shown, plan: new.plan, author: Author::new(new.by, new.principal) };
        let record = Record::about(new.target, new.org.clone(), now, Event::Approved(approved));
        append(c, &Record { rev: Some(new.rev), ..record })?;
        people.insert(new.target, new.org);
    }
    for (target, org) in &people {
        begin(c, *target, org, now)?;
        for hold in risk::holds(c, *target)? {
            votes::settle(c, rules, hold, Some(&BTreeSet::from([*target])), now)?;
        }
    }
    Ok(people.len())
}

/// Whoever has an approval is worked on, also who was thought to be as they should be: the plan has found something.
fn begin(c: &Tx, target: i64, org: &str, now: Moment) -> Result<(), StoreError> {
    if !work::load(c, target)?.is_some_and(|work| work.is_dirty()) {
        dirty::mark_dirty(c, target, org, &Dirt::describe(Cause::Request), now)?;
        approval::rebind(c, target, work::newest(c, target)?)?;
    }
    votes::go_on(c, target, now)
}
