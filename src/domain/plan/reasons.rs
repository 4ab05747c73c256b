//! Which rule is behind each group and app that a plan gives or takes.

use crate::domain::mapping::desired::Desired;
use crate::domain::plan::situation::Situation;
use std::collections::BTreeMap;

/// What a membership is called that comes back with somebody who returns.
const RESTORED: &str = "rehire.access";
/// What one is called that comes back because the end of access was taken back.
const TAKEN_BACK: &str = "termination.second_thoughts";
/// What is called a membership that an undo has brought back or taken.
const PINNED: &str = "undo";

/// The labels of the rules behind what is `touched`, groups or apps by id, by the names that people know. What no rule gives
/// any more is told with the rule that owns it.
pub fn reasons<'a>(
    touched: impl IntoIterator<Item = &'a String>,
    desired: &Desired,
    situation: &Situation,
) -> BTreeMap<String, String> {
    touched.into_iter().filter_map(|id| group(id, desired, situation).or_else(|| app(id, desired, situation))).collect()
}

fn group(id: &str, desired: &Desired, situation: &Situation) -> Option<(String, String)> {
    let group = situation.directory.find(id)?;
    let pins = situation.case.pins.of_now(situation.directory);
    let rule = if pins.member.contains(id) || pins.not_member.contains(id) {
        PINNED
    } else if let Some(asked) = desired.groups.get(&group.name).or_else(|| desired.groups.get(id)) {
        &asked.rule
    } else if situation
        .case
        .account
        .as_ref()
        .is_some_and(|account| account.marks.taken_back.as_ref().is_some_and(|taken| taken.groups.contains_key(id)))
    {
        TAKEN_BACK
    } else {
        situation.rulebook.mapping.owner(group).map_or(RESTORED, |rule| &rule.label)
    };
    Some((group.name.clone(), rule.to_owned()))
}

fn app(id: &str, desired: &Desired, situation: &Situation) -> Option<(String, String)> {
    let (id, label) = situation.directory.find_app(id)?;
    let given = desired.apps.get(label).or_else(|| desired.apps.get(id)).map(|asked| &asked.rule);
    let owner = || situation.rulebook.mapping.app_rules().iter().find(|rule| rule.app == id || rule.app == label);
    let rule = given.or_else(|| owner().map(|rule| &rule.label))?;
    Some((label.to_owned(), rule.clone()))
}
