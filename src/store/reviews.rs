//! The review queue: matches that people decide about, and what they say.

use super::engine::Tx;
use super::preview_match::{Outlook, counterpart_of, of_join};
use super::rows::link;
use super::rows::review::{self as rows, Review};
use super::voices::hearing;
use super::{Store, StoreError, left_alone};
use crate::audit::details::Agreed;
use crate::clock::Moment;
use crate::domain::guard::vote::{self, Heard};
use crate::domain::plan::rulebook::Rulebook;
use serde::Serialize;

/// The review queue: what waits, or everything that was ever decided too.
pub fn reviews(c: &Tx, all: bool) -> Result<Vec<Review>, StoreError> {
    rows::queue(c, all)
}

/// A match to decide about, with what accepting it would do.
pub fn review_outlook(
    c: &Tx,
    rules: &Rulebook,
    id: i64,
    now: Moment,
) -> Result<Option<(Review, Option<Outlook>)>, StoreError> {
    let Some(review) = rows::queue(c, true)?.into_iter().find(|review| review.id == id) else { return Ok(None) };
    let found = link::find(c, &review.org, &review.tenant, &review.profile)?;
    let outlook = match (found, counterpart_of(c, &review.org, &rows::key_of(c, id)?)?) {
        (Some((target, _)), Some(counterpart)) if review.verdict.is_none() || is_asked_again(c, &review)? => {
            Some(of_join(c, rules, &review.org, target, &counterpart, now)?)
        }
        _ => None,
    };
    Ok(Some((review, outlook)))
}

/// Whether a verdict leaves the account of somebody who has left as it is: then it can be given again, or another one.
fn is_asked_again(c: &Tx, review: &Review) -> Result<bool, StoreError> {
    let of = (review.tenant.as_str(), review.profile.as_str());
    Ok(review.verdict.as_deref() == Some("reject") && left_alone::is_asked_again(c, &review.org, of, review.id)?)
}

/// What somebody says about a match.
pub struct Opinion<'a> {
    /// Whether the two are one person.
    pub accept: bool,
    /// The code of what was shown.
    pub code: &'a str,
    /// Whoever agrees says that two active profiles of one tenant are one person, and why.
    pub same_person: bool,
    /// Needed with `same_person`.
    pub why: Option<&'a str>,
    /// The name that people read.
    pub by: &'a str,
    /// Whom it is counted by.
    pub principal: &'a str,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Opined {
    /// The service acts upon it soon.
    Decided,
    /// So many more people must agree.
    Needs {
        /// Besides those who have agreed.
        more: i64,
    },
    /// There is no such match, or it was decided already.
    NothingToDecide,
    /// What is shown has changed since.
    Changed {
        /// In words.
        what: String,
        /// What is shown now.
        code: String,
    },
    /// The same person has agreed already.
    Again,
    /// Both profiles are active in this tenant: it must be said that they are one person, and why.
    SayWhy {
        /// Its name.
        tenant: String,
    },
    /// It cannot be done.
    Refused {
        /// With what to do.
        why: String,
    },
}

/// Writes down what somebody says from beside the service, which acts upon it soon.
pub fn opine(c: &Tx, rules: &Rulebook, id: i64, opinion: &Opinion, now: Moment) -> Result<Opined, StoreError> {
    let Some((review, Some(outlook))) = review_outlook(c, rules, id, now)? else { return Ok(Opined::NothingToDecide) };
    let hearing = hearing(c, rules)?;
    let voice = hearing.whose(opinion.principal, opinion.by);
    let mut agreed = rows::agreed(c, id)?;
    agreed.retain(|one| one.code == outlook.code);
    let agreed: Vec<String> = agreed.iter().map(|one| hearing.whose(&one.principal, &one.by)).collect();
    let shown = vote::Shown {
        code: &outlook.code,
        refused: outlook.refused.as_deref(),
        twins_in: outlook.twins_in.as_deref(),
        needs: outlook.needs,
        beside_provider: outlook.beside_provider,
    };
    let said = vote::Opinion {
        accept: opinion.accept,
        code: opinion.code,
        says_why: opinion.same_person && opinion.why.is_some_and(|why| !why.trim().is_empty()),
        principal: &voice,
    };
    let heard = vote::heard(&shown, &said, &agreed);
    if matches!(heard, Heard::Accepted | Heard::Needs(_)) {
        let agreed = Agreed {
            by: opinion.by.to_owned(),
            principal: opinion.principal.to_owned(),
            code: opinion.code.to_owned(),
            why: opinion.why.map(str::to_owned),
        };
        rows::agree(c, id, &agreed, now)?;
    }
    let decide = |verdict| {
        let again = review.verdict.is_some();
        let is_decided = rows::settle(c, id, verdict, (opinion.by, opinion.principal), again, now)?;
        Ok(if is_decided { Opined::Decided } else { Opined::NothingToDecide })
    };
    match heard {
        Heard::Accepted => decide("accept"),
        Heard::Rejected => decide("reject"),
        Heard::Needs(more) => Ok(Opined::Needs { more }),
        Heard::Changed => Ok(Opined::Changed { what: outlook.changed_since(opinion.code), code: outlook.code.clone() }),
        Heard::Refused(why) => Ok(Opined::Refused { why }),
        Heard::SayWhy(tenant) => Ok(Opined::SayWhy { tenant }),
        Heard::Again => Ok(Opined::Again),
    }
}

impl Store {
    /// The review queue.
    pub async fn reviews(&self) -> Result<Vec<Review>, StoreError> {
        self.run(|c| rows::queue(c, false)).await
    }
}
