//! What the store knows of administrators when their changes are evaluated.

use super::engine::Tx;
use super::rows::{account, risk, work};
use super::{Store, StoreError};
use crate::clock::Moment;
use crate::domain::account::knowledge::Knowledge;
use crate::domain::plan::limits::Span;
use crate::domain::{Case, Directory};
use std::collections::BTreeSet;

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
pub(super) fn assess(
    c: &Tx,
    directory: &Directory,
    case: &Case,
    target: i64,
    now: Moment,
) -> Result<Option<Found>, StoreError> {
    let Some(account) = &case.account else { return Ok(None) };
    let knowledge = match directory.administrator(account, now) {
        // Whoever waits because Okta did not say waits in the same hold until it does.
        one if one.number() == 0 && directory.is_in_doubt(account) && risk::waits_as(c, target, DOUBTFUL.number())? => {
            DOUBTFUL
        }
        one => one,
    };
    if knowledge.number() == 0 {
        return Ok(None);
    }
    let all = directory.administrators();
    let mut other_supers = None;
    if all.may_be_super(&account.id) {
        let mut others = 0;
        for id in all.supers().filter(|id| *id != account.id) {
            let found = account::by_id(c, &case.org, id)?;
            others += u32::from(found.is_some_and(|account| account.is_awake()));
        }
        other_supers = Some(others);
    }
    let who = format!("{} ({})", case.person.primary().employee.display(), account.login);
    Ok(Some(Found { knowledge, who, other_supers }))
}

/// How many administrators besides `batch` were suspended within the last hour without anybody's decision.
pub(super) fn suspended(c: &Tx, org: &str, batch: &BTreeSet<i64>, now: Moment) -> Result<u32, StoreError> {
    risk::suspended_administrators(c, org, batch, Span::Hour.begin(now))
}

impl Store {
    /// It is known better who is an administrator: whoever was evaluated as one, or as somebody who may be one, and waits for two
    /// people is evaluated anew, also who is just being worked on; `doubtful`: only who may be one.
    pub async fn administrators_changed(&self, org: &str, doubtful: bool, now: Moment) -> Result<usize, StoreError> {
        let org = org.to_owned();
        self.run(move |c| work::evaluated_anew_as_administrators(c, &org, doubtful, now)).await
    }
}
