//! What the store knows of administrators when their changes are evaluated.

use super::engine::{Tx, params};
use super::evaluation::Evaluation;
use super::rows::{account, work};
use super::{Store, StoreError};
use crate::clock::Moment;
use crate::domain::Case;
use crate::domain::account::knowledge::Knowledge;
use crate::domain::plan::limits::Span;

const DOUBTFUL: Knowledge = Knowledge::Unknown { asked: true };

/// Somebody who is an administrator, or may be one.
pub(super) struct Found {
    pub knowledge: Knowledge,
    /// Who they are, for a hold.
    pub who: String,
    /// How many other live super administrators there are, if they may be one.
    pub other_supers: Option<u32>,
}

/// Whether the person is an administrator, and how many others there are; nothing of everybody else.
pub(super) fn assess(c: &Tx, evaluation: &Evaluation, case: &Case, target: i64) -> Result<Option<Found>, StoreError> {
    let Some(account) = &case.account else { return Ok(None) };
    let knowledge = match evaluation.directory.administrator(account, evaluation.now) {
        // Whoever waits because Okta did not say waits in the same hold until it does.
        one if one.number() == 0 && evaluation.directory.is_in_doubt(account) && waits_in_doubt(c, target)? => DOUBTFUL,
        one => one,
    };
    if knowledge.number() == 0 {
        return Ok(None);
    }
    let all = evaluation.directory.administrators();
    let mut other_supers = None;
    if all.may_be_super(&account.id) {
        let mut others = 0;
        for id in all.supers().filter(|id| *id != account.id) {
            let found = account::by_id(c, evaluation.org, id)?;
            others += u32::from(found.is_some_and(|account| account.is_awake()));
        }
        other_supers = Some(others);
    }
    let who = format!("{} ({})", case.person.primary().employee.display(), account.login);
    Ok(Some(Found { knowledge, who, other_supers }))
}

/// Whether something of a person is held because Okta did not say who they are.
fn waits_in_doubt(c: &Tx, target: i64) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM risk WHERE target = ?1 AND administrator = ?2 AND hold IS NOT NULL";
    Ok(c.prepare_cached(sql)?.exists(params![target, DOUBTFUL.number()])?)
}

/// How many administrators besides `batch` were suspended within the last hour without anybody's decision.
pub(super) fn suspended(c: &Tx, evaluation: &Evaluation, batch: &[i64]) -> Result<u32, StoreError> {
    let since = Span::Hour.begin(evaluation.now).map(Moment::millis);
    let mut select = c.prepare_cached(
        "SELECT count(*) FROM risk WHERE org = ?1 AND change = 'suspend' AND administrator = 1 AND hold IS NULL
           AND approved = 0 AND at > ?2 AND target NOT IN (SELECT value FROM json_each(?3))",
    )?;
    Ok(select.query_row(params![evaluation.org, since, serde_json::to_string(batch)?], |row| row.get(0))?)
}

impl Store {
    /// It is known better who is an administrator: whoever was evaluated as one, or as somebody who may be one, and waits for two
    /// people is evaluated anew, also who is just being worked on; `doubtful`: only who may be one.
    pub async fn administrators_changed(&self, org: &str, doubtful: bool, now: Moment) -> Result<usize, StoreError> {
        let org = org.to_owned();
        self.run(move |c| work::evaluated_anew_as_administrators(c, &org, doubtful, now)).await
    }
}
