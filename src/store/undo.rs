//! What an undo restores, derived from the audit and from nothing else.
//!
//! **Invariant:** nobody says what is restored; they say what is taken back, and with which code it was shown. It is derived
//! once more when it is done, and refused if it has become something else.

use super::engine::Tx;
use super::pruning::{gap, is_a_row, is_a_run};
use super::rows::work;
use super::{Filter, StoreError, cases, directory, filter_audit, name_of, pins};
use crate::audit::{Event, Outcome, Row};
use crate::clock::Moment;
use crate::domain::guard::decider::code;
use crate::domain::plan::pins::{Pins, invert};
use crate::domain::plan::step::Step;
use crate::domain::{Directory, Rulebook};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is taken back: what was carried out in these rows, in a run, of these people, in a span of time. All of it must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Orgs, by their names in the configuration; what was done in any other stays.
    pub orgs: Vec<String>,
    /// Rows of the audit, by their numbers; all without any.
    #[serde(default)]
    pub rows: Vec<i64>,
    /// The run of the service that did it; any without it.
    pub run: Option<i64>,
    /// Targets to whom it was done; all without any.
    #[serde(default)]
    pub targets: Vec<i64>,
    /// At this moment or later, in milliseconds; from the first row on without it.
    pub since: Option<i64>,
    /// Before this moment, in milliseconds; up to now without it.
    pub until: Option<i64>,
}

/// What an undo restores of one person, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restores {
    /// The org, by its name in the configuration.
    pub org: String,
    /// Number of the target.
    pub target: i64,
    /// The person's name.
    pub name: String,
    /// What comes back, one sentence for each thing.
    pub restores: Vec<String>,
}

/// What an undo comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Undo {
    /// What is pinned, by org and target.
    pub pins: BTreeMap<String, BTreeMap<i64, Pins>>,
    /// The same in words, for people.
    pub people: Vec<Restores>,
    /// What cannot come back.
    pub lost: BTreeSet<String>,
    /// Names exactly what is restored of whom.
    pub code: String,
    /// The newest call that is taken back: its row in the audit, and whose it was.
    pub newest: Option<(i64, i64)>,
}

impl Scope {
    /// That everything that it names by number is there.
    pub fn is_there(&self, c: &Tx) -> Result<(), StoreError> {
        self.run.map_or(Ok(()), |run| is_a_run(c, run))?;
        self.rows.iter().try_for_each(|row| is_a_row(c, *row))
    }
}

/// Derives what has to be restored to take back what the audit says of a scope.
pub fn undo(c: &Tx, rules: &Rulebook, scope: &Scope) -> Result<Undo, StoreError> {
    let mut all = Undo::default();
    let mut carried: BTreeMap<(String, i64), Vec<Step>> = BTreeMap::new();
    let filter = Filter {
        targets: scope.targets.clone(),
        since: scope.since.map(Moment::from_millis),
        until: scope.until.map(Moment::from_millis),
        kinds: vec!["effect".into()],
        run: scope.run,
        rows: scope.rows.clone(),
        ..Filter::default()
    };
    filter_audit(c, &filter, |row| {
        let row = Row::read(&row.text)?;
        let Some(target) = row.target else { return Ok(()) };
        // The row has the name that the org had then; what is there of the person has the one of now.
        let org = work::org_of(c, target)?.or_else(|| row.org.clone());
        let Some(org) = org.filter(|org| scope.orgs.contains(org)) else { return Ok(()) };
        let effect = match row.event {
            Event::Effect(effect) => effect,
            Event::Misfit { why, .. } => {
                let message =
                    format!("row {} of the audit is about a call that this version cannot read ({why})", row.seq);
                return Err(StoreError::NotNow(format!(
                    "{message}: nothing is taken back; name rows or times without it"
                )));
            }
            _ => return Ok(()),
        };
        if effect.outcome == Outcome::Applied && effect.call.step.is_write() {
            all.newest = Some((row.seq, target));
            carried.entry((org, target)).or_default().push(effect.call.step);
        }
        Ok(())
    })?;
    let is_open = scope.run.is_none() && scope.rows.is_empty();
    if let Some(gap) = gap(c)?.filter(|gap| is_open && gap.reaches(scope.since.map(Moment::from_millis))) {
        all.lost.insert(format!("what was done before: {}", gap.message()));
    }
    let mut known: BTreeMap<String, Directory> = BTreeMap::new();
    for ((org, target), steps) in carried {
        if !known.contains_key(&org) {
            known.insert(org.clone(), directory(c, &org)?.unwrap_or_default());
        }
        let Some(directory) = known.get(&org) else { continue };
        let (pins, lost) = invert(steps.iter().rev());
        let (pins, not_ours) = pins.within(|name| rules.writes(name), directory);
        all.lost.extend(lost.into_iter().chain(not_ours));
        let Some(name) = name_of(c, target)? else {
            all.lost.insert(format!("target {target} is nobody's any more: what was done to it stays"));
            continue;
        };
        if !pins.is_empty() {
            all.people.push(Restores { org: org.clone(), target, name, restores: pins.message(directory) });
            all.pins.entry(org).or_default().insert(target, pins);
        }
    }
    let shown = |one: &Restores| format!("{}\u{1f}{}\u{1f}{}", one.org, one.target, one.restores.join("\u{1f}"));
    all.code = code(all.people.iter().map(shown));
    Ok(all)
}

/// What is to be taken back, as it was shown.
pub(super) struct Shown<'a> {
    pub scope: &'a Scope,
    pub code: &'a str,
    pub why: &'a str,
}

/// Pins what is restored, if it is what was shown with this code; otherwise says what it has become.
pub(super) fn apply(
    c: &Tx,
    rules: &Rulebook,
    shown: &Shown,
    by: (&str, &str),
    now: Moment,
) -> Result<Result<usize, String>, StoreError> {
    let mut found = undo(c, rules, shown.scope)?;
    if found.code != shown.code {
        return Ok(Err(found.changed(c, shown.code)?));
    }
    for (org, people) in &mut found.pins {
        for (target, pins) in people.iter_mut() {
            if let Some(case) = cases::brief(c, rules, *target, now)? {
                pins.pinned_while(&rules.lifecycle(&case, now).entitlement);
            }
        }
        people.retain(|_, pins| !pins.is_empty());
        pins::pin(c, org, people, shown.why, by, now)?;
    }
    Ok(Ok(found.pins.values().map(BTreeMap::len).sum()))
}

impl Undo {
    /// What has become of what was shown with another code.
    pub fn changed(&self, c: &Tx, shown: &str) -> Result<String, StoreError> {
        let newest = match self.newest {
            Some((row, target)) => {
                let name = name_of(c, target)?.unwrap_or_else(|| format!("target {target}"));
                format!("the newest call that it takes back is row {row} of the audit, for {name}")
            }
            None => "nothing is left to take back".to_owned(),
        };
        let (people, code) = (self.people.len(), &self.code);
        Ok(format!(
            "what would be taken back is not what {shown} stands for any more: it is about {people} people now, {newest}; \
             look at it again with `undo` (its code is {code} now)"
        ))
    }
}
