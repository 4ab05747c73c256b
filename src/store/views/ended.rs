//! Whose access was ended before HR has done it.

use crate::clock::Moment;
use crate::domain::plan::end_now::STANDS;
use crate::store::StoreError;
use crate::store::engine::Tx;
use crate::store::rows::{account, end_access as row, link, target};
use serde::{Deserialize, Serialize};

/// Somebody whose access was ended before HR has done it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndedAccess {
    /// Number of the target.
    pub target: i64,
    /// The org, by its name in the configuration.
    pub org: String,
    /// The person's name; of an account that is nobody's its login; empty where neither is known.
    pub name: String,
    /// Login of the account; `None` where none is known.
    pub login: Option<String>,
    /// Who has asked for it.
    pub by: String,
    /// Why, as they wrote.
    pub why: String,
    /// When it was asked for, in milliseconds.
    pub at: i64,
    /// From when on access is over, in milliseconds.
    pub begins: i64,
    /// Only suspended: memberships and apps stay.
    pub suspends: bool,
    /// In this org only; otherwise in every org, also in those that come later.
    #[serde(default)]
    pub only_here: bool,
    /// A second person must agree first.
    pub waits: bool,
    /// Since when HR's record has said so too.
    #[serde(default)]
    pub followed_at: Option<i64>,
    /// What Okta was seen to hold of the account.
    pub status: Option<String>,
}

impl EndedAccess {
    /// What is so, and what to do, for people.
    pub fn message(&self) -> String {
        let (by, why) = (&self.by, &self.why);
        let name = self.login.as_ref().unwrap_or(&self.name);
        if self.waits {
            return format!(
                "{by} has asked for the end of access ({why}), beyond what one person may within an hour: somebody else must ask \
                 for the same with `end-access {name:?} --why TEXT`"
            );
        }
        if let Some(since) = self.followed_at {
            let decides = Moment::from_millis(since) + STANDS;
            return format!(
                "access was ended by {by} on {}: {why}; HR's record has said so too since {}, and decides again from {decides} on. \
                 Before that only `restore-access {name:?} --why TEXT` gives it back",
                Moment::from_millis(self.at),
                Moment::from_millis(since)
            );
        }
        format!(
            "access was ended by {by} on {}: {why}; HR has not followed since. Have it entered in Namely, or take it back with `restore-access {name:?} --why TEXT`",
            Moment::from_millis(self.at)
        )
    }
}

/// Everybody whose access was ended before HR has done it.
pub fn ended_access(c: &Tx) -> Result<Vec<EndedAccess>, StoreError> {
    let mut found = Vec::new();
    for row::Open { target, asked, waits, place, followed_at, .. } in row::all(c)? {
        let Some((org, okta_id)) = target::account_of(c, target)? else { continue };
        let account = okta_id.map(|id| account::by_id(c, &org, &id)).transpose()?.flatten();
        let name = link::name_of(c, target)?;
        found.push(EndedAccess {
            target,
            name: name.or_else(|| account.as_ref().map(|one| one.login.clone())).unwrap_or_default(),
            login: account.as_ref().map(|one| one.login.clone()),
            status: account.map(|one| one.status.as_str().to_owned()),
            org,
            by: asked.by,
            why: asked.why,
            at: asked.at.millis(),
            begins: asked.begins.millis(),
            suspends: asked.suspends,
            only_here: place.only_here,
            waits,
            followed_at: followed_at.map(Moment::millis),
        });
    }
    Ok(found)
}
