//! The plan as it may be begun: whatever acts on a plan, or shows one, has it from here.

use crate::clock::Moment;
use crate::domain::account::directory::{Directory, Group};
use crate::domain::guard::administrator::guarded;
use crate::domain::plan::case::Case;
use crate::domain::plan::planner::{case_entitlement, draft};
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::plan::situation::{Obstacle, Plan, Situation};
use crate::domain::plan::step::Step;
use crate::domain::plan::termination::leave_out_refused;
use crate::domain::record::lifecycle::Lifecycle;
use std::borrow::Cow;

/// Makes the plan for one person.
pub fn plan(situation: &Situation) -> Result<Plan, Obstacle> {
    let mut plan = guarded(draft(situation)?, situation);
    if case_entitlement(situation).is_over() {
        leave_out_refused(&mut plan, situation);
    }
    Ok(plan)
}

/// The whole plan of somebody, as if their account had just been read and the groups that it makes were there: what `plan`
/// leaves out because it depends on what comes before. Groups that would be made stay in `directory`, for whoever comes
/// next.
pub fn foresee(
    case: &Case,
    lifecycle: &Lifecycle,
    rulebook: &Rulebook,
    directory: &mut Cow<Directory>,
    now: Moment,
) -> Result<Plan, Obstacle> {
    let mut makes = Vec::new();
    loop {
        let mut found = plan(&Situation { case, lifecycle, rulebook, directory, now, fresh: true, refused: &[] })?;
        let missing: Vec<String> = found.steps.iter().filter_map(Step::made_group).map(str::to_owned).collect();
        if missing.is_empty() {
            makes.append(&mut found.steps);
            return Ok(Plan { steps: makes, ..found });
        }
        for name in missing {
            let id = format!("new group {name}");
            directory.to_mut().learn_role(&id, Some(false));
            directory.to_mut().insert(Group { id, name: name.clone(), writable: true });
            makes.push(Step::CreateGroup { name });
        }
    }
}
